//! Sending values.

use super::serialization::{Sendable, Serialization};
use super::{SendError, TrySendError};
use crate::channel::writer::StrongWriter;
use crate::channel::writer::slice::Slice;
use crate::channel::{Sent, WeakChannel};
use crate::error::{self, ReserveError};
use crate::io::Blocking;
use crate::io::layers::{Endpoint, HasCore, Until, Wait, Writes};
use crate::wait::budget::Budget;
use std::fmt;
use std::future::{pending, poll_fn};
use std::marker::PhantomData;
use std::task::Poll;
use std::time::{Duration, Instant};

/// A writer whose messages are values of `T`.
///
/// `W` is the writer of bytes beneath: a [`StrongWriter`], a [`WeakWriter`](crate::WeakWriter), or
/// a [`Writer`](crate::Writer) of either strength. [`blocking`](Self::blocking) puts it into a
/// [`Blocking`], which parks the thread to wait.
pub struct Writer<T, W = StrongWriter> {
    writer: W,
    serialization: Serialization,
    values: PhantomData<fn(T)>,
}

impl<T, W> Writer<T, W> {
    /// A writer of values, on a writer of bytes of any channel.
    pub fn new(writer: W) -> Self {
        Self { writer, serialization: Serialization::new(), values: PhantomData }
    }

    /// The writer of bytes, for its figures.
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// The writer of bytes, to shut it down for instance. Readers of `T` get what it writes itself
    /// as [`InvalidMessage`](super::InvalidMessage)s, unless it happens to be valid.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// The writer of bytes.
    pub fn into_inner(self) -> W {
        self.writer
    }

    pub(super) fn parts(&mut self) -> (&mut W, &mut Serialization) {
        (&mut self.writer, &mut self.serialization)
    }
}

impl<T, W: Endpoint> Writer<T, W> {
    /// What this writer has written so far.
    pub fn stats(&self) -> W::Stats {
        self.writer.stats()
    }

    /// Ends this writer at once, as that of bytes.
    pub fn terminate(&mut self) {
        self.writer.terminate();
    }

    /// The channel of bytes beneath, as a handle that looks on and does not keep it open.
    pub fn channel(&self) -> WeakChannel {
        self.writer.channel()
    }
}

impl<T, W: Writes> Writer<T, W> {
    /// Sends a value without waiting.
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::try_send`], and [`TrySendError::Serialize`] if the value
    /// cannot be serialized. Nothing was sent then.
    #[inline]
    pub fn try_send(&mut self, value: &T) -> Result<(), TrySendError>
    where
        T: Sendable,
    {
        self.serialization.try_send(value, &mut self.writer)
    }

    /// Sends a value, and waits for room if need be.
    ///
    /// With [`Backpressure::Drop`](crate::Backpressure::Drop), and from within an event of
    /// the feature `tracing`, it does not wait. A value for which there is no room is then
    /// dropped and counted, and this returns [`Sent::Dropped`].
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::send`], and [`SendError::Serialize`] if the value cannot be
    /// serialized.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, nothing was sent, and nothing is counted as dropped.
    pub async fn send(&mut self, value: &T) -> Result<Sent, SendError>
    where
        T: Sendable,
    {
        if let Some(message) = self.serialization.short(value) {
            return Ok(self.writer.writer_core().send(message).await?);
        }
        self.send_until(value, pending::<()>(), Wait::LeavesWhenDropped).await
    }

    /// Sends a value, and waits for room until `until` is ready. Then the value is dropped and counted.
    /// Otherwise as [`send_or_drop`](StrongWriter::send_or_drop) of the writers of bytes.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As for `send`.
    pub async fn send_or_drop(&mut self, value: &T, until: impl Future) -> Result<Sent, SendError>
    where
        T: Sendable,
    {
        if let Some(message) = self.serialization.short(value) {
            return Ok(self.writer.writer_core().send_or_drop(message, until).await?);
        }
        self.send_until(value, until, Wait::UntilGivenUp).await
    }

    async fn send_until(
        &mut self,
        value: &T,
        until: impl Future,
        wait: Wait,
    ) -> Result<Sent, SendError>
    where
        T: Sendable,
    {
        let mut budget = Budget::default();
        poll_fn(|context| budget.poll(context, |_| Poll::Ready(()))).await;
        if self.serialization.send_as_guessed(value, &mut self.writer) {
            return Ok(Sent::Delivered);
        }
        let length = self.serialization.measure(value).map_err(SendError::Serialize)?;
        let core = self.writer.writer_core();
        let reserved =
            core.wait_until(until, |core, context| core.poll_reserve(context, length, wait));
        let refused = match reserved.await {
            Some(Ok(reservation)) => {
                let slice = Slice::of_writer(core, reservation, length);
                self.serialization.fill(value, slice).map_err(SendError::Serialize)?;
                return Ok(Sent::Delivered);
            }
            Some(Err(refused)) => refused,
            None => ReserveError::Full,
        };
        refuse(&mut self.writer, (1, length as u64), length as u64, refused)
    }

    /// Converts this writer into one that parks the thread to wait.
    pub fn blocking(self) -> Writer<T, Blocking<W>>
    where
        T: Sendable,
    {
        Writer::new(Blocking::new(self.writer))
    }
}

