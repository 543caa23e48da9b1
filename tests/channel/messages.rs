//! Messages: whole, in order, with what is known of them.

use overfall::error::{SendError, TryReadError, TrySendError};
use overfall::{Backpressure, Channel, Joiner, Message, Reader, Sent, StartAt, StrongReader, pipe};
use overfall_tests::{LIMIT, Task, block_on, overwriting, until, within};
use std::io::{IoSlice, Write};
use std::thread;

#[test]
fn a_message_comes_back_whole_with_who_sent_it() {
    let channel = overwriting(4096);
    let (mut first, mut second) = (channel.new_strong_writer(), channel.new_weak_writer());
    let readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    first.try_send(b"one").unwrap();
    second.try_send(&[7; 1000]).unwrap();
    first.try_send(b"").unwrap();
    first.try_send(b"three").unwrap();
    for mut reader in readers {
        let mut expect = |bytes: &[u8], writer, sequence, position| {
            let message = reader.try_recv().unwrap().unwrap();
            assert_eq!(*message, *bytes);
            assert_eq!(message.as_ptr() as usize % 64, 0);
            let header = message.header();
            assert_eq!((header.writer, header.sequence), (writer, sequence));
            assert_eq!((header.position, header.len as usize), (position, bytes.len()));
            assert!(header.missed.is_none() && !header.continues && !header.is_continued);
        };
        expect(b"one", first.id(), 0, 0);
        expect(&[7; 1000], second.id(), 0, 64);
        expect(b"", first.id(), 1, 64 + 1024);
        expect(b"three", first.id(), 2, 128 + 1024);
        assert_eq!(reader.try_recv().unwrap_err(), TryReadError::Empty);
    }
}

#[test]
fn readers_of_bytes_see_nothing_of_an_empty_message() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_strong_writer();
    let mut readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    for message in [&b""[..], b"ab", b"", b"", b"cd", b""] {
        writer.try_send(message).unwrap();
    }
    for reader in &mut readers {
        let mut bytes = Vec::new();
        let mut buffer = [0; 3];
        while let Ok(read) = reader.try_read(&mut buffer) {
            assert_ne!(read, 0);
            bytes.extend_from_slice(&buffer[..read]);
        }
        assert_eq!(bytes, b"abcd");
    }
}

#[test]
fn a_lent_message_holds_its_room_until_it_is_dropped() {
    let (mut writer, mut reader) = pipe(1024);
    writer.try_send(&[1; 1024]).unwrap();
    let message = reader.try_recv().unwrap().unwrap();
    assert_eq!(writer.try_send(b"more"), Err(TrySendError::Full));
    assert_eq!(*message, [1; 1024]);
    drop(message);
    writer.try_send(&[2; 1024]).unwrap();
    // A leaked one goes with the next operation.
    std::mem::forget(reader.try_recv().unwrap());
    assert_eq!(writer.try_send(b"more"), Err(TrySendError::Full));
    assert_eq!(reader.try_recv().unwrap_err(), TryReadError::Empty);
    writer.try_send(b"more").unwrap();
}

#[test]
fn too_long_a_message_is_an_error_that_names_the_longest() {
    let (mut writer, mut reader) = pipe(1024);
    let error = writer.try_send(&[0; 1025]).unwrap_err();
    assert_eq!(error, TrySendError::TooLong { len: 1025, max: 1024 });
    assert!(error.to_string().contains("1024"), "{error}");
    let error = block_on(writer.send(&[0; 1025])).unwrap_err();
    assert_eq!(error, SendError::TooLong { len: 1025, max: 1024 });
    let many: Vec<&[u8]> = vec![b"x"; 17];
    let error = writer.try_send_many(&many).unwrap_err();
    assert_eq!(error, TrySendError::TooLong { len: 17 * 64, max: 1024 });
    writer.try_send_many(&many[..16]).unwrap();
    assert_eq!(reader.try_recv_many(100).unwrap().unwrap().len(), 16);
}

