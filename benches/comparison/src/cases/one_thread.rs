//! Figure 6: what a write and a read cost when nobody waits, on one thread.

use super::{Cell, Session, Sheet};
use crate::contestants::memcpys::Memcpys;
use crate::contestants::{bbqueue, nexus, ours, rtrb};
use crate::cores;
use crate::pair::Cores;
use crate::report::{self, Table, Target};
use crate::rounds::{Here, PassOn};

const SIZES: [usize; 6] = [8, 64, 256, 1024, 4096, 16 * 1024];
const ABOUT: &str = "One thread writes a message and reads it, so that nobody ever waits and \
everything is in its cache. *Two memcpys* is the least that can be done: `copy_from_slice` into a \
buffer as large as the ring, at an offset that advances and wraps, and out of it into the reader's \
buffer, with a length that is known only when it runs.";

pub(super) fn run(session: &Session) -> Table {
    let title = "Nobody waiting, one thread";
    cores::pinned(|| {
        let mut sheet = Sheet::new(session, Cores::One, "one-thread", title, ABOUT);
        for size in session.sizes(&SIZES) {
            let cost = match size {
                64 => Some(Target::Cost(1.25)),
                4096 => Some(Target::Cost(1.15)),
                _ => None,
            };
            against(&mut sheet, size, "two memcpys", cost, Memcpys::new);
            against(&mut sheet, size, "rtrb", Some(Target::Faster), rtrb::new);
            against(&mut sheet, size, "nexus-logbuf spsc", None, nexus::single);
            against(&mut sheet, size, "nexus-logbuf mpsc", None, nexus::multi);
            against(&mut sheet, size, "bbqueue", None, bbqueue::new);
        }
        sheet.table
    })
}

fn against<P: PassOn>(
    sheet: &mut Sheet<'_>,
    size: usize,
    rival: &'static str,
    target: Option<Target>,
    make: fn() -> P,
) {
    let cell = Cell { name: report::bytes(size), rival, size, target };
    let ours = || Here::new("ours", size, ours::polled());
    sheet.row(cell, ours, || Here::new(rival, size, make()));
}
