//! A table whose entries never move, are reused, and are freed with the table.
//!
//! Any thread may walk it at any time without a lock, because no entry is freed while the table is
//! there. So no reclamation scheme is needed. The table is empty at first, and grows by doubling: chunk
//! k holds `FIRST << k` entries. The holder of an entry keeps its chunk at hand, so that the way there
//! is short.
//!
//! A walk comes to the entries that are held, in the order of their indices, and not to all that ever
//! were (`occupancy.rs`).
#![allow(unsafe_code)]

use super::AtomicU64;
use super::occupancy::{Occupancy, WORD, is_any_held};
use crossbeam_utils::CachePadded;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// Entries of the first chunk.
const FIRST: u32 = if cfg!(overfall_loom) { 2 } else { 4 };
const CHUNKS: usize = 22;
/// How many entries a table can have.
const MOST: u32 = (FIRST << CHUNKS) - FIRST;

/// Names an entry of a table.
pub(crate) type Index = u32;

/// Entries side by side, each on cache lines of its own: a holder writes its entry while other
/// threads read theirs.
type Entries<T> = Arc<[CachePadded<T>]>;

/// An entry that is held. Its holder gives it back by [`Table::release`].
#[derive(Debug)]
pub(crate) struct Seat<T> {
    /// It is in the chunk. Every read and write goes through this pointer; an index would cost a
    /// load and a check more each time.
    entry: NonNull<CachePadded<T>>,
    /// Keeps the entry where it is.
    _entries: Entries<T>,
    index: Index,
}

// SAFETY: a seat is a share of the chunk and a reference into it. Entries are shared as they are.
unsafe impl<T: Send + Sync> Send for Seat<T> {}
// SAFETY: as for Send.
unsafe impl<T: Send + Sync> Sync for Seat<T> {}

impl<T> Seat<T> {
    #[inline]
    pub(crate) fn index(&self) -> Index {
        self.index
    }
}

impl<T> Deref for Seat<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `entry` was made from a reference into the chunk, which never moves, is only ever
        // shared, and lives for as long as `_entries` do.
        unsafe { self.entry.as_ref() }
    }
}

/// The bytes of an entry.
#[cfg(all(test, not(overfall_loom)))]
pub(crate) const fn size_of_entry<T>() -> usize {
    size_of::<CachePadded<T>>()
}

/// A chunk, and which of its entries are held.
#[derive(Debug)]
struct Chunk<T> {
    entries: Entries<T>,
    occupancy: Occupancy,
}

impl<T: Default> Chunk<T> {
    fn new(size: usize) -> Self {
        let entries = (0..size).map(|_| T::default().into()).collect();
        Self { entries, occupancy: Occupancy::new(size) }
    }
}

/// A chunk, once it is there, and how many of its entries are held.
#[derive(Debug)]
struct Part<T> {
    /// Here, so that a walk comes past a chunk without a look into it.
    held: AtomicU64,
    /// In a box, since an idle channel has room for all of them.
    chunk: OnceLock<Box<Chunk<T>>>,
}

/// Chunks are made one after the other, each when all before it are full. So the first one that is not
/// there is the end.
#[derive(Debug)]
pub(crate) struct Table<T> {
    parts: [Part<T>; CHUNKS],
}

impl<T: Default> Table<T> {
    /// A table that has no chunk yet.
    pub(crate) fn new() -> Self {
        let part = |_| Part { held: AtomicU64::new(0), chunk: OnceLock::new() };
        let table = Self { parts: std::array::from_fn(part) };
        if cfg!(overfall_loom) {
            // loom does not know what `OnceLock` orders: models make their chunks before their threads.
            table.make(0);
        }
        table
    }

    #[inline]
    fn make(&self, number: usize) -> &Chunk<T> {
        self.parts[number].chunk.get_or_init(|| Box::new(Chunk::new((FIRST as usize) << number)))
    }

