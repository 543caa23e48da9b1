//! The channel's handle, and how it is made.

mod builder;
pub(crate) mod loss;
pub(crate) mod message;
mod names;
pub(crate) mod reader;
pub(crate) mod shared;
pub(crate) mod slice;
pub mod stats;
pub(crate) mod terms;
mod trace;
pub(crate) mod writer;

pub use builder::Builder;
pub use terms::{Backpressure, StartAt};

use crate::error::{ChannelError, ReserveError, TryReserveError};
use reader::{StrongReader, WeakReader};
use shared::Shared;
use slice::Slice;
use stats::ChannelStats;
use std::fmt;
use std::sync::Arc;
use terms::Ending;
use writer::{Core, StrongWriter, WeakWriter, Writer};

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
