//! Sources that do what the worst sources do.

use futures::io::AsyncRead;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// What a source does when it is read.
#[derive(Clone, Debug)]
pub enum Does {
    /// Gives these bytes, as many as there is room for, and the rest at the next read.
    Gives(Vec<u8>),
    /// Fails, with an error of this kind.
    Fails(io::ErrorKind),
    /// Has nothing now, and wakes the task at once. A blocking one fails with `WouldBlock`.
    Pends,
    /// Claims to have read one byte more than there is room for.
    Lies,
    /// Panics.
    Panics,
}

/// A source that does one thing after the other, and then ends.
#[derive(Debug, Default)]
pub struct Script {
    steps: VecDeque<Does>,
    reads: Arc<AtomicUsize>,
}

impl Script {
    /// One that does this.
    pub fn new(steps: impl IntoIterator<Item = Does>) -> Self {
        Self { steps: steps.into_iter().collect(), reads: Arc::default() }
    }

    /// One that gives these bytes one by one, and has something in the way before each.
    pub fn drop_by_drop(bytes: &[u8], between: &[Does]) -> Self {
        let steps =
            bytes.iter().flat_map(|&byte| between.iter().cloned().chain([Does::Gives(vec![byte])]));
        Self::new(steps)
    }

    /// How often it was read.
    pub fn reads(&self) -> Arc<AtomicUsize> {
        self.reads.clone()
    }

    fn step(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        match self.steps.pop_front() {
            None => Poll::Ready(Ok(0)),
            Some(Does::Gives(mut bytes)) => {
                let length = bytes.len().min(buffer.len());
                buffer[..length].copy_from_slice(&bytes[..length]);
                let rest = bytes.split_off(length);
                if !rest.is_empty() {
                    self.steps.push_front(Does::Gives(rest));
                }
                Poll::Ready(Ok(length))
            }
            Some(Does::Fails(kind)) => Poll::Ready(Err(io::Error::new(kind, "as told"))),
            Some(Does::Pends) => Poll::Pending,
            Some(Does::Lies) => Poll::Ready(Ok(buffer.len() + 1)),
            Some(Does::Panics) => panic!("as told"),
        }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.step(buffer) {
            Poll::Ready(read) => read,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = self.step(buffer);
        if read.is_pending() {
            context.waker().wake_by_ref();
        }
        read
    }
}
