//! The process that was spawned, and its job.
//!
//! Its number stays its own as long as there is a handle of it, so that nobody else is signalled.

use super::{calls, group, wait};
use crate::process::signal::Signal;
use crate::process::status::{Exit, KnownExit, Status};
use std::io;
use std::os::windows::io::OwnedHandle;
use std::os::windows::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

/// What those exit with who were killed, as those that the standard library kills.
const KILLED: u32 = 1;

#[derive(Debug)]
pub(in crate::process) struct Leader {
    id: u32,
    process: Arc<OwnedHandle>,
    job: OwnedHandle,
    /// The job ends with its last handle, which is this one.
    ends_with_us: bool,
    exit: Arc<KnownExit>,
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
        let (process, exit) = (Arc::new(process), Arc::new(KnownExit::not_yet()));
        Ok(Self { id, process, job, ends_with_us, exit })
    }

    pub(in crate::process) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn job(&self) -> &OwnedHandle {
        &self.job
    }

    /// What others learn of its exit, also when this is gone.
    pub(in crate::process) fn exit(&self) -> Arc<KnownExit> {
        self.exit.clone()
    }

    /// Whether it has ended, and how.
    pub(in crate::process) fn look(&self) -> Option<Exit> {
        if let Some(exit) = self.exit.get() {
            return Some(exit);
        }
        let status = match calls::exit_code(&self.process) {
            Ok(None) => return None,
            Ok(Some(code)) => Status::Known(ExitStatus::from_raw(code)),
            Err(_) => Status::Unknown,
        };
        self.exit.tell(Exit { status, at: Instant::now() });
        self.exit.get()
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
        self.look();
        self.exit.known().await
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
