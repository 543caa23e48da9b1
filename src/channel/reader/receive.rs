//! Receiving messages: what all readers have for it.

use super::Read;
use crate::channel::message::{Header, Message, Messages};
use crate::error::{ReadError, TryReadError};
use crate::wait::budget::Budget;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// What a reader does with messages, without waiting. `Ok(None)` and `Ok(false)` are the end.
pub(crate) trait Receive: Read {
    /// Takes the next message. [`Receive::message`] is it, for as long as nothing else is done.
    fn take(&mut self) -> Result<bool, TryReadError>;

    /// Takes the next message and appends it to `buffer`.
    fn take_into(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Header>, TryReadError>;

    /// Takes up to `limit` messages. [`Receive::messages`] are they.
    fn take_many(&mut self, limit: usize) -> Result<bool, TryReadError>;

    fn message(&mut self) -> Message<'_>;

    fn messages(&mut self) -> Messages<'_>;

    /// Skips what is left of a message that was read in part; so many bytes.
    fn skip_rest(&mut self) -> u64;
}

/// Tries, and if there is nothing, registers to be woken and tries again.
#[inline]
pub(crate) fn poll_attempt<R: Read + ?Sized, T>(
    reader: &mut R,
    context: &mut Context<'_>,
    mut attempt: impl FnMut(&mut R) -> Result<T, TryReadError>,
) -> Poll<Result<T, ReadError>> {
    let mut found = attempt(reader);
    if matches!(found, Err(TryReadError::Empty)) {
        reader.core_mut().park(context.waker());
        found = attempt(reader);
    }
    let Poll::Ready(found) = unless_empty(found) else { return reader.core().pending() };
    reader.core_mut().unpark();
    Poll::Ready(found)
}

/// What an attempt means to who waits.
#[inline]
pub(crate) fn unless_empty<T>(found: Result<T, TryReadError>) -> Poll<Result<T, ReadError>> {
    Poll::Ready(match found {
        Ok(found) => Ok(found),
        Err(TryReadError::Empty) => return Poll::Pending,
        Err(TryReadError::Lagged(lagged)) => Err(ReadError::Lagged(lagged)),
        Err(TryReadError::Terminated) => Err(ReadError::Terminated),
    })
}

/// Waits until an attempt finds something.
pub(crate) async fn wait_for<R: Read, T>(
    reader: &mut R,
    mut attempt: impl FnMut(&mut R) -> Result<T, TryReadError>,
) -> Result<T, ReadError> {
    /// Stops waiting when the future is dropped.
    struct Waiting<'a, R: Read>(&'a mut R);
    impl<R: Read> Drop for Waiting<'_, R> {
        fn drop(&mut self) {
            self.0.stop_waiting();
        }
    }
    let waiting = Waiting(reader);
    let mut budget = Budget::default();
    poll_fn(|context| {
        budget.poll(context, |context| poll_attempt(&mut *waiting.0, context, &mut attempt))
    })
    .await
}

