//! Two ends, each of which reads what the other writes.

use super::Blocking;
use crate::channel::endpoint::{Lends, Reads, Writes};
use crate::channel::pipe;
use crate::channel::reader::Lend;
use crate::channel::reader::{self, Read, StrongReader};
use crate::channel::writer::{self, HasCore, StrongWriter};
use crate::error::{ReadError, TryReadError};
use std::task::{Context, Poll};

/// Two connected ends: each reads what the other writes. There is a ring of `size` bytes for each
/// direction.
///
/// It stands in for a connection in one process, between a client and a server or in a test.
///
/// ```
/// use std::io::{BufRead, Write};
///
/// let (client, server) = overfall::duplex(4096);
/// let thread = std::thread::spawn(move || {
///     let mut server = server.blocking();
///     let mut line = String::new();
///     server.read_line(&mut line)?;
///     server.write_all(line.to_uppercase().as_bytes())
/// });
/// let mut client = client.blocking();
/// client.write_all(b"hello\n")?;
/// let mut answer = String::new();
/// client.read_line(&mut answer)?;
/// assert_eq!(answer, "HELLO\n");
/// thread.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
///
/// If `size` is 0 or there is no memory for it, as [`pipe`].
#[track_caller]
pub fn duplex(size: usize) -> (Duplex, Duplex) {
    let (there, back) = (pipe(size), pipe(size));
    (Duplex { writer: there.0, reader: back.1 }, Duplex { writer: back.0, reader: there.1 })
}

/// One of the two ends that [`duplex`] makes: a [`StrongWriter`] of one ring and a [`StrongReader`]
/// of the other.
///
/// It has the io traits of the features `tokio` and `futures`, those for buffered reads too.
/// [`blocking`](Self::blocking) gives it those of [`std::io`]. For messages, statistics and all
/// else that a writer or a reader can do, [`into_split`](Self::into_split) it.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let (mut client, mut server) = overfall::duplex(4096);
/// client.write_all(b"ping").await?;
///
/// let mut buffer = [0; 4];
/// server.read_exact(&mut buffer).await?;
/// assert_eq!(&buffer, b"ping");
///
/// drop(server);
/// assert_eq!(client.read(&mut buffer).await?, 0);
/// let error = client.write_all(b"ping").await.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Endings
///
/// The directions end one by one.
///
/// - When an end is dropped, the other one reads what is there and then comes to the end (`Ok(0)`).
///   Its writes fail with [`BrokenPipe`](std::io::ErrorKind::BrokenPipe). What it wrote and was not
///   read is gone.
/// - When an end is dropped by a panic, the reads of the other one fail with that, once they have read
///   what is there ([`Writer::fail`](crate::Writer::fail)).
/// - `shutdown` of tokio's trait and `close` of futures' end the direction that this end writes.
///   The other one comes to the end of its reads, and can still write.
///
/// # Cancel safety
///
/// A read or write of the async traits that is dropped while it waits has read or written nothing.
///
/// # Differences to `tokio::io::duplex`
///
/// It takes the place of tokio's in most tests as it is. These things follow from the ring:
///
/// - The size is rounded up to a power of two, 64 at least. A write takes whole granules of 64
///   bytes, so 64 writes of one byte fill a ring of 4096.
/// - A write of up to `size` bytes waits for room for all of them. It is short only if it is longer
///   than the ring. tokio's writes what there is room for.
/// - Room comes back when all bytes of a write have been read, and not byte by byte.
/// - An empty write is always `Ok(0)`. tokio's fails if the other end is gone.
pub struct Duplex {
    writer: StrongWriter,
    reader: StrongReader,
}

impl Duplex {
    /// The writer and the reader of this end. Each can go to a task of its own.
    ///
    /// The directions are independent from then on: dropping the writer brings the other end to the
    /// end of its reads, dropping the reader makes the writes of the other end fail.
    ///
    /// ```
    /// let (client, server) = overfall::duplex(4096);
    /// let (mut requests, _answers) = client.into_split();
    /// let (_, mut reader) = server.into_split();
    ///
    /// requests.try_send(b"one message")?;
    /// drop(requests);
    /// assert_eq!(reader.try_recv()?.as_deref(), Some(&b"one message"[..]));
    /// assert!(reader.try_recv()?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_split(self) -> (StrongWriter, StrongReader) {
        (self.writer, self.reader)
    }

    /// This end as one whose reads and writes park the thread, with [`std::io::Read`],
    /// [`Write`](std::io::Write) and [`BufRead`](std::io::BufRead).
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl std::fmt::Debug for Duplex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { writer, reader } = self;
        f.debug_struct("Duplex").field("writer", writer).field("reader", reader).finish()
    }
}

impl HasCore for Duplex {
    fn writer_core(&mut self) -> &mut writer::Core {
        self.writer.writer_core()
    }

    fn writer_core_ref(&self) -> &writer::Core {
        self.writer.writer_core_ref()
    }
}

impl Read for Duplex {
    #[inline]
    fn read_now(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        self.reader.read_now(buffer)
    }

    #[inline]
    fn read_quick(&mut self, buffer: &mut [u8]) -> bool {
        self.reader.read_quick(buffer)
    }

    #[inline]
    fn sees_nothing_and_parks(&mut self, context: &mut Context<'_>) -> bool {
        self.reader.sees_nothing_and_parks(context)
    }

    #[inline]
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        Read::poll_read(&mut self.reader, context, buffer)
    }

    fn core(&self) -> &reader::Core {
        Read::core(&self.reader)
    }

    fn place(&self) -> reader::Place {
        Read::place(&self.reader)
    }

    fn core_mut(&mut self) -> &mut reader::Core {
        Read::core_mut(&mut self.reader)
    }

    fn end(&mut self) {
        self.reader.end();
    }
}

impl Lend for Duplex {
    fn lender(&mut self) -> &mut StrongReader {
        &mut self.reader
    }
}

impl Reads for Duplex {}
impl Lends for Duplex {}
impl Writes for Duplex {}
