//! Receiving messages: they stay where they are, and are lent.

use super::StrongReader;
use super::find::Next;
use super::lent::{Lent, LentBatch, Taken};
use crate::channel::reader::Receive;
use crate::channel::reader::core::Place;
use crate::channel::reader::message::{Header, Message, Messages};
use crate::channel::reader::skip::{Skipped, target};
use crate::channel::terms::{Ending, StartAt};
use crate::error::TryReadError;
use crate::ring::descriptor::Description;
use crate::ring::position::slice_size;
use crate::ring::{Found, Seen};

impl StrongReader {
    /// Takes the slice at the present place; nothing if it is not there, or the hold was taken.
    #[inline(always)]
    fn take_slice(&mut self) -> Option<Taken> {
        self.take_slice_if(|reader| reader.hold.mark())
    }

    /// The same if it `may`, once the slice was found.
    #[inline(always)]
    fn take_slice_if(&mut self, may: impl FnOnce(&Self) -> bool) -> Option<Taken> {
        let Place { slice, offset, .. } = self.place;
        let ring = &self.hold.shared.ring;
        let seen = ring.see(slice, offset)?;
        let description = ring.describe(slice);
        if !may(self) {
            return None;
        }
        self.place = self.place.after(u64::from(description.length));
        self.lent.bytes = 0;
        let missed = self.core.count_message(slice, offset, &description);
        Some(Taken { seen, missed })
    }

    /// The quick way: the next slice is right here, and is the next message of the writer of the last one.
    /// Nothing if not, or if the hold was taken.
    #[inline(always)]
    fn take_next(&mut self) -> Option<Seen> {
        let Place { slice, length: None, .. } = self.place else { return None };
        let shared = &self.hold.shared;
        let seen = shared.ring.see_next(slice, self.core.next_sender())?;
        // One that was terminated has no hold to mark.
        let may = self.core.is_counted() && shared.ending() != Ending::Terminated;
        if !may || !self.hold.mark() {
            return None;
        }
        // The rest of the place is that of the start of a slice.
        self.place.slice = self.place.after(seen.left).slice;
        self.lent.bytes = 0;
        self.core.count_next_messages(1, seen.left);
        Some(seen)
    }

    /// Takes for the batch what [`Self::take_next`] would take one by one, while the hold is marked.
    fn take_run(&mut self, limit: usize) {
        let Place { slice, length: None, .. } = self.place else { return };
        if !self.core.is_counted() {
            return;
        }
        let (ring, seen) = (&self.hold.shared.ring, &mut self.batch.seen);
        let (writer, first) = self.core.next_sender();
        let (mut next, mut sequence, mut bytes) = (slice, first, 0);
        while seen.len() < limit {
            let Some(message) = ring.see_next(next, (writer, sequence)) else { break };
            seen.push(message);
            next = next.plus(slice_size(message.left));
            sequence += 1;
            bytes += message.left;
        }
        self.place.slice = next;
        self.lent.bytes = 0;
        self.core.count_next_messages(sequence - first, bytes);
    }

    /// Looks first, for what is not just a slice at the present place.
    #[inline(never)]
    fn find_and_take(&mut self) -> Result<bool, TryReadError> {
        if self.sees_nothing() { Err(TryReadError::Empty) } else { self.find_slice_and_take() }
    }

    #[inline(never)]
    fn find_slice_and_take(&mut self) -> Result<bool, TryReadError> {
        match self.find_slice()? {
            Next::Slice(_) => {
                let Some(taken) = self.take_slice() else { return Err(self.give_way().into()) };
                self.last.set(taken);
                Ok(true)
            }
            Next::Nothing => Err(TryReadError::Empty),
            Next::End => Ok(false),
        }
    }

    /// Goes on to the next slice, and gives nothing back on the way.
    fn is_at_slice(&mut self) -> bool {
        while self.place.length.is_none() {
            match self.hold.shared.ring.find_held(self.place.slice) {
                Found::Slice(length) => self.place.length = Some(length),
                Found::Skip(next) => self.place = Place::at(next),
                Found::Nothing | Found::Overrun => return false,
            }
        }
        true
    }
}

impl Receive for StrongReader {
    #[inline(always)]
    fn take(&mut self) -> Result<bool, TryReadError> {
        if self.take_quick() { Ok(true) } else { self.find_and_take() }
    }

