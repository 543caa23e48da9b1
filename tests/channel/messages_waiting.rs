//! Messages that are waited for: who is woken, how often, and what is left when waiting is given up.

use overfall::error::{ReadError, SendError, TryReadError, TrySendError};
use overfall::{Backpressure, Channel, Header, Messages, Reader, Sent, StrongReader, Writer, pipe};
use overfall_tests::{LIMIT, Task, counting_waker, until, waiting_writers, within};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// A ring of two granules, both full.
fn full() -> (Arc<Channel>, Writer, StrongReader) {
    let channel = Channel::new(128);
    let mut writer = channel.new_writer();
    let reader = channel.new_strong_reader();
    writer.try_send_many(&[&[1; 64], &[2; 64]]).unwrap();
    (channel, writer, reader)
}

/// A reader of each kind, by itself and as one that may be of either.
fn one_of_each(channel: &Channel) -> [Reader; 2] {
    [channel.new_strong_reader().into(), channel.new_weak_reader().into()]
}

fn lengths(messages: &Messages<'_>) -> Vec<usize> {
    messages.iter().map(|message| message.len()).collect()
}

#[test]
fn whoever_waits_for_a_message_is_woken_by_it_once() {
    for kind in 0..2 {
        let channel = Channel::new(1024);
        let mut writer = channel.new_strong_writer();
        let mut readers = one_of_each(&channel);
        let reader = &mut readers[kind];
        let mut task = Task::parked(reader.recv());
        assert!(task.poll().is_pending());
        assert_eq!(task.wakes(), 0);
        writer.try_send(b"first").unwrap();
        assert_eq!(task.wakes(), 1);
        writer.try_send(b"second").unwrap();
        assert_eq!(task.wakes(), 1, "it knows");
        assert_eq!(*task.result().unwrap().unwrap(), *b"first");

        let mut buffer = b"the ".to_vec();
        let task = Task::new(reader.recv_into(&mut buffer));
        assert_eq!(task.result().unwrap().unwrap().len, 6);
        let mut task = Task::parked(reader.recv_into(&mut buffer));
        writer.try_send(b" and last").unwrap();
        assert_eq!(task.wakes(), 1);
        assert!(matches!(task.poll(), Poll::Ready(Ok(Some(Header { len: 9, .. })))));
        drop(task);
        assert_eq!(buffer, b"the second and last");

        let task = Task::parked(reader.recv_many(10));
        writer.try_send_many(&["", "1", "22"]).unwrap();
        assert_eq!(task.wakes(), 1);
        assert_eq!(lengths(&task.result().unwrap().unwrap()), [0, 1, 2]);
    }
}

#[test]
fn an_empty_message_wakes_who_waits_for_messages() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_strong_writer();
    let mut readers = one_of_each(&channel);
    let tasks: Vec<_> = readers.iter_mut().map(|reader| Task::parked(reader.recv())).collect();
    writer.try_send(b"").unwrap();
    for task in tasks {
        assert_eq!(task.wakes(), 1);
        assert!(task.result().unwrap().unwrap().is_empty());
    }
}

#[test]
fn a_receive_that_was_dropped_has_taken_nothing_and_left_no_waker() {
    for kind in 0..2 {
        let channel = Channel::new(1024);
        let mut writer = channel.new_strong_writer();
        let mut readers = one_of_each(&channel);
        let reader = &mut readers[kind];
        let (wakes, waker) = counting_waker();
        let mut buffer = b"kept".to_vec();
        assert!(Task::new(reader.recv()).poll_with(&waker).is_pending());
        assert!(Task::new(reader.recv_into(&mut buffer)).poll_with(&waker).is_pending());
        assert!(Task::new(reader.recv_many(9)).poll_with(&waker).is_pending());
        assert_eq!(Arc::strong_count(&wakes), 2, "ours, and the one in its waker");
        // Woken, and dropped before it looked again.
        let task = Task::parked(reader.recv());
        writer.try_send(b"first").unwrap();
        assert_eq!(task.wakes(), 1);
        drop(task);
        // Never polled.
        drop(reader.recv());
        drop(reader.recv_into(&mut buffer));
        drop(reader.recv_many(1));
        writer.try_send(b"second").unwrap();
        assert_eq!(wakes.count(), 0);
        assert_eq!(buffer, b"kept");
        assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"first");
        assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"second");
        assert!(reader.missed().is_none());
    }
}

