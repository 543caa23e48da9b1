//! Settings that hold for a whole process. Each test starts this program anew, as a process of its own.

use crate::support::{descriptors, gone, members, process, processes, shell, until};
use overfall::process::{Capture, Command, Input, Start, Status, Took};
use overfall_tests::block_on;
use rustix::process::{Pid, Signal, kill_process_group};
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{self, Stdio};
use std::thread;
use std::time::Duration;

const WORK: &str = "OVERFALL_WORK";
const FILE: &str = "OVERFALL_WORK_FILE";

#[test]
#[ignore = "it is what the other tests start, and does nothing by itself"]
fn work() {
    let Ok(work) = env::var(WORK) else { return };
    match &*work {
        "ignored" => ignored(),
        "reaped by others" => reaped_by_others(),
        "bound" => bound(),
        "detached" => detached(),
        "broken pipe" => broken_pipe(),
        "failures" => failures(),
        "many" => many(),
        "rings" => rings(),
        "stands still" => stands_still(),
        "reads lines" => reads_lines(),
        "unprivileged" => unprivileged(),
        other => panic!("{other}"),
    }
    println!("done: {work}");
}

fn command(words: &str, work: &str) -> process::Command {
    let mut shell = process::Command::new("sh");
    shell.args(["-c", &format!("{words} exec \"$0\" \"$@\"")]);
    shell.arg(env::current_exe().unwrap());
    shell.args(["--exact", "places::work", "--ignored", "--nocapture", "--test-threads=1"]);
    shell.env(WORK, work);
    shell
}

#[track_caller]
fn run(words: &str, work: &str) {
    let output = command(words, work).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("done: "), "{work}: {}: {text}{errors}", output.status);
}

// Statuses that nobody knows.

/// Situation 38: SIGCHLD is ignored.
#[test]
fn where_statuses_are_thrown_away_they_are_unknown_and_outputs_are_kept() {
    run("", "ignored");
}

fn ignored() {
    // As if what started this program had done so.
    handle(Signal::CHILD, true);
    let child = shell("echo hi; exit 3").spawn().unwrap();
    let outcome = block_on(child.wait());
    assert_eq!(outcome.status, Status::Unknown);
    assert!(!outcome.success() && outcome.status.to_string().contains("SIGCHLD"));
    assert_eq!(outcome.stdout.unwrap().stats.payload_bytes, 3);

    let child = shell("sleep 60 & exec sleep 60").spawn().unwrap();
    let outcome = block_on(child.kill());
    assert_eq!((outcome.status, outcome.shut_down), (Status::Unknown, Some(Took::Kill)));
    gone(child.id());

    let child = shell("exec sleep 60").spawn().unwrap();
    let id = child.id();
    drop(child);
    gone(id);
    let child = shell("exit 0").spawn().unwrap();
    until("it has exited", || child.status().is_some());
    drop(child);
}

/// A program that waits for whatever child there is.
#[test]
fn where_others_wait_for_our_child_its_status_is_unknown() {
    run("", "reaped by others");
}

fn reaped_by_others() {
    let child = shell("read line; exit 3").stdin(Input::pipe()).spawn().unwrap();
    let stdin = child.take_stdin();
    let others = thread::spawn(|| rustix::process::wait(rustix::process::WaitOptions::empty()));
    drop(stdin);
    let outcome = block_on(child.wait());
    // Either of the two was first.
    assert!(matches!(outcome.status, Status::Unknown) || outcome.status.code() == Some(3));
    // There may be nobody to wait for any more.
    let _other = others.join().unwrap();
    assert_eq!(block_on(child.kill()).shut_down, Some(Took::Nothing));
}

// Children that cannot be ended.

/// One that runs as another user by now, as `sudo` does.
#[test]
fn a_child_that_may_not_be_killed_is_told_as_running_and_hangs_nobody() {
    if !rustix::process::getuid().is_root() {
        return println!("not run: it takes root to start one that may not be killed");
    }
    let (mut program, ids) = started("unprivileged", "");
    assert!(program.wait().unwrap().success());
    let group = Pid::from_raw(ids[0] as i32).unwrap();
    kill_process_group(group, Signal::KILL).unwrap();
    until("it has ended", || is_over(ids[0]));
}

