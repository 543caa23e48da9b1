//! Who waits for whom, who does not, and what is discarded instead.

use overfall::error::{ReserveError, TryReadError, TryReserveError, TryWriteError};
use overfall::{Backpressure, Channel, StrongReader, Writer};
use overfall_tests::{LIMIT, Numbers, Task, overwriting, until, waiting_writers, within};
use std::io::{Read, Write};
use std::sync::Arc;
use std::thread;

/// A ring of four granules with one strong reader, and so many slices of one granule in it.
fn ring_of_four(slices: u8) -> (Arc<Channel>, Writer, StrongReader) {
    let channel = overwriting(256);
    let mut writer = channel.new_writer();
    let reader = channel.new_strong_reader();
    for slice in 0..slices {
        writer.try_write(&[slice; 64]).unwrap();
    }
    (channel, writer, reader)
}

/// Reads one slice of one granule.
#[track_caller]
fn read_one(reader: &mut StrongReader) -> u8 {
    let mut buffer = [0; 64];
    assert_eq!(reader.try_read(&mut buffer), Ok(64));
    buffer[0]
}

#[test]
fn a_full_ring_refuses_and_a_slice_that_was_read_makes_room() {
    let (channel, mut writer, mut reader) = ring_of_four(4);
    assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full));
    assert_eq!(writer.try_reserve(1).err(), Some(TryReserveError::Full));
    assert_eq!(channel.try_reserve_slice(1).err(), Some(TryReserveError::Full));
    let before = channel.stats();
    assert_eq!((before.dropped_slices, before.dropped_bytes), (0, 0));
    assert_eq!(before.reserved, 256);
    // A part of a slice is not room yet.
    assert_eq!(reader.try_read(&mut [0; 63]), Ok(63));
    assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full));
    assert_eq!(reader.try_read(&mut [0; 1]), Ok(1));
    assert_eq!(writer.try_write(b"x"), Ok(1));
    assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full));
}

#[test]
fn writers_wait_for_the_slowest_of_the_strong_readers() {
    let (_channel, mut writer, mut slow) = ring_of_four(4);
    let mut fast = slow.clone();
    let mut task = Task::parked(writer.reserve(64));
    for slice in 0..4 {
        assert_eq!(read_one(&mut fast), slice);
    }
    assert!(task.poll().is_pending(), "the slow one has read nothing");
    assert_eq!(read_one(&mut slow), 0);
    assert_eq!(task.wakes(), 1);
    task.result().unwrap().commit();
}

#[test]
fn a_dropped_slow_strong_reader_frees_the_writer() {
    let frees: [(&str, fn(StrongReader)); 3] = [
        ("dropped", drop),
        ("turned weak", |reader| drop(reader.into_weak())),
        ("turned weak and kept", |reader| std::mem::forget(reader.into_weak())),
    ];
    for (how, free) in frees {
        let (_channel, mut writer, reader) = ring_of_four(4);
        let task = Task::parked(writer.reserve(256));
        free(reader);
        assert_eq!(task.wakes(), 1, "{how}");
        assert_eq!(task.result().unwrap().len(), 256, "{how}");
    }
}

#[test]
fn a_dropped_slow_strong_reader_frees_the_thread_that_waits_for_it() {
    within(LIMIT, || {
        let (channel, writer, reader) = ring_of_four(4);
        let thread = thread::spawn(move || writer.blocking().write(&[9; 256]).unwrap());
        until("the writer waits", || waiting_writers(&channel) == 1);
        drop(reader);
        assert_eq!(thread.join().unwrap(), 256);
    });
}

#[test]
fn without_a_strong_reader_nobody_ever_waits() {
    within(LIMIT, || {
        for with_weak_reader in [false, true] {
            let channel = Channel::new(256);
            let mut writer = channel.new_writer().blocking();
            let mut tap = with_weak_reader.then(|| channel.new_weak_reader());
            for number in 0..10_000_u32 {
                let slice = [number as u8; 100];
                assert_eq!(writer.get_mut().try_write(&slice), Ok(100));
                writer.write_all(&slice).unwrap();
            }
            assert_eq!(channel.stats().slices, 20_000);
            if let Some(tap) = &mut tap {
                // One slice of 128 ring bytes fits beside the one that is being written.
                assert!(matches!(tap.try_read(&mut [0; 100]), Err(TryReadError::Lagged(_))));
            }
        }
    });
}

