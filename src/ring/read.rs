//! The readers' side. A strong reader has a hold, which keeps what it reads in place. A weak reader
//! checks afterwards that what it read was in place.

use super::Ring;
use super::descriptor::{Description, State};
use super::exclusive::SHORT;
use super::hold::{Claim, Hold};
use super::position::{GRANULE, Position, slice_size};
use super::storage::Racing;
use crate::sync::pause;
use crate::sync::table::Seat;
use crate::sync::{Ordering, fence};
use std::marker::PhantomData;

/// How often an overrun reader looks for the oldest slice that is left.
const OLDEST_TRIES: u32 = 8;

/// What a reader finds at its position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// A slice with so many payload bytes.
    Slice(u64),
    /// Nothing to read: the reader goes on here.
    Skip(Position),
    /// Nothing yet.
    Nothing,
    /// The reader's position has been overwritten, or may be at any time.
    Overrun,
}

/// A strong reader's right to what lies from a position on. A reader that has one has joined, and
/// gives it back with [`Ring::leave`].
#[derive(Debug)]
pub(crate) struct Held {
    pub(super) hold: Seat<Hold>,
    /// Where the reader jumped to, until the gate has come there: see [`Hold`].
    jumped_to: Option<Position>,
}

impl Held {
    /// No slice at or after this position is recycled.
    #[inline]
    pub(crate) fn position(&self) -> Position {
        self.hold.position()
    }

    /// That of a reader that has come to it slice by slice: it has not jumped, or the gate has come to where
    /// it did. Its hold moves on with one store.
    #[inline(always)]
    pub(crate) fn walked(held: &mut Option<Self>) -> Option<&mut Self> {
        match held {
            Some(held @ Self { jumped_to: None, .. }) => Some(held),
            _ => None,
        }
    }

    /// Marks the hold of a reader that is about to pass a slice. Nothing, and nothing has happened, if it cannot
    /// be marked.
    #[inline(always)]
    pub(crate) fn pass(&mut self) -> Option<Passing<'_>> {
        let hold: &Hold = &self.hold;
        hold.mark().then_some(Passing { held: self, hold })
    }

    /// The owner of the channel may take it from here on, by this number of its reader.
    pub(crate) fn name(&self, reader: u32) {
        self.hold.name(reader);
    }

    /// The owner takes it no more. Tells whether it has, and what it wanted.
    pub(crate) fn unname(&self) -> Claim {
        self.hold.unname()
    }

    /// Light fences are enough from here on.
    pub(crate) fn rely_on_heavy_fences(&self) {
        self.hold.rely_on_heavy_fences();
    }

    /// Marks it before something is copied or lent, so that it is not taken until it moves on or the
    /// [mark is off](Self::unmark). Fails if the owner wants it, or has it.
    #[inline(always)]
    pub(crate) fn mark(&self) -> bool {
        self.hold.mark()
    }

    #[inline]
    pub(crate) fn is_marked(&self) -> bool {
        self.hold.is_marked()
    }

    /// As [`Held::pass`], if it is marked already.
    #[inline(always)]
    pub(crate) fn pass_marked(&mut self) -> Option<Passing<'_>> {
        let hold: &Hold = &self.hold;
        hold.is_marked().then_some(Passing { held: self, hold })
    }

    /// Takes the mark off, and tells whether the owner wants the hold by now.
    #[inline(never)]
    pub(crate) fn unmark(&mut self) -> bool {
        self.hold.unmark();
        self.hold.is_wanted_since()
    }

    /// Whether the owner wants it, or has taken it, behind a store to it and a full fence.
    #[inline]
    pub(crate) fn is_wanted(&self) -> bool {
        self.hold.is_wanted()
    }

    /// Whether that has to be asked, behind a store to it and a light fence.
    #[inline(always)]
    pub(crate) fn must_check(&self) -> bool {
        self.hold.must_check()
    }

    /// Whether all that was found so far was kept by it, and the owner does not want it.
    #[inline]
    pub(crate) fn is_in_effect(&self) -> bool {
        self.hold.is_in_effect()
    }
}

