//! What a write and a read cost when nobody waits, on one thread.

use super::*;
use crate::rivals::{bbqueue, memcpys, nexus, rtrb};

pub(super) const RUNS: Runs =
    &[(8, run), (64, run), (256, run), (1024, run), (4096, run), (16 * 1024, run)];

fn run(options: &Options, size: usize) {
    // At most so many times the time of the copies.
    let than_copies = match size {
        64 => Some(1.0 / 1.25),
        4096 => Some(1.0 / 1.15),
        _ => None,
    };
    options
        .group(length(size), Setup::of(size), one_thread, ours::polled)
        .goal(than_copies)
        .against("two memcpys", pass_on, memcpys::new)
        .goal(1.1)
        .against("rtrb", one_thread, rtrb::new)
        .against("nexus-logbuf spsc", one_thread, nexus::polled_spsc)
        .against("nexus-logbuf mpsc", one_thread, nexus::polled_mpsc)
        .against("bbqueue", one_thread, bbqueue::new);
}
