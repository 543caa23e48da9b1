//! How a thread waits.

use super::Blocking;
use crate::sync::{AtomicBool, Ordering};
use crate::wait::inside::is_inside;
use crossbeam_utils::sync::{Parker, Unparker};
use std::hint::spin_loop;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    Deadline(Instant),
    Forever,
}

/// Whether a thread may wait. Where there are no threads, nobody would wake it, and there is no clock.
const CAN_WAIT: bool = cfg!(not(all(target_family = "wasm", not(target_feature = "atomics"))));

impl Until {
    /// For as long as `timeout`, which may be too long to come to an end. A timeout of zero needs
    /// no clock.
    pub(crate) fn timeout(timeout: Duration) -> Self {
        if timeout.is_zero() || !CAN_WAIT {
            return Self::Now;
        }
        Instant::now().checked_add(timeout).map_or(Self::Forever, Self::Deadline)
    }

    /// How much time is left; `None` if it has no end.
    fn left(self) -> Option<Duration> {
        match self {
            Self::Now => Some(Duration::ZERO),
            Self::Deadline(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            Self::Forever => None,
        }
    }
}

/// What a blocking endpoint waits with. It is made with the endpoint, so that waiting allocates
/// nothing.
pub(super) struct Waits {
    parker: Parker,
    unpark: Arc<Unpark>,
    /// The same. It unparks the thread that is parked there.
    waker: Waker,
    pub(super) spin: Spin,
}

/// Whether a thread spins before it sleeps.
///
/// Spinning helps if the other side runs on another core and is about to be done: then a message
/// costs a fraction of a microsecond, and not a sleep and a wake. On the same core it only keeps
/// the other side waiting. So a thread spins as long as spinning has been of use now and then.
///
/// If there are more threads than cores, the threads that it waits for may have no core. It yields
/// to them a few times, which is far cheaper than a sleep and a wake, and lets them fill or empty
/// the ring in one go. But on a core that other threads keep busy, a yield gives a whole time slice
/// away. So the thread looks at the clock, and once yields have taken too long ([`Spin::COSTLY`]),
/// it does without them for a long time. It yields if it waits for room, or in a stream, where
/// there was something to do at once since the last wait. It does not if it may wait for a short
/// while only.
///
/// A writer in the line may have to leave the room that is there to writers before it, which were woken
/// and have not run yet. Then it is woken at once, to ask again (`wait/line.rs`). It gives its core away
/// first, to them or to the reader: without that, eight writers on two cores spent most of their time
/// asking, and were three times slower.
///
/// Two sides that run at the same time are fastest if neither looks at what the other is about to
/// change: each poll takes a cache line away from the other side. So where messages come in a
/// stream, the first poll comes later and later, and finds several. What came before this wait
/// tells a stream from an answer: in a stream, there was something to do at once after the last
/// wait.
#[derive(Default)]
pub(super) struct Spin {
    /// How many waits in a row went on after the spin, or would have.
    misses: u32,
    /// How many waits still go without yielding, because it was costly.
    without: u32,
    /// It waits for room, which comes in turns.
    pub(super) is_for_room: bool,
    /// The step that a spin begins with.
    first: u32,
    /// Whether there was something to do at once since the last wait.
    was_at_once: bool,
}

impl Spin {
    /// How often it tries again, with twice as many pauses each time. In all that takes a few
    /// microseconds, about as long as to sleep and be woken.
    const STEPS: u32 = 9;
    /// The same, if it yields afterwards.
    const STEPS_BEFORE_YIELDS: u32 = 7;
    /// After so many misses spinning is of no use.
    const THRESHOLD: u32 = 16;
    /// Then so many waits in a row of each period find out whether it is of use again. They are in
    /// a row because two threads that answer each other have to spin at the same time.
    const PROBES: u32 = 2;
    const PERIOD: u32 = 1024;
    /// How often it yields.
    const YIELDS: u32 = 12;
    /// Threads that take turns with this one give the core back in less than that, all in all.
    /// Threads that have other work use up a time slice each.
    const COSTLY: Duration = Duration::from_millis(6);
    /// It yields if it may wait for longer than this.
    const LONG: Duration = Duration::from_millis(100);

    /// There was something to do at once.
    #[inline]
    pub(super) fn record_at_once(&mut self) {
        self.was_at_once = true;
    }

