//! Receiving values.
#![allow(unsafe_code)]

use super::{DeserializeError, InvalidMessage, RecvError, TryRecvError};
use crate::channel::WeakChannel;
use crate::channel::reader::StrongReader;
use crate::channel::reader::message::{Header, Message};
use crate::io::Blocking;
use crate::io::layers::{Endpoint, Receives, wait_to_take};
use rkyv::api::access_with_context;
use rkyv::api::high::{HighDeserializer, HighValidator, deserialize};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::{BoxedError as Error, Failure, Source};
use rkyv::validation::Validator;
use rkyv::validation::archive::ArchiveValidator;
use rkyv::validation::shared::SharedValidator;
use rkyv::{Archive, Deserialize, Portable, access_unchecked};
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::time::{Duration, Instant};

/// How deep values may be nested. The sender of the bytes decides how deep the validation goes, and
/// the stack has an end.
pub(super) const MAX_DEPTH: usize = 256;

/// Whether `bytes` are a value of `T`, nested no deeper than that. An error that says what is wrong is code beside each
/// check, and keeps the checks from being inlined. Almost all values are valid: if one is not, [`validate`] says why.
#[inline]
pub(super) fn is_valid<T: Receivable>(bytes: &[u8]) -> bool {
    validate_as::<T::Archived, Failure>(bytes).is_ok()
}

/// The same, and what is wrong.
#[cold]
#[inline(never)]
pub(super) fn validate<T: Receivable>(bytes: &[u8]) -> Result<(), Error> {
    validate_as::<T::Archived, Error>(bytes)
}

#[inline(always)]
fn validate_as<A, E: Source>(bytes: &[u8]) -> Result<(), E>
where
    A: Portable + for<'a> CheckBytes<HighValidator<'a, E>>,
{
    // The value itself is a level for the validator, and it fails with the level that it counts down to 0.
    const LEVELS: Option<NonZeroUsize> = NonZeroUsize::new(MAX_DEPTH + 2);
    let archive = ArchiveValidator::with_max_depth(bytes, LEVELS);
    let mut validator = Validator::new(archive, SharedValidator::new());
    access_with_context::<A, _, E>(bytes, &mut validator).map(|_| ())
}

/// What can be received: every type that derives rkyv's `Archive`, with validation.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be received from a typed channel",
    label = "derive `rkyv::Archive` for `{Self}`",
    note = "every part of it needs that as well, and rkyv its feature `bytecheck`"
)]
pub trait Receivable:
    Archive<
    Archived: Portable
                  + for<'a> CheckBytes<HighValidator<'a, Failure>>
                  + for<'a> CheckBytes<HighValidator<'a, Error>>,
>
{
}

#[diagnostic::do_not_recommend]
impl<T> Receivable for T where
    T: Archive<
        Archived: Portable
                      + for<'a> CheckBytes<HighValidator<'a, Failure>>
                      + for<'a> CheckBytes<HighValidator<'a, Error>>,
    >
{
}

/// A reader whose messages are values of `T`.
///
/// `R` is the reader of bytes beneath: a [`StrongReader`], a [`WeakReader`](crate::WeakReader), or
/// a [`Reader`](crate::Reader) of either strength. [`blocking`](Self::blocking) puts it into a
/// [`Blocking`], which parks the thread to wait.
pub struct Reader<T, R = StrongReader> {
    reader: R,
    values: PhantomData<fn() -> T>,
}

impl<T, R> Reader<T, R> {
    /// A reader of values, on a reader of bytes of any channel.
    pub fn new(reader: R) -> Self {
        Self { reader, values: PhantomData }
    }

    /// The reader of bytes, for its figures and for what it missed.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The reader of bytes, to terminate it for instance.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader of bytes.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<T, R: Endpoint> Reader<T, R> {
    /// What this reader has read so far.
    pub fn stats(&self) -> R::Stats {
        self.reader.stats()
    }

    /// Ends this reader at once, as that of bytes.
    pub fn terminate(&mut self) {
        self.reader.terminate();
    }

    /// The channel of bytes beneath, as a handle that looks on and does not keep it open.
    pub fn channel(&self) -> WeakChannel {
        self.reader.channel()
    }
}

impl<T, R: Receives> Reader<T, R> {
    /// Receives the next value without waiting. `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`StrongReader::try_recv`], and [`TryRecvError::Invalid`] if the message is
    /// not a value of `T`.
    #[inline]
    pub fn try_recv(&mut self) -> Result<Option<Received<'_, T>>, TryRecvError>
    where
        T: Receivable,
    {
        let taken = self.reader.take()?;
        Ok(if taken { Some(Received::new(self.reader.message())?) } else { None })
    }

