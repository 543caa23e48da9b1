//! Errors: a small enum for each operation, and how it becomes an [`io::Error`].
//!
//! An operation that waits has an enum, and the one that does not has the enum with `Try` in its name:
//! the same, with a variant for "not now", [`TryReadError::Empty`] or `Full`. What waits with a deadline
//! fails as what does not wait: "not now" is then "not in time". So `recv` fails alike in a task and in a
//! thread that parks, and `recv_timeout` as `try_recv`.
//!
//! Each becomes an [`io::Error`] by `?`, with itself inside. "Not now" is then
//! [`WouldBlock`](io::ErrorKind::WouldBlock), also where a deadline has passed. The methods that are made
//! for [`io::Result`], such as `read_timeout` and `write_timeout`, say
//! [`TimedOut`](io::ErrorKind::TimedOut) for a deadline. To get that from a message too, say so:
//!
//! ```
//! use overfall::error::TryReadError;
//! use std::io;
//! use std::time::Duration;
//!
//! fn next(reader: &mut overfall::Blocking<overfall::StrongReader>) -> io::Result<usize> {
//!     match reader.recv_timeout(Duration::from_millis(1)) {
//!         Ok(message) => Ok(message.map_or(0, |message| message.len())),
//!         Err(TryReadError::Empty) => Err(io::ErrorKind::TimedOut.into()),
//!         Err(error) => Err(error.into()),
//!     }
//! }
//!
//! let (_writer, reader) = overfall::pipe(4096);
//! assert_eq!(next(&mut reader.blocking()).unwrap_err().kind(), io::ErrorKind::TimedOut);
//! ```

mod failure;

pub use failure::{FailError, Failure, WriterPanicked};

use std::fmt;
use std::io;
use thiserror::Error;

/// A weak reader was overrun: writers overwrote bytes that it had not read yet.
///
/// The reader still works. Its next read goes on at the oldest slice that is left. See
/// [`WeakReader`](crate::WeakReader) for how to handle this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "overrun by the writers: {ring_bytes} ring bytes were skipped, with at least {messages_at_least} \
     messages of {bytes_at_least} payload bytes; read on from the oldest slice still intact, or use \
     a larger ring or a strong reader if none may be missed"
)]
#[non_exhaustive]
pub struct Lagged {
    /// The ring bytes that were skipped. These include padding, and a message takes at least 64 of
    /// them, so they are more than the payload bytes that were missed.
    pub ring_bytes: u64,
    /// How many messages were missed at the least: those that the writer of the first message that is
    /// left had sent before it. What other writers sent is known when the reader comes to messages of
    /// theirs, and in all by [`WeakReader::missed`](crate::WeakReader::missed).
    pub messages_at_least: u64,
    /// The payload bytes of those.
    pub bytes_at_least: u64,
}

/// Why [`Builder::build`](crate::Builder::build) failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The size is 0, or was not set.
    #[error("a channel needs a size of at least one byte")]
    ZeroSize,
    /// The size is larger than a ring can be.
    #[error("a ring of {size} bytes is larger than the largest, {max}: ask for less")]
    TooLarge {
        /// The size that was asked for.
        size: usize,
        /// The largest capacity there is.
        max: usize,
    },
    /// There is not enough memory.
    #[error("there is no memory for a ring of {capacity} bytes and its descriptors: ask for less")]
    OutOfMemory {
        /// The capacity for which there is no memory.
        capacity: usize,
    },
}

/// Why [`Channel::drain`](crate::Channel::drain) failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The channel was terminated before. There is nothing left to drain.
    #[error("the channel was terminated: there is nothing left to drain")]
    Terminated,
    /// The channel failed before. Readers read what is there, and then get the failure: there will be no
    /// clean end.
    #[error("the channel failed: its readers get that failure, and no clean end")]
    Failed,
}

