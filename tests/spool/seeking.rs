//! Moving.

use crate::{bytes_from, drain, segments_of, stream};
use overfall::spool::{Ended, ReadError, SeekError};
use overfall_tests::{Task, block_on};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::task::Poll;

#[test]
fn every_corner_is_reached_or_refused_and_a_refused_seek_moves_nothing() {
    let (_spool, mut writer, mut reader) = stream(segments_of(4));
    writer.write_all(&bytes_from(0, 20)).unwrap();
    for (to, result) in [
        (SeekFrom::Start(0), Ok(0)),
        (SeekFrom::Start(20), Ok(20)),
        (SeekFrom::Current(-20), Ok(0)),
        (SeekFrom::Current(-1), Err(SeekError::OutOfRange)),
        (SeekFrom::Current(7), Ok(7)),
        (SeekFrom::Current(i64::MIN), Err(SeekError::OutOfRange)),
        (SeekFrom::End(0), Err(SeekError::LengthUnknown)),
        (SeekFrom::Current(0), Ok(7)),
        (SeekFrom::Start(u64::MAX), Ok(u64::MAX)),
        (SeekFrom::Current(1), Err(SeekError::OutOfRange)),
        (SeekFrom::Current(-1), Ok(u64::MAX - 1)),
        (SeekFrom::Start(19), Ok(19)),
    ] {
        let before = reader.position();
        assert_eq!(reader.try_seek(to), result, "{to:?}");
        assert_eq!(reader.position(), result.clone().unwrap_or(before), "{to:?}");
    }
    assert_eq!(drain(&mut reader).0, bytes_from(19, 1));
    writer.finish().unwrap();
    for (to, result) in [
        (SeekFrom::End(0), Ok(20)),
        (SeekFrom::End(-20), Ok(0)),
        (SeekFrom::End(-21), Err(SeekError::OutOfRange)),
        (SeekFrom::End(i64::MIN), Err(SeekError::OutOfRange)),
        (SeekFrom::End(i64::MAX), Ok(20 + i64::MAX as u64)),
    ] {
        assert_eq!(reader.try_seek(to), result, "{to:?}");
    }
    assert_eq!(reader.try_read(&mut [0]), Ok(0), "behind the end is the end");
    let mut blocking = reader.blocking();
    assert_eq!(blocking.seek(SeekFrom::End(-21)).unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn every_place_of_a_stream_in_segments_is_read_from() {
    let (_spool, mut writer, mut reader) = stream(segments_of(4).expected_len(6));
    writer.write_all(&bytes_from(0, 20)).unwrap();
    for from in (0..20).rev().chain([7, 3, 19, 0]) {
        reader.try_seek(SeekFrom::Start(from)).unwrap();
        assert_eq!(drain(&mut reader).0, bytes_from(from, 20 - from as usize));
    }
}

#[test]
fn reads_behind_what_is_written_wait_there() {
    let (_spool, mut writer, mut reader) = stream(segments_of(4));
    reader.advance(10);
    let mut buffer = [0; 5];
    let mut reading = Task::parked(reader.read(&mut buffer));
    writer.write_all(&bytes_from(0, 10)).unwrap();
    assert_eq!((reading.wakes(), reading.poll()), (0, Poll::Pending));
    writer.write_all(&bytes_from(10, 1)).unwrap();
    assert_eq!((reading.wakes(), reading.poll()), (1, Poll::Ready(Ok(1))));
    drop(reading);
    assert_eq!(buffer[..1], bytes_from(10, 1));
}

#[test]
fn a_seek_from_the_end_waits_until_the_length_is_known() {
    let (_spool, mut writer, mut reader) = stream(segments_of(4));
    let mut seeking = Task::parked(reader.seek(SeekFrom::End(-3)));
    writer.write_all(&bytes_from(0, 10)).unwrap();
    assert_eq!((seeking.wakes(), seeking.poll()), (0, Poll::Pending));
    writer.finish().unwrap();
    assert_eq!((seeking.wakes(), seeking.result()), (1, Ok(7)));
    assert_eq!(drain(&mut reader), (bytes_from(7, 3), None));
}

#[test]
fn a_seek_from_the_end_goes_at_once_where_the_length_was_promised() {
    let (spool, mut writer, mut reader) = stream(segments_of(4).known_len(10));
    assert_eq!((spool.known_len(), reader.known_len()), (Some(10), Some(10)));
    assert_eq!(block_on(reader.seek(SeekFrom::End(-3))), Ok(7));
    writer.write_all(&bytes_from(0, 10)).unwrap();
    assert_eq!(drain(&mut reader), (bytes_from(7, 3), None));
}

#[test]
fn a_seek_from_the_end_of_a_stream_that_fails_is_told_why_and_moves_nothing() {
    let (spool, mut writer, mut reader) = stream(segments_of(4));
    writer.write_all(b"abc").unwrap();
    reader.advance(2);
    let mut seeking = Task::parked(reader.seek(SeekFrom::End(0)));
    writer.fail("why").unwrap();
    let Poll::Ready(Err(SeekError::Ended(ReadError::Failed(_)))) = seeking.poll() else {
        panic!("the length will never be known")
    };
    drop(seeking);
    assert_eq!(reader.position(), 2);
    assert!(matches!(spool.fail("again"), Err(Ended::Failed(_))));
    spool.terminate();
    let ended = SeekError::Ended(ReadError::Terminated);
    assert_eq!(reader.try_seek(SeekFrom::End(0)), Err(ended));
}
