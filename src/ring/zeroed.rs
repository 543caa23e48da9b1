//! Memory that is zero from the start, and costs nothing until it is written: what a ring is made of.
//!
//! Zeroes that somebody writes cost time and memory for the whole ring at once. Those of the system cost
//! nothing: it hands out pages that it fills when they are first written. On Linux anything but a small
//! ring is mapped, because an allocator that hands out a piece it had before, or a part of a larger one,
//! has to clear it. Elsewhere the allocator decides. It is asked for a small alignment, as for a larger
//! one std clears by hand on some systems.
#![allow(unsafe_code)]

use super::descriptor::Descriptor;
use std::cell::UnsafeCell;
use std::fmt;
use std::ptr::NonNull;

/// Slices start on cache lines; a pair of lines is what one core fetches at a time on x86_64.
const ALIGNMENT: usize = 128;

/// What every allocator gives without further ado.
const SMALL_ALIGNMENT: usize = 8;

/// What no more than bytes of zero are a value of, and what nothing has to be done for when it goes.
///
/// # Safety
///
/// It is so.
pub(super) unsafe trait Zero {}

// SAFETY: every byte is one, and it is no more than a byte.
unsafe impl Zero for UnsafeCell<u8> {}
// SAFETY: it is four words, each of which may be 0. It has no `Drop`.
unsafe impl Zero for Descriptor {}

/// Values of one kind side by side, and behind them values of another kind, all of them zero at first. They
/// are allocated in one piece, as the calls of the system are most of what a small ring costs.
pub(super) struct Zeroed<T, U> {
    first: NonNull<T>,
    second: NonNull<U>,
    lengths: (usize, usize),
    /// What was allocated: from here on, so many bytes.
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: it owns its values, as a box does.
unsafe impl<T: Send, U: Send> Send for Zeroed<T, U> {}
// SAFETY: as a box.
unsafe impl<T: Sync, U: Sync> Sync for Zeroed<T, U> {}

impl<T: Zero, U: Zero> Zeroed<T, U> {
    /// So many values of each kind; `None` if there is no memory for them.
    pub(super) fn new(lengths: (usize, usize)) -> Option<Self> {
        const { assert!(align_of::<T>() <= ALIGNMENT && align_of::<U>() <= ALIGNMENT) };
        let of_first = lengths.0.checked_mul(size_of::<T>())?;
        let of_first = of_first.checked_next_multiple_of(align_of::<U>())?;
        let of_second = lengths.1.checked_mul(size_of::<U>())?;
        let bytes = of_first.checked_add(of_second)?.checked_add(ALIGNMENT - SMALL_ALIGNMENT)?;
        // A system of 32 bits maps more than a slice may have.
        if bytes > isize::MAX as usize {
            return None;
        }
        let base = system::allocate(bytes)?;
        let skipped = base.addr().get().wrapping_neg() % ALIGNMENT;
        // SAFETY: `base` is aligned to `SMALL_ALIGNMENT`, and so is what is skipped. That is no more than
        // what was added above, and so the sum of it and `of_first` is inside of what was allocated. The
        // second ones are aligned as they need: the first ones are, and end where that is so.
        let (first, second) = unsafe { (base.add(skipped), base.add(skipped + of_first)) };
        Some(Self { first: first.cast(), second: second.cast(), lengths, base, bytes })
    }

    #[inline]
    pub(super) fn first(&self) -> &[T] {
        // SAFETY: `new` has aligned them, and there are so many, no more than a slice may have. They are
        // zero, which is a value (`Zero`), or what was made of them since. They live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.lengths.0) }
    }

    #[inline]
    pub(super) fn second(&self) -> &[U] {
        // SAFETY: as for the first ones.
        unsafe { std::slice::from_raw_parts(self.second.as_ptr(), self.lengths.1) }
    }
}

impl<T, U> Drop for Zeroed<T, U> {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with so many bytes; nothing that was lent outlives `self`.
        unsafe { system::free(self.base, self.bytes) }
    }
}

