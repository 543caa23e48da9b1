//! Memory is fixed: once a channel and its endpoints are made, nothing is allocated any more.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written otherwise")]

#[cfg(feature = "lines")]
mod memory_of_lines;
mod memory_of_spools;

use overfall::{Backpressure, Channel, Joiner, Reader, StartAt, Writer, pipe};
use overfall_tests::{LIMIT, Numbers, counting_waker, overwriting, within};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::thread;
use std::time::Duration;

/// Counts what each thread allocates and holds, and the rings of a size that nothing else has.
struct Counting;

/// The size of the rings that are counted. It is small enough that the allocator is asked for them,
/// and not the system.
const RING: usize = 512;
/// What is asked for the bytes of such a ring, and for nothing else here: how many, and their alignment.
const ASKED: (usize, usize) = (RING + RING / 2 + 120, 8);

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// What this thread has allocated and not given back.
    static BYTES: Cell<isize> = const { Cell::new(0) };
}
static RINGS: AtomicIsize = AtomicIsize::new(0);

impl Counting {
    fn count(layout: Layout, rings: isize) {
        Self::count_bytes(rings * layout.size() as isize);
        if rings > 0 {
            // A thread that is about to end has nothing to count.
            let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        }
        if (layout.size(), layout.align()) == ASKED {
            RINGS.fetch_add(rings, Ordering::SeqCst);
        }
    }

    fn count_bytes(more: isize) {
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() + more));
    }
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout, 1);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count(layout, 1);
        // SAFETY: passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(Layout::new::<()>(), 1);
        Self::count_bytes(size as isize - layout.size() as isize);
        // SAFETY: passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count(layout, -1);
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many times this thread has allocated while it did `work`.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// How many bytes more this thread holds after `work`, as long as what comes of it is alive.
fn bytes<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = BYTES.get();
    let value = work();
    ((BYTES.get() - before).try_into().expect("something was allocated, not given back"), value)
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(Box::new(1))), 1);
    assert_eq!(allocations(|| ()), 0);
    assert_eq!(bytes(|| Box::new(1_u64)).0, 8);
    assert_eq!(bytes(|| drop(Box::new(1_u64))).0, 0);
    let (grown, _) = bytes(|| {
        let mut numbers = Vec::<u64>::with_capacity(1);
        numbers.reserve_exact(10);
        numbers
    });
    assert_eq!(grown, 80);
}

#[test]
fn a_joiner_forgets_the_unfinished_writes_of_writers_that_have_gone() {
    const WRITERS: u64 = 10_000;
    let channel = Channel::new(1024);
    let mut reader = channel.new_strong_reader();
    let mut joiner = Joiner::new();
    let long = [7; 1100];
    let mut join = |joiner: &mut Joiner| {
        let message = reader.try_recv().unwrap().unwrap();
        joiner.join(&message).map(|whole| whole.len())
    };
    let mut kept = channel.new_writer();
    assert_eq!(kept.try_write(&long), Ok(256));
    assert!(join(&mut joiner).is_none());
    let (grown, ()) = bytes(|| {
        for _ in 0..WRITERS {
            assert_eq!(channel.new_writer().try_write(&long), Ok(256));
            assert!(join(&mut joiner).is_none());
        }
    });
    // And the reader, of the writers that it has heard of.
    assert!(grown < 256 * 256, "{grown}");
    // One that is there still goes on.
    assert_eq!(kept.try_write(&long[256..]), Ok(1100 - 256));
    assert_eq!(join(&mut joiner), Some(1100));
    let counted = joiner.left_out();
    let left: u64 = joiner.finish().iter().map(|(_, missed)| missed.messages).sum();
    assert!(left <= 64, "{left}");
    assert_eq!(counted.messages + left, WRITERS);
    assert_eq!(joiner.left_out().bytes, 256 * WRITERS);
}

