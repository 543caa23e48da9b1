//! What a look at the cursor tells of the gate: the thread that moved it there had seen a gate that is not more
//! than a reach behind.

use super::*;
use loom::thread;

/// Guards the fence between the looks at the cursor and at the gate (ORD(cursor:B)): a weak reader that
/// was overrun, or is made, does not go past a slice in flight. An old gate, more than a capacity behind
/// the cursor, would be taken for one before padding.
#[test]
fn an_overrun_reader_does_not_go_past_a_slice_in_flight() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        write(&ring, 1, 1).unwrap();
        let in_flight = reserve(&ring, 1).unwrap();
        write(&ring, 2, 2).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || other.oldest_intact(start(4)));
        write(&ring, 1, 3).unwrap();
        let position = thread.join().unwrap();
        let at = position.since(start(4));
        assert!([0, 1].contains(&at), "past a slice in flight: {at}");
        ring.abort(in_flight);
    });
}

/// The same: such a reader comes to the end.
#[test]
fn an_overrun_reader_comes_to_the_end() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        write(&ring, 1, 1).unwrap();
        write(&ring, 3, 2).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || other.oldest_intact(start(4)));
        write(&ring, 2, 3).unwrap();
        let mut position = thread.join().unwrap();
        ring.close();
        loop {
            match ring.find(position) {
                Found::Slice(length) => {
                    if ring.is_intact(position) {
                        position = position.plus(slice_size(length));
                    } else {
                        position = ring.oldest_intact(position);
                    }
                }
                Found::Skip(next) => position = next,
                Found::Overrun => position = ring.oldest_intact(position),
                Found::Nothing => break,
            }
        }
        assert_eq!(ring.end(), Some(position), "stuck");
    });
}

/// Guards the Release of the cursor's exchange (ORD(cursor:A)): a strong reader that starts at the
/// next slice to come does not go back, if A has moved the gate and B has reserved.
#[test]
fn a_reader_that_jumped_does_not_go_back() {
    model(PREEMPTIONS, || {
        // From the second place of a lap, so that the last slice has padding: then it goes furthest
        // past the gate that there was before.
        let begin = start(4).plus(GRANULE);
        let ring = Arc::new(
            Ring::new(Geometry::new(4 * GRANULE), begin, crate::sync::asymmetric::begin()).unwrap(),
        );
        for granules in [3, 1] {
            ring.abort(reserve(&ring, granules).unwrap());
        }
        let other = ring.clone();
        let reader = thread::spawn(move || {
            let mut held = other.join();
            let now = other.reserved();
            other.jump(&mut held, now);
            if let Found::Skip(next) = other.find_held(now) {
                assert!(!next.is_before(now), "back from {now:?} to {next:?}");
            }
            held
        });
        let other = ring.clone();
        let mover = thread::spawn(move || other.move_gate());
        mover.join().unwrap();
        write(&ring, 4, 3).unwrap();
        let _held = reader.join().unwrap();
    });
}

/// What going back would lead to: writers write over the bytes that this reader is lent.
#[test]
fn a_reader_that_jumped_is_lent_what_it_holds() {
    model(3, || {
        let ring = ring(2);
        ring.abort(reserve(&ring, 2).unwrap());
        let other = ring.clone();
        let reader = thread::spawn(move || {
            let mut held = other.join();
            let mut place = other.reserved();
            other.jump(&mut held, place);
            // As `StrongReader::find_slice`.
            loop {
                match other.find_held(place) {
                    Found::Slice(length) => {
                        let mut bytes = vec![0; length as usize];
                        // Fails if a write races with it.
                        assert!(held.mark());
                        other.copy_held(&held, place, 0, &mut bytes);
                        break;
                    }
                    Found::Skip(next) => {
                        place = next;
                        if place.is_far_from(held.position()) {
                            other.release_up_to(&mut held, place);
                        }
                    }
                    _ => break,
                }
            }
            held
        });
        let other = ring.clone();
        let mover = thread::spawn(move || other.move_gate());
        mover.join().unwrap();
        for byte in 3..6 {
            let _written = write(&ring, 1, byte);
        }
        let _held = reader.join().unwrap();
    });
}

/// Guards the fence before the look at the gate (ORD(cursor:B)) of a writer that needs room. There
/// is no reader, and at most one slice of one granule is in flight, so that there is always room
/// for another.
#[test]
fn a_ring_that_has_room_is_not_full() {
    model(3, || {
        let ring = ring(4);
        for byte in 1..5 {
            write(&ring, 1, byte).unwrap();
        }
        let other = ring.clone();
        let thread = thread::spawn(move || {
            let mut lane = other.lane();
            reserve_in(&other, &mut lane, 1).map(|reservation| other.abort(reservation))
        });
        write(&ring, 1, 5).unwrap();
        assert_eq!(thread.join().unwrap(), Ok(()), "full");
    });
}

/// Guards the same fence of a writer that was refused before, and remembers by which hold. There is always room for
/// less than it wanted then: the reader gives back as much as it writes, before that.
#[test]
fn a_writer_that_was_refused_finds_room_for_less() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        (1..3).for_each(|byte| write(&ring, 1, byte).unwrap());
        let mut lane = ring.lane();
        assert_eq!(reserve_in(&ring, &mut lane, 3), Err(Refused::Full));
        let other = ring.clone();
        let thread = thread::spawn(move || {
            (1..3).for_each(|byte| assert_eq!(read(&other, &mut held), Some(byte)));
            write(&other, 2, 3).unwrap();
            held
        });
        let reserved = reserve_in(&ring, &mut lane, 1);
        assert!(reserved.map(|reservation| ring.abort(reservation)).is_ok(), "full");
        drop(thread.join().unwrap());
    });
}

/// Guards that an owner's step is a Release as well (ORD(cursor:A)).
#[test]
fn an_overrun_reader_does_not_go_past_a_slice_of_an_owner_in_flight() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut lane = ring.lane();
        lane.want_cursor(ring.reserved());
        fill(&ring, reserve_in(&ring, &mut lane, 1).unwrap(), 1);
        let in_flight = reserve_in(&ring, &mut lane, 1).unwrap();
        fill(&ring, reserve_in(&ring, &mut lane, 2).unwrap(), 2);
        let other = ring.clone();
        let thread = thread::spawn(move || other.oldest_intact(start(4)));
        fill(&ring, reserve_in(&ring, &mut lane, 1).unwrap(), 3);
        let position = thread.join().unwrap();
        let at = position.since(start(4));
        assert!([0, 1].contains(&at), "past a slice in flight: {at}");
        ring.abort(in_flight);
    });
}
