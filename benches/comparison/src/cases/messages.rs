//! Messages, of which each is sent and received as a whole, against channels of records.

use super::*;
use crate::rivals::{crossbeam, kanal, nexus, thingbuf, tokio_broadcast, tokio_mpsc};
use ::bytes::Bytes;

pub(super) const RUNS: Runs = &[(64, of::<64>), (1024, of::<1024>)];
const GOAL: f64 = 1.1;
const WEAK: f64 = 1.5;

fn of<const N: usize>(options: &Options, size: usize) {
    let copied = Bytes::copy_from_slice;
    for writers in [1, 4] {
        let name = format!("{}, {}", count(writers, "writer"), length(size));
        let setup = Setup { writers, ..Setup::of(size) };
        let ours = |s| ours::pipe(s, ours::send, ours::recv);
        let mut group = options.group(name, setup, threads, ours);
        if writers == 1 {
            group.against("nexus-logbuf spsc", threads, nexus::spsc);
        }
        group
            .against("nexus-logbuf mpsc", threads, nexus::mpsc)
            .against("thingbuf", threads, thingbuf::in_slots::<N>)
            .against("kanal", threads, |s| kanal::new(s, array::<N>))
            .against("crossbeam-channel", threads, |s| crossbeam::new(s, array::<N>));
        if N > 64 {
            group.against("kanal, boxed", threads, |s| kanal::new(s, boxed)).against(
                "crossbeam-channel, boxed",
                threads,
                |s| crossbeam::new(s, boxed),
            );
        }
        group
            .against("tokio mpsc, Bytes", threads, |s| tokio_mpsc::new(s, copied))
            .best(GOAL)
            .against("ours, in batches", threads, |s| ours::pipe(s, ours::send, ours::recv_many));
    }
    for workers in [1, 2] {
        let name = format!("tasks, {}, {}", count(workers, "worker"), length(size));
        let setup = Setup { workers, ..Setup::of(size) };
        options
            .group(name, setup, tasks, ours::message_tasks)
            .against("tokio mpsc, Bytes", tasks, |s| tokio_mpsc::tasks(s, copied))
            .against("kanal", tasks, |s| kanal::tasks(s, array::<N>))
            .against("kanal, Bytes", tasks, |s| kanal::tasks(s, copied))
            .best(GOAL);
    }
    for readers in [1, 4] {
        let name = format!("by turns, {}, {}", count(readers, "weak reader"), length(size));
        options
            .group(name, Setup { readers, ..Setup::of(size) }, keeping_up, ours::weak_messages)
            .goal(WEAK)
            .against("tokio broadcast, Bytes", keeping_up, |s| tokio_broadcast::new(s, copied));
    }
}
