//! Spools that pull: one reads the source at a time, no need is lost, and nobody reads ahead.

use super::{PREEMPTIONS, model};
use crate::io::source::{AsyncSource, PollRead};
use crate::spool::{Growth, Spool};
use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Segments of one byte: so a read of the source brings one.
fn spool() -> Spool {
    Spool::builder().growth(Growth::Constant { size: 1 }).build().unwrap()
}

/// A source that has what was put there, one byte for each read, and else keeps the waker.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<(u8, Option<Waker>)>>);

impl Told {
    fn tell(&self, bytes: u8) {
        let mut told = self.0.lock().unwrap();
        told.0 += bytes;
        let waker = told.1.take();
        drop(told);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl PollRead for Told {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut told = self.0.lock().unwrap();
        if told.0 == 0 {
            told.1 = Some(context.waker().clone());
            return Poll::Pending;
        }
        told.0 -= 1;
        buffer[0] = 7;
        Poll::Ready(Ok(1))
    }
}

impl AsyncSource for Told {}

/// Guards that a wake while the source is polled counts when the job comes back, and that the source's
/// waker wakes who waits.
#[test]
fn a_source_that_has_something_wakes_who_waits() {
    model(PREEMPTIONS, || {
        let (spool, told) = (spool(), Told::default());
        spool.pull_async(told.clone()).unwrap();
        let mut reader = spool.reader().unwrap();
        let thread = thread::spawn(move || {
            assert_eq!(block_on(reader.read(&mut [0])), Ok(1));
        });
        told.tell(1);
        thread.join().unwrap();
        assert_eq!(spool.len(), 1);
    });
}

/// Guards the same where the source wakes while it is polled.
#[test]
fn a_source_that_wakes_while_it_is_polled_is_polled_again() {
    struct AtOnce(bool);
    impl PollRead for AtOnce {
        fn poll_read(
            &mut self,
            context: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            if !std::mem::replace(&mut self.0, true) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            buffer[0] = 7;
            Poll::Ready(Ok(1))
        }
    }
    impl AsyncSource for AtOnce {}
    model(PREEMPTIONS, || {
        let spool = spool();
        spool.pull_async(AtOnce(false)).unwrap();
        let mut reader = spool.reader().unwrap();
        assert_eq!(block_on(reader.read(&mut [0])), Ok(1));
    });
}

/// Guards that a reader that has read wakes those who need more, and that one that came while it read
/// does not read at the same time.
#[test]
fn a_reader_that_has_what_it_needs_leaves_the_source_to_others() {
    model(2, || {
        let (spool, told) = (spool(), Told::default());
        told.tell(2);
        spool.pull_async(told.clone()).unwrap();
        let (mut near, mut far) = (spool.reader().unwrap(), spool.reader().unwrap());
        far.advance(1);
        let thread = thread::spawn(move || {
            assert_eq!(block_on(far.read(&mut [0])), Ok(1));
        });
        assert_eq!(block_on(near.read(&mut [0])), Ok(1));
        thread.join().unwrap();
    });
}

/// Guards that a reader looks at the length again when it is its turn: it does not read ahead.
#[test]
fn two_who_need_the_same_byte_read_once() {
    model(2, || {
        let (spool, told) = (spool(), Told::default());
        told.tell(2);
        spool.pull_async(told.clone()).unwrap();
        let (mut first, mut second) = (spool.reader().unwrap(), spool.reader().unwrap());
        let thread = thread::spawn(move || {
            assert_eq!(block_on(first.read(&mut [0])), Ok(1));
        });
        assert_eq!(block_on(second.read(&mut [0])), Ok(1));
        thread.join().unwrap();
        assert_eq!(spool.len(), 1, "somebody read ahead");
    });
}

/// Shows that the reader that has polled the source may be dropped at any time: nothing depends on it.
#[test]
fn a_puller_that_is_dropped_leaves_the_source_to_others() {
    model(2, || {
        let (spool, told) = (spool(), Told::default());
        spool.pull_async(told.clone()).unwrap();
        let (mut first, mut second) = (spool.reader().unwrap(), spool.reader().unwrap());
        let polled = first.poll_ready(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let thread = thread::spawn(move || {
            assert_eq!(block_on(second.read(&mut [0])), Ok(1));
        });
        let telling = thread::spawn(move || told.tell(1));
        drop(first);
        thread.join().unwrap();
        telling.join().unwrap();
    });
}

/// Guards that who waited before there was a source asks it.
#[test]
fn who_parks_while_the_source_comes_is_served() {
    model(PREEMPTIONS, || {
        let (spool, told) = (spool(), Told::default());
        told.tell(1);
        let mut reader = spool.reader().unwrap();
        let thread = thread::spawn(move || {
            assert_eq!(block_on(reader.read(&mut [0])), Ok(1));
        });
        spool.pull_async(told.clone()).unwrap();
        thread.join().unwrap();
    });
}

/// Guards that a thread that serves is woken by a need, reads on while somebody needs more, and ends when
/// nobody can need anything.
#[test]
fn a_thread_serves_two_readers_and_ends_with_them() {
    model(2, || {
        let spool = spool();
        let serve = spool.pull_by(io::repeat(7));
        let mut far = spool.reader().unwrap();
        let serving = thread::spawn(serve);
        far.advance(1);
        assert_eq!(block_on(far.read(&mut [0])), Ok(1));
        assert_eq!(spool.len(), 2, "it read ahead");
        drop((spool, far));
        serving.join().unwrap();
    });
}

/// Guards that an error is told to who waits, and once.
#[test]
fn a_threads_error_is_told_to_who_waits() {
    struct FailsOnce(bool);
    impl io::Read for FailsOnce {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if !std::mem::replace(&mut self.0, true) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            buffer[0] = 7;
            Ok(1)
        }
    }
    model(2, || {
        let spool = spool();
        let serving = thread::spawn(spool.pull_by(FailsOnce(false)));
        let mut reader = spool.reader().unwrap();
        assert!(block_on(reader.read(&mut [0])).is_err());
        assert_eq!(block_on(reader.read(&mut [0])), Ok(1));
        drop((spool, reader));
        serving.join().unwrap();
    });
}
