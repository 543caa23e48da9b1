//! The hold of a strong reader, and how another thread takes it away.
//!
//! A hold is a word that only its reader writes: the place before which the reader needs nothing. A
//! reader that is stopped *outside* would keep its hold for ever. So another thread T, on behalf of the
//! owner of the channel, may take it. From then on movers of the gate pass it over. The reader R must
//! not be in the middle of anything then, and must learn of it before it looks at the ring again.
//!
//! - R *marks* its word before it copies or lends anything ([`Hold::mark`]), issues a fence, and looks
//!   at the `state`. Only if no thread wants the hold does it go on. It takes the mark off with the
//!   store of its next place, or by [`Hold::unmark`]. After a fence it looks at the state again: if a
//!   thread wants the hold by now, R gives it up itself.
//! - T sets *wanted* ([`Wanted::new`]), issues a fence, and looks for the mark. If there is none, R does
//!   nothing with the ring, and T sets *taken* ([`Wanted::take`]). If there is one, T leaves it to R.
//!
//! Of the two fences one comes first. If it is R's first one, T finds the mark. If it is T's, R finds the
//! hold wanted. The same holds for R's second fence: T finds the mark gone, or R finds the hold wanted.
//! R pays for its fences with each read and T hardly ever, so that R's are light ones, and T's is heavy
//! (`sync/asymmetric.rs`). Where there are no heavy ones, the hold is *fenced*: all are full fences.
//!
//! R looks for slices without a mark, while it may have been taken. It trusts what it finds if the hold
//! is in effect behind that ([`Hold::is_in_effect`]).
//!
//! The state has the number of the reader beside it. So T, which may have been stopped, never takes the
//! hold of another reader that has the entry by now. A reader that gives its hold up itself takes the
//! number off first ([`Hold::unname`]): then no thread takes it any more, or one has already. T does all
//! this under a lock under which readers turn. So it is one thread at a time, and the hold is not that of
//! the same reader once more, which has turned weak and strong meanwhile.
//!
//! A taken hold is never in effect again: R's stores to the word change nothing, and the state is
//! written anew only by the next holder of the entry, before its word.

use super::exclusive::Nearness;
use super::position::Position;
use super::{Held, Ring};
use crate::sync::asymmetric;
use crate::sync::pause;
use crate::sync::{AtomicU64, Ordering, fence};

/// The place from which on a strong reader may read; [`Hold::NONE`] while no reader has taken it.
///
/// A reader that walks from the gate, slice by slice, leaves no slice in flight behind. A reader
/// that jumped ahead may have, and its hold says so in a bit: [`Hold::JUMPED`].
#[derive(Debug)]
pub(super) struct Hold {
    word: AtomicU64,
    /// The number of the reader, 0 if no thread may take the hold, and in the low bits what other
    /// threads want of it, or have done.
    state: AtomicU64,
    pub(super) nearness: Nearness,
}

impl Default for Hold {
    fn default() -> Self {
        let (word, state) = (AtomicU64::new(Self::NONE), AtomicU64::new(0));
        Self { word, state, nearness: Nearness::default() }
    }
}

/// What became of a hold that its reader gives up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    /// Another thread had taken it.
    pub(crate) is_taken: bool,
    /// The reader is to end.
    pub(crate) ends: bool,
}

/// A thread wants the hold, and has not taken it.
const WANTED: u64 = 1;
/// A thread has taken the hold.
const TAKEN: u64 = 2;
/// With one of these: the reader is to end.
const ENDS: u64 = 4;
/// The reader issues full fences.
const FENCED: u64 = 8;
const BITS: u64 = 15;
const READER_SHIFT: u32 = 4;

impl Hold {
    /// No hold. One has but two of the three bits that a position leaves free.
    const NONE: u64 = u64::MAX;
    const JUMPED: u64 = 1;
    const LENT: u64 = 2;

    /// Where the hold is, for the reader that has it.
    #[inline]
    pub(super) fn position(&self) -> Position {
        Position::of_raw(self.word.load(Ordering::Relaxed))
    }

    /// What another thread finds: the place of a hold, and whether its reader jumped there. Nothing if
    /// it keeps nothing back.
    #[inline]
    pub(super) fn load(&self) -> Option<(Position, bool)> {
        // ORD(hold:A) Acquire, pairs with ORD(hold:B): the reads that this reader made before it moved
        // its hold, or left, come before anything that the gate then permits.
        let word = self.word.load(Ordering::Acquire);
        if word == Self::NONE {
            return None;
        }
        // Behind the word: the state is that of the reader that has stored the word, or of a later one.
        // ORD(taken:A) Acquire, pairs with ORD(taken:B): the same for a hold that was taken.
        let is_taken = self.state.load(Ordering::Acquire) & TAKEN != 0;
        (!is_taken).then(|| (Position::of_raw(word), word & Self::JUMPED != 0))
    }

