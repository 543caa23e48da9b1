//! Spools that keep their last bytes alone.

use crate::{bytes_from, segments_of};
use overfall::spool::{
    BuildError, Builder, Growth, ReadError, Retain, SeekError, Spool, SpoolReader, SpoolWriter,
    Start, StartError, WriteError,
};
use overfall_tests::{LIMIT, Task, block_on, within};
use std::io::{BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::task::Poll;
use std::thread;
use std::time::Duration;

/// Keeps the last `bytes` in segments of so many.
fn last(bytes: u64, segment: usize) -> Builder {
    segments_of(segment).retain(Retain::Last(bytes))
}

fn bounded(bytes: u64, segment: usize) -> (Spool, SpoolWriter) {
    let spool = last(bytes, segment).build().unwrap();
    let writer = spool.writer().unwrap();
    (spool, writer)
}

/// Writes the next bytes of the stream; all of them must have room.
#[track_caller]
fn write(writer: &mut SpoolWriter, length: usize) {
    let bytes = bytes_from(writer.written(), length);
    assert_eq!(writer.try_write(&bytes), Ok(length));
}

/// Reads the next bytes of the stream, which must be there.
#[track_caller]
fn read(reader: &mut SpoolReader, length: usize) {
    let (position, mut buffer) = (reader.position(), vec![0; length]);
    assert_eq!(reader.try_read(&mut buffer), Ok(length));
    assert_eq!(buffer, bytes_from(position, length));
}

#[test]
fn at_least_the_bound_is_kept_and_at_most_one_segment_more() {
    for (bytes, segment) in [(1, 1), (1024, 1024), (1000, 7), (64, 48), (10, 3)] {
        let (spool, mut writer) = bounded(bytes, segment);
        for step in (1..200).chain([5000]) {
            write(&mut writer, step);
            let stats = spool.stats();
            let kept = stats.len - stats.evicted;
            assert!(kept >= bytes.min(stats.len), "{kept} of {bytes}");
            assert!(kept <= bytes + segment as u64, "{kept} of {bytes} in {segment}");
            let bound = bytes + 2 * segment as u64;
            assert!(stats.memory_bytes <= bound, "{} of {bound}", stats.memory_bytes);
            assert_eq!(stats.detached_bytes, 0);
            let mut reader = spool.weak_reader().unwrap();
            assert_eq!((reader.position(), reader.backlog()), (stats.evicted, kept));
            read(&mut reader, kept as usize);
        }
    }
}

#[test]
fn segments_that_grow_are_let_go_of_as_they_are() {
    for growth in [Growth::Geometric { first: 1, max: 64 }, Growth::Linear { first: 3, max: 50 }] {
        for expected in [None, Some(1 << 45)] {
            let mut builder = Spool::builder().growth(growth).retain(Retain::Last(64));
            if let Some(expected) = expected {
                builder = builder.expected_len(expected);
            }
            let spool = builder.build().unwrap();
            let mut writer = spool.writer().unwrap();
            for _ in 0..1000 {
                write(&mut writer, 3);
                let stats = spool.stats();
                assert!(stats.memory_bytes <= 3 * 64, "{}", stats.memory_bytes);
                let mut reader = spool.weak_reader().unwrap();
                read(&mut reader, (stats.len - stats.evicted) as usize);
            }
        }
    }
}

#[test]
fn the_writer_waits_for_strong_readers_by_bytes_and_not_by_segments() {
    let (spool, mut writer) = bounded(1000, 64);
    let mut reader = spool.reader().unwrap();
    assert_eq!(writer.try_write(&bytes_from(0, 1500)), Ok(1000));
    assert_eq!(writer.try_write(&[0]), Err(WriteError::Full { bytes: 1000 }));
    let filled = writer.fill(|_| panic!("there is no room"));
    assert_eq!(filled.unwrap_err().kind(), ErrorKind::WouldBlock);
    for length in [1, 7, 100, 900] {
        let lag = writer.written() - reader.position();
        read(&mut reader, length.min(lag as usize));
        let room = (reader.position() + 1000 - writer.written()) as usize;
        assert_eq!(writer.try_write(&bytes_from(writer.written(), 2000)), Ok(room));
    }
    // A reader that begins further back holds the writer up from then on.
    drop(reader);
    write(&mut writer, 5000);
    let mut reader = spool.reader().unwrap();
    let lag = reader.backlog() as usize;
    assert!(lag > 1000, "{lag}");
    assert!(matches!(writer.try_write(&[0]), Err(WriteError::Full { .. })));
    read(&mut reader, lag - 999);
    write(&mut writer, 1);
    assert!(matches!(writer.try_write(&[0]), Err(WriteError::Full { .. })));
}

#[test]
fn whoever_holds_the_writer_up_lets_it_go_on_when_it_has_gone() {
    let leaves: [fn(&Spool, SpoolReader) -> Option<SpoolReader>; 6] = [
        |_, reader| {
            drop(reader);
            None
        },
        |_, mut reader| {
            reader.make_weak();
            Some(reader)
        },
        |_, reader| {
            reader.closer().close();
            Some(reader)
        },
        |_, mut reader| {
            reader.advance(1);
            Some(reader)
        },
        |_, mut reader| {
            reader.try_seek(SeekFrom::Start(1 << 40)).unwrap();
            Some(reader)
        },
        |_, mut reader| {
            reader.try_fill_buf().unwrap();
            reader.consume(1);
            Some(reader)
        },
    ];
    for (number, leave) in leaves.into_iter().enumerate() {
        let (spool, mut writer) = bounded(16, 4);
        let reader = spool.reader().unwrap();
        write(&mut writer, 16);
        let mut ready = Task::parked(writer.ready());
        let reader = leave(&spool, reader);
        assert_eq!(ready.wakes(), 1, "{number}");
        assert_eq!(ready.poll(), Poll::Ready(Ok(())), "{number}");
        drop(ready);
        write(&mut writer, 1);
        drop(reader);
    }
}

#[test]
fn a_writer_that_waits_is_told_of_the_end() {
    let ends: [fn(&Spool); 2] = [|spool| spool.fail("from outside").unwrap(), Spool::terminate];
    for end in ends {
        let (spool, mut writer) = bounded(16, 4);
        let _reader = spool.reader().unwrap();
        write(&mut writer, 16);
        let mut ready = Task::parked(writer.ready());
        end(&spool);
        assert_eq!(ready.wakes(), 1);
        assert!(matches!(ready.poll(), Poll::Ready(Err(WriteError::Ended(_)))));
    }
}

#[test]
fn a_writer_that_gave_up_is_not_woken_and_can_be_released() {
    let (spool, mut writer) = bounded(16, 4);
    let mut reader = spool.reader().unwrap();
    write(&mut writer, 16);
    let (wakes, waker) = overfall_tests::counting_waker();
    let mut ready = Task::new(writer.ready());
    assert!(ready.poll_with(&waker).is_pending());
    drop(ready);
    read(&mut reader, 1);
    assert_eq!((wakes.count(), std::sync::Arc::strong_count(&wakes)), (0, 2));
    assert!(writer.ready_timeout(Duration::ZERO).unwrap());
    write(&mut writer, 1);
    assert!(!writer.ready_timeout(Duration::ZERO).unwrap());
    assert!(!writer.ready_timeout(Duration::from_millis(1)).unwrap());
    writer.release();
    let mut next = spool.writer().unwrap();
    assert!(matches!(next.try_write(&[0]), Err(WriteError::Full { .. })));
    read(&mut reader, 16);
    write(&mut next, 16);
    next.finish().unwrap();
    read(&mut reader, 16);
    assert_eq!(reader.try_read(&mut [0]), Ok(0));
}

#[test]
fn std_writes_wait_and_every_strong_reader_gets_every_byte() {
    const LENGTH: u64 = 200_000;
    let (spool, mut writer) = bounded(1024, 256);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let mut reader = spool.reader().unwrap().blocking();
            thread::spawn(move || {
                let (mut all, mut buffer) = (0, [0; 777]);
                loop {
                    let read = reader.read(&mut buffer).unwrap();
                    if read == 0 {
                        return all;
                    }
                    assert_eq!(buffer[..read], bytes_from(all, read));
                    all += read as u64;
                }
            })
        })
        .collect();
    within(LIMIT, move || {
        let mut written = 0;
        while written < LENGTH {
            let bytes = bytes_from(written, 3000.min((LENGTH - written) as usize));
            writer.write_all(&bytes).unwrap();
            written += bytes.len() as u64;
        }
        writer.finish().unwrap();
    });
    readers.into_iter().for_each(|reader| assert_eq!(reader.join().unwrap(), LENGTH));
}

