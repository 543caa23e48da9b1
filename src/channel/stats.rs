//! Figures: what a channel and its endpoints have done so far.
//!
//! Each endpoint counts for itself, in a slot of its own that nobody else writes, so that counting
//! costs the others nothing. They are read without a lock, one after the other: a sum that is taken
//! while writers write is of slightly different moments.

use crate::error::Failure;
use crate::ring::position::{Position, label_of, label_past};
use crate::ring::{Count, WriterFigures};
use crate::sync::Ordering;
use crate::sync::figure::Figure;
use crate::wait::reader_figures::ReaderFigures;
use std::sync::Arc;

/// What a channel has done so far, and who takes part in it.
///
/// See [the guide](crate::guide::words) for ring bytes and payload bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ChannelStats {
    /// The size of the ring, in bytes: the most that can be held for strong readers, and the furthest
    /// that a weak reader can be behind before it is overrun.
    pub capacity: u64,
    /// The position of the first slice, in ring bytes.
    pub start: u64,
    /// The position after the last reserved slice, whether it is committed or still in flight.
    pub reserved: u64,
    /// What lies before this position may be overwritten, and nothing behind it. So it is the oldest
    /// position at which a new strong reader can start. Writers may go one capacity past it, and for a
    /// moment less than two: with a slice that takes an empty ring, and padding.
    ///
    /// A writer moves it when it needs room, and not before. So it stays behind the slowest strong
    /// reader, and `reserved - gate` does not tell how full the ring is. `held_ring_bytes` does.
    pub gate: u64,
    /// How full the ring is: the ring bytes from the slowest strong reader to `reserved`. At `capacity`,
    /// writers wait or drop. Without a strong reader it is 0, unless the channel
    /// [holds](crate::AfterLast::Wait) the ring for the next one.
    pub held_ring_bytes: u64,
    /// Writers that wait for room now.
    pub waiting_writers: usize,
    /// Payload bytes committed.
    pub payload_bytes: u64,
    /// Ring bytes used: whole granules of 64 bytes, padding at the end of the ring, slices given
    /// up. If this is far more than `payload_bytes`, somebody writes in small pieces. A
    /// [`LineWriter`](crate::LineWriter) in front of that writer keeps lines together.
    pub ring_bytes: u64,
    /// Slices committed.
    pub slices: u64,
    /// Slices discarded because the ring was full: with
    /// [`Backpressure::Drop`](crate::Backpressure::Drop), or from within an event of the feature
    /// `tracing`; and messages that were [reported](crate::Writer::report_missed) as missed.
    pub dropped_slices: u64,
    /// Payload bytes of these.
    pub dropped_bytes: u64,
    /// Slices that were overwritten while no strong reader was there, and that the last one had not
    /// read: before the first one, and after the last one with
    /// [`AfterLast::Overwrite`](crate::AfterLast::Overwrite). No strong reader will get them.
    pub overwritten_slices: u64,
    /// Payload bytes of these.
    pub overwritten_bytes: u64,
    /// Ring bytes that weak readers missed, added up over all of them. Not payload bytes: a message
    /// of one byte takes 64.
    pub skipped_ring_bytes: u64,
    /// Writers that keep the channel open.
    pub strong_writers: usize,
    /// Writers that do not keep the channel open.
    pub weak_writers: usize,
    /// Readers that writers wait for.
    pub strong_readers: usize,
    /// Readers that can be overrun.
    pub weak_readers: usize,
    /// What the channel failed with, if it did and was not terminated since.
    pub failure: Option<Failure>,
    /// The figures of each writer that exists now.
    pub writers: Vec<WriterStats>,
    /// The figures of each reader that exists now.
    pub readers: Vec<ReaderStats>,
}

impl ChannelStats {
    /// The strong reader that is furthest behind: the one for which writers wait when the ring is full.
    /// Its [`lag`](ReaderStats::lag) tells how far.
    pub fn slowest_reader(&self) -> Option<&ReaderStats> {
        self.readers.iter().filter(|reader| reader.strong).max_by_key(|reader| reader.lag)
    }
}

