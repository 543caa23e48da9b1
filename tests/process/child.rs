//! Starting, waiting, stdin, spawn errors.

use crate::support::{Busy, Guard, begin, gone, members, process, shell, shell_that_waits, until};
use overfall::process::{
    Capture, Collect, Command, Input, Pipeline, ShutDown, Signal, SpawnError, Start, Took,
};
use overfall::pump::PumpError;
use overfall_tests::{block_on, within};
use std::error::Error;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

fn text(child: &overfall::process::Child) -> String {
    let output = child.stdout().or(child.output()).unwrap();
    let mut text = String::new();
    output.strong_reader(Start::Oldest).unwrap().blocking().read_to_string(&mut text).unwrap();
    text
}

// Waiting.

#[test]
fn what_a_child_wrote_before_it_exited_is_there_after_the_wait() {
    let child = shell("echo one; echo two >&2; exit 3").spawn().unwrap();
    let outcome = block_on(child.wait());
    assert_eq!(outcome.status.code(), Some(3));
    assert_eq!(&*outcome.name, "sh");
    assert!(outcome.outputs().all(|output| output.ended && output.stats.payload_bytes == 4));
    assert!(outcome.ran > Duration::ZERO && outcome.shut_down.is_none());
    assert_eq!(text(&child), "one\n");
}

#[test]
fn a_wait_that_is_dropped_can_be_begun_again() {
    let child = shell("read line; exit 4").stdin(Input::pipe()).spawn().unwrap();
    let stdin = child.take_stdin();
    for _ in 0..3 {
        assert!(child.wait_timeout(Duration::from_millis(5)).is_none());
    }
    drop(stdin);
    assert_eq!(block_on(child.wait()).status.code(), Some(4));
    assert_eq!(block_on(child.wait()).status.code(), Some(4), "it can be asked for once more");
}

#[test]
fn durations_may_be_as_long_or_as_short_as_they_can() {
    // Some that a clock can still be set to, and some that it cannot.
    let long = [1 << 33, 1 << 53, 1 << 62, i64::MAX as u64, u64::MAX].map(Duration::from_secs);
    let limits = long.into_iter().chain([Duration::ZERO, Duration::MAX]);
    for limit in limits {
        let child = shell("exit 1").drain(limit, limit).spawn().unwrap();
        until("it has exited", || child.status().is_some());
        let outcome = block_on(child.wait_or_shut_down(limit, &ShutDown::terminate(limit)));
        assert_eq!((outcome.status.code(), outcome.shut_down), (Some(1), None));
        assert!(child.wait_timeout(limit).is_some() || limit.is_zero());
        let output = child.stdout().unwrap();
        assert!(block_on(output.wait_for_line(limit, |_| true)).is_err());
        let mut lines = output.strong_reader(Start::Oldest).unwrap().into_lines().blocking();
        assert!(lines.next_line_timeout(limit).unwrap().is_none());
        assert!(lines.next_line_or_quiet(limit).unwrap().is_none());
        assert_eq!(
            block_on(child.shut_down(&ShutDown::terminate(limit))).shut_down,
            Some(Took::Nothing)
        );
    }
    let child = shell("exec sleep 60").spawn().unwrap();
    let outcome =
        block_on(child.wait_or_shut_down(Duration::ZERO, &ShutDown::terminate(Duration::MAX)));
    assert_eq!((outcome.status.signal(), outcome.shut_down), (Some(15), Some(Took::Phase(0))));
    let child = shell("exec sleep 60").spawn().unwrap();
    let outcome = block_on(child.shut_down(&ShutDown::terminate(Duration::ZERO)));
    assert!(outcome.status.signal().is_some_and(|signal| [9, 15].contains(&signal)));
}

#[test]
fn one_task_waits_while_another_one_ends_the_child() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let child = std::sync::Arc::new(shell("exec sleep 60").spawn().unwrap());
        let of_another = child.clone();
        let waiting = tokio::spawn(async move { of_another.wait().await });
        let killed = child.kill().await;
        let waited = waiting.await.unwrap();
        assert_eq!((waited.status.signal(), killed.status.signal()), (Some(9), Some(9)));
        assert_eq!((waited.shut_down, killed.shut_down), (None, Some(Took::Kill)));
    });
}

