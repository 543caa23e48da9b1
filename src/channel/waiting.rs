//! Waiting for what others do: for the end of the channel, until what was sent has been read, for
//! readers.
//!
//! Who waits stands in a line, and looks before it joins and after. Who changes something makes the
//! change, and then wakes the line, or has it done by who has its lock: so it comes before the second
//! look, which sees the change, or after the join, and finds who waits.

use crate::channel::shared::Shared;
use crate::channel::terms::Ending;
use crate::error::{FlushError, WriteError};
use crate::ring::Ring;
use crate::ring::position::{GRANULE, Position};
use crate::sync::lock;
use crate::wait::line::{Never, Request, Room, Ticket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What somebody waits for.
pub(crate) trait Event: Copy + Unpin {
    type Output;

    /// Whether it has come to pass, or cannot any more.
    fn check(&self, shared: &Shared) -> Poll<Self::Output>;

    /// Joins the line of those who wait for it, or stays there. After this the caller looks again.
    fn join(&self, shared: &Shared, ticket: &mut Option<Ticket>, waker: &Waker);

    fn leave(&self, shared: &Shared, ticket: Ticket);
}

/// All who wait in such a line are woken at once.
const ANY: Request = Request { length: 0, claim: 1, threshold: 0 };

/// The channel takes no more slices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed;

impl Event for Closed {
    type Output = ();

    fn check(&self, shared: &Shared) -> Poll<()> {
        if shared.ending() == Ending::Open { Poll::Pending } else { Poll::Ready(()) }
    }

    fn join(&self, shared: &Shared, ticket: &mut Option<Ticket>, waker: &Waker) {
        shared.closing.join(ticket, ANY, waker, &Never);
    }

    fn leave(&self, shared: &Shared, ticket: Ticket) {
        shared.closing.leave(ticket, &Never);
    }
}

/// There is a reader, of either strength; or there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attended(pub(crate) bool);

impl Event for Attended {
    /// `Closed` if no reader can change it any more that matters.
    type Output = Result<(), WriteError>;

    fn check(&self, shared: &Shared) -> Poll<Self::Output> {
        match shared.ending() {
            Ending::Terminated => return Poll::Ready(Err(WriteError::Terminated)),
            Ending::Drained | Ending::Failed => return Poll::Ready(Err(WriteError::Closed)),
            Ending::Open => {}
        }
        let registry = lock(&shared.registry);
        let is_attended = registry.strong_readers + registry.weak_readers > 0;
        if is_attended == self.0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn join(&self, shared: &Shared, ticket: &mut Option<Ticket>, waker: &Waker) {
        shared.audience.join(ticket, ANY, waker, &Never);
    }

    fn leave(&self, shared: &Shared, ticket: Ticket) {
        shared.audience.leave(ticket, &Never);
    }
}

/// All strong readers have given back what was sent before `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flushed {
    /// Nothing if nothing was sent.
    end: Option<Position>,
}

impl Event for Flushed {
    type Output = Result<(), FlushError>;

    fn check(&self, shared: &Shared) -> Poll<Self::Output> {
        let Some(end) = self.end else { return Poll::Ready(Ok(())) };
        if shared.ending() == Ending::Terminated {
            return Poll::Ready(Err(FlushError::Terminated));
        }
        // Behind the lock: the readers that are counted have their holds up, and if one of them has
        // started too late for `end`, that is known.
        let registry = lock(&shared.registry);
        if registry.was_lost(end) {
            return Poll::Ready(Err(FlushError::Unread));
        }
        if let Some(stopped) = registry.stopped_for_good() {
            let is_unread = shared.ring.behind_skipped(stopped, end).is_before(end);
            return Poll::Ready(if is_unread { Err(FlushError::Unread) } else { Ok(()) });
        }
        if shared.ring.was_read(end) == Some(true) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn join(&self, shared: &Shared, ticket: &mut Option<Ticket>, waker: &Waker) {
        let length = self.end.map_or(0, Position::raw);
        shared.reading.join(ticket, Request { length, ..ANY }, waker, &Reading(&shared.ring));
        // Who gives something back looks for sleepers only while it is told to.
        shared.watch.keep();
    }

    fn leave(&self, shared: &Shared, ticket: Ticket) {
        shared.reading.leave(ticket, &Reading(&shared.ring));
    }
}

/// The ring, to the line of those who wait until it was read. They do not wait in turn, but by what they
/// wait for: each is woken when that was read, or when there is nobody to read it.
struct Reading<'a>(&'a Ring);

impl Room for Reading<'_> {
    fn has(&self, end: u64, _others: u64) -> bool {
        self.0.was_read(Position::of_clean_raw(end)).unwrap_or(true)
    }

    fn may_grow(&self) -> bool {
        // What is behind what was not read was not read either.
        true
    }
}

/// Who waits for an event. Dropped, it leaves the line.
pub(crate) struct Waiting<E: Event> {
    shared: Arc<Shared>,
    event: E,
    ticket: Option<Ticket>,
}

impl<E: Event> Waiting<E> {
    pub(crate) fn new(shared: &Arc<Shared>, event: E) -> Self {
        Self { shared: shared.clone(), event, ticket: None }
    }

    /// Looks, without waiting.
    pub(crate) fn check(&self) -> Poll<E::Output> {
        self.event.check(&self.shared)
    }
}

impl<E: Event> Future for Waiting<E> {
    type Output = E::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<E::Output> {
        let this = self.get_mut();
        let mut came = this.check();
        if came.is_pending() {
            this.event.join(&this.shared, &mut this.ticket, context.waker());
            came = this.check();
        }
        came
    }
}

impl<E: Event> Drop for Waiting<E> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.event.leave(&self.shared, ticket);
        }
    }
}

impl Shared {
    /// That all is read which is reserved by now.
    pub(crate) fn everything(&self) -> Flushed {
        let end = self.ring.reserved();
        Flushed { end: (end != self.ring.start()).then_some(end) }
    }

    /// That all is read up to the slice that a writer has committed last, at `position`, if it has.
    pub(crate) fn up_to(&self, position: Option<Position>) -> Flushed {
        // A hold that is past the start of a slice is past all of it.
        Flushed { end: position.map(|position| position.plus(GRANULE)) }
    }

    /// Wakes those for whom everything was read, behind a full fence.
    #[inline]
    pub(super) fn wake_flushers(&self) {
        self.reading.check(&Reading(&self.ring));
    }

    /// A reader has come or gone.
    pub(super) fn after_audience(&self) {
        self.audience.wake_all();
    }
}
