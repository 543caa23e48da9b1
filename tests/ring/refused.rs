//! Whoever is refused, or gives up before it has its slice, leaves the ring as it was.

use overfall::error::{TryReadError, TrySendError};
use overfall::{Backpressure, Channel, StrongReader, StrongWriter, WeakReader};
use overfall_tests::{LIMIT, Numbers, Task, within};
use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const GRANULE: usize = 64;
/// The granules of the ring.
const GRANULES: usize = 8;

/// Tries to put so many bytes into a ring that has no room for them, in one way.
type Way = (&'static str, fn(&Arc<Channel>, StrongWriter, &[u8]));

/// All ways to be refused, or to give up, where writers may wait.
const WAYS: &[Way] = &[
    ("try_write", |_, mut writer, bytes| assert!(writer.try_write(bytes).is_err())),
    ("try_write_vectored", |_, mut writer, bytes| {
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let buffers = [IoSlice::new(first), IoSlice::new(second)];
        assert!(writer.try_write_vectored(&buffers).is_err());
    }),
    ("try_send", |_, mut writer, bytes| {
        assert_eq!(writer.try_send(bytes), Err(TrySendError::Full));
    }),
    ("try_send_many", |_, mut writer, bytes| {
        let messages: Vec<_> = bytes.chunks(GRANULE).collect();
        assert_eq!(writer.try_send_many(&messages), Err(TrySendError::Full));
    }),
    ("try_reserve", |_, mut writer, bytes| assert!(writer.try_reserve(bytes.len()).is_err())),
    ("try_reserve_slice", |channel, _, bytes| {
        assert!(channel.try_reserve_slice(bytes.len()).is_err());
    }),
    ("a future of reserve", |_, mut writer, bytes| drop(Task::parked(writer.reserve(bytes.len())))),
    ("a future of reserve_slice", |channel, _, bytes| {
        drop(Task::parked(channel.reserve_slice(bytes.len())));
    }),
    ("a future of send", |_, mut writer, bytes| drop(Task::parked(writer.send(bytes)))),
    ("a future of send_many", |_, mut writer, bytes| {
        let messages: Vec<_> = bytes.chunks(GRANULE).collect();
        drop(Task::parked(writer.send_many(&messages)));
    }),
    ("a future that is polled again", |_, mut writer, bytes| {
        let mut task = Task::parked(writer.send(bytes));
        (0..3).for_each(|_| assert!(task.poll().is_pending()));
    }),
    ("send_timeout", |_, writer, bytes| {
        let error = writer.blocking().send_timeout(bytes, Duration::ZERO).unwrap_err();
        assert_eq!(error, TrySendError::Full);
    }),
    ("write_timeout", |_, writer, bytes| {
        let error = writer.blocking().write_timeout(bytes, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }),
    ("reserve_deadline", |_, writer, bytes| {
        let now = std::time::Instant::now();
        let mut writer = writer.blocking();
        assert!(writer.reserve_deadline(bytes.len(), now).is_err());
    }),
    #[cfg(feature = "tokio")]
    ("a future of tokio's write", |_, mut writer, bytes| {
        drop(Task::parked(tokio::io::AsyncWriteExt::write(&mut writer, bytes)));
    }),
    #[cfg(feature = "futures")]
    ("a future of futures' write", |_, mut writer, bytes| {
        drop(Task::parked(futures::AsyncWriteExt::write(&mut writer, bytes)));
    }),
    #[cfg(feature = "rkyv")]
    ("a value", |_, writer, bytes| {
        let mut writer = overfall::typed::Writer::<Vec<u8>, _>::new(writer);
        assert!(writer.try_send(&value(bytes)).is_err());
        drop(Task::parked(writer.send(&value(bytes))));
    }),
];

/// All ways to drop what there is no room for.
const DROPS: &[Way] = &[
    ("send", |_, mut writer, bytes| assert!(Task::new(writer.send(bytes)).result().is_ok())),
    ("send_many", |_, mut writer, bytes| {
        let messages: Vec<_> = bytes.chunks(GRANULE).collect();
        assert!(Task::new(writer.send_many(&messages)).result().is_ok());
    }),
    ("reserve", |_, mut writer, bytes| {
        assert!(Task::new(writer.reserve(bytes.len())).result().is_err());
    }),
    ("a blocking write", |_, writer, bytes| {
        std::io::Write::write_all(&mut writer.blocking(), bytes).unwrap();
    }),
    #[cfg(feature = "tokio")]
    ("tokio's write", |_, mut writer, bytes| {
        let write = tokio::io::AsyncWriteExt::write_all(&mut writer, bytes);
        assert!(Task::new(write).result().is_ok());
    }),
    #[cfg(feature = "rkyv")]
    ("a value", |_, writer, bytes| {
        let mut writer = overfall::typed::Writer::<Vec<u8>, _>::new(writer);
        assert!(Task::new(writer.send(&value(bytes))).result().is_ok());
    }),
];

/// A value that takes as many granules.
#[cfg(feature = "rkyv")]
fn value(bytes: &[u8]) -> Vec<u8> {
    vec![1; bytes.len() - 16]
}

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Readers {
    Strong,
    /// Nobody holds anything, but a slice is in flight before the rest.
    Weak,
    Both,
}

/// A ring in which `taken` granules are unread, or in flight, from `place` of a lap on.
struct Ring {
    channel: Arc<Channel>,
    writer: StrongWriter,
    strong: Option<StrongReader>,
    weak: Option<WeakReader>,
    taken: usize,
}

impl Ring {
    fn new(place: usize, taken: usize, readers: Readers, backpressure: Backpressure) -> Self {
        let builder = Channel::builder().size(GRANULES * GRANULE).backpressure(backpressure);
        let channel = builder.start_position((place * GRANULE) as u64).build().unwrap();
        let strong = (readers != Readers::Weak).then(|| channel.new_strong_reader());
        let weak = (readers != Readers::Strong).then(|| channel.new_weak_reader());
        let writer = channel.new_strong_writer();
        Self { channel, writer, strong, weak, taken }
    }

    /// Does `refused` on it, and checks what that has left.
    fn check(mut self, case: &str, refused: impl FnOnce(&Arc<Channel>, StrongWriter)) {
        let mut holder = self.channel.new_strong_writer();
        let first = holder.try_reserve(GRANULE).unwrap();
        let mut first = Some(first);
        if self.strong.is_some() {
            commit(first.take().unwrap(), 0);
        }
        for number in 1..self.taken {
            self.writer.try_send(&[number as u8; GRANULE]).unwrap();
        }
        let before = self.channel.stats();
        refused(&self.channel, self.channel.new_strong_writer());
        let after = self.channel.stats();
        assert_eq!(after.reserved, before.reserved, "{case}: something was taken");
        assert_eq!(after.ring_bytes, before.ring_bytes, "{case}");
        for number in self.taken..GRANULES {
            let sent = self.writer.try_send(&[number as u8; GRANULE]);
            assert_eq!(sent, Ok(()), "{case}: granule {number} was free");
        }
        assert_eq!(self.writer.try_send(&[0; 1]), Err(TrySendError::Full), "{case}");
        if let Some(first) = first {
            commit(first, 0);
        }
        let mut buffer = [0; GRANULE];
        for number in 0..GRANULES as u8 {
            if let Some(strong) = &mut self.strong {
                assert_eq!(strong.try_read(&mut buffer), Ok(GRANULE), "{case}");
                assert_eq!(buffer, [number; GRANULE], "{case}");
            }
            if let Some(weak) = &mut self.weak {
                assert_eq!(weak.try_read(&mut buffer), Ok(GRANULE), "{case}: it was overrun");
                assert_eq!(buffer, [number; GRANULE], "{case}");
            }
        }
        assert!(
            self.weak.is_none_or(|mut weak| weak.try_read(&mut buffer) == Err(TryReadError::Empty))
        );
    }
}

fn commit(mut slice: overfall::Slice<'_>, byte: u8) {
    assert_eq!(slice.write(&[byte; GRANULE]), GRANULE);
    slice.commit();
}

/// What a slice of `size` granules needs of a ring in which something is, if it begins at `place`: its
/// padding, too, but no more than the ring.
fn needed(place: usize, size: usize) -> usize {
    let rest = GRANULES - place % GRANULES;
    let padding = if size <= rest { 0 } else { rest };
    (padding + size).min(GRANULES)
}

/// Every size, at every place, with every part of the ring taken, for which there is no room.
fn at_every_place(ways: &[Way], backpressure: Backpressure) {
    for (way, refused) in ways {
        for readers in [Readers::Strong, Readers::Weak, Readers::Both] {
            for place in 0..GRANULES {
                for taken in 1..=GRANULES {
                    for size in 1..=GRANULES {
                        if needed(place + taken, size) > GRANULES - taken {
                            let case =
                                format!("{way} of {size}, {taken} from {place}, {readers:?}");
                            let bytes = vec![9; size * GRANULE];
                            let ring = Ring::new(place, taken, readers, backpressure);
                            ring.check(&case, |channel, writer| refused(channel, writer, &bytes));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn who_is_refused_or_gives_up_leaves_the_ring_as_it_was() {
    within(LIMIT, || at_every_place(WAYS, Backpressure::Block));
}

#[test]
fn what_is_dropped_leaves_the_ring_as_it_was() {
    within(LIMIT, || at_every_place(DROPS, Backpressure::Drop));
}

#[test]
fn who_is_not_waited_for_leaves_the_ring_as_it_was_with_drop() {
    within(LIMIT, || at_every_place(&WAYS[..6], Backpressure::Drop));
}

#[test]
fn there_is_room_where_the_docs_say_so() {
    for place in 0..GRANULES {
        for taken in 0..=GRANULES {
            for size in 1..=GRANULES {
                let mut ring = Ring::new(place, taken, Readers::Both, Backpressure::Block);
                for number in 0..taken {
                    ring.writer.try_send(&[number as u8; GRANULE]).unwrap();
                }
                let free = GRANULES - taken;
                let sent = ring.writer.try_send(&vec![1; size * GRANULE]);
                let case = format!("{size} behind {taken} from {place}");
                assert_eq!(sent.is_ok(), needed(place + taken, size) <= free, "{case}");
                assert!(sent.is_ok() || (taken > 0 && 2 * size > free), "{case}");
            }
        }
    }
}

#[test]
fn a_slice_as_large_as_the_ring_goes_into_an_empty_one_wherever_its_lap_ends() {
    for place in 0..GRANULES {
        for size in 1..=GRANULES {
            for read in [false, true] {
                let mut ring = Ring::new(place, 0, Readers::Both, Backpressure::Block);
                let (strong, weak) = (ring.strong.as_mut().unwrap(), ring.weak.as_mut().unwrap());
                let mut buffer = [0; GRANULES * GRANULE];
                for byte in 1..=5 {
                    let case = format!("{size} at {place}, {byte}");
                    let bytes = vec![byte; size * GRANULE];
                    assert_eq!(ring.writer.try_write(&bytes), Ok(bytes.len()), "{case}");
                    assert_eq!(strong.try_read(&mut buffer), Ok(bytes.len()), "{case}");
                    assert_eq!(buffer[..bytes.len()], bytes, "{case}");
                    if read {
                        // What it has missed is padding.
                        let mut got = weak.try_read(&mut buffer);
                        if got.is_err() {
                            got = weak.try_read(&mut buffer);
                        }
                        assert_eq!(got, Ok(bytes.len()), "{case}");
                        assert_eq!(buffer[..bytes.len()], bytes, "{case}");
                    }
                    let stats = ring.channel.stats();
                    assert!(stats.reserved - stats.gate <= stats.capacity, "{case}");
                }
            }
        }
    }
}

#[test]
fn a_large_slice_that_is_committed_short_is_read_and_its_room_given_back() {
    for place in 0..GRANULES {
        for used in 0..=GRANULES {
            let mut ring = Ring::new(place, 0, Readers::Both, Backpressure::Block);
            let mut buffer = [0; GRANULES * GRANULE];
            for _ in 0..3 {
                let mut slice = ring.writer.try_reserve(GRANULES * GRANULE).unwrap();
                slice.write_all(&vec![7; used * GRANULE]).unwrap();
                slice.commit();
                let strong = ring.strong.as_mut().unwrap();
                match used {
                    0 => assert_eq!(strong.try_read(&mut buffer), Err(TryReadError::Empty)),
                    _ => assert_eq!(strong.try_read(&mut buffer), Ok(used * GRANULE)),
                }
            }
            let messages = [&[1_u8; GRANULE][..]; GRANULES];
            assert_eq!(ring.writer.try_send_many(&messages), Ok(()), "{used} at {place}");
        }
    }
}

#[test]
fn who_is_refused_while_others_write_takes_nothing_from_them_nor_from_weak_readers() {
    within(LIMIT, || {
        let channel = Channel::new(GRANULES * GRANULE);
        let mut strong = channel.new_strong_reader();
        let mut tap = channel.new_weak_reader();
        let (mut writer, mut greedy) = (channel.new_strong_writer(), channel.new_strong_writer());
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        // One slice is always unread, so there is no room for one as large as the ring.
        writer.try_send(&[0; GRANULE]).unwrap();
        let thread = thread::spawn(move || {
            let mut refused = 0;
            while !over.load(Ordering::Relaxed) || refused < 100 {
                assert_eq!(greedy.try_send(&[9; GRANULES * GRANULE]), Err(TrySendError::Full));
                refused += 1;
            }
        });
        let mut numbers = Numbers::new(1);
        let (mut sent, mut read, mut buffer) = (1_u32, 0_u32, [0; GRANULE]);
        while sent < 200_000 {
            for _ in 0..=numbers.below(GRANULES) {
                if (sent - read) as usize == GRANULES {
                    break;
                }
                assert_eq!(writer.try_send(&[sent as u8; GRANULE]), Ok(()), "there was room");
                sent += 1;
            }
            while sent - read > 1 {
                assert_eq!(tap.try_read(&mut buffer), Ok(GRANULE), "it was overrun");
                assert_eq!(buffer, [read as u8; GRANULE]);
                assert_eq!(strong.try_read(&mut buffer), Ok(GRANULE));
                read += 1;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        thread.join().unwrap();
        assert_eq!(channel.stats().ring_bytes, u64::from(sent) * GRANULE as u64);
    });
}
