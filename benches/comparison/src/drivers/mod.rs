//! Ways to let endpoints work: each makes a [`Team`] of them.

mod apart;
mod overrun;
mod team;
mod turns;

pub(crate) use apart::{round_trip, round_trip_tasks, tasks, threads};
pub(crate) use overrun::overrun;
pub(crate) use team::{Stuck, Team};
pub(crate) use turns::{Pace, Timed, by_turns, one_thread, pass_on};
