//! Children that write, and consumers that count what comes.

use super::team::Team;
use crate::endpoints::Setup;
use crate::message::Round;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};
use tokio::runtime::{Builder, Runtime};

/// What one child writes, and how it is consumed.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    /// The bytes of a write, or of a line.
    pub(crate) size: usize,
    pub(crate) writes: u64,
    pub(crate) consumers: usize,
    pub(crate) content: Content,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Content {
    Bytes,
    /// Lines that are written 8 KiB at a time, and split by each consumer.
    Lines,
    /// The same, each checked to be UTF-8.
    Text,
    /// When each was written, by [`now`], with a pause behind it.
    Stamps,
}

/// Starts a child, and tells how many bytes its consumers got, all together, when it is over.
pub(crate) type Run = fn(&Runtime, Job) -> u64;
/// Starts so many children at once, and tells how many bytes all of their consumers got.
pub(crate) type Crowd = fn(&Runtime, Job, usize) -> u64;
/// Starts a child that writes stamps, and tells how long each was on its way.
pub(crate) type Delays = fn(&Runtime, Job) -> Vec<u64>;

const TOLD: &str = "OVERFALL_COMPARISON_WRITES";
const STAMP: usize = size_of::<u64>();
/// How long a child that writes stamps does nothing: everybody sleeps by then.
const PAUSE: Duration = Duration::from_micros(300);
/// How many children there are at a time.
const AT_ONCE: u64 = 200;

impl Job {
    /// This program, as the child.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(env::current_exe().expect("the path of this program"));
        let Self { size, writes, content, .. } = self;
        let content = match content {
            Content::Bytes => "bytes",
            Content::Lines | Content::Text => "lines",
            Content::Stamps => "stamps",
        };
        command.env(TOLD, format!("{size} {writes} {content}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

/// Writes, if this process was started as the child.
pub(crate) fn write_if_child() -> io::Result<bool> {
    let Ok(told) = env::var(TOLD) else { return Ok(false) };
    let told: Vec<_> = told.split(' ').collect();
    let [size, writes, content] = told[..] else { return Err(io::ErrorKind::InvalidInput.into()) };
    let (Ok(size), Ok(mut writes)) = (size.parse::<usize>(), writes.parse::<u64>()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut bytes = vec![b'x'; size];
    // Nothing in between: std's own cuts a stamp in which there is a newline.
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if content == "stamps" {
        for _ in 0..writes {
            thread::sleep(PAUSE);
            stdout.write_all(&now().to_ne_bytes())?;
        }
    } else if content == "lines" {
        bytes[size - 1] = b'\n';
        let at_once = 8192 / size;
        bytes = bytes.repeat(at_once);
        while writes > 0 {
            let now = writes.min(at_once as u64);
            stdout.write_all(&bytes[..now as usize * size])?;
            writes -= now;
        }
    } else {
        for _ in 0..writes {
            stdout.write_all(&bytes)?;
        }
    }
    Ok(true)
}

/// Nanoseconds of a clock that all processes share.
pub(crate) fn now() -> u64 {
    time_of(ClockId::Monotonic).as_nanos() as u64
}

/// The delays of the stamps in these bytes, which are whole ones.
pub(crate) fn delays(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (stamps, rest) = bytes.as_chunks::<STAMP>();
    assert!(rest.is_empty(), "half a stamp");
    let now = now();
    stamps.iter().map(move |stamp| now - u64::from_ne_bytes(*stamp))
}

fn time_of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn elapsed(clock: ClockId, work: impl FnOnce()) -> Duration {
    let begun = time_of(clock);
    work();
    time_of(clock) - begun
}

/// The time from before the start of the child until it is reaped.
pub(crate) fn children(setup: Setup, (run, content): (Run, Content)) -> Team {
    rounds(setup, move |runtime, round| {
        elapsed(ClockId::Monotonic, || consume(setup, round, run, content, runtime))
    })
}

/// The processor time of this process for it, without that of the child.
pub(crate) fn children_processor(setup: Setup, (run, content): (Run, Content)) -> Team {
    rounds(setup, move |runtime, round| {
        elapsed(ClockId::ProcessCPUTime, || consume(setup, round, run, content, runtime))
    })
}

fn consume(setup: Setup, round: Round, run: Run, content: Content, runtime: &Runtime) {
    let job = Job { size: setup.size, writes: round.messages, consumers: setup.readers, content };
    let expected = job.writes * job.size as u64 * job.consumers as u64;
    assert_eq!(run(runtime, job), expected, "{}: bytes are missing", setup.name);
}

/// The median of the delays, as often as there were stamps: a round of a pair tells the time of all messages.
pub(crate) fn child_delay(setup: Setup, run: Delays) -> Team {
    rounds(setup, move |runtime, round| {
        let content = Content::Stamps;
        let job = Job { size: STAMP, writes: round.messages, consumers: 1, content };
        let mut delays = run(runtime, job);
        assert_eq!(delays.len() as u64, job.writes, "{}: stamps are missing", setup.name);
        delays.sort_unstable();
        Duration::from_nanos(delays[delays.len() / 2] * job.writes)
    })
}

/// The time for many children that write little, started at once. Here a message is a child.
pub(crate) fn crowd(setup: Setup, run: Crowd) -> Team {
    rounds(setup, move |runtime, round| {
        elapsed(ClockId::Monotonic, || gather(setup, round, run, runtime))
    })
}

/// The processor time of this process for it, beyond what it takes to start and reap them.
pub(crate) fn crowd_processor(setup: Setup, run: Crowd) -> Team {
    rounds(setup, move |runtime, round| {
        let all = elapsed(ClockId::ProcessCPUTime, || gather(setup, round, run, runtime));
        let bare =
            elapsed(ClockId::ProcessCPUTime, || gather(setup, round, spawn_and_wait, runtime));
        all.saturating_sub(bare).max(Duration::from_nanos(1))
    })
}

fn gather(setup: Setup, round: Round, run: Crowd, runtime: &Runtime) {
    let (writes, consumers, content) = (16, 1, Content::Bytes);
    let job = Job { size: setup.size, writes, consumers, content };
    let mut left = round.messages;
    while left > 0 {
        let children = left.min(AT_ONCE);
        let expected = children * job.writes * job.size as u64;
        let bytes = run(runtime, job, children as usize);
        assert_eq!(bytes, expected, "{}: bytes are missing", setup.name);
        left -= children;
    }
}

/// What they cost whose output nobody reads: it says what would have come.
pub(crate) fn spawn_and_wait(_: &Runtime, job: Job, children: usize) -> u64 {
    let spawn = || job.command().stdout(Stdio::null()).spawn().expect("a child");
    let all = Vec::from_iter((0..children).map(|_| spawn()));
    for mut child in all {
        assert!(child.wait().expect("it ends").success());
    }
    children as u64 * job.writes * job.size as u64
}

fn rounds(setup: Setup, measure: impl Fn(&Runtime, Round) -> Duration + Send + 'static) -> Team {
    // Threads of a team are pinned, and what they start is pinned with them. So this one is no member.
    let (rounds, taken) = mpsc::channel::<Round>();
    let (told, durations) = mpsc::channel();
    thread::spawn(move || {
        let mut builder = Builder::new_multi_thread();
        let runtime =
            builder.worker_threads(setup.workers).enable_all().build().expect("a runtime");
        for round in taken {
            let duration = measure(&runtime, round);
            if told.send(duration).is_err() {
                return;
            }
        }
    });
    let mut team = Team::new(setup);
    team.timed_thread(move |round| {
        rounds.send(round).expect("it takes them");
        durations.recv().expect("it tells how long it took")
    });
    team
}
