//! A write, and a read that finds something, make no system call while nobody is parked; and a read inside a
//! segment of a spool, and a write to it, have no instruction that locks the bus, either.
//!
//! Each test starts this program anew, as a child that is traced and says with a call of `getppid`
//! where the calls that count begin and end.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getppid};
use overfall::error::TryReadError;
use overfall::spool::{Growth, Missing, Retain, Spool, SpoolReader, SpoolWriter};
use overfall::{Backpressure, Channel, Reader, StartAt, Writer, pipe};
use overfall_tests::{Numbers, until};
use std::fs;
use std::io::{BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio, exit};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Names the work of the child.
const WORK: &str = "OVERFALL_SYSTEM_CALLS";

/// How the child ends when it may not be traced.
const REFUSED: i32 = 77;

const RING: usize = 4096;

/// How many operations are counted: with slices of 64 bytes and more, some hundred laps of the ring.
const OPERATIONS: usize = 20_000;

/// What the child can do; the name is that of the test that starts it.
const CASES: [(&str, fn()); 16] = [
    ("strong_endpoints", strong_endpoints),
    ("a_weak_reader", a_weak_reader),
    ("lent_bytes_and_slices", lent_bytes_and_slices),
    ("blocking_endpoints", blocking_endpoints),
    ("a_full_ring_that_drops", a_full_ring_that_drops),
    ("writers_that_take_turns", writers_that_take_turns),
    ("writers_that_were_long_alone", writers_that_were_long_alone),
    ("idle_endpoints", idle_endpoints),
    ("timeouts_of_zero", timeouts_of_zero),
    ("waits_that_time_out", waits_that_time_out),
    ("a_parked_thread", a_parked_thread),
    ("a_call", a_call),
    ("a_spool", a_spool),
    ("reads_inside_a_segment", reads_inside_a_segment),
    ("reads_and_writes_within_a_bound", reads_and_writes_within_a_bound),
    ("a_step_into_a_segment", a_step_into_a_segment),
];

/// From the first call to the second, calls are counted.
fn mark() {
    getppid();
}

/// Does `work` under the eyes of the parent.
fn counted(work: impl FnOnce()) {
    if let Err(error) = ptrace::traceme() {
        eprintln!("PTRACE_TRACEME: {error}");
        exit(REFUSED);
    }
    raise(Signal::SIGSTOP).unwrap();
    mark();
    work();
    mark();
}

#[test]
#[ignore = "it is what the other tests start, and does nothing by itself"]
fn child() {
    let Ok(name) = std::env::var(WORK) else { return };
    let (_, work) = CASES.iter().find(|(case, _)| *case == name).expect("a case of that name");
    overfall::prepare();
    work();
}

/// What a child that this thread traces does next. `__WNOTHREAD`: other tests have children of their own.
fn wait() -> WaitStatus {
    waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).unwrap()
}

/// The child of a case, before its first mark, and the thread that it is about.
#[track_caller]
fn start(case: &str) -> (Child, Pid) {
    // Whoever starts the child traces it: this thread, and no other.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(WORK, case)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let thread = match wait() {
        WaitStatus::Stopped(thread, Signal::SIGSTOP) => thread,
        WaitStatus::Exited(_, REFUSED) => panic!(
            "this test needs to trace a child, and the system refuses that (PTRACE_TRACEME); \
             in a container, allow the system call `ptrace`"
        ),
        other => panic!("{case}: the child has not begun: {other:?}"),
    };
    ptrace::setoptions(
        thread,
        ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL,
    )
    .unwrap();
    (child, thread)
}

/// Lets it run to its end.
#[track_caller]
fn end(case: &str, mut child: Child, thread: Pid) {
    ptrace::detach(thread, None).unwrap();
    let ending = child.wait().unwrap();
    assert!(ending.success(), "{case}: the child failed: {ending}");
}

/// The numbers of the system calls that the thread of a case makes while it is counted.
#[track_caller]
fn calls(case: &str) -> Vec<i64> {
    let (child, thread) = start(case);
    let (mut marks, mut is_inside, mut calls) = (0, false, Vec::new());
    let mut signal = None;
    while marks < 2 {
        ptrace::syscall(thread, signal.take()).unwrap();
        match wait() {
            WaitStatus::PtraceSyscall(_) => {
                // Every call stops twice: before it and after it.
                is_inside = !is_inside;
                let number = number(thread);
                match is_inside {
                    true if number == libc::SYS_getppid => marks += 1,
                    true if marks == 1 => calls.push(number),
                    _ => {}
                }
            }
            WaitStatus::Stopped(_, other) => signal = Some(other),
            other => panic!("{case}: the child has not come to the end: {other:?}"),
        }
    }
    end(case, child, thread);
    calls
}