    /// Takes an entry for the caller alone. It is as its last holder left it.
    ///
    /// Allocates only when more entries are in use than ever before. Panics if there are as many as
    /// a table can have.
    #[track_caller]
    pub(crate) fn acquire(&self) -> Seat<T> {
        for number in 0..CHUNKS {
            let chunk = self.make(number);
            if let Some(place) = chunk.occupancy.take(&self.parts[number].held) {
                let entries = chunk.entries.clone();
                let index = start_of(number) + place as Index;
                return Seat { entry: NonNull::from(&entries[place]), _entries: entries, index };
            }
        }
        panic!(
            "the channel has {MOST} endpoints of a kind at a time, and no room for another: drop some"
        )
    }

    /// Gives an entry back. To a walk that does not come to it any more it is as if it had.
    pub(crate) fn release(&self, seat: &Seat<T>) {
        let (chunk, place) = locate(seat.index);
        self.chunk(chunk).occupancy.give_back(place, &self.parts[chunk].held);
    }

    /// A chunk of an entry that was handed out.
    #[inline]
    fn chunk(&self, number: usize) -> &Chunk<T> {
        self.parts[number].chunk.get().expect("an entry of it was handed out")
    }

    /// An entry that was handed out once.
    #[inline]
    pub(crate) fn get(&self, index: Index) -> &T {
        let (chunk, place) = locate(index);
        &self.chunk(chunk).entries[place]
    }

    /// The block of an entry: up to 64 that lie side by side. Tells the index of its first entry, and the
    /// number of this one there.
    #[inline]
    pub(crate) fn block(&self, index: Index) -> (Index, u32) {
        let (_, place) = locate(index);
        let number = (place % WORD) as u32;
        (index - number, number)
    }

    /// The blocks with entries that are held: the index of the first entry of each, which may be free.
    /// An entry that is held since before the call is in one of them.
    pub(crate) fn held_blocks(&self) -> impl Iterator<Item = Index> {
        self.held().flat_map(|(number, chunk)| {
            chunk.occupancy.held().map(move |(start, _)| start_of(number) + start as Index)
        })
    }

    /// Every entry that is held.
    ///
    /// An entry whose `acquire` happens before the call is among them, unless it was released.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut chunks = self.held();
        let mut words = None;
        let (mut entries, mut first, mut held) = (&[][..], 0, 0_u64);
        std::iter::from_fn(move || {
            while held == 0 {
                match words.as_mut().and_then(Iterator::next) {
                    Some(word) => (first, held) = word,
                    None => {
                        let (_, chunk) = chunks.next()?;
                        entries = &chunk.entries[..];
                        words = Some(chunk.occupancy.held());
                    }
                }
            }
            let place = first + held.trailing_zeros() as usize;
            held &= held - 1;
            Some(&*entries[place])
        })
    }

    /// Does `work` with what [`Table::iter`] goes through, where instructions count: with one entry it takes two thirds
    /// of them.
    #[inline]
    pub(crate) fn for_each(&self, mut work: impl FnMut(&T)) {
        for (_, chunk) in self.held() {
            for (first, mut held) in chunk.occupancy.held() {
                while held != 0 {
                    work(&chunk.entries[first + held.trailing_zeros() as usize]);
                    held &= held - 1;
                }
            }
        }
    }

    /// The first entry that is looked for, of those that are held.
    pub(crate) fn find(&self, is_it: impl Fn(&T) -> bool) -> Option<(Index, &T)> {
        self.held().find_map(|(number, chunk)| {
            chunk.occupancy.held().find_map(|(first, held)| {
                let mut places =
                    (0..64).filter(|bit| held >> bit & 1 != 0).map(|bit| first + bit as usize);
                let place = places.find(|&place| is_it(&chunk.entries[place]))?;
                Some((start_of(number) + place as Index, &*chunk.entries[place]))
            })
        })
    }

    /// The chunks with entries that are held, and their numbers.
    #[inline]
    fn held(&self) -> impl Iterator<Item = (usize, &Chunk<T>)> {
        // If a chunk is not there yet, the `acquire` of its first holder has not returned, nor has that
        // of a holder of a later chunk: that one found this chunk full.
        let chunks = self.parts.iter().map_while(|part| Some((part, &**part.chunk.get()?)));
        let held = chunks.enumerate().filter(|(_, (part, _))| is_any_held(&part.held));
        held.map(|(number, (_, chunk))| (number, chunk))
    }
}

