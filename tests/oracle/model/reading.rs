//! What readers do.

use super::{Ending, GRANULE, Model, Reader, Sent, Slice, State, Unread};
use overfall::TakesEffect;
use std::mem;
use std::task::Poll;

/// Where a reader is seen to stand, and the first slice that it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsettled {
    pub(super) slice: u64,
    pub(super) position: u64,
}

impl Reader {
    pub(super) fn position(&self) -> u64 {
        self.slice + self.offset
    }

    /// Where it is seen to stand.
    pub(crate) fn noted(&self) -> u64 {
        self.unsettled.map_or(self.position(), |unsettled| unsettled.position)
    }

    /// The first slice that it holds.
    pub(super) fn held(&self) -> u64 {
        self.unsettled.map_or(self.slice, |unsettled| unsettled.slice)
    }

    /// What is seen of its padding: that of lent messages comes with their room, their payload at
    /// once.
    pub(crate) fn noted_padding(&self) -> u64 {
        (self.noted() - self.began).saturating_sub(self.payload + self.skipped)
    }

    pub(super) fn is_holding(&self) -> bool {
        self.is_strong && !self.terminated
    }

    /// Steps over a slice of `size` ring bytes of which `length` are payload.
    pub(super) fn step(&mut self, size: u64, length: u64) {
        self.padding += size - length;
        self.slice += size;
        self.offset = 0;
        self.lent = 0;
    }
}

impl Model {
    /// Whether nobody has begun to write over the slice at `at`.
    pub(super) fn is_intact(&self, at: u64) -> bool {
        self.reserved() <= at + self.capacity
    }

    pub(super) fn oldest_intact(&self, from: u64) -> u64 {
        let least = from.max(self.reserved().saturating_sub(self.capacity));
        self.slice(least).map_or(self.reserved(), |slice| slice.at)
    }

    /// The first slice at or after `from` with no more than `bytes` of payload from there up to the
    /// first slice in flight.
    pub(super) fn back(&self, from: u64, bytes: u64) -> u64 {
        let limit = self.first_in_flight(from);
        let slices = self.slices_from(from).iter().take_while(|slice| slice.at < limit);
        let starts = slices.clone().map(|slice| slice.at).chain([limit]);
        let payload = |start| -> u64 {
            let slices = slices.clone().filter(|slice| slice.at >= start);
            let lengths = slices.map(|slice| match &slice.state {
                State::Committed(bytes) => bytes.len() as u64,
                _ => 0,
            });
            lengths.sum()
        };
        starts.clone().find(|&start| payload(start) <= bytes).unwrap_or(limit)
    }

    /// The last slice from `from` on that is there, up to the first one in flight, or what comes next.
    pub(super) fn newest(&self, from: u64) -> u64 {
        let limit = self.first_in_flight(from);
        let slices = self.slices_from(from).iter().take_while(|slice| slice.at < limit);
        let committed = slices.filter(|slice| matches!(slice.state, State::Committed(_)));
        committed.last().map_or(limit, |slice| slice.at)
    }

    /// A weak reader was overrun: it goes on at the oldest slice that is intact.
    pub(super) fn lose(&self, reader: &mut Reader) {
        let next = self.oldest_intact(reader.slice);
        let skipped = next - reader.position();
        reader.skipped += skipped;
        reader.gaps += 1;
        reader.untold += skipped;
        (reader.slice, reader.offset, reader.unsettled) = (next, 0, None);
    }

