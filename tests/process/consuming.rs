//! Consumer tasks: collectors, and what is written to elsewhere.

use crate::support::{Guard, Stuck, begin, shell, shell_that_waits};
use overfall::lines::Builder;
use overfall::lines::LineError;
use overfall::process::{
    Capture, Collect, ConsumerEnd, EachLine, Forward, Input, LinesSeen, Start,
};
use overfall::spool::{Retain, Spool};
use overfall::{Channel, StrongReader};
use overfall_tests::{LIMIT, block_on, overwriting, until, within};
use std::io::{self, Write};
use std::ops::ControlFlow::{Break, Continue};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

/// A reader of this, written by these pieces.
fn written(pieces: &[&[u8]]) -> StrongReader {
    let channel = Channel::new(1 << 20);
    let reader = channel.new_strong_reader();
    let mut writer = channel.new_writer();
    pieces.iter().for_each(|piece| writer.try_send(piece).unwrap());
    reader
}

#[test]
fn bytes_are_kept_up_to_a_bound_and_the_rest_is_counted() {
    let text: Vec<u8> = (0..1000).map(|n| n as u8).collect();
    for piece in [1, 7, 64, 1000] {
        for most in [0, 1, 63, 64, 999, 1000, 1001, usize::MAX] {
            let pieces: Vec<_> = text.chunks(piece).collect();
            let kept = most.min(1000);
            let first = Collect::first(most).bytes_of(written(&pieces)).unwrap();
            let first = block_on(first.wait());
            assert_eq!((&*first.kept, first.left_out.bytes), (&text[..kept], 1000 - kept as u64));
            let last = block_on(Collect::last(most).bytes_of(written(&pieces)).unwrap().wait());
            let expected = (&text[1000 - kept..], 1000 - kept as u64);
            assert_eq!((&*last.kept, last.left_out.bytes), expected);
            assert_eq!((last.end, last.missed), (ConsumerEnd::Ended, 0));
        }
    }
}

#[test]
fn no_bound_cuts_a_character_of_collected_text() {
    let text = "a\u{e9}\u{20ac}\u{1f980}z".repeat(10);
    for most in 0..=text.len() {
        for collect in [Collect::first(most), Collect::last(most)] {
            let collected = block_on(collect.text_of(written(&[text.as_bytes()])).unwrap().wait());
            assert!(text.contains(&collected.kept), "{most} {:?}", collected.kept);
            assert!(collected.kept.len() + 3 >= most);
            assert_eq!(collected.kept.len() as u64 + collected.left_out.bytes, text.len() as u64);
        }
    }
}

#[test]
fn lines_are_kept_up_to_both_bounds_and_the_rest_is_counted() {
    let text: String = (0..100).map(|n| format!("line {n}\r\n")).collect();
    for (bytes, lines) in [(0, 9), (9, 9), (30, 9), (1000, 3), (usize::MAX, 0), (10_000, 1000)] {
        for keeps_last in [false, true] {
            let collect = if keeps_last { Collect::last(bytes) } else { Collect::first(bytes) };
            let collect = collect.at_most_lines(lines);
            let collected = block_on(collect.lines_of(written(&[text.as_bytes()])).unwrap().wait());
            let texts: Vec<_> = collected.kept.iter().map(|line| line.text()).collect();
            let kept = texts.len();
            let range = if keeps_last { 100 - kept..100 } else { 0..kept };
            let expected: Vec<_> = range.map(|n| format!("line {n}")).collect();
            assert_eq!(texts, expected);
            let size: usize = collected.kept.iter().map(|line| line.len() + 2).sum();
            assert!(size <= bytes && kept <= lines);
            assert_eq!(collected.left_out.lines, 100 - kept as u64);
            assert_eq!(collected.left_out.bytes + size as u64, text.len() as u64);
            if (bytes, lines) == (10_000, 1000) {
                assert_eq!(kept, 100);
            }
        }
    }
}

#[test]
fn of_the_first_lines_a_later_shorter_one_is_none() {
    let reader = written(&[b"long enough\nmuch too long for it\nx\n"]);
    let collected = block_on(Collect::first(15).lines_of(reader).unwrap().wait());
    assert_eq!(
        (collected.kept.len(), collected.left_out.lines, collected.left_out.bytes),
        (1, 2, 23)
    );
}

