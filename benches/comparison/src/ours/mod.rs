//! Ours, in all its forms. Every message is a slice of the ring.

pub(crate) mod process;
pub(crate) mod spool;

use crate::endpoints::*;
use crate::event::{Event, see};
use crate::message::aligned;
use crate::rivals::io::Tokio;
use overfall::error::{TryReadError, TryWriteError};
use overfall::{Channel, StrongReader, StrongWriter, WeakReader, typed};
use std::hint::black_box;
use std::io::{BufRead, Read, Write};
use std::mem;
use std::time::Instant;

/// So many writers and readers of a pipe, used in a certain way.
pub(crate) fn pipe<S, R>(
    setup: Setup,
    send: impl Fn(StrongWriter) -> S,
    receive: impl Fn(StrongReader) -> R,
) -> Ends<S, R> {
    let (writer, reader) = overfall::pipe(RING);
    let readers = vec![reader; setup.readers].into_iter().map(receive);
    Ends::new(vec![writer; setup.writers].into_iter().map(send), readers)
}

/// Whether a writer that is alone owns the cursor here, by what a write takes with that and without.
pub(crate) fn says_whether_it_owns() -> String {
    let nanoseconds = |membarrier: bool| {
        let builder = Channel::builder().size(RING).membarrier(membarrier);
        let channel = builder.build().expect("a channel");
        let (mut writer, message) = (channel.new_writer(), black_box([0; 64]));
        let mut batch = || {
            let begun = Instant::now();
            for _ in 0..100_000 {
                writer.try_write(&message).expect("nobody is waited for");
            }
            begun.elapsed().as_nanos() as f64 / 1e5
        };
        [(); 9].map(|()| batch()).into_iter().fold(f64::MAX, f64::min)
    };
    let [with, without] = [true, false].map(nanoseconds);
    let owns = if with * 1.15 < without { "has" } else { "**has not**" };
    format!("it {owns} the owner's path: {with:.1} ns a write, {without:.1} ns without")
}

/// Bytes, polled.
pub(crate) fn polled(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    pipe(setup, try_write, try_read)
}

/// Bytes, on threads that wait. What is lent has several messages.
pub(crate) fn waiting(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    pipe(setup, write, fill_buf)
}

/// Bytes, as tasks.
pub(crate) fn tasks(setup: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    pipe(setup, Tokio, Tokio)
}

/// Messages, as tasks.
pub(crate) fn message_tasks(setup: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    pipe(setup, |writer| writer, |reader| reader)
}

impl AsyncSender for StrongWriter {
    async fn send(&mut self, message: &[u8]) {
        StrongWriter::send(self, message).await.expect("a message is sent");
    }
}

impl AsyncReceiver for StrongReader {
    async fn receive(&mut self, sink: &mut Sink) {
        sink.accept(&self.recv().await.expect("a message").expect("it is not the end"));
    }
}

pub(crate) fn try_write(mut writer: StrongWriter) -> impl Sender {
    move |message: &[u8]| match writer.try_write(message) {
        Ok(written) => written == message.len() || panic!("ours: a short write"),
        Err(TryWriteError::Full) => false,
        Err(error) => panic!("ours: {error}"),
    }
}

pub(crate) fn try_read(mut reader: StrongReader) -> impl Receiver {
    reading(move |buffer| reader.try_read(buffer))
}

/// Slices are as long as the buffer, so that there are no reads that are shorter.
fn reading(
    mut read: impl FnMut(&mut [u8]) -> Result<usize, TryReadError> + Send + 'static,
) -> impl Receiver {
    move |sink: &mut Sink| {
        let read = read(sink.buffer());
        if let Some(read) = there(read, sink) {
            assert_eq!(read, sink.setup.size, "ours: a short read");
            sink.received();
        }
    }
}

/// What was read, if there was something.
#[inline]
fn there<T>(read: Result<T, TryReadError>, sink: &mut Sink) -> Option<T> {
    match read {
        Ok(read) => return Some(read),
        Err(TryReadError::Empty) => {}
        Err(TryReadError::Lagged(_)) => sink.lagged = true,
        Err(error) => panic!("ours: {error}"),
    }
    None
}

/// Copies each message out of what is lent, and gives it back in one go.
pub(crate) fn try_fill_buf(mut reader: StrongReader) -> impl Receiver {
    move |sink: &mut Sink| {
        if let Some(lent) = there(reader.try_fill_buf(), sink) {
            let amount = sink.accept_all(lent);
            reader.consume(amount);
        }
    }
}

