//! tokio's co-operative budget: a task that always finds work lets others run, and an executor inside
//! of a task, which never lets the runtime run, goes on without it.

use futures::{SinkExt, StreamExt};
use overfall::{Channel, Sent, StartAt, pipe, typed};
use overfall_tests::{LIMIT, Task, within};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::coop::has_budget_remaining;

/// Room for everything that a test writes.
const ROOM: usize = 1 << 20;

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().build().unwrap(),
        Builder::new_multi_thread().worker_threads(2).build().unwrap(),
    ]
}

/// What is done `count` times, each time at once.
type Work = fn(usize) -> Pin<Box<dyn Future<Output = ()> + Send>>;

async fn send(count: usize) {
    let (mut writer, _reader) = pipe(ROOM);
    for _ in 0..count {
        writer.send(b"x").await.unwrap();
    }
}

async fn send_many(count: usize) {
    let channel = Channel::new(ROOM);
    let mut writer = channel.new_weak_writer();
    for _ in 0..count {
        writer.send_many(&[b"x", b"y"]).await.unwrap();
    }
}

async fn reserve(count: usize) {
    let (mut writer, _reader) = pipe(ROOM);
    for _ in 0..count {
        writer.reserve(10).await.unwrap().commit();
    }
}

async fn reserve_slice(count: usize) {
    let channel = Channel::new(ROOM);
    for _ in 0..count {
        channel.reserve_slice(10).await.unwrap().commit();
    }
}

/// Both ways to receive one, and several; from either kind of reader.
async fn recv(count: usize) {
    let channel = Channel::new(ROOM);
    let mut writer = channel.new_writer();
    let (mut reader, mut tap) = (channel.new_strong_reader(), channel.new_weak_reader());
    let mut buffer = Vec::new();
    for _ in 0..count {
        writer.try_send(b"x").unwrap();
        assert_eq!(&*reader.recv().await.unwrap().unwrap(), b"x");
        assert!(tap.recv_into(&mut buffer).await.unwrap().is_some());
        writer.try_send(b"y").unwrap();
        assert!(reader.recv_into(&mut buffer).await.unwrap().is_some());
        assert_eq!(tap.recv_many(9).await.unwrap().unwrap().len(), 1);
        writer.try_send(b"z").unwrap();
        assert_eq!(reader.recv_many(9).await.unwrap().unwrap().len(), 1);
        assert_eq!(&*tap.recv().await.unwrap().unwrap(), b"z");
    }
}

async fn values(count: usize) {
    let channel = typed::Channel::<u64>::new(ROOM);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    for number in 0..count as u64 {
        writer.send(&number).await.unwrap();
        assert_eq!(reader.recv().await.unwrap().unwrap().to_native(), number);
    }
}

async fn sink_and_stream(count: usize) {
    let (writer, reader) = pipe(ROOM);
    let (mut sink, mut stream) = (writer.into_sink(), reader.into_stream());
    for _ in 0..count {
        sink.feed("fed".into()).await.unwrap();
        sink.flush().await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap().bytes, "fed");
    }
    sink.close().await.unwrap();
    assert!(stream.next().await.is_none());
}

/// Few bytes each time, of which several operations are a unit of the budget.
async fn bytes(count: usize) {
    let (mut writer, mut reader) = pipe(ROOM);
    let mut buffer = [0; 5];
    for _ in 0..count {
        writer.write_all(b"bytes").await.unwrap();
        assert_eq!(reader.read_exact(&mut buffer).await.unwrap(), 5);
    }
}

const WORKS: [(&str, Work); 7] = [
    ("send", |count| Box::pin(send(count))),
    ("send_many", |count| Box::pin(send_many(count))),
    ("reserve", |count| Box::pin(reserve(count))),
    ("reserve_slice", |count| Box::pin(reserve_slice(count))),
    ("recv", |count| Box::pin(recv(count))),
    ("values", |count| Box::pin(values(count))),
    ("sink_and_stream", |count| Box::pin(sink_and_stream(count))),
];

#[test]
fn an_executor_inside_of_a_task_goes_on_when_the_budget_is_spent() {
    for (name, work) in WORKS {
        for count in [300, 10_000] {
            for runtime in runtimes() {
                within(LIMIT, move || {
                    println!("{name}, {count} times");
                    // In the runtime's own future, and in a task.
                    runtime.block_on(async { futures::executor::block_on(work(count)) });
                    runtime.block_on(async {
                        let task = tokio::spawn(async move {
                            futures::executor::block_on(work(count));
                        });
                        task.await.unwrap();
                    });
                });
            }
        }
    }
}

/// Lets the others of this thread run, once.
async fn turn() {
    let mut has_been_pending = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_been_pending, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How many turns another task of the same thread gets while `work` finds something each time.
fn turns_of_another(work: Work, count: usize) -> usize {
    let (done, turns) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (is_done, counted) = (done.clone(), turns.clone());
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async move {
        let another = tokio::spawn(async move {
            while !is_done.load(Ordering::Relaxed) {
                counted.fetch_add(1, Ordering::Relaxed);
                turn().await;
            }
        });
        let working = tokio::spawn(async move {
            work(count).await;
            done.store(true, Ordering::Relaxed);
        });
        working.await.unwrap();
        another.await.unwrap();
    });
    turns.load(Ordering::Relaxed)
}

#[test]
fn a_task_that_always_finds_work_lets_the_others_of_its_thread_run() {
    // tokio's own traits wait for the budget, and so have no place in an executor inside of a task.
    let bytes: (&str, Work) = ("bytes", |count| Box::pin(bytes(count)));
    for (name, work) in WORKS.into_iter().chain([bytes]) {
        let turns = within(LIMIT, move || turns_of_another(work, 10_000));
        // The budget of a task is 128 today.
        assert!(turns >= 10_000 / 512, "{name}: {turns} turns");
    }
}

