//! The channel's handle, and how it is made.

use crate::error::{BuildError, ChannelError, ReserveError, TryReserveError};
use crate::fence::{self, Abilities};
#[cfg(feature = "metrics")]
use crate::metrics::ChannelMetrics;
use crate::reader::{StrongReader, WeakReader};
use crate::ring::position::{GRANULE, Geometry, MAX_CAPACITY, Position};
use crate::shared::{Ending, Shared};
use crate::slice::Slice;
use crate::stats::ChannelStats;
use crate::trace;
use crate::writer::{Core, StrongWriter, WeakWriter, Writer};
use std::fmt;
use std::sync::Arc;

/// What becomes of a write when the ring is full of bytes that strong readers have yet to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Backpressure {
    /// The writer waits.
    #[default]
    Block,
    /// The slice is discarded, as a whole, and counted: on the writer and on the channel, in slices
    /// and in bytes. With the feature `tracing`, it is told after each so many. The io traits report it
    /// as written; `try_write` and `reserve` say `Full`.
    Drop,
}

/// Where a new reader starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum StartAt {
    /// At the oldest slice that is still kept: for a weak reader, the oldest that is intact, for a
    /// strong one, the oldest that has not been given back to the writers.
    #[default]
    Oldest,
    /// At the next slice to be reserved.
    Now,
    /// At most so many payload bytes back, in whole slices: the oldest start from which the slices
    /// committed so far add up to no more. It takes time in proportion to the slices that are kept.
    Back(u64),
}

/// A ring of bytes that many write and many read: the handle that endpoints are made with.
///
/// While a handle or a strong writer is left, the channel stays open. When the last `Arc` of the
/// handle is dropped, nothing changes for the endpoints, except that those decide from then on: the
/// channel drains once no strong writer is left, or no reader.
///
/// ```
/// use overfall::{Backpressure, Channel};
///
/// let channel = Channel::with_parameters(64 * 1024, Backpressure::Block);
/// let mut writer = channel.new_writer();
/// let mut reader = channel.new_strong_reader();
/// let mut tap = channel.new_weak_reader();
///
/// writer.try_write(b"to whom it may concern")?;
/// channel.drain()?;
///
/// let mut buffer = [0; 64];
/// assert_eq!(reader.try_read(&mut buffer)?, 22);
/// assert_eq!(tap.try_read(&mut buffer)?, 22);
/// assert_eq!(reader.try_read(&mut buffer)?, 0, "drained, and read to the end");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Channel {
    shared: Arc<Shared>,
}

/// Makes a [`Channel`] of its own kind.
#[derive(Clone, Debug, Default)]
#[must_use = "it makes a channel only when `build` is called"]
pub struct Builder {
    size: usize,
    backpressure: Backpressure,
    start: u64,
    without_membarrier: bool,
    name: Option<Arc<str>>,
}

impl Builder {
    /// The size of the ring in bytes, rounded up to a power of two, 64 at least.
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// What becomes of a write when the ring is full.
    pub fn backpressure(mut self, backpressure: Backpressure) -> Self {
        self.backpressure = backpressure;
        self
    }

    /// The position of the first byte, rounded down to a multiple of 64; 0 if nothing is said.
    ///
    /// Positions have 63 bits and wrap; starting close to that is how the tests see to it that
    /// nothing depends on where they are.
    pub fn start_position(mut self, start: u64) -> Self {
        self.start = start;
        self
    }

    /// Whether the channel may rely on the system call `membarrier`, on Linux; it may if nothing is
    /// said.
    ///
    /// A process that forbids itself system calls after its start, by a filter that refuses this one,
    /// is ended (`abort`) when a channel that relies on it needs it next: for a second writer beside one
    /// that was alone for long, or for a reader or writer that goes to sleep. A channel that is made
    /// behind the filter does without, whatever is said here. One that has to live through it is made
    /// with `membarrier(false)`: it uses locked instructions and full fences instead, which is about
    /// as much again for a short write.
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

