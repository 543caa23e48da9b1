//! Futures that are dropped at every point, and threads that give up: no byte and no wake is lost.

use overfall::error::TryReserveError;
use overfall::{Channel, Reader, StrongReader, StrongWriter, Writer, pipe};
use overfall_tests::{LIMIT, Task, counting_waker, until, waiting_writers, within};
use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// A ring of two granules, both full.
fn full() -> (Arc<Channel>, Writer, StrongReader) {
    let channel = Channel::new(128);
    let mut writer = channel.new_writer();
    let reader = channel.new_strong_reader();
    writer.try_write(&[1; 64]).unwrap();
    writer.try_write(&[2; 64]).unwrap();
    (channel, writer, reader)
}

#[track_caller]
fn read_one(reader: &mut StrongReader) {
    assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
}

#[test]
fn a_reserve_that_was_dropped_has_reserved_nothing_and_left_the_line() {
    let (channel, mut writer, mut reader) = full();
    let mut other = writer.clone();
    drop(writer.reserve(64));
    drop(Task::parked(writer.reserve(64)));
    drop(Task::parked(channel.reserve_slice(64)));
    assert_eq!(waiting_writers(&channel), 0);
    assert_eq!(channel.stats().reserved, 128);
    read_one(&mut reader);
    // Nobody is in the way of another, or of the same writer.
    assert_eq!(other.try_write(b"x"), Ok(1));
    read_one(&mut reader);
    assert_eq!(writer.try_write(b"x"), Ok(1));
}

#[test]
fn a_writer_that_was_woken_and_cancelled_passes_its_wake_on() {
    let (channel, writer, mut reader) = full();
    let (mut first, mut second, mut third) = (writer.clone(), writer.clone(), writer.clone());
    let first = Task::parked(first.reserve(64));
    let second = Task::parked(second.reserve(64));
    let of_channel = Task::parked(channel.reserve_slice(64));
    let third = Task::parked(third.reserve(64));
    read_one(&mut reader);
    let wakes = || [first.wakes(), second.wakes(), of_channel.wakes(), third.wakes()];
    assert_eq!(wakes(), [1, 0, 0, 0]);
    drop(first);
    assert_eq!(second.wakes(), 1);
    assert_eq!(of_channel.wakes(), 0);
    drop(second);
    assert_eq!(of_channel.wakes(), 1);
    drop(of_channel);
    assert_eq!(third.wakes(), 1);
    third.result().unwrap().commit();
}

#[test]
fn a_waiter_that_leaves_the_front_of_the_line_lets_the_next_one_go() {
    let (_channel, writer, mut reader) = full();
    let (mut large, mut small) = (writer.clone(), writer.clone());
    let large = Task::parked(large.reserve(128));
    let small = Task::parked(small.reserve(1));
    read_one(&mut reader);
    assert_eq!((large.wakes(), small.wakes()), (0, 0), "the large one comes first");
    drop(large);
    assert_eq!(small.wakes(), 1);
    small.result().unwrap().commit();
}

#[test]
fn a_thread_that_gives_up_waiting_leaves_the_line_and_has_written_nothing() {
    within(LIMIT, || {
        let (channel, writer, mut reader) = full();
        let mut other = writer.clone();
        let mut writer = writer.blocking();
        for timeout in [Duration::ZERO, Duration::from_millis(2)] {
            let error = writer.write_timeout(&[3; 64], timeout).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            let error = writer.reserve_deadline(64, Instant::now() + timeout).unwrap_err();
            assert_eq!(error, TryReserveError::Full);
            assert_eq!(waiting_writers(&channel), 0);
        }
        assert_eq!(channel.stats().reserved, 128);
        read_one(&mut reader);
        assert_eq!(other.try_write(&[4; 64]), Ok(64));
        read_one(&mut reader);
        let mut buffer = [0; 64];
        assert_eq!(reader.try_read(&mut buffer), Ok(64));
        assert_eq!(buffer, [4; 64]);
    });
}

