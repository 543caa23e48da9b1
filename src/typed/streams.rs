//! Streams and sinks of values, for the combinators of futures.

use super::{Reader, Receivable, RecvError, SendError, Sendable, TrySendError, Writer};
use crate::channel::reader::message::Header;
use crate::error::ReadError;
use crate::io::MessageSink;
use crate::io::layers::{Receives, Writes, poll_attempt};
use crate::typed::{InvalidMessage, serialization::Serialization};
use crate::wait::budget::Budget;
use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use rkyv::Deserialize;
use rkyv::api::high::HighDeserializer;
use rkyv::rancor::BoxedError as Error;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A stream of the values of a reader, each deserialized.
///
/// Made by [`Reader::into_stream`]. It ends when the channel has drained. A gap of a weak reader, and a
/// message that is not a value of `T`, are items, `Err`, and the stream goes on after them, as a
/// [`MessageStream`](crate::MessageStream) does.
///
/// ```
/// # futures::executor::block_on(async {
/// use futures::{SinkExt, TryStreamExt};
/// use overfall::typed::Channel;
///
/// let channel = Channel::<String>::new(4096);
/// let (mut sink, stream) = (channel.new_writer().into_sink(), channel.new_strong_reader().into_stream());
/// sink.send("one".to_string()).await?;
/// sink.send("two".to_string()).await?;
/// channel.drain()?;
/// let all: Vec<String> = stream.try_collect().await?;
/// assert_eq!(all, ["one", "two"]);
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct ValueStream<T, R> {
    reader: Reader<T, R>,
    has_ended: bool,
    budget: Budget,
}

impl<T, R> ValueStream<T, R> {
    /// The reader, for its figures and for what it missed.
    pub fn get_ref(&self) -> &Reader<T, R> {
        &self.reader
    }

    /// The reader.
    pub fn get_mut(&mut self) -> &mut Reader<T, R> {
        &mut self.reader
    }

    /// The reader.
    pub fn into_inner(self) -> Reader<T, R> {
        self.reader
    }
}

impl<T, R> Stream for ValueStream<T, R>
where
    T: Receivable,
    T::Archived: Deserialize<T, HighDeserializer<Error>>,
    R: Receives + Unpin,
{
    type Item = Result<T, RecvError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.has_ended {
            return Poll::Ready(None);
        }
        let reader = this.reader.get_mut();
        let taken = this.budget.poll(context, |context| poll_attempt(reader, context, R::take));
        Poll::Ready(match ready!(taken) {
            Ok(true) => Some(this.reader.taken()),
            Ok(false) => {
                this.has_ended = true;
                None
            }
            Err(error) => {
                this.has_ended = matches!(error, ReadError::Terminated);
                Some(Err(error.into()))
            }
        })
    }
}

impl<T, R> FusedStream for ValueStream<T, R>
where
    T: Receivable,
    T::Archived: Deserialize<T, HighDeserializer<Error>>,
    R: Receives + Unpin,
{
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

impl<T, R: Receives> Reader<T, R> {
    /// Converts this reader into a stream of values.
    pub fn into_stream(self) -> ValueStream<T, R>
    where
        T: Receivable,
    {
        ValueStream { reader: self, has_ended: false, budget: Budget::default() }
    }

    /// What was taken last, deserialized.
    fn taken(&mut self) -> Result<T, RecvError>
    where
        T: Receivable,
        T::Archived: Deserialize<T, HighDeserializer<Error>>,
    {
        let received = super::Received::<T>::new(self.get_mut().message())?;
        let header: Header = received.header();
        let deserialized = received.deserialize();
        Ok(deserialized.map_err(|error| InvalidMessage { header, source: error.source })?)
    }
}

/// A sink that sends each value.
///
/// Made by [`Writer::into_sink`]. It is ready, waits, ends and is dropped as a
/// [`MessageSink`]. A value for which there is no room waits serialized.
#[must_use = "sinks do nothing unless polled"]
pub struct ValueSink<T, W: Writes> {
    sink: MessageSink<W>,
    serialization: Serialization,
    values: PhantomData<fn(T)>,
}

impl<T, W: Writes> ValueSink<T, W> {
    /// The writer of bytes, for its figures.
    pub fn get_ref(&self) -> &W {
        self.sink.get_ref()
    }

    /// Converts the sink back into its writer. With a value that waits in the sink it is as when the sink
    /// is dropped.
    pub fn into_inner(self) -> Writer<T, W> {
        Writer::new(self.sink.into_inner())
    }
}

impl<T, W: Writes> Writer<T, W> {
    /// Converts this writer into a sink of values.
    pub fn into_sink(self) -> ValueSink<T, W>
    where
        T: Sendable,
    {
        let sink = MessageSink::new(self.into_inner());
        ValueSink { sink, serialization: Serialization::new(), values: PhantomData }
    }
}

impl<T: Sendable, W: Writes + Unpin> Sink<T> for ValueSink<T, W> {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().sink).poll_ready(context).map_err(SendError::from)
    }

    /// # Panics
    ///
    /// As for [`MessageSink`].
    #[track_caller]
    fn start_send(self: Pin<&mut Self>, value: T) -> Result<(), SendError> {
        let Self { sink, serialization, .. } = self.get_mut();
        if let Some(message) = serialization.short(&value) {
            if !sink.send_now(message)? {
                sink.hold(message.to_vec().into());
            }
            return Ok(());
        }
        let sent = sink.start_send_with(|writer| match serialization.try_send(&value, writer) {
            Err(TrySendError::Message(refused)) => {
                refused.unless_full().map_or(Ok(false), |e| Err(e.into()))
            }
            Err(TrySendError::Serialize(error)) => Err(SendError::Serialize(error)),
            Ok(()) => Ok(true),
        })?;
        if !sent {
            let message = serialization.serialize_aside(&value).map_err(SendError::Serialize)?;
            sink.hold(message.into());
        }
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().sink).poll_flush(context).map_err(SendError::from)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().sink).poll_close(context).map_err(SendError::from)
    }
}

impl<T, R: fmt::Debug> fmt::Debug for ValueStream<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ValueStream").field(&self.reader).finish()
    }
}

impl<T, W: Writes + fmt::Debug> fmt::Debug for ValueSink<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ValueSink").field(&self.sink).finish()
    }
}