    /// What the channel is called in its [`Debug`](fmt::Debug) text, in the events of the feature
    /// `tracing`, and in the metrics of the feature `metrics`. The names of two channels may be the same.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes the channel.
    ///
    /// # Errors
    ///
    /// If the size is 0, more than a ring can have, or more than there is memory for.
    pub fn build(self) -> Result<Arc<Channel>, BuildError> {
        let channel = Arc::new(Channel { shared: Arc::new(self.build_shared()?) });
        trace::made(&channel.shared);
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
        let abilities = if self.without_membarrier { Abilities::NONE } else { fence::prepare() };
        let geometry = Geometry::new(capacity as u64);
        let mut shared = Shared::new(geometry, start, self.backpressure, abilities)
            .ok_or(BuildError::OutOfMemory { capacity })?;
        shared.name = self.name;
        Ok(shared)
    }
}

impl Channel {
    /// A channel with a ring of `size` bytes whose writers wait when it is full.
    ///
    /// # Panics
    ///
    /// As for [`Channel::with_parameters`].
    #[allow(clippy::new_ret_no_self, reason = "the handle is shared from the start")]
    pub fn new(size: usize) -> Arc<Self> {
        Self::with_parameters(size, Backpressure::Block)
    }

    /// A channel with a ring of `size` bytes, rounded up to a power of two, 64 at least. Beside each
    /// 64 bytes of it lies a descriptor of 32.
    ///
    /// # Panics
    ///
    /// If `size` is 0 or there is no memory for it. [`Channel::builder`] makes errors of that.
    pub fn with_parameters(size: usize, backpressure: Backpressure) -> Arc<Self> {
        match Self::builder().size(size).backpressure(backpressure).build() {
            Ok(channel) => channel,
            Err(error) => panic!("no channel of {size} bytes: {error}"),
        }
    }

    /// Makes a channel with more to say, and with errors instead of panics.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The size of the ring in bytes: what was asked for, rounded up to a power of two.
    ///
    /// It is the most that can be written past a strong reader that stands still, and the most that
    /// a weak reader can be behind. A slice takes whole granules of 64 bytes of it.
    pub fn capacity(&self) -> usize {
        self.shared.ring.capacity() as usize
    }

    /// What becomes of a write when the ring is full.
    pub fn backpressure(&self) -> Backpressure {
        self.shared.backpressure
    }

    /// What the channel is called, if its [`Builder`] gave it a name.
    pub fn name(&self) -> Option<&str> {
        self.shared.name.as_deref()
    }

    /// The longest slice, in payload bytes: the capacity, or 4 GiB less 64 if that is less. Longer
    /// writes become several slices.
    pub fn max_slice(&self) -> usize {
        self.shared.ring.geometry().max_slice() as usize
    }

    /// A new writer, a strong one.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 208 writers already.
    pub fn new_writer(&self) -> Writer {
        self.new_strong_writer().into()
    }

    /// A new writer that keeps the channel open.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 208 writers already.
    pub fn new_strong_writer(&self) -> StrongWriter {
        StrongWriter::new(&self.shared)
    }

    /// A new writer that does not keep the channel open.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 208 writers already.
    pub fn new_weak_writer(&self) -> WeakWriter {
        WeakWriter::new(&self.shared)
    }

    /// A new reader that writers wait for. It starts at the oldest slice that is still kept.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 208 readers already.
    pub fn new_strong_reader(&self) -> StrongReader {
        self.new_strong_reader_at(StartAt::Oldest)
    }

    /// A new reader that writers wait for.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 208 readers already.
    pub fn new_strong_reader_at(&self, start: StartAt) -> StrongReader {
        StrongReader::new(&self.shared, start)
    }

    /// A new reader that can be overrun. It starts at the oldest slice that is still intact.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 208 readers already.
    pub fn new_weak_reader(&self) -> WeakReader {
        self.new_weak_reader_at(StartAt::Oldest)
    }

