//! Why a program was not started: a look after the failure.

use crate::process::spawn_error::SpawnError;
use std::io;
use std::process::Command;
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BAD_EXE_FORMAT, ERROR_DIRECTORY, ERROR_FILE_NOT_FOUND,
    ERROR_PATH_NOT_FOUND,
};

/// Looks for the reason why `command` was not started.
pub(in crate::process) fn not_started(command: &Command, source: io::Error) -> SpawnError {
    let program = command.get_program().into();
    let is_of_a_file = match source.raw_os_error() {
        Some(code) => [
            ERROR_FILE_NOT_FOUND,
            ERROR_PATH_NOT_FOUND,
            ERROR_ACCESS_DENIED,
            ERROR_BAD_EXE_FORMAT,
            ERROR_DIRECTORY,
        ]
        .contains(&(code as u32)),
        // The standard library has not found it.
        None => source.kind() == io::ErrorKind::NotFound,
    };
    if !is_of_a_file {
        return SpawnError::System { program, source };
    }
    match command.get_current_dir().filter(|directory| !directory.is_dir()) {
        Some(directory) => SpawnError::Directory { directory: directory.into(), source },
        None => SpawnError::Program { program, source },
    }
}

/// What to do where the system has no more of something. Its own words say what there is too little of.
pub(in crate::process) fn hint(_: &io::Error) -> &'static str {
    ""
}
