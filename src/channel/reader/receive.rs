//! Receiving messages: what all readers have for it.

use super::Read;
use crate::channel::reader::message::{Header, Message, Messages};
use crate::channel::reader::skip::Skipped;
use crate::channel::terms::StartAt;
use crate::error::{ReadError, TryReadError};
use crate::ring::descriptor::Description;
use crate::wait::until::{at_once_or_ready, until_ready};
use std::task::{Context, Poll};

/// What a reader does with messages, without waiting. `Ok(None)` and `Ok(false)` are the end.
pub(crate) trait Receive: Read {
    /// Takes the next message. [`Receive::message`] is it, for as long as nothing else is done.
    fn take(&mut self) -> Result<bool, TryReadError>;

    /// The same the quick way, for who keeps it apart from all others. If it fails, nothing has happened, but that
    /// the message taken last is gone.
    #[inline(always)]
    fn take_quick(&mut self) -> bool {
        false
    }

    /// Whether that copies nothing, so that it is a small operation, however long the message is.
    #[inline(always)]
    fn takes_without_a_copy(&self) -> bool {
        false
    }

    /// Both at once.
    fn receive(&mut self) -> Result<Option<Message<'_>>, TryReadError>;

    /// Takes the next message and appends it to `buffer`.
    fn take_into(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Header>, TryReadError>;

    /// Takes up to `limit` messages. [`Receive::messages`] are they.
    fn take_many(&mut self, limit: usize) -> Result<bool, TryReadError>;

    fn message(&mut self) -> Message<'_>;

    fn messages(&mut self) -> Messages<'_>;

    /// Skips what is left of a message that was read in part; so many bytes.
    fn skip_rest(&mut self) -> u64;

    /// Passes over messages.
    fn skip_to(&mut self, start: StartAt) -> Skipped;

    /// Looks at the next message, which stays there. [`Receive::seen`] is it, for as long as nothing else
    /// is done, and [`Receive::consume_seen`] takes it. [`Receive::leave_seen`] ends that.
    fn peek_next(&mut self) -> Result<Option<Description>, TryReadError>;

    fn seen(&self) -> (Header, &[u8]);

    fn consume_seen(&mut self, description: &Description);

    /// Nobody looks at it any more, whether it was taken or not.
    fn leave_seen(&mut self);
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
        Err(TryReadError::Failed(failure)) => Err(ReadError::Failed(failure)),
        Err(TryReadError::Terminated) => Err(ReadError::Terminated),
        Err(TryReadError::HoldTaken) => Err(ReadError::HoldTaken),
    })
}

/// Waits until an attempt finds something.
pub(crate) async fn wait_for<R: Read, T>(
    reader: &mut R,
    mut attempt: impl FnMut(&mut R) -> Result<T, TryReadError>,
) -> Result<T, ReadError> {
    until_ready(reader, R::stop_waiting, |reader, context| {
        poll_attempt(reader, context, &mut attempt)
    })
    .await
}

/// Takes the next message, and waits for it if need be.
#[inline]
pub(crate) fn wait_to_take<R: Receive>(
    reader: &mut R,
) -> impl Future<Output = Result<bool, ReadError>> {
    at_once_or_ready(reader, R::stop_waiting, poll_take_at_once, |reader, context| {
        poll_attempt(reader, context, R::take)
    })
}

/// Takes what is right there without a copy, or waits for it, if something of the budget is left. Otherwise it
/// is to be found out.
#[inline(always)]
fn poll_take_at_once<R: Receive>(
    reader: &mut R,
    context: &mut Context<'_>,
) -> Option<Poll<Result<bool, ReadError>>> {
    if !reader.takes_without_a_copy() || !reader.core().allowance.is_left() {
        return None;
    }
    if reader.take_quick() {
        let core = reader.core_mut();
        core.unpark();
        core.allowance.pay(context);
        // The result is made here. Made before the calls, it would be kept in memory and copied in other parts than
        // it was stored in, which takes as long as all else.
        return Some(Poll::Ready(Ok(true)));
    }
    take_slowly(reader, context)
}

/// The same of what has no quick way.
#[inline(never)]
fn take_slowly<R: Receive>(
    reader: &mut R,
    context: &mut Context<'_>,
) -> Option<Poll<Result<bool, ReadError>>> {
    if reader.sees_nothing_and_parks(context) {
        return Some(Poll::Pending);
    }
    let Poll::Ready(taken) = unless_empty(reader.take()) else { return None };
    let core = reader.core_mut();
    core.unpark();
    core.allowance.pay(context);
    Some(Poll::Ready(taken))
}

