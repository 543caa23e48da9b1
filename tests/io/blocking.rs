//! Endpoints that park the thread.

use overfall::endpoint::{Receives, Writes};
use overfall::error::{Lagged, SendError, TryReadError, TryReserveError, TrySendError};
use overfall::{Backpressure, Blocking, Channel, Reader, Sent, StrongReader, Writer, pipe};
use overfall_tests::{LIMIT, overwriting, until, waiting_writers, within};
use std::io::{self, BufRead, BufWriter, ErrorKind, IoSlice, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

fn blocking_pipe(size: usize) -> (Blocking<Writer>, Blocking<StrongReader>) {
    let (writer, reader) = pipe(size);
    (Writer::from(writer).blocking(), reader.blocking())
}

#[test]
fn every_endpoint_has_the_traits_of_std() {
    within(LIMIT, || {
        fn reads(mut reader: impl Read + Send) {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, "to strong, weak and either");
        }
        let channel = Channel::new(1024);
        write!(channel.new_writer().blocking(), "to strong, ").unwrap();
        channel.new_weak_writer().blocking().write_all(b"weak ").unwrap();
        channel.new_strong_writer().blocking().write_all(b"and either").unwrap();
        channel.drain().unwrap();
        reads(channel.new_strong_reader().blocking());
        reads(channel.new_weak_reader().blocking());
        reads(Reader::from(channel.new_strong_reader()).blocking());
        reads(Reader::from(channel.new_weak_reader()).blocking());
    });
}

#[test]
fn copying_moves_everything_through_a_small_ring() {
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut writer, mut reader) = blocking_pipe(1024);
    let source = bytes.clone();
    let thread = thread::spawn(move || io::copy(&mut &source[..], &mut writer).unwrap());
    let all = within(LIMIT, move || {
        let mut all = Vec::new();
        assert_eq!(io::copy(&mut reader, &mut all).unwrap(), 200_000);
        all
    });
    assert!(all == bytes);
    assert_eq!(thread.join().unwrap(), 200_000);
}

#[test]
fn a_vectored_write_is_one_slice() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(1024);
        let parts = [IoSlice::new(b"in "), IoSlice::new(b""), IoSlice::new(b"one piece")];
        assert_eq!(writer.write_vectored(&parts).unwrap(), 12);
        assert_eq!(writer.get_ref().stats().slices, 1);
        assert_eq!(reader.fill_buf().unwrap(), b"in one piece");
    });
}

#[test]
fn a_vectored_write_that_is_too_long_for_one_slice_goes_on_where_it_stopped() {
    within(LIMIT, || {
        let bytes: Vec<u8> = (0..250).collect();
        let (mut writer, mut reader) = blocking_pipe(64);
        let thread = thread::spawn(move || {
            let mut parts: Vec<_> = bytes.chunks(7).map(IoSlice::new).collect();
            let mut parts = &mut parts[..];
            while !parts.is_empty() {
                let written = writer.write_vectored(parts).unwrap();
                assert!(written > 0 && written <= 64);
                IoSlice::advance_slices(&mut parts, written);
            }
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, (0..250).collect::<Vec<u8>>());
        thread.join().unwrap();
    });
}

#[test]
fn lines_are_read_across_slices_while_they_are_written() {
    within(LIMIT, || {
        let (mut writer, reader) = blocking_pipe(128);
        let thread = thread::spawn(move || {
            for number in 0..2000 {
                let line = format!("line {number}\n");
                // In two pieces, so that lines span slices.
                let (first, second) = line.split_at(number % 5);
                writer.write_all(first.as_bytes()).unwrap();
                writer.write_all(second.as_bytes()).unwrap();
            }
        });
        for (number, line) in reader.lines().enumerate() {
            assert_eq!(line.unwrap(), format!("line {number}"));
        }
        thread.join().unwrap();
    });
}

#[test]
fn what_is_lent_is_lent_until_it_is_consumed() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(128);
        writer.write_all(b"lent").unwrap();
        let address = reader.fill_buf().unwrap().as_ptr();
        assert_eq!(reader.fill_buf().unwrap().as_ptr(), address, "the ring itself, no copy");
        reader.consume(0);
        reader.consume(3);
        assert_eq!(reader.fill_buf().unwrap(), b"t");
        writer.write_all(b"more").unwrap();
        assert_eq!(reader.fill_buf().unwrap(), b"t", "slice by slice");
        reader.consume(1);
        assert_eq!(reader.fill_buf().unwrap(), b"more");
    });
}

