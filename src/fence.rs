//! Fences of which one side is almost free.
//!
//! `fence(SeqCst)` on two threads orders what each did before it against what the other does after
//! it, and both pay. Where one side runs millions of times a second and the other hardly ever, the
//! rare side can pay for both: [`light`] only keeps the compiler from moving accesses across it,
//! and [`heavy`] makes every running thread of the process pass a full fence at some moment during
//! the call (Linux's `membarrier`). One light and one heavy fence order like two of SeqCst:
//!
//! - what the light side did before its fence, if that came before the moment, is seen by whatever
//!   the heavy side does after the call;
//! - if not, the light side's accesses after its fence come after the moment, and see whatever the
//!   heavy side did before the call.
//!
//! Two light fences order nothing, nor does a light one with a plain one. The models that are about
//! a heavy fence have `fence(SeqCst)` in the place of both; in all others, a light one is nothing.
//!
//! Where there is no such call, [`is_asymmetric`] says so, and whoever relies on it stays with plain
//! fences and exchanges: the same code, in the state in which it starts.

/// How many times in a row plain fences or exchanges must have been for nothing before somebody
/// changes to what stands on heavy ones: about as many as cost what the way back costs, a few
/// microseconds. Where assertions are on it is few, so that tests go there and back all the time;
/// models go there when they mean to.
pub(crate) const PATIENCE: u32 = if cfg!(overfall_loom) {
    u32::MAX
} else if cfg!(debug_assertions) {
    8
} else {
    1024
};

#[cfg(overfall_loom)]
mod imp {
    use crate::sync::{Ordering, fence};
    use std::cell::Cell;

    thread_local! {
        /// Whether the model that runs on this thread is about heavy fences.
        pub(crate) static LIGHT_FENCES: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn prepare() {}

    pub(crate) fn is_asymmetric() -> bool {
        true
    }

    pub(crate) fn light() {
        if LIGHT_FENCES.get() {
            // ORD(light) SeqCst, pairs with ORD(heavy).
            fence(Ordering::SeqCst);
        }
    }

    pub(crate) fn heavy() {
        // ORD(heavy) SeqCst, pairs with ORD(light).
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(target_os = "linux", not(any(overfall_loom, overfall_portable, miri))))]
mod imp {
    use crate::sync::{AtomicU32, Ordering, compiler_fence, fence};
    use std::io;

    const UNKNOWN: u32 = 0;
    const AVAILABLE: u32 = 1;
    const MISSING: u32 = 2;

    static STATE: AtomicU32 = AtomicU32::new(UNKNOWN);

    /// Asks the system once a process.
    pub(crate) fn prepare() {
        if STATE.load(Ordering::Relaxed) == UNKNOWN {
            let registered = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
            let state = if registered.is_ok() { AVAILABLE } else { MISSING };
            // The first answer stands for all: nobody may lose what others rely on.
            let _earlier =
                STATE.compare_exchange(UNKNOWN, state, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn is_asymmetric() -> bool {
        STATE.load(Ordering::Relaxed) == AVAILABLE
    }

    #[inline]
    pub(crate) fn light() {
        // ORD(light) pairs with ORD(heavy), which makes a full fence of it.
        compiler_fence(Ordering::SeqCst);
    }

    /// Ends the process if the system takes back what it had granted, as a filter of system calls
    /// might: writers and sleepers rely on it, in states that nobody could undo without.
    #[cold]
    pub(crate) fn heavy() {
        // ORD(heavy) SeqCst, pairs with ORD(light). The fences are for this thread's own accesses.
        fence(Ordering::SeqCst);
        if is_asymmetric() {
            if let Err(error) = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
                eprintln!(
                    "overfall: membarrier, which this process had registered for, failed: {error}. \
                     Allow the system call, or build with `--cfg overfall_portable`, which does without."
                );
                std::process::abort();
            }
        }
        fence(Ordering::SeqCst);
    }

    #[allow(unsafe_code)]
    fn membarrier(command: libc::c_int) -> io::Result<()> {
        // SAFETY: the call takes two integers besides the command, and touches no memory of ours.
        match unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

#[cfg(not(any(overfall_loom, all(target_os = "linux", not(any(overfall_portable, miri))))))]
mod imp {
    pub(crate) fn prepare() {}

    #[inline]
    pub(crate) fn is_asymmetric() -> bool {
        false
    }

    /// Nothing: nobody is in a state in which it would have to order anything.
    #[inline]
    pub(crate) fn light() {}

    #[inline]
    pub(crate) fn heavy() {}
}

#[cfg(overfall_loom)]
pub(crate) use imp::LIGHT_FENCES;
pub(crate) use imp::{heavy, is_asymmetric, light, prepare};
