//! The error that a channel, or a spool, ends with.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::Arc;

/// The error that a channel ended with, by `fail` of a [writer](crate::Writer::fail) or of a
/// [handle](crate::Channel::fail), or because a strong writer was dropped by a panic; or the stream of a
/// [spool](crate::spool).
///
/// Every reader gets it after the last byte, late readers too, and each time that it reads again.
/// The error itself is its [`source`](Error::source). Two are equal if they are of the same call of
/// `fail`.
///
/// ```
/// use overfall::error::ReadError;
/// use std::io;
///
/// # futures::executor::block_on(async {
/// let (mut writer, mut reader) = overfall::pipe(1024);
/// writer.send(b"half of it").await?;
/// writer.fail(io::Error::other("disk on fire"))?;
///
/// assert_eq!(reader.recv().await?.as_deref(), Some(&b"half of it"[..]));
/// let Err(ReadError::Failed(failure)) = reader.recv().await else { panic!("a clean end") };
/// assert_eq!(failure.to_string(), "the stream failed: disk on fire");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Failure(Arc<dyn Error + Send + Sync>);

impl Failure {
    /// A failure with this error. One that is a failure itself, of another stream, stays what it is.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(failure) => *failure,
            Err(error) => Self(error.into()),
        }
    }

    /// The error, to see of which type it is.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }
}

// An error that a panic interrupts in the middle of its text has nothing to leave half done. Without these,
// endpoints could not be taken through `catch_unwind`.
impl UnwindSafe for Failure {}
impl RefUnwindSafe for Failure {}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        // Not `Arc::ptr_eq`, which would compare tables of methods as well.
        ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }
}

impl Eq for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stream failed: {}", self.0)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl From<Failure> for io::Error {
    /// The kind of the error, if that is an [`io::Error`], and else `Other`, with the [`Failure`]
    /// inside. `Interrupted`, `WouldBlock` and `TimedOut` become `Other`, too: by these, readers of this
    /// crate and of std are told to try again, and the failure would never come to an end.
    fn from(failure: Failure) -> Self {
        use io::ErrorKind::{Interrupted, Other, TimedOut, WouldBlock};
        let kind = match failure.0.downcast_ref().map(Self::kind) {
            None | Some(Interrupted | WouldBlock | TimedOut) => Other,
            Some(kind) => kind,
        };
        Self::new(kind, failure)
    }
}

/// A channel could not be failed: it had ended before. Its readers are told that end. The failure is in
/// here, and nobody else is told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the channel had ended before, and its readers are told that end and not this failure")]
#[non_exhaustive]
pub struct FailError {
    /// What the channel was to fail with.
    #[source]
    pub failure: Failure,
}

impl FailError {
    pub(crate) fn new(failure: Failure) -> Self {
        Self { failure }
    }
}

impl From<FailError> for io::Error {
    /// [`io::ErrorKind::BrokenPipe`], with the [`FailError`] inside.
    fn from(error: FailError) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, error)
    }
}

/// What a channel fails with if a strong writer is dropped by a panic, unless
/// [`Builder::fail_on_panic`](crate::Builder::fail_on_panic) says otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct WriterPanicked {
    /// The number of the writer.
    pub writer: u32,
    /// Its name, if it had one.
    pub name: Option<Arc<str>>,
}

impl WriterPanicked {
    pub(crate) fn new(writer: u32, name: Option<Arc<str>>) -> Self {
        Self { writer, name }
    }
}

impl fmt::Display for WriterPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "writer {}", self.writer)?;
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        f.write_str(" was dropped by a panic, and may not have written all that it was to write")
    }
}

impl Error for WriterPanicked {}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_which_readers_try_again_are_not_told() {
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::UnexpectedEof] {
            assert_eq!(io::Error::from(Failure::new(io::Error::from(kind))).kind(), kind);
        }
        use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        for kind in [Interrupted, WouldBlock, TimedOut] {
            let error = io::Error::from(Failure::new(io::Error::from(kind)));
            assert_eq!(error.kind(), io::ErrorKind::Other);
        }
        assert_eq!(io::Error::from(Failure::new("text")).kind(), io::ErrorKind::Other);
    }

    #[test]
    fn a_failure_that_is_passed_on_stays_the_same() {
        let (failure, other) = (Failure::new("text"), Failure::new("text"));
        assert_eq!(Failure::new(failure.clone()), failure);
        assert_ne!(failure, other);
        let error = io::Error::from(failure.clone());
        assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&failure));
    }
}
