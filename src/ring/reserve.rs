//! The writers' side: reserve, commit, abort, and moving the gate on.

use super::Ring;
use super::cursor::{Reign, Word};
use super::descriptor::{Description, Joins, State};
use super::exclusive::SHORT;
use super::position::{GIVE_UP_STEP, GRANULE, Position, slice_size};
use crate::sync::asymmetric::THRESHOLD;
use crate::sync::pause::point;
use crate::sync::table::Index;
use crate::sync::{Ordering, fence, spin_loop};
use std::num::NonZero;
#[cfg(all(unix, not(overfall_loom)))]
use std::{io, os::fd::BorrowedFd};

/// Why nothing was reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// There is no room: bytes are held, or in flight.
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
    /// It stands for no reservation.
    pub(crate) const NONE: Self = Self { position: Position::new(0), size: 0 };

    /// Takes the reservation, if it is one, and leaves none behind.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Self> {
        let Self { position, size } = *self;
        self.size = 0;
        if size > 0 { Some(Self { position, size }) } else { None }
    }

    #[inline]
    fn end(&self) -> Position {
        self.position.plus(self.size)
    }

    /// Takes its first part off, for a slice of `length` payload bytes.
    #[inline]
    pub(crate) fn split(&mut self, length: u64) -> Self {
        let size = slice_size(length);
        assert!(size <= self.size, "messages have become longer meanwhile");
        let first = Self { position: self.position, size };
        (self.position, self.size) = (self.position.plus(size), self.size - size);
        first
    }
}

/// What [`Ring::reserve`] has taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reserved {
    pub(crate) slice: Reservation,
    /// Whether padding went before it. That is skipped already: as after a commit, who waits may have
    /// to be woken.
    pub(crate) is_padded: bool,
}

/// What a writer knows of the cursor and of the gate.
///
/// The quick way of a reservation looks at `room` alone, or, where other writers move the cursor as well, at
/// `is_shared` and at the line for room. For all else that it would have to look at, these are 0
/// ([`Lane::close`]): a slice in flight, a writer that waits in the line for
/// room, a write that goes on with the next one, a writer that is done. So they are something else
/// only from [`Ring::open`] until the writer does something that is not a reservation of the quick
/// way.
#[derive(Debug)]
pub(crate) struct Lane {
    /// The granules from the cursor on that this writer may reserve, if it is the owner. All are
    /// free and on one lap, and they are no more than a slice can have.
    room: u32,
    /// What the room was, while a slice is in flight.
    kept: u32,
    /// Whether this writer may reserve a granule by an exchange and look at nothing but the line for room. Set by
    /// [`Ring::open`] if it is not the owner.
    is_shared: bool,
    /// Where the gate was when this writer last looked at it.
    gate: Position,
    /// The last reservation that was refused, if it was for a hold.
    refusal: Option<Refusal>,
    /// Where the last reservation ended that did not take the quick way.
    end: Position,
    /// How many of these in a row began where the one before had ended.
    undisturbed: u32,
    /// The reign over the cursor that this writer had last.
    reign: Reign,
}

/// What a writer has learned from a reservation for which there was no room: a hold keeps the gate where the lane says
/// that it is.
#[derive(Debug)]
struct Refusal {
    word: Word,
    /// The granules that it would have taken, and left.
    granules: u32,
    /// The entry of the hold, and one more.
    holder: NonZero<Index>,
}

impl Lane {
    /// The quick way is closed until [`Ring::open`].
    #[inline]
    pub(crate) fn close(&mut self) {
        (self.room, self.kept, self.is_shared) = (0, 0, false);
    }

    /// Whether [`Ring::reserve_shared`] may be tried.
    #[inline]
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Closes the quick way while a slice is in flight.
    #[inline]
    pub(crate) fn suspend(&mut self) {
        (self.room, self.kept, self.is_shared) = (0, self.room, false);
    }

