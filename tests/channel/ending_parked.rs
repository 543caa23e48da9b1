//! How things end for those who wait: whoever is parked is woken and told.

use overfall::error::{ReserveError, TryReadError, TryWriteError};
use overfall::{Channel, Reader, Slice, StrongReader, StrongWriter, Writer, pipe};
use overfall_tests::{LIMIT, Task, counting_waker, overwriting, until, waiting_writers, within};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::thread;

/// A full ring, so that every writer waits.
fn full() -> (Arc<Channel>, Writer, StrongReader) {
    let channel = overwriting(64);
    let mut writer = channel.new_writer();
    let reader = channel.new_strong_reader();
    writer.try_write(&[1; 64]).unwrap();
    (channel, writer, reader)
}

fn error(result: Result<Slice<'_>, ReserveError>) -> Option<ReserveError> {
    result.err()
}

#[test]
fn drain_and_terminate_wake_every_waiting_writer() {
    within(LIMIT, || {
        for (terminate, expected) in
            [(false, ReserveError::Closed), (true, ReserveError::Terminated)]
        {
            let (channel, mut first, _reader) = full();
            let (mut second, mut third) = (first.clone(), first.clone());
            let mut tasks = [
                Task::parked(first.reserve(64)),
                Task::parked(second.reserve(1)),
                Task::parked(channel.reserve_slice(64)),
            ];
            let mut blocking = {
                let handle = channel.clone();
                let mut writer = third.clone().blocking();
                let thread = thread::spawn(move || writer.write(b"no").unwrap_err().kind());
                until("the thread waits", || waiting_writers(&handle) == 4);
                Some(thread)
            };
            if terminate {
                channel.terminate();
            } else {
                channel.drain().unwrap();
            }
            for task in &mut tasks {
                assert_eq!(task.wakes(), 1);
            }
            for task in tasks {
                assert_eq!(error(task.result()), Some(expected));
            }
            let thread = blocking.take().unwrap();
            let kind = thread.join().unwrap();
            assert_eq!(waiting_writers(&channel), 0);
            assert_eq!(kind, io::Error::from(expected).kind());
            assert!(third.try_write(b"no").is_err());
        }
    });
}

#[test]
fn a_waiting_writer_is_told_that_the_last_reader_went() {
    let (channel, mut writer, reader) = full();
    let clone = reader.clone();
    drop(channel);
    let mut task = Task::parked(writer.reserve(64));
    drop(reader);
    assert!(task.poll().is_pending(), "the clone still holds what is unread");
    drop(clone);
    assert!(task.wakes() > 0);
    assert_eq!(error(task.result()), Some(ReserveError::Closed));
}

#[test]
fn a_waiting_thread_is_told_that_the_last_reader_went() {
    within(LIMIT, || {
        for _ in 0..100 {
            let (writer, reader) = pipe(64);
            let mut writer = writer.blocking();
            let thread = thread::spawn(move || {
                loop {
                    match writer.write(&[1; 64]) {
                        Ok(written) => assert_eq!(written, 64),
                        Err(error) => break error.kind(),
                    }
                }
            });
            let mut reader = reader.blocking();
            reader.read_exact(&mut [0; 200]).unwrap();
            drop(reader);
            assert_eq!(thread.join().unwrap(), ErrorKind::BrokenPipe);
        }
    });
}

#[test]
fn a_waiting_writer_goes_on_when_the_reader_terminates_itself() {
    let (_channel, mut writer, mut reader) = full();
    let task = Task::parked(writer.reserve(64));
    reader.terminate();
    assert_eq!(task.wakes(), 1);
    assert_eq!(task.result().unwrap().len(), 64);
}

