//! What became of each message, for each reader: received, unread, or missed.
//!
//! What was sent is a list for each writer. A reader has a list of what it received, by the place in
//! the ring. Whatever was sent since the reader started, is not in that list, and is not in the ring
//! where the reader will come to it, was missed.

use super::{Model, Reader};
use std::collections::BTreeMap;

/// Messages and bytes that were missed.
pub(crate) type Missed = (u64, u64);

/// A message that was sent: its length, and where it was, unless it was dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) length: u64,
    pub(super) at: Option<u64>,
}

/// What a reader has received.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Slices before it were sent before, whenever they are committed.
    from: u64,
    /// How many messages each writer had sent before, of those that were there.
    before: BTreeMap<u32, usize>,
    /// The bytes that were read, by the place of the slice, and whether these are all.
    read: BTreeMap<u64, (u64, bool)>,
    /// The number of the message of each writer that would come next.
    next: BTreeMap<u32, usize>,
    /// If a strong reader has received messages behind bytes: the writers with this number or a later
    /// one are known from their first message on, and those in `next`.
    known_from: Option<u32>,
    /// A strong reader has read bytes, or stepped over an empty message, since the last message.
    has_read_bytes: bool,
    /// What was missed when the reader was terminated.
    at_the_end: Option<BTreeMap<u32, Missed>>,
}

impl Heard {
    pub(super) fn terminate(&mut self, missed: BTreeMap<u32, Missed>) {
        self.at_the_end.get_or_insert(missed);
    }
}

impl Model {
    /// What a reader has heard that starts at `from`.
    pub(super) fn nothing_heard(&self, from: u64) -> Heard {
        let mut before = BTreeMap::new();
        if from > 0 {
            for (&id, sent) in &self.sent {
                let first = sent.iter().position(|message| message.at.is_some_and(|at| at >= from));
                before.insert(id, first.unwrap_or(sent.len()));
            }
        }
        Heard {
            from,
            next: before.clone(),
            before,
            read: BTreeMap::new(),
            known_from: None,
            has_read_bytes: false,
            at_the_end: None,
        }
    }

    /// What a reader has missed, by writer.
    pub(crate) fn missed(&self, reader: &Reader) -> BTreeMap<u32, Missed> {
        if let Some(missed) = &reader.heard.at_the_end {
            return missed.clone();
        }
        let mut all = BTreeMap::new();
        for (&id, sent) in &self.sent {
            let before = reader.heard.before.get(&id).copied().unwrap_or(0);
            let missed = sent[before..].iter().filter_map(|message| self.lost(reader, message));
            let missed = missed.fold((0, 0), |sum, bytes| (sum.0 + 1, sum.1 + bytes));
            if missed.0 > 0 {
                all.insert(id, missed);
            }
        }
        all
    }

    /// The bytes of a message that the reader has not got and will not get; nothing if there is no
    /// such loss.
    fn lost(&self, reader: &Reader, message: &Message) -> Option<u64> {
        let Some(at) = message.at else { return Some(message.length) };
        let (read, is_whole) = reader.heard.read.get(&at).copied().unwrap_or((0, false));
        let is_unread = at >= reader.slice && (reader.is_strong || self.is_intact(at));
        if at < reader.heard.from || is_whole || is_unread {
            None
        } else {
            Some(message.length - read)
        }
    }

    /// The reader has read the message at `at`, which is the one of `writer` with this number, up to
    /// `to`.
    pub(super) fn hear_bytes(&self, reader: &mut Reader, writer: u32, number: u64, to: u64) {
        let at = reader.slice;
        let is_whole = to == self.sent[&writer][number as usize].length;
        reader.heard.read.insert(at, (to, is_whole));
        if reader.is_strong {
            reader.heard.has_read_bytes = true;
        } else if writer != 0 {
            reader.heard.next.insert(writer, number as usize + usize::from(is_whole));
        }
    }

    /// The reader receives what is left of a message, and is told what was missed before it: what its
    /// writer sent since the one of its that was received last, if that is known.
    pub(super) fn hear_message(&self, reader: &mut Reader, writer: u32, number: u64) -> Missed {
        let number = number as usize;
        let heard = &mut reader.heard;
        if std::mem::take(&mut heard.has_read_bytes) {
            heard.next.clear();
            heard.known_from = Some(self.next_id);
        }
        let sent = &self.sent[&writer];
        heard.read.insert(reader.slice, (sent[number].length, true));
        if writer == 0 {
            return (0, 0);
        }
        let is_known = heard.known_from.is_none_or(|from| writer >= from);
        let first = if is_known { 0 } else { number };
        let expected = heard.next.insert(writer, number + 1).unwrap_or(first);
        let lost = sent[expected..number].iter().filter_map(|message| {
            let read = message.at.and_then(|at| heard.read.get(&at)).map_or(0, |read| read.0);
            let is_older = message.at.is_some_and(|at| at < heard.from);
            (!is_older).then(|| message.length - read)
        });
        lost.fold((0, 0), |sum, bytes| (sum.0 + 1, sum.1 + bytes))
    }

    /// The reader turns weak, or strong: a weak one knows of each writer what comes next.
    pub(super) fn hear_anew(&self, reader: &mut Reader) {
        let heard = &mut reader.heard;
        let has_read_bytes = std::mem::take(&mut heard.has_read_bytes);
        let known_from = heard.known_from.take();
        if reader.is_strong {
            return;
        }
        if has_read_bytes {
            heard.next.clear();
        }
        let known_from = if has_read_bytes { Some(self.next_id) } else { known_from };
        for (&id, sent) in &self.sent {
            if known_from.is_some_and(|from| id < from) {
                let is_ahead = |message: &Message| message.at.is_some_and(|at| at >= reader.slice);
                let next = sent.iter().position(is_ahead).unwrap_or(sent.len());
                heard.next.entry(id).or_insert(next);
            }
        }
    }
}
