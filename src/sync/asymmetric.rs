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
//! The process has to be registered for the call, and once it has a second thread, that takes the kernel
//! milliseconds. So nobody waits for it but [`prepare`]. The first channel has it done off to the side
//! ([`begin`]). Until it is done, and where there is no such call, every channel stays with plain fences
//! and exchanges: the same code, in the state in which each channel starts. Whether there are heavy
//! fences is asked at the few places where a channel leaves that state ([`has_heavy_fences`],
//! [`has_sections`]).
//!
//! A process may forbid itself the call later, by a filter of system calls. A channel that is made
//! after that does without it. A channel that was made before may be in a state that rests on the
//! call, and no thread can end that state without it: then the process ends, and says what to do. A
//! channel that was told not to rely on the call from the start lives through it.

/// Gets ready what channels do without until it is there, and returns when it is.
///
/// On Linux, a short write costs less, and nobody issues a fence for threads that might sleep, once the
/// process is registered for the system call `membarrier`. In a process of one thread that takes some
/// microseconds. With a second thread, even one that sleeps, the kernel takes milliseconds, 5 to 20 on most
/// systems. Without this call, the first channel of the process starts a thread that registers it and
/// ends. Until that is done channels use locked instructions and full fences, and so they do for good if
/// no thread can be started.
///
/// Call it first thing in `main` if the program
///
/// - is measured from its start on, as a benchmark is;
/// - has to stay without a second thread, to call `unshare` or `setns` for instance;
/// - forks: a child that is forked before the process is registered stays without, until it calls this
///   itself. One that is forked later has what its parent had;
/// - forbids itself system calls by a filter, and has channels which are to be fast behind it. See
///   [`Builder::membarrier`](crate::Builder::membarrier).
///
/// It may be called several times, by any thread, and does nothing after the first. On systems other
/// than Linux, or if the system refuses `membarrier`, it does nothing.
///
/// ```
/// // First thing in `main`.
/// overfall::prepare();
/// ```
pub fn prepare() {
    imp::register();
}

/// What a channel may come to rely on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Abilities {
    /// Heavy fences.
    pub(crate) heavy_fences: bool,
    /// Sections that can be interrupted (`sync/rseq.rs`).
    pub(crate) sections: bool,
}

impl Abilities {
    pub(crate) const ALL: Self = Self { heavy_fences: true, sections: true };
    pub(crate) const NONE: Self = Self { heavy_fences: false, sections: false };
}

/// How many plain fences or exchanges in a row must have been for nothing before a thread changes
/// to the state that rests on heavy fences. So many cost about as much as the way back. On an AMD EPYC with two
/// cores, in a virtual machine, that is half a microsecond in a process of which nothing else runs, and 12 to 16
/// beside another thread that does; an exchange of the cursor costs about 7 ns more than a step of its owner.
///
/// Where assertions are on the number is small, so that tests go there and back all
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
    use crate::sync::{Ordering, fence};
    use std::cell::Cell;

    thread_local! {
        /// Whether the model that runs on this thread is about heavy fences.
        pub(crate) static LIGHT_FENCES: Cell<bool> = const { Cell::new(false) };
        /// How many heavy fences the threads of a model have issued: they all run on this one.
        pub(crate) static HEAVY_FENCES: Cell<u32> = const { Cell::new(0) };
    }

    pub(crate) fn begin() -> super::Abilities {
        super::Abilities::ALL
    }

    pub(crate) fn register() {}

    pub(crate) fn has_heavy_fences() -> bool {
        true
    }

    pub(crate) fn has_sections() -> bool {
        true
    }

    pub(crate) fn light() {
        if LIGHT_FENCES.get() {
            // ORD(light) SeqCst, pairs with ORD(heavy).
            fence(Ordering::SeqCst);
        }
    }

    pub(crate) fn heavy() {
        HEAVY_FENCES.set(HEAVY_FENCES.get() + 1);
        // ORD(heavy) SeqCst, pairs with ORD(light).
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(target_os = "linux", not(any(overfall_loom, overfall_portable, miri))))]
mod imp {
    use super::Abilities;
    use crate::sync::rseq;
    use crate::sync::{AtomicU32, Ordering, compiler_fence, fence};
    use std::{io, thread};

