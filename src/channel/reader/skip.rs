//! Passing over messages without receiving them.

use super::core::Place;
use crate::channel::shared::Shared;
use crate::channel::terms::StartAt;
use crate::ring::Ring;
use crate::ring::position::{GRANULE, Position, label_past};
use std::ops::AddAssign;

/// What a reader passed over by choice: see [`skip_to`](crate::StrongReader::skip_to).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Skipped {
    /// How many messages. One that was read in part before counts.
    pub messages: u64,
    /// How many payload bytes these had, less those that were read before.
    pub bytes: u64,
}

impl AddAssign<u64> for Skipped {
    /// Adds a message of so many bytes.
    fn add_assign(&mut self, bytes: u64) {
        self.messages += 1;
        self.bytes += bytes;
    }
}

/// Up to where a reader at `from` passes over slices; nothing if there is no reason to.
pub(super) fn target(shared: &Shared, from: &Place, start: StartAt) -> Option<Position> {
    let ring = &shared.ring;
    let reserved = ring.reserved();
    match start {
        StartAt::Oldest => None,
        StartAt::Now => Some(reserved),
        // A weak reader may be overrun meanwhile, again and again. After that all will be gone.
        StartAt::Back(bytes) => tries(ring, from, |from| ring.back(from, bytes)).or(Some(reserved)),
        StartAt::Newest => tries(ring, from, |from| ring.newest(from)).or(Some(reserved)),
        StartAt::Position(label) if label_past(label, reserved.label(0)) > 0 => Some(reserved),
        StartAt::Position(label) => Some(granule_of(label)),
    }
}

fn tries(
    ring: &Ring,
    from: &Place,
    find: impl Fn(Position) -> Option<Position>,
) -> Option<Position> {
    (0..8).find_map(|_| find(ring.oldest_intact(from.slice)))
}

/// Where a new reader starts that goes on at the byte with this label, if it may start at `oldest`.
/// Tells the ring bytes as well that are gone.
pub(super) fn resume(ring: &Ring, oldest: Position, label: u64) -> (Place, u64) {
    let reserved = ring.reserved();
    let gone = label_past(oldest.label(0), label);
    if gone > 0 {
        return (Place::at(oldest), gone);
    }
    if label_past(label, reserved.label(0)) > 0 {
        return (Place::at(reserved), 0);
    }
    let (slice, length) = ring.slice_at(oldest, granule_of(label));
    let offset = label_past(label, slice.label(0));
    let place = match length {
        Some(length) if offset > 0 && offset < length => {
            Place { slice, offset, length: Some(length) }
        }
        Some(length) if offset > 0 => Place::at(slice).after(length),
        _ => Place::at(slice),
    };
    (place, 0)
}

fn granule_of(label: u64) -> Position {
    Position::labelled(label / GRANULE * GRANULE)
}
