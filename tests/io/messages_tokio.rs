//! A task that always has something to send or to receive lets the others of its thread run.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use overfall::Channel;
use overfall_tests::{LIMIT, within};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs one step after the other, each of which has nothing to wait for, until another task of the same
/// thread has run.
fn lets_others_run<E>(endpoint: E, mut step: impl AsyncFnMut(&mut E) + Send + 'static)
where
    E: Send + 'static,
{
    within(LIMIT, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            let has_run = Arc::new(AtomicBool::new(false));
            let other = has_run.clone();
            tokio::spawn(async move { other.store(true, Ordering::SeqCst) });
            let mut endpoint = endpoint;
            while !has_run.load(Ordering::SeqCst) {
                step(&mut endpoint).await;
            }
        });
    });
}

/// A message for whoever receives, each time.
const MESSAGE: &[u8] = b"message";

#[test]
fn sending_messages_lets_others_run() {
    let channel = Channel::new(4096);
    lets_others_run((channel.new_strong_writer(), channel), async |(writer, _)| {
        writer.send(MESSAGE).await.unwrap();
    });
}

#[test]
fn receiving_messages_lets_others_run() {
    let channel = Channel::new(4096);
    let ends = (channel.new_strong_writer(), channel.new_strong_reader());
    lets_others_run(ends, async |(writer, reader)| {
        writer.try_send(MESSAGE).unwrap();
        assert!(reader.recv().await.unwrap().is_some());
    });
}

#[test]
fn sending_values_lets_others_run() {
    let channel = overfall::typed::Channel::<u64>::new(4096);
    lets_others_run((channel.new_strong_writer(), channel), async |(writer, _)| {
        writer.send(&7).await.unwrap();
    });
}

#[test]
fn feeding_a_sink_lets_others_run() {
    let channel = Channel::new(4096);
    lets_others_run((channel.new_strong_writer().into_sink(), channel), async |(sink, _)| {
        sink.feed(Bytes::from_static(MESSAGE)).await.unwrap();
    });
}

#[test]
fn reading_a_stream_lets_others_run() {
    let channel = Channel::new(4096);
    let ends = (channel.new_strong_writer(), channel.new_strong_reader().into_stream());
    lets_others_run(ends, async |(writer, stream)| {
        writer.try_send(MESSAGE).unwrap();
        assert!(stream.next().await.unwrap().is_ok());
    });
}
