//! Whether those who change something look for sleepers.
//!
//! To find a parked reader, a commit needs a full fence and a look at the stack of the parked ones;
//! and mostly nobody is parked. So the look can be left out: while the watch is *off*, commits and
//! releases issue a light fence only, and who goes to sleep pays for both sides with a heavy one
//! (`sync/asymmetric.rs`), after turning the watch on. While it is on, both sides use a plain fence, so that two
//! parties that take turns sleeping, as in a ping-pong, pay no heavy fence at all.
//!
//! - *Off → rising → on* ([`Watch::keep`]), by who is about to sleep, after it has registered:
//!   rising, heavy fence, on. From *rising* on, whoever changes something looks. Who finds it *on*
//!   needs no heavy fence of its own: since the one before, everybody looks.
//! - *On → off* ([`Watch::end`]), by a writer whose looks have found nobody for a long time: off,
//!   full fence, and a last look. Someone may have gone to sleep on the strength of *on*: with the
//!   fences on both sides, either it saw *off*, and turned it on again, or the last look finds it;
//!   then the watch goes on again, with a heavy fence, and who was found is woken to look anew.
//!
//! The changes are under a lock, so that nobody says *on* after another has said *off*.
//!
//! It starts *on*; where there is no heavy fence to rely on it stays so.

use crate::sync::asymmetric::{self, PATIENCE};
use crate::sync::{AtomicU32, Mutex, Ordering, fence as full_fence, lock, try_lock};
use crossbeam_utils::CachePadded;
use std::time::Instant;

const OFF: u32 = 0;
const RISING: u32 = 1;
const ON: u32 = 2;

/// What a look costs, in nanoseconds: a full fence. It need not be right to better than a factor.
const LOOK: u128 = 5;

#[derive(Debug)]
pub(crate) struct Watch {
    state: CachePadded<AtomicU32>,
    /// After how many looks in vain in a row the watch ends: [`PATIENCE`] until it is known what a
    /// heavy fence costs here. Where assertions are on it stays so.
    patience: AtomicU32,
    changing: Mutex<()>,
    /// Whether there are heavy fences to rely on.
    can_end: bool,
}

impl Watch {
    pub(crate) fn new(can_end: bool) -> Self {
        let [state, patience] = [ON, PATIENCE].map(AtomicU32::new);
        Self { state: CachePadded::new(state), patience, changing: Mutex::new(()), can_end }
    }

    /// After how many looks in vain in a row, by one writer, the watch should [end](Self::end):
    /// when they have cost what it costs to turn it on again. So whatever sleepers do, not more than
    /// twice of what is needed is paid.
    #[inline]
    pub(crate) fn patience(&self) -> u32 {
        self.patience.load(Ordering::Relaxed)
    }

    /// For who has changed something: whether it must look for sleepers, behind a full fence.
    #[inline]
    pub(crate) fn must_look(&self) -> bool {
        // ORD(light) pairs with ORD(heavy) in `rise`.
        asymmetric::light();
        self.state.load(Ordering::Relaxed) != OFF
    }

    /// For who is about to sleep and has registered: from here on everybody looks, and what was
    /// changed without a look is seen.
    pub(crate) fn keep(&self) {
        // ORD(park:A) SeqCst, pairs with ORD(park:B), and with the fence in `end`.
        full_fence(Ordering::SeqCst);
        // ORD(watch:A) Acquire, pairs with ORD(watch:B): whoever finds it on comes after the heavy
        // fence that made it so.
        if self.state.load(Ordering::Acquire) == ON {
            return;
        }
        let _changing = lock(&self.changing);
        if self.state.load(Ordering::Relaxed) != ON {
            self.rise();
        }
    }

    /// Under the lock.
    #[cold]
    fn rise(&self) {
        self.state.store(RISING, Ordering::Relaxed);
        let started = Instant::now();
        // ORD(heavy) pairs with ORD(light) in `must_look`.
        asymmetric::heavy();
        if !cfg!(any(overfall_loom, debug_assertions)) {
            let looks = started.elapsed().as_nanos() / LOOK;
            self.patience.store(looks.clamp(16, 4096) as u32, Ordering::Relaxed);
        }
        // ORD(watch:B) Release, pairs with ORD(watch:A).
        self.state.store(ON, Ordering::Release);
    }

    /// Ends the watch, unless somebody sleeps. Tells whether somebody did, who may have missed
    /// what was done meanwhile, and must be woken.
    #[cold]
    #[must_use]
    pub(crate) fn end(&self, is_anybody_asleep: impl Fn() -> bool) -> bool {
        if !self.can_end {
            return false;
        }
        let Some(_changing) = try_lock(&self.changing) else { return false };
        self.state.store(OFF, Ordering::Relaxed);
        // ORD(park:B) SeqCst, pairs with ORD(park:A) in `keep`.
        full_fence(Ordering::SeqCst);
        let somebody = is_anybody_asleep();
        if somebody {
            self.rise();
        }
        somebody
    }
}
