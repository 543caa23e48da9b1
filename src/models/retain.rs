//! Spools that keep their last bytes alone: segments that are let go of, and the writer that waits.

use super::{PREEMPTIONS, model, model_of_heavy_fences};
use crate::spool::{
    Builder, Growth, Kept, ReadError, Retain, Spool, SpoolReader, SpoolWriter, WriteError,
};
use crate::sync::{AtomicU64, Ordering};
use loom::future::block_on;
use loom::thread;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

/// Keeps the last byte, in segments of one.
fn builder() -> Builder {
    Spool::builder().growth(Growth::Constant { size: 1 }).retain(Retain::Last(1))
}

fn stream(builder: Builder) -> (Spool, SpoolWriter) {
    let spool = builder.build().unwrap();
    let writer = spool.writer().unwrap();
    (spool, writer)
}

/// Writes so many bytes, each its number; waits for room.
fn write(writer: &mut SpoolWriter, bytes: u64) {
    for _ in 0..bytes {
        let byte = writer.written() as u8;
        // A reader may come between the room and the write.
        while let Err(full) = writer.try_write(&[byte]) {
            assert!(matches!(full, WriteError::Full { .. }), "{full}");
            block_on(writer.ready()).unwrap();
        }
    }
}

/// What a weak reader finds: the byte of the place where it stands, or how much it has missed.
fn read(reader: &mut SpoolReader) -> Option<u64> {
    let (position, mut byte) = (reader.position(), [0]);
    match reader.try_read(&mut byte) {
        Ok(1) => {
            assert_eq!(u64::from(byte[0]), position, "a byte of another place");
            Some(1)
        }
        Err(ReadError::Lagged { missed }) => {
            assert!(missed > 0 && reader.position() == position + missed);
            Some(missed)
        }
        Err(ReadError::Empty) => None,
        other => panic!("{other:?}"),
    }
}

/// Guards that a segment is freed, or comes again, only when nobody has a share of it: the shares, the turn
/// of a slot, and who is entering.
#[test]
fn a_reader_enters_a_segment_that_is_let_go_of() {
    model(PREEMPTIONS, || {
        let (spool, mut writer) = stream(builder());
        let mut reader = spool.weak_reader().unwrap();
        write(&mut writer, 1);
        let reading = thread::spawn(move || {
            let found = [read(&mut reader), read(&mut reader)];
            let all: u64 = found.into_iter().flatten().sum();
            assert_eq!(reader.position(), all, "each byte is read or missed");
            assert!(found[0].is_some(), "one was there");
        });
        write(&mut writer, 2);
        reading.join().unwrap();
        assert_eq!(spool.stats().detached_bytes, 0, "nobody has a share, and it is there");
        writer.finish().unwrap();
    });
}

/// The same for two readers that enter at once, and a read at a place of its own.
#[test]
fn two_readers_enter_a_segment_that_is_let_go_of() {
    model(2, || {
        let (spool, mut writer) = stream(builder());
        let mut reader = spool.weak_reader().unwrap();
        let other = reader.clone();
        write(&mut writer, 1);
        let threads = [
            thread::spawn(move || assert!(read(&mut reader).is_some())),
            thread::spawn(move || {
                let mut byte = [7];
                match other.try_read_at(&mut byte, 0) {
                    Ok(read) => assert_eq!((read, byte), (1, [0])),
                    Err(error) => assert!(matches!(error, ReadError::Evicted { .. })),
                }
            }),
        ];
        write(&mut writer, 1);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        writer.finish().unwrap();
    });
}

/// Guards ORD(turn:A) and ORD(turn:B): who finds a segment gone finds where to go on, though the writer that took
/// it out is not the one that said so. A strong reader that comes in the middle of the first writer's move keeps
/// that from letting go; the next writer does, and has no fence of its own before it.
#[test]
fn a_reader_that_finds_a_segment_gone_finds_where_the_last_writer_said_to_go_on() {
    model(2, || {
        let (spool, mut writer) = stream(builder());
        let mut reader = spool.weak_reader().unwrap();
        write(&mut writer, 2);
        spool.end_watch();
        let beginning = spool.clone();
        let beginning = thread::spawn(move || beginning.reader().unwrap());
        let reading = thread::spawn(move || read(&mut reader));
        let is_held_up = writer.try_write(&[2]).is_err();
        let strong = beginning.join().unwrap();
        if is_held_up && strong.position() == 0 {
            drop(strong);
            writer.release();
            let going_on = spool.clone();
            let going_on = thread::spawn(move || {
                let mut writer = going_on.writer().unwrap();
                writer.try_write(&[2]).unwrap();
                writer.release();
            });
            going_on.join().unwrap();
        }
        reading.join().unwrap();
    });
}

fn a_reader_that_moves_on_wakes_the_writer(is_watched: bool) {
    let (spool, mut writer) = stream(builder());
    let mut reader = spool.reader().unwrap();
    write(&mut writer, 1);
    if !is_watched {
        spool.end_watch();
    }
    let reading = thread::spawn(move || {
        assert_eq!(reader.try_read(&mut [0]), Ok(1));
        reader
    });
    write(&mut writer, 1);
    let _reader = reading.join().unwrap();
    writer.finish().unwrap();
}

/// Guards the look of a reader that moves on at the line, and its fence (ORD(park:B)).
#[test]
fn a_writer_that_waits_for_room_is_woken_by_the_reader_that_moves_on() {
    model(PREEMPTIONS, || a_reader_that_moves_on_wakes_the_writer(true));
}

