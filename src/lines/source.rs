//! What lines come from.

use super::error::LineError;
use crate::channel::reader::{Reader, StrongReader, WeakReader};
use crate::error::{ReadError, TryReadError};
use crate::io::layers::{PollRead, Read, Receive, poll_attempt};
use crate::spool::SpoolReader;
use std::collections::HashSet;
use std::task::{Context, Poll, ready};

/// What [`Lines`](super::Lines) are made of: every reader of a channel, and of a spool.
#[allow(private_bounds, reason = "implemented for the readers of this crate alone")]
pub trait Source: Feed {}

/// So much of a spool is taken at once.
const PIECE: usize = 64 * 1024;

/// What has come.
pub(crate) enum Taken {
    /// Bytes of this writer, behind so many that were missed of it.
    Bytes {
        writer: u32,
        missed: u64,
    },
    End,
}

/// What one asks of it.
pub(crate) trait Feed {
    /// Appends what comes next to `input`, without waiting.
    fn take(&mut self, input: &mut Vec<u8>) -> Result<Taken, LineError>;

    /// The same, or registers the context's waker.
    fn poll_take(
        &mut self,
        context: &mut Context<'_>,
        input: &mut Vec<u8>,
    ) -> Poll<Result<Taken, LineError>>;

    fn stop_waiting(&mut self);

    /// Whether something was read before.
    fn has_read(&self) -> bool {
        false
    }

    /// The numbers of the writers that are there, and the position where all that others sent ends; nothing if
    /// there is one writer alone.
    fn living(&self) -> Option<(HashSet<u32>, u64)> {
        None
    }

    /// Where it stands.
    fn position(&self) -> u64 {
        0
    }

    /// What was missed so far, of each writer.
    fn missed(&self) -> Vec<(u32, u64)> {
        Vec::new()
    }

    /// Where it stands, and how far behind that what is there goes, in units of its own.
    #[cfg(feature = "process")]
    fn ahead(&self) -> (u64, u64);

    /// How many bytes were missed so far, if it knows that before it has read on.
    #[cfg(feature = "process")]
    fn gone(&self) -> Option<u64>;
}

/// Takes a message. A gap is told by the messages behind it, of each writer to the byte.
fn take<R: Receive + ?Sized>(reader: &mut R, input: &mut Vec<u8>) -> Result<Taken, TryReadError> {
    loop {
        match reader.take_into(input) {
            Ok(Some(header)) => {
                let missed = header.missed.bytes;
                return Ok(Taken::Bytes { writer: header.writer, missed });
            }
            Ok(None) => return Ok(Taken::End),
            Err(TryReadError::Lagged(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

macro_rules! sources {
    ($($reader:ident)*) => {$(
        impl Feed for $reader {
            #[inline]
            fn take(&mut self, input: &mut Vec<u8>) -> Result<Taken, LineError> {
                Ok(take(self, input)?)
            }

            fn poll_take(
                &mut self,
                context: &mut Context<'_>,
                input: &mut Vec<u8>,
            ) -> Poll<Result<Taken, LineError>> {
                let taken = poll_attempt(self, context, |reader| take(reader, input));
                taken.map_err(|error: ReadError| TryReadError::from(error).into())
            }

            fn stop_waiting(&mut self) {
                Read::stop_waiting(self);
            }

            fn has_read(&self) -> bool {
                self.stats().payload_bytes > 0
            }

            fn living(&self) -> Option<(HashSet<u32>, u64)> {
                let (living, end) = Read::core(self).shared().living();
                Some((living, end.label(0)))
            }

            fn position(&self) -> u64 {
                Read::place(self).byte()
            }

            fn missed(&self) -> Vec<(u32, u64)> {
                self.missed_by_writer().map(|(writer, missed)| (writer, missed.bytes)).collect()
            }

            #[cfg(feature = "process")]
            fn ahead(&self) -> (u64, u64) {
                let stats = self.stats();
                (stats.position, stats.lag)
            }

            #[cfg(feature = "process")]
            fn gone(&self) -> Option<u64> {
                Some(self.missed().bytes)
            }
        }

        impl Source for $reader {}
    )*};
}
sources!(Reader StrongReader WeakReader);

impl Feed for SpoolReader {
    fn take(&mut self, input: &mut Vec<u8>) -> Result<Taken, LineError> {
        let lent = self.try_fill_buf()?;
        let length = lent.len().min(PIECE);
        if length == 0 {
            return Ok(Taken::End);
        }
        input.extend_from_slice(&lent[..length]);
        self.consume(length);
        Ok(Taken::Bytes { writer: 0, missed: 0 })
    }

    fn poll_take(
        &mut self,
        context: &mut Context<'_>,
        input: &mut Vec<u8>,
    ) -> Poll<Result<Taken, LineError>> {
        ready!(self.poll_ready(context))?;
        Poll::Ready(Feed::take(self, input))
    }

    fn stop_waiting(&mut self) {
        PollRead::stop_waiting(self);
    }

    #[cfg(feature = "process")]
    fn ahead(&self) -> (u64, u64) {
        let position = SpoolReader::position(self);
        (position, self.len().saturating_sub(position))
    }

    #[cfg(feature = "process")]
    fn gone(&self) -> Option<u64> {
        None
    }
}

impl Source for SpoolReader {}
