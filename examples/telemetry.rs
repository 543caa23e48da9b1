//! A lossy telemetry tap on a busy pipe: one thread writes records, another reads them all, and a
//! weak reader takes a sample now and then, and holds up neither.
//!
//! ```text
//! cargo run --release --example telemetry
//! ```

use overfall::{Channel, WeakReader, error::TryReadError};
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// The length of a record. Each is one write, and so one slice: it is never torn, and a reader that was
/// overrun goes on at the start of one. It takes 64 bytes of the ring.
const LENGTH: usize = 24;

/// What the tap has found.
#[derive(Default)]
struct Sample {
    records: u64,
    /// The number that comes next, unless it is missed.
    next: u64,
}

impl Sample {
    /// Takes up to `most` records, fewer if there are no more yet.
    fn take(&mut self, tap: &mut WeakReader, most: usize) -> Result<(), TryReadError> {
        for _ in 0..most {
            let mut record = [0; LENGTH];
            match tap.try_read(&mut record) {
                Ok(0) | Err(TryReadError::Empty) => break,
                Ok(_) => {
                    let number: u64 = String::from_utf8_lossy(&record).trim().parse().unwrap();
                    assert!(number >= self.next, "in order");
                    self.records += 1;
                    self.next = number + 1;
                }
                // Said once for each gap; the next read goes on behind it.
                Err(TryReadError::Lagged(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let channel = Channel::new(64 * 1024);
    let mut writer = channel.new_writer().blocking();
    let mut reader = channel.new_strong_reader().blocking();
    let mut tap = channel.new_weak_reader();

    let producer = thread::spawn(move || {
        // Until the channel drains, and takes no more.
        (0u64..).find(|number| writer.write_all(format!("{number:LENGTH$}").as_bytes()).is_err())
    });
    let consumer = thread::spawn(move || io::copy(&mut reader, &mut io::sink()));

    let mut sample = Sample::default();
    for look in 1..=10 {
        thread::sleep(Duration::from_millis(50));
        sample.take(&mut tap, 100)?;
        let (Sample { records, next }, missed) = (&sample, tap.missed());
        println!(
            "look {look:2}: {records} of the first {next} records, {} missed by now",
            missed.messages
        );
    }
    channel.drain()?;
    let written = producer.join().unwrap().unwrap_or(0);
    let read = consumer.join().unwrap()? / LENGTH as u64;
    sample.take(&mut tap, usize::MAX)?;

    let (records, missed) = (sample.records, tap.missed());
    println!(
        "{written} records written, {read} read, {records} seen by the tap and {} missed",
        missed.messages
    );
    assert_eq!((read, sample.next), (written, written));
    assert_eq!(records + missed.messages, written);
    assert_eq!(
        (records + missed.messages) * LENGTH as u64,
        tap.stats().payload_bytes + missed.bytes
    );
    Ok(())
}
