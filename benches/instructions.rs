//! Operations to count the instructions of: `ci/instructions` runs this under callgrind.
//!
//! A time depends on the machine and its mood; a number of instructions is the same every time, so
//! that a twentieth more of them is a change of the code and nothing else. It says nothing of what
//! an instruction costs, of caches, or of several threads: the other benches are for that.
//!
//! `instructions KIND SIZE COUNT` does COUNT operations of SIZE bytes each. Called any other way, as
//! by a plain `cargo bench`, it does a few of each kind and says nothing.

use overfall::spool::Spool;
use overfall::{Backpressure, Channel};
use std::hint::black_box;
use std::io::{SeekFrom, Write};

/// A multiple of every size: no slice needs padding, and all laps are alike.
const RING: usize = 64 * 1024;

const LARGEST: usize = 4096;

/// Bytes that lie in the same place of a page in every run, since a `memcpy` counts its steps from
/// where they lie.
#[repr(align(4096))]
struct Page([u8; LARGEST]);

impl Page {
    fn new(byte: u8) -> Box<Self> {
        Box::new(Self([byte; LARGEST]))
    }
}

/// Does so many operations of one kind with messages of this size, into a buffer of the same.
type Kind = fn(&[u8], &mut [u8], u64);

const KINDS: &[(&str, Kind)] = &[
    ("strong", strong),
    ("weak", weak),
    ("shared", shared),
    ("lent", lent),
    ("lent-run", lent_run),
    ("slice", slice),
    ("blocking", blocking),
    ("drop", discarded),
    ("message", message),
    ("weak-message", weak_message),
    ("batch", batch),
    ("append", append),
    ("reread", reread),
    #[cfg(feature = "tokio")]
    ("poll", poll),
    #[cfg(feature = "rkyv")]
    ("value", value),
    #[cfg(feature = "rkyv")]
    ("values", values),
    #[cfg(feature = "lines")]
    ("lines", lines),
    #[cfg(feature = "lines")]
    ("lines-utf8", lines_of_text),
];

fn main() {
    overfall::prepare();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers = |size: &str, count: &str| Some((size.parse().ok()?, count.parse().ok()?));
    if let [name, size, count] = &arguments[..] {
        if let Some((size, count)) = numbers(size, count) {
            let kind = KINDS.iter().find(|(kind, _)| kind == name);
            let (_, kind) = kind.unwrap_or_else(|| panic!("no operation is called {name}"));
            return run(*kind, size, count);
        }
    }
    for (_, kind) in KINDS {
        run(*kind, 64, 10);
    }
}

fn run(kind: Kind, size: usize, count: u64) {
    let (from, mut to) = (Page::new(7), Page::new(0));
    kind(&from.0[..size], &mut to.0[..size], count);
}

/// A write, and a strong reader's read.
fn strong(from: &[u8], to: &mut [u8], count: u64) {
    let (mut writer, mut reader) = overfall::pipe(RING);
    for _ in 0..count {
        assert_eq!(writer.try_write(black_box(from)), Ok(from.len()));
        assert_eq!(reader.try_read(black_box(to)), Ok(from.len()));
    }
}

/// A write that nobody can hold up, and a weak reader's read.
fn weak(from: &[u8], to: &mut [u8], count: u64) {
    let channel = Channel::new(RING);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_weak_reader());
    for _ in 0..count {
        assert_eq!(writer.try_write(black_box(from)), Ok(from.len()));
        assert_eq!(reader.try_read(black_box(to)), Ok(from.len()));
    }
}

/// A write and a read, where two writers take turns, so that neither has the cursor for itself.
fn shared(from: &[u8], to: &mut [u8], count: u64) {
    let (mut writer, mut reader) = overfall::pipe(RING);
    let mut other = writer.clone();
    for _ in 0..count {
        std::mem::swap(&mut writer, &mut other);
        assert_eq!(writer.try_write(black_box(from)), Ok(from.len()));
        assert_eq!(reader.try_read(black_box(to)), Ok(from.len()));
    }
}

/// A write, and a read without a copy.
fn lent(from: &[u8], _: &mut [u8], count: u64) {
    let (mut writer, mut reader) = overfall::pipe(RING);
    for _ in 0..count {
        assert_eq!(writer.try_write(black_box(from)), Ok(from.len()));
        let lent = reader.try_fill_buf().map(|lent| black_box(lent).len());
        assert_eq!(lent, Ok(from.len()));
        reader.consume(from.len());
    }
}

