//! What comes out of a child, kept in a ring that any number of consumers read.

#[cfg(unix)]
mod outside;
#[cfg(all(test, unix))]
mod tests;

use super::capture::Ring;
use super::command::Drain as Limits;
use super::drain::{Drain, End, Order, Progress};
use super::driver::Either::First;
use super::driver::{self, first};
use super::spooling::Spooling;
use super::status::KnownExit;
use super::system::Descriptor;
use crate::channel::reader::only::{name_of, unless_second};
use crate::channel::reader::{Read, StrongReader, WeakReader};
use crate::channel::stats::ChannelStats;
use crate::channel::{AfterLast, Channel, StartAt};
use crate::error::Failure;
use crate::error::second_consumer::SecondConsumer;
use crate::spool::Spool;
use crate::sync::{Mutex, OnceLock, lock};
use std::fmt;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// One output of a child: its stdout, its stderr, or both in one ring. Clones are of the same output.
///
/// Its consumers are readers, any number of them, and they come when they like:
///
/// - a [strong reader](Self::strong_reader) gets everything, and the child waits for it;
/// - a [weak reader](Self::weak_reader) is not waited for, and is told its gaps;
/// - a reader of the [spool](Self::spool) gets everything from the first byte on, however late it comes, if the
///   output is [kept in one](super::Capture::with_spool).
///
/// With no strong reader the child never waits, and the oldest bytes go. A reader that is dropped holds nobody
/// up.
///
/// The pipes are read on a thread of ours, `overfall-process`, whatever the runtime of the program does. Wakers
/// of consumers run there. At the end of the pipe, consumers read what is there, and come to the end; after an
/// error of a read they get that, as [`Failed`](crate::error::ReadError::Failed), also those that come later.
///
/// ```
/// use overfall::process::{Command, Start};
/// use std::io::{BufRead, Read};
///
/// let mut command = Command::new("sh");
/// command.args(["-c", "echo one; echo two"]);
/// let child = command.spawn()?;
/// let output = child.stdout().unwrap();
///
/// let mut log = output.strong_reader(Start::Oldest)?.blocking();
/// let mut all = String::new();
/// log.read_to_string(&mut all)?;
/// assert_eq!(all, "one\ntwo\n");
///
/// // One that comes after the end gets what is kept, or the last bytes of it.
/// let mut late = output.strong_reader(Start::Last(4))?.blocking();
/// let mut line = String::new();
/// late.read_line(&mut line)?;
/// assert_eq!(line, "two\n");
/// # futures::executor::block_on(child.wait());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Output {
    inner: Arc<Inner>,
}

struct Inner {
    channel: Arc<Channel>,
    name: Arc<str>,
    /// It was there before the first byte, and reads nothing: who starts beside it has missed what it has.
    /// Nothing once the output is sealed.
    history: Mutex<Option<WeakReader>>,
    spool: Option<Spool>,
    /// A drain for each pipe.
    drains: Vec<(Arc<Progress>, mpsc::UnboundedSender<Order>)>,
    /// The writers of stdout and of stderr, if this is both.
    merged: Vec<u32>,
    child: OnceLock<OfChild>,
}

/// What is to be known of the child whose output it is, for who waits for a line of it.
#[derive(Clone, Debug)]
pub(super) struct OfChild {
    pub(super) exit: Arc<KnownExit>,
    /// How long outputs are waited for after that.
    pub(super) limits: Limits,
}

/// One of the two outputs of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where a consumer starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Start {
    /// At the oldest byte that is kept. What came before it is told to the byte: by
    /// [`missed`](StrongReader::missed) and by the header of the first message, and to a weak reader by its
    /// first read, too.
    #[default]
    Oldest,
    /// At the next byte that comes.
    Now,
    /// At the last so many bytes, exactly; as `Oldest`, if fewer are kept.
    Last(u64),
}

const HISTORY: &str = "overfall-history";

impl Output {
    /// Reads `pipe`, which is ours alone, into a ring until its end. `name` is that of the channel.
    pub(super) fn drain(pipe: Descriptor, capture: &Ring, name: &str) -> io::Result<Self> {
        Self::start([(pipe, None)], capture, name, Arc::default())
    }

    /// Reads both into one ring, in the order in which they become readable, by writers with the names
    /// `stdout` and `stderr`.
    pub(super) fn drain_merged(
        stdout: Descriptor,
        stderr: Descriptor,
        capture: &Ring,
        name: &str,
    ) -> io::Result<Self> {
        let pipes = [(stdout, Some("stdout")), (stderr, Some("stderr"))];
        Self::start(pipes, capture, name, Arc::default())
    }

