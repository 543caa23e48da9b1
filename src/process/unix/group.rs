//! The members of a child's process group, other than its leader.
//!
//! The system tells nobody when a group is empty. So one member after the other is looked up in `/proc`, and
//! waited for through a pidfd of its own. Signal 0 alone does not do: a zombie answers it, too.

use super::leader::Leader;
#[cfg(target_os = "linux")]
use super::leader::readable;
use crate::process::outcome::Process;
use std::time::Duration;

/// How long to wait between two looks where there is nothing to wait for: without `/proc`, or without pidfds.
pub(in crate::process) const PAUSE: Duration = Duration::from_millis(10);

/// What to wait for next.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "where there are pidfds"))]
enum Next {
    /// Nobody is left.
    Empty,
    /// A member ends.
    #[cfg(target_os = "linux")]
    Member(std::sync::Arc<std::os::fd::OwnedFd>),
    /// It can only be looked at again.
    Again,
}

/// Waits until the group of a leader has no member that is not a zombie. Reaps those that were left to us.
///
/// If the leader was reaped by others where no pidfd reaches the group, nobody can tell, and it is over at
/// once.
pub(in crate::process) async fn emptied(leader: &Leader) {
    leader.exited().await;
    loop {
        match next(leader) {
            Next::Empty => return,
            #[cfg(target_os = "linux")]
            Next::Member(pidfd) => {
                if readable(&pidfd).await.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Next::Again => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(target_os = "linux")]
fn next(leader: &Leader) -> Next {
    if !is_there(leader) {
        return Next::Empty;
    }
    let Some(members) = linux::members(leader.pid()) else { return Next::Again };
    let mut next = Next::Empty;
    for member in members {
        if member.is_zombie {
            linux::reap(&member);
        } else if let Next::Empty = next {
            next = match linux::open(&member) {
                Some(pidfd) => Next::Member(pidfd.into()),
                None => Next::Again,
            };
        }
    }
    next
}

#[cfg(not(target_os = "linux"))]
fn next(leader: &Leader) -> Next {
    if is_there(leader) { Next::Again } else { Next::Empty }
}

/// Whether anybody answers, zombies too.
fn is_there(leader: &Leader) -> bool {
    leader.is_reachable() && leader.signal(None).unwrap_or(true)
}

/// The members that are no zombies, as far as the system lets us see them.
pub(in crate::process) fn survivors(leader: &Leader) -> Vec<Process> {
    #[cfg(target_os = "linux")]
    if is_there(leader) {
        let members = linux::members(leader.pid()).unwrap_or_default();
        return members
            .iter()
            .filter(|member| !member.is_zombie)
            .map(linux::Member::process)
            .collect();
    }
    let _ = leader;
    Vec::new()
}

/// Whether processes whose parent ends become children of ours: we are process 1, or a subreaper.
pub(in crate::process) fn adopts_orphans() -> bool {
    #[cfg(target_os = "linux")]
    {
        let is_subreaper = rustix::process::child_subreaper();
        rustix::process::getpid().is_init() || is_subreaper.is_ok_and(|pid| pid.is_some())
    }
    #[cfg(not(target_os = "linux"))]
    rustix::process::getpid().is_init()
}

#[cfg(target_os = "linux")]
pub(in crate::process) use linux::holders;

#[cfg(target_os = "linux")]
mod linux {
    use super::Process;
    use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
    use std::os::fd::{AsFd, OwnedFd};
    use std::{fs, io};

    pub(super) struct Member {
        pid: Pid,
        group: i32,
        parent: i32,
        pub(super) is_zombie: bool,
        name: String,
    }

    impl Member {
        pub(super) fn process(&self) -> Process {
            Process { id: self.pid.as_raw_nonzero().get().unsigned_abs(), name: self.name.clone() }
        }

        /// Whether it is a child of ours that has not come to its `exec`: it is this program still.
        fn is_being_started(&self) -> bool {
            let program = |of: &str| fs::read_link(format!("/proc/{of}/exe")).ok();
            let is_ours = self.parent == rustix::process::getpid().as_raw_nonzero().get();
            is_ours && program(&self.pid.as_raw_nonzero().to_string()) == program("self")
        }

        /// What `/proc` says of a process. `None` if it is not there, which is not the same as that it cannot be
        /// looked up.
        fn look_up(pid: Pid) -> io::Result<Option<Self>> {
            match fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())) {
                Ok(stat) => Ok(Self::of(pid, &stat)),
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        }

        fn of(pid: Pid, stat: &[u8]) -> Option<Self> {
            // A name may be no UTF-8.
            let stat = String::from_utf8_lossy(stat);
            // The name stands in parentheses, and may hold some itself.
            let (start, end) = (stat.find('(')?, stat.rfind(')')?);
            let mut rest = stat[end + 1..].split_ascii_whitespace();
            let state = rest.next()?;
            let parent = rest.next()?.parse().ok()?;
            let group = rest.next()?.parse().ok()?;
            // The number of threads is the 20th field. A process whose first thread has ended looks like a
            // zombie, and is none while other threads of it run.
            let threads: u64 = rest.nth(14)?.parse().ok()?;
            let is_zombie = matches!(state, "Z" | "X") && threads <= 1;
            Some(Self { pid, group, parent, is_zombie, name: stat[start + 1..end].to_owned() })
        }
    }

    /// The processes of a group, or `None` where it cannot be told: `/proc` is not there, or is of other numbers than
    /// ours, or there are no descriptors left to look with.
    pub(super) fn members(group: Pid) -> Option<Vec<Member>> {
        let group = group.as_raw_nonzero().get();
        let mut members = Vec::new();
        for pid in processes()? {
            members.extend(Member::look_up(pid).ok()?.filter(|member| member.group == group));
        }
        Some(members)
    }

    fn processes() -> Option<impl Iterator<Item = Pid>> {
        let own = fs::read_link("/proc/self").ok()?;
        let own: i32 = own.to_str()?.parse().ok()?;
        if own != rustix::process::getpid().as_raw_nonzero().get() {
            return None;
        }
        let number = |entry: fs::DirEntry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?);
        Some(fs::read_dir("/proc").ok()?.filter_map(move |entry| number(entry.ok()?)))
    }

    /// A pidfd of a member, if the number is still that of a member.
    pub(super) fn open(member: &Member) -> Option<OwnedFd> {
        let pidfd = pidfd_open(member.pid, PidfdFlags::empty()).ok()?;
        let now = Member::look_up(member.pid).ok()??;
        (now.group == member.group).then_some(pidfd)
    }

    /// Reaps a zombie that was left to us.
    pub(super) fn reap(member: &Member) {
        let is_ours = member.parent == rustix::process::getpid().as_raw_nonzero().get();
        if let Some(pidfd) = is_ours.then(|| open(member)).flatten() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            // If others were faster, it is done.
            let _reaped = waitid(WaitId::PidFd(pidfd.as_fd()), options);
        }
    }

    /// Which processes other than this one have one of the pipes of these numbers open. Those of other users do not
    /// show, and children of this program that have not come to their `exec` are none. And whether these alone have.
    pub(in crate::process) fn holders(pipes: &[u64]) -> (Vec<Process>, bool) {
        let wanted: Vec<_> = pipes.iter().map(|pipe| format!("pipe:[{pipe}]")).collect();
        let has_it = |pid: &Pid| {
            let descriptors = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()));
            descriptors.into_iter().flatten().flatten().any(|descriptor| {
                let target = fs::read_link(descriptor.path());
                target.is_ok_and(|target| wanted.iter().any(|pipe| target.as_os_str() == &**pipe))
            })
        };
        let others =
            processes().into_iter().flatten().filter(|pid| *pid != rustix::process::getpid());
        let look_up = |pid| Member::look_up(pid).ok()?;
        let all = others.filter(has_it).filter_map(look_up);
        let (started, holders): (Vec<_>, Vec<_>) = all.partition(Member::is_being_started);
        let are_started = holders.is_empty() && !started.is_empty();
        (holders.iter().map(Member::process).collect(), are_started)
    }
}
