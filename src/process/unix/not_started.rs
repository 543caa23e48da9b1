//! Why a program was not started: a look after the failure.

use crate::process::spawn_error::SpawnError;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Looks for the reason why `command` was not started.
pub(in crate::process) fn not_started(command: &Command, source: io::Error) -> SpawnError {
    let program = PathBuf::from(command.get_program());
    if !matches!(
        source.raw_os_error(),
        Some(
            libc::ENOENT
                | libc::ENOTDIR
                | libc::EACCES
                | libc::ELOOP
                | libc::ENAMETOOLONG
                | libc::ENOEXEC
        )
    ) {
        return SpawnError::System { program, source };
    }
    if let Some(directory) = command.get_current_dir().filter(|directory| !can_enter(directory)) {
        return SpawnError::Directory { directory: directory.into(), source };
    }
    let Some(file) = find(command) else { return SpawnError::Program { program, source } };
    let interpreter = interpreter(&file);
    // If the file may be run, it is its interpreter that may not, or is not there.
    let is_of_interpreter = match source.raw_os_error() {
        Some(libc::ENOENT) => true,
        Some(libc::EACCES) => interpreter.as_ref().is_some_and(|path| !can_run(path)),
        _ => false,
    };
    match is_of_interpreter {
        true => SpawnError::Interpreter { interpreter, program: file, source },
        false => SpawnError::Program { program, source },
    }
}

fn can_run(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn can_enter(directory: &Path) -> bool {
    // `.` in it is looked up only if it is a directory that one may enter.
    fs::metadata(directory.join(".")).is_ok()
}

/// The file that the system would run.
fn find(command: &Command) -> Option<PathBuf> {
    let program = Path::new(command.get_program());
    let directory = command.get_current_dir().unwrap_or(Path::new(""));
    if program.as_os_str().as_bytes().contains(&b'/') {
        return Some(directory.join(program)).filter(|file| can_run(file));
    }
    let path = search_path(command)?;
    let files = env::split_paths(&path).map(|entry| directory.join(entry).join(program));
    files.into_iter().find(|file| can_run(file))
}

/// The PATH that the program is looked up in: the child's, if it is set for it.
fn search_path(command: &Command) -> Option<OsString> {
    match command.get_envs().find(|(key, _)| *key == OsStr::new("PATH")) {
        Some((_, path)) => path.map(OsStr::to_owned),
        None => env::var_os("PATH"),
    }
}

/// What the first line of a script names.
fn interpreter(file: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    File::open(file).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    // A line that ends with a carriage return names a program of that name: say so.
    let name = line.trim_ascii_start().split(|byte| matches!(byte, b' ' | b'\t')).next()?;
    Some(OsString::from_vec(name.to_vec()).into())
}

/// What to do where the system has too little of something.
pub(in crate::process) fn hint(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => {
            "; let other children end, close files, or raise the limit of open files (`ulimit -n`)"
        }
        Some(libc::EAGAIN) => {
            "; let other children end, or raise the limit of processes (`ulimit -u`, `pids.max` of the control group)"
        }
        Some(libc::E2BIG) => "; hand long texts over by stdin, or in a file",
        Some(libc::ETXTBSY) => "; it is open for writing: close it first",
        Some(libc::ENOMEM) => "; there is no memory left for it",
        _ => "",
    }
}
