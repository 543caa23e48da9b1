//! Everything that an output brings, in a spool.
//!
//! Memory takes it at once. A disk takes its time, and may stand still: what goes there is written on a thread
//! of its own, so that other children do not wait for it.

use crate::error::Failure;
use crate::spool::{self, Spool, SpoolWriter, WriteError};
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use tokio::task::{JoinHandle, spawn_blocking};

pub(super) struct Spooling {
    state: State,
    is_on_disk: bool,
    /// What was taken last, and how long the spool was before.
    bytes: Vec<u8>,
    before: u64,
}

enum State {
    Idle(SpoolWriter),
    Writing(JoinHandle<(SpoolWriter, Vec<u8>, Result<(), WriteError>)>),
    /// The spool has ended.
    Over,
}

impl Spooling {
    pub(super) fn new(builder: &spool::Builder) -> io::Result<(Self, Spool)> {
        let spool = builder.clone().build().map_err(io::Error::other)?;
        let writer = spool.writer().map_err(io::Error::other)?;
        let is_on_disk = builder.may_be_on_disk();
        let state = State::Idle(writer);
        Ok((Self { state, is_on_disk, bytes: Vec::new(), before: 0 }, spool))
    }

    /// Whether all that was taken is written.
    pub(super) fn is_settled(&self) -> bool {
        match &self.state {
            State::Idle(writer) => rest(writer, self.before, &self.bytes).is_empty(),
            State::Writing(_) => false,
            State::Over => true,
        }
    }

    /// Takes bytes to be written. It must be settled.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        if let State::Idle(writer) = &self.state {
            self.before = writer.written();
            self.bytes.clear();
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Writes what was taken, or starts to.
    pub(super) fn write(&mut self) {
        let State::Idle(mut writer) = mem::replace(&mut self.state, State::Over) else { return };
        let (bytes, before) = (mem::take(&mut self.bytes), self.before);
        if self.is_on_disk {
            self.state = State::Writing(spawn_blocking(move || {
                let written = write(&mut writer, before, &bytes);
                (writer, bytes, written)
            }));
        } else {
            let written = write(&mut writer, before, &bytes);
            self.wrote(writer, bytes, written);
        }
    }

    fn wrote(&mut self, writer: SpoolWriter, bytes: Vec<u8>, written: Result<(), WriteError>) {
        (self.state, self.bytes) = (State::Idle(writer), bytes);
        match written {
            Ok(()) | Err(WriteError::Full { .. }) => {}
            Err(error) => self.end(Some(Failure::new(error))),
        }
    }

    /// Waits until it is settled. Dropped meanwhile, it goes on with the next call.
    pub(super) async fn settle(&mut self) {
        while !self.is_settled() {
            match &mut self.state {
                State::Writing(writing) => match writing.await {
                    Ok((writer, bytes, written)) => self.wrote(writer, bytes, written),
                    // The runtime is shut down, and the writer was dropped.
                    Err(_) => self.state = State::Over,
                },
                State::Idle(writer) => match writer.ready().await {
                    Ok(()) => self.write(),
                    Err(error) => self.end(Some(Failure::new(error))),
                },
                State::Over => {}
            }
        }
    }

    /// Ends the spool, with an error or without.
    pub(super) fn end(&mut self, error: Option<Failure>) {
        if let State::Idle(writer) = mem::replace(&mut self.state, State::Over) {
            // If it has ended before, its readers were told that end.
            let _it_may_have_ended = match error {
                Some(error) => writer.fail(error).is_ok(),
                None => writer.finish().is_ok(),
            };
        }
    }
}

/// What is not written yet of `bytes`, which begin at `before`.
fn rest<'a>(writer: &SpoolWriter, before: u64, bytes: &'a [u8]) -> &'a [u8] {
    &bytes[(writer.written() - before) as usize..]
}

/// Writes the rest. The wakers of readers may panic: what was written by then is.
fn write(writer: &mut SpoolWriter, before: u64, bytes: &[u8]) -> Result<(), WriteError> {
    loop {
        let rest = rest(writer, before, bytes);
        if rest.is_empty() {
            return Ok(());
        }
        let length = writer.written();
        match catch_unwind(AssertUnwindSafe(|| writer.try_write(rest))) {
            Ok(written) => written.map(drop)?,
            // Had it not gone on, there would be no end to this.
            Err(panic) if writer.written() == length => resume_unwind(panic),
            Err(_) => {}
        }
    }
}
