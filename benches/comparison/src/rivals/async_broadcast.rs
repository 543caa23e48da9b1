//! async-broadcast: every receiver gets a clone of each record, and senders wait for the slowest. With
//! the futures that are not boxed, and in its blocking form.

use crate::endpoints::*;

type Sending<T> = async_broadcast::Sender<T>;
type Receiving<T> = async_broadcast::Receiver<T>;

pub(crate) fn tasks<T: Record<[u8]>>(setup: Setup) -> Ends<Sending<T>, Receiving<T>> {
    let (sender, receiver) = async_broadcast::broadcast(setup.capacity());
    Ends::new(vec![sender], vec![receiver; setup.readers])
}

pub(crate) fn threads<T: Record<[u8]>>(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let Ends { senders, receivers, .. } = tasks::<T>(setup);
    records(
        senders,
        receivers,
        |sender, record| sender.broadcast_blocking(record).is_ok(),
        |receiver| receiver.recv_blocking().ok(),
    )
}

impl<T: Record<[u8]>> AsyncSender for Sending<T> {
    async fn send(&mut self, message: &[u8]) {
        let sent = self.broadcast_direct(T::pack(message)).await;
        assert!(sent.is_ok(), "the channel is closed");
    }
}

impl<T: Record<[u8]>> AsyncReceiver for Receiving<T> {
    async fn receive(&mut self, buffer: &mut [u8]) {
        let record = self.recv_direct().await.expect("the channel is open");
        buffer.copy_from_slice(record.as_ref());
    }
}