#[test]
fn whoever_waits_for_room_is_woken_once_when_there_is_enough() {
    let (channel, mut writer, mut reader) = full();
    let mut batching = writer.clone();
    let one = Task::parked(writer.send(&[3; 64]));
    let two = Task::parked(batching.send_many(&[b"4", b"5"]));
    assert_eq!(waiting_writers(&channel), 2);
    let message = reader.try_recv().unwrap().unwrap();
    assert_eq!((one.wakes(), two.wakes()), (0, 0), "it is lent");
    drop(message);
    assert_eq!((one.wakes(), two.wakes()), (1, 0));
    one.result().unwrap();
    assert_eq!(two.wakes(), 0, "there is room for one of the two");
    drop(reader.try_recv_many(2).unwrap().unwrap());
    assert_eq!(two.wakes(), 1);
    two.result().unwrap();
    assert_eq!(waiting_writers(&channel), 0);
    let messages = reader.try_recv_many(9).unwrap().unwrap();
    let headers: Vec<_> = messages.iter().map(|message| message.header()).collect();
    assert_eq!(lengths(&messages), [1, 1]);
    assert_eq!([headers[0].sequence, headers[1].sequence], [0, 1]);
    assert_eq!([headers[0].writer, headers[1].writer], [2, 2]);
}

#[test]
fn a_batch_that_is_given_back_wakes_each_writer_once() {
    let (_channel, mut writer, mut reader) = full();
    let mut small = writer.clone();
    let large = Task::parked(writer.send(&[3; 128]));
    let small = Task::parked(small.send(b"x"));
    let messages = reader.try_recv_many(2).unwrap().unwrap();
    assert_eq!(lengths(&messages), [64, 64]);
    assert_eq!(large.wakes(), 0, "it is lent");
    drop(messages);
    // The one behind as well: nothing is left to read, and the first one may not come.
    assert_eq!((large.wakes(), small.wakes()), (1, 1));
    large.result().unwrap();
    assert_eq!(small.wakes(), 1, "there is no room behind it");
}

#[test]
fn a_message_copied_out_is_given_back_at_once() {
    let (_channel, mut writer, mut reader) = full();
    let task = Task::parked(writer.send(&[3; 64]));
    let mut buffer = Vec::new();
    assert_eq!(reader.try_recv_into(&mut buffer).unwrap().unwrap().sequence, 0);
    assert_eq!(task.wakes(), 1);
    task.result().unwrap();
    assert_eq!(buffer, [1; 64]);
}

#[test]
fn a_skipped_rest_wakes_a_writer() {
    let (_channel, mut writer, mut reader) = full();
    assert_eq!(reader.try_read(&mut [0; 10]), Ok(10));
    let task = Task::parked(writer.send(&[3; 64]));
    assert_eq!(reader.skip_rest(), 54);
    assert_eq!(task.wakes(), 1);
    task.result().unwrap();
}

#[test]
fn a_send_that_was_dropped_has_sent_nothing_and_left_the_line() {
    let (channel, mut writer, mut reader) = full();
    let mut other = writer.clone();
    let (wakes, waker) = counting_waker();
    assert!(Task::new(writer.send(b"never")).poll_with(&waker).is_pending());
    assert!(Task::new(writer.send_many(&[b"never"])).poll_with(&waker).is_pending());
    drop(writer.send(b"never"));
    assert_eq!((waiting_writers(&channel), Arc::strong_count(&wakes)), (0, 2));
    drop(reader.try_recv_many(2).unwrap().unwrap());
    other.try_send(b"other").unwrap();
    writer.try_send(b"next").unwrap();
    assert_eq!((wakes.count(), writer.stats().slices), (0, 3));
    assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"other");
    // What was not sent has used up no number.
    let next = reader.try_recv().unwrap().unwrap();
    assert_eq!((next.header().sequence, next.header().missed.is_none()), (2, true));
}

#[test]
fn a_send_that_was_woken_and_dropped_gives_its_place_to_the_next() {
    let (channel, mut writer, mut reader) = full();
    let (mut second, mut third) = (writer.clone(), writer.clone());
    let first = Task::parked(writer.send(b"1"));
    let second = Task::parked(second.send_many(&[b"2"]));
    let third = Task::parked(third.send(b"3"));
    drop(reader.try_recv().unwrap().unwrap());
    let wakes = || [first.wakes(), second.wakes(), third.wakes()];
    assert_eq!(wakes(), [1, 0, 0]);
    drop(first);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    drop(second);
    assert_eq!(third.wakes(), 1);
    third.result().unwrap();
    assert_eq!(waiting_writers(&channel), 0);
    drop(reader.try_recv().unwrap().unwrap());
    assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"3");
}

