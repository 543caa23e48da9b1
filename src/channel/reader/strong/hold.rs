//! What keeps writers away from what the reader has not read.

use crate::channel::reader::core::Place;
use crate::channel::shared::Shared;
use crate::ring::Held;
use std::sync::Arc;

/// Keeps the gate from passing what the reader has not read; gives way when it is dropped.
pub(super) struct Hold {
    pub(super) shared: Arc<Shared>,
    /// Nothing once the reader was terminated.
    pub(super) held: Option<Held>,
}

impl Hold {
    #[track_caller]
    pub(super) fn new(shared: &Arc<Shared>) -> (Self, Place) {
        let held = shared.ring.join();
        let place = Place::at(held.position());
        (Self { shared: shared.clone(), held: Some(held) }, place)
    }

    /// Another one at the same place; given up, if this one is.
    #[track_caller]
    pub(super) fn another(&self) -> Self {
        let held = self.held.as_ref().map(|held| self.shared.ring.join_beside(held));
        Self { shared: self.shared.clone(), held }
    }

    /// Whether the way from it to `place`, over slices that were skipped, has become so long that
    /// it has to follow: the two must not come apart by half a turn.
    pub(super) fn is_far_behind(&self, place: &Place) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| place.slice.is_far_from(held.position()))
    }

    /// Lets the writers have what lies before `place`.
    #[inline]
    pub(super) fn move_to(&mut self, place: &Place) {
        let Some(held) = &mut self.held else { return };
        if held.position() != place.slice {
            self.shared.ring.release_up_to(held, place.slice);
            self.shared.after_release();
        }
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
