//! The writers' side: reserve, commit, abort, and moving the gate on.

use super::descriptor::{Description, Joins, State};
use super::position::{GRANULE, Position, slice_size};
use super::{Ring, WriterSlot};
use crate::sync::{Ordering, fence};
use crate::table::Seat;

/// Why nothing was reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// There is no room: the bytes are held, or in flight.
    Full,
    /// The channel takes no more slices.
    Closed,
}

/// Ring bytes that belong to one writer until it commits or aborts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a reservation that is neither committed nor aborted holds up every reader"]
pub(crate) struct Reservation {
    pub(crate) position: Position,
    /// Ring bytes: whole granules.
    pub(crate) size: u64,
}

impl Reservation {
    /// The part of it at `offset` for a slice of `length` payload bytes, to be committed by itself.
    #[inline]
    pub(crate) fn part(&self, offset: u64, length: u64) -> Self {
        let size = slice_size(length);
        assert!(offset + size <= self.size && offset % GRANULE == 0);
        Self { position: self.position.plus(offset), size }
    }
}

/// One step of a reservation, taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reserved {
    Slice(Reservation),
    /// The rest of a lap, which is skipped already. As after a commit, readers may have to be
    /// woken; then the next step can be taken.
    Padding(Reservation),
}

impl Ring {
    /// Reserves `size` ring bytes before `limit`, if `writer` owns the cursor; `limit` is what
    /// [`Ring::limit_alone`] told it since, or any earlier position.
    #[inline]
    pub(crate) fn reserve_alone(
        &self,
        writer: &Seat<WriterSlot>,
        size: u64,
        limit: Position,
    ) -> Option<Reservation> {
        // Only this writer can have made itself the owner, and did not between here and the step.
        let position = self.reserved();
        if size as i64 > limit.distance_from(position) {
            return None;
        }
        if !self.reserved.step(writer, position, position.plus(size)) {
            return None;
        }
        // ORD(reserved:A) as in `reserve`.
        fence(Ordering::Release);
        Some(Reservation { position, size })
    }

    /// How far `writer` may [reserve alone](Self::reserve_alone) after `position`, where it left
    /// the cursor: to the end of the room and of the lap, and never more than a slice can have.
    pub(crate) fn limit_alone(
        &self,
        writer: &Seat<WriterSlot>,
        position: Position,
        gate: Position,
    ) -> Position {
        if !self.reserved.is_owner(writer) {
            return position;
        }
        let free = gate.plus(self.capacity()).past(position);
        let room = free.min(self.geometry.rest_of_lap(position)).min(self.geometry.max_slice());
        position.plus(room)
    }

    /// Takes a step towards room for `length` contiguous bytes, and leaves `others` ring bytes of
    /// room. `gate` is the caller's copy of the gate's position, which may be stale; it is brought
    /// up to date when the room runs out.
    #[inline]
    pub(crate) fn reserve(
        &self,
        writer: &Seat<WriterSlot>,
        length: u64,
        others: u64,
        gate: &mut Position,
    ) -> Result<Reserved, Refused> {
        debug_assert!(length <= self.geometry.max_slice());
        let mut word = self.reserved.load();
        loop {
            if word.is_closed() {
                // ORD(close:A) Acquire, pairs with ORD(close:B): who finds the channel closed
                // finds out why.
                fence(Ordering::Acquire);
                return Err(Refused::Closed);
            }
            if !self.reserved.is_movable(word, writer) {
                self.reserved.share();
                word = self.reserved.load();
                continue;
            }
            let reserved = word.position();
            let (size, is_padding) = self.next_step(reserved, length);
            let end = reserved.plus(size);
            if others > 0 && size + others > self.capacity() {
                // Wherever the gate is: it need not move for this.
                return Err(Refused::Full);
            }
            let wanted = end.plus(others);
            if !self.has_room(wanted, *gate) {
                *gate = self.advance_gate(reserved, wanted.minus(self.capacity()));
                if !self.has_room(wanted, *gate) {
                    let now = self.reserved.load();
                    if now == word {
                        return Err(Refused::Full);
                    }
                    word = now;
                    continue;
                }
            }
            if let Err(now) = self.reserved.exchange(word, end) {
                word = now;
                continue;
            }
            // ORD(reserved:A) Release, pairs with ORD(reserved:B): a weak reader that sees any
            // byte or word that we write from here on sees that we had reserved it.
            fence(Ordering::Release);
            let reservation = Reservation { position: reserved, size };
            if !is_padding {
                return Ok(Reserved::Slice(reservation));
            }
            self.abort(reservation);
            return Ok(Reserved::Padding(reservation));
        }
    }

    /// Lets `writer` reserve alone, if nobody else does, and the cursor is at `end`.
    pub(crate) fn take_cursor(&self, writer: &Seat<WriterSlot>, end: Position) {
        self.reserved.take(writer, end);
    }

    /// A slice is contiguous: one that would run past the end of the lap leaves the rest of the lap
    /// to a slice of its own, which is skipped. Two steps and not one, so that a slice as large as
    /// the ring fits in the end. Tells the size of the next step, and whether it is padding.
    #[inline]
    fn next_step(&self, reserved: Position, length: u64) -> (u64, bool) {
        let size = slice_size(length);
        let rest = self.geometry.rest_of_lap(reserved);
        if size <= rest { (size, false) } else { (rest, true) }
    }

