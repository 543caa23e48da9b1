//! The cursor that writers move: `reserved`, and who may move it without an exchange.
//!
//! A writer that is alone needs no locked instruction to move a word that no other thread moves. So
//! the cursor has at most one *owner*, which moves it with plain loads and stores. Any other writer
//! takes it away from the owner before it moves the cursor itself. Idle writers take nothing away.
//!
//! - *Shared*: [`OWNED`] is not set in the word. Every writer moves it by compare-exchange.
//! - *Owned*: `OWNED` is set, and one writer has the *reign* of that number. It moves the word in a
//!   *step*: compare `reign` with its own number, and store, in one section
//!   ([`crate::sync::rseq`]).
//!
//! `reign` counts, and says of the last reign whether it still *lives*.
//!
//! *Shared to owned*, as a part of a reservation ([`Cursor::exchange_and_take`]): begin the next
//! reign, if none lives; then exchange the word for one further on, with `OWNED` set. If the
//! exchange fails, the reign ends again. A writer that had read the word before fails its own
//! exchange, and then finds `OWNED`.
//!
//! *Owned to shared* ([`Cursor::share`]), by any thread, and by several at a time: (1) end the
//! reign; (2) interrupt all sections; (3) read the word; (4) look whether the reign is still the
//! last one; (5) exchange the word for one without `OWNED`. No thread waits here or holds a lock: A
//! may be stopped for an hour between any two of these, or in a step, and B does them all by
//! itself. Why that is right:
//!
//! - After (2) no step of this reign, or of an earlier one, stores any more. If it compared before
//!   (1), it stored before the interruption; otherwise it finds that the reign has ended.
//! - If (4) still finds this reign, (3) has read no word of a later one. The next reign is begun
//!   before its `OWNED` is set, and every word of it is stored with Release (`ORD(reign:A)`); behind
//!   (3) there is an Acquire (`ORD(reign:B)`). So a thread that reads a word of the next reign in
//!   (3) finds that reign, or a later one, in (4).
//! - So if (3) finds `OWNED`, it reads the last word of this reign. Only (5) can change that word,
//!   in this thread or another. A word of a later reign is further on, since a reign begins with a
//!   reservation: the exchange of (5) does not take it for the word that (3) read. This is where
//!   positions must not come round.
//!
//! *Closing* begins the last reign, which has ended from the start and has no owner; interrupts the
//! sections; and then sets `CLOSED` and clears `OWNED` in one exchange.
//!
//! An interrupted section is tried again. If it is interrupted again and again, by a debugger that
//! goes from instruction to instruction, the owner gives the reign up ([`TRIES`]).

use super::position::Position;
use super::writer_figures::WriterFigures;
use crate::sync::asymmetric;
use crate::sync::figure::Figure;
use crate::sync::pause;
use crate::sync::rseq::{Sections, Step};
use crate::sync::table::Table;
use crate::sync::{AtomicU64, Ordering, fence};
use crossbeam_utils::CachePadded;

/// Set in the word when no more slices are taken.
const CLOSED: u64 = 1;
/// Set in the word while it has an owner. Positions leave both bits free.
const OWNED: u64 = 2;

/// How often an interrupted step is tried again in a row.
const TRIES: u32 = 16;

/// The cursor's word: a position, and the two bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word(u64);

impl Word {
    #[inline]
    pub(super) fn position(self) -> Position {
        Position::of_raw(self.0)
    }

    #[inline]
    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    #[inline]
    pub(super) fn is_owned(self) -> bool {
        self.0 & OWNED != 0
    }
}

/// A reign, and whether it lives. It counts reigns, not positions: 63 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reign(u64);

impl Reign {
    const LIVES: u64 = 1;
    /// No reign: the state in which a channel starts, and the reign of a writer that never had one.
    pub(super) const NONE: Self = Self(0);
    /// The last reign, which has ended from the start.
    const LAST: Self = Self(u64::MAX - 1);
    /// The same where there never was another one.
    const ONLY: Self = Self(u64::MAX - 3);

    fn lives(self) -> bool {
        self.0 & Self::LIVES != 0
    }

    fn ended(self) -> Self {
        Self(self.0 & !Self::LIVES)
    }

    fn next(self) -> Self {
        Self((self.ended().0 + 2) | Self::LIVES)
    }
}

