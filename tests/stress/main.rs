//! Threads and tasks that write, read, come and go, for as long as they are asked to
//! (`OVERFALL_STRESS_SECONDS`).

mod bytes;
#[cfg(feature = "tokio")]
mod bytes_tokio;
mod common;
mod exclusive;
mod messages;
#[cfg(feature = "tokio")]
mod messages_tokio;
mod posting;
mod posts;
mod records;
mod sent;
#[cfg(feature = "futures")]
mod spools;
mod taking;
