//! The owner takes the hold of a strong reader that keeps writers back, or ends the reader.

use overfall::error::{FlushError, ReadError, TryReadError, TrySendError};
use overfall::stats::ReaderStats;
use overfall::{AfterLast, Channel, Missed, StrongReader, TakesEffect, Writer};
use overfall_tests::{LIMIT, Task, block_on, until, waiting_writers, within};
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::time::Instant;
use std::{mem, thread};

/// A channel of so many granules of 64 bytes, which overwrites without a strong reader, with light fences if
/// there are any, and without.
fn channels(granules: usize) -> impl Iterator<Item = Arc<Channel>> {
    let builder = move || {
        let builder = Channel::builder().size(64 * granules);
        builder.after_last_strong_reader(AfterLast::Overwrite)
    };
    [builder(), builder().membarrier(false)].into_iter().map(|builder| builder.build().unwrap())
}

fn id(reader: &StrongReader) -> u32 {
    reader.stats().id
}

/// Sends messages of one granule, each full of its number, while there is room, and 20 at most; how many.
fn fill(writer: &mut Writer, from: u8) -> u8 {
    (from..from + 20).take_while(|&number| writer.try_send(&[number; 64]).is_ok()).count() as u8
}

fn stats(channel: &Channel, reader: u32) -> Option<ReaderStats> {
    channel.stats().readers.into_iter().find(|stats| stats.id == reader)
}

fn is_taken(error: &io::Error) -> bool {
    let inner = error.get_ref().unwrap();
    let read = inner.downcast_ref::<ReadError>() == Some(&ReadError::HoldTaken);
    let try_read = inner.downcast_ref::<TryReadError>() == Some(&TryReadError::HoldTaken);
    (read || try_read) && error.kind() == io::ErrorKind::Other
}

/// Reads in every way there is, which fails.
#[track_caller]
fn every_way_fails(mut reader: StrongReader, fails: impl Fn(&io::Error) -> bool) -> StrongReader {
    let mut buffer = [0; 8];
    let mut bytes = Vec::new();
    let mut all: Vec<(&str, io::Error)> = vec![
        ("try_read", reader.try_read(&mut buffer).unwrap_err().into()),
        ("try_fill_buf", reader.try_fill_buf().unwrap_err().into()),
        ("try_recv", reader.try_recv().unwrap_err().into()),
        ("try_recv_into", reader.try_recv_into(&mut bytes).unwrap_err().into()),
        ("try_recv_many", reader.try_recv_many(3).unwrap_err().into()),
        ("recv", block_on(reader.recv()).unwrap_err().into()),
        ("recv_into", block_on(reader.recv_into(&mut bytes)).unwrap_err().into()),
        ("recv_many", block_on(reader.recv_many(3)).unwrap_err().into()),
    ];
    #[cfg(feature = "futures")]
    {
        use futures::{AsyncBufReadExt, AsyncReadExt};
        let read = block_on(AsyncReadExt::read(&mut reader, &mut buffer));
        all.push(("futures read", read.unwrap_err()));
        let lent = block_on(AsyncBufReadExt::fill_buf(&mut reader)).map(<[u8]>::len);
        all.push(("futures fill_buf", lent.unwrap_err()));
    }
    #[cfg(feature = "tokio")]
    {
        use tokio::io::{AsyncBufReadExt, AsyncReadExt};
        let read = block_on(AsyncReadExt::read(&mut reader, &mut buffer));
        all.push(("tokio read", read.unwrap_err()));
        let lent = block_on(AsyncBufReadExt::fill_buf(&mut reader)).map(<[u8]>::len);
        all.push(("tokio fill_buf", lent.unwrap_err()));
    }
    let mut reader = reader.blocking();
    all.push(("blocking read", reader.read(&mut buffer).unwrap_err()));
    all.push(("blocking read_timeout", reader.read_timeout(&mut buffer, LIMIT).unwrap_err()));
    all.push(("blocking fill_buf", reader.fill_buf().unwrap_err()));
    all.push(("fill_buf_deadline", reader.fill_buf_deadline(Instant::now()).unwrap_err()));
    all.push(("blocking recv", reader.recv().map(drop).unwrap_err().into()));
    for (way, error) in &all {
        assert!(fails(error), "{way}: {error:?}");
    }
    assert_eq!(bytes, b"");
    let mut reader = reader.into_inner();
    assert_eq!(reader.try_read(&mut []), Ok(0));
    assert_eq!(reader.skip_rest(), 0);
    reader
}

