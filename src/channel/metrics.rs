//! What a channel has done, as counters and gauges of the facade `metrics`.

use crate::channel::shared::Shared;
use crate::channel::stats::ChannelStats;
use crate::channel::terms::Ending;
use ::metrics::{Label, Unit, counter, describe_counter, describe_gauge, gauge};
use std::fmt;
use std::sync::Arc;

/// Records the statistics of one channel as counters and gauges, for the exporter that the program has
/// installed.
///
/// [`Channel::metrics`](crate::Channel::metrics) makes it. Nothing is recorded by itself: call
/// [`record`](Self::record) on a timer. Endpoints do the same work with it and without it.
///
/// ```
/// use overfall::Channel;
/// use std::{thread, time::Duration};
///
/// let channel = Channel::builder().size(4096).name("orders").build()?;
/// let mut metrics = channel.metrics();
/// let recording = thread::spawn(move || {
///     while metrics.record() {
///         thread::sleep(Duration::from_millis(10));
///     }
/// });
/// let mut writer = channel.new_writer();
/// writer.try_write(b"an order")?;
///
/// drop((channel, writer));
/// recording.join().unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Metrics
///
/// Each has the label `channel` with the name that [`Builder::name`](crate::Builder::name) gave. A
/// channel without a name has no label.
///
/// | name | kind | unit | what it is |
/// |---|---|---|---|
/// | `overfall_payload_bytes` | counter | bytes | payload committed |
/// | `overfall_ring_bytes` | counter | bytes | room in the ring taken for it, padding included |
/// | `overfall_slices` | counter | count | slices committed |
/// | `overfall_dropped_bytes` | counter | bytes | payload dropped because the ring was full, or reported as missed |
/// | `overfall_dropped_slices` | counter | count | slices dropped because the ring was full, or reported as missed |
/// | `overfall_skipped_ring_bytes` | counter | bytes | room in the ring that weak readers missed, summed over them |
/// | `overfall_capacity_bytes` | gauge | bytes | size of the ring |
/// | `overfall_unread_bytes` | gauge | bytes | room in the ring that the slowest strong reader has yet to read; 0 without one |
/// | `overfall_strong_writers` | gauge | count | writers that keep the channel open |
/// | `overfall_weak_writers` | gauge | count | writers that do not |
/// | `overfall_strong_readers` | gauge | count | readers that hold writers back |
/// | `overfall_weak_readers` | gauge | count | readers that do not |
/// | `overfall_failed` | gauge | count | 1 once the channel [failed](crate::Channel::fail) |
///
/// `overfall_unread_bytes` over `overfall_capacity_bytes` tells how full the ring is. At 1, writers wait
/// or drop. The other names are those of the fields of [`ChannelStats`].
///
/// Of channels with the same name, the counters add up, and each gauge is of the channel that recorded
/// last. Two recorders of one channel count everything twice.
///
/// # Lifetime
///
/// It does not keep the channel open. It does keep the memory of the ring, so that the last record is
/// complete: drop it when [`record`](Self::record) returns `false`.
pub struct ChannelMetrics {
    shared: Arc<Shared>,
    labels: Vec<Label>,
    /// What the counters were increased to so far.
    counted: [u64; COUNTERS.len()],
}

