//! What writers of both kinds are made of.

use crate::channel::shared::Shared;
use crate::channel::stats::WriterStats;
use crate::channel::terms::Backpressure;
use crate::channel::terms::{Ending, Strength};
use crate::channel::trace;
use crate::error::{
    ReserveError, SendError, TryReserveError, TrySendError, TryWriteError, WriteError,
};
use crate::ring::descriptor::{Description, Joins};
use crate::ring::position::{GRANULE, slice_size};
use crate::ring::{Lane, Refused, Reservation, Reserved, WriterSlot};
use crate::sync::table::Seat;
use crate::wait::budget::Budget;
use crate::wait::inside::is_inside;
use crate::wait::panics::Panics;
use crate::wait::queue::{self, Request, Ticket};
use std::future::poll_fn;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// How a writer ended by its own doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Done {
    ShutDown,
    Terminated,
}

/// Why a writer cannot have a slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    Closed,
    Terminated,
}

macro_rules! from_ended {
    ($($error:ident)*) => {$(
        impl From<Ended> for $error {
            #[inline]
            fn from(ended: Ended) -> Self {
                match ended {
                    Ended::Closed => Self::Closed,
                    Ended::Terminated => Self::Terminated,
                }
            }
        }
    )*};
}
from_ended!(TryWriteError WriteError TryReserveError ReserveError TrySendError SendError);

/// How a waiter is gone: [`crate::wait::queue`] says what for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// A task may forget it without a trace.
    #[cfg(any(feature = "tokio", feature = "futures"))]
    MayBeForgotten,
    /// It leaves the line in a destructor, or when a blocking call returns.
    LeavesWhenDropped,
}

