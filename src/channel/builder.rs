//! How a channel is made.

use super::Channel;
use super::shared::Shared;
use super::terms::Backpressure;
use super::trace;
use crate::error::BuildError;
use crate::ring::position::{GRANULE, Geometry, MAX_CAPACITY, Position};
use crate::sync::asymmetric::{self, Abilities};

use std::sync::Arc;

/// Configures and makes a [`Channel`].
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
    /// Sets the size of the ring in bytes. It is rounded up to a power of two, 64 at least.
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// What happens to a write when the ring is full. Writers may be
    /// [given](crate::Writer::set_backpressure) another backpressure.
    pub fn backpressure(mut self, backpressure: Backpressure) -> Self {
        self.backpressure = backpressure;
        self
    }

    /// Sets the position of the first byte, rounded down to a multiple of 64. It is 0 by default.
    ///
    /// Positions have 63 bits and wrap. Tests start close to the wrap, to show that nothing depends
    /// on where positions are.
    pub fn start_position(mut self, start: u64) -> Self {
        self.start = start;
        self
    }

    /// Sets whether the channel may rely on the system call `membarrier` of Linux. It may by
    /// default.
    ///
    /// A process may forbid itself system calls after its start, by a filter. If the filter refuses
    /// `membarrier`, the process is aborted when a channel that relies on it needs it next: for a
    /// second writer beside one that was alone for long, for a reader or writer that goes to
    /// sleep, or to take a hold. A channel that is made behind the filter does without it in any case.
    ///
    /// With `membarrier(false)`, a channel that is made before the filter lives through it. It uses
    /// locked instructions and full fences instead. A short write then costs about twice as much, and a read of a strong reader a full
    /// fence more.
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

    /// Names the channel in its [`Debug`](std::fmt::Debug) text, in the events of the feature `tracing`,
    /// and in the metrics of the feature `metrics`. Two channels may have the same name.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes the channel.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the size is 0, larger than a ring can be, or more than there is memory
    /// for.
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
