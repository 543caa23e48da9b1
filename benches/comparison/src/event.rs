//! What typed channels carry: an event with numbers, a name and a few samples, which is made of the
//! header of a message. A reader looks at every field where it lies, and leaves their sum.

use crate::endpoints::*;
use crate::message::header;
use rkyv::api::high::to_bytes_in;
use rkyv::rancor::Error;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Serialize};
use std::hint::black_box;

#[derive(Archive, Serialize, Clone, Default)]
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

/// How many bytes it becomes. The names differ in length; so it is that of a writer's first.
pub(crate) const SIZE: usize = 112;

const NAMES: [&str; 4] = [
    "plant-7/turbine-3/inlet/pressure",
    "plant-7/turbine-3/outlet/speed",
    "plant-7/gearbox/oil/temperature",
    "plant-7/hall/humidity",
];

impl Event {
    /// The event of a message. While the message stays the same, so does its event.
    #[inline]
    pub(crate) fn of_message(&mut self, message: &[u8]) -> &Self {
        let header = header(message);
        if header != u64::from(self.writer) << 48 | self.number {
            *self = Self::of(header);
        }
        black_box(self)
    }

    fn of(header: u64) -> Self {
        let number = header & ((1 << 48) - 1);
        let sample = |place: u16| (number % 1000) as f32 + f32::from(place) * 0.125;
        Self {
            writer: (header >> 48) as u32,
            kind: number as u16 ^ 0x5555,
            number,
            nanoseconds: number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            value: number as f64 * 0.25 + 1.5,
            source: NAMES[number as usize % NAMES.len()].into(),
            samples: (0..8).map(sample).collect(),
        }
    }
}

fn serialized(event: &Event) -> AlignedVec {
    rkyv::to_bytes::<Error>(event).expect("it can be serialized")
}

/// Serializes the event of each message, in a new vector.
pub(crate) fn pack() -> impl Pack<AlignedVec> {
    let mut event = Event::default();
    move |message: &[u8]| serialized(event.of_message(message))
}

/// The same, in a vector that is kept.
pub(crate) fn fill() -> impl FnMut(&mut AlignedVec, &[u8]) + Clone + Send + 'static {
    let mut event = Event::default();
    move |buffer: &mut AlignedVec, message: &[u8]| {
        buffer.clear();
        to_bytes_in::<_, Error>(event.of_message(message), buffer).expect("it can be serialized");
    }
}

/// Sends the bytes of events, out of a vector that is kept or of a new one for each.
pub(crate) fn serializing<R>(ends: Ends<impl Sender, R>, is_kept: bool) -> Ends<impl Sender, R> {
    let senders = ends.senders.into_iter().map(|mut send| {
        let (mut buffer, mut pack, mut fill) = (AlignedVec::new(), pack(), fill());
        move |message: &[u8]| {
            if is_kept {
                fill(&mut buffer, message);
            } else {
                buffer = pack(message);
            }
            send(&buffer)
        }
    });
    Ends::new(senders, ends.receivers)
}

fn archived(bytes: &[u8]) -> &ArchivedEvent {
    rkyv::access::<ArchivedEvent, Error>(bytes).expect("an event")
}

pub(crate) fn stamp(buffer: &mut [u8], header: u64) {
    archived(&serialized(&Event::of(header))).leave(buffer);
}

#[inline(never)]
pub(crate) fn access(sink: &mut Sink, bytes: &[u8]) {
    see(sink, archived(bytes));
}

/// Looks at every field.
// Not inlined, alike for all, so that it is no part of the loops of readers of bytes.
#[inline(never)]
pub(crate) fn see(sink: &mut Sink, event: &ArchivedEvent) {
    event.leave(sink.buffer());
    if sink.round.check {
        assert!(*event == Event::of(event.header()), "{}: a field is wrong", sink.setup.name);
    }
    sink.received();
}

impl ArchivedEvent {
    fn header(&self) -> u64 {
        u64::from(self.writer.to_native()) << 48 | self.number.to_native()
    }

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

    /// What a reader leaves in its buffer.
    #[inline]
    fn leave(&self, buffer: &mut [u8]) {
        buffer[..8].copy_from_slice(&self.header().to_le_bytes());
        buffer[8..16].copy_from_slice(&self.sum().to_le_bytes());
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
        for change in changes {
            let mut event = Event::of(1 << 48);
            let before = serialized(&event);
            assert_eq!(before.len(), SIZE);
            change(&mut event);
            let after = serialized(&event);
            assert_ne!(archived(&before).sum(), archived(&after).sum());
            assert!(*archived(&before) != event);
        }
    }
}
