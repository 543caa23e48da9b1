//! Weak readers that are overrun: what they are told, where they go on, and how they turn strong.

use overfall::error::{Lagged, TryReadError};
use overfall::{AfterLast, Channel, Reader, StartAt, WeakReader, Writer};
use overfall_tests::{LIMIT, Numbers, within};
use std::io::{Read, Write};
use std::sync::Arc;
use std::thread;

const STARTS: [u64; 4] = [0, 1 << 46, (1 << 63) - 64, (1 << 63) - 4096];

/// A ring of four granules.
fn ring_of_four(start: u64) -> (Arc<Channel>, Writer, WeakReader) {
    let channel = Channel::builder().size(256).start_position(start).build().unwrap();
    let (writer, reader) = (channel.new_writer(), channel.new_weak_reader());
    (channel, writer, reader)
}

/// Writes slices of one granule with these numbers in it.
fn write(writer: &mut Writer, numbers: std::ops::Range<u8>) {
    for number in numbers {
        assert_eq!(writer.try_write(&[number; 64]), Ok(64));
    }
}

#[track_caller]
fn reads_one(reader: &mut WeakReader, number: u8) {
    let mut buffer = [0; 64];
    assert_eq!(reader.try_read(&mut buffer), Ok(64));
    assert_eq!(buffer, [number; 64]);
}

/// The ring bytes that a read says were missed.
#[track_caller]
fn skipped(reader: &mut WeakReader) -> u64 {
    match reader.try_read(&mut [0; 64]) {
        Err(TryReadError::Lagged(Lagged { ring_bytes, .. })) => ring_bytes,
        other => panic!("not overrun: {other:?}"),
    }
}

/// What it read, stepped over and skipped adds up to how far it came.
#[track_caller]
fn adds_up(reader: &WeakReader, start: u64) {
    let stats = reader.stats();
    let sum = stats.payload_bytes + stats.padding_bytes + stats.skipped_ring_bytes;
    assert_eq!(stats.position, start.wrapping_add(sum) & (u64::MAX >> 1));
}

#[test]
fn an_overrun_is_told_once_with_the_exact_ring_bytes_and_the_oldest_slice_comes_next() {
    for start in STARTS {
        let (channel, mut writer, mut reader) = ring_of_four(start);
        write(&mut writer, 0..6);
        assert_eq!(skipped(&mut reader), 128, "{start}");
        for number in 2..6 {
            reads_one(&mut reader, number);
        }
        assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty));
        let stats = reader.stats();
        assert_eq!((stats.skipped_ring_bytes, stats.gaps, stats.payload_bytes), (128, 1, 256));
        assert_eq!(channel.stats().skipped_ring_bytes, 128);
        adds_up(&reader, start);
    }
}

#[test]
fn what_is_still_in_the_ring_is_no_gap() {
    for start in STARTS {
        let (_channel, mut writer, mut reader) = ring_of_four(start);
        write(&mut writer, 0..4);
        for number in 0..4 {
            reads_one(&mut reader, number);
        }
        assert_eq!(reader.stats().gaps, 0);
    }
}

#[test]
fn a_slice_that_was_only_reserved_over_is_never_read() {
    let (_channel, mut writer, mut reader) = ring_of_four(0);
    write(&mut writer, 0..4);
    // The overwriting begins here, long before the commit.
    let mut slice = writer.try_reserve(64).unwrap();
    slice.write_all(&[9; 32]).unwrap();
    assert_eq!(skipped(&mut reader), 64);
    for number in 1..4 {
        reads_one(&mut reader, number);
    }
    assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty), "not committed yet");
    slice.commit();
    assert_eq!(reader.try_read(&mut [0; 64]), Ok(32));
}

