//! How a channel is made.

use super::Channel;
use super::shared::Shared;
use super::terms::Backpressure;
use super::trace;
use crate::error::BuildError;
use crate::ring::position::{GRANULE, Geometry, MAX_CAPACITY, Position};
use crate::sync::asymmetric::{self, Abilities};

use std::sync::Arc;

/// Makes a [`Channel`] of its own kind.
#[derive(Clone, Debug, Default)]
#[must_use = "it makes a channel only when `build` is called"]
pub struct Builder {
    size: usize,
    backpressure: Backpressure,
    start: u64,
    without_membarrier: bool,
    name: Option<Arc<str>>,
}

impl Builder {
    /// The size of the ring in bytes, rounded up to a power of two, 64 at least.
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// What becomes of a write when the ring is full.
    pub fn backpressure(mut self, backpressure: Backpressure) -> Self {
        self.backpressure = backpressure;
        self
    }

    /// The position of the first byte, rounded down to a multiple of 64; 0 if nothing is said.
    ///
    /// Positions have 63 bits and wrap; starting close to that is how the tests see to it that
    /// nothing depends on where they are.
    pub fn start_position(mut self, start: u64) -> Self {
        self.start = start;
        self
    }

    /// Whether the channel may rely on the system call `membarrier`, on Linux; it may if nothing is
    /// said.
    ///
    /// A process that forbids itself system calls after its start, by a filter that refuses this one,
    /// is ended (`abort`) when a channel that relies on it needs it next: for a second writer beside one
    /// that was alone for long, or for a reader or writer that goes to sleep. A channel that is made
    /// behind the filter does without, whatever is said here. One that has to live through it is made
    /// with `membarrier(false)`: it uses locked instructions and full fences instead, which is about
    /// as much again for a short write.
    ///
    /// ```
    /// use overfall::Channel;
    ///
    /// let channel = Channel::builder().size(4096).membarrier(false).build()?;
    /// # Ok::<(), overfall::error::BuildError>(())
    /// ```
    pub fn membarrier(mut self, allowed: bool) -> Self {
        self.without_membarrier = !allowed;
        self
    }

    /// What the channel is called in its [`Debug`](std::fmt::Debug) text and in the events of the feature
    /// `tracing`. The names of two channels may be the same.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes the channel.
    ///
    /// # Errors
    ///
    /// If the size is 0, more than a ring can have, or more than there is memory for.
    pub fn build(self) -> Result<Arc<Channel>, BuildError> {
        let channel = Arc::new(Channel { shared: Arc::new(self.build_shared()?) });
        trace::made(&*channel.shared, channel.shared.ring.capacity());
        Ok(channel)
    }

    fn build_shared(self) -> Result<Shared, BuildError> {
        if self.size == 0 {
            return Err(BuildError::ZeroSize);
        }
        let max = usize::try_from(MAX_CAPACITY).unwrap_or(isize::MAX as usize / 2 + 1);
        if self.size > max {
            return Err(BuildError::TooLarge { size: self.size, max });
        }
        let capacity = self.size.next_power_of_two().max(GRANULE as usize);
        let start = Position::labelled(self.start & !(GRANULE - 1));
        let abilities =
            if self.without_membarrier { Abilities::NONE } else { asymmetric::prepare() };
        let geometry = Geometry::new(capacity as u64);
        let mut shared = Shared::new(geometry, start, self.backpressure, abilities)
            .ok_or(BuildError::OutOfMemory { capacity })?;
        shared.name = self.name;
        Ok(shared)
    }
}
