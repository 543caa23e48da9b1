//! From one party to another and back, where both wait.

use super::*;
use crate::rivals::{crossbeam, io, os_pipe, std_mpsc, tokio_mpsc};

pub(super) const CASE: Case = Case {
    name: "round-trip",
    title: "Round trips",
    about: "A message of 64 bytes goes from one party to the other and back, over two channels, \
and both wait for each. *Tasks*: on tokio's multi-threaded runtime with one worker or two, \
unconstrained. *Threads*: each on a core of its own, with the calls that wait.",
    run,
};

const SIZE: usize = 64;
/// What a rival that is made for this takes is what ours may take.
const NO_SLOWER: Target = Target::Ratio(1.0);

fn run(sheet: &mut Sheet<'_>) {
    if !sheet.wants(SIZE) {
        return;
    }
    let setup = Setup::of(SIZE);
    for workers in [1, 2] {
        let name = format!("tasks, {}", count(workers, "worker"));
        let ours = move |s| round_trip_tasks(s, workers, ours::tasks);
        let mut group = sheet.group(name, Cores::of_workers(workers), setup, ours);
        group
            .goal(NO_SLOWER)
            .against("tokio mpsc", |s| {
                round_trip_tasks(s, workers, tokio_mpsc::tasks::<[u8; SIZE]>)
            })
            .against("tokio duplex", |s| round_trip_tasks(s, workers, io::duplex));
        #[cfg(feature = "selium")]
        group.against("selium-messaging", |s| {
            round_trip_tasks(s, workers, crate::rivals::selium::new)
        });
    }
    let ours = |s| round_trip(s, |s| ours::pipe(s, ours::write, ours::read));
    sheet
        .group("threads".into(), Cores::Several, setup, ours)
        .goal(NO_SLOWER)
        .against("crossbeam-channel", |s| round_trip(s, crossbeam::new::<_, [u8; SIZE]>))
        .against("std mpsc", |s| round_trip(s, std_mpsc::new::<_, [u8; SIZE]>))
        .against("pipe of the system", |s| round_trip(s, os_pipe::new));
}
