//! A section that copies, and stores what it has copied back to where it came from.

use crate::sync::AtomicU64;
use std::arch::asm;

/// Copies `length` bytes, less what makes no whole 128, for as long as `guard` is as expected, and tells
/// how many were copied and stored back. After the call of [`interrupt`](super::Sections::interrupt) it
/// copies and stores no more.
///
/// It looks at `guard` once, in its first instruction. A section that has looked before the interruption
/// does not go on behind it: that is what the kernel does. All that an interrupted section leaves behind
/// is done, up to the offset that it had come to, or is done in part behind that offset, and then the
/// same bytes were stored there. So the caller goes on from the offset in any way that it likes.
///
/// # Safety
///
/// `area` is where the C library keeps each thread's area (`rseq.rs`), and the processor has AVX. `from`
/// is valid for reads and writes of `length` bytes, and `to` for writes; they are the same, or do not
/// overlap. While `guard` is as expected, and until an interruption behind that, no other thread accesses
/// the bytes at `from` but as one that copies bytes which may be written (`ring/copy.rs`).
#[inline(never)]
pub(super) unsafe fn copy(
    area: isize,
    guard: (&AtomicU64, u64),
    from: *mut u8,
    to: *mut u8,
    length: usize,
) -> usize {
    let done: usize;
    let (guard, expected) = guard;
    // SAFETY: the area and its words are as in `compare_and_store`. The section begins right behind the
    // store that announces it; it calls nothing, and its moves stay within `length`: 128 bytes from `done`
    // on, if these are inside. The abort handler stands behind the signature. It finds all registers as
    // the section left them, and `done` is raised behind the moves.
    unsafe {
        asm!(
            description!(),
            "xor {done:e}, {done:e}",
            "cmp dword ptr fs:[{area} + 4], 0",
            "jl 66f",
            "lea {next}, [rip + 33b]",
            "mov qword ptr fs:[{area} + 8], {next}",
            "22:",
            "cmp qword ptr [{guard}], {expected}",
            "jne 44f",
            "77:",
            "lea {next}, [{done} + 128]",
            "cmp {next}, {length}",
            "ja 44f",
            "vmovdqu ymm0, [{from} + {done}]",
            "vmovdqu ymm1, [{from} + {done} + 32]",
            "vmovdqu ymm2, [{from} + {done} + 64]",
            "vmovdqu ymm3, [{from} + {done} + 96]",
            "vmovdqu [{to} + {done}], ymm0",
            "vmovdqu [{to} + {done} + 32], ymm1",
            "vmovdqu [{to} + {done} + 64], ymm2",
            "vmovdqu [{to} + {done} + 96], ymm3",
            "vmovdqu [{from} + {done}], ymm0",
            "vmovdqu [{from} + {done} + 32], ymm1",
            "vmovdqu [{from} + {done} + 64], ymm2",
            "vmovdqu [{from} + {done} + 96], ymm3",
            "mov {done}, {next}",
            "jmp 77b",
            "44:",
            "mov qword ptr fs:[{area} + 8], 0",
            ".pushsection __rseq_failure, \"ax\"",
            signature!(),
            "55:",
            "jmp 66f",
            ".popsection",
            "66:",
            "vzeroupper",
            area = in(reg) area,
            guard = in(reg) guard.as_ptr(),
            expected = in(reg) expected,
            from = in(reg) from,
            to = in(reg) to,
            length = in(reg) length,
            done = out(reg) done,
            next = out(reg) _,
            // `vzeroupper` changes all vector registers.
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack),
        );
    }
    done
}
