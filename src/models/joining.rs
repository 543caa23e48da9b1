//! Readers that join while the gate is moved.

use super::*;
use loom::thread;

/// Guards the announcement of a move, the second look at the holds and the second look at the
/// limit, and the fence of either side (ORD(join:A), ORD(join:B)): without one of them the gate
/// passes a reader that has joined, and a writer takes the slice at its hold. The reader joins when
/// all slices are committed, so that it must find each from its hold on.
#[test]
fn a_reader_that_joins_is_seen_or_sees_the_limit() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 2).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || write(&other, 1, 3).is_ok());
        let mut held = ring.join();
        let joined = held.position();
        let written = thread.join().unwrap();
        // All slices from the hold on are there, however late the writer was.
        let behind = ring.reserved().since(joined);
        assert!(behind <= 2, "{behind} granules are held in a ring of 2");
        let all: Vec<_> = std::iter::from_fn(|| read(&ring, &mut held)).collect();
        assert_eq!(all.len() as u64, behind, "joined at {joined:?}, written: {written}");
    });
}

/// Guards that only a place where a slice ends is announced. What a mover A read on its way may be
/// torn, too, if B has moved the gate meanwhile and the slices have been written over. That leads A
/// no further than to the end of what was written, and its writer has seen the limit past that.
#[test]
fn a_reader_joins_at_the_start_of_a_slice() {
    model(2, || {
        let ring = ring(4);
        write(&ring, 1, 1).unwrap();
        write(&ring, 3, 2).unwrap();
        let threads = [3, 4].map(|byte| {
            let ring = ring.clone();
            let granules = if byte == 3 { 2 } else { 1 };
            thread::spawn(move || write(&ring, granules, byte).is_ok())
        });
        let mut held = ring.join();
        let _written = threads.map(|thread| thread.join().unwrap());
        while read(&ring, &mut held).is_some() {}
        assert_eq!(held.position(), ring.reserved(), "nothing stands at its hold");
    });
}

/// Guards the second look at the holds for a clone: a mover that missed the clone's hold, and saw
/// the original's hold after it moved on, must not move the gate there.
#[test]
fn a_clone_holds_what_its_original_gives_back() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        // The clone's hold lies before that of its original in the table.
        let place = ring.join();
        let mut original = ring.join();
        ring.leave(place);
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 2).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || write(&other, 1, 3).is_ok());
        let mut clone = ring.join_beside(&original);
        assert_eq!(read(&ring, &mut original), Some(1));
        let _written = thread.join().unwrap();
        assert_eq!(read(&ring, &mut clone), Some(1));
        assert_eq!(read(&ring, &mut clone), Some(2));
    });
}

/// Guards the count of clones: two looks can miss a chain of clones, if each has gone by the time
/// that it is looked at.
#[test]
fn a_clone_of_a_clone_holds_what_both_give_back() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        let second = ring.join();
        let first = ring.join();
        let mut original = ring.join();
        ring.leave(second);
        ring.leave(first);
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 2).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || write(&other, 1, 3).is_ok());
        let mut clone = ring.join_beside(&original);
        assert_eq!(read(&ring, &mut original), Some(1));
        let mut another = ring.join_beside(&clone);
        assert_eq!(read(&ring, &mut clone), Some(1));
        let _written = thread.join().unwrap();
        assert_eq!(read(&ring, &mut another), Some(1));
    });
}

/// Guards that a hold tells that its reader jumped: a look at the gate that is older than the place
/// that the reader jumped to would take this place for passed, and the next mover would go over
/// what is in flight before it.
#[test]
fn a_reader_that_jumps_with_an_old_view_of_the_gate_leaves_nothing_in_flight() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        ring.abort(reserve(&ring, 2).unwrap());
        let other = ring.clone();
        let thread = thread::spawn(move || {
            let mut held = other.join();
            other.jump(&mut held, other.reserved());
            held
        });
        // The gate comes further than a reach from where it was.
        ring.abort(reserve(&ring, 2).unwrap());
        let flight = reserve(&ring, 1).unwrap();
        for byte in [4, 5] {
            let _refused = write(&ring, 1, byte);
        }
        let ahead = ring.reserved().since(flight.position) * GRANULE;
        assert!(ahead <= ring.capacity(), "lapped: {ahead}");
        fill(&ring, flight, 3);
        let _held = thread.join().unwrap();
    });
}

/// A hold in a seat that another reader had before: what that reader read comes before a thread that
/// sees the new hold and moves the gate there. Two orderings do that, the Release of the hold (ORD(hold:B))
/// and that of the bit which was cleared before it was set again (ORD(free:B), ORD(free:C)). So neither
/// has a mutant here, and without both the model fails; that of the bit has a mutant in `table.rs`.
#[test]
fn a_reader_that_joins_where_another_has_left_keeps_its_hold() {
    model(1, || {
        let ring = ring(2);
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 2).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || [3, 4].map(|byte| write(&other, 1, byte).is_ok()));
        let mut first = ring.join();
        let _ = read(&ring, &mut first);
        ring.leave(first);
        let second = ring.join();
        let joined = second.position();
        let _written = thread.join().unwrap();
        let behind = ring.reserved().since(joined);
        assert!(behind <= 2, "{behind}");
        let mut second = second;
        let all = std::iter::from_fn(|| read(&ring, &mut second)).count();
        assert_eq!(all as u64, behind);
    });
}
