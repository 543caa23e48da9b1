//! What keeps writers away from what the reader has not read.

use crate::channel::absence::Going;
use crate::channel::reader::core::Place;
use crate::channel::shared::Shared;
use crate::ring::Held;
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
        if let Some(held) = &mut self.held {
            let kept = self.shared.strong_reader_came(held.position());
            self.shared.ring.jump(held, place.slice);
            self.take_down(kept);
        }
        self.into_hold()
    }

    /// The same for one that goes on where the last strong reader stopped, if that was kept for it. The
    /// gate may not have come there yet.
    pub(super) fn stand(mut self) -> (Hold, Place) {
        if let Some(held) = &self.held {
            if let Some(kept) = self.shared.strong_reader_came(held.position()) {
                let joined = self.held.replace(kept);
                self.take_down(joined);
            }
        }
        let hold = self.into_hold();
        let place = hold.held.as_ref().map(Held::position);
        let Some(place) = place else { unreachable!("it has joined") };
        (hold, Place::at(place))
    }

    /// Leaves a hold that another one stands for.
    fn take_down(&self, held: Option<Held>) {
        held.into_iter().for_each(|held| self.shared.ring.leave(held));
        self.shared.after_release();
    }

    fn into_hold(mut self) -> Hold {
        Hold { shared: self.shared.clone(), held: self.held.take() }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.take_down(Some(held));
        }
    }
}

/// Keeps the gate from passing what the reader has not read; gives way when it is dropped.
pub(super) struct Hold {
    pub(super) shared: Arc<Shared>,
    /// Nothing once the reader was terminated.
    pub(super) held: Option<Held>,
}

impl Hold {
    /// That of a reader that was terminated.
    pub(super) fn none(shared: &Arc<Shared>) -> Self {
        Self { shared: shared.clone(), held: None }
    }

    /// Another one at the same place; given up, if this one is.
    #[track_caller]
    pub(super) fn another(&self) -> Self {
        let held = self.held.as_ref().map(|held| {
            let another = self.shared.ring.join_beside(held);
            let kept = self.shared.strong_reader_came(another.position());
            debug_assert!(kept.is_none(), "the other one is there");
            another
        });
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

    pub(super) fn leave(&mut self) {
        self.go(Going::Gone);
    }

    /// Its reader is a weak one from now on.
    pub(super) fn turn_weak(mut self) {
        self.go(Going::TurnedWeak);
    }

    fn go(&mut self, going: Going) {
        if let Some(held) = self.held.take() {
            self.shared.strong_reader_goes(held, going);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.leave();
    }
}
