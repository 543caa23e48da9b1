//! async-broadcast: every receiver gets a clone of each record, and senders wait for the slowest. With
//! the futures that are not boxed, and in its blocking form.

use crate::endpoints::*;
use async_broadcast::{Receiver as Receiving, Sender as Sending, broadcast};

async_channel!(broadcast, Sending.broadcast_direct, Receiving.recv_direct, |setup, receiver| {
    vec![receiver; setup.readers]
});

pub(crate) fn new<T: Record>(setup: Setup, pack: impl Pack<T>) -> Ends<impl Sender, impl Receiver> {
    let (sender, receiver) = broadcast(setup.capacity());
    records(
        [sender],
        vec![receiver; setup.readers],
        pack,
        |sender, record| sender.broadcast_blocking(record).is_ok(),
        |receiver| receiver.recv_blocking().ok(),
    )
}
