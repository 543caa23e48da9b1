//! The channel beside its model: each operation is done on both, and what comes of it compared.

#[path = "driver/flushing.rs"]
mod flushing;
#[path = "driver/readers.rs"]
mod readers;
#[path = "driver/receiving.rs"]
mod receiving;
#[path = "driver/sending.rs"]
mod sending;
#[path = "driver/writers.rs"]
mod writers;

use super::model::{Ending, Model, Refused, Start, Unread};
use super::{From as StartFrom, Operation, Setup, Whose};
use flushing::Flushing;
use overfall::error::{
    ReadError, ReserveError, SendError, TryReadError, TryReserveError, TrySendError, TryWriteError,
};
use overfall::{Channel, Reader, StartAt, Writer};
use receiving::Receipt;
use sending::Sending;
use std::cell::RefCell;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

/// As many endpoints of a kind, slices and futures as there are at a time.
const MANY: usize = 6;

/// Counts how many times it was woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct WriterEnd {
    writer: Rc<RefCell<Writer>>,
    number: usize,
    /// A write that was longer than a slice can be, and how much of it was written.
    long: Option<(Rc<[u8]>, usize)>,
}

struct ReaderEnd {
    reader: Rc<RefCell<Reader>>,
    number: usize,
    /// Its number in the channel.
    id: u32,
}

/// What a slice is told to do, and what it answers.
#[derive(Default)]
struct Mailbox {
    order: Option<Order>,
    reserved: Option<Result<u64, Refused>>,
    written: usize,
}

enum Order {
    Fill(Vec<u8>),
    Commit,
    Abort,
    Leak,
}

/// A reservation: the future that waits for it, and then does what the guard is told. The guard
/// borrows its writer, so both live in here.
struct Session {
    future: Pin<Box<dyn Future<Output = ()>>>,
    mailbox: Rc<RefCell<Mailbox>>,
    /// The writer's number in the model.
    writer: usize,
    is_channels: bool,
    length: usize,
    /// Once it is reserved: what was written so far.
    content: Option<Vec<u8>>,
}

struct Closing {
    future: Pin<Box<dyn Future<Output = ()>>>,
    waker: usize,
}

pub(super) struct Driver {
    model: Model,
    channel: Option<Arc<Channel>>,
    writers: Vec<WriterEnd>,
    sessions: Vec<Session>,
    sendings: Vec<Sending>,
    readers: Vec<ReaderEnd>,
    receipts: Vec<Receipt>,
    closing: Vec<Closing>,
    flushing: Vec<Flushing>,
    counters: Vec<Arc<Counter>>,
    /// Where the payload comes from.
    noise: u32,
    /// A slice of the channel's own was leaked, and what belongs to it with it.
    leaked: bool,
}

macro_rules! refused_from {
    ($($error:ident: $($kind:ident)*),* $(,)?) => {$(
        impl From<$error> for Refused {
            fn from(error: $error) -> Self {
                match error {
                    $($error::$kind { .. } => Self::$kind,)*
                    other => panic!("{other:?} is news"),
                }
            }
        }
    )*};
}
refused_from!(
    TryWriteError: Full TooLong Closed Terminated,
    TryReserveError: Full TooLong Closed Terminated,
    ReserveError: Full TooLong Closed Terminated,
    TrySendError: Full TooLong Closed Terminated,
    SendError: TooLong Closed Terminated,
);

impl From<TryReadError> for Unread {
    fn from(error: TryReadError) -> Self {
        match error {
            TryReadError::Empty => Self::Empty,
            TryReadError::Lagged(lagged) => Self::Lagged(lagged.ring_bytes),
            TryReadError::Failed(_) => Self::Failed,
            TryReadError::Terminated => Self::Terminated,
            TryReadError::HoldTaken => Self::HoldTaken,
            other => panic!("{other:?} is news"),
        }
    }
}

impl From<ReadError> for Unread {
    fn from(error: ReadError) -> Self {
        TryReadError::from(error).into()
    }
}

impl From<StartFrom> for (StartAt, Start) {
    fn from(from: StartFrom) -> Self {
        match from {
            StartFrom::Oldest => (StartAt::Oldest, Start::Oldest),
            StartFrom::Now => (StartAt::Now, Start::Now),
            StartFrom::Back(bytes) => (StartAt::Back(bytes), Start::Back(bytes)),
            StartFrom::Newest => (StartAt::Newest, Start::Newest),
        }
    }
}

