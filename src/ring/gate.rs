//! How far writers may go: the gate, and the holds that keep it back.

use super::position::{GRANULE, Position};
use crate::sync::{AtomicU64, Ordering};
use crate::table::{Seat, Table};
use crossbeam_utils::CachePadded;

/// The gate's word: a version in the high bits, and in the low ones the granule of its position,
/// modulo 2^40. The full position is rebuilt near `reserved`, which is never a ring away from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word(u64);

impl Word {
    const GRANULES: u32 = 40;
    const MASK: u64 = (1 << Self::GRANULES) - 1;

    fn new(position: Position) -> Self {
        Self((position.raw() / GRANULE) & Self::MASK)
    }

    /// The position that this word stands for, if it is within 2^39 granules of `near`.
    #[inline]
    pub(super) fn position(self, near: Position) -> Position {
        let behind = (near.raw() / GRANULE).wrapping_sub(self.0) & Self::MASK;
        // The distance wraps at 40 bits: the upper half is the gate being ahead of `near`.
        let behind = ((behind << (64 - Self::GRANULES)) as i64) >> (64 - Self::GRANULES);
        Position::new(near.raw() & !(GRANULE - 1)).minus((behind as u64).wrapping_mul(GRANULE))
    }

    #[inline]
    fn moved_to(self, position: Position) -> Self {
        Self((self.0 & !Self::MASK) | Self::new(position).0)
    }

    #[inline]
    fn with_next_version(self) -> Self {
        Self(self.0.wrapping_add(Self::MASK + 1))
    }
}

/// A place from which on a strong reader may read; [`Hold::NONE`] while nobody has taken it.
///
/// A reader that walks from the gate, slice by slice, leaves no slice in flight behind. One that
/// jumped ahead may have, and its hold says so in a bit that positions leave free: [`Hold::JUMPED`].
#[derive(Debug)]
pub(super) struct Hold(AtomicU64);

impl Hold {
    const NONE: u64 = u64::MAX;
    const JUMPED: u64 = 1;

    /// Where it is, for the reader whose it is.
    #[inline]
    pub(super) fn position(&self) -> Position {
        Position::new(self.0.load(Ordering::Relaxed) & !Self::JUMPED)
    }

    #[inline]
    pub(super) fn move_to(&self, position: Position, has_jumped: bool) {
        let jumped = if has_jumped { Self::JUMPED } else { 0 };
        // ORD(hold:B) Release, pairs with ORD(hold:A).
        self.0.store(position.raw() | jumped, Ordering::Release);
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self(AtomicU64::new(Self::NONE))
    }
}

/// What keeps the gate back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SmallestHold {
    pub(super) position: Position,
    /// Some reader has walked there, or further: no slice before it is in flight.
    pub(super) is_walked: bool,
}

#[derive(Debug)]
pub(super) struct Gate {
    word: CachePadded<AtomicU64>,
    /// A position, in full, that the gate has never been past. Raised before the gate is moved,
    /// it lets weak readers, who may sleep for longer than the word's 40 bits last, tell without
    /// a look at `reserved` that nobody can have written over what they read.
    limit: AtomicU64,
    /// Where each strong reader stands.
    holds: Table<Hold>,
}

impl Gate {
    pub(super) fn new(position: Position) -> Self {
        Self {
            word: CachePadded::new(AtomicU64::new(Word::new(position).0)),
            limit: AtomicU64::new(position.raw()),
            holds: Table::new(),
        }
    }

    #[inline]
    pub(super) fn load(&self) -> Word {
        // ORD(gate:A) Acquire, pairs with ORD(gate:B): whoever sees the gate at a position sees
        // that every strong reader has finished with what lies before it, and the holds of those
        // who joined before.
        Word(self.word.load(Ordering::Acquire))
    }

