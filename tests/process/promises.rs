//! What the documentation promises, and no other file shows.

use crate::support::{Guard, begin, gone, members, process, shell, shell_that_waits, until};
use overfall::lines::{Builder, End, LineError};
use overfall::process::{Capture, Collect, Command, Forward, Input, Start};
use overfall_tests::{LIMIT, block_on, within};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

fn text(output: &overfall::process::Output) -> String {
    let mut text = String::new();
    let reader = output.strong_reader(Start::Oldest).unwrap();
    reader.blocking().read_to_string(&mut text).unwrap();
    text
}

// Before it runs.

#[test]
fn of_a_command_of_std_the_program_stays_and_stdio_and_group_are_ours() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "cat; echo $A; pwd; exit 5"]).env("A", "a").current_dir("/");
    command.stdin(Stdio::inherit()).stdout(Stdio::null()).process_group(getpgrp());
    let child = Command::from(command).spawn().unwrap();
    assert!(process(child.id()).is_none_or(|process| process.group == child.id()));
    assert_eq!(block_on(child.wait()).status.code(), Some(5));
    assert_eq!(text(child.stdout().unwrap()), "a\n/\n");
}

fn getpgrp() -> i32 {
    rustix::process::getpgrp().as_raw_nonzero().get()
}

#[test]
fn outputs_that_go_to_a_file_or_nowhere_are_not_captured_and_files_stay_blocking() {
    let mut file = tempfile::tempfile().unwrap();
    let before = rustix::fs::fcntl_getfl(&file).unwrap();
    let mut command = shell("echo out; echo err >&2");
    command.stdout(Capture::file(file.try_clone().unwrap())).stderr(Capture::null());
    let child = command.spawn().unwrap();
    assert!(child.stdout().is_none() && child.stderr().is_none() && child.output().is_none());
    let outcome = block_on(child.wait());
    assert!(outcome.success() && outcome.outputs().next().is_none());
    assert_eq!(rustix::fs::fcntl_getfl(&file).unwrap(), before);
    let mut text = String::new();
    io::Seek::rewind(&mut file).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "out\n");
}

#[test]
fn if_nothing_is_said_each_output_has_a_ring_of_1_mib_and_the_name_of_the_program() {
    let child = Command::new("/bin/sh").args(["-c", "exit 0", "secret"]).spawn().unwrap();
    for (output, name) in [(child.stdout(), "sh: stdout"), (child.stderr(), "sh: stderr")] {
        let output = output.unwrap();
        assert_eq!((output.name(), output.stats().capacity), (name, 1 << 20));
    }
    assert_eq!((child.name(), child.take_stdin().is_some()), ("sh", false));
    let outcome = block_on(child.wait());
    assert!(outcome.stdin.is_none() && !format!("{outcome:?}").contains("secret"));
    let merged = Command::new("true").name("it").merged(Capture::default()).spawn().unwrap();
    let output = merged.output().unwrap();
    assert_eq!((output.name(), output.stats().capacity), ("it", 1 << 20));
    block_on(merged.wait());
}

// While it runs.

/// A pipe has slots, and not bytes: how full it is does not follow from what was written.
#[test]
fn writes_of_any_size_come_as_they_are() {
    for size in [1, 4096, 4097, 5000, 65_536, 70_000] {
        let script = format!("dd if=/dev/zero bs={size} count=100 status=none");
        let child = shell_that_waits(&script).stdout(Capture::ring(4096)).spawn().unwrap();
        let reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
        let all = Collect::first(0).bytes_of(reader).unwrap();
        assert!(block_on(child.wait()).success());
        assert_eq!(block_on(all.wait()).left_out.bytes, 100 * size);
    }
}

/// Two that share a pipe tear lines of more than 4096 bytes.
#[test]
fn long_lines_of_both_outputs_at_once_are_whole() {
    let writes = |letter| {
        format!("for n in 1 2 3 4 5; do head -c 70000 /dev/zero | tr '\\0' {letter}; echo; done")
    };
    let script = format!("({}) & ({}) >&2; wait", writes('o'), writes('e'));
    let child = shell(&script).merged(Capture::default()).spawn().unwrap();
    let reader = child.output().unwrap().strong_reader(Start::Oldest).unwrap();
    let mut lines = Vec::new();
    for line in reader.into_lines().blocking() {
        let line = line.unwrap();
        assert!(line.len() == 70_000 && line.iter().all(|byte| *byte == line[0]));
        lines.push(line[0]);
    }
    lines.sort_unstable();
    assert_eq!(lines, b"eeeeeooooo");
    block_on(child.wait());
}

