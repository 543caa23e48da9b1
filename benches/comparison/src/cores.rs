//! Which thread runs on which core, and how far apart two cores are.

use core_affinity::CoreId;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

fn all() -> &'static [CoreId] {
    static CORES: OnceLock<Vec<CoreId>> = OnceLock::new();
    CORES.get_or_init(|| core_affinity::get_core_ids().unwrap_or_default())
}

/// How many cores this program may use. To be asked first by a thread that is not pinned.
pub(crate) fn count() -> usize {
    all().len()
}

/// Pins a thread to a core: the first to the last core, since interrupts are more often served by the
/// first, and so on, round robin.
pub(crate) fn pin(thread: usize) {
    if let Some(core) = all().iter().rev().cycle().nth(thread) {
        core_affinity::set_for_current(*core);
    }
}

/// How many nanoseconds a cache line takes from one core to the next and back: the median of several
/// batches of round trips. It is nothing if there is but one core.
///
/// On a virtual machine the cores move: two that share a cache now may not share one in a second,
/// and every figure of two threads is another then.
pub(crate) fn distance() -> f64 {
    const BATCHES: usize = 9;
    const ROUND_TRIPS: u32 = 500;
    if count() < 2 {
        return 0.0;
    }
    #[repr(align(128))]
    struct Line(AtomicU64);
    let line = &Line(AtomicU64::new(0));
    let play = |thread| {
        pin(thread);
        // Odd turns are the second thread's.
        let mut turn = thread as u64;
        let mut batches = [(); BATCHES].map(|()| {
            let begun = Instant::now();
            for _ in 0..ROUND_TRIPS {
                while line.0.load(Ordering::Acquire) != turn {
                    std::hint::spin_loop();
                }
                line.0.store(turn + 1, Ordering::Release);
                turn += 2;
            }
            begun.elapsed().as_nanos() as f64 / f64::from(ROUND_TRIPS)
        });
        batches.sort_by(f64::total_cmp);
        batches[BATCHES / 2]
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| play(0));
        scope.spawn(|| play(1));
        first.join().expect("the distance could not be measured")
    })
}