    /// Takes a reader on to its next message, or to what is left of one; nothing at the end.
    pub(super) fn look_for_slice(&self, reader: &mut Reader) -> Result<Option<&Sent>, Unread> {
        if reader.terminated || self.ending == Ending::Terminated {
            return Err(Unread::Terminated);
        }
        if let Some(ends) = reader.wanted {
            self.give_hold_up(reader, ends);
        }
        if reader.terminated || reader.is_taken {
            return Err(if reader.terminated { Unread::Terminated } else { Unread::HoldTaken });
        }
        reader.lends = false;
        loop {
            let untold = mem::take(&mut reader.untold);
            if untold > 0 && !reader.silent {
                return Err(Unread::Lagged(untold));
            }
            if !reader.is_strong && !self.is_intact(reader.slice) {
                self.lose(reader);
                continue;
            }
            match self.slice(reader.slice) {
                Some(Slice { size, state: State::Skipped, .. }) => reader.step(*size, 0),
                Some(Slice { state: State::Committed(sent), .. }) => return Ok(Some(sent)),
                None | Some(Slice { state: State::InFlight, .. }) => {
                    reader.unsettled = None;
                    let is_end = self.slice(reader.slice).is_none() && !self.is_open();
                    return match self.ending {
                        Ending::Failed if is_end => Err(Unread::Failed),
                        _ if is_end => Ok(None),
                        _ => Err(Unread::Empty),
                    };
                }
            }
        }
    }

    /// Takes a reader on to its next byte, and tells what is left of that slice; empty at the end.
    pub(super) fn look(&self, reader: &mut Reader) -> Result<&[u8], Unread> {
        loop {
            match self.look_for_slice(reader)? {
                None => return Ok(&[]),
                Some(sent) if sent.is_empty() => {
                    self.hear_bytes(reader, sent.writer, sent.sequence, 0);
                    reader.step(GRANULE, 0);
                }
                Some(sent) => {
                    let left = &sent[reader.offset as usize..];
                    reader.lent = left.len() as u64;
                    return Ok(left);
                }
            }
        }
    }

    /// Counts `amount` bytes of the current slice as read.
    pub(super) fn advance(&self, reader: &mut Reader, amount: u64) {
        let Some(Slice { size, state: State::Committed(bytes), .. }) = self.slice(reader.slice)
        else {
            panic!("nothing to consume")
        };
        if amount > 0 {
            self.hear_bytes(reader, bytes.writer, bytes.sequence, reader.offset + amount);
        }
        reader.unsettled = None;
        reader.payload += amount;
        reader.offset += amount;
        reader.lent -= amount;
        if reader.offset == bytes.len() as u64 {
            reader.step(*size, bytes.len() as u64);
        }
    }

    pub(super) fn read_as(&self, reader: &mut Reader, length: usize) -> Result<Vec<u8>, Unread> {
        let mut read = Vec::new();
        if length == 0 {
            return Ok(read);
        }
        let mut left = self.look(reader)?;
        while !left.is_empty() {
            let part = left.len().min(length - read.len());
            read.extend_from_slice(&left[..part]);
            self.advance(reader, part as u64);
            if read.len() == length {
                break;
            }
            // A weak reader's read ends where something is to be stepped over.
            let next = self.slice(reader.slice).map(|slice| &slice.state);
            let goes_on = matches!(next, Some(State::Committed(bytes)) if !bytes.is_empty());
            if !reader.is_strong && !goes_on {
                break;
            }
            left = self.look(reader).unwrap_or(&[]);
        }
        Ok(read)
    }

    /// Lets `operation` have a reader that it may change.
    pub(super) fn with_reader<T>(
        &mut self,
        index: usize,
        operation: impl FnOnce(&Self, &mut Reader) -> T,
    ) -> T {
        let mut reader = self.reader(index).clone();
        let result = operation(self, &mut reader);
        assert_eq!(
            reader.payload + reader.padding + reader.skipped,
            reader.position() - reader.began,
            "the model's own accounts"
        );
        self.put_back(index, reader);
        self.after_change();
        result
    }

    pub(crate) fn read(&mut self, index: usize, length: usize) -> Result<Vec<u8>, Unread> {
        self.with_reader(index, |model, reader| model.read_as(reader, length))
    }

