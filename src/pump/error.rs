//! How a pump ends when it does not end well.

use crate::error::Failure;
use std::io;
use thiserror::Error;

/// Why a [`Pump`](super::Pump) ended before its source did. The stream that it wrote fails with the same
/// error.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum PumpError {
    /// The source failed.
    #[error("the source failed: {}", .0.get_ref())]
    Source(#[source] Failure),
    /// The transform failed, or a gap of the source was not expected by it: implement
    /// [`Transform::gap`](super::Transform::gap).
    #[error("the transform failed: {}", .0.get_ref())]
    Transform(#[source] Failure),
    /// The channel, or the spool, takes no more.
    #[error("the sink takes no more: {}", .0.get_ref())]
    Sink(#[source] Failure),
    /// The source, or the transform, panicked in an earlier call.
    #[error("the source or the transform panicked: {}", .0.get_ref())]
    Panicked(#[source] Failure),
}

impl PumpError {
    pub(super) fn source(error: io::Error) -> Self {
        Self::Source(Failure::new(error))
    }

    pub(super) fn transform(error: io::Error) -> Self {
        Self::Transform(Failure::new(error))
    }

    pub(super) fn sink(error: io::Error) -> Self {
        Self::Sink(Failure::new(error))
    }

    /// The error itself.
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Source(failure)
            | Self::Transform(failure)
            | Self::Sink(failure)
            | Self::Panicked(failure) => failure,
        }
    }
}

impl From<PumpError> for io::Error {
    /// As for the [`Failure`] in it, with its kind.
    fn from(error: PumpError) -> Self {
        error.failure().clone().into()
    }
}

/// Why a stream failed: a pump wrote it, and was dropped, or panicked, before its source had ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the pump was dropped, or panicked, before its source had ended, after {bytes_out} bytes")]
#[non_exhaustive]
pub struct Unfinished {
    /// How many bytes it had written.
    pub bytes_out: u64,
}