    /// Opens the quick way again, if it is only suspended, and there is room left. As between two quick writes,
    /// nothing has come in its way: whatever does closes it, or takes the cursor away.
    #[inline]
    pub(crate) fn resume(&mut self) -> bool {
        self.room = std::mem::take(&mut self.kept);
        self.room > 0
    }

    /// Makes the next reservation take the cursor. Otherwise that takes many reservations first.
    #[cfg(any(test, overfall_loom))]
    pub(crate) fn want_cursor(&mut self, end: Position) {
        self.end = end;
        self.undisturbed = THRESHOLD;
    }

    /// The gate is there now. What was learned of an earlier place of it is of no use any more.
    fn look_at_gate(&mut self, gate: Position) {
        (self.gate, self.refusal) = (gate, None);
    }

    /// Records a reservation that did not take the quick way.
    #[inline]
    fn record(&mut self, position: Position, end: Position) {
        let is_next = position == self.end;
        self.end = end;
        self.undisturbed = if is_next { self.undisturbed.saturating_add(1) } else { 0 };
    }
}

/// So many ring bytes in granules; more than any ring has if they do not fit.
#[inline]
fn in_granules(size: u64) -> u32 {
    u32::try_from(size / GRANULE).unwrap_or(u32::MAX)
}

/// Takes time in proportion to what is given up. `position.rs` says why.
#[cold]
#[inline(never)]
fn take_time(size: u64) {
    (0..size / GIVE_UP_STEP).for_each(|_| spin_loop());
}

impl Ring {
    /// What a new writer knows.
    pub(crate) fn lane(&self) -> Lane {
        let gate = self.gate();
        Lane {
            room: 0,
            kept: 0,
            is_shared: false,
            gate,
            refusal: None,
            end: gate,
            undisturbed: 0,
            reign: Reign::NONE,
        }
    }

    /// Reserves `size` ring bytes, if this writer owns the cursor and its lane is open that far.
    #[inline]
    pub(crate) fn reserve_exclusive(&self, lane: &mut Lane, size: u64) -> Option<Reservation> {
        let granules = u32::try_from(size / GRANULE).unwrap_or(u32::MAX);
        let (room, is_short) = lane.room.overflowing_sub(granules);
        lane.room = room;
        if is_short {
            lane.room = 0;
            return None;
        }
        // If the step succeeds, no other thread has moved the cursor since the lane was opened.
        let position = self.reserved();
        if !self.reserved.step(lane.reign, position.plus(size)) {
            lane.close();
            return None;
        }
        // ORD(reserved:A) as in `take`.
        fence(Ordering::Release);
        Some(Reservation { position, size })
    }

    /// Opens the quick way behind `reservation`, the last one of this writer: to the end of the
    /// room or of the lap, and for no more than a slice can have.
    #[inline]
    pub(crate) fn open(&self, lane: &mut Lane, reservation: &Reservation) {
        lane.close();
        lane.is_shared = true;
        if self.reserved.is_owner(lane.reign) {
            let position = reservation.position.plus(reservation.size);
            // The gate is at most a capacity behind; or this is an old copy of it, and then there
            // is no room.
            let granules = self.geometry.granules() as u64;
            let free = granules.saturating_sub(position.since(lane.gate));
            let rest = granules - (position.granule() & (granules - 1));
            lane.is_shared = false;
            // A slice has less than 4 GiB.
            lane.room = free.min(rest).min(self.geometry.max_slice_granules()) as u32;
        }
    }

