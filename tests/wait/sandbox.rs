//! A process that forbids itself the system call `membarrier` after it has started, by a filter.
//!
//! Each test starts this program anew, as a child in a process of its own.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(unsafe_code, reason = "there is no safe interface to a filter of system calls here")]

use nix::libc;
use overfall::{Channel, StrongReader, StrongWriter};
use overfall_tests::LIMIT;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Names the work of the child.
const WORK: &str = "OVERFALL_SANDBOX";

const CASES: [(&str, fn()); 6] = [
    ("made_behind_the_filter", made_behind_the_filter),
    ("chose_so", chose_so),
    ("new_writer", new_writer),
    ("sleeping_reader", sleeping_reader),
    ("drain", drain),
    ("hardly_used", hardly_used),
];

#[test]
#[ignore = "it is what the other tests start, and does nothing by itself"]
fn child() {
    let Ok(name) = std::env::var(WORK) else { return };
    let (_, work) = CASES.iter().find(|(case, _)| *case == name).expect("a case of that name");
    overfall::prepare();
    work();
}

#[track_caller]
fn run(case: &str) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(WORK, case)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("{case} hangs");
        }
        thread::yield_now();
    }
    child.wait_with_output().unwrap()
}

/// From here on each `membarrier` of this process fails.
fn forbid_membarrier() {
    let filter = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut program = [
        // Load the number of the call.
        filter(0x20, 0, 0, 0),
        filter(0x15, 0, 1, libc::SYS_membarrier as u32),
        filter(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        filter(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
    // SAFETY: the program and its length are what the calls ask for, and live until they are done.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        // For all threads of the process.
        let flags = libc::SECCOMP_FILTER_FLAG_TSYNC;
        let set = libc::SECCOMP_SET_MODE_FILTER;
        assert_eq!(libc::syscall(libc::SYS_seccomp, set, flags, &program), 0);
    }
}

/// A pair that is taken for alone, and for which nobody looks.
fn alone(channel: &Channel) -> (StrongWriter, StrongReader) {
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    for _ in 0..5000 {
        writer.try_write(&[1; 64]).unwrap();
        assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
    }
    (writer, reader)
}

/// A second writer, a reader that sleeps, and the end.
fn use_all(channel: &Channel, (mut writer, mut reader): (StrongWriter, StrongReader)) {
    let mut other = channel.new_strong_writer();
    other.try_write(&[2; 64]).unwrap();
    assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
    let sleeper = thread::spawn(move || {
        let mut reader = reader.blocking();
        let message = reader.recv().unwrap().unwrap().to_vec();
        assert!(reader.recv().unwrap().is_none());
        message
    });
    writer.try_write(&[3; 64]).unwrap();
    channel.drain().unwrap();
    assert_eq!(sleeper.join().unwrap(), [3; 64]);
    // An end that comes after another one asks for no more than the first.
    channel.drain().unwrap();
    channel.terminate();
}

fn made_behind_the_filter() {
    let made = || {
        let channel = Channel::new(4096);
        use_all(&channel, alone(&channel));
    };
    made();
    forbid_membarrier();
    made();
    made();
}

fn chose_so() {
    let channel = Channel::builder().size(4096).membarrier(false).build().unwrap();
    let pair = alone(&channel);
    forbid_membarrier();
    use_all(&channel, pair);
}

fn new_writer() {
    let channel = Channel::new(4096);
    let _pair = alone(&channel);
    forbid_membarrier();
    let _written = channel.new_strong_writer().try_write(b"one more");
}

fn sleeping_reader() {
    let channel = Channel::new(4096);
    let (_writer, reader) = alone(&channel);
    let mut reader = reader.blocking();
    forbid_membarrier();
    assert!(reader.recv_timeout(Duration::from_millis(1)).is_err());
}

fn drain() {
    let channel = Channel::new(4096);
    let _pair = alone(&channel);
    forbid_membarrier();
    channel.drain().unwrap();
}

fn hardly_used() {
    let channel = Channel::new(4096);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    writer.try_write(&[1; 64]).unwrap();
    forbid_membarrier();
    assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
    let mut reader = reader.blocking();
    assert!(reader.recv_timeout(Duration::from_millis(1)).is_err());
    channel.drain().unwrap();
    channel.terminate();
    channel.terminate();
}

#[track_caller]
fn goes_on(case: &str) {
    let output = run(case);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}: {}: {said}", output.status);
}

#[test]
fn a_channel_that_is_made_behind_the_filter_does_without() {
    goes_on("made_behind_the_filter");
}

/// It has come to rely on nothing yet.
#[test]
fn a_channel_that_was_hardly_used_lives_through_it() {
    goes_on("hardly_used");
}

#[test]
fn a_channel_that_was_told_to_do_without_lives_through_it() {
    goes_on("chose_so");
}

/// Whether this system has what a channel may come to rely on: heavy fences, and sections.
fn abilities() -> (bool, bool) {
    let query = 0;
    // SAFETY: the call only tells which commands there are.
    let has_fences = unsafe { libc::syscall(libc::SYS_membarrier, query, 0, 0) } > 0;
    // SAFETY: the name ends with a zero; where there is such a symbol, it is the C library's.
    let size = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_size".as_ptr()).cast::<u32>() };
    // SAFETY: as above.
    let has_sections = has_fences && !size.is_null() && unsafe { *size } > 0;
    let has_any = !cfg!(overfall_portable);
    (has_any && has_fences, has_any && has_sections)
}

#[test]
fn a_channel_that_relies_on_it_ends_the_process_and_says_what_to_do() {
    let (has_fences, has_sections) = abilities();
    let cases =
        [("new_writer", has_sections), ("drain", has_sections), ("sleeping_reader", has_fences)];
    for (case, relies_on_it) in cases {
        if !relies_on_it {
            goes_on(case);
            continue;
        }
        let output = run(case);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{case}: {said}");
        assert!(said.contains("membarrier(false)"), "{case}: {}: {said}", output.status);
    }
}
