//! The endpoints: messages, how things end, and what the types promise.

mod absence;
mod batches;
mod ending;
mod ending_parked;
mod failing;
mod figures;
mod flushing;
mod handles;
mod lossy;
mod messages;
mod messages_turning;
mod messages_waiting;
mod missed;
// On 32 bits the crate `metrics` has no counters of std's `AtomicU64`, of which the exporter is made.
#[cfg(all(feature = "metrics", target_pointer_width = "64"))]
mod metrics;
mod peeking;
#[cfg(unix)]
mod read_from;
mod reporting;
mod reports;
mod taking;
mod types;
mod window;
