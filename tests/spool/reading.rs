//! What a reader gets.

use crate::{byte_at, bytes_from, drain, segments_of, stream};
use overfall::spool::{Growth, Missing, ReadError, Spool};
use overfall_tests::{LIMIT, Task, block_on, within};
use std::io::{BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_read_returns_what_is_there_and_does_not_wait_for_more() {
    let (_spool, mut writer, mut reader) = stream(segments_of(4));
    let mut buffer = [0; 100];
    assert_eq!(reader.try_read(&mut buffer), Err(ReadError::Empty));
    writer.write_all(b"x").unwrap();
    assert_eq!(block_on(reader.read(&mut buffer)), Ok(1));
    writer.write_all(&bytes_from(0, 11)).unwrap();
    assert_eq!(block_on(reader.read(&mut buffer)), Ok(11), "over the bounds of segments");
    assert_eq!(buffer[..11], bytes_from(0, 11));
    let mut reading = Task::parked(reader.read(&mut buffer));
    writer.write_all(b"y").unwrap();
    assert_eq!(reading.poll(), Poll::Ready(Ok(1)));
    drop(reading);
    writer.write_all(&bytes_from(0, 5)).unwrap();
    assert_eq!(reader.try_read(&mut buffer[..1]), Ok(1));
    writer.write_all(&bytes_from(5, 5)).unwrap();
    assert_eq!(reader.try_read(&mut buffer), Ok(9), "also what has come since its last look");
}

#[test]
fn a_read_of_length_0_returns_0_at_once() {
    let (spool, _writer, mut reader) = stream(segments_of(4));
    assert_eq!(reader.try_read(&mut []), Ok(0));
    assert_eq!(reader.try_read_at(&mut [], 1000), Ok(0));
    assert_eq!(block_on(reader.read(&mut [])), Ok(0));
    assert_eq!(block_on(reader.read_at(&mut [], 7)), Ok(0));
    assert_eq!(block_on(reader.read_exact_at(&mut [], 7)), Ok(()));
    assert_eq!(spool.reader().unwrap().blocking().read(&mut []).unwrap(), 0);
}

#[test]
fn readers_that_come_before_during_and_after_get_the_same_bytes() {
    let (spool, mut writer, mut before) = stream(segments_of(16));
    let mut all = Vec::new();
    let mut during = Vec::new();
    for chunk in 0..40 {
        let bytes = bytes_from(all.len() as u64, chunk);
        writer.write_all(&bytes).unwrap();
        all.extend(bytes);
        during.push(spool.reader().unwrap());
    }
    writer.finish().unwrap();
    let mut after = spool.reader().unwrap();
    assert_eq!(drain(&mut before), (all.clone(), None));
    assert_eq!(drain(&mut after), (all.clone(), None));
    for mut reader in during {
        assert_eq!(drain(&mut reader), (all.clone(), None));
    }
}

#[test]
fn a_clone_goes_on_where_its_original_is() {
    let (_spool, mut writer, mut reader) = stream(segments_of(4));
    writer.write_all(&bytes_from(0, 20)).unwrap();
    reader.try_read(&mut [0; 9]).unwrap();
    let mut clone = reader.clone();
    assert_eq!(clone.position(), 9);
    assert_eq!(drain(&mut clone).0, bytes_from(9, 11));
    assert_eq!(reader.position(), 9);
    let mut blocking = reader.blocking().clone();
    assert_eq!(blocking.stream_position().unwrap(), 9);
}

#[test]
fn what_is_lent_lies_where_it_was_written_and_stays() {
    let (spool, mut writer, mut reader) = stream(segments_of(8));
    let mut lent_to_writer = std::ptr::null();
    writer
        .fill(|buffer| {
            buffer[..5].copy_from_slice(b"first");
            lent_to_writer = buffer.as_ptr();
            Ok(5)
        })
        .unwrap();
    let mut other = spool.reader().unwrap();
    let lent = reader.try_fill_buf().unwrap();
    assert_eq!((lent, lent.as_ptr()), (&b"first"[..], lent_to_writer));
    assert_eq!(other.try_fill_buf().unwrap().as_ptr(), lent_to_writer);
    writer.write_all(b"second").unwrap();
    assert_eq!(lent, b"first", "a loan is not changed by what comes");
    reader.consume(2);
    assert_eq!(reader.try_fill_buf().unwrap(), b"rst", "what was seen is not looked for again");
    reader.consume(3);
    assert_eq!(reader.try_fill_buf().unwrap(), b"sec", "a piece ends with its segment");
}

#[test]
fn who_consumes_more_than_it_has_seen_panics_and_moves_nothing() {
    let (_spool, mut writer, mut reader) = stream(segments_of(8));
    writer.write_all(b"abc").unwrap();
    assert_eq!(reader.try_fill_buf().unwrap(), b"abc");
    assert!(catch_unwind(AssertUnwindSafe(|| reader.consume(4))).is_err());
    assert_eq!(reader.position(), 0);
}

#[test]
fn a_read_at_a_place_of_its_own_moves_nothing() {
    let (_spool, mut writer, reader) = stream(segments_of(4));
    writer.write_all(&bytes_from(0, 20)).unwrap();
    let mut buffer = [0; 9];
    assert_eq!(reader.try_read_at(&mut buffer, 3), Ok(9));
    assert_eq!(buffer[..], bytes_from(3, 9));
    assert_eq!(reader.try_read_at(&mut buffer, 18), Ok(2));
    assert_eq!(reader.try_read_at(&mut buffer, 20), Err(ReadError::Empty));
    let mut exact = Task::parked(reader.read_exact_at(&mut buffer, 18));
    writer.write_all(&bytes_from(20, 6)).unwrap();
    assert!(exact.poll().is_pending());
    writer.write_all(&bytes_from(26, 1)).unwrap();
    assert_eq!(exact.result(), Ok(()));
    assert_eq!(buffer[..], bytes_from(18, 9));
    assert_eq!(reader.position(), 0);
    writer.finish().unwrap();
    assert_eq!(block_on(reader.read_exact_at(&mut buffer, 19)), Err(ReadError::Short { len: 27 }));
    assert_eq!(block_on(reader.read_at(&mut buffer, 27)), Ok(0));
    assert_eq!(block_on(reader.read_at(&mut buffer, u64::MAX)), Ok(0));
}

#[test]
fn deadlines_hold_and_lose_nothing() {
    let (_spool, mut writer, reader) = stream(segments_of(4));
    let mut reader = reader.blocking();
    let soon = || Instant::now() + Duration::from_millis(2);
    let timed_out = |error: std::io::Error| assert_eq!(error.kind(), ErrorKind::TimedOut);
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        timed_out(reader.read_timeout(&mut [0], timeout).unwrap_err());
    }
    timed_out(reader.read_deadline(&mut [0], soon()).unwrap_err());
    timed_out(reader.fill_buf_deadline(soon()).unwrap_err());
    timed_out(reader.seek_deadline(SeekFrom::End(0), soon()).unwrap_err());
    timed_out(reader.read_exact_at_deadline(&mut [0; 2], 0, soon()).unwrap_err());
    writer.write_all(b"ab").unwrap();
    assert_eq!(reader.read_timeout(&mut [0], Duration::ZERO).unwrap(), 1);
    assert_eq!(reader.fill_buf().unwrap(), b"b");
    reader.read_exact_at(&mut [0; 2], 0).unwrap();
    writer.finish().unwrap();
    assert_eq!(reader.seek_deadline(SeekFrom::End(-1), soon()).unwrap(), 1);
    assert_eq!(reader.read_timeout(&mut [0; 9], Duration::MAX).unwrap(), 1);
    assert_eq!(reader.read_exact_at(&mut [0; 2], 1).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn views_that_never_wait_say_so_or_end_where_the_stream_has_come_to() {
    let (_spool, mut writer, reader) = stream(segments_of(4).known_len(100));
    let mut would_block = reader.clone().without_waiting(Missing::WouldBlock);
    let mut arrived = reader.without_waiting(Missing::End);
    assert_eq!(would_block.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(would_block.fill_buf().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(arrived.read(&mut [0]).unwrap(), 0);
    assert_eq!(arrived.fill_buf().unwrap(), b"");
    writer.write_all(&bytes_from(0, 30)).unwrap();
    assert_eq!(would_block.seek(SeekFrom::End(-10)).unwrap(), 90, "it was promised");
    assert_eq!(would_block.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(arrived.seek(SeekFrom::End(-10)).unwrap(), 20);
    let mut tail = Vec::new();
    arrived.read_to_end(&mut tail).unwrap();
    assert_eq!(tail, bytes_from(20, 10));
    assert_eq!(arrived.seek(SeekFrom::End(-31)).unwrap_err().kind(), ErrorKind::InvalidInput);
    writer.write_all(&bytes_from(30, 1)).unwrap();
    assert_eq!(arrived.read(&mut [0; 9]).unwrap(), 1, "more has come");
    writer.fail("why").unwrap();
    assert_eq!(arrived.read(&mut [0]).unwrap_err().kind(), ErrorKind::Other);
}

#[test]
fn twenty_readers_of_fifty_megabytes_each_get_every_byte() {
    const LENGTH: u64 = 50 << 20;
    within(LIMIT * 2, || {
        let growth = Growth::Geometric { first: 1000, max: 3_000_000 };
        let (spool, mut writer, _reader) = stream(Spool::builder().growth(growth));
        let readers: Vec<_> = (0..20_u64)
            .map(|number| {
                let mut reader = spool.reader().unwrap().blocking();
                thread::spawn(move || {
                    // They begin at different places.
                    let mut position = reader.seek(SeekFrom::Start(number * 1_000_003)).unwrap();
                    loop {
                        let lent = reader.fill_buf().unwrap();
                        // Two look at every byte, the others at some.
                        let step = if number % 10 == 0 { 1 } else { 509 };
                        for (offset, &byte) in lent.iter().enumerate().step_by(step) {
                            assert_eq!(byte, byte_at(position + offset as u64));
                        }
                        let length = lent.len();
                        if length == 0 {
                            return position;
                        }
                        reader.consume(length);
                        position += length as u64;
                    }
                })
            })
            .collect();
        let mut sizes = overfall_tests::Numbers::new(1);
        let mut position = 0;
        while position < LENGTH {
            let size = sizes.below(200_000).min((LENGTH - position) as usize);
            writer.write_all(&bytes_from(position, size)).unwrap();
            position += size as u64;
        }
        writer.finish().unwrap();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), LENGTH);
        }
        let mut late = spool.reader().unwrap();
        late.advance(LENGTH - 5);
        assert_eq!(drain(&mut late), (bytes_from(LENGTH - 5, 5), None));
    });
}
