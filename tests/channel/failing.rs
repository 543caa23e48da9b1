//! Channels that end with an error.

use overfall::error::{
    ChannelError, Failure, ReadError, TryReadError, TryWriteError, WriterPanicked,
};
use overfall::{Channel, Reader, StrongWriter, WeakChannel, duplex, pipe};
use overfall_tests::{LIMIT, Task, block_on, overwriting, within};
use std::error::Error;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// What a reader fails with once it has read everything.
fn failure_of(reader: &mut Reader) -> Option<Failure> {
    loop {
        match reader.try_recv() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(TryReadError::Failed(failure)) => return Some(failure),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The writer that a channel failed for.
fn panicked(channel: &WeakChannel) -> Option<WriterPanicked> {
    channel
        .failure()
        .map(|failure| failure.get_ref().downcast_ref::<WriterPanicked>().unwrap().clone())
}

/// Panics with `it` in scope.
fn panic_with<T>(it: T) {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _dropped_by_the_panic = it;
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(panic.is_err());
}

#[test]
fn readers_get_every_byte_and_then_the_error_again_and_again_late_ones_too() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    let mut readers: Vec<Reader> =
        vec![channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    writer.try_send(b"one").unwrap();
    writer.try_send(b"two").unwrap();
    writer.fail("out of paper").unwrap();
    readers.push(channel.new_strong_reader().into());
    readers.push(channel.new_weak_reader().into());
    readers.push(readers[0].clone());
    for reader in &mut readers {
        let mut buffer = [0; 6];
        let mut read = 0;
        while read < 6 {
            read += reader.try_read(&mut buffer[read..]).unwrap();
        }
        assert_eq!(&buffer, b"onetwo");
        for _ in 0..3 {
            let Err(TryReadError::Failed(failure)) = reader.try_read(&mut buffer) else {
                panic!("no failure")
            };
            assert_eq!(Some(&failure), channel.failure().as_ref());
            assert_eq!(failure.source().unwrap().to_string(), "out of paper");
            let received = block_on(reader.recv()).map(drop);
            assert_eq!(received, Err(ReadError::Failed(failure)));
        }
        assert_eq!(reader.try_read(&mut []), Ok(0));
        assert!(reader.is_closed());
    }
    assert_eq!(writer.try_write(b"late"), Err(TryWriteError::Closed));
    assert!(channel.is_closed());
}

#[test]
fn the_io_traits_have_the_kind_of_the_error_and_the_failure_inside() {
    let (mut writer, reader) = pipe(1024);
    writer.write_all_blocking(b"half");
    writer.fail(io::Error::new(ErrorKind::UnexpectedEof, "cut off")).unwrap();
    let failure = writer.channel().failure().unwrap();
    let mut reader = reader.blocking();
    let mut text = String::new();
    let error = reader.read_to_string(&mut text).unwrap_err();
    assert_eq!((error.kind(), text.as_str()), (ErrorKind::UnexpectedEof, "half"));
    assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&failure));
    let error = reader.recv().map(drop).unwrap_err();
    assert_eq!(error, ReadError::Failed(failure));
    assert_eq!(error.to_string(), "the stream failed: cut off");
}

/// A write that leaves the writer with its owner.
trait WriteAll {
    fn write_all_blocking(&mut self, bytes: &[u8]);
}

impl WriteAll for StrongWriter {
    fn write_all_blocking(&mut self, bytes: &[u8]) {
        self.clone().blocking().write_all(bytes).unwrap();
    }
}

#[test]
fn a_failure_wakes_whoever_waits() {
    within(LIMIT, || {
        let channel = Channel::new(64);
        let (strong, weak) = (channel.new_strong_reader(), channel.new_weak_reader());
        let wait =
            |mut reader: Reader| thread::spawn(move || reader.blocking_failure().to_string());
        let waits = [wait(strong.into()), wait(weak.into())];
        channel.fail("disk on fire").unwrap();
        for wait in waits {
            assert_eq!(wait.join().unwrap(), "the stream failed: disk on fire");
        }
        block_on(channel.closed());
    });
}

trait BlockingFailure {
    fn blocking_failure(&mut self) -> ReadError;
}

impl BlockingFailure for Reader {
    fn blocking_failure(&mut self) -> ReadError {
        block_on(self.recv()).map(drop).unwrap_err()
    }
}

