//! What a reader knows of each writer, and what it missed.
//!
//! Each slice tells how many messages and bytes its writer had sent before it. So a reader that
//! remembers, of each writer, where the last message it got ended, knows with the next one exactly
//! what lay between them: overwritten, or dropped by the writer. The header of that message tells it.
//!
//! Of each writer that is there when the reader starts, or whose messages are, the reader knows what
//! that had sent before (`account.rs`). A writer that it does not know came later, and had sent
//! nothing. A strong reader that reads bytes does not look at whose they are. When it receives
//! messages again, it knows nothing of the writers that were there by then: what an older one had
//! sent before the first message that the reader gets is not told in a header.
//!
//! Writers come and go for as long as the channel lives, so those that have gone must be forgotten,
//! and not while there are messages of theirs that the reader has yet to come to. A *sweep* marks
//! who has gone, notes how far writers had come by then, and forgets the marked ones when the reader
//! has come past that. What was missed of them stays in the sum, and is told as that of *others*.

use crate::channel::survey::{Late, Sent, Survey, Unread, UnreadOf};
use crate::channel::terms::Strength;
use crate::ring::Count;
use crate::ring::descriptor::Description;
use crate::ring::position::Position;
use std::ops::{Add, AddAssign};

/// Messages and payload bytes that a reader did not get. They were overwritten before it read them,
/// dropped by their writer, or lost elsewhere, as their writer has
/// [reported](crate::Writer::report_missed).
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

    fn less(self, part: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(part.messages),
            bytes: self.bytes.saturating_sub(part.bytes),
        }
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

impl From<Count> for Missed {
    /// A sum that is being counted may be behind by a little: that is nothing missed.
    fn from(count: Count) -> Self {
        let part = |sum: u64| if sum > u64::MAX / 2 { 0 } else { sum };
        Self { messages: part(count.messages), bytes: part(count.bytes) }
    }
}

/// With so many writers the first sweep begins.
const MANY: usize = 64;

#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    /// The writer of the last message, 0 if it is not known. It is in here that its entry is up to date.
    last: Sender,
    /// How many messages were read to their end, less the messages that `last` expects.
    received: u64,
    /// Of a weak reader: what was sent before it started, and other readers' part. Of a strong one:
    /// what was dropped. With it the sums of `account.rs` come out right.
    base: Count,
    /// In the order of their numbers; slices without a writer as 0.
    writers: Vec<Writer>,
    /// The first number that no writer had when a strong reader last began to receive messages behind
    /// bytes. Before, it knows all writers that are not newer than itself.
    first_newer: Option<u32>,
    sweep: Sweep,
}

/// A writer, and what its next message will say. In the order of C the two sums do not lie side by side: the
/// compiler would make a vector of them to raise them, which takes longer.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Sender {
    messages: u64,
    id: u32,
    bytes: u64,
}

impl Sender {
    #[inline]
    fn new(id: u32, Count { messages, bytes }: Count) -> Self {
        Self { messages, id, bytes }
    }