/// Why `try_write` wrote nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TryWriteError {
    /// There is [no room](crate::guide::progress#room) now, or others wait for it and come first.
    /// Nothing was taken of what there is.
    #[error("the ring is full: try again once readers have caught up, or wait with `write`")]
    Full,
    /// It is longer than the longest slice, where nobody waits: with
    /// [`Backpressure::Drop`](crate::Backpressure::Drop), and from within an event of the feature
    /// `tracing`. There a write is one slice or none.
    #[error(
        "a write of {len} bytes is longer than the longest slice, {max}, and is not split where nobody \
         waits: make the channel larger, or write less at once"
    )]
    TooLong {
        /// The payload bytes that were to be written.
        len: usize,
        /// [`Channel::max_slice`](crate::Channel::max_slice).
        max: usize,
    },
    /// The channel takes no more slices, or this writer was shut down.
    #[error(
        "closed for writing: the channel drains or failed, its readers are gone or its last strong one (`Builder::after_last_strong_reader` says what that does), or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why a write that may wait failed. It is inside the [`io::Error`] of the io traits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The channel takes no more slices, or this writer was shut down.
    #[error(
        "closed for writing: the channel drains or failed, its readers are gone or its last strong one (`Builder::after_last_strong_reader` says what that does), or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why `flushed` failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum FlushError {
    /// It was not read by all strong readers, and will not be: there was, or is, none.
    #[error(
        "unread, and no strong reader is there to read it: make one before what it is to get is sent, or \
         have writers wait for it (`Builder::wait_for_strong_reader`, `AfterLast::Wait`)"
    )]
    Unread,
    /// The channel was terminated.
    #[error("terminated: the channel was ended at once; what was unread is gone")]
    Terminated,
}

/// Why `try_reserve` failed, or `reserve_deadline` of a [`Blocking`](crate::Blocking) writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TryReserveError {
    /// There is [no room](crate::guide::progress#room) now, or others wait for it and come first. With a
    /// deadline: there was none in time. Nothing was taken of what there is.
    #[error(
        "the ring is full: try again once readers have caught up, or wait longer, with `reserve`"
    )]
    Full,
    /// No slice can be that long.
    #[error("a slice of {len} bytes never fits: the longest is {max}; use a larger ring or less")]
    TooLong {
        /// The length that was asked for, in payload bytes.
        len: usize,
        /// The longest slice of this channel, in payload bytes.
        max: usize,
    },
    /// The channel takes no more slices, or this writer was shut down.
    #[error(
        "closed for writing: the channel drains or failed, its readers are gone or its last strong one (`Builder::after_last_strong_reader` says what that does), or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why `reserve` failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ReserveError {
    /// There is [no room](crate::guide::progress#room), and this does not wait for it: the writer has
    /// [`Backpressure::Drop`](crate::Backpressure::Drop), or this was called from within an event
    /// of the feature `tracing`.
    #[error(
        "the ring is full, and nobody waits: the writer or its channel has `Backpressure::Drop`, this \
         came from within an event of this crate, or would have to park a thread where there are none"
    )]
    Full,
    /// No slice can be that long.
    #[error("a slice of {len} bytes never fits: the longest is {max}; use a larger ring or less")]
    TooLong {
        /// The length that was asked for, in payload bytes.
        len: usize,
        /// The longest slice of this channel, in payload bytes.
        max: usize,
    },
    /// The channel takes no more slices, or this writer was shut down.
    #[error(
        "closed for writing: the channel drains or failed, its readers are gone or its last strong one (`Builder::after_last_strong_reader` says what that does), or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why `try_send` sent nothing, or `send_timeout` and its like of a [`Blocking`](crate::Blocking) writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// There is [no room](crate::guide::progress#room) now, or others wait for it and come first. With a
    /// deadline: there was none in time. Nothing was taken of what there is.
    #[error("the ring is full: try again once readers have caught up, or wait longer, with `send`")]
    Full,
    /// No slice can be that long. Messages are never split.
    #[error(
        "{len} bytes never fit into one slice: the longest is {max}; send less at once, or use a \
         larger ring"
    )]
    TooLong {
        /// The length of the message in payload bytes. For several messages, their ring bytes.
        len: usize,
        /// The longest slice of this channel, in bytes.
        max: usize,
    },
    /// The channel takes no more slices, or this writer was shut down.
    #[error(
        "closed for writing: the channel drains or failed, its readers are gone or its last strong one (`Builder::after_last_strong_reader` says what that does), or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why `send` sent nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room, and the target has no threads that could wait for it, such as
    /// `wasm32-unknown-unknown`. Of [`Blocking`](crate::Blocking) writers alone.
    #[error("the ring is full, and this target has no threads that could wait: use async code")]
    Full,
    /// No slice can be that long. Messages are never split.
    #[error(
        "{len} bytes never fit into one slice: the longest is {max}; send less at once, or use a \
         larger ring"
    )]
    TooLong {
        /// The length of the message in payload bytes. For several messages, their ring bytes.
        len: usize,
        /// The longest slice of this channel, in bytes.
        max: usize,
    },
    /// The channel takes no more slices, or this writer was shut down.
    #[error(
        "closed for writing: the channel drains or failed, its readers are gone or its last strong one (`Builder::after_last_strong_reader` says what that does), or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why [`report_missed`](crate::Writer::report_missed) counted nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ReportMissedError {
    /// There are bytes, and no message that they belong to.
    #[error("{bytes} bytes without a message cannot be missed: report the messages that had them")]
    NoMessage {
        /// The payload bytes that were reported.
        bytes: u64,
    },
    /// A writer counts fewer than 2^62 messages, and fewer than 2^62 bytes. So the report is wrong, or
    /// some report before was.
    #[error(
        "{messages} messages of {bytes} bytes are more than a writer can count, 2^62: check where the \
         report comes from"
    )]
    TooMany {
        /// The messages that were reported.
        messages: u64,
        /// Their payload bytes.
        bytes: u64,
    },
    /// The channel takes no more slices, or this writer was shut down.
    #[error(
        "closed for writing: the channel drains or failed, its readers are gone or its last strong one (`Builder::after_last_strong_reader` says what that does), or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why `try_read`, `try_recv` and their like returned nothing, or `recv_timeout` and its like of a
