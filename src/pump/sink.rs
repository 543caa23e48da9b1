//! Where the bytes go.

use super::Unfinished;
use super::error::PumpError;
use crate::channel::waiting::{Closed, Waiting};
use crate::channel::writer::{StrongWriter, WeakWriter, Writer};
use crate::error::{Failure, WriteError};
use crate::io::layers::{HasCore, Wait};
use crate::spool::SpoolWriter;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Where a [`Pump`](super::Pump) writes: a writer of a channel, or of a spool.
#[allow(private_bounds, reason = "implemented for the writers of this crate alone")]
pub trait Sink: Intake {}

pub(crate) trait Intake {
    /// Whether it lends its memory to be [filled](Self::fill).
    const FILLS: bool = false;

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Waits until there is room to lend.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Lends its memory to `fill`, which tells how many bytes are there now.
    fn fill(&mut self, _: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        unreachable!("this sink does not lend its memory")
    }

    /// Waits until it takes no more, if that can be waited for.
    fn closed(&self) -> Option<Waiting<Closed>> {
        None
    }

    /// Whether it is known that nothing more may come.
    fn is_complete(&self) -> bool {
        false
    }

    fn finish(&mut self) -> io::Result<()>;

    /// Fails the stream, unless it had ended.
    fn fail(&mut self, failure: Failure);

    /// The source failed. Another one may go on, if the sink is made for that.
    fn break_off(&mut self, failure: Failure) {
        self.fail(failure);
    }

    /// The pump is dropped: the stream is not whole.
    fn abandon(&mut self, written: u64) {
        self.fail(Failure::new(Unfinished { bytes_out: written }));
    }

    fn stop_waiting(&mut self) {}
}

macro_rules! writers {
    ($($writer:ident)*) => {$(
        impl Intake for $writer {
            fn poll_write(
                &mut self,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                let written =
                    self.writer_core().poll_write(context, &[bytes], Wait::LeavesWhenDropped);
                written.map_err(io::Error::from)
            }

            fn closed(&self) -> Option<Waiting<Closed>> {
                Some(Waiting::new(self.core().shared(), Closed))
            }

            fn finish(&mut self) -> io::Result<()> {
                self.shut_down();
                Ok(())
            }

            fn fail(&mut self, failure: Failure) {
                let _unless_it_had_ended = $writer::fail(self, failure);
            }

            fn stop_waiting(&mut self) {
                self.writer_core().stop_waiting();
            }
        }

        impl Sink for $writer {}
    )*};
}
writers!(Writer StrongWriter WeakWriter);

impl Intake for SpoolWriter {
    const FILLS: bool = true;

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_all_of(context, &[io::IoSlice::new(bytes)]).map_err(io::Error::from)
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        SpoolWriter::poll_ready(self, context).map_err(io::Error::from)
    }

    fn stop_waiting(&mut self) {
        SpoolWriter::stop_waiting(self);
    }

    fn fill(&mut self, fill: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        SpoolWriter::fill(self, fill)
    }

    fn is_complete(&self) -> bool {
        self.has_all_that_was_promised()
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(self.finish_in_place().map(drop)?)
    }

    fn fail(&mut self, failure: Failure) {
        let _unless_it_had_ended = self.spool().fail(failure);
    }

    fn break_off(&mut self, failure: Failure) {
        if !self.releases_when_dropped() {
            Intake::fail(self, failure);
        }
    }

    /// Its drop does what is right: it fails the stream, or releases it, as its builder says.
    fn abandon(&mut self, _: u64) {}
}

impl Sink for SpoolWriter {}

/// A sink that fails if it is dropped before its end, as a part of the pump.
pub(super) struct Outlet<W: Sink> {
    /// `None` once it was taken out, before this is dropped.
    sink: Option<W>,
    pub(super) bytes_out: u64,
    has_ended: bool,
    /// While the source has nothing.
    closed: Option<Waiting<Closed>>,
}

impl<W: Sink> Outlet<W> {
    pub(super) fn new(sink: W) -> Self {
        Self { sink: Some(sink), bytes_out: 0, has_ended: false, closed: None }
    }

    pub(super) fn sink(&mut self) -> &mut W {
        match &mut self.sink {
            Some(sink) => sink,
            None => unreachable!("a sink is there until the pump is taken apart"),
        }
    }

    /// Waits until it takes no more, while the source has nothing that could tell.
    pub(super) fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<PumpError> {
        if self.closed.is_none() {
            self.closed = self.sink().closed();
        }
        let Some(closed) = &mut self.closed else { return Poll::Pending };
        ready!(Pin::new(closed).poll(context));
        Poll::Ready(match self.sink().poll_write(context, &[]) {
            Poll::Ready(Err(error)) => PumpError::sink(error),
            _ => PumpError::sink(WriteError::Closed.into()),
        })
    }

    /// Counts what was written of something.
    pub(super) fn count(&mut self, written: io::Result<usize>) -> Result<usize, PumpError> {
        let written = written.and_then(|written| match written {
            0 => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(written),
        });
        let written = written.map_err(PumpError::sink)?;
        self.bytes_out += written as u64;
        Ok(written)
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.has_ended = true;
        self.sink().finish()
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.has_ended = true;
        self.sink().fail(failure);
    }

    pub(super) fn break_off(&mut self, failure: Failure) {
        self.has_ended = true;
        self.sink().break_off(failure);
    }

    pub(super) fn into_inner(mut self) -> W {
        match self.sink.take() {
            Some(sink) => sink,
            None => unreachable!("a sink is there until the pump is taken apart"),
        }
    }
}

impl<W: Sink> Drop for Outlet<W> {
    fn drop(&mut self) {
        let written = self.bytes_out;
        if let Some(sink) = self.sink.as_mut().filter(|_| !self.has_ended) {
            sink.abandon(written);
        }
    }
}
