//! Weak readers against writers that overrun them.

use super::*;
use loom::thread;

/// Reads the slice at `position` as a weak reader does: the byte that fills it, if it was intact.
fn read_weak(ring: &Ring, position: Position) -> Option<Fill> {
    let Found::Slice(length) = ring.find(position) else { return None };
    let description = ring.describe(position);
    let mut bytes = vec![0; length as usize];
    ring.copy_racing(position, 0, &mut bytes);
    ring.is_intact(position).then(|| whole(&description, &bytes))
}

/// Guards the Release fence behind the reservation (ORD(reserved:A)) and the Acquire fence before
/// the check (ORD(reserved:B)): without either, torn bytes pass for whole ones.
#[test]
fn what_a_weak_reader_gets_is_whole() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        write(&ring, 2, 1).unwrap();
        let other = ring.clone();
        let thread = thread::spawn(move || write(&other, 2, 2).unwrap());
        if let Some(byte) = read_weak(&ring, start(2)) {
            assert_eq!(byte, 1);
        }
        thread.join().unwrap();
        assert_eq!(read_weak(&ring, start(2)), None);
        assert_eq!(read_weak(&ring, start(2).plus(2 * GRANULE)), Some(2));
    });
}

/// Guards that the limit is raised before the gate is moved: A may reserve behind a gate that B has
/// moved, and a weak reader that looks at the limit alone must see that. If the limit is not
/// raised, or only after the exchange, the first look passes torn bytes.
#[test]
fn the_limit_is_never_behind_the_gate() {
    model(2, || {
        let ring = ring(2);
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 2).unwrap();
        let threads = [3, 4].map(|byte| {
            let ring = ring.clone();
            thread::spawn(move || write(&ring, 1, byte).is_ok())
        });
        if let Some(byte) = read_weak(&ring, start(2)) {
            assert_eq!(byte, 1);
        }
        threads.into_iter().for_each(|thread| {
            thread.join().unwrap();
        });
    });
}

/// Guards the choice of where an overrun reader goes on: at a whole slice, in the order of the
/// slices, and never before where it was.
#[test]
fn an_overrun_reader_goes_on_at_a_whole_slice() {
    model(PREEMPTIONS, || {
        let ring = ring(2);
        write(&ring, 1, 1).unwrap();
        write(&ring, 1, 2).unwrap();
        write(&ring, 1, 3).unwrap();
        // The gate has moved on to the third slice already; the second is still whole.
        assert_eq!(ring.oldest_intact(start(2)), start(2).plus(GRANULE));
        let other = ring.clone();
        let thread = thread::spawn(move || write(&other, 1, 4).unwrap());
        let position = ring.oldest_intact(start(2));
        if let Some(byte) = read_weak(&ring, position) {
            let slice = position.since(start(2));
            assert_eq!(u64::from(byte), slice + 1);
        }
        thread.join().unwrap();
        assert_eq!(ring.oldest_intact(position), start(2).plus(2 * GRANULE));
    });
}