/// Sixteen writes, and a read of all of them without a copy. What lies side by side is lent in one piece.
fn lent_run(from: &[u8], _: &mut [u8], count: u64) {
    let (mut writer, mut reader) = overfall::pipe(RING);
    for _ in 0..count {
        for _ in 0..16 {
            assert_eq!(writer.try_write(black_box(from)), Ok(from.len()));
        }
        let lent = reader.try_fill_buf().map(|lent| black_box(lent).len());
        assert_eq!(lent, Ok(16 * from.len()));
        reader.consume(16 * from.len());
    }
}

/// A slice that is reserved, written and committed, and a strong reader's read.
fn slice(from: &[u8], to: &mut [u8], count: u64) {
    let (mut writer, mut reader) = overfall::pipe(RING);
    for _ in 0..count {
        let mut slice = writer.try_reserve(from.len()).expect("there is room");
        slice.write_all(black_box(from)).expect("it is as long");
        slice.commit();
        assert_eq!(reader.try_read(black_box(to)), Ok(from.len()));
    }
}

/// A write and a read of blocking endpoints that have nothing to wait for.
fn blocking(from: &[u8], to: &mut [u8], count: u64) {
    use std::io::Read;
    let (writer, reader) = overfall::pipe(RING);
    let (mut writer, mut reader) = (writer.blocking(), reader.blocking());
    for _ in 0..count {
        assert!(matches!(writer.write(black_box(from)), Ok(length) if length == from.len()));
        assert!(matches!(reader.read(black_box(to)), Ok(length) if length == from.len()));
    }
}

/// A poll of an asynchronous write, and one of a read, both of which are ready.
#[cfg(feature = "tokio")]
fn poll(from: &[u8], to: &mut [u8], count: u64) {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    let (mut writer, mut reader) = overfall::pipe(RING);
    let context = &mut Context::from_waker(Waker::noop());
    for _ in 0..count {
        let written = Pin::new(&mut writer).poll_write(context, black_box(from));
        assert!(matches!(written, Poll::Ready(Ok(length)) if length == from.len()));
        let mut buffer = ReadBuf::new(black_box(&mut *to));
        assert!(Pin::new(&mut reader).poll_read(context, &mut buffer).is_ready());
        assert_eq!(buffer.filled().len(), from.len());
    }
}

/// A message that is sent, and lent to a strong reader.
fn message(from: &[u8], _: &mut [u8], count: u64) {
    let (mut writer, mut reader) = overfall::pipe(RING);
    for _ in 0..count {
        assert_eq!(writer.try_send(black_box(from)), Ok(()));
        let length =
            reader.try_recv().map(|message| message.map(|message| black_box(&message[..]).len()));
        assert_eq!(length, Ok(Some(from.len())));
    }
}

/// A message that is sent, and copied by a weak reader.
fn weak_message(from: &[u8], _: &mut [u8], count: u64) {
    let channel = Channel::new(RING);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_weak_reader());
    for _ in 0..count {
        assert_eq!(writer.try_send(black_box(from)), Ok(()));
        let length =
            reader.try_recv().map(|message| message.map(|message| black_box(&message[..]).len()));
        assert_eq!(length, Ok(Some(from.len())));
    }
}

/// What has parts in other places: each is a part of its own to write, and to check.
#[cfg(feature = "rkyv")]
#[derive(rkyv::Archive, rkyv::Serialize)]
struct Value {
    number: u64,
    name: String,
    bytes: Vec<u8>,
}

#[cfg(feature = "rkyv")]
impl Value {
    /// Of about so many bytes.
    fn of(length: usize) -> Self {
        let bytes = vec![7; length.saturating_sub(40)];
        Self { number: 7, name: "a name of 16 b.".into(), bytes }
    }
}

/// A value of about so many bytes that is sent, and validated in place by a strong reader.
#[cfg(feature = "rkyv")]
fn value(from: &[u8], _: &mut [u8], count: u64) {
    let channel = overfall::typed::Channel::<Value>::new(RING);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    let value = Value::of(from.len());
    for _ in 0..count {
        writer.try_send(black_box(&value)).expect("there is room");
        let received = reader.try_recv().expect("it is valid").expect("it is not the end");
        assert_eq!(black_box(&*received).bytes.len(), value.bytes.len());
    }
}

