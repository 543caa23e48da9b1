//! The example `relay`, from the outside, with clients over TCP.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test relay` alone does not, and
//! needs a `cargo build --example relay` before.
#![cfg(not(miri))]

use overfall_tests::{LIMIT, example, within};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};

/// A relay that runs, its port, and what it says.
struct Relay {
    child: Child,
    address: String,
    said: Receiver<String>,
    /// Lines that nobody has asked for yet: clients may end in any order, and before they are read.
    others: RefCell<Vec<String>>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _unless_it_has_ended = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = example("relay");
    command.args(arguments).stderr(Stdio::piped()).stdout(Stdio::null());
    command
}

impl Relay {
    fn start(arguments: &[&str]) -> (Self, ChildStdin) {
        Self::spawn(&mut command(arguments))
    }

    fn spawn(command: &mut Command) -> (Self, ChildStdin) {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (say, said) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if say.send(line).is_err() {
                    break;
                }
            }
        });
        let mut relay = Self { child, address: String::new(), said, others: RefCell::default() };
        relay.address = relay.hears("listening on ");
        (relay, stdin)
    }

    /// Waits for a line with these words, and tells what comes behind them.
    fn hears(&self, words: &str) -> String {
        let mut others = self.others.borrow_mut();
        let mut next =
            others.iter().position(|line| line.contains(words)).map(|at| others.remove(at));
        loop {
            let line = next
                .take()
                .unwrap_or_else(|| self.said.recv_timeout(LIMIT).expect("it has said so"));
            if let Some((_, rest)) = line.split_once(words) {
                return rest.into();
            }
            others.push(line);
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// Reads all that `client` can still get, and what the relay says that it has missed.
    fn drain(&self, mut client: TcpStream) -> (Vec<u8>, u64) {
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        let said = self.hears(&format!("{} has got ", client.local_addr().unwrap()));
        let (got, missed) = said.split_once(" bytes").unwrap();
        assert_eq!(got, all.len().to_string());
        (all, missed.strip_prefix(" and missed ").map_or(0, |missed| missed.parse().unwrap()))
    }

    /// A client that reads to the end.
    fn client(&self) -> JoinHandle<Vec<u8>> {
        let mut stream = self.connect();
        thread::spawn(move || {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            all
        })
    }
}

fn join<T: Send + 'static>(thread: JoinHandle<T>) -> T {
    within(LIMIT, move || thread.join().unwrap())
}

/// Lines that tell their number.
fn lines(numbers: std::ops::Range<u32>) -> Vec<u8> {
    numbers.flat_map(|number| format!("line {number}\n").into_bytes()).collect()
}

#[test]
fn a_client_gets_each_byte_while_it_arrives() {
    let (relay, mut stdin) = Relay::start(&[]);
    let mut client = relay.connect();
    for text in ["a prompt without an end: ", "yes\n", "done"] {
        stdin.write_all(text.as_bytes()).unwrap();
        let mut got = vec![0; text.len()];
        client.read_exact(&mut got).unwrap();
        assert_eq!(got, text.as_bytes());
    }
    drop(stdin);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn clients_that_come_before_during_and_after_get_the_same() {
    let (relay, mut stdin) = Relay::start(&[]);
    let mut clients: Vec<_> = (0..5).map(|_| relay.client()).collect();
    stdin.write_all(&lines(0..50_000)).unwrap();
    clients.extend((0..5).map(|_| relay.client()));
    stdin.write_all(&lines(50_000..100_000)).unwrap();
    drop(stdin);
    relay.hears("the input has ended");
    clients.extend((0..5).map(|_| relay.client()));
    let all = lines(0..100_000);
    for client in clients {
        assert!(join(client) == all);
    }
}

#[test]
fn a_file_is_served() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&lines(0..100_000)).unwrap();
    let (relay, _stdin) = Relay::start(&[file.path().to_str().unwrap()]);
    assert!(join(relay.client()) == lines(0..100_000));
}

#[test]
fn a_client_that_stands_still_or_goes_holds_up_nobody() {
    let (relay, mut stdin) = Relay::start(&[]);
    let still = relay.connect();
    drop(relay.connect());
    let client = relay.client();
    // More than sockets keep.
    let all = lines(0..1_000_000);
    let writing = {
        let all = all.clone();
        thread::spawn(move || stdin.write_all(&all).unwrap())
    };
    join(writing);
    assert!(join(client) == all);
    drop(still);
}

