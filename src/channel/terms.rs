//! Words that all parts of a channel share.

/// What becomes of a write when the ring is full of bytes that strong readers have yet to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Backpressure {
    /// The writer waits.
    #[default]
    Block,
    /// The slice is discarded, as a whole, and counted: on the writer and on the channel, in slices
    /// and in bytes. With the feature `tracing`, it is told after each so many. The io traits report it
    /// as written; `try_write` and `reserve` say `Full`.
    Drop,
}

/// Where a new reader starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum StartAt {
    /// At the oldest slice that is still kept: for a weak reader, the oldest that is intact, for a
    /// strong one, the oldest that has not been given back to the writers.
    #[default]
    Oldest,
    /// At the next slice to be reserved.
    Now,
    /// At most so many payload bytes back, in whole slices: the oldest start from which the slices
    /// committed so far add up to no more. It takes time in proportion to the slices that are kept.
    Back(u64),
}

/// Whether, and how, the channel has come to its end. It only ever rises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Ending {
    Open,
    /// No more slices; what is there may be read to the end.
    Drained,
    /// Everybody fails.
    Terminated,
}

/// Which kind of endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Strength {
    Strong,
    Weak,
}