    fn start<const PIPES: usize>(
        pipes: [(Descriptor, Option<&str>); PIPES],
        capture: &Ring,
        name: &str,
        error: Arc<OnceLock<Failure>>,
    ) -> io::Result<Self> {
        let channel = Channel::builder()
            .size(capture.capacity.max(4096))
            .name(name)
            .after_last_strong_reader(AfterLast::Overwrite)
            .fail_on_panic(false)
            .keep_as_much_as_can_be()
            .build()
            .map_err(io::Error::other)?;
        let history = channel.new_weak_reader();
        history.set_name(HISTORY);
        if capture.only_one_consumer {
            history.allow_one_beside();
        }
        let (spooling, spool) = match &capture.spool {
            Some(builder) => {
                let (spooling, spool) = Spooling::new(builder)?;
                (Some(Arc::new(tokio::sync::Mutex::new(spooling))), Some(spool))
            }
            None => (None, None),
        };
        let runtime = driver::handle()?;
        let _within_it = runtime.enter();
        let end = Arc::new(End::new(channel.clone(), error));
        let (mut drains, mut started) = (Vec::with_capacity(PIPES), Vec::with_capacity(PIPES));
        let mut merged = Vec::new();
        for (pipe, name) in pipes {
            let writer = channel.new_strong_writer();
            if let Some(name) = name {
                writer.set_name(name);
                merged.push(writer.stats().id);
            }
            let progress = Arc::new(Progress::new());
            let (orders, received) = mpsc::unbounded_channel();
            let (spooling, end) = (spooling.clone(), end.clone());
            started.push(Drain::new(pipe, writer, spooling, received, progress.clone(), end)?);
            drains.push((progress, orders));
        }
        // The drains have these to themselves: the last of them ends both. It may be over before the next
        // line here.
        drop((spooling, end));
        started.into_iter().for_each(|drain| drop(runtime.spawn(drain.run())));
        let inner = Inner {
            channel,
            name: name.into(),
            history: Mutex::new(Some(history)),
            spool,
            drains,
            merged,
            child: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// It is that of this child.
    pub(super) fn belongs_to(&self, child: OfChild) {
        let _it_is_the_first = self.inner.child.set(child);
    }

    /// `None` if it came from outside.
    pub(super) fn child(&self) -> Option<&OfChild> {
        self.inner.child.get()
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        self.inner.name.clone()
    }

    /// Its name: that of the child, and `stdout` or `stderr`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Which stream a writer of a merged output stands for, by the number that
    /// [messages](crate::Header::writer) and [lines](crate::lines::Line::writer) tell; nothing where the output
    /// is of one stream.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use overfall::process::{Capture, Command, Start, Stream};
    ///
    /// let mut command = Command::new("sh");
    /// let child = command.args(["-c", "echo oh >&2"]).merged(Capture::default()).spawn()?;
    /// let output = child.output().unwrap();
    /// let mut lines = output.strong_reader(Start::Oldest)?.into_lines();
    /// let line = lines.next_line().await?.unwrap();
    /// assert_eq!(output.stream_of(line.writer()), Some(Stream::Stderr));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn stream_of(&self, writer: u32) -> Option<Stream> {
        let place = self.inner.merged.iter().position(|&merged| merged == writer)?;
        Some(if place == 0 { Stream::Stdout } else { Stream::Stderr })
    }

    /// A new consumer that the child waits for.
    ///
    /// # Errors
    ///
    /// If there is a consumer, and may be [only one](super::Capture::only_one_consumer).
    pub fn strong_reader(&self, start: Start) -> Result<StrongReader, SecondConsumer> {
        self.consumer(|history| match (history, start) {
            (Some(history), Start::Oldest) => history.strong_beside(),
            (Some(history), Start::Last(bytes)) => history.strong_of_last(bytes),
            (None, _) | (_, Start::Now) => self.inner.channel.new_strong_reader_at(StartAt::Now),
        })
    }

    /// A new consumer that the child does not wait for.
    ///
    /// # Errors
    ///
    /// As for [`strong_reader`](Self::strong_reader).
    pub fn weak_reader(&self, start: Start) -> Result<WeakReader, SecondConsumer> {
        self.consumer(|history| match (history, start) {
            (Some(history), Start::Oldest) => history.clone(),
            (Some(history), Start::Last(bytes)) => history.strong_of_last(bytes).into_weak(),
            (None, _) | (_, Start::Now) => self.inner.channel.new_weak_reader_at(StartAt::Now),
        })
    }

    fn consumer<R: Read>(
        &self,
        make: impl FnOnce(Option<&WeakReader>) -> R,
    ) -> Result<R, SecondConsumer> {
        let reader = unless_second(make(lock(&self.inner.history).as_ref()));
        match reader.core().refusal() {
            Some(second) => Err(second.clone()),
            None => Ok(reader),
        }
    }

    /// Everything, if it is [kept](super::Capture::with_spool). Its readers start at the first byte.
    pub fn spool(&self) -> Option<&Spool> {
        self.inner.spool.as_ref()
    }

    /// Lets go of the history: consumers that come from now on start at the next byte, whatever they ask for.
    /// Those that are there lose nothing.
    pub fn seal(&self) {
        let history = lock(&self.inner.history).take();
        drop(history);
    }

    /// Closes the pipes: the child is told by its next write that nobody reads any more, and most are ended by
    /// that (`SIGPIPE`). Consumers read what is there, and come to the end.
    pub fn close(&self) {
        for (_, orders) in &self.inner.drains {
            let _it_may_have_ended = orders.send(Order::Close);
        }
    }

    /// Whether all of it is there: the pipes have come to their end, were closed, or could not be read.
    pub fn has_ended(&self) -> bool {
        self.inner.channel.is_closed()
    }

    /// The error of a read by which it ended.
    pub fn failure(&self) -> Option<Failure> {
        self.inner.channel.failure()
    }

    /// How many bytes have come that the ring does not have any more: what a consumer at [`Start::Oldest`] would
    /// miss. Once it is sealed, all that has come is gone.
    pub fn gone(&self) -> u64 {
        let history = lock(&self.inner.history);
        match &*history {
            Some(history) => history.missed().bytes,
            None => self.inner.channel.stats().payload_bytes,
        }
    }

    /// Its figures: the bytes that have come, and the consumers, by name, with how far each is behind.
    /// [`slowest_reader`](ChannelStats::slowest_reader) is the one that the child waits for, if it waits.
    pub fn stats(&self) -> ChannelStats {
        let mut stats = self.inner.channel.stats();
        let readers = stats.readers.len();
        stats.readers.retain(|reader| reader.name.as_deref() != Some(HISTORY));
        stats.weak_readers -= readers - stats.readers.len();
        stats
    }

    /// Waits until the output has ended, or nothing has come into the ring for `quiet`, or `at_most` is
    /// over. When time is up it looks once more, without waiting. Tells whether the output has ended.
    ///
    /// While the output waits for a consumer of ours, it is not the child that is quiet: that time does not count.
    pub(super) async fn ended(&self, quiet: Duration, at_most: Duration) -> bool {
        let began = Instant::now();
        let end = began.checked_add(at_most);
        loop {
            let drains = || self.inner.drains.iter().map(|(progress, _)| progress);
            let held_up = drains().find_map(|progress| progress.held_up());
            let counts = held_up.is_none() || quiet.is_zero();
            let last = drains().map(|progress| progress.last()).max();
            let quiet = last.unwrap_or(began).max(began).checked_add(quiet).filter(|_| counts);
            let deadline = [quiet, end].into_iter().flatten().min();
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                break;
            }
            let goes_on = async {
                match held_up {
                    Some(goes_on) => goes_on.await,
                    None => pending().await,
                }
            };
            if let First(true) = first(self.ended_until(deadline), goes_on).await {
                return true;
            }
        }
        self.look(false).await;
        self.has_ended()
    }