#[test]
fn reads_and_writes_that_do_not_wait_allocate_nothing() {
    let channel = Channel::new(4096);
    let (mut writer, mut weak_writer) = (channel.new_writer(), channel.new_weak_writer());
    let (mut reader, mut tap) = (channel.new_strong_reader(), channel.new_weak_reader());
    let bytes = [7; 1000];
    let mut buffer = [0; 1000];
    let mut rounds = |count| {
        for _ in 0..count {
            writer.try_write(&bytes).unwrap();
            let mut slice = weak_writer.try_reserve(300).unwrap();
            slice.write_all(&bytes[..200]).unwrap();
            slice.commit();
            writer.try_reserve(100).unwrap().abort();
            assert!(writer.try_write(&[0; 4096]).is_err());
            assert_eq!(reader.try_read(&mut buffer), Ok(1000));
            assert_eq!(reader.try_fill_buf().unwrap().len(), 200);
            reader.consume(200);
            assert_eq!(reader.try_read(&mut buffer), Err(overfall::error::TryReadError::Empty));
            // Overrun every other time.
            let _ = tap.try_read(&mut buffer);
        }
    };
    // A weak reader remembers each writer.
    rounds(10);
    assert_eq!(allocations(|| rounds(1000)), 0);
    assert!(tap.stats().gaps > 0);
}

#[test]
fn messages_of_writers_that_are_known_allocate_nothing() {
    let channel = Channel::new(1 << 14);
    let mut writers: [Writer; 2] = [channel.new_writer(), channel.new_weak_writer().into()];
    let mut readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    let mut slow = channel.new_weak_reader();
    let bytes = [7; 1000];
    let mut buffer = Vec::with_capacity(1000);
    let mut round = || {
        for writer in &mut writers {
            writer.try_send(&bytes).unwrap();
            writer.try_send(b"").unwrap();
            writer.try_send_many(&[&bytes[..100], b"", &bytes[..64]]).unwrap();
            assert!(writer.try_send(&[0; (1 << 14) + 1]).is_err());
        }
        for reader in &mut readers {
            assert_eq!(reader.try_recv().unwrap().unwrap().len(), 1000);
            assert_eq!(reader.try_recv_many(4).unwrap().unwrap().len(), 4);
            buffer.clear();
            assert_eq!(reader.try_recv_into(&mut buffer).unwrap().unwrap().len, 1000);
            assert_eq!(reader.try_read(&mut [0; 10]), Ok(10));
            assert_eq!(reader.skip_rest(), 90);
            let messages = reader.try_recv_many(100).unwrap().unwrap();
            assert_eq!(messages.iter().map(|message| message.len()).sum::<usize>(), 64);
            drop(messages);
            assert!(reader.try_recv().is_err());
        }
        // Overrun every other time.
        for _ in 0..4 {
            let _ = slow.try_recv();
        }
    };
    (0..10).for_each(|_| round());
    assert_eq!(allocations(|| (0..1000).for_each(|_| round())), 0);
    assert!(slow.missed().messages > 0 && slow.stats().gaps > 100);
    assert!(readers.iter().all(|reader| reader.missed_by_writer().next().is_none()));
}

#[test]
#[cfg(feature = "rkyv")]
fn values_are_serialized_and_looked_at_without_an_allocation() {
    let channel = overfall::typed::Channel::<(u64, String, Vec<u32>)>::new(4096);
    let mut writer = channel.new_strong_writer();
    let mut reader = channel.new_strong_reader();
    let mut tap = channel.new_weak_reader();
    let value = (7, "text".repeat(20), vec![1; 20]);
    let mut send_and_receive = || {
        writer.try_send(&value).unwrap();
        assert_eq!(reader.try_recv().unwrap().unwrap().1, value.1);
        assert_eq!(tap.try_recv().unwrap().unwrap().2, value.2);
    };
    send_and_receive();
    let count = allocations(|| (0..100).for_each(|_| send_and_receive()));
    assert_eq!(count, 0);
}

#[test]
fn waiting_for_messages_allocates_nothing() {
    let channel = Channel::new(128);
    let mut writers: [Writer; 2] = [channel.new_writer(), channel.new_writer()];
    let mut readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    let (wakes, waker) = counting_waker();
    let mut context = Context::from_waker(&waker);
    let mut round = || {
        for reader in &mut readers {
            assert!(pin!(reader.recv()).poll(&mut context).is_pending());
            assert!(pin!(reader.recv_many(2)).poll(&mut context).is_pending());
        }
        let [first, second] = &mut writers;
        assert!(pin!(first.send(&[1; 128])).poll(&mut context).is_ready());
        let mut send = pin!(second.send_many(&[b"1", b"2"]));
        assert!(send.as_mut().poll(&mut context).is_pending());
        for reader in &mut readers {
            assert!(pin!(reader.recv()).poll(&mut context).is_ready());
        }
        assert!(send.as_mut().poll(&mut context).is_ready());
        for reader in &mut readers {
            assert!(pin!(reader.recv_many(2)).poll(&mut context).is_ready());
        }
    };
    round();
    assert_eq!(allocations(|| (0..1000).for_each(|_| round())), 0);
    assert!(wakes.count() >= 1000);
}

