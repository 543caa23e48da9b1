//! Streams and sinks of messages.

use bytes::Bytes;
use futures::{SinkExt, StreamExt, stream};
use overfall::error::{ReadError, SendError};
use overfall::{Backpressure, Channel, pipe};
use overfall_tests::{Task, block_on};

#[test]
fn a_stream_ends_when_the_channel_has_drained() {
    let (mut writer, reader) = pipe(4096);
    writer.try_send(b"one").unwrap();
    writer.try_send(b"").unwrap();
    drop(writer);
    let mut stream = reader.into_stream();
    let one = block_on(stream.next()).unwrap().unwrap();
    assert_eq!((one.bytes, one.header.sequence), (Bytes::from("one"), 0));
    let empty = block_on(stream.next()).unwrap().unwrap();
    assert_eq!(Bytes::from(empty), Bytes::new());
    assert!(block_on(stream.next()).is_none());
    assert!(block_on(stream.next()).is_none());
}

#[test]
fn a_gap_is_an_item_and_the_stream_goes_on() {
    let channel = Channel::new(128);
    let mut stream = channel.new_weak_reader().into_stream();
    let mut writer = channel.new_strong_writer();
    for number in 0..5 {
        writer.try_send(&[number]).unwrap();
    }
    let Err(ReadError::Lagged(lagged)) = block_on(stream.next()).unwrap() else { panic!() };
    assert_eq!(lagged.ring_bytes, 3 * 64);
    let message = block_on(stream.next()).unwrap().unwrap();
    assert_eq!((message.bytes[0], message.header.missed.messages), (3, 3));
    channel.terminate();
    assert_eq!(block_on(stream.next()).unwrap(), Err(ReadError::Terminated));
    assert!(block_on(stream.next()).is_none());
}

#[test]
fn a_waiting_stream_is_woken_and_one_message_makes_one_wake() {
    let (mut writer, reader) = pipe(4096);
    let mut stream = reader.into_stream();
    let next = Task::parked(stream.next());
    writer.try_send(b"message").unwrap();
    assert_eq!(next.wakes(), 1);
    assert_eq!(next.result().unwrap().unwrap().bytes, "message");
}

#[test]
fn a_sink_says_what_is_too_long_and_drops_what_a_lossy_channel_has_no_room_for() {
    let channel = Channel::with_parameters(128, Backpressure::Drop);
    let mut reader = channel.new_strong_reader();
    let mut sink = channel.new_writer().into_sink();
    let error = block_on(sink.send(Bytes::from(vec![0; 129]))).unwrap_err();
    assert_eq!(error, SendError::TooLong { len: 129, max: 128 });
    for _ in 0..3 {
        block_on(sink.send(Bytes::from("x"))).unwrap();
    }
    assert_eq!(sink.get_ref().stats().dropped_slices, 1);
    assert_eq!(reader.try_recv_many(10).unwrap().unwrap().len(), 2);
}

#[test]
fn a_stream_is_forwarded_into_a_sink() {
    let (writer, reader) = pipe(512);
    let items = stream::iter((0..100u8).map(|number| Ok(Bytes::from(vec![number; 50]))));
    let (sent, received) = block_on(futures::future::join(
        items.forward(writer.into_sink()),
        reader.into_stream().map(|item| item.unwrap().bytes[0]).collect::<Vec<_>>(),
    ));
    sent.unwrap();
    assert_eq!(received, (0..100).collect::<Vec<u8>>());
}
