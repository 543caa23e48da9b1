//! Reserving, without waiting.

use super::Core;
use super::end::{Done, Ended};
use super::wait::Wait;
use crate::channel::terms::{Backpressure, Ending};
use crate::error::{ReserveError, TryReserveError};
use crate::ring::position::{GRANULE, fits_a_granule, slice_size};
use crate::ring::{Refused, Reservation, Reserved};
use crate::wait::budget::is_small;
use crate::wait::panics::Panics;
use std::task::{Context, Poll, ready};

impl Core {
    /// Why the channel takes no more slices.
    #[inline]
    pub(crate) fn why_closed(&self) -> Ended {
        match self.shared.ending() {
            Ending::Terminated => Ended::Terminated,
            Ending::Open | Ending::Drained | Ending::Failed => Ended::Closed,
        }
    }

    /// Puts the writer in order for the next operation: gives up a slice whose guard was leaked,
    /// and refuses if the writer has come to its end.
    #[inline]
    pub(crate) fn begin(&mut self) -> Result<(), Ended> {
        self.abort();
        match self.done {
            None => Ok(()),
            Some(Done::ShutDown) => Err(Ended::Closed),
            Some(Done::Terminated) => Err(Ended::Terminated),
        }
    }

    /// Whether a slice of so many bytes finds no room, as the last one, and there is nothing else to look at.
    #[inline(never)]
    pub(super) fn is_still_full(&self, length: u64) -> bool {
        length <= self.max_slice()
            && self.shared.ring.is_still_full(&self.lane, length)
            && self.rest.is_none()
            && self.is_at_rest()
            && !self.owes()
    }

    /// Whether [`Core::begin`] has nothing to do, and the writer waits for no room.
    #[inline]
    pub(super) fn is_at_rest(&self) -> bool {
        self.in_flight.size == 0 && self.done.is_none() && self.ticket.is_none()
    }

    /// As [`Core::begin`], and refuses as well if the channel takes no more slices.
    pub(crate) fn check_open(&mut self) -> Result<(), Ended> {
        self.begin()?;
        if self.is_closed() { Err(self.why_closed()) } else { Ok(()) }
    }

    /// Reserves a slice; `others` ring bytes of room stay free.
    #[inline]
    pub(super) fn reserve_now(&mut self, length: u64, others: u64) -> Result<Reservation, Refused> {
        let Reserved { slice, is_padded } =
            self.shared.ring.reserve(&mut self.lane, length, others)?;
        if is_padded {
            self.wake_for_padding(slice);
        }
        self.open_lane(&slice);
        Ok(slice)
    }

    /// The padding before `slice` was skipped, and need not wait for the commit: it may be what a writer
    /// waits for, or what a weak reader that waits there has missed.
    #[cold]
    fn wake_for_padding(&self, slice: Reservation) {
        let mut panics = Panics::new();
        if panics.run(|| self.shared.after_commit()).is_none() {
            // The slice goes no further than this, and would hold up every reader.
            panics.run(|| self.shared.give_up(slice));
        }
        panics.finish();
    }

    /// Opens the quick way after `reservation`, the last one of this writer. The quick way does not look
    /// at the line for room, nor at what is owed. So it stays closed while a writer waits there. A writer
    /// that joins the line later takes the cursor away from this one first. The quick way also stays closed
    /// in the middle of a write that was split: it does not mark pieces.
    #[inline]
    pub(super) fn open_lane(&mut self, reservation: &Reservation) {
        if self.shared.room.is_empty() && self.rest.is_none() && !self.owes() {
            self.shared.ring.open(&mut self.lane, reservation);
        } else {
            self.lane.close();
        }
    }

    /// Reserves without waiting, and without taking the room of those who wait.
    #[inline]
    pub(crate) fn reserve_if_room(&mut self, length: u64) -> Result<Reservation, Refused> {
        self.stop_waiting();
        if self.owes() { self.reserve_and_settle(length) } else { self.reserve_beside(length, 0) }
    }

    /// The same; `owed` ring bytes of room stay free besides.
    #[inline]
    pub(super) fn reserve_beside(
        &mut self,
        length: u64,
        owed: u64,
    ) -> Result<Reservation, Refused> {
        let claimed = self.shared.room.claimed();
        match self.reserve_now(length, claimed + owed) {
            Err(Refused::Full) if claimed > 0 => self.press_the_line(length),
            result => result,
        }
    }

    /// There is no room beside what those in the line claim, who may not come for it.
    #[cold]
    pub(super) fn press_the_line(&mut self, length: u64) -> Result<Reservation, Refused> {
        while let Some(others) = self.shared.refuse_newcomer(length) {
            match self.reserve_now(length, others) {
                Err(Refused::Full) if others > 0 => {}
                result => return result,
            }
        }
        Err(Refused::Full)
    }

    #[inline]
    pub(crate) fn check_length(&self, length: usize) -> Result<u64, (usize, usize)> {
        let max = self.max_slice();
        if length as u64 <= max { Ok(length as u64) } else { Err((length, max as usize)) }
    }