/// How many instructions a case has while it is counted, and those among them that lock the bus: what a
/// lock is taken with, and every read-modify-write of a word that threads share.
#[cfg(all(target_arch = "x86_64", not(overfall_portable)))]
#[track_caller]
fn locking_instructions(case: &str) -> (usize, Vec<[u8; 8]>) {
    let (child, thread) = start(case);
    let code = |place: u64| {
        let word = ptrace::read(thread, place as ptrace::AddressType).unwrap();
        word.to_ne_bytes()
    };
    let (mut is_counted, mut count, mut locking) = (false, 0, Vec::new());
    loop {
        let registers = ptrace::getregs(thread).unwrap();
        let bytes = code(registers.rip);
        let is_mark = bytes[..2] == [0x0f, 0x05] && registers.rax as i64 == libc::SYS_getppid;
        match (is_counted, is_mark) {
            (false, true) => is_counted = true,
            (true, true) => break,
            (true, false) => {
                count += 1;
                if locks(bytes) {
                    locking.push(bytes);
                }
            }
            (false, false) => {}
        }
        ptrace::step(thread, None).unwrap();
        let stopped = wait();
        assert!(matches!(stopped, WaitStatus::Stopped(_, Signal::SIGTRAP)), "{case}: {stopped:?}");
    }
    end(case, child, thread);
    (count, locking)
}

/// Whether this instruction locks the bus: by its prefix, or since it exchanges a register with memory.
#[cfg(all(target_arch = "x86_64", not(overfall_portable)))]
fn locks(bytes: [u8; 8]) -> bool {
    let is_prefix =
        |byte: u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf2 | 0xf3);
    let mut rest = bytes.into_iter().skip_while(|&byte| is_prefix(byte)).peekable();
    let rex = rest.next_if(|byte| byte & 0xf0 == 0x40);
    match (rex, rest.next()) {
        (None, Some(0xf0)) => true,
        (_, Some(0x86 | 0x87)) => rest.next().is_some_and(|operands| operands < 0xc0),
        _ => false,
    }
}

/// The number of the call that a thread is stopped at.
#[cfg(target_arch = "x86_64")]
fn number(thread: Pid) -> i64 {
    ptrace::getregs(thread).unwrap().orig_rax as i64
}

#[cfg(target_arch = "aarch64")]
fn number(thread: Pid) -> i64 {
    ptrace::getregs(thread).unwrap().regs[8] as i64
}

#[track_caller]
fn assert_none(case: &str) {
    let calls = calls(case);
    assert!(
        calls.is_empty(),
        "{case}: {} system calls, of the numbers {:?}",
        calls.len(),
        &calls[..calls.len().min(20)]
    );
}

/// Lengths of one granule and of several.
fn lengths() -> impl FnMut() -> usize {
    let mut numbers = Numbers::new(5);
    move || 1 + numbers.below(700)
}

fn strong_endpoints() {
    let (mut writer, mut reader) = pipe(RING);
    let (mut length, mut buffer) = (lengths(), [0; RING]);
    counted(|| {
        for _ in 0..OPERATIONS {
            let length = length();
            assert_eq!(writer.try_write(&buffer[..length]), Ok(length));
            assert_eq!(reader.try_read(&mut buffer), Ok(length));
        }
    });
}

#[test]
fn strong_endpoints_make_no_system_call() {
    assert_none("strong_endpoints");
}

fn a_weak_reader() {
    let channel = Channel::new(RING);
    let (mut writer, mut reader) = (channel.new_weak_writer(), channel.new_weak_reader());
    let (mut length, mut buffer) = (lengths(), [0; RING]);
    counted(|| {
        for number in 0..OPERATIONS {
            let length = length();
            assert_eq!(writer.try_write(&buffer[..length]), Ok(length));
            // One that reads each slice for a while, and then is overrun.
            if number % 1000 < 900 {
                let read = reader.try_read(&mut buffer);
                let is_told = matches!(read, Err(TryReadError::Lagged(_)));
                assert!(is_told || read.is_ok(), "{read:?}");
            }
        }
    });
    assert!(reader.stats().gaps > 0);
}

#[test]
fn a_weak_reader_makes_no_system_call() {
    assert_none("a_weak_reader");
}