    /// Reserves `length` contiguous bytes, with the padding that they need, and leaves `others` ring
    /// bytes of room. If it is refused, no position has moved but that of the gate. Closes the lane.
    #[inline]
    pub(crate) fn reserve(
        &self,
        lane: &mut Lane,
        length: u64,
        others: u64,
    ) -> Result<Reserved, Refused> {
        assert!(length <= self.geometry.max_slice());
        lane.close();
        let size = slice_size(length);
        let mut word = self.reserved.load();
        loop {
            if word.is_closed() {
                // ORD(close:A) Acquire, pairs with ORD(close:B): a writer that finds the channel
                // closed finds out why.
                fence(Ordering::Acquire);
                return Err(Refused::Closed);
            }
            if word.is_owned() && !self.reserved.is_owner(lane.reign) {
                self.reserved.share();
                word = self.reserved.load();
                continue;
            }
            let reserved = word.position();
            let Some(wanted) = self.wanted(reserved, size, others) else {
                // Wherever the gate is: it need not move for this.
                return Err(Refused::Full);
            };
            if !self.has_room(wanted, lane.gate) {
                let granules = in_granules(size.saturating_add(others));
                let held_up = lane.refusal.as_mut().filter(|it| self.is_held_up(it, lane.gate));
                if let Some(refusal) = held_up {
                    (refusal.word, refusal.granules) = (word, granules);
                    return Err(Refused::Full);
                }
                lane.look_at_gate(self.advance_gate(reserved, wanted, true));
                if !self.has_room(wanted, lane.gate) {
                    let now = self.reserved.load();
                    if now == word {
                        lane.refusal = self.find_holder(lane.gate).map(|holder| Refusal {
                            word,
                            granules,
                            holder,
                        });
                        return Err(Refused::Full);
                    }
                    word = now;
                    continue;
                }
            }
            let padding = Reservation { position: reserved, size: self.padding(reserved, size) };
            let slice = Reservation { position: padding.end(), size };
            if let Err(now) = self.take(lane, word, slice.end()) {
                word = now;
                continue;
            }
            let is_padded = padding.size > 0;
            if is_padded {
                self.skip_padding(lane, padding, &slice);
            }
            return Ok(Reserved { slice, is_padded });
        }
    }

    /// Whether [`Ring::reserve`] of `length` bytes would be refused as the last one was. A writer that asks again and
    /// again need not look at all that it looks at.
    #[inline]
    pub(crate) fn is_still_full(&self, lane: &Lane, length: u64) -> bool {
        lane.refusal.as_ref().is_some_and(|refusal| {
            refusal.word == self.reserved.load()
                && refusal.granules <= in_granules(slice_size(length))
                && self.is_held_up(refusal, lane.gate)
        })
    }

    /// Whether the gate is still where it was, and the hold that kept it there as well. Each hold lies on a line that its
    /// reader writes, and it is one of many.
    ///
    /// The hold may be another one by now, in the same entry: then that one keeps the gate back. It may have been put up
    /// behind the gate, by a reader that has not joined yet, and moves on: so the gate is looked at as well.
    #[inline]
    fn is_held_up(&self, refusal: &Refusal, gate: Position) -> bool {
        // ORD(cursor:B) Acquire, pairs with ORD(cursor:A), as in `advance_gate`: the gate and the hold are no older than
        // the word that the caller has read.
        fence(Ordering::Acquire);
        let hold = || self.gate.hold(refusal.holder.get() - 1);
        self.gate.load() == gate && hold().is_some_and(|(place, _)| place == gate)
    }

    /// The entry of a hold that keeps the gate where it is, and one more. Nothing if the gate may move on though no hold
    /// does: over slices that are given up, as one in flight may be.
    fn find_holder(&self, gate: Position) -> Option<NonZero<Index>> {
        self.find_committed(gate)?;
        NonZero::new(self.gate.find_hold(gate)? + 1)
    }

    /// Reserves a granule by one exchange, if that is all it takes, for a lane that
    /// [is shared](Lane::is_shared). If not, nothing has happened.
    #[inline(always)]
    pub(crate) fn reserve_shared(&self, lane: &mut Lane) -> Option<Reservation> {
        let word = self.reserved.load();
        let position = word.position();
        // It needs no padding. Soon it may be worth it to take the cursor.
        let slice = Reservation { position, size: GRANULE };
        let is_free = !word.is_closed() & !word.is_owned();
        let is_quick = is_free
            && lane.undisturbed < THRESHOLD
            && self.has_room(slice.end(), lane.gate)
            && self.take(lane, word, slice.end()).is_ok();
        is_quick.then_some(slice)
    }

