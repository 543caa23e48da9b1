//! Copying into and out of memory that other threads may be reading or writing.
//!
//! A weak reader may copy bytes that a writer is overwriting, and throws them away afterwards. With
//! plain accesses the copy itself would be a data race, and a race is undefined behaviour even if
//! the bytes are thrown away. So every access that may race is atomic, and Relaxed: the order comes
//! from the fences around the copy, which `ring.rs` explains.
//!
//! There are two forms. `words` is portable: it works on whole, aligned `AtomicU64`, the same words
//! on both sides, so that no two accesses to a byte differ in size. On x86_64 `assembly` takes its
//! place. It does what a loop of Relaxed loads and stores of single bytes would do, which gives it
//! a meaning in the abstract machine, but it moves 16 or 32 bytes at a time, or a string. It is worth its lines
//! because copies of a few hundred bytes and more are faster (`cargo bench --bench copy`, with and
//! without the cfg below). `--cfg overfall_portable` keeps to `words` everywhere, for Miri, for
//! sanitizers, and for users that prefer it.
//!
//! A third writer is the kernel, in `kernel`, where a slice is filled from a descriptor.
#![allow(unsafe_code)]

#[cfg(unix)]
mod kernel;

#[cfg(unix)]
pub(super) use kernel::read;

#[cfg(all(target_arch = "x86_64", not(overfall_portable), not(miri)))]
pub(super) use assembly::{load, load_long, prefetch_for_writing, store, store_long};
#[cfg(not(all(target_arch = "x86_64", not(overfall_portable), not(miri))))]
pub(super) use words::{load, load as load_long, prefetch_for_writing, store, store as store_long};

#[cfg(any(test, not(target_arch = "x86_64"), overfall_portable, miri))]
mod words {
    use crate::sync::{AtomicU64, Ordering};

    const WORD: usize = size_of::<u64>();

    /// Nothing, here.
    #[cfg(not(all(target_arch = "x86_64", not(overfall_portable), not(miri))))]
    #[inline(always)]
    pub(in super::super) fn prefetch_for_writing<const BEHIND: usize>(_address: *const u8) {}

    /// Copies `from` to `to`, which other threads may be reading. The word that holds the last byte
    /// is padded with zeros. If the word that holds the first byte has bytes before it, it keeps
    /// these.
    ///
    /// # Safety
    ///
    /// The words that hold `to..to + from.len()` are valid for reads and writes, are written by no
    /// other thread, and are read by other threads only through [`load`].
    #[inline(always)]
    pub(in super::super) unsafe fn store(to: *mut u8, mut from: &[u8]) {
        let before = to.addr() % WORD;
        let mut word = to.wrapping_sub(before).cast::<u64>();
        let put = |word: *mut u64, bytes: &[u8], offset: usize| {
            // SAFETY: `word` is aligned and, by the contract, valid; every racing access to it
            // is an atomic one of this size.
            let atomic = unsafe { AtomicU64::from_ptr(word) };
            let mut whole = [0; WORD];
            if offset > 0 {
                whole[..offset]
                    .copy_from_slice(&atomic.load(Ordering::Relaxed).to_ne_bytes()[..offset]);
            }
            whole[offset..offset + bytes.len()].copy_from_slice(bytes);
            atomic.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        };
        if before > 0 {
            let (first, rest) = from.split_at(from.len().min(WORD - before));
            put(word, first, before);
            word = word.wrapping_add(1);
            from = rest;
        }
        let mut whole = from.chunks_exact(WORD);
        for chunk in &mut whole {
            let Ok(bytes) = <[u8; WORD]>::try_from(chunk) else { break };
            // SAFETY: as above.
            unsafe { AtomicU64::from_ptr(word) }
                .store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
            word = word.wrapping_add(1);
        }
        if !whole.remainder().is_empty() {
            put(word, whole.remainder(), 0);
        }
    }

