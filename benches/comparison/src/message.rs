//! Messages that say of themselves what they are, and the check that they arrived.
//!
//! A figure is worth something only if the work behind it was done. So every contestant of every
//! row first does a round in which each message differs from every other at each place, and each
//! byte is compared. In a timed round a writer sends one message over and over: filling it anew
//! would be timed, too.

use crate::endpoints::{RING, Setup};
use crate::event;
use std::hint::black_box;

/// What is to be done next: so many messages.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    pub(crate) messages: u64,
    /// Every byte is compared; the time does not count.
    pub(crate) check: bool,
}

impl Round {
    /// Three laps of the ring, and a few messages more, so that it does not end where it began.
    pub(crate) fn check(size: usize) -> Self {
        Self { messages: (3 * RING / size + 7) as u64, check: true }
    }

    /// How many of the messages this one of several writers writes.
    fn share(self, writer: usize, writers: usize) -> u64 {
        let (writer, writers) = (writer as u64, writers as u64);
        self.messages / writers + u64::from(writer < self.messages % writers)
    }
}

/// Zeros that begin with a page, so that luck with an allocation does not decide: a copy is slower
/// where lines are crossed, and where what is read lies a little behind what is written, as the
/// lowest twelve bits of the addresses go. They are not given back, which spares every access a
/// look at where the page begins.
pub(crate) fn aligned(len: usize) -> &'static mut [u8] {
    const PAGE: usize = 4096;
    let bytes = vec![0; len + PAGE].leak();
    let start = bytes.as_ptr().align_offset(PAGE);
    &mut bytes[start..start + len]
}

