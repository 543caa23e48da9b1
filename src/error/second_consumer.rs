//! The error of an output that may have one consumer.

use std::io;
use std::sync::Arc;
use thiserror::Error;

/// There is a consumer already, and there may be
/// [only one](crate::process::Capture::only_one_consumer). Drop it first.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{output} has a consumer, {first}, and may have only one: drop that first")]
#[non_exhaustive]
pub struct SecondConsumer {
    /// The name of the output.
    pub output: Arc<str>,
    /// The name of the first consumer, or its number.
    pub first: Arc<str>,
}

impl SecondConsumer {
    pub(crate) fn new(output: Arc<str>, first: Arc<str>) -> Self {
        Self { output, first }
    }
}

impl From<SecondConsumer> for io::Error {
    /// [`io::ErrorKind::ResourceBusy`], with the error inside.
    fn from(error: SecondConsumer) -> Self {
        Self::new(io::ErrorKind::ResourceBusy, error)
    }
}
