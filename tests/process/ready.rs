//! Waiting for a line.

use crate::support::{Busy, Guard, begin, shell, shell_that_waits, until};
use overfall::lines::{Builder, End, Line, LineError};
use overfall::process::{Capture, Input, NoLine, Start};
use overfall::spool::Spool;
use overfall_tests::{LIMIT, block_on, within};
use std::time::{Duration, Instant};

fn is(text: &str) -> impl FnMut(&Line<'_>) -> bool {
    move |line| *line == text
}

#[test]
fn a_line_is_found_and_others_get_all_lines_as_before() {
    let child = shell("echo one; echo two; read line").stdin(Input::pipe()).spawn().unwrap();
    let _guard = Guard::of(&child);
    let output = child.stdout().unwrap();
    for _ in 0..2 {
        let ready = block_on(output.wait_for_line(LIMIT, is("two"))).unwrap();
        assert_eq!((&*ready.line.text(), ready.line.end(), ready.gone), ("two", End::Newline, 0));
    }
    drop(block_on(child.wait()));
    let lines = output.weak_reader(Start::Oldest).unwrap().into_lines().blocking();
    let texts: Vec<_> = lines.map(|line| line.unwrap().into_text()).collect();
    assert_eq!(texts, ["one", "two"]);
}

#[test]
fn the_nth_match_is_found_and_the_next_wait_goes_on_behind_it() {
    let child = shell("for n in 1 2 3 4 5; do echo ready $n; done").spawn().unwrap();
    let _guard = Guard::of(&child);
    let mut watch = child.stdout().unwrap().line_watch().unwrap();
    let is_ready = |line: &Line<'_>| line.starts_with(b"ready");
    let text = |watch: &mut overfall::process::LineWatch, n| {
        block_on(watch.wait_for_nth(n, LIMIT, is_ready)).map(|ready| ready.line.into_text())
    };
    assert_eq!(text(&mut watch, 2).unwrap(), "ready 2");
    assert_eq!(text(&mut watch, 1).unwrap(), "ready 3");
    assert_eq!(text(&mut watch, 0).unwrap(), "ready 4");
    let error = text(&mut watch, 2).unwrap_err();
    assert!(matches!(error.why, NoLine::Ended { .. } | NoLine::Exited(_)), "{error}");
    block_on(child.wait());
}

#[test]
fn a_line_that_is_written_right_before_the_exit_is_found() {
    // All cores are busy.
    let _busy = Busy::with(4);
    for number in 0..300 {
        let child = shell("echo ready; exit 1").spawn().unwrap();
        let found = block_on(child.stdout().unwrap().wait_for_line(LIMIT, is("ready")));
        assert_eq!(found.unwrap().line.text(), "ready", "{number}");
        assert_eq!(block_on(child.wait()).status.code(), Some(1));
    }
}

#[test]
fn the_exit_is_told_though_somebody_else_holds_the_output_open() {
    within(LIMIT, || {
        let child = shell("echo early; sleep 100 & exit 3").spawn().unwrap();
        let _guard = Guard::of(&child);
        let mut watch = child.stdout().unwrap().line_watch().unwrap();
        let error = block_on(watch.wait_for(Duration::MAX, is("ready"))).unwrap_err();
        let NoLine::Exited(status) = error.why else { panic!("{error}") };
        assert_eq!(status.code(), Some(3));
        // It was not told before the line was looked at.
        let ready = block_on(child.stdout().unwrap().wait_for_line(Duration::MAX, is("early")));
        assert_eq!(ready.unwrap().line.text(), "early");
        block_on(child.kill());
    });
}

#[test]
fn the_end_of_an_output_is_told_though_the_child_lives_on() {
    let child = shell("echo one; exec >&-; sleep 100").spawn().unwrap();
    let _guard = Guard::of(&child);
    let error = block_on(child.stdout().unwrap().wait_for_line(LIMIT, is("ready"))).unwrap_err();
    assert_eq!((error.why, error.gone), (NoLine::Ended { status: None }, 0));
    block_on(child.kill());
}

