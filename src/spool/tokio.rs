//! The io traits of tokio. What gets something done takes a unit of the task's co-operative budget.

use super::{SpoolReader, SpoolWriter};
use crate::wait::budget::poll_proceed;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// So much room is always initialized.
const LITTLE: usize = 64;

impl SpoolReader {
    /// Who reads waits for no seek any more: its future was dropped. It would hold up the next one.
    fn give_up_seek(&mut self) {
        self.seeking = None;
    }
}

impl AsyncRead for SpoolReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let budget = ready!(poll_proceed(context));
        let reader = self.get_mut();
        reader.give_up_seek();
        // Not more than there is to be read, which may be far less than the room. Something may come right
        // behind the look: a read without any room would be taken for the end.
        let unread = usize::try_from(reader.len().saturating_sub(reader.position()));
        let needed = buffer.remaining().min(unread.unwrap_or(usize::MAX).max(LITTLE));
        let room = buffer.initialize_unfilled_to(needed);
        let read = ready!(SpoolReader::poll_read(reader, context, room))?;
        let _whether_there_was_one = budget.made_progress();
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for SpoolReader {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let budget = ready!(poll_proceed(context));
        let reader = self.get_mut();
        reader.give_up_seek();
        ready!(reader.poll_ready(context))?;
        let _whether_there_was_one = budget.made_progress();
        Poll::Ready(Ok(reader.try_fill_buf()?))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        SpoolReader::consume(self.get_mut(), amount);
    }
}

impl AsyncSeek for SpoolReader {
    fn start_seek(self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        self.get_mut().seeking = Some(to);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let reader = self.get_mut();
        let Some(to) = reader.seeking else { return Poll::Ready(Ok(reader.position())) };
        let budget = ready!(poll_proceed(context));
        let sought = ready!(SpoolReader::poll_seek(reader, context, to));
        let _whether_there_was_one = budget.made_progress();
        reader.seeking = None;
        Poll::Ready(Ok(sought?))
    }
}

impl AsyncWrite for SpoolWriter {
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
        let budget = ready!(poll_proceed(context));
        let written = ready!(self.get_mut().poll_write_all_of(context, buffers))?;
        let _whether_there_was_one = budget.made_progress();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().finish_in_place()?;
        Poll::Ready(Ok(()))
    }
}
