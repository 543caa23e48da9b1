//! Channels of `T` whose operations are called alike: each message becomes a record when it is sent,
//! and is copied out of it when it is received. Their capacity is as many records as fit the ring.

use crate::rounds::RING;
use crate::transport::{Receiver, Record, Sender};
use std::sync::mpsc;

/// How many records of so many bytes there is room for.
pub(crate) fn capacity(size: usize) -> usize {
    RING / size
}

/// So many senders, which are alike, and the receiver.
fn many<S: Clone, R>((sender, receiver): (S, R), writers: usize) -> (Vec<S>, R) {
    (vec![sender; writers], receiver)
}

macro_rules! channel {
    ($make:ident, $sender:ty, $receiver:ty, $new:expr, $send:path) => {
        pub(crate) fn $make<T: Record>(size: usize, writers: usize) -> (Vec<$sender>, $receiver) {
            many($new(capacity(size)), writers)
        }

        impl<T: Record> Sender for $sender {
            #[inline]
            fn send(&mut self, message: &[u8]) -> bool {
                $send(self, T::pack(message)).is_ok() || panic!("the channel is closed")
            }
        }

        impl<T: Record> Receiver for $receiver {
            #[inline]
            fn receive(&mut self, buffer: &mut [u8]) -> bool {
                let Ok(record) = <$receiver>::recv(self) else { panic!("the channel is closed") };
                buffer.copy_from_slice(record.bytes());
                true
            }
        }
    };
}
channel!(std, mpsc::SyncSender<T>, mpsc::Receiver<T>, mpsc::sync_channel, mpsc::SyncSender::send);
channel!(
    crossbeam,
    crossbeam_channel::Sender<T>,
    crossbeam_channel::Receiver<T>,
    crossbeam_channel::bounded,
    crossbeam_channel::Sender::send
);
channel!(flume, flume::Sender<T>, flume::Receiver<T>, flume::bounded, flume::Sender::send);
channel!(kanal, kanal::Sender<T>, kanal::Receiver<T>, kanal::bounded, kanal::Sender::send);
channel!(
    crossfire,
    crossfire::MTx<crossfire::mpsc::Array<T>>,
    crossfire::Rx<crossfire::mpsc::Array<T>>,
    crossfire::mpsc::bounded_blocking,
    crossfire::Tx::send
);
