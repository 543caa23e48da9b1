//! Messages: slices as a whole, with what is known of them.

mod joiner;
mod tally;

pub use joiner::{Joined, Joiner};
pub(crate) use tally::Tally;

use crate::reader::{Inbox, StrongReader};
use crate::ring::descriptor::Description;
use std::fmt;
use std::ops::{Add, AddAssign, Deref};

/// What is known of a message besides its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Header {
    /// The position of its first byte in the ring; of the first one left, if bytes of it were read
    /// before.
    pub position: u64,
    /// How many messages its writer had sent before, those among them that were
    /// [dropped](crate::Backpressure::Drop).
    pub sequence: u64,
    /// Who sent it: the [`id`](crate::StrongWriter::id) of the writer; 0 if it was reserved through
    /// the handle of the channel.
    pub writer: u32,
    /// Its payload bytes; those left, if some were read before.
    pub len: u32,
    /// How much of its writer's has been missed since the message of that writer before this one.
    pub missed: Missed,
    /// It goes on where the message of its writer before it stopped: they are pieces of one write
    /// that was longer than a slice can be. [`Joiner`] puts them together.
    pub continues: bool,
    /// It goes on in the next message of its writer.
    pub is_continued: bool,
    /// The payload bytes of the slice that were read before.
    pub(crate) offset: u32,
}

impl Header {
    /// Of a message at `position`, of which `offset` bytes were read before.
    #[inline]
    pub(crate) fn of(
        description: &Description,
        position: u64,
        offset: u64,
        missed: Missed,
    ) -> Self {
        let Description { length, writer, sequence, joins, .. } = *description;
        Self {
            position,
            sequence,
            writer,
            len: length - offset as u32,
            missed,
            continues: joins.continues,
            is_continued: joins.is_continued,
            offset: offset as u32,
        }
    }
}

/// Messages and payload bytes that a reader did not get: overwritten before it had read them, or
/// dropped by their writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Missed {
    /// How many messages.
    pub messages: u64,
    /// How many payload bytes these had.
    pub bytes: u64,
}

impl Missed {
    /// Whether nothing was missed.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Add for Missed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { messages: self.messages + other.messages, bytes: self.bytes + other.bytes }
    }
}

impl AddAssign for Missed {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// A message: its bytes, to which it dereferences, and its [`Header`].
///
/// One that a strong reader has received lies in the ring still, and is given back to the writers
/// when it is dropped; one of a weak reader is a copy. Either way the bytes are contiguous, start at
/// a multiple of 64 in memory, and do not change.
pub struct Message<'a> {
    header: Header,
    body: Body<'a>,
}

enum Body<'a> {
    /// In the ring, kept by the reader's hold until this is dropped.
    Lent(&'a mut StrongReader),
    /// In a buffer, or in the ring and kept by somebody else.
    Borrowed(&'a [u8]),
}

impl<'a> Message<'a> {
    pub(crate) fn lent(header: Header, reader: &'a mut StrongReader) -> Self {
        Self { header, body: Body::Lent(reader) }
    }

    pub(crate) fn borrowed(header: Header, bytes: &'a [u8]) -> Self {
        Self { header, body: Body::Borrowed(bytes) }
    }

    /// What is known of it: who sent it, its number and position, and what was missed before it.
    #[inline]
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.body {
            Body::Lent(reader) => reader.lend_message(&self.header),
            Body::Borrowed(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Message<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Message<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Body::Lent(reader) = &mut self.body {
            reader.settle();
        }
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("header", &self.header).field("bytes", &&**self).finish()
    }
}

/// Messages that were received in one go, in order; at least one, if any were asked for.
///
/// Those of a strong reader lie in the ring still, and are given back to the writers together, when
/// this is dropped.
pub struct Messages<'a> {
    kept: Kept<'a>,
}

enum Kept<'a> {
    /// In the ring, by the reader's hold.
    Lent(&'a mut StrongReader),
    /// In the inbox.
    Copied(&'a Inbox),
}

impl<'a> Messages<'a> {
    pub(crate) fn lent(reader: &'a mut StrongReader) -> Self {
        Self { kept: Kept::Lent(reader) }
    }

    pub(crate) fn copied(inbox: &'a Inbox) -> Self {
        Self { kept: Kept::Copied(inbox) }
    }

    #[inline]
    fn headers(&self) -> &[Header] {
        match &self.kept {
            Kept::Lent(reader) => reader.batch(),
            Kept::Copied(inbox) => inbox.batch(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.headers().len()
    }

    /// Whether there are none: then none were asked for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages, one after the other.
    pub fn iter(&self) -> MessagesIter<'_> {
        MessagesIter { messages: self, next: 0, start: 0 }
    }
}

impl<'a> IntoIterator for &'a Messages<'_> {
    type Item = Message<'a>;
    type IntoIter = MessagesIter<'a>;

    fn into_iter(self) -> MessagesIter<'a> {
        self.iter()
    }
}

impl Drop for Messages<'_> {
    fn drop(&mut self) {
        if let Kept::Lent(reader) = &mut self.kept {
            reader.settle();
        }
    }
}

impl fmt::Debug for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Goes through [`Messages`].
#[derive(Debug)]
pub struct MessagesIter<'a> {
    messages: &'a Messages<'a>,
    next: usize,
    /// Where the next one starts in the inbox.
    start: usize,
}

impl<'a> Iterator for MessagesIter<'a> {
    type Item = Message<'a>;

    #[inline]
    fn next(&mut self) -> Option<Message<'a>> {
        let header = *self.messages.headers().get(self.next)?;
        self.next += 1;
        let bytes = match &self.messages.kept {
            Kept::Lent(reader) => reader.lend_message(&header),
            Kept::Copied(inbox) => inbox.next_of_batch(&mut self.start, &header),
        };
        Some(Message::borrowed(header, bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.messages.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for MessagesIter<'_> {}
