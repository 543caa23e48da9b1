//! Jobs.

use crate::{actor, done};
use overfall::process::{Child, NoLine, Outcome, Output, ShutDown, Signal, Took};
use std::io::ErrorKind;
use std::time::Duration;

/// Waits until a child, or one that it has left behind, says that it is up.
pub(crate) fn up(child: &Child) {
    said(child.stdout().unwrap(), "up");
}

/// Waits for a line of a child, or of one that it has left behind.
fn said(output: &Output, text: &'static str) {
    let mut watch = output.line_watch().unwrap();
    done(async move {
        loop {
            match watch.wait_for(Duration::MAX, |line| &**line == text.as_bytes()).await {
                Err(error) if matches!(error.why, NoLine::Exited(_)) => {}
                found => return drop(found.unwrap()),
            }
        }
    });
}

pub(crate) fn shut_down(child: Child, policy: ShutDown) -> Outcome {
    done(async move { child.shut_down(&policy).await })
}

#[test]
fn what_ignores_ctrl_break_is_ended_with_its_job() {
    let child = actor("no-break start no-break say up linger end linger").spawn().unwrap();
    up(&child);
    let outcome = shut_down(child, ShutDown::terminate(Duration::from_millis(100)));
    assert_eq!(outcome.shut_down, Some(Took::Kill));
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.survivors.is_empty());
    assert!(outcome.stdout.unwrap().ended);
}

#[test]
fn a_shut_down_goes_on_for_a_member_that_outlives_its_leader() {
    let child = actor("start no-break say up linger end exit 5").spawn().unwrap();
    up(&child);
    let outcome = shut_down(child, ShutDown::terminate(Duration::from_millis(100)));
    assert_eq!((outcome.shut_down, outcome.status.code()), (Some(Took::Kill), Some(5)));
    assert!(outcome.stdout.unwrap().ended);
}

#[test]
fn nobody_is_left_to_be_signalled_after_the_end() {
    let child = actor("exit 0").spawn().unwrap();
    done(async move {
        child.wait().await;
        assert!(!child.signal(Signal::Terminate).unwrap());
        assert!(!child.signal(Signal::Kill).unwrap());
        let outcome = child.shut_down(&ShutDown::default()).await;
        assert_eq!(outcome.shut_down, Some(Took::Nothing));
    });
}

#[test]
fn a_signal_that_windows_has_not_is_an_error() {
    let child = actor("linger").spawn().unwrap();
    for signal in [Signal::HangUp, Signal::User1, Signal::Stop, Signal::Continue] {
        assert_eq!(child.signal(signal).unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert!(child.status().is_none());
}

#[test]
fn exit_codes_are_those_of_the_system() {
    for code in [-1073741819, 259] {
        let child = actor(&format!("exit {code}")).spawn().unwrap();
        assert_eq!(done(async move { child.wait().await }).status.code(), Some(code));
    }
}

/// The one in the middle ends, however, and takes with it what is bound to it, and what that has started.
#[test]
fn what_ends_with_us_ends_with_us_and_all_its_job() {
    let script = "bound start say up linger end linger end linger";
    let middle = actor(script).spawn().unwrap();
    up(&middle);
    let output = middle.stdout().unwrap().clone();
    // Its job is ours, too, so only the one in the middle is ended.
    end_process(middle.id());
    done(async move {
        let outcome = middle.wait().await;
        assert!(outcome.stdout.unwrap().ended, "{:?}", output.stats());
    });
}

/// One that has exited was not bound to its `Child`, but to this program.
#[test]
fn members_that_outlive_a_child_that_ends_with_us_go_on() {
    let mut command = actor("start say up pause 500 say later end exit 0");
    command.drain(Duration::ZERO, Duration::ZERO);
    let child = command.ends_with_us().spawn().unwrap();
    up(&child);
    let output = child.stdout().unwrap().clone();
    done(async move {
        assert!(!child.wait().await.stdout.unwrap().ended);
    });
    said(&output, "later");
}

fn end_process(id: u32) {
    let mut command = std::process::Command::new("taskkill");
    let status = command.args(["/F", "/PID", &id.to_string()]).status().unwrap();
    assert!(status.success());
}
