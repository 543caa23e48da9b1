//! What a caller has done on the thread of children, and waits for on whatever runtime there is.

use super::driver;
use crate::io::Blocking;
use crate::io::layers::Until;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

/// The task of a future on the thread of children. Dropped, it ends.
///
/// The caller's waker is run by tokio, which lives through its panics.
#[derive(Debug)]
pub(super) struct Job<T>(JoinHandle<T>);

impl<T: Send + 'static> Job<T> {
    /// Starts it. There is a thread: a child was spawned.
    pub(super) fn start(future: impl Future<Output = T> + Send + 'static) -> Self {
        match driver::handle() {
            Ok(handle) => Self(handle.spawn(future)),
            Err(_) => unreachable!("the thread of children runs as long as the process"),
        }
    }

    /// Parks this thread until the job is done.
    pub(super) fn park(self) -> T {
        let poll = |job: &mut Self, context: &mut Context<'_>| Pin::new(job).poll(context);
        let done = Blocking::new(self).poll_or_wait(
            Until::Forever,
            |_| {},
            |job, context| match context {
                Some(context) => poll(job, context),
                None => Poll::Pending,
            },
        );
        match done {
            Some(value) => value,
            None => unreachable!("it waits for ever"),
        }
    }
}

impl<T> Future for Job<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match ready!(Pin::new(&mut self.0).poll(context)) {
            Ok(value) => Poll::Ready(value),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => unreachable!("only its drop ends it"),
            },
        }
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
