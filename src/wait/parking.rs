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
//! The bits of the first [`NEAR`] slots of the table are one word. Those of further slots lie in the
//! table, which grows with them and never moves: the word of a block of slots stands in its first slot.
//! A thread that wakes readers looks at the words of blocks with slots that are held. A reader that
//! parks holds its slot.
//!
//! The further bits are counted, so that two loads show that no reader is parked. The count is raised
//! before such a bit is set, and lowered after one was cleared. So it is never less than their number.
//! If it is 0 behind the fence of a parked reader, that reader's bit was cleared since, by a thread that
//! wakes it.

use super::panics::Panics;
use super::reader_figures::ReaderFigures;
use super::waker::WakerCell;
use crate::sync::table::{Index, Seat, Table};
use crate::sync::{AtomicU32, AtomicU64, Ordering, spin_loop};
use crossbeam_utils::CachePadded;
use std::task::Waker;

/// The slots whose bits are in one word: whole chunks of the table. In models the second reader is a
/// further one.
const NEAR: Index = if cfg!(overfall_loom) { 1 } else { 60 };

/// What a channel, or a spool, keeps for each reader.
#[derive(Debug)]
pub(crate) struct Slot<F = ReaderFigures> {
    waker: WakerCell,
    /// Which of the readers of the block are parked. Used only in the first slot of a block of further
    /// slots.
    parked: AtomicU64,
    pub(crate) figures: F,
}

impl<F: Default> Default for Slot<F> {
    fn default() -> Self {
        Self { waker: WakerCell::new(), parked: AtomicU64::new(0), figures: F::default() }
    }
}

