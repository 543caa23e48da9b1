//! How a thread waits.

use super::Blocking;
use super::spin::{Spin, Turns};
use crate::sync::{AtomicBool, Ordering};
use crate::wait::inside::is_inside;
use crossbeam_utils::sync::{Parker, Unparker};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
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
    pub(super) fn left(self) -> Option<Duration> {
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
    use crate::channel::pipe;
    use crate::channel::writer::Wait;
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
    fn yields_that_took_long_while_others_filled_the_ring_were_not_costly() {
        for filled in [false, true] {
            let (mut other, mut reader) = pipe(128);
            let mut writer = other.clone().blocking();
            writer.waits.spin.without = Spin::PERIOD;
            let mut looks = 0;
            let found = writer.until_room(Until::Forever, Wait::LeavesWhenDropped, |_, _| {
                looks += 1;
                if looks == 1 {
                    return Poll::Pending;
                }
                for byte in 0..if filled { 2 } else { 1 } {
                    other.try_write(&[byte]).unwrap();
                    assert_eq!(reader.try_read(&mut [0; 2]).unwrap(), 1);
                }
                Poll::Ready(())
            });
            assert_eq!(found, Some(()));
            assert_eq!(writer.waits.spin.without == 0, filled);
        }
    }
}
