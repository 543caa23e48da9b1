//! selium-messaging: a ring of bytes with strong endpoints, through tokio's io traits. Its other way to
//! read, frame by frame, makes a vector of each.
//!
//! Its endpoints only wait as tasks do, so it takes part where there are tasks.

use super::io::Tokio;
use crate::rounds::RING;
use crate::transport::{AsyncReceiver, AsyncSender};
use selium_messaging::{Backpressure, Channel, StrongReader, StrongWriter};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// An end, and the channel, which its ends do not keep.
pub(crate) struct Selium<E> {
    end: Tokio<E>,
    _channel: Arc<Channel>,
}

pub(crate) fn to_many(readers: usize) -> (Selium<StrongWriter>, Vec<Selium<StrongReader>>) {
    let channel = Channel::with_parameters(RING, Backpressure::Park);
    let reader = || Selium { end: Tokio(channel.new_strong_reader()), _channel: channel.clone() };
    let readers = (0..readers).map(|_| reader()).collect();
    (Selium { end: Tokio(channel.new_strong_writer()), _channel: channel }, readers)
}

pub(crate) fn new() -> (Selium<StrongWriter>, Selium<StrongReader>) {
    let (writer, mut readers) = to_many(1);
    (writer, readers.remove(0))
}

impl<E: AsyncWrite + Unpin + Send + 'static> AsyncSender for Selium<E> {
    fn send(&mut self, message: &[u8]) -> impl Future<Output = ()> + Send {
        AsyncSender::send(&mut self.end, message)
    }
}

impl<E: AsyncRead + Unpin + Send + 'static> AsyncReceiver for Selium<E> {
    fn receive(&mut self, buffer: &mut [u8]) -> impl Future<Output = ()> + Send {
        AsyncReceiver::receive(&mut self.end, buffer)
    }
}
