//! The line of writers that wait for room: who is woken and does not come holds up nobody for ever.

use overfall::error::{TryReadError, TryWriteError};
use overfall::{Channel, Slice, StrongReader, Writer};
use overfall_tests::{LIMIT, Task, block_on, until, waiting_writers, within};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// More refusals, or polls, than it takes until one that never came back is passed over.
const MANY: usize = 5_000;

/// A ring of so many granules, full of slices of one granule.
fn full(granules: usize) -> (Arc<Channel>, Writer, StrongReader) {
    let channel = Channel::new(64 * granules);
    let (mut writer, reader) = (channel.new_writer(), channel.new_strong_reader());
    for slice in 0..granules {
        writer.try_write(&[slice as u8; 64]).unwrap();
    }
    (channel, writer, reader)
}

#[track_caller]
fn read(reader: &mut StrongReader, slices: usize) {
    for _ in 0..slices {
        assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
    }
}

/// A slice as large as the ring, of which nothing else is left.
#[track_caller]
fn read_all(reader: &mut StrongReader) {
    let mut buffer = [0; 64];
    while reader.try_read(&mut buffer).is_ok() {}
    assert_eq!(reader.try_read(&mut buffer), Err(TryReadError::Empty));
}

/// Polls `task` as often as it takes for it to be ready; fails if that is too often, or if it is not
/// woken in between.
#[track_caller]
fn run<T>(mut task: Task<'_, T>) -> T {
    for _ in 0..MANY {
        let wakes = task.wakes();
        if let Poll::Ready(value) = task.poll() {
            return value;
        }
        assert!(task.wakes() > wakes, "it sleeps, and nobody else runs");
    }
    panic!("it still waits");
}

/// Tries as often as it takes until there is room.
#[track_caller]
fn try_until_ok(writer: &mut Writer, bytes: &[u8]) -> usize {
    for tries in 0..MANY {
        match writer.try_write(bytes) {
            Ok(written) => {
                assert_eq!(written, bytes.len());
                return tries;
            }
            Err(error) => assert_eq!(error, TryWriteError::Full),
        }
    }
    panic!("it is refused for ever");
}

/// What a writer may do that waits for room, of `length` bytes.
type Wait = for<'a> fn(&'a mut Writer, &'a [u8]) -> Task<'a, ()>;

fn waits() -> Vec<(&'static str, Wait)> {
    #[allow(unused_mut, reason = "features add to it")]
    let mut waits: Vec<(&'static str, Wait)> = vec![
        ("reserve", |writer, bytes| {
            Task::new(async {
                let mut slice = writer.reserve(bytes.len()).await.unwrap();
                slice.write_all(bytes).unwrap();
                slice.commit();
            })
        }),
        ("send", |writer, bytes| {
            Task::new(async move { writer.send(bytes).await.map(drop).unwrap() })
        }),
        ("send_many", |writer, bytes| {
            Task::new(async move { writer.send_many(&[bytes]).await.map(drop).unwrap() })
        }),
    ];
    #[cfg(feature = "futures")]
    waits.push(("a write of futures", |writer, bytes| {
        Task::new(async {
            assert_eq!(futures::AsyncWriteExt::write(writer, bytes).await.unwrap(), bytes.len());
        })
    }));
    #[cfg(feature = "tokio")]
    waits.push(("a write of tokio", |writer, bytes| {
        Task::new(async {
            let written = tokio::io::AsyncWriteExt::write(writer, bytes).await.unwrap();
            assert_eq!(written, bytes.len());
        })
    }));
    waits
}

/// Runs with every pair of what may be kept and what comes behind it.
fn each_pair(run: impl Fn(&str, Wait, Wait)) {
    for (kept, keep) in waits() {
        for (behind, wait) in waits() {
            run(&format!("{kept} is kept, and {behind} behind it"), keep, wait);
        }
    }
}

