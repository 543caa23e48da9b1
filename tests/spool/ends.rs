//! How streams end, and who is told what.

use crate::{bytes_from, drain, segments_of, stream};
use overfall::error::Failure;
use overfall::spool::{Abandoned, Ended, FinishError, ReadError, Spool, SpoolReader, WriterError};
use overfall_tests::{Task, block_on, within};
use std::io::{self, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

/// What the stream failed with.
#[track_caller]
fn failure(end: Option<ReadError>) -> Failure {
    match end {
        Some(ReadError::Failed(failure)) => failure,
        other => panic!("it did not fail: {other:?}"),
    }
}

/// Which way it was abandoned.
#[track_caller]
fn abandoned(end: Option<ReadError>) -> Abandoned {
    *failure(end).get_ref().downcast_ref().expect("abandoned")
}

#[test]
fn a_writer_that_is_dropped_without_finish_has_failed_behind_what_is_there() {
    let (spool, mut writer, mut early) = stream(segments_of(4));
    writer.write_all(b"half of it").unwrap();
    let waiting = spool.reader().unwrap();
    let waiting = thread::spawn(move || {
        let mut all = Vec::new();
        let error = waiting.blocking().read_to_end(&mut all).unwrap_err();
        (all, error.kind())
    });
    drop(writer);
    assert_eq!(waiting.join().unwrap(), (b"half of it".to_vec(), ErrorKind::Other));
    let mut late = spool.reader().unwrap();
    for reader in [&mut early, &mut late] {
        let (read, end) = drain(reader);
        assert_eq!(read, b"half of it");
        assert_eq!(abandoned(end), Abandoned::WriterDropped { written: 10 });
        // Each time.
        assert_eq!(abandoned(drain(reader).1), Abandoned::WriterDropped { written: 10 });
    }
    assert!(!spool.is_finished());
    assert!(matches!(block_on(spool.finished()), Err(ReadError::Failed(_))));
    assert!(matches!(spool.writer(), Err(WriterError::Ended(Ended::Failed(_)))));
}

#[test]
fn an_error_is_kept_and_given_to_every_reader_with_its_kind() {
    let (spool, mut writer, mut early) = stream(segments_of(4));
    writer.write_all(b"bytes").unwrap();
    writer.fail(io::Error::new(ErrorKind::StorageFull, "the disk is full")).unwrap();
    let mut late = spool.reader().unwrap();
    let (first, second) = (drain(&mut early), drain(&mut late));
    assert_eq!((&first.0, &second.0), (&b"bytes".to_vec(), &b"bytes".to_vec()));
    let (first, second) = (failure(first.1), failure(second.1));
    assert_eq!(first, second, "the same failure for all");
    assert_eq!(first.to_string(), "the stream failed: the disk is full");
    assert_eq!(io::Error::from(ReadError::Failed(first)).kind(), ErrorKind::StorageFull);
    let mut clone = early.clone().blocking();
    assert_eq!(clone.read(&mut [0]).unwrap_err().kind(), ErrorKind::StorageFull);
}

#[test]
fn the_first_end_stays() {
    let (spool, mut writer, mut reader) = stream(segments_of(4));
    writer.write_all(b"all").unwrap();
    assert_eq!(writer.finish(), Ok(3));
    assert_eq!(spool.fail("too late"), Err(Ended::Finished));
    assert_eq!(drain(&mut reader), (b"all".to_vec(), None));
    assert!(spool.is_finished());

    let (spool, writer, mut reader) = stream(segments_of(4));
    spool.fail("first").unwrap();
    assert!(matches!(spool.fail("second"), Err(Ended::Failed(_))));
    assert!(matches!(writer.finish(), Err(FinishError::Ended(Ended::Failed(_)))));
    assert_eq!(failure(drain(&mut reader).1).to_string(), "the stream failed: first");
}

#[test]
fn terminate_takes_what_is_unread_from_everybody() {
    let (spool, mut writer, mut reader) = stream(segments_of(4));
    writer.write_all(b"0123456789").unwrap();
    assert_eq!(reader.try_read(&mut [0; 2]), Ok(2));
    let waiting = spool.reader().unwrap();
    let waiting = thread::spawn(move || {
        let mut reader = waiting.blocking();
        reader.get_mut().advance(100);
        reader.read(&mut [0]).unwrap_err().kind()
    });
    spool.terminate();
    assert_eq!(waiting.join().unwrap(), ErrorKind::ConnectionAborted);
    assert_eq!(reader.try_read(&mut [0; 2]), Err(ReadError::Terminated));
    assert_eq!(reader.try_read(&mut []), Ok(0), "a read of length 0");
    assert_eq!(reader.try_read_at(&mut [0], 0), Err(ReadError::Terminated));
    assert_eq!(drain(&mut spool.reader().unwrap()), (vec![], Some(ReadError::Terminated)));
    assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(writer.finish(), Err(FinishError::Ended(Ended::Terminated)));
    assert_eq!(block_on(spool.finished()), Err(ReadError::Terminated));
    assert_eq!(spool.fail("late"), Err(Ended::Terminated));
}

#[test]
fn terminate_ends_a_finished_stream_too() {
    let (spool, mut writer, mut reader) = stream(segments_of(4));
    writer.write_all(b"0123456789").unwrap();
    writer.finish().unwrap();
    spool.terminate();
    assert_eq!(drain(&mut reader), (vec![], Some(ReadError::Terminated)));
}

#[test]
fn bytes_that_were_promised_are_the_end_and_what_comes_later_is_the_writers_alone() {
    for later in ["finish", "fail", "drop", "byte", "outside"] {
        let (spool, mut writer, mut early) = stream(segments_of(4).known_len(10));
        writer.write_all(&bytes_from(0, 9)).unwrap();
        let mut finished = Task::parked(spool.finished());
        assert!(!spool.is_finished());
        writer.write_all(&bytes_from(9, 1)).unwrap();
        assert_eq!(finished.wakes(), 1);
        assert_eq!(finished.poll(), std::task::Poll::Ready(Ok(10)));
        assert!(spool.is_finished());
        match later {
            "finish" => assert_eq!(writer.finish(), Ok(10)),
            "fail" => assert_eq!(writer.fail("too late"), Err(Ended::Finished)),
            "byte" => assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::InvalidInput),
            "outside" => assert_eq!(spool.fail("too late"), Err(Ended::Finished)),
            _ => drop(writer),
        }
        let mut late = spool.reader().unwrap();
        assert_eq!(drain(&mut early), (bytes_from(0, 10), None), "{later}");
        assert_eq!(drain(&mut late), (bytes_from(0, 10), None), "{later}");
        assert_eq!(block_on(spool.finished()), Ok(10));
    }
}

