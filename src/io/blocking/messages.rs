//! Messages, with threads that park.

use super::{Blocking, Until};
use crate::channel::endpoint::{Receives, Writes};
use crate::channel::reader::message::{Header, Message, Messages};
use crate::channel::reader::peek::Peeked;
use crate::channel::reader::{poll_attempt, unless_empty};
use crate::channel::terms::Sent;
use crate::channel::writer::{Batch, Wait};
use crate::error::{ReadError, SendError, TryReadError, TrySendError};
use std::task::Poll;
use std::time::{Duration, Instant};

impl<R: Receives> Blocking<R> {
    /// Receives the next message, as [`StrongReader::recv`](crate::StrongReader::recv) does.
    /// `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`StrongReader::recv`](crate::StrongReader::recv).
    #[inline(always)]
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, ReadError> {
        let taken = self.take_quick() || self.attempt(R::take)?;
        Ok(if taken { Some(self.endpoint.message()) } else { None })
    }

    /// Like [`recv`](Self::recv), or fails with [`TryReadError::Empty`] if there is nothing by
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// As for `recv`, and `Empty`.
    pub fn recv_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Message<'_>>, TryReadError> {
        self.recv_until(Until::Deadline(deadline))
    }

    /// Like [`recv`](Self::recv), or fails with [`TryReadError::Empty`] if there is nothing
    /// within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for `recv`, and `Empty`.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message<'_>>, TryReadError> {
        self.recv_until(Until::timeout(timeout))
    }

    #[inline]
    fn recv_until(&mut self, until: Until) -> Result<Option<Message<'_>>, TryReadError> {
        let taken = self.take_quick() || self.attempt_until(until, R::take)?;
        Ok(if taken { Some(self.endpoint.message()) } else { None })
    }

    /// Receives the next message and appends it to `buffer`. `Ok(None)` is the end. On an error
    /// nothing is appended.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_into(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Header>, ReadError> {
        self.attempt(|reader| reader.take_into(buffer))
    }

    /// Like [`recv_into`](Self::recv_into), or fails with [`TryReadError::Empty`] if there is
    /// nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and `Empty`.
    pub fn recv_into_deadline(
        &mut self,
        buffer: &mut Vec<u8>,
        deadline: Instant,
    ) -> Result<Option<Header>, TryReadError> {
        self.attempt_until(Until::Deadline(deadline), |reader| reader.take_into(buffer))
    }

    /// Like [`recv_into`](Self::recv_into), or fails with [`TryReadError::Empty`] if there is
    /// nothing within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and `Empty`.
    pub fn recv_into_timeout(
        &mut self,
        buffer: &mut Vec<u8>,
        timeout: Duration,
    ) -> Result<Option<Header>, TryReadError> {
        self.attempt_until(Until::timeout(timeout), |reader| reader.take_into(buffer))
    }

    /// Looks at the next message without receiving it, as [`StrongReader::peek`](crate::StrongReader::peek)
    /// does. `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn peek(&mut self) -> Result<Option<Peeked<'_>>, ReadError> {
        let seen = self.attempt(R::peek_next)?;
        Ok(seen.map(|description| Peeked::new(&mut self.endpoint, description)))
    }

    /// Like [`peek`](Self::peek), or fails with [`TryReadError::Empty`] if there is nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// As for `peek`, and `Empty`.
    pub fn peek_deadline(&mut self, deadline: Instant) -> Result<Option<Peeked<'_>>, TryReadError> {
        let seen = self.attempt_until(Until::Deadline(deadline), R::peek_next)?;
        Ok(seen.map(|description| Peeked::new(&mut self.endpoint, description)))
    }

    /// Like [`peek`](Self::peek), or fails with [`TryReadError::Empty`] if there is nothing within
    /// `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for `peek`, and `Empty`.
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<Option<Peeked<'_>>, TryReadError> {
        let seen = self.attempt_until(Until::timeout(timeout), R::peek_next)?;
        Ok(seen.map(|description| Peeked::new(&mut self.endpoint, description)))
    }

    /// Waits for a message, and receives those that are there, at most `limit`. `Ok(None)` is the
    /// end.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_many(&mut self, limit: usize) -> Result<Option<Messages<'_>>, ReadError> {
        let taken = self.attempt(|reader| reader.take_many(limit))?;
        Ok(if taken { Some(self.endpoint.messages()) } else { None })
    }

    /// Like [`recv_many`](Self::recv_many), or fails with [`TryReadError::Empty`] if there is
    /// nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and `Empty`.
    pub fn recv_many_deadline(
        &mut self,
        limit: usize,
        deadline: Instant,
    ) -> Result<Option<Messages<'_>>, TryReadError> {
        self.recv_many_until(limit, Until::Deadline(deadline))
    }

    /// Like [`recv_many`](Self::recv_many), or fails with [`TryReadError::Empty`] if there is
    /// nothing within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and `Empty`.
    pub fn recv_many_timeout(
        &mut self,
        limit: usize,
        timeout: Duration,
    ) -> Result<Option<Messages<'_>>, TryReadError> {
        self.recv_many_until(limit, Until::timeout(timeout))
    }

    fn recv_many_until(
        &mut self,
        limit: usize,
        until: Until,
    ) -> Result<Option<Messages<'_>>, TryReadError> {
        let taken = self.attempt_until(until, |reader| reader.take_many(limit))?;
        Ok(if taken { Some(self.endpoint.messages()) } else { None })
    }

    /// The quick way is worth its place in the caller's code; what comes else is not.
    #[inline(always)]
    fn take_quick(&mut self) -> bool {
        let taken = self.endpoint.take_quick();
        if taken {
            self.waits.spin.record_at_once();
        }
        taken
    }

    /// Tries, and waits for as long as there is nothing.
    #[inline(never)]
    fn attempt<T>(
        &mut self,
        attempt: impl FnMut(&mut R) -> Result<T, TryReadError>,
    ) -> Result<T, ReadError> {
        self.attempt_or_give_up(Until::Forever, attempt).unwrap_or(Err(ReadError::Empty))
    }

    /// The same, until a deadline.
    #[inline]
    fn attempt_until<T>(
        &mut self,
        until: Until,
        attempt: impl FnMut(&mut R) -> Result<T, TryReadError>,
    ) -> Result<T, TryReadError> {
        Ok(self.attempt_or_give_up(until, attempt).ok_or(TryReadError::Empty)??)
    }

    #[inline]
    fn attempt_or_give_up<T>(
        &mut self,
        until: Until,
        mut attempt: impl FnMut(&mut R) -> Result<T, TryReadError>,
    ) -> Option<Result<T, ReadError>> {
        self.poll_or_wait(until, R::stop_waiting, |reader, context| match context {
            None => unless_empty(attempt(reader)),
            Some(context) => poll_attempt(reader, context, &mut attempt),
        })
    }
}

