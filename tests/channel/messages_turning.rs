//! Messages, and readers that turn, are cloned, and read bytes in between: nothing is taken twice or
//! lost, and what was missed is known as before.

use overfall::error::TryReadError;
use overfall::{Channel, Header, Reader, StartAt, StrongReader, WeakReader, Writer};
use overfall_tests::overwriting;
use std::sync::Arc;

/// A channel whose weak reader has missed two messages of three bytes each.
fn overrun() -> (Arc<Channel>, Writer, WeakReader) {
    let channel = Channel::new(128);
    let mut writer = channel.new_writer();
    let mut reader = channel.new_weak_reader();
    for text in [b"one", b"two", b"red", b"sun"] {
        writer.try_send(text).unwrap();
    }
    assert!(matches!(reader.try_recv(), Err(TryReadError::Lagged(_))));
    let missed = next(&mut reader).missed;
    assert_eq!((missed.messages, missed.bytes), (2, 6));
    (channel, writer, reader)
}

/// The methods of all kinds of readers.
trait Receives {
    fn next(&mut self) -> Header;
    fn missed_in_all(&self) -> (u64, u64);
}

macro_rules! receives {
    ($($reader:ident)*) => {$(
        impl Receives for $reader {
            fn next(&mut self) -> Header {
                self.try_recv().unwrap().unwrap().header()
            }

            fn missed_in_all(&self) -> (u64, u64) {
                let missed = self.missed();
                let sum = self.missed_by_writer().map(|(_, missed)| (missed.messages, missed.bytes));
                let sum = sum.fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
                assert_eq!((missed.messages, missed.bytes), sum);
                sum
            }
        }
    )*};
}
receives!(Reader StrongReader WeakReader);

fn next(reader: &mut impl Receives) -> Header {
    reader.next()
}

#[test]
fn a_reader_that_turns_keeps_its_count() {
    let (_channel, mut writer, reader) = overrun();
    assert_eq!(reader.missed_in_all(), (2, 6));
    let mut reader = reader.into_strong().unwrap();
    assert_eq!(reader.missed_in_all(), (2, 6));
    let header = next(&mut reader);
    assert_eq!((header.sequence, header.missed.is_none()), (3, true));
    let mut reader = reader.into_weak();
    (0..3).for_each(|_| writer.try_send(b"more").unwrap());
    assert!(matches!(reader.try_recv(), Err(TryReadError::Lagged(_))));
    assert_eq!(next(&mut reader).missed.messages, 1);
    assert_eq!(reader.missed_in_all(), (3, 10));
    let mut reader: Reader = reader.into();
    assert_eq!(reader.missed_in_all(), (3, 10));
    assert!(next(&mut reader).missed.is_none());
}

#[test]
fn a_clone_inherits_the_count_and_goes_on_by_itself() {
    let (_channel, mut writer, mut reader) = overrun();
    let mut clone = reader.clone();
    assert_eq!(clone.missed_in_all(), (2, 6));
    assert_eq!(clone.stats().payload_bytes, 0);
    (0..2).for_each(|_| writer.try_send(b"more").unwrap());
    for reader in [&mut clone, &mut reader] {
        assert!(matches!(reader.try_recv(), Err(TryReadError::Lagged(_))));
        let header = next(reader);
        assert_eq!((header.sequence, header.missed.messages, header.missed.bytes), (4, 1, 3));
        assert_eq!(reader.missed_in_all(), (3, 9));
    }
    // One that has yet to tell its gap passes it on.
    (0..4).for_each(|_| writer.try_send(b"more").unwrap());
    let mut strong = clone.clone().into_strong().unwrap_err().reader;
    assert!(matches!(strong.try_recv(), Err(TryReadError::Lagged(_))));
    let mut strong = strong.into_strong().unwrap();
    assert_eq!(next(&mut strong).missed.messages, 3);
    let mut last = strong.clone();
    assert_eq!((strong.missed_in_all(), last.missed_in_all()), ((6, 21), (6, 21)));
    assert!(next(&mut last).missed.is_none());
    // It has not come to that gap, and cannot get what is in there any more.
    assert_eq!(clone.missed_in_all(), (6, 21));
}

#[test]
fn a_clone_of_a_reader_that_has_read_bytes_does_not_count_them_as_missed() {
    let channel = Channel::new(4096);
    let mut writer = channel.new_writer();
    let mut readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    for _ in 0..4 {
        writer.try_send(b"text").unwrap();
    }
    for reader in &mut readers {
        assert_eq!(next(reader).sequence, 0);
        assert_eq!(reader.try_read(&mut [0; 4]), Ok(4));
        let mut clone = reader.clone();
        for reader in [&mut clone, reader] {
            let header = next(reader);
            assert_eq!((header.sequence, header.missed.is_none()), (2, true));
            assert!(next(reader).missed.is_none());
            assert_eq!(reader.missed_in_all(), (0, 0));
        }
    }
}

