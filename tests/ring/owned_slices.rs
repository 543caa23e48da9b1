//! Slices that own their writer.

use overfall::error::{ReserveError, TryReserveError};
use overfall::{Channel, OwnedSlice, StrongWriter, WeakWriter, Writer, pipe};
use overfall_tests::{LIMIT, Task, block_on, waiting_writers, within};
use std::io::{self, Write};
use std::thread;

#[allow(unused, reason = "static assertions")]
fn an_owned_slice_can_be_carried_anywhere() {
    fn carried<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    fn sent<T: Send + 'static>(_: T) {}
    carried::<OwnedSlice<Writer>>();
    carried::<OwnedSlice<StrongWriter>>();
    carried::<OwnedSlice<WeakWriter>>();
    sent(pipe(64).0.reserve_owned(1));
}

#[test]
fn a_slice_is_filled_on_another_thread_and_its_writer_comes_back() {
    within(LIMIT, || {
        let (writer, mut reader) = pipe(1024);
        let id = writer.id();
        let mut slice = block_on(writer.reserve_owned(10)).unwrap();
        assert_eq!((slice.len(), slice.remaining(), slice.position()), (10, 10, 0));
        let writer = thread::spawn(move || {
            write!(slice, "{}", 12345).unwrap();
            assert_eq!(slice.write(b"6789012345"), 5);
            assert!(slice.write_all(b"x").is_err());
            slice.commit()
        });
        let writer = writer.join().unwrap();
        assert_eq!((writer.id(), writer.stats().slices), (id, 1));
        assert_eq!(reader.try_recv().unwrap().unwrap(), b"1234567890");
        let mut slice = writer.blocking().reserve_owned(4).unwrap();
        slice.write_all(b"park").unwrap();
        let mut writer = slice.commit();
        writer.send("again").unwrap();
        assert_eq!(reader.try_recv().unwrap().unwrap(), b"park");
        assert_eq!(reader.try_recv().unwrap().unwrap(), b"again");
    });
}

#[test]
fn a_slice_that_is_dropped_or_aborted_is_skipped() {
    let channel = Channel::new(1024);
    let (first, mut second) = (channel.new_writer(), channel.new_weak_writer());
    let mut reader = channel.new_strong_reader();
    let slice = first.try_reserve_owned(100).unwrap();
    second.try_send("behind").unwrap();
    assert!(reader.try_recv().is_err(), "it waits for the slice");
    let first = slice.abort();
    assert_eq!(reader.try_recv().unwrap().unwrap(), b"behind");
    drop(first.try_reserve_owned(100).unwrap());
    assert_eq!(channel.stats().strong_writers, 0, "its writer went with it");
    second.try_send("last").unwrap();
    assert_eq!(reader.try_recv().unwrap().unwrap(), b"last");
    let stats = channel.stats();
    assert_eq!((stats.slices, stats.dropped_slices), (2, 0));
}

#[test]
fn a_writer_that_gets_no_slice_comes_back_in_the_error() {
    fn reserve(writer: Writer) -> io::Result<()> {
        writer.try_reserve_owned(64)?.commit();
        Ok(())
    }
    let channel = Channel::new(64);
    let reader = channel.new_strong_reader();
    let mut writer = channel.new_writer();
    writer.try_send([1; 64]).unwrap();
    let refused = writer.try_reserve_owned(1).unwrap_err();
    assert_eq!(refused.error, TryReserveError::Full);
    assert!(refused.to_string().contains("full"), "{refused}");
    let refused = refused.writer.try_reserve_owned(65).unwrap_err();
    assert_eq!(refused.error, TryReserveError::TooLong { len: 65, max: 64 });
    assert_eq!(reserve(refused.writer.clone()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let (kept, writer) = (refused.writer.clone(), refused.writer);
    // A future that is dropped takes its writer along, and leaves the line.
    let mut waiting = Task::parked(kept.reserve_owned(1));
    assert_eq!(waiting_writers(&channel), 1);
    assert!(waiting.poll().is_pending());
    drop(waiting);
    assert_eq!((waiting_writers(&channel), channel.stats().strong_writers), (0, 1));
    let waiting = Task::parked(writer.reserve_owned(1));
    channel.drain().unwrap();
    let refused = waiting.result().unwrap_err();
    assert_eq!(refused.error, ReserveError::Closed);
    let refused = refused.writer.blocking().reserve_owned(1).unwrap_err();
    assert!(refused.error == ReserveError::Closed && refused.writer.is_closed());
    drop(reader);
}
