//! A cell whose content several threads reach, one at a time: its owner says how.

#[cfg(overfall_loom)]
pub(crate) use loom::cell::UnsafeCell;

/// As loom's, which tells the models of an access that nothing orders.
#[cfg(not(overfall_loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(overfall_loom))]
impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
        work(self.0.get())
    }
}
