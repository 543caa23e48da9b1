//! The share that large messages get of a ring on which nobody waits: [`crate::wait::owed`] says how.

use super::Core;
use crate::channel::terms::Backpressure;
use crate::ring::position::{GRANULE, slice_size};

impl Core {
    pub(crate) fn set_backpressure(&mut self, backpressure: Backpressure) {
        self.backpressure = backpressure;
        // The quick way does not look at what is owed.
        self.lane.close();
    }

    /// Whether this writer must look at what is owed.
    #[inline]
    pub(super) fn owes(&self) -> bool {
        self.backpressure == Backpressure::Drop && self.shared.owed.room() > 0
    }

    /// The room that a message of `length` bytes leaves to a larger one that was dropped.
    #[inline]
    pub(super) fn owed_besides(&self, length: u64) -> u64 {
        if self.owes() { self.owed_besides_now(length) } else { 0 }
    }

    #[cold]
    fn owed_besides_now(&self, length: u64) -> u64 {
        self.shared.owed.besides(self.shared.ring.room_with_padding(length), self.id)
    }

    /// A message of `length` bytes has its room.
    #[cold]
    pub(super) fn settle(&mut self, length: u64) {
        let ring = &self.shared.ring;
        let (room, size) = (ring.room_with_padding(length), slice_size(length));
        self.shared.owed.settle(room, size, ring.reserved(), &mut self.patience);
    }

    /// A message of `length` bytes was dropped for want of room.
    pub(super) fn leave_claim(&mut self, length: u64) {
        let ring = &self.shared.ring;
        let room = ring.room_with_padding(length);
        // No message is smaller than a granule.
        if room > GRANULE {
            self.shared.owed.leave(room, self.id, ring.reserved(), &mut self.patience);
        }
    }
}
