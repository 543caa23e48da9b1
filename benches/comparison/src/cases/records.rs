//! Several writers to one reader, on threads that wait.

use super::*;
use crate::rivals::{crossbeam, crossfire, flume, kanal, nexus, std_mpsc, thingbuf};

pub(super) const RUNS: Runs = &[(64, of::<64>), (1024, of::<1024>)];

fn of<const N: usize>(options: &Options, size: usize) {
    for writers in [1, 2, 4, 8] {
        let name = format!("{}, {}", count(writers, "writer"), length(size));
        let setup = Setup { writers, ..Setup::of(size) };
        let mut group = options.group(name, setup, threads, ours::waiting);
        group.against("nexus-logbuf mpsc", threads, nexus::mpsc).against(
            "thingbuf",
            threads,
            thingbuf::in_slots::<N>,
        );
        channels(&mut group, "", array::<N>);
        if N > 64 {
            channels(&mut group, ", boxed", boxed);
        }
        let a_read_each = |s| ours::pipe(s, ours::write, ours::read);
        group.best(1.1).against("ours, a read each", threads, a_read_each);
    }
}

/// Channels of `T`.
fn channels<T: Record>(group: &mut Group<'_>, form: &str, pack: impl Pack<T> + Copy) {
    let name = |rival| format!("{rival}{form}");
    group
        .against(&name("kanal"), threads, |s| kanal::new(s, pack))
        .against(&name("crossfire"), threads, |s| crossfire::new(s, pack))
        .against(&name("crossbeam-channel"), threads, |s| crossbeam::new(s, pack))
        .against(&name("flume"), threads, |s| flume::new(s, pack))
        .against(&name("std mpsc"), threads, |s| std_mpsc::new(s, pack));
}
