//! Several writers to one reader, on threads that wait.

use super::*;
use crate::rivals::{crossbeam, crossfire, flume, kanal, nexus, std_mpsc, thingbuf};

pub(super) const CASE: Case = Case {
    name: "records",
    about: include_str!("records.md"),
    runs: &[(64, of::<64>), (1024, of::<1024>)],
};

fn of<const N: usize>(options: &Options, size: usize) {
    for writers in [1, 2, 4, 8] {
        let name = format!("{}, {}", count(writers, "writer"), bytes(size));
        let ours = |s| threads(s, ours::pipe(s, ours::write, ours::fill_buf));
        let mut group = options.group(name, Setup { writers, ..Setup::of(size) }, ours);
        group
            .against("nexus-logbuf mpsc", |s| threads(s, nexus::mpsc(s)))
            .against("thingbuf", |s| threads(s, thingbuf::in_slots::<N>(s)));
        channels(&mut group, "", array::<N>);
        if N > 64 {
            channels(&mut group, ", boxed", boxed);
        }
        group
            .best(1.2)
            .against("ours, a read each", |s| threads(s, ours::pipe(s, ours::write, ours::read)));
    }
}

/// Channels of `T`.
fn channels<T: Record>(group: &mut Group<'_>, form: &str, pack: impl Pack<T>) {
    group
        .against(&format!("kanal{form}"), |s| threads(s, kanal::new(s, pack.clone())))
        .against(&format!("crossfire{form}"), |s| threads(s, crossfire::new(s, pack.clone())))
        .against(&format!("crossbeam-channel{form}"), |s| {
            threads(s, crossbeam::new(s, pack.clone()))
        })
        .against(&format!("flume{form}"), |s| threads(s, flume::new(s, pack.clone())))
        .against(&format!("std mpsc{form}"), |s| threads(s, std_mpsc::new(s, pack.clone())));
}