#[test]
fn closed_resolves_for_every_side_when_the_channel_ends() {
    type End = fn(Arc<Channel>, StrongWriter, StrongReader);
    let ends: [(&str, End); 4] = [
        ("drain", |channel, _writer, _reader| channel.drain().unwrap()),
        ("terminate", |channel, _writer, _reader| channel.terminate()),
        ("the last writer goes", |channel, writer, _reader| {
            drop(channel);
            drop(writer);
        }),
        ("the last reader goes", |channel, _writer, reader| {
            drop(channel);
            drop(reader);
        }),
    ];
    for (how, comes_to_its_end) in ends {
        let channel = Channel::new(64);
        let (writer, reader) = (channel.new_strong_writer(), channel.new_strong_reader());
        let tasks = [
            Task::parked(channel.closed()),
            Task::parked(writer.closed()),
            Task::parked(reader.closed()),
            Task::parked(Writer::from(writer.clone()).closed()),
            Task::parked(channel.new_weak_reader().closed()),
            Task::parked(channel.new_weak_writer().closed()),
        ];
        comes_to_its_end(channel, writer, reader);
        for task in tasks {
            assert_eq!(task.wakes(), 1, "{how}");
            task.result();
        }
    }
}

#[test]
fn closed_is_ready_at_once_on_a_channel_that_has_ended() {
    let channel = Channel::new(64);
    let (writer, reader) = (channel.new_writer(), channel.new_weak_reader());
    channel.drain().unwrap();
    Task::new(channel.closed()).result();
    Task::new(writer.closed()).result();
    Task::new(reader.closed()).result();
}

#[test]
fn closed_keeps_nothing_open_and_outlives_its_endpoint() {
    let channel = Channel::new(64);
    let mut reader = channel.new_strong_reader();
    let closed = [
        Task::parked(channel.closed()),
        Task::parked(channel.new_strong_writer().closed()),
        Task::parked(reader.clone().closed()),
    ];
    drop(channel);
    assert_eq!(reader.try_read(&mut [0; 8]), Ok(0), "the end");
    for task in closed {
        task.result();
    }
}

#[test]
fn a_closed_future_that_was_dropped_wakes_nobody_and_the_others_all() {
    let channel = Channel::new(64);
    let mut dropped = Task::new(channel.closed());
    let (wakes, waker) = counting_waker();
    assert!(dropped.poll_with(&waker).is_pending());
    let kept = Task::parked(channel.closed());
    drop(dropped);
    channel.drain().unwrap();
    assert_eq!(wakes.count(), 0);
    assert_eq!(kept.wakes(), 1);
    kept.result();
}

#[test]
fn drain_wakes_readers_that_are_parked_in_threads() {
    for round in 0..200 {
        let channel = Channel::new(64);
        let writer = channel.new_writer();
        let mut readers: Vec<Box<dyn Read + Send>> = vec![
            Box::new(channel.new_strong_reader().blocking()),
            Box::new(channel.new_weak_reader().blocking()),
        ];
        let threads: Vec<_> = readers
            .drain(..)
            .map(|mut reader| thread::spawn(move || reader.read(&mut [0; 8])))
            .collect();
        if round % 2 == 0 {
            thread::yield_now();
        }
        let terminate = round % 3 == 0;
        if terminate {
            channel.terminate();
        } else {
            channel.drain().unwrap();
        }
        for thread in threads {
            let result = within(LIMIT, || thread.join().unwrap());
            let expected = if terminate { Err(ErrorKind::ConnectionAborted) } else { Ok(0) };
            assert_eq!(result.map_err(|error| error.kind()), expected);
        }
        drop(writer);
    }
}

#[test]
fn a_drained_channel_has_not_ended_while_a_slice_is_in_flight() {
    for committed in [true, false] {
        let channel = Channel::new(1024);
        let mut writer = channel.new_writer();
        let readers = [Reader::from(channel.new_strong_reader()), channel.new_weak_reader().into()];
        let mut slice = writer.try_reserve(4).unwrap();
        channel.drain().unwrap();
        let threads = readers.map(|mut reader| {
            assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty));
            thread::spawn(move || {
                let mut all = Vec::new();
                reader.blocking().read_to_end(&mut all).map(|_| all)
            })
        });
        slice.write_all(b"late").unwrap();
        if committed {
            slice.commit();
        } else {
            slice.abort();
        }
        let expected: &[u8] = if committed { b"late" } else { b"" };
        for thread in threads {
            assert_eq!(within(LIMIT, || thread.join().unwrap()).unwrap(), expected);
        }
    }
}