/// The marked hold of a reader that passes a slice. It knows where the hold is: what is stored might lie where
/// the reader keeps that, as far as the compiler can tell.
#[derive(Debug)]
pub(crate) struct Passing<'a> {
    pub(crate) held: &'a Held,
    hold: &'a Hold,
}

impl Passing<'_> {
    /// Gives up what lies before `next`, if the reader has [walked](Held::walked).
    #[inline(always)]
    pub(crate) fn end(&self, next: Position) {
        debug_assert!(self.held.jumped_to.is_none());
        pause::point();
        self.hold.move_to(next, false);
    }

    /// As [`Held::must_check`], behind [the end](Self::end): 0 if not.
    #[inline(always)]
    pub(crate) fn checks(&self) -> u32 {
        self.hold.checks()
    }
}

/// A committed slice whose stamp a strong reader has seen, or what is left of it from an offset on.
/// Made by [`Ring::see`] and [`Ring::see_next`] alone, but for [`Seen::NOTHING`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) slice: Position,
    pub(crate) offset: u64,
    pub(crate) left: u64,
}

impl Seen {
    /// It stands for nothing seen: no bytes.
    pub(crate) const NOTHING: Self = Self { slice: Position::new(0), offset: 0, left: 0 };
}

/// Lends what a hold keeps, which stays marked and where it is meanwhile. Made by [`Ring::lender`] alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lender<'a> {
    ring: &'a Ring,
    held: PhantomData<&'a Held>,
    first: Position,
}

impl<'a> Lender<'a> {
    /// Lends what was seen.
    #[cfg(not(overfall_loom))]
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) fn lend(&self, seen: &Seen) -> &'a [u8] {
        assert!(!seen.slice.is_before(self.first));
        // SAFETY: the stamp of the slice was seen to be committed, and the bytes are inside of it
        // (`see`, `see_next`), or there are none (`Seen::NOTHING`). It is still the same slice: the hold is at or
        // before `first`, and that means that the gate has never passed it, since holds begin at the gate and
        // only move forward, and this one is in effect since before the slice was seen: what a reader has seen
        // does not outlive its hold (`channel/reader/strong.rs`). The hold stays there, and marked, while `held`
        // is borrowed. The rest is as in `Ring::lend`.
        unsafe { self.ring.storage.lend(seen.slice, seen.offset, seen.left as usize) }
    }

    /// The models' memory is no slice of bytes. What they lend is a copy, which they leak.
    #[cfg(overfall_loom)]
    pub(crate) fn lend(&self, seen: &Seen) -> &'a [u8] {
        let mut bytes = vec![0; seen.left as usize];
        debug_assert!(!seen.slice.is_before(self.first));
        self.ring.storage.read_lent(seen.slice, seen.offset, &mut bytes);
        bytes.leak()
    }
}

/// The bytes of committed slices that lie side by side, which a strong reader has seen while its hold was
/// marked. Made by [`Ring::run`] alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    slice: Position,
    offset: u64,
    length: u64,
    end: Position,
}

impl Run {
    #[inline]
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The place behind the last slice.
    #[inline]
    pub(crate) fn end(&self) -> Position {
        self.end
    }
}

impl Ring {
    /// The final position, once the channel is closed: a thread that has seen that (ORD(ending:A))
    /// gets it. It reads the writers' cache line: for cold paths.
    pub(crate) fn end(&self) -> Option<Position> {
        let word = self.reserved.load();
        word.is_closed().then(|| word.position())
    }

    /// Makes the caller a strong reader at the oldest slice that is kept for strong readers.
    #[track_caller]
    pub(crate) fn join(&self) -> Held {
        let hold = self.gate.join();
        pause::point();
        Held { hold, jumped_to: None }
    }

