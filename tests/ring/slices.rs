//! Slices: reserved, filled, committed, given up, leaked; and the sizes and lengths at the edges.

use overfall::error::{BuildError, ReserveError, TryReadError, TryReserveError, TryWriteError};
use overfall::{Channel, Reader, Slice, Writer, pipe};
use overfall_tests::{LIMIT, Task, block_on, within};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

/// A channel with a writer and a reader of each kind.
fn channel(size: usize) -> (Arc<Channel>, Writer, [Reader; 2]) {
    let channel = Channel::new(size);
    let readers = [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    let writer = channel.new_writer();
    (channel, writer, readers)
}

/// All that can be read now.
fn read_all(reader: &mut Reader) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 100];
    while let Ok(read @ 1..) = reader.try_read(&mut buffer) {
        all.extend(&buffer[..read]);
    }
    all
}

#[track_caller]
fn everybody_reads(readers: &mut [Reader], expected: &[u8]) {
    for reader in readers {
        assert_eq!(read_all(reader), expected, "strong: {}", reader.is_strong());
    }
}

#[test]
fn a_slice_is_seen_when_it_is_committed_and_not_before() {
    within(LIMIT, || {
        let (channel, mut writer, mut readers) = channel(1024);
        let mut slice = writer.try_reserve(10).unwrap();
        assert_eq!((slice.len(), slice.written(), slice.remaining()), (10, 0, 10));
        assert_eq!(slice.write(b"piece"), 5);
        write!(slice, " by").unwrap();
        assert_eq!((slice.written(), slice.remaining()), (8, 2));
        everybody_reads(&mut readers, b"");
        assert_eq!(slice.write(b" piece"), 2, "as much as there is room for");
        assert_eq!(slice.write(b"more"), 0);
        assert_eq!(slice.write_all(b"more").unwrap_err().kind(), ErrorKind::WriteZero);
        slice.flush().unwrap();
        everybody_reads(&mut readers, b"");
        slice.commit();
        everybody_reads(&mut readers, b"piece by p");

        let mut slice = block_on(channel.reserve_slice(100)).unwrap();
        assert_eq!(io::copy(&mut &b"copied"[..], &mut slice).unwrap(), 6);
        slice.commit();
        everybody_reads(&mut readers, b"copied");
    });
}

#[test]
fn what_does_not_fit_into_a_slice_is_an_error_and_leaves_it_as_it_was() {
    let (_channel, mut writer, mut readers) = channel(1024);
    let mut slice = writer.try_reserve(5).unwrap();
    slice.write_all(b"hel").unwrap();
    for _ in 0..2 {
        let error = slice.write_all(b"lo, world").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteZero);
        let text = error.to_string();
        assert!(["9 bytes", "2 of the 5"].iter().all(|part| text.contains(part)), "{text}");
        assert_eq!((slice.written(), slice.remaining()), (3, 2));
    }
    slice.write_all(b"").unwrap();
    slice.write_all(b"lo").unwrap();
    // The trait's does the same.
    Write::write_all(&mut slice, b"!").unwrap_err();
    slice.commit();
    everybody_reads(&mut readers, b"hello");
}

#[test]
fn a_slice_is_filled_whatever_the_pieces() {
    let (_channel, mut writer, mut readers) = channel(1024);
    let bytes: Vec<u8> = (1..=200).collect();
    for piece in 1..=67 {
        let mut slice = writer.try_reserve(bytes.len()).unwrap();
        bytes.chunks(piece).for_each(|chunk| slice.write_all(chunk).unwrap());
        slice.commit();
        everybody_reads(&mut readers, &bytes);
    }
}

#[test]
fn an_abandoned_slice_shows_no_stale_bytes_and_is_not_filled_by_the_next() {
    let (_channel, mut writer, mut readers) = channel(256);
    writer.try_write(&[b'S'; 256]).unwrap();
    everybody_reads(&mut readers, &[b'S'; 256]);
    let mut dropped = writer.try_reserve(200).unwrap();
    dropped.write_all(b"half of it").unwrap();
    drop(dropped);
    everybody_reads(&mut readers, b"");
    let mut aborted = writer.try_reserve(64).unwrap();
    aborted.write_all(&[1; 64]).unwrap();
    aborted.abort();
    writer.try_write(b"new").unwrap();
    everybody_reads(&mut readers, b"new");
    let stats = writer.stats();
    assert_eq!((stats.slices, stats.payload_bytes), (2, 259), "only what was committed counts");
}

