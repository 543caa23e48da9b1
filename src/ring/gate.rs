//! How far writers may go: the gate, and the holds that keep it back.
//!
//! # Moving and joining
//!
//! The mover A of the gate looks at the holds first; a reader B that joins puts up a hold. Neither
//! may miss the other. So a move is *announced* before it is made: A raises the `limit` to where it
//! wants to have the gate, issues a full fence, and looks at the holds *again*. B reads the
//! limit, puts its hold there, issues a full fence, and looks at the limit again; if that has been
//! raised meanwhile, it starts over. Of the two fences one comes first:
//!
//! - A's: then B's second look finds the limit raised past its hold, and B goes on there.
//! - B's: then A's second look finds the hold, and A moves the gate no further.
//!
//! A *clone* is a hold that is put up beside another one, which it borrows ([`Gate::join_beside`]).
//! A look goes from hold to hold. It could miss the clone, and then find that the original has
//! moved on; and so on along a chain of clones of any length. So clones are counted. Suppose that
//! the count is the same before and after a look. Then an original that has moved on, or has left,
//! made its clones before the look, which finds them: a thread that sees the original's move sees
//! the raised count, and the clone. Otherwise A looks again; after a few looks it does not move.
//!
//! The gate's word is a position in full, and only ever moves forward. So an exchange of it
//! succeeds only if it has not moved since it was read, however long the mover was stopped in
//! between.

use super::hold::Hold;
use super::position::{Position, Window};
use crate::sync::asymmetric;
use crate::sync::pause;
use crate::sync::table::{Index, Seat, Table};
use crate::sync::{AtomicU64, Ordering, fence};
use crossbeam_utils::CachePadded;

/// How many looks at all holds are taken, if some are cloned during each.
const LOOKS: u32 = 8;

/// What keeps the gate back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SmallestHold {
    /// How many granules it is past the gate.
    pub(super) ahead: u64,
    /// Whether a reader has walked there, or further: then no slice before it is in flight.
    pub(super) is_walked: bool,
}

#[derive(Debug)]
pub(super) struct Gate {
    word: CachePadded<AtomicU64>,
    /// A position that the gate has never been past, at the end of a slice. It is raised before the
    /// gate is moved. Joiners look at it (see above). Weak readers tell by it, without a look at
    /// `reserved`, that no writer can have written over what they read.
    limit: AtomicU64,
    /// Where each strong reader stands.
    holds: Table<Hold>,
    /// How many holds were put up beside others.
    clones: AtomicU64,
    /// [`super::position::Geometry::reach`]: no hold that keeps the gate back is further ahead of it.
    window: Window,
    /// Whether readers rely on heavy fences of threads that want their holds (`hold.rs`).
    heavy_fences: bool,
}

impl Gate {
    pub(super) fn new(position: Position, reach: u64, heavy_fences: bool) -> Self {
        Self {
            word: CachePadded::new(AtomicU64::new(position.raw())),
            limit: AtomicU64::new(position.raw()),
            holds: Table::new(),
            clones: AtomicU64::new(0),
            window: Window::of(reach),
            heavy_fences,
        }
    }

    #[inline]
    pub(super) fn load(&self) -> Position {
        // ORD(gate:A) Acquire, pairs with ORD(gate:B): a thread that sees the gate at a position
        // sees that every strong reader has finished with what lies before it.
        Position::of_raw(self.word.load(Ordering::Acquire))
    }

    /// Moves the gate from `seen` to `target`, or less far if a reader has joined before `target`.
    /// Does nothing if the gate is no longer at `seen`. `smallest` was read from the holds after
    /// `seen`. `target` is at most a reach on; between the two lie committed or skipped slices,
    /// and from the smallest hold on only skipped ones. Returns whether another try is worth it, if
    /// the gate is not at `target`.
    pub(super) fn advance(
        &self,
        seen: Position,
        target: Position,
        smallest: Option<SmallestHold>,
    ) -> bool {
        // ORD(gate:D) Acquire, pairs with ORD(reserved:A): if any of what the caller read on the
        // way was written by a writer that had seen a later gate, we see that the gate has moved.
        // So the place that is announced is the end of a slice.
        fence(Ordering::Acquire);
        if self.load() != seen {
            return true;
        }
        pause::point();
        self.raise_limit(seen, target);
        pause::point();
        // ORD(join:A) SeqCst, pairs with ORD(join:B): a joiner sees the limit, or is seen.
        fence(Ordering::SeqCst);
        let ahead = target.since(seen);
        // Holds that are cloned all the time keep the gate where it is, as if there were no room. A
        // reader that has cloned one looks for writers that wait for room.
        let Some(now) = self.check_holds(seen) else { return false };
        let ahead = match now {
            // Holds only move forward: one that is nearer than `smallest` is new.
            Some(now) if smallest.is_none_or(|before| now.ahead < before.ahead) => {
                ahead.min(now.ahead)
            }
            _ => ahead,
        };
        if ahead == 0 {
            return true;
        }
        pause::point();
        // ORD(gate:B) Release, pairs with ORD(gate:A): a thread that sees the gate's new place sees
        // our Acquire loads of the holds, and the raised limit, before it. A failure needs no
        // order.
        let moved = seen.on(ahead).raw();
        let _moved =
            self.word.compare_exchange(seen.raw(), moved, Ordering::Release, Ordering::Relaxed);
        true
    }

