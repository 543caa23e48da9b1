//! Overfall side by side with its rivals.
//!
//! ```sh
//! cargo run --release
//! cargo run --release -- bytes one-thread --pairs 9 --seconds 0.05
//! ```
//!
//! Without a choice of cases it does them all and writes `results/`; with one it only shows them,
//! unless it is told where to write.

mod cases;
mod contestants;
mod cores;
mod eventing;
mod events;
mod pair;
mod parties;
mod payload;
mod plot;
mod report;
mod results;
mod rounds;
mod tapping;
mod tasks;
mod team;
mod transport;

use cases::{Case, Session};
use clap::{Parser, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Compares Overfall with its rivals, ours and theirs in turn.
#[derive(Parser, Debug)]
struct Options {
    /// What to compare; everything if nothing is said.
    cases: Vec<Case>,
    /// How many pairs of samples each comparison takes.
    #[arg(long, default_value_t = 9)]
    pairs: usize,
    /// How long a sample takes.
    #[arg(long, default_value_t = 0.1)]
    seconds: f64,
    /// Only messages of so many bytes.
    #[arg(long)]
    size: Option<usize>,
    /// Only rivals whose name contains this.
    #[arg(long)]
    rival: Option<String>,
    /// Where the results are written; `results` beside the program's source if everything is run.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    let is_everything =
        options.cases.is_empty() && options.size.is_none() && options.rival.is_none();
    println!("{} cores", cores::count());
    let session = Session {
        pairs: options.pairs,
        sample: Duration::from_secs_f64(options.seconds),
        size: options.size,
        rival: options.rival,
    };
    let cases = match &options.cases[..] {
        [] => Case::value_variants(),
        chosen => chosen,
    };
    let tables: Vec<_> = cases.iter().map(|case| case.run(&session)).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    match options.out {
        Some(out) => results::write(&out, &tables),
        None if is_everything => results::write(&root.join("results"), &tables),
        None => Ok(()),
    }
}