    /// Moves the gate from `seen` to `position`, if it has not changed and nobody has joined.
    #[inline]
    pub(super) fn advance(&self, seen: Word, position: Position) -> bool {
        // The limit goes first, so that it is never behind the gate.
        let mut limit = self.limit.load(Ordering::Relaxed);
        while Position::new(limit).is_before(position) {
            match self.limit.compare_exchange_weak(
                limit,
                position.raw(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => limit = now,
            }
        }
        // ORD(gate:B) Release, pairs with ORD(gate:A): our Acquire loads of the holds, and the
        // raised limit, come before the gate's new place in the eyes of whoever sees it. Nothing
        // is learned from the failure.
        let moved = seen.moved_to(position).0;
        let exchange =
            self.word.compare_exchange(seen.0, moved, Ordering::Release, Ordering::Relaxed);
        exchange.is_ok()
    }

    /// Whether the gate may have passed `position`; if not, nobody has reserved over it.
    ///
    /// Behind `fence(Acquire)` this judges what was read before the fence.
    #[inline]
    pub(super) fn may_have_passed(&self, position: Position) -> bool {
        // ORD(limit) Relaxed: a writer that reserved over `position` had seen (ORD(gate:A)) a gate
        // past it, so the raised limit happens before its writes; its Release fence and our
        // Acquire fence, when we have read any of these, carry that over to us (ORD(reserved:B)).
        position.is_before(Position::new(self.limit.load(Ordering::Relaxed)))
    }

    /// The smallest hold, and nothing if nobody holds the gate. Holds before `gate` count as there.
    #[inline]
    pub(super) fn smallest_hold(&self, gate: Position) -> Option<SmallestHold> {
        let mut smallest: Option<SmallestHold> = None;
        for hold in self.holds.iter() {
            // ORD(hold:A) Acquire, pairs with ORD(hold:B): the reads that this reader made before
            // it moved its hold, or left, come before anything that the gate then permits.
            let raw = hold.0.load(Ordering::Acquire);
            if raw == Hold::NONE {
                continue;
            }
            let position = Position::new(raw & !Hold::JUMPED).later_of(gate);
            let is_walked = raw & Hold::JUMPED == 0;
            smallest = Some(match smallest {
                None => SmallestHold { position, is_walked },
                Some(other) => SmallestHold {
                    position: position.earlier_of(other.position),
                    is_walked: is_walked || other.is_walked,
                },
            });
        }
        smallest
    }

    /// Takes a hold at the gate, wherever that is by then. From the return on the gate does not
    /// pass it. `near` tells a current position of `reserved`.
    pub(super) fn join(&self, near: impl Fn() -> Position) -> Seat<Hold> {
        let hold = self.holds.acquire();
        loop {
            let seen = self.load();
            // `near` was taken after `seen`. If the exchange below succeeds, the gate was there all
            // the time, and `reserved` no more than a ring ahead.
            let position = seen.position(near());
            hold.0.store(position.raw(), Ordering::Relaxed);
            // ORD(gate:C) Release, pairs with ORD(gate:A): a writer that sees the new version sees
            // our hold; one that has seen an older version cannot move the gate with it.
            // Acquire: the slices that we are about to read have been written before the gate
            // came here, or their stamps will tell.
            let exchange = self.word.compare_exchange(
                seen.0,
                seen.with_next_version().0,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if exchange.is_ok() {
                return hold;
            }
        }
    }

    /// Gives up a hold for good.
    pub(super) fn leave(&self, hold: &Seat<Hold>) {
        // ORD(hold:B) as in `move_to`.
        hold.0.store(Hold::NONE, Ordering::Release);
        self.holds.release(hold);
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_word_gives_its_position_back_on_either_side_and_across_the_wrap() {
        for raw in [0, 64, 1 << 46, (1 << 46) - 64, (1 << 63) - 64, (1 << 63) - (1 << 40), 1 << 50]
        {
            let position = Position::new(raw);
            for ahead in [0, 64, 4096, 1 << 40] {
                assert_eq!(Word::new(position).position(position.plus(ahead)), position);
                assert_eq!(Word::new(position).position(position.minus(ahead)), position);
            }
            let word = Word::new(position).with_next_version().with_next_version();
            assert_eq!(word.moved_to(position.plus(128)).position(position), position.plus(128));
            assert_ne!(word, Word::new(position));
        }
    }

    #[test]
    fn the_smallest_hold_is_found_and_a_left_one_is_not() {
        let start = Position::new((1 << 63) - 128);
        let gate = Gate::new(start);
        assert_eq!(gate.smallest_hold(start), None);
        let first = gate.join(|| start);
        assert_eq!(first.position(), start);
        let second = gate.join(|| start);
        first.move_to(start.plus(256), false);
        second.move_to(start.plus(192), true);
        let smallest =
            |bytes, is_walked| Some(SmallestHold { position: start.plus(bytes), is_walked });
        assert_eq!(gate.smallest_hold(start), smallest(192, true));
        first.move_to(start.plus(256), true);
        assert_eq!(gate.smallest_hold(start), smallest(192, false));
        gate.leave(&second);
        assert_eq!(gate.smallest_hold(start), smallest(256, false));
        gate.leave(&first);
        assert_eq!(gate.smallest_hold(start), None);
    }
}
