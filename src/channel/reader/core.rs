//! What readers of both kinds are made of.

use crate::channel::account::Start;
use crate::channel::loss::{Losses, Missed};
use crate::channel::shared::Shared;
use crate::channel::stats::ReaderStats;
use crate::channel::survey::Snapshot;
use crate::channel::terms::{Ending, Strength};
use crate::channel::trace;
use crate::error::{Failure, ReadError};
use crate::ring::descriptor::Description;
use crate::ring::position::{Position, slice_size};
use crate::ring::{Count, Found};
use crate::sync::Ordering;
use crate::sync::table::Seat;
use crate::wait::budget::Allowance;
use crate::wait::inside::is_inside;
use crate::wait::panics::{Panics, drop_waker};
use crate::wait::parking::Slot;
use crate::wait::reader_figures::ReaderFigures;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Where a reader stands in the ring. If it does not know the length of the slice, nothing of it was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The start of a slice: the next one, or the one that is being read.
    pub(crate) slice: Position,
    /// The payload bytes of it that have been read.
    pub(crate) offset: u64,
    /// Its payload bytes, once they are known.
    pub(crate) length: Option<u64>,
}

impl Place {
    #[inline]
    pub(crate) fn at(slice: Position) -> Self {
        Self { slice, offset: 0, length: None }
    }

    /// The slice after one of `length` payload bytes.
    #[inline]
    pub(crate) fn after(&self, length: u64) -> Self {
        Self::at(self.slice.plus(slice_size(length)))
    }

    /// So many bytes further, in the current slice of `length` payload bytes or behind it.
    #[inline]
    pub(crate) fn advanced(&self, bytes: u64, length: u64) -> Self {
        let offset = self.offset + bytes;
        if offset == length {
            self.after(length)
        } else {
            Self { slice: self.slice, offset, length: Some(length) }
        }
    }

    /// The payload bytes left of the current slice, as far as it is known.
    #[inline]
    pub(crate) fn left(&self) -> u64 {
        self.length.map_or(0, |length| length - self.offset)
    }

    pub(crate) fn start(&self) -> Start {
        (self.slice, self.offset)
    }

    /// The number of the next byte, of which users see 63 bits.
    #[inline]
    pub(crate) fn byte(&self) -> u64 {
        self.slice.byte(self.offset)
    }
}

/// A reader's seat in the channel: the slot where it waits and counts.
#[derive(Debug)]
pub(crate) struct Core {
    shared: Arc<Shared>,
    slot: Seat<Slot>,
    /// Nothing once it was terminated: then it counts for nobody.
    strength: Option<Strength>,
    /// We may be among the parked.
    parked: bool,
    /// A waker of ours may be registered.
    registered: bool,
    /// The payload bytes read when the last message was counted. Different from what has been read,
    /// when a strong reader read bytes in between.
    counted: u64,
    losses: Losses,
    pub(crate) allowance: Allowance,
    /// Once it was terminated.
    last: Option<Box<Last>>,
}

/// What is left of a reader that was terminated.
#[derive(Debug)]
struct Last {
    missed: (Missed, Vec<(u32, Missed)>),
    /// There was one before it, where only one may be.
    refusal: Option<Failure>,
}

/// Stands for `counted` where it is not known what was read in between.
const UNKNOWN: u64 = u64::MAX;

impl Core {
    /// A reader that starts at `place`. Once it stands there, it [tells](Self::tell_that_it_came) that
    /// it came.
    #[track_caller]
    pub(crate) fn new(shared: Arc<Shared>, strength: Strength, place: Place) -> Self {
        let (slot, losses) = shared.add_reader(strength, place.start());
        Self::with(shared, slot, strength, losses)
    }

    fn with(shared: Arc<Shared>, slot: Seat<Slot>, strength: Strength, losses: Losses) -> Self {
        Self {
            shared,
            slot,
            strength: Some(strength),
            parked: false,
            registered: false,
            counted: 0,
            losses,
            allowance: Allowance::default(),
            last: None,
        }
    }

