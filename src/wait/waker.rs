//! Where the waker of one waiter is left, to be taken by whoever wakes it.
//!
//! It is under a lock that nobody waits for: both sides only try it. That loses no wake-up, since
//! whoever holds it is one of two:
//!
//! - *Another who wakes.* That one takes what is there, and wakes it. So a second one has nothing to
//!   do; and a waiter that comes to register just then wakes itself, and comes again.
//! - *The waiter*, which registers, or forgets what it had registered. It is not asleep, and before
//!   it sleeps it looks once more, behind a fence that comes after the one of whoever finds it here
//!   ([`crate::wait`]): so it sees what it would have been woken for.
//!
//! A waker is code of others. It is cloned before the lock is taken, and what was there is woken or
//! dropped after: one that panics, or comes back to us, finds everything in order.

#[cfg(overfall_loom)]
use crate::sync::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard, try_lock};
use std::task::Waker;

#[derive(Debug)]
pub(crate) struct WakerCell {
    waker: Mutex<Option<Waker>>,
    /// Models switch threads where they meet, and without this nobody would find the lock taken.
    #[cfg(overfall_loom)]
    touched: AtomicBool,
}

/// Somebody takes the waker right now.
#[derive(Debug)]
pub(crate) struct Busy;

impl WakerCell {
    pub(crate) fn new() -> Self {
        Self {
            waker: Mutex::new(None),
            #[cfg(overfall_loom)]
            touched: AtomicBool::new(false),
        }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Option<Waker>>> {
        let waker = try_lock(&self.waker)?;
        #[cfg(overfall_loom)]
        self.touched.store(true, Ordering::Relaxed);
        Some(waker)
    }

    /// Leaves a clone of `waker`, for its only waiter. Hands back what was there before, to be
    /// dropped when all is done.
    pub(crate) fn register(&self, waker: &Waker) -> Result<Option<Waker>, Busy> {
        let new = waker.clone();
        let mut registered = self.try_lock().ok_or(Busy)?;
        Ok(registered.replace(new))
    }

    /// Whether what is there wakes the same task: then there is nothing to register.
    pub(crate) fn is_registered(&self, waker: &Waker) -> bool {
        let Some(registered) = self.try_lock() else { return false };
        registered.as_ref().is_some_and(|registered| registered.will_wake(waker))
    }

    /// Takes the waker, if it is there and nobody else is about to.
    pub(crate) fn take(&self) -> Option<Waker> {
        self.try_lock()?.take()
    }
}