#[test]
fn what_a_collector_missed_and_what_was_torn_make_up_the_rest() {
    let channel = overwriting(4096);
    let reader = channel.new_weak_reader();
    let mut writer = channel.new_writer();
    let text: String = (0..1000).map(|n| format!("line {n:05}\n")).collect();
    text.as_bytes().chunks(7).for_each(|piece| writer.try_send(piece).unwrap());
    drop((writer, channel));
    let collected = block_on(Collect::last(200).lines_of(reader).unwrap().wait());
    let kept: u64 = collected.kept.iter().map(|line| line.len() as u64 + 1).sum();
    assert!(collected.missed > 0 && collected.kept.iter().all(|line| line.len() == 10));
    let all = kept + collected.left_out.bytes + collected.missed + collected.torn;
    assert_eq!(all, text.len() as u64);
}

#[test]
fn a_line_that_is_no_utf8_is_left_out_and_counted() {
    let cut = Builder::new().utf8();
    let reader = written(&[b"one\n\x8e\r\ntwo\n"]);
    let collected = block_on(Collect::first(100).cut(cut).lines_of(reader).unwrap().wait());
    assert_eq!(
        (collected.kept.len(), collected.left_out.lines, collected.left_out.bytes),
        (2, 1, 3)
    );
}

#[test]
fn a_consumer_that_is_stopped_has_what_was_there_and_waits_for_no_more() {
    within(LIMIT, || {
        let child = shell("echo one; printf two; read line").stdin(Input::pipe()).spawn().unwrap();
        let _guard = Guard::of(&child);
        let output = child.stdout().unwrap();
        until("it has come", || output.stats().payload_bytes == 7);
        let reader = || output.strong_reader(Start::Oldest).unwrap();
        let text = block_on(Collect::first(100).text_of(reader()).unwrap().stop());
        assert_eq!((&*text.kept, text.end), ("one\ntwo", ConsumerEnd::Stopped));
        let lines = block_on(Collect::first(100).lines_of(reader()).unwrap().stop());
        let texts: Vec<_> = lines.kept.iter().map(|line| line.text()).collect();
        assert_eq!(texts, ["one", "two"]);
        let sink = block_on(Forward::new().into_write(reader(), Vec::new()).unwrap().stop());
        assert_eq!((&*sink.sink, sink.end), (&b"one\ntwo"[..], ConsumerEnd::Stopped));
        assert_eq!(output.stats().readers.len(), 0);
        block_on(child.kill());
    });
}

#[test]
fn a_consumer_that_is_stopped_under_a_flood_comes_to_an_end() {
    within(LIMIT, || {
        let child = shell("exec yes").spawn().unwrap();
        let _guard = Guard::of(&child);
        let output = child.stdout().unwrap();
        for _ in 0..3 {
            let reader = output.strong_reader(Start::Now).unwrap();
            let collected = block_on(Collect::last(10).bytes_of(reader).unwrap().stop());
            assert_eq!(collected.end, ConsumerEnd::Stopped);
            let reader = output.strong_reader(Start::Now).unwrap();
            let forwarded = block_on(Forward::new().into_write(reader, io::sink()).unwrap().stop());
            assert_eq!(forwarded.end, ConsumerEnd::Stopped);
        }
        block_on(child.kill());
    });
}

#[test]
fn a_consumer_that_is_stopped_does_not_wait_for_the_ring_to_be_empty() {
    /// Whatever comes brings something new.
    struct Echoes(overfall::StrongWriter);
    impl Write for Echoes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.try_send("once more").map_err(io::Error::from)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    within(LIMIT, || {
        let channel = Channel::new(4096);
        let reader = channel.new_strong_reader();
        let mut writer = channel.new_strong_writer();
        writer.try_send("once").unwrap();
        let forwarding = Forward::new().into_write(reader, Echoes(writer)).unwrap();
        assert_eq!(block_on(forwarding.stop()).end, ConsumerEnd::Stopped);
    });
}