#[cfg(all(feature = "tokio", feature = "futures"))]
#[test]
fn async_writes_wait() {
    use futures::AsyncWriteExt;
    use std::pin::Pin;

    let (spool, mut writer) = bounded(16, 4);
    let mut reader = spool.reader().unwrap();
    let mut writing = Task::parked(AsyncWriteExt::write_all(&mut writer, &[1; 20]));
    assert_eq!(spool.len(), 16);
    assert_eq!(reader.try_read(&mut [0; 16]), Ok(16));
    assert!(writing.wakes() > 0);
    assert!(matches!(writing.poll(), Poll::Ready(Ok(()))));
    drop(writing);
    assert_eq!(writer.try_write(&[1; 20]), Ok(12));

    let mut writing = Task::parked(std::future::poll_fn(|context| {
        tokio::io::AsyncWrite::poll_write(Pin::new(&mut writer), context, &[1; 20])
    }));
    assert_eq!(reader.try_read(&mut [0; 3]), Ok(3));
    assert!(writing.wakes() > 0);
    assert!(matches!(writing.poll(), Poll::Ready(Ok(3))));
}

#[test]
fn a_weak_reader_that_is_passed_is_told_once_how_much_it_missed() {
    let (spool, mut writer) = bounded(100, 10);
    let mut reader = spool.weak_reader().unwrap();
    write(&mut writer, 1000);
    let begin = spool.stats().evicted;
    assert_eq!(reader.try_read(&mut [0; 5]), Err(ReadError::Lagged { missed: begin }));
    assert_eq!(reader.position(), begin);
    read(&mut reader, 5);
    // What it is in it keeps. It misses what lies between that and the oldest byte.
    write(&mut writer, 1000);
    read(&mut reader, 5);
    let missed = spool.stats().evicted - (begin + 10);
    assert_eq!(reader.try_fill_buf(), Err(ReadError::Lagged { missed }));
    read(&mut reader, (2000 - spool.stats().evicted) as usize);
    assert_eq!(reader.try_read(&mut [0]), Err(ReadError::Empty));
    let error: std::io::Error = ReadError::Lagged { missed: 1 }.into();
    assert_eq!(error.kind(), ErrorKind::Other);
    // The same behind the end.
    let mut late = spool.weak_reader_from(Start::At(1900)).unwrap();
    write(&mut writer, 1000);
    writer.finish().unwrap();
    let begin = spool.stats().evicted;
    let missed = begin - 1900;
    assert_eq!(block_on(late.read(&mut [0])), Err(ReadError::Lagged { missed }));
    let mut rest = Vec::new();
    late.blocking().read_to_end(&mut rest).unwrap();
    assert_eq!(rest, bytes_from(begin, (3000 - begin) as usize));
}

