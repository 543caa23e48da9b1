//! Receiving values.
#![allow(unsafe_code)]

use super::{InvalidMessage, RecvError, TryRecvError};
use crate::channel::message::{Header, Message};
use crate::channel::reader::{Reader as AnyReader, StrongReader, WeakReader};
use crate::io::Blocking;
use crate::io::layers::Receive;
use rkyv::api::access_with_context;
use rkyv::api::high::{HighDeserializer, HighValidator, deserialize};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::BoxedError as Error;
use rkyv::validation::Validator;
use rkyv::validation::archive::ArchiveValidator;
use rkyv::validation::shared::SharedValidator;
use rkyv::{Archive, Deserialize, Portable, access_unchecked};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::time::{Duration, Instant};

/// How deep values may be nested: who sends the bytes decides how deep the validation goes, and the
/// stack has an end.
const MAX_DEPTH: usize = 256;

/// What can be received: whatever derives rkyv's `Archive`, with validation.
pub trait Receivable:
    Archive<Archived: Portable + for<'a> CheckBytes<HighValidator<'a, Error>>>
{
}

impl<T> Receivable for T where
    T: Archive<Archived: Portable + for<'a> CheckBytes<HighValidator<'a, Error>>>
{
}

/// A reader whose messages are values of `T`: a [`StrongReader`], a [`WeakReader`] or either, or, made by
/// [`blocking`](Self::blocking), one that parks the thread.
pub struct Reader<T, R = StrongReader> {
    reader: R,
    values: PhantomData<fn() -> T>,
}

impl<T, R> Reader<T, R> {
    /// A reader of values from any channel of bytes.
    pub fn new(reader: R) -> Self {
        Self { reader, values: PhantomData }
    }

    /// The reader of bytes, for its figures and what it missed.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The reader of bytes, to end it, for instance.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader of bytes.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

macro_rules! typed_reader {
    ($($reader:ident)*) => {$(
        impl<T: Receivable> Reader<T, $reader> {
            /// Receives the next value without waiting; `Ok(None)` is the end.
            ///
            /// # Errors
            ///
            /// As for [`StrongReader::try_recv`]; [`TryRecvError::Invalid`] if the message is no
            /// value of `T`.
            #[inline]
            pub fn try_recv(&mut self) -> Result<Option<Received<'_, T>>, TryRecvError> {
                match self.reader.try_recv()? {
                    Some(message) => Ok(Some(Received::new(message)?)),
                    None => Ok(None),
                }
            }

            /// Receives the next value, and waits for it if need be; `Ok(None)` is the end.
            ///
            /// # Errors
            ///
            /// As for [`StrongReader::recv`]; [`RecvError::Invalid`] if the message is no value of
            /// `T`.
            ///
            /// # Cancel safety
            ///
            /// Dropped while it waits, the future has taken nothing.
            pub async fn recv(&mut self) -> Result<Option<Received<'_, T>>, RecvError> {
                match self.reader.recv().await? {
                    Some(message) => Ok(Some(Received::new(message)?)),
                    None => Ok(None),
                }
            }

            /// This reader as one that parks the thread.
            pub fn blocking(self) -> Reader<T, Blocking<$reader>> {
                Reader::new(self.reader.blocking())
            }
        }
    )*};
}
typed_reader!(AnyReader StrongReader WeakReader);

#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
impl<T: Receivable, R: Receive> Reader<T, Blocking<R>> {
    /// Receives the next value, and parks the thread until there is one; `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`Blocking::recv`]; `InvalidData`, with the [`InvalidMessage`] inside, if the message
    /// is no value of `T`.
    pub fn recv(&mut self) -> io::Result<Option<Received<'_, T>>> {
        value(self.reader.recv()?)
    }

    /// [`recv`](Self::recv), or [`io::ErrorKind::TimedOut`] if there is nothing until `deadline`.
    ///
    /// # Errors
    ///
    /// As for `recv`; `TimedOut`.
    pub fn recv_deadline(&mut self, deadline: Instant) -> io::Result<Option<Received<'_, T>>> {
        value(self.reader.recv_deadline(deadline)?)
    }

    /// [`recv`](Self::recv), or [`io::ErrorKind::TimedOut`] if there is nothing for as long as
    /// `timeout`. One that is too long to come to an end never does.
    ///
    /// # Errors
    ///
    /// As for `recv`; `TimedOut`.
    pub fn recv_timeout(&mut self, timeout: Duration) -> io::Result<Option<Received<'_, T>>> {
        value(self.reader.recv_timeout(timeout)?)
    }
}

fn value<T: Receivable>(message: Option<Message<'_>>) -> io::Result<Option<Received<'_, T>>> {
    match message {
        Some(message) => Ok(Some(Received::new(message)?)),
        None => Ok(None),
    }
}

impl<T, R: Clone> Clone for Reader<T, R> {
    /// Another reader that stands where this one does.
    fn clone(&self) -> Self {
        Self::new(self.reader.clone())
    }
}

impl<T, R: fmt::Debug> fmt::Debug for Reader<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("typed::Reader").field(&self.reader).finish()
    }
}

/// A value that was received: dereferences to its archived form, where it lies.
pub struct Received<'a, T> {
    /// Valid bytes of a `T::Archived`.
    message: Message<'a>,
    value: PhantomData<fn() -> T>,
}

impl<'a, T: Receivable> Received<'a, T> {
    #[inline]
    fn new(message: Message<'a>) -> Result<Self, InvalidMessage> {
        let archive = ArchiveValidator::with_max_depth(&message, NonZeroUsize::new(MAX_DEPTH));
        let mut validator = Validator::new(archive, SharedValidator::new());
        match access_with_context::<T::Archived, _, Error>(&message, &mut validator) {
            Ok(_) => Ok(Self { message, value: PhantomData }),
            Err(source) => Err(InvalidMessage { header: message.header(), source }),
        }
    }

    /// What is known of the message besides its value.
    pub fn header(&self) -> Header {
        self.message.header()
    }

    /// The value itself.
    ///
    /// # Errors
    ///
    /// Whatever the type's own `Deserialize` finds wrong. For most types nothing can be.
    pub fn deserialize(&self) -> Result<T, Error>
    where
        T::Archived: Deserialize<T, HighDeserializer<Error>>,
    {
        deserialize(&**self)
    }
}

impl<T: Receivable> Deref for Received<'_, T> {
    type Target = T::Archived;

    #[inline]
    fn deref(&self) -> &T::Archived {
        // SAFETY: `new` has validated these bytes as a `T::Archived`, and they neither change nor move
        // for as long as there is a message: it borrows the reader, whose hold keeps writers away
        // from them if they lie in the ring, and whose buffer it is if they do not.
        unsafe { access_unchecked::<T::Archived>(&self.message) }
    }
}

impl<T> fmt::Debug for Received<'_, T> {
    /// The message: archived types often have no `Debug`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Received").field(&self.message).finish()
    }
}
