//! Readers that come late, beside a weak one that has been there from the start and has not read: for
//! `overfall::process`.

use super::core::Place;
use super::{Read, StrongReader, WeakReader};
use crate::channel::terms::StartAt;

impl WeakReader {
    /// A strong reader of what is kept, that has missed what this one would have.
    ///
    /// It does not join by itself, but beside another one: who joins begins where the gate is about to be moved, and
    /// that may be behind what a third reader holds, for as long as this holds it.
    pub(crate) fn strong_beside(&self) -> StrongReader {
        let shared = Read::core(self).shared();
        loop {
            // What it holds stays there meanwhile.
            let held = StrongReader::new(shared, StartAt::Oldest);
            if let Some(reader) = self.another().into_strong_beside(&held) {
                return reader;
            }
        }
    }

    /// A strong reader of the last `bytes`, to the byte, or as [`strong_beside`](Self::strong_beside) if no more
    /// are kept.
    pub(crate) fn strong_of_last(&self, bytes: u64) -> StrongReader {
        let shared = Read::core(self).shared();
        loop {
            let held = self.strong_beside();
            let mut from = Read::place(&held).slice;
            let (slice, offset) = loop {
                match shared.ring.last(from, bytes) {
                    Some(last) => break last,
                    // Padding at its hold was recycled: what it holds begins after it.
                    None => from = shared.ring.oldest_intact(from),
                }
            };
            if offset == 0 && !from.is_before(slice) {
                return held;
            }
            let length = if offset == 0 { None } else { shared.ring.find_committed(slice) };
            if let Some(reader) = StrongReader::new_beside(&held, Place { slice, offset, length }) {
                return reader;
            }
        }
    }
}
