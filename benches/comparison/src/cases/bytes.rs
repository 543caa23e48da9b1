//! Figure 1: one writer, one reader, each on a core of its own, both polling.

use super::{Cell, Session, Sheet};
use crate::contestants::{bbqueue, nexus, os_pipe, ours, rtrb};
use crate::pair::Cores;
use crate::parties::{self, Terms};
use crate::report::{self, Table, Target};
use crate::team::Team;
use crate::transport::{Receiver, Sender, Wait};

const SIZES: [usize; 6] = [8, 64, 256, 1024, 4096, 16 * 1024];
const ABOUT: &str = "One writer and one reader, each on a thread that is pinned to a core of its own \
and polls (`spin_loop`) while there is no room or nothing to read. One message a call on both sides, \
and the reader copies each into a buffer of its own. The operating system's pipe cannot be polled \
like that; its calls wait in the kernel.";

pub(super) fn run(session: &Session) -> Table {
    let title = "One writer, one reader, threads that poll";
    let mut sheet = Sheet::new(session, Cores::Several, "bytes", title, ABOUT);
    for size in session.sizes(&SIZES) {
        let beats_rtrb = match size {
            8 => 1.0,
            ..=1024 => 1.5,
            _ => 1.15,
        };
        against(&mut sheet, size, "rtrb", Some(beats_rtrb), rtrb::new);
        against(&mut sheet, size, "nexus-logbuf spsc", Some(1.2), nexus::single);
        against(&mut sheet, size, "nexus-logbuf mpsc", None, nexus::multi);
        against(&mut sheet, size, "bbqueue", None, bbqueue::new);
        against(&mut sheet, size, "pipe of the system", None, os_pipe::new);
    }
    sheet.table
}

fn against<S: Sender, R: Receiver>(
    sheet: &mut Sheet<'_>,
    size: usize,
    rival: &'static str,
    target: Option<f64>,
    make: fn() -> (S, R),
) {
    let target = target.map(Target::Ratio);
    let cell = Cell { name: report::bytes(size), rival, size, target };
    sheet.row(cell, || team("ours", size, ours::polled()), || team(rival, size, make()));
}

fn team<S: Sender, R: Receiver>(
    name: &'static str,
    size: usize,
    (sender, receiver): (S, R),
) -> Team {
    let terms = Terms { name, size, writers: 1, wait: Wait::Spin };
    let parties = vec![parties::write(terms, 0, sender), parties::read(terms, receiver)];
    Team::threads(name, size, parties)
}
