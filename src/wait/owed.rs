//! Room that is owed to the largest message that was dropped.
//!
//! Writers that never wait stand in no line. Each takes the room that it finds, and on a full ring a
//! small message finds some each time that a reader moves on, a large one never. So a message that is
//! dropped leaves a claim to the room that it would have needed. As soon as readers have given something
//! back, smaller messages leave so much free, or are dropped as well. The next message that is as large
//! takes the room, and the claim is gone. While readers stand still, there will be no room for it, and
//! nobody is held up.
//!
//! Then it is the turn of the others: until they have had as many bytes, messages as large leave no claim.
//! So where there is too much of both, large messages and smaller ones get half of the room each.
//!
//! One claim stands at a time, the largest. Messages that are as large are not held up by it, and so
//! a ring with messages of one size works as if there were none. Nor are the other messages of its
//! writer, nor writers that wait: they have the line.
//!
//! The writer may never come again. So a claim lapses after a number of smaller messages, sent or
//! dropped: the *lease* of its writer. It has none at first: a message that is dropped once claims
//! nothing. Each time that the writer comes again after its claim has lapsed, its lease doubles, up
//! to a limit. So its claims come to stand until it comes, however seldom that is.
//!
//! Nothing but who is dropped depends on any of this: threads that race cost a claim its place, or let
//! one message pass.

use crate::ring::position::Position;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// The most smaller messages that a claim outlasts.
const MAX_LEASE: u32 = 1 << 16;

/// How many smaller messages the last claim of a writer was to outlast; 0 until it drops a message.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Lease(u32);

/// The claim of a channel.
#[derive(Debug)]
pub(crate) struct Owed {
    /// In ring bytes; 0 if nothing is owed.
    room: AtomicU64,
    /// The number of its writer.
    writer: AtomicU32,
    /// How many smaller messages it still outlasts.
    left: AtomicU32,
    /// Where the gate was when the claim was left.
    gate: AtomicU64,
    /// The last claim that was settled, and the position up to which it is the turn of smaller messages.
    settled: AtomicU64,
    turn: AtomicU64,
}

impl Owed {
    /// For a ring that begins at `start`.
    pub(crate) fn new(start: Position) -> Self {
        let [room, settled] = [0; 2].map(AtomicU64::new);
        let [writer, left] = [0; 2].map(AtomicU32::new);
        let [gate, turn] = [start.raw(); 2].map(AtomicU64::new);
        Self { room, writer, left, gate, settled, turn }
    }

    /// Whether, with the cursor at `reserved`, it is the turn of messages that need less than `room`.
    fn is_turn_of_smaller(&self, room: u64, reserved: Position) -> bool {
        let turn = Position::of_clean_raw(self.turn.load(Ordering::Relaxed));
        room >= self.settled.load(Ordering::Relaxed) && reserved.is_before(turn)
    }

    /// The room that is owed.
    #[inline]
    pub(crate) fn room(&self) -> u64 {
        // Relaxed here and below: as the head of the file says.
        self.room.load(Ordering::Relaxed)
    }

    /// What a message of `writer` that needs `room` must leave free, once room was [given
    /// back](Self::is_given_back).
    pub(crate) fn besides(&self, room: u64, writer: u32) -> u64 {
        let owed = self.room();
        if owed <= room {
            return 0;
        }
        // Below 0 it wraps, but then nothing is owed, and the next claim sets it.
        if self.left.fetch_sub(1, Ordering::Relaxed) <= 1 {
            self.room.store(0, Ordering::Relaxed);
            return 0;
        }
        if self.writer.load(Ordering::Relaxed) == writer { 0 } else { owed }
    }

    /// Whether readers have given room back since the claim was left; the gate is at `gate` now.
    pub(crate) fn is_given_back(&self, gate: Position) -> bool {
        gate.raw() != self.gate.load(Ordering::Relaxed)
    }

    /// A message of `writer` that needs `room` was dropped, with the gate and the cursor at these.
    pub(crate) fn leave(
        &self,
        room: u64,
        writer: u32,
        [gate, reserved]: [Position; 2],
        lease: &mut Lease,
    ) {
        let owed = self.room();
        if owed > room || self.is_turn_of_smaller(room, reserved) {
            return;
        }
        let is_first = lease.0 == 0;
        // If less is owed, its last claim has lapsed.
        if is_first || owed < room {
            lease.0 = (lease.0 * 2).clamp(1, MAX_LEASE);
        }
        if is_first {
            return;
        }
        self.gate.store(gate.raw(), Ordering::Relaxed);
        self.left.store(lease.0, Ordering::Relaxed);
        self.writer.store(writer, Ordering::Relaxed);
        self.room.store(room, Ordering::Relaxed);
    }

    /// A message that needs `room` has got it: `size` bytes, up to `reserved`.
    pub(crate) fn settle(&self, room: u64, size: u64, reserved: Position, lease: &mut Lease) {
        let owed = self.room();
        if owed > 0 && owed <= room {
            self.room.store(0, Ordering::Relaxed);
            let turn = Position::of_clean_raw(self.turn.load(Ordering::Relaxed));
            // A claim of one of the smaller ones does not cut their turn short.
            if !reserved.is_before(turn) || room >= self.settled.load(Ordering::Relaxed) {
                self.settled.store(room, Ordering::Relaxed);
                self.turn.store(reserved.plus(size).raw(), Ordering::Relaxed);
            }
            // It has been patient enough: the next claim makes that twice as much again.
            lease.0 = lease.0.div_ceil(2);
        }
    }
}
