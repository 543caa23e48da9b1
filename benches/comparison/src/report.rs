//! Rows, on the screen as they are finished and in the Markdown of the results.

use crate::cases::Case;
use crate::pair::Comparison;
use crate::sheet::{Row, Sheet};
use std::fmt::Write as _;

impl Row {
    fn cells(&self) -> [String; 8] {
        let Comparison { ratio, times, kept, taken } = self.comparison;
        let [mut median, mut quartiles, mut range] = [(); 3].map(|()| "–".to_owned());
        let mut verdict = "nothing to judge".to_owned();
        if let Some([min, lower, middle, upper, max]) = ratio {
            median = format!("{middle:.2}");
            quartiles = format!("{lower:.2} – {upper:.2}");
            range = format!("{min:.2} – {max:.2}");
            verdict = self.target.map_or(String::new(), |least| {
                let verdict = if middle >= least { "met" } else { "**missed**" };
                format!("≥ {least:.2}: {verdict}")
            });
        }
        let [ours, theirs] =
            times.map(|ns| format!("{} ({})", time(ns), throughput(self.size, ns)));
        let (cell, rival) = (self.cell.clone(), self.rival.clone());
        let (pairs, figures) = (format!("{kept} of {taken}"), format!("{ours} / {theirs}"));
        [cell, rival, median, quartiles, range, pairs, verdict, figures]
    }

    /// Shows the row on the screen.
    pub(crate) fn print(&self) {
        let [cell, rival, median, quartiles, range, pairs, verdict, figures] = self.cells();
        let verdict = verdict.replace('*', "");
        println!(
            "{cell:<26} {rival:<30} {median:>6}  [{quartiles}]  ({range})  {pairs:<8} \
             {verdict:<16} {figures}"
        );
    }
}

impl Sheet<'_> {
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
    if ns.is_nan() { "–".into() } else { format!("{:.0} MB/s", size as f64 * 1e3 / ns) }
}

/// So many of something in words.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The length of a message in words.
pub(crate) fn bytes(size: usize) -> String {
    if size < 1024 { format!("{size} B") } else { format!("{} KiB", size / 1024) }
}
