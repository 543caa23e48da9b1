//! Who is stopped in the middle of something, has no processor, or was left behind by a fork, stops
//! nobody else: `try_write`, `drain`, `terminate` and reads go on.
//!
//! Each test starts this program anew, as a child in a process of its own: with restartable sequences,
//! and without (`GLIBC_TUNABLES`), as in a process whose C library does not register them. `ci/portable`
//! runs both with plain fences.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "signals, priorities and forks have no safe interface here")]

mod stopped_spools;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use overfall::error::{TryReadError, TryWriteError};
use overfall::{Backpressure, Channel, StrongWriter};
use overfall_tests::{LIMIT, until, within};
use std::io::{BufRead, BufReader, Write, stdin};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Names the work of the child.
const WORK: &str = "OVERFALL_STOPPED";

const CASES: [(&str, fn()); 6] = [
    ("stopped_owners", stopped_owners),
    ("stopped_takers", stopped_takers),
    ("real_time", real_time),
    ("forks", forks),
    ("traced_owners", traced_owners),
    ("traced_readers", stopped_spools::traced_readers),
];

/// How a child ends that may not do what the test is about.
const REFUSED: i32 = 77;

#[test]
#[ignore = "it is what the other tests start, and does nothing by itself"]
fn child() {
    let Ok(name) = std::env::var(WORK) else { return };
    let (_, work) = CASES.iter().find(|(case, _)| *case == name).expect("a case of that name");
    overfall::prepare();
    work();
}

/// Runs a case with and without restartable sequences; fails if a run fails or hangs.
#[track_caller]
fn run(case: &str) {
    for tunables in ["", "glibc.pthread.rseq=0"] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(WORK, case)
            .env("GLIBC_TUNABLES", tunables)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > LIMIT {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{case} hangs, with GLIBC_TUNABLES={tunables:?}");
            }
            thread::sleep(Duration::from_millis(5));
        };
        if status.code() == Some(REFUSED) {
            eprintln!("{case}: not run, since the system does not permit it");
            return;
        }
        assert!(status.success(), "{case}: {status}, with GLIBC_TUNABLES={tunables:?}");
    }
}

/// What a stopped thread waits for: the handler of a signal spins until it is let go.
static GO: AtomicU32 = AtomicU32::new(0);
static STOPS: AtomicU32 = AtomicU32::new(0);

extern "C" fn stand_still(_: libc::c_int) {
    let stop = STOPS.fetch_add(1, Ordering::SeqCst) + 1;
    while GO.load(Ordering::SeqCst) < stop {
        std::hint::spin_loop();
    }
}

fn prepare_to_stop() {
    let handler = stand_still as extern "C" fn(libc::c_int);
    // SAFETY: the handler touches atomics alone.
    let before = unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    assert_ne!(before, libc::SIG_ERR);
}

/// A thread that works until it is told to stop, and can be stopped in the middle.
struct Worker {
    thread: JoinHandle<()>,
    is_over: Arc<AtomicBool>,
    beats: Arc<AtomicU64>,
}

impl Worker {
    fn new(mut work: impl FnMut() + Send + 'static) -> Self {
        let (is_over, beats) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (end, count) = (is_over.clone(), beats.clone());
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                work();
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { thread, is_over, beats }
    }

    /// Lets it work on for a while.
    fn beat(&self, times: u64) {
        let goal = self.beats.load(Ordering::Relaxed) + times;
        until("the other thread works", || self.beats.load(Ordering::Relaxed) >= goal);
    }

    /// Does `work` while the thread stands still, wherever it was.
    fn stopped<T>(&self, work: impl FnOnce() -> T) -> T {
        use std::os::unix::thread::JoinHandleExt;
        let stop = STOPS.load(Ordering::SeqCst) + 1;
        // SAFETY: the thread has not been joined.
        assert_eq!(unsafe { libc::pthread_kill(self.thread.as_pthread_t(), libc::SIGUSR1) }, 0);
        until("the other thread stands still", || STOPS.load(Ordering::SeqCst) >= stop);
        let result = work();
        GO.store(stop, Ordering::SeqCst);
        result
    }

    fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Long enough to be taken for alone, with room for the way there.
const BURST: u64 = 3000;

fn burst(writer: &mut StrongWriter, times: u64) {
    for _ in 0..times {
        // Nobody reads strongly: it is never full, but for a slice in flight of who stands still.
        match writer.try_write(&[1; 8]) {
            Ok(_)
            | Err(TryWriteError::Full | TryWriteError::Closed | TryWriteError::Terminated) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// What is asked of a channel while somebody stands still, each by itself on a channel of its own.
const ASKED: [fn(&Channel, &mut StrongWriter); 4] = [
    |channel, writer| {
        let mut tap = channel.new_weak_reader();
        // A lap at the most until it comes to what is in flight.
        for _ in 0..100 {
            let written = writer.try_write(b"while you stand still");
            assert!(matches!(written, Ok(21) | Err(TryWriteError::Full)), "{written:?}");
        }
        let _read = tap.try_read(&mut [0; 4096]);
    },
    |channel, writer| {
        channel.drain().unwrap();
        assert_eq!(writer.try_write(b"late"), Err(TryWriteError::Closed));
        assert!(channel.is_closed());
    },
    |channel, writer| {
        let mut tap = channel.new_weak_reader();
        channel.terminate();
        assert_eq!(writer.try_write(b"late"), Err(TryWriteError::Terminated));
        assert_eq!(tap.try_read(&mut [0; 8]), Err(TryReadError::Terminated));
    },
    |channel, writer| {
        let slice = writer.try_reserve(100);
        assert!(channel.stats().capacity > 0);
        drop(slice);
    },
];

/// A writer that owns the cursor is stopped, at any place, while another comes.
fn stopped_owners() {
    prepare_to_stop();
    for round in 0..200 {
        let channel = Channel::with_parameters(1 << 16, Backpressure::Block);
        let mut alone = channel.new_strong_writer();
        let mut other = channel.new_strong_writer();
        burst(&mut alone, BURST);
        let owner = Worker::new(move || burst(&mut alone, 100));
        owner.beat(1);
        owner.stopped(|| ASKED[round % ASKED.len()](&channel, &mut other));
        owner.end();
    }
}

/// Two writers take the cursor from each other all the time; one of them is stopped while a third comes.
fn stopped_takers() {
    prepare_to_stop();
    for round in 0..200 {
        let channel = Channel::with_parameters(1 << 16, Backpressure::Block);
        let [first, second] = [(); 2].map(|()| {
            let mut writer = channel.new_strong_writer();
            // In turns, as far as the system lets them: each is alone for long enough to take it.
            Worker::new(move || {
                burst(&mut writer, BURST);
                thread::yield_now();
            })
        });
        let mut third = channel.new_strong_writer();
        first.beat(1);
        second.beat(1);
        let stopped = if round % 2 == 0 { &first } else { &second };
        stopped.stopped(|| ASKED[round / 2 % ASKED.len()](&channel, &mut third));
        first.end();
        second.end();
    }
}

/// A writer of real-time priority comes to a ring that one of lower priority, on the same core, has had
/// to itself: that one does not run until the system's throttle steps in, after most of a second.
fn real_time() {
    // SAFETY: a set of processors is plain data, for which zeros are the empty set.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut set);
        if libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) != 0 {
            std::process::exit(REFUSED);
        }
    }
    let channel = Channel::with_parameters(1 << 20, Backpressure::Block);
    let mut low = channel.new_strong_writer();
    let low = Worker::new(move || burst(&mut low, 100));
    low.beat(30);
    let mut urgent = channel.new_strong_writer();
    let high = thread::spawn(move || {
        let param = libc::sched_param { sched_priority: 10 };
        // SAFETY: the parameters are those of the call.
        let set =
            unsafe { libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &param) };
        if set != 0 {
            std::process::exit(REFUSED);
        }
        // One stop in some 25 used to fall where the other was waited for.
        for _ in 0..1000 {
            thread::sleep(Duration::from_micros(300));
            let started = Instant::now();
            urgent.try_write(&[2; 8]).unwrap();
            let took = started.elapsed();
            // The throttle gives 50 ms of each second to others. What has no wait takes microseconds.
            assert!(took < Duration::from_millis(200), "a try_write took {took:?}");
        }
    });
    high.join().unwrap();
    low.end();
}

/// A process forks while another of its threads writes, or takes the cursor. The child has that thread's
/// work half done for ever.
fn forks() {
    for asked in ASKED {
        let channel = Channel::with_parameters(1 << 16, Backpressure::Block);
        let mut alone = channel.new_strong_writer();
        let mut other = channel.new_strong_writer();
        let writing = Worker::new(move || burst(&mut alone, BURST));
        for round in 0..60 {
            writing.beat(1);
            // SAFETY: the child makes no call but those that are tested, none of which allocates but for
            // an endpoint, and leaves without destructors.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: ends the child, now or when it hangs.
                unsafe {
                    libc::alarm(10);
                    asked(&channel, &mut other);
                    libc::_exit(0);
                }
            }
            assert!(child > 0);
            let mut status = 0;
            // SAFETY: `status` is written by the call.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert!(libc::WIFEXITED(status), "round {round}: the child hung, or died: {status:#x}");
            assert_eq!(libc::WEXITSTATUS(status), 0, "round {round}");
            // The parent goes on as if nothing had been.
            burst(&mut other, 1);
        }
        writing.end();
    }
}

