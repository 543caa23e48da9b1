//! Where there are no sections nothing is stored, and what is read is the same.

use super::*;
use crate::ring::descriptor::{Description, Joins};
use crate::ring::position::Geometry;
use crate::sync::AtomicBool;
use crate::sync::asymmetric::{Abilities, has_sections, prepare};
use crate::sync::rseq;
use std::thread;

/// The processor of the test may have no sections, or not what they need.
fn stores_back() -> bool {
    prepare();
    has_sections() && processor::can_store_back() && rseq::core().is_some()
}

fn ring() -> (Ring, Held) {
    let mut ring = Ring::new(Geometry::new(64 * 1024), Position::new(0), Abilities::ALL).unwrap();
    ring.hand_lines_back(true);
    let held = ring.join();
    ring.count_strong_readers(1);
    (ring, held)
}

/// One that hands lines back gains nothing by lines that are asked for ahead of long pieces, and several cannot hand
/// them back.
#[test]
fn lines_are_asked_for_ahead_unless_a_reader_that_is_alone_hands_them_back() {
    for hands_back in [false, true] {
        let mut ring = Ring::new(Geometry::new(1024), Position::new(0), Abilities::ALL).unwrap();
        ring.hand_lines_back(hands_back);
        let hands_back = hands_back && processor::can_store_back();
        let prepares_from = |readers| {
            ring.count_strong_readers(readers);
            ring.storage.prepares_from()
        };
        let alone = if hands_back { COPIED } else { SHORT + 1 } as u64;
        for (readers, from) in
            [(0, NEVER), (1, alone), (2, SHORT as u64 + 1), (1, alone), (0, NEVER)]
        {
            assert_eq!(prepares_from(readers), from, "{readers} readers");
        }
    }
}

fn bytes_of(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + number * 13 + 1) as u8).collect()
}

/// Writes a slice as a thread on another core does, and tells where it lies.
fn write(ring: &Ring, bytes: &[u8]) -> Position {
    let reserved = ring.reserve(&mut ring.lane(), bytes.len() as u64, 0).unwrap().slice;
    ring.write(&reserved, 0, bytes);
    ring.reserved.note_core(u32::MAX);
    let (length, joins) = (bytes.len() as u32, Joins::default());
    let description = Description { length, writer: 0, sequence: 0, bytes: 0, joins };
    let position = reserved.position;
    ring.commit(reserved, description);
    position
}

fn copy(ring: &Ring, held: &mut Held, from: usize, to: &mut [u8]) {
    assert!(held.mark());
    ring.copy_held(held, held.position(), from as u64, to);
    assert!(!held.unmark());
}

/// The end of the slice where the hold stands.
fn end(ring: &Ring, held: &Held) -> Position {
    let slice = held.position();
    slice.plus(slice_size(ring.find_committed(slice).unwrap()))
}

/// Hands what was lent back, up to `end`.
fn hand_back(ring: &Ring, held: &mut Held, end: Position) {
    assert!(held.mark());
    ring.hand_back(held, held.position(), end);
    assert!(!held.unmark());
}

fn state(ring: &Ring) -> u64 {
    ring.exclusive.state.load(Ordering::Relaxed)
}

#[test]
fn what_is_stored_back_is_read_and_stays_as_it_was() {
    let (ring, mut held) = ring();
    for length in (1..300).chain([1000, 1023, 1024, 1151, 1152, 2047, 2048, 4097, 16 * 1024]) {
        let bytes = bytes_of(length, length);
        // Over padding.
        let position = write(&ring, &bytes);
        ring.release_up_to(&mut held, position);
        for from in [0, 1, 31, 64, length / 2] {
            let mut to = vec![0; length.saturating_sub(from)];
            copy(&ring, &mut held, from.min(length), &mut to);
            assert_eq!(to, bytes[from.min(length)..], "{length} bytes from {from} on");
        }
        let next = end(&ring, &held);
        hand_back(&ring, &mut held, next);
        let mut again = vec![0; length];
        ring.copy_racing(held.position(), 0, &mut again);
        assert_eq!(again, bytes);
        ring.release_up_to(&mut held, next);
    }
    assert_eq!(state(&ring), if stores_back() { STORES } else { EXCLUSIVE });
}

