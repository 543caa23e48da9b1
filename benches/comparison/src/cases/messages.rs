//! Messages, of which each is sent and received as a whole, against channels of records.

use super::*;
use crate::rivals::{crossbeam, kanal, nexus, thingbuf, tokio_broadcast, tokio_mpsc};

pub(super) const CASE: Case = Case {
    name: "messages",
    about: include_str!("messages.md"),
    runs: &[(64, of::<64>), (1024, of::<1024>)],
};

const GOAL: f64 = 1.2;

fn of<const N: usize>(options: &Options, size: usize) {
    for writers in [1, 4] {
        let name = format!("{}, {}", count(writers, "writer"), bytes(size));
        let ours = |s| threads(s, ours::pipe(s, ours::send, ours::recv));
        let mut group = options.group(name, Setup { writers, ..Setup::of(size) }, ours);
        if writers == 1 {
            group.against("nexus-logbuf spsc", |s| threads(s, nexus::spsc(s)));
        }
        group
            .against("nexus-logbuf mpsc", |s| threads(s, nexus::mpsc(s)))
            .against("thingbuf", |s| threads(s, thingbuf::in_slots::<N>(s)))
            .against("kanal", |s| threads(s, kanal::new(s, array::<N>)))
            .against("crossbeam-channel", |s| threads(s, crossbeam::new(s, array::<N>)));
        if N > 64 {
            group
                .against("kanal, boxed", |s| threads(s, kanal::new(s, boxed)))
                .against("crossbeam-channel, boxed", |s| threads(s, crossbeam::new(s, boxed)));
        }
        let batches = |s| threads(s, ours::pipe(s, ours::send, ours::recv_many));
        group
            .against("tokio mpsc, Bytes", |s| {
                threads(s, tokio_mpsc::new(s, Bytes::copy_from_slice))
            })
            .best(GOAL)
            .against("ours, in batches", batches);
    }
    for workers in [1, 2] {
        let name = format!("tasks, {}, {}", count(workers, "worker"), bytes(size));
        let setup = Setup { workers, ..Setup::of(size) };
        options
            .group(name, setup, |s| tasks(s, ours::message_tasks(s)))
            .against("tokio mpsc, Bytes", |s| {
                tasks(s, tokio_mpsc::tasks(s, Bytes::copy_from_slice))
            })
            .against("kanal", |s| tasks(s, kanal::tasks(s, array::<N>)))
            .against("kanal, Bytes", |s| tasks(s, kanal::tasks(s, Bytes::copy_from_slice)))
            .best(GOAL);
    }
    for readers in [1, 4] {
        let name = format!("by turns, {}, {}", count(readers, "weak reader"), bytes(size));
        let setup = Setup { readers, ..Setup::of(size) };
        options
            .group(name, setup, |s| {
                by_turns(s, (Pace::KeepingUp, Timed::All), ours::weak_messages(s))
            })
            .goal(GOAL)
            .against("tokio broadcast, Bytes", |s| {
                by_turns(
                    s,
                    (Pace::KeepingUp, Timed::All),
                    tokio_broadcast::new(s, Bytes::copy_from_slice),
                )
            });
    }
}