#[test]
fn threads_that_give_up_while_they_are_woken_swallow_no_wake() {
    within(LIMIT, || {
        let (channel, writer, reader) = full();
        let mut reader = reader.blocking();
        let impatient = {
            let mut writer = writer.clone().blocking();
            thread::spawn(move || {
                let mut written = 0;
                loop {
                    match writer.write_timeout(&[5; 64], Duration::from_micros(50)) {
                        Ok(_) => written += 1,
                        Err(error) if error.kind() == ErrorKind::TimedOut => {}
                        Err(_) => break written,
                    }
                }
            })
        };
        let patient = {
            let mut writer = writer.blocking();
            thread::spawn(move || {
                (0..2000).for_each(|_| writer.write_all(&[6; 64]).unwrap());
            })
        };
        // Every read frees one granule, for one of the two.
        let mut of_patient = 0;
        while of_patient < 2000 {
            let mut buffer = [0; 64];
            reader.read_exact(&mut buffer).unwrap();
            of_patient += usize::from(buffer[0] == 6);
        }
        patient.join().unwrap();
        channel.terminate();
        impatient.join().unwrap();
    });
}

#[test]
fn a_future_dropped_at_every_await_point_loses_nothing() {
    for polls in 0..24 {
        let (mut writer, mut reader) = pipe(128);
        let mut other = writer.clone();
        let committed = Cell::new(0_u8);
        let mut task = Task::new(async {
            for number in 0..20 {
                let mut slice = writer.reserve(100).await.unwrap();
                slice.write_all(&[number; 100]).unwrap();
                slice.commit();
                committed.set(committed.get() + 1);
            }
        });
        let mut seen = Vec::new();
        let mut read = |reader: &mut StrongReader| {
            let mut buffer = [0; 100];
            if let Ok(100) = reader.try_read(&mut buffer) {
                seen.push(buffer[0]);
            }
        };
        for _ in 0..polls {
            if task.poll().is_ready() {
                break;
            }
            read(&mut reader);
        }
        drop(task);
        read(&mut reader);
        assert_eq!(other.try_write(&[99; 100]), Ok(100), "nobody is in the way");
        read(&mut reader);
        let mut expected: Vec<u8> = (0..committed.get()).collect();
        expected.push(99);
        assert_eq!(seen, expected, "after {polls} polls");
    }
}

/// Sends a number.
type Sends = fn(StrongWriter, u8) -> Pin<Box<dyn Future<Output = StrongWriter>>>;

#[test]
fn whatever_sends_and_is_dropped_at_any_await_point_has_sent_all_or_nothing() {
    use std::future::pending;
    let ways: [(&str, Sends); 6] = [
        ("send", |mut writer, number| {
            Box::pin(async move {
                writer.send([number; 100]).await.unwrap();
                writer
            })
        }),
        ("send_many", |mut writer, number| {
            Box::pin(async move {
                writer.send_many((0..2).map(|_| [number; 50])).await.unwrap();
                writer
            })
        }),
        ("send_or_drop", |mut writer, number| {
            Box::pin(async move {
                writer.send_or_drop([number; 100], pending::<()>()).await.unwrap();
                writer
            })
        }),
        ("reserve", |mut writer, number| {
            Box::pin(async move {
                let mut slice = writer.reserve(100).await.unwrap();
                slice.write_all(&[number; 100]).unwrap();
                slice.commit();
                writer
            })
        }),
        ("reserve_owned", |writer, number| {
            Box::pin(async move {
                let mut slice = writer.reserve_owned(100).await.unwrap();
                slice.write_all(&[number; 100]).unwrap();
                slice.commit()
            })
        }),
        ("flushed", |mut writer, number| {
            Box::pin(async move {
                writer.send([number; 100]).await.unwrap();
                writer.flushed().await.unwrap();
                writer
            })
        }),
    ];
    for (way, sends) in ways {
        for polls in 0..24 {
            let (writer, mut reader) = pipe(128);
            let mut other = writer.clone();
            let (channel, sent) = (writer.channel(), Cell::new(0_u8));
            let mut task = Task::new(async {
                let mut writer = writer;
                for number in 0..20 {
                    writer = sends(writer, number).await;
                    sent.set(sent.get() + 1);
                }
            });
            let mut seen = Vec::new();
            let mut read = |reader: &mut StrongReader| {
                while let Ok(Some(message)) = reader.try_recv() {
                    seen.extend_from_slice(&message);
                }
            };
            for _ in 0..polls {
                if task.poll().is_ready() {
                    break;
                }
                read(&mut reader);
            }
            drop(task);
            assert_eq!(channel.stats().waiting_writers, 0, "{way}");
            read(&mut reader);
            assert_eq!(other.try_write(&[99; 100]), Ok(100), "{way}: nobody is in the way");
            read(&mut reader);
            // One that waits until it is read has sent it already.
            let many = (seen.len() / 100 - 1) as u8;
            let is_sent = many == sent.get() || (way == "flushed" && many == sent.get() + 1);
            assert!(is_sent, "{way}, after {polls} polls: {many} of {}", sent.get());
            let expected = (0..many).chain([99]).flat_map(|number| [number; 100]);
            assert_eq!(seen, expected.collect::<Vec<u8>>(), "{way}, after {polls} polls");
        }
    }
}

