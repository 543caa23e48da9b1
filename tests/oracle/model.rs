//! The channel as its documentation describes it, for one thread: a plain list of every slice that
//! was ever reserved, readers as places in that list, and rules short enough to be checked by eye.
//!
//! Positions count from where the channel began; [`Model::raw`] makes the channel's own of them.
//!
//! The channel is free in one thing: how much further than needed the gate moves. The model follows
//! it there, for as long as there is a handle to ask, and checks that it is where it may be.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::task::Poll;

const GRANULE: u64 = 64;
/// Positions have so many bits.
const MASK: u64 = (1 << 63) - 1;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ending {
    Open,
    Drained,
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
    Terminated,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Oldest,
    Now,
    Back(u64),
}

#[derive(Debug)]
enum State {
    InFlight,
    Committed(Vec<u8>),
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
    /// Whether it counts as a strong or a weak one; nothing for the channel's own slices.
    counts_as_strong: Option<bool>,
    /// How it ended by its own doing.
    done: Option<Refused>,
    in_flight: Option<u64>,
    ticket: Option<u64>,
    pub(crate) figures: WriterFigures,
}

/// A writer that waits for room.
#[derive(Debug)]
struct Waiter {
    ticket: u64,
    need: u64,
    /// It wakes the next one itself.
    forwards: bool,
    waker: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) is_strong: bool,
    pub(crate) terminated: bool,
    silent: bool,
    slice: u64,
    offset: u64,
    /// How much of the slice may be consumed, because it was looked at.
    pub(crate) lent: u64,
    /// The waker that is registered.
    waker: Option<usize>,
    began: u64,
    pub(crate) payload: u64,
    pub(crate) padding: u64,
    pub(crate) skipped: u64,
    pub(crate) gaps: u64,
}

impl Reader {
    pub(crate) fn position(&self) -> u64 {
        self.slice + self.offset
    }

    fn is_holding(&self) -> bool {
        self.is_strong && !self.terminated
    }

    /// Steps over a slice of `size` ring bytes of which `length` are payload.
    fn step(&mut self, size: u64, length: u64) {
        self.padding += size - length;
        self.slice += size;
        self.offset = 0;
        self.lent = 0;
    }
}

/// Who comes next in line, and sees to the rest.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) capacity: u64,
    pub(crate) start: u64,
    drops: bool,
    pub(crate) ending: Ending,
    slices: Vec<Slice>,
    /// Where the gate is, or, without a handle, was when it was last seen.
    gate: u64,
    /// The furthest end of a slice that was asked for since the gate was last looked at.
    asked: Cell<u64>,
    pub(crate) has_handle: bool,
    /// The channel's own slices that were leaked.
    leaked: Vec<u64>,
    pub(crate) writers: Vec<Option<Writer>>,
    pub(crate) readers: Vec<Option<Reader>>,
    next_id: u32,
    next_ticket: u64,
    /// In the order of tickets.
    line: Vec<Waiter>,
    /// Tickets of those who were woken, have yet to look, and will then wake the next one.
    forwarding: BTreeSet<u64>,
    /// Wakers of those who wait for the end.
    closing: Vec<usize>,
    /// How many times each waker was woken.
    pub(crate) wakes: Vec<usize>,
    pub(crate) retired: WriterFigures,
    pub(crate) retired_skipped: u64,
}

