//! The bytes of the ring: the only memory of the crate that several threads write.
#![allow(unsafe_code)]

use super::copy;
use super::descriptor::Descriptor;
use super::exclusive::Exclusive;
use super::position::{GRANULE, Position};
use super::zeroed::Zeroed;
use crate::sync::figure::Figure;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
#[cfg(unix)]
use std::{io, os::fd::BorrowedFd};

/// How far ahead of what it writes a writer asks for the lines that it will write next, in bytes. Readers have read
/// these a lap ago, and a store to such a line waits until it has come from their core. Stores leave the core one
/// by one, so that each waits by itself, unless the lines are there by then. Any distance from a quarter of a
/// KiB to two and a half does the same. Where the lap ends it is a line elsewhere, which is asked for in vain.
const AHEAD: usize = 512;
/// For how many bytes a long piece asks at once: there are no more places to wait in.
const MOST_AT_ONCE: usize = 4096;
const LINE: usize = 64;
/// Longer than any piece.
pub(super) const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Storage {
    /// The bytes, a power of two of them, and a descriptor for each granule. Those that are zero have the
    /// stamp of no slice.
    memory: Zeroed<UnsafeCell<u8>, Descriptor>,
    /// What masks the place of a byte into the ring, one less than there are, and that of a descriptor, of
    /// which there are so many bytes. Its low bits are 0: it leads to no place within one.
    masks: (usize, usize),
    /// From how many bytes on a piece that is written needs more than to be written; [`NEVER`] if writers ask for no
    /// lines [ahead](AHEAD) at all. It is only read, but when strong readers come and go.
    prepares_from: Figure,
}

// SAFETY: the memory belongs to no thread. `write`, `read` and `store_back` access it atomically, and the
// contracts of `lend` and `store_back` exclude writes for as long as what is lent is alive.
unsafe impl Sync for Storage {}

impl Storage {
    /// `capacity` zeroed bytes, a power of two, and the descriptors of so many granules; `None` if there is
    /// no memory for them.
    pub(super) fn new(capacity: usize, granules: usize) -> Option<Self> {
        assert!(capacity.is_power_of_two() && granules.is_power_of_two());
        let masks = (capacity - 1, (granules - 1) * size_of::<Descriptor>());
        let memory = Zeroed::new((capacity, granules))?;
        Some(Self { memory, masks, prepares_from: Figure::new(NEVER) })
    }

    /// The place in bytes of the descriptor of the granule at `position`, masked into the ring.
    #[inline(always)]
    fn place(&self, position: Position) -> usize {
        // Of a word whose low bits are 0, one shift makes a place.
        const SHIFT: u32 = size_of::<Descriptor>().trailing_zeros() - Position::SHIFT;
        (position.raw() << SHIFT) as usize & self.masks.1
    }

    /// The descriptor of the granule at `position`, masked into the ring.
    #[inline(always)]
    pub(super) fn descriptor(&self, position: Position) -> &Descriptor {
        let place = self.place(position);
        debug_assert!(place % size_of::<Descriptor>() == 0);
        debug_assert!(place < size_of_val(self.memory.second()));
        // SAFETY: the mask is the place of the last descriptor, and has no bit that leads elsewhere than to the
        // start of one (`new`).
        unsafe { &*self.memory.second().as_ptr().byte_add(place) }
    }

    /// Says from how many bytes on a piece needs more than to be written. Unless that is [`NEVER`], writers ask for lines
    /// [ahead](AHEAD) of short ones.
    pub(super) fn prepare_from(&self, length: u64) {
        self.prepares_from.set(length);
    }

    #[inline(always)]
    pub(super) fn prepares_from(&self) -> u64 {
        self.prepares_from.get()
    }

    #[inline(always)]
    pub(super) fn asks_ahead(&self) -> bool {
        self.prepares_from() != NEVER
    }

    /// Asks for the fourth descriptor from that at `position`, if all slices take `size` ring bytes.
    #[inline(always)]
    pub(super) fn prefetch_descriptor(&self, position: Position, size: u64) {
        const FOURTH: usize = 4 * size_of::<Descriptor>();
        if self.asks_ahead() {
            let descriptor: *const Descriptor = self.descriptor(position);
            let rest = (size / GRANULE - 1) as usize * FOURTH;
            copy::prefetch_for_writing::<FOURTH>(descriptor.cast::<u8>().wrapping_add(rest));
        }
    }

