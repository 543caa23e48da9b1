//! Streams and sinks of messages, for the combinators of futures.

use crate::channel::reader::message::Header;
use crate::channel::reader::{Reader, Receive, StrongReader, WeakReader, poll_attempt};
use crate::channel::writer::{HasCore, StrongWriter, Wait, WeakWriter, Writer};
use crate::error::{ReadError, SendError};
use crate::wait::budget::Budget;
use crate::wait::panics::Panics;
use bytes::Bytes;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A message that owns its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OwnedMessage {
    /// Which writer sent it, its number and position, and what was missed before it.
    pub header: Header,
    /// Its bytes, copied out of the ring.
    pub bytes: Bytes,
}

impl From<OwnedMessage> for Bytes {
    fn from(message: OwnedMessage) -> Self {
        message.bytes
    }
}

/// A stream of the messages of a reader, each copied out of the ring.
///
/// Made by the `into_stream` of each reader. It ends when the channel has drained.
///
/// A gap of a weak reader is an item, `Err` with [`ReadError::Lagged`], and the stream goes on
/// after it. Combinators that stop at the first error, such as `try_for_each` and `forward`, stop
/// at the first gap. Call [`set_silent`](WeakReader::set_silent) first if gaps are no reason to
/// stop. After the channel was terminated, the last item is `Err` with [`ReadError::Terminated`]. After
/// the owner of the channel took the hold of a strong reader, it is `Err` with [`ReadError::HoldTaken`]:
/// go on with a stream of [`into_inner`](Self::into_inner) and [`into_weak`](StrongReader::into_weak).
///
/// ```
/// # futures::executor::block_on(async {
/// use futures::{SinkExt, StreamExt};
///
/// let (writer, reader) = overfall::pipe(4096);
/// let mut sink = writer.into_sink();
/// sink.send("one".into()).await?;
/// sink.send("two".into()).await?;
/// sink.close().await?;
/// let lengths: Vec<_> =
///     reader.into_stream().map(|item| item.unwrap().bytes.len()).collect().await;
/// assert_eq!(lengths, [3, 3]);
/// # Ok::<(), overfall::error::SendError>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct MessageStream<R> {
    reader: R,
    has_ended: bool,
    budget: Budget,
}

impl<R> MessageStream<R> {
    /// The reader, for its figures and for what it missed.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The reader.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
impl<R: Receive + Unpin> Stream for MessageStream<R> {
    type Item = Result<OwnedMessage, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        let reader = &mut this.reader;
        let taken = this.budget.poll(context, |context| poll_attempt(reader, context, R::take));
        Poll::Ready(match ready!(taken) {
            Ok(true) => {
                let message = this.reader.message();
                let bytes = Bytes::copy_from_slice(&message);
                Some(Ok(OwnedMessage { header: message.header(), bytes }))
            }
            Ok(false) => {
                this.has_ended = true;
                None
            }
            Err(error) => {
                this.has_ended = matches!(error, ReadError::Terminated | ReadError::HoldTaken);
                Some(Err(error))
            }
        })
    }
}

#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
impl<R: Receive + Unpin> FusedStream for MessageStream<R> {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

/// A sink that sends each item as a message.
///
/// Made by the `into_sink` of each writer. It keeps one message for which there is no room yet, and
/// is ready for the next one once that is sent. Closing the sink shuts the writer down.
///
/// A sink cannot tell that a message was [dropped](crate::Backpressure::Drop): it reports success for it,
/// and the writer's figures count it.
///
/// A future that waits for the sink may be dropped, and the sink does not learn of it. The writer
/// then keeps its place in the line until there is room, or until the sink is used again or
/// dropped.
#[derive(Debug)]
#[must_use = "sinks do nothing unless polled"]
pub struct MessageSink<W> {
    writer: W,
    waiting: Option<Bytes>,
    budget: Budget,
}

impl<W> MessageSink<W> {
    /// The writer, for its figures.
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// The writer. What is sent through it comes before a message that waits in the sink.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Converts the sink back into its writer. A message that waits in the sink is lost: flush
    /// before.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
impl<W: HasCore + Unpin> MessageSink<W> {
    /// Sends the message that waits, if there is one.
    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { writer, waiting, budget } = self;
        let sent = ready!(budget.poll(context, |context| {
            let Some(message) = waiting else { return Poll::Ready(Ok(())) };
            let core = writer.writer_core();
            let sequence = core.sequence();
            let mut panics = Panics::new();
            let sent = panics.run(|| core.poll_send(context, message, Wait::MayBeForgotten));
            let sent = sent.unwrap_or(Poll::Pending).map_ok(drop);
            // The message is sent only once, also if a waker that this wakes panics.
            if sent.is_ready() || core.sequence() != sequence {
                *waiting = None;
            }
            panics.finish();
            sent
        }));
        Poll::Ready(sent)
    }
}

#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
impl<W: HasCore + Unpin> Sink<Bytes> for MessageSink<W> {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_waiting(context)
    }

    /// # Panics
    ///
    /// If `poll_ready` was not ready since the last item.
    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        let this = self.get_mut();
        assert!(this.waiting.is_none(), "`start_send` before `poll_ready` was ready");
        let core = this.writer.writer_core();
        let Err(refused) = core.try_send(&message) else { return Ok(()) };
        if let Some(error) = refused.unless_full() {
            return Err(error);
        }
        if core.never_waits() {
            let _dropped = core.drop_message(message.len() as u64);
        } else {
            this.waiting = Some(message);
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_waiting(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        ready!(this.poll_waiting(context))?;
        this.writer.writer_core().shut_down();
        Poll::Ready(Ok(()))
    }
}

macro_rules! into_stream {
    ($($reader:ident)*) => {$(
        impl $reader {
            /// Converts this reader into a stream of messages.
            pub fn into_stream(self) -> MessageStream<Self> {
                MessageStream { reader: self, has_ended: false, budget: Budget::default() }
            }
        }
    )*};
}
into_stream!(Reader StrongReader WeakReader);

macro_rules! into_sink {
    ($($writer:ident)*) => {$(
        impl $writer {
            /// Converts this writer into a sink of messages.
            pub fn into_sink(self) -> MessageSink<Self> {
                MessageSink { writer: self, waiting: None, budget: Budget::default() }
            }
        }
    )*};
}
into_sink!(Writer StrongWriter WeakWriter);
