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
/// An end with those of futures-io.
struct Futures<E>(E);

macro_rules! ends {
    ($End:ident, $Write:path, $write_all:path, $Read:path, $read_exact:path) => {
        impl<E: $Write + Unpin + Send + 'static> AsyncSender for $End<E> {
            async fn send(&mut self, message: &[u8]) {
                $write_all(&mut self.0, message).await.expect("a write");
            }
        }

        impl<E: $Read + Unpin + Send + 'static> AsyncReceiver for $End<E> {
            async fn receive(&mut self, sink: &mut Sink) {
                $read_exact(&mut self.0, sink.buffer()).await.expect("a read");
                sink.received();
            }
        }
    };
}

ends!(Tokio, AsyncWrite, AsyncWriteExt::write_all, AsyncRead, AsyncReadExt::read_exact);
ends!(
    Futures,
    futures_io::AsyncWrite,
    futures_io::AsyncWriteExt::write_all,
    futures_io::AsyncRead,
    futures_io::AsyncReadExt::read_exact
);
