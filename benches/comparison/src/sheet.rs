//! A case in the making: compares ours with one rival after the other, and shows each row.

use crate::Options;
use crate::cases::Case;
use crate::cores;
use crate::drivers::{Contestant, Stuck};
use crate::endpoints::Setup;
use crate::pair::{Cores, compare};
use crate::report::{Row, Table, Target};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub(crate) struct Sheet<'a> {
    options: &'a Options,
    pub(crate) table: Table,
}

/// Rows of one kind. The best of their rivals may be what ours is judged by.
pub(crate) struct Group<'s, 'a> {
    sheet: &'s mut Sheet<'a>,
    name: String,
    cores: Cores,
    setup: Setup,
    first: usize,
    ours: Box<dyn Fn(Setup) -> Box<dyn Contestant> + Send + Sync>,
    goal: Option<Target>,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(options: &'a Options, case: &'static Case) -> Self {
        println!("\n{}", case.title);
        Self { options, table: Table { case, rows: Vec::new(), stuck: Vec::new() } }
    }

    pub(crate) fn wants(&self, size: usize) -> bool {
        self.options.size.is_none_or(|only| only == size)
    }

    /// Those of a case's lengths of messages that were asked for.
    pub(crate) fn sizes<const N: usize>(&self, sizes: [usize; N]) -> Vec<usize> {
        sizes.into_iter().filter(|&size| self.wants(size)).collect()
    }

    /// Begins a group. The name says what is done, such as the length of the messages.
    pub(crate) fn group<'s>(
        &'s mut self,
        name: String,
        cores: Cores,
        setup: Setup,
        ours: impl Fn(Setup) -> Box<dyn Contestant> + Send + Sync + 'static,
    ) -> Group<'s, 'a> {
        let (first, ours) = (self.table.rows.len(), Box::new(ours));
        Group { sheet: self, name, cores, setup, first, ours, goal: None }
    }
}

impl Group<'_, '_> {
    /// From here on another of ours takes part.
    pub(crate) fn ours(
        &mut self,
        ours: impl Fn(Setup) -> Box<dyn Contestant> + Send + Sync + 'static,
    ) -> &mut Self {
        self.ours = Box::new(ours);
        self
    }

    /// What the next row is to reach.
    pub(crate) fn goal(&mut self, goal: impl Into<Option<Target>>) -> &mut Self {
        self.goal = goal.into();
        self
    }

    /// Compares ours with a rival, if that was asked for. When one does not go on, there is a line
    /// that says so instead of a figure, and the rest can still be done.
    pub(crate) fn against(
        &mut self,
        rival: &'static str,
        theirs: impl FnOnce(Setup) -> Box<dyn Contestant> + Send,
    ) -> &mut Self {
        let Self { sheet, name, cores, setup, ours, goal, .. } = self;
        let (target, options) = (goal.take(), sheet.options);
        if options.rival.as_ref().is_some_and(|part| !rival.contains(part)) {
            return self;
        }
        let setup_of = |name| Setup { name, ..*setup };
        let run = || {
            let (mut ours, mut theirs) = (ours(setup_of("ours")), theirs(setup_of(rival)));
            compare(options.plan, *cores, setup.size, &mut *ours, &mut *theirs)
        };
        let run = || catch_unwind(AssertUnwindSafe(run));
        let result = if *cores == Cores::One { cores::pinned(run) } else { run() };
        match result.map_err(|panic| panic.downcast::<Stuck>()) {
            Ok(comparison) => {
                let (cell, rival) = (name.clone(), rival.into());
                let row = Row { cell, rival, size: setup.size, target, comparison };
                row.print();
                sheet.table.rows.push(row);
            }
            Err(Ok(stuck)) => {
                println!("{name}: {} did not go on; there is no figure", stuck.0);
                sheet.table.stuck.push(format!("{name}, against {rival}: {}", stuck.0));
            }
            Err(Err(panic)) => resume_unwind(panic),
        }
        self
    }

    /// Judges ours by the best of the group's rivals so far: the one against whom it looks worst.
    pub(crate) fn best(&mut self, goal: Target) -> &mut Self {
        let ratio = |row: &Row| row.comparison.ratio.map_or(f64::INFINITY, |ratio| ratio.median);
        let rows = &mut self.sheet.table.rows[self.first..];
        let best = rows.iter_mut().min_by(|one, other| ratio(one).total_cmp(&ratio(other)));
        if let Some(best) = best {
            best.target = Some(goal);
            best.rival += " (the best)";
            best.print();
        }
        self
    }
}
