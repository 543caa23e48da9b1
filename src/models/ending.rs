//! Draining, terminating, and the last endpoint to go.

use super::watch::{read_byte, shared, shared_with, write_slice};
use super::*;
use crate::channel::reader::StrongReader;
use crate::channel::terms::Ending;
use crate::channel::terms::StartAt;
use crate::channel::waiting::{Closed, Waiting};
use crate::channel::writer::StrongWriter;
use crate::error::{Failure, ReadError, WriteError};
use loom::future::block_on;
use loom::thread;

/// Guards that the channel is closed and its final position decided in one step: a slice is either
/// refused, or read by every reader before the end.
#[test]
fn a_drain_and_a_write_agree_on_the_final_position() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let writing = shared.clone();
        let thread = thread::spawn(move || {
            let written = write(&writing.ring, 1, 1);
            writing.after_commit();
            written
        });
        shared.end(Ending::Drained);
        let read = block_on(read_byte(&mut reader));
        let expected = match thread.join().unwrap() {
            Ok(()) => Some(1),
            Err(_) => None,
        };
        assert_eq!(read, Ok(expected));
        assert_eq!(block_on(read_byte(&mut reader)), Ok(None));
    });
}

/// Guards the look for the end after parking, and the wake of all readers at the end.
#[test]
fn a_drain_wakes_a_parked_reader() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let ending = shared.clone();
        let thread = thread::spawn(move || ending.end(Ending::Drained));
        assert_eq!(block_on(read_byte(&mut reader)), Ok(None));
        thread.join().unwrap();
    });
}

/// Guards that the reason is there before the channel is closed (ORD(close:A), ORD(close:B)), and
/// the wake of writers at the end. Without sections: their interruption would do what the Release
/// does.
#[test]
fn a_terminate_wakes_a_parked_writer_which_learns_why() {
    model(PREEMPTIONS, || {
        let shared = shared_with(1, false);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        assert_eq!(block_on(write_slice(&mut writer, 1, 1)), Ok(GRANULE as usize));
        let ending = shared.clone();
        let thread = thread::spawn(move || ending.end(Ending::Terminated));
        assert_eq!(block_on(write_slice(&mut writer, 1, 2)), Err(WriteError::Terminated));
        thread.join().unwrap();
        assert_eq!(block_on(read_byte(&mut reader)), Err(ReadError::Terminated));
    });
}

/// Guards that a reader fails if it finds a slice, and finds nothing any more when it copies: that
/// is not the end.
#[test]
fn a_terminate_is_not_taken_for_the_end() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let ending = shared.clone();
        let thread = thread::spawn(move || {
            write(&ending.ring, 1, 1).unwrap();
            ending.after_commit();
            ending.end(Ending::Terminated);
        });
        let read = block_on(read_byte(&mut reader));
        assert!(matches!(read, Ok(Some(1)) | Err(ReadError::Terminated)), "{read:?}");
        thread.join().unwrap();
    });
}

/// Guards the registry: the reader comes to the end, if the handle goes last as well as if the
/// writer does.
#[test]
fn the_last_to_go_drains_the_channel() {
    model(2, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let writer = StrongWriter::new(&shared);
        let handle = shared.clone();
        let first = thread::spawn(move || handle.drop_handle());
        let second = thread::spawn(move || drop(writer));
        assert_eq!(block_on(read_byte(&mut reader)), Ok(None));
        first.join().unwrap();
        second.join().unwrap();
    });
}

#[test]
fn a_future_for_the_end_is_woken_by_it() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let ending = shared.clone();
        let thread = thread::spawn(move || ending.end(Ending::Drained));
        block_on(Waiting::new(&shared, Closed));
        thread.join().unwrap();
    });
}

/// Guards the exchange that decides between a clean end and a failure, and that the failure is there
/// before it: a reader that has seen one of the two never sees the other, nor none.
#[test]
fn a_drain_and_a_failure_agree_on_the_end() {
    model(2, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let reading = thread::spawn(move || {
            let first = block_on(read_byte(&mut reader));
            (first, block_on(read_byte(&mut reader)))
        });
        let draining = shared.clone();
        let thread = thread::spawn(move || draining.end(Ending::Drained));
        let failure = Failure::new("out of paper");
        let failed = shared.fail(failure.clone());
        thread.join().unwrap();
        let (first, second) = reading.join().unwrap();
        assert_eq!(first, second);
        let expected = if failed.is_ok() { Err(ReadError::Failed(failure)) } else { Ok(None) };
        assert_eq!(first, expected);
    });
}

/// Guards that the second of two that fail the channel does not go before the channel has failed: what
/// it does next, such as to drop the last writer, would be a clean end.
#[test]
fn of_two_failures_one_counts() {
    model(2, || {
        let shared = shared(2);
        let [first, second] = [Failure::new("first"), Failure::new("second")];
        let (failing, failure) = (shared.clone(), second.clone());
        let thread = thread::spawn(move || {
            let failed = failing.fail(failure);
            failing.end(Ending::Drained);
            failed.is_ok()
        });
        let is_first = shared.fail(first.clone()).is_ok();
        let is_second = thread.join().unwrap();
        assert_ne!(is_first, is_second);
        assert_eq!(shared.failure(), Some(if is_first { first } else { second }));
    });
}
