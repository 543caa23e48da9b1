//! A stream that is kept, and read from anywhere, by anybody, at any time.
//!
//! A [ring](crate::Channel) forgets. A spool is a stream of bytes that is written once, front to back,
//! by one writer at a time, and kept. Any number of readers start when they like, each at its own
//! pace, seek, and read again, while the stream is still being written and after. The output of a
//! command that forty viewers attach to; a download that is played while it arrives; the log of a build
//! that fails at the end.
//!
//! ```
//! use overfall::spool::Spool;
//! use std::io::{Read, Seek, SeekFrom, Write};
//!
//! let spool = Spool::memory();
//! let mut writer = spool.writer()?;
//! let mut early = spool.reader()?.blocking();
//! let viewer = std::thread::spawn(move || {
//!     let mut text = String::new();
//!     early.read_to_string(&mut text).map(|_| text) // waits until the stream is finished
//! });
//!
//! write!(writer, "compiling... ")?;
//! write!(writer, "done")?;
//! writer.finish()?;
//! assert_eq!(viewer.join().unwrap()?, "compiling... done");
//!
//! let mut late = spool.reader()?.blocking(); // gets the same bytes
//! late.seek(SeekFrom::End(-4))?;
//! let mut end = String::new();
//! late.read_to_string(&mut end)?;
//! assert_eq!(end, "done");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How a stream ends
//!
//! | what happens | what readers get behind the last byte | [`finished`](Spool::finished) |
//! |---|---|---|
//! | the writer calls [`finish`](SpoolWriter::finish) | the end | the length |
//! | the promised bytes are there ([`Builder::known_len`]) | the end, at once | the length |
//! | the writer, or the owner of the spool, calls `fail` | that error, every reader and each time | that error |
//! | the source of a spool that [pulls](Spool::pull) ends | the end | the length |
//! | the writer is dropped, and was not to be [released](Builder::release_dropped_writers) | [`Abandoned`] as an error | the same |
//! | there is no writer, and no [`Spool`] is left | [`Abandoned`] as an error | the same |
//! | [`terminate`](Spool::terminate) | an error at once; unread bytes are gone | an error |
//!
//! The first of these that comes to pass is the end, for all readers, at the same length; only
//! `terminate` comes on top of the others. A writer that is [released](SpoolWriter::release) ends
//! nothing: readers wait for the next one.
//!
//! # Who waits for whom
//!
//! A spool keeps everything, so its writer waits for no reader. Readers wait for bytes, or for the end, and are
//! woken when the byte that they wait for is there, not before. To write, while no reader sleeps, and to
//! read what is there, takes no lock, no read-modify-write instruction, and no system call but those of
//! the allocator. In a file, each write is a system call, and so are most reads.
//!
//! # Where the bytes come from
//!
//! From a writer; from a [`Pump`](crate::pump::Pump), which has a writer and moves what a source gives; or
//! from a source that is read only when a reader needs what is not there ([`Spool::pull`]).
//!
//! # Bounded history
//!
//! With [`Retain::Last`] a spool keeps its last bytes alone, and there are two kinds of readers.
//!
//! | | a *strong* reader, [`Spool::reader`] | a *weak* one, [`Spool::weak_reader`] |
//! |---|---|---|
//! | what it has not read | is kept: the writer waits for it | may be let go of: nobody waits for it |
//! | passed by the writer | never | [`ReadError::Lagged`] tells once how many bytes it missed; it goes on at the oldest |
//! | may ask, in one read, for | as much as is kept | anything |
//! | the end of an unknown length | is an error, since the writer would wait for it | is waited for |
//!
//! Both begin [where they like](Start), and seek both ways within what is kept; to seek, or to read, where
//! nothing is kept any more is an error that tells the range that is. A reader holds the segment of memory that
//! it is in, and nothing else: one that stands still for an hour keeps that much memory, and nobody waits for it
//! but as the table says.
//!
//! ```
//! use overfall::spool::{ReadError, Retain, Spool, Start};
//!
//! let spool = Spool::builder().retain(Retain::Last(1024)).build()?;
//! let mut writer = spool.writer()?;
//! let mut viewer = spool.weak_reader()?;
//! for line in 0..1000 {
//!     writer.try_write(format!("line {line}\n").as_bytes())?;
//! }
//! assert!(matches!(viewer.try_read(&mut [0; 80]), Err(ReadError::Lagged { missed: 1.. })));
//! assert!(viewer.try_read(&mut [0; 80])? > 0); // from the oldest byte that is kept
//!
//! let late = spool.weak_reader_from(Start::Back(100))?;
//! assert_eq!(late.backlog(), 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where it is kept
//!
//! | made by | the bytes lie |
//! |---|---|
//! | [`Spool::memory`], [`Builder::build`] | in memory |
//! | [`Builder::spill_at`] | the first ones in memory, and the rest in a temporary file |
//! | [`Spool::temp_file`] | in a temporary file, which goes with the spool; with [`Retain::Last`], the last ones |
//! | [`Spool::create`], [`Builder::resume`] | in a file with a name, which stays; with [`Retain::Last`], the last ones |
//! | [`Spool::open`] | in such a file, only to be read |
//!
//! Readers and writers are the same for all of these. In memory, what is published is lent where it lies,
//! to any number of readers. What lies in a file is read into a buffer of the reader, or of the caller: a
//! loan is a copy there, and so are `Bytes`.
//!
//! Half a stream on disk is never taken for a whole one: [`Builder::create`] tells how that is kept, and
//! what becomes of it in a crash.
// What follows is for those who change it.
//
// THE DESIGN
//
// Segments (`segment.rs`). The bytes lie in segments of memory, whose sizes follow from a plan
// (`plan.rs`). A reader finds the segment of a byte by arithmetic, in a directory whose buckets double
// and never move. It holds a share of the segment that it is in, and a copy of the length that it saw
// last. Within both it reads on without a look at anything that others write, but for the word that
// tells the end, and its own flag that tells whether it was closed: nobody writes these but at an end.
//
// Publication. The writer copies, or has a closure fill, bytes that nobody else can reach, and then
// stores the new length, with Release. That is all, while nobody sleeps.
//
// Waiting. A reader that finds nothing notes how many bytes it waits for in its slot of the parking, and
// parks as a reader of a ring does (`wait/parking.rs`, `wait/watch.rs`). A writer that publishes wakes
// those whose number it has reached. Ends wake all. Everything else that can be waited for (the end, no
// reader, a reader, idleness) goes through one line, which is woken as a whole at each such change.
//
// Ends (`shared.rs`). One word tells how the stream ended, and at which length. It changes under the
// lock of the registry. Only a failure from outside can race with a write; `Shared::look` tells how all
// agree on the last length.
//
// Pulling (`pull.rs`). A spool may have a source. It is read when a reader is parked that waits for more
// than there is: by a thread if it may block, and else by the reader that polls. Its lock is taken by who
// waits, and not by who reads what is there.
//
// Lending. What is published never changes, and so is lent as `&[u8]`. A loan borrows the reader, and
// thereby its share of the segment; `Bytes` hold a share of their own.
//
// Bounded history (`retain.rs`). `Shared` says which byte is the oldest that is kept, `begin`; the store
// lets go of what lies below it. The writer raises `begin` by whole segments, and looks then where the
// strong readers stand (`Shared::hold` tells how none of them comes too late). It writes no further than
// the bound before the slowest of them, and for that has a limit, which it finds anew where it reaches it,
// and where a strong reader has come, or gone back. Nor further than where the next segment can be let go
// of: so there is never more than one too many, and memory is bounded. Where there is no room the writer
// waits in a line, as those of a ring do, and strong readers that move on look at it. Weak readers are not
// asked. One that comes to a segment that was let go of goes on at `begin`, and tells how far that was.
//
// Letting go (`window.rs`). A segment is freed when the directory and all shares of it have gone, so a
// reader that stands still keeps the one segment that it is in. The directory is a row of slots, which come
// again and again. To enter a segment is to count oneself in the word of its slot, take a share, and count
// oneself out. The writer takes a segment out by one exchange of that word, which tells it who is in
// between, and leaves them a share each. Nobody waits, nothing is deferred, and there is no collector. What
// nobody has a share of becomes the next segment.
//
// Files (`file.rs`). The bytes below a bound lie in memory, those from there on in a file, and stay there.
// The bound is where `Memory` ends. It still holds the published length, of all bytes: so who has published
// what, parking, ends and positions know nothing of files. A reader that `View` lends nothing of what it
// sees, and a writer to whom `Tail` lends no rest, turn to the `Disk`. To publish what lies in a file is the
// same store; that the bytes are in the file before it is the system's promise, as the write has returned.
// Where the last bytes alone are kept, the file lets go of the others by holes (`file/kept.rs`): readers look
// behind a read whether what they have read was still kept.
//
// ORDERINGS
//
// A Release or a fence stands on the right, an Acquire or a fence on the left. `light`, `heavy`, `park:*`,
// `watch:*`, `line:*` and `free:*` are told in the essay of `ring.rs`.
//
// | label | pairs with | what it orders |
// |---|---|---|
// | `publish:B` | `publish:A` | the bytes below a length, and their segments, before who has seen it |
// | `claim:B` | `claim:A` | all that one writer did before the next one |
// | `ended:B` | `ended:A` | the last length, and the failure, before who finds the end |
// | `settle:B` | `settle:A` | a length that was seen, or *failing*: as `light` and `heavy`, where there are none |
// | `hold:B` | `hold:A`, `park:A` | `begin`, raised, or where a strong reader stands, or that `load_all` sleeps: one of the two is seen |
// | `arrive:B` | `arrive:A` | where a strong reader stands, before the writer who knows of it |
// | `slot:B` | `slot:A` | the end of a turn, before who finds the segment of the next one |
// | `turn:B` | `turn:A` | `begin`, before who finds a segment gone |
// | `gone:B` | `gone:A` | `begin`, before who finds a place in a file gone |
// | `hole:B` | `hole:A` | from where on a file is kept, before who has read a hole |
// | `enter:B` | `enter:A` | a share that was counted, before the slot has none |
// | `share:B` | `share:A` | all that was done with any share of a segment, before it is freed or comes again |
//
// WHAT WAS DECIDED, AND AGAINST WHAT
//
// - *A word for the end beside the length*, not bits in the length: a failure from outside would have to
//   change a word that the writer stores to without a look, and each publication would be an exchange.
// - *A share of a segment, counted when it is entered*, not a pointer into a spool that lives on: it costs
//   one counted reference in each segment, makes `Bytes` simple, and is what bounded history needs.
// - *Slots that count who is entering*, not `crossbeam-epoch`: a thread that is stopped while it is pinned
//   keeps every segment that is let go of from then on, and here it keeps one.
// - *A limit that is found anew*, not a look at all readers in each write: it costs a write one load of a
//   word that changes when a strong reader comes or goes back.
// - *No clock in a write.* Since when nothing has come is noted by who looks, not by who writes.
// - *Handles are counted.* Otherwise readers of a stream whose last handle has gone would wait for a
//   writer for ever.