#[test]
fn a_batch_comes_and_goes_as_one() {
    let channel = Channel::new(4096);
    let mut writer = channel.new_strong_writer();
    let mut reader = channel.new_strong_reader();
    let mut tap = channel.new_weak_reader();
    let batch: [&[u8]; 4] = [b"a", b"", &[3; 100], b"d"];
    let task = Task::parked(reader.recv_many(10));
    writer.try_send_many(&batch).unwrap();
    assert_eq!(task.wakes(), 1);
    let messages = task.result().unwrap().unwrap();
    assert_eq!(messages.len(), 4);
    for (number, message) in messages.iter().enumerate() {
        assert_eq!(*message, *batch[number]);
        assert_eq!(message.header().sequence, number as u64);
        assert_eq!(message.as_ptr() as usize % 64, 0);
    }
    assert_eq!(channel.stats().readers.iter().filter(|reader| reader.lag > 0).count(), 2);
    drop(messages);
    let owned = |message: Message<'_>| message.to_vec();
    let copies: Vec<_> = tap.try_recv_many(3).unwrap().unwrap().iter().map(owned).collect();
    assert_eq!(copies, batch[..3]);
    assert_eq!(tap.try_recv_many(3).unwrap().unwrap().len(), 1);
    assert_eq!(tap.try_recv_many(3).unwrap_err(), TryReadError::Empty);
    assert_eq!(reader.try_recv_many(3).unwrap_err(), TryReadError::Empty);
}

#[test]
fn the_bytes_of_a_batch_are_written_at_once() {
    let channel = Channel::new(4096);
    let mut writer = channel.new_strong_writer();
    let readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    writer.try_send_many(&["a", "", "bcd"]).unwrap();
    for mut reader in readers {
        let messages = reader.try_recv_many(10).unwrap().unwrap();
        let slices: Vec<_> = messages.bytes().map(IoSlice::new).collect();
        let mut written = Vec::new();
        assert_eq!(written.write_vectored(&slices).unwrap(), 4);
        assert_eq!(written, b"abcd");
    }
}

#[test]
fn what_is_left_of_a_message_is_received_or_skipped() {
    let channel = Channel::new(4096);
    let mut writer = channel.new_strong_writer();
    let readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    for message in [&b"abcdef"[..], b"ghi", b"jkl"] {
        writer.try_send(message).unwrap();
    }
    for mut reader in readers {
        assert_eq!(reader.skip_rest(), 0);
        assert_eq!(reader.try_read(&mut [0; 4]).unwrap(), 4);
        let message = reader.try_recv().unwrap().unwrap();
        assert_eq!(*message, *b"ef");
        assert_eq!((message.header().position, message.header().len), (4, 2));
        drop(message);
        assert_eq!(reader.try_read(&mut [0; 1]).unwrap(), 1);
        assert_eq!(reader.skip_rest(), 2);
        assert_eq!(reader.skip_rest(), 0);
        assert_eq!(*reader.try_recv().unwrap().unwrap(), *b"jkl");
        assert_eq!(reader.stats().payload_bytes, 12);
        assert!(reader.missed().is_none());
    }
}

#[test]
fn a_gap_is_told_once_and_each_writer_tells_what_was_missed_of_it() {
    let channel = Channel::new(1024);
    let mut tap = channel.new_weak_reader();
    let mut writers = [channel.new_strong_writer(), channel.new_strong_writer()];
    for number in 0..20 {
        writers[number % 2].try_send(&vec![0; number]).unwrap();
    }
    // 16 slices of 64 bytes are left.
    let Err(TryReadError::Lagged(lagged)) = tap.try_recv() else { panic!("no gap") };
    assert_eq!(lagged.ring_bytes, 4 * 64);
    // Of the writer of the next message, and no other.
    assert_eq!((lagged.messages_at_least, lagged.bytes_at_least), (2, 2));
    let first = tap.try_recv().unwrap().unwrap().header();
    assert_eq!((first.writer, first.sequence), (writers[0].id(), 2));
    assert_eq!((first.missed.messages, first.missed.bytes), (2, 2));
    let second = tap.try_recv().unwrap().unwrap().header();
    assert_eq!((second.missed.messages, second.missed.bytes), (2, 4));
    let mut buffer = b"before ".to_vec();
    let third = tap.try_recv_into(&mut buffer).unwrap().unwrap();
    assert!(third.missed.is_none());
    assert_eq!(buffer.len(), 7 + 6);
    let by_writer: Vec<_> =
        tap.missed_by_writer().map(|(id, missed)| (id, missed.messages, missed.bytes)).collect();
    assert_eq!(by_writer, [(writers[0].id(), 2, 2), (writers[1].id(), 2, 4)]);
    assert_eq!((tap.missed().messages, tap.missed().bytes), (4, 6));
}