impl Model {
    pub(crate) fn new(size: usize, start: u64, drops: bool) -> Self {
        Self {
            capacity: (size as u64).next_power_of_two().max(GRANULE),
            start: start & MASK & !(GRANULE - 1),
            drops,
            ending: Ending::Open,
            slices: Vec::new(),
            gate: 0,
            asked: Cell::new(0),
            has_handle: true,
            leaked: Vec::new(),
            writers: Vec::new(),
            readers: Vec::new(),
            next_id: 1,
            next_ticket: 0,
            line: Vec::new(),
            forwarding: BTreeSet::new(),
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

/// Room.
impl Model {
    /// As far as the gate may go: strong readers hold what they have not read, except that nobody
    /// needs what was skipped; and nobody writes over a slice in flight.
    fn furthest_gate(&self) -> u64 {
        let in_flight = self.first_in_flight(self.gate);
        let readers = self.readers.iter().flatten().filter(|reader| reader.is_holding());
        match readers.map(|reader| reader.slice).min() {
            Some(held) => self.after_skipped(held).min(in_flight),
            None => in_flight,
        }
    }

    /// The gate was seen at `raw`: checks that it may be there.
    pub(crate) fn follow_gate(&mut self, raw: u64) {
        let gate = raw.wrapping_sub(self.start) & MASK;
        assert!(gate >= self.gate, "the gate moved back, from {} to {gate}", self.gate);
        let furthest = self.furthest_gate();
        assert!(gate <= furthest, "the gate is at {gate}, past {furthest}");
        assert!(self.reserved() <= gate + self.capacity, "more than a ring is reserved");
        let slice = self.slice(gate);
        let is_start = slice.map_or(self.reserved(), |slice| slice.at) == gate;
        assert!(is_start, "the gate is in the middle of a slice, at {gate}");
        // With nobody to read it, an eighth of the ring may go that nobody has asked for yet.
        let is_held = self.readers.iter().flatten().any(Reader::is_holding);
        if gate > self.gate && !is_held {
            let enough = (self.asked.get() + self.capacity / 8).saturating_sub(self.capacity);
            let last = &self.slices[self.slices.partition_point(|slice| slice.at < gate) - 1];
            assert!(last.at < enough, "the gate is at {gate}, and {enough} was enough");
        }
        self.gate = gate;
        self.asked.set(0);
    }

    /// The next step of reserving `length` bytes: its size, and whether it is padding to the end of
    /// the lap.
    fn next_step(&self, length: u64) -> (u64, bool) {
        let size = length.max(1).next_multiple_of(GRANULE);
        let rest = self.capacity - self.raw(self.reserved()) % self.capacity;
        if size <= rest { (size, false) } else { (rest, true) }
    }

    fn has_room(&self, size: u64) -> bool {
        let end = self.reserved() + size;
        self.asked.set(self.asked.get().max(end));
        end <= self.furthest_gate() + self.capacity
    }

    /// A step may be taken even though the whole is refused.
    fn reserve(&mut self, length: u64) -> Result<u64, Refused> {
        loop {
            match self.ending {
                Ending::Open => {}
                Ending::Drained => return Err(Refused::Closed),
                Ending::Terminated => return Err(Refused::Terminated),
            }
            let (size, is_padding) = self.next_step(length);
            if !self.has_room(size) {
                return Err(Refused::Full);
            }
            let at = self.reserved();
            let state = if is_padding { State::Skipped } else { State::InFlight };
            self.slices.push(Slice { at, size, state });
            if !is_padding {
                return Ok(at);
            }
            self.after_commit();
        }
    }
}

/// Waking.
impl Model {
    pub(crate) fn new_waker(&mut self) -> usize {
        self.wakes.push(0);
        self.wakes.len() - 1
    }

    /// A commit wakes all readers, and those writers that it makes room for.
    fn after_commit(&mut self) {
        self.wake_readers();
        self.wake_writers();
    }

    fn wake_readers(&mut self) {
        for reader in self.readers.iter_mut().flatten() {
            if let Some(waker) = reader.waker.take() {
                self.wakes[waker] += 1;
            }
        }
    }

    fn first_can_go_on(&self) -> bool {
        self.line.first().is_some_and(|waiter| self.has_room(self.next_step(waiter.need).0))
    }

    /// In order, for as long as there is room for the first one, up to one who sees to the rest.
    fn wake_writers(&mut self) {
        while self.first_can_go_on() {
            if self.wake_first() {
                return;
            }
        }
    }

    fn wake_first(&mut self) -> bool {
        let waiter = self.line.remove(0);
        self.wakes[waiter.waker] += 1;
        if waiter.forwards {
            self.forwarding.insert(waiter.ticket);
        }
        waiter.forwards
    }

    /// The first writer in line was woken because a reader has moved on, or has left. It may be
    /// woken then, and [`Model::check_nobody_is_forgotten`] tells when it must.
    pub(crate) fn follow_wakes(&mut self, seen: impl Fn(usize) -> usize) {
        while self.first_can_go_on() {
            let waker = self.line[0].waker;
            if seen(waker) <= self.wakes[waker] {
                return;
            }
            self.wake_first();
        }
    }

    fn leave_line(&mut self, index: usize) {
        if let Some(ticket) = self.writer(index).ticket.take() {
            self.line.retain(|waiter| waiter.ticket != ticket);
            self.forwarding.remove(&ticket);
            self.wake_writers();
        }
    }

    fn end(&mut self, ending: Ending) {
        self.ending = self.ending.max(ending);
        self.wake_readers();
        for waiter in self.line.drain(..) {
            self.wakes[waiter.waker] += 1;
        }
        for waker in self.closing.drain(..) {
            self.wakes[waker] += 1;
        }
    }

    /// Nobody who could go on is left asleep.
    pub(crate) fn check_nobody_is_forgotten(&self) {
        if self.is_open() {
            assert!(
                !self.first_can_go_on() || !self.forwarding.is_empty(),
                "a writer that waits has room and was not woken: {:?}",
                self.line
            );
        } else {
            assert!(self.line.is_empty() && self.closing.is_empty());
        }
        for reader in self.readers.iter().flatten().filter(|reader| reader.waker.is_some()) {
            let found = self.look(&mut reader.clone());
            assert!(
                matches!(found, Err(Unread::Empty)) || reader.terminated,
                "a reader that waits was not woken for {found:?}: {reader:?}"
            );
        }
    }
}

/// Who is there.
impl Model {
    pub(crate) fn writers_that_are(&self, strong: bool) -> usize {
        let writers = self.writers.iter().flatten();
        writers.filter(|writer| writer.counts_as_strong == Some(strong)).count()
    }

    pub(crate) fn readers_that_are(&self, strong: bool) -> usize {
        self.readers.iter().flatten().filter(|reader| reader.is_strong == strong).count()
    }

    /// The channel drains once nobody keeps it open.
    fn after_change(&mut self) {
        let is_read = self.readers.iter().flatten().count() > 0;
        if self.is_open() && !self.has_handle && (self.writers_that_are(true) == 0 || !is_read) {
            self.end(Ending::Drained);
        }
    }

    /// A new writer; neither strong nor weak for a slice of the channel's own.
    pub(crate) fn add_writer(&mut self, strong: Option<bool>) -> usize {
        self.writers.push(Some(Writer {
            id: self.next_id,
            is_strong: strong == Some(true),
            counts_as_strong: strong,
            done: None,
            in_flight: None,
            ticket: None,
            figures: WriterFigures::default(),
        }));
        self.next_id += 1;
        self.writers.len() - 1
    }

    pub(crate) fn clone_writer(&mut self, index: usize) -> usize {
        let Writer { is_strong, counts_as_strong, done, .. } = *self.writer(index);
        let clone = self.add_writer(counts_as_strong);
        let writer = self.writer(clone);
        (writer.is_strong, writer.done) = (is_strong, done);
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
            Start::Oldest => oldest,
            Start::Now => self.reserved(),
            Start::Back(bytes) => self.back(oldest, bytes),
        };
        self.readers.push(Some(Reader {
            is_strong: strong,
            terminated: false,
            silent: false,
            slice,
            offset: 0,
            lent: 0,
            waker: None,
            began: slice,
            payload: 0,
            padding: 0,
            skipped: 0,
            gaps: 0,
        }));
        self.readers.len() - 1
    }

    pub(crate) fn clone_reader(&mut self, index: usize) -> usize {
        let reader = self.reader(index).clone();
        self.readers.push(Some(Reader {
            waker: None,
            began: reader.position(),
            payload: 0,
            padding: 0,
            skipped: 0,
            gaps: 0,
            ..reader
        }));
        self.readers.len() - 1
    }

    pub(crate) fn remove_reader(&mut self, index: usize) {
        self.retired_skipped += self.reader(index).skipped;
        self.readers[index] = None;
        self.after_change();
    }

    pub(crate) fn into_weak_reader(&mut self, index: usize) {
        let reader = self.reader(index);
        // Reads that skip gaps silently are asked for anew.
        reader.silent &= !reader.is_strong;
        reader.is_strong = false;
    }

    /// Whether a weak reader can become a strong one; nothing if it depends on where the gate is,
    /// and nobody can tell.
    pub(crate) fn can_be_strong(&self, index: usize) -> Option<bool> {
        let reader = self.readers[index].as_ref().unwrap();
        let keeps = self.after_skipped(reader.slice);
        if reader.is_strong {
            Some(true)
        } else if !self.is_intact(reader.slice) || keeps < self.gate {
            Some(false)
        } else if self.has_handle || keeps >= self.furthest_gate() {
            Some(true)
        } else {
            None
        }
    }

    /// A weak reader has become a strong one. It goes over the padding that is not kept.
    pub(crate) fn into_strong_reader(&mut self, index: usize, position: u64) {
        let at = position.wrapping_sub(self.start) & MASK;
        let keeps = self.after_skipped(self.reader(index).slice);
        let gate = if self.has_handle { self.gate } else { at };
        let reader = self.reader(index);
        if reader.is_strong {
            return;
        }
        reader.is_strong = true;
        reader.lent = 0;
        if reader.slice < gate && reader.offset == 0 {
            assert!(gate <= keeps);
            reader.padding += gate - reader.slice;
            reader.slice = gate;
        }
    }

    pub(crate) fn set_silent(&mut self, index: usize, silent: bool) {
        self.reader(index).silent = silent;
    }

    pub(crate) fn drop_handle(&mut self) {
        for at in std::mem::take(&mut self.leaked) {
            self.give_up(at);
        }
        self.has_handle = false;
        self.after_change();
    }

    pub(crate) fn drain(&mut self) -> bool {
        if self.ending == Ending::Terminated {
            return false;
        }
        self.end(Ending::Drained);
        true
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

/// Writing.
impl Model {
    /// The bytes of the next slice of a write of `total`: all of them, if one can hold them.
    fn piece(&self, total: u64) -> u64 {
        if total <= self.capacity { total } else { (self.capacity / 4).max(GRANULE) }
    }

    /// What every operation of a writer begins with: a leaked slice is given up.
    fn begin(&mut self, index: usize) -> Result<(), Refused> {
        self.abort(index);
        self.writer(index).done.map_or(Ok(()), Err)
    }

    pub(crate) fn try_reserve(&mut self, index: usize, length: u64) -> Result<u64, Refused> {
        self.begin(index)?;
        if length > self.capacity {
            return Err(Refused::TooLong);
        }
        self.leave_line(index);
        // Nobody overtakes those who wait.
        let at =
            if self.line.is_empty() { self.reserve(length)? } else { return Err(Refused::Full) };
        self.writer(index).in_flight = Some(at);
        Ok(at)
    }

    /// Reserves, or joins the line.
    fn poll_room(
        &mut self,
        index: usize,
        length: u64,
        forwards: bool,
        waker: usize,
    ) -> Poll<Result<u64, Refused>> {
        let next = self.next_ticket;
        let ticket = match self.writer(index).ticket {
            Some(ticket) => ticket,
            None if self.line.is_empty() => match self.reserve(length) {
                Err(Refused::Full) => next,
                result => return Poll::Ready(result),
            },
            None => next,
        };
        self.next_ticket = next.max(ticket + 1);
        self.writer(index).ticket = Some(ticket);
        self.forwarding.remove(&ticket);
        self.line.retain(|waiter| waiter.ticket != ticket);
        let place = self.line.partition_point(|waiter| waiter.ticket < ticket);
        self.line.insert(place, Waiter { ticket, need: length, forwards, waker });
        let result = if place == 0 { self.reserve(length) } else { Err(Refused::Full) };
        if result == Err(Refused::Full) && self.is_open() {
            return Poll::Pending;
        }
        self.leave_line(index);
        Poll::Ready(result)
    }

    pub(crate) fn poll_reserve(
        &mut self,
        index: usize,
        length: u64,
        waker: usize,
    ) -> Poll<Result<u64, Refused>> {
        let result = if self.drops {
            self.try_reserve(index, length)
        } else {
            match self.begin(index) {
                Ok(()) if length > self.capacity => Err(Refused::TooLong),
                Ok(()) => match self.poll_room(index, length, true, waker) {
                    Poll::Ready(result) => result,
                    Poll::Pending => return Poll::Pending,
                },
                Err(refused) => Err(refused),
            }
        };
        self.leave_line(index);
        if let Ok(at) = result {
            self.writer(index).in_flight = Some(at);
        }
        Poll::Ready(result)
    }

    /// The future of a reservation was dropped while it waited.
    pub(crate) fn stop_waiting(&mut self, index: usize) {
        self.leave_line(index);
    }

    /// Commits what was written of the slice in flight.
    pub(crate) fn commit(&mut self, index: usize, bytes: &[u8]) {
        let at = self.writer(index).in_flight.take().unwrap();
        let place = self.slices.partition_point(|slice| slice.at < at);
        let slice = &mut self.slices[place];
        let (size, used) = (slice.size, (bytes.len() as u64).max(1).next_multiple_of(GRANULE));
        slice.size = used;
        slice.state = State::Committed(bytes.to_vec());
        if used < size {
            let rest = Slice { at: at + used, size: size - used, state: State::Skipped };
            self.slices.insert(place + 1, rest);
        }
        self.after_commit();
        let figures = &mut self.writer(index).figures;
        figures.slices += 1;
        figures.payload += bytes.len() as u64;
        figures.ring += size;
    }

    pub(crate) fn abort(&mut self, index: usize) {
        if let Some(at) = self.writer(index).in_flight.take() {
            self.give_up(at);
        }
    }

    fn give_up(&mut self, at: u64) {
        let place = self.slices.partition_point(|slice| slice.at < at);
        self.slices[place].state = State::Skipped;
        self.after_commit();
    }

    /// A slice of the channel's own was leaked: it is given up with the handle.
    pub(crate) fn leak(&mut self, index: usize) {
        let at = self.writer(index).in_flight.take().unwrap();
        self.leaked.push(at);
    }

    pub(crate) fn try_write(&mut self, index: usize, bytes: &[u8]) -> Result<u64, Refused> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let length = self.piece(bytes.len() as u64);
        self.try_reserve(index, length)?;
        self.commit(index, &bytes[..length as usize]);
        Ok(length)
    }

    pub(crate) fn poll_write(
        &mut self,
        index: usize,
        bytes: &[u8],
        waker: usize,
    ) -> Poll<Result<u64, Refused>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let length = self.piece(bytes.len() as u64);
        if self.drops {
            let written = self.try_write(index, bytes);
            if written != Err(Refused::Full) {
                return Poll::Ready(written);
            }
            let figures = &mut self.writer(index).figures;
            figures.dropped_slices += 1;
            figures.dropped_bytes += length;
            return Poll::Ready(Ok(length));
        }
        let room = match self.begin(index) {
            Ok(()) => self.poll_room(index, length, false, waker),
            Err(refused) => Poll::Ready(Err(refused)),
        };
        if let Poll::Ready(Ok(at)) = room {
            self.writer(index).in_flight = Some(at);
            self.commit(index, &bytes[..length as usize]);
        }
        room.map_ok(|_| length)
    }
}

/// Reading.
impl Model {
    /// Whether nobody has begun to write over the slice at `at`.
    fn is_intact(&self, at: u64) -> bool {
        self.reserved() <= at + self.capacity
    }

    fn oldest_intact(&self, from: u64) -> u64 {
        let least = from.max(self.reserved().saturating_sub(self.capacity));
        self.slice(least).map_or(self.reserved(), |slice| slice.at)
    }

    /// The first slice at or after `from` with no more than `bytes` of payload from there up to the
    /// first slice in flight.
    fn back(&self, from: u64, bytes: u64) -> u64 {
        let limit = self.first_in_flight(from);
        let slices = self.slices_from(from).iter().take_while(|slice| slice.at < limit);
        let starts = slices.clone().map(|slice| slice.at).chain([limit]);
        let payload = |start| -> u64 {
            let slices = slices.clone().filter(|slice| slice.at >= start);
            let lengths = slices.map(|slice| match &slice.state {
                State::Committed(bytes) => bytes.len() as u64,
                _ => 0,
            });
            lengths.sum()
        };
        starts.clone().find(|&start| payload(start) <= bytes).unwrap_or(limit)
    }

    /// Takes a reader on to its next byte, and tells what is left of that slice; empty at the end.
    fn look(&self, reader: &mut Reader) -> Result<&[u8], Unread> {
        if reader.terminated || self.ending == Ending::Terminated {
            return Err(Unread::Terminated);
        }
        loop {
            if !reader.is_strong && !self.is_intact(reader.slice) {
                let next = self.oldest_intact(reader.slice);
                let skipped = next - reader.position();
                reader.skipped += skipped;
                reader.gaps += 1;
                (reader.slice, reader.offset) = (next, 0);
                if !reader.silent {
                    return Err(Unread::Lagged(skipped));
                }
            }
            match self.slice(reader.slice) {
                None if !self.is_open() => return Ok(&[]),
                None | Some(Slice { state: State::InFlight, .. }) => return Err(Unread::Empty),
                Some(Slice { size, state: State::Skipped, .. }) => reader.step(*size, 0),
                Some(Slice { size, state: State::Committed(bytes), .. }) => {
                    let left = &bytes[reader.offset as usize..];
                    if left.is_empty() {
                        reader.step(*size, bytes.len() as u64);
                        continue;
                    }
                    reader.lent = left.len() as u64;
                    return Ok(left);
                }
            }
        }
    }

    /// Counts `amount` bytes of the current slice as read.
    fn advance(&self, reader: &mut Reader, amount: u64) {
        let Some(Slice { size, state: State::Committed(bytes), .. }) = self.slice(reader.slice)
        else {
            panic!("nothing to consume")
        };
        reader.payload += amount;
        reader.offset += amount;
        reader.lent -= amount;
        if reader.offset == bytes.len() as u64 {
            reader.step(*size, bytes.len() as u64);
        }
    }

    fn read_as(&self, reader: &mut Reader, length: usize) -> Result<Vec<u8>, Unread> {
        let mut read = Vec::new();
        if length == 0 {
            return Ok(read);
        }
        let mut left = self.look(reader)?;
        while !left.is_empty() {
            let part = left.len().min(length - read.len());
            read.extend_from_slice(&left[..part]);
            self.advance(reader, part as u64);
            if read.len() == length {
                break;
            }
            // A weak reader's read ends where something is to be stepped over.
            let next = self.slice(reader.slice).map(|slice| &slice.state);
            let goes_on = matches!(next, Some(State::Committed(bytes)) if !bytes.is_empty());
            if !reader.is_strong && !goes_on {
                break;
            }
            left = self.look(reader).unwrap_or(&[]);
        }
        Ok(read)
    }

    /// Lets `operation` have a reader that it may change.
    fn with_reader<T>(
        &mut self,
        index: usize,
        operation: impl FnOnce(&Self, &mut Reader) -> T,
    ) -> T {
        let mut reader = self.reader(index).clone();
        let result = operation(self, &mut reader);
        assert_eq!(
            reader.payload + reader.padding + reader.skipped,
            reader.position() - reader.began,
            "the model's own accounts"
        );
        self.readers[index] = Some(reader);
        result
    }

    pub(crate) fn read(&mut self, index: usize, length: usize) -> Result<Vec<u8>, Unread> {
        self.with_reader(index, |model, reader| model.read_as(reader, length))
    }

    pub(crate) fn fill_buf(&mut self, index: usize) -> Result<Vec<u8>, Unread> {
        self.with_reader(index, |model, reader| model.look(reader).map(<[u8]>::to_vec))
    }

    pub(crate) fn consume(&mut self, index: usize, amount: u64) {
        if amount > 0 {
            self.with_reader(index, |model, reader| model.advance(reader, amount));
        }
    }

    /// A poll of a reader: whatever it finds, no older waker is registered any more.
    pub(crate) fn poll<T>(
        &mut self,
        index: usize,
        waker: usize,
        found: Result<T, Unread>,
    ) -> Poll<Result<T, Unread>> {
        let is_empty = matches!(found, Err(Unread::Empty));
        self.reader(index).waker = is_empty.then_some(waker);
        if is_empty { Poll::Pending } else { Poll::Ready(found) }
    }

    pub(crate) fn terminate_reader(&mut self, index: usize) {
        self.reader(index).terminated = true;
    }
}
