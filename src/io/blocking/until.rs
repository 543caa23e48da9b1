//! How a thread waits.

use super::Blocking;
use std::hint::spin_loop;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// Wakes the thread that is parked in an operation.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// A thread that has waited with an endpoint, and a waker that unparks it.
pub(super) struct Parked {
    thread: Thread,
    waker: Waker,
}

/// The waker of this thread, which is kept from one wait to the next.
fn waker_of_this_thread(parked: &mut Option<Parked>) -> &Waker {
    let thread = thread::current();
    match parked {
        Some(last) if last.thread.id() == thread.id() => &parked.as_ref().unwrap().waker,
        _ => {
            let waker = Waker::from(Arc::new(Unpark(thread.clone())));
            &parked.insert(Parked { thread, waker }).waker
        }
    }
}

/// How often a thread tries again before it sleeps, with twice as many pauses each time: a few
/// microseconds in all, about what it costs to sleep and be woken. It never yields: on a busy core
/// that gives a time slice away each time.
const SPINS: u32 = 7;

/// An endpoint that waits; it stops when this is dropped, also by a panic.
struct Waiting<'a, E> {
    endpoint: &'a mut E,
    stop: fn(&mut E),
}

impl<E> Drop for Waiting<'_, E> {
    fn drop(&mut self) {
        (self.stop)(self.endpoint);
    }
}

impl<E> Blocking<E> {
    /// Waits until there is something to do, once an attempt has found nothing: looks at the clock,
    /// spins briefly, and then parks the thread. Nothing if `deadline` comes first.
    ///
    /// `look` tells whether there is something to do; with a context, it also registers to be woken
    /// if there is not, which `stop` takes back.
    #[inline(never)]
    pub(super) fn until<T>(
        &mut self,
        deadline: Option<Instant>,
        stop: fn(&mut E),
        mut look: impl FnMut(&mut E, Option<&mut Context<'_>>) -> Poll<T>,
    ) -> Option<T> {
        let has_passed = || deadline.is_some_and(|deadline| deadline <= Instant::now());
        if has_passed() {
            return None;
        }
        for spins in 0..SPINS {
            for _ in 0..1 << spins {
                spin_loop();
            }
            if let Poll::Ready(value) = look(&mut self.endpoint, None) {
                return Some(value);
            }
        }
        let waiting = Waiting { endpoint: &mut self.endpoint, stop };
        let mut context = Context::from_waker(waker_of_this_thread(&mut self.parked));
        loop {
            if let Poll::Ready(value) = look(waiting.endpoint, Some(&mut context)) {
                return Some(value);
            }
            if has_passed() {
                return None;
            }
            match deadline {
                None => thread::park(),
                Some(deadline) => {
                    thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
                }
            }
        }
    }
}
