//! Parked readers: how they are found, and what their wakers may do meanwhile.

use super::watch::{read_byte, shared};
use super::*;
use crate::channel::reader::Read;
use crate::channel::reader::{StrongReader, WeakReader};
use crate::channel::shared::Shared;
use crate::channel::terms::Ending;
use crate::channel::terms::StartAt;
use crate::channel::waiting::{Closed, Waiting};
use crate::channel::writer::StrongWriter;
use crate::channel::writer::{HasCore, Wait};
use crate::sync::{AtomicBool, Ordering, fence};
use crate::wait::panics::Panics;
use crate::wait::parking::Parking;
use crate::wait::reader_figures::ReaderFigures;
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::{Context, Wake, Waker};

/// Panics when it is woken, and prints nothing.
struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new("on purpose"));
    }
}

/// Remembers that it was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls once, and finds nothing.
fn park(reader: &mut impl Read, waker: &Waker) {
    let poll = reader.poll_read(&mut Context::from_waker(waker), &mut [0]);
    assert!(poll.is_pending());
}

/// Does something in which a waker panics.
fn panics<T>(work: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
}

/// Guards the fence of a commit (ORD(park:B)) against that of a parked reader (ORD(park:A)):
/// without either, the reader sleeps for ever.
#[test]
fn a_parked_reader_is_woken_by_a_commit() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let thread = commits(&shared, &[1]);
        assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
        thread.join().unwrap();
    });
}

/// The same for one that receives, and looks at a glance: also whether it is the end.
#[test]
fn a_reader_that_receives_is_woken_by_a_commit_and_by_the_end() {
    model(2, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let ring = shared.clone();
        let thread = thread::spawn(move || {
            write(&ring.ring, 1, 1).unwrap();
            ring.after_commit();
            ring.end(Ending::Drained);
        });
        assert!(matches!(block_on(reader.recv()), Ok(Some(_))));
        assert!(matches!(block_on(reader.recv()), Ok(None)));
        thread.join().unwrap();
    });
}

/// Guards the set of parked readers, a near one and a further one: each is woken, also if it parks again
/// while the other is being woken.
#[test]
fn two_parked_readers_are_woken_by_two_commits() {
    model(1, || {
        let shared = shared(2);
        let mut near = StrongReader::new(&shared, StartAt::Oldest);
        let mut further = WeakReader::new(&shared, StartAt::Oldest);
        let writing = commits(&shared, &[1, 2]);
        let reading = thread::spawn(move || {
            assert_eq!(block_on(read_byte(&mut near)), Ok(Some(1)));
            // It stays: the channel closes with its last strong reader.
            near
        });
        assert_eq!(block_on(read_byte(&mut further)), Ok(Some(1)));
        assert_eq!(block_on(read_byte(&mut further)), Ok(Some(2)));
        writing.join().unwrap();
        drop(reading.join().unwrap());
    });
}

/// Guards the order of the count of further readers, which is raised before a bit is set. The other way round, a thread
/// that takes a reader out before that one is counted lowers the count of another, which is passed over. On the set
/// alone: with a ring it takes minutes.
#[test]
fn a_further_reader_is_woken_while_another_one_parks() {
    model(PREEMPTIONS, || {
        let parking = Arc::new(Parking::<ReaderFigures>::new());
        let _near = parking.slots.acquire();
        let [mut one, mut other] = [(); 2].map(|()| parking.slots.acquire());
        drop(parking.park(&mut other, Waker::noop()));
        let set = parking.clone();
        let thread = thread::spawn(move || {
            let wake = || {
                fence(Ordering::SeqCst);
                if !set.is_empty() {
                    let mut panics = Panics::new();
                    set.wake_all(&mut panics);
                    panics.finish();
                }
            };
            wake();
            let is_woken = Arc::new(Woken::default());
            drop(set.park(&mut other, &is_woken.clone().into()));
            wake();
            assert!(is_woken.0.load(Ordering::Relaxed), "it is parked, and is passed over");
            other
        });
        drop(parking.park(&mut one, Waker::noop()));
        drop((thread.join().unwrap(), one));
    });
}

fn commits(shared: &Arc<Shared>, bytes: &'static [u8]) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        for &byte in bytes {
            write(&shared.ring, 1, byte).unwrap();
            shared.after_commit();
        }
    })
}

