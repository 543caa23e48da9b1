//! A writer that owns the cursor, and what takes the cursor away.

use super::*;
use loom::thread;

/// A writer that the model steps by hand.
struct Owner(Lane);

impl Owner {
    /// A writer that is not the owner.
    fn new(ring: &Ring) -> Self {
        Self(ring.lane())
    }

    /// Writes a granule, and takes the cursor with it, if no writer owns it.
    fn take(&mut self, ring: &Ring, byte: Fill) -> Result<(), Refused> {
        self.0.want_cursor(ring.reserved());
        self.write(ring, byte)
    }

    /// Writes a granule, as the owner if that is possible.
    fn write(&mut self, ring: &Ring, byte: Fill) -> Result<(), Refused> {
        let mut quick = ring.reserve_exclusive(&mut self.0, GRANULE);
        if quick.is_none() && self.0.is_shared() {
            quick = ring.reserve_shared(&mut self.0);
        }
        let reservation = match quick {
            Some(reservation) => reservation,
            None => reserve_in(ring, &mut self.0, 1)?,
        };
        ring.open(&mut self.0, &reservation);
        fill(ring, reservation, byte);
        Ok(())
    }
}

/// What is there in the end, sorted.
fn read_all(ring: &Ring, held: &mut Held) -> Vec<Fill> {
    let mut all: Vec<_> = std::iter::from_fn(|| read(ring, held)).collect();
    assert_eq!(held.position(), ring.reserved());
    all.sort_unstable();
    all
}

/// Guards what takes the cursor away: the end of the reign, and the interruption of sections before
/// the bit in the word is cleared; and that a step looks at the reign. Without one of these both
/// writers reserve the same bytes.
#[test]
fn a_second_writer_takes_the_cursor_from_its_owner() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        let (mut owner, mut other) = (Owner::new(&ring), Owner::new(&ring));
        owner.take(&ring, 1).unwrap();
        let writing = ring.clone();
        let thread = thread::spawn(move || {
            owner.write(&writing, 2).unwrap();
            owner.write(&writing, 3).unwrap();
        });
        other.write(&ring, 4).unwrap();
        thread.join().unwrap();
        assert_eq!(read_all(&ring, &mut held), [1, 2, 3, 4]);
    });
}

/// Guards that taking the cursor shows in its word: a writer that had read the word before must not
/// move it.
#[test]
fn a_writer_takes_the_cursor_while_another_moves_it() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        let (mut owner, mut other) = (Owner::new(&ring), Owner::new(&ring));
        let writing = ring.clone();
        let thread = thread::spawn(move || {
            owner.take(&writing, 1).unwrap();
            owner.write(&writing, 2).unwrap();
        });
        other.write(&ring, 3).unwrap();
        thread.join().unwrap();
        assert_eq!(read_all(&ring, &mut held), [1, 2, 3]);
    });
}

/// Guards that reigns are told apart: a former owner may try a step at any time.
#[test]
fn a_former_owner_does_not_disturb_the_present_one() {
    model(2, || {
        let ring = ring(8);
        let mut held = ring.join();
        let (mut former, mut owner) = (Owner::new(&ring), Owner::new(&ring));
        let mut third = Owner::new(&ring);
        former.take(&ring, 1).unwrap();
        owner.write(&ring, 2).unwrap();
        owner.take(&ring, 3).unwrap();
        let threads = [(former, 4), (owner, 5)].map(|(mut writer, byte)| {
            let ring = ring.clone();
            thread::spawn(move || writer.write(&ring, byte).unwrap())
        });
        third.write(&ring, 6).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(read_all(&ring, &mut held), [1, 2, 3, 4, 5, 6]);
    });
}

/// Guards the second look at the reign, and what orders it (ORD(reign:A), ORD(reign:B)): A and B
/// take the cursor away at once, A slowly, and meanwhile another reign begins, which A must not end
/// without an interruption.
#[test]
fn a_slow_taker_leaves_the_next_reign_alone() {
    model(PREEMPTIONS, || {
        let ring = ring(8);
        let mut held = ring.join();
        let mut owner = Owner::new(&ring);
        owner.take(&ring, 1).unwrap();
        let slow = ring.clone();
        let slow = thread::spawn(move || Owner::new(&slow).write(&slow, 2).unwrap());
        let mut next = Owner::new(&ring);
        // Takes the cursor away, and then takes it for itself.
        next.write(&ring, 3).unwrap();
        next.take(&ring, 4).unwrap();
        next.write(&ring, 5).unwrap();
        slow.join().unwrap();
        owner.write(&ring, 6).unwrap();
        assert_eq!(read_all(&ring, &mut held), [1, 2, 3, 4, 5, 6]);
    });
}

/// Guards that closing takes the cursor away first: the owner's next step would undo it.
#[test]
fn a_drain_and_an_owner_agree_on_the_final_position() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let held = ring.join();
        let mut owner = Owner::new(&ring);
        owner.take(&ring, 1).unwrap();
        close_while(&ring, held, move |ring| {
            let first = owner.write(ring, 2).is_ok();
            let second = owner.write(ring, 3).is_ok();
            1 + usize::from(first) + usize::from(second)
        });
    });
}

/// Guards that no writer becomes the owner of a cursor that is being closed.
#[test]
fn a_drain_and_a_writer_that_takes_the_cursor_agree_on_the_final_position() {
    // The writer begins its reign, takes the cursor, and makes a step, with a part of the drain between.
    model(PREEMPTIONS + 1, || {
        let ring = ring(4);
        let held = ring.join();
        let mut owner = Owner::new(&ring);
        close_while(&ring, held, move |ring| {
            let first = owner.take(ring, 1).is_ok();
            let second = owner.write(ring, 2).is_ok();
            usize::from(first) + usize::from(second)
        });
    });
}