    /// Moves the cursor from `seen` to `end`, behind which all that is reserved may be written.
    #[inline(always)]
    fn take(&self, lane: &mut Lane, seen: Word, end: Position) -> Result<(), Word> {
        point();
        self.move_cursor(lane, seen, end)?;
        // ORD(reserved:A) Release, pairs with ORD(reserved:B): a weak reader that sees any
        // byte or word that we write from here on sees that we had reserved it.
        fence(Ordering::Release);
        lane.record(seen.position(), end);
        Ok(())
    }

    /// Skips the padding that was reserved before `slice`. If the two are longer than the ring, the
    /// slice lies over the bytes and the descriptor of its padding. Then the gate is right before the
    /// padding, and it passes that before anything is written behind.
    #[cold]
    fn skip_padding(&self, lane: &mut Lane, padding: Reservation, slice: &Reservation) {
        self.abort(padding);
        if !self.has_room(slice.end(), lane.gate) {
            point();
            lane.look_at_gate(self.gate.pass(padding.position, slice.position));
            // ORD(reserved:A) Release, once more: a thread that sees any byte or word that we write
            // from here on sees that the gate has passed the padding.
            fence(Ordering::Release);
        }
    }

    /// Moves the cursor from `seen` to `end`: by a step, if this writer owns it, or by an exchange,
    /// which may make this writer the owner. If that fails, tells where the cursor is.
    #[inline(always)]
    fn move_cursor(&self, lane: &mut Lane, seen: Word, end: Position) -> Result<(), Word> {
        let cursor = &self.reserved;
        if seen.is_owned() {
            if cursor.step(lane.reign, end) { Ok(()) } else { Err(cursor.load()) }
        } else if lane.undisturbed >= THRESHOLD {
            // So many exchanges cost about as much as taking the cursor away again.
            lane.undisturbed = 0;
            cursor.exchange_and_take(seen, end, &mut lane.reign)
        } else {
            cursor.exchange(seen, end)
        }
    }

    /// The padding before a slice of `size` ring bytes. A slice is contiguous: one that would run past
    /// the end of the lap leaves the rest of the lap to a slice of its own, which is skipped.
    #[inline]
    fn padding(&self, reserved: Position, size: u64) -> u64 {
        let rest = self.geometry.rest_of_lap(reserved);
        if size <= rest { 0 } else { rest }
    }

    /// Up to where there must be room for a slice of `size` ring bytes, its padding and `others`. The
    /// whole ring is enough: if there is nothing before `reserved`, the gate passes the padding at once,
    /// which is room again. Nothing if even that is not enough.
    #[inline]
    fn wanted(&self, reserved: Position, size: u64, others: u64) -> Option<Position> {
        let capacity = self.capacity();
        let behind_padding = size.saturating_add(others);
        if behind_padding > capacity {
            return None;
        }
        Some(reserved.plus((self.padding(reserved, size) + behind_padding).min(capacity)))
    }

    /// Whether `end` is within the ring that starts at `gate`. An old copy of the gate, more than a
    /// capacity behind, counts as no room, until it is a whole turn old.
    #[inline]
    fn has_room(&self, end: Position, gate: Position) -> bool {
        end.is_within(self.capacity(), gate)
    }

    /// What others must leave so that a slice of `length` fits wherever the cursor is by then. If
    /// the rest of the lap is too short for it, by a granule at least, padding goes before it. The
    /// whole ring is enough for any slice.
    pub(crate) fn room_with_padding(&self, length: u64) -> u64 {
        (2 * slice_size(length) - GRANULE).min(self.capacity())
    }

