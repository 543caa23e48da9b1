//! From a spool, by JetStream.

use crate::proxy::Proxy;
use crate::server::Server;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use overfall::Channel;
use overfall::spool::{Retain, Spool, WriteError};
use overfall_nats::{Ended, Inlet, OutletError, SpoolOutlet};
use std::time::Duration;
use tempfile::TempDir;

/// Bytes of which no part is like another.
fn bytes(len: u32) -> Vec<u8> {
    (0..len / 4).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect()
}

/// A durable inlet, and the bytes behind it, once all have come.
fn received(client: async_nats::Client, subject: &str) -> tokio::task::JoinHandle<Vec<u8>> {
    let channel = Channel::new(1 << 16);
    let mut reader = channel.new_strong_reader();
    let mut inlet = Inlet::durable(client, subject, "far", channel.new_writer())
        .redeliver_after(Duration::from_millis(700));
    drop(channel);
    let inlet = tokio::spawn(async move { inlet.run().await });
    tokio::spawn(async move {
        let mut received = Vec::new();
        while let Some(message) = reader.recv().await.expect("a clean end") {
            received.extend_from_slice(&message);
        }
        assert!(reader.missed().is_none());
        assert_eq!(inlet.await.expect("no panic").expect("the end"), Ended::Drained);
        received
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_it_is_carried_and_cut_off_arrives_once() {
    let mut server = Server::start().await;
    server.stream().await;
    let proxy = Proxy::to(server.port()).await;
    let received = received(server.client().await, "lab.spool");
    let folder = TempDir::new().expect("a temporary folder");
    let spool = Spool::create(folder.path().join("kept")).expect("a file");
    let mut writer = spool.writer().expect("the first");
    let reader = spool.reader().expect("it is open");
    let mut outlet = SpoolOutlet::new(proxy.client().await, "lab.spool", "one", reader)
        .heartbeat(Duration::from_millis(5));
    let probe = outlet.probe();
    let outlet = tokio::spawn(async move { outlet.run().await });
    let sent = bytes(4_000_000);
    for (index, piece) in sent.chunks(50_000).enumerate() {
        writer.try_write(piece).expect("room on the disk");
        match index {
            20 => proxy.cut(),
            25 => proxy.mend(),
            40 => server.kill(),
            45 => server.start_again().await,
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    writer.finish().expect("it is open");
    assert_eq!(outlet.await.expect("no panic").expect("stored"), Ended::Drained);
    assert_eq!(probe.stats().position, 4_000_000);
    assert_eq!(probe.stats().acknowledged_bytes, 4_000_000);
    assert!(received.await.expect("no panic") == sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_others_in_the_stream_and_on_the_subject_are_passed_over() {
    let server = Server::start().await;
    server.stream().await;
    let client = server.client().await;
    let received = received(client.clone(), "lab.spool");
    let spool = Spool::memory();
    let mut writer = spool.writer().expect("the first");
    let sent = bytes(100_000);
    for piece in sent.chunks(10_000) {
        writer.try_write(piece).expect("it keeps all");
        let reader = spool.reader().expect("it is open");
        let mut outlet = SpoolOutlet::new(client.clone(), "lab.spool", "one", reader);
        let probe = outlet.probe();
        let outlet = tokio::spawn(async move { outlet.run().await });
        while probe.stats().position < spool.len() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        outlet.abort();
        let _aborted = outlet.await;
        // They are stored, too.
        for subject in ["lab.other", "lab.spool", "lab.other"] {
            client.request(subject, "none of ours".into()).await.expect("stored");
        }
    }
    writer.finish().expect("it is open");
    let reader = spool.reader().expect("it is there");
    SpoolOutlet::new(client, "lab.spool", "one", reader).run().await.expect("stored");
    assert!(received.await.expect("no panic") == sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_forgets_what_was_read_is_refused() {
    let server = Server::start().await;
    for (retention, is_forgotten) in
        [(RetentionPolicy::WorkQueue, true), (RetentionPolicy::Interest, false)]
    {
        let name = format!("{retention:?}").to_lowercase();
        let config = Config {
            name: name.clone(),
            subjects: vec![name.clone()],
            retention,
            discard: DiscardPolicy::New,
            ..Config::default()
        };
        let client = server.client().await;
        async_nats::jetstream::new(client.clone()).create_stream(config).await.expect("a stream");
        let reader = Spool::memory().reader().expect("it is open");
        let error = SpoolOutlet::new(client, &name, "one", reader).run().await;
        match error.expect_err("it forgets") {
            OutletError::Forgets { retention, .. } if is_forgotten => {
                assert_eq!(retention, "work queue");
            }
            OutletError::Discards { .. } if !is_forgotten => {}
            error => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_that_keeps_its_last_bytes_alone_keeps_what_is_not_stored() {
    let mut server = Server::start().await;
    server.stream().await;
    let client = server.client().await;
    let spool = Spool::builder().retain(Retain::Last(64 << 10)).build().expect("it makes sense");
    let mut writer = spool.writer().expect("the first");
    let reader = spool.reader().expect("it is open");
    let mut outlet = SpoolOutlet::new(client.clone(), "lab.spool", "one", reader);
    let probe = outlet.probe();
    let outlet = tokio::spawn(async move { outlet.run().await });
    let sent = bytes(400_000);
    let (first, rest) = sent.split_at(40_000);
    writer.try_write(first).expect("room");
    while probe.stats().position < 40_000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.kill();
    let mut written = 0;
    let full = loop {
        match writer.try_write(&rest[written..]) {
            Ok(more) => written += more,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, WriteError::Full { .. }), "{full}");
    assert!(written < 200_000, "{written}");
    server.start_again().await;
    let received = received(client, "lab.spool");
    while written < rest.len() {
        writer.ready().await.expect("it is open");
        written += writer.try_write(&rest[written..]).expect("room");
    }
    writer.finish().expect("it is open");
    assert_eq!(outlet.await.expect("no panic").expect("stored"), Ended::Drained);
    assert!(received.await.expect("no panic") == sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_termination_of_a_spool_reaches_an_inlet_that_has_no_room() {
    let server = Server::start().await;
    server.stream().await;
    let client = server.client().await;
    let far = Channel::new(1 << 13);
    let _reader = far.new_strong_reader();
    let mut inlet = Inlet::durable(client.clone(), "lab.spool", "far", far.new_writer());
    let arrived = inlet.probe();
    let inlet = tokio::spawn(async move { inlet.run().await });
    let spool = Spool::memory();
    let mut writer = spool.writer().expect("the first");
    writer.try_write(&bytes(1_000_000)).expect("it keeps all");
    let reader = spool.reader().expect("it is open");
    let mut outlet = SpoolOutlet::new(client, "lab.spool", "one", reader);
    let outlet = tokio::spawn(async move { outlet.run().await });
    while arrived.stats().received == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    spool.terminate();
    assert_eq!(outlet.await.expect("no panic").expect("stored"), Ended::Terminated);
    assert_eq!(inlet.await.expect("no panic").expect("the end"), Ended::Terminated);
}

/// As when one that was thought to be dead is not.
#[tokio::test(flavor = "multi_thread")]
async fn two_outlets_of_one_name_at_a_time_send_each_byte_once() {
    let server = Server::start().await;
    server.stream().await;
    let received = received(server.client().await, "lab.spool");
    let spool = Spool::memory();
    let mut writer = spool.writer().expect("the first");
    let mut outlets = Vec::new();
    for _ in 0..2 {
        let reader = spool.reader().expect("it is open");
        let mut outlet = SpoolOutlet::new(server.client().await, "lab.spool", "one", reader);
        outlets.push(tokio::spawn(async move { (outlet.run().await, outlet) }));
    }
    let sent = bytes(400_000);
    for piece in sent.chunks(2_000) {
        writer.try_write(piece).expect("it keeps all");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    writer.finish().expect("it is open");
    let mut published = 0;
    for outlet in outlets {
        let (ended, outlet) = outlet.await.expect("no panic");
        assert_eq!(ended.expect("stored"), Ended::Drained);
        published += outlet.stats().published_bytes;
    }
    assert!(received.await.expect("no panic") == sent);
    assert!(published <= 400_000, "{published}");
}
