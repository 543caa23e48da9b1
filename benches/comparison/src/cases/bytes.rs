//! One writer, one reader, each on a core of its own, both polling.

use super::*;
use crate::rivals::{bbqueue, nexus, os_pipe, rtrb};

pub(super) const CASE: Case = Case {
    name: "bytes",
    about: include_str!("bytes.md"),
    runs: &[(8, run), (64, run), (256, run), (1024, run), (4096, run), (16 * 1024, run)],
};

fn run(options: &Options, size: usize) {
    let than_rtrb = match size {
        8 => 1.0,
        ..=1024 => 1.5,
        _ => 1.15,
    };
    let setup = Setup { wait: Wait::Spin, ..Setup::of(size) };
    options
        .group(bytes(size), setup, |s| threads(s, ours::polled(s)))
        .goal(than_rtrb)
        .against("rtrb", |s| threads(s, rtrb::new(s)))
        .goal(1.2)
        .against("nexus-logbuf spsc", |s| threads(s, nexus::polled_spsc(s)))
        .against("nexus-logbuf mpsc", |s| threads(s, nexus::polled_mpsc(s)))
        .against("bbqueue", |s| threads(s, bbqueue::new(s)))
        .against("pipe of the system", |s| threads(s, os_pipe::new(s)));
}
