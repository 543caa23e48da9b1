//! What a writer may do, and what of it readers see.

use crate::{bytes_from, drain, segments_of, stream};
use overfall::spool::{BuildError, Ended, Growth, ReadError, Spool, WriteError, WriterError};
use std::cell::Cell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn inner<E: std::error::Error + Clone + 'static>(error: &io::Error) -> E {
    error.get_ref().and_then(|inner| inner.downcast_ref()).cloned().expect("the error of the crate")
}

#[test]
fn a_closure_that_fails_panics_or_lies_publishes_nothing() {
    let (spool, mut writer, mut reader) = stream(segments_of(16));
    let error = writer
        .fill(|buffer| {
            buffer.fill(1);
            Err(io::Error::from(ErrorKind::Interrupted))
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        writer.fill(|buffer| {
            buffer.fill(2);
            panic!("on purpose")
        })
    }));
    assert!(panic.is_err());
    let error = writer.fill(|buffer| Ok(buffer.len() + 1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(inner::<WriteError>(&error), WriteError::TooMuch { returned: 17, lent: 16 });
    assert_eq!(writer.fill(|_| Ok(0)).unwrap(), 0);
    assert_eq!(spool.len(), 0);
    assert_eq!(drain(&mut reader), (vec![], Some(ReadError::Empty)));
    // It still works.
    writer.try_write(b"whole").unwrap();
    assert_eq!(drain(&mut reader).0, b"whole");
}

#[test]
fn what_is_lent_to_a_closure_is_zeroed_at_first_and_never_published_by_itself() {
    let (_spool, mut writer, mut reader) = stream(segments_of(1 << 20));
    writer
        .fill(|buffer| {
            assert!(buffer.iter().all(|&byte| byte == 0));
            buffer.fill(7);
            Ok(3)
        })
        .unwrap();
    assert_eq!(drain(&mut reader).0, [7, 7, 7]);
    writer.try_write(&[1]).unwrap();
    assert_eq!(drain(&mut reader).0, [1]);
}

#[test]
fn what_was_written_while_the_spool_was_failed_is_not_seen() {
    let (spool, mut writer, mut reader) = stream(segments_of(16));
    let error = writer
        .fill(|buffer| {
            buffer.fill(1);
            spool.fail("from outside").unwrap();
            Ok(4)
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let (read, end) = drain(&mut reader);
    assert!(read.is_empty() && matches!(end, Some(ReadError::Failed(_))));
    assert!(matches!(writer.try_write(b"x"), Err(WriteError::Ended(Ended::Failed(_)))));
}

#[test]
fn a_source_is_read_straight_into_the_spool_whatever_it_does() {
    /// One byte at a time, and now and then an error by which one tries again.
    struct Hostile(u64, Cell<u32>);
    impl Read for Hostile {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.set(self.1.get() + 1);
            match self.1.get() % 3 {
                0 => Err(ErrorKind::Interrupted.into()),
                1 => Err(ErrorKind::WouldBlock.into()),
                _ if self.0 == 100 => Ok(0),
                _ => {
                    buffer[0] = crate::byte_at(self.0);
                    self.0 += 1;
                    Ok(1)
                }
            }
        }
    }
    let (_spool, mut writer, mut reader) = stream(segments_of(7));
    let mut source = Hostile(0, Cell::new(0));
    loop {
        match writer.fill(|buffer| source.read(buffer)) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock));
            }
        }
    }
    writer.finish().unwrap();
    assert_eq!(drain(&mut reader), (bytes_from(0, 100), None));
}

#[test]
fn a_spool_has_one_writer_at_a_time_and_the_next_goes_on_where_it_was() {
    let (spool, mut writer, mut reader) = stream(segments_of(5));
    assert_eq!(spool.writer().unwrap_err(), WriterError::Busy);
    writer.write_all(&bytes_from(0, 7)).unwrap();
    writer.release();
    let mut writer = spool.writer().unwrap();
    assert_eq!(writer.written(), 7);
    writer.write_all(&bytes_from(7, 12)).unwrap();
    assert_eq!(writer.finish(), Ok(19));
    assert_eq!(spool.writer().unwrap_err(), WriterError::Ended(Ended::Finished));
    assert_eq!(drain(&mut reader), (bytes_from(0, 19), None));
}

#[test]
fn several_buffers_are_written_in_one_call() {
    let (_spool, mut writer, mut reader) = stream(segments_of(3));
    let buffers = [&b"ab"[..], b"", b"cdefg", b"h"].map(IoSlice::new);
    assert_eq!(writer.write_vectored(&buffers).unwrap(), 8);
    assert_eq!(writer.write_vectored(&[]).unwrap(), 0);
    writer.flush().unwrap();
    assert_eq!(drain(&mut reader).0, b"abcdefgh");
}