    /// Asks for the lines [ahead](AHEAD) of a piece of so many bytes that is about to be written.
    #[inline]
    pub(super) fn prefetch_lines(&self, position: Position, offset: u64, length: usize) {
        let to = self.at(position, offset, length);
        for four in (0..length.min(MOST_AT_ONCE)).step_by(4 * LINE) {
            let to = to.wrapping_add(four);
            copy::prefetch_for_writing::<AHEAD>(to);
            copy::prefetch_for_writing::<{ AHEAD + LINE }>(to);
            copy::prefetch_for_writing::<{ AHEAD + 2 * LINE }>(to);
            copy::prefetch_for_writing::<{ AHEAD + 3 * LINE }>(to);
        }
    }

    /// Whether it is the first granule of a lap.
    #[inline(always)]
    pub(super) fn is_first(&self, position: Position) -> bool {
        self.place(position) == 0
    }

    /// The address of `length` bytes from `offset` behind `position`, masked into the ring. All of
    /// them are inside of the ring.
    #[inline(always)]
    fn at(&self, position: Position, offset: u64, length: usize) -> *mut u8 {
        let size = self.memory.first().len();
        // One less than the size (`new`).
        let index = position.byte(offset) as usize & self.masks.0;
        if length > size - index {
            outside(index, length);
        }
        // From all of the bytes, which are cells and so may be written.
        self.memory.first().as_ptr().cast::<u8>().cast_mut().wrapping_add(index)
    }

    /// The address of the granule at `position`, masked into the ring.
    #[inline(always)]
    fn granule(&self, position: Position) -> *mut u8 {
        // A position is that of a whole granule, and there is a whole number of them: all of it is inside.
        let index = position.byte(0) as usize & self.masks.0;
        self.memory.first().as_ptr().cast::<u8>().cast_mut().wrapping_add(index)
    }

    /// Copies at most a granule of `bytes` to where it starts.
    ///
    /// # Safety
    ///
    /// As for [`Storage::write`].
    #[inline(always)]
    pub(super) unsafe fn write_granule(&self, position: Position, bytes: &[u8]) {
        debug_assert!(bytes.len() as u64 <= GRANULE);
        let to = self.granule(position);
        if self.asks_ahead() {
            copy::prefetch_for_writing::<AHEAD>(to);
        }
        // SAFETY: as in `write`; no more than a granule, which is inside.
        unsafe { copy::store(to, bytes) }
    }

    /// Copies at most a granule from where it starts; as [`Storage::read`].
    ///
    /// # Safety
    ///
    /// `to` is no longer than a granule.
    #[inline(always)]
    pub(super) unsafe fn read_granule(&self, position: Position, to: &mut [u8]) {
        debug_assert!(to.len() as u64 <= GRANULE);
        // SAFETY: as in `read`; no more than a granule, which is inside.
        unsafe { copy::load(self.granule(position), to) }
    }

    /// Copies `bytes` into the ring.
    ///
    /// # Safety
    ///
    /// The caller has reserved these bytes, has not committed them yet, and does not write them
    /// from two threads at a time. Bytes that share a word of 8 with the end are the caller's, too.
    #[inline]
    pub(super) unsafe fn write(&self, position: Position, offset: u64, bytes: &[u8]) {
        let to = self.at(position, offset, bytes.len());
        // SAFETY: `at` has checked the bounds, and the ring ends on a whole word. By the contract
        // no other thread writes here. No reader is lent these bytes any more: their writer has
        // reserved them, and so has seen the gate pass every reader that was lent them (`lend` says
        // so). Threads that copy these bytes use `read`.
        unsafe { copy::store(to, bytes) }
    }

    /// Copies `bytes` to the start of a slice, in the caller's code.
    ///
    /// # Safety
    ///
    /// As for [`Storage::write`]. All of them are in one slice, which is reserved as a whole, and they are more than
    /// a granule has.
    #[inline(always)]
    pub(super) unsafe fn write_long(&self, slice: Position, bytes: &[u8]) {
        debug_assert_eq!(self.at(slice, 0, bytes.len()), self.granule(slice));
        // SAFETY: as in `write`; a slice lies inside of the ring, in one piece.
        unsafe { copy::store_long(self.granule(slice), bytes) }
    }

    /// Reads from a descriptor into the ring, once, and tells how many bytes.
    ///
    /// # Safety
    ///
    /// As for [`Storage::write`].
    #[cfg(unix)]
    pub(super) unsafe fn read_from(
        &self,
        position: Position,
        offset: u64,
        length: usize,
        descriptor: BorrowedFd<'_>,
    ) -> io::Result<usize> {
        let to = self.at(position, offset, length);
        // SAFETY: as in `write`.
        unsafe { copy::read(descriptor, to, length) }
    }

