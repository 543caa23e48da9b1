//! The readers' side: strong readers, whose hold keeps what they read in place, and weak ones,
//! who check afterwards that it was.

use super::descriptor::{Description, State};
use super::gate::Hold;
use super::position::Position;
use super::{CLOSED, Ring};
use crate::sync::{Ordering, fence};
use crate::table::Seat;

/// What a reader finds at its position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// A slice with payload.
    Slice(Description),
    /// So many ring bytes to step over.
    Skip(u64),
    /// Nothing yet.
    Nothing,
    /// The reader's position has been overwritten, or may be at any time.
    Overrun,
}

/// A strong reader's right to what lies from a position on. Whoever has one has joined, and gives
/// it back with [`Ring::leave`].
#[derive(Debug)]
pub(crate) struct Held {
    hold: Seat<Hold>,
    /// No slice at or after this position is recycled.
    position: Position,
    /// Where the reader jumped to, until the gate has come there: see [`Hold`].
    jumped_to: Option<Position>,
}

impl Held {
    #[inline]
    pub(crate) fn position(&self) -> Position {
        self.position
    }
}

impl Ring {
    /// The final position, once the channel is closed: whoever has seen that (ORD(ending:A)) gets
    /// it. It reads the writers' line: for cold paths.
    pub(crate) fn end(&self) -> Option<Position> {
        let word = self.reserved.load(Ordering::Relaxed);
        (word & CLOSED != 0).then(|| Position::new(word))
    }

    /// Makes the caller a strong reader at the oldest slice that is kept for strong readers.
    pub(crate) fn join(&self) -> Held {
        let (hold, position) = self.gate.join(|| self.reserved());
        Held { hold, position, jumped_to: None }
    }

    /// Gives up what lies before `position`.
    #[inline]
    pub(crate) fn release_up_to(&self, held: &mut Held, position: Position) {
        debug_assert!(!position.is_before(held.position));
        held.position = position;
        if let Some(start) = held.jumped_to {
            // The gate passes no slice in flight, so none is left behind once it has come there.
            if !self.gate.load().position(position).is_before(start) {
                held.jumped_to = None;
            }
        }
        held.hold.move_to(position, held.jumped_to.is_some());
    }

    /// Goes on at `position`, a slice at or after the one where the reader joined, over slices that
    /// may be in flight.
    pub(crate) fn jump(&self, held: &mut Held, position: Position) {
        if held.position.is_before(position) {
            held.jumped_to = Some(position);
            self.release_up_to(held, position);
        }
    }

    pub(crate) fn leave(&self, held: Held) {
        self.gate.leave(&held.hold);
    }

    /// What is at `position`, for a strong reader whose hold is there or before it.
    #[inline]
    pub(crate) fn find_held(&self, position: Position) -> Found {
        let descriptor = self.descriptor(position);
        let found = match descriptor.state(position) {
            // The hold keeps a slice with payload, and its descriptor, in place.
            Some(State::Committed) => return Found::Slice(descriptor.describe()),
            Some(State::Skip) => Found::Skip(u64::from(descriptor.describe().length)),
            None => Found::Nothing,
        };
        // Padding is not kept for anybody: the gate may have passed it, and writers with it
        // (`advance_gate`). Then what was just read belongs to a later lap, or is torn.
        // ORD(gate:D) Acquire, pairs with ORD(reserved:A): whoever has written over this descriptor
        // had seen a gate past it, and then the load below sees it, too.
        fence(Ordering::Acquire);
        if !self.gate.may_have_passed(position) {
            return found;
        }
        match self.gate.load().position(position).past(position) {
            0 => found,
            passed => Found::Skip(passed),
        }
    }

    /// What is at `position`, for a weak reader. A slice's description is to be trusted only after
    /// [`Ring::is_intact`], except that the slice is within the ring.
    #[inline]
    pub(crate) fn find(&self, position: Position) -> Found {
        let descriptor = self.descriptor(position);
        let state = descriptor.state(position);
        let description = descriptor.describe();
        let size = self.geometry.slice_size(u64::from(description.length));
        match state {
            Some(_) if size > self.geometry.rest_of_lap(position) => Found::Overrun,
            Some(State::Committed) => Found::Slice(description),
            Some(State::Skip) if self.is_intact(position) => Found::Skip(size),
            None if self.is_intact(position) => Found::Nothing,
            _ => Found::Overrun,
        }
    }

