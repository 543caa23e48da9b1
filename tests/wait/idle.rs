//! Whoever waits uses no processor time, and one processor is enough for two who talk.
#![cfg(target_os = "linux")]

use overfall::{Channel, Reader, pipe};
use overfall_tests::{LIMIT, until, waiting_writers, within};
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A thread, as the system sees it.
struct Observed {
    directory: PathBuf,
    thread: JoinHandle<()>,
}

impl Observed {
    fn spawn(work: impl FnOnce() + Send + 'static) -> Self {
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            tell.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
            work();
        });
        let directory = PathBuf::from("/proc").join(told.recv().unwrap());
        Self { directory, thread }
    }

    fn is_asleep(&self) -> bool {
        let stat = fs::read_to_string(self.directory.join("stat")).unwrap();
        // The state follows the name, which is in parentheses.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    }

    /// How many times it was put on a processor or taken off: one that does not move has not run.
    fn switches(&self) -> u64 {
        let status = fs::read_to_string(self.directory.join("status")).unwrap();
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        lines.map(|line| line.split_whitespace().last().unwrap().parse::<u64>().unwrap()).sum()
    }
}

/// The threads are asleep, and stay so for a good while in which nobody has anything for them.
#[track_caller]
fn stay_asleep(threads: &[Observed]) {
    until("all of them sleep", || threads.iter().all(Observed::is_asleep));
    let switches = || threads.iter().map(Observed::switches).collect::<Vec<_>>();
    let before = switches();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(switches(), before, "somebody woke up");
    assert!(threads.iter().all(Observed::is_asleep));
}

#[test]
fn idle_readers_and_writers_use_no_processor_time() {
    let (channel, quiet) = (Channel::new(64), Channel::new(64));
    let mut wakes = quiet.new_writer();
    let reads = |reader: Reader| {
        let mut reader = reader.blocking();
        Observed::spawn(move || assert_eq!(reader.read(&mut [0; 8]).unwrap(), 4))
    };
    let mut reader = channel.new_strong_reader();
    let mut threads =
        vec![reads(quiet.new_strong_reader().into()), reads(quiet.new_weak_reader().into())];
    let mut writer = channel.new_writer().blocking();
    writer.write_all(&[1; 64]).unwrap();
    for far in [None, Some(LIMIT)] {
        let mut writer = writer.get_ref().clone().blocking();
        threads.push(Observed::spawn(move || {
            let written = match far {
                None => writer.write(&[2; 64]),
                Some(far) => writer.write_timeout(&[2; 64], far),
            };
            assert_eq!(written.unwrap(), 64);
        }));
    }
    until("both writers wait", || waiting_writers(&channel) == 2);
    stay_asleep(&threads);
    wakes.try_write(b"wake").unwrap();
    within(LIMIT, move || {
        for _ in 0..3 {
            while reader.try_read(&mut [0; 64]).is_err() {
                thread::yield_now();
            }
        }
        threads.into_iter().for_each(|observed| observed.thread.join().unwrap());
    });
}

#[test]
fn a_reader_that_waits_for_a_slice_in_flight_uses_no_processor_time() {
    let channel = Channel::new(256);
    let mut slow = channel.new_writer();
    let mut reader = channel.new_strong_reader().blocking();
    let slice = slow.try_reserve(8).unwrap();
    // There is something to read, but not before that slice.
    channel.new_writer().try_write(b"behind").unwrap();
    let thread = Observed::spawn(move || assert_eq!(reader.read(&mut [0; 8]).unwrap(), 6));
    stay_asleep(std::slice::from_ref(&thread));
    slice.abort();
    within(LIMIT, || thread.thread.join().unwrap());
}

/// Set for the process that has one processor only.
const ALONE: &str = "OVERFALL_TEST_ON_ONE_PROCESSOR";

#[test]
fn two_threads_talk_to_each_other_on_one_processor() {
    const ROUNDS: u32 = 1000;
    if std::env::var_os(ALONE).is_none() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let first: String =
            allowed.unwrap().trim().chars().take_while(char::is_ascii_digit).collect();
        let name = "two_threads_talk_to_each_other_on_one_processor";
        let mut command = Command::new("taskset");
        command.args(["-c", &first]).arg(std::env::current_exe().unwrap());
        let output = command.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output();
        match output {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(
                    output.status.success(),
                    "{text}{}",
                    String::from_utf8_lossy(&output.stderr)
                );
                assert!(text.contains("1 passed"), "{text}");
            }
            Err(error) => println!("skipped: there is no taskset here: {error}"),
        }
        return;
    }
    within(LIMIT, || {
        let ((ping, pong), (back, answer)) = (pipe(64), pipe(64));
        let thread = thread::spawn(move || {
            let (mut pong, mut back) = (pong.blocking(), back.blocking());
            let mut word = [0; 4];
            while pong.read(&mut word).unwrap() == 4 {
                back.write_all(&word).unwrap();
            }
        });
        let (mut ping, mut answer) = (ping.blocking(), answer.blocking());
        for number in 0..ROUNDS {
            let mut word = [0; 4];
            ping.write_all(&number.to_le_bytes()).unwrap();
            answer.read_exact(&mut word).unwrap();
            assert_eq!(u32::from_le_bytes(word), number);
        }
        drop(ping);
        thread.join().unwrap();
    });
    // Processor time, not time: the processor has others to serve as well. Whoever spins without
    // letting the other one run burns a few milliseconds each time, until it is stopped.
    let used = processor_time();
    assert!(used < ROUNDS * Duration::from_micros(500), "{used:?} for {ROUNDS} rounds");
}

/// What this process has used so far.
fn processor_time() -> Duration {
    let nanoseconds = fs::read_dir("/proc/self/task").unwrap().map(|task| {
        let stat = fs::read_to_string(task.unwrap().path().join("schedstat"));
        let first = stat.ok().and_then(|stat| stat.split(' ').next()?.parse::<u64>().ok());
        first.unwrap_or(0)
    });
    let alive = Duration::from_nanos(nanoseconds.sum());
    // Threads that have ended count in the figures of the process only, in hundredths of a second.
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u32 = fields[11..13].iter().map(|ticks| ticks.parse::<u32>().unwrap()).sum();
    alive.max(ticks * Duration::from_millis(10))
}
