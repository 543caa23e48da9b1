//! Rows of the results, in Markdown: ours is compared with one rival after the other.

use crate::Options;
use crate::drivers::{Stuck, Team};
use crate::endpoints::Setup;
use crate::pair::{Comparison, Spread, compare};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub(crate) const HEAD: &str = "\
| what | rival | ratio | quartiles | from – to | pairs kept | target | ours / theirs | apart |
|---|---|---|---|---|---|---|---|---|";

/// Rows of one kind, which are shown when they are all there. The best of their rivals may be what
/// ours is judged by.
pub(crate) struct Group<'a> {
    options: &'a Options,
    /// What is done, such as the length of the messages.
    name: String,
    setup: Setup,
    ours: Box<dyn Fn(Setup) -> Team>,
    /// What the next row is to reach.
    target: Option<f64>,
    rows: Vec<Row>,
}

struct Row {
    rival: String,
    target: Option<f64>,
    /// Who did not go on, instead of a figure.
    comparison: Result<Comparison, Stuck>,
}

impl Options {
    /// Begins a group: ours makes the endpoints, and one of the [`drivers`](crate::drivers) lets
    /// them work.
    pub(crate) fn group<E>(
        &self,
        name: String,
        setup: Setup,
        driver: impl Fn(Setup, E) -> Team + 'static,
        ours: impl Fn(Setup) -> E + 'static,
    ) -> Group<'_> {
        let ours = Box::new(move |setup| driver(setup, ours(setup)));
        Group { options: self, name, setup, ours, target: None, rows: Vec::new() }
    }
}

impl Group<'_> {
    /// From here on another of ours takes part.
    pub(crate) fn ours<E>(
        &mut self,
        driver: impl Fn(Setup, E) -> Team + 'static,
        ours: impl Fn(Setup) -> E + 'static,
    ) -> &mut Self {
        self.ours = Box::new(move |setup| driver(setup, ours(setup)));
        self
    }

    /// The ratio that the next row is to reach.
    pub(crate) fn goal(&mut self, ratio: impl Into<Option<f64>>) -> &mut Self {
        self.target = ratio.into();
        self
    }

    /// Compares ours with a rival, if that was asked for. When one does not go on, that is said
    /// instead of a figure, and the rest can still be done.
    pub(crate) fn against<E>(
        &mut self,
        rival: &str,
        driver: impl Fn(Setup, E) -> Team,
        theirs: impl Fn(Setup) -> E,
    ) -> &mut Self {
        let target = self.target.take();
        if rival.contains(&self.options.rival) {
            let run = || {
                let ours = (self.ours)(Setup { name: "ours", ..self.setup });
                let setup = Setup { name: rival.to_owned().leak(), ..self.setup };
                compare(self.options.plan, setup.size, &ours, &driver(setup, theirs(setup)))
            };
            let comparison = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
                *panic.downcast::<Stuck>().unwrap_or_else(|panic| resume_unwind(panic))
            });
            self.rows.push(Row { rival: rival.into(), target, comparison });
        }
        self
    }

    /// Judges ours by the best of the group's rivals so far: the one against whom it looks worst.
    pub(crate) fn best(&mut self, target: f64) -> &mut Self {
        let ratio = |row: &Row| match row.comparison {
            Ok(Comparison { ratio: Some([_, _, median, ..]), .. }) => median,
            _ => f64::INFINITY,
        };
        if let Some(best) = self.rows.iter_mut().min_by(|a, b| ratio(a).total_cmp(&ratio(b))) {
            best.target = Some(target);
            best.rival += " (the best)";
        }
        self
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        for row in &self.rows {
            println!("| {} | {} |", self.name, row.cells(self.setup.size));
        }
    }
}

impl Row {
    fn cells(&self, size: usize) -> String {
        let rival = &self.rival;
        let comparison = match &self.comparison {
            Ok(comparison) => comparison,
            Err(stuck) => {
                return format!("{rival} | – | – | – | – | {} did not go on | – | –", stuck.0);
            }
        };
        let Comparison { ratio, times, apart, kept, taken } = comparison;
        let Some([min, lower, median, upper, max]) = ratio else {
            return format!("{rival} | – | – | – | 0 of {taken} | nothing to judge | – | –");
        };
        let verdict = self.target.map_or(String::new(), |least| {
            format!("≥ {least:.2}: {}", if *median >= least { "met" } else { "**missed**" })
        });
        let [ours, theirs] =
            times.map(|ns| format!("{} ({:.0} MB/s)", time(ns), size as f64 * 1e3 / ns));
        format!(
            "{rival} | {median:.2} | {lower:.2} – {upper:.2} | {min:.2} – {max:.2} | \
             {kept} of {taken} | {verdict} | {ours} / {theirs} | {}",
            apart.as_ref().map_or("–".into(), distance)
        )
    }
}

/// One figure, or two if the cores moved.
fn distance([least, _, median, _, most]: &Spread) -> String {
    if *most <= least * 1.5 {
        time(*median)
    } else {
        format!("{} – {}", time(*least), time(*most))
    }
}

fn time(ns: f64) -> String {
    match ns {
        ..1e3 => format!("{ns:.1} ns"),
        ..1e6 => format!("{:.2} µs", ns / 1e3),
        _ => format!("{:.2} ms", ns / 1e6),
    }
}

/// So many of something in words.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The length of a message in words.
pub(crate) fn length(size: usize) -> String {
    if size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) }
}
