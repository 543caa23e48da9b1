//! What each writer counts, in its slot.

use crate::sync::figure::Figure;
use crate::sync::{AtomicU64, Ordering, fence, spin_loop};

/// Messages, and their payload bytes. Sums wrap around, as the figures do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Count {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Count {
    pub(crate) const fn new(messages: u64, bytes: u64) -> Self {
        Self { messages, bytes }
    }

    #[inline]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            messages: self.messages.wrapping_add(other.messages),
            bytes: self.bytes.wrapping_add(other.bytes),
        }
    }

    #[inline]
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self {
            messages: self.messages.wrapping_sub(other.messages),
            bytes: self.bytes.wrapping_sub(other.bytes),
        }
    }
}

/// A count that one thread raises, and that others read as it was at one moment, wherever that
/// thread is stopped.
///
/// Two copies take turns: the one that the turn does not name is written, and then named. So the
/// copy that is named is whole. A reader looks at the turn before and after: a copy is written
/// again only behind the next turn.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    turn: AtomicU64,
    copies: [[AtomicU64; 2]; 2],
}

impl Tally {
    /// The count, and its turn, for the thread that raises it.
    #[inline]
    pub(crate) fn own(&self) -> (Count, u64) {
        let turn = self.turn.load(Ordering::Relaxed);
        let [messages, bytes] = self.copies[(turn & 1) as usize].each_ref();
        (Count::new(messages.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed)), turn)
    }

    /// Sets the count to `next`, from what it was at `turn`.
    #[inline]
    pub(crate) fn set(&self, next: Count, turn: u64) {
        let turn = turn.wrapping_add(1);
        let [messages, bytes] = self.copies[(turn & 1) as usize].each_ref();
        // ORD(tally:A) Release, pairs with ORD(tally:B): a thread that reads either finds the turn
        // of the other copy, and so not the one before that.
        messages.store(next.messages, Ordering::Release);
        bytes.store(next.bytes, Ordering::Release);
        // ORD(tally:C) Release, pairs with ORD(tally:D): the copy that it names is written.
        self.turn.store(turn, Ordering::Release);
    }

    #[inline]
    pub(crate) fn add(&self, more: Count) {
        let (count, turn) = self.own();
        self.set(count.plus(more), turn);
    }

    /// How often it was raised, of which 32 bits count.
    pub(crate) fn turn(&self) -> u32 {
        self.turn.load(Ordering::Relaxed) as u32
    }

    /// The count, as it was at one moment, and the turn of it. Tries again only if it was raised
    /// meanwhile.
    pub(crate) fn read(&self) -> (Count, u32) {
        loop {
            // ORD(tally:D) Acquire, pairs with ORD(tally:C).
            let turn = self.turn.load(Ordering::Acquire);
            let [messages, bytes] = self.copies[(turn & 1) as usize].each_ref();
            let count = Count::new(messages.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
            // ORD(tally:B) Acquire, pairs with ORD(tally:A).
            fence(Ordering::Acquire);
            if self.turn.load(Ordering::Relaxed) == turn {
                return (count, turn as u32);
            }
            spin_loop();
        }
    }

    /// Sets it to 0, while nobody else counts or reads, and tells what it was.
    pub(crate) fn take(&self) -> Count {
        let (count, turn) = self.own();
        self.set(Count::default(), turn);
        count
    }
}

/// The figures of a writer, in its slot.
#[derive(Debug, Default)]
pub(crate) struct WriterFigures {
    /// What was committed or dropped. A slice is counted once it can be read.
    pub(crate) sent: Tally,
    /// What of that was dropped.
    pub(crate) dropped: Tally,
    pub(crate) ring_bytes: Figure,
    /// The turn of `sent` that a reader found last as it began to count, and the first reader that
    /// found it. Behind the lock of the registry.
    pub(crate) seen: Figure,
}
