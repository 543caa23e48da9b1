//! The line of writers that wait for room.

use super::{Model, Refused, State, Waiter};
use std::task::Poll;

/// So many times others are refused for the sake of a waiter, at first, before it is passed over.
pub(super) const THRESHOLD: u32 = 128;

/// A writer's place in line, and how long it was waited for last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    number: u64,
    threshold: u32,
}

/// The line, and who is refused for the sake of its first waiter.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// In the order of their tickets.
    pub(super) waiters: Vec<Waiter>,
    next_ticket: u64,
    /// The first waiter at the last change, and whether it slept.
    first: Option<(u64, bool)>,
    /// How often others were refused since then.
    refusals: u32,
}

impl Waiter {
    fn is_asleep(&self) -> bool {
        self.waker.is_some()
    }

    fn wait_longer(&mut self) {
        self.threshold = (self.threshold * 2).clamp(THRESHOLD, THRESHOLD << 16);
    }
}

impl Line {
    fn note_change(&mut self) {
        let first = self.waiters.first().map(|first| (first.ticket, first.is_asleep()));
        if self.first != first {
            self.first = first;
            self.refusals = 0;
        }
    }

    /// The waiter at `place` is to be woken. One whose task may have forgotten it loses its place for now.
    fn take_waker(&mut self, place: usize) -> Option<usize> {
        let waker = self.waiters[place].waker.take();
        if self.waiters[place].threshold == 0 {
            self.waiters.remove(place);
        }
        waker
    }
}

impl Model {
    /// What a newcomer leaves to those who wait.
    pub(super) fn needed(&self) -> u64 {
        self.claimed_before(self.line.waiters.len())
    }

    /// For each its slice, and what padding may go before it.
    fn claimed_before(&self, place: usize) -> u64 {
        let waiters = self.line.waiters[..place].iter();
        waiters.map(|waiter| self.with_padding(waiter.need)).sum()
    }

    /// Whether a strong reader has something to read still, and so will give back more.
    fn is_anything_unread(&self) -> bool {
        let held = self.holds().min().map(|held| self.after_skipped(held));
        let next = held.and_then(|held| self.slice(held));
        next.is_some_and(|slice| matches!(slice.state, State::Committed(_)))
    }

    /// The first writer in line that sleeps, if there is room for it and for those before it, who
    /// have all been woken. If no more room may come: the first one for whom there is room, though it
    /// be left to others, unless one before it sleeps for which there is none.
    fn next_to_wake(&self) -> Option<usize> {
        let waiters = &self.line.waiters;
        let has_room = |place: usize, others| self.has_room(waiters[place].need, others);
        let mut places = (0..waiters.len()).filter(|&place| waiters[place].is_asleep()).peekable();
        let first = *places.peek()?;
        if has_room(first, self.claimed_before(first)) {
            return Some(first);
        }
        if self.is_anything_unread() {
            return None;
        }
        places
            .find(|&place| has_room(place, 0) || waiters[place].threshold > 0)
            .filter(|&place| has_room(place, 0))
    }

    pub(super) fn is_a_waiter_forgotten(&self) -> bool {
        self.next_to_wake().is_some()
    }

    fn wake(&mut self, waker: Option<usize>) {
        if let Some(waker) = waker {
            self.wakes[waker] += 1;
        }
    }

    /// In order, for as long as there is room for all of them.
    pub(crate) fn wake_writers(&mut self) {
        while let Some(place) = self.next_to_wake() {
            let waker = self.line.take_waker(place);
            self.line.note_change();
            self.wake(waker);
        }
    }

    pub(super) fn leave_line(&mut self, index: usize) {
        if let Some(ticket) = self.writer(index).ticket.take() {
            self.line.waiters.retain(|waiter| waiter.ticket != ticket.number);
            self.line.note_change();
            self.wake_writers();
        }
    }