/// Receives numbers, and adds them to what was received.
type Receives = for<'a> fn(&'a mut Reader, &'a Cell<u32>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

#[test]
fn whatever_receives_and_is_dropped_at_any_await_point_loses_nothing() {
    fn add(sum: &Cell<u32>, message: &[u8]) {
        sum.set(sum.get() + u32::from(message[0]));
    }
    let ways: [(&str, Receives); 4] = [
        ("recv", |reader, sum| {
            Box::pin(async move { add(sum, &reader.recv().await.unwrap().unwrap()) })
        }),
        ("recv_into", |reader, sum| {
            Box::pin(async move {
                let mut buffer = Vec::new();
                reader.recv_into(&mut buffer).await.unwrap();
                add(sum, &buffer);
            })
        }),
        ("recv_many", |reader, sum| {
            Box::pin(async move {
                let messages = reader.recv_many(2).await.unwrap().unwrap();
                messages.iter().for_each(|message| add(sum, &message));
            })
        }),
        ("peek", |reader, sum| {
            Box::pin(async move {
                let message = reader.peek().await.unwrap().unwrap();
                // The hand-over, which is cancelled here as well.
                std::future::poll_fn({
                    let mut polls = 0;
                    move |_| {
                        polls += 1;
                        if polls > 1 { Poll::Ready(()) } else { Poll::Pending }
                    }
                })
                .await;
                add(sum, &message);
                message.consume();
            })
        }),
    ];
    for (way, receives) in ways {
        for polls in 0..24 {
            for strong in [true, false] {
                let channel = Channel::new(4096);
                let mut writer = channel.new_writer();
                let mut reader: Reader = match strong {
                    true => channel.new_strong_reader().into(),
                    false => channel.new_weak_reader().into(),
                };
                let (received, mut sent) = (Cell::new(0), 0);
                let mut task = Task::new(async {
                    loop {
                        receives(&mut reader, &received).await;
                    }
                });
                for number in 1..=polls {
                    assert!(task.poll().is_pending());
                    if number % 2 == 0 {
                        writer.try_send_many([[number], [number]]).unwrap();
                        sent += 2 * u32::from(number);
                    }
                }
                drop(task);
                while let Ok(Some(message)) = reader.try_recv() {
                    add(&received, &message);
                }
                assert_eq!(received.get(), sent, "{way}, after {polls} polls");
                assert!(reader.missed().is_none());
            }
        }
    }
}

