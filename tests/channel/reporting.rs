//! What a writer reports of another place is missed here, as if the ring had lost it.

use overfall::error::{ReportMissedError, TryReadError};
use overfall::{Backpressure, Channel, Missed, Reader, StartAt, pipe};
use overfall_tests::{Numbers, overwriting};
use std::io;

fn sum(missed: Missed) -> (u64, u64) {
    (missed.messages, missed.bytes)
}

/// The bytes of the next message, its number, and what was missed before it.
fn next(reader: &mut Reader) -> (Vec<u8>, u64, (u64, u64)) {
    let message = reader.try_recv().unwrap().unwrap();
    let header = message.header();
    (message.to_vec(), header.sequence, sum(header.missed))
}

/// A reader of each kind.
fn both(channel: &Channel) -> [Reader; 2] {
    [channel.new_strong_reader().into(), channel.new_weak_reader().into()]
}

#[test]
fn what_is_reported_is_told_before_the_next_message_of_its_writer_and_of_no_other() {
    let channel = Channel::new(4096);
    let readers = both(&channel);
    let (mut far, mut other) = (channel.new_writer(), channel.new_writer());
    far.try_send("0").unwrap();
    other.try_send("other").unwrap();
    far.report_missed(2, 40).unwrap();
    far.report_missed(1, 0).unwrap();
    other.try_send("other").unwrap();
    far.try_send("4").unwrap();
    far.try_send("5").unwrap();
    for mut reader in readers {
        assert_eq!(sum(reader.missed()), (3, 40), "before anything is received");
        assert_eq!(next(&mut reader), (b"0".to_vec(), 0, (0, 0)));
        assert_eq!(next(&mut reader), (b"other".to_vec(), 0, (0, 0)));
        assert_eq!(next(&mut reader), (b"other".to_vec(), 1, (0, 0)));
        assert_eq!(next(&mut reader), (b"4".to_vec(), 4, (3, 40)));
        assert_eq!(next(&mut reader), (b"5".to_vec(), 5, (0, 0)));
        assert_eq!(sum(reader.missed()), (3, 40));
        let by_writer: Vec<_> = reader.missed_by_writer().map(|(id, of)| (id, sum(of))).collect();
        assert_eq!(by_writer, [(far.id(), (3, 40))]);
    }
    let stats = far.stats();
    assert_eq!((stats.slices, stats.payload_bytes), (3, 3));
    assert_eq!((stats.dropped_slices, stats.dropped_bytes), (3, 40));
    assert_eq!(channel.stats().dropped_bytes, 40);
}

#[test]
fn what_is_reported_last_is_known_at_the_end_though_no_message_follows() {
    let ends: [fn(&Channel); 2] = [
        |channel| channel.drain().unwrap(),
        |channel| channel.fail(io::Error::other("gone")).unwrap(),
    ];
    for end in ends {
        let channel = Channel::new(4096);
        let readers = both(&channel);
        let mut far = channel.new_writer();
        far.try_send("0").unwrap();
        far.report_missed(7, 700).unwrap();
        let id = far.id();
        drop(far);
        end(&channel);
        for mut reader in readers {
            assert_eq!(next(&mut reader).0, b"0");
            let end = reader.try_recv();
            assert!(matches!(end, Ok(None) | Err(TryReadError::Failed(_))), "{end:?}");
            drop(end);
            assert_eq!(sum(reader.missed()), (7, 700));
            assert_eq!(
                reader.missed_by_writer().next().map(|(id, of)| (id, sum(of))),
                Some((id, (7, 700)))
            );
        }
    }
}

#[test]
fn readers_that_start_behind_a_report_have_missed_nothing_of_it() {
    let channel = overwriting(1024);
    let mut far = channel.new_writer();
    far.try_send("0").unwrap();
    far.report_missed(2, 20).unwrap();
    let now = StartAt::Now;
    let late: [Reader; 2] =
        [channel.new_strong_reader_at(now).into(), channel.new_weak_reader_at(now).into()];
    far.report_missed(1, 5).unwrap();
    far.try_send("4").unwrap();
    for mut reader in late {
        assert_eq!(sum(reader.missed()), (1, 5));
        assert_eq!(next(&mut reader), (b"4".to_vec(), 4, (1, 5)));
        assert_eq!(sum(reader.missed()), (1, 5));
    }
}

