//! Readers.

use super::error::{ReadError, SeekError, StartError};
use super::file::Window;
use super::segment::View;
use super::shared::{Ending, Figures, Shared};
use super::sleeper::{Sleeper, Visitor};
use super::start::Start;
use crate::wait::budget::Budget;
use crate::wait::panics::Panics;
use crate::wait::until::until_ready;
use std::fmt;
use std::future::poll_fn;
use std::io::SeekFrom;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

/// Reads a spool at a place of its own, from [`Spool::reader`](super::Spool::reader).
///
/// Readers know nothing of each other. A clone begins where its original is, as strong as that. A reader that
/// comes after the end gets the same bytes, and the same end.
///
/// A read returns what is there, at least one byte; it waits only if there is none. Behind the last byte
/// it returns 0, if the stream is finished, or the error with which it failed, as often as it is asked.
/// A read of length 0 returns 0 at once.
///
/// | to read | never waits | waits, in async code | waits, with [`blocking`](Self::blocking) |
/// |---|---|---|---|
/// | into a buffer | [`try_read`](Self::try_read) | [`read`](Self::read), tokio's and futures' `AsyncRead` | [`Read`](std::io::Read) |
/// | where it lies | [`try_fill_buf`](Self::try_fill_buf) | [`fill_buf`](Self::fill_buf), both `AsyncBufRead` | [`BufRead`](std::io::BufRead) |
/// | anywhere | [`try_read_at`](Self::try_read_at) | [`read_at`](Self::read_at), [`read_exact_at`](Self::read_exact_at) | `read_at`, `read_exact_at` |
/// | to move | [`try_seek`](Self::try_seek), [`advance`](Self::advance) | [`seek`](Self::seek), both `AsyncSeek` | [`Seek`](std::io::Seek) |
///
/// For decoders that must not wait there is [`without_waiting`](Self::without_waiting), which has std's
/// traits.
///
/// All futures may be dropped at any time: nothing is lost, and the reader stands where it stood. One
/// thing stays of a seek from the end that was begun with tokio's `AsyncSeek`, which cannot be told that it
/// was dropped: the next seek with that trait waits for it, until something is read with tokio's traits.
/// [`seek`](Self::seek) does not.
///
/// # Progress
///
/// To read what is there takes no lock, no read-modify-write instruction and no allocation. To step into
/// another segment counts a share of it. So a reader that is stopped holds up nobody; but a strong one, where
/// the spool keeps its [last](super::Retain::Last) bytes alone, holds up the writer until it has read.
///
/// To read a file is a system call, which is made in place, by async reads, too: it blocks the thread if
/// the disk has to be waited for.
pub struct SpoolReader {
    view: View,
    /// What it has read of a file.
    window: Window,
    pub(super) position: u64,
    number: u64,
    pub(super) sleeper: Sleeper,
    /// Whether the writer waits for it.
    pub(super) is_strong: bool,
    pub(super) backlog: u64,
    /// A seek of the async traits that is under way.
    #[cfg(feature = "tokio")]
    pub(super) seeking: Option<SeekFrom>,
}

/// What a look without waiting has found, for who waits: `None` is nothing.
pub(super) fn unless_empty<T>(result: Result<T, ReadError>) -> Option<Result<T, ReadError>> {
    match result {
        Err(ReadError::Empty) => None,
        found => Some(found),
    }
}

/// Looks whether there is something at `position`: a byte that `view` can lend then, or that was let go
/// of, or the end.
#[inline]
fn check(
    view: &mut View,
    position: u64,
    shared: &Shared,
    figures: &Figures,
) -> Result<(), ReadError> {
    may_read(shared, figures)?;
    if view.has(position) { Ok(()) } else { come_to(view, position, shared) }
}

/// Fails if it gets nothing more, whatever is there.
#[inline]
fn may_read(shared: &Shared, figures: &Figures) -> Result<(), ReadError> {
    if figures.is_closed() {
        return Err(ReadError::Closed);
    }
    if shared.is_terminated() {
        return Err(ReadError::Terminated);
    }
    Ok(())
}

