//! A reader of a spool that keeps its last bytes alone is stopped by the system, wherever it is, while a long
//! stream goes by: it keeps one segment, and nobody waits for it.
//!
//! `OVERFALL_STOPPED_BYTES=10737418240 cargo test --release --all-features --test stopped
//! of_a_spool` has 10 GiB go by
//! at each stop.

use super::{LIMIT, OVER, TRACE_ME, Worker, thread_number, trace, traced};
use overfall::spool::{ReadError, Retain, Spool, SpoolReader, SpoolWriter};
use overfall_tests::{Numbers, within};
use std::io::SeekFrom;

const BOUND: u64 = 1 << 20;
/// What a builder makes of it.
const SEGMENT: u64 = BOUND / 4;

/// How often each reader is stopped, and how many bytes go by meanwhile.
fn plan() -> (usize, u64) {
    match std::env::var("OVERFALL_STOPPED_BYTES") {
        Ok(bytes) => (1, bytes.parse().expect("a number of bytes")),
        Err(_) => (10, 3 * BOUND),
    }
}

/// What is written at a time: the stream repeats, but no segment is like the one before it.
const PERIOD: u64 = 251;
const PIECE: u64 = 64 * PERIOD;

fn byte_at(position: u64) -> u8 {
    (position % PERIOD) as u8
}

/// Goes anywhere in what may still be kept: almost always that is another segment.
fn go(reader: &mut SpoolReader, numbers: &mut Numbers) -> u64 {
    let back = numbers.below(BOUND as usize + 1000) as u64;
    let _evicted = reader.try_seek(SeekFrom::Start(reader.len().saturating_sub(back)));
    reader.position()
}

fn check(position: u64, result: Result<&[u8], ReadError>) {
    match result {
        Ok(bytes) => {
            let all = bytes.iter().zip(position..).all(|(&byte, at)| byte == byte_at(at));
            assert!(all, "bytes of another place, at {position}");
        }
        Err(ReadError::Lagged { missed }) => assert!(missed > 0),
        Err(error) => assert_eq!(error, ReadError::Empty),
    }
}

type Operation = fn(&mut SpoolReader, &mut Numbers);

const OPERATIONS: [(&str, Operation); 3] = [
    ("a read", |reader, numbers| {
        let (position, mut buffer) = (go(reader, numbers), [0; 3000]);
        let read = reader.try_read(&mut buffer);
        check(position, read.map(|read| &buffer[..read]));
    }),
    ("a lend", |reader, numbers| {
        let position = go(reader, numbers);
        check(position, reader.try_fill_buf().map(|lent| &lent[..lent.len().min(3000)]));
    }),
    ("a move", |reader, numbers| {
        let (position, mut byte) = (go(reader, numbers), [0]);
        check(position, reader.try_read(&mut byte).map(|read| &byte[..read]));
    }),
];

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Writes as much, and has a strong reader read it. Tells the most memory that the spool took.
fn go_on(spool: &Spool, writer: &mut SpoolWriter, follower: &mut SpoolReader, bytes: u64) -> u64 {
    let (end, mut most) = (writer.written() + bytes, 0);
    let piece: Vec<_> = (0..PIECE).map(byte_at).collect();
    while writer.written() < end {
        assert_eq!(writer.try_write(&piece), Ok(piece.len()), "the writer goes on");
        let mut read = 0;
        while read < piece.len() {
            let lent = follower.try_fill_buf().unwrap();
            assert_eq!(lent, &piece[read..][..lent.len()], "another reader goes on");
            let lent = lent.len();
            follower.consume(lent);
            read += lent;
        }
        most = most.max(spool.stats().memory_bytes);
    }
    most
}

/// In memory, and in a file.
const STORES: [fn() -> Spool; 2] = [
    || Spool::builder().retain(Retain::Last(BOUND)).build().unwrap(),
    || Spool::builder().retain(Retain::Last(BOUND)).temp_file().unwrap(),
];

pub(super) fn traced_readers() {
    let (times, bytes) = plan();
    for make in STORES {
        for (name, operation) in OPERATIONS {
            for round in 0..times {
                let spool = make();
                let mut writer = spool.writer().unwrap();
                let mut follower = spool.reader().unwrap();
                go_on(&spool, &mut writer, &mut follower, 3 * BOUND);
                let mut reader = spool.weak_reader().unwrap();
                let mut numbers = Numbers::new(round as u64);
                let (tell, thread) = thread_number();
                let worker = Worker::new(move || {
                    tell();
                    operation(&mut reader, &mut numbers);
                });
                worker.beat(20);
                let (most, grown) = traced(&thread, || {
                    let before = resident();
                    let most = go_on(&spool, &mut writer, &mut follower, bytes);
                    (most, resident().saturating_sub(before))
                });
                // The bound, a segment that is let go of in part, a spare one, and that of the reader.
                assert!(most <= BOUND + 3 * SEGMENT, "{name}: the spool took {most} bytes");
                assert!(grown <= 2 * SEGMENT, "{name}: the process grew by {grown} bytes");
                assert!(spool.stats().detached_bytes <= SEGMENT, "{name}: {:?}", spool.stats());
                worker.beat(20);
                worker.end();
                assert_eq!(spool.stats().detached_bytes, 0, "{name}");
            }
        }
    }
    eprintln!("{TRACE_ME} {OVER}");
}

#[test]
fn a_reader_of_a_spool_that_the_system_has_stopped_keeps_one_segment_and_stops_nobody() {
    let limit = LIMIT * if plan().0 == 1 { 20 } else { 1 };
    if within(limit, || trace("traced_readers", "")).is_none() {
        eprintln!("not run, since the system does not permit to trace a child");
    }
}
