//! Outputs of pipes, without a child of ours at the other end.

use super::*;
use crate::channel::reader::Reader;
use crate::error::TryReadError;
use crate::process::system;
use futures::executor::block_on;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::task::{Wake, Waker};

fn pipe() -> (OwnedFd, File) {
    let (from, to) = system::pipe().unwrap();
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
    output.strong_reader(Start::Oldest).unwrap().blocking().read_to_string(&mut all).unwrap();
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
    let stuck = output.strong_reader(Start::Oldest).unwrap();
    stuck.set_name("stuck");
    let writing = std::thread::spawn(move || child.write_all(&vec![b'x'; 1 << 20]));
    assert!(!block_on(output.ended(LONG, Duration::from_millis(50))));
    assert!(!writing.is_finished());
    assert_eq!(output.take_holds(), ["stuck".into()]);
    assert!(block_on(output.ended(LONG, LONG)));
    writing.join().unwrap().unwrap();
    assert!(matches!(stuck.into_weak().try_recv(), Err(TryReadError::Lagged(_))));
}

#[test]
fn the_time_in_which_a_consumer_holds_the_output_up_is_not_quiet() {
    let (mut child, output) = drained(4096);
    let mut slow = output.strong_reader(Start::Oldest).unwrap().blocking();
    // More than the ring has room for, and less than the pipe.
    child.write_all(&[b'x'; 40_000]).unwrap();
    drop(child);
    let waited = output.clone();
    let waiting =
        std::thread::spawn(move || block_on(waited.ended(Duration::from_millis(10), LONG)));
    let mut all = Vec::new();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished(), "it was not the child that was quiet");
        let mut some = [0; 1000];
        slow.read_exact(&mut some).unwrap();
        all.extend(some);
    }
    slow.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 40_000);
    assert!(waiting.join().unwrap());
    // Zero looks once all the same.
    let (mut child, output) = drained(4096);
    let _stuck = output.strong_reader(Start::Oldest).unwrap();
    child.write_all(&[b'x'; 40_000]).unwrap();
    assert!(!block_on(output.ended(Duration::ZERO, LONG)));
}

#[test]
fn an_output_that_somebody_holds_open_is_looked_at_once_when_there_is_no_time() {
    let (mut child, output) = drained(4096);
    let mut reader = output.strong_reader(Start::Oldest).unwrap();
    child.write_all(b"last words").unwrap();
    assert!(!block_on(output.ended(Duration::ZERO, Duration::ZERO)));
    assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"last words");
    drop(child);
    assert!(block_on(output.ended(Duration::ZERO, Duration::ZERO)));
}

#[test]
fn who_waits_for_what_is_in_the_pipe_gets_it_when_there_is_room() {
    let (mut child, output) = drained(4096);
    let mut slow = output.strong_reader(Start::Oldest).unwrap().blocking();
    child.write_all(&[b'x'; 40_000]).unwrap();
    block_on(output.look(false));
    assert!(output.stats().payload_bytes < 40_000);
    let mut looking = std::pin::pin!(output.look(true));
    let mut context = std::task::Context::from_waker(Waker::noop());
    assert!(looking.as_mut().poll(&mut context).is_pending());
    slow.read_exact(&mut [0; 30_000]).unwrap();
    assert!(looking.as_mut().poll(&mut context).is_pending());
    slow.read_exact(&mut [0; 10_000]).unwrap();
    block_on(looking);
    assert_eq!(output.stats().payload_bytes, 40_000);
}

