//! A plot of each case: a bar for each row, from 1 to the ratio, on a logarithmic scale.

use crate::pair::Spread;
use crate::report::{Row, Table};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::io;
use std::path::Path;

const WIDTH: u32 = 1000;
const LABELS: i32 = 430;
const RIGHT: i32 = 60;
const TOP: i32 = 50;
const LINE: i32 = 18;
const FONT: &str = "sans-serif";
const BETTER: RGBColor = RGBColor(70, 130, 180);
const WORSE: RGBColor = RGBColor(205, 110, 80);

/// Where a ratio is, from left to right.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    /// Room for all of them and for 1.
    fn of(rows: &[Row]) -> Self {
        let spreads = || rows.iter().filter_map(|row| row.comparison.ratio);
        let least = spreads().map(|spread| spread.lower).fold(0.5, f64::min);
        let most = spreads().map(|spread| spread.upper).fold(2.0, f64::max);
        Self { least: least / 1.1, most: most * 1.1 }
    }

    fn place(&self, ratio: f64) -> i32 {
        let part = (ratio / self.least).ln() / (self.most / self.least).ln();
        let room = f64::from(WIDTH as i32 - LABELS - RIGHT);
        LABELS + (part.clamp(0.0, 1.0) * room) as i32
    }

    /// The figures of the axis that lie on it.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        let all = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];
        all.into_iter().filter(|tick| (self.least..=self.most).contains(tick))
    }
}

/// Draws a table; does nothing for one without rows.
pub(crate) fn draw(file: &Path, table: &Table) -> io::Result<()> {
    try_to_draw(file, table).map_err(|error| io::Error::other(error.to_string()))
}

type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

fn try_to_draw<'a>(file: &'a Path, table: &Table) -> Result<(), Failure<'a>> {
    if table.rows.is_empty() {
        return Ok(());
    }
    let scale = Scale::of(&table.rows);
    let bottom = TOP + LINE * table.rows.len() as i32;
    let area = SVGBackend::new(file, (WIDTH, (bottom + 12) as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!("{}: ours / rival, throughput", table.case.title);
    area.draw(&Text::new(title, (8, 8), (FONT, 19).into_font().color(&BLACK)))?;
    let small = (FONT, 14).into_font();
    let above = small.color(&BLACK).pos(Pos::new(HPos::Center, VPos::Bottom));
    for tick in scale.ticks() {
        let x = scale.place(tick);
        let color = if tick == 1.0 { BLACK } else { RGBColor(210, 210, 210) };
        area.draw(&PathElement::new(vec![(x, TOP), (x, bottom)], color))?;
        area.draw(&Text::new(tick.to_string(), (x, TOP - 4), above.clone()))?;
    }
    let left = small.color(&BLACK).pos(Pos::new(HPos::Right, VPos::Center));
    let right = small.color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    for (number, row) in table.rows.iter().enumerate() {
        let y = TOP + LINE * number as i32 + LINE / 2;
        let label = format!("{} – {}", row.cell, row.rival);
        area.draw(&Text::new(label, (LABELS - 8, y), left.clone()))?;
        let Some(Spread { lower, median, upper, .. }) = row.comparison.ratio else { continue };
        let color = if median >= 1.0 { BETTER } else { WORSE };
        let (from, to) = (scale.place(median.min(1.0)), scale.place(median.max(1.0)));
        area.draw(&Rectangle::new([(from, y - 5), (to, y + 5)], color.filled()))?;
        let quartiles = vec![(scale.place(lower), y), (scale.place(upper), y)];
        area.draw(&PathElement::new(quartiles, BLACK))?;
        let end = to.max(scale.place(upper)) + 6;
        area.draw(&Text::new(format!("{median:.2}"), (end, y), right.clone()))?;
    }
    area.present()?;
    Ok(())
}