#[test]
fn writers_go_on_once_the_hold_of_a_stuck_reader_is_taken() {
    for channel in channels(4) {
        let (mut writer, stuck) = (channel.new_writer(), channel.new_strong_reader());
        let mut other = channel.new_strong_reader();
        assert_eq!(fill(&mut writer, 1), 4);
        while let Ok(Some(message)) = other.try_recv() {
            drop(message);
        }
        assert_eq!(writer.try_send(b"no"), Err(TrySendError::Full));
        assert_eq!(channel.take_hold(id(&stuck)), Some(TakesEffect::Now));
        assert_eq!(fill(&mut writer, 5), 4);
        let now = stats(&channel, id(&stuck)).unwrap();
        assert!(!now.strong);
        assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (1, 1));
        assert_eq!(channel.take_hold(id(&stuck)), None, "it has none any more");

        let mut weak = every_way_fails(stuck, is_taken).into_weak();
        assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (1, 1));
        assert!(matches!(weak.try_recv(), Err(TryReadError::Lagged(_))));
        assert_eq!(*weak.try_recv().unwrap().unwrap(), [5; 64]);
        drop(weak);
        assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (1, 0));
        for number in 5..9 {
            assert_eq!(*other.try_recv().unwrap().unwrap(), [number; 64]);
        }
    }
}

#[test]
fn without_another_strong_reader_writers_overwrite() {
    for channel in channels(2) {
        let (mut writer, stuck) = (channel.new_writer(), channel.new_strong_reader());
        assert_eq!(fill(&mut writer, 0), 2);
        assert_eq!(channel.take_hold(id(&stuck)), Some(TakesEffect::Now));
        (0..100).for_each(|_| writer.try_send(&[9; 64]).unwrap());
        drop(stuck);
        assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (0, 0));
    }
}

#[test]
fn a_reader_goes_on_as_a_weak_one_where_it_stood_and_nothing_is_counted_twice() {
    for channel in channels(8) {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        assert_eq!(fill(&mut writer, 0), 8);
        assert_eq!(*reader.try_recv().unwrap().unwrap(), [0; 64]);
        let mut part = [0; 10];
        assert_eq!(reader.try_read(&mut part), Ok(10));
        assert_eq!(channel.take_hold(id(&reader)), Some(TakesEffect::Now));
        assert_eq!(reader.missed(), Missed::default());
        let position = reader.stats().position;
        // It has not learned of it, and is in the middle of the second message, which is overwritten.
        assert_eq!(writer.try_send(&[8; 64]), Ok(()));
        assert_eq!(writer.try_send(&[9; 64]), Ok(()));
        let missed = reader.missed();
        assert_eq!((missed.messages, missed.bytes), (1, 54), "before it knows");
        assert_eq!(reader.clone().missed(), missed, "and of its clone");
        assert_eq!(reader.try_recv().unwrap_err(), TryReadError::HoldTaken);
        assert_eq!(reader.missed(), missed, "when it knows");
        assert_eq!(reader.stats().position, position);
        let mut weak = reader.into_weak();
        assert_eq!(weak.missed(), missed, "when it is weak");
        assert!(matches!(weak.try_recv(), Err(TryReadError::Lagged(_))));
        let mut received = 0;
        while let Ok(Some(message)) = weak.try_recv() {
            assert_eq!(*message, [received + 2; 64]);
            received += 1;
        }
        assert_eq!(received, 8);
        assert_eq!(weak.missed(), missed, "in the end");
    }
}

