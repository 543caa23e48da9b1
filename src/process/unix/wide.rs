//! Wider pipes for children that write fast.
//!
//! A pipe of 64 KiB makes a fast child wait for each of our reads. What the pipes of one user have beyond that is
//! limited on Linux (`pipe-user-pages-soft`, 64 MiB in all): past it, every new pipe of that user, in whatever
//! program, has 8 KiB. So only a pipe that was found full is made wider, and only some of ours at a time are. It
//! is a wish: nothing depends on it.

use crate::sync::{AtomicU32, Ordering};
use std::os::fd::AsFd;

/// How many are wide at a time: a quarter of what a user may have.
const MOST: u32 = 64;

static WIDE: AtomicU32 = AtomicU32::new(0);

/// That a pipe is wide. It counts for as long as this is there.
#[derive(Debug)]
pub(in crate::process) struct Wide(());

impl Wide {
    /// Makes `pipe` wider, if the system has such a thing and allows it.
    pub(in crate::process) fn new(pipe: impl AsFd) -> Option<Self> {
        if WIDE.fetch_add(1, Ordering::Relaxed) >= MOST {
            WIDE.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let wide = Self(());
        widen(pipe).then_some(wide)
    }
}

impl Drop for Wide {
    fn drop(&mut self) {
        WIDE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn widen(pipe: impl AsFd) -> bool {
    const SIZE: usize = 256 << 10;
    // It keeps its size if the limit of the user is reached.
    rustix::pipe::fcntl_getpipe_size(&pipe).is_ok_and(|size| size < SIZE)
        && rustix::pipe::fcntl_setpipe_size(&pipe, SIZE).is_ok()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn widen(_pipe: impl AsFd) -> bool {
    false
}