/// One of `list`, if there is one.
fn pick<T>(list: &[T], number: u8) -> Option<usize> {
    usize::from(number).checked_rem(list.len())
}

impl Driver {
    pub(super) fn new(setup: &Setup) -> Self {
        let builder = Channel::builder().size(setup.size).start_position(setup.start);
        let builder = builder.backpressure(setup.backpressure);
        let builder = builder.wait_for_strong_reader(setup.waits_for_first);
        let channel = builder.after_last_strong_reader(setup.after_last).build().unwrap();
        let model = Model::new(setup);
        assert_eq!(channel.capacity() as u64, model.capacity);
        assert_eq!(channel.max_slice() as u64, model.capacity);
        assert_eq!(channel.backpressure(), setup.backpressure);
        let mut driver = Self {
            model,
            channel: Some(channel),
            writers: Vec::new(),
            sessions: Vec::new(),
            sendings: Vec::new(),
            readers: Vec::new(),
            receipts: Vec::new(),
            closing: Vec::new(),
            flushing: Vec::new(),
            counters: Vec::new(),
            noise: 1,
            leaked: false,
        };
        if setup.writer {
            driver.apply(&Operation::NewWriter { strong: true });
        }
        for (there, strong) in [(setup.strong_reader, true), (setup.weak_reader, false)] {
            if there {
                driver.apply(&Operation::NewReader { strong, from: StartFrom::Oldest });
            }
        }
        driver.check();
        driver
    }

