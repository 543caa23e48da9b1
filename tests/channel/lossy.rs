//! What becomes of messages for which there is no room: each writer has a say in it.

use futures::channel::oneshot;
use overfall::error::TrySendError;
use overfall::{Backpressure, Channel, Sent, StrongReader, Writer};
use overfall_tests::{LIMIT, Task, waiting_writers, within};
use std::future::{pending, poll_fn, ready};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// A ring of one granule, which is full.
fn full(backpressure: Backpressure) -> (Arc<Channel>, Writer, StrongReader) {
    let channel = Channel::with_parameters(64, backpressure);
    let reader = channel.new_strong_reader();
    channel.new_weak_writer().try_send(b"full").unwrap();
    let writer = channel.new_writer();
    (channel, writer, reader)
}

/// So many messages and bytes were dropped.
fn dropped(writer: &Writer) -> (u64, u64) {
    let stats = writer.stats();
    (stats.dropped_slices, stats.dropped_bytes)
}

#[test]
fn a_writer_drops_while_another_one_waits() {
    let (channel, mut errors, mut reader) = full(Backpressure::Block);
    let mut lines = channel.new_writer();
    lines.set_backpressure(Backpressure::Drop);
    assert_eq!(lines.backpressure(), Backpressure::Drop);
    assert_eq!(errors.backpressure(), Backpressure::Block);
    assert_eq!(channel.backpressure(), Backpressure::Block);
    let mut error = Task::parked(errors.send(b"an error"));
    assert_eq!(Task::new(lines.send(b"a line")).result(), Ok(Sent::Dropped));
    assert_eq!(Task::new(lines.send_many(&[b"lines"])).result(), Ok(Sent::Dropped));
    assert_eq!(dropped(&lines), (2, 11));
    drop(reader.try_recv().unwrap().unwrap());
    assert_eq!(reader.try_recv().unwrap_err(), overfall::error::TryReadError::Empty);
    assert_eq!(error.poll(), Poll::Ready(Ok(Sent::Delivered)));
}

#[test]
fn a_writer_of_a_lossy_channel_waits_if_it_is_told_to() {
    let (channel, mut writer, mut reader) = full(Backpressure::Drop);
    assert_eq!(writer.backpressure(), Backpressure::Drop);
    writer.set_backpressure(Backpressure::Block);
    let mut send = Task::parked(writer.send(b"an error"));
    drop(reader.try_recv().unwrap().unwrap());
    assert!(reader.try_recv().is_err(), "what was received is given back");
    assert_eq!(send.poll(), Poll::Ready(Ok(Sent::Delivered)));
    assert_eq!(channel.stats().dropped_slices, 0);
}

#[test]
fn clones_and_conversions_keep_the_backpressure_of_a_writer() {
    let channel = Channel::new(64);
    let mut writer = channel.new_writer();
    writer.set_backpressure(Backpressure::Drop);
    let clone = writer.clone();
    writer.set_backpressure(Backpressure::Block);
    assert_eq!(clone.backpressure(), Backpressure::Drop);
    let weak = clone.into_weak();
    assert_eq!(
        (weak.backpressure(), weak.clone().backpressure()),
        (Backpressure::Drop, Backpressure::Drop)
    );
    let strong = weak.into_strong();
    assert_eq!(strong.clone().backpressure(), Backpressure::Drop);
    let blocking = strong.blocking();
    assert_eq!(blocking.get_ref().backpressure(), Backpressure::Drop);
    assert_eq!(channel.new_writer().backpressure(), Backpressure::Block, "it was that writer's");
}

#[test]
fn the_bytes_of_a_writer_that_drops_are_dropped_whole() {
    within(LIMIT, || {
        let (channel, mut writer, _reader) = full(Backpressure::Block);
        writer.set_backpressure(Backpressure::Drop);
        let mut writer = writer.blocking();
        std::io::Write::write_all(&mut writer, &[1; 1000]).unwrap();
        assert_eq!(dropped(writer.get_ref()), (1, 1000));
        assert!(writer.reserve(1).is_err(), "nobody waits");
        assert_eq!(waiting_writers(&channel), 0);
    });
}

