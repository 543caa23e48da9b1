//! Strong readers against writers.

use super::*;
use loom::thread;

/// Guards the Release of the stamp (ORD(stamp:B)) and the Acquire (ORD(stamp:A)): without either,
/// the reader's copy races with the writer's bytes.
#[test]
fn two_writers_are_read_whole() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        let threads = [1, 2].map(|byte| {
            let ring = ring.clone();
            thread::spawn(move || write(&ring, 2, byte).unwrap())
        });
        let mut seen = Vec::new();
        seen.extend(read(&ring, &mut held));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        while let Some(byte) = read(&ring, &mut held) {
            seen.push(byte);
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    });
}

/// Guards the Release of the hold (ORD(hold:B)), its Acquire (ORD(hold:A)) and the gate's pair
/// (ORD(gate:A), ORD(gate:B)): without one of them, the writer's next lap races with the reader's
/// copy. A second writer takes its view of the readers from the gate alone. The full fence of the
/// thread that moves the gate (ORD(join:A)) does as much as ORD(hold:A) and ORD(gate:B): a mutant
/// must take it out as well.
#[test]
fn the_gate_protects_a_reader() {
    model(2, || {
        let ring = ring(2);
        let mut held = ring.join();
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 2).unwrap();
        let threads = [3, 4].map(|byte| {
            let ring = ring.clone();
            thread::spawn(move || write(&ring, 1, byte).is_ok())
        });
        assert_eq!(read(&ring, &mut held), Some(1));
        assert_eq!(read(&ring, &mut held), Some(2));
        let written = threads.into_iter().map(|thread| thread.join().unwrap());
        let written = written.filter(|&written| written).count();
        let rest = std::iter::from_fn(|| read(&ring, &mut held)).count();
        assert_eq!(rest, written);
    });
}

/// Guards the second look at the holds: without it, a writer that looked at them before the reader
/// was there moves the gate past it.
#[test]
fn a_reader_joins_in_the_past_against_one_writer() {
    joins_in_the_past(PREEMPTIONS, 1);
}

/// As before. The second writer may go on from where the first one moved the gate.
#[test]
fn a_reader_joins_in_the_past_against_two_writers() {
    joins_in_the_past(1, 2);
}

fn joins_in_the_past(preemptions: usize, writers: u8) {
    model(preemptions, move || {
        let ring = ring(2);
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 2).unwrap();
        let threads: Vec<_> = (3..3 + writers)
            .map(|byte| {
                let ring = ring.clone();
                thread::spawn(move || write(&ring, 1, byte).is_ok())
            })
            .collect();
        let mut held = ring.join();
        let first = read(&ring, &mut held);
        for thread in threads {
            thread.join().unwrap();
        }
        let rest: Vec<_> = std::iter::from_fn(|| read(&ring, &mut held)).collect();
        // From where it joined it misses nothing: up to the last slice, whole and in order.
        let all: Vec<_> = first.into_iter().chain(rest).collect();
        let end = ring.reserved();
        assert_eq!(held.position(), end);
        assert!(all.len() <= 2 + usize::from(writers));
        assert!(all.windows(2).all(|pair| pair[0] < pair[1] || pair[0] > 2), "{all:?}");
    });
}

/// Guards the walk's stop at a slice in flight: without it, writers lap the slice, and two own the
/// same bytes.
#[test]
fn nobody_laps_a_slice_in_flight() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        let other = ring.clone();
        let thread = thread::spawn(move || {
            for byte in [2, 3, 4] {
                let _refused = write(&other, 1, byte);
            }
        });
        let reservation = reserve(&ring, 1);
        if let Ok(reservation) = reservation {
            assert!(reservation.position.is_within(ring.capacity(), ring.gate()));
            let ahead = ring.reserved().since(reservation.position) * GRANULE;
            assert!(ahead <= ring.capacity(), "lapped: {ahead}");
            fill(&ring, reservation, 1);
        }
        thread.join().unwrap();
    });
}