    fn payload(&mut self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| {
                self.noise ^= self.noise << 13;
                self.noise ^= self.noise >> 17;
                self.noise ^= self.noise << 5;
                self.noise as u8
            })
            .collect()
    }

    /// A waker that nobody has had, and its number.
    fn waker(&mut self) -> (Waker, usize) {
        let counter = Arc::new(Counter::default());
        self.counters.push(counter.clone());
        (Waker::from(counter), self.model.new_waker())
    }

    pub(super) fn apply(&mut self, operation: &Operation) {
        use Operation::*;
        match *operation {
            NewWriter { strong } => self.new_writer(strong),
            CloneWriter(writer) => self.clone_writer(writer),
            DropWriter(writer) => self.drop_writer(writer),
            TurnWriter { writer, strong } => self.turn_writer(writer, strong),
            SetBackpressure { writer, drops } => self.set_backpressure(writer, drops),
            TryWrite { writer, length } => self.try_write(writer, &[length]),
            TryWriteVectored { writer, lengths } => self.try_write(writer, &lengths),
            PollWrite { writer, length } => self.poll_write(writer, length),
            TryReserve { writer, length } => self.reserve(writer, length, false),
            GiveUp { writer, length, times } => self.give_up(writer, length, times),
            Reserve { writer, length } => self.reserve(writer, length, true),
            ShutDown(writer) => self.finish_writer(writer, Refused::Closed),
            TerminateWriter(writer) => self.finish_writer(writer, Refused::Terminated),
            TryReserveSlice { length } => self.reserve_slice(length, false),
            ReserveSlice { length } => self.reserve_slice(length, true),
            PollSlice(slice) => self.poll_slice(slice),
            Fill { slice, length } => self.fill(slice, length),
            Commit(slice) => self.end_slice(slice, Order::Commit),
            Abort(slice) => self.end_slice(slice, Order::Abort),
            // A checker of leaks would take it for what it is.
            Leak(slice) if cfg!(fuzzing) && self.is_channels(slice) => {
                self.end_slice(slice, Order::Abort);
            }
            Leak(slice) => self.end_slice(slice, Order::Leak),
            DropSlice(slice) => {
                if let Some(index) = pick(&self.sessions, slice) {
                    self.drop_session(index);
                }
            }
            TrySend { writer, length } => self.try_send(writer, &[length], false),
            Send { writer, length } => self.send(writer, &[length], false),
            SendOrDrop { writer, length } => self.send_or_drop(writer, length),
            TrySendMany { writer, batch } => self.try_send(writer, batch.lengths(), true),
            SendMany { writer, batch } => self.send(writer, batch.lengths(), true),
            PollSend(sending) => {
                if let Some(index) = pick(&self.sendings, sending) {
                    self.poll_send(index);
                }
            }
            GiveUpSend(sending) => {
                if let Some(index) = pick(&self.sendings, sending) {
                    self.give_up_send(index);
                }
            }
            DropSend(sending) => {
                if let Some(index) = pick(&self.sendings, sending) {
                    self.drop_send(index);
                }
            }
            NewReader { strong, from } => self.new_reader(strong, from),
            CloneReader(reader) => self.clone_reader(reader),
            DropReader(reader) => self.drop_reader(reader),
            TurnReader { reader, strong } => self.turn_reader(reader, strong),
            TryRead { reader, length } => self.try_read(reader, length),
            PollRead { reader, length } => self.poll_read(reader, length),
            FillBuf(reader) => self.fill_buf(reader),
            PollFillBuf(reader) => self.poll_fill_buf(reader),
            Consume { reader, part } => self.consume(reader, part),
            SetSilent { reader, silent } => self.set_silent(reader, silent),
            TerminateReader(reader) => self.terminate_reader(reader),
            TakeHold { reader, ends } => self.take_hold(reader, ends),
            Receive { reader, form, waits, keeps } => self.receive(reader, form, waits, keeps),
            PollReceipt(receipt) => {
                if let Some(index) = pick(&self.receipts, receipt) {
                    self.poll_receipt(index);
                }
            }
            GiveBack { receipt, leaks } => {
                if let Some(index) = pick(&self.receipts, receipt) {
                    self.give_back(index, leaks);
                }
            }
            SkipRest(reader) => self.skip_rest(reader),
            SkipTo { reader, start } => self.skip_to(reader, start),
            Drain => {
                if let Some(channel) = &self.channel {
                    assert_eq!(channel.drain().is_ok(), self.model.drain());
                }
            }
            Fail => {
                if let Some(channel) = &self.channel {
                    assert_eq!(channel.fail("as it was told to").is_ok(), self.model.fail());
                }
            }
            FailWriter(writer) => {
                if let Some(index) = self.idle_writer(writer) {
                    let end = &self.writers[index];
                    let failed = end.writer.borrow_mut().fail("as it was told to").is_ok();
                    assert_eq!(failed, self.model.fail_writer(end.number));
                }
            }
            Terminate => {
                if let Some(channel) = &self.channel {
                    channel.terminate();
                    self.model.terminate();
                }
            }
            DropHandle => {
                self.channel = None;
                self.after_handle();
            }
            Closed(whose) => self.closed(whose),
            PollClosed(future) => {
                if let Some(index) = pick(&self.closing, future) {
                    self.poll_closed(index);
                }
            }
            DropClosed(future) => {
                if let Some(index) = pick(&self.closing, future) {
                    self.model.drop_closed(self.closing.remove(index).waker);
                }
            }
            Flushed(whose) => self.flushed(whose),
            PollFlushed(future) => {
                if let Some(index) = pick(&self.flushing, future) {
                    self.poll_flushed(index);
                }
            }
            DropFlushed(future) => self.drop_flushed(future),
            Show => self.show(),
        }
    }

    /// Compares what can be seen without an operation.
    pub(super) fn check(&mut self) {
        let counters = &self.counters;
        let seen = |waker: usize| counters[waker].0.load(Ordering::Relaxed);
        // Readers that have moved on, or have gone.
        self.model.wake_writers();
        let wakes: Vec<usize> = (0..counters.len()).map(seen).collect();
        assert_eq!(wakes, self.model.wakes, "who was woken");
        self.model.check_nobody_is_forgotten();
        for end in &self.writers {
            if let Ok(writer) = end.writer.try_borrow() {
                writers::check(&writer, &self.model, end.number);
            }
        }
        for end in &self.readers {
            let reader = self.model.readers[end.number].as_ref().unwrap();
            if let Ok(end) = end.reader.try_borrow() {
                readers::check(&end, &self.model, reader);
            }
        }
        self.check_flushing();
        let Some(channel) = self.channel.clone() else { return };
        assert_eq!(channel.is_closed(), self.model.ending != Ending::Open);
        assert_eq!(channel.failure().is_some(), self.model.ending == Ending::Failed);
        let stats = channel.stats();
        self.model.follow_gate(stats.gate);
        let model = &self.model;
        assert_eq!(stats.capacity, model.capacity);
        assert_eq!(stats.start, model.start);
        assert_eq!(stats.reserved, model.raw(model.reserved()));
        assert_eq!(stats.ring_bytes, model.reserved());
        let mut total = model.retired;
        for writer in model.writers.iter().flatten() {
            total.slices += writer.figures.slices;
            total.payload += writer.figures.payload;
            total.dropped_slices += writer.figures.dropped_slices;
            total.dropped_bytes += writer.figures.dropped_bytes;
        }
        assert_eq!(stats.slices, total.slices);
        assert_eq!(stats.payload_bytes, total.payload);
        assert_eq!(stats.dropped_slices, total.dropped_slices);
        assert_eq!(stats.dropped_bytes, total.dropped_bytes);
        assert_eq!(stats.strong_writers, model.writers_that_are(true));
        assert_eq!(stats.weak_writers, model.writers_that_are(false));
        assert_eq!(stats.strong_readers, model.readers_that_are(true));
        assert_eq!(stats.weak_readers, model.readers_that_are(false));
        let skipped = model.readers.iter().flatten().map(|reader| reader.skipped);
        assert_eq!(stats.skipped_ring_bytes, model.retired_skipped + skipped.sum::<u64>());
        let overwritten = (stats.overwritten_slices, stats.overwritten_bytes);
        assert_eq!(overwritten, model.overwritten(), "what was overwritten");
        // Those too that are busy, and cannot be asked.
        assert_eq!(stats.readers.len(), model.present_readers().count());
        for end in &self.readers {
            let reader = model.readers[end.number].as_ref().unwrap();
            let stats = stats.readers.iter().find(|stats| stats.id == end.id);
            assert_eq!(stats.is_none(), reader.terminated);
            if let Some(stats) = stats {
                readers::check_stats(stats, model, reader);
            }
        }
    }

    /// Drops everything. Nobody's waker may be left anywhere.
    pub(super) fn finish(mut self) {
        while !self.sessions.is_empty() {
            self.drop_session(0);
            self.check();
        }
        while !self.sendings.is_empty() {
            self.drop_send(0);
            self.check();
        }
        while !self.receipts.is_empty() {
            self.give_back(0, false);
            self.check();
        }
        self.channel = None;
        self.after_handle();
        while let Some(end) = self.readers.pop() {
            drop(end.reader);
            self.model.remove_reader(end.number);
            self.check();
        }
        while !self.writers.is_empty() {
            self.drop_writer(0);
            self.check();
        }
        self.closing.clear();
        while !self.flushing.is_empty() {
            self.drop_flushed(0);
        }
        for counter in &self.counters {
            assert!(self.leaked || Arc::strong_count(counter) == 1, "a waker was not dropped");
        }
    }

    fn show(&self) {
        let mut shown = format!("{:?}", self.channel);
        for reader in self.readers.iter().filter_map(|end| end.reader.try_borrow().ok()) {
            shown += &format!("{reader:?}");
        }
        for writer in self.writers.iter().filter_map(|end| end.writer.try_borrow().ok()) {
            shown += &format!("{writer:?}");
        }
        assert!(shown.contains("Some") == self.channel.is_some());
    }

    /// A handle is gone; slices that were reserved through it keep it alive meanwhile.
    fn after_handle(&mut self) {
        self.model.sees_gate = self.channel.is_some();
        let is_kept = self.sessions.iter().any(|session| session.is_channels);
        if self.channel.is_none() && !is_kept && self.model.has_handle {
            self.model.drop_handle();
        }
    }

    fn closed(&mut self, whose: Whose) {
        if self.closing.len() == MANY {
            return;
        }
        let future: Pin<Box<dyn Future<Output = ()>>> = match whose {
            Whose::Channel => match &self.channel {
                Some(channel) => Box::pin(channel.closed()),
                None => return,
            },
            Whose::Reader(reader) => match self.idle_reader(reader) {
                Some(index) => Box::pin(self.readers[index].reader.borrow().closed()),
                None => return,
            },
            Whose::Writer(writer) => match self.idle_writer(writer) {
                Some(index) => Box::pin(self.writers[index].writer.borrow().closed()),
                None => return,
            },
        };
        self.closing.push(Closing { future, waker: usize::MAX });
        self.poll_closed(self.closing.len() - 1);
    }

    fn poll_closed(&mut self, index: usize) {
        let (waker, number) = self.waker();
        let closing = &mut self.closing[index];
        let before = mem::replace(&mut closing.waker, number);
        let polled = closing.future.as_mut().poll(&mut Context::from_waker(&waker));
        assert_eq!(polled, self.model.poll_closed(Some(before), number));
        if polled.is_ready() {
            self.closing.remove(index);
        }
    }
}