impl ChannelMetrics {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        for Metric { name, unit, description, .. } in COUNTERS {
            describe_counter!(name, unit, description);
        }
        for Metric { name, unit, description, .. } in GAUGES {
            describe_gauge!(name, unit, description);
        }
        let labels = shared.name.iter().map(|name| Label::new("channel", name.clone())).collect();
        Self { shared, labels, counted: [0; COUNTERS.len()] }
    }

    /// Records what has happened since the last call. Returns whether more can happen: `false` once the
    /// channel is closed and all writers and readers are gone.
    ///
    /// It goes to the exporter that is installed now. What was counted while there was none is lost. It
    /// takes time in proportion to the number of writers and readers, as
    /// [`Channel::stats`](crate::Channel::stats).
    pub fn record(&mut self) -> bool {
        // First, so that the statistics are those of the end if this is it.
        let is_closed = self.shared.ending() != Ending::Open;
        let stats = self.shared.stats();
        for (figure, counted) in COUNTERS.iter().zip(&mut self.counted) {
            // Statistics are of slightly different moments, and a sum may go back a little.
            let value = (figure.value)(&stats).max(*counted);
            counter!(figure.name, self.labels.iter()).increment(value - *counted);
            *counted = value;
        }
        for figure in GAUGES {
            gauge!(figure.name, self.labels.iter()).set((figure.value)(&stats) as f64);
        }
        let ChannelStats { strong_writers, weak_writers, strong_readers, weak_readers, .. } = stats;
        !is_closed || strong_writers + weak_writers + strong_readers + weak_readers > 0
    }
}

impl fmt::Debug for ChannelMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelMetrics").field("channel", &self.shared.name).finish_non_exhaustive()
    }
}

/// How a metric is called, and where its value comes from.
struct Metric {
    name: &'static str,
    unit: Unit,
    description: &'static str,
    value: fn(&ChannelStats) -> u64,
}

const COUNTERS: [Metric; 6] = [
    Metric {
        name: "overfall_payload_bytes",
        unit: Unit::Bytes,
        description: "Payload committed",
        value: |stats| stats.payload_bytes,
    },
    Metric {
        name: "overfall_ring_bytes",
        unit: Unit::Bytes,
        description: "Room in the ring taken for what was committed, padding included",
        value: |stats| stats.ring_bytes,
    },
    Metric {
        name: "overfall_slices",
        unit: Unit::Count,
        description: "Slices committed",
        value: |stats| stats.slices,
    },
    Metric {
        name: "overfall_dropped_bytes",
        unit: Unit::Bytes,
        description: "Payload dropped because the ring was full, or reported as missed",
        value: |stats| stats.dropped_bytes,
    },
    Metric {
        name: "overfall_dropped_slices",
        unit: Unit::Count,
        description: "Slices dropped because the ring was full, or reported as missed",
        value: |stats| stats.dropped_slices,
    },
    Metric {
        name: "overfall_skipped_ring_bytes",
        unit: Unit::Bytes,
        description: "Room in the ring that weak readers missed, summed over them",
        value: |stats| stats.skipped_ring_bytes,
    },
];

const GAUGES: [Metric; 7] = [
    Metric {
        name: "overfall_capacity_bytes",
        unit: Unit::Bytes,
        description: "Size of the ring",
        value: |stats| stats.capacity,
    },
    Metric {
        name: "overfall_unread_bytes",
        unit: Unit::Bytes,
        description: "Room in the ring that the slowest strong reader has yet to read",
        value: unread_bytes,
    },
    Metric {
        name: "overfall_strong_writers",
        unit: Unit::Count,
        description: "Writers that keep the channel open",
        value: |stats| stats.strong_writers as u64,
    },
    Metric {
        name: "overfall_weak_writers",
        unit: Unit::Count,
        description: "Writers that do not keep the channel open",
        value: |stats| stats.weak_writers as u64,
    },
    Metric {
        name: "overfall_strong_readers",
        unit: Unit::Count,
        description: "Readers that hold writers back",
        value: |stats| stats.strong_readers as u64,
    },
    Metric {
        name: "overfall_failed",
        unit: Unit::Count,
        description: "1 once the channel ended with an error",
        value: |stats| u64::from(stats.failure.is_some()),
    },
    Metric {
        name: "overfall_weak_readers",
        unit: Unit::Count,
        description: "Readers that do not hold writers back",
        value: |stats| stats.weak_readers as u64,
    },
];

fn unread_bytes(stats: &ChannelStats) -> u64 {
    // A reader's place and the last reservation may be of different moments, and then seem too far apart.
    stats.slowest_reader().map_or(0, |reader| reader.lag).min(stats.capacity)
}
