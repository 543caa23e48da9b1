//! Which places of a row are held, so that a walk comes to those and to no others.
//!
//! A bit for each place, in words of 64 that lie side by side. The bit is all there is: a thread that
//! sets it has the place, until it clears it. The first free place is taken, so that what is held lies
//! close together, whatever was held before. Above the words are counts, one for all places, and one for
//! each *group* of 4096 if there are several, so that a walk comes past free ones with one look.
//!
//! A thread raises the count of all, unless it has come to the number of places; raises the count of a
//! group; and sets a bit there. If it finds none, it lowers the group's count again and goes on to the
//! next group. To give a place back it clears the bit, lowers the group's count, and then that of all. So:
//!
//! - No count is less than the number of its bits. If a thread has set a bit, a look that must find the
//!   bit also finds counts that are not 0, unless the bit was cleared since.
//! - A thread that has raised the count of all finds a bit, and waits for nobody. Suppose that it looks
//!   for one. Those that are counted hold a place, look for one as well, or have just cleared their bit.
//!   They are no more than the places, so that there are at least as many free ones as threads of the
//!   latter two kinds, this one among them. Each of the others can make one free place look held, by a
//!   count of a group that it has raised and not lowered yet. One is left. (If bits are set and cleared
//!   before and behind the look, it may have to look again. Then others have got something done.)
//!
//! A look that finds a bit cleared, or a count 0, comes after all that the holder did (ORD(free:C)): a
//! walk that comes past a place is as good as one that finds there that its holder has left. For all
//! changes of a word are exchanges, and so are those of a count. They are one release sequence, and a
//! look that finds any of them finds what was stored with Release before it.

use super::pause;
use super::{AtomicU64, Ordering};

/// Places of a word; few in the models, so that they have groups.
pub(super) const WORD: usize = if cfg!(overfall_loom) { 2 } else { u64::BITS as usize };
/// Words of a group.
const GROUP: usize = if cfg!(overfall_loom) { 1 } else { 64 };

/// Whether any place may be held, by the count of all.
#[inline]
pub(super) fn is_any_held(all: &AtomicU64) -> bool {
    // ORD(free:C) Acquire, pairs with ORD(free:B): if none is, what their holders did comes before.
    all.load(Ordering::Acquire) != 0
}

#[derive(Debug)]
pub(super) struct Occupancy {
    places: usize,
    words: Box<[AtomicU64]>,
    /// Of each group; none if there is but one, for which the count of all stands.
    counts: Box<[AtomicU64]>,
}

impl Occupancy {
    /// So many places, all of them free.
    pub(super) fn new(places: usize) -> Self {
        let zeros = |number| (0..number).map(|_| AtomicU64::new(0)).collect();
        let words = places.div_ceil(WORD);
        let groups = words.div_ceil(GROUP);
        Self { places, words: zeros(words), counts: zeros(if groups > 1 { groups } else { 0 }) }
    }

    /// Takes a place, the first one or close to it; `None` if all are held. `all` is the count of all,
    /// which its owner keeps where a walk has it at hand.
    pub(super) fn take(&self, all: &AtomicU64) -> Option<usize> {
        let raise = |count| (count < self.places as u64).then_some(count + 1);
        // ORD(free:A) Acquire, pairs with ORD(free:B): the bits, and the counts of groups, of those who have
        // lowered it are seen cleared and lowered. The count of a group is a hint here, and needs no order.
        all.fetch_update(Ordering::Acquire, Ordering::Relaxed, raise).ok()?;
        loop {
            for (number, words) in self.words.chunks(GROUP).enumerate() {
                let start = number * GROUP * WORD;
                let places = (GROUP * WORD).min(self.places - start);
                let count = self.counts.get(number);
                if count.is_some_and(|count| count.load(Ordering::Relaxed) >= places as u64) {
                    continue;
                }
                pause::point();
                let _raised = count.map(|count| count.fetch_add(1, Ordering::Relaxed));
                if let Some(place) = Self::take_in(words, places) {
                    return Some(start + place);
                }
                let _lowered = count.map(|count| count.fetch_sub(1, Ordering::Relaxed));
            }
        }
    }

