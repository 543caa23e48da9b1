//! Bytes in between lines.

use super::error::LineError;
use super::source::Taken;
use super::{Lines, Source};
use crate::wait::until::until_ready;
use std::task::{Context, Poll, ready};

/// What [`Lines`] are made of, from [`Lines::into_parts`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts<R> {
    /// The reader.
    pub reader: R,
    /// What it has read, and what was not given out: of lines that were begun, and behind them.
    pub unread: Vec<u8>,
}

/// Bytes and lines can be read in turns, and none is lost at the change: a header of lines tells how many bytes
/// follow, and behind them comes the next header.
///
/// The bytes begin right behind the end of the line that was given last, or where a piece of an unfinished one
/// ended. A line begins anew behind the bytes. This is for a stream with one writer: where several share a ring,
/// bytes are taken in the order in which they lie there.
///
/// ```
/// # futures::executor::block_on(async {
/// let (mut writer, reader) = overfall::pipe(1024);
/// writer.send("Length: 5\r\n\r\na\nb").await?;
/// writer.send("\ncLength: 0\r\n").await?;
/// let mut lines = reader.into_lines();
/// assert_eq!(*lines.next_line().await?.unwrap(), *b"Length: 5");
/// assert_eq!(*lines.next_line().await?.unwrap(), *b"");
/// let mut body = [0; 5];
/// lines.read_exact(&mut body).await?;
/// assert_eq!(body, *b"a\nb\nc");
/// assert_eq!(*lines.next_line().await?.unwrap(), *b"Length: 0");
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
impl<R: Source> Lines<R> {
    /// Fills the whole of `buffer`, if so much is there. If not, nothing is taken.
    ///
    /// # Errors
    ///
    /// - [`LineError::Empty`], if it is not all there yet.
    /// - [`LineError::Short`], if the stream ends before. [`LineError::Failed`] and
    ///   [`LineError::Terminated`] come in place of it.
    /// - [`LineError::Gap`], if bytes were missed. Those before it are dropped. The next call goes on behind it.
    /// - [`LineError::HoldTaken`] and [`LineError::Spool`], as for [`try_next_line`](Self::try_next_line).
    pub fn try_read_exact(&mut self, buffer: &mut [u8]) -> Result<(), LineError> {
        self.gather(buffer.len())?;
        self.take_gathered(buffer);
        Ok(())
    }

    /// Fills the whole of `buffer`; waits until so much is there. So much memory is used for it.
    ///
    /// # Errors
    ///
    /// As for [`try_read_exact`](Self::try_read_exact). `Empty` occurs only from within an event of the feature
    /// `tracing`, where nobody waits.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, nothing was taken.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), LineError> {
        let wanted = buffer.len();
        until_ready(&mut *self, Self::stop_waiting, |lines, context| {
            lines.poll_gather(context, wanted)
        })
        .await?;
        self.take_gathered(buffer);
        Ok(())
    }

    /// Takes it apart. Where several writers share a ring, the unfinished lines of others come first.
    pub fn into_parts(mut self) -> Parts<R> {
        self.begin_bytes();
        let mut unread = Vec::new();
        for (_, mut cutter) in std::mem::take(&mut self.others) {
            unread.append(&mut cutter.leave().0);
        }
        unread.extend_from_slice(self.input.rest());
        Parts { reader: self.source, unread }
    }

    /// Sees to it that so many bytes are there.
    pub(super) fn gather(&mut self, wanted: usize) -> Result<(), LineError> {
        while !self.has_gathered(wanted)? {
            let before = self.input.rest().len();
            let taken = self.source.take(self.input.extendable());
            self.gathered(before, taken)?;
        }
        Ok(())
    }

    pub(super) fn poll_gather(
        &mut self,
        context: &mut Context<'_>,
        wanted: usize,
    ) -> Poll<Result<(), LineError>> {
        while !self.has_gathered(wanted)? {
            let before = self.input.rest().len();
            let taken = ready!(self.source.poll_take(context, self.input.extendable()));
            self.gathered(before, taken)?;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn take_gathered(&mut self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.input.rest()[..buffer.len()]);
        self.input.pass(buffer.len());
    }

    /// Whether so many bytes are there; fails if they never will be.
    fn has_gathered(&mut self, wanted: usize) -> Result<bool, LineError> {
        self.begin_bytes();
        let available = self.input.rest().len();
        match &self.ended {
            _ if available >= wanted => Ok(true),
            None => Ok(false),
            Some(Ok(())) => Err(LineError::Short { wanted, available }),
            Some(Err(error)) => Err(error.clone()),
        }
    }

    /// What was begun of a line is read as bytes.
    fn begin_bytes(&mut self) {
        if self.cutter.is_between_lines() {
            return;
        }
        // A newline behind a return that has ended an item belongs to that.
        let is_waiting = self.input.rest().is_empty() && self.cutter.begun().is_empty();
        if is_waiting && self.cutter.is_behind_return() {
            return;
        }
        let (begun, is_behind_return) = self.cutter.leave();
        if is_behind_return && self.input.rest().first() == Some(&b'\n') {
            self.input.pass(1);
        }
        self.input.put_before(&begun);
    }

    /// Something has come behind the first `before` bytes of the input.
    fn gathered(
        &mut self,
        before: usize,
        taken: Result<Taken, LineError>,
    ) -> Result<(), LineError> {
        let missed = match taken {
            Ok(Taken::Bytes { writer, missed }) => {
                self.arrivals += 1;
                self.turn_to(writer);
                missed
            }
            Err(LineError::Gap(gap)) => gap.missed,
            taken => return self.arrived(taken),
        };
        if missed > 0 {
            let torn = before as u64;
            self.input.pass(before);
            self.dropped += torn;
            let LineError::Gap(gap) = self.gap(missed) else { unreachable!("it is a gap") };
            return Err(super::Gap { torn, ..gap }.into());
        }
        Ok(())
    }
}
