//! What the types promise: what may be sent and shared, errors, figures, and how they are shown.

use overfall::error::{
    BuildError, ChannelError, FailError, Failure, IntoStrongError, Lagged, ReadError, ReserveError,
    SendError, TryReadError, TryReserveError, TrySendError, TryWriteError, WriteError,
    WriterPanicked,
};
use overfall::stats::{ChannelStats, ReaderStats, WriterStats};
use overfall::{
    AfterLast, Backpressure, Blocking, Builder, Channel, Duplex, Reader, Slice, StartAt,
    StrongReader, StrongWriter, WeakReader, WeakWriter, Writer,
};
use overfall_tests::{LIMIT, within};
use std::error::Error;
use std::fmt::Debug;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::thread;

/// Checked by the compiler.
#[allow(unused, reason = "static assertions")]
fn what_may_be_sent_and_shared(
    channel: &Channel,
    writer: &mut Writer,
    reader: &Reader,
    blocking: &mut Blocking<Writer>,
) {
    fn sent<T: Send + Unpin + Debug + 'static>() {}
    fn shared<T: Send + Sync + Unpin + Debug + 'static>() {}
    fn future<T: Send>(_: T) {}
    fn lasting<T: Send + 'static>(_: T) {}
    fn slice<T: Send + Sync + Debug>(_: T) {}
    fn cloned<T: Clone>() {}
    shared::<Channel>();
    shared::<Arc<Channel>>();
    shared::<Builder>();
    shared::<Backpressure>();
    shared::<StartAt>();
    shared::<Writer>();
    shared::<StrongWriter>();
    shared::<WeakWriter>();
    shared::<Reader>();
    shared::<StrongReader>();
    shared::<WeakReader>();
    shared::<Duplex>();
    shared::<ChannelStats>();
    shared::<WriterStats>();
    shared::<ReaderStats>();
    shared::<Slice<'static>>();
    sent::<Blocking<Writer>>();
    sent::<Blocking<StrongWriter>>();
    sent::<Blocking<WeakWriter>>();
    sent::<Blocking<Reader>>();
    sent::<Blocking<StrongReader>>();
    sent::<Blocking<WeakReader>>();
    sent::<Blocking<Duplex>>();
    cloned::<Writer>();
    cloned::<Reader>();
    cloned::<StrongReader>();
    cloned::<WeakReader>();
    cloned::<StrongWriter>();
    cloned::<WeakWriter>();
    future(channel.reserve_slice(1));
    future(writer.reserve(1));
    lasting(channel.closed());
    lasting(writer.closed());
    lasting(reader.closed());
    slice(writer.try_reserve(1));
    slice(blocking.reserve(1));
    let strong: StrongWriter = writer.clone().into_strong();
    let _: [Writer; 2] = [strong.clone().into(), strong.into_weak().into()];
}

/// Checked by the compiler, too: with `?` in a function of `io::Result` none of them needs a word.
#[allow(unused, reason = "static assertions")]
fn every_error_becomes_one_of_io() {
    use overfall::error::{FlushError, ReserveOwnedError};
    use overfall::{Blocking, spool};
    fn into_io<T: Into<io::Error>>() {}
    into_io::<FlushError>();
    into_io::<ReserveOwnedError<Writer, ReserveError>>();
    into_io::<ReserveOwnedError<StrongWriter, TryReserveError>>();
    into_io::<ReserveOwnedError<Blocking<WeakWriter>, ReserveError>>();
    into_io::<spool::BuildError>();
    into_io::<spool::Ended>();
    into_io::<spool::FinishError>();
    into_io::<spool::ReadError>();
    into_io::<spool::SeekError>();
    into_io::<spool::WriteError>();
    into_io::<spool::WriterError>();
    #[cfg(feature = "futures")]
    into_io::<spool::FreezeError>();
    #[cfg(feature = "rkyv")]
    {
        use overfall::typed;
        into_io::<typed::DeserializeError>();
        into_io::<typed::InvalidMessage>();
        into_io::<typed::RecvError>();
        into_io::<typed::SendError>();
        into_io::<typed::TryRecvError>();
        into_io::<typed::TrySendError>();
    }
}