    /// Whether `end` is within the ring that starts at `gate`.
    #[inline]
    fn has_room(&self, end: Position, gate: Position) -> bool {
        end.distance_from(gate) <= self.capacity() as i64
    }

    /// What others must leave so that a slice of `length` fits wherever the cursor is by then. Padding
    /// goes before it if the rest of the lap is shorter, by a granule at least; and the whole ring is
    /// enough for any slice.
    pub(crate) fn room_with_padding(&self, length: u64) -> u64 {
        (2 * slice_size(length) - GRANULE).min(self.capacity())
    }

    /// Whether [`Ring::reserve`] would get somewhere now, and leave `others` ring bytes of room; true,
    /// too, when it would be told that the channel is closed.
    #[inline]
    pub(crate) fn has_room_for(&self, length: u64, others: u64) -> bool {
        loop {
            let word = self.reserved.load();
            if word.is_closed() {
                return true;
            }
            let reserved = word.position();
            let needed = self.next_step(reserved, length).0 + others;
            if needed > self.capacity() {
                return false;
            }
            let end = reserved.plus(needed);
            let gate = self.advance_gate(reserved, end.minus(self.capacity()));
            if self.has_room(end, gate) {
                return true;
            }
            if self.reserved.load() == word {
                return false;
            }
        }
    }

    /// Moves the gate to `wanted` if it can, or as far as it can, and tells where it is.
    /// `reserved` is a position that the cursor had before the call.
    fn advance_gate(&self, reserved: Position, wanted: Position) -> Position {
        loop {
            let seen = self.gate.load();
            let gate = seen.position(reserved);
            if !gate.is_before(wanted) {
                return gate;
            }
            let target = match self.gate.smallest_hold(gate) {
                Some(hold) => {
                    // Behind a reader that jumped there, a slice may be in flight.
                    let from = if hold.is_walked { hold.position } else { gate };
                    let reached = self.walk(from, hold.position, |_, _| true);
                    // A reader that stands before padding has nothing to lose by it: it need not
                    // come back for the room to be free. It finds itself behind the gate, and
                    // follows.
                    let skip = |state, _| state == State::Skip;
                    if reached == hold.position {
                        self.walk(reached, reserved, skip)
                    } else {
                        reached
                    }
                }
                // Nobody reads: the oldest slices go, and an eighth of the ring more than is
                // needed, so that the next writers find room, but none that is in flight.
                None => {
                    let enough = wanted.plus(self.capacity() / 8);
                    self.walk(gate, reserved, |_, start| start.is_before(enough))
                }
            };
            if target == gate {
                return gate;
            }
            self.gate.advance(seen, target);
        }
    }

    /// Steps from slice to slice for as long as `goes_on` says so, and not past a slice in flight
    /// or `limit`.
    ///
    /// What is read here may be torn if the gate moves meanwhile. Then the exchange of the gate
    /// that the walk is for fails; all that matters until then is that the walk ends.
    fn walk(
        &self,
        from: Position,
        limit: Position,
        goes_on: impl Fn(State, Position) -> bool,
    ) -> Position {
        let mut position = from;
        while position.is_before(limit) {
            let Some(state) = self.descriptor(position).state(position) else { break };
            if !goes_on(state, position) {
                break;
            }
            let length = self.descriptor(position).length();
            let next = position.plus(slice_size(length));
            if limit.is_before(next) {
                break;
            }
            position = next;
        }
        position
    }

    /// Gives up what a slice of `length` payload bytes does not need of its reservation. It goes
    /// first, so that whoever sees the slice can step over what follows.
    pub(crate) fn trim(&self, reservation: &mut Reservation, length: u64) {
        let used = slice_size(length);
        if used < reservation.size {
            let position = reservation.position.plus(used);
            self.abort(Reservation { position, size: reservation.size - used });
            reservation.size = used;
        }
    }

    /// Commits a slice, whose bytes have been written, and which needs all of its reservation.
    #[inline]
    pub(crate) fn commit(&self, reservation: Reservation, description: Description) {
        let Reservation { position, size } = reservation;
        debug_assert_eq!(size, slice_size(u64::from(description.length)));
        self.descriptor(position).publish(position, State::Committed, description);
    }

    /// Gives a slice up: every reader steps over it.
    #[inline]
    pub(crate) fn abort(&self, reservation: Reservation) {
        let Reservation { position, size } = reservation;
        let joins = Joins::default();
        let description =
            Description { length: size as u32, writer: 0, sequence: 0, bytes: 0, joins };
        self.descriptor(position).publish(position, State::Skip, description);
    }

    /// Copies `bytes` to `offset` of a slice that the caller has reserved.
    #[allow(unsafe_code)]
    #[inline]
    pub(crate) fn write(&self, reservation: &Reservation, offset: u64, bytes: &[u8]) {
        let end = offset.checked_add(bytes.len() as u64);
        assert!(
            end.is_some_and(|end| end <= reservation.size),
            "a write past the end of its slice"
        );
        let position = reservation.position.plus(offset);
        // SAFETY: a `Reservation` is made by `reserve` and `reserve_alone`, for one writer, which
        // lends it here before it commits or aborts; what is written is inside of it, as was just
        // checked, and its size is a multiple of whole words.
        unsafe { self.storage.write(position, bytes) }
    }

    /// Lets no more slices be reserved, for ever. After this [`Ring::end`] is known.
    #[inline]
    pub(crate) fn close(&self) {
        self.reserved.close();
    }
}
