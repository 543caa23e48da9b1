//! What a reader missed: it is told to the byte, and no line is put together across it.

use overfall::lines::{Gap, LineError, Lines};
use overfall::spool::{Retain, Spool};
use overfall::{Backpressure, Channel, StartAt};
use overfall_tests::overwriting;
use std::io::Write;

fn gap(result: Result<Option<overfall::lines::Line<'_>>, LineError>) -> Gap {
    match result {
        Err(LineError::Gap(gap)) => gap,
        other => panic!("no gap: {other:?}"),
    }
}

#[test]
fn a_torn_line_is_dropped_and_what_was_missed_is_told_to_the_byte() {
    for chunk in [1, 3, 7, 10, 64, 100] {
        let channel = overwriting(4096);
        let mut lines = Lines::new(channel.new_weak_reader());
        let mut writer = channel.new_writer();
        let text: Vec<u8> = (0..2000).flat_map(|n| format!("line {n:06}\n").into_bytes()).collect();
        let mut bytes = text.chunks(chunk);
        writer.try_send(bytes.next().unwrap()).unwrap();
        let mut given = 0;
        while let Ok(Some(line)) = lines.try_next_line() {
            given += line.len() as u64 + 1;
        }
        bytes.for_each(|bytes| writer.try_send(bytes).unwrap());
        drop((writer, channel));
        let gap = gap(lines.try_next_line());
        let mut last = None;
        while let Some(line) = lines.try_next_line().unwrap() {
            let line = line.text().into_owned();
            let number: u32 = line.strip_prefix("line ").unwrap().parse().unwrap();
            assert_eq!(line.len(), 11, "{line}");
            assert!(last.is_none_or(|last| last + 1 == number));
            last = Some(number);
            given += line.len() as u64 + 1;
        }
        assert_eq!(last, Some(1999));
        assert_eq!(given + gap.missed + lines.dropped(), text.len() as u64, "{chunk}");
        assert!(lines.dropped() >= gap.torn);
    }
}

#[test]
fn a_gap_is_that_of_one_writer_and_the_other_ones_line_is_whole() {
    let channel = overwriting(1024);
    let mut lines = Lines::new(channel.new_weak_reader());
    let (mut quiet, mut loud) = (channel.new_writer(), channel.new_writer());
    quiet.try_send("Hel").unwrap();
    assert!(matches!(lines.try_next_line(), Err(LineError::Empty)));
    (0..100).for_each(|n| loud.try_send(format!("{n:03}\n")).unwrap());
    quiet.try_send("lo\n").unwrap();
    let gap = gap(lines.try_next_line());
    assert_eq!((gap.writer, gap.torn), (loud.id(), 0));
    let mut quiet_line = None;
    let mut given = 0;
    while let Ok(Some(line)) = lines.try_next_line() {
        if line.writer() == quiet.id() {
            quiet_line = Some(line.text().into_owned());
        } else {
            given += line.len() as u64 + 1;
        }
    }
    assert_eq!(quiet_line.as_deref(), Some("Hello"));
    assert_eq!(gap.missed + given + lines.dropped(), 400);
}

#[test]
fn what_was_missed_behind_the_last_message_of_a_writer_is_told_at_the_end() {
    let channel = overwriting(1024);
    let mut lines = Lines::new(channel.new_weak_reader());
    let (mut quiet, mut loud) = (channel.new_writer(), channel.new_writer());
    quiet.try_send("torn").unwrap();
    assert!(matches!(lines.try_next_line(), Err(LineError::Empty)));
    quiet.try_send("gone\n").unwrap();
    let id = quiet.id();
    drop(quiet);
    (0..100).for_each(|n| loud.try_send(format!("{n:03}\n")).unwrap());
    drop((loud, channel));
    let mut of_quiet = Vec::new();
    loop {
        match lines.try_next_line() {
            Err(LineError::Gap(gap)) if gap.writer == id => of_quiet.push((gap.missed, gap.torn)),
            Err(LineError::Gap(_)) => {}
            Ok(Some(line)) => assert_ne!(line.writer(), id, "half a line: {line:?}"),
            Ok(None) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(of_quiet, [(5, 4)]);
}

#[test]
fn a_reader_that_had_told_its_gaps_before_does_not_tell_them_again() {
    let channel = overwriting(1024);
    let mut reader = channel.new_weak_reader();
    let mut writer = channel.new_writer();
    (0..100).for_each(|n| writer.try_send(format!("{n:03}\n")).unwrap());
    assert!(reader.try_recv().is_err());
    assert!(reader.try_recv().unwrap().unwrap().header().missed.bytes > 0);
    let mut lines = Lines::new(reader);
    drop((writer, channel));
    let mut count = 0;
    while let Some(_line) = lines.try_next_line().unwrap() {
        count += 1;
    }
    assert_eq!(count, 15);
}

#[test]
fn what_a_writer_dropped_tears_the_line_of_a_strong_reader() {
    let channel = Channel::with_parameters(128, Backpressure::Drop);
    let mut lines = Lines::new(channel.new_strong_reader());
    let mut writer = channel.new_writer();
    futures::executor::block_on(async {
        for text in ["one\nt", "w", "o\n"] {
            writer.send(text).await.unwrap();
        }
        assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"one");
        assert!(matches!(lines.try_next_line(), Err(LineError::Empty)));
        writer.send("x\nthree\n").await.unwrap();
    });
    let gap = gap(lines.try_next_line());
    assert_eq!((gap.missed, gap.torn), (2, 2));
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"three");
    assert_eq!(lines.dropped(), 4);
}

#[test]
fn a_reader_of_a_spool_that_was_passed_tells_its_gap_and_goes_on_with_a_whole_line() {
    let spool = Spool::builder().retain(Retain::Last(4096)).build().unwrap();
    let mut lines = Lines::new(spool.weak_reader().unwrap());
    let mut writer = spool.writer().unwrap();
    let mut text = Vec::new();
    (0..10_000).for_each(|n| text.extend_from_slice(format!("line {n:06}\n").as_bytes()));
    writer.write_all(&text).unwrap();
    writer.finish().unwrap();
    let gap = gap(lines.try_next_line());
    let mut given = 0;
    while let Some(line) = lines.try_next_line().unwrap() {
        assert!(line.starts_with(b"line ") && line.len() == 11, "{line:?}");
        given += line.len() as u64 + 1;
    }
    assert_eq!(gap.missed + given + lines.dropped(), text.len() as u64);
}

#[test]
fn lines_of_a_reader_whose_hold_was_taken_go_on_weakly_and_lose_nothing() {
    let channel = overwriting(4096);
    let reader = channel.new_strong_reader_at(StartAt::Now);
    reader.set_name("slow");
    let mut lines = Lines::new(reader);
    let mut writer = channel.new_writer();
    writer.try_send("one\ntw").unwrap();
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"one");
    let id = channel.stats().slowest_reader().unwrap().id;
    channel.take_hold(id).unwrap();
    writer.try_send("o\n").unwrap();
    assert!(matches!(lines.try_next_line(), Err(LineError::HoldTaken)));
    let mut lines = lines.into_weak();
    assert_eq!(*lines.try_next_line().unwrap().unwrap(), *b"two");
}
