//! Messages that say of themselves what they are, and the check that they arrived.
//!
//! A figure is worth something only if the work behind it was done. So every contestant of every
//! case first does a round in which each message differs from every other at each place, and each
//! byte is looked at. When it is timed, a writer sends one message over and over: filling it anew
//! would be timed, too.

use std::ops::{Deref, DerefMut};

/// The first word of a message: who wrote it, and which one it is.
fn header(writer: usize, number: u64) -> u64 {
    ((writer as u64 + 1) << 48) | number
}

fn header_of(message: &[u8]) -> u64 {
    message.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// Fills a message, of 8 bytes at least, with a pattern that no other one has at any place.
pub(crate) fn stamp(message: &mut [u8], writer: usize, number: u64) {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut word = header(writer, number);
    for chunk in message.chunks_mut(8) {
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        word = word.wrapping_add(STEP);
    }
}

/// Bytes that begin with a page, so that luck with an allocation does not decide: a copy is slower
/// where lines are crossed, and where what is read lies a little behind what is written, as the
/// lowest twelve bits of the addresses go.
#[derive(Debug)]
pub(crate) struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    pub(crate) fn new(len: usize) -> Self {
        const PAGE: usize = 4096;
        let bytes = vec![0; len + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE);
        Self { bytes, start, len }
    }
}

impl Deref for Aligned {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

/// The message that a writer sends when it is timed.
pub(crate) fn message(size: usize, writer: usize) -> Aligned {
    let mut message = Aligned::new(size);
    stamp(&mut message, writer, 0);
    message
}

/// How many of a round's messages this one of several writers writes.
pub(crate) fn share(messages: u64, writer: usize, writers: usize) -> u64 {
    let (writer, writers) = (writer as u64, writers as u64);
    messages / writers + u64::from(writer < messages % writers)
}

/// How many messages go around a ring of so many bytes three times, and a few more, so that a check
/// does not end where it began.
pub(crate) fn laps(ring: usize, size: usize) -> u64 {
    (3 * ring / size + 7) as u64
}

/// What a reader has seen of a round in which every byte is looked at.
pub(crate) struct Seen {
    name: &'static str,
    /// The number of each writer's next message.
    next: Vec<u64>,
    /// What that message should look like.
    expected: Vec<u8>,
}

impl Seen {
    pub(crate) fn new(name: &'static str, size: usize, writers: usize) -> Self {
        Self { name, next: vec![0; writers], expected: vec![0; size] }
    }

    /// Takes note of a message that was copied out.
    pub(crate) fn message(&mut self, message: &[u8]) {
        let name = self.name;
        let writer = (header_of(message) >> 48).wrapping_sub(1) as usize;
        let Some(number) = self.next.get_mut(writer) else {
            panic!("{name}: a message that is of no writer");
        };
        stamp(&mut self.expected, writer, *number);
        assert!(
            message == &self.expected[..],
            "{name}: message {number} of writer {writer} is wrong"
        );
        *number += 1;
    }

    /// The round is over: everything must have come, once.
    pub(crate) fn finish(self, messages: u64) {
        let writers = self.next.len();
        for (writer, &seen) in self.next.iter().enumerate() {
            let sent = share(messages, writer, writers);
            assert!(seen == sent, "{}: {seen} of {sent} messages of writer {writer}", self.name);
        }
    }
}

/// Panics unless a message that came last in a timed round is one that a writer sends in these.
pub(crate) fn expect_timed(name: &str, received: &[u8], writers: usize) {
    let is_whole = |writer| message(received.len(), writer)[..] == *received;
    assert!((0..writers).any(is_whole), "{name}: the last message of a timed round is wrong");
}

/// Panics unless a message is one that a writer wrote, whichever that is, and not pieces of two.
pub(crate) fn expect_whole(name: &str, received: &[u8]) {
    let header = header_of(received);
    let writer = (header >> 48).wrapping_sub(1) as usize;
    let mut expected = vec![0; received.len()];
    stamp(&mut expected, writer, header & ((1 << 48) - 1));
    assert!(received == expected, "{name}: a message is in pieces");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_that_is_right_passes() {
        let mut seen = Seen::new("test", 24, 2);
        for (writer, number) in [(0, 0), (1, 0), (0, 1)] {
            let mut message = [0; 24];
            stamp(&mut message, writer, number);
            seen.message(&message);
        }
        seen.finish(3);
    }

    #[test]
    #[should_panic(expected = "test: message 0 of writer 0 is wrong")]
    fn one_wrong_byte_is_seen() {
        let mut message = message(24, 0);
        message[23] ^= 1;
        Seen::new("test", 24, 1).message(&message);
    }

    #[test]
    #[should_panic(expected = "test: 0 of 1 messages of writer 0")]
    fn a_missing_message_is_seen() {
        Seen::new("test", 24, 1).finish(1);
    }
}
