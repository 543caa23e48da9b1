//! What a reader has missed, while writers count.

use super::watch::shared;
use super::*;
use crate::channel::reader::{Read, Reader, Receive, StrongReader, WeakReader};
use crate::channel::shared::Shared;
use crate::channel::terms::StartAt;
use crate::channel::writer::{HasCore, StrongWriter};
use crate::error::TryReadError;
use crate::ring::{Count, Counter};
use loom::thread;

/// Guards the two places of the bytes, and what orders them (ORD(counter:A) to ORD(counter:D)): a count
/// that is read while it is raised is one that there was.
#[test]
fn a_count_that_is_read_while_it_is_raised_is_whole() {
    model(PREEMPTIONS, || {
        let counter = Arc::new(Counter::default());
        let reading = counter.clone();
        let thread = thread::spawn(move || {
            let Count { messages, bytes } = reading.read();
            assert_eq!(bytes, messages * 10);
        });
        counter.add(Count::new(1, 10), 10);
        counter.add(Count::new(2, 20), 10);
        thread.join().unwrap();
        assert_eq!(counter.read(), Count::new(3, 30));
    });
}

/// A channel, and a writer with a filled slice in flight.
fn with_slice_in_flight() -> (Arc<Shared>, StrongWriter) {
    let shared = shared(4);
    let mut writer = StrongWriter::new(&shared);
    let reservation = writer.writer_core().try_reserve(GRANULE as usize).unwrap();
    writer.writer_core().fill(&reservation, 0, &[1; GRANULE as usize]);
    (shared, writer)
}

/// Nothing is missed, before the writer's next message and with it.
fn check_nothing_is_missed(writer: &mut StrongWriter, reader: &mut impl Receive) {
    assert_eq!(missed(reader), 0);
    writer.try_send(&[2; GRANULE as usize]).unwrap();
    assert_eq!(reader.take(), Ok(true));
    assert!(reader.message().header().missed.is_none());
    assert_eq!(missed(reader), 0);
}

/// A slice that was in flight where a reader starts is committed meanwhile. In the end the reader has
/// missed nothing, and nothing too much is taken for late: the next message is neither.
fn a_late_slice(is_watched: bool) {
    let check = move || {
        let (shared, mut writer) = with_slice_in_flight();
        if !is_watched {
            shared.end_watch();
        }
        let starting = shared.clone();
        let thread = thread::spawn(move || WeakReader::new(&starting, StartAt::Now));
        writer.writer_core().commit(GRANULE);
        let mut reader = thread.join().unwrap();
        check_nothing_is_missed(&mut writer, &mut reader);
    };
    if is_watched { model(2, check) } else { model_of_heavy_fences(2, check) }
}

fn missed(reader: &impl Read) -> u64 {
    reader.core().losses(reader.place()).0.messages
}

/// Guards the full fence between a writer's count and its look at the furthest start, while the watch
/// is kept (ORD(start:A), ORD(start:B)), and that what a reader had counted is not taken for late.
#[test]
fn a_slice_in_flight_where_a_reader_starts_is_not_its_loss() {
    a_late_slice(true);
}

/// The same for a writer that does not look for sleepers, and that a reader keeps the watch.
#[test]
fn a_slice_in_flight_where_a_reader_starts_is_not_its_loss_while_nobody_looks() {
    a_late_slice(false);
}

/// A reader turns while a late slice is counted.
fn a_late_slice_and_a_turn<R: Receive + Send + 'static>(
    make: fn(&Arc<Shared>) -> R,
    turn: fn(R) -> Reader,
) {
    model(2, move || {
        let (shared, mut writer) = with_slice_in_flight();
        let reader = make(&shared);
        let thread = thread::spawn(move || turn(reader));
        writer.writer_core().commit(GRANULE);
        let mut reader = thread.join().unwrap();
        check_nothing_is_missed(&mut writer, &mut reader);
        assert_eq!(reader.core().losses(reader.place()).1, []);
        // A real loss is one, too.
        let sent = (0..5).filter(|_| writer.try_send(&[3; GRANULE as usize]).is_ok()).count();
        assert_eq!(missed(&reader), sent as u64 - 4);
    });
}