/// The index of a chunk's first entry.
#[inline]
fn start_of(chunk: usize) -> Index {
    (FIRST << chunk) - FIRST
}

/// The chunk of an entry and its place in there.
#[inline]
fn locate(index: Index) -> (usize, usize) {
    let chunk = ((index + FIRST) / FIRST).ilog2() as usize;
    (chunk, (index - start_of(chunk)) as usize)
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use crate::sync::{AtomicU32, Ordering};
    use std::collections::BTreeSet;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn an_entry_takes_the_bytes_that_the_readme_states() {
        assert_eq!(size_of_entry::<u64>(), 128);
    }

    #[test]
    fn indices_lie_side_by_side_in_chunks_that_double() {
        assert_eq!(locate(0), (0, 0));
        assert_eq!(locate(3), (0, 3));
        assert_eq!(locate(4), (1, 0));
        assert_eq!(locate(11), (1, 7));
        assert_eq!(locate(12), (2, 0));
    }

    #[test]
    #[should_panic(expected = "16777212 endpoints of a kind at a time")]
    fn a_table_that_is_full_says_so() {
        let table = Table::<u64>::new();
        for (number, part) in table.parts.iter().enumerate() {
            let occupancy = Occupancy::new(FIRST as usize);
            part.chunk.set(Chunk { entries: Arc::new([]), occupancy }.into()).unwrap();
            part.held.store(u64::from(FIRST) << number, Ordering::Relaxed);
        }
        table.acquire();
    }

    #[test]
    fn the_last_entry_of_all_has_its_place() {
        assert_eq!(locate(MOST - 1), (CHUNKS - 1, (FIRST << (CHUNKS - 1)) as usize - 1));
    }

    #[test]
    fn released_entries_are_taken_again_before_new_ones() {
        let table = Table::<u64>::new();
        let first: Vec<_> = (0..100).map(|_| table.acquire()).collect();
        assert_eq!(table.iter().count(), 100);
        first.iter().for_each(|seat| table.release(seat));
        assert_eq!(table.iter().count(), 0);
        let second: Vec<_> = (0..100).map(|_| table.acquire()).collect();
        let indices = |seats: &[Seat<u64>]| seats.iter().map(Seat::index).collect::<BTreeSet<_>>();
        assert_eq!(indices(&second), indices(&first));
    }

    #[test]
    fn a_walk_comes_to_the_entries_that_are_held_and_to_no_others() {
        let table = Table::<AtomicU32>::new();
        assert!(table.parts.iter().all(|part| part.chunk.get().is_none()), "it is empty at first");
        let seats: Vec<_> = (0..20_000).map(|_| table.acquire()).collect();
        seats.iter().for_each(|seat| seat.store(seat.index(), Ordering::Relaxed));
        let stays = |index: Index| index % 4099 == 7 || (5000..5070).contains(&index);
        seats.iter().filter(|seat| !stays(seat.index())).for_each(|seat| table.release(seat));
        let expected: Vec<_> = (0..20_000).filter(|&index| stays(index)).collect();
        let found = table.iter().map(|entry| entry.load(Ordering::Relaxed));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        let blocks: BTreeSet<_> = expected.iter().map(|&index| table.block(index).0).collect();
        assert_eq!(table.held_blocks().collect::<BTreeSet<_>>(), blocks);
        // Who comes next stands in front.
        assert_eq!(table.acquire().index(), 0);
    }
}
