//! What is compared, a case a file.

mod bytes;
mod fan_out;
mod idle;
mod messages;
mod one_thread;
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
use crate::sheet::{Group, bytes, count};
use ::bytes::Bytes;

/// All of them, in the order of the results.
pub(crate) const ALL: &[Case] = &[
    bytes::CASE,
    tasks::CASE,
    records::CASE,
    messages::CASE,
    typed::CASE,
    fan_out::CASE,
    taps::CASE,
    one_thread::CASE,
    round_trip::CASE,
    idle::CASE,
];

/// A table of the results.
pub(crate) struct Case {
    /// By which it is chosen on the command line.
    pub(crate) name: &'static str,
    /// The title, what is measured, and what the goal is.
    pub(crate) about: &'static str,
    /// The lengths of its messages, and what compares contestants with them.
    pub(crate) runs: &'static [(usize, fn(&Options, usize))],
}
