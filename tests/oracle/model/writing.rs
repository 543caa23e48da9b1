//! What writers do.

use super::line::THRESHOLD;
use super::{GRANULE, Model, Refused, State};
use std::task::Poll;

impl Model {
    /// The bytes of the next slice of a write of `total`: all of them, if one can hold them.
    pub(super) fn piece(&self, total: u64) -> u64 {
        if total <= self.capacity { total } else { (self.capacity / 4).max(GRANULE) }
    }

    /// What every operation of a writer begins with: a leaked slice is given up.
    pub(super) fn begin(&mut self, index: usize) -> Result<(), Refused> {
        self.abort(index);
        self.writer(index).done.map_or(Ok(()), Err)
    }

    pub(crate) fn try_reserve(&mut self, index: usize, length: u64) -> Result<u64, Refused> {
        self.begin(index)?;
        if length > self.capacity {
            return Err(Refused::TooLong);
        }
        self.leave_line(index);
        // Nobody takes the room of those who wait.
        let owed = self.owed_besides(index, length);
        let reserved = self.reserve_as_newcomer(length, owed);
        if reserved == Err(Refused::Full) {
            // It is told apart whether there is room but for others, who may not come for it.
            self.has_room(length, 0);
        }
        let at = reserved?;
        self.settle_claim(index, length);
        self.writer(index).in_flight = Some(at);
        Ok(at)
    }

    pub(crate) fn poll_reserve(
        &mut self,
        index: usize,
        length: u64,
        waker: usize,
    ) -> Poll<Result<u64, Refused>> {
        let waits = !self.writer(index).drops;
        self.poll_reserve_if(waits, index, length, waker)
    }

    pub(super) fn poll_reserve_if(
        &mut self,
        waits: bool,
        index: usize,
        length: u64,
        waker: usize,
    ) -> Poll<Result<u64, Refused>> {
        let result = if !waits {
            self.try_reserve(index, length)
        } else {
            match self.begin(index) {
                Ok(()) if length > self.capacity => Err(Refused::TooLong),
                Ok(()) => match self.poll_room(index, length, THRESHOLD, waker) {
                    Poll::Ready(result) => result,
                    Poll::Pending => return Poll::Pending,
                },
                Err(refused) => Err(refused),
            }
        };
        self.leave_line(index);
        if let Ok(at) = result {
            self.writer(index).in_flight = Some(at);
        }
        Poll::Ready(result)
    }

    /// The future of a reservation was dropped while it waited.
    pub(crate) fn stop_waiting(&mut self, index: usize) {
        self.leave_line(index);
    }

    /// Commits the first piece of a write of `total` bytes.
    fn commit_piece(&mut self, index: usize, bytes: &[u8], total: usize) {
        let rest = &mut self.writer(index).rest;
        let continues = rest.take() == Some((bytes.as_ptr().addr(), total));
        let goes_on = bytes.len() < total;
        *rest = goes_on.then(|| (bytes.as_ptr_range().end.addr(), total - bytes.len()));
        self.publish(index, &[bytes], continues, goes_on);
    }

    pub(crate) fn abort(&mut self, index: usize) {
        if let Some(at) = self.writer(index).in_flight.take() {
            self.give_up(at);
        }
    }

    pub(super) fn give_up(&mut self, at: u64) {
        let place = self.slices.partition_point(|slice| slice.at < at);
        self.slices[place].state = State::Skipped;
        self.after_commit();
    }

    /// A slice of the channel's own was leaked: it is given up with the handle.
    pub(crate) fn leak(&mut self, index: usize) {
        let at = self.writer(index).in_flight.take().unwrap();
        self.leaked.push(at);
    }

    pub(crate) fn try_write(&mut self, index: usize, bytes: &[u8]) -> Result<u64, Refused> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if self.writer(index).drops && bytes.len() as u64 > self.capacity {
            self.begin(index)?;
            self.leave_line(index);
            return Err(Refused::TooLong);
        }
        let length = self.piece(bytes.len() as u64);
        self.try_reserve(index, length)?;
        self.commit_piece(index, &bytes[..length as usize], bytes.len());
        Ok(length)
    }

    #[cfg(feature = "futures")]
    pub(crate) fn poll_write(
        &mut self,
        index: usize,
        bytes: &[u8],
        waker: usize,
    ) -> Poll<Result<u64, Refused>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.writer(index).drops {
            let written = self.try_write(index, bytes);
            if !matches!(written, Err(Refused::Full | Refused::TooLong)) {
                return Poll::Ready(written);
            }
            if written == Err(Refused::Full) {
                self.leave_claim(index, bytes.len() as u64);
            }
            self.drop_message(index, bytes.len() as u64);
            return Poll::Ready(Ok(bytes.len() as u64));
        }
        let length = self.piece(bytes.len() as u64);
        let room = match self.begin(index) {
            Ok(()) => self.poll_room(index, length, 0, waker),
            Err(refused) => Poll::Ready(Err(refused)),
        };
        if let Poll::Ready(Ok(at)) = room {
            self.writer(index).in_flight = Some(at);
            self.commit_piece(index, &bytes[..length as usize], bytes.len());
        }
        room.map_ok(|_| length)
    }
}
