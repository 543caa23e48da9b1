//! A terminal that is handed to a child. Each test starts this program anew, in a session of its own.

use crate::support::{gone, process, shell, until};
use overfall::process::{Capture, Child, Command, Input, Pipeline, ShutDown, SpawnError, Start};
use overfall_tests::block_on;
use rustix::process::{Pid, getpgrp};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::tcgetpgrp;
use std::env;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

const WORK: &str = "OVERFALL_TERMINAL_WORK";

#[test]
#[ignore = "it is what the other tests start, and does nothing by itself"]
fn work() {
    let Ok(work) = env::var(WORK) else { return };
    // This leads a session without a terminal, and the first one that it opens is its own.
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(&name).unwrap();
    let mut terminal = Terminal { keys: File::from(master), terminal };
    terminal.is_ours();
    match &*work {
        "read" => read(&mut terminal),
        "keys" => keys(&mut terminal),
        "failures" => failures(&mut terminal),
        "ends" => ends(&mut terminal),
        other => panic!("{other}"),
    }
    // It ends when its terminal goes.
    println!("done: {work}");
}

#[track_caller]
fn run(work: &str) {
    let mut command = std::process::Command::new("setsid");
    // What a shell starts in the background ignores these two, and so would all that it starts.
    command.args(["--wait", "env", "--default-signal=INT,QUIT"]).arg(env::current_exe().unwrap());
    command.args(["--exact", "terminal::work", "--ignored", "--nocapture", "--test-threads=1"]);
    let output = command.env(WORK, work).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("done: "), "{work}: {}: {text}{errors}", output.status);
}

struct Terminal {
    /// Its other side: where somebody types.
    keys: File,
    terminal: File,
}

impl Terminal {
    #[track_caller]
    fn is_ours(&self) {
        assert_eq!(tcgetpgrp(&self.terminal).unwrap(), getpgrp());
    }

    fn belongs_to(&self, child: &Child) -> bool {
        tcgetpgrp(&self.terminal).unwrap() == Pid::from_raw(child.id() as i32).unwrap()
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }
}

fn text(child: &Child) -> String {
    let mut text = String::new();
    let reader = child.stdout().unwrap().strong_reader(Start::Oldest).unwrap();
    reader.blocking().read_to_string(&mut text).unwrap();
    text
}

/// One that reads at once, and says what.
fn reads() -> Command {
    let mut command = shell("read line; echo \"got $line\"");
    command.stdin(Input::terminal());
    command
}

/// Situation 34.
#[test]
fn a_child_that_is_handed_the_terminal_reads_from_it_and_gives_it_back() {
    run("read");
}

fn read(terminal: &mut Terminal) {
    let mut command = reads();
    for round in 0..20 {
        terminal.types(&format!("{round}\n"));
        let child = command.spawn().unwrap();
        let outcome = block_on(child.wait());
        assert!(outcome.success(), "{outcome:?}");
        terminal.is_ours();
        assert_eq!(text(&child), format!("got {round}\n"));
    }
    // The same command without it takes nothing from anybody.
    let child = command.stdin(Input::null()).spawn().unwrap();
    assert_eq!(block_on(child.wait()).status.code(), Some(0));
    terminal.is_ours();
    // And with it once more, by a thread that stays.
    command.stdin(Input::terminal()).ends_with_us();
    terminal.types("bound\n");
    let child = command.spawn().unwrap();
    block_on(child.wait());
    assert_eq!(text(&child), "got bound\n");
    // What this program reads is its own again. In the background it would be stopped.
    terminal.types("for us\n");
    let mut line = String::new();
    BufReader::new(&terminal.terminal).read_line(&mut line).unwrap();
    assert_eq!(line, "for us\n");
    // In a pipeline the first command may have it.
    terminal.types("through a pipe\n");
    let running = Pipeline::new(reads()).pipe(Command::new("cat")).spawn().unwrap();
    assert!(block_on(running.wait()).success());
    assert_eq!(text(&running.children()[1]), "got through a pipe\n");
    terminal.is_ours();
}