    #[inline]
    fn expected(&self) -> Count {
        Count::new(self.messages, self.bytes)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Writer {
    id: u32,
    /// What its next message will say, if nothing is missed; nothing if that is not known.
    expected: Option<Count>,
    /// What was missed of it up to what is expected, by a weak reader; by a strong one while it was
    /// weak.
    missed: Count,
    /// What it had dropped when a strong reader began to count.
    dropped: Count,
    /// What it had sent when the reader began to be weak last, and when it turned strong since. A
    /// reader that was strong all the time begins and ends at the same.
    weak_from: Count,
    strong_from: Count,
    /// Whether the reader is strong, so that what it took for sent while it was weak ends there.
    is_strong: bool,
    has_gone: bool,
}

#[derive(Clone, Copy, Debug)]
enum Sweep {
    /// Begins when there are so many writers.
    At(usize),
    /// Ends when the reader has come here.
    Until(Position),
}

impl Default for Sweep {
    fn default() -> Self {
        Self::At(MANY)
    }
}

impl Losses {
    /// What a reader knows that starts now, with what is `unread` before it.
    pub(crate) fn begin(strength: Strength, survey: &Survey, unread: &Unread) -> Self {
        let mut losses = Self::default();
        // What others sent between the first unread message and now, and is not there, was dropped, or
        // overwritten just now. The headers of the messages tell it, and so it counts as missed.
        let mut between = unread.writers.get(&0).map_or(Count::default(), |unread| unread.total);
        let mut dropped = Count::default();
        for (id, of, unread) in writers(survey, unread) {
            let writer = Writer::begin(id, of, unread);
            between = between.plus(of.sent.minus(writer.expected.unwrap_or_default()));
            dropped = dropped.plus(of.dropped.minus(writer.dropped));
            losses.writers.push(writer);
        }
        losses.writers.push(Writer { weak_from: anonymous(survey), ..Writer::default() });
        losses.writers.sort_unstable_by_key(|writer| writer.id);
        if strength == Strength::Strong {
            for writer in &mut losses.writers {
                (writer.strong_from, writer.is_strong) = (writer.weak_from, true);
            }
        }
        losses.base = match strength {
            Strength::Weak => survey.sent.minus(between),
            Strength::Strong => survey.dropped.minus(dropped),
        };
        losses
    }

    /// The reader is weak, and a clone: the original has received so many bytes. Of the messages the
    /// clone knows.
    pub(crate) fn received_before(&mut self, bytes: u64) {
        self.base = self.base.plus(Count::new(0, bytes));
    }

    /// Slices that count as sent before the reader started.
    pub(crate) fn add_late(&mut self, strength: Strength, late: &[Late]) {
        for late in late {
            self.put_back();
            let index = self.find(late.writer);
            let writer = &mut self.writers[index];
            if late.is_lost {
                // What was counted when the reader turned strong is in its sums, and so is what it had received;
                // and what was not counted when it turned weak again.
                let is_known = late.before.is_before(writer.strong_from);
                let comes = strength == Strength::Weak && !late.before.is_before(writer.weak_from);
                if !is_known && !comes {
                    self.base = self.base.minus(late.count);
                    writer.missed = writer.missed.plus(late.count);
                }
                continue;
            }
            // What of it the reader took for sent while it was weak.
            let taken =
                late.between(writer.weak_from, writer.is_strong.then_some(writer.strong_from));
            self.base = self.base.plus(taken);
            if strength == Strength::Strong {
                writer.missed = writer.missed.minus(taken);
            }
            if writer.expected == Some(late.before) {
                writer.expected = Some(late.before.plus(late.count));
                if strength == Strength::Weak {
                    writer.missed = writer.missed.plus(late.count.minus(taken));
                }
            }
        }
    }

    /// The reader is of the other strength from here on, and has missed what it had.
    pub(crate) fn convert(
        &mut self,
        to: Strength,
        survey: &Survey,
        unread: &Unread,
        received: Count,
    ) {
        let from = match to {
            Strength::Weak => Strength::Strong,
            Strength::Strong => Strength::Weak,
        };
        self.put_back();
        let survey = &self.with_what_it_received(survey);
        let missed = self.sum(from, survey, unread, received);
        for (id, of, unread) in writers(survey, unread) {
            let now = Writer::begin(id, of, unread);
            let index = self.find(id);
            let writer = &mut self.writers[index];
            let missed = writer.missed_of(from, of, unread);
            *writer = match to {
                // What is between is found again when the reader comes to it.
                Strength::Weak => {
                    let expected = writer.expected.or(now.expected);
                    let now = Writer { expected, strong_from: writer.strong_from, ..now };
                    Writer { missed: missed.minus(now.between(of, unread)), ..now }
                }
                Strength::Strong => Writer {
                    missed,
                    dropped: of.dropped,
                    strong_from: of.sent,
                    is_strong: true,
                    ..*writer
                },
            };
        }
        let index = self.find(0);
        let of_anonymous = &mut self.writers[index];
        match to {
            Strength::Weak => {
                (of_anonymous.weak_from, of_anonymous.is_strong) = (anonymous(survey), false);
            }
            Strength::Strong => {
                (of_anonymous.strong_from, of_anonymous.is_strong) = (anonymous(survey), true);
            }
        }
        self.base = match to {
            Strength::Weak => survey.sent.minus(received).minus(unread.total).minus(missed),
            Strength::Strong => survey.dropped.minus(missed),
        };
        self.first_newer = None;
        self.forget_last();
    }

    /// What was sent, with what this reader has received of it, though its writer had not counted it yet.
    fn with_what_it_received(&self, survey: &Survey) -> Survey {
        let mut survey = survey.clone();
        for writer in self.writers.iter().filter(|writer| writer.id != 0) {
            if let Some(expected) = writer.expected {
                survey.raise(writer.id, expected);
            }
        }
        survey
    }

    /// What was missed, over all writers.
    fn sum(&self, strength: Strength, survey: &Survey, unread: &Unread, received: Count) -> Count {
        match strength {
            Strength::Weak => survey.sent.minus(self.base).minus(received).minus(unread.total),
            Strength::Strong => survey.dropped.minus(self.base),
        }
    }

    /// What was missed, over all writers, and of each by its number, others as 0.
    pub(crate) fn missed(
        mut self,
        strength: Strength,
        (survey, unread, late): &(Survey, Unread, Vec<Late>),
        received: Count,
    ) -> (Missed, Vec<(u32, Missed)>) {
        self.add_late(strength, late);
        self.put_back();
        let survey = &self.with_what_it_received(survey);
        let total = Missed::from(self.sum(strength, survey, unread, received));
        let (mut others, mut by_writer) = (total, Vec::new());
        let mut tell = |id, missed: Count| {
            let missed = Missed::from(missed);
            if !missed.is_none() {
                others = others.less(missed);
                by_writer.push((id, missed));
            }
        };
        for (id, of, unread) in writers(survey, unread) {
            let index = self.find(id);
            let writer = self.writers.remove(index);
            tell(id, writer.missed_of(strength, of, unread));
        }
        // Those that have gone, and are not remembered by all.
        self.writers.iter().for_each(|writer| tell(writer.id, writer.missed));
        if !others.is_none() {
            by_writer.push((0, others));
        }
        by_writer.sort_unstable_by_key(|&(id, _)| id);
        (total, by_writer)
    }

    /// Begins anew: what a strong reader read since is not known.
    pub(crate) fn restart(&mut self, first_newer: u32) {
        self.first_newer = Some(first_newer);
        self.forget_last();
        self.writers.iter_mut().for_each(|writer| writer.expected = None);
    }

    /// The writer of the last slice, and the number of its next one.
    #[inline]
    pub(crate) fn next_sender(&self) -> (u32, u64) {
        (self.last.id, self.last.messages)
    }

    /// Counts that one, as a whole, and what else comes right behind it.
    #[inline]
    pub(crate) fn count_next(&mut self, more: Count) {
        self.last.messages = self.last.messages.wrapping_add(more.messages);
        self.last.bytes = self.last.bytes.wrapping_add(more.bytes);
    }

    /// How many messages were read to their end.
    pub(crate) fn received(&self) -> u64 {
        self.received.wrapping_add(self.last.messages)
    }

    /// Whether a slice is the next of the writer of the last one, and nothing else is to be known.
    /// Counts it up to `to` of its bytes then.
    #[inline(always)]
    pub(crate) fn pass_next(&mut self, description: &Description, to: u64) -> bool {
        let is_next = self.next_sender() == (description.writer, description.sequence);
        if is_next {
            self.last = Sender::new(description.writer, up_to(description, to));
        }
        is_next
    }

    /// Counts any slice, of which `from` bytes were read before, up to `to`, and tells what was missed
    /// before it. `late` is what is late for this reader.
    #[inline(never)]
    pub(crate) fn pass(
        &mut self,
        strength: Strength,
        description: &Description,
        (from, to): (u64, u64),
        late: &[Late],
    ) -> Missed {
        self.add_late(strength, late);
        let id = description.writer;
        if id == 0 {
            // Without a writer: no other slice tells of it.
            let is_whole = to == u64::from(description.length);
            self.received = self.received.wrapping_add(u64::from(is_whole));
            return Missed::default();
        }
        if self.is_first(description, from) {
            // The first writer has an entry when there is a second one.
            let expected = up_to(description, to);
            self.set_last(id, expected, expected.messages - description.sequence);
            return Missed::default();
        }
        self.put_back();
        let index = self.find(id);
        let begin = Count::new(description.sequence, description.bytes.wrapping_add(from));
        let end = up_to(description, to);
        self.set_last(id, end, end.messages - description.sequence);
        let writer = &mut self.writers[index];
        let Some(mut expected) = writer.expected else { return Missed::default() };
        if description.sequence < expected.messages {
            // It began after the one that we knew had gone: numbers start over after 2^32.
            expected = Count::default();
        }
        let missed = begin.minus(expected);
        if strength == Strength::Weak {
            writer.missed = writer.missed.plus(missed);
        }
        Missed::from(missed)
    }

    /// Whether it is the beginning of all that the reader comes to know.
    fn is_first(&self, description: &Description, from: u64) -> bool {
        let Self { last, writers, first_newer, .. } = self;
        let is_new = last.id == 0 && writers.is_empty() && first_newer.is_none();
        is_new && (description.sequence, description.bytes, from) == (0, 0, 0)
    }

    /// What is missed before a slice, of its writer, as far as it is known.
    pub(crate) fn missed_before(&self, description: &Description) -> Missed {
        let Description { writer: id, sequence, bytes, .. } = *description;
        let known = self.writers.binary_search_by_key(&id, |writer| writer.id);
        let expected = match (id, known) {
            (0, _) => return Missed::default(),
            (id, _) if id == self.last.id => self.last.expected(),
            (_, Ok(index)) => self.writers[index].expected.unwrap_or_default(),
            (_, Err(_)) => Count::default(),
        };
        Missed::from(Count::new(sequence, bytes).minus(expected))
    }

    /// Another writer's slice is the last one, or none is; `more` messages were read to their end.
    fn set_last(&mut self, id: u32, expected: Count, more: u64) {
        let received = self.received().wrapping_add(more);
        self.last = Sender::new(id, expected);
        self.received = received.wrapping_sub(expected.messages);
    }

    fn forget_last(&mut self) {
        self.set_last(0, Count::default(), 0);
    }

    /// Brings the entry of the last writer up to date.
    fn put_back(&mut self) {
        let (id, expected) = (self.last.id, self.last.expected());
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
                let is_newer =
                    self.first_newer.is_none_or(|first| (id.wrapping_sub(first) as i32) >= 0);
                let expected = is_newer.then(Count::default);
                self.writers.insert(index, Writer { id, expected, ..Writer::default() });
                index
            }
        }
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
                self.forget_last();
                // Slices without a writer come at any time, late ones as well.
                self.writers.retain(|writer| writer.id == 0 || !writer.has_gone);
                Sweep::At((2 * self.writers.len()).max(MANY))
            }
        };
    }
}