    /// Makes the caller a strong reader where another one stands.
    #[track_caller]
    pub(crate) fn join_beside(&self, other: &Held) -> Held {
        Held { hold: self.gate.join_beside(&other.hold), jumped_to: other.jumped_to }
    }

    /// Gives up what lies before `position`, a place at or after the hold.
    #[inline]
    pub(crate) fn release_up_to(&self, held: &mut Held, position: Position) {
        if held.jumped_to.is_some() {
            return self.release_after_jump(held, position);
        }
        pause::point();
        held.hold.move_to(position, false);
    }

    #[inline(never)]
    fn release_after_jump(&self, held: &mut Held, position: Position) {
        self.check_after_jump(held);
        pause::point();
        held.hold.move_to(position, held.jumped_to.is_some());
    }

    fn check_after_jump(&self, held: &mut Held) {
        let Some(start) = held.jumped_to else { return };
        // The gate passes no slice in flight, so none is left behind once it has come there. It
        // was at most a reach before the place when the reader jumped there.
        let gate = self.gate.load();
        if start == gate || !start.is_within(self.geometry.reach(), gate) {
            held.jumped_to = None;
        }
    }

    /// Goes on at `position`, at or after the slice where the reader has just joined, over slices
    /// that may be in flight. It may be any way on: the gate leaves a hold behind where slices are
    /// skipped.
    pub(crate) fn jump(&self, held: &mut Held, position: Position) {
        if held.position() != position {
            held.jumped_to = Some(position);
            // We do not ask here whether the gate has come there already: `position` tells nothing
            // of it. When the reader releases later, it has seen a slice there.
            held.hold.move_to(position, true);
        }
    }

    /// Whether `position`, which is not past `reserved`, is kept by a hold at `oldest`, where a reader has
    /// just joined.
    pub(crate) fn can_keep(&self, position: Position, oldest: Position) -> bool {
        position.is_within(self.geometry.reach(), oldest)
    }

    pub(crate) fn leave(&self, held: Held) {
        self.gate.leave(&held.hold);
    }

    /// The payload bytes of the slice at `position`, if it is committed, for a strong reader whose
    /// hold is there or before it. The hold keeps the slice and its descriptor in place.
    #[inline]
    pub(crate) fn find_committed(&self, position: Position) -> Option<u64> {
        let descriptor = self.descriptor(position);
        (descriptor.state(position) == Some(State::Committed)).then(|| descriptor.length())
    }

    /// What is at `position`, for a strong reader whose hold is there or before it.
    #[inline]
    pub(crate) fn find_held(&self, position: Position) -> Found {
        let descriptor = self.descriptor(position);
        match descriptor.state(position) {
            Some(State::Committed) => Found::Slice(descriptor.length()),
            Some(State::Skip) => {
                let next = position.plus(slice_size(descriptor.length()));
                self.check_behind(position, Found::Skip(next))
            }
            None => self.check_behind(position, Found::Nothing),
        }
    }

    /// Whether there is nothing at `position`, where the hold of a strong reader is that lends nothing. If it
    /// [would be told](Ring::find_held) to go on, or the hold is wanted, that is to be found out.
    #[inline(always)]
    pub(crate) fn sees_nothing(&self, held: &Held, position: Position) -> bool {
        if self.descriptor(position).state(position).is_some() || !held.hold.is_idle_at(position) {
            return false;
        }
        // ORD(gate:D) Acquire, pairs with ORD(reserved:A), as in `check_behind`; and ORD(taken:C), as in
        // `Hold::is_in_effect`.
        fence(Ordering::Acquire);
        pause::point();
        !self.gate.may_have_passed(position) && !held.hold.is_wanted()
    }

