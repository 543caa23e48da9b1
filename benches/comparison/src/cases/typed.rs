//! Values that are serialized, against vectors of serialized values.

use super::*;
use crate::event::{SIZE, fill, pack, serializing};
use crate::rivals::{crossbeam, kanal, nexus, thingbuf, tokio_broadcast, tokio_mpsc};
use ::bytes::Bytes;
use rkyv::util::AlignedVec;

pub(super) const RUNS: Runs = &[(SIZE, run)];
const GOAL: f64 = 2.0;
const WEAK: f64 = 1.3;

fn run(options: &Options, size: usize) {
    let setup = Setup { is_typed: true, ..Setup::of(size) };
    for writers in [1, 4] {
        let name = format!("{}, {}", count(writers, "writer"), length(size));
        let mut group = options.group(name, Setup { writers, ..setup }, threads, ours::typed);
        if writers == 1 {
            group.against("nexus-logbuf spsc", threads, |s| serializing(nexus::spsc(s), false));
        }
        group
            .against("nexus-logbuf mpsc", threads, |s| serializing(nexus::mpsc(s), false))
            .against("thingbuf", threads, |s| thingbuf::new(s, pack()))
            .against("kanal", threads, |s| kanal::new(s, pack()))
            .against("crossbeam-channel", threads, |s| crossbeam::new(s, pack()))
            .against("tokio mpsc", threads, |s| tokio_mpsc::new(s, pack()))
            .best(GOAL)
            .against("nexus-logbuf mpsc, one buffer", threads, |s| {
                serializing(nexus::mpsc(s), true)
            })
            .against("thingbuf, in its slots", threads, |s| {
                thingbuf::in_place(s, || AlignedVec::with_capacity(SIZE), fill())
            });
    }
    for readers in [1, 4] {
        let name = format!("by turns, {}", count(readers, "weak reader"));
        options
            .group(name, Setup { readers, ..setup }, keeping_up, ours::typed_weak)
            .goal(WEAK)
            .against("tokio broadcast, Bytes", keeping_up, |s| {
                let mut pack = pack();
                tokio_broadcast::new(s, move |message: &[u8]| Bytes::from_owner(pack(message)))
            });
    }
}
