//! A strong reader that receives ahead of its hold, and gives room back in order.

use overfall::error::{FlushError, ReadError, TryReadError, TrySendError};
use overfall::{
    AfterLast, Backpressure, Channel, Header, StartAt, StrongReader, TakesEffect, Window, Writer,
    pipe,
};
use overfall_tests::{Numbers, Task, block_on};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A channel with room for so many messages of a byte.
fn channel(messages: usize) -> (Arc<Channel>, Writer, StrongReader) {
    let channel = Channel::new(64 * messages);
    let (writer, reader) = (channel.new_writer(), channel.new_strong_reader());
    (channel, writer, reader)
}

/// The first byte of the next message.
#[track_caller]
fn next(window: &mut Window<'_>) -> u8 {
    window.try_recv().unwrap().unwrap()[0]
}

#[test]
fn room_is_given_back_when_it_is_released_and_in_order() {
    let (_channel, mut writer, mut reader) = channel(4);
    (0..4).for_each(|number| writer.try_send([number]).unwrap());
    let mut window = reader.window();
    assert!(window.is_empty());
    for number in 0..4 {
        assert_eq!(next(&mut window), number);
    }
    assert_eq!(window.len(), 4);
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::Empty);
    assert_eq!(writer.try_send([4]), Err(TrySendError::Full), "nothing is released");
    window.release(0);
    assert_eq!(writer.try_send([4]), Err(TrySendError::Full));
    window.release(1);
    writer.try_send([4]).unwrap();
    assert_eq!(writer.try_send([5]), Err(TrySendError::Full), "of one message alone");
    assert_eq!(next(&mut window), 4);
    window.release(4);
    assert!(window.is_empty());
    (5..9).for_each(|number| writer.try_send([number]).unwrap());
    (5..9).for_each(|number| assert_eq!(next(&mut window), number));
}

#[test]
fn what_is_not_released_is_received_again_once_the_window_is_put_back_or_gone() {
    let (_channel, mut writer, mut reader) = channel(8);
    (0..5).for_each(|number| writer.try_send([number]).unwrap());
    let mut window = reader.window();
    (0..4).for_each(|number| assert_eq!(next(&mut window), number));
    window.release(1);
    window.rewind();
    assert!(window.is_empty());
    (1..5).for_each(|number| assert_eq!(next(&mut window), number));
    window.release(1);
    drop(window);
    let mut window = reader.window();
    (2..4).for_each(|number| assert_eq!(next(&mut window), number));
    // Forgotten or dropped: the window keeps nothing.
    std::mem::forget(window);
    (2..5).for_each(|number| assert_eq!(reader.try_recv().unwrap().unwrap(), [number]));
    assert_eq!(reader.stats().payload_bytes, 5);
}

#[test]
fn what_is_not_released_counts_as_unread() {
    let (channel, mut writer, mut reader) = channel(8);
    (0..5).for_each(|number| writer.try_send([number]).unwrap());
    let mut window = reader.window();
    (0..4).for_each(|number| assert_eq!(next(&mut window), number));
    window.release(1);
    let stats = window.reader().stats();
    assert_eq!((stats.payload_bytes, stats.lag), (1, 4 * 64));
    assert_eq!(stats.position, channel.stats().start + 64);
    assert_eq!(channel.stats().held_ring_bytes, 4 * 64);
    assert!(window.reader().missed().is_none());
    let mut clone = window.reader().clone();
    assert_eq!(clone.try_recv().unwrap().unwrap(), [1]);
    drop(clone);
    window.release(3);
    drop(window);
    let stats = reader.stats();
    assert_eq!((stats.payload_bytes, stats.lag, stats.padding_bytes), (4, 64, 4 * 63));
}

#[test]
fn writers_that_wait_for_what_was_read_wait_until_it_is_released() {
    let (_channel, mut writer, mut reader) = channel(8);
    (0..2).for_each(|number| writer.try_send([number]).unwrap());
    let mut flushed = Task::parked(writer.flushed());
    let mut window = reader.window();
    (0..2).for_each(|number| assert_eq!(next(&mut window), number));
    assert!(flushed.poll().is_pending());
    window.release(1);
    assert!(flushed.poll().is_pending());
    window.release(1);
    assert_eq!(flushed.result(), Ok(()));
}

