//! Whether those who change something look for sleepers.
//!
//! To find a parked reader, a commit needs a full fence and a look at the stack of the parked ones;
//! and mostly nobody is parked. So the look can be left out: while the watch is *off*, commits and
//! releases issue a light fence only, and who goes to sleep pays for both sides with a heavy one
//! (`sync/asymmetric.rs`), after turning the watch on. While it is on, both sides use a plain fence, so
//! that two parties that take turns sleeping, as in a ping-pong, pay no heavy fence at all.
//!
//! - *Off → rising → on* ([`Watch::keep`]), by A, which is about to sleep, after it has registered:
//!   rising, heavy fence, on. From *rising* on, whoever changes something looks. B, which finds it
//!   *rising*, issues a heavy fence of its own, and waits for nobody. Who finds it *on* needs none:
//!   since the one before, everybody looks.
//! - *On → ending → off* ([`Watch::end`]), by C, a writer whose looks have found nobody for a long time:
//!   ending, full fence, a last look, off. While it is *ending*, everybody looks. A may have gone to
//!   sleep on the strength of *on*: with the fences on both sides, either A saw *ending*, or the last
//!   look finds A, and the watch stays *on*. If A finds it *ending*, it turns it *on* again, and C finds
//!   that out when it comes to say *off*. Should C be stopped in there, everybody looks meanwhile.
//!
//! It starts *on*; where there is no heavy fence to rely on it stays so.

use crate::sync::asymmetric::{self, THRESHOLD};
use crate::sync::pause;
use crate::sync::{AtomicU32, Mutex, Ordering, fence as full_fence, try_lock};
use crossbeam_utils::CachePadded;
use std::time::Instant;

const OFF: u32 = 0;
const RISING: u32 = 1;
const ON: u32 = 2;
const ENDING: u32 = 3;

/// What a look costs, in nanoseconds: a full fence. It need not be right to better than a factor.
const LOOK: u128 = 5;

#[derive(Debug)]
pub(crate) struct Watch {
    state: CachePadded<AtomicU32>,
    /// After how many looks in vain in a row the watch ends: [`THRESHOLD`] until it is known what a
    /// heavy fence costs here. Where assertions are on it stays so.
    threshold: AtomicU32,
    /// Taken by the one who ends it; nobody waits for it.
    ending: Mutex<()>,
    /// Whether there are heavy fences to rely on.
    can_end: bool,
}

impl Watch {
    pub(crate) fn new(can_end: bool) -> Self {
        let [state, threshold] = [ON, THRESHOLD].map(AtomicU32::new);
        Self { state: CachePadded::new(state), threshold, ending: Mutex::new(()), can_end }
    }

    /// After how many looks in vain in a row, by one writer, the watch should [end](Self::end):
    /// when they have cost what it costs to turn it on again. So whatever sleepers do, not more than
    /// twice of what is needed is paid.
    #[inline]
    pub(crate) fn threshold(&self) -> u32 {
        self.threshold.load(Ordering::Relaxed)
    }

    /// For who has changed something: whether it must look for sleepers, behind a full fence.
    #[inline]
    pub(crate) fn must_check(&self) -> bool {
        // ORD(light) pairs with ORD(heavy) in `rise`.
        asymmetric::light();
        self.state.load(Ordering::Relaxed) != OFF
    }

    /// For who is about to sleep and has registered: from here on everybody looks, and what was
    /// changed without a look is seen.
    pub(crate) fn keep(&self) {
        // ORD(park:A) SeqCst, pairs with ORD(park:B), and with the fence in `end`.
        full_fence(Ordering::SeqCst);
        loop {
            // ORD(watch:A) Acquire, pairs with ORD(watch:B): whoever finds it on, or ending, comes after
            // a heavy fence that made it so.
            match self.state.load(Ordering::Acquire) {
                ON => return,
                ENDING if self.change(ENDING, ON) => return,
                RISING => return self.rise(),
                OFF if self.change(OFF, RISING) => return self.rise(),
                _ => {}
            }
        }
    }

    /// Relaxed: each change goes on from the one before.
    fn change(&self, from: u32, to: u32) -> bool {
        pause::point();
        let (state, order) = (&self.state, Ordering::Relaxed);
        state.compare_exchange(from, to, order, order).is_ok()
    }

    #[cold]
    fn rise(&self) {
        let started = Instant::now();
        // ORD(heavy) pairs with ORD(light) in `must_check`.
        asymmetric::heavy();
        if !cfg!(any(overfall_loom, debug_assertions)) {
            let looks = started.elapsed().as_nanos() / LOOK;
            self.threshold.store(looks.clamp(16, 4096) as u32, Ordering::Relaxed);
        }
        // ORD(watch:B) Release, pairs with ORD(watch:A). If it fails, another has done it.
        let (state, order) = (&self.state, Ordering::Release);
        let _risen = state.compare_exchange(RISING, ON, order, Ordering::Relaxed);
    }

    /// Ends the watch, unless somebody sleeps.
    #[cold]
    pub(crate) fn end(&self, is_anybody_asleep: impl Fn() -> bool) {
        if !self.can_end {
            return;
        }
        // One at a time, so that what was ending below is what was made so above.
        let Some(_ending) = try_lock(&self.ending) else { return };
        if !self.change(ON, ENDING) {
            return;
        }
        // ORD(park:B) SeqCst, pairs with ORD(park:A) in `keep`.
        full_fence(Ordering::SeqCst);
        pause::point();
        let next = if is_anybody_asleep() { ON } else { OFF };
        let _unless_somebody_came = self.change(ENDING, next);
    }
}
