//! Ways to let endpoints work: each makes a [`Team`] of them.

mod apart;
mod children;
mod live;
mod overrun;
mod round_trip;
mod stream;
mod team;
mod turns;

pub(crate) use apart::{tasks, threads};
pub(crate) use children::{
    Content, Crowd, Delays, Job, Run, child_delay, children, children_processor, crowd,
    crowd_processor, delays, spawn_and_wait, write_if_child,
};
pub(crate) use live::live;
pub(crate) use overrun::{overrun, overrun_each};
pub(crate) use round_trip::{round_trip, round_trip_tasks};
pub(crate) use stream::{Appended, HISTORY, Stream, append, content, first_read, reread};
pub(crate) use team::{Stuck, Team};
pub(crate) use turns::{Pace, Timed, by_turns, keeping_up, one_thread, pass_on};
