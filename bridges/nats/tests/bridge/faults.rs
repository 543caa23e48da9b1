//! Servers that are killed, connections that are cut, sides that stand still: nothing is lost, nothing comes
//! twice, and the order of each writer is kept.

use crate::proxy::Proxy;
use crate::server::Server;
use crate::sums::{Far, Seen, Writers};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use overfall::Channel;
use overfall_nats::{Ended, Inlet, InletError, Outlet};
use std::time::Duration;

/// So many messages of each writer; a million in all with `OVERFALL_NATS_MESSAGES=333334`.
fn messages() -> u64 {
    std::env::var("OVERFALL_NATS_MESSAGES")
        .map_or(20_000, |number| number.parse().expect("a number of messages"))
}

const HEARTBEAT: Duration = Duration::from_millis(100);

/// For how long the inlet stands still that does so for long: `OVERFALL_NATS_STALL`, in seconds, or 2.
fn stall() -> Duration {
    let seconds = std::env::var("OVERFALL_NATS_STALL");
    Duration::from_secs(seconds.map_or(2, |seconds| seconds.parse().expect("seconds")))
}

/// What goes wrong in the middle.
struct Stage {
    server: Server,
    near: Proxy,
    far: Proxy,
}

/// From writers through proxies and the server to a reader, while something goes wrong.
async fn with_fault(fault: impl AsyncFnOnce(&mut Stage)) {
    let server = Server::start().await;
    server.stream().await;
    let (near, far) = (Proxy::to(server.port()).await, Proxy::to(server.port()).await);
    let mut stage = Stage { server, near, far };
    let channel = Channel::new(1 << 16);
    let mut outlet =
        Outlet::new(stage.near.client().await, "lab.fault", channel.new_strong_reader())
            .batch(2000, Duration::ZERO)
            .heartbeat(HEARTBEAT);
    let probe = outlet.probe();
    let outlet = tokio::spawn(async move { outlet.run().await });
    let far = Far::durable(stage.far.client().await, "lab.fault", 1 << 16);
    let writers = Writers::start(&channel, messages(), Duration::ZERO);
    while probe.stats().acknowledged < messages() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fault(&mut stage).await;
    let sent = writers.finish().await;
    channel.drain().expect("it is open");
    assert_eq!(outlet.await.expect("no panic").expect("answered"), Ended::Drained);
    let (_, seen) = far.finish().await;
    seen.assert_nothing_missed(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_started_again_loses_nothing() {
    with_fault(async |stage| {
        stage.server.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        stage.server.start_again().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outlet_whose_connection_is_cut_loses_nothing() {
    with_fault(async |stage| {
        for times in [1, 3 * 5] {
            stage.near.cut();
            // Less than a heartbeat, and more.
            tokio::time::sleep(HEARTBEAT / 5 * times).await;
            stage.near.mend();
            tokio::time::sleep(HEARTBEAT).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inlet_whose_connection_is_cut_loses_nothing() {
    with_fault(async |stage| {
        for times in [1, 3 * 5] {
            stage.far.cut();
            tokio::time::sleep(HEARTBEAT / 5 * times).await;
            stage.far.mend();
            tokio::time::sleep(HEARTBEAT).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_may_be_cut_again_and_again() {
    with_fault(async |stage| {
        for _ in 0..4 {
            stage.near.cut();
            stage.far.cut();
            tokio::time::sleep(Duration::from_millis(20)).await;
            stage.near.mend();
            stage.far.mend();
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_never_reach_the_stream_are_published_again() {
    with_fault(async |stage| {
        let mut number = 0;
        stage.near.drop_if(move |headers| {
            number += usize::from(headers.contains("Overfall-Messages"));
            [100, 101, 150, 600].contains(&number)
        });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inlet_that_stands_still_for_longer_than_redelivery_takes_loses_nothing() {
    let server = Server::start().await;
    server.stream().await;
    let near = Channel::new(1 << 16);
    let mut outlet = Outlet::new(server.client().await, "lab.still", near.new_strong_reader())
        .batch(1000, Duration::ZERO);
    let outlet = tokio::spawn(async move { outlet.run().await });
    let channel = Channel::new(1 << 14);
    let mut reader = channel.new_strong_reader();
    let inlet = Inlet::durable(server.client().await, "lab.still", "far", channel.new_writer())
        .redeliver_after(Duration::from_millis(300));
    let far = Far::of(inlet, async move {
        // The ring is full, and what the consumer has delivered is delivered again.
        reader.recv().await.expect("no error").expect("no end");
        tokio::time::sleep(stall()).await;
        Seen::after_one(reader).await
    });
    let sent = Writers::start(&near, 4000, Duration::ZERO).finish().await;
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    let (inlet, seen) = far.finish().await;
    assert!(inlet.stats().duplicates > 0, "{:?}", inlet.stats());
    let received: u64 = seen.received.iter().map(|sum| sum.0).sum();
    assert_eq!(received + 1, sent.iter().map(|sum| sum.0).sum::<u64>());
    assert_eq!(seen.missed, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_full_makes_writers_wait() {
    let server = Server::start().await;
    let config = Config {
        discard: DiscardPolicy::New,
        retention: RetentionPolicy::WorkQueue,
        max_messages: 30,
        ..Config::default()
    };
    server.stream_with(config).await;
    let near = Channel::new(1 << 14);
    let mut outlet = Outlet::new(server.client().await, "lab.full", near.new_strong_reader())
        .batch(1000, Duration::ZERO);
    let probe = outlet.probe();
    let outlet = tokio::spawn(async move { outlet.run().await });
    let writers = Writers::start(&near, 2000, Duration::ZERO);
    while probe.stats().refused < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let far = Far::durable(server.client().await, "lab.full", 1 << 16);
    let sent = writers.finish().await;
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    let (_, seen) = far.finish().await;
    seen.assert_nothing_missed(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outlet_that_begins_anew_is_a_new_epoch_and_not_a_gap() {
    let server = Server::start().await;
    server.stream().await;
    let far = Channel::new(1 << 20);
    let mut reader = far.new_strong_reader();
    let client = server.client().await;
    let mut inlet = Inlet::durable(client.clone(), "lab.anew", "far", far.new_writer());

    let near = Channel::new(1 << 16);
    let mut outlet = Outlet::new(client.clone(), "lab.anew", near.new_strong_reader());
    let probe = outlet.probe();
    let mut writer = near.new_writer();
    let running = tokio::spawn(async move { outlet.run().await });
    for number in 0..100u8 {
        writer.send([number]).await.expect("room");
    }
    while probe.stats().acknowledged < 100 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // As if its process were killed.
    running.abort();
    let _aborted = running.await;

    let near = Channel::new(1 << 16);
    let mut outlet = Outlet::new(client.clone(), "lab.anew", near.new_strong_reader());
    let mut writer = near.new_writer();
    for number in 100..200u8 {
        writer.send([number]).await.expect("room");
    }
    near.drain().expect("it is open");
    outlet.run().await.expect("answered");

    let error = inlet.run().await.expect_err("the first epoch has no end");
    let InletError::EpochBroken { position, .. } = error else { panic!("{error}") };
    assert_eq!(position, probe.stats().position);
    assert_eq!(inlet.run().await.expect("the end"), Ended::Drained);
    for number in 0..200u8 {
        let message = reader.recv().await.expect("no error").expect("no end");
        assert_eq!(message, [number]);
        assert!(message.header().missed.is_none());
    }
    assert!(reader.recv().await.expect("a clean end").is_none());
    assert!(reader.missed().is_none());
}
