//! disruptor: messages are copied into the events of its ring, and pollers, so that the threads are
//! ours, take all events there are at a time, as they are meant to.

use crate::endpoints::*;
use disruptor::{BusySpin, Producer, build_single_producer};

pub(crate) fn new<const N: usize>(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let builder = build_single_producer(setup.capacity(), || [0; N], BusySpin);
    let mut builder = builder.with_multi_consumer();
    let mut receivers = Vec::new();
    for _ in 0..setup.readers {
        let (mut poller, next) = builder.new_event_poller();
        builder = next;
        receivers.push(move |sink: &mut Sink| {
            if let Ok(mut events) = poller.take(sink.left) {
                for event in &mut events {
                    sink.accept(event);
                }
            }
        });
    }
    let mut producer = builder.build();
    let send = move |message: &[u8]| {
        producer.try_publish(|event: &mut [u8; N]| event.copy_from_slice(message)).is_ok()
    };
    Ends::new([send], receivers)
}
