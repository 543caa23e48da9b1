//! Readers.

use super::{Driver, MANY, ReaderEnd, pick};
use crate::ops::From as StartFrom;
use crate::ops::model::{self, Model, Unread};
use overfall::Reader;
use overfall::stats::ReaderStats;
#[cfg(feature = "futures")]
use std::pin::Pin;
#[cfg(feature = "futures")]
use std::task::{Context, Poll};

impl Driver {
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
            self.readers.push(ReaderEnd { reader, number: self.model.add_reader(strong, start) });
        }
    }

    pub(super) fn clone_reader(&mut self, reader: u8) {
        if self.readers.len() == MANY {
            return;
        }
        if let Some(index) = pick(&self.readers, reader) {
            let reader = self.readers[index].reader.clone();
            let position = reader.stats().position;
            let number = self.model.clone_reader(self.readers[index].number, position);
            self.readers.push(ReaderEnd { reader, number });
        }
    }

    pub(super) fn drop_reader(&mut self, reader: u8) {
        if let Some(index) = pick(&self.readers, reader) {
            let end = self.readers.remove(index);
            drop(end.reader);
            self.model.remove_reader(end.number);
        }
    }

    pub(super) fn turn_reader(&mut self, reader: u8, strong: bool) {
        let Some(index) = pick(&self.readers, reader) else { return };
        let ReaderEnd { reader, number } = self.readers.remove(index);
        let reader = if strong {
            let expected = self.model.can_be_strong(number);
            let turned = reader.into_strong();
            assert_eq!(turned.is_ok(), expected.unwrap_or(turned.is_ok()), "becomes strong");
            match turned {
                Ok(strong) => {
                    self.model.make_strong(number, strong.stats().position);
                    strong.into()
                }
                Err(error) => error.reader,
            }
        } else {
            self.model.make_weak(number);
            reader.into_weak().into()
        };
        self.readers.insert(index, ReaderEnd { reader, number });
    }

    pub(super) fn try_read(&mut self, reader: u8, length: usize) {
        let Some(index) = pick(&self.readers, reader) else { return };
        let end = &mut self.readers[index];
        let mut buffer = vec![0; length];
        let read = end.reader.try_read(&mut buffer);
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
        let Some(index) = pick(&self.readers, reader) else { return };
        let (waker, waker_number) = self.waker();
        let end = &mut self.readers[index];
        let mut buffer = vec![0; length];
        let polled =
            Pin::new(&mut end.reader).poll_read(&mut Context::from_waker(&waker), &mut buffer);
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
        let Some(index) = pick(&self.readers, reader) else { return };
        let ReaderEnd { reader: Reader::Strong(reader), number } = &mut self.readers[index] else {
            return;
        };
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
        let Some(index) = pick(&self.readers, reader) else { return };
        let ReaderEnd { reader: Reader::Strong(reader), number } = &mut self.readers[index] else {
            return;
        };
        let lent = Pin::new(reader).poll_fill_buf(&mut Context::from_waker(&waker));
        let lent = lent.map_ok(<[u8]>::to_vec).map_err(|error| unread(&error));
        let expected = self.model.fill_buf(*number);
        assert_eq!(lent, self.model.poll(*number, waker_number, expected));
    }

    pub(super) fn consume(&mut self, reader: u8, part: u8) {
        let Some(index) = pick(&self.readers, reader) else { return };
        if let ReaderEnd { reader: Reader::Strong(reader), number } = &mut self.readers[index] {
            let lent = self.model.reader(*number).lent;
            let amount = (lent * u64::from(part)).div_ceil(256);
            reader.consume(amount as usize);
            self.model.consume(*number, amount);
        }
    }

    pub(super) fn set_silent(&mut self, reader: u8, silent: bool) {
        let Some(index) = pick(&self.readers, reader) else { return };
        if let ReaderEnd { reader: Reader::Weak(reader), number } = &mut self.readers[index] {
            reader.set_silent(silent);
            self.model.set_silent(*number, silent);
        }
    }

    pub(super) fn terminate_reader(&mut self, reader: u8) {
        if let Some(index) = pick(&self.readers, reader) {
            let end = &mut self.readers[index];
            end.reader.terminate();
            self.model.terminate_reader(end.number);
        }
    }
}

#[cfg(feature = "futures")]
fn unread(error: &std::io::Error) -> Unread {
    use overfall::error::{Lagged, ReadError};
    let inner = error.get_ref().unwrap();
    if let Some(lagged) = inner.downcast_ref::<Lagged>() {
        Unread::Lagged(lagged.skipped)
    } else {
        let error: &ReadError = inner.downcast_ref().unwrap();
        Unread::from(*error)
    }
}

pub(super) fn check(stats: &ReaderStats, model: &Model, reader: &model::Reader) {
    let (position, figures) = (stats.position, (stats.payload_bytes, stats.padding_bytes));
    assert_eq!(position, model.raw(reader.position()), "where the reader is");
    assert_eq!(stats.lag, model.reserved() - reader.position());
    assert_eq!(figures, (reader.payload, reader.padding), "payload and padding");
    assert_eq!((stats.skipped_bytes, stats.gaps), (reader.skipped, reader.gaps));
    assert_eq!(stats.strong, reader.is_strong);
}
