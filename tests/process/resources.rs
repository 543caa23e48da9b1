//! What the system has only so much of. Each test starts this program anew, as a process of its own (`places.rs`).

use crate::places::run;
use crate::support::{Stuck, children, descriptors, gone, process, shell, until};
use overfall::process::{
    Capture, Child, Collect, Command, Consumer, Forward, Input, Outcome, Pipeline, ShutDown,
    SpawnError, Start, Took,
};
use overfall::spool::Spool;
use overfall::{Blocking, StrongReader};
use overfall_tests::{LIMIT, block_on, within};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, getrlimit, pidfd_open, setrlimit};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) fn work(work: &str) {
    match work {
        "failures" => failures(),
        "many" => many(),
        "rings" => rings(),
        "stalled" => stalled(),
        "descriptors" => no_descriptors(),
        "threads" => no_threads(),
        "wide" => wide(),
        "pipes" => no_pages_for_pipes(),
        "zombies" => zombies(),
        other => crate::situations::work(other),
    }
}

/// The threads that look after children. Another one of this crate lives for a moment only.
fn threads() -> usize {
    let all = fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = all.filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
    names
        .filter(|name| {
            ["overfall-proc", "overfall-wait", "overfall-spo", "overfall-look", "tokio"]
                .iter()
                .any(|start| name.starts_with(start))
        })
        .count()
}

/// Without what is read from files, such as code of this program that runs for the first time.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kibibytes =
        status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
    kibibytes.expect("the line").parse::<usize>().unwrap() * 1024
}

// Descriptors.

#[test]
fn where_descriptors_run_out_a_start_fails_and_leaves_nothing_and_children_go_on() {
    run("", "descriptors");
}

/// Takes all descriptors but so many.
struct Taken {
    taken: Vec<File>,
    before: Rlimit,
}