#[test]
fn what_was_gone_before_the_wait_began_is_told_to_the_byte() {
    let script = "yes 0123456789abcdef | head -c 4194304; echo ready; yes 0123456789abcdef | head -c 1048576";
    let child = shell(script).stdout(Capture::ring(1 << 19)).spawn().unwrap();
    let _guard = Guard::of(&child);
    let output = child.stdout().unwrap();
    until("it has ended", || output.has_ended());
    let started = Instant::now();
    let error = block_on(output.wait_for_line(Duration::MAX, is("ready"))).unwrap_err();
    assert!(matches!(error.why, NoLine::Ended { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(20));
    let mut rest = output.weak_reader(Start::Oldest).unwrap();
    let (mut left, mut buffer) = (0, [0; 4096]);
    loop {
        match rest.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => left += read as u64,
            Err(error) => assert!(error.to_string().contains("overrun"), "{error}"),
        }
    }
    assert_eq!(error.gone + left, 4_194_304 + 6 + 1_048_576);
    assert_eq!(error.gone, output.gone());
    assert!(error.to_string().contains(&format!("{} bytes were gone", error.gone)));
    block_on(child.wait());
}

#[test]
fn a_prompt_without_a_newline_can_be_answered() {
    within(LIMIT, || {
        let script = "printf 'User: '; read a; printf 'Password: '; read b; echo $a $b";
        let child = shell(script).stdin(Input::pipe()).spawn().unwrap();
        let _guard = Guard::of(&child);
        let mut stdin = child.take_stdin().unwrap();
        let mut watch = child.stdout().unwrap().line_watch().unwrap().unfinished();
        for (prompt, answer) in [("User: ", "me\n"), ("Password: ", "secret\n")] {
            let ready = block_on(watch.wait_for(Duration::MAX, is(prompt))).unwrap();
            assert_eq!(ready.line.end(), End::Quiet);
            stdin.try_send(answer).unwrap();
        }
        let ready = block_on(watch.wait_for(Duration::MAX, is("me secret"))).unwrap();
        assert_eq!(ready.line.text(), "me secret");
        block_on(child.wait());
    });
}

#[test]
fn zero_looks_once_and_a_time_that_is_up_is_told() {
    let child = shell("echo one; exec sleep 100").spawn().unwrap();
    let _guard = Guard::of(&child);
    let output = child.stdout().unwrap();
    until("it has come", || output.stats().payload_bytes == 4);
    assert!(block_on(output.wait_for_line(Duration::ZERO, is("one"))).is_ok());
    for timeout in [Duration::ZERO, Duration::from_millis(10)] {
        let error = block_on(output.wait_for_line(timeout, is("two"))).unwrap_err();
        assert_eq!(error.why, NoLine::TimedOut);
    }
    block_on(child.kill());
}

#[test]
fn a_second_consumer_is_refused_where_there_may_be_only_one() {
    let child = shell("echo one").stdout(Capture::ring(4096).only_one_consumer()).spawn().unwrap();
    let output = child.stdout().unwrap();
    let watch = output.line_watch().unwrap();
    let error = block_on(output.wait_for_line(LIMIT, is("one"))).unwrap_err();
    assert!(matches!(&error.why, NoLine::Refused(second) if &*second.first == "line watch"));
    drop(watch);
    assert!(block_on(output.wait_for_line(LIMIT, is("one"))).is_ok());
    block_on(child.wait());
}

#[test]
fn lines_of_merged_outputs_are_those_of_one_stream() {
    let script = "printf Hel; sleep 0.05; echo warn >&2; sleep 0.05; echo lo; printf last >&2";
    let child = shell(script).merged(Capture::ring(4096)).spawn().unwrap();
    let output = child.output().unwrap();
    let mut lines = output.strong_reader(Start::Oldest).unwrap().into_lines().blocking();
    let mut all = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        all.push((line.writer(), line.text().into_owned(), line.end()));
    }
    let name = |writer| lines.get_ref().get_ref().writer_name(writer).unwrap().to_string();
    let all: Vec<_> = all.iter().map(|(id, text, end)| (name(*id), text.as_str(), *end)).collect();
    let expected = [
        ("stderr".to_owned(), "warn", End::Newline),
        ("stdout".to_owned(), "Hello", End::Newline),
        ("stderr".to_owned(), "last", End::End),
    ];
    assert_eq!(all, expected);
    block_on(child.wait());
}

#[test]
fn updates_of_a_progress_bar_are_seen_as_they_are_written() {
    within(LIMIT, || {
        // Each update waits until the one before was seen.
        let script = "printf '10 %%\\r'; read a; printf '20 %%\\r'; read a; printf 'done\\n'";
        let child = shell(script).stdin(Input::pipe()).spawn().unwrap();
        let _guard = Guard::of(&child);
        let mut stdin = child.take_stdin().unwrap();
        let reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
        let mut lines = Builder::new().carriage_returns().lines(reader).blocking();
        let updates = [("10 %", End::CarriageReturn), ("20 %", End::CarriageReturn)];
        for update in updates.into_iter().chain([("done", End::Newline)]) {
            let line = lines.next_line().unwrap().unwrap();
            assert_eq!((&*line.text(), line.end()), update);
            // After the last one it reads no more, and its stdin is closed.
            if line.end() == End::CarriageReturn {
                stdin.try_send("seen\n").unwrap();
            }
        }
        block_on(child.wait());
    });
}