#[test]
fn more_than_was_promised_is_refused_before_anybody_sees_it() {
    let (spool, mut writer, mut reader) = stream(segments_of(4).known_len(10));
    let bytes = bytes_from(0, 13);
    assert_eq!(writer.try_write(&bytes), Ok(10));
    let beyond = WriteError::BeyondKnownLen { known_len: 10 };
    assert_eq!(writer.try_write(&bytes[10..]), Err(beyond.clone()));
    assert_eq!(inner::<WriteError>(&writer.fill(|_| Ok(1)).unwrap_err()), beyond);
    assert_eq!(inner::<WriteError>(&writer.write_all(b"x").unwrap_err()), beyond);
    assert_eq!(writer.try_write(b""), Ok(0));
    assert_eq!(spool.len(), 10);
    assert_eq!(drain(&mut reader), (bytes_from(0, 10), None));
}

#[test]
fn what_is_lent_never_goes_beyond_what_was_promised() {
    let (_spool, mut writer, _reader) = stream(segments_of(64).expected_len(3).known_len(10));
    let mut lent = Vec::new();
    while writer.written() < 10 {
        writer
            .fill(|buffer| {
                lent.push(buffer.len());
                Ok(buffer.len())
            })
            .unwrap();
    }
    assert_eq!(lent, [3, 7]);
}

#[test]
fn the_right_expectation_is_one_allocation_and_a_wrong_one_costs_nothing_but_that() {
    for (expected, written, segments) in
        [(1000, 1000, 1), (1000, 1001, 2), (1, 1000, 11), (0, 1000, 10), (1000, 1, 1)]
    {
        let (spool, mut writer, mut reader) = stream(segments_of(100).expected_len(expected));
        assert_eq!(spool.stats().segments, 0, "nothing is taken before bytes come");
        writer.write_all(&bytes_from(0, written)).unwrap();
        writer.finish().unwrap();
        assert_eq!(spool.stats().segments, segments, "{expected} of {written}");
        assert_eq!(drain(&mut reader), (bytes_from(0, written), None));
    }
}

#[test]
fn segments_grow_as_they_are_told() {
    for (growth, sizes) in [
        (Growth::Constant { size: 8 }, vec![8, 8, 8, 8]),
        (Growth::Linear { first: 8, max: 20 }, vec![8, 16, 20, 20]),
        (Growth::Geometric { first: 8, max: 20 }, vec![8, 16, 20, 20]),
        (Growth::Geometric { first: 8, max: 64 }, vec![8, 16, 32, 64, 64]),
    ] {
        let (spool, mut writer, mut reader) = stream(Spool::builder().growth(growth));
        let mut lent = Vec::new();
        for _ in 0..sizes.len() {
            let at = writer.written();
            writer
                .fill(|buffer| {
                    lent.push(buffer.len());
                    buffer.copy_from_slice(&bytes_from(at, buffer.len()));
                    Ok(buffer.len())
                })
                .unwrap();
        }
        assert_eq!(lent, sizes, "{growth:?}");
        let total: usize = sizes.iter().sum();
        assert_eq!(spool.stats().memory_bytes, total as u64);
        assert_eq!(drain(&mut reader).0, bytes_from(0, total));
    }
}

#[test]
fn settings_that_make_no_sense_are_errors_that_say_what_to_change() {
    for growth in [Growth::Constant { size: 0 }, Growth::Linear { first: 2, max: 1 }] {
        let error = Spool::builder().growth(growth).build().unwrap_err();
        assert_eq!(error, BuildError::Growth { growth });
        assert!(error.to_string().contains("at least 1 byte"), "{error}");
    }
    let error = Spool::builder().known_len(u64::MAX).build().unwrap_err();
    assert!(error.to_string().contains("promise less"), "{error}");
}

#[test]
fn memory_that_is_not_there_is_an_error_and_what_was_written_stays() {
    let (_spool, mut writer, mut reader) = stream(segments_of(usize::MAX).expected_len(5));
    assert_eq!(writer.try_write(b"fits!").unwrap(), 5);
    let error = writer.try_write(b"more").unwrap_err();
    assert!(matches!(error, WriteError::OutOfMemory { .. }), "{error}");
    assert_eq!(io::Error::from(error).kind(), ErrorKind::OutOfMemory);
    writer.finish().unwrap();
    assert_eq!(drain(&mut reader), (b"fits!".to_vec(), None));
}
