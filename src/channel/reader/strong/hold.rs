//! What keeps writers away from what the reader has not read.

use crate::channel::absence::Going;
use crate::channel::reader::core::{Core, Place};
use crate::channel::shared::Shared;
use crate::ring::Held;
use crate::ring::position::Position;
use std::sync::Arc;

/// A hold of which it is not known yet whether it becomes that of a strong reader. Dropped, it leaves.
pub(super) struct Joined {
    shared: Arc<Shared>,
    held: Option<Held>,
}

impl Joined {
    pub(super) fn new(shared: &Arc<Shared>) -> (Self, Place) {
        let held = shared.ring.join();
        let place = Place::at(held.position());
        (Self { shared: shared.clone(), held: Some(held) }, place)
    }

    /// From here on it is that of a strong reader, which goes to `place`, however many slices are in
    /// flight before it.
    pub(super) fn stand_at(mut self, place: &Place) -> Hold {
        let (shared, mut held) = (self.shared.clone(), self.held.take());
        let kept = held.as_mut().and_then(|held| {
            let kept = shared.strong_reader_came(held.position(), Some(place.slice));
            shared.ring.jump(held, place.slice);
            kept
        });
        Hold { shared, held }.in_place_of(kept)
    }

    /// The same for one that goes on where the last strong reader stopped, if that was kept for it. The
    /// gate may not have come there yet.
    pub(super) fn stand(mut self, oldest: Place) -> (Hold, Place) {
        let (shared, joined) = (self.shared.clone(), self.held.take());
        match shared.strong_reader_came(oldest.slice, None) {
            Some(kept) => {
                let place = Place::at(kept.position());
                (Hold { shared, held: Some(kept) }.in_place_of(joined), place)
            }
            None => (Hold { shared, held: joined }.in_place_of(None), oldest),
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.shared.ring.leave(held);
            self.shared.after_release();
        }
    }
}

/// Keeps the gate from passing what the reader has not read; gives way when it is dropped.
pub(super) struct Hold {
    pub(super) shared: Arc<Shared>,
    /// Nothing once the reader was terminated, or has learned that it was taken.
    pub(super) held: Option<Held>,
}

impl Hold {
    /// That of a reader that was terminated.
    pub(super) fn none(shared: &Arc<Shared>) -> Self {
        Self { shared: shared.clone(), held: None }
    }

    /// Takes another hold down, if it stands for one. Who waits for room looks anew: before a hold that
    /// comes may lie what is in flight, so that no more room may come. Who is woken may panic: then it goes again.
    fn in_place_of(self, other: Option<Held>) -> Self {
        other.into_iter().for_each(|other| self.shared.ring.leave(other));
        self.shared.after_release();
        self
    }

    /// Another one at the same place, beside that of the reader `core`; given up, if this one is, or was
    /// taken.
    #[track_caller]
    pub(super) fn another(&self, core: &Core) -> Self {
        let held = self.held.as_ref().and_then(|held| {
            let another = self.shared.ring.join_beside(held);
            if core.count_strong_clone() {
                return Some(another);
            }
            self.shared.ring.leave(another);
            None
        });
        Self { shared: self.shared.clone(), held }
    }

    /// One at the same place of which it is not known yet what becomes of it.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(super) fn joined_beside(&self) -> Joined {
        let held = self.held.as_ref().map(|held| self.shared.ring.join_beside(held));
        Joined { shared: self.shared.clone(), held }
    }

    /// The owner of the channel may take it from here on, by this number of the reader.
    pub(super) fn name(&self, reader: u32) {
        if let Some(held) = &self.held {
            held.name(reader);
        }
    }

    /// Changes from full fences to light ones, once it can rely on heavy ones of others.
    pub(super) fn rely_on_heavy_fences(&self) {
        if let Some(held) = &self.held {
            self.shared.ring.rely_on_heavy_fences(held);
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

    /// Hands the lines back of what was lent, from the committed slice `first` on, and lies before `place`.
    #[inline(always)]
    pub(super) fn hand_back(&mut self, first: Position, place: &Place) {
        if let Some(held) = &mut self.held {
            self.shared.ring.hand_back(held, first, place.slice);
        }
    }

    pub(super) fn leave(&mut self) {
        self.go(Going::Gone);
    }

    /// Its reader is a weak one from now on.
    pub(super) fn turn_weak(&mut self) {
        self.go(Going::Converted);
    }

    fn go(&mut self, going: Going) {
        let Some(held) = self.held.take() else { return };
        if held.unname().is_taken {
            // The thread that took it has counted the reader out.
            self.shared.ring.leave(held);
            self.shared.after_release();
        } else {
            self.shared.strong_reader_goes(held, going);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.leave();
    }
}