fn unprivileged() {
    let child = shell("exec sleep 60").spawn().unwrap();
    println!("children: {}", child.id());
    // For all threads.
    nix::unistd::setuid(nix::unistd::Uid::from_raw(65_534)).unwrap();
    let outcome = block_on(child.kill());
    assert_eq!((outcome.status, outcome.shut_down), (Status::Running, Some(Took::Kill)));
    assert!(!outcome.success() && outcome.outputs().all(|output| !output.ended));
    assert_eq!(outcome.survivors.iter().map(|left| left.id).collect::<Vec<_>>(), [child.id()]);
    assert!(child.wait_timeout(Duration::ZERO).is_none() && child.status().is_none());
    assert!(child.signal(overfall::process::Signal::Terminate).is_err());
}

/// A leader that has joined the group of its parent.
#[test]
fn a_child_that_has_left_its_own_group_is_reached_all_the_same() {
    let mut command = std::process::Command::new("sleep");
    command.arg("60");
    join(&mut command, rustix::process::getpgrp());
    let child = Command::from(command).spawn().unwrap();
    assert_ne!(process(child.id()).unwrap().group, child.id());
    let outcome = overfall_tests::within(overfall_tests::LIMIT, move || {
        block_on(child.shut_down(&overfall::process::ShutDown::terminate(Duration::MAX)))
    });
    assert_eq!((outcome.status.signal(), outcome.shut_down), (Some(15), Some(Took::Phase(0))));
}

#[allow(unsafe_code)]
fn join(command: &mut process::Command, group: Pid) {
    use std::os::unix::process::CommandExt;
    let join = move || Ok(rustix::process::setpgid(None, Some(group))?);
    // SAFETY: it makes a system call, and takes no lock and no memory.
    unsafe { command.pre_exec(join) };
}

// The end of this program.

/// A program that does this work, and what it tells of its children.
fn started(work: &str, words: &str) -> (process::Child, Vec<u32>) {
    let mut program = command(words, work).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(program.stdout.take().unwrap());
    let lines = output.by_ref().lines().map_while(Result::ok);
    let line = lines.into_iter().find(|line| line.contains("children: ")).unwrap();
    thread::spawn(move || io::copy(&mut output, &mut io::sink()));
    let ids = line.split("children: ").nth(1).unwrap();
    let ids = ids.split(' ').map(|id| id.parse().unwrap()).collect();
    (program, ids)
}

fn is_over(id: u32) -> bool {
    process(id).is_none_or(|process| process.state == 'Z')
}

/// Situation 41.
#[test]
fn a_child_that_is_bound_to_us_ends_with_us_and_not_with_the_thread_that_started_it() {
    let (mut program, ids) = started("bound", "");
    let [bound, free] = ids[..] else { panic!("{ids:?}") };
    // The threads that started them have ended.
    assert!(!is_over(bound) && !is_over(free));
    program.kill().unwrap();
    program.wait().unwrap();
    until("the one that was bound has ended", || is_over(bound));
    assert!(!is_over(free));
    kill_process_group(Pid::from_raw(free as i32).unwrap(), Signal::KILL).unwrap();
    until("the other one, too", || is_over(free));
}

fn bound() {
    let start = |bound: bool| {
        let start = move || {
            let mut command = Command::new("sleep");
            let command = command.arg("60");
            if bound { command.ends_with_us() } else { command }.spawn().unwrap()
        };
        thread::spawn(start).join().unwrap()
    };
    let children = [start(true), start(false)];
    // A thread that has just ended may not have sent its signal yet.
    thread::sleep(Duration::from_millis(50));
    println!("children: {} {}", children[0].id(), children[1].id());
    // Until it is killed.
    thread::sleep(Duration::from_secs(60));
}

