//! Positions that run while a thread is stopped, at each of its steps.
//!
//! A is stopped at the nth point of an operation ([`pause`]), for n = 0, 1, … until it has no more, and
//! meanwhile B gives up whole rings, up to almost a turn of them, and then does something that A could
//! damage, or be damaged by. So far B can only leap ([`leap`]), which leaves the ring as if it had gone.

use super::descriptor::{Description, Joins};
use super::position::{GRANULE, slice_size};
use super::*;
use crate::sync::pause;
use std::cell::RefCell;
use std::rc::Rc;

const TURN: u64 = 1 << 61;

/// A small ring, and a large one.
const CAPACITIES: [u64; 3] = [GRANULE, 16 * GRANULE, 1 << 24];

/// How far others go while one is stopped: around what 40 bits of granules, 63 bits of bytes, and half
/// a turn would hold, and a turn less what the ring and the test need.
fn distances(capacity: u64) -> Vec<u64> {
    let granules = capacity / GRANULE;
    let around = [39, 40, 41, 56, 57, 58, 60, 61].map(|bits| 1u64 << bits);
    let around = around.into_iter().flat_map(|far| [far - granules, far, far + granules]);
    [0, granules].into_iter().chain(around).chain([TURN - 8 * granules]).collect()
}

/// Where a ring starts: anywhere, and close to the wraps of labels and of positions.
fn starts(capacity: u64) -> [Position; 3] {
    [Position::new(0), Position::new(0).minus(capacity), Position::new(1 << 57).minus(capacity)]
}

fn ring(capacity: u64, start: Position) -> Rc<Ring> {
    crate::sync::asymmetric::prepare();
    let abilities = crate::sync::asymmetric::begin();
    Rc::new(Ring::new(Geometry::new(capacity), start, abilities).unwrap())
}

/// Goes on by `granules`, a multiple of the ring's, as if whole rings had been reserved and given up,
/// which nobody can hold. Nothing may be in flight, and nothing committed that somebody holds.
fn leap(ring: &Ring, granules: u64) {
    let capacity = ring.capacity();
    assert_eq!(granules % (capacity / GRANULE), 0);
    if granules == 0 {
        return;
    }
    // To where a lap starts, by hand, and the last lap as well: that is the stamp that is left.
    let rest = ring.geometry.rest_of_lap(ring.reserved());
    if rest < capacity {
        give_up(ring, rest);
    }
    give_up(ring, capacity);
    ring.leap(granules);
    give_up(ring, capacity);
}

fn reserve(ring: &Ring, lane: &mut Lane, size: u64) -> Result<Reservation, Refused> {
    Ok(ring.reserve(lane, size, 0)?.slice)
}

fn give_up(ring: &Ring, size: u64) {
    ring.abort(reserve(ring, &mut ring.lane(), size).unwrap());
}

/// Commits a granule that is full of `byte`.
fn commit(ring: &Ring, reservation: Reservation, byte: u8) {
    ring.write(&reservation, 0, &[byte; GRANULE as usize]);
    let (length, writer, joins) = (GRANULE as u32, u32::from(byte), Joins::default());
    ring.commit(reservation, Description { length, writer, sequence: 0, bytes: 0, joins });
}

fn write(ring: &Ring, byte: u8) -> Result<(), Refused> {
    commit(ring, reserve(ring, &mut ring.lane(), GRANULE)?, byte);
    Ok(())
}

/// What a strong reader gets next, as lent.
fn read(ring: &Ring, held: &mut Held) -> Option<u8> {
    loop {
        let position = held.position();
        match ring.find_held(position) {
            Found::Slice(length) => {
                assert!(held.mark());
                let seen = ring.see(position, 0).expect("it is committed");
                let run = ring.run(&held.pass().unwrap(), &seen);
                let byte = ring.lend(held, &run)[0];
                ring.release_up_to(held, position.plus(slice_size(length)));
                return Some(byte);
            }
            Found::Skip(next) => ring.release_up_to(held, next),
            Found::Nothing | Found::Overrun => return None,
        }
    }
}

