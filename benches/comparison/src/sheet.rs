//! A case in the making: compares ours with one rival after the other, and shows each row.

use crate::Options;
use crate::cases::Case;
use crate::drivers::{Stuck, Team};
use crate::endpoints::Setup;
use crate::pair::{Comparison, compare};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// One comparison, and what it is of.
pub(crate) struct Row {
    /// What was done, such as the length of the messages.
    pub(crate) cell: String,
    pub(crate) rival: String,
    /// The bytes of a message, for the throughput.
    pub(crate) size: usize,
    /// What the ratio is to be at least, if anything was promised.
    pub(crate) target: Option<f64>,
    pub(crate) comparison: Comparison,
}

/// All rows of a case.
pub(crate) struct Sheet<'a> {
    options: &'a Options,
    pub(crate) case: &'static Case,
    pub(crate) rows: Vec<Row>,
    /// Of what there is no row, since somebody did not go on.
    pub(crate) stuck: Vec<String>,
}

/// Rows of one kind. The best of their rivals may be what ours is judged by.
pub(crate) struct Group<'s, 'a> {
    sheet: &'s mut Sheet<'a>,
    name: String,
    setup: Setup,
    first: usize,
    ours: Box<dyn Fn(Setup) -> Team>,
    target: Option<f64>,
}

impl<'a> Sheet<'a> {
    pub(crate) fn new(options: &'a Options, case: &'static Case) -> Self {
        println!("\n{}", case.title);
        Self { options, case, rows: Vec::new(), stuck: Vec::new() }
    }

    /// Begins a group. The name says what is done, such as the length of the messages.
    pub(crate) fn group<'s>(
        &'s mut self,
        name: String,
        setup: Setup,
        ours: impl Fn(Setup) -> Team + 'static,
    ) -> Group<'s, 'a> {
        let first = self.rows.len();
        Group { sheet: self, name, setup, first, ours: Box::new(ours), target: None }
    }
}

impl Group<'_, '_> {
    /// From here on another of ours takes part.
    pub(crate) fn ours(&mut self, ours: impl Fn(Setup) -> Team + 'static) -> &mut Self {
        self.ours = Box::new(ours);
        self
    }

    /// The ratio that the next row is to reach.
    pub(crate) fn goal(&mut self, ratio: impl Into<Option<f64>>) -> &mut Self {
        self.target = ratio.into();
        self
    }

    /// Compares ours with a rival, if that was asked for. When one does not go on, there is a line
    /// that says so instead of a figure, and the rest can still be done.
    pub(crate) fn against(&mut self, rival: &str, theirs: impl Fn(Setup) -> Team) -> &mut Self {
        let Self { sheet, name, setup, ours, target, .. } = self;
        let target = target.take();
        if !rival.contains(&sheet.options.rival) {
            return self;
        }
        let run = || {
            let ours = ours(Setup { name: "ours", ..*setup });
            let theirs = theirs(Setup { name: rival.to_owned().leak(), ..*setup });
            compare(sheet.options.plan, setup.size, &ours, &theirs)
        };
        let result = catch_unwind(AssertUnwindSafe(run));
        match result.map_err(|panic| panic.downcast::<Stuck>()) {
            Ok(comparison) => {
                let (cell, rival) = (name.clone(), rival.to_owned());
                let row = Row { cell, rival, size: setup.size, target, comparison };
                row.print();
                sheet.rows.push(row);
            }
            Err(Ok(stuck)) => {
                println!("{name}: {} did not go on; there is no figure", stuck.0);
                sheet.stuck.push(format!("{name}, against {rival}: {}", stuck.0));
            }
            Err(Err(panic)) => resume_unwind(panic),
        }
        self
    }

    /// Judges ours by the best of the group's rivals so far: the one against whom it looks worst.
    pub(crate) fn best(&mut self, target: f64) -> &mut Self {
        let ratio = |row: &Row| row.comparison.ratio.map_or(f64::INFINITY, |spread| spread[2]);
        let rows = &mut self.sheet.rows[self.first..];
        if let Some(best) = rows.iter_mut().min_by(|a, b| ratio(a).total_cmp(&ratio(b))) {
            best.target = Some(target);
            best.rival += " (the best)";
            best.print();
        }
        self
    }
}
