//! What an idle channel costs does not depend on its capacity: what is resident, as the system tells, and
//! how long it takes to make.
//!
//! Each test starts this program anew, as a child in a process of its own.
#![cfg(all(target_os = "linux", not(miri)))]

use overfall::{Channel, duplex, pipe};
use std::process::Command;
use std::time::{Duration, Instant};

/// Names the work of the child.
const WORK: &str = "OVERFALL_RESIDENT";

const CASES: [(&str, fn()); 4] = [
    ("large_rings", large_rings),
    ("idle_pipes", idle_pipes),
    ("idle_duplexes", idle_duplexes),
    ("what_is_written", what_is_written),
];

#[test]
#[ignore = "it is what the other tests start, and does nothing by itself"]
fn child() {
    let Ok(name) = std::env::var(WORK) else { return };
    let (_, work) = CASES.iter().find(|(case, _)| *case == name).expect("a case of that name");
    // The first channel of a process makes what all of them share.
    drop(pipe(64));
    work();
}

#[track_caller]
fn run(case: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"]);
    let output = child.env(WORK, case).output().unwrap();
    assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The bytes of this process that are in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    // No page is smaller, and where they are larger there are fewer.
    pages * 4096
}

/// What is resident of what `make` makes, and how long that takes, at best.
fn cost<T>(times: usize, mut make: impl FnMut() -> T) -> (usize, Duration) {
    let before = resident();
    let mut best = Duration::MAX;
    let mut made = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        made.push(make());
        best = best.min(started.elapsed());
    }
    (resident().saturating_sub(before), best)
}

fn large_rings() {
    // Some systems have less to give than they promise elsewhere.
    let capacity = if cfg!(target_pointer_width = "64") { 1 << 30 } else { 1 << 26 };
    let (bytes, best) = cost(5, || {
        let channel = Channel::new(capacity);
        let endpoints =
            (channel.new_writer(), channel.new_strong_reader(), channel.new_weak_reader());
        (channel, endpoints)
    });
    assert!(bytes < 1 << 20, "{bytes} bytes are resident");
    // To write so much takes half a second.
    assert!(best < Duration::from_millis(10), "it takes {best:?}");
}

#[test]
fn a_large_ring_costs_nothing_until_it_is_used() {
    run("large_rings");
}

fn idle_pipes() {
    const PIPES: usize = 2000;
    for capacity in [64, 8 << 10, 16 << 10, 64 << 10, 1 << 20] {
        let (bytes, best) = cost(PIPES, || pipe(capacity));
        let allowed = if capacity < 16 << 10 { 8704 + capacity * 3 / 2 } else { 8192 };
        let each = bytes / PIPES;
        assert!(each < allowed, "{each} bytes of a pipe of {capacity} are resident");
        assert!(best < Duration::from_micros(100), "a pipe of {capacity} takes {best:?}");
    }
}

#[test]
fn idle_pipes_do_not_cost_their_capacity() {
    run("idle_pipes");
}

fn idle_duplexes() {
    const DUPLEXES: usize = 1000;
    let (bytes, _) = cost(DUPLEXES, || duplex(64 << 10));
    assert!(bytes / DUPLEXES < 2 * 8192, "{} bytes of each are resident", bytes / DUPLEXES);
}

#[test]
fn idle_duplexes_do_not_cost_their_capacity() {
    run("idle_duplexes");
}

/// After a channel is gone nothing of it is left, and the next one is empty.
fn what_is_written() {
    const CAPACITY: usize = 1 << 22;
    let message = vec![7; CAPACITY];
    let once = || {
        let (mut writer, mut reader) = pipe(CAPACITY);
        assert!(reader.try_recv().is_err());
        writer.try_send(&message).unwrap();
        assert_eq!(reader.try_recv().unwrap().unwrap().len(), CAPACITY);
        (writer, reader)
    };
    let before = resident();
    let kept = once();
    let written = resident() - before;
    assert!(written >= CAPACITY, "{written} bytes are resident of {CAPACITY} that were written");
    drop(kept);
    (0..20).for_each(|_| drop(once()));
    let left = resident().saturating_sub(before);
    assert!(left < CAPACITY, "{left} bytes are left");
}

#[test]
fn what_was_written_goes_with_the_channel() {
    run("what_is_written");
}