#[test]
fn half_a_character_and_a_line_of_a_megabyte_come_as_they_are() {
    let script = "head -c 1500000 /dev/zero | tr '\\0' x; printf '\\n\\303'";
    // All of it is kept: one consumer reads after the other.
    let child = shell(script).stdout(Capture::ring(4 << 20)).spawn().unwrap();
    let reader = || child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    let builders = [Builder::new(), Builder::new().utf8_lossy(), Builder::new().utf8()];
    let consumers = builders.map(|builder| builder.lines(reader()).blocking());
    for (index, mut lines) in consumers.into_iter().enumerate() {
        let mut read = |end, continues| {
            let line = lines.next_line().unwrap().unwrap();
            assert_eq!((line.end(), line.continues()), (end, continues));
            line.len()
        };
        assert_eq!(read(End::Limit, false) + read(End::Newline, true), 1_500_000);
        match lines.next_line() {
            Ok(last) => assert_eq!(*last.unwrap(), *[&b"\xc3"[..], "\u{fffd}".as_bytes()][index]),
            Err(LineError::NotUtf8(error)) => assert_eq!((index, &*error.line), (2, &b"\xc3"[..])),
            Err(error) => panic!("{error}"),
        }
        assert!(lines.next_line().unwrap().is_none());
    }
    block_on(child.wait());
}

#[test]
fn stdin_is_written_by_the_io_traits_of_tokio_and_ends_when_it_is_dropped_or_waited_for() {
    let child = Command::new("cat").stdin(Input::pipe()).spawn().unwrap();
    let mut stdin = child.take_stdin().unwrap();
    block_on(async {
        stdin.write_all(&[b'x'; 100_000]).await.unwrap();
        stdin.flush().await.unwrap();
    });
    drop(stdin);
    let outcome = block_on(child.wait());
    assert_eq!(outcome.stdout.unwrap().stats.payload_bytes, 100_000);
    // Nobody has taken it: to wait closes it.
    let child = Command::new("cat").stdin(Input::pipe()).spawn().unwrap();
    assert!(block_on(child.wait()).success());
    assert!(child.take_stdin().is_none());
}

// Consumers.

/// As a pipe that was made so by who started us.
#[test]
fn a_sink_that_others_have_made_one_that_does_not_block_gets_all_of_it() {
    let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let flags = rustix::fs::fcntl_getfl(&to).unwrap() | rustix::fs::OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&to, flags).unwrap();
    let child = shell_that_waits("seq 300000").spawn().unwrap();
    let reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    begin(&child);
    let forwarding = Forward::new().into_write(reader, std::fs::File::from(to)).unwrap();
    let mut from = std::fs::File::from(from);
    let mut read = vec![0; 100_000];
    from.read_exact(&mut read).unwrap();
    // It is slow, now and then.
    thread::sleep(Duration::from_millis(20));
    let reading = thread::spawn(move || from.read_to_end(&mut read).map(|_| read.len()));
    assert!(block_on(child.wait()).success());
    let forwarded = block_on(forwarding.wait());
    assert!(forwarded.error.is_none(), "{:?}", forwarded.error);
    assert_eq!(rustix::fs::fcntl_getfl(&forwarded.sink).unwrap(), flags);
    drop(forwarded.sink);
    assert_eq!((forwarded.written, reading.join().unwrap().unwrap()), (1_988_895, 1_988_895));
}

#[test]
fn a_consumer_whose_runtime_has_gone_holds_nobody_up() {
    struct Stuck;
    impl tokio::io::AsyncWrite for Stuck {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }
    within(LIMIT, || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut command = shell_that_waits("head -c 1000000 /dev/zero");
        let child = command.stdout(Capture::ring(4096)).spawn().unwrap();
        let output = child.stdout().unwrap();
        let reader = output.strong_reader(Start::Oldest).unwrap();
        let within_it = runtime.enter();
        let forwarding = Forward::new().into_async_write(reader, Stuck).unwrap();
        drop(within_it);
        // It runs for a moment.
        runtime.block_on(tokio::task::yield_now());
        begin(&child);
        until("it holds the child up", || output.stats().waiting_writers == 1);
        drop(runtime);
        let outcome = block_on(child.wait());
        assert!(outcome.success() && outcome.stdout.unwrap().held_by.is_empty());
        assert!(forwarding.is_finished());
    });
}

// How it ends.