/// Situation 30: a viewer that takes nothing.
#[test]
fn a_strong_consumer_that_stands_still_is_named_and_the_others_get_the_rest() {
    let mut command = shell_that_waits("exec yes");
    let child = command.stdout(Capture::ring(4096)).spawn().unwrap();
    let guard = Guard::of(&child);
    let stuck = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    stuck.set_name("viewer");
    let other = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    let other = Collect::last(0).bytes_of(other).unwrap();
    begin(&child);
    until("it holds the child up", || child.stdout().unwrap().stats().waiting_writers == 1);
    let begun = Instant::now();
    let outcome = block_on(child.kill());
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(outcome.status.signal(), Some(9));
    let stdout = outcome.stdout.unwrap();
    assert!(stdout.ended && stdout.open_in.is_empty(), "{stdout:?}");
    assert_eq!(stdout.held_by, [std::sync::Arc::from("viewer")]);
    let other = block_on(other.wait());
    assert_eq!((other.left_out.bytes, other.missed), (stdout.stats.payload_bytes, 0));
    drop((stuck, child, guard));
}

/// The child has exited, and the last of it is in the pipe until its consumer has room for it.
#[test]
fn a_slow_consumer_gets_all_of_it_though_it_takes_longer_than_the_child_may_be_quiet() {
    let mut command = shell_that_waits("head -c 40000 /dev/zero");
    command.stdout(Capture::ring(4096)).drain(Duration::from_millis(10), Duration::MAX);
    let child = command.spawn().unwrap();
    let mut slow = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap().blocking();
    let waiting = std::thread::spawn(move || block_on(child.wait()));
    let mut read = 0;
    loop {
        std::thread::sleep(Duration::from_millis(20));
        match slow.read(&mut [0; 4000]).unwrap() {
            0 => break,
            length => read += length,
        }
    }
    let stdout = waiting.join().unwrap().stdout.unwrap();
    assert!(stdout.ended && stdout.held_by.is_empty(), "{stdout:?}");
    assert_eq!((read, stdout.stats.payload_bytes), (40_000, 40_000));
}

/// Situation 33.
#[test]
fn who_has_left_the_group_and_has_the_pipe_is_told() {
    let child = shell("setsid sleep 100 & echo hi; exit 7").spawn().unwrap();
    let outcome = block_on(child.wait());
    assert_eq!(outcome.status.code(), Some(7));
    let stdout = outcome.stdout.unwrap();
    assert!(!stdout.ended && stdout.stats.payload_bytes == 3);
    assert_eq!(stdout.open_in.len(), 1, "{:?}", stdout.open_in);
    let left = || process(stdout.open_in[0].id).unwrap();
    until("it leaves the group", || left().group != child.id());
    let left = left();
    let left = rustix::process::Pid::from_raw(left.id as i32).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
}

/// Another thread starts a child meanwhile, which has a copy of all that this program has open until its `exec`.
#[test]
#[allow(unsafe_code)]
fn who_is_just_being_started_is_not_told_to_have_a_pipe_open() {
    use std::os::unix::process::CommandExt;
    let child = shell("setsid sleep 100 & echo hi; exit 7").spawn().unwrap();
    let mut slow = std::process::Command::new("true");
    let pause = || {
        std::thread::sleep(Duration::from_secs(1));
        Ok(())
    };
    // SAFETY: it makes a system call, and takes no lock and no memory.
    unsafe { slow.pre_exec(pause) };
    let starting = std::thread::spawn(move || slow.status().unwrap());
    let stdout = block_on(child.wait()).stdout.unwrap();
    // Whatever it has become by now.
    let [left] = &stdout.open_in[..] else { panic!("{:?}", stdout.open_in) };
    assert!(["sh", "setsid", "sleep"].contains(&&*left.name), "{left:?}");
    let left = rustix::process::Pid::from_raw(stdout.open_in[0].id as i32).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    assert!(starting.join().unwrap().success());
}

/// Situation 29: the time to drain is over before the end was looked at.
#[test]
fn an_output_that_nobody_holds_has_ended_also_when_the_time_to_drain_is_short() {
    let _busy = Busy::with(16);
    for _ in 0..100 {
        let mut command = Command::new("true");
        let child =
            command.drain(Duration::from_millis(10), Duration::from_millis(10)).spawn().unwrap();
        let outcome = block_on(child.wait());
        assert!(outcome.outputs().all(|output| output.ended), "{outcome:?}");
    }
}

