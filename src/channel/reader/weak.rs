//! The weak reader.

use super::core::{Core, Place};
use super::peek::Peeked;
use super::receive::{Receive, receive_methods, wait_for, wait_to_take};
use super::receive_buffer::{Appended, Nowhere, ReceiveBuffer, Space};
use super::skip::{Skipped, resume, target};
use super::{Read, StrongReader, reader_methods};
use crate::channel::reader::message::{Header, Message, Messages, Missed};
use crate::channel::shared::Shared;
use crate::channel::stats::ReaderStats;
use crate::channel::terms::{Ending, StartAt, Strength};
use crate::channel::trace;
use crate::channel::waiting::{Closed, Waiting};
use crate::error::{IntoStrongError, Lagged, ReadError, TryReadError};
use crate::ring::Found;
use crate::ring::descriptor::Description;
#[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
use crate::ring::position::Position;
use crate::wait::panics::Panics;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A reader that nobody waits for. Writers may overrun it.
///
/// It reads what a [`StrongReader`] reads, as long as it keeps up. When it falls more than
/// [`capacity`](crate::Channel::capacity) ring bytes behind, writers overwrite what it was to read.
/// Then one read fails with [`Lagged`], which tells how many ring bytes were missed. The read after
/// that goes on at the oldest slice that is left. Bytes that are overwritten during a read are
/// never returned. Where slices are longer than half the ring, a gap may be nothing but padding.
///
/// However far it is behind, it costs the writers nothing.
///
#[doc = include_str!("weak.md")]
pub struct WeakReader {
    core: Core,
    place: Place,
    /// Ring bytes missed that no read has told yet.
    missed: u64,
    /// Gaps are counted only.
    silent: bool,
    receive_buffer: ReceiveBuffer,
}

/// What a weak reader sees when it looks.
enum Next {
    /// So many payload bytes of the current slice are left, or what looks like it: to be trusted
    /// once the slice is found intact.
    Slice(u64),
    Nothing,
    End,
}

impl WeakReader {
    #[track_caller]
    pub(crate) fn new(shared: &Arc<Shared>, start: StartAt) -> Self {
        let ring = &shared.ring;
        let oldest = || ring.oldest_intact(ring.start());
        let slice = match start {
            StartAt::Oldest => oldest(),
            StartAt::Now => ring.reserved(),
            // While it looks back, writers may overrun it. After a few times of that there is
            // little point in looking for something that will be gone.
            StartAt::Back(bytes) => {
                (0..8).find_map(|_| ring.back(oldest(), bytes)).unwrap_or_else(|| ring.reserved())
            }
            StartAt::Newest => {
                (0..8).find_map(|_| ring.newest(oldest())).unwrap_or_else(|| ring.reserved())
            }
            StartAt::Position(label) => {
                let (place, gone) = resume(ring, oldest(), label);
                return Self::at(shared, place, gone);
            }
        };
        Self::at(shared, Place::at(slice), 0)
    }

    #[track_caller]
    fn at(shared: &Arc<Shared>, place: Place, missed: u64) -> Self {
        let core = Core::new(shared.clone(), Strength::Weak, place);
        core.tell_that_it_came();
        Self { core, place, missed, silent: false, receive_buffer: ReceiveBuffer::default() }
    }

    #[inline]
    pub(super) fn from_strong(core: Core, place: Place) -> Self {
        Self { core, place, missed: 0, silent: false, receive_buffer: ReceiveBuffer::default() }
    }

    /// Converts this reader into a strong one. It loses nothing in between.
    ///
    /// # Errors
    ///
    /// [`IntoStrongError`], with the reader in it, if the next slice was already given back to the
    /// writers, or a writer was just about to get it, or if the reader missed something that no read has
    /// told yet. Read on, and try again.
    #[allow(clippy::result_large_err, reason = "the reader goes back to its owner")]
    #[inline]
    pub fn into_strong(self) -> Result<StrongReader, IntoStrongError<Self>> {
        if self.missed > 0 {
            return Err(IntoStrongError { reader: self });
        }
        let Self { core, place, missed, silent, receive_buffer } = self;
        StrongReader::from_weak(core, place).map_err(|core| IntoStrongError {
            reader: Self { core, place, missed, silent, receive_buffer },
        })
    }

