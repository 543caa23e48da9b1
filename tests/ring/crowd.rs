//! A crowd came and went: what is done afterwards costs what it did before.

use overfall::Channel;
use overfall_tests::{Task, overwriting};
use std::time::{Duration, Instant};

const CROWD: usize = 20_000;

/// The best of many times: what else runs here only ever makes it longer.
fn best(mut work: impl FnMut()) -> Duration {
    let once = |_| {
        let started = Instant::now();
        work();
        started.elapsed()
    };
    (0..100).map(once).min().unwrap()
}

/// The same before and after a crowd of each kind came, all at once, and went.
#[track_caller]
fn check(what: &str, channel: &Channel, mut work: impl FnMut()) {
    let before = best(&mut work);
    drop((0..CROWD).map(|_| channel.new_strong_reader()).collect::<Vec<_>>());
    drop((0..CROWD).map(|_| channel.new_weak_reader()).collect::<Vec<_>>());
    drop((0..CROWD).map(|_| channel.new_writer()).collect::<Vec<_>>());
    let after = best(&mut work);
    println!("{what}: {before:?} before the crowd, {after:?} after it");
    // A walk over all that ever were would take hundreds of times as long. Without optimisation, to come past
    // the empty parts of the tables shows.
    assert!(after < 4 * before, "{what}: {before:?} before the crowd, {after:?} after it");
}

#[test]
fn a_write_and_a_read_cost_the_same_after_a_crowd() {
    let channel = overwriting(4096);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    check("a thousand writes and reads", &channel, || {
        for _ in 0..1000 {
            writer.try_write(&[1; 64]).unwrap();
            reader.try_read(&mut [0; 64]).unwrap();
        }
    });
}

#[test]
fn figures_cost_the_same_after_a_crowd() {
    let channel = overwriting(4096);
    let _endpoints = (channel.new_writer(), channel.new_strong_reader());
    check("a hundred stats", &channel, || (0..100).for_each(|_| drop(channel.stats())));
}

#[test]
fn a_new_reader_costs_the_same_after_a_crowd() {
    let channel = overwriting(4096);
    channel.new_writer().try_write(&[1; 64]).unwrap();
    check("a hundred readers", &channel, || {
        (0..100).for_each(|_| drop((channel.new_weak_reader(), channel.new_strong_reader())));
    });
}

#[test]
fn to_wake_a_reader_costs_the_same_after_a_crowd() {
    let channel = overwriting(4096);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
    check("a hundred wakes", &channel, || {
        for _ in 0..100 {
            let mut task = Task::parked(reader.recv());
            writer.try_write(&[1; 64]).unwrap();
            assert!(task.poll().is_ready());
        }
    });
}

/// A hundred writes and reads of others, while so many wait until a slow reader has read something.
fn beside_who_waits(many: usize) -> Duration {
    let channel = overwriting(1 << 20);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    let mut slow = reader.clone();
    writer.try_write(&[1; 64]).unwrap();
    let waiting: Vec<_> = (0..many).map(|_| Task::parked(channel.flushed())).collect();
    let time = best(|| {
        for _ in 0..100 {
            writer.try_write(&[1; 64]).unwrap();
            reader.try_read(&mut [0; 64]).unwrap();
        }
    });
    slow.try_read(&mut [0; 64]).unwrap();
    for task in waiting {
        assert_eq!(task.wakes(), 1);
        assert_eq!(task.result(), Ok(()));
    }
    time
}

#[test]
fn a_write_and_a_read_cost_the_same_however_many_wait_until_something_is_read() {
    let (few, many) = (beside_who_waits(3), beside_who_waits(1000));
    println!("{few:?} beside a few, {many:?} beside many");
    assert!(many < 4 * few, "{few:?} beside a few, {many:?} beside many");
}

/// One of the crowd is left: it is found, wherever it stands.
#[test]
fn who_is_left_of_a_crowd_holds_writers_and_is_counted() {
    let channel = overwriting(4096);
    let mut writer = channel.new_writer();
    let mut crowd: Vec<_> = (0..CROWD).map(|_| channel.new_strong_reader()).collect();
    for left in [CROWD - 1, 12_345, 4096, 77, 0] {
        crowd.truncate(left + 1);
        let last = crowd.len() - 1;
        let mut reader = crowd.swap_remove(last);
        crowd.clear();
        while writer.try_write(&[7; 64]).is_ok() {}
        assert_eq!(channel.stats().readers.len(), 1);
        let mut read = 0;
        while reader.try_read(&mut [0; 64]).is_ok() {
            read += 1;
        }
        assert_eq!(read, 64, "all of a full ring");
        drop(reader);
        crowd = (0..left.max(1)).map(|_| channel.new_strong_reader()).collect();
    }
}
