//! Strong reader, JetStream, durable consumer.

use crate::proxy::Proxy;
use crate::server::Server;
use crate::sums::{Far, Seen, Writers};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use futures_util::StreamExt;
use overfall::Channel;
use overfall_nats::{Ended, Inlet, InletError, Outlet};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn all_that_strong_writers_send_arrives_once_and_in_order() {
    let server = Server::start().await;
    server.stream().await;
    let near = Channel::new(1 << 16);
    let far = Far::durable(server.client().await, "lab.all", 1 << 16);
    let mut outlet = Outlet::new(server.client().await, "lab.all", near.new_strong_reader());
    let outlet = tokio::spawn(async move { (outlet.run().await, outlet) });

    let sent = Writers::start(&near, 10_000, Duration::ZERO).finish().await;
    near.drain().expect("it is open");
    let (ended, outlet) = outlet.await.expect("no panic");
    assert_eq!(ended.expect("answered"), Ended::Drained);
    let stats = outlet.stats();
    assert_eq!((stats.published, stats.acknowledged, stats.in_flight), (30_000, 30_000, 0));
    let (inlet, seen) = far.finish().await;
    assert_eq!(inlet.stats().received, 30_000);
    seen.assert_nothing_missed(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_writers_drop_is_told_on_the_far_side() {
    let server = Server::start().await;
    server.stream().await;
    let near = Channel::with_parameters(1 << 13, overfall::Backpressure::Drop);
    let far = Far::durable(server.client().await, "lab.drop", 1 << 16);
    let mut outlet = Outlet::new(server.client().await, "lab.drop", near.new_strong_reader());
    // It is dropped at the end, too, where no message comes behind.
    let sent = Writers::start(&near, 500, Duration::ZERO).finish().await;
    near.drain().expect("it is open");
    assert_eq!(outlet.run().await.expect("answered"), Ended::Drained);
    let (_, seen) = far.finish().await;
    assert!(seen.missed.0 > 1000, "{seen:?}");
    seen.assert_adds_up_to(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn room_is_given_back_when_the_engine_has_stored_it_and_not_before() {
    let server = Server::start().await;
    // It takes two frames, and no more until an inlet has read them.
    let config = Config {
        discard: DiscardPolicy::New,
        retention: RetentionPolicy::WorkQueue,
        max_messages: 3,
        ..Config::default()
    };
    server.stream_with(config).await;
    let near = Channel::new(64 * 16);
    let mut outlet = Outlet::new(server.client().await, "lab.room", near.new_strong_reader())
        .batch(0, Duration::ZERO);
    let probe = outlet.probe();
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut writer = near.new_writer();
    // The ring takes 16 of these. The stream has taken two: the first frame says that an epoch began.
    for number in 0..18u8 {
        writer.send([number]).await.expect("room");
    }
    while probe.stats().refused < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(probe.stats().acknowledged, 2);
    writer.try_send([18]).expect_err("the ring is full of what is not stored");

    let far = Channel::new(1 << 16);
    let mut reader = far.new_strong_reader();
    let mut inlet = Inlet::durable(server.client().await, "lab.room", "far", far.new_writer());
    let inlet = tokio::spawn(async move { inlet.run().await });
    writer.send([18]).await.expect("room again");
    near.drain().expect("it is open");
    for number in 0..19 {
        assert_eq!(reader.recv().await.expect("no error").expect("no end"), [number]);
    }
    assert!(reader.recv().await.expect("a clean end").is_none());
    outlet.await.expect("no panic").expect("answered");
    inlet.await.expect("no panic").expect("the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_threw_away_is_missed_exactly() {
    let server = Server::start().await;
    let config = Config { max_messages: 40, ..Config::default() };
    server.stream_with(config).await;
    let near = Channel::new(1 << 16);
    let mut outlet = Outlet::new(server.client().await, "lab.old", near.new_strong_reader())
        .batch(2000, Duration::ZERO)
        .allow_discard();
    let outlet = tokio::spawn(async move { outlet.run().await });
    let sent = Writers::start(&near, 500, Duration::ZERO).finish().await;
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    // The inlet comes when all but the newest frames are gone.
    let far = Far::durable(server.client().await, "lab.old", 1 << 16);
    let (_, seen) = far.finish().await;
    assert!(seen.missed.0 > 500, "{seen:?}");
    seen.assert_adds_up_to(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_goes_on_where_it_stopped() {
    let server = Server::start().await;
    server.stream().await;
    let near = Channel::new(1 << 14);
    let far = Far::durable(server.client().await, "lab.again", 1 << 16);
    let mut outlet = Outlet::new(server.client().await, "lab.again", near.new_strong_reader());
    let writers = Writers::start(&near, 3000, Duration::ZERO);
    for _ in 0..50 {
        // In the middle of whatever it does.
        let _dropped = tokio::time::timeout(Duration::from_millis(3), outlet.run()).await;
    }
    let outlet = tokio::spawn(async move { outlet.run().await });
    let sent = writers.finish().await;
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    let (_, seen) = far.finish().await;
    seen.assert_nothing_missed(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inlet_whose_consumer_is_deleted_says_so_and_goes_on() {
    let server = Server::start().await;
    let stream = server.stream().await;
    let near = Channel::new(1 << 14);
    let far = Channel::new(1 << 16);
    let mut reader = far.new_strong_reader();
    let mut outlet = Outlet::new(server.client().await, "lab.gone", near.new_strong_reader());
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut inlet = Inlet::durable(server.client().await, "lab.gone", "far", far.new_writer());
    let inlet = tokio::spawn(async move {
        let error = inlet.run().await.expect_err("the consumer is gone");
        (error, inlet.run().await)
    });
    let mut writer = near.new_writer();
    for number in 0..200u8 {
        writer.send([number]).await.expect("room");
        assert_eq!(reader.recv().await.expect("no error").expect("no end"), [number]);
        if number == 100 {
            // 2.9.10 has an error of its own files now and then, and has deleted it all the same.
            let _deleted = stream.delete_consumer("far").await;
        }
    }
    near.drain().expect("it is open");
    assert!(reader.recv().await.expect("a clean end").is_none());
    assert!(reader.missed().is_none());
    outlet.await.expect("no panic").expect("answered");
    let (error, ended) = inlet.await.expect("no panic");
    assert!(matches!(error, InletError::Engine { .. }), "{error}");
    assert_eq!(ended.expect("the end"), Ended::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_its_outlet_gives_back_has_lost_nothing() {
    let server = Server::start().await;
    server.stream().await;
    let client = server.client().await;
    let near = Channel::new(1 << 14);
    let far = Channel::new(1 << 16);
    let mut reader = far.new_strong_reader();
    let mut inlet = Inlet::durable(client.clone(), "lab.back", "far", far.new_writer());
    let mut outlet = Outlet::new(client.clone(), "lab.back", near.new_strong_reader());
    let mut writer = near.new_writer();
    for number in 0..100u8 {
        writer.send([number]).await.expect("room");
    }
    // In the middle of whatever it does.
    let _dropped = tokio::time::timeout(Duration::from_millis(5), outlet.run()).await;
    let acknowledged = outlet.stats().acknowledged;
    let mut outlet = Outlet::new(client, "lab.back", outlet.into_reader());
    near.drain().expect("it is open");
    outlet.run().await.expect("answered");
    assert_eq!(outlet.stats().acknowledged, 100 - acknowledged, "what was not acknowledged");
    let ended = loop {
        match inlet.run().await {
            Err(InletError::EpochBroken { .. }) => {}
            ended => break ended.expect("the end"),
        }
    };
    assert_eq!(ended, Ended::Drained);
    let mut received = Vec::new();
    while let Some(message) = reader.recv().await.expect("a clean end") {
        received.extend_from_slice(&message);
    }
    let (first, second) = received.split_at(received.len() - (100 - acknowledged) as usize);
    assert!(first.iter().copied().eq(0..first.len() as u8));
    assert!(first.len() as u64 >= acknowledged);
    assert!(second.iter().copied().eq(acknowledged as u8..100));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_wait_for_others_for_as_long_as_the_caller_says() {
    let server = Server::start().await;
    server.stream().await;
    let client = server.client().await;
    let mut other = client.subscribe("lab.wait").await.expect("subscribed");
    client.flush().await.expect("the server is up");
    let near = Channel::new(1 << 14);
    let mut outlet =
        Outlet::new(client, "lab.wait", near.new_strong_reader()).batch(8, Duration::from_secs(1));
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut writer = near.new_writer();
    let began = tokio::time::Instant::now();
    for text in ["one", "two", "four", "five", "six"] {
        writer.send(text).await.expect("room");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    while payloads.concat().len() < 17 {
        let message = other.next().await.expect("no end");
        if !message.payload.is_empty() {
            payloads.push(message.payload.to_vec());
            if payloads.len() == 3 {
                assert!(began.elapsed() >= Duration::from_secs(1), "nothing else came");
            }
        }
    }
    assert_eq!(payloads, [&b"onetwo"[..], b"fourfive", b"six"]);
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
}

/// One that knows nothing of us gets what was sent, and in headers all that we say of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_of_another_kind_gets_what_was_sent() {
    let server = Server::start_with(&[]).await;
    let client = server.client().await;
    let mut other = client.subscribe("lab.plain").await.expect("subscribed");
    client.flush().await.expect("the server is up");
    let near = Channel::builder().size(1 << 14).name("gps").build().expect("it makes sense");
    let mut outlet = Outlet::new(client.clone(), "lab.plain", near.new_weak_reader());
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut writers = [near.new_writer(), near.new_writer()];
    for (index, messages, bytes) in [(0, 0, 0), (1, 0, 0), (0, 1, 5)] {
        let writer = &mut writers[index];
        writer.send("52.5N").await.expect("room");
        let message = loop {
            let message = other.next().await.expect("no end");
            if !message.payload.is_empty() {
                break message;
            }
        };
        assert_eq!(message.payload, "52.5N");
        let headers = message.headers.expect("it has headers");
        let header = |name: &str| headers.get(name).expect("it is there").as_str().to_owned();
        assert_eq!(header("Overfall-Channel"), "gps");
        assert_eq!(header("Overfall-Epoch").len(), 16);
        let of_writer = format!("{} {messages} {bytes} ", writer.id());
        assert!(header("Overfall-Messages").starts_with(&of_writer));
        assert!(header("Overfall-Position").parse::<u64>().expect("a number") >= 5);
    }
    outlet.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_inlet_of_the_same_name_goes_on_where_the_first_stopped() {
    let server = Server::start().await;
    server.stream().await;
    let near = Channel::new(1 << 14);
    let mut outlet = Outlet::new(server.client().await, "lab.two", near.new_strong_reader());
    let outlet = tokio::spawn(async move { outlet.run().await });
    let writers = Writers::start(&near, 1000, Duration::from_millis(2));

    let mut seen = Seen::default();
    let first = Channel::new(1 << 13);
    let mut reader = first.new_strong_reader();
    let mut inlet = Inlet::durable(server.client().await, "lab.two", "far", first.new_writer())
        .redeliver_after(Duration::from_millis(500));
    let running = tokio::spawn(async move { inlet.run().await });
    for _ in 0..1000 {
        let message = reader.recv().await.expect("no error").expect("no end");
        seen.take(message.header(), &message);
    }
    running.abort();
    let _aborted = running.await;
    // It failed its channel; what is in the ring was acknowledged.
    let error = loop {
        match reader.recv().await {
            Ok(message) => {
                let message = message.expect("no clean end");
                seen.take(message.header(), &message);
            }
            Err(error) => break error,
        }
    };
    let overfall::error::ReadError::Failed(failure) = error else { panic!("{error}") };
    let error = failure.get_ref().downcast_ref();
    assert!(matches!(error, Some(InletError::Dropped { .. })), "{error:?}");

    let second = Channel::new(1 << 14);
    let mut reader = second.new_strong_reader();
    let mut inlet = Inlet::durable(server.client().await, "lab.two", "far", second.new_writer());
    let inlet = tokio::spawn(async move { inlet.run().await });
    let sent = tokio::spawn(async move {
        let sent = writers.finish().await;
        near.drain().expect("it is open");
        sent
    });
    while let Some(message) = reader.recv().await.expect("a clean end") {
        assert!(message.header().missed.is_none());
        // Of a frame that was delivered in part all comes again.
        seen.take_again(&message);
    }
    inlet.await.expect("no panic").expect("the end");
    outlet.await.expect("no panic").expect("answered");
    assert_eq!(seen.received.as_slice(), sent.await.expect("no panic"));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_go_in_pieces_and_come_out_whole() {
    let server = Server::start().await;
    server.stream().await;
    let near = Channel::new(1 << 24);
    let far = Channel::new(1 << 24);
    let mut reader = far.new_strong_reader();
    let mut inlet = Inlet::durable(server.client().await, "lab.large", "far", far.new_writer());
    let inlet = tokio::spawn(async move { inlet.run().await });
    let mut outlet = Outlet::new(server.client().await, "lab.large", near.new_strong_reader());
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut writer = near.new_writer();
    // The server takes 1 MiB.
    let sizes = [10, 3_000_000, 5, 1_048_576, 1_047_000, 0];
    let send = tokio::spawn(async move {
        for (index, size) in sizes.into_iter().enumerate() {
            writer.send(vec![index as u8; size]).await.expect("room");
        }
        near.drain().expect("it is open");
    });
    for (index, size) in sizes.into_iter().enumerate() {
        let message = reader.recv().await.expect("no error").expect("no end");
        assert_eq!(message.len(), size);
        assert!(message.iter().all(|&byte| byte == index as u8));
    }
    assert!(reader.recv().await.expect("a clean end").is_none());
    send.await.expect("no panic");
    outlet.await.expect("no panic").expect("answered");
    inlet.await.expect("no panic").expect("the end");
}

/// With an outlet of which nothing arrives from the middle of a message of some 900 pieces on, and an inlet that is
/// killed then.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_many_pieces_outlives_an_inlet_that_is_killed_in_the_middle_of_it() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("server.conf");
    std::fs::write(&file, "max_payload: 4096").expect("it is written");
    let server = Server::start_with(&["-js", "-c", file.to_str().expect("a path")]).await;
    let stream = server.stream().await;
    let proxy = Proxy::to(server.port()).await;
    let near = Channel::new(1 << 23);
    let mut outlet = Outlet::new(proxy.client().await, "lab.many", near.new_strong_reader());
    let probe = outlet.probe();
    let large: Vec<u8> = (0..3_000_000u32).map(|index| (index / 7) as u8).collect();
    let mut writer = near.new_writer();
    for message in [&b"before"[..], &large, b"behind"] {
        writer.try_send(message).expect("room");
    }
    let mut pieces = 0;
    proxy.drop_if(move |headers| {
        let is_piece = headers.contains("Overfall-Piece");
        pieces += usize::from(is_piece);
        is_piece && pieces >= 700
    });
    let outlet = tokio::spawn(async move { outlet.run().await });

    let inlet = |client| {
        let far = Channel::new(1 << 23);
        let reader = far.new_strong_reader();
        let mut inlet = Inlet::durable(client, "lab.many", "far", far.new_writer())
            .redeliver_after(Duration::from_millis(700));
        (tokio::spawn(async move { inlet.run().await }), reader)
    };
    let (first, mut reader) = inlet(server.client().await);
    assert_eq!(reader.recv().await.expect("no error").expect("no end"), b"before");
    let held = async || {
        let info = stream.consumer_info("far").await.expect("the consumer");
        info.num_ack_pending
    };
    while held().await < 650 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Longer than redelivery takes.
    tokio::time::sleep(Duration::from_millis(1000)).await;
    assert!(held().await >= 650);
    first.abort();
    let _aborted = first.await;
    assert!(reader.recv().await.is_err(), "no part of it");
    assert_eq!(probe.stats().acknowledged, 1);

    let (second, mut reader) = inlet(server.client().await);
    proxy.drop_if(|_| false);
    near.drain().expect("it is open");
    assert!(reader.recv().await.expect("no error").expect("no end") == large);
    assert_eq!(reader.recv().await.expect("no error").expect("no end"), b"behind");
    assert!(reader.recv().await.expect("a clean end").is_none());
    outlet.await.expect("no panic").expect("answered");
    second.await.expect("no panic").expect("the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_travel_as_they_lie_in_the_ring() {
    #[derive(rkyv::Archive, rkyv::Serialize)]
    struct Reading {
        sensor: String,
        celsius: f32,
    }

    let server = Server::start().await;
    server.stream().await;
    let near = overfall::typed::Channel::<Reading>::new(1 << 14);
    let far = overfall::typed::Channel::<Reading>::new(1 << 14);
    let mut reader = far.new_strong_reader();
    let writer = far.new_strong_writer().into_inner();
    let mut inlet = Inlet::durable(server.client().await, "lab.values", "far", writer);
    let inlet = tokio::spawn(async move { inlet.run().await });
    let strong = near.new_strong_reader().into_inner();
    let mut outlet = Outlet::new(server.client().await, "lab.values", strong);
    let outlet = tokio::spawn(async move { outlet.run().await });
    let mut writer = near.new_strong_writer();
    for number in 0..100 {
        let reading = Reading { sensor: format!("roof {number}"), celsius: number as f32 };
        writer.send(&reading).await.expect("room");
    }
    near.drain().expect("it is open");
    for number in 0..100 {
        let reading = reader.recv().await.expect("a value").expect("no end");
        assert_eq!(reading.sensor, format!("roof {number}"));
        assert_eq!(reading.celsius, number as f32);
    }
    assert!(reader.recv().await.expect("a clean end").is_none());
    outlet.await.expect("no panic").expect("answered");
    inlet.await.expect("no panic").expect("the end");
}
