//! The example `tee`, from the outside: what it moves, how it ends, and what it says about it.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test tee` alone does not, and
//! needs a `cargo build --example tee` before.
#![cfg(not(miri))]

use overfall_tests::example;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
#[cfg(unix)]
use std::sync::mpsc;
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

    fn with(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    #[cfg(unix)]
    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    /// Starts the example, with arguments that are separated by blanks, in this directory. `-` reads
    /// from the file `stdin`.
    fn start(&self, arguments: &str) -> Running {
        let (stdout, stderr) = (self.path("stdout"), self.path("stderr"));
        let mut command = example("tee");
        command.args(arguments.split_whitespace()).current_dir(self.0.path());
        command.stdin(File::open(self.path("stdin")).map_or(Stdio::null(), Stdio::from));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running { child: command.spawn().unwrap(), stdout, stderr }
    }

    /// Runs the example to its end.
    fn run(&self, arguments: &str) -> Ended {
        self.start(arguments).finish()
    }
}

/// The example, while it runs.
struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    fn finish(mut self) -> Ended {
        let started = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if started.elapsed() < DEADLINE => thread::sleep(Duration::from_millis(5)),
                None => panic!("it hangs, and said: {:?}", fs::read_to_string(&self.stderr)),
            }
        };
        let stdout = fs::read(&self.stdout).unwrap();
        Ended { status, stdout, stderr: fs::read_to_string(&self.stderr).unwrap() }
    }

    #[cfg(unix)]
    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }
}

