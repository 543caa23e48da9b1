//! Who is there, and what those who have gone had counted.

use crate::channel::stats::Totals;
use crate::channel::survey::{Late, Look, Sent};
use crate::channel::terms::Strength;
use crate::ring::{Count, WriterFigures};
use crate::sync::Ordering;
use crate::wait::reader_figures::ReaderFigures;
use std::collections::VecDeque;

/// So many writers that have gone are remembered by themselves.
const REMEMBERED: usize = 64;

/// How many endpoints of each kind there are.
#[derive(Debug, Default)]
pub(super) struct Registry {
    pub(super) handle: bool,
    pub(super) strong_writers: usize,
    pub(super) weak_writers: usize,
    pub(super) strong_readers: usize,
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
    pub(super) taken: Vec<(u32, Look)>,
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
        let _what_it_did_not_learn = self.take_look(figures);
        self.retired.retire_reader(figures);
    }

    /// Counts a reader out, and tells how it was counted; nothing if it was counted out before.
    pub(super) fn count_reader_out(&mut self, figures: &ReaderFigures) -> Option<Strength> {
        if !figures.present.load(Ordering::Relaxed) {
            return None;
        }
        figures.present.store(false, Ordering::Relaxed);
        let strength = strength_of(figures);
        *self.readers(strength) -= 1;
        Some(strength)
    }

    /// Counts a reader, which is there, among those of another strength.
    pub(super) fn count_reader_as(&mut self, figures: &ReaderFigures, to: Strength) {
        *self.readers(strength_of(figures)) -= 1;
        *self.readers(to) += 1;
        figures.strong.store(to == Strength::Strong, Ordering::Relaxed);
    }

    /// What was found when the hold of the reader of these figures was taken, if it has not learned of it.
    pub(super) fn look_of(&self, figures: &ReaderFigures) -> Option<&Look> {
        let reader = figures.id.get() as u32;
        self.taken.iter().find(|&&(taken, _)| taken == reader).map(|(_, look)| look)
    }

    /// The same, which it learns by this.
    pub(super) fn take_look(&mut self, figures: &ReaderFigures) -> Option<Look> {
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

    #[inline]
    pub(super) fn readers(&mut self, strength: Strength) -> &mut usize {
        match strength {
            Strength::Strong => &mut self.strong_readers,
            Strength::Weak => &mut self.weak_readers,
        }
    }

    /// Whether the channel has come to its natural end: without a handle nobody can join any more,
    /// except through another endpoint of the same side.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        !self.handle && (self.strong_writers == 0 || self.strong_readers + self.weak_readers == 0)
    }
}

/// How a reader that is there is counted.
pub(super) fn strength_of(figures: &ReaderFigures) -> Strength {
    if figures.strong.load(Ordering::Relaxed) { Strength::Strong } else { Strength::Weak }
}
