//! Several writers to one reader, on threads that wait.

use super::*;
use crate::rivals::{crossbeam, crossfire, flume, kanal, nexus, std_mpsc, thingbuf};

pub(super) const CASE: Case = Case {
    name: "records",
    title: "Several writers, one reader, threads that wait",
    about: "Several writers and one reader, on threads that are spread over the cores round \
robin (the reader's is the first) and use the calls that wait: ours are the blocking endpoints, one \
write a record, and a reader that copies each record out of what `fill_buf` lends. A sender of \
nexus-logbuf that finds no room can but spin and yield. Channels of `T` have room for as many records \
as fit the ring, and pass them by value (`[u8; N]`); for 1 KiB also boxed. thingbuf's records are \
filled and read in place. The reader copies each record into a buffer of its own. The target is for \
the best of all. The last row of each group is ours against ours with one `read` a record.",
    run,
};

fn run(sheet: &mut Sheet<'_>) {
    of::<64>(sheet);
    of::<1024>(sheet);
}

fn of<const N: usize>(sheet: &mut Sheet<'_>) {
    if !sheet.wants(N) {
        return;
    }
    for writers in [1, 2, 4, 8] {
        let name = format!("{}, {}", count(writers, "writer"), bytes(N));
        let setup = Setup { writers, ..Setup::of(N) };
        let ours = |s| waiting(s, ours::pipe(s, ours::write, ours::fill_buf));
        let mut group = sheet.group(name, Cores::Several, setup, ours);
        group
            .against("nexus-logbuf mpsc", |s| waiting::<[u8]>(s, nexus::mpsc(s)))
            .against("thingbuf", |s| waiting(s, thingbuf::new::<N>(s)));
        let names = ["kanal", "crossfire", "crossbeam-channel", "flume", "std mpsc"];
        channels::<[u8; N]>(&mut group, names);
        if N > 64 {
            let names = [
                "kanal, boxed",
                "crossfire, boxed",
                "crossbeam-channel, boxed",
                "flume, boxed",
                "std mpsc, boxed",
            ];
            channels::<Box<[u8]>>(&mut group, names);
        }
        group
            .best(Target::Ratio(1.2))
            .against("ours, a read each", |s| waiting(s, ours::pipe(s, ours::write, ours::read)));
    }
}

/// Channels of `T`.
fn channels<T: Record<[u8]>>(group: &mut Group<'_, '_>, names: [&'static str; 5]) {
    group
        .against(names[0], |s| waiting(s, kanal::threads::<_, T>(s)))
        .against(names[1], |s| waiting(s, crossfire::new::<_, T>(s)))
        .against(names[2], |s| waiting(s, crossbeam::new::<_, T>(s)))
        .against(names[3], |s| waiting(s, flume::new::<_, T>(s)))
        .against(names[4], |s| waiting(s, std_mpsc::new::<_, T>(s)));
}
