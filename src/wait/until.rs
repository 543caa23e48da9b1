//! Waiting in async code, by a future that is made by hand: an `async` block would keep what it captures once
//! more, and each in another one has its own jump at each poll.

use super::budget::Budget;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Waits until `poll` is ready, and lets tasks have their turns. `poll` has the waiter wait no more when it
/// is. If the future is dropped before, `stop` does.
pub(crate) fn until_ready<W: ?Sized, T>(
    waiter: &mut W,
    stop: fn(&mut W),
    poll: impl FnMut(&mut W, &mut Context<'_>) -> Poll<T>,
) -> impl Future<Output = T> {
    at_once_or_ready(waiter, stop, |_, _| None, poll)
}

/// The same, where `at_once` is asked first, each time, and `poll` only if that tells nothing. It takes from the
/// budget what it needs by itself, and has the waiter wait no more when it is ready, as `poll` does.
#[inline]
pub(crate) fn at_once_or_ready<'a, W: ?Sized, T, O, P>(
    waiter: &'a mut W,
    stop: fn(&mut W),
    at_once: O,
    poll: P,
) -> UntilReady<'a, W, O, P>
where
    O: FnMut(&mut W, &mut Context<'_>) -> Option<Poll<T>>,
    P: FnMut(&mut W, &mut Context<'_>) -> Poll<T>,
{
    UntilReady { waiter, stop, at_once, poll, budget: Budget::default(), waits: false }
}

pub(crate) struct UntilReady<'a, W: ?Sized, O, P> {
    waiter: &'a mut W,
    stop: fn(&mut W),
    at_once: O,
    poll: P,
    budget: Budget,
    /// The waiter may wait.
    waits: bool,
}

/// Nothing in it is pinned.
impl<W: ?Sized, O, P> Unpin for UntilReady<'_, W, O, P> {}

impl<W: ?Sized, T, O, P> Future for UntilReady<'_, W, O, P>
where
    O: FnMut(&mut W, &mut Context<'_>) -> Option<Poll<T>>,
    P: FnMut(&mut W, &mut Context<'_>) -> Poll<T>,
{
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        // Also if one of them panics.
        this.waits = true;
        if let Some(found) = (this.at_once)(this.waiter, context) {
            this.waits = found.is_pending();
            return found;
        }
        let Self { waiter, poll, .. } = this;
        let value = ready!(this.budget.poll(context, |context| poll(waiter, context)));
        // To stop might forget a waker, which is code of others and may panic. Then what was found would be
        // lost.
        this.waits = false;
        Poll::Ready(value)
    }
}

impl<W: ?Sized, O, P> Drop for UntilReady<'_, W, O, P> {
    fn drop(&mut self) {
        if self.waits {
            (self.stop)(self.waiter);
        }
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use std::cmp::Ordering;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::task::Waker;

    /// How often it was looked at, polled and stopped.
    #[derive(Default, PartialEq, Debug)]
    struct Waiter {
        looks: u32,
        polls: u32,
        stops: u32,
    }

    /// Waits until the look, or the poll, of that number, and is dropped after so many polls. Tells what it found.
    fn wait(waiter: &mut Waiter, look: u32, poll: u32, polls: u32) -> Option<&'static str> {
        let mut waiting = pin!(at_once_or_ready(
            waiter,
            |waiter| waiter.stops += 1,
            |waiter, _| {
                waiter.looks += 1;
                assert!(waiter.looks < 9, "on purpose");
                match waiter.looks.cmp(&look) {
                    Ordering::Less => None,
                    Ordering::Equal => Some(Poll::Ready("at once")),
                    Ordering::Greater => Some(Poll::Pending),
                }
            },
            |waiter, _| {
                waiter.polls += 1;
                assert!(waiter.polls < 9, "on purpose");
                if waiter.polls == poll { Poll::Ready("polled") } else { Poll::Pending }
            },
        ));
        let mut context = Context::from_waker(Waker::noop());
        (0..polls).find_map(|_| match waiting.as_mut().poll(&mut context) {
            Poll::Ready(found) => Some(found),
            Poll::Pending => None,
        })
    }

    #[test]
    fn who_finds_nothing_is_stopped_when_it_is_dropped_and_no_other() {
        for (look, poll, polls, found, [looks, polled, stops]) in [
            (9, 9, 0, None, [0, 0, 0]),
            (9, 9, 2, None, [2, 2, 1]),
            (1, 9, 1, Some("at once"), [1, 0, 0]),
            (2, 9, 3, Some("at once"), [2, 1, 0]),
            (9, 1, 1, Some("polled"), [1, 1, 0]),
            (9, 2, 3, Some("polled"), [2, 2, 0]),
            (0, 9, 2, None, [2, 0, 1]),
        ] {
            let mut waiter = Waiter::default();
            assert_eq!(wait(&mut waiter, look, poll, polls), found);
            assert_eq!(waiter, Waiter { looks, polls: polled, stops });
        }
    }

    #[test]
    fn who_panics_is_stopped() {
        for (looks, polls) in [(0, 8), (8, 0)] {
            let mut waiter = Waiter { looks, polls, stops: 0 };
            let panic = catch_unwind(AssertUnwindSafe(|| wait(&mut waiter, 9, 9, 1)));
            assert!(panic.is_err());
            assert_eq!(waiter.stops, 1);
        }
    }
}
