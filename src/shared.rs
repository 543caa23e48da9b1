//! What the endpoints of a channel have in common: the ring, who waits for it, and who is there.

use crate::Backpressure;
use crate::fence;
use crate::message::Tally;
use crate::names::Names;
use crate::ring::position::{Geometry, Position};
use crate::ring::{Reservation, Ring, WriterSlot};
use crate::stats::{ChannelStats, Totals};
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, fence as full_fence, lock};
use crate::table::Seat;
use crate::trace;
use crate::wait::parking::{Parking, Slot};
use crate::wait::queue::{Request, Ticket, WaitQueue};
use crate::wait::watch::Watch;
use crossbeam_utils::CachePadded;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Whether, and how, the channel has come to its end. It only ever rises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ending {
    Open,
    /// No more slices; what is there may be read to the end.
    Drained,
    /// Everybody fails.
    Terminated,
}

/// Which kind of endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strength {
    Strong,
    Weak,
}

/// How many endpoints of each kind there are.
#[derive(Debug, Default)]
struct Census {
    handle: bool,
    strong_writers: usize,
    weak_writers: usize,
    strong_readers: usize,
    weak_readers: usize,
    /// What endpoints that have gone had counted.
    retired: Totals,
}

impl Census {
    #[inline]
    fn writers(&mut self, strength: Strength) -> &mut usize {
        match strength {
            Strength::Strong => &mut self.strong_writers,
            Strength::Weak => &mut self.weak_writers,
        }
    }

    #[inline]
    fn readers(&mut self, strength: Strength) -> &mut usize {
        match strength {
            Strength::Strong => &mut self.strong_readers,
            Strength::Weak => &mut self.weak_readers,
        }
    }

    /// Whether the channel has come to its natural end: without a handle nobody can join any more,
    /// except through another endpoint of the same side.
    #[inline]
    fn is_over(&self) -> bool {
        !self.handle && (self.strong_writers == 0 || self.strong_readers + self.weak_readers == 0)
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ring: Ring,
    pub(crate) backpressure: Backpressure,
    /// What its maker calls the channel.
    pub(crate) name: Option<Arc<str>>,
    #[cfg(feature = "tracing")]
    pub(crate) log: CachePadded<trace::Log>,
    /// An [`Ending`]. Readers look at it before every read; nobody writes it but once or twice.
    ending: CachePadded<AtomicU32>,
    /// Whether commits and releases look for those who sleep.
    watch: Watch,
    parking: Parking,
    /// Writers that wait for room.
    pub(crate) room: WaitQueue,
    /// Whoever waits for the channel to close.
    closing: WaitQueue,
    /// How many numbers were given to writers; the low half is the last one.
    writer_ids: AtomicU64,
    next_reader_id: AtomicU32,
    census: Mutex<Census>,
    names: Mutex<Names>,
}

impl Shared {
    pub(crate) fn new(
        geometry: Geometry,
        start: Position,
        backpressure: Backpressure,
    ) -> Option<Self> {
        fence::prepare();
        Some(Self {
            ring: Ring::new(geometry, start)?,
            backpressure,
            name: None,
            #[cfg(feature = "tracing")]
            log: CachePadded::new(trace::Log::new()),
            ending: CachePadded::new(AtomicU32::new(Ending::Open as u32)),
            watch: Watch::new(),
            parking: Parking::new(),
            room: WaitQueue::new(),
            closing: WaitQueue::new(),
            writer_ids: AtomicU64::new(0),
            next_reader_id: AtomicU32::new(1),
            census: Mutex::new(Census { handle: true, ..Census::default() }),
            names: Mutex::new(Names::default()),
        })
    }

    /// Wakes whom a commit, or an abort, may have unblocked: readers, and, while no strong reader
    /// holds the gate, writers, whom a slice in flight held up. Tells whether it found anybody, if
    /// it had to look.
    #[inline]
    pub(crate) fn after_commit(&self) -> Option<bool> {
        self.watch.must_look().then(|| self.wake_parked())
    }

    /// Wakes whom a reader that moved on, or left, may have unblocked.
    #[inline]
    pub(crate) fn after_release(&self) {
        if self.watch.must_look() {
            self.wake_waiting();
        }
    }