    /// Another reader, for one that stands at `place`, where this one does, and has missed what it
    /// has. If the hold of this one was taken, it is weak.
    #[track_caller]
    pub(crate) fn another(&self, place: Place) -> Self {
        let cloned = self.shared.add_clone(place.start(), self.figures());
        let mut losses = self.losses.clone();
        let known = self.figures().payload_bytes.get();
        if let Some(snapshot) = &cloned.taken {
            self.convert_with(&mut losses, Strength::Strong, Strength::Weak, snapshot);
        }
        losses.add_late(cloned.strength, &cloned.late);
        if cloned.strength == Strength::Weak {
            losses.received_before(known);
        }
        let mut another = Self::with(self.shared.clone(), cloned.slot, cloned.strength, losses);
        if self.counted != known && cloned.taken.is_none() {
            another.counted = UNKNOWN;
        }
        if self.has_terminated() || cloned.has_ended {
            another.tell_that_it_came();
            another.terminate(place);
            another.keep_losses(self.losses(place));
        }
        another
    }

    /// Counts a clone, which has a hold beside that of this reader. Tells whether it could: nobody has taken
    /// the hold of this one.
    pub(crate) fn count_strong_clone(&self) -> bool {
        self.shared.strong_reader_was_cloned(self.figures())
    }

    pub(crate) fn tell_that_it_came(&self) {
        if let Some(strength) = self.strength {
            let mut panics = Panics::new();
            panics.run(|| self.shared.after_audience());
            panics.run(|| trace::came(&*self.shared, "reader", strength, self.id()));
            panics.finish();
        }
    }

    pub(crate) fn tell_that_it_was_converted(&self) {
        if let Some(strength) = self.strength {
            trace::converted(&*self.shared, "reader", strength, self.id());
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.figures().id.get() as u32
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Strong, or weak, from now on, at `place`. Tells whether it was not. Once that is done it
    /// [tells](Self::tell_that_it_was_converted) so.
    pub(crate) fn convert(&mut self, strength: Strength, place: Place) -> bool {
        match self.strength {
            Some(before) if before != strength => {
                if strength == Strength::Strong {
                    self.shared.converts_to_strong(place.slice, self.figures());
                }
                let snapshot = self.shared.snapshot(self.figures(), place.start(), true);
                self.convert_losses(before, strength, &snapshot);
                self.shared.convert_reader(self.figures(), strength);
                true
            }
            Some(_) => false,
            None => {
                self.figures().strong.store(strength == Strength::Strong, Ordering::Relaxed);
                false
            }
        }
    }

    /// Learns that its hold was taken: it counts as weak since.
    pub(crate) fn learn_that_it_was_taken(&mut self) {
        if let Some(snapshot) = self.shared.take_snapshot(self.figures()) {
            self.convert_losses(Strength::Strong, Strength::Weak, &snapshot);
        }
    }

    fn convert_losses(&mut self, before: Strength, strength: Strength, snapshot: &Snapshot) {
        let mut losses = std::mem::take(&mut self.losses);
        self.convert_with(&mut losses, before, strength, snapshot);
        self.losses = losses;
        self.counted = self.figures().payload_bytes.get();
        self.strength = Some(strength);
    }

    /// What the reader knows, once it is of the other strength.
    fn convert_with(
        &self,
        losses: &mut Losses,
        before: Strength,
        strength: Strength,
        snapshot: &Snapshot,
    ) {
        let (survey, unread, late) = snapshot;
        losses.add_late(before, late);
        let payload_bytes = self.figures().payload_bytes.get();
        if before == Strength::Strong && self.counted != payload_bytes {
            losses.restart(self.shared.first_newer_writer());
        }
        let received = Count::new(losses.received(), payload_bytes);
        losses.convert(strength, survey, unread, received);
    }

    /// Ends this reader for itself, at `place`: the channel goes on as if it had gone.
    pub(crate) fn terminate(&mut self, place: Place) {
        if self.strength.is_some() {
            self.keep_losses(self.losses(place));
            let _ended_then = self.shared.take_snapshot(self.figures());
        }
        // It wakes others, not itself.
        self.unpark();
        let mut panics = Panics::new();
        if self.strength.take().is_some() {
            panics.run(|| self.shared.count_reader_out(&self.slot));
        }
        panics.run(|| self.stop_waiting());
        panics.finish();
    }

    fn keep_losses(&mut self, missed: (Missed, Vec<(u32, Missed)>)) {
        self.last = Some(Box::new(Last { missed, refusal: None }));
    }

    /// Once it was terminated: its calls fail with this from now on.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(crate) fn refuse(&mut self, failure: Failure) {
        if let Some(last) = &mut self.last {
            last.refusal = Some(failure);
        }
    }

    pub(crate) fn refused(&self) -> Option<&Failure> {
        self.last.as_ref()?.refusal.as_ref()
    }

    /// What its calls say once it was terminated, or the channel.
    #[cold]
    pub(crate) fn terminated(&self) -> ReadError {
        self.refused().cloned().map_or(ReadError::Terminated, ReadError::Failed)
    }

    /// Whether it was ended, by its own `terminate` or by the owner of the channel.
    pub(crate) fn has_terminated(&self) -> bool {
        self.strength.is_none()
    }

    /// Whether it is there, and counts as strong, as far as it knows.
    pub(crate) fn is_strong(&self) -> bool {
        self.strength == Some(Strength::Strong)
    }

    #[inline]
    fn figures(&self) -> &ReaderFigures {
        &self.slot.figures
    }

    #[inline]
    pub(crate) fn is_terminated(&self) -> bool {
        self.has_terminated() || self.shared.ending() == Ending::Terminated
    }

    /// Whether it was ended, even if it has not learned of that yet.
    fn has_ended(&self) -> bool {
        !self.figures().present.load(Ordering::Relaxed)
    }

    /// Whether the channel takes no more slices.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.has_ended() || self.shared.ending() != Ending::Open
    }

