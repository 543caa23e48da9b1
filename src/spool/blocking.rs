//! Readers that park the thread, and std's traits.

use super::error::{ReadError, SeekError};
use super::reader::{SpoolReader, unless_empty};
use crate::io::Blocking;
use crate::io::layers::{Until, given_up};
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Ready, unless there is nothing yet.
fn ready<T>(result: Result<T, ReadError>) -> Poll<Result<T, ReadError>> {
    unless_empty(result).map_or(Poll::Pending, Poll::Ready)
}

impl SpoolReader {
    /// Converts this reader into one that parks the thread to wait, with [`std::io::Read`],
    /// [`std::io::BufRead`] and [`std::io::Seek`].
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

/// Readers of a [spool](crate::spool).
impl Blocking<SpoolReader> {
    /// Reads, or fails with [`io::ErrorKind::TimedOut`] if there is nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// `TimedOut`, and as for [`SpoolReader::read`].
    pub fn read_deadline(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        self.read_until(buffer, Until::Deadline(deadline))
    }

    /// Reads, or fails with [`io::ErrorKind::TimedOut`] if there is nothing within `timeout`. A timeout
    /// that overflows [`Instant`] never ends, and with one of zero this looks once.
    ///
    /// # Errors
    ///
    /// As for [`read_deadline`](Self::read_deadline).
    pub fn read_timeout(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        self.read_until(buffer, Until::timeout(timeout))
    }

    /// Lends what is there, as [`BufRead::fill_buf`] does, or fails with [`io::ErrorKind::TimedOut`] if
    /// there is nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`read_deadline`](Self::read_deadline).
    pub fn fill_buf_deadline(&mut self, deadline: Instant) -> io::Result<&[u8]> {
        self.fill_buf_until(Until::Deadline(deadline))
    }

    /// As [`SpoolReader::read_exact_at`].
    ///
    /// # Errors
    ///
    /// As there, in an [`io::Error`].
    pub fn read_exact_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at_until(buffer, offset, Until::Forever)
    }

    /// The same, or fails with [`io::ErrorKind::TimedOut`] if not all of it is there by `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`read_exact_at`](Self::read_exact_at), and `TimedOut`.
    pub fn read_exact_at_deadline(
        &mut self,
        buffer: &mut [u8],
        offset: u64,
        deadline: Instant,
    ) -> io::Result<()> {
        self.read_exact_at_until(buffer, offset, Until::Deadline(deadline))
    }

    /// As [`Seek::seek`], or fails with [`io::ErrorKind::TimedOut`] if the length is not known by
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`SpoolReader::seek`], and `TimedOut`. They move nothing.
    pub fn seek_deadline(&mut self, to: SeekFrom, deadline: Instant) -> io::Result<u64> {
        self.seek_until(to, Until::Deadline(deadline))
    }

    #[inline]
    fn read_until(&mut self, buffer: &mut [u8], until: Until) -> io::Result<usize> {
        self.until_found(until, |reader, context| match context {
            None => ready(reader.try_read(buffer)),
            Some(context) => reader.poll_read(context, buffer),
        })
    }

    fn fill_buf_until(&mut self, until: Until) -> io::Result<&[u8]> {
        // A second look lends what the first one found: a loan cannot leave the loop that asks for it.
        self.until_found(until, |reader, context| match context {
            None => ready(reader.try_fill_buf().map(drop)),
            Some(context) => reader.poll_ready(context),
        })?;
        Ok(self.reader().try_fill_buf()?)
    }

    fn read_exact_at_until(
        &mut self,
        buffer: &mut [u8],
        offset: u64,
        until: Until,
    ) -> io::Result<()> {
        self.reader().must_come(buffer, offset)?;
        let to = offset.saturating_add(buffer.len() as u64);
        let mut filled = 0;
        while filled < buffer.len() {
            let at = offset.saturating_add(filled as u64);
            let left = &mut buffer[filled..];
            let mut visitor = None;
            let read = self.until_found(until, |reader, context| match context {
                None => ready(reader.try_read_at(left, at)),
                Some(context) => {
                    let wanted = reader.wanted_for_all(at, to);
                    reader.poll_read_at(&mut visitor, context, left, at, wanted)
                }
            })?;
            if read == 0 {
                return Err(ReadError::Short { len: self.reader().len() }.into());
            }
            filled += read;
        }
        Ok(())
    }

    fn seek_until(&mut self, to: SeekFrom, until: Until) -> io::Result<u64> {
        self.until_found(until, |reader, context| match context {
            None => match reader.try_seek(to) {
                Err(SeekError::LengthUnknown) => Poll::Pending,
                found => Poll::Ready(found),
            },
            Some(context) => reader.poll_seek(context, to),
        })
    }

    fn reader(&mut self) -> &mut SpoolReader {
        self.get_mut()
    }

    /// Looks, and waits for as long as there is nothing.
    #[inline]
    fn until_found<T, E: Into<io::Error>>(
        &mut self,
        until: Until,
        check: impl FnMut(&mut SpoolReader, Option<&mut Context<'_>>) -> Poll<Result<T, E>>,
    ) -> io::Result<T> {
        let found = self.poll_or_wait(until, SpoolReader::stop_waiting, check);
        found.ok_or_else(|| given_up(until))?.map_err(Into::into)
    }
}

impl Read for Blocking<SpoolReader> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_until(buffer, Until::Forever)
    }
}

impl BufRead for Blocking<SpoolReader> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill_buf_until(Until::Forever)
    }

    fn consume(&mut self, amount: usize) {
        self.reader().consume(amount);
    }
}

impl Seek for Blocking<SpoolReader> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.seek_until(to, Until::Forever)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.reader().position())
    }
}
