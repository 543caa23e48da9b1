//! No rival, but the least that any can do: `copy_from_slice` into a buffer as large as the ring, at
//! an offset that goes on by the message's length and wraps, and `copy_from_slice` out of it.
//!
//! Nothing is said about who may read or write what. The message, the buffer and their lengths come
//! through `black_box`, as for all, and so does the ring between the two, so that both copies are
//! calls of `memcpy` with a length that is not known before, and the second is from the ring.

use crate::payload::Aligned;
use crate::rounds::{PassOn, RING};
use std::hint::black_box;

pub(crate) struct Memcpys {
    ring: Aligned,
    offset: usize,
}

impl Memcpys {
    pub(crate) fn new() -> Self {
        Self { ring: Aligned::new(RING), offset: 0 }
    }
}

impl PassOn for Memcpys {
    #[inline]
    fn pass_on(&mut self, message: &[u8], buffer: &mut [u8]) -> bool {
        if RING - self.offset < message.len() {
            self.offset = 0;
        }
        let (from, to) = (self.offset, self.offset + message.len());
        let ring = &mut self.ring[from..to];
        ring.copy_from_slice(message);
        buffer.copy_from_slice(black_box(ring));
        self.offset = to;
        true
    }
}