/// What a reader and the channel keep of writers that have gone is no more than this.
const OF_THE_GONE: usize = 16 * 1024;

#[test]
fn writers_that_come_send_and_go_are_forgotten() {
    let channel = Channel::new(4096);
    let mut staying = channel.new_writer();
    staying.set_name("staying");
    let (mut reader, mut tap) = (channel.new_strong_reader(), channel.new_weak_reader());
    // Mostly overrun: it comes to a part of the messages.
    let mut slow = channel.new_weak_reader();
    let mut come_and_go = |writers: usize| {
        for number in 0..writers {
            let mut writer = channel.new_writer();
            writer.set_name("passing");
            writer.try_send(b"hello").unwrap();
            let id = writer.id();
            drop(writer);
            let _ = tap.try_recv();
            let message = reader.try_recv().unwrap().unwrap();
            assert_eq!((message.header().writer, &*message), (id, &b"hello"[..]));
            assert_eq!(channel.writer_name(id).as_deref(), Some("passing"));
            drop(message);
            if number % 50 == 0 {
                staying.try_send(b"still here").unwrap();
                assert_eq!(reader.try_recv().unwrap().unwrap().len(), 10);
            }
            if number % 300 == 0 && slow.try_recv_many(100).is_err() {
                drop(slow.try_recv_many(100).unwrap());
            }
        }
    };
    come_and_go(1000);
    let before = BYTES.get();
    come_and_go(1_000_000);
    let grown = BYTES.get() - before;
    assert!(grown <= OF_THE_GONE as isize, "{grown}");
    let by_writer = slow.missed_by_writer().count();
    assert!(by_writer < 500, "{by_writer}");
    let missed = slow.missed();
    // Who stays is not forgotten, nor what was missed of it, nor what was missed of all others.
    let (_, of_staying) = slow.missed_by_writer().find(|found| found.0 == staying.id()).unwrap();
    assert!(of_staying.messages > 1000, "{of_staying:?}");
    let all: u64 = slow.missed_by_writer().map(|(_, missed)| missed.messages).sum();
    assert_eq!(all, missed.messages);
    assert!(missed.messages > 700_000, "{missed:?}");
    assert_eq!(channel.writer_name(staying.id()).as_deref(), Some("staying"));
    assert_eq!(channel.writer_name(staying.id() + 1), None);
    let with_reader = BYTES.get();
    drop((reader, tap, slow));
    let kept = with_reader - BYTES.get();
    assert!(kept <= 6 * OF_THE_GONE as isize, "{kept}");
}

#[test]
fn waiting_for_room_allocates_nothing() {
    let channel = Channel::new(128);
    let mut writers: [Writer; 3] = std::array::from_fn(|_| channel.new_writer());
    let mut reader = channel.new_strong_reader();
    let (wakes, waker) = counting_waker();
    let mut context = Context::from_waker(&waker);
    let [first, second, third] = &mut writers;
    let count = allocations(|| {
        for _ in 0..1000 {
            first.try_write(&[1; 128]).unwrap();
            {
                let mut one = pin!(first.reserve(128));
                let mut two = pin!(second.reserve(64));
                let mut three = pin!(third.reserve(1));
                for _ in 0..3 {
                    assert!(one.as_mut().poll(&mut context).is_pending());
                    assert!(two.as_mut().poll(&mut context).is_pending());
                    assert!(three.as_mut().poll(&mut context).is_pending());
                }
                assert_eq!(reader.try_read(&mut [0; 128]), Ok(128));
                assert!(one.as_mut().poll(&mut context).is_ready());
            }
            // The slice was dropped, and is skipped.
            assert!(reader.try_read(&mut [0; 128]).is_err());
        }
    });
    assert_eq!(count, 0);
    assert!(wakes.count() >= 1000);
}

