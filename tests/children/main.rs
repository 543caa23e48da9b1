//! Children on every system: what holds on all of them, with a child of ours (`process/actor.rs`), and what is of
//! Windows. `process` looks closer, on Linux.
#![cfg(any(unix, windows))]

mod all;
#[cfg(windows)]
mod ctrl_break;
#[cfg(windows)]
mod jobs;

use overfall::process::Command;
use std::time::Duration;

/// A child that does this, and counts its time to drain in tenths of a second.
pub(crate) fn actor(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_actor"));
    command.args(script.split(' ').filter(|word| !word.is_empty()));
    command.drain(Duration::from_millis(300), Duration::from_secs(30));
    command
}

/// Parks until the future is done; fails if that takes too long.
#[track_caller]
pub(crate) fn done<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    overfall_tests::within(overfall_tests::LIMIT, || futures::executor::block_on(future))
}