fn lent_bytes_and_slices() {
    let (mut writer, mut reader) = pipe(RING);
    let (mut length, buffer) = (lengths(), [0; RING]);
    counted(|| {
        for _ in 0..OPERATIONS {
            let length = length();
            let mut slice = writer.try_reserve(length).unwrap();
            slice.write_all(&buffer[..length]).unwrap();
            slice.commit();
            writer.try_reserve(length).unwrap().abort();
            assert_eq!(reader.try_fill_buf().unwrap().len(), length);
            reader.consume(length);
        }
    });
}

#[test]
fn lent_bytes_and_slices_make_no_system_call() {
    assert_none("lent_bytes_and_slices");
}

fn blocking_endpoints() {
    let (writer, reader) = pipe(RING);
    let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
    let (mut length, mut buffer) = (lengths(), [0; RING]);
    counted(|| {
        for _ in 0..OPERATIONS {
            let length = length();
            assert_eq!(writer.write(&buffer[..length]).unwrap(), length);
            assert_eq!(reader.read(&mut buffer).unwrap(), length);
        }
    });
}

#[test]
fn blocking_endpoints_with_nothing_to_wait_for_make_no_system_call() {
    assert_none("blocking_endpoints");
}

fn a_full_ring_that_drops() {
    let channel = Channel::with_parameters(RING, Backpressure::Drop);
    let (mut writer, mut other) = (channel.new_writer().blocking(), channel.new_weak_writer());
    let _reader = channel.new_strong_reader();
    let mut length = lengths();
    let buffer = [0; RING];
    counted(|| {
        for _ in 0..OPERATIONS {
            let length = length();
            assert_eq!(writer.write(&buffer[..length]).unwrap(), length);
            let _ = other.try_write(&buffer[..length]);
        }
    });
    assert!(channel.stats().dropped_slices > OPERATIONS as u64 / 2);
}

#[test]
fn a_full_ring_that_drops_makes_no_system_call() {
    assert_none("a_full_ring_that_drops");
}

/// `turns` of two writers, of so many writes each.
fn take_turns(turns: usize, writes: usize) {
    let (writer, mut reader) = pipe(RING);
    let mut writers = [writer.clone(), writer];
    let mut buffer = [0; 64];
    counted(|| {
        for turn in 0..turns {
            for _ in 0..writes {
                assert_eq!(writers[turn % 2].try_write(&buffer), Ok(64));
                assert_eq!(reader.try_read(&mut buffer), Ok(64));
            }
        }
    });
}

/// So few that no writer takes the cursor for itself, where assertions are on, too.
fn writers_that_take_turns() {
    take_turns(OPERATIONS / 4, 4);
}

#[test]
fn writers_that_take_turns_make_no_system_call() {
    assert_none("writers_that_take_turns");
}

const TURNS: usize = 20;

/// So many that each has the cursor for itself in the end of its turn, in a release, too.
fn writers_that_were_long_alone() {
    take_turns(TURNS, 3000);
}

/// The one exception: who comes to a ring that another writer has had to itself for long takes the
/// cursor away from it, with one `membarrier`. So there is no more than one a turn, except for the
/// first.
#[test]
fn a_writer_that_joins_one_that_was_long_alone_makes_one_system_call() {
    let calls = calls("writers_that_were_long_alone");
    assert!(calls.iter().all(|&call| call == libc::SYS_membarrier), "{calls:?}");
    assert!(calls.len() < TURNS, "{} system calls in {TURNS} turns", calls.len());
}

fn idle_endpoints() {
    let channel = Channel::new(RING);
    let idle_writers: Vec<Writer> = (0..100)
        .map(|_| channel.new_writer())
        .chain((0..1000).map(|_| channel.new_weak_writer().into()))
        .collect();
    let idle_readers: Vec<Reader> = (0..100).map(|_| channel.new_weak_reader().into()).collect();
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    let (mut length, mut buffer) = (lengths(), [0; RING]);
    counted(|| {
        for _ in 0..OPERATIONS {
            let length = length();
            assert_eq!(writer.try_write(&buffer[..length]), Ok(length));
            assert_eq!(reader.try_read(&mut buffer), Ok(length));
        }
    });
    drop((idle_writers, idle_readers));
}

#[test]
fn idle_endpoints_cost_no_system_call() {
    assert_none("idle_endpoints");
}

