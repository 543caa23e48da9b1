//! outcry, all of whose readers may be overrun. After a gap they go on at the newest frame.

use crate::endpoints::*;

pub(crate) fn new(setup: Setup) -> Ends<impl Sender, impl Receiver> {
    let queue = outcry::Queue::anon(RING as u64).expect("a queue");
    let mut producer = queue.producer().expect("the only producer");
    let send = move |message: &[u8]| {
        producer.write(message).expect("it fits");
        true
    };
    let receiver = |_| {
        let mut consumer = queue.consumer();
        move |sink: &mut Sink| match consumer.try_read(sink.buffer()) {
            Ok(Some(read)) => {
                assert_eq!(read, sink.setup.size);
                sink.received();
            }
            Ok(None) => {}
            Err(_) if consumer.is_overrun() => {
                consumer.resync();
                sink.lagged = true;
            }
            Err(error) => panic!("outcry: {error}"),
        }
    };
    Ends::new([send], (0..setup.readers).map(receiver))
}