    const UNKNOWN: u32 = 0;
    /// A thread registers the process.
    const BEGUN: u32 = 1;
    const REGISTERED: u32 = 2;
    const MISSING: u32 = 3;

    /// Relaxed everywhere: each thread of the process has passed a full fence when the kernel is done
    /// with the registration.
    static STATE: AtomicU32 = AtomicU32::new(UNKNOWN);

    /// What a channel that is made now may come to rely on. If nobody has seen to it that the process is
    /// registered, starts a thread that does.
    pub(crate) fn begin() -> Abilities {
        // The process may have forbidden itself the call.
        if !is_allowed() {
            return Abilities::NONE;
        }
        let order = Ordering::Relaxed;
        if STATE.load(order) == UNKNOWN
            && STATE.compare_exchange(UNKNOWN, BEGUN, order, order).is_ok()
        {
            let thread = thread::Builder::new().name("overfall-prepare".into());
            // If there can be no thread, nobody gets heavy fences but by `prepare`, and nobody needs them.
            let _started = thread.spawn(register);
        }
        Abilities::ALL
    }

    /// Registers the process, unless that was done, or refused, before.
    pub(crate) fn register() {
        let before = STATE.load(Ordering::Relaxed);
        if before == UNKNOWN || before == BEGUN {
            let registered = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED).is_ok();
            if registered {
                rseq::prepare();
            }
            let state = if registered { REGISTERED } else { MISSING };
            // If another thread was at it, too, the first answer stands.
            let _first = STATE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
                (before == UNKNOWN || before == BEGUN).then_some(state)
            });
        }
    }

    /// Whether there are heavy fences. Once there are, there always will be.
    #[inline]
    pub(crate) fn has_heavy_fences() -> bool {
        STATE.load(Ordering::Relaxed) == REGISTERED
    }

    /// Whether there are sections that can be interrupted. Once there are, there always will be.
    #[inline]
    pub(crate) fn has_sections() -> bool {
        has_heavy_fences() && rseq::is_ready()
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
    pub(crate) fn begin() -> super::Abilities {
        super::Abilities::ALL
    }

    pub(crate) fn register() {}

    #[inline]
    pub(crate) fn has_heavy_fences() -> bool {
        false
    }

    #[inline]
    pub(crate) fn has_sections() -> bool {
        false
    }

    /// Does nothing: no channel is in a state in which it would have to order anything.
    #[inline]
    pub(crate) fn light() {}

    #[inline]
    pub(crate) fn heavy() {}
}

#[cfg(overfall_loom)]
pub(crate) use imp::{HEAVY_FENCES, LIGHT_FENCES};
pub(crate) use imp::{begin, has_heavy_fences, has_sections, heavy, light};
#[cfg(all(target_os = "linux", not(any(overfall_loom, overfall_portable, miri))))]
#[allow(unused_imports, reason = "not every target has sections")]
pub(crate) use imp::{interrupt_sections, register_sections};

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_first_channel_has_the_process_registered_off_to_the_side() {
        let allowed = begin();
        let started = Instant::now();
        let mut found = (has_heavy_fences(), has_sections());
        // Other tests may have been first, and the system may refuse it.
        while !found.0 && started.elapsed() < Duration::from_secs(2) {
            std::thread::yield_now();
            found = (has_heavy_fences(), has_sections());
        }
        prepare();
        assert_eq!((has_heavy_fences(), has_sections()), found);
        assert!(allowed == Abilities::ALL || !found.0);
        assert_eq!(begin(), allowed, "as before");
    }
}