/// What a writer has written so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct WriterStats {
    /// The number of this writer, which the header of its messages tells.
    pub id: u32,
    /// Its [name](crate::Writer::set_name), if it has one.
    pub name: Option<Arc<str>>,
    /// Slices committed.
    pub slices: u64,
    /// Payload bytes committed.
    pub payload_bytes: u64,
    /// Ring bytes that these slices took: whole granules of 64 bytes.
    pub ring_bytes: u64,
    /// Slices discarded because the ring was full: with
    /// [`Backpressure::Drop`](crate::Backpressure::Drop), or from within an event of the feature
    /// `tracing`; and messages that were [reported](crate::Writer::report_missed) as missed.
    pub dropped_slices: u64,
    /// Payload bytes of these.
    pub dropped_bytes: u64,
}

/// What a reader has read so far.
///
/// `payload_bytes + padding_bytes + skipped_ring_bytes` is how many ring bytes it has passed since it
/// started.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ReaderStats {
    /// The number of this reader among those of its channel. Numbers start over after 2^32.
    pub id: u32,
    /// Its [name](crate::Reader::set_name), if it has one.
    pub name: Option<Arc<str>>,
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
    pub skipped_ring_bytes: u64,
    /// How many times it was overrun.
    pub gaps: u64,
}

impl WriterStats {
    pub(crate) fn read(figures: &WriterFigures, id: u32) -> Self {
        // First what is subtracted. It may still be of a later moment than the rest.
        let (dropped, sent) = (figures.dropped.read(), figures.sent.read());
        Self {
            id,
            name: None,
            slices: sent.messages.saturating_sub(dropped.messages),
            payload_bytes: sent.bytes.saturating_sub(dropped.bytes),
            ring_bytes: figures.ring_bytes.get(),
            dropped_slices: dropped.messages,
            dropped_bytes: dropped.bytes,
        }
    }
}

impl ReaderStats {
    pub(crate) fn read(figures: &ReaderFigures, reserved: Position) -> Self {
        let position = label_of(figures.position.get());
        let [payload_bytes, skipped_ring_bytes] =
            [&figures.payload_bytes, &figures.skipped_ring_bytes].map(Figure::get);
        let way = label_past(position, figures.start.get());
        Self {
            id: figures.id.get() as u32,
            name: None,
            strong: figures.strong.load(Ordering::Relaxed),
            position,
            lag: label_past(reserved.label(0), position),
            payload_bytes,
            // What was met on the way and not counted. The figures may be of different moments.
            padding_bytes: way.saturating_sub(payload_bytes).saturating_sub(skipped_ring_bytes),
            skipped_ring_bytes,
            gaps: figures.gaps.get(),
        }
    }
}

/// Sums over the endpoints that have gone.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// What writers committed or dropped, and what of that they dropped.
    pub(crate) sent: Count,
    pub(crate) dropped: Count,
    pub(crate) skipped_ring_bytes: u64,
}

impl Totals {
    /// Takes over what a writer that goes has counted, and leaves its slot at 0 for the next. Tells
    /// what it sent, and what of that it dropped.
    pub(crate) fn retire_writer(&mut self, figures: &WriterFigures) -> (Count, Count) {
        let (sent, dropped) = (figures.sent.take(), figures.dropped.take());
        self.sent = self.sent.plus(sent);
        self.dropped = self.dropped.plus(dropped);
        figures.ring_bytes.set(0);
        (sent, dropped)
    }

    /// The same for a reader.
    #[inline]
    pub(crate) fn retire_reader(&mut self, figures: &ReaderFigures) {
        self.skipped_ring_bytes =
            self.skipped_ring_bytes.wrapping_add(figures.skipped_ring_bytes.take());
        let ReaderFigures { start, position, payload_bytes, gaps, late, .. } = figures;
        for figure in [start, position, payload_bytes, gaps, late] {
            figure.set(0);
        }
    }
}