/// The same where it cannot lend yet.
#[cold]
fn come_to(view: &mut View, position: u64, shared: &Shared) -> Result<(), ReadError> {
    if view.enter(position) { Ok(()) } else { check_anew(view, position, shared) }
}

/// The same where nothing was there when it looked last.
#[cold]
fn check_anew(view: &mut View, position: u64, shared: &Shared) -> Result<(), ReadError> {
    let (length, ending) = shared.length_and_ending();
    if ending == Ending::Terminated {
        return Err(ReadError::Terminated);
    }
    view.extend(length);
    if view.enter(position) || view.sees(position) {
        return Ok(());
    }
    match ending {
        Ending::Finished => Ok(()),
        Ending::Failed => Err(ReadError::Failed(shared.failure())),
        _ => Err(ReadError::Empty),
    }
}

/// The length of the whole stream; `Empty` if it is not known yet.
fn whole(shared: &Shared, figures: &Figures) -> Result<u64, ReadError> {
    if figures.is_closed() { Err(ReadError::Closed) } else { shared.whole() }
}

impl SpoolReader {
    pub(super) fn new(
        shared: &Arc<Shared>,
        start: Start,
        is_strong: bool,
    ) -> Result<Self, StartError> {
        let (seat, number) = shared.add_reader(0, false)?;
        let view = View::new(shared.memory.clone());
        let mut reader = Self::with(view, 0, number, Sleeper::new(shared.clone(), seat));
        let figures = &reader.sleeper.seat.figures;
        (reader.position, reader.backlog) = shared.begin_at(figures, start, is_strong)?;
        reader.is_strong = is_strong;
        Ok(reader)
    }

    fn with(view: View, position: u64, number: u64, sleeper: Sleeper) -> Self {
        Self {
            view,
            window: Window::default(),
            position,
            number,
            sleeper,
            is_strong: false,
            backlog: 0,
            #[cfg(feature = "tokio")]
            seeking: None,
        }
    }

