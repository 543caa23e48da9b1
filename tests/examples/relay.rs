//! The example `relay`, from the outside, with clients over TCP.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test relay` alone does not, and
//! needs a `cargo build --example relay` before.
#![cfg(not(miri))]

use overfall_tests::{LIMIT, within};
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
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _unless_it_has_ended = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut example = std::env::current_exe().unwrap();
    example.pop();
    example.set_file_name("examples");
    example.push(format!("relay{}", std::env::consts::EXE_SUFFIX));
    assert!(
        example.exists(),
        "there is no {}: run `cargo build --example relay` first, with the same profile",
        example.display()
    );
    let mut command = Command::new(example);
    command.args(arguments).stderr(Stdio::piped()).stdout(Stdio::null());
    command
}

impl Relay {
    fn start(arguments: &[&str]) -> (Self, ChildStdin) {
        let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
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
        let mut relay = Self { child, address: String::new(), said };
        relay.address = relay.hears("listening on ");
        (relay, stdin)
    }

    /// Waits for a line with these words, and tells what comes behind them.
    fn hears(&self, words: &str) -> String {
        loop {
            let line = self.said.recv_timeout(LIMIT).expect("it has said so");
            if let Some((_, rest)) = line.split_once(words) {
                return rest.into();
            }
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
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
fn a_file_that_is_not_there_is_named() {
    let output = command(&["no-such-file"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("relay: no-such-file: "), "{said}");
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