/// The same: whatever is ours goes into `catch_unwind`, by value or by reference.
#[allow(unused, reason = "static assertions")]
fn whatever_is_ours_is_unwind_safe() {
    use overfall::{Blocking, Duplex, LineWriter, OwnedSlice, WeakChannel};
    use std::panic::{RefUnwindSafe, UnwindSafe};
    fn safe<T: UnwindSafe + RefUnwindSafe>() {}
    fn future<T: UnwindSafe>(_: T) {}
    safe::<(Channel, WeakChannel, overfall::Builder)>();
    safe::<(Writer, StrongWriter, WeakWriter, Reader, StrongReader, WeakReader)>();
    safe::<(Blocking<Writer>, Blocking<Reader>, Blocking<WeakChannel>, Blocking<Duplex>)>();
    safe::<(Duplex, LineWriter<StrongWriter>, OwnedSlice<Writer>, OwnedSlice<Blocking<Writer>>)>();
    safe::<(overfall::Message<'_>, overfall::Messages<'_>, overfall::Peeked<'_>)>();
    safe::<(overfall::Joiner, overfall::stats::ChannelStats)>();
    safe::<overfall::error::ReserveOwnedError<Writer, ReserveError>>();
    safe::<IntoStrongError<WeakReader>>();
    let (writer, _reader) = overfall::pipe(64);
    future(writer.closed());
    future(writer.flushed());
    future(writer.reader_present());
    future(writer.reader_absent());
    #[cfg(feature = "futures")]
    safe::<(overfall::MessageStream<Reader>, overfall::MessageSink<Writer>)>();
    #[cfg(feature = "rkyv")]
    {
        use overfall::typed;
        safe::<(typed::Channel<u8>, typed::Reader<u8>, typed::Writer<u8>)>();
        safe::<(typed::Received<'_, u8>, typed::Values<'_, u8>)>();
    }
}

/// Checked by the compiler, too.
#[allow(unused, reason = "static assertions")]
fn every_error_is_one() {
    fn error<T: Error + Send + Sync + 'static>() {}
    fn small<T: Error + Copy + Eq>() {}
    fn into_io<T: Into<io::Error>>() {}
    error::<BuildError>();
    error::<ChannelError>();
    error::<FailError>();
    error::<Failure>();
    error::<WriterPanicked>();
    error::<IntoStrongError<WeakReader>>();
    error::<IntoStrongError<Reader>>();
    error::<Lagged>();
    error::<ReadError>();
    error::<ReserveError>();
    error::<TryReadError>();
    error::<TryReserveError>();
    error::<TryWriteError>();
    error::<WriteError>();
    small::<BuildError>();
    small::<ChannelError>();
    small::<Lagged>();
    small::<ReserveError>();
    small::<TryReserveError>();
    small::<TryWriteError>();
    small::<WriteError>();
    error::<SendError>();
    error::<TrySendError>();
    into_io::<BuildError>();
    into_io::<ChannelError>();
    into_io::<IntoStrongError<WeakReader>>();
    into_io::<IntoStrongError<Reader>>();
    into_io::<SendError>();
    into_io::<TrySendError>();
    into_io::<Lagged>();
    into_io::<FailError>();
    into_io::<Failure>();
    into_io::<ReadError>();
    into_io::<ReserveError>();
    into_io::<TryReadError>();
    into_io::<TryReserveError>();
    into_io::<TryWriteError>();
    into_io::<WriteError>();
}

#[test]
fn what_can_be_shared_is_shared_by_threads_that_look_at_it() {
    within(LIMIT, || {
        let channel = Channel::new(1024);
        let (writer, reader) = (channel.new_writer(), channel.new_strong_reader());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let (mut writer, mut reader) = (writer.clone(), reader.clone());
                        writer.try_write(b"x").unwrap();
                        assert!(reader.try_read(&mut [0; 8]).is_ok());
                        drop(reader);
                        let mut late = channel.new_weak_reader();
                        let _ = (late.try_read(&mut [0; 8]), channel.stats(), writer.stats());
                        // Make room again: nobody else reads.
                        if channel.stats().ring_bytes > 512 {
                            break;
                        }
                    }
                });
            }
        });
        drop(reader);
        assert_eq!(channel.stats().strong_readers, 0);
    });
}

/// The kind of the [`io::Error`], which has the typed one inside and shows it.
#[track_caller]
fn kind<E: Error + Clone + PartialEq + Into<io::Error> + 'static>(error: E) -> ErrorKind {
    let io: io::Error = error.clone().into();
    assert_eq!(io.to_string(), error.to_string());
    assert!(io.get_ref().is_some(), "the typed error is inside");
    io.kind()
}

