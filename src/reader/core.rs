//! What readers of both kinds are made of.

use crate::ring::position::{GRANULE, Position};
use crate::shared::{Ending, Shared, Strength};
use crate::stats::{ReaderFigures, ReaderStats};
use crate::sync::Ordering;
use crate::table::Seat;
use crate::trace;
use crate::wait::parking::Slot;
use std::sync::Arc;
use std::task::Waker;

/// Where a reader stands in the ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The start of a slice: the next one, or the one that is being read.
    pub(crate) slice: Position,
    /// The payload bytes of it that have been read.
    pub(crate) offset: u64,
    /// Its payload bytes, once they are known.
    pub(crate) length: Option<u64>,
}

impl Place {
    #[inline]
    pub(crate) fn at(slice: Position) -> Self {
        Self { slice, offset: 0, length: None }
    }

    /// The slice after one of `length` payload bytes.
    #[inline]
    pub(crate) fn after(&self, length: u64) -> Self {
        Self::at(self.slice.plus(((length + (GRANULE - 1)) & !(GRANULE - 1)).max(GRANULE)))
    }

    /// So many bytes further, in the current slice of `length` payload bytes or behind it.
    #[inline]
    pub(crate) fn advanced(&self, bytes: u64, length: u64) -> Self {
        let offset = self.offset + bytes;
        if offset == length {
            self.after(length)
        } else {
            Self { slice: self.slice, offset, length: Some(length) }
        }
    }

    /// The payload bytes left of the current slice, as far as it is known.
    #[inline]
    pub(crate) fn left(&self) -> u64 {
        self.length.map_or(0, |length| length - self.offset)
    }

    /// The position of the next byte.
    #[inline]
    pub(crate) fn position(&self) -> Position {
        self.slice.plus(self.offset)
    }
}

/// A reader's seat in the channel: the slot where it waits and counts.
#[derive(Debug)]
pub(crate) struct Core {
    shared: Arc<Shared>,
    slot: Seat<Slot>,
    /// Nothing once it was terminated: then it counts for nobody.
    strength: Option<Strength>,
    /// A waker of ours may be registered.
    parked: bool,
}

impl Core {
    pub(crate) fn new(shared: Arc<Shared>, strength: Strength) -> Self {
        let slot = shared.add_reader(strength);
        Self { shared, slot, strength: Some(strength), parked: false }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[inline]
    pub(crate) fn turn(&mut self, strength: Strength) {
        self.figures().strong.store(strength == Strength::Strong, Ordering::Relaxed);
        if let Some(before) = &mut self.strength {
            self.shared.turn_reader(*before, strength);
            *before = strength;
        }
    }

    /// Ends this reader for itself: the channel goes on as if it had gone.
    pub(crate) fn terminate(&mut self) {
        self.unpark();
        if let Some(strength) = self.strength.take() {
            self.shared.count_reader_out(&self.slot, strength);
        }
    }

    /// Whether it was ended by its own `terminate`.
    pub(crate) fn has_terminated(&self) -> bool {
        self.strength.is_none()
    }

    #[inline]
    fn figures(&self) -> &ReaderFigures {
        &self.slot.figures
    }

    #[inline]
    pub(crate) fn is_terminated(&self) -> bool {
        self.has_terminated() || self.shared.ending() == Ending::Terminated
    }

    /// Whether the channel takes no more slices.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.has_terminated() || self.shared.ending() != Ending::Open
    }

    /// Whether the channel has drained and `slice` is behind the last one. It is final.
    #[inline]
    pub(crate) fn is_at_end(&self, slice: Position) -> bool {
        // Terminated is not the end, even for a reader that looks meanwhile.
        self.shared.ending() == Ending::Drained && self.shared.ring.end() == Some(slice)
    }

    /// Registers the waker; after this the reader looks once more before it waits.
    pub(crate) fn park(&mut self, waker: &Waker) {
        self.shared.park(&self.slot, waker);
        self.parked = true;
    }

    /// The reader found something, or gave up: nobody needs to wake it.
    pub(crate) fn unpark(&mut self) {
        if std::mem::take(&mut self.parked) {
            self.slot.unpark();
        }
    }

    /// Counts payload that was read.
    #[inline]
    pub(crate) fn count_payload(&self, bytes: u64) {
        self.figures().payload_bytes.add(bytes);
    }

    /// Counts a gap.
    #[inline]
    pub(crate) fn count_gap(&self, skipped: u64) {
        self.figures().skipped_bytes.add(skipped);
        self.figures().gaps.add(1);
        trace::lagged(self.figures().id.get() as u32, skipped);
    }

    /// The reader starts here.
    pub(crate) fn start_at(&self, position: Position) {
        self.figures().start.set(position.raw());
        self.note_position(position);
    }

    /// Lets the figures know where the reader stands.
    #[inline]
    pub(crate) fn note_position(&self, position: Position) {
        self.figures().position.set(position.raw());
    }

    pub(crate) fn stats(&self) -> ReaderStats {
        let reserved = self.shared.ring.reserved();
        self.figures().read(reserved)
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.terminate();
        self.shared.remove_reader(&self.slot);
    }
}
