//! What the endpoints of a channel have in common: the ring, who waits for it, and who is there.

use crate::channel::loss::Losses;
use crate::channel::registry::{Absence, Registry};
use crate::channel::stats::{ChannelStats, ReaderStats, WriterStats};
use crate::channel::survey::Survey;
use crate::channel::terms::{AfterLast, Backpressure, Ending, Strength};
use crate::channel::trace;
use crate::channel::writer_names::Names;
use crate::error::{FailError, Failure};
use crate::ring::position::{GRANULE, Geometry, Position};
use crate::ring::{Reservation, Ring, WriterSlot};
use crate::sync::asymmetric::Abilities;
use crate::sync::table::Seat;
use crate::sync::{AtomicU32, AtomicU64, Mutex, OnceLock, Ordering, fence as full_fence, lock};
use crate::wait::line::Line;
use crate::wait::owed::Owed;
use crate::wait::panics::Panics;
use crate::wait::parking::{Parking, Slot};
use crate::wait::reader_figures::ReaderFigures;
use crate::wait::watch::Watch;
use crossbeam_utils::CachePadded;
use std::collections::HashSet;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ring: Ring,
    pub(crate) backpressure: Backpressure,
    pub(crate) after_last: AfterLast,
    /// What its maker calls the channel.
    pub(crate) name: Option<Arc<str>>,
    #[cfg(feature = "tracing")]
    pub(crate) log: CachePadded<trace::Log>,
    /// An [`Ending`]. Readers look at it before every read; nobody writes it but once or twice.
    ending: CachePadded<AtomicU32>,
    /// What the channel failed with, if it [failed](Ending::Failed). Before that, what it is about to.
    failure: OnceLock<Failure>,
    /// Whether it fails when a strong writer is dropped by a panic.
    pub(crate) fails_on_panic: bool,
    /// Whether commits and releases look for those who sleep.
    pub(super) watch: Watch,
    pub(super) parking: Parking,
    /// Writers that wait for room.
    pub(crate) room: Line,
    /// What writers that do not wait leave to a larger message.
    pub(crate) owed: CachePadded<Owed>,
    /// Those that wait for the channel to close.
    pub(super) closing: Line,
    /// Those that wait until something was read.
    pub(super) reading: Line,
    /// Those that wait for a reader, or until there is none.
    pub(super) audience: Line,
    /// How many numbers were given to writers; the low half is the last one.
    writer_ids: AtomicU64,
    pub(super) next_reader_id: AtomicU32,
    /// No reader starts further on. Writers look at it behind each slice: `account.rs`.
    pub(super) furthest_start: CachePadded<AtomicU64>,
    pub(super) registry: Mutex<Registry>,
    names: Mutex<Names>,
    /// There may be one reader beside the one of this number.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(super) one_beside: OnceLock<u32>,
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
    fn name_of_reader(&self, reader: u32) -> Option<Arc<str>> {
        self.reader_name(reader)
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
            ring: Ring::new(geometry, start, abilities)?,
            backpressure,
            after_last: AfterLast::default(),
            name: None,
            #[cfg(feature = "tracing")]
            log: CachePadded::new(trace::Log::new()),
            ending: CachePadded::new(AtomicU32::new(Ending::Open as u32)),
            failure: OnceLock::new(),
            fails_on_panic: true,
            watch: Watch::new(abilities.heavy_fences),
            parking: Parking::new(),
            room: Line::new(),
            owed: CachePadded::new(Owed::new(start)),
            closing: Line::new(),
            reading: Line::by_length(),
            audience: Line::new(),
            writer_ids: AtomicU64::new(0),
            next_reader_id: AtomicU32::new(1),
            furthest_start: CachePadded::new(AtomicU64::new(start.raw())),
            registry: Mutex::new(Registry {
                handle: true,
                absence: Absence::first(start),
                ..Registry::default()
            }),
            names: Mutex::new(Names::default()),
            #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
            one_beside: OnceLock::new(),
        })
    }

    #[inline]
    pub(crate) fn ending(&self) -> Ending {
        // ORD(ending:A) Acquire, pairs with ORD(ending:B): who finds the channel ended finds
        // `reserved` closed, and the failure.
        match self.ending.load(Ordering::Acquire) {
            0 => Ending::Open,
            1 => Ending::Drained,
            2 => Ending::Failed,
            _ => Ending::Terminated,
        }
    }

    /// Lets the channel end, and wakes everybody, whatever code of others does meanwhile.
    pub(crate) fn end(&self, ending: Ending) {
        // ORD(ending:B) Release, pairs with ORD(ending:A).
        let is_new = if ending == Ending::Terminated {
            // First the reason, so that a writer that finds the channel closed finds out why; a
            // reader fails then without a look at `reserved`.
            let before = self.ending.fetch_max(ending as u32, Ordering::Release);
            self.ring.close();
            before < ending as u32
        } else {
            self.ring.close();
            // One exchange decides between a clean end and a failure: no two readers see different ones.
            let (open, order) = (Ending::Open as u32, (Ordering::Release, Ordering::Relaxed));
            self.ending.compare_exchange(open, ending as u32, order.0, order.1).is_ok()
        };
        let mut panics = Panics::new();
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        full_fence(Ordering::SeqCst);
        self.parking.wake_all(&mut panics);
        panics.run(|| self.room.wake_all());
        for line in [&self.closing, &self.reading, &self.audience] {
            panics.run(|| line.wake_all());
        }
        if is_new {
            panics.run(|| trace::ended(self, self.ring.capacity(), ending));
        }
        panics.finish();
    }

    /// Lets the channel end with a failure, unless it has ended before.
    pub(crate) fn fail(&self, failure: Failure) -> Result<(), FailError> {
        if self.ending() != Ending::Open {
            return Err(FailError::new(failure));
        }
        // First the failure, so that a reader that finds the channel failed finds it. The first one
        // stays. If A is stopped between the two steps, B, which comes second, does A's second one.
        let refused = self.failure.set(failure.clone()).is_err();
        self.end(Ending::Failed);
        if refused || self.ending() != Ending::Failed {
            return Err(FailError::new(failure));
        }
        Ok(())
    }

    /// What the channel failed with, if it did.
    pub(crate) fn failure(&self) -> Option<Failure> {
        if self.ending() == Ending::Failed { self.failure.get().cloned() } else { None }
    }

    /// Registers a writer: its slot, and its number. A slice without a writer has the number 0. Nothing
    /// may unwind from here until somebody is there who takes it off again.
    #[inline]
    #[track_caller]
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

    /// The first number that no writer has been given yet. A reader that has decided where to read
    /// from before this call sees everything that writers with this number or a later one send.
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

    /// Gives a reader a name.
    pub(crate) fn name_reader(&self, id: u32, name: Arc<str>) {
        // The old one is dropped behind the lock.
        let _before = lock(&self.names).readers.insert(id, name);
    }

    pub(crate) fn reader_name(&self, id: u32) -> Option<Arc<str>> {
        lock(&self.names).readers.get(&id).cloned()
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

    /// A reader ends, unless it was ended already: nobody waits for it any more, but it keeps its
    /// figures for itself.
    pub(crate) fn count_reader_out(&self, slot: &Seat<Slot>) {
        let id = slot.figures.id.get() as u32;
        let mut registry = lock(&self.registry);
        let strength = registry.count_reader_out(&slot.figures);
        let is_over = registry.is_over();
        drop(registry);
        self.after_reader(strength, id, self.reader_name(id), is_over);
    }

    /// Takes the slot of a reader, and counts it out if it was not yet.
    pub(crate) fn remove_reader(&self, slot: &Seat<Slot>) {
        let id = slot.figures.id.get() as u32;
        let mut registry = lock(&self.registry);
        let strength = registry.count_reader_out(&slot.figures);
        registry.retire_reader(&slot.figures);
        let is_over = registry.is_over();
        drop(registry);
        self.parking.slots.release(slot);
        let name = lock(&self.names).readers.remove(&id);
        // Last, as others' code may run in there.
        self.after_reader(strength, id, name, is_over);
    }

    /// A reader was counted out, if it had this strength: lets the channel end if that was its end.
    pub(super) fn after_reader(
        &self,
        strength: Option<Strength>,
        id: u32,
        name: Option<Arc<str>>,
        is_over: bool,
    ) {
        let Some(strength) = strength else { return };
        let mut panics = Panics::new();
        panics.run(|| self.end_if(is_over));
        panics.run(|| self.after_audience());
        panics.run(|| trace::went(self, "reader", strength, id, name));
        panics.finish();
    }

    /// A reader is of another strength from now on.
    pub(crate) fn convert_reader(&self, figures: &ReaderFigures, to: Strength) {
        lock(&self.registry).count_reader_as(figures, to);
    }

    /// The last handle is gone. What was reserved through it and leaked is given up.
    #[inline]
    pub(crate) fn drop_handle(&self) {
        let mut panics = Panics::new();
        let reserved = self.ring.reserved();
        // The oldest first: what lies behind a slice in flight gives no room.
        let oldest = || {
            let slots = self.ring.writers().iter().map(|slot| &slot.in_flight);
            let leaked = slots.filter(|(_, size)| size.get() > 0);
            leaked.max_by_key(|(position, _)| reserved.since(Position::new(position.get())))
        };
        while let Some((position, size)) = oldest() {
            let (position, size) = (Position::new(position.get()), size.take());
            panics.run(|| self.give_up(Reservation { position, size }));
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
        self.end_if(is_over);
    }

    /// Once over, always over: no writer can join any more, and a reader that does comes too late.
    #[inline]
    pub(super) fn end_if(&self, is_over: bool) {
        if is_over && self.ending() == Ending::Open {
            self.end(Ending::Drained);
        }
    }

    pub(crate) fn stats(&self) -> ChannelStats {
        let registry = lock(&self.registry);
        let ring = &self.ring;
        let reserved = ring.reserved();
        let writers = ring.writers().iter().filter_map(|slot| {
            let id = slot.id.get() as u32;
            (id != 0).then(|| WriterStats::read(&slot.figures, id))
        });
        let (survey, overwritten) = (self.survey(&registry), registry.overwritten());
        let Survey { sent, dropped, .. } = survey;
        let mut skipped_ring_bytes = registry.retired.skipped_ring_bytes;
        let mut readers = Vec::with_capacity(registry.strong_readers + registry.weak_readers);
        for Slot { figures, .. } in self.parking.slots.iter() {
            skipped_ring_bytes = skipped_ring_bytes.wrapping_add(figures.skipped_ring_bytes.get());
            if figures.present.load(Ordering::Relaxed) {
                readers.push(ReaderStats::read(figures, reserved));
            }
        }
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
            skipped_ring_bytes,
            strong_writers: registry.strong_writers,
            weak_writers: registry.weak_writers,
            strong_readers: registry.strong_readers,
            weak_readers: registry.weak_readers,
            overwritten_slices: 0,
            overwritten_bytes: 0,
            failure: self.failure(),
            held_ring_bytes: ring.held(),
            waiting_writers: self.room.len(),
            writers: writers.collect(),
            readers,
        };
        drop(registry);
        let names = lock(&self.names);
        for writer in &mut stats.writers {
            writer.name = names.get(writer.id);
        }
        for reader in &mut stats.readers {
            reader.name = names.readers.get(&reader.id).cloned();
        }
        drop(names);
        let overwritten = self.overwritten(overwritten, &survey);
        (stats.overwritten_slices, stats.overwritten_bytes) =
            (overwritten.messages, overwritten.bytes);
        stats
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests;
