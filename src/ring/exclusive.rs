//! Handing cache lines back: a strong reader that is alone stores what it has read to where it lies.
//!
//! On some processors a line that another core has only read is slow to write again, and one that it has
//! stored to comes back at several times the speed (`sync/processor.rs` has the figures). So where a strong
//! reader copies a long piece of a slice, it stores each vector to the caller's buffer and, unchanged, back
//! into the ring; and when much that was lent is given back in one go, in one slice or in many, it does so then.
//! Nothing changes but who has the lines.
//!
//! # Who else may be there
//!
//! It is a store all the same, to bytes that the reader's marked hold keeps in place: those of a committed slice, and
//! all behind it up to where the reader is. A hold does *not* keep slices that were skipped, before the first committed
//! one: the gate passes them, and they may be written anew. So what is stored back begins with a committed slice.
//!
//! - Writers are not there: the hold keeps them out until the last store is made (`hold:B`).
//! - Weak readers copy with accesses that may race, and find the same bytes.
//! - Another *strong* reader may be lent the bytes as a `&[u8]`, and any store to that is a data race. So
//!   the reader A stores only while it is alone among the strong ones.
//!
//! # How it is known
//!
//! Strong readers are counted behind the registry's lock, with their holds (`channel/absence.rs`). The
//! [`state`](Exclusive::state) follows the count:
//!
//! - [`SEVERAL`]: there may be more than one.
//! - [`EXCLUSIVE`]: there is at most one, and nobody has stored anything since.
//! - [`STORES`]: there is at most one, and it may store.
//!
//! A reader changes `EXCLUSIVE` to `STORES` by itself, by an exchange, with the first long piece that it reads.
//! So who reads short slices alone costs the next one nothing. All stores are made in sections which look
//! at the state first (`sync/rseq/imp/store_back.rs`). A reader B that comes as a second one is counted before
//! it is lent anything, and by that ([`Exclusive::count`]) it
//!
//! 1. exchanges the state for `SEVERAL`;
//! 2. if that was `STORES`, interrupts all sections.
//!
//! After (2) no section stores that had found `STORES` before, and none finds it any more. A's exchange
//! comes before (1), and is found there, or it fails. B does not wait for A, which may be stopped in the
//! middle of its section. A goes on from where it was with plain loads. Both steps are made behind the lock:
//! a third reader that is counted next is lent nothing before they are done.
//!
//! When all but one have gone, the state is `EXCLUSIVE` again. Those that have gone, or had their holds taken,
//! were lent nothing any more when they were counted out, and their last look comes before A's stores
//! (`exclusive:B`, `exclusive:A`). While the state is `STORES` the one that is alone may go, and another come: the
//! two were counted behind the same lock, and so one after the other.
//!
//! A store of A may be what a thread W reads that was left behind: a weak reader, or one that walks, of an
//! earlier lap. W is to find that the bytes were written over. It finds that if it has read what the writer
//! wrote; what A stored it must find it by as well. A had seen the slice's stamp, and so all that its writer
//! had seen and done; a fence before A's stores passes that on (`reserved:C`).
//!
//! # Where it is not done
//!
//! Short pieces gain nothing, and neither does to ask for the lines before they are read as one that will write them
//! (`prefetchw`, tried on the AMD of `sync/processor.rs`). Nor do processors that are not in the table;
//! [`Builder::hand_lines_back`] says otherwise. Where there are no sections nothing is ever stored: the state
//! stays `EXCLUSIVE`.
//!
//! A reader on the *core of the writer* has the lines already, and stores that are for nothing make a copy half
//! as long again. So a writer leaves a note with each long piece, on which core it was: beside the cursor, on
//! a line that it has just moved. The reader looks at it now and then ([`LOOK_EVERY`]), since a look
//! takes that line from the writer. Threads move from core to core: it is a guess, and only the speed hangs on it.
//!
//! [`Builder::hand_lines_back`]: crate::Builder::hand_lines_back
#![allow(unsafe_code)]

use super::position::{GRANULE, Position, slice_size};
use super::storage::NEVER;
use super::{Held, Passing, Ring};
use crate::sync::asymmetric;
use crate::sync::figure::Figure;
use crate::sync::pause;
use crate::sync::processor;
use crate::sync::rseq::{self, Sections};
use crate::sync::{AtomicU64, Ordering, fence};

/// There may be several strong readers.
const SEVERAL: u64 = 0;
/// There is at most one, and nobody has stored anything since there is.
const EXCLUSIVE: u64 = 1;
/// There is at most one, and it may store.
const STORES: u64 = 2;