/// Guards the fence behind a reservation without an exchange (ORD(reserved:A)), as behind one with
/// an exchange.
#[test]
fn what_a_weak_reader_gets_of_an_owner_is_whole() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        let mut owner = Owner::new(&ring);
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 1).unwrap();
        // The gate moves out of the owner's way, and then the owner is alone.
        owner.take(&ring, 1).unwrap();
        let position = start(2).plus(GRANULE);
        let writing = ring.clone();
        let thread = thread::spawn(move || owner.write(&writing, 2).unwrap());
        if let Found::Slice(length) = ring.find(position) {
            let description = ring.describe(position);
            let mut bytes = vec![0; length as usize];
            ring.copy_racing(position, 0, &mut bytes);
            if ring.is_intact(position) {
                assert_eq!(whole(&description, &bytes), 1);
            }
        }
        thread.join().unwrap();
    });
}

/// Guards that a granule that is reserved by one exchange needs room as any other slice does.
#[test]
fn writers_that_share_the_cursor_write_over_nothing_that_is_unread() {
    model(2, || {
        let ring = ring(4);
        let mut held = ring.join();
        let (mut one, mut other) = (Owner::new(&ring), Owner::new(&ring));
        one.write(&ring, 1).unwrap();
        other.write(&ring, 2).unwrap();
        let writing = ring.clone();
        let thread = thread::spawn(move || {
            let first = one.write(&writing, 3).is_ok();
            let second = one.write(&writing, 4).is_ok();
            usize::from(first) + usize::from(second)
        });
        let written = [5, 6].map(|byte| usize::from(other.write(&ring, byte).is_ok()));
        assert_eq!(thread.join().unwrap() + written[0] + written[1], 2, "there was room for two");
        let all = read_all(&ring, &mut held);
        assert_eq!((all.len(), &all[..2]), (4, &[1, 2][..]));
    });
}

/// Guards that a granule that is reserved by one exchange comes before the end, or is refused.
#[test]
fn a_drain_and_a_writer_that_shares_the_cursor_agree_on_the_final_position() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let held = ring.join();
        let mut writer = Owner::new(&ring);
        writer.write(&ring, 1).unwrap();
        close_while(&ring, held, move |ring| {
            let first = writer.write(ring, 2).is_ok();
            let second = writer.write(ring, 3).is_ok();
            1 + usize::from(first) + usize::from(second)
        });
    });
}

/// Guards that a reservation is no slice of the quick way any more once it is in flight: what was kept of
/// the room is room only for as long as no other writer takes the cursor away.
#[test]
fn a_writer_that_resumes_its_reign_finds_out_that_it_has_ended() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        let (mut owner, mut other) = (Owner::new(&ring), Owner::new(&ring));
        owner.take(&ring, 1).unwrap();
        let writing = ring.clone();
        let thread = thread::spawn(move || {
            let reservation = writing_quickly(&mut owner, &writing);
            owner.0.suspend();
            if !owner.0.resume() {
                writing.open(&mut owner.0, &reservation);
            }
            fill(&writing, reservation, 2);
            owner.write(&writing, 3).unwrap();
        });
        other.write(&ring, 4).unwrap();
        thread.join().unwrap();
        assert_eq!(read_all(&ring, &mut held), [1, 2, 3, 4]);
    });
}

/// Closes the ring while another thread writes slices of a granule, and tells how many: these are what there is, and
/// the end lies behind them.
fn close_while(ring: &Arc<Ring>, mut held: Held, write: impl FnOnce(&Ring) -> usize + 'static) {
    let writing = ring.clone();
    let thread = thread::spawn(move || write(&writing));
    ring.close();
    let end = ring.end();
    let written = thread.join().unwrap();
    assert_eq!(ring.end(), end);
    assert_eq!(end, Some(start(4).plus(written as u64 * GRANULE)));
    assert_eq!(read_all(ring, &mut held).len(), written);
}

/// Guards that what was kept of the room is gone with the next reservation that took another way: that one may
/// have come to the end of the room.
#[test]
fn a_room_that_was_kept_is_gone_behind_another_reservation() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut owner = Owner::new(&ring);
        owner.take(&ring, 1).unwrap();
        let leaked = writing_quickly(&mut owner, &ring);
        owner.0.suspend();
        ring.abort(leaked);
        fill(&ring, reserve_in(&ring, &mut owner.0, 2).unwrap(), 3);
        assert!(!owner.0.resume(), "the ring is full");
    });
}

/// Guards that the way of an exchange is closed as well while a slice is in flight: on it no writer looks for one
/// that was leaked.
#[test]
fn a_writer_that_shares_the_cursor_has_no_quick_way_while_a_slice_is_in_flight() {
    model(PREEMPTIONS, || {
        let ring = ring(4);
        let mut writer = Owner::new(&ring);
        writer.write(&ring, 1).unwrap();
        assert!(writer.0.is_shared());
        writer.0.suspend();
        assert!(!writer.0.is_shared() && !writer.0.resume());
    });
}

/// A granule, as the owner if that is possible.
fn writing_quickly(owner: &mut Owner, ring: &Ring) -> Reservation {
    match ring.reserve_exclusive(&mut owner.0, GRANULE) {
        Some(reservation) => reservation,
        None => {
            let reservation = reserve_in(ring, &mut owner.0, 1).unwrap();
            ring.open(&mut owner.0, &reservation);
            reservation
        }
    }
}
