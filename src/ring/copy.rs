//! Copying into and out of memory that others may be reading or writing.
//!
//! A weak reader may copy bytes that a writer is overwriting; it throws them away afterwards, but
//! with plain accesses the copy itself would be a data race, and a race is undefined whatever
//! becomes of the bytes. So every access that may race is atomic, and relaxed: the order comes
//! from the fences around the copy, which `ring.rs` explains.
//!
//! There are two forms. `words` is portable: it works on whole, aligned `AtomicU64`, the same
//! words on both sides, so that no two accesses to a byte differ in size. On x86_64 `assembly`
//! takes its place: what it does is what a loop of relaxed loads and stores of single bytes would
//! do, which gives it a meaning in the abstract machine, but it moves 16 of them at a time. It
//! earns its lines by the time of a copy from a few hundred bytes on (`cargo bench --bench copy`,
//! with and without the cfg below). `--cfg overfall_portable` keeps to `words` everywhere, for
//! Miri, sanitizers, and whoever prefers it.
#![allow(unsafe_code)]

#[cfg(all(target_arch = "x86_64", not(overfall_portable), not(miri)))]
pub(super) use assembly::{load, store};
#[cfg(not(all(target_arch = "x86_64", not(overfall_portable), not(miri))))]
pub(super) use words::{load, store};

#[cfg(any(test, not(target_arch = "x86_64"), overfall_portable, miri))]
mod words {
    use crate::sync::{AtomicU64, Ordering};

    const WORD: usize = size_of::<u64>();

    /// Copies `from` to `to`, which others may be reading. The word that holds the last byte is
    /// padded with zeros, and one that holds bytes before the first one keeps these.
    ///
    /// # Safety
    ///
    /// The words that hold `to..to + from.len()` are valid for reads and writes, are written by
    /// nobody else, and are read by others only through [`load`].
    #[inline]
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

    /// Copies from memory that others may be writing. What comes out may be torn.
    ///
    /// # Safety
    ///
    /// The words that hold `from..from + to.len()` are valid for reads, and are written by others
    /// only through [`store`].
    #[inline]
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
    use core::arch::asm;

    /// From this length on the processor's own string move is faster than a loop.
    const STRING_MOVE: usize = 2048;

    /// Copies `from` to `to`, which others may be reading.
    ///
    /// # Safety
    ///
    /// `to..to + from.len()` is valid for writes, is written by nobody else, and is read by others
    /// only through [`load`].
    #[inline]
    pub(in super::super) unsafe fn store(to: *mut u8, from: &[u8]) {
        // SAFETY: passed on.
        unsafe { copy(to, from.as_ptr(), from.len()) }
    }

    /// Copies from memory that others may be writing. What comes out may be torn.
    ///
    /// # Safety
    ///
    /// `from..from + to.len()` is valid for reads, and is written by others only through [`store`].
    #[inline]
    pub(in super::super) unsafe fn load(from: *const u8, to: &mut [u8]) {
        // SAFETY: passed on.
        unsafe { copy(to.as_mut_ptr(), from, to.len()) }
    }

    /// Loads `$width` bytes at an offset into a register and stores them at the same offset.
    macro_rules! move_at {
        ($class:ident, $instruction:literal, $modifier:literal, $to:expr, $from:expr, $offset:expr) => {
            asm!(
                concat!($instruction, " {through", $modifier, "}, [{from}]"),
                concat!($instruction, " [{to}], {through", $modifier, "}"),
                from = in(reg) $from.wrapping_add($offset),
                to = in(reg) $to.wrapping_add($offset),
                through = out($class) _,
                options(nostack, preserves_flags),
            )
        };
    }

    /// # Safety
    ///
    /// `from` is valid for reads of `length` bytes and `to` for writes; they do not overlap; where
    /// others may access either, they do so through this function.
    #[inline]
    unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
        if length >= STRING_MOVE {
            // SAFETY: the contract covers each byte that the instruction moves. The direction flag
            // is clear, as at every entry of an asm block.
            unsafe {
                asm!(
                    "rep movsb",
                    inout("rcx") length => _,
                    inout("rdi") to => _,
                    inout("rsi") from => _,
                    options(nostack, preserves_flags),
                );
            }
            return;
        }
        // SAFETY: each move stays within `length`: a branch that moves w bytes at a time is only
        // taken with at least w of them, and its last move ends at `length`, over bytes that
        // may have been moved before, to the same values.
        unsafe {
            if length >= 16 {
                let last = length - 16;
                let mut offset = 0;
                while offset + 64 <= length {
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
                    offset += 64;
                }
                while offset < last {
                    move_at!(xmm_reg, "movdqu", "", to, from, offset);
                    offset += 16;
                }
                if offset < length {
                    move_at!(xmm_reg, "movdqu", "", to, from, last);
                }
            } else if length >= 8 {
                move_at!(reg, "mov", ":r", to, from, 0);
                move_at!(reg, "mov", ":r", to, from, length - 8);
            } else if length >= 4 {
                move_at!(reg, "mov", ":e", to, from, 0);
                move_at!(reg, "mov", ":e", to, from, length - 4);
            } else if length >= 2 {
                move_at!(reg, "mov", ":x", to, from, 0);
                move_at!(reg, "mov", ":x", to, from, length - 2);
            } else if length == 1 {
                move_at!(reg_byte, "mov", "", to, from, 0);
            }
        }
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    type Store = unsafe fn(*mut u8, &[u8]);
    type Load = unsafe fn(*const u8, &mut [u8]);

    fn forms() -> Vec<(&'static str, Store, Load)> {
        vec![
            ("words", words::store as Store, words::load as Load),
            #[cfg(all(target_arch = "x86_64", not(overfall_portable), not(miri)))]
            ("assembly", assembly::store, assembly::load),
        ]
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
        let from: Vec<u8> = (0..length + 5).map(|i| (i * 31 + length + 1) as u8).collect();
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
                for length in 0..=300 {
                    check::<512>(form, alignment, length);
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
