//! The share that large messages get of a ring on which nobody waits: [`crate::wait::owed`] says how.

use super::Core;
use crate::channel::terms::Backpressure;
use crate::ring::position::{GRANULE, slice_size};
use crate::ring::{Refused, Reservation};

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

    /// Reserves, and leaves the room that is owed, or takes it.
    #[cold]
    pub(super) fn reserve_and_settle(&mut self, length: u64) -> Result<Reservation, Refused> {
        let ring = &self.shared.ring;
        let room = ring.room_with_padding(length);
        let mut owed = self.shared.owed.besides(room, self.id);
        if owed > 0 {
            ring.move_gate();
            if !self.shared.owed.is_given_back(ring.gate()) {
                owed = 0;
            }
        }
        let reservation = self.reserve_beside(length, owed)?;
        let (size, reserved) = (slice_size(length), self.shared.ring.reserved());
        self.shared.owed.settle(room, size, reserved, &mut self.lease);
        Ok(reservation)
    }

    /// A message of `length` bytes was dropped for want of room.
    #[inline]
    pub(super) fn leave_claim(&mut self, length: u64) {
        // No message is smaller than a granule.
        if length > GRANULE {
            self.leave_claim_of_larger(length);
        }
    }

    #[inline(never)]
    fn leave_claim_of_larger(&mut self, length: u64) {
        let ring = &self.shared.ring;
        // If there is room, but for others, it needs none.
        if !ring.has_room_for(length, 0) {
            let room = ring.room_with_padding(length);
            let places = [ring.gate(), ring.reserved()];
            self.shared.owed.leave(room, self.id, places, &mut self.lease);
        }
    }
}