    #[inline]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.sleeper.shared
    }

    /// Where it stands: the number of the next byte that it reads, from 0 on.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// How many bytes have been written. It may stand behind that.
    pub fn len(&self) -> u64 {
        self.shared().length_and_ending().0
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the whole stream, if it is known: it was promised, or the stream is finished.
    pub fn known_len(&self) -> Option<u64> {
        self.shared().whole().ok()
    }

    #[inline]
    pub(super) fn move_to(&mut self, position: u64) {
        self.position = position;
        self.sleeper.seat.figures.position.set(position);
        if self.is_strong {
            self.shared().after_move();
        }
    }

    // What is there.

    /// Lends what is there, in one piece and where it lies: at least one byte, or none at the end.
    /// [`consume`](Self::consume) steps over it. What lies in a file is lent in a buffer of this reader, of
    /// up to 8 KiB.
    ///
    /// # Errors
    ///
    /// `Empty`, if nothing is there yet; else as for [`read`](Self::read).
    #[inline]
    pub fn try_fill_buf(&mut self) -> Result<&[u8], ReadError> {
        may_read(&self.sleeper.shared, &self.sleeper.seat.figures)?;
        if !self.view.has(self.position) {
            self.go_on()?;
        }
        if self.view.has(self.position) || !self.view.sees(self.position) {
            return Ok(self.view.lend(self.position));
        }
        self.lend_of_file()
    }

    /// Lends what is there and lies in a file.
    #[cold]
    fn lend_of_file(&mut self) -> Result<&[u8], ReadError> {
        let seen = self.view.seen_from(self.position);
        if let Err(error) = self.window.come_to(&self.sleeper.shared, self.position, seen) {
            return Err(self.unless_passed(error));
        }
        Ok(self.window.lend(self.position))
    }

    /// What it would read next may have been let go of in the file: then it goes on to what is kept.
    fn unless_passed(&mut self, error: ReadError) -> ReadError {
        if let ReadError::Evicted { .. } = error { self.catch_up() } else { error }
    }

    /// Comes to the segment of what it reads next, if that is there.
    #[cold]
    fn go_on(&mut self) -> Result<(), ReadError> {
        come_to(&mut self.view, self.position, &self.sleeper.shared)?;
        let shared = &self.sleeper.shared;
        let is_gone = !self.view.has(self.position) && self.view.sees(self.position);
        if is_gone && !shared.lies_in_file(self.position) {
            return Err(self.catch_up());
        }
        Ok(())
    }

    /// Moves over `amount` bytes of what was lent.
    ///
    /// # Panics
    ///
    /// If that is more than this reader has seen.
    #[inline]
    pub fn consume(&mut self, amount: usize) {
        let seen = self.view.seen_from(self.position);
        assert!(
            amount as u64 <= seen,
            "{amount} bytes are to be consumed of {seen} that were seen"
        );
        self.move_to(self.position + amount as u64);
    }

    /// Reads what is there, as far as it fits into `buffer`. Returns 0 at the end of the stream, and for
    /// an empty buffer.
    ///
    /// # Errors
    ///
    /// As for [`try_fill_buf`](Self::try_fill_buf).
    #[inline]
    pub fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        may_read(&self.sleeper.shared, &self.sleeper.seat.figures)?;
        // The quick way: all of it is right here.
        let lent = self.view.lend(self.position);
        if let Some(bytes) = lent.get(..buffer.len()) {
            buffer.copy_from_slice(bytes);
            self.move_to(self.position + buffer.len() as u64);
            return Ok(buffer.len());
        }
        self.read_in_pieces(buffer)
    }

    /// The same, from where it has to go on to, or of several segments, or of less than was asked for.
    fn read_in_pieces(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        if !self.view.has(self.position) {
            self.go_on()?;
        }
        let mut read = 0;
        loop {
            let lent = self.view.lend(self.position);
            let length = lent.len().min(buffer.len() - read);
            buffer[read..read + length].copy_from_slice(&lent[..length]);
            read += length;
            self.move_to(self.position + length as u64);
            // It looks for more than it has seen before only where the buffer has room for it.
            if read == buffer.len() {
                return Ok(read);
            }
            if !self.goes_on() {
                // It goes on in a file, or it is the end of what is there.
                return self.read_file(buffer, read);
            }
        }
    }

    /// Reads on, behind the first `read` bytes of the buffer, where what is there lies in a file.
    #[cold]
    fn read_file(&mut self, buffer: &mut [u8], mut read: usize) -> Result<usize, ReadError> {
        while read < buffer.len() {
            let (position, seen) = (self.position, self.view.seen_from(self.position));
            if seen == 0 || self.sleeper.shared.disk.is_none() {
                break;
            }
            match self.window.read(&self.sleeper.shared, position, seen, &mut buffer[read..]) {
                Ok(more) => {
                    read += more;
                    self.move_to(position + more as u64);
                }
                // The next read tells.
                Err(_) if read > 0 => break,
                Err(error) => return Err(self.unless_passed(error)),
            }
            if !self.view.sees(self.position) {
                let _next_time = check_anew(&mut self.view, self.position, &self.sleeper.shared);
            }
        }
        Ok(read)
    }

    /// Whether there is more to lend now. An error, or that it was let go of, is told by the next read.
    fn goes_on(&mut self) -> bool {
        if !self.view.enter(self.position) && !self.view.sees(self.position) {
            let _next_time = check_anew(&mut self.view, self.position, &self.sleeper.shared);
        }
        self.view.has(self.position)
    }

    /// Reads what is there at `offset`, as far as it fits into `buffer`, and does not move. Returns 0 at
    /// the end of the stream and behind it, and for an empty buffer.
    ///
    /// # Errors
    ///
    /// As for [`try_fill_buf`](Self::try_fill_buf); but `Evicted` for what is not kept any more.
    pub fn try_read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, ReadError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let shared = self.shared();
        if self.sleeper.seat.figures.is_closed() {
            return Err(ReadError::Closed);
        }
        let (length, ending) = shared.length_and_ending();
        if ending == Ending::Terminated {
            return Err(ReadError::Terminated);
        }
        let Some(mut read) = shared.memory.copy(buffer, offset, length) else {
            let begin = shared.begin();
            return Err(ReadError::Evicted { position: offset, begin, len: length });
        };
        while read < buffer.len() {
            let at = offset.saturating_add(read as u64);
            match shared.read_file(&mut buffer[read..], at, length) {
                Ok(0) => break,
                Ok(more) => read += more,
                // The next read tells.
                Err(_) if read > 0 => break,
                Err(error) => return Err(error),
            }
        }
        match ending {
            _ if read > 0 => Ok(read),
            Ending::Finished => Ok(0),
            Ending::Open => Err(ReadError::Empty),
            Ending::Failed => Err(ReadError::Failed(shared.failure())),
            Ending::Terminated => Err(ReadError::Terminated),
        }
    }

    // Waiting.

    /// Waits until there is something to read: then [`try_fill_buf`](Self::try_fill_buf) lends it.
    pub(crate) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        let (view, position) = (&mut self.view, self.position);
        self.sleeper.poll(context, position.saturating_add(1), |shared, figures| {
            unless_empty(check(view, position, shared, figures))
        })
    }

    /// As [`try_fill_buf`](Self::try_fill_buf), and has a source [asked](super::Spool::pull) if there is
    /// nothing.
    pub(super) fn ask(&mut self) -> Result<(), ReadError> {
        let (view, position) = (&mut self.view, self.position);
        let asked = self.sleeper.ask(position.saturating_add(1), |shared, figures| {
            unless_empty(check(view, position, shared, figures))
        });
        asked.unwrap_or(Err(ReadError::Empty))
    }

    /// The same for the length of the whole stream.
    pub(super) fn ask_for_the_end(&mut self) -> Result<u64, ReadError> {
        let check = |shared: &Shared, figures: &Figures| unless_empty(whole(shared, figures));
        self.sleeper.ask(u64::MAX, check).unwrap_or(Err(ReadError::Empty))
    }

    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_ready(context).map(|ready| ready.and_then(|()| self.try_read(buffer)))
    }

    pub(super) fn poll_seek(
        &mut self,
        context: &mut Context<'_>,
        from: SeekFrom,
    ) -> Poll<Result<u64, SeekError>> {
        if let SeekFrom::End(_) = from {
            // No length is so great: it is woken by the end alone.
            let (sleeper, is_strong) = (&mut self.sleeper, self.is_strong);
            let whole = sleeper.poll(context, u64::MAX, |shared, figures| {
                // The end does not come while the writer waits for this reader.
                let whole = whole(shared, figures);
                unless_empty(whole).or(is_strong.then_some(Err(ReadError::Deadlock)))
            });
            ready!(whole)?;
        }
        Poll::Ready(self.try_seek(from))
    }

    pub(super) fn stop_waiting(&mut self) {
        self.sleeper.stop();
    }

    /// Reads what is there, as far as it fits into `buffer`, and waits while there is nothing. Returns 0
    /// at the end of the stream, and for an empty buffer.
    ///
    /// # Errors
    ///
    /// - `Failed`, behind the last byte of a stream that failed.
    /// - `Lagged`, if this reader is weak, and what it would read next is not kept any more. The next read
    ///   goes on at the oldest byte that is.
    /// - `Terminated`, if the spool was.
    /// - `Closed`, if this reader was, by its [`Closer`].
    /// - `File` and `Cut`, if the file cannot be read, or was cut by another program.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        until_ready(self, Self::stop_waiting, |reader, context| reader.poll_read(context, buffer))
            .await
    }

    /// As [`try_fill_buf`](Self::try_fill_buf), and waits while there is nothing.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub async fn fill_buf(&mut self) -> Result<&[u8], ReadError> {
        until_ready(self, Self::stop_waiting, Self::poll_ready).await?;
        self.try_fill_buf()
    }

    /// As [`try_read_at`](Self::try_read_at), and waits while there is nothing at `offset`.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub async fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, ReadError> {
        self.read_at_for(buffer, offset, offset.saturating_add(1)).await
    }

    /// The same; where it has to wait, until `wanted` bytes are there.
    async fn read_at_for(
        &self,
        buffer: &mut [u8],
        offset: u64,
        wanted: u64,
    ) -> Result<usize, ReadError> {
        let mut visitor = None;
        let mut budget = Budget::default();
        poll_fn(|context| {
            budget.poll(context, |context| {
                self.poll_read_at(&mut visitor, context, buffer, offset, wanted)
            })
        })
        .await
    }

    /// Takes a seat in `visitor` if it has to wait.
    pub(super) fn poll_read_at(
        &self,
        visitor: &mut Option<Visitor>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
        offset: u64,
        wanted: u64,
    ) -> Poll<Result<usize, ReadError>> {
        if let Some(read) = unless_empty(self.try_read_at(buffer, offset)) {
            return Poll::Ready(read);
        }
        if let Some(error) = self.stands_in_the_way_of(offset.saturating_add(1)) {
            return Poll::Ready(Err(error));
        }
        let sit = || {
            let shared = self.shared();
            Visitor(Sleeper::new(shared.clone(), shared.add_seat(self.number)))
        };
        let sleeper = &mut visitor.get_or_insert_with(sit).0;
        sleeper.poll(context, wanted, |_, _| unless_empty(self.try_read_at(buffer, offset)))
    }

    /// For how many bytes it waits who needs all from `offset` on to below `to`: for all of them, but where
    /// nobody keeps the first ones until the last is there.
    pub(super) fn wanted_for_all(&self, offset: u64, to: u64) -> u64 {
        let is_kept = self.shared().bound.is_none() || (self.is_strong && offset >= self.position);
        if is_kept { to } else { offset.saturating_add(1) }
    }

    /// Fills the whole of `buffer` from `offset` on, and does not move.
    ///
    /// # Errors
    ///
    /// - `Short`, if the stream is finished and ends before that.
    /// - `BeyondBound`, at once, if this reader is strong, and the writer would wait for it before it comes
    ///   so far.
    ///
    /// Else as for [`read_at`](Self::read_at). What was read by then is in `buffer`.
    pub async fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), ReadError> {
        self.must_come(buffer, offset)?;
        let to = offset.saturating_add(buffer.len() as u64);
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset.saturating_add(filled as u64);
            let wanted = self.wanted_for_all(at, to);
            match self.read_at_for(&mut buffer[filled..], at, wanted).await? {
                0 => return Err(ReadError::Short { len: self.len() }),
                read => filled += read,
            }
        }
        Ok(())
    }

    /// Fails if it would wait for ever for so much.
    pub(super) fn must_come(&self, buffer: &[u8], offset: u64) -> Result<(), ReadError> {
        self.stands_in_the_way_of(offset.saturating_add(buffer.len() as u64)).map_or(Ok(()), Err)
    }

    // Moving.

    /// Moves `bytes` on, and never waits. It may go behind what is written; reads wait there.
    pub fn advance(&mut self, bytes: u64) {
        self.move_to(self.position.saturating_add(bytes));
    }

    /// Moves to a place, and tells which. From the start and from here it never waits, and may go behind
    /// what is written; reads wait there, and behind the end of a finished stream they return 0.
    ///
    /// # Errors
    ///
    /// These move nothing: the place is before the first byte, or the oldest that is kept, or further than
    /// 64 bits tell; or it is counted from the end, and the length is not known yet, or never will be.
    /// `SeekFrom::Current(0)` tells the place and is no error, even if what is there is not kept any more.
    pub fn try_seek(&mut self, to: SeekFrom) -> Result<u64, SeekError> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(distance) => match whole(self.shared(), &self.sleeper.seat.figures) {
                Ok(length) => length.checked_add_signed(distance),
                Err(ReadError::Empty) => return Err(SeekError::LengthUnknown),
                Err(error) => return Err(error.into()),
            },
        };
        let position = position.ok_or(SeekError::OutOfRange)?;
        if self.shared().bound.is_some() && to != SeekFrom::Current(0) {
            self.move_within_bound(position)?;
        } else {
            self.move_to(position);
        }
        Ok(self.position)
    }

    /// As [`try_seek`](Self::try_seek). From the end, it waits until the length is known: that is at once
    /// with [`Builder::known_len`](super::Builder::known_len), and else when the stream is finished.
    ///
    /// # Errors
    ///
    /// As for [`try_seek`](Self::try_seek), but for `LengthUnknown`: where the writer would wait for this
    /// reader, which waits for the end, that is [`ReadError::Deadlock`]. They move nothing.
    pub async fn seek(&mut self, to: SeekFrom) -> Result<u64, SeekError> {
        until_ready(self, Self::stop_waiting, |reader, context| reader.poll_seek(context, to)).await
    }

    /// A handle by which another thread closes this reader, also while it waits.
    pub fn closer(&self) -> Closer {
        Closer { shared: Arc::downgrade(self.shared()), reader: self.number }
    }

    /// What is there, up to `most` bytes of it, as [`Bytes`](bytes::Bytes) that share the segment, and
    /// moves over it. It is empty at the end of the stream.
    ///
    /// However few they are, they keep the whole segment in memory, for as long as they live. Copy small
    /// ones that are to live long (`Bytes::copy_from_slice`). Of a file they are a copy, of up to 8 KiB.
    ///
    /// # Errors
    ///
    /// As for [`try_fill_buf`](Self::try_fill_buf).
    #[cfg(feature = "futures")]
    pub fn try_read_bytes(&mut self, most: usize) -> Result<bytes::Bytes, ReadError> {
        self.try_fill_buf()?;
        let shared = self.view.share(self.position, most);
        let bytes = if shared.as_ref().is_empty() {
            // It lies in a file, or is the end.
            let lent = self.try_fill_buf()?;
            bytes::Bytes::copy_from_slice(&lent[..lent.len().min(most)])
        } else {
            bytes::Bytes::from_owner(shared)
        };
        self.move_to(self.position + bytes.len() as u64);
        Ok(bytes)
    }

    /// As [`try_read_bytes`](Self::try_read_bytes), and waits while there is nothing.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    #[cfg(feature = "futures")]
    pub async fn read_bytes(&mut self, most: usize) -> Result<bytes::Bytes, ReadError> {
        until_ready(self, Self::stop_waiting, Self::poll_ready).await?;
        self.try_read_bytes(most)
    }
}

