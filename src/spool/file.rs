//! Streams in files: [`Disk`] keeps the bytes of a stream from some number on.
//!
//! *Where bytes lie.* The first ones lie in memory, up to a bound, and those behind it in a file, as they
//! are, from its first byte on. The bound is 0 for a file of the user's, and for a spool that spills it is
//! what the user says. So each byte has one place from the first moment on, nothing is moved when a stream
//! grows past the bound, and what is lent of memory stays lent.
//!
//! *Who has published what* is the length in `Memory`, as without a file. The writer writes at the end of
//! the stream with a positioned write, and publishes what the system says was written, after the call. The
//! system shows written bytes to all who read later. So a reader asks only for bytes that are there, and
//! if the system has none at that place, then another program has cut the file.
//!
//! *How readers read*: with positioned reads on the one descriptor of the spool. Large reads go straight into
//! the caller's buffer, and small ones, and loans, through a [`Window`] of 8 KiB, which is the reader's own.
//! To lend what others lend as well, and without a copy, is a promise of memory: of a file, a loan is a
//! copy, and so are `Bytes`. Nothing is mapped: who cuts the file would kill us with a signal.
//!
//! *In place.* Async reads and writes make the system call where they are polled. What was written lately
//! lies in the system's cache: there a read of 4 KiB takes 3 µs, and one of 64 bytes 0.4 µs, most of them
//! out of the window, where to hand something to another thread and back takes 23 µs
//! (`what_a_read_in_place_takes` in the tests, without optimisation). It would also mean threads of our own,
//! which nobody can configure. The price: a read that has to wait for a disk blocks the thread of the
//! runtime meanwhile. Who reads cold files from slow disks in async code should read with `blocking()` on a
//! thread that is there for such things (`tokio::task::spawn_blocking`).
//!
//! *Whether it is finished* is told by a mark, a file beside it (`mark.rs`). In the file itself it
//! would have to be a head or a tail, and other programs could not read the stream, nor play half of a
//! download. A mark that is there says *finished*: were it the other way round, one that got lost would turn
//! half a stream into a whole one. It holds the length, so that a file that was cut later is found out. A
//! name that changes when the stream ends would tell the same without a second file, but not the length. The
//! mark is put before readers see the end, so who has seen it can open the file.
//!
//! *One writer.* A spool that may write a file locks it, until the stream has ended and its writer has
//! gone. The lock is one of the system (`sync/file_lock.rs`), so that nothing is left of it after a crash. A
//! child that another thread is starting has a copy of the open file, from `fork` to `exec`, and with it the lock.
//! So the lock is not left to the last close, but given back: for all copies. A copy of the whole process that
//! `fork` made leaves it to the one that has locked.
//!
//! *The last bytes alone* (`kept.rs`). The writer raises what is kept by the steps of the segments, as in memory, and
//! then punches holes, in pieces of 64 KiB: a hole frees only the blocks that lie wholly inside, and each is a
//! system call. The file stays as long as the stream, so that each byte stays where it is. (To use the space again
//! by writing round and round in it, as a ring does, would need no holes. But a reader that is in the middle of a
//! read would get bytes of two turns, and only the last writes would say which.) What a reader has in its
//! window stays right. A strong reader stands behind all holes, since the writer waits for it.
//!
//! *In a file with a name* a second mark (`kept_mark.rs`) tells where the stream begins: it is written before each
//! hole. Whether a file lets go of its beginning is decided when it is created, and such a file is locked by who
//! reads it, too: so no reader finds a hole that was punched behind its back, in a file that it took for whole.
//! Other programs see zeros in the place of what was let go of. *Not in a spool that spills*: with a bound,
//! memory is bounded as it is, and who wants less of it can have the file from the first byte on.
//!
//! *Full disks.* A file system can be too full for the mark, too: then the stream is not finished. What the
//! system did on ext4 and tmpfs, Linux 6.18: the write that comes to the limit is short, without an error,
//! and the next one fails. So nothing is published but what the call said. Past a limit of the process
//! (`ulimit -f`), the signal SIGXFSZ comes first, which kills who does not ignore it.

#[cfg(all(test, target_os = "linux", not(any(overfall_loom, miri))))]
mod copies;
mod error;
mod kept;
mod kept_mark;
mod mark;
#[cfg(all(test, target_os = "linux", not(any(overfall_loom, miri))))]
mod no_holes;
mod opening;
mod system;
mod window;

pub use error::{FileError, Incomplete};
pub(crate) use kept::Kept;
use kept_mark::KeptMark;
pub(super) use window::Window;

