//! Messages: whole slices with a header.

pub(crate) mod compare;
mod joiner;

pub use crate::channel::loss::Missed;
pub use joiner::{Joined, Joiner};

use super::receive_buffer::ReceiveBuffer;
use super::strong::{Lent, LentBatch, LentIter, LentOne};
use crate::channel::shared::Shared;
use crate::ring::descriptor::{Description, Joins};
use crate::ring::position::Position;
use std::fmt;
use std::ops::Deref;
use std::slice;

/// What is known of a message besides its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Header {
    /// The position of its first byte in the ring. If a part of it was read as bytes before, the
    /// position of the first byte that is left.
    pub position: u64,
    /// How many messages its writer had sent before, including those that were
    /// [dropped](crate::Backpressure::Drop), or [reported](crate::Writer::report_missed) as missed.
    pub sequence: u64,
    /// The [`id`](crate::StrongWriter::id) of the writer that sent it. 0 if it was reserved through
    /// the handle of the channel.
    pub writer: u32,
    /// Its payload bytes. If a part of it was read as bytes before, those that are left.
    pub len: u32,
    /// What the reader missed of this writer between the last message that it received from this
    /// writer, or its own start, and this one.
    pub missed: Missed,
    /// Whether it goes on where the previous message of its writer stopped. Both are then pieces of
    /// one write that was too long for one slice. [`Joiner`] puts them together.
    pub continues: bool,
    /// Whether it goes on in the next message of its writer, if that one
    /// [`continues`](Self::continues): the writer may give the write up.
    pub is_continued: bool,
    /// A part of it was read as bytes before.
    is_cut: bool,
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
            is_cut: offset > 0,
        }
    }

    /// Of the message of a writer with this number, as a whole, before which nothing was missed.
    #[inline]
    pub(crate) fn of_next((writer, sequence): (u32, u64), slice: Position, length: u64) -> Self {
        let joins = Joins::default();
        let description = Description { length: length as u32, writer, sequence, bytes: 0, joins };
        Self::of(&description, slice, 0, Missed::default())
    }
}

/// A message: its bytes, to which it dereferences, and its [`Header`].
///
/// A strong reader lends it where it lies in the ring, and writers get its room back when it is
/// dropped, or, through a [`Window`](crate::Window), later. A weak reader returns a copy. Either way the bytes are
/// contiguous and do not change.
/// They start at a multiple of 64 in memory, unless a part of the message was read as bytes before.
///
/// It compares with bytes, as it is:
///
/// ```
/// let (mut writer, mut reader) = overfall::pipe(4096);
/// writer.try_send("hello")?;
/// let message = reader.try_recv()?.unwrap();
/// assert_eq!(message, b"hello");
/// assert_eq!(message, vec![104, 101, 108, 108, 111]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Message<'a> {
    body: Body<'a>,
}

enum Body<'a> {
    /// In the ring, where the reader's hold keeps it, until this is dropped at least. The reader knows where.
    Lent(Lent<'a>),
    /// In the ring, where the hold of a batch keeps it.
    OfBatch(LentOne<'a>),
    Copied(Header, &'a [u8], &'a Shared),
}

impl<'a> Message<'a> {
    #[inline]
    pub(super) fn lent(lent: Lent<'a>) -> Self {
        Self { body: Body::Lent(lent) }
    }

    pub(crate) fn copied(header: Header, bytes: &'a [u8], shared: &'a Shared) -> Self {
        Self { body: Body::Copied(header, bytes, shared) }
    }

    /// Who sent it, its number and position, and what was missed before it.
    #[inline]
    pub fn header(&self) -> Header {
        match &self.body {
            Body::Lent(lent) => lent.header(),
            Body::OfBatch(lent) => lent.header(),
            Body::Copied(header, ..) => *header,
        }
    }

    /// The channel that it came through.
    fn shared(&self) -> &Shared {
        match &self.body {
            Body::Lent(lent) => lent.shared(),
            Body::OfBatch(lent) => lent.shared(),
            Body::Copied(.., shared) => shared,
        }
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.body {
            Body::Lent(lent) => lent.bytes(),
            Body::OfBatch(lent) => lent.bytes(),
            Body::Copied(_, bytes, _) => bytes,
        }
    }
}

impl AsRef<[u8]> for Message<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
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

/// A batch of messages, in order. There is at least one, unless the limit was 0.
///
/// A strong reader lends them where they lie in the ring. Writers get their room back when the
/// batch is dropped.
pub struct Messages<'a> {
    kept: Kept<'a>,
}

enum Kept<'a> {
    /// In the ring, by the reader's hold.
    Lent(LentBatch<'a>),
    Copied(&'a ReceiveBuffer, &'a Shared),
}

impl<'a> Messages<'a> {
    pub(super) fn lent(lent: LentBatch<'a>) -> Self {
        Self { kept: Kept::Lent(lent) }
    }

    pub(crate) fn copied(receive_buffer: &'a ReceiveBuffer, shared: &'a Shared) -> Self {
        Self { kept: Kept::Copied(receive_buffer, shared) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.kept {
            Kept::Lent(lent) => lent.len(),
            Kept::Copied(receive_buffer, _) => receive_buffer.headers().len(),
        }
    }

    /// Whether there are none, because the limit was 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages, one after the other.
    #[inline]
    pub fn iter(&self) -> MessagesIter<'_> {
        let next = match &self.kept {
            Kept::Lent(lent) => Next::Lent(lent.iter()),
            Kept::Copied(receive_buffer, shared) => {
                Next::Copied(receive_buffer.headers().iter(), receive_buffer, 0, shared)
            }
        };
        MessagesIter { next }
    }
}

impl Messages<'_> {
    /// The bytes of each message. They live as long as the batch, so that all can be written at
    /// once, as [`IoSlice`](std::io::IoSlice)s for instance.
    pub fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        let mut messages = self.iter();
        std::iter::from_fn(move || match messages.next_body()? {
            Body::OfBatch(lent) => Some(lent.bytes()),
            Body::Copied(_, bytes, _) => Some(bytes),
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

impl fmt::Debug for Messages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// An iterator over [`Messages`].
#[derive(Debug)]
pub struct MessagesIter<'a> {
    next: Next<'a>,
}

/// Where the next message is.
#[derive(Debug)]
enum Next<'a> {
    Lent(LentIter<'a>),
    /// At so many bytes of the buffer.
    Copied(slice::Iter<'a, Header>, &'a ReceiveBuffer, usize, &'a Shared),
}

impl<'a> MessagesIter<'a> {
    #[inline]
    fn next_body(&mut self) -> Option<Body<'a>> {
        Some(match &mut self.next {
            Next::Lent(lent) => Body::OfBatch(lent.next()?),
            Next::Copied(headers, receive_buffer, start, shared) => {
                let header = headers.next()?;
                Body::Copied(*header, receive_buffer.next(start, header), shared)
            }
        })
    }
}

impl<'a> Iterator for MessagesIter<'a> {
    type Item = Message<'a>;

    #[inline]
    fn next(&mut self) -> Option<Message<'a>> {
        Some(Message { body: self.next_body()? })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.next {
            Next::Lent(lent) => lent.len(),
            Next::Copied(headers, ..) => headers.len(),
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for MessagesIter<'_> {}