mod blocking;
mod builder;
mod error;
mod file;
#[cfg(feature = "futures")]
mod futures;
mod holding;
mod plan;
mod pull;
mod pulled;
mod reader;
mod retain;
mod room;
mod segment;
mod shared;
mod sleeper;
#[cfg(all(test, not(any(overfall_loom, miri))))]
mod slow_disk;
mod source;
mod start;
mod stats;
#[cfg(all(test, not(overfall_loom)))]
mod stopped;
#[cfg(feature = "tokio")]
mod tokio;
mod window;
mod without_waiting;
mod writer;

pub use builder::Builder;
#[cfg(feature = "futures")]
pub use error::FreezeError;
pub use error::{
    Abandoned, BuildError, Ended, FinishError, ReadError, SeekError, SourcePanicked, StartError,
    WriteError, WriterError,
};
#[cfg(all(test, overfall_loom))]
pub(crate) use file::Kept;
pub use file::{FileError, Incomplete};
pub use plan::Growth;
pub use reader::{Closer, SpoolReader};
pub use retain::Retain;
pub use start::Start;
pub use stats::{ReaderStats, SpoolStats};
pub use without_waiting::{Missing, WithoutWaiting};
pub use writer::SpoolWriter;

use crate::error::Failure;
use crate::io::Blocking;
use crate::io::layers::Until;
use shared::{Ending, Shared};
use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A handle of a spool, which makes its writer and its readers. See the [module](self).
///
/// Clones are handles of the same spool. The memory lives for as long as there is a handle, a writer, or
/// a reader. Once the last handle has gone, and there is no writer, the stream has failed if it had not
/// ended: nobody could go on with it.
pub struct Spool {
    shared: Arc<Shared>,
    release_dropped_writers: bool,
}

