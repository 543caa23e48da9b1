//! The channel's handle, and how it is made.

mod account;
mod builder;
pub(crate) mod loss;
#[cfg(feature = "metrics")]
mod metrics;
pub(crate) mod reader;
mod registry;
pub(crate) mod shared;
pub mod stats;
mod survey;
mod taking;
pub(crate) mod terms;
mod trace;
mod wake;
pub(crate) mod writer;
mod writer_names;

pub use builder::Builder;
#[cfg(feature = "metrics")]
pub use metrics::ChannelMetrics;
pub use terms::{Backpressure, Sent, StartAt, TakesEffect};

use crate::error::{ChannelError, ReserveError, TryReserveError};
use reader::{StrongReader, WeakReader};
use shared::Shared;
use stats::ChannelStats;
use std::fmt;
use std::sync::Arc;
use terms::Ending;
use writer::slice::Slice;
use writer::{Core, StrongWriter, WeakWriter, Writer};

/// A ring of bytes that many write and many read. This is its handle, which makes endpoints.
///
/// **The channel stays open while there is a handle or a strong writer.** A reader that reads to
/// the end waits until both are gone, or until [`drain`](Self::drain) is called. After the last
/// `Arc` of the handle is dropped, the endpoints decide: the channel closes when its last strong
/// writer goes, or its last reader. See [the guide](crate::guide::endings).
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
    /// A channel with a ring of `size` bytes. Writers wait when it is full.
    ///
    /// **Readers do not come to the end while this handle is there.** Drop it, or call
    /// [`drain`](Self::drain).
    ///
    /// # Panics
    ///
    /// As for [`Channel::with_parameters`].
    #[allow(clippy::new_ret_no_self, reason = "the handle is shared from the start")]
    pub fn new(size: usize) -> Arc<Self> {
        Self::with_parameters(size, Backpressure::Block)
    }

    /// A channel with a ring of `size` bytes, rounded up to a power of two, 64 at least. Each 64
    /// bytes of the ring take 32 bytes more for their descriptor.
    ///
    /// # Panics
    ///
    /// If `size` is 0 or there is no memory for it. [`Channel::builder`] returns an error instead.
    pub fn with_parameters(size: usize, backpressure: Backpressure) -> Arc<Self> {
        match Self::builder().size(size).backpressure(backpressure).build() {
            Ok(channel) => channel,
            Err(error) => panic!("no channel of {size} bytes: {error}"),
        }
    }

    /// A builder. It has more options, and returns errors instead of panicking.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The size of the ring in bytes: what was asked for, rounded up to a power of two.
    ///
    /// Writers go at most this far past a strong reader that stands still. A weak reader that is
    /// further behind than this is overrun. A slice takes whole granules of 64 bytes.
    pub fn capacity(&self) -> usize {
        self.shared.ring.capacity() as usize
    }

    /// What happens to a write when the ring is full, unless its writer was
    /// [given](Writer::set_backpressure) another backpressure.
    pub fn backpressure(&self) -> Backpressure {
        self.shared.backpressure
    }

    /// The name that the [`Builder`] gave the channel, if it did.
    pub fn name(&self) -> Option<&str> {
        self.shared.name.as_deref()
    }

    /// The longest slice, in payload bytes: the capacity, or 4 GiB less 64 if that is less. A
    /// longer write becomes several slices, each of a quarter of the capacity.
    pub fn max_slice(&self) -> usize {
        self.shared.ring.geometry().max_slice() as usize
    }

    /// A new strong writer, as the type that can be of either strength.
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

    /// A new reader that writers wait for. It starts at the oldest slice that is left.
    ///
    /// Make it before the first write. What was overwritten earlier is lost to it, and counts
    /// nowhere.
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

    /// A new reader that can be overrun. It starts at the oldest slice that is left.
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

    /// Reserves room for one slice of up to `len` payload bytes without a writer, and waits for it
    /// if need be. Readers see 0 as the number of its writer. To write more than once, make a
    /// writer.
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::reserve`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, nothing was reserved.
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

    /// Closes the channel for writers, and lets readers read what is there.
    ///
    /// Writes fail with `Closed` ([`std::io::ErrorKind::BrokenPipe`]). Slices in flight can still
    /// be committed, and readers wait for them. After the last slice, reads return `Ok(0)` and
    /// receives `Ok(None)`. Draining again does nothing.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Terminated`] if the channel was terminated before. Nothing changes then.
    pub fn drain(&self) -> Result<(), ChannelError> {
        if self.shared.ending() == Ending::Terminated {
            return Err(ChannelError::Terminated);
        }
        self.shared.end(Ending::Drained);
        Ok(())
    }

    /// Ends the channel at once, also while it drains. What was unread is gone.
    ///
    /// All operations of all endpoints fail with `Terminated`
    /// ([`std::io::ErrorKind::ConnectionAborted`]), those that wait too. Terminating again does
    /// nothing.
    pub fn terminate(&self) {
        self.shared.end(Ending::Terminated);
    }

    /// Whether the channel takes no more slices. Once true, it stays true.
    pub fn is_closed(&self) -> bool {
        self.shared.ending() != Ending::Open
    }

    /// Waits until the channel takes no more slices.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is lost. It does not borrow the handle, and does not keep
    /// the channel open.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = self.shared.clone();
        async move { shared.closed().await }
    }

    /// Takes the hold of a strong reader that keeps writers back, so that they no longer wait for it.
    /// [`stats`](Self::stats) tells the numbers of readers, and how far each is behind.
    ///
    /// From then on all calls of that reader fail with
    /// [`HoldTaken`](crate::error::ReadError::HoldTaken), also one that waits. It can be overrun, and
    /// counts as a weak reader. [`into_weak`](StrongReader::into_weak) goes on from where it stands. If
    /// there is no other strong reader, writers [overwrite](crate::guide::loss#strong-readers) what is
    /// oldest.
    ///
    /// What the reader lends is never overwritten. Messages, and bytes that
    /// [`try_fill_buf`](StrongReader::try_fill_buf) has lent, hold writers back until the reader drops or
    /// consumes them, or does something else. Then the hold is taken
    /// [after that](TakesEffect::AfterLend).
    ///
    /// Returns `None` if there is no strong reader with this number, or its hold was taken before.
    ///
    /// It looks at each granule of the ring that the reader has not come to: some nanoseconds for each.
    /// Meanwhile it has a lock that endpoints take when they come and go. A reader that reads does not
    /// wait for it.
    ///
    /// ```
    /// use overfall::error::TryReadError;
    /// use overfall::{Channel, TakesEffect};
    ///
    /// let channel = Channel::new(64); // room for one message
    /// let mut writer = channel.new_writer();
    /// let mut stuck = channel.new_strong_reader();
    /// writer.try_send(b"one")?;
    /// assert!(writer.try_send(b"two").is_err());
    ///
    /// let stats = channel.stats();
    /// let slowest = stats.readers.iter().filter(|reader| reader.strong).max_by_key(|reader| reader.lag);
    /// assert_eq!(channel.take_hold(slowest.unwrap().id), Some(TakesEffect::Now));
    /// writer.try_send(b"two")?;
    ///
    /// assert_eq!(stuck.try_recv().unwrap_err(), TryReadError::HoldTaken);
    /// let mut weak = stuck.into_weak();
    /// assert!(matches!(weak.try_recv(), Err(TryReadError::Lagged(_))));
    /// assert_eq!(*weak.try_recv()?.unwrap(), *b"two");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_hold(&self, reader: u32) -> Option<TakesEffect> {
        self.shared.take_hold(reader, false)
    }

    /// Ends a strong reader, as its own [`terminate`](StrongReader::terminate) does. Its calls fail with
    /// `Terminated`, also one that waits, and it counts as gone.
    ///
    /// When this takes effect, and what it returns, is as for [`take_hold`](Self::take_hold).
    pub fn end_reader(&self, reader: u32) -> Option<TakesEffect> {
        self.shared.take_hold(reader, true)
    }

    /// The name of the writer with this number, if it has one. It is known for as long as the ring
    /// holds a message of that writer, even after the writer is dropped.
    pub fn writer_name(&self, writer: u32) -> Option<Arc<str>> {
        self.shared.writer_name(writer)
    }

    /// What the channel has done so far. This adds up the figures of all endpoints, in time
    /// proportional to their number, and slows none of them.
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

/// A pipe: one strong writer and one strong reader on a ring of `size` bytes.
///
/// There is no handle, so the reader comes to the end when the writer is dropped. Either end may be
/// cloned, or made weak.
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