/// The methods for messages that every kind of reader has.
macro_rules! receive_methods {
    ($reader:ident) => {
        /// Messages. A message is one slice as a whole, whether it was sent or written.
        ///
        /// Bytes and messages can be read in turns. If a read of bytes stopped within a message,
        /// the next receive returns the rest of it. [`skip_rest`](Self::skip_rest) skips that rest.
        /// What was read as bytes is not counted as missed. After such a read, the count of what is
        /// missed of a writer starts again with its next message.
        impl $reader {
            /// Receives the next message without waiting. `Ok(None)` is the end: the channel has
            /// drained, and everything was read.
            ///
            /// A strong reader lends the message where it lies in the ring. When the [`Message`] is
            /// dropped, writers get its room back. (If it is leaked, they get it with the next
            /// receive or read.) A weak reader copies the message into a buffer that it keeps.
            ///
            /// # Errors
            ///
            /// - [`TryReadError::Empty`] if there is nothing yet.
            /// - [`TryReadError::Lagged`] if a weak reader was overrun, once for each gap, with the
            ///   ring bytes missed. The next receive goes on after the gap. After it, the first
            ///   message of each writer tells in its [`Header`] what was missed of that writer.
            /// - [`TryReadError::Failed`] if the channel [failed](crate::Channel::fail), in place of the end.
            /// - [`TryReadError::Terminated`] if the channel or this reader was terminated.
            /// - [`TryReadError::HoldTaken`] if the owner of the channel took a strong reader's hold
            ///   ([`take_hold`](crate::Channel::take_hold)).
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
                Receive::receive(self)
            }

            /// Receives the next message, and waits for it if need be. `Ok(None)` is the end.
            ///
            /// The message borrows the reader, so a helper cannot skip a gap in a loop and return
            /// the message. [`WeakReader`](crate::WeakReader#a-helper-that-skips-gaps) shows what
            /// to do instead.
            ///
            /// # Errors
            ///
            /// As for [`try_recv`](Self::try_recv). [`ReadError::Empty`] occurs only from within an
            /// event of the feature `tracing`, where nobody waits.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped while it waits, no message is lost. Nothing wakes the task any more
            /// then: keep the future from poll to poll, or use a stream.
            pub async fn recv(&mut self) -> Result<Option<Message<'_>>, ReadError> {
                let taken = wait_to_take(&mut *self).await?;
                Ok(if taken { Some(Receive::message(self)) } else { None })
            }

            /// Receives the next message without waiting, and appends it to `buffer`. `Ok(None)` is
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

            /// Like [`try_recv_into`](Self::try_recv_into), but waits for a message.
            ///
            /// # Errors
            ///
            /// As for [`recv`](Self::recv).
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped while it waits, no message is lost.
            pub async fn recv_into(
                &mut self,
                buffer: &mut Vec<u8>,
            ) -> Result<Option<Header>, ReadError> {
                wait_for(self, |reader| Receive::take_into(reader, buffer)).await
            }

            /// Receives the messages that are there, at most `limit`, without waiting. `Ok(None)`
            /// is the end. A strong reader lends them, and writers get their room back when all are
            /// dropped. With a limit of 0 the batch is empty.
            ///
            /// # Errors
            ///
            /// As for [`try_recv`](Self::try_recv). A batch stops before a gap. The next receive
            /// tells it.
            pub fn try_recv_many(
                &mut self,
                limit: usize,
            ) -> Result<Option<Messages<'_>>, TryReadError> {
                let taken = Receive::take_many(self, limit)?;
                Ok(if taken { Some(Receive::messages(self)) } else { None })
            }

            /// Like [`try_recv_many`](Self::try_recv_many), but waits for at least one message.
            ///
            /// # Errors
            ///
            /// As for [`recv`](Self::recv).
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped while it waits, no message is lost.
            pub async fn recv_many(
                &mut self,
                limit: usize,
            ) -> Result<Option<Messages<'_>>, ReadError> {
                let taken =
                    wait_for(&mut *self, |reader| Receive::take_many(reader, limit)).await?;
                Ok(if taken { Some(Receive::messages(self)) } else { None })
            }

            /// Looks at the next message without receiving it, and without waiting. `Ok(None)` is the
            /// end. [`Peeked::consume`](crate::Peeked::consume) receives it. Otherwise it is there for
            /// the next receive.
            ///
            /// # Errors
            ///
            /// As for [`try_recv`](Self::try_recv).
            pub fn try_peek(&mut self) -> Result<Option<Peeked<'_>>, TryReadError> {
                let seen = Receive::peek_next(self)?;
                Ok(seen.map(|description| Peeked::new(self, description)))
            }

            /// Like [`try_peek`](Self::try_peek), but waits for a message.
            ///
            /// # Errors
            ///
            /// As for [`recv`](Self::recv).
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped while it waits, nothing is lost. Nor is anything when the
            /// [`Peeked`](crate::Peeked) is dropped.
            pub async fn peek(&mut self) -> Result<Option<Peeked<'_>>, ReadError> {
                let seen = wait_for(&mut *self, Receive::peek_next).await?;
                Ok(seen.map(|description| Peeked::new(self, description)))
            }

            /// Passes over messages that are there, and tells how many and how large these were. It
            /// never goes back, and stops before a slice in flight.
            ///
            /// - [`StartAt::Newest`](crate::StartAt::Newest) leaves the newest message, for who wants
            ///   no other.
            /// - [`StartAt::Now`](crate::StartAt::Now) leaves none.
            /// - [`StartAt::Back`](crate::StartAt::Back) leaves at most so many payload bytes, in whole
            ///   slices.
            /// - [`StartAt::Position`](crate::StartAt::Position) goes on to the slice in which that
            ///   position lies.
            /// - [`StartAt::Oldest`](crate::StartAt::Oldest) passes over nothing.
            ///
            /// What is passed over is not [missed](Self::missed), but counts as read: received,
            /// skipped, missed and unread make up what was sent. If a weak reader was overrun on the
            /// way, that is missed as usual, and counted, but no read tells it as an error.
            ///
            /// It takes time in proportion to what is passed over, and copies nothing. On a reader
            /// that was terminated it does nothing.
            ///
            /// ```
            /// use overfall::{Channel, StartAt};
            ///
            /// let channel = Channel::new(4096);
            /// let (mut level, mut meter) = (channel.new_writer(), channel.new_weak_reader());
            /// for value in 0..100u8 {
            ///     level.try_send([value])?;
            /// }
            /// let skipped = meter.skip_to(StartAt::Newest);
            /// assert_eq!(skipped.messages + meter.missed().messages, 99);
            /// assert_eq!(meter.try_recv()?.unwrap(), [99]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn skip_to(&mut self, start: StartAt) -> Skipped {
                Receive::skip_to(self, start)
            }

            /// Skips the rest of a message of which a part was read as bytes. Returns how many
            /// payload bytes that was, 0 if the reader stands between two messages.
            pub fn skip_rest(&mut self) -> usize {
                Receive::skip_rest(self) as usize
            }

            /// What this reader has missed of all that was sent since it started: what is neither
            /// received nor there to be read. So received, missed and unread make up what was sent, at
            /// any moment at which nobody writes. While a writer is in the middle of a commit, the
            /// figure may differ by what it commits.
            ///
            /// A strong reader has missed what writers dropped. See
            /// [the guide](crate::guide::loss#which-messages-were-missed) for what counts.
            ///
            /// For a weak reader it looks at each granule of the ring that the reader has not come
            /// to: some nanoseconds for each, and about 30 for one with a slice. In a ring of 1 GiB that is
            /// full of slices of 64 bytes it takes half a second. So does making a reader there, once
            /// the ring has come round. It takes a lock that endpoints take when they come and go.
            pub fn missed(&self) -> Missed {
                Read::core(self).losses(Read::place(self)).0
            }

            /// What this reader has missed of each writer, by the writer's number, in the order of
            /// numbers. Writers of which nothing was missed are left out. The sum is what
            /// [`missed`](Self::missed) tells at the same moment.
            ///
            /// Number 0 stands for slices without a writer, and for writers that went so long ago that
            /// they are not remembered: all but the last 64. It takes what `missed` takes, and
            /// allocates.
            pub fn missed_by_writer(&self) -> impl Iterator<Item = (u32, Missed)> {
                Read::core(self).losses(Read::place(self)).1.into_iter()
            }

            /// The name of the writer with this number, if it has one. It is known for as long as
            /// the ring holds a message of that writer, even after the writer is dropped.
            pub fn writer_name(&self, writer: u32) -> Option<std::sync::Arc<str>> {
                Read::core(self).shared().writer_name(writer)
            }
        }
    };
}
pub(crate) use receive_methods;
