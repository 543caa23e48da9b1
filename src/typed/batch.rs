//! Several values at once.

use super::serialization::{Destination, Serialization, unsteady};
use super::writer::refuse;
use super::{
    InvalidMessage, Reader, Receivable, Received, RecvError, SendError, Sendable, TryRecvError,
    TrySendError, Writer,
};
use crate::channel::Sent;
use crate::channel::reader::message::{Messages, MessagesIter};
use crate::channel::writer::slice::Slice;
use crate::error;
use crate::io::Blocking;
use crate::io::layers::{Receives, Until, Wait, Writes, wait_for};
use crate::ring::position::slice_size;
use rkyv::rancor::BoxedError as Error;
use std::fmt;
use std::marker::PhantomData;
use std::slice;

/// Up to so many bytes in all, values are serialized aside, and copied: that is quicker than to serialize them twice.
const SHORT: usize = 16 * 1024;

/// Messages that lie one behind the other.
#[derive(Clone)]
struct Pieces<'a> {
    bytes: &'a [u8],
    lengths: slice::Iter<'a, u64>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (piece, rest) = self.bytes.split_at(*self.lengths.next()? as usize);
        self.bytes = rest;
        Some(piece)
    }
}

impl Serialization {
    /// Several values as the bytes of their messages, as [`Serialization::short`] is one.
    fn short_many<'a, T: Sendable + 'a>(
        &mut self,
        values: impl Iterator<Item = &'a T>,
    ) -> Option<Pieces<'_>> {
        self.scratch.clear();
        self.lengths.clear();
        for value in values {
            let length = self.append::<T>(value, SHORT)?;
            self.lengths.push(length as u64);
        }
        Some(Pieces { bytes: &self.scratch, lengths: self.lengths.iter() })
    }

    /// Tells how many ring bytes values take side by side, and notes how long each becomes.
    fn measure_many<'a, T: Sendable + 'a>(
        &mut self,
        values: impl Iterator<Item = &'a T>,
    ) -> Result<usize, Error> {
        self.lengths.clear();
        let mut size = 0;
        for value in values {
            let length = self.length(value)? as u64;
            self.lengths.push(length);
            size += slice_size(length);
        }
        Ok(size as usize)
    }

    /// Serializes values that were measured into a slice, and commits them together. On an error, or a
    /// panic of a value, the slice is given up.
    fn fill_many<'a, T: Sendable + 'a>(
        &mut self,
        mut values: impl Iterator<Item = &'a T>,
        slice: Slice<'_>,
    ) -> Result<(), Error> {
        let mut offset = 0;
        for index in 0..self.lengths.len() {
            let value = values.next().ok_or_else(unsteady)?;
            let limit = self.lengths[index] as usize;
            let to = Destination::Slice { slice: &slice, offset };
            let length = self.serialize(value, (to, limit))?;
            let size = slice_size(limit as u64);
            if slice_size(length as u64) != size {
                return Err(unsteady());
            }
            self.lengths[index] = length as u64;
            offset += size as usize;
        }
        if values.next().is_some() {
            return Err(unsteady());
        }
        slice.commit_many(&self.lengths);
        Ok(())
    }

    /// How many values were measured, and their bytes.
    fn count(&self) -> (u64, u64) {
        (self.lengths.len() as u64, self.lengths.iter().sum())
    }
}

impl<T, W: Writes> Writer<T, W> {
    /// Sends several values without waiting, with one reservation and one wake-up. Readers see all of
    /// them, one right after the other, or none. If they become more than 16 KiB together, each is serialized
    /// twice more, straight into the ring in the end, and the iterator is cloned for that.
    ///
    /// # Errors
    ///
    /// As for [`try_send`](Self::try_send). Together they must fit into one slice, where each takes whole
    /// granules of 64 bytes: `TooLong` tells these ring bytes.
    pub fn try_send_many<'a>(
        &mut self,
        values: impl IntoIterator<Item = &'a T, IntoIter: Clone>,
    ) -> Result<(), TrySendError>
    where
        T: Sendable + 'a,
    {
        let values = values.into_iter();
        let (writer, serialization) = self.parts();
        if let Some(messages) = serialization.short_many(values.clone()) {
            return Ok(writer.writer_core().try_send_many(&messages)?);
        }
        let size = serialization.measure_many(values.clone()).map_err(TrySendError::Serialize)?;
        if size == 0 {
            return Ok(());
        }
        let core = writer.writer_core();
        let reservation = core.try_reserve(size)?;
        let slice = Slice::of_writer(core, reservation, size);
        serialization.fill_many(values, slice).map_err(TrySendError::Serialize)
    }

    /// Like [`try_send_many`](Self::try_send_many), but waits for room as [`send`](Self::send) does. All
    /// of them are delivered, or all dropped.
    ///
    /// # Errors
    ///
    /// As for `try_send_many`, except `Full`.
    ///
    /// # Cancel safety
    ///
    /// As for `send`.
    pub async fn send_many<'a>(
        &mut self,
        values: impl IntoIterator<Item = &'a T, IntoIter: Clone>,
    ) -> Result<Sent, SendError>
    where
        T: Sendable + 'a,
    {
        let values = values.into_iter();
        let (writer, serialization) = self.parts();
        if let Some(messages) = serialization.short_many(values.clone()) {
            return Ok(writer.writer_core().send_many(&messages).await?);
        }
        let size = serialization.measure_many(values.clone()).map_err(SendError::Serialize)?;
        if size == 0 {
            return Ok(Sent::Delivered);
        }
        let core = writer.writer_core();
        match core.reserve(size).await {
            Ok(reservation) => {
                let slice = Slice::of_writer(core, reservation, size);
                serialization.fill_many(values, slice).map_err(SendError::Serialize)?;
                Ok(Sent::Delivered)
            }
            Err(refused) => refuse(writer, serialization.count(), size as u64, refused),
        }
    }
}

