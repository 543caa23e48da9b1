//! Starting the leader of a job.

use super::leader::Leader;
use super::terminal::Foreground;
use crate::process::command::Command;
use std::io;
use std::os::windows::io::AsHandle;
use std::os::windows::process::CommandExt;
use std::process::Child;
use tokio::runtime::Handle;
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_SUSPENDED};

/// Starts it, in a job of its own.
pub(in crate::process) fn start(
    command: &mut Command,
    _: Option<Foreground>,
    _: &Handle,
) -> io::Result<(Child, Leader)> {
    let flags = command.creation_flags | CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP;
    let mut started = command.command.creation_flags(flags).spawn()?;
    let process = started.as_handle().try_clone_to_owned();
    match process.and_then(|process| Leader::new(started.id(), process, command.ends_with_us)) {
        Ok(leader) => Ok((started, leader)),
        Err(error) => {
            // It has not run yet, and is not to.
            let _it_may_be_gone = started.kill();
            Err(error)
        }
    }
}
