//! Wakers that panic, when they are woken, cloned or dropped: they cost nobody else the wake-up, and
//! leave nothing behind. And one that stands still.
#![allow(unsafe_code, reason = "a waker whose clone panics cannot be made otherwise")]

#[cfg(feature = "tracing")]
mod events;
mod stage;
mod trouble;
mod ways;

use overfall::spool::Spool;
use overfall::{Channel, Reader, StartAt};
use overfall_tests::{LIMIT, Task, overwriting, until, within};
use stage::{Kind, READERS, Stage, WAITERS, WRITERS};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Wake, Waker};
use std::thread;
use trouble::{Moment, Trouble, caught, panic_of};
use ways::{FOR_ALL, FOR_READERS, FOR_WRITERS, FOR_WRITERS_AT_THE_END, Way};

/// Whose waker panics: each place in turn, and several.
const PATTERNS: [&[bool]; 6] = [
    &[true, false, false],
    &[false, true, false],
    &[false, false, true],
    &[true, true, false],
    &[true, false, true, false, true],
    &[true, true, true],
];

/// Plays each way with each kind of waiter and each pattern, also in a drop while the thread panics.
fn play(ways: &[Way], kinds: &[Kind]) {
    for &(name, way) in ways {
        for &kind in kinds {
            for pattern in PATTERNS {
                for in_a_panic in [false, true] {
                    let case = format!("{name}, {kind:?}, {pattern:?}, in a panic: {in_a_panic}");
                    println!("{case}");
                    let plan = pattern.iter().map(|&panics| (kind, panics));
                    Stage::new(plan, in_a_panic).play(way);
                }
            }
        }
    }
}

#[test]
fn a_waker_that_panics_costs_no_parked_reader_its_wake() {
    within(LIMIT, || play(FOR_READERS, READERS));
}

#[test]
fn a_waker_that_panics_costs_nobody_the_end() {
    within(LIMIT, || play(FOR_ALL, WAITERS));
}

#[test]
fn a_waker_that_panics_costs_no_writer_the_end_when_the_last_reader_goes() {
    within(LIMIT, || play(FOR_WRITERS_AT_THE_END, WRITERS));
}

#[test]
fn a_waker_that_panics_costs_no_waiting_writer_its_room() {
    within(LIMIT, || play(FOR_WRITERS, WRITERS));
}

/// Readers, writers and those who wait for the end, all at once, around those whose wakers panic.
#[test]
fn a_waker_of_one_kind_costs_no_other_kind_its_wake() {
    within(LIMIT, || {
        for &(name, way) in FOR_ALL {
            for &bad in WAITERS {
                for in_a_panic in [false, true] {
                    println!("{name}, {bad:?}, in a panic: {in_a_panic}");
                    let others = WAITERS.iter().map(|&kind| (kind, false));
                    let plan: Vec<_> = others.clone().chain([(bad, true)]).chain(others).collect();
                    Stage::new(plan, in_a_panic).play(way);
                }
            }
        }
    });
}

/// One that cannot be cloned panics where it is registered, and nowhere else.
#[test]
fn a_waker_whose_clone_panics_costs_nobody_else_the_wake() {
    within(LIMIT, || {
        for &kind in WAITERS {
            println!("{kind:?}");
            let channel = Channel::new(4096);
            let slice = channel.try_reserve_slice(4096).unwrap();
            let trouble = Trouble::new(Moment::Clone, 0);
            trouble.arm();
            let mut good = Vec::new();
            for _ in 0..3 {
                let mut task = kind.wait(&channel, false);
                assert!(task.poll().is_pending());
                good.push(task);
                let mut bad = kind.wait(&channel, false);
                let panic = caught(|| bad.poll_with(&trouble.waker())).unwrap_err();
                assert_eq!(panic_of(panic), Some(0));
            }
            channel.terminate();
            assert!(good.iter().all(|task| task.wakes() == 1));
            good.into_iter().for_each(Task::result);
            drop(slice);
            assert_nobody_is_left(&channel);
        }
    });
}

/// Waits with a waker that panics where it is registered, or where another takes its place.
#[track_caller]
fn fail<T>(mut task: Task<'_, T>, at: Moment) {
    let trouble = Trouble::new(at, 3);
    let waker = trouble.waker();
    if at == Moment::Drop {
        assert!(task.poll_with(&waker).is_pending());
        drop(waker);
        trouble.arm();
        assert_eq!(caught(|| task.poll()).err().and_then(panic_of), Some(3));
    } else {
        trouble.arm();
        assert_eq!(caught(|| task.poll_with(&waker)).err().and_then(panic_of), Some(3));
    }
}

