//! What threads synchronize with. All synchronization primitives of the crate are here, so that the
//! models can stand in for all of them. So are fences of which one side is almost free, sections
//! that can be interrupted, and entries that never move.
//!
//! `--cfg overfall_loom` swaps in loom. It is a cfg of our own because the plain `--cfg loom`
//! changes tokio as well. `ci/lint` refuses the originals everywhere else.

pub(crate) mod asymmetric;
pub(crate) mod cell;
pub(crate) mod figure;
pub(crate) mod file_lock;
pub(crate) mod holes;
mod occupancy;
pub(crate) mod pause;
pub(crate) mod processor;
pub(crate) mod rseq;
pub(crate) mod table;

pub(crate) use std::sync::OnceLock;
pub(crate) use std::sync::atomic::Ordering;
use std::sync::{PoisonError, TryLockError};

#[cfg(not(overfall_loom))]
mod primitives {
    pub(crate) use std::hint::spin_loop;
    #[allow(unused_imports, reason = "not every target has sections")]
    pub(crate) use std::sync::atomic::AtomicIsize;
    #[cfg(all(target_os = "linux", not(any(overfall_portable, miri))))]
    pub(crate) use std::sync::atomic::compiler_fence;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, fence};
    pub(crate) use std::sync::{Mutex, MutexGuard};
}

#[cfg(overfall_loom)]
mod primitives {
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, fence};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
}

pub(crate) use primitives::*;

/// Locks, also after a panic: no user code runs under a lock of ours, and each critical section
/// leaves its data whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks, unless another thread has the lock.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