    /// Wakes all who sleep and may have something to do now, and tells whether anybody slept.
    fn wake_parked(&self) -> bool {
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        full_fence(Ordering::SeqCst);
        let somebody = self.is_anybody_asleep();
        if !self.parking.is_empty() {
            self.parking.wake_all();
        }
        if self.room.is_first_asleep() {
            self.wake_writers();
        }
        somebody
    }

    /// The same for writers alone.
    fn wake_waiting(&self) {
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        full_fence(Ordering::SeqCst);
        if self.room.is_first_asleep() {
            self.wake_writers();
        }
    }

    fn is_anybody_asleep(&self) -> bool {
        !self.parking.is_empty() || !self.room.is_empty()
    }

    /// After how many looks in vain the watch should [end](Self::end_watch).
    pub(crate) fn patience(&self) -> u32 {
        self.watch.patience()
    }

    /// Many looks have found nobody: from now on who sleeps has to say so.
    #[cold]
    pub(crate) fn end_watch(&self) {
        if self.watch.end(|| self.is_anybody_asleep()) {
            self.wake_parked();
        }
    }

    /// Registers a reader to be woken. After this it must look once more before it sleeps.
    pub(crate) fn park(&self, slot: &Seat<Slot>, waker: &Waker) {
        self.parking.park(slot, waker);
        self.watch.keep();
    }

    /// Joins the line for room, as [`WaitQueue::join`]. After this the writer must try once more
    /// before it sleeps.
    pub(crate) fn wait_for_room(
        &self,
        ticket: &mut Option<Ticket>,
        request: Request,
        waker: &Waker,
    ) -> bool {
        let is_first = self.room.join(ticket, request, waker);
        self.watch.keep();
        is_first
    }

    fn wake_writers(&self) {
        self.room.wake_while(|need| self.ring.has_room_for(need));
    }

    /// Takes a writer out of the line, and lets the next one have its turn.
    #[inline]
    pub(crate) fn leave_line(&self, ticket: Ticket) {
        self.room.leave(ticket);
        if self.room.is_first_asleep() {
            // ORD(park:A) SeqCst, pairs with ORD(park:B): who made room since and found that the first
            // one had been woken, which was us, is seen by this look.
            full_fence(Ordering::SeqCst);
            self.wake_writers();
        }
    }

    #[inline]
    pub(crate) fn ending(&self) -> Ending {
        // ORD(ending:A) Acquire, pairs with ORD(ending:B): who finds the channel ended finds
        // `reserved` closed.
        match self.ending.load(Ordering::Acquire) {
            0 => Ending::Open,
            1 => Ending::Drained,
            _ => Ending::Terminated,
        }
    }

    /// Lets the channel end, and wakes everybody.
    pub(crate) fn end(&self, ending: Ending) {
        // ORD(ending:B) Release, pairs with ORD(ending:A).
        let rise = || self.ending.fetch_max(ending as u32, Ordering::Release);
        let before = if ending == Ending::Terminated {
            // First the reason, so that a writer that finds the channel closed finds out why; a
            // reader fails then without a look at `reserved`.
            let before = rise();
            self.ring.close();
            before
        } else {
            self.ring.close();
            rise()
        };
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        full_fence(Ordering::SeqCst);
        self.parking.wake_all();
        self.room.wake_all();
        self.closing.wake_all();
        if before < ending as u32 {
            trace::ended(self, ending);
        }
    }