impl<W: Writes> Blocking<W> {
    /// Sends a message, as [`StrongWriter::send`](crate::StrongWriter::send) does, and tells whether it was
    /// delivered or dropped.
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::send`](crate::StrongWriter::send).
    #[inline(always)]
    pub fn send(&mut self, message: impl AsRef<[u8]>) -> Result<Sent, SendError> {
        let message = message.as_ref();
        if self.send_at_once(message) {
            return Ok(Sent::Delivered);
        }
        let sent = self.wait_to_send(message, Until::Forever, Wait::LeavesWhenDropped);
        sent.unwrap_or(Err(SendError::Full))
    }

    /// Like [`send`](Self::send), or fails with [`TrySendError::Full`] if there is no room by
    /// `deadline`. Nothing was sent then, and nothing is counted:
    /// [`send_or_drop`](Self::send_or_drop) counts it.
    ///
    /// # Errors
    ///
    /// As for `send`, and `Full`.
    pub fn send_deadline(
        &mut self,
        message: impl AsRef<[u8]>,
        deadline: Instant,
    ) -> Result<Sent, TrySendError> {
        self.send_until(message.as_ref(), Until::Deadline(deadline))
    }

    /// Like [`send`](Self::send), or fails with [`TrySendError::Full`] if there is no room
    /// within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for `send`, and `Full`.
    pub fn send_timeout(
        &mut self,
        message: impl AsRef<[u8]>,
        timeout: Duration,
    ) -> Result<Sent, TrySendError> {
        self.send_until(message.as_ref(), Until::timeout(timeout))
    }

    /// Sends a message. If there is no room within `timeout`, drops and counts it, as with
    /// [`Backpressure::Drop`](crate::Backpressure::Drop).
    ///
    /// It waits whatever the [backpressure](crate::Writer::backpressure) of the writer, except from
    /// within an event of the feature `tracing`: there the message is dropped at once. A timeout that
    /// overflows [`Instant`] never ends.
    ///
    /// ```
    /// use overfall::{Channel, Sent};
    /// use std::time::Duration;
    ///
    /// let channel = Channel::new(64); // room for one message
    /// let _reader = channel.new_strong_reader();
    /// let mut writer = channel.new_writer().blocking();
    /// let a_moment = Duration::from_millis(5);
    /// assert_eq!(writer.send_or_drop(b"one", a_moment)?, Sent::Delivered);
    /// assert_eq!(writer.send_or_drop(b"two", a_moment)?, Sent::Dropped);
    /// assert_eq!(writer.get_ref().stats().dropped_slices, 1);
    /// # Ok::<(), overfall::error::SendError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_or_drop(
        &mut self,
        message: impl AsRef<[u8]>,
        timeout: Duration,
    ) -> Result<Sent, SendError> {
        let (until, wait) = (Until::timeout(timeout), Wait::UntilGivenUp);
        let sent = self.send_or_give_up(message.as_ref(), until, wait);
        sent.unwrap_or(Err(SendError::Full))
    }

    /// Nothing if the time is up first, unless the message is dropped then.
    #[inline]
    pub(crate) fn send_or_give_up(
        &mut self,
        message: &[u8],
        until: Until,
        wait: Wait,
    ) -> Option<Result<Sent, SendError>> {
        match self.send_in_time(message, until, wait) {
            None if wait == Wait::UntilGivenUp => {
                Some(Ok(self.endpoint.writer_core().drop_message(message.len() as u64)))
            }
            sent => sent,
        }
    }

    #[inline]
    fn send_until(&mut self, message: &[u8], until: Until) -> Result<Sent, TrySendError> {
        let sent = self.send_in_time(message, until, Wait::LeavesWhenDropped);
        Ok(sent.ok_or(TrySendError::Full)??)
    }

    /// The quick way is worth its place in the caller's code; what comes else is not.
    #[inline(always)]
    fn send_at_once(&mut self, message: &[u8]) -> bool {
        let sent = self.endpoint.writer_core().write_at_once(message);
        if sent {
            self.waits.spin.record_at_once();
        }
        sent
    }

    /// Nothing if the time is up first.
    #[inline]
    fn send_in_time(
        &mut self,
        message: &[u8],
        until: Until,
        wait: Wait,
    ) -> Option<Result<Sent, SendError>> {
        if self.send_at_once(message) {
            return Some(Ok(Sent::Delivered));
        }
        self.wait_to_send(message, until, wait)
    }

    /// Nothing if the time is up first.
    #[inline(never)]
    fn wait_to_send(
        &mut self,
        message: &[u8],
        until: Until,
        wait: Wait,
    ) -> Option<Result<Sent, SendError>> {
        self.until_room(until, wait, |core, context| match context {
            None => unless_full(core.try_send_among_others(message)),
            Some(context) => core.poll_send(context, message, wait),
        })
    }

    /// Sends several messages with one reservation and one wake-up, as
    /// [`StrongWriter::send_many`](crate::StrongWriter::send_many) does.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_many(
        &mut self,
        messages: impl IntoIterator<Item: AsRef<[u8]>, IntoIter: Clone>,
    ) -> Result<Sent, SendError> {
        let sent = self.wait_to_send_many(messages.into_iter(), Until::Forever);
        sent.unwrap_or(Err(SendError::Full))
    }

    /// Like [`send_many`](Self::send_many), or fails with [`TrySendError::Full`] if there is
    /// no room by `deadline`. Nothing was sent then.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and `Full`.
    pub fn send_many_deadline(
        &mut self,
        messages: impl IntoIterator<Item: AsRef<[u8]>, IntoIter: Clone>,
        deadline: Instant,
    ) -> Result<Sent, TrySendError> {
        self.send_many_until(messages.into_iter(), Until::Deadline(deadline))
    }

    /// Like [`send_many`](Self::send_many), or fails with [`TrySendError::Full`] if there is
    /// no room within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and `Full`.
    pub fn send_many_timeout(
        &mut self,
        messages: impl IntoIterator<Item: AsRef<[u8]>, IntoIter: Clone>,
        timeout: Duration,
    ) -> Result<Sent, TrySendError> {
        self.send_many_until(messages.into_iter(), Until::timeout(timeout))
    }

    fn send_many_until(
        &mut self,
        messages: impl Batch,
        until: Until,
    ) -> Result<Sent, TrySendError> {
        Ok(self.wait_to_send_many(messages, until).ok_or(TrySendError::Full)??)
    }

    /// Nothing if the time is up first.
    fn wait_to_send_many(
        &mut self,
        messages: impl Batch,
        until: Until,
    ) -> Option<Result<Sent, SendError>> {
        let wait = Wait::LeavesWhenDropped;
        self.until_room(until, wait, |core, context| match context {
            None => unless_full(core.try_send_many(&messages)),
            Some(context) => core.poll_send_many(context, &messages, wait),
        })
    }
}

/// What an attempt means to a thread that waits: a full ring is no result yet.
fn unless_full(sent: Result<(), TrySendError>) -> Poll<Result<Sent, SendError>> {
    let Err(refused) = sent else { return Poll::Ready(Ok(Sent::Delivered)) };
    refused.unless_full().map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
}
