//! How an output of a child is kept. (A stand-in, until the drain is merged.)

use super::output::Ring;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// How an output of a child is kept.
#[derive(Clone, Debug)]
pub struct Capture(pub(super) Kind);

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Ring(Ring),
    Inherit,
    Null,
    File(Arc<OwnedFd>),
}

impl Capture {
    /// In a ring of so many bytes.
    pub fn ring(capacity: usize) -> Self {
        Self(Kind::Ring(Ring::new(capacity)))
    }

    /// Not at all: the child writes to where this program does.
    pub fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// Not at all.
    pub fn null() -> Self {
        Self(Kind::Null)
    }

    /// Into a file, which the child writes itself.
    pub fn file(file: impl Into<OwnedFd>) -> Self {
        Self(Kind::File(Arc::new(file.into())))
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self::ring(1 << 20)
    }
}