#[test]
fn what_a_writer_had_sent_before_a_reader_started_is_not_missed() {
    let channel = overwriting(128);
    let mut older = channel.new_writer();
    (0..5).for_each(|_| older.try_send(b"old").unwrap());
    let make: [fn(&Channel) -> Reader; 4] = [
        |channel| channel.new_strong_reader_at(StartAt::Now).into(),
        |channel| channel.new_weak_reader_at(StartAt::Now).into(),
        |channel| channel.new_weak_reader().into(),
        |channel| channel.new_weak_reader_at(StartAt::Back(5)).into(),
    ];
    for make in make {
        let mut reader = make(&channel);
        assert_eq!(reader.missed_in_all(), (0, 0));
        older.try_send(b"next").unwrap();
        let mut missed = (0, 0);
        let mut receive = |reader: &mut Reader| match reader.try_recv() {
            Ok(Some(message)) => {
                let header = message.header();
                assert!(header.sequence >= 4);
                missed.0 += header.missed.messages;
                missed.1 += header.missed.bytes;
                true
            }
            Err(TryReadError::Lagged(_)) => true,
            _ => false,
        };
        while receive(&mut reader) {}
        // A slice that was there when the reader started is overwritten by the next one.
        assert!(missed == (0, 0) || missed == (1, 3) || missed == (1, 4), "{missed:?}");
        assert_eq!(reader.missed_in_all(), missed);
    }
    // All of a newer one is.
    let mut reader = channel.new_weak_reader_at(StartAt::Now);
    let mut newer = channel.new_writer();
    (0..5).for_each(|_| newer.try_send(b"new").unwrap());
    assert!(matches!(reader.try_recv(), Err(TryReadError::Lagged(_))));
    let missed = next(&mut reader).missed;
    assert_eq!((missed.messages, missed.bytes), (3, 9));
}

#[test]
fn an_empty_message_that_a_read_of_bytes_went_past_is_not_missed() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    let mut readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    writer.try_send(b"first").unwrap();
    for reader in &mut readers {
        assert_eq!(next(reader).sequence, 0);
    }
    writer.try_send(b"").unwrap();
    for reader in &mut readers {
        assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty));
    }
    writer.try_send(b"third").unwrap();
    for reader in &mut readers {
        let header = next(reader);
        assert_eq!((header.sequence, header.missed.is_none()), (2, true));
        assert_eq!(reader.missed_in_all(), (0, 0));
    }
}

#[test]
fn either_kind_of_reader_receives_as_its_own_kind_does() {
    let channel = Channel::new(1024);
    let (mut strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    let mut readers: [Reader; 2] = [strong.clone().into(), weak.clone().into()];
    let mut writer = channel.new_writer();
    for length in [3, 0, 70, 5, 64] {
        writer.try_send(&vec![7; length]).unwrap();
    }
    macro_rules! receive {
        ($reader:expr) => {{
            let reader = $reader;
            let first = next(reader);
            let mut bytes = Vec::new();
            let second = reader.try_recv_into(&mut bytes).unwrap().unwrap();
            let mut headers = vec![first, second];
            let messages = reader.try_recv_many(2).unwrap().unwrap();
            headers.extend(messages.iter().map(|message| message.header()));
            drop(messages);
            assert_eq!(reader.try_read(&mut [0; 4]), Ok(4));
            let rest = reader.skip_rest();
            assert_eq!(reader.try_recv().unwrap_err(), TryReadError::Empty);
            assert!(reader.try_recv_many(0).unwrap().unwrap().is_empty());
            (headers, bytes, rest, reader.missed_in_all(), reader.writer_name(1))
        }};
    }
    let of_strong = receive!(&mut strong);
    assert_eq!(of_strong.0.len(), 4);
    assert_eq!(of_strong.2, 60);
    assert_eq!(receive!(&mut weak), of_strong);
    for reader in &mut readers {
        assert_eq!(receive!(reader), of_strong);
    }
}

#[test]
fn an_empty_message_is_not_lost_when_its_reader_turns() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    let reader = channel.new_strong_reader();
    writer.try_send_many(&["", "x"]).unwrap();
    let mut reader = reader.into_weak();
    let header = next(&mut reader);
    assert_eq!((header.sequence, header.len), (0, 0));
    let mut reader = reader.into_strong().unwrap();
    assert_eq!(next(&mut reader).sequence, 1);
}

#[test]
fn the_rest_of_a_message_is_skipped_by_a_reader_that_turned_or_was_cloned_in_the_middle_of_it() {
    let channel = Channel::new(4096);
    let mut writer = channel.new_writer();
    let mut strong = channel.new_strong_reader();
    let mut weak = channel.new_weak_reader();
    writer.try_send(&[1; 1000]).unwrap();
    writer.try_send(b"next").unwrap();
    assert_eq!(strong.try_read(&mut [0; 300]), Ok(300));
    assert_eq!(weak.try_read(&mut [0; 300]), Ok(300));
    let readers: [(&str, Reader); 5] = [
        ("a clone of a strong one", strong.clone().into()),
        ("a clone of a weak one", weak.clone().into()),
        ("a strong one that is weak now", strong.clone().into_weak().into()),
        ("a weak one that is strong now", weak.clone().into_strong().unwrap().into()),
        (
            "a weak one that was strong for a while",
            weak.clone().into_strong().unwrap().into_weak().into(),
        ),
    ];
    for (what, mut reader) in readers {
        assert_eq!(reader.skip_rest(), 700, "{what}");
        assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"next", "{what}");
    }
}

#[test]
fn a_batch_of_a_weak_reader_grows_with_messages_of_any_length() {
    // So that the memory for the copies lies differently each time.
    let mut between = Vec::new();
    for round in 0..16 {
        between.push(vec![0_u8; 16 * round]);
        let channel = Channel::new(1 << 14);
        let mut writer = channel.new_writer();
        let mut reader = channel.new_weak_reader();
        let mut lengths = vec![1 + 20 * round];
        // Small ones fill what there is to its last granule.
        lengths.extend([1; 40]);
        lengths.extend([0, 64, 900, 1, 63]);
        for (number, &length) in lengths.iter().enumerate() {
            writer.try_send(&vec![number as u8; length]).unwrap();
        }
        let messages = reader.try_recv_many(100).unwrap().unwrap();
        assert_eq!(messages.len(), lengths.len());
        for (number, message) in messages.iter().enumerate() {
            assert_eq!(*message, vec![number as u8; lengths[number]]);
            assert!(message.is_empty() || message.as_ptr() as usize % 64 == 0);
        }
    }
}
