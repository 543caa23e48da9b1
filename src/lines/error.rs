//! Why there is no line.

use super::line::OwnedLine;
use crate::error::{Failure, TryReadError};
use crate::spool::ReadError;
use std::io;
use thiserror::Error;

/// Bytes were missed here, and no line is put together across them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "{missed} bytes were missed, and {torn} more of a line that was begun are dropped with its rest: read on; \
     use a strong reader or a larger ring if none may be missed"
)]
#[non_exhaustive]
pub struct Gap {
    /// Of which writer, 0 for a spool: [`Header::writer`](crate::Header::writer).
    pub writer: u32,
    /// How many bytes of that writer were missed, exactly.
    pub missed: u64,
    /// How many bytes of a line had come before, which is dropped. Its rest behind the gap is, too, up to the
    /// next end of a line; [`Lines::dropped`](super::Lines::dropped) counts both.
    pub torn: u64,
}

/// A line that is no UTF-8, with [`Builder::utf8`](super::Builder::utf8).
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("a line is no UTF-8: \"{}\": read on, or use `utf8_lossy`", .line.escape_ascii())]
#[non_exhaustive]
pub struct NotUtf8 {
    /// The line, with its bytes.
    pub line: OwnedLine,
}

/// Why there is no line, or there are no bytes.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum LineError {
    /// Bytes were missed. The next call goes on behind them.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// This line is no UTF-8. The next call gives the next one.
    #[error(transparent)]
    NotUtf8(#[from] NotUtf8),
    /// There is no complete line yet, or the time is up. What has come of it is kept.
    #[error("no line is there yet: try again later, or wait longer, with `next_line`")]
    Empty,
    /// The stream ended before so many bytes had come. Those that are there can still be read.
    #[error("the stream ended {available} bytes on, and {wanted} were asked for")]
    Short {
        /// What was asked for.
        wanted: usize,
        /// What is there.
        available: usize,
    },
    /// The stream ended with this error, and all lines before it were given, the unfinished last one too.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The channel, the spool, or the reader was terminated. What was unread is gone.
    #[error("terminated: the stream or this reader was ended at once; what was unread is gone")]
    Terminated,
    /// The owner of the channel took the hold of the strong reader inside
    /// ([`take_hold`](crate::Channel::take_hold)). [`Lines::into_weak`](super::Lines::into_weak) goes on.
    #[error(
        "the owner of the channel took this reader's hold, and writers no longer wait for it: go on with \
         `into_weak`"
    )]
    HoldTaken,
    /// A spool could not be read. The next call tries again.
    #[error(transparent)]
    Spool(ReadError),
}

impl LineError {
    /// Whether nothing comes behind it.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Terminated | Self::Spool(ReadError::Closed))
    }
}

impl From<TryReadError> for LineError {
    fn from(error: TryReadError) -> Self {
        match error {
            // Whose bytes were missed, and how many, is told by the messages behind the gap.
            TryReadError::Empty | TryReadError::Lagged(_) => Self::Empty,
            TryReadError::Failed(failure) => Self::Failed(failure),
            TryReadError::Terminated => Self::Terminated,
            TryReadError::HoldTaken => Self::HoldTaken,
        }
    }
}

impl From<ReadError> for LineError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Empty => Self::Empty,
            ReadError::Failed(failure) => Self::Failed(failure),
            ReadError::Terminated => Self::Terminated,
            ReadError::Lagged { missed } => Self::Gap(Gap { writer: 0, missed, torn: 0 }),
            error => Self::Spool(error),
        }
    }
}

impl From<LineError> for io::Error {
    /// `NotUtf8` is `InvalidData`, `Empty` is `WouldBlock`, `Short` is `UnexpectedEof`, `Failed` has the
    /// [`Failure`] inside and the kind of its error, `Terminated` is `ConnectionAborted`, `Spool` is as for
    /// [`ReadError`], the others are `Other`.
    fn from(error: LineError) -> Self {
        let kind = match error {
            LineError::Failed(failure) => return failure.into(),
            LineError::Spool(error) => return error.into(),
            LineError::NotUtf8(_) => io::ErrorKind::InvalidData,
            LineError::Empty => io::ErrorKind::WouldBlock,
            LineError::Short { .. } => io::ErrorKind::UnexpectedEof,
            LineError::Terminated => io::ErrorKind::ConnectionAborted,
            LineError::Gap(_) | LineError::HoldTaken => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
