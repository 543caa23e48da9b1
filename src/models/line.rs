//! The line of writers that wait for room, and that of threads that wait for the end.

use super::watch::{read_byte, shared, write_slice};
use super::*;
use crate::channel::reader::StrongReader;
use crate::channel::terms::{Backpressure, Sent, StartAt};
use crate::channel::writer::StrongWriter;
use crate::channel::writer::{HasCore, Wait};
use crate::sync::{AtomicBool, AtomicU32, Ordering, fence as full_fence};
use crate::wait::line::{Line, Request, Room, THRESHOLD};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::task::{Context, Poll, Wake, Waker};

/// Says that it was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn woken() -> (Arc<Woken>, Waker) {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    (woken.clone(), Waker::from(woken))
}

/// A poll of a write that waits for room.
fn wait(writer: &mut StrongWriter, granules: u64, waker: &Waker) {
    let bytes = vec![9; (granules * GRANULE) as usize];
    let mut context = Context::from_waker(waker);
    let core = writer.writer_core();
    let poll = core.poll_write(&mut context, &[&bytes[..]], Wait::LeavesWhenDropped);
    assert_eq!(poll, Poll::Pending);
}

/// Guards the fence of a reader that moves on (ORD(park:B)) against that of a parked writer
/// (ORD(park:A)).
#[test]
fn a_parked_writer_is_woken_by_a_reader() {
    model(PREEMPTIONS, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        assert_eq!(block_on(write_slice(&mut writer, 1, 1)), Ok(GRANULE as usize));
        let thread = thread::spawn(move || {
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
            reader
        });
        assert_eq!(block_on(write_slice(&mut writer, 1, 2)), Ok(GRANULE as usize));
        let mut reader = thread.join().unwrap();
        assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(2)));
    });
}

/// Guards the look for writers after a commit: with no strong reader there, a writer may wait for
/// nothing but the slice in flight of another.
#[test]
fn a_parked_writer_is_woken_by_a_commit() {
    model(2, || {
        let shared = shared(1);
        let mut writer = StrongWriter::new(&shared);
        let reservation = reserve(&shared.ring, 1).unwrap();
        let other = shared.clone();
        let thread = thread::spawn(move || {
            fill(&other.ring, reservation, 1);
            other.after_commit();
        });
        assert_eq!(block_on(write_slice(&mut writer, 1, 2)), Ok(GRANULE as usize));
        thread.join().unwrap();
    });
}

/// Guards the look for writers when a strong reader leaves.
#[test]
fn a_dropped_reader_frees_a_parked_writer() {
    model(2, || {
        let shared = shared(1);
        let reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        assert_eq!(block_on(write_slice(&mut writer, 1, 1)), Ok(GRANULE as usize));
        let thread = thread::spawn(move || drop(reader.into_weak()));
        assert_eq!(block_on(write_slice(&mut writer, 1, 2)), Ok(GRANULE as usize));
        thread.join().unwrap();
    });
}

/// Guards that a waiter which leaves lets the next one have its turn: it may have been woken for
/// both.
#[test]
fn a_cancelled_writer_passes_its_wake_on() {
    model(PREEMPTIONS, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut first = StrongWriter::new(&shared);
        let mut second = StrongWriter::new(&shared);
        write(&shared.ring, 1, 1).unwrap();
        let (is_woken, waker) = woken();
        wait(&mut first, 1, Waker::noop());
        wait(&mut second, 1, &waker);
        let mut buffer = [0; GRANULE as usize];
        let reading = thread::spawn(move || {
            assert_eq!(reader.try_read(&mut buffer), Ok(GRANULE as usize));
            reader
        });
        first.writer_core().stop_waiting();
        let reader = reading.join().unwrap();
        assert!(is_woken.0.load(Ordering::Relaxed));
        drop((second, reader));
    });
}

/// Guards the same for a writer that drops its message when its time is up. Whether it still gets the
/// room or not, its message is counted once.
#[test]
fn a_writer_whose_time_is_up_passes_its_wake_on_or_sends() {
    model(1, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut first = StrongWriter::new(&shared);
        let mut second = StrongWriter::new(&shared);
        first.writer_core().backpressure = Backpressure::Drop;
        write(&shared.ring, 1, 1).unwrap();
        let (is_woken, waker) = woken();
        let mut buffer = [0; GRANULE as usize];
        let reading = thread::spawn(move || {
            assert_eq!(reader.try_read(&mut buffer), Ok(GRANULE as usize));
            reader
        });
        let mut is_up = false;
        let until = poll_fn(|context| {
            if std::mem::replace(&mut is_up, true) {
                return Poll::Ready(());
            }
            wait(&mut second, 1, &waker);
            context.waker().wake_by_ref();
            Poll::Pending
        });
        let sent = block_on(first.writer_core().send_or_drop(&[2; GRANULE as usize], until));
        let reader = reading.join().unwrap();
        let dropped = sent == Ok(Sent::Dropped);
        assert!(dropped || sent == Ok(Sent::Delivered));
        let stats = first.stats();
        assert_eq!((stats.slices, stats.dropped_slices), (u64::from(!dropped), u64::from(dropped)));
        assert!(!dropped || is_woken.0.load(Ordering::Relaxed));
        drop((second, reader));
    });
}

