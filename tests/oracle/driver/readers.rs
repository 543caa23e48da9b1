//! Readers.

use super::{Driver, MANY, ReaderEnd, pick};
use crate::ops::From as StartFrom;
use crate::ops::model::{self, Model, Unread};
use overfall::Reader;
use overfall::stats::ReaderStats;
use std::cell::RefCell;
use std::collections::BTreeMap;
#[cfg(feature = "futures")]
use std::pin::Pin;
use std::rc::Rc;
#[cfg(feature = "futures")]
use std::task::{Context, Poll};

/// With no more writers than that, none of them is forgotten.
const SURELY_REMEMBERED: usize = 63;

impl Driver {
    /// A reader that neither waits for a message nor has one.
    pub(super) fn idle_reader(&self, number: u8) -> Option<usize> {
        let index = pick(&self.readers, number)?;
        self.readers[index].reader.try_borrow_mut().is_ok().then_some(index)
    }

    fn add_reader(&mut self, reader: Reader, number: usize) {
        let id = reader.stats().id;
        self.readers.push(ReaderEnd { reader: Rc::new(RefCell::new(reader)), number, id });
    }

    pub(super) fn new_reader(&mut self, strong: bool, from: StartFrom) {
        if self.readers.len() == MANY {
            return;
        }
        if let Some(channel) = &self.channel {
            let (at, start) = from.into();
            let reader: Reader = if strong {
                channel.new_strong_reader_at(at).into()
            } else {
                channel.new_weak_reader_at(at).into()
            };
            let number = self.model.add_reader(strong, start);
            self.add_reader(reader, number);
        }
    }

    pub(super) fn clone_reader(&mut self, reader: u8) {
        if self.readers.len() == MANY {
            return;
        }
        if let Some(index) = self.idle_reader(reader) {
            let reader = self.readers[index].reader.borrow().clone();
            let position = reader.stats().position;
            let number = self.model.clone_reader(self.readers[index].number, position);
            self.add_reader(reader, number);
        }
    }

    pub(super) fn drop_reader(&mut self, reader: u8) {
        if let Some(index) = self.idle_reader(reader) {
            let end = self.readers.remove(index);
            drop(end.reader);
            self.model.remove_reader(end.number);
        }
    }

    pub(super) fn turn_reader(&mut self, reader: u8, strong: bool) {
        let Some(index) = self.idle_reader(reader) else { return };
        let ReaderEnd { reader, number, id } = self.readers.remove(index);
        let reader = Rc::into_inner(reader).unwrap().into_inner();
        let reader: Reader = if strong {
            let expected = self.model.can_be_strong(number);
            let turned = reader.into_strong();
            assert_eq!(turned.is_ok(), expected.unwrap_or(turned.is_ok()), "becomes strong");
            match turned {
                Ok(strong) => {
                    self.model.make_strong(number, strong.stats().position);
                    strong.into()
                }
                Err(error) => {
                    self.model.fail_to_make_strong(number);
                    error.reader
                }
            }
        } else {
            self.model.make_weak(number);
            reader.into_weak().into()
        };
        let reader = Rc::new(RefCell::new(reader));
        self.readers.insert(index, ReaderEnd { reader, number, id });
    }

    pub(super) fn try_read(&mut self, reader: u8, length: usize) {
        let Some(index) = self.idle_reader(reader) else { return };
        let end = &self.readers[index];
        let mut buffer = vec![0; length];
        let read = end.reader.borrow_mut().try_read(&mut buffer);
        let read = read.map(|length| buffer[..length].to_vec()).map_err(Unread::from);
        assert_eq!(read, self.model.read(end.number, length));
    }

    #[cfg(not(feature = "futures"))]
    pub(super) fn poll_read(&mut self, reader: u8, length: usize) {
        self.try_read(reader, length);
    }

    #[cfg(feature = "futures")]
    pub(super) fn poll_read(&mut self, reader: u8, length: usize) {
        use futures::io::AsyncRead;
        let Some(index) = self.idle_reader(reader) else { return };
        let (waker, waker_number) = self.waker();
        let end = &self.readers[index];
        let mut reader = end.reader.borrow_mut();
        let mut buffer = vec![0; length];
        let polled =
            Pin::new(&mut *reader).poll_read(&mut Context::from_waker(&waker), &mut buffer);
        let polled =
            polled.map_ok(|length| buffer[..length].to_vec()).map_err(|error| unread(&error));
        let expected = if length == 0 {
            Poll::Ready(Ok(Vec::new()))
        } else {
            let read = self.model.read(end.number, length);
            self.model.poll(end.number, waker_number, read)
        };
        assert_eq!(polled, expected);
    }

    pub(super) fn fill_buf(&mut self, reader: u8) {
        let Some(index) = self.idle_reader(reader) else { return };
        let ReaderEnd { reader, number, .. } = &self.readers[index];
        let Reader::Strong(reader) = &mut *reader.borrow_mut() else { return };
        let lent = reader.try_fill_buf().map(<[u8]>::to_vec).map_err(Unread::from);
        assert_eq!(lent, self.model.fill_buf(*number));
    }

