//! Children that write, and consumers that count what comes.

use super::team::Team;
use crate::endpoints::Setup;
use crate::message::Round;
use rustix::time::{ClockId, clock_gettime};
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, thread};
use tokio::runtime::{Builder, Runtime};

/// What one child writes, and how it is consumed.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    /// The bytes of a write, or of a line.
    pub(crate) size: usize,
    pub(crate) writes: u64,
    pub(crate) consumers: usize,
    /// Lines that are written 8 KiB at a time, and split by each consumer.
    pub(crate) lines: bool,
}

/// Starts a child, and tells how many bytes its consumers got, all together, when it is over.
pub(crate) type Run = fn(&Runtime, Job) -> u64;

const TOLD: &str = "OVERFALL_COMPARISON_WRITES";

impl Job {
    /// This program, as the child.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(env::current_exe().expect("the path of this program"));
        let Self { size, writes, lines, .. } = self;
        command.env(TOLD, format!("{size} {writes} {lines}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

/// Writes, if this process was started as the child.
pub(crate) fn write_if_child() -> io::Result<bool> {
    let Ok(told) = env::var(TOLD) else { return Ok(false) };
    let told: Vec<_> = told.split(' ').collect();
    let [size, writes, lines] = told[..] else { return Err(io::ErrorKind::InvalidInput.into()) };
    let (Ok(size), Ok(mut writes)) = (size.parse::<usize>(), writes.parse::<u64>()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut bytes = vec![b'x'; size];
    let mut stdout = io::stdout().lock();
    if lines == "true" {
        bytes[size - 1] = b'\n';
        let at_once = 8192 / size;
        bytes = bytes.repeat(at_once);
        while writes > 0 {
            let now = writes.min(at_once as u64);
            stdout.write_all(&bytes[..now as usize * size])?;
            writes -= now;
        }
        stdout.flush()?;
    } else {
        for _ in 0..writes {
            stdout.write_all(&bytes)?;
            stdout.flush()?;
        }
    }
    Ok(true)
}

/// The time from before the start of the child to the last byte of the last consumer.
pub(crate) fn children(setup: Setup, run: (Run, bool)) -> Team {
    measured(setup, run, |work| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    })
}

/// The processor time of this process for it, without that of the child.
pub(crate) fn children_processor(setup: Setup, run: (Run, bool)) -> Team {
    let used = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    measured(setup, run, move |work| {
        let begun = used();
        work();
        used() - begun
    })
}

fn measured(
    setup: Setup,
    (run, lines): (Run, bool),
    measure: impl Fn(&mut dyn FnMut()) -> Duration + Send + 'static,
) -> Team {
    // Threads of a team are pinned, and what they start is pinned with them. So this one is no member.
    let (rounds, taken) = mpsc::channel::<Round>();
    let (told, durations) = mpsc::channel();
    thread::spawn(move || {
        let mut builder = Builder::new_multi_thread();
        let runtime =
            builder.worker_threads(setup.workers).enable_all().build().expect("a runtime");
        for round in taken {
            let (size, writes) = (setup.size, round.messages);
            let job = Job { size, writes, consumers: setup.readers, lines };
            let duration = measure(&mut || {
                let expected = writes * size as u64 * setup.readers as u64;
                assert_eq!(run(&runtime, job), expected, "{}: bytes are missing", setup.name);
            });
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
