//! Holds that are taken from strong readers, while these read and lend.

use super::watch::{read_byte, shared, write_slice};
use super::*;
use crate::channel::reader::Read;
use crate::channel::reader::{Receive, StrongReader};
use crate::channel::shared::Shared;
use crate::channel::terms::{AfterLast, Backpressure, StartAt, TakesEffect};
use crate::channel::writer::StrongWriter;
use crate::error::{ReadError, TryReadError};
use crate::sync::asymmetric::{Abilities, HEAVY_FENCES};
use loom::future::block_on;
use loom::thread;

/// The number of the first reader of a channel.
const FIRST: u32 = 1;

fn send(writer: &mut StrongWriter, fill: Fill) -> bool {
    writer.try_send(&[fill; GRANULE as usize]).is_ok()
}

/// A channel that does without heavy fences.
fn fenced() -> Arc<Shared> {
    let geometry = Geometry::new(GRANULE);
    Arc::new(Shared::new(geometry, start(1), Backpressure::Block, Abilities::NONE).unwrap())
}

/// A reader reads the message that is there in one way or another, and a writer overwrites it once the hold
/// was taken. Whatever the reader gets is whole, and it is not in the way any more. Loom finds a race if
/// the writer writes what is lent.
fn is_whole_or_taken(
    shared: Arc<Shared>,
    read: fn(&mut StrongReader) -> Result<Vec<u8>, TryReadError>,
) {
    let mut reader = StrongReader::new(&shared, StartAt::Oldest);
    let mut writer = StrongWriter::new(&shared);
    assert!(send(&mut writer, 1));
    let reading = thread::spawn(move || {
        match read(&mut reader) {
            Ok(bytes) => assert_eq!(bytes, [1; GRANULE as usize]),
            Err(error) => assert_eq!(error, TryReadError::HoldTaken),
        }
        reader
    });
    let took = shared.take_hold(FIRST, false);
    assert!(took.is_some());
    let early = send(&mut writer, 2);
    let reader = reading.join().unwrap();
    // One of the two was to do it, and it is done: the reader is outside.
    assert!(early || send(&mut writer, 2), "the hold is in the way, taken {took:?}");
    assert!(send(&mut writer, 3));
    // 1 was received, or is missed; 2 is missed; 3 is unread.
    let received = reader.stats().payload_bytes / GRANULE;
    assert_eq!(received + reader.missed().messages, 2);
}

fn copy(reader: &mut StrongReader) -> Result<Vec<u8>, TryReadError> {
    let mut bytes = vec![0; GRANULE as usize];
    reader.try_read(&mut bytes)?;
    Ok(bytes)
}

fn lend(reader: &mut StrongReader) -> Result<Vec<u8>, TryReadError> {
    assert!(reader.take()?);
    Ok(reader.message().to_vec())
}

/// Guards the mark of a reader that copies, its look behind the mark (ORD(light)), the fence of the thread
/// that takes the hold (ORD(heavy)), and that this thread looks for the mark.
#[test]
fn what_is_copied_is_whole_or_the_hold_was_taken() {
    model_of_heavy_fences(PREEMPTIONS, || is_whole_or_taken(shared(1), copy));
}

/// The same for a message that is lent; and guards the look behind the lend.
#[test]
fn what_is_lent_is_not_overwritten_once_the_hold_is_taken() {
    model_of_heavy_fences(PREEMPTIONS, || is_whole_or_taken(shared(1), lend));
}

fn peek(reader: &mut StrongReader) -> Result<Vec<u8>, TryReadError> {
    assert!(reader.peek_next()?.is_some());
    let bytes = reader.seen().1.to_vec();
    reader.leave_seen();
    Ok(bytes)
}

/// The same for a message that is peeked, and stays where it is; and guards that the mark is taken off when
/// nobody looks at it any more.
#[test]
fn what_is_peeked_is_not_overwritten_and_then_the_hold_is_taken() {
    model_of_heavy_fences(PREEMPTIONS, || is_whole_or_taken(shared(1), peek));
}

/// Guards the full fences where there are no heavy ones (ORD(lent:A), ORD(lent:B)).
#[test]
fn what_is_lent_is_not_overwritten_without_heavy_fences() {
    model(PREEMPTIONS, || is_whole_or_taken(fenced(), lend));
}