#[test]
fn a_future_is_pending_once_when_the_budget_is_spent_and_wakes_itself() {
    within(LIMIT, || {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let channel = Channel::new(ROOM);
            let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
            while has_budget_remaining() {
                writer.send(b"spent").await.unwrap();
            }
            // It has something left of the last unit, which a message of more than a KiB is too long for.
            let long = [7; 1025];
            let sent = writer.stats().slices;
            {
                let mut send = Task::parked(writer.send(long));
                assert_eq!(send.wakes(), 1);
                assert_eq!(send.poll(), Poll::Ready(Ok(Sent::Delivered)));
                assert_eq!(send.wakes(), 1);
            }
            assert_eq!(writer.stats().slices, sent + 1);
            // The next one does the same, and one that was dropped has done nothing.
            assert_eq!(Task::parked(writer.send(long)).wakes(), 1);
            assert_eq!(writer.stats().slices, sent + 1);
            let mut recv = Task::parked(reader.recv());
            assert_eq!(recv.wakes(), 1);
            assert!(matches!(recv.poll(), Poll::Ready(Ok(Some(_)))));
            // One that has to wait waits, and is woken for what it waits for.
            let mut late = channel.new_strong_reader_at(StartAt::Now);
            let mut recv = Task::parked(late.recv());
            assert!(recv.poll().is_pending());
            assert_eq!(recv.wakes(), 1);
            writer.try_send(b"now").unwrap();
            assert_eq!(recv.wakes(), 2);
            assert!(matches!(recv.poll(), Poll::Ready(Ok(Some(_)))));
        });
    });
}

/// Such an executor may have a waker for each of its futures, and poll them in turn. The runtime keeps each waker
/// that is not the last one it was given, until it runs.
#[test]
fn a_spent_budget_keeps_no_waker_of_an_executor_inside_of_a_task() {
    struct Quiet;
    impl Wake for Quiet {
        fn wake(self: Arc<Self>) {}
    }
    for (name, work) in WORKS {
        within(LIMIT, move || {
            let runtime = Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let (mut writer, _reader) = pipe(ROOM);
                while has_budget_remaining() {
                    writer.send(b"spent").await.unwrap();
                }
                let kept = [(); 2].map(|()| Arc::new(Quiet));
                let wakers = kept.each_ref().map(|waker| Waker::from(waker.clone()));
                let mut futures = [(); 2].map(|()| Some(work(300)));
                while futures.iter().any(Option::is_some) {
                    for (future, waker) in futures.iter_mut().zip(&wakers) {
                        let mut context = Context::from_waker(waker);
                        future.take_if(|it| it.as_mut().poll(&mut context).is_ready());
                    }
                }
                drop(wakers);
                assert_eq!(kept.map(|waker| Arc::strong_count(&waker)), [1; 2], "{name}");
            });
        });
    }
}

/// Sends or receives at once, again and again, until the budget is spent.
async fn at_once<T>(mut operation: impl AsyncFnMut() -> T) -> usize {
    let mut done = 0;
    poll_fn(|context| {
        while pin!(operation()).poll(context).is_ready() {
            done += 1;
        }
        Poll::Ready(done)
    })
    .await
}

#[test]
fn messages_and_slices_of_up_to_a_kib_take_a_quarter_of_a_unit_and_so_do_those_that_are_lent() {
    // The budget of a task is 128 today.
    for (length, per_unit) in [(0, 1), (1, 4), (1024, 4), (1025, 1)] {
        let reserved = within(LIMIT, move || {
            let runtime = Builder::new_current_thread().build().unwrap();
            runtime.block_on(async move {
                let (mut writer, _reader) = pipe(ROOM);
                at_once(async || writer.reserve(length).await.unwrap().commit()).await
            })
        });
        assert_eq!(reserved, 128 * per_unit, "{length} bytes each");
        let (sent, received) = within(LIMIT, move || {
            let runtime = Builder::new_current_thread().build().unwrap();
            runtime.block_on(async move {
                let (mut writer, mut reader) = pipe(ROOM);
                let message = vec![7; length];
                let sent = at_once(async || writer.send(&message).await.unwrap()).await;
                let received = tokio::spawn(async move {
                    at_once(async || assert!(reader.recv().await.unwrap().is_some())).await
                });
                (sent, received.await.unwrap())
            })
        });
        assert_eq!(sent, 128 * per_unit, "{length} bytes each");
        assert_eq!(received, sent.min(128 * 4), "{length} bytes each");
    }
}

/// A unit stands for few operations, whatever they get done, and none that waits takes part of one.
#[test]
fn writes_of_up_to_a_kib_take_a_quarter_of_a_unit_and_longer_ones_a_whole() {
    for (length, per_unit) in [(1, 4), (64, 4), (65, 4), (1024, 4), (1025, 1), (3000, 1)] {
        let written = within(LIMIT, move || {
            let runtime = Builder::new_current_thread().build().unwrap();
            runtime.block_on(async move {
                let (mut writer, _reader) = pipe(ROOM);
                let (bytes, mut written) = (vec![7; length], 0);
                poll_fn(|context| {
                    while Pin::new(&mut writer).poll_write(context, &bytes).is_ready() {
                        written += 1;
                    }
                    // Pending for the budget alone, and not for room.
                    Poll::Ready(written)
                })
                .await
            })
        });
        // The budget of a task is 128 today.
        assert_eq!(written, 128 * per_unit, "{length} bytes each");
    }
}