/// Pieces of up to this length are not even asked about: it is that of copies that are inlined (`copy.rs`).
pub(super) const SHORT: usize = if cfg!(overfall_loom) { 0 } else { 64 };
/// Shorter pieces are only copied.
const COPIED: usize = if cfg!(overfall_loom) { 1 } else { 1024 };
/// Fewer bytes that were lent are only given back: their lines are gone through for nothing else.
pub(crate) const LENT: u64 = if cfg!(overfall_loom) { 1 } else { 2048 };
/// The granules of so many bytes.
pub(crate) const LENT_GRANULES: u64 = LENT.div_ceil(GRANULE);

/// So many long pieces are read between two looks at the core of the writer.
const LOOK_EVERY: u64 = 64;

/// It is written when strong readers come and go, and so stands beside what is only read.
#[derive(Debug)]
pub(crate) struct Exclusive {
    state: AtomicU64,
    sections: Sections,
}

/// What a strong reader knows of the core of the writer. It is kept with its hold, on a line of its own.
#[derive(Debug, Default)]
pub(super) struct Nearness {
    /// The long pieces that were read.
    reads: Figure,
    /// Whether the writer was on the reader's core at the last look.
    is_near: Figure,
}

impl Nearness {
    /// Whether the writer is on the core of the reader, which calls this for each long piece.
    #[inline]
    fn is_near(&self, writer: impl FnOnce() -> u32) -> bool {
        let Some(core) = rseq::core() else { return false };
        if self.reads.get() % LOOK_EVERY == 0 {
            self.is_near.set(u64::from(writer() == core));
        }
        self.reads.add(1);
        self.is_near.get() != 0
    }
}

impl Exclusive {
    pub(super) fn new() -> Self {
        Self { state: AtomicU64::new(EXCLUSIVE), sections: Sections::new() }
    }

    /// So many strong readers are there from now on. To be called behind the lock behind which they are
    /// counted: before one that comes is lent anything, and after one that goes was.
    fn count(&self, readers: usize) {
        if readers > 1 {
            // Relaxed: the interruption orders it.
            if self.state.swap(SEVERAL, Ordering::Relaxed) == STORES {
                // ORD(interrupt) pairs with the fence that a thread in a section passes: from here on
                // nobody stores, and what was stored comes before all that the caller is lent.
                self.sections.interrupt();
            }
        } else if self.state.load(Ordering::Relaxed) == SEVERAL {
            // ORD(exclusive:B) Release, pairs with ORD(exclusive:A): the last looks of those that have gone.
            self.state.store(EXCLUSIVE, Ordering::Release);
        }
    }

    /// Whether the caller, a strong reader with a marked hold, may try to store. Only a section is sure.
    #[inline]
    fn may_store(&self, is_near: impl FnOnce() -> bool) -> bool {
        match self.state.load(Ordering::Relaxed) {
            STORES => !is_near(),
            EXCLUSIVE => !is_near() && self.begin(),
            _ => false,
        }
    }

    #[cold]
    fn begin(&self) -> bool {
        pause::point();
        asymmetric::has_sections() && {
            // ORD(exclusive:A) Acquire, pairs with ORD(exclusive:B). Of the next one that is alone, and finds
            // STORES, the lock takes care.
            let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
            self.state.compare_exchange(EXCLUSIVE, STORES, success, failure).is_ok()
        }
    }

    /// Copies and stores back, while the state is still STORES; tells how many bytes.
    ///
    /// # Safety
    ///
    /// `from` is valid for reads and writes of `length` bytes, and `to` for writes; they are the same, or do
    /// not overlap. The bytes at `from` are those of a committed slice, which a marked hold of the caller
    /// keeps in place. Threads that are not counted ([`Exclusive::count`]) access them only as those do that
    /// copy what may be written.
    #[cfg(not(overfall_loom))]
    pub(super) unsafe fn store_back(&self, from: *mut u8, to: *mut u8, length: usize) -> usize {
        // SAFETY: the state is STORES only where there are sections, and the processor has what they need
        // (`begin`, `new`). While it is STORES no other thread than the caller is counted, and so none is
        // lent anything; one that is counted later changes the state and interrupts before it is.
        unsafe { self.sections.store_back(&self.state, STORES, (from, to), length) }
    }

    /// In the models, stores all, while the state is still STORES; tells whether it was.
    #[cfg(overfall_loom)]
    pub(crate) fn store_back(&self, store: impl FnOnce()) -> bool {
        self.sections.store_back(&self.state, STORES, store)
    }
}

impl Ring {
    /// Whether a strong reader that is alone hands lines back, where that is possible.
    pub(crate) fn hand_lines_back(&mut self, hands_back: bool) {
        self.hands_lines_back = hands_back && processor::can_store_back();
    }

    /// So many strong readers are there from now on: see [`Exclusive::count`].
    pub(crate) fn count_strong_readers(&self, readers: usize) {
        self.exclusive.count(readers);
        self.storage.prepare_from(match readers {
            // Weak readers that are alone may be right ahead of the writer.
            0 => NEVER,
            1 if self.hands_lines_back => COPIED as u64,
            _ => SHORT as u64 + 1,
        });
    }

