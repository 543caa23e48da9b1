//! Strong readers come and go: what holds while none is there.
//!
//! How many there are is changed behind the registry's lock, together with what follows from it: of two
//! that go at the same time one is the last, and one that comes meanwhile comes before that or after it.
//! A strong reader is counted while its hold is up: from after the join to before the leave. So while
//! none is counted and the channel is to [wait](AfterLast::Wait), the channel itself has a hold, the one
//! that the last reader left it; and there is no moment without one. A reader that comes joins at the
//! gate first, and so at that hold or before it. Then it takes the channel's hold down.
//!
//! A reader that turns weak does not go: that is to let the ring overwrite.
//!
//! # What is overwritten
//!
//! While the ring overwrites, an *absence* begins with the place where the last strong reader stopped,
//! and with what had been committed before that place: all that was committed, less what is in the ring
//! from there on. It ends with the same for the place where the next one joins. What lies between was
//! overwritten. A hold stands at either place while that is looked up. The means are those of
//! `account.rs`, and writers pay nothing.

use crate::channel::registry::{Registry, strength_of};
use crate::channel::shared::Shared;
use crate::channel::survey::Survey;
use crate::channel::terms::{AfterLast, Ending, Strength};
use crate::ring::position::Position;
use crate::ring::{Count, Held};
use crate::sync::{Ordering, lock};
use crate::wait::panics::Panics;
use crate::wait::reader_figures::ReaderFigures;

/// How a strong reader goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Going {
    Gone,
    /// It is a weak one from now on.
    Converted,
}

/// What becomes of the channel once the last strong reader has gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    Wait,
    Close,
    Overwrite,
}

impl Shared {
    /// Has writers wait for the first strong reader. Nothing was written yet.
    pub(super) fn hold_for_first_reader(&self) {
        let mut registry = lock(&self.registry);
        registry.absence.hold = Some(self.ring.join());
        registry.absence.began = None;
    }

    /// Counts a strong reader, which has joined at `oldest` and has its hold there still. It will start
    /// at `start`, or, if that is not said, where the last one stopped, if that was kept, and else at
    /// `oldest`. It may have the channel's own hold for that, if there is one, and else takes it down.
    pub(crate) fn strong_reader_came(
        &self,
        oldest: Position,
        start: Option<Position>,
    ) -> Option<Held> {
        let mut registry = lock(&self.registry);
        registry.strong_readers += 1;
        self.ring.count_strong_readers(registry.strong_readers);
        if registry.strong_readers == 1 {
            let absence = &mut registry.absence;
            let kept = absence.hold.as_ref().map(Held::position);
            let start = start.or(kept).unwrap_or(oldest);
            let from = self.ring.behind_skipped(absence.stopped, start);
            if from.is_before(start) {
                absence.lose(from, start);
            }
        }
        let (hold, began) = (registry.absence.hold.take(), registry.absence.began.take());
        let began = began.filter(|(stopped, _)| stopped.is_before(oldest));
        let absence = began.map(|(_, before)| (before, self.survey(&registry)));
        drop(registry);
        if let Some((before, survey)) = absence {
            let overwritten = self.passed(oldest, &survey, before);
            let absence = &mut lock(&self.registry).absence;
            absence.overwritten = absence.overwritten.plus(overwritten);
        }
        hold
    }

