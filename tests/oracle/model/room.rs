//! Room in the ring, and who is woken when there is some.

use super::{Ending, GRANULE, MASK, Model, Owed, Refused, Slice, State, Unread};

impl Model {
    /// As far as the gate may go: strong readers hold what they have not read, except that nobody
    /// needs what was skipped; and nobody writes over a slice in flight.
    pub(super) fn furthest_gate(&self) -> u64 {
        let in_flight = self.first_in_flight(self.gate);
        match self.holds().min() {
            Some(held) => self.after_skipped(held).min(in_flight),
            None => in_flight,
        }
    }

    /// The gate was seen at `raw`: checks that it may be there.
    pub(crate) fn follow_gate(&mut self, raw: u64) {
        let gate = raw.wrapping_sub(self.start) & MASK;
        assert!(gate >= self.gate, "the gate moved back, from {} to {gate}", self.gate);
        let furthest = self.furthest_gate();
        assert!(gate <= furthest, "the gate is at {gate}, past {furthest}");
        assert!(self.reserved() <= gate + self.capacity, "more than a ring is reserved");
        let slice = self.slice(gate);
        let is_start = slice.map_or(self.reserved(), |slice| slice.at) == gate;
        assert!(is_start, "the gate is in the middle of a slice, at {gate}");
        // With nobody to read it, an eighth of the ring may go that nobody has asked for yet.
        let is_held = self.holds().next().is_some();
        let was_held = std::mem::replace(&mut self.was_held, is_held);
        if gate > self.gate && !is_held && !was_held {
            let enough = (self.asked.get() + self.capacity / 8).saturating_sub(self.capacity);
            let last = &self.slices[self.slices.partition_point(|slice| slice.at < gate) - 1];
            assert!(last.at < enough, "the gate is at {gate}, and {enough} was enough");
        }
        self.gate = gate;
        self.asked.set(0);
    }

    /// The padding before a slice of `size` that does not fit before the end of the lap: all the rest.
    fn padding(&self, size: u64) -> u64 {
        let rest = self.capacity - self.raw(self.reserved()) % self.capacity;
        if size <= rest { 0 } else { rest }
    }

    /// What is neither unread nor in flight is free. A slice of `length` bytes goes into an empty ring,
    /// and otherwise where there is room for its granules and its padding. `others` ring bytes stay free.
    pub(super) fn has_room(&self, length: u64, others: u64) -> bool {
        let size = ring_bytes(length);
        if size + others > self.capacity {
            return false;
        }
        let wanted = (self.padding(size) + size + others).min(self.capacity);
        self.asked.set(self.asked.get().max(self.reserved() + wanted));
        let free = self.capacity - (self.reserved() - self.furthest_gate());
        wanted <= free
    }

    pub(super) fn with_padding(&self, length: u64) -> u64 {
        (2 * ring_bytes(length) - GRANULE).min(self.capacity)
    }

    /// What a message of a writer that drops leaves to a larger one that was dropped, once readers have
    /// given room back.
    pub(super) fn owed_besides(&mut self, index: usize, length: u64) -> u64 {
        let room = self.with_padding(length);
        let owed = self.owed.room;
        if !self.writer(index).drops || owed <= room {
            return 0;
        }
        self.owed.left -= 1;
        if self.owed.left == 0 {
            self.owed.room = 0;
            return 0;
        }
        if self.owed.writer == self.writer(index).id {
            return 0;
        }
        // The gate is moved as far as it may go.
        self.has_room(self.capacity, 0);
        if self.furthest_gate() == self.owed.gate { 0 } else { owed }
    }

    /// Whether it is the turn of messages that need less than `room`.
    fn is_turn_of_smaller(&self, room: u64) -> bool {
        room >= self.owed.settled && self.reserved() < self.owed.turn
    }