    /// Copies from memory that other threads may be writing. What comes out may be torn.
    ///
    /// # Safety
    ///
    /// The words that hold `from..from + to.len()` are valid for reads, and are written by other
    /// threads only through [`store`].
    #[inline(always)]
    pub(in super::super) unsafe fn load(from: *const u8, mut to: &mut [u8]) {
        let before = from.addr() % WORD;
        let mut word = from.wrapping_sub(before).cast::<u64>().cast_mut();
        let get = |word: *mut u64, bytes: &mut [u8], offset: usize| {
            // SAFETY: as in `store`; an atomic load does not write.
            let atomic = unsafe { AtomicU64::from_ptr(word) };
            let whole = atomic.load(Ordering::Relaxed).to_ne_bytes();
            bytes.copy_from_slice(&whole[offset..offset + bytes.len()]);
        };
        if before > 0 {
            let (first, rest) = to.split_at_mut(to.len().min(WORD - before));
            get(word, first, before);
            word = word.wrapping_add(1);
            to = rest;
        }
        let mut whole = to.chunks_exact_mut(WORD);
        for chunk in &mut whole {
            // SAFETY: as above.
            let value = unsafe { AtomicU64::from_ptr(word) }.load(Ordering::Relaxed);
            chunk.copy_from_slice(&value.to_ne_bytes());
            word = word.wrapping_add(1);
        }
        let rest = whole.into_remainder();
        if !rest.is_empty() {
            get(word, rest, 0);
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(overfall_portable), not(miri)))]
mod assembly {
    use crate::sync::processor;
    use crate::sync::{AtomicU64, Ordering};
    use core::arch::asm;

    /// From this length on the processors that are fast at it move a string.
    const STRING: usize = 2048;
    /// Up to this length a copy is inlined into the caller: it is a few moves.
    const SHORT: usize = 64;
    /// Up to this length a copy is one with AVX, whoever asks; 0 before the first long copy, or if there is none.
    static WITH_AVX: AtomicU64 = AtomicU64::new(0);

    /// Says that this thread will soon write so many bytes behind an address. It is only a hint: there may be
    /// anything, or nothing.
    #[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read or written")]
    #[inline(always)]
    pub(in super::super) fn prefetch_for_writing<const BEHIND: usize>(address: *const u8) {
        // SAFETY: it changes nothing that a program can see, and never faults. A processor that does not know
        // the instruction does nothing.
        unsafe {
            asm!(
                "prefetchw [{} + {}]",
                in(reg) address,
                const BEHIND,
                options(nomem, nostack, preserves_flags),
            );
        }
    }

    /// Copies `from` to `to`, which other threads may be reading.
    ///
    /// # Safety
    ///
    /// `to..to + from.len()` is valid for writes, is written by no other thread, and is read by
    /// other threads only through [`load`].
    #[inline(always)]
    pub(in super::super) unsafe fn store(to: *mut u8, from: &[u8]) {
        // SAFETY: passed on.
        unsafe { copy(to, from.as_ptr(), from.len()) }
    }

    /// Copies from memory that other threads may be writing. What comes out may be torn.
    ///
    /// # Safety
    ///
    /// `from..from + to.len()` is valid for reads, and is written by other threads only through
    /// [`store`], or by a section that stores back (`sync/rseq/imp/store_back.rs`).
    #[inline(always)]
    pub(in super::super) unsafe fn load(from: *const u8, to: &mut [u8]) {
        // SAFETY: passed on.
        unsafe { copy(to.as_mut_ptr(), from, to.len()) }
    }

    /// As [`store`], in the caller's code, where a call would be felt.
    ///
    /// # Safety
    ///
    /// As for [`store`], and `from` has more than 64 bytes.
    #[inline(always)]
    pub(in super::super) unsafe fn store_long(to: *mut u8, from: &[u8]) {
        debug_assert!(from.len() > SHORT);
        // SAFETY: passed on.
        unsafe { copy_here(to, from.as_ptr(), from.len()) }
    }

    /// As [`load`], in the caller's code, where a call would be felt.
    ///
    /// # Safety
    ///
    /// As for [`load`], and `to` has more than 64 bytes.
    #[inline(always)]
    pub(in super::super) unsafe fn load_long(from: *const u8, to: &mut [u8]) {
        debug_assert!(to.len() > SHORT);
        // SAFETY: passed on.
        unsafe { copy_here(to.as_mut_ptr(), from, to.len()) }
    }

    /// Moves the first `$width` bytes and the last `$width` bytes, which may overlap: loads all
    /// into registers, and then stores them.
    macro_rules! move_ends {
        ($to:ident, $from:ident, $length:ident, $class:ident, $modifier:literal, $instruction:literal, $width:literal) => {
            asm!(
                concat!($instruction, " {first", $modifier, "}, [{from}]"),
                concat!($instruction, " {last", $modifier, "}, [{from} + {length} - ", $width, "]"),
                concat!($instruction, " [{to}], {first", $modifier, "}"),
                concat!($instruction, " [{to} + {length} - ", $width, "], {last", $modifier, "}"),
                from = in(reg) $from,
                to = in(reg) $to,
                length = in(reg) $length,
                first = out($class) _,
                last = out($class) _,
                options(nostack, preserves_flags),
            )
        };
    }

