//! Sends its input to another process, through a server of NATS:
//! `relay_out SERVER SUBJECT [--weak | --spool FILE] <INPUT`.
//!
//! A stream must store the subject. With `--weak` it goes by core NATS, and never waits: what is lost, the
//! other side is told. With `--spool` the input is kept in a file, and goes from there: a process that is started
//! again with the same file adds its input to it, and goes on with the first byte that was not stored. `relay_in` is
//! the other side.

use overfall::WeakChannel;
use overfall::spool::{FileError, Spool};
use overfall_nats::{Ended, Outlet, OutletError, OutletProbe, SpoolOutlet};
use std::error::Error;
use std::io;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(|each| &**each).collect::<Vec<_>>()[..] {
        [server, subject] => through_a_ring(server, subject, false).await,
        [server, subject, "--weak"] => through_a_ring(server, subject, true).await,
        [server, subject, "--spool", file] => from_a_file(server, subject, file).await,
        _ => Err("relay_out SERVER SUBJECT [--weak | --spool FILE] <INPUT".into()),
    }
}

async fn through_a_ring(server: &str, subject: &str, is_weak: bool) -> Result<(), Box<dyn Error>> {
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
    show_while(outlet.run(), &probe, || lag_of(&channel)).await?;
    input.join().map_err(|_| "the input panicked")?;
    Ok(())
}

fn lag_of(channel: &WeakChannel) -> u64 {
    channel.stats().readers.iter().map(|reader| reader.lag).max().unwrap_or(0)
}

async fn from_a_file(server: &str, subject: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let client = overfall_nats::connect(server).await?;
    let is_there = std::path::Path::new(file).exists();
    let made = if is_there { Spool::builder().resume(file) } else { Spool::create(file) };
    let (spool, writer) = match made {
        // All of the input was there when the process was killed that read it.
        Err(FileError::Finished { .. }) => (Spool::open(file)?, None),
        made => {
            let spool = made?;
            let writer = spool.writer()?;
            (spool, Some(writer))
        }
    };
    // The file's name stands for what is in it.
    let mut outlet = SpoolOutlet::new(client, subject, file, spool.reader()?);
    let input = std::thread::spawn(move || {
        let Some(mut writer) = writer else { return Ok(()) };
        // If it fails, the writer is dropped, and fails the stream.
        io::copy(&mut io::stdin().lock(), &mut writer)?;
        writer.finish()?;
        Ok(())
    });
    let probe = outlet.probe();
    show_while(outlet.run(), &probe, || spool.len() - probe.stats().position).await?;
    let written: Result<(), Box<dyn Error + Send + Sync>> =
        input.join().map_err(|_| "the input panicked")?;
    written.map_err(|error| error as Box<dyn Error>)
}

/// The live line, until the outlet ends.
async fn show_while(
    run: impl Future<Output = Result<Ended, OutletError>>,
    probe: &OutletProbe,
    lag: impl Fn() -> u64,
) -> Result<(), OutletError> {
    let show = async {
        loop {
            line(probe, lag());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let ended = tokio::select! {
        ended = run => ended,
        () = show => unreachable!("it is shown for ever"),
    };
    line(probe, lag());
    eprintln!();
    eprintln!("relay_out: {:?}", ended?);
    Ok(())
}

fn line(probe: &OutletProbe, lag: u64) {
    let stats = probe.stats();
    eprint!(
        "\rrelay_out: {} bytes published, {} acknowledged, lag {lag}, missed {}, refused {}   ",
        stats.published_bytes, stats.acknowledged_bytes, stats.missed_bytes, stats.refused
    );
}
