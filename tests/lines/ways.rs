//! All ways to wait for a line, and to give up.

use futures::{FutureExt, StreamExt};
use overfall::lines::{Builder, LineError, Lines};
use overfall::pipe;
use overfall::spool::Spool;
use overfall_tests::{LIMIT, within};
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_line_that_comes_in_pieces_is_waited_for() {
    within(LIMIT, || {
        let (mut writer, reader) = pipe(256);
        let writing = thread::spawn(move || {
            futures::executor::block_on(async {
                for number in 0..10_000 {
                    let line = format!("line {number}\n");
                    let (first, rest) = line.split_at(number % line.len());
                    writer.send(first).await.unwrap();
                    writer.send(rest).await.unwrap();
                }
            });
        });
        futures::executor::block_on(async {
            let mut lines = Lines::new(reader);
            for number in 0..10_000 {
                let line = lines.next_line().await.unwrap().unwrap();
                assert_eq!(line.text(), format!("line {number}"));
            }
            assert!(lines.next_line().await.unwrap().is_none());
        });
        writing.join().unwrap();
    });
}

#[test]
fn a_future_that_is_dropped_while_it_waits_has_lost_nothing() {
    let (mut writer, reader) = pipe(1024);
    let mut lines = Lines::new(reader);
    for text in ["o", "n", "e", "\ntw", "o"] {
        writer.try_send(text).unwrap();
        if text != "\ntw" {
            assert!(lines.next_line().now_or_never().is_none());
            assert!(lines.read_exact(&mut [0; 100]).now_or_never().is_none());
        } else {
            assert_eq!(*lines.next_line().now_or_never().unwrap().unwrap().unwrap(), *b"one");
        }
    }
    drop(writer);
    assert_eq!(*lines.next_line().now_or_never().unwrap().unwrap().unwrap(), *b"two");
}

#[test]
fn a_thread_that_waits_gives_up_when_its_time_is_over_and_the_longest_time_means_for_ever() {
    within(LIMIT, || {
        let (mut writer, reader) = pipe(1024);
        let mut lines = Lines::new(reader).blocking();
        writer.try_send("on").unwrap();
        for timeout in [Duration::ZERO, Duration::from_millis(5)] {
            assert!(matches!(lines.next_line_timeout(timeout), Err(LineError::Empty)));
            let mut buffer = [0; 3];
            assert!(matches!(
                lines.read_exact_timeout(&mut buffer, timeout),
                Err(LineError::Empty)
            ));
        }
        assert!(matches!(lines.next_line_deadline(Instant::now()), Err(LineError::Empty)));
        let writing = thread::spawn(move || writer.try_send("e\ntwo\nthree\nlast").unwrap());
        assert_eq!(*lines.next_line_timeout(Duration::MAX).unwrap().unwrap(), *b"one");
        assert_eq!(*lines.next_line().unwrap().unwrap(), *b"two");
        writing.join().unwrap();
        let mut buffer = [0; 6];
        lines.read_exact_timeout(&mut buffer, Duration::MAX).unwrap();
        assert_eq!(&buffer, b"three\n");
        let rest: Vec<_> = lines.map(|line| line.unwrap().into_text()).collect();
        assert_eq!(rest, ["last"]);
    });
}

#[test]
fn a_stream_ends_behind_the_last_line_and_behind_the_error_in_place_of_the_end() {
    within(LIMIT, || {
        futures::executor::block_on(async {
            for fails in [false, true] {
                let (mut writer, reader) = pipe(1024);
                writer.try_send(b"one\n\x8e\ntwo\nthree").unwrap();
                if fails {
                    writer.fail("on purpose").unwrap();
                } else {
                    drop(writer);
                }
                let lines = Builder::new().utf8().lines(reader);
                let all: Vec<_> =
                    lines.map(|item| item.map(|line| line.into_text())).collect().await;
                assert_eq!(all[0].as_deref(), Ok("one"));
                assert!(matches!(all[1], Err(LineError::NotUtf8(_))));
                assert_eq!(all[2].as_deref(), Ok("two"));
                assert_eq!(all[3].as_deref(), Ok("three"));
                assert_eq!(all.len(), if fails { 5 } else { 4 });
                assert!(!fails || matches!(all[4], Err(LineError::Failed(_))));
            }
        });
    });
}

#[test]
fn a_reader_of_a_spool_gives_lines_while_it_is_written() {
    within(LIMIT, || {
        let spool = Spool::memory();
        let lines = spool.reader().unwrap().into_lines().blocking();
        let mut writer = spool.writer().unwrap();
        let writing = thread::spawn(move || {
            for number in 0..10_000 {
                writer.write_all(format!("line {number}\n").as_bytes()).unwrap();
            }
            writer.finish().unwrap();
        });
        let all: Vec<_> = lines.map(|line| line.unwrap().into_text()).collect();
        writing.join().unwrap();
        assert_eq!(all.len(), 10_000);
        assert!(all.iter().enumerate().all(|(n, line)| *line == format!("line {n}")));
        futures::executor::block_on(async {
            let mut late = spool.reader().unwrap().into_lines();
            assert_eq!(*late.next_line().await.unwrap().unwrap(), *b"line 0");
        });
    });
}

#[test]
fn lines_are_equal_to_their_texts_and_to_lines_of_which_all_is_the_same() {
    use std::collections::HashSet;

    let (mut writer, reader) = overfall::pipe(1024);
    writer.try_send(b"one\none\none\r\n\xc3").unwrap();
    drop(writer);
    let mut lines = reader.into_lines();
    let mut owned = Vec::new();
    while let Some(line) = lines.try_next_line().unwrap() {
        if owned.len() < 3 {
            assert!(
                line == "one" && line == *"one" && line == b"one" && line == *b"one"[..].as_ref()
            );
        }
        assert!(line != "on" && line == line.to_owned()[..]);
        owned.push(line.to_owned());
    }
    assert_eq!(owned[..3], ["one", "one", "one"]);
    assert_eq!(owned[0], owned[1]);
    assert_ne!(owned[0], owned[2], "it has another end");
    assert_eq!(HashSet::<_>::from_iter(&owned).len(), 3);
}
