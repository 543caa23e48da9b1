//! Writes what comes to somewhere else.

use super::any_reader::AnyReader;
use super::consumer::{Consumer, ConsumerEnd, Intake};
use crate::lines::Builder;
use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use tokio::io::AsyncWrite;

/// Writes what a reader gives into a sink: a file, a socket, whatever is [`Write`] or tokio's [`AsyncWrite`].
///
/// When the sink fails, the consumer ends, its reader goes, and other consumers do not notice. The result has the
/// error, the sink, and what was not written.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::process::{Command, Forward, Start};
///
/// let child = Command::new("echo").arg("hello").spawn()?;
/// let reader = child.stdout().unwrap().strong_reader(Start::Oldest)?;
/// let log = Forward::new().into_write(reader, Vec::new())?;
/// child.wait().await;
/// let log = log.wait().await;
/// assert_eq!((&*log.sink, log.written, log.error.is_none()), (&b"hello\n"[..], 6, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Default, Debug)]
#[must_use = "it writes nothing by itself"]
pub struct Forward {
    ignores_errors: bool,
}

/// What became of a sink, from a [`Consumer`] of [`Forward`].
///
/// `written`, `unwritten`, `left_out` and `missed` make up all that came from where the reader started, unless it
/// ended before.
#[derive(Debug)]
#[non_exhaustive]
pub struct Forwarded<S> {
    /// The sink.
    pub sink: S,
    /// How many bytes it took.
    pub written: u64,
    /// The error of the sink; the first one, if errors are [ignored](Forward::ignore_errors).
    pub error: Option<io::Error>,
    /// What was read and not written, when the sink failed.
    pub unwritten: Vec<u8>,
    /// How many bytes the sink did not take by errors that are ignored.
    pub left_out: u64,
    /// How many bytes the reader missed.
    pub missed: u64,
    /// How it ended.
    pub end: ConsumerEnd,
}

impl Forward {
    /// Ends when the sink fails.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on when the sink fails, with what comes next. What it does not take is counted, and the first error is
    /// in the result.
    pub fn ignore_errors(mut self) -> Self {
        self.ignores_errors = true;
        self
    }

    /// Writes into `sink`, on a thread of its own, which it may block. One that does not block, as a standard output
    /// that others have made so, is asked again every 5 ms while it is full.
    ///
    /// # Errors
    ///
    /// If the system has no thread for it.
    pub fn into_write<W: Write + Send + 'static>(
        self,
        reader: impl Into<AnyReader>,
        sink: W,
    ) -> io::Result<Consumer<Forwarded<W>>> {
        let sink = Blocks(sink);
        Consumer::on_thread(reader.into(), Builder::new(), move |intake| async move {
            self.forward(intake, sink).await.map(|sink| sink.0)
        })
    }

    /// Writes into `sink`, in a task of the runtime of tokio that runs here.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn into_async_write<W: AsyncWrite + Unpin + Send + 'static>(
        self,
        reader: impl Into<AnyReader>,
        sink: W,
    ) -> io::Result<Consumer<Forwarded<W>>> {
        Consumer::on_runtime(reader.into(), move |intake| self.forward(intake, sink))
    }

    async fn forward<S: AsyncWrite + Unpin>(self, mut intake: Intake, sink: S) -> Forwarded<S> {
        let (mut writing, mut left_out) = (Writing { sink, written: 0 }, 0);
        let (mut error, mut unwritten) = (None, Vec::new());
        let end = loop {
            if let Some(end) = intake.more().await {
                break end;
            }
            let mut bytes = intake.lines().taken_bytes();
            if let Err(failure) = writing.write_all(&mut bytes).await {
                error.get_or_insert(failure);
                if !self.ignores_errors {
                    unwritten = bytes.to_vec();
                    break ConsumerEnd::SinkFailed;
                }
                left_out += bytes.len() as u64;
            }
        };
        let missed = intake.missed();
        // The reader goes before the sink is flushed, and before anybody is told the result.
        drop(intake);
        let mut forwarded = Forwarded {
            written: writing.written,
            sink: writing.sink,
            error,
            unwritten,
            left_out,
            missed,
            end,
        };
        if forwarded.end != ConsumerEnd::SinkFailed {
            if let Err(failure) =
                poll_fn(|context| Pin::new(&mut forwarded.sink).poll_flush(context)).await
            {
                forwarded.error.get_or_insert(failure);
                if !self.ignores_errors {
                    forwarded.end = ConsumerEnd::SinkFailed;
                }
            }
        }
        forwarded
    }
}

impl<S> Forwarded<S> {
    fn map<T>(self, change: impl FnOnce(S) -> T) -> Forwarded<T> {
        let Self { sink, written, error, unwritten, left_out, missed, end } = self;
        Forwarded { sink: change(sink), written, error, unwritten, left_out, missed, end }
    }
}

struct Writing<S> {
    sink: S,
    written: u64,
}

impl<S: AsyncWrite + Unpin> Writing<S> {
    /// Writes all of `bytes`, which are those that are left when it fails.
    async fn write_all(&mut self, bytes: &mut &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written =
                poll_fn(|context| Pin::new(&mut self.sink).poll_write(context, bytes)).await;
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    *bytes = &bytes[written..];
                    self.written += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A sink that blocks its thread.
struct Blocks<W>(W);

impl<W: Write> AsyncWrite for Blocks<W>
where
    Self: Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(when_there_is_room(|| self.0.write(bytes)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(when_there_is_room(|| self.0.flush()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

/// So long a sink that does not block is left alone before it is asked again.
const AGAIN: Duration = Duration::from_millis(5);

/// Others may have made the sink's descriptor, a pipe that we were started with, one that does not block. That is
/// no failure. A sink of any type has nothing to be waited for by.
fn when_there_is_room<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN),
            result => return result,
        }
    }
}

// It is never pinned by itself.
impl<W> Unpin for Blocks<W> {}
