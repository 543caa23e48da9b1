//! Sending messages: each is one slice, or an error.

use super::Core;
use super::wait::Wait;
use crate::channel::terms::Sent;
use crate::channel::trace;
use crate::error::{ReportMissedError, SendError, TrySendError};
use crate::ring::descriptor::Joins;
use crate::ring::position::slice_size;
use crate::ring::{Refused, Reservation};
use crate::wait::budget::is_small;
use std::task::{Context, Poll, ready};

impl Core {
    #[inline(always)]
    pub(crate) fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        if self.write_exclusive(message) { Ok(()) } else { self.try_send_shared(message) }
    }

    /// The same where other writers move the cursor as well.
    #[inline(never)]
    fn try_send_shared(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        if self.write_shared(message) {
            Ok(())
        } else if self.is_still_full(message.len() as u64) {
            Err(TrySendError::Full)
        } else {
            self.try_send_at_rest(message)
        }
    }

    #[inline(never)]
    fn try_send_at_rest(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        match self.write_at_rest(message) {
            Some(true) => Ok(()),
            Some(false) => Err(TrySendError::Full),
            None => self.try_send_among_others(message),
        }
    }

    /// [`Core::try_send`] of one that had no luck there.
    #[inline(never)]
    pub(crate) fn try_send_among_others(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        let length = self.begin_to_send(message.len() as u64)?;
        let reservation = self.reserve_to_send(length)?;
        self.send_slice(reservation, message);
        Ok(())
    }

    /// Sends, or joins the line for room. A writer that [never waits](Core::never_waits_as) drops.
    #[inline]
    pub(crate) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        message: &[u8],
        wait: Wait,
    ) -> Poll<Result<Sent, SendError>> {
        if self.write_at_once(message) {
            return Poll::Ready(Ok(Sent::Delivered));
        }
        let reserved = self.poll_to_send(context, message.len() as u64, wait);
        Poll::Ready(Ok(match ready!(reserved)? {
            Some(reservation) => {
                self.send_slice(reservation, message);
                Sent::Delivered
            }
            None => self.drop_message(message.len() as u64),
        }))
    }

    /// Sends, and waits for room if need be.
    #[inline]
    pub(crate) fn send(&mut self, message: &[u8]) -> impl Future<Output = Result<Sent, SendError>> {
        let at_once = |core: &mut Self, context: &mut Context<'_>| {
            core.send_at_once(context, message).then_some(Ok(Sent::Delivered))
        };
        self.at_once_or_wait(at_once, |core, context| {
            core.poll_send(context, message, Wait::LeavesWhenDropped)
        })
    }

    /// The same of what is small, if there is room, and something of the budget is left.
    #[inline(always)]
    fn send_at_once(&mut self, context: &mut Context<'_>, message: &[u8]) -> bool {
        let may = is_small(message.len()) && self.allowance.is_left();
        let is_sent = may && self.write_at_once(message);
        if is_sent {
            self.allowance.pay(context);
        }
        is_sent
    }

    /// Sends, or drops when `until` is ready and there has been no room.
    pub(crate) async fn send_or_drop(
        &mut self,
        message: &[u8],
        until: impl Future,
    ) -> Result<Sent, SendError> {
        let wait = Wait::UntilGivenUp;
        let sent = self.wait_until(until, |core, context| core.poll_send(context, message, wait));
        match sent.await {
            Some(sent) => sent,
            None => Ok(self.drop_message(message.len() as u64)),
        }
    }

    pub(crate) fn try_send_many(&mut self, messages: &impl Batch) -> Result<(), TrySendError> {
        if is_empty(messages) {
            return Ok(());
        }
        let size = total_size(messages);
        let reservation = match self.reserve_whole_exclusive(size) {
            Some(reservation) => reservation,
            None => self.reserve_many(size)?,
        };
        self.send_slices(reservation, messages);
        Ok(())
    }

    #[inline(never)]
    fn reserve_many(&mut self, size: u64) -> Result<Reservation, TrySendError> {
        if self.is_still_full(size) {
            return Err(TrySendError::Full);
        }
        let size = self.begin_to_send(size)?;
        self.reserve_to_send(size)
    }

    /// As [`Core::poll_send`].
    pub(crate) fn poll_send_many(
        &mut self,
        context: &mut Context<'_>,
        messages: &impl Batch,
        wait: Wait,
    ) -> Poll<Result<Sent, SendError>> {
        if is_empty(messages) {
            return Poll::Ready(Ok(Sent::Delivered));
        }
        let size = total_size(messages);
        if let Some(reservation) = self.reserve_whole_exclusive(size) {
            self.send_slices(reservation, messages);
            return Poll::Ready(Ok(Sent::Delivered));
        }
        let reserved = self.poll_to_send(context, size, wait);
        Poll::Ready(Ok(match ready!(reserved)? {
            Some(reservation) => {
                self.send_slices(reservation, messages);
                Sent::Delivered
            }
            None => {
                let (mut many, mut bytes) = (0, 0);
                for message in messages.clone() {
                    many += 1;
                    bytes += message.as_ref().len() as u64;
                }
                self.drop_messages(many, bytes, size)
            }
        }))
    }

    /// Sends all of them, and waits for room if need be.
    pub(crate) async fn send_many(&mut self, messages: &impl Batch) -> Result<Sent, SendError> {
        let wait = Wait::LeavesWhenDropped;
        self.wait_for(|core, context| core.poll_send_many(context, messages, wait)).await
    }

    /// Whether so much can be sent at all.
    fn begin_to_send(&mut self, length: u64) -> Result<u64, TrySendError> {
        self.begin()?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.check_length(length).map_err(|(len, max)| TrySendError::TooLong { len, max })
    }

    fn reserve_to_send(&mut self, length: u64) -> Result<Reservation, TrySendError> {
        self.reserve_if_room(length).map_err(|refused| match refused {
            Refused::Full => TrySendError::Full,
            Refused::Closed => self.why_closed().into(),
        })
    }

    /// A reservation; nothing if what was to be sent is to be dropped.
    fn poll_to_send(
        &mut self,
        context: &mut Context<'_>,
        length: u64,
        wait: Wait,
    ) -> Poll<Result<Option<Reservation>, SendError>> {
        let reserved = match self.begin_to_send(length) {
            Ok(length) if !self.never_waits_as(wait) => {
                let room = ready!(self.poll_room(context.waker(), length, wait));
                return Poll::Ready(Ok(Some(room?)));
            }
            Ok(length) => self.reserve_to_send(length),
            Err(error) => Err(error),
        };
        Poll::Ready(match reserved {
            Ok(reservation) => Ok(Some(reservation)),
            Err(refused) => match refused.unless_full() {
                None => Ok(None),
                Some(error) => Err(error),
            },
        })
    }

    fn send_slice(&mut self, reservation: Reservation, message: &[u8]) {
        self.end_record();
        self.fill(&reservation, 0, message);
        self.publish(reservation, message.len() as u64, Joins::default());
    }

    fn send_slices(&mut self, reservation: Reservation, messages: &impl Batch) {
        self.end_record();
        // The iterator and `as_ref` are code of others. If they panic, or tell more than before, the
        // slice is given up by what this writer does next.
        self.in_flight = reservation;
        self.lane.suspend();
        let mut many = self.begin_many(reservation);
        for message in messages.clone() {
            many.write(message.as_ref());
        }
        let count = many.count();
        let _whole = self.in_flight.take();
        if !self.lane.resume() {
            self.open_lane(&reservation);
        }
        self.publish_many(reservation, count);
    }

    /// Counts messages as dropped that another place has lost, and their bytes.
    pub(crate) fn report_missed(
        &mut self,
        messages: u64,
        bytes: u64,
    ) -> Result<(), ReportMissedError> {
        self.check_open()?;
        if messages == 0 && bytes == 0 {
            return Ok(());
        }
        if messages == 0 {
            return Err(ReportMissedError::NoMessage { bytes });
        }
        let sent = self.slot.figures.sent.own();
        // Sequence numbers have one bit more (`Joins`): no writer sends as many messages as are left.
        let fits = |sum: u64, more: u64| sum.checked_add(more).is_some_and(|sum| sum < 1 << 61);
        if !fits(sent.messages, messages) || !fits(sent.bytes, bytes) {
            return Err(ReportMissedError::TooMany { messages, bytes });
        }
        self.end_record();
        self.count_dropped(messages, bytes);
        // Last, since it may be an event.
        trace::tell_drops(&**self.shared());
        Ok(())
    }

    /// Counts messages that are dropped for want of room, and their bytes; `length` is what was to be
    /// reserved.
    pub(crate) fn drop_messages(&mut self, messages: u64, bytes: u64, length: u64) -> Sent {
        self.end_record();
        self.leave_claim(length);
        self.count_dropped(messages, bytes);
        // Last, since it may be an event.
        trace::tell_drops(&**self.shared());
        Sent::Dropped
    }

    /// The same for a single one.
    pub(crate) fn drop_message(&mut self, length: u64) -> Sent {
        self.drop_messages(1, length, length)
    }
}

/// Messages that are gone through more than once: for how much room they take, and to be written.
pub(crate) trait Batch: Iterator<Item: AsRef<[u8]>> + Clone {}

impl<I: Iterator<Item: AsRef<[u8]>> + Clone> Batch for I {}

fn is_empty(messages: &impl Batch) -> bool {
    messages.clone().next().is_none()
}

/// The ring bytes that messages take side by side. Saturates: that is more than any ring has.
fn total_size(messages: &impl Batch) -> u64 {
    let sizes = messages.clone().map(|message| slice_size(message.as_ref().len() as u64));
    sizes.fold(0, u64::saturating_add)
}
