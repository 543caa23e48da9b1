//! Lines of text out of any reader: of a channel, or of a spool.
//!
//! ```
//! use overfall::lines::Lines;
//!
//! # futures::executor::block_on(async {
//! let (mut writer, reader) = overfall::pipe(4096);
//! writer.send("one\ntwo\r\nthr").await?;
//! writer.send("ee").await?;
//! drop(writer);
//!
//! let mut lines = Lines::new(reader);
//! let mut all = Vec::new();
//! while let Some(line) = lines.next_line().await? {
//!     all.push(line.text().into_owned());
//! }
//! assert_eq!(all, ["one", "two", "three"]);
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```
//!
//! # What a line is
//!
//! A line ends at a `\n`, or at a `\r` right before it, and by choice at [any `\r`](Builder::carriage_returns).
//! Where several writers share a ring, the lines of each are cut for themselves: what one writer begins, another
//! one does not end. Limits, half characters and gaps are those of one writer, too, and [`Line::writer`] tells
//! which.
//!
//! Each [`Line`] tells [why it ended](End), and whether the line goes on. A line without an end is given when the
//! stream ends; if that ends with an error, the line comes first. It is given, too, when its writer has gone, where
//! many writers have gone like that.
//!
//! | | never waits | waits, in async code | parks the thread, with [`blocking`](Lines::blocking) |
//! |---|---|---|---|
//! | the next line | [`try_next_line`](Lines::try_next_line) | [`next_line`](Lines::next_line), the `Stream` of the feature `futures` | `next_line`, `next_line_timeout`, `Iterator` |
//! | the next line, or after a quiet time what there is of it | [`try_unfinished`](Lines::try_unfinished) | [`next_line_or_quiet`](Lines::next_line_or_quiet) | `next_line_or_quiet` |
//! | exact bytes | [`try_read_exact`](Lines::try_read_exact) | [`read_exact`](Lines::read_exact) | `read_exact`, `read_exact_timeout` |
//!
//! # Gaps
//!
//! A weak reader can be overrun. Then one call fails with [`LineError::Gap`], which tells how many bytes of which
//! writer were missed, to the byte. The line in which they lay is dropped, what had come of it and what comes
//! behind the gap. So no line is ever put together across a gap, and none begins in the middle of another one.
//! It counts as a gap as well if a writer [dropped](crate::Backpressure::Drop) what it was to write.
//!
//! # What is copied
//!
//! What a reader finds is copied once, into a buffer that is used again, and the ring has its room back at once.
//! Lines are lent from there. Only a line that does not come in one piece is put together elsewhere, in a buffer
//! that is used again, too. Only items of a `Stream` and of an `Iterator` own their bytes, and allocate.

mod blocking;
mod bytes;
mod cutter;
mod ends;
mod error;
mod gone;
mod input;
mod line;
mod settings;
mod source;
#[cfg(feature = "futures")]
mod stream;
#[cfg(feature = "process")]
mod taken;
mod utf8;

pub use bytes::Parts;
pub use error::{Gap, LineError, NotUtf8};
pub use line::{End, Line, OwnedLine};
pub use settings::Builder;
pub use source::Source;
#[cfg(feature = "process")]
pub(crate) use utf8::floor as floor_character;

use crate::channel::reader::{Reader, StrongReader, WeakReader};
use crate::io::Blocking;
use crate::spool::SpoolReader;
use crate::wait::budget::Budget;
use crate::wait::until::until_ready;
use cutter::{Cutter, Piece, Place};
use gone::Sweep;
use input::Input;
use line::{About, Content, Terminator};
use settings::{Encoding, Settings};
#[cfg(feature = "process")]
pub(crate) use source::Feed;
pub(crate) use source::Taken;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::Range;
use std::pin::pin;
use std::str;
use std::task::{Context, Poll, ready};

/// Cuts what a reader reads into lines. See the [module](self).
///
/// All futures may be dropped at any time: nothing is lost, and the next call goes on.
#[must_use = "it reads nothing by itself"]
pub struct Lines<R> {
    source: R,
    settings: Settings,
    /// What has come and is not cut yet. It is of one writer.
    input: Input,
    writer: u32,
    cutter: Cutter,
    /// Those of other writers that are in the middle of a line.
    others: BTreeMap<u32, Cutter>,
    /// Writers that have gone in the middle of a line, which has ended by that.
    gone: Vec<u32>,
    sweep: Sweep,
    /// What was dropped of writers that are not.
    dropped: u64,
    /// What was missed of each writer before, and what has been told since.
    told: BTreeMap<u32, u64>,
    /// How often something has come.
    arrivals: u64,
    /// How the stream has ended. Then its last lines are given.
    ended: Option<Result<(), LineError>>,
    /// Gaps behind which nothing came.
    last_gaps: Vec<Gap>,
    /// What a wait has found, on its way out.
    found: Option<Found>,
    /// What is known of the line that was lent last, if that was no whole one.
    about: About,
    /// What is known of a whole line.
    whole: About,
    /// The text of a line that was not UTF-8.
    decoded: String,
    /// Whether a stream has told its last item.
    is_over: bool,
    budget: Budget,
}

/// A piece, or nothing at the end.
type Found = Result<Option<Piece>, LineError>;

impl<R: Source> Lines<R> {
    /// The lines of `reader`, from where it stands, cut as [`Builder::new`] says.
    pub fn new(reader: R) -> Self {
        Builder::new().lines(reader)
    }

    fn with(source: R, settings: Settings) -> Self {
        let told = if source.has_read() { source.missed() } else { Vec::new() };
        Self {
            source,
            settings,
            input: Input::default(),
            writer: 0,
            cutter: Cutter::default(),
            others: BTreeMap::new(),
            gone: Vec::new(),
            sweep: Sweep::default(),
            dropped: 0,
            told: told.into_iter().collect(),
            arrivals: 0,
            ended: None,
            last_gaps: Vec::new(),
            found: None,
            about: About::default(),
            whole: About::of_whole_line(0),
            decoded: String::new(),
            is_over: false,
            budget: Budget::default(),
        }
    }

    /// Converts this into lines for which the thread is parked, and which are an iterator.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }

    /// The next line, if it is there. `Ok(None)` is the end of the stream.
    ///
    /// # Errors
    ///
    /// - [`LineError::Empty`], if there is no complete line yet.
    /// - [`LineError::Gap`], once for each gap, and [`LineError::NotUtf8`], once for each line that is not. The
    ///   next call goes on.
    /// - [`LineError::Failed`] and [`LineError::Terminated`], in place of the end.
    /// - [`LineError::HoldTaken`], until the reader is turned [weak](Self::into_weak).
    /// - [`LineError::Spool`], if a spool could not be read.
    #[inline]
    pub fn try_next_line(&mut self) -> Result<Option<Line<'_>>, LineError> {
        match self.cut_whole() {
            Some(line) => self.lend_whole(line),
            None => {
                let found = self.find();
                self.give(found)
            }
        }
    }

    /// The next line; waits until it is complete. `Ok(None)` is the end of the stream.
    ///
    /// # Errors
    ///
    /// As for [`try_next_line`](Self::try_next_line). `Empty` occurs only from within an event of the feature
    /// `tracing`, where nobody waits.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, nothing is lost.
    pub async fn next_line(&mut self) -> Result<Option<Line<'_>>, LineError> {
        if let Some(line) = self.cut_whole() {
            return self.lend_whole(line);
        }
        if !self.cut_to_found() {
            // It goes out by way of `self`. If it did by a result of its own, the compiler would pass all lines
            // through the memory in which that one lies, and to copy them there and back takes longer than all
            // the rest.
            self.found = Some(until_ready(&mut *self, Self::stop_waiting, Self::poll_find).await);
        }
        self.give_found()
    }

    /// The next line; or, if nothing comes for a while, what there is of it, which ends by [`End::Quiet`].
    /// `quiet` makes the timer: it is called whenever more of an unfinished line has come, and what it returns
    /// is ready when that was long ago.
    ///
    /// ```
    /// use overfall::lines::{End, Lines};
    /// use std::time::Duration;
    /// use tokio::time::sleep;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let (mut writer, reader) = overfall::pipe(1024);
    /// writer.send("Password: ").await?;
    /// let mut lines = Lines::new(reader);
    /// let prompt = lines.next_line_or_quiet(|| sleep(Duration::from_millis(20))).await?.unwrap();
    /// assert_eq!((&*prompt.text(), prompt.end()), ("Password: ", End::Quiet));
    /// # Ok::<(), std::io::Error>(())
    /// # })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`next_line`](Self::next_line).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, nothing is lost. The quiet time begins anew with the next one.
    pub async fn next_line_or_quiet<Q: Future>(
        &mut self,
        mut quiet: impl FnMut() -> Q,
    ) -> Result<Option<Line<'_>>, LineError> {
        if let Some(line) = self.cut_whole() {
            return self.lend_whole(line);
        }
        let mut timer = pin!(None);
        let mut since = 0;
        let found = until_ready(&mut *self, Self::stop_waiting, |lines, context| {
            let found = lines.poll_find(context);
            if found.is_ready() || !lines.has_unfinished() {
                return found;
            }
            if timer.is_none() || since != lines.arrivals {
                since = lines.arrivals;
                timer.set(Some(quiet()));
            }
            if let Some(timer) = timer.as_mut().as_pin_mut() {
                ready!(timer.poll(context));
            }
            lines.stop_waiting();
            Poll::Ready(Ok(lines.unfinished()))
        })
        .await;
        self.give(found)
    }

    /// What has come of a line that is not complete yet, and was not given before. `None` if there is nothing of
    /// that kind. The rest of the line is given by later calls, and [continues](Line::continues) it.
    ///
    /// It does not look for more. Call it when [`try_next_line`](Self::try_next_line) is `Empty`, or when a time
    /// is up for which one has waited.
    ///
    /// # Errors
    ///
    /// [`LineError::NotUtf8`], as for a line.
    pub fn try_unfinished(&mut self) -> Result<Option<Line<'_>>, LineError> {
        let found = match self.cut() {
            Some(piece) => Some(piece),
            None => self.unfinished(),
        };
        self.give(Ok(found))
    }

    /// What has come of lines that are not complete yet, and was not given before, of each writer by its number.
    /// It stays where it is. Call it when [`try_next_line`](Self::try_next_line) is `Empty`.
    pub fn unfinished_texts(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let others = self.others.iter().map(|(&writer, cutter)| (writer, cutter));
        let all = std::iter::once((self.writer, &self.cutter)).chain(others);
        let all = all.map(|(writer, cutter)| (writer, cutter.text_so_far(&self.settings)));
        all.filter(|(_, text)| !text.is_empty())
    }

    /// The reader, for its figures. It is ahead of the lines by what it has taken and is not cut yet.
    pub fn get_ref(&self) -> &R {
        &self.source
    }

    /// How many bytes were dropped so far, of lines that were torn by a gap. What was missed in the gaps is not
    /// among them.
    pub fn dropped(&self) -> u64 {
        let others: u64 = self.others.values().map(Cutter::dropped).sum();
        self.dropped + self.cutter.dropped() + others
    }

    /// The next piece of what has come already.
    #[inline]
    fn cut(&mut self) -> Option<Piece> {
        if self.input.rest().is_empty() {
            return None;
        }
        self.cutter.next(&self.settings, &mut self.input)
    }

    /// The same by way of `found`. Tells whether there is one.
    #[inline(never)]
    fn cut_to_found(&mut self) -> bool {
        self.found = self.cut().map(|piece| Ok(Some(piece)));
        self.found.is_some()
    }

    /// The next line, if all that is to be known of it is its place. Most lines are like that. It comes before any
    /// [piece](Self::cut).
    #[inline(always)]
    fn cut_whole(&mut self) -> Option<Range<usize>> {
        self.cutter.next_whole(&mut self.input)
    }

    /// Lends such a line.
    #[inline(always)]
    fn lend_whole(&mut self, place: Range<usize>) -> Result<Option<Line<'_>>, LineError> {
        let (content, has_return) = self.input.line(place);
        let (about, encoding) = (&mut self.whole, self.settings.encoding);
        about.terminator = if has_return { Terminator::ReturnNewline } else { Terminator::Newline };
        match content {
            // Not all that came with it is text.
            Content::Bytes(bytes) if encoding != Encoding::Bytes => {
                decode(encoding, bytes, about, &mut self.decoded)
            }
            content => Ok(Some(Line::new(content, about))),
        }
    }

    /// The next piece, without waiting.
    fn find(&mut self) -> Found {
        loop {
            if let Some(found) = self.cut_or_end() {
                return found;
            }
            let taken = self.source.take(self.input.extendable());
            match self.arrived(taken) {
                Ok(()) => {}
                Err(LineError::Empty) if self.settings.unfinished => {
                    return self
                        .unfinished()
                        .map_or(Err(LineError::Empty), |piece| Ok(Some(piece)));
                }
                Err(error) => return Err(error),
            }
        }
    }

    #[inline(never)]
    fn poll_find(&mut self, context: &mut Context<'_>) -> Poll<Found> {
        loop {
            match self.find() {
                Err(LineError::Empty) => {}
                found => return Poll::Ready(found),
            }
            let taken = ready!(self.source.poll_take(context, self.input.extendable()));
            if let Err(error) = self.arrived(taken) {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// The next piece of what has come, or what is told at the end. If there is none, nothing is left of the
    /// input.
    fn cut_or_end(&mut self) -> Option<Found> {
        if let Some(piece) = self.cut() {
            return Some(Ok(Some(piece)));
        }
        self.input.clear();
        while let Some(&writer) = self.gone.last() {
            self.turn_to(writer);
            if let Some(piece) = self.cutter.finish(&self.settings) {
                return Some(Ok(Some(piece)));
            }
            self.gone.pop();
        }
        self.ended.as_ref()?;
        Some(self.find_at_end())
    }

    /// Something has come, or it is the end, or an error.
    fn arrived(&mut self, taken: Result<Taken, LineError>) -> Result<(), LineError> {
        match taken {
            Ok(Taken::Bytes { writer, missed }) => {
                self.arrivals += 1;
                self.turn_to(writer);
                if !self.others.is_empty() {
                    self.gone.extend(self.sweep.step(&self.source, self.others.keys()));
                }
                if missed > 0 {
                    return Err(self.gap(missed));
                }
            }
            Ok(Taken::End) => self.end(Ok(())),
            Err(error) if error.is_final() => self.end(Err(error)),
            Err(LineError::Gap(gap)) => return Err(self.gap(gap.missed)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn gap(&mut self, missed: u64) -> LineError {
        *self.told.entry(self.writer).or_default() += missed;
        let torn = self.cutter.gap();
        Gap { writer: self.writer, missed, torn }.into()
    }

    /// Nothing more comes. What was missed of a writer behind its last message is known now.
    fn end(&mut self, ended: Result<(), LineError>) {
        self.ended = Some(ended);
        for (writer, missed) in self.source.missed() {
            let told = self.told.get(&writer).copied().unwrap_or_default();
            if missed > told {
                self.last_gaps.push(Gap { writer, missed: missed - told, torn: 0 });
            }
        }
    }

    fn find_at_end(&mut self) -> Found {
        if let Some(gap) = self.last_gaps.pop() {
            self.turn_to(gap.writer);
            return Err(self.gap(gap.missed));
        }
        loop {
            if let Some(piece) = self.cutter.finish(&self.settings) {
                return Ok(Some(piece));
            }
            let Some(&writer) = self.others.keys().next() else { break };
            self.turn_to(writer);
        }
        match &self.ended {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(None),
        }
    }

    /// What comes next is of this writer.
    #[inline]
    fn turn_to(&mut self, writer: u32) {
        if writer != self.writer {
            self.turn_to_another(writer);
        }
    }

    #[inline(never)]
    fn turn_to_another(&mut self, writer: u32) {
        let before = mem::replace(&mut self.writer, writer);
        self.whole = About::of_whole_line(writer);
        let cutter = match self.others.remove(&writer) {
            Some(cutter) => cutter,
            // Between two lines it can go on with the buffer of the other one.
            None if self.cutter.is_between_lines() => return,
            None => Cutter::default(),
        };
        let cutter = mem::replace(&mut self.cutter, cutter);
        if cutter.is_between_lines() {
            self.dropped += cutter.dropped();
        } else {
            self.others.insert(before, cutter);
        }
    }

    fn has_unfinished(&self) -> bool {
        let has_text = |cutter: &Cutter| cutter.has_unfinished(&self.settings);
        has_text(&self.cutter) || self.others.values().any(has_text)
    }

    /// What has come of a line without an end, of the present writer first.
    fn unfinished(&mut self) -> Option<Piece> {
        let piece = self.cutter.unfinished(&self.settings);
        if piece.is_some() || !self.input.rest().is_empty() {
            return piece;
        }
        let has_text = |(_, cutter): &(&u32, &Cutter)| cutter.has_unfinished(&self.settings);
        let (&writer, _) = self.others.iter().find(has_text)?;
        self.turn_to(writer);
        self.cutter.unfinished(&self.settings)
    }

    /// Lends what a wait has found.
    #[inline(never)]
    fn give_found(&mut self) -> Result<Option<Line<'_>>, LineError> {
        let found = self.found.take().unwrap_or(Err(LineError::Empty));
        self.give(found)
    }

    /// Lends what was found.
    #[inline(never)]
    fn give(&mut self, found: Found) -> Result<Option<Line<'_>>, LineError> {
        match found? {
            Some(piece) => self.lend(piece),
            None => Ok(None),
        }
    }

    fn lend(&mut self, piece: Piece) -> Result<Option<Line<'_>>, LineError> {
        let Piece { place, end, terminator, continues, cut } = piece;
        self.about = About { writer: self.writer, end, terminator, continues, cut };
        if self.settings.encoding != Encoding::Bytes {
            self.input.check();
        }
        let bytes = match place {
            Place::Input(from, to) => self.input.bytes(from, to),
            Place::Begun(length) => &self.cutter.begun()[..length],
        };
        if self.settings.encoding == Encoding::Bytes {
            return Ok(Some(Line::new(Content::Bytes(bytes), &self.about)));
        }
        if let Place::Input(from, to) = place {
            if let Some(text) = self.input.text(from, to) {
                return Ok(Some(Line::new(Content::Text(text), &self.about)));
            }
        }
        decode(self.settings.encoding, bytes, &self.about, &mut self.decoded)
    }

    fn stop_waiting(&mut self) {
        self.source.stop_waiting();
    }
}

/// A line of text that was not checked with what came with it.
#[inline(never)]
fn decode<'a>(
    encoding: Encoding,
    bytes: &'a [u8],
    about: &'a About,
    decoded: &'a mut String,
) -> Result<Option<Line<'a>>, LineError> {
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) if encoding == Encoding::Utf8 => {
            let line = Line::new(Content::Bytes(bytes), about).to_owned();
            return Err(NotUtf8 { line }.into());
        }
        Err(_) => {
            *decoded = String::from_utf8_lossy(bytes).into_owned();
            decoded
        }
    };
    Ok(Some(Line::new(Content::Text(text), about)))
}

