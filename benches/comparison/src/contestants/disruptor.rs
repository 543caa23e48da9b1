//! disruptor: messages are copied into the events of its ring, and pollers, so that the threads are
//! ours, take all events there are at a time, as they are meant to.

use super::channels::capacity;
use crate::transport::{ReceiveMany, Sender};
use disruptor::{BusySpin, EventPoller, Producer as _, SingleProducer, SingleProducerBarrier};
use disruptor::{MultiConsumerBarrier, build_single_producer};

type Producer<const N: usize> = SingleProducer<[u8; N], MultiConsumerBarrier>;
type Poller<const N: usize> = EventPoller<[u8; N], SingleProducerBarrier>;

pub(crate) fn new<const N: usize>(readers: usize) -> (Producer<N>, Vec<Poller<N>>) {
    let builder = build_single_producer(capacity(N), || [0; N], BusySpin);
    let mut builder = builder.with_multi_consumer();
    let mut pollers = Vec::new();
    for _ in 0..readers {
        let (poller, next) = builder.new_event_poller();
        pollers.push(poller);
        builder = next;
    }
    (builder.build(), pollers)
}

impl<const N: usize> Sender for Producer<N> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> bool {
        self.try_publish(|event| event.copy_from_slice(message)).is_ok()
    }
}

impl<const N: usize> ReceiveMany for Poller<N> {
    #[inline]
    fn receive_many(
        &mut self,
        buffer: &mut [u8],
        most: u64,
        mut each: impl FnMut(&mut [u8]),
    ) -> u64 {
        let Ok(mut events) = self.take(most) else { return 0 };
        let mut count = 0;
        for event in &mut events {
            buffer.copy_from_slice(event);
            each(buffer);
            count += 1;
        }
        count
    }
}