    /// Puts the hold up.
    pub(super) fn put_up(&self, position: Position) {
        // ORD(hold:B) Release, as in `move_to`: for the reader that had this hold before, too.
        self.word.store(position.raw(), Ordering::Release);
    }

    /// Moves the hold on, and takes the mark off.
    #[inline]
    pub(super) fn move_to(&self, position: Position, has_jumped: bool) {
        let jumped = if has_jumped { Self::JUMPED } else { 0 };
        // ORD(hold:B) Release, pairs with ORD(hold:A).
        self.word.store(position.raw() | jumped, Ordering::Release);
    }

    /// Begins anew, for a reader that is about to put the hold up. Without heavy fences it issues full
    /// ones.
    pub(super) fn begin(&self, heavy_fences: bool) {
        // Relaxed: a thread that finds the word that comes next finds this as well.
        self.state.store(if heavy_fences { 0 } else { FENCED }, Ordering::Relaxed);
    }

    /// The reader issues light fences from now on, as there are heavy ones.
    pub(super) fn rely_on_heavy_fences(&self) {
        if self.state.load(Ordering::Relaxed) & FENCED != 0 {
            // Relaxed: a thread T that wants the hold exchanges the same word. Either T comes first: then
            // T issues a full fence, and each look of ours from here on finds the hold wanted, whatever
            // fence is before it. Or T comes second, and finds that it has to issue a heavy fence, which is
            // a full one as well, for a mark that we have put on behind a full fence before.
            self.state.fetch_and(!FENCED, Ordering::Relaxed);
        }
    }

    /// Puts the hold up where `other` is. The reader of `other` does not move it meanwhile.
    pub(super) fn put_beside(&self, other: &Self) {
        self.state.store(other.state.load(Ordering::Relaxed) & FENCED, Ordering::Relaxed);
        // ORD(hold:B) Release, as in `move_to`; what `other` stores next tells of it, too.
        self.word.store(other.word.load(Ordering::Relaxed) & !Self::LENT, Ordering::Release);
    }

    /// Gives the hold up for good.
    pub(super) fn leave(&self) {
        // ORD(hold:B) as in `move_to`.
        self.word.store(Self::NONE, Ordering::Release);
        self.state.store(0, Ordering::Relaxed);
    }

    /// Other threads may take it from here on, by this number.
    pub(super) fn name(&self, reader: u32) {
        let fenced = self.state.load(Ordering::Relaxed) & FENCED;
        self.state.store(u64::from(reader) << READER_SHIFT | fenced, Ordering::Relaxed);
    }

    /// No other thread takes it from here on. Tells whether one had, and what it wanted.
    pub(super) fn unname(&self) -> Claim {
        // Relaxed: it is the reader's own, or the thread that has taken it tells through the registry.
        let order = (Ordering::Relaxed, Ordering::Relaxed);
        let unname = |state: u64| (state & TAKEN == 0).then_some(state & FENCED);
        pause::point();
        match self.state.fetch_update(order.0, order.1, unname) {
            Ok(state) => Claim { is_taken: false, ends: state & ENDS != 0 },
            Err(state) => Claim { is_taken: true, ends: state & ENDS != 0 },
        }
    }

