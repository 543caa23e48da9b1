//! Attempts in vain are short: a glance tells that nothing has changed. Whatever does change is found all the same.

use overfall::error::{TryReadError, TryReserveError, TrySendError, TryWriteError};
use overfall::{Channel, StartAt, StrongReader, StrongWriter, WeakReader};
use overfall_tests::Task;
use std::sync::Arc;

const GRANULE: usize = 64;
const GRANULES: usize = 8;

/// A full ring, and its reader. All ways in have been refused, and then a smaller message, and all are refused again.
fn full() -> (Arc<Channel>, StrongWriter, StrongReader) {
    let channel = Channel::new(GRANULE * GRANULES);
    let (mut writer, reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    (0..GRANULES).for_each(|_| writer.try_send(&[1; GRANULE]).unwrap());
    is_full(&mut writer);
    (channel, writer, reader)
}

fn is_full(writer: &mut StrongWriter) {
    for length in [3 * GRANULE, 1, 2 * GRANULE, 2 * GRANULE, 1, 0] {
        let bytes = &[2; 3 * GRANULE][..length];
        assert_eq!(writer.try_send(bytes), Err(TrySendError::Full));
        assert!(writer.try_reserve(length).is_err());
        let written = if length == 0 { Ok(0) } else { Err(TryWriteError::Full) };
        assert_eq!(writer.try_write(bytes), written);
    }
    assert!(matches!(writer.try_reserve(usize::MAX), Err(TryReserveError::TooLong { .. })));
    let long = [2; GRANULE * (GRANULES + 1)];
    assert!(matches!(writer.try_send(&long), Err(TrySendError::TooLong { .. })));
}

/// There is room for one granule, and no more.
fn has_one(writer: &mut StrongWriter) {
    assert_eq!(writer.try_send(&[3; GRANULE + 1]), Err(TrySendError::Full));
    assert_eq!(writer.try_write(&[3; GRANULE]), Ok(GRANULE));
    assert_eq!(writer.try_write(&[3; GRANULE]), Err(TryWriteError::Full));
}

/// What makes room, or tells a writer that there will be none.
type Change = (&'static str, fn(&Arc<Channel>, &mut StrongWriter, StrongReader));

const CHANGES: &[Change] = &[
    ("the reader reads", |_, writer, mut reader| {
        for _ in 0..3 * GRANULES {
            assert_eq!(reader.try_read(&mut [0; GRANULE]), Ok(GRANULE));
            has_one(writer);
        }
        is_full(writer);
    }),
    ("a lent message is dropped", |_, writer, mut reader| {
        let message = reader.try_recv().unwrap();
        is_full(writer);
        drop(message);
        has_one(writer);
    }),
    ("what was lent is consumed", |_, writer, mut reader| {
        assert!(reader.try_fill_buf().unwrap().len() >= GRANULE);
        is_full(writer);
        reader.consume(GRANULE - 1);
        is_full(writer);
        reader.consume(1);
        has_one(writer);
    }),
    ("the reader jumps", |_, writer, mut reader| {
        reader.skip_to(StartAt::Now);
        assert_eq!(writer.try_send(&[3; GRANULES * GRANULE]), Ok(()));
        is_full(writer);
    }),
    ("one of two readers reads, then the other", |_, writer, mut reader| {
        let mut clone = reader.clone();
        is_full(writer);
        for _ in 0..2 * GRANULES {
            assert_eq!(reader.try_read(&mut [0; GRANULE]), Ok(GRANULE));
            is_full(writer);
            assert_eq!(clone.try_read(&mut [0; GRANULE]), Ok(GRANULE));
            has_one(writer);
            std::mem::swap(&mut reader, &mut clone);
        }
    }),
    ("the reader goes, and its clone is further on", |_, writer, reader| {
        let mut clone = reader.clone();
        assert_eq!(clone.try_read(&mut [0; GRANULE]), Ok(GRANULE));
        is_full(writer);
        drop(reader);
        has_one(writer);
        drop(clone);
    }),
    ("the place of a reader is taken by another one", |channel, writer, reader| {
        drop(reader.into_weak());
        // It stands at the gate as well: the next writer finds it there.
        let mut next = channel.new_strong_reader();
        is_full(writer);
        assert_eq!(next.try_read(&mut [0; GRANULE]), Ok(GRANULE));
        has_one(writer);
    }),
    ("the hold is taken", |channel, writer, reader| {
        let mut clone = reader.clone();
        assert_eq!(clone.try_read(&mut [0; GRANULE]), Ok(GRANULE));
        is_full(writer);
        assert!(channel.take_hold(reader.stats().id).is_some());
        has_one(writer);
        drop((reader, clone));
    }),
    ("another writer waits for room that comes", |channel, writer, mut reader| {
        let mut other = channel.new_strong_writer();
        let mut waiting = Task::parked(other.send(&[4; 2 * GRANULE]));
        is_full(writer);
        assert_eq!(reader.try_read(&mut [0; GRANULE]), Ok(GRANULE));
        // It is left to the one that waits.
        assert_eq!(writer.try_send(&[3; GRANULE]), Err(TrySendError::Full));
        assert_eq!(reader.try_read(&mut [0; GRANULE]), Ok(GRANULE));
        assert!(waiting.poll().is_ready());
        is_full(writer);
    }),
    ("the channel drains", |channel, writer, _reader| {
        channel.drain().unwrap();
        assert_eq!(writer.try_send(&[3; GRANULE]), Err(TrySendError::Closed));
        assert_eq!(writer.try_write(&[3; GRANULE]), Err(TryWriteError::Closed));
    }),
    ("the channel is terminated", |channel, writer, _reader| {
        channel.terminate();
        assert_eq!(writer.try_send(&[3; GRANULE]), Err(TrySendError::Terminated));
        assert_eq!(writer.try_write(&[3; GRANULE]), Err(TryWriteError::Terminated));
    }),
];

#[test]
fn a_writer_that_was_refused_finds_whatever_makes_room() {
    for (name, change) in CHANGES {
        println!("{name}");
        let (channel, mut writer, reader) = full();
        change(&channel, &mut writer, reader);
    }
}

/// The gate goes over what was skipped, though the reader that stands before it does not move.
#[test]
fn a_slice_that_is_given_up_makes_room_for_a_writer_that_was_refused() {
    let channel = Channel::new(GRANULE * GRANULES);
    let (mut writer, mut other) = (channel.new_strong_writer(), channel.new_strong_writer());
    let mut reader = channel.new_strong_reader();
    let in_flight = other.try_reserve(GRANULE).unwrap();
    (1..GRANULES).for_each(|_| writer.try_send(&[1; GRANULE]).unwrap());
    is_full(&mut writer);
    in_flight.abort();
    has_one(&mut writer);
    // The same behind slices that were read.
    for _ in 1..GRANULES {
        assert_eq!(reader.try_read(&mut [0; GRANULE]), Ok(GRANULE));
    }
    let in_flight = other.try_reserve(GRANULE).unwrap();
    assert_eq!(reader.try_read(&mut [0; GRANULE]), Ok(GRANULE));
    assert_eq!(reader.try_read(&mut [0; GRANULE]), Err(TryReadError::Empty));
    while writer.try_send(&[1; GRANULE]).is_ok() {}
    is_full(&mut writer);
    in_flight.abort();
    has_one(&mut writer);
}

/// All ways to look for something, in vain.
fn finds_nothing(reader: &mut StrongReader) {
    for _ in 0..2 {
        assert_eq!(reader.try_read(&mut [0; GRANULE]), Err(TryReadError::Empty));
        assert_eq!(reader.try_fill_buf(), Err(TryReadError::Empty));
        assert_eq!(reader.try_recv().err(), Some(TryReadError::Empty));
        assert_eq!(reader.try_read(&mut []), Ok(0));
    }
}

type Found<'a> = Result<&'a [u8], TryReadError>;

/// A way to look.
type Look<R> = fn(&mut R) -> Result<Vec<u8>, TryReadError>;

/// What a reader finds that has looked in vain, by each way to look.
fn each_finds<R>(
    make: impl Fn(&Channel) -> R,
    in_vain: impl Fn(&mut R),
    looks: &[Look<R>],
    change: impl Fn(&Arc<Channel>, &mut StrongWriter, &mut R),
    expected: Found<'_>,
) {
    for look in looks {
        let channel = Channel::new(GRANULE * GRANULES);
        let (mut writer, mut reader) = (channel.new_strong_writer(), make(&channel));
        in_vain(&mut reader);
        change(&channel, &mut writer, &mut reader);
        assert_eq!(look(&mut reader).as_deref(), expected.as_ref().map(|bytes| *bytes));
    }
}

fn then_finds(
    change: impl Fn(&Arc<Channel>, &mut StrongWriter, &mut StrongReader),
    expected: Found<'_>,
) {
    let looks: [Look<StrongReader>; 3] = [
        |reader| {
            let mut buffer = [0; GRANULES * GRANULE];
            reader.try_read(&mut buffer).map(|read| buffer[..read].to_vec())
        },
        |reader| reader.try_fill_buf().map(<[u8]>::to_vec),
        |reader| Ok(reader.try_recv()?.map_or(Vec::new(), |message| message.to_vec())),
    ];
    each_finds(Channel::new_strong_reader, finds_nothing, &looks, change, expected);
}

#[test]
fn a_reader_that_has_looked_in_vain_finds_whatever_comes() {
    then_finds(|_, writer, _| assert!(writer.try_write(b"bytes").is_ok()), Ok(b"bytes"));
    then_finds(
        |_, writer, _| {
            writer.try_reserve(GRANULE).unwrap().abort();
            writer.try_write(b"behind").unwrap();
        },
        Ok(b"behind"),
    );
    then_finds(
        |_, writer, reader| {
            writer.try_write(&[1; 3 * GRANULE]).unwrap();
            assert_eq!(reader.try_read(&mut [0; 3 * GRANULE]), Ok(3 * GRANULE));
            finds_nothing(reader);
            writer.try_reserve(GRANULE).unwrap().abort();
            finds_nothing(reader);
            // The padding before it is skipped.
            writer.try_write(&[2; 5 * GRANULE]).unwrap();
        },
        Ok(&[2; 5 * GRANULE]),
    );
    then_finds(|channel, _, _| channel.drain().unwrap(), Ok(b""));
    then_finds(|channel, _, _| channel.terminate(), Err(TryReadError::Terminated));
    then_finds(|_, _, reader| reader.terminate(), Err(TryReadError::Terminated));
    let taken = |channel: &Arc<Channel>, _: &mut StrongWriter, reader: &mut StrongReader| {
        assert!(channel.take_hold(reader.stats().id).is_some());
    };
    then_finds(taken, Err(TryReadError::HoldTaken));
}

/// The gate goes over a slice that was given up, and further, while the reader does not look. It finds itself behind.
#[test]
fn a_reader_that_the_gate_has_left_behind_looks_further() {
    let channel = Channel::new(GRANULE * GRANULES);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    finds_nothing(&mut reader);
    for round in 0..3 * GRANULES {
        writer.try_reserve(GRANULES / 2 * GRANULE).unwrap().abort();
        if round % 3 == 0 {
            finds_nothing(&mut reader);
        }
    }
    writer.try_send(b"here").unwrap();
    assert_eq!(&*reader.try_recv().unwrap().unwrap(), b"here");
    finds_nothing(&mut reader);
}

/// What a leaked message has kept is given back by the next look, though there is nothing.
#[test]
fn a_look_in_vain_gives_back_what_was_leaked() {
    let (_channel, mut writer, mut reader) = full();
    for _ in 0..GRANULES {
        std::mem::forget(reader.try_recv().unwrap());
    }
    finds_nothing(&mut reader);
    assert_eq!(writer.try_send(&[3; GRANULES * GRANULE]), Ok(()));
    is_full(&mut writer);
}

/// The same of a weak reader, without a strong one.
fn weak_then_finds(
    change: impl Fn(&Arc<Channel>, &mut StrongWriter, &mut WeakReader),
    expected: Found<'_>,
) {
    let looks: [Look<WeakReader>; 2] = [
        |reader| {
            let mut buffer = [0; GRANULES * GRANULE];
            reader.try_read(&mut buffer).map(|read| buffer[..read].to_vec())
        },
        |reader| Ok(reader.try_recv()?.map_or(Vec::new(), |message| message.to_vec())),
    ];
    each_finds(Channel::new_weak_reader, weak_finds_nothing, &looks, change, expected);
}

fn weak_finds_nothing(reader: &mut WeakReader) {
    for _ in 0..2 {
        assert_eq!(reader.try_read(&mut [0; GRANULE]), Err(TryReadError::Empty));
        assert_eq!(reader.try_recv().err(), Some(TryReadError::Empty));
    }
}

#[test]
fn a_weak_reader_that_has_looked_in_vain_finds_whatever_comes() {
    weak_then_finds(|_, writer, _| assert!(writer.try_write(b"bytes").is_ok()), Ok(b"bytes"));
    weak_then_finds(
        |_, writer, reader| {
            writer.try_reserve(GRANULE).unwrap().abort();
            weak_finds_nothing(reader);
            writer.try_write(b"behind").unwrap();
        },
        Ok(b"behind"),
    );
    let lap = |_: &Arc<Channel>, writer: &mut StrongWriter, reader: &mut WeakReader| {
        // The slices of the next lap begin elsewhere: nothing is stamped where the reader stands.
        writer.try_write(&[1; GRANULE]).unwrap();
        assert_eq!(reader.try_read(&mut [0; GRANULE]), Ok(GRANULE));
        weak_finds_nothing(reader);
        (0..8).for_each(|_| assert!(writer.try_write(&[2; 4 * GRANULE]).is_ok()));
        assert!(matches!(reader.try_recv(), Err(TryReadError::Lagged(_))));
        while reader.try_recv().is_ok_and(|message| message.is_some()) {}
        weak_finds_nothing(reader);
        writer.try_write(b"behind").unwrap();
    };
    weak_then_finds(lap, Ok(b"behind"));
    weak_then_finds(|channel, _, _| channel.drain().unwrap(), Ok(b""));
    weak_then_finds(|channel, _, _| channel.terminate(), Err(TryReadError::Terminated));
    weak_then_finds(|_, _, reader| reader.terminate(), Err(TryReadError::Terminated));
}

/// It starts where nothing is yet, and has missed what came before.
#[test]
fn a_weak_reader_that_finds_nothing_tells_its_gap_first() {
    for receives in [false, true] {
        let channel = Channel::new(GRANULE * GRANULES);
        let mut writer = channel.new_strong_writer();
        let start = channel.new_weak_reader().stats().position;
        (0..GRANULES).for_each(|_| writer.try_send(&[1; GRANULE]).unwrap());
        // It takes the room of all of them, and is not there yet.
        let _in_flight = writer.try_reserve(GRANULES * GRANULE).unwrap();
        let mut reader = channel.new_weak_reader_at(StartAt::Position(start));
        let gap = match receives {
            false => reader.try_read(&mut [0; GRANULE]).unwrap_err(),
            true => reader.try_recv().map(drop).unwrap_err(),
        };
        assert!(matches!(gap, TryReadError::Lagged(_)), "{gap:?}");
        weak_finds_nothing(&mut reader);
    }
}