/// The first eight bytes of a message: which of its writer's it is, and whose.
pub(crate) fn header(message: &[u8]) -> u64 {
    message.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

fn header_of(writer: usize, number: u64) -> u64 {
    ((writer as u64 + 1) << 48) | number
}

/// Begins with the header. No other message has the same at any place, if it is of bytes.
// A timed loop in which this were inlined would be another one.
#[inline(never)]
fn stamp(message: &mut [u8], setup: Setup, header: u64) {
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    if setup.is_typed {
        return event::stamp(message, header);
    }
    let mut word = header;
    for chunk in message.chunks_mut(8) {
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        word = word.wrapping_add(STEP);
    }
}

/// What one of several writers sends.
pub(crate) struct Source {
    message: &'static mut [u8],
    setup: Setup,
    writer: usize,
}

impl Source {
    pub(crate) fn new(setup: Setup, writer: usize) -> Self {
        Self { message: aligned(setup.size), setup, writer }
    }

    /// Begins a round. Returns how many messages this writer has to send.
    pub(crate) fn begin(&mut self, round: Round) -> u64 {
        stamp(self.message, self.setup, header_of(self.writer, 0));
        round.share(self.writer, self.setup.writers)
    }

    #[inline]
    pub(crate) fn message(&mut self, round: Round, number: u64) -> &[u8] {
        if round.check {
            stamp(self.message, self.setup, header_of(self.writer, number));
        }
        black_box(&*self.message)
    }
}

/// Where a reader puts what it receives.
pub(crate) struct Sink {
    pub(crate) setup: Setup,
    pub(crate) round: Round,
    /// How many messages of the round are still to come.
    pub(crate) left: u64,
    /// The reader may be overrun: each message must be whole, but need not come.
    is_lossy: bool,
    /// It was overrun.
    pub(crate) lagged: bool,
    last: &'static mut [u8],
    /// The number of each writer's next message.
    next: Vec<u64>,
}

impl Sink {
    /// For a reader that gets every message, in each writer's order, unless it is lossy.
    pub(crate) fn new(setup: Setup, is_lossy: bool) -> Self {
        let round = Round { messages: 0, check: false };
        let (last, next) = (aligned(setup.size), vec![0; setup.writers]);
        Self { setup, round, left: 0, is_lossy, lagged: false, last, next }
    }

    pub(crate) fn begin(&mut self, round: Round) {
        self.round = round;
        self.left = if self.is_lossy { u64::MAX } else { round.messages };
        self.next.fill(0);
        self.last.fill(0);
    }

    /// Where a reader copies a message to by itself; [`received`](Self::received) comes next.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        // Where it is and how long is hidden, as it is from a library.
        black_box(&mut *self.last)
    }

    /// There is a message in the buffer.
    #[inline]
    pub(crate) fn received(&mut self) {
        black_box(&mut *self.last);
        self.left -= 1;
        if self.round.check {
            self.compare();
        }
    }

    /// Takes a message out of where it lies.
    #[inline]
    pub(crate) fn accept(&mut self, bytes: &[u8]) {
        if self.setup.is_typed {
            event::access(self, bytes);
        } else {
            self.buffer().copy_from_slice(bytes);
            self.received();
        }
    }

    /// Takes the messages that lie one behind the other. Returns how many bytes these were.
    #[inline]
    pub(crate) fn accept_all(&mut self, bytes: &[u8]) -> usize {
        let size = self.setup.size;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let messages = bytes.chunks_exact(size).take(most);
        messages.map(|message| self.accept(message)).count() * size
    }

    fn is_message(&self, header: u64) -> bool {
        let mut expected = vec![0; self.last.len()];
        stamp(&mut expected, self.setup, header);
        expected == self.last
    }

    /// Panics unless the message is the one that it claims to be, which is the next of its writer's.
    #[cold]
    fn compare(&mut self) {
        let (name, header) = (self.setup.name, header(self.last));
        let writer = (header >> 48).wrapping_sub(1) as usize;
        let next = self.next.get_mut(writer);
        let next = next.unwrap_or_else(|| panic!("{name}: a message that is of no writer"));
        let number = if self.is_lossy { header & ((1 << 48) - 1) } else { *next };
        *next = number + 1;
        let is_right = self.is_message(header_of(writer, number));
        assert!(is_right, "{name}: message {number} of writer {writer} is wrong");
    }

    /// Ends a round: everything must have come, once, and the last message must be a whole one.
    pub(crate) fn finish(&mut self) {
        let Self { setup: Setup { name, writers, .. }, round, .. } = *self;
        if self.is_lossy {
            return;
        }
        assert!(self.left == 0, "{name}: {} messages are missing", self.left);
        if round.check {
            for (writer, &seen) in self.next.iter().enumerate() {
                let sent = round.share(writer, writers);
                assert!(seen == sent, "{name}: {seen} of {sent} messages of writer {writer}");
            }
        } else {
            let is_whole = (0..writers).any(|writer| self.is_message(header_of(writer, 0)));
            assert!(is_whole, "{name}: the last message of a timed round is wrong");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(writers: usize, messages: u64, check: bool) -> Sink {
        let mut sink = Sink::new(Setup { name: "test", writers, ..Setup::of(24) }, false);
        sink.begin(Round { messages, check });
        sink
    }

    fn message(writer: usize, number: u64) -> [u8; 24] {
        let mut message = [0; 24];
        stamp(&mut message, Setup::of(24), header_of(writer, number));
        message
    }

    #[test]
    fn a_round_that_is_right_passes() {
        let mut sink = sink(2, 3, true);
        [message(0, 0), message(1, 0), message(0, 1)].iter().for_each(|m| sink.accept(m));
        sink.finish();
    }

    #[test]
    #[should_panic(expected = "test: message 0 of writer 0 is wrong")]
    fn one_wrong_byte_is_seen() {
        let mut message = message(0, 0);
        message[23] ^= 1;
        sink(1, 1, true).accept(&message);
    }

    #[test]
    #[should_panic(expected = "test: 1 messages are missing")]
    fn a_missing_message_is_seen() {
        sink(1, 1, true).finish();
    }

    #[test]
    #[should_panic(expected = "test: the last message of a timed round is wrong")]
    fn a_timed_round_must_leave_its_message_in_the_buffer() {
        let mut sink = sink(1, 1, false);
        sink.accept(&message(0, 1));
        sink.finish();
    }
}
