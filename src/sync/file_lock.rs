//! A lock on a file, which holds between processes.
//!
//! It belongs to the open file, not to the process: two opens in one process exclude each other, too, and
//! the system takes it back when the last descriptor of that open goes, however the process ends. It binds
//! only those who ask for it.
#![cfg(unix)]
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Locks the file, unless another open has it locked: then this is `false`. It does not wait.
pub(crate) fn try_lock(file: &File) -> io::Result<bool> {
    lock(file, libc::LOCK_EX)
}

/// The same, together with others who do this.
pub(crate) fn try_lock_shared(file: &File) -> io::Result<bool> {
    lock(file, libc::LOCK_SH)
}

fn lock(file: &File, kind: libc::c_int) -> io::Result<bool> {
    match flock(file, kind | libc::LOCK_NB) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        locked => locked.map(|()| true),
    }
}

/// Gives the lock back, if it is ours.
pub(crate) fn unlock(file: &File) -> io::Result<()> {
    flock(file, libc::LOCK_UN)
}

fn flock(file: &File, operation: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and the call touches no memory.
    match unsafe { libc::flock(file.as_raw_fd(), operation) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
