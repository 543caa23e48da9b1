//! Entries of a table: who holds them, and who comes to them.

use super::*;
use crate::sync::table::Table;
use crate::sync::{AtomicU64, Ordering};
use loom::thread;

/// Takes an entry, alone, and leaves it as it was.
fn visit(table: &Table<AtomicU64>) {
    let seat = table.acquire();
    // There are two, and two threads: nobody needs another chunk.
    assert!(seat.index() < 2, "{}", seat.index());
    assert_eq!(seat.load(Ordering::Relaxed), 0, "not as its last holder left it");
    assert_eq!(seat.swap(1, Ordering::Relaxed), 0, "two hold it");
    seat.store(0, Ordering::Relaxed);
    table.release(&seat);
}

/// Guards that a bit belongs to the thread that has set it, and that the next holder finds what the last
/// one stored (ORD(free:A), ORD(free:B)).
#[test]
fn an_entry_of_a_table_has_one_holder() {
    model(2, || {
        let table = Arc::new(Table::<AtomicU64>::new());
        let other = table.clone();
        let thread = thread::spawn(move || (0..2).for_each(|_| visit(&other)));
        (0..2).for_each(|_| visit(&table));
        thread.join().unwrap();
        assert_eq!(table.iter().count(), 0);
    });
}

/// Guards that the count is lowered last: a thread that has raised it finds a free bit, and waits for no
/// thread that is stopped while it gives one back.
#[test]
fn who_takes_an_entry_waits_for_nobody() {
    model(PREEMPTIONS, || {
        let table = Arc::new(Table::<AtomicU64>::new());
        let (first, _second) = (table.acquire(), table.acquire());
        let other = table.clone();
        let thread = thread::spawn(move || other.release(&first));
        let index = table.acquire().index();
        assert!(index == 0 || index == 2, "{index}");
        thread.join().unwrap();
    });
}

/// Guards that the count is raised: a walk comes past a group whose count is 0.
#[test]
fn a_walk_finds_who_is_there() {
    model(PREEMPTIONS, || {
        let table = Arc::new(Table::<AtomicU64>::new());
        let passing = table.acquire();
        let other = table.clone();
        let thread = thread::spawn(move || other.release(&passing));
        let seat = table.acquire();
        seat.store(1, Ordering::Relaxed);
        assert!(table.iter().any(|entry| entry.load(Ordering::Relaxed) == 1));
        thread.join().unwrap();
        assert!(table.iter().any(|entry| entry.load(Ordering::Relaxed) == 1));
    });
}

/// Guards that a look at a free entry comes after what its last holder did (ORD(free:C)). A walk may miss
/// a clone, and then come past the entry of its original, which has left: then it finds the clone counted.
/// (A mover of the gate has a fence besides.) The original stands in another chunk than the clone: alone
/// there, or alone in its group, so that a count tells that it has left, or beside another one, so that
/// its bit tells it.
fn a_clone_is_counted_before_its_original_leaves(others: usize) {
    model(PREEMPTIONS, move || {
        let table = Arc::new(Table::<AtomicU64>::new());
        let [place, _second, original] = [table.acquire(), table.acquire(), table.acquire()];
        let mut others: Vec<_> = (0..others).map(|_| table.acquire()).collect();
        // Of two others the first one shares the group.
        let _last = others.pop();
        others.iter().for_each(|other| table.release(other));
        table.release(&place);
        original.store(1, Ordering::Relaxed);
        let clones = Arc::new(AtomicU64::new(0));
        let (table_there, clones_there) = (table.clone(), clones.clone());
        let thread = thread::spawn(move || {
            let clone = table_there.acquire();
            clone.store(1, Ordering::Relaxed);
            clones_there.fetch_add(1, Ordering::Relaxed);
            table_there.release(&original);
        });
        let is_found = table.iter().any(|entry| entry.load(Ordering::Relaxed) == 1);
        let clones = clones.load(Ordering::Relaxed);
        assert!(is_found || clones == 1, "neither of the two is found");
        thread.join().unwrap();
    });
}

#[test]
fn a_clone_is_found_behind_an_original_whose_count_is_gone() {
    a_clone_is_counted_before_its_original_leaves(0);
}

#[test]
fn a_clone_is_found_behind_an_original_whose_bit_is_gone() {
    a_clone_is_counted_before_its_original_leaves(1);
}

#[test]
fn a_clone_is_found_behind_an_original_whose_group_is_gone() {
    a_clone_is_counted_before_its_original_leaves(2);
}

/// Guards that a reader that left had finished with what it read, though nobody comes to its entry any
/// more (ORD(free:B), ORD(free:C)).
#[test]
fn a_reader_whose_entry_is_free_has_finished() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        let mut held = ring.join();
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 2).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || {
            assert_eq!(read(&other, &mut held), Some(1));
            assert_eq!(read(&other, &mut held), Some(2));
            other.leave(held);
        });
        for byte in [3, 4] {
            let _refused = write(&ring, 1, byte);
        }
        thread.join().unwrap();
    });
}
