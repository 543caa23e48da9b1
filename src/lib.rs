#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The rooms, from the ground up: each knows only those before it (`ci/rooms`).
mod channel;
pub mod error;
mod io;
mod ring;
mod sync;
#[cfg(feature = "rkyv")]
#[cfg_attr(docsrs, doc(cfg(feature = "rkyv")))]
pub mod typed;
mod wait;

#[cfg(all(test, overfall_loom))]
mod models;

pub use channel::message::{Header, Joined, Joiner, Message, Messages, MessagesIter, Missed};
pub use channel::reader::{Reader, StrongReader, WeakReader};
pub use channel::slice::Slice;
pub use channel::writer::{StrongWriter, WeakWriter, Writer};
pub use channel::{Backpressure, Builder, Channel, StartAt, pipe, stats};
pub use io::Blocking;
#[cfg(feature = "futures")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures")))]
pub use io::{MessageSink, MessageStream, OwnedMessage};