/// Guards that a look is trusted only while the hold is in effect (ORD(taken:C)): the reader finds in the
/// place of its slice a later one, takes what it finds for padding, and steps over what it has not read.
#[test]
fn a_reader_that_looks_without_a_mark_steps_over_nothing() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        assert!(send(&mut writer, 1));
        let reading = thread::spawn(move || {
            let mut bytes = [0; 2 * GRANULE as usize];
            match reader.try_read(&mut bytes) {
                Ok(read) => assert_eq!((read, bytes[0]), (GRANULE as usize, 1)),
                Err(error) => assert_eq!(error, TryReadError::HoldTaken),
            }
            reader
        });
        shared.take_hold(FIRST, false);
        let is_overwritten = send(&mut writer, 2);
        let reader = reading.join().unwrap();
        if reader.stats().payload_bytes == 0 && is_overwritten {
            // The gap is told.
            let told = reader.into_weak().try_read(&mut [0; GRANULE as usize]);
            assert!(matches!(told, Err(TryReadError::Lagged(_))), "{told:?}");
        }
    });
}

/// Guards the wake-up of a reader that waits, and the fence before it.
#[test]
fn a_reader_that_sleeps_learns_that_its_hold_was_taken() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let reading = thread::spawn(move || {
            assert_eq!(block_on(read_byte(&mut reader)), Err(ReadError::HoldTaken));
        });
        assert!(shared.take_hold(FIRST, false).is_some());
        reading.join().unwrap();
    });
}

/// Guards the wake-up of a writer that waits for room by the thread that takes the hold. Another reader is there, so
/// that nothing stands in for the hold, which would wake by going.
#[test]
fn a_writer_that_sleeps_is_woken_when_a_hold_is_taken() {
    model_of_heavy_fences(2, || {
        let shared = shared(1);
        let reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut quicker = reader.clone();
        let mut writer = StrongWriter::new(&shared);
        assert!(send(&mut writer, 1));
        assert_eq!(block_on(read_byte(&mut quicker)), Ok(Some(1)));
        let other = shared.clone();
        let taking = thread::spawn(move || {
            assert_eq!(other.take_hold(FIRST, false), Some(TakesEffect::Now));
        });
        assert_eq!(block_on(write_slice(&mut writer, 1, 2)), Ok(GRANULE as usize));
        taking.join().unwrap();
        drop((reader, quicker));
    });
}

/// Guards the same by the reader, which gives the hold up with its next call.
#[test]
fn a_writer_that_sleeps_is_woken_when_a_hold_is_given_up() {
    model_of_heavy_fences(2, || {
        let shared = shared(1);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        assert!(send(&mut writer, 1));
        // It lends, and gives nothing back by that.
        assert_eq!(reader.take(), Ok(true));
        std::mem::forget(reader.message());
        assert_eq!(shared.take_hold(FIRST, false), Some(TakesEffect::AfterLend));
        let reading = thread::spawn(move || {
            assert_eq!(reader.take(), Err(TryReadError::HoldTaken));
            reader
        });
        assert_eq!(block_on(write_slice(&mut writer, 1, 2)), Ok(GRANULE as usize));
        drop(reading.join().unwrap());
    });
}

/// Guards that a clone holds only if the hold of its original was not taken before.
#[test]
fn a_clone_holds_what_it_reads_or_has_no_hold() {
    model_of_heavy_fences(1, || {
        let shared = shared(1);
        let reader = StrongReader::new(&shared, StartAt::Oldest);
        // There are three holds at a time: theirs, and the one that stands in. loom does not know what the
        // table's `OnceLock` orders, so that the room for them is made before the threads.
        drop([reader.clone(), reader.clone()]);
        let mut writer = StrongWriter::new(&shared);
        assert!(send(&mut writer, 1));
        // The thread that clones begins: so one preemption is enough.
        let taking = thread::spawn(move || {
            // Before the clone is there this is the original's.
            let _took = shared.take_hold(FIRST, false);
            let early = send(&mut writer, 2);
            (writer, early)
        });
        let mut clone = reader.clone();
        drop(reader);
        match lend(&mut clone) {
            Ok(bytes) => {
                assert_eq!(bytes, [1; GRANULE as usize]);
                assert!(Read::core(&clone).is_strong(), "it has a hold, and counts as weak");
            }
            Err(error) => assert_eq!(error, TryReadError::HoldTaken),
        }
        let (mut writer, early) = taking.join().unwrap();
        assert!(early || send(&mut writer, 2));
        drop(clone);
    });
}

