//! How things end: each row of the table, for all the ways to read and write.

use overfall::error::{ChannelError, TryReadError, TryReserveError, TryWriteError, WriteError};
use overfall::{Channel, Reader, StartAt, StrongReader, WeakReader, Writer, pipe};
use overfall_tests::{LIMIT, block_on, overwriting, within};
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::mem::forget;
use std::time::{Duration, Instant};

/// An endpoint, and what came of each way to use it.
type Outcome<E> = (E, Vec<(&'static str, io::Result<usize>)>);

/// Writes in every way there is.
fn write_every_way(writer: Writer) -> Outcome<Writer> {
    within(LIMIT, || write_every_way_there_is(writer))
}

fn write_every_way_there_is(mut writer: Writer) -> Outcome<Writer> {
    let vectored = [IoSlice::new(b"n"), IoSlice::new(b"o")];
    let mut all = vec![
        ("try_write", writer.try_write(b"no").map_err(Into::into)),
        ("try_write_vectored", writer.try_write_vectored(&vectored).map_err(Into::into)),
        ("try_reserve", writer.try_reserve(2).map(|slice| slice.len()).map_err(Into::into)),
        ("reserve", block_on(writer.reserve(2)).map(|slice| slice.len()).map_err(Into::into)),
    ];
    #[cfg(feature = "futures")]
    {
        use futures::AsyncWriteExt;
        all.push(("futures write", block_on(AsyncWriteExt::write(&mut writer, b"no"))));
    }
    #[cfg(feature = "tokio")]
    {
        use tokio::io::AsyncWriteExt;
        all.push(("tokio write", block_on(AsyncWriteExt::write(&mut writer, b"no"))));
    }
    let mut writer = writer.blocking();
    all.push(("blocking write", writer.write(b"no")));
    all.push(("blocking write_vectored", writer.write_vectored(&vectored)));
    all.push(("blocking write_timeout", writer.write_timeout(b"no", LIMIT)));
    all.push(("blocking write_deadline", writer.write_deadline(b"no", Instant::now())));
    let reserved = writer.reserve(2).map(|slice| slice.len());
    all.push(("blocking reserve", reserved.map_err(Into::into)));
    let reserved = writer.reserve_deadline(2, Instant::now() + LIMIT).map(|slice| slice.len());
    all.push(("blocking reserve_deadline", reserved.map_err(Into::into)));
    (writer.into_inner(), all)
}

/// Reads in every way there is.
fn read_every_way(reader: Reader) -> Outcome<Reader> {
    within(LIMIT, || read_every_way_there_is(reader))
}

fn read_every_way_there_is(mut reader: Reader) -> Outcome<Reader> {
    let mut buffer = [0; 8];
    let mut all = vec![("try_read", reader.try_read(&mut buffer).map_err(Into::into))];
    #[cfg(feature = "futures")]
    {
        use futures::AsyncReadExt;
        all.push(("futures read", block_on(AsyncReadExt::read(&mut reader, &mut buffer))));
    }
    #[cfg(feature = "tokio")]
    {
        use tokio::io::AsyncReadExt;
        all.push(("tokio read", block_on(AsyncReadExt::read(&mut reader, &mut buffer))));
    }
    let mut reader = reader.blocking();
    all.push(("blocking read", reader.read(&mut buffer)));
    all.push(("blocking read_timeout", reader.read_timeout(&mut buffer, LIMIT)));
    all.push(("blocking read_deadline", reader.read_deadline(&mut buffer, Instant::now())));
    let mut reader = reader.into_inner();
    if let Reader::Strong(strong) = &mut reader {
        all.push(("try_fill_buf", strong.try_fill_buf().map(<[u8]>::len).map_err(Into::into)));
    }
    if let Reader::Strong(strong) = reader {
        let mut strong = strong.blocking();
        all.push(("blocking fill_buf", strong.fill_buf().map(<[u8]>::len)));
        reader = strong.into_inner().into();
    }
    (reader, all)
}

#[track_caller]
fn writes_fail(writer: impl Into<Writer>, kind: ErrorKind) -> Writer {
    let mut writer = writer.into();
    assert!(writer.is_closed());
    for (way, result) in {
        let (back, all) = write_every_way(writer);
        writer = back;
        all
    } {
        assert_eq!(result.expect_err(way).kind(), kind, "{way}");
    }
    // Nothing was asked for, so nothing is refused.
    assert_eq!(writer.try_write(b""), Ok(0));
    writer
}

#[track_caller]
fn reads_fail(reader: impl Into<Reader>) {
    let (mut reader, all) = read_every_way(reader.into());
    for (way, result) in all {
        assert_eq!(result.expect_err(way).kind(), ErrorKind::ConnectionAborted, "{way}");
    }
    assert_eq!(reader.try_read(&mut []), Ok(0));
    assert!(reader.is_closed());
}

/// Every read is at the end, however often it is asked.
#[track_caller]
fn reads_end(reader: impl Into<Reader>) {
    let (reader, all) = read_every_way(reader.into());
    for (way, result) in all {
        assert_eq!(result.expect(way), 0, "{way}");
    }
    assert!(reader.is_closed());
}

#[track_caller]
fn reads(reader: &mut Reader, expected: &[u8]) {
    let mut buffer = [0; 16];
    assert_eq!(reader.try_read(&mut buffer), Ok(expected.len()));
    assert_eq!(&buffer[..expected.len()], expected);
}

fn strong_and_weak(channel: &Channel) -> [Reader; 2] {
    [channel.new_strong_reader().into(), channel.new_weak_reader().into()]
}

#[test]
fn a_drained_channel_takes_no_slices_and_is_read_to_the_end() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    let readers = strong_and_weak(&channel);
    writer.try_write(b"last").unwrap();
    assert!(!channel.is_closed());
    assert_eq!(channel.drain(), Ok(()));
    assert!(channel.is_closed());
    assert_eq!(writer.try_write(b"no"), Err(TryWriteError::Closed));
    assert_eq!(writer.try_reserve(2).err(), Some(TryReserveError::Closed));
    assert_eq!(channel.try_reserve_slice(2).err(), Some(TryReserveError::Closed));
    assert!(block_on(channel.reserve_slice(2)).is_err());
    writes_fail(writer, ErrorKind::BrokenPipe);
    writes_fail(channel.new_writer(), ErrorKind::BrokenPipe);
    writes_fail(channel.new_weak_writer(), ErrorKind::BrokenPipe);
    for mut reader in readers {
        reads(&mut reader, b"last");
        reads_end(reader);
    }
    for mut late in strong_and_weak(&channel) {
        reads(&mut late, b"last");
        reads_end(late);
    }
    reads_end(channel.new_strong_reader_at(StartAt::Now));
}

#[test]
fn the_typed_error_is_inside_of_the_io_error() {
    let (writer, reader) = pipe(64);
    drop(reader);
    let error = writer.blocking().write(b"no").unwrap_err();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<WriteError>());
    assert_eq!(inner, Some(&WriteError::Closed));
}

