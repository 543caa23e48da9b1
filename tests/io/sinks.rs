//! Sinks: when they are ready, and that they lose nothing.

use bytes::Bytes;
use futures::{FutureExt, Sink, SinkExt};
use overfall::error::{SendError, TryReadError};
use overfall::{Backpressure, Channel, MessageSink, Sent, StrongReader, Writer, pipe};
use overfall_tests::{LIMIT, Numbers, Task, block_on, counting_waker, waiting_writers, within};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

/// A channel with room for one message, in which one is.
fn full() -> (Arc<Channel>, StrongReader, MessageSink<Writer>) {
    let channel = Channel::new(64);
    let reader = channel.new_strong_reader();
    let mut sink = channel.new_writer().into_sink();
    block_on(sink.feed("first".into())).unwrap();
    (channel, reader, sink)
}

fn is_ready(sink: &mut MessageSink<Writer>) -> Poll<Result<(), SendError>> {
    let (_, waker) = counting_waker();
    Pin::new(sink).poll_ready(&mut Context::from_waker(&waker))
}

#[test]
fn a_sink_is_ready_when_there_is_room_and_sends_what_it_is_fed_at_once() {
    let (_channel, mut reader, mut sink) = full();
    let mut ready = Task::parked(poll_fn(|context| sink.poll_ready_unpin(context)));
    assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!(ready.wakes(), 1);
    assert_eq!(ready.poll(), Poll::Ready(Ok(())));
    drop(ready);
    sink.start_send_unpin("second".into()).unwrap();
    assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"second"[..]), "nobody flushes");
}

#[test]
fn a_sink_that_is_ready_has_taken_no_room() {
    let channel = Channel::new(64);
    let mut reader = channel.new_strong_reader();
    let (mut sink, mut other) = (channel.new_writer().into_sink(), channel.new_writer());
    assert_eq!(is_ready(&mut sink), Poll::Ready(Ok(())));
    assert_eq!(channel.stats().reserved, 0);
    other.try_send(b"first").unwrap();
    sink.start_send_unpin("second".into()).unwrap();
    let mut flush = Task::parked(sink.flush());
    assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"first"[..]));
    assert_eq!((flush.wakes(), flush.poll()), (1, Poll::Ready(Ok(()))));
    assert_eq!(reader.try_recv().unwrap().as_deref(), Some(&b"second"[..]));
}

#[test]
fn a_long_message_waits_in_the_sink_and_the_sink_for_it() {
    let (writer, mut reader) = pipe(128);
    let mut sink = writer.into_sink();
    block_on(sink.feed("short".into())).unwrap();
    block_on(sink.feed(vec![7; 128].into())).unwrap();
    let mut next = Task::parked(sink.feed("next".into()));
    assert_eq!(reader.try_recv().unwrap().unwrap().len(), 5);
    assert_eq!(next.wakes(), 1);
    assert!(next.poll().is_pending(), "now for the next one");
    assert_eq!(reader.try_recv().unwrap().unwrap().len(), 128);
    assert!(next.poll().is_ready());
    assert_eq!(reader.try_recv().unwrap().unwrap().len(), 4);
}

/// A sink with a message in it for which there is no room.
fn holding() -> (Arc<Channel>, StrongReader, MessageSink<Writer>) {
    let channel = Channel::new(128);
    let reader = channel.new_strong_reader();
    let mut sink = channel.new_writer().into_sink();
    block_on(sink.feed("first".into())).unwrap();
    block_on(sink.feed(vec![7; 100].into())).unwrap();
    (channel, reader, sink)
}

#[test]
fn what_waits_in_a_sink_that_goes_is_sent_if_there_is_room() {
    for goes in [drop, |sink: MessageSink<Writer>| drop(sink.into_inner())] {
        let (channel, mut reader, sink) = holding();
        drop(reader.try_recv().unwrap());
        goes(sink);
        assert_eq!(reader.try_recv().unwrap().unwrap().len(), 100);
        assert_eq!(channel.stats().dropped_slices, 0);
    }
}

#[test]
fn what_waits_in_a_sink_that_goes_is_counted_if_there_is_no_room() {
    let ends: [fn(&Channel); 2] = [|_| {}, |channel| channel.drain().unwrap()];
    for end in ends {
        for goes in [drop, |sink: MessageSink<Writer>| drop(sink.into_inner())] {
            let (channel, mut reader, sink) = holding();
            end(&channel);
            goes(sink);
            let stats = channel.stats();
            assert_eq!((stats.dropped_slices, stats.dropped_bytes), (1, 100));
            assert_eq!(reader.try_recv().unwrap().unwrap().len(), 5);
            assert_eq!((reader.missed().messages, reader.missed().bytes), (1, 100));
        }
    }
}

#[test]
fn a_sink_that_went_holds_up_no_other_writer() {
    let (channel, mut reader, mut sink) = full();
    assert_eq!(is_ready(&mut sink), Poll::Pending);
    assert_eq!(waiting_writers(&channel), 1);
    drop(sink);
    assert_eq!(waiting_writers(&channel), 0);
    drop(reader.try_recv().unwrap());
    channel.new_writer().try_send(&[1; 64]).unwrap();
}

type End = fn(Arc<Channel>, &mut MessageSink<Writer>, StrongReader);
const ENDS: [(&str, SendError, End); 5] = [
    ("drained", SendError::Closed, |channel, _, _| channel.drain().unwrap()),
    ("terminated", SendError::Terminated, |channel, _, _| channel.terminate()),
    ("without readers", SendError::Closed, |channel, _, reader| drop((channel, reader))),
    ("shut down", SendError::Closed, |_, sink, _| sink.get_mut().shut_down()),
    ("terminated itself", SendError::Terminated, |_, sink, _| sink.get_mut().terminate()),
];

