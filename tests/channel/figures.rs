//! What the figures tell of who is there, and of how full the ring is.

use overfall::{AfterLast, Channel, pipe};
use overfall_tests::{Task, overwriting};

#[test]
fn readers_and_writers_are_told_by_their_names_for_as_long_as_they_are_there() {
    let channel = overwriting(1024);
    let (mut writer, other) = (channel.new_writer(), channel.new_weak_writer());
    writer.set_name("parser");
    let (strong, weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    strong.set_name("recorder");
    weak.set_name("first");
    weak.set_name("tap");
    writer.try_send(b"12345").unwrap();
    let stats = channel.stats();
    assert_eq!(stats.writers, [writer.stats(), other.stats()]);
    assert_eq!(stats.readers, [strong.stats(), weak.stats()]);
    let of = |name| stats.readers.iter().find(|reader| reader.name.as_deref() == Some(name));
    assert!(of("recorder").unwrap().strong && !of("tap").unwrap().strong);
    assert!(of("first").is_none());
    let parser = stats.writers.iter().find(|writer| writer.name.as_deref() == Some("parser"));
    assert_eq!(parser.unwrap().payload_bytes, 5);
    // A clone has none, and one that turns keeps it.
    assert_eq!(weak.clone().stats().name, None);
    let mut strong = strong.into_weak().into_strong().unwrap();
    assert_eq!(strong.stats().name.as_deref(), Some("recorder"));
    strong.terminate();
    assert_eq!(strong.stats().name.as_deref(), Some("recorder"));
    // The next one in the same slot does not find it.
    drop((strong, weak));
    assert_eq!(channel.new_weak_reader().stats().name, None);
    drop((writer, other));
    assert_eq!(channel.stats().writers, []);
}

#[test]
fn how_full_the_ring_is_and_for_whom_writers_wait_is_told() {
    let channel = Channel::new(512);
    let mut writer = channel.new_writer();
    let (mut quick, mut slow) = (channel.new_strong_reader(), channel.new_strong_reader());
    let _tap = channel.new_weak_reader();
    slow.set_name("slow");
    let held = || channel.stats().held_ring_bytes;
    assert_eq!(held(), 0);
    // One slice behind at most, for many laps: the gate tells nothing of that.
    for _ in 0..100 {
        writer.try_send(b"one").unwrap();
        assert_eq!(held(), 64);
        for reader in [&mut quick, &mut slow] {
            assert!(reader.try_recv().unwrap().is_some());
        }
        assert_eq!(held(), 0);
    }
    (0..8).for_each(|_| writer.try_send(b"one").unwrap());
    (0..3).for_each(|_| assert!(quick.try_recv().unwrap().is_some()));
    let task = Task::parked(writer.send(b"more"));
    let stats = channel.stats();
    assert_eq!((stats.held_ring_bytes, stats.capacity, stats.waiting_writers), (512, 512, 1));
    let slowest = stats.slowest_reader().unwrap();
    assert_eq!((slowest.name.as_deref(), slowest.lag), (Some("slow"), 512));
    (0..5).for_each(|_| assert!(slow.try_recv().unwrap().is_some()));
    let stats = channel.stats();
    assert_eq!((stats.held_ring_bytes, stats.slowest_reader().unwrap().lag), (320, 320));
    task.result().unwrap();
    assert_eq!(channel.stats().waiting_writers, 0);
}

#[test]
fn what_is_held_for_the_next_reader_counts_as_held() {
    let builder = Channel::builder().size(512).wait_for_strong_reader(true);
    let channel = builder.after_last_strong_reader(AfterLast::Wait).build().unwrap();
    let mut writer = channel.new_writer();
    (0..3).for_each(|_| writer.try_send(b"one").unwrap());
    assert_eq!(channel.stats().held_ring_bytes, 192);
    assert_eq!(channel.stats().slowest_reader(), None);
    let mut reader = channel.new_strong_reader();
    assert!(reader.try_recv().unwrap().is_some());
    drop(reader);
    assert_eq!(channel.stats().held_ring_bytes, 128);
    let (mut writer, reader) = pipe(512);
    writer.try_send(b"one").unwrap();
    let weak = reader.into_weak();
    assert_eq!(weak.channel().stats().held_ring_bytes, 0, "nobody holds it");
}
