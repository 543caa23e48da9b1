//! Reads the pipes of an output into its ring: a task for each, on the thread of `driver.rs`.
//!
//! To wake consumers for each slice costs about as much as to read it. So while there is more to be read, several slices
//! are committed first, for [`LATER`] at most. What little comes after a pause is told at once. Nobody waits for a drain
//! that waits: consumers are woken before the task is suspended, for whatever reason, and before it ends.
//!
//! The wakers of consumers run here, and may panic. That must not end the draining: the ring is in order by
//! then (`wait/panics.rs`), the panic hook of the program has told it, and the task goes on.

use super::driver::Either::{First, Second};
use super::driver::first;
use super::expected::Expected;
use super::looking::Looking;
use super::spooling::Spooling;
use super::system::{Descriptor, pipe::Reading};
use crate::channel::Channel;
use crate::channel::writer::StrongWriter;
use crate::channel::writer::slice::Slice;
use crate::error::{Failure, ReserveError};
use crate::sync::{AtomicBool, AtomicU64, OnceLock, Ordering};
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind};
use std::mem;
use std::ops::ControlFlow::{self, Break, Continue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, Notify, mpsc, oneshot};
use tokio::task::coop;
use tokio::time::Instant;

/// What an [`Output`](super::output::Output) asks of its drains.
#[derive(Debug)]
pub(super) enum Order {
    /// To read what is there by then, and to answer.
    Look {
        asker: oneshot::Sender<()>,
        /// Also when it has to wait for room. If not, it answers when there is none.
        waits: bool,
    },
    /// To close the pipe.
    Close,
}

/// How far a drain has come.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    /// Nanoseconds from `began` to the last byte.
    last: AtomicU64,
    /// Whether there was no room for what is there.
    is_held_up: AtomicBool,
    /// Tells that it is no more.
    goes_on: Notify,
}

impl Progress {
    pub(super) fn new() -> Self {
        let (last, is_held_up) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { began: Instant::now(), last, is_held_up, goes_on: Notify::new() }
    }

    /// When the last byte came into the ring; at first, when the drain began.
    pub(super) fn last(&self) -> Instant {
        self.began + Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }

    /// Whether it waits for room.
    pub(super) fn is_held_up(&self) -> bool {
        self.is_held_up.load(Ordering::Relaxed)
    }

    /// If it waits for room: until it has read on.
    pub(super) fn held_up(&self) -> Option<impl Future<Output = ()> + '_> {
        // This comes first, so that what comes behind the look is told.
        let goes_on = self.goes_on.notified();
        self.is_held_up().then_some(goes_on)
    }

    /// Notes that it reads, and when.
    fn note(&self) -> Instant {
        let now = Instant::now();
        let since = now.saturating_duration_since(self.began).as_nanos();
        self.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        // Relaxed: who waits does so on this thread, that of children.
        if self.is_held_up() {
            self.is_held_up.store(false, Ordering::Relaxed);
            self.goes_on.notify_waiters();
        }
        now
    }
}

/// The end of an output. The drains of it share one, and the last that goes, however it goes, ends the
/// channel.
#[derive(Debug)]
pub(super) struct End {
    channel: Arc<Channel>,
    /// The first error of a read. Consumers get it after the last byte of all pipes.
    error: Arc<OnceLock<Failure>>,
}

impl End {
    pub(super) fn new(channel: Arc<Channel>, error: Arc<OnceLock<Failure>>) -> Self {
        Self { channel, error }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // If the channel has ended before, its consumers were told that end.
        let end = || match self.error.get() {
            Some(error) => self.channel.fail(error.clone()).is_ok(),
            None => self.channel.drain().is_ok(),
        };
        let _a_waker_may_panic = catch_unwind(AssertUnwindSafe(end));
    }
}

/// How many bytes are read at a time: half of what a wide pipe holds.
const READ: usize = 128 << 10;

/// How long consumers sleep while there is more to be read. That is a few times what it takes to wake one.
const LATER: Duration = Duration::from_micros(100);

/// What is shorter, and comes after a pause, is probably all that there is.
const SHORT: usize = 4 << 10;

/// What there is in a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum There {
    Nothing,
    Bytes(u64),
    /// Nothing, and nothing will come.
    End,
}

pub(super) struct Drain {
    /// The first to be dropped: who is not answered finds the channel at its end.
    end: Arc<End>,
    pipe: Reading,
    writer: StrongWriter,
    /// The longest slice that is reserved.
    most: usize,
    spooling: Option<Arc<Mutex<Spooling>>>,
    /// Nothing once there is nobody to give any.
    orders: Option<mpsc::UnboundedReceiver<Order>>,
    /// Who waits for an answer to [`Order::Look`].
    looking: Looking,
    progress: Arc<Progress>,
    expected: Expected,
    /// The first slice for which consumers were not woken, if there is one.
    unseen: Option<Instant>,
    /// Whether the pipe was empty before.
    has_paused: bool,
    buffer: Vec<u8>,
}

