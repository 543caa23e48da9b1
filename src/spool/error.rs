//! The errors of the spool.

use super::Growth;
use crate::error::Failure;
use std::io;
use thiserror::Error;

/// Why [`Builder::build`](super::Builder::build) failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The last bytes alone are to be kept, in memory and in a file.
    #[error(
        "a spool that keeps its last bytes alone keeps them in memory (`build`), or in a file (`temp_file`, \
         `create`), not in both: leave out `retain`, or `spill_at`"
    )]
    RetainInBoth,
    /// The sizes of segments make no sense.
    #[error(
        "segments cannot grow like this: {growth:?}. Sizes are at least 1 byte, and the first is at most the \
         largest, with at most 2^60 bytes on the way there"
    )]
    Growth {
        /// What was asked for.
        growth: Growth,
    },
    /// No stream can be as long as that.
    #[error(
        "a stream of {known_len} bytes is longer than the longest, {max}: promise less, or nothing"
    )]
    TooLong {
        /// The length that was promised.
        known_len: u64,
        /// The longest.
        max: u64,
    },
    /// Nothing is to be kept.
    #[error(
        "the last 0 bytes are nothing: retain at least 1, or use a channel, which keeps nothing"
    )]
    RetainsNothing,
    /// A segment is larger than what is to be kept.
    #[error(
        "segments of up to {size} bytes are too large to keep the last {bytes}: let them grow to at most \
         {bytes}, or do not call `growth`"
    )]
    SegmentsTooLarge {
        /// The size of the largest segment.
        size: u64,
        /// What is to be retained.
        bytes: u64,
    },
    /// The directory of what is to be kept would have too many segments.
    #[error(
        "the last {bytes} bytes take {segments} segments, and there may be {max}: use larger ones, or retain \
         less"
    )]
    TooManySegments {
        /// What is to be retained.
        bytes: u64,
        /// How many segments that takes.
        segments: u64,
        /// How many there can be.
        max: u64,
    },
}

/// How a spool has ended, told to who comes too late to write, finish or fail.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Ended {
    /// It is finished: all is there.
    #[error("the spool is finished: there is nothing to add")]
    Finished,
    /// It failed before.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// It was terminated.
    #[error("the spool was terminated")]
    Terminated,
}

/// Why [`Spool::writer`](super::Spool::writer) made none.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum WriterError {
    /// There is a writer. A spool has one at a time.
    #[error("the spool has a writer, and has one at a time: drop or release that one first")]
    Busy,
    /// The spool has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Why nothing was written.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The spool has ended, by this writer or by [`Spool::fail`](super::Spool::fail) and its like.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The stream has the length that was promised.
    #[error(
        "the stream has all of the {known_len} bytes that were promised: write no more, or promise more"
    )]
    BeyondKnownLen {
        /// What was promised.
        known_len: u64,
    },
    /// There is no room: a strong reader still has all of the bytes to read that are kept for it. Only what
    /// does not wait fails with this.
    #[error(
        "there is no room until a strong reader has read on, which is {bytes} bytes behind or more: wait with \
         `ready` or `ready_timeout`"
    )]
    Full {
        /// How many bytes are kept for it.
        bytes: u64,
    },
    /// The closure of [`fill`](super::SpoolWriter::fill) claims more bytes than it was lent.
    #[error("{returned} bytes are said to have been written into {lent}: return how many were")]
    TooMuch {
        /// What it returned.
        returned: usize,
        /// What it was lent.
        lent: usize,
    },
    /// There is no memory for another segment. What was written before stays.
    #[error("there is no memory for {bytes} bytes more: use smaller segments, or write less")]
    OutOfMemory {
        /// What was asked of the system.
        bytes: u64,
    },
    /// The file cannot be written: the disk is full, or fails. What was written before stays.
    #[error("the file of the spool cannot be written: {}", .0.get_ref())]
    File(Failure),
    /// Another program has cut the file. Nothing is written behind the gap.
    #[error(
        "the file of the spool was cut: {left} of {written} bytes are left; let nobody else write it"
    )]
    Cut {
        /// How many bytes had been written.
        written: u64,
        /// How many of them are left.
        left: u64,
    },
}

