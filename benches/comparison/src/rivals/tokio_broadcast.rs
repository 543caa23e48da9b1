//! tokio's broadcast, with room for as many records as fit the ring. Its receivers may be overrun.

use crate::endpoints::*;
use tokio::sync::broadcast::{self, error::TryRecvError};

pub(crate) fn new<T: Record>(
    setup: Setup,
    mut pack: impl Pack<T>,
) -> Ends<impl Sender, impl Receiver> {
    let (sender, _) = broadcast::channel::<T>(setup.capacity());
    let receiver = |_| {
        let mut receiver = sender.subscribe();
        move |sink: &mut Sink| match receiver.try_recv() {
            Ok(record) => sink.accept(record.as_ref()),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Lagged(_)) => sink.lagged = true,
            Err(error) => panic!("broadcast: {error}"),
        }
    };
    let receivers = Vec::from_iter((0..setup.readers).map(receiver));
    Ends::new([move |message: &[u8]| sender.send(pack(message)).is_ok()], receivers)
}
