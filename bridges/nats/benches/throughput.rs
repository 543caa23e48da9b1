//! Throughput through JetStream, in pairs: a hand-written loop on `async-nats`, and the bridge. Both await each
//! acknowledgement with 256 in flight, and acknowledge what they consume. `cargo bench [-- ROUNDS]`.
#![allow(missing_docs)]

#[path = "../tests/bridge/server.rs"]
#[allow(dead_code, unreachable_pub)]
mod server;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::jetstream::{self, consumer::AckPolicy};
use bytes::Bytes;
use futures_util::StreamExt;
use overfall::Channel;
use overfall::spool::Spool;
use overfall_nats::{Inlet, Outlet, SpoolOutlet};
use server::Server;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const WINDOW: usize = 256;
/// Bytes of a spool.
const SPOOLED: usize = 200 << 20;

#[tokio::main]
async fn main() {
    let rounds = std::env::args().filter_map(|word| word.parse().ok()).next().unwrap_or(5);
    for (size, messages) in [(1024, 100_000u64), (64, 200_000)] {
        let (mut ratios, mut ours, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let by_hand = messages as f64 / by_hand(size, messages).await.as_secs_f64();
            let bridge = messages as f64 / bridge(size, messages).await.as_secs_f64();
            ratios.push(bridge / by_hand);
            ours.push(bridge);
            theirs.push(by_hand);
        }
        println!(
            "{size} bytes: by hand {:.0}/s, bridge {:.0}/s, bridge/by hand {:.2} (medians of {rounds})",
            median(&mut theirs),
            median(&mut ours),
            median(&mut ratios)
        );
    }
    let mut rates = Vec::new();
    for _ in 0..rounds {
        rates.push(SPOOLED as f64 / from_a_spool().await.as_secs_f64() / 1e6);
    }
    println!("from a spool: {:.0} MB/s (median of {rounds})", median(&mut rates));
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn server() -> Server {
    let server = Server::start().await;
    let context = jetstream::new(server.client().await);
    let config = Config {
        name: "lab".to_owned(),
        subjects: vec!["lab.>".to_owned()],
        storage: StorageType::Memory,
        discard: DiscardPolicy::New,
        ..Config::default()
    };
    context.create_stream(config).await.expect("a stream");
    server
}

async fn by_hand(size: usize, messages: u64) -> Duration {
    let server = server().await;
    let client = server.client().await;
    let consume = tokio::spawn(async move {
        let stream = jetstream::new(client).get_stream("lab").await.expect("a stream");
        let config = pull::Config {
            durable_name: Some("far".to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: 512,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.expect("a consumer");
        let mut stream =
            consumer.stream().max_messages_per_batch(WINDOW).messages().await.expect("messages");
        for _ in 0..messages {
            let message = stream.next().await.expect("no end").expect("a message");
            std::hint::black_box(&message.payload);
            message.ack().await.expect("it leaves");
        }
    });
    let context = jetstream::new(server.client().await);
    let payload = Bytes::from(vec![7; size]);
    let started = Instant::now();
    let mut in_flight = VecDeque::new();
    for _ in 0..messages {
        if in_flight.len() == WINDOW {
            let oldest: jetstream::context::PublishAckFuture =
                in_flight.pop_front().expect("they are so many");
            oldest.await.expect("stored");
        }
        in_flight.push_back(context.publish("lab.x", payload.clone()).await.expect("it leaves"));
    }
    for answer in in_flight {
        answer.await.expect("stored");
    }
    consume.await.expect("no panic");
    started.elapsed()
}

async fn bridge(size: usize, messages: u64) -> Duration {
    let server = server().await;
    let (near, far) = (Channel::new(1 << 23), Channel::new(1 << 23));
    let mut outlet = Outlet::new(server.client().await, "lab.x", near.new_strong_reader());
    let mut inlet = Inlet::durable(server.client().await, "lab.x", "far", far.new_writer());
    let mut reader = far.new_strong_reader();
    let mut writer = near.new_strong_writer();
    let payload = vec![7; size];
    let inlet = tokio::spawn(async move { inlet.run().await });
    let started = Instant::now();
    let outlet = tokio::spawn(async move { outlet.run().await });
    let send = tokio::spawn(async move {
        for _ in 0..messages {
            writer.send(&payload).await.expect("the channel is open");
        }
        near.drain().expect("it is open");
    });
    let mut received = 0;
    while let Some(batch) = reader.recv_many(WINDOW).await.expect("a clean end") {
        for message in &batch {
            std::hint::black_box(&*message);
            received += 1;
        }
    }
    let took = started.elapsed();
    assert_eq!(received, messages);
    send.await.expect("no panic");
    outlet.await.expect("no panic").expect("answered");
    inlet.await.expect("no panic").expect("the end");
    took
}

/// One frame is in flight at a time. So it is the time of an answer that counts.
async fn from_a_spool() -> Duration {
    let server = server().await;
    let far = Channel::new(1 << 23);
    let mut inlet = Inlet::durable(server.client().await, "lab.x", "far", far.new_writer());
    let mut reader = far.new_strong_reader();
    let spool = Spool::memory();
    let mut writer = spool.writer().expect("the first");
    let bytes = vec![7; SPOOLED];
    assert_eq!(writer.try_write(&bytes).expect("it keeps all"), SPOOLED);
    writer.finish().expect("it is open");
    let spooled = spool.reader().expect("it is there");
    let mut outlet = SpoolOutlet::new(server.client().await, "lab.x", "bench", spooled);
    let inlet = tokio::spawn(async move { inlet.run().await });
    let started = Instant::now();
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut received = 0;
    while let Some(batch) = reader.recv_many(WINDOW).await.expect("a clean end") {
        received += batch.iter().map(|message| message.len()).sum::<usize>();
    }
    let took = started.elapsed();
    assert_eq!(received, SPOOLED);
    outlet.await.expect("no panic").expect("stored");
    inlet.await.expect("no panic").expect("the end");
    took
}