impl<R> Lines<R> {
    /// The same lines, of a reader that was made of the one inside.
    fn map<S>(self, change: impl FnOnce(R) -> S) -> Lines<S> {
        let Self { source, settings, input, writer, cutter, others, .. } = self;
        let (dropped, told, arrivals) = (self.dropped, self.told, self.arrivals);
        let (ended, last_gaps, decoded) = (self.ended, self.last_gaps, self.decoded);
        let (about, whole) = (self.about, self.whole);
        let (is_over, budget) = (self.is_over, self.budget);
        let (gone, sweep) = (self.gone, self.sweep);
        Lines {
            source: change(source),
            settings,
            input,
            writer,
            cutter,
            others,
            gone,
            sweep,
            dropped,
            told,
            arrivals,
            ended,
            last_gaps,
            found: None,
            about,
            whole,
            decoded,
            is_over,
            budget,
        }
    }
}

macro_rules! lines_of {
    ($($reader:ident)*) => {$(
        impl $reader {
            /// Converts this reader into its [lines](Lines), cut as [`Builder::new`] says.
            #[cfg_attr(docsrs, doc(cfg(feature = "lines")))]
            pub fn into_lines(self) -> Lines<Self> {
                Lines::new(self)
            }
        }
    )*};
}
lines_of!(Reader StrongReader WeakReader SpoolReader);

macro_rules! into_weak {
    ($($reader:ident)*) => {$(
        impl Lines<$reader> {
            /// The same lines of a reader that nobody waits for, as after [`LineError::HoldTaken`]. Nothing is
            /// lost by that.
            pub fn into_weak(self) -> Lines<WeakReader> {
                self.map($reader::into_weak)
            }
        }
    )*};
}
into_weak!(Reader StrongReader);

impl<R: fmt::Debug> fmt::Debug for Lines<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("reader", &self.source)
            .field("writer", &self.writer)
            .field("not_cut", &self.input.rest().len())
            .field("begun", &self.cutter.begun().len())
            .finish_non_exhaustive()
    }
}