#[test]
fn polling_again_registers_once_and_wakes_the_last_waker_only() {
    let (channel, mut writer, mut reader) = full();
    let mut task = Task::new(writer.reserve(64));
    let mut closed = Task::new(channel.closed());
    let (_, first) = counting_waker();
    let wakers: Vec<_> = (0..1000).map(|_| counting_waker()).collect();
    for (_, waker) in &wakers {
        assert!(task.poll_with(waker).is_pending());
        assert!(closed.poll_with(waker).is_pending());
        assert_eq!(waiting_writers(&channel), 1);
    }
    drop(first);
    read_one(&mut reader);
    let (last, others) = wakers.split_last().unwrap();
    assert_eq!(last.0.count(), 1);
    assert!(task.poll_with(&last.1).is_ready());
    channel.drain().unwrap();
    assert_eq!(last.0.count(), 2);
    assert!(others.iter().all(|(wakes, _)| wakes.count() == 0));
    // None of the old ones is kept: one is here, and one in its waker.
    assert!(others.iter().all(|(wakes, _)| Arc::strong_count(wakes) == 2));
}

#[test]
fn nobody_is_woken_after_it_is_done_or_gone() {
    let (channel, writer, mut reader) = full();
    let mut dropped = writer.clone();
    let (wakes, waker) = counting_waker();
    let mut task = Task::new(dropped.reserve(64));
    assert!(task.poll_with(&waker).is_pending());
    drop(task);
    drop(dropped);
    let mut closed = Task::new(writer.closed());
    assert!(closed.poll_with(&waker).is_pending());
    drop(closed);
    read_one(&mut reader);
    read_one(&mut reader);
    drop(reader);
    channel.drain().unwrap();
    channel.terminate();
    assert_eq!(wakes.count(), 0);
    drop((writer, channel));
    // The channel keeps no waker: what is left is ours, and may be used for as long as we like.
    assert_eq!(Arc::strong_count(&wakes), 2);
    waker.wake();
    assert_eq!(wakes.count(), 1);
}

#[test]
fn a_polled_future_may_be_cancelled_while_its_peer_goes() {
    within(LIMIT, || {
        for round in 0..500 {
            let (mut writer, mut reader) = pipe(64);
            writer.try_write(&[1; 64]).unwrap();
            let thread = thread::spawn(move || {
                if round % 2 == 0 {
                    reader.terminate();
                }
                drop(reader);
            });
            let mut task = Task::new(writer.reserve(64));
            let ready = task.poll();
            if round % 3 == 0 {
                drop(task);
            } else if ready.is_pending() {
                until("it is woken", || task.wakes() > 0);
                assert!(task.poll().is_ready());
            }
            thread.join().unwrap();
        }
    });
}

#[test]
fn endpoints_may_go_while_they_are_being_woken() {
    within(LIMIT, || {
        let channel = Channel::new(64);
        for round in 0..1000 {
            let mut reader = channel.new_weak_reader().blocking();
            let thread = thread::spawn(move || {
                let timeout = Duration::from_micros(round % 60);
                let _ = reader.read_timeout(&mut [0; 8], timeout);
            });
            let mut writer = channel.new_writer();
            for _ in 0..20 {
                writer.try_write(b"wake").unwrap();
            }
            thread.join().unwrap();
        }
        let stats = channel.stats();
        assert_eq!((stats.weak_readers, stats.strong_writers), (0, 0));
    });
}

#[test]
fn readers_that_come_and_go_disturb_nobody() {
    within(LIMIT, || {
        const SLICES: u32 = 5000;
        let channel = Channel::new(4096);
        let (writer, reader) = (channel.new_writer(), channel.new_strong_reader());
        let visitors = {
            let (channel, reader) = (channel.clone(), reader.clone());
            let mut reader = Some(reader);
            thread::spawn(move || {
                for round in 0_u32.. {
                    let mut visitor = match round % 3 {
                        0 => channel.new_strong_reader(),
                        1 => channel
                            .new_weak_reader_at(overfall::StartAt::Now)
                            .into_strong()
                            .unwrap_or_else(|_| channel.new_strong_reader()),
                        _ => reader
                            .as_ref()
                            .map_or_else(|| channel.new_strong_reader(), Clone::clone),
                    };
                    let _ = visitor.try_read(&mut [0; 16]);
                    reader = (round % 5 > 0).then_some(visitor);
                    if channel.is_closed() {
                        break;
                    }
                }
            })
        };
        let thread = thread::spawn(move || {
            let mut writer = writer.blocking();
            (0..SLICES).for_each(|number| writer.write_all(&number.to_le_bytes()).unwrap());
            channel.drain().unwrap();
        });
        let mut reader = reader.blocking();
        for number in 0..SLICES {
            let mut word = [0; 4];
            reader.read_exact(&mut word).unwrap();
            assert_eq!(u32::from_le_bytes(word), number);
        }
        assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
        thread.join().unwrap();
        visitors.join().unwrap();
    });
}

