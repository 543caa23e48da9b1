//! Takes in a file or standard input, and serves it to any number of clients from the first byte on, while
//! it arrives and after:
//!
//! ```text
//! make 2>&1 | cargo run --release --example relay -- --port 4000 &
//! cat </dev/tcp/127.0.0.1/4000                                          as often as you like
//! ```
//!
//! A pump moves the input into a spool, on a thread of its own. Each client has a thread with a reader of
//! the spool, which lends the bytes to the socket where they lie. So a client that stands still holds up
//! neither the input nor the others, and one that comes late gets all the same.
//!
//! An input without an end needs a bound: with `--last` the spool keeps so many bytes, and clients are weak
//! readers of it. The input still waits for none of them, and who is too slow misses something.

mod bytes;

use bytes::parse_bytes;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use overfall::Blocking;
use overfall::pump::Pump;
use overfall::spool::{FileError, ReadError, Retain, Spool, SpoolReader};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

/// Serves a file or standard input on a port of this machine, from the first byte on
///
/// Each client that connects gets everything, and then what comes, until the input ends. The program goes
/// on serving after that, until it is stopped. If reading the input fails, standard error says so, and
/// clients are cut off behind the last byte.
///
/// Standard error has a line for each client that has gone: how many bytes it has got, and with --last how
/// many it has missed, because they were let go of before it came or before it took them.
#[derive(Parser)]
#[command(name = "relay")]
struct Args {
    /// What to serve: a file or a FIFO; `-` is standard input
    #[arg(default_value = "-")]
    input: PathBuf,

    /// The port to listen on; 0 takes a free one. Standard error says which
    #[arg(short, long, default_value_t = 0)]
    port: u16,

    /// Keep the bytes in a temporary file, which goes with the program, and not in memory
    #[arg(short, long)]
    file: bool,

    /// Keep the last so many bytes alone; K, M and G are understood. Nobody waits for a client that is
    /// too slow for that
    #[arg(short, long, value_name = "BYTES", value_parser = parse_bytes::<u64>)]
    last: Option<u64>,
}

impl Args {
    fn spool(&self) -> Result<Spool, FileError> {
        let retain = self.last.map_or(Retain::All, Retain::Last);
        let builder = Spool::builder().retain(retain);
        match self.file {
            true => builder.temp_file(),
            false => Ok(builder.build()?),
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    match relay(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn relay(args: &Args) -> io::Result<()> {
    let wrong = |error| Args::command().error(ErrorKind::ValueValidation, error).exit();
    let spool = match args.spool() {
        // Of the settings, `--last` alone has a value.
        Err(FileError::Build(error)) => wrong(format!("--last: {error}")),
        made => made?,
    };
    let input: Box<dyn Read + Send> = match args.input.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(&args.input).map_err(|error| named(&args.input, error))?),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))?;
    eprintln!("relay: listening on {}", listener.local_addr()?);

    let writer = spool.writer().map_err(io::Error::other)?;
    let pumping = Pump::new(input, writer).spawn()?;
    thread::spawn(move || match pumping.join() {
        Ok((pump, Ok(()))) => eprintln!("relay: the input has ended, {} bytes", pump.bytes_out()),
        Ok((pump, Err(error))) => eprintln!("relay: {error}, after {} bytes", pump.bytes_out()),
        // The panic has been shown.
        Err(_) => eprintln!("relay: the input is lost"),
    });

    for client in listener.incoming() {
        // A client that has gone already is no reason to end.
        let Ok(client) = client else { continue };
        // The same as a strong one, unless there is a bound.
        let reader = spool.weak_reader().map_err(io::Error::other)?;
        thread::spawn(move || attend(reader, client));
    }
    Ok(())
}

/// Serves `client` until the end, and tells what it has got and missed.
fn attend(reader: SpoolReader, client: TcpStream) {
    let name = client.peer_addr().map_or("a client".into(), |address| address.to_string());
    let (mut reader, mut got) = (reader.blocking(), 0);
    let result = serve(&mut reader, client, &mut got);
    let mut line = format!("relay: {name} has got {got} bytes");
    // All that lies before it is one or the other.
    let missed = reader.get_ref().position() - got;
    if missed > 0 {
        line += &format!(" and missed {missed}");
    }
    if let Err(error) = result {
        line += &format!(": {error}");
    }
    eprintln!("{line}");
}

/// Writes what there is to `client`, and what comes, until the end. Counts the bytes in `got`.
fn serve(
    reader: &mut Blocking<SpoolReader>,
    mut client: TcpStream,
    got: &mut u64,
) -> io::Result<()> {
    loop {
        let bytes = match reader.fill_buf() {
            // It goes on at the oldest byte that is kept.
            Err(error) if is_gap(&error) => continue,
            bytes => bytes?,
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let written = client.write(bytes)?;
        reader.consume(written);
        *got += written as u64;
    }
}

fn is_gap(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(error, Some(ReadError::Lagged { .. }))
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
