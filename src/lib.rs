// One of its examples needs the feature `tokio`, and shows no line that says so to rustdoc alone.
#![cfg_attr(any(feature = "tokio", not(doctest)), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
// A switch for models, of which users need not know.
#![cfg_attr(docsrs, doc(auto_cfg(hide(overfall_loom))))]

// The rooms, from the ground up. Each knows only those before it (`ci/rooms`).

pub mod error;
// Primitives, fences, sections, entries that never move.
mod sync;
// The protocol.
mod ring;
// Who waits for what.
mod wait;
// The handle, writers, readers, messages.
mod channel;
// The io traits.
mod io;
// The layers.
#[cfg(feature = "rkyv")]
#[cfg_attr(docsrs, doc(cfg(feature = "rkyv")))]
pub mod typed;
// A stream that is kept. It stands beside the ring: neither knows the other.
pub mod spool;
// From sources into both.
pub mod pump;
// Lines of text, out of all readers.
#[cfg(feature = "lines")]
#[cfg_attr(docsrs, doc(cfg(feature = "lines")))]
pub mod lines;
// Child processes, with their outputs in rings.
#[cfg(all(feature = "process", unix, not(overfall_loom)))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "process", unix))))]
pub mod process;
// What holds for all of them.
mod unwind;
// What is said of all of them.
pub mod guide;

#[cfg(all(test, overfall_loom))]
mod models;

#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use channel::ChannelMetrics;
pub use channel::owned_slice::OwnedSlice;
pub use channel::reader::message::{
    Header, Joined, Joiner, Message, Messages, MessagesIter, Missed,
};
pub use channel::reader::peek::Peeked;
pub use channel::reader::skip::Skipped;
pub use channel::reader::{Reader, StrongReader, WeakReader, Window};
pub use channel::writer::slice::Slice;
pub use channel::writer::{StrongWriter, WeakWriter, Writer};
pub use channel::{
    AfterLast, Backpressure, Builder, Channel, Sent, StartAt, TakesEffect, WeakChannel, endpoint,
    pipe, stats,
};
pub use io::{Blocking, Duplex, LineWriter, duplex, source};
#[cfg(feature = "futures")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures")))]
pub use io::{MessageSink, MessageStream, OwnedMessage};
pub use sync::asymmetric::prepare;
