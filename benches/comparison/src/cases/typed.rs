//! Values that are serialized, against vectors of serialized values.

use super::*;
use crate::event::{Event, serialize_into, serializing};
use crate::rivals::{crossbeam, kanal, nexus, thingbuf, tokio_broadcast, tokio_mpsc};
use rkyv::util::AlignedVec;

pub(super) const CASE: Case = Case {
    name: "typed",
    title: "Typed channels",
    about: "Events of five numbers, a name of some 30 characters and eight `f32`, serialized by \
rkyv (112 bytes), whose reader validates each and adds all fields up where they lie. Ours are channels \
of `overfall::typed`. *Threads* that wait, as for messages: through the rivals goes the `AlignedVec` \
that `rkyv::to_bytes` makes of each event, by value, and for nexus-logbuf as a copy of its bytes. The \
last two rows of each group are no vectors that are sent, and so without a target: a vector that \
nexus-logbuf's sender keeps for all events, and thingbuf's slots, which keep theirs. *By turns*, on \
one thread: tokio's broadcast of vectors as `Bytes`, as for messages. The target is for the best of \
each group.",
    run,
};

const GOAL: Target = Target::Ratio(2.0);

fn run(sheet: &mut Sheet<'_>) {
    let size = Event::size();
    if !sheet.wants(size) {
        return;
    }
    for writers in [1, 4] {
        let name = format!("{}, {}", count(writers, "writer"), bytes(size));
        let setup = Setup { writers, ..Setup::of(size) };
        let mut group = sheet.group(name, Cores::Several, setup, |s| waiting(s, ours::typed(s)));
        if writers == 1 {
            group.against("nexus-logbuf spsc", |s| waiting(s, serializing(nexus::spsc(s), false)));
        }
        group
            .against("nexus-logbuf mpsc", |s| waiting(s, serializing(nexus::mpsc(s), false)))
            .against("thingbuf", |s| waiting(s, thingbuf::by_value::<_, AlignedVec>(s)))
            .against("kanal", |s| waiting(s, kanal::threads::<_, AlignedVec>(s)))
            .against("crossbeam-channel", |s| waiting(s, crossbeam::new::<_, AlignedVec>(s)))
            .against("tokio mpsc", |s| waiting(s, tokio_mpsc::threads::<_, AlignedVec>(s)))
            .best(GOAL)
            .against("nexus-logbuf mpsc, one buffer", |s| {
                waiting(s, serializing(nexus::mpsc(s), true))
            })
            .against("thingbuf, in its slots", |s| {
                let slot = move || AlignedVec::with_capacity(s.size);
                waiting(s, thingbuf::in_place::<_, AlignedVec>(s, slot, serialize_into))
            });
    }
    for readers in [1, 4] {
        let setup = Setup { readers, ..Setup::of(size) };
        let name = format!("by turns, {}", count(readers, "weak reader"));
        let both = (Pace::KeepingUp, Timed::All);
        sheet
            .group(name, Cores::One, setup, move |s| by_turns(s, both, ours::typed_weak(s)))
            .goal(GOAL)
            .against("tokio broadcast, Bytes", |s| {
                by_turns(s, both, tokio_broadcast::new::<Event, Bytes>(s))
            });
    }
}
