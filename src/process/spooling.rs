//! Everything that an output brings, in a spool.
//!
//! Memory takes it at once. A disk takes its time, and may stand still: what goes there is written on a thread
//! of its own, so that other children do not wait for it. The thread comes with the first such bytes, so that many
//! children that write little have none. (tokio's threads for such things would be shared; but where the system has
//! no thread to give, it panics.)

use crate::error::Failure;
use crate::spool::{self, Spool, SpoolWriter, WriteError};
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;
use tokio::sync::oneshot;

pub(super) struct Spooling {
    state: State,
    /// From this byte on, writes go to a disk.
    on_disk_from: Option<u64>,
    /// The thread for these, once there was one to be had.
    disk: Option<mpsc::Sender<Work>>,
    /// What was taken last, and how long the spool was before.
    bytes: Vec<u8>,
    before: u64,
}

enum State {
    Idle(SpoolWriter),
    Writing(oneshot::Receiver<Written>),
    /// The spool has ended.
    Over,
}

/// What is written on the thread of the disk.
struct Work {
    writer: SpoolWriter,
    bytes: Vec<u8>,
    before: u64,
    done: oneshot::Sender<Written>,
}

type Written = (SpoolWriter, Vec<u8>, Result<(), WriteError>);

impl Spooling {
    pub(super) fn new(builder: &spool::Builder) -> io::Result<(Self, Spool)> {
        let spool = builder.clone().build().map_err(io::Error::other)?;
        let writer = spool.writer().map_err(io::Error::other)?;
        let (state, on_disk_from) = (State::Idle(writer), builder.on_disk_from());
        Ok((Self { state, on_disk_from, disk: None, bytes: Vec::new(), before: 0 }, spool))
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
        let end = before + bytes.len() as u64;
        let goes_to_disk = self.on_disk_from.is_some_and(|from| end > from);
        if goes_to_disk && self.disk.is_none() {
            self.disk = start_disk().ok();
        }
        match &self.disk {
            Some(disk) if goes_to_disk => {
                let (done, written) = oneshot::channel();
                let _it_runs = disk.send(Work { writer, bytes, before, done });
                self.state = State::Writing(written);
            }
            // In memory, or where the system has no thread to give. There others wait for the disk, and nothing is
            // lost.
            _ => {
                let written = write(&mut writer, before, &bytes);
                self.wrote(writer, bytes, written);
            }
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
                    // It has panicked, and the writer was dropped.
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

/// A thread that writes to a disk for as long as it may be given something.
fn start_disk() -> io::Result<mpsc::Sender<Work>> {
    let (sender, received) = mpsc::channel::<Work>();
    thread::Builder::new().name("overfall-spool".into()).spawn(move || {
        for Work { mut writer, bytes, before, done } in received {
            let written = write(&mut writer, before, &bytes);
            let _unless_nobody_waits = done.send((writer, bytes, written));
        }
    })?;
    Ok(sender)
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
