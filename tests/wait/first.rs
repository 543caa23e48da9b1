//! The first channel of a process that has more threads: no thread waits until the process is registered
//! for `membarrier`, which takes the kernel milliseconds.
//!
//! Each test starts this program anew, as a child in a process of its own.
#![cfg(all(target_os = "linux", not(miri)))]

use overfall::{Channel, pipe};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Names the work of the child.
const WORK: &str = "OVERFALL_FIRST";

const CASES: [(&str, fn()); 3] = [("channel", channel), ("prepared", prepared), ("use_it", use_it)];

#[test]
#[ignore = "it is what the other tests start, and does nothing by itself"]
fn child() {
    let Ok(name) = std::env::var(WORK) else { return };
    let (_, work) = CASES.iter().find(|(case, _)| *case == name).expect("a case of that name");
    // The thread of the test harness would do, too.
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let asleep = thread::spawn(move || ended.recv());
    let started = Instant::now();
    work();
    println!("took {} ns", started.elapsed().as_nanos());
    drop(end);
    assert!(asleep.join().unwrap().is_err());
}

/// How long the work takes, at best in a few processes.
#[track_caller]
fn best(case: &str) -> Duration {
    let once = || {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"]);
        let output = child.env(WORK, case).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{case}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let (_, rest) = said.split_once("took ").expect("the child tells how long it took");
        let (nanoseconds, _) = rest.split_once(" ns").unwrap();
        Duration::from_nanos(nanoseconds.parse().unwrap())
    };
    (0..7).map(|_| once()).min().unwrap()
}

fn channel() {
    drop(Channel::new(4096));
}

fn prepared() {
    overfall::prepare();
}

/// A write, a read, waits that time out, and ends: all in the state in which a channel starts.
fn use_it() {
    let (mut writer, mut reader) = pipe(4096);
    for _ in 0..20 {
        writer.try_write(&[1; 64]).unwrap();
        assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
    }
    let mut reader = reader.blocking();
    assert!(reader.read_timeout(&mut [0; 64], Duration::ZERO).is_err());
    drop((writer, reader));
    // An end that comes several times.
    let channel = Channel::new(64);
    channel.drain().unwrap();
    channel.terminate();
    channel.terminate();
}

#[test]
fn the_first_channel_does_not_wait_for_the_kernel() {
    let [registration, first, used] = ["prepared", "channel", "use_it"].map(best);
    println!("registration {registration:?}, the first channel {first:?}, and used {used:?}");
    // Where the kernel is quick, there is nothing to tell apart.
    let allowed = Duration::from_millis(1).max(registration / 2);
    assert!(first < allowed, "{first:?}, and registration takes {registration:?}");
    assert!(used < allowed, "{used:?}, and registration takes {registration:?}");
}

/// Whoever calls it, and however often.
#[test]
fn preparing_again_costs_nothing() {
    overfall::prepare();
    let started = Instant::now();
    (0..1000).for_each(|_| overfall::prepare());
    assert!(started.elapsed() < Duration::from_secs(1));
    drop(pipe(64));
}
