//! The owner of a channel takes the hold of a strong reader that keeps writers back, or ends the reader.
//!
//! How a hold is taken stands in `ring/hold.rs`. Here is what follows for the counts. From that moment on
//! the reader counts as a weak one, or as gone, and what is overwritten is missed by it. It learns of
//! that only with its next call, when what it has not read may be overwritten. So it is looked up right
//! before the hold is taken what is unread for the reader, and kept until the reader asks for it.
//!
//! All of it happens behind the registry's lock: readers are cloned and turned, and go, behind it as well.

use crate::channel::absence::{Going, Then};
use crate::channel::registry::strength_of;
use crate::channel::shared::Shared;
use crate::channel::survey::Snapshot;
use crate::channel::terms::{Strength, TakesEffect};
use crate::channel::trace;
use crate::ring::position::Position;
use crate::ring::{Count, Held};
use crate::sync::{Ordering, fence as full_fence, lock};
use crate::wait::panics::Panics;
use crate::wait::reader_figures::ReaderFigures;

impl Shared {
    /// Takes the hold of a strong reader, which ends then if that is asked for, or leaves it to the
    /// reader, if that lends something. Nothing if there is no such reader.
    pub(crate) fn take_hold(&self, reader: u32, ends: bool) -> Option<TakesEffect> {
        let mut registry = lock(&self.registry);
        let wanted = self.ring.want_hold(reader, ends)?;
        let Some(slice) = wanted.place() else { return Some(TakesEffect::AfterLend) };
        let is_reader = |figures: &ReaderFigures| {
            figures.id.get() == u64::from(reader)
                && figures.present.load(Ordering::Relaxed)
                && strength_of(figures) == Strength::Strong
        };
        // If it is not among them, it is just about to go.
        let (index, slot) = self.parking.find(|slot| is_reader(&slot.figures))?;
        // It stands still, and its hold keeps what it has not read.
        let survey = self.survey(&registry);
        let unread = self.unread((slice, self.offset(slice, &slot.figures)), &survey);
        let before = self.passed(slice, &survey, Count::default());
        let mut held = self.stand_in(&registry, slice);
        // If not, it has come back, and gives the hold up itself.
        let Some(ends) = wanted.take() else {
            drop(registry);
            self.leave_stand_in(held);
            return Some(TakesEffect::AfterLend);
        };
        let late = registry.late_of(&slot.figures);
        registry.forget_late(&slot.figures);
        registry.taken.push((reader, (survey, unread, late)));
        let gone = if ends {
            registry.count_reader_out(&slot.figures)
        } else {
            registry.count_reader_as(&slot.figures, Strength::Weak);
            None
        };
        let going = if ends { Going::Gone } else { Going::Converted };
        let last = self.count_strong_reader_out(&mut registry, slice, going, &mut held);
        if last == Some(Then::Overwrite) {
            registry.absence.began = Some((slice, before));
        }
        let is_over = last == Some(Then::Close) || registry.is_over();
        drop(registry);
        let name = self.reader_name(reader);
        let mut panics = Panics::new();
        // First the end, as for a reader that goes. Until then what stands in keeps writers out.
        panics.run(|| self.end_if(is_over));
        panics.run(|| self.leave_stand_in(held));
        // ORD(park:B) SeqCst, pairs with ORD(park:A): writers that wait for room, and the reader.
        full_fence(Ordering::SeqCst);
        self.parking.wake_one(index, &mut panics);
        panics.run(|| self.wake_writers());
        panics.run(|| self.wake_flushers());
        match gone {
            Some(_) => panics.run(|| self.after_reader(gone, reader, name, false)),
            None => panics.run(|| trace::converted(self, "reader", Strength::Weak, reader)),
        };
        panics.finish();
        Some(TakesEffect::Now)
    }

    fn leave_stand_in(&self, held: Option<Held>) {
        if let Some(held) = held {
            self.ring.leave(held);
            self.after_release();
        }
    }

    /// How many payload bytes of the slice where a reader stands it has read. It stands still, and has
    /// noted its place before its hold.
    fn offset(&self, slice: Position, figures: &ReaderFigures) -> u64 {
        let offset = figures.position.get().wrapping_sub(slice.byte(0));
        // Its hold may be behind, at padding.
        if offset < self.ring.capacity() { offset } else { 0 }
    }

    /// What was found when the hold of the reader of these figures was taken, if it has not learned of
    /// that yet.
    pub(crate) fn snapshot_of(&self, figures: &ReaderFigures) -> Option<Snapshot> {
        lock(&self.registry).snapshot_of(figures).cloned()
    }

    /// The same. The reader learns of it by this.
    pub(crate) fn take_snapshot(&self, figures: &ReaderFigures) -> Option<Snapshot> {
        lock(&self.registry).take_snapshot(figures)
    }
}