    /// What is really at `position`, for a strong reader that has `found` something else than a
    /// slice. Padding is kept for no reader: the gate may have passed it, and writers behind the
    /// gate (`advance_gate`). Then what was found belongs to a later lap, or is torn.
    #[inline]
    fn check_behind(&self, position: Position, found: Found) -> Found {
        // ORD(gate:D) Acquire, pairs with ORD(reserved:A): if a writer has written over this
        // descriptor, it had seen a gate past it, and then the load below sees that gate, too.
        fence(Ordering::Acquire);
        pause::point();
        if !self.gate.may_have_passed(position) {
            return found;
        }
        self.find_behind(position, found)
    }

    #[inline(never)]
    fn find_behind(&self, position: Position, found: Found) -> Found {
        match self.gate.passed(position) {
            0 => found,
            granules => Found::Skip(position.on(granules)),
        }
    }

    /// What is at `position`, for a weak reader. The length of a slice can be trusted only after
    /// [`Ring::is_intact`]. Before that it is sure only that the slice is within the ring.
    #[inline]
    pub(crate) fn find(&self, position: Position) -> Found {
        let descriptor = self.descriptor(position);
        let state = descriptor.state(position);
        let length = descriptor.length();
        let size = slice_size(length);
        pause::point();
        match state {
            Some(_) if size > self.geometry.rest_of_lap(position) => Found::Overrun,
            Some(State::Committed) => Found::Slice(length),
            Some(State::Skip) if self.is_intact(position) => Found::Skip(position.plus(size)),
            None if self.is_intact(position) => Found::Nothing,
            _ => Found::Overrun,
        }
    }

    /// Whether all that was read at or after `position` before this call is what was committed
    /// there: no writer had begun to write over it.
    #[inline]
    pub(crate) fn is_intact(&self, position: Position) -> bool {
        // ORD(reserved:B) Acquire, pairs with ORD(reserved:A): if we have read anything that a
        // writer wrote over `position`, we see that it had reserved it, and so that it had seen the
        // gate past it.
        fence(Ordering::Acquire);
        pause::point();
        !self.gate.may_have_passed(position) || self.reserved().is_within(self.capacity(), position)
    }

    /// The oldest slice that no writer had begun to overwrite a moment ago. Never before `from`. If
    /// writers lap the caller again and again meanwhile, it is where the gate is.
    pub(crate) fn oldest_intact(&self, from: Position) -> Position {
        let found = (0..OLDEST_TRIES).find_map(|_| self.find_oldest_intact(from));
        found.unwrap_or_else(|| self.gate.load())
    }

    /// One try. `None` if writers went so far meanwhile that, as far as this look can tell, only
    /// slices past the gate are left.
    fn find_oldest_intact(&self, from: Position) -> Option<Position> {
        // ORD(reserved:B) as in `is_intact`: the reads that made the caller ask come before this
        // look.
        fence(Ordering::Acquire);
        let reserved = self.reserved();
        // ORD(cursor:B) Acquire, pairs with ORD(cursor:A): the gate is no older than the cursor, and
        // so at most a reach behind it.
        fence(Ordering::Acquire);
        pause::point();
        let gate = self.over_padding(self.gate.load(), reserved);
        let is_kept = reserved.is_within(self.capacity(), from);
        let position = if is_kept { from } else { reserved.minus(self.capacity()) };
        if position.is_within(self.capacity(), gate) {
            return Some(position);
        }
        if !gate.is_within(self.capacity(), position) {
            return None;
        }
        // A stamp tells its own position, so it is that of a whole slice, wherever we come upon it.
        let mut places = (0..gate.since(position)).map(|granules| position.on(granules));
        let is_whole = |&at: &Position| self.descriptor(at).state(at).is_some();
        places.find(is_whole).or_else(|| self.is_intact(gate).then_some(gate))
    }

    /// Where the gate is, or is about to be: more than a capacity behind the cursor, it stands before
    /// padding that goes to the end of its lap, and that it will pass before anything is written there.
    fn over_padding(&self, gate: Position, reserved: Position) -> Position {
        let is_before_padding = !reserved.is_within(self.capacity(), gate)
            && reserved.is_within(self.geometry.reach(), gate);
        if is_before_padding { gate.plus(self.geometry.rest_of_lap(gate)) } else { gate }
    }

