//! Channels of values: what is sent comes back, in place, and nothing else passes for it.
#![cfg(feature = "rkyv")]

mod batches;
mod depth;

use overfall::error;
use overfall::typed::{
    Channel, InvalidMessage, Reader, RecvError, TryRecvError, TrySendError, Writer,
};
use overfall::{Backpressure, Sent, StrongReader, WeakReader};
use overfall_tests::{LIMIT, Numbers, Task, block_on, within};
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Event {
    number: u64,
    name: String,
    values: Vec<f32>,
    tags: BTreeMap<String, Option<Box<str>>>,
    shared: Arc<str>,
}

fn event(number: u64) -> Event {
    let length = (number % 7) as usize;
    Event {
        number,
        name: "n".repeat(length),
        values: (0..length).map(|value| value as f32).collect(),
        tags: (0..length % 3)
            .map(|tag| (tag.to_string(), (tag == 1).then(|| "x".into())))
            .collect(),
        shared: "shared".into(),
    }
}

#[test]
fn values_come_back_as_they_were_sent() {
    let channel = Channel::new(64 * 1024);
    let mut writer = channel.new_strong_writer();
    let mut reader = channel.new_strong_reader();
    let mut tap = channel.new_weak_reader();
    for number in 0..50 {
        writer.try_send(&event(number)).unwrap();
    }
    for number in 0..50 {
        let received = reader.try_recv().unwrap().unwrap();
        assert_eq!(received.number, number);
        assert_eq!(received.name.len(), (number % 7) as usize);
        assert_eq!(received.header().sequence, number);
        assert_eq!(received.deserialize().unwrap(), event(number));
        drop(received);
        assert_eq!(tap.try_recv().unwrap().unwrap().deserialize().unwrap(), event(number));
    }
    assert!(matches!(reader.try_recv(), Err(TryRecvError::Empty)));
    channel.bytes().drain().unwrap();
    assert!(reader.try_recv().unwrap().is_none());
    assert!(block_on(tap.recv()).unwrap().is_none());
}

#[test]
fn a_value_lies_in_the_ring_and_takes_just_its_length() {
    let channel = Channel::<String>::new(1024);
    let mut writer = channel.new_strong_writer();
    let mut reader = channel.new_strong_reader();
    let text = "x".repeat(100);
    let length = rkyv::to_bytes::<rkyv::rancor::Error>(&text).unwrap().len();
    let addresses: Vec<_> = (0..16)
        .map(|_| {
            writer.try_send(&text).unwrap();
            let received = reader.try_recv().unwrap().unwrap();
            assert_eq!(*received, *text);
            received.as_ptr() as usize
        })
        .collect();
    // Two granules each: eight of them side by side, and the next lap at the same places.
    assert!(addresses[..8].windows(2).all(|pair| pair[1] - pair[0] == 128), "{addresses:?}");
    assert_eq!(addresses[..8], addresses[8..]);
    assert_eq!(writer.get_ref().stats().payload_bytes, 16 * length as u64);
}

