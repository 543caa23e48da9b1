//! What users of other tools report, and what a program may do to itself before it starts children.

use crate::places::run;
use crate::support::{Guard, gone, members, process, shell, until};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use overfall::process::{
    Capture, Child, Collect, Command, Input, Output, ShutDown, Signal, SpawnError, Start,
};
use overfall::spool::Spool;
use overfall_tests::{LIMIT, block_on, within};
use std::cell::RefCell;
use std::fs;
use std::os::fd::RawFd;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

pub(crate) fn work(work: &str) {
    match work {
        "forked" => forked(),
        "no stdio" => no_stdio(),
        "no directory" => no_directory(),
        other => panic!("{other}"),
    }
}

fn text_of(output: &Output) -> String {
    let reader = output.strong_reader(Start::Oldest).unwrap();
    block_on(Collect::last(usize::MAX).text_of(reader).unwrap().wait()).kept
}

fn text(child: &Child) -> String {
    text_of(child.stdout().unwrap())
}

// Before it runs.

/// golang/go#22315, rust-lang/rust#114554: a child that another thread is just starting has a copy of the descriptor by
/// which the file was written, until its `exec`.
#[test]
fn a_program_that_was_just_written_can_be_started_while_others_are_started() {
    let directory = tempfile::tempdir().unwrap();
    let goes_on = Arc::new(AtomicBool::new(true));
    let starters: Vec<_> = (0..3)
        .map(|_| {
            let goes_on = goes_on.clone();
            thread::spawn(move || {
                while goes_on.load(Ordering::Relaxed) {
                    let child = Command::new("true").ends_with_us().spawn().unwrap();
                    assert!(block_on(child.wait()).success());
                }
            })
        })
        .collect();
    for number in 0..100 {
        let program = directory.path().join(number.to_string());
        fs::write(&program, "#!/bin/sh\nexit 7\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let child =
            Command::new(&program).spawn().unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(block_on(child.wait()).status.code(), Some(7));
    }
    goes_on.store(false, Ordering::Relaxed);
    starters.into_iter().for_each(|starter| starter.join().unwrap());
}

/// As where something has closed what it does not know: pipes get the numbers 0 to 2 then.
#[test]
fn a_program_without_stdio_has_children_with_stdio() {
    run("", "no stdio");
}

fn no_stdio() {
    // The thread of children is there, and has open what it needs.
    block_on(Command::new("true").spawn().unwrap().wait());
    type Ran = (Option<i32>, Vec<String>);
    let ran = |command: &mut Command| -> Result<Ran, SpawnError> {
        let child = command.spawn()?;
        let code = block_on(child.wait()).status.code();
        let outputs = [child.stdout(), child.stderr()];
        Ok((code, outputs.into_iter().flatten().map(text_of).collect()))
    };
    let script = "read line; echo \"got $line\"; echo alas >&2; exit 7";
    for closed in [&[0][..], &[1], &[2], &[0, 1], &[1, 2], &[0, 1, 2]] {
        let runs = without(closed, || {
            let bytes = || Input::bytes("it\n");
            [
                ran(shell(script).stdin(bytes())),
                ran(shell(script).stdin(bytes()).ends_with_us()),
                ran(&mut shell(script)),
            ]
        });
        let got = ["got it\n", "got it\n", "got \n"];
        for (run, got) in runs.into_iter().zip(got) {
            let expected = (Some(7), vec![got.to_owned(), "alas\n".to_owned()]);
            assert_eq!(run.unwrap(), expected, "{closed:?}");
        }
    }
}

/// Does something while these descriptors of stdio are closed.
#[allow(unsafe_code)]
fn without<T>(closed: &[RawFd], work: impl FnOnce() -> T) -> T {
    let kept: Vec<_> = closed
        .iter()
        .map(|&number| {
            // SAFETY: it is open, as those of stdio are, and copied before it is closed.
            let kept = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 10) };
            assert!(kept > 0);
            (number, kept)
        })
        .collect();
    for (number, _) in &kept {
        // SAFETY: nobody prints or reads meanwhile, and nothing else of this program knows these numbers.
        unsafe { libc::close(*number) };
    }
    let value = work();
    for (number, kept) in kept {
        // SAFETY: they are as they were, and the copy is nobody else's.
        unsafe {
            libc::dup2(kept, number);
            libc::close(kept);
        }
    }
    value
}

