//! Calls a function with each line.

use super::any_reader::AnyReader;
use super::consumer::{Consumer, ConsumerEnd, Intake};
use crate::lines::{Builder, Line, LineError};
use std::fmt;
use std::io;
use std::ops::ControlFlow;

/// Calls a function with each line that a reader gives, on a thread of its own, which it may block.
///
/// What is no line comes in its place, as an error: a [gap](LineError::Gap), and with
/// [`utf8`](Builder::utf8) a line that is none. Behind either the next line comes. The function ends the consumer by
/// [`Break`](ControlFlow::Break). If it panics, the reader goes, and who waits for the result gets the panic.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::{Command, EachLine, Start};
/// use std::ops::ControlFlow::Continue;
///
/// let child = Command::new("sh").args(["-c", "echo one; echo two"]).spawn()?;
/// let (sender, lines) = std::sync::mpsc::channel();
/// let view = EachLine::new(move |line| {
///     if let Ok(line) = line {
///         let _nobody_may_listen = sender.send(line.text().into_owned());
///     }
///     Continue(())
/// });
/// let view = view.of(child.stdout().unwrap().strong_reader(Start::Oldest)?)?;
/// child.wait().await;
/// assert_eq!((view.wait().await.lines, lines.iter().collect::<String>()), (2, "onetwo".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "it reads nothing by itself"]
pub struct EachLine<F> {
    cut: Builder,
    call: F,
}

/// What became of a [`Consumer`] of [`EachLine`].
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct LinesSeen {
    /// How many lines, or pieces of longer ones, the function was given.
    pub lines: u64,
    /// How many bytes the reader missed.
    pub missed: u64,
    /// How many bytes of lines were dropped that were torn by what was missed.
    pub torn: u64,
    /// How it ended.
    pub end: ConsumerEnd,
}

impl<F> EachLine<F>
where
    F: FnMut(Result<Line<'_>, LineError>) -> ControlFlow<()> + Send + 'static,
{
    /// Calls this function.
    pub fn new(call: F) -> Self {
        Self { cut: Builder::new(), call }
    }

    /// How lines are [cut](Builder).
    pub fn cut(mut self, cut: Builder) -> Self {
        self.cut = cut;
        self
    }

    /// Starts it with the lines of this reader.
    ///
    /// A consumer that is [stopped](Consumer::stop) gives what has come of a line without an end, too.
    ///
    /// # Errors
    ///
    /// If the system has no thread for it.
    pub fn of(self, reader: impl Into<AnyReader>) -> io::Result<Consumer<LinesSeen>> {
        let Self { cut, call } = self;
        Consumer::on_thread(reader.into(), cut, move |intake| give_each(intake, call))
    }
}

async fn give_each<F>(mut intake: Intake, mut call: F) -> LinesSeen
where
    F: FnMut(Result<Line<'_>, LineError>) -> ControlFlow<()>,
{
    let mut count = 0;
    let mut give = |line: Result<Line<'_>, LineError>| {
        count += u64::from(line.is_ok());
        call(line)
    };
    let end = 'all: loop {
        let end = intake.more().await;
        let gap = intake.take_gap();
        if gap.is_some_and(|gap| give(Err(gap)).is_break()) {
            break ConsumerEnd::Stopped;
        }
        loop {
            let flow = match intake.lines().next_taken_line() {
                Ok(Some(line)) => give(Ok(line)),
                Err(error @ (LineError::Gap(_) | LineError::NotUtf8(_))) => give(Err(error)),
                _ => break,
            };
            if flow.is_break() {
                break 'all ConsumerEnd::Stopped;
            }
        }
        let Some(end) = end else { continue };
        // A line that was begun is one, if it was stopped in the middle of it.
        while let Ok(Some(line)) = intake.lines().try_unfinished() {
            if give(Ok(line)).is_break() {
                break;
            }
        }
        break end;
    };
    let (missed, torn) = (intake.missed(), intake.lines().dropped());
    // The reader goes before anybody is told the result.
    drop(intake);
    LinesSeen { lines: count, missed, torn, end }
}

impl<F> fmt::Debug for EachLine<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EachLine").field("cut", &self.cut).finish_non_exhaustive()
    }
}
