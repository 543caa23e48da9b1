//! Strong reader, JetStream, durable consumer.

use crate::server::Server;
use crate::sums::{Seen, Writers};
use overfall::Channel;
use overfall_nats::{Ended, Inlet, Outlet};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn all_that_strong_writers_send_arrives_once_and_in_order() {
    let server = Server::start().await;
    server.stream().await;
    let (near, far) = (Channel::new(1 << 16), Channel::new(1 << 16));
    let reader = far.new_strong_reader();
    let mut inlet = Inlet::durable(server.client().await, "lab.all", "far", far.new_writer());
    let inlet = tokio::spawn(async move { (inlet.run().await, inlet) });
    let mut outlet = Outlet::new(server.client().await, "lab.all", near.new_strong_reader());
    let outlet = tokio::spawn(async move { (outlet.run().await, outlet) });
    let seen = tokio::spawn(Seen::of_strong(reader));

    let sent = Writers::start(&near, 10_000, Duration::ZERO).finish().await;
    near.drain().expect("it is open");
    let (ended, outlet) = outlet.await.expect("no panic");
    assert_eq!(ended.expect("answered"), Ended::Drained);
    let stats = outlet.stats();
    assert_eq!(stats.acknowledged, 30_000);
    assert_eq!(stats.published, 30_000);
    let (ended, inlet) = inlet.await.expect("no panic");
    assert_eq!(ended.expect("the end"), Ended::Drained);
    assert_eq!(inlet.stats().received, 30_000);
    seen.await.expect("no panic").assert_nothing_missed(&sent);
}
