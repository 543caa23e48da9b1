//! What does without a pidfd that reaches the group, or without any.

use super::*;
use crate::process::driver;
use crate::process::job::Job;
use crate::process::shut_down::{ShutDown, Took};
use rustix::process::Signal as Raw;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const MEANS: [Means; 3] = [Means::All, Means::PidfdOfOne, Means::Number];

fn start(script: &str, means: Means) -> Arc<Leader> {
    let mut command = Command::new("sh");
    command.args(["-c", script]).process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
    let pid = command.spawn().unwrap().id();
    let leader = Arc::new(Leader::new(Pid::from_raw(pid as i32).unwrap(), means));
    driver::handle().unwrap().spawn(leader.clone().watch());
    leader
}

fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    stat[stat.rfind(')')? + 2..].chars().next()
}

fn until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it hangs");
        thread::sleep(Duration::from_millis(1));
    }
}

fn shut_down(leader: &Arc<Leader>, policy: ShutDown) -> (Took, Status) {
    let of_it = leader.clone();
    Job::start(async move {
        let (took, survivors) = policy.run(&of_it).await;
        assert!(survivors.is_empty());
        (took, of_it.exited().await.status)
    })
    .park()
}

#[test]
fn a_leader_is_reaped_at_once_where_its_number_is_not_needed_and_else_when_it_is_released() {
    for means in MEANS {
        let leader = start("exit 5", means);
        let of_it = leader.clone();
        let exit = Job::start(async move { of_it.exited().await }).park();
        assert_eq!(exit.status.code(), Some(5), "{means:?}");
        assert_eq!(state(leader.pid()), (!leader.reaches_group).then_some('Z'), "{means:?}");
        leader.release();
        assert_eq!(state(leader.pid()), None, "{means:?}");
        // From here on the number may be another's.
        assert!(!leader.signal(Some(Signal::Kill)).unwrap(), "{means:?}");
    }
}

#[test]
fn a_member_that_outlives_its_leader_is_reached_by_all_means() {
    for means in MEANS {
        let leader = start("sleep 60 & exit 5", means);
        until(|| leader.look().is_some());
        let (took, status) = shut_down(&leader, ShutDown::terminate(Duration::from_secs(30)));
        assert_eq!((took, status.code()), (Took::Phase(0), Some(5)), "{means:?}");
        leader.release();
        assert_eq!(state(leader.pid()), None, "{means:?}");
    }
}

#[test]
fn a_kill_is_told_by_all_means() {
    for means in MEANS {
        let leader = start("exec sleep 60", means);
        let (took, status) = shut_down(&leader, ShutDown::at_once());
        assert_eq!((took, status.signal()), (Took::Kill, Some(9)), "{means:?}");
        leader.release();
        assert_eq!(state(leader.pid()), None, "{means:?}");
    }
}

#[test]
fn a_number_that_was_reaped_by_others_is_not_signalled() {
    for means in MEANS {
        let leader = start("exec sleep 60", means);
        rustix::process::kill_process(leader.pid(), Raw::KILL).unwrap();
        // Either of us is first.
        let others =
            rustix::process::waitpid(Some(leader.pid()), rustix::process::WaitOptions::empty());
        until(|| leader.look().is_some());
        let status = leader.look().unwrap().status;
        assert!(status == Status::Unknown || status.signal() == Some(9), "{means:?} {others:?}");
        leader.release();
        assert!(!leader.signal(Some(Signal::Kill)).unwrap(), "{means:?}");
    }
}

/// As where SIGCHLD is ignored: by the time that we look, the number may be another's.
#[test]
fn a_child_that_others_reaped_before_we_looked_is_never_signalled() {
    let mut command = Command::new("sh");
    let child = command.args(["-c", "sleep 60 & exit 5"]).process_group(0).stdout(Stdio::null());
    let mut child = child.stdin(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_raw(child.id() as i32).unwrap();
    // What is left of its group keeps the number, and stands for a group of strangers.
    child.wait().unwrap();
    let leader = Leader::new(pid, Means::All);
    assert_eq!(leader.look().unwrap().status, Status::Unknown);
    assert!(!leader.signal(Some(Signal::Kill)).unwrap());
    rustix::process::kill_process_group(pid, Raw::KILL).expect("it was left alone");
}
