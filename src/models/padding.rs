//! Slices with padding before them, and slices that lie over their own padding.

use super::watch::{read_byte, shared, write_slice};
use super::*;
use crate::channel::reader::StrongReader;
use crate::channel::terms::StartAt;
use crate::channel::writer::{HasCore, StrongWriter};
use loom::future::block_on;
use loom::thread;

/// A ring of `granules` whose cursor is at the `place`th of a lap, and in which nothing is unread.
fn ring_at(granules: u64, place: u64) -> Arc<Ring> {
    let ring = ring(granules);
    ring.abort(reserve(&ring, place).unwrap());
    ring
}

/// Commits the first `granules` of a reservation, and gives up the rest.
fn fill_short(ring: &Ring, mut reservation: Reservation, granules: u64, byte: Fill) {
    ring.trim(&mut reservation, granules * GRANULE);
    fill(ring, reservation, byte);
}

/// The reader has read, or reads now, the one slice that there is, and nothing else.
fn check_it_reads_on(ring: &Ring, (mut all, position): (Vec<Fill>, Position)) {
    let (more, position) = read_on(ring, position);
    all.extend(more);
    assert_eq!(all, [2]);
    assert_eq!(position, ring.reserved());
}

/// Steps of a weak reader from `position` on until it finds nothing: what it read, and where it stands.
fn read_on(ring: &Ring, mut position: Position) -> (Vec<Fill>, Position) {
    let mut all = Vec::new();
    loop {
        match ring.find(position) {
            Found::Slice(length) => {
                let description = ring.describe(position);
                let mut bytes = vec![0; length as usize];
                ring.copy_racing(position, 0, &mut bytes);
                if ring.is_intact(position) {
                    all.push(whole(&description, &bytes));
                    position = position.plus(slice_size(length));
                } else {
                    position = ring.oldest_intact(position);
                }
            }
            Found::Skip(next) => position = next,
            Found::Overrun => position = ring.oldest_intact(position),
            Found::Nothing => return (all, position),
        }
    }
}

/// Guards that a writer that is refused has taken nothing: the other writer gets all the room that there is.
#[test]
fn a_refused_slice_takes_nothing_from_another_writer() {
    for size in [2, 3, 4] {
        model(PREEMPTIONS, move || {
            let ring = ring_at(4, 2);
            let mut held = ring.join();
            write(&ring, 1, 1).unwrap();
            let other = ring.clone();
            let thread = thread::spawn(move || {
                for byte in 2..5 {
                    write(&other, 1, byte).unwrap();
                }
            });
            // It wants the granule that is left of the lap as well, and has it in none of the orders.
            if size > 2 {
                assert_eq!(write(&ring, size, 7), Err(Refused::Full));
            } else {
                let mut lane = ring.lane();
                let refused = ring.reserve(&mut lane, size * GRANULE, GRANULE).err();
                assert_eq!(refused, Some(Refused::Full));
            }
            thread.join().unwrap();
            assert_eq!(ring.reserved().since(start(4)), 6);
            for byte in 1..5 {
                assert_eq!(read(&ring, &mut held), Some(byte));
            }
        });
    }
}

/// Guards that padding needs room as well: without that the slice is written over one that is unread.
#[test]
fn a_slice_with_padding_is_not_written_over_what_is_unread() {
    model(PREEMPTIONS, || {
        let ring = ring_at(4, 2);
        let mut held = ring.join();
        write(&ring, 1, 1).unwrap();
        let other = ring.clone();
        // Padding of one granule, and the slice: if the first one was read, or else not.
        let thread = thread::spawn(move || write(&other, 3, 2).is_ok());
        assert_eq!(read(&ring, &mut held), Some(1));
        let written = thread.join().unwrap();
        assert_eq!(read(&ring, &mut held), written.then_some(2));
    });
}

/// Guards that the whole ring is enough for any slice, and that it keeps out who comes second.
#[test]
fn a_slice_as_large_as_the_ring_goes_into_an_empty_ring_beside_another_writer() {
    model(PREEMPTIONS, || {
        let ring = ring_at(4, 1);
        let mut held = ring.join();
        let other = ring.clone();
        let thread = thread::spawn(move || write(&other, 4, 2).is_ok());
        let small = write(&ring, 1, 1).is_ok();
        let large = thread.join().unwrap();
        assert!(small || large);
        let mut all: Vec<_> = std::iter::from_fn(|| read(&ring, &mut held)).collect();
        if !small || !large {
            // Once that is read, the other one gets in.
            let (size, byte) = if small { (4, 2) } else { (1, 1) };
            write(&ring, size, byte).unwrap();
            all.extend(read(&ring, &mut held));
        }
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        assert_eq!(held.position(), ring.reserved());
    });
}

