//! What a reader missed of each writer.
//!
//! Each slice tells how many messages and bytes its writer had sent before it. So a reader that
//! remembers, of each writer, where the last message it got ended, knows with the next one exactly
//! what lay between them: overwritten, or dropped by the writer.
//!
//! Of a writer that it has not heard of yet it knows that only if it was there before the writer
//! was: numbers rise, so it remembers the first one that had not been given when it started. What
//! an older writer had sent before the first message of it that we get is not ours to miss.
//!
//! Writers come and go for as long as the channel lives, so those that have gone must be forgotten,
//! and not while there are messages of theirs that we have yet to come to. A *sweep* marks who has
//! gone, notes how far writers had come by then, and forgets the marked ones when we have come past
//! that.

use crate::ring::descriptor::Description;
use crate::ring::position::Position;
use std::ops::{Add, AddAssign};

/// Messages and payload bytes that a reader did not get. They were overwritten before it read them,
/// or dropped by their writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Missed {
    /// How many messages.
    pub messages: u64,
    /// How many payload bytes these had.
    pub bytes: u64,
}

impl Missed {
    /// Whether nothing was missed.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Add for Missed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (messages, bytes) =
            (self.messages + other.messages, self.bytes.wrapping_add(other.bytes));
        Self { messages, bytes }
    }
}