    /// Whether the channel has drained and `slice` is behind the last one. It is final. If the channel
    /// has failed, that comes in place of the end.
    #[inline]
    pub(crate) fn is_at_end(&self, slice: Position) -> Result<bool, ReadError> {
        // Terminated is not the end, even for a reader that looks meanwhile.
        match self.shared.ending() {
            Ending::Open | Ending::Terminated => Ok(false),
            Ending::Drained => Ok(self.shared.ring.end() == Some(slice)),
            Ending::Failed => self.has_failed(slice),
        }
    }

    #[cold]
    fn has_failed(&self, slice: Position) -> Result<bool, ReadError> {
        match self.shared.failure() {
            Some(failure) if self.shared.ring.end() == Some(slice) => Err(failure.into()),
            // It has not come there, or the channel was terminated meanwhile.
            _ => Ok(false),
        }
    }

    /// Registers the waker; after this the reader looks once more before it waits. From within an
    /// event of ours nobody waits: then no waker is registered.
    pub(crate) fn park(&mut self, waker: &Waker) {
        if is_inside() {
            self.unpark();
        } else {
            (self.parked, self.registered) = (true, true);
            self.shared.park(&mut self.slot, waker);
        }
    }

    /// What becomes of a read that has found nothing after [`Core::park`]: the reader sleeps.
    pub(crate) fn pending<T>(&self) -> Poll<Result<T, ReadError>> {
        if self.parked { Poll::Pending } else { Poll::Ready(Err(ReadError::Empty)) }
    }

    #[inline]
    pub(crate) fn is_parked(&self) -> bool {
        self.parked
    }

    /// The reader found something: nobody needs to wake it. Runs no code of others, which might
    /// panic, and then what was found would be lost.
    #[inline]
    pub(crate) fn unpark(&mut self) {
        if self.parked {
            self.parked = false;
            self.shared.unpark(&mut self.slot);
        }
    }

    /// The reader gave up, or is not asked again: its waker is forgotten, too.
    #[inline]
    pub(crate) fn stop_waiting(&mut self) {
        self.unpark();
        if std::mem::take(&mut self.registered) {
            drop_waker(self.shared.parking.forget(&mut self.slot));
        }
    }

