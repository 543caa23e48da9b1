//! The same work on more and more cores. `ci/cores` takes it to a machine that has them.

use super::*;
use crate::cores;
use crate::message::Round;
use crate::rivals::{bus, crossbeam, disruptor, nexus, thingbuf, tokio_broadcast};
use std::time::{Duration, Instant};

pub(super) const RUNS: Runs = &[(64, run::<64>)];

/// How long each kind is under stress.
const STRESS: Duration = Duration::from_secs(10);

fn run<const N: usize>(options: &Options, size: usize) {
    println!("| {} | – | – | – | – | – | – | – |", ours::says_whether_it_owns());
    let cores = cores::count();
    let numbers = [2, 4, 8, 14].into_iter().filter(|&threads| threads <= cores);
    for threads in numbers.chain([2 * cores]) {
        cells::<N>(options, size, threads);
    }
    if options.rival.is_empty() {
        let setup = Setup { writers: 2 * cores - 1, ..Setup::of(size) };
        stress("writers", setup, ours::waiting(Setup { name: "ours", ..setup }));
        let setup = Setup { readers: 2 * cores - 1, ..Setup::of(size) };
        let polled = ours::pipe(setup, ours::try_write, ours::try_fill_buf);
        stress("readers", setup, polled);
    }
}

/// One thread on the one side, and all others on the other.
fn cells<const N: usize>(options: &Options, size: usize, number: usize) {
    let others = number - 1;
    let name = |what| format!("{number} threads, {}, {}", count(others, what), length(size));

    let setup = Setup { writers: others, ..Setup::of(size) };
    options
        .group(name("writer"), setup, threads, ours::waiting)
        .against("nexus-logbuf mpsc", threads, nexus::mpsc)
        .against("thingbuf", threads, thingbuf::in_slots::<N>)
        .against("crossbeam-channel", threads, |s| crossbeam::new(s, array::<N>))
        .best(1.1);

    let setup = Setup { readers: others, ..Setup::of(size) };
    let polled = |s| ours::pipe(s, ours::try_write, ours::try_fill_buf);
    options
        .group(name("reader"), setup, threads, polled)
        .against("disruptor", threads, disruptor::new::<N>)
        .best(1.0)
        .ours(threads, ours::waiting)
        .against("bus", threads, |s| bus::new(s, array::<N>));

    options
        .group(name("tap"), setup, overrun_each, |s| ours::weak(s, false))
        .against("tokio broadcast", overrun_each, |s| tokio_broadcast::new(s, array::<N>))
        .best(1.5);
}

/// Sends until the time is over. A wrong byte, or one that is missing, panics.
fn stress(what: &str, setup: Setup, ends: Ends<impl Sender, impl Receiver>) {
    let team = threads(Setup { name: "ours", ..setup }, ends);
    let (begun, mut messages) = (Instant::now(), 0);
    while begun.elapsed() < STRESS {
        let round = Round { messages: 10_000, check: true };
        team.round(round);
        messages += round.messages;
    }
    let number = setup.writers.max(setup.readers);
    println!(
        "| stress, {number} {what} | – | – | – | – | – | {messages} messages, all right | – |"
    );
}