    /// Sets whether gaps are skipped without an error. Then no read fails with [`Lagged`]. What was
    /// missed is in [`stats`](Self::stats), in the headers of messages, and in
    /// [`missed`](Self::missed). Off by default.
    #[inline]
    pub fn set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// A strong reader where `other` stands, which is not before this one; nothing, if the hold of `other` was taken
    /// meanwhile.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(super) fn into_strong_beside(mut self, other: &StrongReader) -> Option<StrongReader> {
        self.miss_up_to(Read::place(other).slice);
        StrongReader::from_weak_beside(self.core, other)
    }

    /// A clone, also where there may be only one.
    #[track_caller]
    pub(super) fn another(&self) -> Self {
        let core = self.core.another(self.place);
        core.tell_that_it_came();
        let (missed, silent) = (self.missed, self.silent);
        Self { core, place: self.place, missed, silent, receive_buffer: ReceiveBuffer::default() }
    }

    /// The reader was overrun: goes on at the oldest slice that is intact.
    fn catch_up(&mut self) {
        let next = self.core.shared().ring.oldest_intact(self.place.slice);
        let skipped = next.bytes_since(self.place.slice).saturating_sub(self.place.offset);
        self.place = Place::at(next);
        self.core.record_place(self.place);
        self.missed += skipped;
        self.core.count_gap(skipped);
    }

    /// Gives up what comes before `slice`. It counts as missed, and no read tells it.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    fn miss_up_to(&mut self, slice: Position) {
        if self.place.slice.is_before(slice) {
            let skipped = slice.bytes_since(self.place.slice).saturating_sub(self.place.offset);
            self.place = Place::at(slice);
            self.core.record_place(self.place);
            self.core.count_gap(skipped);
        }
    }

    /// Tells a gap, once.
    #[inline]
    fn tell_gap(&mut self) -> Result<(), Lagged> {
        if self.missed == 0 { Ok(()) } else { self.tell_this_gap() }
    }

    #[cold]
    fn tell_this_gap(&mut self) -> Result<(), Lagged> {
        let ring_bytes = std::mem::take(&mut self.missed);
        if self.silent {
            return Ok(());
        }
        let Missed { messages, bytes, .. } = self.core.missed_before(self.place.slice);
        Err(Lagged { ring_bytes, messages_at_least: messages, bytes_at_least: bytes })
    }

    /// Lets the subscriber have what was missed since. If it panics, the gap is told by the next
    /// read, since this one cannot.
    #[inline]
    fn tell_event(&mut self, before: trace::Before) {
        let skipped = self.core.skipped_since(before);
        if skipped > 0 {
            let mut panics = Panics::new();
            if panics.run(|| self.core.tell_gap(skipped)).is_none() && self.missed == 0 {
                self.missed = skipped;
            }
            panics.finish();
        }
    }

    /// Whether there is nothing, and no gap to tell, at a glance. If not, it is to be found out.
    #[inline(always)]
    fn sees_nothing(&self) -> bool {
        let Place { slice, length: None, .. } = self.place else { return false };
        let shared = self.core.shared();
        let is_nothing = self.missed == 0
            && !self.core.has_terminated()
            && matches!(shared.ring.find(slice), Found::Nothing)
            && shared.ending() == Ending::Open;
        if is_nothing {
            self.core.record_place(self.place);
        }
        is_nothing
    }

    /// Goes on to what looks like the next payload byte.
    #[inline]
    fn find_byte(&mut self) -> Result<Next, ReadError> {
        loop {
            match self.find_slice()? {
                Next::Slice(0) => self.step_over_empty(),
                look => return Ok(look),
            }
        }
    }

    /// An empty slice has only been looked at so far.
    #[cold]
    fn step_over_empty(&mut self) {
        let ring = &self.core.shared().ring;
        let description = ring.describe(self.place.slice);
        if ring.is_intact(self.place.slice) {
            self.core.count_read(&description, 0, 0);
            self.place = self.place.after(0);
        } else {
            self.catch_up();
        }
    }

    /// Goes on to what looks like the next slice, or what is left of the present one.
    #[inline]
    fn find_slice(&mut self) -> Result<Next, ReadError> {
        if self.core.is_terminated() {
            return Err(self.core.terminated());
        }
        loop {
            self.tell_gap()?;
            let Place { slice, offset, length } = self.place;
            let ring = &self.core.shared().ring;
            match length {
                Some(length) => return Ok(Next::Slice(length - offset)),
                None => match ring.find(slice) {
                    Found::Slice(length) => self.place.length = Some(length),
                    Found::Skip(next) => self.place = Place::at(next),
                    Found::Nothing => {
                        self.core.record_place(self.place);
                        let at_end = self.core.is_at_end(slice)?;
                        return Ok(if at_end { Next::End } else { Next::Nothing });
                    }
                    Found::Overrun => self.catch_up(),
                },
            }
        }
    }

    #[inline]
    fn poll_find(&mut self, context: &mut Context<'_>) -> Poll<Result<Next, ReadError>> {
        let mut look = self.find_byte();
        if matches!(look, Ok(Next::Nothing)) {
            self.core.park(context.waker());
            look = self.find_byte();
            if matches!(look, Ok(Next::Nothing)) {
                return self.core.pending();
            }
        }
        self.core.unpark();
        Poll::Ready(look)
    }

    /// The quick way of a read: the next slice just fills `buffer`, and was intact. If not, nothing
    /// has happened, but that the contents of the buffer are anything. It is worth its place in the
    /// caller's code.
    #[inline(always)]
    fn read_whole(&mut self, buffer: &mut [u8]) -> bool {
        let Place { slice, length: None, .. } = self.place else { return false };
        let ring = &self.core.shared().ring;
        let length = buffer.len() as u64;
        let next = ring.find_next(slice, self.core.next_sender());
        if next != Some(length) || self.missed > 0 || self.core.is_terminated() {
            return false;
        }
        let Some(bytes) = ring.racing(slice, length) else { return false };
        ring.copy_all(&bytes, buffer);
        if !ring.is_intact(slice) {
            return false;
        }
        step_over(&mut self.core, &mut self.place, length);
        true
    }

    /// Copies what is there, across slices, after a look that found `left` bytes. 0 if the very
    /// first bytes were overwritten meanwhile: then the gap is noted, and the caller looks again.
    #[inline]
    fn copy(&mut self, buffer: &mut [u8], mut left: u64) -> usize {
        let mut copied = 0;
        loop {
            let part = (buffer.len() - copied).min(left as usize);
            let ring = &self.core.shared().ring;
            let Place { slice, offset, .. } = self.place;
            let description = ring.describe(slice);
            ring.copy_racing(slice, offset, &mut buffer[copied..copied + part]);
            if !ring.is_intact(slice) {
                self.catch_up();
                break;
            }
            copied += part;
            self.core.count_read(&description, offset, offset + part as u64);
            self.place = self.place.advanced(part as u64, u64::from(description.length));
            if copied == buffer.len() || self.missed > 0 {
                break;
            }
            match self.find_next() {
                Some(more) => left = more,
                None => break,
            }
        }
        self.core.record_place(self.place);
        copied
    }

    /// What has no quick way.
    #[inline(never)]
    fn read_across(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        if self.sees_nothing() { Err(TryReadError::Empty) } else { self.look_across(buffer) }
    }

    #[inline(never)]
    fn look_across(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        let before = self.core.before();
        let read = self.find_and_read(buffer);
        self.tell_event(before);
        read
    }

    /// Looks first, for what is not just a slice at the present place.
    #[inline]
    fn find_and_read(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        loop {
            match self.find_byte()? {
                Next::Slice(left) => match self.copy(buffer, left) {
                    0 => {}
                    copied => return Ok(copied),
                },
                Next::Nothing => return Err(TryReadError::Empty),
                Next::End => return Ok(0),
            }
        }
    }

    /// The same, and registers to be woken if there is nothing.
    #[inline]
    fn poll_find_and_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        loop {
            match self.poll_find(context) {
                Poll::Ready(Ok(Next::Slice(left))) => match self.copy(buffer, left) {
                    0 => {}
                    copied => return Poll::Ready(Ok(copied)),
                },
                Poll::Ready(Ok(_)) => return Poll::Ready(Ok(0)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Looks for more in the same read, which ends before a gap.
    #[inline]
    fn find_next(&mut self) -> Option<u64> {
        match self.core.shared().ring.find(self.place.slice) {
            Found::Slice(length) if length > 0 => {
                self.place.length = Some(length);
                Some(length)
            }
            // The next read will see what it is.
            _ => None,
        }
    }
}

impl Read for WeakReader {
    #[inline(always)]
    fn read_now(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        if buffer.is_empty() || self.read_whole(buffer) {
            return Ok(buffer.len());
        }
        self.read_across(buffer)
    }

    #[inline(always)]
    fn read_quick(&mut self, buffer: &mut [u8]) -> bool {
        !buffer.is_empty() && self.read_whole(buffer)
    }

    #[inline]
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.read_whole(buffer) {
            self.core.unpark();
            return Poll::Ready(Ok(buffer.len()));
        }
        let before = self.core.before();
        let read = self.poll_find_and_read(context, buffer);
        self.tell_event(before);
        read
    }

    #[inline]
    fn core(&self) -> &Core {
        &self.core
    }

    fn place(&self) -> Place {
        self.place
    }

    #[inline]
    fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    fn end(&mut self) {
        self.core.terminate(self.place);
    }
}

reader_methods!(WeakReader);

impl WeakReader {
    /// Takes the next message.
    #[inline]
    fn take_to(&mut self, to: &mut impl Space) -> Result<Option<Header>, TryReadError> {
        loop {
            match self.find_slice()? {
                Next::Slice(left) => match take_slice(&mut self.core, &mut self.place, left, to) {
                    Some(header) => return Ok(Some(header)),
                    None => self.catch_up(),
                },
                Next::Nothing => return Err(TryReadError::Empty),
                Next::End => return Ok(None),
            }
        }
    }

    /// The quick way to a message that is there alone. If it has none, what was in the receive buffer is lost.
    #[inline(always)]
    fn take_next(&mut self) -> Option<Header> {
        let Self { core, place, receive_buffer, missed, .. } = self;
        take_next(core, place, *missed, |length| receive_buffer.room_alone(length))
    }

    /// Looks first, for what is not just a slice at the present place.
    #[inline(never)]
    fn find_and_take(&mut self) -> Result<Option<Header>, TryReadError> {
        if self.sees_nothing() { Err(TryReadError::Empty) } else { self.find_slice_and_take() }
    }

    #[inline(never)]
    fn find_slice_and_take(&mut self) -> Result<Option<Header>, TryReadError> {
        let before = self.core.before();
        let taken =
            self.with_receive_buffer(|reader, receive_buffer| reader.take_to(receive_buffer));
        self.tell_event(before);
        taken
    }

    /// The slice behind those that were just taken, if it is there: so many bytes.
    fn next_slice(&mut self) -> Option<u64> {
        while self.missed == 0 {
            match self.core.shared().ring.find(self.place.slice) {
                Found::Slice(length) => {
                    self.place.length = Some(length);
                    return Some(length);
                }
                Found::Skip(next) => self.place = Place::at(next),
                // The next look will see what it is.
                Found::Nothing | Found::Overrun => break,
            }
        }
        None
    }

    /// Does `work` with the receive buffer, emptied, at hand.
    #[inline]
    fn with_receive_buffer<T>(
        &mut self,
        work: impl FnOnce(&mut Self, &mut ReceiveBuffer) -> T,
    ) -> T {
        let mut receive_buffer = std::mem::take(&mut self.receive_buffer);
        receive_buffer.clear();
        let result = work(self, &mut receive_buffer);
        self.receive_buffer = receive_buffer;
        result
    }
}

/// Steps over the next slice, which was read as a whole.
#[inline(always)]
fn step_over(core: &mut Core, place: &mut Place, length: u64) {
    // The rest of the place is that of the start of a slice.
    let next = place.after(length);
    place.slice = next.slice;
    core.count_next(length);
    core.record_place(next);
}

/// The quick way, for a reader that has no gap to tell: the next slice is right here, was intact, and is the
/// next message of the writer of the last one. If not, nothing has happened, but that there may be anything in
/// the `room`.
#[inline(always)]
fn take_next<'a>(
    core: &mut Core,
    place: &mut Place,
    missed: u64,
    room: impl FnOnce(usize) -> &'a mut [u8],
) -> Option<Header> {
    let Place { slice, length: None, .. } = *place else { return None };
    let (ring, sender) = (&core.shared().ring, core.next_sender());
    let length = ring.find_next(slice, sender)?;
    if missed > 0 || core.is_terminated() {
        return None;
    }
    let bytes = ring.racing(slice, length)?;
    ring.copy_all(&bytes, room(length as usize));
    if !ring.is_intact(slice) {
        return None;
    }
    step_over(core, place, length);
    Some(Header::of_next(sender, slice, length))
}