/// [`Blocking`](crate::Blocking) reader.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TryReadError {
    /// There is nothing to read yet. With a deadline: nothing came in time.
    #[error("nothing to read yet: try again later, or wait longer, with `read` or `recv`")]
    Empty,
    /// The reader is a weak one and was overrun.
    #[error(transparent)]
    Lagged(#[from] Lagged),
    /// The channel ended with this error, and everything was read that was sent before.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The channel, or this reader, was terminated. What was unread is gone.
    #[error("terminated: the channel or this reader was ended at once; what was unread is gone")]
    Terminated,
    /// The owner of the channel took this reader's hold
    /// ([`take_hold`](crate::Channel::take_hold)). Writers no longer wait for it.
    /// [`into_weak`](crate::StrongReader::into_weak) goes on from where it stands.
    #[error(
        "the owner of the channel took this reader's hold, and writers no longer wait for it: go on with \
         `into_weak`"
    )]
    HoldTaken,
}

/// Why `recv` and its like failed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The reader is a weak one and was overrun.
    #[error(transparent)]
    Lagged(#[from] Lagged),
    /// The channel ended with this error, and everything was read that was sent before.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The channel, or this reader, was terminated. What was unread is gone.
    #[error("terminated: the channel or this reader was ended at once; what was unread is gone")]
    Terminated,
    /// The owner of the channel took this reader's hold
    /// ([`take_hold`](crate::Channel::take_hold)). Writers no longer wait for it.
    /// [`into_weak`](crate::StrongReader::into_weak) goes on from where it stands.
    #[error(
        "the owner of the channel took this reader's hold, and writers no longer wait for it: go on with \
         `into_weak`"
    )]
    HoldTaken,
    /// There is nothing to read yet, and this does not wait: it was called from within an event of
    /// the feature `tracing`, or it would have to park a thread on a target that has none.
    #[error(
        "nothing to read yet, and nobody waits: this came from within an event of this crate, or would \
         have to park a thread where there are none"
    )]
    Empty,
}

