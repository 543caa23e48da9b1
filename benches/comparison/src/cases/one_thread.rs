//! What a write and a read cost when nobody waits, on one thread.

use super::*;
use crate::rivals::{bbqueue, memcpys, nexus, rtrb};

pub(super) const CASE: Case = Case {
    name: "one-thread",
    about: include_str!("one_thread.md"),
    runs: &[(8, run), (64, run), (256, run), (1024, run), (4096, run), (16 * 1024, run)],
};

fn run(options: &Options, size: usize) {
    // At most so many times the time of the copies.
    let than_copies = match size {
        64 => Some(1.0 / 1.25),
        4096 => Some(1.0 / 1.15),
        _ => None,
    };
    options
        .group(bytes(size), Setup::of(size), |s| one_thread(s, ours::polled(s)))
        .goal(than_copies)
        .against("two memcpys", memcpys::one_thread)
        .goal(1.0)
        .against("rtrb", |s| one_thread(s, rtrb::new(s)))
        .against("nexus-logbuf spsc", |s| one_thread(s, nexus::polled_spsc(s)))
        .against("nexus-logbuf mpsc", |s| one_thread(s, nexus::polled_mpsc(s)))
        .against("bbqueue", |s| one_thread(s, bbqueue::new(s)));
}
