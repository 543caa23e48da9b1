//! Reading bytes: copied, across slices, or lent where they lie.

use super::find::Next;
use super::hold::Hold;
use super::{Loan, StrongReader};
use crate::channel::reader::Lend;
use crate::channel::reader::Read;
use crate::channel::reader::core::{Core, Place};
use crate::channel::shared::Shared;
use crate::channel::terms::Ending;
use crate::error::{ReadError, TryReadError};
use crate::ring::position::{GRANULE, fits_a_granule, is_moderate, slice_size};
use crate::ring::{Found, Held, LENT, Run};
use crate::wait::panics::Panics;
use std::task::{Context, Poll};

impl StrongReader {
    /// What has no quick way.
    #[inline(never)]
    fn read_across(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        if buffer.is_empty() {
            Ok(0)
        } else if self.sees_nothing() {
            Err(TryReadError::Empty)
        } else {
            self.copy_or_find(buffer)
        }
    }

    #[inline(never)]
    fn copy_or_find(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        match self.copy(buffer) {
            0 => self.find_and_read(buffer),
            copied => Ok(copied),
        }
    }

    /// Says why there was nothing to copy, or copies what has come meanwhile.
    fn find_and_read(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        match self.find_byte()? {
            Next::Slice(_) => match self.copy(buffer) {
                // There was something, so that it is not the end.
                0 => Err(self.why_not().into()),
                copied => Ok(copied),
            },
            Next::Nothing => Err(TryReadError::Empty),
            Next::End => Ok(0),
        }
    }

    /// The same, waiting.
    #[inline(never)]
    fn poll_read_across(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.sees_nothing_and_parks(context) {
            return Poll::Pending;
        }
        let copied = self.copy(buffer);
        if copied > 0 {
            self.core.unpark();
            return Poll::Ready(Ok(copied));
        }
        match self.park_and_find(context) {
            Poll::Ready(Ok(Next::Slice(_))) => Poll::Ready(match self.copy(buffer) {
                0 => Err(self.why_not()),
                copied => Ok(copied),
            }),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(0)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Why there is nothing to copy, though there was something a moment ago.
    fn why_not(&mut self) -> ReadError {
        if self.core.is_terminated() { self.core.terminated() } else { self.give_way() }
    }

    /// Reads the next slice, if it just fills `buffer` and takes `size` ring bytes. If not, nothing has
    /// happened.
    #[inline(always)]
    fn read_whole(&mut self, buffer: &mut [u8], size: u64) -> bool {
        let Hold { shared, held } = &mut self.hold;
        let (shared, Some(held)): (&Shared, _) = (shared, Held::walked(held)) else { return false };
        // Only of a slice whose length it knows has a reader read a part.
        let Place { slice, length: None, .. } = self.place else { return false };
        debug_assert_eq!(self.place.offset, 0);
        let length = buffer.len() as u64;
        if shared.ring.find_committed(slice) != Some(length)
            || shared.ending() == Ending::Terminated
        {
            return false;
        }
        let next = slice.plus(size);
        let Some(passing) = held.pass() else { return false };
        shared.ring.copy_held(passing.held, slice, 0, buffer);
        self.core.count_up_to(length, Place::at(next));
        self.place.slice = next;
        self.lent.bytes = 0;
        passing.end(next);
        if shared.after_pass(&passing) {
            self.give_way();
        }
        true
    }

    /// Copies what is there, across slices; 0 if nothing is, or the channel was terminated, or the hold
    /// taken.
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
            // An empty message is stepped over. The mark shows as well that what was found so far was there.
            if part > 0 {
                if copied == 0 && !held.mark() {
                    return 0;
                }
                ring.copy_held(held, place.slice, place.offset, &mut buffer[copied..copied + part]);
            }
            copied += part;
            place = place.advanced(part as u64, length);
        }
        if copied > 0 {
            self.place = place;
            self.lent = Loan::rest_of(&place);
            self.core.count_payload(copied as u64);
            self.settle();
        }
        copied
    }

    /// Lets the writers have what was stepped over. The mark stays on, as it is about to be put on.
    #[inline]
    fn settle_before_lending(&mut self) {
        if self.hold.is_behind(&self.place) {
            self.settle();
        }
    }

