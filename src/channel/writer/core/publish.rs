//! Filling and committing what was reserved, and counting it.

use super::Core;
use crate::channel::trace;
use crate::ring::Reservation;
use crate::ring::descriptor::{Description, Joins};
use crate::ring::position::slice_size;

impl Core {
    /// Ends the watch for sleepers when it has been in vain for long.
    #[cold]
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

    /// Commits the first `length` bytes of the slice in flight.
    pub(crate) fn commit(&mut self, length: u64) {
        if let Some(mut reservation) = self.in_flight.take() {
            let reserved = reservation.size;
            // The next one may be reserved as the owner again.
            self.open_lane(&reservation);
            self.shared.ring.trim(&mut reservation, length);
            // What was trimmed was used up as well.
            self.slot.figures.ring_bytes.add(reserved - reservation.size);
            self.end_record();
            self.publish(reservation, length, Joins::default());
        }
    }

    /// Commits a reservation of just the size of `length` bytes, and counts them.
    #[inline]
    pub(crate) fn publish(&mut self, reservation: Reservation, length: u64, joins: Joins) {
        let figures = &self.slot.figures;
        let description = Description {
            length: length as u32,
            writer: self.id,
            sequence: figures.sequence.get(),
            bytes: figures.bytes.get(),
            joins,
        };
        figures.sequence.add(1);
        figures.bytes.add(length);
        figures.ring_bytes.add(reservation.size);
        self.shared.ring.commit(reservation, description);
        self.after_commit();
    }

    /// Commits each of `messages`, which have been written side by side into a reservation of just
    /// their size. The last one goes first: nobody comes to it before the first one is there, and so
    /// readers see all of them or none.
    pub(crate) fn publish_many(&mut self, reservation: Reservation, messages: &[&[u8]]) {
        let figures = &self.slot.figures;
        let total: u64 = messages.iter().map(|message| message.len() as u64).sum();
        let (mut sequence, mut bytes) = (figures.sequence.get(), figures.bytes.get());
        figures.sequence.add(messages.len() as u64);
        figures.bytes.add(total);
        figures.ring_bytes.add(reservation.size);
        sequence += messages.len() as u64;
        bytes += total;
        let mut offset = reservation.size;
        for message in messages.iter().rev() {
            let length = message.len() as u64;
            offset -= slice_size(length);
            sequence -= 1;
            bytes -= length;
            let joins = Joins::default();
            let description =
                Description { length: length as u32, writer: self.id, sequence, bytes, joins };
            self.shared.ring.commit(reservation.part(offset, length), description);
        }
        self.after_commit();
    }

    /// Wakes whom a commit may have unblocked.
    #[inline]
    pub(super) fn after_commit(&mut self) {
        if let Some(found) = self.shared.after_commit() {
            self.count_check(found);
        }
    }

    /// Counts slices that were discarded for want of room, and their bytes.
    pub(crate) fn count_dropped(&mut self, slices: u64, bytes: u64) {
        let figures = &self.slot.figures;
        figures.sequence.add(slices);
        figures.bytes.add(bytes);
        figures.dropped_slices.add(slices);
        figures.dropped_bytes.add(bytes);
        trace::dropped(&*self.shared, self.id, slices, bytes);
    }
}
