//! What is known of a slice, kept beside its first granule.

use super::position::Position;
use crate::sync::pause::point;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The slice holds payload.
const COMMITTED: u64 = 1;
/// The slice holds nothing: padding, or given up.
const SKIP: u64 = 2;

/// How a slice that is no longer in flight ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Committed,
    Skip,
}

/// What a descriptor says of a slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Description {
    /// Payload bytes of a committed slice, ring bytes of a skipped one.
    pub(crate) length: u32,
    pub(crate) writer: u32,
    /// How many slices this writer had written before, or lost, to a full ring or elsewhere.
    pub(crate) sequence: u64,
    /// How many payload bytes those had.
    pub(crate) bytes: u64,
    pub(crate) joins: Joins,
}

/// Whether a slice and the slices of its writer next to it are pieces of one write.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Joins {
    /// It goes on where the slice before it stopped.
    pub(crate) continues: bool,
    /// It goes on in the next one.
    pub(crate) is_continued: bool,
}

impl Joins {
    /// They stand in the two high bits of the sequence number, which no writer counts up to.
    const SHIFT: u32 = 62;

    #[inline]
    fn bits(self) -> u64 {
        (u64::from(self.continues) | u64::from(self.is_continued) << 1) << Self::SHIFT
    }

    #[inline]
    fn of_bits(sequence: u64) -> Self {
        let bits = sequence >> Self::SHIFT;
        Self { continues: bits & 1 != 0, is_continued: bits & 2 != 0 }
    }
}

/// 32 bytes, one descriptor for each granule of the ring. The one where a slice starts describes
/// the slice.
///
/// The stamp is the slice's position with its state in the low bits, which a position leaves free.
/// It goes from the stamp of an earlier lap straight to that of this one: while a slice is in
/// flight, its stamp is still from an earlier lap. Fresh descriptors are zero (`zeroed.rs`). Their stamp
/// has no state, and so is that of no slice.
#[derive(Debug)]
#[cfg_attr(overfall_loom, derive(Default))]
#[repr(C, align(32))]
pub(crate) struct Descriptor {
    stamp: AtomicU64,
    length: AtomicU32,
    writer: AtomicU32,
    sequence: AtomicU64,
    bytes: AtomicU64,
}

impl Descriptor {
    /// The state of the slice that starts at `position`, if it has one yet.
    #[inline]
    pub(crate) fn state(&self, position: Position) -> Option<State> {
        // ORD(stamp:A) Acquire, pairs with ORD(stamp:B): a thread that sees the stamp sees the
        // payload and the rest of the descriptor, and every position that their writer had seen.
        let stamp = self.stamp.load(Ordering::Acquire);
        match stamp.wrapping_sub(position.raw()) {
            COMMITTED => Some(State::Committed),
            SKIP => Some(State::Skip),
            _ => None,
        }
    }

    /// Fills the descriptor of a slice in flight, then lets all threads see the slice.
    #[inline]
    pub(crate) fn publish(&self, position: Position, state: State, description: Description) {
        self.fill(state, description);
        self.stamp(position, state);
    }

    /// Fills the descriptor of a slice in flight, which ends in this state.
    #[inline]
    pub(crate) fn fill(&self, state: State, description: Description) {
        point();
        self.length.store(description.length, Ordering::Relaxed);
        self.writer.store(description.writer, Ordering::Relaxed);
        point();
        if state == State::Committed {
            let sequence = description.sequence | description.joins.bits();
            self.sequence.store(sequence, Ordering::Relaxed);
            self.bytes.store(description.bytes, Ordering::Relaxed);
        }
    }

    /// Lets all threads see a slice whose descriptor is filled.
    #[inline]
    pub(crate) fn stamp(&self, position: Position, state: State) {
        let state = match state {
            State::Committed => COMMITTED,
            State::Skip => SKIP,
        };
        // ORD(stamp:B) Release, pairs with ORD(stamp:A).
        self.stamp.store(position.raw() | state, Ordering::Release);
    }

    /// The length of the slice whose stamp was seen, if no writer has reserved over it since. Until
    /// the caller knows that, the length may be torn.
    #[inline]
    pub(crate) fn length(&self) -> u64 {
        point();
        self.length.load(Ordering::Relaxed).into()
    }

    /// Stores a word that is there already, for a strong reader that holds the slice (`exclusive.rs`).
    #[inline]
    pub(crate) fn store_back(&self) {
        let word = &self.length;
        point();
        // Relaxed: the caller's fence orders it (ORD(reserved:C)).
        word.store(word.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The length, if it describes the slice of `writer` with this sequence number, and no piece of a longer
    /// write; all to be trusted as the length.
    #[inline(always)]
    pub(crate) fn length_of(&self, (writer, sequence): (u32, u64)) -> Option<u64> {
        let is_it = self.writer.load(Ordering::Relaxed) == writer
            && self.sequence.load(Ordering::Relaxed) == sequence;
        is_it.then(|| self.length.load(Ordering::Relaxed).into())
    }

    /// All that the descriptor says, to be trusted as the length.
    #[inline]
    pub(crate) fn describe(&self) -> Description {
        let sequence = self.sequence.load(Ordering::Relaxed);
        Description {
            length: self.length.load(Ordering::Relaxed),
            writer: self.writer.load(Ordering::Relaxed),
            sequence: sequence & (u64::MAX >> 2),
            bytes: self.bytes.load(Ordering::Relaxed),
            joins: Joins::of_bits(sequence),
        }
    }
}