#[test]
fn a_stream_that_is_shorter_than_promised_has_failed_for_all() {
    let (spool, mut writer, mut reader) = stream(segments_of(4).known_len(10));
    writer.write_all(&bytes_from(0, 9)).unwrap();
    let short = FinishError::Short { written: 9, known_len: 10 };
    assert_eq!(writer.finish(), Err(short.clone()));
    let (read, end) = drain(&mut reader);
    assert_eq!(read, bytes_from(0, 9));
    assert_eq!(failure(end).get_ref().downcast_ref(), Some(&short));
    assert!(!spool.is_finished());
    assert_eq!(spool.known_len(), Some(10));
}

#[test]
fn a_promise_of_nothing_is_kept_at_once() {
    let spool = Spool::builder().known_len(0).build().unwrap();
    assert!(spool.is_finished());
    assert_eq!(block_on(spool.finished()), Ok(0));
    assert_eq!(drain(&mut spool.reader().unwrap()), (vec![], None));
    assert_eq!(spool.writer().unwrap_err(), WriterError::Ended(Ended::Finished));
}

#[test]
fn an_empty_stream_ends_as_any_other() {
    let (spool, writer, mut reader) = stream(segments_of(4));
    assert_eq!(writer.finish(), Ok(0));
    assert_eq!(drain(&mut reader), (vec![], None));
    assert_eq!(spool.stats().segments, 0);
}

#[test]
fn readers_wait_for_the_writer_after_a_released_one() {
    within(overfall_tests::LIMIT, || {
        let (spool, mut writer, reader) = stream(segments_of(4));
        writer.write_all(b"first, ").unwrap();
        let reading = thread::spawn(move || {
            let mut all = String::new();
            reader.blocking().read_to_string(&mut all).unwrap();
            all
        });
        writer.release();
        let mut task = Task::new(spool.finished());
        assert!(task.poll().is_pending());
        let mut writer = spool.writer().unwrap();
        writer.write_all(b"second").unwrap();
        writer.finish().unwrap();
        assert_eq!(reading.join().unwrap(), "first, second");
    });
}

#[test]
fn a_dropped_writer_is_released_if_the_builder_says_so_however_it_was_dropped() {
    let (spool, writer, mut reader) = stream(segments_of(4).release_dropped_writers(true));
    let mut writer = Some(writer);
    for how in 0..3_u8 {
        let mut mine = writer.take().unwrap_or_else(|| spool.writer().unwrap());
        mine.write_all(&[how]).unwrap();
        match how {
            0 => drop(mine),
            1 => {
                let panic = catch_unwind(AssertUnwindSafe(move || {
                    let _mine = mine;
                    panic!("on purpose");
                }));
                assert!(panic.is_err());
            }
            // An aborted task is a future that is dropped.
            _ => drop(Task::parked(async move {
                let _mine = mine;
                std::future::pending::<()>().await;
            })),
        }
        assert_eq!(drain(&mut reader), (vec![how], Some(ReadError::Empty)));
    }
    assert_eq!(spool.writer().unwrap().finish(), Ok(3));
    assert_eq!(drain(&mut reader), (vec![], None));
}

