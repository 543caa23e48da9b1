//! What was sent, and what of it a reader has missed.
//!
//! # Sums
//!
//! Each writer counts what it sent, in its slot: what it committed, and what it dropped. The sums of
//! those that have gone are in the registry. So what was sent in all is known at any moment, without
//! a list, and a reader has missed what was sent and is neither received nor there to be read:
//!
//! - a weak reader: `sent - base - received - unread`. `base` is what was sent before it started.
//!   `unread` is found in the ring, from where the reader stands on. What cannot be found there any
//!   more is missed, however it got lost, and whether or not its writer ever speaks again.
//! - a strong reader: `dropped - base`. Nothing else is lost to it, and it need not count what it
//!   receives.
//!
//! A reader that is converted gets the base with which the other formula tells the same. A clone
//! gets the base with which it tells what the original does, and has received nothing itself.
//!
//! A slice is counted once it can be read. So what is counted was received, is unread, or is missed.
//! While a writer is stopped between the two, the figure is too small by that slice, unless the reader
//! has received it: then it knows better (`Losses::with_what_it_received`). A message that is
//! unread is looked up with the sequence number that its writer had counted: one that came since the
//! sum was taken is in neither.
//!
//! # Where a reader starts
//!
//! A slice may lie before the place where a reader starts, and its writer not have counted it yet. The
//! writer counts it later, hours later perhaps, and for this reader it was sent before. Once it is
//! committed, nothing in the ring waits for its count: the slice may lie any way behind. The channel keeps
//! the furthest start of its readers. A writer that has committed and counted a slice before that start
//! takes it, for each reader whose start is behind the slice and which has not found it in its base,
//! to the *late* slices of the registry, and each reader adds its own to its base.
//!
//! A weak reader that turns strong starts anew, as to this: a strong reader looks at no sums of what was
//! sent. A slice before the place where it turned that nobody had counted then was overwritten, or the
//! reader would have found it. It is *lost*, and the reader adds it to what it has missed. A clone's places
//! are those of its original.
//!
//! Reader R raises the furthest start, and then reads the counts; writer W counts, and then looks at
//! the furthest start. Neither may miss the other, and W must not pay for a full fence each time. So
//! R also keeps the watch for sleepers ([`Watch::keep`](crate::wait::watch::Watch::keep)): either W
//! finds it kept and issues a full fence between the two, or W had counted before R reads the counts.
//! Both may find the other. So R remembers how far W's count was when R read it, to begin or to turn,
//! and W says with a late slice how far it was before that: what R had counted then is not late. While W
//! is stopped between its count and its look, R's figure is too large by that slice.
//!
//! Counts are read, and late slices taken, behind the registry's lock. So are slices without a writer
//! committed: they are counted there, and have sequence numbers in the order of their commits.

use crate::channel::loss::Losses;
use crate::channel::registry::{Registry, strength_of};
use crate::channel::shared::Shared;
use crate::channel::survey::{Late, Sent, Snapshot, Survey, Unread, UnreadOf};
use crate::channel::terms::Strength;
use crate::ring::position::{GRANULE, Position};
use crate::ring::{Count, WriterSlot};
use crate::sync::figure::Figure;
use crate::sync::table::Seat;
use crate::sync::{Ordering, fence, lock};
use crate::wait::parking::Slot;
use crate::wait::reader_figures::ReaderFigures;

/// Where a reader starts, or stands: a slice, and the payload bytes of it that were read before.
pub(crate) type Start = (Position, u64);

/// The ring bytes that a channel moves on by while a writer is stopped between its commit and its count are
/// fewer. What seems to lie further behind a place lies ahead of it, and positions have come round.
const FAR: u64 = if cfg!(overfall_loom) { 8 * GRANULE } else { 1 << 62 };

/// A reader that starts where another one stands.
pub(crate) struct Cloned {
    pub(crate) slot: Seat<Slot>,
    pub(crate) strength: Strength,
    /// The original has ended, and may not know it yet.
    pub(crate) has_ended: bool,
    /// What is late for the original.
    pub(crate) late: Vec<Late>,
    /// What was found when the hold of the original was taken, if it does not know it yet.
    pub(crate) taken: Option<Snapshot>,
}