#[cfg(feature = "futures")]
#[test]
fn waiting_for_bytes_allocates_nothing() {
    use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
    let channel = Channel::new(128);
    let mut writer = channel.new_writer();
    let mut readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    let mut lends = channel.new_strong_reader();
    let (wakes, waker) = counting_waker();
    let mut context = Context::from_waker(&waker);
    let count = allocations(|| {
        for _ in 0..1000 {
            for reader in &mut readers {
                for _ in 0..3 {
                    let mut buffer = [0; 64];
                    let read = pin!(reader.read(&mut buffer));
                    assert!(read.poll(&mut context).is_pending());
                }
            }
            assert!(pin!(lends.fill_buf()).poll(&mut context).is_pending());
            assert!(pin!(writer.write(&[1; 64])).poll(&mut context).is_ready());
            for reader in &mut readers {
                let mut buffer = [0; 64];
                let read = pin!(reader.read(&mut buffer));
                assert!(matches!(read.poll(&mut context), std::task::Poll::Ready(Ok(64))));
            }
            assert_eq!(lends.try_read(&mut [0; 64]), Ok(64));
        }
    });
    assert_eq!(count, 0);
    assert_eq!(wakes.count(), 3000);
}

#[cfg(feature = "tokio")]
#[test]
fn waiting_with_the_traits_of_tokio_allocates_nothing() {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
    let channel = Channel::new(128);
    let mut writers: [Writer; 2] = [channel.new_writer(), channel.new_weak_writer().into()];
    let mut readers: [Reader; 2] =
        [channel.new_strong_reader().into(), channel.new_weak_reader().into()];
    let mut lends = channel.new_strong_reader();
    let (wakes, waker) = counting_waker();
    let mut context = Context::from_waker(&waker);
    let mut rounds = |count| {
        for _ in 0..count {
            let mut buffer = [0; 128];
            for reader in &mut readers {
                assert!(pin!(reader.read(&mut buffer)).poll(&mut context).is_pending());
            }
            assert!(pin!(lends.fill_buf()).poll(&mut context).is_pending());
            let [first, second] = &mut writers;
            assert!(pin!(first.write(&[1; 128])).poll(&mut context).is_ready());
            assert!(pin!(second.write(&[1; 128])).poll(&mut context).is_pending());
            for reader in &mut readers {
                assert!(pin!(reader.read(&mut buffer)).poll(&mut context).is_ready());
            }
            assert_eq!(lends.try_read(&mut buffer), Ok(128));
            assert!(pin!(second.write(&[1; 128])).poll(&mut context).is_ready());
            for reader in &mut readers {
                assert!(pin!(reader.read(&mut buffer)).poll(&mut context).is_ready());
            }
            assert_eq!(lends.try_read(&mut buffer), Ok(128));
        }
    };
    // A weak reader remembers each writer.
    rounds(1);
    assert_eq!(allocations(|| rounds(1000)), 0);
    assert!(wakes.count() >= 4000, "{}", wakes.count());
}

#[test]
fn weak_endpoints_on_threads_that_wait_allocate_nothing() {
    const WORDS: u32 = 2000;
    let (there, back) = (Channel::new(64), Channel::new(64));
    let mut asks = there.new_weak_writer().blocking();
    let mut hears = back.new_weak_reader().blocking();
    let mut is_asked = there.new_weak_reader().blocking();
    let mut answers = back.new_weak_writer().blocking();
    let start = Arc::new(Barrier::new(2));
    let begin = start.clone();
    // The strong ends of the channels are their handles, which stay here.
    let thread = thread::spawn(move || {
        begin.wait();
        allocations(|| {
            let mut word = [0; 4];
            for _ in 0..WORDS {
                is_asked.read_exact(&mut word).unwrap();
                answers.write_all(&word).unwrap();
            }
        })
    });
    let of_asker = within(LIMIT, move || {
        start.wait();
        allocations(|| {
            let mut word = [0; 4];
            for number in 0..WORDS {
                asks.write_all(&number.to_le_bytes()).unwrap();
                hears.read_exact(&mut word).unwrap();
                assert_eq!(u32::from_le_bytes(word), number);
            }
        })
    });
    assert_eq!((of_asker, within(LIMIT, || thread.join().unwrap())), (0, 0));
    drop((there, back));
}