#[cfg(feature = "futures")]
mod tasks {
    use super::*;
    use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
    use overfall::error::{TryReadError, TryWriteError};

    #[test]
    fn a_read_that_was_dropped_loses_no_bytes() {
        let channel = Channel::new(256);
        let mut writer = channel.new_writer();
        let (mut strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
        let mut buffer = [0; 8];
        for number in 0..10 {
            drop(Task::parked(strong.read(&mut buffer)));
            drop(Task::parked(strong.fill_buf()));
            drop(Task::parked(weak.read(&mut buffer)));
            writer.try_write(&[number; 8]).unwrap();
            drop(strong.read(&mut buffer));
            assert_eq!(strong.try_read(&mut buffer), Ok(8));
            assert_eq!(buffer, [number; 8]);
            assert_eq!(weak.try_read(&mut buffer), Ok(8));
            assert_eq!(buffer, [number; 8]);
        }
    }

    #[test]
    fn bytes_that_were_lent_and_not_consumed_are_lent_again() {
        let (mut writer, mut reader) = pipe(256);
        writer.try_write(b"lent").unwrap();
        for _ in 0..3 {
            let lent = Task::new(async { reader.fill_buf().await.map(<[u8]>::to_vec) });
            assert_eq!(lent.result().unwrap(), b"lent");
        }
        reader.consume(1);
        assert_eq!(reader.try_fill_buf(), Ok(&b"ent"[..]));
    }

    #[test]
    fn a_parked_reader_is_woken_once_by_a_commit_and_not_at_all_when_it_is_not_parked() {
        let channel = Channel::new(1024);
        let mut writer = channel.new_writer();
        let mut readers: Vec<overfall::Reader> = vec![
            channel.new_strong_reader().into(),
            channel.new_weak_reader().into(),
            channel.new_strong_reader().into(),
        ];
        let mut buffers = [[0; 2]; 3];
        let tasks: Vec<_> = readers
            .iter_mut()
            .zip(&mut buffers)
            .map(|(reader, buffer)| Task::parked(reader.read_exact(buffer)))
            .collect();
        for commits in 0..3 {
            // Each of them is woken, whoever parked first.
            writer.try_write(b"x").unwrap();
            for task in &tasks {
                assert_eq!(task.wakes(), 1, "after {commits} more");
            }
        }
        tasks.into_iter().for_each(|task| task.result().unwrap());
        // One that found what it wanted has nothing left to be woken for.
        let (wakes, waker) = counting_waker();
        let mut one = [0];
        assert!(Task::new(readers[0].read(&mut one)).poll_with(&waker).is_ready());
        writer.try_write(b"x").unwrap();
        assert_eq!(wakes.count(), 0);
    }

    #[test]
    fn a_reader_that_polls_again_wakes_its_last_waker_only() {
        let channel = Channel::new(256);
        let (mut strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
        let (mut one, mut two) = ([0; 8], [0; 8]);
        let (mut one, mut two) = (Task::new(strong.read(&mut one)), Task::new(weak.read(&mut two)));
        let wakers: Vec<_> = (0..100).map(|_| counting_waker()).collect();
        for (_, waker) in &wakers {
            assert!(one.poll_with(waker).is_pending());
            assert!(two.poll_with(waker).is_pending());
        }
        channel.new_writer().try_write(b"x").unwrap();
        let (last, others) = wakers.split_last().unwrap();
        assert_eq!(last.0.count(), 2);
        assert!(others.iter().all(|(wakes, _)| wakes.count() == 0));
        assert!(others.iter().all(|(wakes, _)| Arc::strong_count(wakes) == 2));
    }

    #[test]
    fn a_reader_that_is_gone_is_not_woken_and_its_waker_is_not_kept() {
        let channel = overfall_tests::overwriting(256);
        let (wakes, waker) = counting_waker();
        let (mut strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
        let mut buffer = [0; 8];
        assert!(Task::new(strong.read(&mut buffer)).poll_with(&waker).is_pending());
        assert!(Task::new(weak.read(&mut buffer)).poll_with(&waker).is_pending());
        assert_eq!(Arc::strong_count(&wakes), 4);
        drop((strong, weak));
        assert_eq!(Arc::strong_count(&wakes), 2);
        channel.new_writer().try_write(b"nobody").unwrap();
        channel.terminate();
        assert_eq!(wakes.count(), 0);
    }

    #[test]
    fn a_write_that_was_forgotten_blocks_nobody_for_ever() {
        let (channel, writer, mut reader) = full();
        let mut forgetful: Vec<Writer> = (0..3).map(|_| writer.clone()).collect();
        for writer in &mut forgetful {
            drop(Task::parked(AsyncWriteExt::write(writer, &[3; 64])));
        }
        let mut behind = writer.clone();
        let behind = Task::parked(behind.reserve(64));
        read_one(&mut reader);
        assert_eq!(behind.wakes(), 1, "the wake goes on behind those that may be gone");
        behind.result().unwrap().commit();
        assert_eq!(waiting_writers(&channel), 0);
        // And nothing of what was forgotten was written.
        read_one(&mut reader);
        assert_eq!(reader.try_read(&mut [0; 64]), Err(TryReadError::Empty));
        let mut newcomer = writer.clone();
        assert_eq!(newcomer.try_write(&[4; 64]), Ok(64));
        assert_eq!(forgetful[0].try_write(&[5; 64]), Ok(64));
        assert_eq!(newcomer.try_write(b"x"), Err(TryWriteError::Full));
    }

    #[test]
    fn a_writer_that_got_its_room_waits_for_more_behind_those_who_came_meanwhile() {
        let (_channel, mut writer, mut reader) = full();
        let mut other = writer.clone();
        let write = Task::parked(AsyncWriteExt::write(&mut writer, &[3; 64]));
        read_one(&mut reader);
        assert_eq!(write.wakes(), 1);
        assert_eq!(write.result().unwrap(), 64);
        let other = Task::parked(other.reserve(64));
        let again = Task::parked(AsyncWriteExt::write(&mut writer, &[4; 64]));
        read_one(&mut reader);
        assert_eq!((other.wakes(), again.wakes()), (1, 0));
    }

    #[test]
    fn a_forgotten_write_is_out_of_the_way_when_its_writer_ends_or_does_something_else() {
        let ends: [(&str, fn(&mut Option<Writer>)); 4] = [
            ("dropped", |writer| *writer = None),
            ("done", |writer| writer.as_mut().unwrap().shut_down()),
            ("terminated", |writer| writer.as_mut().unwrap().terminate()),
            ("busy", |writer| assert!(writer.as_mut().unwrap().try_write(&[1; 128]).is_err())),
        ];
        for (how, comes_to_its_end) in ends {
            let (channel, writer, mut reader) = full();
            let mut forgetful = Some(writer.clone());
            let write = AsyncWriteExt::write(forgetful.as_mut().unwrap(), &[3; 128]);
            drop(Task::parked(write));
            let mut behind = writer.clone();
            let behind = Task::parked(behind.reserve(64));
            read_one(&mut reader);
            assert_eq!(behind.wakes(), 0, "the forgotten one needs more");
            comes_to_its_end(&mut forgetful);
            assert_eq!(behind.wakes(), 1, "{how}");
            behind.result().unwrap().commit();
            assert_eq!(waiting_writers(&channel), 0, "{how}");
        }
    }
}