/// Situation 19.
#[test]
fn a_follower_that_keeps_up_never_notices() {
    for step in [1024, 1000, 512, 333] {
        let (spool, mut writer) = bounded(1024, 1024);
        let mut follower = spool.weak_reader().unwrap();
        for _ in 0..10_000 {
            write(&mut writer, step);
            read(&mut follower, step);
        }
        assert_eq!(follower.try_read(&mut [0]), Err(ReadError::Empty));
        write(&mut writer, 10 * 1024);
        let mut missed = 0;
        loop {
            match follower.try_read(&mut [0; 100]) {
                Err(ReadError::Lagged { missed: more }) => {
                    assert_eq!(std::mem::replace(&mut missed, more), 0, "it is told once");
                }
                Err(ReadError::Empty) => break,
                read => assert!(read.is_ok_and(|read| read > 0)),
            }
        }
        assert!(missed > 0);
    }
}

/// Situation 4.
#[test]
fn what_would_stand_still_for_ever_is_an_error_that_says_why() {
    let (spool, mut writer) = bounded(1024, 512);
    let mut reader = spool.reader().unwrap();
    write(&mut writer, 24);
    let beyond = ReadError::BeyondBound { asked: 2048, bytes: 1024 };
    let mut long = vec![0; 2048];
    assert_eq!(block_on(reader.read_exact_at(&mut long, 0)), Err(beyond.clone()));
    let text = beyond.to_string();
    assert!(text.contains("2048") && text.contains("1024"), "{text}");
    let far = ReadError::BeyondBound { asked: 1025, bytes: 1024 };
    assert_eq!(block_on(reader.read_at(&mut [0], 1024)), Err(far));
    assert_eq!(block_on(reader.seek(SeekFrom::End(0))), Err(SeekError::Ended(ReadError::Deadlock)));
    assert_eq!(reader.try_seek(SeekFrom::End(0)), Err(SeekError::LengthUnknown));
    assert_eq!(block_on(reader.finished()), Err(ReadError::Deadlock));
    let mut blocking = reader.blocking();
    let deadline = std::time::Instant::now() + LIMIT;
    let errors = [
        blocking.read_exact_at(&mut long, 0).unwrap_err(),
        blocking.read_exact_at_deadline(&mut long, 0, deadline).unwrap_err(),
        blocking.seek(SeekFrom::End(-1)).unwrap_err(),
        blocking.seek_deadline(SeekFrom::End(-1), deadline).unwrap_err(),
    ];
    errors.iter().for_each(|error| assert_eq!(error.kind(), ErrorKind::Deadlock, "{error}"));

    // What is within reach waits: nobody stands in the way.
    let mut reader = blocking.into_inner();
    let mut exactly = vec![0; 1024];
    let mut reading = Task::parked(reader.read_exact_at(&mut exactly, 0));
    write(&mut writer, 1000);
    assert_eq!(reading.poll(), Poll::Ready(Ok(())));
    drop(reading);
    // And so it is in pieces, which a `BufRead` gives.
    assert!(reader.try_fill_buf().unwrap().len() <= 512);
    reader.advance(2048);
    write(&mut writer, 2048);
    // A weak reader may ask for all of it.
    reader.make_weak();
    let (position, mut all) = (reader.position(), vec![0; 4000]);
    let mut reading = Task::parked(reader.read_exact_at(&mut all, position));
    for left in (0..6).rev() {
        write(&mut writer, 500);
        assert_eq!(reading.poll().is_ready(), left == 0);
    }
    drop(reading);
    let mut waiting = Task::parked(reader.finished());
    let end = writer.finish().unwrap();
    assert_eq!(waiting.poll(), Poll::Ready(Ok(end)));
    drop(waiting);
    assert_eq!(all, bytes_from(position, 4000));
    reader.make_strong().unwrap_err();
    assert_eq!(block_on(reader.seek(SeekFrom::End(-3))), Ok(end - 3));
    reader.make_strong().unwrap();
    assert_eq!(block_on(reader.finished()), Ok(end), "it has ended");
}

