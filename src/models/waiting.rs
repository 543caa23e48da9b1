//! Waiting until what was sent has been read, and for readers.

use super::watch::{read_byte, shared};
use super::*;
use crate::channel::reader::{StrongReader, WeakReader};
use crate::channel::shared::Shared;
use crate::channel::terms::{AfterLast, StartAt};
use crate::channel::waiting::{Attended, Waiting};
use crate::error::FlushError;
use loom::future::block_on;
use loom::thread;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A ring with a slice that is not read yet.
fn unread() -> (Arc<Shared>, StrongReader) {
    let mut shared = shared(2);
    Arc::get_mut(&mut shared).unwrap().after_last = AfterLast::Overwrite;
    let reader = StrongReader::new(&shared, StartAt::Oldest);
    write(&shared.ring, 1, 1).unwrap();
    (shared, reader)
}

/// Guards that a reader that gives something back looks for those who wait for that.
#[test]
fn who_waits_until_it_is_read_is_woken_by_the_reader() {
    model(PREEMPTIONS, || {
        let (shared, mut reader) = unread();
        let flushed = Waiting::new(&shared, shared.everything());
        let thread = thread::spawn(move || {
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
            reader
        });
        assert_eq!(block_on(flushed), Ok(()));
        drop(thread.join().unwrap());
    });
}

/// Guards that who waits turns the watch on.
#[test]
fn who_waits_until_it_is_read_while_nobody_looks_is_woken() {
    model_of_heavy_fences(2, || {
        let (shared, mut reader) = unread();
        shared.end_watch();
        let flushed = Waiting::new(&shared, shared.everything());
        let thread = thread::spawn(move || {
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
            reader
        });
        assert_eq!(block_on(flushed), Ok(()));
        drop(thread.join().unwrap());
    });
}

/// Guards that the watch does not end over who waits until it is read.
#[test]
fn the_watch_does_not_end_over_who_waits_until_it_is_read() {
    model_of_heavy_fences(2, || {
        let (shared, mut reader) = unread();
        let flushed = Waiting::new(&shared, shared.everything());
        let ending = shared.clone();
        let thread = thread::spawn(move || {
            ending.end_watch();
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
            reader
        });
        assert_eq!(block_on(flushed), Ok(()));
        drop(thread.join().unwrap());
    });
}

/// Guards that who waits for less is found, though another who waits for more came first.
#[test]
fn who_waits_for_the_first_slice_is_woken_before_who_waits_for_both() {
    model(2, || {
        let (shared, mut reader) = unread();
        write(&shared.ring, 1, 2).unwrap();
        let mut both = Waiting::new(&shared, shared.everything());
        let context = &mut Context::from_waker(Waker::noop());
        assert_eq!(Pin::new(&mut both).poll(context), Poll::Pending);
        let first = Waiting::new(&shared, shared.up_to(Some(shared.ring.start())));
        let thread = thread::spawn(move || {
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
            reader
        });
        assert_eq!(block_on(first), Ok(()));
        let reader = thread.join().unwrap();
        assert_eq!(Pin::new(&mut both).poll(context), Poll::Pending);
        drop(both);
        drop(reader);
    });
}

/// Guards that what no strong reader has read is never told to be read, no matter who comes next.
#[test]
fn what_the_last_reader_left_unread_is_not_flushed_by_one_that_starts_behind_it() {
    model(2, || {
        let (shared, reader) = unread();
        let flushed = Waiting::new(&shared, shared.everything());
        let coming = shared.clone();
        let thread = thread::spawn(move || {
            drop(reader);
            StrongReader::new(&coming, StartAt::Now)
        });
        assert_eq!(block_on(flushed), Err(FlushError::Unread));
        drop(thread.join().unwrap());
    });
}

#[test]
fn who_waits_for_a_reader_is_woken_when_one_comes() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let coming = shared.clone();
        let thread = thread::spawn(move || WeakReader::new(&coming, StartAt::Oldest));
        assert_eq!(block_on(Waiting::new(&shared, Attended(true))), Ok(()));
        drop(thread.join().unwrap());
    });
}

#[test]
fn who_waits_until_there_is_no_reader_is_woken_when_the_last_one_goes() {
    model(2, || {
        let (shared, reader) = unread();
        let tap = WeakReader::new(&shared, StartAt::Oldest);
        let thread = thread::spawn(move || {
            drop(tap);
            drop(reader);
        });
        assert_eq!(block_on(Waiting::new(&shared, Attended(false))), Ok(()));
        thread.join().unwrap();
    });
}
