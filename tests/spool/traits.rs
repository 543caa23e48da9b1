//! The traits of tokio and futures.

use crate::{bytes_from, segments_of, stream};
use overfall::spool::{Spool, SpoolReader, SpoolWriter};
use overfall_tests::{LIMIT, within};
use std::io::{ErrorKind, SeekFrom};
use std::time::Duration;

fn on_one_thread<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    within(LIMIT, || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    })
}

/// In memory, in a file, and in both.
fn streams(size: usize) -> [(Spool, SpoolWriter, SpoolReader); 3] {
    let spools = [
        segments_of(size).build().unwrap(),
        segments_of(size).temp_file().unwrap(),
        segments_of(size).spill_at(size as u64 + 7).build().unwrap(),
    ];
    spools.map(|spool| {
        let (writer, reader) = (spool.writer().unwrap(), spool.reader().unwrap());
        (spool, writer, reader)
    })
}

mod of_tokio {
    use super::*;
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

    #[test]
    fn a_stream_is_written_read_and_sought_in() {
        for (_spool, mut writer, mut reader) in streams(1000) {
            on_one_thread(async move {
                let task = tokio::spawn(async move {
                    for chunk in 0..100 {
                        writer.write_all(&bytes_from(chunk * 1000, 1000)).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    writer.flush().await.unwrap();
                    writer.shutdown().await.unwrap();
                    writer.shutdown().await.unwrap();
                    assert_eq!(writer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
                });
                let mut waiting = reader.clone();
                // It waits for the end.
                assert_eq!(waiting.seek(SeekFrom::End(-10)).await.unwrap(), 99_990);
                let mut all = Vec::new();
                reader.read_to_end(&mut all).await.unwrap();
                assert!(all == bytes_from(0, 100_000));
                task.await.unwrap();
                assert_eq!(AsyncSeekExt::seek(&mut reader, SeekFrom::Start(5)).await.unwrap(), 5);
                assert_eq!(reader.stream_position().await.unwrap(), 5);
                let error =
                    AsyncSeekExt::seek(&mut reader, SeekFrom::Current(-6)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert_eq!(reader.stream_position().await.unwrap(), 5);
                let lent = AsyncBufReadExt::fill_buf(&mut reader).await.unwrap();
                assert!(lent.len() >= 995 && lent == bytes_from(5, lent.len()));
                AsyncBufReadExt::consume(&mut reader, 995);
                assert_eq!(reader.position(), 1000);
            });
        }
    }

    #[test]
    fn a_seek_that_was_dropped_moves_nothing_and_holds_up_no_seek_behind_a_read() {
        use overfall_tests::Task;
        use std::task::Poll;
        let (_spool, mut writer, mut reader) = stream(segments_of(4));
        assert_eq!(writer.try_write(&bytes_from(0, 10)), Ok(10));
        for read_by_lending in [false, true] {
            drop(Task::parked(AsyncSeekExt::seek(&mut reader, SeekFrom::End(0))));
            let position = reader.position();
            if read_by_lending {
                let lent = Task::new(AsyncBufReadExt::fill_buf(&mut reader)).result().unwrap();
                assert_eq!(lent[0], crate::byte_at(position));
            } else {
                let byte = Task::new(AsyncReadExt::read_u8(&mut reader)).result().unwrap();
                assert_eq!(byte, crate::byte_at(position));
            }
            let mut sought = Task::new(AsyncSeekExt::seek(&mut reader, SeekFrom::Start(5)));
            assert!(matches!(sought.poll(), Poll::Ready(Ok(5))), "it waits for nothing");
        }
        // And that of its own waits for no other.
        drop(Task::parked(AsyncSeekExt::seek(&mut reader, SeekFrom::End(0))));
        assert_eq!(Task::new(SpoolReader::seek(&mut reader, SeekFrom::Start(1))).result(), Ok(1));
    }

    #[test]
    fn a_read_initializes_what_it_may_read_and_not_the_room_it_is_given() {
        use overfall_tests::Task;
        use std::mem::MaybeUninit;
        use std::pin::Pin;
        use std::task::Poll;
        use tokio::io::{AsyncRead, ReadBuf};
        let (_spool, mut writer, mut reader) = stream(segments_of(1 << 16));
        let mut memory = vec![MaybeUninit::uninit(); 1 << 20];
        let mut position = 0;
        for length in [64, 1, 1000, 10_000, 64] {
            assert_eq!(writer.try_write(&bytes_from(position, length)), Ok(length));
            let mut buffer = ReadBuf::uninit(&mut memory);
            let read = std::future::poll_fn(|context| {
                Pin::new(&mut reader).poll_read(context, &mut buffer)
            });
            assert!(matches!(Task::new(read).poll(), Poll::Ready(Ok(()))));
            assert_eq!(buffer.filled(), bytes_from(position, length));
            let initialized = buffer.initialized().len();
            assert!(initialized < length + 512, "{initialized} bytes for {length}");
            position += length as u64;
        }
        writer.finish().unwrap();
        let mut buffer = ReadBuf::uninit(&mut memory);
        let read =
            std::future::poll_fn(|context| Pin::new(&mut reader).poll_read(context, &mut buffer));
        assert!(matches!(Task::new(read).poll(), Poll::Ready(Ok(()))));
        assert!(buffer.filled().is_empty(), "the end");
    }

    #[test]
    fn a_task_that_always_finds_work_lets_others_run() {
        on_one_thread(async {
            let (_spool, mut writer, mut reader) = stream(segments_of(1 << 16));
            AsyncWriteExt::write_all(&mut writer, &vec![0; 1 << 16]).await.unwrap();
            let busy = tokio::spawn(async move {
                loop {
                    let mut byte = [0];
                    tokio::io::AsyncReadExt::read_exact(&mut reader, &mut byte).await.unwrap();
                    reader.try_seek(SeekFrom::Start(0)).unwrap();
                }
            });
            tokio::time::sleep(Duration::from_millis(1)).await;
            busy.abort();
            assert!(busy.await.unwrap_err().is_cancelled());
        });
    }
}

mod of_futures {
    use super::*;
    use futures::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

    #[test]
    fn a_stream_is_written_read_and_sought_in() {
        for (_spool, mut writer, mut reader) in streams(3) {
            overfall_tests::block_on(async {
                AsyncWriteExt::write_all(&mut writer, b"one\ntwo\nthree").await.unwrap();
                writer.close().await.unwrap();
                let mut line = String::new();
                reader.read_line(&mut line).await.unwrap();
                assert_eq!(line, "one\n");
                assert_eq!(AsyncSeekExt::seek(&mut reader, SeekFrom::End(-5)).await.unwrap(), 8);
                let mut rest = String::new();
                reader.read_to_string(&mut rest).await.unwrap();
                assert_eq!(rest, "three");
            });
        }
    }
}