#[test]
fn a_shorter_commit_shows_what_was_written_and_skips_the_rest() {
    let (channel, mut writer, mut readers) = channel(512);
    for (len, written) in [(256, 1), (256, 64), (256, 65), (200, 199), (100, 0), (1, 1), (65, 64)] {
        for _ in 0..8 {
            writer.try_write(&[b'S'; 64]).unwrap();
        }
        everybody_reads(&mut readers, &[b'S'; 512]);
        let before = channel.stats().reserved;
        let mut slice = writer.try_reserve(len).unwrap();
        slice.write_all(&vec![b'n'; written]).unwrap();
        slice.commit();
        everybody_reads(&mut readers, &vec![b'n'; written]);
        let taken = channel.stats().reserved - before;
        assert!(taken % 64 == 0 && taken >= len as u64, "{taken}");
    }
    for reader in readers {
        let stats = reader.stats();
        assert_eq!(stats.payload_bytes + stats.padding_bytes, channel.stats().reserved);
        assert_eq!(stats.lag, 0);
    }
}

#[test]
fn a_shorter_buffer_after_a_partial_write_is_no_trouble() {
    let (_channel, mut writer, mut readers) = channel(256);
    let mut slice = writer.try_reserve(100).unwrap();
    assert_eq!(slice.write(&[1; 60]), 60);
    assert_eq!(slice.write(&[2; 7]), 7);
    assert_eq!(slice.write(&[]), 0);
    assert_eq!(slice.write(&[3; 90]), 33);
    slice.commit();
    let expected = [vec![1; 60], vec![2; 7], vec![3; 33]].concat();
    everybody_reads(&mut readers, &expected);
}

/// Leaks a slice of `writer`, with something in it.
fn leak(writer: &mut Writer) {
    let mut slice = writer.try_reserve(100).unwrap();
    slice.write_all(b"leaked").unwrap();
    forget(slice);
}

#[test]
fn a_leaked_slice_is_given_up_by_whatever_its_writer_does_next() {
    within(LIMIT, || {
        let next: [(&str, fn(Writer)); 11] = [
            ("try_write", |mut writer| assert_eq!(writer.try_write(b"!"), Ok(1))),
            ("try_write_vectored", |mut writer| {
                assert_eq!(writer.try_write_vectored(&[IoSlice::new(b"!")]), Ok(1));
            }),
            ("try_reserve", |mut writer| drop(writer.try_reserve(1).unwrap())),
            ("reserve", |mut writer| drop(block_on(writer.reserve(1)).unwrap())),
            ("blocking write", |writer| writer.blocking().write_all(b"!").unwrap()),
            ("blocking reserve", |writer| drop(writer.blocking().reserve(1).unwrap())),
            ("a refused reserve", |mut writer| assert!(writer.try_reserve(5000).is_err())),
            ("shut_down", |mut writer| writer.shut_down()),
            ("terminate", |mut writer| writer.terminate()),
            ("drop", drop),
            ("drop after it was turned", |writer| drop(writer.into_weak().into_strong())),
        ];
        for (how, next) in next {
            let (channel, mut writer, mut readers) = channel(1024);
            let mut other = channel.new_writer();
            leak(&mut writer);
            other.try_write(b"other").unwrap();
            everybody_reads(&mut readers, b"");
            next(writer);
            for reader in &mut readers {
                let all = read_all(reader);
                assert!(all == b"other" || all == b"other!", "{how}: {all:?}");
            }
        }
    });
}