/// Guards that the gate passes the padding before anything is written over it: the slice that is given
/// up at the end of the short one has the descriptor of the padding, and a reader that stands there would
/// wait for ever.
#[test]
fn a_strong_reader_comes_over_padding_that_its_slice_lies_over() {
    model(PREEMPTIONS, || {
        let ring = ring_at(4, 2);
        let mut held = ring.join();
        ring.release_up_to(&mut held, start(4).plus(2 * GRANULE));
        let other = ring.clone();
        let thread = thread::spawn(move || (read(&other, &mut held), held));
        fill_short(&ring, reserve(&ring, 3).unwrap(), 2, 2);
        let (early, mut held) = thread.join().unwrap();
        assert_eq!(early.or_else(|| read(&ring, &mut held)), Some(2));
        assert_eq!(read(&ring, &mut held), None);
        assert_eq!(held.position(), ring.reserved());
        // And nothing of it is held.
        write(&ring, 4, 3).unwrap();
        assert_eq!(read(&ring, &mut held), Some(3));
    });
}

/// Guards that the limit is raised before that, and the fence behind it: a weak reader would step over
/// the padding by the length of the slice that has its descriptor.
#[test]
fn a_weak_reader_comes_over_padding_that_its_slice_lies_over() {
    model(PREEMPTIONS, || {
        let ring = ring_at(4, 2);
        let position = ring.reserved();
        let other = ring.clone();
        let thread = thread::spawn(move || read_on(&other, position));
        fill_short(&ring, reserve(&ring, 3).unwrap(), 2, 2);
        check_it_reads_on(&ring, thread.join().unwrap());
    });
}

/// Guards where an overrun reader goes on while the cursor is more than a capacity past the gate: a
/// capacity before the cursor would be in the middle of the padding.
#[test]
fn an_overrun_reader_goes_on_at_the_start_of_a_slice_behind_padding() {
    model(PREEMPTIONS, || {
        let ring = ring_at(4, 2);
        let other = ring.clone();
        let thread = thread::spawn(move || read_on(&other, other.oldest_intact(start(4))));
        fill(&ring, reserve(&ring, 3).unwrap(), 2);
        check_it_reads_on(&ring, thread.join().unwrap());
    });
}

/// Guards that a reader which starts at the next slice to come is not taken for one that the gate has
/// passed, when that place is more than a capacity past the gate.
#[test]
fn a_reader_that_starts_behind_a_slice_over_its_padding_stays_there() {
    model(PREEMPTIONS, || {
        let ring = ring_at(4, 2);
        let other = ring.clone();
        let thread = thread::spawn(move || {
            let mut held = other.join();
            let now = other.reserved();
            other.jump(&mut held, now);
            let early = read(&other, &mut held);
            assert!(!held.position().is_before(now), "back from {now:?}");
            (now, early, held)
        });
        write(&ring, 3, 2).unwrap();
        let (now, early, mut held) = thread.join().unwrap();
        let _room = write(&ring, 1, 3);
        let all: Vec<_> =
            early.into_iter().chain(std::iter::from_fn(|| read(&ring, &mut held))).collect();
        let expected: &[Fill] = if now == start(4).plus(2 * GRANULE) { &[2, 3] } else { &[3] };
        assert_eq!(all, expected);
    });
}

/// Guards the wake after padding: it is room for a writer that waits, however long the slice behind it
/// is in flight.
#[test]
fn a_writer_that_waits_for_padding_is_woken() {
    model(2, || {
        let shared = shared(4);
        let mut reader = StrongReader::new(&shared, StartAt::Oldest);
        write(&shared.ring, 3, 1).unwrap();
        assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
        assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
        assert_eq!(block_on(read_byte(&mut reader)), Ok(Some(1)));
        let mut padded = StrongWriter::new(&shared);
        let thread = thread::spawn(move || {
            let slice = padded.writer_core().try_reserve(2 * GRANULE as usize);
            (padded, slice)
        });
        // Two granules are free if it comes first, and also behind the other: the padding is room.
        let mut waiting = StrongWriter::new(&shared);
        let written = block_on(write_slice(&mut waiting, 2, 2));
        assert_eq!(written, Ok(2 * GRANULE as usize));
        let _in_flight = thread.join().unwrap();
    });
}