#[test]
fn discarding_allocates_nothing() {
    let channel = Channel::with_parameters(1024, Backpressure::Drop);
    let (mut writer, mut weak_writer) = (channel.new_writer(), channel.new_weak_writer());
    let mut discards = channel.new_writer().blocking();
    let mut reader = channel.new_strong_reader();
    let (_, waker) = counting_waker();
    let mut context = Context::from_waker(&waker);
    let bytes = [7; 200];
    let count = allocations(|| {
        for _ in 0..1000 {
            while writer.try_write(&bytes).is_ok() {}
            assert_eq!(discards.write(&bytes).unwrap(), 200);
            let parts = [&bytes[..50], &bytes[50..]].map(std::io::IoSlice::new);
            assert_eq!(discards.write_vectored(&parts).unwrap(), 200);
            assert!(weak_writer.try_write_vectored(&parts).is_err());
            assert!(weak_writer.try_reserve(200).is_err());
            let reserve = pin!(weak_writer.reserve(200));
            assert!(matches!(reserve.poll(&mut context), std::task::Poll::Ready(Err(_))));
            while reader.try_read(&mut [0; 1024]).is_ok() {}
        }
    });
    assert_eq!(count, 0);
    assert_eq!(channel.stats().dropped_slices, 2000);
}

/// `guide::cost` states these figures.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod stated {
    use super::*;
    use overfall::{StrongReader, StrongWriter, WeakReader, WeakWriter};

    /// A slot of a writer or of a reader, and a hold.
    const ENTRY: usize = 128;
    /// The entries that a table begins with.
    const FIRST: usize = 4;
    /// Of each part of a table.
    const HEAD: usize = 184;
    /// A writer's place in the line for room.
    const PLACE: usize = 48;

    /// Larger rings are the system's (`resident.rs`).
    #[test]
    fn a_small_channel_takes_half_as_much_again_as_its_ring_and_no_more_than_5_and_a_quarter_kib() {
        // What a thread has of its own is made before.
        drop(Channel::new(64));
        let besides = |capacity: usize| {
            let (bytes, channel) = bytes(|| Channel::new(capacity));
            assert_eq!(channel.capacity(), capacity);
            bytes - capacity - capacity / 2
        };
        let fixed = besides(64);
        assert!((5 * 1024 - 256..=5 * 1024 + 256).contains(&fixed), "{fixed}");
        for capacity in [128, 1024, 4096] {
            assert_eq!(besides(capacity), fixed);
        }
        for capacity in [1 << 14, 1 << 20, 1 << 30] {
            let (bytes, _channel) = bytes(|| Channel::new(capacity));
            assert!(bytes < fixed, "{bytes}");
        }
    }

    #[test]
    fn endpoints_are_as_large_as_the_readme_says() {
        assert_eq!([size_of::<StrongWriter>(), size_of::<WeakWriter>()], [168; 2]);
        assert_eq!((size_of::<StrongReader>(), size_of::<WeakReader>()), (360, 320));
    }

    /// What the channel allocates for its first so many endpoints of a kind.
    fn of_endpoints<T>(count: usize, make: impl Fn(&Channel) -> T) -> usize {
        let channel = Channel::new(64);
        let mut endpoints = Vec::with_capacity(count);
        bytes(|| (0..count).for_each(|_| endpoints.push(make(&channel)))).0
    }

    #[test]
    fn tables_come_with_the_first_endpoint_and_grow_by_doubling() {
        for count in [0, 1, 8, 9, 24, 25, 56, 57, 1000, 1016, 1017] {
            let (mut entries, mut more, mut grown) = (0, FIRST, 0);
            while entries < count {
                entries += more;
                // Each time with a head of its own, and a bit for each entry, in words.
                grown += HEAD + more * ENTRY + 8 * more.div_ceil(64);
                more *= 2;
            }
            assert!(entries <= FIRST.max(2 * count + 2));
            assert_eq!(of_endpoints(count, Channel::new_weak_reader), grown);
            assert_eq!(of_endpoints(count, Channel::new_strong_reader), 2 * grown);
            let places = of_endpoints(count, Channel::new_weak_writer) - grown;
            // How the line grows is up to the standard library.
            assert!((count * PLACE..=(2 * count).max(4) * PLACE).contains(&places), "{places}");
        }
    }
}