    /// Counts a strong reader out, and takes its hold down, or leaves it to the channel.
    pub(crate) fn strong_reader_goes(&self, held: Held, going: Going) {
        let stopped = held.position();
        let mut held = Some(held);
        let mut registry = lock(&self.registry);
        let last = self.count_strong_reader_out(&mut registry, stopped, going, &mut held);
        let begins = (last == Some(Then::Overwrite))
            .then(|| (registry.absence.times, self.survey(&registry)));
        let is_over = last == Some(Then::Close) || registry.is_over();
        drop(registry);
        if let (Some((times, survey)), false) = (begins, is_over) {
            let before = self.passed(stopped, &survey, Count::default());
            let registry = &mut *lock(&self.registry);
            // If a reader has come meanwhile, it found our hold, and nothing was overwritten.
            if registry.strong_readers == 0 && registry.absence.times == times {
                registry.absence.began = Some((stopped, before));
            }
        }
        let mut panics = Panics::new();
        // First the end: a writer that waits for room is not to be let in where nobody will read.
        if is_over && self.ending() == Ending::Open {
            panics.run(|| self.end(Ending::Drained));
        }
        if let Some(held) = held {
            self.ring.leave(held);
        }
        // Also if the channel keeps the hold: a reader that gives way has moved it on before, and has
        // woken nobody by that (`after_move`).
        panics.run(|| self.after_release());
        panics.run(|| self.after_audience());
        panics.finish();
    }

    /// Counts a strong reader out, which stopped there. If it was the last one, tells what becomes of the
    /// channel; if that is to wait, it keeps `held`.
    pub(super) fn count_strong_reader_out(
        &self,
        registry: &mut Registry,
        stopped: Position,
        going: Going,
        held: &mut Option<Held>,
    ) -> Option<Then> {
        registry.strong_readers -= 1;
        self.ring.count_strong_readers(registry.strong_readers);
        if registry.strong_readers > 0 {
            return None;
        }
        let absence = &mut registry.absence;
        absence.stopped = stopped;
        let is_kept = self.after_last == AfterLast::Wait && going == Going::Gone;
        absence.times += u64::from(!is_kept);
        Some(match self.after_last {
            AfterLast::Wait if is_kept => {
                absence.hold = held.take();
                if let Some(held) = &mut absence.hold {
                    // Its reader may have gone in the middle of a lend, and the next one lends nothing.
                    held.unmark();
                }
                Then::Wait
            }
            AfterLast::Close if going == Going::Gone => Then::Close,
            _ => Then::Overwrite,
        })
    }

    /// Counts a clone of a strong reader, which has a hold beside that of the original. Tells whether it
    /// could: nobody has taken the hold of the original.
    pub(crate) fn strong_reader_was_cloned(&self, original: &ReaderFigures) -> bool {
        let mut registry = lock(&self.registry);
        let is_strong =
            original.present.load(Ordering::Relaxed) && strength_of(original) == Strength::Strong;
        // The original is counted, so that no absence ends by this.
        registry.strong_readers += usize::from(is_strong);
        self.ring.count_strong_readers(registry.strong_readers);
        is_strong
    }

    /// What is to stand in for the hold of a strong reader at `slice` that is about to be taken, if that
    /// is the last one: from then on if the channel is to wait, and else until it is known what becomes
    /// of the channel, which may have to end before a writer finds room.
    pub(super) fn stand_in(&self, registry: &Registry, slice: Position) -> Option<Held> {
        (registry.strong_readers == 1).then(|| {
            // At the gate: before the hold, or behind it where only skipped slices lie between. A hold may
            // be left behind by the gate there, as that of a reader that does not move.
            let mut held = self.ring.join();
            self.ring.jump(&mut held, slice);
            held
        })
    }

    /// What was committed before `place`, of what `survey` knows, less `before`.
    pub(super) fn passed(&self, place: Position, survey: &Survey, before: Count) -> Count {
        let committed = survey.sent.minus(survey.dropped);
        let passed = committed.minus(self.unread((place, 0), survey).total).minus(before);
        // Looks of slightly different moments may seem to go back.
        if (passed.messages as i64) < 0 { Count::default() } else { passed }
    }

    /// What was overwritten while no strong reader was there. The pair is of the present absence, as
    /// `began` of the registry, of the same moment as `survey`.
    pub(super) fn overwritten(
        &self,
        absence: (Count, Option<(Position, Count)>),
        survey: &Survey,
    ) -> Count {
        let (overwritten, began) = absence;
        let gate = self.ring.gate();
        match began {
            Some((stopped, before)) if stopped.is_before(gate) => {
                overwritten.plus(self.passed(gate, survey, before))
            }
            _ => overwritten,
        }
    }
}
