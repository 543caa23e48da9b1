//! A strong reader that hands lines back while it is alone, and others that come and go meanwhile.
//!
//! Loom fails if what one thread is lent is stored to by another one.

use super::watch::shared;
use super::*;
use crate::channel::reader::{Lend, Read, StrongReader, WeakReader};
use crate::channel::shared::Shared;
use crate::channel::terms::{AfterLast, StartAt};
use crate::sync::processor::STORES_BACK;
use loom::thread;

fn model_of_handing_back(check: impl Fn() + Sync + Send + 'static) {
    STORES_BACK.set(true);
    model(PREEMPTIONS, check);
    STORES_BACK.set(false);
}

/// A channel of so many granules, in which one slice lies for the reader that is there.
fn with_a_slice(granules: u64) -> (Arc<Shared>, StrongReader) {
    let mut shared = shared(granules);
    Arc::get_mut(&mut shared).unwrap().after_last = AfterLast::Overwrite;
    let reader = StrongReader::new(&shared, StartAt::Oldest);
    write(&shared.ring, 1, 1).unwrap();
    (shared, reader)
}

fn copy(reader: &mut StrongReader) -> Option<Fill> {
    let mut bytes = [0; GRANULE as usize];
    let read = reader.read_now(&mut bytes).ok()?;
    assert_eq!((read, bytes), (bytes.len(), [bytes[0]; GRANULE as usize]));
    Some(bytes[0])
}

fn lend(reader: &mut StrongReader) -> Option<Fill> {
    let lender = reader.lender();
    let (length, byte) = {
        let lent = lender.try_fill_buf().ok()?;
        (lent.len(), lent[0])
    };
    lender.consume(length);
    Some(byte)
}

/// Guards that a strong reader that comes as a second one takes the right to store away before it is lent
/// anything (ORD(interrupt)), and that a section looks whether it is there.
#[test]
fn what_a_second_reader_is_lent_is_not_stored_to() {
    model_of_handing_back(|| {
        let (shared, mut alone) = with_a_slice(2);
        let coming = shared.clone();
        let thread = thread::spawn(move || {
            let mut second = StrongReader::new(&coming, StartAt::Oldest);
            let read = lend(&mut second);
            assert!(matches!(read, Some(1) | None));
        });
        assert_eq!(copy(&mut alone), Some(1));
        thread.join().unwrap();
    });
}

/// The same for a weak reader that turns strong, while the one that was alone gives back what it was lent.
#[test]
fn what_a_weak_reader_that_turns_strong_is_lent_is_not_stored_to() {
    model_of_handing_back(|| {
        let (shared, mut alone) = with_a_slice(2);
        let weak = WeakReader::new(&shared, StartAt::Oldest);
        let thread = thread::spawn(move || {
            if let Ok(mut second) = weak.into_strong() {
                let read = lend(&mut second);
                assert!(matches!(read, Some(1) | None));
            }
        });
        assert_eq!(lend(&mut alone), Some(1));
        thread.join().unwrap();
    });
}

/// The same for a clone: of its original, which is stopped for good with the slice unread.
#[test]
fn what_a_clone_is_lent_is_not_stored_to() {
    model_of_handing_back(|| {
        let (_shared, mut alone) = with_a_slice(2);
        write(&_shared.ring, 1, 2).unwrap();
        // It may store from here on.
        assert_eq!(copy(&mut alone), Some(1));
        let mut clone = alone.clone();
        let thread = thread::spawn(move || assert_eq!(lend(&mut clone), Some(2)));
        assert_eq!(copy(&mut alone), Some(2));
        thread.join().unwrap();
    });
}

/// A reader that was lent something goes, and the one that is alone then stores to that.
#[test]
fn what_a_reader_was_lent_that_has_gone_may_be_stored_to() {
    model_of_handing_back(|| {
        let (_shared, mut alone) = with_a_slice(2);
        let mut second = alone.clone();
        let thread = thread::spawn(move || assert_eq!(copy(&mut alone), Some(1)));
        assert_eq!(lend(&mut second), Some(1));
        drop(second);
        thread.join().unwrap();
    });
}

/// The same where nothing orders the two but the count (ORD(exclusive:A), ORD(exclusive:B)): a whole reader
/// that goes passes full fences on its way, which hide a missing one here.
#[test]
fn what_was_lent_before_a_reader_is_counted_out_comes_before_what_is_stored() {
    model_of_handing_back(|| {
        let mut ring = Arc::into_inner(ring(2)).unwrap();
        ring.hand_lines_back(true);
        let ring = Arc::new(ring);
        let (mut alone, second) = (ring.join(), ring.join());
        ring.count_strong_readers(2);
        write(&ring, 1, 1).unwrap();
        let storing = ring.clone();
        // In the spawned thread: loom begins with the other one, and does not find every way back from there.
        let thread = thread::spawn(move || assert_eq!(read(&storing, &mut alone), Some(1)));
        assert!(second.mark(), "nobody wants the hold");
        let seen = ring.see(second.position(), 0).unwrap();
        assert_eq!(ring.lend_seen(&second, &seen)[0], 1);
        ring.count_strong_readers(1);
        thread.join().unwrap();
    });
}

/// Guards the fence before what is stored back (ORD(reserved:C)): a weak reader that reads it on a later lap
/// finds that it was overrun.
#[test]
fn a_weak_reader_that_reads_what_was_stored_back_finds_itself_overrun() {
    model_of_handing_back(|| {
        let ring = ring(1);
        let mut ring = Arc::into_inner(ring).unwrap();
        ring.hand_lines_back(true);
        let ring = Arc::new(ring);
        let mut held = ring.join();
        write(&ring, 1, 1).unwrap();
        assert_eq!(read(&ring, &mut held), Some(1));
        // What the weak reader has found so far; it goes on when all others are done, if loom has it so.
        let position = start(1);
        let Found::Slice(length) = ring.find(position) else { unreachable!("it was written") };
        let description = ring.describe(position);
        let (reading, storing) = (ring.clone(), ring.clone());
        let strong = thread::spawn(move || {
            let _copied_and_stored_back = read(&storing, &mut held);
        });
        let weak = thread::spawn(move || {
            let mut bytes = vec![0; length as usize];
            reading.copy_racing(position, 0, &mut bytes);
            if reading.is_intact(position) {
                assert_eq!(whole(&description, &bytes), 1);
            }
        });
        write(&ring, 1, 2).unwrap();
        strong.join().unwrap();
        weak.join().unwrap();
    });
}