#[test]
fn a_message_is_given_up_after_a_while_and_counted_once() {
    for backpressure in [Backpressure::Block, Backpressure::Drop] {
        let (channel, mut writer, mut reader) = full(backpressure);
        let (give_up, until) = oneshot::channel::<()>();
        let mut send = Task::parked(writer.send_or_drop(b"in vain", until));
        assert_eq!(waiting_writers(&channel), 1, "it waits, whatever the backpressure");
        assert!(send.poll().is_pending());
        give_up.send(()).unwrap();
        assert!(send.wakes() > 0);
        assert_eq!(send.poll(), Poll::Ready(Ok(Sent::Dropped)));
        drop(send);
        assert_eq!(waiting_writers(&channel), 0);
        assert_eq!(dropped(&writer), (1, 7));
        // Readers are told as of any message that was dropped.
        drop(reader.try_recv().unwrap().unwrap());
        assert!(reader.try_recv().is_err());
        assert_eq!(
            Task::new(writer.send_or_drop(b"after", pending::<()>())).result(),
            Ok(Sent::Delivered)
        );
        let missed = reader.try_recv().unwrap().unwrap().header().missed;
        assert_eq!((missed.messages, missed.bytes), (1, 7));
    }
}

#[test]
fn room_that_comes_in_time_is_taken() {
    for backpressure in [Backpressure::Block, Backpressure::Drop] {
        let (_channel, mut writer, mut reader) = full(backpressure);
        let mut send = Task::parked(writer.send_or_drop(b"in time", pending::<()>()));
        drop(reader.try_recv().unwrap().unwrap());
        assert!(reader.try_recv().is_err());
        assert_eq!(send.wakes(), 1);
        assert_eq!(send.poll(), Poll::Ready(Ok(Sent::Delivered)));
        drop(send);
        assert_eq!(dropped(&writer), (0, 0));
    }
}

#[test]
fn room_comes_before_the_end_of_the_wait_if_both_are_there() {
    let (_channel, mut writer, mut reader) = full(Backpressure::Block);
    let (give_up, until) = oneshot::channel::<()>();
    let mut send = Task::parked(writer.send_or_drop(b"at the last moment", until));
    give_up.send(()).unwrap();
    drop(reader.try_recv().unwrap().unwrap());
    assert!(reader.try_recv().is_err());
    assert_eq!(send.poll(), Poll::Ready(Ok(Sent::Delivered)));
    drop(send);
    drop(reader.try_recv().unwrap().unwrap());
    assert!(reader.try_recv().is_err());
    let unasked = poll_fn(|_| -> Poll<()> { unreachable!("there was room at once") });
    assert_eq!(Task::new(writer.send_or_drop(b"at once", unasked)).result(), Ok(Sent::Delivered));
}

#[test]
fn a_send_that_is_cancelled_counts_nothing() {
    let (channel, mut writer, _reader) = full(Backpressure::Block);
    drop(Task::parked(writer.send_or_drop(b"cancelled", pending::<()>())));
    drop(Task::new(writer.send_or_drop(b"not even begun", ready(()))));
    assert_eq!(waiting_writers(&channel), 0);
    assert_eq!(dropped(&writer), (0, 0));
}

#[test]
fn a_message_that_can_never_be_sent_is_refused_and_not_dropped() {
    use overfall::error::SendError;
    let (channel, mut writer, _reader) = full(Backpressure::Block);
    let too_long = Task::new(writer.send_or_drop(&[0; 65], ready(()))).result();
    assert_eq!(too_long, Err(SendError::TooLong { len: 65, max: 64 }));
    channel.drain().unwrap();
    let closed = Task::new(writer.send_or_drop(b"late", ready(()))).result();
    assert_eq!(closed, Err(SendError::Closed));
    assert_eq!(dropped(&writer), (0, 0));
}

