//! A lock that no thread waits for: it is had at once, or not at all.
//!
//! It takes one exchange, and giving it back is a store. A `Mutex` needs an exchange for that, too,
//! as it has to find out whether a thread waits.
#![allow(unsafe_code)]

use super::{AtomicBool, Ordering};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

#[cfg(overfall_loom)]
use loom::cell::UnsafeCell;

pub(crate) struct TryLock<T> {
    is_taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: a thread reaches the value only while it has the lock, and each of them may get it. No thread
// keeps a reference to it.
unsafe impl<T: Send> Sync for TryLock<T> {}

// As for the locks of this room: what is done under one leaves its value whole at every step.
impl<T> UnwindSafe for TryLock<T> {}
impl<T> RefUnwindSafe for TryLock<T> {}

impl<T> TryLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { is_taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// Does something with the value, unless another thread has the lock. `work` does not come here again.
    #[inline]
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        // ORD(try:A) Acquire, pairs with ORD(try:B): what is there was left by who had the lock before.
        if self
            .is_taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return None;
        }
        let _given_back = GiveBack(&self.is_taken);
        // SAFETY: this thread has found the lock free and taken it, and gives it back after the last use of
        // the reference, also if `work` panics. Until then all others find it taken.
        Some(self.value.with_mut(|value| work(unsafe { &mut *value })))
    }
}

struct GiveBack<'a>(&'a AtomicBool);

impl Drop for GiveBack<'_> {
    #[inline]
    fn drop(&mut self) {
        // ORD(try:B) Release, pairs with ORD(try:A).
        self.0.store(false, Ordering::Release);
    }
}

impl<T> fmt::Debug for TryLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryLock").finish_non_exhaustive()
    }
}

/// As loom's, which tells the models of an access that nothing orders.
#[cfg(not(overfall_loom))]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(overfall_loom))]
impl<T> UnsafeCell<T> {
    fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    fn with_mut<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
        work(self.0.get())
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn it_is_had_once_at_a_time_and_given_back_by_a_panic_too() {
        let lock = TryLock::new(1);
        assert_eq!(lock.with(|value| (*value, lock.with(|_| ()))), Some((1, None)));
        let panics = |value: &mut i32| {
            *value = 2;
            panic!("on purpose")
        };
        let caught = catch_unwind(AssertUnwindSafe(|| lock.with(panics)));
        assert!(caught.is_err());
        assert_eq!(lock.with(|value| *value), Some(2));
    }
}
