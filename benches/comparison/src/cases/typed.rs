//! Values that are serialized, against vectors of serialized values.

use super::*;
use crate::event::{SIZE, fill, pack, serializing};
use crate::rivals::{crossbeam, kanal, nexus, thingbuf, tokio_broadcast, tokio_mpsc};
use rkyv::util::AlignedVec;

pub(super) const CASE: Case =
    Case { name: "typed", about: include_str!("typed.md"), runs: &[(SIZE, run)] };

const GOAL: f64 = 2.0;

fn run(options: &Options, size: usize) {
    for writers in [1, 4] {
        let name = format!("{}, {}", count(writers, "writer"), bytes(size));
        let setup = Setup { is_typed: true, writers, ..Setup::of(size) };
        let mut group = options.group(name, setup, |s| threads(s, ours::typed(s)));
        if writers == 1 {
            group.against("nexus-logbuf spsc", |s| threads(s, serializing(nexus::spsc(s), anew())));
        }
        group
            .against("nexus-logbuf mpsc", |s| threads(s, serializing(nexus::mpsc(s), anew())))
            .against("thingbuf", |s| threads(s, thingbuf::new(s, pack())))
            .against("kanal", |s| threads(s, kanal::new(s, pack())))
            .against("crossbeam-channel", |s| threads(s, crossbeam::new(s, pack())))
            .against("tokio mpsc", |s| threads(s, tokio_mpsc::new(s, pack())))
            .best(GOAL)
            .against("nexus-logbuf mpsc, one buffer", |s| {
                threads(s, serializing(nexus::mpsc(s), fill()))
            })
            .against("thingbuf, in its slots", |s| {
                let slot = move || AlignedVec::with_capacity(s.size);
                threads(s, thingbuf::in_place(s, slot, fill()))
            });
    }
    for readers in [1, 4] {
        let setup = Setup { is_typed: true, readers, ..Setup::of(size) };
        let name = format!("by turns, {}", count(readers, "weak reader"));
        options
            .group(name, setup, |s| by_turns(s, (Pace::KeepingUp, Timed::All), ours::typed_weak(s)))
            .goal(GOAL)
            .against("tokio broadcast, Bytes", |s| {
                let mut pack = pack();
                let pack = move |message: &[u8]| Bytes::from_owner(pack(message));
                by_turns(s, (Pace::KeepingUp, Timed::All), tokio_broadcast::new(s, pack))
            });
    }
}

/// A new vector for each.
fn anew() -> impl Fill<AlignedVec> {
    let mut pack = pack();
    move |buffer: &mut AlignedVec, message: &[u8]| *buffer = pack(message)
}