impl Shared {
    /// Registers a reader that starts here. Nothing may unwind from here until somebody is
    /// there who takes it off again.
    #[track_caller]
    pub(crate) fn add_reader(
        &self,
        strength: Strength,
        (slice, offset): Start,
    ) -> (Seat<Slot>, Losses) {
        let slot = self.new_reader_slot(strength, (slice, offset), None);
        if (slice, offset) == (self.ring.start(), 0) {
            // Nobody has sent anything before.
            lock(&self.registry).count_reader_in(strength);
            return (slot, Losses::default());
        }
        self.raise_furthest_start(slice);
        let mut registry = lock(&self.registry);
        registry.count_reader_in(strength);
        // What was late so far is counted by now.
        registry.forget_late(&slot.figures);
        let survey = self.survey(&registry);
        drop(registry);
        let losses = Losses::begin(strength, &survey, &self.unread((slice, offset), &survey));
        (slot, losses)
    }

    /// Registers a reader that starts where another one stands, and is what that one is by now. If it is
    /// strong, nobody had taken the hold of the original when its own was put up beside.
    #[track_caller]
    pub(crate) fn add_clone(&self, (slice, offset): Start, original: &ReaderFigures) -> Cloned {
        let slot = self.new_reader_slot(Strength::Weak, (slice, offset), Some(original));
        let mut registry = lock(&self.registry);
        let strength = strength_of(original);
        slot.figures.strong.store(strength == Strength::Strong, Ordering::Relaxed);
        registry.count_reader_in(strength);
        // Up to here what is late for both is taken from the original.
        registry.forget_late(&slot.figures);
        let (late, taken) = (registry.late_of(original), registry.snapshot_of(original).cloned());
        let has_ended = !original.present.load(Ordering::Relaxed);
        Cloned { slot, strength, has_ended, late, taken }
    }

    #[track_caller]
    fn new_reader_slot(
        &self,
        strength: Strength,
        (slice, offset): Start,
        original: Option<&ReaderFigures>,
    ) -> Seat<Slot> {
        let slot = self.parking.slots.acquire();
        let id = self.next_reader_id.fetch_add(1, Ordering::Relaxed);
        let figures = &slot.figures;
        figures.id.set(u64::from(id));
        figures.strong.store(strength == Strength::Strong, Ordering::Relaxed);
        figures.start.set(slice.byte(offset));
        // A slice that is read in part is before it, too.
        let start = if offset == 0 { slice } else { slice.plus(GRANULE) };
        let [late_before, lost_before] = match original {
            None => [start.raw(); 2],
            Some(original) => [&original.late_before, &original.lost_before].map(Figure::get),
        };
        figures.late_before.set(late_before);
        figures.lost_before.set(lost_before);
        figures.position.set(slice.byte(offset));
        figures.present.store(true, Ordering::Relaxed);
        slot
    }

    /// From the return on, a writer that counts a slice before `start` finds that out, or has counted
    /// it before.
    fn raise_furthest_start(&self, start: Position) {
        // A slice in flight is at most two capacities behind what is reserved.
        let near = 4 * self.ring.capacity();
        if !self.ring.reserved().is_within(near, start) {
            return;
        }
        // Another reader's start is further on, unless it is so old that positions have come round.
        let raise = |now| {
            let is_further = Position::of_raw(now).is_within(2 * near, start);
            (!is_further).then(|| start.raw())
        };
        // ORD(start:C) Release, pairs with ORD(start:D): the reader is found in its slot.
        let order = (Ordering::Release, Ordering::Relaxed);
        let _raised = self.furthest_start.fetch_update(order.0, order.1, raise);
        // ORD(start:A) pairs with ORD(start:B).
        self.watch.keep();
    }

    /// Keeps a slice at `position`, which its writer has counted last, from readers that had started
    /// behind it.
    #[cold]
    #[inline(never)]
    pub(crate) fn count_late(&self, writer: &WriterSlot, position: Position, count: Count) {
        // ORD(start:D) Acquire, pairs with ORD(start:C).
        fence(Ordering::Acquire);
        let mut registry = lock(&self.registry);
        let before = writer.figures.sent.own().minus(count);
        self.add_late(&mut registry, writer.id.get() as u32, position, before, count);
        drop(registry);
        let furthest = self.furthest_start.load(Ordering::Relaxed);
        if !Position::of_raw(furthest).is_within(FAR, position) {
            // So old that it seems to lie ahead. A reader that starts now raises it again.
            let order = (Ordering::Relaxed, Ordering::Relaxed);
            let (start, here) = (&self.furthest_start, position.raw());
            let _lowered = start.compare_exchange(furthest, here, order.0, order.1);
        }
    }

