//! Where bytes come from, for what moves them on: a [`Pump`](crate::pump::Pump), and a spool that
//! [pulls](crate::spool::Spool::pull).
//!
//! | a source | which traits | what it needs |
//! |---|---|---|
//! | anything that is [`std::io::Read`] | [`Source`] | a thread that it may block |
//! | [`Tokio`] of anything that is tokio's `AsyncRead` and `Unpin` | [`AsyncSource`] | its runtime |
//! | [`Futures`] of anything that is futures' `AsyncRead` and `Unpin` | [`AsyncSource`] | |
//! | a reader of a channel, or of a spool | [`AsyncSource`] | |
//!
//! Give a reader of this crate itself, not its `blocking()`: it lends its bytes, and saves a copy.

use crate::channel::reader::{Lend, Read, Reader, StrongReader, WeakReader};
use std::error::Error;
use std::fmt;
use std::io;
use std::task::{Context, Poll};

/// What bytes come from, on a thread that it may block. See the [module](self). It cannot be implemented
/// for other types than those told there: implement [`std::io::Read`].
#[allow(private_bounds, reason = "implemented for what the module tells alone")]
pub trait Source: PollRead {}

impl<S: PollRead> Source for S {}

/// A [`Source`] that never blocks the thread: it wakes a task when there is something. See the
/// [module](self).
pub trait AsyncSource: Source {}

/// What one asks of a source. What blocks is always ready.
pub(crate) trait PollRead {
    /// Whether it [lends](Self::poll_fill_buf).
    const LENDS: bool = false;

    /// Reads what is there, at least one byte, or none at the end.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;

    /// Lends what is there, if it is a source that does. None at the end.
    fn poll_fill_buf(&mut self, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        unreachable!("this source does not lend")
    }

    /// Moves over what was lent.
    fn consume(&mut self, _amount: usize) {}

    /// Who has polled it gives up.
    fn stop_waiting(&mut self) {}

    /// Nobody reads it any more. Who writes it is not to wait for that.
    fn end(&mut self) {}
}

impl<R: io::Read> PollRead for R {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.read(buffer))
    }
}

macro_rules! readers {
    ($($reader:ident)*) => {$(
        impl PollRead for $reader {
            fn poll_read(
                &mut self,
                context: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Read::poll_read(self, context, buffer).map_err(io::Error::from)
            }

            fn stop_waiting(&mut self) {
                Read::stop_waiting(self);
            }

            fn end(&mut self) {
                self.terminate();
            }
        }

        impl AsyncSource for $reader {}
    )*};
}
readers!(Reader WeakReader);

impl PollRead for StrongReader {
    const LENDS: bool = true;

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Read::poll_read(self, context, buffer).map_err(io::Error::from)
    }

    fn poll_fill_buf(&mut self, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.lender().poll_fill_buf(context).map_err(io::Error::from)
    }

    fn consume(&mut self, amount: usize) {
        StrongReader::consume(self, amount);
    }

    fn stop_waiting(&mut self) {
        Read::stop_waiting(self);
    }

    fn end(&mut self) {
        self.terminate();
    }
}

impl AsyncSource for StrongReader {}

/// A source with tokio's `AsyncRead`.
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
#[derive(Clone, Copy, Default, Debug)]
pub struct Tokio<R>(pub R);

#[cfg(feature = "tokio")]
impl<R: tokio::io::AsyncRead + Unpin> PollRead for Tokio<R> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = tokio::io::ReadBuf::new(buffer);
        std::pin::Pin::new(&mut self.0)
            .poll_read(context, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    }
}

#[cfg(feature = "tokio")]
impl<R: tokio::io::AsyncRead + Unpin> AsyncSource for Tokio<R> {}

/// A source with futures' `AsyncRead`.
#[cfg(feature = "futures")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures")))]
#[derive(Clone, Copy, Default, Debug)]
pub struct Futures<R>(pub R);

#[cfg(feature = "futures")]
impl<R: futures_io::AsyncRead + Unpin> PollRead for Futures<R> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

#[cfg(feature = "futures")]
impl<R: futures_io::AsyncRead + Unpin> AsyncSource for Futures<R> {}

/// A source must not claim to have read more than it had room for: nobody knows then what there is.
pub(crate) fn checked(read: io::Result<usize>, room: usize) -> io::Result<usize> {
    match read {
        Ok(read) if read > room => Err(Final::new(format!(
            "the source claims to have read {read} bytes into {room}: return how many were"
        ))
        .into()),
        read => read,
    }
}

/// The last error of a source that is [pulled](crate::spool::Spool::pull): the stream fails with what is
/// in it. After any other error the next reader has the source read again.
///
/// ```
/// use overfall::source::Final;
/// use overfall::spool::{ReadError, Spool};
/// use std::io::{self, Read};
///
/// struct Gone;
///
/// impl Read for Gone {
///     fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
///         Err(Final::new("the file was deleted").into())
///     }
/// }
///
/// let spool = Spool::memory();
/// spool.pull(Gone)?;
/// # futures::executor::block_on(async {
/// let error = spool.reader().unwrap().read(&mut [0; 10]).await.unwrap_err();
/// assert_eq!(error.to_string(), "the stream failed: the file was deleted");
/// # });
/// # Ok::<(), overfall::spool::WriterError>(())
/// ```
#[derive(Debug)]
pub struct Final(pub(crate) Box<dyn Error + Send + Sync>);

impl Final {
    /// One with this error.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for Final {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Final {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl From<Final> for io::Error {
    /// [`Other`](io::ErrorKind::Other), or the kind of the [`io::Error`] that is in it.
    fn from(last: Final) -> Self {
        let kind = last.0.downcast_ref().map_or(io::ErrorKind::Other, Self::kind);
        Self::new(kind, last)
    }
}
