//! Whole lines, from writers that write them in pieces.

use super::Blocking;
use crate::channel::endpoint::Writes;
use std::fmt;
use std::io::{self, Write};
use std::{mem, thread};

/// Gathers what is written, and passes it on in whole lines: a line is one slice, so no other writer
/// comes between its parts.
///
/// Put it in front of a writer whose lines are written in pieces, as `writeln!` does it. Where a
/// `write` brings several lines, as many of them as fit make a slice. A line that is longer than the
/// [longest slice](crate::Channel::max_slice) becomes several, the pieces of one write: a
/// [`Joiner`](crate::Joiner) puts them together. With
/// [`Backpressure::Drop`](crate::Backpressure::Drop) it is dropped whole.
///
/// std's [`LineWriter`](io::LineWriter) tears a line that is longer than its buffer. It also passes
/// on all lines of a `write` as one, wherever the slices end.
///
/// # A line without an end
///
/// What comes after the last line break is kept, in memory, until the line ends. `flush` passes it on
/// as it is. The rest of that line is another slice then. So does dropping this: it flushes, waits for
/// room if need be, and ignores errors. It does not while the thread panics: half a line, of a
/// `writeln!` that panicked, would come before a line of somebody else.
///
/// # Example
///
/// ```
/// use overfall::{Channel, LineWriter};
/// use std::io::{BufRead, Write};
/// use std::thread;
///
/// let channel = Channel::new(64 * 1024);
/// let reader = channel.new_strong_reader().blocking();
/// let threads: Vec<_> = (0..3)
///     .map(|id| {
///         let mut lines = LineWriter::new(channel.new_writer().blocking());
///         thread::spawn(move || (0..100).try_for_each(|n| writeln!(lines, "writer {id}, line {n}")))
///     })
///     .collect();
/// drop(channel);
/// for line in reader.lines() {
///     assert_eq!(line?.matches("writer").count(), 1);
/// }
/// # threads.into_iter().try_for_each(|thread| thread.join().unwrap())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LineWriter<W: Writes> {
    writer: Blocking<W>,
    /// The line that has no end yet.
    line: Vec<u8>,
}

impl<W: Writes> LineWriter<W> {
    /// One in front of `writer`.
    pub fn new(writer: Blocking<W>) -> Self {
        Self { writer, line: Vec::new() }
    }

    /// The writer behind.
    pub fn get_ref(&self) -> &Blocking<W> {
        &self.writer
    }

    /// The writer behind. What is written to it comes before the line that has no end yet.
    pub fn get_mut(&mut self) -> &mut Blocking<W> {
        &mut self.writer
    }

    /// Passes on the line that was begun.
    fn write_line(&mut self) -> io::Result<()> {
        // Taken first: after an error or a panic half-way it is not written once more.
        let mut line = mem::take(&mut self.line);
        self.writer.write_all(&line)?;
        line.clear();
        self.line = line;
        Ok(())
    }
}

/// How many of `bytes` come up to the last line break in there, and with it.
fn whole_lines(bytes: &[u8]) -> Option<usize> {
    Some(bytes.iter().rposition(|&byte| byte == b'\n')? + 1)
}

/// How many of `bytes` come up to the first line break.
fn first_line(bytes: &[u8]) -> Option<usize> {
    Some(bytes.iter().position(|&byte| byte == b'\n')? + 1)
}

impl<W: Writes> Write for LineWriter<W> {
    /// Takes all of `bytes`, and waits until there is room for the lines in there.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (mut lines, begun) = bytes.split_at(whole_lines(bytes).unwrap_or(0));
        if !self.line.is_empty() {
            let (end, more) = lines.split_at(first_line(lines).unwrap_or(0));
            if !end.is_empty() {
                self.line.extend_from_slice(end);
                self.write_line()?;
                lines = more;
            }
        }
        let max = self.writer.get_mut().writer_core().max_slice() as usize;
        while let Some(first) = first_line(lines) {
            let most = &lines[..lines.len().min(max)];
            let (whole, more) = lines.split_at(whole_lines(most).unwrap_or(first));
            self.writer.write_all(whole)?;
            lines = more;
        }
        self.line.extend_from_slice(begun);
        Ok(bytes.len())
    }

    /// Passes on the line that has no end yet.
    fn flush(&mut self) -> io::Result<()> {
        if self.line.is_empty() { Ok(()) } else { self.write_line() }
    }
}

impl<W: Writes> Drop for LineWriter<W> {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _nobody_to_tell = self.flush();
        }
    }
}

impl<W: Writes + fmt::Debug> fmt::Debug for LineWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writer, line } = self;
        f.debug_struct("LineWriter").field("writer", writer).field("begun", &line.len()).finish()
    }
}
