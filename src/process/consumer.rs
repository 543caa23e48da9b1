//! Tasks that consume what an output gives: how they run, and how they end.

use super::any_reader::AnyReader;
use super::driver::{self, Either, first};
use crate::channel::WeakChannel;
use crate::error::Failure;
use crate::io::Blocking;
use crate::io::layers::Until;
use crate::lines::{Builder, Feed, LineError, Lines};
use crate::sync::{AtomicBool, Ordering};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A task that consumes what a reader gives, and comes to a result: from [`Collect`](super::Collect),
/// [`Forward`](super::Forward) and [`EachLine`](super::EachLine).
///
/// As a future it is that result, and may be awaited in parts: `(&mut consumer).await` can be dropped and begun
/// again. It panics if the task has panicked, and if it is polled once more after its result.
///
/// When the task ends, well or not, its reader goes at once, and holds nobody up, however long the result lies
/// here. Dropping this stops the task, as [`stop`](Self::stop) does, and nobody is told the result.
#[must_use = "dropping it stops the task"]
pub struct Consumer<T> {
    running: Running<T>,
    /// The task is to stop when this has gone.
    stop: Option<oneshot::Sender<()>>,
    is_aborted: Arc<AtomicBool>,
}

enum Running<T> {
    Task(JoinHandle<T>),
    Thread {
        result: oneshot::Receiver<thread::Result<T>>,
        /// What is to end when it is aborted.
        reader: Option<(WeakChannel, u32)>,
    },
}

/// How a consumer ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConsumerEnd {
    /// At the end of the stream: it had all of it, but for what it tells as missed or left out.
    Ended,
    /// It was [stopped](Consumer::stop). It had what was there then.
    Stopped,
    /// The stream ended with this error, and it had all that was sent before.
    Failed(Failure),
    /// The channel, or its reader, was terminated.
    Terminated,
    /// What it writes to failed.
    SinkFailed,
}

impl<T> Consumer<T> {
    /// Waits until the stream ends, or whatever else ends the task.
    pub async fn wait(self) -> T {
        self.await
    }

    /// Has the task finish what is there now, and waits for its result.
    pub async fn stop(mut self) -> T {
        self.stop = None;
        self.await
    }

    /// Ends the task, and does not wait for it. What it had is gone. A thread that is in the middle of a write to a
    /// sink that blocks ends behind it, and holds nobody up meanwhile, unless it reads a spool.
    pub fn abort(self) {
        // Relaxed: the channel by which it is told orders it.
        self.is_aborted.store(true, Ordering::Relaxed);
        match &self.running {
            Running::Task(task) => task.abort(),
            Running::Thread { reader, .. } => {
                // A weak one holds nobody up.
                let _its_end = reader.as_ref().map(|(channel, id)| channel.end_reader(*id));
            }
        }
    }

    /// Whether the task has ended, and the result is here.
    pub fn is_finished(&self) -> bool {
        match &self.running {
            Running::Task(task) => task.is_finished(),
            Running::Thread { result, .. } => !result.is_empty() || result.is_terminated(),
        }
    }
}

impl<T: Send + 'static> Consumer<T> {
    /// On the thread of children, for work of ours alone, which never blocks; unless the reader does.
    pub(super) fn of_ours<F>(
        reader: AnyReader,
        cut: Builder,
        work: impl FnOnce(Intake) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = T> + Send + 'static,
    {
        if reader.may_block() {
            return Self::on_thread(reader, cut, work);
        }
        let handle = driver::handle()?;
        let (intake, stop, is_aborted) = Intake::new(reader, cut);
        let running = Running::Task(handle.spawn(work(intake)));
        Ok(Self { running, stop: Some(stop), is_aborted })
    }

    /// On the runtime of the caller.
    pub(super) fn on_runtime<F>(
        reader: AnyReader,
        work: impl FnOnce(Intake) -> F,
    ) -> io::Result<Self>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let handle = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let (intake, stop, is_aborted) = Intake::new(reader, Builder::new());
        let running = Running::Task(handle.spawn(work(intake)));
        Ok(Self { running, stop: Some(stop), is_aborted })
    }

    /// On a thread of its own, which may be blocked.
    pub(super) fn on_thread<F>(
        reader: AnyReader,
        cut: Builder,
        work: impl FnOnce(Intake) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = T> + 'static,
    {
        let of_channel = reader.of_channel();
        let (intake, stop, is_aborted) = Intake::new(reader, cut);
        let (done, result) = oneshot::channel();
        let thread = thread::Builder::new().name("overfall-consumer".into());
        thread.spawn(move || {
            // A panic goes to who waits for the result, when the reader has gone with it.
            let result = catch_unwind(AssertUnwindSafe(|| park_on(work(intake))));
            let _unless_nobody_waits = done.send(result);
        })?;
        let running = Running::Thread { result, reader: of_channel };
        Ok(Self { running, stop: Some(stop), is_aborted })
    }
}