#[test]
fn a_writer_that_waits_for_room_is_told_that_it_is_closed() {
    within(LIMIT, || {
        let (mut writer, reader) = pipe(64);
        let channel = reader.channel();
        writer.try_write(b"full").unwrap();
        let thread = thread::spawn(move || writer.blocking().write(b"more"));
        while channel.stats().payload_bytes < 4 {}
        channel.fail("no more").unwrap();
        assert_eq!(thread.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(reader);
    });
}

#[test]
fn a_slice_of_another_writer_in_flight_is_read_before_the_error() {
    let (mut writer, mut reader) = pipe(1024);
    let mut other = writer.clone();
    let mut slice = other.try_reserve(5).unwrap();
    writer.fail("early").unwrap();
    assert_eq!(reader.try_recv().map(drop), Err(TryReadError::Empty), "it may still come");
    slice.write_all(b"still").unwrap();
    slice.commit();
    assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"still"[..]));
    assert!(matches!(reader.try_recv(), Err(TryReadError::Failed(_))));
    // Its own, which it has leaked, is given up.
    let (mut writer, mut reader) = pipe(1024);
    std::mem::forget(writer.try_reserve(5).unwrap());
    writer.fail("early").unwrap();
    assert!(matches!(reader.try_recv(), Err(TryReadError::Failed(_))));
}

#[test]
fn the_first_end_counts_and_a_terminate_overrides_it() {
    let channel = Channel::new(64);
    let mut reader: Reader = channel.new_strong_reader().into();
    channel.drain().unwrap();
    let error = channel.fail("too late").unwrap_err();
    assert_eq!(error.failure.source().unwrap().to_string(), "too late");
    assert_eq!((channel.failure(), failure_of(&mut reader)), (None, None));
    assert_eq!(channel.stats().failure, None);

    let channel = Channel::new(64);
    let mut reader: Reader = channel.new_strong_reader().into();
    channel.fail("first").unwrap();
    let first = channel.failure().unwrap();
    assert!(channel.fail("second").is_err());
    assert_eq!(channel.drain(), Err(ChannelError::Failed));
    assert_eq!(failure_of(&mut reader).as_ref(), Some(&first));
    assert_eq!(channel.stats().failure.as_ref(), Some(&first));
    assert!(format!("{channel:?}").contains("ending: Failed"));

    channel.terminate();
    assert_eq!(reader.try_recv().map(drop), Err(TryReadError::Terminated));
    assert_eq!(channel.failure(), None);
    assert!(channel.fail("at last").is_err());
}

#[test]
fn weak_writers_and_handles_that_look_on_may_fail_a_channel() {
    let (writer, reader) = pipe(64);
    let mut weak = writer.clone().into_weak();
    weak.fail("weak").unwrap();
    assert_eq!(failure_of(&mut reader.into()).unwrap().to_string(), "the stream failed: weak");
    assert!(writer.channel().fail("looks on").is_err());
    let (writer, reader) = pipe(64);
    reader.channel().fail("looks on").unwrap();
    assert!(failure_of(&mut reader.into()).is_some());
    drop(writer);
}

#[test]
fn a_failure_that_a_pump_passes_on_stays_the_same() {
    let (mut first, mut between) = pipe(64);
    let (mut second, mut last) = pipe(64);
    first.fail("at the source").unwrap();
    let Err(ReadError::Failed(failure)) = block_on(between.recv()).map(drop) else {
        panic!("no failure")
    };
    second.fail(failure.clone()).unwrap();
    assert_eq!(block_on(last.recv()).map(drop), Err(ReadError::Failed(failure)));
}

#[test]
fn a_strong_writer_that_is_dropped_by_a_panic_fails_the_channel_and_is_named() {
    let channel = Channel::new(1024);
    let mut reader: Reader = channel.new_strong_reader().into();
    let (mut writer, mut other) = (channel.new_strong_writer(), channel.new_strong_writer());
    writer.set_name("parser");
    writer.try_send(b"half").unwrap();
    let id = writer.id();
    let thread = thread::spawn(move || {
        let _writer = writer;
        std::panic::resume_unwind(Box::new("a bug"));
    });
    assert!(thread.join().is_err());
    let WriterPanicked { writer, name, .. } = panicked(&channel.downgrade()).unwrap();
    assert_eq!((writer, name.as_deref()), (id, Some("parser")));
    let text = failure_of(&mut reader).unwrap().to_string();
    assert!(text.starts_with(&format!("the stream failed: writer {id} (parser) was dropped")));
    assert_eq!(other.try_send(b"more"), Err(overfall::error::TrySendError::Closed));
}

#[test]
fn a_panic_that_is_caught_fails_it_just_the_same_whatever_holds_the_writer() {
    type Drops = fn(StrongWriter);
    let ways: [Drops; 4] = [
        |writer| panic_with(writer),
        |writer| panic_with(overfall::Writer::from(writer).blocking()),
        |writer| panic_with(vec![Some(writer)]),
        |writer| panic_with(overfall::LineWriter::new(writer.blocking())),
    ];
    for way in ways {
        let (writer, reader) = pipe(64);
        way(writer);
        assert!(panicked(&reader.channel()).is_some());
    }
    let (one, other) = duplex(64);
    panic_with(one);
    let (_, reader) = other.into_split();
    assert!(panicked(&reader.channel()).is_some());
}