/// The time begins anew with each byte.
#[test]
fn a_hook_that_goes_on_printing_after_its_parent_has_gone_is_not_cut_off() {
    let script = "(for n in 1 2 3 4 5 6 7 8; do sleep 0.1; echo $n; done) & exit 0";
    let mut command = shell(script);
    let child = command.drain(Duration::from_millis(600), LIMIT).spawn().unwrap();
    let _guard = Guard::of(&child);
    let outcome = block_on(child.wait());
    let stdout = outcome.stdout.unwrap();
    assert!(stdout.ended, "{stdout:?}");
    assert_eq!(text(child.stdout().unwrap()), "1\n2\n3\n4\n5\n6\n7\n8\n");
    assert!(outcome.drained >= Duration::from_millis(600), "longer than one time of quiet");
}

#[test]
fn one_that_prints_for_ever_is_waited_for_no_longer_than_in_all() {
    let mut command = shell("yes & exit 0");
    let child = command.drain(LIMIT, Duration::from_millis(200)).spawn().unwrap();
    let _guard = Guard::of(&child);
    let begun = Instant::now();
    let stdout = block_on(child.wait()).stdout.unwrap();
    assert!(begun.elapsed() < LIMIT / 2 && !stdout.ended);
    assert_eq!(stdout.open_in.iter().map(|process| &*process.name).collect::<Vec<_>>(), ["yes"]);
    block_on(child.kill());
}

#[test]
fn if_nothing_is_said_an_output_that_is_still_open_is_waited_for_3_s() {
    let mut command = Command::new("sh");
    let child = command.args(["-c", "setsid sleep 60 & echo hi; exit 7"]).spawn().unwrap();
    let outcome = block_on(child.wait());
    assert!(outcome.drained >= Duration::from_secs(3), "{outcome:?}");
    assert!(outcome.drained < Duration::from_secs(20), "{outcome:?}");
    let stdout = outcome.stdout.unwrap();
    assert_eq!((outcome.status.code(), stdout.stats.payload_bytes), (Some(7), 3));
    let left = rustix::process::Pid::from_raw(stdout.open_in[0].id as i32).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
}

/// As in `sh -c 'sleep 100 & sleep 100'`, of which others end `sh` alone.
#[test]
fn a_child_that_is_dropped_takes_its_group_with_it_and_its_outputs_end() {
    let child = shell("sleep 100 & sleep 100").spawn().unwrap();
    let (id, output) = (child.id(), child.stdout().unwrap().clone());
    until("all three are there", || members(id).len() == 3);
    drop(child);
    gone(id);
    assert_eq!(within(LIMIT, move || text(&output)), "");
}

#[test]
fn a_task_that_is_aborted_with_its_child_ends_without_a_panic_also_when_the_runtime_goes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let (sender, ids) = std::sync::mpsc::channel();
    let task = |exits: bool| {
        let sender = sender.clone();
        runtime.spawn(async move {
            let child = shell(if exits { "exit 0" } else { "exec sleep 100" }).spawn().unwrap();
            until("it has exited", || !exits || child.status().is_some());
            sender.send(child.id()).unwrap();
            std::future::pending::<()>().await;
            drop(child);
        })
    };
    let tasks = [task(true), task(false)];
    let with_runtime = task(false);
    let ids: Vec<_> = ids.iter().take(3).collect();
    for task in tasks {
        task.abort();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    }
    drop(runtime);
    assert!(block_on(with_runtime).unwrap_err().is_cancelled());
    ids.into_iter().for_each(gone);
}

#[test]
fn a_consumer_may_read_as_a_stream() {
    use futures::{StreamExt, TryStreamExt};
    let child = shell("echo one; echo two").spawn().unwrap();
    let reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    let lines: Vec<_> = block_on(reader.into_lines().try_collect()).unwrap();
    assert_eq!(lines, ["one", "two"]);
    let reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    let bytes =
        block_on(reader.into_stream().map(|bytes| bytes.unwrap().bytes.len()).collect::<Vec<_>>());
    assert_eq!(bytes.iter().sum::<usize>(), 8);
    block_on(child.wait());
}

#[test]
fn a_child_that_is_ended_while_it_writes_has_no_line_lost_before() {
    let script = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i; done; kill -SEGV $$";
    let child = shell_that_waits(script).stdout(Capture::ring(4096)).spawn().unwrap();
    let reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    let all = Collect::last(usize::MAX).lines_of(reader).unwrap();
    assert_eq!(block_on(child.wait()).status.signal(), Some(11));
    let kept = block_on(all.wait()).kept;
    assert!(kept.iter().map(|line| line.text()).eq((1..=2000).map(|n| n.to_string())));
}