#[test]
fn what_a_reader_lends_is_never_overwritten_and_then_its_hold_is_taken() {
    fn lends(case: impl Fn(&mut StrongReader, &mut dyn FnMut())) {
        for channel in channels(8) {
            let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
            let number = id(&reader);
            assert_eq!(fill(&mut writer, 1), 8);
            let mut asked = 0;
            case(&mut reader, &mut || {
                asked += 1;
                assert_eq!(channel.take_hold(number), Some(TakesEffect::AfterLend));
                assert!(stats(&channel, number).unwrap().strong);
                assert_eq!(fill(&mut writer, 100), 0);
            });
            assert!(asked > 0);
            // The lend has ended, and the reader is stuck outside.
            assert!(!stats(&channel, number).unwrap().strong);
            assert_eq!(channel.take_hold(number), None);
            (0..20).for_each(|_| writer.try_send(&[7; 64]).unwrap());
            assert!(is_taken(&reader.try_recv().unwrap_err().into()));
            let received = reader.stats().payload_bytes / 64;
            let missed = reader.missed().messages;
            assert_eq!(received + missed + 8, 28, "received, missed and unread");
        }
    }
    lends(|reader, ask| {
        let message = reader.try_recv().unwrap().unwrap();
        ask();
        ask();
        assert_eq!(*message, [1; 64]);
    });
    lends(|reader, ask| {
        let messages = reader.try_recv_many(3).unwrap().unwrap();
        ask();
        let first: Vec<u8> = messages.iter().map(|message| message[0]).collect();
        assert_eq!(first, [1, 2, 3]);
    });
    lends(|reader, ask| {
        let lent = reader.try_fill_buf().unwrap();
        ask();
        assert_eq!(lent[..64], [1; 64]);
        reader.consume(64);
    });
    lends(|reader, ask| {
        // A message that is leaked is lent until the next call.
        std::mem::forget(reader.try_recv().unwrap());
        ask();
        assert!(is_taken(&reader.try_recv().unwrap_err().into()));
    });
    lends(|reader, ask| {
        // So are bytes that are not consumed.
        assert!(!reader.try_fill_buf().unwrap().is_empty());
        ask();
        assert!(is_taken(&reader.try_read(&mut [0; 8]).unwrap_err().into()));
    });
}

#[test]
fn what_was_lent_and_seen_can_still_be_consumed() {
    for channel in channels(8) {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        writer.try_send(b"one, two").unwrap();
        writer.try_send(b"three").unwrap();
        assert_eq!(reader.try_fill_buf().unwrap(), b"one, two");
        reader.consume(5);
        // It has the rest in a place of its own, and lends nothing.
        assert_eq!(channel.take_hold(id(&reader)), Some(TakesEffect::Now));
        reader.consume(3);
        let mut weak = reader.into_weak();
        assert_eq!(weak.stats().payload_bytes, 8);
        assert_eq!(*weak.try_recv().unwrap().unwrap(), *b"three");
        assert_eq!(weak.missed(), Missed::default());
    }
}

#[test]
fn the_rest_of_a_message_that_is_skipped_counts_as_read() {
    for channel in channels(8) {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        writer.try_send(b"one, two").unwrap();
        writer.try_send(b"three").unwrap();
        assert_eq!(reader.try_read(&mut [0; 5]), Ok(5));
        assert_eq!(channel.take_hold(id(&reader)), Some(TakesEffect::Now));
        assert_eq!(reader.skip_rest(), 3);
        let mut weak = reader.into_weak();
        assert_eq!(*weak.try_recv().unwrap().unwrap(), *b"three");
        assert_eq!(weak.missed(), Missed::default());
    }
}

#[test]
fn a_reader_that_waits_is_woken_and_fails() {
    for channel in channels(2) {
        let mut reader = channel.new_strong_reader();
        let number = id(&reader);
        let task = Task::parked(async { reader.recv().await.map(drop) });
        assert_eq!(channel.take_hold(number), Some(TakesEffect::Now));
        assert_eq!(task.wakes(), 1);
        assert_eq!(task.result(), Err(ReadError::HoldTaken));
    }
}

