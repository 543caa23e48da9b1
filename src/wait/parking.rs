//! Where readers wait for the next slice.
//!
//! A commit may unblock any number of readers, so it wakes all that are parked, or those whose figures
//! say that it has what they wait for. They are a set: a bit for each slot. A thread that wakes readers
//! takes each out right before it wakes it. If it is stopped meanwhile, it holds back only the reader
//! that it has taken: other threads find the rest. Parking and waking are lock-free and allocate nothing.
//!
//! A reader A leaves its waker in its slot, and sets its bit. Then it looks once more, behind a fence
//! ([`crate::wait`]). A thread B that wakes A has issued a fence before. B clears the bit, takes the
//! waker and wakes it. If A's fence comes first, B finds all that A left. If it comes second, A finds
//! what it would have been woken for, whatever became of its waker.
//!
//! The waker belongs to the thread that has cleared the bit, and no lock is needed:
//!
//! - Only A sets the bit, and says before that it has left a waker. From then on A leaves it alone.
//! - One thread clears the bit, B or A itself. If it is B, it says when it has taken the waker, and from
//!   then on the place is A's again. If it is A, it is so at once.
//! - A that comes to park while B is not done with the waker before cannot leave the new one. It wakes itself,
//!   and comes again. B may be stopped there for an hour: then A polls for as long.
//!
//! A waker is foreign code. While it is cloned, the one before is where it was, and what was there is woken or dropped
//! after all is done. So a waker that panics, or calls us again, finds everything in order.
//!
//! The bits of the first [`NEAR`] slots of the table are one word. Those of further slots lie in the
//! table, which grows with them and never moves: the word of a block of slots stands in its first slot.
//! A thread that wakes readers looks at the words of blocks with slots that are held. A reader that
//! parks holds its slot.
//!
//! The further bits are counted, so that two loads show that no reader is parked. The count is raised
//! before such a bit is set, and lowered after one was cleared. So it is never less than their number.
//! If it is 0 behind the fence of a parked reader, that reader's bit was cleared since, by a thread that
//! wakes it.
#![allow(unsafe_code)]

use super::panics::Panics;
use super::reader_figures::ReaderFigures;
use crate::sync::cell::UnsafeCell;
use crate::sync::table::{Index, Seat, Table};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering, spin_loop};
use crossbeam_utils::CachePadded;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Waker;

/// The slots whose bits are in one word: whole chunks of the table. In models the second reader is a
/// further one.
const NEAR: Index = if cfg!(overfall_loom) { 1 } else { 60 };

/// What a channel, or a spool, keeps for each reader.
#[derive(Debug)]
pub(crate) struct Slot<F = ReaderFigures> {
    /// The reader's, unless it is left to who clears the bit.
    waker: UnsafeCell<Option<Waker>>,
    /// Whether it is, or the thread that has cleared the bit is not done with it.
    is_left: AtomicBool,
    /// Which of the readers of the block are parked. Used only in the first slot of a block of further
    /// slots.
    parked: AtomicU64,
    pub(crate) figures: F,
}

// SAFETY: a waker may go from thread to thread and be used by several. One thread at a time has the cell: the
// holder of the seat while `is_left` is false, and otherwise the one that has cleared the bit (`with_waker`).
unsafe impl<F: Sync> Sync for Slot<F> {}

// Whatever panics, the cell has a waker or none.
impl<F: UnwindSafe> UnwindSafe for Slot<F> {}
impl<F: RefUnwindSafe> RefUnwindSafe for Slot<F> {}

