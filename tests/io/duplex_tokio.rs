//! Two ends, with the traits of tokio: what users of `tokio::io::duplex` rely on, and where ours differs.

use futures::{FutureExt, SinkExt, StreamExt};
use overfall::duplex;
use overfall_tests::{LIMIT, within};
use std::io::{ErrorKind, IoSlice};
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy, copy_bidirectional, split,
};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio_util::codec::{Framed, LinesCodec};

fn on_one_thread<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    within(LIMIT, || Builder::new_current_thread().build().unwrap().block_on(future))
}

fn on_two_threads<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    within(LIMIT, || {
        Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
    })
}

#[test]
fn a_task_alone_asks_and_answers() {
    on_one_thread(async {
        let (mut client, mut server) = duplex(128);
        let mut buffer = [0; 8];
        for round in 0..100_u64 {
            client.write_all(&round.to_be_bytes()).await.unwrap();
            server.read_exact(&mut buffer).await.unwrap();
            assert_eq!(u64::from_be_bytes(buffer), round);
            server.write_all(&(!round).to_be_bytes()).await.unwrap();
            client.read_exact(&mut buffer).await.unwrap();
            assert_eq!(u64::from_be_bytes(buffer), !round);
        }
    });
}

#[test]
fn tasks_ask_and_answer() {
    async fn ask_and_answer() {
        let (mut client, mut server) = duplex(64);
        let serving = tokio::spawn(async move {
            let mut byte = [0];
            while server.read(&mut byte).await.unwrap() > 0 {
                server.write_all(&[byte[0].wrapping_add(1)]).await.unwrap();
            }
        });
        let mut answer = [0];
        for byte in 0..=255_u8 {
            client.write_all(&[byte]).await.unwrap();
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer[0], byte.wrapping_add(1));
        }
        drop(client);
        serving.await.unwrap();
    }
    on_one_thread(ask_and_answer());
    on_two_threads(ask_and_answer());
}

#[test]
fn an_end_that_was_dropped_is_read_to_the_end() {
    on_two_threads(async {
        let (mut gone, mut left) = duplex(64);
        let writing = tokio::spawn(async move { gone.write_all(b"last words").await });
        let mut all = String::new();
        left.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "last words");
        assert_eq!(left.read(&mut [0; 8]).await.unwrap(), 0);
        writing.await.unwrap().unwrap();
    });
}