#[test]
fn a_strong_reader_waits_for_an_end_that_is_promised_within_reach() {
    let spool = last(100, 10).known_len(150).build().unwrap();
    let mut writer = spool.writer().unwrap();
    let mut reader = spool.reader().unwrap();
    assert_eq!(block_on(reader.finished()), Err(ReadError::Deadlock));
    assert_eq!(block_on(reader.seek(SeekFrom::End(-150))), Ok(0), "the length is known");
    write(&mut writer, 60);
    read(&mut reader, 60);
    let mut waiting = Task::parked(reader.finished());
    write(&mut writer, 90);
    assert_eq!(waiting.poll(), Poll::Ready(Ok(150)));
}

#[test]
fn seeks_go_both_ways_within_what_is_kept_and_elsewhere_move_nothing() {
    for is_strong in [false, true] {
        let (spool, mut writer) = bounded(100, 10);
        write(&mut writer, 995);
        let mut reader = match is_strong {
            true => spool.reader_from(Start::End).unwrap(),
            false => spool.weak_reader_from(Start::End).unwrap(),
        };
        assert_eq!(reader.is_strong(), is_strong);
        let evicted = SeekError::Evicted { position: 889, begin: 890, len: 995 };
        assert_eq!(reader.try_seek(SeekFrom::Start(889)), Err(evicted.clone()));
        assert_eq!(reader.try_seek(SeekFrom::Current(-106)), Err(evicted.clone()));
        assert_eq!(reader.position(), 995);
        let text = evicted.to_string();
        assert!(["889", "890", "995"].iter().all(|number| text.contains(number)), "{text}");
        for position in [890, 994, 900, 995, 891] {
            assert_eq!(reader.try_seek(SeekFrom::Start(position)), Ok(position));
            if position < 995 {
                read(&mut reader, 1);
                reader.try_seek(SeekFrom::Current(-1)).unwrap();
            }
        }
        let error = reader.try_read_at(&mut [0; 4], 5).unwrap_err();
        assert_eq!(error, ReadError::Evicted { position: 5, begin: 890, len: 995 });
        assert_eq!(reader.try_read_at(&mut [0; 4], 890), Ok(4));
        // A strong one that went back is waited for.
        let written = writer.try_write(&[0; 7]);
        assert_eq!(written.is_err(), is_strong, "{written:?}");
    }
}

