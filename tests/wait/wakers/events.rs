//! A subscriber of `tracing` is code of others, too.

use super::stage::WAITERS;
use super::trouble::{self, caught};
use overfall::error::TryReadError;
use overfall::{Backpressure, Channel, StartAt};
use overfall_tests::{LIMIT, Task, overwriting, within};
use std::cell::Cell;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

/// Panics at each event on a thread that wants it.
struct Panicking;

impl Subscriber for Panicking {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == "overfall" && PANICS.get() {
            trouble::panic_with(99);
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

/// With a subscriber that panics; whether or not that reaches the caller.
fn with_panics<T>(work: impl FnOnce() -> T) -> Option<T> {
    let _ = tracing::subscriber::set_global_default(Panicking);
    PANICS.set(true);
    let result = caught(work);
    PANICS.set(false);
    result.ok()
}

fn counts(channel: &Channel) -> [usize; 4] {
    let stats = channel.stats();
    [stats.strong_writers, stats.weak_writers, stats.strong_readers, stats.weak_readers]
}

#[test]
fn a_subscriber_that_panics_leaves_no_endpoint_counted_that_never_came_to_be() {
    within(LIMIT, || {
        let channel = overwriting(1024);
        let (writer, weak_writer) = (channel.new_strong_writer(), channel.new_weak_writer());
        let (reader, weak_reader) = (channel.new_strong_reader(), channel.new_weak_reader());
        let makes: [&dyn Fn() -> usize; 8] = [
            &|| with_panics(|| channel.new_strong_writer()).map_or(0, |_| 1),
            &|| with_panics(|| channel.new_weak_writer()).map_or(0, |_| 1),
            &|| with_panics(|| channel.new_strong_reader()).map_or(0, |_| 1),
            &|| with_panics(|| channel.new_weak_reader_at(StartAt::Now)).map_or(0, |_| 1),
            &|| with_panics(|| writer.clone()).map_or(0, |_| 1),
            &|| with_panics(|| weak_writer.clone()).map_or(0, |_| 1),
            &|| with_panics(|| reader.clone()).map_or(0, |_| 1),
            &|| with_panics(|| weak_reader.clone()).map_or(0, |_| 1),
        ];
        for make in makes {
            make();
            assert_eq!(counts(&channel), [1; 4]);
        }
        // No hold was left behind either: the ring can be filled again and again.
        drop((reader, weak_reader));
        let mut writer = writer;
        for _ in 0..3 {
            writer.try_write(&[1; 1024]).unwrap();
        }
    });
}

#[test]
fn a_subscriber_that_panics_leaves_no_endpoint_counted_that_has_gone() {
    within(LIMIT, || {
        let channel = overwriting(1024);
        let mut closed = Task::parked(channel.closed());
        let endpoints = (
            channel.new_strong_writer(),
            channel.new_weak_writer(),
            channel.new_strong_reader(),
            channel.new_weak_reader(),
        );
        let (strong_writer, weak_writer, strong_reader, weak_reader) = endpoints;
        with_panics(|| drop(strong_writer));
        with_panics(|| drop(weak_writer));
        with_panics(|| drop(strong_reader));
        with_panics(|| drop(weak_reader));
        assert_eq!(counts(&channel), [0; 4]);
        assert!(closed.poll().is_pending());
        with_panics(|| drop(channel));
        assert_eq!(closed.wakes(), 1);
        closed.result();
    });
}

#[test]
fn a_subscriber_that_panics_costs_nobody_the_end() {
    within(LIMIT, || {
        for terminate in [false, true] {
            let channel = Channel::new(4096);
            let _slice = channel.try_reserve_slice(4096).unwrap();
            let mut waiting: Vec<_> =
                WAITERS.iter().map(|kind| kind.wait(&channel, false)).collect();
            waiting.iter_mut().for_each(|waiter| assert!(waiter.poll().is_pending()));
            with_panics(|| {
                if terminate {
                    channel.terminate();
                } else {
                    channel.drain().unwrap();
                }
            });
            assert!(waiting.iter().all(|waiter| waiter.wakes() == 1));
            channel.terminate();
            waiting.into_iter().for_each(Task::result);
        }
    });
}

#[test]
fn a_weak_reader_tells_a_gap_though_a_subscriber_panicked_at_it() {
    within(LIMIT, || {
        let channel = Channel::with_parameters(64, Backpressure::Block);
        let mut reader = channel.new_weak_reader();
        let mut writer = channel.new_writer();
        (0..3).for_each(|_| writer.try_send(&[1; 64]).unwrap());
        let first = with_panics(|| reader.try_recv().map(drop));
        let told = first.unwrap_or_else(|| reader.try_recv().map(drop));
        assert!(matches!(told, Err(TryReadError::Lagged(gap)) if gap.ring_bytes == 128));
        assert_eq!(reader.stats().gaps, 1);
        assert!(reader.try_recv().unwrap().is_some());
    });
}
