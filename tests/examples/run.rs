//! The example `run`, from the outside: what it shows and writes, how it ends, and what it says about it.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test run` alone does not, and needs a
//! `cargo build --features process --example run` before.
#![cfg(all(target_os = "linux", not(miri)))]

use overfall_tests::example;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Whatever takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// A directory for the files of one test.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = example("run");
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command.stdout(File::create(self.path("stdout")).unwrap());
        command.stderr(File::create(self.path("stderr")).unwrap());
        command
    }

    /// Starts the example in this directory.
    fn start(&self, arguments: &[&str]) -> Running<'_> {
        Running { files: self, child: self.command(arguments).spawn().unwrap() }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).finish()
    }

    /// Polls until the file contains `text`.
    #[track_caller]
    fn await_text(&self, name: &str, text: &str) {
        let started = Instant::now();
        while !self.text(name).contains(text) {
            assert!(started.elapsed() < DEADLINE, "no {text:?} in {name}: {}", self.text(name));
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The example while it runs.
struct Running<'a> {
    files: &'a Files,
    child: Child,
}

impl Running<'_> {
    fn finish(mut self) -> Ended {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if started.elapsed() < DEADLINE => thread::sleep(Duration::from_millis(5)),
                None => panic!("it hangs, and said: {}", self.files.text("stderr")),
            }
        };
        let (stdout, stderr) = (self.files.text("stdout"), self.files.text("stderr"));
        Ended { status, stdout, stderr }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Running<'_> {
    /// Nothing is left behind by a test that fails. The example ends its command on SIGTERM.
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.signal("-TERM");
            self.signal("-TERM");
        }
        let _ = self.child.wait();
    }
}

/// How the example ended.
#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Ended {
    #[track_caller]
    fn expect(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.stderr);
        for text in said {
            assert!(self.stderr.contains(text), "not a word of {text:?}:\n{}", self.stderr);
        }
        self
    }
}

#[test]
fn both_outputs_come_out_where_they_belong_and_a_success_says_nothing_else() {
    let ended = Files::new().run(&["--", "sh", "-c", "echo out; echo err >&2; printf last"]);
    let ended = ended.expect(0, &[]);
    assert_eq!((&*ended.stdout, &*ended.stderr), ("out\nlast", "err\n"));
}

#[test]
fn lines_that_come_in_pieces_are_kept_whole() {
    let files = Files::new();
    let both = File::create(files.path("both")).unwrap();
    // The halves have arrived before the rest comes.
    let script = "arrived() { until grep -q $1 log; do sleep 0.01; done; }
        printf out; arrived out; printf err >&2; arrived err; echo put; echo or >&2";
    let mut command = files.command(&["--log", "log", "--", "sh", "-c", script]);
    command.stdout(both.try_clone().unwrap()).stderr(both);
    let child = command.spawn().unwrap();
    Running { files: &files, child }.finish().expect(0, &[]);
    let both = files.text("both");
    assert_eq!(both.lines().count(), 2);
    assert_eq!(both.lines().collect::<BTreeSet<_>>(), BTreeSet::from(["error", "output"]));
}

#[test]
fn a_failure_shows_the_last_lines_and_passes_on_the_status() {
    let script = "for n in $(seq 100); do echo line $n; done; echo alas >&2; exit 3";
    let ended = Files::new().run(&["--tail", "3", "--", "sh", "-c", script]);
    let said = "run: sh has failed: exit status: 3\nrun: the last 3 of its 101 lines:\n";
    let ended = ended.expect(3, &[said]);
    let tail: BTreeSet<_> = ended.stderr.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(tail.len() == 3 && tail.contains("| alas"), "{tail:?}");
    assert_eq!(ended.stdout.lines().count(), 100);
}

#[test]
fn a_command_that_a_signal_ended_has_the_status_of_a_shell() {
    let ended = Files::new().run(&["sh", "-c", "kill -9 $$"]);
    ended.expect(137, &["run: sh has failed: signal: 9"]);
}

#[test]
fn what_cannot_be_started_is_told_as_shells_do() {
    let files = Files::new();
    files.run(&["no-such-program"]).expect(127, &["run: the program `no-such-program`"]);
    fs::write(files.path("text"), "").unwrap();
    files.run(&["./text"]).expect(126, &["run: the program `./text` cannot be started"]);
    let ended = files.run(&["--log", "no/such/log", "true"]);
    ended.expect(1, &["run: no/such/log: No such file"]);
}

#[test]
fn the_log_has_every_byte_of_both_outputs() {
    let files = Files::new();
    let script = r"seq 300000; printf '\377\r\0'; seq 300001 400000 >&2";
    let ended = files.run(&["--log", "log", "--", "sh", "-c", script]).expect(0, &[]);
    let log = fs::read(files.path("log")).unwrap();
    let stdout = fs::read(files.path("stdout")).unwrap();
    // The two are merged as they are read, which may be in the middle of a line.
    let counts = |bytes: &[u8]| {
        let mut counts = [0; 256];
        bytes.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        counts
    };
    assert_eq!(log.len(), stdout.len() + ended.stderr.len());
    assert_eq!(counts(&log), counts(&[stdout, ended.stderr.into()].concat()));
}

#[test]
fn a_log_that_fails_is_told_and_the_rest_is_shown() {
    let ended = Files::new().run(&["--log", "/dev/full", "--", "seq", "300000"]);
    let ended = ended.expect(1, &["run: the log: No space left on device"]);
    assert_eq!(ended.stdout.lines().count(), 300_000);
}