#[test]
fn a_thread_waits_for_a_while_and_then_drops() {
    within(LIMIT, || {
        for backpressure in [Backpressure::Block, Backpressure::Drop] {
            let (channel, writer, mut reader) = full(backpressure);
            let mut writer = writer.blocking();
            for (number, timeout) in [(1, Duration::ZERO), (2, Duration::from_millis(2))] {
                assert_eq!(writer.send_or_drop(b"in vain", timeout).unwrap(), Sent::Dropped);
                assert_eq!(dropped(writer.get_ref()), (number, 7 * number));
                assert_eq!(waiting_writers(&channel), 0);
            }
            let thread = thread::spawn(move || writer.send_or_drop(b"in time", HOUR).unwrap());
            overfall_tests::until("it waits", || waiting_writers(&channel) == 1);
            drop(reader.try_recv().unwrap().unwrap());
            let message = reader.blocking().recv().unwrap().map(|message| message.to_vec());
            assert_eq!(message.as_deref(), Some(&b"in time"[..]));
            assert_eq!(thread.join().unwrap(), Sent::Delivered);
            assert_eq!(channel.stats().dropped_slices, 2);
        }
    });
}

/// What one of two writers got of what it offered.
#[derive(Clone, Copy, Default, Debug)]
struct Share {
    offered: u64,
    delivered: u64,
}

/// In each round one writer sends `small` messages of 64 bytes. In each tenth another one sends a message of
/// `large` bytes. The reader gives back `room` bytes. Tells the shares of both once the ring was full.
fn shares(small: usize, large: usize, room: i64) -> [Share; 2] {
    let channel = Channel::with_parameters(64 * 1024, Backpressure::Drop);
    let mut reader = channel.new_strong_reader();
    let mut writers = [channel.new_writer(), channel.new_writer()];
    let mut shares = [Share::default(); 2];
    let mut unread = 0_i64;
    for round in 0..5000 {
        let mut send = |kind: usize, message: &[u8]| {
            let sent = Task::new(writers[kind].send(message)).result().unwrap();
            if round >= 1000 {
                shares[kind].offered += message.len() as u64;
                shares[kind].delivered +=
                    if sent == Sent::Delivered { message.len() as u64 } else { 0 };
            }
        };
        (0..small).for_each(|_| send(0, &[1; 64]));
        if round % 10 == 0 {
            send(1, &vec![2; large]);
        }
        unread += room;
        while unread > 0 {
            let Ok(Some(message)) = reader.try_recv() else { break };
            unread -= message.len() as i64;
        }
    }
    shares
}

#[test]
fn where_nobody_waits_large_messages_and_small_ones_get_their_share() {
    for (small, large, room) in [
        (20, 20 * 1024, 640),
        (20, 20 * 1024, 128),
        (20, 60 * 1024, 640),
        (20, 64 * 1024, 2000),
        (20, 2 * 1024, 640),
        (20, 2 * 1024, 64),
        (200, 20 * 1024, 6400),
        (200, 512, 6400),
        (100, 3000, 100),
        (2, 20 * 1024, 640),
    ] {
        let shares = shares(small, large, room);
        let part = |share: Share| share.delivered as f64 / share.offered as f64;
        let offered: u64 = shares.iter().map(|share| share.offered).sum();
        let delivered: u64 = shares.iter().map(|share| share.delivered).sum();
        let all = part(Share { offered, delivered });
        for share in shares {
            let part = part(share);
            assert!(part > 0.45 * all, "{part} of {all}: {small}, {large}, {room}: {shares:?}");
        }
    }
}

/// A ring of 16 granules, full of messages of 64 bytes.
struct Full {
    small: Writer,
    /// Its messages, of 256 bytes, are always dropped.
    large: Writer,
    reader: StrongReader,
}

impl Full {
    fn new() -> Self {
        let channel = Channel::with_parameters(1024, Backpressure::Drop);
        let reader = channel.new_strong_reader();
        let [mut small, large] = [(); 2].map(|()| channel.new_writer());
        (0..16).for_each(|_| small.try_send(&[1; 64]).unwrap());
        Self { small, large, reader }
    }

    fn drop_a_large_one(&mut self) {
        assert_eq!(Task::new(self.large.send(&[2; 256])).result(), Ok(Sent::Dropped));
    }