#[test]
fn a_writer_that_waits_for_room_is_woken_by_a_release_and_by_nothing_before() {
    let (_channel, mut writer, mut reader) = channel(1);
    writer.try_send([0]).unwrap();
    let mut sending = Task::parked(writer.send([1]));
    let mut window = reader.window();
    assert_eq!(next(&mut window), 0);
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::Empty);
    assert!(sending.poll().is_pending());
    window.release(1);
    assert!(sending.poll().is_ready());
    assert_eq!(next(&mut window), 1);
}

#[test]
fn the_end_is_told_once_all_is_received_and_what_is_left_can_still_be_released() {
    let (channel, mut writer, mut reader) = channel(4);
    (0..2).for_each(|number| writer.try_send([number]).unwrap());
    let mut flushed = Task::parked(writer.flushed());
    channel.drain().unwrap();
    let mut window = reader.window();
    assert_eq!(next(&mut window), 0);
    assert_eq!(next(&mut window), 1);
    assert!(window.try_recv().unwrap().is_none());
    assert!(block_on(window.recv()).unwrap().is_none());
    assert!(flushed.poll().is_pending(), "not released");
    window.rewind();
    assert_eq!(next(&mut window), 0);
    assert_eq!(next(&mut window), 1);
    assert!(window.try_recv().unwrap().is_none());
    window.release(2);
    assert_eq!(flushed.result(), Ok(()));
    assert!(window.try_recv().unwrap().is_none());
    drop(window);
    assert!(reader.try_recv().unwrap().is_none());
}

#[test]
fn a_failure_is_told_in_place_of_the_end() {
    let (channel, mut writer, mut reader) = channel(4);
    writer.try_send([0]).unwrap();
    channel.fail(std::io::Error::other("gone")).unwrap();
    let mut window = reader.window();
    assert_eq!(next(&mut window), 0);
    assert!(matches!(window.try_recv(), Err(TryReadError::Failed(_))));
    window.release(1);
    assert!(matches!(window.try_recv(), Err(TryReadError::Failed(_))));
}

#[test]
fn a_terminated_channel_gives_nothing_any_more() {
    let (channel, mut writer, mut reader) = channel(4);
    (0..2).for_each(|number| writer.try_send([number]).unwrap());
    let mut window = reader.window();
    assert_eq!(next(&mut window), 0);
    channel.terminate();
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::Terminated);
    window.release(1);
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::Terminated);
    window.rewind();
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::Terminated);
    drop(window);
    reader.terminate();
    assert_eq!(reader.window().try_recv().unwrap_err(), TryReadError::Terminated);
}

#[test]
fn a_reader_that_is_dropped_gives_back_what_it_has_not_released() {
    for after_last in [AfterLast::Close, AfterLast::Wait] {
        let builder = Channel::builder().size(128).after_last_strong_reader(after_last);
        let channel = builder.build().unwrap();
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        (0..2).for_each(|number| writer.try_send([number]).unwrap());
        let mut window = reader.window();
        (0..2).for_each(|number| assert_eq!(next(&mut window), number));
        window.release(1);
        drop(reader);
        match after_last {
            // The next one goes on where this one stood.
            AfterLast::Wait => {
                let mut next_one = channel.new_strong_reader();
                assert_eq!(next_one.try_recv().unwrap().unwrap(), [1]);
            }
            _ => {
                assert_eq!(writer.try_send([2]), Err(TrySendError::Closed));
                assert_eq!(block_on(writer.flushed()), Err(FlushError::Unread));
            }
        }
    }
}