/// A program that goes on as a copy of itself, as services did: the thread of children is not in the copy.
#[test]
fn a_copy_of_this_program_has_children_of_its_own() {
    run("", "forked");
}

#[allow(unsafe_code)]
fn forked() {
    let before = shell("cat; exit 3").stdin(Input::pipe()).spawn().unwrap();
    // SAFETY: the copy uses what other threads of this program may hold a lock of, such as its memory; but they wait
    // for something to come.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let is_right = || {
                let child = shell("echo said; exit 7").spawn().ok()?;
                let outcome = child.wait_timeout(LIMIT / 2)?;
                (outcome.status.code() == Some(7) && text(&child) == "said\n").then_some(())
            };
            let status = if is_right().is_some() { 0 } else { 1 };
            // SAFETY: nothing of this copy is to run any more.
            unsafe { libc::_exit(status) };
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
        }
    }
    // Those of the original are still its own.
    assert_eq!(block_on(before.wait()).status.code(), Some(3));
}

#[test]
fn a_program_whose_directory_was_removed_starts_children() {
    run("", "no directory");
}

fn no_directory() {
    let directory = tempfile::tempdir().unwrap();
    std::env::set_current_dir(directory.path()).unwrap();
    drop(directory);
    let child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    assert_eq!(block_on(child.wait()).status.code(), Some(7));
    let error = Command::new("./script").spawn().unwrap_err();
    assert!(matches!(error, SpawnError::Program { .. }), "{error}");
    let child = Command::new("pwd").current_dir("/").spawn().unwrap();
    assert!(block_on(child.wait()).success());
    assert_eq!(text(&child), "/\n");
}

#[test]
fn arguments_that_the_system_does_not_take_are_told() {
    let error = Command::new("echo").arg("nul\0inside").spawn().unwrap_err();
    assert!(matches!(error, SpawnError::System { .. }), "{error}");
    let error = Command::new("echo").arg("x".repeat(4 << 20)).spawn().unwrap_err();
    assert!(error.to_string().contains("stdin"), "{error}");
}

#[test]
fn a_ring_that_is_too_large_is_an_error_and_leaves_no_child() {
    // A quarter of all that can be addressed is 1 GiB on 32 bits, which may be had.
    let too_large = if usize::BITS == 64 { usize::MAX / 4 } else { usize::MAX };
    for capacity in [usize::MAX, usize::MAX / 2 + 1, too_large] {
        let child = shell("exec sleep 100").stdout(Capture::ring(capacity)).spawn();
        let error = child.unwrap_err();
        assert!(error.to_string().contains("ask for less"), "{error}");
    }
    // The smallest one is one all the same.
    let child = shell("echo said").stdout(Capture::ring(0)).spawn().unwrap();
    assert!(block_on(child.wait()).success());
    assert_eq!(text(&child), "said\n");
}

// While it runs.

/// A child that is bound to us is started by another thread, whose signals are not the caller's.
#[test]
fn a_child_that_is_bound_to_us_dies_of_a_broken_pipe_like_any_other() {
    for bound in [false, true] {
        let mut command = Command::new("yes");
        let command = if bound { command.ends_with_us() } else { &mut command };
        let child = command.stderr(Capture::null()).spawn().unwrap();
        child.stdout().unwrap().close();
        let outcome = within(LIMIT, move || block_on(child.wait()));
        assert_eq!(outcome.status.signal(), Some(13), "{bound}");
    }
}

/// sindresorhus/execa#761: the source has nothing, and will not for long.
#[test]
fn a_feed_from_a_source_that_stands_still_ends_with_the_child() {
    within(LIMIT, || {
        let (_writer, reader) = overfall::pipe(1024);
        let child = shell("exit 0").stdin(Input::pipe()).spawn().unwrap();
        let feeding = child.feed(reader).unwrap().spawn().unwrap();
        assert!(block_on(child.wait()).success());
        drop(feeding.join().unwrap());
    });
}

