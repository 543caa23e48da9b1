//! A writer that has the cursor to itself, and what takes it away.

use super::*;
use loom::thread;

/// A writer by hand: its seat, and how far it may reserve alone.
struct Alone {
    seat: Seat<WriterSlot>,
    limit: Position,
}

impl Alone {
    /// A writer that is not the owner.
    fn new(ring: &Ring) -> Self {
        Self { seat: ring.writers().acquire(), limit: ring.reserved() }
    }

    /// Takes the cursor, if nobody has it.
    fn take(&mut self, ring: &Ring) {
        let end = ring.reserved();
        ring.take_cursor(&self.seat, end);
        self.limit = ring.limit_alone(&self.seat, end, ring.gate());
    }

    /// Writes a granule, alone if that is possible.
    fn write(&self, ring: &Ring, byte: Fill) -> Result<(), Refused> {
        let reservation = match ring.reserve_alone(&self.seat, GRANULE, self.limit) {
            Some(reservation) => reservation,
            None => reserve_from(ring, &self.seat, 1)?,
        };
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

/// Guards the fences of a step (ORD(light)) and of who shares the cursor (ORD(heavy)), that the
/// latter waits for the step, and that the former looks whose the cursor is: without one of them
/// both reserve the same bytes.
#[test]
fn a_second_writer_takes_the_cursor_from_its_owner() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        let (mut owner, other) = (Alone::new(&ring), Alone::new(&ring));
        owner.take(&ring);
        let writing = ring.clone();
        let thread = thread::spawn(move || {
            owner.write(&writing, 1).unwrap();
            owner.write(&writing, 2).unwrap();
        });
        other.write(&ring, 3).unwrap();
        thread.join().unwrap();
        assert_eq!(read_all(&ring, &mut held), [1, 2, 3]);
    });
}

/// Guards that taking the cursor shows in its word: who had read it before must not move it.
#[test]
fn a_writer_takes_the_cursor_while_another_moves_it() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        let (mut owner, other) = (Alone::new(&ring), Alone::new(&ring));
        let writing = ring.clone();
        let thread = thread::spawn(move || {
            owner.take(&writing);
            owner.write(&writing, 1).unwrap();
        });
        other.write(&ring, 2).unwrap();
        thread.join().unwrap();
        assert_eq!(read_all(&ring, &mut held), [1, 2]);
    });
}

/// Guards that a former owner says where it goes on its own seat: it may try a step at any time.
#[test]
fn a_former_owner_does_not_disturb_the_present_one() {
    model_of_heavy_fences(2, || {
        let ring = ring(4);
        let mut held = ring.join();
        let (mut former, mut owner) = (Alone::new(&ring), Alone::new(&ring));
        let third = Alone::new(&ring);
        former.take(&ring);
        owner.write(&ring, 1).unwrap();
        owner.take(&ring);
        let threads = [(former, 2), (owner, 3)].map(|(writer, byte)| {
            let ring = ring.clone();
            thread::spawn(move || writer.write(&ring, byte).unwrap())
        });
        third.write(&ring, 4).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(read_all(&ring, &mut held), [1, 2, 3, 4]);
    });
}

/// Guards the fence before a writer takes itself for the owner and exchanges (ORD(light)): a former
/// one must not find the word of the present owner and itself still named.
#[test]
fn a_former_owner_does_not_exchange_what_another_owns() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        let (mut former, mut owner) = (Alone::new(&ring), Alone::new(&ring));
        former.take(&ring);
        let writing = ring.clone();
        let thread = thread::spawn(move || {
            owner.write(&writing, 1).unwrap();
            owner.take(&writing);
            owner.write(&writing, 2).unwrap();
        });
        // As a writer whose limit has been set back.
        fill(&ring, reserve_from(&ring, &former.seat, 1).unwrap(), 3);
        thread.join().unwrap();
        assert_eq!(read_all(&ring, &mut held), [1, 2, 3]);
    });
}

/// Guards that closing takes the cursor away first: the owner's next step would undo it.
#[test]
fn a_drain_and_an_owner_agree_on_the_final_position() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let ring = ring(4);
        let mut held = ring.join();
        let mut owner = Alone::new(&ring);
        owner.take(&ring);
        let writing = ring.clone();
        let thread = thread::spawn(move || {
            let first = owner.write(&writing, 1).is_ok();
            let second = owner.write(&writing, 2).is_ok();
            usize::from(first) + usize::from(second)
        });
        ring.close();
        let end = ring.end();
        let written = thread.join().unwrap();
        assert_eq!(ring.end(), end);
        assert_eq!(end, Some(start(4).plus(written as u64 * GRANULE)));
        assert_eq!(read_all(&ring, &mut held).len(), written);
    });
}

/// Guards the fence behind a reservation without an exchange (ORD(reserved:A)), as behind one with.
#[test]
fn what_a_weak_reader_gets_of_an_owner_is_whole() {
    model_of_heavy_fences(PREEMPTIONS, || {
        let ring = ring(2);
        let mut owner = Alone::new(&ring);
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 1).unwrap();
        // The gate moves out of the owner's way, and then the owner is alone.
        write(&ring, 1, 1).unwrap();
        owner.take(&ring);
        let position = start(2).plus(GRANULE);
        let writing = ring.clone();
        let thread = thread::spawn(move || owner.write(&writing, 2).unwrap());
        if let Found::Slice(length) = ring.find(position) {
            let description = ring.describe(position);
            let mut bytes = vec![0; length as usize];
            ring.copy_racing(position, &mut bytes);
            if ring.is_intact(position) {
                assert_eq!(whole(&description, &bytes), 1);
            }
        }
        thread.join().unwrap();
    });
}