    /// A new reader that can be overrun.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 208 readers already.
    pub fn new_weak_reader_at(&self, start: StartAt) -> WeakReader {
        WeakReader::new(&self.shared, start)
    }

    /// Reserves room for one slice of up to `len` payload bytes, without a writer, and waits for it
    /// if need be. The slice tells no writer: its number is 0. Who writes more than once
    /// is better off with a writer.
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::reserve`].
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits, the future has reserved nothing.
    pub async fn reserve_slice(&self, len: usize) -> Result<Slice<'_>, ReserveError> {
        let mut core = Core::new(self.shared.clone(), None);
        let reservation = core.reserve(len).await?;
        Ok(Slice::of_channel(core, reservation, len))
    }

    /// [`reserve_slice`](Self::reserve_slice) without waiting.
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::try_reserve`].
    pub fn try_reserve_slice(&self, len: usize) -> Result<Slice<'_>, TryReserveError> {
        let mut core = Core::new(self.shared.clone(), None);
        let reservation = core.try_reserve(len)?;
        Ok(Slice::of_channel(core, reservation, len))
    }

    /// Takes no more slices. Readers read what is there, and then come to the end (`Ok(0)`); writes
    /// fail with `Closed` ([`std::io::ErrorKind::BrokenPipe`]); slices in flight can still be
    /// committed, and readers wait for them. Draining again does nothing.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Terminated`] if the channel was terminated before; nothing changes then.
    pub fn drain(&self) -> Result<(), ChannelError> {
        if self.shared.ending() == Ending::Terminated {
            return Err(ChannelError::Terminated);
        }
        self.shared.end(Ending::Drained);
        Ok(())
    }

    /// Ends the channel at once, also while it drains: everybody fails with `Terminated`
    /// ([`std::io::ErrorKind::ConnectionAborted`]), those who wait are woken for it, and what was
    /// unread is gone. Terminating again does nothing.
    pub fn terminate(&self) {
        self.shared.end(Ending::Terminated);
    }

    /// Whether the channel takes no more slices. That is final.
    pub fn is_closed(&self) -> bool {
        self.shared.ending() != Ending::Open
    }

    /// Waits until the channel takes no more slices.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped. The future does not borrow the handle, and does
    /// not keep the channel open.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = self.shared.clone();
        async move { shared.closed().await }
    }

    /// The name of a writer, if it has one, by its number. It is known for as long as there is a
    /// message of that writer in the ring, also when the writer has gone.
    pub fn writer_name(&self, writer: u32) -> Option<Arc<str>> {
        self.shared.writer_name(writer)
    }

    /// What the channel has done so far. It adds up the figures of all endpoints, which takes time
    /// in proportion to their number, and none of theirs.
    pub fn stats(&self) -> ChannelStats {
        self.shared.stats()
    }

    /// Records these as counters and gauges, each time that it is told to.
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn metrics(&self) -> ChannelMetrics {
        ChannelMetrics::new(self.shared.clone())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.shared.drop_handle();
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Channel");
        debug.field("name", &self.name());
        debug.field("stats", &self.stats()).field("ending", &self.shared.ending());
        debug.field("waiting_writers", &self.shared.room.len()).finish()
    }
}

/// A pipe: one strong writer and one strong reader of a ring of `size` bytes, and no handle. Either
/// side may be cloned, or turned weak.
///
/// ```
/// let (mut writer, mut reader) = overfall::pipe(4096);
/// writer.try_write(b"through")?;
/// drop(writer);
/// let mut buffer = [0; 16];
/// assert_eq!(reader.try_read(&mut buffer)?, 7);
/// assert_eq!(reader.try_read(&mut buffer)?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
///
/// As for [`Channel::with_parameters`].
pub fn pipe(size: usize) -> (StrongWriter, StrongReader) {
    let channel = Channel::new(size);
    (channel.new_strong_writer(), channel.new_strong_reader())
}