/// Does `operation` on a ring of each kind, stopped at each of its points while others go each of the
/// distances and then do `others`; then `check` looks at what came of it.
fn at_every_step<A: 'static, B: 'static, T>(
    mut prepare: impl FnMut(&Rc<Ring>) -> A,
    mut operation: impl FnMut(&Ring, &mut A) -> T,
    others: impl Fn(&Ring) -> B + Copy + 'static,
    mut check: impl FnMut(&Ring, A, T, Option<B>),
) {
    for capacity in CAPACITIES {
        // The memory of a large one takes time: fewer of them.
        let (kinds, step) = if capacity > 1 << 20 { (1, 5) } else { (3, 1) };
        for start in starts(capacity).into_iter().take(kinds) {
            for distance in distances(capacity).into_iter().step_by(step) {
                for nth in 0.. {
                    let ring = ring(capacity, start);
                    let mut state = prepare(&ring);
                    let done = Rc::new(RefCell::new(None));
                    let (their_ring, theirs) = (ring.clone(), done.clone());
                    let work = move || {
                        leap(&their_ring, distance);
                        *theirs.borrow_mut() = Some(others(&their_ring));
                    };
                    let (result, was_stopped) =
                        pause::at(nth, work, || operation(&ring, &mut state));
                    let theirs = done.borrow_mut().take();
                    assert_eq!(theirs.is_some(), was_stopped);
                    assert!(ring.gate.limit().is_within(capacity, ring.gate()), "behind the gate");
                    check(&ring, state, result, theirs);
                    if !was_stopped {
                        assert!(nth > 0, "it has no point to be stopped at");
                        break;
                    }
                }
            }
        }
    }
}

/// Checks that two slices in flight have no byte in common.
fn are_apart(ring: &Ring, first: &Reservation, second: &Reservation) {
    let (early, late) =
        if first.position.is_before(second.position) { (first, second) } else { (second, first) };
    let way = late.position.since(early.position) * GRANULE;
    assert!(way >= early.size, "they overlap: {first:?} {second:?}");
    assert!(way + late.size <= ring.capacity(), "a lap apart: {first:?} {second:?}");
}

#[test]
fn a_reservation_that_was_stopped_does_not_overlap_with_another() {
    at_every_step(
        |ring| {
            give_up(ring, ring.capacity());
            ring.lane()
        },
        |ring, lane| reserve(ring, lane, GRANULE),
        |ring| reserve(ring, &mut ring.lane(), GRANULE).unwrap(),
        |ring, _, mine, theirs| match (mine, theirs) {
            (Ok(mine), Some(theirs)) => are_apart(ring, &mine, &theirs),
            (Err(refused), Some(_)) => {
                assert_eq!((refused, ring.capacity()), (Refused::Full, GRANULE));
            }
            (mine, None) => assert!(mine.is_ok()),
        },
    );
}

#[test]
fn a_writer_that_takes_the_cursor_and_was_stopped_does_not_overlap_with_another() {
    at_every_step(
        |ring| {
            let mut lane = ring.lane();
            lane.want_cursor(ring.reserved());
            lane
        },
        |ring, lane| {
            let first = reserve(ring, lane, GRANULE);
            if let Ok(first) = &first {
                ring.open(lane, first);
            }
            let second = ring.reserve_exclusive(lane, GRANULE);
            (first, second)
        },
        |ring| reserve(ring, &mut ring.lane(), GRANULE).unwrap(),
        |ring, _, (first, second), theirs| {
            let all: Vec<_> = first.into_iter().chain(second).chain(theirs).collect();
            for (index, one) in all.iter().enumerate() {
                all[..index].iter().for_each(|other| are_apart(ring, one, other));
            }
        },
    );
}

#[test]
fn taking_the_cursor_away_and_being_stopped_leaves_the_next_owner_alone() {
    at_every_step(
        |ring| {
            // An owner, from whom A takes the cursor.
            let mut owner = ring.lane();
            owner.want_cursor(ring.reserved());
            ring.abort(reserve(ring, &mut owner, GRANULE).unwrap());
            ring.lane()
        },
        |ring, lane| reserve(ring, lane, GRANULE),
        |ring| {
            // B is the owner by then, and has a slice in flight.
            let mut next = ring.lane();
            give_up(ring, GRANULE);
            next.want_cursor(ring.reserved());
            let reservation = reserve(ring, &mut next, GRANULE).unwrap();
            ring.open(&mut next, &reservation);
            (next, reservation)
        },
        |ring, _, mine, theirs| {
            if let Some((mut next, first)) = theirs {
                let second = ring.reserve_exclusive(&mut next, GRANULE);
                let all: Vec<_> = [first].into_iter().chain(mine).chain(second).collect();
                for (index, one) in all.iter().enumerate() {
                    all[..index].iter().for_each(|other| are_apart(ring, one, other));
                }
            }
        },
    );
}

