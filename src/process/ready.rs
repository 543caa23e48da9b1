//! Waiting for a line of an output: that a server is ready, that a program asks for something.

use super::any_reader::AnyReader;
use super::command::REST;
use super::driver::{self, Either, first};
use super::job::Job;
use super::output::{OfChild, Output, Start};
use super::status::Status;
use crate::error::Failure;
use crate::error::second_consumer::SecondConsumer;
use crate::lines::{Builder, Feed, Line, LineError, Lines, OwnedLine};
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Waits for lines of an output, one after another. Made by [`Output::line_watch`].
///
/// It takes nothing from other consumers. Each wait goes on behind the line where the last one stopped.
///
/// | made by | it begins | the child |
/// |---|---|---|
/// | [`line_watch`](Output::line_watch), [`wait_for_line`](Output::wait_for_line) | at the oldest byte that the ring has | does not wait for it |
/// | [`line_watch_of`](Output::line_watch_of) a strong reader | where that stands | waits for it, also between two waits |
/// | the same of a reader of the [spool](Output::spool) | at the first byte | does not wait for it |
///
/// The first is chosen if nothing is said, as a watch that lies there between two waits is to hold nobody up. What it
/// could not look at is [told](NotReady::gone).
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
/// watch.wait_for(limit, |line| *line == "restarting").await?;
/// let ready = watch.wait_for(limit, |line| *line == "ready").await?;
/// assert_eq!((&*ready.line.text(), ready.gone), ("ready", 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct LineWatch {
    output: Output,
    /// Nothing only while it is changed.
    lines: Option<Lines<AnyReader>>,
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
#[error("no line of {output} was the right one: {why}{}", tell_gone(*.gone))]
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
        /// How the child has ended, if it has by now.
        status: Option<Status>,
    },
    /// The child has exited. Somebody else, whom it started, has its output open still, and another wait may find
    /// a line of theirs. All that had been written before the exit was looked at, unless a strong consumer that
    /// stood still left no room for it, until the time was up, or 3 s more than that [to
    /// drain](super::Command::drain) had passed since.
    #[error("the child has ended, {0}")]
    Exited(Status),
    /// The output could not be read.
    #[error("{0}")]
    Failed(Failure),
    /// The time was up. All that had been written by then was looked at, as far as there was room for it.
    #[error("the time was up")]
    TimedOut,
    /// The output may have [only one consumer](super::Capture::only_one_consumer), and has it.
    #[error("{0}")]
    Refused(SecondConsumer),
    /// The system gives no timer.
    #[error("there is no timer: {0}")]
    NoTimer(Failure),
}