#[test]
fn a_slice_that_was_read_in_part_and_then_overrun_is_missed_from_there() {
    for start in STARTS {
        let (_channel, mut writer, mut reader) = ring_of_four(start);
        write(&mut writer, 0..4);
        assert_eq!(reader.try_read(&mut [0; 10]), Ok(10));
        write(&mut writer, 4..6);
        assert_eq!(skipped(&mut reader), 128 - 10);
        reads_one(&mut reader, 2);
        adds_up(&reader, start);
    }
}

#[test]
fn what_was_read_before_a_gap_is_handed_out_before_it() {
    within(LIMIT, || {
        let (channel, mut writer, mut reader) = ring_of_four(0);
        write(&mut writer, 0..2);
        let mut buffer = [0; 256];
        assert_eq!(reader.try_read(&mut buffer), Ok(128), "a gap to come throws nothing away");
        write(&mut writer, 2..8);
        let mut blocking = reader.blocking();
        let error = blocking.read(&mut buffer).unwrap_err();
        let lagged = error.get_ref().and_then(|inner| inner.downcast_ref::<Lagged>());
        assert_eq!(lagged.map(|lagged| lagged.ring_bytes), Some(128));
        assert!(error.to_string().contains("128 ring bytes"), "{error}");
        assert_eq!(blocking.read(&mut buffer).unwrap(), 256);
        assert_eq!(buffer[..64], [4; 64]);
        drop(channel);
    });
}

#[test]
fn several_overruns_between_two_reads_are_one_gap() {
    let (_channel, mut writer, mut reader) = ring_of_four(0);
    for _ in 0..5 {
        write(&mut writer, 0..200);
    }
    assert_eq!(skipped(&mut reader), (1000 - 4) * 64);
    assert_eq!(reader.stats().gaps, 1);
    for number in 196..200 {
        reads_one(&mut reader, number);
    }
    write(&mut writer, 0..9);
    assert_eq!(skipped(&mut reader), 5 * 64);
    assert_eq!(reader.stats().gaps, 2);
    adds_up(&reader, 0);
}

#[test]
fn a_reader_that_sleeps_for_many_laps_goes_on_across_the_wrap_of_positions() {
    const LAPS: u64 = 20_000;
    let start = (1 << 63) - LAPS / 2 * 256;
    let (channel, mut writer, mut sleeper) = ring_of_four(start);
    write(&mut writer, 0..1);
    reads_one(&mut sleeper, 0);
    for _ in 0..LAPS {
        write(&mut writer, 1..5);
    }
    assert!(channel.stats().reserved < start, "the positions have wrapped");
    assert_eq!(sleeper.stats().lag, LAPS * 256);
    assert_eq!(skipped(&mut sleeper), (LAPS - 1) * 256);
    for number in 1..5 {
        reads_one(&mut sleeper, number);
    }
    adds_up(&sleeper, start);
    assert_eq!(sleeper.stats().lag, 0);
}

#[test]
fn a_silent_reader_skips_and_counts() {
    let (_channel, mut writer, mut reader) = ring_of_four(0);
    reader.set_silent(true);
    write(&mut writer, 0..6);
    reads_one(&mut reader, 2);
    let stats = reader.stats();
    assert_eq!((stats.skipped_ring_bytes, stats.gaps), (128, 1));
    let mut clone = reader.clone();
    write(&mut writer, 6..20);
    reads_one(&mut clone, 16);
    reader.set_silent(false);
    assert_eq!(skipped(&mut reader), 13 * 64);
    reads_one(&mut reader, 16);
    adds_up(&reader, 0);
}

#[test]
fn payload_padding_and_gaps_add_up_whatever_is_written() {
    for start in [0, (1 << 63) - 64 * 1024] {
        for seed in 1..20 {
            random_slices(start, seed);
        }
    }
}

