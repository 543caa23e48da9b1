//! How pumps end.

use crate::{all_of, join, read_to_end};
use overfall::error::WriterPanicked;
use overfall::pump::{Pump, PumpError, Transform, Unfinished};
use overfall::spool::{Abandoned, Builder, Ended, FinishError, ReadError, Spool};
use overfall::{Channel, pipe};
use overfall_tests::sources::{Does, Script};
use overfall_tests::{LIMIT, Task, within};
use std::error::Error;
use std::io::{self, Write};
use std::task::Poll;

/// Gives three bytes, and then does this.
fn three_and(does: Does) -> Script {
    Script::new([Does::Gives(vec![1, 2, 3]), does])
}

/// The error that a stream failed with, as one of its type.
fn failed<E: Error + Clone + 'static>(end: Option<&ReadError>) -> Option<E> {
    match end {
        Some(ReadError::Failed(failure)) => failure.get_ref().downcast_ref().cloned(),
        other => panic!("it did not fail: {other:?}"),
    }
}

#[test]
fn a_sources_error_is_the_end_of_the_stream_and_of_the_pump() {
    for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut]
    {
        let spool = Spool::memory();
        let pump = Pump::new(three_and(Does::Fails(kind)), spool.writer().unwrap());
        let (pump, result) = join(pump.spawn().unwrap());
        let Err(PumpError::Source(failure)) = result else { panic!("{result:?}") };
        assert_eq!(failure.get_ref().downcast_ref::<io::Error>().unwrap().kind(), kind);
        // A late reader is told the same.
        assert_eq!(all_of(&spool), (vec![1, 2, 3], Some(ReadError::Failed(failure.clone()))));
        assert_eq!((pump.bytes_in(), pump.bytes_out()), (3, 3));

        let channel = Channel::new(1024);
        let reading = read_to_end(channel.new_strong_reader().blocking());
        let pump = Pump::new(three_and(Does::Fails(kind)), channel.new_writer());
        let (_pump, result) = join(pump.spawn().unwrap());
        assert!(matches!(result, Err(PumpError::Source(_))));
        let (bytes, error) = join(reading);
        assert_eq!(bytes, [1, 2, 3]);
        assert!(error.unwrap().contains("as told"));
    }
}

#[test]
fn a_source_that_claims_too_much_fails_the_stream() {
    let spool = Spool::memory();
    let (_, result) =
        join(Pump::new(three_and(Does::Lies), spool.writer().unwrap()).spawn().unwrap());
    assert!(result.unwrap_err().to_string().contains("claims"));
    assert_eq!(all_of(&spool).0, [1, 2, 3]);
    assert!(all_of(&spool).1.is_some());

    let (writer, reader) = pipe(1024);
    let reading = read_to_end(reader.blocking());
    let (_pump, result) = join(Pump::new(three_and(Does::Lies), writer).spawn().unwrap());
    assert!(matches!(result, Err(PumpError::Source(_))));
    assert!(join(reading).1.unwrap().contains("claims"));
}

#[test]
fn a_panic_of_the_source_goes_to_who_joins_and_fails_the_stream() {
    let spool = Spool::memory();
    let pumping = Pump::new(three_and(Does::Panics), spool.writer().unwrap()).spawn().unwrap();
    let panic = within(LIMIT, move || pumping.join().err().unwrap());
    assert_eq!(panic.downcast_ref(), Some(&"as told"));
    let (bytes, end) = all_of(&spool);
    assert_eq!(bytes, [1, 2, 3]);
    assert_eq!(failed::<Unfinished>(end.as_ref()).unwrap().bytes_out, 3);
}

