//! A writer that has been alone for long, and readers that nobody has had to wake for long: the
//! channel does less for them then, and nobody notices, whoever comes.

use overfall::error::{TryReserveError, TryWriteError};
use overfall::{Backpressure, Channel, StrongReader, StrongWriter};
use overfall_tests::{LIMIT, within};
use std::collections::HashMap;
use std::io::Read;
use std::task::{Context, Poll, Waker};
use std::thread;

/// More slices than it takes to be taken for alone.
const LONG: u64 = 5000;

/// A message that tells who wrote it, and the how manieth of that writer's it is.
fn message(writer: u64, number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&writer.to_le_bytes());
    bytes[8..].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn parse(bytes: [u8; 16]) -> (u64, u64) {
    let half = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    (half(0), half(8))
}

/// Writes and reads on one thread until the writer is taken for alone, and nobody looks for sleepers.
fn run_alone(writer: &mut StrongWriter, reader: &mut StrongReader) {
    overfall::prepare();
    let mut buffer = [0; 16];
    for number in 0..LONG {
        assert_eq!(writer.try_write(&message(0, number)), Ok(16));
        assert_eq!(reader.try_read(&mut buffer), Ok(16));
        assert_eq!(parse(buffer), (0, number));
    }
}

#[test]
fn a_writer_that_was_alone_shares_the_ring_with_those_who_come() {
    within(LIMIT, || {
        let channel = Channel::with_parameters(4096, Backpressure::Block);
        let mut reader = channel.new_strong_reader();
        let mut first = channel.new_strong_writer();
        run_alone(&mut first, &mut reader);
        let mut reader = reader.blocking();
        thread::scope(|scope| {
            let others = (1..4).map(|_| channel.new_strong_writer());
            for (name, writer) in [first].into_iter().chain(others).enumerate() {
                scope.spawn(move || {
                    let mut writer = writer.blocking();
                    for number in 0..LONG {
                        let bytes = message(name as u64, number);
                        std::io::Write::write_all(&mut writer, &bytes).unwrap();
                        // Now and then one is alone again.
                        if number % 1024 == 0 {
                            thread::yield_now();
                        }
                    }
                });
            }
            let mut next = HashMap::new();
            let mut bytes = [0; 16];
            for _ in 0..4 * LONG {
                reader.read_exact(&mut bytes).unwrap();
                let (writer, number) = parse(bytes);
                let expected = next.entry(writer).or_insert(0);
                assert_eq!(number, *expected, "the next one of writer {writer}");
                *expected += 1;
            }
            assert_eq!(next.len(), 4);
        });
    });
}

#[test]
fn a_drain_stops_a_writer_that_is_alone_and_nothing_of_it_is_lost() {
    within(LIMIT, || {
        for _ in 0..50 {
            let channel = Channel::with_parameters(4096, Backpressure::Block);
            let mut reader = channel.new_strong_reader();
            let mut writer = channel.new_strong_writer();
            run_alone(&mut writer, &mut reader);
            let thread = thread::spawn(move || {
                let mut written = 0;
                loop {
                    match writer.try_write(&message(1, written)) {
                        Ok(_) => written += 1,
                        Err(TryWriteError::Full) => thread::yield_now(),
                        Err(error) => return (written, error),
                    }
                }
            });
            let mut reader = reader.blocking();
            let mut bytes = [0; 16];
            reader.read_exact(&mut bytes).unwrap();
            channel.drain().unwrap();
            let mut read = 1;
            while reader.read(&mut bytes).unwrap() > 0 {
                assert_eq!(parse(bytes), (1, read));
                read += 1;
            }
            assert_eq!(thread.join().unwrap(), (read, TryWriteError::Closed));
        }
    });
}

#[test]
fn a_thread_that_reads_after_a_long_rush_gets_what_comes() {
    within(LIMIT, || {
        let (mut writer, mut reader) = overfall::pipe(4096);
        for round in 0..20 {
            run_alone(&mut writer, &mut reader);
            // It may sleep by the time of the write, or not yet.
            let reading = thread::spawn(move || {
                let mut bytes = [0; 16];
                let mut reader = reader.blocking();
                reader.read_exact(&mut bytes).unwrap();
                (reader.into_inner(), parse(bytes))
            });
            assert_eq!(writer.try_write(&message(7, round)), Ok(16));
            let (back, read) = reading.join().unwrap();
            assert_eq!(read, (7, round));
            reader = back;
        }
    });
}

