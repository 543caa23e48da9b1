//! Lines of several threads, each written in pieces.

use overfall::{Backpressure, Blocking, Channel, Joiner, LineWriter, StrongReader, Writer, pipe};
use overfall_tests::{LIMIT, within};
use std::fmt;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

fn lines(channel: &Channel) -> LineWriter<Writer> {
    LineWriter::new(channel.new_writer().blocking())
}

/// The slices that are there.
fn slices(reader: &mut StrongReader) -> Vec<Vec<u8>> {
    let mut slices = Vec::new();
    while let Ok(Some(message)) = reader.try_recv() {
        slices.push(message.to_vec());
    }
    slices
}

#[test]
fn a_line_that_is_written_in_pieces_is_one_slice() {
    let channel = Channel::new(4096);
    let mut reader = channel.new_strong_reader();
    let (id, number) = (1, 2);
    let mut bare = channel.new_writer().blocking();
    writeln!(bare, "writer {id}, line {number}").unwrap();
    assert_eq!(slices(&mut reader).len(), 5, "what it is without");
    let mut writer = lines(&channel);
    writeln!(writer, "writer {id}, line {number}").unwrap();
    write!(writer, "{}", "x".repeat(3000)).unwrap();
    assert_eq!(slices(&mut reader), [b"writer 1, line 2\n"], "the second is not whole yet");
    writeln!(writer).unwrap();
    assert_eq!(slices(&mut reader), [["x".repeat(3000), "\n".into()].concat().into_bytes()]);
    // The end of one line, two more, and the beginning of another.
    writer.write_all(b"a").unwrap();
    writer.write_all(b"b\nc\n\nd").unwrap();
    assert_eq!(slices(&mut reader), [&b"ab\n"[..], b"c\n\n"]);
    let mut buffers = [b"e", &b"\n"[..], b"f\n"].map(IoSlice::new);
    let mut left = &mut buffers[..];
    while !left.is_empty() {
        let written = writer.write_vectored(left).unwrap();
        IoSlice::advance_slices(&mut left, written);
    }
    assert_eq!(slices(&mut reader), [&b"de\n"[..], b"f\n"]);
    assert_eq!(writer.write(b"").unwrap(), 0);
    assert_eq!(writer.get_ref().get_ref().stats().slices, 6);
}

