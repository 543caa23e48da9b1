//! The traits of std, tokio and futures, streams and sinks.

mod blocking;
#[cfg(feature = "tokio")]
mod blocking_tokio;
#[cfg(all(feature = "tokio", feature = "futures", feature = "rkyv"))]
mod budget;
mod duplex;
#[cfg(feature = "tokio")]
mod duplex_tokio;
#[cfg(feature = "futures")]
mod futures;
mod lines;
#[cfg(all(feature = "tokio", feature = "futures", feature = "rkyv"))]
mod messages_tokio;
#[cfg(all(feature = "tokio", feature = "futures", feature = "rkyv"))]
mod records;
#[cfg(feature = "futures")]
mod sinks;
#[cfg(feature = "futures")]
mod streams;
#[cfg(feature = "tokio")]
mod tokio;