impl<T, W: Writes> Writer<T, Blocking<W>> {
    /// Sends several values with one reservation and one wake-up, and parks the thread until there is
    /// room. Otherwise as [`send_many`](Writer::send_many) of the writers that do not park.
    ///
    /// # Errors
    ///
    /// As for [`send_many`](Writer::send_many) of the writers that do not park.
    pub fn send_many<'a>(
        &mut self,
        values: impl IntoIterator<Item = &'a T, IntoIter: Clone>,
    ) -> Result<Sent, SendError>
    where
        T: Sendable + 'a,
    {
        let values = values.into_iter();
        let (writer, serialization) = self.parts();
        if let Some(messages) = serialization.short_many(values.clone()) {
            return Ok(writer.send_many(messages)?);
        }
        let size = serialization.measure_many(values.clone()).map_err(SendError::Serialize)?;
        if size == 0 {
            return Ok(Sent::Delivered);
        }
        let refused = match writer.reserve_until(size, Until::Forever, Wait::LeavesWhenDropped) {
            None => return Err(error::SendError::Full.into()),
            Some(Ok(slice)) => {
                serialization.fill_many(values, slice).map_err(SendError::Serialize)?;
                return Ok(Sent::Delivered);
            }
            Some(Err(refused)) => refused,
        };
        refuse(writer.get_mut(), serialization.count(), size as u64, refused)
    }
}

impl<T, R: Receives> Reader<T, R> {
    /// Receives the values that are there, at most `limit`, without waiting. `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`StrongReader::try_recv_many`](crate::StrongReader::try_recv_many). A message that is not a
    /// value of `T` is an item of the batch.
    pub fn try_recv_many(&mut self, limit: usize) -> Result<Option<Values<'_, T>>, TryRecvError>
    where
        T: Receivable,
    {
        let messages = self.get_mut().take_many(limit)?;
        Ok(messages.then(|| Values::new(self.get_mut().messages())))
    }

    /// Like [`try_recv_many`](Self::try_recv_many), but waits for at least one value.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Self::recv), except `Invalid`, which is an item of the batch.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, no message is lost.
    pub async fn recv_many(&mut self, limit: usize) -> Result<Option<Values<'_, T>>, RecvError>
    where
        T: Receivable,
    {
        let taken = wait_for(self.get_mut(), |reader| reader.take_many(limit)).await?;
        Ok(taken.then(|| Values::new(self.get_mut().messages())))
    }
}

impl<T, R: Receives> Reader<T, Blocking<R>> {
    /// Parks the thread until there is a value, and receives those that are there, at most `limit`.
    /// `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`recv_many`](Reader::recv_many) of the readers that do not park.
    pub fn recv_many(&mut self, limit: usize) -> Result<Option<Values<'_, T>>, RecvError>
    where
        T: Receivable,
    {
        Ok(self.get_mut().recv_many(limit)?.map(Values::new))
    }
}

/// A batch of values, in order. There is at least one, unless the limit was 0. A message that is not a
/// value of `T` is an `Err` in there.
///
/// ```
/// use overfall::typed::Channel;
///
/// let channel = Channel::<String>::new(4096);
/// let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
/// writer.try_send_many(&["one".to_string(), "two".to_string()])?;
/// for value in &reader.try_recv_many(10)?.unwrap() {
///     assert_eq!(value?.len(), 3);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Values<'a, T> {
    messages: Messages<'a>,
    values: PhantomData<fn() -> T>,
}

impl<'a, T> Values<'a, T> {
    fn new(messages: Messages<'a>) -> Self {
        Self { messages, values: PhantomData }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there are none, because the limit was 0.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

impl<T: Receivable> Values<'_, T> {
    /// The values, one after the other.
    pub fn iter(&self) -> ValuesIter<'_, T> {
        ValuesIter { messages: self.messages.iter(), values: PhantomData }
    }
}

impl<'a, T: Receivable> IntoIterator for &'a Values<'_, T> {
    type Item = Result<Received<'a, T>, InvalidMessage>;
    type IntoIter = ValuesIter<'a, T>;

    fn into_iter(self) -> ValuesIter<'a, T> {
        self.iter()
    }
}

impl<T> fmt::Debug for Values<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Values").field(&self.messages).finish()
    }
}

/// An iterator over [`Values`].
pub struct ValuesIter<'a, T> {
    messages: MessagesIter<'a>,
    values: PhantomData<fn() -> T>,
}

impl<'a, T: Receivable> Iterator for ValuesIter<'a, T> {
    type Item = Result<Received<'a, T>, InvalidMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        self.messages.next().map(Received::new)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.messages.size_hint()
    }
}

impl<T: Receivable> ExactSizeIterator for ValuesIter<'_, T> {}

impl<T> fmt::Debug for ValuesIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ValuesIter").field(&self.messages).finish()
    }
}
