//! A compare and a store in one step, for one thread, without a locked instruction.
//!
//! [`Sections::compare_and_store`] looks whether `guard` is as expected and then stores into
//! `word`. Another thread B that has changed `guard` calls [`Sections::interrupt`]. After that call
//!
//! - each section that had found `guard` unchanged has made its store, which B sees;
//! - no other section will find it unchanged any more.
//!
//! B waits for no other thread, not even for A, which may be stopped in its section for an hour.
//!
//! [`Sections::store_back`] makes many stores behind the same look, and may be left between any two of
//! them. After the call none of them is made any more.
//!
//! On Linux this is a *restartable sequence*, rseq(2). A tells the kernel where its section begins
//! and ends, by the address of a description in a word that the C library has registered for each
//! thread. If the kernel takes the processor from A within the section, or gives it a signal, A
//! does not go on there but at the abort handler. `membarrier` with `PRIVATE_EXPEDITED_RSEQ` does
//! the same to all threads that are running at the time of the call, and each of them passes a full
//! fence. So at some moment during the call no thread is between its compare and its store.
//!
//! The section ends with the store. After that A clears the word with the address: the description
//! would be gone if a library that has this code in it were unloaded. The kernel checks that the
//! four bytes before the abort handler are the signature that the C library has registered; they
//! differ between architectures. At run time [`prepare`] looks for what is needed: glibc 2.35 or
//! later that has not been told otherwise (`glibc.pthread.rseq`), and a kernel with rseq and the
//! two commands of `membarrier` (5.10). Elsewhere it says no: other C libraries, valgrind,
//! qemu-user.

/// Describes a section to the kernel: where it begins and ends, and where a thread goes that is taken out of it.
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    all(target_pointer_width = "64", target_endian = "little"),
    not(any(overfall_loom, overfall_portable, overfall_counted, miri)),
))]
macro_rules! description {
    () => {
        concat!(
            ".pushsection __rseq_cs, \"aw\"\n",
            ".balign 32\n",
            "33:\n",
            ".long 0, 0\n",
            ".quad 22f, (44f - 22f), 55f\n",
            ".popsection",
        )
    };
}

/// How a section went.
#[allow(dead_code, reason = "not every target has sections")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Stored,
    /// `guard` was not as expected.
    Refused,
    /// Nothing was stored: the kernel stepped in, or this thread cannot have sections. The section
    /// can be tried again, a few times.
    Interrupted,
}

#[cfg(overfall_loom)]
mod imp {
    use super::Step;
    use crate::sync::{AtomicU64, Mutex, Ordering, fence, lock};

    /// In the models a section is a load and a store under a lock, and a thread that interrupts
    /// takes the lock, too. One atomic step would miss a store that overwrites what was written
    /// between the load and the store.
    #[derive(Debug)]
    pub(crate) struct Sections(Mutex<()>);

    impl Sections {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(()))
        }

        pub(crate) fn compare_and_store(
            &self,
            guard: &AtomicU64,
            expected: u64,
            word: &AtomicU64,
            new: u64,
        ) -> Step {
            let _section = lock(&self.0);
            if guard.load(Ordering::Relaxed) != expected {
                return Step::Refused;
            }
            // ORD(cursor:A) Release, as of the exchange that it stands in for (`ring/cursor.rs`).
            word.store(new, Ordering::Release);
            Step::Stored
        }

        /// Stores, if `guard` is as expected, and tells whether it is.
        pub(crate) fn store_back(
            &self,
            guard: &AtomicU64,
            expected: u64,
            store: impl FnOnce(),
        ) -> bool {
            let _section = lock(&self.0);
            let is_expected = guard.load(Ordering::Relaxed) == expected;
            if is_expected {
                store();
            }
            is_expected
        }

        pub(crate) fn interrupt(&self) {
            drop(lock(&self.0));
            // ORD(interrupt) SeqCst: as in the real `interrupt`.
            fence(Ordering::SeqCst);
        }
    }

    /// The models have no cores.
    pub(crate) fn core() -> Option<u32> {
        None
    }
}

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    all(target_pointer_width = "64", target_endian = "little"),
    not(any(overfall_loom, overfall_portable, overfall_counted, miri)),
))]
#[allow(unsafe_code)]
mod imp {
    use super::Step;
    use crate::sync::asymmetric;
    use crate::sync::{AtomicIsize, AtomicU64, Ordering};
    use std::arch::asm;
    use std::ffi::CStr;

    /// An instruction that is never executed, whose last four bytes are the signature of abort handlers.
    #[cfg(target_arch = "x86_64")]
    macro_rules! signature {
        () => {
            ".byte 0x0f, 0xb9, 0x3d, 0x53, 0x30, 0x05, 0x53"
        };
    }

    #[cfg(target_arch = "x86_64")]
    mod store_back;