#[test]
fn a_disk_that_fails_fails_the_spool_and_nobody_else() {
    let spool = Spool::builder().spill_at(1000).temp_dir("/not/there");
    // It writes nothing before there is a reader: what is kept for one that comes is less than it writes.
    let child = shell("read line; seq 100000; exit 7")
        .stdin(Input::pipe())
        .stdout(Capture::ring(4096).with_spool(spool))
        .spawn()
        .unwrap();
    let output = child.stdout().unwrap();
    let all = Collect::last(0).bytes_of(output.strong_reader(Start::Oldest).unwrap()).unwrap();
    drop(child.take_stdin().unwrap());
    let outcome = within(LIMIT, {
        let output = output.clone();
        move || {
            let outcome = block_on(child.wait());
            let error = block_on(output.spool().unwrap().finished()).unwrap_err();
            assert!(error.to_string().contains("cannot be written"), "{error}");
            outcome
        }
    });
    let stdout = outcome.stdout.unwrap();
    assert!(outcome.status.code() == Some(7) && stdout.ended, "{stdout:?}");
    let all = block_on(all.wait());
    assert_eq!((all.left_out.bytes, all.missed), (588_895, 0));
}

#[test]
fn a_predicate_that_panics_takes_no_line_from_the_next_one() {
    let child = shell("echo one; echo two; echo three").spawn().unwrap();
    let mut watch = child.stdout().unwrap().line_watch().unwrap();
    let panics = || {
        block_on(
            watch.wait_for(LIMIT, |line| if *line == "one" { panic!("on purpose") } else { true }),
        )
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let ready = block_on(watch.wait_for(LIMIT, |_| true)).unwrap();
    assert_eq!(ready.line.text(), "two");
    block_on(child.wait());
}

#[test]
fn a_child_that_stops_itself_is_no_child_that_has_ended() {
    let child = shell("kill -STOP $$; exit 7").spawn().unwrap();
    let _guard = Guard::of(&child);
    until("it is stopped", || process(child.id()).unwrap().state == 'T');
    assert!(child.wait_timeout(Duration::from_millis(50)).is_none() && child.status().is_none());
    assert!(child.signal(Signal::Continue).unwrap());
    assert_eq!(block_on(child.wait()).status.code(), Some(7));
}

// When it ends.

/// All that it has open is closed, so that nobody waits for it.
#[test]
fn a_daemon_that_a_child_has_left_behind_is_not_waited_for() {
    let script = "setsid sh -c 'sleep 100 <&- >&- 2>&- & echo $!' & wait; exit 7";
    let child = shell(script).drain(LIMIT, LIMIT).spawn().unwrap();
    let outcome = within(LIMIT / 2, move || {
        let outcome = block_on(child.wait());
        (outcome, text(&child))
    });
    let (outcome, id) = outcome;
    assert!(outcome.status.code() == Some(7) && outcome.outputs().all(|output| output.ended));
    let daemon = rustix::process::Pid::from_raw(id.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
}

/// It has new members while it is ended.
#[test]
fn a_group_that_forks_all_the_time_is_ended_whole() {
    let script = "trap '' TERM; echo ready; while :; do sleep 100 & sleep 0.002; done";
    for policy in [ShutDown::at_once(), ShutDown::terminate(Duration::from_millis(100))] {
        let child = shell(script).spawn().unwrap();
        until("it has begun", || members(child.id()).len() > 20);
        let id = child.id();
        let outcome = within(LIMIT, move || {
            let outcome = block_on(child.shut_down(&policy));
            assert!(members(child.id()).iter().all(|member| member.state == 'Z'));
            outcome
        });
        assert_eq!(outcome.status.signal(), Some(9));
        gone(id);
    }
}

thread_local! {
    static KEPT: RefCell<Option<Child>> = const { RefCell::new(None) };
}

/// What a thread has for itself is dropped when it ends, in any order, and a panic there ends the program.
#[test]
fn a_child_that_a_thread_keeps_for_itself_is_dropped_with_the_thread() {
    let id = thread::spawn(|| {
        KEPT.with_borrow_mut(|kept| *kept = None);
        // What tokio has for this thread is there later, and so dropped before.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let child = runtime.block_on(async { shell("exec sleep 100").spawn().unwrap() });
        let id = child.id();
        KEPT.set(Some(child));
        id
    });
    gone(id.join().unwrap());
}

#[test]
fn all_who_wait_are_told_the_same() {
    let child = Arc::new(shell("read line; exit 7").stdin(Input::pipe()).spawn().unwrap());
    let stdin = child.take_stdin();
    let waiters: Vec<_> = (0..50)
        .map(|_| {
            let child = child.clone();
            thread::spawn(move || block_on(child.wait()))
        })
        .collect();
    drop(stdin);
    for waiter in waiters {
        let outcome = waiter.join().unwrap();
        assert!(outcome.status.code() == Some(7) && outcome.outputs().all(|output| output.ended));
    }
}
