//! Events of the feature `tracing`; without it, nothing. Never on the path of a read or write.

use crate::shared::{Ending, Strength};

#[cfg(feature = "tracing")]
mod events {
    use super::{Ending, Strength};

    pub(crate) fn made(capacity: u64) {
        tracing::debug!(target: "overfall", capacity, "channel made");
    }

    pub(crate) fn ended(capacity: u64, ending: Ending) {
        tracing::debug!(target: "overfall", capacity, ?ending, "channel ended");
    }

    pub(crate) fn came(endpoint: &str, strength: Strength, id: u32) {
        tracing::debug!(target: "overfall", endpoint, ?strength, id, "endpoint came");
    }

    pub(crate) fn went(endpoint: &str, strength: Strength, id: u32) {
        tracing::debug!(target: "overfall", endpoint, ?strength, id, "endpoint went");
    }

    pub(crate) fn lagged(id: u32, skipped: u64) {
        tracing::debug!(target: "overfall", id, skipped, "weak reader overrun");
    }
}

#[cfg(not(feature = "tracing"))]
mod events {
    use super::{Ending, Strength};

    pub(crate) fn made(_: u64) {}
    pub(crate) fn ended(_: u64, _: Ending) {}
    pub(crate) fn came(_: &str, _: Strength, _: u32) {}
    pub(crate) fn went(_: &str, _: Strength, _: u32) {}
    pub(crate) fn lagged(_: u32, _: u64) {}
}

pub(crate) use events::*;