    /// Where the thread's area is, from the thread pointer on. [`UNKNOWN`] and [`MISSING`] are no
    /// such places, because they are not aligned.
    static AREA: AtomicIsize = AtomicIsize::new(UNKNOWN);
    const UNKNOWN: isize = 1;
    const MISSING: isize = 3;

    /// Looks for what is needed, once in each process.
    pub(crate) fn prepare() {
        if AREA.load(Ordering::Relaxed) == UNKNOWN {
            let area = find().filter(|_| asymmetric::register_sections()).unwrap_or(MISSING);
            // The first answer stands for all.
            let _earlier =
                AREA.compare_exchange(UNKNOWN, area, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Whether it was found.
    #[inline]
    pub(crate) fn is_ready() -> bool {
        let area = AREA.load(Ordering::Relaxed);
        area != UNKNOWN && area != MISSING
    }

    /// The core that this thread is on, or was on a moment ago.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(crate) fn core() -> Option<u32> {
        let area = AREA.load(Ordering::Relaxed);
        if !is_ready() {
            return None;
        }
        let core: i32;
        // SAFETY: `prepare` has found where the C library keeps each thread's area, in which `cpu_id`
        // stands at 4; a negative one says that this thread is not registered.
        unsafe {
            asm!(
                "mov {core:e}, dword ptr fs:[{area} + 4]",
                area = in(reg) area,
                core = out(reg) core,
                options(nostack, preserves_flags, readonly),
            );
        }
        u32::try_from(core).ok()
    }

    /// Nobody asks where no section copies.
    #[cfg(target_arch = "aarch64")]
    pub(crate) fn core() -> Option<u32> {
        None
    }

    /// Where glibc has put the area, if it has registered it.
    fn find() -> Option<isize> {
        // The kernel has used 20 bytes from the start; the C library may say 32.
        // SAFETY: they are of these types (`sys/rseq.h`), and written before `main`.
        let (size, offset) =
            unsafe { (symbol::<u32>(c"__rseq_size")?, symbol::<isize>(c"__rseq_offset")?) };
        (size >= 20 && offset % 32 == 0).then_some(offset)
    }

    /// The value of a constant of the C library, if it has one of this name.
    ///
    /// # Safety
    ///
    /// If there is a symbol of this name, it is that of a T which no thread writes any more.
    unsafe fn symbol<T: Copy>(name: &CStr) -> Option<T> {
        // SAFETY: the name ends with a zero; the call has no other precondition.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        // SAFETY: by the contract it is that of a T.
        (!address.is_null()).then(|| unsafe { *address.cast::<T>() })
    }

    #[derive(Debug)]
    pub(crate) struct Sections;

    impl Sections {
        pub(crate) fn new() -> Self {
            Self
        }

        /// Only for callers to which [`is_ready`] has said yes.
        #[inline(always)]
        pub(crate) fn compare_and_store(
            &self,
            guard: &AtomicU64,
            expected: u64,
            word: &AtomicU64,
            new: u64,
        ) -> Step {
            let area = AREA.load(Ordering::Relaxed);
            debug_assert!(area % 32 == 0);
            let result: u64;
            // SAFETY: the caller has asked `is_ready`. So `prepare` has found where the C library keeps each
            // thread's area, in which
            // `cpu_id` stands at 4 and `rseq_cs` at 8 (`linux/rseq.h`); a negative `cpu_id` says
            // that this thread is not registered, and then nothing is touched. `rseq_cs` is the
            // thread's own. It is set to a description that lives as long as this code, and cleared
            // again. The section begins right behind the store that announces it and ends with its
            // only store; it calls nothing. The abort handler stands behind the signature. `guard`
            // and `word` are atomics that are borrowed, and accessed by whole aligned words.
            #[cfg(target_arch = "x86_64")]
            unsafe {
                asm!(
                    description!(),
                    "cmp dword ptr fs:[{area} + 4], 0",
                    // A thread without an area never gets anywhere.
                    "jl 55f",
                    "lea {scratch}, [rip + 33b]",
                    "mov qword ptr fs:[{area} + 8], {scratch}",
                    "22:",
                    "cmp qword ptr [{guard}], {expected}",
                    "jne 77f",
                    "mov qword ptr [{word}], {new}",
                    "44:",
                    "mov qword ptr fs:[{area} + 8], 0",
                    "xor {scratch:e}, {scratch:e}",
                    ".pushsection __rseq_failure, \"ax\"",
                    signature!(),
                    "55:",
                    "mov {scratch:e}, 2",
                    "jmp 88f",
                    "77:",
                    "mov qword ptr fs:[{area} + 8], 0",
                    "mov {scratch:e}, 1",
                    "jmp 88f",
                    ".popsection",
                    "88:",
                    area = in(reg) area,
                    guard = in(reg) guard.as_ptr(),
                    expected = in(reg) expected,
                    word = in(reg) word.as_ptr(),
                    new = in(reg) new,
                    scratch = out(reg) result,
                    options(nostack),
                );
            }
            // SAFETY: as above; here the kernel's signature is an instruction of its own.
            #[cfg(target_arch = "aarch64")]
            unsafe {
                asm!(
                    description!(),
                    "mrs {thread}, tpidr_el0",
                    "add {thread}, {thread}, {area}",
                    "ldr {result:w}, [{thread}, #4]",
                    "tbnz {result:w}, #31, 55f",
                    "adrp {result}, 33b",
                    "add {result}, {result}, :lo12:33b",
                    "str {result}, [{thread}, #8]",
                    "22:",
                    "ldr {result}, [{guard}]",
                    "cmp {result}, {expected}",
                    "b.ne 77f",
                    // ORD(cursor:A): a release; on x86_64 every store is one.
                    "stlr {new}, [{word}]",
                    "44:",
                    "str xzr, [{thread}, #8]",
                    "mov {result}, #0",
                    "b 88f",
                    ".inst 0xd428bc00",
                    "55:",
                    "mov {result}, #2",
                    "b 88f",
                    "77:",
                    "str xzr, [{thread}, #8]",
                    "mov {result}, #1",
                    "88:",
                    area = in(reg) area,
                    guard = in(reg) guard.as_ptr(),
                    expected = in(reg) expected,
                    word = in(reg) word.as_ptr(),
                    new = in(reg) new,
                    thread = out(reg) _,
                    result = out(reg) result,
                    options(nostack),
                );
            }
            match result {
                0 => Step::Stored,
                1 => Step::Refused,
                _ => Step::Interrupted,
            }
        }

        /// Copies bytes and stores them back, for as long as `guard` is as expected; tells how many.
        ///
        /// # Safety
        ///
        /// As for [`store_back::copy`], except for the area. Only for callers to
        /// which [`is_ready`] has said yes.
        #[cfg(target_arch = "x86_64")]
        pub(crate) unsafe fn store_back(
            &self,
            guard: &AtomicU64,
            expected: u64,
            (from, to): (*mut u8, *mut u8),
            length: usize,
        ) -> usize {
            let area = AREA.load(Ordering::Relaxed);
            debug_assert!(area % 32 == 0);
            // SAFETY: the area is known, as in `compare_and_store`; the rest is passed on.
            unsafe { store_back::copy(area, (guard, expected), from, to, length) }
        }

        /// There is no such section yet.
        ///
        /// # Safety
        ///
        /// None is needed here.
        #[cfg(target_arch = "aarch64")]
        pub(crate) unsafe fn store_back(
            &self,
            _guard: &AtomicU64,
            _expected: u64,
            _moves: (*mut u8, *mut u8),
            _length: usize,
        ) -> usize {
            0
        }

        #[cold]
        pub(crate) fn interrupt(&self) {
            asymmetric::interrupt_sections();
        }
    }
}

/// Without the kernel. Then there is no owner, and no thread has a section. The exception is
/// counting instructions where there is no rseq (ci/instructions): a plain compare and store stands
/// in for the section, which is right on a single thread only.
#[cfg(not(any(
    overfall_loom,
    all(
        target_os = "linux",
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        all(target_pointer_width = "64", target_endian = "little"),
        not(any(overfall_portable, overfall_counted, miri)),
    ),
)))]
mod imp {
    use super::Step;
    use crate::sync::{AtomicU64, Ordering};

