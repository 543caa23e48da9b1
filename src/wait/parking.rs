//! Where readers wait for the next slice.
//!
//! A commit may unblock any number of readers, so it wakes all that are parked: they form a stack,
//! linked through their slots, that is taken whole by whoever wakes. Slots never move and are not
//! freed before the channel, so a slot may stay on the stack after its reader has gone, or has found
//! what it wanted; all that comes of it is one surplus look. Parking and waking are lock-free and
//! allocate nothing.
//!
//! A slot's `linked` says that it is on the stack, or has been taken and is about to be woken:
//!
//! - false → true: its reader, which then pushes it;
//! - true → false: who took the stack, after reading `below` and before waking.
//!
//! A reader that finds `linked` set has nothing to push: its waker is registered already, and whoever
//! has yet to clear `linked` will wake it after that. One that finds it clear pushes itself, and is
//! found by the next who takes the stack.

use crate::stats::ReaderFigures;
use crate::sync::{AtomicBool, AtomicU32, AtomicWaker, Ordering, register, take_waker};
use crate::table::{Seat, Table};
use crossbeam_utils::CachePadded;
use std::task::Waker;

/// What the channel keeps for each reader.
#[derive(Debug)]
pub(crate) struct Slot {
    waker: AtomicWaker,
    linked: AtomicBool,
    /// The slot below this one on the stack, plus one; 0 ends the stack.
    below: AtomicU32,
    pub(crate) figures: ReaderFigures,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            waker: AtomicWaker::new(),
            linked: AtomicBool::new(false),
            below: AtomicU32::new(0),
            figures: ReaderFigures::default(),
        }
    }
}

impl Slot {
    /// Forgets the waker of a reader that no longer waits.
    pub(crate) fn unpark(&self) {
        // Whoever took the slot off the stack takes the waker, too. Relaxed: with a stale look it is
        // taken here, or woken once too often.
        if self.linked.load(Ordering::Relaxed) {
            drop(take_waker(&self.waker));
        }
    }
}

#[derive(Debug)]
pub(crate) struct Parking {
    pub(crate) slots: Table<Slot>,
    /// The top of the stack of parked readers, plus one; 0 if nobody is parked.
    top: CachePadded<AtomicU32>,
}

impl Parking {
    pub(crate) fn new() -> Self {
        Self { slots: Table::new(), top: CachePadded::new(AtomicU32::new(0)) }
    }

    /// Whether a look behind `fence(SeqCst)` finds anybody to wake.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.top.load(Ordering::Relaxed) == 0
    }

    /// Registers a reader to be woken, before the watch is kept ([`Watch::keep`](super::watch::Watch)).
    pub(crate) fn park(&self, slot: &Seat<Slot>, waker: &Waker) {
        register(&slot.waker, waker);
        // ORD(linked) Acquire, pairs with the swap in `wake_all`. Cleared, it is ours alone, and needs
        // no exchange: the push below takes it along.
        let is_ours = !slot.linked.load(Ordering::Acquire);
        if is_ours {
            slot.linked.store(true, Ordering::Relaxed);
        }
        // ORD(linked) AcqRel on both sides: if we find it set, whoever clears it comes after us
        // and, reading from our swap, sees the waker that we registered.
        if is_ours || !slot.linked.swap(true, Ordering::AcqRel) {
            let mut top = self.top.load(Ordering::Relaxed);
            loop {
                slot.below.store(top, Ordering::Relaxed);
                // ORD(parked:A) Release, pairs with ORD(parked:B): who takes the stack sees what
                // each slot has below it.
                match self.top.compare_exchange_weak(
                    top,
                    slot.index() + 1,
                    Ordering::Release,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => break,
                    Err(now) => top = now,
                }
            }
        }
    }

    /// Wakes every parked reader.
    pub(crate) fn wake_all(&self) {
        // ORD(parked:B) Acquire, pairs with ORD(parked:A).
        let mut next = self.top.swap(0, Ordering::Acquire);
        while let Some(index) = next.checked_sub(1) {
            let slot = self.slots.get(index);
            next = slot.below.load(Ordering::Relaxed);
            // ORD(linked) as in `park`. From here on the slot may be pushed again.
            slot.linked.swap(false, Ordering::AcqRel);
            if let Some(waker) = take_waker(&slot.waker) {
                waker.wake();
            }
        }
    }
}
