//! Streams and sinks of messages, for the combinators of futures.

use crate::channel::endpoint::{Receives, Writes};
use crate::channel::reader::message::Header;
use crate::channel::reader::message::compare::compare_with_bytes;
use crate::channel::reader::{Reader, StrongReader, WeakReader, poll_attempt};
use crate::channel::writer::{Core, StrongWriter, Wait, WeakWriter, Writer};
use crate::error::{ReadError, SendError, TrySendError};
use crate::wait::budget::Budget;
use crate::wait::panics::Panics;
use bytes::Bytes;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use std::fmt;
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

impl AsRef<[u8]> for OwnedMessage {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

compare_with_bytes!(OwnedMessage);

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
/// stop. After the channel failed, the last item is `Err` with [`ReadError::Failed`]; after it was
/// terminated, `Err` with [`ReadError::Terminated`]. After the owner of the channel took the hold of a
/// strong reader, it is `Err` with [`ReadError::HoldTaken`]: go on with a stream of
/// [`into_inner`](Self::into_inner) and [`into_weak`](StrongReader::into_weak).
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

impl<R: Receives + Unpin> Stream for MessageStream<R> {
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
                this.has_ended = matches!(
                    error,
                    ReadError::Failed(_) | ReadError::Terminated | ReadError::HoldTaken
                );
                Some(Err(error))
            }
        })
    }
}

impl<R: Receives + Unpin> FusedStream for MessageStream<R> {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

/// A sink that sends each item as a message. Made by the `into_sink` of each writer.
///
/// It is ready when there is room for a short message, of up to 64 bytes, and sends each item as it
/// takes it. A longer one for which there is no room yet, or one whose room another writer took
/// meanwhile, waits in the sink: it is sent when there is room and the sink is polled, and before that
/// the sink is not ready. So what fits is in the ring at once, also if the sink is only fed, not flushed.
///
/// Where the channel has ended, its readers are gone, or the writer was shut down, the sink is never
/// ready, and flushing fails: no item is taken that nobody will get. If an item was sent since the last
/// flush, that one succeeds: the item is in the ring, whatever becomes of the channel.
///
/// Closing the sink shuts the writer down. Closing it again does nothing.
///
/// A sink that is dropped loses nothing unseen: a message that waits in it is sent if there is room at
/// that moment. If not, it is counted as [dropped](crate::Backpressure::Drop): in the figures of the
/// writer and of the channel, and in what readers missed.
///
/// A sink cannot tell that a message was dropped: it reports success for it, and the writer's figures
/// count it. With [`Backpressure::Drop`](crate::Backpressure::Drop) it is always ready.
///
/// A future that waits for the sink may be dropped, and the sink does not learn of it. The writer
/// then keeps its place in the line until there is room, or until the sink is used again or
/// dropped.
///
/// ```
/// # futures::executor::block_on(async {
/// use futures::{FutureExt, SinkExt};
///
/// let (writer, mut reader) = overfall::pipe(64); // room for one message
/// let mut sink = writer.into_sink();
/// sink.feed("one".into()).await?;
/// assert!(sink.feed("two".into()).now_or_never().is_none(), "there is no room");
///
/// assert_eq!(reader.recv().await.unwrap().as_deref(), Some(&b"one"[..]));
/// sink.feed("two".into()).await?;
/// drop(sink);
/// assert_eq!(reader.recv().await.unwrap().as_deref(), Some(&b"two"[..]));
/// # Ok::<(), overfall::error::SendError>(())
/// # }).unwrap();
/// ```
#[must_use = "sinks do nothing unless polled"]
pub struct MessageSink<W: Writes> {
    /// There until the sink is converted back.
    writer: Option<W>,
    waiting: Option<Bytes>,
    /// Whether an item was sent since the last flush.
    is_fresh: bool,
    budget: Budget,
}

impl<W: Writes> MessageSink<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { writer: Some(writer), waiting: None, is_fresh: false, budget: Budget::default() }
    }

    /// The writer, for its figures.
    pub fn get_ref(&self) -> &W {
        let Some(writer) = &self.writer else { unreachable!("it goes with the sink") };
        writer
    }

    /// The writer. What is sent through it comes before a message that waits in the sink.
    pub fn get_mut(&mut self) -> &mut W {
        let Some(writer) = &mut self.writer else { unreachable!("it goes with the sink") };
        writer
    }

    /// Converts the sink back into its writer. With a message that waits in the sink it is as when the
    /// sink is dropped.
    pub fn into_inner(mut self) -> W {
        self.let_go();
        let Some(writer) = self.writer.take() else { unreachable!("it goes with the sink") };
        writer
    }

    /// Sends the message that waits if there is room now, and counts it as dropped if not.
    fn let_go(&mut self) {
        let (Some(message), Some(writer)) = (self.waiting.take(), &mut self.writer) else { return };
        let core = writer.writer_core();
        if core.try_send(&message).is_err() {
            let _dropped = core.drop_message(message.len() as u64);
        }
    }

    /// Sends the message that waits, if there is one, and then does what is `next`.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        next: impl FnOnce(&mut Core, &mut Context<'_>) -> Poll<Result<(), SendError>>,
    ) -> Poll<Result<(), SendError>> {
        let Self { writer: Some(writer), waiting, is_fresh, budget } = self else {
            unreachable!("it goes with the sink")
        };
        let core = writer.writer_core();
        budget.poll(context, |context| {
            if let Some(message) = waiting {
                let sequence = core.sequence();
                let mut panics = Panics::new();
                let sent = panics.run(|| core.poll_send(context, message, Wait::MayBeForgotten));
                // The message is sent only once, also if a waker that this wakes panics.
                if core.sequence() != sequence {
                    (*waiting, *is_fresh) = (None, true);
                }
                panics.finish();
                if let Err(error) = ready!(sent.unwrap_or(Poll::Pending)) {
                    *waiting = None;
                    return Poll::Ready(Err(error));
                }
            }
            next(core, context)
        })
    }

    /// Sends an item by `send`, which tells whether there was room.
    #[track_caller]
    pub(crate) fn start_send_with<E>(
        &mut self,
        send: impl FnOnce(&mut W) -> Result<bool, E>,
    ) -> Result<bool, E> {
        assert!(self.waiting.is_none(), "`start_send` before `poll_ready` was ready");
        let is_sent = send(self.get_mut())?;
        self.is_fresh |= is_sent;
        Ok(is_sent)
    }

    /// Sends an item, and tells whether there was room.
    #[track_caller]
    pub(crate) fn send_now(&mut self, message: &[u8]) -> Result<bool, SendError> {
        self.start_send_with(|writer| {
            match writer.writer_core().try_send(message).map_err(TrySendError::unless_full) {
                Ok(()) => Ok(true),
                Err(None) => Ok(false),
                Err(Some(error)) => Err(error),
            }
        })
    }

    /// Keeps a message for which there is no room, or drops and counts it, if that is how the writer is.
    pub(crate) fn hold(&mut self, message: Bytes) {
        let core = self.get_mut().writer_core();
        if core.never_waits() {
            let _dropped = core.drop_message(message.len() as u64);
        } else {
            self.waiting = Some(message);
        }
    }

    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        ready!(self.poll(context, |_, _| Poll::Ready(Ok(()))))?;
        if std::mem::take(&mut self.is_fresh) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(self.get_mut().writer_core().check_open().map_err(SendError::from))
    }
}

