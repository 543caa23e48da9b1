//! Figure 10: values that are serialized, against vectors of serialized values.

use super::{Cell, Session, Sheet, records};
use crate::contestants::events;
use crate::cores;
use crate::eventing::{ByTurns, Receiving, Sending, team};
use crate::events::Event;
use crate::pair::Cores;
use crate::report::{Table, Target};

const WRITERS: [usize; 2] = [1, 4];
const READERS: [usize; 2] = [1, 4];
const GOAL: Target = Target::Ratio(2.0);
const ABOUT: &str = "Events of five numbers, a name of some 30 characters and eight `f32`, serialized by \
rkyv (112 bytes), whose reader validates each and adds all fields up where they lie. Ours are channels \
of `overfall::typed`. *Threads* that wait, as for messages: through the rivals goes the `AlignedVec` \
that `rkyv::to_bytes` makes of each event, by value, and for nexus-logbuf as a copy of its bytes. The \
last two rows of each group are no vectors that are sent, and so without a target: a vector that \
nexus-logbuf's sender keeps for all events, and thingbuf's slots, which keep theirs. *By turns*, on \
one thread: tokio's broadcast of vectors as `Bytes`, as for messages. The target is for the best of \
each group.";

pub(super) fn run(session: &Session) -> Table {
    let title = "Typed channels";
    let mut sheet = Sheet::new(session, Cores::Several, "typed", title, ABOUT);
    if session.sizes(&[Event::size()]).is_empty() {
        return sheet.table;
    }
    for writers in WRITERS {
        let first = sheet.rows();
        if writers == 1 {
            on_threads(&mut sheet, writers, "nexus-logbuf spsc", events::nexus_spsc);
        }
        on_threads(&mut sheet, writers, "nexus-logbuf mpsc", events::nexus_mpsc);
        on_threads(&mut sheet, writers, "thingbuf", events::thingbuf);
        on_threads(&mut sheet, writers, "kanal", events::kanal);
        on_threads(&mut sheet, writers, "crossbeam-channel", events::crossbeam);
        on_threads(&mut sheet, writers, "tokio mpsc", events::tokio_mpsc);
        sheet.judge_best(first, GOAL);
        on_threads(&mut sheet, writers, "nexus-logbuf mpsc, one buffer", events::nexus_mpsc_kept);
        on_threads(&mut sheet, writers, "thingbuf, in its slots", events::thingbuf_in_place);
    }
    sheet.cores = Cores::One;
    for readers in READERS {
        cores::pinned(|| by_turns(&mut sheet, readers));
    }
    sheet.table
}

fn on_threads<S: Sending, R: Receiving>(
    sheet: &mut Sheet<'_>,
    writers: usize,
    rival: &'static str,
    make: fn(usize) -> (Vec<S>, R),
) {
    let size = Event::size();
    let cell = Cell { name: records::name(writers, size), rival, size, target: None };
    let ours = || team("ours", events::ours(writers));
    sheet.row(cell, ours, || team(rival, make(writers)));
}

fn by_turns(sheet: &mut Sheet<'_>, readers: usize) {
    let rival = "tokio broadcast, Bytes";
    let plural = if readers == 1 { "" } else { "s" };
    let name = format!("by turns, {readers} weak reader{plural}");
    let cell = Cell { name, rival, size: Event::size(), target: Some(GOAL) };
    let ours = || {
        let (send, taps) = events::ours_weak(readers);
        ByTurns { name: "ours", send, taps }
    };
    sheet.row(cell, ours, || {
        let (send, taps) = events::broadcast(readers);
        ByTurns { name: rival, send, taps }
    });
}
