//! The traits of futures-io.

use futures::io::{AsyncBufRead, AsyncRead, AsyncWrite};
use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, join};
use overfall::error::Lagged;
use overfall::{Backpressure, Channel, pipe};
use overfall_tests::{LIMIT, Task, block_on, within};
use std::io::{ErrorKind, IoSlice};
use std::thread;

/// Every kind of endpoint has the traits.
#[allow(unused, reason = "a static assertion")]
fn every_endpoint_has_the_traits() {
    fn reads<R: AsyncRead + Unpin + Send>() {}
    fn lends<R: AsyncBufRead + Unpin + Send>() {}
    fn writes<W: AsyncWrite + Unpin + Send>() {}
    reads::<overfall::Reader>();
    reads::<overfall::StrongReader>();
    reads::<overfall::WeakReader>();
    reads::<overfall::Duplex>();
    lends::<overfall::StrongReader>();
    lends::<overfall::Duplex>();
    writes::<overfall::Writer>();
    writes::<overfall::StrongWriter>();
    writes::<overfall::WeakWriter>();
    writes::<overfall::Duplex>();
}

fn bytes() -> Vec<u8> {
    (0..200_000_u32).map(|n| (n % 251) as u8).collect()
}

#[test]
fn bytes_go_through_within_one_task() {
    let all = within(LIMIT, || {
        let (mut writer, mut reader) = pipe(4096);
        let write = async {
            writer.write_all(&bytes()).await.unwrap();
            writer.flush().await.unwrap();
            writer.close().await.unwrap();
        };
        let mut all = Vec::new();
        block_on(async { join!(write, async { reader.read_to_end(&mut all).await.unwrap() }) });
        all
    });
    assert!(all == bytes());
}

#[test]
fn bytes_go_through_between_threads_without_a_runtime() {
    let all = within(LIMIT, || {
        let (mut writer, mut reader) = pipe(4096);
        let thread = thread::spawn(move || block_on(writer.write_all(&bytes())).unwrap());
        let mut all = Vec::new();
        block_on(reader.read_to_end(&mut all)).unwrap();
        thread.join().unwrap();
        all
    });
    assert!(all == bytes());
}

#[test]
fn copying_moves_everything() {
    let all = within(LIMIT, || {
        let (mut writer, mut reader) = pipe(2048);
        let (mut second, last) = pipe(512);
        let first = thread::spawn(move || {
            let source = bytes();
            block_on(futures::io::copy(&source[..], &mut writer)).unwrap()
        });
        let middle =
            thread::spawn(move || block_on(futures::io::copy(&mut reader, &mut second)).unwrap());
        let mut all = Vec::new();
        assert_eq!(block_on(futures::io::copy_buf(last, &mut all)).unwrap(), 200_000);
        assert_eq!(first.join().unwrap(), 200_000);
        assert_eq!(middle.join().unwrap(), 200_000);
        all
    });
    assert!(all == bytes());
}

#[test]
fn a_vectored_write_is_one_slice() {
    within(LIMIT, || {
        let (mut writer, mut reader) = pipe(1024);
        let parts = [IoSlice::new(b"in "), IoSlice::new(b""), IoSlice::new(b"one piece")];
        assert_eq!(block_on(writer.write_vectored(&parts)).unwrap(), 12);
        assert_eq!(writer.stats().slices, 1);
        assert_eq!(block_on(reader.fill_buf()).unwrap(), b"in one piece");
    });
}

#[test]
fn lines_are_read_across_slices() {
    within(LIMIT, || {
        let (mut writer, mut reader) = pipe(1024);
        for part in ["one", "\ntwo\nth", "ree", "\n", "rest"] {
            block_on(writer.write_all(part.as_bytes())).unwrap();
        }
        drop(writer);
        for expected in ["one\n", "two\n", "three\n", "rest", ""] {
            let mut line = String::new();
            assert_eq!(block_on(reader.read_line(&mut line)).unwrap(), expected.len());
            assert_eq!(line, expected);
        }
    });
}