    /// The same for a slice without a writer, behind the lock behind which it was counted.
    pub(super) fn count_anonymous_late(
        &self,
        registry: &mut Registry,
        position: Position,
        count: Count,
    ) {
        if self.may_be_late(position) {
            let before = registry.anonymous.minus(count);
            self.add_late(registry, 0, position, before, count);
        }
    }

    fn add_late(
        &self,
        registry: &mut Registry,
        writer: u32,
        position: Position,
        before: Count,
        count: Count,
    ) {
        for slot in self.parking.slots.iter() {
            let figures = &slot.figures;
            // It may be any way ahead: its writer may be stopped when the slice is not in flight any more.
            let is_behind = |place: &Figure| {
                let place = Position::of_clean_raw(place.get());
                place != position && place.is_within(FAR, position)
            };
            let is_late = is_behind(&figures.late_before);
            let is_lost = !is_late && is_behind(&figures.lost_before);
            if (is_late || is_lost) && figures.present.load(Ordering::Relaxed) {
                let reader = figures.id.get() as u32;
                registry.late.push(Late { reader, is_lost, writer, before, count });
                figures.late.set(1);
            }
        }
    }

    /// What writers have sent, behind the registry's lock.
    pub(super) fn survey(&self, registry: &Registry) -> Survey {
        let (sent, dropped) = (registry.retired.sent, registry.retired.dropped);
        let gone = registry.gone.iter().map(|&(id, sent)| (id, sent));
        let mut survey = Survey { sent, dropped, writers: gone.collect() };
        let sent = registry.anonymous;
        survey.sent = survey.sent.plus(sent);
        survey.writers.insert(0, Sent { sent, dropped: Count::default() });
        for slot in self.ring.writers().iter() {
            // First what is a part of the other: it never seems to be more.
            let (dropped, sent) = (slot.figures.dropped.read(), slot.figures.sent.read());
            survey.sent = survey.sent.plus(sent);
            survey.dropped = survey.dropped.plus(dropped);
            let id = slot.id.get() as u32;
            if id != 0 {
                survey.writers.insert(id, Sent { sent, dropped });
            }
        }
        survey
    }

    /// What is in the ring for a reader that stands here, of what `survey` knows.
    pub(crate) fn unread(&self, (slice, offset): Start, survey: &Survey) -> Unread {
        let mut unread = Unread::default();
        self.ring.for_each_committed(slice, |position, description| {
            let id = description.writer;
            let known = survey.writers.get(&id);
            if known.is_some_and(|known| description.sequence >= known.sent.messages) {
                return;
            }
            let read = if position == slice { offset } else { 0 };
            let begin = Count::new(description.sequence, description.bytes.wrapping_add(read));
            let left = Count::new(1, u64::from(description.length).saturating_sub(read));
            let of =
                unread.writers.entry(id).or_insert(UnreadOf { first: begin, ..<_>::default() });
            of.total = of.total.plus(left);
            of.end = begin.plus(left);
            unread.total = unread.total.plus(left);
        });
        unread
    }

    /// A weak reader is about to turn strong at `slice`. From the return on, a writer that counts a slice
    /// before it finds that out, or has counted it before.
    pub(crate) fn converts_to_strong(&self, slice: Position, reader: &ReaderFigures) {
        reader.lost_before.set(slice.raw());
        self.raise_furthest_start(slice);
    }

    /// What writers have sent by now, what of it is unread for a reader that stands here, and what is
    /// late for it. `takes` tells whether the reader has that from here on.
    pub(crate) fn snapshot(&self, reader: &ReaderFigures, place: Start, takes: bool) -> Snapshot {
        let mut registry = lock(&self.registry);
        let (late, survey) = (registry.late_of(reader), self.survey(&registry));
        if takes {
            registry.forget_late(reader);
        }
        drop(registry);
        let unread = self.unread(place, &survey);
        (survey, unread, late)
    }

    /// The late slices of the reader of these figures.
    pub(crate) fn late_of(&self, reader: &ReaderFigures) -> Vec<Late> {
        if reader.late.get() == 0 { Vec::new() } else { lock(&self.registry).late_of(reader) }
    }

    /// Takes the late slices of the reader of these figures, which has them from here on.
    pub(crate) fn take_late(&self, reader: &ReaderFigures) -> Vec<Late> {
        let mut registry = lock(&self.registry);
        let late = registry.late_of(reader);
        registry.forget_late(reader);
        late
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests;