#[test]
#[cfg(feature = "futures")]
fn a_reader_that_waits_after_a_long_rush_is_woken() {
    use futures::io::AsyncRead;
    use std::pin::Pin;

    let (mut writer, mut reader) = overfall::pipe(4096);
    for round in 0..20 {
        run_alone(&mut writer, &mut reader);
        let (wakes, waker) = overfall_tests::counting_waker();
        let mut context = Context::from_waker(&waker);
        let mut bytes = [0; 16];
        assert!(Pin::new(&mut reader).poll_read(&mut context, &mut bytes).is_pending());
        assert_eq!(writer.try_write(&message(7, round)), Ok(16));
        assert_eq!(wakes.count(), 1);
        assert_eq!(reader.try_read(&mut bytes), Ok(16));
        assert_eq!(parse(bytes), (7, round));
    }
}

#[test]
fn a_writer_that_falls_asleep_after_a_long_rush_is_woken() {
    within(LIMIT, || {
        let (mut writer, mut reader) = overfall::pipe(1024);
        for _ in 0..20 {
            run_alone(&mut writer, &mut reader);
            let sleeping = thread::spawn(move || {
                let mut writer = writer.blocking();
                for number in 0..17 {
                    std::io::Write::write_all(&mut writer, &message(7, number)).unwrap();
                }
                writer.into_inner()
            });
            let mut bytes = [0; 16];
            let mut number = 0;
            while number < 17 {
                match reader.try_read(&mut bytes) {
                    Ok(_) => {
                        assert_eq!(parse(bytes), (7, number));
                        number += 1;
                    }
                    Err(_) => thread::yield_now(),
                }
            }
            writer = sleeping.join().unwrap();
        }
    });
}

#[test]
fn whoever_takes_the_place_of_a_writer_that_was_alone_goes_on_behind_it() {
    let channel = Channel::with_parameters(4096, Backpressure::Block);
    let mut reader = channel.new_strong_reader();
    for _ in 0..3 {
        let mut writer = channel.new_strong_writer();
        run_alone(&mut writer, &mut reader);
        let mut other = channel.new_strong_writer();
        drop(writer);
        assert_eq!(other.try_write(&message(1, 1)), Ok(16));
        let mut heir = channel.new_strong_writer();
        assert_eq!(heir.try_write(&message(2, 2)), Ok(16));
        let mut bytes = [0; 16];
        for expected in [(1, 1), (2, 2)] {
            assert_eq!(reader.try_read(&mut bytes), Ok(16));
            assert_eq!(parse(bytes), expected);
        }
    }
}

#[test]
fn a_writer_that_is_alone_gives_a_leaked_slice_up_like_any_other() {
    let (mut writer, mut reader) = overfall::pipe(4096);
    run_alone(&mut writer, &mut reader);
    std::mem::forget(writer.try_reserve(100).unwrap());
    assert_eq!(writer.try_write(&message(1, 0)), Ok(16));
    let mut bytes = [0; 16];
    assert_eq!(reader.try_read(&mut bytes), Ok(16));
    assert_eq!(parse(bytes), (1, 0));
    writer.terminate();
    assert_eq!(writer.try_write(b"no"), Err(TryWriteError::Terminated));
}

#[test]
fn nobody_takes_the_room_of_a_writer_that_waits() {
    let channel = Channel::with_parameters(1024, Backpressure::Block);
    let mut reader = channel.new_strong_reader();
    let mut alone = channel.new_strong_writer();
    run_alone(&mut alone, &mut reader);
    let mut large = channel.new_strong_writer();
    // Slices of 64 bytes until only one more would fit.
    while alone.try_reserve(128).is_ok() {
        assert!(alone.try_write(b"small").is_ok());
    }
    let mut waiting = std::pin::pin!(large.reserve(512));
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    let mut buffer = [0; 5];
    let mut read = 0;
    // However much room there is besides, the large one finds its own in the end.
    let slice = loop {
        while alone.try_write(b"small").is_ok() {}
        match waiting.as_mut().poll(&mut context) {
            Poll::Ready(slice) => break slice.unwrap(),
            Poll::Pending => assert_eq!(reader.try_read(&mut buffer), Ok(5)),
        }
        read += 1;
        assert!(read <= 16, "a ring was read, and the large slice still waits");
    };
    slice.commit();
    assert!(matches!(alone.try_reserve(1024), Err(TryReserveError::Full)));
}
