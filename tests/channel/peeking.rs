//! Looking at a message before it is received, passing over messages, and going on at a position.

use overfall::error::{ReadError, TryReadError};
use overfall::{Channel, Reader, StartAt, Writer, pipe};
use overfall_tests::{Numbers, Task, block_on, overwriting};
use std::sync::Arc;
use std::time::Duration;

fn readers(channel: &Channel, start: StartAt) -> [Reader; 2] {
    [channel.new_strong_reader_at(start).into(), channel.new_weak_reader_at(start).into()]
}

/// A reader of each kind, from the beginning.
fn both() -> (Arc<Channel>, Writer, [Reader; 2]) {
    let channel = overwriting(1024);
    let (writer, readers) = (channel.new_writer(), readers(&channel, StartAt::Oldest));
    (channel, writer, readers)
}

#[test]
fn what_is_peeked_is_found_again_until_it_is_consumed() {
    let (channel, mut writer, readers) = both();
    let mut other = channel.new_writer();
    writer.try_send_many(&["one", "", "three"]).unwrap();
    other.try_send("four").unwrap();
    for mut reader in readers {
        for (number, expected) in ["one", "", "three", "four"].into_iter().enumerate() {
            let stats = reader.stats();
            let peeked = reader.try_peek().unwrap().unwrap();
            assert_eq!(peeked, expected.as_bytes());
            let header = peeked.header();
            drop(peeked);
            assert_eq!(reader.stats(), stats, "nothing was read");
            assert!(reader.missed().is_none());
            let peeked = block_on(reader.peek()).unwrap().unwrap();
            assert_eq!((&*peeked, peeked.header()), (expected.as_bytes(), header));
            drop(peeked);
            if number % 2 == 0 {
                reader.try_peek().unwrap().unwrap().consume();
            } else {
                let message = reader.try_recv().unwrap().unwrap();
                assert_eq!((&*message, message.header()), (expected.as_bytes(), header));
            }
        }
        assert_eq!(reader.stats().payload_bytes, 12);
        assert_eq!(reader.try_peek().unwrap_err(), TryReadError::Empty);
        assert!(reader.missed().is_none());
    }
    channel.drain().unwrap();
    for mut reader in self::readers(&channel, StartAt::Now) {
        assert!(reader.try_peek().unwrap().is_none());
        assert!(block_on(reader.peek()).unwrap().is_none());
        reader.terminate();
        assert_eq!(reader.try_peek().unwrap_err(), TryReadError::Terminated);
        assert_eq!(block_on(reader.peek()).unwrap_err(), ReadError::Terminated);
    }
}

#[test]
fn a_strong_reader_keeps_the_room_of_what_it_peeks_until_it_consumes() {
    let (mut writer, mut reader) = pipe(64);
    writer.try_send([1; 64]).unwrap();
    assert!(reader.try_peek().unwrap().is_some());
    assert!(writer.try_send("x").is_err());
    reader.try_peek().unwrap().unwrap().consume();
    writer.try_send("x").unwrap();
    assert_eq!(reader.try_recv().unwrap().unwrap(), b"x");
}

#[test]
fn peeking_waits_and_is_woken() {
    for kind in 0..2 {
        let (_channel, mut writer, readers) = both();
        let mut reader = readers.into_iter().nth(kind).unwrap();
        let mut peeking = Task::parked(reader.peek());
        writer.try_send("come").unwrap();
        assert_eq!(peeking.wakes(), 1);
        assert!(peeking.poll().is_ready());
        drop(peeking);
        let mut reader = reader.blocking();
        assert_eq!(reader.peek().unwrap().unwrap(), b"come");
        assert_eq!(reader.peek_timeout(Duration::ZERO).unwrap().unwrap(), b"come");
        reader.peek_deadline(std::time::Instant::now()).unwrap().unwrap().consume();
        let error = reader.peek_timeout(Duration::from_millis(1)).unwrap_err();
        assert_eq!(error, TryReadError::Empty);
    }
}

#[test]
fn the_rest_of_a_message_is_peeked_as_it_would_be_received() {
    let (_channel, mut writer, readers) = both();
    writer.try_send_many(&["partly", "whole!"]).unwrap();
    for mut reader in readers {
        reader.try_read(&mut [0; 4]).unwrap();
        let peeked = reader.try_peek().unwrap().unwrap();
        assert_eq!(peeked, b"ly");
        peeked.consume();
        assert_eq!(reader.try_peek().unwrap().unwrap(), b"whole!");
        // Reading bytes goes on there as well.
        assert_eq!(reader.try_read(&mut [0; 64]).unwrap(), 6);
        assert_eq!(reader.stats().payload_bytes, 12);
        assert!(reader.missed().is_none());
    }
}