/// Why [`SpoolWriter::finish`](super::SpoolWriter::finish) did not end the stream well.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum FinishError {
    /// It is shorter than promised. It has failed, with this error, for every reader.
    #[error("the stream ends at {written} bytes, and {known_len} were promised")]
    Short {
        /// What was written.
        written: u64,
        /// What was promised.
        known_len: u64,
    },
    /// It had failed, or was terminated, before.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// All is written, but it could not be kept that the file is finished. The stream has failed, unless it
    /// had ended well by the last of the bytes that were promised; the file can be
    /// [resumed](super::Builder::resume) and finished.
    #[error("the file of the spool cannot be marked as finished: {}", .0.get_ref())]
    File(Failure),
}

/// Why a spool failed whose writer is gone: it did not say that the stream is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Abandoned {
    /// The writer was dropped.
    #[error("the writer was dropped before it finished the stream, after {written} bytes")]
    WriterDropped {
        /// What it had written.
        written: u64,
    },
    /// There is no writer, and no handle is left that could make one.
    #[error("there is no writer any more, and no handle to make one, after {written} bytes")]
    NoWriter {
        /// What was written.
        written: u64,
    },
}

/// Why a spool failed that [pulls](super::Spool::pull): its source panicked, and nobody knows what is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the source panicked while it was read")]
#[non_exhaustive]
pub struct SourcePanicked;

/// Why a read returned nothing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is nothing at this place yet. Only what does not wait fails with this.
    #[error("nothing is there yet: try again later, or wait with `read`")]
    Empty,
    /// The stream failed, and all that was written before has been read.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The spool was terminated. What was unread is gone.
    #[error("the spool was terminated, and what was unread is gone")]
    Terminated,
    /// This reader was closed by its [`Closer`](super::Closer).
    #[error("this reader was closed by its handle")]
    Closed,
    /// The source of a spool that [pulls](super::Spool::pull) could not be read this time. The stream goes
    /// on: the next read has the source read again.
    #[error("the source could not be read: {}. The next read tries again", .0.get_ref())]
    Source(#[source] Failure),
    /// This weak reader was passed by what the spool keeps. It stands at the oldest byte that is kept now,
    /// and is told once.
    #[error(
        "{missed} bytes were missed: they had been let go of; read on from the oldest that is kept, or use a \
         strong reader, or retain more"
    )]
    Lagged {
        /// How many bytes it will not get.
        missed: u64,
    },
    /// What is there was let go of.
    #[error("the byte at {position} is not kept any more: from {begin} to {len} they are")]
    Evicted {
        /// The place that was asked for.
        position: u64,
        /// The oldest byte that is kept.
        begin: u64,
        /// How many bytes were written.
        len: u64,
    },
    /// A strong reader asks in one read for more than is kept for it: it would wait for the writer, and the
    /// writer for it.
    #[error(
        "{asked} bytes from where this strong reader stands cannot be there at a time: the writer keeps \
         {bytes} for it, and then waits. Read in pieces, retain more, or use a weak reader"
    )]
    BeyondBound {
        /// How far what it asked for goes, counted from where it stands.
        asked: u64,
        /// How many bytes are kept for it.
        bytes: u64,
    },
    /// A strong reader was to wait for the end of a stream that keeps its last bytes alone: it would wait
    /// for the writer, and the writer for it.
    #[error(
        "this strong reader would wait for the end, and the writer for it to read on: promise the length with \
         `known_len`, use a weak reader, or ask the spool"
    )]
    Deadlock,
    /// The stream ends before the bytes that [`read_exact_at`](super::SpoolReader::read_exact_at) was to
    /// read.
    #[error("the stream ends at {len} bytes, before what was to be read")]
    Short {
        /// Its length.
        len: u64,
    },
    /// The file cannot be read at this place. Another read there asks the system again.
    #[error("the file of the spool cannot be read: {}", .0.get_ref())]
    File(Failure),
    /// Another program has cut the file: the byte at this place was written, and is gone.
    #[error(
        "the file of the spool was cut: it ends at {left}, and byte {position} was written before"
    )]
    Cut {
        /// The place.
        position: u64,
        /// How many bytes of the stream are left.
        left: u64,
    },
}