/// The same while nobody looks for sleepers: guards that the watch is kept.
#[test]
fn a_writer_that_waits_while_no_reader_looks_is_woken() {
    model_of_heavy_fences(PREEMPTIONS, || a_reader_that_moves_on_wakes_the_writer(false));
}

/// Guards the wakes where a strong reader goes, becomes weak, or is closed.
#[test]
fn a_writer_that_waits_for_room_is_woken_by_the_reader_that_goes() {
    let leaves: [fn(SpoolReader) -> Option<SpoolReader>; 3] = [
        |reader| {
            drop(reader);
            None
        },
        |mut reader| {
            reader.make_weak();
            Some(reader)
        },
        |reader| {
            reader.closer().close();
            Some(reader)
        },
    ];
    for leave in leaves {
        model(2, move || {
            let (spool, mut writer) = stream(builder());
            let reader = spool.reader().unwrap();
            write(&mut writer, 1);
            let leaving = thread::spawn(move || leave(reader));
            write(&mut writer, 1);
            let _reader = leaving.join().unwrap();
            writer.finish().unwrap();
        });
    }
}

/// Guards the wake of a writer at an end.
#[test]
fn a_writer_that_waits_for_room_is_woken_by_the_end() {
    model(2, || {
        let (spool, mut writer) = stream(builder());
        let _reader = spool.reader().unwrap();
        write(&mut writer, 1);
        let ending = thread::spawn(move || spool.terminate());
        assert!(matches!(block_on(writer.ready()), Err(WriteError::Ended(_))));
        ending.join().unwrap();
    });
}

/// Guards ORD(hold:A) and ORD(hold:B): what a strong reader finds kept when it begins stays until it has
/// read it.
#[test]
fn a_strong_reader_begins_while_the_writer_lets_go() {
    model(2, || {
        let (spool, mut writer) = stream(builder());
        write(&mut writer, 1);
        let beginning = spool.clone();
        let beginning = thread::spawn(move || {
            let mut reader = beginning.reader().unwrap();
            let (position, mut byte) = (reader.position(), [7]);
            match reader.try_read(&mut byte) {
                Ok(read) => assert_eq!((read, u64::from(byte[0])), (1, position)),
                Err(error) => assert_eq!(error, ReadError::Empty),
            }
        });
        write(&mut writer, 2);
        beginning.join().unwrap();
        writer.finish().unwrap();
    });
}

/// The same for one that goes back.
#[test]
fn a_strong_reader_goes_back_while_the_writer_lets_go() {
    model(PREEMPTIONS, || {
        let (spool, mut writer) = stream(builder());
        write(&mut writer, 1);
        let mut reader = spool.reader().unwrap();
        assert_eq!(reader.try_read(&mut [7]), Ok(1));
        let going = thread::spawn(move || {
            if reader.try_seek(std::io::SeekFrom::Start(0)).is_ok() {
                let mut byte = [7];
                assert_eq!((reader.try_read(&mut byte), byte), (Ok(1), [0]));
            }
            reader
        });
        write(&mut writer, 1);
        let reader = going.join().unwrap();
        drop(reader);
        writer.finish().unwrap();
    });
}

/// Guards ORD(arrive:A) and ORD(arrive:B), and that a write looks: who has come since the last look is
/// waited for.
#[test]
fn a_writer_sees_who_has_come() {
    model(2, || {
        let builder = Spool::builder().growth(Growth::Constant { size: 2 });
        let (spool, mut writer) = stream(builder.retain(Retain::Last(2)));
        write(&mut writer, 3);
        let beginning = thread::spawn(move || spool.reader().unwrap());
        let mut context = Context::from_waker(Waker::noop());
        let _room_maybe = pin!(writer.ready()).poll(&mut context);
        let reader = beginning.join().unwrap();
        assert_eq!(reader.backlog(), 3);
        assert!(matches!(writer.try_write(&[3]), Err(WriteError::Full { .. })));
        drop(reader);
        drop(writer);
    });
}

/// Guards the wake when the first byte is let go of. (Its fence, ORD(hold:B), is guarded by the model of a
/// reader that begins; this one does not miss it.)
#[test]
fn who_waits_for_all_is_woken_when_something_is_let_go_of() {
    model(2, || {
        let (spool, mut writer) = stream(builder());
        write(&mut writer, 2);
        let loading = thread::spawn(move || {
            let loaded = block_on(spool.load_all());
            assert!(matches!(loaded, Err(ReadError::Evicted { position: 0, .. })), "{loaded:?}");
            spool
        });
        write(&mut writer, 1);
        // The writer is there until then: no end wakes it.
        let _spool = loading.join().unwrap();
        writer.finish().unwrap();
    });
}

/// Guards that a hole in a file is never taken for bytes of the stream. The file is a cell, since what the
/// system does between the calls has no model: all that is asked of it is that a hole does not come earlier than
/// it was punched.
#[test]
fn a_reader_of_a_file_reads_a_hole_and_is_told() {
    model(PREEMPTIONS, || {
        let (kept, begin, byte) = (Kept::all(), AtomicU64::new(0), AtomicU64::new(7));
        let shared = Arc::new((kept, begin, byte));
        let reading = thread::spawn({
            let shared = shared.clone();
            move || {
                let (kept, begin, byte) = &*shared;
                let read = byte.load(Ordering::Relaxed);
                if kept.still_has(0) {
                    assert_eq!(read, 7, "a hole was read");
                } else {
                    assert_eq!(begin.load(Ordering::Relaxed), 1, "it finds where to go on");
                }
            }
        });
        let (kept, begin, byte) = &*shared;
        begin.store(1, Ordering::Relaxed);
        kept.let_go(1);
        byte.store(0, Ordering::Relaxed);
        reading.join().unwrap();
    });
}
