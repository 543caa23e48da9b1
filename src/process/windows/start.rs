//! Starting the leader of a job.

use super::leader::Leader;
use super::terminal::Foreground;
use std::io;
use std::os::windows::io::AsHandle;
use std::os::windows::process::CommandExt;
use std::process::{Child, Command};
use tokio::runtime::Handle;
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_SUSPENDED};

pub(in crate::process) fn start(
    command: &mut Command,
    ends_with_us: bool,
    _: Option<Foreground>,
    _: &Handle,
) -> io::Result<(Child, Leader)> {
    command.creation_flags(CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP);
    let mut started = command.spawn()?;
    let process = started.as_handle().try_clone_to_owned();
    match process.and_then(|process| Leader::new(started.id(), process, ends_with_us)) {
        Ok(leader) => Ok((started, leader)),
        Err(error) => {
            // It has not run yet, and is not to.
            let _it_may_be_gone = started.kill();
            Err(error)
        }
    }
}
