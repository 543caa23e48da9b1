//! The io traits: blocking ones always, those of the async world as features.

mod blocking;
mod duplex;
#[cfg(feature = "futures")]
mod futures;
mod lines;
pub mod source;
#[cfg(feature = "futures")]
mod streams;
#[cfg(feature = "tokio")]
mod tokio;

pub use blocking::Blocking;
pub use duplex::{Duplex, duplex};
pub use lines::LineWriter;
#[cfg(feature = "futures")]
pub use streams::{MessageSink, MessageStream, OwnedMessage};

/// The door for the layers above: what they use besides the public API.
pub(crate) mod layers {
    pub(crate) use super::blocking::{Until, given_up};
    pub(crate) use super::source::{AsyncSource, Final, PollRead, Source, checked};
    #[cfg(feature = "rkyv")]
    pub(crate) use crate::channel::endpoint::{Endpoint, Receives, Writes};
    #[cfg(any(feature = "lines", all(feature = "rkyv", feature = "futures")))]
    pub(crate) use crate::channel::reader::poll_attempt;
    #[cfg(feature = "lines")]
    pub(crate) use crate::channel::reader::{Read, Receive};
    #[cfg(feature = "rkyv")]
    pub(crate) use crate::channel::reader::{wait_for, wait_to_take};
    pub(crate) use crate::channel::writer::{HasCore, Wait};
}
