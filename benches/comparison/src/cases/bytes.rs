//! One writer, one reader, each on a core of its own, both polling.

use super::*;
use crate::rivals::{bbqueue, nexus, os_pipe, rtrb};

pub(super) const CASE: Case = Case {
    name: "bytes",
    title: "One writer, one reader, threads that poll",
    about: "One writer and one reader, each on a thread that is pinned to a core of its own \
and polls (`spin_loop`) while there is no room or nothing to read. One message a call on both sides, \
and the reader copies each into a buffer of its own. The operating system's pipe cannot be polled \
like that; its calls wait in the kernel.",
    run,
};

fn run(sheet: &mut Sheet<'_>) {
    for size in sheet.sizes([8, 64, 256, 1024, 4096, 16 * 1024]) {
        let than_rtrb = match size {
            8 => 1.0,
            ..=1024 => 1.5,
            _ => 1.15,
        };
        sheet
            .group(bytes(size), Cores::Several, Setup::of(size), |s| polling(s, ours::polled(s)))
            .goal(Target::Ratio(than_rtrb))
            .against("rtrb", |s| polling(s, rtrb::new(s)))
            .goal(Target::Ratio(1.2))
            .against("nexus-logbuf spsc", |s| polling(s, nexus::polled_spsc(s)))
            .against("nexus-logbuf mpsc", |s| polling(s, nexus::polled_mpsc(s)))
            .against("bbqueue", |s| polling(s, bbqueue::new(s)))
            .against("pipe of the system", |s| polling(s, os_pipe::new(s)));
    }
}