impl Wait {
    /// How long such a waiter is waited for at first once it was woken.
    fn patience(self) -> u32 {
        match self {
            #[cfg(any(feature = "tokio", feature = "futures"))]
            Self::MayBeForgotten => 0,
            Self::LeavesWhenDropped => queue::PATIENCE,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Core {
    shared: Arc<Shared>,
    slot: Seat<WriterSlot>,
    id: u32,
    /// Nothing for the one slice of a channel's `reserve_slice`: it is no endpoint, the handle
    /// keeps the channel open meanwhile.
    strength: Option<Strength>,
    /// Open while the quick way of a write has nothing else to look at.
    lane: Lane,
    /// How many commits in a row looked for sleepers and found nobody.
    looked_in_vain: u32,
    /// The slice in flight. A writer has one at a time; should its guard be leaked, it is found
    /// here by whatever the writer does next.
    in_flight: Reservation,
    /// The place in the line for room, once this writer had to wait.
    ticket: Option<Ticket>,
    done: Option<Done>,
    /// The last slice was a piece of a write that goes on with the next one.
    is_splitting: bool,
}

impl Core {
    pub(crate) fn new(shared: Arc<Shared>, strength: Option<Strength>) -> Self {
        let (slot, id) = shared.add_writer(strength);
        let lane = shared.ring.lane();
        let core = Self {
            shared,
            slot,
            id,
            strength,
            lane,
            looked_in_vain: 0,
            in_flight: Reservation::NONE,
            ticket: None,
            done: None,
            is_splitting: false,
        };
        if let Some(strength) = strength {
            trace::came(&*core.shared, "writer", strength, id);
        }
        core
    }

    /// Whether its end was its own doing.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// Another writer of the same channel and kind; at its end, if this one is.
    #[inline]
    pub(crate) fn another(&self) -> Self {
        let mut another = Self::new(self.shared.clone(), self.strength);
        another.done = self.done;
        another
    }

    #[inline]
    pub(crate) fn turn(&mut self, strength: Strength) {
        if let Some(before) = self.strength.replace(strength) {
            if before != strength {
                self.shared.turn_writer(before, strength);
                trace::turned(&*self.shared, "writer", strength, self.id);
            }
        }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// How many slices it has committed, or dropped.
    #[cfg(feature = "futures")]
    pub(crate) fn sequence(&self) -> u64 {
        self.slot.figures.sequence.get()
    }

    pub(crate) fn stats(&self) -> WriterStats {
        WriterStats::read(&self.slot.figures, self.id)
    }

    #[inline]
    pub(crate) fn max_slice(&self) -> u64 {
        self.shared.ring.geometry().max_slice()
    }

    /// Why the channel takes no more slices.
    #[inline]
    pub(super) fn why_closed(&self) -> Ended {
        match self.shared.ending() {
            Ending::Terminated => Ended::Terminated,
            Ending::Open | Ending::Drained => Ended::Closed,
        }
    }

    /// Puts the writer in order for the next operation: gives up a slice whose guard was leaked,
    /// and refuses if the writer has come to its end.
    #[inline]
    pub(super) fn begin(&mut self) -> Result<(), Ended> {
        self.abort();
        match self.done {
            None => Ok(()),
            Some(Done::ShutDown) => Err(Ended::Closed),
            Some(Done::Terminated) => Err(Ended::Terminated),
        }
    }

    /// Reserves a slice, past the padding that it may need; `others` ring bytes of room stay free.
    fn reserve_now(&mut self, length: u64, others: u64) -> Result<Reservation, Refused> {
        loop {
            match self.shared.ring.reserve(&mut self.lane, length, others)? {
                Reserved::Slice(reservation) => {
                    self.open_lane(&reservation);
                    return Ok(reservation);
                }
                Reserved::Padding(_) => {
                    // Whatever lies behind the padding may have been committed before it, while
                    // readers were parked at the padding.
                    self.shared.after_commit();
                }
            }
        }
    }

    /// Opens the quick way behind `reservation`, the last one. It does not look at the line of those
    /// who wait, so it stays closed while somebody is there; who comes to the line later has taken the
    /// cursor away before. And what it writes does not go on with a write that was split.
    #[inline]
    fn open_lane(&mut self, reservation: &Reservation) {
        if self.shared.room.is_empty() && !self.is_splitting {
            self.shared.ring.open(&mut self.lane, reservation);
        } else {
            self.lane.close();
        }
    }

    /// Ends the watch for sleepers when it has been in vain for long.
    #[cold]
    fn count_look(&mut self, found: bool) {
        self.looked_in_vain = if found { 0 } else { self.looked_in_vain + 1 };
        if self.looked_in_vain >= self.shared.patience() {
            self.looked_in_vain = 0;
            self.shared.end_watch();
        }
    }

    /// Whether a write for which there is no room is dropped. Nobody waits within an event of ours.
    #[inline]
    pub(crate) fn never_waits(&self) -> bool {
        self.shared.backpressure == Backpressure::Drop || is_inside()
    }

    /// Reserves without waiting, and without taking the room of those who wait.
    #[inline]
    pub(super) fn reserve_if_room(&mut self, length: u64) -> Result<Reservation, Refused> {
        self.stop_waiting();
        let others = self.shared.room.claimed();
        match self.reserve_now(length, others) {
            Err(Refused::Full) if others > 0 => self.press_the_line(length),
            result => result,
        }
    }

    /// There is no room beside what those in the line claim, who may not come for it.
    #[cold]
    fn press_the_line(&mut self, length: u64) -> Result<Reservation, Refused> {
        while let Some(others) = self.shared.refuse_newcomer(length) {
            match self.reserve_now(length, others) {
                Err(Refused::Full) if others > 0 => {}
                result => return result,
            }
        }
        Err(Refused::Full)
    }

    /// Reserves, or joins the line of those who wait for room.
    #[inline]
    pub(super) fn poll_room(
        &mut self,
        waker: &Waker,
        length: u64,
        wait: Wait,
    ) -> Poll<Result<Reservation, Ended>> {
        if self.ticket.is_none() {
            match self.reserve_now(length, self.shared.room.claimed()) {
                Ok(reservation) => return Poll::Ready(Ok(reservation)),
                Err(Refused::Closed) => return Poll::Ready(Err(self.why_closed())),
                Err(Refused::Full) => {}
            }
        }
        self.lane.close();
        let claim = self.shared.ring.room_with_padding(length);
        let request = Request { length, claim, patience: wait.patience() };
        let result = loop {
            let others = self.shared.wait_for_room(&mut self.ticket, request, waker);
            match self.reserve_now(length, others) {
                Ok(reservation) => break Ok(reservation),
                Err(Refused::Closed) => break Err(self.why_closed()),
                Err(Refused::Full) => {}
            }
            // Padding may have been had. The quick way is not for who waits.
            self.lane.close();
            if !self.shared.refuse_waiter(self.ticket, length, others) {
                return Poll::Pending;
            }
        };
        let mut panics = Panics::new();
        let left = panics.run(|| self.stop_waiting());
        if let (Ok(reservation), None) = (result, left) {
            // It goes no further than this, and would hold up every reader.
            panics.run(|| self.shared.give_up(reservation));
        }
        panics.finish();
        Poll::Ready(result)
    }

    /// Leaves the line, if this writer is in there, and lets the next one have its turn.
    #[inline]
    pub(crate) fn stop_waiting(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.leave_line(ticket);
        }
    }

    #[inline]
    pub(super) fn check_length(&self, length: usize) -> Result<u64, (usize, usize)> {
        let max = self.max_slice();
        if length as u64 <= max { Ok(length as u64) } else { Err((length, max as usize)) }
    }

    #[inline]
    pub(crate) fn try_reserve(&mut self, length: usize) -> Result<Reservation, TryReserveError> {
        match self.reserve_in_flight(length) {
            Some(reservation) => Ok(reservation),
            None => self.try_reserve_among_others(length),
        }
    }

    /// [`Core::try_reserve`] of one that had no luck there.
    #[inline(never)]
    fn try_reserve_among_others(&mut self, length: usize) -> Result<Reservation, TryReserveError> {
        self.begin()?;
        let length = self
            .check_length(length)
            .map_err(|(len, max)| TryReserveError::TooLong { len, max })?;
        let reservation = self.reserve_if_room(length).map_err(|refused| match refused {
            Refused::Full => TryReserveError::Full,
            Refused::Closed => self.why_closed().into(),
        })?;
        self.set_in_flight(reservation);
        Ok(reservation)
    }

    /// The quick way to a reservation that stays in flight.
    fn reserve_in_flight(&mut self, length: usize) -> Option<Reservation> {
        let can_be = (1..=self.max_slice()).contains(&(length as u64));
        let reservation = if can_be { self.reserve_alone(length as u64)? } else { return None };
        self.set_in_flight(reservation);
        Some(reservation)
    }

    fn set_in_flight(&mut self, reservation: Reservation) {
        self.in_flight = reservation;
        self.lane.close();
    }

    /// Waits for a reservation. Dropped, the future leaves the line.
    pub(crate) async fn reserve(&mut self, length: usize) -> Result<Reservation, ReserveError> {
        self.wait_for(|core, context| core.poll_reserve(context, length)).await
    }

    /// Waits until `poll` is ready. Dropped, the future leaves the line.
    pub(super) async fn wait_for<T>(
        &mut self,
        mut poll: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> T {
        /// Stops waiting when the future is dropped.
        struct Waiting<'a>(&'a mut Core);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.stop_waiting();
            }
        }
        let waiting = Waiting(self);
        let mut budget = Budget::default();
        poll_fn(|context| budget.poll(context, |context| poll(waiting.0, context))).await
    }

    /// The caller calls [`Core::stop_waiting`] when it gives up.
    #[inline]
    pub(crate) fn poll_reserve(
        &mut self,
        context: &mut Context<'_>,
        length: usize,
    ) -> Poll<Result<Reservation, ReserveError>> {
        if let Some(reservation) = self.reserve_in_flight(length) {
            return Poll::Ready(Ok(reservation));
        }
        if self.never_waits() {
            return Poll::Ready(self.try_reserve(length).map_err(ReserveError::from));
        }
        self.begin()?;
        let length =
            self.check_length(length).map_err(|(len, max)| ReserveError::TooLong { len, max })?;
        let room = ready!(self.poll_room(context.waker(), length, Wait::LeavesWhenDropped));
        Poll::Ready(match room {
            Ok(reservation) => {
                self.set_in_flight(reservation);
                Ok(reservation)
            }
            Err(ended) => Err(ended.into()),
        })
    }

    /// Copies `bytes` to `offset` of the slice in flight.
    #[inline]
    pub(crate) fn fill(&self, reservation: &Reservation, offset: u64, bytes: &[u8]) {
        self.shared.ring.write(reservation, offset, bytes);
    }

    /// Commits the first `length` bytes of the slice in flight.
    pub(crate) fn commit(&mut self, length: u64) {
        if let Some(mut reservation) = self.in_flight.take() {
            let reserved = reservation.size;
            // The next one may be reserved alone again.
            self.open_lane(&reservation);
            self.shared.ring.trim(&mut reservation, length);
            // What was trimmed was used up as well.
            self.slot.figures.ring_bytes.add(reserved - reservation.size);
            self.is_splitting = false;
            self.publish(reservation, length, Joins::default());
        }
    }

    /// Commits a reservation of just the size of `length` bytes, and counts them.
    #[inline]
    pub(super) fn publish(&mut self, reservation: Reservation, length: u64, joins: Joins) {
        let figures = &self.slot.figures;
        let description = Description {
            length: length as u32,
            writer: self.id,
            sequence: figures.sequence.get(),
            bytes: figures.bytes.get(),
            joins,
        };
        figures.sequence.add(1);
        figures.bytes.add(length);
        figures.ring_bytes.add(reservation.size);
        self.shared.ring.commit(reservation, description);
        self.after_commit();
    }

    /// Commits each of `messages`, which have been written side by side into a reservation of just
    /// their size. The last one goes first: nobody comes to it before the first one is there, and so
    /// readers see all of them or none.
    pub(super) fn publish_many(&mut self, reservation: Reservation, messages: &[&[u8]]) {
        let figures = &self.slot.figures;
        let total: u64 = messages.iter().map(|message| message.len() as u64).sum();
        let (mut sequence, mut bytes) = (figures.sequence.get(), figures.bytes.get());
        figures.sequence.add(messages.len() as u64);
        figures.bytes.add(total);
        figures.ring_bytes.add(reservation.size);
        sequence += messages.len() as u64;
        bytes += total;
        let mut offset = reservation.size;
        for message in messages.iter().rev() {
            let length = message.len() as u64;
            offset -= slice_size(length);
            sequence -= 1;
            bytes -= length;
            let joins = Joins::default();
            let description =
                Description { length: length as u32, writer: self.id, sequence, bytes, joins };
            self.shared.ring.commit(reservation.part(offset, length), description);
        }
        self.after_commit();
    }

    /// Wakes whom a commit may have unblocked.
    #[inline]
    fn after_commit(&mut self) {
        if let Some(found) = self.shared.after_commit() {
            self.count_look(found);
        }
    }

    /// Gives the slice in flight up, if there is one.
    #[inline]
    pub(crate) fn abort(&mut self) {
        if let Some(reservation) = self.in_flight.take() {
            self.shared.give_up(reservation);
        }
    }

    /// Counts slices that were discarded for want of room, and their bytes.
    pub(super) fn count_dropped(&mut self, slices: u64, bytes: u64) {
        let figures = &self.slot.figures;
        figures.sequence.add(slices);
        figures.bytes.add(bytes);
        figures.dropped_slices.add(slices);
        figures.dropped_bytes.add(bytes);
        trace::dropped(&*self.shared, self.id, slices, bytes);
    }

    /// How much of a write of `total` bytes goes into its next slice: all, if one can hold it. What
    /// is longer goes in quarters of the ring, so that readers can be at one while the next is
    /// written.
    #[inline]
    fn piece(&self, total: u64) -> u64 {
        let max = self.max_slice();
        if total <= max { total } else { (self.shared.ring.capacity() / 4).clamp(GRANULE, max) }
    }

    /// How a slice of `length` of the `total` bytes of a write goes together with those beside it.
    #[inline]
    fn join(&mut self, length: u64, total: u64) -> Joins {
        let continues = self.is_splitting;
        self.is_splitting = length < total;
        if self.is_splitting {
            self.lane.close();
        }
        Joins { continues, is_continued: self.is_splitting }
    }

    /// Fills a reservation with the first `length` of the `total` bytes of `buffers`, and commits it.
    #[inline]
    fn write_slice(
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
        let joins = self.join(length, total);
        self.publish(reservation, length, joins);
    }

    /// The quick way to a reservation for `length` bytes, more than 0. Whatever stands in the way of it
    /// has closed the lane.
    #[inline]
    fn reserve_alone(&mut self, length: u64) -> Option<Reservation> {
        self.shared.ring.reserve_alone(&mut self.lane, slice_size(length))
    }

    /// The quick way of a write: `bytes` become one slice, if this writer owns the cursor and has
    /// room. If not, nothing has happened.
    #[inline]
    pub(crate) fn write_alone(&mut self, bytes: &[u8]) -> bool {
        let length = bytes.len() as u64;
        if length == 0 {
            return false;
        }
        let Some(reservation) = self.reserve_alone(length) else { return false };
        self.fill(&reservation, 0, bytes);
        self.publish(reservation, length, Joins::default());
        true
    }

    #[inline]
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> Result<usize, TryWriteError> {
        if self.write_alone(bytes) {
            Ok(bytes.len())
        } else {
            self.try_write_among_others(&[bytes])
        }
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
        let length = self.piece(total);
        let reservation = self.reserve_if_room(length).map_err(|refused| match refused {
            Refused::Full => TryWriteError::Full,
            Refused::Closed => self.why_closed().into(),
        })?;
        self.write_slice(reservation, length, total, buffers);
        Ok(length as usize)
    }

    /// Writes `buffers`, or as much of them as makes one slice, as a whole, when there is room.
    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[impl Deref<Target = [u8]>],
        wait: Wait,
    ) -> Poll<Result<usize, WriteError>> {
        match buffers {
            [bytes] if self.write_alone(bytes) => Poll::Ready(Ok(bytes.len())),
            _ => self.poll_write_among_others(context, buffers, wait),
        }
    }

