//! Sending values.

use super::reader::{MAX_DEPTH, Receivable, validate};
use super::{SendError, TrySendError};
use crate::channel::writer::StrongWriter;
use crate::channel::writer::slice::Slice;
use crate::channel::{Sent, WeakChannel};
use crate::error::{self, ReserveError};
use crate::io::Blocking;
use crate::io::layers::{Endpoint, HasCore, Until, Wait, Writes};
use crate::wait::budget::Budget;
use rkyv::Archive;
use rkyv::api::high::HighSerializer;
use rkyv::api::serialize_using;
use rkyv::rancor::{BoxedError as Error, Source};
use rkyv::ser::allocator::{Arena, ArenaHandle};
use rkyv::ser::sharing::Share;
use rkyv::ser::{Positional, Writer as Serializer};
use rkyv::util::AlignedVec;
use std::fmt;
use std::future::{pending, poll_fn};
use std::marker::PhantomData;
use std::task::Poll;
use std::time::{Duration, Instant};

/// Where messages start in memory: no part of a value may ask for more.
const ALIGNMENT: usize = 64;

/// What can be sent: every type that derives rkyv's `Archive` and `Serialize`, and can be received.
///
/// ```compile_fail,E0277
/// struct Reading(f32); // derives nothing
///
/// let channel = overfall::typed::Channel::<Reading>::new(1024);
/// channel.new_writer().try_send(&Reading(21.5)); // "derive `rkyv::Archive` and `rkyv::Serialize`"
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent through a typed channel",
    label = "derive `rkyv::Archive` and `rkyv::Serialize` for `{Self}`",
    note = "every part of it needs them as well"
)]
pub trait Sendable:
    Receivable + for<'a> rkyv::Serialize<HighSerializer<Target<'a>, ArenaHandle<'a>, Error>>
{
}

#[diagnostic::do_not_recommend]
impl<T> Sendable for T where
    T: Receivable + for<'a> rkyv::Serialize<HighSerializer<Target<'a>, ArenaHandle<'a>, Error>>
{
}

/// Where a value is serialized to.
#[derive(Debug)]
pub struct Target<'a> {
    to: Destination<'a>,
    position: usize,
    /// How many parts were written. Each level of nesting is one at least.
    parts: usize,
}

#[derive(Debug)]
pub(super) enum Destination<'a> {
    /// To measure its length.
    Nowhere,
    /// From an offset on, so many bytes at most.
    Slice {
        slice: &'a Slice<'a>,
        offset: usize,
        limit: usize,
    },
    Scratch(&'a mut Scratch),
}

/// Aligned as messages are.
type Scratch = AlignedVec<ALIGNMENT>;

impl<'a> Destination<'a> {
    fn whole(slice: &'a Slice<'a>) -> Self {
        Self::Slice { slice, offset: 0, limit: slice.len() }
    }
}

impl Positional for Target<'_> {
    #[inline]
    fn pos(&self) -> usize {
        self.position
    }
}

impl Serializer<Error> for Target<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match &mut self.to {
            Destination::Nowhere => {}
            Destination::Slice { slice, offset, limit } => {
                if bytes.len() > *limit - self.position {
                    return Err(unsteady());
                }
                slice.fill(*offset + self.position, bytes);
            }
            Destination::Scratch(scratch) => scratch.extend_from_slice(bytes),
        }
        self.position += bytes.len();
        self.parts += 1;
        Ok(())
    }
}

/// A value that serializes to another number of bytes the second time than the first, or an iterator
/// that gives another number of values.
#[derive(Debug, thiserror::Error)]
#[error(
    "the value changed its length while it was serialized: its `Serialize`, or the iterator of the \
     batch, does not always do the same"
)]
struct Unsteady;

pub(super) fn unsteady() -> Error {
    Error::new(Unsteady)
}

/// A value that every reader would refuse.
#[derive(Debug, thiserror::Error)]
#[error(
    "no reader would accept the value: it is nested deeper than {MAX_DEPTH} levels, or not valid \
     for its own type; send it in parts, or flat, as a list of its nodes"
)]
struct Unacceptable {
    source: Error,
}

/// How long the next value will be, if the last few were all as long.
///
/// Serializing a value twice costs about as much as all the rest of sending it. So if the last
/// values had the same length, a slice of that length is reserved at once. If it turns out too
/// short, it is given up, and the value is measured as any other.
#[derive(Debug, Default)]
struct Guess {
    /// In whole granules.
    size: usize,
    /// How many values in a row had it.
    streak: usize,
}

impl Guess {
    /// A shorter streak is no reason to guess.
    const STREAK: usize = 4;

    #[inline]
    fn get(&self) -> Option<usize> {
        (self.streak >= Self::STREAK).then_some(self.size)
    }

    #[inline]
    fn learn(&mut self, length: usize) {
        let size = length.max(1).next_multiple_of(ALIGNMENT);
        self.streak = if size == self.size { self.streak + 1 } else { 0 };
        self.size = size;
    }
}

/// Whether readers accept the value.
fn check<T: Sendable>(bytes: &[u8]) -> Result<(), Error> {
    validate::<T>(bytes).map_err(|source| Error::new(Unacceptable { source }))
}

