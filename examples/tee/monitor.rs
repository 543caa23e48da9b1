//! What standard error shows.

use crate::{Args, Output};
use indicatif::{BinaryBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use overfall::WeakReader;
use std::cmp::Reverse;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the live line changes.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// How often a line is written instead, with `--plain` and off a terminal.
const PLAIN_TICK: Duration = Duration::from_secs(1);

/// How much the tap reads at a time, and how often in one look.
const READ: usize = 64 * 1024;
const READS: usize = 64;

/// Shows how it goes. Every so often it looks through the tap, and counts lines in what it finds
/// there; what it misses in between it estimates.
pub(crate) struct Monitor {
    tap: WeakReader,
    buffer: Vec<u8>,
    /// Bytes and lines that the tap has seen.
    seen: u64,
    lines: u64,
    bar: ProgressBar,
    plain: bool,
    started: Instant,
    /// When it was last shown, and what had gone through by then.
    shown: Instant,
    bytes: u64,
    /// Bytes per second, smoothed.
    rate: f64,
}

impl Monitor {
    pub(crate) fn new(mut tap: WeakReader, args: &Args) -> Self {
        // A gap is nothing to stop for here.
        tap.set_silent(true);
        let writes_stdout = match args.outputs.as_slice() {
            [] => !args.makes_outputs(),
            outputs => outputs.iter().any(|path| path == Path::new("-")),
        };
        // Off a terminal there is no live line, and a run would be silent to its end.
        let plain = args.plain || !io::stderr().is_terminal();
        let hides = plain || (writes_stdout && io::stdout().is_terminal());
        let target =
            if hides { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        Self {
            tap,
            buffer: vec![0; READ],
            seen: 0,
            lines: 0,
            bar,
            plain,
            started: Instant::now(),
            shown: Instant::now(),
            bytes: 0,
            rate: 0.0,
        }
    }

    /// Writes a line beside the live one.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    /// Counts the lines in what the tap finds, in so many reads at most.
    fn look(&mut self, reads: usize) {
        for _ in 0..reads {
            let Ok(read @ 1..) = self.tap.try_read(&mut self.buffer) else { return };
            self.seen += read as u64;
            self.lines += self.buffer[..read].iter().filter(|&&byte| byte == b'\n').count() as u64;
        }
    }

    /// How many of `bytes` the tap has missed. (Its `skipped_ring_bytes` are ring bytes, with padding.)
    fn missed(&self, bytes: u64) -> u64 {
        bytes.saturating_sub(self.seen + self.tap.stats().lag)
    }

    /// Shows how it goes, if it is time to. `bytes` have gone through so far.
    pub(crate) fn show(&mut self, bytes: u64, outputs: &[Output]) {
        let (tick, weight) = if self.plain { (PLAIN_TICK, 1.0) } else { (TICK, 0.3) };
        let elapsed = self.shown.elapsed();
        if elapsed < tick {
            return;
        }
        self.look(READS);
        let now = bytes.saturating_sub(self.bytes) as f64 / elapsed.as_secs_f64();
        self.rate += (now - self.rate) * weight;
        (self.bytes, self.shown) = (bytes, Instant::now());

        let lines_per_byte = self.lines as f64 / self.seen.max(1) as f64;
        let line = format!(
            "{}/s, {} lines/s, {}; tap missed {}; behind: {}",
            short(self.rate, 1024.0),
            short(self.rate * lines_per_byte, 1000.0),
            short(bytes as f64, 1024.0),
            short(self.missed(bytes) as f64, 1024.0),
            behind(bytes, outputs),
        );
        if self.plain {
            eprintln!("{line}");
        } else {
            self.bar.set_message(line);
            self.bar.tick();
        }
    }

    /// Tells how it went, and whether the outputs that came to their end agree.
    pub(crate) fn conclude(&mut self, bytes: u64, outputs: &[Output]) -> bool {
        self.look(usize::MAX);
        self.bar.finish_and_clear();
        let seconds = self.started.elapsed().as_secs_f64();
        eprintln!(
            "{} ({bytes} bytes) in {seconds:.1} s, {}/s; the tap saw {} lines and missed {}",
            BinaryBytes(bytes),
            BinaryBytes((bytes as f64 / seconds) as u64),
            HumanCount(self.lines),
            BinaryBytes(self.missed(bytes)),
        );
        for output in outputs {
            let (written, name) = (output.written(), &output.name);
            match output.checksum {
                Some(checksum) => eprintln!("{written:>16} bytes, crc32 {checksum:08x}: {name}"),
                None => eprintln!("{written:>16} bytes, cut short: {name}"),
            }
        }
        let checksums: Vec<u32> = outputs.iter().filter_map(|output| output.checksum).collect();
        let agree = checksums.windows(2).all(|pair| pair[0] == pair[1]);
        if checksums.len() > 1 {
            eprintln!("{}", if agree { "The checksums agree." } else { "THE CHECKSUMS DIFFER." });
        }
        agree
    }
}

/// How far behind each output is that still runs, the slowest first: what a narrow terminal cuts off
/// is what matters least.
fn behind(bytes: u64, outputs: &[Output]) -> String {
    let running = outputs.iter().filter(|output| output.is_running);
    let mut lags: Vec<_> = running
        .map(|output| (bytes.saturating_sub(output.written()), file_name(&output.name)))
        .collect();
    lags.sort_by_key(|&(lag, _)| Reverse(lag));
    let lags = lags.iter().map(|&(lag, name)| format!("{name} {}", short(lag as f64, 1024.0)));
    lags.collect::<Vec<_>>().join(", ")
}

/// A path without its folders.
fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(OsStr::to_str).unwrap_or(path)
}

/// An amount in four characters at most, such as `999`, `1.0K` and `23M`, so that all of the line fits on
/// 80 columns. Each unit is `base` times the one before.
fn short(mut amount: f64, base: f64) -> String {
    let mut units = ["", "K", "M", "G", "T", "P"].iter();
    let mut unit = units.next();
    while amount >= 999.5 {
        amount /= base;
        unit = units.next();
    }
    let unit = unit.copied().unwrap_or("E");
    let decimals = if amount < 9.95 && !unit.is_empty() { 1 } else { 0 };
    format!("{amount:.decimals$}{unit}")
}
