//! The process that was spawned: the one place that knows whether it was reaped.
//!
//! A number of a process is its own until it is reaped. From then on the system may give it to another one.
//! So whatever uses the number, and the reaping, happen behind one lock. A pidfd has no such trouble: it stays
//! of the process that it was opened for.

#[cfg(all(test, target_os = "linux"))]
mod tests;

use super::group;
use super::terminal::Foreground;
use crate::process::signal::Signal;
use crate::process::status::{Exit, KnownExit, Status};
use crate::sync::{Mutex, lock};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::Interest;

#[derive(Debug)]
pub(in crate::process) struct Leader {
    pid: Pid,
    /// `None` where the system has none: macOS, before Linux 5.3, behind some filters of system calls, and where
    /// there are no descriptors left.
    pidfd: Option<Arc<OwnedFd>>,
    /// Whether the pidfd reaches the group: from Linux 6.9 on.
    reaches_group: bool,
    state: Mutex<State>,
    /// Told when the state is no longer `Runs`.
    exit: Arc<KnownExit>,
}

#[derive(Debug)]
struct State {
    life: Life,
    /// Somebody may still want to signal the group by its number, which the unreaped leader keeps from being
    /// used anew.
    is_held: bool,
    /// Given back with its end.
    foreground: Option<Foreground>,
}

#[derive(Clone, Copy, Debug)]
enum Life {
    Runs,
    /// Ended, and not reaped.
    Ended(Exit),
    /// Reaped, by us or by others.
    Reaped(Exit),
}

/// What a process has by which it is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::process) enum Means {
    /// Whatever the system has.
    All,
    /// No signals to the group through a pidfd, as before Linux 6.9.
    #[cfg(test)]
    PidfdOfOne,
    /// No pidfd.
    #[cfg(test)]
    Number,
}

impl Leader {
    /// Of a child that was just spawned, as the leader of a group.
    pub(in crate::process) fn new(pid: Pid, means: Means) -> Self {
        let pidfd = open_pidfd(pid, means).map(Arc::new);
        let reaches_group =
            means == Means::All && pidfd.as_ref().is_some_and(|pidfd| reaches_group(pidfd));
        let state = State { life: Life::Runs, is_held: true, foreground: None };
        let mut leader = Self {
            pid,
            pidfd,
            reaches_group,
            state: Mutex::new(state),
            exit: Arc::new(KnownExit::not_yet()),
        };
        // It has ended already, and was reaped by others, maybe before the pidfd was opened. Then that is of
        // nobody, or of another process of the same number, whose group is not to be signalled.
        if leader.look().is_some_and(|exit| exit.status == Status::Unknown) {
            leader.pidfd = None;
            leader.reaches_group = false;
        }
        leader
    }

    pub(in crate::process) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    #[cfg(target_os = "linux")]
    pub(in crate::process) fn pid(&self) -> Pid {
        self.pid
    }

    /// What others learn of its exit, also when this is gone.
    pub(in crate::process) fn exit(&self) -> Arc<KnownExit> {
        self.exit.clone()
    }

    /// Whether it has ended, and how. Reaps it, unless its number is still needed.
    pub(in crate::process) fn look(&self) -> Option<Exit> {
        let mut state = lock(&self.state);
        if let Life::Runs = state.life {
            let found = match self.wait_id(WaitIdOptions::NOWAIT) {
                Ok(None) => return None,
                Ok(Some(found)) => Ok(status_of(&found)),
                Err(error) => Err(error),
            };
            let at = Instant::now();
            state.life = match found {
                Ok(status) => Life::Ended(Exit { status, at }),
                // It is no child of ours any more: the kernel, or other code, has reaped it.
                Err(_) => Life::Reaped(Exit { status: Status::Unknown, at }),
            };
            // Before anybody is told.
            state.foreground = None;
        }
        let exit = self.reap_if_free(&mut state);
        drop(state);
        self.exit.tell(exit);
        Some(exit)
    }

    /// It has the foreground of our terminal until it has ended.
    pub(in crate::process) fn keep_until_its_end(&self, foreground: Foreground) {
        let mut state = lock(&self.state);
        if let Life::Runs = state.life {
            state.foreground = Some(foreground);
        }
    }

    /// From now on nobody signals the group by its number: no zombie stays.
    pub(in crate::process) fn release(&self) {
        lock(&self.state).is_held = false;
        self.look();
    }

    /// Reaps what has ended, unless its number is still needed.
    fn reap_if_free(&self, state: &mut State) -> Exit {
        match state.life {
            Life::Ended(exit) if self.reaches_group || !state.is_held => {
                // If others were faster, the status that we have seen is right all the same.
                let _reaped = self.wait_id(WaitIdOptions::empty());
                state.life = Life::Reaped(exit);
                exit
            }
            Life::Ended(exit) | Life::Reaped(exit) => exit,
            Life::Runs => unreachable!("it was looked at before"),
        }
    }

    fn wait_id(&self, options: WaitIdOptions) -> Result<Option<WaitIdStatus>, Errno> {
        let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        loop {
            match waitid(self.wait_for(), options) {
                Err(Errno::INTR) => {}
                result => return result,
            }
        }
    }