impl Clone for SpoolReader {
    /// Another reader, at the same place. It can be made even if the spool refuses new readers, and is
    /// not closed if this one is.
    fn clone(&self) -> Self {
        let shared = self.shared();
        let Ok((seat, number)) = shared.add_reader(self.position, true) else {
            unreachable!("clones are not refused")
        };
        let sleeper = Sleeper::new(shared.clone(), seat);
        let mut reader = Self::with(self.view.clone(), self.position, number, sleeper);
        reader.backlog = reader.len().saturating_sub(reader.position);
        if self.is_strong {
            // It is kept for this reader; if that is closed, it may not be, and the next read tells.
            let _kept = shared.hold(&reader.sleeper.seat.figures, self.position);
            reader.is_strong = true;
        }
        reader
    }
}

impl Drop for SpoolReader {
    fn drop(&mut self) {
        let mut panics = Panics::new();
        panics.run(|| self.sleeper.stop());
        panics.run(|| self.sleeper.shared.remove_reader(&self.sleeper.seat));
        panics.finish();
    }
}

impl fmt::Debug for SpoolReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, position) = (self.number, self.position);
        f.debug_struct("SpoolReader")
            .field("id", &id)
            .field("position", &position)
            .finish_non_exhaustive()
    }
}

/// Closes a reader, from [`SpoolReader::closer`]. It keeps nothing in memory.
#[derive(Clone, Debug)]
pub struct Closer {
    shared: Weak<Shared>,
    reader: u64,
}

impl Closer {
    /// Closes the reader: its reads, its seeks from the end, and its wait for the end
    /// ([`SpoolReader::finished`]) fail with [`ReadError::Closed`] from now on, also those that wait. Other
    /// readers, clones of this one among them, go on. If the reader has gone, this does nothing.
    pub fn close(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.close(self.reader);
        }
    }
}
