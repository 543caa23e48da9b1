//! tokio's co-operative budget, for whatever waits in async code: a task that always finds work
//! still lets the others of its thread have their turn. Without the feature `tokio` there is none.

#[cfg(feature = "tokio")]
mod limited {
    use crate::trace;
    use std::task::{Context, Poll};
    use tokio::task::coop::{self, RestoreOnPending};

    /// Nothing if it is spent, and the operation goes on all the same.
    pub(crate) struct Budget(Option<RestoreOnPending>);

    impl Budget {
        #[inline]
        pub(crate) fn made_progress(&self) {
            if let Some(budget) = &self.0 {
                budget.made_progress();
            }
        }
    }

    /// Takes a unit. From within an event of ours nobody waits, not for a new budget either: the task
    /// has its turn only when the subscriber is done.
    #[inline]
    pub(crate) fn poll_proceed(context: &mut Context<'_>) -> Poll<Budget> {
        match coop::poll_proceed(context) {
            Poll::Ready(budget) => Poll::Ready(Budget(Some(budget))),
            Poll::Pending if trace::is_inside() => Poll::Ready(Budget(None)),
            Poll::Pending => Poll::Pending,
        }
    }
}
#[cfg(feature = "tokio")]
pub(crate) use limited::poll_proceed;

#[cfg(not(feature = "tokio"))]
mod unlimited {
    use std::task::{Context, Poll};

    pub(crate) struct Unlimited;

    impl Unlimited {
        #[inline]
        pub(crate) fn made_progress(&self) {}
    }

    #[inline]
    pub(crate) fn poll_proceed(_: &mut Context<'_>) -> Poll<Unlimited> {
        Poll::Ready(Unlimited)
    }
}
#[cfg(not(feature = "tokio"))]
pub(crate) use unlimited::poll_proceed;