#[test]
fn without_a_strong_reader_a_slice_in_flight_is_waited_for_and_its_commit_wakes() {
    for committed in [true, false] {
        let channel = Channel::new(256);
        let (mut slow, mut fast) = (channel.new_writer(), channel.new_writer());
        let slice = slow.try_reserve(64).unwrap();
        for _ in 0..3 {
            fast.try_write(&[1; 64]).unwrap();
        }
        assert_eq!(fast.try_write(&[1; 64]), Err(TryWriteError::Full));
        let task = Task::parked(fast.reserve(64));
        if committed {
            slice.commit();
        } else {
            slice.abort();
        }
        assert_eq!(task.wakes(), 1);
        task.result().unwrap().commit();
    }
}

#[test]
fn slices_in_flight_never_overlap_and_never_span_more_than_the_ring() {
    const CAPACITY: u64 = 1024;
    for (seed, strong) in [(1, true), (2, false), (3, true), (4, false)] {
        let start = (1 << 63) - 8 * CAPACITY;
        let builder = Channel::builder().size(CAPACITY as usize).start_position(start);
        let channel = builder.build().unwrap();
        let mut reader = strong.then(|| channel.new_strong_reader());
        let mut numbers = Numbers::new(seed);
        let mut in_flight = Vec::new();
        let mut last = channel.stats().start;
        for _ in 0..5000 {
            if let Ok(slice) = channel.try_reserve_slice(numbers.below(300)) {
                let position = slice.position();
                assert!(position.wrapping_sub(last) << 1 < u64::MAX / 2, "positions only rise");
                last = position;
                in_flight.push(slice);
            }
            // Distances of 63-bit positions.
            let past = |to: u64, from: u64| to.wrapping_sub(from) & (u64::MAX >> 1);
            for pair in in_flight.windows(2) {
                let size = (pair[0].len().max(1) as u64).next_multiple_of(64);
                assert!(past(pair[1].position(), pair[0].position()) >= size);
            }
            if let (Some(first), Some(last)) = (in_flight.first(), in_flight.last()) {
                assert!(past(last.position(), first.position()) + last.len() as u64 <= CAPACITY);
            }
            if numbers.below(3) == 0 && !in_flight.is_empty() {
                let slice = in_flight.remove(numbers.below(in_flight.len()));
                if numbers.below(2) == 0 {
                    slice.commit();
                }
            }
            if let Some(reader) = &mut reader {
                let _ = reader.try_read(&mut [0; 64]);
            }
        }
    }
}

#[test]
fn waiting_writers_are_served_in_order() {
    let (channel, writer, mut reader) = ring_of_four(4);
    let mut writers: Vec<Writer> = (0..5).map(|_| writer.clone()).collect();
    let mut tasks: Vec<_> =
        writers.iter_mut().map(|writer| Some(Task::parked(writer.reserve(64)))).collect();
    assert_eq!(waiting_writers(&channel), 5);
    for turn in 0..4 {
        read_one(&mut reader);
        let wakes: Vec<_> = tasks.iter().flatten().map(Task::wakes).collect();
        assert_eq!(wakes[0], 1, "the first in the line");
        assert!(wakes[1..].iter().all(|&wakes| wakes == 0), "and nobody else: {wakes:?}");
        tasks[turn].take().unwrap().result().unwrap().commit();
    }
}

#[test]
fn a_writer_further_back_in_the_line_gets_nothing_by_asking_before_the_first_has_run() {
    let (_channel, writer, mut reader) = ring_of_four(4);
    let (mut first, mut second) = (writer.clone(), writer.clone());
    let first = Task::parked(first.reserve(64));
    let mut second = Task::parked(second.reserve(64));
    read_one(&mut reader);
    assert_eq!(first.wakes(), 1);
    assert!(second.poll().is_pending(), "it is not its turn");
    first.result().unwrap().commit();
}

