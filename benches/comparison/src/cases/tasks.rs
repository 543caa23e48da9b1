//! One writer, one reader, both tokio tasks.

use super::*;
use crate::rivals::io;

pub(super) const CASE: Case = Case {
    name: "tasks",
    title: "One writer, one reader, tokio tasks",
    about: "One writer and one reader, tasks on tokio's multi-threaded runtime with one \
worker thread or two, each pinned to a core of its own; `write_all` and `read_exact`. Nobody runs \
within tokio's co-operative budget (`unconstrained`), as some of the rivals know nothing of it. \
sluice has no bound in bytes: four chunks, each as long as a write, go to and fro in it. The target \
is for the best of duplex, simplex and piper.",
    runs: &[(64, run), (1024, run), (16 * 1024, run)],
};

fn run(sheet: &mut Sheet<'_>, size: usize) {
    for workers in [1, 2] {
        let name = format!("{}, {}", count(workers, "worker"), bytes(size));
        let setup = Setup { workers, ..Setup::of(size) };
        let mut group = sheet.group(name, setup, |s| tasks(s, ours::tasks(s)));
        group
            .against("tokio duplex", |s| tasks(s, io::duplex(s)))
            .against("tokio simplex", |s| tasks(s, io::simplex(s)))
            .against("piper", |s| tasks(s, io::piper(s)))
            .best(1.2)
            .against("sluice", |s| tasks(s, io::sluice(s)));
        #[cfg(feature = "selium")]
        group.against("selium-messaging", |s| tasks(s, crate::rivals::selium::new(s)));
    }
}
