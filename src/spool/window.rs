//! The directory of a spool that keeps its last bytes alone: a row of slots, through which segments pass.
//!
//! Segment k stands in slot k mod n, in the *turn* k / n of that slot. The tail puts it there, and takes
//! it out when the stream has gone on far enough. Readers may come at any time, to a segment that is
//! being taken out, or was long ago; and none of them may hold up the tail, wherever it is stopped.
//!
//! *Shares.* A segment is freed with the last share of it. A reader has one of the segment that it is in,
//! and so have `Bytes`, and the tail. The slot has very many ([`OF_SLOT`]), so that they cannot come to an
//! end while it is there.
//!
//! *Entering.* A slot has one word: the number of its turn, and how many readers are *entering*, that is,
//! taking a share. A, a reader, adds itself to the word by an exchange that fails if the turn is another.
//! Then it counts its share in the segment, and takes itself out of the word. B, the tail, exchanges the
//! word for that of the next turn. By that it learns how many are still entering, and in one step
//! exchanges the shares of the slot for one share for each of them. A finds another turn when it would
//! take itself out: then that share is one too many, and it gives it back. So between its first step and
//! its last, A has the slot's protection or a share. Stopped there, it keeps this one segment in memory,
//! and B has gone on.
//!
//! *The way from the word to the segment.* The slot has a pointer beside its word. A reads it between two
//! looks at the word, the exchange being the second. B changes it only after it has ended the turn, and a
//! turn never comes again ([`TURNS`]). So if both looks find A's turn, it is the segment of that turn.
//!
//! *Bounds.* Memory is what the slots hold, and one segment for each reader, visitor and `Bytes`. No list
//! of segments that wait to be freed, no epochs, no collector: `crossbeam-epoch` was to be tried first. A
//! reader that is stopped while it is pinned would keep all that is let go of from then on, which is what
//! this must not do; and a pin costs as much as an entry here.
//!
//! *What no model shows.* `slot` and `enter` keep two steps of a thread in their order, and another thread tells that
//! order only by an exchange. In loom a thread does its steps in their order, and an exchange finds the newest
//! value; Miri and x86 do the same. So no model and no test here fails with `Relaxed` in their place. It is
//! Arm and the compiler that they are for: A could load the pointer behind its exchange, or count its share behind
//! the one by which it leaves; and B could store the next pointer before it ends the turn, or take the shares
//! of the slot before it knows who is entering. `ci/mutants` exchanges the two pairs of A's steps in the
//! text, and then a model fails. B's are argued here alone: between the first two lies the whole of the next
//! segment's making, and the last ones cannot be exchanged in the text, since the second needs the number
//! that the first finds.
#![allow(unsafe_code)]

use super::segment::Segment;
use crate::sync::{AtomicPtr, AtomicU64, Ordering, pause};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};

/// How many bits of the word tell how many are entering: more than there can be threads.
const ENTERING_BITS: u32 = 24;
/// How many turns there can be.
const TURNS: u64 = 1 << (u64::BITS - ENTERING_BITS);
/// The shares that a slot has of its segment.
const OF_SLOT: u64 = 1 << 62;

#[derive(Debug)]
struct Counted {
    shares: AtomicU64,
    segment: Segment,
}

/// A share of a segment. The last one frees it.
#[derive(Debug)]
pub(super) struct Share(NonNull<Counted>);

// SAFETY: it is a shared reference to a segment, which is Send and Sync, and any thread may free that.
unsafe impl Send for Share {}
// SAFETY: as for Send.
unsafe impl Sync for Share {}

impl Share {
    /// The only share of it.
    pub(super) fn new(segment: Segment) -> Self {
        let counted = Counted { shares: AtomicU64::new(1), segment };
        Self(NonNull::from(Box::leak(Box::new(counted))))
    }

    #[inline]
    fn counted(&self) -> &Counted {
        // SAFETY: it is there for as long as there is a share.
        unsafe { self.0.as_ref() }
    }
}

impl Deref for Share {
    type Target = Segment;