    /// As [`Ring::copy_held`], for pieces that are not short.
    #[inline(always)]
    pub(super) fn copy_and_hand_back(
        &self,
        held: &Held,
        slice: Position,
        offset: u64,
        to: &mut [u8],
    ) {
        let copied = if self.hands_lines_back && to.len() >= COPIED {
            self.copy_back(held, slice, offset, to)
        } else {
            0
        };
        #[cfg(not(overfall_loom))]
        if copied == 0 {
            debug_assert!(to.len() > SHORT);
            // SAFETY: it is longer than a granule.
            unsafe { self.storage.read_long(slice, offset, to) }
            return;
        }
        let rest = &mut to[copied..];
        #[cfg(not(overfall_loom))]
        self.storage.read(slice, offset + copied as u64, rest);
        #[cfg(overfall_loom)]
        self.storage.read_lent(slice, offset + copied as u64, rest);
    }

    /// Copies what it may hand back at the same time, and tells how many bytes.
    #[inline(never)]
    fn copy_back(&self, held: &Held, slice: Position, offset: u64, to: &mut [u8]) -> usize {
        if !self.may_hand_back(held) {
            return 0;
        }
        // SAFETY: the caller's hold is marked, and is before the slice or at it, whose stamp it has seen
        // (`Ring::copy_held`).
        let copied =
            unsafe { self.storage.read_and_store_back(slice, offset, to, &self.exclusive) };
        if copied > 0 {
            self.descriptor(slice).store_back();
        }
        copied
    }

    /// Hands the lines of slices back that were lent, and are not any more, before the hold is moved on: from
    /// `slice`, a committed one, to `end`. The caller has seen the stamps of all of them. Nothing is handed back
    /// of what lies behind `end`.
    #[inline(always)]
    pub(crate) fn hand_back(&self, held: &mut Held, slice: Position, end: Position) {
        if end.since(slice) >= LENT_GRANULES {
            self.hand_back_if_long(held, slice, end);
        }
    }

    #[inline(never)]
    fn hand_back_if_long(&self, held: &mut Held, slice: Position, end: Position) {
        if slice.is_before(end) {
            if let Some(passing) = held.pass_marked() {
                self.hand_back_long(&passing, slice, end);
            }
        }
    }

    /// The same of what is known to be long, by a reader that is about to pass it.
    #[inline]
    pub(crate) fn hand_back_long(&self, passing: &Passing<'_>, slice: Position, end: Position) {
        if self.may_hand_back(passing.held) {
            self.store_back(passing.held, slice, end);
        }
    }

    /// Many short slices are one long piece, which is stored back from end to end.
    #[cold]
    #[inline(never)]
    fn store_back(&self, held: &Held, mut slice: Position, end: Position) {
        debug_assert!(slice.is_before(end) && held.hold.is_lending(slice));
        debug_assert!(self.find_committed(slice).is_some());
        let mut next = slice;
        while next != end {
            let length = self.geometry.rest_of_lap(next).min(end.since(next) * GRANULE);
            // SAFETY: the hold is marked. It keeps the first slice, which is committed, and so all from there on,
            // also those that were skipped in between. (Before the first one it need not keep what was skipped.)
            // The caller has seen their stamps, and does not use what it was lent of them any more.
            unsafe { self.storage.store_back(next, length as usize, &self.exclusive) };
            next = next.plus(length);
        }
        while slice != end {
            let descriptor = self.descriptor(slice);
            descriptor.store_back();
            slice = slice.plus(slice_size(descriptor.length()));
        }
    }

    #[inline]
    fn may_hand_back(&self, held: &Held) -> bool {
        let is_near = || held.hold.nearness.is_near(|| self.reserved.core());
        let may_store = self.hands_lines_back && self.exclusive.may_store(is_near);
        if may_store {
            // ORD(reserved:C) Release, pairs with ORD(reserved:B), ORD(gate:D): a thread that reads what we
            // store, and was overrun, sees what the writer of the slice had seen and done.
            fence(Ordering::Release);
        }
        may_store
    }

    /// What goes before a piece that is written, and is not short. Where lines are handed back, a note of the core, if
    /// it is long; there, lines that are asked for [ahead](super::storage) of it gain nothing. Elsewhere they do, and
    /// so they do for several strong readers, who hand nothing back.
    #[inline(always)]
    pub(super) fn prepare_for(&self, slice: Position, offset: u64, length: usize) {
        if length as u64 >= self.storage.prepares_from() {
            self.prepare(slice, offset, length);
        }
    }

    #[inline(never)]
    fn prepare(&self, slice: Position, offset: u64, length: usize) {
        if self.storage.prepares_from() < COPIED as u64 {
            self.storage.prefetch_lines(slice, offset, length);
        } else if let Some(core) = rseq::core() {
            self.reserved.note_core(core);
        }
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests;