#[test]
fn draining_takes_no_room_in_the_ring_and_overruns_nobody() {
    let channel = Channel::new(256);
    let mut writer = channel.new_writer();
    let mut tap = channel.new_weak_reader();
    for slice in 0..4 {
        writer.try_write(&[slice; 64]).unwrap();
    }
    let before = channel.stats().reserved;
    channel.drain().unwrap();
    assert_eq!(channel.stats().reserved, before);
    for slice in 0..4 {
        let mut buffer = [9; 64];
        assert_eq!(tap.try_read(&mut buffer), Ok(64));
        assert_eq!(buffer, [slice; 64]);
    }
    reads_end(tap);
}

#[test]
fn draining_twice_does_nothing_and_terminate_is_not_refused_after_it() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    let readers = strong_and_weak(&channel);
    writer.try_write(b"unread").unwrap();
    assert_eq!(channel.drain(), Ok(()));
    assert_eq!(channel.drain(), Ok(()));
    channel.terminate();
    writes_fail(writer, ErrorKind::ConnectionAborted);
    readers.into_iter().for_each(reads_fail);
}

#[test]
fn drain_after_terminate_is_an_error_and_changes_nothing() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    let readers = strong_and_weak(&channel);
    writer.try_write(b"unread").unwrap();
    channel.terminate();
    channel.terminate();
    assert_eq!(channel.drain(), Err(ChannelError::Terminated));
    assert_eq!(writer.try_write(b"no"), Err(TryWriteError::Terminated));
    writes_fail(writer, ErrorKind::ConnectionAborted);
    readers.into_iter().for_each(reads_fail);
}

