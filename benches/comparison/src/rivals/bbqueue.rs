//! bbqueue: grants of a stream. The kind is the one that costs least: storage inline, so that its
//! size is known, polled, and shared by reference and not counted.

use crate::endpoints::*;
use bbqueue::nicknames::Churrasco;

pub(crate) fn new(_: Setup) -> Ends<impl Sender, impl Receiver> {
    // It is borrowed by two threads, of which none outlives the other for sure: never given back.
    let queue: &'static Churrasco<RING> = Box::leak(Box::new(Churrasco::new()));
    let (producer, consumer) = (queue.stream_producer(), queue.stream_consumer());
    let send = move |message: &[u8]| {
        let Ok(mut grant) = producer.grant_exact(message.len()) else { return false };
        grant.copy_from_slice(message);
        grant.commit(message.len());
        true
    };
    let receive = move |sink: &mut Sink| {
        if let Ok(grant) = consumer.read() {
            // Messages are all of one length, and each was one grant: they lie there whole.
            let size = sink.setup.size;
            sink.accept(&grant[..size]);
            grant.release(size);
        }
    };
    Ends::one(send, receive)
}
