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
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ChannelStats {
    /// The size of the ring, in bytes.
    pub capacity: u64,
    /// The position of the first slice, in ring bytes.
    pub start: u64,
    /// The position where the next slice will lie.
    pub reserved: u64,
    /// The oldest position at which a strong reader can still join.
    pub gate: u64,
    /// Payload bytes committed.
    pub payload_bytes: u64,
    /// Ring bytes that were used up for it: whole granules of 64 bytes, padding at the end of the
    /// ring, slices given up. Far more than `payload_bytes` means that somebody writes in small
    /// pieces, and should put a `BufWriter` in front.
    pub ring_bytes: u64,
    /// Slices committed.
    pub slices: u64,
    /// Slices discarded because the ring was full: with
    /// [`Backpressure::Drop`](crate::Backpressure::Drop), or, with the feature `tracing`, from within an
    /// event.
    pub dropped_slices: u64,
    /// The payload bytes of these.
    pub dropped_bytes: u64,
    /// Ring bytes that weak readers missed, added up over all of them.
    pub skipped_bytes: u64,
    /// Writers that keep the channel open.
    pub strong_writers: usize,
    /// Writers that do not.
    pub weak_writers: usize,
    /// Readers that hold writers back.
    pub strong_readers: usize,
    /// Readers that do not.
    pub weak_readers: usize,
    /// Each reader that there is now.
    pub readers: Vec<ReaderStats>,
}

/// What a writer has written so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct WriterStats {
    /// The number of this writer, which its slices carry.
    pub id: u32,
    /// Slices committed.
    pub slices: u64,
    /// Payload bytes committed.
    pub payload_bytes: u64,
    /// Ring bytes that these slices took: whole granules of 64 bytes.
    pub ring_bytes: u64,
    /// Slices discarded because the ring was full: with
    /// [`Backpressure::Drop`](crate::Backpressure::Drop), or, with the feature `tracing`, from within an
    /// event.
    pub dropped_slices: u64,
    /// The payload bytes of these.
    pub dropped_bytes: u64,
}

/// What a reader has read so far.
///
/// `payload_bytes + padding_bytes + skipped_bytes` is how far it has come since it started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ReaderStats {
    /// The number of this reader among those of its channel; never given to another one.
    pub id: u32,
    /// Whether it holds writers back.
    pub strong: bool,
    /// Where it stands: the position of the next byte that it will read.
    pub position: u64,
    /// Ring bytes between there and the last reservation.
    pub lag: u64,
    /// Payload bytes read.
    pub payload_bytes: u64,
    /// Ring bytes stepped over that held no payload.
    pub padding_bytes: u64,
    /// Ring bytes missed.
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
        self.slices += stats.slices;
        self.payload_bytes += stats.payload_bytes;
        self.dropped_slices += stats.dropped_slices;
        self.dropped_bytes += stats.dropped_bytes;
        let WriterFigures { sequence, bytes, ring_bytes, dropped_slices, dropped_bytes } = figures;
        for figure in [sequence, bytes, ring_bytes, dropped_slices, dropped_bytes] {
            figure.set(0);
        }
    }

    /// The same for a reader.
    #[inline]
    pub(crate) fn retire_reader(&mut self, figures: &ReaderFigures) {
        self.skipped_bytes += figures.skipped_bytes.take();
        for figure in [&figures.start, &figures.position, &figures.payload_bytes, &figures.gaps] {
            figure.set(0);
        }
    }
}
