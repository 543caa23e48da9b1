//! What the endpoints of a channel have in common: the ring, who waits for it, and who is there.

use crate::channel::loss::Tally;
use crate::channel::names::Names;
use crate::channel::stats::{ChannelStats, ReaderStats, Totals, WriterStats};
use crate::channel::terms::{Backpressure, Ending, Strength};
use crate::channel::trace;
use crate::ring::position::{GRANULE, Geometry, Position};
use crate::ring::{Reservation, Ring, WriterSlot};
use crate::sync::asymmetric::Abilities;
use crate::sync::table::Seat;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, fence as full_fence, lock};
use crate::wait::panics::{Panics, drop_waker};
use crate::wait::parking::{Parking, Slot};
use crate::wait::queue::{Never, Request, Room, Ticket, WaitQueue};
use crate::wait::watch::Watch;
use crossbeam_utils::CachePadded;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

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

impl Room for Ring {
    #[inline]
    fn has(&self, length: u64, others: u64) -> bool {
        self.has_room_for(length, others)
    }

    fn may_grow(&self) -> bool {
        self.is_anything_unread()
    }
}

impl trace::Source for Shared {
    #[cfg(feature = "tracing")]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    #[cfg(feature = "tracing")]
    fn name_of(&self, writer: u32) -> Option<Arc<str>> {
        self.writer_name(writer)
    }

    #[cfg(feature = "tracing")]
    fn log(&self) -> &trace::Log {
        &self.log
    }
}

