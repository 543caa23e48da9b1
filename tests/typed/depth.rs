//! What is nested deeper than readers validate is refused by the sender, and says so.

use overfall::typed::{Channel, SendError, TryRecvError, TrySendError, Writer};
use overfall::{Backpressure, Sent};
use overfall_tests::block_on;
use rkyv::rancor::BoxedError;
use rkyv::{Archive, Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Readers accept so many levels below the value itself.
const LIMIT: usize = 256;

/// A level in each way that a value can have one.
#[derive(Archive, Serialize, Deserialize)]
#[rkyv(serialize_bounds(
    __S: rkyv::ser::Writer + rkyv::ser::Allocator + rkyv::ser::Sharing,
    __S::Error: rkyv::rancor::Source
))]
#[rkyv(deserialize_bounds(__D: rkyv::de::Pooling, __D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(
    __C: rkyv::validation::ArchiveContext + rkyv::validation::SharedContext,
    __C::Error: rkyv::rancor::Source
)))]
enum Nested {
    End,
    Box(#[rkyv(omit_bounds)] Box<Nested>),
    List(#[rkyv(omit_bounds)] Vec<Nested>),
    Shared(#[rkyv(omit_bounds)] Arc<Nested>),
    Map(#[rkyv(omit_bounds)] BTreeMap<u32, Nested>),
}

const WAYS: [fn(Nested) -> Nested; 4] = [
    |inner| Nested::Box(Box::new(inner)),
    |inner| Nested::List(vec![inner]),
    |inner| Nested::Shared(Arc::new(inner)),
    |inner| Nested::Map(BTreeMap::from([(7, inner)])),
];

fn nested(way: fn(Nested) -> Nested, depth: usize) -> Nested {
    (0..depth).fold(Nested::End, |inner, _| way(inner))
}

/// All that an error says, with its causes.
fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}; {error}");
        cause = error.source();
    }
    text
}

#[test]
fn what_a_writer_takes_a_reader_of_the_same_type_receives() {
    // Without optimizations a level of a map takes several kilobytes of the stack.
    let thread = thread::Builder::new().stack_size(64 << 20);
    thread.spawn(refuse_or_receive).unwrap().join().unwrap();
}

fn refuse_or_receive() {
    for way in WAYS {
        let channel = Channel::<Nested>::new(1 << 20);
        let mut writer = channel.new_strong_writer();
        let (mut reader, mut tap) = (channel.new_strong_reader(), channel.new_weak_reader());
        for depth in [0, 1, 100, LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2, 1000, LIMIT, 3] {
            let before = channel.bytes().stats();
            match writer.try_send(&nested(way, depth)) {
                Ok(()) => {
                    assert!(depth <= LIMIT, "{depth}");
                    assert!(reader.try_recv().unwrap().is_some(), "{depth}");
                    assert!(tap.try_recv().unwrap().is_some(), "{depth}");
                }
                Err(error @ TrySendError::Serialize(_)) => {
                    assert!(depth > LIMIT, "{depth}");
                    let text = text(&error);
                    assert!(text.contains("deeper than 256 levels"), "{text}");
                    let after = channel.bytes().stats();
                    assert_eq!((after.reserved, after.slices), (before.reserved, before.slices));
                }
                Err(other) => panic!("{depth}: {other}"),
            }
        }
    }
}

#[test]
fn every_way_to_send_refuses_what_is_too_deep() {
    let deep = nested(WAYS[0], 400);
    for backpressure in [Backpressure::Block, Backpressure::Drop] {
        let channel = Channel::<Nested>::with_parameters(1 << 16, backpressure);
        let reader = channel.new_strong_reader();
        let mut writer = channel.new_strong_writer();
        let refused = |result| matches!(result, Err(SendError::Serialize(_)));
        assert!(refused(block_on(writer.send(&deep))));
        assert!(refused(block_on(writer.send_or_drop(&deep, std::future::ready(())))));
        for batch in
            [&[nested(WAYS[0], 1), nested(WAYS[0], 400)], &[nested(WAYS[0], 400), Nested::End]]
        {
            assert!(matches!(writer.try_send_many(batch), Err(TrySendError::Serialize(_))));
            assert!(refused(block_on(writer.send_many(batch))));
        }
        let mut either = Writer::<Nested, _>::new(channel.bytes().new_writer());
        assert!(refused(block_on(either.send(&deep))));
        let mut weak = channel.new_weak_writer();
        assert!(matches!(weak.try_send(&deep), Err(TrySendError::Serialize(_))));
        let mut blocking = weak.blocking();
        let long = Duration::from_secs(60);
        assert!(refused(blocking.send(&deep)));
        assert!(refused(blocking.send_or_drop(&deep, long)));
        let error = blocking.send_timeout(&deep, long).unwrap_err();
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
        assert_eq!(blocking.send(&nested(WAYS[0], LIMIT)).unwrap(), Sent::Delivered);
        let stats = channel.bytes().stats();
        assert_eq!((stats.slices, stats.dropped_slices), (1, 0));
        drop(reader);
    }
}

#[test]
fn values_of_many_parts_that_are_not_deep_come_through_whatever_went_before() {
    let channel = Channel::<Vec<String>>::new(1 << 20);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    // Those with few parts are guessed at after a few, and those with many are as long.
    let few = vec!["x".repeat(8 * 2000)];
    let many: Vec<_> = (0..1000).map(|number| format!("{number:8}")).collect();
    for round in 0..60 {
        let value = if round % 10 < 6 { &few } else { &many };
        writer.try_send(value).unwrap();
        assert_eq!(&reader.try_recv().unwrap().unwrap().deserialize().unwrap(), value);
    }
    assert!(matches!(reader.try_recv(), Err(TryRecvError::Empty)));
}

/// What is written past the typed channel is still the reader's to refuse.
#[test]
fn what_is_nested_too_deep_is_an_error_and_no_overflow_of_the_stack() {
    let channel = Channel::<Nested>::new(1 << 20);
    let mut bytes = channel.bytes().new_strong_writer();
    let mut reader = channel.new_strong_reader();
    for depth in [200, 400, 1000, 1] {
        let value = nested(WAYS[0], depth);
        bytes.try_send(&rkyv::to_bytes::<BoxedError>(&value).unwrap()).unwrap();
        match reader.try_recv() {
            Ok(received) => assert!(received.is_some() && depth <= LIMIT),
            Err(TryRecvError::Invalid(_)) => assert!(depth > LIMIT),
            Err(other) => panic!("{other}"),
        }
    }
}