#[test]
fn a_sink_that_has_ended_says_so_before_it_takes_an_item() {
    for (name, expected, end) in ENDS {
        for backpressure in [Backpressure::Block, Backpressure::Drop] {
            let channel = Channel::with_parameters(4096, backpressure);
            let reader = channel.new_strong_reader();
            let mut sink = channel.new_writer().into_sink();
            block_on(sink.feed("in the ring".into())).unwrap();
            end(channel, &mut sink, reader);
            assert_eq!(is_ready(&mut sink), Poll::Ready(Err(expected)), "{name}");
            assert_eq!(block_on(sink.flush()), Ok(()), "{name}: what it took is in the ring");
            assert_eq!(block_on(sink.flush()), Err(expected), "{name}");
            assert_eq!(block_on(sink.feed("late".into())), Err(expected), "{name}");
            let is_done = ["shut down", "terminated itself"].contains(&name);
            let closed = if is_done { Ok(()) } else { Err(expected) };
            assert_eq!(block_on(sink.close()), closed, "{name}");
            assert_eq!(block_on(sink.close()), Ok(()), "{name}: closed already");
            assert_eq!(sink.get_ref().stats().dropped_slices, 0, "{name}");
        }
    }
}

#[test]
fn an_end_wakes_a_sink_that_waits_for_room() {
    for (name, expected, end) in &ENDS[..3] {
        let (channel, reader, mut sink) = full();
        let other: Writer = channel.new_weak_writer().into();
        let mut ready = Task::parked(poll_fn(|context| sink.poll_ready_unpin(context)));
        end(channel, &mut other.into_sink(), reader);
        assert_eq!((ready.wakes(), ready.poll()), (1, Poll::Ready(Err(*expected))), "{name}");
    }
}

#[test]
fn an_empty_lossy_sink_is_ready_and_counts_what_it_drops() {
    let (channel, _reader, mut sink) = full();
    sink.get_mut().set_backpressure(Backpressure::Drop);
    block_on(sink.send("dropped".into())).unwrap();
    assert_eq!(channel.stats().dropped_slices, 1);
}

#[test]
fn two_sinks_in_a_fan_out_go_in_step() {
    let (_first, _kept, one) = full();
    let (mut other, mut far) = pipe(4096);
    other.try_send(b"before").unwrap();
    let mut both = one.fanout(other.into_sink());
    assert!(both.feed("x".into()).now_or_never().is_none());
    assert_eq!(far.try_recv().unwrap().as_deref(), Some(&b"before"[..]));
    assert_eq!(far.try_recv().unwrap_err(), TryReadError::Empty, "it does not run ahead");
}

/// Futures of the sink are dropped wherever they wait. What it took arrives once and in order.
#[test]
fn futures_of_a_sink_that_are_dropped_lose_nothing() {
    let mut numbers = Numbers::new(1);
    for _ in 0..300 {
        let (writer, mut reader) = pipe(128);
        let mut other = writer.clone();
        let mut sink = writer.into_sink();
        let (mut taken, mut received) = (Vec::new(), Vec::new());
        for number in 0..40u8 {
            let length = 1 + numbers.below(128);
            let (_, waker) = counting_waker();
            let mut context = Context::from_waker(&waker);
            match numbers.below(4) {
                0 => drop(sink.flush().poll_unpin(&mut context)),
                1 => {
                    let mut ready = poll_fn(|context| sink.poll_ready_unpin(context));
                    let _ = ready.poll_unpin(&mut context);
                    let _ = other.try_send(&[]);
                }
                _ => {
                    let item = Bytes::from(vec![number; length]);
                    if sink.feed(item).poll_unpin(&mut context).is_ready() {
                        taken.push((number, length));
                    }
                }
            }
            if numbers.below(3) == 0 {
                while let Ok(Some(message)) = reader.try_recv() {
                    received.extend(message.first().map(|&number| (number, message.len())));
                }
            }
        }
        let is_counted = numbers.below(2) == 0;
        if !is_counted {
            while let Ok(Some(message)) = reader.try_recv() {
                received.extend(message.first().map(|&number| (number, message.len())));
            }
        }
        drop((sink, other));
        while let Some(message) = reader.try_recv().unwrap() {
            received.extend(message.first().map(|&number| (number, message.len())));
        }
        let missed = reader.missed().messages as usize;
        assert!(missed <= usize::from(is_counted), "{missed}");
        assert_eq!(received.len() + missed, taken.len());
        assert_eq!(received, taken[..received.len()]);
    }
}

#[test]
fn a_sink_and_a_reader_on_threads_lose_no_wake_up() {
    within(LIMIT, || {
        const MESSAGES: u32 = 20_000;
        let channel = Channel::new(256);
        let mut reader = channel.new_strong_reader().blocking();
        let senders = [1usize, 90].map(|length| {
            let mut sink = channel.new_writer().into_sink();
            thread::spawn(move || {
                block_on(async {
                    for _ in 0..MESSAGES {
                        sink.feed(vec![0; length].into()).await.unwrap();
                    }
                    sink.close().await.unwrap();
                });
            })
        });
        let mut writer = channel.new_writer().blocking();
        drop(channel);
        let thread = thread::spawn(move || {
            for _ in 0..MESSAGES {
                assert_eq!(writer.send(b"x").unwrap(), Sent::Delivered);
            }
        });
        let mut received = 0;
        while reader.recv().unwrap().is_some() {
            received += 1;
        }
        assert_eq!(received, 3 * MESSAGES);
        thread.join().unwrap();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}