/// A weak reader could not become a strong one: slices that it has not read yet were already given
/// back to the writers, or it has a gap to tell. The reader is in here, unchanged.
#[derive(Debug, Error)]
#[error(
    "too far behind to become strong: slices before it are gone; read on until it has caught up"
)]
#[non_exhaustive]
pub struct IntoStrongError<R> {
    /// The reader, still weak.
    pub reader: R,
}

/// `reserve_owned` or `try_reserve_owned` failed. The writer is in here, unchanged.
#[derive(Debug, Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct ReserveOwnedError<W, E> {
    /// The writer.
    pub writer: W,
    /// Why it has no slice: a [`ReserveError`] or a [`TryReserveError`].
    pub error: E,
}

impl From<ReadError> for TryReadError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Lagged(lagged) => Self::Lagged(lagged),
            ReadError::Failed(failure) => Self::Failed(failure),
            ReadError::Terminated => Self::Terminated,
            ReadError::HoldTaken => Self::HoldTaken,
            ReadError::Empty => Self::Empty,
        }
    }
}

impl From<ReserveError> for TryReserveError {
    fn from(error: ReserveError) -> Self {
        match error {
            ReserveError::Full => Self::Full,
            ReserveError::TooLong { len, max } => Self::TooLong { len, max },
            ReserveError::Closed => Self::Closed,
            ReserveError::Terminated => Self::Terminated,
        }
    }
}

impl From<SendError> for TrySendError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Full => Self::Full,
            SendError::TooLong { len, max } => Self::TooLong { len, max },
            SendError::Closed => Self::Closed,
            SendError::Terminated => Self::Terminated,
        }
    }
}

impl From<TryReserveError> for ReserveError {
    fn from(error: TryReserveError) -> Self {
        match error {
            TryReserveError::Full => Self::Full,
            TryReserveError::TooLong { len, max } => Self::TooLong { len, max },
            TryReserveError::Closed => Self::Closed,
            TryReserveError::Terminated => Self::Terminated,
        }
    }
}

impl TrySendError {
    /// The same for who waits; nothing if there was no room.
    pub(crate) fn unless_full(self) -> Option<SendError> {
        match self {
            Self::Full => None,
            Self::TooLong { len, max } => Some(SendError::TooLong { len, max }),
            Self::Closed => Some(SendError::Closed),
            Self::Terminated => Some(SendError::Terminated),
        }
    }
}

