//! Waiting for a line of an output: that a server is ready, that a program asks for something.

use super::driver::{self, Either, first};
use super::job::Job;
use super::leader::Leader;
use super::output::{Output, Start};
use super::status::Status;
use crate::channel::reader::WeakReader;
use crate::error::Failure;
use crate::error::second_consumer::SecondConsumer;
use crate::lines::{Builder, Line, LineError, Lines, OwnedLine};
use std::future::pending;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Waits for lines of an output, one after another. Made by [`Output::line_watch`].
///
/// It begins at the oldest byte that the ring has, and takes nothing from other consumers; nobody waits for it.
/// Each wait goes on behind the line where the last one stopped.
///
/// A server that says twice that it is ready, as the first start is for the setup alone:
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::Command;
/// use std::time::Duration;
///
/// let mut server = Command::new("sh");
/// server.args(["-c", "echo ready; echo restarting; echo ready; sleep 100"]);
/// let server = server.spawn()?;
/// let mut watch = server.stdout().unwrap().line_watch()?;
/// let limit = Duration::from_secs(30);
/// watch.wait_for(limit, |line| &**line == b"restarting").await?;
/// let ready = watch.wait_for(limit, |line| &**line == b"ready").await?;
/// assert_eq!((&*ready.line.text(), ready.gone), ("ready", 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct LineWatch {
    output: Output,
    lines: Lines<WeakReader>,
    leader: Weak<Leader>,
    unfinished: bool,
}

/// A line that was waited for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Ready {
    /// The line. If it [ends](OwnedLine::end) by [`Quiet`](crate::lines::End::Quiet), it is not complete yet.
    pub line: OwnedLine,
    /// How many bytes of the output the watch could not look at: they had been overwritten.
    pub gone: u64,
}

/// A line that was waited for did not come.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "no line of {output} was the right one: {why}, and {gone} bytes were gone before they could be looked at"
)]
#[non_exhaustive]
pub struct NotReady {
    /// The name of the output.
    pub output: Arc<str>,
    /// Why there is nothing to wait for.
    pub why: NoLine,
    /// How many bytes of the output the watch could not look at: they had been overwritten. The line may have
    /// been among them: begin to wait earlier, or use a larger [ring](super::Capture::ring).
    pub gone: u64,
}

/// Why a line did not come.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoLine {
    /// The output has ended.
    #[error("the output has ended{}", .status.map(|status| format!(", and the child too: {status}")).unwrap_or_default())]
    Ended {
        /// How the child has ended, if it has by now, and was not dropped.
        status: Option<Status>,
    },
    /// The child has exited. Somebody else, whom it started, has its output open still, and another wait may find
    /// a line of theirs. All that had been written before the exit was looked at.
    #[error("the child has ended, {0}")]
    Exited(Status),
    /// The output could not be read.
    #[error("{0}")]
    Failed(Failure),
    /// The time was up. All that had been written by then was looked at.
    #[error("the time was up")]
    TimedOut,
    /// The output may have [only one consumer](super::Capture::only_one_consumer), and has it.
    #[error("{0}")]
    Refused(SecondConsumer),
    /// The system gives no timer.
    #[error("there is no timer: {0}")]
    NoTimer(Failure),
}