#[test]
fn threads_that_wait_allocate_nothing() {
    const SLICES: u32 = 5000;
    let (writer, reader) = pipe(64);
    let start = Arc::new(Barrier::new(2));
    let (counted, begin) = (start.clone(), start);
    let thread = thread::spawn(move || {
        let mut writer = writer.blocking();
        counted.wait();
        let count = allocations(|| {
            for number in 0..SLICES {
                writer.write_all(&number.to_le_bytes()).unwrap();
            }
            let mut slice = writer.reserve(8).unwrap();
            slice.write_all(b"the last").unwrap();
            slice.commit();
        });
        drop(writer);
        count
    });
    let of_reader = within(LIMIT, move || {
        let mut reader = reader.blocking();
        begin.wait();
        allocations(|| {
            for number in 0..SLICES {
                let mut word = [0; 4];
                if number % 2 == 0 {
                    reader.read_exact(&mut word).unwrap();
                } else {
                    word.copy_from_slice(reader.fill_buf().unwrap());
                    reader.consume(4);
                }
                assert_eq!(u32::from_le_bytes(word), number);
            }
            let mut last = [0; 9];
            assert_eq!(reader.read_timeout(&mut last, LIMIT).unwrap(), 8);
        })
    });
    assert_eq!((of_reader, within(LIMIT, || thread.join().unwrap())), (0, 0));
}

#[test]
fn giving_up_allocates_no_more_than_its_error() {
    within(LIMIT, || {
        let (writer, reader) = pipe(64);
        let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
        writer.write_all(&[1; 64]).unwrap();
        let error = allocations(|| drop(std::io::Error::new(ErrorKind::TimedOut, "text")));
        for _ in 0..3 {
            let count =
                allocations(|| drop(writer.write_timeout(b"x", Duration::ZERO).unwrap_err()));
            assert!(count <= error, "{count}");
        }
        reader.read_exact(&mut [0; 64]).unwrap();
        let count =
            allocations(|| drop(reader.read_timeout(&mut [0], Duration::ZERO).unwrap_err()));
        assert!(count <= error, "{count}");
    });
}

