//! Lines, with threads that park.

use super::{Found, Line, LineError, Lines, OwnedLine, Source};
use crate::io::Blocking;
use crate::io::layers::Until;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Lines. As an iterator they own their bytes; it ends at the end of the stream, and behind the error in place
/// of it.
///
/// ```
/// let (mut writer, reader) = overfall::pipe(1024);
/// writer.try_send("one\ntwo\n")?;
/// drop(writer);
/// let lines = reader.into_lines().blocking();
/// let lines: Result<Vec<_>, _> = lines.map(|line| line.map(|line| line.into_text())).collect();
/// assert_eq!(lines?, ["one", "two"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<R: Source> Blocking<Lines<R>> {
    /// The next line, as [`Lines::next_line`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, LineError> {
        self.next_line_until(Until::Forever)
    }

    /// The same, or fails with [`LineError::Empty`] if it is not complete by `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`Lines::try_next_line`].
    pub fn next_line_deadline(&mut self, deadline: Instant) -> Result<Option<Line<'_>>, LineError> {
        self.next_line_until(Until::Deadline(deadline))
    }

    /// The same, or fails with [`LineError::Empty`] if it is not complete within `timeout`. A timeout that
    /// overflows [`Instant`] never ends, and with one of zero this looks once.
    ///
    /// # Errors
    ///
    /// As for [`Lines::try_next_line`].
    pub fn next_line_timeout(&mut self, timeout: Duration) -> Result<Option<Line<'_>>, LineError> {
        self.next_line_until(Until::timeout(timeout))
    }

    /// The next line; or, if nothing comes for as long as `quiet`, what there is of it, as
    /// [`Lines::next_line_or_quiet`]. It waits for as long as there is nothing of a line.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn next_line_or_quiet(&mut self, quiet: Duration) -> Result<Option<Line<'_>>, LineError> {
        if let Some(line) = self.get_mut().cut_whole() {
            return self.get_mut().lend_whole(line);
        }
        let found = loop {
            let is_begun = self.get_ref().has_unfinished();
            let since = self.get_ref().arrivals;
            let until = if is_begun { Until::timeout(quiet) } else { Until::Forever };
            // What comes of an unfinished line has it wait anew.
            let found = self.poll_or_wait(until, Lines::stop_waiting, |lines, context| {
                let found = match context {
                    None => ready(lines.find()),
                    Some(context) => lines.poll_find(context),
                };
                let has_come = lines.has_unfinished() && !(is_begun && lines.arrivals == since);
                match found {
                    Poll::Ready(found) => Poll::Ready(Some(found)),
                    Poll::Pending if has_come => Poll::Ready(None),
                    Poll::Pending => Poll::Pending,
                }
            });
            match found {
                Some(Some(found)) => break found,
                Some(None) => {}
                None if is_begun => break Ok(self.get_mut().unfinished()),
                None => break Err(LineError::Empty),
            }
        };
        self.get_mut().give(found)
    }

    /// Fills the whole of `buffer`, as [`Lines::read_exact`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), LineError> {
        self.read_exact_until(buffer, Until::Forever)
    }

    /// The same, or fails with [`LineError::Empty`], and takes nothing, if not all of it is there within
    /// `timeout`. A timeout that overflows [`Instant`] never ends, and with one of zero this looks once.
    ///
    /// # Errors
    ///
    /// As for [`Lines::try_read_exact`].
    pub fn read_exact_timeout(
        &mut self,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<(), LineError> {
        self.read_exact_until(buffer, Until::timeout(timeout))
    }

    #[inline]
    fn next_line_until(&mut self, until: Until) -> Result<Option<Line<'_>>, LineError> {
        if let Some(line) = self.get_mut().cut_whole() {
            return self.get_mut().lend_whole(line);
        }
        let found = self.find_until(until);
        self.get_mut().give(found)
    }

    fn find_until(&mut self, until: Until) -> Found {
        let found = self.poll_or_wait(until, Lines::stop_waiting, |lines, context| match context {
            None => ready(lines.find()),
            Some(context) => lines.poll_find(context),
        });
        found.unwrap_or(Err(LineError::Empty))
    }

    fn read_exact_until(&mut self, buffer: &mut [u8], until: Until) -> Result<(), LineError> {
        let wanted = buffer.len();
        let gathered =
            self.poll_or_wait(until, Lines::stop_waiting, |lines, context| match context {
                None => ready(lines.gather(wanted)),
                Some(context) => lines.poll_gather(context, wanted),
            });
        gathered.unwrap_or(Err(LineError::Empty))?;
        self.get_mut().take_gathered(buffer);
        Ok(())
    }
}

impl<R: Source> Iterator for Blocking<Lines<R>> {
    type Item = Result<OwnedLine, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.get_ref().is_over {
            return None;
        }
        let item = self.next_line().map(|line| line.map(|line| line.to_owned())).transpose();
        self.get_mut().is_over = is_last(&item);
        item
    }
}

/// Whether no item comes behind this one.
pub(super) fn is_last(item: &Option<Result<OwnedLine, LineError>>) -> bool {
    match item {
        None => true,
        Some(Ok(_)) => false,
        Some(Err(error)) => error.is_final() || *error == LineError::HoldTaken,
    }
}

/// Ready, unless there is nothing yet.
fn ready<T>(found: Result<T, LineError>) -> Poll<Result<T, LineError>> {
    match found {
        Err(LineError::Empty) => Poll::Pending,
        found => Poll::Ready(found),
    }
}