use super::error::{ReadError, WriteError};
use crate::error::Failure;
use crate::sync::{AtomicU64, Ordering, pause};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Where the file comes from.
#[derive(Debug)]
enum Origin {
    /// It has a name.
    Named(PathBuf),
    /// It has none, and is made for the first byte that does not lie in memory.
    Temporary { directory: PathBuf, mode: u32 },
}

/// Space is given back in pieces of so many bytes: each is a system call, and blocks and pages are no larger.
const PIECE: u64 = 64 << 10;

/// The bytes of a stream that do not lie in memory.
#[derive(Debug)]
pub(super) struct Disk {
    /// The number of the first one.
    begin: u64,
    origin: Origin,
    file: OnceLock<File>,
    kept: Kept,
    /// The bytes of the file below this one were given back. Only the writer changes it.
    given_back: AtomicU64,
    /// That of a file with a name that keeps its last bytes alone.
    kept_mark: Option<KeptMark>,
    is_read_only: bool,
    /// The process that has locked the file.
    process: u32,
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.give_lock_back();
    }
}

impl Disk {
    fn new(begin: u64, origin: Origin, file: OnceLock<File>) -> Self {
        let given_back = AtomicU64::new(0);
        Self {
            begin,
            origin,
            file,
            kept: Kept::all(),
            given_back,
            kept_mark: None,
            is_read_only: false,
            process: std::process::id(),
        }
    }

    fn named(path: PathBuf, file: File) -> Self {
        Self::new(0, Origin::Named(path), file.into())
    }

    /// One that is kept from `begin` on.
    fn keeping(mut self, mark: KeptMark, begin: u64) -> Self {
        self.kept.let_go(begin);
        self.given_back = AtomicU64::new(begin / PIECE * PIECE);
        self.kept_mark = Some(mark);
        self
    }

    /// From where on it is kept, before anything is let go of.
    pub(super) fn kept_from(&self) -> u64 {
        self.kept.from()
    }

    /// For what comes behind the first `begin` bytes.
    pub(super) fn temporary(begin: u64, directory: Option<PathBuf>, mode: u32) -> Self {
        let directory = directory.unwrap_or_else(system::temp_directory);
        Self::new(begin, Origin::Temporary { directory, mode }, OnceLock::new())
    }