#[test]
fn a_message_that_does_not_wait_takes_no_room_of_those_who_do() {
    let (_channel, mut writer, mut reader) = full();
    let mut other = writer.clone();
    let task = Task::parked(writer.send(&[3; 128]));
    drop(reader.try_recv().unwrap().unwrap());
    assert_eq!(other.try_send(b"x"), Err(TrySendError::Full));
    assert_eq!(other.try_send_many(&[b"x"]), Err(TrySendError::Full));
    drop(reader.try_recv().unwrap().unwrap());
    assert_eq!(other.try_send(b"x"), Err(TrySendError::Full));
    task.result().unwrap();
}

#[test]
fn the_end_of_the_channel_is_no_message() {
    for by_drain in [true, false] {
        let channel = Channel::new(1024);
        let mut writer = channel.new_strong_writer();
        let [mut one, mut two] = one_of_each(&channel);
        writer.try_send(b"last").unwrap();
        assert_eq!(*one.try_recv().unwrap().unwrap(), *b"last");
        let mut buffer = Vec::new();
        let waiting = Task::parked(one.recv());
        if by_drain {
            channel.drain().unwrap();
        } else {
            drop((writer, channel));
        }
        assert_eq!(waiting.wakes(), 1);
        assert!(waiting.result().unwrap().is_none());
        assert!(Task::new(one.recv_into(&mut buffer)).result().unwrap().is_none());
        assert!(Task::new(one.recv_many(9)).result().unwrap().is_none());
        assert!(one.try_recv_many(9).unwrap().is_none());
        // Who has something left comes to that first.
        assert_eq!(*Task::new(two.recv()).result().unwrap().unwrap(), *b"last");
        assert!(two.try_recv_into(&mut buffer).unwrap().is_none());
        assert!(buffer.is_empty());
    }
}

#[test]
fn whoever_waits_is_told_of_the_end_at_once() {
    let (channel, mut writer, mut reader) = full();
    let mut batching = writer.clone();
    let mut empty = Channel::new(64).new_strong_reader();
    assert!(Task::new(empty.recv()).result().unwrap().is_none(), "nobody is left");
    drop(empty);
    let one = Task::parked(writer.send(b"x"));
    let two = Task::parked(batching.send_many(&[b"x"]));
    channel.drain().unwrap();
    assert_eq!((one.wakes(), two.wakes()), (1, 1));
    assert_eq!(one.result(), Err(SendError::Closed));
    assert_eq!(two.result(), Err(SendError::Closed));
    assert_eq!(reader.try_recv_many(9).unwrap().unwrap().len(), 2);
}

#[test]
fn terminating_the_channel_ends_every_wait() {
    let (channel, mut writer, _reader) = full();
    let mut batching = writer.clone();
    let mut readers = [
        channel.new_weak_reader_at(overfall::StartAt::Now).into(),
        Reader::from(channel.new_strong_reader_at(overfall::StartAt::Now)),
    ];
    let receives: Vec<_> = readers.iter_mut().map(|reader| Task::parked(reader.recv())).collect();
    let one = Task::parked(writer.send(b"x"));
    let two = Task::parked(batching.send_many(&[b"x"]));
    channel.terminate();
    for task in receives {
        assert_eq!(task.wakes(), 1);
        assert_eq!(task.result().unwrap_err(), ReadError::Terminated);
    }
    assert_eq!((one.wakes(), two.wakes()), (1, 1));
    assert_eq!(one.result(), Err(SendError::Terminated));
    assert_eq!(two.result(), Err(SendError::Terminated));
}

#[test]
fn an_endpoint_that_was_terminated_neither_sends_nor_receives() {
    let (_channel, mut writer, mut reader) = full();
    writer.terminate();
    assert_eq!(writer.try_send(b"x"), Err(TrySendError::Terminated));
    assert_eq!(writer.try_send_many(&[b"x"]), Err(TrySendError::Terminated));
    assert_eq!(Task::new(writer.send(b"x")).result(), Err(SendError::Terminated));
    reader.terminate();
    assert_eq!(reader.try_recv().unwrap_err(), TryReadError::Terminated);
    assert_eq!(reader.try_recv_into(&mut Vec::new()).unwrap_err(), TryReadError::Terminated);
    assert_eq!(Task::new(reader.recv_many(1)).result().unwrap_err(), ReadError::Terminated);
    assert_eq!(reader.skip_rest(), 0);
}

