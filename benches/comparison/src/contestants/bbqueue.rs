//! bbqueue: grants of a stream. The kind is the one that costs least: storage inline, so that its
//! size is known, polled, and shared by reference and not counted.

use crate::rounds::RING;
use crate::transport::{Receiver, Sender};
use bbqueue::nicknames::Churrasco;
use bbqueue::prod_cons::stream::{StreamConsumer, StreamProducer};

type Queue = &'static Churrasco<RING>;

pub(crate) fn new() -> (StreamProducer<Queue>, StreamConsumer<Queue>) {
    // It is borrowed by two threads, of which none outlives the other for sure: never given back.
    let queue: Queue = Box::leak(Box::new(Churrasco::new()));
    (queue.stream_producer(), queue.stream_consumer())
}

impl Sender for StreamProducer<Queue> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> bool {
        let Ok(mut grant) = self.grant_exact(message.len()) else { return false };
        grant.copy_from_slice(message);
        grant.commit(message.len());
        true
    }
}

impl Receiver for StreamConsumer<Queue> {
    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> bool {
        let Ok(grant) = self.read() else { return false };
        // Messages are all of one length, and each was one grant: they lie there whole.
        buffer.copy_from_slice(&grant[..buffer.len()]);
        grant.release(buffer.len());
        true
    }
}
