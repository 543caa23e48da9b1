//! One writer to several readers, all of which get everything.

use super::*;
use crate::rivals::{async_broadcast, bus, disruptor};

pub(super) const CASE: Case = Case {
    name: "fan-out",
    title: "One writer, several readers that lose nothing",
    about: "One writer and several readers (ours are strong ones), each of which copies every \
message. The time is that of one message until everybody has it. *Threads*, spread over the cores \
round robin: async-broadcast and bus with their waiting calls, against our blocking endpoints; the \
disruptor's pollers and ours poll and yield to others every 128 attempts, and the disruptor's take \
all events there are at a time. *Tasks*: on tokio's multi-threaded runtime with two workers, \
unconstrained. Records are passed by value, for 1 KiB also in an `Arc`. tokio's broadcast and outcry \
are left out here, since their readers lose messages. The target is for the best of each group.",
    runs: &[(64, of::<64>), (1024, of::<1024>)],
};

fn of<const N: usize>(sheet: &mut Sheet<'_>, size: usize) {
    for readers in [1, 2, 4, 8] {
        let setup = Setup { readers, ..Setup::of(size) };
        let name = |kind| format!("{kind}, {}, {}", count(readers, "reader"), bytes(size));
        let polled = |s| threads(s, ours::pipe(s, ours::try_write, ours::try_fill_buf));
        let mut group = sheet.group(name("threads"), setup, polled);
        group
            .against("disruptor", |s| threads(s, disruptor::new::<N>(s)))
            .ours(|s| threads(s, ours::pipe(s, ours::write, ours::fill_buf)))
            .against("bus", |s| threads(s, bus::new(s, array::<N>)))
            .against("async-broadcast", |s| threads(s, async_broadcast::new(s, array::<N>)));
        if N > 64 {
            group
                .against("bus, Arc", |s| threads(s, bus::new(s, shared)))
                .against("async-broadcast, Arc", |s| threads(s, async_broadcast::new(s, shared)));
        }
        group.best(2.0);

        let mut group = sheet.group(name("tasks"), setup, |s| tasks(s, ours::tasks(s)));
        group.against("async-broadcast", |s| tasks(s, async_broadcast::tasks(s, array::<N>)));
        #[cfg(feature = "selium")]
        group.against("selium-messaging", |s| tasks(s, crate::rivals::selium::new(s)));
        if N > 64 {
            group.against("async-broadcast, Arc", |s| tasks(s, async_broadcast::tasks(s, shared)));
        }
        group.best(2.0);
    }
}
