//! A thread that writes as fast as it can, and one that lets each reader read by turns until the
//! other is done: what a round takes is the time of the writes.

use super::Contestant;
use super::team::{Orders, Team};
use super::threads::{Wait, write};
use crate::endpoints::*;
use crate::message::Source;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) fn overrun<M: Message + ?Sized>(
    setup: Setup,
    ends: Ends<impl Sender<M>, impl Receiver<M>>,
) -> Box<dyn Contestant> {
    let mut team = Team::of_threads(setup.name);
    let rounds_written = Arc::new(AtomicU64::new(0));
    for send in ends.senders {
        let rounds_written = rounds_written.clone();
        let written = move || _ = rounds_written.fetch_add(1, Ordering::Release);
        team.thread(move |orders| {
            write(orders, Source::new(setup, 0), Wait::Spin, send, written);
        });
    }
    team.thread(move |orders| read_until_written(orders, setup, ends.receivers, &rounds_written));
    Box::new(team)
}

fn read_until_written<M: Message + ?Sized>(
    mut orders: Orders,
    setup: Setup,
    receivers: Vec<impl Receiver<M>>,
    rounds_written: &AtomicU64,
) {
    let mut readers: Vec<_> =
        receivers.into_iter().map(|receive| (receive, Sink::lossy(setup))).collect();
    let mut rounds = 0;
    while let Some(round) = orders.wait() {
        rounds += 1;
        readers.iter_mut().for_each(|(_, sink)| sink.begin(round));
        while rounds_written.load(Ordering::Acquire) < rounds {
            readers.iter_mut().for_each(|(receive, sink)| receive(sink));
        }
        orders.done();
    }
}
