//! Why files could not be opened, and what those that were tell their readers.

use crate::error::Failure;
use crate::spool::error::BuildError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why there is no spool for a file, or why the file could not be synchronized or removed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The settings make no sense.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// There is a file at this path already.
    #[error(
        "there is a file already, {}: open it, resume it, or remove it first", path.display()
    )]
    Exists {
        /// Its path.
        path: PathBuf,
    },
    /// Another spool, of this or another process, may still write it, or reads it, and it keeps its last
    /// bytes alone.
    #[error(
        "another spool may still write {}, and a file has one writer: end that one first. If the file keeps its \
         last bytes alone, it is written while nobody has it open to read, and the other way round",
        path.display()
    )]
    Busy {
        /// The path of the file.
        path: PathBuf,
    },
    /// The stream is finished: there is nothing to go on with.
    #[error("{} is finished, at {len} bytes: open it to read it", path.display())]
    Finished {
        /// The path of the file.
        path: PathBuf,
        /// The length of the stream.
        len: u64,
    },
    /// The file is longer than was promised.
    #[error(
        "{} has {len} bytes, and {known_len} were promised: promise more, or remove the file",
        path.display()
    )]
    TooLong {
        /// The path of the file.
        path: PathBuf,
        /// Its length.
        len: u64,
        /// What was promised.
        known_len: u64,
    },
    /// It keeps everything, and others may rely on that.
    #[error(
        "{} keeps everything: resume it without `retain`, or create another file with it",
        path.display()
    )]
    KeepsAll {
        /// The path of the file.
        path: PathBuf,
    },
    /// The last bytes alone are to be kept, and the system cannot let go of the others.
    #[error(
        "cannot punch holes, which `retain` needs, into a file at {}: {}. Keep the last bytes in memory \
         (`build`), keep all (no `retain`), or take a file system of Linux that has holes",
        path.display(), error.get_ref()
    )]
    NoHoles {
        /// The file, or the directory of the temporary one.
        path: PathBuf,
        /// What the system says: an [`io::Error`].
        error: Failure,
    },
    /// The system says no.
    #[error("cannot {action} {}: {}", path.display(), error.get_ref())]
    System {
        /// What was to be done.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system says: an [`io::Error`].
        error: Failure,
    },
}

impl FileError {
    /// For `map_err`.
    pub(super) fn system(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System { action, path: path.into(), error: Failure::new(error) }
    }
}

impl From<FileError> for io::Error {
    /// `Exists` is `AlreadyExists`, `Busy` is `ResourceBusy`, `System` and `NoHoles` have the kind of their
    /// error, the others are
    /// `InvalidInput`.
    fn from(error: FileError) -> Self {
        let kind = match &error {
            FileError::Exists { .. } => io::ErrorKind::AlreadyExists,
            FileError::Busy { .. } => io::ErrorKind::ResourceBusy,
            FileError::System { error, .. } | FileError::NoHoles { error, .. } => {
                Self::from(error.clone()).kind()
            }
            _ => io::ErrorKind::InvalidInput,
        };
        Self::new(kind, error)
    }
}

/// Why a file that was [opened](crate::spool::Spool::open) is not a whole stream. Readers get it as the
/// error inside a [`Failure`], behind the bytes that are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum Incomplete {
    /// Nobody has finished it, or not yet.
    #[error("the stream in the file is not finished: it has {len} bytes so far")]
    Unfinished {
        /// How many bytes there are.
        len: u64,
    },
    /// It was finished, and the file was cut since then.
    #[error("the file was cut: it has {len} bytes of the {finished_len} of the finished stream")]
    Cut {
        /// How many bytes are left.
        len: u64,
        /// How many there were.
        finished_len: u64,
    },
}
