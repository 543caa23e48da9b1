//! One writer, one reader, both tokio tasks.

use super::*;
use crate::rivals::io;

pub(super) const CASE: Case = Case {
    name: "tasks",
    about: include_str!("tasks.md"),
    runs: &[(64, run), (1024, run), (16 * 1024, run)],
};

fn run(options: &Options, size: usize) {
    for workers in [1, 2] {
        let name = format!("{}, {}", count(workers, "worker"), bytes(size));
        let setup = Setup { workers, ..Setup::of(size) };
        let mut group = options.group(name, setup, |s| tasks(s, ours::tasks(s)));
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
