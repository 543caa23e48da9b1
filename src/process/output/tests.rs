//! Outputs of pipes, without a child of ours at the other end.

use super::*;
use crate::error::TryReadError;
use futures::executor::block_on;
use rustix::pipe::PipeFlags;
use std::fs::File;
use std::io::{Read, Write};
use std::task::{Wake, Waker};

fn pipe() -> (OwnedFd, File) {
    let (from, to) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap();
    (from, to.into())
}

fn drained(capacity: usize) -> (File, Output) {
    let (from, to) = pipe();
    (to, Output::drain(from, &Ring::new(capacity), "test").unwrap())
}

const LONG: Duration = Duration::MAX;

#[test]
fn what_was_written_before_the_first_consumer_is_kept() {
    let (mut child, output) = drained(4096);
    child.write_all(b"early").unwrap();
    drop(child);
    assert!(block_on(output.ended(LONG, LONG)));
    let mut all = String::new();
    output.strong_reader().blocking().read_to_string(&mut all).unwrap();
    assert_eq!(all, "early");
}

#[test]
fn without_a_consumer_the_child_never_blocks() {
    let (mut child, output) = drained(4096);
    child.write_all(&vec![b'x'; 1 << 20]).unwrap();
    drop(child);
    assert!(block_on(output.ended(LONG, LONG)));
}

#[test]
fn the_child_waits_for_a_strong_consumer_until_its_hold_is_taken() {
    let (mut child, output) = drained(4096);
    let stuck = output.strong_reader();
    stuck.set_name("stuck");
    let writing = std::thread::spawn(move || child.write_all(&vec![b'x'; 1 << 20]));
    assert!(!block_on(output.ended(Duration::from_millis(50), LONG)));
    assert!(!writing.is_finished());
    assert_eq!(output.take_holds(), ["stuck".into()]);
    assert!(block_on(output.ended(LONG, LONG)));
    writing.join().unwrap().unwrap();
    assert!(matches!(stuck.into_weak().try_recv(), Err(TryReadError::Lagged(_))));
}

#[test]
fn an_output_that_somebody_holds_open_is_looked_at_once_when_there_is_no_time() {
    let (mut child, output) = drained(4096);
    let mut reader = output.strong_reader();
    child.write_all(b"last words").unwrap();
    assert!(!block_on(output.ended(Duration::ZERO, Duration::ZERO)));
    assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"last words");
    drop(child);
    assert!(block_on(output.ended(Duration::ZERO, Duration::ZERO)));
}

#[test]
fn messages_of_a_merged_output_tell_which_pipe_they_came_through() {
    let ((stdout, mut out), (stderr, mut err)) = (pipe(), pipe());
    let output = Output::drain_merged(stdout, stderr, &Ring::default(), "test").unwrap();
    let mut reader = output.strong_reader().blocking();
    for (pipe, name, text) in [(&mut out, "stdout", "a"), (&mut err, "stderr", "b")] {
        pipe.write_all(text.as_bytes()).unwrap();
        let message = reader.recv().unwrap().unwrap();
        assert_eq!(*message, *text.as_bytes());
        let writer = message.header().writer;
        assert_eq!(output.channel.writer_name(writer).as_deref(), Some(name));
    }
    drop(out);
    assert!(!block_on(output.ended(Duration::ZERO, Duration::ZERO)));
    err.write_all(b"c").unwrap();
    drop(err);
    assert_eq!(*reader.recv().unwrap().unwrap(), *b"c");
    assert!(reader.recv().unwrap().is_none());
}

struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("the waker of a consumer");
    }
}

#[test]
fn a_waker_that_panics_does_not_end_the_draining() {
    let (mut child, output) = drained(4096);
    let mut reader = output.strong_reader();
    let waker = Waker::from(Arc::new(Panicking));
    let mut context = std::task::Context::from_waker(&waker);
    for text in ["one", "two"] {
        {
            let mut receive = std::pin::pin!(reader.recv());
            assert!(receive.as_mut().poll(&mut context).is_pending());
            child.write_all(text.as_bytes()).unwrap();
            block_on(output.ended(Duration::ZERO, Duration::ZERO));
        }
        assert_eq!(*reader.try_recv().unwrap().unwrap(), *text.as_bytes());
    }
    drop(child);
    assert!(block_on(output.ended(LONG, LONG)));
}