#[test]
fn whatever_owns_a_writer_fails_the_channel_when_a_panic_drops_it() {
    // A slice that owns it: what was written of it is no part of the channel.
    let (writer, mut reader) = pipe(1024);
    let mut slice = writer.try_reserve_owned(10).unwrap();
    slice.write_all(b"half").unwrap();
    panic_with(slice);
    assert!(matches!(reader.try_recv(), Err(TryReadError::Failed(_))));
    let (writer, reader) = pipe(1024);
    panic_with(writer.blocking().reserve_owned(10).unwrap());
    assert!(panicked(&reader.channel()).is_some());
    // A future, in the middle of its wait.
    let (mut writer, reader) = pipe(64);
    writer.try_send(b"full").unwrap();
    panic_with(Task::parked(async move { writer.send(b"more").await.map(drop) }));
    assert!(panicked(&reader.channel()).is_some());
    let (mut writer, reader) = pipe(64);
    writer.try_send(b"full").unwrap();
    panic_with(Task::parked(async move { writer.reserve_owned(9).await.map(drop) }));
    assert!(panicked(&reader.channel()).is_some());
    // A future that only borrows it does not.
    let (mut writer, reader) = pipe(64);
    writer.try_send(b"full").unwrap();
    panic_with(Task::parked(writer.send(b"more")));
    assert!(!reader.is_closed());
    // What leads to the channel, and looks on, holds no writer.
    panic_with((reader.channel(), reader.channel().blocking(), writer.flushed(), writer.closed()));
    assert!(!reader.is_closed());
    #[cfg(feature = "rkyv")]
    {
        use overfall::typed;
        let (writer, reader) = pipe(64);
        panic_with(typed::Writer::<u32, _>::new(writer).blocking());
        assert!(panicked(&reader.channel()).is_some());
    }
}

#[cfg(feature = "futures")]
#[test]
fn what_waits_in_a_sink_is_read_before_the_error_of_the_panic_that_drops_it() {
    use futures::SinkExt;
    let (mut writer, mut reader) = pipe(128);
    writer.try_send(b"one").unwrap();
    let mut sink = writer.into_sink();
    assert_eq!(block_on(sink.feed(vec![2; 100].into())), Ok(()), "there is room for a short one");
    assert!(reader.try_recv().unwrap().is_some());
    panic_with(sink);
    assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&[2; 100][..]));
    assert!(matches!(reader.try_recv(), Err(TryReadError::Failed(_))));
}

#[test]
fn whatever_is_asked_of_a_reader_at_the_end_of_a_failed_channel_fails() {
    let channel = overwriting(128);
    let (mut tap, mut writer) = (channel.new_weak_reader(), channel.new_writer());
    (0..5).for_each(|_| writer.try_send(b"x").unwrap());
    writer.fail("out of paper").unwrap();
    // A gap is told first, and what is left is read.
    assert!(matches!(tap.try_recv(), Err(TryReadError::Lagged(_))));
    (0..2).for_each(|_| assert!(tap.try_recv().unwrap().is_some()));
    assert!(matches!(tap.try_peek(), Err(TryReadError::Failed(_))));
    let mut reader = tap.into_strong().unwrap();
    assert!(matches!(reader.try_recv(), Err(TryReadError::Failed(_))));
    assert!(matches!(reader.try_recv_many(4), Err(TryReadError::Failed(_))));
    assert!(matches!(reader.try_recv_into(&mut Vec::new()), Err(TryReadError::Failed(_))));
    assert!(matches!(reader.try_peek(), Err(TryReadError::Failed(_))));
    assert!(matches!(reader.try_fill_buf(), Err(TryReadError::Failed(_))));
    assert!(matches!(reader.try_read(&mut [0; 4]), Err(TryReadError::Failed(_))));
    assert!(matches!(block_on(reader.peek()), Err(ReadError::Failed(_))));
    assert!(matches!(block_on(reader.recv_many(4)), Err(ReadError::Failed(_))));
    assert!(matches!(reader.clone().into_weak().try_recv(), Err(TryReadError::Failed(_))));
    reader.skip_to(overfall::StartAt::Newest);
    let mut reader = reader.blocking();
    assert!(matches!(reader.recv(), Err(ReadError::Failed(_))));
    assert!(matches!(reader.peek(), Err(ReadError::Failed(_))));
    assert!(matches!(reader.recv_timeout(LIMIT), Err(TryReadError::Failed(_))));
    assert!(reader.fill_buf().is_err());
    assert!(reader.read_timeout(&mut [0; 4], LIMIT).is_err());
    assert_eq!(reader.read(&mut []).unwrap(), 0, "nothing was asked");
}

