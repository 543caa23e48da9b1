//! Rows, on the screen as they are finished and in the Markdown of the results.

use crate::cases::Case;
use crate::pair::Comparison;
use std::fmt::Write as _;

/// What a ratio is to be, if anything was promised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Target {
    /// So many times as much as the rival in the same time.
    Ratio(f64),
    /// More than the rival.
    Faster,
    /// At most so many times the rival's time.
    Cost(f64),
}

impl Target {
    fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::Ratio(least) => ratio >= least,
            Self::Faster => ratio > 1.0,
            Self::Cost(most) => ratio * most >= 1.0,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Ratio(least) => format!("≥ {least}"),
            Self::Faster => "> 1".into(),
            Self::Cost(most) => format!("≥ {:.2} (time ≤ {most}×)", 1.0 / most),
        }
    }
}

/// One comparison, and what it is of.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was done, such as the length of the messages.
    pub(crate) cell: String,
    pub(crate) rival: String,
    /// The bytes of a message, for the throughput.
    pub(crate) size: usize,
    pub(crate) target: Option<Target>,
    pub(crate) comparison: Comparison,
}

/// All rows of a case.
pub(crate) struct Table {
    pub(crate) case: &'static Case,
    pub(crate) rows: Vec<Row>,
    /// Of what there is no row, since somebody did not go on.
    pub(crate) stuck: Vec<String>,
}

impl Row {
    fn cells(&self) -> [String; 8] {
        let Comparison { ratio, ours, theirs, kept, taken } = self.comparison;
        let (median, quartiles, range, verdict) = match ratio {
            None => ("–".into(), "–".into(), "–".into(), "nothing to judge".into()),
            Some(spread) => (
                format!("{:.2}", spread.median),
                format!("{:.2} – {:.2}", spread.lower, spread.upper),
                format!("{:.2} – {:.2}", spread.min, spread.max),
                self.target.map_or("".into(), |target| {
                    let verdict = if target.is_met(spread.median) { "met" } else { "**missed**" };
                    format!("{}: {verdict}", target.words())
                }),
            ),
        };
        let figures = |ns: f64| format!("{} ({})", time(ns), throughput(self.size, ns));
        [
            self.cell.clone(),
            self.rival.clone(),
            median,
            quartiles,
            range,
            format!("{kept} of {taken}"),
            verdict,
            format!("{} / {}", figures(ours), figures(theirs)),
        ]
    }

    /// Shows the row on the screen.
    pub(crate) fn print(&self) {
        let [cell, rival, median, quartiles, range, pairs, verdict, figures] = self.cells();
        let verdict = verdict.replace('*', "");
        println!(
            "{cell:<26} {rival:<30} {median:>6}  [{quartiles}]  ({range})  {pairs:<8} \
             {verdict:<28} {figures}"
        );
    }
}

impl Table {
    /// The section of the results.
    pub(crate) fn markdown(&self) -> String {
        let Case { name, title, about, .. } = self.case;
        let mut text = format!("## {title}\n\n{about}\n\n![{title}]({name}.svg)\n\n");
        text += "| what | rival | ratio | quartiles | from – to | pairs kept | target | ours / theirs |\n";
        text += "|---|---|---|---|---|---|---|---|\n";
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.cells().join(" | "));
        }
        for stuck in &self.stuck {
            let _ = write!(text, "\nNo figure of {stuck} did not go on.\n");
        }
        text
    }
}

fn time(ns: f64) -> String {
    match ns {
        _ if ns.is_nan() => "–".into(),
        ..1e3 => format!("{ns:.1} ns"),
        ..1e6 => format!("{:.2} µs", ns / 1e3),
        _ => format!("{:.2} ms", ns / 1e6),
    }
}

fn throughput(size: usize, ns: f64) -> String {
    if ns.is_nan() {
        return "–".into();
    }
    format!("{:.0} MB/s", size as f64 * 1e3 / ns)
}

/// So many of something in words.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The length of a message in words.
pub(crate) fn bytes(size: usize) -> String {
    if size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) }
}