#[test]
fn when_nobody_takes_what_is_shown_the_command_ends_by_sigpipe() {
    let files = Files::new();
    let mut child = files.command(&["yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "y");
    drop(lines);
    let ended = Running { files: &files, child }.finish().expect(141, &[]);
    assert_eq!(ended.stderr, "");
}

/// Whoever shares the output may have made it so.
#[test]
fn a_slow_reader_of_an_output_that_does_not_block_gets_all_of_it() {
    let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let flags = rustix::fs::fcntl_getfl(&to).unwrap() | rustix::fs::OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&to, flags).unwrap();
    let files = Files::new();
    let mut command = files.command(&["--", "seq", "1", "300000"]);
    let child = command.stdout(to.try_clone().unwrap()).spawn().unwrap();
    drop(command);
    let running = Running { files: &files, child };
    let mut from = File::from(from);
    let mut first = vec![0; 1000];
    from.read_exact(&mut first).unwrap();
    thread::sleep(Duration::from_millis(50));
    assert_eq!(rustix::fs::fcntl_getfl(&to).unwrap(), flags);
    drop(to);
    let read = from.read_to_end(&mut first).unwrap() + 1000;
    running.finish().expect(0, &[]);
    assert_eq!(read, 1_988_895);
}

#[test]
fn a_command_that_writes_for_ever_is_shut_down_in_time_and_all_of_it_was_shown() {
    let files = Files::new();
    let ended = files.run(&["--timeout", "100ms", "--log", "log", "--tail", "2", "yes"]);
    let ended = ended.expect(143, &["run: yes was shut down after ", "| y\n| y\n"]);
    assert!(!ended.stdout.is_empty() && ended.stdout == files.text("log"));
}

/// Far more than a shell needs to set its traps.
const TIMEOUT: &str = "3s";

#[test]
fn a_command_that_ignores_sigterm_is_killed_with_its_group() {
    let script = "trap '' TERM; sleep 1000 & echo $!; wait";
    let ended = Files::new().run(&["--timeout", TIMEOUT, "sh", "-c", script]);
    let ended = ended.expect(137, &["run: sh was killed after ", "run: sh has failed: signal: 9"]);
    let sleeper = format!("/proc/{}/cmdline", ended.stdout.trim());
    assert!(!fs::read_to_string(sleeper).is_ok_and(|line| line.contains("sleep")));
}

#[test]
fn a_command_that_ends_well_when_its_time_is_up_has_not_succeeded() {
    let script = "trap 'echo bye; exit 0' TERM; sleep 1000 & wait";
    let ended = Files::new().run(&["--timeout", TIMEOUT, "sh", "-c", script]);
    assert_eq!(ended.expect(124, &["run: sh was shut down after "]).stdout, "bye\n");
}

#[test]
fn a_line_that_matches_is_told_while_the_command_runs() {
    let files = Files::new();
    let script = "echo starting; echo listening on port 1234 >&2; exec sleep 1000";
    let running = files.start(&["--ready", r"port \d+", "--", "sh", "-c", script]);
    files.await_text("stderr", "run: ready after ");
    running.signal("-TERM");
    running.finish().expect(143, &["s: listening on port 1234\n"]);
}

#[test]
fn a_line_that_never_comes_is_told_when_the_command_has_ended() {
    let ended = Files::new().run(&["--ready", "listening", "echo", "no"]);
    ended.expect(0, &["run: never ready: no line of echo was the right one"]);
}

#[test]
fn ctrl_c_is_passed_on_once_and_then_kills() {
    let files = Files::new();
    let script = "trap 'echo caught' INT; echo ready; while :; do sleep 0.01; done";
    let running = files.start(&["sh", "-c", script]);
    files.await_text("stdout", "ready");
    running.signal("-INT");
    files.await_text("stdout", "caught");
    running.signal("-INT");
    let said = ["run: passed on Interrupt", "run: sh was killed after "];
    assert_eq!(running.finish().expect(137, &said).stdout, "ready\ncaught\n");
}

#[test]
fn sigterm_is_passed_on_as_such() {
    let files = Files::new();
    let script = "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done";
    let running = files.start(&["sh", "-c", script]);
    files.await_text("stdout", "ready");
    running.signal("-TERM");
    assert_eq!(running.finish().expect(5, &["run: passed on Terminate"]).stdout, "ready\nbye\n");
}

#[test]
fn the_errors_of_a_compiler_are_shown_whole_and_so_is_its_status() {
    let files = Files::new();
    fs::write(files.path("broken.rs"), "fn main() { let x: u32 = \"text\"; }\n").unwrap();
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_string());
    let ended = files.run(&["--log", "log", "--", &rustc, "broken.rs"]);
    let ended = ended
        .expect(1, &["error[E0308]: mismatched types\n", "| error[E0308]: mismatched types\n"]);
    assert!(ended.stderr.starts_with(&files.text("log")), "{}", ended.stderr);
}

#[test]
fn a_command_reads_nothing() {
    assert_eq!(Files::new().run(&["cat"]).expect(0, &[]).stdout, "");
}

#[test]
fn a_process_that_left_and_keeps_the_outputs_open_is_not_waited_for_and_told() {
    let script = "setsid sh -c 'echo $$; exec sleep 1000' & exit 0";
    let ended = Files::new().run(&["sh", "-c", script]);
    let ended = ended.expect(0, &["run: sh has ended, and its outputs were still open in "]);
    let pid = ended.stdout.trim();
    assert!(ended.stderr.contains(&format!("{pid} (sleep)")), "{}", ended.stderr);
    assert!(Command::new("kill").args(["-9", pid]).status().unwrap().success());
}
