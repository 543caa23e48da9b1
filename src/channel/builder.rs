//! How a channel is made.

use super::Channel;
use super::shared::Shared;
use super::terms::{AfterLast, Backpressure};
use super::trace;
use crate::error::BuildError;
use crate::ring::position::{GRANULE, Geometry, MAX_CAPACITY, Position};
use crate::sync::asymmetric::{self, Abilities};

use std::sync::Arc;

/// Configures and makes a [`Channel`].
#[derive(Clone, Debug, Default)]
#[must_use = "it makes a channel only when `build` is called"]
pub struct Builder {
    size: usize,
    backpressure: Backpressure,
    start: u64,
    without_membarrier: bool,
    hands_lines_back: Option<bool>,
    name: Option<Arc<str>>,
    forgives_panics: bool,
    waits_for_first: bool,
    after_last: AfterLast,
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    keeps_as_much_as_can_be: bool,
}

impl Builder {
    /// Sets the size of the ring in bytes. It is rounded up to a power of two, 64 at least.
    ///
    /// A large size costs address space. Memory is taken where the ring is written for the first time.
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// What happens to a write when the ring is full. Writers may be
    /// [given](crate::Writer::set_backpressure) another backpressure.
    pub fn backpressure(mut self, backpressure: Backpressure) -> Self {
        self.backpressure = backpressure;
        self
    }

    /// Sets the position of the first byte, rounded down to a multiple of 64. It is 0 by default.
    ///
    /// Positions have 63 bits and wrap. Tests start close to the wrap, to show that nothing depends
    /// on where positions are.
    pub fn start_position(mut self, start: u64) -> Self {
        self.start = start;
        self
    }

    /// Sets whether the channel may rely on the system call `membarrier` of Linux. It may by
    /// default.
    ///
    /// Channels do without it until the process is registered for the call, which the first channel that
    /// may rely on it has done off to the side, or [`prepare`](crate::prepare) at once.
    ///
    /// A process may forbid itself system calls after its start, by a filter. If the filter refuses
    /// `membarrier`, the process is aborted when a channel that relies on it needs it next: for a
    /// second writer beside one that was alone for long, for a second strong reader beside one that has
    /// [handed lines back](Self::hand_lines_back), for a reader or writer that goes to sleep, or to take a
    /// hold. A channel that is made behind the filter does without it in any case.
    ///
    /// With `membarrier(false)`, a channel that is made before the filter lives through it. It uses
    /// locked instructions and full fences instead. A short write then costs about twice as much, and a read
    /// of a strong reader a full fence more.
    ///
    /// ```
    /// use overfall::Channel;
    ///
    /// let channel = Channel::builder().size(4096).membarrier(false).build()?;
    /// # Ok::<(), overfall::error::BuildError>(())
    /// ```
    pub fn membarrier(mut self, allowed: bool) -> Self {
        self.without_membarrier = !allowed;
        self
    }

    /// Sets whether a strong reader hands cache lines back to the writers: whether it stores the bytes that it has
    /// read to where they lie, unchanged.
    ///
    /// On some processors a line that another core has only read is slow to write again, and one that it
    /// has stored to is not. By default it is done on those of which that was measured: AMD, family 25, where a
    /// writer and a reader on two cores take a third of the time for slices of 4 KiB. Measure it on others
    /// with `cargo bench --bench hand_back` of this crate's sources. A reader that runs on the core of the
    /// writer, as far as it can tell, does without.
    ///
    /// It is done for pieces of slices of 1 KiB and more that are copied, and for 2 KiB and more that were lent
    /// and are given back in one go, in one slice or in many: bytes that are
    /// [consumed](crate::StrongReader::consume), or messages. It is done by a strong reader while it is the
    /// only one. A strong reader that comes as a second one ends that, and pays a few microseconds for it. It
    /// needs Linux on 64-bit x86 with glibc 2.35, and [`membarrier`](Self::membarrier); elsewhere it is not
    /// done, whatever is set.
    ///
    /// ```
    /// use overfall::Channel;
    ///
    /// let channel = Channel::builder().size(4096).hand_lines_back(false).build()?;
    /// # Ok::<(), overfall::error::BuildError>(())
    /// ```
    pub fn hand_lines_back(mut self, hands_back: bool) -> Self {
        self.hands_lines_back = Some(hands_back);
        self
    }

