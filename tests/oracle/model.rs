//! The channel as its documentation describes it, for one thread: a plain list of every slice that
//! was ever reserved, readers as places in that list, and rules short enough to be checked by eye.
//!
//! Positions count from where the channel began; [`Model::raw`] makes the channel's own of them.
//!
//! The channel is free in one thing: how much further than needed the gate moves. The model follows
//! it there, for as long as there is a handle to ask, and checks that it is where it may be.

#[path = "model/absence.rs"]
mod absence;
#[path = "model/flushing.rs"]
mod flushing;
#[path = "model/line.rs"]
mod line;
#[path = "model/losses.rs"]
mod losses;
#[path = "model/messages.rs"]
mod messages;
#[path = "model/reading.rs"]
mod reading;
#[path = "model/room.rs"]
mod room;
#[path = "model/writing.rs"]
mod writing;

use crate::ops::Setup;
use absence::Absence;
pub(crate) use flushing::Flush;
use line::{Line, Ticket};
use losses::{Heard, Message};
use messages::Sent;
pub(crate) use messages::{Received, size_to_send};
use overfall::Backpressure;
use reading::Unsettled;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::task::Poll;

const GRANULE: u64 = 64;
/// Positions have so many bits.
const MASK: u64 = (1 << 63) - 1;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ending {
    Open,
    Drained,
    Failed,
    Terminated,
}

/// Why a writer has no slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Full,
    TooLong,
    Closed,
    Terminated,
}

/// Why a reader has no bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unread {
    Empty,
    Lagged(u64),
    Failed,
    Terminated,
    HoldTaken,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Oldest,
    Now,
    Back(u64),
    Newest,
}

#[derive(Debug)]
enum State {
    InFlight,
    Committed(Sent),
    /// Padding, or given up.
    Skipped,
}

#[derive(Debug)]
struct Slice {
    at: u64,
    size: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct WriterFigures {
    pub(crate) slices: u64,
    pub(crate) payload: u64,
    pub(crate) ring: u64,
    pub(crate) dropped_slices: u64,
    pub(crate) dropped_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) id: u32,
    /// Whether it is a `StrongWriter`.
    pub(crate) is_strong: bool,
    /// Whether it drops what there is no room for.
    pub(crate) drops: bool,
    /// How many smaller messages its claims outlast.
    patience: u32,
    /// Whether it counts as a strong or a weak one; nothing for the channel's own slices.
    counts_as_strong: Option<bool>,
    /// How it ended by its own doing.
    done: Option<Refused>,
    in_flight: Option<u64>,
    ticket: Option<Ticket>,
    /// What it committed last was a piece of a write. The rest of it: where it lies, how long it is.
    rest: Option<(usize, usize)>,
    pub(crate) figures: WriterFigures,
}

/// What is owed to the largest message that was dropped.
#[derive(Debug, Default)]
struct Owed {
    /// Nothing if it is 0.
    room: u64,
    /// The writer of the message.
    writer: u32,
    /// How many smaller messages it outlasts.
    left: u32,
    /// Where the gate was.
    gate: u64,
    /// The last claim that was settled, and up to where it is the turn of smaller ones.
    settled: u64,
    turn: u64,
}

/// A writer that waits for room.
#[derive(Debug)]
struct Waiter {
    ticket: u64,
    need: u64,
    /// How often others are refused for its sake, once it was woken, before it is passed over. Nothing for
    /// one whose task may have forgotten it.
    threshold: u32,
    /// It was woken to see whether it comes.
    is_probed: bool,
    /// Nothing once it was woken.
    waker: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// Whether it counts as strong.
    pub(crate) is_strong: bool,
    pub(crate) terminated: bool,
    /// It is a `StrongReader` whose hold was taken.
    pub(crate) is_taken: bool,
    /// It lends something, as far as the channel knows.
    lends: bool,
    /// The owner wants its hold, and perhaps that it ends.
    wanted: Option<bool>,
    silent: bool,
    slice: u64,
    offset: u64,
    /// How much of the slice may be consumed, because it was looked at.
    pub(crate) lent: u64,
    /// The waker that is registered.
    waker: Option<usize>,
    /// If what it has received was not given back: where it stood before that.
    unsettled: Option<Unsettled>,
    /// A gap that was met and not told.
    untold: u64,
    pub(crate) heard: Heard,
    began: u64,
    pub(crate) payload: u64,
    pub(crate) padding: u64,
    pub(crate) skipped: u64,
    pub(crate) gaps: u64,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) capacity: u64,
    pub(crate) start: u64,
    /// What new writers do.
    drops: bool,
    pub(crate) ending: Ending,
    absence: Absence,
    slices: Vec<Slice>,
    /// Where the gate is, or, without a handle, was when it was last seen.
    gate: u64,
    /// Whether a strong reader held it then.
    was_held: bool,
    /// The furthest end of a slice that was asked for since the gate was last looked at.
    asked: Cell<u64>,
    pub(crate) has_handle: bool,
    /// Whether there is a handle at hand to ask for the gate.
    pub(crate) sees_gate: bool,
    /// The channel's own slices that were leaked.
    leaked: Vec<u64>,
    pub(crate) writers: Vec<Option<Writer>>,
    pub(crate) readers: Vec<Option<Reader>>,
    next_id: u32,
    /// All messages of each writer, those that were dropped among them.
    sent: BTreeMap<u32, Vec<Message>>,
    line: Line,
    /// What is owed to the largest message that was dropped.
    owed: Owed,
    /// Wakers of those who wait for the end.
    closing: Vec<usize>,
    /// How many times each waker was woken.
    pub(crate) wakes: Vec<usize>,
    pub(crate) retired: WriterFigures,
    pub(crate) retired_skipped: u64,
}