    #[inline(always)]
    fn take_quick(&mut self) -> bool {
        let Some(seen) = self.take_next() else { return false };
        self.last.seen = seen;
        true
    }

    #[inline(always)]
    fn takes_without_a_copy(&self) -> bool {
        true
    }

    #[inline(always)]
    fn receive(&mut self) -> Result<Option<Message<'_>>, TryReadError> {
        Ok(if self.take()? { Some(self.message()) } else { None })
    }

    fn take_into(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Header>, TryReadError> {
        if !self.take()? {
            return Ok(None);
        }
        let message = self.message();
        buffer.extend_from_slice(&message);
        Ok(Some(message.header()))
    }

    fn take_many(&mut self, limit: usize) -> Result<bool, TryReadError> {
        self.batch.seen.clear();
        self.batch.missed.clear();
        if limit == 0 {
            return Ok(true);
        }
        match self.take_next() {
            Some(seen) => self.batch.seen.push(seen),
            None => match self.find_slice()? {
                Next::Slice(_) if self.hold.mark() => {}
                Next::Slice(_) => return Err(self.give_way().into()),
                Next::Nothing => return Err(TryReadError::Empty),
                Next::End => return Ok(false),
            },
        }
        loop {
            self.take_run(limit);
            if self.batch.seen.len() == limit {
                break;
            }
            let Some(Taken { seen, missed }) = self.take_slice_if(|_| true) else {
                if self.is_at_slice() { continue } else { break }
            };
            if !missed.is_none() {
                self.batch.missed.push((self.batch.seen.len(), missed));
            }
            self.batch.seen.push(seen);
        }
        Ok(true)
    }

    #[inline]
    fn message(&mut self) -> Message<'_> {
        Message::lent(Lent(self))
    }

    fn messages(&mut self) -> Messages<'_> {
        Messages::lent(LentBatch(self))
    }

    fn skip_to(&mut self, start: StartAt) -> Skipped {
        let mut skipped = Skipped::default();
        let Some(end) = target(&self.hold.shared, &self.place, start) else { return skipped };
        // Terminated or not, nothing else than a slice is there to be passed over.
        while let Ok(Next::Slice(left)) = self.find_slice() {
            let next = self.place.after(self.place.offset + left).slice;
            if end.is_before(next) {
                break;
            }
            if self.take_slice().is_none() {
                self.give_way();
                break;
            }
            skipped += left;
        }
        self.settle();
        skipped
    }

    fn peek_next(&mut self) -> Result<Option<Description>, TryReadError> {
        match self.find_slice()? {
            Next::Slice(_) => {}
            Next::Nothing => return Err(TryReadError::Empty),
            Next::End => return Ok(None),
        }
        // The mark stays on while it is looked at.
        if !self.hold.mark() {
            return Err(self.give_way().into());
        }
        let Place { slice, offset, .. } = self.place;
        let ring = &self.hold.shared.ring;
        let Some(seen) = ring.see(slice, offset) else {
            unreachable!("it was found, and is held since")
        };
        let description = ring.describe(slice);
        let missed = self.core.would_miss(&description, offset);
        self.last.set(Taken { seen, missed });
        Ok(Some(description))
    }

    fn seen(&self) -> (Header, &[u8]) {
        let taken = self.last.taken();
        (self.header_of(&taken), self.lend_message(&taken.seen))
    }

    fn consume_seen(&mut self, _description: &Description) {
        // It is marked since it was looked at, so that it is there, even if the hold is wanted by now.
        let Some(taken) = self.take_slice_if(|_| true) else { unreachable!("it was looked at") };
        self.last.set(taken);
    }

    fn leave_seen(&mut self) {
        self.settle();
    }

    fn skip_rest(&mut self) -> u64 {
        let left = self.place.left();
        if self.place.offset == 0 || self.core.has_terminated() {
            return 0;
        }
        self.lent.bytes = 0;
        // What was lent is held still, also if the hold is wanted by now: it is passed, and then given up.
        if !self.hold.keeps_lent() {
            self.give_way();
            return self.pass_unheld(left);
        }
        self.place = self.place.advanced(left, self.place.offset + left);
        self.core.count_payload(left);
        self.settle();
        left
    }
}
