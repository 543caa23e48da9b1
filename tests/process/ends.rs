//! Every end, of every kind of child, in every place.
//!
//! Each place is a process of its own: this program, started anew. It goes through all ends and children, one
//! after the other, and says what it expects of each.

use crate::support::{Guard, gone, members, processes, shell, until};
use overfall::process::{Child, Outcome, ShutDown, Signal, Took};
use overfall_tests::block_on;
use rustix::process::{Pid, kill_process, kill_process_group, set_child_subreaper};
use std::env;
use std::fs;
use std::future::poll_fn;
use std::pin::pin;
use std::process::Command;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

const PLACE: &str = "OVERFALL_PLACE";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Wait,
    Kill,
    ShutDown,
    Drop,
    Detach,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// It has been stopped.
    Stopped,
    /// It ignores SIGTERM.
    Ignores,
    /// It has exited, and left a process that has left its group.
    LeftGroup,
    /// It has exited, and left a member of its group.
    Outlived,
    /// It has exited.
    Exited,
}

/// Where the caller runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// A thread without a runtime. Alike in a process that adopts orphans, and that is process 1.
    Thread,
    /// In a runtime of one thread, which is blocked while the child ends.
    Blocked,
    /// The runtime in which the child was started has been shut down.
    Gone,
}

#[test]
#[ignore = "it is what the other tests start, and does nothing by itself"]
fn place() {
    let Ok(place) = env::var(PLACE) else { return };
    let caller = match &*place {
        "blocked" => Place::Blocked,
        "gone" => Place::Gone,
        _ => Place::Thread,
    };
    if place == "subreaper" {
        set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    }
    assert_eq!(place == "process 1", std::process::id() == 1);
    let ends = [End::Wait, End::Kill, End::ShutDown, End::Drop, End::Detach];
    let kinds = [Kind::Stopped, Kind::Ignores, Kind::LeftGroup, Kind::Outlived, Kind::Exited];
    for end in ends {
        for kind in kinds {
            println!("{place}: {end:?} of {kind:?}");
            cell(end, kind, caller);
            let left: Vec<_> = processes();
            let left = left.iter().filter(|left| left.parent == std::process::id());
            // What has left its group is out of our reach. Where it becomes our child, the program is to reap
            // it: it is process 1, or wants to be like that. Its `sleep` is named, so nothing else hides here.
            let left: Vec<_> =
                left.filter(|left| left.name != "sleep" || left.group == 0).collect();
            assert!(left.is_empty(), "{place}: {end:?} of {kind:?}: {left:?}");
        }
    }
    println!("done: {place}");
}

/// Such a child, which has come to where it is to be.
fn start(kind: Kind) -> Child {
    let script = match kind {
        Kind::Stopped => "echo ready; exec sleep 60",
        Kind::Ignores => "trap '' TERM; echo ready; while :; do sleep 60; done",
        Kind::LeftGroup => &format!("setsid sleep {} & exit 7", time_of_its_own()),
        Kind::Outlived => "sleep 60 & exit 7",
        Kind::Exited => "exit 7",
    };
    let child = shell(script).spawn().unwrap();
    if matches!(kind, Kind::Stopped | Kind::Ignores) {
        let stats = || child.stdout().unwrap().stats();
        until("it is ready", || stats().payload_bytes == 6);
    }
    match kind {
        Kind::Stopped => {
            assert!(child.signal(Signal::Stop).unwrap());
            let is_stopped = || members(child.id()).iter().all(|member| member.state == 'T');
            until("it is stopped", is_stopped);
        }
        Kind::Ignores => {}
        _ => until("it has exited", || child.status().is_some()),
    }
    if kind == Kind::LeftGroup {
        let all = || processes().into_iter().map(|process| process.id);
        until("one has left the group", || all().any(is_the_one_that_left));
        until("it is no member", || members(child.id()).iter().all(|member| member.state == 'Z'));
    }
    child
}

/// The ends that tell an outcome.
async fn end_of(child: &Child, end: End) -> Outcome {
    match end {
        End::Kill => child.kill().await,
        End::ShutDown => child.shut_down(&ShutDown::terminate(Duration::from_millis(500))).await,
        _ => child.wait().await,
    }
}

fn current() -> Runtime {
    // Nothing of ours needs its drivers.
    Builder::new_current_thread().build().unwrap()
}

fn started(kind: Kind, place: Place) -> Child {
    match place {
        Place::Thread => start(kind),
        Place::Blocked | Place::Gone => current().block_on(async { start(kind) }),
    }
}

fn outcome(child: &Child, end: End, place: Place) -> Outcome {
    match place {
        Place::Thread | Place::Gone => block_on(end_of(child, end)),
        Place::Blocked => current().block_on(async {
            let mut future = pin!(end_of(child, end));
            let begins = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
            // Blocked as it is, all comes to its end.
            until("it has ended", || child.status().is_some());
            if end != End::Wait {
                gone(child.id());
            }
            match begins {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => future.await,
            }
        }),
    }
}

