//! A writer is stopped at each point of a send. Meanwhile readers read, are overrun, turn, come, and are
//! cloned, in every order. In the end each of them has received or missed what was sent since it, or its
//! original, started, and nothing else.

use crate::channel::reader::{Read, Reader, Receive, StrongReader, WeakReader};
use crate::channel::shared::Shared;
use crate::channel::terms::{Backpressure, StartAt, Strength};
use crate::channel::writer::StrongWriter;
use crate::error::TryReadError;
use crate::ring::position::{GRANULE, Geometry, Position};
use crate::sync::asymmetric::Abilities;
use crate::sync::pause;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A message takes a granule, and so many messages have been sent as granules are reserved.
const MESSAGE: [u8; GRANULE as usize] = [7; GRANULE as usize];
/// How many the ring has room for.
const ROOM: u64 = 2;

struct Reading {
    reader: Reader,
    received: u64,
    /// So many had been sent, or were in flight, when it started.
    before: u64,
}

impl Reading {
    fn drain(&mut self) {
        loop {
            match self.reader.take() {
                Ok(true) => {
                    drop(self.reader.message());
                    self.received += 1;
                }
                Err(TryReadError::Lagged(_)) => {}
                Err(TryReadError::Empty) => return,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Of the other strength, if it can be.
    fn turned(self) -> Self {
        let reader = match self.reader {
            Reader::Strong(strong) => strong.into_weak().into(),
            Reader::Weak(weak) => match weak.into_strong() {
                Ok(strong) => strong.into(),
                Err(error) => error.reader.into(),
            },
        };
        Self { reader, ..self }
    }

    fn is_strong(&self) -> bool {
        matches!(self.reader, Reader::Strong(_))
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Read,
    Overrun,
    Turn,
    Clone,
    Come,
}

const STEPS: [Step; 5] = [Step::Read, Step::Overrun, Step::Turn, Step::Clone, Step::Come];

struct Room {
    shared: Arc<Shared>,
    other: StrongWriter,
    readings: Vec<Reading>,
}

impl Room {
    fn new(strength: Strength) -> (Self, StrongWriter) {
        let geometry = Geometry::new(ROOM * GRANULE);
        let (start, block) = (Position::new(0), Backpressure::Block);
        let shared = Arc::new(Shared::new(geometry, start, block, Abilities::NONE).unwrap());
        let [writer, mut other] = [(); 2].map(|()| StrongWriter::new(&shared));
        other.try_send(&MESSAGE).unwrap();
        let reader = match strength {
            Strength::Strong => StrongReader::new(&shared, StartAt::Now).into(),
            Strength::Weak => WeakReader::new(&shared, StartAt::Now).into(),
        };
        let readings = vec![Reading { reader, received: 0, before: 1 }];
        (Self { shared, other, readings }, writer)
    }

    fn sent(&self) -> u64 {
        self.shared.ring.reserved().granule()
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Read => self.readings.iter_mut().for_each(Reading::drain),
            Step::Turn => self.turn(|_| true),
            Step::Overrun => {
                // A strong reader holds it up.
                for _ in 0..3 * ROOM {
                    let _sent_or_full = self.other.try_send(&MESSAGE);
                }
            }
            Step::Clone => {
                let clone = |reading: &Reading| {
                    let (reader, received) = (reading.reader.clone(), reading.received);
                    Reading { reader, received, before: reading.before }
                };
                let clones: Vec<_> = self.readings.iter().map(clone).collect();
                self.readings.extend(clones);
            }
            Step::Come => {
                let before = self.sent();
                let reader = WeakReader::new(&self.shared, StartAt::Now).into();
                self.readings.push(Reading { reader, received: 0, before });
            }
        }
    }

    fn turn(&mut self, which: fn(&Reading) -> bool) {
        let turn = |reading: Reading| if which(&reading) { reading.turned() } else { reading };
        self.readings = std::mem::take(&mut self.readings).into_iter().map(turn).collect();
    }

    fn check(&mut self) {
        let sent = self.sent();
        for (number, reading) in self.readings.iter_mut().enumerate() {
            reading.drain();
            let missed = reading.reader.core().losses(reading.reader.place()).0.messages;
            assert_eq!(reading.received + missed, sent - reading.before, "reader {number}");
        }
    }
}

/// Stops the writer at its nth point for these steps. Tells whether it has so many.
fn stop(nth: usize, strength: Strength, steps: Vec<Step>) -> bool {
    let (room, mut writer) = Room::new(strength);
    let room = Rc::new(RefCell::new(room));
    let work = {
        let (room, steps) = (room.clone(), steps);
        move || steps.into_iter().for_each(|step| room.borrow_mut().step(step))
    };
    let (_sent_or_full, was_stopped) = pause::at(nth, work, || writer.try_send(&MESSAGE));
    let mut room = room.borrow_mut();
    room.check();
    // What is too little would make up for this.
    room.step(Step::Turn);
    room.turn(Reading::is_strong);
    room.step(Step::Overrun);
    room.check();
    was_stopped
}

#[test]
fn what_was_sent_was_received_or_missed_wherever_a_writer_is_stopped() {
    let mut all: Vec<Vec<Step>> = vec![Vec::new()];
    for first in STEPS {
        all.push(vec![first]);
        for second in STEPS {
            all.push(vec![first, second]);
            all.extend(STEPS.map(|third| vec![first, second, third]));
        }
    }
    for steps in all {
        for strength in [Strength::Weak, Strength::Strong] {
            let mut nth = 0;
            while std::panic::catch_unwind(|| stop(nth, strength, steps.clone()))
                .unwrap_or_else(|_| panic!("stopped at {nth}, {strength:?}, for {steps:?}"))
            {
                nth += 1;
            }
            assert!(nth > 2, "it has points");
        }
    }
}
