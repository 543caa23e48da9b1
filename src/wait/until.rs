//! Waiting in async code.

use super::budget::Budget;
use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll};

/// Waits until `poll` is ready, and lets tasks have their turns. `poll` has the waiter wait no more when it
/// is. If the future is dropped before, `stop` does.
pub(crate) async fn until_ready<W: ?Sized, T>(
    waiter: &mut W,
    stop: fn(&mut W),
    mut poll: impl FnMut(&mut W, &mut Context<'_>) -> Poll<T>,
) -> T {
    struct Waiting<'a, W: ?Sized> {
        waiter: &'a mut W,
        stop: fn(&mut W),
    }
    impl<W: ?Sized> Drop for Waiting<'_, W> {
        fn drop(&mut self) {
            (self.stop)(self.waiter);
        }
    }
    let waiting = Waiting { waiter, stop };
    let mut budget = Budget::default();
    let value =
        poll_fn(|context| budget.poll(context, |context| poll(&mut *waiting.waiter, context)))
            .await;
    // To stop might forget a waker, which is code of others and may panic. Then what was found would be
    // lost.
    mem::forget(waiting);
    value
}
