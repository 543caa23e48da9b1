//! The strong reader.

use super::core::{Core, Place};
use super::{Read, WeakReader, reader_methods};
use crate::channel::StartAt;
use crate::error::{ReadError, TryReadError};
use crate::io::Blocking;
use crate::ring::{Found, Held};
use crate::shared::{Shared, Strength};
use crate::stats::ReaderStats;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A reader that loses nothing: writers wait for it.
///
/// It reads every slice from where it started to the end of the channel, and lends bytes where they
/// lie: [`try_fill_buf`](Self::try_fill_buf) and [`consume`](Self::consume), or the buffered-read
/// traits. While it stands still, at most [`capacity`](crate::Channel::capacity) ring bytes can be
/// written past it, and then writers wait, or, with
/// [`Backpressure::Drop`](crate::Backpressure::Drop), discard.
///
/// Byte reads run across slices and see nothing of where they begin and end.
pub struct StrongReader {
    hold: Hold,
    core: Core,
    place: Place,
}

/// Keeps the gate from passing what the reader has not read; gives way when it is dropped.
struct Hold {
    shared: Arc<Shared>,
    /// Nothing once the reader was terminated.
    held: Option<Held>,
}

impl Hold {
    fn new(shared: &Arc<Shared>) -> (Self, Place) {
        let held = shared.ring.join();
        let place = Place::at(held.position());
        (Self { shared: shared.clone(), held: Some(held) }, place)
    }

    /// Lets the writers have what lies before `place`.
    #[inline]
    fn move_to(&mut self, place: &Place) {
        let Some(held) = &mut self.held else { return };
        if held.position().is_before(place.slice) {
            self.shared.ring.release_up_to(held, place.slice);
            self.shared.after_release();
        }
    }

    /// Goes to `place` right after joining, however many slices are in flight before it.
    fn jump_to(&mut self, place: &Place) {
        let Some(held) = &mut self.held else { return };
        self.shared.ring.jump(held, place.slice);
        self.shared.after_release();
    }

