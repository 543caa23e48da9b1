//! Figures: what a channel and its endpoints have done so far.
//!
//! Each endpoint counts for itself, in a slot of its own that nobody else writes, so that counting
//! costs the others nothing. They are read without a lock, one after the other: a sum that is taken
//! while writers write is of slightly different moments.

use crate::ring::WriterFigures;
use crate::ring::position::{Position, label_of, label_past};
use crate::sync::Ordering;
use crate::sync::figure::Figure;
use crate::wait::figures::ReaderFigures;

/// What a channel has done so far, and who takes part in it.
///
/// See [the guide](crate::guide::words) for ring bytes and payload bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ChannelStats {
    /// The size of the ring, in bytes.
    pub capacity: u64,
    /// The position of the first slice, in ring bytes.
    pub start: u64,
    /// The position after the last reserved slice.
    pub reserved: u64,
    /// The oldest position at which a strong reader can still start. Writers may go one capacity
    /// past it, and for a moment less than two: with a slice that takes an empty ring, and padding.
    pub gate: u64,
    /// Payload bytes committed.
    pub payload_bytes: u64,
    /// Ring bytes used: whole granules of 64 bytes, padding at the end of the ring, slices given
    /// up. If this is far more than `payload_bytes`, somebody writes in small pieces. A
    /// `LineWriter` in front of that writer keeps lines together; a `BufWriter` may split them.
    pub ring_bytes: u64,
    /// Slices committed.
    pub slices: u64,
    /// Slices discarded because the ring was full: with
    /// [`Backpressure::Drop`](crate::Backpressure::Drop), or from within an event of the feature
    /// `tracing`.
    pub dropped_slices: u64,
    /// Payload bytes of the slices discarded.
    pub dropped_bytes: u64,
    /// Ring bytes that weak readers missed, added up over all of them. Not payload bytes: a message
    /// of one byte takes 64.
    pub skipped_bytes: u64,
    /// Writers that keep the channel open.
    pub strong_writers: usize,
    /// Writers that do not keep the channel open.
    pub weak_writers: usize,
    /// Readers that writers wait for.
    pub strong_readers: usize,
    /// Readers that can be overrun.
    pub weak_readers: usize,
    /// The figures of each reader that exists now.
    pub readers: Vec<ReaderStats>,
}

/// What a writer has written so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct WriterStats {
    /// The number of this writer, which the header of its messages tells.
    pub id: u32,
    /// Slices committed.
    pub slices: u64,
    /// Payload bytes committed.
    pub payload_bytes: u64,
    /// Ring bytes that these slices took: whole granules of 64 bytes.
    pub ring_bytes: u64,
    /// Slices discarded because the ring was full: with
    /// [`Backpressure::Drop`](crate::Backpressure::Drop), or from within an event of the feature
    /// `tracing`.
    pub dropped_slices: u64,
    /// Payload bytes of the slices discarded.
    pub dropped_bytes: u64,
}

/// What a reader has read so far.
///
/// `payload_bytes + padding_bytes + skipped_bytes` is how many ring bytes it has passed since it
/// started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ReaderStats {
    /// The number of this reader among those of its channel. Numbers start over after 2^32.
    pub id: u32,
    /// Whether writers wait for it.
    pub strong: bool,
    /// The position of the next byte that it will read.
    pub position: u64,
    /// Ring bytes from there to the end of the last reserved slice. A weak reader that was overrun
    /// and has not noticed yet can lag by more than the capacity.
    pub lag: u64,
    /// Payload bytes read.
    pub payload_bytes: u64,
    /// Ring bytes passed that held no payload.
    pub padding_bytes: u64,
    /// Ring bytes missed, padding included.
    pub skipped_bytes: u64,
    /// How many times it was overrun.
    pub gaps: u64,
}

impl WriterStats {
    pub(crate) fn read(figures: &WriterFigures, id: u32) -> Self {
        // First what is subtracted. It may still be of a later moment than the rest.
        let (dropped_slices, dropped_bytes) =
            (figures.dropped_slices.get(), figures.dropped_bytes.get());
        Self {
            id,
            slices: figures.sequence.get().saturating_sub(dropped_slices),
            payload_bytes: figures.bytes.get().saturating_sub(dropped_bytes),
            ring_bytes: figures.ring_bytes.get(),
            dropped_slices,
            dropped_bytes,
        }
    }
}

impl ReaderStats {
    pub(crate) fn read(figures: &ReaderFigures, reserved: Position) -> Self {
        let position = label_of(figures.position.get());
        let [payload_bytes, skipped_bytes] =
            [&figures.payload_bytes, &figures.skipped_bytes].map(Figure::get);
        let way = label_past(position, figures.start.get());
        Self {
            id: figures.id.get() as u32,
            strong: figures.strong.load(Ordering::Relaxed),
            position,
            lag: label_past(reserved.label(0), position),
            payload_bytes,
            // What was met on the way and not counted. The figures may be of different moments.
            padding_bytes: way.saturating_sub(payload_bytes).saturating_sub(skipped_bytes),
            skipped_bytes,
            gaps: figures.gaps.get(),
        }
    }
}

/// Sums over the endpoints that have gone.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) slices: u64,
    pub(crate) payload_bytes: u64,
    pub(crate) dropped_slices: u64,
    pub(crate) dropped_bytes: u64,
    pub(crate) skipped_bytes: u64,
}

impl Totals {
    /// Takes over what a writer that goes has counted, and leaves its slot at 0 for the next.
    pub(crate) fn retire_writer(&mut self, figures: &WriterFigures) {
        let stats = WriterStats::read(figures, 0);
        self.slices = self.slices.wrapping_add(stats.slices);
        self.payload_bytes = self.payload_bytes.wrapping_add(stats.payload_bytes);
        self.dropped_slices = self.dropped_slices.wrapping_add(stats.dropped_slices);
        self.dropped_bytes = self.dropped_bytes.wrapping_add(stats.dropped_bytes);
        let WriterFigures { sequence, bytes, ring_bytes, dropped_slices, dropped_bytes } = figures;
        for figure in [sequence, bytes, ring_bytes, dropped_slices, dropped_bytes] {
            figure.set(0);
        }
    }

    /// The same for a reader.
    #[inline]
    pub(crate) fn retire_reader(&mut self, figures: &ReaderFigures) {
        self.skipped_bytes = self.skipped_bytes.wrapping_add(figures.skipped_bytes.take());
        for figure in [&figures.start, &figures.position, &figures.payload_bytes, &figures.gaps] {
            figure.set(0);
        }
    }
}