    #[inline(always)]
    pub(crate) fn try_reserve(&mut self, length: usize) -> Result<Reservation, TryReserveError> {
        if fits_a_granule(length) {
            if let Some(reservation) = self.shared.ring.reserve_exclusive(&mut self.lane, GRANULE) {
                self.suspend_for(reservation);
                return Ok(reservation);
            }
        }
        self.try_reserve_among_others(length)
    }

    /// [`Core::try_reserve`] of what is longer than a granule, or had no luck there.
    #[inline(never)]
    pub(super) fn try_reserve_among_others(
        &mut self,
        length: usize,
    ) -> Result<Reservation, TryReserveError> {
        if self.is_still_full(length as u64) {
            return Err(TryReserveError::Full);
        }
        if let Some(reservation) = self.reserve_in_flight(length) {
            return Ok(reservation);
        }
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
    pub(super) fn reserve_in_flight(&mut self, length: usize) -> Option<Reservation> {
        let can_be = (1..=self.max_slice()).contains(&(length as u64));
        let reservation =
            if can_be { self.reserve_exclusive(length as u64)? } else { return None };
        self.suspend_for(reservation);
        Some(reservation)
    }

    /// The same of one that was reserved the quick way.
    #[inline(always)]
    fn suspend_for(&mut self, reservation: Reservation) {
        self.in_flight = reservation;
        self.lane.suspend();
    }

    pub(super) fn set_in_flight(&mut self, reservation: Reservation) {
        self.in_flight = reservation;
        self.lane.close();
    }

    /// Waits for a reservation. Dropped, the future leaves the line.
    #[inline]
    pub(crate) fn reserve(
        &mut self,
        length: usize,
    ) -> impl Future<Output = Result<Reservation, ReserveError>> {
        let at_once = move |core: &mut Self, context: &mut Context<'_>| {
            core.reserve_at_once(context, length).map(Ok)
        };
        self.at_once_or_wait(at_once, move |core, context| {
            core.poll_reserve(context, length, Wait::LeavesWhenDropped)
        })
    }

    /// The same of what is small, if there is room, and something of the budget is left.
    #[inline(always)]
    fn reserve_at_once(&mut self, context: &mut Context<'_>, length: usize) -> Option<Reservation> {
        if !is_small(length) || !self.allowance.is_left() {
            return None;
        }
        if let Some(reservation) = self.reserve_in_flight(length) {
            self.allowance.pay(context);
            return Some(reservation);
        }
        let reservation = self.reserve_in_flight_among_others(length)?;
        self.allowance.pay(context);
        Some(reservation)
    }

    /// The same where other writers move the cursor as well. Who drops may have no room most of the time, and
    /// would look twice.
    #[inline(never)]
    fn reserve_in_flight_among_others(&mut self, length: usize) -> Option<Reservation> {
        if self.backpressure == Backpressure::Drop {
            return None;
        }
        let reservation = self.reserve_at_rest(length as u64)??;
        self.set_in_flight(reservation);
        Some(reservation)
    }

    /// The caller calls [`Core::stop_waiting`] when it gives up.
    #[inline]
    pub(crate) fn poll_reserve(
        &mut self,
        context: &mut Context<'_>,
        length: usize,
        wait: Wait,
    ) -> Poll<Result<Reservation, ReserveError>> {
        if let Some(reservation) = self.reserve_in_flight(length) {
            return Poll::Ready(Ok(reservation));
        }
        if self.never_waits_as(wait) {
            return Poll::Ready(self.try_reserve(length).map_err(ReserveError::from));
        }
        self.begin()?;
        let length =
            self.check_length(length).map_err(|(len, max)| ReserveError::TooLong { len, max })?;
        let room = ready!(self.poll_room(context.waker(), length, wait));
        Poll::Ready(match room {
            Ok(reservation) => {
                self.set_in_flight(reservation);
                Ok(reservation)
            }
            Err(ended) => Err(ended.into()),
        })
    }

    /// Gives the slice in flight up, if there is one.
    #[inline]
    pub(crate) fn abort(&mut self) {
        if self.in_flight.size > 0 {
            self.abort_in_flight();
        }
    }

    #[inline(never)]
    fn abort_in_flight(&mut self) {
        if let Some(reservation) = self.in_flight.take() {
            self.shared.give_up(reservation);
        }
    }

    /// The quick way to a reservation for `length` bytes, more than 0. Whatever stands in the way of it
    /// has closed the lane.
    #[inline]
    pub(super) fn reserve_exclusive(&mut self, length: u64) -> Option<Reservation> {
        self.reserve_whole_exclusive(slice_size(length))
    }

    /// The same for `size` ring bytes, whole granules.
    #[inline]
    pub(super) fn reserve_whole_exclusive(&mut self, size: u64) -> Option<Reservation> {
        self.shared.ring.reserve_exclusive(&mut self.lane, size)
    }
}
