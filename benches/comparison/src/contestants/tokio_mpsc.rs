//! tokio's mpsc, of records.

use super::channels::capacity;
use crate::transport::{AsyncReceiver, AsyncSender, Record};
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub(crate) fn new<T: Record>(size: usize) -> (Sender<T>, Receiver<T>) {
    channel(capacity(size))
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
