//! The ring: the protocol, why it is right, and which line guards what.
//!
//! # What it is
//!
//! One array of bytes, and one array of descriptors beside it, a descriptor for each *granule* of
//! 64 bytes. Every granule that ever passes through has a *position*: its number since the channel
//! was made, 61 bits, never masked ([`position`]). Its *index* is the position masked into the
//! array. (Users see positions of bytes, 63 bits of them.) Writers *reserve* a *slice* in one step:
//! whole granules, contiguous in memory. They fill it, and *commit* it in one step. Readers walk
//! from slice to slice.
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
//! - `reserved` ([`cursor::Cursor`]): a position, a bit that says *closed*, and one that says
//!   *owned*. Writers raise it by compare-exchange. While a writer owns it, that writer raises it
//!   by a plain compare and store. Closing sets the bit with one exchange, when no step of an owner
//!   stores any more. So a reservation is either before the end or refused, and the final position
//!   is decided in one step.
//! - A descriptor's stamp: the position of the slice that starts at its granule, plus its state in
//!   the low bits. It is one of three things to a reader at position p: *p committed*, *p skipped*,
//!   or something else, which is from an earlier lap (nothing there yet) or from a later one
//!   (overrun). A stamp tells the whole position, so no lap is taken for another; and stamps live
//!   apart from payload, so no payload is taken for a stamp.
//! - The gate: a position, which only ever moves forward ([`gate`]). Beside it the `limit`, a
//!   position that is never behind the gate, where a slice ends.
//! - The holds: one for each strong reader, the position before which it needs nothing; and whether
//!   it jumped there.
//!
//! Invariants, at all times:
//!
//! 1. No committed slice at or after a hold is before the gate, and no slice in flight is.
//! 2. `reserved <= gate + capacity`, but for one case: a slice *lies over its padding*, and the gate has
//!    not passed the padding. Then the gate is at the start of the padding, `reserved` is at the end of
//!    the slice, less than two capacities on (a *reach*), and nothing is written in the slice yet.
//! 3. The gate, each hold and `reserved` are at the start of a slice, or at its end.
//!
//! From 1 and 2: the bytes of two slices in flight that are written never overlap, and nobody writes
//! bytes that a strong reader may still look at.
//!
//! # The steps
//!
//! *Reserve* ([`Ring::reserve`]). Read `reserved`; work out the end of the slice; if that is more
//! than a capacity past the writer's copy of the gate, bring the copy up to date, and if that does
//! not help, try to move the gate. Then exchange `reserved`. The copy may be stale, which is safe:
//! the gate only moves forward. Before the ring is told to be full the gate is read anew, no older
//! than the cursor (`cursor:B`). If `reserved` has moved meanwhile, the exchange fails, and all is
//! done again. If there is no room, nothing was reserved, and nobody is the worse for it. A granule needs
//! no padding, wherever the cursor is; where the copy of the gate leaves room for it, that is all
//! ([`Ring::reserve_shared`]).
//!
//! *Padding*. A slice never wraps. One that would run past the end of the lap begins with the next lap,
//! and the rest of this one becomes padding, a slice of its own which is skipped. One exchange reserves
//! both: there is no padding before the slice behind it is certain. There must be room for both, but
//! never for more than the ring: if there is nothing between the gate and `reserved`, any slice gets in.
//! Is the padding longer than what the slice leaves of the ring, then the slice lies over its padding,
//! over its bytes and its descriptor. So far both are free, and nobody looks at the bytes of padding. But
//! readers and movers of the gate look at its stamp. So the writer stamps the padding, moves the gate over
//! it ([`gate::Gate::pass`]), and only then writes in the slice. Nobody can be in the way of that: the
//! gate was at the padding, which is held for nobody. If the writer is stopped before, any other one that
//! finds the stamp moves the gate as well. Until then:
//!
//! - Nobody reserves more: `reserved` is past the room that the gate allows.
//! - A hold, or a reader, may be at `reserved`, a reach from the gate. So whether a place is ahead of the
//!   gate is asked for a reach, not for a capacity.
//! - A capacity before `reserved` is the middle of the padding. A weak reader that was overrun goes on at
//!   the end of the padding, where the lap ends (`over_padding` in `ring/read.rs`). One that stands at the
//!   padding may step over it, until the gate's limit is raised; after that it was overrun, by padding.
//!
//! *Reserve as the owner* ([`Ring::reserve_exclusive`]). A writer that finds, a thousand times in a
//! row, that no other writer has moved the cursor takes it for itself. Any other writer takes it
//! away again, and does not wait for the owner ([`cursor`] tells how). Meanwhile a reservation is a
//! comparison with the room that the gate and the lap allow, and one section: look whether the
//! writer still owns the cursor, and store (`sync/rseq.rs`). Nothing else changes: the cursor's
//! word, the fence behind the reservation, the slice and its commit are the same. Readers see no
//! difference. While a slice is in flight that is filled piece by piece, the room is put aside: if the
//! cursor was taken away meanwhile, the next section finds that out.
//!
//! *Refused again* ([`Ring::is_still_full`]). A writer that found no room, and the gate right at a hold, remembers both.
//! While the gate and that hold are where they were, a look at more would find nothing else. A slice in flight may be
//! given up, and then the gate may pass it: so nothing is remembered but where the slice at the gate is committed.
//!
//! *Commit* and *abort*. Fill the descriptor, then store the stamp. Commits of different writers do
//! not meet. A slice that is committed shorter than reserved first gets a skipped slice behind it.
//! A reservation can become several slices, a *batch*: they are filled first, and then committed,
//! the first one last. Readers come to the first one first, so they see all of them or
//! none. (A reader that was overrun may come upon one in the middle. For that reader the others
//! are in flight, as those of any other writer may be.)
//!
//! *What is known of a slice* besides its bytes stands in its descriptor. It tells which writer
//! wrote it, and how many slices and bytes that writer had written before. Slices that the writer
//! dropped for want of room are counted among these. It also tells whether the slice is a piece of
//! a longer write. So a reader knows from two slices of a writer exactly what lay between them,
//! however many were overwritten meanwhile, and nothing has to be kept anywhere for that
//! (`channel/loss.rs`).
//!
//! *Move the gate* ([`Ring::advance_gate`]). Read the gate, and find a target.
//!
//! - With strong readers, the target is the smallest hold, and on from there over skipped slices. A
//!   reader that has walked to its hold from the gate has found every slice on the way committed. A
//!   reader that jumped there, because it started at the next slice to come, may have left slices
//!   in flight behind. If all have jumped, the target is reached by a walk from the gate, which
//!   stops at the first slice in flight.
//! - Without strong readers, the target is reached by a walk from slice to slice, as far as is
//!   wanted and an eighth of the ring more (nothing more for outputs of children). The walk stops at a slice
//!   in flight, whose writer still writes there.
//!
//! Then the move is announced by the limit, the holds are looked at again, and the gate is
//! exchanged ([`gate`]).
//!
//! What A reads on its walk may be torn, because others may move the gate meanwhile, and then
//! recycle what A reads. A finds that out. Suppose that A reads a word that a writer B wrote on a
//! later lap. B had reserved past A's gate, so B had read a gate later than A's. Behind a fence
//! (`gate:D`) A looks at the gate once more, and sees B's gate, or a later one: then A throws away
//! what it found. So the limit only ever tells places where a slice ends.
//!
//! *Join* ([`gate::Gate::join`]). Put a hold where the limit is, issue a full fence, and look at
//! the limit again. If it is the same, any thread that moves the gate from here on sees the hold. A
//! slice that a writer is just about to take is no longer kept for a reader that joins now. A clone
//! puts its hold where that of its original is, and is counted, so that no mover of the gate looks
//! past it.
//!
//! A mover looks at the holds that are taken, and not at all that ever were: a bit tells for each
//! (`sync/occupancy.rs`). The bit is set, and counted, before the hold is put up, and so before the
//! joiner's fence, or before a clone is counted: a thread that must see the hold sees the bit. It is cleared
//! with Release after the hold is given up, and looked at with Acquire (`free:B`, `free:C`). So a mover
//! that comes past a hold because its bit is cleared has seen as much as one that finds it given up
//! (`hold:B`, `hold:A`): the reader's last look at a slice, and the clones that it had made.
//!
//! *Read, strong* ([`Ring::find_held`]). The stamp at the reader's position tells. A hold keeps
//! committed slices in place, so their bytes may be lent as they are, also those ahead of the reader's
//! place (`channel/reader/strong/window.rs`). It does not keep skipped
//! slices: the gate may move over these. So a reader that has read everything never holds up a
//! writer, even if it does not come back to step over the padding. Such a reader may find itself
//! behind the gate; then all between was skipped, and it follows.
//!
//! *Read, weak* ([`Ring::find`], [`Ring::copy_racing`], [`Ring::is_intact`]). Read the stamp and
//! the descriptor, copy, and check afterwards that nobody had reserved over what was read:
//! overwriting starts at the reservation, so a check against anything that moves at commit would be
//! wrong. If the gate's limit has not passed the position nobody can have reserved over it, and the
//! writers' line is left alone; only otherwise is `reserved` itself looked at. A reader that was
//! overrun goes on where it was, or a capacity before the cursor, if the gate has not come further
//! than that (and is not about to: see *Padding*); else at the oldest stamp up to the gate. Any stamp
//! that tells a position of the present ring is that of a whole slice. The gate that it compares with
//! is no older than the cursor (`cursor:B`): with an older one it would go past a slice in flight. Is
//! the gate much newer, more than a capacity on, it looks at both again: from that gate on it would
//! skip slices that are left.
//!
//! *Hand lines back* ([`Ring::copy_and_hand_back`]). A strong reader that is the only one may store what it
//! has read to where it lies, unchanged, so that the writer gets the lines back sooner. Whoever comes as a
//! second one ends that first, and waits for nobody ([`exclusive`]).
//!
//! *Take a hold* ([`Ring::want_hold`]). A reader that is stopped outside keeps its hold. The owner of the
//! channel may take it, while the reader copies and lends nothing: movers of the gate pass over it from
//! then on. A reader says in its hold when it copies or lends, and looks behind that whether anybody wants
//! the hold; who takes it does these two the other way round ([`hold`] tells how). So a lend in hand is
//! never written over, and the reader gives the hold up itself when it ends. What the reader finds before
//! it has marked its hold may be of a later lap. It counts if the hold is in effect behind that, and else
//! nothing has happened. From then on the reader is as a weak one (`channel/taking.rs`).
//!
//! # Orderings
//!
//! Each site is labelled. A Release or a fence stands on the right, an Acquire or a fence on the
//! left.
//!
//! | label | pairs with | what it orders |
//! |---|---|---|
//! | `stamp:A` | `stamp:B` | a slice's bytes and descriptor before a thread that reads them |
//! | `hold:A` | `hold:B` | a reader's last look at a slice before a move of the gate past it |
//! | `taken:A` | `taken:B` | the same for a reader whose hold was taken |
//! | `taken:C` | `reserved:A` | that its hold was taken before a reader that has found what was written since |
//! | `lent:A` | `lent:B` | a mark, or its end, and who wants the hold: one sees the other (`hold.rs`) |
//! | `gate:A` | `gate:B` | that look, and the limit, before a reservation behind the gate |
//! | `clones:A` | `clones:B` | a clone, and its count, before a look that finds its original gone |
//! | `join:B` | `limit:A` | the slices before the limit before a reader that joins there |
//! | `join:A` | `join:B` | an announced move before a joiner, a hold before a mover of the gate |
//! | `reign:B` | `reign:A` | the start of a reign before a reader of a word of it (`cursor.rs`) |
//! | `interrupt` | the section of a step | the step, or the end of the reign (`sync/rseq.rs`); what a reader stores back, or that it is not alone (`exclusive.rs`) |
//! | `exclusive:B` | `exclusive:A` | what strong readers were lent, that have gone, before another one that stores it back (`exclusive.rs`) |
//! | `cursor:B` | `cursor:A` | the gate that a writer had seen before a thread that sees the cursor where it moved it |
//! | `reserved:B` | `reserved:A` | a reservation, and that the gate has passed its padding, before a thread that has read a byte written in it |
//! | `reserved:C` | `reserved:B`, `gate:D` | the same before a thread that has read what a strong reader stored back (`exclusive.rs`) |
//! | `gate:D` | `reserved:A` | the same for a strong reader at padding that was recycled, and for who walks |
//! | `limit` | `reserved:A`, `reserved:B` | the raised limit before a thread that has read what was written behind it |
//! | `light` | `heavy` | a change before the look whether anybody sleeps, or wants a hold (`sync/asymmetric.rs`) |
//! | `watch:A` | `watch:B` | the heavy fence before the thread that relies on it and sleeps |
//! | `close:A` | `close:B` | why the channel ended before a writer that finds it closed |
//! | `ending:A` | `ending:B` | the CLOSED bit, and the failure, before a reader that finds the channel ended |
//! | `free:A` | `free:B` | what the last holder of a table's entry did before the next one |
//! | `free:C` | `free:B` | the same before a walk that comes past the entry (`sync/occupancy.rs`) |
//! | `newer` | itself | a reader's start before slices of later writers (`channel/shared.rs`) |
//! | `counter:D` | `counter:C` | the bytes of a count before a thread that reads its messages (`figures.rs`) |
//! | `counter:B` | `counter:A` | the next messages before a thread that finds the bytes written again |
//! | `start:A` | `start:B` | a reader's start and a writer's count: one sees the other (`channel/account.rs`) |
//! | `start:D` | `start:C` | a reader's slot before a writer that finds its start |
//! | `park:A` | `park:B` | sleeper and waker: one sees the other (`wait.rs`) |
//! | `parked:B` | `parked:A` | the waker of a parked reader, and the raised count of further ones, before who takes it out |
//! | `waker:A` | `waker:B` | the waker that was taken before the reader that leaves the next one there (`wait/parking.rs`) |
//! | `line:A` | `line:B` | marker and unlocker: one sees the other (`wait/line.rs`) |
//! | `line:C` | `line:A` | the end of a channel before a joiner of the line that it emptied |
//!
//! The chain that keeps a strong reader's bytes: its last load, `hold:B`, `hold:A` in the writer
//! that moves the gate, `gate:B`, `gate:A` in the writer that reserves, its stores. All exchanges
//! of the gate form one release sequence, so the chain holds even if other threads move the gate in
//! between.
//!
//! For a hold that is taken the chain begins with the reader's last store to it, `hold:B`, which the thread
//! that takes it has seen without a mark, `hold:A`; then `taken:B`, `taken:A` in the writer that moves the
//! gate, and so on. The same chain, followed to its end, tells the reader: its load of what was written,
//! the fence `taken:C`, and its load of the state.
//!
//! The chain that tells a weak reader: the writer's load of the gate, its exchange of `reserved`,
//! the fence `reserved:A`, its store of a byte; our load of that byte, the fence `reserved:B`, our
//! load of the limit and of `reserved`, which are then no older than what the writer saw and did.
//!
//! # How long a thread may be stopped
//!
//! Any thread may be stopped between any two of its steps while others go on. What it had read by
//! then must not be taken for new when it goes on. So no counter that guards against that may come
//! round meanwhile. Two can:
//!
//! - *Positions*, 61 bits of granules: 2^67 bytes. They move faster than memory is written: a slice
//!   that is given up, or committed short, moves them by all that was reserved, for the price of
//!   one descriptor and of a pause for each 256 MiB. Nothing is faster than one writer that gives
//!   up each slice. On an AMD EPYC that takes 34 ns (`cargo bench --bench positions`), and 24 ns more for each
//!   pause. By that a turn takes it
//!
//!   | capacity | a slice of so many bytes | takes | and a turn |
//!   |---|---|---|---|
//!   | 64 KiB | 64 KiB | 34 ns | 21 000 hours |
//!   | 16 MiB | 16 MiB | 34 ns | 83 hours |
//!   | 256 MiB | 256 MiB | 58 ns | 8.8 hours |
//!   | 1 GiB | 1 GiB | 130 ns | 5.0 hours |
//!   | 2 GiB | 2 GiB | 226 ns | 4.3 hours |
//!   | 4 GiB, and 8 | 4 GiB | 418 ns | 4.0 hours |
//!
//!   No slice is longer, and so larger rings are not faster. All that memory safety rests on is
//!   right for a turn less a capacity (`position.rs` says what each comparison assumes). So a
//!   thread may be stopped for hours, in every ring, while another does nothing but give up slices;
//!   and for years while data is written. What is only counted and shown is right for less: figures
//!   tell up to 2^62 bytes, a 32nd of a turn. An idle reader or writer is like a stopped thread. A
//!   channel in which slices are given up for a whole turn has descriptors with stamps of a turn
//!   before; that is the end of what positions can tell.
//! - *Reigns* over the cursor count operations as well, 63 bits (`cursor.rs`).
//!
//! Numbers of writers do come round, after 2^32 of them. No living writer has the number of
//! another. If a writer has gone, a reader knows that the next one with its number is another when
//! that one has sent less (`channel/loss.rs`).
//!
//! # Progress
//!
//! Reserving and committing are lock-free. An exchange fails only because another one succeeded,
//! and the cursor is taken away from its owner without its help, however long the owner is stopped.
//! *Visibility is in the order of reservation*: a writer that is descheduled between its
//! reservation and its commit delays, for every reader, what was reserved after it, and never what
//! was reserved before. A full lap later it delays writers, since no writer may overwrite its
//! slice. A read is lock-free. A weak reader may be overrun each time it looks, and a reader may
//! step over slices as fast as they are given up; its read then goes on for as long as others get
//! something done. Draining and terminating are lock-free, too.
//!
//! These take locks:
//!
//! - threads that join or leave a line (`wait/line.rs`); a thread that wakes them only tries to;
//! - endpoints that are made, turned, named and dropped, and figures (`channel/shared.rs`);
//! - a reader of messages, when it goes through the writers that it has heard of, to forget those
//!   that have gone: twice each time that their number has doubled.
//!
//! A thread that wakes readers takes each out of the parked ones right before it wakes it. If it is
//! stopped in between, it holds back that one reader, and the next thread that commits finds the
//! others (`wait/parking.rs`).
//!
//! # What was decided, and against what
//!
//! - *Slices against a `published` cursor.* A cursor that committing writers keep as the minimum
//!   over the slices in flight packs bytes without rounding, but each commit moves a line that all
//!   readers poll and looks at every other writer; it was slower from 64 bytes on, and more so with
//!   more writers. The price of slices is that a write of one byte takes 64 bytes of the ring.
//! - *An owner of the cursor, and light fences.* A locked instruction costs as much as the rest of
//!   a short write. There were three in a write and a read: the exchange, and a full fence on
//!   either side for threads that may sleep. Now there is none while one writer is alone and no
//!   thread sleeps. The thread that ends that state pays a heavy fence, a few microseconds. Idle
//!   writers do not count: a thousand of them take nothing away. Systems without a heavy fence stay
//!   with exchanges and full fences, the state in which each channel starts. So does every channel until
//!   the process is registered for it, which nobody waits for (`sync/asymmetric.rs`).
//! - *A bit for each entry of a table, against a stack of the free ones.* The stack took the last entry
//!   given back, wherever it stood, and needed a tag; and a thread that walked the table looked at each entry
//!   that ever was in use. After 20 000 readers had come and gone, a write and a read took 350 ns instead
//!   of 9, for ever. With the bits the first free entry is taken, and free ones are not looked at.
//! - *Cache lines handed back, by a strong reader that is alone.* A reader that stores to each line it has
//!   read leaves it in a state that some processors fetch back several times faster; on others the writer's
//!   next lap is a quarter to a third slower for it. So it hangs on the processor, and it is done where
//!   nobody else can be lent the bytes ([`exclusive`]).
//! - *Lines that a writer asks for ahead*, with each slice, half a KiB ahead (`storage.rs`). Where they are on
//!   another core its stores need not wait for them one by one. On an Intel Xeon (family 6, model 207), far cores, a
//!   writer and a reader that poll: 8 bytes 62 -> 20 ns, 64 bytes 66 -> 18, 256 bytes 88 -> 37, 1 KiB 215 -> 100, 4 KiB
//!   490 -> 360; on one thread the same as before, from 256 bytes on a tenth less. On an AMD EPYC (family 25, model 1),
//!   near cores, a reader of runs and one writer 24 -> 16 ns, two writers 26 -> 23. Long pieces lose there, 4 KiB a
//!   tenth on one thread, and lines that are handed back need not be asked for: so for these it is not done where they are.
//!   It is not done where there are weak readers alone: one that is overrun goes on right ahead of the
//!   writer, and the two would take each other's lines (four of them on another core: 60 -> 115 ns). A reader that
//!   asks ahead for what it will read gains nothing, and takes lines away from a writer that is just there: 64 bytes
//!   18 -> 25 ns, 256 bytes 37 -> 65.
//! - *Taking the cursor away with a restartable sequence.* The owner used to say where it went, and who
//!   took the cursor away waited for that step: for a second, if the owner was of lower priority on the
//!   same core, and for ever in a child of a fork. A section costs a few instructions more, and no
//!   locked one; where there is none, nobody owns the cursor, and each reservation is an exchange.
//! - *Positions in full, and no version in the gate.* The gate used to keep 40 bits of its position beside
//!   a version, which came round in milliseconds when slices of 1 GiB were given up. A version for each
//!   exchange would have limited rings to 1 GiB. Announcing moves needs no version. It costs a full
//!   fence and a second look at the holds each time the gate is moved, which is once in many writes.
//! - *A pause for what is given up.* Without it a turn takes less than an hour in a ring of 4 GiB. It is
//!   a hundredth of what it takes to write as much.
//! - *Padding and slice in one exchange.* Padding used to be a reservation by itself, before it was known
//!   whether there is room behind it. Then a writer that was refused left padding behind, which took the free
//!   room from others, and what weak readers had to read. To take padding back is not possible: others may
//!   have reserved behind it. To take it only while nobody else writes would let others keep a large slice
//!   out for ever.
//! - *Skipped slices are not held.* Without that, an empty ring whose reader does not come back
//!   could be too full for a slice of the size of the ring, because of padding that nobody needs.
//! - *Weak writers do not upgrade while a slice is in flight.* The CLOSED bit decides which slices
//!   belong to the channel. Every reader waits for a slice that was reserved before the bit was
//!   set, whichever endpoints hold the channel open by then. So there is nothing that a writer
//!   would have to hold open, and no count that writes would have to touch.
//! - *A mark for each read, against a check behind it.* A copy could be checked afterwards, as that of a weak
//!   reader is, for less. Then a hold could be taken in the middle of a read, and it would not be known
//!   which slices the reader had counted by then. With the mark there is one way for copies and lends.
//! - *No reclamation scheme.* All that other threads may still be reading, holds, slots, stamps,
//!   bytes, lives in tables that are freed with the channel (`sync/table.rs`).
//!
//! The models in `src/models` run these steps on this code, and each was seen to fail with the line
//! it guards taken out (`ci/mutants`).

