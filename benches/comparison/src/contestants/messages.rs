//! Ours, message by message: what was sent in one call is received in one, and nobody has to know how
//! long it is.

use super::taps::{Tap, Tapped, Writer};
use crate::rounds::RING;
use crate::transport::{AsyncReceiver, AsyncSender, ReceiveMany, Receiver, Sender};
use overfall::error::TryReadError;
use overfall::{Blocking, Channel, StrongReader, StrongWriter, WeakReader};
use std::sync::Arc;

/// An end that is used for messages, and not for bytes.
pub(crate) struct Messages<E>(E);

/// So many writers and a reader that park their thread while they wait.
pub(crate) fn threads(
    writers: usize,
) -> (Vec<Messages<Blocking<StrongWriter>>>, Messages<Blocking<StrongReader>>) {
    let (writer, reader) = overfall::pipe(RING);
    let writers = vec![writer; writers].into_iter().map(|writer| Messages(writer.blocking()));
    (writers.collect(), Messages(reader.blocking()))
}

/// A writer and a reader that wait as tasks.
pub(crate) fn tasks() -> (Messages<StrongWriter>, Messages<StrongReader>) {
    let (writer, reader) = overfall::pipe(RING);
    (Messages(writer), Messages(reader))
}

impl Sender for Messages<Blocking<StrongWriter>> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> bool {
        self.0.send(message).expect("a message is sent");
        true
    }
}

impl Receiver for Messages<Blocking<StrongReader>> {
    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        let message = self.0.recv().expect("a message").expect("it is not the end");
        buffer.copy_from_slice(&message);
        true
    }
}

/// A reader that receives the messages that are there in one go, up to a quarter of the ring: more
/// would keep the writers from going on meanwhile.
pub(crate) struct Batches<E>(E);

impl<E> Messages<E> {
    pub(crate) fn in_batches(self) -> Batches<E> {
        Batches(self.0)
    }
}

impl ReceiveMany for Batches<Blocking<StrongReader>> {
    #[inline]
    fn receive_many(
        &mut self,
        buffer: &mut [u8],
        most: u64,
        mut each: impl FnMut(&mut [u8]),
    ) -> u64 {
        let limit = most.min((RING / 4 / buffer.len()) as u64) as usize;
        let messages = self.0.recv_many(limit).expect("messages").expect("it is not the end");
        for message in &messages {
            buffer.copy_from_slice(&message);
            each(buffer);
        }
        messages.len() as u64
    }
}

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

/// A writer that does not wait for its readers, and a handle that keeps the channel open.
pub(crate) struct Regardless(StrongWriter, #[allow(dead_code, reason = "is kept")] Arc<Channel>);

pub(crate) fn to_weak(readers: usize) -> (Regardless, Vec<Messages<WeakReader>>) {
    let channel = Channel::new(RING);
    let readers = (0..readers).map(|_| Messages(channel.new_weak_reader())).collect();
    (Regardless(channel.new_strong_writer(), channel), readers)
}

impl Writer for Regardless {
    #[inline]
    fn write(&mut self, message: &[u8]) {
        self.0.try_send(message).expect("nobody is waited for");
    }
}

impl Tap for Messages<WeakReader> {
    #[inline]
    fn tap(&mut self, buffer: &mut [u8]) -> Tapped {
        match self.0.try_recv() {
            Ok(Some(message)) => {
                buffer.copy_from_slice(&message);
                Tapped::Message
            }
            Ok(None) => panic!("ours: it is not the end"),
            Err(TryReadError::Empty) => Tapped::Nothing,
            Err(TryReadError::Lagged(_)) => Tapped::Gap,
            Err(error) => panic!("ours: {error}"),
        }
    }
}
