//! Weak reader, core NATS: received and missed are what was sent, to the byte.

use crate::proxy::Proxy;
use crate::server::Server;
use crate::sums::{Far, Seen, Writers};
use overfall::Channel;
use overfall_nats::{Inlet, Outlet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const HEARTBEAT: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn what_the_tap_missed_is_told_on_the_far_side() {
    let server = Server::start_with(&[]).await;
    let near = Channel::new(1 << 13);
    let far = Far::core(server.client().await, "lab.tap", 1 << 20).await;
    let tap = near.new_weak_reader();
    // Overrun before it begins, and all the time.
    let sent = Writers::start(&near, 2000, Duration::ZERO).finish().await;
    near.drain().expect("it is open");
    let mut outlet = Outlet::new(server.client().await, "lab.tap", tap).heartbeat(HEARTBEAT);
    outlet.run().await.expect("answered");
    let (inlet, seen) = far.finish().await;
    assert!(seen.missed.0 > 1000, "{seen:?}");
    assert_eq!(inlet.stats().missed, seen.missed.0);
    seen.assert_adds_up_to(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_had_missed_before_is_not_told_again_and_what_it_misses_then_is() {
    let server = Server::start_with(&[]).await;
    let near = Channel::new(1 << 13);
    let mut tap = near.new_weak_reader();
    tap.set_silent(true);
    let (mut first, mut second) = (near.new_writer(), near.new_writer());
    let mut overrun = |messages: u64| {
        for _ in 0..messages {
            first.try_send([1; 10]).expect("room");
            second.try_send([2; 30]).expect("room");
        }
    };
    overrun(1000);
    let (mut messages, mut bytes) = (0, 0);
    while let Ok(Some(message)) = tap.try_recv() {
        messages += 1;
        bytes += message.len() as u64;
    }
    // Nobody has learned of these, but they lie before the outlet, too.
    overrun(500);
    let missed = tap.missed();
    assert!(missed.messages > 2000, "{missed:?}");

    let channel = Channel::new(1 << 20);
    let mut reader = channel.new_strong_reader();
    let client = server.client().await;
    let mut inlet = Inlet::core(client.clone(), "lab.again", channel.new_writer());
    let inlet = tokio::spawn(async move { inlet.run().await });
    while client.request("lab.again", "".into()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let unread = (3000 - missed.messages - messages, 60_000 - missed.bytes - bytes);
    assert!(unread.0 > 0);
    let mut outlet = Outlet::new(client, "lab.again", tap);
    overrun(700);
    near.drain().expect("it is open");
    outlet.run().await.expect("answered");
    inlet.await.expect("no panic").expect("the end");
    let (mut messages, mut bytes) = (0, 0);
    while let Some(message) = reader.recv().await.expect("a clean end") {
        messages += 1;
        bytes += message.len() as u64;
    }
    // What was unread when the outlet was made, and what was sent since.
    let missed = reader.missed();
    let carried = (messages + missed.messages, bytes + missed.bytes);
    assert_eq!(carried, (unread.0 + 1400, unread.1 + 28_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_learns_what_its_client_threw_away() {
    let server = Server::start_with(&[]).await;
    let near = Channel::new(1 << 22);
    let options = async_nats::ConnectOptions::new().subscription_capacity(16);
    let client = overfall_nats::connect_with(options, &server.address()).await.expect("it is up");
    let channel = Channel::new(1 << 12);
    let reader = channel.new_strong_reader();
    let mut inlet = Inlet::core(client.clone(), "lab.slow", channel.new_writer());
    let probe = inlet.probe();
    let inlet = tokio::spawn(async move { inlet.run().await });
    while client.request("lab.slow", "".into()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let tap = near.new_weak_reader();
    let mut outlet = Outlet::new(server.client().await, "lab.slow", tap)
        .batch(1000, Duration::ZERO)
        .heartbeat(HEARTBEAT);
    let outlet = tokio::spawn(async move { outlet.run().await });
    let sent = Writers::start(&near, 1000, Duration::from_millis(1)).finish().await;
    // Nobody reads so far: the inlet stands, and its client throws away.
    assert!(probe.stats().received < 300);
    near.drain().expect("it is open");
    let seen = Seen::of_strong(reader).await;
    outlet.await.expect("no panic").expect("answered");
    inlet.await.expect("no panic").expect("the end");
    assert!(seen.missed.0 > 1000, "{seen:?}");
    seen.assert_adds_up_to(&sent);
}

/// Sends through a proxy that drops what `drops` says, and returns how many that were.
async fn with_drops(mut drops: impl FnMut(&str) -> bool + Send + 'static) -> usize {
    let server = Server::start_with(&[]).await;
    let proxy = Proxy::to(server.port()).await;
    let near = Channel::new(1 << 22);
    let far = Far::core(server.client().await, "lab.drops", 1 << 20).await;
    let tap = near.new_weak_reader();
    let mut outlet = Outlet::new(proxy.client().await, "lab.drops", tap)
        .batch(700, Duration::ZERO)
        .heartbeat(HEARTBEAT);
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    proxy.drop_if(move |headers| {
        let drops = drops(headers);
        count.fetch_add(usize::from(drops), Ordering::SeqCst);
        drops
    });
    let outlet = tokio::spawn(async move { outlet.run().await });
    let sent = Writers::start(&near, 300, Duration::from_millis(2)).finish().await;
    // Some heartbeats behind the last message.
    tokio::time::sleep(HEARTBEAT * 4).await;
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    let (_, seen) = far.finish().await;
    seen.assert_adds_up_to(&sent);
    dropped.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_in_the_middle_is_missed_of_its_writer() {
    let mut number = 0;
    let dropped = with_drops(move |_| {
        number += 1;
        number % 3 == 0
    });
    assert!(dropped.await > 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_whose_first_frames_are_lost_counts_from_its_start() {
    let mut number = 0;
    let dropped = with_drops(move |_| {
        number += 1;
        number < 20
    });
    assert_eq!(dropped.await, 19);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_messages_may_be_lost() {
    let mut number = 0;
    let dropped = with_drops(move |headers| {
        number += usize::from(headers.contains("Overfall-Messages"));
        number > 100 && headers.contains("Overfall-Messages")
    });
    assert!(dropped.await > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_messages_and_all_heartbeats_may_be_lost() {
    let mut number = 0;
    let dropped = with_drops(move |headers| {
        number += usize::from(headers.contains("Overfall-Messages"));
        number > 100 && !headers.contains("Overfall-End")
    });
    assert!(dropped.await > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_may_be_lost_several_times() {
    let mut left = 2;
    let dropped = with_drops(move |headers| {
        let drops = headers.contains("Overfall-End") && left > 0;
        left -= usize::from(drops);
        drops
    });
    assert_eq!(dropped.await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_of_which_nothing_arrives_is_missed_whole() {
    // Frames of one writer each: the writers wait for each other.
    let server = Server::start_with(&[]).await;
    let proxy = Proxy::to(server.port()).await;
    let near = Channel::new(1 << 20);
    let channel = Channel::new(1 << 20);
    let mut reader = channel.new_strong_reader();
    let client = server.client().await;
    let mut inlet = Inlet::core(client.clone(), "lab.none", channel.new_writer());
    let inlet = tokio::spawn(async move { inlet.run().await });
    while client.request("lab.none", "".into()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut outlet = Outlet::new(proxy.client().await, "lab.none", near.new_weak_reader())
        .batch(0, Duration::ZERO)
        .heartbeat(HEARTBEAT);
    let (mut kept, mut lost) = (near.new_writer(), near.new_writer());
    let unwanted = format!("Overfall-Messages: {} ", lost.id());
    proxy.drop_if(move |headers| headers.contains(&unwanted));
    for number in 0..10u8 {
        kept.send([number]).await.expect("room");
        lost.send([number; 3]).await.expect("room");
    }
    near.drain().expect("it is open");
    outlet.run().await.expect("answered");
    inlet.await.expect("no panic").expect("the end");
    for number in 0..10u8 {
        let message = reader.recv().await.expect("no error").expect("no end");
        assert_eq!(message, [number]);
        assert!(message.header().missed.is_none());
    }
    assert!(reader.recv().await.expect("a clean end").is_none());
    let missed: Vec<_> = reader.missed_by_writer().collect();
    let [(_, missed)] = missed[..] else { panic!("{missed:?}") };
    assert_eq!((missed.messages, missed.bytes), (10, 30));
}

/// The outlet's connection is cut for so long in the middle.
async fn with_a_cut(time: Duration) {
    let server = Server::start_with(&[]).await;
    let proxy = Proxy::to(server.port()).await;
    let near = Channel::new(1 << 16);
    let far = Far::core(server.client().await, "lab.cut", 1 << 20).await;
    let mut outlet = Outlet::new(proxy.client().await, "lab.cut", near.new_weak_reader())
        .batch(700, Duration::ZERO)
        .heartbeat(HEARTBEAT);
    let outlet = tokio::spawn(async move { outlet.run().await });
    let writers = Writers::start(&near, 3000, Duration::from_millis(5));
    tokio::time::sleep(Duration::from_millis(60)).await;
    proxy.cut();
    tokio::time::sleep(time).await;
    proxy.mend();
    let sent = writers.finish().await;
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    let (_, seen) = far.finish().await;
    seen.assert_adds_up_to(&sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_for_less_than_a_heartbeat_loses_what_is_told() {
    with_a_cut(HEARTBEAT / 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_for_many_heartbeats_loses_what_is_told() {
    with_a_cut(HEARTBEAT * 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_whose_connection_is_cut_learns_what_it_missed() {
    let server = Server::start_with(&[]).await;
    let proxy = Proxy::to(server.port()).await;
    let near = Channel::new(1 << 20);
    let far = Far::core(proxy.client().await, "lab.cut", 1 << 20).await;
    let mut outlet = Outlet::new(server.client().await, "lab.cut", near.new_weak_reader())
        .batch(700, Duration::ZERO)
        .heartbeat(HEARTBEAT);
    let outlet = tokio::spawn(async move { outlet.run().await });
    let writers = Writers::start(&near, 3000, Duration::from_millis(5));
    tokio::time::sleep(Duration::from_millis(60)).await;
    proxy.cut();
    tokio::time::sleep(HEARTBEAT).await;
    proxy.mend();
    let sent = writers.finish().await;
    near.drain().expect("it is open");
    outlet.await.expect("no panic").expect("answered");
    let (_, seen) = far.finish().await;
    assert!(seen.missed.0 > 0, "{seen:?}");
    seen.assert_adds_up_to(&sent);
}
