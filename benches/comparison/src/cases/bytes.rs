//! One writer, one reader, each on a core of its own, both polling.

use super::*;
use crate::rivals::{bbqueue, nexus, os_pipe, rtrb};

pub(super) const RUNS: Runs =
    &[(8, run), (64, run), (256, run), (1024, run), (4096, run), (16 * 1024, run)];

fn run(options: &Options, size: usize) {
    let than_rtrb = match size {
        // A slice takes a granule, however short it is.
        8 => 1.0,
        // Where the lines of long slices are handed back.
        4096.. if crate::processor().starts_with("AMD") => 3.0,
        _ => 1.2,
    };
    let setup = Setup { wait: Wait::Spin, ..Setup::of(size) };
    options
        .group(length(size), setup, threads, ours::polled)
        .goal(than_rtrb)
        .against("rtrb", threads, rtrb::new)
        .goal(1.1)
        .against("nexus-logbuf spsc", threads, nexus::polled_spsc)
        .against("nexus-logbuf mpsc", threads, nexus::polled_mpsc)
        .against("bbqueue", threads, bbqueue::new)
        .against("pipe of the system", threads, os_pipe::new);
}