    /// Copies bytes out of the ring. They may be torn: check afterwards that no writer can have
    /// reserved them.
    #[inline]
    pub(super) fn read(&self, position: Position, offset: u64, to: &mut [u8]) {
        let from = self.at(position, offset, to.len());
        // SAFETY: `at` has checked the bounds, and the ring starts and ends on whole words. The
        // only writes are those of `write` and `read_from`, and of `store_back`, which are of single bytes as
        // well: where there are sections that store back, `copy` is in assembly.
        unsafe { copy::load(from, to) }
    }

    /// The same, in the caller's code.
    ///
    /// # Safety
    ///
    /// There is room for more bytes than a granule has.
    #[inline(always)]
    pub(super) unsafe fn read_long(&self, position: Position, offset: u64, to: &mut [u8]) {
        let from = self.at(position, offset, to.len());
        // SAFETY: as in `read`.
        unsafe { copy::load_long(from, to) }
    }

    /// So many bytes from `position` on, to be read as [`Storage::read`] does; nothing if they are not inside of
    /// the ring.
    #[inline(always)]
    pub(super) fn racing(&self, position: Position, length: usize) -> Option<Racing<'_>> {
        let bytes = self.memory.first();
        // One less than the size (`new`).
        let index = position.byte(0) as usize & self.masks.0;
        let from = bytes.as_ptr().cast::<u8>().wrapping_add(index);
        (length <= bytes.len() - index).then_some(Racing { from, length, ring: PhantomData })
    }

    /// Copies bytes out of the ring and stores them back, for as long as the caller is `exclusive`; tells how
    /// many.
    ///
    /// # Safety
    ///
    /// The bytes are those of committed slices whose stamps the caller has seen. It is a strong reader of
    /// this ring that is counted by `exclusive`, and its hold is marked, and keeps them, until this returns.
    pub(super) unsafe fn read_and_store_back(
        &self,
        position: Position,
        offset: u64,
        to: &mut [u8],
        exclusive: &Exclusive,
    ) -> usize {
        let from = self.at(position, offset, to.len());
        // SAFETY: `at` has checked the bounds, and `to` is the caller's own. Writers cannot reserve the
        // bytes. Whoever is lent them is a strong reader, and counted before. All other threads use `read`.
        unsafe { exclusive.store_back(from, to.as_mut_ptr(), to.len()) }
    }

    /// Only stores them back.
    ///
    /// # Safety
    ///
    /// As for [`Storage::read_and_store_back`], and what the caller was lent of the bytes is not used any
    /// more. Of slices that were skipped the caller has seen the stamps as well.
    pub(super) unsafe fn store_back(
        &self,
        position: Position,
        length: usize,
        exclusive: &Exclusive,
    ) {
        let from = self.at(position, 0, length);
        // SAFETY: as above. It is left where it is interrupted.
        let _stored = unsafe { exclusive.store_back(from, from, length) };
    }

    /// The bytes themselves.
    ///
    /// # Safety
    ///
    /// The bytes are those of committed slices whose stamps the caller has seen. Until the last use
    /// of what is returned, a hold keeps the gate from passing the first of them, so that no writer
    /// can reserve them. The hold is that of a strong reader which was counted ([`Exclusive`]).
    #[inline]
    pub(super) unsafe fn lend(&self, position: Position, offset: u64, length: usize) -> &[u8] {
        let from = self.at(position, offset, length);
        // SAFETY: `at` has checked the bounds; all bytes have been initialised, to zero at first.
        // The writes of the slices happen before this by their stamps. The next writes need a
        // reservation, which by the contract no writer can get. A strong reader that stores bytes back
        // does so only while it is alone: the caller was counted, and by that has ended all such stores.
        unsafe { std::slice::from_raw_parts(from, length) }
    }
}

/// Bytes of the ring that others may write meanwhile. Made by [`Storage::racing`] alone.
pub(crate) struct Racing<'a> {
    from: *const u8,
    length: usize,
    ring: PhantomData<&'a Storage>,
}

impl Racing<'_> {
    /// Copies them, as [`Storage::read`].
    #[inline(always)]
    pub(super) fn read(&self, to: &mut [u8]) {
        assert_eq!(to.len(), self.length);
        // SAFETY: `racing` has checked the bounds, and `ring` is borrowed. The rest is as in `Storage::read`.
        unsafe { copy::load(self.from, to) }
    }
}

/// A function of its own, so that the path of bytes that are inside stays short.
#[cold]
#[inline(never)]
fn outside(index: usize, length: usize) -> ! {
    panic!("{length} bytes at {index} are not inside the ring");
}