    /// Waits until the channel takes no more slices.
    pub(crate) async fn closed(&self) {
        /// Leaves the line when the future is dropped.
        struct Place<'a>(&'a WaitQueue, Option<Ticket>);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                if let Some(ticket) = self.1 {
                    self.0.leave(ticket);
                }
            }
        }
        let mut place = Place(&self.closing, None);
        poll_fn(|context| {
            if self.ending() == Ending::Open {
                let request = Request { need: 0, room: 1, forwards: false };
                place.0.join(&mut place.1, request, context.waker());
                // No fence: whoever ends the channel goes through the line, whoever is in there, and so
                // comes before us, who see the end, or after us, and finds us.
            }
            if self.ending() == Ending::Open { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Registers a writer: its slot, and its number. A slice without a writer has the number 0.
    #[inline]
    pub(crate) fn add_writer(&self, strength: Option<Strength>) -> (Seat<WriterSlot>, u32) {
        let slot = self.ring.writers().acquire();
        let Some(strength) = strength else { return (slot, 0) };
        let id = self.next_writer_id();
        slot.id.set(u64::from(id));
        let mut census = lock(&self.census);
        *census.writers(strength) += 1;
        let writers = census.strong_writers + census.weak_writers;
        drop(census);
        self.room.make_room(writers);
        (slot, id)
    }

    /// A number that no living writer has, and none has had for long.
    fn next_writer_id(&self) -> u32 {
        loop {
            // ORD(newer) AcqRel, pairs with ORD(newer) in `first_newer_writer`.
            let count = self.writer_ids.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
            let has_started_over = count > u64::from(u32::MAX);
            let id = count as u32;
            if id != 0 && !(has_started_over && self.living_writers().any(|living| living == id)) {
                return id;
            }
        }
    }

    fn living_writers(&self) -> impl Iterator<Item = u32> {
        self.ring.writers().iter().map(|slot| slot.id.get() as u32).filter(|&id| id != 0)
    }

    /// The first number that no writer has been given yet. Whoever has decided where to read from
    /// before this call sees everything that writers with this number or a later one send.
    pub(crate) fn first_newer_writer(&self) -> u32 {
        // ORD(newer) AcqRel, pairs with itself: a writer that gets a later number comes after us, and
        // reserves behind whatever we have read of `reserved`. A load alone would not order that.
        self.writer_ids.fetch_add(0, Ordering::AcqRel).wrapping_add(1) as u32
    }

    /// Takes the next step of a sweep through what a reader knows of writers.
    #[cold]
    pub(crate) fn sweep(&self, tally: &mut Tally) {
        // Whoever has gone has been here, and so we see how far it had come.
        let _census = lock(&self.census);
        tally.sweep(self.living_writers(), || self.ring.reserved());
    }

    /// Gives a writer a name.
    pub(crate) fn name_writer(&self, id: u32, name: Arc<str>) {
        let mut names = lock(&self.names);
        names.forget_before(self.oldest_kept());
        names.set(id, name);
    }

    pub(crate) fn writer_name(&self, id: u32) -> Option<Arc<str>> {
        lock(&self.names).get(id)
    }

    /// Before this, nobody can read anything any more.
    fn oldest_kept(&self) -> Position {
        self.ring.reserved().minus(self.ring.capacity())
    }

    /// Takes a writer off again.
    #[inline]
    pub(crate) fn remove_writer(
        &self,
        slot: &Seat<WriterSlot>,
        id: u32,
        strength: Option<Strength>,
    ) {
        // What was dropped never was in the ring.
        let has_sent = slot.figures.sequence.get() > slot.figures.dropped_slices.get();
        let mut census = lock(&self.census);
        census.retired.retire_writer(&slot.figures);
        slot.id.set(0);
        drop(census);
        let mut names = lock(&self.names);
        names.forget_before(self.oldest_kept());
        let name = names.retire(id, has_sent.then(|| self.ring.reserved()));
        drop(names);
        self.ring.writers().release(slot);
        if let Some(strength) = strength {
            self.change(|census| *census.writers(strength) -= 1);
            trace::went(self, "writer", strength, id, name);
        }
    }

    #[inline]
    pub(crate) fn turn_writer(&self, from: Strength, to: Strength) {
        self.change(|census| {
            *census.writers(to) += 1;
            *census.writers(from) -= 1;
        });
    }

    #[inline]
    pub(crate) fn add_reader(&self, strength: Strength) -> Seat<Slot> {
        let slot = self.parking.slots.acquire();
        let id = self.next_reader_id.fetch_add(1, Ordering::Relaxed);
        slot.figures.id.set(u64::from(id));
        slot.figures.strong.store(strength == Strength::Strong, Ordering::Relaxed);
        slot.figures.present.store(true, Ordering::Relaxed);
        *lock(&self.census).readers(strength) += 1;
        slot
    }

    /// A reader ends: nobody waits for it any more, but it keeps its figures for itself.
    pub(crate) fn count_reader_out(&self, slot: &Seat<Slot>, strength: Strength) {
        slot.figures.present.store(false, Ordering::Relaxed);
        let id = slot.figures.id.get() as u32;
        self.leave_census(strength, id);
    }

    /// Takes the slot of a reader, and counts it out if it was not yet.
    pub(crate) fn remove_reader(&self, slot: &Seat<Slot>, strength: Option<Strength>) {
        slot.figures.present.store(false, Ordering::Relaxed);
        let id = slot.figures.id.get() as u32;
        lock(&self.census).retired.retire_reader(&slot.figures);
        self.parking.slots.release(slot);
        // Last, as others' code may run in there.
        if let Some(strength) = strength {
            self.leave_census(strength, id);
        }
    }

    fn leave_census(&self, strength: Strength, id: u32) {
        self.change(|census| *census.readers(strength) -= 1);
        trace::went(self, "reader", strength, id, None);
    }

    pub(crate) fn turn_reader(&self, from: Strength, to: Strength) {
        self.change(|census| {
            *census.readers(to) += 1;
            *census.readers(from) -= 1;
        });
    }

    /// The last handle is gone. What was reserved through it and leaked is given up.
    #[inline]
    pub(crate) fn drop_handle(&self) {
        for slot in self.ring.writers().iter() {
            let (position, size) = &slot.in_flight;
            if size.get() > 0 {
                let position = Position::new(position.get());
                self.ring.abort(Reservation { position, size: size.get() });
                size.set(0);
                self.after_commit();
            }
        }
        self.change(|census| census.handle = false);
    }

    /// Changes who is there, and lets the channel end if that was its end.
    #[inline]
    fn change(&self, change: impl FnOnce(&mut Census)) {
        let mut census = lock(&self.census);
        change(&mut census);
        let is_over = census.is_over();
        drop(census);
        // Once over, always over: nobody can join any more who would undo it.
        if is_over && self.ending() == Ending::Open {
            self.end(Ending::Drained);
        }
    }

    pub(crate) fn stats(&self) -> ChannelStats {
        let census = lock(&self.census);
        let ring = &self.ring;
        let reserved = ring.reserved();
        let readers = || {
            let slots = self.parking.slots.iter().map(|slot| &slot.figures);
            slots.filter(|figures| figures.present.load(Ordering::Relaxed))
        };
        let mut stats = ChannelStats {
            capacity: ring.capacity(),
            start: ring.start().raw(),
            reserved: reserved.raw(),
            gate: ring.gate().raw(),
            payload_bytes: census.retired.payload_bytes,
            ring_bytes: reserved.past(ring.start()),
            slices: census.retired.slices,
            dropped_slices: census.retired.dropped_slices,
            dropped_bytes: census.retired.dropped_bytes,
            skipped_bytes: census.retired.skipped_bytes,
            strong_writers: census.strong_writers,
            weak_writers: census.weak_writers,
            strong_readers: census.strong_readers,
            weak_readers: census.weak_readers,
            readers: readers().map(|figures| figures.read(reserved)).collect(),
        };
        for writer in self.ring.writers().iter() {
            let figures = writer.figures.read(0);
            stats.payload_bytes += figures.payload_bytes;
            stats.slices += figures.slices;
            stats.dropped_slices += figures.dropped_slices;
            stats.dropped_bytes += figures.dropped_bytes;
        }
        for slot in self.parking.slots.iter() {
            stats.skipped_bytes += slot.figures.skipped_bytes.get();
        }
        stats
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_writers_start_over_and_are_nobody_elses() {
        let shared = Shared::new(Geometry::new(64), Position::new(0), Backpressure::Block).unwrap();
        let (first, id) = shared.add_writer(Some(Strength::Strong));
        assert_eq!(id, 1);
        let (_second, id) = shared.add_writer(Some(Strength::Weak));
        assert_eq!(id, 2);
        shared.remove_writer(&first, 1, Some(Strength::Strong));
        shared.writer_ids.store(u64::from(u32::MAX) - 1, Ordering::Relaxed);
        let mut ids = Vec::new();
        for _ in 0..3 {
            assert_eq!(shared.first_newer_writer(), [u32::MAX, 0, 2][ids.len()]);
            let (_seat, id) = shared.add_writer(Some(Strength::Strong));
            ids.push(id);
        }
        // 0 is nobody's, 1 has gone, 2 is there still.
        assert_eq!(ids, [u32::MAX, 1, 3]);
        let (_seat, of_handle) = shared.add_writer(None);
        assert_eq!(of_handle, 0);
    }
}