impl Spool {
    /// A spool that keeps everything in memory, as [`Spool::builder`] makes it.
    pub fn memory() -> Self {
        match Self::builder().build() {
            Ok(spool) => spool,
            Err(error) => unreachable!("what a builder begins with is right: {error}"),
        }
    }

    /// Sets what [`Spool::memory`] leaves as it is.
    pub fn builder() -> Builder {
        Builder::new()
    }

    fn new(shared: Arc<Shared>, release_dropped_writers: bool) -> Self {
        Self { shared, release_dropped_writers }
    }

    /// The writer, which goes on behind what has been written.
    ///
    /// # Errors
    ///
    /// If there is one already, or if the stream has ended.
    pub fn writer(&self) -> Result<SpoolWriter, WriterError> {
        let tail = self.shared.claim()?;
        Ok(SpoolWriter::new(self.shared.clone(), tail, self.release_dropped_writers))
    }

    /// How many bytes have been written.
    pub fn len(&self) -> u64 {
        self.shared.length_and_ending().0
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the whole stream, if it is known: it was promised, or the stream is finished.
    pub fn known_len(&self) -> Option<u64> {
        self.shared.whole().ok()
    }

    /// Whether the stream has ended well.
    pub fn is_finished(&self) -> bool {
        self.shared.length_and_ending().1 == Ending::Finished
    }

    /// Waits until the stream has ended, and tells its length. A dropped future has done nothing.
    ///
    /// # Errors
    ///
    /// `Failed` and `Terminated`, if it has not ended well.
    pub async fn finished(&self) -> Result<u64, ReadError> {
        self.shared.until(|| self.shared.outcome()).await
    }

    /// The same, and parks the thread for at most `timeout`; `None` if the stream has not ended by then.
    /// With a timeout of zero it looks once.
    pub fn finished_timeout(&self, timeout: Duration) -> Option<Result<u64, ReadError>> {
        self.park_until(timeout, || self.shared.outcome())
    }

    /// Fails the stream from outside, whatever the writer does: its next write fails, and readers get
    /// `error` behind the last byte. For a producer that stalls.
    ///
    /// # Errors
    ///
    /// If the stream had ended before. Nobody else is told the error then.
    pub fn fail(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Result<(), Ended> {
        self.shared.fail(Failure::new(error))
    }

    /// Ends the spool for everybody at once. What was unread is gone. Bytes that are lent stay lent.
    pub fn terminate(&self) {
        self.shared.terminate();
    }

    /// Makes no more readers from now on: [`reader`](Self::reader) fails with `error`, that of the first
    /// call. Those that are there go on, and can be cloned.
    pub fn refuse_readers(&self, error: impl Into<Box<dyn Error + Send + Sync>>) {
        self.shared.refuse_readers(Failure::new(error));
    }

    /// How many readers there are.
    pub fn readers(&self) -> u64 {
        self.shared.readers()
    }

    /// Waits until there is no reader: they have gone, or none has come yet. A dropped future has done
    /// nothing.
    pub async fn without_readers(&self) {
        self.shared.until(|| (self.readers() == 0).then_some(())).await;
    }

    /// The same, and parks the thread for at most `timeout`. Tells whether it came to pass.
    pub fn without_readers_timeout(&self, timeout: Duration) -> bool {
        self.park_until(timeout, || (self.readers() == 0).then_some(())).is_some()
    }

    /// Waits until there is a reader. A dropped future has done nothing.
    pub async fn with_readers(&self) {
        self.shared.until(|| (self.readers() > 0).then_some(())).await;
    }

    /// The same, and parks the thread for at most `timeout`. Tells whether it came to pass.
    pub fn with_readers_timeout(&self, timeout: Duration) -> bool {
        self.park_until(timeout, || (self.readers() > 0).then_some(())).is_some()
    }

    /// Waits until there is neither a reader nor a writer: they have gone, or none has come yet. A
    /// dropped future has done nothing.
    pub async fn idle(&self) {
        self.shared.until(|| self.shared.is_idle().then_some(())).await;
    }

    /// The same, and parks the thread for at most `timeout`. Tells whether it came to pass.
    pub fn idle_timeout(&self, timeout: Duration) -> bool {
        self.park_until(timeout, || self.shared.is_idle().then_some(())).is_some()
    }

    /// Parks the thread until `look` finds something, as [`Shared::until`]; `None` if the time is up.
    fn park_until<T>(&self, timeout: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
        let mut found = pin!(self.shared.until(&look));
        self.park_until_polled(timeout, &look, |context| found.as_mut().poll(context))
    }

    /// The same with another future, of which `look` is a look without waiting.
    fn park_until_polled<T>(
        &self,
        timeout: Duration,
        look: impl Fn() -> Option<T>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        Blocking::new(()).poll_or_wait(
            Until::timeout(timeout),
            |()| {},
            |(), context| match context {
                None => look().map_or(Poll::Pending, Poll::Ready),
                Some(context) => poll(context),
            },
        )
    }

    /// As a writer does that has looked for sleepers in vain for long.
    #[cfg(all(test, overfall_loom))]
    pub(crate) fn end_watch(&self) {
        self.shared.end_watch();
    }

    /// What it holds, and who reads it, at this moment.
    pub fn stats(&self) -> SpoolStats {
        self.shared.stats()
    }

    /// The finished stream in one piece: without a copy if it is one segment, as with the right
    /// [`Builder::expected_len`]; else it is copied, and what lies in a file is read.
    ///
    /// # Errors
    ///
    /// If the stream is not finished, its first bytes are not kept any more, there is no memory for a
    /// copy, or its file cannot be read.
    #[cfg(feature = "futures")]
    pub fn freeze(&self) -> Result<bytes::Bytes, FreezeError> {
        let length = match self.shared.length_and_ending() {
            (length, Ending::Finished) => length,
            _ => return Err(self.shared.ended().map_or(FreezeError::Unfinished, Into::into)),
        };
        let gone = |shared: &Shared| FreezeError::Evicted { evicted: shared.begin() };
        if self.shared.begin() > 0 {
            return Err(gone(&self.shared));
        }
        let out_of_memory = FreezeError::OutOfMemory { bytes: length };
        let bytes = usize::try_from(length).map_err(|_| out_of_memory.clone())?;
        let mut view = segment::View::new(self.shared.memory.clone());
        view.extend(length);
        view.enter(0);
        if view.lend(0).len() == bytes {
            return Ok(bytes::Bytes::from_owner(view.share(0, bytes)));
        }
        let mut copy = Vec::new();
        copy.try_reserve_exact(bytes).map_err(|_| out_of_memory)?;
        while copy.len() < bytes && view.enter(copy.len() as u64) {
            copy.extend_from_slice(view.lend(copy.len() as u64));
        }
        let mut filled = copy.len();
        match &self.shared.disk {
            None if filled < bytes => return Err(gone(&self.shared)),
            None => {}
            Some(_) => {
                copy.resize(bytes, 0);
                while filled < bytes {
                    filled += self.shared.read_file(&mut copy[filled..], filled as u64, length)?;
                }
            }
        }
        Ok(copy.into())
    }
}

impl Clone for Spool {
    fn clone(&self) -> Self {
        self.shared.add_handle();
        Self::new(self.shared.clone(), self.release_dropped_writers)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.shared.remove_handle();
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, ending) = self.shared.length_and_ending();
        f.debug_struct("Spool")
            .field("len", &length)
            .field("ending", &ending)
            .finish_non_exhaustive()
    }
}

#[cfg(not(overfall_loom))]
#[allow(unused, reason = "a static assertion")]
const fn endpoints_can_be_sent() {
    const fn send<T: Send + Sync + std::panic::UnwindSafe>() {}
    send::<Spool>();
    send::<SpoolWriter>();
    send::<SpoolReader>();
    send::<Closer>();
}
