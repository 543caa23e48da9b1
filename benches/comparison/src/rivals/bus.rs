//! bus: every reader gets a clone of each record, and the writer waits for the slowest. It waits by
//! itself, a little while spinning and then parked.

use crate::endpoints::*;
use bus::Bus;

pub(crate) fn new<T: Record<[u8]>>(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let mut bus = Bus::<T>::new(setup.capacity());
    let readers = (0..setup.readers).map(|_| bus.add_rx()).collect();
    let send = |bus: &mut Bus<T>, record| {
        bus.broadcast(record);
        true
    };
    records(vec![bus], readers, send, |reader| reader.recv().ok())
}
