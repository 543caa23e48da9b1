//! What a spool's handles, its writer and its readers have in common: how the stream ends, who is
//! there, and who is woken by what.

use super::error::{Abandoned, Ended, FinishError, ReadError, WriterError};
use super::file::Disk;
use super::pull::Pull;
use super::retain::Bound;
use super::segment::{Memory, Tail};
use super::stats::{ReaderStats, SpoolStats};
use crate::error::Failure;
use crate::sync::asymmetric;
use crate::sync::figure::Figure;
use crate::sync::table::Seat;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering, fence, lock};
use crate::wait::line::{Line, Never, Request, Ticket};
use crate::wait::panics::{Panics, drop_waker};
use crate::wait::parking::{Parking, Slot};
use crate::wait::watch::Watch;
use crossbeam_utils::CachePadded;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Instant;

/// The longest stream: the word of the end has three bits for how it ended.
pub(super) const MOST: u64 = u64::MAX >> BITS;
const BITS: u32 = 3;
const OPEN: u64 = 0;
/// It has failed, and where it ends is being found out.
const FAILING: u64 = 1;
const FAILED: u64 = 2;
const FINISHED: u64 = 3;
const TERMINATED: u64 = 4;

/// The number of the reader of who waits for all of a stream ([`super::Spool::load_all`]).
pub(super) const NO_READER: u64 = 0;

/// How a stream stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    Open,
    Finished,
    Failed,
    Terminated,
}

/// What the spool keeps for each reader, and for each read at a place of its own that waits.
#[derive(Debug)]
pub(super) struct Figures {
    /// It waits for so many bytes to be there.
    wanted: Figure,
    /// The number of its reader.
    reader: Figure,
    pub(super) position: Figure,
    /// Whether a reader has this seat: changed under the lock of the registry.
    is_present: AtomicBool,
    is_closed: AtomicBool,
    /// Whether the writer waits for it.
    is_strong: AtomicBool,
}

impl Default for Figures {
    fn default() -> Self {
        let [wanted, reader, position] = std::array::from_fn(|_| Figure::default());
        let [is_present, is_closed, is_strong] = [false; 3].map(AtomicBool::new);
        Self { wanted, reader, position, is_present, is_closed, is_strong }
    }
}

impl Figures {
    /// Whether its reader was closed.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        // Relaxed: who sleeps is ordered by the fence in `close`.
        self.is_closed.load(Ordering::Relaxed)
    }

    // Relaxed: `Shared::hold` tells what orders it.
    pub(super) fn set_strong(&self, yes: bool) {
        self.is_strong.store(yes, Ordering::Relaxed);
    }

    /// Whether the writer waits for its reader.
    pub(super) fn holds(&self) -> bool {
        self.is_strong.load(Ordering::Relaxed) && !self.is_closed()
    }
}

#[derive(Debug)]
pub(super) struct Registry {
    handles: u64,
    readers: u64,
    has_writer: bool,
    next_reader: u64,
    /// Why there are no new readers.
    refused: Option<Failure>,
    /// A length, and when it was first seen by anybody who asked.
    seen: (u64, Instant),
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) memory: Arc<Memory>,
    /// Where the bytes lie that do not lie in memory, if there can be any.
    pub(super) disk: Option<Disk>,
    pub(super) known_len: Option<u64>,
    /// What is kept, if that is not all.
    pub(super) bound: Option<Bound>,
    /// How it ended, and at which length. Readers look at it before every read; nobody writes it but
    /// twice or thrice.
    end: CachePadded<AtomicU64>,
    /// Set before `end` says that it fails.
    failure: OnceLock<Failure>,
    has_heavy_fences: bool,
    watch: Watch,
    parking: Parking<Figures>,
    /// Those who wait for a change of the registry, or for the end.
    changes: Line,
    registry: Mutex<Registry>,
    /// Its source, if it has one that is read on demand.
    pull: OnceLock<Arc<Pull>>,
}