/// Every blocking operation on an empty, or a full, ring. None can be done.
fn find_nothing(timeout: Duration) {
    fn timed_out(error: impl Into<std::io::Error>) {
        let kind = error.into().kind();
        assert!(matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock), "{kind}");
    }
    let deadline = || Instant::now() + timeout;
    let channel = Channel::new(128);
    let mut writer = channel.new_writer().blocking();
    let mut full = channel.new_strong_reader().blocking();
    let mut reader = channel.new_strong_reader_at(StartAt::Now).blocking();
    let mut tap = channel.new_weak_reader_at(StartAt::Now).blocking();
    let (mut buffer, mut appended) = ([0; 8], Vec::new());
    counted(|| {
        timed_out(reader.read_timeout(&mut buffer, timeout).unwrap_err());
        timed_out(reader.read_deadline(&mut buffer, deadline()).unwrap_err());
        timed_out(reader.fill_buf_deadline(deadline()).unwrap_err());
        timed_out(reader.recv_timeout(timeout).unwrap_err());
        timed_out(reader.recv_many_timeout(9, timeout).unwrap_err());
        timed_out(tap.recv_into_timeout(&mut appended, timeout).unwrap_err());
        timed_out(tap.recv_deadline(deadline()).unwrap_err());
        writer.send_timeout(&[1; 128], timeout).unwrap();
        timed_out(writer.write_timeout(&buffer, timeout).unwrap_err());
        timed_out(writer.write_deadline(&buffer, deadline()).unwrap_err());
        timed_out(writer.send_timeout(&buffer, timeout).unwrap_err());
        timed_out(writer.send_many_timeout(&[&buffer, &buffer], timeout).unwrap_err());
        timed_out(writer.reserve_deadline(8, deadline()).unwrap_err());
        assert_eq!(full.recv_timeout(timeout).unwrap().unwrap().len(), 128);
    });
}

fn timeouts_of_zero() {
    find_nothing(Duration::ZERO);
}

/// A deadline that has passed is one attempt: nobody yields, sleeps, or says that he may sleep.
#[test]
fn a_timeout_of_zero_makes_no_system_call() {
    let mut calls = calls("timeouts_of_zero");
    // Where the clock is one.
    calls.retain(|&call| call != libc::SYS_clock_gettime);
    assert!(calls.is_empty(), "{calls:?}");
}

fn waits_that_time_out() {
    find_nothing(Duration::from_millis(2));
}

/// To yield is to give a time slice away, on a core that is busy.
#[test]
fn a_short_wait_sleeps_and_does_not_yield() {
    let calls = calls("waits_that_time_out");
    assert!(!calls.contains(&libc::SYS_sched_yield), "{calls:?}");
    // On the clock's account it may be too late to sleep now and then.
    assert!(calls.contains(&libc::SYS_futex), "{calls:?}");
}

fn a_parked_thread() {
    let (mut writer, reader) = pipe(RING);
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        tell.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
        let mut buffer = [0; 64];
        assert_eq!(reader.blocking().read(&mut buffer).unwrap(), 5);
    });
    let stat = PathBuf::from("/proc").join(told.recv().unwrap()).join("stat");
    until("the reader sleeps", || {
        let stat = fs::read_to_string(&stat).unwrap();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    });
    counted(|| assert_eq!(writer.try_write(b"awake"), Ok(5)));
    thread.join().unwrap();
}

/// The count counts: to wake a thread is a call.
#[test]
fn a_write_to_a_parked_thread_is_counted() {
    let calls = calls("a_parked_thread");
    assert!(calls.contains(&libc::SYS_futex), "{calls:?}");
}

fn a_call() {
    counted(|| {
        assert_eq!(nix::sys::signal::kill(Pid::from_raw(i32::MAX), None), Err(Errno::ESRCH))
    });
}

#[test]
fn a_call_is_counted_once() {
    assert_eq!(calls("a_call"), [libc::SYS_kill]);
}

fn spool_of(size: usize) -> (Spool, SpoolWriter, SpoolReader) {
    let spool = Spool::builder().growth(Growth::Constant { size }).build().unwrap();
    let (mut writer, mut reader) = (spool.writer().unwrap(), spool.reader().unwrap());
    // So many looks for sleepers that it gives up looking.
    let mut buffer = [0; 4];
    for _ in 0..size / 8 {
        assert_eq!(writer.try_write(&buffer), Ok(4));
        assert_eq!(reader.try_read(&mut buffer), Ok(4));
    }
    (spool, writer, reader)
}