    /// The first position from which on, up to what is reserved or in flight, no more than `bytes`
    /// of payload lie. For a strong reader whose hold is at `from` or before it, or, for a weak
    /// one, if every slice is intact; else nothing.
    pub(crate) fn back(&self, from: Position, bytes: u64) -> Option<Position> {
        pause::point();
        let reserved = self.reserved();
        let total = self.payload(from, reserved, |_| true)?.1;
        let mut left = total;
        let (position, _) = self.payload(from, reserved, |length| {
            let goes_on = left > bytes;
            left = left.saturating_sub(length);
            goes_on
        })?;
        Some(position)
    }

    /// Where the last `bytes` of payload start, to the byte: in which slice, and how far into it; or the first
    /// slice, if there are fewer. As [`Ring::back`] otherwise.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(crate) fn last(&self, from: Position, bytes: u64) -> Option<(Position, u64)> {
        let reserved = self.reserved();
        let mut left = self.payload(from, reserved, |_| true)?.1;
        let (position, _) = self.payload(from, reserved, |length| {
            let goes_on = left >= bytes.saturating_add(length);
            left -= if goes_on { length } else { 0 };
            goes_on
        })?;
        Some((position, left.saturating_sub(bytes)))
    }

    /// Where the last slice starts that is there, up to what is reserved or in flight, or the next one, if
    /// none is. As [`Ring::back`] otherwise.
    pub(crate) fn newest(&self, from: Position) -> Option<Position> {
        let reserved = self.reserved();
        let (mut position, mut newest) = (from, None);
        while position != reserved {
            if !reserved.is_within(self.capacity(), position) {
                return None;
            }
            let next = match self.find(position) {
                Found::Slice(length) => {
                    newest = Some(position);
                    position.plus(slice_size(length))
                }
                Found::Skip(next) => next,
                Found::Nothing => break,
                Found::Overrun => return None,
            };
            if !self.is_intact(position) {
                return None;
            }
            position = next;
        }
        newest.or(Some(position))
    }

    /// The slice in which `position` lies, at or after the start `oldest` of a slice, and at most at what
    /// is reserved; and its payload bytes, if it is committed. In what was skipped it is the place behind
    /// it. Of a slice in flight no more is known than where the last one before it ends.
    pub(crate) fn slice_at(&self, oldest: Position, position: Position) -> (Position, Option<u64>) {
        let granules = position.since(oldest);
        for back in 0..=granules {
            let slice = position.minus(back * GRANULE);
            let descriptor = self.descriptor(slice);
            let Some(state) = descriptor.state(slice) else { continue };
            let length = descriptor.length();
            // The stamp tells its own position, and so the length is that of this slice, if it is
            // intact. What is not is recycled padding, or will be found overrun.
            if !self.is_intact(slice) {
                continue;
            }
            let end = slice.plus(slice_size(length));
            return match state {
                State::Committed if position.is_before(end) => (slice, Some(length)),
                _ => (end, None),
            };
        }
        (oldest, None)
    }

    /// Adds up the payload of slices for as long as `goes_on`, given the length of each, lets it
    /// pass.
    fn payload(
        &self,
        from: Position,
        limit: Position,
        mut goes_on: impl FnMut(u64) -> bool,
    ) -> Option<(Position, u64)> {
        let (mut position, mut total) = (from, 0);
        while position != limit {
            if !limit.is_within(self.capacity(), position) {
                return None;
            }
            let (length, next) = match self.find(position) {
                Found::Slice(length) => (length, position.plus(slice_size(length))),
                Found::Skip(next) => (0, next),
                Found::Nothing => break,
                Found::Overrun => return None,
            };
            if !self.is_intact(position) {
                return None;
            }
            if !goes_on(length) {
                break;
            }
            total += length;
            position = next;
        }
        Some((position, total))
    }

    /// How long the slice at `position` is, if it is there, and is the message of a writer with this
    /// number, for a weak reader. To be trusted after [`Ring::is_intact`].
    #[inline(always)]
    pub(crate) fn find_next(&self, position: Position, sender: (u32, u64)) -> Option<u64> {
        let descriptor = self.descriptor(position);
        if descriptor.state(position) != Some(State::Committed) {
            return None;
        }
        descriptor.length_of(sender)
    }

    /// The first bytes of a slice that may be overwritten meanwhile, so that there need not be so many; nothing
    /// if they are not within the ring.
    #[inline(always)]
    pub(crate) fn racing(&self, slice: Position, length: u64) -> Option<Racing<'_>> {
        self.storage.racing(slice, length as usize)
    }

    /// As [`Ring::copy_racing`].
    #[inline(always)]
    pub(crate) fn copy_all(&self, bytes: &Racing<'_>, to: &mut [u8]) {
        pause::point();
        bytes.read(to);
    }

    /// The slice at `position` as a whole, if it is committed, and is the message of a writer with this
    /// number, for a strong reader whose hold is there or before it.
    #[inline(always)]
    pub(crate) fn see_next(&self, position: Position, sender: (u32, u64)) -> Option<Seen> {
        let descriptor = self.descriptor(position);
        if descriptor.state(position) != Some(State::Committed) {
            return None;
        }
        Some(Seen { slice: position, offset: 0, left: descriptor.length_of(sender)? })
    }

    /// Where what is not skipped begins, from `from` on; not behind `to`.
    pub(crate) fn behind_skipped(&self, from: Position, to: Position) -> Position {
        let mut position = from;
        while position.is_before(to) {
            match self.find(position) {
                Found::Skip(next) => position = next,
                Found::Slice(_) | Found::Nothing | Found::Overrun => break,
            }
        }
        position
    }

    /// Shows every committed slice from `from` on, a place of a reader, up to what is reserved: those
    /// behind a slice in flight as well, since a stamp tells its own position. What was overwritten
    /// meanwhile is left out. Takes time in proportion to the granules on the way.
    pub(crate) fn for_each_committed(
        &self,
        from: Position,
        mut visit: impl FnMut(Position, &Description),
    ) {
        let reserved = self.reserved();
        let mut position = self.oldest_intact(from);
        while position.is_before(reserved) {
            let descriptor = self.descriptor(position);
            let state = descriptor.state(position);
            let description = descriptor.describe();
            if state.is_none() || !self.is_intact(position) {
                position = position.plus(GRANULE);
                continue;
            }
            if state == Some(State::Committed) {
                visit(position, &description);
            }
            position = position.plus(slice_size(u64::from(description.length)));
        }
    }

    /// Copies bytes that may be overwritten meanwhile; [`Ring::is_intact`] tells.
    #[inline]
    pub(crate) fn copy_racing(&self, slice: Position, offset: u64, to: &mut [u8]) {
        pause::point();
        self.storage.read(slice, offset, to);
    }

    /// What was seen of a slice, and the committed slices behind it, while their bytes lie side by
    /// side. So it ends where a slice does not fill its granules, or where the lap ends. It also ends
    /// at a quarter of the ring, so that writers get room back. `passing` stands for the mark on the hold.
    #[cfg(not(overfall_loom))]
    #[inline(always)]
    pub(crate) fn run(&self, passing: &Passing<'_>, seen: &Seen) -> Run {
        debug_assert!(passing.hold.is_lending(seen.slice));
        pause::point();
        let mut length = seen.offset + seen.left;
        let mut end = seen.slice.plus(slice_size(length));
        let enough = self.capacity() / 4;
        while length % GRANULE == 0 && length < enough && !self.storage.is_first(end) {
            let Some(more @ 1..) = self.find_committed(end) else { break };
            length += more;
            end = end.plus(slice_size(more));
        }
        Run { slice: seen.slice, offset: seen.offset, length: length - seen.offset, end }
    }

    /// In the models, the rest of the one slice.
    #[cfg(overfall_loom)]
    pub(crate) fn run(&self, _passing: &Passing<'_>, seen: &Seen) -> Run {
        let Seen { slice, offset, left } = *seen;
        Run { slice, offset, length: left, end: slice.plus(slice_size(offset + left)) }
    }

    /// Lends a run.
    #[cfg(not(overfall_loom))]
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) fn lend<'a>(&'a self, held: &'a Held, run: &Run) -> &'a [u8] {
        assert!(held.hold.is_lending(run.slice));
        // SAFETY: the bytes from `slice` on are those of slices whose stamps were seen to be committed,
        // the first one by `see` and the others by `run`, one right behind the other. The hold stands at
        // or before the first slice for
        // as long as `held` is borrowed: moving the hold takes `held` mutably, and leaving takes it
        // whole. It is marked, and taking the mark off takes `held` mutably as well, so that no thread
        // takes the hold meanwhile (`hold.rs`); and none had before, or it could not be marked. The gate
        // does not pass a committed slice that is held: `advance_gate` walks past a hold over skipped
        // slices only. It was marked as well when they were seen, and what a reader has seen does not outlive
        // its hold, as in `lend_seen`.
        unsafe { self.storage.lend(run.slice, run.offset, run.length as usize) }
    }

    #[cfg(overfall_loom)]
    pub(crate) fn lend<'a>(&'a self, held: &'a Held, run: &Run) -> &'a [u8] {
        let Run { slice, offset, length: left, .. } = *run;
        self.lend_seen(held, &Seen { slice, offset, left })
    }

    /// What is left of the slice at `slice` from `offset` on, if it is committed, for a strong
    /// reader whose hold is there or before it.
    #[inline(always)]
    pub(crate) fn see(&self, slice: Position, offset: u64) -> Option<Seen> {
        let left = self.find_committed(slice)?.checked_sub(offset)?;
        Some(Seen { slice, offset, left })
    }

    /// Lends what was seen.
    #[inline(always)]
    pub(crate) fn lend_seen<'a>(&'a self, held: &'a Held, seen: &Seen) -> &'a [u8] {
        self.lender(held, seen.slice).lend(seen)
    }

    /// Lends what is seen from `first` on, by a marked hold that keeps it.
    #[inline(always)]
    pub(crate) fn lender<'a>(&'a self, held: &'a Held, first: Position) -> Lender<'a> {
        assert!(held.hold.is_lending(first));
        Lender { ring: self, held: PhantomData, first }
    }

    /// Copies bytes of a committed slice, for a strong reader. Like a weak reader, it uses accesses
    /// that may race: so no proof is needed that they do not.
    #[inline(always)]
    pub(crate) fn copy_held(&self, held: &Held, slice: Position, offset: u64, to: &mut [u8]) {
        debug_assert!(held.hold.is_lending(slice));
        let _held_meanwhile = held;
        if to.len() > SHORT {
            return self.copy_and_hand_back(held, slice, offset, to);
        }
        #[cfg(not(overfall_loom))]
        self.read_short(slice, offset, to);
        #[cfg(overfall_loom)]
        self.storage.read_lent(slice, offset, to);
    }

    /// Copies no more than a granule can have.
    #[cfg(not(overfall_loom))]
    #[allow(unsafe_code)]
    #[inline(always)]
    fn read_short(&self, slice: Position, offset: u64, to: &mut [u8]) {
        if offset == 0 && to.len() as u64 <= GRANULE {
            // SAFETY: it is no longer.
            unsafe { self.storage.read_granule(slice, to) }
        } else {
            self.storage.read(slice, offset, to);
        }
    }
}
