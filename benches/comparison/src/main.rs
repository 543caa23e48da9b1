//! Overfall side by side with its rivals.
//!
//! ```sh
//! cargo run --release
//! cargo run --release -- bytes one-thread --pairs 9 --seconds 0.05
//! ```
//!
//! Without a choice of cases it does them all and writes `results/`; with one it only shows them,
//! unless it is told where to write.
//!
//! # To add a rival
//!
//! 1. `Cargo.toml`: the crate, with its reason.
//! 2. `rivals/NAME.rs`, and its line in `rivals/mod.rs`: a function from a [`Setup`] to the [`Ends`]
//!    of a channel, which are closures that send and receive ([`Sender`], [`Receiver`]). For a
//!    channel of `T`, [`records`](endpoints::records) makes them; `rivals/flume.rs` shows that, and
//!    `rivals/rtrb.rs` a ring of bytes. For tasks, implement [`AsyncSender`] and [`AsyncReceiver`].
//! 3. A line `.against("NAME", |s| polling(s, NAME::new(s)))`, or with another of the [`drivers`], in
//!    each case in which it takes part.
//!
//! # To add a case
//!
//! `cases/NAME.rs`, with a [`Case`]: its name, what is measured, and a function that runs it; and its
//! two lines in `cases/mod.rs`. The function begins a [group](sheet::Sheet::group) with ours, names
//! the goal and the rivals, and says which of the [`drivers`] lets the endpoints work.
//!
//! [`Setup`]: endpoints::Setup
//! [`Ends`]: endpoints::Ends
//! [`Sender`]: endpoints::Sender
//! [`Receiver`]: endpoints::Receiver
//! [`AsyncSender`]: endpoints::AsyncSender
//! [`AsyncReceiver`]: endpoints::AsyncReceiver
//! [`Case`]: cases::Case

mod bytes;
mod cases;
mod cores;
mod drivers;
mod endpoints;
mod event;
mod message;
mod ours;
mod pair;
mod plot;
mod report;
mod results;
mod rivals;
mod sheet;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use std::path::{Path, PathBuf};

/// Compares Overfall with its rivals, ours and theirs in turn.
#[derive(Parser, Debug)]
pub(crate) struct Options {
    /// What to compare; everything if nothing is said.
    #[arg(value_parser = PossibleValuesParser::new(cases::ALL.iter().map(|case| case.choice())))]
    cases: Vec<String>,
    #[command(flatten)]
    plan: pair::Plan,
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
    overfall::prepare();
    let options = Options::parse();
    let is_everything =
        options.cases.is_empty() && options.size.is_none() && options.rival.is_none();
    println!("{} cores", cores::count());
    let is_chosen = |name: &str| options.cases.iter().any(|chosen| chosen == name);
    let chosen = cases::ALL.iter().filter(|case| options.cases.is_empty() || is_chosen(case.name));
    let tables: Vec<_> = chosen.map(|case| case.run(&options)).collect();
    let place = is_everything.then(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("results"));
    match options.out.or(place) {
        Some(out) => results::write(&out, &tables),
        None => Ok(()),
    }
}
