//! The process that was spawned, and its job.
//!
//! Its number stays its own as long as there is a handle of it, so that nobody else is signalled.

use super::{calls, group, wait};
use crate::process::signal::Signal;
use crate::process::status::{Exit, Status};
use crate::sync::OnceLock;
use std::io;
use std::os::windows::io::OwnedHandle;
use std::os::windows::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// What those exit with who were killed, as those that the standard library kills.
const KILLED: u32 = 1;

#[derive(Debug)]
pub(in crate::process) struct Leader {
    id: u32,
    process: Arc<OwnedHandle>,
    job: OwnedHandle,
    /// The job ends with its last handle, which is this one.
    ends_with_us: bool,
    exit: OnceLock<Exit>,
    /// Tells those who wait that there is an exit.
    ended: watch::Sender<bool>,
}

impl Leader {
    /// Of a process that was started suspended: puts it into a job of its own, and has it run.
    pub(super) fn new(id: u32, process: OwnedHandle, ends_with_us: bool) -> io::Result<Self> {
        let job = calls::job()?;
        if ends_with_us {
            calls::kill_on_close(&job)?;
        }
        calls::assign(&job, &process)?;
        calls::resume(id)?;
        let (process, ended) = (Arc::new(process), watch::Sender::new(false));
        Ok(Self { id, process, job, ends_with_us, exit: OnceLock::new(), ended })
    }

    pub(in crate::process) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn job(&self) -> &OwnedHandle {
        &self.job
    }

    /// Whether it has ended, and how.
    pub(in crate::process) fn look(&self) -> Option<Exit> {
        if let Some(exit) = self.exit.get() {
            return Some(*exit);
        }
        let status = match calls::exit_code(&self.process) {
            Ok(None) => return None,
            Ok(Some(code)) => Status::Known(ExitStatus::from_raw(code)),
            Err(_) => Status::Unknown,
        };
        let exit = *self.exit.get_or_init(|| Exit { status, at: Instant::now() });
        self.ended.send_if_modified(|ended| !std::mem::replace(ended, true));
        Some(exit)
    }

    /// There is nothing to be reaped: its handles go with this.
    pub(in crate::process) fn release(&self) {}

    /// Presses Ctrl-Break for its group, or ends its job. `false`: nobody is there.
    pub(in crate::process) fn signal(&self, signal: Option<Signal>) -> io::Result<bool> {
        if calls::members(&self.job)?.is_empty() {
            return Ok(false);
        }
        match signal {
            None => {}
            Some(Signal::Interrupt | Signal::Quit | Signal::Terminate) => {
                calls::press_break(self.id)?;
            }
            Some(Signal::Kill) => calls::terminate(&self.job, KILLED)?,
            Some(_) => {
                let text =
                    "Windows has no such signal: `Terminate` is Ctrl-Break, and `Kill` ends all";
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
        }
        Ok(true)
    }

    /// Waits until it has ended. On the thread of children, where the waker is ours.
    pub(in crate::process) async fn exited(&self) -> Exit {
        loop {
            let mut ended = self.ended.subscribe();
            if let Some(exit) = self.look() {
                return exit;
            }
            // The sender is ours, and lives as long.
            let _changed = ended.wait_for(|ended| *ended).await;
        }
    }

    /// Watches it until it has ended. It runs on the thread of children for each of them, from the start, whoever
    /// waits.
    pub(in crate::process) async fn watch(self: Arc<Self>) {
        while self.look().is_none() {
            if wait::signalled(&self.process).await.is_err() {
                tokio::time::sleep(group::PAUSE).await;
            }
        }
        if self.ends_with_us {
            // Those that outlive it are not to end before this program does.
            group::emptied(&self).await;
        }
    }
}
