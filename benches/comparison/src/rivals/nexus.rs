//! nexus-logbuf: records that are claimed, filled and committed, and claimed again to be read.
//! Polled, the queues are used; those who wait use the channels around them.

use crate::endpoints::*;
use nexus_logbuf::{channel, queue};

// The same code for types that have no trait in common. The receiver of a channel waits; a sender
// that finds no room spins and yields: it has no other way.
macro_rules! ends {
    ($polled:ident, $queue:path; $waiting:ident, $channel:path, |$sender:ident, $setup:ident| $senders:expr) => {
        pub(crate) fn $polled(_: Setup) -> Ends<impl Sender, impl Receiver> {
            let (mut producer, mut consumer) = $queue(RING);
            let send = move |message: &[u8]| {
                let Ok(mut claim) = producer.try_claim(message.len()) else { return false };
                claim.copy_from_slice(message);
                claim.commit();
                true
            };
            let receive = move |sink: &mut Sink| {
                if let Some(record) = consumer.try_claim() {
                    sink.accept(&record);
                }
            };
            Ends::one(send, receive)
        }

        pub(crate) fn $waiting($setup: Setup) -> Ends<impl Sender, impl Receiver> {
            let ($sender, mut receiver) = $channel(RING);
            let senders = $senders.into_iter().map(|mut sender| {
                move |message: &[u8]| {
                    let mut claim = sender.send(message.len()).expect("the receiver is there");
                    claim.copy_from_slice(message);
                    claim.commit();
                    sender.notify();
                    true
                }
            });
            let receive = move |sink: &mut Sink| {
                sink.accept(&receiver.recv(None).expect("the senders are there"));
            };
            Ends::new(senders, [receive])
        }
    };
}
ends!(polled_spsc, queue::spsc::new; spsc, channel::spsc::channel, |sender, _setup| [sender]);
ends!(polled_mpsc, queue::mpsc::new; mpsc, channel::mpsc::channel, |sender, setup| {
    vec![sender; setup.writers]
});
