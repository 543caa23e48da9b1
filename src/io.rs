//! The io traits: blocking ones always, those of the async world as features.

mod blocking;
mod budget;
mod duplex;
#[cfg(feature = "futures")]
mod futures;
#[cfg(feature = "futures")]
mod streams;
#[cfg(feature = "tokio")]
mod tokio;

pub use blocking::Blocking;
#[cfg(feature = "rkyv")]
pub(crate) use blocking::{Until, timed_out};
pub(crate) use budget::Budget;
pub use duplex::{Duplex, duplex};
#[cfg(feature = "futures")]
pub use streams::{MessageSink, MessageStream, OwnedMessage};