#[test]
fn receiving_waits_and_is_woken_also_with_messages_that_are_not_released() {
    let (channel, mut writer, mut reader) = channel(4);
    let mut window = reader.window();
    for number in 0..3 {
        let mut receiving = Task::parked(window.recv());
        writer.try_send([number]).unwrap();
        assert_eq!(receiving.wakes(), 1);
        assert_eq!(block_on(async { receiving.result().unwrap().unwrap()[0] }), number);
    }
    // Dropped while it waits, it has lost nothing.
    drop(Task::parked(window.recv()));
    writer.try_send([3]).unwrap();
    assert_eq!(next(&mut window), 3);
    let mut receiving = Task::parked(window.recv());
    channel.drain().unwrap();
    assert_eq!(receiving.wakes(), 1);
    let std::task::Poll::Ready(end) = receiving.poll() else { panic!("the end is there") };
    assert!(end.unwrap().is_none());
}

#[test]
fn a_thread_parks_in_it() {
    let (mut writer, mut reader) = pipe(256);
    let mut window = reader.window().blocking();
    writer.try_send([0]).unwrap();
    assert_eq!(window.recv().unwrap().unwrap(), [0]);
    let error = window.recv_timeout(Duration::from_millis(1)).unwrap_err();
    assert_eq!(error, TryReadError::Empty);
    let sending = std::thread::spawn(move || {
        (1..10).for_each(|number| {
            block_on(writer.send([number])).unwrap();
        });
    });
    for number in 1..10 {
        // There is room for four.
        if window.get_ref().len() == 4 {
            window.get_mut().release(1);
        }
        assert_eq!(window.recv().unwrap().unwrap(), [number]);
    }
    sending.join().unwrap();
    assert!(window.recv_deadline(Instant::now()).unwrap().is_none());
}

#[test]
fn a_message_that_was_read_in_part_is_the_first_one_with_what_is_left_of_it() {
    let (mut writer, mut reader) = pipe(1024);
    writer.try_send_many(&["partly", "whole"]).unwrap();
    reader.try_read(&mut [0; 4]).unwrap();
    let mut window = reader.window();
    assert_eq!(window.try_recv().unwrap().unwrap(), b"ly");
    assert_eq!(window.try_recv().unwrap().unwrap(), b"whole");
    drop(window);
    // It is where it was.
    assert_eq!(reader.try_read(&mut [0; 1]), Ok(1));
    let mut window = reader.window();
    assert_eq!(window.try_recv().unwrap().unwrap(), b"y");
    assert_eq!(window.try_recv().unwrap().unwrap(), b"whole");
    window.release(2);
    assert_eq!(reader.stats().payload_bytes, 11);
    assert!(reader.missed().is_none());
}

#[test]
fn what_was_lent_as_bytes_before_can_be_consumed_after_a_window_that_released_nothing() {
    let (mut writer, mut reader) = pipe(1024);
    writer.try_send_many(&["one", "two"]).unwrap();
    assert_eq!(reader.try_fill_buf().unwrap(), b"one");
    let mut window = reader.window();
    assert_eq!(window.try_recv().unwrap().unwrap(), b"one");
    drop(window);
    reader.consume(3);
    assert_eq!(reader.try_recv().unwrap().unwrap(), b"two");
}

#[test]
#[should_panic(expected = "consume(3) of 0 bytes")]
fn what_was_lent_as_bytes_before_cannot_be_consumed_once_it_is_released() {
    let (mut writer, mut reader) = pipe(1024);
    writer.try_send_many(&["one", "two"]).unwrap();
    assert_eq!(reader.try_fill_buf().unwrap(), b"one");
    let mut window = reader.window();
    assert!(window.try_recv().unwrap().is_some());
    window.release(1);
    reader.consume(3);
}

#[test]
#[should_panic(expected = "release(2) of 1 messages")]
fn more_than_was_received_cannot_be_released() {
    let (mut writer, mut reader) = pipe(1024);
    writer.try_send_many(&["one", "two"]).unwrap();
    let mut window = reader.window();
    assert!(window.try_recv().unwrap().is_some());
    window.release(2);
}