    /// Tries for a short while, if that is of use.
    #[inline]
    fn spin<T>(&mut self, until: Until, mut attempt: impl FnMut() -> Poll<T>) -> Poll<T> {
        let is_stream = std::mem::take(&mut self.was_at_once);
        self.first = match is_stream {
            true => (self.first + 1).min(Self::STEPS - 1),
            false => self.first.saturating_sub(2),
        };
        let is_long = until.left().is_none_or(|left| left > Self::LONG);
        let yields = (is_stream || self.is_for_room) && is_long && self.without == 0;
        self.without = self.without.saturating_sub(1);
        if yields || self.misses < Self::THRESHOLD || self.misses % Self::PERIOD < Self::PROBES {
            for step in if yields { 0 } else { self.first }..if yields {
                Self::STEPS_BEFORE_YIELDS
            } else {
                Self::STEPS
            } {
                for _ in 0..1 << step {
                    spin_loop();
                }
                let value = attempt();
                if value.is_ready() {
                    self.misses = 0;
                    return value;
                }
            }
        }
        if yields {
            if let Poll::Ready(value) = self.take_turns(attempt) {
                self.misses = 0;
                return Poll::Ready(value);
            }
        }
        self.misses = self.misses.wrapping_add(1);
        Poll::Pending
    }

    /// Lets other threads run a few times.
    fn take_turns<T>(&mut self, mut attempt: impl FnMut() -> Poll<T>) -> Poll<T> {
        let mut turns = Turns::default();
        for _ in 0..Self::YIELDS {
            let is_costly = !turns.give();
            if is_costly {
                self.without = Self::PERIOD;
            }
            let value = attempt();
            if value.is_ready() || is_costly {
                return value;
            }
        }
        Poll::Pending
    }
}

/// Turns that a thread gives to other threads, for as long as that is not too [costly](Spin::COSTLY).
#[derive(Default)]
struct Turns {
    started: Option<Instant>,
    were_costly: bool,
}

impl Turns {
    /// Tells whether another turn may be given.
    fn give(&mut self) -> bool {
        if !self.were_costly {
            let started = *self.started.get_or_insert_with(Instant::now);
            thread::yield_now();
            self.were_costly = started.elapsed() > Spin::COSTLY;
        }
        !self.were_costly
    }
}

/// Wakes the thread that is parked in an operation.
struct Unpark {
    unparker: Unparker,
    /// Whether it was woken since it asked last.
    was_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Relaxed: what it is woken for is in the ring. If the thread finds the token alone, it does not park.
        self.was_woken.store(true, Ordering::Relaxed);
        self.unparker.unpark();
    }
}

impl Waits {
    pub(super) fn new() -> Self {
        let parker = Parker::new();
        let unpark =
            Unpark { unparker: parker.unparker().clone(), was_woken: AtomicBool::new(false) };
        let unpark = Arc::new(unpark);
        let waker = Waker::from(unpark.clone());
        Self { parker, unpark, waker, spin: Spin::default() }
    }
}

/// An endpoint that waits. It stops waiting when this is dropped, also by a panic.
struct Waiting<'a, E> {
    endpoint: &'a mut E,
    stop: fn(&mut E),
}

impl<E> Drop for Waiting<'_, E> {
    fn drop(&mut self) {
        (self.stop)(self.endpoint);
    }
}

/// Panics on a thread that drives tasks of tokio: parked, it would drive none, and often nobody would be
/// left to wake it. Threads of `spawn_blocking` and `block_in_place` may park.
///
/// tokio does not tell which of them a thread is (`Handle::try_current` is there for both). But it
/// refuses by itself to run a future on a thread that drives others already, with a panic that says why.
#[cfg(feature = "tokio")]
fn check_thread() {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.block_on(std::future::ready(()));
    }
}