fn cell(end: End, kind: Kind, place: Place) {
    let child = started(kind, place);
    let (id, what) = (child.id(), format!("{end:?} of {kind:?}"));
    let guard = Guard::of(&child);
    let begun = Instant::now();
    match end {
        End::Wait if matches!(kind, Kind::Stopped | Kind::Ignores) => {
            // It lasts as long as the child does, and that is for ever.
            assert!(child.wait_timeout(Duration::from_millis(100)).is_none(), "{what}");
            assert_eq!(child.status(), None, "{what}");
            assert_eq!(block_on(child.kill()).status.signal(), Some(9), "{what}");
        }
        End::Wait | End::Kill | End::ShutDown => {
            let outcome = outcome(&child, end, place);
            assert!(begun.elapsed() < Duration::from_secs(10), "{what}: {:?}", begun.elapsed());
            told(&outcome, end, kind);
            let is_empty = members(id).iter().all(|member| member.state == 'Z');
            assert_eq!(is_empty, (end, kind) != (End::Wait, Kind::Outlived), "{what}");
            if !is_empty {
                // It was waited for, and is not killed. But it can be, also now.
                assert_eq!(block_on(child.kill()).shut_down, Some(Took::Kill), "{what}");
            }
        }
        End::Drop => drop(child),
        End::Detach => {
            child.detach();
            until("no zombie of it is left", || {
                members(id).iter().all(|member| member.state != 'Z')
            });
            let lives_on = matches!(kind, Kind::Stopped | Kind::Ignores | Kind::Outlived);
            assert_eq!(!members(id).is_empty(), lives_on, "{what}");
            if lives_on {
                let group = Pid::from_raw(id as i32).unwrap();
                kill_process_group(group, rustix::process::Signal::KILL).unwrap();
            }
        }
    }
    drop(guard);
    if kind == Kind::LeftGroup {
        // Nobody reaches it by its group.
        until("the one that left has ended", || {
            let mut all = processes();
            all.retain(|process| process.state != 'Z' && is_the_one_that_left(process.id));
            for left in &all {
                // It has a time of its own, and so nobody else is meant, whoever has the number next.
                let id = Pid::from_raw(left.id as i32).unwrap();
                let _unless_it_has_gone = kill_process(id, rustix::process::Signal::KILL);
            }
            all.is_empty()
        });
    }
}

/// By which the one that has left is known.
fn time_of_its_own() -> String {
    format!("60.{}", std::process::id())
}

fn is_the_one_that_left(id: u32) -> bool {
    let wanted = format!("sleep\0{}\0", time_of_its_own());
    fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| line == wanted.as_bytes())
}

fn told(outcome: &Outcome, end: End, kind: Kind) {
    let what = format!("{end:?} of {kind:?}: {outcome:?}");
    let (took, status) = match (end, kind) {
        (End::Kill, Kind::Stopped | Kind::Ignores) => (Some(Took::Kill), Err(9)),
        (End::ShutDown, Kind::Stopped) => (Some(Took::Phase(0)), Err(15)),
        (End::ShutDown, Kind::Ignores) => (Some(Took::Kill), Err(9)),
        (End::Kill, Kind::Outlived) => (Some(Took::Kill), Ok(7)),
        (End::ShutDown, Kind::Outlived) => (Some(Took::Phase(0)), Ok(7)),
        (End::Kill | End::ShutDown, _) => (Some(Took::Nothing), Ok(7)),
        _ => (None, Ok(7)),
    };
    assert_eq!(outcome.shut_down, took, "{what}");
    match status {
        Ok(code) => assert_eq!(outcome.status.code(), Some(code), "{what}"),
        Err(signal) => assert_eq!(outcome.status.signal(), Some(signal), "{what}"),
    }
    let stays_open = kind == Kind::LeftGroup || (end, kind) == (End::Wait, Kind::Outlived);
    for output in outcome.outputs() {
        assert_eq!(output.ended, !stays_open, "{what}");
        let names: Vec<_> = output.open_in.iter().map(|process| &*process.name).collect();
        assert_eq!(names, if stays_open { vec!["sleep"] } else { vec![] }, "{what}");
    }
    assert!(outcome.survivors.is_empty(), "{what}");
}

/// Starts this program in a place, after these words.
fn run(words: &[&str], place: &str) {
    let program = env::current_exe().unwrap();
    let mut words: Vec<_> = words.iter().map(Into::into).collect::<Vec<std::ffi::OsString>>();
    words.push(program.into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).args(["--exact", "ends::place", "--ignored", "--nocapture"]);
    let output = command.arg("--test-threads=1").env(PLACE, place).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("done: "), "{place}: {}: {text}{errors}", output.status);
}

#[test]
fn every_end_of_every_child_on_a_thread_without_a_runtime() {
    run(&[], "plain");
}

#[test]
fn every_end_of_every_child_in_a_subreaper() {
    run(&[], "subreaper");
}

#[test]
fn every_end_of_every_child_in_process_1_of_a_namespace() {
    let unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
    let is_allowed = Command::new(unshare[0]).args(&unshare[1..]).arg("true").output();
    if is_allowed.is_ok_and(|output| output.status.success()) {
        run(&unshare, "process 1");
    } else {
        println!("not run: this system allows no namespaces");
    }
}

#[test]
fn every_end_of_every_child_while_the_runtime_is_blocked() {
    run(&[], "blocked");
}

#[test]
fn every_end_of_every_child_when_the_runtime_has_gone() {
    run(&[], "gone");
}