#[test]
fn zero_length_reads_and_writes_return_at_once() {
    within(LIMIT, || {
        let (mut writer, mut reader) = pipe(64);
        for _ in 0..2 {
            assert_eq!(Task::new(writer.write(b"")).result().unwrap(), 0);
            assert_eq!(Task::new(writer.write_vectored(&[])).result().unwrap(), 0);
            assert_eq!(Task::new(reader.read(&mut [])).result().unwrap(), 0);
            // Full, and not the end.
            let _ = writer.try_write(&[1; 64]);
        }
        assert_eq!(block_on(reader.read(&mut [0; 64])).unwrap(), 64);
    });
}

#[test]
fn close_is_idempotent_and_later_writes_are_a_broken_pipe() {
    within(LIMIT, || {
        let (mut writer, mut reader) = pipe(1024);
        block_on(writer.write_all(b"last")).unwrap();
        for _ in 0..3 {
            block_on(writer.close()).unwrap();
            assert_eq!(block_on(writer.write(b"no")).unwrap_err().kind(), ErrorKind::BrokenPipe);
            block_on(writer.flush()).unwrap();
        }
        let mut all = Vec::new();
        assert_eq!(block_on(reader.read_to_end(&mut all)).unwrap(), 4);
        assert_eq!(block_on(reader.fill_buf()).unwrap(), b"");
    });
}

#[test]
fn a_gap_is_an_error_with_its_size_inside_and_reading_goes_on() {
    within(LIMIT, || {
        let channel = Channel::new(256);
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
        for number in 0..6 {
            block_on(writer.write_all(&[number; 64])).unwrap();
        }
        let error = block_on(reader.read(&mut [0; 64])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
        let lagged = error.get_ref().and_then(|inner| inner.downcast_ref::<Lagged>());
        assert_eq!(lagged.map(|lagged| lagged.ring_bytes), Some(128));
        let mut buffer = [0; 64];
        block_on(reader.read_exact(&mut buffer)).unwrap();
        assert_eq!(buffer, [2; 64]);
    });
}

#[test]
fn in_drop_mode_a_discarded_slice_is_reported_as_written() {
    within(LIMIT, || {
        let channel = Channel::with_parameters(64, Backpressure::Drop);
        let (mut writer, _reader) = (channel.new_writer(), channel.new_strong_reader());
        for _ in 0..3 {
            assert_eq!(Task::new(writer.write(&[1; 64])).result().unwrap(), 64);
        }
        assert_eq!((writer.stats().slices, writer.stats().dropped_slices), (1, 2));
    });
}

#[test]
fn a_write_waits_for_room_and_a_read_for_bytes() {
    within(LIMIT, || {
        let (mut writer, mut reader) = pipe(64);
        let mut buffer = [0; 64];
        let read = Task::parked(reader.read(&mut buffer));
        assert_eq!(Task::new(writer.write(&[1; 64])).result().unwrap(), 64);
        assert_eq!(read.wakes(), 1);
        assert_eq!(read.result().unwrap(), 64);
        assert_eq!(Task::new(writer.write(&[2; 64])).result().unwrap(), 64);
        let write = Task::parked(writer.write(&[3; 64]));
        assert_eq!(reader.try_read(&mut buffer), Ok(64));
        assert_eq!(write.wakes(), 1);
        assert_eq!(write.result().unwrap(), 64);
        assert_eq!(reader.try_read(&mut buffer), Ok(64));
        assert_eq!(buffer, [3; 64]);
    });
}

#[test]
fn the_ends_of_a_duplex_ask_answer_and_close_one_direction() {
    within(LIMIT, || {
        let (mut client, mut server) = overfall::duplex(256);
        let ask = async {
            client.write_all(b"one\ntwo\n").await.unwrap();
            client.close().await.unwrap();
            assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
            let mut all = String::new();
            client.read_to_string(&mut all).await.unwrap();
            all
        };
        let answer = async {
            let mut line = String::new();
            while server.read_line(&mut line).await.unwrap() > 0 {
                server.write_all(line.to_uppercase().as_bytes()).await.unwrap();
                line.clear();
            }
            server.close().await.unwrap();
        };
        let (all, ()) = block_on(async { join!(ask, answer) });
        assert_eq!(all, "ONE\nTWO\n");
    });
}