#[test]
fn two_writers_for_whom_there_is_room_are_both_woken_and_either_may_go_first() {
    for first_goes_first in [true, false] {
        let (_channel, writer, mut reader) = full(2);
        let (mut first, mut second) = (writer.clone(), writer.clone());
        let mut first = Task::parked(first.send(&[1; 64]));
        let mut second = Task::parked(second.send(&[2; 64]));
        read_all(&mut reader);
        assert_eq!((first.wakes(), second.wakes()), (1, 1));
        if !first_goes_first {
            std::mem::swap(&mut first, &mut second);
        }
        first.result().unwrap();
        second.result().unwrap();
    }
}

#[test]
fn waking_goes_as_far_as_there_is_room_for_all_and_no_further() {
    let (_channel, writer, mut reader) = full(8);
    let mut writers: Vec<Writer> = (0..6).map(|_| writer.clone()).collect();
    let tasks: Vec<_> = writers.iter_mut().map(|writer| Task::parked(writer.reserve(64))).collect();
    for room in 1..=4 {
        read(&mut reader, 1);
        let wakes: Vec<_> = tasks.iter().map(Task::wakes).collect();
        let expected: Vec<_> = (0..6).map(|place| usize::from(place < room)).collect();
        assert_eq!(wakes, expected);
    }
    // Each of those that were woken has its room, whoever comes first.
    for task in tasks.into_iter().take(4).rev() {
        task.result().unwrap().commit();
    }
}

#[test]
fn one_further_back_leaves_those_before_it_what_they_need() {
    let (_channel, writer, mut reader) = full(8);
    let [mut large, mut small, mut last] = [writer.clone(), writer.clone(), writer.clone()];
    let large = Task::parked(large.reserve(256));
    let mut small = Task::parked(small.reserve(64));
    let mut last = Task::parked(last.reserve(64));
    // A slice of four granules needs up to three more for padding.
    read(&mut reader, 4);
    assert_eq!((large.wakes(), small.wakes()), (1, 0));
    assert!(small.poll().is_pending());
    read(&mut reader, 4);
    assert_eq!(small.wakes(), 1, "it was woken to ask again, and has not come since");
    assert!(last.poll().is_pending(), "the small one comes before it");
    small.result().unwrap().commit();
    large.result().unwrap().commit();
    last.result().unwrap().commit();
}

#[test]
fn a_writer_that_was_woken_and_is_not_polled_does_not_hold_up_a_newcomer_that_tries() {
    for granules in [1, 4, 64] {
        for (how, keep) in waits() {
            let (_channel, mut writer, mut reader) = full(granules);
            let (mut kept, bytes) = (writer.clone(), vec![1; 64 * granules]);
            let mut kept = keep(&mut kept, &bytes);
            assert!(kept.poll().is_pending());
            read_all(&mut reader);
            assert_eq!(kept.wakes(), 1);
            try_until_ok(&mut writer, &[2; 64]);
            // It finds itself overtaken, and is served all the same.
            read_all(&mut reader);
            assert!(matches!(kept.poll(), Poll::Ready(())), "{how} in {granules} granules");
        }
    }
}

#[test]
fn a_writer_that_was_woken_and_is_not_polled_does_not_hold_up_a_task_that_waits() {
    for granules in [1, 2, 16] {
        each_pair(|what, keep, wait| {
            let (_channel, mut second, mut reader) = full(granules);
            let (mut first, bytes) = (second.clone(), vec![1; 64 * granules]);
            let mut kept = keep(&mut first, &bytes);
            assert!(kept.poll().is_pending(), "{what}");
            read_all(&mut reader);
            run(wait(&mut second, &[2; 64]));
            read_all(&mut reader);
            assert!(kept.poll().is_ready(), "{what}");
        });
    }
}