impl<F: Default> Default for Slot<F> {
    fn default() -> Self {
        Self {
            waker: UnsafeCell::new(None),
            is_left: AtomicBool::new(false),
            parked: AtomicU64::new(0),
            figures: F::default(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Parking<F = ReaderFigures> {
    pub(crate) slots: Table<Slot<F>>,
    parked: CachePadded<Parked>,
}

#[derive(Debug)]
struct Parked {
    /// Which of the near readers are parked.
    near: AtomicU64,
    /// At least the number of further ones that are.
    further: AtomicU32,
}

/// The bit of a slot.
struct Bit<'a> {
    word: &'a AtomicU64,
    mask: u64,
    /// Where it is counted, if it is.
    count: Option<&'a AtomicU32>,
}

impl Bit<'_> {
    /// Relaxed: a stale look is told where it matters.
    fn is_set(&self) -> bool {
        self.word.load(Ordering::Relaxed) & self.mask != 0
    }

    /// Sets it. It is clear: nobody else sets it.
    fn set(&self) {
        if let Some(count) = self.count {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // ORD(parked:A) Release, pairs with ORD(parked:B): the count is raised, and the waker left, before
        // the thread that clears the bit lowers the one and takes the other.
        self.word.fetch_or(self.mask, Ordering::Release);
    }

    /// Clears it, and tells whether it was set.
    fn clear(&self) -> bool {
        // ORD(parked:B) Acquire, pairs with ORD(parked:A): all exchanges of a word form one release
        // sequence.
        let was_set = self.word.fetch_and(!self.mask, Ordering::Acquire) & self.mask != 0;
        if was_set {
            if let Some(count) = self.count {
                count.fetch_sub(1, Ordering::Relaxed);
            }
        }
        was_set
    }
}

/// The numbers of the bits that are set.
fn numbers(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let number = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (number < u64::BITS).then_some(number)
    })
}

/// Does something with the waker of a reader that is not parked, unless another thread is taking it.
#[inline]
fn with_waker<F, R>(
    slot: &mut Seat<Slot<F>>,
    work: impl FnOnce(&mut Option<Waker>) -> R,
) -> Option<R> {
    // ORD(waker:A) Acquire, pairs with ORD(waker:B): the thread that took the last one is done with it.
    if slot.is_left.load(Ordering::Acquire) {
        return None;
    }
    // SAFETY: all that is done with the cell is done here, or in `wake_one` by a thread that has cleared the bit,
    // before it stores false. The bit is set by the holder of the seat alone, who has it exclusively here, after it
    // has stored true over false. So while this is false no thread is there that has cleared the bit and is not
    // done; and nobody sets it meanwhile. A seat that was given back is not used any more (`Table::release`), and
    // the next holder of the entry comes after that (ORD(free:B)).
    Some(slot.waker.with_mut(|waker| work(unsafe { &mut *waker })))
}

impl<F: Default> Parking<F> {
    pub(crate) fn new() -> Self {
        let parked = Parked { near: AtomicU64::new(0), further: AtomicU32::new(0) };
        Self { slots: Table::new(), parked: CachePadded::new(parked) }
    }

    #[inline]
    fn bit(&self, slot: Index) -> Bit<'_> {
        if slot < NEAR {
            return Bit { word: &self.parked.near, mask: 1 << slot, count: None };
        }
        self.further_bit(slot)
    }

