//! Starting the leader of a group.

use super::leader::{Leader, Means};
use super::terminal::Foreground;
use crate::process::command;
use rustix::process::Pid;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// So long a program may be open for writing before that is an error.
const BUSY: Duration = Duration::from_millis(200);

/// Starts it, and has it keep the foreground that it was handed. On this thread; or, if the child is to end with the
/// thread that started it, on that of children.
pub(in crate::process) fn start(
    command: &mut command::Command,
    foreground: Option<Foreground>,
    handle: &Handle,
) -> io::Result<(Child, Leader)> {
    let ends_with_us = command.ends_with_us;
    let command = command.command.process_group(0);
    let mut attempt = || if ends_with_us { start_bound(command, handle) } else { command.spawn() };
    let begun = Instant::now();
    let started = loop {
        match attempt() {
            // The one who wrote the program may have closed it. But a child that another thread was starting
            // meanwhile has a copy of the descriptor until its `exec`.
            Err(error) if error.raw_os_error() == Some(libc::ETXTBSY) && begun.elapsed() < BUSY => {
                thread::sleep(Duration::from_millis(1));
            }
            started => break started?,
        }
    };
    let Ok(pid) = i32::try_from(started.id()) else { unreachable!("a pid is positive") };
    let Some(pid) = Pid::from_raw(pid) else { unreachable!("a child has a pid") };
    let leader = Leader::new(pid, Means::All);
    if let Some(mut foreground) = foreground {
        foreground.was_handed_to(pid);
        leader.keep_until_its_end(foreground);
    }
    Ok((started, leader))
}

#[cfg(target_os = "linux")]
fn start_bound(command: &mut Command, handle: &Handle) -> io::Result<Child> {
    let mut moved = std::mem::replace(command, Command::new(""));
    let (send, receive) = std::sync::mpsc::channel();
    // It is to inherit from that thread what it would have from this one.
    let blocked = super::Blocked::by_this_thread();
    handle.spawn(async move {
        let started = blocked.during(|| moved.spawn());
        let _who_waits_for_it = send.send((moved, started));
    });
    match receive.recv() {
        Ok((moved, started)) => {
            *command = moved;
            started
        }
        Err(_) => unreachable!("the thread of children runs as long as the process"),
    }
}

#[cfg(not(target_os = "linux"))]
fn start_bound(_: &mut Command, _: &Handle) -> io::Result<Child> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "`ends_with_us` needs Linux or Windows"))
}