impl Model {
    pub(crate) fn new(setup: &Setup) -> Self {
        let Setup { size, start, waits_for_first, after_last, .. } = *setup;
        let drops = setup.backpressure == Backpressure::Drop;
        Self {
            capacity: (size as u64).next_power_of_two().max(GRANULE),
            start: start & MASK & !(GRANULE - 1),
            drops,
            ending: Ending::Open,
            absence: Absence::first(waits_for_first, after_last),
            slices: Vec::new(),
            gate: 0,
            was_held: false,
            asked: Cell::new(0),
            has_handle: true,
            sees_gate: true,
            leaked: Vec::new(),
            writers: Vec::new(),
            readers: Vec::new(),
            next_id: 1,
            sent: BTreeMap::new(),
            line: Line::default(),
            owed: Owed::default(),
            closing: Vec::new(),
            wakes: Vec::new(),
            retired: WriterFigures::default(),
            retired_skipped: 0,
        }
    }

    pub(crate) fn raw(&self, at: u64) -> u64 {
        self.start.wrapping_add(at) & MASK
    }

    fn is_open(&self) -> bool {
        self.ending == Ending::Open
    }

    pub(crate) fn reserved(&self) -> u64 {
        self.slices.last().map_or(0, |slice| slice.at + slice.size)
    }

    /// The slices at or after `at`.
    fn slices_from(&self, at: u64) -> &[Slice] {
        &self.slices[self.slices.partition_point(|slice| slice.at < at)..]
    }

    fn slice(&self, at: u64) -> Option<&Slice> {
        self.slices_from(at).first()
    }

    fn first_in_flight(&self, from: u64) -> u64 {
        let slices = self.slices_from(from).iter();
        let mut in_flight = slices.filter(|slice| matches!(slice.state, State::InFlight));
        in_flight.next().map_or(self.reserved(), |slice| slice.at)
    }

    /// The first slice from `at` on that is not skipped.
    fn after_skipped(&self, at: u64) -> u64 {
        let mut slices = self.slices_from(at).iter();
        let kept = slices.find(|slice| !matches!(slice.state, State::Skipped));
        kept.map_or(self.reserved(), |slice| slice.at)
    }

    fn writer(&mut self, index: usize) -> &mut Writer {
        self.writers[index].as_mut().unwrap()
    }

    pub(crate) fn reader(&mut self, index: usize) -> &mut Reader {
        self.readers[index].as_mut().unwrap()
    }
}

/// Who is there.
impl Model {
    pub(crate) fn writers_that_are(&self, strong: bool) -> usize {
        let writers = self.writers.iter().flatten();
        writers.filter(|writer| writer.counts_as_strong == Some(strong)).count()
    }

    pub(crate) fn is_writer_there(&self, id: u32) -> bool {
        self.writers.iter().flatten().any(|writer| writer.id == id)
    }

    pub(crate) fn readers_that_are(&self, strong: bool) -> usize {
        self.present_readers().filter(|reader| reader.is_strong == strong).count()
    }

    /// One that was terminated counts for nobody.
    pub(crate) fn present_readers(&self) -> impl Iterator<Item = &Reader> {
        self.readers.iter().flatten().filter(|reader| !reader.terminated)
    }