    /// Moves the gate over skipped padding, from its start to its end, unless another thread has, and
    /// tells where it is. The caller has seen the gate at the start. Holds are not asked: what is
    /// skipped is held for nobody. A reader that joins at the start meanwhile finds itself behind the
    /// gate, and follows.
    pub(super) fn pass(&self, start: Position, end: Position) -> Position {
        self.raise_limit(start, end);
        pause::point();
        // ORD(gate:B) Release, pairs with ORD(gate:A), as in `advance`.
        let _moved = self.word.compare_exchange(
            start.raw(),
            end.raw(),
            Ordering::Release,
            Ordering::Relaxed,
        );
        self.load()
    }

    /// Raises the limit to `target`, unless it is there already. `seen` was the gate a moment ago,
    /// so the limit was there or further on; it may have run on since, any way less than a turn.
    fn raise_limit(&self, seen: Position, target: Position) {
        let mut limit = self.limit.load(Ordering::Relaxed);
        while Position::of_raw(limit).since(seen) < target.since(seen) {
            pause::point();
            // ORD(limit:A) Release, pairs with the fence ORD(join:B): a reader that joins there has
            // seen what the slices before it were committed with.
            match self.limit.compare_exchange_weak(
                limit,
                target.raw(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => limit = now,
            }
        }
    }

    /// Whether the gate may have passed `position`. If not, no writer has reserved over it.
    /// `position` was not past `reserved`, and so is at most a reach past the limit.
    ///
    /// Behind `fence(Acquire)` this judges what was read before the fence.
    #[inline]
    pub(super) fn may_have_passed(&self, position: Position) -> bool {
        // ORD(limit) Relaxed: a writer that reserved over `position` had seen (ORD(gate:A)) a gate
        // past it, so the raised limit happens before its writes; its Release fence and our
        // Acquire fence, when we have read any of these, carry that over to us (ORD(reserved:B)).
        let limit = Position::of_raw(self.limit.load(Ordering::Relaxed));
        !position.is_in(self.window, limit)
    }

    /// How far the gate has passed `position`, a place of a strong reader whose hold is there or
    /// before, in granules; 0 if it has not.
    #[inline]
    pub(super) fn passed(&self, position: Position) -> u64 {
        let gate = self.load();
        if position.is_in(self.window, gate) { 0 } else { gate.since(position) }
    }

    /// The smallest hold; `None` if there are no holds. Holds before `gate` count as at `gate`. If
    /// `gate` is an old one, so do holds that are more than a reach past it.
    #[inline]
    pub(super) fn smallest_hold(&self, gate: Position) -> Option<SmallestHold> {
        let mut smallest: Option<SmallestHold> = None;
        self.holds.for_each(|hold| {
            pause::point();
            let Some((position, has_jumped)) = hold.load() else { return };
            let is_ahead = position.is_in(self.window, gate);
            let ahead = if is_ahead { position.since(gate) } else { 0 };
            let is_walked = !has_jumped;
            smallest = Some(match smallest {
                None => SmallestHold { ahead, is_walked },
                Some(other) => SmallestHold {
                    ahead: ahead.min(other.ahead),
                    is_walked: is_walked || other.is_walked,
                },
            });
        });
        smallest
    }

    /// [`Gate::smallest_hold`], even if holds are cloned meanwhile; `None` if too many are.
    pub(super) fn check_holds(&self, gate: Position) -> Option<Option<SmallestHold>> {
        // ORD(clones:A) Acquire, pairs with ORD(clones:B): clones that are counted here are found.
        let mut clones = self.clones.load(Ordering::Acquire);
        for _ in 0..LOOKS {
            pause::point();
            let smallest = self.smallest_hold(gate);
            // ORD(clones:A) as above; and behind the looks at the holds, which acquire: the clones
            // of readers that have moved on or left are counted here.
            let now = self.clones.load(Ordering::Acquire);
            if now == clones {
                return Some(smallest);
            }
            clones = now;
        }
        None
    }

    /// Takes a hold at the gate, or where it is about to be moved. From the return on the gate does
    /// not pass it.
    #[track_caller]
    pub(super) fn join(&self) -> Seat<Hold> {
        let hold = self.holds.acquire();
        // Once there are heavy fences, there always will be: who wants the hold issues one for certain.
        hold.begin(self.may_rely_on_heavy_fences());
        let mut limit = self.limit.load(Ordering::Relaxed);
        loop {
            pause::point();
            // No slice before the limit is in flight: the thread that raised it had walked there.
            hold.put_up(Position::of_raw(limit));
            // ORD(join:B) SeqCst, pairs with ORD(join:A): a mover of the gate sees our hold, or we
            // see its limit. The limit only rises: if it is the same, it has been all the while.
            fence(Ordering::SeqCst);
            pause::point();
            let now = self.limit.load(Ordering::Relaxed);
            if now == limit {
                return hold;
            }
            limit = now;
        }
    }

    /// Whether a reader may issue light fences from now on.
    pub(super) fn may_rely_on_heavy_fences(&self) -> bool {
        self.heavy_fences && asymmetric::has_heavy_fences()
    }

    /// Takes another hold where `other` is. The reader of `other` does not move it meanwhile. If it was
    /// taken meanwhile, the clone is given up again (`channel/absence.rs`): a thread that takes it later,
    /// behind the same lock, has seen the clone, and its count.
    #[track_caller]
    pub(super) fn join_beside(&self, other: &Seat<Hold>) -> Seat<Hold> {
        let hold = self.holds.acquire();
        hold.put_beside(other);
        pause::point();
        // ORD(clones:B) Release, pairs with ORD(clones:A): the hold is there before it is counted,
        // and counted before `other` moves on, or this hold is cloned.
        self.clones.fetch_add(1, Ordering::Release);
        hold
    }

    #[cfg(all(test, not(overfall_loom)))]
    pub(super) fn limit(&self) -> Position {
        Position::of_raw(self.limit.load(Ordering::Relaxed))
    }

    /// Moves the gate as if other threads had: see `tests.rs`.
    #[cfg(all(test, not(overfall_loom)))]
    pub(super) fn leap_to(&self, position: Position) {
        self.word.store(position.raw(), Ordering::Relaxed);
        self.limit.store(position.raw(), Ordering::Relaxed);
    }

    /// Gives up a hold for good.
    pub(super) fn leave(&self, hold: &Seat<Hold>) {
        hold.leave();
        self.holds.release(hold);
    }

    /// A hold that is right at `place`.
    pub(super) fn find_hold(&self, place: Position) -> Option<Index> {
        let is_there = |hold: &Hold| hold.load().is_some_and(|(there, _)| there == place);
        self.holds.find(is_there).map(|(index, _)| index)
    }

    /// What [`Hold::load`] finds of the hold with this entry.
    #[inline]
    pub(super) fn hold(&self, index: Index) -> Option<(Position, bool)> {
        self.holds.get(index).load()
    }

    /// Every hold, and every entry for one.
    pub(super) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter()
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_hold_is_found_and_a_left_one_is_not() {
        let start = Position::new(0).minus(128);
        let gate = Gate::new(start, 4096, true);
        assert_eq!(gate.smallest_hold(start), None);
        let first = gate.join();
        assert_eq!(first.position(), start);
        let second = gate.join_beside(&first);
        assert_eq!(second.position(), start);
        first.move_to(start.plus(256), false);
        second.move_to(start.plus(192), true);
        let smallest = |ahead, is_walked| Some(SmallestHold { ahead, is_walked });
        assert_eq!(gate.smallest_hold(start), smallest(3, true));
        first.move_to(start.plus(256), true);
        assert_eq!(gate.smallest_hold(start), smallest(3, false));
        gate.leave(&second);
        assert_eq!(gate.smallest_hold(start), smallest(4, false));
        gate.leave(&first);
        assert_eq!(gate.smallest_hold(start), None);
    }

    #[test]
    fn a_hold_that_the_gate_has_left_far_behind_counts_as_at_the_gate() {
        let start = Position::new(0);
        let gate = Gate::new(start, 4096, true);
        let _hold = gate.join();
        for bit in 7..61 {
            let far = Position::new(1 << bit);
            assert_eq!(gate.smallest_hold(far), Some(SmallestHold { ahead: 0, is_walked: true }));
        }
    }
}