#[test]
fn a_temporary_file_serves_the_same_and_is_left_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = command(&["--file"]);
    // Where Unix and Windows look for the directory.
    command.env("TMPDIR", directory.path()).env("TMP", directory.path());
    let (relay, mut stdin) = Relay::spawn(&mut command);
    let early = relay.client();
    let all = lines(0..300_000);
    let (first, second) = all.split_at(all.len() / 3);
    stdin.write_all(first).unwrap();
    let amid = relay.client();
    stdin.write_all(second).unwrap();
    drop(stdin);
    relay.hears("the input has ended");
    for client in [early, amid, relay.client()] {
        assert!(join(client) == all);
    }
    #[cfg(target_os = "linux")]
    {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", relay.child.id())).unwrap();
        let of_the_file: Vec<_> = descriptors
            .filter_map(|descriptor| std::fs::metadata(descriptor.unwrap().path()).ok())
            .filter(|metadata| metadata.len() == all.len() as u64)
            .collect();
        assert_eq!(of_the_file.len(), 1, "one file has all bytes");
    }
    // It is killed, and can clean up nothing.
    drop(relay);
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn who_comes_after_what_was_let_go_of_is_told_to_have_missed_it() {
    let (relay, mut stdin) = Relay::start(&["--last", "64K"]);
    let all = lines(0..300_000);
    stdin.write_all(&all).unwrap();
    drop(stdin);
    relay.hears("the input has ended");
    for _ in 0..2 {
        let (got, missed) = relay.drain(relay.connect());
        assert!(got.len() >= 64 << 10, "{} bytes are kept", got.len());
        assert!(got.len() < 128 << 10, "{} bytes are kept", got.len());
        assert!(all.ends_with(&got));
        assert_eq!(got.len() as u64 + missed, all.len() as u64);
    }
}

#[test]
fn who_is_too_slow_for_what_is_kept_misses_some_and_holds_up_nobody() {
    let (relay, mut stdin) = Relay::start(&["--last", "64K"]);
    let slow = relay.connect();
    let mut also_slow = relay.connect();
    // Both are attended to from here on.
    let begin = b"the first words of all\n";
    stdin.write_all(begin).unwrap();
    let mut got = vec![0; begin.len()];
    for client in [&slow, &also_slow] {
        while client.peek(&mut got).unwrap() < begin.len() {}
        assert_eq!(got, begin);
    }
    also_slow.read_exact(&mut got).unwrap();
    // More than sockets keep.
    let rest = lines(0..3_000_000);
    let all = [begin, &rest[..]].concat();
    join(thread::spawn(move || stdin.write_all(&rest).unwrap()));
    relay.hears(&format!("the input has ended, {} bytes", all.len()));

    let (got, missed) = relay.drain(slow);
    assert!(missed > 0, "it has got all {} bytes", got.len());
    assert_eq!(got.len() as u64 + missed, all.len() as u64);
    assert!(got.starts_with(begin) && all.ends_with(&got[got.len() - (32 << 10)..]));

    // Another one that has gone in the middle is told of, too.
    let address = also_slow.local_addr().unwrap();
    drop(also_slow);
    relay.hears(&format!("{address} has got "));
}

#[test]
fn who_keeps_up_with_what_is_kept_misses_nothing() {
    let (relay, mut stdin) = Relay::start(&["--last", "4096"]);
    let mut client = relay.connect();
    let all = lines(0..10_000);
    // Never more on the way than is kept.
    let mut got = vec![0; 2000];
    for piece in all.chunks(got.len()) {
        stdin.write_all(piece).unwrap();
        client.read_exact(&mut got[..piece.len()]).unwrap();
        assert!(got.starts_with(piece));
    }
    drop(stdin);
    assert_eq!(client.read(&mut got).unwrap(), 0);
    let rest = relay.hears(&format!("{} has got ", client.local_addr().unwrap()));
    assert_eq!(rest, format!("{} bytes", all.len()));
}

/// What a relay says that does not run, and its exit status.
fn refused(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    // One that runs all the same is stopped with the test.
    let (address, said, others) = (String::new(), channel().1, RefCell::default());
    let mut relay = Relay { child, address, said, others };
    let said = join(thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        said
    }));
    (relay.child.wait().unwrap().code(), said)
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (code, said) = refused(&mut command(&["no-such-file"]));
    assert_eq!(code, Some(1));
    assert!(said.starts_with("relay: no-such-file: "), "{said}");
}

#[test]
fn a_temporary_file_that_cannot_be_made_is_told() {
    let nowhere = "no-such-directory";
    let (code, said) = refused(command(&["--file"]).env("TMPDIR", nowhere).env("TMP", nowhere));
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("relay: cannot make a temporary file in no-such-directory: "),
        "{said}"
    );
}

#[test]
fn wrong_arguments_are_refused_with_what_to_do() {
    for (arguments, to_do) in [
        (&["--last", "0"][..], "--last: the last 0 bytes are nothing: retain at least 1"),
        (
            &["--last", "much"],
            "'much' for '--last <BYTES>': not a number of bytes: say, for example, 4096",
        ),
        (&["--last", "20000000000G"], "more than there can be"),
        (&["--last", "10000000G"], "retain less"),
        (&["--last"], "a value is required for '--last <BYTES>'"),
        (&["--port", "70000"], "70000 is not in 0..=65535"),
        (&["one", "two"], "unexpected argument 'two'"),
    ] {
        let (code, said) = refused(&mut command(arguments));
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(to_do), "{arguments:?}: {said}");
    }
}

#[test]
fn an_input_that_cannot_be_read_is_told() {
    // A directory can be opened, and not read.
    let directory = tempfile::tempdir().unwrap();
    if !cfg!(unix) {
        return;
    }
    let (relay, _stdin) = Relay::start(&[directory.path().to_str().unwrap()]);
    relay.hears("the source failed: ");
    assert_eq!(join(relay.client()), b"");
}