/// Situation 16.
#[test]
fn so_many_bytes_back_begins_at_the_oldest_where_fewer_are_kept_and_tells_how_many() {
    let (spool, mut writer) = bounded(8194, 4096);
    write(&mut writer, 8193);
    for (back, got) in [(8192, 8192), (8193, 8193), (8194, 8193), (0, 0), (u64::MAX, 8193)] {
        for reader in
            [spool.reader_from(Start::Back(back)), spool.weak_reader_from(Start::Back(back))]
        {
            let mut reader = reader.unwrap();
            assert_eq!((reader.backlog(), reader.position()), (got, 8193 - got));
            read(&mut reader, got as usize);
        }
    }
    write(&mut writer, 100_000);
    let begin = spool.stats().evicted;
    let reader = spool.reader_from(Start::Back(20_000)).unwrap();
    assert_eq!((reader.position(), reader.backlog()), (begin, 108_193 - begin));
    drop(reader);
    let evicted = StartError::Evicted { position: begin - 1, begin, len: 108_193 };
    assert_eq!(spool.reader_from(Start::At(begin - 1)).unwrap_err(), evicted);
    assert_eq!(spool.weak_reader_from(Start::At(begin - 1)).unwrap_err(), evicted);
    assert_eq!(spool.readers(), 0);
    write(&mut writer, 1);
    let mut ahead = spool.reader_from(Start::At(108_200)).unwrap();
    assert_eq!(ahead.backlog(), 0);
    write(&mut writer, 8200);
    read(&mut ahead, 10);
    spool.refuse_readers("no more");
    assert!(matches!(spool.reader_from(Start::End), Err(StartError::Refused(_))));
    // The same starts where all is kept.
    let spool = Spool::memory();
    spool.writer().unwrap().try_write(&bytes_from(0, 10)).unwrap();
    let reader = spool.reader_from(Start::Back(4)).unwrap();
    assert_eq!((reader.position(), reader.backlog(), reader.is_strong()), (6, 4, false));
}

#[test]
fn settings_that_do_not_fit_are_errors_that_say_what_to_change() {
    let build = |retain, growth: Option<Growth>| {
        let mut builder = Spool::builder().retain(Retain::Last(retain));
        if let Some(growth) = growth {
            builder = builder.growth(growth);
        }
        builder.build().map(drop)
    };
    assert_eq!(build(0, None), Err(BuildError::RetainsNothing));
    let constant = |size| Some(Growth::Constant { size });
    assert_eq!(build(9, constant(10)), Err(BuildError::SegmentsTooLarge { size: 10, bytes: 9 }));
    let growing = Growth::Geometric { first: 1, max: 10 };
    assert_eq!(build(9, Some(growing)), Err(BuildError::SegmentsTooLarge { size: 10, bytes: 9 }));
    for (bytes, growth) in [(u64::MAX, None), (1 << 40, constant(1))] {
        let error = build(bytes, growth).unwrap_err();
        assert!(matches!(error, BuildError::TooManySegments { .. }), "{error}");
        assert!(error.to_string().contains("use larger ones"), "{error}");
    }
    for bytes in [1, 2, 1023, 1024, 1 << 20, 1 << 39] {
        assert_eq!(build(bytes, None), Ok(()), "{bytes}");
    }
}

/// Situation 1, with a bound.
#[test]
fn an_expectation_is_no_more_than_a_hint() {
    let spool =
        Spool::builder().retain(Retain::Last(512 << 10)).expected_len(1 << 45).build().unwrap();
    let mut writer = spool.writer().unwrap();
    write(&mut writer, 1000);
    assert!(spool.stats().memory_bytes <= 512 << 10);
    read(&mut spool.reader().unwrap(), 1000);
}