#[test]
fn a_slice_leaked_by_the_channel_is_given_up_when_the_last_handle_goes() {
    let (channel, mut writer, mut readers) = channel(1024);
    let second_handle = channel.clone();
    for _ in 0..2 {
        let mut slice = channel.try_reserve_slice(100).unwrap();
        slice.write_all(b"leaked").unwrap();
        forget(slice);
    }
    channel.try_reserve_slice(100).unwrap().commit();
    let mut kept = channel.try_reserve_slice(100).unwrap();
    kept.write_all(b"kept ").unwrap();
    kept.commit();
    writer.try_write(b"after").unwrap();
    drop(second_handle);
    everybody_reads(&mut readers, b"");
    drop(channel);
    everybody_reads(&mut readers, b"kept after");
    drop(writer);
    for mut reader in readers {
        assert_eq!(reader.try_read(&mut [0; 8]), Ok(0));
    }
}

#[test]
fn readers_that_are_parked_behind_a_leaked_slice_go_on_when_it_is_given_up() {
    let (channel, mut writer, readers) = channel(1024);
    leak(&mut writer);
    channel.new_writer().try_write(b"behind").unwrap();
    let threads = readers
        .map(|reader| thread::spawn(move || reader.blocking().read_exact(&mut [0; 6]).unwrap()));
    drop(writer);
    for thread in threads {
        within(LIMIT, || thread.join().unwrap());
    }
}

#[test]
fn a_panic_while_a_slice_is_filled_skips_it_and_the_writer_can_be_used_again() {
    let (channel, mut writer, mut readers) = channel(1024);
    fn fill(slice: &mut Slice<'_>) {
        slice.write_all(b"half").unwrap();
        std::panic::resume_unwind(Box::new("while it is filled"));
    }
    for _ in 0..100 {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut slice = writer.try_reserve(100).unwrap();
            fill(&mut slice);
            slice.commit();
        }));
        assert!(panicked.is_err());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut slice = channel.try_reserve_slice(100).unwrap();
            fill(&mut slice);
            slice.commit();
        }));
        assert!(panicked.is_err());
        assert_eq!(writer.try_write(b"whole"), Ok(5));
        everybody_reads(&mut readers, b"whole");
    }
}

#[test]
fn a_slice_that_never_fits_is_an_error_that_says_so() {
    within(LIMIT, || {
        for capacity in [64, 1024] {
            let (channel, mut writer, _readers) = channel(capacity);
            let max = channel.max_slice();
            assert_eq!(max, capacity);
            for len in [capacity + 1, capacity * 2, usize::MAX / 2, usize::MAX - 63, usize::MAX] {
                let expected = ReserveError::TooLong { len, max };
                let error = writer.try_reserve(len).unwrap_err();
                assert_eq!(error, TryReserveError::TooLong { len, max });
                let text = error.to_string();
                assert!(
                    text.contains(&len.to_string()) && text.contains(&max.to_string()),
                    "{text}"
                );
                assert_eq!(expected.to_string(), text);
                assert_eq!(channel.try_reserve_slice(len).unwrap_err(), error);
                assert_eq!(block_on(writer.reserve(len)).unwrap_err(), expected);
                assert_eq!(block_on(channel.reserve_slice(len)).unwrap_err(), expected);
                let mut blocking = writer.blocking();
                assert_eq!(blocking.reserve(len).unwrap_err(), expected);
                let error = blocking.reserve_deadline(len, std::time::Instant::now()).unwrap_err();
                assert_eq!(ReserveError::from(error), expected);
                writer = blocking.into_inner();
            }
            assert_eq!(channel.stats().reserved, 0, "nothing was reserved");
            assert_eq!(writer.try_reserve(capacity).unwrap().len(), capacity);
        }
    });
}

#[test]
fn zero_length_reads_and_writes_return_at_once_and_reserve_nothing() {
    within(LIMIT, || {
        let (channel, mut writer, mut readers) = channel(64);
        for full in [false, true] {
            assert_eq!(writer.try_write(b""), Ok(0));
            assert_eq!(writer.try_write_vectored(&[]), Ok(0));
            let nothing = [IoSlice::new(b""), IoSlice::new(b"")];
            assert_eq!(writer.try_write_vectored(&nothing), Ok(0));
            let mut blocking = writer.clone().blocking();
            assert_eq!(blocking.write(b"").unwrap(), 0);
            assert_eq!(blocking.write_vectored(&nothing).unwrap(), 0);
            for reader in &mut readers {
                assert_eq!(reader.try_read(&mut []), Ok(0));
                let mut blocking = reader.clone().blocking();
                assert_eq!(blocking.read(&mut []).unwrap(), 0);
            }
            assert_eq!(channel.stats().reserved, if full { 64 } else { 0 });
            if !full {
                writer.try_write(&[1; 64]).unwrap();
            }
        }
        assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full));
    });
}