/// Writes, and reads by each way, of a stream whose one segment was there before.
fn a_spool() {
    let (_spool, mut writer, mut reader) = spool_of(1 << 24);
    let (mut length, mut buffer) = (lengths(), [0; RING]);
    let mut blocking = reader.clone().blocking();
    let mut view = reader.clone().without_waiting(Missing::WouldBlock);
    counted(|| {
        for _ in 0..OPERATIONS {
            let length = length();
            let position = writer.written();
            assert_eq!(writer.try_write(&buffer[..length]), Ok(length));
            assert_eq!(reader.try_fill_buf().unwrap().len(), length);
            reader.consume(length);
            assert_eq!(blocking.read(&mut buffer).unwrap(), length);
            assert_eq!(view.read(&mut buffer).unwrap(), length);
            assert_eq!(reader.try_read_at(&mut buffer, position), Ok(length));
            assert_eq!(reader.try_seek(SeekFrom::Current(0)), Ok(position + length as u64));
        }
        for (position, length) in [(0, 64), (1 << 20, 4096), (77, 1)] {
            blocking.seek(SeekFrom::Start(position)).unwrap();
            blocking.read_exact(&mut buffer[..length]).unwrap();
        }
    });
}

#[test]
fn a_spool_makes_no_system_call() {
    assert_none("a_spool");
}

/// How many operations are looked at, instruction by instruction.
const FEW: usize = 50;

fn reads_inside_a_segment() {
    let (_spool, mut writer, mut reader) = spool_of(1 << 20);
    let mut buffer = [0; 64];
    let mut blocking = reader.clone().blocking();
    let mut view = reader.clone().without_waiting(Missing::WouldBlock);
    counted(|| {
        for _ in 0..FEW {
            let position = writer.written();
            assert_eq!(writer.try_write(&buffer), Ok(64));
            assert_eq!(reader.try_read(&mut buffer[..10]), Ok(10));
            assert_eq!(reader.try_fill_buf().map(<[u8]>::len), Ok(54));
            reader.consume(54);
            assert_eq!(blocking.read(&mut buffer).unwrap(), 64);
            let lent = view.fill_buf().unwrap().len();
            view.consume(lent);
            assert_eq!(reader.try_read_at(&mut buffer, position), Ok(64));
            assert_eq!(reader.try_seek(SeekFrom::Start(position + 64)), Ok(position + 64));
        }
    });
}

/// No lock, and no read-modify-write: neither has a write, while nobody sleeps. (The fences of a writer
/// that looks for sleepers are over by then.)
#[cfg(all(target_arch = "x86_64", not(overfall_portable)))]
#[test]
fn a_read_inside_a_segment_and_a_write_have_no_instruction_that_locks_the_bus() {
    let (count, locking) = locking_instructions("reads_inside_a_segment");
    assert!(count > 100 * FEW, "{count} instructions");
    assert!(locking.is_empty(), "{} of {count}: {locking:x?}", locking.len());
}

fn reads_and_writes_within_a_bound() {
    const SEGMENT: usize = 1 << 20;
    let builder = Spool::builder().growth(Growth::Constant { size: SEGMENT });
    let spool = builder.retain(Retain::Last(4 * SEGMENT as u64)).build().unwrap();
    let (mut writer, mut strong) = (spool.writer().unwrap(), spool.reader().unwrap());
    let mut weak = spool.weak_reader().unwrap();
    let mut buffer = [0; 64];
    let mut step = || {
        assert_eq!(writer.try_write(&buffer), Ok(64));
        assert_eq!(strong.try_read(&mut buffer), Ok(64));
        assert_eq!(weak.try_read(&mut buffer), Ok(64));
    };
    (0..10_000).for_each(|_| step());
    counted(|| (0..FEW).for_each(|_| step()));
}

#[cfg(all(target_arch = "x86_64", not(overfall_portable)))]
#[test]
fn nor_have_reads_and_writes_within_a_bound() {
    let (count, locking) = locking_instructions("reads_and_writes_within_a_bound");
    assert!(count > 50 * FEW, "{count} instructions");
    assert!(locking.is_empty(), "{} of {count}: {locking:x?}", locking.len());
}

fn a_step_into_a_segment() {
    let (_spool, mut writer, mut reader) = spool_of(64);
    let mut buffer = [0; 64];
    assert_eq!(writer.try_write(&[7; 256]), Ok(256));
    counted(|| assert_eq!(reader.try_read(&mut buffer), Ok(64)));
}

/// The count counts: a share of the next segment is taken by one such instruction, and that of the last one
/// is given back by another.
#[cfg(all(target_arch = "x86_64", not(overfall_portable)))]
#[test]
fn a_step_into_a_segment_is_two_instructions_that_lock_the_bus() {
    let (_, locking) = locking_instructions("a_step_into_a_segment");
    assert_eq!(locking.len(), 2, "{locking:x?}");
}