#[test]
fn only_a_reader_of_long_pieces_that_is_alone_stores_back() {
    let can_store = stores_back();
    let (ring, mut held) = ring();
    write(&ring, &bytes_of(1, 4096));
    copy(&ring, &mut held, 0, &mut [0; COPIED - 1]);
    assert_eq!(state(&ring), EXCLUSIVE);
    ring.count_strong_readers(2);
    copy(&ring, &mut held, 0, &mut [0; 4096]);
    assert_eq!(state(&ring), SEVERAL);
    ring.count_strong_readers(3);
    ring.count_strong_readers(2);
    assert_eq!(state(&ring), SEVERAL);
    ring.count_strong_readers(1);
    assert_eq!(state(&ring), EXCLUSIVE);
    copy(&ring, &mut held, 0, &mut [0; 4096]);
    assert_eq!(state(&ring), if can_store { STORES } else { EXCLUSIVE });
    ring.count_strong_readers(2);
    assert_eq!(state(&ring), SEVERAL);
}

/// Slices that are short and many, some of them skipped, up to the end of the ring and from its start on.
#[test]
fn short_slices_that_were_lent_together_are_stored_back_from_end_to_end() {
    let can_store = stores_back();
    let (ring, mut held) = ring();
    for lap in 0..20 {
        let mut written = Vec::new();
        for number in 0..37 {
            let bytes = bytes_of(number + lap, 1 + number * 7);
            written.push((write(&ring, &bytes), bytes));
            let skipped = ring.reserve(&mut ring.lane(), 100, 0).unwrap().slice;
            ring.abort(skipped);
        }
        let (first, last) = (written[0].0, &written[36]);
        let end = last.0.plus(slice_size(last.1.len() as u64));
        ring.release_up_to(&mut held, first);
        hand_back(&ring, &mut held, end);
        for (position, bytes) in &written {
            let mut again = vec![0; bytes.len()];
            ring.copy_racing(*position, 0, &mut again);
            assert_eq!(again, *bytes);
            assert_eq!(ring.find_committed(*position), Some(bytes.len() as u64));
        }
        ring.release_up_to(&mut held, end);
    }
    assert_eq!(state(&ring), if can_store { STORES } else { EXCLUSIVE });
}

/// As when a message is dropped that was received ahead of the hold.
#[test]
fn nothing_is_handed_back_of_what_lies_behind_the_reader() {
    let _could_be_here = stores_back();
    let (ring, mut held) = ring();
    write(&ring, &bytes_of(1, 4096));
    let second = write(&ring, &bytes_of(2, 4096));
    assert!(held.mark());
    let place = held.position();
    ring.hand_back(&mut held, second, place);
    assert!(!held.unmark());
    assert_eq!(state(&ring), EXCLUSIVE);
}

#[test]
fn a_reader_on_the_core_of_the_writer_does_not_store_back() {
    let (ring, mut held) = ring();
    write(&ring, &bytes_of(1, 4096));
    if let Some(core) = rseq::core() {
        // Threads of tests are moved, so that it may take some tries.
        let is_near = (0..1000).any(|_| {
            ring.reserved.note_core(core);
            let nearness = &held.hold.nearness;
            nearness.reads.set(0);
            let _near = nearness.is_near(|| ring.reserved.core());
            nearness.is_near.get() == 1
        });
        assert!(is_near);
        copy(&ring, &mut held, 0, &mut [0; 4096]);
        assert_eq!(state(&ring), EXCLUSIVE);
    }
}

/// Guards the section itself: one that went on behind the interruption would still copy.
#[test]
fn no_section_goes_on_behind_an_interruption() {
    if !stores_back() {
        return;
    }
    // So many take a section longer than it takes to interrupt it.
    const WORDS: usize = 128 * 1024;
    let words = || Vec::from_iter((0..WORDS).map(|_| AtomicU64::new(0)));
    let (from, to, exclusive) = (words(), words(), Exclusive::new());
    exclusive.count(2);
    let is_over = AtomicBool::new(false);
    let mut went_on = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            let places = [&from, &to].map(|words| words[0].as_ptr().cast::<u8>());
            while !is_over.load(Ordering::Relaxed) {
                // SAFETY: the words are atomic, and are accessed by sections, and by loads and stores of
                // single words.
                unsafe { exclusive.store_back(places[0], places[1], WORDS * 8) };
            }
        });
        for round in 1..=200 {
            from.iter().for_each(|word| word.store(round, Ordering::Relaxed));
            exclusive.count(1);
            assert!(exclusive.may_store(|| false));
            while to[0].load(Ordering::Relaxed) != round {
                std::hint::spin_loop();
            }
            // In the middle of a section.
            exclusive.count(2);
            // The section goes on from block to block: the first that it did not come to tells.
            let is_behind = |word: &AtomicU64| word.load(Ordering::Relaxed) != round;
            let block = to.iter().step_by(16).position(is_behind);
            (0..20_000).for_each(|_| std::hint::spin_loop());
            went_on += usize::from(block != to.iter().step_by(16).position(is_behind));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(went_on, 0, "so many sections went on");
}
