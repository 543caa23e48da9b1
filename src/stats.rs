//! Figures: what a channel and its endpoints have done so far.
//!
//! Each endpoint counts for itself, in a slot of its own that nobody else writes, so that counting
//! costs the others nothing. They are read without a lock, one after the other: a sum that is taken
//! while writers write is of slightly different moments.

use crate::ring::position::{Position, label_of, label_past};
use crate::sync::{AtomicBool, AtomicU64, Ordering};

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
    /// past it.
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
    /// The number of this reader within its channel. No other reader ever gets it.
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

/// A figure that one thread at a time raises, and anybody reads.
#[derive(Debug)]
pub(crate) struct Figure(AtomicU64);

impl Default for Figure {
    fn default() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Figure {
    // Relaxed throughout: figures order nothing.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Not one atomic step: only its owner writes it.
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    #[inline]
    pub(crate) fn take(&self) -> u64 {
        let value = self.get();
        self.set(0);
        value
    }
}

/// The figures of a writer, in its slot.
#[derive(Debug, Default)]
pub(crate) struct WriterFigures {
    /// Slices committed or dropped, and their payload bytes: what descriptors tell.
    pub(crate) sequence: Figure,
    pub(crate) bytes: Figure,
    pub(crate) ring_bytes: Figure,
    pub(crate) dropped_slices: Figure,
    pub(crate) dropped_bytes: Figure,
}

impl WriterFigures {
    pub(crate) fn read(&self, id: u32) -> WriterStats {
        // First what is subtracted. It may still be of a later moment than the rest.
        let (dropped_slices, dropped_bytes) = (self.dropped_slices.get(), self.dropped_bytes.get());
        WriterStats {
            id,
            slices: self.sequence.get().saturating_sub(dropped_slices),
            payload_bytes: self.bytes.get().saturating_sub(dropped_bytes),
            ring_bytes: self.ring_bytes.get(),
            dropped_slices,
            dropped_bytes,
        }
    }
}

/// The figures of a reader, in its slot.
#[derive(Debug)]
pub(crate) struct ReaderFigures {
    /// Whether a reader has this slot now, and whether it is strong.
    pub(crate) present: AtomicBool,
    pub(crate) strong: AtomicBool,
    pub(crate) id: Figure,
    pub(crate) start: Figure,
    pub(crate) position: Figure,
    pub(crate) payload_bytes: Figure,
    pub(crate) skipped_bytes: Figure,
    pub(crate) gaps: Figure,
}

impl Default for ReaderFigures {
    fn default() -> Self {
        Self {
            present: AtomicBool::new(false),
            strong: AtomicBool::new(false),
            id: Figure::default(),
            start: Figure::default(),
            position: Figure::default(),
            payload_bytes: Figure::default(),
            skipped_bytes: Figure::default(),
            gaps: Figure::default(),
        }
    }
}

impl ReaderFigures {
    pub(crate) fn read(&self, reserved: Position) -> ReaderStats {
        let position = label_of(self.position.get());
        let [payload_bytes, skipped_bytes] =
            [&self.payload_bytes, &self.skipped_bytes].map(Figure::get);
        let way = label_past(position, self.start.get());
        ReaderStats {
            id: self.id.get() as u32,
            strong: self.strong.load(Ordering::Relaxed),
            position,
            lag: label_past(reserved.label(0), position),
            payload_bytes,
            // What was met on the way and not counted. The figures may be of different moments.
            padding_bytes: way.saturating_sub(payload_bytes).saturating_sub(skipped_bytes),
            skipped_bytes,
            gaps: self.gaps.get(),
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
        let stats = figures.read(0);
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