impl Shared {
    /// It may come to rely on heavy fences for its watch, and has them from the start for its end.
    pub(super) fn new(
        memory: Memory,
        disk: Option<Disk>,
        known_len: Option<u64>,
        bound: Option<Bound>,
        [may_rely, has_heavy_fences]: [bool; 2],
    ) -> Self {
        Self {
            memory: Arc::new(memory),
            disk,
            known_len,
            bound,
            end: CachePadded::new(AtomicU64::new(OPEN)),
            failure: OnceLock::new(),
            has_heavy_fences,
            watch: Watch::new(may_rely),
            parking: Parking::new(),
            changes: Line::new(),
            registry: Mutex::new(Registry {
                handles: 1,
                readers: 0,
                has_writer: false,
                next_reader: 1,
                refused: None,
                seen: (0, Instant::now()),
            }),
            pull: OnceLock::new(),
        }
    }

    // How it stands.

    /// How many bytes there are to read, and how the stream stands. Any reader is told the same end, at
    /// the same length, however often it asks.
    ///
    /// A writer publishes with one store, and may do so while A fails the stream from outside. So A
    /// first writes *failing*, then issues a heavy fence, and takes the length that it reads then for
    /// the last one. B, a reader, reads the length, issues a light fence, and reads `end`. Suppose that
    /// B has read a greater length than A. If B's fence came first, A would have read that length as
    /// well. So A's came first, and B sees *failing*, or what has become of it, and not the length that
    /// it has read. B waits for nobody: it finds out the last length itself, in A's way, and the first
    /// to write it down decides.
    pub(super) fn length_and_ending(&self) -> (u64, Ending) {
        let length = self.memory.length();
        if self.has_heavy_fences {
            // ORD(light) pairs with ORD(heavy) in `settle`.
            asymmetric::light();
        } else {
            // ORD(settle:B) SeqCst, pairs with ORD(settle:A).
            fence(Ordering::SeqCst);
        }
        loop {
            // ORD(ended:B) Acquire, pairs with ORD(ended:A): the last length, and the failure.
            let end = self.end.load(Ordering::Acquire);
            let last = end >> BITS;
            match end & ((1 << BITS) - 1) {
                OPEN if Some(length) == self.known_len => return (length, Ending::Finished),
                OPEN => return (length, Ending::Open),
                FAILING => self.settle(),
                FAILED => return (last, Ending::Failed),
                FINISHED => return (last, Ending::Finished),
                _ => return (last, Ending::Terminated),
            }
        }
    }

    /// Finds out at which length a failing stream ends, unless another thread was faster.
    #[cold]
    fn settle(&self) {
        if self.has_heavy_fences {
            // ORD(heavy) pairs with ORD(light) in `check`.
            asymmetric::heavy();
        } else {
            // ORD(settle:A) SeqCst, pairs with ORD(settle:B).
            fence(Ordering::SeqCst);
        }
        let length = self.memory.length();
        let ending = if Some(length) == self.known_len { FINISHED } else { FAILED };
        let end = (length << BITS) | ending;
        // ORD(ended:A) Release, pairs with ORD(ended:B).
        let _first = self.end.compare_exchange(FAILING, end, Ordering::Release, Ordering::Relaxed);
    }