/// What the ring keeps for each writer, on lines that it alone writes.
#[derive(Debug, Default)]
pub(crate) struct WriterSlot {
    pub(crate) figures: WriterFigures,
    /// The number of the writer; 0 if the slot is free, or belongs to a slice without a writer.
    pub(crate) id: Figure,
    /// The position of the slice that it committed last, as a word.
    pub(crate) last: Figure,
    /// The slice that was reserved through the channel's handle and is in flight: its granule, and
    /// its size, which is 0 if there is none. If the guard is leaked, the handle still finds it.
    pub(crate) in_flight: (Figure, Figure),
}

#[derive(Debug)]
pub(super) struct Cursor {
    movable: CachePadded<Movable>,
    /// Whether there may be an owner, once there are sections.
    may_be_owned: bool,
    pub(super) writers: Table<WriterSlot>,
}

/// What every move looks at, on one line.
#[derive(Debug)]
struct Movable {
    word: AtomicU64,
    reign: AtomicU64,
    sections: Sections,
    /// The core on which the last long piece was written, or about so (`exclusive.rs`).
    core: Figure,
}

impl Cursor {
    pub(super) fn new(position: Position, may_be_owned: bool) -> Self {
        let movable = Movable {
            word: AtomicU64::new(position.raw()),
            reign: AtomicU64::new(Reign::NONE.0),
            sections: Sections::new(),
            core: Figure::default(),
        };
        Self { movable: movable.into(), may_be_owned, writers: Table::new() }
    }

    /// Relaxed: only a fence gives it a meaning for others' bytes.
    #[inline]
    pub(super) fn load(&self) -> Word {
        Word(self.movable.word.load(Ordering::Relaxed))
    }

    /// Moves the cursor to `to`, if `reign` lives: then only its owner has moved the cursor since
    /// the reign began.
    #[inline]
    pub(super) fn step(&self, reign: Reign, to: Position) -> bool {
        let Movable { word, reign: living, sections, .. } = &*self.movable;
        // An owned cursor is not closed.
        match sections.compare_and_store(living, reign.0, word, to.raw() | OWNED) {
            Step::Stored => true,
            Step::Refused => false,
            Step::Interrupted => self.step_again(reign, to),
        }
    }

    #[cold]
    fn step_again(&self, reign: Reign, to: Position) -> bool {
        let Movable { word, reign: living, sections, .. } = &*self.movable;
        for _ in 0..TRIES {
            match sections.compare_and_store(living, reign.0, word, to.raw() | OWNED) {
                Step::Stored => return true,
                Step::Refused => return false,
                Step::Interrupted => {}
            }
        }
        self.end_reign(reign);
        false
    }

    /// Whether `reign` lives. Only its writer can be sure of it, and only within a step.
    #[inline]
    pub(super) fn is_owner(&self, reign: Reign) -> bool {
        // Relaxed: a step looks again. `NONE` never lives.
        self.movable.reign.load(Ordering::Relaxed) == reign.0 && reign.lives()
    }

    /// Moves the cursor from `seen`, which is shared, to `position`. If it has been moved
    /// meanwhile, returns where it is.
    #[inline]
    pub(super) fn exchange(&self, seen: Word, position: Position) -> Result<(), Word> {
        self.exchange_for(seen, Word(position.raw()))
    }

    #[inline]
    fn exchange_for(&self, seen: Word, next: Word) -> Result<(), Word> {
        // ORD(cursor:A) Release, pairs with ORD(cursor:B): a thread that sees the cursor here sees
        // the gate that this writer had seen. No Acquire: what this writer must see of others it
        // has from the gate (ORD(gate:A)).
        let word = &self.movable.word;
        match word.compare_exchange_weak(seen.0, next.0, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(now) => Err(Word(now)),
        }
    }

    /// As [`Cursor::exchange`], and makes the caller the owner if that is possible: then `reign` is
    /// the new reign. `position` is further on than `seen`.
    #[cold]
    pub(super) fn exchange_and_take(
        &self,
        seen: Word,
        position: Position,
        reign: &mut Reign,
    ) -> Result<(), Word> {
        let Some(begun) = self.begin_reign() else { return self.exchange(seen, position) };
        pause::point();
        // ORD(reign:A) Release, pairs with ORD(reign:B), as every step of the reign does: the reign has
        // begun for any thread that reads a word of it.
        let moved = self.exchange_for(seen, Word(position.raw() | OWNED));
        match moved {
            Ok(()) => *reign = begun,
            Err(_) => self.end_reign(begun),
        }
        moved
    }