#[test]
fn polling_again_and_again_does_not_grow_anything() {
    let channel = Channel::new(64);
    let (mut writer, _reader) = (channel.new_writer(), channel.new_strong_reader());
    writer.try_write(&[1; 64]).unwrap();
    let (_, one) = counting_waker();
    let (_, other) = counting_waker();
    let mut reserve = pin!(writer.reserve(64));
    let mut closed = pin!(channel.closed());
    // Whoever waits for the end first makes room for it.
    assert!(closed.as_mut().poll(&mut Context::from_waker(&one)).is_pending());
    let count = allocations(|| {
        for _ in 0..10_000 {
            for waker in [&one, &other] {
                let mut context = Context::from_waker(waker);
                assert!(reserve.as_mut().poll(&mut context).is_pending());
                assert!(closed.as_mut().poll(&mut context).is_pending());
            }
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn endpoints_that_come_and_go_use_the_same_memory_again() {
    let channel = overwriting(1024);
    let (_, waker) = counting_waker();
    let round = || {
        let mut writer = channel.new_writer();
        let _ = writer.try_write(b"x");
        let weak_writer = writer.clone().into_weak();
        let reader = channel.new_strong_reader_at(StartAt::Back(1));
        let mut tap = channel.new_weak_reader();
        let _ = tap.try_read(&mut [0; 4]);
        let _ = reader.clone().into_weak().into_strong();
        let mut closed = pin!(tap.closed());
        assert!(closed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop((weak_writer, reader));
        channel.try_reserve_slice(10).unwrap().commit();
    };
    (0..100).for_each(|_| round());
    let before = BYTES.get();
    (0..10_000).for_each(|_| round());
    assert_eq!(BYTES.get(), before);
}

#[test]
fn ten_thousand_endpoints_at_once_take_room_once() {
    // The rooms for so many can be as large as the rings that are counted.
    let _one = one_at_a_time();
    let channel = Channel::new(1024);
    let mut readers = Vec::with_capacity(10_000);
    let mut writers = Vec::with_capacity(10_000);
    let mut round = || {
        for _ in 0..5000 {
            readers.push(Reader::from(channel.new_strong_reader()));
            readers.push(channel.new_weak_reader().into());
            writers.push(channel.new_writer());
            writers.push(channel.new_weak_writer().into());
        }
        readers.clear();
        writers.clear();
    };
    let first = allocations(&mut round);
    assert!(first < 150, "rooms that double: {first}");
    assert_eq!(allocations(&mut round), 0);
}

/// One test at a time allocates anything of the size of the rings that are counted.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether every counted ring has been freed, and none of them twice.
#[track_caller]
fn with_rings(work: impl FnOnce()) {
    let _one = one_at_a_time();
    let before = RINGS.load(Ordering::SeqCst);
    work();
    assert_eq!(RINGS.load(Ordering::SeqCst), before, "freed once");
}

#[test]
fn the_ring_is_freed_with_the_last_of_whoever_is_left() {
    with_rings(|| {
        let before = RINGS.load(Ordering::SeqCst);
        let channel = Channel::new(RING);
        let (writer, reader) = (channel.new_writer(), channel.new_strong_reader());
        let closed = channel.closed();
        assert!(RINGS.load(Ordering::SeqCst) > before, "it is counted");
        drop(channel);
        drop(writer);
        drop(reader);
        assert!(RINGS.load(Ordering::SeqCst) > before, "somebody waits for its end");
        drop(closed);
    });
}

#[test]
fn both_ends_dropped_at_the_same_time_free_the_ring_once() {
    with_rings(|| {
        within(LIMIT, || {
            for _ in 0..200 {
                let (mut writer, reader) = pipe(RING);
                let together = Arc::new(Barrier::new(2));
                let other = together.clone();
                let thread = thread::spawn(move || {
                    other.wait();
                    drop(reader);
                });
                together.wait();
                let _ = writer.try_write(b"during");
                drop(writer);
                thread.join().unwrap();
            }
        });
    });
}

#[test]
fn whoever_comes_turns_and_goes_the_counts_are_right() {
    with_rings(|| {
        for seed in 1..6 {
            come_turn_and_go(seed);
        }
    });
}

fn come_turn_and_go(seed: u64) {
    let mut numbers = Numbers::new(seed);
    let channel = overwriting(RING);
    let (mut writers, mut readers) = (Vec::<Writer>::new(), Vec::<Reader>::new());
    for _ in 0..2000 {
        let of = |numbers: &mut Numbers, len: usize| numbers.below(len.max(1));
        match numbers.below(12) {
            0 => writers.push(channel.new_writer()),
            1 => writers.push(channel.new_weak_writer().into()),
            2 => readers.push(channel.new_strong_reader().into()),
            3 => readers.push(channel.new_weak_reader().into()),
            4 | 5 if !writers.is_empty() => {
                let at = of(&mut numbers, writers.len());
                drop(writers.swap_remove(at));
            }
            6 | 7 if !readers.is_empty() => {
                let at = of(&mut numbers, readers.len());
                drop(readers.swap_remove(at));
            }
            8 if !writers.is_empty() => {
                let at = of(&mut numbers, writers.len());
                writers.push(writers[at].clone());
            }
            9 if !readers.is_empty() => {
                let at = of(&mut numbers, readers.len());
                readers.push(readers[at].clone());
            }
            10 if !writers.is_empty() => {
                let at = of(&mut numbers, writers.len());
                let writer = writers.swap_remove(at);
                writers.push(match writer.is_strong() {
                    true => writer.into_weak().into(),
                    false => writer.into_strong().into(),
                });
            }
            11 if !readers.is_empty() => {
                let at = of(&mut numbers, readers.len());
                let reader = readers.swap_remove(at);
                readers.push(match reader.is_strong() {
                    true => reader.into_weak().into(),
                    false => reader.into_strong().map_or_else(|error| error.reader, Into::into),
                });
            }
            _ => {}
        }
        let strong_writers = writers.iter().filter(|writer| writer.is_strong()).count();
        let strong_readers = readers.iter().filter(|reader| reader.is_strong()).count();
        let stats = channel.stats();
        assert_eq!(stats.strong_writers, strong_writers);
        assert_eq!(stats.weak_writers, writers.len() - strong_writers);
        assert_eq!(stats.strong_readers, strong_readers);
        assert_eq!(stats.weak_readers, readers.len() - strong_readers);
        assert_eq!(stats.readers.len(), readers.len());
        assert!(!channel.is_closed());
    }
}
