//! For consumers of ours: to take more from the reader, and to look at what was taken, are two things here.

use super::{Line, LineError, Lines, Source};
use crate::wait::until::until_ready;
use std::task::{Poll, ready};

impl<R: Source> Lines<R> {
    /// The next line of what was taken from the reader already; `Empty`, if there is none.
    #[inline]
    pub(crate) fn next_taken_line(&mut self) -> Result<Option<Line<'_>>, LineError> {
        match self.cut_whole() {
            Some(line) => self.lend_whole(line),
            None => {
                let found = self.cut_or_end().unwrap_or(Err(LineError::Empty));
                self.give(found)
            }
        }
    }

    /// The same as bytes: all of it.
    pub(crate) fn taken_bytes(&mut self) -> &[u8] {
        if !self.cutter.is_between_lines() {
            // There was a gap, and nobody asks for the line that was torn.
            self.cutter.leave();
        }
        let (from, length) = (self.input.at(), self.input.rest().len());
        self.input.pass(length);
        self.input.bytes(from, from + length)
    }

    /// How the stream has ended, if the reader has come there.
    pub(crate) fn ended(&self) -> Option<&Result<(), LineError>> {
        self.ended.as_ref()
    }

    /// Takes more from the reader, without waiting, when all was given that it took before.
    pub(crate) fn try_take(&mut self) -> Result<(), LineError> {
        self.input.clear();
        let taken = self.source.take(self.input.extendable());
        self.arrived(taken)
    }

    /// Waits until there is more, and takes it from the reader.
    pub(crate) async fn take(&mut self) -> Result<(), LineError> {
        self.input.clear();
        until_ready(self, Self::stop_waiting, |lines, context| {
            let taken = ready!(lines.source.poll_take(context, lines.input.extendable()));
            Poll::Ready(lines.arrived(taken))
        })
        .await
    }

    /// How many bytes were missed so far.
    pub(crate) fn gone(&self) -> u64 {
        self.source.gone().unwrap_or_else(|| self.told.values().sum())
    }

    /// The same lines, of a reader that was made of the one inside.
    pub(crate) fn of(self, change: impl FnOnce(R) -> R) -> Self {
        self.map(change)
    }

    /// What has come of the line that this writer has begun.
    pub(crate) fn take_unfinished(&mut self, writer: u32) -> Result<Option<Line<'_>>, LineError> {
        self.turn_to(writer);
        let piece = self.cutter.unfinished(&self.settings);
        self.give(Ok(piece))
    }
}
