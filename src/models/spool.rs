//! The spool: publishing, waiting, ends, and the next writer.

use super::{PREEMPTIONS, model, model_of_heavy_fences};
use crate::error::Failure;
use crate::spool::{
    Builder, Ended, Growth, ReadError, Spool, SpoolReader, SpoolWriter, WriterError,
};
use loom::future::block_on;
use loom::thread;
use std::io::SeekFrom;
use std::task::{Context, Waker};

/// Segments of two bytes.
fn builder() -> Builder {
    Spool::builder().growth(Growth::Constant { size: 2 })
}

fn stream(builder: Builder) -> (Spool, SpoolWriter, SpoolReader) {
    let spool = builder.build().unwrap();
    let (writer, reader) = (spool.writer().unwrap(), spool.reader().unwrap());
    (spool, writer, reader)
}

/// Reads to the end by futures, and tells how the stream ended.
fn read_all(reader: &mut SpoolReader) -> (Vec<u8>, Result<(), ReadError>) {
    let mut all = Vec::new();
    loop {
        let mut buffer = [0; 3];
        match block_on(reader.read(&mut buffer)) {
            Ok(0) => return (all, Ok(())),
            Ok(read) => all.extend_from_slice(&buffer[..read]),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// Guards ORD(publish:A) and ORD(publish:B): the bytes are there before the length that tells of them.
#[test]
fn what_is_published_is_whole() {
    model(PREEMPTIONS, || {
        let (_spool, mut writer, mut reader) = stream(builder());
        let thread = thread::spawn(move || {
            let mut buffer = [0; 3];
            let read = reader.try_read(&mut buffer).unwrap_or(0);
            assert_eq!(buffer[..read], [1, 2, 3][..read]);
            let read = reader.try_read_at(&mut buffer, 0).unwrap_or(0);
            assert_eq!(buffer[..read], [1, 2, 3][..read]);
        });
        writer.try_write(&[1]).unwrap();
        writer.try_write(&[2, 3]).unwrap();
        thread.join().unwrap();
        writer.finish().unwrap();
    });
}

/// Guards the fence of a write (ORD(park:B)), and that a reader notes what it waits for before it parks.
#[test]
fn a_parked_reader_is_woken_by_the_byte_that_it_waits_for() {
    model(PREEMPTIONS, || {
        let (_spool, mut writer, mut reader) = stream(builder());
        reader.advance(1);
        let thread = thread::spawn(move || {
            assert_eq!(block_on(reader.read(&mut [0])), Ok(1));
            assert_eq!(block_on(reader.read(&mut [0])), Ok(1));
        });
        for byte in [1, 2, 3] {
            writer.try_write(&[byte]).unwrap();
        }
        thread.join().unwrap();
        writer.finish().unwrap();
    });
}

/// Guards that a reader notes anew what it waits for: it waited further on before.
#[test]
fn a_reader_that_waited_further_on_before_is_woken() {
    model(PREEMPTIONS, || {
        let (_spool, mut writer, mut reader) = stream(builder());
        reader.advance(9);
        let poll = reader.poll_ready(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending());
        reader.try_seek(SeekFrom::Start(0)).unwrap();
        let thread = thread::spawn(move || {
            assert_eq!(block_on(reader.read(&mut [0])), Ok(1));
        });
        writer.try_write(&[1]).unwrap();
        thread.join().unwrap();
        writer.finish().unwrap();
    });
}

/// The same while nobody looks for sleepers: guards the light fence of a write.
#[test]
fn a_reader_that_sleeps_while_no_writer_looks_is_woken() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let (spool, mut writer, mut reader) = stream(builder());
        spool.end_watch();
        let thread = thread::spawn(move || {
            assert_eq!(block_on(reader.read(&mut [0])), Ok(1));
        });
        writer.try_write(&[1]).unwrap();
        thread.join().unwrap();
        writer.finish().unwrap();
    });
}

