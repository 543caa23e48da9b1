//! The files of the results: one page of Markdown, which says how the figures came about, and plots.

use crate::cores;
use crate::plot;
use crate::sheet::Sheet;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

/// Writes the page and the plots.
pub(crate) fn write(place: &Path, sheets: &[Sheet<'_>]) -> io::Result<()> {
    fs::create_dir_all(place)?;
    let sections = Vec::from_iter(sheets.iter().map(Sheet::markdown)).join("\n");
    let page = format!("{}\n{}\n{sections}", include_str!("head.md"), circumstances());
    fs::write(place.join("README.md"), page)?;
    for sheet in sheets {
        fs::write(place.join(format!("{}.svg", sheet.case.name)), plot::svg(sheet))?;
    }
    Ok(())
}

/// The machine, the day, the command, the compiler, the versions.
fn circumstances() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let arguments = Vec::from_iter(env::args().skip(1)).join(" ");
    let lines = [
        ("", String::new()),
        ("---", "---".into()),
        ("machine", format!("{model}, {} cores", cores::count())),
        ("date", said_by("date", &["-u", "+%F"])),
        (
            "command",
            format!("`{}`", format!("cargo run --release -- {arguments}").trim_end_matches(" -- ")),
        ),
        ("compiler", said_by("rustc", &["--version"])),
        ("versions", versions()),
    ];
    lines.map(|(name, value)| format!("| {name} | {value} |\n")).concat()
}

/// What a command of the system writes.
fn said_by(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    text.as_deref().unwrap_or("unknown").trim().to_owned()
}

/// The packages that this program names itself, as the lock file has them.
fn versions() -> String {
    const NOT_MEASURED: [&str; 3] = ["clap", "core_affinity", "futures-util"];
    let (manifest, lock) = (include_str!("../Cargo.toml"), include_str!("../Cargo.lock"));
    let dependencies = manifest.split("\n[").find_map(|part| part.strip_prefix("dependencies]"));
    let version = |line: &str| {
        let (name, _) = line.split_once(" = ").filter(|(name, _)| !NOT_MEASURED.contains(name))?;
        let is_there = cfg!(feature = "selium") || name != "selium-messaging";
        let entry = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?.1;
        is_there.then_some(format!("{name} {}", entry.split('"').next()?))
    };
    Vec::from_iter(dependencies.unwrap_or_default().lines().filter_map(version)).join(", ")
}
