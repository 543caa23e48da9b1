//! Messages of bytes, of which each has 8 at least.

use crate::message::{Message, Sink};
use std::hint::black_box;

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
    // A timed loop in which this were inlined would be another one.
    #[inline(never)]
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
            self.compare_buffer();
        }
    }

    #[cold]
    fn compare_buffer(&mut self) {
        let message = self.last.to_vec();
        let header = message.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
        let writer = (header >> 48).wrapping_sub(1) as usize;
        self.compare((writer, header & ((1 << 48) - 1)), |expected| *expected == message[..]);
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
    use crate::endpoints::Setup;
    use crate::message::Round;

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
