//! tokio's broadcast, with room for as many records as fit the ring. Its receivers may be overrun.

use crate::endpoints::*;
use tokio::sync::broadcast::{self, error::TryRecvError};

pub(crate) fn new<M: Message + ?Sized, T: Record<M>>(
    setup: Setup,
) -> Ends<impl Sender<M>, impl Receiver<M>> {
    let (sender, _) = broadcast::channel::<T>(setup.capacity());
    let receiver = |_| {
        let mut receiver = sender.subscribe();
        move |sink: &mut Sink<M>| match receiver.try_recv() {
            Ok(record) => sink.accept(record.as_ref()),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Lagged(_)) => sink.lagged = true,
            Err(error) => panic!("broadcast: {error}"),
        }
    };
    let receivers = (0..setup.readers).map(receiver).collect();
    Ends::new(vec![move |message: &M| sender.send(T::pack(message)).is_ok()], receivers)
}