#[test]
fn a_reader_that_was_stopped_while_it_joined_holds_what_comes() {
    at_every_step(
        |ring| give_up(ring, ring.capacity()),
        |ring, ()| ring.join(),
        |ring| write(ring, 1).unwrap(),
        |ring, (), mut held, theirs| {
            // A's hold is there: nobody writes over what it has not read.
            let mut written = 0;
            while written < 100 && write(ring, 2).is_ok() {
                written += 1;
            }
            if theirs.is_some() {
                assert_eq!(read(ring, &mut held), Some(1));
            }
            for _ in 0..written {
                assert_eq!(read(ring, &mut held), Some(2));
            }
            assert_eq!(read(ring, &mut held), None);
            assert_eq!(held.position(), ring.reserved());
        },
    );
}

#[test]
fn a_strong_reader_that_was_stopped_comes_to_what_was_written() {
    at_every_step(
        |ring| {
            let held = ring.join();
            give_up(ring, GRANULE);
            held
        },
        read,
        |ring| write(ring, 7).unwrap(),
        |ring, mut held, early, theirs| {
            assert_eq!(early.or_else(|| read(ring, &mut held)), theirs.map(|()| 7));
            assert_eq!(read(ring, &mut held), None);
            write(ring, 8).unwrap();
            assert_eq!(read(ring, &mut held), Some(8));
        },
    );
}

#[test]
fn what_a_strong_reader_is_lent_stays_while_it_is_stopped() {
    for distance in distances(16 * GRANULE) {
        for nth in 0.. {
            let ring = ring(16 * GRANULE, Position::new(0));
            leap(&ring, distance);
            let mut held = ring.join();
            write(&ring, 7).unwrap();
            let others = ring.clone();
            // They take all the room there is, each time.
            let fill = move || while write(&others, 8).is_ok() {};
            let (byte, was_stopped) = pause::at(nth, fill, || read(&ring, &mut held));
            assert_eq!(byte, Some(7));
            if !was_stopped {
                break;
            }
        }
    }
}

#[test]
fn what_a_weak_reader_copied_while_it_was_stopped_is_whole_or_refused() {
    at_every_step(
        |ring| {
            write(ring, 7).unwrap();
            ring.oldest_intact(ring.start())
        },
        |ring, &mut position| {
            let Found::Slice(_) = ring.find(position) else { return None };
            let mut bytes = [0; GRANULE as usize];
            ring.copy_racing(position, 0, &mut bytes);
            ring.is_intact(position).then_some(bytes)
        },
        |ring| {
            // All of the ring is written anew.
            for _ in 0..ring.capacity().min(1 << 12) / GRANULE {
                write(ring, 8).unwrap();
            }
        },
        |ring, position, copied, theirs| {
            assert!(copied.is_none_or(|bytes| bytes == [7; GRANULE as usize]));
            if theirs.is_some() && ring.capacity() <= 1 << 12 {
                assert!(!ring.is_intact(position));
                assert!(ring.reserved().is_within(ring.capacity(), ring.oldest_intact(position)));
            }
        },
    );
}

#[test]
fn an_end_that_was_stopped_half_way_is_where_the_last_slice_ended() {
    at_every_step(
        |ring| {
            let mut owner = ring.lane();
            owner.want_cursor(ring.reserved());
            ring.abort(reserve(ring, &mut owner, GRANULE).unwrap());
            owner
        },
        |ring, _| ring.close(),
        |ring| {
            let mut lane = ring.lane();
            lane.want_cursor(ring.reserved());
            let first = reserve(ring, &mut lane, GRANULE);
            if let Ok(first) = &first {
                ring.open(&mut lane, first);
            }
            let second = ring.reserve_exclusive(&mut lane, GRANULE);
            second.or(first.ok())
        },
        |ring, mut owner, (), last| {
            let end = ring.end().expect("it is closed");
            if let Some(Some(last)) = last {
                assert_eq!(last.position.plus(last.size), end);
            }
            assert_eq!(reserve(ring, &mut owner, GRANULE), Err(Refused::Closed));
            assert_eq!(ring.reserve_exclusive(&mut owner, GRANULE), None);
            assert_eq!(ring.end(), Some(end));
        },
    );
}

