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

use clap::Parser;
use overfall::pump::Pump;
use overfall::spool::{Spool, SpoolReader};
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

/// Serves a file or standard input on a port of this machine, from the first byte on
///
/// Each client that connects gets everything, and then what comes, until the input ends. The program goes
/// on serving after that, until it is stopped. If reading the input fails, standard error says so, and
/// clients are cut off behind the last byte.
#[derive(Parser)]
#[command(name = "relay")]
struct Args {
    /// What to serve; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    input: PathBuf,

    /// The port to listen on; 0 takes a free one. Standard error says which
    #[arg(short, long, value_name = "PORT", default_value_t = 0)]
    port: u16,
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
    let spool = Spool::memory();
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
        let reader = spool.reader().map_err(io::Error::other)?;
        thread::spawn(move || {
            let name = client.peer_addr().map_or("a client".into(), |address| address.to_string());
            match serve(reader, client) {
                Ok(bytes) => eprintln!("relay: {name} has got {bytes} bytes"),
                Err(error) => eprintln!("relay: {name}: {error}"),
            }
        });
    }
    Ok(())
}

/// Writes what there is to `client`, and what comes, until the end. Tells how many bytes.
fn serve(reader: SpoolReader, mut client: TcpStream) -> io::Result<u64> {
    let mut reader = reader.blocking();
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(reader.get_ref().position());
        }
        let written = client.write(bytes)?;
        reader.consume(written);
    }
}

fn named(path: &std::path::Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
