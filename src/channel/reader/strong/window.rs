//! Receiving ahead of the hold.
//!
//! The reader itself stands where its hold is. What the window has received lies between that place and
//! `next`, and counts as unread until it is released: for the figures, for what is missed, for clones, for
//! a hold that is taken, and for the reader when the window is gone. So the window keeps nothing that
//! would have to be put back.
//!
//! The hold keeps all slices from the reader's place on. So it keeps those ahead, too, and what is found there
//! is trusted as what is found at the place of the hold: if the hold is in effect behind the look. Skipped
//! slices ahead stay as well, while something committed before them is not released.

use super::StrongReader;
use super::find::Next;
use super::lent::{Lent, Taken};
use crate::channel::loss::{Missed, missed_between};
use crate::channel::reader::core::Place;
use crate::channel::reader::message::Message;
use crate::channel::reader::{poll_attempt, unless_empty, wait_for};
use crate::error::{ReadError, TryReadError};
use crate::ring::Found;
use crate::ring::descriptor::Description;
use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll};

/// A strong reader that receives ahead of its hold, and gives room back later: [`StrongReader::window`] makes it.
///
/// For what is passed on to somebody who acknowledges it: the next messages are received and sent while
/// the first ones are not acknowledged, and each stays in the ring until it is. So backpressure
/// reaches the writers from there, and nothing is lost when the messages have to be sent once more.
///
/// [`recv`](Self::recv) lends the next message, and its room is not given back when that is dropped.
/// [`release`](Self::release) gives back the room of the oldest messages, in order. How many are
/// outstanding tells [`len`](Self::len): do not receive while these are as many as you allow. The ring itself
/// is the other limit. Once it is full of messages that are not released, writers wait for `release`, and
/// `recv` waits for writers.
///
/// ```
/// # futures::executor::block_on(async {
/// use overfall::Channel;
///
/// let channel = Channel::new(256); // room for four messages
/// let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
/// writer.try_send_many(&["a", "b", "c", "d"])?;
/// channel.drain()?;
///
/// let mut window = reader.window();
/// let mut sent = Vec::new();
/// while window.len() < 3 {
///     let Some(message) = window.recv().await? else { break };
///     sent.push(message.to_vec());
/// }
/// assert_eq!(sent, [b"a", b"b", b"c"]);
/// window.release(1); // the first one was acknowledged
///
/// // The connection is lost. What was not acknowledged is sent once more.
/// window.rewind();
/// assert_eq!(window.recv().await?.unwrap(), b"b");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # What is not released
///
/// It is in the ring, and unread: it counts in [`lag`](crate::stats::ReaderStats::lag) and
/// [`held_ring_bytes`](crate::stats::ChannelStats::held_ring_bytes), not as received, and
/// [`flushed`](crate::Writer::flushed) waits for it. When the window is dropped, or
/// [put back](Self::rewind), it is received again, by the reader or by the next window. When the *reader*
/// is dropped or terminated, its room is given back, as that of all that it has not read. A reader that is to go
/// on there starts [at that position](crate::StartAt::Position), and is made before.
///
/// Clones of the reader start with the oldest message that is not released.
///
/// # The end
///
/// `recv` tells the end once everything was received, also if some of that is not released yet. After the
/// end, [`rewind`](Self::rewind) receives that again. A channel that was terminated gives nothing any more.
///
/// # A hold that is taken
///
/// While a message is lent, [`take_hold`](crate::Channel::take_hold) takes effect after that. Between two
/// messages it takes effect at once, and what is not released may be overwritten: the next `recv` fails with
/// [`ReadError::HoldTaken`]. What is released after that counts as received all the same.
pub struct Window<'a> {
    reader: &'a mut StrongReader,
    ahead: Ahead,
}

/// What was received and not released, and what comes behind it.
#[derive(Default)]
struct Ahead {
    unreleased: VecDeque<Unreleased>,
    /// The place behind the last of them, if there is one.
    next: Option<Place>,
}

#[derive(Clone, Copy)]
struct Unreleased {
    place: Place,
    description: Description,
}

impl Ahead {
    /// Takes the next message, which is then lent by the reader, and stays where it is. `Ok(false)` is the
    /// end.
    fn take(&mut self, reader: &mut StrongReader) -> Result<bool, TryReadError> {
        let Some(place) = self.find(reader)? else { return Ok(false) };
        // The mark shows as well that what was found was there.
        if !reader.hold.mark() {
            return Err(reader.give_way().into());
        }
        let Place { slice, offset, .. } = place;
        let ring = &reader.hold.shared.ring;
        let Some(seen) = ring.see(slice, offset) else {
            unreachable!("it was found, and is held since")
        };
        let description = ring.describe(slice);
        let missed = self.missed_before(reader, &description, offset);
        reader.last.set(Taken { seen, missed });
        self.unreleased.push_back(Unreleased { place, description });
        self.next = Some(place.after(u64::from(description.length)));
        Ok(true)
    }