#[test]
fn a_waker_that_panics_harms_nobody_else() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};

    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let child = shell("read line").stdin(Input::pipe()).spawn().unwrap();
    let stdin = child.take_stdin();
    let mut wait = std::pin::pin!(child.wait());
    let waker = Waker::from(Arc::new(Panics));
    let poll = || wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
    assert!(catch_unwind(AssertUnwindSafe(poll)).unwrap());
    drop(stdin);
    until("it has exited", || child.status().is_some());
    // The waker has panicked, or does now. Others are looked after as before.
    assert!(block_on(shell("exit 0").spawn().unwrap().wait()).success());
    assert_eq!(block_on(child.wait()).status.code(), Some(1));
}

// Shutting down.

/// Situation 31: the leader ends at once, a member ignores the signal.
#[test]
fn the_phases_run_until_the_group_is_empty() {
    let script = "sh -c 'trap \"\" TERM; echo ready; while :; do sleep 60; done' & wait";
    let child = shell(script).spawn().unwrap();
    let guard = Guard::of(&child);
    until("the member is ready", || child.stdout().unwrap().stats().payload_bytes == 6);
    let outcome = block_on(child.shut_down(&ShutDown::terminate(Duration::from_millis(200))));
    assert_eq!((outcome.status.signal(), outcome.shut_down), (Some(15), Some(Took::Kill)));
    assert!(members(child.id()).iter().all(|member| member.state == 'Z'));
    drop((child, guard));
}

/// To the system a process whose first thread has ended looks like a zombie.
#[test]
fn a_member_whose_first_thread_has_ended_is_none_of_the_dead() {
    let helper = env!("CARGO_BIN_EXE_half-gone");
    let child = shell(&format!("{helper} & exit 7")).spawn().unwrap();
    let guard = Guard::of(&child);
    let is_half_gone =
        |member: &crate::support::Process| member.name == "half-gone" && member.state == 'Z';
    until("its first thread has ended", || members(child.id()).iter().any(is_half_gone));
    until("the shell has exited", || child.status().is_some());
    let outcome = block_on(child.kill());
    assert_eq!((outcome.status.code(), outcome.shut_down), (Some(7), Some(Took::Kill)));
    drop((child, guard));
}

/// Situation 32: it is stopped, and its handler is to run all the same.
#[test]
fn a_child_that_is_stopped_goes_on_to_its_handler() {
    let script = "trap 'echo handled; exit 5' TERM; echo ready; while :; do read line; done";
    let child = shell(script).stdin(Input::pipe()).spawn().unwrap();
    let _stdin = child.take_stdin();
    until("it is ready", || child.stdout().unwrap().stats().payload_bytes == 6);
    assert!(child.signal(Signal::Stop).unwrap());
    until("it is stopped", || process(child.id()).unwrap().state == 'T');
    let outcome = block_on(child.shut_down(&ShutDown::terminate(Duration::from_secs(30))));
    assert_eq!((outcome.status.code(), outcome.shut_down), (Some(5), Some(Took::Phase(0))));
    assert_eq!(text(&child), "ready\nhandled\n");
}

#[test]
fn later_phases_come_when_earlier_ones_did_not_do() {
    let script = "trap '' INT; trap 'exit 6' TERM; echo ready; while :; do sleep 0.01; done";
    let child = shell(script).spawn().unwrap();
    until("it is ready", || child.stdout().unwrap().stats().payload_bytes == 6);
    let policy = ShutDown::first(Signal::Interrupt, Duration::from_millis(100))
        .then(Signal::Terminate, Duration::from_secs(30));
    let outcome = block_on(child.shut_down(&policy));
    assert_eq!((outcome.status.code(), outcome.shut_down), (Some(6), Some(Took::Phase(1))));
}

