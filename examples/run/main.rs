//! Runs a command, shows what it writes, and looks after it:
//!
//! ```text
//! cargo run --release --features process --example run -- --help
//! cargo run --release --features process --example run -- --log build.log -- cargo build
//! cargo run --release --features process --example run -- --timeout 30s --ready 'listening on' -- my-server
//! ```
//!
//! How it hangs together: the two outputs of the command share a ring, in the order in which they are read. It has
//! up to four consumers, which come and go as they like: the view shows lines (`view.rs`), the log gets every
//! byte, the tail keeps the last lines for the case of a failure, and somebody waits for the line that says that
//! the command is ready. The command waits for the first three when they are slow. The main task waits for the
//! command and for signals (`command.rs`).

mod command;
mod view;

use clap::Parser;
use regex::bytes::Regex;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Runs a command, shows what it writes, and looks after it
///
/// Its stdout goes to stdout and its stderr to stderr, live, by whole lines. On a terminal, what came by stderr is
/// red. Its stdin is empty.
#[derive(Parser)]
#[command(
    name = "run",
    after_help = "\
A first Ctrl-C, SIGTERM or SIGHUP is passed on to the command and to what it has started. A second one kills all \
of these.

When the command has ended, and something that it has started still has its outputs open, 3 s without a byte are \
waited for, and 30 s in all.

Exit status: that of the command, or 128 and the number of the signal that ended it; 124 if the time was up and the \
command ended well all the same; 125 if its status is unknown; 126 if it cannot be started, 127 if it is not there; \
1 if it ended well, but the log or the view failed."
)]
struct Args {
    /// After so long, the command is asked to end, and killed five seconds later: 500ms, 30s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// How many lines are shown again if the command fails
    #[arg(long, value_name = "LINES", default_value_t = 20)]
    tail: usize,

    /// Writes all that the command writes to this file, too
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Tells when a line matches this
    #[arg(long, value_name = "REGEX")]
    ready: Option<Regex>,

    /// The command, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// `30s`, `500ms`, `5m` or `1h`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    // `ms` before `s`, which it ends with.
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let unit = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)));
    let time = unit.and_then(|(digits, unit)| Some(digits.parse::<f64>().ok()? * unit));
    time.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "not a time: say, for example, 500ms, 30s, 5m or 1h".to_string())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    command::run(&args).await.unwrap_or_else(|error| {
        eprintln!("run: {error}");
        ExitCode::from(error.exit_code())
    })
}
