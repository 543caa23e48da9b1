//! The kernel as a writer: a system call that reads from a descriptor puts its bytes into the ring itself, so
//! that they are not copied a second time.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Has the kernel read from `descriptor` once, up to `length` bytes to `to`, which other threads may be
/// reading. Tells how many. If it fails, what lies there is unspecified.
///
/// No reference to these bytes ever exists, only their address. The kernel is no thread of the program: its
/// writes are none that the program could race with, and whatever a reader copies meanwhile with
/// [`load`](super::load), torn or not, are bytes of its own. They are ordered as those of
/// [`store`](super::store) would be: the call comes after the fence behind the reservation, its writes are
/// done when it returns, and the compiler moves no access over it.
///
/// # Safety
///
/// `to..to + length` is valid for writes, is written by no other thread, and is read by other threads only
/// through [`load`](super::load).
#[cfg(not(any(overfall_portable, miri)))]
pub(in super::super) unsafe fn read(
    descriptor: BorrowedFd<'_>,
    to: *mut u8,
    length: usize,
) -> io::Result<usize> {
    // SAFETY: by the contract the kernel may write so many bytes there. It keeps the address no longer than
    // the call.
    let read = unsafe { libc::read(descriptor.as_raw_fd(), to.cast(), length) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// The same through a buffer of that length: who reserved what is there gets all of it here as well. Miri and
/// sanitizers do not see what the kernel writes.
///
/// # Safety
///
/// As for [`store`](super::store).
#[cfg(any(overfall_portable, miri))]
pub(in super::super) unsafe fn read(
    descriptor: BorrowedFd<'_>,
    to: *mut u8,
    length: usize,
) -> io::Result<usize> {
    let mut buffer = vec![0; length];
    // SAFETY: the buffer is ours, and has so many bytes.
    let read = unsafe { libc::read(descriptor.as_raw_fd(), buffer.as_mut_ptr().cast(), length) };
    let read = usize::try_from(read).map_err(|_| io::Error::last_os_error())?;
    // SAFETY: passed on; no more was read than there is room for.
    unsafe { super::store(to, &buffer[..read]) };
    Ok(read)
}