#[cfg(not(overfall_loom))]
mod copy;
mod cursor;
pub(crate) mod descriptor;
mod exclusive;
mod gate;
mod hold;
mod writer_figures;

pub(crate) mod position;
mod read;
mod reserve;
#[cfg(not(overfall_loom))]
mod storage;
#[cfg(all(test, not(overfall_loom)))]
mod tests;
#[cfg(not(overfall_loom))]
mod zeroed;

#[cfg(overfall_loom)]
use crate::models::storage;
use crate::sync::asymmetric::Abilities;
use crate::sync::processor;
use crate::sync::table::Table;
use cursor::Cursor;
pub(crate) use cursor::WriterSlot;
use descriptor::Descriptor;
pub(crate) use exclusive::{Exclusive, LENT, LENT_GRANULES};
use gate::Gate;
pub(crate) use hold::Claim;
use position::{GRANULE, Geometry, Position};
pub(crate) use read::{Found, Held, Lender, Passing, Run, Seen};
pub(crate) use reserve::{Lane, Refused, Reservation, Reserved};
use storage::Storage;
#[cfg(overfall_loom)]
pub(crate) use writer_figures::Counter;
pub(crate) use writer_figures::{Count, WriterFigures};

#[derive(Debug)]
pub(crate) struct Ring {
    geometry: Geometry,
    storage: Storage,
    /// Every position below it belongs to some slice.
    reserved: Cursor,
    gate: Gate,
    /// Whether a strong reader that is alone hands lines back.
    hands_lines_back: bool,
    exclusive: Exclusive,
    /// Where the first slice lies.
    start: Position,
    /// How many granules more than it needs a writer takes that overwrites: an eighth of the ring.
    surplus: u64,
}