    #[allow(dead_code, reason = "where there is no membarrier, nobody asks")]
    pub(crate) fn prepare() {}

    #[allow(dead_code, reason = "where there is no membarrier, nobody asks")]
    pub(crate) fn is_ready() -> bool {
        cfg!(overfall_counted)
    }

    #[derive(Debug)]
    pub(crate) struct Sections;

    impl Sections {
        pub(crate) fn new() -> Self {
            Self
        }

        #[inline(always)]
        pub(crate) fn compare_and_store(
            &self,
            guard: &AtomicU64,
            expected: u64,
            word: &AtomicU64,
            new: u64,
        ) -> Step {
            if guard.load(Ordering::Relaxed) != expected {
                return Step::Refused;
            }
            // ORD(cursor:A) Release, as of the exchange that it stands in for (`ring/cursor.rs`).
            word.store(new, Ordering::Release);
            Step::Stored
        }

        /// There is no such section.
        ///
        /// # Safety
        ///
        /// None is needed here.
        #[allow(unsafe_code)]
        pub(crate) unsafe fn store_back(
            &self,
            _guard: &AtomicU64,
            _expected: u64,
            _moves: (*mut u8, *mut u8),
            _length: usize,
        ) -> usize {
            0
        }

        pub(crate) fn interrupt(&self) {}
    }

    /// Nobody asks where no section copies.
    pub(crate) fn core() -> Option<u32> {
        None
    }
}

pub(crate) use imp::{Sections, core};
#[cfg(not(overfall_loom))]
#[allow(unused_imports, reason = "not every target has sections")]
pub(crate) use imp::{is_ready, prepare};