/// Why [`Spool::reader_from`](super::Spool::reader_from) made no reader.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The spool refuses new readers.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// What is there was let go of.
    #[error(
        "the byte at {position} is not kept any more: from {begin} to {len} they are; start at the oldest"
    )]
    Evicted {
        /// The place that was asked for.
        position: u64,
        /// The oldest byte that is kept.
        begin: u64,
        /// How many bytes were written.
        len: u64,
    },
}

/// Why a seek moved nothing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum SeekError {
    /// The place is before the first byte, or cannot be told in 64 bits.
    #[error("there is no such place: it lies before the first byte, or further than numbers go")]
    OutOfRange,
    /// What is there was let go of.
    #[error("the byte at {position} is not kept any more: from {begin} to {len} they are")]
    Evicted {
        /// The place that was asked for.
        position: u64,
        /// The oldest byte that is kept.
        begin: u64,
        /// How many bytes were written.
        len: u64,
    },
    /// The length is not known yet. Only what does not wait fails with this.
    #[error(
        "the length is not known yet: seek from the start or from here, wait with `seek`, or promise it \
         with `known_len`"
    )]
    LengthUnknown,
    /// The length will never be known.
    #[error(transparent)]
    Ended(#[from] ReadError),
}

/// Why [`Spool::freeze`](super::Spool::freeze) failed.
#[cfg(feature = "futures")]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum FreezeError {
    /// The stream goes on.
    #[error("the stream is not finished: wait with `finished` first")]
    Unfinished,
    /// The stream failed, or was terminated.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// The first bytes were let go of.
    #[error("the first {evicted} bytes are not kept any more: read what is left, or retain all")]
    Evicted {
        /// How many.
        evicted: u64,
    },
    /// There is no memory for a copy in one piece.
    #[error(
        "there is no memory for a copy of {bytes} bytes: read piece by piece, or tell `expected_len`"
    )]
    OutOfMemory {
        /// The length.
        bytes: u64,
    },
    /// It cannot be read from its file.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<BuildError> for io::Error {
    /// `InvalidInput`.
    fn from(error: BuildError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

impl From<WriterError> for io::Error {
    /// `Busy` is `ResourceBusy`, the others are as for [`Ended`].
    fn from(error: WriterError) -> Self {
        match error {
            WriterError::Busy => Self::new(io::ErrorKind::ResourceBusy, error),
            WriterError::Ended(ended) => ended.into(),
        }
    }
}

impl From<StartError> for io::Error {
    /// `Refused` has the kind of its error and the [`Failure`] inside, `Evicted` is `InvalidInput`.
    fn from(error: StartError) -> Self {
        match error {
            StartError::Refused(failure) => failure.into(),
            StartError::Evicted { .. } => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

#[cfg(feature = "futures")]
impl From<FreezeError> for io::Error {
    /// `Unfinished` is `WouldBlock`, `Evicted` is `InvalidInput`, `OutOfMemory` is `OutOfMemory`, `Read` is
    /// as for [`ReadError`], the others are as for [`Ended`].
    fn from(error: FreezeError) -> Self {
        match error {
            FreezeError::Unfinished => Self::new(io::ErrorKind::WouldBlock, error),
            FreezeError::Ended(ended) => ended.into(),
            FreezeError::Read(error) => error.into(),
            FreezeError::Evicted { .. } => Self::new(io::ErrorKind::InvalidInput, error),
            FreezeError::OutOfMemory { .. } => Self::new(io::ErrorKind::OutOfMemory, error),
        }
    }
}

fn kind_of(failure: &Failure) -> io::ErrorKind {
    failure.get_ref().downcast_ref().map_or(io::ErrorKind::Other, io::Error::kind)
}

impl From<ReadError> for io::Error {
    /// `Empty` is `WouldBlock`, `Failed` has the kind of its error and the [`Failure`] inside, `Source` has
    /// the kind of its error, `WouldBlock` too, `Terminated` and `Closed` are `ConnectionAborted`, `Short` is
    /// `UnexpectedEof`, `Lagged` is `Other`, `Evicted` is `InvalidInput`, `BeyondBound` and `Deadlock` are
    /// `Deadlock`, `File` has the kind of its error, and `Cut` is `InvalidData`.
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::File(failure) => Self::from(failure.clone()).kind(),
            ReadError::Cut { .. } => io::ErrorKind::InvalidData,
            ReadError::Empty => io::ErrorKind::WouldBlock,
            ReadError::Failed(failure) => return failure.clone().into(),
            ReadError::Source(failure) => kind_of(failure),
            ReadError::Terminated | ReadError::Closed => io::ErrorKind::ConnectionAborted,
            ReadError::Short { .. } => io::ErrorKind::UnexpectedEof,
            ReadError::Lagged { .. } => io::ErrorKind::Other,
            ReadError::Evicted { .. } => io::ErrorKind::InvalidInput,
            ReadError::BeyondBound { .. } | ReadError::Deadlock => io::ErrorKind::Deadlock,
        };
        Self::new(kind, error)
    }
}

impl From<SeekError> for io::Error {
    /// `OutOfRange` and `Evicted` are `InvalidInput`, `LengthUnknown` is `WouldBlock`, the others are as for reads.
    fn from(error: SeekError) -> Self {
        let kind = match error {
            SeekError::OutOfRange | SeekError::Evicted { .. } => io::ErrorKind::InvalidInput,
            SeekError::LengthUnknown => io::ErrorKind::WouldBlock,
            SeekError::Ended(error) => return error.into(),
        };
        Self::new(kind, error)
    }
}

impl From<Ended> for io::Error {
    /// `Finished` is `BrokenPipe`, `Failed` has the kind of its error and the [`Failure`] inside,
    /// `Terminated` is `ConnectionAborted`.
    fn from(error: Ended) -> Self {
        match error {
            Ended::Finished => Self::new(io::ErrorKind::BrokenPipe, error),
            Ended::Failed(failure) => failure.into(),
            Ended::Terminated => Self::new(io::ErrorKind::ConnectionAborted, error),
        }
    }
}

impl From<WriteError> for io::Error {
    /// `Full` is `WouldBlock`, `BeyondKnownLen` and `TooMuch` are `InvalidInput`, `OutOfMemory` is
    /// `OutOfMemory`, `File` has the kind of its error, `Cut` is `InvalidData`, the others are as for
    /// [`Ended`].
    fn from(error: WriteError) -> Self {
        let kind = match &error {
            WriteError::Ended(ended) => return ended.clone().into(),
            WriteError::Full { .. } => io::ErrorKind::WouldBlock,
            WriteError::File(failure) => Self::from(failure.clone()).kind(),
            WriteError::Cut { .. } => io::ErrorKind::InvalidData,
            WriteError::BeyondKnownLen { .. } | WriteError::TooMuch { .. } => {
                io::ErrorKind::InvalidInput
            }
            WriteError::OutOfMemory { .. } => io::ErrorKind::OutOfMemory,
        };
        Self::new(kind, error)
    }
}

impl From<FinishError> for io::Error {
    /// `Short` is `UnexpectedEof`, `File` has the kind of its error, the others are as for [`Ended`].
    fn from(error: FinishError) -> Self {
        match error {
            FinishError::File(ref failure) => Self::new(Self::from(failure.clone()).kind(), error),
            FinishError::Short { .. } => Self::new(io::ErrorKind::UnexpectedEof, error),
            FinishError::Ended(ended) => ended.into(),
        }
    }
}
