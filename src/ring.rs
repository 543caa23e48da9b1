//! The ring: the protocol, why it is right, and which line guards what.
//!
//! # What it is
//!
//! One array of bytes, and one array of descriptors beside it, a descriptor for each *granule* of
//! 64 bytes. Every byte that ever passes through has a *position*: the number of that byte since
//! the channel was made, 63 bits, never masked. The *index* of a byte is its position masked into
//! the array. Writers *reserve* a *slice*: whole granules, contiguous in memory, in one step; fill
//! it; and *commit* it in one step. Readers walk from slice to slice.
//!
//! ```text
//!                 gate                                    reserved
//!                   |                                         |
//!   positions  -----+---------+------+-----------+-----+------+-------------->
//!    recycled       |committed| skip | in flight | committed  |   free
//!                   +---------+------+-----------+------------+
//!                   |<-------------- at most capacity -------------->|
//!                   ^         ^
//!      holds of strong readers (`consumed`), each at the start of a slice
//! ```
//!
//! Two cursors bound what is alive. `reserved` is moved by writers: every position below it belongs
//! to some slice. The *gate* is the lowest position that must not be overwritten: writers may
//! reserve up to a capacity past it. Nothing else is shared by all: there is no cursor of what is
//! committed. Whether a slice is there is written on the slice itself, on its *stamp*.
//!
//! Coming from other rings: `reserved` is what some call the tail and others the head; we use
//! neither.
//!
//! # State
//!
//! - `reserved` ([`cursor::Cursor`]): a position, a bit that says *closed*, and one that says *sole*.
//!   Writers raise it by compare-exchange, or, while one of them owns it, that one with plain loads
//!   and stores; closing sets the bit with one `fetch_or`, when nobody owns it, so a reservation is
//!   either before the end or refused, and the final position is decided in one step.
//! - A descriptor's stamp: the position of the slice that starts at its granule, plus its state in
//!   the low bits. It is one of three things to a reader at position p: *p committed*, *p skipped*,
//!   or something else, which is from an earlier lap (nothing there yet) or from a later one
//!   (overrun). A stamp tells the whole 63 bits, so no lap is taken for another; and stamps live
//!   apart from payload, so no payload is taken for a stamp.
//! - The gate's word: a version and a position ([`gate::Word`]); the version is raised by whoever
//!   joins. Beside it the `limit`, a position in full that is never behind the gate.
//! - The holds: one for each strong reader, the position before which it needs nothing; and whether
//!   it jumped there.
//!
//! Invariants, at all times:
//!
//! 1. No committed slice at or after a hold is before the gate, and no slice in flight is.
//! 2. `reserved <= gate + capacity`.
//! 3. The gate, each hold and `reserved` are at the start of a slice, or at its end.
//!
//! From 1 and 2: the bytes of two slices in flight never overlap, and nobody reserves bytes that a
//! strong reader may still look at.
//!
//! # The steps
//!
//! *Reserve* ([`Ring::reserve`]). Read `reserved`; work out the end of the slice; if that is more
//! than a capacity past the writer's copy of the gate, bring the copy up to date, and if that does
//! not help, try to move the gate. Then exchange `reserved`. The copy may be stale, which is safe:
//! the gate only moves forward. If `reserved` has moved meanwhile, the exchange fails, and all is
//! done again. A slice never wraps: one that would run past the end of the lap reserves the rest of
//! the lap first, as *padding*, a slice of its own which is skipped.
//!
//! *Reserve alone* ([`Ring::reserve_alone`]). A writer that finds, a thousand times in a row, that
//! nobody else has moved the cursor, takes it for itself ([`cursor`] tells how, and how it is taken
//! away again). From then on a reservation is a comparison with the last position that the gate and
//! the lap allow, a look whether the cursor is still one's own, and a store. Nothing else changes:
//! the cursor's word, the fence behind the reservation, the slice and its commit are the same, and
//! to readers there is no difference.
//!
//! *Commit* and *abort*. Fill the descriptor, then store the stamp. Commits of different writers do
//! not meet. A slice that is committed shorter than reserved first gets a skipped slice behind it. A
//! reservation can become several slices, a *batch*: they are filled first, and then committed from the
//! last to the first. Readers come to the first one first, so they see all of them or none. (Who was
//! overrun may come upon one in the middle: to it those before were in flight, as any other's may be.)
//!
//! *What is known of a slice* besides its bytes stands in its descriptor: who wrote it, how many slices
//! and how many bytes that writer had written before it, those it dropped for want of room among them,
//! and whether it is a piece of a longer write. Since every slice tells where its writer stood, a reader
//! knows from two slices of a writer exactly what lay between them, however many were overwritten
//! meanwhile, and nothing has to be kept anywhere for that (`message/tally.rs`).
//!
//! *Move the gate* ([`Ring::advance_gate`]). Read the gate's word. With strong readers, the target
//! is the smallest hold, and on from there over skipped slices. A reader that has walked to its
//! hold from the gate has found every slice on the way committed; one that jumped there, because it
//! started at the next slice to come, may have left slices in flight behind. If all have jumped,
//! the target is reached by a walk from the gate, which stops at the first slice in flight. Without
//! readers, it is walked from slice to slice, as far as is wanted and an eighth of the ring more,
//! and stops at a slice in flight, whose writer still writes there. Exchange the word.
//!
//! What is read on the walk may be torn, because others may move the gate, and then recycle what we
//! read. Then our exchange fails. To see that, suppose it succeeds and yet we read a word that some
//! writer W wrote on a later lap. W had reserved past our gate, so it had read a gate later than
//! ours. The first move away from our gate is ours, so W read our exchange or a later one; that
//! happens after our read of the word, which therefore cannot have read what W wrote afterwards.
//!
//! *Join* ([`gate::Gate::join`]). Read the gate's word, put its position into a hold of one's own,
//! then exchange the word for one with the next version. A writer whose exchange of the gate
//! succeeds has read the word after our exchange, and thus sees our hold; or it has read it before,
//! and fails. The position is rebuilt from the word near a `reserved` that was read after it: if
//! the exchange succeeds, the gate was there all the while, and `reserved` within a capacity of it.
//!
//! *Read, strong* ([`Ring::find_held`]). The stamp at one's position tells. A hold keeps committed
//! slices in place, so their bytes may be lent as they are. It does not keep skipped slices: the
//! gate may move over these, so that a reader that has read everything never holds anybody up, even
//! if it does not come back to step over the padding. Such a reader may find itself behind the
//! gate; then all between was skipped, and it follows.
//!
//! *Read, weak* ([`Ring::find`], [`Ring::copy_racing`], [`Ring::is_intact`]). Read the stamp and
//! the descriptor, copy, and check afterwards that nobody had reserved over what was read:
//! overwriting starts at the reservation, so a check against anything that moves at commit would be
//! wrong. If the gate's limit has not passed the position nobody can have reserved over it, and the
//! writers' line is left alone; only otherwise is `reserved` itself looked at. A reader that was
//! overrun goes on at the oldest stamp that is still within the ring: any stamp that tells a
//! position of the present ring is that of a whole slice.
//!
//! # Orderings
//!
//! Each site is labelled. A Release or fence on the right, an Acquire or fence on the left.
//!
//! | label | pairs with | what it orders |
//! |---|---|---|
//! | `stamp:A` | `stamp:B` | a slice's bytes and descriptor before whoever reads them |
//! | `hold:A` | `hold:B` | a reader's last look at a slice before whoever moves the gate past it |
//! | `gate:A` | `gate:B` | that look, and the limit, before whoever reserves behind the gate |
//! | `gate:A` | `gate:C` | a joiner's hold before whoever could move the gate |
//! | `reserved:B` | `reserved:A` | a reservation before whoever has read a byte written in it |
//! | `gate:D` | `reserved:A` | the same for a strong reader at padding that was recycled |
//! | `limit` | `reserved:A`, `reserved:B` | the raised limit before whoever has read what was written behind it |
//! | `light` | `heavy` | the owner's intent before its look whose the cursor is; a change before the look whether anybody sleeps (`fence.rs`) |
//! | `watch:A` | `watch:B` | the heavy fence before whoever relies on it and sleeps |
//! | `close:A` | `close:B` | why the channel ended before a writer that finds it closed |
//! | `ending:A` | `ending:B` | the CLOSED bit before a reader that finds the channel ended |
//! | `free:A` | `free:B` | what the last holder of a table's entry did before the next one |
//! | `newer` | itself | where a reader begins before what later writers reserve (`shared.rs`) |
//! | `park:A` | `park:B` | sleeper and waker: one sees the other (`wait.rs`) |
//! | `parked:B` | `parked:A` | the raised count of parked readers before who lowers it |
//! | `line:A` | `line:B` | a mark before who unlocks the line, an unlocking before who leaves a mark (`wait/queue.rs`) |
//! | `line:C` | `line:A` | the end of a channel before who joins the line after it was emptied for that |
//!
//! The chain that keeps a strong reader's bytes: its last load, `hold:B`, `hold:A` in the writer
//! that moves the gate, `gate:B`, `gate:A` in the writer that reserves, its stores. All the
//! exchanges of the gate's word form one release sequence for whoever comes in between.
//!
//! The chain that tells a weak reader: the writer's load of the gate, its exchange of `reserved`,
//! the fence `reserved:A`, its store of a byte; our load of that byte, the fence `reserved:B`, our
//! load of the limit and of `reserved`, which are then no older than what the writer saw and did.
//!
//! # Progress
//!
//! Reserving and committing are lock-free: an exchange fails only because another one succeeded.
//! *Visibility is in the order of reservation*: a writer that is descheduled between its
//! reservation and its commit delays, for every reader, what was reserved after it, and never what
//! was reserved before; and a full lap later it delays writers, since nobody may overwrite its
//! slice. Readers are wait-free but for waiting on what is not there. Locks are taken by writers
//! that line up for room (`wait/queue.rs`; who wakes them only tries to), by who goes to sleep while nobody looks for sleepers
//! (`wait/watch.rs`), and when the cursor changes hands: a writer that comes to a ring which another
//! has had to itself for long, and whoever closes the channel then, waits for that one's step, a
//! handful of instructions. That is the exception to what was just said of reserving. And a reader of
//! messages takes one when it goes through the writers that it has heard of, to forget those that have
//! gone: twice each time that their number has doubled. Whoever wakes readers takes each out of those
//! that are parked right before it is woken: stopped in there, it holds back that one reader, and the
//! others are found by whoever commits next (`wait/parking.rs`).
//!
//! # What was decided, and against what
//!
//! - *Slices against a `published` cursor.* A cursor that committing writers keep as the minimum
//!   over the slices in flight packs bytes without rounding, but each commit moves a line that all
//!   readers poll and looks at every other writer; it was slower from 64 bytes on, and more so with
//!   more writers. The price of slices is that a write of one byte takes 64 bytes of the ring.
//! - *An owner of the cursor, and light fences.* A locked instruction costs as much as the rest of a
//!   short write; there were three in a write and a read: the exchange, and a full fence on either
//!   side for those who may sleep. Now there is none while one writer is alone and nobody sleeps,
//!   and who ends that state pays a heavy fence, a few microseconds. It is about who writes, not
//!   who is there: a thousand idle writers take nothing away. Systems without a heavy fence stay
//!   with exchanges and full fences, which is the state in which each channel starts.
//! - *No handing back of cache lines.* A reader that stores to each line it has read leaves it in a
//!   state that some processors fetch back faster; on others the writer's next lap is a quarter to a
//!   third slower for it. Neither do prefetches for writing ahead of the writer help.
//! - *24 bits of version and 40 bits of granule* in the gate's word. The position is counted in
//!   granules, so that both fields have room. To be fooled, a writer would have to sleep between
//!   its look at the word and its exchange while 2^24 readers join at one and the same position, or
//!   while 64 TiB pass and the gate comes to stand at just the same place with the same version.
//! - *The limit.* The word's position is rebuilt near a position that is known to be close. A weak
//!   reader may be any distance behind, so for it the gate's position is kept in full, raised
//!   before the word is exchanged. It costs a second exchange each time the gate is moved, which is
//!   once in many writes.
//! - *Skipped slices are not held.* Without that, an empty ring whose reader does not come back
//!   could be too full for a slice of the size of the ring, because of padding that nobody needs.
//! - *Weak writers do not upgrade while a slice is in flight.* The CLOSED bit decides which slices
//!   belong to the channel; one that was reserved before it is waited for by every reader, whoever
//!   holds the channel open by then. So there is nothing that a writer would have to hold open, and
//!   no count that writes would have to touch.
//! - *No reclamation scheme.* Whatever others may still be reading, holds, slots, stamps, bytes,
//!   lives in tables that are freed with the channel (`table.rs`).
//!
//! The models in `src/models` run these steps on this code, and each was seen to fail with the line
//! it guards taken out (`ci/mutants`).