#[test]
fn writers_that_have_gone_long_ago_are_told_as_others() {
    let channel = Channel::new(4096);
    let mut reader: Reader = channel.new_strong_reader().into();
    for _ in 0..1000 {
        channel.new_writer().report_missed(3, 10).unwrap();
    }
    assert!(matches!(reader.try_recv(), Err(TryReadError::Empty)));
    assert_eq!(sum(reader.missed()), (3000, 10_000));
    let by_writer: Vec<_> = reader.missed_by_writer().collect();
    assert_eq!(by_writer[0].0, 0);
    assert!(by_writer.len() < 100 && by_writer[0].1.messages > 2000, "{:?}", by_writer[0]);
    let all = by_writer.iter().fold((0, 0), |all, (_, of)| (all.0 + of.messages, all.1 + of.bytes));
    assert_eq!(all, (3000, 10_000));
}

#[test]
fn readers_of_bytes_see_nothing_of_a_report_and_have_missed_it_all_the_same() {
    let channel = Channel::new(4096);
    let readers = both(&channel);
    let mut far = channel.new_writer();
    far.try_write(b"one").unwrap();
    far.report_missed(2, 40).unwrap();
    far.try_write(b"two").unwrap();
    for mut reader in readers {
        let (mut buffer, mut read) = ([0; 64], 0);
        while let Ok(more @ 1..) = reader.try_read(&mut buffer[read..]) {
            read += more;
        }
        assert_eq!(&buffer[..read], b"onetwo");
        assert_eq!(sum(reader.missed()), (2, 40));
    }
}

#[test]
fn a_report_in_a_full_ring_takes_no_room_and_wakes_nobody_for_nothing() {
    let (mut writer, mut reader) = pipe(64);
    writer.try_send([1; 64]).unwrap();
    writer.report_missed(5, 500).unwrap();
    assert_eq!(reader.stats().lag, 64);
    assert_eq!(reader.try_recv().unwrap().unwrap().header().missed.messages, 0);
    writer.try_send("x").unwrap();
    let header = reader.try_recv().unwrap().unwrap().header();
    assert_eq!((header.sequence, sum(header.missed)), (6, (5, 500)));
}

#[test]
fn a_report_gives_up_the_rest_of_a_write_that_was_split() {
    let channel = Channel::new(256);
    let mut reader: Reader = channel.new_strong_reader().into();
    let mut writer = channel.new_writer();
    let long = [7; 500];
    let written = writer.try_write(&long).unwrap();
    writer.report_missed(1, 1).unwrap();
    writer.try_write(&long[written..][..64]).unwrap();
    assert!(reader.try_recv().unwrap().unwrap().header().is_continued);
    assert!(!reader.try_recv().unwrap().unwrap().header().continues);
}

#[test]
fn a_report_that_cannot_be_true_is_refused_and_counts_nothing() {
    let channel = Channel::new(1024);
    let mut reader: Reader = channel.new_strong_reader().into();
    let mut far = channel.new_writer();
    far.report_missed(0, 0).unwrap();
    let most = (1 << 62) - 1;
    let no_message = ReportMissedError::NoMessage { bytes: 5 };
    assert_eq!(far.report_missed(0, 5), Err(no_message));
    assert_eq!(io::Error::from(no_message).kind(), io::ErrorKind::InvalidInput);
    for (messages, bytes) in [(most + 1, 0), (1, most + 1), (u64::MAX, u64::MAX)] {
        let too_many = ReportMissedError::TooMany { messages, bytes };
        assert_eq!(far.report_missed(messages, bytes), Err(too_many));
    }
    far.try_send("0").unwrap();
    assert!(matches!(far.report_missed(most, 0), Err(ReportMissedError::TooMany { .. })));
    assert!(matches!(far.report_missed(1, most), Err(ReportMissedError::TooMany { .. })));
    assert_eq!(sum(reader.missed()), (0, 0));
    // The most that can be.
    far.report_missed(most - 2, most - 2).unwrap();
    far.try_send("1").unwrap();
    next(&mut reader);
    assert_eq!(next(&mut reader), (b"1".to_vec(), most - 1, (most - 2, most - 2)));
    assert_eq!(sum(reader.missed()), (most - 2, most - 2));
}

