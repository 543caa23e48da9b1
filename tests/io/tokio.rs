//! The traits of tokio.

use overfall::error::Lagged;
use overfall::{Backpressure, Channel, Reader, duplex, pipe};
use overfall_tests::{LIMIT, Task, within};
use std::cell::Cell;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf,
};
use tokio::runtime::Builder;
use tokio::task::yield_now;

/// Runs on one thread, with a clock that moves when there is nothing else to do.
fn on_one_thread<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    within(LIMIT, || {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(future)
    })
}

/// Every kind of endpoint has the traits.
#[allow(unused, reason = "a static assertion")]
fn every_endpoint_has_the_traits() {
    fn reads<R: AsyncRead + Unpin + Send>() {}
    fn lends<R: AsyncBufRead + Unpin + Send>() {}
    fn writes<W: AsyncWrite + Unpin + Send>() {}
    reads::<overfall::Reader>();
    reads::<overfall::StrongReader>();
    reads::<overfall::WeakReader>();
    reads::<overfall::Duplex>();
    lends::<overfall::StrongReader>();
    lends::<overfall::Duplex>();
    writes::<overfall::Writer>();
    writes::<overfall::StrongWriter>();
    writes::<overfall::WeakWriter>();
    writes::<overfall::Duplex>();
}

#[test]
fn bytes_go_through_between_tasks_on_one_thread_and_on_two() {
    fn bytes() -> Vec<u8> {
        (0..300_000_u32).map(|n| (n % 251) as u8).collect()
    }
    async fn through() -> Vec<u8> {
        let (mut writer, mut reader) = pipe(4096);
        let task = tokio::spawn(async move {
            writer.write_all(&bytes()).await.unwrap();
            writer.flush().await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        task.await.unwrap();
        all
    }
    assert!(on_one_thread(through()) == bytes());
    let all = within(LIMIT, || {
        Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(through())
    });
    assert!(all == bytes());
}

#[test]
fn a_vectored_write_is_one_slice() {
    on_one_thread(async {
        let (mut writer, mut reader) = pipe(1024);
        assert!(writer.is_write_vectored());
        let parts = [IoSlice::new(b"in "), IoSlice::new(b""), IoSlice::new(b"one piece")];
        assert_eq!(writer.write_vectored(&parts).await.unwrap(), 12);
        assert_eq!(writer.stats().slices, 1);
        assert_eq!(reader.fill_buf().await.unwrap(), b"in one piece");
    });
}

#[test]
fn lines_are_read_across_slices() {
    on_one_thread(async {
        let (mut writer, reader) = pipe(1024);
        for part in ["one", "\ntwo\nth", "ree", "\n", "rest"] {
            writer.write_all(part.as_bytes()).await.unwrap();
        }
        drop(writer);
        let mut lines = reader.lines();
        for expected in ["one", "two", "three", "rest"] {
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(expected));
        }
        assert_eq!(lines.next_line().await.unwrap(), None);
    });
}

#[test]
fn copying_moves_everything_in_both_directions() {
    on_one_thread(async {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 253) as u8).collect();
        let (mut writer, mut reader) = pipe(2048);
        let (mut second, mut last) = pipe(512);
        let source = bytes.clone();
        tokio::spawn(async move {
            let copied = tokio::io::copy(&mut &source[..], &mut writer).await.unwrap();
            assert_eq!(copied, 100_000);
        });
        tokio::spawn(async move {
            assert_eq!(tokio::io::copy(&mut reader, &mut second).await.unwrap(), 100_000);
        });
        let mut all = Vec::new();
        assert_eq!(tokio::io::copy_buf(&mut last, &mut all).await.unwrap(), 100_000);
        assert!(all == bytes);
    });
}

#[test]
fn a_read_into_spare_capacity_fills_it() {
    on_one_thread(async {
        let (mut writer, reader) = pipe(1024);
        writer.write_all(b"spare").await.unwrap();
        for mut reader in [Reader::from(reader.clone()), reader.into_weak().into()] {
            let mut all = Vec::with_capacity(3);
            assert_eq!(reader.read_buf(&mut all).await.unwrap(), 3);
            all.reserve(100);
            assert_eq!(reader.read_buf(&mut all).await.unwrap(), 2);
            assert_eq!(all, b"spare");
        }
    });
}

