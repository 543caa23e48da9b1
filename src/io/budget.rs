//! tokio's co-operative budget, for whatever waits in async code: a task that always finds work
//! still lets the others of its thread have their turn. Without the feature `tokio` there is none.

#[cfg(feature = "tokio")]
pub(crate) use tokio::task::coop::poll_proceed;

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
