//! What a reader keeps to receive messages with.

use crate::channel::reader::message::Header;

/// Where messages start in memory: as in the ring.
const ALIGNMENT: usize = 64;

/// The copies of messages that a weak reader received last. Reused, so that it grows to what is
/// needed and stays so.
#[derive(Debug, Default)]
pub(crate) struct ReceiveBuffer {
    /// Of the message that is there alone.
    header: Option<Header>,
    /// Of those of a batch.
    headers: Vec<Header>,
    bytes: Vec<u8>,
    /// Where the first aligned byte of `bytes` is.
    base: usize,
    /// How far it is filled from there.
    end: usize,
}

/// Where the bytes of a message go.
pub(super) trait Space {
    /// Room for `length` bytes. Who asks again gets the same room.
    fn space(&mut self, length: usize) -> &mut [u8];
}

impl Space for ReceiveBuffer {
    #[inline]
    fn space(&mut self, length: usize) -> &mut [u8] {
        let size = length.next_multiple_of(ALIGNMENT);
        // Nothing has an address of its own only once there is something.
        if self.bytes.is_empty() || self.bytes.len() < self.base + self.end + size {
            self.grow(size);
        }
        let start = self.base + self.end;
        &mut self.bytes[start..start + length]
    }
}

/// Behind what is in a buffer of the caller's.
pub(super) struct Appended<'a> {
    pub(super) buffer: &'a mut Vec<u8>,
    pub(super) start: usize,
}

impl Space for Appended<'_> {
    fn space(&mut self, length: usize) -> &mut [u8] {
        self.buffer.resize(self.start + length, 0);
        &mut self.buffer[self.start..]
    }
}

/// For a message that is passed over: its bytes go nowhere.
pub(super) struct Nowhere;

impl Space for Nowhere {
    fn space(&mut self, _length: usize) -> &mut [u8] {
        &mut []
    }
}

impl ReceiveBuffer {
    /// Empty again.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.headers.clear();
        self.end = 0;
    }

    /// Empty, and room for a message of `length` bytes that is there alone.
    #[inline(always)]
    pub(super) fn room_alone(&mut self, length: usize) -> &mut [u8] {
        // More than needed, as in `space`.
        if self.bytes.len() <= self.base + length {
            self.end = 0;
            self.grow(length);
        }
        &mut self.bytes[self.base..self.base + length]
    }

    /// Notes the message that was put there.
    #[inline]
    pub(super) fn keep_alone(&mut self, header: Header) {
        self.header = Some(header);
    }

    /// The message that is there alone.
    #[inline]
    pub(crate) fn alone(&self) -> (Header, &[u8]) {
        let Some(header) = self.header else { unreachable!("it was received") };
        (header, self.bytes_alone(&header))
    }

    /// Its bytes, where the caller has the header.
    #[inline(always)]
    pub(super) fn bytes_alone(&self, header: &Header) -> &[u8] {
        &self.bytes[self.base..self.base + header.len as usize]
    }

    /// Notes a message that was put into the space, which is used up with it.
    #[inline]
    pub(super) fn keep(&mut self, header: Header) {
        self.end += size(&header);
        self.headers.push(header);
    }

    #[inline]
    pub(crate) fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The message at `start`, which moves on to the next one.
    #[inline]
    pub(crate) fn next(&self, start: &mut usize, header: &Header) -> &[u8] {
        let from = self.base + *start;
        *start += size(header);
        &self.bytes[from..from + header.len as usize]
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let mut bytes = vec![0; (self.end + more).next_power_of_two() + ALIGNMENT];
        // Memory does not move when a `Vec` does.
        let base = bytes.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        bytes[base..base + self.end].copy_from_slice(&self.bytes[self.base..self.base + self.end]);
        (self.bytes, self.base) = (bytes, base);
    }
}

/// The bytes from one message to the next.
#[inline]
fn size(header: &Header) -> usize {
    (header.len as usize).next_multiple_of(ALIGNMENT)
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;
    use crate::channel::reader::message::Missed;
    use crate::ring::descriptor::{Description, Joins};
    use crate::ring::position::Position;

    fn header(length: usize) -> Header {
        let joins = Joins::default();
        let description =
            Description { length: length as u32, writer: 1, sequence: 0, bytes: 0, joins };
        Header::of(&description, Position::new(0), 0, Missed::default())
    }

    #[test]
    fn messages_start_at_a_multiple_of_64_in_memory_however_the_inbox_grew() {
        // All of them are kept, so that their memory lies at different distances from a multiple.
        let mut inboxes = Vec::new();
        let lengths = [10, 32, 0, 1, 63, 64, 65, 1000, 100_000];
        for skipped in (0..lengths.len()).cycle().take(100) {
            let lengths = &lengths[skipped..];
            let mut receive_buffer = ReceiveBuffer::default();
            for (number, &length) in lengths.iter().enumerate() {
                receive_buffer.space(length).fill(number as u8);
                receive_buffer.keep(header(length));
            }
            let mut start = 0;
            for (number, &length) in lengths.iter().enumerate() {
                let message = receive_buffer.next(&mut start, &header(length));
                assert_eq!(message.as_ptr() as usize % ALIGNMENT, 0);
                assert_eq!(message.len(), length);
                assert!(message.iter().all(|&byte| byte == number as u8));
            }
            inboxes.push(receive_buffer);
        }
    }

    #[test]
    fn an_empty_message_has_an_address_too() {
        let mut receive_buffer = ReceiveBuffer::default();
        receive_buffer.space(0);
        receive_buffer.keep(header(0));
        assert_eq!(receive_buffer.next(&mut 0, &header(0)).as_ptr() as usize % ALIGNMENT, 0);
    }

    #[test]
    fn a_message_alone_starts_at_a_multiple_of_64_whatever_was_there_before() {
        let mut receive_buffer = ReceiveBuffer::default();
        for length in [0, 1, 64, 63, 5000, 0, 100_000, 10] {
            receive_buffer.room_alone(length).fill(length as u8);
            receive_buffer.keep_alone(header(length));
            let (told, bytes) = receive_buffer.alone();
            assert_eq!(told, header(length));
            assert_eq!(bytes.as_ptr() as usize % ALIGNMENT, 0);
            assert_eq!(bytes, vec![length as u8; length]);
            // Those of a batch go there as well.
            receive_buffer.clear();
            receive_buffer.space(100).fill(7);
            receive_buffer.keep(header(100));
        }
    }

    #[test]
    fn an_inbox_that_was_cleared_starts_over() {
        let mut receive_buffer = ReceiveBuffer::default();
        receive_buffer.space(100).fill(1);
        receive_buffer.keep(header(100));
        receive_buffer.clear();
        receive_buffer.space(10).fill(7);
        assert_eq!(receive_buffer.next(&mut 0, &header(10)), [7; 10]);
    }
}