#[test]
fn a_writer_that_idled_for_almost_a_turn_finds_no_room_that_is_not_there() {
    for capacity in CAPACITIES {
        for distance in distances(capacity) {
            let ring = ring(capacity, Position::new(0));
            let mut idle = ring.lane();
            leap(&ring, distance);
            let mut held = ring.join();
            write(&ring, 1).unwrap();
            let rest = capacity - GRANULE;
            if rest > 0 {
                give_up(&ring, ring.geometry.rest_of_lap(ring.reserved()).min(rest));
            }
            while write(&ring, 2).is_ok() {}
            assert_eq!(reserve(&ring, &mut idle, GRANULE), Err(Refused::Full), "{distance}");
            assert_eq!(read(&ring, &mut held), Some(1));
        }
    }
}

/// Writes slices of 1, 2 and 3 granules in turn, so many granules of them, or a few less.
fn write_slices(ring: &Ring, granules: u64) {
    let begin = ring.reserved();
    for size in [1, 2, 3].into_iter().cycle() {
        if ring.reserved().since(begin) + size > granules {
            break;
        }
        let reservation = reserve(ring, &mut ring.lane(), size * GRANULE).unwrap();
        let (length, joins) = ((size * GRANULE) as u32, Joins::default());
        ring.commit(reservation, Description { length, writer: 1, sequence: 0, bytes: 0, joins });
    }
}

/// The first slice that is intact, found by going through all places.
fn first_intact(ring: &Ring) -> Position {
    let mut place = ring.reserved().minus(ring.capacity());
    while place != ring.reserved() && ring.descriptor(place).state(place).is_none() {
        place = place.plus(GRANULE);
    }
    place
}

#[test]
fn an_overrun_reader_that_is_stopped_as_it_catches_up_skips_nothing_that_is_left() {
    for granules in [4, 8, 16] {
        for behind in 0..2 * granules {
            for distance in 0..4 * granules {
                for nth in 0.. {
                    let ring = ring(granules * GRANULE, Position::new(0).minus(3 * GRANULE));
                    let from = ring.reserved();
                    write_slices(&ring, granules + behind);
                    let before = first_intact(&ring);
                    let theirs = ring.clone();
                    let work = move || write_slices(&theirs, distance);
                    let (place, was_stopped) = pause::at(nth, work, || ring.oldest_intact(from));
                    // As it was at some moment of the search.
                    let after = first_intact(&ring);
                    let is_right = !place.is_before(before) && !after.is_before(place);
                    assert!(is_right, "{granules} {behind} {distance} {nth}: {place:?}");
                    if !was_stopped {
                        break;
                    }
                }
            }
        }
    }
}

/// Steps of a weak reader at `place`, until it finds nothing: tells where. It comes there without the help
/// of others.
fn settle(ring: &Ring, mut place: Position) -> Position {
    for _ in 0..6 {
        match ring.find(place) {
            Found::Skip(next) => place = next,
            Found::Overrun => place = ring.oldest_intact(place),
            Found::Nothing => return place,
            Found::Slice(_) => panic!("nothing was committed"),
        }
    }
    panic!("it looks again and again at {place:?}");
}

/// What others find while a slice of `size` granules behind padding is stopped.
fn look_at_padding(ring: &Ring, size: u64, padding: Position) {
    let granules = ring.capacity() / GRANULE;
    let rest = ring.geometry.rest_of_lap(padding) / GRANULE;
    let is_reserved = ring.reserved() != padding;
    let is_skipped = ring.descriptor(padding).state(padding).is_some();
    // Two weak readers, a new one that goes back, and a strong one that starts now.
    let oldest = ring.oldest_intact(ring.start());
    for place in [ring.start(), padding, oldest] {
        let place = settle(ring, place);
        assert!([padding, padding.on(rest)].contains(&place), "nowhere: {place:?}");
    }
    let mut held = ring.join();
    let now = ring.reserved();
    ring.jump(&mut held, now);
    assert_eq!(ring.find_held(now), Found::Nothing);
    ring.leave(held);
    // A writer: all the room is there that is not taken.
    let taken = match (is_reserved, is_skipped) {
        (false, _) => 0,
        (true, false) => rest + size,
        (true, true) => size,
    };
    let theirs = reserve(ring, &mut ring.lane(), GRANULE);
    assert_eq!(theirs.is_ok(), taken < granules, "{taken} of {granules} taken");
    theirs.into_iter().for_each(|theirs| ring.abort(theirs));
}