#[test]
fn an_endpoint_is_woken_though_a_waker_of_its_panicked_before() {
    within(LIMIT, || {
        for at in [Moment::Clone, Moment::Drop] {
            let channel = Channel::new(1024);
            let mut writer = channel.new_writer();
            let mut readers: [Reader; 2] =
                [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
            for round in 0..3 {
                for reader in &mut readers {
                    fail(Task::new(reader.recv()), at);
                }
                let tasks = readers.each_mut().map(|reader| Task::parked(reader.recv()));
                writer.try_send(&[round]).unwrap();
                for task in tasks {
                    assert_eq!(task.wakes(), 1);
                    assert_eq!(task.result().unwrap().as_deref(), Some(&[round][..]));
                }
            }
            let channel = Channel::new(64);
            let mut reader = channel.new_strong_reader();
            let mut writer = channel.new_writer();
            writer.try_send(b"full").unwrap();
            for _ in 0..3 {
                fail(Task::new(writer.send(b"x")), at);
                let task = Task::parked(writer.send(b"x"));
                drop(reader.try_recv().unwrap());
                assert_eq!(task.wakes(), 1);
                task.result().unwrap();
            }
        }
    });
}

/// The same for who is given the place of one that failed.
#[test]
fn the_next_reader_of_a_slot_is_woken_whatever_the_waker_of_the_last_one_did() {
    within(LIMIT, || {
        for at in [Moment::Wake, Moment::Clone, Moment::Drop] {
            for &kind in READERS {
                println!("{at:?}, {kind:?}");
                let channel = overwriting(4096);
                let mut writer = channel.new_writer();
                let trouble = Trouble::new(at, 0);
                let mut bad = kind.wait(&channel, true);
                let waker = trouble.waker();
                if at == Moment::Clone {
                    trouble.arm();
                }
                assert_eq!(caught(|| bad.poll_with(&waker)).is_err(), at == Moment::Clone);
                drop(waker);
                trouble.arm();
                if at == Moment::Wake {
                    assert_eq!(panic_of(caught(|| writer.try_write(b"x")).unwrap_err()), Some(0));
                }
                assert_eq!(caught(|| drop(bad)).is_err(), at == Moment::Drop);
                assert_nobody_is_left(&channel);
                let mut next = kind.wait(&channel, true);
                for wakes in 1..4 {
                    assert!(next.poll().is_pending());
                    writer.try_write(b"").unwrap();
                    let slice = writer.try_reserve(1).unwrap();
                    slice.abort();
                    assert_eq!(next.wakes(), wakes);
                }
                writer.try_write(b"x").unwrap();
                next.result();
            }
        }
    });
}

/// One that is dropped with a panic: when another takes its place, and when its waiter goes.
#[test]
fn a_waker_whose_drop_panics_costs_nobody_else_the_wake() {
    within(LIMIT, || {
        for &kind in WAITERS {
            for (replaced, in_a_panic) in [(true, false), (false, false), (false, true)] {
                println!("{kind:?}, replaced: {replaced}, in a panic: {in_a_panic}");
                let channel = Channel::new(4096);
                let slice = channel.try_reserve_slice(4096).unwrap();
                let (mut before, mut bad, mut behind) = (
                    kind.wait(&channel, false),
                    kind.wait(&channel, false),
                    kind.wait(&channel, false),
                );
                let trouble = Trouble::new(Moment::Drop, 7);
                let waker = trouble.waker();
                assert!(before.poll().is_pending());
                assert!(bad.poll_with(&waker).is_pending());
                assert!(behind.poll().is_pending());
                drop(waker);
                trouble.arm();
                let panic = if replaced {
                    caught(|| bad.poll()).map(drop)
                } else {
                    stage::act(in_a_panic, || drop(bad))
                };
                assert_eq!(panic_of(panic.unwrap_err()), (!in_a_panic).then_some(7));
                drop(slice);
                if kind.is_writer() {
                    // Room for all: the first one is woken, and what it does lets the next one have its
                    // turn.
                    assert_eq!(before.wakes(), 1);
                    before.result();
                    assert_eq!(behind.wakes(), 1);
                    behind.result();
                } else {
                    channel.terminate();
                    assert!(before.wakes() > 0 && behind.wakes() > 0);
                    [before, behind].into_iter().for_each(Task::result);
                }
                assert_nobody_is_left(&channel);
            }
        }
    });
}

/// What comes while a waker is registered is found at once, and the waker is left behind. It is not dropped
/// then: its panic would cost what was found.
#[test]
fn a_waker_whose_drop_panics_costs_nobody_what_was_found() {
    fn found<T>(future: impl Future<Output = T>, comes: impl FnOnce() + Send + 'static) -> T {
        let trouble = Trouble::new(Moment::Drop, 5);
        let waker = trouble.waker();
        trouble.when_cloned(comes);
        trouble.arm();
        let mut task = Task::new(future);
        let found = caught(|| task.poll_with(&waker));
        trouble.disarm();
        match found {
            Ok(Poll::Ready(found)) => found,
            Ok(Poll::Pending) => panic!("it is there"),
            Err(_) => panic!("lost by a panic of the waker"),
        }
    }
    within(LIMIT, || {
        let channel = Channel::new(1024);
        let mut readers: [Reader; 2] =
            [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
        for reader in &mut readers {
            let mut writers = [(); 2].map(|()| channel.new_writer()).into_iter();
            let mut send = || {
                let mut writer = writers.next().unwrap();
                move || writer.try_send(b"found").unwrap()
            };
            reader.skip_to(StartAt::Now);
            assert_eq!(*found(reader.recv(), send()).unwrap().unwrap(), *b"found");
            let mut buffer = Vec::new();
            found(reader.recv_into(&mut buffer), send()).unwrap().unwrap();
            assert_eq!(buffer, b"found");
        }
        for at_once in [false, true] {
            let spool = Spool::memory();
            let (mut writer, mut reader) = (spool.writer().unwrap(), spool.reader().unwrap());
            let writes = move || assert_eq!(writer.try_write(b"found").unwrap(), 5);
            let mut buffer = [0; 8];
            if at_once {
                assert_eq!(found(reader.fill_buf(), writes).unwrap(), b"found");
            } else {
                assert_eq!(found(reader.read(&mut buffer), writes).unwrap(), 5);
                assert_eq!((&buffer[..5], reader.position()), (&b"found"[..], 5));
            }
        }
    });
}

#[track_caller]
fn assert_nobody_is_left(channel: &Channel) {
    let stats = channel.stats();
    assert_eq!((stats.strong_readers, stats.weak_readers, stats.readers.len()), (0, 0, 0));
    assert_eq!(overfall_tests::waiting_writers(channel), 0);
}

/// What a panic carries may panic as well when it is dropped. Only the first one goes on.
#[test]
fn what_the_panics_of_wakers_carry_may_panic_too() {
    within(LIMIT, || {
        for in_a_panic in [false, true] {
            let channel = Channel::new(1024);
            let mut writer = channel.new_writer();
            let mut bad: Vec<_> = (0..3).map(|_| Kind::Weak.wait(&channel, true)).collect();
            for (number, task) in bad.iter_mut().enumerate() {
                let trouble = Trouble::new(Moment::Wake, trouble::EXPLOSIVE + number);
                trouble.arm();
                assert!(task.poll_with(&trouble.waker()).is_pending());
            }
            let mut good = Kind::Strong.wait(&channel, true);
            assert!(good.poll().is_pending());
            let result = stage::act(in_a_panic, || writer.try_write(b"x"));
            let number = panic_of(result.unwrap_err());
            assert_eq!(number, (!in_a_panic).then_some(trouble::EXPLOSIVE));
            assert_eq!(good.wakes(), 1);
            good.result();
            bad.into_iter().for_each(Task::result);
        }
    });
}

/// A writer whose turn it is wakes the next one, whose waker panics, and has a reservation in its hand.
#[test]
fn a_writer_that_wakes_the_next_one_leaves_no_slice_in_flight_when_that_panics() {
    within(LIMIT, || {
        for &kind in WRITERS {
            println!("{kind:?}");
            let channel = Channel::new(4096);
            let mut reader = channel.new_strong_reader();
            let mut writer = channel.new_writer();
            writer.try_write(&[1; 4096]).unwrap();
            let (mut first, mut second, mut third) =
                (kind.wait(&channel, true), kind.wait(&channel, true), kind.wait(&channel, true));
            let trouble = Trouble::new(Moment::Wake, 1);
            trouble.arm();
            assert!(first.poll().is_pending());
            assert!(second.poll_with(&trouble.waker()).is_pending());
            assert!(third.poll().is_pending());
            // Whoever it is that wakes the second one: the reader, or the first writer.
            let _ = caught(|| reader.try_read(&mut [0; 4096]));
            assert_eq!(first.wakes(), 1);
            let polled = caught(|| first.poll());
            assert!(trouble.woken() > 0);
            drop(polled);
            assert!(second.poll().is_ready());
            assert!(third.wakes() > 0 && third.poll().is_ready());
            drop((first, second, third));
            // The ring is not held up by anything: all of it can be written and read.
            while reader.try_read(&mut [0; 4096]).is_ok() {}
            assert_eq!(writer.try_write(&[2; 4096]), Ok(4096));
            let mut buffer = [0; 4096];
            assert_eq!(reader.try_read(&mut buffer), Ok(4096));
            assert_eq!(buffer, [2; 4096]);
        }
    });
}

/// The same when it is the waker of its own that panics, as it leaves the line.
#[test]
fn a_writer_that_comes_to_its_turn_leaves_no_slice_in_flight_when_its_waker_panics() {
    within(LIMIT, || {
        for &kind in WRITERS {
            println!("{kind:?}");
            let channel = Channel::new(4096);
            let mut reader = channel.new_strong_reader();
            let mut writer = channel.new_writer();
            writer.try_write(&[1; 4096]).unwrap();
            let mut task = kind.wait(&channel, true);
            assert!(task.poll().is_pending());
            assert_eq!(reader.try_read(&mut [0; 4096]), Ok(4096));
            let trouble = Trouble::new(Moment::Drop, 1);
            let waker = trouble.waker();
            trouble.arm();
            let polled = caught(|| task.poll_with(&waker));
            // One that was taken out of the line when it was woken needs no waker any more, and gets done.
            if kind.may_be_forgotten() {
                assert!(polled.unwrap().is_ready());
            } else {
                assert_eq!(polled.err().and_then(panic_of), Some(1));
            }
            trouble.disarm();
            drop((task, waker));
            while reader.try_read(&mut [0; 4096]).is_ok() {}
            assert_eq!(writer.try_write(&[2; 4096]), Ok(4096));
            let mut buffer = [0; 4096];
            assert_eq!(reader.try_read(&mut buffer), Ok(4096));
            assert_eq!(buffer, [2; 4096]);
        }
    });
}

/// What it read while the waker of a writer panicked, it does not read twice.
#[test]
fn who_reads_while_a_waker_panics_reads_on_where_it_was() {
    within(LIMIT, || {
        let channel = Channel::new(256);
        let mut reader = channel.new_strong_reader();
        let mut writer = channel.new_writer();
        for number in 0..4 {
            writer.try_send(&[number; 64]).unwrap();
        }
        let mut waiting = Kind::Send.wait(&channel, true);
        for number in 0..4 {
            let trouble = Trouble::new(Moment::Wake, 0);
            trouble.arm();
            assert!(waiting.poll_with(&trouble.waker()).is_pending());
            let mut buffer = [0; 64];
            let read = caught(|| reader.try_read(&mut buffer));
            assert_eq!(panic_of(read.unwrap_err()), Some(0));
            assert_eq!(buffer, [number; 64]);
            // As often as there is something to read, somebody waits.
            assert!(waiting.poll().is_ready());
            waiting = Kind::Send.wait(&channel, true);
        }
        assert_eq!(reader.stats().payload_bytes, 256);
    });
}

/// A sink keeps a message until it is sent, and not longer.
#[cfg(feature = "futures")]
#[test]
fn a_sink_sends_a_message_once_though_a_waker_panics_at_it() {
    use futures::{FutureExt, SinkExt};
    use std::future::poll_fn;
    within(LIMIT, || {
        let channel = Channel::new(64);
        let mut sink = channel.new_writer().into_sink();
        let mut reader = channel.new_strong_reader();
        assert!(poll_fn(|context| sink.poll_ready_unpin(context)).now_or_never().is_some());
        channel.new_writer().try_send(b"full").unwrap();
        sink.start_send_unpin("one".into()).unwrap();
        let mut flush = Task::new(sink.flush());
        assert!(flush.poll().is_pending());
        drop(reader.try_recv().unwrap());
        let mut bad = Kind::Weak.wait(&channel, true);
        let trouble = Trouble::new(Moment::Wake, 5);
        trouble.arm();
        assert!(bad.poll_with(&trouble.waker()).is_pending());
        assert_eq!(caught(|| flush.poll()).err().and_then(panic_of), Some(5));
        drop(flush);
        assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"one"[..]));
        Task::new(sink.flush()).result().unwrap();
        assert!(reader.try_recv().is_err(), "it was sent twice");
        Task::new(sink.send("two".into())).result().unwrap();
        assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"two"[..]));
    });
}

