//! What a blocking endpoint has of the endpoint inside, beside reading and writing.

use super::Blocking;
use crate::channel::endpoint::{Endpoint, Receives, Sealed, Writes};
use crate::channel::loss::Missed;
#[cfg(doc)]
use crate::channel::reader::StrongReader;
use crate::channel::reader::WeakReader;
use crate::channel::reader::skip::Skipped;
use crate::channel::terms::{Backpressure, StartAt};
use crate::channel::weak::WeakChannel;
#[cfg(doc)]
use crate::channel::writer::StrongWriter;
use crate::error::{FailError, Failure};
use std::sync::Arc;

impl<E: Endpoint> Blocking<E> {
    /// What the endpoint has done so far.
    pub fn stats(&self) -> E::Stats {
        self.endpoint.stats()
    }

    /// Whether the channel takes no more slices, or this writer writes no more.
    pub fn is_closed(&self) -> bool {
        self.endpoint.is_closed()
    }

    /// Ends the endpoint at once, as [`StrongWriter::terminate`] and [`StrongReader::terminate`] do.
    pub fn terminate(&mut self) {
        self.endpoint.terminate();
    }

    /// The channel that the endpoint belongs to, as a handle that looks on and does not keep it open.
    pub fn channel(&self) -> WeakChannel {
        self.endpoint.channel()
    }

    /// Gives the endpoint a name, as [`StrongWriter::set_name`] and [`StrongReader::set_name`] do.
    pub fn set_name(&self, name: impl Into<Arc<str>>) {
        self.endpoint.rename(name.into());
    }
}

impl<R: Receives> Blocking<R> {
    /// What the reader has missed, as [`StrongReader::missed`] tells.
    pub fn missed(&self) -> Missed {
        self.endpoint.core().losses(self.endpoint.place()).0
    }

    /// What the reader has missed of each writer, as [`StrongReader::missed_by_writer`] tells.
    pub fn missed_by_writer(&self) -> impl Iterator<Item = (u32, Missed)> + use<R> {
        self.endpoint.core().losses(self.endpoint.place()).1.into_iter()
    }

    /// Skips the rest of a message of which a part was read as bytes, as [`StrongReader::skip_rest`]
    /// does.
    pub fn skip_rest(&mut self) -> usize {
        self.endpoint.skip_rest() as usize
    }

    /// Passes over messages, as [`StrongReader::skip_to`] does.
    pub fn skip_to(&mut self, start: StartAt) -> Skipped {
        self.endpoint.skip_to(start)
    }

    /// The name of the writer with this number, as [`StrongReader::writer_name`] tells.
    pub fn writer_name(&self, writer: u32) -> Option<Arc<str>> {
        self.endpoint.core().shared().writer_name(writer)
    }
}

impl Blocking<WeakReader> {
    /// Sets whether gaps are skipped without an error, as [`WeakReader::set_silent`] does.
    pub fn set_silent(&mut self, silent: bool) {
        self.endpoint.set_silent(silent);
    }
}

impl<W: Writes> Blocking<W> {
    /// The number of the writer, as [`StrongWriter::id`] tells.
    pub fn id(&self) -> u32 {
        self.endpoint.writer_core_ref().id()
    }

    /// What happens to a write when the ring is full, as [`StrongWriter::backpressure`] tells.
    pub fn backpressure(&self) -> Backpressure {
        self.endpoint.writer_core_ref().backpressure
    }

    /// Sets what happens to a write when the ring is full, as [`StrongWriter::set_backpressure`] does.
    pub fn set_backpressure(&mut self, backpressure: Backpressure) {
        self.endpoint.writer_core().set_backpressure(backpressure);
    }

    /// The longest slice, in payload bytes: [`Channel::max_slice`](crate::Channel::max_slice).
    pub fn max_slice(&self) -> usize {
        self.endpoint.writer_core_ref().max_slice() as usize
    }

    /// Says that the writer is done, as [`StrongWriter::shut_down`] does.
    pub fn shut_down(&mut self) {
        self.endpoint.writer_core().shut_down();
    }

    /// Ends the whole channel with an error, as [`StrongWriter::fail`] does.
    ///
    /// # Errors
    ///
    /// [`FailError`] if the channel had ended before. Nothing changes then.
    pub fn fail(
        &mut self,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<(), FailError> {
        self.endpoint.writer_core().fail(Failure::new(error))
    }
}

impl<E: Endpoint> Sealed for Blocking<E> {
    fn rename(&self, name: Arc<str>) {
        self.endpoint.rename(name);
    }
}

impl<E: Endpoint> Endpoint for Blocking<E> {
    type Stats = E::Stats;

    fn stats(&self) -> E::Stats {
        self.endpoint.stats()
    }

    fn is_closed(&self) -> bool {
        self.endpoint.is_closed()
    }

    fn terminate(&mut self) {
        self.endpoint.terminate();
    }

    fn channel(&self) -> WeakChannel {
        self.endpoint.channel()
    }
}