#[test]
fn a_gap_is_told_as_usual_by_a_peek_and_between_peek_and_consume() {
    let channel = Channel::new(128);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
    writer.try_send("one").unwrap();
    let peeked = reader.try_peek().unwrap().unwrap();
    (0..4).for_each(|_| writer.try_send("flood").unwrap());
    assert_eq!(peeked, b"one", "it has its copy");
    peeked.consume();
    let Err(TryReadError::Lagged(lagged)) = reader.try_peek() else { panic!() };
    assert_eq!(lagged.ring_bytes, 128);
    assert_eq!(reader.try_peek().unwrap().unwrap().header().missed.messages, 2);
    assert_eq!(reader.try_recv().unwrap().unwrap().header().missed.messages, 2);
    assert_eq!(reader.missed().messages, 2);
    assert!(reader.try_peek().unwrap().is_some());
    (0..4).for_each(|_| writer.try_send("flood").unwrap());
    assert!(matches!(reader.try_recv(), Err(TryReadError::Lagged(_))), "it was not consumed");
    assert_eq!(reader.missed().messages, 2 + 3);
}

/// A message is passed on, and the passing on is cancelled again and again.
#[test]
fn a_hand_over_that_is_cancelled_loses_nothing() {
    let (mut writer, mut reader) = pipe(4096);
    let (mut to, mut far) = pipe(64);
    (0..10u8).for_each(|number| writer.try_send([number]).unwrap());
    drop(writer);
    let mut received = Vec::new();
    for round in 0.. {
        let mut task = Task::new(async {
            let Some(message) = reader.peek().await.unwrap() else { return true };
            to.send(&message).await.unwrap();
            message.consume();
            false
        });
        match task.poll() {
            std::task::Poll::Ready(true) => break,
            _ => drop(task),
        }
        if round % 3 == 0 {
            received.extend(far.try_recv().into_iter().flatten().map(|message| message[0]));
        }
    }
    received.extend(far.try_recv().into_iter().flatten().map(|message| message[0]));
    assert_eq!(received, (0..10).collect::<Vec<_>>());
}

#[test]
fn a_reader_skips_to_the_newest_message_and_counts_what_it_passed_over() {
    let (channel, mut writer, readers) = both();
    let mut other = channel.new_writer();
    for number in 0..6u8 {
        [&mut writer, &mut other][usize::from(number % 2)].try_send([number; 3]).unwrap();
    }
    for mut reader in readers {
        assert_eq!(reader.skip_to(StartAt::Oldest), Default::default());
        assert_eq!(reader.try_read(&mut [0; 1]).unwrap(), 1);
        let skipped = reader.skip_to(StartAt::Newest);
        assert_eq!((skipped.messages, skipped.bytes), (5, 14));
        assert_eq!(reader.skip_to(StartAt::Newest), Default::default(), "it is there");
        let message = reader.try_recv().unwrap().unwrap();
        assert_eq!((&*message, message.header().missed.messages), (&[5; 3][..], 0));
        drop(message);
        assert!(reader.missed().is_none());
        assert_eq!(reader.stats().payload_bytes, 18);
        assert_eq!(reader.skip_to(StartAt::Newest), Default::default(), "there is none");
    }
    assert_eq!(channel.new_weak_reader_at(StartAt::Newest).try_recv().unwrap().unwrap(), [5; 3]);
    assert_eq!(channel.new_strong_reader().skip_to(StartAt::Now).messages, 6);
    // What was given up at the end is not the newest message.
    drop(writer.try_reserve(64).unwrap());
    assert_eq!(channel.new_weak_reader_at(StartAt::Newest).try_recv().unwrap().unwrap(), [5; 3]);
}

#[test]
fn skipping_gives_room_back_and_stops_before_a_slice_in_flight() {
    let (writer, mut reader) = pipe(256);
    let (mut writer, mut other) = (writer.clone(), writer);
    writer.try_send("one").unwrap();
    writer.try_send("two").unwrap();
    let slice = other.try_reserve(5).unwrap();
    writer.try_send("behind").unwrap();
    assert!(writer.try_send("full").is_err());
    assert_eq!(reader.skip_to(StartAt::Now).messages, 2);
    writer.try_send("room").unwrap();
    drop(slice);
    assert_eq!(reader.skip_to(StartAt::Back(4)).messages, 1);
    assert_eq!(reader.try_recv().unwrap().unwrap(), b"room");
    reader.terminate();
    assert_eq!(reader.skip_to(StartAt::Now), Default::default());
}

#[test]
fn skipping_over_a_gap_tells_no_error_and_counts_it_as_missed() {
    let channel = Channel::new(256);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
    (0..10u8).for_each(|number| writer.try_send([number]).unwrap());
    let skipped = reader.skip_to(StartAt::Newest);
    assert_eq!((skipped.messages, reader.missed().messages), (3, 6));
    assert_eq!(reader.try_recv().unwrap().unwrap(), [9]);
    assert_eq!(reader.stats().gaps, 1);
}

