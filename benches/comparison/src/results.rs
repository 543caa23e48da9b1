//! The files of the results: one page of Markdown, which says how the figures came about, and plots.

use crate::cores;
use crate::plot;
use crate::report::Table;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

const HEAD: &str = "# Overfall side by side with its rivals

Made by `cargo run --release` in `benches/comparison`, which says what each rival is and how it is used.

The ratio is how many times as much ours gets done in the same time as the rival: more than 1 is
better for ours. Ours and the rival take samples in turn, in one process; the ratio is the median of
those of the pairs, and its quartiles and extremes are beside it. Where threads take part, how far
apart two cores are (the round trip of a cache line) is measured before, between and after the two
samples of a pair, and the pair is kept only if the three agree within 25 %. Each contestant of each
row was first checked: every byte of several laps. Every reader copies every message into a buffer
of its own, but for typed channels, where it looks at the fields in place. All rings are of 64 KiB;
ours takes granules of 64 bytes of that for each message.

Left out where they cannot do what is asked: sluice, piper, and tokio's duplex and simplex pass bytes
from one to one, among tasks; rtrb and nexus-logbuf do not wait as tasks do; selium-messaging's
endpoints have no calls but those that do, so it takes part among tasks and nowhere else. The readers
of tokio's broadcast and of outcry may lose messages, so they are found among the taps, and the former
where messages go by turns. Left out although they could: bbqueue with a notifier among tasks, and the
async forms of most channels of records, which are compared where several threads write. In each
group *the best* is the rival against whom ours does worst, and the target is for that one.
";

/// Writes the page and the plots.
pub(crate) fn write(place: &Path, tables: &[Table]) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let sections: Vec<String> = tables.iter().map(Table::markdown).collect();
    let page = format!("{HEAD}\n{}\n{}", circumstances(), sections.join("\n"));
    fs::write(place.join("README.md"), page)?;
    for table in tables {
        let file = place.join(format!("{}.svg", table.case.name));
        plot::draw(&file, table)?;
    }
    Ok(())
}

/// The machine, the day, the command, the compiler, the versions.
fn circumstances() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, model)| model);
    let mut text = String::from("| | |\n|---|---|\n");
    let lines = [
        ("machine", format!("{model}, {} cores", cores::count())),
        ("date", date()),
        ("command", command()),
        ("compiler", env!("COMPILER").into()),
        ("versions", versions()),
    ];
    for (name, value) in lines {
        text += &format!("| {name} | {value} |\n");
    }
    text
}

/// Today, in UTC.
fn date() -> String {
    let output = Command::new("date").args(["-u", "+%F"]).output();
    let date = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    date.as_deref().unwrap_or("unknown").trim().to_owned()
}

/// What was asked for, without where the results are to go.
fn command() -> String {
    let mut words = vec!["cargo run --release --".to_owned()];
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--out" {
            arguments.next();
        } else if !argument.starts_with("--out=") {
            words.push(argument);
        }
    }
    format!("`{}`", words.join(" ").trim_end_matches(" --"))
}

/// The packages that this program names itself, as the lock file has them.
fn versions() -> String {
    const NOT_MEASURED: [&str; 4] = ["clap", "core_affinity", "futures-util", "plotters"];
    let (manifest, lock) = (include_str!("../Cargo.toml"), include_str!("../Cargo.lock"));
    let dependencies = manifest.split("\n[").find_map(|part| part.strip_prefix("dependencies]"));
    let version = |line: &str| {
        let (name, _) = line.split_once(" = ").filter(|(name, _)| !NOT_MEASURED.contains(name))?;
        let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?.1;
        Some(format!("{name} {}", entry.split('"').next()?))
    };
    let versions = dependencies.unwrap_or_default().lines().filter_map(version);
    let is_there = |version: &String| cfg!(feature = "selium") || !version.starts_with("selium");
    versions.filter(is_there).collect::<Vec<_>>().join(", ")
}