    /// A message was dropped. Those after it leave it its room, unless they are as large. The first one of
    /// a writer leaves no claim.
    pub(super) fn leave_claim(&mut self, index: usize, length: u64) {
        let room = self.with_padding(length);
        if room == GRANULE || self.has_room(length, 0) {
            return;
        }
        if room < self.owed.room || self.is_turn_of_smaller(room) {
            return;
        }
        let is_new = room > self.owed.room;
        let patience = &mut self.writer(index).patience;
        let is_first = *patience == 0;
        if is_first || is_new {
            *patience = (*patience * 2).clamp(1, 1 << 16);
        }
        if is_first {
            return;
        }
        let (left, writer) = (*patience, self.writer(index).id);
        let gate = self.furthest_gate();
        self.owed = Owed { room, writer, left, gate, ..self.owed };
    }

    /// A message of a writer that drops has its room.
    pub(super) fn settle_claim(&mut self, index: usize, length: u64) {
        let room = self.with_padding(length);
        if !self.writer(index).drops || self.owed.room == 0 || self.owed.room > room {
            return;
        }
        self.owed.room = 0;
        let patience = &mut self.writer(index).patience;
        *patience = patience.div_ceil(2);
        if self.reserved() >= self.owed.turn || room >= self.owed.settled {
            self.owed.settled = room;
            self.owed.turn = self.reserved() + ring_bytes(length);
        }
    }

    /// All or nothing. `others` ring bytes stay free.
    pub(super) fn reserve(&mut self, length: u64, others: u64) -> Result<u64, Refused> {
        match self.ending {
            Ending::Open => {}
            Ending::Drained | Ending::Failed => return Err(Refused::Closed),
            Ending::Terminated => return Err(Refused::Terminated),
        }
        if !self.has_room(length, others) {
            return Err(Refused::Full);
        }
        let size = ring_bytes(length);
        let padding = self.padding(size);
        if padding > 0 {
            self.slices.push(Slice { at: self.reserved(), size: padding, state: State::Skipped });
        }
        let at = self.reserved();
        self.slices.push(Slice { at, size, state: State::InFlight });
        if padding > 0 {
            self.after_commit();
        }
        Ok(at)
    }
}

/// The ring bytes of a slice of `length` bytes.
fn ring_bytes(length: u64) -> u64 {
    length.max(1).next_multiple_of(GRANULE)
}

/// Waking.
impl Model {
    pub(crate) fn new_waker(&mut self) -> usize {
        self.wakes.push(0);
        self.wakes.len() - 1
    }

    /// A commit wakes all readers, and those writers that it makes room for.
    pub(super) fn after_commit(&mut self) {
        self.wake_readers();
        self.wake_writers();
    }

    pub(super) fn wake_readers(&mut self) {
        for reader in self.readers.iter_mut().flatten() {
            if let Some(waker) = reader.waker.take() {
                self.wakes[waker] += 1;
            }
        }
    }

    pub(super) fn end(&mut self, ending: Ending) {
        // The first end stays, unless the channel is terminated.
        if self.is_open() || ending == Ending::Terminated {
            self.ending = ending;
        }
        self.wake_readers();
        for waker in self.line.waiters.drain(..).filter_map(|waiter| waiter.waker) {
            self.wakes[waker] += 1;
        }
        for waker in self.closing.drain(..) {
            self.wakes[waker] += 1;
        }
    }

    /// Nobody who could go on is left asleep.
    pub(crate) fn check_nobody_is_forgotten(&self) {
        if self.is_open() {
            assert!(
                !self.is_a_waiter_forgotten(),
                "a writer that waits has room and was not woken: {:?}",
                self.line
            );
        } else {
            assert!(self.line.waiters.is_empty() && self.closing.is_empty());
        }
        for reader in self.readers.iter().flatten().filter(|reader| reader.waker.is_some()) {
            let mut reader = reader.clone();
            let found = self.look_for_slice(&mut reader);
            assert!(
                matches!(found, Err(Unread::Empty)) || reader.terminated,
                "a reader that waits was not woken for {found:?}: {reader:?}"
            );
        }
    }
}
