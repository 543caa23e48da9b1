//! Batches: whatever gives messages, one after the other.

use overfall::error::TrySendError;
use overfall::{Channel, Sent, StrongReader, pipe};
use overfall_tests::{LIMIT, Task};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

fn all(reader: &mut StrongReader) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Ok(Some(message)) = reader.try_recv() {
        all.push(message.to_vec());
    }
    all
}

#[test]
fn whatever_gives_messages_is_a_batch() {
    let (mut writer, mut reader) = pipe(4096);
    let lines = vec!["one".to_string(), "two".to_string(), "three".to_string()];
    let with_lines = |lines: &[&str]| lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    let (every, long): (Vec<_>, Vec<_>) =
        (with_lines(&["one", "two", "three"]), with_lines(&["three"]));
    writer.try_send_many(&lines).unwrap();
    assert_eq!(all(&mut reader), every);
    writer.try_send_many(lines.iter()).unwrap();
    assert_eq!(all(&mut reader), every);
    writer.try_send_many(lines.iter().filter(|line| line.len() > 3)).unwrap();
    assert_eq!(all(&mut reader), long);
    writer.try_send_many(lines.clone()).unwrap();
    assert_eq!(all(&mut reader), every);
    writer.try_send_many("one two three".split(' ')).unwrap();
    assert_eq!(all(&mut reader), every);
    writer.try_send_many((0..3).map(|index| &lines[index])).unwrap();
    assert_eq!(all(&mut reader), every);
    writer.try_send_many(Some("three")).unwrap();
    assert_eq!(all(&mut reader), long);
    // In all forms.
    assert_eq!(Task::new(writer.send_many(lines.iter().rev())).result(), Ok(Sent::Delivered));
    assert_eq!(all(&mut reader).concat(), b"threetwoone");
    let mut writer = writer.blocking();
    writer.send_many(lines.iter().skip(2)).unwrap();
    writer.send_many_timeout(lines.iter().skip(2), LIMIT).unwrap();
    writer.send_many_deadline(lines.iter().skip(2), Instant::now()).unwrap();
    assert_eq!(all(&mut reader), [&long[0][..]; 3]);
}

#[test]
fn a_batch_of_nothing_is_sent_at_once_even_into_a_full_ring() {
    let (mut writer, _reader) = pipe(64);
    writer.try_send(b"full").unwrap();
    let nothing = || ["a", "b"].into_iter().filter(|_| false);
    assert_eq!(writer.try_send_many(nothing()), Ok(()));
    assert_eq!(Task::new(writer.send_many(nothing())).result(), Ok(Sent::Delivered));
    assert_eq!(writer.blocking().send_many(nothing()), Ok(Sent::Delivered));
}

#[test]
fn a_batch_that_is_refused_or_dropped_is_so_as_a_whole() {
    let channel = Channel::new(256);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    writer.try_send("there").unwrap();
    let many = |many: usize| (0..many).map(|number| [number as u8; 3]);
    assert_eq!(writer.try_send_many(many(4)), Err(TrySendError::Full));
    let error = writer.try_send_many(many(5)).unwrap_err();
    assert_eq!(error, TrySendError::TooLong { len: 320, max: 256 });
    drop(Task::parked(writer.send_many(many(4))));
    assert_eq!(writer.stats().dropped_slices, 0);
    writer.set_backpressure(overfall::Backpressure::Drop);
    assert_eq!(Task::new(writer.send_many(many(4))).result(), Ok(Sent::Dropped));
    assert_eq!((writer.stats().dropped_slices, writer.stats().dropped_bytes), (4, 12));
    writer.try_send_many(many(3)).unwrap();
    assert_eq!(all(&mut reader).len(), 4);
    assert_eq!(reader.missed().messages, 4);
}

/// An iterator is code of others, and so is its clone.
#[test]
fn a_batch_that_changes_or_panics_is_given_up_as_a_whole() {
    struct Moody<'a> {
        clones: &'a Cell<usize>,
        left: usize,
        mood: fn(usize) -> usize,
    }
    impl Clone for Moody<'_> {
        fn clone(&self) -> Self {
            let clones = self.clones.get() + 1;
            self.clones.set(clones);
            Self { left: (self.mood)(clones), ..*self }
        }
    }
    impl Iterator for Moody<'_> {
        type Item = &'static str;

        fn next(&mut self) -> Option<&'static str> {
            self.left = self.left.checked_sub(1)?;
            Some("x")
        }
    }
    // Asked whether there is any, for the room, and then for the bytes.
    let moods: [fn(usize) -> usize; 5] = [
        |clone| if clone < 3 { 2 } else { 1 },
        |clone| if clone < 3 { 2 } else { 3 },
        |clone| if clone < 3 { 2 } else { panic!("on purpose") },
        |clone| if clone < 2 { 2 } else { panic!("on purpose") },
        |_| panic!("on purpose"),
    ];
    for (number, mood) in moods.into_iter().enumerate() {
        for waits in [false, true] {
            let (mut writer, mut reader) = pipe(1024);
            let clones = Cell::new(0);
            let batch = Moody { clones: &clones, left: 2, mood };
            let sent = catch_unwind(AssertUnwindSafe(|| match waits {
                false => writer.try_send_many(batch).is_ok(),
                true => Task::new(writer.send_many(batch)).result().is_ok(),
            }));
            assert!(sent.is_err(), "mood {number}");
            assert!(if waits {
                writer.try_send("next").is_ok()
            } else {
                writer.try_write(b"next").is_ok()
            });
            assert_eq!(all(&mut reader), [b"next"], "mood {number}");
            assert_eq!(writer.stats().slices, 1);
        }
    }
}