    #[cold]
    fn further_bit(&self, slot: Index) -> Bit<'_> {
        let (first, number) = self.slots.block(slot);
        let word = &self.slots.get(first).parked;
        Bit { word, mask: 1 << number, count: Some(&self.parked.further) }
    }

    /// Whether no reader is parked. To be asked behind `fence(SeqCst)`.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.parked.near.load(Ordering::Relaxed) == 0 && !self.has_further()
    }

    /// Registers a reader to be woken, before the watch is kept
    /// ([`Watch::keep`](super::watch::Watch)). Hands back the waker that was registered before. The
    /// caller drops it after keeping the watch.
    #[inline]
    pub(crate) fn park(&self, slot: &mut Seat<Slot<F>>, waker: &Waker) -> Option<Waker> {
        let was_parked = self.unpark(slot);
        // Another thread is taking the waker before this one: it wakes the reader for its last wait.
        let wake_itself = || {
            spin_loop();
            waker.wake_by_ref();
            None
        };
        let will_wake = |there: &Waker| there.will_wake(waker);
        let is_there = with_waker(slot, |there| there.as_ref().is_some_and(will_wake));
        let Some(is_there) = is_there else { return wake_itself() };
        let mut before = None;
        if !is_there {
            if was_parked {
                // If the clone panics, all is as it was.
                self.leave(slot);
            }
            let new = waker.clone();
            if was_parked {
                self.unpark(slot);
            }
            match with_waker(slot, |there| there.replace(new)) {
                Some(replaced) => before = replaced,
                None => return wake_itself(),
            }
        }
        self.leave(slot);
        before
    }

    /// Leaves the waker that is there to who clears the bit.
    #[inline]
    fn leave(&self, slot: &mut Seat<Slot<F>>) {
        // Relaxed: the bit takes it along.
        slot.is_left.store(true, Ordering::Relaxed);
        self.bit(slot.index()).set();
    }

    /// Takes out a reader that found something, and tells whether nobody else has. Its waker stays: dropping it would
    /// run foreign code.
    #[inline]
    pub(crate) fn unpark(&self, slot: &mut Seat<Slot<F>>) -> bool {
        let bit = self.bit(slot.index());
        // No other thread sets it. If it is said to be set and is not any more, nothing is cleared.
        let is_out = bit.is_set() && bit.clear();
        if is_out {
            // Relaxed: it is this reader that looks at it.
            slot.is_left.store(false, Ordering::Relaxed);
        }
        is_out
    }

    /// Takes the waker of a reader that no longer waits, unless another thread has taken it.
    pub(crate) fn forget(&self, slot: &mut Seat<Slot<F>>) -> Option<Waker> {
        self.unpark(slot);
        with_waker(slot, Option::take)?
    }

    /// The readers that are parked, near ones and further ones. To be asked as [`Parking::is_empty`]. It looks at
    /// each word once, so that it ends however fast readers park again: one that has parked since has looked again
    /// itself.
    #[inline]
    fn near(&self) -> impl Iterator<Item = Index> {
        numbers(self.parked.near.load(Ordering::Relaxed))
    }

    /// Whether there may be further ones.
    #[inline]
    fn has_further(&self) -> bool {
        self.parked.further.load(Ordering::Relaxed) != 0
    }

    /// Those.
    #[cold]
    fn further(&self) -> impl Iterator<Item = Index> {
        self.slots.held_blocks().flat_map(|first| {
            let parked = self.slots.get(first).parked.load(Ordering::Relaxed);
            numbers(parked).map(move |number| first + number)
        })
    }

    /// Whether the figures of a parked reader are such.
    pub(crate) fn any(&self, is_due: impl Fn(&F) -> bool) -> bool {
        let is_due = |index| is_due(&self.slots.get(index).figures);
        self.near().any(is_due) || self.has_further() && self.further().any(is_due)
    }

    /// Wakes every parked reader.
    #[inline]
    pub(crate) fn wake_all(&self, panics: &mut Panics) {
        self.wake(panics, |_| true);
    }

    /// Wakes the parked readers whose figures are such. What a reader wrote there before it parked is
    /// seen, or the reader sees what it would be woken for, as with its bit.
    #[inline]
    pub(crate) fn wake(&self, panics: &mut Panics, is_due: impl Fn(&F) -> bool) {
        // Near ones by themselves, and in the caller's code: mostly one reader is parked.
        self.near().for_each(|index| self.wake_if(index, panics, &is_due));
        if self.has_further() {
            self.wake_further(panics, is_due);
        }
    }

    #[cold]
    fn wake_further(&self, panics: &mut Panics, is_due: impl Fn(&F) -> bool) {
        self.further().for_each(|index| self.wake_if(index, panics, &is_due));
    }

    #[inline(always)]
    fn wake_if(&self, index: Index, panics: &mut Panics, is_due: &impl Fn(&F) -> bool) {
        if is_due(&self.slots.get(index).figures) {
            self.wake_one(index, panics);
        }
    }

    /// The slot of the reader that is looked for.
    pub(crate) fn find(&self, is_it: impl Fn(&Slot<F>) -> bool) -> Option<(Index, &Slot<F>)> {
        self.slots.find(is_it)
    }

    /// Wakes the reader of a slot, if it is parked.
    #[inline(always)]
    pub(crate) fn wake_one(&self, index: Index, panics: &mut Panics) {
        if self.bit(index).clear() {
            let slot = self.slots.get(index);
            // SAFETY: the bit was set and this thread has cleared it: see `with_waker`.
            let waker = slot.waker.with_mut(|waker| unsafe { (*waker).take() });
            // ORD(waker:B) Release, pairs with ORD(waker:A).
            slot.is_left.store(false, Ordering::Release);
            if let Some(waker) = waker {
                panics.run(|| waker.wake());
            }
        }
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use crate::sync::{Mutex, lock};
    use std::sync::Arc;
    use std::task::Wake;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn the_entry_of_a_reader_takes_the_bytes_that_the_docs_state() {
        assert_eq!(crate::sync::table::size_of_entry::<Slot>(), 128);
    }

    /// Calls a function each time that it is woken.
    struct Woken<F>(F);

    impl<F: Fn() + Send + Sync + 'static> Wake for Woken<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }

    fn waker(woken: impl Fn() + Send + Sync + 'static) -> Waker {
        Waker::from(Arc::new(Woken(woken)))
    }

    fn wake_all(parking: &Parking) {
        let mut panics = Panics::new();
        parking.wake_all(&mut panics);
        panics.finish();
    }

    /// `readers` parked readers, which send their number when they are woken.
    fn parked(readers: u32) -> (Arc<Parking>, Vec<Seat<Slot>>, std::sync::mpsc::Receiver<u32>) {
        let (tell, told) = std::sync::mpsc::channel();
        let parking = Arc::new(Parking::new());
        let mut seats: Vec<_> = (0..readers).map(|_| parking.slots.acquire()).collect();
        for seat in &mut seats {
            let (tell, number) = (tell.clone(), seat.index());
            let waker = waker(move || tell.send(number).unwrap());
            // A reader may park several times in a row.
            (0..3).for_each(|_| drop(parking.park(seat, &waker)));
        }
        (parking, seats, told)
    }

    #[test]
    fn each_parked_reader_is_woken_once() {
        for readers in [0, 1, 63, 64, 65, 200, 1000] {
            let (parking, mut seats, told) = parked(readers);
            assert_eq!(parking.is_empty(), readers == 0);
            let gone = seats.iter_mut().filter(|seat| seat.index() % 3 == 1);
            gone.for_each(|seat| assert_eq!([(); 2].map(|()| parking.unpark(seat)), [true, false]));
            wake_all(&parking);
            let told: Vec<_> = told.try_iter().collect();
            assert_eq!(told, (0..readers).filter(|number| number % 3 != 1).collect::<Vec<_>>());
            assert!(parking.is_empty());
        }
    }

    #[test]
    fn a_reader_that_parks_again_while_it_is_woken_is_left_for_the_next_time() {
        let (parking, seats, told) = parked(100);
        let again = Arc::new(Mutex::new(parking.slots.acquire()));
        let (parks, seat) = (parking.clone(), again.clone());
        let waker = waker(move || drop(parks.park(&mut lock(&seat), Waker::noop())));
        drop(parking.park(&mut lock(&again), &waker));
        wake_all(&parking);
        assert_eq!(told.try_iter().count(), seats.len());
        assert!(!parking.is_empty());
        wake_all(&parking);
        assert!(parking.is_empty());
    }

    #[test]
    fn a_waker_that_panics_when_it_is_cloned_leaves_the_one_before_in_place() {
        use std::task::{RawWaker, RawWakerVTable};
        static PANICS: RawWakerVTable =
            RawWakerVTable::new(|_| panic!("on purpose"), |_| {}, |_| {}, |_| {});
        // SAFETY: nothing is done with the pointer.
        let panics = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &PANICS)) };
        let (parking, mut seats, told) = parked(1);
        let parks = std::panic::AssertUnwindSafe(|| parking.park(&mut seats[0], &panics));
        assert!(std::panic::catch_unwind(parks).is_err());
        wake_all(&parking);
        assert_eq!(told.try_iter().count(), 1);
        assert!(parking.is_empty());
    }

    #[test]
    fn who_is_stopped_while_it_wakes_holds_back_one_reader() {
        let (parking, mut seats, told) = parked(200);
        let (others, told) = (parking.clone(), Mutex::new(told));
        // While the first call is at the waker of this reader, a second call comes, and wakes all
        // others.
        let waker = waker(move || {
            wake_all(&others);
            let told: Vec<_> = lock(&told).try_iter().collect();
            assert_eq!(told, (0..200).filter(|&number| number != 66).collect::<Vec<_>>());
        });
        drop(parking.park(&mut seats[66], &waker));
        wake_all(&parking);
        assert!(parking.is_empty());
    }
}
