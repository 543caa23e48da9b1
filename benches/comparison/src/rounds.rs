//! What is measured: something that can do a number of messages, again and again.

use crate::payload::{self, Aligned, Seen, laps};
use crate::transport::{Receiver, Sender};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The ring of every contestant, in bytes.
pub(crate) const RING: usize = 64 * 1024;

/// A contestant at work.
pub(crate) trait Rounds {
    /// Looks at every byte of several laps of the ring.
    fn check(&mut self);

    /// Does so many messages, and tells how long that took.
    fn time(&mut self, messages: u64) -> Duration;
}

/// Takes a message and gives it back at once.
pub(crate) trait PassOn {
    /// Copies `message` in and then out into `buffer`, which is as long. False if that fails.
    fn pass_on(&mut self, message: &[u8], buffer: &mut [u8]) -> bool;
}

impl<S: Sender, R: Receiver> PassOn for (S, R) {
    #[inline]
    fn pass_on(&mut self, message: &[u8], buffer: &mut [u8]) -> bool {
        self.0.send(message) && self.1.receive(buffer)
    }
}

/// Writes and reads by turns on this thread: nobody ever waits.
pub(crate) struct Here<P> {
    name: &'static str,
    through: P,
    message: Aligned,
    buffer: Aligned,
}

impl<P: PassOn> Here<P> {
    pub(crate) fn new(name: &'static str, size: usize, through: P) -> Self {
        Self { name, through, message: Aligned::new(size), buffer: Aligned::new(size) }
    }
}

impl<P: PassOn> Rounds for Here<P> {
    fn check(&mut self) {
        let Self { name, through, message, buffer } = self;
        let messages = laps(RING, message.len());
        let mut seen = Seen::new(name, message.len(), 1);
        for number in 0..messages {
            payload::stamp(message, 0, number);
            assert!(through.pass_on(message, buffer), "{name}: a message did not go through");
            seen.message(buffer);
        }
        seen.finish(messages);
        payload::stamp(message, 0, 0);
    }

    fn time(&mut self, messages: u64) -> Duration {
        let Self { name, through, message, buffer } = self;
        buffer.fill(0);
        let (message, buffer, mut done) = (&message[..], &mut buffer[..], true);
        let begun = Instant::now();
        for _ in 0..messages {
            // Where the bytes are and how many is hidden, as it is from a library.
            done &= through.pass_on(black_box(message), black_box(&mut *buffer));
            black_box(&mut *buffer);
        }
        let time = begun.elapsed();
        assert!(done, "{name}: a message did not go through");
        payload::expect_timed(name, buffer, 1);
        time
    }
}
