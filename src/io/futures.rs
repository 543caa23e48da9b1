//! The io traits of futures-io.

use super::duplex::Duplex;
use crate::channel::reader::{Lend, Read, Reader, StrongReader, WeakReader};
use crate::channel::writer::{HasCore, StrongWriter, Wait, WeakWriter, Writer};
use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

macro_rules! async_read {
    ($($reader:ident)*) => {$(
        impl AsyncRead for $reader {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Ok(ready!(Read::poll_read(self.get_mut(), context, buffer))?))
            }
        }
    )*};
}
async_read!(Reader StrongReader WeakReader Duplex);

macro_rules! async_buf_read {
    ($($reader:ident)*) => {$(
        impl AsyncBufRead for $reader {
            fn poll_fill_buf(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<&[u8]>> {
                Poll::Ready(Ok(ready!(self.get_mut().lender().poll_fill_buf(context))?))
            }

            #[track_caller]
            fn consume(self: Pin<&mut Self>, amount: usize) {
                self.get_mut().lender().consume(amount);
            }
        }
    )*};
}
async_buf_read!(StrongReader Duplex);

macro_rules! async_write {
    ($($writer:ident)*) => {$(
        impl AsyncWrite for $writer {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.poll_write_vectored(context, &[IoSlice::new(bytes)])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let core = self.get_mut().writer_core();
                let written = ready!(core.poll_write(context, buffers, Wait::MayBeForgotten))?;
                Poll::Ready(Ok(written))
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().writer_core().shut_down();
                Poll::Ready(Ok(()))
            }
        }
    )*};
}
async_write!(Writer StrongWriter WeakWriter Duplex);
