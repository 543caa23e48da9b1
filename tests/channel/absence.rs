//! What holds while no strong reader is there.

use overfall::error::{TryReadError, TryWriteError};
use overfall::{AfterLast, Channel, StartAt, StrongReader, pipe};
use overfall_tests::{LIMIT, Task, overwriting, within};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

fn waiting(size: usize) -> Arc<Channel> {
    let builder = Channel::builder().size(size).wait_for_strong_reader(true);
    builder.after_last_strong_reader(AfterLast::Wait).build().unwrap()
}

fn overwritten(channel: &Channel) -> (u64, u64) {
    let stats = channel.stats();
    (stats.overwritten_slices, stats.overwritten_bytes)
}

/// The numbers in the messages that are there.
fn numbers(reader: &mut StrongReader) -> Vec<u8> {
    let mut numbers = Vec::new();
    while let Ok(Some(message)) = reader.try_recv() {
        numbers.push(message[0]);
    }
    numbers
}

#[test]
fn when_the_recorder_dies_its_writers_are_told_at_once() {
    type Dies = fn(StrongReader);
    let ways: [Dies; 3] = [
        drop,
        |mut reader| {
            reader.terminate();
            // It is kept, and counts as gone.
            std::mem::forget(reader);
        },
        |reader| {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                let _reader = reader;
                std::panic::resume_unwind(Box::new("disk full"));
            }));
            assert!(panic.is_err());
        },
    ];
    for dies in ways {
        let channel = Channel::new(1024);
        let mut writer = channel.new_writer();
        let mut tap = channel.new_weak_reader();
        let (recorder, second) = (channel.new_strong_reader(), channel.new_strong_reader());
        drop(second);
        writer.try_write(b"precious").unwrap();
        let closed = Task::parked(writer.closed());
        dies(recorder);
        assert_eq!(closed.wakes(), 1);
        assert_eq!(writer.try_write(b"line"), Err(TryWriteError::Closed));
        assert!(TryWriteError::Closed.to_string().contains("after_last_strong_reader"));
        // A clean end for the others.
        let mut buffer = [0; 16];
        assert_eq!(tap.try_read(&mut buffer), Ok(8));
        assert_eq!(tap.try_read(&mut buffer), Ok(0));
        assert_eq!(channel.failure(), None);
    }
}

#[test]
fn a_writer_that_waits_for_the_recorder_is_woken_when_that_dies() {
    within(LIMIT, || {
        let channel = Channel::new(64);
        let recorder = channel.new_strong_reader();
        let mut writer = channel.new_writer();
        writer.try_send(b"full").unwrap();
        let task = Task::parked(writer.send(b"more"));
        drop(recorder);
        assert_eq!(task.wakes(), 1);
        assert!(task.result().is_err());
    });
}

#[test]
fn a_reader_that_turns_weak_has_not_gone_and_the_ring_overwrites() {
    for after_last in [AfterLast::Close, AfterLast::Wait, AfterLast::Overwrite] {
        let builder = Channel::builder().size(256).after_last_strong_reader(after_last);
        let channel = builder.build().unwrap();
        let mut writer = channel.new_writer();
        let reader = channel.new_strong_reader();
        writer.try_send(b"read by nobody").unwrap();
        let weak = reader.into_weak();
        for number in 0..100 {
            writer.try_send(&[number; 64]).unwrap();
        }
        let (slices, bytes) = overwritten(&channel);
        assert!(
            (97..101).contains(&slices) && bytes == 14 + 64 * (slices - 1),
            "{slices}, {bytes}"
        );
        drop(weak);
        assert!(!channel.is_closed());
        assert_eq!(writer.try_send(b"goes on"), Ok(()));
    }
}

#[test]
fn who_waits_for_the_first_reader_loses_it_nothing_however_late_it_comes() {
    let channel = Channel::builder().size(256).wait_for_strong_reader(true).build().unwrap();
    let mut writer = channel.new_writer();
    (0..4).for_each(|number| writer.try_send(&[number]).unwrap());
    assert!(writer.try_send(&[4]).is_err(), "it waits for the reader");
    let mut task = Task::parked(writer.send(&[4]));
    let mut tap = channel.new_weak_reader();
    assert_eq!(tap.try_recv().unwrap().as_deref(), Some(&[0][..]));
    assert!(task.poll().is_pending(), "a weak reader is none to wait for");
    let mut reader = channel.new_strong_reader();
    assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&[0][..]));
    assert_eq!(task.wakes(), 1);
    task.result().unwrap();
    assert_eq!(numbers(&mut reader), [1, 2, 3, 4]);
    assert_eq!((overwritten(&channel), reader.missed().messages), ((0, 0), 0));
}

#[test]
fn a_reader_that_starts_now_gives_up_what_was_kept_for_it() {
    let channel = waiting(128);
    let mut writer = channel.new_writer();
    (0..2).for_each(|number| writer.try_send(&[number]).unwrap());
    let task = Task::parked(writer.send(&[2]));
    let mut reader = channel.new_strong_reader_at(StartAt::Now);
    assert_eq!(task.wakes(), 1);
    task.result().unwrap();
    assert_eq!(numbers(&mut reader), [2]);
}

