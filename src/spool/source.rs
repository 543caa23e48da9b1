//! A reader of a spool as the source of something else.

use super::reader::SpoolReader;
use crate::io::layers::{AsyncSource, PollRead};
use std::io;
use std::task::{Context, Poll, ready};

impl PollRead for SpoolReader {
    const LENDS: bool = true;

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        SpoolReader::poll_read(self, context, buffer).map_err(io::Error::from)
    }

    fn poll_fill_buf(&mut self, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        ready!(self.poll_ready(context))?;
        Poll::Ready(self.try_fill_buf().map_err(io::Error::from))
    }

    fn consume(&mut self, amount: usize) {
        SpoolReader::consume(self, amount);
    }

    fn stop_waiting(&mut self) {
        SpoolReader::stop_waiting(self);
    }
}

impl AsyncSource for SpoolReader {}