    /// Whether all that was read at or after `position` before this call is what was committed
    /// there: nobody had begun to write over it.
    #[inline]
    pub(crate) fn is_intact(&self, position: Position) -> bool {
        // ORD(reserved:B) Acquire, pairs with ORD(reserved:A): if we have read anything that a
        // writer wrote over `position`, we see that it had reserved it, and so that it had seen the
        // gate past it.
        fence(Ordering::Acquire);
        !self.gate.may_have_passed(position)
            || self.reserved().distance_from(position) <= self.capacity() as i64
    }

    /// The oldest slice that nobody had begun to overwrite a moment ago. Never before `from`.
    pub(crate) fn oldest_intact(&self, from: Position) -> Position {
        // ORD(reserved:B) as in `is_intact`: what made the caller ask comes before this look.
        fence(Ordering::Acquire);
        let reserved = self.reserved();
        let gate = self.gate.load().position(reserved);
        let mut position = reserved.minus(self.capacity()).later_of(from);
        // A stamp tells its own position, so it is that of a whole slice, wherever we come upon it.
        while position.is_before(gate) {
            if self.descriptor(position).state(position).is_some() {
                return position;
            }
            position = position.plus(super::position::GRANULE);
        }
        position
    }

    /// The first position from which on, up to what is reserved or in flight, no more than `bytes`
    /// of payload lie. For a strong reader whose hold is at `from` or before it, or, for a weak
    /// one, if every slice is intact; else nothing.
    pub(crate) fn back(&self, from: Position, bytes: u64) -> Option<Position> {
        let reserved = self.reserved();
        let total = self.payload(from, reserved, |_| true)?.1;
        let mut left = total;
        let (position, _) = self.payload(from, reserved, |length| {
            let goes_on = left > bytes;
            left = left.saturating_sub(length);
            goes_on
        })?;
        Some(position)
    }

    /// Adds up the payload of the slices that `goes_on` lets pass, given their lengths.
    fn payload(
        &self,
        from: Position,
        limit: Position,
        mut goes_on: impl FnMut(u64) -> bool,
    ) -> Option<(Position, u64)> {
        let (mut position, mut total) = (from, 0);
        while position.is_before(limit) {
            let (length, size) = match self.find(position) {
                Found::Slice(description) => {
                    let length = u64::from(description.length);
                    (length, self.geometry.slice_size(length))
                }
                Found::Skip(size) => (0, size),
                Found::Nothing => break,
                Found::Overrun => return None,
            };
            if !self.is_intact(position) {
                return None;
            }
            if !goes_on(length) {
                break;
            }
            total += length;
            position = position.plus(size);
        }
        Some((position, total))
    }

    /// Copies bytes that may be overwritten meanwhile; [`Ring::is_intact`] tells.
    #[inline]
    pub(crate) fn copy_racing(&self, position: Position, to: &mut [u8]) {
        self.storage.read(self.geometry.index(position), to);
    }

    /// Lends bytes of a committed slice: `length` of them from `offset` in the slice at `slice`.
    #[cfg(not(overfall_loom))]
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn lend<'a>(
        &'a self,
        held: &'a Held,
        slice: Position,
        offset: u64,
        length: u64,
    ) -> &'a [u8] {
        let descriptor = self.descriptor(slice);
        // Cheap, and what the proof stands on: the stamp is there, after the hold, and the bytes
        // are of this slice.
        assert!(!slice.is_before(held.position));
        assert!(descriptor.state(slice) == Some(State::Committed));
        assert!(offset + length <= u64::from(descriptor.describe().length));
        let index = self.geometry.index(slice.plus(offset));
        // SAFETY: the slice is committed, its stamp was just seen, and the bytes are its own. The
        // hold stands at or before it for as long as `held` is borrowed, since moving the hold or
        // leaving needs it mutably or whole; and the gate does not pass a committed slice that is
        // held (`advance_gate` walks past a hold over skipped slices only).
        unsafe { self.storage.lend(index, length as usize) }
    }

    /// Copies bytes of a committed slice, for a strong reader.
    #[inline]
    pub(crate) fn copy_held(&self, held: &Held, slice: Position, offset: u64, to: &mut [u8]) {
        #[cfg(not(overfall_loom))]
        to.copy_from_slice(self.lend(held, slice, offset, to.len() as u64));
        #[cfg(overfall_loom)]
        {
            assert!(!slice.is_before(held.position));
            self.storage.read_lent(self.geometry.index(slice.plus(offset)), to);
        }
    }
}