#[test]
fn nobody_waits_for_a_writer_that_nobody_can_make() {
    for release in [false, true] {
        let (spool, mut writer, mut reader) =
            stream(segments_of(4).release_dropped_writers(release));
        writer.write_all(b"x").unwrap();
        drop(spool);
        assert_eq!(
            drain(&mut reader),
            (b"x".to_vec(), Some(ReadError::Empty)),
            "a writer is there"
        );
        if release {
            writer.release();
            assert_eq!(abandoned(drain(&mut reader).1), Abandoned::NoWriter { written: 1 });
        } else {
            writer.finish().unwrap();
            assert_eq!(drain(&mut reader), (vec![], None));
        }
    }
    let spool = Spool::memory();
    let (clone, mut reader) = (spool.clone(), spool.reader().unwrap());
    drop(spool);
    assert_eq!(drain(&mut reader).1, Some(ReadError::Empty), "a handle is there");
    let mut waiting = Task::parked(async move { reader.read(&mut [0]).await });
    drop(clone);
    assert_eq!(waiting.wakes(), 1);
    assert!(matches!(waiting.poll(), std::task::Poll::Ready(Err(ReadError::Failed(_)))));
}

#[test]
fn new_readers_are_refused_and_those_that_are_there_go_on() {
    let (spool, mut writer, mut reader) = stream(segments_of(4));
    spool.refuse_readers("the room is full");
    spool.refuse_readers("not this one");
    let refused = spool.reader().unwrap_err();
    assert_eq!(refused.get_ref().to_string(), "the room is full");
    writer.write_all(b"on").unwrap();
    assert_eq!(drain(&mut reader.clone()).0, b"on");
    writer.finish().unwrap();
    assert_eq!(drain(&mut reader), (b"on".to_vec(), None));
}

#[test]
fn a_producer_is_told_when_nobody_listens_and_when_somebody_is_back() {
    let spool = Spool::memory();
    let writer = spool.writer().unwrap();
    assert!(spool.without_readers_timeout(Duration::ZERO), "none has come yet");
    let mut with = Task::parked(spool.with_readers());
    let reader = spool.reader().unwrap();
    assert_eq!(with.wakes(), 1);
    assert!(with.poll().is_ready());
    let clone = reader.clone();
    assert_eq!(spool.readers(), 2);
    let mut without = Task::parked(spool.without_readers());
    let mut idle = Task::parked(spool.idle());
    drop(reader);
    assert!(without.poll().is_pending());
    assert!(!spool.without_readers_timeout(Duration::ZERO));
    drop(clone);
    assert!(without.poll().is_ready());
    assert!(idle.poll().is_pending(), "the writer is there");
    assert!(!spool.idle_timeout(Duration::from_millis(1)));
    let handle = spool.clone();
    let thread = thread::spawn(move || handle.idle_timeout(Duration::MAX));
    writer.finish().unwrap();
    assert!(idle.poll().is_ready());
    assert!(within(overfall_tests::LIMIT, || thread.join().unwrap()));
    assert!(spool.with_readers_timeout(Duration::ZERO) == (spool.readers() > 0));
}

#[test]
fn a_thread_waits_for_the_end_with_a_deadline() {
    let (spool, writer, _reader) = stream(segments_of(4));
    assert_eq!(spool.finished_timeout(Duration::ZERO), None);
    assert_eq!(spool.finished_timeout(Duration::from_millis(2)), None);
    let handle = spool.clone();
    let thread = thread::spawn(move || handle.finished_timeout(Duration::MAX));
    writer.finish().unwrap();
    assert_eq!(within(overfall_tests::LIMIT, || thread.join().unwrap()), Some(Ok(0)));
}

#[test]
fn another_thread_closes_a_reader_that_waits_and_no_other() {
    let (spool, mut writer, reader) = stream(segments_of(4));
    let (closer, mut clone) = (reader.closer(), reader.clone());
    let thread = thread::spawn(move || {
        let mut reader = reader.blocking();
        let error = reader.read(&mut [0]).unwrap_err();
        (error.kind(), reader.into_inner())
    });
    closer.close();
    let (kind, mut reader) = within(overfall_tests::LIMIT, || thread.join().unwrap());
    assert_eq!(kind, ErrorKind::ConnectionAborted);
    writer.write_all(b"x").unwrap();
    assert_eq!(reader.try_read(&mut [0]), Err(ReadError::Closed));
    assert_eq!(reader.try_read_at(&mut [0], 0), Err(ReadError::Closed));
    assert_eq!(drain(&mut clone).0, b"x");
    // Nor one that takes its seat.
    drop(reader);
    let mut next: SpoolReader = spool.reader().unwrap();
    closer.close();
    assert_eq!(drain(&mut next).0, b"x");
    drop((spool, writer, next, clone));
    closer.close();
}

