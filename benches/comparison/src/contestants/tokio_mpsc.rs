//! tokio's mpsc, of records, among tasks and with its blocking calls.

use super::channels::capacity;
use crate::transport::{self, AsyncReceiver, AsyncSender, Record};
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub(crate) fn new<T: Record>(size: usize) -> (Sender<T>, Receiver<T>) {
    channel(capacity(size))
}

/// So many senders.
pub(crate) fn many<T: Record>(size: usize, writers: usize) -> (Vec<Sender<T>>, Receiver<T>) {
    let (sender, receiver) = new(size);
    (vec![sender; writers], receiver)
}

impl<T: Record> AsyncSender for Sender<T> {
    async fn send(&mut self, message: &[u8]) {
        let sent = Sender::send(self, T::pack(message)).await;
        assert!(sent.is_ok(), "the channel is closed");
    }
}

impl<T: Record> AsyncReceiver for Receiver<T> {
    async fn receive(&mut self, buffer: &mut [u8]) {
        let record = self.recv().await.expect("the channel is open");
        buffer.copy_from_slice(record.bytes());
    }
}

impl<T: Record> transport::Sender for Sender<T> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> bool {
        self.blocking_send(T::pack(message)).is_ok() || panic!("the channel is closed")
    }
}

impl<T: Record> transport::Receiver for Receiver<T> {
    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        let record = self.blocking_recv().expect("the channel is open");
        buffer.copy_from_slice(record.bytes());
        true
    }
}
