//! tokio's co-operative budget, for whatever waits in async code and is not one of tokio's own traits:
//! a task that always finds work still lets the others of its thread have their turn. Without the
//! feature `tokio` there is none.
//!
//! A spent budget comes back when the runtime has its turn. tokio's own futures wait for that. But
//! another executor may run inside of a task (`futures::executor::block_on` does), which polls its
//! futures until they are done, and then the runtime never has its turn. So ours wake themselves, are
//! pending once, and go on when they are polled again, whatever is left of the budget by then.

#[cfg(feature = "tokio")]
use super::inside::is_inside;
use std::task::{Context, Poll};

/// For tokio's own traits: what takes a unit of the budget.
#[cfg(feature = "tokio")]
mod unit {
    use crate::wait::inside::is_inside;
    use std::task::{Context, Poll};
    use tokio::task::coop::{self, RestoreOnPending};

    /// Nothing if the budget is spent, and the operation goes on all the same.
    pub(crate) struct Unit(Option<RestoreOnPending>);

    impl Unit {
        #[inline]
        pub(crate) fn made_progress(&self) {
            if let Some(unit) = &self.0 {
                unit.made_progress();
            }
        }
    }

    /// Takes a unit. From within an event of ours nobody waits, not for a new budget either: the task
    /// has its turn only when the subscriber is done.
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

/// What a future, or a stream, keeps of the budget from one poll to the next.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// It was pending for the budget alone, and has got nothing done since.
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
        // To ask without need would register the task with the runtime.
        let unit = if has_budget_remaining() { Some(poll_proceed(context)) } else { None };
        if unit.is_none() && !self.has_yielded && !is_inside() {
            self.has_yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let value = std::task::ready!(poll(context));
        if let Some(Poll::Ready(unit)) = unit {
            unit.made_progress();
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