    /// Whether it takes bytes, as far as this thread knows.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        // Relaxed: what is written in spite of an end is not seen by anybody (`check`).
        self.end.load(Ordering::Relaxed) == OPEN
    }

    #[inline]
    pub(super) fn is_terminated(&self) -> bool {
        // Relaxed: nothing is read after it.
        self.end.load(Ordering::Relaxed) & ((1 << BITS) - 1) == TERMINATED
    }

    /// How it has ended; `None` if it goes on.
    pub(super) fn ended(&self) -> Option<Ended> {
        match self.length_and_ending().1 {
            Ending::Open => None,
            Ending::Finished => Some(Ended::Finished),
            Ending::Failed => Some(Ended::Failed(self.failure())),
            Ending::Terminated => Some(Ended::Terminated),
        }
    }

    /// Why it failed, after that was seen.
    pub(super) fn failure(&self) -> Failure {
        match self.failure.get() {
            Some(failure) => failure.clone(),
            None => unreachable!("a stream failed without an error"),
        }
    }

    /// How long the stream was, or why it has none, once it has ended.
    pub(super) fn outcome(&self) -> Option<Result<u64, ReadError>> {
        match self.length_and_ending() {
            (_, Ending::Open) => None,
            (length, Ending::Finished) => Some(Ok(length)),
            (_, Ending::Failed) => Some(Err(ReadError::Failed(self.failure()))),
            (_, Ending::Terminated) => Some(Err(ReadError::Terminated)),
        }
    }

    /// The length of the whole stream, or why there will be none; `Empty` if it is not known yet.
    pub(super) fn whole(&self) -> Result<u64, ReadError> {
        match (self.length_and_ending(), self.known_len) {
            ((_, Ending::Terminated), _) => Err(ReadError::Terminated),
            ((length, Ending::Finished), _) => Ok(length),
            (_, Some(known_len)) => Ok(known_len),
            ((_, Ending::Failed), _) => Err(ReadError::Failed(self.failure())),
            ((_, Ending::Open), _) => Err(ReadError::Empty),
        }
    }

    /// Whether the byte at `position`, if there is one, lies in a file.
    pub(super) fn lies_in_file(&self, position: u64) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.begins_before(position))
    }

    /// Reads what lies in a file, from `position` to below `to`, which was seen published; 0 if nothing does.
    /// `Evicted`, if the first of it is not kept any more.
    #[cold]
    pub(super) fn read_file(
        &self,
        buffer: &mut [u8],
        position: u64,
        to: u64,
    ) -> Result<usize, ReadError> {
        let Some(disk) = &self.disk else { return Ok(0) };
        let seen = usize::try_from(to.saturating_sub(position)).unwrap_or(usize::MAX);
        let length = buffer.len().min(seen);
        if length == 0 {
            return Ok(0);
        }
        let read = disk.read(&mut buffer[..length], position)?;
        if disk.still_has(position) {
            return Ok(read);
        }
        Err(ReadError::Evicted { position, begin: self.begin(), len: self.length_and_ending().0 })
    }

    // How it ends.

    /// Ends the stream well, at `length`, which the writer has published.
    pub(super) fn finish(&self, length: u64) -> Result<u64, FinishError> {
        let registry = lock(&self.registry);
        match (self.ended(), self.known_len) {
            // By the last of the bytes that were promised; `end` may not say so yet.
            (Some(Ended::Finished), _) if !self.is_open() => return Ok(length),
            (None, Some(known_len)) if length < known_len => {
                let short = FinishError::Short { written: length, known_len };
                self.fail_with(registry, Failure::new(short.clone()))?;
                return Err(short);
            }
            (None | Some(Ended::Finished), _) => {}
            (Some(ended), _) => return Err(ended.into()),
        }
        // ORD(ended:A) Release, pairs with ORD(ended:B). From *open* on it changes under the lock.
        self.end.store((length << BITS) | FINISHED, Ordering::Release);
        drop(registry);
        self.after_end();
        Ok(length)
    }

    pub(super) fn fail(&self, failure: Failure) -> Result<(), Ended> {
        self.fail_with(lock(&self.registry), failure)
    }

    fn fail_with(&self, registry: MutexGuard<'_, Registry>, failure: Failure) -> Result<(), Ended> {
        if let Some(ended) = self.ended() {
            // The failure is code of others: it is dropped without the lock.
            drop(registry);
            return Err(ended);
        }
        let _only_here_under_the_lock = self.failure.set(failure);
        // ORD(ended:A) Release, pairs with ORD(ended:B). From *open* on it changes under the lock.
        self.end.store(FAILING, Ordering::Release);
        self.settle();
        drop(registry);
        self.after_end();
        // The last promised byte may have come meanwhile.
        match self.length_and_ending().1 {
            Ending::Finished => Err(Ended::Finished),
            _ => Ok(()),
        }
    }

    pub(super) fn terminate(&self) {
        let registry = lock(&self.registry);
        // ORD(ended:A) Release, pairs with ORD(ended:B). From *open* on it changes under the lock.
        self.end.store(TERMINATED, Ordering::Release);
        drop(registry);
        self.after_end();
    }

    /// Ends a stream that was found ended, before anybody else knows it.
    pub(super) fn end_as_found(&self, length: u64, failure: Option<Failure>) {
        let ended = match failure {
            None => self.finish(length).is_ok(),
            Some(failure) => self.fail(failure).is_ok(),
        };
        debug_assert!(ended, "nobody else has ended it");
    }

    fn after_end(&self) {
        let mut panics = Panics::new();
        self.release_file();
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        fence(Ordering::SeqCst);
        self.parking.wake_all(&mut panics);
        panics.run(|| self.changes.wake_all());
        self.end_pull(&mut panics);
        if let Some(bound) = &self.bound {
            panics.run(|| bound.wake_writer());
        }
        panics.finish();
    }

    // Its source.

    #[inline]
    pub(super) fn pull(&self) -> Option<&Arc<Pull>> {
        self.pull.get()
    }

    /// Gives it a source, once, and has those look again who wait.
    pub(super) fn set_pull(&self, pull: Arc<Pull>) {
        let _only_one_has_the_writer = self.pull.set(pull);
        let mut panics = Panics::new();
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        fence(Ordering::SeqCst);
        self.parking.wake_all(&mut panics);
        panics.finish();
    }

    fn end_pull(&self, panics: &mut Panics) {
        if let Some(pull) = self.pull() {
            panics.run(|| pull.end());
        }
    }

    /// Whether somebody is parked who waits for more than `length` bytes. Under the lock of the source,
    /// which who is parked takes next.
    pub(super) fn is_needed(&self, length: u64) -> bool {
        self.parking.any(|figures| figures.wanted.get() > length)
    }

    /// Wakes those who wait for more than `length` bytes, after a change under the lock of the source.
    pub(super) fn wake_beyond(&self, length: u64, panics: &mut Panics) {
        self.parking.wake(panics, |figures| figures.wanted.get() > length);
    }

    /// The first bytes are not kept any more, and the caller has issued a full fence since it said so: who
    /// waits for all of them is told now, and not at an end that may never come.
    #[cold]
    pub(super) fn wake_who_loads_all(&self) {
        let mut panics = Panics::new();
        self.parking.wake(&mut panics, |figures| figures.reader.get() == NO_READER);
        panics.finish();
    }

    // Who is there.

    /// What the spool keeps of each reader, and of each read that waits at a place of its own.
    pub(super) fn figures(&self) -> impl Iterator<Item = &Figures> {
        self.parking.slots.iter().map(|slot| &slot.figures)
    }

    pub(super) fn claim(&self) -> Result<Tail, WriterError> {
        let mut registry = lock(&self.registry);
        match self.ended() {
            None => {}
            // All promised bytes were in the file when it was opened: it is still to be marked as finished.
            Some(Ended::Finished) if self.has_named_file() && self.is_open() => {}
            Some(ended) => return Err(ended.into()),
        }
        let tail = self.memory.claim().ok_or(WriterError::Busy)?;
        registry.has_writer = true;
        Ok(tail)
    }

    /// The writer has gone, and its tail.
    pub(super) fn remove_writer(&self) {
        lock(&self.registry).has_writer = false;
        self.release_file();
        self.after_departure();
    }

    fn has_named_file(&self) -> bool {
        self.disk.as_ref().is_some_and(Disk::is_named)
    }

    /// Lets other spools write the file, once there is no writer here and can be none.
    fn release_file(&self) {
        let Some(disk) = &self.disk else { return };
        let registry = lock(&self.registry);
        if !registry.has_writer && !self.is_open() {
            disk.unlock();
        }
    }

    pub(super) fn add_handle(&self) {
        lock(&self.registry).handles += 1;
    }

    pub(super) fn remove_handle(&self) {
        let mut registry = lock(&self.registry);
        registry.handles -= 1;
        if registry.handles == 0 {
            drop(registry);
            self.after_departure();
        }
    }

    /// Fails a stream that nobody can ever end, and tells those who wait for somebody to go.
    fn after_departure(&self) {
        let registry = lock(&self.registry);
        let mut panics = Panics::new();
        let is_alone = registry.handles == 0 && registry.readers == 0;
        if registry.handles == 0 && !registry.has_writer {
            let abandoned = Abandoned::NoWriter { written: self.memory.length() };
            panics.run(|| {
                let _unless_it_had_ended = self.fail_with(registry, Failure::new(abandoned));
            });
        } else {
            drop(registry);
        }
        panics.run(|| self.changes.wake_all());
        if is_alone {
            self.end_pull(&mut panics);
        }
        panics.finish();
    }

    /// Refuses new readers from now on, with the failure of the first call.
    pub(super) fn refuse_readers(&self, failure: Failure) {
        // The first one stays. The failure is code of others: it is dropped without the lock.
        let refused = lock(&self.registry).refused.get_or_insert(failure.clone()).clone();
        drop((refused, failure));
    }

    /// A seat for a weak reader that stands at `position`, and its number.
    pub(super) fn add_reader(
        &self,
        position: u64,
        is_clone: bool,
    ) -> Result<(Seat<Slot<Figures>>, u64), Failure> {
        let mut registry = lock(&self.registry);
        if let Some(failure) = registry.refused.as_ref().filter(|_| !is_clone) {
            return Err(failure.clone());
        }
        let seat = self.parking.slots.acquire();
        let number = registry.next_reader;
        registry.next_reader += 1;
        registry.readers += 1;
        let is_first = registry.readers == 1;
        let figures = &seat.figures;
        figures.position.set(position);
        figures.reader.set(number);
        figures.is_closed.store(false, Ordering::Relaxed);
        figures.is_present.store(true, Ordering::Relaxed);
        drop(registry);
        if is_first {
            self.changes.wake_all();
        }
        Ok((seat, number))
    }

    pub(super) fn remove_reader(&self, seat: &Seat<Slot<Figures>>) {
        let mut registry = lock(&self.registry);
        registry.readers -= 1;
        let is_last = registry.readers == 0;
        seat.figures.is_present.store(false, Ordering::Relaxed);
        drop(registry);
        let mut panics = Panics::new();
        panics.run(|| self.let_pass(&seat.figures));
        self.remove_seat(seat);
        if is_last {
            panics.run(|| self.after_departure());
        }
        panics.finish();
    }

    /// A seat for a read at a place of its own.
    pub(super) fn add_seat(&self, reader: u64) -> Seat<Slot<Figures>> {
        let seat = self.parking.slots.acquire();
        seat.figures.reader.set(reader);
        seat
    }

    pub(super) fn remove_seat(&self, seat: &Seat<Slot<Figures>>) {
        seat.figures.reader.set(NO_READER);
        self.parking.slots.release(seat);
    }

    /// Closes the reader of this number, unless it has gone.
    pub(super) fn close(&self, reader: u64) {
        // Under the lock a seat does not get another reader.
        let registry = lock(&self.registry);
        let mut present =
            self.figures().filter(|figures| figures.is_present.load(Ordering::Relaxed));
        let Some(figures) = present.find(|figures| figures.reader.get() == reader) else { return };
        figures.is_closed.store(true, Ordering::Relaxed);
        drop(registry);
        let mut panics = Panics::new();
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        fence(Ordering::SeqCst);
        self.parking.wake(&mut panics, |figures| figures.reader.get() == reader);
        panics.run(|| self.changes.wake_all());
        panics.run(|| self.check_room());
        panics.finish();
    }

    pub(super) fn readers(&self) -> u64 {
        lock(&self.registry).readers
    }

    /// Whether neither a reader is there nor a writer.
    pub(super) fn is_idle(&self) -> bool {
        let registry = lock(&self.registry);
        registry.readers == 0 && !registry.has_writer
    }

    pub(super) fn stats(&self) -> SpoolStats {
        let mut registry = lock(&self.registry);
        let len = self.length_and_ending().0;
        if registry.seen.0 != len {
            registry.seen = (len, Instant::now());
        }
        let (segments, memory_bytes, detached_bytes) = self.memory.taken();
        let present = self.figures().filter(|figures| figures.is_present.load(Ordering::Relaxed));
        let readers = present.map(|figures| {
            let position = figures.position.get();
            ReaderStats {
                id: figures.reader.get(),
                position,
                lag: len.saturating_sub(position),
                is_strong: figures.holds(),
            }
        });
        SpoolStats {
            len,
            known_len: self.known_len,
            segments,
            memory_bytes,
            detached_bytes,
            evicted: self.begin(),
            file_bytes: self.disk.as_ref().map_or(0, |disk| disk.bytes_kept_of(len)),
            has_writer: registry.has_writer,
            unchanged_since: registry.seen.1,
            readers: readers.collect(),
        }
    }

    // Who is woken by what.

    /// Whether a writer that has published must [wake](Self::wake_readers) readers.
    #[inline]
    pub(super) fn must_check(&self) -> bool {
        self.watch.must_check()
    }

    /// Wakes the readers that waited for a byte below `length`. Tells whether anybody sleeps.
    #[cold]
    pub(super) fn wake_readers(&self, length: u64) -> bool {
        // ORD(park:B) SeqCst, pairs with ORD(park:A).
        fence(Ordering::SeqCst);
        if self.parking.is_empty() {
            return false;
        }
        let mut panics = Panics::new();
        self.parking.wake(&mut panics, |figures| figures.wanted.get() <= length);
        panics.finish();
        true
    }

    /// After how many looks in vain the watch should [end](Self::end_watch).
    pub(super) fn threshold(&self) -> u32 {
        self.watch.threshold()
    }

    /// Many looks have found nobody: from now on who sleeps has to say so.
    #[cold]
    pub(super) fn end_watch(&self) {
        let is_waited_for = || self.bound.as_ref().is_some_and(Bound::is_waited_for);
        self.watch.end(|| !self.parking.is_empty() || is_waited_for());
    }

    /// A writer is about to sleep until there is room.
    pub(super) fn keep_watch(&self) {
        self.watch.keep();
    }

    /// Registers a reader to be woken when there are `wanted` bytes, or at the end. After this it must
    /// look once more before it sleeps.
    pub(super) fn park(&self, seat: &mut Seat<Slot<Figures>>, wanted: u64, waker: &Waker) {
        seat.figures.wanted.set(wanted);
        let before = self.parking.park(seat, waker);
        self.watch.keep();
        drop_waker(before);
        self.record_length();
    }

    /// Remembers since when there has been nothing new, for who asks later: a reader found nothing.
    fn record_length(&self) {
        if let Some(mut registry) = crate::sync::try_lock(&self.registry) {
            let length = self.memory.length();
            if registry.seen.0 != length {
                registry.seen = (length, Instant::now());
            }
        }
    }

    pub(super) fn unpark(&self, seat: &mut Seat<Slot<Figures>>) {
        self.parking.unpark(seat);
    }

    /// Forgets the waker of a reader that no longer waits.
    pub(super) fn forget(&self, seat: &mut Seat<Slot<Figures>>) {
        drop_waker(self.parking.forget(seat));
    }

    /// Waits until `check` finds something, which only an end, or a change of the registry, brings.
    pub(super) async fn until<T>(&self, mut check: impl FnMut() -> Option<T>) -> T {
        /// Leaves the line when the future is dropped.
        struct Place<'a>(&'a Line, Option<Ticket>);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                if let Some(ticket) = self.1 {
                    self.0.leave(ticket, &Never);
                }
            }
        }
        let mut place = Place(&self.changes, None);
        poll_fn(|context| {
            if let Some(found) = check() {
                return Poll::Ready(found);
            }
            let request = Request { length: 0, claim: 1, threshold: 0 };
            place.0.join(&mut place.1, request, context.waker(), &Never);
            // A thread that changes something goes through the line, or has it done by the one that has the
            // lock, and so comes before us, who see the change, or after us, and finds us.
            check().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
