//! What is compared, a case a file.

mod append;
mod bytes;
mod cores;
mod crowd;
mod fan_out;
mod first_read;
mod history;
mod idle;
mod live;
mod messages;
mod one_thread;
mod process;
mod records;
mod round_trip;
mod taps;
mod tasks;
mod typed;

// What cases have in common: each begins with `use super::*`.
use crate::Options;
use crate::drivers::*;
use crate::endpoints::*;
use crate::ours;
use crate::sheet::{Group, count, length};

/// All of them, in the order of the results.
pub(crate) const ALL: &[Case] = &[
    Case { name: "bytes", about: include_str!("bytes.md"), runs: bytes::RUNS },
    Case { name: "tasks", about: include_str!("tasks.md"), runs: tasks::RUNS },
    Case { name: "records", about: include_str!("records.md"), runs: records::RUNS },
    Case { name: "messages", about: include_str!("messages.md"), runs: messages::RUNS },
    Case { name: "typed", about: include_str!("typed.md"), runs: typed::RUNS },
    Case { name: "fan-out", about: include_str!("fan_out.md"), runs: fan_out::RUNS },
    Case { name: "taps", about: include_str!("taps.md"), runs: taps::RUNS },
    Case { name: "one-thread", about: include_str!("one_thread.md"), runs: one_thread::RUNS },
    Case { name: "round-trip", about: include_str!("round_trip.md"), runs: round_trip::RUNS },
    Case { name: "idle", about: include_str!("idle.md"), runs: idle::RUNS },
    Case { name: "append", about: include_str!("append.md"), runs: append::RUNS },
    Case { name: "history", about: include_str!("history.md"), runs: history::RUNS },
    Case { name: "crowd", about: include_str!("crowd.md"), runs: crowd::RUNS },
    Case { name: "live", about: include_str!("live.md"), runs: live::RUNS },
    Case { name: "process", about: include_str!("process.md"), runs: process::RUNS },
    Case { name: "cores", about: include_str!("cores.md"), runs: cores::RUNS },
    Case { name: "first-read", about: include_str!("first_read.md"), runs: first_read::RUNS },
];

/// A table of the results.
pub(crate) struct Case {
    /// By which it is chosen on the command line.
    pub(crate) name: &'static str,
    /// The title, what is measured, and what the goal is.
    pub(crate) about: &'static str,
    pub(crate) runs: Runs,
}

/// The lengths of a case's messages, and what compares contestants with them.
type Runs = &'static [(usize, fn(&Options, usize))];
