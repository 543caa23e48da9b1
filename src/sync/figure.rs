//! Figures, each raised by one thread and read by all.

use super::{AtomicU64, Ordering};

/// A figure that one thread at a time raises, and any thread reads.
#[derive(Debug)]
pub(crate) struct Figure(AtomicU64);

impl Default for Figure {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Figure {
    pub(crate) fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    // Relaxed throughout: figures order nothing.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Not one atomic step: only its owner writes it.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    #[inline]
    pub(crate) fn take(&self) -> u64 {
        let value = self.get();
        self.set(0);
        value
    }
}