/// A writer waits until there is room, and takes none. It is woken as one that takes it. Guards that it
/// leaves the line then: the next one is woken for the same room.
#[test]
fn a_writer_that_is_ready_leaves_its_turn_to_the_next() {
    model(2, || {
        let shared = shared(2);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut first = StrongWriter::new(&shared);
        let mut second = StrongWriter::new(&shared);
        // The reader leaves one unread: it might still make room, and so only the turn counts.
        (0..2).for_each(|byte| write(&shared.ring, 1, byte).unwrap());
        let thread = thread::spawn(move || {
            let mut buffer = [0; GRANULE as usize];
            assert_eq!(reader.try_read(&mut buffer), Ok(GRANULE as usize));
            reader
        });
        let (is_woken, waker) = woken();
        let mut is_waiting = false;
        let ready = block_on(poll_fn(|context| {
            let wait = Wait::LeavesWhenDropped;
            let poll = first.writer_core().poll_is_room(context.waker(), wait);
            if poll.is_pending() && !is_waiting {
                is_waiting = true;
                let bytes = [2; GRANULE as usize];
                let mut context = Context::from_waker(&waker);
                let core = second.writer_core();
                is_waiting = core.poll_write(&mut context, &[&bytes[..]], wait).is_pending();
            }
            poll
        }));
        assert!(ready.is_ok());
        // It may be the reader that wakes it.
        let reader = thread.join().unwrap();
        assert!(!is_waiting || is_woken.0.load(Ordering::Relaxed));
        drop((second, reader));
    });
}

/// Guards the fence of a waiter that leaves (ORD(park:A)): if room came while it had been woken,
/// and no thread told the next waiter of it, the leaving waiter sees that room.
#[test]
fn a_woken_writer_that_leaves_sees_what_was_given_back_meanwhile() {
    model(2, || {
        let shared = shared(4);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut first = StrongWriter::new(&shared);
        let mut second = StrongWriter::new(&shared);
        (0..4).for_each(|byte| write(&shared.ring, 1, byte).unwrap());
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let wakers = [Waker::noop().clone(), Waker::from(woken.clone())];
        for (writer, (granules, waker)) in
            [&mut first, &mut second].into_iter().zip([1, 2].iter().zip(&wakers))
        {
            let bytes = vec![3; granules * GRANULE as usize];
            let mut context = Context::from_waker(waker);
            let core = writer.writer_core();
            assert!(
                core.poll_write(&mut context, &[&bytes[..]], Wait::LeavesWhenDropped).is_pending()
            );
        }
        let reading = thread::spawn(move || {
            // The first byte makes room for the first writer, the other for the second.
            (0..2).for_each(|byte| assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(byte))));
            reader
        });
        first.writer_core().stop_waiting();
        let reader = reading.join().unwrap();
        assert!(woken.0.load(Ordering::Relaxed));
        drop((first, second, reader));
    });
}

/// A line of its own, and as much room as `room` says.
#[derive(Debug)]
struct Lined {
    line: Line,
    room: AtomicU32,
}

impl Lined {
    fn new() -> Arc<Self> {
        Arc::new(Self { line: Line::new(), room: AtomicU32::new(0) })
    }

    /// Makes room, as a reader does.
    fn give_back(&self) {
        self.room.fetch_add(1, Ordering::Relaxed);
        full_fence(Ordering::SeqCst);
        self.line.check(self);
    }
}

impl Room for Lined {
    fn has(&self, length: u64, others: u64) -> bool {
        length + others <= u64::from(self.room.load(Ordering::Relaxed))
    }

    fn may_grow(&self) -> bool {
        true
    }
}

/// Guards the mark that A leaves for B, which has the lock (ORD(line:A)), and B's look behind its
/// unlocking (ORD(line:B)): A makes room while B joins.
#[test]
fn who_has_the_lock_wakes_for_who_finds_it_taken() {
    model(PREEMPTIONS, || {
        let lined = Lined::new();
        let (is_woken, waker) = woken();
        let request = Request { length: 1, claim: 1, threshold: THRESHOLD };
        lined.line.join(&mut None, request, &waker, &*lined);
        let others = lined.clone();
        let thread = thread::spawn(move || others.give_back());
        // This thread has the lock for a while.
        let mut ticket = None;
        lined.line.join(&mut ticket, request, Waker::noop(), &*lined);
        thread.join().unwrap();
        assert!(is_woken.0.load(Ordering::Relaxed));
    });
}