#[test]
fn a_slice_that_is_stopped_behind_its_padding_is_in_nobodys_way() {
    let granules = 8;
    for place in 1..granules {
        for size in granules - place + 1..=granules {
            for nth in 0.. {
                let ring = ring(granules * GRANULE, Position::new(0));
                give_up(&ring, place * GRANULE);
                let (padding, theirs) = (ring.reserved(), ring.clone());
                let work = move || look_at_padding(&theirs, size, padding);
                let mut lane = ring.lane();
                let (slice, was_stopped) =
                    pause::at(nth, work, || reserve(&ring, &mut lane, size * GRANULE).unwrap());
                assert!(ring.reserved().is_within(ring.capacity(), ring.gate()));
                // Nobody needs the padding any more, whatever is written over it.
                ring.abort(slice);
                assert_eq!(settle(&ring, padding), ring.reserved());
                give_up(&ring, ring.capacity());
                if !was_stopped {
                    assert!(nth > 0, "it has no point to be stopped at");
                    break;
                }
            }
        }
    }
}

#[test]
fn who_is_refused_has_taken_nothing_wherever_it_is_stopped_while_others_write() {
    let granules = 8;
    for place in 0..granules {
        for size in 1..=granules {
            for nth in 0.. {
                let ring = ring(granules * GRANULE, Position::new(0));
                if place > 0 {
                    give_up(&ring, place * GRANULE);
                }
                let _held = ring.join();
                // As much is free as the slice has not enough of.
                let (begin, theirs) = (ring.reserved(), ring.clone());
                (0..granules - size + 1).for_each(|_| write(&ring, 1).unwrap());
                let work = move || while write(&theirs, 2).is_ok() {};
                let mut lane = ring.lane();
                let (refused, was_stopped) =
                    pause::at(nth, work, || reserve(&ring, &mut lane, size * GRANULE));
                assert_eq!(refused, Err(Refused::Full));
                while write(&ring, 3).is_ok() {}
                assert_eq!(ring.reserved().since(begin), granules, "{size} from {place}");
                if !was_stopped {
                    break;
                }
            }
        }
    }
}

/// The hold of a reader that is about to join is behind the gate for a moment, and in the entry of the hold that had
/// kept a writer back, at the same place. The gate is moved at each of its steps.
#[test]
fn a_hold_that_is_put_up_behind_the_gate_keeps_no_writer_back() {
    for nth in 0.. {
        let ring = ring(4 * GRANULE, Position::new(0));
        let first = ring.join();
        let mut second = ring.join_beside(&first);
        (0..4).for_each(|byte| write(&ring, byte).unwrap());
        let mut lane = ring.lane();
        assert_eq!(reserve(&ring, &mut lane, GRANULE), Err(Refused::Full));
        assert!(ring.is_still_full(&lane, GRANULE));
        (0..2).for_each(|byte| assert_eq!(read(&ring, &mut second), Some(byte)));
        ring.leave(first);
        let (theirs, looks) = (ring.clone(), Rc::new(RefCell::new(0)));
        let count = looks.clone();
        let look = move || {
            if *count.borrow() >= nth {
                let has_room = theirs.has_room_for(GRANULE, 0);
                theirs.move_gate();
                assert!(!has_room || !theirs.is_still_full(&lane, GRANULE), "there is room");
            }
            *count.borrow_mut() += 1;
        };
        let joined = pause::each(look, || ring.join());
        drop((joined, second));
        if *looks.borrow() < nth {
            assert!(nth > 3);
            break;
        }
    }
}

#[test]
fn who_only_looks_for_room_leaves_the_gate_where_it_is_unless_there_is_none() {
    let ring = ring(4 * GRANULE, Position::new(0));
    let mut held = ring.join();
    (0..4).for_each(|byte| write(&ring, byte).unwrap());
    (0..2).for_each(|byte| assert_eq!(read(&ring, &mut held), Some(byte)));
    let gate = ring.gate();
    assert!(ring.has_room_for(2 * GRANULE, 0));
    assert_eq!(ring.gate(), gate);
    // So that the next look need not go the same way.
    assert!(!ring.has_room_for(3 * GRANULE, 0));
    assert_eq!(ring.gate(), gate.plus(2 * GRANULE));
    assert!(ring.has_room_for(2 * GRANULE, 0));
}
