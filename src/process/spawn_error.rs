//! Why a child was not started.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// Why [`Command::spawn`](super::Command::spawn) started no child.
///
/// The system says "no such file" of a program that is not there, of a working directory that is not there,
/// and of a script whose interpreter is not there. Here they are told apart, by a look after the failure. The
/// system's error is the [`source`](std::error::Error::source), and its kind is that of the
/// [`io::Error`] that each becomes by `?`.
///
/// ```
/// use overfall::process::{Command, SpawnError};
///
/// let error = Command::new("echo").current_dir("/not/there").spawn().unwrap_err();
/// assert!(matches!(error, SpawnError::Directory { .. }));
/// let error = Command::new("no-such-program").spawn().unwrap_err();
/// assert!(matches!(error, SpawnError::Program { .. }));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The program is not there, or is none that may be run.
    #[error(
        "the program `{}` cannot be started: {source}; look whether it is installed, in a directory of PATH, and may be run",
        program.display()
    )]
    Program {
        /// As it was given to [`Command::new`](super::Command::new).
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The working directory is not there, or cannot be entered.
    #[error("the working directory `{}` cannot be entered: {source}; create it, or set another", directory.display())]
    Directory {
        /// As it was given to [`Command::current_dir`](super::Command::current_dir).
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The program is there, and what is to interpret it is not: that of its first line (`#!`), or the loader of
    /// a program for another system.
    #[error(
        "`{}` is there, and its interpreter is not: {}: {source}; install it, or mend the first line",
        program.display(),
        interpreter.as_deref().map_or("the loader that its header names".into(), |path| path.to_string_lossy())
    )]
    Interpreter {
        /// The file that was found.
        program: PathBuf,
        /// What its first line names. `None` if it is no script.
        interpreter: Option<PathBuf>,
        /// What the system says.
        source: io::Error,
    },
    /// Stdin is the terminal of this program. The child leads a group of its own, which is not in the
    /// terminal's foreground: the system would stop it at its first read, for good.
    #[error(
        "the child would inherit the terminal as stdin, and be stopped at its first read, as its process group is not the terminal's foreground group: use `Input::terminal()` to hand it the foreground, `Input::null()`, feed it with `Input::pipe()`, or give it a terminal of its own with `Input::file`"
    )]
    Terminal,
    /// Something else: there are too many processes or descriptors, or no memory.
    #[error("the child `{}` cannot be started: {source}", program.display())]
    System {
        /// As it was given to [`Command::new`](super::Command::new).
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl SpawnError {
    /// What the system failed with, if it was asked.
    fn system(&self) -> Option<&io::Error> {
        match self {
            Self::Program { source, .. }
            | Self::Directory { source, .. }
            | Self::Interpreter { source, .. }
            | Self::System { source, .. } => Some(source),
            Self::Terminal => None,
        }
    }

    /// An error that has nothing to do with the program's file.
    pub(super) fn other(command: &Command, source: io::Error) -> Self {
        Self::System { program: command.get_program().into(), source }
    }

    /// Looks for the reason why `command` was not started.
    pub(super) fn of(command: &Command, source: io::Error) -> Self {
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
            return Self::System { program, source };
        }
        if let Some(directory) = command.get_current_dir().filter(|directory| !can_enter(directory))
        {
            return Self::Directory { directory: directory.into(), source };
        }
        match find(command).filter(|_| source.raw_os_error() == Some(libc::ENOENT)) {
            Some(file) => {
                Self::Interpreter { interpreter: interpreter(&file), program: file, source }
            }
            None => Self::Program { program, source },
        }
    }
}

impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> Self {
        let kind = error.system().map_or(io::ErrorKind::InvalidInput, io::Error::kind);
        Self::new(kind, error)
    }
}

fn can_enter(directory: &Path) -> bool {
    // `.` in it is looked up only if it is a directory that one may enter.
    fs::metadata(directory.join(".")).is_ok()
}

/// The file that the system would run.
fn find(command: &Command) -> Option<PathBuf> {
    let program = Path::new(command.get_program());
    let directory = command.get_current_dir().unwrap_or(Path::new(""));
    let can_run = |file: &PathBuf| {
        fs::metadata(file)
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    };
    if program.as_os_str().as_bytes().contains(&b'/') {
        return Some(directory.join(program)).filter(can_run);
    }
    let path = search_path(command)?;
    env::split_paths(&path).map(|entry| directory.join(entry).join(program)).find(can_run)
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