#[test]
fn a_bad_byte_among_many_lines_stops_neither_the_reader_nor_the_child() {
    within(LIMIT, || {
        let script = "echo one; echo two; printf 'b\\216d\\n'; yes good | head -n 100000";
        let child = shell_that_waits(script).stdout(Capture::ring(1 << 16)).spawn().unwrap();
        let reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
        begin(&child);
        let lines = Builder::new().utf8().lines(reader).blocking();
        let (mut good, mut bad) = (0, Vec::new());
        for line in lines {
            match line {
                Ok(_) => good += 1,
                Err(LineError::NotUtf8(error)) => bad.push((good, error.line.to_vec())),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((good, bad), (100_002, vec![(2, b"b\x8ed".to_vec())]));
        assert!(block_on(child.wait()).success());
    });
}

/// The ring holds 4 KiB, and the line is somewhere in a flood.
#[test]
fn the_child_waits_for_a_watch_of_a_strong_reader_and_no_line_is_gone() {
    within(LIMIT, || {
        let script = "echo begun; read line; seq 50000; echo ready; seq 50000; exec sleep 100";
        let child = shell(script).stdin(Input::pipe()).stdout(Capture::ring(4096)).spawn().unwrap();
        let _guard = Guard::of(&child);
        let output = child.stdout().unwrap();
        until("it has begun", || output.stats().payload_bytes > 0);
        let reader = output.strong_reader(Start::Now).unwrap();
        let mut watch = output.line_watch_of(reader);
        begin(&child);
        let before = output.stats().payload_bytes;
        for n in [49_998, 50_000] {
            let ready = block_on(watch.wait_for(Duration::MAX, is(&n.to_string()))).unwrap();
            assert_eq!(ready.gone, 0);
        }
        let ready = block_on(watch.wait_for(Duration::MAX, is("ready"))).unwrap();
        assert_eq!((ready.line.text(), ready.gone), ("ready".into(), 0));
        assert!(before < output.stats().payload_bytes);
        // It waits for the watch now, and then for nobody.
        until("it is held up", || output.stats().waiting_writers == 1);
        drop(watch);
        until("all has come", || output.stats().payload_bytes == 2 * 288_894 + 12);
        block_on(child.kill());
    });
}

#[test]
fn a_watch_that_held_the_child_up_too_long_goes_on_weakly_and_counts_what_it_misses() {
    within(LIMIT, || {
        let mut command = shell_that_waits("seq 50000; echo ready");
        command.stdout(Capture::ring(4096)).drain(Duration::ZERO, Duration::ZERO);
        let child = command.spawn().unwrap();
        let output = child.stdout().unwrap();
        let mut watch = output.line_watch_of(output.strong_reader(Start::Oldest).unwrap());
        begin(&child);
        until("it is held up", || output.stats().waiting_writers == 1);
        let outcome = block_on(child.kill());
        assert_eq!(outcome.stdout.unwrap().held_by, [std::sync::Arc::from("line watch")]);
        let error = block_on(watch.wait_for(Duration::MAX, is("no such line"))).unwrap_err();
        assert!(matches!(error.why, NoLine::Ended { .. } | NoLine::Exited(_)), "{error}");
    });
}

#[test]
fn a_watch_of_the_spool_looks_at_all_that_was_ever_written_and_at_the_last_line_before_the_exit() {
    within(LIMIT, || {
        for spool in [Spool::builder(), Spool::builder().spill_at(100)] {
            for _ in 0..20 {
                let capture = Capture::ring(4096).with_spool(spool.clone());
                let child = shell("echo first; seq 10000; echo ready; exit 3");
                let child = { child }.stdout(capture).spawn().unwrap();
                let output = child.stdout().unwrap();
                let reader = || output.spool().unwrap().reader().unwrap();
                let mut watch = output.line_watch_of(reader());
                let ready = block_on(watch.wait_for(Duration::MAX, is("ready")));
                assert_eq!(ready.unwrap().gone, 0);
                let error = block_on(watch.wait_for(Duration::MAX, is("ready"))).unwrap_err();
                assert!(matches!(error.why, NoLine::Ended { .. } | NoLine::Exited(_)), "{error}");
                let mut late = output.line_watch_of(reader());
                block_on(late.wait_for(Duration::MAX, is("first"))).unwrap();
                block_on(child.wait());
            }
        }
    });
}

#[test]
fn what_was_not_gone_is_not_told_as_gone() {
    let child = shell("echo one").spawn().unwrap();
    block_on(child.wait());
    let error = block_on(child.stdout().unwrap().wait_for_line(LIMIT, is("two"))).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.gone, 0);
    assert!(text.contains("stdout") && !text.contains("gone"), "{text}");
}

/// A strong consumer that stands still leaves no room for what the child wrote last.
#[test]
fn the_exit_ends_a_wait_for_ever_though_somebody_else_makes_no_room() {
    within(LIMIT, || {
        let mut command = shell_that_waits("seq 200000; echo ready; exec sleep 100");
        command
            .stdout(Capture::ring(4096))
            .drain(Duration::from_millis(10), Duration::from_millis(10));
        let child = command.spawn().unwrap();
        let _guard = Guard::of(&child);
        let output = child.stdout().unwrap();
        let viewer = output.strong_reader(Start::Oldest).unwrap();
        begin(&child);
        until("it is held up", || output.stats().waiting_writers == 1);
        let mut watch = output.line_watch().unwrap();
        let missing = watch.wait_for(Duration::from_millis(10), is("ready"));
        assert_eq!(block_on(missing).unwrap_err().why, NoLine::TimedOut);
        assert!(child.signal(overfall::process::Signal::Kill).unwrap());
        let error = block_on(watch.wait_for(Duration::MAX, is("ready"))).unwrap_err();
        let NoLine::Exited(status) = error.why else { panic!("{error}") };
        assert_eq!((status.signal(), error.gone), (Some(9), 0));
        // It has let the consumer alone, which reads all of it.
        let all: String = (1..=200_000).map(|n| format!("{n}\n")).collect();
        let mut read = String::new();
        std::io::Read::read_to_string(&mut viewer.blocking(), &mut read).unwrap();
        assert!(all.starts_with(&read) && read.len() > 60_000, "{}", read.len());
        block_on(child.wait());
    });
}

/// The same, where the one who stands still is let go of in time: what was written before the exit is looked at.
#[test]
fn a_line_that_had_no_room_before_the_exit_is_found_when_there_is_some() {
    within(LIMIT, || {
        let mut command = shell_that_waits("seq 3000; echo ready");
        let child = command.stdout(Capture::ring(4096)).spawn().unwrap();
        let output = child.stdout().unwrap();
        let viewer = output.strong_reader(Start::Oldest).unwrap();
        begin(&child);
        until("it has exited", || child.status().is_some());
        let going = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            drop(viewer);
        });
        block_on(output.wait_for_line(Duration::MAX, is("ready"))).unwrap();
        going.join().unwrap();
        block_on(child.wait());
    });
}

