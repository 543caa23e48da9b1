//! Each endpoint as a task: the loops of `threads.rs`, which the language does not let be written
//! once for both.

use super::Contestant;
use super::team::{Orders, Team};
use crate::endpoints::*;
use crate::message::Source;

/// Tasks on a runtime with so many worker threads.
pub(crate) fn tasks(
    setup: Setup,
    workers: usize,
    ends: Ends<impl AsyncSender, impl AsyncReceiver>,
) -> Box<dyn Contestant> {
    let mut team = Team::of_tasks(setup.name, workers);
    for receiver in ends.receivers {
        team.task(|orders| read(orders, setup, receiver));
    }
    for (writer, sender) in ends.senders.into_iter().enumerate() {
        team.task(|orders| write(orders, Source::new(setup, writer), sender));
    }
    Box::new(team)
}

/// There and back, over two channels of the same kind.
pub(crate) fn round_trip_tasks<S: AsyncSender, R: AsyncReceiver>(
    setup: Setup,
    workers: usize,
    make: impl Fn(Setup) -> Ends<S, R>,
) -> Box<dyn Contestant> {
    let (there, back) = (make(setup).into_one(), make(setup).into_one());
    let mut team = Team::of_tasks(setup.name, workers);
    team.task(|orders| ask(orders, setup, there.0, back.1));
    team.task(|orders| answer(orders, setup, back.0, there.1));
    Box::new(team)
}

async fn write(mut orders: Orders, mut source: Source<[u8]>, mut sender: impl AsyncSender) {
    while let Some(round) = orders.next().await {
        for number in 0..source.begin(round) {
            sender.send(source.message(round, number)).await;
        }
        orders.done();
    }
}

async fn read(mut orders: Orders, setup: Setup, mut receiver: impl AsyncReceiver) {
    let mut sink = Sink::new(setup);
    while let Some(round) = orders.next().await {
        sink.begin(round);
        while sink.left > 0 {
            receiver.receive(sink.buffer()).await;
            sink.received();
        }
        orders.done();
        sink.finish();
    }
}

async fn ask(
    mut orders: Orders,
    setup: Setup,
    mut sender: impl AsyncSender,
    mut receiver: impl AsyncReceiver,
) {
    let (mut source, mut sink) = (Source::<[u8]>::new(setup, 0), Sink::new(setup));
    while let Some(round) = orders.next().await {
        sink.begin(round);
        for number in 0..source.begin(round) {
            sender.send(source.message(round, number)).await;
            receiver.receive(sink.buffer()).await;
            sink.received();
        }
        orders.done();
        sink.finish();
    }
}

async fn answer(
    mut orders: Orders,
    setup: Setup,
    mut sender: impl AsyncSender,
    mut receiver: impl AsyncReceiver,
) {
    let mut sink = Sink::new(setup);
    while let Some(round) = orders.next().await {
        for _ in 0..round.messages {
            receiver.receive(sink.buffer()).await;
            sender.send(sink.buffer()).await;
        }
        orders.done();
    }
}