/// Parks its thread while it waits, as all of the following.
pub(crate) fn write(writer: StrongWriter) -> impl Sender {
    let mut writer = writer.blocking();
    move |message: &[u8]| {
        writer.write(message).expect("a write") == message.len() || panic!("ours: a short write")
    }
}

pub(crate) fn read(reader: StrongReader) -> impl Receiver {
    let mut reader = reader.blocking();
    reading(move |buffer| Ok(reader.read(buffer).expect("a read")))
}

pub(crate) fn fill_buf(reader: StrongReader) -> impl Receiver {
    let mut reader = reader.blocking();
    move |sink: &mut Sink| {
        let amount = sink.accept_all(reader.fill_buf().expect("a loan"));
        reader.consume(amount);
    }
}

pub(crate) fn send(writer: StrongWriter) -> impl Sender {
    let mut writer = writer.blocking();
    move |message: &[u8]| writer.send(message).map(|_| true).expect("a message is sent")
}

pub(crate) fn recv(reader: StrongReader) -> impl Receiver {
    let mut reader = reader.blocking();
    move |sink: &mut Sink| {
        sink.accept(&reader.recv().expect("a message").expect("it is not the end"));
    }
}

/// Receives the messages that are there in one go, up to a quarter of the ring: more would keep the
/// writers from going on meanwhile.
pub(crate) fn recv_many(reader: StrongReader) -> impl Receiver {
    let mut reader = reader.blocking();
    move |sink: &mut Sink| {
        let limit = sink.left.min((RING / 4 / sink.setup.size) as u64) as usize;
        let messages = reader.recv_many(limit).expect("messages").expect("it is not the end");
        messages.iter().for_each(|message| sink.accept(&message));
    }
}

/// A writer that waits for nobody, and readers that may be overrun; if that is wanted, with a strong
/// reader that reads everything, untimed.
pub(crate) fn weak(setup: Setup, is_beside_strong: bool) -> Ends<impl Sender, impl Receiver> {
    let channel = Channel::new(RING);
    let try_read = |mut reader: WeakReader| reading(move |buffer| reader.try_read(buffer));
    let readers = (0..setup.readers).map(|_| try_read(channel.new_weak_reader()));
    let mut ends = Ends::new([try_write(channel.new_strong_writer())], readers);
    if is_beside_strong {
        let (mut strong, buffer) = (channel.new_strong_reader(), aligned(setup.size));
        ends.prepare = Some(Box::new(move || while strong.try_read(buffer).is_ok() {}));
    }
    kept_open(ends, channel)
}

/// Messages to readers that may be overrun.
pub(crate) fn weak_messages(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let channel = Channel::new(RING);
    let mut writer = channel.new_strong_writer();
    let reader = |_| {
        let mut reader = channel.new_weak_reader();
        move |sink: &mut Sink| {
            if let Some(message) = there(reader.try_recv(), sink) {
                sink.accept(&message.expect("it is not the end"));
            }
        }
    };
    let send = move |message: &[u8]| writer.try_send(message).is_ok();
    kept_open(Ends::new([send], (0..setup.readers).map(reader)), channel)
}

/// Without strong readers it is a handle that keeps a channel open. This one is never dropped.
fn kept_open<S, R, C>(ends: Ends<S, R>, channel: C) -> Ends<S, R> {
    mem::forget(channel);
    ends
}

/// Events, on threads that park while they wait.
pub(crate) fn typed(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let channel = typed::Channel::<Event>::new(RING);
    let sender = |_| {
        let mut writer = channel.new_strong_writer().blocking();
        let mut event = Event::default();
        move |message: &[u8]| {
            writer.send(event.of_message(message)).map(|_| true).expect("an event is sent")
        }
    };
    let mut reader = channel.new_strong_reader().blocking();
    let receive = move |sink: &mut Sink| {
        see(sink, &reader.recv().expect("an event").expect("it is not the end"));
    };
    Ends::new((0..setup.writers).map(sender), [receive])
}

/// Events, to readers that may be overrun.
pub(crate) fn typed_weak(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let channel = typed::Channel::<Event>::new(RING);
    let (mut writer, mut event) = (channel.new_strong_writer(), Event::default());
    let receiver = |_| {
        let mut reader = channel.new_weak_reader();
        move |sink: &mut Sink| match reader.try_recv() {
            Ok(event) => see(sink, &event.expect("it is not the end")),
            Err(typed::TryRecvError::Empty) => {}
            Err(error) => panic!("ours: {error}"),
        }
    };
    let send = move |message: &[u8]| writer.try_send(event.of_message(message)).is_ok();
    kept_open(Ends::new([send], (0..setup.readers).map(receiver)), channel)
}
