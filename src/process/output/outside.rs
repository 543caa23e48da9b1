//! Outputs of sources that came from outside: the master side of a terminal, a pipe that was inherited.
//!
//! The flag by which a descriptor does not block is shared by all who have the source open, so it is not ours to
//! set. A thread waits for such a source, and passes what it reads on through a pipe of ours, which is drained
//! like any other. That costs two more copies, and nobody but this thread waits if somebody else takes the bytes
//! that it was told of.

use super::Output;
use crate::error::Failure;
use crate::process::capture::{Capture, Kind};
use crate::process::system::pipe;
use crate::sync::OnceLock;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

impl Output {
    /// An output that comes from a descriptor of yours: the master side of a terminal (a pty), a pipe that you
    /// were given, a serial line. It is read until its end, or until the output is [closed](Self::close).
    ///
    /// Its flags are left as they are. A thread waits for it, and copies what comes into a pipe: an output of a
    /// child is cheaper. Of a terminal `EIO` is the end: that is what Linux tells when the last program at its
    /// other side has gone.
    ///
    /// ```
    /// use overfall::process::{Capture, Output, Start};
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let (from, mut to) = UnixStream::pair()?;
    /// let output = Output::of(from, &Capture::default(), "other side")?;
    /// to.write_all(b"from elsewhere")?;
    /// drop(to);
    /// let mut all = String::new();
    /// output.strong_reader(Start::Oldest)?.blocking().read_to_string(&mut all)?;
    /// assert_eq!(all, "from elsewhere");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the system, and [`io::ErrorKind::InvalidInput`] if the capture is not a ring.
    pub fn of(source: impl Into<OwnedFd>, capture: &Capture, name: &str) -> io::Result<Self> {
        let Kind::Ring(ring) = &capture.0 else {
            let text = "what comes from a descriptor is kept in a ring: use `Capture::ring`";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let (from, to) = pipe()?;
        let error = Arc::<OnceLock<Failure>>::default();
        let output = Self::start([(from, None)], ring, name, error.clone())?;
        let source = source.into();
        thread::Builder::new().name("overfall-source".into()).spawn(move || {
            if let Err(failure) = pass_on(&source, &to) {
                let _it_is_the_first = error.set(Failure::new(failure));
            }
            // Whoever drains the pipe finds the error at its end.
            drop(to);
        })?;
        Ok(output)
    }
}

/// Reads to the end of the source, or until nobody reads the pipe.
fn pass_on(source: &OwnedFd, pipe: &OwnedFd) -> io::Result<()> {
    let is_terminal = rustix::termios::isatty(source);
    let mut buffer = vec![0; 16 << 10];
    loop {
        let mut polled =
            [PollFd::new(source, PollFlags::IN), PollFd::new(pipe, PollFlags::empty())];
        match poll(&mut polled, None) {
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        if polled[1].revents().contains(PollFlags::ERR) {
            return Ok(());
        }
        let read = match rustix::io::read(source, &mut buffer) {
            Ok(0) => return Ok(()),
            Err(Errno::IO) if is_terminal => return Ok(()),
            // It does not block, and somebody else was first.
            Err(Errno::INTR | Errno::AGAIN) => continue,
            read => read?,
        };
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            match rustix::io::write(pipe, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                Err(Errno::PIPE) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
