//! The ways in which those who wait are woken.

use super::stage::Stage;
use overfall::error::TryWriteError;
use overfall_tests::Task;

/// A way to wake those who are parked, and what is done then.
pub(crate) type Way = (&'static str, fn(&mut Stage));

/// For readers that have read everything. Each calls [`Stage::park`] and then [`Stage::act`].
pub(crate) const FOR_READERS: &[Way] = &[
    ("a write", |stage| {
        let mut writer = stage.channel().new_writer();
        stage.park();
        stage.act(|| writer.try_write(b"x"));
        // It is written, and the writer goes on.
        assert_eq!((writer.stats().slices, writer.stats().payload_bytes), (1, 1));
        writer.try_write(b"y").unwrap();
    }),
    ("a message", |stage| {
        let mut writer = stage.channel().new_weak_writer();
        stage.park();
        stage.act(|| writer.try_send(b"x"));
        writer.try_send(b"y").unwrap();
        assert_eq!(writer.stats().slices, 2);
    }),
    ("a batch", |stage| {
        let mut writer = stage.channel().new_writer();
        stage.park();
        stage.act(|| writer.try_send_many(&[b"x", b"y"]));
        assert_eq!(writer.stats().slices, 2);
    }),
    ("a commit of a slice", |stage| {
        let mut writer = stage.channel().new_writer();
        let mut slice = writer.try_reserve(100).unwrap();
        slice.write_all(b"x").unwrap();
        stage.park();
        stage.act(|| slice.commit());
        writer.try_reserve(1).unwrap().commit();
        assert_eq!(writer.stats().slices, 2);
    }),
    ("a commit of a slice without a writer", |stage| {
        let channel = stage.channel();
        let slice = channel.try_reserve_slice(100).unwrap();
        stage.park();
        stage.act(|| slice.commit());
        channel.try_reserve_slice(100).unwrap().commit();
    }),
    ("a slice that is dropped", |stage| {
        let mut writer = stage.channel().new_writer();
        let slice = writer.try_reserve(100).unwrap();
        stage.park();
        stage.act(|| drop(slice));
        assert_eq!(writer.try_write(b"y"), Ok(1));
    }),
    ("a leaked slice, given up by the next write", |stage| {
        let mut writer = stage.channel().new_writer();
        std::mem::forget(writer.try_reserve(100).unwrap());
        stage.park();
        stage.act(|| writer.try_write(b"x"));
        assert_eq!(writer.try_write(b"y"), Ok(1));
    }),
    ("a leaked slice, given up with its writer", |stage| {
        let mut writer = stage.channel().new_writer();
        std::mem::forget(writer.try_reserve(100).unwrap());
        stage.park();
        stage.act(|| drop(writer));
    }),
    ("a leaked slice, given up by a terminate of its writer", |stage| {
        let mut writer = stage.channel().new_writer();
        std::mem::forget(writer.try_reserve(100).unwrap());
        stage.park();
        stage.act(|| writer.terminate());
        assert_eq!(writer.try_write(b"y"), Err(TryWriteError::Terminated));
    }),
    ("padding", |stage| {
        let mut writer = stage.channel().new_writer();
        for _ in 0..3 {
            writer.try_send(&[1; 1024]).unwrap();
        }
        let mut reader = stage.channel().new_strong_reader();
        while reader.try_recv().is_ok() {}
        stage.start_now();
        stage.park();
        // No room for so much before the end of the lap.
        stage.act(|| writer.try_reserve(2048).map(|slice| slice.commit()));
        writer.try_reserve(1024).unwrap().commit();
    }),
];

/// For all who wait, whatever for: the end of the channel.
pub(crate) const FOR_ALL: &[Way] = &[
    ("a drain", |stage| {
        stage.block(0);
        stage.park();
        let channel = stage.channel();
        stage.act(|| channel.drain());
    }),
    ("a terminate", |stage| {
        stage.block(0);
        stage.park();
        let channel = stage.channel();
        stage.act(|| channel.terminate());
    }),
    ("the last handle", |stage| {
        stage.block(0);
        stage.park_without_handle();
        let channel = stage.take_channel();
        stage.act(|| drop(channel));
    }),
    ("the last writer, dropped", |stage| {
        let writer = stage.last_writer();
        stage.act(|| drop(writer));
    }),
    ("the last writer, shut down", |stage| {
        let mut writer = stage.last_writer();
        stage.act(|| writer.shut_down());
        assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Closed));
    }),
    ("the last writer, terminated", |stage| {
        let mut writer = stage.last_writer();
        stage.act(|| writer.terminate());
        assert_eq!(writer.try_write(b"x"), Err(TryWriteError::Terminated));
    }),
    ("the last writer, turned weak", |stage| {
        let writer = stage.last_writer();
        stage.act(|| drop(writer.into_weak()));
    }),
];