#[test]
fn dropped_or_aborted_a_consumer_lets_go_of_its_reader() {
    within(LIMIT, || {
        let child = shell("read line").stdin(Input::pipe()).spawn().unwrap();
        let _guard = Guard::of(&child);
        let output = child.stdout().unwrap();
        for aborts in [false, true] {
            let reader = || output.strong_reader(Start::Oldest).unwrap();
            let collecting = Collect::first(100).bytes_of(reader()).unwrap();
            let writing = Forward::new().into_write(reader(), Vec::new()).unwrap();
            assert_eq!(output.stats().strong_readers, 2);
            if aborts {
                collecting.abort();
                writing.abort();
            } else {
                drop((collecting, writing));
            }
            until("they have gone", || output.stats().strong_readers == 0);
        }
        block_on(child.kill());
    });
}

#[test]
fn a_consumer_that_is_aborted_in_the_middle_of_a_write_holds_nobody_up() {
    within(LIMIT, || {
        let mut command = shell_that_waits("head -c 1000000 /dev/zero");
        let child = command.stdout(Capture::ring(4096)).spawn().unwrap();
        let output = child.stdout().unwrap();
        let (let_go, is_stuck) = mpsc::channel();
        let reader = output.strong_reader(Start::Oldest).unwrap();
        let forwarding = Forward::new().into_write(reader, Stuck(is_stuck)).unwrap();
        begin(&child);
        until("it holds the child up", || output.stats().waiting_writers == 1);
        forwarding.abort();
        let outcome = block_on(child.wait());
        assert!(outcome.success() && outcome.stdout.unwrap().held_by.is_empty());
        drop(let_go);
    });
}

#[test]
fn a_wait_that_is_dropped_can_be_begun_again() {
    let (mut writer, reader) = overfall::pipe(1024);
    let mut collecting = Collect::first(100).bytes_of(reader).unwrap();
    writer.try_send("one").unwrap();
    assert!(futures::FutureExt::now_or_never(&mut collecting).is_none());
    drop(writer);
    assert_eq!(block_on(&mut collecting).kept, b"one");
}

/// A sink that takes so many bytes, and fails then.
struct Breaks {
    left: usize,
    taken: Vec<u8>,
}

impl Write for Breaks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len().min(self.left);
        if length == 0 {
            return Err(io::Error::other("the disk is full"));
        }
        self.left -= length;
        self.taken.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl tokio::io::AsyncWrite for Breaks {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_consumer_whose_sink_failed_holds_nobody_up_before_its_result_is_fetched() {
    within(LIMIT, || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _within_it = runtime.enter();
        for is_async in [false, true] {
            let script = "yes 0123456789abcde | head -c 10000000";
            let child = shell_that_waits(script).stdout(Capture::ring(1 << 16)).spawn().unwrap();
            let _guard = Guard::of(&child);
            let output = child.stdout().unwrap();
            let reader = output.strong_reader(Start::Oldest).unwrap();
            let other = output.strong_reader(Start::Oldest).unwrap();
            let sink = Breaks { left: 1000, taken: Vec::new() };
            let forwarding = if is_async {
                Forward::new().into_async_write(reader, sink)
            } else {
                Forward::new().into_write(reader, sink)
            };
            let collecting = Collect::last(16).bytes_of(other).unwrap();
            begin(&child);
            let outcome = block_on(child.wait());
            assert!(outcome.success() && outcome.stdout.unwrap().ended);
            // The others did not notice.
            let collected = block_on(collecting.wait());
            assert_eq!((&*collected.kept, collected.missed), (&b"0123456789abcde\n"[..], 0));
            assert_eq!(collected.left_out.bytes, 10_000_000 - 16);
            let forwarded = block_on(forwarding.unwrap().wait());
            assert_eq!(forwarded.end, ConsumerEnd::SinkFailed);
            assert_eq!((forwarded.written, forwarded.sink.taken.len()), (1000, 1000));
            assert!(forwarded.unwritten.starts_with(b"89abcde\n"), "what was read is not lost");
            assert_eq!(forwarded.error.unwrap().to_string(), "the disk is full");
        }
    });
}

#[test]
fn errors_of_a_sink_are_ignored_by_choice_and_counted() {
    let reader = written(&[b"0123456789", b"abcdefghij", b"xyz"]);
    let sink = Breaks { left: 12, taken: Vec::new() };
    let forwarding = Forward::new().ignore_errors().into_write(reader, sink).unwrap();
    let forwarded = block_on(forwarding.wait());
    assert_eq!(forwarded.end, ConsumerEnd::Ended);
    assert_eq!((&*forwarded.sink.taken, forwarded.left_out), (&b"0123456789ab"[..], 11));
    assert!(forwarded.error.is_some() && forwarded.unwritten.is_empty());
}