impl Drain {
    /// Makes the pipe, which is ours alone, one that does not block. This must run within the runtime.
    pub(super) fn new(
        pipe: Descriptor,
        mut writer: StrongWriter,
        spooling: Option<Arc<Mutex<Spooling>>>,
        orders: mpsc::UnboundedReceiver<Order>,
        progress: Arc<Progress>,
        end: Arc<End>,
    ) -> io::Result<Self> {
        writer.wake_later();
        Ok(Self {
            pipe: Reading::new(pipe)?,
            // A slice and its padding are at most a quarter of the ring.
            most: READ.min(end.channel.capacity() / 8),
            writer,
            spooling,
            orders: Some(orders),
            looking: Looking::default(),
            progress,
            expected: Expected::new(end.channel.capacity()),
            unseen: None,
            has_paused: true,
            end,
            buffer: Vec::new(),
        })
    }

    /// Reads until the end.
    pub(super) async fn run(mut self) {
        loop {
            let turn = async {
                let turn = self.turn().await?;
                // The other children have their turn after a while.
                Waking(&mut self.writer, &mut self.unseen).during(coop::consume_budget()).await;
                io::Result::Ok(turn)
            };
            match unless_it_panics(turn).await {
                None | Some(Ok(Continue(()))) => {}
                Some(Ok(Break(()))) => break,
                Some(Err(error)) => {
                    let _another_was_first = self.end.error.set(Failure::new(error));
                    break;
                }
            }
        }
        unless_it_panics(async { self.wake() }).await;
        let (spooling, error) = (self.spooling.take(), self.end.error.clone());
        drop(self);
        let Some(spooling) = spooling else { return };
        unless_it_panics(async { spooling.lock().await.settle().await }).await;
        // The last drain has it to itself.
        if let Some(spooling) = Arc::into_inner(spooling) {
            let end = || spooling.into_inner().end(error.get().cloned());
            let _a_waker_may_panic = catch_unwind(AssertUnwindSafe(end));
        }
    }

    /// Waits for bytes, and for room for them, and reads once; or takes an order.
    async fn turn(&mut self) -> io::Result<ControlFlow<()>> {
        let there = if self.looking.is_empty() {
            let (pipe, expected) = (&mut self.pipe, &mut self.expected);
            let arrival = first(next(&mut self.orders), arrival(pipe, expected));
            match Waking(&mut self.writer, &mut self.unseen).during(arrival).await {
                First(order) => return self.take(order),
                Second(there) => there?,
            }
        } else {
            self.pipe.look()?
        };
        let there = match there {
            There::Bytes(there) => there,
            There::End => return Ok(Break(())),
            There::Nothing => {
                self.wake();
                self.has_paused = true;
                self.looking.has_read_all();
                return Ok(Continue(()));
            }
        };
        if self.read_now(there)? {
            return Ok(Continue(()));
        }
        if self.expected.must_ask() {
            return Ok(Continue(()));
        }
        self.progress.is_held_up.store(true, Ordering::Relaxed);
        self.looking.has_no_room();
        self.wait_and_read(there).await
    }

    /// Waits until there is room in the spool and in the ring, and reads; or takes an order.
    async fn wait_and_read(&mut self, there: u64) -> io::Result<ControlFlow<()>> {
        self.wake();
        let length = self.length(there);
        let (writer, spooling) = (&mut self.writer, &self.spooling);
        let room = async {
            let spooling = match spooling {
                Some(spooling) => {
                    let mut spooling = spooling.lock().await;
                    spooling.settle().await;
                    Some(spooling)
                }
                None => None,
            };
            writer.reserve(length).await.map(|slice| (slice, spooling))
        };
        let read = match first(next(&mut self.orders), room).await {
            First(order) => Err(order),
            Second(Ok((slice, spooling))) => {
                let now = self.progress.note();
                Ok((fill(slice, &mut self.pipe, spooling, &mut self.buffer)?, now))
            }
            Second(Err(ReserveError::Closed | ReserveError::Terminated)) => return Ok(Break(())),
            Second(Err(error)) => return Err(io::Error::other(error)),
        };
        match read {
            Ok((read, now)) => self.has_read(read, length, now),
            Err(order) => return self.take(order),
        }
        Ok(Continue(()))
    }

    /// Reads what is there, if there is room for it now.
    fn read_now(&mut self, there: u64) -> io::Result<bool> {
        let length = self.length(there);
        let spooling = self.spooling.as_ref().map(|spooling| spooling.try_lock());
        let has_room = match &spooling {
            Some(Ok(spooling)) => spooling.is_settled(),
            Some(Err(_)) => false,
            None => true,
        };
        if !has_room {
            return Ok(false);
        }
        // If there is another reason than that it is full, it is told where this waits.
        let Ok(slice) = self.writer.try_reserve(length) else { return Ok(false) };
        let now = self.progress.note();
        let spooling = spooling.and_then(Result::ok);
        let read = fill(slice, &mut self.pipe, spooling, &mut self.buffer)?;
        self.has_read(read, length, now);
        Ok(true)
    }

