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
    run,
};

const WORKERS: usize = 2;

fn run(sheet: &mut Sheet<'_>) {
    of::<64>(sheet);
    of::<1024>(sheet);
}

fn of<const N: usize>(sheet: &mut Sheet<'_>) {
    if !sheet.wants(N) {
        return;
    }
    for readers in [1, 2, 4, 8] {
        let setup = Setup { readers, ..Setup::of(N) };
        let name = |kind| format!("{kind}, {}, {}", count(readers, "reader"), bytes(N));
        let polled = |s| waiting(s, ours::pipe(s, ours::try_write, ours::try_fill_buf));
        let mut threads = sheet.group(name("threads"), Cores::Several, setup, polled);
        threads
            .against("disruptor", |s| waiting(s, disruptor::new::<N>(s)))
            .ours(|s| waiting(s, ours::pipe(s, ours::write, ours::fill_buf)))
            .against("bus", |s| waiting(s, bus::new::<[u8; N]>(s)))
            .against("async-broadcast", |s| waiting(s, async_broadcast::threads::<[u8; N]>(s)));
        if N > 64 {
            threads.against("bus, Arc", |s| waiting(s, bus::new::<Arc<[u8]>>(s)));
            threads.against("async-broadcast, Arc", |s| {
                waiting(s, async_broadcast::threads::<Arc<[u8]>>(s))
            });
        }
        threads.best(Target::Ratio(2.0));

        let ours = |s| tasks(s, WORKERS, ours::tasks(s));
        let mut group = sheet.group(name("tasks"), Cores::Several, setup, ours);
        group.against("async-broadcast", |s| {
            tasks(s, WORKERS, async_broadcast::tasks::<[u8; N]>(s))
        });
        #[cfg(feature = "selium")]
        group.against("selium-messaging", |s| tasks(s, WORKERS, crate::rivals::selium::new(s)));
        if N > 64 {
            group.against("async-broadcast, Arc", |s| {
                tasks(s, WORKERS, async_broadcast::tasks::<Arc<[u8]>>(s))
            });
        }
        group.best(Target::Ratio(2.0));
    }
}
