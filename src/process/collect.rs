//! Keeps what comes, up to a bound, and counts the rest.

use super::any_reader::AnyReader;
use super::consumer::{Consumer, ConsumerEnd, Intake};
use crate::lines::{Builder, LineError, Lines, OwnedLine, floor_character};
use std::collections::VecDeque;
use std::io;

/// Collects what a reader gives: bytes, text, or lines; the first of it or the last, up to a bound, with an exact
/// count of what was left out.
///
/// It runs on the thread of children, whatever the runtime of the program does, and never blocks there. What a
/// spool has is collected on a thread of its own, as it may lie on a disk.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::{Collect, Command, Start};
///
/// let child = Command::new("sh").args(["-c", "for n in 1 2 3 4 5; do echo line $n; done"]).spawn()?;
/// let output = child.stdout().unwrap();
/// let tail = Collect::last(1000).at_most_lines(2).lines_of(output.strong_reader(Start::Oldest)?)?;
/// let all = Collect::first(1000).text_of(output.strong_reader(Start::Oldest)?)?;
/// child.wait().await;
///
/// let tail = tail.wait().await;
/// let lines: Vec<_> = tail.kept.iter().map(|line| line.text()).collect();
/// assert_eq!(lines, ["line 4", "line 5"]);
/// assert_eq!((tail.left_out.lines, tail.left_out.bytes, tail.missed), (3, 21, 0));
/// assert!(all.wait().await.kept.starts_with("line 1\nline 2\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "it collects nothing by itself"]
pub struct Collect {
    bytes: usize,
    lines: usize,
    keeps_last: bool,
    cut: Builder,
}

/// What was collected, from a [`Consumer`] of [`Collect`].
///
/// `kept`, `left_out`, `missed` and `torn` make up all that was written from where the reader started.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Collected<T> {
    /// What was kept.
    pub kept: T,
    /// What was read, and not kept.
    pub left_out: LeftOut,
    /// How many bytes the reader missed: they were overwritten before it read them.
    pub missed: u64,
    /// How many bytes of lines were dropped that were torn by what was missed. 0 for bytes and text.
    pub torn: u64,
    /// How it ended.
    pub end: ConsumerEnd,
}

/// What was left out by a bound.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct LeftOut {
    /// How many bytes, those that end lines included.
    pub bytes: u64,
    /// How many lines, or pieces of longer ones. 0 for bytes and text.
    pub lines: u64,
}

impl Collect {
    /// Keeps the first so many bytes.
    pub fn first(bytes: usize) -> Self {
        Self { bytes, lines: usize::MAX, keeps_last: false, cut: Builder::new() }
    }

    /// Keeps the last so many bytes.
    pub fn last(bytes: usize) -> Self {
        Self { keeps_last: true, ..Self::first(bytes) }
    }

    /// Keeps no more than so many lines. It has no meaning for bytes and text.
    pub fn at_most_lines(mut self, lines: usize) -> Self {
        self.lines = lines;
        self
    }

    /// How lines are [cut](Builder). A line that is kept is kept as a whole, with what ends it.
    pub fn cut(mut self, cut: Builder) -> Self {
        self.cut = cut;
        self
    }

    /// Collects bytes. Where some are missed, what comes behind them is put right behind what came before.
    ///
    /// # Errors
    ///
    /// If the system has no thread for it.
    pub fn bytes_of(
        self,
        reader: impl Into<AnyReader>,
    ) -> io::Result<Consumer<Collected<Vec<u8>>>> {
        Consumer::of_ours(reader.into(), self.cut, move |intake| {
            self.collect(intake, Bytes::new(self))
        })
    }

    /// Collects text: what is no UTF-8 is replaced, and no character is cut by the bound.
    ///
    /// # Errors
    ///
    /// If the system has no thread for it.
    pub fn text_of(self, reader: impl Into<AnyReader>) -> io::Result<Consumer<Collected<String>>> {
        Consumer::of_ours(reader.into(), self.cut, move |intake| async move {
            self.collect(intake, Bytes::new(self)).await.into_text(self.keeps_last)
        })
    }

    /// Collects lines.
    ///
    /// # Errors
    ///
    /// If the system has no thread for it.
    pub fn lines_of(
        self,
        reader: impl Into<AnyReader>,
    ) -> io::Result<Consumer<Collected<Vec<OwnedLine>>>> {
        Consumer::of_ours(reader.into(), self.cut, move |intake| {
            self.collect(intake, KeptLines::new(self))
        })
    }

    async fn collect<K: Keep>(self, mut intake: Intake, mut keep: K) -> Collected<K::Kept> {
        let end = loop {
            let end = intake.more().await;
            keep.take(intake.lines());
            if let Some(end) = end {
                break end;
            }
        };
        keep.finish(intake.lines());
        let (missed, torn) = (intake.missed(), intake.lines().dropped());
        // The reader goes before anybody is told the result.
        drop(intake);
        let (kept, left_out) = keep.into_kept();
        Collected { kept, left_out, missed, torn: if K::IS_OF_LINES { torn } else { 0 }, end }
    }
}

