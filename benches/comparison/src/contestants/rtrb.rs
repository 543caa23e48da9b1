//! rtrb: a ring of `u8`, with its operations on whole slices, which copy in one or two pieces.

use crate::rounds::RING;
use crate::transport::{Receiver, Sender};
use rtrb::{Consumer, Producer, RingBuffer};

pub(crate) fn new() -> (Producer<u8>, Consumer<u8>) {
    RingBuffer::new(RING)
}

impl Sender for Producer<u8> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> bool {
        self.push_entire_slice(message).is_ok()
    }
}

impl Receiver for Consumer<u8> {
    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        self.pop_entire_slice(buffer).is_ok()
    }
}