#[test]
fn after_terminate_everybody_fails_and_what_was_unread_is_gone() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    let mut half_read = channel.new_strong_reader();
    let readers = strong_and_weak(&channel);
    writer.try_write(b"unread").unwrap();
    assert_eq!(half_read.try_read(&mut [0; 3]), Ok(3));
    channel.terminate();
    assert!(channel.is_closed());
    reads_fail(half_read.clone());
    reads_fail(half_read.into_weak());
    readers.into_iter().for_each(reads_fail);
    strong_and_weak(&channel).into_iter().for_each(reads_fail);
    let writer = writes_fail(writer, ErrorKind::ConnectionAborted);
    writes_fail(writer.clone(), ErrorKind::ConnectionAborted);
    let writer = writes_fail(writer.into_weak(), ErrorKind::ConnectionAborted);
    writes_fail(writer.into_strong(), ErrorKind::ConnectionAborted);
    writes_fail(channel.new_writer(), ErrorKind::ConnectionAborted);
    let error = channel.try_reserve_slice(1).unwrap_err();
    assert_eq!(error, TryReserveError::Terminated);
    let error = block_on(channel.reserve_slice(1)).unwrap_err();
    assert_eq!(io::Error::from(error).kind(), ErrorKind::ConnectionAborted);
}

#[test]
fn a_slice_in_flight_can_be_committed_or_dropped_after_terminate() {
    let channel = Channel::new(1024);
    let (mut writer, mut other) = (channel.new_writer(), channel.new_writer());
    let reader = channel.new_strong_reader();
    let mut slice = writer.try_reserve(4).unwrap();
    let dropped = other.try_reserve(4).unwrap();
    channel.terminate();
    assert_eq!(slice.write(b"late"), 4);
    slice.commit();
    drop(dropped);
    reads_fail(reader);
}

#[test]
fn the_last_handle_and_the_last_strong_writer_end_the_channel_in_either_order() {
    for handle_first in [true, false] {
        let channel = Channel::new(1024);
        let (strong, weak) = (channel.new_strong_writer(), channel.new_weak_writer());
        let (mut clone, second_handle) = (strong.clone(), channel.clone());
        let readers = strong_and_weak(&channel);
        clone.try_write(b"last").unwrap();
        drop(strong);
        drop(second_handle);
        assert!(!weak.is_closed());
        if handle_first {
            drop(channel);
            assert!(!weak.is_closed());
            drop(clone);
        } else {
            drop(clone);
            assert!(!weak.is_closed());
            drop(channel);
        }
        assert!(weak.is_closed());
        writes_fail(weak.clone(), ErrorKind::BrokenPipe);
        writes_fail(weak.into_strong(), ErrorKind::BrokenPipe);
        for mut reader in readers {
            reads(&mut reader, b"last");
            reads_end(reader);
        }
    }
}

#[test]
fn the_last_strong_writer_that_turns_weak_ends_the_channel() {
    let (writer, reader) = pipe(1024);
    let mut weak = writer.into_weak();
    assert_eq!(weak.try_write(b"no"), Err(TryWriteError::Closed));
    reads_end(reader);
}

#[test]
fn a_weak_writer_that_turns_strong_keeps_the_channel_open() {
    let channel = Channel::new(1024);
    let mut reader = channel.new_strong_reader();
    let mut writer = channel.new_weak_writer().into_strong();
    drop(channel);
    writer.try_write(b"open").unwrap();
    assert_eq!(reader.try_read(&mut [0; 8]), Ok(4));
    assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty));
}

