//! What outlets and inlets have done so far.

use crate::count::Count;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is not counted where it happens is told so often, whatever else there is to do.
pub(crate) const EVERY: Duration = Duration::from_secs(1);

macro_rules! figures {
    ($(#[$doc:meta])* $name:ident, $shared:ident, $prefix:literal, { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct $name { $($(#[$field_doc])* pub $field: u64,)* }

        /// The same, while it is being counted. Each is a sum of its own: nothing is told by one of what
        /// another one counts.
        #[derive(Debug, Default)]
        pub(crate) struct $shared { $(pub(crate) $field: AtomicU64,)* }

        impl $shared {
            pub(crate) fn read(&self) -> $name {
                $name { $($field: self.$field.load(Ordering::Relaxed),)* }
            }

            /// Tells the figures in an event of `tracing`, and hands them to whatever recorder of `metrics` the
            /// program installed.
            pub(crate) fn record(&self, channel: &str) {
                let now = self.read();
                tracing::debug!(channel, $($field = now.$field,)* "figures");
                #[cfg(feature = "metrics")]
                $(metrics::gauge!(concat!($prefix, stringify!($field)), "channel" => channel.to_owned())
                    .set(now.$field as f64);)*
            }

        }
    };
}

figures! {
    /// What an outlet has done so far.
    OutletStats, OutletFigures, "overfall_nats_outlet_", {
        /// Messages published. Those that were published again count once.
        published,
        /// Their payload bytes.
        published_bytes,
        /// Messages that the engine has stored. Of a reliable outlet alone.
        acknowledged,
        /// Their payload bytes.
        acknowledged_bytes,
        /// Messages of the engine that are published and not yet acknowledged.
        in_flight,
        /// How often the engine refused one, or did not answer in time.
        refused,
        /// Messages that the outlet's reader missed: a weak one was overrun, or writers dropped.
        missed,
        /// Their payload bytes.
        missed_bytes,
        /// Heartbeats to which nobody listened. Of a lossy outlet alone.
        unheard,
        /// How often the connection came back.
        reconnects,
        /// All before this position of the ring is done with.
        position,
    }
}

figures! {
    /// What an inlet has done so far.
    InletStats, InletFigures, "overfall_nats_inlet_", {
        /// Messages that went into the ring.
        received,
        /// Their payload bytes.
        received_bytes,
        /// Messages that were missed on the way, the outlet's own losses included.
        missed,
        /// Their payload bytes.
        missed_bytes,
        /// Messages that came again, and were left out.
        duplicates,
        /// Messages of the engine on this subject that were left out: none of ours, or of an epoch that is over.
        foreign,
        /// Epochs of outlets that were seen.
        epochs,
        /// How often the connection came back.
        reconnects,
        /// Behind the last message that went into the ring, as the outlet counts positions.
        position,
    }
}

pub(crate) fn add(figure: &AtomicU64, more: u64) {
    figure.fetch_add(more, Ordering::Relaxed);
}

pub(crate) fn set(figure: &AtomicU64, value: u64) {
    figure.store(value, Ordering::Relaxed);
}

pub(crate) fn add_count(messages: &AtomicU64, bytes: &AtomicU64, count: Count) {
    add(messages, count.messages);
    add(bytes, count.bytes);
}

/// Tells the figures of an outlet at any time, also while it runs.
#[derive(Clone, Debug)]
pub struct OutletProbe(pub(crate) Arc<OutletFigures>);

impl OutletProbe {
    /// What the outlet has done so far.
    pub fn stats(&self) -> OutletStats {
        self.0.read()
    }
}

/// Tells the figures of an inlet at any time, also while it runs.
#[derive(Clone, Debug)]
pub struct InletProbe(pub(crate) Arc<InletFigures>);

impl InletProbe {
    /// What the inlet has done so far.
    pub fn stats(&self) -> InletStats {
        self.0.read()
    }
}