impl Shared {
    pub(crate) fn new(
        geometry: Geometry,
        start: Position,
        backpressure: Backpressure,
        abilities: Abilities,
    ) -> Option<Self> {
        Some(Self {
            ring: Ring::new(geometry, start, abilities.sections)?,
            backpressure,
            name: None,
            #[cfg(feature = "tracing")]
            log: CachePadded::new(trace::Log::new()),
            ending: CachePadded::new(AtomicU32::new(Ending::Open as u32)),
            watch: Watch::new(abilities.heavy_fences),
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
        panics.run(|| self.wake_writers());
        panics.finish();
    }

    /// The same for writers alone.
    fn wake_waiting(&self) {
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        full_fence(Ordering::SeqCst);
        self.wake_writers();
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
        let before = self.parking.park(slot, waker);
        self.watch.keep();
        drop_waker(before);
    }

    /// A reader has found something: nobody needs to wake it.
    pub(crate) fn unpark(&self, slot: &Seat<Slot>) {
        self.parking.unpark(slot);
    }

    /// Joins the line for room, as [`WaitQueue::join`]. After this the writer must try once more
    /// before it sleeps.
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
        // It may have changed its request, and so what is left to those behind it.
        self.wake_writers();
        false
    }

    /// A writer that is not in the line has found no room that it need not leave to those who are.
    /// Tells what it must leave from now on, if that has become less.
    pub(crate) fn refuse_newcomer(&self, length: u64) -> Option<u64> {
        if self.ring.has_room_for(length, 0) { self.room.press(&self.ring) } else { None }
    }

    /// Wakes the writers for whom there is room, behind a full fence.
    #[inline]
    fn wake_writers(&self) {
        self.room.look(&self.ring);
    }

    /// Takes a writer out of the line, and lets the next one have its turn.
    #[inline]
    pub(crate) fn leave_line(&self, ticket: Ticket) {
        self.room.leave(ticket, &self.ring);
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

    /// Lets the channel end, and wakes everybody, whatever code of others does meanwhile.
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
        let mut panics = Panics::new();
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        full_fence(Ordering::SeqCst);
        self.parking.wake_all(&mut panics);
        panics.run(|| self.room.wake_all());
        panics.run(|| self.closing.wake_all());
        if before < ending as u32 {
            panics.run(|| trace::ended(self, self.ring.capacity(), ending));
        }
        panics.finish();
    }

    /// Waits until the channel takes no more slices.
    pub(crate) async fn closed(&self) {
        /// Leaves the line when the future is dropped.
        struct Place<'a>(&'a WaitQueue, Option<Ticket>);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                if let Some(ticket) = self.1 {
                    self.0.leave(ticket, &Never);
                }
            }
        }
        let mut place = Place(&self.closing, None);
        poll_fn(|context| {
            if self.ending() == Ending::Open {
                let request = Request { length: 0, claim: 1, patience: 0 };
                place.0.join(&mut place.1, request, context.waker(), &Never);
                // Whoever ends the channel goes through the line, or has it done by who has the lock,
                // and so comes before us, who see the end, or after us, and finds us.
            }
            if self.ending() == Ending::Open { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// Registers a writer: its slot, and its number. A slice without a writer has the number 0. Nothing
    /// may unwind from here until somebody is there who takes it off again.
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
        names.forget_unless(|end| self.is_kept(end));
        names.set(id, name);
    }

    pub(crate) fn writer_name(&self, id: u32) -> Option<Arc<str>> {
        lock(&self.names).get(id)
    }

    /// Whether somebody may still read what ended at `end`.
    fn is_kept(&self, end: Position) -> bool {
        let reserved = self.ring.reserved();
        reserved.since(end) * GRANULE < self.ring.capacity()
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
        names.forget_unless(|end| self.is_kept(end));
        let name = names.retire(id, has_sent.then(|| self.ring.reserved()));
        drop(names);
        self.ring.writers().release(slot);
        if let Some(strength) = strength {
            let mut panics = Panics::new();
            panics.run(|| self.change(|census| *census.writers(strength) -= 1));
            panics.run(|| trace::went(self, "writer", strength, id, name));
            panics.finish();
        }
    }

    #[inline]
    pub(crate) fn turn_writer(&self, from: Strength, to: Strength) {
        self.change(|census| {
            *census.writers(to) += 1;
            *census.writers(from) -= 1;
        });
    }

    /// Registers a reader. Nothing may unwind from here until somebody is there who takes it off again.
    #[inline]
    pub(crate) fn add_reader(&self, strength: Strength) -> Seat<Slot> {
        let slot = self.parking.acquire();
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
        let mut panics = Panics::new();
        panics.run(|| self.change(|census| *census.readers(strength) -= 1));
        panics.run(|| trace::went(self, "reader", strength, id, None));
        panics.finish();
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
        let mut panics = Panics::new();
        for slot in self.ring.writers().iter() {
            let (position, size) = &slot.in_flight;
            if size.get() > 0 {
                let (position, size) = (Position::new(position.get()), size.take());
                panics.run(|| self.give_up(Reservation { position, size }));
            }
        }
        panics.run(|| self.change(|census| census.handle = false));
        panics.finish();
    }

    /// Gives a slice in flight up, and wakes whom that may have unblocked.
    #[inline]
    pub(crate) fn give_up(&self, reservation: Reservation) -> Option<bool> {
        self.ring.abort(reservation);
        self.after_commit()
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
            start: ring.start().label(0),
            reserved: reserved.label(0),
            gate: ring.gate().label(0),
            payload_bytes: census.retired.payload_bytes,
            ring_bytes: reserved.bytes_since(ring.start()),
            slices: census.retired.slices,
            dropped_slices: census.retired.dropped_slices,
            dropped_bytes: census.retired.dropped_bytes,
            skipped_bytes: census.retired.skipped_bytes,
            strong_writers: census.strong_writers,
            weak_writers: census.weak_writers,
            strong_readers: census.strong_readers,
            weak_readers: census.weak_readers,
            readers: readers().map(|figures| ReaderStats::read(figures, reserved)).collect(),
        };
        for writer in self.ring.writers().iter() {
            let figures = WriterStats::read(&writer.figures, 0);
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
    use crate::channel::reader::StrongReader;
    use crate::channel::terms::StartAt;
    use crate::channel::writer::HasCore;
    use crate::channel::writer::StrongWriter;
    use crate::error::TrySendError;
    use std::task::Context;

    #[test]
    fn numbers_of_writers_start_over_and_are_nobody_elses() {
        let shared =
            Shared::new(Geometry::new(64), Position::new(0), Backpressure::Block, Abilities::NONE)
                .unwrap();
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

    /// Counts how many times it was woken.
    #[derive(Default)]
    struct Wakes(AtomicU32);

    impl std::task::Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Does `work` on a full ring of two granules while another thread, so to say, has the locks of
    /// both lines; a writer waits for room, and somebody for the end. Tells how often they were woken.
    fn with_both_locked(work: impl FnOnce(&mut StrongWriter, &mut StrongReader)) -> [u32; 2] {
        let geometry = Geometry::new(128);
        let shared =
            Shared::new(geometry, Position::new(0), Backpressure::Block, Abilities::NONE).unwrap();
        let shared = Arc::new(shared);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let [mut waiting, mut writer] = [(); 2].map(|()| StrongWriter::new(&shared));
        (0..2).for_each(|_| writer.try_send(&[1; 64]).unwrap());
        let wakes = [(); 2].map(|()| Arc::new(Wakes::default()));
        let wakers = wakes.clone().map(Waker::from);
        let [mut of_room, mut of_end] = [&wakers[0], &wakers[1]].map(Context::from_waker);
        let mut send = std::pin::pin!(waiting.send(&[2; 64]));
        assert!(send.as_mut().poll(&mut of_room).is_pending());
        let mut closed = std::pin::pin!(shared.closed());
        assert!(closed.as_mut().poll(&mut of_end).is_pending());
        shared.room.while_locked(&shared.ring, || {
            shared.closing.while_locked(&Never, || work(&mut writer, &mut reader));
            assert_eq!(wakes[0].0.load(Ordering::Relaxed), 0);
        });
        wakes.map(|wakes| wakes.0.load(Ordering::Relaxed))
    }

    #[test]
    fn what_wakes_writers_does_not_wait_for_who_has_the_lock_of_the_line() {
        let woken = with_both_locked(|writer, reader| {
            assert_eq!(writer.try_send(b"full"), Err(TrySendError::Full));
            assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
        });
        assert_eq!(woken, [1, 0]);
    }

    #[test]
    fn a_line_whose_lock_is_never_let_go_keeps_nobody_out_who_does_not_wait() {
        with_both_locked(|writer, reader| {
            // A fork has left it behind. What the line claims is left to it for a while.
            assert_eq!(reader.try_read(&mut [0; 128]), Ok(128));
            assert!((0..5000).any(|_| writer.try_send(&[3; 128]).is_ok()));
            assert_eq!(reader.try_read(&mut [0; 128]), Ok(128));
            let mut another = writer.clone();
            assert_eq!(another.try_send(&[3; 128]), Ok(()));
        });
    }

    #[test]
    fn an_end_does_not_wait_for_who_has_the_lock_of_the_line() {
        for ending in [Ending::Drained, Ending::Terminated] {
            let woken =
                with_both_locked(|writer, _reader| writer.writer_core().shared().end(ending));
            assert_eq!(woken, [1, 1]);
        }
    }
}
