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

/// How many nanoseconds a cache line takes from one core to the next and back: the median of
/// several batches of round trips. Nothing if there is but one core.
///
/// On a virtual machine the cores move: two that share a cache now may not share one in a second,
/// and every figure of two threads is another then.
pub(crate) fn distance() -> Option<f64> {
    const BATCHES: usize = 9;
    const ROUND_TRIPS: u64 = 500;
    if count() < 2 {
        return None;
    }
    #[repr(align(128))]
    struct Line(AtomicU64);
    let line = Line(AtomicU64::new(0));
    let last = 2 * ROUND_TRIPS * BATCHES as u64;
    // Odd turns are the second thread's.
    let wait_for = |turn| {
        while line.0.load(Ordering::Acquire) != turn {
            std::hint::spin_loop();
        }
    };
    let mut batches = thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            for turn in (1..last).step_by(2) {
                wait_for(turn);
                line.0.store(turn + 1, Ordering::Release);
            }
        });
        let first = scope.spawn(|| {
            pin(0);
            let mut turn = 0;
            std::array::from_fn::<f64, BATCHES, _>(|_| {
                let begun = Instant::now();
                for _ in 0..ROUND_TRIPS {
                    line.0.store(turn + 1, Ordering::Release);
                    turn += 2;
                    wait_for(turn);
                }
                begun.elapsed().as_nanos() as f64 / ROUND_TRIPS as f64
            })
        });
        first.join().expect("the distance could not be measured")
    });
    batches.sort_by(f64::total_cmp);
    Some(batches[BATCHES / 2])
}