    /// Sets whether writers wait for the first strong reader, once the ring is full. Then it gets all that
    /// was written, however late it comes: writers may be started before it. It must start at
    /// [`StartAt::Oldest`](crate::StartAt::Oldest).
    ///
    /// They do not by default. A channel may have weak readers alone, or none at times, and its writers
    /// would wait for ever. What was overwritten before the first strong reader came is counted
    /// ([`ChannelStats::overwritten_slices`](crate::stats::ChannelStats::overwritten_slices)).
    ///
    /// ```
    /// use overfall::Channel;
    /// use std::thread;
    ///
    /// let channel = Channel::builder().size(1024).wait_for_strong_reader(true).build()?;
    /// let mut writer = channel.new_writer().blocking();
    /// let writing = thread::spawn(move || {
    ///     (0..1000).try_for_each(|number: u32| writer.send(&number.to_be_bytes()).map(drop))
    /// });
    /// // The recorder comes late, and misses nothing.
    /// let mut recorder = channel.new_strong_reader().blocking();
    /// drop(channel);
    /// let mut lines = 0;
    /// while recorder.recv()?.is_some() {
    ///     lines += 1;
    /// }
    /// assert_eq!(lines, 1000);
    /// writing.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for_strong_reader(mut self, waits: bool) -> Self {
        self.waits_for_first = waits;
        self
    }

    /// Sets what becomes of the channel when its last strong reader has gone: by default it
    /// [closes](AfterLast::Close).
    ///
    /// A strong reader is one that must get everything. If it dies, that should be noticed, and the only
    /// ones left to notice it are the writers. A channel that went on would lose all that they write
    /// without a word, for as long as nobody looks at the figures. One that closes too early fails
    /// loudly, the first time that it is tried, with an error that names this setting. So a server whose
    /// reliable clients come and go sets [`Overwrite`](AfterLast::Overwrite), or
    /// [`Wait`](AfterLast::Wait); or it keeps a strong reader.
    ///
    /// # A recorder that must not die unseen
    ///
    /// ```
    /// use overfall::{Channel, error::SendError};
    /// use std::thread;
    ///
    /// let channel = Channel::new(1024);
    /// let mut recorder = channel.new_strong_reader().blocking();
    /// let recording = thread::spawn(move || {
    ///     recorder.recv()?;
    ///     Err::<(), _>(std::io::Error::other("disk full")) // and the reader is dropped
    /// });
    /// let mut writer = channel.new_writer();
    /// let _dashboard = channel.new_weak_reader();
    /// # futures::executor::block_on(async {
    /// let lost = loop {
    ///     if let Err(error) = writer.send(b"a precious line").await {
    ///         break error;
    ///     }
    /// };
    /// assert_eq!(lost, SendError::Closed);
    /// # });
    /// assert!(recording.join().unwrap().is_err());
    /// ```
    pub fn after_last_strong_reader(mut self, what: AfterLast) -> Self {
        self.after_last = what;
        self
    }

    /// Sets whether the channel [fails](crate::Writer::fail) when a strong writer is dropped by a panic
    /// of its thread or task. It does by default, with
    /// [`WriterPanicked`](crate::error::WriterPanicked), so that nobody takes half of what was to be
    /// written for the whole. With `fail_on_panic(false)` the writer goes like any other.
    ///
    /// A writer does not fail the channel if it was [shut down](crate::Writer::shut_down), if it is weak,
    /// or if it was made while its thread panicked already, as for a line of a log in a destructor.
    ///
    /// ```
    /// use overfall::error::ReadError;
    /// use std::panic::catch_unwind;
    ///
    /// let (writer, mut reader) = overfall::pipe(1024);
    /// let panic = catch_unwind(move || {
    ///     let _dropped_by_the_panic = writer;
    ///     panic!("a bug");
    /// });
    /// assert!(panic.is_err());
    /// let end = futures::executor::block_on(reader.recv()).map(drop);
    /// assert!(matches!(end, Err(ReadError::Failed(_))));
    /// ```
    pub fn fail_on_panic(mut self, fails: bool) -> Self {
        self.forgives_panics = !fails;
        self
    }

    /// What is overwritten is no more than what a write needs: a strong reader that comes finds as much as a
    /// weak one.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(crate) fn keep_as_much_as_can_be(mut self) -> Self {
        self.keeps_as_much_as_can_be = true;
        self
    }

    /// Names the channel in its [`Debug`](std::fmt::Debug) text, in the events of the feature `tracing`,
    /// and in the metrics of the feature `metrics`. Two channels may have the same name.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes the channel.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the size is 0, larger than a ring can be, or more than there is memory
    /// for.
    pub fn build(self) -> Result<Arc<Channel>, BuildError> {
        let channel = Arc::new(Channel { shared: Arc::new(self.build_shared()?) });
        trace::made(&*channel.shared, channel.shared.ring.capacity());
        Ok(channel)
    }

    fn build_shared(self) -> Result<Shared, BuildError> {
        if self.size == 0 {
            return Err(BuildError::ZeroSize);
        }
        let max = usize::try_from(MAX_CAPACITY).unwrap_or(isize::MAX as usize / 2 + 1);
        if self.size > max {
            return Err(BuildError::TooLarge { size: self.size, max });
        }
        let capacity = self.size.next_power_of_two().max(GRANULE as usize);
        let start = Position::labelled(self.start & !(GRANULE - 1));
        let abilities = if self.without_membarrier { Abilities::NONE } else { asymmetric::begin() };
        let geometry = Geometry::new(capacity as u64);
        let mut shared = Shared::new(geometry, start, self.backpressure, abilities)
            .ok_or(BuildError::OutOfMemory { capacity })?;
        if let Some(hands_back) = self.hands_lines_back {
            shared.ring.hand_lines_back(hands_back && abilities.sections);
        }
        shared.name = self.name;
        shared.after_last = self.after_last;
        #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
        if self.keeps_as_much_as_can_be {
            shared.ring.keep_as_much_as_can_be();
        }
        if self.waits_for_first {
            shared.hold_for_first_reader();
        }
        shared.fails_on_panic = !self.forgives_panics;
        Ok(shared)
    }
}
