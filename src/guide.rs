//! The guide: one page for each question that the reference leaves open.
//!
//! | page | what it answers |
//! |---|---|
//! | [`words`] | What do the words in these docs mean? |
//! | [`messages`] | How do I send and receive messages and values instead of bytes? |
//! | [`loss`] | What can be lost, and how does a reader learn of it? |
//! | [`endings`] | How does a channel end, and what do both sides see? |
//! | [`progress`] | Who can delay whom? What may be cancelled? |
//! | [`cost`] | What do a channel and its endpoints cost in memory and system calls? |
//! | [`choosing`] | When a ring, when a spool, when both, when a child's output? |
//! | [`networks`] | When does a channel go on in an engine on other machines, and what is promised then? |
//! | [`coming_from`] | What is different from the channels and pipes of tokio, flume, crossbeam and std? |
//! | [`examples`] | How do I get what most people wish for: recorders, dashboards, a shutdown, the newest only? |
//! | `processes`, with the feature `process` | What is decided for child processes if nothing is said? |
//! | [`features`] | What do the features do, which events are there, where does it run? |
//!
//! For a first look, start at the [front page](crate).

#[doc = include_str!("guide/choosing.md")]
pub mod choosing {}

#[doc = include_str!("guide/coming_from.md")]
pub mod coming_from {}

#[doc = include_str!("guide/cost.md")]
pub mod cost {}

#[doc = include_str!("guide/endings.md")]
pub mod endings {}

#[doc = include_str!("guide/examples.md")]
pub mod examples {}

#[doc = include_str!("guide/features.md")]
pub mod features {}

#[doc = include_str!("guide/loss.md")]
pub mod loss {}

#[doc = include_str!("guide/messages.md")]
pub mod messages {}

#[doc = include_str!("guide/networks.md")]
pub mod networks {}

#[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "process", any(unix, windows)))))]
#[doc = include_str!("guide/processes.md")]
pub mod processes {}

#[doc = include_str!("guide/progress.md")]
pub mod progress {}

#[doc = include_str!("guide/words.md")]
pub mod words {}
