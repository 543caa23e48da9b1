//! Messages: slices as a whole, with what is known of them.

mod joiner;

pub use super::loss::Missed;
pub use joiner::{Joined, Joiner};

use crate::channel::reader::{Inbox, StrongReader, Taken};
use crate::ring::descriptor::Description;
use crate::ring::position::Position;
use std::fmt;
use std::ops::Deref;

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
}

impl Header {
    /// Of the message in `slice`, of which `offset` bytes were read before.
    #[inline]
    pub(crate) fn of(
        description: &Description,
        slice: Position,
        offset: u64,
        missed: Missed,
    ) -> Self {
        let Description { length, writer, sequence, joins, .. } = *description;
        Self {
            position: slice.label(offset),
            sequence,
            writer,
            len: length - offset as u32,
            missed,
            continues: joins.continues,
            is_continued: joins.is_continued,
        }
    }
}

/// A message: its bytes, to which it dereferences, and its [`Header`].
///
/// One that a strong reader has received lies in the ring still, and is given back to the writers
/// when it is dropped; one of a weak reader is a copy. Either way the bytes are contiguous, start at
/// a multiple of 64 in memory (but for what is left of one that was read in part), and do not change.
pub struct Message<'a> {
    body: Body<'a>,
}

enum Body<'a> {
    /// In the ring, where the reader's hold keeps it until this is dropped. The reader knows where.
    Lent(&'a mut StrongReader),
    /// In the ring, where the hold of a batch keeps it.
    OfBatch(&'a StrongReader, Taken, &'a [u8]),
    Copied(&'a Header, &'a [u8]),
}

impl<'a> Message<'a> {
    #[inline]
    pub(crate) fn lent(reader: &'a mut StrongReader) -> Self {
        Self { body: Body::Lent(reader) }
    }

    pub(crate) fn copied(header: &'a Header, bytes: &'a [u8]) -> Self {
        Self { body: Body::Copied(header, bytes) }
    }

    /// What is known of it: who sent it, its number and position, and what was missed before it.
    #[inline]
    pub fn header(&self) -> Header {
        match &self.body {
            Body::Lent(reader) => reader.header_of(reader.taken()),
            Body::OfBatch(reader, taken, _) => reader.header_of(taken),
            Body::Copied(header, _) => **header,
        }
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.body {
            Body::Lent(reader) => reader.lend_message(reader.taken()),
            Body::OfBatch(_, _, bytes) | Body::Copied(_, bytes) => bytes,
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
        f.debug_struct("Message")
            .field("header", &self.header())
            .field("bytes", &format_args!("b\"{}\"", self.escape_ascii()))
            .finish()
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
    Copied(&'a Inbox),
}

impl<'a> Messages<'a> {
    pub(crate) fn lent(reader: &'a mut StrongReader) -> Self {
        Self { kept: Kept::Lent(reader) }
    }

    pub(crate) fn copied(inbox: &'a Inbox) -> Self {
        Self { kept: Kept::Copied(inbox) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.kept {
            Kept::Lent(reader) => reader.batch.seen.len(),
            Kept::Copied(inbox) => inbox.headers().len(),
        }
    }

    /// Whether there are none: then none were asked for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages, one after the other.
    #[inline]
    pub fn iter(&self) -> MessagesIter<'_> {
        let next = match &self.kept {
            Kept::Lent(reader) => Next::Lent(reader),
            Kept::Copied(inbox) => Next::Copied(inbox, 0),
        };
        MessagesIter { next, index: 0, len: self.len() }
    }
}

impl Messages<'_> {
    /// The bytes of each message, for as long as the batch is kept: to write them all at once, for
    /// instance, as [`IoSlice`](std::io::IoSlice)s.
    pub fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        let mut messages = self.iter();
        std::iter::from_fn(move || match messages.next_body()? {
            Body::OfBatch(_, _, bytes) | Body::Copied(_, bytes) => Some(bytes),
            Body::Lent(_) => unreachable!("a batch is lent as a whole"),
        })
    }
}

impl<'a> IntoIterator for &'a Messages<'_> {
    type Item = Message<'a>;
    type IntoIter = MessagesIter<'a>;

    #[inline]
    fn into_iter(self) -> MessagesIter<'a> {
        self.iter()
    }
}

impl Drop for Messages<'_> {
    #[inline]
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
    next: Next<'a>,
    index: usize,
    len: usize,
}

/// Where the next message is.
#[derive(Debug)]
enum Next<'a> {
    Lent(&'a StrongReader),
    /// At so many bytes.
    Copied(&'a Inbox, usize),
}

impl<'a> MessagesIter<'a> {
    #[inline]
    fn next_body(&mut self) -> Option<Body<'a>> {
        let body = match &mut self.next {
            Next::Lent(reader) => {
                let taken = reader.batch.get(self.index)?;
                Body::OfBatch(reader, taken, reader.lend_message(&taken))
            }
            Next::Copied(inbox, start) => {
                let header = inbox.headers().get(self.index)?;
                Body::Copied(header, inbox.next(start, header))
            }
        };
        self.index += 1;
        Some(body)
    }
}

impl<'a> Iterator for MessagesIter<'a> {
    type Item = Message<'a>;

    #[inline]
    fn next(&mut self) -> Option<Message<'a>> {
        Some(Message { body: self.next_body()? })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.len - self.index;
        (left, Some(left))
    }
}

impl ExactSizeIterator for MessagesIter<'_> {}