impl Taken {
    fn all_but(left: usize) -> Self {
        let before = getrlimit(Resource::Nofile);
        let limit = Rlimit { current: Some(256), maximum: before.maximum };
        setrlimit(Resource::Nofile, limit).unwrap();
        let mut taken: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        taken.truncate(taken.len() - left);
        Self { taken, before }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.taken.clear();
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

fn no_descriptors() {
    let open = descriptors();
    // The first failures are those of the thread of children itself.
    let kinds: [fn() -> Result<Vec<Outcome>, SpawnError>; 6] = [
        || one(&mut shell("echo said; exit 7")),
        || one(shell("cat; exit 7").stdin(Input::pipe())),
        || one(shell("cat; exit 7").stdin(Input::bytes("x")).merged(Capture::default())),
        || one(shell("exit 7").ends_with_us()),
        || {
            let spool = Capture::default().with_spool(Spool::builder().spill_at(1));
            one(shell("echo said; exit 7").stdout(spool))
        },
        || {
            let mut pipeline = Pipeline::new(shell("exit 7")).pipe(shell("cat; exit 7"));
            Ok(block_on(pipeline.spawn()?.wait()).parts)
        },
    ];
    for (index, run) in kinds.into_iter().enumerate() {
        let mut succeeded = 0;
        for left in 0.. {
            let taken = Taken::all_but(left);
            match within(LIMIT, run) {
                // What has none for its pidfd, or looks for members without any, comes to its end as well.
                Ok(outcomes) => {
                    for outcome in outcomes {
                        let is_whole = outcome.outputs().all(|output| output.ended);
                        assert!(is_whole && outcome.status.code() == Some(7), "{outcome:?}");
                    }
                    succeeded += 1;
                }
                Err(error) => {
                    assert_eq!(succeeded, 0, "{index}, {left}: {error}");
                    let text = error.to_string();
                    assert!(text.contains("limit of open files"), "{index}, {left}: {text}");
                }
            }
            drop(taken);
            until("no child is left", || children().is_empty());
            // What the thread of children has open stays, with what tokio has open for signals.
            until("nothing is left open", || descriptors() <= open + 6);
            if succeeded > 10 {
                break;
            }
        }
    }
    children_go_on();
}

fn one(command: &mut Command) -> Result<Vec<Outcome>, SpawnError> {
    Ok(vec![block_on(command.spawn()?.wait())])
}

/// Those that were there before are written to, read, waited for, ended and reaped as ever.
fn children_go_on() {
    let answers = shell("cat; exit 7").stdin(Input::pipe()).spawn().unwrap();
    let start = || Command::new("sleep").arg("100").spawn().unwrap();
    let (killed, shut_down, dropped) = (start(), start(), start());
    let taken = Taken::all_but(0);
    let mut stdin = answers.take_stdin().unwrap();
    let mut reader = answers.stdout().unwrap().strong_reader(Start::Oldest).unwrap().blocking();
    let mut buffer = [0; 6];
    for _ in 0..100 {
        stdin.try_send("answer").unwrap();
        reader.read_exact(&mut buffer).unwrap();
    }
    drop(stdin);
    assert_eq!(block_on(answers.wait()).status.code(), Some(7));
    assert_eq!(block_on(killed.kill()).status.signal(), Some(9));
    let policy = ShutDown::terminate(Duration::MAX);
    let status = within(LIMIT, move || block_on(shut_down.shut_down(&policy))).status;
    assert_eq!(status.signal(), Some(15));
    let id = dropped.id();
    drop(dropped);
    // It is looked for without a descriptor.
    let begun = Instant::now();
    while rustix::process::test_kill_process(Pid::from_raw(id as i32).unwrap()).is_ok() {
        assert!(begun.elapsed() < LIMIT);
        thread::sleep(Duration::from_millis(2));
    }
    drop((taken, answers, killed));
    assert!(children().is_empty());
    a_member_is_not_overlooked();
}

/// Whoever has too few to look at each process has not seen that there is none.
fn a_member_is_not_overlooked() {
    let script = "sh -c 'trap \"\" TERM; echo ready; while :; do sleep 60; done' & wait";
    for left in 0..4 {
        let child = shell(script).spawn().unwrap();
        until("the member is ready", || child.stdout().unwrap().stats().payload_bytes == 6);
        let taken = Taken::all_but(left);
        let policy = ShutDown::terminate(Duration::from_millis(50));
        let id = child.id();
        let outcome = within(LIMIT, move || block_on(child.shut_down(&policy)));
        drop(taken);
        assert_eq!((outcome.shut_down, outcome.status.signal()), (Some(Took::Kill), Some(15)));
        gone(id);
    }
}

// Counted.

/// Situation 42.
#[test]
fn nothing_is_left_of_children_that_could_not_be_started() {
    run("", "failures");
}

fn failures() {
    // The thread of children, and what it has open, is there from here on.
    block_on(Command::new("true").spawn().unwrap().wait());
    let (open, running, used) = (descriptors(), threads(), resident());
    for _ in 0..3000 {
        Command::new("no-such-program").stdin(Input::pipe()).spawn().unwrap_err();
    }
    assert_eq!((descriptors(), threads()), (open, running));
    assert!(resident() < used + (1 << 20), "{used} and then {}", resident());
}

#[test]
fn two_hundred_children_at_once_end_and_leave_nothing() {
    run("", "many");
}

fn many() {
    block_on(Command::new("true").spawn().unwrap().wait());
    let (open, running) = (descriptors(), threads());
    let start = |index: usize| {
        let mut command = shell(&format!("cat; echo {index} >&2; exit {}", index % 100));
        command.stdin(Input::bytes(format!("{index}\n"))).spawn().unwrap()
    };
    let started: Vec<_> = (0..200).map(start).collect();
    // Half of them are just dropped.
    let (waited, dropped): (Vec<_>, Vec<_>) =
        started.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);
    let ids: Vec<_> = dropped.iter().map(|(_, child)| child.id()).collect();
    drop(dropped);
    for (index, child) in &waited {
        let outcome = block_on(child.wait());
        assert_eq!(outcome.status.code(), Some(*index as i32 % 100));
        let expected = format!("{index}\n");
        for output in [child.stdout(), child.stderr()] {
            let mut text = String::new();
            let reader = output.unwrap().strong_reader(Start::Oldest).unwrap();
            reader.blocking().read_to_string(&mut text).unwrap();
            assert_eq!(text, expected);
        }
    }
    drop(waited);
    for id in ids {
        gone(id);
    }
    assert!(children().is_empty());
    until("nothing is left open", || (descriptors(), threads()) == (open, running));
}

/// A ring of 1 MiB for each output would be 400 MiB.
#[test]
fn two_hundred_children_that_write_little_cost_little_memory() {
    run("", "rings");
}

fn rings() {
    block_on(Command::new("true").spawn().unwrap().wait());
    let before = resident();
    let start = |_| shell("echo little; read line").stdin(Input::pipe()).spawn().unwrap();
    let children: Vec<_> = (0..200).map(start).collect();
    for child in &children {
        until("it has written", || child.stdout().unwrap().stats().payload_bytes == 7);
    }
    let used = resident().saturating_sub(before);
    assert!(used < 40 << 20, "{used}");
}

// Threads.

#[test]
fn where_threads_run_out_children_come_to_their_ends_all_the_same() {
    run("", "threads");
}

/// This process runs as a user of its own from here on, of whose limits nobody else takes anything.
fn as_a_user_of_its_own() -> bool {
    let is_root = rustix::process::getuid().is_root();
    if is_root {
        let id = 100_000 + std::process::id() % 100_000;
        // For all threads.
        nix::unistd::setuid(nix::unistd::Uid::from_raw(id)).unwrap();
    } else {
        println!("not run: it takes root to be another user");
    }
    is_root
}

fn no_threads() {
    if !as_a_user_of_its_own() {
        return;
    }
    let held = shell("read line; setsid sleep 60 & echo said; exit 7").stdin(Input::pipe()).spawn();
    let held = held.unwrap();
    let spooled = Capture::ring(4096).with_spool(Spool::builder().spill_at(1));
    let mut spooled =
        shell("read line; seq 100000; exit 7").stdin(Input::pipe()).stdout(spooled).spawn();
    let spooled = spooled.as_mut().unwrap();
    let before = getrlimit(Resource::Nproc);
    setrlimit(Resource::Nproc, Rlimit { current: Some(0), maximum: before.maximum }).unwrap();
    assert!(thread::Builder::new().spawn(|| {}).is_err());
    let error = shell("exit 7").spawn().unwrap_err();
    assert!(error.to_string().contains("limit of processes"), "{error}");
    // Who has the output open is looked for, and a disk is written to, without a thread for that.
    let outcome = block_on(held.wait());
    let stdout = outcome.stdout.unwrap();
    assert_eq!((outcome.status.code(), stdout.ended), (Some(7), false));
    let left = Pid::from_raw(stdout.open_in[0].id as i32).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    let outcome = block_on(spooled.wait());
    let stdout = outcome.stdout.unwrap();
    assert!(outcome.status.code() == Some(7) && stdout.ended, "{stdout:?}");
    let spool = spooled.stdout().unwrap().spool().unwrap();
    assert_eq!(block_on(spool.finished()).unwrap(), stdout.stats.payload_bytes);
}

// Pipes.

#[test]
fn no_more_than_64_pipes_are_wide_at_a_time_and_the_others_lose_nothing() {
    run("", "wide");
}

const FLOOD: u64 = 1_000_000;

/// A child that waits for a word, and then writes more than its ring and its pipe hold.
struct Flood {
    child: Child,
    consumer: Blocking<StrongReader>,
    read: u64,
}

impl Flood {
    fn new() -> Self {
        let mut command = shell(&format!("read word; exec head -c {FLOOD} /dev/zero"));
        let child = command.stdin(Input::pipe()).stdout(Capture::ring(1 << 16)).spawn().unwrap();
        let consumer = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap().blocking();
        Self { child, consumer, read: 0 }
    }