    #[cfg(target_os = "linux")]
    fn wait_for(&self) -> WaitId<'_> {
        use std::os::fd::AsFd;
        match &self.pidfd {
            Some(pidfd) => WaitId::PidFd(pidfd.as_fd()),
            None => WaitId::Pid(self.pid),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn wait_for(&self) -> WaitId<'_> {
        WaitId::Pid(self.pid)
    }

    /// Sends a signal to the group, and to the leader, if that has left it; `None` to look alone. `false`: nobody
    /// is there, or nobody that can be reached without a risk to others.
    pub(in crate::process) fn signal(&self, signal: Option<Signal>) -> io::Result<bool> {
        let sent = self.signal_group(signal)?;
        Ok(self.signal_one_that_left(signal)? || sent)
    }

    /// A leader may have joined another group of its session.
    fn signal_one_that_left(&self, signal: Option<Signal>) -> io::Result<bool> {
        let state = lock(&self.state);
        let Life::Runs = state.life else { return Ok(false) };
        let has_left =
            rustix::process::getpgid(Some(self.pid)).is_ok_and(|group| group != self.pid);
        if !has_left {
            return Ok(false);
        }
        let sent = match signal {
            Some(signal) => rustix::process::kill_process(self.pid, super::raw(signal)),
            None => rustix::process::test_kill_process(self.pid),
        };
        drop(state);
        somebody(sent.map_err(io::Error::from))
    }

    fn signal_group(&self, signal: Option<Signal>) -> io::Result<bool> {
        let raw = signal.map(super::raw);
        #[cfg(target_os = "linux")]
        if let (true, Some(pidfd)) = (self.reaches_group, &self.pidfd) {
            use std::os::fd::AsFd;
            return somebody(super::signal_group(pidfd.as_fd(), raw));
        }
        let state = lock(&self.state);
        if let Life::Reaped(_) = state.life {
            return Ok(false);
        }
        let sent = match raw {
            Some(raw) => rustix::process::kill_process_group(self.pid, raw),
            None => rustix::process::test_kill_process_group(self.pid),
        };
        drop(state);
        somebody(sent.map_err(io::Error::from))
    }

    /// Whether the group can still be signalled.
    pub(in crate::process) fn is_reachable(&self) -> bool {
        self.reaches_group || !matches!(lock(&self.state).life, Life::Reaped(_))
    }

    /// Waits until it has ended. On the thread of children, where the waker is ours.
    pub(in crate::process) async fn exited(&self) -> Exit {
        self.look();
        self.exit.known().await
    }

    /// Watches it until it has ended, and reaps it; then also what becomes ours by that. It runs on the
    /// thread of children for each of them, from the start, whoever waits.
    pub(in crate::process) async fn watch(self: Arc<Self>) {
        match &self.pidfd {
            Some(pidfd) => {
                while self.look().is_none() {
                    if readable(pidfd).await.is_err() {
                        self.wait_on_a_thread().await;
                    }
                }
            }
            None => self.wait_on_a_thread().await,
        }
        if group::adopts_orphans() {
            group::emptied(&self).await;
        }
    }

    /// Waits on a thread that is blocked by that, where there is no pidfd.
    async fn wait_on_a_thread(self: &Arc<Self>) {
        if self.look().is_some() {
            return;
        }
        let (done, waited) = tokio::sync::oneshot::channel();
        let (pid, leader) = (self.pid, self.clone());
        let thread = std::thread::Builder::new().name("overfall-wait".into()).spawn(move || {
            // Nobody else reaps it before: that happens behind this, on the thread that is told.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(pid), options).err() == Some(Errno::INTR) {}
            leader.look();
            let _unless_all_is_over = done.send(());
        });
        match thread {
            Ok(_detached) => drop(waited.await),
            // There is no thread to be had: look now and then.
            Err(_) => {
                while self.look().is_none() {
                    tokio::time::sleep(group::PAUSE).await;
                }
            }
        }
    }
}

/// Waits until a process has ended.
pub(super) async fn readable(pidfd: &Arc<OwnedFd>) -> io::Result<()> {
    let pidfd = super::watch(pidfd.clone(), Interest::READABLE)?;
    pidfd.readable().await?.retain_ready();
    Ok(())
}

fn somebody(sent: io::Result<()>) -> io::Result<bool> {
    match sent {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(false),
        // macOS says so of a group of zombies.
        Err(error)
            if cfg!(target_vendor = "apple") && error.raw_os_error() == Some(libc::EPERM) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn status_of(found: &WaitIdStatus) -> Status {
    let core = if found.dumped() { 0x80 } else { 0 };
    let raw = match (found.exit_status(), found.terminating_signal()) {
        (Some(code), _) => (code & 0xff) << 8,
        (None, Some(signal)) => signal | core,
        (None, None) => return Status::Unknown,
    };
    Status::Known(ExitStatus::from_raw(raw))
}

#[cfg(target_os = "linux")]
fn open_pidfd(pid: Pid, means: Means) -> Option<OwnedFd> {
    #[cfg(test)]
    if means == Means::Number {
        return None;
    }
    let _all = means;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(target_os = "linux")]
fn reaches_group(pidfd: &OwnedFd) -> bool {
    use std::os::fd::AsFd;
    super::signal_group(pidfd.as_fd(), None).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn open_pidfd(_: Pid, _: Means) -> Option<OwnedFd> {
    None
}

#[cfg(not(target_os = "linux"))]
fn reaches_group(_: &OwnedFd) -> bool {
    false
}