impl Writer {
    /// What a reader knows of a writer when it starts, with what is unread of that.
    fn begin(id: u32, of: Sent, unread: Option<&UnreadOf>) -> Self {
        let expected = Some(unread.map_or(of.sent, |unread| unread.first));
        let writer = Self { id, expected, weak_from: of.sent, ..Self::default() };
        Self { dropped: of.dropped.minus(writer.between(of, unread)), ..writer }
    }

    /// What the writer sent since what is expected of it, and is not unread.
    fn between(&self, of: Sent, unread: Option<&UnreadOf>) -> Count {
        let unread = unread.map_or(Count::default(), |unread| unread.total);
        of.sent.minus(self.expected.unwrap_or(of.sent.minus(unread))).minus(unread)
    }

    /// What a reader has missed of it.
    fn missed_of(&self, strength: Strength, of: Sent, unread: Option<&UnreadOf>) -> Count {
        match strength {
            Strength::Weak => self.missed.plus(self.between(of, unread)),
            Strength::Strong => self.missed.plus(of.dropped.minus(self.dropped)),
        }
    }
}

/// What was sent without a writer.
fn anonymous(survey: &Survey) -> Count {
    survey.writers.get(&0).map_or(Count::default(), |of| of.sent)
}

/// The writers that are known, or have something unread.
fn writers<'a>(
    survey: &'a Survey,
    unread: &'a Unread,
) -> impl Iterator<Item = (u32, Sent, Option<&'a UnreadOf>)> {
    let known = survey.writers.iter().filter(|&(&id, _)| id != 0);
    let known = known.map(|(&id, &of)| (id, of, unread.writers.get(&id)));
    let is_forgotten = |id: &u32| *id != 0 && !survey.writers.contains_key(id);
    let forgotten = unread.writers.iter().filter(move |(id, _)| is_forgotten(id));
    known.chain(forgotten.map(|(&id, unread)| {
        (id, Sent { sent: unread.end, dropped: Count::default() }, Some(unread))
    }))
}

