//! The error that a stream ends with.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::Arc;

/// The error that a stream ended with.
///
/// Every reader gets it after the last byte, late readers too, and each time that it reads again.
/// The error itself is its [`source`](Error::source). Two are equal if they are of the same call of
/// `fail`.
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