impl<E> Blocking<E> {
    /// Looks, and [waits](Self::wait) for as long as there is nothing to read. `None` if the time is up
    /// first.
    #[inline]
    pub(crate) fn poll_or_wait<T>(
        &mut self,
        until: Until,
        stop: fn(&mut E),
        mut poll: impl FnMut(&mut E, Option<&mut Context<'_>>) -> Poll<T>,
    ) -> Option<T> {
        if let Poll::Ready(found) = poll(&mut self.endpoint, None) {
            self.waits.spin.record_at_once();
            return Some(found);
        }
        self.wait(until, stop, poll)
    }

    /// Waits until there is something to do, once an attempt has found nothing: looks at the clock,
    /// spins briefly, and then parks the thread. `None` if the time is up first, or if the target has no
    /// threads: there nothing waits.
    ///
    /// `poll` tells whether there is something to do. If there is not, and it has a context, it
    /// also registers to be woken; `stop` takes that back.
    #[inline(never)]
    pub(super) fn wait<T>(
        &mut self,
        until: Until,
        stop: fn(&mut E),
        mut poll: impl FnMut(&mut E, Option<&mut Context<'_>>) -> Poll<T>,
    ) -> Option<T> {
        if !CAN_WAIT || until.left().is_some_and(|left| left.is_zero()) {
            return None;
        }
        let waiting = Waiting { endpoint: &mut self.endpoint, stop };
        // Within an event of ours no thread waits: there the next poll is ready.
        if !is_inside() {
            #[cfg(feature = "tokio")]
            check_thread();
            if let Poll::Ready(value) = self.waits.spin.spin(until, || poll(waiting.endpoint, None))
            {
                return Some(value);
            }
        }
        let mut context = Context::from_waker(&self.waits.waker);
        let mut turns = Turns::default();
        loop {
            if let Poll::Ready(value) = poll(waiting.endpoint, Some(&mut context)) {
                return Some(value);
            }
            let was_woken = self.waits.unpark.was_woken.swap(false, Ordering::Relaxed);
            if was_woken && !is_inside() && until.left().is_none_or(|left| left > Spin::LONG) {
                turns.give();
            }
            // A token that is here already may be from an earlier wait: the loop looks again.
            match until.left() {
                None => self.waits.parker.park(),
                Some(left) if left.is_zero() => return None,
                Some(left) => self.waits.parker.park_timeout(left),
            }
        }
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    /// It counts how often it was looked at, registered and stopped.
    #[derive(Default)]
    struct Endpoint {
        looks: u32,
        registered: u32,
        stops: u32,
    }

    fn stop(endpoint: &mut Endpoint) {
        endpoint.stops += 1;
    }

    /// Waits until it has registered so many times.
    fn wait(blocking: &mut Blocking<Endpoint>, until: Until, times: u32) -> Option<u32> {
        blocking.wait(until, stop, |endpoint, context| {
            endpoint.looks += 1;
            let Some(context) = context else { return Poll::Pending };
            endpoint.registered += 1;
            context.waker().wake_by_ref();
            if endpoint.registered == times { Poll::Ready(times) } else { Poll::Pending }
        })
    }

    #[test]
    fn when_the_time_is_up_there_is_not_another_look() {
        let mut blocking = Blocking::new(Endpoint::default());
        for until in [Until::Now, Until::timeout(Duration::ZERO), Until::Deadline(Instant::now())] {
            assert_eq!(wait(&mut blocking, until, 1), None);
        }
        assert_eq!((blocking.endpoint.looks, blocking.endpoint.registered), (0, 0));
    }

    #[test]
    fn who_is_woken_looks_again_until_there_is_something() {
        let mut blocking = Blocking::new(Endpoint::default());
        assert_eq!(wait(&mut blocking, Until::Forever, 3), Some(3));
        assert_eq!((blocking.endpoint.registered, blocking.endpoint.stops), (3, 1));
        assert_eq!(wait(&mut blocking, Until::timeout(Duration::MAX), 5), Some(5));
        assert_eq!((blocking.endpoint.registered, blocking.endpoint.stops), (5, 2));
    }

    #[test]
    fn a_look_that_panics_stops_the_wait() {
        for at in ["a spin", "a poll"] {
            let mut blocking = Blocking::new(Endpoint::default());
            let panic = catch_unwind(AssertUnwindSafe(|| {
                blocking.wait(Until::Forever, stop, |_, context| -> Poll<()> {
                    assert!(at == "a poll" && context.is_none(), "on purpose");
                    Poll::Pending
                })
            }));
            assert!(panic.is_err());
            assert_eq!(blocking.endpoint.stops, 1, "{at}");
        }
    }

    #[test]
    fn turns_that_were_costly_are_the_last() {
        let started = Instant::now().checked_sub(2 * Spin::COSTLY);
        let mut turns = Turns { started, were_costly: false };
        assert!(!turns.give() && turns.were_costly);
        turns.started = Some(Instant::now());
        assert!(!turns.give());
    }

    /// How many looks a spin takes that finds nothing.
    fn polls_of_a_spin(spin: &mut Spin) -> u32 {
        let mut looks = 0;
        let _nothing = spin.spin(Until::timeout(Duration::from_millis(10)), || {
            looks += 1;
            Poll::<()>::Pending
        });
        looks
    }

    #[test]
    fn a_spin_that_is_of_no_use_is_left_out_but_now_and_then() {
        let mut spin = Spin::default();
        let waits = 10 * Spin::PERIOD;
        let spun = (0..waits).filter(|_| polls_of_a_spin(&mut spin) > 0).count() as u32;
        assert_eq!(spun, Spin::THRESHOLD + 9 * Spin::PROBES);
        // It finds out that it is of use.
        while spin.spin(Until::Now, || Poll::Ready(())).is_pending() {}
        assert_eq!(polls_of_a_spin(&mut spin), Spin::STEPS);
    }

    #[test]
    fn in_a_stream_the_first_look_comes_later_and_an_answer_is_looked_for_at_once() {
        let mut spin = Spin::default();
        for first in [1, 2, 3, 4, 5, 6, 7, 8, 8, 8] {
            spin.record_at_once();
            assert_eq!(polls_of_a_spin(&mut spin), Spin::STEPS - first);
        }
        for first in [6, 4, 2, 0, 0] {
            assert_eq!(polls_of_a_spin(&mut spin), Spin::STEPS - first);
        }
    }
}