#[test]
fn a_shut_down_that_is_dropped_sends_no_more_signals() {
    let script = "trap '' TERM; echo ready; while :; do sleep 60; done";
    let child = shell(script).spawn().unwrap();
    let guard = Guard::of(&child);
    until("it is ready", || child.stdout().unwrap().stats().payload_bytes == 6);
    {
        let policy = ShutDown::terminate(Duration::from_millis(100));
        let mut future = Box::pin(child.shut_down(&policy));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    assert!(child.wait_timeout(Duration::from_millis(300)).is_none(), "it was killed all the same");
    drop((child, guard));
}

#[test]
fn a_child_that_is_dropped_is_shut_down_gently_if_that_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("handled");
    let script = format!(
        "trap 'echo handled >{}; exit' TERM; echo ready; while :; do sleep 0.01; done",
        file.display()
    );
    let mut command = shell(&script);
    let child =
        command.shut_down_on_drop(ShutDown::terminate(Duration::from_secs(30))).spawn().unwrap();
    until("it is ready", || child.stdout().unwrap().stats().payload_bytes == 6);
    let id = child.id();
    drop(child);
    gone(id);
    assert_eq!(fs::read_to_string(file).unwrap(), "handled\n");
}

// Stdin.

/// Situation 35.
#[test]
fn stdin_is_at_its_end_if_nothing_is_said() {
    let child = shell("cat; echo end").spawn().unwrap();
    assert!(block_on(child.wait()).success());
    assert_eq!(text(&child), "end\n");
}

#[test]
fn stdin_takes_bytes_files_and_readers() {
    let child = Command::new("cat").stdin(Input::bytes("bytes")).spawn().unwrap();
    assert_eq!(block_on(child.wait()).stdin.unwrap().bytes, 5);
    assert_eq!(text(&child), "bytes");

    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "a file").unwrap();
    let mut command = Command::new("cat");
    command.stdin(Input::file(fs::File::open(file.path()).unwrap()));
    let child = command.spawn().unwrap();
    assert!(block_on(child.wait()).success());
    assert_eq!(text(&child), "a file");

    // Through the pump, and blocking.
    let child = Command::new("cat").stdin(Input::pipe()).spawn().unwrap();
    let feeding = child.feed(fs::File::open(file.path()).unwrap()).unwrap().spawn().unwrap();
    assert!(child.take_stdin().is_none() && child.feed(io::empty()).is_none());
    feeding.join().unwrap().1.unwrap();
    assert!(block_on(child.wait()).success());
    assert_eq!(text(&child), "a file");
}

#[test]
fn a_megabyte_goes_through_stdin_and_back() {
    let bytes: Vec<u8> = (0..1 << 20).map(|index| (index % 251) as u8).collect();
    let child = Command::new("cat").stdin(Input::bytes(&bytes)).spawn().unwrap();
    let mut read = Vec::new();
    child
        .stdout()
        .unwrap()
        .strong_reader(Start::Oldest)
        .unwrap()
        .blocking()
        .read_to_end(&mut read)
        .unwrap();
    assert!(read == bytes);
    assert!(block_on(child.wait()).success());
}

#[test]
fn a_broken_pipe_of_stdin_is_told_and_is_no_failure() {
    let child = shell("read line; exec <&-; exit 0")
        .stdin(Input::bytes(vec![b'\n'; 1 << 20]))
        .spawn()
        .unwrap();
    let outcome = block_on(child.wait());
    let stdin = outcome.stdin.unwrap();
    assert!(outcome.success() && stdin.broken && stdin.bytes < 1 << 20, "{outcome:?}");

    let child = Command::new("true").stdin(Input::pipe()).spawn().unwrap();
    let pump = child.feed(io::repeat(b'x')).unwrap().spawn().unwrap();
    let (_, result) = within(overfall_tests::LIMIT, move || pump.join().unwrap());
    assert!(matches!(result, Err(PumpError::Sink(_))), "{result:?}");
    assert!(block_on(child.wait()).success());
}

#[test]
fn who_has_the_writer_of_stdin_is_told_when_the_child_reads_no_more() {
    let child = Command::new("true").stdin(Input::pipe()).spawn().unwrap();
    let mut stdin = child.take_stdin().unwrap();
    // Nothing was written that could have failed.
    block_on(stdin.closed());
    assert!(block_on(stdin.send("too late")).is_err());
    let outcome = block_on(child.wait());
    assert_eq!(outcome.stdin.map(|stdin| (stdin.bytes, stdin.broken)), Some((0, false)));
}