impl<T, W: Writes> Writer<T, Blocking<W>> {
    /// Sends a value, and parks the thread until there is room. Otherwise as
    /// [`send`](Writer::send) of the writers that do not park.
    ///
    /// # Errors
    ///
    /// As for [`send`](Writer::send) of the writers that do not park.
    pub fn send(&mut self, value: &T) -> Result<Sent, SendError>
    where
        T: Sendable,
    {
        let sent = self.send_or_give_up(value, Until::Forever, Wait::LeavesWhenDropped)?;
        sent.ok_or(SendError::Message(error::SendError::Full))
    }

    /// Like [`send`](Self::send), or fails with `Full` if there is no room by
    /// `deadline`. Nothing was sent then, and nothing is counted.
    ///
    /// # Errors
    ///
    /// As for `send`, and `Full`.
    pub fn send_deadline(&mut self, value: &T, deadline: Instant) -> Result<Sent, TrySendError>
    where
        T: Sendable,
    {
        self.send_until(value, Until::Deadline(deadline))
    }

    /// Like [`send`](Self::send), or fails with `Full` if there is no room
    /// within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for `send`, and `Full`.
    pub fn send_timeout(&mut self, value: &T, timeout: Duration) -> Result<Sent, TrySendError>
    where
        T: Sendable,
    {
        self.send_until(value, Until::timeout(timeout))
    }

    /// Sends a value. If there is no room within `timeout`, drops and counts it. Otherwise as
    /// [`send_or_drop`](Blocking::send_or_drop) of the writers of bytes.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub fn send_or_drop(&mut self, value: &T, timeout: Duration) -> Result<Sent, SendError>
    where
        T: Sendable,
    {
        match self.send_or_give_up(value, Until::timeout(timeout), Wait::UntilGivenUp)? {
            Some(sent) => Ok(sent),
            None => unreachable!("it is dropped then"),
        }
    }

    fn send_until(&mut self, value: &T, until: Until) -> Result<Sent, TrySendError>
    where
        T: Sendable,
    {
        let sent = self.send_or_give_up(value, until, Wait::LeavesWhenDropped)?;
        sent.ok_or(TrySendError::Message(error::TrySendError::Full))
    }

    /// `None` if the time is up first, unless the value is dropped then.
    fn send_or_give_up(
        &mut self,
        value: &T,
        until: Until,
        wait: Wait,
    ) -> Result<Option<Sent>, SendError>
    where
        T: Sendable,
    {
        if let Some(message) = self.serialization.short(value) {
            return Ok(self.writer.send_or_give_up(message, until, wait).transpose()?);
        }
        if self.serialization.send_as_guessed(value, self.writer.get_mut()) {
            return Ok(Some(Sent::Delivered));
        }
        let length = self.serialization.measure(value).map_err(SendError::Serialize)?;
        let refused = match self.writer.reserve_until(length, until, wait) {
            None if wait == Wait::UntilGivenUp => ReserveError::Full,
            None => return Ok(None),
            Some(Ok(slice)) => {
                self.serialization.fill(value, slice).map_err(SendError::Serialize)?;
                return Ok(Some(Sent::Delivered));
            }
            Some(Err(refused)) => refused,
        };
        refuse(self.writer.get_mut(), (1, length as u64), length as u64, refused).map(Some)
    }
}

/// Drops values for which there is no room, and their bytes, or says why they cannot be sent. They were
/// to be a slice, or slices side by side, of `length` bytes.
pub(super) fn refuse(
    writer: &mut impl HasCore,
    (values, bytes): (u64, u64),
    length: u64,
    refused: ReserveError,
) -> Result<Sent, SendError> {
    use error::SendError as Refused;
    Err(SendError::Message(match refused {
        ReserveError::Full => {
            return Ok(writer.writer_core().drop_messages(values, bytes, length));
        }
        ReserveError::TooLong { len, max } => Refused::TooLong { len, max },
        ReserveError::Closed => Refused::Closed,
        ReserveError::Terminated => Refused::Terminated,
    }))
}

impl<T, W: Clone> Clone for Writer<T, W> {
    /// Another writer, with a number and figures of its own.
    fn clone(&self) -> Self {
        Self::new(self.writer.clone())
    }
}

impl<T, W: fmt::Debug> fmt::Debug for Writer<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("typed::Writer").field(&self.writer).finish()
    }
}
