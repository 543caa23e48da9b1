//! What typed channels carry: an event with numbers, a name and a few samples. A reader looks at
//! every field where it lies.

use crate::endpoints::{Ends, Receiver, Record, Sender};
use crate::message::{Message, Sink};
use rkyv::api::high::to_bytes_in;
use rkyv::rancor::Error;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Serialize};
use std::hint::black_box;

#[derive(Archive, Serialize, Default)]
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
    /// How many bytes it becomes. The names differ in length; so it is that of a writer's first.
    pub(crate) fn size() -> usize {
        let mut event = Self::owned(0);
        event.stamp(0, 0);
        serialized(&event).len()
    }
}

pub(crate) fn serialized(event: &Event) -> AlignedVec {
    rkyv::to_bytes::<Error>(event).expect("it can be serialized")
}

pub(crate) fn serialize_into(buffer: &mut AlignedVec, event: &Event) {
    buffer.clear();
    to_bytes_in::<_, Error>(event, buffer).expect("it can be serialized");
}

/// Sends the bytes of events. They lie in one vector for all, or in a new one for each.
pub(crate) fn serializing<R: Receiver<Event>>(
    ends: Ends<impl Sender, R>,
    is_kept: bool,
) -> Ends<impl Sender<Event>, R> {
    let senders = ends.senders.into_iter().map(|mut send| {
        let mut buffer = AlignedVec::new();
        move |event: &Event| {
            if is_kept {
                serialize_into(&mut buffer, event);
            } else {
                buffer = serialized(event);
            }
            send(&buffer)
        }
    });
    Ends::new(senders.collect(), ends.receivers)
}

impl Record<Event> for AlignedVec {
    #[inline]
    fn pack(event: &Event) -> Self {
        serialized(event)
    }
}

impl Record<Event> for bytes::Bytes {
    #[inline]
    fn pack(event: &Event) -> Self {
        Self::from_owner(serialized(event))
    }
}

impl Message for Event {
    type Owned = Self;
    /// The sum of all fields.
    type Last = u64;

    fn owned(_: usize) -> Self {
        Self { samples: vec![0.0; 8], ..Self::default() }
    }

    fn last(_: usize) -> u64 {
        0
    }

    fn forget(last: &mut u64) {
        *last = 0;
    }

    fn stamp(&mut self, writer: usize, number: u64) {
        self.writer = writer as u32;
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

    #[inline]
    fn accept(sink: &mut Sink<Self>, bytes: &[u8]) {
        sink.see(rkyv::access::<ArchivedEvent, Error>(bytes).expect("an event"));
    }

    fn is(&self, last: &u64) -> bool {
        let bytes = serialized(self);
        rkyv::access::<ArchivedEvent, Error>(&bytes).expect("an event").sum() == *last
    }
}

impl Sink<Event> {
    /// Looks at every field.
    #[inline]
    pub(crate) fn see(&mut self, event: &ArchivedEvent) {
        self.last = black_box(event.sum());
        self.left -= 1;
        if self.round.check {
            let origin = (event.writer.to_native() as usize, event.number.to_native());
            self.compare(origin, |expected| *event == *expected);
        }
    }
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
        let whole = || {
            let mut event = Event::owned(0);
            event.stamp(0, 0);
            event
        };
        for change in changes {
            let mut changed = whole();
            change(&mut changed);
            let bytes = serialized(&changed);
            let archived = rkyv::access::<ArchivedEvent, Error>(&bytes).unwrap();
            assert!(!whole().is(&archived.sum()));
            assert!(*archived != whole());
        }
    }
}