#[test]
fn a_sink_that_panics_lets_go_of_the_reader_and_who_waits_gets_the_panic() {
    struct Panics;
    impl Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("on purpose")
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let channel = Channel::new(1024);
    let reader = channel.new_strong_reader();
    channel.new_writer().try_send("x").unwrap();
    let forwarding = Forward::new().into_write(reader, Panics).unwrap();
    until("the reader has gone", || channel.stats().strong_readers == 0);
    let result = thread::spawn(move || block_on(forwarding.wait())).join();
    assert_eq!(result.err().unwrap().downcast_ref(), Some(&"on purpose"));
}

#[test]
fn a_collector_that_stands_in_the_way_is_turned_weak_and_counts_what_it_misses() {
    within(LIMIT, || {
        struct Slow;
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                thread::sleep(Duration::from_millis(1));
                Ok(bytes.len().min(10))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let script = "yes 0123456789abcde | head -c 1000000";
        let child = shell_that_waits(script).stdout(Capture::ring(1 << 16)).spawn().unwrap();
        let _guard = Guard::of(&child);
        let output = child.stdout().unwrap();
        let reader = output.strong_reader(Start::Oldest).unwrap();
        reader.set_name("slow");
        let id = reader.stats().id;
        let forwarding = Forward::new().into_write(reader, Slow).unwrap();
        let all = Collect::first(usize::MAX).bytes_of(output.strong_reader(Start::Oldest).unwrap());
        begin(&child);
        until("it stands in the way", || {
            let stats = output.stats();
            let lag = stats.readers.iter().find(|reader| reader.id == id).map(|reader| reader.lag);
            lag.is_some_and(|lag| lag > stats.capacity / 2)
        });
        let outcome = block_on(child.kill());
        assert!(outcome.stdout.is_some());
        let all = block_on(all.unwrap().wait());
        assert_eq!(all.missed, 0);
        drop(forwarding);
    });
}

// Each line.

/// What a function is given of these, in words.
fn each(
    cut: Builder,
    reader: impl Into<overfall::process::AnyReader>,
) -> (overfall::process::Consumer<LinesSeen>, mpsc::Receiver<String>) {
    let (sender, told) = mpsc::channel();
    let each = EachLine::new(move |line| {
        let text = match line {
            Ok(line) => line.text().into_owned(),
            Err(LineError::Gap(gap)) => format!("gap of {}", gap.missed),
            Err(LineError::NotUtf8(error)) => format!("bad {:?}", &*error.line),
            Err(error) => panic!("{error}"),
        };
        sender.send(text).unwrap();
        Continue(())
    });
    (each.cut(cut).of(reader).unwrap(), told)
}

#[test]
fn a_function_is_given_each_line_and_what_is_none_in_its_place() {
    let reader = written(&[b"one\ntw", b"o\n\x8e\nthree\nthe last"]);
    let (consumer, told) = each(Builder::new().utf8(), reader);
    let seen = block_on(consumer.wait());
    assert_eq!((seen.lines, seen.missed, seen.end), (4, 0, ConsumerEnd::Ended));
    let told: Vec<_> = told.iter().collect();
    assert_eq!(told, ["one", "two", "bad [142]", "three", "the last"]);
}

#[test]
fn a_function_is_given_a_gap_before_what_comes_behind_it() {
    let channel = overwriting(4096);
    let reader = channel.new_weak_reader();
    let mut writer = channel.new_writer();
    let text: String = (0..1000).map(|n| format!("line {n:05}\n")).collect();
    text.as_bytes().chunks(11).for_each(|piece| writer.try_send(piece).unwrap());
    drop((writer, channel));
    let (consumer, told) = each(Builder::new(), reader);
    let seen = block_on(consumer.wait());
    let told: Vec<_> = told.iter().collect();
    assert_eq!(told[0], format!("gap of {}", seen.missed));
    assert_eq!((told.len() as u64, &*told[told.len() - 1]), (seen.lines + 1, "line 00999"));
    assert_eq!(seen.missed + seen.torn + 11 * seen.lines, text.len() as u64);
}

