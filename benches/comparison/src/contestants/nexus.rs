//! nexus-logbuf: records that are claimed, filled and committed, and claimed again to be read.
//! Polled, the queues are used; those who wait use the channels around them.

use crate::rounds::RING;
use crate::transport::{Receiver, Sender};
use nexus_logbuf::channel::{mpsc as channel, spsc as channel_of_one};
use nexus_logbuf::queue::{mpsc, spsc};

pub(crate) fn single() -> (spsc::Producer, spsc::Consumer) {
    spsc::new(RING)
}

pub(crate) fn multi() -> (mpsc::Producer, mpsc::Consumer) {
    mpsc::new(RING)
}

macro_rules! queue {
    ($queue:ident) => {
        impl Sender for $queue::Producer {
            #[inline]
            fn send(&mut self, message: &[u8]) -> bool {
                let Ok(mut claim) = self.try_claim(message.len()) else { return false };
                claim.copy_from_slice(message);
                claim.commit();
                true
            }
        }

        impl Receiver for $queue::Consumer {
            #[inline]
            fn receive(&mut self, buffer: &mut [u8]) -> bool {
                let Some(record) = self.try_claim() else { return false };
                buffer.copy_from_slice(&record);
                true
            }
        }
    };
}
queue!(spsc);
queue!(mpsc);

/// So many senders of the channel whose receiver waits. A sender that finds no room spins and yields:
/// it has no other way.
pub(crate) fn channel(writers: usize) -> (Vec<channel::Sender>, channel::Receiver) {
    let (sender, receiver) = channel::channel(RING);
    (vec![sender; writers], receiver)
}

/// The channel that has but one sender.
pub(crate) fn channel_of_one() -> (Vec<channel_of_one::Sender>, channel_of_one::Receiver) {
    let (sender, receiver) = channel_of_one::channel(RING);
    (vec![sender], receiver)
}

macro_rules! channel {
    ($channel:ident) => {
        impl Sender for $channel::Sender {
            #[inline]
            fn send(&mut self, message: &[u8]) -> bool {
                let claim = $channel::Sender::send(self, message.len());
                let mut claim = claim.expect("the receiver is there");
                claim.copy_from_slice(message);
                claim.commit();
                self.notify();
                true
            }
        }

        impl Receiver for $channel::Receiver {
            #[inline]
            fn receive(&mut self, buffer: &mut [u8]) -> bool {
                let record = self.recv(None).expect("the senders are there");
                buffer.copy_from_slice(&record);
                true
            }
        }
    };
}
channel!(channel);
channel!(channel_of_one);
