//! The channel beside its model: each operation is done on both, and what comes of it compared.

use super::model::{self, Ending, Model, Refused, Start, Unread};
use super::{From as StartFrom, Operation, Setup, Whose};
use overfall::error::{ReadError, ReserveError, TryReadError, TryReserveError, TryWriteError};
use overfall::stats::ReaderStats;
use overfall::{Backpressure, Channel, Reader, Slice, StartAt, Writer};
use std::cell::{RefCell, RefMut};
use std::future::poll_fn;
use std::io::IoSlice;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

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
}

struct ReaderEnd {
    reader: Reader,
    number: usize,
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
    readers: Vec<ReaderEnd>,
    closing: Vec<Closing>,
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
    TryWriteError: Full Closed Terminated,
    TryReserveError: Full TooLong Closed Terminated,
    ReserveError: Full TooLong Closed Terminated,
);

impl From<TryReadError> for Unread {
    fn from(error: TryReadError) -> Self {
        match error {
            TryReadError::Empty => Self::Empty,
            TryReadError::Lagged(lagged) => Self::Lagged(lagged.skipped),
            TryReadError::Terminated => Self::Terminated,
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
        }
    }
}

/// Waits for orders, and does them.
async fn obey(mut slice: Slice<'_>, mailbox: Rc<RefCell<Mailbox>>) {
    mailbox.borrow_mut().reserved = Some(Ok(slice.position()));
    loop {
        let order =
            poll_fn(|_| mailbox.borrow_mut().order.take().map_or(Poll::Pending, Poll::Ready));
        match order.await {
            Order::Fill(bytes) => {
                let (written, remaining) = (slice.written(), slice.remaining());
                assert_eq!(written + remaining, slice.len());
                let more = slice.write(&bytes);
                assert_eq!(slice.written(), written + more);
                mailbox.borrow_mut().written = more;
            }
            Order::Commit => return slice.commit(),
            Order::Abort => return slice.abort(),
            Order::Leak => return mem::forget(slice),
        }
    }
}

async fn reserve(
    mut writer: RefMut<'_, Writer>,
    length: usize,
    waits: bool,
    mailbox: Rc<RefCell<Mailbox>>,
) {
    let slice = if waits {
        writer.reserve(length).await.map_err(Refused::from)
    } else {
        writer.try_reserve(length).map_err(Refused::from)
    };
    match slice {
        Ok(slice) => obey(slice, mailbox).await,
        Err(refused) => mailbox.borrow_mut().reserved = Some(Err(refused)),
    }
}

async fn reserve_slice(
    channel: Arc<Channel>,
    length: usize,
    waits: bool,
    mailbox: Rc<RefCell<Mailbox>>,
) {
    let slice = if waits {
        channel.reserve_slice(length).await.map_err(Refused::from)
    } else {
        channel.try_reserve_slice(length).map_err(Refused::from)
    };
    match slice {
        Ok(slice) => obey(slice, mailbox).await,
        Err(refused) => mailbox.borrow_mut().reserved = Some(Err(refused)),
    }
}

/// One of `list`, if there is one.
fn pick<T>(list: &[T], number: u8) -> Option<usize> {
    usize::from(number).checked_rem(list.len())
}