#[test]
fn a_function_that_is_stopped_had_all_lines_that_were_there_and_the_unfinished_one() {
    within(LIMIT, || {
        let child = shell("echo one; printf two; read line").stdin(Input::pipe()).spawn().unwrap();
        let _guard = Guard::of(&child);
        let output = child.stdout().unwrap();
        until("it has come", || output.stats().payload_bytes == 7);
        let (consumer, told) = each(Builder::new(), output.strong_reader(Start::Oldest).unwrap());
        assert_eq!(block_on(consumer.stop()).end, ConsumerEnd::Stopped);
        assert_eq!(told.iter().collect::<Vec<_>>(), ["one", "two"]);
        for ends in [drop, overfall::process::Consumer::abort] {
            let (consumer, told) = each(Builder::new(), output.strong_reader(Start::Now).unwrap());
            ends(consumer);
            assert!(told.recv().is_err(), "nothing came, and the function has gone");
        }
        until("all readers have gone", || output.stats().readers.is_empty());
        block_on(child.kill());
    });
}

#[test]
fn a_function_ends_its_consumer_when_it_breaks_or_panics() {
    within(LIMIT, || {
        let child = shell_that_waits("exec yes").spawn().unwrap();
        let _guard = Guard::of(&child);
        let output = child.stdout().unwrap();
        let mut left = 3;
        let each = EachLine::new(move |_| {
            left -= 1;
            if left == 0 { Break(()) } else { Continue(()) }
        });
        let seen = each.of(output.strong_reader(Start::Oldest).unwrap()).unwrap();
        begin(&child);
        let seen = block_on(seen.wait());
        assert_eq!((seen.lines, seen.end), (3, ConsumerEnd::Stopped));
        let each = EachLine::new(|_| panic!("on purpose"));
        let panics = each.of(output.strong_reader(Start::Oldest).unwrap()).unwrap();
        until("all readers have gone", || output.stats().readers.is_empty());
        let result = thread::spawn(move || block_on(panics.wait())).join();
        assert_eq!(result.err().unwrap().downcast_ref(), Some(&"on purpose"));
        block_on(child.kill());
    });
}

// Of a spool.

#[test]
fn consumers_of_a_spool_get_everything_however_late_they_come() {
    for spool in [Spool::builder(), Spool::builder().spill_at(10_000)] {
        let capture = Capture::ring(4096).with_spool(spool);
        let child = shell("seq 100000").stdout(capture).spawn().unwrap();
        let output = child.stdout().unwrap();
        // This one comes while it is written.
        let early = output.spool().unwrap().reader().unwrap();
        let early = Collect::last(usize::MAX).bytes_of(early).unwrap();
        assert!(block_on(child.wait()).success());
        let reader = || output.spool().unwrap().reader().unwrap();
        let all = block_on(early.wait());
        let text: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
        assert!(all.kept == text.as_bytes() && all.missed == 0 && all.end == ConsumerEnd::Ended);
        let sink = block_on(Forward::new().into_write(reader(), Vec::new()).unwrap().wait());
        assert!(sink.sink == text.as_bytes());
        let (consumer, told) = each(Builder::new(), reader());
        assert_eq!(block_on(consumer.wait()).lines, 100_000);
        assert!(told.iter().eq(text.lines()));
        let stopped = block_on(Collect::first(10).text_of(reader()).unwrap().stop());
        assert_eq!(stopped.left_out.bytes + stopped.kept.len() as u64, text.len() as u64);
    }
}

#[test]
fn a_consumer_of_a_spool_that_keeps_its_last_bytes_counts_what_it_missed() {
    let capture = Capture::ring(4096).with_spool(Spool::builder().retain(Retain::Last(4096)));
    let child = shell_that_waits("seq 100000").stdout(capture).spawn().unwrap();
    let output = child.stdout().unwrap();
    let reader = output.spool().unwrap().weak_reader().unwrap();
    let before = reader.position();
    begin(&child);
    assert!(block_on(child.wait()).success());
    let collected = block_on(Collect::last(20).lines_of(reader).unwrap().wait());
    let kept: u64 = collected.kept.iter().map(|line| line.len() as u64 + 1).sum();
    let total = output.stats().payload_bytes - before;
    assert!(collected.missed > 0);
    assert_eq!(kept + collected.left_out.bytes + collected.missed + collected.torn, total);
}
