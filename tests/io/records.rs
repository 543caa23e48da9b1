//! A record is whole, or it is none: whatever becomes of a long write, what comes after it is by itself.

use futures::io::AsyncWriteExt as _;
use overfall::error::{SendError, TrySendError, TryWriteError};
use overfall::{
    Backpressure, Blocking, Channel, Joiner, Missed, StrongReader, Writer, pipe, typed,
};
use overfall_tests::{LIMIT, Task, block_on, within};
use std::io::{ErrorKind, IoSlice, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

/// Four pieces of 64 fill the ring.
const CAPACITY: usize = 256;
const LONG: usize = 1000;

/// Writes a record in part, and gives it up. Hands the writer back, unless that is how.
type GiveUp = fn(Writer, &[u8]) -> Option<Writer>;

const WAYS_TO_GIVE_UP: [(&str, GiveUp); 15] = [
    ("a timeout of tokio's write_all", |mut writer, long| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let write = tokio::io::AsyncWriteExt::write_all(&mut writer, long);
            tokio::time::timeout(Duration::from_secs(1), write).await.unwrap_err();
        });
        Some(writer)
    }),
    ("tokio's write_all dropped", |mut writer, long| {
        drop(Task::parked(tokio::io::AsyncWriteExt::write_all(&mut writer, long)));
        Some(writer)
    }),
    ("tokio's write dropped", |mut writer, long| {
        let mut left = long;
        loop {
            let mut write = Task::new(tokio::io::AsyncWriteExt::write(&mut writer, left));
            match write.poll() {
                std::task::Poll::Ready(written) => left = &left[written.unwrap()..],
                std::task::Poll::Pending => break,
            }
        }
        Some(writer)
    }),
    ("futures' write_all dropped", |mut writer, long| {
        drop(Task::parked(futures::io::AsyncWriteExt::write_all(&mut writer, long)));
        Some(writer)
    }),
    ("write_timeout", |writer, long| {
        Some(until_timeout(writer, long, |writer, left| {
            writer.write_timeout(left, Duration::from_micros(10))
        }))
    }),
    ("write_deadline", |writer, long| {
        Some(until_timeout(writer, long, |writer, left| {
            writer.write_deadline(left, Instant::now())
        }))
    }),
    ("an error", |mut writer, long| {
        let mut left = long;
        while let Ok(written) = writer.try_write(left) {
            left = &left[written..];
        }
        assert_eq!(writer.try_write(left), Err(TryWriteError::Full));
        Some(writer)
    }),
    ("a panic that is caught", |mut writer, long| {
        begin_and_panic(&mut writer, long);
        Some(writer)
    }),
    ("a panic that is not", |mut writer, long| {
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let mut writer = begun(&mut writer, long);
                let _goes_with_it = &mut writer;
                resume_unwind(Box::new("half-way"));
            });
            thread.join().unwrap_err();
        });
        None
    }),
    ("dropped", |mut writer, long| {
        begun(&mut writer, long);
        None
    }),
    ("shut down", |mut writer, long| {
        begun(&mut writer, long).shut_down();
        None
    }),
    ("shut down by tokio's trait", |mut writer, long| {
        block_on(begun(&mut writer, long).shutdown()).unwrap();
        None
    }),
    ("closed by futures' trait", |mut writer, long| {
        block_on(begun(&mut writer, long).close()).unwrap();
        None
    }),
    ("terminated", |mut writer, long| {
        begun(&mut writer, long).terminate();
        None
    }),
    ("converted", |mut writer, long| {
        begun(&mut writer, long);
        Some(writer.into_weak().into_strong().into())
    }),
];

fn begun<'a>(writer: &'a mut Writer, long: &[u8]) -> &'a mut Writer {
    assert_eq!(writer.try_write(long), Ok(CAPACITY / 4));
    writer
}

fn begin_and_panic(writer: &mut Writer, long: &[u8]) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        begun(writer, long);
        resume_unwind(Box::new("half-way"));
    }));
    panicked.unwrap_err();
}