#[test]
fn a_strong_reader_learns_what_a_lossy_writer_dropped() {
    let channel = Channel::with_parameters(128, Backpressure::Drop);
    let mut reader = channel.new_strong_reader();
    let mut writer = channel.new_strong_writer();
    for (length, sent) in [1, 2, 3, 4].into_iter().zip([true, true, false, false]) {
        let expected = if sent { Sent::Delivered } else { Sent::Dropped };
        assert_eq!(block_on(writer.send(&vec![0; length])), Ok(expected));
    }
    assert_eq!(writer.stats().dropped_slices, 2);
    assert_eq!(reader.try_recv().unwrap().unwrap().len(), 1);
    assert_eq!(reader.try_recv().unwrap().unwrap().len(), 2);
    assert_eq!(block_on(writer.send(b"after")), Ok(Sent::Delivered));
    let header = reader.try_recv().unwrap().unwrap().header();
    assert_eq!(header.sequence, 4);
    assert_eq!((header.missed.messages, header.missed.bytes), (2, 7));
}

#[test]
fn a_name_is_found_while_there_are_messages_of_its_writer() {
    let channel = Channel::new(128);
    let mut writer = channel.new_strong_writer();
    let (id, reader) = (writer.id(), channel.new_weak_reader());
    assert_eq!(channel.writer_name(id), None);
    writer.set_name("first");
    writer.set_name(String::from("sensor"));
    writer.try_send(b"x").unwrap();
    let other = writer.clone();
    assert_eq!(channel.writer_name(other.id()), None);
    drop(writer);
    assert_eq!(reader.writer_name(id).as_deref(), Some("sensor"));
    let mut other = other;
    other.try_send(b"x").unwrap();
    channel.new_strong_writer().set_name("somebody");
    assert_eq!(channel.writer_name(id).as_deref(), Some("sensor"));
    other.try_send(b"x").unwrap();
    other.set_name("other");
    assert_eq!(channel.writer_name(id), None);
    assert_eq!(channel.writer_name(other.id()).as_deref(), Some("other"));
}

#[test]
fn pieces_of_long_writes_are_joined_while_others_come_between() {
    let channel = Channel::new(1024);
    let mut reader = channel.new_strong_reader();
    let mut writers = [1, 2].map(|_| channel.new_strong_writer().blocking());
    let mut joiner = Joiner::new();
    let mut joined: Vec<Vec<u8>> = Vec::new();
    let long = [vec![1; 3000], vec![2; 2000]];
    let mut left = [&long[0][..], &long[1]];
    while !left.iter().all(|left| left.is_empty()) {
        for (writer, left) in writers.iter_mut().zip(&mut left) {
            if let Ok(written) = writer.get_mut().try_write(left) {
                *left = &left[written..];
            }
        }
        while let Ok(Some(message)) = reader.try_recv() {
            joined.extend(joiner.join(&message).map(|whole| whole.to_vec()));
        }
    }
    writers[0].write_all(b"short").unwrap();
    while let Ok(Some(message)) = reader.try_recv() {
        joined.extend(joiner.join(&message).map(|whole| whole.to_vec()));
    }
    joined.sort();
    assert!(joined == [&long[0][..], &long[1], b"short"]);
    assert!(joiner.left_out().is_none());
}