#[test]
fn a_weak_writer_commits_what_it_had_reserved_before_the_end() {
    let channel = Channel::new(1024);
    let mut weak = channel.new_weak_writer();
    let mut reader: Reader = channel.new_strong_reader().into();
    let strong = channel.new_strong_writer();
    drop(channel);
    let mut slice = weak.try_reserve(4).unwrap();
    drop(strong);
    assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty));
    slice.write_all(b"kept").unwrap();
    slice.commit();
    reads(&mut reader, b"kept");
    reads_end(reader);
}

#[test]
fn dropping_the_handle_changes_nothing_and_throws_nothing_away() {
    let channel = overwriting(1024);
    let mut writer = channel.new_writer();
    let readers = strong_and_weak(&channel);
    writer.try_write(b"before").unwrap();
    drop(channel);
    assert!(!writer.is_closed());
    writer.try_write(b" after").unwrap();
    for mut reader in readers {
        reads(&mut reader, b"before after");
        assert_eq!(reader.try_read(&mut [0; 8]), Err(TryReadError::Empty));
    }
}

#[test]
fn without_a_reader_and_without_a_handle_the_pipe_is_broken() {
    fn broken_by_dropping<R: Into<Reader>>(kind: impl Fn(&Channel) -> R) {
        let channel = Channel::new(1024);
        let (mut writer, reader) = (channel.new_writer(), kind(&channel).into());
        drop(channel);
        assert_eq!(writer.try_write(b"yes"), Ok(3));
        let clone = reader.clone();
        drop(reader);
        assert_eq!(writer.try_write(b"yes"), Ok(3));
        drop(clone);
        assert_eq!(writer.try_write(b"no"), Err(TryWriteError::Closed));
        writes_fail(writer, ErrorKind::BrokenPipe);
    }
    broken_by_dropping(Channel::new_strong_reader);
    broken_by_dropping(Channel::new_weak_reader);

    let channel = Channel::new(1024);
    let writer = channel.new_writer();
    drop(channel);
    writes_fail(writer, ErrorKind::BrokenPipe);
}

#[test]
fn without_a_reader_a_handle_keeps_writes_going_and_readers_can_come_back() {
    let channel = overwriting(256);
    let mut writer = channel.new_writer();
    drop(channel.new_strong_reader());
    for slice in 0..100 {
        assert_eq!(writer.try_write(&[slice; 64]), Ok(64));
    }
    let mut reader = channel.new_strong_reader();
    let mut kept = Vec::new();
    let mut buffer = [0; 64];
    while reader.try_read(&mut buffer) == Ok(64) {
        kept.push(buffer[0]);
    }
    assert!(!kept.is_empty() && kept.len() <= 4);
    let first = 100 - kept.len() as u8;
    assert_eq!(kept, (first..100).collect::<Vec<u8>>());
}

#[test]
fn a_writer_that_terminates_itself_ends_alone_and_its_slice_in_flight_is_aborted() {
    let channel = overwriting(1024);
    let (mut writer, mut other) = (channel.new_writer(), channel.new_writer());
    let readers = strong_and_weak(&channel);
    writer.try_write(b"kept").unwrap();
    let mut slice = writer.try_reserve(4).unwrap();
    slice.write_all(b"gone").unwrap();
    forget(slice);
    other.try_write(b" too").unwrap();
    writer.terminate();
    reads(&mut channel.new_strong_reader().into(), b"kept too");
    writer.terminate();
    writes_fail(writer.clone(), ErrorKind::ConnectionAborted);
    writer.shut_down();
    let writer = writes_fail(writer, ErrorKind::ConnectionAborted);
    writes_fail(writer.into_weak().into_strong(), ErrorKind::ConnectionAborted);
    assert!(!channel.is_closed());
    for mut reader in readers {
        // One read across the aborted slice, or two.
        let mut all: Vec<u8> = Vec::new();
        let mut buffer = [0; 16];
        while let Ok(read) = reader.try_read(&mut buffer) {
            all.extend(&buffer[..read]);
        }
        assert_eq!(all, b"kept too");
    }
    assert_eq!(other.try_write(b"on"), Ok(2));
}

