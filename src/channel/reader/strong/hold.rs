//! What keeps writers away from what the reader has not read.

use crate::channel::reader::core::Place;
use crate::channel::shared::Shared;
use crate::ring::Held;
use std::sync::Arc;

/// Keeps the gate from passing what the reader has not read; gives way when it is dropped.
pub(super) struct Hold {
    pub(super) shared: Arc<Shared>,
    /// Nothing once the reader was terminated, or has learned that it was taken.
    pub(super) held: Option<Held>,
}

impl Hold {
    pub(super) fn new(shared: &Arc<Shared>) -> (Self, Place) {
        let held = shared.ring.join();
        let place = Place::at(held.position());
        (Self { shared: shared.clone(), held: Some(held) }, place)
    }

    /// Another one at the same place; given up, if this one is.
    pub(super) fn another(&self) -> Self {
        let held = self.held.as_ref().map(|held| self.shared.ring.join_beside(held));
        Self { shared: self.shared.clone(), held }
    }

    /// The owner of the channel may take it from here on, by this number of the reader.
    pub(super) fn name(&self, reader: u32) {
        if let Some(held) = &self.held {
            held.name(reader);
        }
    }

    /// Marks it before something is copied or lent. Fails if it is not in effect, or is wanted.
    #[inline(always)]
    pub(super) fn mark(&self) -> bool {
        self.held.as_ref().is_some_and(Held::mark)
    }

    /// Whether what was lent last can be relied on: it is lent still, or is so again.
    #[inline]
    pub(super) fn keeps_lent(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.is_marked() || held.mark())
    }

    /// Whether what was found so far was there, and the owner does not want it.
    #[inline]
    pub(super) fn is_in_effect(&self) -> bool {
        self.held.as_ref().is_some_and(Held::is_in_effect)
    }

    /// Whether there is something to give back before `place`.
    #[cfg(not(overfall_loom))]
    #[inline]
    pub(super) fn is_behind(&self, place: &Place) -> bool {
        self.held.as_ref().is_some_and(|held| held.position() != place.slice)
    }

    /// Whether the way from it to `place`, over slices that were skipped, has become so long that
    /// it has to follow: the two must not come apart by half a turn.
    pub(super) fn is_far_behind(&self, place: &Place) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| place.slice.is_far_from(held.position()))
    }

    /// Lets the writers have what lies before `place`. Nothing is lent any more. Tells whether the owner
    /// wants the hold by now, so that the reader has to give way.
    #[inline(always)]
    #[must_use]
    pub(super) fn move_to(&mut self, place: &Place) -> bool {
        match &mut self.held {
            Some(held) if held.position() == place.slice => held.is_marked() && held.unmark(),
            _ => self.move_on_to(place),
        }
    }

    /// The same, if it is not there yet.
    #[inline(always)]
    #[must_use]
    pub(super) fn move_on_to(&mut self, place: &Place) -> bool {
        let Some(held) = &mut self.held else { return false };
        self.shared.ring.release_up_to(held, place.slice);
        self.shared.after_move(held)
    }

    /// Goes to `place` right after joining, however many slices are in flight before it.
    pub(super) fn jump_to(&mut self, place: &Place) {
        let Some(held) = &mut self.held else { return };
        self.shared.ring.jump(held, place.slice);
        self.shared.after_release();
    }

    pub(super) fn leave(&mut self) {
        if let Some(held) = self.held.take() {
            self.shared.ring.leave(held);
            self.shared.after_release();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.leave();
    }
}