#[test]
fn a_reader_that_waits_for_the_length_or_at_a_place_of_its_own_is_closed_too() {
    let (_spool, _writer, mut reader) = stream(segments_of(4));
    let closer = reader.closer();
    let clone = reader.clone();
    let at = clone.closer();
    let mut buffer = [0];
    let reading = Task::parked(clone.read_at(&mut buffer, 100));
    let mut seeking = Task::parked(reader.seek(io::SeekFrom::End(0)));
    closer.close();
    assert_eq!((seeking.wakes(), reading.wakes()), (1, 0));
    assert_eq!(seeking.poll(), std::task::Poll::Ready(Err(ReadError::Closed.into())));
    at.close();
    assert_eq!(reading.wakes(), 1);
    assert_eq!(reading.result(), Err(ReadError::Closed));
}

#[test]
fn stats_tell_who_is_there_and_since_when_nothing_has_come() {
    let (spool, mut writer, mut reader) = stream(segments_of(4).known_len(100));
    writer.write_all(&[0; 10]).unwrap();
    reader.try_read(&mut [0; 3]).unwrap();
    let second = spool.reader().unwrap();
    let before = Instant::now();
    let stats = spool.stats();
    assert_eq!((stats.len, stats.known_len, stats.has_writer), (10, Some(100), true));
    let mut readers: Vec<_> = stats.readers.iter().map(|r| (r.position, r.lag)).collect();
    readers.sort_unstable();
    assert_eq!(readers, [(0, 10), (3, 7)]);
    assert_ne!(stats.readers[0].id, stats.readers[1].id);
    drop(second);
    thread::sleep(Duration::from_millis(5));
    let stats = spool.stats();
    assert!(stats.unchanged_for() >= Duration::from_millis(5));
    assert!(stats.unchanged_for() <= before.elapsed());
    assert_eq!(stats.readers.len(), 1);
}

#[cfg(feature = "futures")]
mod freeze {
    use super::*;
    use overfall::spool::FreezeError;

    #[test]
    fn a_finished_stream_is_one_piece_without_a_copy_if_it_is_one_segment() {
        for (expected, is_shared) in [(10, true), (3, false)] {
            let (spool, mut writer, mut reader) = stream(segments_of(4).expected_len(expected));
            writer.write_all(&bytes_from(0, 10)).unwrap();
            assert_eq!(spool.freeze(), Err(FreezeError::Unfinished));
            writer.finish().unwrap();
            let (frozen, again) = (spool.freeze().unwrap(), spool.freeze().unwrap());
            assert_eq!(frozen, bytes_from(0, 10));
            assert_eq!(frozen.as_ptr() == again.as_ptr(), is_shared);
            assert_eq!(reader.try_fill_buf().unwrap().as_ptr() == frozen.as_ptr(), is_shared);
            drop((spool, reader));
            assert_eq!(frozen, bytes_from(0, 10), "it outlives the spool");
        }
    }

    #[test]
    fn a_stream_that_did_not_end_well_is_not_frozen() {
        let (spool, writer, _reader) = stream(segments_of(4));
        writer.fail("why").unwrap();
        assert!(matches!(spool.freeze(), Err(FreezeError::Ended(Ended::Failed(_)))));
        spool.terminate();
        assert_eq!(spool.freeze(), Err(FreezeError::Ended(Ended::Terminated)));
    }

    #[test]
    fn a_piece_shares_the_segment_and_outlives_all_others() {
        let (spool, mut writer, mut reader) = stream(segments_of(8));
        writer.write_all(&bytes_from(0, 20)).unwrap();
        let lent = reader.try_fill_buf().unwrap().as_ptr();
        let first = reader.try_read_bytes(3).unwrap();
        assert_eq!(first.as_ptr(), lent);
        let second = reader.try_read_bytes(100).unwrap();
        assert_eq!(reader.position(), 8);
        let third = block_on(reader.read_bytes(100)).unwrap();
        writer.finish().unwrap();
        let fourth = reader.try_read_bytes(100).unwrap();
        assert!(reader.try_read_bytes(100).unwrap().is_empty());
        drop((spool, reader));
        assert_eq!([first, second, third, fourth].concat(), bytes_from(0, 20));
    }
}
