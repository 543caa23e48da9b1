//! The same promises wherever the bytes lie and wherever they come from: in memory, in a file, in both, of
//! a stream that keeps its last bytes alone, and of a source that is pulled.

use crate::{bytes_from, drain, segments_of};
use overfall::spool::{
    Builder, Closer, Ended, Missing, ReadError, Retain, SeekError, Spool, SpoolReader, SpoolWriter,
    StartError,
};
use overfall_tests::{LIMIT, Task, block_on, within};
use std::io::{BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::thread;
use std::time::{Duration, Instant};

const STORES: [&str; 4] = ["memory", "bounded", "file", "both"];

/// A spool that keeps its bytes there; the bounded one keeps more than the tests write.
fn spool_in(store: &str, builder: Builder) -> Spool {
    match store {
        "memory" => builder.build().unwrap(),
        "bounded" => builder.retain(Retain::Last(1000)).build().unwrap(),
        "file" => builder.temp_file().unwrap(),
        _ => builder.spill_at(6).build().unwrap(),
    }
}

fn with_ten_bytes(store: &str, builder: Builder) -> (Spool, SpoolWriter) {
    let spool = spool_in(store, builder);
    let mut writer = spool.writer().unwrap();
    writer.write_all(&bytes_from(0, 10)).unwrap();
    (spool, writer)
}

/// What a thread waits for that has read 10 bytes, and with what it waits.
const WAITS: [&str; 8] =
    ["read", "deadline", "timeout", "lend", "lend by", "at", "at by", "read to end"];

/// Waits as it is told, and tells how that went.
fn wait(mut reader: SpoolReader, how: &str) -> Result<(), ErrorKind> {
    reader.advance(10);
    let mut reader = reader.blocking();
    let (mut buffer, by) = ([0; 4], Instant::now() + LIMIT);
    let waited = match how {
        "read" => reader.read(&mut buffer).map(drop),
        "deadline" => reader.read_deadline(&mut buffer, by).map(drop),
        "timeout" => reader.read_timeout(&mut buffer, Duration::MAX).map(drop),
        "lend" => reader.fill_buf().map(drop),
        "lend by" => reader.fill_buf_deadline(by).map(drop),
        "at" => reader.read_exact_at(&mut buffer, 8),
        "at by" => reader.read_exact_at_deadline(&mut buffer, 8, by),
        _ => reader.read_to_end(&mut Vec::new()).map(drop),
    };
    waited.map_err(|error| error.kind())
}

/// How a stream ends, by whom, and how its readers are told.
const ENDS: [&str; 7] = ["finish", "fail", "drop", "outside", "terminate", "remove", "close"];

fn end(how: &str, spool: &Spool, writer: SpoolWriter, closer: &Closer) -> Option<SpoolWriter> {
    match how {
        "finish" => drop(writer.finish().unwrap()),
        "fail" => writer.fail("why").unwrap(),
        "drop" => drop(writer),
        "outside" => {
            spool.fail("why").unwrap();
            return Some(writer);
        }
        "terminate" => {
            spool.terminate();
            return Some(writer);
        }
        "remove" => {
            spool.remove().unwrap();
            return Some(writer);
        }
        _ => {
            closer.close();
            return Some(writer);
        }
    }
    None
}

#[test]
fn each_way_to_wait_is_ended_by_each_end_wherever_the_bytes_lie() {
    within(LIMIT, || {
        for store in STORES {
            for how in WAITS {
                for ending in ENDS {
                    let (spool, writer) = with_ten_bytes(store, segments_of(4));
                    let reader = spool.weak_reader().unwrap();
                    let closer = reader.closer();
                    let (tell, told) = std::sync::mpsc::channel();
                    let waiting = thread::spawn(move || {
                        tell.send(()).unwrap();
                        wait(reader, how)
                    });
                    told.recv().unwrap();
                    let writer = end(ending, &spool, writer, &closer);
                    let expected = match ending {
                        "finish" if how.starts_with("at") => Err(ErrorKind::UnexpectedEof),
                        "finish" => Ok(()),
                        "fail" | "outside" | "drop" => Err(ErrorKind::Other),
                        _ => Err(ErrorKind::ConnectionAborted),
                    };
                    assert_eq!(waiting.join().unwrap(), expected, "{store} {how} {ending}");
                    drop(writer);
                }
            }
        }
    });
}

/// What readers get of a stream that promised ten bytes, before, at and after the end.
#[test]
fn a_promise_that_was_kept_is_the_end_whatever_comes_later_wherever_the_bytes_lie() {
    for store in STORES {
        for later in ["nothing", "finish", "fail", "drop", "outside", "byte", "fill", "release"] {
            let spool = spool_in(store, segments_of(4).known_len(10));
            let mut writer = spool.writer().unwrap();
            let mut early = spool.reader().unwrap();
            let mut at_the_end = spool.weak_reader().unwrap();
            at_the_end.advance(10);
            writer.write_all(&bytes_from(0, 9)).unwrap();
            let mut byte = [0];
            let waiting = Task::parked(at_the_end.read(&mut byte));
            // What is more than was promised is refused, and what was promised is taken.
            assert_eq!(writer.try_write(&bytes_from(9, 5)), Ok(1), "{store}");
            assert_eq!(waiting.wakes(), 1, "{store} {later}");
            assert_eq!(waiting.result(), Ok(0));
            let mut kept = None;
            match later {
                "nothing" => kept = Some(writer),
                "finish" => assert_eq!(writer.finish(), Ok(10)),
                "fail" => assert_eq!(writer.fail("late"), Err(Ended::Finished)),
                "outside" => assert_eq!(spool.fail("late"), Err(Ended::Finished)),
                "byte" => assert!(writer.try_write(b"x").is_err()),
                "fill" => assert!(writer.fill(|_| panic!("there is no room for it")).is_err()),
                "release" => writer.release(),
                _ => drop(writer),
            }
            let mut late = spool.reader().unwrap();
            for reader in [&mut early, &mut late] {
                assert_eq!(drain(reader), (bytes_from(0, 10), None), "{store} {later}");
                assert_eq!(reader.try_seek(SeekFrom::End(-3)), Ok(7));
                assert_eq!(reader.try_seek(SeekFrom::End(3)), Ok(13));
                assert_eq!(reader.try_read(&mut byte), Ok(0), "behind the end");
            }
            assert_eq!((spool.is_finished(), spool.known_len()), (true, Some(10)));
            assert_eq!(block_on(spool.finished()), Ok(10));
            drop(kept);
            assert!(spool.is_finished());
        }
    }
}

#[test]
fn a_promise_that_was_not_kept_is_an_error_for_all_wherever_the_bytes_lie() {
    for store in STORES {
        for ending in ["finish", "fail", "drop", "outside"] {
            let (spool, writer) = with_ten_bytes(store, segments_of(4).known_len(11));
            let mut early = spool.reader().unwrap();
            match ending {
                "finish" => assert!(writer.finish().is_err()),
                _ => drop(end(ending, &spool, writer, &early.closer())),
            }
            let mut late = spool.reader().unwrap();
            for reader in [&mut early, &mut late] {
                let (read, error) = drain(reader);
                assert_eq!(read, bytes_from(0, 10), "{store} {ending}");
                assert!(matches!(error, Some(ReadError::Failed(_))), "{store} {ending} {error:?}");
            }
            assert!(!spool.is_finished());
            assert!(matches!(block_on(spool.finished()), Err(ReadError::Failed(_))));
        }
    }
}

#[test]
fn the_next_writer_goes_on_and_readers_in_the_middle_of_a_read_notice_nothing() {
    for store in STORES {
        let (spool, writer) = with_ten_bytes(store, segments_of(4));
        let reader = spool.weak_reader().unwrap();
        let mut buffer = [0; 8];
        let mut exactly = Task::parked(reader.read_exact_at(&mut buffer, 5));
        writer.release();
        assert!(exactly.poll().is_pending(), "{store}");
        let mut writer = spool.writer().unwrap();
        assert_eq!(writer.written(), 10);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            writer.fill(|rest| {
                rest[0] = b'x';
                panic!("in the middle")
            })
        }));
        assert!(panicked.is_err());
        writer.release();
        let mut writer = spool.writer().unwrap();
        writer.write_all(&bytes_from(10, 10)).unwrap();
        assert_eq!(exactly.result(), Ok(()), "{store}");
        assert_eq!(buffer[..], bytes_from(5, 8));
        writer.finish().unwrap();
        assert_eq!(drain(&mut spool.reader().unwrap()), (bytes_from(0, 20), None), "{store}");
    }
}