    #[cfg(not(feature = "futures"))]
    pub(super) fn poll_fill_buf(&mut self, reader: u8) {
        self.fill_buf(reader);
    }

    #[cfg(feature = "futures")]
    pub(super) fn poll_fill_buf(&mut self, reader: u8) {
        use futures::io::AsyncBufRead;
        let (waker, waker_number) = self.waker();
        let Some(index) = self.idle_reader(reader) else { return };
        let ReaderEnd { reader, number, .. } = &self.readers[index];
        let Reader::Strong(reader) = &mut *reader.borrow_mut() else { return };
        let lent = Pin::new(reader).poll_fill_buf(&mut Context::from_waker(&waker));
        let lent = lent.map_ok(<[u8]>::to_vec).map_err(|error| unread(&error));
        let expected = self.model.fill_buf(*number);
        assert_eq!(lent, self.model.poll(*number, waker_number, expected));
    }

    pub(super) fn consume(&mut self, reader: u8, part: u8) {
        let Some(index) = self.idle_reader(reader) else { return };
        let ReaderEnd { reader, number, .. } = &self.readers[index];
        if let Reader::Strong(reader) = &mut *reader.borrow_mut() {
            let lent = self.model.reader(*number).lent;
            let amount = (lent * u64::from(part)).div_ceil(256);
            reader.consume(amount as usize);
            self.model.consume(*number, amount);
        }
    }

    pub(super) fn set_silent(&mut self, reader: u8, silent: bool) {
        let Some(index) = self.idle_reader(reader) else { return };
        let ReaderEnd { reader, number, .. } = &self.readers[index];
        if let Reader::Weak(reader) = &mut *reader.borrow_mut() {
            reader.set_silent(silent);
            self.model.set_silent(*number, silent);
        }
    }

    pub(super) fn terminate_reader(&mut self, reader: u8) {
        if let Some(index) = self.idle_reader(reader) {
            let end = &self.readers[index];
            end.reader.borrow_mut().terminate();
            self.model.terminate_reader(end.number);
        }
    }

    pub(super) fn take_hold(&mut self, reader: u8, ends: bool) {
        let (Some(channel), Some(index)) = (&self.channel, pick(&self.readers, reader)) else {
            return;
        };
        let ReaderEnd { number, id, .. } = self.readers[index];
        let took = if ends { channel.end_reader(id) } else { channel.take_hold(id) };
        assert_eq!(took, self.model.take_hold(number, ends));
    }
}

#[cfg(feature = "futures")]
fn unread(error: &std::io::Error) -> Unread {
    use overfall::error::{Failure, Lagged, ReadError};
    let inner = error.get_ref().unwrap();
    if let Some(lagged) = inner.downcast_ref::<Lagged>() {
        Unread::Lagged(lagged.ring_bytes)
    } else if inner.is::<Failure>() {
        Unread::Failed
    } else {
        let error: &ReadError = inner.downcast_ref().unwrap();
        Unread::from(error.clone())
    }
}

pub(super) fn check(reader: &Reader, model: &Model, expected: &model::Reader) {
    check_stats(&reader.stats(), model, expected);
    assert_eq!(reader.is_strong(), expected.is_strong || expected.is_taken);
    let is_closed = expected.terminated || model.ending != model::Ending::Open;
    assert_eq!(reader.is_closed(), is_closed);
    let add = |sum: (u64, u64), missed: (u64, u64)| (sum.0 + missed.0, sum.1 + missed.1);
    let (missed, lost) = (reader.missed(), model.missed(expected));
    let total = lost.values().copied().fold((0, 0), add);
    assert_eq!((missed.messages, missed.bytes), total, "what was missed");
    let by_writer = reader.missed_by_writer();
    let by_writer: BTreeMap<_, _> =
        by_writer.map(|(id, missed)| (id, (missed.messages, missed.bytes))).collect();
    assert_eq!(by_writer.values().copied().fold((0, 0), add), total, "of all writers");
    // Of many that have gone some are told as others.
    let is_small = model.writers.len() <= SURELY_REMEMBERED;
    for (id, missed) in lost.iter().filter(|(id, _)| **id != 0) {
        let is_remembered = is_small || model.is_writer_there(*id);
        let told = by_writer.get(id);
        assert!(told == Some(missed) || !is_remembered, "missed of {id}: {told:?}, not {missed:?}");
    }
}

pub(super) fn check_stats(stats: &ReaderStats, model: &Model, reader: &model::Reader) {
    let (position, figures) = (stats.position, (stats.payload_bytes, stats.padding_bytes));
    assert_eq!(position, model.raw(reader.noted()), "where the reader is");
    assert_eq!(stats.lag, model.reserved() - reader.noted());
    assert_eq!(figures, (reader.payload, reader.noted_padding()), "payload and padding");
    assert_eq!((stats.skipped_ring_bytes, stats.gaps), (reader.skipped, reader.gaps));
    assert_eq!(stats.strong, reader.is_strong);
}