    /// The channel drains once nobody keeps it open.
    pub(super) fn after_change(&mut self) {
        let is_read = self.present_readers().count() > 0;
        if self.is_open() && !self.has_handle && (self.writers_that_are(true) == 0 || !is_read) {
            self.end(Ending::Drained);
        }
    }

    /// A new writer; neither strong nor weak, and without a number, for a slice of the channel's own.
    pub(crate) fn add_writer(&mut self, strong: Option<bool>) -> usize {
        let id = if strong.is_some() { self.next_id } else { 0 };
        self.next_id += u32::from(strong.is_some());
        self.writers.push(Some(Writer {
            id,
            is_strong: strong == Some(true),
            drops: self.drops,
            patience: 0,
            counts_as_strong: strong,
            done: None,
            in_flight: None,
            ticket: None,
            rest: None,
            figures: WriterFigures::default(),
        }));
        self.writers.len() - 1
    }

    pub(crate) fn clone_writer(&mut self, index: usize) -> usize {
        let Writer { is_strong, drops, counts_as_strong, done, .. } = *self.writer(index);
        let clone = self.add_writer(counts_as_strong);
        let writer = self.writer(clone);
        (writer.is_strong, writer.drops, writer.done) = (is_strong, drops, done);
        clone
    }

    pub(crate) fn turn_writer(&mut self, index: usize, strong: bool) {
        let writer = self.writer(index);
        if writer.is_strong == strong {
            return;
        }
        writer.is_strong = strong;
        // One that is done counts as weak for ever.
        writer.counts_as_strong = Some(strong && writer.done.is_none());
        self.after_change();
    }

    pub(crate) fn remove_writer(&mut self, index: usize) {
        self.abort(index);
        self.leave_line(index);
        let figures = self.writer(index).figures;
        self.retired.slices += figures.slices;
        self.retired.payload += figures.payload;
        self.retired.dropped_slices += figures.dropped_slices;
        self.retired.dropped_bytes += figures.dropped_bytes;
        self.writers[index] = None;
        self.after_change();
    }

    /// The writer ends by its own doing.
    pub(crate) fn finish_writer(&mut self, index: usize, done: Refused) {
        self.abort(index);
        self.leave_line(index);
        let writer = self.writer(index);
        if writer.done != Some(Refused::Terminated) {
            writer.done = Some(done);
        }
        writer.counts_as_strong = Some(false);
        self.after_change();
    }

    pub(crate) fn is_writer_closed(&self, index: usize) -> bool {
        !self.is_open() || self.writers[index].as_ref().is_some_and(|writer| writer.done.is_some())
    }

    pub(crate) fn add_reader(&mut self, strong: bool, start: Start) -> usize {
        let oldest = if strong { self.gate } else { self.oldest_intact(0) };
        let slice = match start {
            // Where the last strong reader stopped, if that was kept.
            Start::Oldest if strong => self.absence.hold.unwrap_or(oldest),
            Start::Oldest => oldest,
            Start::Now => self.reserved(),
            Start::Back(bytes) => self.back(oldest, bytes),
            Start::Newest => self.newest(oldest),
        };
        let heard = self.nothing_heard(slice);
        if strong {
            self.strong_reader_came(slice, self.readers_that_are(true) == 0);
        }
        self.readers.push(Some(Reader {
            is_strong: strong,
            terminated: false,
            is_taken: false,
            lends: false,
            wanted: None,
            silent: false,
            slice,
            offset: 0,
            lent: 0,
            waker: None,
            unsettled: None,
            untold: 0,
            heard,
            began: slice,
            payload: 0,
            padding: 0,
            skipped: 0,
            gaps: 0,
        }));
        self.readers.len() - 1
    }

    /// A clone stands where the original does.
    pub(crate) fn clone_reader(&mut self, index: usize, position: u64) -> usize {
        let mut reader = self.reader(index).clone();
        if reader.is_strong {
            self.follow_padding(&mut reader, position);
        }
        let began = reader.position();
        let (waker, payload, padding, skipped, gaps, lent) = (None, 0, 0, 0, 0, 0);
        let mut clone = Reader { waker, began, payload, padding, skipped, gaps, lent, ..reader };
        (clone.unsettled, clone.lends, clone.wanted) = (None, false, None);
        self.readers.push(Some(clone));
        self.readers.len() - 1
    }