#[test]
fn the_one_behind_goes_on_when_both_waited_before_there_was_room() {
    for granules in [1, 2, 16] {
        each_pair(|what, keep, wait| {
            let (_channel, mut second, mut reader) = full(granules);
            let (mut first, bytes) = (second.clone(), vec![1; 64 * granules]);
            let mut kept = keep(&mut first, &bytes);
            assert!(kept.poll().is_pending());
            let mut behind = wait(&mut second, &[2; 64]);
            assert!(behind.poll().is_pending());
            // Not a read more: this reader will only come when it is told to.
            read(&mut reader, granules);
            assert!(behind.wakes() > 0, "{what}");
            run(behind);
            drop(kept);
        });
    }
}

#[test]
fn a_reader_that_keeps_what_it_was_given_lets_the_one_behind_go_on_when_it_gives_it_back() {
    for granules in [1, 2, 16] {
        each_pair(|what, keep, wait| {
            let (_channel, mut second, mut reader) = full(granules);
            let (mut first, bytes) = (second.clone(), vec![1; 64 * granules]);
            let mut kept = keep(&mut first, &bytes);
            assert!(kept.poll().is_pending());
            let mut behind = wait(&mut second, &[2; 64]);
            assert!(behind.poll().is_pending());
            for _ in 0..granules {
                let message = reader.try_recv().unwrap().unwrap();
                assert_eq!(behind.wakes(), 0, "{what}");
                drop(message);
            }
            assert_eq!(reader.try_recv().map(drop), Err(TryReadError::Empty));
            assert!(behind.wakes() > 0, "{what}");
            run(behind);
            drop(kept);
        });
    }
}

/// Two granules, in flight. Nobody reads but a weak reader, which keeps nobody waiting.
fn in_flight(channel: &Channel) -> [Slice<'_>; 2] {
    [(); 2].map(|()| channel.try_reserve_slice(64).unwrap())
}

#[test]
fn without_strong_readers_a_slice_that_ends_lets_the_one_behind_go_on() {
    for commits in [true, false] {
        each_pair(|what, keep, wait| {
            let channel = Channel::new(128);
            let _weak = channel.new_weak_reader();
            let slices = in_flight(&channel);
            let [mut first, mut second] = [channel.new_writer(), channel.new_writer()];
            let mut kept = keep(&mut first, &[1; 128]);
            assert!(kept.poll().is_pending());
            let mut behind = wait(&mut second, &[2; 64]);
            assert!(behind.poll().is_pending());
            for slice in slices {
                if commits { slice.commit() } else { slice.abort() }
            }
            assert!(behind.wakes() > 0, "{what}");
            run(behind);
            drop(kept);
        });
    }
}

#[test]
fn the_last_strong_reader_that_leaves_lets_the_one_behind_go_on() {
    for granules in [1, 2, 16] {
        each_pair(|what, keep, wait| {
            let (channel, mut second, mut reader) = full(granules);
            let slower = channel.new_strong_reader();
            let (mut first, bytes) = (second.clone(), vec![1; 64 * granules]);
            let mut kept = keep(&mut first, &bytes);
            assert!(kept.poll().is_pending());
            let mut behind = wait(&mut second, &[2; 64]);
            assert!(behind.poll().is_pending());
            read(&mut reader, granules);
            assert_eq!(behind.wakes(), 0, "there is no room yet");
            drop(slower);
            assert!(behind.wakes() > 0, "{what}");
            run(behind);
            drop(kept);
        });
    }
}

#[test]
fn one_that_leaves_the_line_lets_those_go_on_for_whom_it_left_room() {
    each_pair(|what, keep, wait| {
        let (_channel, mut third, mut reader) = full(2);
        let [mut first, mut second] = [third.clone(), third.clone()];
        let mut leaves = keep(&mut first, &[1; 128]);
        assert!(leaves.poll().is_pending());
        let mut kept = keep(&mut second, &[1; 128]);
        assert!(kept.poll().is_pending());
        let mut behind = wait(&mut third, &[2; 64]);
        assert!(behind.poll().is_pending());
        read(&mut reader, 2);
        drop(leaves);
        assert!(behind.wakes() > 0, "{what}");
        run(behind);
        drop(kept);
    });
}