/// Situation 44: no child has what is another's.
#[test]
fn a_child_has_stdin_and_its_outputs_open_and_nothing_else() {
    let sleeps: Vec<_> = (0..30)
        .map(|_| Command::new("sleep").arg("60").stdin(Input::pipe()).spawn().unwrap())
        .collect();
    let mut cats: Vec<_> =
        (0..30).map(|_| Command::new("cat").stdin(Input::pipe()).spawn().unwrap()).collect();
    let sleeps_too: Vec<_> =
        (0..30).map(|_| Command::new("sleep").arg("60").spawn().unwrap()).collect();
    let open = |id: u32| -> Vec<_> {
        let all = fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten();
        all.filter_map(|entry| Some((entry.file_name(), fs::read_link(entry.path()).ok()?)))
            .collect()
    };
    // What started this program may have left some open for all.
    let outside = open(std::os::unix::process::parent_id());
    for child in sleeps.iter().chain(&sleeps_too) {
        until("it is a `sleep`", || process(child.id()).unwrap().name == "sleep");
        let more = || {
            let mut open = open(child.id());
            open.retain(|(number, target)| {
                !["0", "1", "2"].contains(&number.to_str().unwrap())
                    && !outside.iter().any(|(_, other)| other == target)
            });
            open
        };
        // The system's loader may have a library open at first.
        until("it has no more", || more().is_empty());
    }
    for cat in cats.drain(..) {
        assert!(cat.wait_timeout(Duration::from_secs(20)).is_some_and(|outcome| outcome.success()));
    }
}

/// Situation 34.
#[test]
fn a_terminal_of_ours_is_refused_as_stdin_of_a_group_in_the_background() {
    // A session of its own, whose terminal is the other side of this one.
    let exe = std::env::current_exe().unwrap();
    let main =
        rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY)
            .unwrap();
    rustix::pty::grantpt(&main).unwrap();
    rustix::pty::unlockpt(&main).unwrap();
    let name = rustix::pty::ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
    let mut command = std::process::Command::new("setsid");
    command.arg("sh").arg("-c").arg(format!(
        "exec <{name}; exec \"$0\" --exact child::with_a_terminal --ignored --nocapture"
    ));
    let output = command.arg(exe).env("OVERFALL_TERMINAL", "yes").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("it is refused"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "it is what another test starts, and does nothing by itself"]
fn with_a_terminal() {
    if std::env::var_os("OVERFALL_TERMINAL").is_none() {
        return;
    }
    let terminal = fs::File::open("/dev/tty").unwrap();
    for input in [Input::inherit(), Input::file(terminal)] {
        let error = shell("read line").stdin(input).spawn().unwrap_err();
        assert!(matches!(error, SpawnError::Terminal), "{error}");
        assert!(error.to_string().contains("Input::null()"));
    }
    println!("it is refused");
}

// Spawn errors.

/// Situation 43.
#[test]
fn a_spawn_error_tells_program_directory_and_interpreter_apart() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    let file = |content: &str, mode| {
        fs::write(&script, content).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(mode)).unwrap();
    };
    let kind = |command: &mut Command| {
        let error = command.spawn().unwrap_err();
        assert!(error.source().is_some());
        let what = match &error {
            SpawnError::Program { program, .. } => format!("program {}", program.display()),
            SpawnError::Directory { directory, .. } => format!("directory {}", directory.display()),
            SpawnError::Interpreter { interpreter, .. } => format!("interpreter {interpreter:?}"),
            other => format!("{other:?}"),
        };
        (what, io::Error::from(error).kind())
    };
    let not_found = io::ErrorKind::NotFound;
    let program = || ("program no-such-program".to_owned(), not_found);
    assert_eq!(kind(&mut Command::new("no-such-program")), program());
    assert_eq!(kind(Command::new("no-such-program").current_dir(directory.path())), program());
    let gone = directory.path().join("gone");
    let missing = (format!("directory {}", gone.display()), not_found);
    assert_eq!(kind(Command::new("echo").current_dir(&gone)), missing);
    assert_eq!(kind(Command::new("no-such-program").current_dir(&gone)), missing);
    file("#! /not/there -x\n", 0o755);
    let interpreter = ("interpreter Some(\"/not/there\")".to_owned(), not_found);
    assert_eq!(kind(&mut Command::new(&script)), interpreter);
    assert_eq!(kind(Command::new("./script").current_dir(directory.path())), interpreter);
    assert_eq!(kind(Command::new("script").env("PATH", directory.path())), interpreter);
    let denied_to = |interpreter: &str| {
        (format!("interpreter Some({interpreter:?})"), io::ErrorKind::PermissionDenied)
    };
    for interpreter in ["/", "/etc/passwd"] {
        file(&format!("#!{interpreter}\n"), 0o755);
        assert_eq!(kind(&mut Command::new(&script)), denied_to(interpreter));
    }
    file("#!/bin/sh\r\n", 0o755);
    let with_return = ("interpreter Some(\"/bin/sh\\r\")".to_owned(), not_found);
    assert_eq!(kind(&mut Command::new(&script)), with_return);
    let is_a_file = (format!("directory {}", script.display()), io::ErrorKind::NotADirectory);
    assert_eq!(kind(Command::new("echo").current_dir(&script)), is_a_file);
    file("#!/bin/sh\n", 0o644);
    let denied = (format!("program {}", script.display()), io::ErrorKind::PermissionDenied);
    assert_eq!(kind(&mut Command::new(&script)), denied);
    let denied = (format!("program {}", directory.path().display()), denied.1);
    assert_eq!(kind(&mut Command::new(directory.path())), denied);
}

