//! Ours, in all its forms. Every message is a slice of the ring.

use crate::bytes::aligned;
use crate::endpoints::*;
use crate::event::Event;
use crate::rivals::io::Tokio;
use overfall::error::{TryReadError, TryWriteError};
use overfall::{Channel, StrongReader, StrongWriter, WeakReader, typed};
use std::io::{BufRead, Read, Write};
use std::sync::Arc;

/// So many writers and readers of a pipe, used in a certain way.
pub(crate) fn pipe<S, R>(
    setup: Setup,
    send: impl Fn(StrongWriter) -> S,
    receive: impl Fn(StrongReader) -> R,
) -> Ends<S, R> {
    let (writer, reader) = overfall::pipe(RING);
    let writers = vec![writer; setup.writers].into_iter();
    let readers = vec![reader; setup.readers].into_iter();
    Ends::new(writers.map(send).collect(), readers.map(receive).collect())
}

/// Bytes, polled.
pub(crate) fn polled(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    pipe(setup, try_write, try_read)
}

/// Bytes, as tasks.
pub(crate) fn tasks(setup: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    pipe(setup, |writer| Tokio(writer, ()), |reader| Tokio(reader, ()))
}

/// Messages, as tasks.
pub(crate) fn message_tasks(setup: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    pipe(setup, Messages, Messages)
}

pub(crate) fn try_write(mut writer: StrongWriter) -> impl Sender {
    move |message: &[u8]| match writer.try_write(message) {
        Ok(written) => written == message.len() || panic!("ours: a short write"),
        Err(TryWriteError::Full) => false,
        Err(error) => panic!("ours: {error}"),
    }
}

pub(crate) fn try_read(mut reader: StrongReader) -> impl Receiver {
    move |sink: &mut Sink| {
        let read = reader.try_read(sink.buffer());
        received(sink, read);
    }
}

fn try_read_weak(mut reader: WeakReader) -> impl Receiver {
    move |sink: &mut Sink| {
        let read = reader.try_read(sink.buffer());
        received(sink, read);
    }
}

/// Slices are as long as the buffer, so that there are no reads that are shorter.
#[inline]
fn received(sink: &mut Sink, read: Result<usize, TryReadError>) {
    if let Some(read) = there(read, sink) {
        assert_eq!(read, sink.setup.size, "ours: a short read");
        sink.received();
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
        let amount = there(reader.try_fill_buf(), sink).map_or(0, |lent| sink.accept_all(lent));
        reader.consume(amount);
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
    move |sink: &mut Sink| {
        let read = reader.read(sink.buffer()).expect("a read");
        received(sink, Ok(read));
    }
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
    move |message: &[u8]| {
        writer.send(message).expect("a message is sent");
        true
    }
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
        for message in &messages {
            sink.accept(&message);
        }
    }
}

/// An end that is used for messages, and not for bytes.
struct Messages<E>(E);

impl AsyncSender for Messages<StrongWriter> {
    async fn send(&mut self, message: &[u8]) {
        self.0.send(message).await.expect("a message is sent");
    }
}

impl AsyncReceiver for Messages<StrongReader> {
    async fn receive(&mut self, buffer: &mut [u8]) {
        let message = self.0.recv().await.expect("a message").expect("it is not the end");
        buffer.copy_from_slice(&message);
    }
}

/// A writer that waits for nobody, and readers that may be overrun.
pub(crate) fn weak(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    regardless(setup, Channel::new(RING), try_write, try_read_weak)
}

/// The same, with a strong reader that reads everything, untimed.
pub(crate) fn weak_beside_strong(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let channel = Channel::new(RING);
    let (mut strong, buffer) = (channel.new_strong_reader(), aligned(setup.size));
    let settle = move || while strong.try_read(buffer).is_ok() {};
    let ends = regardless(setup, channel, try_write, try_read_weak);
    Ends { settle: Some(Box::new(settle)), ..ends }
}

/// Messages to readers that may be overrun.
pub(crate) fn weak_messages(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    regardless(setup, Channel::new(RING), try_send, try_recv_weak)
}

fn regardless<S: Sender, R>(
    setup: Setup,
    channel: Arc<Channel>,
    send: impl Fn(StrongWriter) -> S,
    receive: impl Fn(WeakReader) -> R,
) -> Ends<impl Sender, R> {
    let receivers = (0..setup.readers).map(|_| receive(channel.new_weak_reader())).collect();
    let mut send = send(channel.new_strong_writer());
    let sender = move |message: &[u8]| {
        // The handle keeps the channel open.
        let _ = &channel;
        send(message)
    };
    Ends::new(vec![sender], receivers)
}

fn try_send(mut writer: StrongWriter) -> impl Sender {
    move |message: &[u8]| writer.try_send(message).is_ok()
}

fn try_recv_weak(mut reader: WeakReader) -> impl Receiver {
    move |sink: &mut Sink| {
        if let Some(message) = there(reader.try_recv(), sink) {
            sink.accept(&message.expect("it is not the end"));
        }
    }
}

/// Events, on threads that park while they wait.
pub(crate) fn typed(setup: Setup) -> Ends<impl Sender<Event>, impl Receiver<Event>> {
    let channel = typed::Channel::<Event>::new(RING);
    let sender = |_| {
        let mut writer = channel.new_strong_writer().blocking();
        move |event: &Event| {
            writer.send(event).expect("an event is sent");
            true
        }
    };
    let senders = (0..setup.writers).map(sender).collect();
    let mut reader = channel.new_strong_reader().blocking();
    let receive = move |sink: &mut Sink<Event>| {
        sink.see(&reader.recv().expect("an event").expect("it is not the end"));
    };
    Ends::new(senders, vec![receive])
}

/// Events, to readers that may be overrun.
pub(crate) fn typed_weak(setup: Setup) -> Ends<impl Sender<Event>, impl Receiver<Event>> {
    let channel = typed::Channel::<Event>::new(RING);
    let mut writer = channel.new_strong_writer();
    let receiver = |_| {
        let mut reader = channel.new_weak_reader();
        move |sink: &mut Sink<Event>| match reader.try_recv() {
            Ok(event) => sink.see(&event.expect("it is not the end")),
            Err(typed::TryRecvError::Empty) => {}
            Err(error) => panic!("ours: {error}"),
        }
    };
    let receivers = (0..setup.readers).map(receiver).collect();
    let send = move |event: &Event| {
        // The handle keeps the channel open.
        let _ = &channel;
        writer.try_send(event).is_ok()
    };
    Ends::new(vec![send], receivers)
}
