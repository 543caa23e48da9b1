//! Figure 2: one writer, one reader, both tokio tasks.

use super::{Cell, Session, Sheet};
use crate::contestants::io;
#[cfg(feature = "selium")]
use crate::contestants::selium;
use crate::pair::Cores;
use crate::parties::Terms;
use crate::report::{self, Table, Target};
use crate::tasks;
use crate::team::Team;
use crate::transport::{AsyncReceiver, AsyncSender, Wait};

const SIZES: [usize; 3] = [64, 1024, 16 * 1024];
const ABOUT: &str = "One writer and one reader, tasks on tokio's multi-threaded runtime with one \
worker thread or two, each pinned to a core of its own; `write_all` and `read_exact`. Nobody runs \
within tokio's co-operative budget (`unconstrained`), as some of the rivals know nothing of it. \
sluice has no bound in bytes: four chunks, each as long as a write, go to and fro in it. The target \
is for the best of duplex, simplex and piper.";

pub(super) fn run(session: &Session) -> Table {
    let title = "One writer, one reader, tokio tasks";
    let mut sheet = Sheet::new(session, Cores::Several, "tasks", title, ABOUT);
    for workers in [1, 2] {
        // With one worker it does not matter how far it is to the other core.
        sheet.cores = if workers == 1 { Cores::One } else { Cores::Several };
        for size in session.sizes(&SIZES) {
            let cell = (workers, size);
            let first = sheet.rows();
            against(&mut sheet, cell, "tokio duplex", io::duplex);
            against(&mut sheet, cell, "tokio simplex", io::simplex);
            against(&mut sheet, cell, "piper", io::piper);
            sheet.judge_best(first, Target::Ratio(1.2));
            against(&mut sheet, cell, "sluice", io::sluice);
            #[cfg(feature = "selium")]
            against(&mut sheet, cell, "selium-messaging", selium::new);
        }
    }
    sheet.table
}

fn against<S: AsyncSender, R: AsyncReceiver>(
    sheet: &mut Sheet<'_>,
    (workers, size): (usize, usize),
    rival: &'static str,
    make: fn() -> (S, R),
) {
    let name = format!("{}, {}", workers_in_words(workers), report::bytes(size));
    let cell = Cell { name, rival, size, target: None };
    let ours = || team("ours", size, workers, io::ours());
    sheet.row(cell, ours, || team(rival, size, workers, make()));
}

pub(super) fn workers_in_words(workers: usize) -> String {
    if workers == 1 { "1 worker".into() } else { format!("{workers} workers") }
}

pub(super) fn team<S: AsyncSender, R: AsyncReceiver>(
    name: &'static str,
    size: usize,
    workers: usize,
    (sender, receiver): (S, R),
) -> Team {
    let terms = Terms { name, size, writers: 1, wait: Wait::Yield };
    let parties = vec![tasks::write(terms, sender), tasks::read(terms, receiver)];
    Team::tasks(name, size, workers, parties)
}