#[test]
fn one_read_that_makes_room_for_several_serves_them_one_after_the_other() {
    let (_channel, mut writer, mut reader) = ring_of_four(0);
    writer.try_write(&[0; 256]).unwrap();
    let mut writers: Vec<Writer> = (0..3).map(|_| writer.clone()).collect();
    let tasks: Vec<_> = writers.iter_mut().map(|writer| Task::parked(writer.reserve(64))).collect();
    assert_eq!(reader.try_read(&mut [0; 256]), Ok(256));
    let mut served = Vec::new();
    for task in tasks {
        assert_eq!(task.wakes(), 1, "woken by the read, or by the one before");
        served.push(task.result().unwrap().position());
    }
    assert!(served.is_sorted());
}

#[test]
fn newcomers_are_refused_while_others_wait() {
    let (channel, mut writer, mut reader) = ring_of_four(4);
    let (mut small, mut large) = (writer.clone(), writer.clone());
    assert_eq!(read_one(&mut reader), 0);
    let mut task = Task::parked(large.reserve(128));
    // There is room for these, but not for the one that came first.
    assert_eq!(channel.stats().reserved, 256);
    assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Full));
    assert_eq!(writer.try_reserve(1).err(), Some(TryReserveError::Full));
    assert_eq!(channel.try_reserve_slice(1).err(), Some(TryReserveError::Full));
    let mut behind = Task::parked(small.reserve(1));
    assert!(task.poll().is_pending());
    assert!(behind.poll().is_pending());
    assert_eq!(read_one(&mut reader), 1);
    assert_eq!((task.wakes(), behind.wakes()), (1, 0));
    task.result().unwrap().commit();
    assert!(behind.poll().is_pending());
    drop(behind);
    assert_eq!(waiting_writers(&channel), 0);
}

#[test]
fn a_large_slice_is_not_starved_by_small_ones_that_come_before_its_task_runs() {
    let (_channel, mut small, mut reader) = ring_of_four(1);
    let mut large = small.clone();
    let mut task = Task::parked(large.reserve(256));
    for _ in 0..100 {
        read_one(&mut reader);
        // The large one has been woken, and has yet to run: it still waits.
        assert_eq!(small.try_write(&[1; 64]), Err(TryWriteError::Full));
        if task.poll().is_ready() {
            return;
        }
    }
    panic!("a slice as large as the ring is never served");
}

#[test]
fn a_large_slice_is_not_starved_in_threads() {
    let channel = Channel::new(1024);
    let (small, large) = (channel.new_writer(), channel.new_writer());
    let reader = channel.new_strong_reader();
    within(LIMIT, move || {
        // These go on for as long as it takes.
        for _ in 0..2 {
            let mut small = small.clone().blocking();
            thread::spawn(move || while small.write(b"small").is_ok() {});
        }
        let reader = thread::spawn(move || {
            let mut all = Vec::new();
            reader.blocking().read_to_end(&mut all).map(|_| all).unwrap()
        });
        let mut large = large.blocking();
        for _ in 0..20 {
            large.write_all(&[b'L'; 1024]).unwrap();
        }
        channel.drain().unwrap();
        let all = reader.join().unwrap();
        assert_eq!(all.iter().filter(|&&byte| byte == b'L').count(), 20 * 1024);
    });
}

#[test]
fn no_wake_is_missed_when_every_write_fills_the_ring_and_every_read_empties_it() {
    within(LIMIT, || {
        let channel = Channel::new(64);
        let (writer, reader) = (channel.new_writer(), channel.new_strong_reader());
        let thread = thread::spawn(move || {
            let mut writer = writer.blocking();
            for number in 0..2_000_u32 {
                writer.write_all(&number.to_le_bytes()).unwrap();
            }
        });
        let mut reader = reader.blocking();
        for number in 0..2_000_u32 {
            let mut bytes = [0; 4];
            reader.read_exact(&mut bytes).unwrap();
            assert_eq!(u32::from_le_bytes(bytes), number);
        }
        thread.join().unwrap();
    });
}

#[test]
fn an_idle_writer_hides_nobodys_bytes() {
    let (_channel, mut busy, mut reader) = ring_of_four(0);
    let _idle: Vec<Writer> = (0..10).map(|_| busy.clone()).collect();
    let mut reserved_once = busy.clone();
    reserved_once.try_reserve(1).unwrap().abort();
    for number in 0..100 {
        assert_eq!(busy.try_write(&[number; 64]), Ok(64));
        assert_eq!(read_one(&mut reader), number);
    }
}