#[test]
fn the_exit_is_told_also_when_nothing_is_left_of_the_child_but_its_output() {
    within(LIMIT, || {
        let child = shell("setsid sleep 100 & echo $!; exit 7").spawn().unwrap();
        let (id, output) = (child.id(), child.stdout().unwrap().clone());
        let ready = block_on(output.wait_for_line(LIMIT, |_| true)).unwrap();
        until("it has exited", || child.status().is_some());
        child.detach();
        crate::support::gone(id);
        let error = block_on(output.wait_for_line(Duration::MAX, is("ready"))).unwrap_err();
        let NoLine::Exited(status) = error.why else { panic!("{error}") };
        assert_eq!(status.code(), Some(7));
        let left = ready.line.text().parse().unwrap();
        let left = rustix::process::Pid::from_raw(left).unwrap();
        rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
        let error = block_on(output.wait_for_line(Duration::MAX, is("ready"))).unwrap_err();
        assert!(
            matches!(error.why, NoLine::Ended { status: Some(_) } | NoLine::Exited(_)),
            "{error}"
        );
    });
}

/// As tests do that do not want to wait. Children live in the time of the system.
#[test]
fn a_clock_of_the_runtime_that_stands_still_or_runs_ahead_is_none_of_ours() {
    within(LIMIT, || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            tokio::time::advance(Duration::from_secs(1 << 20)).await;
            let child = shell("exec sleep 100").spawn().unwrap();
            let output = child.stdout().unwrap();
            let error = output.wait_for_line(Duration::from_millis(10), is("ready")).await;
            assert_eq!(error.unwrap_err().why, NoLine::TimedOut);
            let policy = overfall::process::ShutDown::terminate(Duration::MAX);
            let outcome = child.wait_or_shut_down(Duration::from_millis(10), &policy).await;
            assert_eq!(outcome.status.signal(), Some(15));
        });
    });
}
