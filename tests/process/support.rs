//! What the tests of children share.

use overfall::process::{Child, Command, Input};
use overfall_tests::LIMIT;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A shell that runs this script. What it starts counts its time to drain in tenths of a second.
pub(crate) fn shell(script: &str) -> Command {
    nobody_is_left_at_the_end();
    let mut command = Command::new("sh");
    command.args(["-c", script]).drain(Duration::from_millis(300), Duration::from_secs(2));
    command
}

/// The same, which begins when [`begin`] says so, or its stdin is closed: a child does not wait for consumers that
/// have not come yet, and what its ring cannot keep is gone.
pub(crate) fn shell_that_waits(script: &str) -> Command {
    let mut command = shell(&format!("read line; {script}"));
    command.stdin(Input::pipe());
    command
}

/// The consumers of this child are there.
pub(crate) fn begin(child: &Child) {
    drop(child.take_stdin().expect("nobody has taken it"));
}

/// A sink that stands still until it is let go.
pub(crate) struct Stuck(pub(crate) mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _let_go = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has this program fail at its end if a child of it is left then, be it a zombie: no test is to leave one. Programs
/// that tests start may.
#[allow(unsafe_code)]
fn nobody_is_left_at_the_end() {
    static ASKED: Once = Once::new();
    extern "C" fn look() {
        let begun = Instant::now();
        while !children().is_empty() {
            // What was dropped last is ended in the background.
            if begun.elapsed() > LIMIT / 6 {
                eprintln!("children are left: {:?}", children());
                // SAFETY: it ends this program.
                unsafe { libc::_exit(1) };
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
    ASKED.call_once(|| {
        if env::args().all(|argument| argument != "--ignored") {
            // SAFETY: it is called when the program exits, and needs nothing of any thread.
            unsafe { libc::atexit(look) };
        }
    });
}

/// The children of this process, zombies too.
pub(crate) fn children() -> Vec<Process> {
    processes().into_iter().filter(|process| process.parent == std::process::id()).collect()
}

/// What the system says of a process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) state: char,
    pub(crate) name: String,
}

pub(crate) fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

pub(crate) fn process(id: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let rest: Vec<_> = stat[end + 2..].split(' ').collect();
    Some(Process {
        id,
        parent: rest[1].parse().ok()?,
        group: rest[2].parse().ok()?,
        state: rest[0].chars().next()?,
        name: stat[start + 1..end].to_owned(),
    })
}

/// The members of a group, zombies too.
pub(crate) fn members(group: u32) -> Vec<Process> {
    processes().into_iter().filter(|process| process.group == group).collect()
}

/// Fails if a member of a child's group is left some time after this is dropped, be it a zombie.
#[derive(Debug)]
pub(crate) struct Guard(u32);

impl Guard {
    pub(crate) fn of(child: &Child) -> Self {
        Self(child.id())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            gone(self.0);
        }
    }
}

/// Waits until nobody is left of a group, no zombie either.
#[track_caller]
pub(crate) fn gone(group: u32) {
    until(&format!("nobody is left of the group {group}"), || members(group).is_empty());
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Lets others run until `condition` holds of other processes; fails if that takes longer than [`LIMIT`].
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "it hangs: never came to pass: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Threads that keep all processors busy.
#[derive(Debug)]
pub(crate) struct Busy {
    is_busy: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    pub(crate) fn with(threads: usize) -> Self {
        let is_busy = Arc::new(AtomicBool::new(true));
        let work = |is_busy: Arc<AtomicBool>| move || while is_busy.load(Ordering::Relaxed) {};
        let threads = (0..threads).map(|_| thread::spawn(work(is_busy.clone()))).collect();
        Self { is_busy, threads }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.is_busy.store(false, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}
