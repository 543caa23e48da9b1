//! A table whose entries never move, are reused, and are freed with the table.
//!
//! Any thread may walk it at any time without a lock, because no entry is freed while the table is
//! there. So no reclamation scheme is needed. The table grows by doubling: chunk k holds
//! `FIRST << k` entries. The holder of an entry keeps its chunk at hand, so that the way there is
//! short.
#![allow(unsafe_code)]

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// Entries of the first chunk.
const FIRST: u32 = if cfg!(overfall_loom) { 2 } else { 8 };
const CHUNKS: usize = 21;
/// How many entries a table can have. The free stack names each in 24 bits, and needs one value for
/// its end.
const MOST: u32 = (FIRST << CHUNKS) - FIRST;
const INDEX_BITS: u32 = 24;
const _: () = assert!(MOST < 1 << INDEX_BITS);

/// Names an entry of a table.
pub(crate) type Index = u32;

/// Entries side by side, each on cache lines of its own: a holder writes its entry while other
/// threads read theirs.
type Chunk<T> = Arc<[CachePadded<Entry<T>>]>;

/// An entry that is held. Its holder gives it back by [`Table::release`].
#[derive(Debug)]
pub(crate) struct Seat<T> {
    /// It is in the chunk. Every read and write goes through this pointer; an index would cost a
    /// load and a check more each time.
    entry: NonNull<CachePadded<Entry<T>>>,
    /// Keeps the entry where it is.
    _chunk: Chunk<T>,
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
        // shared, and lives for as long as `_chunk` does.
        &unsafe { self.entry.as_ref() }.value
    }
}

#[derive(Debug)]
struct Entry<T> {
    /// The entry below this one on the free stack, plus one; 0 ends the stack.
    next_free: AtomicU32,
    value: T,
}

/// The bytes of an entry.
#[cfg(all(test, not(overfall_loom)))]
pub(crate) const fn size_of_entry<T>() -> usize {
    size_of::<CachePadded<Entry<T>>>()
}

#[derive(Debug)]
pub(crate) struct Table<T> {
    chunks: [OnceLock<Chunk<T>>; CHUNKS],
    /// How many entries were ever handed out.
    used: AtomicU32,
    /// The top of the stack of free entries, plus one, in the low 24 bits. Above it is a tag that
    /// every change raises, so that an entry that came back meanwhile is not taken for one that
    /// never left. To be fooled, a thread would have to be stopped for exactly 2^40 changes. A pair
    /// of them takes 50 ns with all else that an endpoint needs: that is seven hours.
    free: AtomicU64,
}

impl<T: Default> Table<T> {
    pub(crate) fn new() -> Self {
        let table = Self {
            chunks: std::array::from_fn(|_| OnceLock::new()),
            used: AtomicU32::new(0),
            free: AtomicU64::new(0),
        };
        table.chunk(0);
        table
    }

    fn chunk(&self, number: usize) -> &Chunk<T> {
        self.chunks[number].get_or_init(|| {
            (0..FIRST << number)
                .map(|_| Entry { next_free: AtomicU32::new(0), value: T::default() }.into())
                .collect()
        })
    }

    /// Takes an entry for the caller alone. It is as its last holder left it.
    ///
    /// Allocates only when more entries are in use than ever before. Panics if there are as many as
    /// a table can have.
    #[track_caller]
    pub(crate) fn acquire(&self) -> Seat<T> {
        let index = self.acquire_index();
        let (chunk, offset) = locate(index);
        let chunk = self.chunk(chunk).clone();
        Seat { entry: NonNull::from(&chunk[offset]), _chunk: chunk, index }
    }

