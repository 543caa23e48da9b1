//! From one party to another and back, where both wait.

use super::*;
use crate::rivals::{crossbeam, io, locked_vec, os_pipe, std_mpsc, tokio_mpsc};

pub(super) const RUNS: Runs = &[(64, run)];
/// What a rival that is made for this takes is what ours may take.
const NO_SLOWER: f64 = 1.0;

fn run(options: &Options, size: usize) {
    for workers in [1, 2] {
        let name = |kind| format!("tasks, {}, {kind}", count(workers, "worker"));
        let setup = Setup { workers, ..Setup::of(size) };
        let ours = |s| round_trip_tasks(s, ours::message_tasks);
        let mut messages = options.group(name("messages"), setup, tasks, ours);
        messages.goal(NO_SLOWER).against("tokio mpsc", tasks, |s| {
            round_trip_tasks(s, |s| tokio_mpsc::tasks(s, array::<64>))
        });
        #[cfg(feature = "selium")]
        messages.against("selium-messaging", tasks, |s| {
            round_trip_tasks(s, crate::rivals::selium::new)
        });
        drop(messages);
        options
            .group(name("bytes"), setup, tasks, |s| round_trip_tasks(s, ours::tasks))
            .goal(NO_SLOWER)
            .against("tokio duplex", tasks, |s| round_trip_tasks(s, io::duplex));
    }
    let ours = |s| round_trip(s, |s| ours::pipe(s, ours::write, ours::read));
    let crossbeam = |s| round_trip(s, |s| crossbeam::new(s, array::<64>));
    options
        .group("threads".into(), Setup::of(size), threads, ours)
        .goal(NO_SLOWER)
        .against("crossbeam-channel", threads, crossbeam)
        .against("std mpsc", threads, |s| round_trip(s, |s| std_mpsc::new(s, array::<64>)))
        .against("pipe of the system", threads, |s| round_trip(s, os_pipe::new));
    options
        .group("threads, spools".into(), Setup::of(size), threads, |s| {
            round_trip(s, ours::spool::live)
        })
        .goal(NO_SLOWER)
        .against("our ring", threads, ours)
        .against("RwLock<Vec>, Condvar", threads, |s| round_trip(s, locked_vec::live));
}
