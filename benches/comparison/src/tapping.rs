//! A writer and taps at work, on one thread and on two.

use crate::contestants::taps::{Tap, Tapped, Writer};
use crate::parties::Terms;
use crate::payload::{self, Aligned, Seen};
use crate::rounds::{RING, Rounds};
use crate::team::{Party, Team};
use crate::transport::Wait;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An overrun tap reads one message every so many batches of half a ring.
const BATCHES: u64 = 6;

/// How often the taps read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    KeepingUp,
    Overrun,
}

/// What counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timed {
    Writes,
    All,
}

/// All on one thread, by turns: half a ring of messages, and then the taps.
pub(crate) struct ByTurns<W, T> {
    pub(crate) name: &'static str,
    pub(crate) writer: W,
    pub(crate) taps: Vec<T>,
    pub(crate) size: usize,
    pub(crate) pace: Pace,
    pub(crate) timed: Timed,
}

impl<W: Writer, T: Tap> ByTurns<W, T> {
    /// Half a ring.
    fn batch(&self) -> u64 {
        (RING / 2 / self.size) as u64
    }

    /// Lets the taps have their turn after a batch.
    #[inline]
    fn read(&mut self, batch: u64, buffer: &mut [u8], mut see: impl FnMut(usize, &mut [u8])) {
        match self.pace {
            Pace::KeepingUp => {
                for (number, tap) in self.taps.iter_mut().enumerate() {
                    while tap.tap(black_box(buffer)) == Tapped::Message {
                        see(number, buffer);
                    }
                }
            }
            Pace::Overrun if batch % BATCHES == BATCHES - 1 => {
                for (number, tap) in self.taps.iter_mut().enumerate() {
                    let found = tap.tap(black_box(buffer));
                    assert_eq!(found, Tapped::Gap, "{}: a tap is overrun", self.name);
                    if tap.tap(black_box(buffer)) == Tapped::Message {
                        see(number, buffer);
                    }
                }
            }
            Pace::Overrun => {}
        }
    }
}

impl<W: Writer, T: Tap> Rounds for ByTurns<W, T> {
    fn check(&mut self) {
        let (mut message, mut buffer) = (Aligned::new(self.size), Aligned::new(self.size));
        let (name, keeps_up) = (self.name, self.pace == Pace::KeepingUp);
        let seen = || Seen::new(name, self.size, 1);
        let mut seen: Vec<Seen> = self.taps.iter().map(|_| seen()).collect();
        let (batches, mut number) = (2 * BATCHES, 0);
        for batch in 0..batches {
            for _ in 0..self.batch() {
                payload::stamp(&mut message, 0, number);
                self.writer.write(&message);
                number += 1;
            }
            self.writer.settle(&mut buffer);
            self.read(batch, &mut buffer, |tap, buffer| match keeps_up {
                true => seen[tap].message(buffer),
                false => payload::expect_whole(name, buffer),
            });
        }
        if keeps_up {
            seen.into_iter().for_each(|seen| seen.finish(number));
        }
    }

    fn time(&mut self, messages: u64) -> Duration {
        let (message, mut buffer) = (payload::message(self.size, 0), Aligned::new(self.size));
        // Whole groups of batches, so that overrun taps have as many turns in every sample.
        let group = self.batch() * BATCHES;
        let groups = messages.div_ceil(group);
        let mut time = Duration::ZERO;
        for batch in 0..groups * BATCHES {
            let begun = Instant::now();
            for _ in 0..self.batch() {
                self.writer.write(black_box(&message[..]));
            }
            if self.timed == Timed::Writes {
                time += begun.elapsed();
            }
            self.writer.settle(&mut buffer);
            self.read(batch, &mut buffer, |_, buffer| {
                black_box(buffer);
            });
            if self.timed == Timed::All {
                time += begun.elapsed();
            }
        }
        // The sample is as long as it came out, of a few more messages than were asked for.
        time.mul_f64(messages as f64 / (groups * group) as f64)
    }
}

/// A thread that writes as fast as it can, and one that lets each tap read by turns until the other is
/// done. What a round takes is thus the time of the writes.
pub(crate) fn on_two_threads<W: Writer, T: Tap>(
    name: &'static str,
    size: usize,
    (writer, taps): (W, Vec<T>),
) -> Team {
    let terms = Terms { name, size, writers: 1, wait: Wait::Spin };
    let rounds_written = Arc::new(AtomicU64::new(0));
    let parties = vec![
        write_regardless(terms, writer, rounds_written.clone()),
        tap_until_written(terms, taps, rounds_written),
    ];
    Team::threads(name, size, parties)
}

fn write_regardless(
    terms: Terms,
    mut writer: impl Writer,
    rounds_written: Arc<AtomicU64>,
) -> Party {
    Box::new(move |mut orders| {
        let mut message = payload::message(terms.size, 0);
        while let Some(round) = orders.wait() {
            for number in 0..round.messages {
                if round.check {
                    payload::stamp(&mut message, 0, number);
                }
                writer.write(black_box(&message[..]));
            }
            rounds_written.fetch_add(1, Ordering::Release);
            orders.done();
            payload::stamp(&mut message, 0, 0);
        }
    })
}

fn tap_until_written<T: Tap>(
    terms: Terms,
    mut taps: Vec<T>,
    rounds_written: Arc<AtomicU64>,
) -> Party {
    Box::new(move |mut orders| {
        let mut buffer = Aligned::new(terms.size);
        let mut rounds = 0;
        while let Some(round) = orders.wait() {
            rounds += 1;
            while rounds_written.load(Ordering::Acquire) < rounds {
                for tap in &mut taps {
                    let found = tap.tap(black_box(&mut buffer[..]));
                    black_box(&mut buffer[..]);
                    if round.check && found == Tapped::Message {
                        payload::expect_whole(terms.name, &buffer);
                    }
                }
            }
            orders.done();
        }
    })
}
