//! What can go wrong with values, besides what can with bytes.

use crate::channel::reader::message::Header;
use crate::error::{self, Failure, Lagged};
use rkyv::rancor;
use std::io;
use thiserror::Error;

/// A message is not a value of the type that is read. The next receive goes on after it.
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
    /// What is wrong with it.
    pub source: rancor::BoxedError,
}

/// A value could not be deserialized, by the type's own `Deserialize`. The archived form that was received
/// is valid.
#[derive(Debug, Error)]
#[error("the value cannot be deserialized")]
#[non_exhaustive]
pub struct DeserializeError {
    /// What is wrong with it.
    pub source: rancor::BoxedError,
}

/// Why `try_send` sent nothing, or `send_timeout` and its like of a [`Blocking`](crate::Blocking) writer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// The message that it becomes was not sent.
    #[error(transparent)]
    Message(#[from] error::TrySendError),
    /// The value could not be serialized.
    #[error("the value cannot be serialized")]
    Serialize(#[source] rancor::BoxedError),
}

/// Why `send` sent nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message that it becomes was not sent.
    #[error(transparent)]
    Message(#[from] error::SendError),
    /// The value could not be serialized.
    #[error("the value cannot be serialized")]
    Serialize(#[source] rancor::BoxedError),
}

/// Why `try_recv` returned no value, or `recv_timeout` and its like of a [`Blocking`](crate::Blocking)
/// reader.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is nothing to receive yet. With a deadline: nothing came in time.
    #[error("nothing to receive yet: try again later, or wait longer, with `recv`")]
    Empty,
    /// The reader is a weak one and was overrun.
    #[error(transparent)]
    Lagged(#[from] Lagged),
    /// The channel ended with this error, and everything was received that was sent before.
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
    /// The message is not a value of the type. The next receive goes on after it.
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
}

/// Why `recv` returned no value.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The reader is a weak one and was overrun.
    #[error(transparent)]
    Lagged(#[from] Lagged),
    /// The channel ended with this error, and everything was received that was sent before.
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
    /// There is nothing to receive yet, and this does not wait: it was called from within an event
    /// of the feature `tracing`.
    #[error(
        "nothing to receive yet, and nobody waits: this came from within an event of this crate, or would \
         have to park a thread where there are none"
    )]
    Empty,
    /// The message is not a value of the type. The next receive goes on after it.
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
}

impl From<error::TryReadError> for TryRecvError {
    fn from(error: error::TryReadError) -> Self {
        match error {
            error::TryReadError::Empty => Self::Empty,
            error::TryReadError::Lagged(lagged) => Self::Lagged(lagged),
            error::TryReadError::Failed(failure) => Self::Failed(failure),
            error::TryReadError::Terminated => Self::Terminated,
            error::TryReadError::HoldTaken => Self::HoldTaken,
        }
    }
}

impl From<error::ReadError> for RecvError {
    fn from(error: error::ReadError) -> Self {
        match error {
            error::ReadError::Lagged(lagged) => Self::Lagged(lagged),
            error::ReadError::Failed(failure) => Self::Failed(failure),
            error::ReadError::Terminated => Self::Terminated,
            error::ReadError::HoldTaken => Self::HoldTaken,
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

impl From<RecvError> for TryRecvError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Lagged(lagged) => Self::Lagged(lagged),
            RecvError::Failed(failure) => Self::Failed(failure),
            RecvError::Terminated => Self::Terminated,
            RecvError::HoldTaken => Self::HoldTaken,
            RecvError::Empty => Self::Empty,
            RecvError::Invalid(invalid) => Self::Invalid(invalid),
        }
    }
}

impl From<SendError> for TrySendError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Message(error) => Self::Message(error.into()),
            SendError::Serialize(error) => Self::Serialize(error),
        }
    }
}

impl From<DeserializeError> for io::Error {
    /// [`io::ErrorKind::InvalidData`], with the [`DeserializeError`] inside.
    fn from(error: DeserializeError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl From<InvalidMessage> for io::Error {
    /// [`io::ErrorKind::InvalidData`], with the [`InvalidMessage`] inside.
    fn from(error: InvalidMessage) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl From<TryRecvError> for io::Error {
    /// As for [`error::TryReadError`]. An [`InvalidMessage`] becomes `InvalidData`.
    fn from(error: TryRecvError) -> Self {
        match error {
            TryRecvError::Lagged(lagged) => lagged.into(),
            TryRecvError::Failed(failure) => failure.into(),
            TryRecvError::Terminated => error::TryReadError::Terminated.into(),
            TryRecvError::HoldTaken => error::TryReadError::HoldTaken.into(),
            TryRecvError::Empty => error::TryReadError::Empty.into(),
            TryRecvError::Invalid(invalid) => invalid.into(),
        }
    }
}

impl From<RecvError> for io::Error {
    /// As for [`error::ReadError`]. An [`InvalidMessage`] becomes `InvalidData`.
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Lagged(lagged) => lagged.into(),
            RecvError::Failed(failure) => failure.into(),
            RecvError::Terminated => error::ReadError::Terminated.into(),
            RecvError::HoldTaken => error::ReadError::HoldTaken.into(),
            RecvError::Empty => error::ReadError::Empty.into(),
            RecvError::Invalid(invalid) => invalid.into(),
        }
    }
}

impl From<TrySendError> for io::Error {
    /// As for [`error::TrySendError`]. What cannot be serialized becomes `InvalidInput`.
    fn from(error: TrySendError) -> Self {
        match error {
            TrySendError::Message(error) => error.into(),
            TrySendError::Serialize(_) => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

impl From<SendError> for io::Error {
    /// As for [`error::SendError`]. What cannot be serialized becomes `InvalidInput`.
    fn from(error: SendError) -> Self {
        match error {
            SendError::Message(error) => error.into(),
            SendError::Serialize(_) => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}