    /// Somebody was refused for the sake of others. Those may not come for their room: after so many
    /// times the first of them is woken, or, if it was woken, passed over. Tells whether it was due, and
    /// whether the first one has left the line.
    fn press_the_first(&mut self) -> (bool, bool) {
        self.line.refusals += 1;
        let before = self.line.waiters.len();
        let Some(first) = self.line.waiters.first_mut() else { return (false, false) };
        if self.line.refusals < first.threshold.max(THRESHOLD) {
            return (false, false);
        }
        let waker = if first.is_asleep() {
            first.is_probed = true;
            self.line.take_waker(0)
        } else {
            self.line.waiters.remove(0);
            None
        };
        let is_shorter = self.line.waiters.len() < before;
        self.line.note_change();
        self.wake(waker);
        self.wake_writers();
        (true, is_shorter)
    }

    /// A writer that does not wait leaves `owed` ring bytes besides.
    pub(super) fn reserve_as_newcomer(&mut self, length: u64, owed: u64) -> Result<u64, Refused> {
        let mut reserved = self.reserve(length, self.needed() + owed);
        let mut needed = self.needed();
        while needed > 0 && reserved == Err(Refused::Full) && self.has_room(length, 0) {
            let (_, is_shorter) = self.press_the_first();
            if !is_shorter {
                break;
            }
            needed = self.needed();
            reserved = self.reserve(length, needed);
        }
        reserved
    }

    /// Reserves, or joins the line. `threshold` is how long it is waited for at first, once it was woken.
    pub(super) fn poll_room(
        &mut self,
        index: usize,
        length: u64,
        threshold: u32,
        waker: usize,
    ) -> Poll<Result<u64, Refused>> {
        // One that was taken out of a line that is empty need not join only to leave.
        if self.writer(index).ticket.is_none() || self.line.waiters.is_empty() {
            match self.reserve(length, self.needed()) {
                Err(Refused::Full) => {}
                result => {
                    self.writer(index).ticket = None;
                    return Poll::Ready(result);
                }
            }
        }
        loop {
            let place = self.join(index, length, threshold, waker);
            let others = self.claimed_before(place);
            let result = self.reserve(length, others);
            if result != Err(Refused::Full) {
                self.leave_line(index);
                return Poll::Ready(result);
            }
            if others == 0 || !self.has_room(length, 0) || !self.press_within(index) {
                return Poll::Pending;
            }
        }
    }

    fn join(&mut self, index: usize, length: u64, threshold: u32, waker: usize) -> usize {
        let ticket = self.writer(index).ticket;
        let is_new = ticket.is_none();
        let Ticket { number, threshold } = ticket.unwrap_or_else(|| {
            self.line.next_ticket += 1;
            Ticket { number: self.line.next_ticket, threshold }
        });
        let line = &mut self.line;
        let place = line.waiters.partition_point(|waiter| waiter.ticket < number);
        if line.waiters.get(place).is_some_and(|there| there.ticket == number) {
            let waiter = &mut line.waiters[place];
            if waiter.is_probed && !waiter.is_asleep() {
                waiter.is_probed = false;
                waiter.wait_longer();
            }
            (waiter.need, waiter.waker) = (length, Some(waker));
        } else {
            let (ticket, need, waker) = (number, length, Some(waker));
            let mut waiter = Waiter { ticket, need, threshold, is_probed: false, waker };
            if !is_new {
                waiter.wait_longer();
            }
            line.waiters.insert(place, waiter);
        }
        let threshold = line.waiters[place].threshold;
        line.note_change();
        self.writer(index).ticket = Some(Ticket { number, threshold });
        place
    }

    /// What a waiter has not got is left to others, who may not come. Tells whether it is to look again at
    /// once; if not, it may be woken to ask again.
    fn press_within(&mut self, index: usize) -> bool {
        let (is_due, is_shorter) = self.press_the_first();
        if is_shorter {
            return true;
        }
        let first = self.line.waiters.first();
        let is_in_question = first.is_some_and(|first| !first.is_asleep() || first.threshold == 0);
        if is_due || is_in_question {
            let ticket = self.writer(index).ticket.unwrap();
            let mut waiters = self.line.waiters.iter_mut();
            let waiter = waiters.find(|waiter| waiter.ticket == ticket.number);
            let waker = waiter.and_then(|waiter| waiter.waker.take());
            self.line.note_change();
            self.wake(waker);
        }
        false
    }
}
