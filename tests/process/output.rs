//! Outputs of children, and their consumers.

use crate::support::{Guard, begin, shell, shell_that_waits, until};
use overfall::Reader;
use overfall::error::TryReadError;
use overfall::process::{Capture, Child, Collect, Command, Input, Output, SecondConsumer, Start};
use overfall::spool::Spool;
use overfall_tests::{block_on, within};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::OpenOptions;
use std::io::{self, BufRead, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

fn stdout(child: &Child) -> Output {
    child.stdout().unwrap().clone()
}

fn all(output: &Output) -> String {
    let mut text = String::new();
    let reader = output.strong_reader(Start::Oldest).unwrap();
    reader.blocking().read_to_string(&mut text).unwrap();
    text
}

/// `count` lines with the numbers from 1 on.
fn numbers(count: u32) -> Command {
    let mut command = Command::new("seq");
    command.arg(count.to_string());
    command
}

// Who holds the child up.

#[test]
fn a_consumer_that_failed_holds_nobody_up() {
    let child = shell("head -c 10000000 /dev/zero").spawn().unwrap();
    let _guard = Guard::of(&child);
    let mut log = stdout(&child).strong_reader(Start::Oldest).unwrap().blocking();
    let logging = thread::spawn(move || {
        log.read_exact(&mut [0; 1000])?;
        Err::<(), _>(io::Error::other("the disk failed"))
    });
    assert!(within(Duration::from_secs(60), move || block_on(child.wait())).success());
    assert!(logging.join().unwrap().is_err(), "which nobody had asked for");
}

#[test]
fn a_consumer_that_was_ended_and_not_dropped_holds_nobody_up() {
    let child = shell("head -c 10000000 /dev/zero").spawn().unwrap();
    let _guard = Guard::of(&child);
    let mut log = stdout(&child).strong_reader(Start::Oldest).unwrap();
    log.terminate();
    let outcome = within(Duration::from_secs(60), move || block_on(child.wait()));
    assert!(outcome.success() && outcome.stdout.unwrap().ended);
}

#[test]
fn one_child_that_is_held_up_holds_up_no_other() {
    let held = shell_that_waits("head -c 10000000 /dev/zero").spawn().unwrap();
    let _guard = Guard::of(&held);
    let stuck = stdout(&held).strong_reader(Start::Oldest).unwrap();
    stuck.set_name("the forgotten one");
    begin(&held);
    until("it is held up", || stdout(&held).stats().held_ring_bytes >= (1 << 20) - (256 << 10));
    let child = shell("head -c 10000000 /dev/zero").spawn().unwrap();
    assert!(block_on(child.wait()).success());
    assert!(held.status().is_none());
    let stats = stdout(&held).stats();
    assert_eq!(stats.slowest_reader().unwrap().name.as_deref(), Some("the forgotten one"));
    drop(stuck);
    assert!(block_on(held.wait()).success());
}

#[test]
fn a_runtime_that_is_blocked_does_not_stop_the_child() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let child = shell("head -c 10000000 /dev/zero").spawn().unwrap();
        until("all is read", || stdout(&child).has_ended());
        assert_eq!(stdout(&child).stats().payload_bytes, 10_000_000);
        assert!(child.wait().await.success());
    });
}

// What consumers get.

#[test]
fn consumers_that_come_at_any_time_get_what_is_kept_and_then_what_comes() {
    const COUNT: u32 = 300_000;
    let child = numbers(COUNT).stdout(Capture::ring(64 << 10)).spawn().unwrap();
    let _guard = Guard::of(&child);
    let output = stdout(&child);
    let mut consumers = Vec::new();
    while !output.has_ended() && consumers.len() < 20 {
        let reader = output.strong_reader(Start::Oldest).unwrap();
        consumers.push(thread::spawn(move || {
            let gone = reader.missed().bytes;
            let mut lines = reader.blocking();
            let mut torn = String::new();
            let mut length = lines.read_line(&mut torn).unwrap();
            let mut expected = None;
            for line in lines.lines() {
                let line = line.unwrap();
                let number: u32 = line.parse().unwrap();
                assert_eq!(expected.unwrap_or(number), number);
                expected = Some(number + 1);
                length += line.len() + 1;
            }
            assert_eq!(expected, Some(COUNT + 1), "to the last one");
            gone + length as u64
        }));
        thread::yield_now();
    }
    assert!(block_on(child.wait()).success());
    let total = output.stats().payload_bytes;
    for consumer in consumers {
        assert_eq!(consumer.join().unwrap(), total);
    }
}

