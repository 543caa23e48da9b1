//! Writes what `relay_out` sends to its output: `relay_in SERVER SUBJECT [NAME] >OUTPUT`.
//!
//! With a name it reads the stream that stores the subject, by a durable consumer of that name, and goes on
//! where it stopped when it is started again. Without one it gets what is published by core NATS meanwhile.

use overfall_nats::{Inlet, InletError, InletProbe};
use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (writer, reader) = overfall::pipe(1 << 20);
    let channel = reader.channel();
    let mut inlet = match &arguments[..] {
        [server, subject] => Inlet::core(overfall_nats::connect(server).await?, subject, writer),
        [server, subject, name] => {
            Inlet::durable(overfall_nats::connect(server).await?, subject, name, writer)
        }
        _ => return Err("relay_in SERVER SUBJECT [NAME] >OUTPUT".into()),
    };
    // A thread of its own: writing the output may take as long as it likes.
    let output = tokio::task::spawn_blocking(move || {
        let (mut reader, mut output) = (reader.blocking(), io::stdout().lock());
        while let Some(message) = reader.recv()? {
            output.write_all(&message)?;
        }
        output.flush()?;
        Ok::<_, Box<dyn Error + Send + Sync>>(reader.get_ref().missed())
    });
    let probe = inlet.probe();
    let ended = tokio::select! {
        ended = run(&mut inlet) => ended,
        () = show(&probe, &channel) => unreachable!("it is shown for ever"),
    };
    line(&probe, &channel);
    eprintln!();
    eprintln!("relay_in: {:?}", ended?);
    let missed = output.await?.map_err(|error| error.to_string())?;
    eprintln!("relay_in: missed {} messages, {} bytes", missed.messages, missed.bytes);
    Ok(())
}

/// An outlet that begins anew is told, and followed.
async fn run(inlet: &mut Inlet) -> Result<overfall_nats::Ended, InletError> {
    loop {
        match inlet.run().await {
            Err(error @ InletError::EpochBroken { .. }) => eprintln!("\nrelay_in: {error}"),
            ended => return ended,
        }
    }
}

/// The live line.
async fn show(probe: &InletProbe, channel: &overfall::WeakChannel) {
    loop {
        line(probe, channel);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn line(probe: &InletProbe, channel: &overfall::WeakChannel) {
    let stats = probe.stats();
    let lag = channel.stats().readers.iter().map(|reader| reader.lag).max().unwrap_or(0);
    eprint!(
        "\rrelay_in: {} bytes received, lag {lag}, missed {}, again {}   ",
        stats.received_bytes, stats.missed_bytes, stats.duplicates
    );
}
