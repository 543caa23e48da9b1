//! Who is there.

use crate::channel::stats::Totals;
use crate::channel::terms::Strength;

/// How many endpoints of each kind there are.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) handle: bool,
    pub(super) strong_writers: usize,
    pub(super) weak_writers: usize,
    pub(super) strong_readers: usize,
    pub(super) weak_readers: usize,
    /// What endpoints that have gone had counted.
    pub(super) retired: Totals,
}

impl Registry {
    #[inline]
    pub(super) fn writers(&mut self, strength: Strength) -> &mut usize {
        match strength {
            Strength::Strong => &mut self.strong_writers,
            Strength::Weak => &mut self.weak_writers,
        }
    }

    #[inline]
    pub(super) fn readers(&mut self, strength: Strength) -> &mut usize {
        match strength {
            Strength::Strong => &mut self.strong_readers,
            Strength::Weak => &mut self.weak_readers,
        }
    }

    /// Whether the channel has come to its natural end: without a handle nobody can join any more,
    /// except through another endpoint of the same side.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        !self.handle && (self.strong_writers == 0 || self.strong_readers + self.weak_readers == 0)
    }
}