    /// Begins the next reign, if none lives and the cursor can have an owner.
    fn begin_reign(&self) -> Option<Reign> {
        if !self.may_be_owned || !asymmetric::has_sections() {
            return None;
        }
        let reign = &self.movable.reign;
        let last = Reign(reign.load(Ordering::Relaxed));
        if last.lives() || last == Reign::LAST || last == Reign::ONLY {
            return None;
        }
        pause::point();
        let next = last.next();
        let begun = reign.compare_exchange(last.0, next.0, Ordering::Relaxed, Ordering::Relaxed);
        begun.is_ok().then_some(next)
    }

    /// Ends the reign `seen`. If it is no longer the last one, it has ended already.
    fn end_reign(&self, seen: Reign) {
        let reign = &self.movable.reign;
        // Relaxed: the interruption orders it (ORD(interrupt)).
        let _ended =
            reign.compare_exchange(seen.0, seen.ended().0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Lets every writer move the cursor by exchange, if the cursor is still owned, as the caller
    /// has seen it. After that the caller looks again.
    #[cold]
    pub(super) fn share(&self) {
        let Movable { reign, sections, .. } = &*self.movable;
        let seen = Reign(reign.load(Ordering::Relaxed));
        pause::point();
        self.end_reign(seen);
        pause::point();
        // ORD(interrupt) pairs with the fence that a thread in a section passes: from here on no
        // step of `seen`, or of an earlier reign, stores any more, and we see what they stored.
        sections.interrupt();
        pause::point();
        let word = self.load();
        pause::point();
        // ORD(reign:B) Acquire, pairs with ORD(reign:A).
        fence(Ordering::Acquire);
        if reign.load(Ordering::Relaxed) == seen.ended().0 && word.is_owned() {
            pause::point();
            // Relaxed: a thread that finds the bit cleared needs nothing but the position. If the
            // exchange fails, another thread was faster.
            let _shared = self.movable.word.compare_exchange(
                word.0,
                word.0 & !OWNED,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }

    /// The core that was noted last.
    pub(super) fn core(&self) -> u32 {
        self.movable.core.get() as u32
    }

    /// Notes it, for a writer that has just moved the cursor.
    #[inline]
    pub(super) fn note_core(&self, core: u32) {
        self.movable.core.set(u64::from(core));
    }

    /// Moves the cursor as if other writers had: see `tests.rs`.
    #[cfg(all(test, not(overfall_loom)))]
    pub(super) fn leap(&self, granules: u64) {
        let word = self.load();
        assert!(!word.is_owned() && !word.is_closed());
        self.movable.word.store(word.position().on(granules).raw(), Ordering::Relaxed);
    }

    /// Closes the cursor: no thread moves it any more.
    pub(super) fn close(&self) {
        let Movable { word, reign, sections, .. } = &*self.movable;
        // No reign begins after this one. A writer that has begun one before, and sets OWNED later, can
        // make no step: the exchange comes after its begin, and ends its reign.
        let is_unused = |reign| reign == Reign::NONE.0 || reign == Reign::ONLY.0;
        let last = |reign| if is_unused(reign) { Reign::ONLY } else { Reign::LAST };
        let order = Ordering::Relaxed;
        let before = reign.fetch_update(order, order, |before| Some(last(before).0));
        if !before.is_ok_and(is_unused) {
            // ORD(interrupt) as in `share`: from here on no step stores. If there never was a reign, none
            // does in any case, and the process need not be registered. Who closes once more does not
            // rely on the one that did it before, which may be stopped right here.
            pause::point();
            sections.interrupt();
        }
        let mut seen = word.load(Ordering::Relaxed);
        loop {
            pause::point();
            // ORD(close:B) Release, pairs with ORD(close:A).
            let closed = (seen & !OWNED) | CLOSED;
            match word.compare_exchange_weak(seen, closed, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::WriterSlot;
    use crate::sync::table::size_of_entry;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn the_entry_of_a_writer_takes_the_bytes_that_the_docs_state() {
        assert_eq!(size_of_entry::<WriterSlot>(), 128);
    }
}