    /// A reader that joins before padding that is not kept may step over it at once.
    fn follow_padding(&self, reader: &mut Reader, position: u64) {
        let at = position.wrapping_sub(self.start) & MASK;
        if at == reader.position() {
            return;
        }
        let padding = self.slices_from(reader.slice).iter().take_while(|slice| slice.at < at);
        let mut padding = padding.filter(|slice| !matches!(slice.state, State::Skipped));
        // One that is terminated holds nothing.
        assert!(padding.next().is_none() || reader.terminated, "it joins behind a slice");
        assert!(at <= self.gate || !self.sees_gate, "it joins behind the gate");
        reader.padding += at - reader.slice;
        (reader.slice, reader.offset, reader.lent) = (at, 0, 0);
    }

    pub(crate) fn remove_reader(&mut self, index: usize) {
        self.retired_skipped += self.reader(index).skipped;
        let held = self.reader(index).is_holding().then(|| self.reader(index).held());
        self.readers[index] = None;
        if let Some(held) = held {
            self.strong_reader_went(held, true);
        }
        self.after_change();
    }

    /// A strong reader steps over padding before it turns weak: that is not for it to miss.
    pub(crate) fn make_weak(&mut self, index: usize) {
        let mut reader = self.reader(index).clone();
        if reader.is_strong || reader.is_taken {
            let _ = self.look_for_slice(&mut reader);
            self.end_lend(&mut reader);
            reader.unsettled = None;
            if reader.is_strong {
                reader.is_strong = false;
                self.hear_anew(&mut reader);
            }
            (reader.is_taken, reader.lends, reader.wanted) = (false, false, None);
            reader.lent = 0;
            // Reads that skip gaps silently are asked for anew.
            reader.silent = false;
            self.put_back(index, reader);
            self.after_change();
        }
    }

    /// Whether a weak reader can become a strong one; nothing if it depends on where the gate is,
    /// and nobody can tell.
    pub(crate) fn can_be_strong(&self, index: usize) -> Option<bool> {
        let reader = self.readers[index].as_ref().unwrap();
        let keeps = self.after_skipped(reader.slice);
        if reader.is_strong || reader.is_taken {
            Some(true)
        } else if reader.untold > 0 || !self.is_intact(reader.slice) || keeps < self.gate {
            Some(false)
        } else if self.sees_gate || keeps >= self.furthest_gate() {
            Some(true)
        } else {
            None
        }
    }

    /// A weak reader has become a strong one.
    pub(crate) fn make_strong(&mut self, index: usize, position: u64) {
        let mut reader = self.reader(index).clone();
        if !reader.is_strong && !reader.is_taken {
            reader.is_strong = true;
            reader.lent = 0;
            reader.unsettled = None;
            self.follow_padding(&mut reader, position);
            self.hear_anew(&mut reader);
            let (leaves, start) = (reader.terminated, reader.slice);
            let is_first = self.readers_that_are(true) == 0;
            self.readers[index] = Some(reader);
            if leaves {
                self.wake_writers();
            } else {
                self.strong_reader_came(start, is_first);
            }
        }
    }

    /// It joins to see whether what it wants is still kept, and leaves if it is not.
    pub(crate) fn fail_to_make_strong(&mut self, index: usize) {
        if self.reader(index).untold == 0 {
            self.wake_writers();
        }
    }

    pub(crate) fn set_silent(&mut self, index: usize, silent: bool) {
        self.reader(index).silent = silent;
    }

    pub(crate) fn drop_handle(&mut self) {
        let mut leaked = std::mem::take(&mut self.leaked);
        leaked.sort_unstable();
        for at in leaked {
            self.give_up(at);
            // While the next is in flight still, nothing is there to be read.
            self.wake_writers();
        }
        self.has_handle = false;
        self.after_change();
    }

    pub(crate) fn drain(&mut self) -> bool {
        self.end(Ending::Drained);
        self.ending == Ending::Drained
    }

    pub(crate) fn fail(&mut self) -> bool {
        let was_open = self.is_open();
        if was_open {
            self.end(Ending::Failed);
        }
        was_open
    }

    pub(crate) fn fail_writer(&mut self, index: usize) -> bool {
        let failed = self.fail();
        self.abort(index);
        failed
    }

    pub(crate) fn terminate(&mut self) {
        self.end(Ending::Terminated);
    }

    pub(crate) fn poll_closed(&mut self, before: Option<usize>, waker: usize) -> Poll<()> {
        self.closing.retain(|&other| Some(other) != before);
        if !self.is_open() {
            return Poll::Ready(());
        }
        self.closing.push(waker);
        Poll::Pending
    }

    pub(crate) fn drop_closed(&mut self, waker: usize) {
        self.closing.retain(|&other| other != waker);
    }
}