impl From<NotReady> for io::Error {
    /// `TimedOut` for that, `UnexpectedEof` for `Ended` and `Exited`, else `Other`.
    fn from(error: NotReady) -> Self {
        let kind = match &error.why {
            NoLine::TimedOut => io::ErrorKind::TimedOut,
            NoLine::Ended { .. } | NoLine::Exited(_) => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl Output {
    /// Waits for a line for which `is_it` is true, from the oldest one on that the ring has, for at most `timeout`.
    /// The longest duration is for ever, and zero looks once. Other consumers get all lines as before.
    ///
    /// To wait for several lines, or for one that has no end, use [`line_watch`](Self::line_watch).
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use overfall::process::{Command, NoLine};
    /// use std::time::Duration;
    ///
    /// let child = Command::new("sh").args(["-c", "echo no; exit 3"]).spawn()?;
    /// let output = child.stdout().unwrap();
    /// let error = output.wait_for_line(Duration::MAX, |line| &**line == b"ready").await.unwrap_err();
    /// assert!(matches!(error.why, NoLine::Ended { .. } | NoLine::Exited(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotReady`] says why the line did not come, and how many bytes were gone before.
    pub async fn wait_for_line(
        &self,
        timeout: Duration,
        is_it: impl FnMut(&Line<'_>) -> bool,
    ) -> Result<Ready, NotReady> {
        match self.line_watch() {
            Ok(mut watch) => watch.wait_for(timeout, is_it).await,
            Err(error) => {
                let why = NoLine::Refused(error);
                Err(NotReady { output: self.shared_name(), why, gone: 0 })
            }
        }
    }

    /// A watch that waits for lines, one after another, from the oldest one on that the ring has.
    ///
    /// # Errors
    ///
    /// If there is a consumer, and may be [only one](super::Capture::only_one_consumer).
    pub fn line_watch(&self) -> Result<LineWatch, SecondConsumer> {
        let reader = self.weak_reader(Start::Oldest)?;
        reader.set_name("line watch");
        let lines = Builder::new().lines(reader);
        Ok(LineWatch { output: self.clone(), lines, leader: self.leader(), unfinished: false })
    }
}

impl LineWatch {
    /// Looks at lines without an end, too, as they grow: at a prompt, for instance. A line that was chosen so is
    /// not looked at again; what comes of it later is a line of its own.
    pub fn unfinished(mut self) -> Self {
        self.unfinished = true;
        self
    }

    /// Waits for a line for which `is_it` is true, for at most `timeout`. The longest duration is for ever, and zero
    /// looks once.
    ///
    /// # Errors
    ///
    /// [`NotReady`] says why the line did not come, and how many bytes were gone before.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, the lines that it has looked at are not looked at again.
    pub async fn wait_for(
        &mut self,
        timeout: Duration,
        is_it: impl FnMut(&Line<'_>) -> bool,
    ) -> Result<Ready, NotReady> {
        self.wait_for_nth(1, timeout, is_it).await
    }

    /// As [`wait_for`](Self::wait_for), for the `n`th such line from here on. With 0 that is the first one, too.
    ///
    /// # Errors
    ///
    /// As for [`wait_for`](Self::wait_for).
    ///
    /// # Cancel safety
    ///
    /// As for [`wait_for`](Self::wait_for).
    pub async fn wait_for_nth(
        &mut self,
        n: usize,
        timeout: Duration,
        is_it: impl FnMut(&Line<'_>) -> bool,
    ) -> Result<Ready, NotReady> {
        match self.find(timeout, &mut Wanted { before: n.saturating_sub(1), is_it }).await {
            Ok(line) => Ok(Ready { line, gone: self.gone() }),
            Err(why) => Err(NotReady { output: self.output.shared_name(), why, gone: self.gone() }),
        }
    }

    fn gone(&self) -> u64 {
        self.lines.get_ref().missed().bytes
    }

    async fn find(
        &mut self,
        timeout: Duration,
        wanted: &mut Wanted<impl FnMut(&Line<'_>) -> bool>,
    ) -> Result<OwnedLine, NoLine> {
        let timer = Instant::now().checked_add(timeout).map(driver::sleep_until).transpose();
        let timer = timer.map_err(|error| NoLine::NoTimer(Failure::new(error)))?;
        let timer = async {
            match timer {
                _ if timeout.is_zero() => {}
                Some(timer) => timer.await,
                None => pending().await,
            }
        };
        let leader = self.leader.upgrade();
        let exit = async {
            match &leader {
                // Whoever waits is woken by tokio, not by the one who looks after children.
                Some(leader) => {
                    let leader = leader.clone();
                    Job::start(async move { leader.exited().await.status }).await
                }
                None => pending().await,
            }
        };
        let why = match first(self.search(wanted), first(exit, timer)).await {
            Either::First(found) => return found,
            Either::Second(Either::First(status)) => NoLine::Exited(status),
            Either::Second(Either::Second(())) => NoLine::TimedOut,
        };
        // What was written before that is in the pipe, or in the ring.
        self.output.ended(Duration::ZERO, Duration::ZERO).await;
        self.search_what_is_there(wanted).unwrap_or(Err(why))
    }

    /// Looks at all lines that come.
    async fn search(
        &mut self,
        wanted: &mut Wanted<impl FnMut(&Line<'_>) -> bool>,
    ) -> Result<OwnedLine, NoLine> {
        loop {
            if let Some(found) = self.search_taken(wanted) {
                return found;
            }
            // A gap is counted by the reader, and an end is found when it is looked for.
            let _gap = self.lines.take().await;
        }
    }

    /// Looks at the lines that are there by now; `None`, if it is none of them.
    fn search_what_is_there(
        &mut self,
        wanted: &mut Wanted<impl FnMut(&Line<'_>) -> bool>,
    ) -> Option<Result<OwnedLine, NoLine>> {
        let stats = self.lines.get_ref().stats();
        let mut left = stats.lag;
        let mut position = stats.position;
        loop {
            if let Some(found) = self.search_taken(wanted) {
                return Some(found);
            }
            if self.lines.try_take() == Err(LineError::Empty) {
                return None;
            }
            // What comes meanwhile is not waited for.
            let now = self.lines.get_ref().stats().position;
            let passed = now.wrapping_sub(position);
            if passed > left {
                return None;
            }
            (left, position) = (left - passed, now);
        }
    }

    /// Looks at what was taken from the reader.
    fn search_taken(
        &mut self,
        wanted: &mut Wanted<impl FnMut(&Line<'_>) -> bool>,
    ) -> Option<Result<OwnedLine, NoLine>> {
        loop {
            match self.lines.next_taken_line() {
                Ok(Some(line)) => {
                    if (wanted.is_it)(&line) && wanted.is_last() {
                        return Some(Ok(line.to_owned()));
                    }
                }
                Ok(None) => {
                    let status = self.leader.upgrade().and_then(|leader| leader.look());
                    let status = status.map(|exit| exit.status);
                    return Some(Err(NoLine::Ended { status }));
                }
                Err(LineError::Empty) => break,
                Err(LineError::Failed(failure)) => return Some(Err(NoLine::Failed(failure))),
                Err(error) if error == LineError::Terminated => {
                    return Some(Err(NoLine::Failed(Failure::new(error))));
                }
                Err(_a_gap) => {}
            }
        }
        while self.unfinished {
            let mut unfinished = self.lines.unfinished_texts();
            let is_it =
                |&(writer, text): &(u32, &[u8])| (wanted.is_it)(&Line::unfinished(writer, text));
            let (writer, _) = unfinished.find(is_it)?;
            drop(unfinished);
            let line = self.lines.take_unfinished(writer).ok()??.to_owned();
            if wanted.is_last() {
                return Some(Ok(line));
            }
        }
        None
    }
}

/// Lines that are waited for.
struct Wanted<P> {
    is_it: P,
    /// So many come before the one that is.
    before: usize,
}

impl<P> Wanted<P> {
    /// One has come: whether it is the last.
    fn is_last(&mut self) -> bool {
        let is_last = self.before == 0;
        self.before = self.before.saturating_sub(1);
        is_last
    }
}
