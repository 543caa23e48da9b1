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

    /// Whether it has fewer messages. Sums may wrap.
    pub(crate) const fn is_before(self, other: Self) -> bool {
        (self.messages.wrapping_sub(other.messages) as i64) < 0
    }
}

/// A count that one thread raises, and that others read as it was at one moment, wherever that
/// thread is stopped.
///
/// The bytes have two places, which take turns: the lowest bit of the messages tells which. The other
/// one is written, and then the messages. So what is told is whole. A reader looks at the messages
/// before and after: a place is written again only behind the next change of theirs.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    messages: AtomicU64,
    bytes: [AtomicU64; 2],
}

impl Counter {
    /// The count, for the thread that raises it.
    #[inline]
    pub(crate) fn own(&self) -> Count {
        let messages = self.messages.load(Ordering::Relaxed);
        let bytes = self.bytes[(messages & 1) as usize].load(Ordering::Relaxed);
        Count { messages, bytes }
    }

    /// Raises the count from its `own`, by an odd number of messages.
    #[inline]
    pub(crate) fn raise(&self, own: Count, more: Count) {
        debug_assert!(more.messages % 2 == 1, "an even number tells the same place");
        let next = own.plus(more);
        let bytes = &self.bytes[(next.messages & 1) as usize];
        // ORD(counter:A) Release, pairs with ORD(counter:B): a thread that reads these bytes finds the
        // messages that tell the other place, and so not those before.
        bytes.store(next.bytes, Ordering::Release);
        // ORD(counter:C) Release, pairs with ORD(counter:D): the bytes that they tell are there.
        self.messages.store(next.messages, Ordering::Release);
    }

    /// Raises the count by any number, of which the first message has `first` bytes.
    pub(crate) fn add(&self, more: Count, first: u64) {
        let mut left = more;
        if more.messages % 2 == 0 && more.messages > 0 {
            let one = Count::new(1, first);
            self.raise(self.own(), one);
            left = more.minus(one);
        }
        if left.messages > 0 {
            self.raise(self.own(), left);
        }
    }

    /// The count, as it was at one moment. Tries again only if it was raised meanwhile.
    pub(crate) fn read(&self) -> Count {
        loop {
            // ORD(counter:D) Acquire, pairs with ORD(counter:C).
            let messages = self.messages.load(Ordering::Acquire);
            let bytes = self.bytes[(messages & 1) as usize].load(Ordering::Relaxed);
            // ORD(counter:B) Acquire, pairs with ORD(counter:A).
            fence(Ordering::Acquire);
            if self.messages.load(Ordering::Relaxed) == messages {
                return Count { messages, bytes };
            }
            spin_loop();
        }
    }

    /// Sets it to 0, while nobody else counts or reads, and tells what it was.
    pub(crate) fn take(&self) -> Count {
        let count = self.own();
        self.messages.store(0, Ordering::Relaxed);
        self.bytes[0].store(0, Ordering::Relaxed);
        count
    }
}

/// The figures of a writer, in its slot.
#[derive(Debug, Default)]
pub(crate) struct WriterFigures {
    /// What was committed or dropped. A slice is counted once it can be read.
    pub(crate) sent: Counter,
    /// What of that was dropped.
    pub(crate) dropped: Counter,
    pub(crate) ring_bytes: Figure,
}