/// Threads that sleep, and are woken before and behind tasks whose wakers panic.
#[test]
fn threads_are_woken_though_a_waker_panics() {
    within(LIMIT, || {
        for _ in 0..20 {
            let channel = overwriting(1024);
            let mut writer = channel.new_writer();
            let mut bad: Vec<_> = (0..2).map(|_| Kind::Weak.wait(&channel, true)).collect();
            let readers: Vec<_> = (0..3).map(|_| channel.new_strong_reader().blocking()).collect();
            bad.extend((0..2).map(|_| Kind::Weak.wait(&channel, true)));
            let trouble = Trouble::new(Moment::Wake, 0);
            trouble.arm();
            let (first, last) = bad.split_at_mut(2);
            first.iter_mut().for_each(|one| assert!(one.poll_with(&trouble.waker()).is_pending()));
            let threads: Vec<_> = readers
                .into_iter()
                .map(|mut reader| thread::spawn(move || reader.recv().unwrap().unwrap().len()))
                .collect();
            // Most of them sleep by now. It is no matter if one does not.
            (0..100).for_each(|_| thread::yield_now());
            last.iter_mut().for_each(|one| assert!(one.poll_with(&trouble.waker()).is_pending()));
            assert_eq!(panic_of(caught(|| writer.try_send(b"all")).unwrap_err()), Some(0));
            threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 3));
            assert_eq!(trouble.woken(), 4);
        }
    });
}