#[test]
fn a_panic_of_the_transform_fails_a_channel_whatever_its_writer() {
    for weak in [false, true] {
        let channel = Channel::builder().size(1024).fail_on_panic(false).build().unwrap();
        let writer = channel.new_writer();
        let writer = if weak { writer.into_weak().into() } else { writer };
        let reading = read_to_end(channel.new_strong_reader().blocking());
        let pump = Pump::new(&b"abc"[..], writer);
        let pump = pump.through(|_: &[u8], _: &mut Vec<u8>| -> io::Result<()> { panic!("oh no") });
        let pumping = pump.spawn().unwrap();
        assert!(within(LIMIT, move || pumping.join().is_err()));
        let (bytes, error) = join(reading);
        assert!(bytes.is_empty());
        assert!(error.unwrap().contains("the pump was dropped, or panicked"));
        let failure = channel.failure().unwrap();
        assert!(failure.get_ref().downcast_ref::<WriterPanicked>().is_none());
    }
}

#[cfg(feature = "futures")]
#[test]
fn a_pump_that_has_panicked_tells_so_when_it_is_run_again() {
    let spool = Spool::memory();
    let source = overfall::source::Futures(three_and(Does::Panics));
    let mut pump = Pump::new(source, spool.writer().unwrap());
    let first = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        overfall_tests::block_on(pump.run())
    }));
    assert!(first.is_err());
    // The stream has failed already: its readers do not wait for the owner of the pump.
    assert!(failed::<Unfinished>(all_of(&spool).1.as_ref()).is_some());
    assert!(matches!(overfall_tests::block_on(pump.run()), Err(PumpError::Panicked(_))));
}