#[test]
fn a_write_that_waits_for_room_fails_when_the_other_end_goes() {
    on_one_thread(async {
        let (gone, mut left) = duplex(64);
        left.write_all(&[0; 64]).await.unwrap();
        let mut write = Box::pin(left.write_all(b"one too many"));
        assert!(write.as_mut().now_or_never().is_none());
        drop(gone);
        assert_eq!(write.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn shutdown_ends_one_direction_and_leaves_the_other() {
    on_one_thread(async {
        let (mut client, mut server) = duplex(256);
        client.write_all(b"a request").await.unwrap();
        client.flush().await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut request = String::new();
        server.read_to_string(&mut request).await.unwrap();
        assert_eq!(request, "a request");
        server.write_all(b"an answer").await.unwrap();
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "an answer");
    });
}

#[test]
fn the_parts_of_a_vectored_write_are_read_as_one() {
    on_one_thread(async {
        for shuts_down in [false, true] {
            let (mut client, mut server) = duplex(128);
            let parts = [IoSlice::new(b"first, "), IoSlice::new(b"second")];
            assert_eq!(client.write_vectored(&parts).await.unwrap(), 13);
            if shuts_down {
                client.shutdown().await.unwrap();
            }
            drop(client);
            let mut all = String::new();
            assert_eq!(server.read_to_string(&mut all).await.unwrap(), 13);
            assert_eq!(all, "first, second");
        }
    });
}

#[test]
fn reads_and_writes_of_nothing_are_done_at_once() {
    on_one_thread(async {
        let (mut full, mut empty) = duplex(64);
        full.write_all(&[0; 64]).await.unwrap();
        assert_eq!(full.write(&[]).now_or_never().unwrap().unwrap(), 0);
        let parts = [IoSlice::new(&[]), IoSlice::new(&[])];
        assert_eq!(full.write_vectored(&parts).now_or_never().unwrap().unwrap(), 0);
        // Nothing comes the other way.
        assert_eq!(full.read(&mut []).now_or_never().unwrap().unwrap(), 0);
        assert_eq!(empty.read(&mut []).now_or_never().unwrap().unwrap(), 0);
    });
}

#[test]
fn a_task_that_always_finds_something_to_do_lets_others_have_their_turn() {
    on_one_thread(async {
        let (mut client, mut server) = duplex(4096);
        let mut buffer = [0; 256];
        let busy = async {
            loop {
                client.write_all(&[5; 256]).await.unwrap();
                server.read_exact(&mut buffer).await.unwrap();
            }
        };
        tokio::select! {
            biased;
            () = busy => {}
            () = yield_now() => {}
        }
    });
}

#[test]
fn an_end_is_buffered_already_and_may_be_buffered_again() {
    on_one_thread(async {
        let (mut client, mut server) = duplex(128);
        client.write_all(b"one\ntwo\nthree").await.unwrap();
        assert_eq!(server.fill_buf().await.unwrap(), b"one\ntwo\nthree");
        server.consume(4);
        let mut server = BufReader::new(server);
        let mut line = String::new();
        server.read_line(&mut line).await.unwrap();
        assert_eq!(line, "two\n");
        drop(client);
        assert_eq!(server.fill_buf().await.unwrap(), b"three");
    });
}

#[test]
fn halves_split_by_tokio_wait_for_bytes_and_for_room_at_the_same_time() {
    on_one_thread(async {
        let (one, mut other) = duplex(64);
        let (mut reading, mut writing) = split(one);
        writing.write_all(&[1; 64]).await.unwrap();
        let read = tokio::spawn(async move {
            let mut byte = [0];
            reading.read_exact(&mut byte).await.unwrap();
            byte[0]
        });
        let write = tokio::spawn(async move { writing.write_all(&[2; 64]).await });
        // Both wait now.
        yield_now().await;
        assert!(!read.is_finished() && !write.is_finished());
        let mut buffer = [0; 128];
        other.read_exact(&mut buffer[..64]).await.unwrap();
        other.read_exact(&mut buffer[64..]).await.unwrap();
        assert_eq!(buffer, [[1; 64], [2; 64]].concat()[..]);
        other.write_all(&[9]).await.unwrap();
        assert_eq!(read.await.unwrap(), 9);
        write.await.unwrap().unwrap();
    });
}

#[test]
fn a_proxy_copies_between_two_of_them_both_ways() {
    on_two_threads(async {
        let (mut client, mut proxy_in) = duplex(256);
        let (mut proxy_out, mut server) = duplex(1024);
        let proxy =
            tokio::spawn(async move { copy_bidirectional(&mut proxy_in, &mut proxy_out).await });
        let echo = tokio::spawn(async move {
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.unwrap();
            server.write_all(&all).await.unwrap();
        });
        let bytes: Vec<u8> = (0..50_000_u32).map(|n| (n % 249) as u8).collect();
        assert_eq!(copy(&mut &bytes[..], &mut client).await.unwrap(), 50_000);
        client.shutdown().await.unwrap();
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert!(all == bytes);
        assert_eq!(proxy.await.unwrap().unwrap(), (50_000, 50_000));
        echo.await.unwrap();
    });
}

#[test]
fn a_codec_has_one_stream_for_both_directions() {
    on_one_thread(async {
        let (client, server) = duplex(256);
        let [mut client, mut server] =
            [client, server].map(|end| Framed::new(end, LinesCodec::new()));
        let serving = tokio::spawn(async move {
            while let Some(line) = server.next().await {
                server.send(line.unwrap().to_uppercase()).await.unwrap();
            }
        });
        for line in ["one", "two", ""] {
            client.send(line).await.unwrap();
            assert_eq!(client.next().await.unwrap().unwrap(), line.to_uppercase());
        }
        drop(client);
        serving.await.unwrap();
    });
}

// Where it differs.

#[test]
fn a_write_waits_for_room_for_all_of_it_and_is_short_beyond_the_ring_only() {
    on_one_thread(async {
        let (mut client, mut server) = duplex(64);
        assert_eq!(client.write(&[1; 100]).await.unwrap(), 64);
        let mut buffer = [0; 64];
        server.read_exact(&mut buffer[..63]).await.unwrap();
        // One byte of the last write is unread, and keeps all of its room.
        assert!(client.write(&[2]).now_or_never().is_none());
        server.read_exact(&mut buffer[63..]).await.unwrap();
        assert_eq!(client.write(&[2]).await.unwrap(), 1);
    });
}

#[test]
fn a_write_takes_whole_granules_and_the_size_is_a_power_of_two() {
    on_one_thread(async {
        for (size, writes) in [(1, 1), (64, 1), (100, 2), (1000, 16)] {
            let (mut client, _server) = duplex(size);
            for _ in 0..writes {
                assert_eq!(client.write(&[0]).now_or_never().unwrap().unwrap(), 1);
            }
            assert!(client.write(&[0]).now_or_never().is_none(), "{size}");
        }
    });
}

#[test]
fn a_write_of_nothing_to_an_end_that_was_dropped_does_nothing() {
    on_one_thread(async {
        let (mut left, gone) = duplex(64);
        drop(gone);
        assert_eq!(left.write(&[]).await.unwrap(), 0);
        assert_eq!(left.write(&[1]).await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        left.flush().await.unwrap();
    });
}
