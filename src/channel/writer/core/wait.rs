//! Waiting for room, and for whatever else a writer waits for.

use super::Core;
use super::end::Ended;
use crate::channel::terms::Backpressure;
use crate::ring::position::{GRANULE, Position};
use crate::ring::{Refused, Reservation};
use crate::wait::inside::is_inside;
use crate::wait::line::{self, Request};
use crate::wait::panics::Panics;
use crate::wait::until::at_once_or_ready;
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};

/// How a waiter is gone: [`crate::wait::line`] says what for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wait {
    /// A task may forget it without a trace.
    #[cfg(any(feature = "tokio", feature = "futures"))]
    MayBeForgotten,
    /// It leaves the line in a destructor, or when a blocking call returns.
    LeavesWhenDropped,
    /// As the one before. It waits even if the writer drops what there is no room for: the caller says
    /// for how long.
    UntilGivenUp,
}

impl Wait {
    /// How long such a waiter is waited for at first once it was woken.
    fn threshold(self) -> u32 {
        match self {
            #[cfg(any(feature = "tokio", feature = "futures"))]
            Self::MayBeForgotten => 0,
            Self::LeavesWhenDropped | Self::UntilGivenUp => line::THRESHOLD,
        }
    }
}

impl Core {
    /// Whether a write for which there is no room is dropped. Nobody waits within an event of ours.
    #[inline]
    pub(crate) fn never_waits(&self) -> bool {
        self.backpressure == Backpressure::Drop || is_inside()
    }

    /// The same for a waiter of that kind.
    #[inline]
    pub(crate) fn never_waits_as(&self, wait: Wait) -> bool {
        match wait {
            Wait::UntilGivenUp => is_inside(),
            _ => self.never_waits(),
        }
    }

    /// How far all writers have come.
    pub(crate) fn reserved(&self) -> Position {
        self.shared.ring.reserved()
    }

    /// Whether they have filled the ring since then.
    pub(crate) fn has_gone_round_since(&self, before: Position) -> bool {
        self.reserved().since(before) >= self.shared.ring.capacity() / GRANULE
    }

    /// Reserves, or joins the line of those who wait for room.
    #[inline]
    pub(crate) fn poll_room(
        &mut self,
        waker: &Waker,
        length: u64,
        wait: Wait,
    ) -> Poll<Result<Reservation, Ended>> {
        let mut reserve = |core: &mut Self, others| core.reserve_now(length, others);
        if let Some(found) = self.find_beside_the_line(&mut reserve) {
            return Poll::Ready(found);
        }
        let result = ready!(self.poll_line(waker, length, wait, reserve));
        let mut panics = Panics::new();
        let left = panics.run(|| self.stop_waiting());
        if let (Ok(reservation), None) = (result, left) {
            // It goes no further than this, and would hold up every reader.
            panics.run(|| self.shared.give_up(reservation));
        }
        panics.finish();
        Poll::Ready(result)
    }

    /// Whether there is room for a granule; takes none of it. If not, joins the line as
    /// [`Core::poll_room`] does.
    ///
    /// Unlike a reservation, this does not take the cursor away from a writer that owns it, whose quick
    /// way does not look at the line. It need not: where no granule is free, the quick way of that
    /// writer finds none either, and on the slow way it looks at the line.
    #[cfg(any(feature = "futures", overfall_loom))]
    pub(crate) fn poll_is_room(&mut self, waker: &Waker, wait: Wait) -> Poll<Result<(), Ended>> {
        let mut find = |core: &mut Self, others| core.shared.ring.find_room(others);
        if let Some(found) = self.find_beside_the_line(&mut find) {
            return Poll::Ready(found);
        }
        let result = ready!(self.poll_line(waker, 0, wait, find));
        // The room is nobody's: what comes next for it may be another writer.
        self.stop_waiting();
        Poll::Ready(result)
    }

    /// Looks whether a writer that is not in the line finds what it needs beside those who are. Nothing if it does
    /// not, or is in there.
    ///
    /// One that has a ticket was in there. If the line is empty, it was taken out when it was woken, and nobody is
    /// before it: it need not join only to leave. If it finds nothing, it keeps its ticket, and so its place.
    #[inline]
    fn find_beside_the_line<T>(
        &mut self,
        attempt: &mut impl FnMut(&mut Self, u64) -> Result<T, Refused>,
    ) -> Option<Result<T, Ended>> {
        if self.ticket.is_some() && !self.shared.room.is_empty() {
            return None;
        }
        let found = match attempt(self, self.shared.room.claimed()) {
            Ok(found) => Ok(found),
            Err(Refused::Closed) => Err(self.why_closed()),
            Err(Refused::Full) => return None,
        };
        self.ticket = None;
        Some(found)
    }

    /// Joins the line, and looks whether this writer finds now what it waits for, with `others` ring
    /// bytes of room left. The caller leaves the line when that is ready.
    #[inline]
    fn poll_line<T>(
        &mut self,
        waker: &Waker,
        length: u64,
        wait: Wait,
        mut attempt: impl FnMut(&mut Self, u64) -> Result<T, Refused>,
    ) -> Poll<Result<T, Ended>> {
        self.lane.close();
        let claim = self.shared.ring.room_with_padding(length);
        let request = Request { length, claim, threshold: wait.threshold() };
        loop {
            let others = self.shared.wait_for_room(&mut self.ticket, request, waker);
            match attempt(self, others) {
                Ok(found) => return Poll::Ready(Ok(found)),
                Err(Refused::Closed) => return Poll::Ready(Err(self.why_closed())),
                Err(Refused::Full) => {}
            }
            if !self.shared.refuse_waiter(self.ticket, length, others) {
                return Poll::Pending;
            }
        }
    }

    /// Leaves the line, if this writer is in there, and lets the next one have its turn.
    #[inline]
    pub(crate) fn stop_waiting(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.leave_line(ticket);
        }
    }

    /// Waits until `poll` is ready, and asks `at_once` before, unless it is in the line. Dropped, the future leaves
    /// the line.
    #[inline]
    pub(crate) fn at_once_or_wait<T>(
        &mut self,
        mut at_once: impl FnMut(&mut Self, &mut Context<'_>) -> Option<T>,
        mut poll: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> impl Future<Output = T> {
        let at_once = move |core: &mut Self, context: &mut Context<'_>| {
            if core.ticket.is_some() { None } else { at_once(core, context).map(Poll::Ready) }
        };
        at_once_or_ready(self, Self::stop_waiting, at_once, move |core, context| {
            let value = ready!(poll(core, context));
            core.stop_waiting();
            Poll::Ready(value)
        })
    }

    /// The same of what is never there at once.
    pub(crate) fn wait_for<T>(
        &mut self,
        poll: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> impl Future<Output = T> {
        self.at_once_or_wait(|_, _| None, poll)
    }

    /// As [`Core::wait_for`], until `until` is ready; nothing if that comes first.
    pub(crate) async fn wait_until<T>(
        &mut self,
        until: impl Future,
        mut poll: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let mut until = pin!(until);
        self.wait_for(|core, context| match poll(core, context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => until.as_mut().poll(context).map(|_| None),
        })
        .await
    }
}
