//! Writers and readers of events at work: as the threads of a team, and by turns on one thread.

use crate::events::{Event, Look};
use crate::payload::share;
use crate::rounds::{RING, Rounds};
use crate::team::{Party, Team};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Sends an event, and waits for room if there is none.
pub(crate) trait Sending: FnMut(&Event) + Send + 'static {}
impl<F: FnMut(&Event) + Send + 'static> Sending for F {}

/// Receives an event, waits for it if there is none, and shows it where it lies.
pub(crate) trait Receiving: FnMut(&mut Look) + Send + 'static {}
impl<F: FnMut(&mut Look) + Send + 'static> Receiving for F {}

/// Shows an event, if there is one.
pub(crate) trait Tapping: FnMut(&mut Look) -> bool + Send + 'static {}
impl<F: FnMut(&mut Look) -> bool + Send + 'static> Tapping for F {}

pub(crate) fn team(
    name: &'static str,
    (senders, receiver): (Vec<impl Sending>, impl Receiving),
) -> Team {
    let writers = senders.len();
    let mut parties = vec![read(name, writers, receiver)];
    for (writer, sender) in senders.into_iter().enumerate() {
        parties.push(write((writer, writers), sender));
    }
    Team::threads(name, Event::size(), parties)
}

/// Writes its share of each round.
fn write((writer, writers): (usize, usize), mut send: impl Sending) -> Party {
    Box::new(move |mut orders| {
        let mut event = Event::new(writer);
        while let Some(round) = orders.wait() {
            for number in 0..share(round.messages, writer, writers) {
                if round.check {
                    event.stamp(number);
                }
                send(black_box(&event));
            }
            orders.done();
            event.stamp(0);
        }
    })
}

/// Reads all events of each round, whoever wrote them.
fn read(name: &'static str, writers: usize, mut receive: impl Receiving) -> Party {
    Box::new(move |mut orders| {
        while let Some(round) = orders.wait() {
            let mut look = look(name, writers, round.check);
            for _ in 0..round.messages {
                receive(&mut look);
            }
            orders.done();
            look.finish(name, round.messages, writers);
        }
    })
}

fn look(name: &'static str, writers: usize, check: bool) -> Look {
    if check { Look::checking(name, writers) } else { Look::Sum(0) }
}

/// Half a ring of events, and then each reader all of them.
pub(crate) struct ByTurns<S, T> {
    pub(crate) name: &'static str,
    pub(crate) send: S,
    pub(crate) taps: Vec<T>,
}

impl<S: Sending, T: Tapping> ByTurns<S, T> {
    /// So many rounds of half a ring. Tells how long they took, and how many events went by.
    fn rounds(&mut self, least: u64, check: bool) -> (Duration, u64) {
        let batch = (RING / 2 / Event::size().next_multiple_of(64)) as u64;
        let batches = least.div_ceil(batch);
        let mut event = Event::new(0);
        let mut looks: Vec<Look> = self.taps.iter().map(|_| look(self.name, 1, check)).collect();
        let begun = Instant::now();
        for number in 0..batches {
            for number in number * batch..(number + 1) * batch {
                if check {
                    event.stamp(number);
                }
                (self.send)(black_box(&event));
            }
            for (tap, look) in self.taps.iter_mut().zip(&mut looks) {
                while tap(look) {}
            }
        }
        let time = begun.elapsed();
        looks.into_iter().for_each(|look| look.finish(self.name, batches * batch, 1));
        (time, batches * batch)
    }
}

impl<S: Sending, T: Tapping> Rounds for ByTurns<S, T> {
    fn check(&mut self) {
        self.rounds((4 * RING / Event::size()) as u64, true);
    }

    fn time(&mut self, messages: u64) -> Duration {
        let (time, done) = self.rounds(messages, false);
        time.mul_f64(messages as f64 / done as f64)
    }
}
