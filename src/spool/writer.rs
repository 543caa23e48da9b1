//! The writer.

use super::Spool;
use super::error::{Abandoned, Ended, FinishError, WriteError};
use super::segment::{NoMemory, Tail};
use super::shared::Shared;
use crate::error::Failure;
use crate::wait::line::Ticket;
use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Deref;
use std::sync::Arc;

/// The one that writes a spool, from [`Spool::writer`].
///
/// A spool that keeps everything in memory always has room: no write waits. One that keeps its
/// [last](super::Retain::Last) bytes alone has none while a strong reader has so many still to read.
///
/// | to write | never waits | waits, in async code | waits |
/// |---|---|---|---|
/// | what is in a buffer | [`try_write`](Self::try_write) | tokio's and futures' `AsyncWrite` | [`io::Write`] |
/// | where it will lie | [`fill`](Self::fill) | after [`ready`](Self::ready) | after [`ready_timeout`](Self::ready_timeout) |
///
/// `AsyncWrite` comes with the features `tokio` and `futures`. What was written is there for readers at
/// once, and `flush` does nothing.
///
/// In a file, each write is a system call, which blocks the thread for as long as the disk takes, also
/// where it is polled by async code. If the disk is full, what went onto it counts as written, readers get
/// it, and the next write fails with [`WriteError::File`].
///
/// # How it ends
///
/// | call | what readers get behind the last byte |
/// |---|---|
/// | [`finish`](Self::finish), `shutdown` and `close` of the async traits | the end |
/// | [`fail`](Self::fail) | that error |
/// | [`release`](Self::release) | nothing: they wait for the next writer |
/// | drop | an error, [`Abandoned`]; or as for `release`, if [`Builder::release_dropped_writers`] says so |
///
/// With [`Builder::known_len`] the stream has ended well once the promised bytes are there, and none of
/// these changes it.
///
/// [`Builder::known_len`]: super::Builder::known_len
/// [`Builder::release_dropped_writers`]: super::Builder::release_dropped_writers
#[must_use = "a stream whose writer is dropped without `finish` has failed"]
pub struct SpoolWriter {
    pub(super) shared: Arc<Shared>,
    /// `None` once it was given back, before this is dropped.
    tail: Option<Tail>,
    releases_when_dropped: bool,
    /// How many looks in a row have found nobody asleep.
    checked_in_vain: u32,
    /// Whether it may have to wait for room.
    is_bounded: bool,
    /// What the limit of the tail was found for.
    arrivals: u64,
    /// Its place in the line for room.
    pub(super) ticket: Option<Ticket>,
    /// What `fill` lends where the bytes go to a file.
    buffer: Vec<u8>,
}

/// How many bytes [`SpoolWriter::fill`] lends at most where they go to a file.
const BUFFER: usize = 64 << 10;

impl SpoolWriter {
    pub(super) fn new(shared: Arc<Shared>, tail: Tail, releases_when_dropped: bool) -> Self {
        Self {
            is_bounded: shared.bound.is_some(),
            arrivals: u64::MAX,
            ticket: None,
            shared,
            tail: Some(tail),
            releases_when_dropped,
            checked_in_vain: 0,
            buffer: Vec::new(),
        }
    }

    #[inline]
    fn tail(&mut self) -> &mut Tail {
        match &mut self.tail {
            Some(tail) => tail,
            None => unreachable!("a writer has its tail until it is dropped"),
        }
    }

    /// How many bytes have been written, by this writer and those before it.
    pub fn written(&self) -> u64 {
        self.tail.as_ref().map_or(0, Tail::length)
    }

    /// Another handle of the spool.
    pub fn spool(&self) -> Spool {
        self.shared.add_handle();
        Spool::new(self.shared.clone(), self.releases_when_dropped)
    }