#[test]
fn slices_that_lie_side_by_side_are_lent_in_one_piece() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(1024);
        for byte in 1..=3 {
            writer.write_all(&[byte; 64]).unwrap();
        }
        writer.write_all(&[4; 10]).unwrap();
        writer.write_all(&[5; 64]).unwrap();
        let lent = reader.fill_buf().unwrap();
        assert_eq!(lent.len(), 202, "up to the first that does not fill its granule");
        assert!(lent.chunks(64).zip(1..).all(|(chunk, byte)| chunk.iter().all(|&b| b == byte)));
        // What is consumed need not end with a slice.
        reader.consume(100);
        assert_eq!(reader.fill_buf().unwrap()[..28], [2; 28]);
        reader.consume(28);
        let mut slice = [0; 64];
        assert_eq!(reader.read(&mut slice).unwrap(), 64, "a read in between takes it from there");
        assert_eq!(slice, [3; 64]);
        let panic = catch_unwind(AssertUnwindSafe(|| reader.consume(11))).unwrap_err();
        assert!(panic.downcast::<String>().unwrap().contains("consume(11) of 0 bytes"));
        assert_eq!(reader.fill_buf().unwrap(), [4; 10]);
        reader.consume(10);
        assert_eq!(reader.fill_buf().unwrap(), [5; 64]);
    });
}

#[test]
fn consuming_more_than_was_lent_is_a_panic_with_the_figures() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(128);
        for lent in [false, true] {
            if lent {
                writer.write_all(b"lent").unwrap();
                reader.fill_buf().unwrap();
            }
            let panic = catch_unwind(AssertUnwindSafe(|| reader.consume(5))).unwrap_err();
            let text = panic.downcast::<String>().unwrap();
            let left = if lent { 4 } else { 0 };
            assert!(text.contains(&format!("consume(5) of {left} bytes")), "{text}");
        }
        assert_eq!(reader.read(&mut [0; 8]).unwrap(), 4, "nothing is lost by it");
    });
}

#[test]
fn the_endpoint_is_there_and_comes_back() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(128);
        assert_eq!(writer.get_mut().try_write(b"both ways"), Ok(9));
        assert!(writer.get_ref().is_strong());
        assert_eq!(reader.read(&mut [0; 4]).unwrap(), 4);
        let mut reader = reader.into_inner();
        assert_eq!(reader.try_read(&mut [0; 8]), Ok(5));
        writer.flush().unwrap();
        drop(writer.into_inner());
        assert!(reader.is_closed());
    });
}

#[test]
fn a_deadline_that_has_passed_still_takes_what_is_there() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(64);
        let past = Instant::now();
        assert_eq!(writer.write_deadline(&[1; 64], past).unwrap(), 64);
        assert_eq!(writer.write_deadline(b"x", past).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(reader.read_deadline(&mut [0; 64], past).unwrap(), 64);
        let error = reader.read_deadline(&mut [0; 64], past).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(error.to_string().contains("deadline"), "{error}");
        let error = reader.fill_buf_deadline(past).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(writer.reserve_deadline(64, past).unwrap().len(), 64);
        writer.write_all(b"lent").unwrap();
        assert_eq!(reader.fill_buf_deadline(past).unwrap(), b"lent");
    });
}

