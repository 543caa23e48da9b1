//! kanal, with room for as many records as fit the ring, in its blocking and in its async form.

use crate::endpoints::*;

pub(crate) fn threads<M: Message + ?Sized, T: Record<M>>(
    setup: Setup,
) -> Ends<impl Sender<M>, impl Receiver<M>> {
    let (sender, receiver) = kanal::bounded(setup.capacity());
    records(
        vec![sender; setup.writers],
        vec![receiver],
        |sender, record: T| sender.send(record).is_ok(),
        |receiver| receiver.recv().ok(),
    )
}

pub(crate) fn tasks<T: Record<[u8]>>(setup: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    let (sender, receiver) = kanal::bounded_async::<T>(setup.capacity());
    Ends::one(sender, receiver)
}

impl<T: Record<[u8]>> AsyncSender for kanal::AsyncSender<T> {
    async fn send(&mut self, message: &[u8]) {
        let sent = kanal::AsyncSender::send(self, T::pack(message)).await;
        assert!(sent.is_ok(), "the channel is closed");
    }
}

impl<T: Record<[u8]>> AsyncReceiver for kanal::AsyncReceiver<T> {
    async fn receive(&mut self, buffer: &mut [u8]) {
        let record = self.recv().await.expect("the channel is open");
        buffer.copy_from_slice(record.as_ref());
    }
}
