//! What is shown of the command, line by line.

use overfall::Blocking;
use overfall::lines::{Builder, Line, LineError, Lines, Source};
use overfall::process::{Output, Start, Stream};
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Duration;

/// So much is gathered of lines that come at once.
const BATCH: usize = 64 * 1024;

/// Shows the lines of an output, from the first one to its end. It writes to where others write, too, and may be
/// blocked by that: give it a thread of its own.
pub(crate) struct View<R> {
    lines: Blocking<Lines<R>>,
    shown: Shown,
}

impl View<overfall::StrongReader> {
    pub(crate) fn new(output: &Output) -> io::Result<Self> {
        let reader = output.strong_reader(Start::Oldest)?;
        reader.set_name("view");
        let shown = Shown {
            output: output.clone(),
            batch: Vec::new(),
            of_stderr: false,
            is_red: io::stderr().is_terminal(),
        };
        // A bar of progress is shown as it grows.
        let lines = Builder::new().carriage_returns().lines(reader).blocking();
        Ok(Self { lines, shown })
    }

    /// Shows everything.
    ///
    /// When the command has ended, and this is held up for long, it is waited for no more. It goes on, and tells
    /// what it misses.
    pub(crate) fn run(mut self) -> io::Result<()> {
        match self.show() {
            Err(Stop::HoldTaken) => {
                let lines = self.lines.into_inner().into_weak().blocking();
                View { lines, shown: self.shown }.show().map_err(Stop::into_error)
            }
            shown => shown.map_err(Stop::into_error),
        }
    }
}

/// Why no more is shown.
enum Stop {
    HoldTaken,
    Failed(io::Error),
}

impl Stop {
    fn into_error(self) -> io::Error {
        match self {
            Self::HoldTaken => LineError::HoldTaken.into(),
            Self::Failed(error) => error,
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl<R: Source> View<R> {
    fn show(&mut self) -> Result<(), Stop> {
        loop {
            let line = match self.lines.get_mut().try_next_line() {
                Err(LineError::Empty) => {
                    self.shown.flush()?;
                    self.lines.next_line()
                }
                line => line,
            };
            match line {
                Ok(Some(line)) => self.shown.add(&line)?,
                Ok(None) => return Ok(self.shown.flush()?),
                Err(LineError::Gap(gap)) => {
                    self.shown.flush()?;
                    eprintln!("run: {} bytes and {} of a line are not shown", gap.missed, gap.torn);
                }
                Err(error) => {
                    self.shown.flush()?;
                    return Err(match error {
                        LineError::HoldTaken => Stop::HoldTaken,
                        error => Stop::Failed(error.into()),
                    });
                }
            }
        }
    }
}

/// Writes lines to where they belong, each batch at once, so that others' lines come between ours only.
struct Shown {
    output: Output,
    batch: Vec<u8>,
    of_stderr: bool,
    is_red: bool,
}

impl Shown {
    fn add(&mut self, line: &Line<'_>) -> io::Result<()> {
        let of_stderr = self.output.stream_of(line.writer()) == Some(Stream::Stderr);
        if of_stderr != self.of_stderr || self.batch.len() >= BATCH {
            self.flush()?;
            self.of_stderr = of_stderr;
        }
        let is_red = of_stderr && self.is_red;
        self.batch.extend_from_slice(if is_red { b"\x1b[31m" } else { b"" });
        self.batch.extend_from_slice(line);
        self.batch.extend_from_slice(if is_red { b"\x1b[0m" } else { b"" });
        self.batch.extend_from_slice(line.terminator());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.of_stderr {
            write_all(io::stderr().lock(), &self.batch)?;
        } else {
            write_all(io::stdout().lock(), &self.batch)?;
        }
        self.batch.clear();
        Ok(())
    }
}

/// Who started this may have made its outputs ones that do not block, for all who share them. That is no failure.
fn write_all(mut sink: impl Write, mut bytes: &[u8]) -> io::Result<()> {
    loop {
        let result = if bytes.is_empty() { sink.flush().map(|()| 0) } else { sink.write(bytes) };
        match result {
            Ok(_) if bytes.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
