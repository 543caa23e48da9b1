//! What it costs each of many readers to read what is there.

use super::*;
use crate::cores;
use crate::rivals::memcpys;

pub(super) const RUNS: Runs = &[(64, run), (4096, run)];

fn run(options: &Options, size: usize) {
    let cores = cores::count();
    for readers in [1, 2, 4, 8, 16, 32, 64] {
        let name = format!("{}, {}", length(size), count(readers, "reader"));
        let setup = Setup { readers, ..Setup::of(size) };
        let alone = |s: Setup| ours::spool::readers(Setup { readers: 1, ..s });
        options
            .group(name, setup, reread, ours::spool::readers)
            .goal((readers <= cores).then_some(0.9))
            .against("ours, one reader", reread, alone)
            .against("memcpy", reread, memcpys::readers);
    }
}
