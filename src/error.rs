//! Errors: a small enum for each operation, and how it becomes an [`io::Error`].

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
        "closed for writing: the channel drains, its readers are gone, or this writer was shut down"
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
        "closed for writing: the channel drains, its readers are gone, or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why `try_reserve` failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TryReserveError {
    /// There is [no room](crate::guide::progress#room) now, or others wait for it and come first.
    /// Nothing was taken of what there is.
    #[error("the ring is full: try again once readers have caught up, or wait with `reserve`")]
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
        "closed for writing: the channel drains, its readers are gone, or this writer was shut down"
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
        "the ring is full, and nobody waits: the writer or its channel has `Backpressure::Drop`, or this \
         came from within an event of this crate"
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
        "closed for writing: the channel drains, its readers are gone, or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why `try_send` sent nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// There is [no room](crate::guide::progress#room) now, or others wait for it and come first.
    /// Nothing was taken of what there is.
    #[error("the ring is full: try again once readers have caught up, or wait with `send`")]
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
        "closed for writing: the channel drains, its readers are gone, or this writer was shut down"
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
        "closed for writing: the channel drains, its readers are gone, or this writer was shut down"
    )]
    Closed,
    /// The channel, or this writer, was terminated.
    #[error("terminated: the channel or this writer was ended at once")]
    Terminated,
}

/// Why `try_read`, `try_recv` and their like returned nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum TryReadError {
    /// There is nothing to read yet.
    #[error("nothing to read yet: try again later, or wait with `read` or `recv`")]
    Empty,
    /// The reader is a weak one and was overrun.
    #[error(transparent)]
    Lagged(#[from] Lagged),
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The reader is a weak one and was overrun.
    #[error(transparent)]
    Lagged(#[from] Lagged),
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
    /// the feature `tracing`.
    #[error("nothing to read yet, and a read from within an event of this crate does not wait")]
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

impl From<ReadError> for TryReadError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Lagged(lagged) => Self::Lagged(lagged),
            ReadError::Terminated => Self::Terminated,
            ReadError::HoldTaken => Self::HoldTaken,
            ReadError::Empty => Self::Empty,
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
    SendError { TooLong => InvalidInput, Closed => BrokenPipe, Terminated => ConnectionAborted }
}

impl From<Lagged> for io::Error {
    /// [`io::ErrorKind::Other`], with the [`Lagged`] inside.
    fn from(lagged: Lagged) -> Self {
        Self::other(lagged)
    }
}

impl From<TryReadError> for io::Error {
    /// `Empty` is `WouldBlock`, `Lagged` is `Other` with the [`Lagged`] inside, `Terminated` is
    /// `ConnectionAborted`, `HoldTaken` is `Other`.
    fn from(error: TryReadError) -> Self {
        match error {
            TryReadError::Empty => Self::new(io::ErrorKind::WouldBlock, error),
            TryReadError::Lagged(lagged) => lagged.into(),
            TryReadError::Terminated => Self::new(io::ErrorKind::ConnectionAborted, error),
            TryReadError::HoldTaken => Self::other(error),
        }
    }
}

impl From<ReadError> for io::Error {
    /// `Lagged` is `Other` with the [`Lagged`] inside, `Terminated` is `ConnectionAborted`, `HoldTaken`
    /// is `Other`, `Empty` is `WouldBlock`.
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Lagged(lagged) => lagged.into(),
            ReadError::Terminated => Self::new(io::ErrorKind::ConnectionAborted, error),
            ReadError::HoldTaken => Self::other(error),
            ReadError::Empty => Self::new(io::ErrorKind::WouldBlock, error),
        }
    }
}