/// The methods for messages that every kind of reader has.
macro_rules! receive_methods {
    ($reader:ident) => {
        /// Messages: what a writer sent, or wrote in one slice, as a whole.
        ///
        /// Bytes and messages can be read in turns. A message of which bytes were read is received
        /// as what is left of it, unless [`skip_rest`](Self::skip_rest) comes first. What was read
        /// as bytes is not counted as missed: how much is missed of each writer is known again from
        /// the next message of its on.
        impl $reader {
            /// Receives the next message without waiting; `Ok(None)` is the end: the channel has
            /// drained and everything has been read.
            ///
            /// A strong reader lends it where it lies; when the [`Message`] is dropped, the writers
            /// have its room back (one that is leaked: with whatever is received or read next). A
            /// weak reader copies it into a buffer that it keeps.
            ///
            /// # Errors
            ///
            /// [`TryReadError::Empty`] if there is nothing yet. [`TryReadError::Lagged`], on weak
            /// readers, once for each gap, with the ring bytes skipped; the next one goes on behind
            /// the gap, and tells in its [`Header`], with all others that follow, how much of its
            /// writer's was missed. `Terminated` as it says.
            ///
            /// ```
            /// let (mut writer, mut reader) = overfall::pipe(4096);
            /// writer.try_send(b"hello")?;
            /// if let Some(message) = reader.try_recv()? {
            ///     assert_eq!(*message, *b"hello");
            ///     assert_eq!(message.header().writer, writer.id());
            /// }
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            #[inline]
            pub fn try_recv(&mut self) -> Result<Option<Message<'_>>, TryReadError> {
                let taken = Receive::take(self)?;
                Ok(if taken { Some(Receive::message(self)) } else { None })
            }

            /// Receives the next message, and waits for it if need be; `Ok(None)` is the end.
            ///
            /// # Errors
            ///
            /// As for [`try_recv`](Self::try_recv), but that it is empty only, with the feature
            /// `tracing`, from within an event, where nobody waits.
            ///
            /// # Cancel safety
            ///
            /// Dropped while it waits, the future has taken nothing.
            pub async fn recv(&mut self) -> Result<Option<Message<'_>>, ReadError> {
                let taken = wait_for(&mut *self, Receive::take).await?;
                Ok(if taken { Some(Receive::message(self)) } else { None })
            }

            /// Receives the next message without waiting, and appends it to `buffer`; `Ok(None)` is
            /// the end. On an error nothing is appended.
            ///
            /// # Errors
            ///
            /// As for [`try_recv`](Self::try_recv).
            pub fn try_recv_into(
                &mut self,
                buffer: &mut Vec<u8>,
            ) -> Result<Option<Header>, TryReadError> {
                Receive::take_into(self, buffer)
            }

            /// [`try_recv_into`](Self::try_recv_into), waiting.
            ///
            /// # Errors
            ///
            /// As for [`recv`](Self::recv).
            ///
            /// # Cancel safety
            ///
            /// Dropped while it waits, the future has taken nothing.
            pub async fn recv_into(
                &mut self,
                buffer: &mut Vec<u8>,
            ) -> Result<Option<Header>, ReadError> {
                wait_for(self, |reader| Receive::take_into(reader, buffer)).await
            }

            /// Receives the messages that are there, up to `limit` of them, in one go, without
            /// waiting; `Ok(None)` is the end. Those of a strong reader are lent, and given back
            /// together. With a limit of 0 there are none.
            ///
            /// # Errors
            ///
            /// As for [`try_recv`](Self::try_recv). A batch ends before a gap.
            pub fn try_recv_many(
                &mut self,
                limit: usize,
            ) -> Result<Option<Messages<'_>>, TryReadError> {
                let taken = Receive::take_many(self, limit)?;
                Ok(if taken { Some(Receive::messages(self)) } else { None })
            }

            /// [`try_recv_many`](Self::try_recv_many), waiting for one message at least.
            ///
            /// # Errors
            ///
            /// As for [`recv`](Self::recv).
            ///
            /// # Cancel safety
            ///
            /// Dropped while it waits, the future has taken nothing.
            pub async fn recv_many(
                &mut self,
                limit: usize,
            ) -> Result<Option<Messages<'_>>, ReadError> {
                let taken =
                    wait_for(&mut *self, |reader| Receive::take_many(reader, limit)).await?;
                Ok(if taken { Some(Receive::messages(self)) } else { None })
            }

            /// Skips what is left of a message of which bytes were read, and tells how many payload
            /// bytes that were: 0 if the reader stands between two messages.
            pub fn skip_rest(&mut self) -> usize {
                Receive::skip_rest(self) as usize
            }

            /// What this reader missed in all, as far as it was told by the messages it received.
            pub fn missed(&self) -> Missed {
                Read::core(self).missed()
            }

            /// What this reader missed of each writer, by its number. Writers that have gone are
            /// left out after a while; [`missed`](Self::missed) still counts theirs.
            ///
            /// Of a writer that was there before this reader, the count begins with the first
            /// message of its that is received.
            pub fn missed_by_writer(&self) -> impl Iterator<Item = (u32, Missed)> {
                Read::core(self).missed_by_writer()
            }

            /// The name of a writer, if it has one, by its number. It is known for as long as there
            /// is a message of that writer in the ring, also when the writer has gone.
            pub fn writer_name(&self, writer: u32) -> Option<std::sync::Arc<str>> {
                Read::core(self).shared().writer_name(writer)
            }
        }
    };
}
pub(crate) use receive_methods;
