//! What typed channels carry: an event with numbers, a name and a few samples, of which the reader
//! looks at every field where it lies.
//!
//! As with messages (`payload.rs`), each event of a check differs from every other, and each field is
//! looked at; a timed writer sends one event over and over.

use crate::payload::share;
use rkyv::rancor::Error;
use rkyv::{Archive, Serialize};
use std::hint::black_box;

#[derive(Archive, Serialize)]
#[rkyv(compare(PartialEq))]
pub(crate) struct Event {
    writer: u32,
    kind: u16,
    number: u64,
    nanoseconds: u64,
    value: f64,
    /// Longer than what rkyv keeps in place.
    source: String,
    samples: Vec<f32>,
}

const NAMES: [&str; 4] = [
    "plant-7/turbine-3/inlet/pressure",
    "plant-7/turbine-3/outlet/speed",
    "plant-7/gearbox/oil/temperature",
    "plant-7/hall/humidity",
];

impl Event {
    /// The one that a writer sends when it is timed.
    pub(crate) fn new(writer: usize) -> Self {
        let mut event = Self {
            writer: writer as u32,
            kind: 0,
            number: 0,
            nanoseconds: 0,
            value: 0.0,
            source: String::new(),
            samples: vec![0.0; 8],
        };
        event.stamp(0);
        event
    }

    /// Makes it the writer's event of that number.
    pub(crate) fn stamp(&mut self, number: u64) {
        self.number = number;
        self.kind = number as u16 ^ 0x5555;
        self.nanoseconds = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.value = number as f64 * 0.25 + 1.5;
        self.source.clear();
        self.source.push_str(NAMES[number as usize % NAMES.len()]);
        for (place, sample) in self.samples.iter_mut().enumerate() {
            *sample = (number % 1000) as f32 + place as f32 * 0.125;
        }
    }

    /// How many bytes it becomes. The names differ in length; so it is that of a writer's first.
    pub(crate) fn size() -> usize {
        rkyv::to_bytes::<Error>(&Self::new(0)).expect("it can be serialized").len()
    }
}

/// The event in `bytes`, once that is seen to be one.
#[inline]
pub(crate) fn access(bytes: &[u8]) -> &ArchivedEvent {
    rkyv::access::<ArchivedEvent, Error>(bytes).expect("an event")
}

impl ArchivedEvent {
    /// Something to which every field adds.
    #[inline]
    fn sum(&self) -> u64 {
        let numbers = [
            self.writer.to_native().into(),
            self.kind.to_native().into(),
            self.number.to_native(),
            self.nanoseconds.to_native(),
            self.value.to_native().to_bits(),
        ];
        let name = self.source.as_bytes().iter().map(|&byte| u64::from(byte));
        let samples: f32 = self.samples.iter().map(|sample| sample.to_native()).sum();
        let all = numbers.into_iter().chain(name).fold(0, u64::wrapping_add);
        all.wrapping_add(samples.to_bits().into())
    }
}

/// What a reader does with the events that it gets.
pub(crate) enum Look {
    /// Adds up the fields of each, and keeps the last sum: what is timed.
    Sum(u64),
    Check(Seen),
}

impl Look {
    pub(crate) fn checking(name: &'static str, writers: usize) -> Self {
        Self::Check(Seen { name, next: vec![0; writers] })
    }

    #[inline]
    pub(crate) fn see(&mut self, event: &ArchivedEvent) {
        match self {
            Self::Sum(sum) => *sum = black_box(event.sum()),
            Self::Check(seen) => seen.event(event),
        }
    }

    /// The round is over: everything must have come, once, and the last event of a timed one must be
    /// whole.
    pub(crate) fn finish(self, name: &str, events: u64, writers: usize) {
        match self {
            Self::Sum(sum) => {
                let is_of = |writer| {
                    let bytes = rkyv::to_bytes::<Error>(&Event::new(writer)).expect("an event");
                    access(&bytes).sum() == sum
                };
                assert!(
                    (0..writers).any(is_of),
                    "{name}: the last event of a timed round is wrong"
                );
            }
            Self::Check(seen) => {
                for (writer, &seen) in seen.next.iter().enumerate() {
                    let sent = share(events, writer, writers);
                    assert!(seen == sent, "{name}: {seen} of {sent} events of writer {writer}");
                }
            }
        }
    }
}

/// What a reader has seen of a round in which every field is looked at.
pub(crate) struct Seen {
    name: &'static str,
    /// The number of each writer's next event.
    next: Vec<u64>,
}

impl Seen {
    fn event(&mut self, event: &ArchivedEvent) {
        let (name, writer) = (self.name, event.writer.to_native() as usize);
        let Some(number) = self.next.get_mut(writer) else {
            panic!("{name}: an event that is of no writer");
        };
        let mut expected = Event::new(writer);
        expected.stamp(*number);
        assert!(*event == expected, "{name}: event {number} of writer {writer} is wrong");
        *number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_adds_to_the_sum_and_is_compared() {
        let changes: [fn(&mut Event); 7] = [
            |event| event.writer += 1,
            |event| event.kind += 1,
            |event| event.number += 1,
            |event| event.nanoseconds += 1,
            |event| event.value += 1.0,
            |event| event.source.push('x'),
            |event| event.samples[7] += 1.0,
        ];
        let bytes = |event: &Event| rkyv::to_bytes::<Error>(event).unwrap();
        let whole = bytes(&Event::new(0));
        for change in changes {
            let mut event = Event::new(0);
            change(&mut event);
            let changed = bytes(&event);
            assert_ne!(access(&changed).sum(), access(&whole).sum());
            assert!(*access(&changed) != Event::new(0));
        }
    }

    #[test]
    #[should_panic(expected = "test: 1 of 2 events of writer 0")]
    fn a_missing_event_is_seen() {
        let mut look = Look::checking("test", 1);
        look.see(access(&rkyv::to_bytes::<Error>(&Event::new(0)).unwrap()));
        look.finish("test", 2, 1);
    }
}
