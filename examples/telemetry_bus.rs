//! A telemetry bus: several services send typed events into one ring, at their own pace. A strong
//! reader records every one of them in a file; a weak one, slow as a terminal is, shows what it can
//! keep up with, and says what it missed and of whom. It slows nobody down.
//!
//! ```text
//! cargo run --release --features rkyv --example telemetry_bus [FILE]
//! ```

use overfall::typed::{Channel, Reader, RecvError, Writer};
use overfall::{Blocking, Missed, StrongReader, StrongWriter, WeakReader};
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

#[derive(Archive, Serialize, Deserialize, Debug)]
enum Event {
    Started { service: String },
    Sample { celsius: f64, channels: Vec<u16> },
    Warning(String),
    Stopped { samples: u64 },
}

/// Sends its events, and is done.
fn serve(
    mut bus: Writer<Event, Blocking<StrongWriter>>,
    name: &str,
    pace: Duration,
    samples: u64,
) -> io::Result<u64> {
    bus.send(&Event::Started { service: name.into() })?;
    let mut warnings = 0;
    for number in 0..samples {
        let celsius = 20.0 + (number as f64 / 100.0).sin();
        bus.send(&Event::Sample { celsius, channels: vec![number as u16; 8] })?;
        if number % 1000 == 999 {
            bus.send(&Event::Warning(format!("{name}: {number} samples, calibrate")))?;
            warnings += 1;
        }
        if !pace.is_zero() {
            thread::sleep(pace);
        }
    }
    bus.send(&Event::Stopped { samples })?;
    Ok(samples + warnings + 2)
}

/// Writes every event to a file, a line each; tells how many.
fn record(mut bus: Reader<Event, Blocking<StrongReader>>, path: &Path) -> io::Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut recorded = 0;
    while let Some(event) = bus.recv()? {
        assert!(event.header().missed.is_none(), "writers wait for us");
        let (writer, number) = (event.header().writer, event.header().sequence);
        match &*event {
            ArchivedEvent::Started { service } => {
                writeln!(file, "{writer} {number} {service} started")?
            }
            ArchivedEvent::Sample { celsius, channels } => {
                writeln!(file, "{writer} {number} {celsius} {:?}", channels.as_slice())?;
            }
            ArchivedEvent::Warning(text) => writeln!(file, "{writer} {number} warning: {text}")?,
            ArchivedEvent::Stopped { samples } => {
                writeln!(file, "{writer} {number} stopped: {samples}")?
            }
        }
        recorded += 1;
    }
    file.flush()?;
    Ok(recorded)
}

/// Shows what it can, and what it could not; tells how many events it saw.
fn show(mut bus: Reader<Event, Blocking<WeakReader>>) -> io::Result<(u64, Missed)> {
    let mut missed: BTreeMap<String, Missed> = BTreeMap::new();
    let mut seen = 0;
    loop {
        let event = match bus.recv() {
            Ok(Some(event)) => event,
            Ok(None) => break,
            // A gap. What was missed of whom, the next events tell.
            Err(RecvError::Lagged(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        seen += 1;
        let header = event.header();
        let text = match &*event {
            ArchivedEvent::Sample { celsius, .. } => format!("{celsius:.2} degrees"),
            _ => format!("{:?}", event.deserialize()?),
        };
        drop(event);
        let name =
            bus.get_ref().get_ref().writer_name(header.writer).unwrap_or_default().to_string();
        if !header.missed.is_none() {
            *missed.entry(name.clone()).or_default() += header.missed;
        }
        if seen % 20 == 1 {
            println!("live: {name}: {text}");
            for (name, missed) in std::mem::take(&mut missed) {
                println!(
                    "      {} events of {name} missed, {} bytes",
                    missed.messages, missed.bytes
                );
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok((seen, bus.get_ref().get_ref().missed()))
}

fn main() -> io::Result<()> {
    let kept = tempfile::NamedTempFile::new()?;
    let path = std::env::args_os().nth(1).map_or(kept.path().to_owned(), Into::into);

    let channel = Channel::<Event>::new(16 * 1024);
    let recorder = channel.new_strong_reader().blocking();
    let view = channel.new_weak_reader().blocking();
    let services = [("gps", 50, 4_000), ("engine", 0, 50_000), ("cabin", 1_000, 300)];
    let services = services.map(|(name, micros, samples)| {
        let bus = channel.new_strong_writer();
        // A receiver of an event of this writer finds the name by its number.
        bus.get_ref().set_name(name);
        let bus = bus.blocking();
        thread::spawn(move || serve(bus, name, Duration::from_micros(micros), samples))
    });
    // Without the handle, the bus drains when the last service is done.
    drop(channel);

    let recording = thread::spawn(move || record(recorder, &path).map(|count| (count, path)));
    let showing = thread::spawn(move || show(view));
    let mut sent = 0;
    for service in services {
        sent += service.join().expect("a service does not panic")?;
    }
    let (recorded, path) = recording.join().expect("the recorder does not panic")?;
    let (seen, missed) = showing.join().expect("the view does not panic")?;
    println!("{sent} events sent, {recorded} recorded in {}", path.display());
    println!("{seen} seen live, {} missed, {} bytes", missed.messages, missed.bytes);
    assert_eq!((recorded, seen + missed.messages), (sent, sent));
    Ok(())
}
