//! How soon a thread that waits has its message, and how soon it gives up: ours, std's channel and
//! crossbeam's, in turns, in one run of half a minute.
//!
//! Each figure is the median of several rounds, each of which asks all three in turns. *Idle* is a
//! machine that does nothing else; *busy* are threads that share one core with four others which
//! never rest. On a machine that does something else as well, look at the ratios.
//!
//! ```sh
//! cargo bench --all-features --bench waiting
//! ```

use std::array::from_fn;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

const NAMES: [&str; 3] = ["overfall", "std", "crossbeam"];

/// Sends a number.
type Send = Box<dyn FnMut(u64) + std::marker::Send>;
/// Waits for one; nothing if that takes longer than the timeout.
type Receive = Box<dyn FnMut(Option<Duration>) -> Option<u64> + std::marker::Send>;

/// One channel of each kind, in the order of [`NAMES`].
fn channels() -> [(Send, Receive); 3] {
    let (writer, reader) = overfall::pipe(4096);
    let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
    let ours: (Send, Receive) = (
        Box::new(move |number| writer.send(&number.to_ne_bytes()).unwrap()),
        Box::new(move |timeout| {
            let received = match timeout {
                None => reader.recv(),
                Some(timeout) => reader.recv_timeout(timeout),
            };
            let message = received.ok()??;
            Some(u64::from_ne_bytes(message[..].try_into().unwrap()))
        }),
    );
    // With room for as many messages as ours.
    let (sender, receiver) = mpsc::sync_channel(64);
    let std: (Send, Receive) = (
        Box::new(move |number| sender.send(number).unwrap()),
        Box::new(move |timeout| match timeout {
            None => receiver.recv().ok(),
            Some(timeout) => receiver.recv_timeout(timeout).ok(),
        }),
    );
    let (sender, receiver) = crossbeam_channel::bounded(64);
    let crossbeam: (Send, Receive) = (
        Box::new(move |number| sender.send(number).unwrap()),
        Box::new(move |timeout| match timeout {
            None => receiver.recv().ok(),
            Some(timeout) => receiver.recv_timeout(timeout).ok(),
        }),
    );
    [ours, std, crossbeam]
}

/// Where threads run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    Core(usize),
}

impl Place {
    /// Moves this thread there.
    fn enter(self) {
        #[cfg(target_os = "linux")]
        if let Self::Core(core) = self {
            let mut set = nix::sched::CpuSet::new();
            set.set(core).unwrap();
            nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set).unwrap();
        }
    }
}

