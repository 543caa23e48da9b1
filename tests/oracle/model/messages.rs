//! What is sent and received as a whole.

use super::losses::{Message, Missed};
use super::reading::Unsettled;
use super::{Ending, GRANULE, Model, Reader, Refused, Slice, Start, State, Unread, Writer};
use std::mem;
use std::ops::Deref;
use std::task::{Poll, ready};

/// A message in the ring.
#[derive(Debug)]
pub(super) struct Sent {
    bytes: Vec<u8>,
    pub(super) writer: u32,
    pub(super) sequence: u64,
    continues: bool,
    is_continued: bool,
}

impl Deref for Sent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A message that was received, and what its header says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Received {
    pub(crate) position: u64,
    pub(crate) writer: u32,
    pub(crate) sequence: u64,
    pub(crate) missed: Missed,
    pub(crate) continues: bool,
    pub(crate) is_continued: bool,
    pub(crate) bytes: Vec<u8>,
}

/// The ring bytes of a slice.
fn size(length: usize) -> u64 {
    (length as u64).max(1).next_multiple_of(GRANULE)
}

/// What must be reserved to send `messages`.
pub(crate) fn size_to_send(messages: &[Vec<u8>], is_batch: bool) -> u64 {
    if is_batch {
        messages.iter().map(|message| size(message.len())).sum()
    } else {
        messages[0].len() as u64
    }
}

/// Sending.
impl Model {
    /// Turns the slice in flight into one for each of `messages`, side by side, and one that is
    /// skipped of what is left.
    pub(super) fn publish(
        &mut self,
        index: usize,
        messages: &[impl AsRef<[u8]>],
        continues: bool,
        is_continued: bool,
    ) {
        let mut at = self.writer(index).in_flight.take().unwrap();
        let place = self.slices.partition_point(|slice| slice.at < at);
        let end = at + self.slices[place].size;
        let mut slices = Vec::new();
        let Writer { id: writer, figures, .. } = self.writers[index].as_mut().unwrap();
        let writer = *writer;
        figures.ring += end - at;
        for bytes in messages.iter().map(AsRef::as_ref) {
            let length = bytes.len() as u64;
            figures.slices += 1;
            figures.payload += length;
            let sent = self.sent.entry(writer).or_default();
            let sequence = sent.len() as u64;
            sent.push(Message { length, at: Some(at) });
            let bytes = bytes.to_vec();
            let sent = Sent { bytes, writer, sequence, continues, is_continued };
            let size = size(sent.len());
            slices.push(Slice { at, size, state: State::Committed(sent) });
            at += size;
        }
        if at < end {
            slices.push(Slice { at, size: end - at, state: State::Skipped });
        }
        self.slices.splice(place..=place, slices);
        self.after_commit();
    }

    /// Commits what was written of the slice in flight.
    pub(crate) fn commit(&mut self, index: usize, bytes: &[u8]) {
        self.send_all(index, &[bytes]);
    }

    fn send_all(&mut self, index: usize, messages: &[impl AsRef<[u8]>]) {
        self.writer(index).rest = None;
        self.publish(index, messages, false, false);
    }

    /// Counts a message that was dropped for want of room.
    pub(super) fn drop_message(&mut self, index: usize, length: u64) {
        let writer = self.writer(index);
        writer.rest = None;
        writer.figures.dropped_slices += 1;
        writer.figures.dropped_bytes += length;
        let id = writer.id;
        self.sent.entry(id).or_default().push(Message { length, at: None });
    }

    pub(crate) fn try_send(
        &mut self,
        index: usize,
        messages: &[Vec<u8>],
        is_batch: bool,
    ) -> Result<(), Refused> {
        if messages.is_empty() {
            return Ok(());
        }
        self.try_reserve(index, size_to_send(messages, is_batch))?;
        self.send_all(index, messages);
        Ok(())
    }

    /// `given_up` is for one that waits until it is given up: whether it was.
    pub(crate) fn poll_send(
        &mut self,
        index: usize,
        messages: &[Vec<u8>],
        is_batch: bool,
        given_up: Option<bool>,
        waker: usize,
    ) -> Poll<Result<overfall::Sent, Refused>> {
        if messages.is_empty() {
            // A future that has ended waits no longer, whoever has begun to.
            self.leave_line(index);
            return Poll::Ready(Ok(overfall::Sent::Delivered));
        }
        let size = size_to_send(messages, is_batch);
        let waits = given_up.is_some() || !self.writer(index).drops;
        let mut reserved = self.poll_reserve_if(waits, index, size, waker);
        if reserved.is_pending() && given_up == Some(true) {
            self.leave_line(index);
            reserved = Poll::Ready(Err(Refused::Full));
        }
        Poll::Ready(match ready!(reserved) {
            Ok(_) => {
                self.send_all(index, messages);
                Ok(overfall::Sent::Delivered)
            }
            Err(Refused::Full) => {
                self.leave_claim(index, size);
                for message in messages {
                    self.drop_message(index, message.len() as u64);
                }
                Ok(overfall::Sent::Dropped)
            }
            Err(refused) => Err(refused),
        })
    }
}

