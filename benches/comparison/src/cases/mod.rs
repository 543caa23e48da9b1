//! The figures, one a module.

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

use crate::pair::{Cores, Plan, compare};
use crate::report::{Row, Table, Target};
use crate::rounds::Rounds;
use crate::team::Stuck;
use clap::ValueEnum;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

/// What can be chosen on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Case {
    /// One writer and one reader on threads that poll.
    Bytes,
    /// One writer and one reader as tokio tasks.
    Tasks,
    /// Several writers to one reader.
    Records,
    /// Messages, sent and received as a whole, against channels of records.
    Messages,
    /// Values that are serialized, against vectors of serialized values.
    Typed,
    /// One writer to several readers that lose nothing.
    FanOut,
    /// What readers that may be overrun cost.
    Taps,
    /// Write and then read on one thread, where nobody waits.
    OneThread,
    /// There and back, where both wait.
    RoundTrip,
    /// What endpoints cost that do nothing.
    Idle,
}

impl Case {
    pub(crate) fn run(self, session: &Session) -> Table {
        match self {
            Self::Bytes => bytes::run(session),
            Self::Tasks => tasks::run(session),
            Self::Records => records::run(session),
            Self::Messages => messages::run(session),
            Self::Typed => typed::run(session),
            Self::FanOut => fan_out::run(session),
            Self::Taps => taps::run(session),
            Self::RoundTrip => round_trip::run(session),
            Self::Idle => idle::run(session),
            Self::OneThread => one_thread::run(session),
        }
    }
}

/// What was asked for.
pub(crate) struct Session {
    pub(crate) pairs: usize,
    pub(crate) sample: Duration,
    /// The only length of messages, if there is one.
    pub(crate) size: Option<usize>,
    /// What the name of a rival must contain.
    pub(crate) rival: Option<String>,
}

impl Session {
    /// Those of a case's lengths that were asked for.
    fn sizes(&self, sizes: &[usize]) -> Vec<usize> {
        let asked = |size: &usize| self.size.is_none_or(|only| only == *size);
        sizes.iter().copied().filter(asked).collect()
    }

    fn wants(&self, rival: &str) -> bool {
        self.rival.as_ref().is_none_or(|part| rival.contains(part))
    }

    fn plan(&self, cores: Cores) -> Plan {
        Plan { pairs: self.pairs, sample: self.sample, cores }
    }
}

/// A case in the making.
struct Sheet<'a> {
    session: &'a Session,
    cores: Cores,
    table: Table,
}

/// What a row is of.
struct Cell<'a> {
    name: String,
    rival: &'a str,
    size: usize,
    target: Option<Target>,
}

impl<'a> Sheet<'a> {
    fn new(
        session: &'a Session,
        cores: Cores,
        case: &'static str,
        title: &'static str,
        about: &'static str,
    ) -> Self {
        println!("\n{title}");
        Self {
            session,
            cores,
            table: Table { case, title, about, rows: Vec::new(), stuck: Vec::new() },
        }
    }

    /// Compares two contestants, unless the rival was not asked for. When one does not go on, there
    /// is a line that says so instead of a figure, and the rest can still be done.
    fn row<O: Rounds, T: Rounds>(
        &mut self,
        cell: Cell<'_>,
        ours: impl FnOnce() -> O,
        theirs: impl FnOnce() -> T,
    ) {
        if !self.session.wants(cell.rival) {
            return;
        }
        let plan = self.session.plan(self.cores);
        let run = AssertUnwindSafe(|| compare(plan, &mut ours(), &mut theirs()));
        let Cell { name, rival, size, target } = cell;
        let comparison = match catch_unwind(run) {
            Ok(comparison) => comparison,
            Err(panic) => match panic.downcast::<Stuck>() {
                Ok(stuck) => {
                    println!("{name}: {} did not go on; there is no figure", stuck.0);
                    self.table.stuck.push(format!("{name}, against {rival}: {}", stuck.0));
                    return;
                }
                Err(panic) => resume_unwind(panic),
            },
        };
        let row = Row { cell: name, rival: rival.into(), size, target, comparison };
        row.print();
        self.table.rows.push(row);
    }

    /// How many rows there are.
    fn rows(&self) -> usize {
        self.table.rows.len()
    }

    /// Judges ours by the best of the rivals since row `first`: the one against whom it looks worst.
    fn judge_best(&mut self, first: usize, target: Target) {
        let ratio = |row: &Row| row.comparison.ratio.map_or(f64::INFINITY, |ratio| ratio.median);
        let rows = &mut self.table.rows[first..];
        let best = rows.iter_mut().min_by(|one, other| ratio(one).total_cmp(&ratio(other)));
        if let Some(best) = best {
            best.target = Some(target);
            best.rival += " (the best)";
            best.print();
        }
    }
}