    pub(crate) fn fill_buf(&mut self, index: usize) -> Result<Vec<u8>, Unread> {
        self.with_reader(index, |model, reader| {
            let mut lent = model.look(reader)?.to_vec();
            reader.unsettled = None;
            // And what lies right behind it, up to a quarter of the ring.
            let mut end = reader.slice + reader.offset + lent.len() as u64;
            while end % GRANULE == 0
                && model.raw(end) % model.capacity != 0
                && end - reader.slice < model.capacity / 4
            {
                let Some(Slice { at, state: State::Committed(bytes), .. }) = model.slice(end)
                else {
                    break;
                };
                if *at != end || bytes.is_empty() {
                    break;
                }
                lent.extend_from_slice(bytes);
                end += bytes.len() as u64;
            }
            reader.lent = lent.len() as u64;
            reader.lends = !lent.is_empty();
            Ok(lent)
        })
    }

    pub(crate) fn consume(&mut self, index: usize, amount: u64) {
        self.with_reader(index, |model, reader| {
            let lent = reader.lent;
            let mut left = amount;
            // One that has ended has given everything back.
            while left > 0 && !reader.terminated {
                if reader.is_taken && !model.is_intact(reader.slice) {
                    break;
                }
                let Some(Slice { state: State::Committed(bytes), .. }) = model.slice(reader.slice)
                else {
                    panic!("nothing to consume")
                };
                let part = left.min(bytes.len() as u64 - reader.offset);
                assert!(part > 0, "an empty slice was lent");
                reader.lent = part;
                model.advance(reader, part);
                left -= part;
            }
            reader.lent = lent - amount;
            // Also what was leaked is given back.
            reader.unsettled = None;
            model.end_lend(reader);
        });
    }

    /// A poll of a reader: whatever it finds, no older waker is registered any more.
    pub(crate) fn poll<T>(
        &mut self,
        index: usize,
        waker: usize,
        found: Result<T, Unread>,
    ) -> Poll<Result<T, Unread>> {
        let is_empty = matches!(found, Err(Unread::Empty));
        self.reader(index).waker = is_empty.then_some(waker);
        if is_empty { Poll::Pending } else { Poll::Ready(found) }
    }

    /// The owner takes the hold of a reader, or ends it, or leaves that to the reader.
    pub(crate) fn take_hold(&mut self, index: usize, ends: bool) -> Option<TakesEffect> {
        let mut reader = self.reader(index).clone();
        if !reader.is_holding() {
            return None;
        }
        let takes_effect = if reader.lends {
            reader.wanted = Some(ends || reader.wanted == Some(true));
            TakesEffect::AfterLend
        } else {
            if let Some(waker) = reader.waker.take() {
                self.wakes[waker] += 1;
            }
            self.give_hold_up(&mut reader, ends);
            TakesEffect::Now
        };
        self.put_back(index, reader);
        self.after_change();
        Some(takes_effect)
    }

    /// What has become of a reader. It may have given its hold up.
    pub(super) fn put_back(&mut self, index: usize, reader: Reader) {
        let went = self.reader(index).is_holding() && !reader.is_holding();
        let (held, has_gone) = (reader.held(), reader.terminated);
        self.readers[index] = Some(reader);
        if went {
            self.strong_reader_went(held, has_gone);
        }
    }

    /// A reader lends nothing any more, and gives up its hold if the owner wants it.
    pub(super) fn end_lend(&self, reader: &mut Reader) {
        reader.lends = false;
        if let Some(ends) = reader.wanted {
            self.give_hold_up(reader, ends);
        }
    }

    fn give_hold_up(&self, reader: &mut Reader, ends: bool) {
        (reader.lends, reader.wanted, reader.unsettled) = (false, None, None);
        if ends {
            let missed = self.missed(reader);
            reader.heard.terminate(missed);
            (reader.terminated, reader.waker) = (true, None);
        } else {
            (reader.is_strong, reader.is_taken) = (false, true);
            self.hear_anew(reader);
        }
    }

    pub(crate) fn terminate_reader(&mut self, index: usize) {
        let missed = self.missed(self.readers[index].as_ref().unwrap());
        let reader = self.reader(index);
        let held = reader.is_holding().then(|| reader.held());
        reader.heard.terminate(missed);
        reader.terminated = true;
        (reader.waker, reader.lends, reader.wanted) = (None, false, None);
        if let Some(held) = held {
            self.strong_reader_went(held, true);
        }
        self.after_change();
    }
}