    /// Receives the next value, and waits for it if need be. `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`StrongReader::recv`], and [`RecvError::Invalid`] if the message is not a
    /// value of `T`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, no message is lost.
    pub async fn recv(&mut self) -> Result<Option<Received<'_, T>>, RecvError>
    where
        T: Receivable,
    {
        let taken = wait_to_take(&mut self.reader).await?;
        Ok(if taken { Some(Received::new(self.reader.message())?) } else { None })
    }

    /// Converts this reader into one that parks the thread to wait.
    pub fn blocking(self) -> Reader<T, Blocking<R>>
    where
        T: Receivable,
    {
        Reader::new(Blocking::new(self.reader))
    }
}

impl<T, R: Receives> Reader<T, Blocking<R>> {
    /// Receives the next value, and parks the thread until there is one. `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Reader::recv) of the readers that do not park.
    pub fn recv(&mut self) -> Result<Option<Received<'_, T>>, RecvError>
    where
        T: Receivable,
    {
        Ok(value(self.reader.recv()?)?)
    }

    /// Like [`recv`](Self::recv), or fails with [`TryRecvError::Empty`] if there is nothing by
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// As for `recv`, and `Empty`.
    pub fn recv_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Received<'_, T>>, TryRecvError>
    where
        T: Receivable,
    {
        Ok(value(self.reader.recv_deadline(deadline)?)?)
    }

    /// Like [`recv`](Self::recv), or fails with [`TryRecvError::Empty`] if there is nothing
    /// within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for `recv`, and `Empty`.
    pub fn recv_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<Option<Received<'_, T>>, TryRecvError>
    where
        T: Receivable,
    {
        Ok(value(self.reader.recv_timeout(timeout)?)?)
    }
}

fn value<T: Receivable>(
    message: Option<Message<'_>>,
) -> Result<Option<Received<'_, T>>, InvalidMessage> {
    message.map(Received::new).transpose()
}

impl<T, R: Clone> Clone for Reader<T, R> {
    /// Another reader, which starts where this one stands.
    fn clone(&self) -> Self {
        Self::new(self.reader.clone())
    }
}

impl<T, R: fmt::Debug> fmt::Debug for Reader<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("typed::Reader").field(&self.reader).finish()
    }
}

/// A value that was received. It dereferences to its archived form, in place.
pub struct Received<'a, T> {
    /// Valid bytes of a `T::Archived`.
    message: Message<'a>,
    value: PhantomData<fn() -> T>,
}

impl<'a, T: Receivable> Received<'a, T> {
    #[inline]
    pub(super) fn new(message: Message<'a>) -> Result<Self, InvalidMessage> {
        if is_valid::<T>(&message) {
            return Ok(Self { message, value: PhantomData });
        }
        Self::explained(message)
    }

    #[cold]
    #[inline(never)]
    fn explained(message: Message<'a>) -> Result<Self, InvalidMessage> {
        match validate::<T>(&message) {
            Ok(()) => Ok(Self { message, value: PhantomData }),
            Err(source) => Err(InvalidMessage { header: message.header(), source }),
        }
    }

    /// Which writer sent the message, its number and position, and what was missed before it.
    pub fn header(&self) -> Header {
        self.message.header()
    }

    /// Deserializes the value.
    ///
    /// # Errors
    ///
    /// [`DeserializeError`], if the type's own `Deserialize` fails. That of most types does not.
    pub fn deserialize(&self) -> Result<T, DeserializeError>
    where
        T::Archived: Deserialize<T, HighDeserializer<Error>>,
    {
        deserialize(&**self).map_err(|source| DeserializeError { source })
    }
}

impl<T: Receivable> Deref for Received<'_, T> {
    type Target = T::Archived;

    #[inline]
    fn deref(&self) -> &T::Archived {
        // SAFETY: `new` has validated these bytes as a `T::Archived`. They neither change nor move
        // for as long as there is a message, because it borrows the reader. If they lie in the
        // ring, the reader's hold keeps writers away from them. If they do not, they lie in the
        // reader's buffer.
        unsafe { access_unchecked::<T::Archived>(&self.message) }
    }
}

impl<T> fmt::Debug for Received<'_, T> {
    /// The message: archived types often have no `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Received").field(&self.message).finish()
    }
}