    /// Counts payload that a strong reader read as bytes.
    #[inline]
    pub(crate) fn count_payload(&self, bytes: u64) {
        self.figures().payload_bytes.add(bytes);
    }

    /// The same, up to `place`.
    #[inline(always)]
    pub(crate) fn count_up_to(&self, bytes: u64, place: Place) {
        let figures = self.figures();
        figures.payload_bytes.add(bytes);
        figures.position.set(place.byte());
    }

    /// A strong reader of bytes stepped over an empty message: it has to find out anew what is
    /// expected.
    #[cold]
    pub(crate) fn step_over_empty(&mut self) {
        self.counted = UNKNOWN;
    }

    /// The writer of the last slice that a weak reader read, and the number of its next one.
    #[inline]
    pub(crate) fn next_sender(&self) -> (u32, u64) {
        self.losses.next_sender()
    }

    /// Counts that one, as a whole.
    #[inline]
    pub(crate) fn count_next(&mut self, length: u64) {
        self.slot.figures.payload_bytes.add(length);
        self.losses.count_next(Count::new(1, length));
    }

    /// Whether the last message was counted when all had been read that has been by now. Then the next one of
    /// its writer is expected.
    #[inline(always)]
    pub(crate) fn is_counted(&self) -> bool {
        self.counted == self.figures().payload_bytes.get()
    }

    /// Counts that one, and those of the writer behind it, of so many bytes, where the last message
    /// [is counted](Self::is_counted). A sweep can wait: this reader has come to know of no more writers by it.
    #[inline(always)]
    pub(crate) fn count_next_messages(&mut self, messages: u64, bytes: u64) {
        self.counted = self.counted.wrapping_add(bytes);
        self.slot.figures.payload_bytes.set(self.counted);
        self.losses.count_next(Count::new(messages, bytes));
    }

    /// Counts what a weak reader read of a slice, from one offset to another.
    #[inline]
    pub(crate) fn count_read(&mut self, description: &Description, from: u64, to: u64) {
        self.slot.figures.payload_bytes.add(to - from);
        if !self.losses.pass_next(description, to) {
            self.pass(description, from, to);
        }
    }

    /// Counts the rest of a message from `offset` on, and learns what was missed before it.
    #[inline(always)]
    pub(crate) fn count_message(
        &mut self,
        slice: Position,
        offset: u64,
        description: &Description,
    ) -> Missed {
        let to = u64::from(description.length);
        let figures = &self.slot.figures;
        let payload = figures.payload_bytes.get();
        figures.payload_bytes.set(payload + to - offset);
        let mut missed = Missed::default();
        let is_known = self.is_known_behind(payload);
        if !is_known || !self.losses.pass_next(description, to) {
            missed = self.pass_message(payload, description, offset);
        }
        self.counted = payload + to - offset;
        if self.losses.must_sweep(slice) {
            self.shared.sweep(&mut self.losses);
        }
        missed
    }

    /// One that is not just the next message, before which `payload` bytes had been read.
    #[inline(never)]
    fn pass_message(&mut self, payload: u64, description: &Description, offset: u64) -> Missed {
        self.restart_behind(payload);
        self.pass(description, offset, u64::from(description.length))
    }

    /// Begins to receive messages, behind bytes perhaps: from here on a writer that comes is known to be
    /// newer.
    pub(crate) fn begin_messages(&mut self) {
        self.restart_behind(self.figures().payload_bytes.get());
    }

    /// Whether the next message of the writer of the last one is expected, behind `payload` bytes: a strong
    /// reader that has read some of them as bytes does not know whose they were.
    #[inline]
    fn is_known_behind(&self, payload: u64) -> bool {
        self.counted == payload || self.strength != Some(Strength::Strong)
    }

    /// Counts anew, if bytes were read since the last message, behind `payload` of them.
    fn restart_behind(&mut self, payload: u64) {
        if !self.is_known_behind(payload) {
            self.losses.restart(self.shared.first_newer_writer());
            self.counted = payload;
        }
    }