#[test]
fn an_idle_reader_holds_no_padding_back() {
    let (channel, mut writer, mut reader) = ring_of_four(0);
    for _ in 0..1000 {
        writer.try_reserve(100).unwrap().abort();
    }
    assert!(channel.stats().reserved >= 128_000);
    assert_eq!(writer.try_write(&[7; 64]), Ok(64));
    assert_eq!(read_one(&mut reader), 7);
}

#[test]
fn a_strong_reader_that_idles_behind_padding_can_be_cloned_and_turned() {
    let (_channel, mut writer, mut reader) = ring_of_four(0);
    for _ in 0..10 {
        writer.try_reserve(64).unwrap().abort();
    }
    let mut clone = reader.clone();
    let mut turned = reader.clone().into_weak().into_strong().unwrap();
    assert_eq!(writer.try_write(&[7; 64]), Ok(64));
    assert_eq!(read_one(&mut reader), 7);
    assert_eq!(read_one(&mut clone), 7);
    assert_eq!(read_one(&mut turned), 7);
}

#[test]
fn consuming_the_slice_before_padding_gives_the_padding_back_as_well() {
    let (_channel, mut writer, mut reader) = ring_of_four(1);
    for _ in 0..3 {
        writer.try_reserve(64).unwrap().abort();
    }
    let task = Task::parked(writer.reserve(256));
    assert_eq!(read_one(&mut reader), 0);
    assert_eq!(task.wakes(), 1);
    assert_eq!(task.result().unwrap().len(), 256);
}

#[test]
fn an_abort_on_a_full_ring_frees_the_writer_that_waits() {
    let (channel, mut writer, _idle) = ring_of_four(0);
    let slices: Vec<_> = (0..4).map(|_| channel.try_reserve_slice(64).unwrap()).collect();
    let mut task = Task::parked(writer.reserve(64));
    for (aborted, slice) in slices.into_iter().enumerate() {
        assert_eq!(task.wakes(), usize::from(aborted > 0), "the first one is the room");
        slice.abort();
        if aborted == 0 {
            assert!(matches!(task.poll(), std::task::Poll::Ready(Ok(_))));
        }
    }
}

#[test]
fn a_write_as_long_as_the_ring_is_one_slice_and_a_longer_one_is_several() {
    let channel = Channel::new(1024);
    let (mut writer, mut other) = (channel.new_writer(), channel.new_writer());
    let mut reader = channel.new_strong_reader();
    let bytes: Vec<u8> = (0..5000_u32).map(|n| n as u8).collect();
    assert_eq!(writer.try_write(&bytes[..1024]), Ok(1024));
    assert_eq!(writer.stats().slices, 1);
    assert_eq!(reader.try_fill_buf().unwrap(), &bytes[..1024]);
    reader.consume(1024);
    // Pieces, so that the reader can be at one while the next is written; others may come between.
    let first = writer.try_write(&bytes).unwrap();
    assert!(first < 1024 && first % 64 == 0, "{first}");
    assert_eq!(other.try_write(b"between"), Ok(7));
    assert_eq!(writer.try_write(&bytes[first..]), Ok(first));
    assert_eq!(reader.try_fill_buf().unwrap(), &bytes[..first]);
    reader.consume(first);
    assert_eq!(reader.try_fill_buf().unwrap(), b"between");
    reader.consume(7);
    assert_eq!(reader.try_fill_buf().unwrap(), &bytes[first..2 * first]);
}

#[test]
fn a_write_much_longer_than_the_ring_does_not_hang() {
    for capacity in [64, 128, 1024] {
        let bytes: Vec<u8> = (0..50_000_u32).map(|n| (n % 251) as u8).collect();
        let (writer, reader) = overfall::pipe(capacity);
        let copy = bytes.clone();
        let thread = thread::spawn(move || writer.blocking().write_all(&copy).unwrap());
        let all = within(LIMIT, || {
            let mut all = Vec::new();
            reader.blocking().read_to_end(&mut all).map(|_| all).unwrap()
        });
        assert!(all == bytes);
        thread.join().unwrap();
    }
}

