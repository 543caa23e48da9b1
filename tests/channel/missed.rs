//! What a reader missed: received, missed and unread make what was sent, whatever became of it.
//!
//! What was sent is what the senders counted here, and what was received is what the reader saw.

use overfall::error::{TryReadError, TrySendError};

use overfall::{Backpressure, Channel, Missed, Reader, Sent as Fate, StartAt, Writer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Messages and payload bytes.
type Sum = (u64, u64);

fn add(sum: &mut Sum, bytes: usize) {
    *sum = (sum.0 + 1, sum.1 + bytes as u64);
}

/// Senders that count what they send, by writer.
#[derive(Default)]
struct Sent(BTreeMap<u32, Sum>);

impl Sent {
    fn send(&mut self, writer: &mut Writer, length: usize) {
        match writer.try_send(&vec![7; length]) {
            Ok(()) => add(self.0.entry(writer.id()).or_default(), length),
            Err(error) => assert_eq!(error, TrySendError::Full),
        }
    }

    fn all(&self) -> Sum {
        self.0.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}

/// A reader, and what it received.
struct Seen {
    reader: Reader,
    by_writer: BTreeMap<u32, Sum>,
    all: Sum,
}

impl Seen {
    fn new(reader: impl Into<Reader>) -> Self {
        Self { reader: reader.into(), by_writer: BTreeMap::new(), all: (0, 0) }
    }

    /// Receives so many messages at the most.
    fn receive(&mut self, limit: usize) {
        let mut left = limit;
        while left > 0 {
            match self.reader.try_recv() {
                Ok(Some(message)) => {
                    add(self.by_writer.entry(message.header().writer).or_default(), message.len());
                    add(&mut self.all, message.len());
                    left -= 1;
                }
                Err(TryReadError::Lagged(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }

    /// Reads bytes, of which only the sum is known.
    fn read(&mut self, limit: usize) {
        let mut buffer = vec![0; limit];
        loop {
            match self.reader.try_read(&mut buffer) {
                Ok(length) => break self.all.1 += length as u64,
                Err(TryReadError::Lagged(_)) => {}
                Err(_) => break,
            }
        }
    }

    fn missed(&self) -> Sum {
        sum(self.reader.missed())
    }

    /// Received and missed make up what was sent, less what was sent before it started.
    #[track_caller]
    fn adds_up(&self, sent: &Sent, before: &BTreeMap<u32, Sum>) {
        let missed: BTreeMap<_, _> = self.reader.missed_by_writer().collect();
        let mut all = (0, 0);
        for (id, of) in &sent.0 {
            let before = before.get(id).copied().unwrap_or_default();
            let sent = (of.0 - before.0, of.1 - before.1);
            all = (all.0 + sent.0, all.1 + sent.1);
            let received = self.by_writer.get(id).copied().unwrap_or_default();
            let missed = missed.get(id).copied().map_or((0, 0), sum);
            assert_eq!((received.0 + missed.0, received.1 + missed.1), sent, "of writer {id}");
        }
        let missed = self.missed();
        assert_eq!((self.all.0 + missed.0, self.all.1 + missed.1), all);
    }
}

fn sum(missed: Missed) -> Sum {
    (missed.messages, missed.bytes)
}

fn none() -> BTreeMap<u32, Sum> {
    BTreeMap::new()
}

/// Channels on which a strong reader, if it is the kind, does not keep writers from sending.
fn channel(capacity: usize) -> Arc<Channel> {
    Channel::with_parameters(capacity, Backpressure::Drop)
}

#[test]
fn what_a_writer_sent_last_is_missed_though_it_never_speaks_again() {
    let channel = channel(1024);
    let mut tap = Seen::new(channel.new_weak_reader());
    let mut sent = Sent::default();
    let mut writers: Vec<Writer> = (0..2).map(|_| channel.new_writer()).collect();
    (0..100).for_each(|_| sent.send(&mut writers[0], 6));
    // Whether it goes, or lives on and is quiet.
    drop(writers.remove(0));
    (0..50).for_each(|_| sent.send(&mut writers[0], 7));
    writers.push(channel.new_writer());
    (0..60).for_each(|_| sent.send(&mut writers[1], 8));
    tap.receive(usize::MAX);
    tap.adds_up(&sent, &none());
    channel.drain().unwrap();
    tap.receive(usize::MAX);
    tap.adds_up(&sent, &none());
    assert_eq!((tap.all.0, tap.missed().0), (16, 194));
}

#[test]
fn a_writer_for_each_message_is_missed_like_any_other() {
    let channel = channel(1024);
    let mut tap = Seen::new(channel.new_weak_reader());
    let mut sent = Sent::default();
    for round in 0..3 {
        for _ in 0..20 {
            sent.send(&mut channel.new_writer(), 10 + round);
        }
        tap.receive(usize::MAX);
    }
    assert_eq!((tap.all.0, tap.missed().0), (48, 12));
    tap.adds_up(&sent, &none());
    // Of so many not each is remembered, but the sum is right, and who is not remembered is told as 0.
    for _ in 0..10_000 {
        sent.send(&mut channel.new_writer(), 9);
    }
    tap.receive(usize::MAX);
    let (missed, all) = (tap.missed(), sent.all());
    assert_eq!((tap.all.0 + missed.0, tap.all.1 + missed.1), all);
    let by_writer: Vec<_> = tap.reader.missed_by_writer().collect();
    assert!(by_writer.len() < 200, "{}", by_writer.len());
    let of_all =
        by_writer.iter().fold((0, 0), |all, (_, one)| (all.0 + one.messages, all.1 + one.bytes));
    assert_eq!(of_all, missed);
    assert!(by_writer[0].0 == 0 && by_writer[0].1.messages > 9_000, "{:?}", by_writer[0]);
}

#[test]
fn a_strong_reader_hears_at_once_of_all_that_was_dropped() {
    let channel = channel(256);
    let mut reader = Seen::new(channel.new_strong_reader());
    let mut writer = channel.new_writer();
    let mut dropping = channel.new_writer();
    let mut sent = Sent::default();
    let mut write = |writer: &mut Writer, length: usize| {
        // `send` drops what has no room, and so does not wait.
        futures::executor::block_on(writer.send(&vec![1; length])).unwrap();
        add(sent.0.entry(writer.id()).or_default(), length);
    };
    (0..4).for_each(|_| write(&mut writer, 10));
    assert_eq!(reader.missed(), (0, 0));
    (0..3).for_each(|_| write(&mut dropping, 20));
    (0..2).for_each(|_| write(&mut writer, 30));
    assert_eq!(reader.missed(), (5, 120));
    let by_writer: Vec<_> =
        reader.reader.missed_by_writer().map(|(id, of)| (id, sum(of))).collect();
    assert_eq!(by_writer, [(writer.id(), (2, 60)), (dropping.id(), (3, 60))]);
    drop(dropping);
    channel.drain().unwrap();
    reader.receive(usize::MAX);
    reader.adds_up(&sent, &none());
    assert_eq!(reader.all, (4, 40));
}

#[test]
fn readers_of_bytes_add_up_in_bytes_and_in_messages() {
    let channel = channel(1024);
    let mut sent = Sent::default();
    let mut writers: Vec<Writer> = (0..3).map(|_| channel.new_writer()).collect();
    let mut taps: Vec<_> = (0..4).map(|_| Seen::new(channel.new_weak_reader())).collect();
    for round in 0..50 {
        for (number, writer) in writers.iter_mut().enumerate() {
            sent.send(writer, [0, 1, 40, 64, 65, 150][(round + number) % 6]);
        }
        for (number, tap) in taps.iter_mut().enumerate() {
            match (number, round % 7) {
                // It stops in the middle of messages, and is overrun there.
                (0, _) => tap.read(33),
                (1, 0) => tap.read(1000),
                (2, 3) => tap.read(7),
                (2, 5) => tap.receive(3),
                (2, 6) => drop(tap.reader.skip_rest()),
                _ => {}
            }
        }
    }
    drop(writers);
    for tap in &mut taps {
        // Whatever is left: then received and missed are all.
        let unread = sent.all().1 - tap.all.1 - tap.missed().1;
        let before = tap.reader.stats().payload_bytes;
        while !matches!(tap.reader.try_read(&mut [0; 4096]), Err(TryReadError::Empty)) {}
        assert!(tap.reader.stats().payload_bytes - before <= unread);
        let missed = tap.missed();
        assert_eq!(tap.reader.stats().payload_bytes + missed.1, sent.all().1);
        let by_writer = tap.reader.missed_by_writer().map(|(_, of)| sum(of));
        assert_eq!(by_writer.fold((0, 0), |all, of| (all.0 + of.0, all.1 + of.1)), missed);
    }
}

#[test]
fn a_message_that_was_read_in_part_and_then_overrun_is_missed_with_what_is_left_of_it() {
    let channel = channel(256);
    let mut writer = channel.new_writer();
    let mut tap = channel.new_weak_reader();
    writer.try_send(&[1; 100]).unwrap();
    assert_eq!(tap.try_read(&mut [0; 30]), Ok(30));
    assert_eq!(sum(tap.missed()), (0, 0));
    for _ in 0..3 {
        writer.try_send(&[2; 100]).unwrap();
    }
    assert_eq!(sum(tap.missed()), (2, 170));
    assert!(matches!(tap.try_recv(), Err(TryReadError::Lagged(_))));
    let header = tap.try_recv().unwrap().unwrap().header();
    assert_eq!((header.missed.messages, header.missed.bytes), (2, 170));
    assert_eq!(sum(tap.missed()), (2, 170));
}

#[test]
fn a_reader_that_starts_late_has_missed_nothing_that_was_sent_before() {
    for start in [StartAt::Oldest, StartAt::Now, StartAt::Back(25)] {
        for strong in [false, true] {
            let channel = channel(512);
            let mut sent = Sent::default();
            let mut writers: Vec<Writer> = (0..2).map(|_| channel.new_writer()).collect();
            for _ in 0..10 {
                writers.iter_mut().for_each(|writer| sent.send(writer, 10));
            }
            // One that has gone, with messages in the ring, and one with none.
            drop(writers.remove(0));
            (0..3).for_each(|_| sent.send(&mut writers[0], 20));
            writers.push(channel.new_writer());
            let before = sent.0.clone();
            let mut late = Seen::new(match strong {
                true => Reader::from(channel.new_strong_reader_at(start)),
                false => channel.new_weak_reader_at(start).into(),
            });
            assert_eq!(late.missed(), (0, 0));
            assert_eq!(late.reader.missed_by_writer().count(), 0);
            let mut clone = Seen::new(late.reader.clone());
            late.receive(usize::MAX);
            assert_eq!(late.missed(), (0, 0));
            // What it received of old ones counts as sent.
            let old = late.by_writer.clone();
            let before: BTreeMap<_, _> = before
                .iter()
                .map(|(id, of)| {
                    let old = old.get(id).copied().unwrap_or_default();
                    (*id, (of.0 - old.0, of.1 - old.1))
                })
                .collect();
            for round in 0..30 {
                writers.iter_mut().for_each(|writer| sent.send(writer, 5 + round));
                if round % 10 == 0 {
                    late.receive(2);
                }
            }
            late.receive(usize::MAX);
            late.adds_up(&sent, &before);
            clone.receive(usize::MAX);
            clone.adds_up(&sent, &before);
        }
    }
}

#[test]
fn a_slice_that_was_in_flight_where_a_reader_starts_is_never_its_loss() {
    for clone in [false, true] {
        for strong in [false, true] {
            let channel = channel(1024);
            let behind = channel.new_weak_reader();
            let (mut writer, mut handle) = (channel.new_writer(), None);
            (0..100).for_each(|_| assert_eq!(writer.try_write(b"before"), Ok(6)));
            let mut other = channel.new_writer();
            let slice = writer.try_reserve(10).unwrap();
            handle.replace(channel.try_reserve_slice(20).unwrap());
            let make = || match strong {
                true => Reader::from(channel.new_strong_reader_at(StartAt::Now)),
                false => channel.new_weak_reader_at(StartAt::Now).into(),
            };
            let mut reader = Seen::new(make());
            if clone {
                reader = Seen::new(reader.reader.clone());
                // One that is far behind says nothing of where others have started.
                drop(behind.clone());
            }
            let mut earlier = Seen::new(channel.new_weak_reader());
            earlier.receive(usize::MAX);
            earlier.all = (0, 0);
            other.try_send(&[1; 30]).unwrap();
            // Hours later.
            let mut slice = slice;
            slice.write_all(&[2; 10]).unwrap();
            slice.commit();
            let mut slice = handle.take().unwrap();
            slice.write_all(&[2; 20]).unwrap();
            slice.commit();
            assert_eq!(reader.missed(), (0, 0));
            assert_eq!(reader.reader.missed_by_writer().count(), 0);
            writer.try_send(&[3; 40]).unwrap();
            let mut headers = Vec::new();
            while let Ok(Some(message)) = reader.reader.try_recv() {
                headers.push(message.header());
            }
            assert_eq!(headers.len(), 2);
            assert!(headers.iter().all(|header| header.missed.is_none()), "{headers:?}");
            assert_eq!(reader.missed(), (0, 0));
            drop((writer, other));
            assert_eq!(reader.missed(), (0, 0));
            // For one that starts before them they are like others.
            earlier.receive(usize::MAX);
            assert_eq!((earlier.all, earlier.missed()), ((4, 100), (0, 0)));
        }
    }
}

#[test]
fn what_lies_behind_a_slice_in_flight_is_unread_and_not_missed() {
    let channel = channel(1024);
    let (mut slow, mut fast) = (channel.new_writer(), channel.new_writer());
    let mut tap = Seen::new(channel.new_weak_reader());
    let slice = slow.try_reserve(10).unwrap();
    (0..5).for_each(|_| fast.try_send(b"behind").unwrap());
    tap.receive(usize::MAX);
    assert_eq!((tap.all, tap.missed()), ((0, 0), (0, 0)));
    slice.abort();
    tap.receive(usize::MAX);
    assert_eq!((tap.all, tap.missed()), ((5, 30), (0, 0)));
}

#[test]
fn a_reader_that_turns_weak_or_strong_keeps_its_sums() {
    let channel = channel(512);
    let mut sent = Sent::default();
    let mut writers: Vec<Writer> = (0..2).map(|_| channel.new_writer()).collect();
    let mut dropped = Sent::default();
    let mut seen = Seen::new(channel.new_strong_reader());
    for round in 0..40 {
        for _ in 0..6 {
            for writer in &mut writers {
                let before = writer.stats();
                futures::executor::block_on(writer.send(&[1; 9])).unwrap();
                add(sent.0.entry(writer.id()).or_default(), 9);
                if writer.stats().dropped_slices > before.dropped_slices {
                    add(dropped.0.entry(writer.id()).or_default(), 9);
                }
            }
        }
        // So that it has no gap to tell, and can turn strong.
        seen.receive(1);
        let missed = seen.missed();
        seen.reader = match seen.reader {
            Reader::Strong(reader) => reader.into_weak().into(),
            Reader::Weak(reader) => match reader.into_strong() {
                Ok(reader) => reader.into(),
                Err(error) => error.reader.into(),
            },
        };
        assert_eq!(seen.missed(), missed, "round {round}");
        match round % 5 {
            0 => seen.receive(1),
            1 => seen.receive(usize::MAX),
            2 => seen.receive(3),
            _ => {}
        }
    }
    seen.receive(usize::MAX);
    seen.adds_up(&sent, &none());
    let (received, missed, dropped) = (seen.all.0, seen.missed().0, dropped.all().0);
    assert!(received > 20 && dropped > 20 && missed > 2 * dropped, "{received} {missed} {dropped}");
}

#[test]
fn what_is_left_unread_at_a_terminate_is_given_up_and_not_missed() {
    let channel = channel(256);
    let mut writer = channel.new_writer();
    let mut tap = channel.new_weak_reader();
    let mut other = channel.new_weak_reader();
    (0..6).for_each(|_| writer.try_send(b"text").unwrap());
    assert_eq!(sum(tap.missed()), (2, 8));
    tap.terminate();
    (0..3).for_each(|_| writer.try_send(b"text").unwrap());
    // What comes later is nothing to it.
    assert_eq!(sum(tap.missed()), (2, 8));
    assert_eq!(sum(tap.clone().missed()), (2, 8));
    channel.terminate();
    assert!(other.try_recv().is_err());
    assert_eq!(sum(other.missed()), (5, 20));
}

#[test]
fn a_late_slice_without_a_writer_hides_nothing_of_what_is_dropped() {
    for strong in [false, true] {
        let channel = channel(64 * 1024);
        let mut slice = channel.try_reserve_slice(10).unwrap();
        slice.write_all(&[7; 10]).unwrap();
        let mut reader = Seen::new(match strong {
            true => Reader::from(channel.new_strong_reader_at(StartAt::Now)),
            false => channel.new_weak_reader_at(StartAt::Now).into(),
        });
        // So many that the reader forgets those that have gone.
        for _ in 0..300 {
            channel.new_writer().try_send(b"passing").unwrap();
            reader.receive(1);
        }
        slice.commit();
        assert_eq!((reader.all.0, reader.missed()), (300, (0, 0)));
        let mut writer = channel.new_writer();
        // The first slice that is overwritten was sent before; a strong reader holds all behind it.
        let dropped = (0..1200)
            .filter(|_| futures::executor::block_on(writer.send(b"flood")) == Ok(Fate::Dropped))
            .count() as u64;
        let sent = 1200;
        let mut left = 0;
        while matches!(reader.reader.try_recv(), Ok(Some(_)) | Err(TryReadError::Lagged(_))) {
            left += 1;
        }
        assert!(left > 0 && (dropped > 0) == strong);
        let received = reader.reader.stats().payload_bytes - 300 * 7;
        assert_eq!(received + reader.missed().1, sent * 5);
    }
}
