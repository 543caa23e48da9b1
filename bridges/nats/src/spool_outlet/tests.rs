//! An outlet of a spool, and an engine in memory that refuses, loses answers, and takes frames late.

use super::Core;
use crate::engine::memory::{Consumer, Memory};
use crate::error::{Ended, OutletError};
use overfall::Channel;
use overfall::spool::{Spool, SpoolReader, SpoolWriter};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

fn outlet(engine: &Arc<Memory>, name: &str, reader: SpoolReader) -> Core<Arc<Memory>> {
    let mut outlet = Core::new(Arc::clone(engine), "memory".to_owned(), name, reader);
    outlet.heartbeat = Duration::from_millis(3);
    outlet
}

/// Bytes of which no part is like another.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u32 / 4).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect()
}

async fn write(mut writer: SpoolWriter, bytes: Vec<u8>) {
    let mut rest = &bytes[..];
    for len in (0..).map(|index| index * 37 % 3000) {
        let (now, later) = rest.split_at(rest.len().min(len));
        writer.try_write(now).expect("a spool keeps all");
        if later.is_empty() {
            break;
        }
        rest = later;
        tokio::task::yield_now().await;
        if len % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    writer.finish().expect("it is open");
}

async fn with_outlets_that_die(seed: u64) {
    let (engine, far) = (Memory::new(seed, true), Channel::new(1 << 16));
    let mut reader = far.new_strong_reader();
    let consumer = Consumer(Arc::clone(&engine));
    let mut inlet = crate::inlet::Core::new(consumer, "memory".to_owned(), far.new_writer());
    let figures = Arc::clone(&inlet.figures);
    let inlet = tokio::spawn(async move { inlet.run().await });
    let received = tokio::spawn(async move {
        let mut received = Vec::new();
        while let Some(message) = reader.recv().await.expect("a clean end") {
            received.extend_from_slice(&message);
        }
        assert!(reader.missed().is_none());
        received
    });

    let spool = Spool::memory();
    let sent = bytes(200_000);
    let written = tokio::spawn(write(spool.writer().expect("the first"), sent.clone()));
    let mut deaths = 0;
    loop {
        let mut outlet = outlet(&engine, "gps", spool.reader().expect("it is open"));
        // In the middle of whatever it does.
        match timeout(Duration::from_millis(1 + (seed + deaths) % 4), outlet.run()).await {
            Ok(ended) => {
                assert_eq!(ended.expect("stored"), Ended::Drained);
                break;
            }
            Err(_killed) => deaths += 1,
        }
    }
    assert!(deaths > 3, "{deaths}");
    written.await.expect("no panic");
    assert_eq!(inlet.await.expect("no panic").expect("the end"), Ended::Drained);
    assert!(received.await.expect("no panic") == sent, "seed {seed}");
    assert_eq!(figures.read().epochs, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn outlets_that_die_and_begin_again_make_one_stream_of_bytes() {
    for seed in 1..12 {
        with_outlets_that_die(seed).await;
    }
}

/// Runs an outlet of a spool with these bytes, which is finished if they are all.
async fn publish(
    engine: &Arc<Memory>,
    name: &str,
    bytes: &[u8],
    are_all: bool,
) -> Result<Ended, OutletError> {
    let spool = Spool::memory();
    let mut writer = spool.writer().expect("the first");
    writer.try_write(bytes).expect("a spool keeps all");
    if are_all {
        writer.finish().expect("it is open");
    } else {
        writer.fail("cut off").expect("it is open");
    }
    outlet(engine, name, spool.reader().expect("it is there")).run().await
}

#[tokio::test]
async fn what_was_published_to_its_end_is_not_published_again() {
    let engine = Memory::new(1, true);
    for _ in 0..3 {
        let ended = publish(&engine, "gps", b"all of it", true).await;
        assert_eq!(ended.expect("stored"), Ended::Drained);
    }
    let stored = engine.frames();
    assert_eq!(stored.iter().filter(|frame| !frame.payload.is_empty()).count(), 1);
    let longer = publish(&engine, "gps", b"all of it, and more", true).await;
    assert!(matches!(longer, Err(OutletError::HasEnded { position: 9, .. })), "{longer:?}");
    // Another one may follow.
    publish(&engine, "gps 2", b"more", true).await.expect("stored");
    let stored = engine.frames();
    assert_eq!(stored.iter().filter(|frame| !frame.payload.is_empty()).count(), 2);
}

#[tokio::test]
async fn a_stream_that_failed_may_go_on() {
    let engine = Memory::new(2, true);
    for (bytes, are_all) in
        [(&b"one, "[..], false), (b"one, two, ", false), (b"one, two, three", true)]
    {
        publish(&engine, "gps", bytes, are_all).await.expect("stored");
    }
    let published: Vec<u8> =
        engine.frames().iter().flat_map(|frame| frame.payload.clone()).collect();
    assert_eq!(published, b"one, cut offtwo, cut offthree");
    let numbers: Vec<u64> = engine.frames().iter().map(|frame| frame.number).collect();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");
}

#[tokio::test]
async fn another_recording_under_the_same_name_is_refused() {
    for other in [&b"one, TWO, three"[..], b"one"] {
        let engine = Memory::new(3, true);
        publish(&engine, "gps", b"one, two", false).await.expect("stored");
        let refused = publish(&engine, "gps", other, true).await;
        let Err(OutletError::OtherSpool { position: 8, len, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(len, other.len() as u64);
    }
}

#[tokio::test]
async fn two_outlets_of_one_name_at_a_time_make_one_stream() {
    let engine = Memory::new(4, true);
    let spool = Spool::memory();
    let sent = bytes(50_000);
    let written = tokio::spawn(write(spool.writer().expect("the first"), sent.clone()));
    let mut first = outlet(&engine, "gps", spool.reader().expect("it is open"));
    let mut second = outlet(&engine, "gps", spool.reader().expect("it is open"));
    let (first, second) = tokio::join!(first.run(), second.run());
    assert_eq!(first.expect("stored"), Ended::Drained);
    assert_eq!(second.expect("stored"), Ended::Drained);
    written.await.expect("no panic");
    let published: Vec<u8> =
        engine.frames().iter().flat_map(|frame| frame.payload.clone()).collect();
    assert!(published == sent);
}

#[tokio::test]
async fn another_outlet_that_comes_in_between_is_told() {
    let engine = Memory::new(5, true);
    let spool = Spool::memory();
    let mut writer = spool.writer().expect("the first");
    writer.try_write(b"one").expect("a spool keeps all");
    let mut first = outlet(&engine, "gps", spool.reader().expect("it is open"));
    let _quiet = timeout(Duration::from_millis(300), first.run()).await.expect_err("it goes on");
    publish(&engine, "another", b"two", true).await.expect("stored");
    writer.try_write(b"three").expect("a spool keeps all");
    let error = first.run().await.expect_err("somebody else is there");
    assert!(matches!(error, OutletError::Taken { .. }), "{error}");
}

#[tokio::test]
async fn a_terminated_spool_ends_its_outlet_though_the_engine_takes_nothing() {
    let engine = Memory::new(6, true);
    engine.take_nothing();
    let spool = Spool::memory();
    let _writer = spool.writer().expect("the first");
    let mut outlet = outlet(&engine, "gps", spool.reader().expect("it is open"));
    outlet.patience = Duration::from_millis(500);
    spool.terminate();
    let error = outlet.run().await.expect_err("nothing is stored");
    assert!(matches!(error, OutletError::Stuck { position: 0, .. }), "{error}");
    engine.take_all();
    assert_eq!(outlet.run().await.expect("stored"), Ended::Terminated);
}