impl Driver {
    pub(super) fn new(setup: &Setup) -> Self {
        let builder = Channel::builder().size(setup.size).start_position(setup.start);
        let channel = builder.backpressure(setup.backpressure).build().unwrap();
        let drops = setup.backpressure == Backpressure::Drop;
        let model = Model::new(setup.size, setup.start, drops);
        assert_eq!(channel.capacity() as u64, model.capacity);
        assert_eq!(channel.max_slice() as u64, model.capacity);
        assert_eq!(channel.backpressure(), setup.backpressure);
        let mut driver = Self {
            model,
            channel: Some(channel),
            writers: Vec::new(),
            sessions: Vec::new(),
            readers: Vec::new(),
            closing: Vec::new(),
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
            TryWrite { writer, length } => self.try_write(writer, &[length]),
            TryWriteVectored { writer, lengths } => self.try_write(writer, &lengths),
            PollWrite { writer, length } => self.poll_write(writer, length),
            TryReserve { writer, length } => self.reserve(writer, length, false),
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
            Drain => {
                if let Some(channel) = &self.channel {
                    assert_eq!(channel.drain().is_ok(), self.model.drain());
                }
            }
            Terminate => {
                if let Some(channel) = &self.channel {
                    channel.terminate();
                    self.model.terminate();
                }
            }
            DropHandle => {
                if let Some(channel) = self.channel.take() {
                    drop(channel);
                    self.after_handle();
                }
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
            Show => self.show(),
        }
    }

    /// Compares what can be seen without an operation.
    pub(super) fn check(&mut self) {
        let counters = &self.counters;
        let seen = |waker: usize| counters[waker].0.load(Ordering::Relaxed);
        self.model.follow_wakes(seen);
        let wakes: Vec<usize> = (0..counters.len()).map(seen).collect();
        assert_eq!(wakes, self.model.wakes, "who was woken");
        self.model.check_nobody_is_forgotten();
        for end in &self.writers {
            if let Ok(writer) = end.writer.try_borrow() {
                check_writer(&writer, &self.model, end.number);
            }
        }
        for end in &self.readers {
            let reader = self.model.readers[end.number].as_ref().unwrap();
            check_reader_stats(&end.reader.stats(), &self.model, reader);
            assert_eq!(end.reader.is_strong(), reader.is_strong);
            let is_closed = reader.terminated || self.model.ending != Ending::Open;
            assert_eq!(end.reader.is_closed(), is_closed);
        }
        let Some(channel) = self.channel.clone() else { return };
        assert_eq!(channel.is_closed(), self.model.ending != Ending::Open);
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
        assert_eq!(stats.skipped_bytes, model.retired_skipped + skipped.sum::<u64>());
        let mut positions: Vec<u64> = stats.readers.iter().map(|reader| reader.position).collect();
        let readers = model.readers.iter().flatten();
        let mut expected: Vec<u64> = readers.map(|reader| model.raw(reader.position())).collect();
        positions.sort_unstable();
        expected.sort_unstable();
        assert_eq!(positions, expected, "where the readers are");
    }

    /// Drops everything. Nobody's waker may be left anywhere.
    pub(super) fn finish(mut self) {
        while !self.sessions.is_empty() {
            self.drop_session(0);
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
        for counter in &self.counters {
            assert!(self.leaked || Arc::strong_count(counter) == 1, "a waker was not dropped");
        }
    }

    fn show(&self) {
        let mut shown = format!("{:?}", self.channel);
        for end in &self.readers {
            shown += &format!("{:?}", end.reader);
        }
        for writer in self.writers.iter().filter_map(|end| end.writer.try_borrow().ok()) {
            shown += &format!("{writer:?}");
        }
        assert!(shown.contains("Some") == self.channel.is_some());
    }

    /// A handle is gone; slices that were reserved through it keep it alive meanwhile.
    fn after_handle(&mut self) {
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
            Whose::Reader(reader) => match pick(&self.readers, reader) {
                Some(index) => Box::pin(self.readers[index].reader.closed()),
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

/// Writers.
impl Driver {
    /// A writer that is not busy with a slice.
    fn idle_writer(&self, number: u8) -> Option<usize> {
        let index = pick(&self.writers, number)?;
        self.writers[index].writer.try_borrow_mut().is_ok().then_some(index)
    }

    fn add_writer(&mut self, writer: Writer, number: usize) {
        self.writers.push(WriterEnd { writer: Rc::new(RefCell::new(writer)), number });
    }

    fn new_writer(&mut self, strong: bool) {
        if self.writers.len() == MANY {
            return;
        }
        if let Some(channel) = &self.channel {
            let writer =
                if strong { channel.new_writer() } else { channel.new_weak_writer().into() };
            let number = self.model.add_writer(Some(strong));
            self.add_writer(writer, number);
        }
    }

    fn clone_writer(&mut self, writer: u8) {
        if self.writers.len() == MANY {
            return;
        }
        if let Some(index) = self.idle_writer(writer) {
            let clone = self.writers[index].writer.borrow().clone();
            let number = self.model.clone_writer(self.writers[index].number);
            self.add_writer(clone, number);
        }
    }

    fn drop_writer(&mut self, writer: u8) {
        if let Some(index) = self.idle_writer(writer) {
            let end = self.writers.remove(index);
            drop(end.writer);
            self.model.remove_writer(end.number);
        }
    }

    fn turn_writer(&mut self, writer: u8, strong: bool) {
        if let Some(index) = self.idle_writer(writer) {
            let WriterEnd { writer, number } = self.writers.remove(index);
            let writer = Rc::into_inner(writer).unwrap().into_inner();
            let writer: Writer =
                if strong { writer.into_strong().into() } else { writer.into_weak().into() };
            self.model.turn_writer(number, strong);
            self.writers.insert(index, WriterEnd { writer: Rc::new(RefCell::new(writer)), number });
        }
    }

    fn try_write(&mut self, writer: u8, lengths: &[usize]) {
        let Some(index) = self.idle_writer(writer) else { return };
        let bytes = self.payload(lengths.iter().sum());
        let end = &self.writers[index];
        let mut writer = end.writer.borrow_mut();
        let written = match lengths {
            [_] => writer.try_write(&bytes),
            _ => {
                let mut rest = &bytes[..];
                let buffers: Vec<IoSlice<'_>> = lengths
                    .iter()
                    .map(|&length| {
                        let (buffer, more) = rest.split_at(length);
                        rest = more;
                        IoSlice::new(buffer)
                    })
                    .collect();
                writer.try_write_vectored(&buffers)
            }
        };
        let written = written.map(|length| length as u64).map_err(Refused::from);
        assert_eq!(written, self.model.try_write(end.number, &bytes));
    }

    #[cfg(not(feature = "futures"))]
    fn poll_write(&mut self, writer: u8, length: usize) {
        self.try_write(writer, &[length]);
    }

    #[cfg(feature = "futures")]
    fn poll_write(&mut self, writer: u8, length: usize) {
        use futures::io::AsyncWrite;
        let Some(index) = self.idle_writer(writer) else { return };
        let bytes = self.payload(length);
        let (waker, waker_number) = self.waker();
        let end = &self.writers[index];
        let mut writer = end.writer.borrow_mut();
        let polled = Pin::new(&mut *writer).poll_write(&mut Context::from_waker(&waker), &bytes);
        let polled = polled.map_ok(|length| length as u64).map_err(|error| {
            use overfall::error::WriteError;
            match error.get_ref().and_then(|error| error.downcast_ref::<WriteError>()) {
                Some(WriteError::Closed) => Refused::Closed,
                Some(WriteError::Terminated) => Refused::Terminated,
                other => panic!("{other:?} is news"),
            }
        });
        assert_eq!(polled, self.model.poll_write(end.number, &bytes, waker_number));
    }

    fn finish_writer(&mut self, writer: u8, done: Refused) {
        if let Some(index) = self.idle_writer(writer) {
            let end = &self.writers[index];
            match done {
                Refused::Terminated => end.writer.borrow_mut().terminate(),
                _ => end.writer.borrow_mut().shut_down(),
            }
            self.model.finish_writer(end.number, done);
        }
    }

    #[allow(clippy::await_holding_refcell_ref, reason = "who finds it borrowed leaves it alone")]
    fn reserve(&mut self, writer: u8, length: usize, waits: bool) {
        if self.sessions.len() == MANY {
            return;
        }
        let Some(index) = self.idle_writer(writer) else { return };
        let end = &self.writers[index];
        let mailbox = Rc::new(RefCell::new(Mailbox::default()));
        let future = {
            let (writer, mailbox) = (end.writer.clone(), mailbox.clone());
            Box::pin(async move { reserve(writer.borrow_mut(), length, waits, mailbox).await })
        };
        let writer = end.number;
        let session =
            Session { future, mailbox, writer, is_channels: false, length, content: None };
        self.start(session, waits);
    }

    fn reserve_slice(&mut self, length: usize, waits: bool) {
        if self.sessions.len() == MANY {
            return;
        }
        let Some(channel) = self.channel.clone() else { return };
        let mailbox = Rc::new(RefCell::new(Mailbox::default()));
        let future = Box::pin(reserve_slice(channel, length, waits, mailbox.clone()));
        let writer = self.model.add_writer(None);
        let session = Session { future, mailbox, writer, is_channels: true, length, content: None };
        self.start(session, waits);
    }

    fn start(&mut self, session: Session, waits: bool) {
        let (writer, length) = (session.writer, session.length as u64);
        self.sessions.push(session);
        let index = self.sessions.len() - 1;
        if waits {
            self.poll_session(index);
        } else {
            let (waker, _) = self.waker();
            let result = self.turn(index, &waker);
            let expected = self.model.try_reserve(writer, length);
            self.reserved(index, result, Poll::Ready(expected));
        }
    }

    /// Lets a session go on, and takes what it says of its reservation.
    fn turn(&mut self, index: usize, waker: &Waker) -> Poll<Result<u64, Refused>> {
        let session = &mut self.sessions[index];
        let ended = session.future.as_mut().poll(&mut Context::from_waker(waker));
        let reserved = session.mailbox.borrow_mut().reserved.take();
        assert_eq!(ended.is_ready(), matches!(reserved, Some(Err(_))));
        reserved.map_or(Poll::Pending, Poll::Ready)
    }

    fn reserved(
        &mut self,
        index: usize,
        result: Poll<Result<u64, Refused>>,
        expected: Poll<Result<u64, Refused>>,
    ) {
        assert_eq!(result, expected.map_ok(|at| self.model.raw(at)), "the reservation");
        match result {
            Poll::Pending => {}
            Poll::Ready(Ok(_)) => self.sessions[index].content = Some(Vec::new()),
            Poll::Ready(Err(_)) => self.remove_session(index),
        }
    }

    fn poll_slice(&mut self, slice: u8) {
        let waiting = pick(&self.sessions, slice);
        if let Some(index) = waiting.filter(|&index| self.sessions[index].content.is_none()) {
            self.poll_session(index);
        }
    }

    fn poll_session(&mut self, index: usize) {
        let (waker, number) = self.waker();
        let result = self.turn(index, &waker);
        let Session { writer, length, .. } = self.sessions[index];
        let expected = self.model.poll_reserve(writer, length as u64, number);
        self.reserved(index, result, expected);
    }

    /// A slice that is in flight.
    fn slice(&self, slice: u8) -> Option<usize> {
        pick(&self.sessions, slice).filter(|&index| self.sessions[index].content.is_some())
    }

    fn is_channels(&self, slice: u8) -> bool {
        self.slice(slice).is_some_and(|index| self.sessions[index].is_channels)
    }

    fn order(&mut self, index: usize, order: Order) -> Poll<()> {
        let session = &mut self.sessions[index];
        session.mailbox.borrow_mut().order = Some(order);
        session.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn fill(&mut self, slice: u8, length: usize) {
        let Some(index) = self.slice(slice) else { return };
        let bytes = self.payload(length);
        assert!(self.order(index, Order::Fill(bytes.clone())).is_pending());
        let session = &mut self.sessions[index];
        let content = session.content.as_mut().unwrap();
        let fits = length.min(session.length - content.len());
        assert_eq!(session.mailbox.borrow().written, fits);
        content.extend_from_slice(&bytes[..fits]);
    }

    fn end_slice(&mut self, slice: u8, order: Order) {
        let Some(index) = self.slice(slice) else { return };
        let Session { writer, is_channels, .. } = self.sessions[index];
        match order {
            Order::Commit => {
                self.model.commit(writer, self.sessions[index].content.as_ref().unwrap());
            }
            Order::Leak if is_channels => {
                self.model.leak(writer);
                self.leaked = true;
            }
            Order::Leak => {}
            _ => self.model.abort(writer),
        }
        let is_leaked = is_channels && matches!(order, Order::Leak);
        assert!(self.order(index, order).is_ready());
        if is_leaked {
            // The writer of that one slice is leaked, too.
            self.sessions.remove(index);
            self.after_handle();
        } else {
            self.remove_session(index);
        }
    }

    /// Drops the guard, or the future that waits.
    fn drop_session(&mut self, index: usize) {
        let Session { writer, .. } = self.sessions[index];
        self.model.abort(writer);
        self.model.stop_waiting(writer);
        self.remove_session(index);
    }

    fn remove_session(&mut self, index: usize) {
        let Session { writer, is_channels, .. } = self.sessions.remove(index);
        if is_channels {
            self.model.remove_writer(writer);
            self.after_handle();
        }
    }
}

/// Readers.
impl Driver {
    fn new_reader(&mut self, strong: bool, from: StartFrom) {
        if self.readers.len() == MANY {
            return;
        }
        if let Some(channel) = &self.channel {
            let (at, start) = from.into();
            let reader: Reader = if strong {
                channel.new_strong_reader_at(at).into()
            } else {
                channel.new_weak_reader_at(at).into()
            };
            self.readers.push(ReaderEnd { reader, number: self.model.add_reader(strong, start) });
        }
    }

    fn clone_reader(&mut self, reader: u8) {
        if self.readers.len() == MANY {
            return;
        }
        if let Some(index) = pick(&self.readers, reader) {
            let reader = self.readers[index].reader.clone();
            let number = self.model.clone_reader(self.readers[index].number);
            self.readers.push(ReaderEnd { reader, number });
        }
    }

    fn drop_reader(&mut self, reader: u8) {
        if let Some(index) = pick(&self.readers, reader) {
            let end = self.readers.remove(index);
            drop(end.reader);
            self.model.remove_reader(end.number);
        }
    }

    fn turn_reader(&mut self, reader: u8, strong: bool) {
        let Some(index) = pick(&self.readers, reader) else { return };
        let ReaderEnd { reader, number } = self.readers.remove(index);
        let reader = if strong {
            let expected = self.model.can_be_strong(number);
            let turned = reader.into_strong();
            assert_eq!(turned.is_ok(), expected.unwrap_or(turned.is_ok()), "becomes strong");
            match turned {
                Ok(strong) => {
                    self.model.into_strong_reader(number, strong.stats().position);
                    strong.into()
                }
                Err(error) => error.reader,
            }
        } else {
            self.model.into_weak_reader(number);
            reader.into_weak().into()
        };
        self.readers.insert(index, ReaderEnd { reader, number });
    }

    fn try_read(&mut self, reader: u8, length: usize) {
        let Some(index) = pick(&self.readers, reader) else { return };
        let end = &mut self.readers[index];
        let mut buffer = vec![0; length];
        let read = end.reader.try_read(&mut buffer);
        let read = read.map(|length| buffer[..length].to_vec()).map_err(Unread::from);
        assert_eq!(read, self.model.read(end.number, length));
    }

    #[cfg(not(feature = "futures"))]
    fn poll_read(&mut self, reader: u8, length: usize) {
        self.try_read(reader, length);
    }

    #[cfg(feature = "futures")]
    fn poll_read(&mut self, reader: u8, length: usize) {
        use futures::io::AsyncRead;
        let Some(index) = pick(&self.readers, reader) else { return };
        let (waker, waker_number) = self.waker();
        let end = &mut self.readers[index];
        let mut buffer = vec![0; length];
        let polled =
            Pin::new(&mut end.reader).poll_read(&mut Context::from_waker(&waker), &mut buffer);
        let polled =
            polled.map_ok(|length| buffer[..length].to_vec()).map_err(|error| unread(&error));
        let expected = if length == 0 {
            Poll::Ready(Ok(Vec::new()))
        } else {
            let read = self.model.read(end.number, length);
            self.model.poll(end.number, waker_number, read)
        };
        assert_eq!(polled, expected);
    }

    fn fill_buf(&mut self, reader: u8) {
        let Some(index) = pick(&self.readers, reader) else { return };
        let ReaderEnd { reader: Reader::Strong(reader), number } = &mut self.readers[index] else {
            return;
        };
        let lent = reader.try_fill_buf().map(<[u8]>::to_vec).map_err(Unread::from);
        assert_eq!(lent, self.model.fill_buf(*number));
    }

    #[cfg(not(feature = "futures"))]
    fn poll_fill_buf(&mut self, reader: u8) {
        self.fill_buf(reader);
    }

    #[cfg(feature = "futures")]
    fn poll_fill_buf(&mut self, reader: u8) {
        use futures::io::AsyncBufRead;
        let (waker, waker_number) = self.waker();
        let Some(index) = pick(&self.readers, reader) else { return };
        let ReaderEnd { reader: Reader::Strong(reader), number } = &mut self.readers[index] else {
            return;
        };
        let lent = Pin::new(reader).poll_fill_buf(&mut Context::from_waker(&waker));
        let lent = lent.map_ok(<[u8]>::to_vec).map_err(|error| unread(&error));
        let expected = self.model.fill_buf(*number);
        assert_eq!(lent, self.model.poll(*number, waker_number, expected));
    }

    fn consume(&mut self, reader: u8, part: u8) {
        let Some(index) = pick(&self.readers, reader) else { return };
        if let ReaderEnd { reader: Reader::Strong(reader), number } = &mut self.readers[index] {
            let lent = self.model.reader(*number).lent;
            let amount = (lent * u64::from(part)).div_ceil(256);
            reader.consume(amount as usize);
            self.model.consume(*number, amount);
        }
    }

    fn set_silent(&mut self, reader: u8, silent: bool) {
        let Some(index) = pick(&self.readers, reader) else { return };
        if let ReaderEnd { reader: Reader::Weak(reader), number } = &mut self.readers[index] {
            reader.set_silent(silent);
            self.model.set_silent(*number, silent);
        }
    }

    fn terminate_reader(&mut self, reader: u8) {
        if let Some(index) = pick(&self.readers, reader) {
            let end = &mut self.readers[index];
            end.reader.terminate();
            self.model.terminate_reader(end.number);
        }
    }
}

#[cfg(feature = "futures")]
fn unread(error: &std::io::Error) -> Unread {
    use overfall::error::Lagged;
    let inner = error.get_ref().unwrap();
    if let Some(lagged) = inner.downcast_ref::<Lagged>() {
        Unread::Lagged(lagged.skipped)
    } else {
        let error: &ReadError = inner.downcast_ref().unwrap();
        Unread::from(*error)
    }
}

fn check_writer(writer: &Writer, model: &Model, number: usize) {
    let expected = model.writers[number].as_ref().unwrap();
    assert_eq!(writer.is_strong(), expected.is_strong);
    assert_eq!(writer.is_closed(), model.is_writer_closed(number));
    let stats = writer.stats();
    assert_eq!(stats.id, expected.id);
    let figures = model::WriterFigures {
        slices: stats.slices,
        payload: stats.payload_bytes,
        ring: stats.ring_bytes,
        dropped_slices: stats.dropped_slices,
        dropped_bytes: stats.dropped_bytes,
    };
    assert_eq!(figures, expected.figures);
}

fn check_reader_stats(stats: &ReaderStats, model: &Model, reader: &model::Reader) {
    let (position, figures) = (stats.position, (stats.payload_bytes, stats.padding_bytes));
    assert_eq!(position, model.raw(reader.position()), "where the reader is");
    assert_eq!(stats.lag, model.reserved() - reader.position());
    assert_eq!(figures, (reader.payload, reader.padding), "payload and padding");
    assert_eq!((stats.skipped_bytes, stats.gaps), (reader.skipped, reader.gaps));
    assert_eq!(stats.strong, reader.is_strong);
}