    /// Whether others can find the file.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.origin, Origin::Named(_))
    }

    /// Whether the byte at `position` lies in the file.
    pub(super) fn begins_before(&self, position: u64) -> bool {
        self.begin <= position
    }

    /// How many bytes of a stream were written to the file.
    fn bytes_of(&self, length: u64) -> u64 {
        length.saturating_sub(self.begin)
    }

    /// How many of them lie there still.
    pub(super) fn bytes_kept_of(&self, length: u64) -> u64 {
        // Relaxed: a figure.
        self.bytes_of(length).saturating_sub(self.given_back.load(Ordering::Relaxed))
    }

    /// Lets go of what lies below `begin`, and gives its space back to the system, but for less than a piece.
    /// The caller is the only writer.
    pub(super) fn let_go(&self, begin: u64) -> Result<(), WriteError> {
        self.kept.let_go(begin);
        // Relaxed: a writer comes after the last one (ORD(claim:B)).
        let from = self.given_back.load(Ordering::Relaxed);
        let to = self.bytes_of(begin) / PIECE * PIECE;
        let Some(file) = self.file.get().filter(|_| from < to) else { return Ok(()) };
        pause::point();
        // Told before there is a hole: who opens the file later must not take that for the stream.
        let told = self.kept_mark.as_ref().map_or(Ok(()), |mark| mark.set(begin));
        told.and_then(|()| system::punch(file, from, to - from))
            .map_err(|error| WriteError::File(Failure::new(error)))?;
        self.given_back.store(to, Ordering::Relaxed);
        Ok(())
    }

    /// Fails where space cannot be given back. A hole behind its `len` bytes takes nothing away.
    fn can_let_go(&self, len: u64) -> Result<(), FileError> {
        let (Origin::Named(path) | Origin::Temporary { directory: path, .. }) = &self.origin;
        let punched = self.file().and_then(|file| system::punch(file, len, PIECE));
        punched
            .map_err(|error| FileError::NoHoles { path: path.clone(), error: Failure::new(error) })
    }

    /// Reads published bytes: at least one, for a buffer that is not empty. They are bytes of the stream if it
    /// [still has](Self::still_has) them after that.
    pub(super) fn read(&self, buffer: &mut [u8], position: u64) -> Result<usize, ReadError> {
        let Some(file) = self.file.get() else { unreachable!("a published byte has no file") };
        pause::point();
        let read = system::read_at(file, buffer, self.bytes_of(position));
        pause::point();
        match read {
            Ok(0) => Err(ReadError::Cut { position, left: self.left(file) }),
            Ok(read) => Ok(read),
            Err(error) => Err(ReadError::File(Failure::new(error))),
        }
    }

    /// Whether what was read at `position` before this had not been let go of.
    pub(super) fn still_has(&self, position: u64) -> bool {
        self.kept.still_has(position)
    }

    /// Writes some of the bytes, at least one, at the end of a stream of `length` bytes. The caller is its
    /// only writer.
    pub(super) fn write(&self, bytes: &[u8], length: u64) -> Result<usize, WriteError> {
        let failed = |error| WriteError::File(Failure::new(error));
        let file = self.file().map_err(failed)?;
        let end = self.bytes_of(length);
        // A write behind the end of a file that was cut would fill up with zeros that nobody wrote. If it
        // is cut between this look and the write, that happens, and nobody notices.
        if file.metadata().map_err(failed)?.len() < end {
            return Err(WriteError::Cut { written: length, left: self.left(file) });
        }
        pause::point();
        let written = system::write_at(file, bytes, end);
        pause::point();
        written.map_err(failed)
    }

    /// The file, which is made now if there is none.
    fn file(&self) -> io::Result<&File> {
        if let (None, Origin::Temporary { directory, mode }) = (self.file.get(), &self.origin) {
            let file = system::open_temporary(directory, *mode)?;
            let _one_writer_at_a_time = self.file.set(file);
        }
        Ok(self.file.get().expect("a file with a name is there from the start"))
    }

    /// Makes the temporary file now.
    fn make(&self) -> Result<(), FileError> {
        let (Origin::Named(path) | Origin::Temporary { directory: path, .. }) = &self.origin;
        self.file().map(drop).map_err(FileError::system("make a temporary file in", path))
    }

    /// The path, if our file is still there: another may have taken its place.
    fn path(&self) -> io::Result<Option<&PathBuf>> {
        let (Origin::Named(path), Some(file)) = (&self.origin, self.file.get()) else {
            return Ok(None);
        };
        Ok(system::is_at(file, path)?.then_some(path))
    }

    /// Where a stream ends whose file was cut.
    fn left(&self, file: &File) -> u64 {
        // Only for the text of an error.
        file.metadata().map_or(0, |metadata| self.begin + metadata.len())
    }

    /// Tells who opens the file later that the stream is finished.
    pub(super) fn mark(&self, length: u64) -> io::Result<()> {
        match self.path()? {
            Some(path) => mark::put(path, length),
            None if self.is_named() => {
                let moved = "the file is not at its path any more, and cannot be marked there";
                Err(io::Error::new(io::ErrorKind::NotFound, moved))
            }
            None => Ok(()),
        }
    }

    /// It is not finished after all.
    pub(super) fn unmark(&self) -> io::Result<()> {
        self.path()?.map_or(Ok(()), |path| mark::remove(path))
    }

    /// Lets other spools write the file: none of this one will. One that keeps its last bytes alone, and was
    /// opened to be read, keeps its lock: nobody may punch holes meanwhile.
    pub(super) fn unlock(&self) {
        if !self.is_read_only {
            self.give_lock_back();
        }
    }

    fn give_lock_back(&self) {
        if let Some(file) = self.file.get().filter(|_| self.process == std::process::id()) {
            // Closing it gives the lock back as well, at the latest with the last copy.
            let _at_the_latest_when_closed = system::unlock(file);
        }
    }

    fn sync(&self) -> Result<(), FileError> {
        let Origin::Named(path) = &self.origin else { return Ok(()) };
        let Some(file) = self.file.get() else { return Ok(()) };
        let kept = self.kept_mark.as_ref().map_or(Ok(()), KeptMark::sync);
        kept.and_then(|()| file.sync_all())
            .and_then(|()| mark::sync(path))
            .map_err(FileError::system("synchronize", path))
    }

    /// Deletes the names, unless they are another file's by now. The mark goes first: what a crash leaves
    /// is not finished.
    fn remove(&self) -> Result<(), FileError> {
        let Origin::Named(path) = &self.origin else { return Ok(()) };
        let removed = self.path().and_then(|ours| match ours {
            Some(path) => mark::remove(path)
                .and_then(|()| mark::unless_gone(std::fs::remove_file(path)))
                .and_then(|()| kept_mark::remove(path)),
            None => Ok(()),
        });
        removed.map_err(FileError::system("remove", path))
    }
}
