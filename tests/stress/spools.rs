//! Spools that keep their last bytes alone: threads that read, lend, seek, come and go, turn from strong to
//! weak and back, for as long as they are asked to (`OVERFALL_STRESS_SECONDS`).
//!
//! Every byte tells its place. A reader reads each byte once or is told that it was missed; a strong one
//! misses none.

use super::common::time;
use overfall::spool::{Growth, ReadError, Retain, Spool, SpoolReader, Start, WriteError};
use overfall_tests::{LIMIT, Numbers, block_on};
use std::io::{Read, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const BOUND: u64 = 2000;

fn byte_at(position: u64) -> u8 {
    (position ^ (position >> 8) ^ (position >> 16)) as u8
}

#[track_caller]
fn check(position: u64, bytes: &[u8]) {
    assert!(bytes.iter().zip(position..).all(|(&byte, position)| byte == byte_at(position)));
}

/// One step of a reader of any kind. Tells whether the stream has ended for it.
fn step(
    reader: &mut SpoolReader,
    numbers: &mut Numbers,
    kept: &mut Vec<(u64, bytes::Bytes)>,
) -> bool {
    let position = reader.position();
    let mut buffer = [0; 700];
    let length = 1 + numbers.below(buffer.len());
    let result = match numbers.below(12) {
        0 => {
            let at = position.saturating_sub(numbers.below(3000) as u64);
            match reader.try_read_at(&mut buffer[..length], at) {
                Ok(read) => check(at, &buffer[..read]),
                Err(ReadError::Evicted { position, begin, .. }) => assert!(position < begin),
                Err(error) => assert_eq!(error, ReadError::Empty),
            }
            return false;
        }
        1 => {
            let back = numbers.below(2500) as i64;
            if reader.try_seek(SeekFrom::Current(-back)).is_err() {
                assert_eq!(reader.position(), position);
            }
            return false;
        }
        2 => {
            reader.make_weak();
            return false;
        }
        3 => {
            let _unless_too_late = reader.make_strong();
            return false;
        }
        4 => {
            let clone = reader.clone();
            assert_eq!(clone.position(), position);
            *reader = clone;
            return false;
        }
        5 => {
            kept.truncate(5);
            reader.try_read_bytes(length).map(|bytes| {
                check(position, &bytes);
                let read = bytes.len();
                kept.insert(0, (position, bytes));
                read
            })
        }
        6 | 7 => {
            let lent = reader.try_fill_buf();
            let lent = lent.map(|bytes| {
                check(position, bytes);
                if length % 7 == 0 {
                    thread::yield_now();
                    check(position, bytes);
                }
                bytes.len()
            });
            lent.inspect(|&lent| reader.consume(lent))
        }
        _ => block_on(reader.read(&mut buffer[..length]))
            .inspect(|&read| check(position, &buffer[..read])),
    };
    match result {
        Ok(0) => return true,
        Ok(read) => assert_eq!(reader.position(), position + read as u64),
        Err(ReadError::Lagged { missed }) => {
            assert!(missed > 0 && !reader.is_strong(), "a strong reader misses nothing");
            assert_eq!(reader.position(), position + missed);
        }
        Err(error) => assert_eq!(error, ReadError::Empty),
    }
    kept.iter().for_each(|(position, bytes)| check(*position, bytes));
    false
}

/// Comes and goes until the stream has ended.
fn roam(spool: &Spool, ends: &AtomicBool, numbers: &mut Numbers) {
    let mut kept = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        let start = match numbers.below(4) {
            0 => Start::Oldest,
            1 => Start::End,
            2 => Start::Back(numbers.below(3000) as u64),
            _ => Start::At(spool.len().saturating_sub(numbers.below(2500) as u64)),
        };
        let made = match numbers.below(2) {
            0 => spool.reader_from(start),
            _ => spool.weak_reader_from(start),
        };
        let Ok(mut reader) = made else { continue };
        for _ in 0..numbers.below(200) {
            if ends.load(Ordering::Relaxed) || step(&mut reader, numbers, &mut kept) {
                break;
            }
        }
    }
}

#[test]
fn readers_of_all_kinds_come_and_go_while_the_spool_lets_go() {
    let began = Instant::now();
    let mut seed = 0;
    while seed == 0 || began.elapsed() < time(2) {
        seed += 1;
        let growth = match seed % 3 {
            0 => Growth::Geometric { first: 16, max: 512 },
            1 => Growth::Constant { size: 64 },
            _ => Growth::Constant { size: 1000 },
        };
        // Other systems cannot let go of what lies in a file.
        let is_in_file = cfg!(target_os = "linux") && seed % 2 == 0;
        run(growth, is_in_file, time(2).min(Duration::from_millis(500)), seed);
    }
}

fn run(growth: Growth, is_in_file: bool, lasts: Duration, seed: u64) {
    let builder = Spool::builder().growth(growth).retain(Retain::Last(BOUND));
    let spool = match is_in_file {
        true => builder.temp_file().unwrap(),
        false => builder.build().unwrap(),
    };
    let mut writer = spool.writer().unwrap();
    let mut faithful = spool.reader().unwrap().blocking();
    let ends = &AtomicBool::new(false);
    thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let (mut position, mut buffer) = (0, [0; 300]);
            loop {
                let read = faithful.read(&mut buffer).unwrap();
                if read == 0 {
                    return position;
                }
                check(position, &buffer[..read]);
                position += read as u64;
            }
        });
        for number in 0..3 {
            let spool = spool.clone();
            scope.spawn(move || roam(&spool, ends, &mut Numbers::new(seed * 10 + number)));
        }
        let mut numbers = Numbers::new(seed);
        let began = Instant::now();
        while began.elapsed() < lasts {
            let length = 1 + numbers.below(900);
            let bytes: Vec<_> = (writer.written()..).take(length).map(byte_at).collect();
            match numbers.below(4) {
                0 => drop(writer.write(&bytes).unwrap()),
                1 => {
                    block_on(writer.ready()).unwrap();
                    let filled = writer.fill(|buffer| {
                        let length = length.min(buffer.len());
                        buffer[..length].copy_from_slice(&bytes[..length]);
                        Ok(length)
                    });
                    if let Err(error) = filled {
                        // A strong reader has come in between.
                        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                    }
                }
                2 => {
                    writer.release();
                    writer = spool.writer().unwrap();
                }
                _ => match writer.try_write(&bytes) {
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error, WriteError::Full { bytes: BOUND });
                        let _by_then = writer.ready_timeout(Duration::from_micros(100)).unwrap();
                    }
                },
            }
            let stats = spool.stats();
            assert!(stats.len - stats.evicted <= BOUND + 1000, "{stats:?}");
        }
        ends.store(true, Ordering::Relaxed);
        let length = writer.finish().unwrap();
        assert_eq!(reading.join().unwrap(), length);
    });
    assert!(LIMIT > lasts && spool.readers() == 0);
    assert_eq!(spool.stats().detached_bytes, 0);
    assert!(spool.stats().memory_bytes <= BOUND + 2000);
}
