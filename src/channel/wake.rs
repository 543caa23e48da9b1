//! Who is woken by what: a commit, a release, a change of the line. A lost wake-up is fixed here, or in
//! `src/wait/`, where those who sleep stand.

use crate::channel::shared::Shared;
use crate::ring::position::Position;
use crate::ring::{Count, Held, Passing, Ring, WriterSlot};
use crate::sync::table::Seat;
use crate::sync::{Ordering, fence as full_fence};
use crate::wait::line::{Request, Room, Ticket};
use crate::wait::panics::{Panics, drop_waker};
use crate::wait::parking::Slot;
use std::task::Waker;

impl Room for Ring {
    #[inline]
    fn has(&self, length: u64, others: u64) -> bool {
        self.has_room_for(length, others)
    }

    fn may_grow(&self) -> bool {
        self.is_anything_unread()
    }
}

impl Shared {
    /// Wakes whom a commit, or an abort, may have unblocked: readers, and, while no strong reader
    /// holds the gate, writers, whom a slice in flight held up. Tells whether it found anybody, if
    /// it had to look.
    #[inline]
    pub(crate) fn after_commit(&self) -> Option<bool> {
        self.watch.must_check().then(|| self.wake_parked())
    }

    /// For a slice at `position` that was committed and counted: whether somebody may sleep, or may have
    /// started behind it, so that [`Shared::after_count`] is to be called.
    #[inline]
    pub(crate) fn must_check(&self, position: Position) -> bool {
        self.watch.must_check() || self.may_be_late(position)
    }

    /// As [`Shared::after_commit`], for a slice at `position`, and what else was committed with it, which
    /// its writer has counted in its slot: `count`. Keeps it from the count of readers that started
    /// behind it.
    pub(crate) fn after_count(
        &self,
        writer: &WriterSlot,
        position: Position,
        count: Count,
    ) -> Option<bool> {
        if !self.keep_late(writer, position, count) {
            return None;
        }
        let somebody = self.is_anybody_asleep();
        if somebody {
            self.wake_sleepers();
        }
        Some(somebody)
    }

    /// The same without waking anybody. Tells whether somebody may sleep: then [`Shared::after_commit`] is to be
    /// called later. It looks for itself, with its own fence, so whoever finds nothing and sleeps in between is found.
    pub(crate) fn keep_late(&self, writer: &WriterSlot, position: Position, count: Count) -> bool {
        let must_check = self.watch.must_check();
        if must_check {
            // ORD(start:B), as ORD(park:B): the count comes before the look at the furthest start.
            full_fence(Ordering::SeqCst);
        }
        if self.may_be_late(position) {
            self.count_late(writer, position, count);
        }
        must_check
    }

    /// Whether a reader may have started behind `position`.
    #[inline]
    pub(super) fn may_be_late(&self, position: Position) -> bool {
        // Relaxed: ordered by the fence in `after_count`, or by that of `Watch::keep`.
        position.is_before(Position::of_clean_raw(self.furthest_start.load(Ordering::Relaxed)))
    }

    /// Wakes whom a reader that moved on, or left, may have unblocked: writers, and who waits until
    /// something was read.
    #[inline]
    pub(crate) fn after_release(&self) {
        if self.watch.must_check() {
            self.wake_waiting();
        }
    }

    /// The same for a strong reader that has moved its hold on. Tells whether the owner of the channel wants
    /// the hold: then nobody was woken, and the reader gives the hold up, which wakes.
    #[inline(always)]
    pub(crate) fn after_move(&self, held: &Held) -> bool {
        // The light fence of the watch is before both looks.
        (self.watch.must_check() || held.must_check()) && self.check_after_move(held)
    }

    /// The same for one that has [passed](Passing::end) a slice.
    #[inline(always)]
    pub(crate) fn after_pass(&self, passed: &Passing<'_>) -> bool {
        // The light fence of the watch is before both looks. One branch for both.
        let checks = self.watch.checks() | passed.checks();
        checks != 0 && self.check_after_move(passed.held)
    }

    #[inline(never)]
    fn check_after_move(&self, held: &Held) -> bool {
        // ORD(park:B) SeqCst, pairs with ORD(park:A); and ORD(lent:A), pairs with ORD(lent:B), or with
        // ORD(heavy).
        full_fence(Ordering::SeqCst);
        let is_wanted = held.is_wanted();
        if !is_wanted && self.is_anybody_behind() {
            self.wake_those_behind();
        }
        is_wanted
    }