#[test]
fn terminate_is_never_taken_for_the_end_by_a_reader_that_looks_meanwhile() {
    within(LIMIT, || {
        for _ in 0..200 {
            let channel = Channel::new(64);
            let _writer = channel.new_writer();
            let readers =
                [Reader::from(channel.new_strong_reader()), channel.new_weak_reader().into()];
            let threads = readers.map(|mut reader| {
                thread::spawn(move || {
                    loop {
                        let read = reader.try_read(&mut [0; 8]);
                        if read != Err(TryReadError::Empty) {
                            return read;
                        }
                    }
                })
            });
            thread::yield_now();
            channel.terminate();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), Err(TryReadError::Terminated));
            }
        }
    });
}

#[test]
fn a_writer_that_gives_its_slice_up_late_still_lets_a_drained_channel_end() {
    let (mut writer, reader) = pipe(1024);
    let slice = writer.try_reserve(8).unwrap();
    let thread = thread::spawn(move || reader.blocking().read(&mut [0; 8]).unwrap());
    drop(slice);
    writer.shut_down();
    assert_eq!(within(LIMIT, || thread.join().unwrap()), 0);
    assert_eq!(writer.try_write(b"no"), Err(TryWriteError::Closed));
}

#[test]
fn readers_do_not_hang_after_the_last_writer_is_gone() {
    for round in 0..200 {
        let (writer, strong) = pipe(128);
        let weak = strong.clone().into_weak();
        let start = |mut reader: Box<dyn Read + Send>| {
            thread::spawn(move || reader.read_to_end(&mut Vec::new()).unwrap())
        };
        let threads = [start(Box::new(strong.blocking())), start(Box::new(weak.blocking()))];
        if round % 2 == 0 {
            thread::yield_now();
        }
        drop(writer);
        for thread in threads {
            assert_eq!(within(LIMIT, || thread.join().unwrap()), 0);
        }
    }
}

#[test]
fn what_was_written_before_the_end_is_read_whoever_comes_first() {
    for _ in 0..300 {
        let (writer, reader) = pipe(1024);
        let mut writer = writer.blocking();
        let thread = thread::spawn(move || {
            writer.write_all(b"the last words").unwrap();
        });
        let all = within(LIMIT, || {
            let mut all = String::new();
            reader.blocking().read_to_string(&mut all).map(|_| all)
        });
        assert_eq!(all.unwrap(), "the last words");
        thread.join().unwrap();
    }
}