    /// So much was read of what was reserved, and is committed.
    fn has_read(&mut self, read: usize, reserved: usize, now: Instant) {
        self.expected.has_read(read, reserved);
        self.looking.has_read(read);
        let first = *self.unseen.get_or_insert(now);
        let is_alone = mem::take(&mut self.has_paused) && read < SHORT;
        if is_alone || now.saturating_duration_since(first) >= LATER {
            self.wake();
        }
    }

    /// Wakes the consumers of what was committed.
    fn wake(&mut self) {
        Waking(&mut self.writer, &mut self.unseen).wake();
    }

    fn take(&mut self, order: Option<Order>) -> io::Result<ControlFlow<()>> {
        match order {
            Some(Order::Look { asker, waits }) => {
                let left = match self.pipe.look()? {
                    There::Bytes(there) => there,
                    There::Nothing | There::End => 0,
                };
                self.looking.add(asker, waits, left);
            }
            Some(Order::Close) => return Ok(Break(())),
            None => self.orders = None,
        }
        Ok(Continue(()))
    }

    fn length(&self, there: u64) -> usize {
        usize::try_from(there).unwrap_or(usize::MAX).min(self.most)
    }
}

/// A writer, and the first slice for which it has not woken consumers.
struct Waking<'a>(&'a mut StrongWriter, &'a mut Option<Instant>);

impl Waking<'_> {
    fn wake(&mut self) {
        *self.1 = None;
        self.0.wake();
    }

    /// Awaits `future`, and wakes them if that is not ready at once.
    async fn during<T>(mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            let poll = future.as_mut().poll(context);
            if poll.is_pending() {
                self.wake();
            }
            poll
        })
        .await
    }
}

/// Waits until something is there, as [`Reading::wait`] does, and tells how much that is, or probably is.
async fn arrival(pipe: &mut Reading, expected: &mut Expected) -> io::Result<There> {
    if let Some(guess) = expected.guess() {
        if pipe.has_some()? {
            return Ok(There::Bytes(guess));
        }
    }
    let there = pipe.wait().await?;
    if let There::Bytes(there) = there {
        expected.asked(there);
    }
    Ok(there)
}

/// Reads as much as was reserved, or is there, and tells how much that is: nobody else reads this pipe.
fn fill(
    mut slice: Slice<'_>,
    pipe: &mut Reading,
    spooling: Option<MutexGuard<'_, Spooling>>,
    buffer: &mut Vec<u8>,
) -> io::Result<usize> {
    let Some(mut spooling) = spooling else {
        let Some(1..) = at_once(pipe.fill(&mut slice))? else { return Ok(0) };
        // If more was guessed, the rest may have come meanwhile.
        while slice.remaining() > 0 && matches!(pipe.has_some(), Ok(true)) {
            // An error comes again, behind what was read.
            let Ok(1..) = pipe.fill(&mut slice) else { break };
        }
        let read = slice.written();
        slice.commit();
        return Ok(read);
    };
    buffer.resize(slice.len(), 0);
    let Some(read @ 1..) = at_once(pipe.read(&mut buffer[..]))? else { return Ok(0) };
    slice.write_all(&buffer[..read])?;
    spooling.take(&buffer[..read]);
    slice.commit();
    spooling.write();
    Ok(read)
}

/// What was read; nothing, if it is to be tried again.
fn at_once(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The next order; never, if there can be none.
async fn next(orders: &mut Option<mpsc::UnboundedReceiver<Order>>) -> Option<Order> {
    match orders {
        Some(orders) => orders.recv().await,
        None => pending().await,
    }
}

/// What `future` gives; nothing, if it panics.
async fn unless_it_panics<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let poll = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        poll.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::driver::handle;
    use super::*;
    use crate::error::TryReadError;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn where_less_comes_than_was_guessed_that_is_a_message_and_nothing_is_none() {
        let (from, mut to) = UnixStream::pair().unwrap();
        let handle = handle().unwrap();
        let _within_it = handle.enter();
        let mut pipe = Reading::new(from.into()).unwrap();
        let channel = Channel::new(4096);
        let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
        let mut read = |writer: &mut StrongWriter| {
            let slice = writer.try_reserve(100).unwrap();
            fill(slice, &mut pipe, None, &mut Vec::new()).unwrap()
        };
        assert_eq!(read(&mut writer), 0);
        to.write_all(b"short").unwrap();
        assert_eq!(read(&mut writer), 5);
        drop(to);
        assert_eq!(read(&mut writer), 0);
        assert_eq!(reader.try_recv().unwrap().unwrap(), *b"short");
        assert!(matches!(reader.try_recv(), Err(TryReadError::Empty)));
    }
}