#[test]
fn messages_of_a_merged_output_tell_which_pipe_they_came_through() {
    let ((stdout, mut out), (stderr, mut err)) = (pipe(), pipe());
    let output = Output::drain_merged(stdout, stderr, &Ring::new(1 << 20), "test").unwrap();
    let mut reader = output.strong_reader(Start::Oldest).unwrap().blocking();
    for (pipe, name, text) in [(&mut out, "stdout", "a"), (&mut err, "stderr", "b")] {
        pipe.write_all(text.as_bytes()).unwrap();
        let message = reader.recv().unwrap().unwrap();
        assert_eq!(*message, *text.as_bytes());
        let writer = message.header().writer;
        assert_eq!(output.inner.channel.writer_name(writer).as_deref(), Some(name));
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
    let mut reader = output.strong_reader(Start::Oldest).unwrap();
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

#[test]
fn the_first_consumer_is_told_to_the_byte_what_was_gone() {
    let (mut child, output) = drained(4096);
    for _ in 0..100 {
        child.write_all(&[b'x'; 100]).unwrap();
        // Each is a message of its own.
        block_on(output.ended(Duration::ZERO, Duration::ZERO));
    }
    drop(child);
    assert!(block_on(output.ended(LONG, LONG)));
    let gone = output.gone();
    let strong = output.strong_reader(Start::Oldest).unwrap();
    let missed = strong.missed().bytes;
    assert_eq!(missed, gone);
    let mut kept = Vec::new();
    strong.blocking().read_to_end(&mut kept).unwrap();
    assert_eq!(kept.len() as u64 + missed, 10_000);

    let mut weak = output.weak_reader(Start::Oldest).unwrap();
    let Err(TryReadError::Lagged(lagged)) = weak.try_recv() else { panic!("no gap") };
    assert_eq!((lagged.bytes_at_least, weak.missed().bytes), (gone, gone));
    let mut kept = 0;
    while let Some(message) = weak.try_recv().unwrap() {
        kept += message.len() as u64;
    }
    assert_eq!(kept + gone, 10_000);
}

#[test]
fn a_consumer_that_comes_while_the_ring_goes_round_counts_to_the_byte() {
    const LENGTH: u64 = 4 << 20;
    let (mut child, output) = drained(16 << 10);
    let writing = std::thread::spawn(move || {
        let mut left = LENGTH;
        for length in (1..5000).step_by(7).cycle() {
            let length = left.min(length);
            child.write_all(&vec![b'x'; length as usize]).unwrap();
            left -= length;
            if left == 0 {
                break;
            }
        }
    });
    let mut readers = Vec::new();
    while !output.has_ended() && readers.len() < 20 {
        let reader = output.strong_reader(Start::Oldest).unwrap();
        readers.push(std::thread::spawn(move || {
            let missed = reader.missed().bytes;
            let mut all = Vec::new();
            reader.blocking().read_to_end(&mut all).unwrap();
            assert_eq!(missed + all.len() as u64, LENGTH);
        }));
        std::thread::sleep(Duration::from_millis(1));
    }
    writing.join().unwrap();
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn a_consumer_starts_at_the_last_bytes_exactly() {
    let (mut child, output) = drained(4096);
    for text in ["one", "three", "", "eleven"] {
        child.write_all(text.as_bytes()).unwrap();
        block_on(output.ended(Duration::ZERO, Duration::ZERO));
    }
    drop(child);
    block_on(output.ended(LONG, LONG));
    let all = "onethreeeleven";
    for last in (0..20).chain([1 << 32, 1 << 63, u64::MAX]) {
        let expected =
            &all[all.len().saturating_sub(usize::try_from(last).unwrap_or(usize::MAX))..];
        let start = Start::Last(last);
        let mut strong = String::new();
        output.strong_reader(start).unwrap().blocking().read_to_string(&mut strong).unwrap();
        let mut weak = String::new();
        output.weak_reader(start).unwrap().blocking().read_to_string(&mut weak).unwrap();
        assert_eq!((&*strong, &*weak), (expected, expected), "the last {last}");
    }
}

#[test]
fn a_sealed_output_gives_late_consumers_what_comes_and_nothing_else() {
    let (mut child, output) = drained(4096);
    let mut early = output.strong_reader(Start::Oldest).unwrap();
    child.write_all(b"before").unwrap();
    block_on(output.ended(Duration::ZERO, Duration::ZERO));
    output.seal();
    assert_eq!(output.gone(), 6);
    let late = [Start::Oldest, Start::Last(3), Start::Now].map(|start| output.strong_reader(start));
    child.write_all(b"after").unwrap();
    drop(child);
    for reader in late {
        let mut text = String::new();
        reader.unwrap().blocking().read_to_string(&mut text).unwrap();
        assert_eq!(text, "after");
    }
    assert_eq!(*early.try_recv().unwrap().unwrap(), *b"before");
}

#[test]
fn a_second_consumer_is_refused_and_told_who_is_the_first_until_that_goes() {
    let (from, _to) = pipe();
    let ring = Ring { only_one_consumer: true, ..Ring::new(4096) };
    let output = Output::drain(from, &ring, "test").unwrap();
    let first = output.weak_reader(Start::Now).unwrap();
    first.set_name("the log");
    let error = output.strong_reader(Start::Oldest).unwrap_err();
    assert_eq!((&*error.output, &*error.first), ("test", "the log"));
    assert_eq!(output.stats().readers.len(), 1);
    drop(first);
    output.strong_reader(Start::Oldest).unwrap();
}

#[test]
fn an_output_that_is_closed_ends_and_its_child_learns_of_it() {
    let (mut child, output) = drained(4096);
    child.write_all(b"last").unwrap();
    block_on(output.ended(Duration::ZERO, Duration::ZERO));
    output.close();
    assert!(block_on(output.ended(LONG, LONG)));
    let mut text = String::new();
    output.strong_reader(Start::Oldest).unwrap().blocking().read_to_string(&mut text).unwrap();
    assert_eq!(text, "last");
    while child.write_all(b"x").is_ok() {}
}

/// A pipe may end before the thread that starts its drain goes on: the drain has everything to itself then.
#[test]
fn an_output_that_ends_at_once_ends_its_spool_well() {
    for round in 0..3000 {
        let (from, mut child) = pipe();
        child.write_all(b"all").unwrap();
        drop(child);
        let ring = Ring { spool: Some(crate::spool::Spool::builder()), ..Ring::new(4096) };
        let output = Output::drain(from, &ring, "test").unwrap();
        assert_eq!(block_on(output.spool().unwrap().finished()).unwrap(), 3, "{round}");
    }
}

#[test]
fn everything_is_in_the_spool_in_memory_and_on_disk() {
    use crate::spool::{Retain, Spool};
    for builder in [Spool::builder(), Spool::builder().spill_at(1000)] {
        let (from, mut child) = pipe();
        let ring = Ring { spool: Some(builder), ..Ring::new(4096) };
        let output = Output::drain(from, &ring, "test").unwrap();
        let sent: Vec<u8> = (0..1 << 20).map(|index| (index % 251) as u8).collect();
        child.write_all(&sent).unwrap();
        drop(child);
        let spool = output.spool().unwrap();
        assert_eq!(block_on(spool.finished()).unwrap(), 1 << 20);
        let mut all = Vec::new();
        spool.weak_reader().unwrap().blocking().read_to_end(&mut all).unwrap();
        assert!(all == sent);
        assert!(output.has_ended());
    }
    // Of the last bytes alone, a strong reader of the spool holds the child up.
    let (from, mut child) = pipe();
    let builder = Spool::builder().retain(Retain::Last(4096));
    let ring = Ring { spool: Some(builder), ..Ring::new(4096) };
    let output = Output::drain(from, &ring, "test").unwrap();
    let mut reader = output.spool().unwrap().reader().unwrap().blocking();
    let writing = std::thread::spawn(move || child.write_all(&vec![b'x'; 1 << 20]));
    assert!(!block_on(output.ended(LONG, Duration::from_millis(50))));
    assert!(!writing.is_finished());
    let mut all = Vec::new();
    reader.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 1 << 20);
    writing.join().unwrap().unwrap();
}

#[test]
fn late_consumers_get_the_error_of_a_read_behind_the_bytes_before_it() {
    let (mut from, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
    // The other side goes with this unread, and that is an error here, behind what it wrote.
    from.write_all(b"unread").unwrap();
    other.write_all(b"before").unwrap();
    drop(other);
    let capture = crate::process::Capture::default().with_spool(crate::spool::Spool::builder());
    let output = Output::of(from, &capture, "test").unwrap();
    assert!(block_on(output.ended(LONG, LONG)));
    let reset = io::ErrorKind::ConnectionReset;
    let is_told = |mut reader: Box<dyn Read>| {
        let mut bytes = Vec::new();
        let error = reader.read_to_end(&mut bytes).unwrap_err();
        assert_eq!((&*bytes, error.kind()), (&b"before"[..], reset));
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), reset, "each time");
    };
    for _ in 0..2 {
        is_told(Box::new(output.strong_reader(Start::Oldest).unwrap().blocking()));
        is_told(Box::new(output.weak_reader(Start::Oldest).unwrap().blocking()));
        is_told(Box::new(output.spool().unwrap().reader().unwrap().blocking()));
    }
    assert!(output.failure().is_some());
}

#[test]
fn the_flags_of_a_source_from_outside_are_left_alone() {
    let (from, mut to) = pipe();
    let shared = from.try_clone().unwrap();
    let before = rustix::fs::fcntl_getfl(&shared).unwrap();
    let output = Output::of(from, &crate::process::Capture::default(), "test").unwrap();
    to.write_all(b"text").unwrap();
    drop(to);
    assert!(block_on(output.ended(LONG, LONG)));
    assert_eq!(rustix::fs::fcntl_getfl(&shared).unwrap(), before);
    let mut text = String::new();
    output.strong_reader(Start::Oldest).unwrap().blocking().read_to_string(&mut text).unwrap();
    assert_eq!(text, "text");
}

/// A fast child that writes the same all the time is not asked how much there is. Then it writes less, and ends.
#[test]
fn what_comes_is_whole_though_less_comes_than_before() {
    let pattern = Vec::from_iter((0..=250).cycle().take(256 << 10));
    let write = |mut to: Box<dyn Write + Send>| {
        let pattern = pattern.clone();
        std::thread::spawn(move || {
            let (mut written, lengths) =
                (0, (0..4000).map(|n| if n % 97 == 96 { n } else { 8192 }));
            for length in lengths.chain([8192; 40]) {
                to.write_all(&pattern[written % 251..][..length]).unwrap();
                written += length;
            }
            written
        })
    };
    let (from, to) = pipe();
    let (socket, other) = std::os::unix::net::UnixStream::pair().unwrap();
    for (from, to) in [(from, Box::new(to) as Box<_>), (socket.into(), Box::new(other) as Box<_>)] {
        let output = Output::drain(from, &Ring::new(1 << 20), "test").unwrap();
        let mut reader = output.strong_reader(Start::Oldest).unwrap();
        let writing = write(to);
        let mut read = 0;
        while let Some(message) = block_on(reader.recv()).unwrap() {
            assert!(!message.is_empty());
            assert!(*message == pattern[read % 251..][..message.len()], "at {read}");
            read += message.len();
        }
        assert_eq!(read, writing.join().unwrap());
    }
}

#[test]
fn short_lines_take_no_more_of_the_ring_than_their_slices() {
    let (mut child, output) = drained(64 << 10);
    let line = [b'x'; 60];
    for _ in 0..3000 {
        child.write_all(&line).unwrap();
        block_on(output.ended(Duration::ZERO, Duration::ZERO));
    }
    let mut weak = output.weak_reader(Start::Oldest).unwrap();
    weak.set_silent(true);
    let strong = output.strong_reader(Start::Oldest).unwrap();
    for mut reader in [Reader::from(strong), Reader::from(weak)] {
        let mut lines = 0;
        while reader.try_recv().is_ok_and(|message| message.is_some()) {
            lines += 1;
        }
        assert_eq!(lines, (64 << 10) / 64);
    }
}