/// Whoever reads: a strong and a weak reader, either as a `Reader`, and an end of a duplex.
#[test]
fn a_read_initializes_what_it_may_read_and_not_the_room_it_is_given() {
    fn check(mut writer: impl AsyncWrite + Unpin, mut reader: impl AsyncRead + Unpin) {
        let mut memory = vec![MaybeUninit::uninit(); 1 << 20];
        for length in [64, 1, 1000, 10_000, 64] {
            assert_eq!(Task::new(writer.write_all(&vec![7; length])).result().ok(), Some(()));
            let mut buffer = ReadBuf::uninit(&mut memory);
            let mut read =
                Task::new(poll_fn(|context| Pin::new(&mut reader).poll_read(context, &mut buffer)));
            assert!(matches!(read.poll(), Poll::Ready(Ok(()))));
            drop(read);
            assert_eq!(buffer.filled(), vec![7; length]);
            let initialized = buffer.initialized().len();
            assert!(initialized < length + 512, "{initialized} bytes for {length}");
        }
        // Nothing is there, and the reader waits.
        let mut buffer = ReadBuf::uninit(&mut memory);
        let mut read =
            Task::new(poll_fn(|context| Pin::new(&mut reader).poll_read(context, &mut buffer)));
        assert!(read.poll().is_pending());
        assert_eq!(Task::new(writer.write_all(b"late")).result().ok(), Some(()));
        assert_eq!(read.wakes(), 1);
        assert!(matches!(read.poll(), Poll::Ready(Ok(()))));
        drop(read);
        assert_eq!(buffer.filled(), b"late");
    }
    let channel = || Channel::new(1 << 15);
    let of = channel();
    check(of.new_writer(), of.new_strong_reader());
    let of = channel();
    check(of.new_weak_writer(), of.new_weak_reader());
    let of = channel();
    check(of.new_writer(), Reader::from(of.new_strong_reader()));
    let of = channel();
    check(of.new_writer(), Reader::from(of.new_weak_reader()));
    let (one, other) = duplex(1 << 15);
    check(one, other);
}

/// A weak reader that is far behind, which finds at most what there is room for in the ring.
#[test]
fn an_overrun_read_initializes_no_more_than_the_ring() {
    let channel = Channel::new(4096);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
    reader.set_silent(true);
    (0..1000).for_each(|_| assert_eq!(writer.try_write(&[7; 1024]), Ok(1024)));
    let mut memory = vec![MaybeUninit::uninit(); 1 << 20];
    let mut buffer = ReadBuf::uninit(&mut memory);
    let mut read =
        Task::new(poll_fn(|context| Pin::new(&mut reader).poll_read(context, &mut buffer)));
    assert!(matches!(read.poll(), Poll::Ready(Ok(()))));
    drop(read);
    assert_eq!((buffer.filled(), buffer.initialized().len()), (&[7; 4096][..], 4096));
}

#[test]
fn zero_length_reads_and_writes_return_at_once() {
    on_one_thread(async {
        let (mut writer, mut reader) = pipe(64);
        for _ in 0..2 {
            assert_eq!(writer.write(b"").await.unwrap(), 0);
            assert_eq!(writer.write_vectored(&[]).await.unwrap(), 0);
            assert_eq!(reader.read(&mut []).await.unwrap(), 0);
            assert_eq!(reader.clone().into_weak().read(&mut []).await.unwrap(), 0);
            // Full, and not the end.
            let _ = writer.try_write(&[1; 64]);
        }
        assert_eq!(reader.read(&mut [0; 64]).await.unwrap(), 64);
    });
}

