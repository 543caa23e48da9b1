//! Who is stopped in the middle of something, where the spool keeps its last bytes alone, holds up nobody,
//! and keeps one segment; and of a file it reads bytes of the stream alone.

use super::{Builder, ReadError, Retain, Spool, SpoolReader, SpoolWriter, Start};
use crate::sync::pause;
use std::cell::{Cell, RefCell};
use std::io::SeekFrom;
use std::rc::Rc;

const BOUND: u64 = 1 << 20;
/// What goes by while somebody is stopped.
const LONG: u64 = 3 << 20;

fn byte_at(position: u64) -> u8 {
    (position ^ (position >> 8) ^ (position >> 16)) as u8
}

/// Writes as much, and has another weak reader read it. Tells the most memory that the spool took.
fn go_on(spool: &Spool, writer: &mut SpoolWriter, bytes: u64) -> u64 {
    let mut follower = spool.weak_reader_from(Start::End).unwrap();
    let (from, mut most) = (writer.written(), 0);
    let mut buffer = vec![0; 10_000];
    while writer.written() < from + bytes {
        let position = writer.written();
        buffer.iter_mut().zip(position..).for_each(|(byte, position)| *byte = byte_at(position));
        assert_eq!(writer.try_write(&buffer), Ok(buffer.len()), "the writer goes on");
        let mut read = 0;
        while read < buffer.len() {
            read += follower.try_read(&mut buffer[read..]).unwrap();
        }
        assert_eq!(buffer[9_999], byte_at(position + 9_999));
        most = most.max(spool.stats().memory_bytes);
    }
    most
}

/// Reads what comes next, or tells how much was missed.
fn read(reader: &mut SpoolReader) -> u64 {
    let (position, mut byte) = (reader.position(), [0]);
    match reader.try_read(&mut byte) {
        Ok(1) => assert_eq!(byte, [byte_at(position)]),
        Err(ReadError::Lagged { missed }) => return missed,
        other => panic!("{other:?}"),
    }
    1
}

/// In memory, and where the system can let go of what lies in a file, in one.
fn spools() -> Vec<fn(Builder) -> Spool> {
    let in_memory = |builder: Builder| builder.build().unwrap();
    let in_file = |builder: Builder| builder.temp_file().unwrap();
    if cfg!(all(target_os = "linux", not(miri))) {
        vec![in_memory, in_file]
    } else {
        vec![in_memory]
    }
}

#[test]
fn a_weak_reader_that_is_stopped_anywhere_keeps_one_segment_and_holds_up_nobody() {
    spools().into_iter().for_each(stop_a_weak_reader);
}

fn stop_a_weak_reader(make: fn(Builder) -> Spool) {
    let operations: [fn(&mut SpoolReader) -> u64; 4] = [
        read,
        |reader| {
            let _evicted = reader.try_seek(SeekFrom::Start(0));
            read(reader)
        },
        |reader| {
            let (at, mut byte) = (reader.position(), [0]);
            match reader.try_read_at(&mut byte, at) {
                Ok(read) => assert_eq!((read, byte), (1, [byte_at(at)])),
                Err(error) => assert!(matches!(error, ReadError::Evicted { .. }), "{error}"),
            }
            0
        },
        |reader| {
            let position = reader.position();
            let lent = reader.try_fill_buf().unwrap_or(&[]);
            assert!(lent.iter().zip(position..).all(|(&byte, at)| byte == byte_at(at)));
            let lent = lent.len();
            reader.consume(lent);
            lent as u64
        },
    ];
    for (number, operation) in operations.into_iter().enumerate() {
        for nth in 0.. {
            let spool = make(Spool::builder().retain(Retain::Last(BOUND)));
            let mut writer = spool.writer().unwrap();
            // The first byte is a zero, as those of a hole.
            let mut reader = spool.weak_reader_from(Start::At(1)).unwrap();
            go_on(&spool, &mut writer, 20_000);
            let most = Rc::new(Cell::new(0));
            let (told, others) = (most.clone(), spool.clone());
            let work = move || told.set(go_on(&others, &mut writer, LONG));
            let (_, was_stopped) = pause::at(nth, work, || operation(&mut reader));
            if !was_stopped {
                assert!(nth > 1, "it has points: {number}");
                break;
            }
            let segment = BOUND / 4;
            let bound = BOUND + 3 * segment;
            assert!(most.get() <= bound, "{number} {nth}: {} of {bound}", most.get());
            let mut all = reader.position();
            (0..3).for_each(|_| all += read(&mut reader));
            assert_eq!(reader.position(), all);
            drop(reader);
            assert_eq!(spool.stats().detached_bytes, 0, "{number} {nth}");
        }
    }
}

