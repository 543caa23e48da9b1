//! Situations out of public reports about other channels, each named by the project and its issue or pull
//! request, and told in our words.

use overfall::error::{ReadError, ReserveError, TryReadError, TrySendError};
use overfall::{Backpressure, Channel, pipe};
use overfall_tests::{LIMIT, Task, block_on, counting_waker, within};
use std::io::ErrorKind;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// tokio#2425: a ring of one message, and a sender that goes right after it. The message was taken for
/// one that is missed.
#[test]
fn the_last_message_of_a_ring_of_one_is_received_though_its_writer_is_gone() {
    let channel = Channel::new(64);
    let mut tap = channel.new_weak_reader();
    channel.new_strong_writer().try_send(&[7; 64]).unwrap();
    drop(channel);
    assert_eq!(*tap.try_recv().unwrap().unwrap(), [7; 64]);
    assert!(tap.try_recv().unwrap().is_none());
}

/// rust#76220: a blocking send slept for good when the receiver was dropped by another thread at the
/// wrong moment.
#[test]
fn a_thread_that_waits_for_room_hears_that_the_last_reader_has_gone() {
    within(LIMIT, || {
        for round in 0..2000 {
            let (mut writer, mut reader) = pipe(64);
            writer.try_send(&[1; 64]).unwrap();
            let sending = thread::spawn(move || writer.blocking().send(&[2; 64]).map(drop));
            if round % 2 == 0 {
                reader.terminate();
            }
            drop(reader);
            // It is not let in by the room that the reader leaves behind.
            assert!(sending.join().unwrap().is_err());
        }
    });
}

/// diem#4479: the last sender woke the receiver first, and was counted out only then, so that the
/// receiver went to sleep again for good.
#[test]
fn a_reader_that_waits_hears_that_the_last_writer_has_gone() {
    within(LIMIT, || {
        for _ in 0..2000 {
            let (writer, mut reader) = pipe(64);
            let another = writer.clone();
            let waiting = thread::spawn(move || block_on(reader.recv()).unwrap().is_none());
            let dropping = thread::spawn(move || drop(another));
            drop(writer);
            assert!(waiting.join().unwrap());
            dropping.join().unwrap();
        }
    });
}

/// futures-intrusive#18: a future kept the waker of its first poll, and was polled by another task later.
#[test]
fn the_last_task_that_polled_is_woken() {
    let (mut writer, mut reader) = pipe(64);
    let [first, last] = [(); 2].map(|()| counting_waker());
    let mut recv = Task::new(reader.recv());
    assert!(recv.poll_with(&first.1).is_pending());
    assert!(recv.poll_with(&last.1).is_pending());
    writer.try_send(&[1; 64]).unwrap();
    assert_eq!((first.0.count(), last.0.count()), (0, 1));
    assert!(recv.poll_with(&last.1).is_ready());
    drop(recv);

    writer.try_send(&[2; 64]).unwrap();
    let mut send = Task::new(writer.send(&[3; 64]));
    assert!(send.poll_with(&first.1).is_pending());
    assert!(send.poll_with(&last.1).is_pending());
    drop(reader.try_recv().unwrap().unwrap());
    assert_eq!((first.0.count(), last.0.count()), (0, 2));
}

/// two-lock-queue#3 and crossbeam#1280: a time that is up already was looked at before the channel was.
#[test]
fn a_time_that_is_up_still_gets_what_is_there() {
    let (writer, reader) = pipe(128);
    let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
    let past = Instant::now();
    writer.send_timeout(&[1; 64], Duration::ZERO).unwrap();
    writer.send_deadline(&[2; 64], past).unwrap();
    assert_eq!(*reader.recv_timeout(Duration::ZERO).unwrap().unwrap(), [1; 64]);
    assert_eq!(*reader.recv_deadline(past).unwrap().unwrap(), [2; 64]);
    assert!(reader.recv_timeout(Duration::ZERO).is_err(), "nothing is there");
    drop(writer);
    assert!(reader.recv_timeout(Duration::ZERO).unwrap().is_none(), "and this is the end");
}

/// TooManyCooks#219 and aiochannel#19: of several that waited for a channel to close, only as many were
/// woken as there were items.
#[test]
fn all_who_wait_hear_that_the_channel_drains() {
    let channel = Channel::new(64);
    let mut writer = channel.new_writer();
    let mut readers: Vec<_> = (0..20).map(|_| channel.new_strong_reader()).collect();
    let mut waiting: Vec<_> =
        readers.iter_mut().map(|reader| Task::parked(reader.recv())).collect();
    writer.try_send(b"one").unwrap();
    for task in &mut waiting {
        let Poll::Ready(Ok(Some(message))) = task.poll() else { panic!("it is there") };
        assert_eq!(*message, *b"one");
    }
    drop(waiting);
    let mut waiting: Vec<_> =
        readers.iter_mut().map(|reader| Task::parked(reader.recv())).collect();
    channel.drain().unwrap();
    for task in &mut waiting {
        assert_eq!(task.wakes(), 1);
        assert!(matches!(task.poll(), Poll::Ready(Ok(None))));
    }
}

/// asio#1318: closing cancelled the receives that waited, and not the sends.
#[test]
fn all_who_wait_for_room_hear_that_the_channel_drains() {
    let channel = Channel::new(64);
    let _reader = channel.new_strong_reader();
    let mut writers: Vec<_> = (0..20).map(|_| channel.new_writer()).collect();
    writers[0].try_send(b"full").unwrap();
    let mut waiting: Vec<_> =
        writers.iter_mut().map(|writer| Task::parked(writer.send(b"more"))).collect();
    channel.drain().unwrap();
    for task in &mut waiting {
        assert_eq!(task.wakes(), 1);
        assert!(matches!(task.poll(), Poll::Ready(Err(_))));
    }
}