/// Guards that a reader which finds its last waker being taken wakes itself: the new one is not
/// registered, and the one that is woken may be another task's.
#[test]
fn a_reader_that_parks_again_while_its_last_waker_is_taken_is_woken() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        park(&mut reader, Waker::noop());
        let thread = commits(&shared, &[1, 2]);
        let mut expected = 1;
        if reader.read_now(&mut [0; GRANULE as usize]).is_ok() {
            expected = 2;
        }
        while expected <= 2 {
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(expected)));
            expected += 1;
        }
        thread.join().unwrap();
    });
}

/// The same where the commit that it waits for comes when all that is over: nobody else wakes it then.
#[test]
fn a_reader_whose_waker_found_no_place_is_woken_at_once() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        park(&mut reader, Waker::noop());
        let thread = commits(&shared, &[1]);
        let has_read = reader.read_now(&mut [0; GRANULE as usize]).is_ok();
        let woken = Arc::new(Woken::default());
        if has_read {
            park(&mut reader, &woken.clone().into());
        }
        thread.join().unwrap();
        if has_read {
            write(&shared.ring, 1, 2).unwrap();
            shared.after_commit();
            assert!(woken.0.load(Ordering::Relaxed), "it sleeps, and there is something");
        }
    });
}

/// Guards that a waker is said to be left before another thread may take it: otherwise its place would be taken for
/// ever, and the reader would wake itself again and again.
#[test]
fn a_reader_that_parks_while_it_is_woken_finds_its_place_free_afterwards() {
    model(PREEMPTIONS, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let thread = commits(&shared, &[1]);
        let mut buffer = [0; GRANULE as usize];
        let poll = reader.poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
        thread.join().unwrap();
        if poll.is_pending() {
            assert!(reader.read_now(&mut buffer).is_ok());
        }
        let woken = Arc::new(Woken::default());
        park(&mut reader, &woken.clone().into());
        assert!(!woken.0.load(Ordering::Relaxed), "nobody has its place, and there is nothing");
        write(&shared.ring, 1, 2).unwrap();
        shared.after_commit();
        assert!(woken.0.load(Ordering::Relaxed), "it sleeps, and there is something");
    });
}

/// Guards that the panic of a waker is caught: another reader is woken all the same, and the first
/// reader's slot still works.
#[test]
fn a_waker_that_panics_costs_no_other_reader_its_wake() {
    model(2, || {
        let shared = shared(2);
        let mut first = WeakReader::new(&shared, StartAt::Oldest);
        let mut second = StrongReader::new(&shared, StartAt::Oldest);
        park(&mut first, &Waker::from(Arc::new(Panicking)));
        let ring = shared.clone();
        let thread = thread::spawn(move || {
            write(&ring.ring, 1, 1).unwrap();
            panics(|| ring.after_commit());
        });
        assert_eq!(block_on(read_byte(&mut second)), Ok(Some(1)));
        thread.join().unwrap();
        assert_eq!(block_on(read_byte(&mut first)), Ok(Some(1)));
    });
}

/// The same for a writer that waits for a commit, and is looked for after the readers.
#[test]
fn a_readers_waker_that_panics_costs_no_writer_its_wake() {
    model(2, || {
        let shared = shared(1);
        let mut writer = StrongWriter::new(&shared);
        let mut reader = WeakReader::new(&shared, StartAt::Oldest);
        let reservation = reserve(&shared.ring, 1).unwrap();
        park(&mut reader, &Waker::from(Arc::new(Panicking)));
        let other = shared.clone();
        let thread = thread::spawn(move || {
            fill(&other.ring, reservation, 1);
            panics(|| other.after_commit());
        });
        let core = writer.writer_core();
        assert!(
            block_on(poll_fn(|context| core.poll_reserve(context, 1, Wait::LeavesWhenDropped)))
                .is_ok()
        );
        thread.join().unwrap();
    });
}

/// The same at the end of the channel.
#[test]
fn a_waker_that_panics_costs_nobody_the_end() {
    model(2, || {
        let shared = shared(1);
        let mut reader = WeakReader::new(&shared, StartAt::Oldest);
        park(&mut reader, &Waker::from(Arc::new(Panicking)));
        let ending = shared.clone();
        let thread = thread::spawn(move || panics(|| ending.end(Ending::Drained)));
        block_on(Waiting::new(&shared, Closed));
        thread.join().unwrap();
    });
}