#[test]
fn what_is_typed_goes_to_the_child_and_not_to_us() {
    run("keys");
}

fn keys(terminal: &mut Terminal) {
    // Ctrl-C ends the child, and not this program.
    let child = shell("echo ready; read line").stdin(Input::terminal()).spawn().unwrap();
    until("it is ready", || child.stdout().unwrap().stats().payload_bytes == 6);
    assert!(terminal.belongs_to(&child));
    terminal.types("\x03");
    assert_eq!(block_on(child.wait()).status.signal(), Some(2));
    terminal.is_ours();
    // Ctrl-Z stops nobody for good.
    let child = shell("echo ready; read line; echo \"got $line\"").stdin(Input::terminal()).spawn();
    let child = child.unwrap();
    until("it is ready", || child.stdout().unwrap().stats().payload_bytes == 6);
    terminal.types("\x1a");
    terminal.types("line\n");
    assert!(block_on(child.wait()).success());
    assert_eq!(text(&child), "ready\ngot line\n");
    // One that hands it to a group of its own, and ends.
    let mut command = Command::new("sh");
    command.args(["-mc", "sleep 0.05"]).stdin(Input::terminal()).stderr(Capture::null());
    assert!(block_on(command.spawn().unwrap().wait()).success());
    terminal.is_ours();
}

#[test]
fn a_terminal_that_cannot_be_handed_on_is_refused_and_one_of_a_failed_start_is_ours_again() {
    run("failures");
}

fn failures(terminal: &mut Terminal) {
    let program = Command::new("no-such-program").stdin(Input::terminal()).spawn();
    assert!(matches!(program, Err(SpawnError::Program { .. })));
    terminal.is_ours();
    let mut script = tempfile::NamedTempFile::new().unwrap();
    script.write_all(b"#!/not/there\n").unwrap();
    let script = script.into_temp_path();
    make_executable(&script);
    let error = Command::new(&*script).stdin(Input::terminal()).spawn().unwrap_err();
    assert!(matches!(error, SpawnError::Interpreter { .. }), "{error}");
    terminal.is_ours();
    // One has it already.
    let child = shell("exec sleep 60").stdin(Input::terminal()).spawn().unwrap();
    let error = reads().spawn().unwrap_err();
    assert!(error.to_string().contains("not in the foreground"), "{error}");
    assert!(terminal.belongs_to(&child));
    block_on(child.kill());
    terminal.is_ours();
    // As it is, it would be stopped, and is refused as ever.
    let inherited = File::open("/dev/tty").unwrap();
    let error = shell("read line").stdin(Input::file(inherited)).spawn().unwrap_err();
    assert!(matches!(error, SpawnError::Terminal), "{error}");
    assert!(error.to_string().contains("Input::terminal()"), "{error}");
}

fn make_executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn however_the_child_ends_the_terminal_is_ours_again() {
    run("ends");
}

fn ends(terminal: &mut Terminal) {
    let start = || {
        let script = "trap '' TERM; echo ready; sleep 60 & wait; sleep 60";
        let child = shell(script).stdin(Input::terminal()).spawn().unwrap();
        until("it is ready", || child.stdout().unwrap().stats().payload_bytes == 6);
        assert!(terminal.belongs_to(&child));
        child
    };
    block_on(start().kill());
    terminal.is_ours();
    block_on(start().shut_down(&ShutDown::terminate(Duration::from_millis(10))));
    terminal.is_ours();
    let child = start();
    let id = child.id();
    drop(child);
    gone(id);
    terminal.is_ours();
    // Told by `status`, which may be asked on any thread.
    let child = start();
    let id = Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    until("it has ended", || child.status().is_some());
    terminal.is_ours();
    drop(child);
    // Let go of, it has it until it ends.
    let child = start();
    let id = child.id();
    child.detach();
    assert_eq!(process(id).unwrap().group, id);
    let group = Pid::from_raw(id as i32).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    gone(id);
    until("it is ours again", || tcgetpgrp(&terminal.terminal).unwrap() == getpgrp());
}
