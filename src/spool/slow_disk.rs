//! A disk that takes its time: who waits for it holds up nobody else, in a file as in memory.
//!
//! The disk is slow at the points before and behind its positioned reads and writes (`sync/pause.rs`), where the
//! tests have it take as long as they like.

use super::{Failure, ReadError, Spool, SpoolReader};
use crate::sync::pause;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

fn byte_at(position: u64) -> u8 {
    (position ^ (position >> 8) ^ (position >> 16)) as u8
}

fn bytes_from(position: u64, length: usize) -> Vec<u8> {
    (position..).take(length).map(byte_at).collect()
}

/// What a thread does at the nth point that it comes to: it says so, and waits for the word to go on.
fn gate() -> (impl FnOnce() + Send + 'static, Receiver<()>, Sender<()>) {
    let (came, comes) = channel();
    let (opens, opened) = channel();
    let wait = move || {
        came.send(()).unwrap();
        opened.recv().unwrap();
    };
    (wait, comes, opens)
}

/// Reads 100 bytes, by another way each; async code is polled by hand.
type Way = fn(&mut SpoolReader) -> Vec<u8>;

const WAYS: [Way; 4] = [
    |reader| {
        let mut buffer = vec![0; 100];
        assert_eq!(reader.try_read(&mut buffer), Ok(100));
        buffer
    },
    |reader| {
        let lent = reader.try_fill_buf().unwrap()[..100].to_vec();
        reader.consume(100);
        lent
    },
    |reader| {
        let mut buffer = vec![0; 100];
        assert_eq!(reader.try_read_at(&mut buffer, reader.position()), Ok(100));
        reader.advance(100);
        buffer
    },
    |reader| {
        let mut buffer = vec![0; 100];
        let mut context = Context::from_waker(Waker::noop());
        let read = pin!(reader.read(&mut buffer)).poll(&mut context);
        assert_eq!(read, Poll::Ready(Ok(100)), "it is read where it is polled");
        buffer
    },
];

#[test]
fn a_read_that_waits_for_the_disk_holds_up_nobody_and_gets_its_bytes() {
    for (number, way) in WAYS.into_iter().enumerate() {
        // Before the call of the system, and behind it.
        for nth in 0..2 {
            let spool = Spool::temp_file().unwrap();
            let mut writer = spool.writer().unwrap();
            writer.write_all(&bytes_from(0, 20_000)).unwrap();
            let mut reader = spool.reader().unwrap();
            reader.advance(7000);
            let (wait, comes, opens) = gate();
            let stopped = thread::spawn(move || {
                let (bytes, was_stopped) = pause::at(nth, wait, || way(&mut reader));
                assert!(was_stopped, "it reads the file");
                assert_eq!(reader.position(), 7100);
                bytes
            });
            comes.recv().unwrap();
            writer.write_all(&bytes_from(20_000, 30_000)).unwrap();
            let mut others = [(); 9].map(|()| spool.reader().unwrap().blocking());
            writer.finish().unwrap();
            for other in &mut others {
                let mut all = Vec::new();
                other.read_to_end(&mut all).unwrap();
                assert!(all == bytes_from(0, 50_000), "{number} {nth}");
            }
            drop(others);
            assert_eq!(spool.readers(), 1, "{number} {nth}");
            opens.send(()).unwrap();
            assert_eq!(stopped.join().unwrap(), bytes_from(7000, 100), "{number} {nth}");
        }
    }
}

#[test]
fn a_write_that_waits_for_the_disk_holds_up_no_reader_and_no_end() {
    let ends: [(fn(&Spool), ReadError); 2] = [
        (|spool| spool.fail("it stalls").unwrap(), ReadError::Failed(Failure::new("it stalls"))),
        (Spool::terminate, ReadError::Terminated),
    ];
    for (end, expected) in ends {
        for nth in 0..2 {
            let spool = Spool::temp_file().unwrap();
            let mut writer = spool.writer().unwrap();
            writer.write_all(&bytes_from(0, 5000)).unwrap();
            let (wait, comes, opens) = gate();
            let stopped = thread::spawn(move || {
                pause::at(nth, wait, || writer.try_write(&bytes_from(5000, 100))).0
            });
            comes.recv().unwrap();
            let mut reader = spool.reader().unwrap();
            let mut buffer = vec![0; 6000];
            assert_eq!(reader.try_read(&mut buffer), Ok(5000), "what was written before");
            assert!(buffer[..5000] == bytes_from(0, 5000));
            assert_eq!(reader.try_read(&mut buffer), Err(ReadError::Empty), "and no more");
            end(&spool);
            let told = reader.try_read(&mut buffer).unwrap_err();
            assert_eq!(told.to_string(), expected.to_string());
            let len = spool.len();
            opens.send(()).unwrap();
            assert!(stopped.join().unwrap().is_err(), "the writer is told, too");
            assert_eq!(spool.len(), len, "{nth}");
        }
    }
}

/// One arm: it serves one thread at a time, and lets others run before it has come to the place.
fn each_access<T>(arm: &Arc<Mutex<()>>, work: impl FnOnce() -> T) -> T {
    let arm = arm.clone();
    let access = move || {
        let _mine = arm.lock().unwrap();
        (0..5).for_each(|_| thread::yield_now());
    };
    pause::each(access, work)
}

#[test]
fn ten_readers_of_a_slow_disk_get_every_byte() {
    const LENGTH: usize = 300_000;
    let arm = Arc::new(Mutex::new(()));
    let spool = Spool::temp_file().unwrap();
    let mut writer = spool.writer().unwrap();
    let readers = (0..10).map(|number| {
        let (arm, mut reader) = (arm.clone(), spool.reader().unwrap().blocking());
        thread::spawn(move || {
            each_access(&arm, || {
                let mut all = vec![0; LENGTH];
                match number % 5 {
                    0 => reader.read_exact(&mut all).unwrap(),
                    1 => {
                        all.clear();
                        reader.read_to_end(&mut all).unwrap();
                    }
                    2 => {
                        // From behind to the front, each piece at a place of its own.
                        for (at, piece) in all.chunks_mut(9000).enumerate().rev() {
                            reader.read_exact_at(piece, 9000 * at as u64).unwrap();
                        }
                    }
                    3 => {
                        all.clear();
                        while let lent @ [_, ..] = reader.fill_buf().unwrap() {
                            let length = lent.len().min(777);
                            all.extend_from_slice(&lent[..length]);
                            reader.consume(length);
                        }
                    }
                    _ => {
                        reader.seek(SeekFrom::End(-1000)).unwrap();
                        reader.read_exact(&mut all[LENGTH - 1000..]).unwrap();
                        reader.rewind().unwrap();
                        reader.read_exact(&mut all[..LENGTH - 1000]).unwrap();
                    }
                }
                assert!(all == bytes_from(0, LENGTH), "reader {number}");
            });
        })
    });
    let readers = Vec::from_iter(readers);
    each_access(&arm, || {
        for (piece, at) in bytes_from(0, LENGTH).chunks(7001).zip((0..).step_by(7001)) {
            assert_eq!(writer.written(), at);
            writer.write_all(piece).unwrap();
        }
        writer.finish().unwrap();
    });
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}