#[test]
fn a_message_that_is_leaked_keeps_nothing_but_the_owner_waiting() {
    let (channel, mut writer, mut reader) = channel(2);
    (0..2).for_each(|number| writer.try_send([number]).unwrap());
    let id = reader.stats().id;
    let mut window = reader.window();
    std::mem::forget(window.try_recv().unwrap());
    std::mem::forget(window.try_recv().unwrap());
    assert_eq!(window.len(), 2);
    // It looks again, and lends nothing then.
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::Empty);
    assert_eq!(channel.take_hold(id), Some(TakesEffect::Now));
}

#[test]
fn a_hold_is_taken_between_two_messages_and_after_one_that_is_lent() {
    let (channel, mut writer, mut reader) = channel(4);
    (0..4).for_each(|number| writer.try_send([number]).unwrap());
    let id = reader.stats().id;
    let mut window = reader.window();
    assert_eq!(next(&mut window), 0);
    let lent = window.try_recv().unwrap().unwrap();
    assert_eq!(channel.take_hold(id), Some(TakesEffect::AfterLend));
    assert_eq!(writer.try_send([4]), Err(TrySendError::Full));
    assert_eq!(lent, [1]);
    drop(lent);
    // It has given its hold up by that, with all that is not released.
    (4..8).for_each(|number| writer.try_send([number]).unwrap());
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::HoldTaken);
    assert_eq!(window.reader().missed().messages, 4);
    // Both were received. That counts, though they are overwritten.
    window.release(2);
    assert_eq!(window.reader().missed().messages, 2);
    assert_eq!(window.reader().stats().payload_bytes, 2);
    drop(window);
    let mut reader = reader.into_weak();
    assert!(matches!(reader.try_recv(), Err(TryReadError::Lagged(_))));
    assert_eq!(reader.try_recv().unwrap().unwrap(), [4]);
    assert_eq!(reader.missed().messages, 2);
}

#[test]
fn what_is_not_released_when_the_hold_is_taken_is_unread_as_long_as_it_is_there() {
    let (channel, mut writer, mut reader) = channel(4);
    (0..4).for_each(|number| writer.try_send([number]).unwrap());
    let id = reader.stats().id;
    let mut window = reader.window();
    (0..3).for_each(|number| assert_eq!(next(&mut window), number));
    assert_eq!(channel.take_hold(id), Some(TakesEffect::Now));
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::HoldTaken);
    assert_eq!(block_on(window.recv()).unwrap_err(), ReadError::HoldTaken);
    assert!(window.reader().missed().is_none());
    window.release(1);
    window.rewind();
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::HoldTaken);
    drop(window);
    let mut reader = reader.into_weak();
    (1..4).for_each(|number| assert_eq!(reader.try_recv().unwrap().unwrap(), [number]));
    assert!(reader.missed().is_none());
    assert_eq!(reader.stats().payload_bytes, 4);
}

#[test]
fn a_reader_that_the_owner_ends_gives_its_window_nothing_any_more() {
    let (channel, mut writer, mut reader) = channel(4);
    (0..4).for_each(|number| writer.try_send([number]).unwrap());
    let id = reader.stats().id;
    let mut window = reader.window();
    assert_eq!(next(&mut window), 0);
    channel.end_reader(id);
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::Terminated);
    window.release(1);
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::Terminated);
}

#[test]
fn behind_bytes_a_window_knows_from_its_first_look_on_who_is_newer() {
    let (channel, mut writer, mut reader) = channel(64);
    writer.try_send("bytes").unwrap();
    reader.try_read(&mut [0; 64]).unwrap();
    writer.report_missed(1, 1).unwrap();
    let mut window = reader.window();
    assert_eq!(window.try_recv().unwrap_err(), TryReadError::Empty);
    let mut newer = channel.new_writer();
    newer.report_missed(2, 20).unwrap();
    newer.try_send("2").unwrap();
    writer.try_send("2").unwrap();
    for turn in 0..2 {
        let missed = window.try_recv().unwrap().unwrap().header().missed;
        assert_eq!((missed.messages, missed.bytes), (2, 20), "turn {turn}");
        let of_older = window.try_recv().unwrap().unwrap().header().missed;
        assert!(of_older.is_none(), "it is not known what was read as bytes");
        window.rewind();
    }
    assert_eq!(window.reader().missed().messages, 3);
}

