//! How much of a stream is kept, and who is waited for.

use super::segment::Tail;
use super::shared::{Figures, Shared};
use crate::sync::{AtomicU64, Ordering, fence, pause};
use crate::wait::line::{Line, Request, Room, Ticket};
use std::task::Waker;

/// How much of a stream a spool keeps, from [`Builder::retain`](super::Builder::retain).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub enum Retain {
    /// All of it.
    #[default]
    All,
    /// The last so many bytes, and at most one segment more; in memory, or in a file, a
    /// [temporary](super::Builder::temp_file) one or one [with a name](super::Builder::create).
    ///
    /// The writer waits for strong readers: none of them is ever more than so many bytes behind, unless it
    /// goes back, or begins there. It does not wait for weak readers.
    Last(u64),
}

/// What a spool that keeps its last bytes alone has besides.
#[derive(Debug)]
pub(super) struct Bound {
    /// So many bytes are kept at the least.
    pub(super) bytes: u64,
    /// The oldest byte that is kept. Only the writer raises it.
    begin: AtomicU64,
    /// How often a strong reader has begun, or gone back.
    arrivals: AtomicU64,
    /// Where the writer waits for room.
    line: Line,
}

impl Bound {
    pub(super) fn new(bytes: u64, begin: u64) -> Self {
        let [begin, arrivals] = [begin, 0].map(AtomicU64::new);
        Self { bytes, begin, arrivals, line: Line::new() }
    }

    pub(super) fn arrivals(&self) -> u64 {
        // ORD(arrive:B) Acquire, pairs with ORD(arrive:A): where those stand who have come.
        self.arrivals.load(Ordering::Acquire)
    }

    /// Wakes a writer that waits for room, for another reason than room.
    pub(super) fn wake_writer(&self) {
        self.line.wake_all();
    }

    pub(super) fn is_waited_for(&self) -> bool {
        !self.line.is_empty()
    }
}

/// What follows does nothing, or finds everything kept, where there is no bound.
impl Shared {
    /// The oldest byte that is kept.
    pub(super) fn begin(&self) -> u64 {
        // Relaxed: who must not come too late has a fence before this (`hold`), and who has come too late
        // has seen the turn of the slot (ORD(turn:B)).
        self.bound.as_ref().map_or(0, |bound| bound.begin.load(Ordering::Relaxed))
    }

    /// The place of the strong reader that is furthest behind.
    fn slowest(&self) -> u64 {
        let strong = self.figures().filter(|figures| figures.holds());
        strong.map(|figures| figures.position.get()).min().unwrap_or(u64::MAX)
    }

    /// Has the writer wait for the reader of these figures, which goes to `position`, from nowhere or from
    /// further on. If that is not kept any more, tells which byte is the oldest.
    ///
    /// The writer raises `begin`, issues a full fence, looks where strong readers stand, and lets go of
    /// what none of them needs. The reader notes where it stands, issues a full fence, and reads `begin`.
    /// If the reader's fence comes first, the writer sees it, and keeps what it needs, even if `begin` is
    /// further on by then. If it comes second, the reader sees that it is too late. That it stands there
    /// holds the writer up from then on, so that `begin` is raised once more at most.
    pub(super) fn hold(&self, figures: &Figures, position: u64) -> Result<(), u64> {
        let Some(bound) = &self.bound else { return Ok(()) };
        figures.position.set(position);
        figures.set_strong(true);
        // ORD(arrive:A) Release, pairs with ORD(arrive:B).
        bound.arrivals.fetch_add(1, Ordering::Release);
        pause::point();
        // ORD(hold:A) SeqCst, pairs with ORD(hold:B).
        fence(Ordering::SeqCst);
        let begin = self.begin();
        if begin > position { Err(begin) } else { Ok(()) }
    }

    /// The writer need not wait any more for the reader of these figures.
    pub(super) fn let_pass(&self, figures: &Figures) {
        if self.bound.is_some() {
            figures.set_strong(false);
            self.check_room();
        }
    }

    /// Lets go of what nobody needs, and tells the tail how far it may write. Returns the number of
    /// arrivals until which that holds; `None` if there is no room.
    ///
    /// How far: no further than `bytes` before the slowest strong reader; and no further than where the
    /// next segment can be let go of, so that there is never more than one too many.
    #[cold]
    pub(super) fn make_room(&self, bound: &Bound, tail: &mut Tail) -> Option<u64> {
        let arrivals = bound.arrivals();
        let length = tail.length();
        let has_room = |slowest: u64| slowest.saturating_add(bound.bytes) > length;
        let mut slowest = self.slowest();
        let begin = self.memory.extent(length.saturating_sub(bound.bytes)).0;
        let is_first = has_room(slowest) && begin > 0 && self.begin() == 0;
        if has_room(slowest) && begin > self.begin() {
            pause::point();
            bound.begin.store(begin, Ordering::Relaxed);
            // ORD(hold:B) SeqCst, pairs with ORD(hold:A), and with ORD(park:A) of who waits for all.
            fence(Ordering::SeqCst);
            pause::point();
            slowest = self.slowest();
        }
        let arrivals = if has_room(slowest) {
            // All strong readers stand behind `length - bytes`, and so behind `begin`.
            tail.let_go(begin);
            let next = self.memory.extent(begin).1;
            tail.set_limit(slowest.min(next).saturating_add(bound.bytes));
            Some(arrivals)
        } else {
            tail.set_limit(length);
            None
        };
        if is_first {
            self.wake_who_loads_all();
        }
        arrivals
    }

    /// Joins the line for room. After this the writer must look once more before it sleeps.
    pub(super) fn wait_for_room(&self, bound: &Bound, ticket: &mut Option<Ticket>, waker: &Waker) {
        // Nobody else waits there: so it need not be waited for, and may be forgotten.
        let request = Request { length: 1, claim: 1, threshold: 0 };
        bound.line.join(ticket, request, waker, self);
        self.keep_watch();
    }

    pub(super) fn leave_line(&self, ticket: Ticket) {
        if let Some(bound) = &self.bound {
            bound.line.leave(ticket, self);
        }
    }

    /// A strong reader has moved on: wakes the writer, if it waits for that.
    #[inline]
    pub(super) fn after_move(&self) {
        if self.must_check() {
            self.check_room();
        }
    }

    /// Wakes the writer if it waits for room, and there is some.
    #[cold]
    pub(super) fn check_room(&self) {
        if let Some(bound) = &self.bound {
            // ORD(park:B) SeqCst, pairs with ORD(park:A).
            fence(Ordering::SeqCst);
            bound.line.check(self);
        }
    }
}

impl Room for Shared {
    fn has(&self, _length: u64, _others: u64) -> bool {
        let Some(bound) = &self.bound else { return true };
        self.slowest().saturating_add(bound.bytes) > self.memory.length()
    }

    fn may_grow(&self) -> bool {
        true
    }
}
