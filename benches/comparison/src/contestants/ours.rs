//! Ours: every message is a slice, and a read gets one message.

use crate::rounds::RING;
use crate::transport::{ReceiveMany, Receiver, Sender};
use overfall::error::{TryReadError, TryWriteError};
use overfall::{Blocking, StrongReader, StrongWriter};
use std::io::{BufRead, Read, Write};

/// A pipe that is polled.
pub(crate) fn polled() -> (Polled<StrongWriter>, Polled<StrongReader>) {
    let (writer, reader) = overfall::pipe(RING);
    (Polled(writer), Polled(reader))
}

pub(crate) struct Polled<E>(pub(crate) E);

impl Sender for Polled<StrongWriter> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> bool {
        match self.0.try_write(message) {
            Ok(written) => {
                debug_assert_eq!(written, message.len());
                true
            }
            Err(TryWriteError::Full) => false,
            Err(error) => panic!("ours: {error}"),
        }
    }
}

impl Receiver for Polled<StrongReader> {
    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        match self.0.try_read(buffer) {
            // Slices are as long as the buffer, so that a read that is shorter is not there.
            Ok(read) => read == buffer.len() || panic!("ours: a short read"),
            Err(TryReadError::Empty) => false,
            Err(error) => panic!("ours: {error}"),
        }
    }
}

/// A writer that is polled, and so many readers that lend.
pub(crate) fn one_to_many(readers: usize) -> (Polled<StrongWriter>, Vec<Lending<StrongReader>>) {
    let (writer, reader) = overfall::pipe(RING);
    (Polled(writer), vec![reader; readers].into_iter().map(Lending).collect())
}

/// So many writers and readers that park their thread while they wait.
pub(crate) fn many_blocking(
    writers: usize,
    readers: usize,
) -> (Vec<Blocking<StrongWriter>>, Vec<Blocking<StrongReader>>) {
    let (writer, reader) = overfall::pipe(RING);
    let writers = vec![writer; writers].into_iter().map(StrongWriter::blocking).collect();
    (writers, vec![reader; readers].into_iter().map(StrongReader::blocking).collect())
}

/// A writer and a reader that park their thread while they wait.
pub(crate) fn blocking() -> (Blocking<StrongWriter>, Blocking<StrongReader>) {
    let (writer, reader) = overfall::pipe(RING);
    (writer.blocking(), reader.blocking())
}

impl Sender for Blocking<StrongWriter> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> bool {
        self.write(message).expect("a write") == message.len() || panic!("ours: a short write")
    }
}

impl Receiver for Blocking<StrongReader> {
    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        self.read(buffer).expect("a read") == buffer.len() || panic!("ours: a short read")
    }
}

/// A reader that copies each message out of what it is lent, and gives it back in one go.
pub(crate) struct Lending<R>(pub(crate) R);

/// A reader that lends.
pub(crate) trait Lend: Send + 'static {
    /// What comes next and lies in one piece; empty if there is nothing.
    fn lend(&mut self) -> &[u8];
    fn consume(&mut self, amount: usize);
}

impl Lend for StrongReader {
    #[inline]
    fn lend(&mut self) -> &[u8] {
        match self.try_fill_buf() {
            Ok(lent) => lent,
            Err(TryReadError::Empty) => &[],
            Err(error) => panic!("ours: {error}"),
        }
    }

    #[inline]
    fn consume(&mut self, amount: usize) {
        StrongReader::consume(self, amount);
    }
}

impl Lend for Blocking<StrongReader> {
    #[inline]
    fn lend(&mut self) -> &[u8] {
        self.fill_buf().expect("a loan")
    }

    #[inline]
    fn consume(&mut self, amount: usize) {
        BufRead::consume(self, amount);
    }
}

impl<R: Lend> ReceiveMany for Lending<R> {
    #[inline]
    fn receive_many(
        &mut self,
        buffer: &mut [u8],
        most: u64,
        mut each: impl FnMut(&mut [u8]),
    ) -> u64 {
        let mut count = 0;
        let messages = self.0.lend().chunks_exact(buffer.len());
        for message in messages.take(usize::try_from(most).unwrap_or(usize::MAX)) {
            buffer.copy_from_slice(message);
            each(buffer);
            count += 1;
        }
        self.0.consume(count * buffer.len());
        count as u64
    }
}