    /// # Safety
    ///
    /// `from` is valid for reads of `length` bytes and `to` for writes; they do not overlap; where
    /// other threads may access either, they do so through this function.
    #[inline(always)]
    unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
        // SAFETY: passed on; and each move stays within `length`: a branch that moves w bytes at a
        // time is only taken with at least w of them. Moves that end at `length` go over bytes that
        // may have been moved before.
        unsafe {
            if length > SHORT {
                copy_long(to, from, length);
            } else if length > 32 {
                asm!(
                    "movdqu {a}, [{from}]",
                    "movdqu {b}, [{from} + 16]",
                    "movdqu {c}, [{from} + {length} - 32]",
                    "movdqu {d}, [{from} + {length} - 16]",
                    "movdqu [{to}], {a}",
                    "movdqu [{to} + 16], {b}",
                    "movdqu [{to} + {length} - 32], {c}",
                    "movdqu [{to} + {length} - 16], {d}",
                    from = in(reg) from,
                    to = in(reg) to,
                    length = in(reg) length,
                    a = out(xmm_reg) _,
                    b = out(xmm_reg) _,
                    c = out(xmm_reg) _,
                    d = out(xmm_reg) _,
                    options(nostack, preserves_flags),
                );
            } else if length >= 16 {
                move_ends!(to, from, length, xmm_reg, "", "movdqu", "16");
            } else if length >= 8 {
                move_ends!(to, from, length, reg, ":r", "mov", "8");
            } else if length >= 4 {
                move_ends!(to, from, length, reg, ":e", "mov", "4");
            } else if length >= 2 {
                move_ends!(to, from, length, reg, ":x", "mov", "2");
            } else if length == 1 {
                move_ends!(to, from, length, reg_byte, "", "mov", "1");
            }
        }
    }

    /// # Safety
    ///
    /// As for [`copy`], and `length` is more than [`SHORT`].
    #[inline(never)]
    unsafe fn copy_long(to: *mut u8, from: *const u8, length: usize) {
        let has_avx = std::arch::is_x86_feature_detected!("avx");
        let moves_strings = processor::moves_strings_fast();
        if has_avx && WITH_AVX.load(Ordering::Relaxed) == 0 {
            let up_to = if moves_strings { STRING - 1 } else { usize::MAX };
            WITH_AVX.store(up_to as u64, Ordering::Relaxed);
        }
        // SAFETY: passed on; the processor has the instructions.
        unsafe {
            if length >= STRING && moves_strings {
                move_string(to, from, length);
            } else if has_avx {
                copy_with_avx(to, from, length);
            } else {
                copy_with_sse(to, from, length);
            }
        }
    }

    /// # Safety
    ///
    /// As for [`copy_long`].
    #[inline(always)]
    unsafe fn copy_here(to: *mut u8, from: *const u8, length: usize) {
        // SAFETY: passed on; with AVX only once it was found that the processor has it.
        unsafe {
            if length as u64 <= WITH_AVX.load(Ordering::Relaxed) {
                copy_with_avx(to, from, length);
            } else {
                copy_long(to, from, length);
            }
        }
    }

    /// A string move is one of single bytes, as far as anybody can tell. Other processors may see its stores in
    /// another order among themselves, but none behind the store of a stamp, which is no part of it.
    ///
    /// # Safety
    ///
    /// As for [`copy_long`].
    #[inline(always)]
    unsafe fn move_string(to: *mut u8, from: *const u8, length: usize) {
        // SAFETY: so many bytes are moved upwards: at a call, by the ABI, the direction flag is clear.
        unsafe {
            asm!(
                "rep movsb",
                inout("rcx") length => _,
                inout("rsi") from => _,
                inout("rdi") to => _,
                options(nostack, preserves_flags),
            );
        }
    }

    /// # Safety
    ///
    /// As for [`copy_long`].
    #[inline(never)]
    unsafe fn copy_with_sse(to: *mut u8, from: *const u8, length: usize) {
        let last = length - 64;
        let mut offset = 0;
        loop {
            // SAFETY: `offset` is at most `last`, and the 64 bytes from there are inside.
            unsafe {
                asm!(
                    "movdqu {a}, [{from}]",
                    "movdqu {b}, [{from} + 16]",
                    "movdqu {c}, [{from} + 32]",
                    "movdqu {d}, [{from} + 48]",
                    "movdqu [{to}], {a}",
                    "movdqu [{to} + 16], {b}",
                    "movdqu [{to} + 32], {c}",
                    "movdqu [{to} + 48], {d}",
                    from = in(reg) from.wrapping_add(offset),
                    to = in(reg) to.wrapping_add(offset),
                    a = out(xmm_reg) _,
                    b = out(xmm_reg) _,
                    c = out(xmm_reg) _,
                    d = out(xmm_reg) _,
                    options(nostack, preserves_flags),
                );
            }
            if offset == last {
                return;
            }
            // The last 64 bytes end at `length`, and some of them may be moved twice.
            offset = (offset + 64).min(last);
        }
    }

    /// The ways of a long copy that this processor has, each as a store and a load, whichever is the fastest.
    #[cfg(test)]
    pub(in super::super) fn ways() -> Vec<(&'static str, super::tests::Store, super::tests::Load)> {
        macro_rules! way {
            ($name:literal, $copy:ident) => {{
                unsafe fn store(to: *mut u8, from: &[u8]) {
                    let way = if from.len() > SHORT { $copy } else { copy };
                    // SAFETY: as in `super::store`.
                    unsafe { way(to, from.as_ptr(), from.len()) }
                }
                unsafe fn load(from: *const u8, to: &mut [u8]) {
                    let way = if to.len() > SHORT { $copy } else { copy };
                    // SAFETY: as in `super::load`.
                    unsafe { way(to.as_mut_ptr(), from, to.len()) }
                }
                ($name, store as super::tests::Store, load as super::tests::Load)
            }};
        }
        let mut ways = vec![way!("moves of 16", copy_with_sse), way!("a string", move_string)];
        if std::arch::is_x86_feature_detected!("avx") {
            ways.push(way!("moves of 32", copy_with_avx));
        }
        ways
    }

    /// # Safety
    ///
    /// As for [`copy_long`], and the processor has AVX.
    #[inline(always)]
    unsafe fn copy_with_avx(to: *mut u8, from: *const u8, length: usize) {
        // SAFETY: up to 128 bytes, the first 64 and the last 64, which lie inside because `length` is more than
        // 64. Up to 256, the first 128 and the last 128 in the same way. If there are more, the first 32 and the
        // last 128, and in between blocks of 128: each begins before the last 128, and so ends inside, and the
        // first one begins at most 32 bytes on. All may overlap: then bytes are moved twice.
        unsafe {
            asm!(
                "cmp rdx, 128",
                "ja 2f",
                "vmovdqu ymm0, [rsi]",
                "vmovdqu ymm1, [rsi + 32]",
                "vmovdqu ymm2, [rsi + rdx - 64]",
                "vmovdqu ymm3, [rsi + rdx - 32]",
                "vmovdqu [rdi], ymm0",
                "vmovdqu [rdi + 32], ymm1",
                "vmovdqu [rdi + rdx - 64], ymm2",
                "vmovdqu [rdi + rdx - 32], ymm3",
                "jmp 5f",
                "2:",
                "vmovdqu ymm0, [rsi]",
                // Where the last 128 go.
                "lea rcx, [rdi + rdx - 128]",
                "cmp rdx, 256",
                "ja 3f",
                "vmovdqu ymm1, [rsi + 32]",
                "vmovdqu ymm2, [rsi + 64]",
                "vmovdqu ymm3, [rsi + 96]",
                "vmovdqu ymm4, [rsi + rdx - 128]",
                "vmovdqu ymm5, [rsi + rdx - 96]",
                "vmovdqu ymm6, [rsi + rdx - 64]",
                "vmovdqu ymm7, [rsi + rdx - 32]",
                "vmovdqu [rdi], ymm0",
                "vmovdqu [rdi + 32], ymm1",
                "vmovdqu [rdi + 64], ymm2",
                "vmovdqu [rdi + 96], ymm3",
                "jmp 6f",
                "3:",
                "vmovdqu ymm4, [rsi + rdx - 128]",
                "vmovdqu ymm5, [rsi + rdx - 96]",
                "vmovdqu ymm6, [rsi + rdx - 64]",
                "vmovdqu ymm7, [rsi + rdx - 32]",
                "vmovdqu [rdi], ymm0",
                // Stores that lie across two cache lines are slow: the blocks go to multiples of 32.
                "sub rsi, rdi",
                "or rdi, 31",
                "inc rdi",
                "4:",
                "vmovdqu ymm0, [rdi + rsi]",
                "vmovdqu ymm1, [rdi + rsi + 32]",
                "vmovdqu ymm2, [rdi + rsi + 64]",
                "vmovdqu ymm3, [rdi + rsi + 96]",
                "vmovdqa [rdi], ymm0",
                "vmovdqa [rdi + 32], ymm1",
                "vmovdqa [rdi + 64], ymm2",
                "vmovdqa [rdi + 96], ymm3",
                "sub rdi, -128",
                "cmp rdi, rcx",
                "jb 4b",
                "6:",
                "vmovdqu [rcx], ymm4",
                "vmovdqu [rcx + 32], ymm5",
                "vmovdqu [rcx + 64], ymm6",
                "vmovdqu [rcx + 96], ymm7",
                "5:",
                "vzeroupper",
                inout("rsi") from => _,
                inout("rdi") to => _,
                in("rdx") length,
                out("rcx") _,
                // `vzeroupper` changes these. `clobber_abi` would take general registers from the caller as well.
                out("xmm0") _,
                out("xmm1") _,
                out("xmm2") _,
                out("xmm3") _,
                out("xmm4") _,
                out("xmm5") _,
                out("xmm6") _,
                out("xmm7") _,
                out("xmm8") _,
                out("xmm9") _,
                out("xmm10") _,
                out("xmm11") _,
                out("xmm12") _,
                out("xmm13") _,
                out("xmm14") _,
                out("xmm15") _,
                options(nostack),
            );
        }
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    pub(super) type Store = unsafe fn(*mut u8, &[u8]);
    pub(super) type Load = unsafe fn(*const u8, &mut [u8]);

    fn forms() -> Vec<(&'static str, Store, Load)> {
        #[allow(unused_mut, reason = "there may be words alone")]
        let mut forms = vec![("words", words::store as Store, words::load as Load)];
        #[cfg(all(target_arch = "x86_64", not(overfall_portable), not(miri)))]
        {
            forms.push(("assembly", assembly::store, assembly::load));
            forms.extend(assembly::ways());
        }
        forms
    }

    #[repr(align(64))]
    struct Memory<const SIZE: usize>([u8; SIZE]);

    fn check<const SIZE: usize>(
        (name, store, load): (&str, Store, Load),
        alignment: usize,
        length: usize,
    ) {
        let mut memory = Box::new(Memory([0xA5; SIZE]));
        // The caller's buffer has another alignment than the ring.
        let from: Vec<u8> =
            (0..length + 5).map(|i| ((i * 31 + length + 1) ^ (i >> 7)) as u8).collect();
        let from = &from[5 - alignment % 5..][..length];
        let base = memory.0.as_mut_ptr().wrapping_add(64 + alignment);
        let mut to = vec![0; length];
        // SAFETY: `memory` is larger than any length asked for here by more than the words around
        // it, and this thread alone uses it.
        unsafe {
            store(base, from);
            load(base, &mut to);
        }
        assert_eq!(to, from, "{name}: {length} bytes at {alignment}");
        let memory = &memory.0;
        assert_eq!(
            &memory[64 + alignment..64 + alignment + length],
            from,
            "{name}: the bytes lie in order"
        );
        assert!(memory[..64 + alignment].iter().all(|&b| b == 0xA5), "{name}: nothing before");
        let end = (64 + alignment + length).next_multiple_of(8);
        assert!(memory[end..].iter().all(|&b| b == 0xA5), "{name}: nothing past the last word");
    }

    #[test]
    fn every_short_length_at_every_alignment_comes_through() {
        for form in forms() {
            for alignment in 0..64 {
                for length in 0..=600 {
                    check::<768>(form, alignment, length);
                }
            }
        }
    }

    #[test]
    fn long_copies_come_through() {
        for form in forms() {
            for length in [1000, 2047, 2048, 2049, 4096, 5001, 32 * 1024] {
                for alignment in [0, 1, 7, 8, 63] {
                    check::<40_000>(form, alignment, length);
                }
            }
        }
    }

    #[test]
    fn a_slice_filled_piece_by_piece_is_whole() {
        for (name, store, load) in forms() {
            let mut memory = Box::new(Memory([0xA5; 512]));
            let base = memory.0.as_mut_ptr();
            let from: Vec<u8> = (0..255).collect();
            let mut offset = 0;
            for piece in (1..).take_while(|piece| piece * (piece + 1) / 2 <= 255) {
                // SAFETY: within `memory`, which this thread alone uses.
                unsafe { store(base.wrapping_add(offset), &from[offset..offset + piece]) };
                offset += piece;
            }
            let mut to = vec![0; offset];
            // SAFETY: as above.
            unsafe { load(base, &mut to) };
            assert_eq!(to, from[..offset], "{name}");
        }
    }
}