/// Sixteen values that are sent and received in one go.
#[cfg(feature = "rkyv")]
fn values(from: &[u8], _: &mut [u8], count: u64) {
    let channel = overfall::typed::Channel::<Value>::new(RING);
    let (mut writer, mut reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    let values = [(); 16].map(|()| Value::of(from.len()));
    for _ in 0..count {
        writer.try_send_many(black_box(&values)).expect("there is room");
        let received = reader.try_recv_many(16).expect("there is room").expect("it is not the end");
        let valid = received.iter().filter(|value| black_box(value).is_ok()).count();
        assert_eq!(valid, values.len());
    }
}

/// Sixteen messages that are sent and received in one go.
fn batch(from: &[u8], _: &mut [u8], count: u64) {
    let (mut writer, mut reader) = overfall::pipe(RING);
    let messages = [from; 16];
    for _ in 0..count {
        assert_eq!(writer.try_send_many(black_box(&messages)), Ok(()));
        let received = reader.try_recv_many(16).expect("there is room").expect("it is not the end");
        let length: usize = received.iter().map(|message| black_box(&message[..]).len()).sum();
        assert_eq!(length, 16 * from.len());
    }
}

/// A write that finds no room, is discarded and counted.
fn discarded(from: &[u8], _: &mut [u8], count: u64) {
    let channel = Channel::with_parameters(RING, Backpressure::Drop);
    let (mut writer, _reader) = (channel.new_strong_writer(), channel.new_strong_reader());
    while writer.try_write(from).is_ok() {}
    let mut writer = writer.blocking();
    for _ in 0..count {
        assert!(matches!(writer.write(black_box(from)), Ok(length) if length == from.len()));
    }
    assert_eq!(writer.get_ref().stats().dropped_slices, count);
}

/// A write to a spool.
fn append(from: &[u8], _to: &mut [u8], count: u64) {
    let spool = Spool::builder().expected_len(from.len() as u64 * count).build().unwrap();
    let mut writer = spool.writer().unwrap();
    for _ in 0..count {
        assert_eq!(writer.try_write(black_box(from)), Ok(from.len()));
    }
    writer.finish().unwrap();
}

/// A read of a spool, of what was there long before.
fn reread(from: &[u8], to: &mut [u8], count: u64) {
    let spool = Spool::builder().expected_len(LARGEST as u64).build().unwrap();
    let mut writer = spool.writer().unwrap();
    while writer.written() < LARGEST as u64 {
        assert_eq!(writer.try_write(from), Ok(from.len()));
    }
    let mut reader = spool.reader().unwrap();
    for _ in 0..count {
        assert_eq!(reader.try_read(black_box(to)), Ok(from.len()));
        if reader.position() == LARGEST as u64 {
            reader.try_seek(SeekFrom::Start(0)).unwrap();
        }
    }
}

/// Thirty-two lines that are written in one go, read and cut.
#[cfg(feature = "lines")]
fn lines(from: &[u8], _to: &mut [u8], count: u64) {
    cut(overfall::lines::Builder::new(), from, count);
}

/// The same, of text.
#[cfg(feature = "lines")]
fn lines_of_text(from: &[u8], _to: &mut [u8], count: u64) {
    cut(overfall::lines::Builder::new().utf8(), from, count);
}

#[cfg(feature = "lines")]
fn cut(cut: overfall::lines::Builder, from: &[u8], count: u64) {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};
    const LINES: usize = 32;
    let mut page = Page::new(0);
    let text = &mut page.0[..LINES * from.len()];
    for line in text.chunks_exact_mut(from.len()) {
        let (end, before) = line.split_last_mut().expect("it is not empty");
        before.copy_from_slice(&from[1..]);
        *end = b'\n';
    }
    let (mut writer, reader) = overfall::pipe(RING);
    let mut lines = cut.lines(reader);
    let task = pin!(async {
        for _ in 0..count {
            assert_eq!(writer.try_write(black_box(text)), Ok(text.len()));
            for _ in 0..LINES {
                let line = lines.next_line().await.expect("it is text").expect("no end");
                assert_eq!(black_box(line).len() + 1, from.len());
            }
        }
    });
    assert!(task.poll(&mut Context::from_waker(Waker::noop())).is_ready(), "all is there");
}
