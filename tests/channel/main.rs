//! The endpoints: messages, how things end, and what the types promise.

mod ending;
mod ending_parked;
mod messages;
mod messages_turning;
mod messages_waiting;
#[cfg(feature = "metrics")]
mod metrics;
mod types;
