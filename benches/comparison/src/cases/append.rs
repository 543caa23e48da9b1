//! What it costs to write a stream that is kept.

use super::*;
use crate::rivals::{locked_vec, memcpys};

pub(super) const RUNS: Runs = &[(64, run), (1024, run), (4096, run), (16 * 1024, run)];

fn run(options: &Options, size: usize) {
    options
        .group(length(size), Setup::of(size), append, |_| || ours::spool::Written::new(None))
        .goal((size >= 4096).then_some(0.8))
        .against("memcpy", append, |_| memcpys::Fresh::new)
        .against("RwLock<Vec>", append, |_| locked_vec::Log::default)
        .ours(append, |_| || ours::spool::Written::new(Some(HISTORY as u64)))
        .goal((size >= 4096).then_some(0.8))
        .against("memcpy, ours knows the length", append, |_| memcpys::Fresh::new);
}
