//! How fast positions can run, and so how long a thread may be stopped (`src/ring/position.rs`).
//!
//! Nothing moves them faster than one writer that is alone and gives up each slice that it reserves.
//! For each capacity the fastest of several lengths is told: nanoseconds a slice, and the hours in
//! which positions come round, 2^62 granules.
//!
//! With the argument `--bench`, as `cargo bench` has it, up to 4 GiB, which takes 6 GiB of memory.

use overfall::Channel;
use std::time::Instant;

/// A turn, in bytes.
const TURN: f64 = (1u128 << 68) as f64;

fn main() {
    overfall::prepare();
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (largest, times) = if is_bench { (32, 20_000) } else { (16, 10) };
    println!("{:>12} {:>12} {:>8} {:>10}", "capacity", "slice", "ns", "hours");
    for bits in [12, 16, 20, 24, 28, 29, 30, 31, 32].into_iter().filter(|&bits| bits <= largest) {
        let channel = Channel::new(1 << bits);
        let mut writer = channel.new_strong_writer();
        let longest = channel.max_slice();
        // A pause comes with each 512 MiB: what is just short of that has none.
        let lengths = [longest, longest / 2, longest / 4, longest / 8].map(|length| length.max(1));
        let just_short = lengths.map(|length| length.saturating_sub(64).max(1));
        let fastest = lengths.into_iter().chain(just_short).map(|length| {
            let nanos = (0..10).map(|_| {
                let started = Instant::now();
                (0..times).for_each(|_| drop(writer.try_reserve(length).unwrap()));
                started.elapsed().as_nanos() as f64 / f64::from(times)
            });
            let nanos = nanos.fold(f64::MAX, f64::min);
            (TURN / length as f64 * nanos / 3.6e12, length, nanos)
        });
        let fastest = fastest.min_by(|one, other| one.0.total_cmp(&other.0));
        let Some((hours, length, nanos)) = fastest else { unreachable!("there are lengths") };
        println!("{:>12} {length:>12} {nanos:>8.1} {hours:>10.1}", 1u64 << bits);
    }
}
