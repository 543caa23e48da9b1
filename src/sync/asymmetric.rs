//! Fences of which one side is almost free.
//!
//! `fence(SeqCst)` on two threads orders what each did before it against what the other does after
//! it, and both pay. Where one side runs millions of times a second and the other hardly ever, the
//! rare side can pay for both: [`light`] only keeps the compiler from moving accesses across it,
//! and [`heavy`] makes every running thread of the process pass a full fence at some moment during
//! the call (Linux's `membarrier`). One light and one heavy fence order like two of SeqCst:
//!
//! - if the light side's fence came before the moment, the heavy side sees after the call what the
//!   light side did before its fence;
//! - if not, the light side's accesses after its fence come after the moment, and see what the
//!   heavy side did before the call.
//!
//! Two light fences order nothing, nor does a light one with a plain one. The models that are about
//! a heavy fence have `fence(SeqCst)` in the place of both; in all others, a light one is nothing.
//!
//! Where there is no such call, a channel is made without it ([`prepare`]), and stays with plain
//! fences and exchanges: the same code, in the state in which each channel starts.
//!
//! A process may forbid itself the call later, by a filter of system calls. A channel that is made
//! after that does without it. A channel that was made before may be in a state that rests on the
//! call, and no thread can end that state without it: then the process ends, and says what to do. A
//! channel that was told not to rely on the call from the start lives through it.

/// What a channel may rely on for as long as it lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Abilities {
    /// Heavy fences.
    pub(crate) heavy_fences: bool,
    /// Sections that can be interrupted (`sync/rseq.rs`).
    pub(crate) sections: bool,
}

impl Abilities {
    pub(crate) const NONE: Self = Self { heavy_fences: false, sections: false };
}

/// How many plain fences or exchanges in a row must have been for nothing before a thread changes
/// to the state that rests on heavy fences. So many cost about as much as the way back, a few
/// microseconds. Where assertions are on the number is small, so that tests go there and back all
/// the time. In histories, which are short, it is 1. Models go there explicitly.
pub(crate) const THRESHOLD: u32 = if cfg!(overfall_loom) {
    u32::MAX
} else if cfg!(overfall_pauses) {
    1
} else if cfg!(debug_assertions) {
    8
} else {
    1024
};

#[cfg(overfall_loom)]
mod imp {
    use super::Abilities;
    use crate::sync::{Ordering, fence};
    use std::cell::Cell;

    thread_local! {
        /// Whether the model that runs on this thread is about heavy fences.
        pub(crate) static LIGHT_FENCES: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn prepare() -> Abilities {
        Abilities { heavy_fences: true, sections: crate::sync::rseq::prepare() }
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
    use super::Abilities;
    use crate::sync::rseq;
    use crate::sync::{AtomicU32, Ordering, compiler_fence, fence};
    use std::io;

    const UNKNOWN: u32 = 0;
    const REGISTERED: u32 = 1;
    const MISSING: u32 = 2;

    static STATE: AtomicU32 = AtomicU32::new(UNKNOWN);

    /// What a channel that is made now may rely on. Registers the process, once.
    pub(crate) fn prepare() -> Abilities {
        if STATE.load(Ordering::Relaxed) == UNKNOWN {
            let registered = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
            let state = if registered.is_ok() { REGISTERED } else { MISSING };
            // The first answer stands for all.
            let _earlier =
                STATE.compare_exchange(UNKNOWN, state, Ordering::Relaxed, Ordering::Relaxed);
        }
        // The process may have forbidden itself the call since then.
        if STATE.load(Ordering::Relaxed) == REGISTERED && is_allowed() {
            Abilities { heavy_fences: true, sections: rseq::prepare() }
        } else {
            Abilities::NONE
        }
    }

    /// Whether the call can be made. Costs one call that does nothing.
    fn is_allowed() -> bool {
        membarrier(libc::MEMBARRIER_CMD_QUERY).is_ok()
    }

    #[inline]
    pub(crate) fn light() {
        // ORD(light) pairs with ORD(heavy), which makes a full fence of it.
        compiler_fence(Ordering::SeqCst);
    }

    /// For channels that rely on it, which have the ability.
    #[cold]
    pub(crate) fn heavy() {
        // ORD(heavy) SeqCst, pairs with ORD(light). The fences are for this thread's own accesses.
        fence(Ordering::SeqCst);
        must(membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED));
        fence(Ordering::SeqCst);
    }

    /// Registers the process for [`interrupt_sections`]. Tells whether that is possible.
    #[allow(dead_code, reason = "not every target has sections")]
    pub(crate) fn register_sections() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ).is_ok()
    }

    /// Interrupts the sections of all threads, each of which passes a full fence.
    #[allow(dead_code, reason = "not every target has sections")]
    #[cold]
    pub(crate) fn interrupt_sections() {
        // ORD(interrupt) SeqCst, pairs with the full fence that each thread passes during the call.
        fence(Ordering::SeqCst);
        must(membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ));
        fence(Ordering::SeqCst);
    }

    /// Ends the process if the system takes back what it had granted, as a filter of system calls
    /// might. Writers and sleepers rely on it, in states that no thread could end without it.
    fn must(result: io::Result<()>) {
        if let Err(error) = result {
            eprintln!(
                "overfall: the system call membarrier, on which a channel of this process relies, \
                 failed: {error}. A filter of system calls has to allow it; or make the channels that \
                 live on behind the filter with `Channel::builder().membarrier(false)`; or build with \
                 `--cfg overfall_portable`."
            );
            std::process::abort();
        }
    }

    #[allow(unsafe_code)]
    fn membarrier(command: libc::c_int) -> io::Result<()> {
        // SAFETY: the call takes two integers besides the command, and touches no memory of ours.
        match unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

#[cfg(not(any(overfall_loom, all(target_os = "linux", not(any(overfall_portable, miri))))))]
mod imp {
    use super::Abilities;

    pub(crate) fn prepare() -> Abilities {
        Abilities::NONE
    }

    /// Does nothing: no channel is in a state in which it would have to order anything.
    #[inline]
    pub(crate) fn light() {}

    #[inline]
    pub(crate) fn heavy() {}
}

#[cfg(overfall_loom)]
pub(crate) use imp::LIGHT_FENCES;
pub(crate) use imp::{heavy, light, prepare};
#[cfg(all(target_os = "linux", not(any(overfall_loom, overfall_portable, miri))))]
#[allow(unused_imports, reason = "not every target has sections")]
pub(crate) use imp::{interrupt_sections, register_sections};