#[test]
fn a_clone_holds_the_writer_up_where_its_original_does() {
    let (spool, mut writer) = bounded(16, 4);
    let reader = spool.reader().unwrap();
    write(&mut writer, 10);
    let mut clone = reader.clone();
    assert!(clone.is_strong());
    drop(reader);
    assert_eq!(writer.try_write(&bytes_from(10, 10)), Ok(6));
    read(&mut clone, 16);
    write(&mut writer, 16);
    // That of one that was closed may come too late, and is told.
    clone.closer().close();
    write(&mut writer, 100);
    let mut late = clone.clone();
    let begin = spool.stats().evicted;
    let missed = begin - late.position();
    assert_eq!(late.try_read(&mut [0]), Err(ReadError::Lagged { missed }));
    let lag = writer.written() - begin;
    read(&mut late, lag as usize);
    assert!(late.is_strong());
    write(&mut writer, 16);
    assert!(matches!(writer.try_write(&[0]), Err(WriteError::Full { .. })));
}

#[test]
fn a_reader_that_stands_still_keeps_the_segment_that_it_looks_at_and_nothing_else() {
    let (spool, mut writer) = bounded(1000, 100);
    let mut lender = spool.weak_reader().unwrap();
    write(&mut writer, 1000);
    let lent = lender.try_fill_buf().unwrap();
    write(&mut writer, 100_000);
    let stats = spool.stats();
    assert_eq!(stats.detached_bytes, 100);
    assert!(stats.memory_bytes <= 1000 + 3 * 100, "{}", stats.memory_bytes);
    assert_eq!(lent, bytes_from(0, 100));
    let length = lent.len();
    lender.consume(length);
    assert!(matches!(lender.try_read(&mut [0]), Err(ReadError::Lagged { .. })));
    assert_eq!(spool.stats().detached_bytes, 0);
}

/// Situation 14.
#[cfg(feature = "futures")]
#[test]
fn bytes_of_what_was_let_go_of_stay_and_the_figures_tell_what_they_keep() {
    let (spool, mut writer) = bounded(1000, 100);
    let mut reader = spool.reader().unwrap();
    let mut kept = Vec::new();
    for _ in 0..50 {
        write(&mut writer, 100);
        kept.push((reader.position(), reader.try_read_bytes(10).unwrap()));
        reader.advance(90);
    }
    let stats = spool.stats();
    assert_eq!(stats.detached_bytes, stats.evicted);
    assert_eq!(stats.memory_bytes, 50 * 100);
    for (position, bytes) in &kept {
        assert_eq!(bytes[..], bytes_from(*position, 10));
    }
    drop(reader);
    kept.truncate(3);
    assert_eq!(spool.stats().detached_bytes, 3 * 100);
    drop((writer, spool));
    assert_eq!(kept[2].1[..], bytes_from(200, 10));
}

#[cfg(feature = "futures")]
#[test]
fn a_stream_of_which_something_was_let_go_of_cannot_be_frozen() {
    use overfall::spool::FreezeError;

    let (spool, mut writer) = bounded(100, 10);
    write(&mut writer, 105);
    writer.release();
    spool.writer().unwrap().finish().unwrap();
    assert_eq!(spool.freeze().unwrap()[..], bytes_from(0, 105), "nothing was");
    let (spool, mut writer) = bounded(100, 10);
    write(&mut writer, 125);
    writer.finish().unwrap();
    let error = spool.freeze().unwrap_err();
    assert_eq!(error, FreezeError::Evicted { evicted: 20 });
}

#[test]
fn the_figures_tell_who_holds_the_writer_up() {
    let (spool, mut writer) = bounded(100, 10);
    let strong = spool.reader().unwrap();
    let _weak = spool.weak_reader().unwrap();
    write(&mut writer, 70);
    let mut told: Vec<_> =
        spool.stats().readers.iter().map(|reader| (reader.is_strong, reader.lag)).collect();
    told.sort_unstable();
    assert_eq!(told, [(false, 70), (true, 70)]);
    drop(strong);
    write(&mut writer, 100);
    assert_eq!(spool.stats().evicted, 60);
}