/// Runs a future on this thread.
fn park_on<T>(future: impl Future<Output = T>) -> T {
    let value = Blocking::new(Box::pin(future)).poll_or_wait(
        Until::Forever,
        |_| {},
        |future, context| context.map_or(Poll::Pending, |context| future.as_mut().poll(context)),
    );
    match value {
        Some(value) => value,
        None => unreachable!("it waits for ever"),
    }
}

impl<T> Future for Consumer<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let panic = match &mut self.running {
            Running::Task(task) => match ready!(Pin::new(task).poll(context)) {
                Ok(value) => return Poll::Ready(value),
                Err(error) => error.try_into_panic().ok(),
            },
            Running::Thread { result, .. } => match ready!(Pin::new(result).poll(context)) {
                Ok(Ok(value)) => return Poll::Ready(value),
                Ok(Err(panic)) => Some(panic),
                Err(_) => None,
            },
        };
        match panic {
            Some(panic) => resume_unwind(panic),
            None => panic!("the runtime on which this consumer ran was shut down before its end"),
        }
    }
}

// Nothing in it is pinned.
impl<T> Unpin for Consumer<T> {}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("is_finished", &self.is_finished()).finish_non_exhaustive()
    }
}

/// What a consumer takes from its reader.
pub(super) struct Intake {
    /// Nothing only while it is changed.
    lines: Option<Lines<AnyReader>>,
    stop: oneshot::Receiver<()>,
    is_aborted: Arc<AtomicBool>,
    /// Once it is to stop: where it stood then, and how far it was to go.
    left: Option<(u64, u64)>,
    /// What it has come over last, and nobody was told.
    gap: Option<LineError>,
}

impl Intake {
    fn new(reader: AnyReader, cut: Builder) -> (Self, oneshot::Sender<()>, Arc<AtomicBool>) {
        reader.set_name("consumer");
        let (sender, stop) = oneshot::channel();
        let is_aborted = Arc::new(AtomicBool::new(false));
        let lines = Some(cut.lines(reader));
        let intake = Self { lines, stop, is_aborted: is_aborted.clone(), left: None, gap: None };
        (intake, sender, is_aborted)
    }

    pub(super) fn lines(&mut self) -> &mut Lines<AnyReader> {
        let Some(lines) = &mut self.lines else { unreachable!("it is there but for a moment") };
        lines
    }

    /// How many bytes were missed so far.
    pub(super) fn missed(&mut self) -> u64 {
        self.lines().gone()
    }

    /// The gap that lies before what was taken.
    pub(super) fn take_gap(&mut self) -> Option<LineError> {
        self.gap.take()
    }

    /// Waits until there is more, and takes it; or tells how it ended.
    pub(super) async fn more(&mut self) -> Option<ConsumerEnd> {
        loop {
            if let Some(ended) = self.lines().ended() {
                return Some(match ended {
                    Ok(()) => ConsumerEnd::Ended,
                    Err(LineError::Failed(failure)) => ConsumerEnd::Failed(failure.clone()),
                    Err(_) => ConsumerEnd::Terminated,
                });
            }
            let taken = match self.left {
                None => {
                    let Some(lines) = &mut self.lines else { unreachable!("it is there") };
                    match first(&mut self.stop, lines.take()).await {
                        Either::First(_) => {
                            self.left = Some(lines.get_ref().ahead());
                            continue;
                        }
                        Either::Second(taken) => taken,
                    }
                }
                Some((from, left)) => {
                    if self.has_come(from, left) {
                        return Some(ConsumerEnd::Stopped);
                    }
                    self.lines().try_take()
                }
            };
            match taken {
                Ok(()) if self.lines().ended().is_some() => {}
                Ok(()) => return None,
                // What is behind it is here.
                Err(gap @ LineError::Gap(_)) => {
                    self.gap = Some(gap);
                    return None;
                }
                Err(LineError::Empty) => return Some(ConsumerEnd::Stopped),
                // Nobody waits for it any more. It goes on, and counts what it misses.
                Err(LineError::HoldTaken) => {
                    self.lines = self.lines.take().map(|lines| lines.of(AnyReader::into_weak));
                }
                Err(error) => return Some(ConsumerEnd::Failed(Failure::new(error))),
            }
        }
    }

    /// Whether it has come so far from a place, or is to go no further.
    fn has_come(&mut self, from: u64, distance: u64) -> bool {
        // Relaxed: the channel by which it is told orders it.
        let is_aborted = self.is_aborted.load(Ordering::Relaxed);
        let (position, _) = self.lines().get_ref().ahead();
        is_aborted || position.wrapping_sub(from) >= distance
    }
}