impl Collected<Vec<u8>> {
    /// The same as text. Half a character at the bound is left out.
    fn into_text(self, keeps_last: bool) -> Collected<String> {
        let Self { mut kept, mut left_out, missed, torn, end } = self;
        let length = kept.len();
        if left_out.bytes > 0 && keeps_last {
            let is_continuation = |byte: &&u8| **byte & 0xC0 == 0x80;
            let half = kept.iter().take(3).take_while(is_continuation).count();
            kept.drain(..half);
        } else if left_out.bytes > 0 {
            kept.truncate(floor_character(&kept, length));
        }
        left_out.bytes += (length - kept.len()) as u64;
        let kept = String::from_utf8(kept)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Collected { kept, left_out, missed, torn, end }
    }
}

/// What is kept of what comes.
trait Keep {
    type Kept;

    const IS_OF_LINES: bool;

    /// Takes what was taken from the reader.
    fn take(&mut self, lines: &mut Lines<AnyReader>);

    /// Nothing more comes.
    fn finish(&mut self, _: &mut Lines<AnyReader>) {}

    fn into_kept(self) -> (Self::Kept, LeftOut);
}

struct Bytes {
    most: usize,
    keeps_last: bool,
    kept: VecDeque<u8>,
    left_out: u64,
}

impl Bytes {
    fn new(collect: Collect) -> Self {
        let Collect { bytes: most, keeps_last, .. } = collect;
        Self { most, keeps_last, kept: VecDeque::new(), left_out: 0 }
    }
}

impl Keep for Bytes {
    type Kept = Vec<u8>;

    const IS_OF_LINES: bool = false;

    fn take(&mut self, lines: &mut Lines<AnyReader>) {
        let bytes = lines.taken_bytes();
        let (kept, left_out) = if self.keeps_last {
            let (before, last) = bytes.split_at(bytes.len().saturating_sub(self.most));
            let oldest = (self.kept.len() + last.len()).saturating_sub(self.most);
            self.kept.drain(..oldest);
            (last, before.len() + oldest)
        } else {
            let room = self.most - self.kept.len();
            let (first, behind) = bytes.split_at(bytes.len().min(room));
            (first, behind.len())
        };
        self.kept.extend(kept);
        self.left_out += left_out as u64;
    }

    fn into_kept(self) -> (Vec<u8>, LeftOut) {
        (self.kept.into(), LeftOut { bytes: self.left_out, lines: 0 })
    }
}

struct KeptLines {
    most_bytes: usize,
    most_lines: usize,
    keeps_last: bool,
    kept: VecDeque<OwnedLine>,
    bytes: usize,
    left_out: LeftOut,
    /// One of the first lines did not fit: a later and shorter one is none of them.
    is_full: bool,
}

/// The bytes of a line, with what ends it.
fn size(line: &OwnedLine) -> usize {
    line.len() + line.terminator().len()
}

impl KeptLines {
    fn new(collect: Collect) -> Self {
        let Collect { bytes: most_bytes, lines: most_lines, keeps_last, .. } = collect;
        let (kept, left_out) = (VecDeque::new(), LeftOut::default());
        Self { most_bytes, most_lines, keeps_last, kept, bytes: 0, left_out, is_full: false }
    }

    fn leave_out(&mut self, bytes: u64) {
        self.left_out.bytes += bytes;
        self.left_out.lines += 1;
    }

    fn fits(&self) -> bool {
        self.bytes <= self.most_bytes && self.kept.len() <= self.most_lines
    }

    fn keep(&mut self, line: OwnedLine) {
        self.bytes += size(&line);
        self.kept.push_back(line);
        while !self.fits() {
            self.is_full = !self.keeps_last;
            let oldest = if self.keeps_last { self.kept.pop_front() } else { self.kept.pop_back() };
            let Some(line) = oldest else { return };
            self.bytes -= size(&line);
            self.leave_out(size(&line) as u64);
        }
    }
}

impl Keep for KeptLines {
    type Kept = Vec<OwnedLine>;

    const IS_OF_LINES: bool = true;

    fn take(&mut self, lines: &mut Lines<AnyReader>) {
        loop {
            match lines.next_taken_line() {
                Ok(Some(line)) => {
                    self.left_out.bytes += line.cut();
                    let bytes = line.len() + line.terminator().len();
                    if self.is_full {
                        self.leave_out(bytes as u64);
                    } else {
                        self.keep(line.to_owned());
                    }
                }
                Err(LineError::NotUtf8(error)) => self.leave_out(size(&error.line) as u64),
                Err(LineError::Gap(_)) => {}
                _ => break,
            }
        }
    }

    /// A line that was begun is one, if it was stopped in the middle of it.
    fn finish(&mut self, lines: &mut Lines<AnyReader>) {
        while let Ok(Some(line)) = lines.try_unfinished() {
            let line = line.to_owned();
            self.keep(line);
        }
    }

    fn into_kept(self) -> (Vec<OwnedLine>, LeftOut) {
        (self.kept.into(), self.left_out)
    }
}
