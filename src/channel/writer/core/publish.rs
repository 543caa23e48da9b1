//! Filling and committing what was reserved, and counting it.

use super::Core;
use crate::channel::shared::Shared;
use crate::channel::trace;
use crate::ring::descriptor::{Description, Joins};
use crate::ring::position::{GRANULE, Position};
use crate::ring::{Count, Reservation, Ring, WriterSlot};
use crate::sync::lock;
use crate::sync::pause;
use std::mem;

/// Messages that are sent side by side.
pub(super) struct Many<'a> {
    ring: &'a Ring,
    writer: u32,
    /// What is left of the reservation.
    rest: Reservation,
    /// What had been sent before, and with those that are described.
    sent: Count,
    next: Count,
}

impl Many<'_> {
    /// Describes the next one, and tells where it goes. No thread sees it yet.
    #[inline(always)]
    pub(super) fn describe(&mut self, length: u64) -> Reservation {
        let slice = self.rest.split(length);
        let description = Description {
            length: length as u32,
            writer: self.writer,
            sequence: self.next.messages,
            bytes: self.next.bytes,
            joins: Joins::default(),
        };
        self.next = self.next.plus(Count::new(1, length));
        self.ring.describe_in_flight(&slice, description);
        slice
    }

    /// The same, and writes it.
    #[inline(always)]
    pub(super) fn write(&mut self, message: &[u8]) {
        let slice = self.describe(message.len() as u64);
        self.ring.write(&slice, 0, message);
    }

    /// How many there were, and their bytes. They fill the reservation.
    #[inline]
    pub(super) fn count(self) -> Count {
        assert_eq!(self.rest.size, 0, "messages have become shorter meanwhile");
        self.next.minus(self.sent)
    }
}

impl Core {
    /// Ends the watch for sleepers when it has been in vain for long.
    #[inline]
    pub(super) fn count_check(&mut self, found: bool) {
        self.checked_in_vain = if found { 0 } else { self.checked_in_vain + 1 };
        if self.checked_in_vain >= self.shared.threshold() {
            self.checked_in_vain = 0;
            self.shared.end_watch();
        }
    }

    /// Copies `bytes` to `offset` of the slice in flight.
    #[inline]
    pub(crate) fn fill(&self, reservation: &Reservation, offset: u64, bytes: &[u8]) {
        self.shared.ring.write(reservation, offset, bytes);
    }

    /// Reads from a descriptor once, up to `length` bytes to `offset` of the slice in flight.
    #[cfg(all(unix, not(overfall_loom)))]
    pub(crate) fn read_from(
        &self,
        reservation: &Reservation,
        offset: u64,
        length: usize,
        descriptor: std::os::fd::BorrowedFd<'_>,
    ) -> std::io::Result<usize> {
        self.shared.ring.read_from(reservation, offset, length, descriptor)
    }

    /// Commits the first `length` bytes of the slice in flight.
    #[inline]
    pub(crate) fn commit(&mut self, length: u64) {
        if let Some(reservation) = self.in_flight.take() {
            // Nobody writes a record, nor as a channel, the quick way.
            if reservation.size == GRANULE && length <= GRANULE && self.lane.resume() {
                self.publish(reservation, length, Joins::default());
            } else {
                self.commit_among_others(reservation, length);
            }
        }
    }

    /// The same of what may have to be trimmed, or was not reserved the quick way.
    #[inline(never)]
    fn commit_among_others(&mut self, mut reservation: Reservation, length: u64) {
        let reserved = reservation.size;
        if !self.lane.resume() {
            // The next one may be reserved as the owner again.
            self.open_lane(&reservation);
        }
        self.shared.ring.trim(&mut reservation, length);
        // What was trimmed was used up as well.
        self.slot.figures.ring_bytes.add(reserved - reservation.size);
        self.end_record();
        match self.strength {
            Some(_) => self.publish(reservation, length, Joins::default()),
            None => self.publish_anonymous(reservation, length),
        }
    }

    /// Commits messages of these lengths in the slice in flight, which they fill side by side.
    #[cfg(feature = "rkyv")]
    pub(crate) fn commit_many(&mut self, lengths: &[u64]) {
        if let Some(reservation) = self.in_flight.take() {
            self.open_lane(&reservation);
            self.end_record();
            let mut many = self.begin_many(reservation);
            for &length in lengths {
                let _written_before = many.describe(length);
            }
            let count = many.count();
            self.publish_many(reservation, count);
        }
    }

