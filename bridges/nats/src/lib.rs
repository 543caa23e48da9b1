#![doc = include_str!("../README.md")]

// The pure part, from the ground up.

mod count;
mod error;
mod figures;
mod frame;
mod ledger;
mod order;
mod packer;
mod sums;
// The seam, and what knows NATS.
mod engine;
// Both sides.
mod inlet;
mod outlet;
mod spool_outlet;

pub use count::Count;
pub use engine::nats::{connect, connect_with};
pub use error::{Advice, ConnectError, Ended, InletError, OutletError, Remote};
pub use figures::{InletProbe, InletStats, OutletProbe, OutletStats};
pub use inlet::Inlet;
pub use outlet::Outlet;
pub use spool_outlet::SpoolOutlet;