/// Guards the walk behind a hold that jumped: a reader that starts at the next slice to come holds
/// nothing of what is in flight, and yet no writer may write over it. Without the walk the gate
/// goes where the only hold is. It goes there, too, if the reader forgets with its first read that
/// it jumped.
#[test]
fn nobody_laps_a_slice_in_flight_behind_a_reader_that_starts_now() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        let reservation = reserve(&ring, 1).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || {
            for byte in [2, 3, 4] {
                let _refused = write(&other, 1, byte);
            }
        });
        let mut held = ring.join();
        ring.jump(&mut held, ring.reserved());
        // The reader gives back what it reads, and the slice is still in flight.
        let early = read(&ring, &mut held);
        let ahead = ring.reserved().since(reservation.position) * GRANULE;
        assert!(ahead <= ring.capacity(), "lapped: {ahead}");
        fill(&ring, reservation, 1);
        thread.join().unwrap();
        let rest: Vec<_> =
            early.into_iter().chain(std::iter::from_fn(|| read(&ring, &mut held))).collect();
        assert_eq!(held.position(), ring.reserved());
        assert!(rest.windows(2).all(|pair| pair[0] < pair[1]), "{rest:?}");
    });
}

/// Guards the step over padding that is no longer there (ORD(gate:D)): writers take its room while
/// the reader stands before it. Without the look at the gate, the reader waits there for ever.
#[test]
fn padding_at_the_end_of_the_ring_holds_nobody_back() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        write(&ring, 3, 1).unwrap();
        assert_eq!(read(&ring, &mut held), Some(1));
        let other = ring.clone();
        // Two granules do not fit behind three: one is padding, which the last write takes over.
        let thread = thread::spawn(move || {
            write(&other, 2, 2).unwrap();
            write(&other, 1, 3).unwrap();
            write(&other, 1, 4).unwrap();
        });
        let early = read(&ring, &mut held);
        thread.join().unwrap();
        let rest = std::iter::from_fn(|| read(&ring, &mut held));
        assert_eq!(early.into_iter().chain(rest).collect::<Vec<_>>(), [2, 3, 4]);
    });
}

/// Guards the stamp of an aborted slice, and that the rest of a shorter commit is stamped before
/// the slice itself. Without that the reader stands still.
#[test]
fn an_aborted_slice_and_the_rest_of_a_short_one_are_skipped() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        let other = ring.clone();
        let thread = thread::spawn(move || {
            let reservation = reserve(&other, 1).unwrap();
            other.abort(reservation);
            let reservation = reserve(&other, 2).unwrap();
            other.write(&reservation, 0, &[7; GRANULE as usize]);
            let mut reservation = reservation;
            other.trim(&mut reservation, GRANULE);
            let length = GRANULE as u32;
            let joins = Joins::default();
            other.commit(
                reservation,
                Description { length, writer: 7, sequence: 0, bytes: 7, joins },
            );
        });
        let early = read(&ring, &mut held);
        if early.is_some() {
            // The slice was seen, so what follows it can be stepped over.
            assert_eq!(read(&ring, &mut held), None);
            assert_eq!(held.position(), start(4).plus(3 * GRANULE));
        }
        thread.join().unwrap();
        assert_eq!(early.or_else(|| read(&ring, &mut held)), Some(7));
    });
}

/// Guards the Release of a reader that leaves (ORD(hold:B)): it has finished with what it read last
/// before a writer takes that. It is told its position, since a look at its hold would hide from
/// loom that the writer had looked before.
#[test]
fn a_reader_that_leaves_has_finished() {
    model(PREEMPTIONS, || {
        let ring = ring(1);
        let held = ring.join();
        let position = held.position();
        write(&ring, 1, 1).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || {
            let mut bytes = [0; GRANULE as usize];
            assert!(held.mark());
            other.copy_held(&held, position, 0, &mut bytes);
            assert_eq!(whole(&other.describe(position), &bytes), 1);
            other.leave(held);
        });
        let _refused = write(&ring, 1, 2);
        thread.join().unwrap();
    });
}