#[test]
fn shutdown_is_idempotent_and_later_writes_are_a_broken_pipe() {
    on_one_thread(async {
        let (mut writer, mut reader) = pipe(1024);
        writer.write_all(b"last").await.unwrap();
        for _ in 0..3 {
            writer.shutdown().await.unwrap();
            assert_eq!(writer.write(b"no").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            assert_eq!(writer.write(b"").await.unwrap(), 0);
            writer.flush().await.unwrap();
        }
        let mut all = Vec::new();
        assert_eq!(reader.read_to_end(&mut all).await.unwrap(), 4);
        assert_eq!(reader.fill_buf().await.unwrap(), b"");
        assert_eq!(reader.read(&mut [0; 4]).await.unwrap(), 0);
    });
}

#[test]
fn shutdown_of_one_writer_leaves_the_others_alone() {
    on_one_thread(async {
        let (mut writer, mut reader) = pipe(1024);
        let mut other = writer.clone();
        writer.shutdown().await.unwrap();
        other.write_all(b"still here").await.unwrap();
        assert_eq!(reader.read(&mut [0; 64]).await.unwrap(), 10);
    });
}

#[test]
fn a_gap_is_an_error_with_its_size_inside_and_reading_goes_on() {
    on_one_thread(async {
        let channel = Channel::new(256);
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
        for number in 0..6 {
            writer.write_all(&[number; 64]).await.unwrap();
        }
        let error = reader.read(&mut [0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
        let lagged = error.get_ref().and_then(|inner| inner.downcast_ref::<Lagged>());
        assert_eq!(lagged.map(|lagged| lagged.ring_bytes), Some(128));
        let mut buffer = [0; 64];
        reader.read_exact(&mut buffer).await.unwrap();
        assert_eq!(buffer, [2; 64]);
    });
}

#[test]
fn in_drop_mode_a_discarded_slice_is_reported_as_written() {
    on_one_thread(async {
        let channel = Channel::with_parameters(64, Backpressure::Drop);
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        writer.write_all(&[1; 64]).await.unwrap();
        assert_eq!(writer.write(&[2; 60]).await.unwrap(), 60);
        let parts = [IoSlice::new(&[3; 4]), IoSlice::new(&[3; 3])];
        assert_eq!(writer.write_vectored(&parts).await.unwrap(), 7);
        let stats = channel.stats();
        assert_eq!((stats.dropped_slices, stats.dropped_bytes), (2, 67));
        let mut buffer = [0; 64];
        assert_eq!(reader.read(&mut buffer).await.unwrap(), 64);
        assert_eq!(buffer, [1; 64]);
    });
}

/// Polls `busy`, which always finds something to do, beside a task that wants to run once.
#[track_caller]
fn lets_a_sibling_run(busy: impl AsyncFnOnce(&Cell<bool>) + Send + 'static) {
    within(LIMIT, || {
        let runtime = Builder::new_current_thread().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let done = std::rc::Rc::new(Cell::new(false));
            let sibling = done.clone();
            tokio::task::spawn_local(async move { sibling.set(true) });
            busy(&done).await;
        });
    });
}

#[test]
fn a_task_that_always_finds_bytes_lets_its_siblings_run() {
    lets_a_sibling_run(async |done| {
        let (mut writer, mut reader) = pipe(64);
        while !done.get() {
            writer.try_write(b"never empty").unwrap();
            assert_eq!(reader.read(&mut [0; 64]).await.unwrap(), 11);
        }
    });
    lets_a_sibling_run(async |done| {
        let (mut writer, reader) = pipe(64);
        let mut tap = reader.into_weak();
        while !done.get() {
            writer.try_write(b"never empty").unwrap();
            assert_eq!(tap.read(&mut [0; 64]).await.unwrap(), 11);
        }
    });
}

#[test]
fn a_task_that_is_always_lent_bytes_lets_its_siblings_run() {
    lets_a_sibling_run(async |done| {
        let (mut writer, mut reader) = pipe(64);
        writer.try_write(b"never consumed").unwrap();
        while !done.get() {
            assert_eq!(reader.fill_buf().await.unwrap(), b"never consumed");
        }
    });
}

#[test]
fn a_task_that_always_finds_room_lets_its_siblings_run() {
    lets_a_sibling_run(async |done| {
        let (mut writer, mut reader) = pipe(64);
        while !done.get() {
            assert_eq!(writer.write(b"never full").await.unwrap(), 10);
            assert_eq!(reader.try_read(&mut [0; 64]), Ok(10));
        }
    });
    lets_a_sibling_run(async |done| {
        let channel = Channel::with_parameters(64, Backpressure::Drop);
        let (mut writer, _full) = (channel.new_writer(), channel.new_strong_reader());
        while !done.get() {
            assert_eq!(writer.write(b"discarded").await.unwrap(), 9);
        }
    });
}

#[test]
fn an_operation_that_waits_takes_nothing_of_the_budget() {
    on_one_thread(async {
        let (_writer, mut reader) = pipe(64);
        // Far more polls than a budget has, in one poll of the task.
        let pending = std::future::poll_fn(|context| {
            for _ in 0..1000 {
                let mut byte = [0];
                let read = Pin::new(&mut reader).poll_read(context, &mut ReadBuf::new(&mut byte));
                assert!(read.is_pending());
            }
            Poll::Ready(tokio::task::coop::has_budget_remaining())
        });
        assert!(pending.await);
    });
}

#[test]
fn an_idle_read_is_polled_once_and_then_left_alone() {
    on_one_thread(async {
        let (mut writer, mut reader) = pipe(64);
        let polls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = polls.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 8];
            let mut read = std::pin::pin!(reader.read(&mut buffer));
            std::future::poll_fn(|context| {
                counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                read.as_mut().poll(context)
            })
            .await
            .unwrap()
        });
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(polls.load(std::sync::atomic::Ordering::Relaxed), 1);
        writer.write_all(b"go").await.unwrap();
        assert_eq!(task.await.unwrap(), 2);
        assert_eq!(polls.load(std::sync::atomic::Ordering::Relaxed), 2);
    });
}

