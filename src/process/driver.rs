//! The thread that looks after all children: it reads their outputs into rings, waits for their ends, and
//! finishes what was dropped. It has a runtime of its own, so that nothing depends on the user's: a runtime
//! that is blocked, or shut down, stops no child.

use super::system;
use crate::sync::{Mutex, lock};
use std::future::{pending, poll_fn};
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::process::id;
use std::task::Poll;
use std::{io, thread};
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, Sleep};

/// Of which process it is, and where its futures run.
static STARTED: Mutex<Option<(u32, Handle)>> = Mutex::new(None);

/// Where the futures of children run. The thread is started with the first call, and stays. A copy of this program
/// (`fork`) does not have it, and gets one of its own.
pub(super) fn handle() -> io::Result<Handle> {
    let mut started = lock(&STARTED);
    if let Some((_, handle)) = started.as_ref().filter(|(process, _)| *process == id()) {
        return Ok(handle.clone());
    }
    let build = || Builder::new_current_thread().enable_io().enable_time().build();
    // Where the program has tokio look after signals, it panics for want of descriptors.
    let runtime = catch_unwind(build).unwrap_or_else(|_| Err(system::no_descriptors()))?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name("overfall-process".into()).spawn(move || {
        system::block_broken_pipe_signal();
        runtime.block_on(pending::<()>());
    })?;
    *started = Some((id(), handle.clone()));
    Ok(handle)
}

/// A future that is ready at `deadline`. It can be awaited on any runtime, and on none.
pub(super) fn sleep_until(deadline: Instant) -> io::Result<Pin<Box<Sleep>>> {
    let runtime = handle()?;
    let _within_it = runtime.enter();
    Ok(Box::pin(tokio::time::sleep_until(deadline)))
}

/// What the first of two futures gave.
pub(super) enum Either<A, B> {
    First(A),
    Second(B),
}

/// Waits for one of two futures, and drops the other. It looks at `a` first.
pub(super) async fn first<A, B>(
    a: impl Future<Output = A>,
    b: impl Future<Output = B>,
) -> Either<A, B> {
    let (mut a, mut b) = (pin!(a), pin!(b));
    poll_fn(|context| match a.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Either::First(value)),
        Poll::Pending => b.as_mut().poll(context).map(Either::Second),
    })
    .await
}
