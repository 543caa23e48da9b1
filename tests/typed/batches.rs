//! Values in batches, streams and sinks, and what typed endpoints have of those of bytes.

use super::{Event, event};
use overfall::error;
use overfall::typed::{Channel, Reader, RecvError, SendError, TryRecvError, TrySendError, Writer};
use overfall::{Backpressure, Sent};
use overfall_tests::{Task, block_on};
use rkyv::{Archive, Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn events(numbers: std::ops::Range<u64>) -> Vec<Event> {
    numbers.map(event).collect()
}

#[test]
fn a_batch_of_values_comes_as_a_whole_and_in_order() {
    let channel = Channel::<Event>::new(64 * 1024);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    let mut tap = channel.new_weak_reader();
    writer.try_send_many(&[]).unwrap();
    writer.try_send_many(&events(0..20)).unwrap();
    assert_eq!(block_on(writer.send_many(&events(20..30))).unwrap(), Sent::Delivered);
    let mut writer = writer.blocking();
    assert_eq!(writer.send_many(&events(30..40)).unwrap(), Sent::Delivered);
    assert_eq!(writer.stats().slices, 40);
    let batch = reader.try_recv_many(25).unwrap().unwrap();
    assert_eq!((batch.len(), batch.is_empty(), batch.iter().len()), (25, false, 25));
    for (number, value) in batch.iter().enumerate() {
        assert_eq!(value.unwrap().deserialize().unwrap(), event(number as u64));
    }
    drop(batch);
    assert_eq!(block_on(reader.recv_many(5)).unwrap().unwrap().len(), 5);
    let mut reader = reader.blocking();
    let batch = reader.recv_many(100).unwrap().unwrap();
    assert_eq!(batch.into_iter().next().unwrap().unwrap().number, 30);
    drop(batch);
    let batch = tap.try_recv_many(100).unwrap().unwrap();
    assert_eq!(batch.iter().last().unwrap().unwrap().deserialize().unwrap(), event(39));
    drop(batch);
    channel.drain().unwrap();
    assert!(reader.recv_many(1).unwrap().is_none());
    assert!(tap.try_recv_many(1).unwrap().is_none());
    assert!(block_on(tap.recv_many(1)).unwrap().is_none());
}

#[test]
fn a_batch_waits_for_its_room_or_is_dropped_and_counted() {
    // A short batch, and one of 32 KiB, which goes another way.
    a_batch_waits_for_its_room_or_is_dropped_and_counted_of::<8>();
    a_batch_waits_for_its_room_or_is_dropped_and_counted_of::<2048>();
}

fn a_batch_waits_for_its_room_or_is_dropped_and_counted_of<const WORDS: usize>() {
    let channel = Channel::<[u64; WORDS]>::new(4 * 8 * WORDS);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    writer.try_send_many(&[[1; WORDS]; 3]).unwrap();
    let full = writer.try_send_many(&[[2; WORDS]; 2]).unwrap_err();
    assert!(matches!(full, TrySendError::Message(error::TrySendError::Full)));
    let long = writer.try_send_many(&[[2; WORDS]; 5]).unwrap_err();
    let long_too = block_on(writer.send_many(&[[2; WORDS]; 5])).unwrap_err();
    assert_eq!(long.to_string(), long_too.to_string());
    let mut sending = Task::parked(writer.send_many(&[[2; WORDS]; 2]));
    // They do not fit before the end of the lap.
    drop(reader.try_recv_many(2).unwrap());
    assert_eq!(sending.wakes(), 1);
    assert!(matches!(sending.poll(), std::task::Poll::Ready(Ok(Sent::Delivered))));
    drop(sending);
    writer.get_mut().set_backpressure(Backpressure::Drop);
    assert_eq!(block_on(writer.send_many(&[[3; WORDS]; 2])).unwrap(), Sent::Dropped);
    assert_eq!(writer.blocking().send_many(&[[3; WORDS]; 2]).unwrap(), Sent::Dropped);
    assert_eq!(
        (channel.stats().dropped_slices, channel.stats().dropped_bytes),
        (4, 4 * 8 * WORDS as u64)
    );
    channel.terminate();
    assert!(matches!(reader.try_recv_many(1), Err(TryRecvError::Terminated)));
}

#[test]
fn what_is_no_value_is_an_item_of_its_batch() {
    let channel = Channel::<u64>::new(1024);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    writer.try_send(&1).unwrap();
    writer.get_mut().try_send("bytes").unwrap();
    writer.try_send(&3).unwrap();
    let batch = reader.try_recv_many(9).unwrap().unwrap();
    let valid: Vec<_> = batch.iter().map(|value| value.is_ok()).collect();
    assert_eq!(valid, [true, false, true]);
}

/// A long value whose `Serialize` panics, or does something else each time: aside, to be measured, and into the ring.
#[derive(Archive, Serialize, Deserialize)]
struct Moody(#[rkyv(with = moods::Count)] u32);

mod moods {
    use rkyv::rancor::Fallible;
    use rkyv::ser::Writer;
    use rkyv::with::{ArchiveWith, DeserializeWith, SerializeWith};
    use rkyv::{Archive, Place, Serialize};
    use std::cell::Cell;

    /// No value, nor any batch with it, is serialized aside in one go.
    const LONG: usize = 17_000;

    thread_local!(static CALLS: Cell<usize> = const { Cell::new(0) });

    /// The next call is the first one of a value.
    pub(super) fn begin() {
        CALLS.set(0);
    }

    /// How many calls there were since then.
    pub(super) fn calls() -> usize {
        CALLS.get()
    }

    #[derive(Debug)]
    pub struct Count;

    impl ArchiveWith<u32> for Count {
        type Archived = <Vec<u8> as Archive>::Archived;
        type Resolver = <Vec<u8> as Archive>::Resolver;

        fn resolve_with(_: &u32, resolver: Self::Resolver, out: Place<Self::Archived>) {
            Vec::<u8>::new().resolve(resolver, out);
        }
    }

    impl<S: Fallible + rkyv::ser::Allocator + Writer + ?Sized> SerializeWith<u32, S> for Count {
        fn serialize_with(mood: &u32, s: &mut S) -> Result<Self::Resolver, S::Error> {
            let call = CALLS.with(|calls| calls.replace(calls.get() + 1));
            let (aside, measured, filled) = (call % 3 == 0, call % 3 == 1, call % 3 == 2);
            match mood {
                1 if filled => panic!("on purpose"),
                2 if filled => vec![0u8; LONG + 200].serialize(s),
                3 if measured => vec![0u8; LONG + 200].serialize(s),
                4 if aside => panic!("on purpose"),
                5 => vec![0u8; 40].serialize(s),
                6 => vec![0u8; 130].serialize(s),
                _ => vec![0u8; LONG].serialize(s),
            }
        }
    }

    impl<D: Fallible + ?Sized> DeserializeWith<<Vec<u8> as Archive>::Archived, u32, D> for Count {
        fn deserialize_with(
            _: &<Vec<u8> as Archive>::Archived,
            _: &mut D,
        ) -> Result<u32, D::Error> {
            Ok(0)
        }
    }
}

#[test]
fn a_batch_with_a_value_that_panics_or_changes_is_given_up_as_a_whole() {
    for mood in 1..=4 {
        let channel = Channel::<Moody>::new(1 << 16);
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        moods::begin();
        let sent = catch_unwind(AssertUnwindSafe(|| writer.try_send_many(&[Moody(mood)])));
        match sent {
            Err(_) => assert!(mood == 1 || mood == 4),
            Ok(sent) => {
                let error = sent.unwrap_err();
                assert!(matches!(error, TrySendError::Serialize(_)), "{error}");
            }
        }
        writer.try_send(&Moody(0)).unwrap();
        assert_eq!(reader.try_recv_many(9).unwrap().unwrap().len(), 1);
        assert_eq!(channel.stats().slices, 1);
    }
}

#[test]
fn a_short_value_is_serialized_once_alone_or_in_a_batch_also_if_there_is_no_room() {
    let channel = Channel::<Moody>::new(256);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    moods::begin();
    for expected in 1..=4 {
        writer.try_send(&Moody(5)).unwrap();
        assert_eq!(moods::calls(), expected);
    }
    let error = writer.try_send(&Moody(5)).unwrap_err();
    assert!(matches!(error, TrySendError::Message(error::TrySendError::Full)), "{error}");
    assert_eq!(moods::calls(), 5);
    assert_eq!(reader.try_recv_many(9).unwrap().unwrap().len(), 4);
    let batch = [Moody(5), Moody(5), Moody(5)];
    writer.try_send_many(&batch).unwrap();
    assert_eq!(moods::calls(), 8);
    let error = writer.try_send_many(&batch).unwrap_err();
    assert!(matches!(error, TrySendError::Message(error::TrySendError::Full)), "{error}");
    assert_eq!(moods::calls(), 11);
    let received = reader.try_recv_many(9).unwrap().unwrap();
    assert!(received.len() == 3 && received.iter().all(|value| value.is_ok()));
}

#[test]
fn whatever_gives_values_is_a_batch() {
    let channel = Channel::<u64>::new(4096);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    let values = vec![1, 2, 3];
    writer.try_send_many(&values).unwrap();
    writer.try_send_many(values.iter().filter(|value| **value > 1)).unwrap();
    writer.try_send_many(Some(&4)).unwrap();
    assert_eq!(block_on(writer.send_many(values.iter().rev())).unwrap(), Sent::Delivered);
    writer.blocking().send_many(values.iter().filter(|_| false)).unwrap();
    let batch = reader.try_recv_many(99).unwrap().unwrap();
    let received: Vec<u64> = batch.iter().map(|value| value.unwrap().to_native()).collect();
    assert_eq!(received, [1, 2, 3, 2, 3, 4, 3, 2, 1]);
}

#[test]
fn a_batch_that_is_longer_or_shorter_the_second_time_is_given_up_as_a_whole() {
    /// So many at first, and in its clones.
    struct Moody([usize; 2]);
    impl Clone for Moody {
        fn clone(&self) -> Self {
            Self([self.0[1], self.0[1]])
        }
    }
    impl Iterator for Moody {
        type Item = &'static [u64; 256];

        fn next(&mut self) -> Option<&'static [u64; 256]> {
            self.0[0] = self.0[0].checked_sub(1)?;
            Some(&[7; 256])
        }
    }
    // In 2 KiB each: more than is serialized aside.
    for counts in [[9, 10], [10, 9], [0, 9]] {
        let channel = Channel::<[u64; 256]>::new(1 << 16);
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        let error = writer.try_send_many(Moody(counts)).unwrap_err();
        assert!(matches!(error, TrySendError::Serialize(_)), "{error}");
        writer.try_send(&[8; 256]).unwrap();
        assert_eq!(reader.try_recv_many(9).unwrap().unwrap().len(), 1, "{counts:?}");
        assert_eq!(channel.stats().slices, 1);
    }
}

#[test]
fn a_hand_over_of_values_that_is_cancelled_loses_nothing() {
    async fn pass_on(from: &mut Reader<u64>, to: &mut Writer<u64>) -> std::io::Result<bool> {
        let Some(message) = from.get_mut().peek().await? else { return Ok(false) };
        to.get_mut().send(&message).await?;
        message.consume();
        Ok(true)
    }
    let (near, far) = (Channel::<u64>::new(1024), Channel::<u64>::new(64));
    let (mut from, mut to) = (near.new_strong_reader(), far.new_strong_writer());
    let mut out = far.new_strong_reader();
    near.new_writer().try_send_many(&[1, 2, 3]).unwrap();
    near.drain().unwrap();
    for number in 1..=3 {
        assert!(block_on(pass_on(&mut from, &mut to)).unwrap());
        if number < 3 {
            drop(Task::parked(pass_on(&mut from, &mut to)));
        }
        assert_eq!(*out.try_recv().unwrap().unwrap(), number);
    }
    assert!(!block_on(pass_on(&mut from, &mut to)).unwrap());
}

#[test]
fn typed_endpoints_have_figures_and_ends() {
    let channel = Channel::<u64>::new(1024);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
    writer.try_send(&1).unwrap();
    drop(reader.try_recv().unwrap());
    assert_eq!((writer.stats().slices, reader.stats().payload_bytes), (1, 8));
    writer.terminate();
    reader.terminate();
    assert!(matches!(block_on(reader.recv()), Err(RecvError::Terminated)));
    let terminated = block_on(writer.send(&2)).unwrap_err();
    assert!(matches!(terminated, SendError::Message(error::SendError::Terminated)));
    channel.drain().unwrap();
    assert!(channel.bytes().is_closed());
}

#[cfg(feature = "futures")]
mod streams {
    use super::*;
    use futures::{FutureExt, SinkExt, StreamExt, TryStreamExt};

    #[test]
    fn values_go_through_a_sink_and_a_stream() {
        let channel = Channel::<Event>::new(1024);
        let (sink, stream) = (channel.new_writer().into_sink(), channel.new_strong_reader());
        drop(channel);
        let sending = futures::stream::iter(events(0..100).into_iter().map(Ok)).forward(sink);
        let receiving = stream.into_stream().try_collect::<Vec<_>>();
        let (sent, received) = block_on(futures::future::join(sending, receiving));
        sent.unwrap();
        assert_eq!(received.unwrap(), events(0..100));
    }

    #[test]
    fn a_value_that_waits_in_a_sink_that_goes_is_sent_or_counted() {
        // Short values, and long ones, which go another way.
        let ways = [(256, 100, 130), (4096, 2000, 2300)];
        for (has_room, (capacity, first, second)) in
            [true, false].into_iter().flat_map(|has_room| ways.map(|way| (has_room, way)))
        {
            let channel = Channel::<Vec<u8>>::new(capacity);
            let mut reader = channel.new_strong_reader();
            let mut sink = channel.new_writer().into_sink();
            block_on(sink.feed(vec![1; first])).unwrap();
            block_on(sink.feed(vec![2; second])).unwrap();
            assert!(sink.feed(vec![3]).now_or_never().is_none());
            if has_room {
                drop(reader.try_recv().unwrap());
            }
            drop(sink.into_inner());
            assert_eq!(channel.stats().dropped_slices, u64::from(!has_room));
            let received = reader.try_recv().unwrap().unwrap();
            assert_eq!(received[0], if has_room { 2 } else { 1 });
        }
    }

    #[test]
    fn a_short_value_that_waits_in_a_sink_is_serialized_once() {
        let channel = Channel::<Moody>::new(256);
        let _reader = channel.new_strong_reader();
        let mut sink = channel.new_writer().into_sink();
        moods::begin();
        // There is some room behind the first one, but not for another.
        for expected in 1..=2 {
            block_on(sink.feed(Moody(6))).unwrap();
            assert_eq!((moods::calls(), channel.stats().slices), (expected, 1));
        }
    }

    #[test]
    fn a_stream_of_values_goes_on_after_gaps_and_after_what_is_no_value() {
        let channel = Channel::<u64>::new(128);
        let (mut writer, tap) = (channel.new_writer(), channel.new_weak_reader());
        (0..4).for_each(|number| writer.try_send(&number).unwrap());
        let mut stream = tap.into_stream();
        assert!(matches!(block_on(stream.next()), Some(Err(RecvError::Lagged(_)))));
        assert_eq!(block_on(stream.next()).unwrap().unwrap(), 2);
        assert_eq!(block_on(stream.next()).unwrap().unwrap(), 3);
        writer.get_mut().try_send("bytes").unwrap();
        assert!(matches!(block_on(stream.next()), Some(Err(RecvError::Invalid(_)))));
        let reader: &Reader<u64, _> = stream.get_ref();
        assert_eq!(reader.stats().gaps, 1);
        channel.terminate();
        assert!(matches!(block_on(stream.next()), Some(Err(RecvError::Terminated))));
        assert!(block_on(stream.next()).is_none());
        let mut sink = channel.new_writer().into_sink();
        let ended = block_on(sink.send(1)).unwrap_err();
        assert!(matches!(ended, SendError::Message(error::SendError::Terminated)));
    }
}
