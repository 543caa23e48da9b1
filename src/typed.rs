//! Channels of values: each message is one, serialized by [`rkyv`] straight into the ring, and read
//! where it lies.
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
//! *Sending* serializes straight into a slice: there is no buffer in between, and nothing is allocated
//! but what the value's own `Serialize` asks for. The slice must be reserved first, so values are
//! serialized twice, once to learn how long they become, unless the last few were of one length: then a
//! slice of that length is reserved at once. One that turns out too short is given up (readers step
//! over it), and the value measured like any other. *Receiving* validates the bytes before it trusts them, since a reader can be
//! put on [any ring of bytes](Reader::new), and then gives access to `T::Archived` in place: in the
//! ring for a strong reader, in the copy for a weak one. What does not validate is an
//! [error](InvalidMessage), and the next receive goes on behind it.
//!
//! The value's own `Serialize` runs while the slice is in flight: whatever is reserved after it waits for
//! it, so it should be quick, and must not wait for room in the same channel. Bytes are aligned to 64; a
//! type any part of which asks for more is not for this. Values are validated to a depth of 256
//! (boxes in boxes); what is nested deeper is an error for who receives it.
//!
//! A channel of `T` has writers and readers of `T` alone. What it shares with channels of bytes is
//! all the rest: backpressure, endings, figures, gaps and what is missed of each writer.

mod error;
mod reader;
mod writer;

pub use error::{InvalidMessage, RecvError, SendError, TryRecvError, TrySendError};
pub use reader::{Reader, Receivable, Received};
pub use writer::{Sendable, Target, Writer};

use crate::channel::reader::{StrongReader, WeakReader};
use crate::channel::writer::{StrongWriter, WeakWriter};
use crate::channel::{self, Backpressure, StartAt};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A channel whose messages are values of `T`.
pub struct Channel<T> {
    bytes: Arc<channel::Channel>,
    values: PhantomData<fn(T) -> T>,
}

impl<T> Channel<T> {
    /// A channel with a ring of `size` bytes whose writers wait when it is full.
    ///
    /// # Panics
    ///
    /// As for [`crate::Channel::with_parameters`].
    pub fn new(size: usize) -> Self {
        Self::with_parameters(size, Backpressure::Block)
    }

    /// A channel with a ring of `size` bytes.
    ///
    /// # Panics
    ///
    /// As for [`crate::Channel::with_parameters`]. For errors instead, or more to say, make a
    /// channel with [`crate::Channel::builder`] and turn it into one of `T` by `from`.
    pub fn with_parameters(size: usize, backpressure: Backpressure) -> Self {
        channel::Channel::with_parameters(size, backpressure).into()
    }

    /// The channel as one of bytes, for what has nothing to do with `T`: to drain and terminate it,
    /// for its figures and the names of writers. Bytes that are written past this type meet readers
    /// of `T` as [`InvalidMessage`]s, unless they happen to be valid.
    pub fn bytes(&self) -> &Arc<channel::Channel> {
        &self.bytes
    }

    /// A new writer that keeps the channel open.
    pub fn new_strong_writer(&self) -> Writer<T, StrongWriter> {
        Writer::new(self.bytes.new_strong_writer())
    }

    /// A new writer that does not keep the channel open.
    pub fn new_weak_writer(&self) -> Writer<T, WeakWriter> {
        Writer::new(self.bytes.new_weak_writer())
    }

    /// A new reader that writers wait for. It starts at the oldest message that is still kept.
    pub fn new_strong_reader(&self) -> Reader<T, StrongReader> {
        self.new_strong_reader_at(StartAt::Oldest)
    }

    /// A new reader that writers wait for.
    pub fn new_strong_reader_at(&self, start: StartAt) -> Reader<T, StrongReader> {
        Reader::new(self.bytes.new_strong_reader_at(start))
    }

    /// A new reader that can be overrun. It starts at the oldest message that is still intact.
    pub fn new_weak_reader(&self) -> Reader<T, WeakReader> {
        self.new_weak_reader_at(StartAt::Oldest)
    }

    /// A new reader that can be overrun.
    pub fn new_weak_reader_at(&self, start: StartAt) -> Reader<T, WeakReader> {
        Reader::new(self.bytes.new_weak_reader_at(start))
    }
}

impl<T> From<Arc<channel::Channel>> for Channel<T> {
    /// Messages from now on are values of `T`.
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