#[test]
fn a_weak_consumer_is_told_its_gap_before_what_comes_behind_and_before_the_end() {
    let child = numbers(300_000).stdout(Capture::ring(4096)).spawn().unwrap();
    let _guard = Guard::of(&child);
    let output = stdout(&child);
    let mut weak = output.weak_reader(Start::Oldest).unwrap();
    assert!(block_on(child.wait()).success());
    let Err(TryReadError::Lagged(lagged)) = weak.try_recv() else { panic!("no gap") };
    let mut rest = 0;
    while let Some(message) = weak.try_recv().unwrap() {
        rest += message.len() as u64;
    }
    assert_eq!(lagged.bytes_at_least + rest, output.stats().payload_bytes);

    // One that read a part before, and is overrun by all that follows.
    let mut command = shell("echo first; head -c 1000000 /dev/zero; exit 0");
    let child = command.stdout(Capture::ring(4096)).spawn().unwrap();
    let _guard = Guard::of(&child);
    let mut weak = stdout(&child).weak_reader(Start::Oldest).unwrap();
    assert!(block_on(child.wait()).success());
    assert!(matches!(weak.try_recv(), Err(TryReadError::Lagged(_))));
    while weak.try_recv().unwrap().is_some() {}
    assert!(weak.try_recv().unwrap().is_none(), "the end, once and for ever");
}

#[test]
fn the_first_consumer_of_a_ring_that_went_round_is_told_how_many_bytes_are_gone() {
    let mut command = shell("head -c 4000000 /dev/zero; echo ready; head -c 1000000 /dev/zero");
    let child = command.stdout(Capture::ring(1 << 20)).spawn().unwrap();
    let _guard = Guard::of(&child);
    let output = stdout(&child);
    assert!(block_on(child.wait()).success());
    let reader = output.strong_reader(Start::Oldest).unwrap();
    let missed = reader.missed().bytes;
    let mut kept = Vec::new();
    reader.blocking().read_to_end(&mut kept).unwrap();
    assert_eq!(missed + kept.len() as u64, 5_000_006);
    let weak = output.weak_reader(Start::Oldest).unwrap();
    assert_eq!(weak.missed().bytes, output.gone());
    assert!(output.gone() >= 4_000_000 - (1 << 20));
}

#[test]
fn a_consumer_may_start_at_the_last_bytes_of_an_output_that_has_ended() {
    let child = numbers(100_000).spawn().unwrap();
    assert!(block_on(child.wait()).success());
    let mut tail = String::new();
    let reader = stdout(&child).strong_reader(Start::Last(13)).unwrap();
    reader.blocking().read_to_string(&mut tail).unwrap();
    assert_eq!(tail, "99999\n100000\n");
}