    /// Whether another thread wants the hold, or has taken it. To be asked behind a full fence.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.state.load(Ordering::Relaxed) & (WANTED | TAKEN) != 0
    }

    /// Whether it is there, for the reader that has it, which lends nothing and has walked there.
    #[inline(always)]
    pub(super) fn is_idle_at(&self, position: Position) -> bool {
        self.word.load(Ordering::Relaxed) == position.raw()
    }

    /// Whether that has to be asked. Behind a light fence that follows a store to the word.
    #[inline(always)]
    pub(super) fn must_check(&self) -> bool {
        self.checks() != 0
    }

    /// The same, 0 if not.
    #[inline(always)]
    pub(super) fn checks(&self) -> u32 {
        (self.state.load(Ordering::Relaxed) & BITS) as u32
    }

    /// Whether another thread wants the hold, or has taken it, behind the reader's store to the word.
    #[inline(always)]
    pub(super) fn is_wanted_since(&self) -> bool {
        pause::point();
        // ORD(light) pairs with ORD(heavy) in `Wanted::new`: a thread that wants the hold finds what
        // was stored, or is found here.
        asymmetric::light();
        self.must_check() && self.is_wanted_behind_a_fence()
    }

    #[inline(never)]
    fn is_wanted_behind_a_fence(&self) -> bool {
        // ORD(lent:A) SeqCst, pairs with ORD(lent:B): as in `is_wanted_since`, for a fenced hold.
        fence(Ordering::SeqCst);
        self.is_wanted()
    }

    /// Whether all that the reader has found so far was there while the hold was in effect, and no
    /// thread wants it.
    #[inline]
    pub(super) fn is_in_effect(&self) -> bool {
        // ORD(taken:C) Acquire, pairs with ORD(reserved:A): if we have read anything that a writer wrote
        // behind a gate that passed the hold, that writer had seen such a gate (ORD(gate:A)), and its
        // mover had seen the hold taken (ORD(taken:A)). Then we see that as well.
        fence(Ordering::Acquire);
        pause::point();
        !self.is_wanted()
    }

    /// Marks the hold: no thread takes it until the mark is gone. Does nothing, and says so, if one
    /// wants it, or has taken it. What the reader has found so far was there if it succeeds.
    #[inline(always)]
    pub(super) fn mark(&self) -> bool {
        // ORD(hold:B) Release, as in `move_to`: who finds this store does not find the last move of the hold,
        // and is to see what came before that all the same.
        self.word.store(self.word.load(Ordering::Relaxed) | Self::LENT, Ordering::Release);
        !self.is_wanted_since() || self.give_up_marking()
    }

    #[cold]
    fn give_up_marking(&self) -> bool {
        self.unmark();
        false
    }

    /// Whether the hold is marked, for the reader that has it.
    #[inline]
    pub(super) fn is_marked(&self) -> bool {
        self.word.load(Ordering::Relaxed) & Self::LENT != 0
    }

    /// Whether the hold is marked, and nothing from `position` on has been given back.
    #[inline(always)]
    pub(super) fn is_lending(&self, position: Position) -> bool {
        let word = self.word.load(Ordering::Relaxed);
        word & Self::LENT != 0 && !position.is_before(Position::of_raw(word))
    }

    /// Takes the mark off where the hold is.
    pub(super) fn unmark(&self) {
        let word = self.word.load(Ordering::Relaxed);
        // ORD(hold:B) Release, as in `move_to`.
        self.word.store(word & !Self::LENT, Ordering::Release);
    }
}

/// The hold of a reader, of which another thread has said that it wants it.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    hold: &'a Hold,
    reader: u32,
}

impl<'a> Wanted<'a> {
    /// Wants the hold of `reader`, which ends then if that is asked for. Nothing if this is not its hold
    /// any more, or was taken.
    fn new(hold: &'a Hold, reader: u32, ends: bool) -> Option<Self> {
        let wanted = WANTED | if ends { ENDS } else { 0 };
        let want = |state: u64| {
            let is_there = is_of(state, reader) && state & TAKEN == 0;
            is_there.then_some(state | wanted)
        };
        // Relaxed: the fence behind it orders it.
        let order = (Ordering::Relaxed, Ordering::Relaxed);
        let before = hold.state.fetch_update(order.0, order.1, want).ok()?;
        if before & FENCED == 0 {
            // ORD(heavy) pairs with ORD(light) in `is_wanted_since`.
            asymmetric::heavy();
        } else {
            // ORD(lent:B) SeqCst, pairs with ORD(lent:A).
            fence(Ordering::SeqCst);
        }
        pause::point();
        Some(Self { hold, reader })
    }

    /// Where the reader stands, which stays there until it learns what is wanted. Nothing if it is in
    /// the middle of a read, or lends something: then it gives the hold up itself.
    pub(crate) fn place(&self) -> Option<Position> {
        // ORD(hold:A) Acquire, pairs with ORD(hold:B): what the reader did before it took the mark off
        // comes before all that is done because the hold is taken.
        let word = self.hold.word.load(Ordering::Acquire);
        (word & Hold::LENT == 0).then(|| Position::of_raw(word))
    }

    /// Takes the hold, of which [`place`](Self::place) has shown that its reader lends nothing. Tells
    /// whether the reader is to end; nothing if it has given the hold up itself, or another thread took it.
    pub(crate) fn take(&self) -> Option<bool> {
        let take = |state: u64| {
            let is_there = is_of(state, self.reader) && state & WANTED != 0;
            is_there.then_some(state & !WANTED | TAKEN)
        };
        pause::point();
        // ORD(taken:B) Release, pairs with ORD(taken:A).
        let order = (Ordering::Release, Ordering::Relaxed);
        let before = self.hold.state.fetch_update(order.0, order.1, take).ok()?;
        Some(before & ENDS != 0)
    }
}

fn is_of(state: u64, reader: u32) -> bool {
    state >> READER_SHIFT == u64::from(reader)
}

impl Ring {
    /// Has a reader issue light fences, if there are heavy ones by now.
    pub(crate) fn rely_on_heavy_fences(&self, held: &Held) {
        if self.gate.may_rely_on_heavy_fences() {
            held.rely_on_heavy_fences();
        }
    }

    /// Wants the hold of a reader; nothing if it has none. To be called under a lock under which readers
    /// turn, and which is kept until the hold was taken or left to its reader.
    pub(crate) fn want_hold(&self, reader: u32, ends: bool) -> Option<Wanted<'_>> {
        if reader == 0 {
            return None;
        }
        self.gate.holds().find_map(|hold| Wanted::new(hold, reader, ends))
    }
}