    /// Waits until what is in the pipes now is in the ring, or has no room there and this does not wait for it.
    pub(super) async fn look(&self, waits: bool) {
        let ask = |(_, orders): &(_, mpsc::UnboundedSender<_>)| {
            let (asker, answer) = oneshot::channel();
            orders.send(Order::Look { asker, waits }).ok().map(|()| answer)
        };
        let answers: Vec<_> = self.inner.drains.iter().filter_map(ask).collect();
        for answer in answers {
            // A drain that is not there to take the order, or does not answer, has ended.
            let _answer = answer.await;
        }
    }

    async fn ended_until(&self, deadline: Option<Instant>) -> bool {
        let closed = self.inner.channel.closed();
        let Some(deadline) = deadline else {
            closed.await;
            return true;
        };
        let Ok(sleep) = driver::sleep_until(deadline) else { return self.has_ended() };
        matches!(first(closed, sleep).await, First(()))
    }

    /// Turns strong consumers that stand still weak, if the output waits for room, and tells their names.
    /// They are told what they miss.
    pub(super) fn take_holds(&self) -> Vec<Arc<str>> {
        if !self.inner.drains.iter().any(|(progress, _)| progress.is_held_up()) {
            return Vec::new();
        }
        let stats = self.stats();
        // A read and its padding are at most a quarter of the ring: who is closer leaves room for them.
        let is_in_the_way = |lag| lag > stats.capacity / 2;
        let readers =
            stats.readers.iter().filter(|reader| reader.strong && is_in_the_way(reader.lag));
        readers
            .filter(|reader| self.inner.channel.take_hold(reader.id).is_some())
            .map(|reader| name_of(reader.id, reader.name.clone()))
            .collect()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("name", &self.name())
            .field("has_ended", &self.has_ended())
            .field("stats", &self.stats())
            .finish()
    }
}