/// What came of a call with a deadline that has passed, or passes soon.
#[track_caller]
fn timed_out<T>(result: Result<T, impl Into<io::Error>>) {
    let error: io::Error = result.map(drop).map_err(Into::into).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn threads_that_give_up_lose_nothing() {
    within(LIMIT, || {
        let (channel, writer, reader) = full();
        let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
        let mut tap = channel.new_weak_reader_at(overfall::StartAt::Now).blocking();
        let mut buffer = b"kept".to_vec();
        for timeout in [Duration::ZERO, Duration::from_millis(2)] {
            let deadline = Instant::now() + timeout;
            timed_out(writer.send_deadline(b"x", deadline));
            timed_out(writer.send_timeout(b"x", timeout));
            timed_out(writer.send_many_deadline(&[b"x", b"y"], deadline));
            assert_eq!(waiting_writers(&channel), 0);
            timed_out(tap.recv_deadline(deadline));
            timed_out(tap.recv_timeout(timeout));
            timed_out(tap.recv_into_deadline(&mut buffer, deadline));
            timed_out(tap.recv_many_deadline(9, deadline));
        }
        assert_eq!(buffer, b"kept");
        // A deadline that has passed is no reason not to take what is there.
        let passed = Instant::now();
        assert_eq!(*reader.recv_deadline(passed).unwrap().unwrap(), [1; 64]);
        assert_eq!(reader.recv_many_deadline(9, passed).unwrap().unwrap().len(), 1);
        writer.send_deadline(b"next", passed).unwrap();
        assert_eq!(reader.recv_into_deadline(&mut buffer, passed).unwrap().unwrap().sequence, 2);
        assert_eq!(buffer, b"keptnext");
        assert_eq!(*tap.recv_timeout(LIMIT).unwrap().unwrap(), *b"next");
        timed_out(reader.recv_deadline(passed));
    });
}

#[test]
fn threads_wait_for_each_others_messages() {
    within(LIMIT, || {
        let (writer, reader) = pipe(128);
        let thread = thread::spawn(move || {
            let mut writer = writer.blocking();
            for number in 0..3000_u32 {
                let bytes = number.to_le_bytes();
                let sent = match number % 3 {
                    0 => writer.send(&bytes).map_err(|error| error.to_string()),
                    1 => writer.send_many(&[&bytes]).map_err(|error| error.to_string()),
                    _ => writer.send_timeout(&bytes, LIMIT).map_err(|error| error.to_string()),
                };
                assert_eq!(sent.unwrap(), Sent::Delivered);
            }
        });
        let mut reader = reader.blocking();
        let mut numbers = 0..3000_u32;
        while !numbers.is_empty() {
            for message in &reader.recv_many(2).unwrap().unwrap() {
                assert_eq!(*message, numbers.next().unwrap().to_le_bytes());
            }
            if let Some(message) = reader.recv().unwrap() {
                assert_eq!(*message, numbers.next().unwrap().to_le_bytes());
            }
        }
        assert!(reader.recv().unwrap().is_none());
        thread.join().unwrap();
    });
}

#[test]
fn a_parked_thread_is_woken_by_a_message_that_is_given_back() {
    within(LIMIT, || {
        let (channel, writer, mut reader) = full();
        let thread = thread::spawn(move || writer.blocking().send(b"x").unwrap());
        until("it waits in the line", || waiting_writers(&channel) == 1);
        drop(reader.try_recv().unwrap().unwrap());
        thread.join().unwrap();
    });
}

#[test]
fn a_lossy_send_never_waits_and_tells_and_counts_what_it_drops() {
    within(LIMIT, || {
        let channel = Channel::with_parameters(128, Backpressure::Drop);
        let mut reader = channel.new_strong_reader();
        let mut writer = channel.new_writer();
        writer.try_send_many(&[b"1", b"2"]).unwrap();
        assert_eq!(writer.try_send(b"x"), Err(TrySendError::Full));
        assert_eq!(writer.try_send_many(&[b"x"]), Err(TrySendError::Full));
        assert_eq!(writer.stats().dropped_slices, 0, "who tries is told");
        assert_eq!(Task::new(writer.send(b"333")).result(), Ok(Sent::Dropped));
        assert_eq!(Task::new(writer.send_many(&["", "55"])).result(), Ok(Sent::Dropped));
        let mut writer = writer.blocking();
        assert_eq!(writer.send(b"6").unwrap(), Sent::Dropped);
        assert_eq!(writer.send_many(&[b"7"]).unwrap(), Sent::Dropped);
        assert_eq!(writer.send_deadline(b"8", Instant::now()).unwrap(), Sent::Dropped);
        let mut writer = writer.into_inner();
        let stats = writer.stats();
        assert_eq!((stats.dropped_slices, stats.dropped_bytes, stats.slices), (6, 8, 2));
        assert_eq!(waiting_writers(&channel), 0);
        assert_eq!(
            Task::new(writer.send(&[0; 129])).result(),
            Err(SendError::TooLong { len: 129, max: 128 })
        );
        drop(reader.try_recv_many(2).unwrap().unwrap());
        writer.try_send(b"after").unwrap();
        let missed = reader.try_recv().unwrap().unwrap().header().missed;
        assert_eq!((missed.messages, missed.bytes), (6, 8));
    });
}
