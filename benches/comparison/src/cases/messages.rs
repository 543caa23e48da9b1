//! Figure 9: messages, of which each is sent and received as a whole, against channels of records.

use super::tasks::workers_in_words;
use super::{Cell, Session, Sheet, records, taps, tasks};
use crate::contestants::{channels, kanal_tasks, messages, nexus, thingbuf, tokio_mpsc};
use crate::cores;
use crate::pair::Cores;
use crate::report::{self, Table, Target};
use crate::tapping::{Pace, Timed};
use crate::transport::{AsyncReceiver, AsyncSender, ReceiveMany, Sender};
use bytes::Bytes;

const SIZES: [usize; 2] = [64, 1024];
const WRITERS: [usize; 2] = [1, 4];
const READERS: [usize; 2] = [1, 4];
const GOAL: Target = Target::Ratio(1.2);
const ABOUT: &str = "Ours by `send` and `recv`, which lends the message; the reader copies each into a \
buffer of its own, as all do. *Threads* that wait, spread over the cores round robin (the reader's is \
the first): the rivals are those of *several writers* that pass messages on by themselves, in the \
same form, and tokio's mpsc with its blocking calls and `Bytes`, each copied from the message. A \
channel of nexus-logbuf for but one sender takes part where there is one. The last row of each group \
is ours against ours with `recv_many`. *Tasks*: one writer and one reader on tokio's multi-threaded \
runtime with one worker or two, unconstrained. *By turns*, on one thread: readers that may be overrun, \
which are our weak ones and the receivers of tokio's broadcast of `Bytes`, keep up; half a ring is \
written, and then each reads it, and both are timed. The target is for the best of each group.";

pub(super) fn run(session: &Session) -> Table {
    let title = "Messages";
    let mut sheet = Sheet::new(session, Cores::Several, "messages", title, ABOUT);
    for size in session.sizes(&SIZES) {
        match size {
            64 => of_size::<64>(&mut sheet),
            1024 => of_size::<1024>(&mut sheet),
            _ => {}
        }
    }
    sheet.table
}

fn of_size<const N: usize>(sheet: &mut Sheet<'_>) {
    sheet.cores = Cores::Several;
    for writers in WRITERS {
        among_threads::<N>(sheet, writers);
    }
    for workers in [1, 2] {
        // With one worker it does not matter how far it is to the other core.
        sheet.cores = if workers == 1 { Cores::One } else { Cores::Several };
        let first = sheet.rows();
        as_tasks(sheet, (workers, N), "tokio mpsc, Bytes", || tokio_mpsc::new::<Bytes>(N));
        as_tasks(sheet, (workers, N), "kanal", || kanal_tasks::new::<[u8; N]>(N));
        as_tasks(sheet, (workers, N), "kanal, Bytes", || kanal_tasks::new::<Bytes>(N));
        sheet.judge_best(first, GOAL);
    }
    sheet.cores = Cores::One;
    for readers in READERS {
        cores::pinned(|| by_turns(sheet, readers, N));
    }
}

fn among_threads<const N: usize>(sheet: &mut Sheet<'_>, writers: usize) {
    let cell = (writers, N);
    let first = sheet.rows();
    if writers == 1 {
        on_threads(sheet, cell, "nexus-logbuf spsc", |_, _| nexus::channel_of_one());
    }
    on_threads(sheet, cell, "nexus-logbuf mpsc", |_, writers| nexus::channel(writers));
    on_threads(sheet, cell, "thingbuf", |_, writers| thingbuf::new::<N>(writers));
    on_threads(sheet, cell, "kanal", channels::kanal::<[u8; N]>);
    on_threads(sheet, cell, "crossbeam-channel", channels::crossbeam::<[u8; N]>);
    if N > 64 {
        on_threads(sheet, cell, "kanal, boxed", channels::kanal::<Box<[u8]>>);
        on_threads(sheet, cell, "crossbeam-channel, boxed", channels::crossbeam::<Box<[u8]>>);
    }
    on_threads(sheet, cell, "tokio mpsc, Bytes", tokio_mpsc::many::<Bytes>);
    sheet.judge_best(first, GOAL);
    on_threads(sheet, cell, "ours, in batches", |_, writers| {
        let (senders, receiver) = messages::threads(writers);
        (senders, receiver.in_batches())
    });
}

fn on_threads<S: Sender, R: ReceiveMany>(
    sheet: &mut Sheet<'_>,
    (writers, size): (usize, usize),
    rival: &'static str,
    make: fn(usize, usize) -> (Vec<S>, R),
) {
    let cell = Cell { name: records::name(writers, size), rival, size, target: None };
    let ours = || {
        let (senders, receiver) = messages::threads(writers);
        records::team("ours", size, senders, receiver)
    };
    sheet.row(cell, ours, || {
        let (senders, receiver) = make(size, writers);
        records::team(rival, size, senders, receiver)
    });
}

fn as_tasks<S: AsyncSender, R: AsyncReceiver>(
    sheet: &mut Sheet<'_>,
    (workers, size): (usize, usize),
    rival: &'static str,
    make: fn() -> (S, R),
) {
    let name = format!("tasks, {}, {}", workers_in_words(workers), report::bytes(size));
    let cell = Cell { name, rival, size, target: None };
    let ours = || tasks::team("ours", size, workers, messages::tasks());
    sheet.row(cell, ours, || tasks::team(rival, size, workers, make()));
}

fn by_turns(sheet: &mut Sheet<'_>, readers: usize, size: usize) {
    let rival = "tokio broadcast, Bytes";
    let plural = if readers == 1 { "" } else { "s" };
    let name = format!("by turns, {readers} weak reader{plural}, {}", report::bytes(size));
    let cell = Cell { name, rival, size, target: Some(GOAL) };
    let both = (Pace::KeepingUp, Timed::All);
    let ours = || taps::by_turns("ours", size, both, messages::to_weak(readers));
    let theirs = || crate::contestants::taps::broadcast::<Bytes>(size, readers);
    sheet.row(cell, ours, || taps::by_turns(rival, size, both, theirs()));
}