impl Ring {
    /// A ring of `geometry` whose first slice lies at `start`; `None` if there is no memory for it.
    /// `abilities` say whether a writer may own the cursor, and by what fences readers lend.
    pub(crate) fn new(geometry: Geometry, start: Position, abilities: Abilities) -> Option<Self> {
        let capacity = usize::try_from(geometry.capacity()).ok()?;
        let storage = Storage::new(capacity, geometry.granules())?;
        Some(Self {
            geometry,
            storage,
            reserved: Cursor::new(start, abilities.sections),
            gate: Gate::new(start, geometry.reach(), abilities.heavy_fences),
            hands_lines_back: abilities.sections && processor::likes_lines_back(),
            exclusive: Exclusive::new(),
            start,
            surplus: (geometry.capacity() / GRANULE).div_ceil(8),
        })
    }

    /// From now on a writer that overwrites takes no more than it needs. So a strong reader that comes finds
    /// as much as there can be, and each writer moves the gate.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(crate) fn keep_as_much_as_can_be(&mut self) {
        self.surplus = 0;
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

    /// As if other writers had given up so many granules, and no reader held them.
    #[cfg(all(test, not(overfall_loom)))]
    pub(crate) fn leap(&self, granules: u64) {
        self.reserved.leap(granules);
        self.gate.leap_to(self.reserved());
    }

    /// Whether writers ask for lines ahead.
    #[cfg(all(test, not(overfall_loom)))]
    pub(crate) fn asks_ahead(&self) -> bool {
        self.storage.asks_ahead()
    }

    /// Where writers have their seats.
    #[inline]
    pub(crate) fn writers(&self) -> &Table<WriterSlot> {
        &self.reserved.writers
    }

    /// Where the next slice will lie. Relaxed: without a fence it tells nothing of bytes that other
    /// threads wrote.
    #[inline]
    pub(crate) fn reserved(&self) -> Position {
        self.reserved.load().position()
    }

    /// How many bytes a reader at `position` can find now, at most. It reads the writers' cache line.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn unread(&self, position: Position) -> u64 {
        self.reserved().bytes_since(position).min(self.capacity())
    }

    /// The lowest position that strong readers can still join at.
    #[inline]
    pub(crate) fn gate(&self) -> Position {
        self.gate.load()
    }

    #[inline(always)]
    fn descriptor(&self, position: Position) -> &Descriptor {
        self.storage.descriptor(position)
    }

    /// What the descriptor at `position` says besides a length.
    #[inline]
    pub(crate) fn describe(&self, position: Position) -> descriptor::Description {
        self.descriptor(position).describe()
    }
}
