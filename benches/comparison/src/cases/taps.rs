//! Figure 5: what taps, readers that may be overrun, cost the writer.

use super::{Cell, Session, Sheet};
use crate::contestants::taps::{self, Tap, Writer};
use crate::cores;
use crate::pair::Cores;
use crate::report::{self, Table, Target};
use crate::tapping::{ByTurns, Pace, Timed, on_two_threads};
use std::sync::Arc;

const SIZES: [usize; 2] = [64, 1024];
const TAPS: usize = 4;
const ABOUT: &str = "*By turns*, on one thread, so that only what is timed is timed: it writes half a \
ring of messages at a time; taps that *keep up* then read all of these; those that are *overrun* are \
looked at after every third lap of the ring, find a gap, always, and read one message. *Writes*: only \
the writes are timed. *All*: those and the reads of the taps. Against our own ring without taps, a \
strong reader reads everything in both, untimed; otherwise there is none. *Another thread reads*: one \
thread writes as fast as it can, and another, on another core, lets the four taps read by turns, for \
as long as that takes; what they miss is not counted, and only the writes are timed. The row \
against ours without taps has no target there: without taps, the ring never leaves the writer's \
cache. Records of tokio's broadcast are passed by value, for 1 KiB also in an `Arc`. After a gap, \
outcry's readers go on at the newest message and have nothing to read.";

pub(super) fn run(session: &Session) -> Table {
    let title = "Taps: four readers that may be overrun";
    // Threads of their own are pinned by themselves.
    cores::pinned(|| {
        let mut sheet = Sheet::new(session, Cores::One, "taps", title, ABOUT);
        for size in session.sizes(&SIZES) {
            sheet.cores = Cores::One;
            for pace in [Pace::KeepingUp, Pace::Overrun] {
                let kind = Kind::ByTurns(pace, Timed::Writes);
                let cost = Some(Target::Cost(1.1));
                let theirs = || taps::ours(0, true);
                row(&mut sheet, size, kind, "ours without taps", cost, true, theirs);
                for timed in [Timed::Writes, Timed::All] {
                    others(&mut sheet, size, Kind::ByTurns(pace, timed));
                }
            }
            sheet.cores = Cores::Several;
            let kind = Kind::TwoThreads;
            let theirs = || taps::ours(0, false);
            row(&mut sheet, size, kind, "ours without taps", None, false, theirs);
            others(&mut sheet, size, kind);
        }
        sheet.table
    })
}

#[derive(Clone, Copy)]
enum Kind {
    ByTurns(Pace, Timed),
    TwoThreads,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::ByTurns(Pace::KeepingUp, Timed::Writes) => "keeping up, writes",
            Self::ByTurns(Pace::KeepingUp, Timed::All) => "keeping up, all",
            Self::ByTurns(Pace::Overrun, Timed::Writes) => "overrun, writes",
            Self::ByTurns(Pace::Overrun, Timed::All) => "overrun, all",
            Self::TwoThreads => "another thread reads",
        }
    }
}

fn others(sheet: &mut Sheet<'_>, size: usize, kind: Kind) {
    let (by_value, arcs) = ("tokio broadcast", "tokio broadcast, Arc");
    let first = sheet.rows();
    if size == 64 {
        let theirs = || taps::broadcast::<[u8; 64]>(size, TAPS);
        row(sheet, size, kind, by_value, None, false, theirs);
    } else {
        let theirs = || taps::broadcast::<[u8; 1024]>(size, TAPS);
        row(sheet, size, kind, by_value, None, false, theirs);
        let theirs = || taps::broadcast::<Arc<[u8]>>(size, TAPS);
        row(sheet, size, kind, arcs, None, false, theirs);
    }
    sheet.judge_best(first, Target::Ratio(3.0));
    row(sheet, size, kind, "outcry", None, false, || taps::outcry(TAPS));
}

fn row<W: Writer, T: Tap>(
    sheet: &mut Sheet<'_>,
    size: usize,
    kind: Kind,
    rival: &'static str,
    target: Option<Target>,
    with_strong_reader: bool,
    theirs: impl FnOnce() -> (W, Vec<T>),
) {
    let name = format!("{}, {}", kind.words(), report::bytes(size));
    let cell = Cell { name, rival, size, target };
    let ours = || taps::ours(TAPS, with_strong_reader);
    match kind {
        Kind::TwoThreads => {
            let ours = || on_two_threads("ours", size, ours());
            sheet.row(cell, ours, || on_two_threads(rival, size, theirs()));
        }
        Kind::ByTurns(pace, timed) => {
            let ours = || by_turns("ours", size, (pace, timed), ours());
            sheet.row(cell, ours, || by_turns(rival, size, (pace, timed), theirs()));
        }
    }
}

pub(super) fn by_turns<W: Writer, T: Tap>(
    name: &'static str,
    size: usize,
    (pace, timed): (Pace, Timed),
    (writer, taps): (W, Vec<T>),
) -> ByTurns<W, T> {
    ByTurns { name, writer, taps, size, pace, timed }
}