    /// The same for a slice without a writer.
    #[cold]
    #[inline(never)]
    fn publish_anonymous(&mut self, reservation: Reservation, length: u64) {
        let count = Count::new(1, length);
        // Behind the lock, for readers that start now: `account.rs`.
        let mut registry = lock(&self.shared.registry);
        let Count { messages: sequence, bytes } = registry.anonymous;
        let joins = Joins::default();
        let description =
            Description { length: length as u32, writer: self.id, sequence, bytes, joins };
        self.shared.ring.commit(reservation, description);
        registry.anonymous = registry.anonymous.plus(count);
        self.shared.count_anonymous_late(&mut registry, reservation.position, count);
        drop(registry);
        self.slot.figures.ring_bytes.add(reservation.size);
        self.shared.after_commit();
    }

    /// Commits a reservation of just the size of `length` bytes, and counts them.
    #[inline(always)]
    pub(crate) fn publish(&mut self, reservation: Reservation, length: u64, joins: Joins) {
        let seat = (&*self.shared, &*self.slot);
        if Self::announce(seat, self.id, &reservation, length, joins) {
            self.check_after_count(reservation.position, 1, length);
        }
    }

    /// The same without what has to be done behind it, if it says so. The writer is taken apart, as nobody
    /// writes to what its pointers lead to, but what it writes to might lie where it has them.
    #[inline(always)]
    pub(super) fn announce(
        (shared, slot): (&Shared, &WriterSlot),
        writer: u32,
        reservation: &Reservation,
        length: u64,
        joins: Joins,
    ) -> bool {
        let sent = slot.figures.sent.own();
        let Count { messages: sequence, bytes } = sent;
        let description = Description { length: length as u32, writer, sequence, bytes, joins };
        shared.ring.commit(*reservation, description);
        slot.last.set(reservation.position.raw());
        pause::point();
        slot.figures.sent.raise(sent, Count::new(1, length));
        slot.figures.ring_bytes.add(reservation.size);
        pause::point();
        shared.must_check(reservation.position)
    }

    /// Begins to send messages side by side in `reservation`.
    #[inline]
    pub(super) fn begin_many(&self, reservation: Reservation) -> Many<'_> {
        let sent = self.slot.figures.sent.own();
        Many { ring: &self.shared.ring, writer: self.id, rest: reservation, sent, next: sent }
    }

    /// Commits so many messages, which are described, written, and fill the reservation, and counts them.
    pub(super) fn publish_many(&mut self, reservation: Reservation, count: Count) {
        let (ring, figures) = (&self.shared.ring, &self.slot.figures);
        let last = ring.commit_many(&reservation);
        self.slot.last.set(last.raw());
        pause::point();
        figures.sent.add(count, u64::from(ring.describe(reservation.position).length));
        figures.ring_bytes.add(reservation.size);
        pause::point();
        if self.shared.must_check(reservation.position) {
            self.check_after_count(reservation.position, count.messages, count.bytes);
        }
    }

    /// Keeps what was counted at `position` from readers that started behind it, and wakes whom it may
    /// have unblocked.
    #[inline(never)]
    pub(super) fn check_after_count(&mut self, position: Position, messages: u64, bytes: u64) {
        let count = Count { messages, bytes };
        if self.wakes_later {
            self.owes_a_wake |= self.shared.keep_late(&self.slot, position, count);
        } else if let Some(found) = self.shared.after_count(&self.slot, position, count) {
            self.count_check(found);
        }
    }

    /// Wakes whom the commits since the last call may have unblocked, if this writer
    /// [wakes later](Self::wakes_later). Their wakers may panic; all of them are woken by then.
    pub(crate) fn wake(&mut self) {
        if mem::take(&mut self.owes_a_wake) {
            if let Some(found) = self.shared.after_commit() {
                self.count_check(found);
            }
        }
    }

    /// Counts slices that were discarded for want of room, or lost elsewhere, and their bytes.
    pub(crate) fn count_dropped(&mut self, slices: u64, bytes: u64) {
        let count = Count::new(slices, bytes);
        self.slot.figures.sent.add(count, 0);
        self.slot.figures.dropped.add(count, 0);
        trace::dropped(&*self.shared, self.id, slices, bytes);
    }
}
