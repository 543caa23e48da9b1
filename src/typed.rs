//! Channels of values. Each message is one value, serialized by [`rkyv`], and read in place.
//!
//! ```
//! use overfall::typed::Channel;
//! use rkyv::{Archive, Deserialize, Serialize};
//!
//! #[derive(Archive, Serialize, Deserialize)]
//! struct Reading {
//!     sensor: String,
//!     celsius: f32,
//! }
//!
//! let channel = Channel::<Reading>::new(64 * 1024);
//! let mut writer = channel.new_strong_writer();
//! let mut reader = channel.new_strong_reader();
//!
//! writer.try_send(&Reading { sensor: "roof".into(), celsius: 21.5 })?;
//!
//! if let Some(reading) = reader.try_recv()? {
//!     assert_eq!(reading.sensor, "roof"); // in the ring, nothing was copied
//!     let reading: Reading = reading.deserialize()?;
//!     assert_eq!(reading.celsius, 21.5);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Sending
//!
//! A value that becomes up to a kilobyte, or a batch of up to 16, is serialized into memory that the writer keeps, and
//! sent as any other message. Nothing is allocated but what the value's own `Serialize` asks for.
//!
//! A longer one is serialized straight into a slice of the ring, with no buffer in between. A slice must be
//! reserved before it is filled, so the value is serialized twice: first to measure it. If the last few values
//! had the same length, that is skipped, and a slice of this length is reserved at once. If it
//! turns out too short, it is given up, readers step over it, and the value is measured after all.
//! The `Serialize` of a longer value runs while the slice is in flight, and whatever is reserved after it
//! waits for it. So it should be quick, and must not wait for room in the same channel.
//!
//! # Receiving
//!
//! A reader validates the bytes before it trusts them, since it can be put on [any ring of
//! bytes](Reader::new). Then it gives access to `T::Archived` in place: in the ring for a strong
//! reader, in the copy for a weak one. A message that does not validate is an
//! [error](InvalidMessage), and the next receive goes on after it.
//!
//! # Limits
//!
//! Values start at a multiple of 64 in memory. A type with a part that asks for a larger alignment
//! does not compile. Values are validated to a depth of 256, such as boxes in boxes. A value that is
//! nested deeper is refused by the writer, before anything is reserved. For that a value of 256 parts and
//! more, such as strings in a list, is validated by its writer as well, in memory that the writer keeps,
//! however long it is; one of fewer parts costs nothing for it.
//!
//! A channel of `T` has writers and readers of `T` alone. Backpressure, endings, figures and gaps
//! are those of the channel of bytes [beneath](Channel::bytes).

mod batch;
mod error;
mod reader;
mod serialization;
#[cfg(feature = "futures")]
mod streams;
mod writer;

pub use batch::{Values, ValuesIter};
pub use error::{
    DeserializeError, InvalidMessage, RecvError, SendError, TryRecvError, TrySendError,
};
pub use reader::{Reader, Receivable, Received};
pub use serialization::{Sendable, Target};
#[cfg(feature = "futures")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures")))]
pub use streams::{ValueSink, ValueStream};
pub use writer::Writer;

use crate::channel::reader::{StrongReader, WeakReader};
use crate::channel::stats::ChannelStats;
use crate::channel::writer::{StrongWriter, WeakWriter};
use crate::channel::{self, Backpressure, StartAt};
use crate::error::ChannelError;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A channel whose messages are values of `T`. See [the module](self).
pub struct Channel<T> {
    bytes: Arc<channel::Channel>,
    values: PhantomData<fn(T) -> T>,
}

impl<T> Channel<T> {
    /// A channel with a ring of `size` bytes. Writers wait when it is full.
    ///
    /// # Panics
    ///
    /// As for [`crate::Channel::with_parameters`].
    #[track_caller]
    pub fn new(size: usize) -> Self {
        Self::with_parameters(size, Backpressure::Block)
    }

    /// A channel with a ring of `size` bytes.
    ///
    /// # Panics
    ///
    /// As for [`crate::Channel::with_parameters`]. For errors instead, and for more options, make a
    /// channel with [`crate::Channel::builder`], and convert it with `from`.
    #[track_caller]
    pub fn with_parameters(size: usize, backpressure: Backpressure) -> Self {
        channel::Channel::with_parameters(size, backpressure).into()
    }

    /// The channel of bytes beneath: for the names of writers, and for all else that a channel has. If
    /// somebody writes other bytes through it, readers of `T` get [`InvalidMessage`]s, unless those bytes
    /// happen to be valid.
    pub fn bytes(&self) -> &Arc<channel::Channel> {
        &self.bytes
    }

    /// Closes the channel for writers, and lets readers receive what is there, as
    /// [`crate::Channel::drain`].
    ///
    /// # Errors
    ///
    /// As for [`crate::Channel::drain`].
    pub fn drain(&self) -> Result<(), ChannelError> {
        self.bytes.drain()
    }

    /// Ends the channel at once, as [`crate::Channel::terminate`]. What was unread is gone.
    pub fn terminate(&self) {
        self.bytes.terminate();
    }

    /// What the channel has done so far, as [`crate::Channel::stats`].
    pub fn stats(&self) -> ChannelStats {
        self.bytes.stats()
    }

    /// A new strong writer, as the type that can be of either strength.
    #[track_caller]
    pub fn new_writer(&self) -> Writer<T, channel::writer::Writer> {
        Writer::new(self.bytes.new_writer())
    }

    /// A new writer that keeps the channel open.
    #[track_caller]
    pub fn new_strong_writer(&self) -> Writer<T, StrongWriter> {
        Writer::new(self.bytes.new_strong_writer())
    }

    /// A new writer that does not keep the channel open.
    #[track_caller]
    pub fn new_weak_writer(&self) -> Writer<T, WeakWriter> {
        Writer::new(self.bytes.new_weak_writer())
    }

    /// A new reader that writers wait for. It starts at the oldest message that is left.
    #[track_caller]
    pub fn new_strong_reader(&self) -> Reader<T, StrongReader> {
        self.new_strong_reader_at(StartAt::Oldest)
    }

    /// A new reader that writers wait for.
    #[track_caller]
    pub fn new_strong_reader_at(&self, start: StartAt) -> Reader<T, StrongReader> {
        Reader::new(self.bytes.new_strong_reader_at(start))
    }

    /// A new reader that can be overrun. It starts at the oldest message that is left.
    #[track_caller]
    pub fn new_weak_reader(&self) -> Reader<T, WeakReader> {
        self.new_weak_reader_at(StartAt::Oldest)
    }

    /// A new reader that can be overrun.
    #[track_caller]
    pub fn new_weak_reader_at(&self, start: StartAt) -> Reader<T, WeakReader> {
        Reader::new(self.bytes.new_weak_reader_at(start))
    }
}

impl<T> From<Arc<channel::Channel>> for Channel<T> {
    /// The channel as one whose messages are values of `T`.
    fn from(bytes: Arc<channel::Channel>) -> Self {
        Self { bytes, values: PhantomData }
    }
}

impl<T> Clone for Channel<T> {
    /// The same channel.
    fn clone(&self) -> Self {
        self.bytes.clone().into()
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("typed::Channel").field(&self.bytes).finish()
    }
}
