//! The ends of pipes that are ours.

use super::watch;
use super::wide::Wide;
use crate::channel::writer::slice::Slice;
use crate::process::drain::There;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// From so many bytes on a pipe counts as full. One of the usual size holds 64 KiB at most.
const FULL: u64 = 48 << 10;

/// Where an output comes from.
pub(in crate::process) struct Reading {
    pipe: AsyncFd<OwnedFd>,
    /// Nothing until the pipe was found full.
    wide: Option<Option<Wide>>,
}

impl Reading {
    /// Makes the pipe, which is ours alone, one that does not block. This must run within the runtime.
    pub(in crate::process) fn new(pipe: OwnedFd) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&pipe)?;
        rustix::fs::fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?;
        Ok(Self { pipe: watch(pipe, Interest::READABLE)?, wide: None })
    }

    /// Waits until something is there, or the end. It may find nothing all the same. Dropped, it has done nothing.
    pub(in crate::process) async fn wait(&mut self) -> io::Result<There> {
        let mut guard = self.pipe.readable().await?;
        let there = rustix::io::ioctl_fionread(&self.pipe)?;
        if there == 0 {
            if guard.ready().is_read_closed() {
                return Ok(There::End);
            }
            // It was empty after it was ready, so that whoever writes next makes it ready anew.
            guard.clear_ready();
            return Ok(There::Nothing);
        }
        drop(guard);
        Ok(self.found(there))
    }

    /// What is there now.
    pub(in crate::process) fn look(&mut self) -> io::Result<There> {
        match rustix::io::ioctl_fionread(&self.pipe)? {
            0 if has_hung_up(&self.pipe)? => Ok(There::End),
            0 => Ok(There::Nothing),
            there => Ok(self.found(there)),
        }
    }

    fn found(&mut self, there: u64) -> There {
        if there >= FULL && self.wide.is_none() {
            self.wide = Some(Wide::new(&self.pipe));
        }
        There::Bytes(there)
    }

    /// Whether something is there. It takes no lock of the pipe, as [`look`](Self::look) does. The end, and an error,
    /// are no such thing, but on a socket they may seem to be.
    pub(in crate::process) fn has_some(&self) -> io::Result<bool> {
        Ok(polled(&self.pipe)? == PollFlags::IN)
    }

    /// Reads as much as the slice has room for, and as is there.
    pub(in crate::process) fn fill(&mut self, slice: &mut Slice<'_>) -> io::Result<usize> {
        slice.read_from(&self.pipe)
    }

    /// The same, into a buffer.
    pub(in crate::process) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.pipe, buffer)?)
    }
}

/// Whether nobody has the other end of an empty pipe.
fn has_hung_up(pipe: &AsyncFd<OwnedFd>) -> io::Result<bool> {
    Ok(polled(pipe)?.contains(PollFlags::HUP))
}

fn polled(pipe: &AsyncFd<OwnedFd>) -> io::Result<PollFlags> {
    let mut polled = [PollFd::new(pipe, PollFlags::IN)];
    rustix::event::poll(&mut polled, Some(&Timespec::default()))?;
    Ok(polled[0].revents())
}

/// Where stdin is written.
pub(in crate::process) struct Writing(AsyncFd<OwnedFd>);

impl Writing {
    /// As for [`Reading::new`].
    pub(in crate::process) fn new(pipe: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        Ok(Self(watch(pipe, Interest::WRITABLE)?))
    }

    /// Waits until nobody reads it any more.
    pub(in crate::process) async fn closed(&mut self) {
        let _or_it_cannot_be_told = self.0.ready(Interest::ERROR).await;
    }

    /// Writes some of these bytes. It is awaited to its end.
    pub(in crate::process) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let write = |pipe: &OwnedFd| {
            loop {
                match rustix::io::write(pipe, bytes) {
                    Err(Errno::INTR) => {}
                    written => return written.map_err(io::Error::from),
                }
            }
        };
        self.0.async_io(Interest::WRITABLE, write).await
    }
}