#[test]
fn the_next_reader_goes_on_where_the_last_one_stopped() {
    let channel = waiting(256);
    let mut writer = channel.new_writer();
    let mut all = Vec::new();
    let mut next = 0;
    for round in 0..50 {
        let mut reader = channel.new_strong_reader();
        let second = (round % 3 == 0).then(|| reader.clone());
        for _ in 0..3 {
            while writer.try_send(&[next]).is_ok() {
                next += 1;
            }
            if round % 5 < 4 {
                all.extend(reader.try_recv().unwrap().map(|message| message[0]));
            }
        }
        // One that was ahead of the other, and turned or ended itself, leaves it behind.
        match round % 4 {
            0 => drop(second),
            1 => reader.terminate(),
            _ => {}
        }
        drop(reader);
        assert!(!channel.is_closed());
    }
    all.extend(numbers(&mut channel.new_strong_reader()));
    // A second reader that is dropped last leaves what the first one has read already.
    all.dedup();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, (0..next).collect::<Vec<u8>>());
    assert_eq!(overwritten(&channel), (0, 0));
}

#[test]
fn a_weak_reader_may_take_the_place_of_the_last_strong_one() {
    let channel = waiting(256);
    let mut writer = channel.new_writer();
    let tap = channel.new_weak_reader();
    (0..4).for_each(|number| writer.try_send(&[number]).unwrap());
    let mut reader = tap.into_strong().unwrap();
    assert_eq!(numbers(&mut reader), [0, 1, 2, 3]);
    assert!(writer.try_send(&[4]).is_ok());
    // A clone of one that has ended itself takes nothing from the channel's own hold.
    reader.terminate();
    drop(reader.clone());
    (5..8).for_each(|number| writer.try_send(&[number]).unwrap());
    assert!(writer.try_send(&[8]).is_err());
    assert_eq!(numbers(&mut channel.new_strong_reader()), [4, 5, 6, 7]);
}

#[test]
fn what_is_overwritten_before_the_first_reader_and_after_the_last_is_counted() {
    let channel = overwriting(256);
    let mut writer = channel.new_writer();
    assert_eq!(overwritten(&channel), (0, 0));
    (0..100).for_each(|number| writer.try_send(&[number; 10]).unwrap());
    let before = overwritten(&channel);
    let mut reader = channel.new_strong_reader();
    let got = numbers(&mut reader);
    let lost = 100 - got.len() as u64;
    assert_eq!((overwritten(&channel), before), ((lost, 10 * lost), (lost, 10 * lost)));

    // While it is there, and what it has read, counts for nothing.
    for _ in 0..20 {
        (0..4).for_each(|number| writer.try_send(&[number; 10]).unwrap());
        assert_eq!(numbers(&mut reader).len(), 4);
    }
    (0..3).for_each(|number| writer.try_send(&[number; 10]).unwrap());
    assert_eq!(numbers(&mut reader.clone()).len(), 3);
    drop(reader); // with three unread
    assert_eq!(overwritten(&channel), (lost, 10 * lost));
    (0..50).for_each(|number| writer.try_send(&[number; 10]).unwrap());
    let mut reader = channel.new_strong_reader();
    let got = numbers(&mut reader).len() as u64;
    let lost = lost + 53 - got;
    assert_eq!(overwritten(&channel), (lost, 10 * lost));
}

#[test]
fn without_a_handle_the_last_reader_ends_it_whatever_is_set() {
    for after_last in [AfterLast::Close, AfterLast::Wait, AfterLast::Overwrite] {
        let builder = Channel::builder().size(64).after_last_strong_reader(after_last);
        let channel = builder.build().unwrap();
        let (writer, reader) = (channel.new_writer(), channel.new_strong_reader());
        drop(channel);
        drop(reader);
        assert!(writer.is_closed());
    }
    let (writer, reader) = pipe(64);
    let tap = reader.clone().into_weak();
    drop(reader);
    assert!(writer.is_closed(), "a weak one alone does not keep it");
    drop(tap);
}

#[test]
fn readers_that_come_and_go_on_many_threads_leave_nothing_out() {
    within(LIMIT, || {
        const MESSAGES: u32 = 20_000;
        let channel = waiting(1024);
        let mut writer = channel.new_writer().blocking();
        let writing = thread::spawn(move || {
            for number in 0..MESSAGES {
                writer.send(&number.to_be_bytes()).unwrap();
            }
        });
        let taken: Vec<_> = (0..3)
            .map(|_| {
                let channel = channel.clone();
                thread::spawn(move || {
                    let mut seen = Vec::new();
                    loop {
                        let mut reader = channel.new_strong_reader();
                        for _ in 0..10 {
                            match reader.try_recv() {
                                Ok(Some(message)) => {
                                    let bytes = message[..].try_into().unwrap();
                                    seen.push(u32::from_be_bytes(bytes));
                                }
                                Ok(None) => return seen,
                                Err(TryReadError::Empty) => break,
                                Err(error) => panic!("{error}"),
                            }
                        }
                        drop(reader);
                        thread::yield_now();
                    }
                })
            })
            .collect();
        writing.join().unwrap();
        channel.drain().unwrap();
        let mut all: Vec<u32> =
            taken.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all, (0..MESSAGES).collect::<Vec<u32>>());
        assert_eq!(overwritten(&channel), (0, 0));
    });
}