    #[inline(never)]
    fn poll_write_among_others(
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
                Err(TryWriteError::Full) => {
                    let length = self.piece(total);
                    self.join(length, total);
                    self.count_dropped(1, length);
                    Ok(length as usize)
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
    pub(super) fn end_splitting(&mut self) {
        self.is_splitting = false;
    }

    /// This writer is done: it stops keeping the channel open.
    #[inline]
    pub(crate) fn shut_down(&mut self) {
        self.finish(Done::ShutDown);
    }

    #[inline]
    pub(crate) fn terminate(&mut self) {
        self.finish(Done::Terminated);
    }

    #[inline]
    fn finish(&mut self, done: Done) {
        self.lane.close();
        if self.done != Some(Done::Terminated) {
            self.done = Some(done);
        }
        let mut panics = Panics::new();
        panics.run(|| self.abort());
        panics.run(|| self.stop_waiting());
        // It counts as a weak one from here on: nothing waits for it.
        panics.run(|| self.turn(Strength::Weak));
        panics.finish();
    }

    /// Whether writes are refused, now and for ever.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.done.is_some() || self.shared.ending() != Ending::Open
    }

    /// Marks the slice in flight as one that the channel's handle must give up if its guard is
    /// leaked, or takes the mark away.
    #[inline]
    pub(crate) fn mark_in_flight(&self) {
        let (position, size) = &self.slot.in_flight;
        position.set(self.in_flight.position.granule());
        size.set(self.in_flight.size);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let mut panics = Panics::new();
        panics.run(|| self.abort());
        panics.run(|| self.stop_waiting());
        self.mark_in_flight();
        panics.run(|| self.shared.remove_writer(&self.slot, self.id, self.strength));
        panics.finish();
    }
}

/// Saturates: that is longer than any slice.
#[inline]
fn total_length(buffers: &[impl Deref<Target = [u8]>]) -> u64 {
    let lengths = buffers.iter().map(|buffer| buffer.len());
    lengths.fold(0, |total: usize, length| total.saturating_add(length)) as u64
}