#[test]
fn those_who_wait_for_more_room_than_there_is_are_not_woken_for_others() {
    let channel = Channel::new(256);
    let mut slices: Vec<_> = (0..4).map(|_| channel.try_reserve_slice(64).unwrap()).collect();
    let [mut first, mut second] = [channel.new_writer(), channel.new_writer()];
    let large = Task::parked(first.reserve(256));
    let small = Task::parked(second.reserve(64));
    for left in (0..4).rev() {
        slices.remove(0).commit();
        assert_eq!(large.wakes(), usize::from(left == 0), "{left} are in flight");
        assert_eq!(small.wakes(), usize::from(left == 0), "{left} are in flight");
    }
    large.result().unwrap().commit();
    small.result().unwrap().commit();
}

#[test]
fn several_writers_in_a_row_that_do_not_come_hold_up_nobody() {
    for granules in [1, 4] {
        for (how, keep) in waits() {
            let (channel, mut writer, mut reader) = full(granules);
            let mut writers: Vec<Writer> = (0..5).map(|_| writer.clone()).collect();
            let bytes = vec![1; 64 * granules];
            let mut kept: Vec<_> = writers.iter_mut().map(|writer| keep(writer, &bytes)).collect();
            kept.iter_mut().for_each(|kept| assert!(kept.poll().is_pending()));
            read_all(&mut reader);
            let (mut other, text) = (writer.clone(), format!("{how}, {granules} granules"));
            run(Task::new(async { other.send(b"x").await.unwrap() }));
            read_all(&mut reader);
            assert_eq!(try_until_ok(&mut writer, b"x"), 0, "{text}: they are out of the way");
            assert_eq!(waiting_writers(&channel), 0, "{text}");
            // All of them come after all, and each is served, in order.
            for kept in &mut kept {
                read_all(&mut reader);
                assert!(kept.poll().is_ready(), "{text}");
            }
        }
    }
}

#[test]
fn a_thread_behind_writers_that_do_not_come_goes_on() {
    within(LIMIT, || {
        for granules in [1, 4] {
            for (_, keep) in waits() {
                let (channel, writer, mut reader) = full(granules);
                let mut writers = [writer.clone(), writer.clone()];
                let bytes = vec![1; 64 * granules];
                let mut kept: Vec<_> =
                    writers.iter_mut().map(|writer| keep(writer, &bytes)).collect();
                kept.iter_mut().for_each(|kept| assert!(kept.poll().is_pending()));
                let thread = thread::spawn(move || {
                    let mut writer = writer.blocking();
                    writer.send(&[2; 64]).unwrap();
                    writer.send_timeout(&[3; 64], LIMIT).unwrap();
                });
                until("the thread waits", || waiting_writers(&channel) == 3);
                read(&mut reader, granules);
                let mut messages = Vec::new();
                while messages.len() < 2 {
                    messages.push(block_on(reader.recv()).unwrap().unwrap()[0]);
                }
                assert_eq!(messages, [2, 3]);
                thread.join().unwrap();
            }
        }
    });
}

/// Four granules, full; a `write` of four waits, is cancelled, and two are given back.
#[cfg(any(feature = "tokio", feature = "futures"))]
fn cancelled_write() -> (Arc<Channel>, [Writer; 2], StrongReader) {
    let (channel, writer, mut reader) = full(4);
    let mut cancelled = writer.clone();
    let (_, write) = waits().pop().unwrap();
    assert!(write(&mut cancelled, &[1; 256]).poll().is_pending());
    read(&mut reader, 2);
    assert_eq!(waiting_writers(&channel), 1, "nobody has told it");
    (channel, [cancelled, writer], reader)
}