/// Receiving.
impl Model {
    /// Takes what is left of the slice that a reader stands at.
    fn take(&self, reader: &mut Reader, sent: &Sent) -> Received {
        let received = Received {
            position: self.raw(reader.position()),
            writer: sent.writer,
            sequence: sent.sequence,
            missed: self.hear_message(reader, sent.writer, sent.sequence),
            continues: sent.continues,
            is_continued: sent.is_continued,
            bytes: sent[reader.offset as usize..].to_vec(),
        };
        reader.payload += received.bytes.len() as u64;
        reader.step(size(sent.len()), sent.len() as u64);
        received
    }

    /// Receives up to `limit` messages; nothing at the end. What a strong reader has received it
    /// holds until it is settled.
    pub(crate) fn receive(
        &mut self,
        index: usize,
        limit: usize,
    ) -> Result<Option<Vec<Received>>, Unread> {
        let mut received = Vec::new();
        if limit == 0 {
            return Ok(Some(received));
        }
        self.with_reader(index, |model, reader| {
            let before = Unsettled { slice: reader.held(), position: reader.noted() };
            if model.look_for_slice(reader)?.is_none() {
                return Ok(None);
            }
            let mut noted = before;
            while received.len() < limit {
                match model.slice(reader.slice) {
                    Some(Slice { state: State::Committed(sent), .. }) => {
                        received.push(model.take(reader, sent));
                        if !reader.is_strong {
                            noted = Unsettled { slice: reader.slice, position: reader.slice };
                        }
                    }
                    Some(Slice { size, state: State::Skipped, .. }) => reader.step(*size, 0),
                    _ => break,
                }
            }
            reader.unsettled = Some(noted);
            reader.lends = reader.is_strong;
            Ok(Some(received))
        })
    }

    /// Looks at the next message; nothing at the end.
    pub(crate) fn peek(&mut self, index: usize) -> Result<Option<Received>, Unread> {
        self.with_reader(index, |model, reader| {
            let mut before = Unsettled { slice: reader.held(), position: reader.noted() };
            let is_weak = !reader.is_strong && !reader.is_taken;
            let is_overrun = is_weak && !model.is_intact(reader.slice);
            let is_told = reader.untold > 0 && !reader.silent;
            if is_overrun && !is_told && !reader.terminated && model.ending != Ending::Terminated {
                model.lose(reader);
                before = Unsettled { slice: reader.slice, position: reader.slice };
            }
            let Some(sent) = model.look_for_slice(reader)? else { return Ok(None) };
            let received = model.take(&mut reader.clone(), sent);
            reader.unsettled = Some(before);
            reader.lends = reader.is_strong;
            Ok(Some(received))
        })
    }

    /// Receives the message that was looked at, also if it was overwritten meanwhile.
    pub(crate) fn consume_peeked(&mut self, index: usize) {
        self.with_reader(index, |model, reader| {
            let Some(Slice { state: State::Committed(sent), .. }) = model.slice(reader.slice)
            else {
                panic!("nothing was looked at")
            };
            model.take(reader, sent);
            reader.unsettled = None;
            model.end_lend(reader);
        });
    }

    /// Passes over messages, and tells how many and how many bytes.
    pub(crate) fn skip_to(&mut self, index: usize, start: Start) -> (u64, u64) {
        let slice = self.reader(index).slice;
        let from = self.oldest_intact(slice);
        let end = match start {
            Start::Oldest => return (0, 0),
            Start::Now => self.reserved(),
            Start::Back(bytes) => self.back(from, bytes),
            Start::Newest => self.newest(from),
        };
        self.with_reader(index, |model, reader| {
            let silent = mem::replace(&mut reader.silent, true);
            let mut skipped = (0, 0);
            while let Ok(Some(sent)) = model.look_for_slice(reader) {
                if reader.slice + size(sent.len()) > end {
                    break;
                }
                skipped.0 += 1;
                skipped.1 += model.take(reader, sent).bytes.len() as u64;
            }
            reader.silent = silent;
            reader.unsettled = None;
            model.end_lend(reader);
            skipped
        })
    }

    /// What a reader has received is given back.
    pub(crate) fn settle(&mut self, index: usize) {
        self.with_reader(index, |model, reader| {
            if reader.is_strong {
                reader.unsettled = None;
                model.end_lend(reader);
            }
        });
    }

    /// A future that waits for a message has gone.
    pub(crate) fn stop_receiving(&mut self, index: usize) {
        self.reader(index).waker = None;
    }

    /// Skips what is left of a message of which bytes were read.
    pub(crate) fn skip_rest(&mut self, index: usize) -> u64 {
        self.with_reader(index, |model, reader| {
            if reader.offset == 0 {
                return 0;
            }
            reader.lent = 0;
            if reader.terminated {
                return 0;
            }
            // What was lent is held still, and passed before the hold is given up.
            let lends = std::mem::replace(&mut reader.lends, false);
            if !lends {
                model.end_lend(reader);
                if reader.terminated {
                    return 0;
                }
            }
            if !reader.is_strong && !model.is_intact(reader.slice) {
                // One whose hold was taken tells that when it is weak.
                if !reader.is_taken {
                    model.lose(reader);
                }
                return 0;
            }
            let Some(Slice { state: State::Committed(sent), .. }) = model.slice(reader.slice)
            else {
                panic!("nothing was read of it")
            };
            let left = sent.len() as u64 - reader.offset;
            model.hear_bytes(reader, sent.writer, sent.sequence, sent.len() as u64);
            reader.payload += left;
            reader.step(size(sent.len()), sent.len() as u64);
            reader.unsettled = None;
            model.end_lend(reader);
            left
        })
    }
}