#[test]
fn a_timeout_of_zero_still_takes_what_is_there() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(128);
        let (zero, now) = (Duration::ZERO, Instant::now());
        let mut buffer = Vec::new();
        assert_eq!(writer.write_timeout(b"one", zero).unwrap(), 3);
        writer.send_timeout(b"two", zero).unwrap();
        assert_eq!(writer.send_timeout(b"x", zero).unwrap_err(), TrySendError::Full);
        assert_eq!(reader.recv_timeout(zero).unwrap().as_deref(), Some(&b"one"[..]));
        writer.reserve_deadline(5, now).unwrap().write_all(b"three").unwrap();
        assert!(reader.recv_into_timeout(&mut buffer, zero).unwrap().is_some());
        assert_eq!(buffer, b"two");
        writer.send_many_timeout(&[b"four", b"five"], zero).unwrap();
        assert_eq!(reader.recv_many_timeout(9, zero).unwrap().unwrap().len(), 2);
        assert_eq!(reader.recv_timeout(zero).unwrap_err(), TryReadError::Empty);
        drop(writer);
        assert!(reader.recv_timeout(zero).unwrap().is_none());
    });
}

#[test]
fn in_drop_mode_a_timeout_of_zero_drops_and_counts() {
    within(LIMIT, || {
        let channel = Channel::with_parameters(64, Backpressure::Drop);
        let mut writer = channel.new_writer().blocking();
        let _full = channel.new_strong_reader();
        assert_eq!(writer.write_timeout(&[1; 64], Duration::ZERO).unwrap(), 64);
        assert_eq!(writer.write_timeout(&[2; 8], Duration::ZERO).unwrap(), 8);
        assert_eq!(writer.send_timeout(&[3; 8], Duration::ZERO).unwrap(), Sent::Dropped);
        assert_eq!(writer.send_many_timeout(&[&[4; 8]], Duration::ZERO).unwrap(), Sent::Dropped);
        assert_eq!(writer.get_ref().stats().dropped_slices, 3);
        let refused = writer.reserve_deadline(8, Instant::now()).unwrap_err();
        assert_eq!(refused, TryReserveError::Full);
    });
}

#[test]
fn an_endpoint_that_has_waited_can_wait_on_another_thread() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(128);
        for number in 0..4 {
            let soon = Duration::from_micros(500);
            assert_eq!(reader.recv_timeout(soon).unwrap_err(), TryReadError::Empty);
            let thread = thread::spawn(move || {
                assert_eq!(*reader.recv().unwrap().unwrap(), [number]);
                reader
            });
            writer.send(&[number]).unwrap();
            reader = thread.join().unwrap();
        }
    });
}

#[test]
fn a_timeout_without_an_end_does_not_overflow() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(64);
        assert_eq!(writer.write_timeout(&[1; 64], Duration::MAX).unwrap(), 64);
        let thread = thread::spawn(move || {
            assert_eq!(writer.write_timeout(&[2; 64], Duration::MAX).unwrap(), 64);
            writer
        });
        let mut buffer = [0; 64];
        for number in 1..3 {
            assert_eq!(reader.read_timeout(&mut buffer, Duration::MAX).unwrap(), 64);
            assert_eq!(buffer, [number; 64]);
        }
        drop(thread.join().unwrap());
        assert_eq!(reader.read_timeout(&mut buffer, Duration::MAX).unwrap(), 0);
    });
}

#[test]
fn a_write_that_timed_out_loses_nothing_and_leaves_the_line() {
    within(LIMIT, || {
        let channel = Channel::new(64);
        let mut writer = channel.new_writer().blocking();
        let mut other = channel.new_writer();
        let mut reader = channel.new_strong_reader();
        writer.write_all(&[1; 64]).unwrap();
        for _ in 0..10 {
            let soon = Duration::from_micros(500);
            assert_eq!(
                writer.write_timeout(&[9; 64], soon).unwrap_err().kind(),
                ErrorKind::TimedOut
            );
            assert_eq!(waiting_writers(&channel), 0);
        }
        assert_eq!(channel.stats().slices, 1);
        let mut buffer = [0; 64];
        assert_eq!(reader.try_read(&mut buffer), Ok(64));
        assert_eq!(other.try_write(&[2; 64]), Ok(64), "nobody is in the way");
        assert_eq!(reader.try_read(&mut buffer), Ok(64));
        assert_eq!(buffer, [2; 64]);
        assert_eq!(writer.write_timeout(&[3; 64], LIMIT).unwrap(), 64);
        assert_eq!(reader.try_read(&mut buffer), Ok(64));
        assert_eq!(buffer, [3; 64]);
    });
}