#[test]
fn zero_length_slices_are_seen_by_nobody_and_end_nothing() {
    let (channel, mut writer, mut readers) = channel(256);
    for round in 0..20 {
        for _ in 0..3 {
            let slice = writer.try_reserve(0).unwrap();
            assert_eq!((slice.len(), slice.remaining()), (0, 0));
            slice.commit();
        }
        for reader in &mut readers {
            assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty), "{round}");
        }
        writer.try_reserve(0).unwrap().abort();
        channel.try_reserve_slice(0).unwrap().commit();
        writer.try_write(b"between").unwrap();
        writer.try_reserve(0).unwrap().commit();
        everybody_reads(&mut readers, b"between");
    }
    channel.drain().unwrap();
    for reader in &mut readers {
        assert_eq!(reader.try_read(&mut [0; 8]), Ok(0));
    }
}

#[test]
fn a_zero_length_slice_waits_for_room_like_any_other() {
    let (_channel, mut writer, mut readers) = channel(64);
    writer.try_reserve(0).unwrap().commit();
    assert_eq!(writer.try_reserve(0).err(), Some(TryReserveError::Full));
    let task = Task::parked(writer.reserve(0));
    everybody_reads(&mut readers, b"");
    assert_eq!(task.wakes(), 1);
    task.result().unwrap().commit();
}

#[test]
fn positions_rise_by_whole_granules_across_the_wrap_of_63_bits() {
    let start = (1 << 63) - 1024;
    let channel = Channel::builder().size(256).start_position(start + 63).build().unwrap();
    let mut writer = channel.new_writer();
    let mut expected = start;
    for len in (0..200).map(|n| n * 37 % 257) {
        let slice = writer.try_reserve(len).unwrap();
        let size = (len.max(1) as u64).next_multiple_of(64);
        let rest = 256 - expected % 256;
        if size > rest {
            expected += rest;
        }
        expected %= 1 << 63;
        assert_eq!(slice.position(), expected);
        assert_eq!(slice.position() % 64, 0);
        slice.commit();
        expected = (expected + size) % (1 << 63);
    }
    assert!(expected < start, "it wrapped");
    let last = Channel::builder().size(64).start_position(u64::MAX).build().unwrap();
    assert_eq!(last.stats().start, (1 << 63) - 64);
}

#[test]
fn slices_are_contiguous_and_aligned_whatever_is_left_of_the_lap() {
    within(LIMIT, || {
        let (writer, mut reader) = pipe(1024);
        let mut writer = writer.blocking();
        for before in 0..16 {
            for len in [1, 63, 64, 65, 500, 512, 513, 960, 1023, 1024] {
                if before > 0 {
                    writer.write_all(&vec![0; before * 64]).unwrap();
                    let lent = reader.try_fill_buf().unwrap().len();
                    reader.consume(lent);
                }
                let bytes: Vec<u8> = (0..len).map(|n| (n % 251) as u8 + 1).collect();
                writer.write_all(&bytes).unwrap();
                let lent = reader.try_fill_buf().unwrap();
                assert_eq!(lent, bytes, "one piece");
                assert_eq!(lent.as_ptr().addr() % 64, 0);
                reader.consume(len);
                assert_eq!(reader.try_fill_buf().err(), Some(TryReadError::Empty));
            }
        }
    });
}

#[test]
fn slices_are_seen_in_the_order_of_their_reservations() {
    let (channel, _writer, mut readers) = channel(1024);
    let mut slices: Vec<_> = (0..5).map(|_| channel.try_reserve_slice(1).unwrap()).collect();
    for (number, slice) in slices.iter_mut().enumerate() {
        slice.write_all(&[b'0' + number as u8]).unwrap();
    }
    while slices.len() > 1 {
        slices.pop().unwrap().commit();
        everybody_reads(&mut readers, b"");
    }
    slices.pop().unwrap().commit();
    everybody_reads(&mut readers, b"01234");
}