#[test]
fn pieces_of_a_write_that_is_not_whole_are_left_out() {
    let channel = Channel::new(1024);
    let mut tap = channel.new_weak_reader();
    tap.set_silent(true);
    let mut writer = channel.new_strong_writer().blocking();
    let mut joiner = Joiner::new();
    let mut left = &[1; 3000][..];
    left = &left[writer.write(left).unwrap()..];
    assert!(joiner.join(&tap.try_recv().unwrap().unwrap()).is_none());
    // The tap is overrun in the middle of it.
    writer.write_all(left).unwrap();
    while let Ok(Some(message)) = tap.try_recv() {
        assert!(joiner.join(&message).is_none());
    }
    let missed = tap.missed();
    assert!(missed.bytes > 0);
    assert_eq!(joiner.left_out().bytes, 3000 - missed.bytes);
    writer.write_all(b"short").unwrap();
    let message = tap.try_recv().unwrap().unwrap();
    assert_eq!(**joiner.join(&message).as_ref().unwrap(), *b"short");
    assert!(joiner.finish().is_empty());
}

#[test]
fn the_next_piece_is_joined_although_padding_came_before_it() {
    // Alone for long, and then one granule before the end of a lap: the next piece takes the padding,
    // finds no room, and must not take the quick way after that.
    let alone: u64 = if cfg!(debug_assertions) { 8 } else { 1024 };
    let start = (0..16).map(|granule| granule * 64);
    for start in start {
        let channel = Channel::builder().size(1024).start_position(start).build().unwrap();
        let mut writer = channel.new_strong_writer();
        (0..alone + 3).for_each(|_| assert_eq!(writer.try_write(b"x"), Ok(1)));
        writer.try_write(&[0; 208]).unwrap();
        let mut reader = channel.new_strong_reader_at(StartAt::Now);
        writer.try_write(b"x").unwrap();
        let long = [1; 1025];
        assert_eq!(writer.try_write(&long), Ok(256));
        let mut joiner = Joiner::new();
        let mut joined = 0;
        let mut receive = |reader: &mut StrongReader| {
            while let Ok(Some(message)) = reader.try_recv() {
                joined = joiner.join(&message).map_or(joined, |whole| whole.len());
            }
        };
        while writer.try_write(&long[256..]).is_err() {
            receive(&mut reader);
        }
        receive(&mut reader);
        assert_eq!(joined, 1025, "started at {start}");
    }
}

#[test]
fn a_message_in_the_middle_of_a_write_is_no_piece_of_it() {
    let (mut writer, mut reader) = pipe(1024);
    let mut joiner = Joiner::new();
    writer.try_write(&[1; 3000]).unwrap();
    writer.try_send(b"message").unwrap();
    writer.try_write(b"rest").unwrap();
    let mut joined = Vec::new();
    while let Ok(Some(message)) = reader.try_recv() {
        joined.extend(joiner.join(&message).map(|whole| whole.to_vec()));
    }
    assert_eq!(joined, [&b"message"[..], b"rest"]);
    assert_eq!((joiner.left_out().messages, joiner.left_out().bytes), (1, 256));
}