/// Slices of all sizes, and a reader that sometimes sleeps, against what must come of it.
fn random_slices(start: u64, seed: u64) {
    const CAPACITY: u64 = 1024;
    let past = |to: u64, from: u64| to.wrapping_sub(from) & (u64::MAX >> 1);
    let builder = Channel::builder().size(CAPACITY as usize).start_position(start);
    let channel = builder.build().unwrap();
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
    let mut numbers = Numbers::new(seed);
    // Where slices and padding begin, with the payload that is there.
    let mut written: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut end = start;
    let mut next = 0;
    for round in 0..500_u64 {
        let len = 1 + numbers.below(300);
        let payload: Vec<u8> = (0..len).map(|n| (n as u64 * 7 + round) as u8).collect();
        let mut slice = writer.try_reserve(len).unwrap();
        if slice.position() != end {
            written.push((end, Vec::new()));
        }
        slice.write_all(&payload).unwrap();
        written.push((slice.position(), payload));
        slice.commit();
        end = channel.stats().reserved;
        if numbers.below(4) > 0 {
            continue;
        }
        while next < written.len() {
            let mut buffer = vec![0; 300];
            if past(end, written[next].0) > CAPACITY {
                let oldest = written.iter().position(|slice| past(end, slice.0) <= CAPACITY);
                let gap = past(written[oldest.unwrap()].0, written[next].0);
                assert_eq!(skipped(&mut reader), gap, "start {start}, seed {seed}");
                next = oldest.unwrap();
            }
            let expected = &written[next].1;
            next += 1;
            if !expected.is_empty() {
                let expected_length = expected.len();
                let read = reader.try_read(&mut buffer[..expected_length]).unwrap();
                assert_eq!(&buffer[..read], expected, "start {start}, seed {seed}");
            }
        }
        assert_eq!(reader.try_read(&mut [0]), Err(TryReadError::Empty));
        adds_up(&reader, start);
        assert_eq!(reader.stats().position, end);
    }
    assert!(reader.stats().gaps > 10, "it was overrun now and then");
}