#[test]
fn reads_and_writes_that_time_out_lose_nothing() {
    on_one_thread(async {
        let (mut writer, mut reader) = pipe(64);
        let soon = Duration::from_millis(5);
        for number in 0..20_u8 {
            let mut buffer = [0; 64];
            let read = tokio::time::timeout(soon, reader.read(&mut buffer));
            assert!(read.await.is_err(), "there is nothing to read");
            writer.write_all(&[number; 64]).await.unwrap();
            let write = tokio::time::timeout(soon, writer.write(&[255; 64]));
            assert!(write.await.is_err(), "there is no room");
            assert_eq!(reader.read(&mut buffer).await.unwrap(), 64);
            assert_eq!(buffer, [number; 64]);
        }
        assert_eq!(writer.stats().slices, 20);
    });
}

#[test]
fn a_read_that_is_selected_against_a_clock_sees_every_byte() {
    on_one_thread(async {
        let (mut writer, mut reader) = pipe(128);
        tokio::spawn(async move {
            for number in 0..500_u32 {
                writer.write_all(&number.to_le_bytes()).await.unwrap();
                if number % 7 == 0 {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            }
        });
        let mut clock = tokio::time::interval(Duration::from_millis(1));
        let mut all: Vec<u8> = Vec::new();
        let mut buffer = [0; 4];
        loop {
            tokio::select! {
                read = reader.read(&mut buffer) => match read.unwrap() {
                    0 => break,
                    read => all.extend(&buffer[..read]),
                },
                _ = clock.tick() => {}
            }
        }
        let expected: Vec<u8> = (0..500_u32).flat_map(u32::to_le_bytes).collect();
        assert!(all == expected);
    });
}

#[test]
fn a_write_future_that_was_dropped_is_in_nobodys_way() {
    on_one_thread(async {
        let (mut writer, mut reader) = pipe(64);
        let mut other = writer.clone();
        writer.write_all(&[1; 64]).await.unwrap();
        drop(Task::parked(writer.write(&[2; 64])));
        let task = tokio::spawn(async move { other.write_all(&[3; 64]).await.unwrap() });
        yield_now().await;
        let mut buffer = [0; 64];
        reader.read_exact(&mut buffer).await.unwrap();
        assert_eq!(buffer, [1; 64]);
        task.await.unwrap();
        reader.read_exact(&mut buffer).await.unwrap();
        assert_eq!(buffer, [3; 64]);
    });
}

#[test]
fn reserve_and_closed_work_in_tasks() {
    on_one_thread(async {
        let channel = Channel::new(128);
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        let closed = tokio::spawn(channel.closed());
        let task = tokio::spawn(async move {
            for number in 0..100 {
                let mut slice = writer.reserve(100).await.unwrap();
                slice.write_all(&[number; 100]).unwrap();
                slice.commit();
            }
        });
        for number in 0..100 {
            let mut buffer = [0; 100];
            reader.read_exact(&mut buffer).await.unwrap();
            assert_eq!(buffer, [number; 100]);
        }
        task.await.unwrap();
        assert!(!closed.is_finished());
        channel.drain().unwrap();
        closed.await.unwrap();
    });
}