#[test]
fn in_drop_mode_whole_slices_are_discarded_and_counted() {
    within(LIMIT, || {
        let channel = Channel::with_parameters(256, Backpressure::Drop);
        assert_eq!(channel.backpressure(), Backpressure::Drop);
        let mut writer = channel.new_writer().blocking();
        let mut reader = channel.new_strong_reader();
        assert_eq!(writer.write(&[1; 200]).unwrap(), 200);
        assert_eq!(writer.write(&[2; 100]).unwrap(), 100, "reported as written");
        assert_eq!(writer.write(&[3; 65]).unwrap(), 65);
        let stats = writer.get_ref().stats();
        assert_eq!((stats.slices, stats.payload_bytes), (1, 200));
        assert_eq!((stats.dropped_slices, stats.dropped_bytes), (2, 165));
        // Those who ask for an answer get one, and nothing is counted.
        assert_eq!(writer.get_mut().try_write(b"x"), Err(TryWriteError::Full));
        assert_eq!(writer.get_mut().try_reserve(1).err(), Some(TryReserveError::Full));
        assert_eq!(writer.reserve(1).err(), Some(ReserveError::Full));
        let reserved = overfall_tests::block_on(channel.reserve_slice(1)).err();
        assert_eq!(reserved, Some(ReserveError::Full));
        let error = writer.reserve_deadline(1, std::time::Instant::now() + LIMIT).unwrap_err();
        assert_eq!(error, TryReserveError::Full);
        assert_eq!(writer.get_ref().stats(), stats);
        let mut buffer = [0; 256];
        assert_eq!(reader.try_read(&mut buffer), Ok(200));
        assert!(buffer[..200].iter().all(|&byte| byte == 1));
        assert_eq!(reader.try_read(&mut buffer), Err(TryReadError::Empty));
        assert_eq!(writer.write(&[4; 256]).unwrap(), 256);
        assert_eq!(reader.try_read(&mut buffer), Ok(256));
        assert_eq!(buffer, [4; 256]);
        let stats = channel.stats();
        assert_eq!((stats.dropped_slices, stats.dropped_bytes), (2, 165));
        assert_eq!((stats.slices, stats.payload_bytes), (2, 456));
        // What a writer has counted stays counted when it goes.
        drop(writer);
        let stats = channel.stats();
        assert_eq!((stats.dropped_slices, stats.dropped_bytes), (2, 165));
        assert_eq!((stats.slices, stats.payload_bytes), (2, 456));
    });
}

#[test]
fn many_writers_on_a_small_full_ring_never_get_partial_slices_in() {
    for backpressure in [Backpressure::Block, Backpressure::Drop] {
        let (sent, received, dropped) = within(LIMIT, move || write_from_four(backpressure));
        assert_eq!(received + dropped, sent, "{backpressure:?}");
        assert!(backpressure == Backpressure::Drop || dropped == 0);
    }
}

/// Four threads write slices that tell their length and their writer; the reader checks that each
/// is whole. Tells how many slices were sent, received and dropped.
fn write_from_four(backpressure: Backpressure) -> (u64, u64, u64) {
    const SLICES: u64 = 2000;
    let channel = Channel::with_parameters(256, backpressure);
    let mut reader = channel.new_strong_reader().blocking();
    let threads: Vec<_> = (0..4)
        .map(|id| {
            let mut writer = channel.new_writer().blocking();
            thread::spawn(move || {
                let mut numbers = Numbers::new(u64::from(id));
                for _ in 0..SLICES {
                    let length = 2 + numbers.below(200);
                    let mut slice = vec![id; length];
                    slice[0] = length as u8;
                    assert_eq!(writer.write(&slice).unwrap(), length);
                }
                writer.get_ref().stats().dropped_slices
            })
        })
        .collect();
    let handle = thread::spawn(move || {
        let dropped = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(channel.stats().dropped_slices, dropped);
        channel.drain().unwrap();
        dropped
    });
    let mut received = 0;
    let mut length = [0];
    while reader.read(&mut length).unwrap() == 1 {
        let mut rest = vec![0; usize::from(length[0]) - 1];
        reader.read_exact(&mut rest).unwrap();
        assert!(rest.iter().all(|&byte| byte == rest[0] && byte < 4), "a torn slice");
        received += 1;
    }
    (4 * SLICES, received, handle.join().unwrap())
}
