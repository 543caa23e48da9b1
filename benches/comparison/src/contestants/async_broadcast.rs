//! async-broadcast: every receiver gets a clone of each record, and senders wait for the slowest. With
//! the futures that are not boxed, and in its blocking form.

use super::channels::capacity;
use crate::transport::{AsyncReceiver, AsyncSender, Receiver, Record, Sender};

pub(crate) struct AsTasks<E>(E);
pub(crate) struct AsThreads<E>(E);

type Writer<T> = async_broadcast::Sender<T>;
type Reader<T> = async_broadcast::Receiver<T>;

fn new<T: Record>(size: usize, readers: usize) -> (Writer<T>, Vec<Reader<T>>) {
    let (sender, receiver) = async_broadcast::broadcast(capacity(size));
    (sender, vec![receiver; readers])
}

pub(crate) fn tasks<T: Record>(
    size: usize,
    readers: usize,
) -> (AsTasks<Writer<T>>, Vec<AsTasks<Reader<T>>>) {
    let (writer, readers) = new(size, readers);
    (AsTasks(writer), readers.into_iter().map(AsTasks).collect())
}

pub(crate) fn threads<T: Record>(
    size: usize,
    readers: usize,
) -> (AsThreads<Writer<T>>, Vec<AsThreads<Reader<T>>>) {
    let (writer, readers) = new(size, readers);
    (AsThreads(writer), readers.into_iter().map(AsThreads).collect())
}

impl<T: Record> AsyncSender for AsTasks<Writer<T>> {
    async fn send(&mut self, message: &[u8]) {
        let sent = self.0.broadcast_direct(T::pack(message)).await;
        assert!(sent.is_ok(), "the channel is closed");
    }
}

impl<T: Record> AsyncReceiver for AsTasks<Reader<T>> {
    async fn receive(&mut self, buffer: &mut [u8]) {
        let record = self.0.recv_direct().await.expect("the channel is open");
        buffer.copy_from_slice(record.bytes());
    }
}

impl<T: Record> Sender for AsThreads<Writer<T>> {
    fn send(&mut self, message: &[u8]) -> bool {
        self.0.broadcast_blocking(T::pack(message)).is_ok() || panic!("the channel is closed")
    }
}

impl<T: Record> Receiver for AsThreads<Reader<T>> {
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        let record = self.0.recv_blocking().expect("the channel is open");
        buffer.copy_from_slice(record.bytes());
        true
    }
}
