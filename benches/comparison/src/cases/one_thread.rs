//! What a write and a read cost when nobody waits, on one thread.

use super::*;
use crate::rivals::{bbqueue, memcpys, nexus, rtrb};

pub(super) const CASE: Case = Case {
    name: "one-thread",
    title: "Nobody waiting, one thread",
    about: "One thread writes a message and reads it, so that nobody ever waits and \
everything is in its cache. *Two memcpys* is the least that can be done: `copy_from_slice` into a \
buffer as large as the ring, at an offset that advances and wraps, and out of it into the reader's \
buffer, with a length that is known only when it runs.",
    run,
};

fn run(sheet: &mut Sheet<'_>) {
    for size in sheet.sizes([8, 64, 256, 1024, 4096, 16 * 1024]) {
        let cost = match size {
            64 => Some(Target::Cost(1.25)),
            4096 => Some(Target::Cost(1.15)),
            _ => None,
        };
        sheet
            .group(bytes(size), Cores::One, Setup::of(size), |s| one_thread(s, ours::polled(s)))
            .goal(cost)
            .against("two memcpys", memcpys::one_thread)
            .goal(Target::Faster)
            .against("rtrb", |s| one_thread(s, rtrb::new(s)))
            .against("nexus-logbuf spsc", |s| one_thread(s, nexus::polled_spsc(s)))
            .against("nexus-logbuf mpsc", |s| one_thread(s, nexus::polled_mpsc(s)))
            .against("bbqueue", |s| one_thread(s, bbqueue::new(s)));
    }
}