#[test]
fn a_reader_goes_on_at_a_position_that_was_noted() {
    let channel = overwriting(4096);
    let mut writer = channel.new_writer();
    for number in 0..20u8 {
        writer.try_send([number; 100]).unwrap();
        drop(writer.try_reserve(64).unwrap());
    }
    let mut first = channel.new_weak_reader();
    let mut noted = Vec::new();
    let mut buffer = [0; 30];
    let mut read = 0;
    loop {
        noted.push((first.stats().position, read));
        match first.try_read(&mut buffer) {
            Ok(bytes) => read += bytes,
            Err(error) => break assert_eq!(error, TryReadError::Empty),
        }
    }
    assert_eq!(read, 2000);
    for (position, read) in noted {
        for mut reader in readers(&channel, StartAt::Position(position)) {
            let mut left = vec![0; 4096];
            match reader.try_read(&mut left) {
                Ok(mut bytes) => {
                    while let Ok(more) = reader.try_read(&mut left[bytes..]) {
                        bytes += more;
                    }
                    assert_eq!(bytes, 2000 - read, "from {position}");
                    assert_eq!(usize::from(left[0]), read / 100);
                }
                Err(error) => assert_eq!((error, read), (TryReadError::Empty, 2000)),
            }
            assert!(reader.missed().is_none());
        }
        let mut reader = channel.new_strong_reader();
        let passed = reader.skip_to(StartAt::Position(position));
        assert_eq!(passed.messages as usize, read / 100, "to the slice of {position}");
    }
}

#[test]
fn a_position_that_is_gone_is_told_as_a_gap_and_one_to_come_is_now() {
    let channel = overwriting(256);
    let mut writer = channel.new_writer();
    (0..10u8).for_each(|number| writer.try_send([number]).unwrap());
    let mut tap = channel.new_weak_reader_at(StartAt::Position(64));
    let Err(TryReadError::Lagged(lagged)) = tap.try_recv() else { panic!() };
    assert_eq!(lagged.ring_bytes, 64 * (6 - 1));
    assert_eq!(tap.try_recv().unwrap().unwrap(), [6]);
    assert!(tap.missed().is_none(), "it was sent before the reader started");
    let mut strong = channel.new_strong_reader_at(StartAt::Position(64));
    assert!(strong.try_recv().unwrap().unwrap()[0] >= 6, "the oldest that is kept");
    for mut reader in readers(&channel, StartAt::Position(64 * 1000)) {
        assert_eq!(reader.try_recv().unwrap_err(), TryReadError::Empty);
    }
    drop(strong);
    writer.try_send([10]).unwrap();
    assert_eq!(tap.skip_to(StartAt::Position(1 << 40)).messages, 4);
    assert_eq!(tap.skip_to(StartAt::Position(0)).messages, 0, "it never goes back");
}

/// At any moment, whatever was done: received, skipped, missed and unread are what was sent.
#[test]
fn the_sums_come_out_with_peeks_and_skips() {
    let mut numbers = Numbers::new(7);
    for _ in 0..200 {
        let channel = Channel::with_parameters(512, overfall::Backpressure::Drop);
        let mut writers = [channel.new_writer(), channel.new_writer()];
        let mut readers = readers(&channel, StartAt::Oldest).map(|reader| (reader, 0));
        let mut sent = 0;
        for _ in 0..200 {
            match numbers.below(4) {
                0 | 1 => {
                    let writer = &mut writers[numbers.below(2)];
                    block_on(writer.send(vec![0; numbers.below(200)])).unwrap();
                    sent += 1;
                }
                _ => {
                    let (reader, seen) = &mut readers[numbers.below(2)];
                    *seen += match numbers.below(6) {
                        0 => reader.skip_to(StartAt::Newest).messages,
                        1 => reader.skip_to(StartAt::Back(100)).messages,
                        2 => match reader.try_peek() {
                            Ok(Some(peeked)) => {
                                peeked.consume();
                                1
                            }
                            _ => 0,
                        },
                        3 => reader.try_peek().map_or(0, |_| 0),
                        _ => u64::from(matches!(reader.try_recv(), Ok(Some(_)))),
                    };
                }
            }
            for (reader, seen) in &readers {
                let mut unread = 0;
                let mut rest = reader.clone();
                while matches!(rest.try_peek(), Ok(Some(_)) | Err(TryReadError::Lagged(_))) {
                    unread += u64::from(matches!(rest.try_recv(), Ok(Some(_))));
                }
                assert_eq!(seen + unread + reader.missed().messages, sent, "{reader:?}");
            }
        }
    }
}
