//! A plot of each case: a bar for each row, from 1 to the ratio, on a logarithmic scale.

use crate::sheet::Sheet;

const WIDTH: f64 = 1000.0;
const LABELS: f64 = 430.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 50.0;
const LINE: f64 = 18.0;
const TICKS: [f64; 11] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];

/// The text of an SVG file.
pub(crate) fn svg(sheet: &Sheet<'_>) -> String {
    let spreads = || sheet.rows.iter().filter_map(|row| row.comparison.ratio);
    // Room for all of them and for 1.
    let least = spreads().map(|[_, lower, ..]| lower).fold(0.5, f64::min) / 1.1;
    let most = spreads().map(|[.., upper, _]| upper).fold(2.0, f64::max) * 1.1;
    let place = |ratio: f64| {
        let part = (ratio / least).ln() / (most / least).ln();
        LABELS + part.clamp(0.0, 1.0) * (WIDTH - LABELS - RIGHT)
    };
    let bottom = TOP + LINE * sheet.rows.len() as f64;
    let title = format!("{}: ours / rival, throughput", sheet.case.title);
    let mut parts = vec![
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{}'",
            bottom + 12.0
        ),
        "font-family='sans-serif' font-size='14'>".into(),
        rectangle([0.0, WIDTH], [0.0, bottom + 12.0], "white"),
        format!("<text x='8' y='24' font-size='19'>{title}</text>"),
    ];
    for tick in TICKS.into_iter().filter(|tick| (least..=most).contains(tick)) {
        let x = place(tick);
        let color = if tick == 1.0 { "black" } else { "#d2d2d2" };
        parts.push(rectangle([x, x + 1.0], [TOP, bottom], color));
        parts.push(text([x, TOP - 4.0], "middle", tick.to_string()));
    }
    for (row, number) in sheet.rows.iter().zip(0..) {
        let middle = TOP + LINE * (f64::from(number) + 0.5);
        let label = format!("{} – {}", row.cell, row.rival);
        parts.push(text([LABELS - 8.0, middle + 5.0], "end", label));
        let Some([_, lower, median, upper, _]) = row.comparison.ratio else { continue };
        let color = if median >= 1.0 { "#4682b4" } else { "#cd6e50" };
        let bar = [median.min(1.0), median.max(1.0)].map(place);
        let quartiles = [lower, upper].map(place);
        parts.push(rectangle(bar, [middle - 5.0, middle + 5.0], color));
        parts.push(rectangle(quartiles, [middle, middle + 1.0], "black"));
        let end = bar[1].max(quartiles[1]) + 6.0;
        parts.push(text([end, middle + 5.0], "start", format!("{median:.2}")));
    }
    parts.push("</svg>\n".into());
    parts.join("\n")
}

fn rectangle([left, right]: [f64; 2], [top, bottom]: [f64; 2], color: &str) -> String {
    let (width, height) = (right - left, bottom - top);
    format!(
        "<rect x='{left:.0}' y='{top:.0}' width='{width:.0}' height='{height:.0}' fill='{color}'/>"
    )
}

fn text([x, y]: [f64; 2], anchor: &str, text: String) -> String {
    format!("<text x='{x:.0}' y='{y:.0}' text-anchor='{anchor}'>{text}</text>")
}