#[test]
fn a_transforms_error_is_the_end_also_at_its_last_call() {
    struct Fails(bool);
    impl Transform for Fails {
        fn transform(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
            output.extend_from_slice(input);
            if self.0 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
        }
        fn finish(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
    for (at_once, expected) in [(true, &b""[..]), (false, b"abc")] {
        let spool = Spool::memory();
        let pump = Pump::new(&b"abc"[..], spool.writer().unwrap()).through(Fails(at_once));
        let (_, result) = join(pump.spawn().unwrap());
        let Err(PumpError::Transform(failure)) = result else { panic!("{result:?}") };
        assert_eq!(all_of(&spool), (expected.to_vec(), Some(ReadError::Failed(failure))));
    }
}

#[test]
fn a_pump_that_is_dropped_before_its_end_is_no_clean_end() {
    let spool = Spool::memory();
    drop(Pump::new(&b"abc"[..], spool.writer().unwrap()));
    assert!(failed::<Abandoned>(all_of(&spool).1.as_ref()).is_some());

    let (writer, reader) = pipe(1024);
    drop(Pump::new(&b"abc"[..], writer));
    assert!(join(read_to_end(reader.blocking())).1.unwrap().contains("the pump was dropped"));
}

#[test]
fn a_pump_that_is_taken_apart_ends_nothing() {
    let spool = Spool::memory();
    let pump = Pump::new(&b"abc"[..], spool.writer().unwrap());
    let mut parts = pump.into_parts();
    parts.writer.write_all(b"by hand").unwrap();
    parts.writer.finish().unwrap();
    assert_eq!(all_of(&spool), (b"by hand".to_vec(), None));
}

#[test]
fn what_a_source_broke_off_is_taken_up_from_another() {
    let spool = Builder::release_dropped_writers(Spool::builder(), true).build().unwrap();
    let pump =
        Pump::new(three_and(Does::Fails(io::ErrorKind::BrokenPipe)), spool.writer().unwrap());
    let (pump, result) = join(pump.spawn().unwrap());
    assert!(matches!(result, Err(PumpError::Source(_))));
    assert_eq!(all_of(&spool), (vec![1, 2, 3], Some(ReadError::Empty)));
    // By the same writer, or by another one once that is dropped.
    let pump =
        Pump::new(three_and(Does::Fails(io::ErrorKind::BrokenPipe)), pump.into_parts().writer);
    drop(join(pump.spawn().unwrap()));
    let (_, result) = join(Pump::new(&[4][..], spool.writer().unwrap()).spawn().unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!(all_of(&spool), (vec![1, 2, 3, 1, 2, 3, 4], None));
}

#[test]
fn all_promised_bytes_are_the_end_whatever_the_source_does_then() {
    let spool = Spool::builder().known_len(3).build().unwrap();
    // It would fail if it was read again.
    let source = three_and(Does::Fails(io::ErrorKind::ConnectionReset));
    let (pump, result) = join(Pump::new(source, spool.writer().unwrap()).spawn().unwrap());
    assert_eq!(result, Ok(()));
    assert_eq!(pump.bytes_in(), 3);
    assert_eq!(all_of(&spool), (vec![1, 2, 3], None));
}

#[test]
fn a_source_that_is_shorter_than_promised_fails_the_stream() {
    let spool = Spool::builder().known_len(4).build().unwrap();
    let (_, result) = join(Pump::new(&[1, 2, 3][..], spool.writer().unwrap()).spawn().unwrap());
    let Err(PumpError::Sink(failure)) = result else { panic!("{result:?}") };
    let error = failure.get_ref().downcast_ref::<io::Error>().unwrap();
    let inner = error.get_ref().unwrap().downcast_ref::<FinishError>().unwrap();
    assert_eq!(*inner, FinishError::Short { written: 3, known_len: 4 });
    assert!(failed::<FinishError>(all_of(&spool).1.as_ref()).is_some());
}

#[test]
fn a_sink_that_takes_no_more_is_told() {
    let spool = Spool::memory();
    let pump = Pump::new(io::repeat(7), spool.writer().unwrap());
    spool.fail("from outside").unwrap();
    let (_, result) = join(pump.spawn().unwrap());
    assert!(matches!(result, Err(PumpError::Sink(_))), "{result:?}");

    let (writer, reader) = pipe(1024);
    drop(reader);
    let (_, result) = join(Pump::new(io::repeat(7), writer).spawn().unwrap());
    assert!(matches!(result, Err(PumpError::Sink(_))), "{result:?}");
    assert!(spool.fail("again").is_err_and(|ended| matches!(ended, Ended::Failed(_))));
}

#[test]
fn a_channel_that_takes_no_more_is_told_while_the_source_has_nothing() {
    let (mut source, from) = pipe(1024);
    let (writer, reader) = pipe(1024);
    let mut pump = Pump::new(from, writer);
    let mut running = Task::parked(pump.run());
    drop(reader);
    assert_eq!(running.wakes(), 1);
    let Poll::Ready(Err(PumpError::Sink(failure))) = running.poll() else { panic!("it waits") };
    assert_eq!(io::Error::from(failure).kind(), io::ErrorKind::BrokenPipe);
    drop(running);
    // The source is as it was.
    source.try_send("more").unwrap();
    assert_eq!(pump.into_parts().source.try_recv().unwrap().as_deref(), Some(&b"more"[..]));

    let (source, from) = pipe(1024);
    let (writer, reader) = pipe(1024);
    let pumping = Pump::new(from, writer).spawn().unwrap();
    drop(reader);
    assert!(matches!(join(pumping).1, Err(PumpError::Sink(_))));
    drop(source);
}

#[test]
fn a_pump_that_failed_and_is_not_joined_holds_nobody_up() {
    let channel = Channel::new(1024);
    let tail = channel.new_strong_reader();
    let mut writer = channel.new_writer().blocking();
    let spool = Spool::memory();
    let pump = Pump::new(channel.new_strong_reader(), spool.writer().unwrap());
    spool.fail("the disk is full").unwrap();
    let pumping = pump.spawn().unwrap();
    let reading = read_to_end(tail.blocking());
    within(LIMIT, move || {
        writer.write_all(&[7; 100_000]).unwrap();
    });
    drop(channel);
    assert_eq!(join(reading).0.len(), 100_000);
    assert!(matches!(join(pumping).1, Err(PumpError::Sink(_))));
}