impl Drop for Running {
    /// Nothing is left behind by a test that fails.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the example ended.
#[derive(Debug)]
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
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

/// Polls until `path` contains `text`.
#[cfg(unix)]
#[track_caller]
fn await_text(path: &Path, text: &str) {
    let started = Instant::now();
    while !fs::read_to_string(path).is_ok_and(|found| found.contains(text)) {
        assert!(started.elapsed() < DEADLINE, "no {text:?} in {}", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}

/// Does what waits for the other side of a FIFO, which may never come if something is wrong.
#[cfg(unix)]
#[track_caller]
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(DEADLINE).expect("nobody came to the FIFO")
}

/// Bytes that do not repeat, newlines among them.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Numbered lines of different lengths, each of which starts with `name`.
fn lines(name: &str, count: usize) -> String {
    (0..count).map(|n| format!("{name} {n} {}\n", "x".repeat(n * 37 % 200))).collect()
}

fn crc(bytes: &[u8]) -> String {
    format!("crc32 {:08x}", crc32fast::hash(bytes))
}

#[track_caller]
fn assert_same(path: &Path, bytes: &[u8]) {
    let found = fs::read(path).unwrap();
    assert!(found == bytes, "{}: {} bytes of {}", path.display(), found.len(), bytes.len());
}

#[test]
fn a_large_file_comes_out_of_each_output_as_it_went_in() {
    let (files, bytes) = (Files::new(), noise(8_000_000));
    files.with("in", &bytes);
    let ended = files.run("in --output one -o two -o -");
    assert!(ended.stdout == bytes);
    ended.expect(0, &[&crc(&bytes), "8000000 bytes", "one", "two", "The checksums agree."]);
    assert_same(&files.path("one"), &bytes);
    assert_same(&files.path("two"), &bytes);
}

#[test]
fn one_input_comes_through_unchanged_however_small_the_ring() {
    let files = Files::new();
    for bytes in [&b""[..], b"no newline", &[b'x'; 10_000], &noise(50_000)] {
        files.with("in", bytes);
        files.run("in -o out --size 64").expect(0, &[&crc(bytes)]);
        assert_same(&files.path("out"), bytes);
    }
}

#[test]
fn standard_input_and_output_are_what_is_not_said() {
    let (files, bytes) = (Files::new(), noise(300_000));
    files.with("stdin", &bytes);
    files.run("-o out").expect(0, &[]);
    assert_same(&files.path("out"), &bytes);
    let ended = files.run("out").expect(0, &[]);
    assert!(ended.stdout == bytes);
}

#[test]
fn lines_of_several_inputs_stay_whole_and_in_order() {
    let files = Files::new();
    let texts = ["a", "b", "c"].map(|name| lines(name, 5000));
    files.with("a", texts[0].as_bytes());
    files.with("b", texts[1].as_bytes());
    // The last newline is missing, and must be made up for.
    files.with("stdin", texts[2].trim_end().as_bytes());
    files.run("a b - -o one -o two --size 4K").expect(0, &["The checksums agree."]);

    let out = fs::read_to_string(files.path("one")).unwrap();
    assert_same(&files.path("two"), out.as_bytes());
    for text in &texts {
        let of_input = |line: &&str| line.starts_with(&text[..2]);
        assert!(out.split_inclusive('\n').filter(of_input).eq(text.split_inclusive('\n')));
    }
    assert_eq!(out.lines().count(), 15_000);
}

#[test]
fn a_line_that_does_not_fit_ends_its_input_and_no_other() {
    let files = Files::new();
    let text = lines("fits", 1000);
    files.with("fits", text.as_bytes());
    files.with("long", format!("short\n{}\n", "x".repeat(2000)).as_bytes());
    files.run("fits long -o out --size 1K").expect(1, &["long: a line is longer than 1024 bytes"]);
    let out = fs::read_to_string(files.path("out")).unwrap();
    let (short, rest): (Vec<_>, Vec<_>) =
        out.split_inclusive('\n').partition(|&line| line == "short\n");
    assert_eq!(short.len(), 1);
    assert_eq!(rest.concat(), text);
}

#[test]
fn a_missing_input_is_named_and_no_output_is_touched() {
    let files = Files::new();
    files.with("in", b"bytes");
    files.with("out", b"before");
    files.run("in nowhere -o out").expect(1, &["nowhere: "]);
    assert_same(&files.path("out"), b"before");
}

#[cfg(unix)]
#[test]
fn an_input_that_fails_is_named_and_the_others_go_on() {
    let files = Files::new();
    files.with("in", b"line\n");
    fs::create_dir(files.path("directory")).unwrap();
    files.run("directory in -o out").expect(1, &["directory: ", &crc(b"line\n")]);
    assert_same(&files.path("out"), b"line\n");
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let files = Files::new();
    files.with("in", b"bytes");
    files.run("in -o nowhere/out").expect(1, &["nowhere/out: "]);
    files.run("in -o in").expect(1, &["in: is given twice"]);
    assert_same(&files.path("in"), b"bytes");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_named_and_the_others_go_on() {
    let (files, bytes) = (Files::new(), noise(3_000_000));
    files.with("in", &bytes);
    files.run("in -o /dev/full -o out").expect(1, &["/dev/full: ", "cut short", &crc(&bytes)]);
    assert_same(&files.path("out"), &bytes);
}

#[cfg(unix)]
#[test]
fn a_fifo_comes_through() {
    let (files, bytes) = (Files::new(), noise(3_000_000));
    let (input, output) = (files.fifo("in"), files.fifo("out"));
    let running = files.start("in -o copy -o out");
    let written = bytes.clone();
    thread::spawn(move || fs::write(input, written).unwrap());
    assert!(in_time(|| fs::read(output).unwrap()) == bytes);
    running.finish().expect(0, &[&crc(&bytes), "The checksums agree."]);
    assert_same(&files.path("copy"), &bytes);
}

#[cfg(unix)]
#[test]
fn a_broken_pipe_ends_its_output_alone() {
    use std::io::Read;

    let (files, bytes) = (Files::new(), noise(3_000_000));
    files.with("in", &bytes);
    let fifo = files.fifo("fifo");
    let running = files.start("in -o fifo -o out");
    in_time(|| File::open(fifo).unwrap().read_exact(&mut [0; 10]).unwrap());
    running.finish().expect(0, &["fifo: Broken pipe", "cut short", &crc(&bytes)]);
    assert_same(&files.path("out"), &bytes);
}

#[cfg(unix)]
#[test]
fn an_interrupt_drains_and_waits_for_no_input() {
    use std::io::Write;

    let files = Files::new();
    let (first, second) = (files.fifo("first"), files.fifo("second"));
    let running = files.start("first second -o one -o two");
    // Both stay open, so that both inputs wait when the interrupt comes.
    let open = |fifo| in_time(|| File::options().write(true).open(fifo).unwrap());
    let mut writers = [first, second].map(open);
    for writer in &mut writers {
        writer.write_all(b"a line\n").unwrap();
    }
    await_text(&files.path("one"), "a line\na line\n");
    running.interrupt();
    running.finish().expect(0, &["no more input", &crc(b"a line\na line\n"), "agree"]);
    assert_same(&files.path("one"), b"a line\na line\n");
    assert_same(&files.path("two"), b"a line\na line\n");
}

#[cfg(unix)]
#[test]
fn a_second_interrupt_waits_for_no_output_either() {
    let files = Files::new();
    files.with("in", b"a line\n");
    // Nobody reads it, so it is not even opened.
    files.fifo("stuck");
    let running = files.start("in -o stuck -o out");
    await_text(&files.path("out"), "a line\n");
    running.interrupt();
    await_text(&files.path("stderr"), "no more input");
    running.interrupt();
    running.finish().expect(130, &["terminated"]);
}

#[test]
fn inputs_and_outputs_can_be_made_up() {
    let files = Files::new();
    let said = ["swift", "slow", "The checksums agree."];
    files.run("--generate 2M --size 16K").expect(0, &said);
    files.run("--generate 100000 -o out").expect(0, &[]);
    let out = fs::read_to_string(files.path("out")).unwrap();
    let of_input = |number| out.lines().filter(|line| line.starts_with(number)).count();
    let counts = ["input 1, ", "input 2, ", "input 3, "].map(of_input);
    assert!(counts[0] > 500 && counts == [counts[0]; 3], "{counts:?}");
    assert_eq!(out.lines().count(), 3 * counts[0]);
}

#[cfg(unix)]
#[test]
fn off_a_terminal_a_line_that_fits_80_columns_tells_now_and_then_how_it_goes() {
    use std::io::Write;

    let files = Files::new();
    let fifo = files.fifo("in");
    let running = files.start("in -o out --output one_more_output");
    // Until it is closed, there is something to tell.
    let mut input = in_time(|| File::options().write(true).open(fifo).unwrap());
    input.write_all(&noise(100_000)).unwrap();
    await_text(&running.stderr, "98K; tap missed 0; behind: out 0, one_more_output 0\n");
    drop(input);
    let said = running.finish().expect(0, &[]).stderr;
    for line in said.lines().filter(|line| line.contains("behind: ")) {
        // Two columns go to the spinner of the live line.
        assert!(line.len() <= 78, "{} columns: {line}", line.len());
    }
}

#[test]
fn a_size_that_cannot_be_is_an_error() {
    let files = Files::new();
    files.run("--size 0").expect(2, &["--size 0: ", "at least one byte"]);
    let too_large = if cfg!(target_pointer_width = "32") { "3G" } else { "100000G" };
    files.run(&format!("--size {too_large}")).expect(2, &["larger than the largest"]);
    files.run("--size much").expect(2, &["'much'", "not a number of bytes"]);
}

#[test]
fn help_mentions_every_option_and_how_it_ends() {
    let ended = Files::new().run("--help").expect(0, &[]);
    let help = String::from_utf8(ended.stdout).unwrap();
    for text in
        ["[FILE]...", "--output", "--size", "--generate", "--plain", "Ctrl-C", "Exit status"]
    {
        assert!(help.contains(text), "not a word of {text}:\n{help}");
    }
}