#[test]
fn a_weak_reader_in_a_thread_sees_whole_slices_in_order_and_exact_gaps() {
    const SLICES: u64 = 20_000;
    let channel = Channel::new(4096);
    let (writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
    within(LIMIT, move || {
        let thread = thread::spawn(move || {
            let mut writer = writer.blocking();
            for number in 0..SLICES {
                let length = 8 * (1 + (number % 30) as usize);
                writer.write_all(&number.to_le_bytes().repeat(length / 8)).unwrap();
            }
            channel.drain().unwrap();
            channel.stats()
        });
        let (mut payload, mut told, mut last) = (0, 0, None);
        let mut word = [0; 8];
        loop {
            match reader.try_read(&mut word) {
                Ok(0) => break,
                Ok(read) => {
                    assert_eq!(read, 8);
                    payload += 8;
                    let number = u64::from_le_bytes(word);
                    assert!(number < SLICES && last <= Some(number), "torn, or out of order");
                    last = Some(number);
                }
                Err(TryReadError::Lagged(lagged)) => told += lagged.ring_bytes,
                Err(TryReadError::Empty) => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
        let (channel, reader) = (thread.join().unwrap(), reader.stats());
        assert_eq!(last, Some(SLICES - 1), "what came last is never missed");
        assert_eq!((payload, told), (reader.payload_bytes, reader.skipped_ring_bytes));
        assert_eq!(payload + reader.padding_bytes + told, channel.reserved);
    });
}

#[test]
fn a_weak_reader_within_the_ring_turns_strong_without_losing_a_byte() {
    for start in STARTS {
        let (_channel, mut writer, mut reader) = ring_of_four(start);
        write(&mut writer, 0..3);
        reads_one(&mut reader, 0);
        assert_eq!(reader.try_read(&mut [0; 10]), Ok(10));
        let mut reader = reader.into_strong().unwrap();
        // From here on it holds the writers back: two granules are free.
        write(&mut writer, 3..5);
        assert!(writer.try_write(b"x").is_err());
        let mut rest = [0; 54];
        assert_eq!(reader.try_read(&mut rest), Ok(54));
        assert_eq!(rest, [1; 54]);
        let stats = reader.stats();
        assert!(stats.strong && stats.skipped_ring_bytes == 0 && stats.payload_bytes == 128);
        // And back, in the middle of a slice: it loses nothing until it is overrun.
        assert_eq!(reader.try_read(&mut [0; 1]), Ok(1));
        let mut reader = reader.into_weak();
        assert!(!reader.stats().strong);
        assert_eq!(reader.try_read(&mut [0; 63]), Ok(63));
        reads_one(&mut reader, 3);
        reads_one(&mut reader, 4);
        write(&mut writer, 5..11);
        assert_eq!(skipped(&mut reader), 128);
        reads_one(&mut reader, 7);
        adds_up(&reader, start);
    }
}

#[test]
fn a_weak_reader_that_is_too_far_behind_gets_an_error_and_itself_back() {
    let (channel, mut writer, mut reader) = ring_of_four(0);
    write(&mut writer, 0..1);
    reads_one(&mut reader, 0);
    write(&mut writer, 1..9);
    let error = reader.into_strong().unwrap_err();
    assert!(error.to_string().contains("read on"), "{error}");
    let stats = channel.stats();
    assert_eq!((stats.strong_readers, stats.weak_readers), (0, 1));
    let mut reader = error.reader;
    assert_eq!(reader.stats().position, 64, "as it was");
    assert_eq!(skipped(&mut reader), 4 * 64);
    // Intact, but given back to the writers already.
    assert!(channel.stats().gate > reader.stats().position);
    let error = Reader::from(reader).into_strong().unwrap_err();
    let Reader::Weak(mut reader) = error.reader else { panic!("it is still weak") };
    reads_one(&mut reader, 5);
    let mut strong = reader.into_strong().unwrap();
    assert_eq!(channel.stats().strong_readers, 1);
    for number in 6..9 {
        let mut buffer = [0; 64];
        assert_eq!(strong.try_read(&mut buffer), Ok(64));
        assert_eq!(buffer, [number; 64]);
    }
}

#[test]
fn a_weak_reader_that_was_overrun_inside_of_a_slice_stays_weak_and_is_told() {
    let (_channel, mut writer, mut reader) = ring_of_four(0);
    write(&mut writer, 0..3);
    assert_eq!(reader.try_read(&mut [0; 32]), Ok(32));
    write(&mut writer, 3..9);
    let mut reader = reader.into_strong().unwrap_err().reader;
    assert_eq!(skipped(&mut reader), 5 * 64 - 32);
    reads_one(&mut reader, 5);
}

#[test]
fn only_padding_between_a_weak_reader_and_what_is_kept_is_no_obstacle() {
    let channel = Channel::new(1024);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
    write(&mut writer, 0..1);
    reads_one(&mut reader, 0);
    for _ in 0..15 {
        writer.try_reserve(64).unwrap().abort();
    }
    write(&mut writer, 1..2);
    assert!(channel.stats().gate > reader.stats().position);
    let mut reader = reader.into_strong().unwrap();
    let mut buffer = [0; 64];
    assert_eq!(reader.try_read(&mut buffer), Ok(64));
    assert_eq!(buffer, [1; 64]);
    let stats = reader.stats();
    assert_eq!((stats.payload_bytes, stats.padding_bytes, stats.skipped_ring_bytes), (128, 960, 0));
}

#[test]
fn turning_strong_races_with_writers_and_loses_nothing() {
    const SLICES: u32 = 20_000;
    /// Nothing is missing between two reads unless a gap was told.
    fn see(expected: &mut Option<u32>, read: Result<usize, TryReadError>, word: [u8; 4]) {
        match read {
            Ok(read) => {
                assert_eq!(read, 4);
                let number = u32::from_le_bytes(word);
                assert!(expected.is_none_or(|expected| number == expected), "it lost something");
                *expected = Some(number + 1);
            }
            Err(TryReadError::Lagged(_)) => *expected = None,
            Err(error) => assert_eq!(error, TryReadError::Empty),
        }
    }
    let turned = within(LIMIT, || {
        let channel = Channel::new(512);
        let mut writer = channel.new_writer().blocking();
        let mut weak = channel.new_weak_reader();
        let thread = thread::spawn(move || {
            for number in 0..SLICES {
                writer.write_all(&number.to_le_bytes()).unwrap();
            }
        });
        let (mut expected, mut turned, mut word) = (Some(0), 0, [0; 4]);
        while expected != Some(SLICES) {
            match weak.into_strong() {
                Ok(mut strong) => {
                    turned += 1;
                    for _ in 0..20 {
                        let read = strong.try_read(&mut word);
                        assert!(!matches!(read, Err(TryReadError::Lagged(_))));
                        see(&mut expected, read, word);
                    }
                    weak = strong.into_weak();
                }
                Err(error) => weak = error.reader,
            }
            for _ in 0..3 {
                let read = weak.try_read(&mut word);
                see(&mut expected, read, word);
            }
        }
        thread.join().unwrap();
        turned
    });
    assert!(turned > 0);
}

#[test]
fn a_reader_starts_at_the_oldest_now_or_at_most_so_many_bytes_back() {
    for start in STARTS {
        let builder = Channel::builder().size(1024).start_position(start);
        let channel = builder.after_last_strong_reader(AfterLast::Overwrite).build().unwrap();
        let mut writer = channel.new_writer();
        // Nothing is there yet.
        for at in [StartAt::Oldest, StartAt::Now, StartAt::Back(10)] {
            assert_eq!(first(channel.new_strong_reader_at(at)), None);
            assert_eq!(first(channel.new_weak_reader_at(at)), None);
        }
        for number in 0..50 {
            writer.try_write(&[number; 10]).unwrap();
        }
        // Sixteen are intact; "three bytes back" must not replay ten.
        for (at, expected) in [
            (StartAt::Oldest, Some(34)),
            (StartAt::Now, None),
            (StartAt::Back(0), None),
            (StartAt::Back(3), None),
            (StartAt::Back(9), None),
            (StartAt::Back(10), Some(49)),
            (StartAt::Back(29), Some(48)),
            (StartAt::Back(u64::MAX), Some(34)),
        ] {
            let weak = first(channel.new_weak_reader_at(at));
            assert_eq!(weak, expected, "{at:?} from {start}");
            let strong = first(channel.new_strong_reader_at(at));
            match expected {
                // Some of what is intact has been given back to the writers.
                Some(34) => assert!((34..=36).contains(&strong.unwrap()), "{strong:?}"),
                _ => assert_eq!(strong, expected, "{at:?} from {start}"),
            }
        }
    }
}

/// The number in the first slice that a reader gets.
fn first(reader: impl Into<Reader>) -> Option<u8> {
    let mut byte = [0];
    let read = reader.into().try_read(&mut byte).ok()?;
    assert_eq!(read, 1);
    Some(byte[0])
}

#[test]
fn a_reader_that_starts_now_sees_what_is_reserved_later_and_not_what_is_in_flight() {
    let channel = Channel::new(1024);
    let mut in_flight = channel.try_reserve_slice(8).unwrap();
    let (mut strong, mut weak) =
        (channel.new_strong_reader_at(StartAt::Now), channel.new_weak_reader_at(StartAt::Now));
    let mut back = channel.new_strong_reader_at(StartAt::Back(0));
    in_flight.write_all(b"before").unwrap();
    in_flight.commit();
    channel.new_writer().try_write(b"after").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(strong.try_read(&mut buffer), Ok(5));
    assert_eq!(weak.try_read(&mut buffer), Ok(5));
    assert_eq!(&buffer[..5], b"after");
    assert_eq!(back.try_read(&mut buffer), Ok(11), "behind what was committed");
}
