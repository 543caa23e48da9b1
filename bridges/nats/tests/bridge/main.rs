//! The bridge with a real server, `nats-server`, which each test starts for itself: `ci/bridge` installs it.
#![allow(missing_docs)]

mod ends;
mod errors;
mod faults;
mod lossy;
mod processes;
mod proxy;
mod reliable;
mod server;
mod spools;
mod sums;
mod told;