    fn lend(&mut self) -> Result<&[u8], ReadError> {
        let Hold { shared, held } = &mut self.hold;
        let Some(passing) = held.as_mut().and_then(Held::pass) else { return Err(self.give_way()) };
        let Some(seen) = shared.ring.see(self.place.slice, self.place.offset) else {
            unreachable!("it was found, and is held since")
        };
        let run = shared.ring.run(&passing, &seen);
        Ok(self.lend_run(&run))
    }

    /// What was seen. The hold is marked.
    #[inline(always)]
    pub(crate) fn lend_run(&mut self, run: &Run) -> &[u8] {
        let Hold { shared, held: Some(held) } = &self.hold else { unreachable!("it is marked") };
        self.lent = Loan { bytes: run.length(), end: run.end() };
        shared.ring.lend(held, run)
    }

    /// The quick way to a loan: it begins with a slice, and there is nothing to give back before. Marks the
    /// hold. If not, nothing has happened.
    #[inline(always)]
    pub(crate) fn see_run(&mut self) -> Option<Run> {
        let Hold { shared, held } = &mut self.hold;
        let (shared, held): (&Shared, _) = (shared, Held::walked(held)?);
        // Only of a slice whose length it knows has a reader read a part.
        let Place { slice, length: None, .. } = self.place else { return None };
        let seen = shared.ring.see(slice, 0)?;
        let is_quick =
            seen.left > 0 && held.position() == slice && shared.ending() != Ending::Terminated;
        let passing = if is_quick { held.pass()? } else { return None };
        Some(shared.ring.run(&passing, &seen))
    }

    /// The quick way to consume all of a loan. If not, nothing has happened.
    #[inline(always)]
    fn consume_whole(&mut self, amount: u64) -> bool {
        let Hold { shared, held } = &mut self.hold;
        let (shared, Some(held)): (&Shared, _) = (shared, Held::walked(held)) else { return false };
        if amount != self.lent.bytes || amount == 0 {
            return false;
        }
        let Some(passing) = held.pass_marked() else { return false };
        let end = self.lent.end;
        if amount >= LENT {
            shared.ring.hand_back_long(&passing, self.place.slice, end);
        }
        self.core.count_up_to(amount, Place::at(end));
        self.lent.bytes = 0;
        self.place = Place::at(end);
        passing.end(end);
        if shared.after_pass(&passing) {
            self.give_way();
        }
        true
    }

    /// Lends the next bytes that lie in one piece, without a copy and without waiting. That is the
    /// rest of the current slice. If slices fill whole granules of 64 bytes, the ones after it are
    /// included, up to a quarter of the ring. The result is empty only at the end of the channel.
    /// Call [`consume`](Self::consume) to go on.
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
    /// What is lent cannot be used after it is consumed:
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
    /// - [`TryReadError::Empty`] if there is nothing yet.
    /// - [`TryReadError::Failed`] if the channel [failed](crate::Channel::fail), in place of the end.
    /// - [`TryReadError::Terminated`] if the channel or this reader was terminated.
    /// - [`TryReadError::HoldTaken`] if the owner of the channel took this reader's hold
    ///   ([`take_hold`](crate::Channel::take_hold)).
    #[inline]
    pub fn try_fill_buf(&mut self) -> Result<&[u8], TryReadError> {
        match self.see_run() {
            Some(run) => Ok(self.lend_run(&run)),
            None => self.find_and_lend(),
        }
    }

    /// What has no quick way.
    #[inline(never)]
    fn find_and_lend(&mut self) -> Result<&[u8], TryReadError> {
        if self.sees_nothing() { Err(TryReadError::Empty) } else { self.find_byte_and_lend() }
    }

    #[inline(never)]
    fn find_byte_and_lend(&mut self) -> Result<&[u8], TryReadError> {
        match self.find_byte()? {
            Next::Slice(_) => {
                self.settle_before_lending();
                Ok(self.lend()?)
            }
            Next::Nothing => Err(TryReadError::Empty),
            Next::End => Ok(&[]),
        }
    }