// Pipelines.

/// Situation 39.
#[test]
fn a_pipeline_ends_when_its_last_command_has_gone() {
    let mut head = Command::new("head");
    head.args(["-n", "1"]);
    // It is there as long as what it has started.
    let mut pipeline = Pipeline::new(Command::new("yes")).pipe(Command::new("cat")).pipe(head);
    let running = pipeline.spawn().unwrap();
    let outcome = block_on(running.wait());
    assert!(outcome.success(), "{outcome:?}");
    assert_eq!(outcome.parts[0].status.signal(), Some(13));
    assert_eq!(text(running.children().last().unwrap()), "y\n");
}

/// The first one ends when the second one has gone, and not before.
#[test]
fn the_commands_of_a_pipeline_are_shut_down_at_the_same_time() {
    let first = shell("trap '' TERM; while echo line; do sleep 0.01; done");
    let running = Pipeline::new(first).pipe(shell("exec sleep 60")).spawn().unwrap();
    let ids: Vec<_> = running.children().iter().map(|child| child.id()).collect();
    let ignores = || {
        let status = fs::read_to_string(format!("/proc/{}/status", ids[0])).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        u64::from_str_radix(mask, 16).unwrap() & (1 << 14) != 0
    };
    until("the first one ignores SIGTERM", ignores);
    let policy = ShutDown::terminate(Duration::MAX);
    let outcome = within(overfall_tests::LIMIT, move || block_on(running.shut_down(&policy)));
    assert!(outcome.parts.iter().all(|part| part.shut_down == Some(Took::Phase(0))), "{outcome:?}");
}

#[test]
fn a_failure_in_a_pipeline_is_one() {
    for (first, last) in
        [("exit 3", "exit 0"), ("exit 0", "kill -PIPE $$"), ("kill -TERM $$", "exit 0")]
    {
        let running = Pipeline::new(shell(first)).pipe(shell(last)).spawn().unwrap();
        assert!(!block_on(running.wait()).success(), "{first} | {last}");
    }
    let mut broken = Pipeline::new(shell("exec sleep 60")).pipe(Command::new("no-such-program"));
    assert!(matches!(broken.spawn(), Err(SpawnError::Program { .. })));
}

#[test]
fn a_process_that_has_both_pipes_of_a_merged_output_open_is_told_once() {
    let mut command = shell("setsid sleep 1000 & exit 0");
    command.merged(Capture::default()).drain(Duration::ZERO, Duration::ZERO);
    let outcome = block_on(command.spawn().unwrap().wait());
    let open_in = outcome.output.unwrap().open_in;
    let pid = rustix::process::Pid::from_raw(open_in[0].id as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert_eq!(open_in.len(), 1, "{open_in:?}");
}

#[test]
fn both_outputs_in_one_ring_come_with_the_name_of_theirs() {
    let child = shell("echo out; echo err >&2").merged(Capture::default()).spawn().unwrap();
    assert!(child.stdout().is_none() && child.stderr().is_none());
    let outcome = block_on(child.wait());
    assert_eq!(outcome.output.unwrap().stats.payload_bytes, 8);
    let mut lines: Vec<_> = text(&child).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["err", "out"]);
}
