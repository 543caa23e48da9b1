//! The foreground of our terminal, handed to the group of a child and taken back.
//!
//! A group that is not in the foreground is stopped when it reads from its terminal. The child puts its group
//! there itself, between fork and exec (`unix.rs`), so that there is no time in which it could read too early.
//! It is taken back before anybody learns that the child has ended: the leader (`leader.rs`) has this until then.

use super::{set_foreground, take_foreground};
use crate::sync::{AtomicBool, Ordering};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, getpgrp, test_kill_process_group};
use rustix::termios::tcgetpgrp;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Our terminal, while a child may have its foreground. Dropped, it is taken back.
#[derive(Debug)]
pub(in crate::process) struct Foreground {
    terminal: OwnedFd,
    /// Once it is known.
    child: Option<Pid>,
}

/// Whether the commands of a [`Command`] ask for the foreground, as their stdin may change.
pub(in crate::process) type Asks = Arc<AtomicBool>;

impl Foreground {
    /// Fails if this program has none to hand on.
    pub(in crate::process) fn new() -> io::Result<Self> {
        let terminal = match tcgetpgrp(io::stdin()) {
            Ok(_) => io::stdin().as_fd().try_clone_to_owned()?,
            Err(_) => rustix::fs::open("/dev/tty", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
                .map_err(|_| {
                io::Error::other(
                    "this program has no terminal: use another `Input`, or start it in a terminal",
                )
            })?,
        };
        if tcgetpgrp(&terminal)? != getpgrp() {
            return Err(io::Error::other(
                "this program is not in the foreground of its terminal, and cannot hand it on: start it in the \
                 foreground, and wait for a child that has it",
            ));
        }
        Ok(Self { terminal, child: None })
    }

    pub(in crate::process) fn stdio(&self) -> io::Result<Stdio> {
        Ok(Stdio::from(self.terminal.try_clone()?))
    }

    /// It is the group of this child that has it.
    pub(in crate::process) fn was_handed_to(&mut self, child: Pid) {
        self.child = Some(child);
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let Ok(now) = tcgetpgrp(&self.terminal) else { return };
        // Somebody else may have it by now, such as the shell that started us. Of a child that was not started,
        // and of what a child had handed it to, nobody is left.
        let is_childs = self.child == Some(now);
        if now != getpgrp() && (is_childs || test_kill_process_group(now) == Err(Errno::SRCH)) {
            // It has hung up, if not.
            let _taken = set_foreground(&self.terminal, getpgrp());
        }
    }
}

/// Sees to it that the children of this command take the foreground, if they are asked to.
pub(in crate::process) fn ask(command: &mut Command, asks: &mut Option<Asks>, wanted: bool) {
    if asks.is_none() && wanted {
        let asks = asks.insert(Asks::default()).clone();
        take_foreground(command, move || asks.load(Ordering::Relaxed));
    }
    if let Some(asks) = asks {
        // Relaxed: this thread forks, or hands the command to the one that does.
        asks.store(wanted, Ordering::Relaxed);
    }
}
