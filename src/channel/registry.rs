//! Who is there, and what those who have gone had counted.

use crate::channel::stats::Totals;
use crate::channel::survey::{Late, Sent, Snapshot};
use crate::channel::terms::Strength;
use crate::ring::position::Position;
use crate::ring::{Count, Held, WriterFigures};
use crate::sync::Ordering;
use crate::wait::reader_figures::ReaderFigures;
use std::collections::VecDeque;

/// So many writers that have gone are remembered by themselves.
const REMEMBERED: usize = 64;

/// So many times without a strong reader are remembered by themselves.
const LOST: usize = 64;

/// How many endpoints of each kind there are.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) handle: bool,
    pub(super) strong_writers: usize,
    pub(super) weak_writers: usize,
    /// Those whose hold is up: `absence.rs`.
    pub(super) strong_readers: usize,
    pub(super) absence: Absence,
    pub(super) weak_readers: usize,
    /// What endpoints that have gone had counted.
    pub(super) retired: Totals,
    /// What was sent without a writer.
    pub(super) anonymous: Count,
    /// The writers that have gone last, and what they had sent.
    pub(super) gone: VecDeque<(u32, Sent)>,
    /// At most one for each reader and each writer that had a slice in flight when that started.
    pub(super) late: Vec<Late>,
    /// What was found when a reader's hold was taken, until the reader learns of it: `taking.rs`.
    pub(super) taken: Vec<(u32, Snapshot)>,
}

/// What is kept of times without a strong reader: `absence.rs`.
#[derive(Debug)]
pub(super) struct Absence {
    /// The channel's own hold.
    pub(super) hold: Option<Held>,
    /// While the ring overwrites: where the last strong reader stopped, and what had been committed
    /// before.
    pub(super) began: Option<(Position, Count)>,
    /// What was overwritten in those that are over.
    pub(super) overwritten: Count,
    /// How many times the last strong reader has gone, and its hold was not kept.
    pub(super) times: u64,
    /// Where the last strong reader stopped; where the first one is to start.
    pub(super) stopped: Position,
    /// What was read by no strong reader: from where the last one stopped, to where the next one
    /// started, of each such time. Of the first ones all from the first on, so that what is not known
    /// any more is not taken for read.
    lost: VecDeque<(Position, Position)>,
}

impl Absence {
    /// That before the first strong reader.
    pub(super) fn first(start: Position) -> Self {
        Self {
            hold: None,
            began: Some((start, Count::default())),
            overwritten: Count::default(),
            times: 0,
            stopped: start,
            lost: VecDeque::new(),
        }
    }
}

impl Absence {
    pub(super) fn lose(&mut self, from: Position, to: Position) {
        self.lost.push_back((from, to));
        if self.lost.len() > LOST {
            if let Some((from, _)) = self.lost.pop_front() {
                self.lost[0].0 = from;
            }
        }
    }
}

impl Default for Absence {
    fn default() -> Self {
        Self::first(Position::new(0))
    }
}

impl Registry {
    /// Takes over what a writer that goes has counted.
    pub(super) fn retire_writer(&mut self, id: u32, figures: &WriterFigures) {
        let (sent, dropped) = self.retired.retire_writer(figures);
        if id != 0 && sent != Count::default() {
            if self.gone.len() == REMEMBERED {
                self.gone.pop_front();
            }
            self.gone.push_back((id, Sent { sent, dropped }));
        }
    }

    /// The same for a reader.
    pub(super) fn retire_reader(&mut self, figures: &ReaderFigures) {
        self.forget_late(figures);
        let _what_it_did_not_learn = self.take_snapshot(figures);
        self.retired.retire_reader(figures);
    }

    /// Counts a reader. A strong one is counted with its hold.
    pub(super) fn count_reader_in(&mut self, strength: Strength) {
        self.weak_readers += usize::from(strength == Strength::Weak);
    }

    /// Counts a reader out, and tells how it was counted; nothing if it was counted out before. A strong
    /// one is counted out with its hold.
    pub(super) fn count_reader_out(&mut self, figures: &ReaderFigures) -> Option<Strength> {
        if !figures.present.load(Ordering::Relaxed) {
            return None;
        }
        figures.present.store(false, Ordering::Relaxed);
        let strength = strength_of(figures);
        self.weak_readers -= usize::from(strength == Strength::Weak);
        Some(strength)
    }

    /// A reader, which is there, is of another strength from now on. A strong one is counted with its
    /// hold.
    pub(super) fn count_reader_as(&mut self, figures: &ReaderFigures, to: Strength) {
        self.weak_readers -= usize::from(strength_of(figures) == Strength::Weak);
        self.weak_readers += usize::from(to == Strength::Weak);
        figures.strong.store(to == Strength::Strong, Ordering::Relaxed);
    }

    /// What was found when the hold of the reader of these figures was taken, if it has not learned of it.
    pub(super) fn snapshot_of(&self, figures: &ReaderFigures) -> Option<&Snapshot> {
        let reader = figures.id.get() as u32;
        self.taken.iter().find(|&&(taken, _)| taken == reader).map(|(_, look)| look)
    }

    /// The same, which it learns by this.
    pub(super) fn take_snapshot(&mut self, figures: &ReaderFigures) -> Option<Snapshot> {
        let reader = figures.id.get() as u32;
        let index = self.taken.iter().position(|&(taken, _)| taken == reader)?;
        Some(self.taken.swap_remove(index).1)
    }

    /// The late slices of the reader of these figures.
    pub(super) fn late_of(&self, figures: &ReaderFigures) -> Vec<Late> {
        let reader = figures.id.get() as u32;
        let late = if figures.late.get() == 0 { &[][..] } else { &self.late };
        late.iter().filter(|late| late.reader == reader).copied().collect()
    }

    pub(super) fn forget_late(&mut self, figures: &ReaderFigures) {
        if figures.late.take() != 0 {
            let reader = figures.id.get() as u32;
            self.late.retain(|late| late.reader != reader);
        }
    }

    #[inline]
    pub(super) fn writers(&mut self, strength: Strength) -> &mut usize {
        match strength {
            Strength::Strong => &mut self.strong_writers,
            Strength::Weak => &mut self.weak_writers,
        }
    }

    /// Whether the channel has come to its natural end: without a handle no writer can join any more,
    /// except through another writer. A handle that looks on keeps nothing open.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        !self.handle && (self.strong_writers == 0 || self.strong_readers + self.weak_readers == 0)
    }

    /// Whether what ends at `end` was read by no strong reader: the last one stopped before, and the
    /// next one started behind.
    pub(super) fn was_lost(&self, end: Position) -> bool {
        let holds = |&(from, to): &(Position, Position)| from.is_before(end) && !to.is_before(end);
        self.absence.lost.iter().any(holds)
    }

    /// Where the last strong reader stopped, if there is none, and none is waited for.
    pub(super) fn stopped_for_good(&self) -> Option<Position> {
        let is_waited_for = self.strong_readers > 0 || self.absence.hold.is_some();
        (!is_waited_for).then_some(self.absence.stopped)
    }

    /// What was overwritten in times that are over, and since when there is no strong reader.
    pub(super) fn overwritten(&self) -> (Count, Option<(Position, Count)>) {
        (self.absence.overwritten, self.absence.began)
    }
}

/// How a reader that is there is counted.
pub(super) fn strength_of(figures: &ReaderFigures) -> Strength {
    if figures.strong.load(Ordering::Relaxed) { Strength::Strong } else { Strength::Weak }
}
