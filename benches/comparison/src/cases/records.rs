//! Figure 3: several writers to one reader, on threads that wait.

use super::{Cell, Session, Sheet};
use crate::contestants::ours::Lending;
use crate::contestants::{channels, nexus, ours, thingbuf};
use crate::pair::Cores;
use crate::parties::{self, Terms};
use crate::report::{self, Table, Target};
use crate::team::Team;
use crate::transport::{ReceiveMany, Receiver, Sender, Wait};

const SIZES: [usize; 2] = [64, 1024];
const WRITERS: [usize; 4] = [1, 2, 4, 8];
const ABOUT: &str = "Several writers and one reader, on threads that are spread over the cores round \
robin (the reader's is the first) and use the calls that wait: ours are the blocking endpoints, one \
write a record, and a reader that copies each record out of what `fill_buf` lends. A sender of nexus-logbuf that finds no room can but spin and yield. \
Channels of `T` have room for as many records as fit the ring, and pass them by value (`[u8; N]`); \
for 1 KiB also boxed. thingbuf's records are filled and read in place. The reader copies each record \
into a buffer of its own. The target is for the best of all. The last row of each group is ours \
against ours with one `read` a record.";

pub(super) fn run(session: &Session) -> Table {
    let title = "Several writers, one reader, threads that wait";
    let mut sheet = Sheet::new(session, Cores::Several, "records", title, ABOUT);
    for size in session.sizes(&SIZES) {
        for writers in WRITERS {
            let first = sheet.rows();
            match size {
                64 => by_value::<64>(&mut sheet, writers),
                1024 => {
                    by_value::<1024>(&mut sheet, writers);
                    boxed(&mut sheet, (writers, size));
                }
                _ => {}
            }
            sheet.judge_best(first, Target::Ratio(1.2));
            single_reads(&mut sheet, (writers, size));
        }
    }
    sheet.table
}

fn by_value<const N: usize>(sheet: &mut Sheet<'_>, writers: usize) {
    let cell = (writers, N);
    against(sheet, cell, "nexus-logbuf mpsc", |_, writers| nexus::channel(writers));
    against(sheet, cell, "thingbuf", |_, writers| thingbuf::new::<N>(writers));
    against(sheet, cell, "kanal", channels::kanal::<[u8; N]>);
    against(sheet, cell, "crossfire", channels::crossfire::<[u8; N]>);
    against(sheet, cell, "crossbeam-channel", channels::crossbeam::<[u8; N]>);
    against(sheet, cell, "flume", channels::flume::<[u8; N]>);
    against(sheet, cell, "std mpsc", channels::std::<[u8; N]>);
}

fn boxed(sheet: &mut Sheet<'_>, cell: (usize, usize)) {
    against(sheet, cell, "kanal, boxed", channels::kanal::<Box<[u8]>>);
    against(sheet, cell, "crossfire, boxed", channels::crossfire::<Box<[u8]>>);
    against(sheet, cell, "crossbeam-channel, boxed", channels::crossbeam::<Box<[u8]>>);
    against(sheet, cell, "flume, boxed", channels::flume::<Box<[u8]>>);
    against(sheet, cell, "std mpsc, boxed", channels::std::<Box<[u8]>>);
}

/// What the reader's way of reading is worth.
fn single_reads(sheet: &mut Sheet<'_>, (writers, size): (usize, usize)) {
    let (name, rival) = (name(writers, size), "ours, a read each");
    let cell = Cell { name, rival, size, target: None };
    sheet.row(
        cell,
        || lent(writers, size),
        || {
            let (senders, mut receivers) = ours::many_blocking(writers, 1);
            team(rival, size, senders, receivers.remove(0))
        },
    );
}

pub(super) fn name(writers: usize, size: usize) -> String {
    let plural = if writers == 1 { "" } else { "s" };
    format!("{writers} writer{plural}, {}", report::bytes(size))
}

fn lent(writers: usize, size: usize) -> Team {
    let (senders, mut receivers) = ours::many_blocking(writers, 1);
    team("ours", size, senders, Lending(receivers.remove(0)))
}

fn against<S: Sender, R: Receiver>(
    sheet: &mut Sheet<'_>,
    (writers, size): (usize, usize),
    rival: &'static str,
    make: fn(usize, usize) -> (Vec<S>, R),
) {
    let cell = Cell { name: name(writers, size), rival, size, target: None };
    sheet.row(
        cell,
        || lent(writers, size),
        || {
            let (senders, receiver) = make(size, writers);
            team(rival, size, senders, receiver)
        },
    );
}

pub(super) fn team<S: Sender, R: ReceiveMany>(
    name: &'static str,
    size: usize,
    senders: Vec<S>,
    receiver: R,
) -> Team {
    let terms = Terms { name, size, writers: senders.len(), wait: Wait::Yield };
    let mut parties = vec![parties::read(terms, receiver)];
    for (writer, sender) in senders.into_iter().enumerate() {
        parties.push(parties::write(terms, writer, sender));
    }
    Team::threads(name, size, parties)
}