    /// Whether [`Ring::reserve`] would not be told now that the ring is full. Where it would move the gate for that, it
    /// is left to move it, once and as far as it can go by then. Where there is no room yet, the gate is moved, so that
    /// who looks again and again does not go the same way each time.
    #[inline]
    pub(crate) fn has_room_for(&self, length: u64, others: u64) -> bool {
        let size = slice_size(length);
        loop {
            let word = self.reserved.load();
            if word.is_closed() {
                return true;
            }
            let reserved = word.position();
            let Some(wanted) = self.wanted(reserved, size, others) else { return false };
            let gate = self.advance_gate(reserved, wanted, false);
            if self.has_room(wanted, gate) {
                return true;
            }
            if self.reserved.load() == word {
                return false;
            }
        }
    }

    /// Moves the gate as far as it may go.
    pub(crate) fn move_gate(&self) {
        let reserved = self.reserved();
        self.advance_gate(reserved, reserved.plus(self.capacity()), true);
    }

    /// Whether [`Ring::reserve`] would find room for a slice of a granule now; takes none.
    #[cfg(any(feature = "futures", overfall_loom))]
    pub(crate) fn find_room(&self, others: u64) -> Result<(), Refused> {
        if !self.has_room_for(0, others) {
            return Err(Refused::Full);
        }
        if self.end().is_some() {
            // ORD(close:A) Acquire, as in `reserve`.
            fence(Ordering::Acquire);
            return Err(Refused::Closed);
        }
        Ok(())
    }

    /// Whether a strong reader stands before something to read, and will give that back.
    pub(crate) fn is_anything_unread(&self) -> bool {
        let gate = self.gate.load();
        let Some(hold) = self.gate.smallest_hold(gate) else { return false };
        let reserved_ahead = self.reserved().since(gate);
        let skip = |state, _| state == State::Skip;
        let next = gate.on(self.walk(gate, hold.ahead, reserved_ahead, skip));
        self.descriptor(next).state(next) == Some(State::Committed)
    }

    /// Whether all strong readers have given back what lies before `end`; nothing if there are none.
    /// What is skipped needs no reader.
    pub(crate) fn was_read(&self, end: Position) -> Option<bool> {
        loop {
            let gate = self.gate.load();
            // If holds are cloned all the time, it is not known. Who clones one looks for who waits.
            let Some(smallest) = self.gate.check_holds(gate) else { return Some(false) };
            let hold = smallest?;
            if !gate.on(hold.ahead).is_before(end) {
                return Some(true);
            }
            let reserved_ahead = self.reserved().since(gate);
            let skip = |state, _| state == State::Skip;
            let next = gate.on(self.walk(gate, hold.ahead, reserved_ahead, skip));
            // ORD(gate:D) Acquire, pairs with ORD(reserved:A): if anything on the way was written over,
            // the gate has moved.
            fence(Ordering::Acquire);
            if self.gate.load() == gate {
                return Some(!next.is_before(end));
            }
        }
    }

    /// The ring bytes from the smallest hold on, as far as they are reserved; 0 if there is no hold.
    pub(crate) fn held(&self) -> u64 {
        let gate = self.gate.load();
        let Some(hold) = self.gate.smallest_hold(gate) else { return 0 };
        // The two looks are of different moments, and may seem too far apart.
        self.reserved().bytes_since(gate.on(hold.ahead)).min(self.capacity())
    }

