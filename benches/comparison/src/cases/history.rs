//! What it costs to read what is there.

use super::*;
use crate::rivals::{locked_vec, memcpys, stream_download, streamcatcher};

pub(super) const RUNS: Runs = &[(64, run), (1024, run), (4096, run), (16 * 1024, run)];

fn run(options: &Options, size: usize) {
    for readers in [1, 2] {
        let name = format!("{}, {}", length(size), count(readers, "reader"));
        let setup = Setup { readers, ..Setup::of(size) };
        options
            .group(name, setup, reread, ours::spool::readers)
            .goal((size >= 4096).then_some(0.9))
            .against("memcpy", reread, memcpys::readers)
            .goal([None, Some(1.2), Some(1.0)][(size >= 1024) as usize + (size >= 4096) as usize])
            .against("streamcatcher", reread, |s| streamcatcher::readers(s, None))
            .against("streamcatcher, length told", reread, |s| {
                streamcatcher::readers(s, Some(HISTORY))
            })
            .against("RwLock<Vec>", reread, locked_vec::readers)
            .against("stream-download, memory", reread, stream_download::in_memory)
            .against("stream-download, file", reread, stream_download::in_file);
    }
}
