//! The cursor that writers move: `reserved`, and who may move it without an exchange.
//!
//! A writer that is alone needs no locked instruction to move a word that nobody else moves. So the
//! cursor has at most one *owner*, who moves it with plain loads and stores, and everybody else
//! takes it away from the owner before they move it themselves. It is about who moves, not who is
//! there: idle writers take nothing away.
//!
//! - *Shared*: [`SOLE`] is not set in the word. Every writer moves it by compare-exchange.
//! - *Owned*: `SOLE` is set, and `owner` names a seat. Its writer moves the word in a *step*: say
//!   on its seat where to, light fence, check that one is still the owner, store.
//!
//! Shared to owned ([`Cursor::take`]): set `SOLE` by an exchange. A writer that had read the word
//! before fails its own exchange, and then finds `SOLE`.
//!
//! Owned to shared ([`Cursor::share`]): name no owner, heavy fence, wait until the word has come to
//! where the one that was had said, clear `SOLE`. The two fences make sure that either the owner
//! finds in its step that it is no longer one, and takes back what it said, or we see what it said,
//! and wait for the few instructions of the step. Both transitions are under a lock, so that nobody
//! gives away what another is still taking. Here, and only here, a writer waits for another's step:
//! when it comes to a ring that one had to itself.
//!
//! What is said stands on the seat and not in the cursor: a former owner may say where it goes long
//! after it lost the cursor, only to find that out and to take it back. Nobody may listen then.
//!
//! A seat that is given back stays the owner, and whoever sits down there next inherits that; the
//! table hands it over in order.

use super::position::Position;
use crate::fence;
use crate::stats::{Figure, WriterFigures};
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, lock, try_lock, yield_now};
use crate::table::{Index, Seat, Table};
use crossbeam_utils::CachePadded;

/// Set in the word when no more slices are taken.
const CLOSED: u64 = 1 << 63;
/// Set in the word while it has an owner. Positions leave the bit free.
const SOLE: u64 = 1;

/// The cursor's word: a position, and the two bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word(u64);

impl Word {
    #[inline]
    pub(super) fn position(self) -> Position {
        Position::new(self.0 & !SOLE)
    }

    #[inline]
    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    #[inline]
    fn is_sole(self) -> bool {
        self.0 & SOLE != 0
    }

    #[inline]
    fn moved_to(self, position: Position) -> Self {
        Self(position.raw() | self.0 & SOLE)
    }
}

/// What the ring keeps for each writer, on lines that it alone writes.
#[derive(Debug, Default)]
pub(crate) struct WriterSlot {
    /// Where the writer moves the cursor without an exchange; not past the cursor, once it is done.
    destination: AtomicU64,
    pub(crate) figures: WriterFigures,
    /// The number of the writer; 0 if nobody has the slot, or a slice without a writer.
    pub(crate) id: Figure,
    /// The slice that was reserved through the channel's handle and is in flight: its position,
    /// and its size, which is 0 if there is none. If the guard is leaked, the handle still finds it.
    pub(crate) in_flight: (Figure, Figure),
}

/// What stands for the owner where there is none.
const NOBODY: Index = Index::MAX;

#[derive(Debug)]
pub(super) struct Cursor {
    movable: CachePadded<Movable>,
    /// Held by whoever changes between shared and owned.
    changing: Mutex<()>,
    pub(super) writers: Table<WriterSlot>,
}

/// What every move looks at, on one line.
#[derive(Debug)]
struct Movable {
    word: AtomicU64,
    /// The seat of the owner, or [`NOBODY`].
    owner: AtomicU32,
}

impl Cursor {
    pub(super) fn new(position: Position) -> Self {
        let movable =
            Movable { word: AtomicU64::new(position.raw()), owner: AtomicU32::new(NOBODY) };
        Self { movable: movable.into(), changing: Mutex::new(()), writers: Table::new() }
    }

    /// Relaxed: only a fence gives it a meaning for others' bytes.
    #[inline]
    pub(super) fn load(&self) -> Word {
        Word(self.movable.word.load(Ordering::Relaxed))
    }

