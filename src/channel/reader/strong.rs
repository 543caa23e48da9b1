//! The strong reader.

use super::core::{Core, Place};
use super::receive::{Receive, receive_methods, wait_for};
use super::{Read, WeakReader, reader_methods};
use crate::channel::message::{Header, Message, Messages, Missed};
use crate::channel::shared::Shared;
use crate::channel::stats::ReaderStats;
use crate::channel::terms::StartAt;
use crate::channel::terms::{Ending, Strength};
use crate::error::{ReadError, TryReadError};
use crate::ring::position::slice_size;
use crate::ring::{Found, Held, Seen};
use crate::wait::panics::Panics;
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
    /// Payload bytes that may be consumed without another look.
    lent: u64,
    /// The message that was received last.
    pub(crate) taken: Option<Taken>,
    pub(crate) batch: Batch,
}

/// A message that was taken and lies in the ring still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    seen: Seen,
    missed: Missed,
}

/// Messages that were taken in one go.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) seen: Vec<Seen>,
    /// Before which of them something was missed.
    missed: Vec<(usize, Missed)>,
}

impl Batch {
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<Taken> {
        let seen = *self.seen.get(index)?;
        let found = self.missed.binary_search_by_key(&index, |&(index, _)| index);
        let missed = found.map_or(Missed::default(), |found| self.missed[found].1);
        Some(Taken { seen, missed })
    }
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

    /// Another one at the same place; given up, if this one is.
    fn another(&self) -> Self {
        let held = self.held.as_ref().map(|held| self.shared.ring.join_beside(held));
        Self { shared: self.shared.clone(), held }
    }