#[test]
fn a_reader_that_terminates_itself_ends_alone_and_holds_nobody_back() {
    let channel = overwriting(64);
    let mut writer = channel.new_writer();
    let (mut reader, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    writer.try_write(b"unread").unwrap();
    assert_eq!(writer.try_write(b"full"), Err(TryWriteError::Full));
    reader.terminate();
    reader.terminate();
    assert_eq!(writer.try_write(b"free"), Ok(4));
    weak.terminate();
    reads_fail(reader.clone());
    reads_fail(weak.clone());
    reads_fail(reader);
    reads_fail(weak);
    assert!(!channel.is_closed());
    let mut fresh: Reader = channel.new_strong_reader().into();
    reads(&mut fresh, b"free");
}

#[test]
fn a_writer_that_is_done_is_refused_and_keeps_nothing_open() {
    let (mut writer, reader) = pipe(1024);
    writer.try_write(b"last").unwrap();
    writer.shut_down();
    writer.shut_down();
    let writer = writes_fail(writer, ErrorKind::BrokenPipe);
    let Writer::Strong(mut writer) = writes_fail(writer.clone(), ErrorKind::BrokenPipe) else {
        panic!("a strong writer's clone is one");
    };
    let mut reader: Reader = reader.into();
    reads(&mut reader, b"last");
    reads_end(reader);
    writer.terminate();
    writes_fail(writer, ErrorKind::ConnectionAborted);
}

#[test]
fn no_end_is_told_as_an_interruption() {
    let ended = |end: fn(&Channel)| {
        let channel = Channel::new(64);
        let writer = channel.new_writer();
        let readers = strong_and_weak(&channel);
        end(&channel);
        let mut all = write_every_way(writer).1;
        readers.into_iter().for_each(|reader| all.extend(read_every_way(reader).1));
        all
    };
    for (way, result) in
        ended(|channel| channel.drain().unwrap()).into_iter().chain(ended(Channel::terminate))
    {
        let kind = result.err().map(|error| error.kind());
        assert_ne!(kind, Some(ErrorKind::Interrupted), "{way}");
    }
    let channel = Channel::new(64);
    let mut full = channel.new_writer().blocking();
    let (mut strong, mut weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    full.write_all(&[0; 64]).unwrap();
    let kinds = [
        full.write_timeout(b"x", Duration::ZERO).unwrap_err().kind(),
        io::Error::from(full.get_mut().try_write(b"x").unwrap_err()).kind(),
        {
            let lent = strong.try_fill_buf().unwrap().len();
            strong.consume(lent);
            io::Error::from(strong.try_read(&mut [0; 1]).unwrap_err()).kind()
        },
        {
            full.write_all(&[0; 64]).unwrap();
            io::Error::from(weak.try_read(&mut [0; 1]).unwrap_err()).kind()
        },
    ];
    assert_eq!(
        kinds,
        [ErrorKind::TimedOut, ErrorKind::WouldBlock, ErrorKind::WouldBlock, ErrorKind::Other]
    );
}

#[test]
fn readers_of_a_drained_channel_turn_into_each_other() {
    let channel = Channel::new(1024);
    channel.new_writer().try_write(b"kept").unwrap();
    let (strong, weak) = (channel.new_strong_reader(), channel.new_weak_reader());
    channel.drain().unwrap();
    let turned: (WeakReader, StrongReader) = (strong.into_weak(), weak.into_strong().unwrap());
    for mut reader in [Reader::from(turned.0), Reader::from(turned.1)] {
        reads(&mut reader, b"kept");
        reads_end(reader);
    }
}

#[test]
fn a_reader_that_terminates_itself_counts_as_gone() {
    let (mut writer, mut reader) = pipe(256);
    let mut other = reader.clone();
    reader.terminate();
    reader.terminate();
    assert_eq!(writer.try_write(b"one is left"), Ok(11));
    other.terminate();
    assert_eq!(writer.try_write(b"nobody is left"), Err(TryWriteError::Closed));
    assert!(reader.clone().is_closed());
    drop((reader, other));
}