    /// What [`Core::count_message`] would tell; counts nothing. Where it is not just the next message, it
    /// takes a copy of what is known of writers.
    pub(crate) fn would_miss(&self, description: &Description, offset: u64) -> Missed {
        let (figures, to) = (self.figures(), u64::from(description.length));
        let is_known = self.is_known_behind(figures.payload_bytes.get());
        let mut losses = self.losses.clone();
        if is_known && losses.pass_next(description, to) {
            return Missed::default();
        }
        let strength = self.strength.unwrap_or(Strength::Weak);
        if !is_known {
            losses.restart(self.shared.first_newer_writer());
        }
        let late = self.shared.late_of(figures);
        losses.pass(strength, description, (offset, to), &late)
    }

    fn pass(&mut self, description: &Description, from: u64, to: u64) -> Missed {
        let (shared, figures) = (&self.shared, &self.slot.figures);
        let strength = self.strength.unwrap_or(Strength::Weak);
        let late = if figures.late.get() == 0 { Vec::new() } else { shared.take_late(figures) };
        self.losses.pass(strength, description, (from, to), &late)
    }

    /// What is missed before the slice at `position`, of the writer of that slice, as a weak reader
    /// will be told with it; nothing if it is not there.
    pub(crate) fn missed_before(&self, position: Position) -> Missed {
        let ring = &self.shared.ring;
        let Found::Slice(_) = ring.find(position) else { return Missed::default() };
        let description = ring.describe(position);
        if !ring.is_intact(position) {
            return Missed::default();
        }
        self.losses.missed_before(&description)
    }

    /// What was missed, over all writers, and of each.
    pub(crate) fn losses(&self, place: Place) -> (Missed, Vec<(u32, Missed)>) {
        let (Some(strength), None) = (self.strength, &self.last) else {
            return self.last.as_ref().map(|last| last.missed.clone()).unwrap_or_default();
        };
        let (mut strength, mut losses) = (strength, self.losses.clone());
        let mut snapshot = self.shared.snapshot(self.figures(), place.start(), false);
        // Its hold was taken, and it has not learned of it.
        if let (Strength::Strong, Some(then)) = (strength, self.shared.snapshot_of(self.figures()))
        {
            if self.has_ended() {
                snapshot = then;
            } else {
                self.convert_with(&mut losses, strength, Strength::Weak, &then);
                strength = Strength::Weak;
            }
        }
        let received = Count::new(losses.received(), self.figures().payload_bytes.get());
        losses.missed(strength, &snapshot, received)
    }

    /// Counts a gap.
    #[inline]
    pub(crate) fn count_gap(&self, skipped: u64) {
        self.figures().skipped_ring_bytes.add(skipped);
        self.figures().gaps.add(1);
    }

    /// For [`Core::skipped_since`], at the end of an operation. An event of each gap at the place where
    /// it is found would keep a silent reader from ever coming to an end, if the event is written into
    /// a small ring.
    #[inline]
    pub(crate) fn before(&self) -> trace::Before {
        trace::Before::of(self.figures())
    }

    /// The ring bytes that were missed since, if there are events to tell it.
    #[inline]
    pub(crate) fn skipped_since(&self, before: trace::Before) -> u64 {
        trace::skipped_since(self.figures(), before)
    }

    #[cold]
    pub(crate) fn tell_gap(&self, skipped: u64) {
        trace::lagged(&*self.shared, self.id(), skipped);
    }

    /// Lets the figures know where the reader stands.
    #[inline]
    pub(crate) fn record_place(&self, place: Place) {
        self.figures().position.set(place.byte());
    }

    pub(crate) fn stats(&self) -> ReaderStats {
        let reserved = self.shared.ring.reserved();
        let name = self.shared.reader_name(self.id());
        ReaderStats { name, ..ReaderStats::read(self.figures(), reserved) }
    }

    pub(crate) fn set_name(&self, name: Arc<str>) {
        self.shared.name_reader(self.id(), name);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let mut panics = Panics::new();
        panics.run(|| self.stop_waiting());
        panics.run(|| self.shared.remove_reader(&self.slot));
        panics.finish();
    }
}
