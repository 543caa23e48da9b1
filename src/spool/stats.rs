//! Figures of a spool.

use std::time::{Duration, Instant};

/// A spool at a moment, from [`Spool::stats`](super::Spool::stats).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SpoolStats {
    /// How many bytes there are to read.
    pub len: u64,
    /// The length that was promised.
    pub known_len: Option<u64>,
    /// In how many pieces of memory they lie.
    pub segments: u64,
    /// The bytes of memory of all segments, and of those that were let go of, for as long as somebody
    /// keeps them. The system gives memory to a large segment page by page, as it is filled.
    pub memory_bytes: u64,
    /// How many of these were let go of, and are kept by `Bytes` and by readers, each of which keeps the
    /// whole segment that it is in.
    pub detached_bytes: u64,
    /// How many bytes of the stream lie in a file, and have not been given back to the system.
    pub file_bytes: u64,
    /// How many bytes of the stream were let go of: the number of the oldest one that is kept.
    pub evicted: u64,
    /// Whether there is a writer.
    pub has_writer: bool,
    /// The readers that are there, in no order.
    pub readers: Vec<ReaderStats>,
    pub(super) unchanged_since: Instant,
}

impl SpoolStats {
    /// For how long nothing has come, at the least: since a reader that found nothing to read, or a call
    /// of [`Spool::stats`](super::Spool::stats), first saw the stream at this length. A write takes no
    /// look at the clock.
    pub fn unchanged_for(&self) -> Duration {
        self.unchanged_since.elapsed()
    }
}

/// A reader at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ReaderStats {
    /// Its number, which no other reader of this spool has or had.
    pub id: u64,
    /// Where it stands: the number of the next byte that it reads.
    pub position: u64,
    /// How many bytes there are from there on.
    pub lag: u64,
    /// Whether the writer waits for it.
    pub is_strong: bool,
}
