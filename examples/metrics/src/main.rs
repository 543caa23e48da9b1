//! The metrics of two channels on a page of Prometheus:
//!
//! ```text
//! cargo run --release --manifest-path examples/metrics/Cargo.toml
//! ```
//!
//! One channel makes its writer wait, the other one drops what there is no room for. Each is
//! recorded every ten milliseconds. The page is printed at the end. A server prints nothing and answers
//! requests with `exporter.render()`; the exporter's feature `http-listener` brings one.

use metrics_exporter_prometheus::PrometheusBuilder;
use overfall::{Backpressure, Channel};
use std::error::Error;
use std::io::Read;
use std::time::Duration;
use std::{io, thread};

const RECORDS: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    // First of all: what is recorded without an exporter is lost.
    let exporter = PrometheusBuilder::new().with_recommended_naming(true).install_recorder()?;
    let builder = Channel::builder().size(64 * 1024);
    let channels = [
        builder.clone().name("orders").backpressure(Backpressure::Block).build()?,
        builder.name("quotes").backpressure(Backpressure::Drop).build()?,
    ];

    let mut threads = Vec::new();
    for channel in channels {
        let mut metrics = channel.metrics();
        threads.push(thread::spawn(move || {
            while metrics.record() {
                thread::sleep(Duration::from_millis(10));
            }
            Ok(())
        }));
        let mut writer = channel.new_writer().blocking();
        let mut reader = channel.new_strong_reader().blocking();
        let mut tap = channel.new_weak_reader();
        threads.push(thread::spawn(move || -> io::Result<()> {
            for number in 0..RECORDS {
                io::Write::write_all(&mut writer, &number.to_be_bytes())?;
            }
            Ok(())
        }));
        threads.push(thread::spawn(move || {
            while reader.read(&mut [0; 4096])? > 0 {}
            // It has missed all but the last ring.
            tap.try_read(&mut [0; 8]).map(drop).or(Ok(()))
        }));
    }
    for thread in threads {
        thread.join().expect("no thread panics")?;
    }
    print!("{}", exporter.render());
    Ok(())
}