#[test]
fn a_slice_that_ends_exactly_at_the_end_of_the_ring_wakes_its_reader() {
    let (writer, reader) = pipe(256);
    let weak = reader.clone().into_weak();
    within(LIMIT, move || {
        let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
        let mut tap = weak.blocking();
        let readers = thread::spawn(move || {
            let mut buffer = [0; 256];
            for round in 0..500 {
                reader.read_exact(&mut buffer).unwrap();
                assert_eq!(buffer, [round as u8; 256]);
            }
        });
        for round in 0..500 {
            writer.write_all(&[round as u8; 256]).unwrap();
            tap.read_exact(&mut [0; 256]).unwrap();
        }
        readers.join().unwrap();
    });
}

#[test]
fn a_ring_of_one_granule_works_at_every_length() {
    let (channel, mut writer, mut readers) = channel(1);
    assert_eq!(channel.capacity(), 64);
    for len in 1..=64 {
        let bytes: Vec<u8> = (1..=len).collect();
        assert_eq!(writer.try_write(&bytes), Ok(len.into()));
        assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full));
        everybody_reads(&mut readers, &bytes);
    }
    assert_eq!(writer.try_write(&[1; 65]), Ok(64), "the first of two");
}

#[test]
fn odd_sizes_are_rounded_up_to_a_power_of_two() {
    for (size, capacity) in
        [(1, 64), (63, 64), (64, 64), (65, 128), (1000, 1024), (1025, 2048), (65_537, 131_072)]
    {
        let (channel, mut writer, mut readers) = channel(size);
        assert_eq!((channel.capacity(), channel.max_slice()), (capacity, capacity));
        assert_eq!(channel.stats().capacity, capacity as u64);
        for _ in 0..3 {
            assert_eq!(writer.try_write(&vec![5; capacity]), Ok(capacity));
            everybody_reads(&mut readers, &vec![5; capacity]);
        }
    }
}

#[test]
fn sizes_that_cannot_be_are_refused_and_the_text_says_why() {
    let build = |size| Channel::builder().size(size).build().map(|_| ());
    assert_eq!(build(0), Err(BuildError::ZeroSize));
    assert_eq!(Channel::builder().build().map(|_| ()), Err(BuildError::ZeroSize));
    assert!(BuildError::ZeroSize.to_string().contains("at least one byte"));
    for size in [usize::MAX, usize::MAX / 2 + 2] {
        let error = build(size).unwrap_err();
        let BuildError::TooLarge { size: told, max } = error else { panic!("{error:?}") };
        assert_eq!(told, size);
        assert!(error.to_string().contains(&max.to_string()), "{error}");
        assert_eq!(build(max + 1), Err(BuildError::TooLarge { size: max + 1, max }));
    }
}

// With pointers of 32 bits the largest ring may fit.
#[cfg(target_pointer_width = "64")]
#[test]
fn a_ring_that_memory_cannot_hold_is_refused() {
    const SIZE: usize = 1 << 44;
    // Some systems promise any amount of memory; there the answer would come too late.
    if Vec::<u8>::new().try_reserve_exact(SIZE / 2).is_ok() {
        println!("skipped: this system promises memory that it does not have");
        return;
    }
    let error = Channel::builder().size(SIZE).build().map(|_| ()).unwrap_err();
    assert_eq!(error, BuildError::OutOfMemory { capacity: SIZE });
    assert!(error.to_string().contains(&SIZE.to_string()), "{error}");
}

#[test]
fn the_short_forms_panic_with_the_reason() {
    let text = |make: fn()| {
        let panic = catch_unwind(make).unwrap_err();
        *panic.downcast::<String>().expect("a message")
    };
    for text in [
        text(|| drop(Channel::new(0))),
        text(|| drop(Channel::with_parameters(0, overfall::Backpressure::Drop))),
        text(|| drop(pipe(0))),
    ] {
        assert_eq!(text, format!("no channel of 0 bytes: {}", BuildError::ZeroSize));
    }
    let text = text(|| drop(Channel::new(usize::MAX)));
    assert!(text.contains(&usize::MAX.to_string()) && text.contains("larger"), "{text}");
}
