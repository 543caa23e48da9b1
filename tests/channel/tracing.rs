//! The events of the feature `tracing`.
#![cfg(feature = "tracing")]

use overfall::{Backpressure, Channel, pipe};
use overfall_tests::overwriting;
use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::io::Write as _;
use std::sync::OnceLock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Keeps each event as a line of text, for the thread that it comes from.
struct Lines;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.insert_str(0, &format!("{value:?}"));
        } else {
            let _ = write!(self.0, " {}={value:?}", field.name());
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if metadata.target() == "overfall" {
            assert_eq!(*metadata.level(), Level::DEBUG);
            let mut line = Line(String::new());
            event.record(&mut line);
            LINES.with_borrow_mut(|lines| lines.push(line.0));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Listens to this thread, and takes the lines that have come since the last time.
struct Listener;

impl Listener {
    fn new() -> Self {
        // One for the whole process: those that come and go with their threads are not heard of by
        // everybody at once.
        static ONE: OnceLock<()> = OnceLock::new();
        ONE.get_or_init(|| tracing::subscriber::set_global_default(Lines).expect("the only one"));
        let listener = Self;
        listener.forget();
        listener
    }

    /// What has been told so far is of no interest.
    fn forget(&self) {
        LINES.take();
    }

    /// What the new lines of `event` say of a field.
    #[track_caller]
    fn hears_numbers(&self, event: &str, field: &str) -> Vec<u64> {
        let lines = LINES.take();
        let number = |line: &String| {
            assert!(line.starts_with(event), "{line:?}");
            let (_, rest) = line.split_once(&format!(" {field}=")).expect("the field");
            rest.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
        };
        lines.iter().map(number).collect()
    }

    /// The new lines, which have these parts, one for each line.
    #[track_caller]
    fn hears(&self, expected: &[&[&str]]) {
        let lines = LINES.take();
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        for (line, parts) in lines.iter().zip(expected) {
            assert!(parts.iter().all(|part| line.contains(part)), "{parts:?} in {line:?}");
        }
    }
}

#[test]
fn channels_and_endpoints_that_come_and_go_are_told() {
    let listener = Listener::new();
    let channel = overwriting(1000);
    listener.hears(&[&["channel made", "capacity=1024"]]);
    let writer = channel.new_writer();
    listener.hears(&[&["endpoint came", "\"writer\"", "Strong"]]);
    let weak = channel.new_weak_writer();
    listener.hears(&[&["endpoint came", "\"writer\"", "Weak"]]);
    let reader = channel.new_strong_reader();
    listener.hears(&[&["endpoint came", "\"reader\"", "Strong"]]);
    let tap = channel.new_weak_reader();
    listener.hears(&[&["endpoint came", "\"reader\"", "Weak"]]);
    drop(tap);
    listener.hears(&[&["endpoint went", "\"reader\"", "Weak"]]);
    drop(weak);
    listener.hears(&[&["endpoint went", "\"writer\"", "Weak"]]);
    drop(reader);
    listener.hears(&[&["endpoint went", "\"reader\"", "Strong"]]);
    drop(writer);
    listener.hears(&[&["endpoint went", "\"writer\"", "Strong"]]);
}

#[test]
fn a_reader_is_told_by_its_name() {
    let listener = Listener::new();
    let channel = overwriting(1024);
    let reader = channel.new_strong_reader();
    reader.set_name("recorder");
    let reader = reader.into_weak();
    drop(reader);
    listener.hears(&[
        &["channel made"],
        &["endpoint came"],
        &["endpoint turned", "recorder"],
        &["endpoint went", "recorder"],
    ]);
}

#[test]
fn a_writer_is_told_by_its_number() {
    let listener = Listener::new();
    let channel = Channel::new(64);
    let writer = channel.new_writer();
    let id = format!("id={}", writer.stats().id);
    drop(writer);
    listener.hears(&[&["channel made"], &["endpoint came", &id], &["endpoint went", &id]]);
}

#[test]
fn nothing_is_told_of_reads_and_writes() {
    let listener = Listener::new();
    let channel = Channel::new(1024);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    let mut tap = channel.new_weak_reader();
    listener.forget();
    for _ in 0..100 {
        writer.try_write(b"slice").unwrap();
        writer.try_reserve(10).unwrap().abort();
        channel.try_reserve_slice(10).unwrap().commit();
        while reader.try_read(&mut [0; 3]).is_ok() {}
        while tap.try_read(&mut [0; 3]).is_ok() {}
        assert!(writer.try_write(&[]).is_ok());
        assert!(writer.try_reserve(5000).is_err());
    }
    listener.hears(&[]);
}

#[test]
fn an_overrun_is_told_with_its_size() {
    let listener = Listener::new();
    let channel = Channel::new(256);
    let (mut writer, mut tap) = (channel.new_writer(), channel.new_weak_reader());
    listener.forget();
    (0..6).for_each(|_| assert_eq!(writer.try_write(&[1; 64]), Ok(64)));
    listener.hears(&[]);
    assert!(tap.try_read(&mut [0; 64]).is_err());
    listener.hears(&[&["weak reader overrun", "ring_bytes=128"]]);
    // Silent readers are told of here all the same.
    tap.set_silent(true);
    (0..8).for_each(|_| assert_eq!(writer.try_write(&[1; 64]), Ok(64)));
    assert_eq!(tap.try_read(&mut [0; 64]), Ok(64));
    listener.hears(&[&["weak reader overrun", "ring_bytes=512"]]);
}

#[test]
fn the_ends_are_told() {
    let listener = Listener::new();
    let channel = Channel::new(64);
    listener.forget();
    channel.drain().unwrap();
    listener.hears(&[&["channel ended", "Drained", "capacity=64"]]);
    channel.drain().unwrap();
    listener.hears(&[]);
    channel.terminate();
    listener.hears(&[&["channel ended", "Terminated"]]);
    assert!(channel.drain().is_err());
    listener.hears(&[]);

    let (writer, reader) = pipe(64);
    listener.forget();
    drop(writer);
    listener.hears(&[&["channel ended", "Drained"], &["endpoint went", "\"writer\""]]);
    drop(reader);
    listener.hears(&[&["endpoint went", "\"reader\""]]);
}

#[test]
fn terminating_again_is_not_told_again() {
    let listener = Listener::new();
    let channel = Channel::new(64);
    listener.forget();
    channel.terminate();
    channel.terminate();
    listener.hears(&[&["channel ended", "Terminated"]]);
}

#[test]
fn endpoints_that_turn_are_told() {
    let listener = Listener::new();
    let channel = Channel::new(64);
    let (writer, reader) = (channel.new_weak_writer(), channel.new_weak_reader());
    listener.forget();
    let mut writer = writer.into_strong();
    listener.hears(&[&["endpoint turned", "\"writer\"", "Strong", "id=1"]]);
    let reader = reader.into_strong().unwrap();
    listener.hears(&[&["endpoint turned", "\"reader\"", "Strong", "id=1"]]);
    let _tap = reader.into_weak();
    listener.hears(&[&["endpoint turned", "\"reader\"", "Weak", "id=1"]]);
    // One that is done keeps nothing open.
    writer.shut_down();
    listener.hears(&[&["endpoint turned", "\"writer\"", "Weak", "id=1"]]);
    writer.shut_down();
    listener.hears(&[]);
}

#[test]
fn every_event_says_which_channel() {
    let listener = Listener::new();
    let says = |channel: &str| {
        let lines = LINES.take();
        assert_eq!(lines.len(), 12, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains(channel)), "{channel} in {lines:?}");
    };
    let live = |channel: &Channel| {
        let (mut writer, mut tap) =
            (channel.new_strong_writer().blocking(), channel.new_weak_reader());
        let reader = channel.new_strong_reader();
        (0..2).for_each(|_| writer.write_all(b"something").unwrap());
        drop(reader.into_weak());
        writer.write_all(b"something").unwrap();
        assert!(tap.try_read(&mut [0; 9]).is_err());
        channel.drain().unwrap();
        channel.terminate();
    };
    let lossy = || Channel::builder().size(64).backpressure(Backpressure::Drop);
    live(&lossy().name("orders").build().unwrap());
    says("channel=\"orders\"");
    live(&lossy().name(String::from("log")).build().unwrap());
    says("channel=\"log\"");
    // Those without a name have a number in the process.
    let numbers = [(); 2].map(|()| {
        let channel = lossy().build().unwrap();
        let [made] = &LINES.with_borrow(Vec::clone)[..] else { panic!("one line") };
        let (_, rest) = made.split_once("channel=\"#").expect("a number");
        let (number, _) = rest.split_once('"').expect("an end");
        live(&channel);
        says(&format!("channel=\"#{number}\""));
        number.parse::<u64>().unwrap()
    });
    assert!(0 < numbers[0] && numbers[0] < numbers[1], "{numbers:?}");
    listener.hears(&[]);
}

#[test]
fn the_name_of_a_writer_is_told_once_it_has_one() {
    let listener = Listener::new();
    let channel = Channel::with_parameters(64, Backpressure::Drop);
    let _reader = channel.new_strong_reader();
    let writer = channel.new_weak_writer();
    writer.set_name("gps");
    listener.forget();
    let mut writer = writer.into_strong().blocking();
    listener.hears(&[&["endpoint turned", "name=\"gps\""]]);
    (0..2).for_each(|_| writer.send(b"52.5 N 13.4 E").map(drop).unwrap());
    listener.hears(&[&["slices dropped", "id=1", "name=\"gps\""]]);
    drop(writer);
    listener.hears(&[&["endpoint went", "id=1", "name=\"gps\""]]);
    // Also if it has sent nothing, and the channel forgets it at once.
    let writer = channel.new_writer();
    writer.set_name("idle");
    drop(writer);
    listener.hears(&[&["endpoint came"], &["endpoint went", "name=\"idle\""]]);
    drop(channel.new_writer());
    let lines = LINES.take();
    assert!(lines.iter().all(|line| !line.contains("name=")), "{lines:?}");
}

#[test]
fn drops_are_told_each_time_that_their_number_has_doubled() {
    let listener = Listener::new();
    let channel = Channel::with_parameters(4096, Backpressure::Drop);
    let _reader = channel.new_strong_reader();
    let mut writer = channel.new_writer().blocking();
    listener.forget();
    writer.write_all(&[0; 4096]).unwrap();
    assert!(writer.get_mut().try_write(b"not dropped").is_err());
    assert!(writer.reserve(1).is_err());
    listener.hears(&[]);
    (0..100).for_each(|_| writer.send(b"dropped").map(drop).unwrap());
    assert_eq!(listener.hears_numbers("slices dropped", "slices"), [1, 2, 4, 8, 16, 32, 64]);
    // Several at once are told once, with their bytes.
    writer.send_many(&[&b"dropped"[..]; 30]).unwrap();
    listener.hears(&[&["slices dropped", "slices=130", "bytes=910", "id=1"]]);
    assert_eq!(channel.stats().dropped_slices, 130);
    assert_eq!(channel.stats().dropped_bytes, 910);
}

#[test]
fn drops_are_told_after_so_many_however_long_it_lasts() {
    let listener = Listener::new();
    let channel = Channel::with_parameters(64, Backpressure::Drop);
    let _reader = channel.new_strong_reader();
    let mut writer = channel.new_writer().blocking();
    writer.write_all(b"there is room").unwrap();
    (0..65_536).for_each(|_| writer.send(b"dropped").map(drop).unwrap());
    listener.forget();
    (0..300_000).for_each(|_| writer.send(b"dropped").map(drop).unwrap());
    let told: Vec<_> = (2..=5).map(|times| times * 65_536).collect();
    assert_eq!(listener.hears_numbers("slices dropped", "slices"), told);
}

#[test]
fn what_the_io_traits_dropped_is_told_with_the_next_event() {
    let listener = Listener::new();
    let channel = Channel::with_parameters(64, Backpressure::Drop);
    let _reader = channel.new_strong_reader();
    let mut writer = channel.new_writer().blocking();
    writer.write_all(b"there is room").unwrap();
    listener.forget();
    // A subscriber may hold a lock around this.
    (0..100).for_each(|_| writer.write_all(b"dropped").unwrap());
    listener.hears(&[]);
    let _next = channel.new_weak_reader();
    listener.hears(&[&["endpoint came"], &["slices dropped", "slices=100"]]);
}

#[test]
fn a_writer_for_each_message_makes_no_event_of_each_drop() {
    let listener = Listener::new();
    let channel = Channel::with_parameters(64, Backpressure::Drop);
    let _reader = channel.new_strong_reader();
    channel.new_weak_writer().try_write(b"there is room").unwrap();
    for _ in 0..100 {
        channel.new_weak_writer().blocking().write_all(b"dropped").unwrap();
    }
    let lines = LINES.take();
    let told = lines.iter().filter(|line| line.starts_with("slices dropped"));
    assert_eq!(told.count(), 7);
    listener.hears(&[]);
}