fn until_timeout(
    writer: Writer,
    long: &[u8],
    write: fn(&mut Blocking<Writer>, &[u8]) -> std::io::Result<usize>,
) -> Writer {
    let mut writer = writer.blocking();
    let mut left = long;
    let error = loop {
        match write(&mut writer, left) {
            Ok(written) => left = &left[written..],
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    writer.into_inner()
}

/// What the next record is made of: the one that was given up lies in memory still.
struct GivenUp<'a> {
    long: &'a [u8],
    written: usize,
}

/// Writes the next record, or several, and tells what they are.
type Next = fn(Writer, &GivenUp<'_>) -> Vec<Vec<u8>>;

const SHORT: &[u8] = b"the next record";

const WAYS_ON: [(&str, Next); 19] = [
    ("try_write", |mut writer, _| {
        assert_eq!(writer.try_write(SHORT), Ok(SHORT.len()));
        vec![SHORT.to_vec()]
    }),
    ("try_write_vectored", |mut writer, _| {
        let buffers = [&b""[..], &SHORT[..3], &SHORT[3..]].map(IoSlice::new);
        assert_eq!(writer.try_write_vectored(&buffers), Ok(SHORT.len()));
        vec![SHORT.to_vec()]
    }),
    ("tokio's write", |mut writer, _| {
        let written = block_on(tokio::io::AsyncWriteExt::write(&mut writer, SHORT));
        assert_eq!(written.unwrap(), SHORT.len());
        vec![SHORT.to_vec()]
    }),
    ("tokio's write_all", |mut writer, _| {
        block_on(tokio::io::AsyncWriteExt::write_all(&mut writer, SHORT)).unwrap();
        vec![SHORT.to_vec()]
    }),
    ("tokio's write_vectored", |mut writer, _| {
        let buffers = [&SHORT[..3], b"", &SHORT[3..]].map(IoSlice::new);
        let written = block_on(tokio::io::AsyncWriteExt::write_vectored(&mut writer, &buffers));
        assert_eq!(written.unwrap(), SHORT.len());
        vec![SHORT.to_vec()]
    }),
    ("futures' write_all", |mut writer, _| {
        block_on(futures::io::AsyncWriteExt::write_all(&mut writer, SHORT)).unwrap();
        vec![SHORT.to_vec()]
    }),
    ("std's write_all", |writer, _| {
        writer.blocking().write_all(SHORT).unwrap();
        vec![SHORT.to_vec()]
    }),
    ("std's write_vectored", |writer, _| {
        let buffers = [&SHORT[..3], b"", &SHORT[3..]].map(IoSlice::new);
        assert_eq!(writer.blocking().write_vectored(&buffers).unwrap(), SHORT.len());
        vec![SHORT.to_vec()]
    }),
    ("write_timeout", |writer, _| {
        assert_eq!(writer.blocking().write_timeout(SHORT, LIMIT).unwrap(), SHORT.len());
        vec![SHORT.to_vec()]
    }),
    ("try_send", |mut writer, _| {
        writer.try_send(SHORT).unwrap();
        vec![SHORT.to_vec()]
    }),
    ("an empty message", |mut writer, _| {
        block_on(writer.send(b"")).unwrap();
        vec![vec![]]
    }),
    ("send", |writer, _| {
        writer.blocking().send(SHORT).unwrap();
        vec![SHORT.to_vec()]
    }),
    ("reserve and commit", |mut writer, _| {
        let mut slice = writer.try_reserve(100).unwrap();
        slice.write_all(SHORT).unwrap();
        slice.commit();
        vec![SHORT.to_vec()]
    }),
    ("a batch", |mut writer, _| {
        writer.try_send_many(&[SHORT, b"and one more"]).unwrap();
        vec![SHORT.to_vec(), b"and one more".to_vec()]
    }),
    ("a value", |writer, _| {
        typed::Writer::<u64, _>::new(writer).try_send(&7).unwrap();
        vec![rkyv::to_bytes::<rkyv::rancor::Error>(&7_u64).unwrap().to_vec()]
    }),
    ("another long one", |writer, _| {
        writer.blocking().write_all(&[b'n'; LONG]).unwrap();
        vec![vec![b'n'; LONG]]
    }),
    ("the same once more", |writer, given_up| {
        writer.blocking().write_all(given_up.long).unwrap();
        vec![given_up.long.to_vec()]
    }),
    ("one as long as the rest", |writer, given_up| {
        let record = vec![b'r'; LONG - given_up.written];
        writer.blocking().write_all(&record).unwrap();
        vec![record]
    }),
    ("one that begins as the rest and is shorter", |writer, given_up| {
        let record = &given_up.long[given_up.written..LONG - 1];
        writer.blocking().write_all(record).unwrap();
        vec![record.to_vec()]
    }),
];

/// Receives, and joins; tells pieces and bytes that are left out.
struct Receiver {
    reader: Blocking<StrongReader>,
    joiner: Joiner,
    joined: Vec<Vec<u8>>,
    received: Missed,
}

impl Receiver {
    fn new(reader: StrongReader) -> Self {
        let (joiner, received) = (Joiner::new(), Missed::default());
        Self { reader: reader.blocking(), joiner, joined: Vec::new(), received }
    }

    /// What is there.
    fn drain(&mut self) {
        while let Ok(Some(message)) = self.reader.get_mut().try_recv() {
            self.received.messages += 1;
            self.received.bytes += message.len() as u64;
            self.joined.extend(self.joiner.join(&message).map(|whole| whole.to_vec()));
        }
    }

    /// All there is until the end.
    fn finish(&mut self, in_batches: bool) {
        if in_batches {
            while let Some(messages) = self.reader.recv_many(100).unwrap() {
                for message in &messages {
                    self.joined.extend(self.joiner.join(&message).map(|whole| whole.to_vec()));
                }
            }
        } else {
            while let Some(message) = self.reader.recv().unwrap() {
                self.joined.extend(self.joiner.join(&message).map(|whole| whole.to_vec()));
            }
        }
    }
}

#[test]
fn what_comes_after_a_record_that_was_given_up_is_whole_and_by_itself() {
    within(LIMIT, || {
        let long: Vec<u8> = (0..LONG).map(|number| number as u8).collect();
        for (how, give_up) in WAYS_TO_GIVE_UP {
            for (way, next) in WAYS_ON {
                for in_batches in [false, true] {
                    let case = format!("{how}, then {way}, in batches: {in_batches}");
                    let channel = Channel::builder().size(CAPACITY).fail_on_panic(false);
                    let channel = channel.build().unwrap();
                    let mut receiver = Receiver::new(channel.new_strong_reader());
                    let writer = channel.new_writer();
                    let id = writer.id();
                    let kept = give_up(writer, &long);
                    let has_gone = kept.is_none();
                    let writer = kept.unwrap_or_else(|| channel.new_writer());
                    drop(channel);
                    receiver.drain();
                    let begun = receiver.received;
                    assert!(receiver.joined.is_empty() && begun.messages > 0, "{case}");
                    let given_up = GivenUp { long: &long, written: begun.bytes as usize };
                    let sent = thread::scope(|scope| {
                        let thread = scope.spawn(|| next(writer, &given_up));
                        receiver.finish(in_batches);
                        thread.join().unwrap()
                    });
                    assert!(receiver.joined == sent, "{case}: {:?}", receiver.joined);
                    let before = receiver.joiner.left_out();
                    let unfinished = receiver.joiner.finish();
                    if has_gone {
                        assert!(before.is_none(), "{case}");
                        assert_eq!(unfinished, [(id, begun)], "{case}");
                    } else {
                        assert_eq!((before, &unfinished[..]), (begun, &[][..]), "{case}");
                    }
                    assert_eq!(receiver.joiner.left_out(), begun, "{case}");
                    assert!(receiver.joiner.finish().is_empty());
                }
            }
        }
    });
}

#[test]
fn a_tap_tells_a_record_that_was_given_up_from_the_next_one_too() {
    let long = [b'l'; LONG];
    // The others need somebody who makes room.
    let short = WAYS_ON.iter().filter(|(_, next)| {
        let (writer, reader) = pipe(4 * LONG);
        let sent = next(writer.into(), &GivenUp { long: &long, written: CAPACITY / 4 });
        drop(reader);
        sent.iter().all(|record| record.len() <= CAPACITY / 4)
    });
    let mut count = 0;
    for (way, next) in short {
        for in_batches in [false, true] {
            let channel = Channel::new(CAPACITY);
            let mut tap = channel.new_weak_reader();
            let mut writer = channel.new_writer();
            begun(&mut writer, &long);
            let sent = next(writer, &GivenUp { long: &long, written: CAPACITY / 4 });
            let (mut joiner, mut joined) = (Joiner::new(), Vec::new());
            if in_batches {
                let messages = tap.try_recv_many(100).unwrap().unwrap();
                for message in &messages {
                    joined.extend(joiner.join(&message).map(|whole| whole.to_vec()));
                }
            } else {
                while let Ok(Some(message)) = tap.try_recv() {
                    joined.extend(joiner.join(&message).map(|whole| whole.to_vec()));
                }
            }
            assert_eq!(joined, sent, "{way}");
            assert_eq!((joiner.left_out().messages, joiner.left_out().bytes), (1, 64), "{way}");
            assert!(joiner.finish().is_empty());
            count += 1;
        }
    }
    assert_eq!(count, 2 * 15);
}

#[test]
fn the_rest_of_a_record_may_take_any_number_of_tries() {
    let channel = Channel::new(CAPACITY);
    let mut receiver = Receiver::new(channel.new_strong_reader());
    let mut writer = channel.new_strong_writer();
    let long: Vec<u8> = (0..LONG).map(|number| number as u8).collect();
    let mut left = &long[..];
    for turn in 0.. {
        if left.is_empty() {
            break;
        }
        // Nothing of what fails, waits in vain or is given up comes between.
        if let Ok(slice) = writer.try_reserve(0) {
            slice.abort();
        }
        assert!(writer.try_reserve(1000).is_err());
        assert_eq!(writer.try_write(&[]), Ok(0));
        match turn % 4 {
            0 => {
                let written = tokio::io::AsyncWriteExt::write(&mut writer, left);
                if let std::task::Poll::Ready(written) = Task::new(written).poll() {
                    left = &left[written.unwrap()..];
                }
            }
            1 => {
                let (first, second) = left.split_at(left.len() / 3);
                let buffers = [b"", first, b"", second].map(IoSlice::new);
                left = &left[writer.try_write_vectored(&buffers).unwrap_or(0)..];
            }
            2 => {
                let mut blocking = writer.blocking();
                left = &left[blocking.write_timeout(left, Duration::ZERO).unwrap_or(0)..];
                writer = blocking.into_inner();
            }
            _ => {
                writer = writer.into_weak().into_strong();
                left = &left[writer.try_write(left).unwrap_or(0)..];
            }
        }
        if turn % 3 == 0 {
            receiver.drain();
        }
    }
    receiver.drain();
    assert!(receiver.joined == [long]);
    assert!(receiver.joiner.left_out().is_none() && receiver.joiner.finish().is_empty());
}

#[test]
fn a_vectored_record_is_gone_on_with_wherever_a_piece_ended() {
    // At the end of a buffer, just before and behind it, and with empty ones around it.
    for first in [0, 1, 63, 64, 65, 128, 300] {
        let (writer, reader) = pipe(CAPACITY);
        let mut receiver = Receiver::new(reader);
        let long: Vec<u8> = (0..LONG).map(|number| number as u8).collect();
        let mut buffers = [&long[..0], &long[..first], &[], &long[first..], &[]].map(IoSlice::new);
        let mut left = &mut buffers[..];
        let mut writer = writer.blocking();
        while !left.is_empty() {
            let written = writer.write_vectored(left).unwrap();
            IoSlice::advance_slices(&mut left, written);
            receiver.drain();
        }
        assert!(receiver.joined == [long], "split at {first}");
    }
}

/// Ways of the io traits to write all of a record.
const LOSSY_WAYS: [(&str, fn(Writer, &[u8]) -> Writer); 5] = [
    ("std's write_all", |writer, record| {
        let mut writer = writer.blocking();
        writer.write_all(record).unwrap();
        writer.into_inner()
    }),
    ("std's write_vectored", |writer, record| {
        let (first, second) = record.split_at(record.len() / 2);
        let mut writer = writer.blocking();
        let written = writer.write_vectored(&[first, second].map(IoSlice::new));
        assert_eq!(written.unwrap(), record.len());
        writer.into_inner()
    }),
    ("write_timeout", |writer, record| {
        let mut writer = writer.blocking();
        assert_eq!(writer.write_timeout(record, LIMIT).unwrap(), record.len());
        writer.into_inner()
    }),
    ("tokio's write_all", |mut writer, record| {
        block_on(tokio::io::AsyncWriteExt::write_all(&mut writer, record)).unwrap();
        writer
    }),
    ("futures' write_all", |mut writer, record| {
        block_on(futures::io::AsyncWriteExt::write_all(&mut writer, record)).unwrap();
        writer
    }),
];

#[test]
fn a_lossy_writer_drops_a_record_whole_whatever_its_length() {
    for (how, write) in LOSSY_WAYS {
        for length in [1, CAPACITY - 1, CAPACITY, CAPACITY + 1, LONG] {
            for is_full in [false, true] {
                let case = format!("{how}, {length} bytes, full: {is_full}");
                let channel = Channel::with_parameters(CAPACITY, Backpressure::Drop);
                let mut receiver = Receiver::new(channel.new_strong_reader());
                let mut writer = channel.new_writer();
                let fits = length <= CAPACITY && !is_full;
                let mut expected = Vec::new();
                if is_full {
                    writer.try_send(&[0; CAPACITY]).unwrap();
                    expected.push(vec![0; CAPACITY]);
                }
                let record = vec![b'x'; length];
                writer = write(writer, &record);
                let stats = writer.stats();
                let dropped = (stats.dropped_slices, stats.dropped_bytes);
                assert_eq!(dropped, if fits { (0, 0) } else { (1, length as u64) }, "{case}");
                receiver.drain();
                expected.extend(fits.then_some(record));
                writer = write(writer, b"the next line\n");
                expected.push(b"the next line\n".to_vec());
                drop((writer, channel));
                receiver.finish(false);
                assert!(receiver.joined == expected, "{case}: {:?}", receiver.joined);
                assert!(
                    receiver.joiner.left_out().is_none() && receiver.joiner.finish().is_empty()
                );
                let missed = receiver.reader.get_ref().missed();
                assert_eq!((missed.messages, missed.bytes), dropped, "{case}");
            }
        }
    }
}

#[test]
fn a_lossy_writer_says_when_a_record_can_never_fit() {
    let channel = Channel::with_parameters(CAPACITY, Backpressure::Drop);
    let mut reader = channel.new_strong_reader();
    let mut writer = channel.new_writer();
    let record = [0; CAPACITY + 1];
    let (len, max) = (CAPACITY + 1, CAPACITY);
    assert_eq!(writer.try_write(&record), Err(TryWriteError::TooLong { len, max }));
    let buffers = [&record[..10], &record[10..]].map(IoSlice::new);
    assert_eq!(writer.try_write_vectored(&buffers), Err(TryWriteError::TooLong { len, max }));
    assert_eq!(writer.try_send(&record), Err(TrySendError::TooLong { len, max }));
    assert_eq!(block_on(writer.send(&record)), Err(SendError::TooLong { len, max }));
    assert!(reader.try_recv().is_err(), "nothing was written");
    assert_eq!(writer.stats().dropped_slices, 0, "nor counted");
    // Once it is closed, that is what is said.
    writer.shut_down();
    assert_eq!(writer.try_write(&record), Err(TryWriteError::Closed));
}