#[test]
#[cfg(any(feature = "tokio", feature = "futures"))]
fn a_write_that_was_cancelled_before_there_was_room_for_it_holds_up_nobody() {
    for (_, wait) in waits() {
        let (_channel, [_cancelled, mut writer], _reader) = cancelled_write();
        run(wait(&mut writer, &[2; 64]));
    }
    let (_channel, [mut cancelled, mut writer], mut reader) = cancelled_write();
    try_until_ok(&mut writer, &[2; 64]);
    // Its writer is as any other.
    assert_eq!(cancelled.try_write(&[3; 64]), Ok(64));
    read(&mut reader, 4);
    within(LIMIT, || {
        let (_channel, [_cancelled, writer], _reader) = cancelled_write();
        let mut writer = writer.blocking();
        writer.send_timeout(&[2; 64], LIMIT).unwrap();
    });
}

#[test]
fn a_future_that_nobody_polls_and_for_which_there_is_no_room_is_passed_over_by_those_who_ask() {
    let (_channel, mut writer, mut reader) = full(4);
    let mut kept = writer.clone();
    let mut kept = Task::parked(kept.reserve(256));
    read(&mut reader, 2);
    let tries = try_until_ok(&mut writer, &[2; 64]);
    assert!(tries > 0, "it comes first");
    assert_eq!(kept.wakes(), 1, "it was woken to see whether it comes");
    assert!(kept.poll().is_pending());
    // It has come back, and is waited for.
    read(&mut reader, 2);
    assert_eq!(writer.try_write(&[2; 64]), Err(TryWriteError::Full));
    read(&mut reader, 1);
    assert_eq!(kept.wakes(), 2);
    kept.result().unwrap().commit();
}

#[test]
fn one_that_comes_each_time_is_waited_for_longer_each_time() {
    let (_channel, mut writer, mut reader) = full(4);
    let mut large = writer.clone();
    let mut large = Task::parked(large.reserve(256));
    let mut before = 0;
    for round in 0..3 {
        read_all(&mut reader);
        let tries = try_until_ok(&mut writer, &[2; 64]);
        assert!(tries > before, "round {round}: {tries} after {before}");
        before = tries;
        assert!(large.poll().is_pending(), "it was overtaken");
    }
    read_all(&mut reader);
    large.result().unwrap().commit();
}

#[test]
fn a_writer_that_truly_has_no_room_sleeps() {
    let (_channel, writer, mut reader) = full(4);
    let mut writers: Vec<Writer> = (0..3).map(|_| writer.clone()).collect();
    let mut tasks: Vec<_> =
        writers.iter_mut().map(|writer| Task::parked(writer.reserve(128))).collect();
    for _ in 0..MANY {
        tasks.iter_mut().for_each(|task| assert!(task.poll().is_pending()));
    }
    assert!(tasks.iter().all(|task| task.wakes() == 0));
    // And one that waits for one that is there, and has not got enough.
    read(&mut reader, 1);
    let mut small = writer.clone();
    let mut small = Task::parked(small.reserve(64));
    let mut polls = 0;
    while small.wakes() > polls {
        polls += 1;
        assert!(polls < MANY, "it never sleeps");
        assert!(small.poll().is_pending());
    }
}

#[test]
fn a_slice_as_large_as_the_ring_is_served_beside_small_ones_that_spin() {
    for granules in [1, 16] {
        for (_, wait) in waits() {
            within(LIMIT, move || {
                let channel = Channel::new(64 * granules);
                let (mut large, reader) = (channel.new_writer(), channel.new_strong_reader());
                let stop = Arc::new(AtomicBool::new(false));
                let small: Vec<_> = (0..2)
                    .map(|_| {
                        let (mut writer, stop) = (channel.new_writer(), stop.clone());
                        thread::spawn(move || {
                            while !stop.load(Ordering::Relaxed) {
                                let _ = writer.try_write(b"small");
                            }
                        })
                    })
                    .collect();
                let reading = thread::spawn(move || {
                    let mut reader = reader.blocking();
                    while reader.recv().unwrap().is_some() {}
                });
                let bytes = vec![7; 64 * granules];
                for _ in 0..5 {
                    let mut write = wait(&mut large, &bytes);
                    block_on(std::future::poll_fn(|context| write.poll_with(context.waker())));
                }
                stop.store(true, Ordering::Relaxed);
                small.into_iter().for_each(|thread| thread.join().unwrap());
                channel.drain().unwrap();
                reading.join().unwrap();
            });
        }
    }
}

