//! tokio's mpsc, with room for as many records as fit the ring, among tasks and with its blocking
//! calls.

use crate::endpoints::*;
use tokio::sync::mpsc;

pub(crate) fn threads<M: Message + ?Sized, T: Record<M>>(
    setup: Setup,
) -> Ends<impl Sender<M>, impl Receiver<M>> {
    let (sender, receiver) = mpsc::channel(setup.capacity());
    records(
        vec![sender; setup.writers],
        vec![receiver],
        |sender, record: T| sender.blocking_send(record).is_ok(),
        |receiver| receiver.blocking_recv(),
    )
}

pub(crate) fn tasks<T: Record<[u8]>>(setup: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    let (sender, receiver) = mpsc::channel::<T>(setup.capacity());
    Ends::one(sender, receiver)
}

impl<T: Record<[u8]>> AsyncSender for mpsc::Sender<T> {
    async fn send(&mut self, message: &[u8]) {
        let sent = mpsc::Sender::send(self, T::pack(message)).await;
        assert!(sent.is_ok(), "the channel is closed");
    }
}

impl<T: Record<[u8]>> AsyncReceiver for mpsc::Receiver<T> {
    async fn receive(&mut self, buffer: &mut [u8]) {
        let record = self.recv().await.expect("the channel is open");
        buffer.copy_from_slice(record.as_ref());
    }
}
