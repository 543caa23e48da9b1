//! bus: every reader gets a clone of each record, and the writer waits for the slowest. It waits by
//! itself, a little while spinning and then parked.

use crate::endpoints::*;
use bus::Bus;

pub(crate) fn new<T: Record>(setup: Setup, pack: impl Pack<T>) -> Ends<impl Sender, impl Receiver> {
    let mut bus = Bus::new(setup.capacity());
    let readers = Vec::from_iter((0..setup.readers).map(|_| bus.add_rx()));
    let send = |bus: &mut Bus<T>, record| {
        bus.broadcast(record);
        true
    };
    records([bus], readers, pack, send, |reader| reader.recv().ok())
}