/// Situation 40.
#[test]
fn a_child_that_is_detached_outlives_us_if_its_outputs_are_files() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (mut program, ids) =
        started("detached", &format!("{FILE}={}; export {FILE};", file.path().display()));
    let [with_pipes, with_file] = ids[..] else { panic!("{ids:?}") };
    program.wait().unwrap();
    // It notices with its next line.
    until("the one with pipes has ended", || is_over(with_pipes));
    let written = || fs::metadata(file.path()).unwrap().len();
    let before = written();
    until("the one with a file goes on", || written() > before);
    kill_process_group(Pid::from_raw(with_file as i32).unwrap(), Signal::KILL).unwrap();
    until("it has ended", || is_over(with_file));
}

fn detached() {
    let path = env::var_os(FILE).unwrap();
    let script = "while :; do echo line; sleep 0.02; done";
    let with_pipes = shell(script).spawn().unwrap();
    let mut with_file = shell(script);
    let with_file = with_file.stdout(Capture::file(fs::File::create(Path::new(&path)).unwrap()));
    let with_file = with_file.stderr(Capture::null()).spawn().unwrap();
    println!("children: {} {}", with_pipes.id(), with_file.id());
    let mut reader = with_pipes.stdout().unwrap().strong_reader(Start::Oldest).unwrap().blocking();
    with_pipes.detach();
    with_file.detach();
    // As long as we live, it does, and is read.
    reader.read_exact(&mut [0; 50]).unwrap();
}

// Signals of this process.

/// A program that has SIGPIPE end it, as those in pipelines do.
#[test]
fn a_broken_pipe_of_stdin_does_not_end_a_program_that_would_die_of_the_signal() {
    run("", "broken pipe");
}

fn broken_pipe() {
    // The runtime of Rust ignores the signal, unless it is told not to. A program without that is like this.
    handle(Signal::PIPE, false);
    let child = Command::new("true").stdin(Input::bytes(vec![0; 1 << 20])).spawn().unwrap();
    let outcome = block_on(child.wait());
    assert!(outcome.success() && outcome.stdin.unwrap().broken);
}

#[allow(unsafe_code)]
fn handle(which: Signal, is_ignored: bool) {
    use nix::sys::signal::{SigHandler, Signal, signal};
    let which = Signal::try_from(which.as_raw()).unwrap();
    let handler = if is_ignored { SigHandler::SigIgn } else { SigHandler::SigDfl };
    // SAFETY: no handler of ours is installed.
    unsafe { signal(which, handler) }.unwrap();
}

#[test]
fn other_children_of_the_program_are_left_alone() {
    // It has exited, and waits to be waited for, in no group of ours.
    let mut other = process::Command::new("sh").args(["-c", "exit 9"]).spawn().unwrap();
    until("it has exited", || process(other.id()).unwrap().state == 'Z');
    for _ in 0..10 {
        let child = shell("sleep 60 & exit 0").spawn().unwrap();
        block_on(child.kill());
    }
    assert_eq!(other.wait().unwrap().code(), Some(9));
    assert!(processes().iter().all(|process| process.id != other.id()));
    assert!(members(other.id()).is_empty());
}

// Counted.

/// The threads that look after children. Another one of this crate lives for a moment only.
fn threads() -> usize {
    let all = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = all.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names
        .filter(|name| {
            ["overfall-proc", "overfall-wait", "tokio"].iter().any(|start| name.starts_with(start))
        })
        .count()
}

/// How many bytes of this process are in memory that are of no file: its code does not count.
fn allocated() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kibibytes =
        status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.strip_suffix("kB"));
    kibibytes.unwrap().trim().parse::<usize>().unwrap() << 10
}

fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Situation 42.
#[test]
fn nothing_is_left_of_children_that_could_not_be_started() {
    run("", "failures");
}

fn failures() {
    // The thread of children, and what it has open, is there from here on.
    block_on(Command::new("true").spawn().unwrap().wait());
    let (open, running, used) = (descriptors(), threads(), resident());
    for _ in 0..3000 {
        Command::new("no-such-program").stdin(Input::pipe()).spawn().unwrap_err();
    }
    assert_eq!((descriptors(), threads()), (open, running));
    assert!(resident() < used + (1 << 20), "{used} and then {}", resident());
}

#[test]
fn two_hundred_children_at_once_end_and_leave_nothing() {
    run("", "many");
}