impl<F> Slot<F> {
    /// Takes the waker of a reader that no longer waits, unless another thread has taken it.
    pub(crate) fn take_waker(&self) -> Option<Waker> {
        self.waker.take()
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

    fn set(&self) {
        if let Some(count) = self.count {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // ORD(parked:A) Release, pairs with ORD(parked:B): the count is raised before the thread
        // that clears the bit lowers it.
        if self.word.fetch_or(self.mask, Ordering::Release) & self.mask != 0 {
            // It was set already, and is counted.
            self.lower_count();
        }
    }

    /// Clears it, and tells whether it was set.
    fn clear(&self) -> bool {
        // ORD(parked:B) Acquire, pairs with ORD(parked:A): all exchanges of a word form one release
        // sequence.
        let was_set = self.word.fetch_and(!self.mask, Ordering::Acquire) & self.mask != 0;
        if was_set {
            self.lower_count();
        }
        was_set
    }

    fn lower_count(&self) {
        if let Some(count) = self.count {
            count.fetch_sub(1, Ordering::Relaxed);
        }
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

impl<F: Default> Parking<F> {
    pub(crate) fn new() -> Self {
        let parked = Parked { near: AtomicU64::new(0), further: AtomicU32::new(0) };
        Self { slots: Table::new(), parked: CachePadded::new(parked) }
    }

    fn bit(&self, slot: Index) -> Bit<'_> {
        if slot < NEAR {
            return Bit { word: &self.parked.near, mask: 1 << slot, count: None };
        }
        let (first, number) = self.slots.block(slot);
        let word = &self.slots.get(first).parked;
        Bit { word, mask: 1 << number, count: Some(&self.parked.further) }
    }

    /// Whether no reader is parked. To be asked behind `fence(SeqCst)`.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let Parked { near, further } = &*self.parked;
        near.load(Ordering::Relaxed) == 0 && further.load(Ordering::Relaxed) == 0
    }

    /// Registers a reader to be woken, before the watch is kept
    /// ([`Watch::keep`](super::watch::Watch)). Hands back the waker that was registered before. The
    /// caller drops it after keeping the watch.
    pub(crate) fn park(&self, slot: &Seat<Slot<F>>, waker: &Waker) -> Option<Waker> {
        let bit = self.bit(slot.index());
        let mut replaced = None;
        // If it is said to be set and is not any more, the waker is not there any more.
        if !bit.is_set() || !slot.waker.is_registered(waker) {
            let Ok(before) = slot.waker.register(waker) else {
                // Another thread is taking the waker before this one: it wakes the reader for its
                // last wait.
                spin_loop();
                waker.wake_by_ref();
                return None;
            };
            replaced = before;
        }
        bit.set();
        replaced
    }

    /// Takes out a reader that found something. Its waker stays: dropping it would run foreign
    /// code.
    pub(crate) fn unpark(&self, slot: &Seat<Slot<F>>) {
        let bit = self.bit(slot.index());
        // No other thread sets it. If it is said to be set and is not any more, nothing is cleared.
        if bit.is_set() {
            bit.clear();
        }
    }

    /// The readers that are parked. To be asked as [`Parking::is_empty`]. It looks at each word once, so
    /// that it ends however fast readers park again: one that has parked since has looked again itself.
    #[inline]
    fn parked(&self) -> impl Iterator<Item = Index> {
        let near = numbers(self.parked.near.load(Ordering::Relaxed));
        let are_there_further = self.parked.further.load(Ordering::Relaxed) != 0;
        let blocks = are_there_further.then(|| self.slots.held_blocks()).into_iter().flatten();
        near.chain(blocks.flat_map(|first| {
            let parked = self.slots.get(first).parked.load(Ordering::Relaxed);
            numbers(parked).map(move |number| first + number)
        }))
    }

    /// Whether the figures of a parked reader are such.
    pub(crate) fn any(&self, is_due: impl Fn(&F) -> bool) -> bool {
        self.parked().any(|index| is_due(&self.slots.get(index).figures))
    }

    /// Wakes every parked reader.
    pub(crate) fn wake_all(&self, panics: &mut Panics) {
        self.wake(panics, |_| true);
    }

    /// Wakes the parked readers whose figures are such. What a reader wrote there before it parked is
    /// seen, or the reader sees what it would be woken for, as with its bit.
    #[inline]
    pub(crate) fn wake(&self, panics: &mut Panics, is_due: impl Fn(&F) -> bool) {
        for index in self.parked() {
            if is_due(&self.slots.get(index).figures) {
                self.wake_one(index, panics);
            }
        }
    }

    /// The slot of the reader that is looked for.
    pub(crate) fn find(&self, is_it: impl Fn(&Slot<F>) -> bool) -> Option<(Index, &Slot<F>)> {
        self.slots.find(is_it)
    }

    /// Wakes the reader of a slot, if it is parked.
    pub(crate) fn wake_one(&self, slot: Index, panics: &mut Panics) {
        if self.bit(slot).clear() {
            if let Some(waker) = self.slots.get(slot).take_waker() {
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
        let seats: Vec<_> = (0..readers).map(|_| parking.slots.acquire()).collect();
        for seat in &seats {
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
            let (parking, seats, told) = parked(readers);
            assert_eq!(parking.is_empty(), readers == 0);
            let gone = seats.iter().filter(|seat| seat.index() % 3 == 1);
            gone.for_each(|seat| (0..2).for_each(|_| parking.unpark(seat)));
            wake_all(&parking);
            let told: Vec<_> = told.try_iter().collect();
            assert_eq!(told, (0..readers).filter(|number| number % 3 != 1).collect::<Vec<_>>());
            assert!(parking.is_empty());
        }
    }

    #[test]
    fn a_reader_that_parks_again_while_it_is_woken_is_left_for_the_next_time() {
        let (parking, seats, told) = parked(100);
        let again = Arc::new(parking.slots.acquire());
        let (parks, seat) = (parking.clone(), again.clone());
        let waker = waker(move || drop(parks.park(&seat, Waker::noop())));
        drop(parking.park(&again, &waker));
        wake_all(&parking);
        assert_eq!(told.try_iter().count(), seats.len());
        assert!(!parking.is_empty());
        wake_all(&parking);
        assert!(parking.is_empty());
    }

    #[test]
    fn who_is_stopped_while_it_wakes_holds_back_one_reader() {
        let (parking, seats, told) = parked(200);
        let (others, told) = (parking.clone(), Mutex::new(told));
        // While the first call is at the waker of this reader, a second call comes, and wakes all
        // others.
        let waker = waker(move || {
            wake_all(&others);
            let told: Vec<_> = lock(&told).try_iter().collect();
            assert_eq!(told, (0..200).filter(|&number| number != 66).collect::<Vec<_>>());
        });
        drop(parking.park(&seats[66], &waker));
        wake_all(&parking);
        assert!(parking.is_empty());
    }
}