    /// Writes `bytes`, and tells how many: all of them, unless the stream reaches its promised length,
    /// room or memory comes to its end, or the spool is failed from outside meanwhile. Never waits.
    ///
    /// # Errors
    ///
    /// If none was written; `Full`, if there is no room. What was written before stays, and readers get it.
    pub fn try_write(&mut self, bytes: &[u8]) -> Result<usize, WriteError> {
        let mut written = 0;
        loop {
            let left = &bytes[written..];
            if left.is_empty() {
                return Ok(written);
            }
            match self.write_some(left) {
                Ok(more) => written += more,
                Err(error) if written == 0 => return Err(error),
                // The next call tells.
                Err(_) => return Ok(written),
            }
        }
    }

    /// Writes what goes into the segment, at least one byte of at least one.
    // Always, and so are the two below: they are few instructions, and called from `fill` as well.
    #[inline(always)]
    fn write_some(&mut self, bytes: &[u8]) -> Result<usize, WriteError> {
        let rest = self.rest()?;
        if rest.is_empty() {
            return self.write_file(bytes);
        }
        let length = bytes.len().min(rest.len());
        rest[..length].copy_from_slice(&bytes[..length]);
        self.publish(length)?;
        Ok(length)
    }

    /// Writes some of them to the file.
    #[cold]
    fn write_file(&mut self, bytes: &[u8]) -> Result<usize, WriteError> {
        let length = bytes.len().min(self.room_in_file()?);
        let written = self.written();
        let Some(disk) = &self.shared.disk else { unreachable!("in memory there is room") };
        let more = disk.write(&bytes[..length], written)?;
        // What was failed from outside meanwhile stays in the file, and is no part of the stream.
        if !self.shared.is_open() {
            return Err(self.why_closed());
        }
        self.tail().publish_elsewhere(more as u64);
        self.after_publishing();
        Ok(more)
    }

    /// How many bytes may be written behind those in memory, at least one.
    fn room_in_file(&self) -> Result<usize, WriteError> {
        if !self.shared.is_open() {
            return Err(self.why_closed());
        }
        let known_len = self.shared.known_len.unwrap_or(super::shared::MOST);
        let room = match known_len.saturating_sub(self.written()) {
            0 => return Err(WriteError::BeyondKnownLen { known_len }),
            room => room,
        };
        // Within the bound there is room: the caller has looked (`find_room`).
        let limit = self.tail.as_ref().filter(|_| self.is_bounded).map(Tail::limit);
        let room = limit.map_or(room, |limit| room.min(limit - self.written()));
        Ok(usize::try_from(room).unwrap_or(usize::MAX))
    }

    #[cold]
    fn fill_file(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let lent = self.room_in_file()?.min(BUFFER);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(lent, 0);
        let returned = fill(&mut buffer)?;
        if returned > lent {
            return Err(WriteError::TooMuch { returned, lent }.into());
        }
        let mut written = 0;
        while written < returned {
            written += self.write_file(&buffer[written..returned])?;
        }
        self.buffer = buffer;
        Ok(returned)
    }

    /// The same for several buffers in turn.
    pub(super) fn write_all_of(
        &mut self,
        buffers: &[impl Deref<Target = [u8]>],
    ) -> Result<usize, WriteError> {
        let mut written = 0;
        for buffer in buffers.iter().filter(|buffer| !buffer.is_empty()) {
            match self.try_write(buffer) {
                Ok(more) => {
                    written += more;
                    if more < buffer.len() {
                        return Ok(written);
                    }
                }
                Err(error) if written == 0 => return Err(error),
                Err(_) => return Ok(written),
            }
        }
        Ok(written)
    }