#[test]
fn both_ends_may_be_dropped_at_the_same_time_during_writes() {
    within(LIMIT, || {
        for round in 0..300 {
            let (writer, reader) = pipe(256);
            let mut reader = reader.blocking();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let mut writer = writer.clone().blocking();
                    thread::spawn(move || {
                        for _ in 0..round % 20 {
                            match writer.write(&[7; 100]) {
                                Ok(written) => assert_eq!(written, 100),
                                Err(error) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
                            }
                        }
                    })
                })
                .collect();
            drop(writer);
            for _ in 0..round % 7 {
                let mut buffer = [0; 64];
                let read = reader.read(&mut buffer).unwrap();
                assert!(buffer[..read].iter().all(|&byte| byte == 7));
            }
            drop(reader);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
fn a_thread_that_dies_inside_of_a_slice_holds_nobody_up() {
    within(LIMIT, || {
        let channel = Channel::builder().size(1024).fail_on_panic(false).build().unwrap();
        let (mut dies, mut lives) = (channel.new_writer(), channel.new_writer());
        let mut reader = channel.new_strong_reader();
        let thread = thread::spawn(move || {
            let mut slice = dies.try_reserve(100).unwrap();
            slice.write_all(b"never seen").unwrap();
            std::panic::resume_unwind(Box::new("dead"));
        });
        assert!(thread.join().is_err());
        lives.try_write(b"seen").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(reader.try_read(&mut buffer), Ok(4));
        assert_eq!(&buffer[..4], b"seen");
    });
}

/// The same for tasks, which can be seen to wait.
#[cfg(feature = "futures")]
mod tasks {
    use super::*;
    use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

    #[test]
    fn parked_readers_come_to_the_end_and_are_woken_once() {
        type End = fn(&Channel, Writer);
        let ends: [(&str, bool, End); 6] = [
            ("drain", false, |channel, _writer| channel.drain().unwrap()),
            ("the last writer is dropped", true, |_, writer| drop(writer)),
            ("it turns weak", true, |_, writer| drop(writer.into_weak())),
            ("it is done", true, |_, mut writer| writer.shut_down()),
            ("it terminates itself", true, |_, mut writer| writer.terminate()),
            ("its async half is closed", true, |_, mut writer| {
                overfall_tests::block_on(writer.close()).unwrap();
            }),
        ];
        for (how, without_handle, comes_to_its_end) in ends {
            let mut channel = Channel::new(64);
            let writer = channel.new_writer();
            let mut readers: [Reader; 3] = [
                channel.new_strong_reader().into(),
                channel.new_weak_reader().into(),
                channel.new_weak_reader().into(),
            ];
            let mut lends = channel.new_strong_reader();
            if without_handle {
                // The one that the end is given is another channel's.
                channel = Channel::new(64);
            }
            let mut buffers = [[0; 4]; 3];
            let tasks: Vec<_> = readers
                .iter_mut()
                .zip(&mut buffers)
                .map(|(reader, buffer)| Task::parked(reader.read(buffer)))
                .collect();
            let lent = Task::parked(async { lends.fill_buf().await.map(<[u8]>::len) });
            comes_to_its_end(&channel, writer);
            for task in tasks {
                assert_eq!(task.wakes(), 1, "{how}");
                assert_eq!(task.result().unwrap(), 0, "{how}");
            }
            assert_eq!(lent.wakes(), 1, "{how}");
            assert_eq!(lent.result().unwrap(), 0, "{how}");
        }
    }

    #[test]
    fn parked_readers_fail_when_the_channel_is_terminated_during_a_drain_too() {
        for drained in [false, true] {
            let channel = Channel::new(64);
            let mut writer = channel.new_writer();
            let (mut strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
            // In flight, so that the drain does not end anybody's wait.
            let slice = writer.try_reserve(1).unwrap();
            let (mut one, mut two) = ([0; 4], [0; 4]);
            let mut tasks =
                [Task::parked(strong.read(&mut one)), Task::parked(weak.read(&mut two))];
            if drained {
                channel.drain().unwrap();
                for task in &mut tasks {
                    assert_eq!(task.wakes(), 1);
                    assert!(task.poll().is_pending(), "a slice is in flight");
                }
            }
            channel.terminate();
            for task in tasks {
                assert_eq!(task.wakes(), 1 + usize::from(drained));
                assert_eq!(task.result().unwrap_err().kind(), ErrorKind::ConnectionAborted);
            }
            slice.commit();
        }
    }

    #[test]
    fn parked_async_writes_are_told_of_the_end() {
        for (terminate, kind) in
            [(false, ErrorKind::BrokenPipe), (true, ErrorKind::ConnectionAborted)]
        {
            let (channel, mut writer, _reader) = full();
            let task = Task::parked(AsyncWriteExt::write(&mut writer, b"no"));
            if terminate {
                channel.terminate();
            } else {
                channel.drain().unwrap();
            }
            assert_eq!(task.wakes(), 1);
            assert_eq!(task.result().unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn a_drained_reader_waits_for_the_slice_in_flight_to_be_committed_or_aborted() {
        for committed in [true, false] {
            let channel = Channel::new(256);
            let mut writer = channel.new_writer();
            let (mut strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
            let mut slice = writer.try_reserve(8).unwrap();
            channel.drain().unwrap();
            let (mut one, mut two) = ([0; 8], [0; 8]);
            let tasks = [Task::parked(strong.read(&mut one)), Task::parked(weak.read(&mut two))];
            assert_eq!(slice.write(b"12345678"), 8);
            if committed {
                slice.commit();
            } else {
                drop(slice);
            }
            for task in tasks {
                assert_eq!(task.wakes(), 1);
                assert_eq!(task.result().unwrap(), if committed { 8 } else { 0 });
            }
        }
    }
}
