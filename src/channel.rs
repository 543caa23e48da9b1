//! The channel's handle, and how it is made.

mod absence;
mod account;
mod builder;
pub mod endpoint;
mod handle;
pub(crate) mod loss;
#[cfg(feature = "metrics")]
mod metrics;
pub(crate) mod owned_slice;
pub(crate) mod reader;
mod registry;
pub(crate) mod shared;
pub mod stats;
mod survey;
mod taking;
pub(crate) mod terms;
mod trace;
pub(crate) mod waiting;
mod wake;
pub(crate) mod weak;
pub(crate) mod writer;
mod writer_names;

pub use builder::Builder;
#[cfg(feature = "metrics")]
pub use metrics::ChannelMetrics;
pub use terms::{AfterLast, Backpressure, Sent, StartAt, TakesEffect};

use crate::error::{
    ChannelError, FailError, Failure, FlushError, ReserveError, TryReserveError, WriteError,
};
use handle::handle_methods;
use reader::{StrongReader, WeakReader};
use shared::Shared;
use stats::ChannelStats;
use std::fmt;
use std::sync::Arc;
use terms::Ending;
use waiting::{Attended, Closed, Waiting};
pub use weak::WeakChannel;
use writer::slice::Slice;
use writer::{Core, StrongWriter, WeakWriter, Writer};

/// A ring of bytes that many write and many read. This is its handle, which makes endpoints.
///
/// **The channel stays open while there is a handle or a strong writer.** A reader that reads to
/// the end waits until both are gone, or until [`drain`](Self::drain) is called. After the last
/// `Arc` of the handle is dropped, the endpoints decide: the channel closes when its last strong
/// writer goes, or its last reader. See [the guide](crate::guide::endings), which also tells
/// [what is different from other channels](crate::guide::coming_from).
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
    /// **Readers do not come to the end while this handle, or a clone of it, is there.** Drop all of
    /// them, or call [`drain`](Self::drain). What only looks on, a dashboard or a signal handler,
    /// takes a [`WeakChannel`] instead, by [`downgrade`](Self::downgrade).
    ///
    /// # Panics
    ///
    /// As for [`Channel::with_parameters`].
    #[allow(clippy::new_ret_no_self, reason = "the handle is shared from the start")]
    #[track_caller]
    pub fn new(size: usize) -> Arc<Self> {
        Self::with_parameters(size, Backpressure::Block)
    }

    /// A channel with a ring of `size` bytes, rounded up to a power of two, 64 at least. Each 64
    /// bytes of the ring take 32 bytes more for their descriptor. All of that takes memory once it is
    /// written: see [the guide](crate::guide::cost).
    ///
    /// # Panics
    ///
    /// If `size` is 0 or there is no memory for it. [`Channel::builder`] returns an error instead.
    #[track_caller]
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

    /// A new strong writer, as the type that can be of either strength.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 212 writers already.
    #[track_caller]
    pub fn new_writer(&self) -> Writer {
        self.new_strong_writer().into()
    }

    /// A new writer that keeps the channel open.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 212 writers already.
    #[track_caller]
    pub fn new_strong_writer(&self) -> StrongWriter {
        StrongWriter::new(&self.shared)
    }

    /// A new writer that does not keep the channel open.
    ///
    /// # Panics
    ///
    /// If the channel has 16 777 212 writers already.
    #[track_caller]
    pub fn new_weak_writer(&self) -> WeakWriter {
        WeakWriter::new(&self.shared)
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

    /// A handle that looks on and keeps nothing open.
    pub fn downgrade(&self) -> WeakChannel {
        WeakChannel::new(&self.shared)
    }
}

handle_methods!(Channel);

impl Drop for Channel {
    fn drop(&mut self) {
        self.shared.drop_handle();
    }
}

/// A pipe: one strong writer and one strong reader on a ring of `size` bytes.
///
/// There is no handle, so the reader comes to the end when the writer is dropped. Either end may be
/// cloned, or made weak.
///
/// The size is rounded up to a power of two, 64 at least, and a write of up to that waits for room for all
/// of its bytes. [The guide](crate::guide::coming_from) tells what else is different from other pipes and
/// channels.
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
#[track_caller]
pub fn pipe(size: usize) -> (StrongWriter, StrongReader) {
    let channel = Channel::new(size);
    (channel.new_strong_writer(), channel.new_strong_reader())
}