    /// Goes on to the next slice; nothing is the end.
    fn find(&mut self, reader: &mut StrongReader) -> Result<Option<Place>, TryReadError> {
        let Some(mut place) = self.next else {
            reader.core.begin_messages();
            return match reader.find_slice()? {
                Next::Slice(_) => Ok(Some(reader.place)),
                Next::Nothing => Err(TryReadError::Empty),
                Next::End => Ok(None),
            };
        };
        if reader.core.is_terminated() {
            return Err(reader.core.terminated().into());
        }
        loop {
            let found = reader.hold.shared.ring.find_held(place.slice);
            if !reader.hold.is_in_effect() {
                return Err(reader.give_way().into());
            }
            match found {
                Found::Slice(_) => return Ok(Some(place)),
                Found::Skip(next) => {
                    place = Place::at(next);
                    self.next = Some(place);
                }
                Found::Nothing | Found::Overrun => {
                    // Nothing is lent, and nothing is given back.
                    reader.settle();
                    let at_end = reader.core.is_at_end(place.slice)?;
                    return if at_end { Ok(None) } else { Err(TryReadError::Empty) };
                }
            }
        }
    }

    /// What is missed before a message, of its writer. What lies between two messages of a writer is known
    /// from these. Before the first one it is what the reader would miss.
    fn missed_before(
        &self,
        reader: &StrongReader,
        description: &Description,
        offset: u64,
    ) -> Missed {
        let is_of_writer = |one: &&Unreleased| one.description.writer == description.writer;
        match self.unreleased.iter().rev().find(is_of_writer) {
            Some(before) => missed_between(&before.description, description),
            None => reader.core.would_miss(description, offset),
        }
    }

    /// Counts the oldest messages as received, and gives their room back.
    fn release(&mut self, reader: &mut StrongReader, messages: usize) {
        // Not while the owner of the channel looks at what is unread.
        if !reader.hold.mark() {
            reader.give_way();
        }
        let Some(first) = self.unreleased.front().map(|first| first.place.slice) else { return };
        for Unreleased { place, description } in self.unreleased.drain(..messages) {
            if !reader.core.has_terminated() {
                reader.core.count_message(place.slice, place.offset, &description);
                reader.place = place.after(u64::from(description.length));
            }
        }
        if self.unreleased.is_empty() {
            self.next = None;
        }
        reader.lent.bytes = 0;
        // If the hold is there, it keeps all of them until then.
        reader.settle_lent(first);
    }
}

impl StrongReader {
    /// Receives ahead: what is received through the [`Window`] stays in the ring until it is
    /// [released](Window::release).
    ///
    /// The reader itself stays where it is until then. If the window is dropped, it goes on with what is
    /// not released.
    pub fn window(&mut self) -> Window<'_> {
        Window { reader: self, ahead: Ahead::default() }
    }
}

impl<'a> Window<'a> {
    /// As it is polled by a thread that parks.
    pub(crate) fn poll_take(
        &mut self,
        context: Option<&mut Context<'_>>,
    ) -> Poll<Result<bool, ReadError>> {
        let ahead = &mut self.ahead;
        match context {
            None => unless_empty(ahead.take(self.reader)),
            Some(context) => poll_attempt(self.reader, context, |reader| ahead.take(reader)),
        }
    }

    pub(crate) fn stop_waiting(&mut self) {
        self.reader.core.stop_waiting();
    }

    /// Receives the next message without waiting, and keeps its room. `Ok(None)` is the end: the
    /// channel has drained, and everything was received.
    ///
    /// The header tells what was missed as that of [`StrongReader::try_recv`] does. To find that, it looks
    /// through what is not released for the last message of the same writer. If there is none, and it is
    /// not just the next message of the reader, it takes a copy of what is known of writers.
    ///
    /// # Errors
    ///
    /// As for [`StrongReader::try_recv`].
    pub fn try_recv(&mut self) -> Result<Option<Message<'_>>, TryReadError> {
        let taken = self.ahead.take(self.reader)?;
        Ok(taken.then(|| self.message()))
    }

    /// Receives the next message, waits for it if need be, and keeps its room. `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`StrongReader::recv`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped while it waits, no message is lost.
    pub async fn recv(&mut self) -> Result<Option<Message<'_>>, ReadError> {
        let (reader, ahead) = (&mut *self.reader, &mut self.ahead);
        let taken = wait_for(reader, |reader| ahead.take(reader)).await?;
        Ok(taken.then(|| self.message()))
    }

    /// The message that was taken.
    pub(crate) fn message(&mut self) -> Message<'_> {
        Message::lent(Lent(self.reader))
    }

    /// Gives back the room of the oldest `messages` that were received, and counts these as read. They need
    /// not be acknowledged in order: release them once all before them are.
    ///
    /// # Panics
    ///
    /// If there are not so many: [`len`](Self::len) tells. Nothing is released then.
    #[track_caller]
    pub fn release(&mut self, messages: usize) {
        let len = self.len();
        assert!(
            messages <= len,
            "release({messages}) of {len} messages: only what was received through this window, and \
             not released or put back since, can be released"
        );
        if messages > 0 {
            self.ahead.release(self.reader, messages);
        }
    }

    /// Puts the window back to the oldest message that is not released. It is received next.
    pub fn rewind(&mut self) {
        self.ahead = Ahead::default();
    }

    /// How many messages were received and are not released.
    pub fn len(&self) -> usize {
        self.ahead.unreleased.len()
    }

    /// Whether all that was received is released.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The reader, for its figures, and for what it has missed. It stands before what is not released.
    pub fn reader(&self) -> &StrongReader {
        self.reader
    }
}

impl fmt::Debug for Window<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("len", &self.len()).field("reader", self.reader).finish()
    }
}
