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
    pub(crate) round: Round,
    /// How many messages of the round are still to come.
    pub(crate) left: u64,
    /// The reader was overrun.
    pub(crate) lagged: bool,
    is_lossy: bool,
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

    /// Panics unless a message is the one that it claims to be, which is the next of its writer's.
    #[cold]
    pub(crate) fn compare(&mut self, (writer, number): (usize, u64), is: impl Fn(&M) -> bool) {
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
