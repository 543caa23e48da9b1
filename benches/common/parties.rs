//! What the parties of a team do: write, read, send and wait for the answer, answer.
//!
//! Messages of a case are all of one length, and every write is one slice, so a read into a buffer
//! of that length gets exactly one message, whoever wrote it.

use super::team::{Orders, Round};
use super::{Seen, share, stamp};
use overfall::error::{TryReadError, TryWriteError};
use overfall::{Blocking, StrongReader, StrongWriter, WeakReader};
use std::hint::{black_box, spin_loop};
use std::io::{Read, Write};
use std::thread;

/// A writer's message, and which writer of how many it is.
pub(crate) struct Letter {
    writer: usize,
    writers: usize,
    bytes: Vec<u8>,
}

impl Letter {
    pub(crate) fn new(size: usize, writer: usize, writers: usize) -> Self {
        Self { writer, writers, bytes: vec![0; size] }
    }

    /// Gets ready for a round, and tells how many messages this writer writes in it.
    pub(crate) fn begin(&mut self, round: Round) -> u64 {
        stamp(&mut self.bytes, self.writer, 0);
        share(round.messages, self.writer, self.writers)
    }

    /// The next message. One that is timed is always the same: filling it anew would be timed, too,
    /// and a copy right behind such small stores is slower than others.
    pub(crate) fn next(&mut self, round: Round, number: u64) -> &[u8] {
        if round.check {
            stamp(&mut self.bytes, self.writer, number);
        }
        black_box(&self.bytes)
    }
}

/// Writes its share of each round.
pub(crate) fn write(mut orders: Orders, mut letter: Letter, mut write: impl FnMut(&[u8])) {
    while let Some(round) = orders.wait() {
        for number in 0..letter.begin(round) {
            write(letter.next(round, number));
        }
        orders.done();
    }
}

/// Reads all messages of each round, which come from so many writers.
pub(crate) fn read(orders: Orders, size: usize, writers: usize, read: impl FnMut(&mut [u8])) {
    read_with_taps(orders, size, writers, Vec::new(), read);
}

/// The same, with taps that keep up, since they read each message before the strong reader does.
pub(crate) fn read_with_taps(
    mut orders: Orders,
    size: usize,
    writers: usize,
    mut taps: Vec<Blocking<WeakReader>>,
    mut read: impl FnMut(&mut [u8]),
) {
    let mut buffer = vec![0; size];
    while let Some(round) = orders.wait() {
        let mut seen = Seen::new(round, size, writers);
        let mut tapped: Vec<Seen> = taps.iter().map(|_| seen.clone()).collect();
        for _ in 0..round.messages {
            for (tap, seen) in taps.iter_mut().zip(&mut tapped) {
                take(tap, &mut buffer);
                seen.message(&buffer);
            }
            read(&mut buffer);
            seen.message(&buffer);
        }
        orders.done();
        tapped.into_iter().chain([seen]).for_each(Seen::finish);
    }
}

/// Sends messages, each after the answer to the last one, which must be the same.
pub(crate) fn ask(
    mut orders: Orders,
    size: usize,
    mut write: impl FnMut(&[u8]),
    mut read: impl FnMut(&mut [u8]),
) {
    let (mut letter, mut buffer) = (Letter::new(size, 0, 1), vec![0; size]);
    while let Some(round) = orders.wait() {
        let mut seen = Seen::new(round, size, 1);
        for number in 0..letter.begin(round) {
            write(letter.next(round, number));
            read(&mut buffer);
            seen.message(&buffer);
        }
        orders.done();
        seen.finish();
    }
}

/// Answers each message with itself.
pub(crate) fn answer(
    mut orders: Orders,
    size: usize,
    mut write: impl FnMut(&[u8]),
    mut read: impl FnMut(&mut [u8]),
) {
    let mut buffer = vec![0; size];
    while let Some(round) = orders.wait() {
        for _ in 0..round.messages {
            read(&mut buffer);
            write(black_box(&buffer));
        }
        orders.done();
    }
}

/// Writes a message, waiting as `to` does.
pub(crate) fn put(to: &mut impl Write, message: &[u8]) {
    assert_eq!(to.write(message).expect("a write"), message.len());
}

/// Reads a message, waiting as `from` does.
pub(crate) fn take(from: &mut impl Read, buffer: &mut [u8]) {
    assert_eq!(from.read(buffer).expect("a read"), buffer.len());
}

/// Tries until it works. It never sleeps, but it lets others have the core now and then: they may
/// be the ones it waits for when there are fewer cores than parties.
fn insist<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut attempts = 0_u32;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        attempts += 1;
        if attempts % 128 == 0 { thread::yield_now() } else { spin_loop() }
    }
}

/// Writes a message, busy while there is no room.
pub(crate) fn insist_put(to: &mut StrongWriter, message: &[u8]) {
    let written = insist(|| match to.try_write(message) {
        Ok(written) => Some(written),
        Err(TryWriteError::Full) => None,
        Err(error) => panic!("a write: {error}"),
    });
    assert_eq!(written, message.len());
}

/// Reads a message, busy while there is none.
pub(crate) fn insist_take(from: &mut StrongReader, buffer: &mut [u8]) {
    let read = insist(|| match from.try_read(buffer) {
        Ok(read) => Some(read),
        Err(TryReadError::Empty) => None,
        Err(error) => panic!("a read: {error}"),
    });
    assert_eq!(read, buffer.len());
}