/// tokio#8260: a reservation that waited when its channel closed, and was dropped then, left the receiver
/// asleep.
#[test]
fn a_reservation_that_is_given_up_on_a_closed_channel_leaves_no_reader_asleep() {
    for gives_up_first in [false, true] {
        let (mut writer, mut reader) = pipe(256);
        let mut other = writer.clone();
        writer.try_send(&[1; 192]).unwrap();
        let held = other.try_reserve(64).unwrap();
        drop(reader.try_recv().unwrap().unwrap());
        let mut reserve = Task::parked(writer.reserve(256));
        let mut recv = Task::parked(reader.recv());
        if gives_up_first {
            drop(reserve);
            drop(held);
        } else {
            drop(held);
            // There is room for it now, and the reader has stepped over what was given up.
            assert!(recv.poll().is_pending());
            assert!(matches!(reserve.poll(), Poll::Ready(Ok(_)) | Poll::Pending));
            drop(reserve);
        }
        drop((writer, other));
        assert!(recv.wakes() > 0);
        assert!(matches!(recv.poll(), Poll::Ready(Ok(None))));
    }
}

/// tokio#6602: every 32nd message, an empty channel said that something was there.
#[test]
fn a_reader_that_has_read_all_is_told_so_after_each_message() {
    let channel = Channel::new(4096);
    let mut writer = channel.new_writer();
    let mut readers =
        [channel.new_strong_reader().into(), overfall::Reader::from(channel.new_weak_reader())];
    for number in 0..1000_u32 {
        writer.try_send(&number.to_le_bytes()).unwrap();
        for reader in &mut readers {
            assert_eq!(*reader.try_recv().unwrap().unwrap(), number.to_le_bytes());
            assert_eq!(reader.stats().lag, 0);
            assert!(matches!(reader.try_recv(), Err(TryReadError::Empty)));
        }
    }
}

/// AtomicRing#4: a reader that was lapped in the middle of a copy was given the halves of two messages.
/// bus-queue#26: or the newest one in place of the oldest, and then older ones.
#[test]
fn a_reader_that_is_lapped_sees_whole_messages_in_their_order() {
    within(LIMIT, || {
        for messages in [1, 2, 3] {
            let channel = Channel::new(messages * 128);
            let (mut writer, mut tap) = (channel.new_writer(), channel.new_weak_reader());
            tap.set_silent(true);
            let writing = thread::spawn(move || {
                for number in 1..=100_000_u64 {
                    let message = [number; 16].map(u64::to_le_bytes).concat();
                    writer.try_send(&message).unwrap();
                }
            });
            drop(channel);
            let (mut last, mut received) = (0, 0);
            while let Some(message) = block_on(tap.recv()).unwrap() {
                let words = words(&message);
                assert!(words.iter().all(|&word| word == words[0]), "torn: {words:?}");
                assert!(words[0] > last, "{} after {last}", words[0]);
                (last, received) = (words[0], received + 1);
            }
            writing.join().unwrap();
            assert_eq!(last, 100_000);
            assert_eq!(received + tap.missed().messages, 100_000);
        }
    });
}

fn words(message: &[u8]) -> Vec<u64> {
    message.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

/// with#1000: a receive told "nothing there yet" and "the end" alike, and a send to a full channel told
/// nothing.
#[test]
fn nothing_yet_is_not_the_end_and_full_is_not_sent() {
    let (mut writer, mut reader) = pipe(64);
    assert!(matches!(reader.try_recv(), Err(TryReadError::Empty)));
    writer.try_send(b"one").unwrap();
    assert_eq!(writer.try_send(b"two"), Err(TrySendError::Full));
    drop(writer);
    assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"one");
    assert!(reader.try_recv().unwrap().is_none());
}

/// frequenz-channels-python#503: a send that failed had reached some receivers all the same.
#[test]
fn what_a_send_failed_with_reaches_nobody() {
    for backpressure in [Backpressure::Block, Backpressure::Drop] {
        let channel = Channel::with_parameters(128, backpressure);
        let (mut quick, slow) = (channel.new_strong_reader(), channel.new_strong_reader());
        let mut tap = channel.new_weak_reader();
        let mut writer = channel.new_writer();
        writer.try_send(&[1; 128]).unwrap();
        assert_eq!(*quick.try_recv().unwrap().unwrap(), [1; 128]);
        assert_eq!(*tap.try_recv().unwrap().unwrap(), [1; 128]);
        assert_eq!(writer.try_send(&[2; 64]), Err(TrySendError::Full));
        channel.drain().unwrap();
        assert_eq!(writer.try_send(&[3; 64]), Err(TrySendError::Closed));
        assert!(matches!(Task::new(writer.reserve(1)).result(), Err(ReserveError::Closed)));
        assert!(quick.try_recv().unwrap().is_none());
        assert!(tap.try_recv().unwrap().is_none());
        drop(slow);
    }
}

/// async-channel and others: a receive after the end must go on to be the end, for io and for messages.
#[test]
fn an_end_stays_the_end_whatever_is_asked() {
    let (writer, reader) = pipe(64);
    let mut again = reader.clone();
    drop(writer);
    let mut reader = reader.blocking();
    for _ in 0..3 {
        assert_eq!(std::io::Read::read(&mut reader, &mut [0; 8]).unwrap(), 0);
        assert!(reader.recv().unwrap().is_none());
        assert!(matches!(Task::new(again.recv()).result(), Ok(None)));
    }
    again.terminate();
    assert!(matches!(Task::new(again.recv()).result(), Err(ReadError::Terminated)));
    let error = std::io::Error::from(ReadError::Terminated);
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
}