#[test]
fn nothing_is_reported_behind_the_end() {
    let channel = Channel::new(1024);
    let reader: Reader = channel.new_strong_reader().into();
    let (mut done, mut ended, mut far) =
        (channel.new_writer(), channel.new_writer(), channel.new_writer());
    done.shut_down();
    assert_eq!(done.report_missed(1, 1), Err(ReportMissedError::Closed));
    ended.terminate();
    assert_eq!(ended.report_missed(1, 1), Err(ReportMissedError::Terminated));
    channel.drain().unwrap();
    assert_eq!(far.report_missed(1, 1), Err(ReportMissedError::Closed));
    assert_eq!(sum(reader.missed()), (0, 0));
    channel.terminate();
    assert_eq!(far.report_missed(1, 1), Err(ReportMissedError::Terminated));
}

/// Received, missed and unread make what the writers on the other side have sent, whatever was lost: on
/// the way here, for want of room, or overwritten.
#[test]
fn what_was_lost_there_and_here_adds_up_for_every_reader() {
    for seed in 0..200 {
        let mut numbers = Numbers::new(seed);
        let channel = Channel::with_parameters(1024, Backpressure::Drop);
        let readers = both(&channel);
        let mut received = [(0, 0); 2];
        let mut readers: Vec<_> = readers.into_iter().zip(&mut received).collect();
        let mut writers: Vec<_> = (0..3).map(|_| channel.new_writer()).collect();
        let mut sent = (0, 0);
        for _ in 0..300 {
            let writer = &mut writers[numbers.below(3)];
            let (messages, length) = (1 + numbers.below(3) as u64, numbers.below(200));
            let bytes = messages * length as u64;
            match numbers.below(6) {
                0 | 1 => {
                    futures::executor::block_on(writer.send(vec![1; length])).unwrap();
                    sent = (sent.0 + 1, sent.1 + length as u64);
                }
                2 => {
                    writer.report_missed(messages, bytes).unwrap();
                    sent = (sent.0 + messages, sent.1 + bytes);
                }
                3 if numbers.below(5) == 0 => *writer = channel.new_writer(),
                _ => {
                    let (reader, received) = &mut readers[numbers.below(2)];
                    if let Ok(Some(message)) = reader.try_recv() {
                        **received = (received.0 + 1, received.1 + message.len() as u64);
                    }
                }
            }
        }
        for (reader, received) in &mut readers {
            loop {
                match reader.try_recv() {
                    Ok(Some(message)) => {
                        **received = (received.0 + 1, received.1 + message.len() as u64);
                    }
                    Err(TryReadError::Lagged(_)) => {}
                    _ => break,
                }
            }
            let missed = sum(reader.missed());
            assert_eq!((received.0 + missed.0, received.1 + missed.1), sent, "seed {seed}");
        }
    }
}

#[test]
fn a_reader_that_starts_before_a_report_in_the_ring_learns_of_it_in_order() {
    let channel = overwriting(1024);
    let mut far = channel.new_writer();
    far.try_send("0").unwrap();
    far.report_missed(2, 20).unwrap();
    far.try_send("3").unwrap();
    let mut reader: Reader = channel.new_strong_reader_at(StartAt::Oldest).into();
    assert_eq!(next(&mut reader), (b"0".to_vec(), 0, (0, 0)));
    assert_eq!(next(&mut reader), (b"3".to_vec(), 3, (2, 20)));
    assert_eq!(sum(reader.missed()), (2, 20));
}
