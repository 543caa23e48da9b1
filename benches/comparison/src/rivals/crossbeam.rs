//! crossbeam-channel, with room for as many records as fit the ring.

use crate::endpoints::*;

pub(crate) fn new<M: Message + ?Sized, T: Record<M>>(
    setup: Setup,
) -> Ends<impl Sender<M>, impl Receiver<M>> {
    let (sender, receiver) = crossbeam_channel::bounded(setup.capacity());
    records(
        vec![sender; setup.writers],
        vec![receiver],
        |sender, record: T| sender.send(record).is_ok(),
        |receiver| receiver.recv().ok(),
    )
}