    /// How large its pipe is.
    fn size(&self) -> usize {
        let path = format!("/proc/{}/fd/1", self.child.id());
        let open = || rustix::fs::open(&path, OFlags::WRONLY, Mode::empty());
        // The system shows nobody what a process has open that is just being started.
        until("it is shown", || open().is_ok());
        fcntl_getpipe_size(open().unwrap()).unwrap()
    }

    /// Has it write until its pipe was found full.
    fn begin(&mut self) {
        self.child.take_stdin().unwrap().try_send("go\n").unwrap();
        let waits = || self.child.stdout().unwrap().stats().waiting_writers == 1;
        for _ in 0..8 {
            until("its ring is full", waits);
            // Meanwhile the pipe fills as well, and room for one more read finds it so.
            thread::sleep(Duration::from_millis(2));
            self.consumer.read_exact(&mut [0; 16 << 10]).unwrap();
            self.read += 16 << 10;
        }
        until("its ring is full", waits);
    }

    /// Has it write on, to its end, and nothing is missing.
    fn finish(self) {
        let Self { child, consumer, read } = self;
        let all = Collect::last(0).bytes_of(consumer.into_inner()).unwrap();
        assert!(within(LIMIT, move || block_on(child.wait())).success());
        let all = block_on(all.wait());
        assert_eq!((read + all.left_out.bytes, all.missed), (FLOOD, 0));
    }
}

fn wide() {
    const WIDE: usize = 256 << 10;
    let mut floods: Vec<_> = (0..70).map(|_| Flood::new()).collect();
    floods.iter_mut().for_each(Flood::begin);
    assert_eq!(floods.iter().filter(|flood| flood.size() == WIDE).count(), 64);
    floods.into_iter().for_each(Flood::finish);
    // These have gone, and one that comes now may be wide.
    let mut another = Flood::new();
    another.begin();
    assert_eq!(another.size(), WIDE);
    another.finish();
}

/// What the pipes of a user have in all is limited: from then on none can be made larger, and new ones are of 8 KiB.
#[test]
fn a_pipe_that_may_not_be_enlarged_changes_nothing_but_the_speed() {
    run("", "pipes");
}

fn no_pages_for_pipes() {
    if !as_a_user_of_its_own() {
        return;
    }
    let mut usual = Flood::new();
    let mut pipes = Vec::new();
    loop {
        let (from, to) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let is_refused = fcntl_setpipe_size(&from, 1 << 20).is_err();
        pipes.push((from, to));
        if is_refused {
            break;
        }
    }
    assert_eq!(usual.size(), 64 << 10);
    // Usual ones are still to be had, until the limit is reached.
    while fcntl_getpipe_size(&pipes[pipes.len() - 1].0).unwrap() > 8 << 10 {
        pipes.push(pipe_with(PipeFlags::CLOEXEC).unwrap());
    }
    let mut small = Flood::new();
    assert_eq!(small.size(), 8 << 10);
    for refused in [&mut usual, &mut small] {
        let size = refused.size();
        refused.begin();
        assert_eq!(refused.size(), size);
    }
    usual.finish();
    small.finish();
    drop(pipes);
    let mut another = Flood::new();
    another.begin();
    assert_eq!(another.size(), 256 << 10);
    another.finish();
}

// Memory.

#[test]
fn a_consumer_that_stands_still_costs_its_ring_and_where_it_is_weak_the_others_go_on() {
    run("", "stalled");
}

fn stalled() {
    const RING: usize = 1 << 20;
    let start = || Command::new("yes").stdout(Capture::ring(RING)).spawn().unwrap();
    // What the first one takes for all.
    let first = start();
    drop(
        Forward::new()
            .into_write(first.stdout().unwrap().strong_reader(Start::Now).unwrap(), io::sink()),
    );
    block_on(first.kill());
    drop(first);

    let before = resident();
    let within_bounds = |what: &str| {
        let used = resident().saturating_sub(before);
        assert!(used <= RING + (1 << 20), "{what}: {used}");
    };
    // One that reads nothing, one that was given some, and one whose sink stands still.
    for kind in 0..3 {
        let child = start();
        let output = child.stdout().unwrap();
        let mut reader = output.strong_reader(Start::Oldest).unwrap();
        if kind == 1 {
            block_on(reader.recv()).unwrap();
        }
        let (let_go, is_stuck) = mpsc::channel();
        let forwarding = (kind == 2).then(|| {
            let reader = output.strong_reader(Start::Oldest).unwrap();
            Forward::new().into_write(reader, Stuck(is_stuck)).unwrap()
        });
        until("it holds the child up", || output.stats().waiting_writers == 1);
        within_bounds("strong");
        // It is aborted in the middle of its write.
        forwarding.into_iter().for_each(Consumer::abort);
        drop(reader);
        let outcome = block_on(child.kill());
        assert!(outcome.stdout.unwrap().held_by.is_empty());
        drop(let_go);
    }
    // Weak, it holds nobody up.
    let child = start();
    let output = child.stdout().unwrap();
    let stalled = output.weak_reader(Start::Oldest).unwrap();
    let live = output.strong_reader(Start::Oldest).unwrap();
    let mut live = live.blocking();
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..1000 {
        live.read_exact(&mut buffer).unwrap();
    }
    within_bounds("weak");
    drop(live);
    block_on(child.kill());
    assert!(stalled.missed().bytes >= 1000 * buffer.len() as u64 - (RING as u64 + (1 << 18)));
}

// Zombies.

#[test]
fn no_zombie_stays_for_a_tenth_of_a_second_whatever_the_runtime_does() {
    run("", "zombies");
}

/// How long a process was seen as a zombie after a bare thread that waits for its end had been woken: what the machine
/// takes to wake a thread is not ours.
fn time_as_zombie(id: u32, end: impl FnOnce()) -> Duration {
    let pidfd = pidfd_open(Pid::from_raw(id as i32).unwrap(), PidfdFlags::empty()).unwrap();
    let bare = thread::spawn(move || {
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
        Instant::now()
    });
    end();
    let last = Cell::new(None);
    until("it was reaped", || {
        let now = Instant::now();
        let Some(process) = process(id) else { return true };
        if process.state == 'Z' {
            last.set(Some(now));
        }
        false
    });
    let woken = bare.join().unwrap();
    last.get().map_or(Duration::ZERO, |last: Instant| last.saturating_duration_since(woken))
}

fn zombies() {
    let start = || shell("read line; exit 7").stdin(Input::pipe()).spawn().unwrap();
    let current = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    block_on(shell("exit 0").spawn().unwrap().wait());
    let mut times = Vec::new();
    for _ in 0..10 {
        // No runtime.
        let child = start();
        times.push(time_as_zombie(child.id(), || drop(child)));
        // It exits, and nobody waits.
        let child = start();
        let stdin = child.take_stdin();
        times.push(time_as_zombie(child.id(), || drop(stdin)));
        // In a runtime that is blocked.
        current().block_on(async {
            let child = start();
            times.push(time_as_zombie(child.id(), || drop(child)));
        });
        // By a task of one whose threads sleep from then on.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let child = start();
        let id = child.id();
        times.push(time_as_zombie(id, || drop(runtime.spawn(async { drop(child) }))));
        // By the end of a runtime.
        let child = start();
        let id = child.id();
        runtime.spawn(async {
            std::future::pending::<()>().await;
            drop(child);
        });
        times.push(time_as_zombie(id, || drop(runtime)));
    }
    let longest = times.into_iter().max().unwrap();
    assert!(longest < Duration::from_millis(100), "{longest:?}");
}