/// What lies between two slices of a writer, each of which is read as a whole.
pub(crate) fn missed_between(before: &Description, slice: &Description) -> Missed {
    let mut expected = up_to(before, u64::from(before.length));
    if slice.writer == 0 {
        return Missed::default();
    }
    if slice.sequence < expected.messages {
        // As in `pass`.
        expected = Count::default();
    }
    Missed::from(Count::new(slice.sequence, slice.bytes).minus(expected))
}

/// What the writer of a slice had sent when `bytes` of it are read.
#[inline]
fn up_to(description: &Description, bytes: u64) -> Count {
    let is_whole = bytes == u64::from(description.length);
    let messages = description.sequence + u64::from(is_whole);
    Count::new(messages, description.bytes.wrapping_add(bytes))
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

    /// A whole message.
    fn count(losses: &mut Losses, description: &Description) -> Missed {
        let to = u64::from(description.length);
        if losses.pass_next(description, to) {
            return Missed::default();
        }
        losses.pass(Strength::Weak, description, (0, to), &[])
    }

    /// What one writer, number 1, has counted.
    fn counted(sent: Count, dropped: Count) -> Survey {
        Survey { sent, dropped, writers: [(1, Sent { sent, dropped })].into() }
    }

    #[test]
    fn what_was_received_and_is_not_counted_yet_makes_up_for_nothing_that_is_missed() {
        let none = Unread::default();
        for turns in 1..4 {
            let mut losses = Losses::default();
            count(&mut losses, &message(1, 0, 0, 10));
            let received = Count::new(1, 10);
            // The writer is stopped: it has committed the message, and counted nothing.
            let survey = counted(Count::default(), Count::default());
            for turn in 0..turns {
                let to = if turn % 2 == 0 { Strength::Strong } else { Strength::Weak };
                losses.convert(to, &survey, &none, received);
            }
            // It goes on, and drops another one.
            let survey = counted(Count::new(2, 15), Count::new(1, 5));
            let strength = if turns % 2 == 1 { Strength::Strong } else { Strength::Weak };
            let (total, _) = losses.missed(strength, &(survey, none.clone(), Vec::new()), received);
            assert_eq!(total, missed(1, 5), "{turns} turns");
        }
    }

    #[test]
    fn what_lies_between_two_messages_of_a_writer_was_missed() {
        let mut losses = Losses::default();
        assert_eq!(count(&mut losses, &message(1, 0, 0, 10)), missed(0, 0));
        assert_eq!(count(&mut losses, &message(2, 3, 70, 5)), missed(3, 70));
        assert_eq!(count(&mut losses, &message(1, 1, 10, 10)), missed(0, 0));
        assert_eq!(count(&mut losses, &message(1, 5, 40, 10)), missed(3, 20));
        assert_eq!(count(&mut losses, &message(2, 4, 75, 5)), missed(0, 0));
    }

    #[test]
    fn a_message_of_which_a_part_was_read_is_missed_with_what_is_left_of_it() {
        let mut losses = Losses::default();
        losses.pass(Strength::Weak, &message(1, 0, 0, 10), (0, 4), &[]);
        assert_eq!(count(&mut losses, &message(1, 2, 15, 10)), missed(2, 11));
    }

    #[test]
    fn behind_bytes_the_count_of_an_older_writer_begins_with_its_next_message() {
        let mut losses = Losses::default();
        count(&mut losses, &message(1, 0, 0, 10));
        losses.restart(3);
        assert_eq!(count(&mut losses, &message(1, 7, 70, 10)), missed(0, 0));
        assert_eq!(count(&mut losses, &message(2, 7, 70, 10)), missed(0, 0));
        assert_eq!(count(&mut losses, &message(3, 7, 70, 10)), missed(7, 70));
        losses.restart(u32::MAX);
        assert_eq!(count(&mut losses, &message(1, 2, 20, 10)), missed(0, 0), "known");
        assert_eq!(count(&mut losses, &message(4, 2, 20, 10)), missed(2, 20), "started over");
    }

    #[test]
    fn a_writer_that_has_gone_is_forgotten_once_the_reader_is_past_its_messages() {
        let mut losses = Losses::default();
        let position = Position::new(640);
        for id in 1..=MANY as u32 {
            assert!(!losses.must_sweep(position));
            count(&mut losses, &message(id, 1, 10, 10));
        }
        assert!(losses.must_sweep(position));
        losses.sweep((2..1000).step_by(2), || Position::new(1280));
        assert!(!losses.must_sweep(Position::new(1279)));
        assert_eq!(count(&mut losses, &message(1, 2, 20, 10)), missed(0, 0), "not yet forgotten");
        assert!(losses.must_sweep(Position::new(1280)));
        losses.sweep(std::iter::empty(), || unreachable!());
        assert_eq!(losses.writers.len(), MANY / 2);
        assert_eq!(count(&mut losses, &message(2, 2, 20, 10)), missed(0, 0), "still there");
        assert!(!losses.must_sweep(Position::new(1280)));
    }
}