/// Guards ORD(ended:A) and ORD(ended:B): who finds the end finds all bytes before it. No writer looks for
/// sleepers: the fence for that would do as much.
#[test]
fn who_finds_the_end_finds_all_bytes() {
    model(PREEMPTIONS, || {
        let (spool, mut writer, mut reader) = stream(builder());
        spool.end_watch();
        let thread = thread::spawn(move || {
            let read = reader.try_read(&mut [0; 3]);
            assert!(matches!(read, Ok(1) | Err(ReadError::Empty)), "{read:?}");
        });
        writer.try_write(&[1]).unwrap();
        writer.finish().unwrap();
        thread.join().unwrap();
    });
}

/// Guards the fence and the wakes at an end.
#[test]
fn a_parked_reader_is_woken_by_the_end_behind_all_bytes() {
    model(PREEMPTIONS, || {
        let (_spool, mut writer, mut reader) = stream(builder());
        let thread = thread::spawn(move || {
            assert_eq!(read_all(&mut reader), (vec![1], Ok(())));
        });
        writer.try_write(&[1]).unwrap();
        assert_eq!(writer.finish(), Ok(1));
        thread.join().unwrap();
    });
}

/// Guards the wake of those who wait for the end itself. The writer stays: its going would wake them, too.
#[test]
fn who_waits_for_the_end_is_woken_by_it() {
    model(PREEMPTIONS, || {
        let (spool, writer, _reader) = stream(builder());
        let waiting = spool.clone();
        let thread = thread::spawn(move || {
            assert!(matches!(block_on(waiting.finished()), Err(ReadError::Failed(_))));
        });
        spool.fail("from outside").unwrap();
        thread.join().unwrap();
        drop(writer);
    });
}

/// Guards that the last promised byte is the end for those who wait for the end.
#[test]
fn who_waits_for_the_end_is_woken_by_the_last_promised_byte() {
    model(2, || {
        let (spool, mut writer, _reader) = stream(builder().known_len(1));
        let thread = thread::spawn(move || {
            assert_eq!(block_on(spool.finished()), Ok(1));
        });
        writer.try_write(&[1]).unwrap();
        thread.join().unwrap();
        drop(writer);
    });
}

