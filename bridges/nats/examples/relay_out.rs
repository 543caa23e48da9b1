//! Sends its input to another process, through a server of NATS: `relay_out SERVER SUBJECT [--weak] <INPUT`.
//!
//! A stream must store the subject. With `--weak` it goes by core NATS, and never waits: what is lost, the
//! other side is told. `relay_in` is the other side.

use overfall_nats::{Outlet, OutletProbe};
use std::error::Error;
use std::io;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (server, subject, is_weak) = match &arguments[..] {
        [server, subject] => (server, subject, false),
        [server, subject, weak] if weak == "--weak" => (server, subject, true),
        _ => return Err("relay_out SERVER SUBJECT [--weak] <INPUT".into()),
    };
    let client = overfall_nats::connect(server).await?;
    let (writer, reader) = overfall::pipe(1 << 20);
    let channel = reader.channel();
    let mut outlet = if is_weak {
        Outlet::new(client, subject, reader.into_weak())
    } else {
        Outlet::new(client, subject, reader)
    };
    // A thread of its own: reading the input may take as long as it likes.
    let input = std::thread::spawn(move || {
        let mut writer = writer.blocking();
        let copied = io::copy(&mut io::stdin().lock(), &mut writer);
        if let Err(error) = copied {
            // The other side gets this in place of a clean end, unless it is gone.
            let _has_ended = writer.get_mut().fail(error);
        }
    });
    let probe = outlet.probe();
    let ended = tokio::select! {
        ended = outlet.run() => ended,
        () = show(&probe, &channel) => unreachable!("it is shown for ever"),
    };
    line(&probe, &channel);
    eprintln!();
    eprintln!("relay_out: {:?}", ended?);
    input.join().map_err(|_| "the input panicked")?;
    Ok(())
}

/// The live line.
async fn show(probe: &OutletProbe, channel: &overfall::WeakChannel) {
    loop {
        line(probe, channel);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn line(probe: &OutletProbe, channel: &overfall::WeakChannel) {
    let stats = probe.stats();
    let lag = channel.stats().readers.iter().map(|reader| reader.lag).max().unwrap_or(0);
    eprint!(
        "\rrelay_out: {} bytes published, {} acknowledged, lag {lag}, missed {}, refused {}   ",
        stats.published_bytes, stats.acknowledged_bytes, stats.missed_bytes, stats.refused
    );
}
