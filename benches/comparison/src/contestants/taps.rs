//! Readers that may be overrun: our weak readers, the receivers of tokio's broadcast, and outcry's.

use super::channels::capacity;
use crate::rounds::RING;
use crate::transport::Record;
use overfall::error::TryReadError;
use overfall::{Backpressure, Channel, StrongReader, StrongWriter, WeakReader};
use std::sync::Arc;
use tokio::sync::broadcast;

/// What a tap finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tapped {
    Message,
    Nothing,
    /// It was overrun.
    Gap,
}

/// A writer that does not wait for taps.
pub(crate) trait Writer: Send + 'static {
    fn write(&mut self, message: &[u8]);

    /// Makes room, if somebody else has to read for it.
    fn settle(&mut self, _buffer: &mut [u8]) {}
}

/// A reader that may be overrun.
pub(crate) trait Tap: Send + 'static {
    /// Copies the next message into `buffer`.
    fn tap(&mut self, buffer: &mut [u8]) -> Tapped;
}

/// Our writer, with a strong reader, or with a handle that keeps the channel open without one.
pub(crate) struct OurWriter {
    writer: StrongWriter,
    strong: Option<StrongReader>,
    _channel: Arc<Channel>,
}

pub(crate) fn ours(taps: usize, with_strong_reader: bool) -> (OurWriter, Vec<WeakReader>) {
    let channel = Channel::with_parameters(RING, Backpressure::Block);
    let taps = (0..taps).map(|_| channel.new_weak_reader()).collect();
    let writer = channel.new_strong_writer();
    let strong = with_strong_reader.then(|| channel.new_strong_reader());
    (OurWriter { writer, strong, _channel: channel }, taps)
}

impl Writer for OurWriter {
    #[inline]
    fn write(&mut self, message: &[u8]) {
        assert_eq!(self.writer.try_write(message).expect("room"), message.len());
    }

    fn settle(&mut self, buffer: &mut [u8]) {
        if let Some(strong) = &mut self.strong {
            while strong.try_read(buffer).is_ok() {}
        }
    }
}

impl Tap for WeakReader {
    #[inline]
    fn tap(&mut self, buffer: &mut [u8]) -> Tapped {
        match self.try_read(buffer) {
            Ok(read) => {
                assert_eq!(read, buffer.len());
                Tapped::Message
            }
            Err(TryReadError::Empty) => Tapped::Nothing,
            Err(TryReadError::Lagged(_)) => Tapped::Gap,
            Err(error) => panic!("ours: {error}"),
        }
    }
}

type Broadcast<T> = (broadcast::Sender<T>, Vec<broadcast::Receiver<T>>);

pub(crate) fn broadcast<T: Record>(size: usize, taps: usize) -> Broadcast<T> {
    let (sender, _) = broadcast::channel(capacity(size));
    let taps = (0..taps).map(|_| sender.subscribe()).collect();
    (sender, taps)
}

impl<T: Record> Writer for broadcast::Sender<T> {
    #[inline]
    fn write(&mut self, message: &[u8]) {
        assert!(self.send(T::pack(message)).is_ok(), "there are receivers");
    }
}

impl<T: Record> Tap for broadcast::Receiver<T> {
    #[inline]
    fn tap(&mut self, buffer: &mut [u8]) -> Tapped {
        match self.try_recv() {
            Ok(record) => {
                buffer.copy_from_slice(record.bytes());
                Tapped::Message
            }
            Err(broadcast::error::TryRecvError::Empty) => Tapped::Nothing,
            Err(broadcast::error::TryRecvError::Lagged(_)) => Tapped::Gap,
            Err(error) => panic!("broadcast: {error}"),
        }
    }
}

/// outcry, all of whose readers are taps. After a gap they go on at the newest frame.
pub(crate) fn outcry(taps: usize) -> (outcry::Producer, Vec<outcry::Consumer>) {
    let queue = outcry::Queue::anon(RING as u64).expect("a queue");
    let producer = queue.producer().expect("the only producer");
    (producer, (0..taps).map(|_| queue.consumer()).collect())
}

impl Writer for outcry::Producer {
    #[inline]
    fn write(&mut self, message: &[u8]) {
        outcry::Producer::write(self, message).expect("it fits");
    }
}

impl Tap for outcry::Consumer {
    #[inline]
    fn tap(&mut self, buffer: &mut [u8]) -> Tapped {
        match self.try_read(buffer) {
            Ok(Some(read)) => {
                assert_eq!(read, buffer.len());
                Tapped::Message
            }
            Ok(None) => Tapped::Nothing,
            Err(_) if self.is_overrun() => {
                self.resync();
                Tapped::Gap
            }
            Err(error) => panic!("outcry: {error}"),
        }
    }
}
