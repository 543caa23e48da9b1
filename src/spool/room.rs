//! A writer that waits for room.

use super::error::WriteError;
use super::writer::SpoolWriter;
use crate::io::Blocking;
use crate::io::layers::Until;
use crate::wait::until::until_ready;
use std::io::IoSlice;
use std::task::{Context, Poll};
use std::time::Duration;

/// Writers of a spool that keeps its [last](super::Retain::Last) bytes alone.
impl SpoolWriter {
    /// Waits until there is room for a byte at least: until strong readers have read on far enough. Where
    /// all is kept, and where there is no strong reader, there always is. A dropped future has done nothing.
    ///
    /// # Errors
    ///
    /// If the spool has ended.
    pub async fn ready(&mut self) -> Result<(), WriteError> {
        until_ready(self, Self::stop_waiting, Self::poll_ready).await
    }

    /// The same, and parks the thread for at most `timeout`. Tells whether there is room. With a timeout of
    /// zero it looks once.
    ///
    /// # Errors
    ///
    /// As for [`ready`](Self::ready).
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<bool, WriteError> {
        self.park_until_ready(Until::timeout(timeout))
    }

    pub(super) fn park_until_ready(&mut self, until: Until) -> Result<bool, WriteError> {
        let ready = Blocking::new(self).poll_or_wait(
            until,
            |writer| writer.stop_waiting(),
            |writer, context| match context {
                None => writer.poll_room(),
                Some(context) => writer.poll_ready(context),
            },
        );
        ready.map_or(Ok(false), |ready| ready.map(|()| true))
    }

    fn poll_room(&mut self) -> Poll<Result<(), WriteError>> {
        match self.find_room() {
            Err(WriteError::Full { .. }) => Poll::Pending,
            found => Poll::Ready(found),
        }
    }

    pub(crate) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), WriteError>> {
        let mut found = self.poll_room();
        if found.is_pending() {
            let Some(bound) = &self.shared.bound else { unreachable!("there is always room") };
            self.shared.wait_for_room(bound, &mut self.ticket, context.waker());
            found = self.poll_room();
        }
        if found.is_ready() {
            // To leave may drop a waker, which may panic: the room is not taken by then.
            self.stop_waiting();
        }
        found
    }

    /// Writes to the front of what it has room for, and waits while there is none.
    pub(crate) fn poll_write_all_of(
        &mut self,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<Result<usize, WriteError>> {
        loop {
            match self.write_all_of(buffers) {
                Err(WriteError::Full { .. }) => std::task::ready!(self.poll_ready(context))?,
                found => return Poll::Ready(found),
            }
        }
    }

    /// The same, and parks the thread.
    pub(super) fn park_and_write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize, WriteError> {
        loop {
            match self.write_all_of(buffers) {
                // Where no thread can wait, the error says so.
                Err(full @ WriteError::Full { .. }) => {
                    if !self.park_until_ready(Until::Forever)? {
                        return Err(full);
                    }
                }
                found => return found,
            }
        }
    }

    /// Leaves the line, if it is in there.
    pub(crate) fn stop_waiting(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.shared.leave_line(ticket);
        }
    }
}