fn many() {
    block_on(Command::new("true").spawn().unwrap().wait());
    let (open, running) = (descriptors(), threads());
    let start = |index: usize| {
        let mut command = shell(&format!("cat; echo {index} >&2; exit {}", index % 100));
        command.stdin(Input::bytes(format!("{index}\n"))).spawn().unwrap()
    };
    let children: Vec<_> = (0..200).map(start).collect();
    // Half of them are just dropped.
    let (waited, dropped): (Vec<_>, Vec<_>) =
        children.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    let ids: Vec<_> = dropped.iter().map(|(_, child)| child.id()).collect();
    drop(dropped);
    for (index, child) in &waited {
        let outcome = block_on(child.wait());
        assert_eq!(outcome.status.code(), Some(*index as i32 % 100));
        let expected = format!("{index}\n");
        for output in [child.stdout(), child.stderr()] {
            let mut text = String::new();
            let reader = output.unwrap().strong_reader(Start::Oldest).unwrap();
            reader.blocking().read_to_string(&mut text).unwrap();
            assert_eq!(text, expected);
        }
    }
    drop(waited);
    for id in ids {
        gone(id);
    }
    let left = || processes().into_iter().filter(|left| left.parent == std::process::id()).count();
    assert_eq!(left(), 0);
    until("nothing is left open", || (descriptors(), threads()) == (open, running));
}

/// A ring of 1 MiB for each output would be 400 MiB.
#[test]
fn two_hundred_children_that_write_little_cost_little_memory() {
    run("", "rings");
}

fn rings() {
    block_on(Command::new("true").spawn().unwrap().wait());
    let before = resident();
    let start = |_| shell("echo little; read line").stdin(Input::pipe()).spawn().unwrap();
    let children: Vec<_> = (0..200).map(start).collect();
    for child in &children {
        until("it has written", || child.stdout().unwrap().stats().payload_bytes == 7);
    }
    let used = resident().saturating_sub(before);
    assert!(used < 40 << 20, "{used}");
}

/// However much the child writes: while it is waited for, and once it is weak, and another one reads on.
#[test]
fn a_consumer_that_stands_still_costs_the_ring_and_at_most_a_mebibyte() {
    run("", "stands still");
}

fn stands_still() {
    const RING: usize = 1 << 20;
    block_on(Command::new("true").spawn().unwrap().wait());
    let before = allocated();
    let costs = || allocated().saturating_sub(before);
    let child = shell("exec yes").stdout(Capture::ring(RING)).spawn().unwrap();
    let output = child.stdout().unwrap();
    let still = output.strong_reader(Start::Oldest).unwrap();
    let mut reader = output.strong_reader(Start::Oldest).unwrap().blocking();
    until("it holds the child up", || output.stats().waiting_writers == 1);
    assert!(costs() < RING + (1 << 20), "{} bytes while it is waited for", costs());
    let still = still.into_weak();
    io::copy(&mut reader.by_ref().take(64 << 20), &mut io::sink()).unwrap();
    assert!(costs() < RING + (1 << 20), "{} bytes once it is weak", costs());
    assert!(still.missed().bytes > 62 << 20, "{:?}", still.missed());
    block_on(child.kill());
}

/// Situation 35: a program that reads what is to be done, and runs a command for each line.
#[test]
fn what_we_read_is_not_swallowed_by_a_child_and_what_it_inherits_is_ours() {
    let mut program = command("", "reads lines");
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    io::Write::write_all(&mut program.stdin.take().unwrap(), b"1\n2\n3\n").unwrap();
    let output = program.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("said by the child\n") && text.contains("done: "), "{text}");
}

fn reads_lines() {
    let lines: Vec<_> = io::stdin()
        .lock()
        .lines()
        .map(|line| {
            let mut command = shell("cat; echo said by the child");
            let outcome = block_on(command.stdout(Capture::inherit()).spawn().unwrap().wait());
            assert!(outcome.success() && outcome.stdout.is_none());
            line.unwrap()
        })
        .collect();
    assert_eq!(lines, ["1", "2", "3"]);
    // By choice it is the child that gets the rest.
    let child = Command::new("cat").stdin(Input::inherit()).spawn().unwrap();
    assert!(block_on(child.wait()).success());
}