#[test]
fn the_last_piece_is_joined_of_a_writer_that_has_gone_meanwhile() {
    let channel = Channel::new(1024);
    let mut reader = channel.new_strong_reader();
    let mut joiner = Joiner::new();
    let long = [1; 1100];
    let mut last = None;
    // So many that the joiner looks who has gone, and more.
    for count in 0..130 {
        // The last piece is almost as long as the ring. The first one comes at the end of a lap, so that
        // both have room beside the message between them.
        let filler = vec![0; if count == 0 { 768 } else { 512 }];
        channel.new_writer().try_send(&filler).unwrap();
        assert!(joiner.join(&reader.try_recv().unwrap().unwrap()).is_some());
        let mut writer = channel.new_writer();
        assert_eq!(writer.try_write(&long), Ok(256));
        assert!(joiner.join(&reader.try_recv().unwrap().unwrap()).is_none());
        // It looks at the message between the two pieces.
        channel.new_writer().try_send(b"between").unwrap();
        assert_eq!(writer.try_write(&long[256..]), Ok(844));
        if count % 2 == 0 {
            last = Some(writer);
        } else {
            drop(writer);
        }
        let between = reader.try_recv().unwrap().unwrap();
        assert_eq!(**joiner.join(&between).as_ref().unwrap(), *b"between");
        drop(between);
        let message = reader.try_recv().unwrap().unwrap();
        assert_eq!(joiner.join(&message).map(|whole| whole.len()), Some(1100));
        drop(message);
        // And one that stops half-way.
        assert_eq!(channel.new_writer().try_write(&long), Ok(256));
        assert!(joiner.join(&reader.try_recv().unwrap().unwrap()).is_none());
    }
    drop(last);
    let left: u64 = joiner.finish().iter().map(|(_, missed)| missed.messages).sum();
    assert!(left < 130, "some were forgotten before");
    assert_eq!((joiner.left_out().messages, joiner.left_out().bytes), (130, 130 * 256));
}

#[test]
fn a_joiner_notices_a_piece_that_was_read_as_bytes() {
    let long = [1; 1500];
    // All of its second piece, or a part, be it whole granules.
    for read in [256, 100, 128] {
        let (mut writer, mut reader) = pipe(1024);
        let mut joiner = Joiner::new();
        let mut write = |written| writer.try_write(&long[written..]);
        assert_eq!([write(0), write(256)], [Ok(256); 2]);
        assert!(joiner.join(&reader.try_recv().unwrap().unwrap()).is_none());
        assert_eq!(reader.try_read(&mut [0; 256][..read]), Ok(read));
        if let Ok(Some(rest)) = reader.try_recv() {
            assert!(joiner.join(&rest).is_none());
        }
        assert_eq!(write(512), Ok(988));
        assert!(joiner.join(&reader.try_recv().unwrap().unwrap()).is_none());
        assert_eq!(joiner.left_out().bytes, 1500 - read as u64);
        writer.try_write(&long[..100]).unwrap();
        // Half a message is none.
        assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
        assert!(joiner.join(&reader.try_recv().unwrap().unwrap()).is_none());
        assert_eq!(joiner.left_out().bytes, 1536 - read as u64);
    }
}

#[test]
fn names_of_writers_that_sent_nothing_are_forgotten() {
    let channel = Channel::with_parameters(64, Backpressure::Drop);
    let _reader = channel.new_strong_reader();
    channel.new_strong_writer().try_send(b"full").unwrap();
    for _ in 0..10 {
        let mut writer = channel.new_strong_writer();
        let id = writer.id();
        writer.set_name("dropped");
        block_on(writer.send(b"dropped")).unwrap();
        assert_eq!(channel.writer_name(id).as_deref(), Some("dropped"));
        drop(writer);
        assert_eq!(channel.writer_name(id), None);
    }
}

#[test]
fn a_batch_of_a_weak_reader_ends_although_there_is_always_more() {
    const SIZE: usize = 1 << 16;
    within(LIMIT, || {
        let channel = Channel::new(SIZE);
        let mut tap = channel.new_weak_reader();
        let mut writer = channel.new_strong_writer();
        let sender = channel.clone();
        let sending = thread::spawn(move || {
            // Keeps ahead of the reader, and never overruns it.
            while !sender.is_closed() {
                if sender.stats().readers[0].lag < SIZE as u64 / 2 {
                    let batch = [&b"message"[..]; 256];
                    let _closed_meanwhile = writer.try_send_many(&batch);
                }
            }
        });
        for _ in 0..50 {
            until("the writer is ahead", || tap.stats().lag >= SIZE as u64 / 2);
            let messages = tap.try_recv_many(usize::MAX).unwrap().unwrap();
            assert!(messages.len() <= SIZE / 64, "{}", messages.len());
        }
        channel.terminate();
        sending.join().unwrap();
    });
}

