//! Clones of strong readers hold what their originals held, however fast these go.

use overfall_tests::{LIMIT, within};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Seats that others had, so that a look at all of them takes a while.
const SEATS: usize = 4000;

#[test]
fn a_chain_of_clones_keeps_its_place() {
    within(LIMIT, || {
        let (mut writer, reader) = overfall::pipe(4096);
        while writer.try_send(&[1; 64]).is_ok() {}
        let mut seats: Vec<_> = (0..SEATS).map(|_| reader.clone()).collect();
        let last = seats.pop();
        drop((seats, last));
        let is_over = &AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(move || {
                // Somebody always holds the start of the ring, in two seats in turn.
                let mut held = reader;
                while !is_over.load(Ordering::Relaxed) {
                    let next = held.clone();
                    drop(held);
                    held = next;
                }
                let mut read = 0;
                while let Ok(Some(message)) = held.try_recv() {
                    assert_eq!(*message, [1; 64]);
                    read += 1;
                }
                assert_eq!(read, 64, "what was held");
            });
            let passed = (0..20_000).filter(|_| writer.try_send(&[2; 64]).is_ok()).count();
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(passed, 0, "a writer went past a reader that held");
        });
    });
}