/// What a segment holds when it comes again is of this stream, or zeros.
#[test]
fn what_is_lent_to_a_closure_is_of_this_stream() {
    let (spool, mut writer) = bounded(100, 50);
    for _ in 0..100 {
        let filled = writer.fill(|buffer| {
            assert!(buffer.iter().all(|&byte| byte == 0 || byte == 7));
            buffer.fill(7);
            Ok(buffer.len())
        });
        assert!(filled.unwrap() <= 50);
    }
    assert_eq!(spool.len(), spool.stats().len);
}

#[test]
fn the_next_writer_goes_on_with_what_the_last_one_has_kept() {
    let spool = last(100, 10).release_dropped_writers(true).build().unwrap();
    let mut reader = spool.weak_reader().unwrap();
    for turn in 0..300 {
        let mut writer = spool.writer().unwrap();
        write(&mut writer, 1 + turn % 40);
        match reader.try_read(&mut [0; 40]) {
            Ok(read) => assert_eq!(read, 1 + turn % 40),
            Err(error) => panic!("{error}"),
        }
        drop(writer);
        assert!(spool.stats().memory_bytes <= 130);
    }
}

#[test]
fn lines_are_read_where_the_writer_waits_for_them() {
    let (spool, mut writer) = bounded(64, 16);
    let reader = spool.reader().unwrap().blocking();
    let reading = thread::spawn(move || reader.lines().map(Result::unwrap).collect::<Vec<_>>());
    within(LIMIT, move || {
        (0..500).for_each(|number| writeln!(writer, "line {number}").unwrap());
        writer.finish().unwrap();
    });
    let lines = reading.join().unwrap();
    assert!(lines.iter().enumerate().all(|(number, line)| *line == format!("line {number}")));
    assert_eq!(lines.len(), 500);
}

/// The directory and the memory are as they were after many turns, in a process that does nothing else.
/// `OVERFALL_TURNS` tells how many.
#[test]
#[cfg(target_os = "linux")]
fn memory_stays_flat_however_many_turns_go_by() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "retaining::many_turns", "--ignored", "--nocapture"]);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
#[ignore = "it is what the test above starts"]
fn many_turns() {
    let turns = std::env::var("OVERFALL_TURNS").map_or(100_000, |turns| turns.parse().unwrap());
    let (spool, mut writer) = bounded(1024, 1024);
    let (mut strong, mut weak) = (spool.reader().unwrap(), spool.weak_reader().unwrap());
    let (bytes, mut buffer) = ([7; 1024], [0; 1024]);
    let mut before = 0;
    for turn in 0..turns {
        if turn == 1000 {
            before = resident();
        }
        assert_eq!(writer.try_write(&bytes), Ok(1024));
        assert_eq!(strong.try_read(&mut buffer), Ok(1024));
        if turn % 3 == 0 {
            let _maybe_lagged = weak.try_read(&mut buffer);
        }
    }
    let stats = spool.stats();
    assert!(stats.memory_bytes <= 4 * 1024, "{}", stats.memory_bytes);
    assert!(stats.segments <= 3);
    let after = resident();
    assert!(after < before + (1 << 20), "{before} bytes became {after}");
}

/// The bytes of this process that are in memory, where the system tells.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.map_or(0, |pages| pages * 4096)
}

#[test]
fn a_pump_waits_for_room() {
    let all = bytes_from(0, 20_000);
    let (spool, writer) = bounded(1000, 100);
    let mut reader = spool.reader().unwrap().blocking();
    let pump = overfall::pump::Pump::new(std::io::Cursor::new(all.clone()), writer);
    let pump = pump.spawn().unwrap();
    let read = within(LIMIT, move || {
        let mut read = Vec::new();
        reader.read_to_end(&mut read).map(|_| read)
    });
    assert!(read.unwrap() == all);
    drop(pump);
}

#[test]
fn what_was_let_go_of_cannot_be_loaded() {
    let spool = last(1000, 100).build().unwrap();
    spool.pull(std::io::Cursor::new(bytes_from(0, 5000))).unwrap();
    let loaded = spool.load_all_timeout(LIMIT).unwrap();
    assert!(matches!(loaded, Err(ReadError::Evicted { position: 0, .. })), "{loaded:?}");
}
