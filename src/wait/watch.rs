//! Whether threads that change something look for sleepers.
//!
//! To find a sleeper, a commit needs a full fence and a look whether any thread sleeps; and mostly
//! none does. So the look can be left out. While the watch is *off*, commits and releases issue a
//! light fence only. A thread that goes to sleep turns the watch on, and then pays for both sides
//! with a heavy fence (`sync/asymmetric.rs`). While the watch is on, both sides use a plain fence.
//! So two threads that take turns sleeping, as in a ping-pong, pay no heavy fence at all.
//!
//! - *Off → rising → on* ([`Watch::keep`]), by A, which is about to sleep, after it has registered:
//!   rising, heavy fence, on. From *rising* on, every thread that changes something looks. B, which
//!   finds it *rising*, issues a heavy fence of its own, and waits for no other thread. A thread
//!   that finds it *on* needs none: since the heavy fence before, all threads look.
//! - *On → ending → off* ([`Watch::end`]), by C, a writer whose looks have found no sleeper for a
//!   long time: ending, full fence, a last look, off. While it is *ending*, all threads look. A may
//!   have gone to sleep because it found *on*. There are fences on both sides: either A saw
//!   *ending*, or the last look finds A, and the watch stays *on*. If A finds it *ending*, A turns
//!   it *on* again, and C finds that out when it comes to set *off*. If C is stopped in between,
//!   all threads look meanwhile.
//!
//! It starts *on*. As long as there is no heavy fence to rely on, it stays so.

use crate::sync::asymmetric::{self, THRESHOLD};
use crate::sync::pause;
use crate::sync::{AtomicU32, Mutex, Ordering, fence as full_fence, try_lock};
use crossbeam_utils::CachePadded;
use std::time::Instant;

const OFF: u32 = 0;
const RISING: u32 = 1;
const ON: u32 = 2;
const ENDING: u32 = 3;

/// What a look costs, in nanoseconds: a full fence. A rough figure is enough.
const LOOK: u128 = 5;

#[derive(Debug)]
pub(crate) struct Watch {
    state: CachePadded<AtomicU32>,
    /// After how many looks in vain in a row the watch ends: [`THRESHOLD`] until the first heavy
    /// fence has shown what one costs here. Where assertions are on it stays so.
    threshold: AtomicU32,
    /// Taken by the thread that ends the watch. No thread waits for it.
    ending: Mutex<()>,
    /// Whether it may rely on heavy fences, once there are any.
    may_end: bool,
}

impl Watch {
    pub(crate) fn new(may_end: bool) -> Self {
        let [state, threshold] = [ON, THRESHOLD].map(AtomicU32::new);
        Self { state: CachePadded::new(state), threshold, ending: Mutex::new(()), may_end }
    }

    /// After how many looks in vain in a row, by one writer, the watch should [end](Self::end):
    /// when they have cost what it costs to turn it on again. So whatever sleepers do, at most
    /// twice of what is needed is paid.
    #[inline]
    pub(crate) fn threshold(&self) -> u32 {
        self.threshold.load(Ordering::Relaxed)
    }

    /// Asked by a thread that has changed something: whether it must look for sleepers, behind a
    /// full fence.
    #[inline]
    pub(crate) fn must_check(&self) -> bool {
        self.checks() != OFF
    }

    /// The same, 0 if not.
    #[inline]
    pub(crate) fn checks(&self) -> u32 {
        // ORD(light) pairs with ORD(heavy) in `rise`.
        asymmetric::light();
        self.state.load(Ordering::Relaxed)
    }

    /// Called by a thread that has registered and is about to sleep. From the return on all threads
    /// look for it, and it sees what was changed without a look.
    pub(crate) fn keep(&self) {
        // ORD(park:A) SeqCst, pairs with ORD(park:B), and with the fence in `end`.
        full_fence(Ordering::SeqCst);
        loop {
            // ORD(watch:A) Acquire, pairs with ORD(watch:B): a thread that finds it on, or ending,
            // comes after a heavy fence that made it so.
            match self.state.load(Ordering::Acquire) {
                ON => return,
                ENDING if self.change(ENDING, ON) => return,
                RISING => return self.rise(),
                OFF if self.change(OFF, RISING) => return self.rise(),
                _ => {}
            }
        }
    }

    /// Relaxed: each change goes on from the one before it.
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
        // ORD(watch:B) Release, pairs with ORD(watch:A). If it fails, another thread has done it.
        let (state, order) = (&self.state, Ordering::Release);
        let _risen = state.compare_exchange(RISING, ON, order, Ordering::Relaxed);
    }

    /// Ends the watch, unless a thread sleeps.
    #[cold]
    pub(crate) fn end(&self, is_anybody_asleep: impl Fn() -> bool) {
        if !self.may_end || !asymmetric::has_heavy_fences() {
            return;
        }
        // One thread at a time, so that the *ending* that is replaced below is the one that was set
        // above.
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