/// The same at the end, for a waiter that leaves. Guards, too, that a mark stays for as long as
/// there is more to do.
#[test]
fn who_has_the_lock_wakes_all_for_an_end_that_finds_it_taken() {
    model(PREEMPTIONS, || {
        let lined = Lined::new();
        let woken = [(); 2].map(|()| woken());
        let request = Request { length: 1, claim: 1, threshold: THRESHOLD };
        for (_, waker) in &woken {
            lined.line.join(&mut None, request, waker, &*lined);
        }
        let mut ticket = None;
        lined.line.join(&mut ticket, request, Waker::noop(), &*lined);
        let others = lined.clone();
        let thread = thread::spawn(move || others.line.wake_all());
        lined.line.leave(ticket.unwrap(), &*lined);
        thread.join().unwrap();
        assert!(woken.iter().all(|(is_woken, _)| is_woken.0.load(Ordering::Relaxed)));
        assert!(lined.line.is_empty());
    });
}

/// Guards what is known of the line without the lock: A leaves and so changes it, while B makes
/// room that was too little before, and is enough then.
#[test]
fn room_that_is_made_while_another_leaves_is_seen_by_one_of_the_two() {
    model(PREEMPTIONS, || {
        let lined = Lined::new();
        let (is_woken, waker) = woken();
        let request = |length| Request { length, claim: length, threshold: THRESHOLD };
        let mut first = None;
        lined.line.join(&mut first, request(2), Waker::noop(), &*lined);
        lined.line.join(&mut None, request(1), &waker, &*lined);
        let others = lined.clone();
        let thread = thread::spawn(move || others.give_back());
        lined.line.leave(first.unwrap(), &*lined);
        thread.join().unwrap();
        assert!(is_woken.0.load(Ordering::Relaxed));
    });
}

/// Guards a line whose room is made by A and B. A finds B waking a waiter: both waiters are woken.
#[test]
fn two_who_wait_are_woken_by_two_who_give_back() {
    model(2, || {
        let lined = Lined::new();
        let woken = [(); 2].map(|()| woken());
        for (_, waker) in &woken {
            let request = Request { length: 1, claim: 1, threshold: THRESHOLD };
            lined.line.join(&mut None, request, waker, &*lined);
        }
        let other = lined.clone();
        let thread = thread::spawn(move || other.give_back());
        lined.give_back();
        thread.join().unwrap();
        assert!(woken.iter().all(|(is_woken, _)| is_woken.0.load(Ordering::Relaxed)));
    });
}

/// Guards that room which a woken writer does not take goes to the next one, even if no other
/// thread runs by then: the next one asks again, and passes the first one over.
#[test]
fn room_that_a_woken_writer_does_not_take_goes_to_the_next() {
    model(2, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut first = StrongWriter::new(&shared);
        let mut second = StrongWriter::new(&shared);
        write(&shared.ring, 1, 1).unwrap();
        wait(&mut first, 1, Waker::noop());
        let reading = thread::spawn(move || {
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
            assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(2)));
            reader
        });
        assert_eq!(block_on(write_slice(&mut second, 1, 2)), Ok(GRANULE as usize));
        drop(reading.join().unwrap());
        drop(first);
    });
}

/// A writer that comes while it is passed over is served as well.
#[test]
fn a_writer_that_comes_while_it_is_passed_over_is_served() {
    model(1, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut first = StrongWriter::new(&shared);
        let mut second = StrongWriter::new(&shared);
        write(&shared.ring, 1, 1).unwrap();
        wait(&mut first, 1, Waker::noop());
        let mut buffer = [0; GRANULE as usize];
        assert_eq!(reader.try_read(&mut buffer), Ok(GRANULE as usize));
        let late = thread::spawn(move || {
            assert_eq!(block_on(write_slice(&mut first, 1, 3)), Ok(GRANULE as usize));
        });
        let bytes = [2; GRANULE as usize];
        let mut context = Context::from_waker(Waker::noop());
        let mut read = Vec::new();
        for _ in 0..THRESHOLD {
            let core = second.writer_core();
            let poll = core.poll_write(&mut context, &[&bytes[..]], Wait::LeavesWhenDropped);
            if poll.is_ready() {
                read.push(block_on(read_byte(&mut reader)).unwrap().unwrap());
                break;
            }
        }
        second.writer_core().stop_waiting();
        late.join().unwrap();
        assert_eq!(reader.try_read(&mut buffer), Ok(GRANULE as usize));
        read.push(buffer[0]);
        assert!(read == [3] || read == [2, 3], "{read:?}");
    });
}

/// Guards the question whether more room may come: there is room for the second writer, which may
/// sleep by then or not yet, and the first one has been woken and does not come.
#[test]
fn the_last_room_wakes_those_behind_a_writer_that_does_not_come() {
    model(2, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut first = StrongWriter::new(&shared);
        write(&shared.ring, 1, 1).unwrap();
        wait(&mut first, 1, Waker::noop());
        let other = shared.clone();
        let writing = thread::spawn(move || {
            let mut second = StrongWriter::new(&other);
            assert_eq!(block_on(write_slice(&mut second, 1, 2)), Ok(GRANULE as usize));
        });
        let mut buffer = [0; GRANULE as usize];
        assert_eq!(reader.try_read(&mut buffer), Ok(GRANULE as usize));
        writing.join().unwrap();
        assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(2)));
        drop(first);
    });
}