#[test]
fn who_is_refused_is_refused_everywhere_and_who_is_there_goes_on() {
    for store in STORES {
        let (spool, mut writer) = with_ten_bytes(store, segments_of(4));
        let mut there = spool.reader().unwrap();
        spool.refuse_readers(std::io::Error::from(ErrorKind::PermissionDenied));
        use overfall::spool::Start;
        for start in [Start::Oldest, Start::At(3), Start::End, Start::Back(2)] {
            for refused in [spool.reader_from(start), spool.weak_reader_from(start)] {
                let Err(StartError::Refused(failure)) = refused else { panic!("{refused:?}") };
                let error = std::io::Error::from(failure);
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            }
        }
        assert!(spool.reader().is_err() && spool.weak_reader().is_err());
        assert_eq!(spool.readers(), 1, "{store}: who was refused is not counted");
        writer.write_all(&bytes_from(10, 5)).unwrap();
        writer.finish().unwrap();
        assert_eq!(drain(&mut there.clone()), (bytes_from(0, 15), None), "{store}");
        assert_eq!(drain(&mut there), (bytes_from(0, 15), None), "{store}");
        drop(there);
        assert!(spool.idle_timeout(Duration::ZERO));
    }
}

#[test]
fn a_view_that_does_not_wait_is_the_same_wherever_the_bytes_lie() {
    for store in STORES {
        for missing in [Missing::WouldBlock, Missing::End] {
            let spool = spool_in(store, segments_of(4));
            let mut writer = spool.writer().unwrap();
            let mut view = spool.weak_reader().unwrap().without_waiting(missing);
            let mut records = Vec::new();
            for position in 0..50 {
                writer.write_all(&bytes_from(position, 1)).unwrap();
                let begin = view.stream_position().unwrap();
                let mut record = [0; 9];
                match view.read_exact(&mut record) {
                    Ok(()) => records.extend(record),
                    Err(error) => {
                        let expected = match missing {
                            Missing::WouldBlock => ErrorKind::WouldBlock,
                            Missing::End => ErrorKind::UnexpectedEof,
                        };
                        assert_eq!(error.kind(), expected);
                        assert_eq!(view.seek(SeekFrom::Start(begin)).unwrap(), begin);
                    }
                }
                let tail = view.seek(SeekFrom::End(-1)).map_err(|error| error.kind());
                match missing {
                    Missing::WouldBlock => assert_eq!(tail, Err(ErrorKind::WouldBlock)),
                    Missing::End => assert_eq!(tail, Ok(position)),
                }
                view.seek(SeekFrom::Start(records.len() as u64)).unwrap();
            }
            assert_eq!(records, bytes_from(0, 45), "{store} {missing:?}");
            writer.finish().unwrap();
            let mut rest = Vec::new();
            view.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, bytes_from(45, 5));
            assert_eq!(view.seek(SeekFrom::End(-50)).unwrap(), 0);
            assert_eq!(view.seek(SeekFrom::End(-51)).unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }
}

#[test]
fn the_longest_time_is_for_ever_and_none_is_one_look_wherever_a_time_is_taken() {
    within(LIMIT, || {
        let (spool, writer) = with_ten_bytes("memory", segments_of(4));
        let mut reader = spool.reader().unwrap().blocking();
        let mut buffer = [0; 10];
        assert_eq!(reader.read_timeout(&mut buffer, Duration::ZERO).unwrap(), 10);
        let past = Instant::now() - Duration::from_millis(1);
        let errors = [
            reader.read_timeout(&mut buffer, Duration::ZERO).unwrap_err(),
            reader.read_deadline(&mut buffer, past).unwrap_err(),
            reader.fill_buf_deadline(past).map(drop).unwrap_err(),
            reader.read_exact_at_deadline(&mut buffer, 5, past).unwrap_err(),
            reader.seek_deadline(SeekFrom::End(0), past).unwrap_err(),
        ];
        errors.iter().for_each(|error| assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}"));
        // What is there is found, however late it is.
        reader.read_exact_at_deadline(&mut buffer, 0, past).unwrap();
        assert_eq!(reader.seek_deadline(SeekFrom::Start(3), past).unwrap(), 3);
        assert_eq!(reader.fill_buf_deadline(past).unwrap().len(), 1);
        assert_eq!(reader.read_deadline(&mut buffer, past).unwrap(), 7);
        assert_eq!(spool.finished_timeout(Duration::ZERO), None);
        assert_eq!(spool.load_all_timeout(Duration::ZERO), None);
        assert!(!spool.idle_timeout(Duration::ZERO));
        assert!(!spool.without_readers_timeout(Duration::ZERO));
        assert!(spool.with_readers_timeout(Duration::ZERO));

        let always: [fn(&Spool); 3] = [
            |spool| drop(spool.finished_timeout(Duration::MAX).unwrap()),
            |spool| drop(spool.load_all_timeout(Duration::MAX).unwrap()),
            |spool| assert!(spool.idle_timeout(Duration::MAX)),
        ];
        let waiting = always.map(|wait| {
            let spool = spool.clone();
            thread::spawn(move || wait(&spool))
        });
        writer.finish().unwrap();
        drop(reader);
        waiting.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn what_is_removed_tells_all_who_wait_also_where_a_source_blocks() {
    struct Never(std::sync::mpsc::Receiver<()>);
    impl Read for Never {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            let _for_as_long_as_the_test_goes_on = self.0.recv();
            Ok(0)
        }
    }
    within(LIMIT, || {
        let (keep, never) = std::sync::mpsc::channel();
        let spool = Spool::temp_file().unwrap();
        spool.pull(Never(never)).unwrap();
        let mut reader = spool.reader().unwrap();
        let mut buffer = [0];
        let reading = Task::parked(reader.read(&mut buffer));
        let loading = Task::parked(spool.load_all());
        let finished = Task::parked(spool.finished());
        spool.remove().unwrap();
        spool.remove().unwrap();
        assert_eq!(reading.result(), Err(ReadError::Terminated));
        assert_eq!(loading.result(), Err(ReadError::Terminated));
        assert_eq!(finished.result(), Err(ReadError::Terminated));
        assert!(spool.reader().is_err());
        drop(keep);
        drop(reader);
        assert!(spool.idle_timeout(Duration::MAX), "the source is dropped when it comes back");
    });
}

/// A weak reader that was passed stands at what is not kept any more: so do places before the oldest byte,
/// wherever they lie from it.
#[test]
fn a_reader_that_was_passed_seeks_on_to_what_is_kept_and_nowhere_else() {
    let spool = segments_of(10).retain(Retain::Last(100)).build().unwrap();
    let mut writer = spool.writer().unwrap();
    let mut reader = spool.weak_reader().unwrap();
    writer.write_all(&bytes_from(0, 995)).unwrap();
    for position in [0, 1, 500, 889] {
        let evicted = SeekError::Evicted { position, begin: 890, len: 995 };
        assert_eq!(reader.try_seek(SeekFrom::Start(position)), Err(evicted.clone()));
        assert_eq!(block_on(reader.seek(SeekFrom::Start(position))), Err(evicted));
        assert_eq!(reader.position(), 0);
    }
    // To ask where it stands is no seek.
    assert_eq!(reader.try_seek(SeekFrom::Current(0)), Ok(0));
    let mut passed = reader.clone();
    assert_eq!(passed.try_read(&mut [0]), Err(ReadError::Lagged { missed: 890 }));
    // Who seeks to what is kept gets that, and has missed nothing.
    assert_eq!(reader.try_seek(SeekFrom::Start(900)), Ok(900));
    let mut buffer = [0; 95];
    assert_eq!(reader.try_read(&mut buffer), Ok(95));
    assert_eq!(buffer[..], bytes_from(900, 95));
}

#[test]
fn a_clone_tells_what_was_there_when_it_began() {
    let (spool, mut writer) = with_ten_bytes("memory", segments_of(4));
    let mut reader = spool.reader().unwrap();
    reader.advance(3);
    writer.write_all(b"more").unwrap();
    let mut clone = reader.clone();
    assert_eq!((reader.backlog(), clone.backlog()), (10, 11));
    clone.advance(100);
    assert_eq!(clone.clone().backlog(), 0);
}

#[test]
fn a_reader_that_waits_for_the_end_is_closed_too() {
    let (spool, _writer) = with_ten_bytes("memory", segments_of(4));
    let (reader, other) = (spool.reader().unwrap(), spool.reader().unwrap());
    let closer = reader.closer();
    let waiting = Task::parked(reader.finished());
    let mut others = Task::parked(other.finished());
    closer.close();
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.result(), Err(ReadError::Closed));
    assert!(others.poll().is_pending());
    assert_eq!(block_on(reader.finished()), Err(ReadError::Closed));
}

/// The answer is known as soon as something is let go of: who waits for all of a stream that goes on for ever
/// would wait for ever.
#[test]
fn who_waits_for_all_is_told_when_something_is_let_go_of() {
    let spool = segments_of(10).retain(Retain::Last(100)).build().unwrap();
    let mut writer = spool.writer().unwrap();
    let mut waiting = Task::parked(spool.load_all());
    let handle = spool.clone();
    let thread = thread::spawn(move || handle.load_all_timeout(LIMIT));
    writer.write_all(&bytes_from(0, 100)).unwrap();
    assert!(waiting.poll().is_pending(), "all of it is there");
    let wakes = waiting.wakes();
    writer.write_all(&bytes_from(100, 100)).unwrap();
    assert!(waiting.wakes() > wakes, "it is woken");
    assert!(matches!(waiting.result(), Err(ReadError::Evicted { position: 0, .. })));
    let told = within(LIMIT, || thread.join().unwrap());
    assert!(matches!(told, Some(Err(ReadError::Evicted { position: 0, .. }))), "{told:?}");
}

#[test]
fn who_loads_all_of_a_source_without_end_is_told_when_something_is_let_go_of() {
    let spool = segments_of(10).retain(Retain::Last(100)).build().unwrap();
    spool.pull(std::io::repeat(7)).unwrap();
    let loaded = within(LIMIT, move || spool.load_all_timeout(Duration::MAX));
    assert!(matches!(loaded, Some(Err(ReadError::Evicted { .. }))), "{loaded:?}");
}

#[cfg(feature = "futures")]
mod pieces {
    use super::*;
    use overfall::spool::FreezeError;

    #[test]
    fn a_piece_stays_right_whatever_becomes_of_its_stream() {
        for store in STORES {
            for ending in ENDS {
                let (spool, writer) = with_ten_bytes(store, segments_of(4));
                let mut reader = spool.reader().unwrap();
                let mut pieces = vec![reader.try_read_bytes(3).unwrap()];
                pieces.push(reader.try_read_bytes(1).unwrap());
                let from_clone = reader.clone().try_read_bytes(2).unwrap();
                pieces.push(block_on(reader.read_bytes(100)).unwrap());
                let writer = end(ending, &spool, writer, &reader.closer());
                drop((writer, reader, spool));
                let all = pieces.concat();
                assert!(all.len() > 4 && all == bytes_from(0, all.len()), "{store} {ending}");
                assert_eq!(from_clone, bytes_from(4, 2), "{store} {ending}");
            }
        }
    }

    #[test]
    fn what_is_frozen_is_the_whole_wherever_it_lies_and_only_once_it_is_whole() {
        for store in STORES {
            for promised in [false, true] {
                let builder = segments_of(4);
                let builder = if promised { builder.known_len(10) } else { builder };
                let spool = spool_in(store, builder);
                let mut writer = spool.writer().unwrap();
                writer.write_all(&bytes_from(0, 9)).unwrap();
                assert_eq!(spool.freeze(), Err(FreezeError::Unfinished));
                writer.write_all(&bytes_from(9, 1)).unwrap();
                if promised {
                    drop(writer);
                } else {
                    assert_eq!(spool.freeze(), Err(FreezeError::Unfinished));
                    writer.finish().unwrap();
                }
                let frozen = spool.freeze().unwrap();
                let reader = spool.reader().unwrap();
                spool.terminate();
                drop(reader);
                assert!(matches!(spool.freeze(), Err(FreezeError::Ended(Ended::Terminated))));
                drop(spool);
                assert_eq!(frozen, bytes_from(0, 10), "{store} {promised}");
            }
        }
    }
}
