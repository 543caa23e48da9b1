//! Words that all parts of a channel share.

/// What happens to a write when the ring is full of bytes that strong readers have not read yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Backpressure {
    /// The writer waits.
    #[default]
    Block,
    /// The whole write or message is discarded. The io traits and `send` report success for it. The
    /// writer and the channel count it, as one slice and in bytes, and with the feature `tracing`
    /// there are events. `try_write`, `try_send` and `reserve` fail with `Full` instead, and count
    /// nothing.
    ///
    /// A write is never split: it is one slice or none. One that is longer than the longest slice is
    /// always discarded by the io traits. `try_write` and `send` fail with `TooLong`.
    Drop,
}

/// Where a new reader starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum StartAt {
    /// At the oldest slice that is left. For a weak reader that is the oldest one that was not
    /// overwritten, for a strong reader the oldest one that was not given back to the writers.
    #[default]
    Oldest,
    /// At the next slice to be reserved.
    Now,
    /// At most this many payload bytes back, in whole slices. With slices of 40 bytes, `Back(100)`
    /// starts two slices back. The search takes time in proportion to the slices in the ring.
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