    #[inline]
    fn deref(&self) -> &Segment {
        &self.counted().segment
    }
}

impl Clone for Share {
    fn clone(&self) -> Self {
        // Relaxed: this share keeps it there meanwhile.
        self.counted().shares.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // ORD(share:A) Release, pairs with ORD(share:B).
        if self.counted().shares.fetch_sub(1, Ordering::Release) == 1 {
            // SAFETY: that was the last.
            drop(unsafe { after_the_last(self.0) });
        }
    }
}

/// The segment of which nobody has a share any more.
///
/// # Safety
///
/// The caller has brought the count to 0.
unsafe fn after_the_last(counted: NonNull<Counted>) -> Segment {
    // ORD(share:B) Acquire, pairs with ORD(share:A): what was done with any share of it. A load, and no fence,
    // which the thread sanitizer does not know.
    // SAFETY: nobody else knows of it, and it is freed below.
    unsafe { counted.as_ref() }.shares.load(Ordering::Acquire);
    // SAFETY: it comes from `Share::new`, and the caller is the only one to know of it.
    unsafe { Box::from_raw(counted.as_ptr()) }.segment
}

#[derive(Debug)]
struct Slot {
    /// The turn, and how many are entering.
    word: AtomicU64,
    /// Null where there is none.
    segment: AtomicPtr<Counted>,
}

impl Slot {
    fn new() -> Self {
        Self { word: AtomicU64::new(0), segment: AtomicPtr::new(ptr::null_mut()) }
    }

    /// A share of the segment of this turn, which was put there once; `None` if it was taken out.
    fn enter(&self, turn: u64) -> Option<Share> {
        // ORD(turn:B) Acquire, pairs with ORD(turn:A), here and in the exchange: who finds the segment gone
        // sees why.
        let mut word = self.word.load(Ordering::Acquire);
        let counted = loop {
            if word >> ENTERING_BITS != turn {
                return None;
            }
            // ORD(slot:B) Acquire, pairs with ORD(slot:A): if it is the segment of a later turn, the
            // exchange finds that turn.
            let counted = NonNull::new(self.segment.load(Ordering::Acquire))?;
            pause::point();
            let (found, lost) = (Ordering::Relaxed, Ordering::Acquire);
            match self.word.compare_exchange(word, word + 1, found, lost) {
                Ok(_) => break counted,
                Err(other) => word = other,
            }
        };
        pause::point();
        // SAFETY: it is the segment of this turn, as the head of the file says, and was there when we were
        // counted in the word. If the turn was ended since, a share was left for us.
        let shares = &unsafe { counted.as_ref() }.shares;
        // Relaxed: as for a clone.
        shares.fetch_add(1, Ordering::Relaxed);
        let share = Share(counted);
        pause::point();
        let mut word = self.word.load(Ordering::Relaxed);
        while word >> ENTERING_BITS == turn {
            // ORD(enter:A) Release, pairs with ORD(enter:B): our share is counted before the slot has none.
            let (left, lost) = (Ordering::Release, Ordering::Relaxed);
            match self.word.compare_exchange(word, word - 1, left, lost) {
                Ok(_) => return Some(share),
                Err(other) => word = other,
            }
        }
        // The share that was left for us, or will be: while it is not, those of the slot count. Relaxed: we
        // have another.
        shares.fetch_sub(1, Ordering::Relaxed);
        Some(share)
    }

    /// Puts a segment there, before its first byte is published.
    ///
    /// # Safety
    ///
    /// The caller is the tail, and has taken out the one before.
    unsafe fn put(&self, share: Share) {
        let share = ManuallyDrop::new(share);
        // Relaxed: as for a clone. The share that was handed over is one of them.
        share.counted().shares.fetch_add(OF_SLOT - 1, Ordering::Relaxed);
        // ORD(slot:A) Release, pairs with ORD(slot:B).
        self.segment.store(share.0.as_ptr(), Ordering::Release);
    }