/// A reader with a window beside two that receive as they always did: one at the pace of the window, and
/// one at that of its releases. All three find the same.
struct Three {
    windowed: StrongReader,
    ahead: StrongReader,
    behind: StrongReader,
}

impl Three {
    fn new(channel: &Channel, start: StartAt) -> Self {
        let behind = channel.new_strong_reader_at(start);
        let (windowed, ahead) = (behind.clone(), behind.clone());
        Self { windowed, ahead, behind }
    }
}

fn received(reader: &mut StrongReader) -> Option<(Vec<u8>, Header)> {
    reader.try_recv().ok().flatten().map(|message| (message.to_vec(), message.header()))
}

/// Writers that send, drop, report, give slices up, come and go.
fn write(channel: &Channel, writers: &mut [Writer], numbers: &mut Numbers) {
    let index = numbers.below(writers.len());
    let writer = &mut writers[index];
    let length = numbers.below(200);
    match numbers.below(10) {
        0 => writer.report_missed(1 + numbers.below(3) as u64, length as u64).unwrap(),
        1 => drop(writer.try_reserve(length)),
        2 => *writer = channel.new_writer(),
        3 => drop(channel.try_reserve_slice(length).map(overfall::Slice::commit)),
        _ => drop(block_on(writer.send(vec![length as u8; length]))),
    }
}

#[test]
fn a_window_finds_what_readers_at_its_two_paces_find() {
    for seed in 0..60 {
        let mut numbers = Numbers::new(seed);
        let channel = Channel::with_parameters(2048, Backpressure::Drop);
        let mut writers: Vec<_> = (0..3).map(|_| channel.new_writer()).collect();
        (0..numbers.below(40)).for_each(|_| write(&channel, &mut writers, &mut numbers));
        let starts = [StartAt::Oldest, StartAt::Now, StartAt::Newest];
        let Three { mut windowed, mut ahead, mut behind } =
            Three::new(&channel, starts[numbers.below(3)]);
        for _ in 0..10 {
            // Bytes in between, and a message behind which all know the same of writers again.
            if numbers.below(3) == 0 {
                let mut buffer = vec![0; numbers.below(100)];
                let read = windowed.try_read(&mut buffer);
                assert_eq!(behind.try_read(&mut buffer), read, "seed {seed}");
                let found = loop {
                    match received(&mut windowed) {
                        None => write(&channel, &mut writers, &mut numbers),
                        found => break found,
                    }
                };
                assert_eq!(received(&mut behind), found, "seed {seed}");
            }
            ahead = behind.clone();
            let mut window = windowed.window();
            for _ in 0..numbers.below(60) {
                match numbers.below(10) {
                    0..5 => write(&channel, &mut writers, &mut numbers),
                    5..8 => {
                        let found = window.try_recv().ok().flatten();
                        let found = found.map(|message| (message.to_vec(), message.header()));
                        assert_eq!(found, received(&mut ahead), "seed {seed}");
                    }
                    8 => {
                        let some = numbers.below(window.len() + 1);
                        window.release(some);
                        (0..some).for_each(|_| assert!(received(&mut behind).is_some()));
                    }
                    _ if numbers.below(4) == 0 => {
                        window.rewind();
                        ahead = behind.clone();
                    }
                    _ => {}
                }
                let (one, other) = (window.reader(), &behind);
                assert_eq!(one.missed(), other.missed(), "seed {seed}");
                assert!(one.missed_by_writer().eq(other.missed_by_writer()), "seed {seed}");
                let (one, other) = (one.stats(), other.stats());
                // The place of padding behind what was read is that of the next look.
                assert_eq!(one.payload_bytes, other.payload_bytes, "seed {seed}");
            }
        }
        drop((ahead, behind));
        while received(&mut windowed).is_some() {}
        // Nothing of it is held.
        assert_eq!(channel.stats().held_ring_bytes, 0, "seed {seed}");
    }
}