    /// Moves the cursor from `from` to `to`, if `writer` owns it. Then nobody else can have moved it
    /// since `from` was read.
    #[inline]
    pub(super) fn step(&self, writer: &Seat<WriterSlot>, from: Position, to: Position) -> bool {
        writer.destination.store(to.raw(), Ordering::Relaxed);
        // ORD(light) pairs with ORD(heavy) in `share`.
        fence::light();
        let is_owner = self.is_owner(writer);
        if is_owner {
            // Owned, it is not closed.
            self.movable.word.store(to.raw() | SOLE, Ordering::Relaxed);
        } else {
            writer.destination.store(from.raw(), Ordering::Relaxed);
        }
        is_owner
    }

    /// Moves the cursor from `seen` to `position`; if it has been moved meanwhile, tells where it is.
    /// For whoever has seen that it is shared or its own ([`Cursor::is_movable`]).
    #[inline]
    pub(super) fn exchange(&self, seen: Word, position: Position) -> Result<(), Word> {
        // Relaxed: what this writer must see of others it has from the gate (ORD(gate:A)); what
        // others must see of this step follows the fence in `reserve`.
        let moved = seen.moved_to(position).0;
        let word = &self.movable.word;
        match word.compare_exchange_weak(seen.0, moved, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(now) => Err(Word(now)),
        }
    }

    /// Whether `writer` is the owner. Only itself can be sure of it, and only within a step.
    #[inline]
    pub(super) fn is_owner(&self, writer: &Seat<WriterSlot>) -> bool {
        self.movable.owner.load(Ordering::Relaxed) == writer.index()
    }

    /// Whether `writer` may move the cursor by exchange from `seen`; if not, see [`Cursor::share`].
    #[inline]
    pub(super) fn is_movable(&self, seen: Word, writer: &Seat<WriterSlot>) -> bool {
        if !seen.is_sole() {
            return true;
        }
        // ORD(light) pairs with ORD(heavy) in `share`, which came between us and a later owner, if
        // `seen` is of one: then we see that we are none.
        fence::light();
        self.is_owner(writer)
    }

    /// Makes `writer` the owner, if there is none and the cursor is at `end`.
    #[cold]
    pub(super) fn take(&self, writer: &Seat<WriterSlot>, end: Position) {
        if !fence::is_asymmetric() {
            return;
        }
        let Some(_changing) = try_lock(&self.changing) else { return };
        let Movable { word, owner } = &*self.movable;
        writer.destination.store(end.raw(), Ordering::Relaxed);
        let (shared, sole) = (end.raw(), end.raw() | SOLE);
        let taken = word.compare_exchange(shared, sole, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_ok() {
            owner.store(writer.index(), Ordering::Relaxed);
        }
    }

    /// Lets everybody move the cursor by exchange.
    #[cold]
    pub(super) fn share(&self) {
        let _changing = lock(&self.changing);
        self.share_locked();
    }

    fn share_locked(&self) {
        if !self.load().is_sole() {
            return;
        }
        let owner = self.movable.owner.load(Ordering::Relaxed);
        self.movable.owner.store(NOBODY, Ordering::Relaxed);
        // ORD(heavy) pairs with ORD(light) in `step`.
        fence::heavy();
        let destination = &self.writers.get(owner).destination;
        // Whoever reads what the owner has stored into the word exchanges it after that.
        let is_stepping = |destination| self.load().position().is_before(destination);
        while is_stepping(Position::new(destination.load(Ordering::Relaxed))) {
            yield_now();
        }
        // Relaxed, as every move: who finds the bit cleared needs nothing but the position.
        self.movable.word.fetch_and(!SOLE, Ordering::Relaxed);
    }

    /// Lets nobody move the cursor any more.
    pub(super) fn close(&self) {
        let _changing = lock(&self.changing);
        self.share_locked();
        // ORD(close:B) Release, pairs with ORD(close:A).
        self.movable.word.fetch_or(CLOSED, Ordering::Release);
    }
}