    /// Lends the rest of the segment to `fill`, which writes to the front of it and returns how many
    /// bytes. These are there for readers then. So a source is read straight into the spool.
    ///
    /// What is lent has at least one byte, and may hold anything that this writer, or one before it, has
    /// put there without publishing it, or bytes of this stream that were let go of; else zeros. It is not
    /// part of the stream yet. If `fill` fails,
    /// or panics, or returns more than it was lent, nothing was written.
    ///
    /// ```
    /// use overfall::spool::Spool;
    /// use std::io::Read;
    ///
    /// let spool = Spool::memory();
    /// let mut writer = spool.writer()?;
    /// let mut source = &b"read straight into the spool"[..];
    /// while writer.fill(|buffer| source.read(buffer))? > 0 {}
    /// writer.finish()?;
    /// assert_eq!(spool.len(), 28);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// In a file it lends up to 64 KiB of memory, and writes them then. If the disk fails in the middle of
    /// that, [`written`](Self::written) tells how far it came; the rest of what `fill` wrote is lost.
    ///
    /// # Errors
    ///
    /// What `fill` fails with, and [`WriteError`] in an [`io::Error`]: [`io::ErrorKind::WouldBlock`] if there
    /// is no room, before `fill` is called. If the spool was failed or
    /// terminated while `fill` ran, what it has written is dropped.
    pub fn fill(&mut self, fill: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        let rest = self.rest()?;
        let lent = rest.len();
        if lent == 0 {
            return self.fill_file(fill);
        }
        let returned = fill(rest)?;
        if returned > lent {
            return Err(WriteError::TooMuch { returned, lent }.into());
        }
        self.publish(returned)?;
        Ok(returned)
    }

    /// Fails if the stream has ended, or there is no room.
    #[inline]
    pub(super) fn find_room(&mut self) -> Result<(), WriteError> {
        if !self.shared.is_open() {
            return Err(self.why_closed());
        }
        if self.is_bounded { self.find_room_within_bound() } else { Ok(()) }
    }

    fn find_room_within_bound(&mut self) -> Result<(), WriteError> {
        let (Some(bound), Some(tail)) = (&self.shared.bound, &mut self.tail) else { return Ok(()) };
        if tail.length() < tail.limit() && self.arrivals == bound.arrivals() {
            return Ok(());
        }
        let arrivals = self.shared.make_room(bound, tail);
        let arrivals = arrivals.ok_or(WriteError::Full { bytes: bound.bytes })?;
        if let Some(disk) = &self.shared.disk {
            // If that fails, the next write tries it again.
            disk.let_go(self.shared.begin()).inspect_err(|_| tail.set_limit(tail.length()))?;
        }
        self.arrivals = arrivals;
        Ok(())
    }

    /// The rest of the segment, or what there is room for, at least one byte; nothing if the next one lies
    /// in a file.
    #[inline(always)]
    fn rest(&mut self) -> Result<&mut [u8], WriteError> {
        self.find_room()?;
        let (known_len, has_file) = (self.shared.known_len, self.shared.disk.is_some());
        let rest = self.tail().rest();
        match rest {
            Ok(rest) if !rest.is_empty() || has_file => Ok(rest),
            Ok(_) => Err(WriteError::BeyondKnownLen {
                known_len: known_len.unwrap_or(super::shared::MOST),
            }),
            Err(NoMemory(bytes)) => Err(WriteError::OutOfMemory { bytes }),
        }
    }

    #[cold]
    fn why_closed(&self) -> WriteError {
        match (self.shared.ended(), self.shared.known_len) {
            (Some(Ended::Finished), Some(known_len)) => WriteError::BeyondKnownLen { known_len },
            (Some(ended), _) => ended.into(),
            (None, _) => unreachable!("an end is final"),
        }
    }

    /// Gives the next `bytes` to the readers, and wakes those who wait for them.
    #[inline(always)]
    fn publish(&mut self, bytes: usize) -> Result<(), WriteError> {
        if bytes == 0 {
            return Ok(());
        }
        if !self.shared.is_open() {
            return Err(self.why_closed());
        }
        self.tail().publish(bytes as u64);
        self.after_publishing();
        Ok(())
    }

