//! No rival, but the least that any can do: `copy_from_slice` into a buffer as large as the ring, at
//! an offset that goes on by the message's length and wraps, and `copy_from_slice` out of it.
//!
//! Nothing is said about who may read or write what. The message, the buffer and their lengths come
//! through `black_box`, as for all, and so does the ring between the two, so that both copies are
//! calls of `memcpy` with a length that is not known before, and the second is from the ring.

use crate::drivers::{Appended, HISTORY, Stream, content};
use crate::endpoints::*;
use crate::message::aligned;
use std::hint::black_box;

/// For [`pass_on`](crate::drivers::pass_on), with nothing to prepare.
pub(crate) fn new(_: Setup) -> (Option<Prepare>, impl FnMut(&[u8], &mut Sink) + Send + 'static) {
    let (ring, mut offset) = (aligned(RING), 0);
    let pass = move |message: &[u8], sink: &mut Sink| {
        if RING - offset < message.len() {
            offset = 0;
        }
        let place = &mut ring[offset..offset + message.len()];
        place.copy_from_slice(message);
        sink.accept(black_box(place));
        offset += message.len();
    };
    (None, pass)
}

/// Memory that was never used, and how much of it is.
pub(crate) struct Fresh {
    bytes: Vec<u8>,
    length: usize,
}

impl Fresh {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; HISTORY], length: 0 }
    }
}

impl Appended for Fresh {
    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        black_box(&mut self.bytes)[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    fn consists_of(self, bytes: &[u8]) -> bool {
        self.bytes == bytes
    }
}

/// Bytes that nobody changes, and how far they were read.
pub(crate) struct Copied {
    bytes: &'static [u8],
    place: usize,
}

impl Stream for Copied {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) {
        let end = self.place + buffer.len();
        buffer.copy_from_slice(&black_box(self.bytes)[self.place..end]);
        self.place = end;
    }

    fn rewind(&mut self) {
        self.place = 0;
    }
}

pub(crate) fn readers(setup: Setup) -> impl Iterator<Item = Copied> {
    (0..setup.readers).map(|_| Copied { bytes: content(), place: 0 })
}
