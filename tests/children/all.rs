//! What holds on every system.

use crate::{actor, done};
use overfall::process::{
    Capture, Child, Collect, Command, Input, NoLine, Outcome, Pipeline, ShutDown, SpawnError,
    Start, Stream, Took,
};
use overfall::spool::Spool;
use std::io::Read;
use std::time::Duration;

/// Waits for a child, and gives all that its stdout has kept.
fn wait(child: Child) -> (Outcome, String) {
    let output = child.stdout().unwrap().clone();
    let outcome = done(async move { child.wait().await });
    let mut text = String::new();
    // It is told apart what is gone.
    let mut reader = output.strong_reader(Start::Oldest).unwrap().blocking();
    assert!(outcome.stdout.as_ref().unwrap().ended, "{outcome:?}");
    reader.read_to_string(&mut text).unwrap();
    (outcome, text)
}

#[test]
fn what_a_child_writes_and_exits_with_comes_back() {
    let (outcome, text) = wait(actor("say one say two complain oh exit 7").spawn().unwrap());
    assert_eq!((outcome.status.code(), &*text), (Some(7), "one\ntwo\n"));
    assert!(!outcome.success());
    assert_eq!(outcome.stderr.unwrap().stats.payload_bytes, 3);
}

#[test]
fn no_child_waits_where_nobody_consumes() {
    let mut command = actor("flood 3000000 exit 0");
    let child = command.stdout(Capture::ring(64 << 10)).spawn().unwrap();
    let (outcome, text) = wait(child);
    assert!(outcome.success());
    assert_eq!(outcome.stdout.unwrap().stats.payload_bytes, 3_000_000);
    assert!(text.len() < 64 << 10);
}

#[test]
fn a_strong_consumer_gets_every_byte() {
    // It floods once its stdin is at its end: not before there is a reader.
    let mut command = actor("copy flood 20000000");
    command.stdin(Input::pipe()).stdout(Capture::ring(64 << 10));
    let child = command.spawn().unwrap();
    let mut reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap().blocking();
    drop(child.take_stdin());
    let counting = std::thread::spawn(move || {
        let mut buffer = vec![0; 10_000];
        let mut bytes = 0;
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => return bytes,
                read => bytes += read,
            }
            assert!(buffer.iter().all(|&byte| byte == b'x' || byte == 0));
        }
    });
    let (outcome, _) = wait(child);
    assert!(outcome.success());
    assert_eq!(counting.join().unwrap(), 20_000_000);
}

#[test]
fn a_spool_has_everything() {
    let mut command = actor("flood 3000000");
    let capture = Capture::ring(4096).with_spool(Spool::builder());
    let child = command.stdout(capture).spawn().unwrap();
    let spool = child.stdout().unwrap().spool().unwrap().clone();
    assert!(done(async move { child.wait().await }).success());
    assert_eq!(done(async move { spool.finished().await }).unwrap(), 3_000_000);
}

