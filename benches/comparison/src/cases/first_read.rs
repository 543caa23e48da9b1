//! What it costs to read a source through several readers for the first time.

use super::*;
use crate::rivals::streamcatcher;

pub(super) const RUNS: Runs = &[(1024, run), (4096, run)];

fn run(options: &Options, size: usize) {
    for readers in [16, 256] {
        let setup = Setup { readers, ..Setup::of(size) };
        for blocks in [true, false] {
            let how = if blocks { "a thread reads" } else { "who needs it reads" };
            let name = format!("{}, {readers} readers, {how}", length(size));
            options
                .group(name, setup, first_read, move |s| ours::spool::pulled(s, None, blocks))
                .goal(2.0)
                .against("streamcatcher", first_read, |s| streamcatcher::pulled(s, None))
                .ours(first_read, move |s| ours::spool::pulled(s, Some(HISTORY as u64), blocks))
                .goal(2.0)
                .against("streamcatcher, length told to both", first_read, |s| {
                    streamcatcher::pulled(s, Some(HISTORY))
                });
        }
    }
}
