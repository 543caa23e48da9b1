//! Lines without an end: prompts, and what is shown of them.

use overfall::lines::{Builder, End, LineError, Lines};
use overfall::{Channel, pipe};
use overfall_tests::{LIMIT, within};
use std::time::Duration;
use tokio::time::sleep;

#[test]
fn a_prompt_is_there_at_once_and_its_text_does_not_come_twice() {
    let (mut writer, reader) = pipe(1024);
    let mut lines = Builder::new().show_unfinished().lines(reader);
    writer.try_send("Password: ").unwrap();
    let line = lines.try_next_line().unwrap().unwrap();
    assert_eq!((&*line.text(), line.end(), line.is_continued()), ("Password: ", End::Quiet, true));
    assert!(matches!(lines.try_next_line(), Err(LineError::Empty)));
    writer.try_send("ok\nnext").unwrap();
    let line = lines.try_next_line().unwrap().unwrap();
    assert_eq!((&*line.text(), line.end(), line.continues()), ("ok", End::Newline, true));
    let line = lines.try_next_line().unwrap().unwrap();
    assert_eq!((&*line.text(), line.end(), line.continues()), ("next", End::Quiet, false));
    drop(writer);
    assert!(lines.try_next_line().unwrap().is_none());
}

#[test]
fn a_task_that_waits_is_given_a_prompt_at_once() {
    within(LIMIT, || {
        futures::executor::block_on(async {
            let (mut writer, reader) = pipe(1024);
            let mut lines = Builder::new().show_unfinished().lines(reader);
            let ask = async {
                let line = lines.next_line().await.unwrap().unwrap();
                assert_eq!((&*line.text(), line.end()), ("Password: ", End::Quiet));
            };
            let write = async { writer.send("Password: ").await.unwrap() };
            futures::join!(ask, write);
        });
    });
}

#[test]
fn half_characters_and_returns_are_kept_back_until_it_is_clear_what_they_are() {
    let (mut writer, reader) = pipe(1024);
    let mut lines = Builder::new().show_unfinished().lines(reader);
    let (first, second) = "\u{e9}".as_bytes().split_at(1);
    let mut shown = |bytes: &[u8]| {
        writer.try_send(bytes).unwrap();
        lines.try_next_line().ok().flatten().map(|line| line.to_vec())
    };
    assert_eq!(shown(&[b"caf", first].concat()).as_deref(), Some(&b"caf"[..]));
    assert_eq!(shown(second).as_deref(), Some("\u{e9}".as_bytes()));
    assert_eq!(shown(b"\r"), None);
    assert_eq!(shown(b"x\r").as_deref(), Some(&b"\rx"[..]));
    assert_eq!(shown(b"\n").as_deref(), Some(&b""[..]));
}

#[test]
fn a_line_is_shown_after_a_quiet_time_that_begins_anew_with_each_part_of_it() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(async {
        let (mut writer, reader) = pipe(1024);
        let mut lines = Lines::new(reader);
        let started = tokio::time::Instant::now();
        let quiet = || sleep(Duration::from_millis(100));
        let read = async {
            let line = lines.next_line_or_quiet(quiet).await.unwrap().unwrap();
            assert_eq!((&*line.text(), line.end()), ("Setting up", End::Quiet));
            assert_eq!(started.elapsed().as_millis(), 60 + 100);
            let line = lines.next_line_or_quiet(quiet).await.unwrap().unwrap();
            assert_eq!((&*line.text(), line.end()), ("...", End::Newline));
            assert!(lines.next_line_or_quiet(quiet).await.unwrap().is_none());
        };
        let write = async {
            writer.send("Setting").await.unwrap();
            sleep(Duration::from_millis(60)).await;
            writer.send(" up").await.unwrap();
            sleep(Duration::from_millis(1000)).await;
            writer.send("...\n").await.unwrap();
            drop(writer);
        };
        tokio::join!(read, write);
    });
}

#[test]
fn a_thread_that_waits_for_quiet_is_given_what_there_is_and_then_the_rest() {
    within(LIMIT, || {
        let (mut writer, reader) = pipe(1024);
        let mut lines = Lines::new(reader).blocking();
        writer.try_send("one\nPassword: ").unwrap();
        for quiet in [Duration::ZERO, Duration::from_millis(5), Duration::from_millis(5)] {
            let line = lines.next_line_or_quiet(quiet).unwrap().unwrap();
            match &*line.text() {
                "one" => assert_eq!(line.end(), End::Newline),
                "Password: " => {
                    assert_eq!(line.end(), End::Quiet);
                    writer.try_send("ok\n").unwrap();
                }
                text => {
                    assert_eq!((text, line.end(), line.continues()), ("ok", End::Newline, true))
                }
            }
        }
        writer.try_send("last").unwrap();
        drop(writer);
        let line = lines.next_line_or_quiet(Duration::MAX).unwrap().unwrap();
        assert_eq!((&*line.text(), line.end()), ("last", End::End));
    });
}

#[test]
fn what_each_writer_has_begun_is_shown() {
    let channel = Channel::new(1024);
    let mut lines = Lines::new(channel.new_strong_reader());
    let (mut one, mut two) = (channel.new_writer(), channel.new_writer());
    one.try_send("first").unwrap();
    two.try_send("second").unwrap();
    assert!(matches!(lines.try_next_line(), Err(LineError::Empty)));
    let mut shown = Vec::new();
    while let Some(line) = lines.try_unfinished().unwrap() {
        shown.push((line.writer(), line.text().into_owned()));
    }
    shown.sort();
    assert_eq!(shown, [(one.id(), "first".to_owned()), (two.id(), "second".to_owned())]);
    one.try_send("\n").unwrap();
    let line = lines.try_next_line().unwrap().unwrap();
    assert_eq!((line.writer(), line.len(), line.continues()), (one.id(), 0, true));
}