    /// Sets the first bit that is not set, of so many.
    fn take_in(words: &[AtomicU64], places: usize) -> Option<usize> {
        for (number, word) in words.iter().enumerate() {
            let mut held = word.load(Ordering::Relaxed);
            loop {
                let bit = held.trailing_ones() as usize;
                let place = number * WORD + bit;
                if bit == WORD || place >= places {
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
    pub(super) fn give_back(&self, place: usize, all: &AtomicU64) {
        let bit = 1 << (place % WORD);
        // ORD(free:B) Release, pairs with ORD(free:A) and ORD(free:C).
        let held = self.words[place / WORD].fetch_and(!bit, Ordering::Release);
        debug_assert!(held & bit != 0, "place {place} was given back twice");
        pause::point();
        if let Some(count) = self.counts.get(place / WORD / GROUP) {
            // ORD(free:B) Release, pairs with ORD(free:C).
            count.fetch_sub(1, Ordering::Release);
        }
        // ORD(free:B) Release, pairs with ORD(free:A) and ORD(free:C).
        all.fetch_sub(1, Ordering::Release);
    }

    /// The words that have held places. All places that were taken before the call, and not given back, are
    /// among them. The caller has found that the count of all is not 0 ([`is_any_held`]).
    #[inline]
    pub(super) fn held(&self) -> Words<'_> {
        Words { occupancy: self, next: 0 }
    }
}

/// A walk of words: the first place of each, and its bits.
#[derive(Debug)]
pub(super) struct Words<'a> {
    occupancy: &'a Occupancy,
    /// The word that comes next.
    next: usize,
}

impl Iterator for Words<'_> {
    type Item = (usize, u64);

    #[inline]
    fn next(&mut self) -> Option<(usize, u64)> {
        let Occupancy { words, counts, .. } = self.occupancy;
        loop {
            let number = self.next;
            let word = words.get(number)?;
            if !counts.is_empty() && number % GROUP == 0 {
                // ORD(free:C) Acquire, pairs with ORD(free:B), as for a word.
                let is_free = |count: &AtomicU64| count.load(Ordering::Acquire) == 0;
                if is_free(&counts[number / GROUP]) {
                    self.next += GROUP;
                    continue;
                }
            }
            self.next += 1;
            // ORD(free:C) Acquire, pairs with ORD(free:B): what the holders of free places did comes before.
            let bits = word.load(Ordering::Acquire);
            if bits != 0 {
                return Some((number * WORD, bits));
            }
        }
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
            let (occupancy, all) = (Occupancy::new(places), AtomicU64::new(0));
            assert_eq!(occupancy.held().count(), 0);
            assert!((0..places).all(|place| occupancy.take(&all) == Some(place)));
            assert_eq!(occupancy.take(&all), None);
            assert_eq!(held(&occupancy), (0..places).collect());
            for place in (0..places).step_by(3) {
                occupancy.give_back(place, &all);
            }
            assert_eq!(held(&occupancy), (0..places).filter(|place| place % 3 != 0).collect());
            assert!((0..places).step_by(3).all(|place| occupancy.take(&all) == Some(place)));
            (0..places).for_each(|place| occupancy.give_back(place, &all));
            assert_eq!(occupancy.held().count(), 0);
        }
    }

    /// However many hold places at a time, up to as many as there are, each gets one of its own.
    #[test]
    fn threads_that_take_and_give_back_are_never_two_at_a_place_and_never_refused() {
        const THREADS: usize = 4;
        for places in [THREADS, 2 * 64 + THREADS, GROUP * WORD + THREADS / 2] {
            let (occupancy, all) = (Occupancy::new(places), AtomicU64::new(0));
            // All but so many that there is one for each thread.
            let kept = places - THREADS;
            assert!((0..kept).all(|place| occupancy.take(&all) == Some(place)));
            let holders: Vec<_> = (0..places).map(|_| AtomicU64::new(0)).collect();
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        for _ in 0..20_000 {
                            let place = occupancy.take(&all).expect("there is one for each");
                            assert!(place >= kept);
                            assert_eq!(holders[place].swap(1, Ordering::Relaxed), 0);
                            assert_eq!(holders[place].swap(0, Ordering::Relaxed), 1);
                            occupancy.give_back(place, &all);
                        }
                    });
                }
            });
            assert_eq!(held(&occupancy), (0..kept).collect());
        }
    }
}
