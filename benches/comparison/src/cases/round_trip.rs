//! From one party to another and back, where both wait.

use super::*;
use crate::rivals::{crossbeam, io, os_pipe, std_mpsc, tokio_mpsc};

pub(super) const CASE: Case =
    Case { name: "round-trip", about: include_str!("round_trip.md"), runs: &[(64, run)] };

/// What a rival that is made for this takes is what ours may take.
const NO_SLOWER: f64 = 1.0;

fn run(options: &Options, size: usize) {
    for workers in [1, 2] {
        let name = format!("tasks, {}", count(workers, "worker"));
        let setup = Setup { workers, ..Setup::of(size) };
        let mut group = options.group(name, setup, |s| round_trip_tasks(s, ours::tasks));
        group
            .goal(NO_SLOWER)
            .against("tokio mpsc", |s| round_trip_tasks(s, |s| tokio_mpsc::tasks(s, array::<64>)))
            .against("tokio duplex", |s| round_trip_tasks(s, io::duplex));
        #[cfg(feature = "selium")]
        group.against("selium-messaging", |s| round_trip_tasks(s, crate::rivals::selium::new));
    }
    let ours = |s| round_trip(s, |s| ours::pipe(s, ours::write, ours::read));
    options
        .group("threads".into(), Setup::of(size), ours)
        .goal(NO_SLOWER)
        .against("crossbeam-channel", |s| round_trip(s, |s| crossbeam::new(s, array::<64>)))
        .against("std mpsc", |s| round_trip(s, |s| std_mpsc::new(s, array::<64>)))
        .against("pipe of the system", |s| round_trip(s, os_pipe::new));
}