impl<T, U> fmt::Debug for Zeroed<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zeroed").field("lengths", &self.lengths).finish_non_exhaustive()
    }
}

/// What the allocator gives.
mod heap {
    use super::SMALL_ALIGNMENT;
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::ptr::NonNull;

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, SMALL_ALIGNMENT).ok()
    }

    /// Zeroed bytes, at least one.
    pub(super) fn allocate(bytes: usize) -> Option<NonNull<u8>> {
        assert!(bytes > 0);
        // SAFETY: the layout has a size.
        NonNull::new(unsafe { alloc_zeroed(layout(bytes)?) })
    }

    /// # Safety
    ///
    /// `allocate` has given so many bytes here, which are used no more.
    pub(super) unsafe fn free(base: NonNull<u8>, bytes: usize) {
        let layout = layout(bytes).expect("it was one when these were allocated");
        // SAFETY: by the contract; the layout is the same.
        unsafe { dealloc(base.as_ptr(), layout) }
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use super::heap;
    use std::ptr::{self, NonNull};

    /// From so many bytes on they are mapped. Below that, clearing them is cheaper than the calls, and
    /// they are a few pages at most.
    const MAPPED_FROM: usize = 8 * 1024;

    /// Zeroed bytes, at least one.
    pub(super) fn allocate(bytes: usize) -> Option<NonNull<u8>> {
        if bytes < MAPPED_FROM {
            return heap::allocate(bytes);
        }
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: it asks for new pages, wherever there is room, and touches no memory of ours.
        let base = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
        if base == libc::MAP_FAILED { None } else { NonNull::new(base.cast()) }
    }

    /// # Safety
    ///
    /// `allocate` has given so many bytes here, which are used no more.
    pub(super) unsafe fn free(base: NonNull<u8>, bytes: usize) {
        if bytes < MAPPED_FROM {
            // SAFETY: by the contract; `allocate` has gone this way, too.
            return unsafe { heap::free(base, bytes) };
        }
        // SAFETY: by the contract these are the pages that `allocate` has mapped.
        let result = unsafe { libc::munmap(base.as_ptr().cast(), bytes) };
        // It fails if the pages lie between others and the process has as many areas as it may have. Then
        // they stay, unused.
        debug_assert_eq!(result, 0, "unmapping: {}", std::io::Error::last_os_error());
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
use heap as system;

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    type Pair = Zeroed<UnsafeCell<u8>, Descriptor>;

    #[test]
    fn values_of_every_number_are_zero_aligned_and_writable() {
        for length in [1, 2, 63, 64, 100, 127, 128, 129, 1000, 8071, 8072, 8073, 1 << 20] {
            let lengths = (length, 1 + length / 64);
            let pair = Pair::new(lengths).unwrap();
            let (bytes, descriptors) = (pair.first(), pair.second());
            assert_eq!((bytes.len(), bytes.as_ptr().addr() % ALIGNMENT), (length, 0));
            // SAFETY: no other thread is here, and no reference is held.
            assert!(bytes.iter().all(|byte| unsafe { byte.get().replace(7) } == 0));
            assert_eq!(descriptors.as_ptr().addr() % align_of::<Descriptor>(), 0);
            assert_eq!(descriptors.len(), lengths.1);
            assert!(descriptors.iter().all(|descriptor| descriptor.describe().length == 0));
        }
    }

    #[test]
    fn more_than_there_is_memory_for_is_refused() {
        // 32 bits have 2 GiB to give.
        for length in [usize::MAX, usize::MAX - 200, isize::MAX as usize + 1] {
            assert!(Pair::new((length, 1)).is_none());
        }
        // 32 bytes each.
        for length in [usize::MAX, usize::MAX / 32, usize::MAX / 32 + 1] {
            assert!(Pair::new((1, length)).is_none());
        }
        assert!(Pair::new((isize::MAX as usize / 2, isize::MAX as usize / 48)).is_none());
    }
}
