//! Messages that say of themselves what they are, and the check that they arrived.
//!
//! A figure is worth something only if the work behind it was done. So every contestant of every
//! row first does a round in which each message differs from every other at each place, and each
//! byte is compared. In a timed round a writer sends one message over and over: filling it anew
//! would be timed, too.

use crate::endpoints::{RING, Setup};
use std::borrow::{Borrow, BorrowMut};
use std::hint::black_box;

/// What is sent: bytes, or [events](crate::event::Event).
pub(crate) trait Message: 'static {
    /// A message to send.
    type Owned: BorrowMut<Self> + Send;
    /// What a reader keeps of the message that it received last.
    type Last: Send;

    fn owned(size: usize) -> Self::Owned;
    fn last(size: usize) -> Self::Last;
    fn forget(last: &mut Self::Last);
    /// Makes it the writer's message of that number.
    fn stamp(&mut self, writer: usize, number: u64);
    /// Gives a sink the message that lies in these bytes.
    fn accept(sink: &mut Sink<Self>, bytes: &[u8]);
    fn is(&self, last: &Self::Last) -> bool;
}

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

/// What one of several writers sends.
pub(crate) struct Source<M: Message + ?Sized> {
    message: M::Owned,
    writer: usize,
    writers: usize,
}

impl<M: Message + ?Sized> Source<M> {
    pub(crate) fn new(setup: Setup, writer: usize) -> Self {
        Self { message: M::owned(setup.size), writer, writers: setup.writers }
    }

    /// Begins a round. Returns how many messages this writer has to send.
    pub(crate) fn begin(&mut self, round: Round) -> u64 {
        self.message.borrow_mut().stamp(self.writer, 0);
        round.share(self.writer, self.writers)
    }

    #[inline]
    pub(crate) fn message(&mut self, round: Round, number: u64) -> &M {
        if round.check {
            self.message.borrow_mut().stamp(self.writer, number);
        }
        black_box(self.message.borrow())
    }
}

/// Where a reader puts what it receives.
pub(crate) struct Sink<M: Message + ?Sized = [u8]> {
    pub(crate) setup: Setup,
    /// How many messages of the round are still to come.
    pub(crate) left: u64,
    /// The reader was overrun.
    pub(crate) lagged: bool,
    is_lossy: bool,
    round: Round,
    pub(crate) last: M::Last,
    /// The number of each writer's next message.
    next: Vec<u64>,
    expected: M::Owned,
}

impl<M: Message + ?Sized> Sink<M> {
    /// For a reader that gets every message, in each writer's order.
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            left: 0,
            lagged: false,
            is_lossy: false,
            round: Round { messages: 0, check: false },
            last: M::last(setup.size),
            next: vec![0; setup.writers],
            expected: M::owned(setup.size),
        }
    }

    /// For a reader that may be overrun: each message must be whole, but need not come.
    pub(crate) fn lossy(setup: Setup) -> Self {
        Self { is_lossy: true, ..Self::new(setup) }
    }

    pub(crate) fn begin(&mut self, round: Round) {
        self.round = round;
        self.left = if self.is_lossy { u64::MAX } else { round.messages };
        self.next.fill(0);
        M::forget(&mut self.last);
    }

    /// Takes a message out of where it lies.
    #[inline]
    pub(crate) fn accept(&mut self, bytes: &[u8]) {
        M::accept(self, bytes);
    }

    /// Counts a message. It is compared, in a round that checks, with the one it claims to be.
    #[inline]
    pub(crate) fn count(&mut self, origin: impl Fn() -> (usize, u64), is: impl Fn(&M) -> bool) {
        self.left -= 1;
        if self.round.check {
            self.compare(origin(), is);
        }
    }

    #[cold]
    fn compare(&mut self, (writer, number): (usize, u64), is: impl Fn(&M) -> bool) {
        let name = self.setup.name;
        let Some(next) = self.next.get_mut(writer) else {
            panic!("{name}: a message that is of no writer");
        };
        let number = if self.is_lossy { number } else { *next };
        *next = number + 1;
        let expected = self.expected.borrow_mut();
        expected.stamp(writer, number);
        assert!(is(expected), "{name}: message {number} of writer {writer} is wrong");
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
            let is_whole = (0..writers).any(|writer| {
                let expected = self.expected.borrow_mut();
                expected.stamp(writer, 0);
                expected.is(&self.last)
            });
            assert!(is_whole, "{name}: the last message of a timed round is wrong");
        }
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

/// Bytes, of which a message has 8 at least.
impl Message for [u8] {
    type Owned = &'static mut [u8];
    type Last = &'static mut [u8];

    fn owned(size: usize) -> &'static mut [u8] {
        aligned(size)
    }

    fn last(size: usize) -> &'static mut [u8] {
        aligned(size)
    }

    fn forget(last: &mut Self::Last) {
        last.fill(0);
    }

    /// A pattern that no other message has at any place. The first word says which one it is.
    fn stamp(&mut self, writer: usize, number: u64) {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut word = ((writer as u64 + 1) << 48) | number;
        for chunk in self.chunks_mut(8) {
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
            word = word.wrapping_add(STEP);
        }
    }

    #[inline]
    fn accept(sink: &mut Sink, bytes: &[u8]) {
        sink.buffer().copy_from_slice(bytes);
        sink.received();
    }

    fn is(&self, last: &Self::Last) -> bool {
        self == &**last
    }
}

impl Sink {
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
            let message = self.last.to_vec();
            let header = message.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
            let writer = (header >> 48).wrapping_sub(1) as usize;
            self.compare((writer, header & ((1 << 48) - 1)), |expected| *expected == message[..]);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink(size: usize, writers: usize, messages: u64) -> Sink {
        let mut sink = Sink::new(Setup { name: "test", writers, ..Setup::of(size) });
        sink.begin(Round { messages, check: true });
        sink
    }

    fn message(writer: usize, number: u64) -> [u8; 24] {
        let mut message = [0; 24];
        message.stamp(writer, number);
        message
    }

    #[test]
    fn a_round_that_is_right_passes() {
        let mut sink = sink(24, 2, 3);
        for (writer, number) in [(0, 0), (1, 0), (0, 1)] {
            sink.accept(&message(writer, number));
        }
        sink.finish();
    }

    #[test]
    #[should_panic(expected = "test: message 0 of writer 0 is wrong")]
    fn one_wrong_byte_is_seen() {
        let mut message = message(0, 0);
        message[23] ^= 1;
        sink(24, 1, 1).accept(&message);
    }

    #[test]
    #[should_panic(expected = "test: 1 messages are missing")]
    fn a_missing_message_is_seen() {
        sink(24, 1, 1).finish();
    }

    #[test]
    #[should_panic(expected = "test: the last message of a timed round is wrong")]
    fn a_timed_round_must_leave_its_message_in_the_buffer() {
        let mut sink = sink(24, 1, 1);
        sink.begin(Round { messages: 1, check: false });
        sink.accept(&message(0, 1));
        sink.finish();
    }
}
