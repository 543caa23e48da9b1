//! Overfall side by side with its rivals.
//!
//! ```sh
//! cargo run --release | tee results/PROCESSOR.md
//! cargo run --release -- bytes one-thread --pairs 9 --seconds 0.05
//! cargo run -- --pairs 1 --seconds 0.001 # only checks that all contestants work
//! ```
//!
//! # To add a rival
//!
//! 1. `Cargo.toml`: the crate, with its reason.
//! 2. `rivals/NAME.rs`, and its line in `rivals/mod.rs`: a function from a [`Setup`](endpoints::Setup)
//!    to the [`Ends`](endpoints::Ends) of a channel, which are closures that send and receive.
//!    `rivals/rtrb.rs` shows that. A channel of `T` only names its calls, as `rivals/flume.rs`, and
//!    for tasks as well, as `rivals/kanal.rs`.
//! 3. A line `.against("NAME", threads, NAME::new)`, or with another of the [`drivers`], in each
//!    case in which it takes part.
//!
//! # To add a case
//!
//! `cases/NAME.rs`, with its `RUNS`; `cases/NAME.md`, with the title and what is measured; and its two
//! lines in `cases/mod.rs`. A run begins a [group](Options::group) with ours, and names the goals, the
//! rivals and the driver.

mod cases;
mod cores;
mod counted;
mod drivers;
mod endpoints;
mod event;
mod message;
mod ours;
mod pair;
mod rivals;
mod sheet;

use clap::Parser;
use std::process::Command;
use std::{env, fs};

/// Compares Overfall with its rivals, ours and theirs in turn, and writes a page of Markdown.
#[derive(Parser)]
pub(crate) struct Options {
    /// What to compare; everything if nothing is said.
    #[arg(value_parser = Vec::from_iter(cases::ALL.iter().map(|case| case.name)))]
    cases: Vec<String>,
    #[command(flatten)]
    plan: pair::Plan,
    /// Only messages of so many bytes.
    #[arg(long)]
    size: Option<usize>,
    /// Only rivals whose name contains this.
    #[arg(long, default_value = "")]
    rival: String,
}

fn main() {
    if drivers::write_if_child().expect("somebody reads") {
        return;
    }
    overfall::prepare();
    if counted::count_if_asked() {
        return;
    }
    let options = Options::parse();
    println!("{}\n{}", include_str!("head.md"), circumstances());
    let is_chosen =
        |name: &&str| options.cases.is_empty() || options.cases.iter().any(|c| c == name);
    for case in cases::ALL.iter().filter(|case| is_chosen(&case.name)) {
        println!("\n{}\n{}", case.about, sheet::HEAD);
        for (size, run) in case.runs {
            if options.size.is_none_or(|only| only == *size) {
                run(&options, *size);
            }
        }
    }
}

/// The model of the processor, where the system tells it.
fn processor() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown", |(_, model)| model).to_owned()
}

/// The machine, the day, the command, the compiler, the versions.
fn circumstances() -> String {
    let model = processor();
    let arguments = Vec::from_iter(env::args().skip(1)).join(" ");
    let manifest = concat!("--manifest-path=", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    // Without this package, and without where they are.
    let tree = said_by("cargo", &["tree", "--depth=1", "--prefix=none", manifest]);
    let versions = tree.lines().skip(1).filter_map(|line| line.split(" (").next());
    let versions = Vec::from_iter(versions).join(", ");
    format!(
        "| | |\n|---|---|\n\
         | machine | {model}, {} cores |\n\
         | date | {} |\n\
         | command | `cargo run --release -- {arguments}` |\n\
         | compiler | {} |\n\
         | versions | {versions} |",
        cores::count(),
        said_by("date", &["-u", "+%F"]),
        said_by("rustc", &["--version"]),
    )
}

/// What a command of the system writes.
fn said_by(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    text.as_deref().unwrap_or("unknown").trim().to_owned()
}