/// It begins, goes back, and becomes strong while the writer goes on: it is told that it came too late, or
/// holds the writer up, and misses nothing.
#[test]
fn a_strong_reader_that_is_stopped_while_it_comes_misses_nothing() {
    spools().into_iter().for_each(stop_a_strong_reader);
}

fn stop_a_strong_reader(make: fn(Builder) -> Spool) {
    type Operation = fn(&Spool) -> Option<SpoolReader>;
    let operations: [Operation; 4] = [
        |spool| spool.reader().ok(),
        |spool| spool.reader_from(Start::At(10)).ok(),
        |spool| {
            let mut reader = spool.reader_from(Start::End).unwrap();
            reader.try_seek(SeekFrom::Start(10)).ok().map(|_| reader)
        },
        |spool| {
            let mut reader = spool.weak_reader_from(Start::At(10)).ok()?;
            reader.make_strong().ok().map(|()| reader)
        },
    ];
    for operation in operations {
        for nth in 0.. {
            let spool = make(Spool::builder().retain(Retain::Last(100)));
            let mut writer = spool.writer().unwrap();
            assert_eq!(writer.try_write(&[0; 60]), Ok(60));
            // It takes no lock: a reader that comes has one at some of the points.
            let writer = Rc::new(RefCell::new(writer));
            let goes_on = writer.clone();
            let work = move || {
                let writer = &mut *goes_on.borrow_mut();
                while writer.written() < 5000 && writer.try_write(&[0; 7]).is_ok() {}
            };
            let (reader, was_stopped) = pause::at(nth, work, || operation(&spool));
            if let Some(mut reader) = reader {
                let rest = spool.len() - reader.position();
                let mut buffer = vec![0; rest as usize];
                assert_eq!(reader.try_read(&mut buffer), Ok(buffer.len()), "{nth}");
            }
            if !was_stopped {
                assert!(nth > 0, "it has points");
                break;
            }
        }
    }
}

/// A strong reader that comes just before the writer tells what is kept may stand before that: it is kept all
/// the same.
#[test]
fn a_strong_reader_that_comes_while_the_writer_is_stopped_misses_nothing() {
    for make in spools() {
        for nth in 0.. {
            let spool = make(Spool::builder().retain(Retain::Last(100)));
            let mut writer = spool.writer().unwrap();
            assert_eq!(writer.try_write(&[7; 100]), Ok(100));
            let reader = Rc::new(RefCell::new(None));
            let (others, comes) = (spool.clone(), reader.clone());
            let work = move || *comes.borrow_mut() = others.reader().ok();
            let (_, was_stopped) = pause::at(nth, work, || {
                while writer.written() < 500 && writer.try_write(&[7; 9]).is_ok() {}
            });
            if !was_stopped {
                assert!(nth > 1, "it has points");
                break;
            }
            let mut reader = reader.take().unwrap();
            let mut buffer = vec![0; (spool.len() - reader.position()) as usize];
            assert_eq!(reader.try_read(&mut buffer), Ok(buffer.len()), "{nth}");
            assert!(buffer.iter().all(|&byte| byte == 7), "{nth}");
        }
    }
}