impl AddAssign for Missed {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// With so many writers the first sweep begins.
const MANY: usize = 64;

#[derive(Clone, Debug)]
pub(crate) struct Losses {
    /// The writer of the last message, and what its next one will say; 0 if it is not known. It is in
    /// here that its entry is up to date.
    last: (u32, Expected),
    /// In the order of their numbers.
    writers: Vec<Writer>,
    /// The first number that no writer had when the count began.
    first_newer: u32,
    /// Over all writers, those that were forgotten too.
    total: Missed,
    sweep: Sweep,
}

#[derive(Clone, Debug)]
struct Writer {
    id: u32,
    /// What its next message will say, if nothing is missed; nothing if the count begins with it.
    expected: Option<Expected>,
    missed: Missed,
    has_gone: bool,
}

#[derive(Clone, Copy, Default, Debug)]
struct Expected {
    sequence: u64,
    bytes: u64,
}

impl Expected {
    #[inline]
    fn after(description: &Description) -> Self {
        Self {
            sequence: description.sequence + 1,
            bytes: description.bytes + u64::from(description.length),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Sweep {
    /// Begins when there are so many writers.
    At(usize),
    /// Ends when the reader has come here.
    Until(Position),
}

impl Losses {
    pub(crate) fn new(first_newer: u32) -> Self {
        let sweep = Sweep::At(MANY);
        let last = (0, Expected::default());
        Self { last, writers: Vec::new(), first_newer, total: Missed::default(), sweep }
    }

    /// Begins anew: what was read since is not known.
    pub(crate) fn restart(&mut self, first_newer: u32) {
        self.first_newer = first_newer;
        self.last.0 = 0;
        self.writers.iter_mut().for_each(|writer| writer.expected = None);
    }

    /// Counts a message, and tells what was missed before it.
    #[inline(always)]
    pub(crate) fn count(&mut self, description: &Description) -> Missed {
        let (writer, expected) = &mut self.last;
        if (*writer, expected.sequence) == (description.writer, description.sequence) {
            *expected = Expected::after(description);
            return Missed::default();
        }
        self.count_other(description)
    }

    /// One that is not just the next of the writer of the last.
    #[inline(never)]
    fn count_other(&mut self, description: &Description) -> Missed {
        let id = description.writer;
        if id == 0 {
            // Without a writer, nobody counts.
            return Missed::default();
        }
        self.put_back();
        let index = self.find(id);
        let writer = &mut self.writers[index];
        self.last = (id, Expected::after(description));
        let Some(mut expected) = writer.expected else { return Missed::default() };
        if description.sequence < expected.sequence {
            // It began after the one that we knew had gone: numbers start over after 2^32.
            expected = Expected::default();
        }
        let missed = Missed {
            messages: description.sequence - expected.sequence,
            bytes: description.bytes.wrapping_sub(expected.bytes),
        };
        writer.missed += missed;
        self.total += missed;
        missed
    }

    /// Brings the entry of the last writer up to date.
    fn put_back(&mut self) {
        let (id, expected) = self.last;
        if id != 0 {
            let index = self.find(id);
            self.writers[index].expected = Some(expected);
        }
    }

    /// Where a writer is; it is there from now on.
    fn find(&mut self, id: u32) -> usize {
        match self.writers.binary_search_by_key(&id, |writer| writer.id) {
            Ok(index) => index,
            Err(index) => {
                // Numbers start over after 2^32.
                let is_newer = (id.wrapping_sub(self.first_newer) as i32) >= 0;
                let expected = is_newer.then(Expected::default);
                let writer = Writer { id, expected, missed: Missed::default(), has_gone: false };
                self.writers.insert(index, writer);
                index
            }
        }
    }

    pub(crate) fn total(&self) -> Missed {
        self.total
    }

    /// Who was missed, and what of them, by their numbers.
    pub(crate) fn by_writer(&self) -> impl Iterator<Item = (u32, Missed)> {
        let missed = self.writers.iter().map(|writer| (writer.id, writer.missed));
        missed.filter(|(_, missed)| !missed.is_none())
    }

    /// Whether it is time for the next step of a sweep, for a reader at `position`.
    #[inline]
    pub(crate) fn must_sweep(&self, position: Position) -> bool {
        match self.sweep {
            Sweep::At(many) => self.writers.len() >= many,
            Sweep::Until(end) => !position.is_before(end),
        }
    }

    /// Takes that step. `living` are those who have not gone; `reserved` is read after they were.
    #[cold]
    pub(crate) fn sweep(
        &mut self,
        living: impl Iterator<Item = u32>,
        reserved: impl FnOnce() -> Position,
    ) {
        self.sweep = match self.sweep {
            Sweep::At(_) => {
                self.writers.iter_mut().for_each(|writer| writer.has_gone = true);
                for id in living {
                    let index = self.writers.binary_search_by_key(&id, |writer| writer.id);
                    if let Ok(index) = index {
                        self.writers[index].has_gone = false;
                    }
                }
                Sweep::Until(reserved())
            }
            Sweep::Until(_) => {
                self.put_back();
                self.last.0 = 0;
                self.writers.retain(|writer| !writer.has_gone);
                Sweep::At((2 * self.writers.len()).max(MANY))
            }
        };
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use crate::ring::descriptor::Joins;

    fn message(writer: u32, sequence: u64, bytes: u64, length: u32) -> Description {
        Description { length, writer, sequence, bytes, joins: Joins::default() }
    }

    fn missed(messages: u64, bytes: u64) -> Missed {
        Missed { messages, bytes }
    }

    #[test]
    fn what_lies_between_two_messages_of_a_writer_was_missed() {
        let mut losses = Losses::new(1);
        assert_eq!(losses.count(&message(1, 0, 0, 10)), missed(0, 0));
        assert_eq!(losses.count(&message(2, 3, 70, 5)), missed(3, 70));
        assert_eq!(losses.count(&message(1, 1, 10, 10)), missed(0, 0));
        assert_eq!(losses.count(&message(1, 5, 40, 10)), missed(3, 20));
        assert_eq!(losses.count(&message(2, 4, 75, 5)), missed(0, 0));
        assert_eq!(losses.total(), missed(6, 90));
        let by_writer: Vec<_> = losses.by_writer().collect();
        assert_eq!(by_writer, [(1, missed(3, 20)), (2, missed(3, 70))]);
    }

    #[test]
    fn the_count_of_an_older_writer_begins_with_its_first_message() {
        let mut losses = Losses::new(5);
        assert_eq!(losses.count(&message(4, 9, 90, 10)), missed(0, 0));
        assert_eq!(losses.count(&message(4, 11, 110, 10)), missed(1, 10));
        assert_eq!(losses.count(&message(5, 1, 10, 10)), missed(1, 10));
        losses.restart(6);
        assert_eq!(losses.count(&message(4, 20, 200, 10)), missed(0, 0));
        assert_eq!(losses.count(&message(5, 20, 200, 10)), missed(0, 0));
        assert_eq!(losses.count(&message(6, 2, 20, 10)), missed(2, 20));
        assert_eq!(losses.total(), missed(4, 40));
    }

    #[test]
    fn numbers_that_start_over_are_newer_ones() {
        let mut losses = Losses::new(u32::MAX);
        assert_eq!(losses.count(&message(1, 2, 20, 10)), missed(2, 20));
        assert_eq!(losses.count(&message(u32::MAX - 1, 2, 20, 10)), missed(0, 0));
    }

    #[test]
    fn who_has_gone_is_forgotten_once_the_reader_is_past_its_messages() {
        let mut losses = Losses::new(1);
        let position = Position::new(640);
        for id in 1..=MANY as u32 {
            assert!(!losses.must_sweep(position));
            losses.count(&message(id, 1, 10, 10));
        }
        assert!(losses.must_sweep(position));
        losses.sweep((2..1000).step_by(2), || Position::new(1280));
        assert!(!losses.must_sweep(Position::new(1279)));
        assert_eq!(losses.count(&message(1, 2, 20, 10)), missed(0, 0), "not yet forgotten");
        assert!(losses.must_sweep(Position::new(1280)));
        losses.sweep(std::iter::empty(), || unreachable!());
        assert_eq!(losses.writers.len(), MANY / 2);
        assert_eq!(losses.total(), missed(MANY as u64, 10 * MANY as u64));
        assert_eq!(losses.count(&message(2, 2, 20, 10)), missed(0, 0), "still there");
        assert!(!losses.must_sweep(Position::new(1280)));
    }
}
