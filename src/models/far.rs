//! Positions that run around: in the models a turn is 32 granules, and one thread is stopped while
//! others go more than half of it. Slices that are given up move the position as fast as that in
//! practice, too.
//!
//! If a reader runs beside a writer, the reader is the thread that is spawned, so that loom runs
//! the writer first. loom would not try that by itself. It remembers one access to each word: if A
//! loads a word and then exchanges it, that hides that B had loaded it before.

use super::*;
use loom::thread;

/// Gives up whole rings, so many granules of them, as far as there is room.
fn give_up(ring: &Ring, granules: u64) {
    let size = ring.capacity() / GRANULE;
    for _ in 0..granules / size {
        if let Ok(reservation) = reserve(ring, size) {
            ring.abort(reservation);
        }
    }
}

/// More than half a turn, and with what comes on top less than a whole one.
const FAR: u64 = 20;

/// Guards that an old copy of the gate is no room, whichever side of half a turn it is on.
#[test]
fn a_writer_with_an_old_copy_of_the_gate_overwrites_nothing() {
    model(2, || {
        let ring = ring(2);
        let mut idle = ring.lane();
        give_up(&ring, FAR);
        let mut held = ring.join();
        write(&ring, 2, 1).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || reserve_in(&other, &mut idle, 2).err());
        let refused = thread.join().unwrap();
        assert_eq!(refused, Some(Refused::Full));
        assert_eq!(read(&ring, &mut held), Some(1));
    });
}

/// Guards how far the gate has passed a reader: the reader follows however far that is.
#[test]
fn a_reader_that_was_left_behind_by_skipped_slices_follows() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        let mut held = ring.join();
        give_up(&ring, FAR);
        let other = ring.clone();
        let thread = thread::spawn(move || (read(&other, &mut held), held));
        write(&ring, 2, 1).unwrap();
        let (early, mut held) = thread.join().unwrap();
        assert_eq!(early.or_else(|| read(&ring, &mut held)), Some(1));
    });
}

/// Guards that a hold which was left behind counts as being at the gate, and not as one far ahead.
#[test]
fn a_reader_that_was_left_behind_by_skipped_slices_keeps_what_comes() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        let mut held = ring.join();
        give_up(&ring, FAR);
        write(&ring, 2, 1).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || (read(&other, &mut held), held));
        let written = write(&ring, 2, 2).is_ok();
        let (first, mut held) = thread.join().unwrap();
        assert_eq!(first, Some(1));
        assert_eq!(read(&ring, &mut held), written.then_some(2));
    });
}

/// Guards that a weak reader sees the limit past it, whichever side of half a turn it is on.
#[test]
fn a_weak_reader_that_idled_is_overrun() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        write(&ring, 2, 1).unwrap();
        let position = start(2);
        give_up(&ring, FAR);
        let other = ring.clone();
        let thread = thread::spawn(move || {
            assert!(!other.is_intact(position));
            assert_eq!(other.find(position), Found::Overrun);
            other.oldest_intact(position)
        });
        write(&ring, 2, 2).unwrap();
        let next = thread.join().unwrap();
        // The slice of the last write, or the oldest one before it.
        assert!(ring.reserved().since(next) <= 4);
    });
}

/// Guards that the limit only rises: a mover that was stopped between its look at the gate and the
/// raise does not take the limit back.
#[test]
fn a_mover_that_was_stopped_does_not_take_the_limit_back() {
    model(1, || {
        let ring = ring(4);
        write(&ring, 4, 1).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || give_up(&other, 4));
        give_up(&ring, FAR);
        thread.join().unwrap();
        // Joined at the limit: nothing before it is there any more.
        let mut held = ring.join();
        write(&ring, 2, 2).unwrap();
        assert_eq!(read(&ring, &mut held), Some(2));
    });
}
