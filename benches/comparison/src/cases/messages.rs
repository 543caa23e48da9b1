//! Messages, of which each is sent and received as a whole, against channels of records.

use super::*;
use crate::rivals::{crossbeam, kanal, nexus, thingbuf, tokio_broadcast, tokio_mpsc};

pub(super) const CASE: Case = Case {
    name: "messages",
    title: "Messages",
    about: "Ours by `send` and `recv`, which lends the message; the reader copies each into a \
buffer of its own, as all do. *Threads* that wait, spread over the cores round robin (the reader's is \
the first): the rivals are those of *several writers* that pass messages on by themselves, in the \
same form, and tokio's mpsc with its blocking calls and `Bytes`, each copied from the message. A \
channel of nexus-logbuf for but one sender takes part where there is one. The last row of each group \
is ours against ours with `recv_many`. *Tasks*: one writer and one reader on tokio's multi-threaded \
runtime with one worker or two, unconstrained. *By turns*, on one thread: readers that may be overrun, \
which are our weak ones and the receivers of tokio's broadcast of `Bytes`, keep up; half a ring is \
written, and then each reads it, and both are timed. The target is for the best of each group.",
    run,
};

const GOAL: Target = Target::Ratio(1.2);

fn run(sheet: &mut Sheet<'_>) {
    of::<64>(sheet);
    of::<1024>(sheet);
}

fn of<const N: usize>(sheet: &mut Sheet<'_>) {
    if !sheet.wants(N) {
        return;
    }
    for writers in [1, 4] {
        among_threads::<N>(sheet, writers);
    }
    for workers in [1, 2] {
        let name = format!("tasks, {}, {}", count(workers, "worker"), bytes(N));
        let ours = move |s| tasks(s, workers, ours::message_tasks(s));
        sheet
            .group(name, Cores::of_workers(workers), Setup::of(N), ours)
            .against("tokio mpsc, Bytes", |s| tasks(s, workers, tokio_mpsc::tasks::<Bytes>(s)))
            .against("kanal", |s| tasks(s, workers, kanal::tasks::<[u8; N]>(s)))
            .against("kanal, Bytes", |s| tasks(s, workers, kanal::tasks::<Bytes>(s)))
            .best(GOAL);
    }
    for readers in [1, 4] {
        let setup = Setup { readers, ..Setup::of(N) };
        let name = format!("by turns, {}, {}", count(readers, "weak reader"), bytes(N));
        let both = (Pace::KeepingUp, Timed::All);
        sheet
            .group(name, Cores::One, setup, move |s| by_turns(s, both, ours::weak_messages(s)))
            .goal(GOAL)
            .against("tokio broadcast, Bytes", |s| {
                by_turns(s, both, tokio_broadcast::new::<[u8], Bytes>(s))
            });
    }
}

fn among_threads<const N: usize>(sheet: &mut Sheet<'_>, writers: usize) {
    let name = format!("{}, {}", count(writers, "writer"), bytes(N));
    let setup = Setup { writers, ..Setup::of(N) };
    let ours = |s| waiting(s, ours::pipe(s, ours::send, ours::recv));
    let mut group = sheet.group(name, Cores::Several, setup, ours);
    if writers == 1 {
        group.against("nexus-logbuf spsc", |s| waiting::<[u8]>(s, nexus::spsc(s)));
    }
    group
        .against("nexus-logbuf mpsc", |s| waiting::<[u8]>(s, nexus::mpsc(s)))
        .against("thingbuf", |s| waiting(s, thingbuf::new::<N>(s)))
        .against("kanal", |s| waiting(s, kanal::threads::<_, [u8; N]>(s)))
        .against("crossbeam-channel", |s| waiting(s, crossbeam::new::<_, [u8; N]>(s)));
    if N > 64 {
        group
            .against("kanal, boxed", |s| waiting(s, kanal::threads::<_, Box<[u8]>>(s)))
            .against("crossbeam-channel, boxed", |s| waiting(s, crossbeam::new::<_, Box<[u8]>>(s)));
    }
    group
        .against("tokio mpsc, Bytes", |s| waiting(s, tokio_mpsc::threads::<[u8], Bytes>(s)))
        .best(GOAL)
        .against("ours, in batches", |s| waiting(s, ours::pipe(s, ours::send, ours::recv_many)));
}