/// Stands still when it is woken, until it is let go.
#[derive(Default)]
struct Still {
    is_woken: AtomicBool,
    goes_on: AtomicBool,
}

impl Wake for Still {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        until("it may go on", || self.goes_on.load(Ordering::SeqCst));
    }
}

#[test]
fn a_thread_that_is_stopped_while_it_wakes_holds_back_nobody_whom_others_find() {
    within(LIMIT, || {
        for count in [3, 64, 200] {
            let channel = Channel::new(1024);
            let mut readers: Vec<_> = (0..count).map(|_| Kind::Weak.wait(&channel, true)).collect();
            let still = Arc::new(Still::default());
            for (number, reader) in readers.iter_mut().enumerate() {
                let is_parked = if number == count / 2 {
                    reader.poll_with(&Waker::from(still.clone()))
                } else {
                    reader.poll()
                };
                assert!(is_parked.is_pending());
            }
            let others = |readers: &[Task<'_, ()>]| -> Vec<_> {
                let others = readers.iter().enumerate().filter(|&(number, _)| number != count / 2);
                others.map(|(_, reader)| reader.wakes()).collect()
            };
            let mut writer = channel.new_writer();
            let stopped = thread::spawn(move || writer.try_send(b"one").unwrap());
            until("it stands still", || still.is_woken.load(Ordering::SeqCst));
            assert!(others(&readers).contains(&0), "it wakes one after the other");
            channel.new_writer().try_send(b"two").unwrap();
            assert_eq!(others(&readers), vec![1; count - 1]);
            still.goes_on.store(true, Ordering::SeqCst);
            stopped.join().unwrap();
            assert_eq!(others(&readers), vec![1; count - 1], "and only once");
            readers.into_iter().for_each(Task::result);
        }
    });
}

