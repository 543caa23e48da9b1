//! What it costs to read a stream while it is written.

use super::*;
use crate::rivals::locked_vec;

pub(super) const RUNS: Runs = &[(64, run), (1024, run), (4096, run)];

fn run(options: &Options, size: usize) {
    for readers in [1, 4, 16] {
        let name = format!("{}, {}", length(size), count(readers, "reader"));
        let setup = Setup { readers, ..Setup::of(size) };
        options.group(name, setup, live, |_| ours::spool::live).against(
            "RwLock<Vec>, Condvar",
            live,
            |_| locked_vec::live,
        );
    }
}