/// Each as an [`io::Error`] with itself inside, of the kind by which std's traits tell the same.
macro_rules! into_io_error {
    ($($(#[$doc:meta])* $error:ident { $($variant:ident => $kind:ident),+ })+) => {$(
        impl From<$error> for io::Error {
            $(#[$doc])*
            fn from(error: $error) -> Self {
                let kind = match error {
                    $($error::$variant { .. } => io::ErrorKind::$kind),+
                };
                Self::new(kind, error)
            }
        }
    )+};
}
into_io_error! {
    /// `ZeroSize` and `TooLarge` are `InvalidInput`, `OutOfMemory` is `OutOfMemory`.
    BuildError { ZeroSize => InvalidInput, TooLarge => InvalidInput, OutOfMemory => OutOfMemory }
    /// `Failed` is `BrokenPipe`, `Terminated` is `ConnectionAborted`.
    ChannelError { Failed => BrokenPipe, Terminated => ConnectionAborted }
    /// `Full` is `WouldBlock`, `TooLong` is `InvalidInput`, `Closed` is `BrokenPipe`, `Terminated`
    /// is `ConnectionAborted`.
    TryWriteError {
        Full => WouldBlock, TooLong => InvalidInput, Closed => BrokenPipe,
        Terminated => ConnectionAborted
    }
    /// `Closed` is `BrokenPipe`, `Terminated` is `ConnectionAborted`.
    WriteError { Closed => BrokenPipe, Terminated => ConnectionAborted }
    /// `Full` is `WouldBlock`, `TooLong` is `InvalidInput`, `Closed` is `BrokenPipe`, `Terminated`
    /// is `ConnectionAborted`.
    TryReserveError {
        Full => WouldBlock, TooLong => InvalidInput, Closed => BrokenPipe,
        Terminated => ConnectionAborted
    }
    /// `Unread` is `BrokenPipe`, `Terminated` is `ConnectionAborted`.
    FlushError { Unread => BrokenPipe, Terminated => ConnectionAborted }
    /// As for [`TryReserveError`].
    ReserveError {
        Full => WouldBlock, TooLong => InvalidInput, Closed => BrokenPipe,
        Terminated => ConnectionAborted
    }
    /// As for [`TryReserveError`].
    TrySendError {
        Full => WouldBlock, TooLong => InvalidInput, Closed => BrokenPipe,
        Terminated => ConnectionAborted
    }
    /// As for [`TryReserveError`].
    SendError { Full => WouldBlock, TooLong => InvalidInput, Closed => BrokenPipe, Terminated => ConnectionAborted }
    /// `NoMessage` and `TooMany` are `InvalidInput`, `Closed` is `BrokenPipe`, `Terminated` is
    /// `ConnectionAborted`.
    ReportMissedError {
        NoMessage => InvalidInput, TooMany => InvalidInput, Closed => BrokenPipe,
        Terminated => ConnectionAborted
    }
}

impl<W, E: Into<io::Error>> From<ReserveOwnedError<W, E>> for io::Error {
    /// As for the error inside. The writer is dropped.
    fn from(error: ReserveOwnedError<W, E>) -> Self {
        error.error.into()
    }
}

impl<R: fmt::Debug + Send + Sync + 'static> From<IntoStrongError<R>> for io::Error {
    /// [`io::ErrorKind::Other`]. The reader is inside: `downcast::<IntoStrongError<R>>` gives it back.
    fn from(error: IntoStrongError<R>) -> Self {
        Self::other(error)
    }
}

impl From<Lagged> for io::Error {
    /// [`io::ErrorKind::Other`], with the [`Lagged`] inside.
    fn from(lagged: Lagged) -> Self {
        Self::other(lagged)
    }
}

impl From<TryReadError> for io::Error {
    /// `Empty` is `WouldBlock`, `Lagged` is `Other` with the [`Lagged`] inside, `Failed` has the
    /// [`Failure`] inside and the kind of its error, `Terminated` is `ConnectionAborted`, `HoldTaken`
    /// is `Other`.
    fn from(error: TryReadError) -> Self {
        match error {
            TryReadError::Empty => Self::new(io::ErrorKind::WouldBlock, error),
            TryReadError::Lagged(lagged) => lagged.into(),
            TryReadError::Failed(failure) => failure.into(),
            TryReadError::Terminated => Self::new(io::ErrorKind::ConnectionAborted, error),
            TryReadError::HoldTaken => Self::other(error),
        }
    }
}

impl From<ReadError> for io::Error {
    /// `Lagged` is `Other` with the [`Lagged`] inside, `Failed` has the [`Failure`] inside and the kind
    /// of its error, `Terminated` is `ConnectionAborted`, `HoldTaken` is `Other`, `Empty` is `WouldBlock`.
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Lagged(lagged) => lagged.into(),
            ReadError::Failed(failure) => failure.into(),
            ReadError::Terminated => Self::new(io::ErrorKind::ConnectionAborted, error),
            ReadError::HoldTaken => Self::other(error),
            ReadError::Empty => Self::new(io::ErrorKind::WouldBlock, error),
        }
    }
}
