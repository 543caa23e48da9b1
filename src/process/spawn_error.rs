//! Why a child was not started.

use super::system;
use std::io;
use std::path::PathBuf;
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
    /// The program is there, and what is to interpret it is not, or may not be run: that of its first line (`#!`), or
    /// the loader of a program for another system.
    #[error(
        "`{}` is there, and its interpreter is not, or may not be run: {}: {source}; install it, or mend the first \
         line",
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
    #[error("the child `{}` cannot be started: {source}{}", program.display(), system::hint(source))]
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
}

impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> Self {
        let kind = error.system().map_or(io::ErrorKind::InvalidInput, io::Error::kind);
        Self::new(kind, error)
    }
}