    /// Whether the way from it to `place`, over slices that were skipped, has become so long that it
    /// has to follow: the two must not come apart by half a turn.
    fn is_far_behind(&self, place: &Place) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| place.slice.is_far_from(held.position()))
    }

    /// Lets the writers have what lies before `place`.
    #[inline]
    fn move_to(&mut self, place: &Place) {
        let Some(held) = &mut self.held else { return };
        if held.position() != place.slice {
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
    /// There is a slice, with so many payload bytes left.
    Slice(u64),
    Nothing,
    End,
}

impl StrongReader {
    fn at(hold: Hold, core: Core, place: Place) -> Self {
        Self { hold, core, place, lent: 0, taken: None, batch: Batch::default() }
    }

    pub(crate) fn new(shared: &Arc<Shared>, start: StartAt) -> Self {
        let (hold, oldest) = Hold::new(shared);
        let place = match start {
            StartAt::Oldest => oldest,
            StartAt::Now => {
                // Not before the hold, however old a look this is.
                let reserved = shared.ring.reserved();
                if reserved.is_before(oldest.slice) { oldest } else { Place::at(reserved) }
            }
            StartAt::Back(bytes) => {
                let mut from = oldest.slice;
                loop {
                    match shared.ring.back(from, bytes) {
                        Some(start) => break Place::at(start),
                        // Padding at our hold was recycled: what we hold begins after it.
                        None => from = shared.ring.oldest_intact(from),
                    }
                }
            }
        };
        let core = Core::new(shared.clone(), Strength::Strong);
        let mut reader = Self::at(hold, core, place);
        reader.start();
        reader.core.tell_that_it_came();
        reader
    }

    /// Makes a strong reader of a weak one that stands at `place`, if that is not given back yet.
    #[inline]
    pub(super) fn from_weak(mut core: Core, place: Place) -> Result<Self, Core> {
        let (mut hold, oldest) = Hold::new(core.shared());
        let mut start = place;
        let ring = &core.shared().ring;
        // Only padding may lie between the reader and what is kept; then nothing is lost.
        while !start.slice.is_within(ring.capacity(), oldest.slice) {
            match ring.find(start.slice) {
                Found::Skip(next) if start.offset == 0 => start = Place::at(next),
                _ => return Err(core),
            }
        }
        core.turn(Strength::Strong);
        hold.jump_to(&start);
        if core.has_terminated() {
            hold.leave();
        }
        // Only now it is known for sure.
        let length = match start.offset {
            0 => None,
            _ => core.shared().ring.find_committed(start.slice),
        };
        let place = Place { length, ..start };
        let mut reader = Self::at(hold, core, place);
        reader.settle();
        reader.core.tell_that_it_turned();
        Ok(reader)
    }

    /// This reader, weak from now on: it holds nobody back, and can be overrun.
    #[inline]
    pub fn into_weak(mut self) -> WeakReader {
        // Steps over padding: recycled, it would look like a gap to a weak reader.
        let _what_it_finds = self.look_for_slice();
        self.settle();
        let Self { hold, mut core, place, .. } = self;
        core.turn(Strength::Weak);
        drop(hold);
        core.tell_that_it_turned();
        WeakReader::from_strong(core, place)
    }

    /// Begins to count, and to hold writers back, at the present place.
    fn start(&mut self) {
        self.hold.jump_to(&self.place);
        self.core.start_at(self.place);
    }

    /// Gives back what has been read, and lets the figures know.
    #[inline]
    pub(crate) fn settle(&mut self) {
        self.core.note_place(self.place);
        self.hold.move_to(&self.place);
    }

    /// Goes on to the next payload byte, if there is one.
    #[inline]
    fn look(&mut self) -> Result<Look, ReadError> {
        loop {
            match self.look_for_slice()? {
                Look::Slice(0) => {
                    self.core.step_over_empty();
                    self.place = self.place.after(0);
                }
                look => return Ok(look),
            }
        }
    }

    /// Goes on to the next slice, or to what is left of the present one.
    #[inline]
    fn look_for_slice(&mut self) -> Result<Look, ReadError> {
        if self.core.is_terminated() {
            return Err(ReadError::Terminated);
        }
        loop {
            match self.place.length {
                Some(length) => return Ok(Look::Slice(length - self.place.offset)),
                None => match self.core.shared().ring.find_held(self.place.slice) {
                    Found::Slice(length) => self.place.length = Some(length),
                    Found::Skip(next) => {
                        self.place = Place::at(next);
                        if self.hold.is_far_behind(&self.place) {
                            // Nothing is lent, so that it can.
                            self.settle();
                        }
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

    /// Says why there was nothing to copy, or copies what has come meanwhile.
    #[inline(never)]
    fn read_after_look(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        match self.look()? {
            Look::Slice(_) => match self.copy(buffer) {
                // There was something, so that it is not the end.
                0 => Err(TryReadError::Terminated),
                copied => Ok(copied),
            },
            Look::Nothing => Err(TryReadError::Empty),
            Look::End => Ok(0),
        }
    }

    /// Looks, and if there is nothing, registers to be woken and looks again.
    #[cfg(not(overfall_loom))]
    #[inline]
    fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<Result<Look, ReadError>> {
        match self.look() {
            Ok(Look::Nothing) => self.park_and_look(context),
            look => {
                self.core.unpark();
                Poll::Ready(look)
            }
        }
    }

    /// Registers to be woken, and looks.
    fn park_and_look(&mut self, context: &mut Context<'_>) -> Poll<Result<Look, ReadError>> {
        self.core.park(context.waker());
        let look = self.look();
        if matches!(look, Ok(Look::Nothing)) {
            return self.core.pending();
        }
        self.core.unpark();
        Poll::Ready(look)
    }

    /// The quick way of a read: the next slice just fills `buffer`. If not, nothing has happened.
    #[inline]
    fn read_whole(&mut self, buffer: &mut [u8]) -> bool {
        let Hold { shared, held: Some(held) } = &mut self.hold else { return false };
        let Place { slice, offset: 0, length: None } = self.place else { return false };
        let length = buffer.len() as u64;
        if shared.ring.find_committed(slice) != Some(length)
            || shared.ending() == Ending::Terminated
        {
            return false;
        }
        shared.ring.copy_held(held, slice, 0, buffer);
        let next = slice.plus(slice_size(length));
        self.place.slice = next;
        self.lent = 0;
        self.core.count_payload(length);
        self.core.note_place(self.place);
        shared.ring.release_up_to(held, next);
        shared.after_release();
        true
    }

    /// Copies what is there, across slices; 0 if nothing is, or the channel was terminated.
    fn copy(&mut self, buffer: &mut [u8]) -> usize {
        let Some(held) = &self.hold.held else { return 0 };
        if self.core.is_terminated() {
            return 0;
        }
        let ring = &self.hold.shared.ring;
        let mut place = self.place;
        let mut copied = 0;
        while copied < buffer.len() {
            let length = match place.length {
                Some(length) => length,
                None => match ring.find_held(place.slice) {
                    Found::Slice(length) => length,
                    Found::Skip(next) => {
                        place = Place::at(next);
                        continue;
                    }
                    Found::Nothing | Found::Overrun => break,
                },
            };
            let part = (buffer.len() - copied).min((length - place.offset) as usize);
            ring.copy_held(held, place.slice, place.offset, &mut buffer[copied..copied + part]);
            copied += part;
            place = place.advanced(part as u64, length);
        }
        if copied > 0 {
            self.place = place;
            self.lent = place.left();
            self.core.count_payload(copied as u64);
            self.settle();
        }
        copied
    }

    #[cfg(not(overfall_loom))]
    #[inline]
    fn lend(&mut self) -> &[u8] {
        let Hold { shared, held: Some(held) } = &self.hold else { return &[] };
        let lent = shared.ring.lend(held, self.place.slice, self.place.offset);
        self.lent = lent.len() as u64;
        lent
    }

    /// Lends what comes next and lies in one piece, without a copy and without waiting: the rest of
    /// the current slice, and, where slices fill whole granules of 64 bytes, those behind it, up to a
    /// quarter of the ring. Empty at the end of the channel only. [`consume`](Self::consume) goes on.
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
            Look::Slice(_) => {
                self.settle();
                Ok(self.lend())
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
            Poll::Ready(Ok(Look::Slice(_))) => {
                self.settle();
                Poll::Ready(Ok(self.lend()))
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(&[])),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Marks the first `amount` bytes of what was lent as read. The writers have the ring bytes of
    /// each slice that is used up back.
    ///
    /// # Panics
    ///
    /// If `amount` is more than what is left of what was lent last.
    #[inline]
    pub fn consume(&mut self, amount: usize) {
        if amount == 0 {
            return;
        }
        let lent = self.lent;
        assert!(
            amount as u64 <= lent,
            "consume({amount}) of {lent} bytes: only what `fill_buf` has lent can be consumed"
        );
        self.lent -= amount as u64;
        if self.core.has_terminated() {
            // It has given everything back, and may find other slices there.
            return;
        }
        let mut left = amount as u64;
        while left > 0 {
            let place = self.place;
            let next = place.length.or_else(|| self.hold.shared.ring.find_committed(place.slice));
            let Some(length) = next else { unreachable!("what was lent is held") };
            let part = left.min(length - place.offset);
            self.place = place.advanced(part, length);
            left -= part;
        }
        self.core.count_payload(amount as u64);
        self.settle();
    }
}

impl Read for StrongReader {
    #[inline]
    fn read_now(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        if buffer.is_empty() || self.read_whole(buffer) {
            return Ok(buffer.len());
        }
        match self.copy(buffer) {
            0 => self.read_after_look(buffer),
            copied => Ok(copied),
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
        let copied = if self.read_whole(buffer) { buffer.len() } else { self.copy(buffer) };
        if copied > 0 {
            self.core.unpark();
            return Poll::Ready(Ok(copied));
        }
        match self.park_and_look(context) {
            Poll::Ready(Ok(Look::Slice(_))) => Poll::Ready(match self.copy(buffer) {
                0 => Err(ReadError::Terminated),
                copied => Ok(copied),
            }),
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
        let mut panics = Panics::new();
        panics.run(|| self.hold.leave());
        panics.run(|| self.core.terminate());
        panics.finish();
    }
}

reader_methods!(StrongReader);

impl StrongReader {
    /// Takes the slice at the present place; nothing if it is not there.
    #[inline(always)]
    fn take_slice(&mut self) -> Option<Taken> {
        let Place { slice, offset, .. } = self.place;
        let ring = &self.hold.shared.ring;
        let seen = ring.see(slice, offset)?;
        let description = ring.describe(slice);
        self.place = self.place.after(u64::from(description.length));
        self.lent = 0;
        let missed = self.core.count_message(slice, offset, &description);
        Some(Taken { seen, missed })
    }

    /// Looks first, for what is not just a slice at the present place.
    #[inline(never)]
    fn look_and_take(&mut self) -> Result<bool, TryReadError> {
        match self.look_for_slice()? {
            Look::Slice(_) => {
                self.taken = self.take_slice();
                Ok(true)
            }
            Look::Nothing => Err(TryReadError::Empty),
            Look::End => Ok(false),
        }
    }

    /// Goes on to the next slice, and gives nothing back on the way.
    fn is_at_slice(&mut self) -> bool {
        while self.place.length.is_none() {
            match self.hold.shared.ring.find_held(self.place.slice) {
                Found::Slice(length) => self.place.length = Some(length),
                Found::Skip(next) => self.place = Place::at(next),
                Found::Nothing | Found::Overrun => return false,
            }
        }
        true
    }

    /// The message that was received last and not given back.
    #[inline(always)]
    pub(crate) fn taken(&self) -> &Taken {
        let Some(taken) = &self.taken else { unreachable!("it was taken") };
        taken
    }

    #[inline(always)]
    pub(crate) fn lend_message(&self, taken: &Taken) -> &[u8] {
        let Hold { shared, held } = &self.hold;
        let Some(held) = held else { unreachable!("what was taken is held") };
        shared.ring.lend_seen(held, &taken.seen)
    }

    #[inline]
    pub(crate) fn header_of(&self, taken: &Taken) -> Header {
        let Seen { slice, offset, .. } = taken.seen;
        let description = self.hold.shared.ring.describe(slice);
        Header::of(&description, slice, offset, taken.missed)
    }
}

impl Receive for StrongReader {
    #[inline(always)]
    fn take(&mut self) -> Result<bool, TryReadError> {
        // The quick way: the next slice is right here.
        if !self.core.is_terminated() {
            if let Some(taken) = self.take_slice() {
                self.taken = Some(taken);
                return Ok(true);
            }
        }
        self.look_and_take()
    }

    fn take_into(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Header>, TryReadError> {
        if !self.take()? {
            return Ok(None);
        }
        let message = self.message();
        buffer.extend_from_slice(&message);
        Ok(Some(message.header()))
    }

    fn take_many(&mut self, limit: usize) -> Result<bool, TryReadError> {
        self.batch.seen.clear();
        self.batch.missed.clear();
        if limit == 0 {
            return Ok(true);
        }
        match self.look_for_slice()? {
            Look::Slice(_) => {}
            Look::Nothing => return Err(TryReadError::Empty),
            Look::End => return Ok(false),
        }
        while self.batch.seen.len() < limit {
            let Some(Taken { seen, missed }) = self.take_slice() else {
                if self.is_at_slice() { continue } else { break }
            };
            if !missed.is_none() {
                self.batch.missed.push((self.batch.seen.len(), missed));
            }
            self.batch.seen.push(seen);
        }
        Ok(true)
    }

    #[inline]
    fn message(&mut self) -> Message<'_> {
        Message::lent(self)
    }

    fn messages(&mut self) -> Messages<'_> {
        Messages::lent(self)
    }

    fn skip_rest(&mut self) -> u64 {
        let left = self.place.left();
        if self.place.offset == 0 || self.core.has_terminated() {
            return 0;
        }
        self.place = self.place.advanced(left, self.place.offset + left);
        self.lent = 0;
        self.core.count_payload(left);
        self.settle();
        left
    }
}

receive_methods!(StrongReader);

impl Clone for StrongReader {
    /// Another strong reader that starts where this one stands, in the middle of a slice if need be.
    fn clone(&self) -> Self {
        let mut hold = self.hold.another();
        let core = self.core.another(Strength::Strong);
        if core.has_terminated() {
            hold.leave();
        }
        let mut reader = Self::at(hold, core, self.place);
        reader.core.start_at(reader.place);
        reader.settle();
        reader.core.tell_that_it_came();
        reader
    }
}
