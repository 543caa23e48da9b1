//! Waiting until what was sent has been read.

use super::{Counter, Driver, MANY, pick};
use crate::ops::Whose;
use crate::ops::model::Flush;
use overfall::error::FlushError;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

pub(super) struct Flushing {
    future: Pin<Box<dyn Future<Output = Result<(), FlushError>>>>,
    /// Up to where all is to be read; nothing if nothing was sent.
    end: Option<u64>,
    /// The wakes since the last poll. How many these are is free.
    wakes: Arc<Counter>,
}

impl Driver {
    pub(super) fn flushed(&mut self, whose: Whose) {
        if self.flushing.len() == MANY {
            return;
        }
        let (future, end): (Pin<Box<dyn Future<Output = _>>>, _) = match whose {
            Whose::Channel => match &self.channel {
                Some(channel) => (Box::pin(channel.flushed()), self.model.everything()),
                None => return,
            },
            Whose::Reader(reader) => match self.idle_reader(reader) {
                Some(index) => {
                    let channel = self.readers[index].reader.borrow().channel();
                    (Box::pin(channel.flushed()), self.model.everything())
                }
                None => return,
            },
            Whose::Writer(writer) => match self.idle_writer(writer) {
                Some(index) => {
                    let end = &self.writers[index];
                    (Box::pin(end.writer.borrow().flushed()), self.model.sent_by(end.number))
                }
                None => return,
            },
        };
        self.flushing.push(Flushing { future, end, wakes: Arc::default() });
        self.poll_flushed(self.flushing.len() - 1);
    }

    pub(super) fn poll_flushed(&mut self, index: usize) {
        let flushing = &mut self.flushing[index];
        flushing.wakes = Arc::default();
        let waker = Waker::from(flushing.wakes.clone());
        let polled = flushing.future.as_mut().poll(&mut Context::from_waker(&waker));
        let expected = self.model.flushed(flushing.end);
        assert!(expected.allows(polled), "{polled:?}, and it is {expected:?}");
        if polled.is_ready() {
            self.flushing.remove(index);
        }
    }

    pub(super) fn drop_flushed(&mut self, future: u8) {
        if let Some(index) = pick(&self.flushing, future) {
            let Flushing { future, wakes, .. } = self.flushing.remove(index);
            drop(future);
            assert_eq!(Arc::strong_count(&wakes), 1, "a waker was not dropped");
        }
    }

    /// Nobody sleeps for whom it has come to pass.
    pub(super) fn check_flushing(&self) {
        for flushing in &self.flushing {
            if flushing.wakes.0.load(Ordering::Relaxed) == 0 {
                let now = self.model.flushed(flushing.end);
                assert!(matches!(now, Flush::Waits | Flush::Unknown), "it was not woken: {now:?}");
            }
        }
    }
}