/// Takes what is left of the slice at `place`, so many bytes; nothing if it was overwritten
/// meanwhile.
#[inline]
fn take_slice(
    core: &mut Core,
    place: &mut Place,
    left: u64,
    to: &mut impl Space,
) -> Option<Header> {
    let Place { slice, offset, .. } = *place;
    let ring = &core.shared().ring;
    let description = ring.describe(slice);
    ring.copy_racing(slice, offset, to.space(left as usize));
    if !ring.is_intact(slice) {
        return None;
    }
    *place = place.after(offset + left);
    let missed = core.count_message(slice, offset, &description);
    core.record_place(*place);
    Some(Header::of(&description, slice, offset, missed))
}

impl Receive for WeakReader {
    #[inline]
    fn take(&mut self) -> Result<bool, TryReadError> {
        if self.take_quick() {
            return Ok(true);
        }
        let Some(header) = self.find_and_take()? else { return Ok(false) };
        self.receive_buffer.keep_alone(header);
        Ok(true)
    }

    #[inline(always)]
    fn take_quick(&mut self) -> bool {
        let Some(header) = self.take_next() else { return false };
        self.receive_buffer.keep_alone(header);
        true
    }

    #[inline(always)]
    fn receive(&mut self) -> Result<Option<Message<'_>>, TryReadError> {
        let header = match self.take_next() {
            Some(header) => header,
            None => match self.find_and_take()? {
                Some(header) => header,
                None => return Ok(None),
            },
        };
        let bytes = self.receive_buffer.bytes_alone(&header);
        Ok(Some(Message::copied(header, bytes, self.core.shared())))
    }

    fn take_into(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Header>, TryReadError> {
        let before = self.core.before();
        let mut to = Appended { start: buffer.len(), buffer };
        let taken = self.take_to(&mut to);
        if !matches!(taken, Ok(Some(_))) {
            to.buffer.truncate(to.start);
        }
        self.tell_event(before);
        taken
    }

    fn take_many(&mut self, limit: usize) -> Result<bool, TryReadError> {
        let before = self.core.before();
        let taken = self.with_receive_buffer(|reader, receive_buffer| {
            if limit == 0 {
                return Ok(true);
            }
            let Some(mut header) = reader.take_to(receive_buffer)? else { return Ok(false) };
            // Those that are there now: writers may send as fast as we copy.
            let end = reader.core.shared().ring.reserved();
            loop {
                receive_buffer.keep(header);
                if receive_buffer.headers().len() == limit || !reader.place.slice.is_before(end) {
                    break;
                }
                let Self { core, place, missed, .. } = &mut *reader;
                let next = take_next(core, place, *missed, |length| receive_buffer.space(length));
                if let Some(next) = next {
                    header = next;
                    continue;
                }
                let Some(left) = reader.next_slice() else { break };
                match take_slice(&mut reader.core, &mut reader.place, left, receive_buffer) {
                    Some(next) => header = next,
                    None => {
                        reader.catch_up();
                        break;
                    }
                }
            }
            Ok(true)
        });
        self.tell_event(before);
        taken
    }

    #[inline]
    fn message(&mut self) -> Message<'_> {
        let (header, bytes) = self.receive_buffer.alone();
        Message::copied(header, bytes, self.core.shared())
    }

    fn messages(&mut self) -> Messages<'_> {
        Messages::copied(&self.receive_buffer, self.core.shared())
    }

    fn skip_to(&mut self, start: StartAt) -> Skipped {
        let mut skipped = Skipped::default();
        let Some(end) = target(self.core.shared(), &self.place, start) else { return skipped };
        let before = self.core.before();
        // Who passes over messages is told no gap in there.
        let silent = std::mem::replace(&mut self.silent, true);
        while let Ok(Next::Slice(left)) = self.find_slice() {
            let next = self.place.after(self.place.offset + left).slice;
            if !self.core.shared().ring.is_intact(self.place.slice) {
                self.catch_up();
            } else if end.is_before(next) {
                break;
            } else {
                match take_slice(&mut self.core, &mut self.place, left, &mut Nowhere) {
                    Some(_) => skipped += left,
                    None => self.catch_up(),
                }
            }
        }
        self.silent = silent;
        self.core.record_place(self.place);
        self.tell_event(before);
        skipped
    }

    fn peek_next(&mut self) -> Result<Option<Description>, TryReadError> {
        let before = self.core.before();
        let seen = self.with_receive_buffer(|reader, receive_buffer| {
            loop {
                let left = match reader.find_slice()? {
                    Next::Slice(left) => left,
                    Next::Nothing => return Err(TryReadError::Empty),
                    Next::End => return Ok(None),
                };
                let Place { slice, offset, .. } = reader.place;
                let ring = &reader.core.shared().ring;
                let description = ring.describe(slice);
                ring.copy_racing(slice, offset, receive_buffer.space(left as usize));
                if ring.is_intact(slice) {
                    let missed = reader.core.would_miss(&description, offset);
                    receive_buffer.keep_alone(Header::of(&description, slice, offset, missed));
                    return Ok(Some(description));
                }
                reader.catch_up();
            }
        });
        self.tell_event(before);
        seen
    }

    fn seen(&self) -> (Header, &[u8]) {
        self.receive_buffer.alone()
    }

    fn consume_seen(&mut self, description: &Description) {
        let Place { slice, offset, .. } = self.place;
        self.place = self.place.after(u64::from(description.length));
        self.core.count_message(slice, offset, description);
        self.core.record_place(self.place);
    }

    // It looks at its copy, and holds nobody back by that.
    fn leave_seen(&mut self) {}

    fn skip_rest(&mut self) -> u64 {
        let left = self.place.left();
        if self.place.offset == 0 || self.core.has_terminated() {
            return 0;
        }
        let Place { slice, offset, .. } = self.place;
        let ring = &self.core.shared().ring;
        let description = ring.describe(slice);
        if !ring.is_intact(slice) {
            let before = self.core.before();
            self.catch_up();
            self.tell_event(before);
            return 0;
        }
        self.core.count_read(&description, offset, offset + left);
        self.place = self.place.after(offset + left);
        self.core.record_place(self.place);
        left
    }
}

receive_methods!(WeakReader);

impl Clone for WeakReader {
    /// Another weak reader, which starts where this one stands, with figures of its own. If this
    /// one has a gap to tell, the clone tells it as well.
    #[track_caller]
    fn clone(&self) -> Self {
        let reader = self.another();
        #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
        let reader = super::only::unless_second(reader);
        reader
    }
}