    /// Moves the gate so that there is room up to `end`, if it can, or as far as it can, and tells where
    /// it is. `reserved` is where the cursor was before the call, and `end` at most a capacity on. If the
    /// cursor has moved on and the gate with it, what is told may be past `reserved`.
    ///
    /// Unless `moves_it`, the gate stays if it could be moved far enough, and it is told how far. Where it moves
    /// meanwhile, that may be too far ([`Ring::walk`]): who is woken by it looks for itself.
    fn advance_gate(&self, reserved: Position, end: Position, moves_it: bool) -> Position {
        // ORD(cursor:B) Acquire, pairs with ORD(cursor:A): the gate is no older than `reserved`. An
        // older gate would look as if it had run ahead, and a ring that has room would count as
        // full.
        fence(Ordering::Acquire);
        loop {
            let gate = self.gate.load();
            if self.has_room(end, gate) || !reserved.is_within(self.geometry.reach(), gate) {
                return gate;
            }
            point();
            let smallest = self.gate.smallest_hold(gate);
            let reserved_ahead = reserved.since(gate);
            let ahead = match smallest {
                Some(hold) => {
                    // Behind a reader that jumped there, a slice may be in flight.
                    let from = if hold.is_walked { hold.ahead } else { 0 };
                    let reached = self.walk(gate, from, hold.ahead, |_, _| true);
                    // A reader that stands before padding loses nothing if the gate moves over it.
                    // The room is free even if the reader does not come back. If it does, it finds
                    // itself behind the gate, and follows.
                    let skip = |state, _| state == State::Skip;
                    if reached == hold.ahead {
                        self.walk(gate, reached, reserved_ahead, skip)
                    } else {
                        reached
                    }
                }
                // There is no strong reader. The oldest slices go, but none that is in flight. Some
                // of the ring goes beyond what is needed, so that the next writers find room.
                None => {
                    let granules = self.capacity() / GRANULE;
                    let enough = end.since(gate) - granules + self.surplus;
                    self.walk(gate, 0, reserved_ahead, |_, ahead| ahead < enough)
                }
            };
            if ahead == 0 {
                return gate;
            }
            point();
            if !moves_it && self.has_room(end, gate.on(ahead)) {
                return gate.on(ahead);
            }
            if !self.gate.advance(gate, gate.on(ahead), smallest) {
                return gate;
            }
        }
    }

    /// Steps from slice to slice for as long as `goes_on` says so, and not past a slice in flight
    /// or `limit`. Places are counted in granules past `gate`.
    ///
    /// What is read here may be torn if the gate moves meanwhile. Then the move of the gate that
    /// the walk is for fails. Until then it only matters that the walk ends.
    fn walk(
        &self,
        gate: Position,
        from: u64,
        limit: u64,
        goes_on: impl Fn(State, u64) -> bool,
    ) -> u64 {
        let (mut position, mut ahead) = (gate.on(from), from);
        while ahead < limit {
            point();
            let descriptor = self.descriptor(position);
            let Some(state) = descriptor.state(position) else { break };
            if !goes_on(state, ahead) {
                break;
            }
            let size = slice_size(descriptor.length());
            let next = ahead + size / GRANULE;
            if limit < next {
                break;
            }
            position = position.plus(size);
            ahead = next;
        }
        ahead
    }

    /// Gives up what a slice of `length` payload bytes does not need of its reservation. That is
    /// done before the commit, so that a reader that sees the slice can step over what follows.
    pub(crate) fn trim(&self, reservation: &mut Reservation, length: u64) {
        let used = slice_size(length);
        // Readers lend as many bytes as the descriptor tells.
        assert!(used <= reservation.size, "a commit past the end of its slice");
        if used < reservation.size {
            let position = reservation.position.plus(used);
            self.abort(Reservation { position, size: reservation.size - used });
            reservation.size = used;
        }
    }

    /// Commits a slice. Its bytes have been written, and it needs all of its reservation.
    #[inline]
    pub(crate) fn commit(&self, reservation: Reservation, description: Description) {
        let Reservation { position, size } = reservation;
        debug_assert_eq!(size, slice_size(u64::from(description.length)));
        #[cfg(not(overfall_loom))]
        self.storage.prefetch_descriptor(position, size);
        self.descriptor(position).publish(position, State::Committed, description);
    }

    /// Describes a slice that is committed with others by [`Ring::commit_many`].
    #[inline]
    pub(crate) fn describe_in_flight(&self, reservation: &Reservation, description: Description) {
        debug_assert_eq!(reservation.size, slice_size(u64::from(description.length)));
        self.descriptor(reservation.position).fill(State::Committed, description);
    }

