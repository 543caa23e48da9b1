//! What can go wrong with values, besides what can with bytes.

use crate::channel::message::Header;
use crate::error::{self, Lagged};
use rkyv::rancor;
use std::io;
use thiserror::Error;

/// A message is not a value of the type that it was to be. It is behind the reader, which goes on
/// with the next one.
#[derive(Debug, Error)]
#[error(
    "message {} of writer {} is no value of the type that is read here: were its bytes written past \
     the typed channel?",
    .header.sequence,
    .header.writer
)]
#[non_exhaustive]
pub struct InvalidMessage {
    /// Which message.
    pub header: Header,
    /// What was found in it.
    pub source: rancor::BoxedError,
}

/// Why a value that was not to wait was not sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// As the message that it becomes.
    #[error(transparent)]
    Message(#[from] error::TrySendError),
    /// It could not be serialized.
    #[error("the value cannot be serialized")]
    Serialize(#[source] rancor::BoxedError),
}

/// Why a value was not sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// As the message that it becomes.
    #[error(transparent)]
    Message(#[from] error::SendError),
    /// It could not be serialized.
    #[error("the value cannot be serialized")]
    Serialize(#[source] rancor::BoxedError),
}

/// Why a receive that does not wait received no value.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is nothing yet.
    #[error("nothing to receive yet: try again later, or wait with `recv`")]
    Empty,
    /// A weak reader missed something.
    #[error(transparent)]
    Lagged(#[from] Lagged),
    /// The channel, or this reader, was terminated; what was unread is gone.
    #[error("terminated: the channel or this reader was ended at once; what was unread is gone")]
    Terminated,
    /// The message is no value of the type. The next receive goes on behind it.
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
}

/// Why a receive received no value.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// A weak reader missed something.
    #[error(transparent)]
    Lagged(#[from] Lagged),
    /// The channel, or this reader, was terminated; what was unread is gone.
    #[error("terminated: the channel or this reader was ended at once; what was unread is gone")]
    Terminated,
    /// There is nothing to receive yet, and this receive may not wait: with the feature `tracing`, it
    /// came from within an event of this crate.
    #[error("nothing to receive yet, and nobody waits within an event of this crate")]
    Empty,
    /// The message is no value of the type. The next receive goes on behind it.
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
}

impl From<error::TryReadError> for TryRecvError {
    fn from(error: error::TryReadError) -> Self {
        match error {
            error::TryReadError::Empty => Self::Empty,
            error::TryReadError::Lagged(lagged) => Self::Lagged(lagged),
            error::TryReadError::Terminated => Self::Terminated,
        }
    }
}

impl From<error::ReadError> for RecvError {
    fn from(error: error::ReadError) -> Self {
        match error {
            error::ReadError::Lagged(lagged) => Self::Lagged(lagged),
            error::ReadError::Terminated => Self::Terminated,
            error::ReadError::Empty => Self::Empty,
        }
    }
}

impl From<error::TryReserveError> for TrySendError {
    fn from(error: error::TryReserveError) -> Self {
        Self::Message(match error {
            error::TryReserveError::Full => error::TrySendError::Full,
            error::TryReserveError::TooLong { len, max } => {
                error::TrySendError::TooLong { len, max }
            }
            error::TryReserveError::Closed => error::TrySendError::Closed,
            error::TryReserveError::Terminated => error::TrySendError::Terminated,
        })
    }
}

impl From<InvalidMessage> for io::Error {
    /// [`io::ErrorKind::InvalidData`], with the [`InvalidMessage`] inside.
    fn from(error: InvalidMessage) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl From<RecvError> for io::Error {
    /// As for [`error::ReadError`], and for an [`InvalidMessage`] `InvalidData`.
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Lagged(lagged) => lagged.into(),
            RecvError::Terminated => error::ReadError::Terminated.into(),
            RecvError::Empty => error::ReadError::Empty.into(),
            RecvError::Invalid(invalid) => invalid.into(),
        }
    }
}

impl From<TrySendError> for io::Error {
    /// As for [`error::TrySendError`], and `InvalidInput` for what cannot be serialized.
    fn from(error: TrySendError) -> Self {
        match error {
            TrySendError::Message(error) => error.into(),
            TrySendError::Serialize(_) => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

impl From<SendError> for io::Error {
    /// As for [`error::SendError`], and `InvalidInput` for what cannot be serialized.
    fn from(error: SendError) -> Self {
        match error {
            SendError::Message(error) => error.into(),
            SendError::Serialize(_) => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}