#[test]
fn a_thread_that_is_stopped_while_it_wakes_does_not_hold_up_the_end() {
    within(LIMIT, || {
        for place in 0..=WAITERS.len() {
            let channel = Channel::new(4096);
            let slice = channel.try_reserve_slice(4096).unwrap();
            let mut tasks: Vec<_> = WAITERS.iter().map(|kind| kind.wait(&channel, false)).collect();
            let mut first = Kind::Strong.wait(&channel, false);
            let still = Arc::new(Still::default());
            let (before, behind) = tasks.split_at_mut(place);
            before.iter_mut().for_each(|task| assert!(task.poll().is_pending()));
            assert!(first.poll_with(&Waker::from(still.clone())).is_pending());
            behind.iter_mut().for_each(|task| assert!(task.poll().is_pending()));
            let drains = channel.clone();
            let stopped = thread::spawn(move || drains.drain().unwrap());
            until("it stands still", || still.is_woken.load(Ordering::SeqCst));
            channel.terminate();
            assert!(tasks.iter().all(|task| task.wakes() > 0));
            tasks.into_iter().for_each(Task::result);
            still.goes_on.store(true, Ordering::SeqCst);
            stopped.join().unwrap();
            first.result();
            drop(slice);
            assert_nobody_is_left(&channel);
        }
    });
}