/// Guards that a hold is fenced no longer only for those who know: either the thread that wants it issues a
/// heavy fence, or the reader finds it wanted without any.
#[test]
fn who_wants_a_hold_knows_which_fences_its_reader_issues() {
    model(PREEMPTIONS, || {
        let ring = Ring::new(Geometry::new(GRANULE), start(1), Abilities::NONE).unwrap();
        let ring = Arc::new(ring);
        let held = ring.join();
        held.name(FIRST);
        let before = HEAVY_FENCES.get();
        let reading = thread::spawn(move || {
            held.rely_on_heavy_fences();
            held.is_wanted()
        });
        assert!(ring.want_hold(FIRST, false).is_some());
        let is_heavy = HEAVY_FENCES.get() > before;
        let is_wanted = reading.join().unwrap();
        assert!(is_heavy || is_wanted, "the reader relies on a heavy fence that nobody issues");
    });
}

/// A ring of one granule, which is full, and its only strong reader.
fn full(after_last: AfterLast) -> (Arc<Shared>, StrongReader, StrongWriter) {
    let mut shared = shared(1);
    Arc::get_mut(&mut shared).unwrap().after_last = after_last;
    let reader = StrongReader::new(&shared, StartAt::Oldest);
    let mut writer = StrongWriter::new(&shared);
    assert!(send(&mut writer, 1));
    (shared, reader, writer)
}

/// Guards that the channel ends before the hold of its last reader is gone: a writer is not let in where
/// nobody reads. It ends once, whether the owner ends the reader, or that goes.
#[test]
fn who_ends_the_last_reader_lets_no_writer_in() {
    model(PREEMPTIONS, || {
        let (shared, reader, mut writer) = full(AfterLast::Close);
        let ending = shared.clone();
        let ending = thread::spawn(move || ending.take_hold(FIRST, true));
        assert!(!send(&mut writer, 2), "nobody reads this");
        ending.join().unwrap();
        assert!(!send(&mut writer, 3), "nobody reads this");
        drop(reader);
    });
}

/// The same if the reader goes meanwhile: one of the two counts it out.
#[test]
fn of_the_owner_and_a_reader_that_goes_one_ends_the_channel() {
    model(PREEMPTIONS, || {
        let (shared, reader, mut writer) = full(AfterLast::Close);
        let going = thread::spawn(move || drop(reader));
        shared.take_hold(FIRST, true);
        going.join().unwrap();
        assert!(!send(&mut writer, 2), "nobody reads this");
        assert_eq!(shared.stats().strong_readers, 0);
    });
}

/// Guards that there is no moment without a hold while the last reader is ended and the next one comes.
#[test]
fn what_an_ended_reader_has_not_read_waits_for_the_next_one() {
    model(2, || {
        let (shared, reader, mut writer) = full(AfterLast::Wait);
        // There will be three holds. Models make their chunks before their threads.
        drop([(); 2].map(|()| StrongReader::new(&shared, StartAt::Oldest)));
        let coming = shared.clone();
        let coming = thread::spawn(move || {
            let mut next = StrongReader::new(&coming, StartAt::Oldest);
            block_on(read_byte(&mut next))
        });
        assert_eq!(shared.take_hold(FIRST, true), Some(TakesEffect::Now));
        let _written = send(&mut writer, 2);
        assert_eq!(coming.join().unwrap(), Ok(Some(1)));
        drop(reader);
    });
}

/// Guards nothing but the argument of `channel/taking.rs`: a reader that steps over what was given up may
/// move its hold while that is taken, and this changes no count.
#[test]
fn a_reader_that_steps_over_what_was_given_up_while_its_hold_is_taken_misses_what_was_sent() {
    model_of_heavy_fences(2, || {
        let mut shared = shared(2);
        Arc::get_mut(&mut shared).unwrap().after_last = AfterLast::Overwrite;
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        let mut writer = StrongWriter::new(&shared);
        shared.ring.abort(reserve(&shared.ring, 1).unwrap());
        let reading = thread::spawn(move || {
            let look = reader.try_read(&mut [0; GRANULE as usize]);
            assert!(matches!(look, Err(TryReadError::Empty | TryReadError::HoldTaken)), "{look:?}");
            reader
        });
        assert!(shared.take_hold(FIRST, false).is_some());
        let mut reader = reading.join().unwrap();
        assert_eq!(reader.try_read(&mut [0]), Err(TryReadError::HoldTaken));
        (1..=3).for_each(|byte| assert!(send(&mut writer, byte)));
        // Two are in the ring.
        assert_eq!(shared.stats().overwritten_slices, 1);
        assert_eq!(reader.missed().messages, 1);
    });
}