#[test]
fn the_claim_of_the_only_consumer_is_released_when_its_task_is_aborted() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut command = shell("echo text; exec sleep 60");
    let child = command.stdout(Capture::default().only_one_consumer()).spawn().unwrap();
    let _guard = Guard::of(&child);
    let output = stdout(&child);
    runtime.block_on(async {
        let mut reader = output.strong_reader(Start::Oldest).unwrap();
        reader.set_name("the log");
        let task = tokio::spawn(async move { while let Ok(Some(_)) = reader.recv().await {} });
        let error = output.weak_reader(Start::Oldest).unwrap_err();
        assert!(error.to_string().contains("the log"), "{error}");
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
    output.weak_reader(Start::Oldest).unwrap();
    block_on(child.kill());
}

#[test]
fn a_clone_of_the_only_consumer_is_refused_and_told_who_is_the_first() {
    let mut command = shell("echo text; exec sleep 60");
    let child = command.stdout(Capture::default().only_one_consumer()).spawn().unwrap();
    let _guard = Guard::of(&child);
    let output = stdout(&child);
    until("it is there", || output.stats().payload_bytes == 5);
    let refusal = |mut reader: Reader| {
        let error = reader.try_recv().map(drop).unwrap_err();
        assert_eq!(reader.try_read(&mut [0; 8]).unwrap_err(), error);
        assert_eq!(reader.clone().try_read(&mut [0; 8]).unwrap_err(), TryReadError::Terminated);
        let TryReadError::Failed(failure) = error else { panic!("{error}") };
        let second: &SecondConsumer = failure.get_ref().downcast_ref().unwrap();
        assert!(second.output.ends_with("stdout"), "{second}");
        second.first.to_string()
    };
    let log = output.strong_reader(Start::Oldest).unwrap();
    log.set_name("log");
    assert_eq!(refusal(log.clone().into()), "log");
    assert_eq!(refusal(log.clone().into_weak().into()), "log");
    // A handle of the channel makes no second one either.
    assert_eq!(refusal(log.channel().new_weak_reader().into()), "log");
    assert_eq!(refusal(log.channel().new_strong_reader().into()), "log");
    assert!(output.weak_reader(Start::Now).unwrap_err().to_string().contains("log"));
    // It has a clone that was refused, and that does not keep the claim.
    let clone = log.clone();
    assert_eq!(output.stats().readers.len(), 1);
    drop(log);
    let weak = output.weak_reader(Start::Oldest).unwrap();
    weak.set_name("view");
    assert_eq!(refusal(weak.clone().into()), "view");
    assert_eq!(refusal(clone.into()), "log");
    // What it is turned into is the same consumer.
    let mut strong = weak.into_strong().unwrap();
    assert_eq!(strong.try_recv().unwrap().as_deref(), Some(&b"text\n"[..]));
    block_on(child.kill());
}

#[test]
fn a_spool_has_everything_in_memory_or_on_disk() {
    for spool in [Spool::builder(), Spool::builder().spill_at(10_000)] {
        let capture = Capture::ring(4096).with_spool(spool);
        let child = numbers(100_000).stdout(capture).spawn().unwrap();
        let outcome = block_on(child.wait());
        let output = stdout(&child);
        let spool = output.spool().unwrap();
        assert_eq!(
            block_on(spool.finished()).unwrap(),
            outcome.stdout.unwrap().stats.payload_bytes
        );
        let lines = spool.reader().unwrap().blocking().lines();
        assert!(lines.map(Result::unwrap).eq((1..=100_000).map(|number| number.to_string())));
    }
}

#[test]
fn merged_outputs_are_told_apart_by_the_names_of_their_writers() {
    let child = shell("echo out; echo err >&2").merged(Capture::default()).spawn().unwrap();
    let output = child.output().unwrap().clone();
    assert!(block_on(child.wait()).success());
    let mut reader = output.strong_reader(Start::Oldest).unwrap();
    let names = reader.channel();
    let mut texts = Vec::new();
    while let Some(message) = reader.try_recv().unwrap() {
        let text = String::from_utf8(message.to_vec()).unwrap();
        texts.push((names.writer_name(message.header().writer).unwrap(), text));
    }
    texts.sort();
    let expected = [("stderr", "err\n"), ("stdout", "out\n")];
    assert!(texts.iter().map(|(name, text)| (&**name, &**text)).eq(expected), "{texts:?}");
}

#[test]
fn an_output_that_is_closed_ends_a_child_that_writes_for_ever() {
    let child = Command::new("yes").spawn().unwrap();
    let _guard = Guard::of(&child);
    stdout(&child).close();
    let outcome = within(Duration::from_secs(60), move || block_on(child.wait()));
    assert_eq!(outcome.status.signal(), Some(13));
    assert!(outcome.stdout.unwrap().ended);
}

#[test]
fn the_outcome_tells_what_each_consumer_has_read_and_missed() {
    let mut command = shell_that_waits("exec seq 100000");
    let child = command.stdout(Capture::ring(4096)).spawn().unwrap();
    let output = stdout(&child);
    let mut weak = output.weak_reader(Start::Oldest).unwrap();
    weak.set_name("view");
    weak.set_silent(true);
    let mut strong = output.strong_reader(Start::Oldest).unwrap();
    strong.set_name("log");
    begin(&child);
    while block_on(strong.recv()).unwrap().is_some() {}
    while weak.try_recv().unwrap().is_some() {}
    let stats = block_on(child.wait()).stdout.unwrap().stats;
    assert_eq!(stats.readers.len(), 2);
    let of = |name: &str| {
        stats.readers.iter().find(|reader| reader.name.as_deref() == Some(name)).unwrap()
    };
    assert_eq!((of("log").payload_bytes, of("log").gaps), (588_895, 0));
    assert!(of("view").gaps > 0 && of("view").skipped_ring_bytes > 0);
    assert_eq!(of("view").payload_bytes + weak.missed().bytes, 588_895);
}

/// However its task ends, and also before somebody asks for its result.
#[test]
fn the_claim_of_the_only_consumer_is_released_when_its_task_ends() {
    let child = shell("echo text; exec sleep 60");
    let child = { child }.stdout(Capture::default().only_one_consumer()).spawn().unwrap();
    let _guard = Guard::of(&child);
    let output = stdout(&child);
    until("it has come", || output.stats().payload_bytes == 5);
    let is_free = || until("the claim is released", || output.strong_reader(Start::Now).is_ok());
    let collect = || {
        let collecting = Collect::first(100).text_of(output.strong_reader(Start::Oldest).unwrap());
        assert!(output.weak_reader(Start::Now).is_err());
        collecting.unwrap()
    };
    assert_eq!(block_on(collect().stop()).kept, "text\n");
    output.strong_reader(Start::Now).unwrap();
    collect().abort();
    is_free();
    drop(collect());
    is_free();
    let collecting = collect();
    block_on(child.kill());
    is_free();
    assert_eq!(block_on(collecting.wait()).kept, "text\n");
}

// Descriptors.

#[test]
fn a_child_gets_no_descriptor_that_does_not_block_and_ours_stay_as_they_are() {
    let ours = [io::stdin().as_fd(), io::stdout().as_fd(), io::stderr().as_fd()]
        .map(|descriptor| descriptor.try_clone_to_owned().unwrap());
    let flags = || ours.each_ref().map(|ours| rustix::fs::fcntl_getfl(ours).unwrap());
    let before = flags();
    let script = "exec 3>&1; for n in 0 1 2; do grep flags /proc/$$/fdinfo/$n >&3; done";
    let child = shell(script).stdin(Input::pipe()).merged(Capture::default()).spawn().unwrap();
    assert!(block_on(child.wait()).success());
    let text = all(child.output().unwrap());
    assert_eq!(text.lines().count(), 3);
    for line in text.lines() {
        let flags = line.split_whitespace().last().unwrap();
        let flags = u32::from_str_radix(flags, 8).unwrap();
        assert_eq!(flags & 0o4000, 0, "O_NONBLOCK in {line}");
    }
    assert_eq!(flags(), before);
}

fn terminal() -> (OwnedFd, impl Fn() -> std::fs::File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    (master, move || OpenOptions::new().read(true).write(true).open(&name).unwrap())
}

#[test]
fn the_output_of_a_terminal_ends_when_its_last_program_has_gone_and_no_byte_is_missing() {
    for round in 0..500 {
        let (master, open) = terminal();
        let mut command = std::process::Command::new("echo");
        command.arg(format!("the last words of {round}")).stdout(Stdio::from(open()));
        let output = Output::of(master, &Capture::ring(4096), "terminal").unwrap();
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        drop(command);
        child.wait().unwrap();
        assert_eq!(all(&output), format!("the last words of {round}\r\n"));
        assert!(output.failure().is_none());
    }
}

#[test]
fn a_source_from_outside_that_is_closed_is_let_go_of() {
    let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let output = Output::of(from, &Capture::ring(4096), "a pipe").unwrap();
    assert!(!output.has_ended());
    output.close();
    until("its thread has gone", || rustix::io::write(&to, b"x").is_err());
    assert!(output.has_ended());
}

#[test]
fn what_is_not_kept_in_a_ring_is_no_capture_of_a_descriptor() {
    let (from, _to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let error = Output::of(from, &Capture::null(), "a pipe").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