/// As `stopped_owners`, but that the system stops the thread, at the parent's word: within a section as
/// well, which a handler of a signal never sees.
fn traced_owners() {
    for round in 0..200 {
        let channel = Channel::with_parameters(1 << 16, Backpressure::Block);
        let mut alone = channel.new_strong_writer();
        let mut other = channel.new_strong_writer();
        burst(&mut alone, BURST);
        let (tell, thread) = thread_number();
        let owner = Worker::new(move || {
            tell();
            burst(&mut alone, 100);
        });
        owner.beat(1);
        traced(&thread, || ASKED[round % ASKED.len()](&channel, &mut other));
        owner.end();
    }
    eprintln!("{TRACE_ME} {OVER}");
}

/// What the parent hears on standard error begins with this: the number of a thread, or one of these words.
const TRACE_ME: &str = "overfall-trace";
const DONE: &str = "done";
const OVER: &str = "over";

/// Where a thread tells its number, and where that is then.
fn thread_number() -> (impl Fn() + Send, Arc<AtomicU32>) {
    let thread = Arc::new(AtomicU32::new(0));
    let tell = thread.clone();
    // SAFETY: the call has no preconditions.
    (move || tell.store(unsafe { libc::gettid() } as u32, Ordering::Relaxed), thread)
}

/// Does `work` while the system has stopped the thread, wherever it was, and asked it for nothing.
fn traced<T>(thread: &AtomicU32, work: impl FnOnce() -> T) -> T {
    let wait_for_parent = || {
        let mut line = String::new();
        assert!(stdin().read_line(&mut line).unwrap() > 0, "the parent has gone");
    };
    eprintln!("{TRACE_ME} {}", thread.load(Ordering::Relaxed));
    wait_for_parent();
    let result = work();
    eprintln!("{TRACE_ME} {DONE}");
    wait_for_parent();
    result
}

/// Starts the case and stops its threads when it says so. Nothing if the system does not permit it.
fn trace(case: &str, tunables: &str) -> Option<()> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(WORK, case)
        .env("GLIBC_TUNABLES", tunables)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stderr.take().unwrap());
    let mut hear = || {
        loop {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "the child has gone");
            if let Some(said) = line.strip_prefix(TRACE_ME) {
                return said.trim().to_string();
            }
            eprint!("{line}");
        }
    };
    loop {
        let said = hear();
        if said == OVER {
            break;
        }
        let thread = Pid::from_raw(said.parse().unwrap());
        if ptrace::seize(thread, ptrace::Options::PTRACE_O_EXITKILL) == Err(Errno::EPERM) {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        ptrace::interrupt(thread).unwrap();
        let stopped = waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        assert!(matches!(stopped, WaitStatus::PtraceEvent(..)), "{stopped:?}");
        // Now it stands still, and is asked for nothing.
        input.write_all(b"stopped\n").unwrap();
        assert_eq!(hear(), DONE);
        ptrace::detach(thread, None).unwrap();
        input.write_all(b"goes on\n").unwrap();
    }
    assert!(child.wait().unwrap().success());
    Some(())
}

#[test]
fn an_owner_of_the_cursor_that_the_system_has_stopped_stops_nobody() {
    for tunables in ["", "glibc.pthread.rseq=0"] {
        if within(LIMIT, move || trace("traced_owners", tunables)).is_none() {
            eprintln!("not run, since the system does not permit to trace a child");
        }
    }
}

#[test]
fn an_owner_of_the_cursor_that_is_stopped_stops_nobody() {
    run("stopped_owners");
}

#[test]
fn a_writer_that_is_stopped_while_it_takes_the_cursor_stops_nobody() {
    run("stopped_takers");
}

#[test]
fn a_writer_of_real_time_priority_does_not_wait_for_one_that_cannot_run() {
    run("real_time");
}

#[test]
fn a_forked_child_goes_on_whatever_the_parents_threads_were_doing() {
    run("forks");
}