fn lagged() -> Lagged {
    let channel = Channel::new(64);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
    writer.try_write(&[0; 64]).unwrap();
    writer.try_write(&[0; 64]).unwrap();
    match reader.try_read(&mut [0]) {
        Err(TryReadError::Lagged(lagged)) => lagged,
        other => panic!("not overrun: {other:?}"),
    }
}

#[test]
fn errors_have_their_kinds_and_the_typed_error_inside() {
    let too_long = TryReserveError::TooLong { len: 9, max: 5 };
    assert_eq!(kind(TryWriteError::Full), ErrorKind::WouldBlock);
    assert_eq!(kind(TryWriteError::Closed), ErrorKind::BrokenPipe);
    assert_eq!(kind(TryWriteError::Terminated), ErrorKind::ConnectionAborted);
    assert_eq!(kind(WriteError::Closed), ErrorKind::BrokenPipe);
    assert_eq!(kind(WriteError::Terminated), ErrorKind::ConnectionAborted);
    assert_eq!(kind(TryReserveError::Full), ErrorKind::WouldBlock);
    assert_eq!(kind(too_long), ErrorKind::InvalidInput);
    assert_eq!(kind(TryReserveError::Closed), ErrorKind::BrokenPipe);
    assert_eq!(kind(TryReserveError::Terminated), ErrorKind::ConnectionAborted);
    assert_eq!(kind(ReserveError::Full), ErrorKind::WouldBlock);
    assert_eq!(kind(ReserveError::TooLong { len: 9, max: 5 }), ErrorKind::InvalidInput);
    assert_eq!(kind(ReserveError::Closed), ErrorKind::BrokenPipe);
    assert_eq!(kind(ReserveError::Terminated), ErrorKind::ConnectionAborted);
    assert_eq!(kind(BuildError::ZeroSize), ErrorKind::InvalidInput);
    assert_eq!(kind(BuildError::TooLarge { size: 9, max: 5 }), ErrorKind::InvalidInput);
    assert_eq!(kind(BuildError::OutOfMemory { capacity: 64 }), ErrorKind::OutOfMemory);
    assert_eq!(kind(ChannelError::Terminated), ErrorKind::ConnectionAborted);
    assert_eq!(kind(TryReadError::Empty), ErrorKind::WouldBlock);
    assert_eq!(kind(TryReadError::Terminated), ErrorKind::ConnectionAborted);
    assert_eq!(kind(ReadError::Terminated), ErrorKind::ConnectionAborted);
    assert_eq!(kind(ReadError::Empty), ErrorKind::WouldBlock);
    for error in [
        io::Error::from(lagged()),
        io::Error::from(TryReadError::Lagged(lagged())),
        io::Error::from(ReadError::Lagged(lagged())),
    ] {
        assert_eq!(error.kind(), ErrorKind::Other);
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Lagged>());
        assert_eq!(inner.map(|lagged| lagged.ring_bytes), Some(64), "the gap itself");
    }
    assert_eq!(TryReadError::from(ReadError::Terminated), TryReadError::Terminated);
    assert_eq!(TryReadError::from(ReadError::Empty), TryReadError::Empty);
    assert_eq!(TrySendError::from(SendError::Closed), TrySendError::Closed);
    assert_eq!(TryReserveError::from(ReserveError::Full), TryReserveError::Full);
}

#[test]
fn a_reader_that_could_not_become_strong_is_in_the_io_error() {
    fn strong(reader: WeakReader) -> io::Result<StrongReader> {
        Ok(reader.into_strong()?)
    }
    let channel = Channel::new(64);
    let (mut writer, reader) = (channel.new_writer(), channel.new_weak_reader());
    writer.try_write(&[1; 64]).unwrap();
    writer.try_write(&[2; 64]).unwrap();
    let error = strong(reader).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let inner = error.downcast::<IntoStrongError<WeakReader>>().unwrap();
    let mut reader = inner.reader;
    assert!(matches!(reader.try_read(&mut [0; 64]), Err(TryReadError::Lagged(_))));
    assert_eq!(reader.try_read(&mut [0; 64]).unwrap(), 64);
}

