//! The thread that looks after all children: it reads their outputs into rings, waits for their ends, and
//! finishes what was dropped. It has a runtime of its own, so that nothing depends on the user's: a runtime
//! that is blocked, or shut down, stops no child.

use super::system;
use crate::sync::{Mutex, lock};
use std::future::pending;
use std::{io, thread};
use tokio::runtime::{Builder, Handle};

static HANDLE: Mutex<Option<Handle>> = Mutex::new(None);

/// Where the futures of children run. The thread is started with the first call, and stays.
pub(super) fn handle() -> io::Result<Handle> {
    let mut started = lock(&HANDLE);
    if let Some(handle) = &*started {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name("overfall-process".into()).spawn(move || {
        system::block_broken_pipe_signal();
        runtime.block_on(pending::<()>());
    })?;
    Ok(started.insert(handle).clone())
}