/// Guards that what a reader had counted when it turned weak is not taken for late.
#[test]
fn a_late_slice_that_is_counted_while_a_reader_turns_weak_is_not_its_loss() {
    a_late_slice_and_a_turn(
        |shared| StrongReader::new(shared, StartAt::Now),
        |reader| reader.into_weak().into(),
    );
}

/// Guards that what a reader had taken for missed when it turned strong is taken back.
#[test]
fn a_late_slice_that_is_counted_while_a_reader_turns_strong_is_not_its_loss() {
    a_late_slice_and_a_turn(
        |shared| WeakReader::new(shared, StartAt::Now),
        |reader| reader.into_strong().unwrap().into(),
    );
}

/// Receives all that is there, and tells how many messages these were.
fn drain(reader: &mut impl Receive) -> u64 {
    let mut received = 0;
    loop {
        match reader.take() {
            Ok(true) => {
                drop(reader.message());
                received += 1;
            }
            Err(TryReadError::Lagged(_)) => {}
            _ => return received,
        }
    }
}

/// One writer sends a message, and may be stopped between its commit and its count, as long as it takes to
/// overwrite the message: the ring has room for one. Checks a reader in the end. What is handed over sends
/// another message, and tells how many have been sent.
fn an_uncounted_message<R: Send + 'static>(
    meanwhile: fn(&Arc<Shared>, &mut dyn FnMut()) -> R,
    check: fn(R, u64, &mut dyn FnMut() -> u64),
) {
    for is_watched in [true, false] {
        let check = move || {
            let shared = shared(1);
            let [mut writer, mut other] = [(); 2].map(|()| StrongWriter::new(&shared));
            if !is_watched {
                shared.end_watch();
            }
            let send = |writer: &mut StrongWriter| writer.try_send(&[1; GRANULE as usize]).is_ok();
            let going_on = shared.clone();
            let thread = thread::spawn(move || {
                let mut sent = 0;
                let result = meanwhile(&going_on, &mut || sent += u64::from(send(&mut other)));
                (result, sent)
            });
            let is_sent = send(&mut writer);
            let (result, sent) = thread.join().unwrap();
            let mut sent = sent + u64::from(is_sent);
            check(result, sent, &mut || {
                sent += u64::from(send(&mut writer));
                sent
            });
        };
        if is_watched { model(2, check) } else { model_of_heavy_fences(2, check) }
    }
}

/// Guards that a writer that counts late looks at where readers have turned strong.
#[test]
fn what_was_overwritten_before_it_was_counted_is_missed_by_a_reader_that_turned_strong() {
    an_uncounted_message(
        |shared, send| {
            let mut reader = WeakReader::new(shared, StartAt::Oldest);
            send();
            let received = drain(&mut reader);
            let reader: Reader = match reader.into_strong() {
                Ok(strong) => strong.into(),
                Err(error) => error.reader.into(),
            };
            (reader, received)
        },
        |(mut reader, mut received), sent, send| {
            received += drain(&mut reader);
            assert_eq!(received + missed(&reader), sent);
            // Once it is weak again, a real loss is one, too.
            let mut reader: Reader = reader.into_weak().into();
            send();
            let sent = send();
            received += drain(&mut reader);
            assert_eq!(received + missed(&reader), sent);
        },
    );
}

/// Guards that a slice is late however far before the reader's start it was.
#[test]
fn what_was_overwritten_before_a_reader_started_is_not_its_loss_though_it_is_counted_then() {
    an_uncounted_message(
        |shared, send| {
            (0..4).for_each(|_| send());
            WeakReader::new(shared, StartAt::Now)
        },
        |reader, _, _| assert_eq!(missed(&reader), 0),
    );
}