    /// Ends the turn. Returns the segment, if nobody has a share of it.
    ///
    /// # Safety
    ///
    /// The caller is the tail, or has the slot for itself, and the segment of this turn was put there.
    unsafe fn take(&self, turn: u64) -> Option<Segment> {
        // Relaxed: the tail put it there, or one before it.
        let counted = NonNull::new(self.segment.load(Ordering::Relaxed))?;
        // ORD(turn:A) Release, pairs with ORD(turn:B): `begin` may have been raised by the tail before this
        // one. (Else the fence behind that does as much.) ORD(enter:B) Acquire, pairs with ORD(enter:A).
        let word = self.word.swap((turn + 1) << ENTERING_BITS, Ordering::AcqRel);
        debug_assert_eq!(word >> ENTERING_BITS, turn);
        let entering = word & ((1 << ENTERING_BITS) - 1);
        // SAFETY: the slot has shares of it until the next step.
        let shares = &unsafe { counted.as_ref() }.shares;
        // ORD(share:A) Release, pairs with ORD(share:B).
        let change = entering.wrapping_sub(OF_SLOT);
        if shares.fetch_add(change, Ordering::Release).wrapping_add(change) > 0 {
            return None;
        }
        // SAFETY: the count is 0.
        Some(unsafe { after_the_last(counted) })
    }
}

/// Where the segments are that have not been let go of.
#[derive(Debug)]
pub(super) struct Window {
    slots: Box<[Slot]>,
    /// The numbers of the first one that is there, and of the next one that comes. Only the tail writes
    /// them, and reads them.
    first: AtomicU64,
    next: AtomicU64,
}

impl Window {
    /// Room for so many at a time, at least one; `None` if there is no memory for it.
    pub(super) fn new(segments: usize) -> Option<Self> {
        let mut slots = Vec::new();
        slots.try_reserve_exact(segments).ok()?;
        slots.resize_with(segments, Slot::new);
        let [first, next] = [0; 2].map(AtomicU64::new);
        Some(Self { slots: slots.into(), first, next })
    }

    /// How many segments can pass through it.
    pub(super) fn most(&self) -> u64 {
        TURNS.saturating_mul(self.slots.len() as u64)
    }

    /// The slot of a segment, and its turn.
    fn locate(&self, index: u64) -> (&Slot, u64) {
        let slots = self.slots.len() as u64;
        (&self.slots[(index % slots) as usize], index / slots)
    }

    /// A share of a segment with bytes that the caller has seen published; `None` if it was taken out.
    pub(super) fn enter(&self, index: u64) -> Option<Share> {
        let (slot, turn) = self.locate(index);
        slot.enter(turn)
    }

    /// The numbers of the first segment that is there, and of the next that comes, for the tail.
    pub(super) fn range(&self) -> (u64, u64) {
        // Relaxed: a tail comes after the last one.
        (self.first.load(Ordering::Relaxed), self.next.load(Ordering::Relaxed))
    }

    /// Puts the next segment there.
    ///
    /// # Safety
    ///
    /// The caller is the tail.
    pub(super) unsafe fn put(&self, share: Share) {
        let (first, next) = self.range();
        assert!(next - first < self.slots.len() as u64, "the window has room for the next segment");
        // SAFETY: as promised; the one before was taken out, since there is room.
        unsafe { self.locate(next).0.put(share) };
        self.next.store(next + 1, Ordering::Relaxed);
    }

    /// Takes the first segment out. Returns it, if nobody has a share of it.
    ///
    /// # Safety
    ///
    /// The caller is the tail, or has the window for itself.
    pub(super) unsafe fn take(&self) -> Option<Segment> {
        let (first, next) = self.range();
        assert!(first < next, "the window has a segment");
        self.first.store(first + 1, Ordering::Relaxed);
        let (slot, turn) = self.locate(first);
        // SAFETY: as promised; it was put there, and comes out once.
        unsafe { slot.take(turn) }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        while self.range().0 < self.range().1 {
            // SAFETY: nobody else has it any more.
            drop(unsafe { self.take() });
        }
    }
}
