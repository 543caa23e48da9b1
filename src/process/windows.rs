//! What is done otherwise on other systems, as `unix.rs` does it there.
//!
//! A child is the leader of a *job*, to which all belongs that it starts, and of a group of processes that
//! Ctrl-Break reaches. It is started suspended, and runs when it is in its job, so that nobody slips out.

mod calls;
pub(super) mod group;
pub(super) mod leader;
mod not_started;
mod operation;
pub(super) mod pipe;
mod start;
pub(super) mod terminal;
mod wait;

pub(super) use calls::{input_pipe, pipe};
pub(super) use not_started::{hint, not_started};
pub(super) use start::start;

use super::outcome::Process;
use super::status::Status;
use std::io;
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::process::ExitStatus;

/// A handle of ours.
pub(super) type Descriptor = OwnedHandle;

/// There is no such signal.
pub(super) fn block_broken_pipe_signal() {}

/// Nothing panics for want of them.
pub(super) fn no_descriptors() -> io::Error {
    io::ErrorKind::Other.into()
}

/// A pipe has no number by which those are found who have it open.
pub(super) fn number_of(_: &OwnedHandle) -> io::Result<u64> {
    Ok(0)
}

/// Nobody can tell.
pub(super) async fn holders(_: Vec<u64>) -> (Vec<Process>, bool) {
    (Vec::new(), false)
}

/// A console stops nobody who reads from it.
pub(super) fn is_our_terminal(_: impl AsHandle) -> bool {
    false
}

/// No process is ended by a signal.
pub(super) fn signal_of(_: ExitStatus) -> Option<i32> {
    None
}

/// A write that nobody reads fails, and what a program makes of that is its own.
pub(super) fn ended_by_broken_pipe(_: Status) -> bool {
    false
}