    fn read(&mut self, messages: usize) {
        (0..messages).for_each(|_| drop(self.reader.try_recv().unwrap().unwrap()));
    }

    /// How many small ones are refused, although room for `room` of them was given back. They fit then.
    fn refused(&mut self, room: usize) -> usize {
        let refused = (0..).take_while(|_| self.small.try_send(&[3; 64]).is_err()).count();
        (1..room).for_each(|_| self.small.try_send(&[3; 64]).unwrap());
        assert!(self.small.try_send(&[3; 64]).is_err());
        refused
    }

    /// A writer of large messages that has lost so many that its claims stand for some time.
    fn with_a_claim() -> Self {
        let mut full = Self::new();
        for _ in 0..6 {
            full.drop_a_large_one();
            full.read(3);
            full.refused(3);
        }
        full.drop_a_large_one();
        full
    }
}

#[test]
fn a_message_that_is_dropped_once_claims_nothing() {
    for room in 1..=16 {
        let mut full = Full::new();
        full.drop_a_large_one();
        full.read(room);
        assert_eq!(full.refused(room), 0);
    }
}

#[test]
fn a_claim_of_a_writer_that_does_not_come_lapses_and_the_next_one_stands_for_longer() {
    let mut full = Full::new();
    for expected in [0, 1, 3, 7, 15, 31, 63] {
        full.drop_a_large_one();
        full.read(3);
        assert_eq!(full.refused(3), expected);
    }
    full.drop_a_large_one();
    full.read(4);
    assert_eq!(full.small.try_send(&[3; 64]), Err(TrySendError::Full), "room for the large one");
    let sent = Task::new(full.large.send(&[2; 256])).result();
    assert_eq!(sent, Ok(Sent::Delivered), "and it came");
}

#[test]
fn while_readers_stand_still_a_large_message_that_is_dropped_holds_nobody_up() {
    let mut full = Full::with_a_claim();
    full.read(16);
    // The claim lapses.
    (0..16).for_each(|_| while full.small.try_send(&[3; 64]).is_err() {});
    full.read(8);
    for small in 0..8 {
        assert_eq!(Task::new(full.large.send(&[2; 1024])).result(), Ok(Sent::Dropped));
        assert!(full.small.try_send(&[3; 64]).is_ok(), "{small}");
    }
    full.read(2);
    assert_eq!(full.small.try_send(&[3; 64]), Err(TrySendError::Full), "room for the large one");
}

#[test]
fn a_large_message_holds_up_neither_as_large_ones_nor_writers_that_wait_nor_its_own_writer() {
    for who in 0..3 {
        let mut full = Full::with_a_claim();
        full.read(7);
        assert!(full.small.try_send(&[3; 64]).is_err(), "it leaves the room to the large one");
        let sent = match who {
            0 => Task::new(full.small.send(&[3; 256])).result(),
            1 => {
                full.small.set_backpressure(Backpressure::Block);
                Task::new(full.small.send(&[3; 64])).result()
            }
            _ => Task::new(full.large.send(&[3; 64])).result(),
        };
        assert_eq!(sent, Ok(Sent::Delivered), "{who}");
    }
}

/// It may have had the ring to itself, and not have looked at anything else.
#[test]
fn a_writer_that_is_told_to_drop_from_now_on_leaves_the_room_to_a_large_message() {
    // It looks about now and then, wherever it is told.
    for told_after in 5000..5064 {
        let is_blocking = told_after % 2 == 0;
        let mut full = Full::with_a_claim();
        full.small.set_backpressure(Backpressure::Block);
        full.read(16);
        for _ in 0..told_after {
            full.small.try_send(&[3; 64]).unwrap();
            full.read(1);
        }
        (0..12).for_each(|_| full.small.try_send(&[3; 64]).unwrap());
        if is_blocking {
            let mut small = full.small.blocking();
            small.set_backpressure(Backpressure::Drop);
            full.small = small.into_inner();
        } else {
            full.small.set_backpressure(Backpressure::Drop);
        }
        assert_eq!(full.small.try_send(&[3; 64]), Err(TrySendError::Full), "{told_after}");
    }
}