    /// Wakes all who sleep and may have something to do now, and tells whether anybody slept.
    fn wake_parked(&self) -> bool {
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        full_fence(Ordering::SeqCst);
        let somebody = self.is_anybody_asleep();
        if somebody {
            self.wake_sleepers();
        }
        somebody
    }

    /// Wakes them, one after the other, whatever their wakers do: these are code of others, which may
    /// panic. So the caller's own state must be in order here, and wherever else something is woken.
    #[inline(never)]
    fn wake_sleepers(&self) {
        let mut panics = Panics::new();
        self.parking.wake_all(&mut panics);
        if self.is_anybody_behind() {
            panics.run(|| self.wake_writers());
            panics.run(|| self.wake_flushers());
        }
        panics.finish();
    }

    /// The same without readers.
    fn wake_waiting(&self) {
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        full_fence(Ordering::SeqCst);
        if self.is_anybody_behind() {
            self.wake_those_behind();
        }
    }

    /// Whether somebody sleeps until there is room, or until something was read; behind that fence.
    #[inline]
    fn is_anybody_behind(&self) -> bool {
        self.room.is_anybody_asleep() || self.reading.is_anybody_asleep()
    }

    /// Wakes them, behind that fence.
    #[inline(never)]
    fn wake_those_behind(&self) {
        let mut panics = Panics::new();
        panics.run(|| self.wake_writers());
        panics.run(|| self.wake_flushers());
        panics.finish();
    }

    fn is_anybody_asleep(&self) -> bool {
        !self.parking.is_empty() || !self.room.is_empty() || !self.reading.is_empty()
    }

    /// After how many looks in vain the watch should [end](Self::end_watch).
    pub(crate) fn threshold(&self) -> u32 {
        self.watch.threshold()
    }

    /// Many looks have found nobody: from now on who sleeps has to say so.
    #[cold]
    pub(crate) fn end_watch(&self) {
        self.watch.end(|| self.is_anybody_asleep());
    }

    /// Registers a reader to be woken. After this it must look once more before it sleeps.
    pub(crate) fn park(&self, slot: &mut Seat<Slot>, waker: &Waker) {
        let before = self.parking.park(slot, waker);
        self.watch.keep();
        drop_waker(before);
    }

    /// A reader has found something: nobody needs to wake it.
    pub(crate) fn unpark(&self, slot: &mut Seat<Slot>) {
        self.parking.unpark(slot);
    }

    /// Joins the line for room, as [`Line::join`](crate::wait::line::Line::join). After this the writer must
    /// try once more before it sleeps.
    pub(crate) fn wait_for_room(
        &self,
        ticket: &mut Option<Ticket>,
        request: Request,
        waker: &Waker,
    ) -> u64 {
        let others = self.room.join(ticket, request, waker, &self.ring);
        self.watch.keep();
        others
    }

    /// A writer in the line has found no room for `length` bytes that it need not leave to those
    /// before it. Tells whether there may be now; if not, it is woken when there may.
    pub(crate) fn refuse_waiter(&self, ticket: Option<Ticket>, length: u64, others: u64) -> bool {
        if others > 0 && self.ring.has_room_for(length, 0) {
            return self.room.press_within(ticket, &self.ring);
        }
        // It may have changed its request, and so what is left to those behind it. Who joins now looks later. If
        // it is alone, it has just looked for itself.
        if self.room.len() > 1 {
            self.wake_writers();
        }
        false
    }

    /// A writer that is not in the line has found no room that it need not leave to those who are.
    /// Tells what it must leave from now on, if that has become less.
    pub(crate) fn refuse_newcomer(&self, length: u64) -> Option<u64> {
        if self.ring.has_room_for(length, 0) { self.room.press(&self.ring) } else { None }
    }

    /// Wakes the writers for whom there is room, behind a full fence.
    #[inline]
    pub(super) fn wake_writers(&self) {
        self.room.check(&self.ring);
    }

    /// Takes a writer out of the line, and lets the next one have its turn.
    #[inline]
    pub(crate) fn leave_line(&self, ticket: Ticket) {
        self.room.leave(ticket, &self.ring);
    }
}
