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

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

/// Sends a number.
type Send = Box<dyn FnMut(u64) + std::marker::Send>;
/// Waits for one; nothing if that takes longer than the timeout.
type Receive = Box<dyn FnMut(Option<Duration>) -> Option<u64> + std::marker::Send>;

type Channel = (Send, Receive);

const CHANNELS: [(&str, fn() -> Channel); 3] =
    [("overfall", overfall), ("std", std), ("crossbeam", crossbeam)];

/// Room for so many messages.
const ROOM: usize = 64;

fn overfall() -> Channel {
    let (writer, reader) = overfall::pipe(64 * ROOM);
    let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
    let receive = move |timeout| {
        let received = match timeout {
            None => reader.recv().ok(),
            Some(timeout) => reader.recv_timeout(timeout).ok(),
        };
        let message = received??;
        Some(u64::from_ne_bytes(message[..].try_into().unwrap()))
    };
    let send = move |number: u64| {
        writer.send(&number.to_ne_bytes()).unwrap();
    };
    (Box::new(send), Box::new(receive))
}

fn std() -> Channel {
    let (sender, receiver) = mpsc::sync_channel(ROOM);
    let receive = move |timeout| match timeout {
        None => receiver.recv().ok(),
        Some(timeout) => receiver.recv_timeout(timeout).ok(),
    };
    (Box::new(move |number| sender.send(number).unwrap()), Box::new(receive))
}

fn crossbeam() -> Channel {
    let (sender, receiver) = crossbeam_channel::bounded(ROOM);
    let receive = move |timeout| match timeout {
        None => receiver.recv().ok(),
        Some(timeout) => receiver.recv_timeout(timeout).ok(),
    };
    (Box::new(move |number| sender.send(number).unwrap()), Box::new(receive))
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

/// Measures the three in turns, and prints what comes of it; `work` gets a channel and one for the
/// way back, and tells times in nanoseconds.
fn report(case: &str, work: impl Fn(Channel, Channel) -> Vec<u64>) {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if wanted.is_some_and(|wanted| !case.contains(&wanted)) {
        return;
    }
    let mut figures: [[Vec<u64>; 2]; 3] = Default::default();
    for round in 0..ROUNDS {
        for turn in 0..3 {
            let kind = (round + turn) % 3;
            let mut times = work(CHANNELS[kind].1(), CHANNELS[kind].1());
            times.sort_unstable();
            for (figures, percent) in figures[kind].iter_mut().zip([50, 99]) {
                figures.push(times[times.len() * percent / 100]);
            }
        }
    }
    let texts = CHANNELS.iter().zip(figures).map(|((name, _), figures)| {
        let [half, most] = figures.map(|mut figures| {
            figures.sort_unstable();
            figures[ROUNDS / 2] as f64 / 1000.0
        });
        format!("{name} {half:>8.2} {most:>9.2}")
    });
    println!("{case:<38} {}", texts.collect::<Vec<_>>().join("   "));
}

/// How long a message takes to a thread that sleeps, with so much time between two.
fn messages(
    (mut send, mut receive): Channel,
    count: usize,
    gap: Duration,
    sender: Place,
    receiver: Place,
    hogs: usize,
) -> Vec<u64> {
    let _hogs = Hogs::new(hogs, receiver);
    let epoch = Instant::now();
    let now = move || epoch.elapsed().as_nanos() as u64;
    let receiving = thread::spawn(move || {
        receiver.enter();
        (0..count).map(|_| receive(None).map(|sent| now() - sent).unwrap()).collect()
    });
    let sending = thread::spawn(move || {
        sender.enter();
        for _ in 0..count {
            sleep(gap);
            send(now());
        }
    });
    sending.join().unwrap();
    receiving.join().unwrap()
}

/// How long a message and its answer take, one right after the other.
fn round_trips(
    (mut ask, mut asked): Channel,
    (mut tell, mut told): Channel,
    count: usize,
    [one, other]: [Place; 2],
    hogs: usize,
) -> Vec<u64> {
    let _hogs = Hogs::new(hogs, other);
    let telling = thread::spawn(move || {
        other.enter();
        (0..count).for_each(|_| tell(asked(None).unwrap()));
    });
    let asking = thread::spawn(move || {
        one.enter();
        let trip = |_| {
            let begun = Instant::now();
            ask(1);
            told(None).unwrap();
            begun.elapsed().as_nanos() as u64
        };
        (0..count).map(trip).collect()
    });
    telling.join().unwrap();
    asking.join().unwrap()
}

/// How long it takes to find nothing.
fn timeouts(
    (_send, mut receive): Channel,
    count: usize,
    timeout: Duration,
    place: Place,
    hogs: usize,
) -> Vec<u64> {
    let _hogs = Hogs::new(hogs, place);
    let receiving = thread::spawn(move || {
        place.enter();
        let wait = |_| {
            let begun = Instant::now();
            assert_eq!(receive(Some(timeout)), None);
            begun.elapsed().as_nanos() as u64
        };
        (0..count).map(wait).collect()
    });
    receiving.join().unwrap()
}

fn main() {
    overfall::prepare();
    let (anywhere, near, far) = (Place::Anywhere, Place::Core(0), Place::Core(1));
    let (us, ms) = (Duration::from_micros, Duration::from_millis);
    println!("microseconds, at the 50th and at the 99th percentile");
    for (name, sender, receiver) in [
        ("message, idle", anywhere, anywhere),
        ("message, idle, two cores", far, near),
        ("message, idle, one core", near, near),
    ] {
        report(name, |channel, _| messages(channel, 300, us(700), sender, receiver, 0));
    }
    for (name, sender) in [("message to a busy core", far), ("message on a busy core", near)] {
        report(name, |channel, _| messages(channel, 60, ms(5), sender, near, 4));
    }
    for (name, places) in [
        ("round trip, idle", [anywhere; 2]),
        ("round trip, idle, two cores", [far, near]),
        ("round trip, idle, one core", [near; 2]),
    ] {
        report(name, |there, back| round_trips(there, back, 5000, places, 0));
    }
    report("round trip to a busy core", |there, back| round_trips(there, back, 30, [far, near], 4));
    report("timeout of 0, idle", |channel, _| timeouts(channel, 2000, us(0), anywhere, 0));
    report("timeout of 0, busy", |channel, _| timeouts(channel, 50, us(0), near, 4));
    report("timeout of 1 ms, idle", |channel, _| timeouts(channel, 100, ms(1), anywhere, 0));
    report("timeout of 1 ms, busy", |channel, _| timeouts(channel, 20, ms(1), near, 4));
}