#[test]
fn a_panic_points_at_the_line_of_the_caller() {
    #[cfg(feature = "rkyv")]
    use overfall::typed;
    use std::io::BufRead;
    use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
    use std::sync::{Arc, Mutex};
    #[cfg(feature = "futures")]
    use {futures::AsyncBufRead, futures::Sink, std::pin::Pin};
    type Call = (&'static str, u32, fn());
    let calls: &[Call] = &[
        ("Channel::new", line!(), || drop(Channel::new(0))),
        ("with_parameters", line!(), || drop(Channel::with_parameters(0, Backpressure::Drop))),
        ("pipe", line!(), || drop(overfall::pipe(0))),
        ("duplex", line!(), || drop(overfall::duplex(0))),
        #[cfg(feature = "rkyv")]
        ("typed::Channel::new", line!(), || drop(typed::Channel::<u8>::new(0))),
        #[cfg(feature = "rkyv")]
        ("typed", line!(), || drop(typed::Channel::<u8>::with_parameters(0, Backpressure::Drop))),
        ("consume", line!(), || overfall::pipe(64).1.consume(1)),
        ("BufRead::consume", line!(), || overfall::pipe(64).1.blocking().consume(1)),
        #[cfg(feature = "futures")]
        ("AsyncBufRead", line!(), || Pin::new(&mut overfall::pipe(64).1).consume(1)),
        #[cfg(feature = "futures")]
        ("Sink", line!(), || Pin::new(&mut unready()).start_send("b".into()).unwrap()),
    ];
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (here, note) = (thread::current().id(), seen.clone());
    let before = take_hook();
    // Other tests may panic meanwhile.
    set_hook(Box::new(move |info| match thread::current().id() == here {
        true => {
            note.lock().unwrap().push(info.location().map(|at| (at.file().to_string(), at.line())))
        }
        false => before(info),
    }));
    let panicked: Vec<_> =
        calls.iter().map(|(.., call)| catch_unwind(AssertUnwindSafe(call)).is_err()).collect();
    drop(take_hook());
    for ((name, line, _), panicked) in calls.iter().zip(panicked) {
        assert!(panicked, "{name}");
        let at = seen.lock().unwrap().remove(0).unwrap();
        assert_eq!(at, (file!().to_string(), *line), "{name}");
    }
}

#[test]
fn endpoints_go_into_catch_unwind_and_go_on_after_a_panic() {
    use std::panic::{UnwindSafe, catch_unwind};
    /// Runs a job that panics, with what it takes.
    fn panics(job: impl FnOnce() + UnwindSafe) {
        assert!(catch_unwind(job).is_err());
    }
    let channel = Channel::builder().size(1024).fail_on_panic(false).build().unwrap();
    let (writer, reader) = (channel.new_writer(), channel.new_strong_reader());
    let (mut other, mut tap) = (writer.clone(), channel.new_weak_reader());
    panics(|| {
        let mut writer = writer.clone();
        writer.try_send(b"sent").unwrap();
        let mut slice = writer.try_reserve(8).unwrap();
        slice.write_all(b"half").unwrap();
        panic!("with {slice:?} in hand");
    });
    other.try_send(b"next").unwrap();
    panics(|| {
        let mut reader = reader.clone().blocking();
        let message = reader.recv().unwrap();
        panic!("with {message:?} in hand, of {channel:?}");
    });
    assert_eq!(tap.try_recv().unwrap().as_deref(), Some(&b"sent"[..]));
    panics(move || panic!("with {:?} in hand", tap.try_recv()));
    let mut reader = reader;
    assert_eq!(reader.try_recv_many(9).unwrap().unwrap().len(), 2);
    assert_eq!(channel.stats().strong_readers, 1);
}

/// A sink with a message that has no room.
#[cfg(feature = "futures")]
fn unready() -> overfall::MessageSink<StrongWriter> {
    let (mut writer, reader) = overfall::pipe(64);
    writer.try_send(&[1; 64]).unwrap();
    std::mem::forget(reader);
    let mut sink = writer.into_sink();
    futures::SinkExt::start_send_unpin(&mut sink, "a".into()).unwrap();
    sink
}

#[test]
fn errors_tell_a_person_what_to_do() {
    let texts = [
        (TryWriteError::Full.to_string(), "try again"),
        (TryReserveError::Full.to_string(), "try again"),
        (ReserveError::Full.to_string(), "Backpressure::Drop"),
        (TryReserveError::TooLong { len: 9, max: 5 }.to_string(), "larger ring"),
        (WriteError::Closed.to_string(), "closed"),
        (ReadError::Terminated.to_string(), "gone"),
        (TryReadError::Empty.to_string(), "later"),
        (ChannelError::Terminated.to_string(), "nothing left to drain"),
        (ChannelError::Failed.to_string(), "no clean end"),
        (lagged().to_string(), "64 ring bytes"),
    ];
    for (text, part) in texts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn the_figures_of_a_small_channel_are_exact() {
    let channel = Channel::builder().size(1000).start_position(6400);
    let channel = channel.after_last_strong_reader(AfterLast::Overwrite).build().unwrap();
    let mut writer = channel.new_writer();
    let mut idle = channel.new_weak_writer();
    let mut reader = channel.new_strong_reader();
    let mut tap = channel.new_weak_reader();
    for byte in b"one at a time" {
        writer.try_write(&[*byte]).unwrap();
    }
    // Each byte costs a granule.
    let of_writer = writer.stats();
    assert_eq!((of_writer.slices, of_writer.payload_bytes, of_writer.ring_bytes), (13, 13, 832));
    assert_ne!(of_writer.id, idle.stats().id);
    let mut slice = idle.try_reserve(190).unwrap();
    slice.write_all(&[7; 100]).unwrap();
    slice.commit();
    let of_idle = idle.stats();
    assert_eq!((of_idle.slices, of_idle.payload_bytes, of_idle.ring_bytes), (1, 100, 192));
    assert_eq!(reader.try_read(&mut [0; 13]), Ok(13));
    assert_eq!(reader.try_read(&mut [0; 50]), Ok(50));
    let of_reader = reader.stats();
    assert!(of_reader.strong);
    assert_eq!(of_reader.position, 6400 + 832 + 50);
    assert_eq!((of_reader.payload_bytes, of_reader.padding_bytes), (63, 13 * 63));
    assert_eq!((of_reader.lag, of_reader.skipped_ring_bytes, of_reader.gaps), (192 - 50, 0, 0));
    assert_eq!(tap.stats().lag, 1024);
    let stats = channel.stats();
    assert_eq!((stats.capacity, stats.start, stats.reserved), (1024, 6400, 7424));
    assert_eq!((stats.payload_bytes, stats.ring_bytes, stats.slices), (113, 1024, 14));
    assert_eq!((stats.dropped_slices, stats.dropped_bytes, stats.skipped_ring_bytes), (0, 0, 0));
    assert_eq!((stats.strong_writers, stats.weak_writers), (1, 1));
    assert_eq!((stats.strong_readers, stats.weak_readers), (1, 1));
    assert_eq!(stats.readers, [of_reader, tap.stats()]);
    assert!((6400..=6400 + 832).contains(&stats.gate), "{}", stats.gate);
    // An overrun, and one who goes: the sums stay.
    reader.terminate();
    drop(reader);
    writer.try_write(&[1; 64]).unwrap();
    drop(writer);
    assert!(tap.try_read(&mut [0; 1]).is_err());
    drop(tap);
    let stats = channel.stats();
    assert_eq!((stats.payload_bytes, stats.slices, stats.skipped_ring_bytes), (177, 15, 64));
    assert_eq!((stats.strong_writers, stats.strong_readers, stats.weak_readers), (0, 0, 0));
    assert_eq!(stats.readers, []);
}

#[test]
fn every_writer_has_a_number_of_its_own() {
    let channel = Channel::new(64);
    let writer = channel.new_writer();
    let others = [
        Writer::from(channel.new_strong_writer()),
        channel.new_weak_writer().into(),
        channel.new_weak_writer().into(),
        writer.clone(),
    ];
    let mut numbers: Vec<u32> = others.iter().map(|writer| writer.stats().id).collect();
    numbers.push(writer.stats().id);
    // One that goes does not leave its number to the next.
    drop((others, writer));
    numbers.push(channel.new_weak_writer().stats().id);
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
}

#[test]
fn whoever_comes_starts_with_figures_of_its_own() {
    let channel = Channel::new(256);
    for _ in 0..3 {
        let (mut writer, mut reader) = (channel.new_writer(), channel.new_weak_reader());
        assert_eq!((writer.stats().slices, writer.stats().payload_bytes), (0, 0));
        (0..6).for_each(|_| assert_eq!(writer.try_write(&[1; 60]), Ok(60)));
        let fresh = reader.stats();
        assert_eq!((fresh.payload_bytes, fresh.padding_bytes, fresh.skipped_ring_bytes), (0, 0, 0));
        assert_eq!(fresh.gaps, 0);
        while reader.try_read(&mut [0; 60]) != Err(TryReadError::Empty) {}
        assert_eq!(reader.stats().lag, 0);
        assert!(reader.stats().gaps == 1 && reader.stats().padding_bytes > 0);
    }
    assert_eq!(channel.stats().slices, 18);
}

#[test]
fn a_writer_keeps_its_number_and_figures_when_it_turns() {
    let channel = Channel::new(1024);
    let mut writer = channel.new_writer();
    writer.try_write(b"before").unwrap();
    let stats = writer.stats();
    let turned = writer.into_weak();
    assert_eq!(turned.stats(), stats);
    assert_eq!(turned.into_strong().stats(), stats);
}

#[test]
fn figures_taken_while_others_work_are_never_absurd() {
    within(LIMIT, || {
        let channel = Channel::new(512);
        let (writer, reader) = (channel.new_writer(), channel.new_strong_reader());
        let writing = thread::spawn(move || {
            let mut writer = writer.blocking();
            (0..5000).for_each(|_| writer.write_all(b"sixteen bytes...").unwrap());
        });
        let reading = thread::spawn(move || {
            let mut reader = reader.blocking();
            while reader.read(&mut [0; 40]).unwrap() > 0 {}
        });
        let mut last = channel.stats();
        while !writing.is_finished() {
            let stats = channel.stats();
            assert!(stats.reserved >= last.reserved && stats.gate >= last.gate);
            assert!(stats.slices >= last.slices && stats.payload_bytes >= last.payload_bytes);
            for reader in &stats.readers {
                // Of slightly different moments, and never less than nothing.
                assert!(reader.lag <= 2 * stats.capacity, "{reader:?}");
            }
            last = stats;
        }
        writing.join().unwrap();
        channel.drain().unwrap();
        reading.join().unwrap();
    });
}

#[test]
fn debug_shows_the_useful_figures() {
    let channel = Channel::new(1024);
    let (mut writer, mut reader) = (channel.new_writer(), channel.new_strong_reader());
    writer.try_write(b"shown").unwrap();
    reader.try_read(&mut [0; 2]).unwrap();
    let slice = channel.try_reserve_slice(77).unwrap();
    let (position, text) = (slice.position(), format!("{slice:?}"));
    assert!(text.contains("len: 77") && text.contains(&format!("position: {position}")), "{text}");
    drop(slice);
    let has = |text: String, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "{part} in {text}");
        }
    };
    has(
        format!("{channel:?}"),
        &["Channel", "capacity: 1024", "payload_bytes: 5", "Open", "waiting_writers: 0"],
    );
    has(format!("{writer:?}"), &["Writer", "payload_bytes: 5", "is_closed: false"]);
    has(format!("{reader:?}"), &["StrongReader", "payload_bytes: 2", "strong: true"]);
    let weak = Reader::from(reader.into_weak());
    has(format!("{weak:?}"), &["Reader", "strong: false"]);
    channel.drain().unwrap();
    has(format!("{channel:?}"), &["Drained"]);
    channel.terminate();
    has(format!("{channel:?}"), &["Terminated"]);
    has(format!("{:?}", writer.blocking()), &["Blocking", "Writer", "is_closed: true"]);
    has(format!("{:?}", Channel::builder().size(99)), &["size: 99", "Block"]);
    has(format!("{channel:?}"), &["name: None"]);
    let named = Channel::builder().size(64).name("orders").build().unwrap();
    assert_eq!((channel.name(), named.name()), (None, Some("orders")));
    has(format!("{named:?}"), &["name: Some(\"orders\")"]);
}

#[test]
fn the_defaults_are_the_careful_ones() {
    assert_eq!(Backpressure::default(), Backpressure::Block);
    assert_eq!(StartAt::default(), StartAt::Oldest);
    assert_eq!(Channel::new(64).backpressure(), Backpressure::Block);
    assert!(Channel::new(64).new_writer().is_strong());
}