    /// Commits slices that fill a reservation side by side, and are described. The first one goes last: readers
    /// come to it first, and so see all of them or none. Tells where the last one lies.
    pub(crate) fn commit_many(&self, reservation: &Reservation) -> Position {
        let first = self.descriptor(reservation.position);
        let mut last = reservation.position;
        let mut next = last.plus(slice_size(first.length()));
        while next != reservation.end() {
            let descriptor = self.descriptor(next);
            descriptor.stamp(next, State::Committed);
            last = next;
            next = next.plus(slice_size(descriptor.length()));
        }
        first.stamp(reservation.position, State::Committed);
        last
    }

    /// Gives a slice up: every reader steps over it.
    #[inline]
    pub(crate) fn abort(&self, reservation: Reservation) {
        let Reservation { position, size } = reservation;
        if size >= GIVE_UP_STEP {
            take_time(size);
        }
        let joins = Joins::default();
        let description =
            Description { length: size as u32, writer: 0, sequence: 0, bytes: 0, joins };
        self.descriptor(position).publish(position, State::Skip, description);
    }

    /// Copies `bytes` to `offset` of a slice that the caller has reserved.
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) fn write(&self, reservation: &Reservation, offset: u64, bytes: &[u8]) {
        if bytes.len() > SHORT || offset % GRANULE != 0 || offset >= reservation.size {
            return self.write_anywhere(reservation, offset, bytes);
        }
        // SAFETY: as in `write_anywhere`. It is no more than the granule at `offset`, and what is reserved is whole
        // granules.
        unsafe { self.storage.write_granule(reservation.position.plus(offset), bytes) }
    }

    /// The same for what is not just in one granule.
    #[allow(unsafe_code)]
    #[inline]
    fn write_anywhere(&self, reservation: &Reservation, offset: u64, bytes: &[u8]) {
        let end = offset.checked_add(bytes.len() as u64);
        assert!(
            end.is_some_and(|end| end <= reservation.size),
            "a write past the end of its slice"
        );
        self.prepare_for(reservation.position, offset, bytes.len());
        // SAFETY: a `Reservation` is made by `reserve` and `reserve_exclusive`, for one writer,
        // which lends it here before it commits or aborts. What is written is inside of it, as was
        // just checked, and its size is a multiple of whole words.
        unsafe { self.storage.write(reservation.position, offset, bytes) }
    }

    /// Fills a slice. Callers know whether it has more than a granule: only one of the two is in their code.
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) fn write_whole(&self, reservation: &Reservation, bytes: &[u8]) {
        let length = bytes.len() as u64;
        if length <= GRANULE {
            return self.write(reservation, 0, bytes);
        }
        assert!(length <= reservation.size, "a write past the end of its slice");
        self.prepare_for(reservation.position, 0, bytes.len());
        // SAFETY: as in `write_anywhere`, and it is longer than a granule. A reservation is contiguous.
        unsafe { self.storage.write_long(reservation.position, bytes) }
    }

    /// Reads from a descriptor once, up to `length` bytes to `offset` of a slice that the caller has reserved.
    #[cfg(all(unix, not(overfall_loom)))]
    #[allow(unsafe_code)]
    pub(crate) fn read_from(
        &self,
        reservation: &Reservation,
        offset: u64,
        length: usize,
        descriptor: BorrowedFd<'_>,
    ) -> io::Result<usize> {
        let end = offset.checked_add(length as u64);
        assert!(end.is_some_and(|end| end <= reservation.size), "a read past the end of its slice");
        // SAFETY: as in `write`.
        unsafe { self.storage.read_from(reservation.position, offset, length, descriptor) }
    }

    /// Lets no more slices be reserved, for ever. After this [`Ring::end`] is known.
    #[inline]
    pub(crate) fn close(&self) {
        self.reserved.close();
    }
}