    #[inline]
    #[track_caller]
    fn acquire_index(&self) -> Index {
        // ORD(free:A) Acquire, pairs with ORD(free:B): the entry is as its last holder left it.
        let mut free = self.free.load(Ordering::Acquire);
        while let Some(top) = top_of(free).checked_sub(1) {
            crate::sync::pause::point();
            let below = self.entry(top).next_free.load(Ordering::Relaxed);
            match self.free.compare_exchange_weak(
                free,
                retag(free, below),
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return top,
                Err(now) => free = now,
            }
        }
        let used = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            (used < MOST).then_some(used + 1)
        });
        match used {
            Ok(index) => index,
            Err(used) => panic!(
                "the channel has {used} endpoints of a kind at a time, and no room for another: drop some"
            ),
        }
    }

    /// Gives an entry back.
    pub(crate) fn release(&self, seat: &Seat<T>) {
        let index = seat.index;
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            self.entry(index).next_free.store(top_of(free), Ordering::Relaxed);
            // ORD(free:B) Release, pairs with ORD(free:A).
            match self.free.compare_exchange_weak(
                free,
                retag(free, index + 1),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => free = now,
            }
        }
    }

    #[inline]
    fn entry(&self, index: Index) -> &Entry<T> {
        let (chunk, offset) = locate(index);
        &self.chunk(chunk)[offset]
    }

    #[inline]
    pub(crate) fn get(&self, index: Index) -> &T {
        &self.entry(index).value
    }

    /// Every `step`th entry with its index, beginning with the first one, up to the last that was
    /// ever handed out. This neither makes a chunk nor waits for a thread that makes one. So an
    /// entry that no thread has reached yet, by [`get`](Self::get) or as its holder, may be left
    /// out.
    pub(crate) fn every(&self, step: Index) -> impl Iterator<Item = (Index, &T)> {
        let used = self.used.load(Ordering::Relaxed);
        (0..used).step_by(step as usize).filter_map(|index| {
            let (chunk, offset) = locate(index);
            Some((index, &self.chunks[chunk].get()?[offset].value))
        })
    }

    /// Every entry that was ever handed out, held or free.
    ///
    /// An entry whose `acquire` happens before the call is among them.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let used = self.used.load(Ordering::Relaxed);
        let starts = (0..CHUNKS).map(|chunk| (FIRST << chunk) - FIRST);
        let chunks = self.chunks.iter().zip(starts).take_while(move |&(_, start)| start < used);
        chunks
            // If a chunk is not made yet, the `acquire` of its first holder has not returned.
            .filter_map(|(chunk, start)| chunk.get().map(|chunk| (chunk, start)))
            .flat_map(move |(chunk, start)| chunk.iter().take((used - start) as usize))
            .map(|entry| &entry.value)
    }
}

/// The word of the free stack with another top and the next tag.
#[inline]
fn retag(free: u64, top: u32) -> u64 {
    ((free >> INDEX_BITS).wrapping_add(1) << INDEX_BITS) | u64::from(top)
}

/// The top of the free stack, plus one.
#[inline]
fn top_of(free: u64) -> u32 {
    (free & ((1 << INDEX_BITS) - 1)) as u32
}

/// The chunk of an entry and its place in there.
#[inline]
fn locate(index: Index) -> (usize, usize) {
    let from_start = index + FIRST;
    let chunk = (from_start / FIRST).ilog2();
    (chunk as usize, (from_start - (FIRST << chunk)) as usize)
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn an_entry_takes_the_bytes_that_the_readme_states() {
        assert_eq!(size_of::<CachePadded<Entry<u64>>>(), 128);
    }

    #[test]
    fn indices_lie_side_by_side_in_chunks_that_double() {
        assert_eq!(locate(0), (0, 0));
        assert_eq!(locate(7), (0, 7));
        assert_eq!(locate(8), (1, 0));
        assert_eq!(locate(23), (1, 15));
        assert_eq!(locate(24), (2, 0));
    }

    #[test]
    #[should_panic(expected = "16777208 endpoints of a kind at a time")]
    fn a_table_that_is_full_says_so() {
        let table = Table::<u64>::new();
        table.used.store(MOST, Ordering::Relaxed);
        table.acquire();
    }

    #[test]
    fn the_last_entry_of_all_has_its_place() {
        assert_eq!(locate(MOST - 1), (CHUNKS - 1, (FIRST << (CHUNKS - 1)) as usize - 1));
        assert_eq!(top_of(retag(u64::MAX, MOST)), MOST);
    }

    #[test]
    fn released_entries_are_taken_again_before_new_ones() {
        let table = Table::<u64>::new();
        let first: Vec<_> = (0..100).map(|_| table.acquire()).collect();
        assert_eq!(table.iter().count(), 100);
        first.iter().for_each(|seat| table.release(seat));
        let second: Vec<_> = (0..100).map(|_| table.acquire()).collect();
        let indices = |seats: &[Seat<u64>]| seats.iter().map(Seat::index).collect::<BTreeSet<_>>();
        assert_eq!(indices(&second), indices(&first));
        assert_eq!(table.iter().count(), 100);
    }
}
