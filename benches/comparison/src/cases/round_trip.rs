//! Figure 7: from one party to another and back, where both wait.

use super::tasks::workers_in_words;
use super::{Cell, Session, Sheet};
#[cfg(feature = "selium")]
use crate::contestants::selium;
use crate::contestants::{channels, io, os_pipe, ours, tokio_mpsc};
use crate::pair::Cores;
use crate::parties::{self, Terms};
use crate::report::{Table, Target};
use crate::tasks;
use crate::team::Team;
use crate::transport::{AsyncEnds, Receiver, Sender, Wait};

const SIZE: usize = 64;
const ABOUT: &str = "A message of 64 bytes goes from one party to the other and back, over two channels, \
and both wait for each. *Tasks*: on tokio's multi-threaded runtime with one worker or two, \
unconstrained. *Threads*: each on a core of its own, with the calls that wait.";

/// What a rival that is made for this takes is what ours may take.
const NO_SLOWER: Target = Target::Ratio(1.0);

pub(super) fn run(session: &Session) -> Table {
    let title = "Round trips";
    let mut sheet = Sheet::new(session, Cores::Several, "round-trip", title, ABOUT);
    if session.sizes(&[SIZE]).is_empty() {
        return sheet.table;
    }
    for workers in [1, 2] {
        sheet.cores = if workers == 1 { Cores::One } else { Cores::Several };
        let mpsc = || crossed(tokio_mpsc::new::<[u8; SIZE]>(SIZE), tokio_mpsc::new(SIZE));
        among_tasks(&mut sheet, workers, "tokio mpsc", mpsc);
        among_tasks(&mut sheet, workers, "tokio duplex", io::duplex);
        #[cfg(feature = "selium")]
        {
            let selium = || crossed(selium::new(), selium::new());
            among_tasks(&mut sheet, workers, "selium-messaging", selium);
        }
    }
    sheet.cores = Cores::Several;
    among_threads(&mut sheet, "crossbeam-channel", || one(channels::crossbeam::<[u8; SIZE]>));
    among_threads(&mut sheet, "std mpsc", || one(channels::std::<[u8; SIZE]>));
    among_threads(&mut sheet, "pipe of the system", os_pipe::new);
    sheet.table
}

/// What each of two parties has of two channels.
fn crossed<S, R>(there: (S, R), back: (S, R)) -> ((S, R), (S, R)) {
    ((there.0, back.1), (back.0, there.1))
}

/// One of those that have several senders.
fn one<S, R>(make: fn(usize, usize) -> (Vec<S>, R)) -> (S, R) {
    let (mut senders, receiver) = make(SIZE, 1);
    (senders.remove(0), receiver)
}

fn terms(name: &'static str) -> Terms {
    Terms { name, size: SIZE, writers: 1, wait: Wait::Yield }
}

fn among_tasks<A: AsyncEnds, B: AsyncEnds>(
    sheet: &mut Sheet<'_>,
    workers: usize,
    rival: &'static str,
    make: impl FnOnce() -> (A, B),
) {
    let name = format!("tasks, {}", workers_in_words(workers));
    let target = (rival == "tokio mpsc").then_some(NO_SLOWER);
    let cell = Cell { name, rival, size: SIZE, target };
    let ours = || task_team("ours", workers, crossed(io::ours(), io::ours()));
    sheet.row(cell, ours, || task_team(rival, workers, make()));
}

fn task_team<A: AsyncEnds, B: AsyncEnds>(
    name: &'static str,
    workers: usize,
    (asking, answering): (A, B),
) -> Team {
    let terms = terms(name);
    let parties = vec![tasks::ask(terms, asking), tasks::answer(terms, answering)];
    Team::tasks(name, SIZE, workers, parties)
}

fn among_threads<S: Sender, R: Receiver>(
    sheet: &mut Sheet<'_>,
    rival: &'static str,
    make: impl Fn() -> (S, R),
) {
    let target = (rival == "crossbeam-channel").then_some(NO_SLOWER);
    let cell = Cell { name: "threads".into(), rival, size: SIZE, target };
    let ours = || thread_team("ours", crossed(ours::blocking(), ours::blocking()));
    sheet.row(cell, ours, || thread_team(rival, crossed(make(), make())));
}

fn thread_team<S: Sender, R: Receiver>(
    name: &'static str,
    (asking, answering): ((S, R), (S, R)),
) -> Team {
    let terms = terms(name);
    let parties = vec![
        parties::ask(terms, asking.0, asking.1),
        parties::answer(terms, answering.0, answering.1),
    ];
    Team::threads(name, SIZE, parties)
}
