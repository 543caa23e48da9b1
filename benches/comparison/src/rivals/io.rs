//! Everything that has the async io traits: tokio's duplex and simplex with those of tokio, piper and
//! sluice with those of futures-io. All with `write_all` and `read_exact`, since their reads and
//! writes may be of parts of a message.

use crate::endpoints::*;
use futures_util::io as futures_io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Both directions have a buffer; one is used.
pub(crate) fn duplex(_: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    let (one, other) = tokio::io::duplex(RING);
    Ends::one(Tokio(one), Tokio(other))
}

pub(crate) fn simplex(_: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    let (reader, writer) = tokio::io::simplex(RING);
    Ends::one(Tokio(writer), Tokio(reader))
}

pub(crate) fn piper(_: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    let (reader, writer) = piper::pipe(RING);
    Ends::one(Futures(writer), Futures(reader))
}

/// Its buffers cannot be bounded in bytes: four chunks go to and fro, each as long as a write.
pub(crate) fn sluice(_: Setup) -> Ends<impl AsyncSender, impl AsyncReceiver> {
    let (reader, writer) = sluice::pipe::pipe();
    Ends::one(Futures(writer), Futures(reader))
}

/// An end with tokio's traits.
pub(crate) struct Tokio<E>(pub(crate) E);

impl<E: AsyncWrite + Unpin + Send + 'static> AsyncSender for Tokio<E> {
    async fn send(&mut self, message: &[u8]) {
        self.0.write_all(message).await.expect("a write");
    }
}

impl<E: AsyncRead + Unpin + Send + 'static> AsyncReceiver for Tokio<E> {
    async fn receive(&mut self, sink: &mut Sink) {
        self.0.read_exact(sink.buffer()).await.expect("a read");
        sink.received();
    }
}

/// An end with those of futures-io.
struct Futures<E>(E);

impl<E: futures_io::AsyncWrite + Unpin + Send + 'static> AsyncSender for Futures<E> {
    async fn send(&mut self, message: &[u8]) {
        futures_io::AsyncWriteExt::write_all(&mut self.0, message).await.expect("a write");
    }
}

impl<E: futures_io::AsyncRead + Unpin + Send + 'static> AsyncReceiver for Futures<E> {
    async fn receive(&mut self, sink: &mut Sink) {
        futures_io::AsyncReadExt::read_exact(&mut self.0, sink.buffer()).await.expect("a read");
        sink.received();
    }
}
