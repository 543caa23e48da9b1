//! Writing bytes: each write is a slice, or several, if it is longer than one can be.
//!
//! The pieces of a long write are a *record*. Nobody tells us when a caller gives a record up: a future
//! is dropped, a deadline passes, and the next write is about something else. So a write goes on with
//! the record only if it is [the rest](Rest) of it. Every other one begins a new record.

use super::Core;
use super::wait::Wait;
use crate::channel::shared::Shared;
use crate::channel::terms::Backpressure;
use crate::error::{TryWriteError, WriteError};
use crate::ring::descriptor::Joins;
use crate::ring::position::{GRANULE, fits_a_granule, is_moderate, slice_size};
use crate::ring::{Lane, Refused, Reservation, Ring, WriterSlot};
use std::num::NonZero;
use std::ops::Deref;
use std::task::{Context, Poll, ready};

impl Core {
    /// How much of a write of `total` bytes goes into its next slice: all, if one can hold it. What
    /// is longer goes in quarters of the ring, so that readers can be at one while the next is
    /// written.
    #[inline]
    pub(super) fn piece(&self, total: u64) -> u64 {
        let max = self.max_slice();
        if total <= max { total } else { (self.shared.ring.capacity() / 4).clamp(GRANULE, max) }
    }

    /// How a slice of the first `length` of the `total` bytes of `buffers` goes together with those
    /// beside it.
    #[inline]
    fn join(&mut self, length: u64, total: u64, buffers: &[impl Deref<Target = [u8]>]) -> Joins {
        if length == total && self.rest.is_none() {
            return Joins::default();
        }
        self.join_pieces(length, total, buffers)
    }

    /// The same for a piece of a longer write, or what comes after one.
    #[cold]
    #[inline(never)]
    fn join_pieces(
        &mut self,
        length: u64,
        total: u64,
        buffers: &[impl Deref<Target = [u8]>],
    ) -> Joins {
        let continues = self.rest.is_some() && self.rest == Rest::of(buffers, 0, total);
        self.rest = Rest::of(buffers, length, total);
        if self.rest.is_some() {
            self.lane.close();
        }
        Joins { continues, is_continued: self.rest.is_some() }
    }

    /// Fills a reservation with the first `length` of the `total` bytes of `buffers`, and commits it.
    #[inline]
    pub(super) fn write_slice(
        &mut self,
        reservation: Reservation,
        length: u64,
        total: u64,
        buffers: &[impl Deref<Target = [u8]>],
    ) {
        let mut offset = 0;
        for buffer in buffers {
            let part = buffer.len().min((length - offset) as usize);
            if part > 0 {
                self.fill(&reservation, offset, &buffer[..part]);
                offset += part as u64;
            }
        }
        let joins = self.join(length, total, buffers);
        self.publish(reservation, length, joins);
    }

    /// The quick way of a write: `bytes` become one slice, if this writer owns the cursor and has
    /// room. If not, nothing has happened. It is worth its place in the caller's code: a call, and the registers that
    /// it saves, would be a seventh of it. So is a copy of its own for what fits into a granule.
    #[inline(always)]
    pub(crate) fn write_exclusive(&mut self, bytes: &[u8]) -> bool {
        if fits_a_granule(bytes.len()) {
            self.write_into(bytes, |ring, lane| ring.reserve_exclusive(lane, GRANULE))
        } else {
            let size = slice_size(bytes.len() as u64);
            is_moderate(bytes.len())
                && self.write_into(bytes, |ring, lane| ring.reserve_exclusive(lane, size))
        }
    }

    /// The same where other writers move the cursor as well, for what fits into a granule.
    #[inline(always)]
    pub(super) fn write_shared(&mut self, bytes: &[u8]) -> bool {
        fits_a_granule(bytes.len())
            && self.lane.is_shared()
            && !self.owes()
            && self.shared.room.is_empty()
            && self.write_into(bytes, Ring::reserve_shared)
    }

    /// Writes `bytes` into what `reserve` gives, which is of their size, and commits it.
    #[inline(always)]
    fn write_into(
        &mut self,
        bytes: &[u8],
        reserve: impl FnOnce(&Ring, &mut Lane) -> Option<Reservation>,
    ) -> bool {
        let (shared, slot): (&Shared, &WriterSlot) = (&self.shared, &self.slot);
        let Some(reservation) = reserve(&shared.ring, &mut self.lane) else { return false };
        shared.ring.write_whole(&reservation, bytes);
        let length = bytes.len() as u64;
        if Self::announce((shared, slot), self.id, &reservation, length, Joins::default()) {
            self.check_after_count(reservation.position, 1, length);
        }
        true
    }

    #[inline(always)]
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> Result<usize, TryWriteError> {
        if self.write_exclusive(bytes) { Ok(bytes.len()) } else { self.try_write_shared(bytes) }
    }

    #[inline(never)]
    fn try_write_shared(&mut self, bytes: &[u8]) -> Result<usize, TryWriteError> {
        if self.write_shared(bytes) {
            Ok(bytes.len())
        } else if !bytes.is_empty() && self.is_still_full(bytes.len() as u64) {
            Err(TryWriteError::Full)
        } else {
            self.try_write_at_rest(bytes)
        }
    }

    #[inline(never)]
    fn try_write_at_rest(&mut self, bytes: &[u8]) -> Result<usize, TryWriteError> {
        match self.write_at_rest(bytes) {
            Some(true) => Ok(bytes.len()),
            Some(false) => Err(TryWriteError::Full),
            None => self.try_write_among_others(&[bytes]),
        }
    }

