//! What a message sees of the strong reader that lends it: where it lies, and that it is given back.

use super::StrongReader;
use super::hold::Hold;
use crate::channel::loss::Missed;
use crate::channel::reader::message::Header;
use crate::channel::shared::Shared;
use crate::ring::position::Position;
use crate::ring::{Lender, Seen};
use std::iter::Enumerate;
use std::slice;

/// A message that was taken and lies in the ring still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) seen: Seen,
    pub(super) missed: Missed,
}

/// The message that was received last.
#[derive(Debug)]
pub(super) struct Latest {
    pub(super) seen: Seen,
    /// What was missed before the message that lies there; nothing before any other one. So the quick way, on
    /// which nothing is missed, need not touch it.
    missed: (Position, Missed),
}

impl Default for Latest {
    fn default() -> Self {
        Self { seen: Seen::NOTHING, missed: (Seen::NOTHING.slice, Missed::default()) }
    }
}

impl Latest {
    pub(super) fn set(&mut self, Taken { seen, missed }: Taken) {
        (self.seen, self.missed) = (seen, (seen.slice, missed));
    }

    #[inline]
    pub(super) fn taken(&self) -> Taken {
        let (place, missed) = self.missed;
        let missed = if place == self.seen.slice { missed } else { Missed::default() };
        Taken { seen: self.seen, missed }
    }
}

/// Messages that were taken in one go.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) seen: Vec<Seen>,
    /// Before which of them something was missed.
    pub(super) missed: Vec<(usize, Missed)>,
}

impl Batch {
    fn missed_before(&self, index: usize) -> Missed {
        let found = self.missed.binary_search_by_key(&index, |&(index, _)| index);
        found.map_or(Missed::default(), |found| self.missed[found].1)
    }
}

impl StrongReader {
    #[inline(always)]
    pub(super) fn lend_message(&self, seen: &Seen) -> &[u8] {
        let Hold { shared, held, .. } = &self.hold;
        let Some(held) = held else { unreachable!("what was taken is held") };
        shared.ring.lend_seen(held, seen)
    }

    #[inline]
    pub(super) fn header_of(&self, taken: &Taken) -> Header {
        let Seen { slice, offset, .. } = taken.seen;
        let description = self.hold.shared.ring.describe(slice);
        Header::of(&description, slice, offset, taken.missed)
    }
}

/// The message that was received last. Dropped, it gives back what lies before the reader: its room, if the
/// reader has come past it, and else nothing.
#[derive(Debug)]
pub(crate) struct Lent<'a>(pub(super) &'a mut StrongReader);

impl Lent<'_> {
    #[inline(always)]
    pub(crate) fn header(&self) -> Header {
        self.0.header_of(&self.0.last.taken())
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.lend_message(&self.0.last.seen)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.hold.shared
    }
}

impl Drop for Lent<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.settle_behind(self.0.last.seen.slice);
    }
}

/// The messages that were received last, in one go. Dropped, they give their room back together.
#[derive(Debug)]
pub(crate) struct LentBatch<'a>(pub(super) &'a mut StrongReader);

impl LentBatch<'_> {
    pub(crate) fn len(&self) -> usize {
        self.0.batch.seen.len()
    }

    #[inline]
    pub(crate) fn iter(&self) -> LentIter<'_> {
        let (reader, Hold { shared, held, .. }) = (&*self.0, &self.0.hold);
        let seen = &reader.batch.seen;
        let lender = seen.first().map(|first| {
            let Some(held) = held else { unreachable!("what was taken is held") };
            shared.ring.lender(held, first.slice)
        });
        LentIter { reader, lender, seen: seen.iter().enumerate() }
    }
}

impl Drop for LentBatch<'_> {
    #[inline]
    fn drop(&mut self) {
        match self.0.batch.seen.first() {
            Some(first) => self.0.settle_behind(first.slice),
            None => self.0.settle(),
        }
    }
}

/// Goes through them.
#[derive(Debug)]
pub(crate) struct LentIter<'a> {
    reader: &'a StrongReader,
    /// If there are any.
    lender: Option<Lender<'a>>,
    seen: Enumerate<slice::Iter<'a, Seen>>,
}

impl<'a> LentIter<'a> {
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<LentOne<'a>> {
        let (lender, (index, seen)) = (self.lender?, self.seen.next()?);
        Some(LentOne { reader: self.reader, index, seen, bytes: lender.lend(seen) })
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}

/// One of them, for as long as all are kept.
pub(crate) struct LentOne<'a> {
    reader: &'a StrongReader,
    index: usize,
    seen: &'a Seen,
    bytes: &'a [u8],
}

impl<'a> LentOne<'a> {
    #[inline]
    pub(crate) fn header(&self) -> Header {
        let missed = self.reader.batch.missed_before(self.index);
        self.reader.header_of(&Taken { seen: *self.seen, missed })
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.reader.hold.shared
    }
}