fn tell_gone(bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        _ => format!(", and {bytes} bytes were gone before they could be looked at"),
    }
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
    /// It holds nobody up, and has nobody else let go: a strong consumer that stands still has the child wait, and
    /// this, too. The child's exit ends it all the same, 3 s after the time [to drain](super::Command::drain) is up.
    ///
    /// To wait for several lines, or for one that has no end, use [`line_watch`](Self::line_watch); to have the
    /// child wait meanwhile, or to look at all that was ever written, [`line_watch_of`](Self::line_watch_of).
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use overfall::process::{Command, NoLine};
    /// use std::time::Duration;
    ///
    /// let child = Command::new("sh").args(["-c", "echo no; exit 3"]).spawn()?;
    /// let output = child.stdout().unwrap();
    /// let error = output.wait_for_line(Duration::MAX, |line| *line == "ready").await.unwrap_err();
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
        Ok(self.line_watch_of(self.weak_reader(Start::Oldest)?))
    }

    /// A watch that waits for lines of this reader of the output, from where it stands.
    ///
    /// Of a strong one no line can be gone; but the child waits for the watch, too: drop it in time. Of a
    /// reader of the [spool](Self::spool), everything is looked at, however late it comes:
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// use overfall::process::{Capture, Command};
    /// use overfall::spool::Spool;
    /// use std::time::Duration;
    ///
    /// let mut command = Command::new("seq");
    /// command.arg("100000").stdout(Capture::ring(4096).with_spool(Spool::builder()));
    /// let child = command.spawn()?;
    /// child.wait().await;
    /// let output = child.stdout().unwrap();
    /// // The ring has the last 4 KiB by now.
    /// assert!(output.wait_for_line(Duration::MAX, |line| *line == "42").await.is_err());
    /// let mut watch = output.line_watch_of(output.spool().unwrap().reader()?);
    /// let ready = watch.wait_for(Duration::MAX, |line| *line == "42").await?;
    /// assert_eq!(ready.gone, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn line_watch_of(&self, reader: impl Into<AnyReader>) -> LineWatch {
        let reader = reader.into();
        reader.set_name("line watch");
        let lines = Some(Builder::new().lines(reader));
        LineWatch { output: self.clone(), lines, unfinished: false }
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

    fn lines(&mut self) -> &mut Lines<AnyReader> {
        let Some(lines) = &mut self.lines else { unreachable!("it is there but for a moment") };
        lines
    }

    fn gone(&mut self) -> u64 {
        self.lines().gone()
    }

    async fn find(
        &mut self,
        timeout: Duration,
        wanted: &mut Wanted<impl FnMut(&Line<'_>) -> bool>,
    ) -> Result<OwnedLine, NoLine> {
        let output = self.output.clone();
        let timer = at(Instant::now().checked_add(timeout))?;
        let timer = async {
            match timeout {
                Duration::ZERO => {}
                _ => timer.await,
            }
        };
        let mut timer = pin!(timer);
        let exit = async {
            match output.child() {
                // Whoever waits is woken by tokio, not by the one who looks after children.
                Some(OfChild { exit, limits }) => {
                    let exit = exit.clone();
                    (Job::start(async move { exit.known().await }).await, limits.at_most)
                }
                None => pending().await,
            }
        };
        let (exit, at_most) = match first(self.search(wanted), first(exit, timer.as_mut())).await {
            Either::First(found) => return found,
            Either::Second(Either::First(exited)) => exited,
            Either::Second(Either::Second(())) => {
                output.look(false).await;
                return self.search_what_is_there(wanted).unwrap_or(Err(NoLine::TimedOut));
            }
        };
        // What was written before the exit is in the pipe, or in the ring. It takes as long as other consumers, and
        // the disk of a spool, take with it, and they may take as long as `wait` lets them.
        let limit = at(exit.at.checked_add(at_most.saturating_add(REST)))?;
        let is_up = first(timer, limit);
        if let Either::First(Some(found)) = first(self.search_what_was_written(wanted), is_up).await
        {
            return found;
        }
        self.search_what_is_there(wanted).unwrap_or(Err(NoLine::Exited(exit.status)))
    }

    /// Looks at all that was written by now, also at what comes to the reader later.
    async fn search_what_was_written(
        &mut self,
        wanted: &mut Wanted<impl FnMut(&Line<'_>) -> bool>,
    ) -> Option<Result<OwnedLine, NoLine>> {
        let output = self.output.clone();
        if let Either::First(found) = first(self.search(wanted), output.look(true)).await {
            return Some(found);
        }
        let sent = output.stats().payload_bytes;
        while self.lines().get_ref().lags_behind(sent) {
            if let Some(found) = self.search_more(wanted).await {
                return Some(found);
            }
        }
        None
    }

    /// Looks at all lines that come.
    async fn search(
        &mut self,
        wanted: &mut Wanted<impl FnMut(&Line<'_>) -> bool>,
    ) -> Result<OwnedLine, NoLine> {
        loop {
            if let Some(found) = self.search_more(wanted).await {
                return found;
            }
        }
    }

    /// Looks at what was taken, and takes more when none of it is one.
    async fn search_more(
        &mut self,
        wanted: &mut Wanted<impl FnMut(&Line<'_>) -> bool>,
    ) -> Option<Result<OwnedLine, NoLine>> {
        if let Some(found) = self.search_taken(wanted) {
            return Some(found);
        }
        let taken = self.lines().take().await;
        self.has_failed(taken)
    }

    /// Whether there is nothing more to take.
    fn has_failed(&mut self, taken: Result<(), LineError>) -> Option<Result<OwnedLine, NoLine>> {
        match taken {
            // A gap is counted by the reader, and an end is found when it is looked for.
            Ok(()) | Err(LineError::Gap(_) | LineError::Empty) => None,
            // Nobody waits for it any more. It goes on, and counts what it misses.
            Err(LineError::HoldTaken) => {
                self.lines = self.lines.take().map(|lines| lines.of(AnyReader::into_weak));
                None
            }
            Err(error) => Some(Err(NoLine::Failed(Failure::new(error)))),
        }
    }

    /// Looks at the lines that are there by now; `None`, if it is none of them.
    fn search_what_is_there(
        &mut self,
        wanted: &mut Wanted<impl FnMut(&Line<'_>) -> bool>,
    ) -> Option<Result<OwnedLine, NoLine>> {
        let (mut position, mut left) = self.lines().get_ref().ahead();
        loop {
            if let Some(found) = self.search_taken(wanted) {
                return Some(found);
            }
            let taken = self.lines().try_take();
            if taken == Err(LineError::Empty) {
                return None;
            }
            if let Some(failed) = self.has_failed(taken) {
                return Some(failed);
            }
            // What comes meanwhile is not waited for.
            let (now, _) = self.lines().get_ref().ahead();
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
            match self.lines().next_taken_line() {
                Ok(Some(line)) => {
                    if (wanted.is_it)(&line) && wanted.is_last() {
                        return Some(Ok(line.to_owned()));
                    }
                }
                Ok(None) => {
                    let exit = self.output.child().and_then(|child| child.exit.get());
                    return Some(Err(NoLine::Ended { status: exit.map(|exit| exit.status) }));
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
            let mut unfinished = self.lines().unfinished_texts();
            let is_it = |&(writer, text): &(u32, &[u8])| {
                Line::show_unfinished(writer, text, &mut wanted.is_it)
            };
            let (writer, _) = unfinished.find(is_it)?;
            drop(unfinished);
            let line = self.lines().take_unfinished(writer).ok()??.to_owned();
            if wanted.is_last() {
                return Some(Ok(line));
            }
        }
        None
    }
}

/// Ready at `deadline`; never, if there is none.
fn at(deadline: Option<Instant>) -> Result<impl Future<Output = ()>, NoLine> {
    let sleep = deadline.map(|deadline| driver::sleep_until(deadline.into())).transpose();
    let sleep = sleep.map_err(|error| NoLine::NoTimer(Failure::new(error)))?;
    Ok(async {
        match sleep {
            Some(sleep) => sleep.await,
            None => pending().await,
        }
    })
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