    /// A write of `bytes` that become one slice, where only other writers are in the way of the quick one. Tells
    /// whether there was room; nothing if there is more to look at, and then nothing has happened.
    #[inline]
    pub(super) fn write_at_rest(&mut self, bytes: &[u8]) -> Option<bool> {
        let length = bytes.len() as u64;
        let reserved = self.reserve_at_rest(length)?;
        if let Some(reservation) = reserved {
            self.fill(&reservation, 0, bytes);
            self.publish(reservation, length, Joins::default());
        }
        Some(reserved.is_some())
    }

    /// The same of a reservation of `length` bytes: `Some(None)` if there is no room.
    #[inline]
    pub(super) fn reserve_at_rest(&mut self, length: u64) -> Option<Option<Reservation>> {
        let is_one_slice = (1..=self.max_slice()).contains(&length) && self.rest.is_none();
        if !is_one_slice || !self.is_at_rest() || self.owes() {
            return None;
        }
        let claimed = self.shared.room.claimed();
        match self.reserve_now(length, claimed) {
            Ok(reservation) => Some(Some(reservation)),
            // Those in the line may be pressed.
            Err(Refused::Full) if claimed == 0 => Some(None),
            Err(_) => None,
        }
    }

    /// A write of `bytes`, or a message, that become one slice, and for which there is room. If not, nothing has
    /// happened.
    #[inline(always)]
    pub(crate) fn write_at_once(&mut self, bytes: &[u8]) -> bool {
        // Who drops may have no room most of the time, and would look twice.
        self.write_exclusive(bytes)
            || self.backpressure == Backpressure::Block && self.write_shared_at_once(bytes)
    }

    #[inline(never)]
    fn write_shared_at_once(&mut self, bytes: &[u8]) -> bool {
        self.write_shared(bytes) || self.write_at_rest(bytes) == Some(true)
    }

    /// [`Core::try_write`] of several buffers, and of one that had no luck there.
    #[inline(never)]
    pub(crate) fn try_write_among_others(
        &mut self,
        buffers: &[impl Deref<Target = [u8]>],
    ) -> Result<usize, TryWriteError> {
        let total = total_length(buffers);
        if total == 0 {
            return Ok(0);
        }
        self.begin()?;
        if total > self.max_slice() && self.never_waits() {
            // Its first piece might find room, and the others not.
            self.stop_waiting();
            let (len, max) = (total as usize, self.max_slice() as usize);
            return Err(TryWriteError::TooLong { len, max });
        }
        let length = self.piece(total);
        let reservation = self.reserve_if_room(length).map_err(|refused| match refused {
            Refused::Full => TryWriteError::Full,
            Refused::Closed => self.why_closed().into(),
        })?;
        self.write_slice(reservation, length, total, buffers);
        Ok(length as usize)
    }

    /// Writes `buffers`, or as much of them as makes one slice, as a whole, when there is room. A writer
    /// that [never waits](Core::never_waits) writes or drops all of them.
    #[inline(always)]
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[impl Deref<Target = [u8]>],
        wait: Wait,
    ) -> Poll<Result<usize, WriteError>> {
        match buffers {
            [bytes] if self.write_at_once(bytes) => Poll::Ready(Ok(bytes.len())),
            _ => self.poll_write_among_others(context, buffers, wait),
        }
    }

    #[inline(never)]
    pub(super) fn poll_write_among_others(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[impl Deref<Target = [u8]>],
        wait: Wait,
    ) -> Poll<Result<usize, WriteError>> {
        let total = total_length(buffers);
        if total == 0 {
            return Poll::Ready(Ok(0));
        }
        if self.never_waits() {
            return Poll::Ready(match self.try_write_among_others(buffers) {
                Ok(length) => Ok(length),
                Err(error @ (TryWriteError::Full | TryWriteError::TooLong { .. })) => {
                    self.end_record();
                    if error == TryWriteError::Full {
                        self.leave_claim(total);
                    }
                    self.count_dropped(1, total);
                    Ok(total as usize)
                }
                Err(TryWriteError::Closed) => Err(WriteError::Closed),
                Err(TryWriteError::Terminated) => Err(WriteError::Terminated),
            });
        }
        self.begin()?;
        let length = self.piece(total);
        let reservation = ready!(self.poll_room(context.waker(), length, wait))?;
        self.write_slice(reservation, length, total, buffers);
        Poll::Ready(Ok(length as usize))
    }

    /// What was written in part is not gone on with.
    #[inline]
    pub(crate) fn end_record(&mut self) {
        self.rest = None;
    }
}

/// What is left of a write that was split. The caller passes it to the next write, if it goes on. It is
/// known by where it lies in memory and how long it is: no more can be told of a caller that may have
/// turned to something else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rest {
    address: usize,
    length: NonZero<u64>,
}

impl Rest {
    /// All but the first `written` of the `total` bytes of `buffers`, if there are more.
    #[inline]
    fn of(buffers: &[impl Deref<Target = [u8]>], written: u64, total: u64) -> Option<Self> {
        let length = NonZero::new(total - written)?;
        let mut before = written as usize;
        let mut address = 0;
        for buffer in buffers {
            // An empty buffer, and the end of one, are no place of the next byte.
            if before < buffer.len() {
                address = buffer[before..].as_ptr().addr();
                break;
            }
            before -= buffer.len();
        }
        Some(Self { address, length })
    }
}

/// Saturates: that is longer than any slice.
#[inline]
fn total_length(buffers: &[impl Deref<Target = [u8]>]) -> u64 {
    let lengths = buffers.iter().map(|buffer| buffer.len());
    lengths.fold(0, |total: usize, length| total.saturating_add(length)) as u64
}
