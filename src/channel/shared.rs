//! What the endpoints of a channel have in common: the ring, who waits for it, and who is there.

use crate::channel::loss::Losses;
use crate::channel::names::Names;
use crate::channel::registry::Registry;
use crate::channel::stats::{ChannelStats, ReaderStats, WriterStats};
use crate::channel::survey::Survey;
use crate::channel::terms::{Backpressure, Ending, Strength};
use crate::channel::trace;
use crate::ring::position::{GRANULE, Geometry, Position};
use crate::ring::{Count, Reservation, Ring, WriterSlot};
use crate::sync::asymmetric::Abilities;
use crate::sync::table::Seat;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, fence as full_fence, lock};
use crate::wait::panics::{Panics, drop_waker};
use crate::wait::parking::{Parking, Slot};
use crate::wait::queue::{Never, Request, Room, Ticket, WaitQueue};
use crate::wait::watch::Watch;
use crossbeam_utils::CachePadded;
use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

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
    pub(super) watch: Watch,
    pub(super) parking: Parking,
    /// Writers that wait for room.
    pub(crate) room: WaitQueue,
    /// Whoever waits for the channel to close.
    closing: WaitQueue,
    /// How many numbers were given to writers; the low half is the last one.
    writer_ids: AtomicU64,
    pub(super) next_reader_id: AtomicU32,
    /// No reader starts further on. Writers look at it behind each slice: `account.rs`.
    pub(super) furthest_start: CachePadded<AtomicU64>,
    pub(super) registry: Mutex<Registry>,
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
            furthest_start: CachePadded::new(AtomicU64::new(start.raw())),
            registry: Mutex::new(Registry { handle: true, ..Registry::default() }),
            names: Mutex::new(Names::default()),
        })
    }

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
    pub(crate) fn must_look(&self, position: Position) -> bool {
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
        let must_check = self.watch.must_check();
        if must_check {
            // ORD(start:B), as ORD(park:B): the count comes before the look at the furthest start.
            full_fence(Ordering::SeqCst);
        }
        if self.may_be_late(position) {
            self.count_late(writer, position, count);
        }
        if !must_check {
            return None;
        }
        let somebody = self.is_anybody_asleep();
        if somebody {
            self.wake_sleepers();
        }
        Some(somebody)
    }

    /// Whether a reader may have started behind `position`.
    #[inline]
    pub(super) fn may_be_late(&self, position: Position) -> bool {
        // Relaxed: ordered by the fence in `after_count`, or by that of `Watch::keep`.
        position.is_before(Position::of_clean_raw(self.furthest_start.load(Ordering::Relaxed)))
    }

    /// Wakes whom a reader that moved on, or left, may have unblocked.
    #[inline]
    pub(crate) fn after_release(&self) {
        if self.watch.must_check() {
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
    pub(crate) fn threshold(&self) -> u32 {
        self.watch.threshold()
    }

    /// Many looks have found nobody: from now on who sleeps has to say so.
    #[cold]
    pub(crate) fn end_watch(&self) {
        self.watch.end(|| self.is_anybody_asleep());
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
        self.room.check(&self.ring);
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
                let request = Request { length: 0, claim: 1, threshold: 0 };
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
        let mut registry = lock(&self.registry);
        *registry.writers(strength) += 1;
        let writers = registry.strong_writers + registry.weak_writers;
        drop(registry);
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
    pub(crate) fn sweep(&self, losses: &mut Losses) {
        // A writer that has gone has been here, and so we see how far it had come. The registry
        // remembers some that have gone: the reader must not take them for newer ones.
        let registry = lock(&self.registry);
        let remembered = registry.gone.iter().map(|&(id, _)| id);
        losses.sweep(self.living_writers().chain(remembered), || self.ring.reserved());
    }

    /// The numbers of the writers that live, and where all that the others have sent ends.
    #[cold]
    pub(crate) fn living(&self) -> (HashSet<u32>, Position) {
        // As above.
        let _census = lock(&self.registry);
        (self.living_writers().collect(), self.ring.reserved())
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
        reserved.is_within(self.ring.capacity() - GRANULE, end)
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
        let has_sent = WriterStats::read(&slot.figures, id).slices > 0;
        let mut registry = lock(&self.registry);
        registry.retire_writer(id, &slot.figures);
        slot.id.set(0);
        drop(registry);
        let mut names = lock(&self.names);
        names.forget_unless(|end| self.is_kept(end));
        let name = names.retire(id, has_sent.then(|| self.ring.reserved()));
        drop(names);
        self.ring.writers().release(slot);
        if let Some(strength) = strength {
            let mut panics = Panics::new();
            panics.run(|| self.change(|registry| *registry.writers(strength) -= 1));
            panics.run(|| trace::went(self, "writer", strength, id, name));
            panics.finish();
        }
    }

    #[inline]
    pub(crate) fn convert_writer(&self, from: Strength, to: Strength) {
        self.change(|registry| {
            *registry.writers(to) += 1;
            *registry.writers(from) -= 1;
        });
    }

    /// A reader ends: nobody waits for it any more, but it keeps its figures for itself.
    pub(crate) fn count_reader_out(&self, slot: &Seat<Slot>, strength: Strength) {
        slot.figures.present.store(false, Ordering::Relaxed);
        let id = slot.figures.id.get() as u32;
        self.unregister(strength, id);
    }

    /// Takes the slot of a reader, and counts it out if it was not yet.
    pub(crate) fn remove_reader(&self, slot: &Seat<Slot>, strength: Option<Strength>) {
        slot.figures.present.store(false, Ordering::Relaxed);
        let id = slot.figures.id.get() as u32;
        lock(&self.registry).retire_reader(&slot.figures);
        self.parking.slots.release(slot);
        // Last, as others' code may run in there.
        if let Some(strength) = strength {
            self.unregister(strength, id);
        }
    }

    fn unregister(&self, strength: Strength, id: u32) {
        let mut panics = Panics::new();
        panics.run(|| self.change(|registry| *registry.readers(strength) -= 1));
        panics.run(|| trace::went(self, "reader", strength, id, None));
        panics.finish();
    }

    pub(crate) fn convert_reader(&self, from: Strength, to: Strength) {
        self.change(|registry| {
            *registry.readers(to) += 1;
            *registry.readers(from) -= 1;
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
        panics.run(|| self.change(|registry| registry.handle = false));
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
    fn change(&self, change: impl FnOnce(&mut Registry)) {
        let mut registry = lock(&self.registry);
        change(&mut registry);
        let is_over = registry.is_over();
        drop(registry);
        // Once over, always over: nobody can join any more who would undo it.
        if is_over && self.ending() == Ending::Open {
            self.end(Ending::Drained);
        }
    }

    pub(crate) fn stats(&self) -> ChannelStats {
        let registry = lock(&self.registry);
        let ring = &self.ring;
        let reserved = ring.reserved();
        let readers = || {
            let slots = self.parking.slots.iter().map(|slot| &slot.figures);
            slots.filter(|figures| figures.present.load(Ordering::Relaxed))
        };
        let Survey { sent, dropped, .. } = self.survey(&registry);
        let mut stats = ChannelStats {
            capacity: ring.capacity(),
            start: ring.start().label(0),
            reserved: reserved.label(0),
            gate: ring.gate().label(0),
            payload_bytes: sent.bytes.saturating_sub(dropped.bytes),
            ring_bytes: reserved.bytes_since(ring.start()),
            slices: sent.messages.saturating_sub(dropped.messages),
            dropped_slices: dropped.messages,
            dropped_bytes: dropped.bytes,
            skipped_ring_bytes: registry.retired.skipped_ring_bytes,
            strong_writers: registry.strong_writers,
            weak_writers: registry.weak_writers,
            strong_readers: registry.strong_readers,
            weak_readers: registry.weak_readers,
            readers: readers().map(|figures| ReaderStats::read(figures, reserved)).collect(),
        };
        for slot in self.parking.slots.iter() {
            stats.skipped_ring_bytes =
                stats.skipped_ring_bytes.wrapping_add(slot.figures.skipped_ring_bytes.get());
        }
        stats
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use crate::channel::reader::{Read, StrongReader, WeakReader};
    use crate::channel::terms::StartAt;
    use crate::channel::writer::HasCore;
    use crate::channel::writer::StrongWriter;
    use crate::error::TrySendError;
    use crate::sync::asymmetric::prepare;
    use crate::sync::pause;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
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

    fn channel(size: u64, abilities: Abilities) -> Arc<Shared> {
        let start = Position::new(0);
        Arc::new(Shared::new(Geometry::new(size), start, Backpressure::Block, abilities).unwrap())
    }

    fn waker() -> (Arc<Wakes>, Waker) {
        let wakes = Arc::new(Wakes::default());
        (wakes.clone(), Waker::from(wakes))
    }

    #[test]
    fn a_writer_comes_to_room_that_was_given_back_while_clones_were_made() {
        let shared = channel(1024, Abilities::NONE);
        let holds_all = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        while writer.try_send(&[1; 64]).is_ok() {}
        let original = StrongReader::new(&shared, StartAt::Now);
        let (wakes, waker) = waker();
        let mut send = std::pin::pin!(writer.send(&[2; 64]));
        assert!(send.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // Who gives it back never gets as far as to see it.
        let clones = Rc::new(RefCell::new(vec![original]));
        let others = clones.clone();
        let clone = move || {
            let another = others.borrow()[0].clone();
            others.borrow_mut().push(another);
        };
        pause::each(clone, || drop(holds_all));
        assert!(clones.borrow().len() > 2);
        assert!(shared.ring.has_room_for(1024, 0));
        assert!(wakes.0.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn a_writer_that_is_stopped_while_it_ends_the_watch_keeps_nobody_asleep() {
        let abilities = Abilities { sections: false, ..prepare() };
        let shared = channel(1 << 16, abilities);
        if !abilities.heavy_fences {
            return;
        }
        // A reader goes to sleep, and another writer commits, at any two points of it.
        let points = Rc::new(Cell::new(0));
        let count = points.clone();
        pause::each(move || count.set(count.get() + 1), || shared.end_watch());
        assert!(points.get() > 2);
        for sleeps_at in 0..points.get() {
            for commits_at in sleeps_at..points.get() {
                let shared = channel(1 << 16, abilities);
                let mut reader = StrongReader::new(&shared, StartAt::Oldest);
                let mut other = StrongWriter::new(&shared);
                let (wakes, waker) = waker();
                let (woken, mut point) = (wakes.clone(), 0);
                let work = move || {
                    if point == sleeps_at {
                        let mut context = Context::from_waker(&waker);
                        let read = Read::poll_read(&mut reader, &mut context, &mut [0; 64]);
                        assert!(read.is_pending());
                    }
                    if point == commits_at {
                        other.try_send(b"there").unwrap();
                        assert_eq!(woken.0.load(Ordering::Relaxed), 1, "{sleeps_at} {commits_at}");
                    }
                    point += 1;
                };
                pause::each(work, || shared.end_watch());
            }
        }
    }

    #[test]
    fn of_a_writer_whose_number_another_one_had_nothing_is_missed_that_was_not_sent() {
        let shared = channel(1024, Abilities::NONE);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut first = StrongWriter::new(&shared);
        (0..3).for_each(|_| first.try_send(&[1; 10]).unwrap());
        (0..3).for_each(|_| drop(reader.try_recv().unwrap().unwrap()));
        drop(first);
        shared.writer_ids.store(u64::from(u32::MAX) + 1, Ordering::Relaxed);
        let mut again = StrongWriter::new(&shared);
        assert_eq!(again.id(), 1);
        for _ in 0..2 {
            again.try_send(b"one").unwrap();
            assert!(reader.try_recv().unwrap().unwrap().header().missed.is_none());
        }
        assert!(reader.missed().is_none());
    }

    #[test]
    fn writers_come_and_go_however_long_a_named_one_has_been_gone() {
        for granules in [1, 1 << 4, 1 << 20, 1 << 57, 1 << 58, 1 << 59, 1 << 60] {
            let shared = channel(1024, Abilities::NONE);
            let mut named = StrongWriter::new(&shared);
            named.set_name("named");
            named.try_send(b"one").unwrap();
            let id = named.id();
            drop(named);
            let reader = StrongReader::new(&shared, StartAt::Now);
            assert_eq!(reader.writer_name(id).as_deref(), Some("named"));
            drop(reader);
            shared.ring.leap(granules);
            drop(StrongWriter::new(&shared));
            let is_known = shared.writer_name(id).is_some();
            assert_eq!(is_known, granules < 15, "{granules} granules on");
            assert_eq!(shared.stats().strong_writers, 0);
        }
    }

    #[test]
    fn figures_of_readers_that_idled_for_long_add_up() {
        let shared = channel(1024, Abilities::NONE);
        let mut writer = StrongWriter::new(&shared);
        let mut readers: Vec<_> = (0..3).map(|_| WeakReader::new(&shared, StartAt::Now)).collect();
        writer.try_send(b"one").unwrap();
        shared.ring.leap((1 << 57) - 1);
        let core = writer.writer_core();
        let _given_up = core.try_reserve(1024).unwrap();
        core.abort();
        for reader in &mut readers {
            assert!(reader.try_recv().is_err());
        }
        let stats = shared.stats();
        assert!(stats.readers.iter().all(|reader| reader.skipped_ring_bytes > 1 << 62));
        drop(readers);
        assert_eq!(shared.stats().weak_readers, 0);
    }
}