#[test]
fn who_says_so_has_writers_go_by_a_panic_like_any_other() {
    let channel = Channel::builder().size(64).fail_on_panic(false).build().unwrap();
    let mut reader: Reader = channel.new_strong_reader().into();
    panic_with(channel.new_writer());
    assert!(!channel.is_closed());
    drop(channel);
    assert_eq!(failure_of(&mut reader), None);
    assert!(reader.is_closed());
}

#[test]
fn a_weak_writer_or_one_that_is_done_does_not_fail_it_by_a_panic() {
    let channel = Channel::new(64);
    panic_with(channel.new_weak_writer());
    panic_with(channel.new_strong_writer().into_weak());
    let mut done = channel.new_strong_writer();
    done.shut_down();
    panic_with(done.clone());
    panic_with(done);
    let mut ended = channel.new_strong_writer();
    ended.terminate();
    panic_with(ended);
    assert!(!channel.is_closed());
    panic_with(channel.new_weak_writer().into_strong());
    assert!(panicked(&channel.downgrade()).is_some());
}

/// Logs a line when it is dropped.
struct LogsAtTheEnd(WeakChannel, Option<StrongWriter>);

impl Drop for LogsAtTheEnd {
    fn drop(&mut self) {
        // A writer for one line.
        let mut writer = self.1.as_ref().unwrap().clone();
        writer.try_send(b"a line").unwrap();
        drop(writer);
        assert!(!self.0.is_closed(), "the line was not the end");
        // Back to the thread that does not panic.
        let writer = self.1.take();
        thread::spawn(move || drop(writer)).join().unwrap();
    }
}

#[test]
fn a_line_of_a_log_in_a_destructor_does_not_end_the_log() {
    let (writer, mut reader) = pipe(1024);
    let log = LogsAtTheEnd(writer.channel(), Some(writer.clone()));
    panic_with(log);
    assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"a line"[..]));
    assert_eq!(reader.try_recv().map(drop), Err(TryReadError::Empty));
    drop(writer);
    assert!(reader.try_recv().unwrap().is_none());
}

/// Writes a last line, and then lets its writer go.
struct WritesItsLast(StrongWriter);

impl Drop for WritesItsLast {
    fn drop(&mut self) {
        self.0.try_send(b"the last line").unwrap();
    }
}

#[test]
fn a_destructor_may_still_write_and_what_it_wrote_is_read_before_the_error() {
    let (writer, mut reader) = pipe(1024);
    panic_with(WritesItsLast(writer));
    assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"the last line"[..]));
    assert!(matches!(reader.try_recv(), Err(TryReadError::Failed(_))));
}

#[test]
fn a_panic_after_the_end_changes_nothing() {
    let (writer, reader) = pipe(64);
    writer.channel().drain().unwrap();
    panic_with(writer);
    assert_eq!(failure_of(&mut reader.into()), None);
}

#[cfg(feature = "tokio")]
#[test]
fn a_task_that_panics_fails_its_channel() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut writer, mut reader) = pipe(1024);
        let task = tokio::spawn(async move {
            writer.send(b"half").await.unwrap();
            tokio::task::yield_now().await;
            std::panic::resume_unwind(Box::new("a bug"));
        });
        assert_eq!(reader.recv().await.unwrap().as_deref(), Some(&b"half"[..]));
        assert!(matches!(reader.recv().await, Err(ReadError::Failed(_))));
        assert!(task.await.unwrap_err().is_panic());
    });
}

#[cfg(feature = "futures")]
#[test]
fn a_stream_ends_with_the_error_as_its_last_item() {
    use futures::StreamExt;
    let (mut writer, reader) = pipe(64);
    writer.try_send(b"one").unwrap();
    writer.fail("gone").unwrap();
    let failure = writer.channel().failure().unwrap();
    let items: Vec<_> =
        block_on(reader.into_stream().map(|item| item.map(|message| message.bytes)).collect());
    assert_eq!(items, [Ok("one".into()), Err(ReadError::Failed(failure))]);
}

#[cfg(feature = "rkyv")]
#[test]
fn values_are_received_before_the_error() {
    use overfall::typed;
    let channel = typed::Channel::<u32>::new(1024);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    writer.try_send(&7).unwrap();
    writer.channel().fail("gone").unwrap();
    assert_eq!(*reader.try_recv().unwrap().unwrap(), 7);
    let Err(typed::TryRecvError::Failed(failure)) = reader.try_recv().map(drop) else {
        panic!("no failure")
    };
    assert_eq!(reader.channel().failure(), Some(failure));
    let error = reader.blocking().recv().map(drop).unwrap_err();
    assert_eq!(error.to_string(), "the stream failed: gone");
}
