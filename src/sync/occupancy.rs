//! Which places of a row are held, so that a walk comes to those and to no others.
//!
//! A bit for each place, in words of 64 that lie side by side. The bit is all there is: a thread that
//! sets it has the place, until it clears it. The first free place is taken, so that what is held lies
//! close together, whatever was held before. Above the words is a count for each *group* of 4096 places,
//! so that a walk comes past a group of free ones with one look.
//!
//! A thread raises the count of a group, unless the group is full, then sets a bit there. To give the
//! place back it clears the bit, and then lowers the count. So:
//!
//! - The count is never less than the number of bits. If a thread has set a bit, a look that must find
//!   the bit also finds a count that is not 0, unless the bit was cleared since.
//! - A thread that has raised the count finds a bit: those who have raised it are no more than the
//!   places. It may have to look again if bits are set and cleared before and behind it meanwhile. Then
//!   other threads have got something done.
//!
//! A look that finds a bit cleared, or a count 0, comes after all that the holder did (ORD(free:C)): a
//! walk that comes past a place is as good as one that finds there that its holder has left. For all
//! changes of a word are exchanges, and so are those of a count. They are one release sequence, and a
//! look that finds any of them finds what was stored with Release before it.

use super::pause;
use super::{AtomicU64, Ordering};
use std::slice::Chunks;

/// Places of a word.
pub(super) const WORD: usize = u64::BITS as usize;
/// Places of a group.
const GROUP: usize = 64 * WORD;

#[derive(Debug)]
pub(super) struct Occupancy {
    places: usize,
    /// For each group its count, and its words behind that.
    groups: Box<[AtomicU64]>,
}

impl Occupancy {
    /// So many places, all of them free.
    pub(super) fn new(places: usize) -> Self {
        let words = places.div_ceil(WORD) + places.div_ceil(GROUP);
        Self { places, groups: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The groups: of each the count, and behind it the words.
    #[inline]
    fn groups(&self) -> Chunks<'_, AtomicU64> {
        self.groups.chunks(1 + GROUP / WORD)
    }

    /// Takes a place, the first one or close to it; `None` if all are held.
    pub(super) fn take(&self) -> Option<usize> {
        self.groups().enumerate().find_map(|(number, group)| {
            let (count, words) = (&group[0], &group[1..]);
            let start = number * GROUP;
            let places = GROUP.min(self.places - start);
            let raise = |count| (count < places as u64).then_some(count + 1);
            // Relaxed: what must be ordered is ordered by the bit.
            count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raise).ok()?;
            pause::point();
            loop {
                if let Some(place) = Self::take_in(words, places) {
                    return Some(start + place);
                }
            }
        })
    }

    /// Sets the first bit that is not set, of so many.
    fn take_in(words: &[AtomicU64], places: usize) -> Option<usize> {
        for (number, word) in words.iter().enumerate() {
            let mut held = word.load(Ordering::Relaxed);
            loop {
                let bit = held.trailing_ones();
                let place = number * WORD + bit as usize;
                if bit == u64::BITS || place >= places {
                    break;
                }
                pause::point();
                // ORD(free:A) Acquire, pairs with ORD(free:B): the place is as its last holder left it.
                held = word.fetch_or(1 << bit, Ordering::Acquire);
                if held & (1 << bit) == 0 {
                    return Some(place);
                }
            }
        }
        None
    }

    /// Gives back a place that the caller holds.
    pub(super) fn give_back(&self, place: usize) {
        let group = self.groups().nth(place / GROUP).expect("a place of these");
        let (count, words) = (&group[0], &group[1..]);
        let bit = 1 << (place % WORD);
        // ORD(free:B) Release, pairs with ORD(free:A) and ORD(free:C).
        let held = words[place % GROUP / WORD].fetch_and(!bit, Ordering::Release);
        debug_assert!(held & bit != 0, "place {place} was given back twice");
        pause::point();
        // ORD(free:B) Release, pairs with ORD(free:C).
        count.fetch_sub(1, Ordering::Release);
    }

    /// The words that have held places: the first place of each, and its bits. All places that were
    /// taken before the call, and not given back, are among them.
    #[inline]
    pub(super) fn held(&self) -> impl Iterator<Item = (usize, u64)> {
        let groups = self.groups().enumerate();
        // ORD(free:C) Acquire, pairs with ORD(free:B): what the holders of free places did comes before.
        let held = groups.filter(|(_, group)| group[0].load(Ordering::Acquire) != 0);
        held.flat_map(|(number, group)| {
            group[1..].iter().enumerate().filter_map(move |(word, bits)| {
                // ORD(free:C) as above.
                let bits = bits.load(Ordering::Acquire);
                (bits != 0).then_some((number * GROUP + word * WORD, bits))
            })
        })
    }

    /// As many places, all of them held.
    #[cfg(all(test, not(overfall_loom)))]
    pub(super) fn full(places: usize) -> Self {
        let occupancy = Self::new(places);
        occupancy.groups().for_each(|group| {
            group[0].store(GROUP as u64, Ordering::Relaxed);
            group[1..].iter().for_each(|word| word.store(u64::MAX, Ordering::Relaxed));
        });
        occupancy
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn held(occupancy: &Occupancy) -> BTreeSet<usize> {
        let bits = |(start, held): (usize, u64)| {
            (0..WORD).filter(move |bit| held >> bit & 1 != 0).map(move |bit| start + bit)
        };
        occupancy.held().flat_map(bits).collect()
    }

    #[test]
    fn the_first_free_place_is_taken_up_to_the_last() {
        for places in [1, 2, 8, 63, 64, 65, 128, 4095, 4096, 4097, 8192, 10_000] {
            let occupancy = Occupancy::new(places);
            assert_eq!(occupancy.held().count(), 0);
            assert!((0..places).all(|place| occupancy.take() == Some(place)));
            assert_eq!(occupancy.take(), None);
            assert_eq!(held(&occupancy), (0..places).collect());
            for place in (0..places).step_by(3) {
                occupancy.give_back(place);
            }
            assert_eq!(held(&occupancy), (0..places).filter(|place| place % 3 != 0).collect());
            assert!((0..places).step_by(3).all(|place| occupancy.take() == Some(place)));
            (0..places).for_each(|place| occupancy.give_back(place));
            assert_eq!(occupancy.held().count(), 0);
        }
    }

    /// However many hold places at a time, up to as many as there are, each gets one of its own.
    #[test]
    fn threads_that_take_and_give_back_are_never_two_at_a_place_and_never_refused() {
        const THREADS: usize = 4;
        for places in [THREADS, 2 * 64 + THREADS] {
            let occupancy = Occupancy::new(places);
            // All but so many that there is one for each thread.
            let kept = places - THREADS;
            assert!((0..kept).all(|place| occupancy.take() == Some(place)));
            let holders: Vec<_> = (0..places).map(|_| AtomicU64::new(0)).collect();
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        for _ in 0..20_000 {
                            let place = occupancy.take().expect("there is one for each");
                            assert!(place >= kept);
                            assert_eq!(holders[place].swap(1, Ordering::Relaxed), 0);
                            assert_eq!(holders[place].swap(0, Ordering::Relaxed), 1);
                            occupancy.give_back(place);
                        }
                    });
                }
            });
            assert_eq!(held(&occupancy), (0..kept).collect());
        }
    }
}