#[test]
fn lines_of_both_streams_are_told_apart() {
    let mut command = actor("say out complain err");
    let child = command.merged(Capture::default()).spawn().unwrap();
    let output = child.output().unwrap().clone();
    assert!(done(async move { child.wait().await }).success());
    let mut lines = output.weak_reader(Start::Oldest).unwrap().into_lines();
    let mut found = Vec::new();
    done(async move {
        while let Some(line) = lines.next_line().await.unwrap() {
            found.push((line.text().into_owned(), output.stream_of(line.writer())));
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let err = ("err".to_owned(), Some(Stream::Stderr));
        assert_eq!(found, [err, ("out".to_owned(), Some(Stream::Stdout))]);
    });
}

#[test]
fn stdin_is_at_its_end_unless_something_else_is_said() {
    let (outcome, text) = wait(actor("copy say end").spawn().unwrap());
    assert!(outcome.success());
    assert_eq!(text, "end\n");
}

#[test]
fn bytes_go_through_a_child() {
    let bytes = b"0123456789".repeat(30_000);
    let child = actor("copy").stdin(Input::bytes(&bytes)).spawn().unwrap();
    let (outcome, text) = wait(child);
    assert!(outcome.success());
    assert_eq!(outcome.stdin.unwrap().bytes, 300_000);
    assert!(!outcome.stdin.unwrap().broken);
    assert_eq!(text.as_bytes(), bytes);
}

#[test]
fn a_child_answers_what_is_written_to_it() {
    let child = actor("copy").stdin(Input::pipe()).spawn().unwrap();
    let mut stdin = child.take_stdin().unwrap();
    let mut stdout = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    done(async move {
        for question in ["one", "another one"] {
            stdin.send(question.as_bytes()).await.unwrap();
            let answer = stdout.recv().await.unwrap().unwrap();
            assert_eq!(answer, question.as_bytes());
        }
        drop(stdin);
        assert!(child.wait().await.success());
    });
}

#[test]
fn a_child_that_does_not_read_breaks_its_stdin_and_no_more() {
    let bytes = vec![0; 1 << 20];
    let child = actor("say done").stdin(Input::bytes(bytes)).spawn().unwrap();
    done(async move {
        let outcome = child.wait().await;
        assert!(outcome.success());
        assert_eq!(outcome.stdout.unwrap().stats.payload_bytes, 5);
        // On Windows nobody knows at once.
        while !child.wait().await.stdin.unwrap().broken {}
    });
}

#[test]
fn a_writer_learns_that_the_child_reads_no_more() {
    let child = actor("exit 0").stdin(Input::pipe()).spawn().unwrap();
    let mut stdin = child.take_stdin().unwrap();
    done(async move {
        child.wait().await;
        while stdin.send(b"is there anybody?").await.is_ok() {}
    });
}

/// Also one that has nothing to write.
#[test]
fn a_writer_that_waits_learns_that_the_child_reads_no_more() {
    let child = actor("exit 0").stdin(Input::pipe()).spawn().unwrap();
    let stdin = child.take_stdin().unwrap();
    done(async move { stdin.closed().await });
    drop(child);
}

#[test]
fn a_kill_reaches_what_the_child_has_started() {
    let child = actor("start say up linger end linger").spawn().unwrap();
    let output = child.stdout().unwrap().clone();
    done(async move {
        output.wait_for_line(Duration::MAX, |line| &**line == b"up").await.unwrap();
        let outcome = child.kill().await;
        assert_eq!(outcome.shut_down, Some(Took::Kill));
        assert!(!outcome.success());
        assert!(outcome.survivors.is_empty());
        // Nobody has it open any more.
        assert!(outcome.stdout.unwrap().ended);
    });
}

#[test]
fn a_grandchild_that_keeps_an_output_open_holds_nobody_up() {
    let child = actor("start linger end say done exit 5").spawn().unwrap();
    done(async move {
        let outcome = child.wait().await;
        assert_eq!(outcome.status.code(), Some(5));
        let stdout = outcome.stdout.unwrap();
        assert_eq!((stdout.ended, stdout.stats.payload_bytes), (false, 5));
        let outcome = child.kill().await;
        assert_eq!(outcome.status.code(), Some(5));
        assert!(outcome.stdout.unwrap().ended);
    });
}

#[test]
fn a_dropped_child_is_killed_with_what_it_has_started() {
    let child = actor("start say up linger end linger").spawn().unwrap();
    let output = child.stdout().unwrap().clone();
    done(async move {
        output.wait_for_line(Duration::MAX, |line| &**line == b"up").await.unwrap();
        let mut reader = output.strong_reader(Start::Now).unwrap();
        drop(child);
        assert!(reader.recv().await.unwrap().is_none());
    });
}

#[test]
fn a_dropped_child_is_shut_down_if_that_was_said() {
    let mut command = actor("start say up linger end linger");
    let child = command.shut_down_on_drop(ShutDown::at_once()).spawn().unwrap();
    let output = child.stdout().unwrap().clone();
    done(async move {
        output.wait_for_line(Duration::MAX, |line| &**line == b"up").await.unwrap();
        let mut reader = output.strong_reader(Start::Now).unwrap();
        drop(child);
        assert!(reader.recv().await.unwrap().is_none());
    });
}

#[test]
fn a_detached_child_lives_on() {
    let child = actor("copy say done").stdin(Input::pipe()).spawn().unwrap();
    let stdin = child.take_stdin().unwrap();
    let output = child.stdout().unwrap().clone();
    child.detach();
    drop(stdin);
    done(async move {
        output.wait_for_line(Duration::MAX, |line| &**line == b"done").await.unwrap();
    });
}

#[test]
fn a_wait_looks_once_and_can_be_had_again() {
    let child = actor("copy exit 4").stdin(Input::pipe()).spawn().unwrap();
    let stdin = child.take_stdin().unwrap();
    assert!(child.wait_timeout(Duration::ZERO).is_none());
    assert!(child.wait_timeout(Duration::from_millis(20)).is_none());
    drop(stdin);
    assert_eq!(child.wait_timeout(Duration::MAX).unwrap().status.code(), Some(4));
}

#[test]
fn a_closed_output_ends_a_child_that_writes_on() {
    let child = actor("flood 1000000000000").spawn().unwrap();
    let output = child.stdout().unwrap().clone();
    output.close();
    assert!(!done(async move { child.wait().await }).success());
}

#[test]
fn one_child_feeds_the_next() {
    let pipeline = Pipeline::new(actor("flood 500000"));
    let mut pipeline = pipeline.pipe(actor("copy")).pipe(actor("copy"));
    let running = pipeline.spawn().unwrap();
    let output = running.children()[2].stdout().unwrap().clone();
    let outcome = done(async move { running.wait().await });
    assert!(outcome.success());
    assert_eq!(output.stats().payload_bytes, 500_000);
}

#[test]
fn a_line_that_never_came_is_told_with_the_exit() {
    let child = actor("say no exit 3").spawn().unwrap();
    let output = child.stdout().unwrap().clone();
    let error = done(async move {
        let error = output.wait_for_line(Duration::MAX, |line| &**line == b"ready").await;
        drop(child);
        error.unwrap_err()
    });
    assert!(matches!(error.why, NoLine::Ended { .. } | NoLine::Exited(_)), "{error}");
}

/// What was written before the exit is there when the exit is told, also where a grandchild keeps the pipe open.
#[test]
fn no_line_is_missed_that_was_written_before_the_exit() {
    for _ in 0..20 {
        let child = actor("start linger end say last exit 0").spawn().unwrap();
        let output = child.stdout().unwrap().clone();
        done(async move {
            output.wait_for_line(Duration::MAX, |line| &**line == b"last").await.unwrap();
            child.kill().await;
        });
    }
}

#[test]
fn what_was_not_started_says_why() {
    let error = Command::new("no-such-program-anywhere").spawn().unwrap_err();
    assert!(matches!(error, SpawnError::Program { .. }), "{error:?}");
    let mut command = actor("exit 0");
    let error = command.current_dir("no-such-directory").spawn().unwrap_err();
    assert!(matches!(error, SpawnError::Directory { .. }), "{error:?}");
}

#[test]
fn many_children_at_once_all_come_to_their_ends() {
    let children: Vec<_> = (0..40)
        .map(|index| actor(&format!("flood 100000 exit {index}")).spawn().unwrap())
        .collect();
    for (index, child) in children.into_iter().enumerate() {
        let (outcome, _) = wait(child);
        assert_eq!(outcome.status.code(), Some(index as i32));
        assert_eq!(outcome.stdout.unwrap().stats.payload_bytes, 100_000);
    }
}

#[test]
fn what_is_collected_is_there_after_the_end() {
    let child = actor("say one say two").spawn().unwrap();
    let reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    let collecting = Collect::first(1000).text_of(reader).unwrap();
    done(async move { child.wait().await });
    assert_eq!(done(collecting.wait()).kept, "one\ntwo\n");
}