/// Threads that keep a core busy.
struct Hogs {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Hogs {
    fn new(count: usize, place: Place) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count).map(|_| {
            let stop = stop.clone();
            thread::spawn(move || {
                place.enter();
                while !stop.load(Ordering::Relaxed) {
                    spin_loop();
                }
            })
        });
        Self { threads: threads.collect(), stop }
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The times of one round, for each of the three, in nanoseconds.
type Times = [Vec<u64>; 3];

/// Does a round of `work` as often as it takes, and prints what comes of it.
fn report(case: &str, mut work: impl FnMut() -> Times) {
    let rounds: Vec<Times> = (0..ROUNDS).map(|_| work()).collect();
    let median = |mut values: Vec<u64>| {
        values.sort_unstable();
        values[values.len() / 2]
    };
    let of = |kind: usize, percent: usize| {
        median(
            (rounds.iter())
                .map(|times| {
                    let mut times = times[kind].clone();
                    times.sort_unstable();
                    times[(times.len() * percent / 100).min(times.len() - 1)]
                })
                .collect(),
        )
    };
    let figures = NAMES.iter().enumerate().map(|(kind, name)| {
        let [half, most] = [50, 99].map(|percent| of(kind, percent) as f64 / 1000.0);
        format!("{name} {half:>9.1} {most:>9.1}")
    });
    println!("{case:<40} {}", figures.collect::<Vec<_>>().join("   "));
}

/// How long a message takes to a thread that sleeps, with so much time between two.
fn messages(count: usize, gap: Duration, sender: Place, receiver: Place, hogs: usize) -> Times {
    let _hogs = Hogs::new(hogs, receiver);
    let epoch = Instant::now();
    let (sends, receivers): (Vec<_>, Vec<_>) = channels()
        .into_iter()
        .map(|(send, mut receive)| {
            let thread = thread::spawn(move || {
                receiver.enter();
                (0..count)
                    .map(|_| {
                        let sent = receive(None).unwrap();
                        epoch.elapsed().as_nanos() as u64 - sent
                    })
                    .collect::<Vec<_>>()
            });
            (send, thread)
        })
        .unzip();
    let sending = thread::spawn(move || {
        sender.enter();
        let mut sends = sends;
        for _ in 0..count {
            for send in &mut sends {
                sleep(gap);
                send(epoch.elapsed().as_nanos() as u64);
            }
        }
    });
    sending.join().unwrap();
    let times: Vec<_> = receivers.into_iter().map(|thread| thread.join().unwrap()).collect();
    times.try_into().unwrap()
}

/// How long a message and its answer take, one after the other.
fn round_trips(count: usize, one: Place, other: Place, hogs: usize) -> Times {
    const BATCH: usize = 50;
    let _hogs = Hogs::new(hogs, other);
    let [asks, tells] = [channels(), channels()];
    let mut kinds: Vec<_> = (asks.into_iter().zip(tells))
        .map(|((ask, mut asked), (mut tell, told))| {
            let thread = thread::spawn(move || {
                other.enter();
                while let Some(number) = asked(None) {
                    tell(number);
                    if number == u64::MAX {
                        break;
                    }
                }
            });
            (ask, told, thread)
        })
        .collect();
    let asking = thread::spawn(move || {
        one.enter();
        let mut times: Times = from_fn(|_| Vec::with_capacity(count));
        for _ in 0..count.div_ceil(BATCH) {
            for ((ask, told, _), times) in kinds.iter_mut().zip(&mut times) {
                for _ in 0..BATCH.min(count) {
                    let begun = Instant::now();
                    ask(1);
                    black_box(told(None));
                    times.push(begun.elapsed().as_nanos() as u64);
                }
            }
        }
        for (mut ask, _, thread) in kinds {
            ask(u64::MAX);
            thread.join().unwrap();
        }
        times
    });
    asking.join().unwrap()
}

/// How long it takes to find nothing.
fn timeouts(count: usize, timeout: Duration, place: Place, hogs: usize) -> Times {
    let _hogs = Hogs::new(hogs, place);
    let thread = thread::spawn(move || {
        place.enter();
        let mut kinds = channels();
        let mut times: Times = from_fn(|_| Vec::with_capacity(count));
        for _ in 0..count {
            for ((_, receive), times) in kinds.iter_mut().zip(&mut times) {
                let begun = Instant::now();
                assert_eq!(receive(Some(timeout)), None);
                times.push(begun.elapsed().as_nanos() as u64);
            }
        }
        times
    });
    thread.join().unwrap()
}

fn main() {
    // Ignore what cargo passes on: there is one way to run this.
    let (anywhere, near, far) = (Place::Anywhere, Place::Core(0), Place::Core(1));
    let (us, ms) = (Duration::from_micros, Duration::from_millis);
    let _ = Barrier::new(1);
    println!("{:<40} microseconds: each at the 50th and 99th percentile", "");
    report("message, idle", || messages(300, us(700), anywhere, anywhere, 0));
    report("message, idle, two cores", || messages(300, us(700), far, near, 0));
    report("message, idle, one core", || messages(300, us(700), near, near, 0));
    report("message, reader on a busy core", || messages(60, ms(5), far, near, 4));
    report("message, both on a busy core", || messages(60, ms(5), near, near, 4));
    report("round trip, idle", || round_trips(5000, anywhere, anywhere, 0));
    report("round trip, idle, two cores", || round_trips(5000, far, near, 0));
    report("round trip, idle, one core", || round_trips(5000, near, near, 0));
    report("round trip, one of them on a busy core", || round_trips(50, far, near, 4));
    report("timeout of 0, idle", || timeouts(2000, us(0), anywhere, 0));
    report("timeout of 0, busy", || timeouts(100, us(0), near, 4));
    report("timeout of 1 ms, idle", || timeouts(100, ms(1), anywhere, 0));
    report("timeout of 1 ms, busy", || timeouts(20, ms(1), near, 4));
}
