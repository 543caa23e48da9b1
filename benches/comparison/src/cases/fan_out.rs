//! One writer to several readers, all of which get everything.

use super::*;
use crate::rivals::{async_broadcast, bus, disruptor};

pub(super) const CASE: Case = Case {
    name: "fan-out",
    about: include_str!("fan_out.md"),
    runs: &[(64, of::<64>), (1024, of::<1024>)],
};

fn of<const N: usize>(options: &Options, size: usize) {
    for readers in [1, 2, 4, 8] {
        let setup = Setup { readers, ..Setup::of(size) };
        let name = |kind| format!("{kind}, {}, {}", count(readers, "reader"), bytes(size));
        let polled = |s| threads(s, ours::pipe(s, ours::try_write, ours::try_fill_buf));
        let mut group = options.group(name("threads"), setup, polled);
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

        let mut group = options.group(name("tasks"), setup, |s| tasks(s, ours::tasks(s)));
        group.against("async-broadcast", |s| tasks(s, async_broadcast::tasks(s, array::<N>)));
        #[cfg(feature = "selium")]
        group.against("selium-messaging", |s| tasks(s, crate::rivals::selium::new(s)));
        if N > 64 {
            group.against("async-broadcast, Arc", |s| tasks(s, async_broadcast::tasks(s, shared)));
        }
        group.best(2.0);
    }
}