impl<W: Writes + Unpin> Sink<Bytes> for MessageSink<W> {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll(context, |core, context| {
            core.check_open()?;
            if core.never_waits() {
                return Poll::Ready(Ok(()));
            }
            // Who finds room leaves the line: the room is nobody's until an item comes for it.
            let room = core.poll_is_room(context.waker(), Wait::MayBeForgotten);
            room.map_err(SendError::from)
        })
    }

    /// # Panics
    ///
    /// If `poll_ready` was not ready since the last item, and that still waits for room.
    #[track_caller]
    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        let this = self.get_mut();
        if !this.send_now(&message)? {
            this.hold(message);
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_sent(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        if this.waiting.is_none() && this.get_mut().writer_core().is_done() {
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(this.poll_sent(context));
        this.get_mut().writer_core().shut_down();
        Poll::Ready(sent)
    }
}

impl<W: Writes> Drop for MessageSink<W> {
    fn drop(&mut self) {
        let mut panics = Panics::new();
        panics.run(|| self.let_go());
        panics.finish();
    }
}

impl<W: Writes + fmt::Debug> fmt::Debug for MessageSink<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.as_ref().map(Bytes::len);
        f.debug_struct("MessageSink")
            .field("writer", self.get_ref())
            .field("waiting", &waiting)
            .finish()
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
                MessageSink::new(self)
            }
        }
    )*};
}
into_sink!(Writer StrongWriter WeakWriter);
