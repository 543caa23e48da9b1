//! The io traits of tokio.
//!
//! Every operation that gets something done takes a unit of the task's co-operative budget, or a part of one
//! (`wait/budget.rs`), so that a task that always finds work still lets the other tasks of its thread run.

use super::duplex::Duplex;
use crate::channel::reader::{Lend, Read, Reader, StrongReader, WeakReader};
use crate::channel::writer::{Core, HasCore, StrongWriter, Wait, WeakWriter, Writer};
use crate::ring::position::GRANULE;
use crate::wait::budget::{is_small, poll_proceed};
use std::io::{self, IoSlice};
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

/// To initialize so much room costs less than a look at what there is.
const LITTLE: usize = 256;

/// Whether to initialize the room of `buffer` costs little, or nothing.
#[inline(always)]
fn costs_little(buffer: &ReadBuf<'_>) -> bool {
    buffer.remaining() <= LITTLE || buffer.initialized().len() == buffer.capacity()
}

/// The room of `buffer` that a read may need now, initialized: not more than there is to be read, which
/// may be far less than the room.
#[inline]
fn initialize<'a>(buffer: &'a mut ReadBuf<'_>, reader: &impl Read) -> &'a mut [u8] {
    let mut needed = buffer.remaining();
    if !costs_little(buffer) {
        let unread = reader.core().shared().ring.unread(reader.place().slice);
        // Something may come right behind the look. A read without any room would be taken for the end.
        needed = needed.min(unread.max(GRANULE) as usize);
    }
    buffer.initialize_unfilled_to(needed)
}

/// A read that may have to wait, and has taken its part of the budget.
#[inline(never)]
fn poll_read(
    reader: &mut impl Read,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let room = initialize(buffer, reader);
    let read = reader.poll_read(context, room);
    let read = ready!(reader.core_mut().allowance.settle(read))?;
    buffer.advance(read);
    Poll::Ready(Ok(()))
}

/// The same for a write.
#[inline(never)]
fn poll_write(
    core: &mut Core,
    context: &mut Context<'_>,
    buffers: &[impl Deref<Target = [u8]>],
) -> Poll<io::Result<usize>> {
    let written = core.poll_write(context, buffers, Wait::MayBeForgotten);
    Poll::Ready(Ok(ready!(core.allowance.settle(written))?))
}

macro_rules! async_read {
    ($($reader:ident)*) => {$(
        impl AsyncRead for $reader {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let reader = self.get_mut();
                ready!(reader.core_mut().allowance.poll_take(context));
                let length = buffer.remaining();
                if is_small(length)
                    && costs_little(buffer)
                    && reader.read_quick(buffer.initialize_unfilled())
                {
                    reader.core_mut().unpark();
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                // `poll_read` comes to the same, and takes a twentieth of a round trip longer for it.
                if length > 0 && reader.sees_nothing_and_parks(context) {
                    reader.core_mut().allowance.give_back();
                    return Poll::Pending;
                }
                poll_read(reader, context, buffer)
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
                let budget = ready!(poll_proceed(context));
                let lent = ready!(self.get_mut().lender().poll_fill_buf(context))?;
                let _whether_there_was_one = budget.made_progress();
                Poll::Ready(Ok(lent))
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
                let core = self.get_mut().writer_core();
                ready!(core.allowance.poll_take(context));
                if is_small(bytes.len()) && core.write_at_once(bytes) {
                    return Poll::Ready(Ok(bytes.len()));
                }
                poll_write(core, context, &[bytes])
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffers: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let core = self.get_mut().writer_core();
                ready!(core.allowance.poll_take(context));
                poll_write(core, context, buffers)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.get_mut().writer_core().shut_down();
                Poll::Ready(Ok(()))
            }
        }
    )*};
}
async_write!(Writer StrongWriter WeakWriter Duplex);