#[test]
fn whatever_lends_its_bytes_can_be_sent() {
    let (mut writer, mut reader) = pipe(4096);
    writer.try_send("text").unwrap();
    writer.try_send(String::from("owned")).unwrap();
    writer.try_send(vec![1, 2]).unwrap();
    writer.try_send([3; 64]).unwrap();
    writer.try_send(bytes::Bytes::from("shared")).unwrap();
    let boxed: Box<[u8]> = vec![4].into();
    Task::new(writer.send(&boxed)).result().unwrap();
    Task::new(writer.send_or_drop("later", std::future::pending::<()>())).result().unwrap();
    writer.try_send_many(&[vec![5], vec![], vec![6, 7]]).unwrap();
    Task::new(writer.send_many(&[[8; 2], [9; 2]])).result().unwrap();
    let mut writer = writer.blocking();
    writer.send("blocking").unwrap();
    writer.send_timeout("in time", LIMIT).unwrap();
    writer.send_deadline(vec![10], std::time::Instant::now()).unwrap();
    writer.send_or_drop([11], LIMIT).unwrap();
    writer.send_many(&[bytes::Bytes::from("a"), bytes::Bytes::from("bc")]).unwrap();
    drop(writer);
    let mut all = Vec::new();
    while let Some(message) = reader.try_recv().unwrap() {
        all.push(message.to_vec());
    }
    let expected: &[&[u8]] = &[
        b"text",
        b"owned",
        &[1, 2],
        &[3; 64],
        b"shared",
        &[4],
        b"later",
        &[5],
        &[],
        &[6, 7],
        &[8; 2],
        &[9; 2],
        b"blocking",
        b"in time",
        &[10],
        &[11],
        b"a",
        b"bc",
    ];
    assert_eq!(all, expected);
}

#[test]
fn messages_compare_with_bytes_of_every_form_both_ways() {
    let (mut writer, mut reader) = pipe(4096);
    writer.try_send("abc").unwrap();
    let message = reader.try_recv().unwrap().unwrap();
    assert_eq!(message, *b"abc");
    assert_eq!(message, b"abc");
    assert_eq!(message, b"abc"[..]);
    assert_eq!(message, &b"abc"[..]);
    assert_eq!(message, b"abc".to_vec());
    assert_eq!(*b"abc", message);
    assert_eq!(b"abc", message);
    assert_eq!(b"abc"[..], message);
    assert_eq!(&b"abc"[..], message);
    assert_eq!(b"abc".to_vec(), message);
    assert_ne!(message, b"abd");
    assert_ne!(message, b"ab");
    let joined = Joiner::new().join(&message).unwrap();
    assert_eq!(joined, b"abc");
    assert_eq!(b"abc".to_vec(), joined);
    assert_eq!(AsRef::<[u8]>::as_ref(&joined), b"abc");
}

/// What lends its bytes is code of others.
#[test]
fn a_batch_whose_bytes_panic_or_change_is_given_up_as_a_whole() {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    struct Moody(Cell<u32>, fn(u32) -> &'static [u8]);
    impl AsRef<[u8]> for Moody {
        fn as_ref(&self) -> &[u8] {
            self.0.set(self.0.get() + 1);
            self.1(self.0.get())
        }
    }
    let moods: [fn(u32) -> &'static [u8]; 3] = [
        |call| if call == 1 { b"x" } else { panic!("on purpose") },
        |call| if call == 1 { b"x" } else { &[1; 65] },
        |call| if call == 1 { &[1; 65] } else { b"x" },
    ];
    for mood in moods {
        let (mut writer, mut reader) = pipe(1024);
        let batch = [Moody(Cell::new(0), |_| b"good"), Moody(Cell::new(0), mood)];
        assert!(catch_unwind(AssertUnwindSafe(|| writer.try_send_many(&batch))).is_err());
        writer.try_send("next").unwrap();
        assert_eq!(reader.try_recv().unwrap().unwrap(), b"next");
        assert_eq!(writer.stats().slices, 1);
    }
}
