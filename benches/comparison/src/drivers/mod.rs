//! Ways to let endpoints work: each makes a [`Contestant`] of them.

mod by_turns;
mod one_thread;
mod overrun;
mod tasks;
mod team;
mod threads;

pub(crate) use by_turns::{Pace, Timed, by_turns};
pub(crate) use one_thread::{one_thread, pass_on};
pub(crate) use overrun::overrun;
pub(crate) use tasks::{round_trip_tasks, tasks};
pub(crate) use team::Stuck;
pub(crate) use threads::{polling, round_trip, waiting};

use crate::message::Round;
use std::time::Duration;

/// Something that can do a number of messages, again and again.
pub(crate) trait Contestant {
    /// Returns how long the messages took.
    fn round(&mut self, round: Round) -> Duration;
}
