//! kanal in its async form, of records.

use super::channels::capacity;
use crate::transport::{self, Record};
use kanal::{AsyncReceiver, AsyncSender, bounded_async};

pub(crate) fn new<T: Record>(size: usize) -> (AsyncSender<T>, AsyncReceiver<T>) {
    bounded_async(capacity(size))
}

impl<T: Record> transport::AsyncSender for AsyncSender<T> {
    async fn send(&mut self, message: &[u8]) {
        let sent = AsyncSender::send(self, T::pack(message)).await;
        assert!(sent.is_ok(), "the channel is closed");
    }
}

impl<T: Record> transport::AsyncReceiver for AsyncReceiver<T> {
    async fn receive(&mut self, buffer: &mut [u8]) {
        let record = self.recv().await.expect("the channel is open");
        buffer.copy_from_slice(record.bytes());
    }
}