/// For writers that wait for room: the last reader goes.
pub(crate) const FOR_WRITERS_AT_THE_END: &[Way] = &[
    ("the last reader, dropped", |stage| {
        let (reader, _writer) = stage.last_reader();
        stage.act(|| drop(reader));
    }),
    ("the last reader, terminated", |stage| {
        let (mut reader, _writer) = stage.last_reader();
        stage.act(|| reader.terminate());
    }),
    ("the last reader, turned weak and dropped", |stage| {
        let (reader, _writer) = stage.last_reader();
        stage.act(|| drop(reader.into_weak()));
    }),
];

/// For writers that wait for room in a ring that a strong reader has yet to read.
pub(crate) const FOR_WRITERS: &[Way] = &[
    ("a read", |stage| {
        let mut reader = stage.fill();
        stage.park();
        let mut buffer = [0; 4096];
        stage.act(|| reader.try_read(&mut buffer));
        // The bytes were read, whatever the waker did.
        assert_eq!(reader.stats().payload_bytes, 4096);
        stage.keep(reader);
    }),
    ("a read of just a slice", |stage| {
        let mut reader = stage.fill();
        stage.park();
        let mut buffer = [0; 1024];
        stage.act(|| reader.try_read(&mut buffer));
        assert_eq!(reader.stats().payload_bytes, 1024);
        assert_eq!(reader.stats().position, 1024);
        stage.keep(reader);
    }),
    ("bytes that are consumed", |stage| {
        let mut reader = stage.fill();
        stage.park();
        let lent = reader.try_fill_buf().unwrap().len();
        stage.act(|| reader.consume(lent));
        assert_eq!(reader.stats().payload_bytes, lent as u64);
        stage.keep(reader);
    }),
    ("a message that is dropped", |stage| {
        let mut reader = stage.fill();
        stage.park();
        let message = reader.try_recv().unwrap();
        stage.act(|| drop(message));
        assert_eq!(reader.stats().payload_bytes, 1024);
        stage.keep(reader);
    }),
    ("messages that are dropped", |stage| {
        let mut reader = stage.fill();
        stage.park();
        let messages = reader.try_recv_many(2).unwrap();
        stage.act(|| drop(messages));
        assert_eq!(reader.stats().payload_bytes, 2048);
        stage.keep(reader);
    }),
    ("the rest of a message, skipped", |stage| {
        let mut reader = stage.fill();
        stage.park();
        assert_eq!(reader.try_read(&mut [0]), Ok(1));
        stage.act(|| reader.skip_rest());
        assert_eq!(reader.stats().payload_bytes, 1024);
        stage.keep(reader);
    }),
    ("a reader that is dropped", |stage| {
        let reader = stage.fill();
        stage.park();
        stage.act(|| drop(reader));
    }),
    ("a reader that is terminated", |stage| {
        let mut reader = stage.fill();
        stage.park();
        stage.act(|| reader.terminate());
        assert_eq!(stage.channel().stats().strong_readers, 0);
    }),
    ("a reader that is turned weak", |stage| {
        let reader = stage.fill();
        stage.park();
        stage.act(|| drop(reader.into_weak()));
    }),
    ("a commit, with nobody to read it", |stage| {
        let mut writer = stage.channel().new_writer();
        let mut slice = writer.try_reserve(4096).unwrap();
        slice.write_all(b"x").unwrap();
        stage.park();
        stage.act(|| slice.commit());
    }),
    ("a slice that is dropped", |stage| {
        let mut writer = stage.channel().new_writer();
        let slice = writer.try_reserve(4096).unwrap();
        stage.park();
        stage.act(|| drop(slice));
    }),
    ("a writer that leaves the line", |stage| {
        let channel = stage.channel();
        let mut reader = stage.fill();
        let mut writer = channel.new_writer();
        let first = Task::parked(writer.reserve(4096));
        stage.park();
        // Room for those behind it, not for itself.
        assert_eq!(reader.try_read(&mut [0; 3072]), Ok(3072));
        stage.act(|| drop(first));
        stage.keep(reader);
    }),
];