#[test]
fn a_read_that_timed_out_loses_nothing() {
    within(LIMIT, || {
        let (mut writer, mut reader) = blocking_pipe(128);
        for number in 0..10 {
            let soon = Duration::from_micros(500);
            let error = reader.read_timeout(&mut [0; 8], soon).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            writer.write_all(&[number; 8]).unwrap();
            let mut buffer = [0; 8];
            assert_eq!(reader.read_timeout(&mut buffer, soon).unwrap(), 8);
            assert_eq!(buffer, [number; 8]);
        }
    });
}

#[test]
fn a_thread_that_waits_with_a_deadline_is_woken_before_it() {
    within(LIMIT, || {
        let channel = Channel::new(64);
        let mut writer = channel.new_writer().blocking();
        let mut reader = channel.new_strong_reader();
        writer.write_all(&[1; 64]).unwrap();
        let thread = thread::spawn(move || {
            let far = Instant::now() + 10 * LIMIT;
            assert_eq!(writer.write_deadline(&[2; 64], far).unwrap(), 64);
            writer.reserve_deadline(64, far).unwrap().commit();
        });
        until("the writer waits", || waiting_writers(&channel) == 1);
        assert_eq!(reader.try_read(&mut [0; 64]), Ok(64));
        until("it waits again", || waiting_writers(&channel) == 1);
        let mut reader = reader.blocking();
        let read = reader.read_timeout(&mut [0; 64], 10 * LIMIT).unwrap();
        thread.join().unwrap();
        assert_eq!(read, 64);
    });
}

#[test]
fn a_reservation_waits_for_its_room() {
    within(LIMIT, || {
        let channel = Channel::new(256);
        let mut writer = channel.new_writer().blocking();
        let mut reader = channel.new_strong_reader();
        writer.write_all(&[1; 256]).unwrap();
        let thread = thread::spawn(move || {
            let mut slice = writer.reserve(200).unwrap();
            write!(slice, "in place").unwrap();
            slice.commit();
        });
        until("the writer waits", || waiting_writers(&channel) == 1);
        assert_eq!(reader.try_read(&mut [0; 256]), Ok(256));
        thread.join().unwrap();
        assert_eq!(reader.try_fill_buf(), Ok(&b"in place"[..]));
    });
}

