//! Where the waker of one waiter is left, to be taken by the thread that wakes it.
//!
//! It is under a lock that no thread waits for: both sides only try it. No wake-up is lost if A
//! finds the lock taken. The thread B that has it is one of two:
//!
//! - *A thread that wakes.* B takes what is there, and wakes it. So if A wakes as well, it has
//!   nothing to do. If A is the waiter and comes to register, it wakes itself, and comes again.
//! - *The waiter*, which registers, or forgets what it had registered. B is not asleep. Before it
//!   sleeps it looks once more, behind a fence that comes after A's ([`crate::wait`]). So it sees
//!   what it would have been woken for.
//!
//! A waker is foreign code. It is cloned before the lock is taken, and what was there is woken or
//! dropped after that. So a waker that panics, or calls us again, finds everything in order.

use crate::sync::try_lock::TryLock;
use std::task::Waker;

#[derive(Debug)]
pub(crate) struct WakerCell {
    waker: TryLock<Option<Waker>>,
}

/// Another thread takes the waker right now.
#[derive(Debug)]
pub(crate) struct Busy;

impl WakerCell {
    pub(crate) fn new() -> Self {
        Self { waker: TryLock::new(None) }
    }

    /// Leaves a clone of `waker`, for its only waiter. Hands back what was there before. The caller
    /// drops it when all is done.
    pub(crate) fn register(&self, waker: &Waker) -> Result<Option<Waker>, Busy> {
        let mut new = Some(waker.clone());
        self.waker.with(|registered| std::mem::replace(registered, new.take())).ok_or(Busy)
    }

    /// Whether what is there wakes the same task: then there is nothing to register.
    pub(crate) fn is_registered(&self, waker: &Waker) -> bool {
        let is_it = |registered: &mut Option<Waker>| {
            registered.as_ref().is_some_and(|registered| registered.will_wake(waker))
        };
        self.waker.with(is_it).unwrap_or(false)
    }

    /// Takes the waker, if it is there and no other thread has the lock.
    pub(crate) fn take(&self) -> Option<Waker> {
        self.waker.with(Option::take)?
    }
}