#[cfg(not(overfall_loom))]
mod copy;
mod cursor;
pub(crate) mod descriptor;
mod gate;
pub(crate) mod pause;
pub(crate) mod position;
mod read;
mod reserve;
pub(crate) mod rseq;
#[cfg(not(overfall_loom))]
mod storage;
#[cfg(all(test, not(overfall_loom)))]
mod tests;

#[cfg(overfall_loom)]
use crate::models::storage;
use crate::table::Table;
use cursor::Cursor;
pub(crate) use cursor::WriterSlot;
use descriptor::Descriptor;
use gate::Gate;
use position::{Geometry, Position};
pub(crate) use read::{Found, Held, Seen};
pub(crate) use reserve::{Lane, Refused, Reservation, Reserved};
use storage::Storage;

#[derive(Debug)]
pub(crate) struct Ring {
    geometry: Geometry,
    storage: Storage,
    descriptors: Box<[Descriptor]>,
    /// Every position below it belongs to some slice.
    reserved: Cursor,
    gate: Gate,
    /// Where the first slice lies.
    start: Position,
}

impl Ring {
    /// A ring of `geometry` whose first slice lies at `start`; nothing if there is no memory for it.
    /// `has_sections` says whether a writer may own the cursor.
    pub(crate) fn new(geometry: Geometry, start: Position, has_sections: bool) -> Option<Self> {
        let mut descriptors = Vec::new();
        descriptors.try_reserve_exact(geometry.granules()).ok()?;
        descriptors.resize_with(geometry.granules(), Descriptor::new);
        Some(Self {
            geometry,
            storage: Storage::new(usize::try_from(geometry.capacity()).ok()?)?,
            descriptors: descriptors.into_boxed_slice(),
            reserved: Cursor::new(start, has_sections),
            gate: Gate::new(start, geometry.capacity()),
            start,
        })
    }

    #[inline]
    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    #[inline]
    pub(crate) fn capacity(&self) -> u64 {
        self.geometry.capacity()
    }

    #[inline]
    pub(crate) fn start(&self) -> Position {
        self.start
    }

    /// Where writers have their seats.
    #[inline]
    pub(crate) fn writers(&self) -> &Table<WriterSlot> {
        &self.reserved.writers
    }

    /// Where the next slice will lie. Relaxed: only a fence gives it a meaning for others' bytes.
    #[inline]
    pub(crate) fn reserved(&self) -> Position {
        self.reserved.load().position()
    }

    /// The lowest position that strong readers can still join at.
    #[inline]
    pub(crate) fn gate(&self) -> Position {
        self.gate.load()
    }

    #[inline]
    fn descriptor(&self, position: Position) -> &Descriptor {
        // As many as there are granules, a power of two, which spares the check of the bounds.
        let mask = self.descriptors.len() - 1;
        &self.descriptors[position.granule() as usize & mask]
    }

    /// What the descriptor at `position` says besides a length.
    #[inline]
    pub(crate) fn describe(&self, position: Position) -> descriptor::Description {
        self.descriptor(position).describe()
    }
}
