//! tokio's co-operative budget, for operations that wait in async code and belong to none of
//! tokio's own traits. With it, a task that always finds work still lets the other tasks of its
//! thread run. Without the feature `tokio` there is no budget.
//!
//! A spent budget comes back when the runtime runs. tokio's own futures wait for that. But another
//! executor may run inside of a task, as `futures::executor::block_on` does. It polls its futures
//! until they are done, and meanwhile the runtime never runs. So our futures wake themselves, are
//! pending once, and go on when they are polled again, even if the budget is still spent.

#[cfg(feature = "tokio")]
use super::inside::is_inside;
use std::task::{Context, Poll};

/// For tokio's own traits: takes a unit of the budget.
#[cfg(feature = "tokio")]
mod unit {
    use crate::wait::inside::is_inside;
    use std::task::{Context, Poll};
    use tokio::task::coop::{self, RestoreOnPending};

    /// `None` if the budget is spent, and the operation goes on all the same.
    pub(crate) struct Unit(Option<RestoreOnPending>);

    impl Unit {
        /// Whether there was one.
        #[inline]
        pub(crate) fn made_progress(&self) -> bool {
            if let Some(unit) = &self.0 {
                unit.made_progress();
            }
            self.0.is_some()
        }
    }

    /// Takes a unit. Within an event of ours no thread waits, not for a new budget either: the task
    /// is polled again only when the subscriber is done.
    #[inline]
    pub(crate) fn poll_proceed(context: &mut Context<'_>) -> Poll<Unit> {
        match coop::poll_proceed(context) {
            Poll::Ready(unit) => Poll::Ready(Unit(Some(unit))),
            Poll::Pending if is_inside() => Poll::Ready(Unit(None)),
            Poll::Pending => Poll::Pending,
        }
    }
}
#[cfg(feature = "tokio")]
pub(crate) use unit::poll_proceed;

/// What an endpoint has left of the last unit that it took.
///
/// To take a unit costs as much as the rest of a read of a few bytes. So one stands for [`SMALL`] operations
/// of an endpoint, each of which copies a [little](is_small), or for one that copies more. The first operation of an
/// endpoint takes one. A task yields all the same, after some more of what takes tens of nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    #[cfg(feature = "tokio")]
    left: u8,
}

/// So many small operations are one unit of the budget.
#[cfg(feature = "tokio")]
const SMALL: u8 = 4;

/// Whether an operation of so many bytes is small, and does something. To copy a KiB takes about as long as the rest
/// of the operation.
#[inline(always)]
pub(crate) const fn is_small(length: usize) -> bool {
    length.wrapping_sub(1) < 1024
}

#[cfg(feature = "tokio")]
impl Allowance {
    /// Takes what an operation needs, before it: a part of a unit. One that may wait, or is not
    /// [small](is_small), [settles](Self::settle) that behind it.
    #[inline(always)]
    pub(crate) fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let (left, is_spent) = self.left.overflowing_sub(1);
        self.left = left;
        if is_spent { self.poll_renew(context) } else { Poll::Ready(()) }
    }

    /// It got nothing done.
    #[inline]
    pub(crate) fn give_back(&mut self) {
        self.left += 1;
    }

    /// Whether something is left for an operation that is small, and [pays](Self::pay) behind it. If not, nothing
    /// is registered with the runtime, which would keep a waker for each time until it runs.
    #[inline(always)]
    pub(crate) fn is_left(&self) -> bool {
        self.left > 0 || is_left_in_runtime()
    }

    /// Takes what a small operation needs, once it is done.
    #[inline(always)]
    pub(crate) fn pay(&mut self, context: &mut Context<'_>) {
        let _it_was_left = self.poll_take(context);
    }

    #[inline(never)]
    fn poll_renew(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.left = 0;
        if std::task::ready!(poll_proceed(context)).made_progress() {
            self.left = SMALL - 1;
        }
        Poll::Ready(())
    }

    /// Takes the rest of the unit for an operation that is not small, and gives back what one has taken that
    /// got nothing done.
    pub(crate) fn settle<E>(&mut self, done: Poll<Result<usize, E>>) -> Poll<Result<usize, E>> {
        match done {
            Poll::Ready(Ok(bytes)) if bytes > 0 && !is_small(bytes) => self.left = 0,
            Poll::Ready(_) => {}
            Poll::Pending => self.give_back(),
        }
        done
    }
}

#[cfg(feature = "tokio")]
#[inline(never)]
fn is_left_in_runtime() -> bool {
    tokio::task::coop::has_budget_remaining()
}

#[cfg(not(feature = "tokio"))]
impl Allowance {
    #[inline(always)]
    pub(crate) fn is_left(&self) -> bool {
        true
    }

    #[inline(always)]
    pub(crate) fn pay(&mut self, _: &mut Context<'_>) {}
}

/// What a future, or a stream, keeps of the budget from one poll to the next.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// Whether it was pending for the budget alone, and has got nothing done since.
    #[cfg(feature = "tokio")]
    has_yielded: bool,
}

impl Budget {
    /// Polls, and takes a unit of the budget if that got something done.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        use tokio::task::coop::{has_budget_remaining, poll_proceed};
        // To ask for a unit that is not there would register the task with the runtime; to ask for one that is not
        // used takes as long as to poll.
        let is_left = has_budget_remaining();
        if !is_left && !self.has_yielded && !is_inside() {
            self.has_yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let value = std::task::ready!(poll(context));
        if is_left {
            if let Poll::Ready(unit) = poll_proceed(context) {
                unit.made_progress();
            }
        }
        self.has_yielded = false;
        Poll::Ready(value)
    }

    #[cfg(not(feature = "tokio"))]
    #[inline]
    pub(crate) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        poll(context)
    }
}