#[test]
fn a_gap_is_an_error_with_its_size_inside_and_reading_goes_on() {
    within(LIMIT, || {
        let channel = Channel::new(256);
        let mut writer = channel.new_writer().blocking();
        let mut reader = Reader::from(channel.new_weak_reader()).blocking();
        for number in 0..6 {
            writer.write_all(&[number; 64]).unwrap();
        }
        let error = reader.read(&mut [0; 64]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
        let lagged = error.get_ref().and_then(|inner| inner.downcast_ref::<Lagged>());
        assert_eq!(lagged.map(|lagged| lagged.ring_bytes), Some(128));
        let mut buffer = [0; 64];
        reader.read_exact(&mut buffer).unwrap();
        assert_eq!(buffer, [2; 64]);
    });
}

#[test]
fn in_drop_mode_no_thread_ever_parks() {
    within(LIMIT, || {
        let channel = Channel::with_parameters(64, Backpressure::Drop);
        let mut writer = channel.new_writer().blocking();
        let _full = channel.new_strong_reader();
        let far = Instant::now() + 10 * LIMIT;
        for _ in 0..1000 {
            writer.write_all(&[1; 64]).unwrap();
            assert_eq!(writer.write_deadline(&[1; 8], far).unwrap(), 8);
        }
        let stats = writer.get_ref().stats();
        assert_eq!((stats.slices, stats.dropped_slices), (1, 1999));
        assert_eq!(stats.dropped_bytes, 999 * 64 + 8000);
    });
}

#[test]
fn a_buffer_in_front_makes_one_slice_of_many_single_bytes() {
    within(LIMIT, || {
        let (writer, mut reader) = blocking_pipe(4096);
        let mut buffered = BufWriter::with_capacity(512, writer);
        for byte in 0..200_u8 {
            buffered.write_all(&[byte]).unwrap();
        }
        buffered.flush().unwrap();
        let stats = buffered.get_ref().get_ref().stats();
        assert_eq!((stats.slices, stats.payload_bytes, stats.ring_bytes), (1, 200, 256));
        assert_eq!(reader.fill_buf().unwrap().len(), 200);
    });
}

#[test]
fn every_byte_of_many_threads_is_seen_once_by_every_thread() {
    within(LIMIT, || {
        const WRITERS: usize = 3;
        const SLICES: usize = 3000;
        let channel = Channel::new(1024);
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let mut reader = channel.new_strong_reader().blocking();
                thread::spawn(move || {
                    let mut seen = vec![0_usize; WRITERS];
                    let mut word = [0; 8];
                    while reader.read(&mut word[..1]).unwrap() == 1 {
                        reader.read_exact(&mut word[1..]).unwrap();
                        let word = u64::from_le_bytes(word) as usize;
                        let (writer, number) = (word % WRITERS, word / WRITERS);
                        assert_eq!(seen[writer], number, "each once, in its order");
                        seen[writer] += 1;
                    }
                    assert_eq!(seen, [SLICES; WRITERS]);
                })
            })
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|id| {
                let mut writer = channel.new_writer().blocking();
                thread::spawn(move || {
                    for number in 0..SLICES {
                        let word = (number * WRITERS + id) as u64;
                        writer.write_all(&word.to_le_bytes()).unwrap();
                    }
                })
            })
            .collect();
        drop(channel);
        writers.into_iter().chain(readers).for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_parked_reader_of_either_kind_is_woken_by_each_write() {
    within(LIMIT, || {
        let channel = Channel::new(1024);
        let mut writer = channel.new_writer();
        let (reader, tap) = (channel.new_strong_reader(), channel.new_weak_reader());
        let (seen, acknowledged) = std::sync::mpsc::channel();
        for reader in [Reader::from(reader), tap.into()] {
            let seen = seen.clone();
            let mut reader = reader.blocking();
            thread::spawn(move || {
                let mut byte = [0];
                while reader.read(&mut byte).unwrap() == 1 {
                    seen.send(byte[0]).unwrap();
                }
            });
        }
        // The next write comes when both have seen this one, and so mostly find them parked.
        for number in 0..2000_u32 {
            assert_eq!(writer.try_write(&[number as u8]), Ok(1));
            for _ in 0..2 {
                assert_eq!(acknowledged.recv().unwrap(), number as u8);
            }
        }
        let mut late = channel.new_strong_reader_at(overfall::StartAt::Now);
        assert_eq!(late.try_read(&mut [0]), Err(TryReadError::Empty));
    });
}

/// Generic over what is inside: this compiles.
fn pump<R: Receives, W: Writes>(mut from: Blocking<R>, to: &mut Blocking<W>) -> io::Result<u64> {
    while let Some(message) = from.recv()? {
        to.send(&message)?;
    }
    let mut rest = [0; 8];
    assert_eq!(from.read(&mut rest)?, 0);
    assert!(
        from.is_closed() && from.missed().is_none() && from.missed_by_writer().next().is_none()
    );
    Ok(from.stats().payload_bytes)
}

#[test]
fn generic_code_takes_blocking_endpoints_of_any_kind() {
    let channel = Channel::new(1024);
    let (strong, weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    let (to, mut far) = pipe(1024);
    channel.new_writer().try_send("once").unwrap();
    channel.drain().unwrap();
    let mut to = to.blocking();
    assert_eq!(pump(strong.clone().blocking(), &mut to).unwrap(), 4);
    assert_eq!(pump(weak.blocking(), &mut to).unwrap(), 4);
    assert_eq!(pump(Reader::from(strong).blocking(), &mut to).unwrap(), 4);
    assert_eq!(far.try_recv_many(9).unwrap().unwrap().len(), 3);
}

#[test]
fn blocking_endpoints_have_what_their_endpoints_have() {
    let channel = overwriting(1024);
    let mut writer = channel.new_writer().blocking();
    let mut reader = channel.new_strong_reader().blocking();
    writer.set_name("first");
    reader.set_name("recorder");
    assert_eq!(reader.stats().name.as_deref(), Some("recorder"));
    writer.set_backpressure(Backpressure::Drop);
    let mut clone = writer.clone();
    assert_eq!((clone.backpressure(), clone.max_slice()), (Backpressure::Drop, 1024));
    assert_ne!(clone.id(), writer.id());
    clone.send("of the clone").unwrap();
    writer.send("mine").unwrap();
    assert_eq!((writer.stats().slices, clone.stats().slices), (1, 1));
    assert_eq!(reader.writer_name(writer.id()).as_deref(), Some("first"));
    assert_eq!(reader.read(&mut [0; 3]).unwrap(), 3);
    let mut second = reader.clone();
    assert_eq!(reader.skip_rest(), 9);
    assert_eq!(second.recv().unwrap().unwrap(), b"the clone");
    assert_eq!(second.stats().payload_bytes, 9);
    writer.shut_down();
    assert!(writer.is_closed() && !clone.is_closed());
    clone.terminate();
    assert_eq!(clone.send("x").unwrap_err(), SendError::Terminated);
    let mut tap = channel.new_weak_reader().blocking();
    tap.set_silent(true);
    let mut other = channel.new_writer().blocking();
    drop((reader, second));
    (0..100).for_each(|_| assert_eq!(other.send("flood"), Ok(Sent::Delivered)));
    assert_eq!(tap.recv().unwrap().unwrap(), b"flood");
    assert_eq!(tap.missed_by_writer().map(|(_, missed)| missed.messages).sum::<u64>(), 102 - 16);
    let (client, server) = overfall::duplex(1024);
    let (mut client, mut server) = (client.blocking(), server.blocking());
    client.shut_down();
    assert_eq!(server.read(&mut [0; 8]).unwrap(), 0);
    server.fail("out of paper").unwrap();
    assert_eq!(
        client.read(&mut [0; 8]).unwrap_err().to_string(),
        "the stream failed: out of paper"
    );
    other.fail("out of ink").unwrap();
    assert!(other.fail("twice").is_err());
    assert_eq!(channel.failure().unwrap().to_string(), "the stream failed: out of ink");
}

/// It says at once that it has read nothing, whatever is there.
#[test]
fn a_read_of_no_bytes_takes_no_message_of_no_bytes() {
    fn check(mut reader: Blocking<impl Receives>) {
        // Then it knows the writer, and has its quick way.
        assert_eq!(reader.recv().unwrap().unwrap(), b"one");
        assert_eq!(reader.read(&mut []).unwrap(), 0);
        assert_eq!(reader.recv().unwrap().unwrap(), b"");
        assert_eq!(reader.recv().unwrap().unwrap(), b"two");
    }
    let channel = Channel::new(4096);
    let (strong, weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    let of_either_kind = Reader::from(weak.clone());
    let mut writer = channel.new_writer();
    ["one", "", "two"].into_iter().for_each(|message| writer.try_send(message).unwrap());
    check(strong.blocking());
    check(weak.blocking());
    check(of_either_kind.blocking());
}