#[test]
fn what_is_no_value_is_an_error_and_the_reader_goes_on() {
    let channel = Channel::<Event>::new(4096);
    let mut bytes = channel.bytes().new_strong_writer();
    let mut writer = channel.new_strong_writer();
    let (mut reader, mut tap) = (channel.new_strong_reader(), channel.new_weak_reader());
    for hostile in [&b""[..], b"short", &[0xff; 200], &[0; 7]] {
        bytes.try_send(hostile).unwrap();
    }
    writer.try_send(&event(3)).unwrap();
    for number in 0..4 {
        let error = match reader.try_recv() {
            Err(TryRecvError::Invalid(error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!((error.header.sequence, error.header.writer), (number, bytes.id()));
        // Also where assertions are off it says what was found.
        let source: &rkyv::rancor::BoxedError = &error.source;
        assert_ne!(source.to_string(), rkyv::rancor::Failure.to_string());
        assert!(error.to_string().contains("no value of the type"), "{error}");
        assert!(matches!(block_on(tap.recv()), Err(RecvError::Invalid(_))));
    }
    assert_eq!(reader.try_recv().unwrap().unwrap().deserialize().unwrap(), event(3));
    assert_eq!(tap.try_recv().unwrap().unwrap().deserialize().unwrap(), event(3));
    bytes.try_send(b"again").unwrap();
    let error = reader.blocking().recv().unwrap_err();
    let error = io::Error::from(error);
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.get_ref().unwrap().is::<InvalidMessage>());
}

#[test]
fn either_kind_of_endpoint_sends_and_receives_values() {
    let channel = Channel::<u32>::new(1024);
    let mut writer = Writer::<u32, _>::new(channel.bytes().new_writer());
    writer.try_send(&7).unwrap();
    block_on(writer.send(&8)).unwrap();
    for weak in [false, true] {
        let reader: overfall::Reader = match weak {
            false => channel.bytes().new_strong_reader().into(),
            true => channel.bytes().new_weak_reader().into(),
        };
        let mut reader = Reader::<u32, _>::new(reader);
        assert_eq!(*reader.try_recv().unwrap().unwrap(), 7);
        assert_eq!(*block_on(reader.recv()).unwrap().unwrap(), 8);
        reader.get_mut().terminate();
        assert!(matches!(reader.try_recv(), Err(TryRecvError::Terminated)));
    }
}

#[test]
fn damaged_bytes_never_pass_for_a_value_that_is_out_of_bounds() {
    let valid = rkyv::to_bytes::<rkyv::rancor::Error>(&event(6)).unwrap();
    let (mut writer, reader) = overfall::pipe(1 << 16);
    let mut reader = Reader::<Event>::new(reader);
    let mut numbers = Numbers::new(7);
    let mut invalid = 0;
    for _ in 0..20_000 {
        let mut bytes = valid.to_vec();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len());
            bytes[at] = numbers.below(256) as u8;
        }
        bytes.truncate(bytes.len() - numbers.below(4) * numbers.below(20));
        writer.try_send(&bytes).unwrap();
        match reader.try_recv() {
            // Whatever it is now, all of it can be looked at.
            Ok(Some(received)) => drop(received.deserialize().map(|event| event.name.len())),
            Err(TryRecvError::Invalid(_)) => invalid += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(invalid > 1000, "{invalid}");
}

#[test]
fn a_value_that_is_too_long_is_an_error_and_the_channel_goes_on() {
    let channel = Channel::<Vec<u8>>::new(1024);
    let mut writer = channel.new_weak_writer();
    match writer.try_send(&vec![0; 2000]) {
        Err(TrySendError::Message(error::TrySendError::TooLong { len, max })) => {
            assert_eq!((len, max), (2008, 1024));
        }
        other => panic!("{other:?}"),
    }
    assert!(block_on(writer.send(&vec![0; 2000])).unwrap_err().to_string().contains("1024"));
    let mut writer = writer.blocking();
    let error = io::Error::from(writer.send(&vec![0; 2000]).unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    writer.send(&vec![7; 100]).unwrap();
    assert_eq!(channel.new_strong_reader().try_recv().unwrap().unwrap().len(), 100);
}

#[test]
fn values_of_another_length_come_back_after_many_of_one() {
    let channel = Channel::<Vec<u8>>::new(4096);
    let mut writer = channel.new_strong_writer();
    let mut reader = channel.new_strong_reader();
    // Those of up to 1016 bytes are short.
    let short =
        [10; 8].into_iter().chain([1000, 10, 2000]).chain([1000; 8]).chain([0, 1016, 1017, 90]);
    let lengths = short.chain([2000; 8]).chain([1990, 90, 2000, 90, 1017, 1016]).chain([3000; 5]);
    for (number, length) in lengths.enumerate() {
        writer.try_send(&vec![number as u8; length]).unwrap();
        let received = reader.try_recv().unwrap().unwrap();
        assert_eq!(received.header().sequence, number as u64);
        assert!(received.len() == length && received.iter().all(|&byte| byte == number as u8));
    }
}

#[test]
fn errors_of_values_become_io_errors() {
    fn next(reader: &mut Reader<u64>) -> io::Result<Option<u64>> {
        Ok(reader.try_recv()?.map(|value| value.deserialize()).transpose()?)
    }
    let channel = Channel::<u64>::new(1024);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    assert_eq!(next(&mut reader).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    writer.try_send(&7).unwrap();
    assert_eq!(next(&mut reader).unwrap(), Some(7));
    writer.get_mut().try_send(b"bytes").unwrap();
    let error = next(&mut reader).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.get_ref().unwrap().is::<InvalidMessage>());
    channel.bytes().terminate();
    assert_eq!(next(&mut reader).unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
}

#[test]
fn sending_waits_for_room_and_receiving_for_values() {
    // A short value, and a long one, which goes another way.
    sending_waits_for_room_and_receiving_for_values_of::<16>();
    sending_waits_for_room_and_receiving_for_values_of::<256>();
}

fn sending_waits_for_room_and_receiving_for_values_of<const WORDS: usize>() {
    let channel = Channel::<[u64; WORDS]>::new(8 * WORDS);
    let mut writer = channel.new_strong_writer();
    let mut reader = channel.new_strong_reader();
    let mut receiving = Task::parked(reader.recv());
    writer.try_send(&[1; WORDS]).unwrap();
    assert_eq!(receiving.wakes(), 1);
    let mut sending = Task::parked(writer.send(&[2; WORDS]));
    {
        let Poll::Ready(received) = receiving.poll() else { panic!("it was woken") };
        assert_eq!(received.unwrap().unwrap()[3], 1);
    }
    drop(receiving);
    assert_eq!(sending.wakes(), 1);
    assert!(sending.poll().is_ready());
    drop(sending);
    let mut writer = writer.blocking();
    let soon = Instant::now() + Duration::from_millis(1);
    let full = writer.send_deadline(&[3; WORDS], soon).unwrap_err();
    assert!(matches!(full, TrySendError::Message(error::TrySendError::Full)), "{full}");
    let mut reader = reader.blocking();
    assert_eq!(reader.recv().unwrap().unwrap()[0], 2);
    let none = reader.recv_timeout(Duration::from_millis(1)).unwrap_err();
    assert!(matches!(none, TryRecvError::Empty), "{none}");
}

#[test]
fn a_value_is_given_up_after_a_while_and_counted() {
    // A short value, and a long one, which goes another way.
    a_value_is_given_up_after_a_while_and_counted_of::<8>();
    a_value_is_given_up_after_a_while_and_counted_of::<256>();
}

fn a_value_is_given_up_after_a_while_and_counted_of<const WORDS: usize>() {
    within(LIMIT, || {
        let channel = Channel::<[u64; WORDS]>::new(8 * WORDS);
        let mut reader = channel.new_strong_reader();
        let mut writer = channel.new_strong_writer();
        writer.try_send(&[1; WORDS]).unwrap();
        assert_eq!(
            block_on(writer.send_or_drop(&[2; WORDS], std::future::ready(()))).unwrap(),
            Sent::Dropped
        );
        let mut writer = writer.blocking();
        for timeout in [Duration::ZERO, Duration::from_millis(1)] {
            assert_eq!(writer.send_or_drop(&[3; WORDS], timeout).unwrap(), Sent::Dropped);
        }
        assert_eq!(channel.bytes().stats().dropped_slices, 3);
        drop(reader.try_recv().unwrap().unwrap());
        assert!(reader.try_recv().is_err());
        assert_eq!(writer.send_or_drop(&[4; WORDS], LIMIT).unwrap(), Sent::Delivered);
        let received = reader.try_recv().unwrap().unwrap();
        assert_eq!(received[0], 4);
        assert_eq!(received.header().missed.messages, 3);
    });
}

#[test]
fn a_lossy_writer_drops_values_and_readers_learn_of_it() {
    // A short value, and a long one, which goes another way.
    a_lossy_writer_drops_values_and_readers_learn_of_it_of::<8>();
    a_lossy_writer_drops_values_and_readers_learn_of_it_of::<256>();
}

fn a_lossy_writer_drops_values_and_readers_learn_of_it_of<const WORDS: usize>() {
    let channel = Channel::<[u64; WORDS]>::with_parameters(16 * WORDS, Backpressure::Drop);
    let mut reader = channel.new_strong_reader();
    let mut writer = channel.new_strong_writer();
    for (number, sent) in [Sent::Delivered, Sent::Delivered, Sent::Dropped].into_iter().enumerate()
    {
        assert_eq!(block_on(writer.send(&[number as u64; WORDS])).unwrap(), sent);
    }
    let mut writer = writer.blocking();
    assert_eq!(writer.send(&[3; WORDS]).unwrap(), Sent::Dropped);
    assert_eq!(writer.send_deadline(&[4; WORDS], Instant::now()).unwrap(), Sent::Dropped);
    assert_eq!(writer.get_ref().get_ref().stats().dropped_slices, 3);
    assert_eq!(writer.get_mut().get_mut().backpressure(), Backpressure::Drop);
    for number in 0..2 {
        assert_eq!(reader.try_recv().unwrap().unwrap()[0], number);
    }
    assert_eq!(writer.send(&[5; WORDS]).unwrap(), Sent::Delivered);
    let received = reader.try_recv().unwrap().unwrap();
    assert_eq!((received.header().sequence, received.header().missed.messages), (5, 3));
}

#[test]
fn many_threads_send_and_receive_values() {
    within(LIMIT, || {
        let channel = Channel::<Event>::new(1 << 12);
        let readers: [Reader<Event, StrongReader>; 2] =
            [(); 2].map(|()| channel.new_strong_reader());
        let tap: Reader<Event, WeakReader> = channel.new_weak_reader();
        let writers = [(); 3].map(|()| channel.new_strong_writer());
        drop(channel);
        let receiving = readers.map(|reader| {
            thread::spawn(move || {
                let mut reader = reader.blocking();
                let mut sum = 0;
                while let Some(received) = reader.recv().unwrap() {
                    assert_eq!(received.deserialize().unwrap(), event(received.number.to_native()));
                    sum += received.number.to_native();
                }
                sum
            })
        });
        let tapping = thread::spawn(move || {
            let mut tap = tap.blocking();
            loop {
                match tap.recv() {
                    Ok(Some(received)) => {
                        let number = received.number.to_native();
                        assert_eq!(received.deserialize().unwrap(), event(number));
                    }
                    Ok(None) => break,
                    Err(error) => assert!(matches!(error, RecvError::Lagged(_)), "{error}"),
                }
            }
        });
        let sending = writers.map(|writer| {
            thread::spawn(move || {
                let mut writer: Writer<Event, _> = writer.blocking();
                (0..2000).for_each(|number| writer.send(&event(number)).map(drop).unwrap());
            })
        });
        sending.into_iter().for_each(|thread| thread.join().unwrap());
        for thread in receiving {
            assert_eq!(thread.join().unwrap(), 3 * (0..2000).sum::<u64>());
        }
        tapping.join().unwrap();
    });
}
