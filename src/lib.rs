// One of its examples needs the feature `tokio`, and shows no line that says so to rustdoc alone.
#![cfg_attr(any(feature = "tokio", not(doctest)), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
// A switch for models, of which users need not know.
#![cfg_attr(docsrs, doc(auto_cfg(hide(overfall_loom))))]

mod channel;
pub mod error;
mod fence;
pub mod guide;
mod io;
mod message;
#[cfg(all(test, overfall_loom))]
mod models;
mod names;
mod reader;
mod ring;
mod shared;
mod slice;
pub mod stats;
mod sync;
mod table;
mod trace;
#[cfg(feature = "rkyv")]
#[cfg_attr(docsrs, doc(cfg(feature = "rkyv")))]
pub mod typed;
mod wait;
mod writer;

pub use channel::{Backpressure, Builder, Channel, StartAt, pipe};
pub use io::Blocking;
#[cfg(feature = "futures")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures")))]
pub use io::{MessageSink, MessageStream, OwnedMessage};
pub use message::{Header, Joined, Joiner, Message, Messages, MessagesIter, Missed};
pub use reader::{Reader, StrongReader, WeakReader};
pub use slice::Slice;
pub use writer::{StrongWriter, WeakWriter, Writer};
