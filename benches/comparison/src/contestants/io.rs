//! Everything that has the async io traits: ours, and tokio's duplex and simplex with those of tokio,
//! piper and sluice with those of futures-io. All with `write_all` and `read_exact`, since their
//! reads and writes may be of parts of a message.

use crate::rounds::RING;
use crate::transport::{AsyncEnds, AsyncReceiver, AsyncSender};
use futures_util::io as futures_io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::io::{ReadHalf, SimplexStream, WriteHalf};

/// An end with tokio's traits.
pub(crate) struct Tokio<E>(pub(crate) E);

/// An end with the traits of futures-io.
pub(crate) struct Futures<E>(E);

pub(crate) fn ours() -> (Tokio<overfall::StrongWriter>, Tokio<overfall::StrongReader>) {
    let (writer, reader) = overfall::pipe(RING);
    (Tokio(writer), Tokio(reader))
}

/// So many readers of one writer.
pub(crate) fn ours_to_many(
    readers: usize,
) -> (Tokio<overfall::StrongWriter>, Vec<Tokio<overfall::StrongReader>>) {
    let (writer, reader) = overfall::pipe(RING);
    (Tokio(writer), vec![reader; readers].into_iter().map(Tokio).collect())
}

/// Both directions have a buffer; one is used.
pub(crate) fn duplex() -> (Tokio<DuplexStream>, Tokio<DuplexStream>) {
    let (one, other) = tokio::io::duplex(RING);
    (Tokio(one), Tokio(other))
}

pub(crate) fn simplex() -> (Tokio<WriteHalf<SimplexStream>>, Tokio<ReadHalf<SimplexStream>>) {
    let (reader, writer) = tokio::io::simplex(RING);
    (Tokio(writer), Tokio(reader))
}

pub(crate) fn piper() -> (Futures<piper::Writer>, Futures<piper::Reader>) {
    let (reader, writer) = piper::pipe(RING);
    (Futures(writer), Futures(reader))
}

/// Its buffers cannot be bounded in bytes: four chunks go to and fro, each as long as a write.
pub(crate) fn sluice() -> (Futures<sluice::pipe::PipeWriter>, Futures<sluice::pipe::PipeReader>) {
    let (reader, writer) = sluice::pipe::pipe();
    (Futures(writer), Futures(reader))
}

impl<E: AsyncWrite + Unpin + Send + 'static> AsyncSender for Tokio<E> {
    async fn send(&mut self, message: &[u8]) {
        self.0.write_all(message).await.expect("a write");
    }
}

impl<E: AsyncRead + Unpin + Send + 'static> AsyncReceiver for Tokio<E> {
    async fn receive(&mut self, buffer: &mut [u8]) {
        self.0.read_exact(buffer).await.expect("a read");
    }
}

/// In a conversation each party has one end of a duplex.
impl AsyncEnds for Tokio<DuplexStream> {
    async fn send(&mut self, message: &[u8]) {
        AsyncSender::send(self, message).await;
    }

    async fn receive(&mut self, buffer: &mut [u8]) {
        AsyncReceiver::receive(self, buffer).await;
    }
}

impl<E: futures_io::AsyncWrite + Unpin + Send + 'static> AsyncSender for Futures<E> {
    async fn send(&mut self, message: &[u8]) {
        use futures_io::AsyncWriteExt;
        self.0.write_all(message).await.expect("a write");
    }
}

impl<E: futures_io::AsyncRead + Unpin + Send + 'static> AsyncReceiver for Futures<E> {
    async fn receive(&mut self, buffer: &mut [u8]) {
        use futures_io::AsyncReadExt;
        self.0.read_exact(buffer).await.expect("a read");
    }
}