#[test]
fn threads_that_wait_are_woken_and_fail() {
    type Wait = fn(StrongReader) -> io::Result<()>;
    let waits: [Wait; 4] = [
        |reader| reader.blocking().read(&mut [0; 8]).map(drop),
        |reader| reader.blocking().fill_buf().map(drop),
        |reader| reader.blocking().recv().map(drop).map_err(Into::into),
        |reader| reader.blocking().recv_many(4).map(drop).map_err(Into::into),
    ];
    within(LIMIT, move || {
        for wait in waits {
            for ends in [false, true] {
                for channel in channels(2) {
                    let reader = channel.new_strong_reader();
                    let number = id(&reader);
                    let thread = thread::spawn(move || wait(reader).unwrap_err());
                    let took = |_: ()| {
                        if ends { channel.end_reader(number) } else { channel.take_hold(number) }
                    };
                    // If the thread is about to look, it learns of it by itself.
                    assert!(took(()).is_some());
                    let error = thread.join().unwrap();
                    if ends {
                        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
                    } else {
                        assert!(is_taken(&error), "{error:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn a_writer_that_waits_is_woken() {
    for after_a_lend in [false, true] {
        for channel in channels(2) {
            let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
            let number = id(&reader);
            assert_eq!(fill(&mut writer, 0), 2);
            let task = Task::parked(writer.send(b"waits"));
            assert_eq!(waiting_writers(&channel), 1);
            if after_a_lend {
                let messages = reader.try_recv_many(1).unwrap();
                assert_eq!(channel.take_hold(number), Some(TakesEffect::AfterLend));
                assert_eq!(task.wakes(), 0);
                // A limit of one: the room of one message is not enough to tell.
                drop(messages);
            } else {
                assert_eq!(channel.take_hold(number), Some(TakesEffect::Now));
            }
            assert_eq!(task.wakes(), 1);
            assert!(task.result().is_ok());
        }
    }
}

#[test]
fn a_thread_that_is_stuck_outside_holds_a_waiting_thread_back_no_longer() {
    within(LIMIT, || {
        for channel in channels(2) {
            let (mut writer, reader) = (channel.new_writer(), channel.new_strong_reader());
            assert_eq!(fill(&mut writer, 0), 2);
            let number = id(&reader);
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            let stuck = thread::spawn(move || {
                let _until_it_may_go_on = stopped.recv();
                every_way_fails(reader, is_taken);
            });
            let waits = thread::spawn(move || writer.blocking().send(b"waits").map(drop));
            until("the writer waits", || waiting_writers(&channel) == 1);
            assert_eq!(channel.take_hold(number), Some(TakesEffect::Now));
            waits.join().unwrap().unwrap();
            drop(stop);
            stuck.join().unwrap();
        }
    });
}

#[test]
fn a_reader_that_is_ended_counts_as_gone_and_fails_as_terminated() {
    for channel in channels(2) {
        let (mut writer, reader) = (channel.new_writer(), channel.new_strong_reader());
        let number = id(&reader);
        assert_eq!(fill(&mut writer, 0), 2);
        assert_eq!(channel.end_reader(number), Some(TakesEffect::Now));
        assert_eq!(stats(&channel, number), None);
        assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (0, 0));
        assert_eq!(channel.end_reader(number), None);
        assert_eq!(channel.take_hold(number), None);
        assert_eq!(fill(&mut writer, 2), 20, "nobody holds it back");
        let clone = reader.clone();
        assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (0, 0));
        for reader in [clone, reader] {
            let reader =
                every_way_fails(reader, |error| error.kind() == io::ErrorKind::ConnectionAborted);
            let mut weak = reader.into_weak();
            assert_eq!(weak.try_recv().unwrap_err(), TryReadError::Terminated);
        }
        assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (0, 0));
    }
}

#[test]
fn a_reader_that_is_ended_while_it_lends_ends_after_that() {
    for channel in channels(2) {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        let number = id(&reader);
        assert_eq!(fill(&mut writer, 0), 2);
        let message = reader.try_recv().unwrap().unwrap();
        assert_eq!(channel.take_hold(number), Some(TakesEffect::AfterLend));
        // Then it is to end.
        assert_eq!(channel.end_reader(number), Some(TakesEffect::AfterLend));
        assert_eq!(*message, [0; 64]);
        drop(message);
        assert_eq!(stats(&channel, number), None);
        assert_eq!(reader.try_recv().unwrap_err(), TryReadError::Terminated);
    }
}

#[test]
fn the_channel_closes_with_its_last_reader_when_that_is_ended() {
    for channel in channels(2) {
        let (mut writer, reader) = (channel.new_writer(), channel.new_strong_reader());
        let other = channel.new_strong_reader();
        assert!(channel.end_reader(id(&reader)).is_some());
        drop(other);
        drop(channel);
        assert_eq!(writer.try_send(b"no"), Err(TrySendError::Closed));
    }
}

#[test]
fn a_clone_of_a_reader_whose_hold_was_taken_has_none() {
    for channel in channels(2) {
        let (mut writer, reader) = (channel.new_writer(), channel.new_strong_reader());
        assert_eq!(fill(&mut writer, 0), 2);
        let before = reader.clone();
        assert!(channel.take_hold(id(&reader)).is_some());
        let clone = reader.clone();
        assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (1, 2));
        assert_eq!(fill(&mut writer, 2), 0, "the clone of before holds");
        drop(before);
        assert_eq!(fill(&mut writer, 2), 20);
        every_way_fails(clone.clone(), is_taken);
        every_way_fails(clone, is_taken);
        every_way_fails(reader, is_taken);
        assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (0, 0));
    }
}

#[test]
fn a_reader_that_turns_strong_again_can_be_taken_again() {
    for channel in channels(2) {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        for _ in 0..10 {
            fill(&mut writer, 0);
            assert_eq!(channel.take_hold(id(&reader)), Some(TakesEffect::Now));
            let mut weak = reader.into_weak();
            while weak.try_recv().map_or_else(|error| error != TryReadError::Empty, |_| true) {}
            reader = weak.into_strong().unwrap();
            assert_eq!((channel.stats().strong_readers, channel.stats().weak_readers), (1, 0));
        }
    }
}

#[test]
fn there_is_no_hold_of_a_weak_reader_or_of_one_that_has_gone() {
    for channel in channels(2) {
        let weak = channel.new_weak_reader();
        let gone = channel.new_strong_reader();
        let mut terminated = channel.new_strong_reader();
        let (gone_id, terminated_id) = (id(&gone), id(&terminated));
        drop(gone);
        terminated.terminate();
        for number in [0, weak.stats().id, gone_id, terminated_id, 99] {
            assert_eq!(channel.take_hold(number), None);
            assert_eq!(channel.end_reader(number), None);
        }
    }
}

#[cfg(feature = "futures")]
#[test]
fn a_stream_ends_with_the_error_and_its_reader_goes_on() {
    use futures::StreamExt;
    for channel in channels(2) {
        let mut writer = channel.new_writer();
        let mut stream = channel.new_strong_reader().into_stream();
        let number = id(stream.get_ref());
        writer.try_send(b"one").unwrap();
        writer.try_send(b"two").unwrap();
        assert_eq!(block_on(stream.next()).unwrap().unwrap().bytes, "one");
        assert_eq!(channel.take_hold(number), Some(TakesEffect::Now));
        assert_eq!(block_on(stream.next()), Some(Err(ReadError::HoldTaken)));
        assert_eq!(block_on(stream.next()), None);
        let mut stream = stream.into_inner().into_weak().into_stream();
        assert_eq!(block_on(stream.next()).unwrap().unwrap().bytes, "two");
    }
}

fn with_last_reader(after_last: AfterLast) -> (Arc<Channel>, Writer, StrongReader) {
    let channel =
        Channel::builder().size(128).after_last_strong_reader(after_last).build().unwrap();
    let (mut writer, reader) = (channel.new_writer(), channel.new_strong_reader());
    assert_eq!(fill(&mut writer, 0), 2);
    (channel, writer, reader)
}

#[test]
fn a_channel_closes_when_its_last_strong_reader_is_ended() {
    let (channel, mut writer, reader) = with_last_reader(AfterLast::Close);
    assert_eq!(channel.end_reader(id(&reader)), Some(TakesEffect::Now));
    assert!(channel.is_closed());
    assert_eq!(writer.try_send(b"no"), Err(TrySendError::Closed));
}

#[test]
fn a_channel_that_waits_keeps_what_the_last_reader_that_is_ended_had_not_read() {
    let (channel, mut writer, mut reader) = with_last_reader(AfterLast::Wait);
    assert_eq!(*reader.try_recv().unwrap().unwrap(), [0; 64]);
    assert_eq!(fill(&mut writer, 2), 1);
    assert_eq!(channel.end_reader(id(&reader)), Some(TakesEffect::Now));
    assert_eq!(fill(&mut writer, 3), 0, "the channel holds it");
    let mut next = channel.new_strong_reader();
    assert_eq!(*next.try_recv().unwrap().unwrap(), [1; 64]);
    drop(reader);
    assert_eq!(*next.try_recv().unwrap().unwrap(), [2; 64]);
}

#[test]
fn a_channel_overwrites_and_counts_that_when_the_hold_of_its_last_strong_reader_is_taken() {
    for after_last in [AfterLast::Close, AfterLast::Wait, AfterLast::Overwrite] {
        let (channel, mut writer, reader) = with_last_reader(after_last);
        assert_eq!(channel.take_hold(id(&reader)), Some(TakesEffect::Now));
        assert_eq!(fill(&mut writer, 2), 20);
        drop(reader);
        assert!(!channel.is_closed());
        assert_eq!(channel.stats().overwritten_slices, 20);
        let _next = channel.new_strong_reader();
        assert_eq!(channel.stats().overwritten_slices, 20);
    }
}

#[test]
fn what_is_peeked_is_lent() {
    for channel in channels(2) {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        assert_eq!(fill(&mut writer, 0), 2);
        let number = id(&reader);
        let peeked = reader.try_peek().unwrap().unwrap();
        assert_eq!(channel.take_hold(number), Some(TakesEffect::AfterLend));
        assert_eq!(fill(&mut writer, 2), 0);
        assert_eq!(*peeked, [0; 64]);
        peeked.consume();
        assert_eq!(fill(&mut writer, 2), 20);
        assert_eq!(reader.try_peek().unwrap_err(), TryReadError::HoldTaken);
        assert_eq!(reader.skip_to(overfall::StartAt::Now).messages, 0);
    }
}

#[test]
fn what_is_peeked_is_lent_no_longer_once_nobody_looks_at_it() {
    for channel in channels(2) {
        for keeps in [false, true] {
            let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
            let number = id(&reader);
            writer.try_send(b"peeked").unwrap();
            let peeked = reader.try_peek().unwrap().unwrap();
            if keeps {
                assert_eq!(channel.take_hold(number), Some(TakesEffect::AfterLend));
            }
            drop(peeked);
            // The reader is stuck outside from here on.
            let took = channel.take_hold(number);
            assert_eq!(took, if keeps { None } else { Some(TakesEffect::Now) });
            assert!(!stats(&channel, number).unwrap().strong);
            let mut weak = reader.into_weak();
            assert_eq!(*weak.try_recv().unwrap().unwrap(), *b"peeked", "it is received once");
            assert_eq!((weak.stats().payload_bytes, weak.missed()), (6, Missed::default()));
        }
    }
}

#[test]
fn a_peek_that_waited_for_the_hold_to_be_taken_wakes_writers_when_it_ends() {
    for channel in channels(2) {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        let number = id(&reader);
        assert_eq!(fill(&mut writer, 0), 2);
        let task = Task::parked(writer.send(b"waits"));
        let peeked = block_on(reader.peek()).unwrap().unwrap();
        assert_eq!(channel.take_hold(number), Some(TakesEffect::AfterLend));
        assert_eq!(task.wakes(), 0);
        drop(peeked);
        assert_eq!(task.wakes(), 1);
        assert!(task.result().is_ok());
    }
}

#[test]
fn to_consume_nothing_ends_the_lend_of_bytes() {
    for channel in channels(2) {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        let number = id(&reader);
        assert_eq!(fill(&mut writer, 0), 2);
        assert!(!reader.try_fill_buf().unwrap().is_empty());
        reader.consume(0);
        assert_eq!(channel.take_hold(number), Some(TakesEffect::Now));
        assert_eq!(reader.stats().payload_bytes, 0);
        // What it has seen counts as read, if it is there still.
        reader.consume(10);
        assert_eq!(reader.stats().payload_bytes, 10);

        let mut reader = channel.new_strong_reader();
        let number = id(&reader);
        assert!(!reader.try_fill_buf().unwrap().is_empty());
        assert_eq!(channel.end_reader(number), Some(TakesEffect::AfterLend));
        reader.consume(0);
        assert_eq!(stats(&channel, number), None, "it took effect");
    }
}

#[test]
fn the_owner_finds_the_reader_that_keeps_writers_back_and_takes_that_one() {
    for channel in channels(4) {
        let mut writer = channel.new_writer();
        let readers = ["first", "stuck", "last"].map(|name| {
            let reader = channel.new_strong_reader();
            reader.set_name(name);
            reader
        });
        let clone = readers[1].clone();
        let [mut first, stuck, mut last] = readers;
        assert_eq!(fill(&mut writer, 0), 4);
        let mut clone = clone;
        for reader in [&mut first, &mut clone, &mut last] {
            assert!(reader.try_recv().unwrap().is_some());
        }
        let stats = channel.stats();
        let slowest = stats.slowest_reader().unwrap();
        assert_eq!((slowest.name.as_deref(), slowest.lag), (Some("stuck"), 256));
        assert_eq!((stats.held_ring_bytes, slowest.id), (256, id(&stuck)));
        assert_eq!(channel.downgrade().take_hold(slowest.id), Some(TakesEffect::Now));
        assert_eq!(channel.stats().held_ring_bytes, 192, "those of the others");
        assert_eq!(channel.stats().strong_readers, 3);
        every_way_fails(stuck, is_taken);
        assert_eq!(writer.try_send(&[4; 64]), Ok(()));
        assert_eq!(writer.try_send(&[5; 64]), Err(TrySendError::Full));
        for mut reader in [first, clone, last] {
            for number in 1..5 {
                assert_eq!(*reader.try_recv().unwrap().unwrap(), [number; 64]);
            }
        }
    }
}

#[test]
fn a_flush_waits_for_a_taken_reader_no_longer() {
    for ends in [false, true] {
        for channel in channels(4) {
            let (mut writer, stuck) = (channel.new_writer(), channel.new_strong_reader());
            let mut other = channel.new_strong_reader();
            let take =
                |number| if ends { channel.end_reader(number) } else { channel.take_hold(number) };
            writer.try_send(b"one").unwrap();
            assert!(other.try_recv().unwrap().is_some());
            let mut task = Task::parked(writer.flushed());
            assert!(task.poll().is_pending());
            assert_eq!(take(id(&stuck)), Some(TakesEffect::Now));
            assert_eq!(task.wakes(), 1);
            assert_eq!(task.result(), Ok(()), "all others have read it");

            writer.try_send(b"two").unwrap();
            let mut task = Task::parked(writer.flushed());
            assert!(task.poll().is_pending());
            assert_eq!(take(id(&other)), Some(TakesEffect::Now));
            assert_eq!(task.wakes(), 1);
            assert_eq!(task.result(), Err(FlushError::Unread), "nobody has");
        }
    }
}

#[test]
fn a_flush_goes_on_behind_a_reader_that_gives_way_after_its_lend() {
    for channel in channels(4) {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        writer.try_send(b"one").unwrap();
        let mut task = Task::parked(writer.flushed());
        assert!(task.poll().is_pending());
        let number = id(&reader);
        let message = reader.try_recv().unwrap();
        assert_eq!(channel.take_hold(number), Some(TakesEffect::AfterLend));
        assert!(task.poll().is_pending());
        drop(message);
        assert_eq!(task.result(), Ok(()), "it was received");
    }
}

#[test]
fn a_flush_waits_for_the_next_reader_where_the_channel_does() {
    let (channel, writer, reader) = with_last_reader(AfterLast::Wait);
    let mut task = Task::parked(writer.flushed());
    assert!(task.poll().is_pending());
    assert_eq!(channel.end_reader(id(&reader)), Some(TakesEffect::Now));
    assert!(task.poll().is_pending());
    let mut next = channel.new_strong_reader();
    while let Ok(Some(message)) = next.try_recv() {
        drop(message);
    }
    assert_eq!(task.result(), Ok(()));
}

#[test]
fn a_flush_fails_where_the_end_of_the_last_reader_ends_the_channel() {
    let (channel, writer, reader) = with_last_reader(AfterLast::Close);
    let mut task = Task::parked(writer.flushed());
    assert!(task.poll().is_pending());
    assert_eq!(channel.end_reader(id(&reader)), Some(TakesEffect::Now));
    assert_eq!(task.result(), Err(FlushError::Unread));
}

#[test]
fn no_writer_is_told_that_it_has_sent_what_nobody_reads_since_the_last_reader_was_ended() {
    within(LIMIT, || {
        for _ in 0..500 {
            let (channel, mut writer, reader) = with_last_reader(AfterLast::Close);
            let number = id(&reader);
            let pushing = thread::spawn(move || {
                loop {
                    match writer.try_send(b"nobody reads this") {
                        Err(TrySendError::Full) => thread::yield_now(),
                        told => return told,
                    }
                }
            });
            // The reader goes at the same time, now and then.
            let going = thread::spawn(move || drop(reader));
            let _ended = channel.end_reader(number);
            going.join().unwrap();
            assert_eq!(pushing.join().unwrap(), Err(TrySendError::Closed));
            let stats = channel.stats();
            assert_eq!((stats.strong_readers, stats.weak_readers), (0, 0));
        }
    });
}

#[test]
fn what_was_given_up_before_a_taken_reader_is_no_gap() {
    // A reader that turns weak by itself, and one whose hold is taken, see and count the same.
    let play = |channel: &Channel, looks: bool, takes: bool| {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
        writer.try_send(b"one").unwrap();
        assert_eq!(reader.try_read(&mut [0; 3]), Ok(3));
        drop(writer.try_reserve(100).unwrap());
        if looks {
            assert_eq!(reader.try_recv().unwrap_err(), TryReadError::Empty);
        }
        writer.try_send(b"two").unwrap();
        let mut weak = if takes {
            assert_eq!(channel.take_hold(id(&reader)), Some(TakesEffect::Now));
            (0..4).for_each(|_| writer.try_send(b"later").unwrap());
            assert_eq!((reader.missed().messages, reader.missed().bytes), (1, 3));
            assert!(is_taken(&reader.try_recv().unwrap_err().into()));
            reader.into_weak()
        } else {
            let weak = reader.into_weak();
            (0..4).for_each(|_| writer.try_send(b"later").unwrap());
            weak
        };
        assert!(matches!(weak.try_recv(), Err(TryReadError::Lagged(_))));
        for _ in 0..4 {
            assert_eq!(*weak.try_recv().unwrap().unwrap(), *b"later");
        }
        assert_eq!(weak.missed().messages, 1);
        let stats = channel.stats();
        (stats.overwritten_slices, stats.overwritten_bytes, weak.stats().position)
    };
    for looks in [false, true] {
        let by_itself: Vec<_> = channels(4).map(|channel| play(&channel, looks, false)).collect();
        let taken: Vec<_> = channels(4).map(|channel| play(&channel, looks, true)).collect();
        assert_eq!(taken, by_itself);
    }
}

#[test]
fn a_reader_that_ends_after_its_lend_wakes_the_writer_that_waits_for_that_room() {
    for after_last in [AfterLast::Wait, AfterLast::Overwrite] {
        let (channel, mut writer, mut reader) = with_last_reader(after_last);
        let number = id(&reader);
        let task = Task::parked(writer.send(b"waits"));
        let message = reader.try_recv().unwrap();
        assert_eq!(channel.end_reader(number), Some(TakesEffect::AfterLend));
        assert_eq!(task.wakes(), 0);
        drop(message);
        assert_eq!(task.wakes(), 1, "{after_last:?}");
        assert!(task.result().is_ok());
    }
}

#[test]
fn the_reader_that_comes_after_one_that_went_with_a_lend_lends_nothing() {
    let lend_bytes =
        |reader: StrongReader| assert_eq!(reader.blocking().fill_buf().unwrap().len(), 64);
    let leak_message = |mut reader: StrongReader| mem::forget(reader.try_recv().unwrap());
    for lend_and_go in [lend_bytes as fn(_), leak_message] {
        let (channel, mut writer, reader) = with_last_reader(AfterLast::Wait);
        lend_and_go(reader);
        let next = channel.new_strong_reader();
        assert_eq!(channel.take_hold(id(&next)), Some(TakesEffect::Now));
        assert_eq!(fill(&mut writer, 2), 20);
    }
}
