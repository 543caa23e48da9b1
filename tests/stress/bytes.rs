//! Threads that write, read, come and go, for as long as they are asked to
//! (`OVERFALL_STRESS_SECONDS`).
//!
//! Every strong reader that is there from the start reads every slice, whole, each writer's in its
//! order, and all of them the same order. A weak reader reads the same with gaps, which are told and
//! add up. So do those who come later, go early, and turn from strong to weak and back.

use super::common::{any_reader, join, strong_if_possible, time};
use super::records::{Checker, LONGEST, Records};
use overfall::error::Lagged;
use overfall::{AfterLast, Blocking, Channel, Reader, Slice, StrongReader, WeakReader, Writer};
use overfall_tests::{Numbers, block_on};
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self};
use std::time::{Duration, Instant};

/// Fills a slice in pieces.
fn fill(slice: &mut Slice<'_>, record: &[u8], numbers: &mut Numbers) {
    let (first, rest) = record.split_at(numbers.below(record.len()));
    assert_eq!(slice.write(first), first.len());
    if numbers.below(4) == 0 {
        thread::yield_now();
    }
    slice.write_all(rest).unwrap();
}

/// One record, or an attempt at one. Tells whether it was written.
fn write_once(
    writer: &mut Blocking<Writer>,
    record: &[u8],
    spare: usize,
    numbers: &mut Numbers,
) -> bool {
    let length = record.len();
    match numbers.below(16) {
        0 => {
            let (first, rest) = record.split_at(numbers.below(length + 1));
            let buffers = [first, &[], rest].map(IoSlice::new);
            writer.write_vectored(&buffers).unwrap() == length
        }
        1 => writer.get_mut().try_write(record) == Ok(length),
        2 => match writer.write_timeout(record, Duration::from_micros(numbers.below(300) as u64)) {
            Ok(written) => written == length,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                false
            }
        },
        3 | 4 => {
            // More than is needed.
            let mut slice = writer.reserve(length + spare.min(numbers.below(200))).unwrap();
            fill(&mut slice, record, numbers);
            slice.commit();
            true
        }
        5 => {
            let mut slice = writer.reserve(length).unwrap();
            fill(&mut slice, record, numbers);
            false
        }
        6 => {
            // The next operation gives it up.
            let mut slice = writer.reserve(length).unwrap();
            slice.write_all(&record[..length / 2]).unwrap();
            std::mem::forget(slice);
            false
        }
        7 => {
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let mut slice = writer.reserve(length).unwrap();
                slice.write_all(&record[..length / 2]).unwrap();
                resume_unwind(Box::new(()));
            }));
            assert!(unwound.is_err());
            false
        }
        _ => {
            assert_eq!(writer.write(record).unwrap(), length);
            true
        }
    }
}

fn write(writer: Writer, mut records: Records, mut numbers: Numbers, stop: &AtomicBool) -> Records {
    let mut writer = writer.blocking();
    while !stop.load(Ordering::Relaxed) {
        let record = records.next();
        if write_once(&mut writer, &record, records.longest - record.len(), &mut numbers) {
            records.count(&record);
        }
        if numbers.below(100) == 0 {
            let inner = writer.into_inner();
            let turned: Writer = if inner.is_strong() {
                inner.into_weak().into()
            } else {
                inner.into_strong().into()
            };
            writer = turned.blocking();
        }
    }
    records
}

/// A writer that is none: slices of the channel's own.
fn write_slices(channel: &Channel, mut records: Records, stop: &AtomicBool) -> Records {
    let mut numbers = Numbers::new(7);
    while !stop.load(Ordering::Relaxed) {
        let record = records.next();
        let slice = match numbers.below(2) {
            0 => channel.try_reserve_slice(record.len()).ok(),
            _ => Some(block_on(channel.reserve_slice(record.len())).unwrap()),
        };
        if let Some(mut slice) = slice {
            fill(&mut slice, &record, &mut numbers);
            slice.commit();
            records.count(&record);
        }
        thread::yield_now();
    }
    records
}

fn read_strong(reader: StrongReader, mut checker: Checker, mut numbers: Numbers) -> Checker {
    let start = reader.stats().position;
    let mut reader = reader.blocking();
    let mut buffer = vec![0; 2 * LONGEST];
    loop {
        let most = [50, 2 * LONGEST][numbers.below(2)];
        let length = 1 + numbers.below(most);
        let read = match numbers.below(3) {
            0 => {
                let lent = reader.fill_buf().unwrap();
                let amount = lent.len().min(length);
                checker.feed(&lent[..amount]);
                reader.consume(amount);
                amount
            }
            _ => {
                let read = reader.read(&mut buffer[..length]).unwrap();
                checker.feed(&buffer[..read]);
                read
            }
        };
        if read == 0 {
            break;
        }
    }
    checker.check_accounts(start, &reader.get_ref().stats());
    checker
}

