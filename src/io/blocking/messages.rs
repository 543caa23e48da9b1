//! Messages, with threads that park.

use super::{Blocking, Until, timed_out};
use crate::channel::reader::message::{Header, Message, Messages};
use crate::channel::reader::{Receive, poll_attempt, unless_empty};
use crate::channel::terms::Sent;
use crate::channel::writer::{Core, HasCore, Wait};
use crate::error::{SendError, TryReadError, TrySendError};
use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
impl<R: Receive> Blocking<R> {
    /// Receives the next message, as [`StrongReader::recv`](crate::StrongReader::recv) does.
    /// `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// - `Other`, with the [`Lagged`](crate::error::Lagged) inside, if a weak reader was overrun.
    /// - The kind of the error with which the channel [failed](crate::Channel::fail), or `Other`, with
    ///   the [`Failure`](crate::error::Failure) inside, in place of the end.
    /// - `ConnectionAborted` if the channel or the reader was terminated.
    #[inline]
    pub fn recv(&mut self) -> io::Result<Option<Message<'_>>> {
        self.recv_until(Until::Forever)
    }

    /// Like [`recv`](Self::recv), or fails with [`io::ErrorKind::TimedOut`] if there is nothing by
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// As for `recv`, and `TimedOut`.
    pub fn recv_deadline(&mut self, deadline: Instant) -> io::Result<Option<Message<'_>>> {
        self.recv_until(Until::Deadline(deadline))
    }

    /// Like [`recv`](Self::recv), or fails with [`io::ErrorKind::TimedOut`] if there is nothing
    /// within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for `recv`, and `TimedOut`.
    pub fn recv_timeout(&mut self, timeout: Duration) -> io::Result<Option<Message<'_>>> {
        self.recv_until(Until::timeout(timeout))
    }

    #[inline]
    fn recv_until(&mut self, until: Until) -> io::Result<Option<Message<'_>>> {
        let taken = self.attempt_until(until, R::take)?;
        Ok(if taken { Some(self.endpoint.message()) } else { None })
    }

    /// Receives the next message and appends it to `buffer`. `Ok(None)` is the end. On an error
    /// nothing is appended.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_into(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Header>> {
        self.attempt_until(Until::Forever, |reader| reader.take_into(buffer))
    }

    /// Like [`recv_into`](Self::recv_into), or fails with [`io::ErrorKind::TimedOut`] if there is
    /// nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and `TimedOut`.
    pub fn recv_into_deadline(
        &mut self,
        buffer: &mut Vec<u8>,
        deadline: Instant,
    ) -> io::Result<Option<Header>> {
        self.attempt_until(Until::Deadline(deadline), |reader| reader.take_into(buffer))
    }

    /// Like [`recv_into`](Self::recv_into), or fails with [`io::ErrorKind::TimedOut`] if there is
    /// nothing within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and `TimedOut`.
    pub fn recv_into_timeout(
        &mut self,
        buffer: &mut Vec<u8>,
        timeout: Duration,
    ) -> io::Result<Option<Header>> {
        self.attempt_until(Until::timeout(timeout), |reader| reader.take_into(buffer))
    }

    /// Waits for a message, and receives those that are there, at most `limit`. `Ok(None)` is the
    /// end.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv).
    pub fn recv_many(&mut self, limit: usize) -> io::Result<Option<Messages<'_>>> {
        self.recv_many_until(limit, Until::Forever)
    }

    /// Like [`recv_many`](Self::recv_many), or fails with [`io::ErrorKind::TimedOut`] if there is
    /// nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and `TimedOut`.
    pub fn recv_many_deadline(
        &mut self,
        limit: usize,
        deadline: Instant,
    ) -> io::Result<Option<Messages<'_>>> {
        self.recv_many_until(limit, Until::Deadline(deadline))
    }

    /// Like [`recv_many`](Self::recv_many), or fails with [`io::ErrorKind::TimedOut`] if there is
    /// nothing within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), and `TimedOut`.
    pub fn recv_many_timeout(
        &mut self,
        limit: usize,
        timeout: Duration,
    ) -> io::Result<Option<Messages<'_>>> {
        self.recv_many_until(limit, Until::timeout(timeout))
    }

    fn recv_many_until(&mut self, limit: usize, until: Until) -> io::Result<Option<Messages<'_>>> {
        let taken = self.attempt_until(until, |reader| reader.take_many(limit))?;
        Ok(if taken { Some(self.endpoint.messages()) } else { None })
    }

    /// Tries, and waits for as long as there is nothing.
    #[inline]
    fn attempt_until<T>(
        &mut self,
        until: Until,
        mut attempt: impl FnMut(&mut R) -> Result<T, TryReadError>,
    ) -> io::Result<T> {
        self.until_found(until, |reader, context| match context {
            None => unless_empty(attempt(reader)),
            Some(context) => poll_attempt(reader, context, &mut attempt),
        })
    }
}