    /// As [`try_fill_buf`](Self::try_fill_buf), waiting.
    #[inline]
    pub(crate) fn poll_fill_buf(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<&[u8], ReadError>> {
        if let Some(run) = self.see_run() {
            self.core.unpark();
            return Poll::Ready(Ok(self.lend_run(&run)));
        }
        match self.poll_find(context) {
            Poll::Ready(Ok(Next::Slice(_))) => {
                self.settle_before_lending();
                Poll::Ready(self.lend())
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(&[])),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Marks the first `amount` bytes of what was lent as read. Writers get the room of each slice
    /// back that was read to its end.
    ///
    /// # Panics
    ///
    /// If `amount` is more than what is left of what was lent last.
    #[inline]
    #[track_caller]
    pub fn consume(&mut self, amount: usize) {
        if !self.consume_whole(amount as u64) {
            self.consume_across(amount);
        }
    }

    #[inline(never)]
    #[track_caller]
    fn consume_across(&mut self, amount: usize) {
        if amount == 0 {
            // Nothing is lent any more.
            self.settle();
            return;
        }
        let lent = self.lent.bytes;
        assert!(
            amount as u64 <= lent,
            "consume({amount}) of {lent} bytes: only what `fill_buf` has lent can be consumed"
        );
        self.lent.bytes -= amount as u64;
        if !self.hold.keeps_lent() {
            // It has given everything back, and may find other slices there.
            self.give_way();
            self.pass_unheld(amount as u64);
            return;
        }
        let first = self.place.slice;
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
        self.settle_lent(first);
    }
}

impl StrongReader {
    /// Marks bytes as read that it has seen before its hold was taken, and tells how many. By now they may
    /// be overwritten: then, as to a weak reader, the rest is a gap.
    #[cold]
    pub(super) fn pass_unheld(&mut self, bytes: u64) -> u64 {
        let mut left = bytes;
        while left > 0 && !self.core.has_terminated() {
            let Place { slice, offset, .. } = self.place;
            let ring = &self.hold.shared.ring;
            let Found::Slice(length) = ring.find(slice) else { break };
            let description = ring.describe(slice);
            if !ring.is_intact(slice) {
                break;
            }
            let part = left.min(length - offset);
            self.core.count_read(&description, offset, offset + part);
            self.place = self.place.advanced(part, length);
            left -= part;
        }
        self.core.record_place(self.place);
        bytes - left
    }
}

impl Read for StrongReader {
    #[inline(always)]
    fn read_now(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        if self.read_quick(buffer) {
            return Ok(buffer.len());
        }
        self.read_across(buffer)
    }

    /// It is worth its place in the caller's code, as that of a write.
    #[inline(always)]
    fn read_quick(&mut self, buffer: &mut [u8]) -> bool {
        if fits_a_granule(buffer.len()) {
            self.read_whole(buffer, GRANULE)
        } else {
            let size = slice_size(buffer.len() as u64);
            is_moderate(buffer.len()) && self.read_whole(buffer, size)
        }
    }

    /// The second glance stands in for the full look behind the fence (`wait.rs`). What a waiting reader is woken for
    /// shows in it: a slice, or what is skipped, by its stamp; what was skipped long ago by the gate; a hold that is
    /// wanted or taken; an end of any kind. Each is there before the fence of whoever wakes, and this comes behind
    /// ours. A hold that has something to give back is not idle, and goes the long way.
    #[inline(never)]
    fn sees_nothing_and_parks(&mut self, context: &mut Context<'_>) -> bool {
        if !self.sees_nothing() {
            return false;
        }
        self.core.park(context.waker());
        self.hold.rely_on_heavy_fences();
        self.sees_nothing() && self.core.is_parked()
    }

    #[inline(always)]
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        if self.read_quick(buffer) {
            self.core.unpark();
            return Poll::Ready(Ok(buffer.len()));
        }
        self.poll_read_across(context, buffer)
    }

    #[inline]
    fn core(&self) -> &Core {
        &self.core
    }

    fn place(&self) -> Place {
        self.place
    }

    #[inline]
    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    fn end(&mut self) {
        let mut panics = Panics::new();
        // It wakes others, not itself.
        panics.run(|| self.core.stop_waiting());
        panics.run(|| self.hold.leave());
        panics.run(|| self.core.terminate(self.place));
        panics.finish();
    }
}

impl Lend for StrongReader {
    #[inline]
    fn lender(&mut self) -> &mut StrongReader {
        self
    }
}
