//! Inputs and outputs for who has none at hand.

use crate::ends::{End, Sink, Source};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

const DURATION: Duration = Duration::from_secs(10);
/// When the slow output is slow, and how long it then takes for each slice.
const SLOW: Range<Duration> = Duration::from_secs(3)..Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(20);
const TEXT: &str = "writers wait for the slow, readers for the new, and nobody waits for the tap";

/// Three inputs: of so many bytes each, or for [`DURATION`].
pub(crate) fn inputs(bytes: Option<usize>) -> Vec<End<Source>> {
    let until = bytes.is_none().then(|| Instant::now() + DURATION);
    let input = |number| -> End<Source> {
        let lines = Lines { number, until, count: 0, line: Vec::new(), taken: 0 };
        let input = lines.take(bytes.map_or(u64::MAX, |bytes| bytes as u64));
        (format!("input {number}"), Box::new(|| Ok(Box::new(input))))
    };
    (1..=3).map(input).collect()
}

/// Two outputs that keep nothing.
pub(crate) fn outputs() -> Vec<End<Sink>> {
    let slow = Slow { started: Instant::now() };
    vec![
        ("swift".to_string(), Box::new(|| Ok(Box::new(io::sink())))),
        ("slow".to_string(), Box::new(|| Ok(Box::new(slow)))),
    ]
}

/// Numbered lines, without end or until a certain moment.
struct Lines {
    number: u32,
    until: Option<Instant>,
    count: u64,
    line: Vec<u8>,
    /// Bytes of `line` that have been read.
    taken: usize,
}

impl Read for Lines {
    fn read(&mut self, mut buffer: &mut [u8]) -> io::Result<usize> {
        if self.until.is_some_and(|until| Instant::now() >= until) {
            return Ok(0);
        }
        let length = buffer.len();
        while !buffer.is_empty() {
            if self.taken == self.line.len() {
                self.line.clear();
                self.taken = 0;
                self.count += 1;
                let (count, number) = (self.count, self.number);
                writeln!(self.line, "input {number}, line {count}: {TEXT}")?;
            }
            self.taken += buffer.write(&self.line[self.taken..])?;
        }
        Ok(length)
    }
}

/// Takes everything, and sometimes its time.
struct Slow {
    started: Instant,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if SLOW.contains(&self.started.elapsed()) {
            thread::sleep(PAUSE);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
