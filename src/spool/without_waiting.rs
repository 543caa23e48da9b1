//! Views for decoders that must not wait.

use super::error::{ReadError, SeekError};
use super::reader::SpoolReader;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// What a reader that never waits tells where bytes are still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// [`io::ErrorKind::WouldBlock`], from a read, and from a seek that counts from an end that is not
    /// known.
    WouldBlock,
    /// The end. A read returns 0 there, and a seek from the end counts from what has arrived, also if
    /// another length was promised. More may be there later.
    End,
}

/// A reader with std's traits that never waits, from [`SpoolReader::without_waiting`].
///
/// Where a spool [pulls](super::Spool::pull), each `WouldBlock` has the source read once.
///
/// After `WouldBlock` in the middle of something, seek to where it began: that costs nothing, and what
/// was read is still there.
///
/// ```
/// use overfall::spool::{Missing, Spool};
/// use std::io::{ErrorKind, Read, Seek, SeekFrom};
///
/// let spool = Spool::memory();
/// let mut writer = spool.writer()?;
/// let mut reader = spool.reader()?.without_waiting(Missing::WouldBlock);
/// let mut record = [0; 4];
///
/// writer.try_write(b"ab")?;
/// assert_eq!(reader.read_exact(&mut record).unwrap_err().kind(), ErrorKind::WouldBlock);
/// reader.seek(SeekFrom::Start(0))?;
/// writer.try_write(b"cd")?;
/// reader.read_exact(&mut record)?;
/// assert_eq!(&record, b"abcd");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WithoutWaiting {
    reader: SpoolReader,
    missing: Missing,
}

impl SpoolReader {
    /// Converts this reader into one that never waits, with [`std::io::Read`], [`std::io::BufRead`] and
    /// [`std::io::Seek`].
    pub fn without_waiting(self, missing: Missing) -> WithoutWaiting {
        WithoutWaiting { reader: self, missing }
    }
}

impl WithoutWaiting {
    /// The reader itself.
    pub fn get_ref(&self) -> &SpoolReader {
        &self.reader
    }

    /// The reader itself.
    pub fn get_mut(&mut self) -> &mut SpoolReader {
        &mut self.reader
    }

    /// Converts it back.
    pub fn into_inner(self) -> SpoolReader {
        self.reader
    }
}

impl Read for WithoutWaiting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        match self.reader.ask().and_then(|()| self.reader.try_read(buffer)) {
            Err(ReadError::Empty) if self.missing == Missing::End => Ok(0),
            found => Ok(found?),
        }
    }
}

impl BufRead for WithoutWaiting {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let missing = self.missing;
        match self.reader.ask() {
            Err(ReadError::Empty) if missing == Missing::End => Ok(&[]),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(self.reader.try_fill_buf()?),
        }
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}

impl Seek for WithoutWaiting {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match (to, self.missing) {
            (SeekFrom::End(distance), Missing::End) => {
                let arrived = self.reader.len();
                SeekFrom::Start(arrived.checked_add_signed(distance).ok_or(SeekError::OutOfRange)?)
            }
            (SeekFrom::End(_), Missing::WouldBlock) => {
                self.reader.ask_for_the_end()?;
                to
            }
            _ => to,
        };
        Ok(self.reader.try_seek(to)?)
    }
}