    #[inline]
    fn after_publishing(&mut self) {
        let length = self.tail().length();
        // Wakers may panic: so the end, which wakes all, comes first.
        if Some(length) == self.shared.known_len {
            self.end_as_promised(length);
        } else if self.shared.must_check() {
            self.check(length);
        }
    }

    #[cold]
    fn check(&mut self, length: u64) {
        let found = self.shared.wake_readers(length);
        self.checked_in_vain = if found { 0 } else { self.checked_in_vain + 1 };
        if self.checked_in_vain >= self.shared.threshold() {
            self.checked_in_vain = 0;
            self.shared.end_watch();
        }
    }

    #[cold]
    fn end_as_promised(&self, length: u64) {
        // It may have failed from outside just before: then that is the end, and the next call tells.
        let _ended = self.shared.finish(length);
    }

    pub(crate) fn releases_when_dropped(&self) -> bool {
        self.releases_when_dropped
    }

    /// Whether further bytes would be refused.
    pub(crate) fn has_all_that_was_promised(&self) -> bool {
        self.shared.known_len == Some(self.written())
    }

    /// Ends the stream well: readers get the end behind the last byte. Tells the length.
    ///
    /// # Errors
    ///
    /// If the stream is shorter than was promised, which fails it for all readers; if it had failed, or
    /// was terminated, before; or if the file cannot be marked as finished.
    pub fn finish(self) -> Result<u64, FinishError> {
        self.finish_stream()
    }

    /// In a file, that it is finished is kept before readers are told: who sees the end may open it.
    fn finish_stream(&self) -> Result<u64, FinishError> {
        let length = self.written();
        let is_whole = self.shared.known_len.is_none_or(|known_len| known_len <= length);
        let may_finish = matches!(self.shared.ended(), None | Some(Ended::Finished));
        let Some(disk) = self.shared.disk.as_ref().filter(|_| is_whole && may_finish) else {
            return self.shared.finish(length);
        };
        if let Err(error) = disk.mark(length) {
            let failure = Failure::new(error);
            let _unless_it_had_ended = self.shared.fail(failure.clone());
            return Err(FinishError::File(failure));
        }
        let finished = self.shared.finish(length);
        if finished.is_err() {
            // It was failed from outside meanwhile.
            disk.unmark().map_err(|error| FinishError::File(Failure::new(error)))?;
        }
        finished
    }

    /// The same in place, for the async traits and for pumps. More bytes are refused then.
    pub(crate) fn finish_in_place(&mut self) -> Result<u64, FinishError> {
        self.tail().forget_spare();
        self.finish_stream()
    }

    /// Ends the stream with an error: every reader gets it behind the last byte, and late ones do, too.
    ///
    /// # Errors
    ///
    /// If the stream had ended before. Nobody else is told the error then.
    pub fn fail(self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Result<(), Ended> {
        self.shared.fail(Failure::new(error))
    }

    /// Lets the next writer go on at the same place. Readers wait meanwhile.
    ///
    /// If there is no [`Spool`] left that could make another writer, the stream fails.
    pub fn release(mut self) {
        self.releases_when_dropped = true;
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        let mut panics = crate::wait::panics::Panics::new();
        if !self.releases_when_dropped && self.shared.is_open() {
            let dropped = Abandoned::WriterDropped { written: self.written() };
            panics.run(|| {
                let _unless_it_had_ended = self.shared.fail(Failure::new(dropped));
            });
        }
        panics.run(|| self.stop_waiting());
        self.tail = None;
        panics.run(|| self.shared.remove_writer());
        panics.finish();
    }
}

impl io::Write for SpoolWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.try_write(bytes) {
            Err(WriteError::Full { .. }) => Ok(self.park_and_write(&[IoSlice::new(bytes)])?),
            found => Ok(found?),
        }
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.park_and_write(buffers)?)
    }

    /// Does nothing. Readers see every byte as soon as it is written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for SpoolWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolWriter").field("written", &self.written()).finish_non_exhaustive()
    }
}