/// Guards the light fence of a reader and the heavy one of who fails the stream from outside: both
/// readers are told the same last byte, whatever is written meanwhile.
fn failing_from_outside(heavy: bool) {
    let (spool, mut writer, mut first) = stream(builder().membarrier(heavy));
    let mut second = spool.reader().unwrap();
    let reading = thread::spawn(move || {
        let mut buffer = [0];
        let read = first.try_read(&mut buffer);
        (first, read)
    });
    let failing = thread::spawn(move || spool.fail("from outside"));
    let written = writer.try_write(&[1]).unwrap_or(0);
    let (mut first, read) = reading.join().unwrap();
    assert_eq!(failing.join().unwrap(), Ok(()));
    let (all, end) = read_all(&mut second);
    assert!(matches!(end, Err(ReadError::Failed(_))));
    assert!(all.len() <= written);
    match read {
        Ok(read) => assert_eq!(read, all.len(), "a byte was read that is not there"),
        Err(ReadError::Failed(_)) => assert!(all.is_empty(), "a byte came after the end"),
        Err(ReadError::Empty) => {
            assert_eq!(read_all(&mut first).0, all);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failure_from_outside_is_the_same_end_for_all() {
    // Three threads stop in the middle, and one goes on: with fewer, ORD(ended:A) in `settle` is not missed.
    model_of_heavy_fences(4, || failing_from_outside(true));
}

#[test]
fn a_failure_from_outside_is_the_same_end_for_all_without_heavy_fences() {
    model(PREEMPTIONS, || failing_from_outside(false));
}

/// Shows that a reader which finds a failing stream settles the end itself, and gets the failure. (loom does
/// not see the `OnceLock` in which that is, so that no mutant of its order would be caught.)
#[test]
fn a_reader_that_finds_a_failing_stream_waits_for_nobody() {
    model_of_heavy_fences(2, || {
        let (spool, writer, mut reader) = stream(builder());
        let failing = thread::spawn(move || drop(spool.fail("from outside")));
        match reader.try_read(&mut [0]) {
            Err(ReadError::Failed(failure)) => {
                assert_eq!(failure.get_ref().to_string(), "from outside");
            }
            Err(ReadError::Empty) => {}
            other => panic!("{other:?}"),
        }
        failing.join().unwrap();
        drop(writer);
    });
}

/// Guards that a promise that is kept, and a failure from outside, exclude each other for all.
#[test]
fn a_promise_and_a_failure_exclude_each_other() {
    model_of_heavy_fences(2, || {
        let (spool, mut writer, mut reader) = stream(builder().known_len(1));
        let failing = spool.clone();
        let failing = thread::spawn(move || failing.fail("from outside"));
        let written = writer.try_write(&[1]);
        let failed = failing.join().unwrap();
        let (all, end) = read_all(&mut reader);
        match &failed {
            Ok(()) => assert!(matches!(end, Err(ReadError::Failed(_))) && all.is_empty()),
            Err(error) => {
                assert_eq!(*error, Ended::Finished);
                assert_eq!((all, end, written), (vec![1], Ok(()), Ok(1)));
            }
        }
        assert_eq!(spool.is_finished(), failed.is_err());
    });
}

/// Guards ORD(claim:A) and ORD(claim:B): the next writer goes on behind the bytes of the last one. No
/// writer looks for sleepers: the fence for that would do as much.
#[test]
fn the_next_writer_goes_on_where_the_last_one_was() {
    model(PREEMPTIONS, || {
        let (spool, mut writer, mut reader) = stream(builder());
        spool.end_watch();
        let next = spool.clone();
        let next = thread::spawn(move || match next.writer() {
            Ok(mut writer) => {
                writer.try_write(&[3, 4]).unwrap();
                writer.release();
                true
            }
            Err(WriterError::Busy) => false,
            Err(other) => panic!("{other}"),
        });
        writer.try_write(&[1]).unwrap();
        writer.release();
        let mut expected = vec![1];
        if next.join().unwrap() {
            expected.extend([3, 4]);
        }
        spool.writer().unwrap().finish().unwrap();
        assert_eq!(read_all(&mut reader), (expected, Ok(())));
    });
}

/// Guards the fence and the wake of a close.
#[test]
fn a_parked_reader_is_woken_when_it_is_closed() {
    model(PREEMPTIONS, || {
        let (_spool, writer, mut reader) = stream(builder());
        let closer = reader.closer();
        let thread = thread::spawn(move || {
            assert_eq!(block_on(reader.read(&mut [0])), Err(ReadError::Closed));
        });
        closer.close();
        thread.join().unwrap();
        writer.finish().unwrap();
    });
}

/// Guards that a close wakes who waits for a change, too.
#[test]
fn a_reader_that_waits_for_the_end_is_woken_when_it_is_closed() {
    model(2, || {
        let (_spool, writer, reader) = stream(builder());
        let closer = reader.closer();
        let thread = thread::spawn(move || {
            assert_eq!(block_on(reader.finished()), Err(ReadError::Closed));
        });
        closer.close();
        thread.join().unwrap();
        writer.finish().unwrap();
    });
}

/// Guards the wakes when the last reader goes, and when one comes.
#[test]
fn a_producer_that_waits_for_readers_to_go_is_woken() {
    model(2, || {
        let (spool, writer, reader) = stream(builder());
        let waiting = spool.clone();
        let waiting = thread::spawn(move || block_on(waiting.without_readers()));
        drop(reader);
        waiting.join().unwrap();
        drop(writer);
        let _same_failure = spool.reader().map_err(|failure: Failure| failure);
    });
}