#[test]
fn lines_of_several_threads_stay_whole_whatever_their_length() {
    within(LIMIT, || {
        // Up to a whole ring.
        const RING: usize = 1024;
        let channel = Channel::new(RING);
        let mut reader = channel.new_strong_reader().blocking();
        let threads: Vec<_> = (0..4)
            .map(|id| {
                let mut writer = lines(&channel);
                thread::spawn(move || {
                    for number in 0..500 {
                        let length = (number * 37) % (RING - 40);
                        writeln!(writer, "[{id} {number} {}]", "x".repeat(length)).unwrap();
                        // Several in one write, longer together than a slice can be.
                        let line = format!("[{id} {number} {}]\n", "y".repeat(length / 2));
                        writer.write_all(line.repeat(3).as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        drop(channel);
        let mut count = [0; 4];
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 0 {
            let inner = line.strip_prefix('[').and_then(|line| line.strip_suffix("]\n"));
            let mut parts = inner.unwrap_or_else(|| panic!("torn: {line}")).splitn(3, ' ');
            let id: usize = parts.next().unwrap().parse().unwrap();
            let number: usize = parts.next().unwrap().parse().unwrap();
            let filler = parts.next().unwrap();
            assert_eq!(number, count[id] / 4);
            let length = (number * 37) % (RING - 40);
            let length = if count[id] % 4 == 0 { length } else { length / 2 };
            assert!(filler.len() == length && !filler.contains(['[', ']']), "torn: {line}");
            count[id] += 1;
            line.clear();
        }
        assert_eq!(count, [2000; 4]);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// Why there is one of our own: what std's does to a line that is longer than its buffer, and to
/// several lines in a write that is longer than a slice.
#[test]
fn the_line_writer_of_std_tears_lines_that_ours_keeps_whole() {
    let long = "x".repeat(600);
    let many = "a line\n".repeat(400);
    fn torn(mut writer: impl Write, mut reader: StrongReader, long: &str, many: &str) -> [bool; 2] {
        let mut tears = |writer: &mut dyn Write, write: &dyn Fn(&mut dyn Write)| {
            thread::scope(|scope| {
                let thread = scope.spawn(|| {
                    let mut slices = slices(&mut reader);
                    while slices.last().is_none_or(|slice| !slice.ends_with(b"end\n")) {
                        slices.extend(self::slices(&mut reader));
                        thread::yield_now();
                    }
                    slices.iter().any(|slice| !slice.ends_with(b"\n"))
                });
                write(writer);
                writer.write_all(b"end\n").unwrap();
                thread.join().unwrap()
            })
        };
        [
            tears(&mut writer, &|writer| writeln!(writer, "{long}{long}").unwrap()),
            tears(&mut writer, &|writer| writer.write_all(many.as_bytes()).unwrap()),
        ]
    }
    let (writer, reader) = pipe(2048);
    assert_eq!(torn(io::LineWriter::new(writer.blocking()), reader, &long, &many), [true; 2]);
    let (writer, reader) = pipe(2048);
    assert_eq!(torn(LineWriter::new(writer.blocking()), reader, &long, &many), [false; 2]);
}

#[test]
fn a_line_that_is_longer_than_a_slice_is_one_record() {
    let channel = Channel::new(256);
    let mut reader = channel.new_strong_reader().blocking();
    let thread = {
        let (mut first, mut second) = (lines(&channel), lines(&channel));
        thread::spawn(move || {
            writeln!(first, "{}", "a".repeat(1000)).unwrap();
            writeln!(second, "short").unwrap();
            write!(first, "{}", "b".repeat(300)).unwrap();
            writeln!(second, "{}", "c".repeat(300)).unwrap();
            writeln!(first, "{}", "b".repeat(300)).unwrap();
        })
    };
    drop(channel);
    let mut joiner = Joiner::new();
    let mut whole = Vec::new();
    while let Some(message) = reader.recv().unwrap() {
        whole.extend(joiner.join(&message).map(|line| line.to_vec()));
    }
    thread.join().unwrap();
    let line = |letter: &str, length| [letter.repeat(length), "\n".into()].concat().into_bytes();
    assert!(whole == [line("a", 1000), b"short\n".to_vec(), line("c", 300), line("b", 600)]);
    assert!(joiner.left_out().is_none() && joiner.finish().is_empty());
}

#[test]
fn a_lossy_line_goes_in_whole_or_not_at_all() {
    let channel = Channel::with_parameters(256, Backpressure::Drop);
    let mut reader = channel.new_strong_reader();
    let mut writer = lines(&channel);
    writeln!(writer, "{}", "x".repeat(300)).unwrap();
    // The first lines of a write fit, and those that come next do not.
    writer.write_all("a line of 24 characters\n".repeat(20).as_bytes()).unwrap();
    writer.write_all(b"one more\n").unwrap();
    assert_eq!(slices(&mut reader), ["a line of 24 characters\n".repeat(10).into_bytes()]);
    writer.write_all(b"and another\n").unwrap();
    assert_eq!(slices(&mut reader), [b"and another\n"]);
    let stats = channel.stats();
    assert_eq!((stats.dropped_slices, stats.dropped_bytes), (3, 301 + 240 + 9));
}

#[test]
fn a_line_without_an_end_goes_when_it_is_flushed_or_dropped() {
    let channel = Channel::new(1024);
    let mut reader = channel.new_strong_reader();
    let mut writer = lines(&channel);
    writer.flush().unwrap();
    write!(writer, "name: ").unwrap();
    assert!(slices(&mut reader).is_empty());
    writer.flush().unwrap();
    writer.flush().unwrap();
    assert_eq!(slices(&mut reader), [b"name: "]);
    write!(writer, "no end").unwrap();
    // What is written behind its back comes first.
    writer.get_mut().write_all(b"first\n").unwrap();
    drop(writer);
    assert_eq!(slices(&mut reader), [&b"first\n"[..], b"no end"]);
}

/// Panics when it is written.
struct Panicking;

impl fmt::Display for Panicking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half a ")?;
        resume_unwind(Box::new("half-way"))
    }
}

#[test]
fn half_a_line_of_a_thread_that_panicked_does_not_go() {
    let channel = Channel::new(1024);
    let mut reader = channel.new_strong_reader();
    let panicked = catch_unwind(AssertUnwindSafe(|| writeln!(lines(&channel), "{Panicking}")));
    panicked.unwrap_err();
    assert!(slices(&mut reader).is_empty());
}

#[test]
fn an_error_is_told_and_nothing_is_written_twice() {
    let channel = Channel::new(1024);
    let reader = channel.new_strong_reader();
    let mut writer = lines(&channel);
    write!(writer, "begun").unwrap();
    channel.drain().unwrap();
    assert_eq!(writer.write(b" and done\n").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(writer.write(b"a\nb\n").unwrap_err().kind(), ErrorKind::BrokenPipe);
    writer.flush().unwrap();
    drop(writer);
    let mut blocking: Blocking<StrongReader> = reader.blocking();
    assert_eq!(blocking.fill_buf().unwrap(), b"");
}