#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
impl<W: HasCore> Blocking<W> {
    /// Sends a message, as [`StrongWriter::send`](crate::StrongWriter::send) does, and tells whether it was
    /// delivered or dropped.
    ///
    /// # Errors
    ///
    /// - `InvalidInput` if no slice can be that long.
    /// - `BrokenPipe` if the channel takes no more slices, or the writer was shut down.
    /// - `ConnectionAborted` if the channel or the writer was terminated.
    ///
    /// Each has a [`SendError`] inside.
    #[inline]
    pub fn send(&mut self, message: &[u8]) -> io::Result<Sent> {
        self.send_until(message, Until::Forever)
    }

    /// Like [`send`](Self::send), or fails with [`io::ErrorKind::TimedOut`] if there is no room by
    /// `deadline`. Nothing was sent then, and nothing is counted:
    /// [`send_or_drop`](Self::send_or_drop) counts it.
    ///
    /// # Errors
    ///
    /// As for `send`, and `TimedOut`.
    pub fn send_deadline(&mut self, message: &[u8], deadline: Instant) -> io::Result<Sent> {
        self.send_until(message, Until::Deadline(deadline))
    }

    /// Like [`send`](Self::send), or fails with [`io::ErrorKind::TimedOut`] if there is no room
    /// within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for `send`, and `TimedOut`.
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> io::Result<Sent> {
        self.send_until(message, Until::timeout(timeout))
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
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_or_drop(&mut self, message: &[u8], timeout: Duration) -> io::Result<Sent> {
        match self.wait_to_send(message, Until::timeout(timeout), Wait::UntilGivenUp) {
            Some(sent) => Ok(sent?),
            None => Ok(self.endpoint.writer_core().drop_message(message.len() as u64)),
        }
    }

    #[inline]
    fn send_until(&mut self, message: &[u8], until: Until) -> io::Result<Sent> {
        Ok(self.wait_to_send(message, until, Wait::LeavesWhenDropped).ok_or_else(timed_out)??)
    }

    /// Nothing if the time is up first.
    #[inline]
    fn wait_to_send(
        &mut self,
        message: &[u8],
        until: Until,
        wait: Wait,
    ) -> Option<Result<Sent, SendError>> {
        if self.endpoint.writer_core().write_exclusive(message) {
            self.waits.spin.record_at_once();
            return Some(Ok(Sent::Delivered));
        }
        self.wait_among_others(until, wait, |core, context| match context {
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
    pub fn send_many(&mut self, messages: &[&[u8]]) -> io::Result<Sent> {
        self.send_many_until(messages, Until::Forever)
    }

    /// Like [`send_many`](Self::send_many), or fails with [`io::ErrorKind::TimedOut`] if there is
    /// no room by `deadline`. Nothing was sent then.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and `TimedOut`.
    pub fn send_many_deadline(
        &mut self,
        messages: &[&[u8]],
        deadline: Instant,
    ) -> io::Result<Sent> {
        self.send_many_until(messages, Until::Deadline(deadline))
    }

    /// Like [`send_many`](Self::send_many), or fails with [`io::ErrorKind::TimedOut`] if there is
    /// no room within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), and `TimedOut`.
    pub fn send_many_timeout(&mut self, messages: &[&[u8]], timeout: Duration) -> io::Result<Sent> {
        self.send_many_until(messages, Until::timeout(timeout))
    }

    fn send_many_until(&mut self, messages: &[&[u8]], until: Until) -> io::Result<Sent> {
        let wait = Wait::LeavesWhenDropped;
        let sent = self.wait_among_others(until, wait, |core, context| match context {
            None => unless_full(core.try_send_many(messages)),
            Some(context) => core.poll_send_many(context, messages, wait),
        });
        Ok(sent.ok_or_else(timed_out)??)
    }

    #[inline(never)]
    fn wait_among_others(
        &mut self,
        until: Until,
        wait: Wait,
        look: impl FnMut(&mut Core, Option<&mut Context<'_>>) -> Poll<Result<Sent, SendError>>,
    ) -> Option<Result<Sent, SendError>> {
        self.until_room(until, wait, look)
    }
}

/// What an attempt means to a thread that waits: a full ring is no result yet.
fn unless_full(sent: Result<(), TrySendError>) -> Poll<Result<Sent, SendError>> {
    let Err(refused) = sent else { return Poll::Ready(Ok(Sent::Delivered)) };
    refused.unless_full().map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
}