/// Takes what a read of a weak reader gave, and tells whether that was the end.
fn take(checker: &mut Checker, read: io::Result<usize>, buffer: &[u8]) -> bool {
    match read {
        Ok(read) => {
            checker.feed(&buffer[..read]);
            read == 0
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => false,
        Err(error) => {
            let lagged = error.get_ref().and_then(|error| error.downcast_ref::<Lagged>());
            assert!(lagged.expect("nothing else can go wrong").ring_bytes > 0);
            checker.gap();
            false
        }
    }
}

fn read_weak(reader: WeakReader, mut checker: Checker, mut numbers: Numbers) -> Checker {
    let start = reader.stats().position;
    let mut reader = reader.blocking();
    let mut buffer = vec![0; 2 * LONGEST];
    loop {
        if numbers.below(50) == 0 {
            thread::sleep(Duration::from_micros(numbers.below(500) as u64));
        }
        let length = 1 + numbers.below(2 * LONGEST);
        let read = reader.read(&mut buffer[..length]);
        if take(&mut checker, read, &buffer) {
            break;
        }
    }
    checker.check_accounts(start, &reader.get_ref().stats());
    checker
}

/// Comes, reads a little as this and as that, and goes, over and over. Tells how much was read.
fn visit(channel: &Channel, writers: usize, mut numbers: Numbers, stop: &AtomicBool) -> (u64, u64) {
    let (mut records, mut gaps) = (0, 0);
    let mut buffer = vec![0; LONGEST];
    while !stop.load(Ordering::Relaxed) {
        let mut reader = any_reader(channel, 8 * LONGEST, &mut numbers);
        let mut start = reader.stats().position;
        let mut checker = Checker::new(writers, true);
        for _ in 0..numbers.below(60) {
            match numbers.below(12) {
                0 => reader = reader.into_weak().into(),
                1 => reader = strong_if_possible(reader),
                2 => {
                    checker.check_accounts(start, &reader.stats());
                    reader = reader.clone();
                    start = reader.stats().position;
                    checker.bytes = 0;
                }
                3 if !reader.is_strong() => thread::sleep(Duration::from_micros(100)),
                4 => {
                    if let Reader::Strong(reader) = &mut reader {
                        if let Ok(lent) = reader.try_fill_buf() {
                            let amount = lent.len().min(1 + numbers.below(LONGEST));
                            checker.feed(&lent[..amount]);
                            reader.consume(amount);
                        }
                    }
                }
                _ => {
                    let length = 1 + numbers.below(LONGEST);
                    let mut blocking = reader.blocking();
                    let limit = Duration::from_millis(2);
                    let read = blocking.read_timeout(&mut buffer[..length], limit);
                    take(&mut checker, read, &buffer);
                    reader = blocking.into_inner();
                }
            }
        }
        checker.check_accounts(start, &reader.stats());
        records += checker.records;
        gaps += checker.gaps;
    }
    (records, gaps)
}

/// A channel, and everybody on it, for as long as `time`.
fn round(seed: u64, time: Duration) -> (u64, u64) {
    let mut numbers = Numbers::new(seed);
    let size = 4096 << numbers.below(4);
    let start = (1 << 63) - 64 * numbers.below(1000) as u64;
    let builder = Channel::builder().size(size).start_position(start);
    let channel = builder.after_last_strong_reader(AfterLast::Overwrite).build().unwrap();
    let writers = 1 + numbers.below(4);
    let (strong, weak, visitors) = (numbers.below(4), numbers.below(3), numbers.below(3));
    let stop = Arc::new(AtomicBool::new(false));
    let mut seeds = (0..64).map(|_| Numbers::new(numbers.below(1 << 30) as u64));
    let mut seed = || seeds.next().unwrap();
    let all = writers + 1;
    let checker = || Checker::new(all, false);
    let strong: Vec<_> = (0..strong)
        .map(|_| {
            let (reader, checker, numbers) = (channel.new_strong_reader(), checker(), seed());
            thread::spawn(move || read_strong(reader, checker, numbers))
        })
        .collect();
    let weak: Vec<_> = (0..weak)
        .map(|_| {
            let (reader, checker, numbers) = (channel.new_weak_reader(), checker(), seed());
            thread::spawn(move || read_weak(reader, checker, numbers))
        })
        .collect();
    let visitors: Vec<_> = (0..visitors)
        .map(|_| {
            let (channel, numbers, stop) = (channel.clone(), seed(), stop.clone());
            thread::spawn(move || visit(&channel, all, numbers, &stop))
        })
        .collect();
    let longest = size.min(LONGEST);
    let records = |writer| Records::new(writer as u8, longest, start ^ writer as u64);
    let mut writing: Vec<_> = (0..writers)
        .map(|number| {
            let (writer, records, numbers) = (channel.new_writer(), records(number), seed());
            let stop = stop.clone();
            thread::spawn(move || write(writer, records, numbers, &stop))
        })
        .collect();
    writing.push({
        let (channel, records, stop) = (channel.clone(), records(writers), stop.clone());
        thread::spawn(move || write_slices(&channel, records, &stop))
    });

    thread::sleep(time);
    stop.store(true, Ordering::Relaxed);
    let written = writing.into_iter().map(|thread| join(&channel, "writer", thread));
    let written: Vec<Records> = written.collect();
    for thread in visitors {
        join(&channel, "visitor", thread);
    }
    channel.drain().unwrap();
    let stats = channel.stats();
    assert_eq!(stats.slices, written.iter().map(|records| records.slices).sum::<u64>());
    let payload = written.iter().map(|records| records.payload).sum::<u64>();
    assert_eq!(stats.payload_bytes, payload);
    let next: Vec<_> = written.iter().map(|records| Some(records.sequence())).collect();
    let mut order = None;
    for thread in strong {
        let sum = join(&channel, "strong reader", thread).sum();
        assert_eq!((sum.1, &sum.2), (payload, &next), "every record");
        assert_eq!(*order.get_or_insert(sum.0), sum.0, "one order for all");
    }
    let gaps = weak.into_iter().map(|thread| {
        let checker = join(&channel, "weak reader", thread);
        checker.sum();
        checker.gaps
    });
    (stats.slices, gaps.sum())
}

#[test]
fn many_threads_to_many() {
    let (began, time) = (Instant::now(), time(2));
    let (mut rounds, mut slices, mut gaps) = (0, 0, 0);
    while began.elapsed() < time {
        rounds += 1;
        let (more, missed) = round(rounds, Duration::from_millis(200).min(time));
        slices += more;
        gaps += missed;
    }
    println!("{rounds} rounds, {slices} slices, {gaps} gaps");
}