    fn leave(&mut self) {
        if let Some(held) = self.held.take() {
            self.shared.ring.leave(held);
            self.shared.after_release();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What a strong reader sees when it looks.
enum Look {
    /// So many payload bytes of the current slice are left.
    Bytes(u64),
    Nothing,
    End,
}

impl StrongReader {
    pub(crate) fn new(shared: &Arc<Shared>, start: StartAt) -> Self {
        let (hold, oldest) = Hold::new(shared);
        let core = Core::new(shared.clone(), Strength::Strong);
        let mut reader = Self { hold, core, place: oldest };
        match start {
            StartAt::Oldest => {}
            StartAt::Now => reader.place = Place::at(shared.ring.reserved()),
            StartAt::Back(bytes) => {
                let mut from = oldest.slice;
                reader.place = loop {
                    match shared.ring.back(from, bytes) {
                        Some(start) => break Place::at(start),
                        // Padding at our hold was recycled: what we hold begins after it.
                        None => from = shared.ring.oldest_intact(from),
                    }
                };
            }
        }
        reader.hold.jump_to(&reader.place);
        reader.settle();
        reader
    }

    /// Makes a strong reader of a weak one that stands at `place`, if that is not given back yet.
    #[inline]
    pub(super) fn from_weak(mut core: Core, place: Place) -> Result<Self, Core> {
        let (mut hold, oldest) = Hold::new(core.shared());
        let mut start = place;
        let mut padding = 0;
        // Only padding may lie between the reader and what is kept; then nothing is lost.
        while start.slice.is_before(oldest.slice) {
            let ring = &core.shared().ring;
            match ring.find(start.slice) {
                Found::Skip(size) if start.offset == 0 => {
                    padding += size;
                    start = Place::at(start.slice.plus(size));
                }
                _ => return Err(core),
            }
        }
        core.skip_padding(padding);
        core.turn(Strength::Strong);
        hold.jump_to(&start);
        if core.has_terminated() {
            hold.leave();
        }
        let mut reader = Self { hold, core, place: Place { length: None, ..start } };
        reader.settle();
        Ok(reader)
    }

    /// This reader, weak from now on: it holds nobody back, and can be overrun.
    #[inline]
    pub fn into_weak(mut self) -> WeakReader {
        // Steps over padding: recycled, it would look like a gap to a weak reader.
        let _what_it_finds = self.look();
        self.settle();
        let Self { hold, mut core, place } = self;
        core.turn(Strength::Weak);
        drop(hold);
        WeakReader::from_strong(core, place)
    }

    /// Gives back what has been read, and lets the figures know.
    #[inline]
    fn settle(&mut self) {
        self.hold.move_to(&self.place);
        self.core.note_position(self.place.position());
    }

    /// Goes on to the next payload byte, if there is one.
    #[inline]
    fn look(&mut self) -> Result<Look, ReadError> {
        if self.core.is_terminated() {
            return Err(ReadError::Terminated);
        }
        loop {
            match self.place.length {
                Some(length) if self.place.offset < length => {
                    return Ok(Look::Bytes(length - self.place.offset));
                }
                Some(_) => self.place = Place::at(self.core.step_over(self.place)),
                None => match self.core.shared().ring.find_held(self.place.slice) {
                    Found::Slice(description) => {
                        self.place.length = Some(u64::from(description.length));
                    }
                    Found::Skip(size) => {
                        self.core.skip_padding(size);
                        self.place = Place::at(self.place.slice.plus(size));
                    }
                    Found::Nothing | Found::Overrun => {
                        self.settle();
                        let at_end = self.core.is_at_end(self.place.slice);
                        return Ok(if at_end { Look::End } else { Look::Nothing });
                    }
                },
            }
        }
    }

    /// Looks, and if there is nothing, registers to be woken and looks again.
    #[inline]
    fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<Result<Look, ReadError>> {
        let mut look = self.look();
        if matches!(look, Ok(Look::Nothing)) {
            self.core.park(context.waker());
            look = self.look();
            if matches!(look, Ok(Look::Nothing)) {
                return Poll::Pending;
            }
        }
        self.core.unpark();
        Poll::Ready(look)
    }

    /// Copies what is there, across slices, after a look that found `left` bytes.
    #[inline]
    fn copy(&mut self, buffer: &mut [u8], mut left: u64) -> usize {
        let mut copied = 0;
        loop {
            let part = (buffer.len() - copied).min(left as usize);
            let Some(held) = &self.hold.held else { break };
            let to = &mut buffer[copied..copied + part];
            self.core.shared().ring.copy_held(held, self.place.slice, self.place.offset, to);
            copied += part;
            self.place.offset += part as u64;
            if copied == buffer.len() {
                break;
            }
            match self.look() {
                Ok(Look::Bytes(more)) => left = more,
                // Whatever it is, the next read will say it.
                _ => break,
            }
        }
        self.finish(copied as u64);
        copied
    }

    /// Counts what was read, and gives back what is used up.
    #[inline]
    fn finish(&mut self, read: u64) {
        if self.place.length == Some(self.place.offset) {
            self.place = Place::at(self.core.step_over(self.place));
        }
        self.core.count_payload(read);
        self.settle();
    }

    #[cfg(not(overfall_loom))]
    #[inline]
    fn lend(&self, length: u64) -> &[u8] {
        match &self.hold.held {
            Some(held) => {
                let Place { slice, offset, .. } = self.place;
                self.core.shared().ring.lend(held, slice, offset, length)
            }
            None => &[],
        }
    }

    /// Lends what is left of the current slice, without a copy and without waiting. Empty at the
    /// end of the channel only. [`consume`](Self::consume) goes on.
    ///
    /// ```
    /// let (mut writer, mut reader) = overfall::pipe(1024);
    /// writer.try_write(b"key: value")?;
    /// let lent = reader.try_fill_buf()?;
    /// let key = lent.iter().position(|&byte| byte == b':').unwrap_or(lent.len());
    /// assert_eq!(&lent[..key], b"key");
    /// reader.consume(key);
    /// assert_eq!(reader.try_fill_buf()?, b": value");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// What is lent is gone once it is consumed:
    ///
    /// ```compile_fail,E0499
    /// # let (mut writer, mut reader) = overfall::pipe(1024);
    /// let lent = reader.try_fill_buf().unwrap();
    /// reader.consume(1);
    /// println!("{lent:?}");
    /// ```
    ///
    /// # Errors
    ///
    /// [`TryReadError::Empty`] if there is nothing yet, `Terminated` as it says.
    #[cfg(not(overfall_loom))]
    #[inline]
    pub fn try_fill_buf(&mut self) -> Result<&[u8], TryReadError> {
        match self.look()? {
            Look::Bytes(length) => {
                self.settle();
                Ok(self.lend(length))
            }
            Look::Nothing => Err(TryReadError::Empty),
            Look::End => Ok(&[]),
        }
    }

    /// As [`try_fill_buf`](Self::try_fill_buf), waiting.
    #[cfg(not(overfall_loom))]
    #[inline]
    pub(crate) fn poll_fill_buf(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<&[u8], ReadError>> {
        match self.poll_look(context) {
            Poll::Ready(Ok(Look::Bytes(length))) => {
                self.settle();
                Poll::Ready(Ok(self.lend(length)))
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(&[])),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Marks the first `amount` bytes of what was lent as read. When the slice is used up, the
    /// writers have its ring bytes back.
    ///
    /// # Panics
    ///
    /// If `amount` is more than what is left of the current slice, which is what was lent last.
    #[inline]
    pub fn consume(&mut self, amount: usize) {
        if amount == 0 {
            return;
        }
        let left = self.place.length.map_or(0, |length| length - self.place.offset);
        assert!(
            amount as u64 <= left,
            "consume({amount}) of {left} bytes: only what `fill_buf` has lent can be consumed"
        );
        self.place.offset += amount as u64;
        self.finish(amount as u64);
    }
}

impl Read for StrongReader {
    #[inline]
    fn read_now(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.look()? {
            Look::Bytes(left) => Ok(self.copy(buffer, left)),
            Look::Nothing => Err(TryReadError::Empty),
            Look::End => Ok(0),
        }
    }

    #[inline]
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.poll_look(context) {
            Poll::Ready(Ok(Look::Bytes(left))) => Poll::Ready(Ok(self.copy(buffer, left))),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(0)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    #[inline]
    fn core(&self) -> &Core {
        &self.core
    }

    #[inline]
    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    fn end(&mut self) {
        self.hold.leave();
        self.core.terminate();
    }
}

reader_methods!(StrongReader);

impl Clone for StrongReader {
    /// Another strong reader that starts where this one stands, in the middle of a slice if need be.
    fn clone(&self) -> Self {
        let (mut hold, oldest) = Hold::new(self.core.shared());
        let mut core = Core::new(self.core.shared().clone(), Strength::Strong);
        if self.core.has_terminated() {
            hold.leave();
            core.terminate();
        }
        // If the gate has passed this reader, then only over slices that are skipped.
        let is_behind = self.place.slice.is_before(oldest.slice);
        let place = if is_behind { oldest } else { self.place };
        hold.jump_to(&place);
        let mut reader = Self { hold, core, place };
        reader.settle();
        reader
    }
}
