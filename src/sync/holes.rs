//! Holes in files: the system takes the space back, and the rest of the file stays where it is.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Makes a hole of `length` bytes at `offset`, and does not change how long the file is. Only the blocks that
/// lie wholly inside are given back. Some file systems have no holes: that is an error.
pub(crate) fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let too_far = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let offset = libc::off64_t::try_from(offset).map_err(too_far)?;
    let length = libc::off64_t::try_from(length).map_err(too_far)?;
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and the call touches no memory.
    match unsafe { libc::fallocate64(file.as_raw_fd(), mode, offset, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Where the first hole ends, if the file begins with one; else 0, also where the file system does not tell.
/// Moves the cursor of the file.
pub(crate) fn first_data(file: &File) -> io::Result<u64> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed, and the call touches no memory.
    let offset = unsafe { libc::lseek64(file.as_raw_fd(), 0, libc::SEEK_DATA) };
    if let Ok(offset) = u64::try_from(offset) {
        return Ok(offset);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // There is nothing but a hole, or nothing at all.
        Some(libc::ENXIO) => file.metadata().map(|metadata| metadata.len()),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => Ok(0),
        _ => Err(error),
    }
}