#[test]
fn a_writer_that_is_polled_beside_others_in_one_task_is_served_with_them() {
    within(LIMIT, || {
        let (_channel, writer, mut reader) = full(4);
        let (mut large, mut small) = (writer.clone(), writer);
        let reading = thread::spawn(move || {
            let mut messages = 0;
            while block_on(reader.recv()).unwrap().is_some() {
                messages += 1;
            }
            messages
        });
        block_on(async {
            for _ in 0..200 {
                let both = futures::future::join(large.send(&[1; 256]), small.send(&[2; 64]));
                let (first, second) = both.await;
                first.and(second).unwrap();
            }
        });
        drop((large, small, _channel));
        assert_eq!(reading.join().unwrap(), 404);
    });
}

/// A waker that panics when it is told to.
struct Moody {
    when_woken: bool,
    when_dropped: bool,
}

impl Wake for Moody {
    fn wake(self: Arc<Self>) {
        assert!(!self.when_woken, "woken, on purpose");
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        assert!(!self.when_dropped || thread::panicking(), "dropped, on purpose");
    }
}

fn moody(when_woken: bool) -> Waker {
    Waker::from(Arc::new(Moody { when_woken, when_dropped: !when_woken }))
}

/// Whether it panicked.
fn panics(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

#[test]
fn a_waker_that_panics_costs_no_other_writer_the_wake_up() {
    for when_woken in [true, false] {
        let (channel, writer, mut reader) = full(4);
        let mut writers: Vec<Writer> = (0..4).map(|_| writer.clone()).collect();
        let mut tasks: Vec<_> =
            writers.iter_mut().map(|writer| Task::new(writer.reserve(64))).collect();
        for (place, task) in tasks.iter_mut().enumerate() {
            let polled =
                if place % 2 == 0 { task.poll_with(&moody(when_woken)) } else { task.poll() };
            assert!(polled.is_pending());
        }
        let mut panicked = 0;
        for _ in 0..4 {
            panicked += usize::from(panics(|| read(&mut reader, 1)));
        }
        assert_eq!(panicked, 2);
        assert!((tasks[1].wakes(), tasks[3].wakes()) == (1, 1));
        assert_eq!(waiting_writers(&channel), 4);
        for task in tasks {
            task.result().unwrap().commit();
        }
    }
}

#[test]
fn a_waker_that_panics_costs_nobody_who_waits_for_the_end_the_wake_up() {
    for when_woken in [true, false] {
        let (channel, writer, _reader) = full(1);
        let mut writers: Vec<Writer> = (0..4).map(|_| writer.clone()).collect();
        let mut tasks: Vec<_> = writers
            .iter_mut()
            .map(|writer| Task::new(async { writer.reserve(64).await.map(drop).is_err() }))
            .collect();
        tasks.push(Task::new(async {
            channel.closed().await;
            true
        }));
        tasks.push(Task::new(async {
            writer.closed().await;
            true
        }));
        for (place, task) in tasks.iter_mut().enumerate() {
            let polled =
                if place % 2 == 0 { task.poll_with(&moody(when_woken)) } else { task.poll() };
            assert!(polled.is_pending());
        }
        assert!(panics(|| channel.terminate()));
        for place in [1, 3, 5] {
            assert_eq!(tasks[place].wakes(), 1, "place {place}");
        }
        tasks.into_iter().for_each(|task| assert!(task.result()));
    }
}

#[test]
fn a_writer_whose_waker_panics_when_it_is_dropped_still_lets_the_next_one_go() {
    let (_channel, writer, mut reader) = full(2);
    let [mut first, mut second, mut third] = [writer.clone(), writer.clone(), writer.clone()];
    let mut large = Task::new(first.reserve(128));
    assert!(large.poll_with(&moody(false)).is_pending());
    let small = Task::parked(second.reserve(64));
    read(&mut reader, 1);
    // It polls with another waker, or leaves.
    assert!(panics(|| drop(large)));
    assert_eq!(small.wakes(), 1);
    small.result().unwrap().commit();
    let mut again = Task::new(third.reserve(64));
    assert!(again.poll_with(&moody(false)).is_pending());
    let behind = Task::parked(second.reserve(64));
    assert!(panics(|| assert!(again.poll().is_pending())));
    read(&mut reader, 1);
    assert_eq!(behind.wakes(), 1);
    behind.result().unwrap().commit();
}

#[test]
fn a_writer_that_was_passed_over_and_is_dropped_or_used_for_something_else_leaves_nothing_behind() {
    let (channel, mut writer, mut reader) = full(1);
    let mut first = writer.clone();
    let kept = Task::parked(first.send(&[1; 64]));
    read_all(&mut reader);
    try_until_ok(&mut writer, &[2; 64]);
    drop(kept);
    assert_eq!(waiting_writers(&channel), 0);
    read_all(&mut reader);
    assert_eq!(first.try_write(&[3; 64]), Ok(64));
    let mut kept = pin!(first.send(&[1; 64]));
    let mut context = Context::from_waker(Waker::noop());
    assert!(kept.as_mut().poll(&mut context).is_pending());
    channel.drain().unwrap();
    assert_eq!(waiting_writers(&channel), 0);
    assert!(kept.poll(&mut context).is_ready());
}

#[cfg(feature = "tokio")]
mod tasks {
    use super::*;
    use std::future::Future;
    use std::time::Duration;
    use tokio::time::{sleep, timeout};

    /// `kept` is polled until the ring has become full and then kept; `busy` is awaited meanwhile, in
    /// the same task or in another. The reader sleeps for a while before it takes everything.
    async fn keep_and_do(granules: usize, in_another_task: bool) {
        let (channel, writer, mut reader) = full(granules);
        let (mut first, mut second) = (writer.clone(), writer);
        let reading = tokio::spawn(async move {
            sleep(Duration::from_millis(5)).await;
            let mut messages = 0;
            while reader.recv().await.unwrap().is_some() {
                messages += 1;
            }
            messages
        });
        let bytes = vec![1; 64 * granules];
        let mut kept = Box::pin(first.send(&bytes));
        let polled = std::future::poll_fn(|context| Poll::Ready(kept.as_mut().poll(context)));
        assert!(polled.await.is_pending());
        let busy = async move { second.send(b"busy").await.unwrap() };
        if in_another_task {
            timeout(LIMIT, tokio::spawn(busy)).await.expect("it stands still").unwrap();
        } else {
            timeout(LIMIT, busy).await.expect("it stands still");
        }
        timeout(LIMIT, kept).await.expect("it is served in the end").unwrap();
        drop((channel, first));
        assert_eq!(reading.await.unwrap(), granules + 2);
    }

    #[tokio::test]
    async fn a_send_that_is_kept_and_not_polled_holds_up_neither_its_task_nor_another() {
        for granules in [1, 4, 16] {
            keep_and_do(granules, false).await;
            keep_and_do(granules, true).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_send_that_is_kept_and_not_polled_holds_up_no_other_thread() {
        for granules in [1, 4, 16] {
            keep_and_do(granules, false).await;
            keep_and_do(granules, true).await;
        }
    }
}