/// What serializing keeps from one value to the next.
///
/// Readers validate what they receive, to a certain depth. A value of few parts cannot be nested deeper,
/// and goes straight into the ring. One of many parts is serialized into `scratch`, validated there as
/// readers do it, and copied.
pub(super) struct Serialization {
    /// Memory of the serializer.
    arena: Arena,
    guess: Guess,
    /// The value that was measured last, if it has many parts; otherwise empty.
    scratch: Scratch,
    /// Of the values of a batch.
    pub(super) lengths: Vec<u64>,
}

/// Serializes a value, and tells how long it became, and whether it has many parts.
#[inline]
fn serialize<T: Sendable>(
    arena: &mut Arena,
    value: &T,
    to: Destination<'_>,
) -> Result<(usize, bool), Error> {
    const {
        assert!(
            align_of::<<T as Archive>::Archived>() <= ALIGNMENT,
            "messages are aligned to 64 bytes, and the archived type asks for more"
        );
    }
    let target = Target { to, position: 0, parts: 0 };
    let mut serializer = rkyv::ser::Serializer::new(target, arena.acquire(), Share::new());
    serialize_using(value, &mut serializer)?;
    let Target { position, parts, .. } = serializer.into_writer();
    Ok((position, parts >= MAX_DEPTH))
}

impl Serialization {
    pub(super) fn new() -> Self {
        Self {
            arena: Arena::new(),
            guess: Guess::default(),
            scratch: Scratch::new(),
            lengths: Vec::new(),
        }
    }

    /// Sends a value without waiting.
    #[inline]
    pub(super) fn try_send<T: Sendable>(
        &mut self,
        value: &T,
        writer: &mut impl HasCore,
    ) -> Result<(), TrySendError> {
        if self.send_as_guessed(value, writer) {
            return Ok(());
        }
        let length = self.measure(value).map_err(TrySendError::Serialize)?;
        let core = writer.writer_core();
        let reservation = core.try_reserve(length)?;
        let slice = Slice::of_writer(core, reservation, length);
        self.fill(value, slice).map_err(TrySendError::Serialize)
    }

    /// A value as the bytes of its message, if readers accept it.
    #[cfg(feature = "futures")]
    pub(super) fn serialize_aside<T: Sendable>(&mut self, value: &T) -> Result<Vec<u8>, Error> {
        self.scratch.clear();
        let to = Destination::Scratch(&mut self.scratch);
        let (_, has_many_parts) = serialize(&mut self.arena, value, to)?;
        if has_many_parts {
            check::<T>(&self.scratch)?;
        }
        Ok(self.scratch.to_vec())
    }

    /// Serializes a value, and tells how long it became.
    #[inline]
    pub(super) fn serialize<T: Sendable>(
        &mut self,
        value: &T,
        to: Destination<'_>,
    ) -> Result<usize, Error> {
        serialize(&mut self.arena, value, to).map(|(length, _)| length)
    }

    /// Tells how long a value becomes, if readers accept it.
    #[inline]
    pub(super) fn length<T: Sendable>(&mut self, value: &T) -> Result<usize, Error> {
        self.scratch.clear();
        let (length, has_many_parts) = serialize(&mut self.arena, value, Destination::Nowhere)?;
        if has_many_parts { self.validate(value) } else { Ok(length) }
    }

    #[cold]
    fn validate<T: Sendable>(&mut self, value: &T) -> Result<usize, Error> {
        self.guess = Guess::default();
        serialize(&mut self.arena, value, Destination::Scratch(&mut self.scratch))?;
        check::<T>(&self.scratch)?;
        Ok(self.scratch.len())
    }

    /// The same for the next value.
    #[inline]
    fn measure<T: Sendable>(&mut self, value: &T) -> Result<usize, Error> {
        let length = self.length(value)?;
        if self.scratch.is_empty() {
            self.guess.learn(length);
        }
        Ok(length)
    }

    /// Fills a slice with the value that was measured, and commits it. On an error the slice is given up.
    #[inline]
    fn fill<T: Sendable>(&mut self, value: &T, slice: Slice<'_>) -> Result<(), Error> {
        let length = if self.scratch.is_empty() {
            self.serialize(value, Destination::whole(&slice))?
        } else {
            slice.fill(0, &self.scratch);
            self.scratch.len()
        };
        slice.commit_filled(length);
        Ok(())
    }

    /// Sends a value that is no longer than those before it, and tells whether it was sent.
    #[inline]
    fn send_as_guessed<T: Sendable>(&mut self, value: &T, writer: &mut impl HasCore) -> bool {
        let Some(size) = self.guess.get() else { return false };
        let core = writer.writer_core();
        let Ok(reservation) = core.try_reserve(size) else { return false };
        let slice = Slice::of_writer(core, reservation, size);
        // If anything is wrong, or many parts are to be validated, the long way finds it again.
        let to = Destination::whole(&slice);
        let Ok((length, false)) = serialize(&mut self.arena, value, to) else { return false };
        slice.commit_filled(length);
        self.guess.learn(length);
        true
    }
}

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
