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

/// The same, where `at_once` looks first whether it is ready. That takes from the budget what it needs by
/// itself, and leaves nothing behind where it is not.
#[inline]
pub(crate) fn at_once_or_ready<'a, W: ?Sized, T, O, P>(
    waiter: &'a mut W,
    stop: fn(&mut W),
    at_once: O,
    poll: P,
) -> UntilReady<'a, W, O, P>
where
    O: FnMut(&mut W, &mut Context<'_>) -> Option<T>,
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
    O: FnMut(&mut W, &mut Context<'_>) -> Option<T>,
    P: FnMut(&mut W, &mut Context<'_>) -> Poll<T>,
{
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        if !this.waits {
            if let Some(value) = (this.at_once)(this.waiter, context) {
                return Poll::Ready(value);
            }
            this.waits = true;
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
