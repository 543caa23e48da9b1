//! The events of the feature `tracing`.
#![cfg(feature = "tracing")]

use overfall::{Channel, pipe};
use std::cell::RefCell;
use std::fmt::{Debug, Write};
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
    let channel = Channel::new(1000);
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
    listener.hears(&[&["weak reader overrun", "skipped=128"]]);
    // Silent readers are told of here all the same.
    tap.set_silent(true);
    (0..8).for_each(|_| assert_eq!(writer.try_write(&[1; 64]), Ok(64)));
    assert_eq!(tap.try_read(&mut [0; 64]), Ok(64));
    listener.hears(&[&["weak reader overrun", "skipped=512"]]);
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
