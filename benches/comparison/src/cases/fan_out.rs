//! One writer to several readers, all of which get everything.

use super::*;
use crate::rivals::{async_broadcast, bus, disruptor};

pub(super) const RUNS: Runs = &[(64, of::<64>), (1024, of::<1024>)];

fn of<const N: usize>(options: &Options, size: usize) {
    for readers in [1, 2, 4, 8] {
        let setup = Setup { readers, ..Setup::of(size) };
        let name = |kind| format!("{kind}, {}, {}", count(readers, "reader"), length(size));
        let polled = |s| ours::pipe(s, ours::try_write, ours::try_fill_buf);
        let mut group = options.group(name("threads"), setup, threads, polled);
        group
            .against("disruptor", threads, disruptor::new::<N>)
            .ours(threads, ours::waiting)
            .against("bus", threads, |s| bus::new(s, array::<N>))
            .against("async-broadcast", threads, |s| async_broadcast::new(s, array::<N>));
        if N > 64 {
            group.against("bus, Arc", threads, |s| bus::new(s, shared)).against(
                "async-broadcast, Arc",
                threads,
                |s| async_broadcast::new(s, shared),
            );
        }
        group.best(1.0);

        let mut group = options.group(name("tasks"), setup, tasks, ours::tasks);
        group.against("async-broadcast", tasks, |s| async_broadcast::tasks(s, array::<N>));
        #[cfg(feature = "selium")]
        group.against("selium-messaging", tasks, crate::rivals::selium::new);
        if N > 64 {
            group.against("async-broadcast, Arc", tasks, |s| async_broadcast::tasks(s, shared));
        }
        group.best(2.0);
    }
}
