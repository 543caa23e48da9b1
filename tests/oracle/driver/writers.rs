//! Writers, and their slices.

use super::{Driver, MANY, Mailbox, Order, Session, WriterEnd, pick};
use crate::ops::model::{self, Model, Refused};
use overfall::{Backpressure, Channel, Slice, Writer};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Waits for orders, and does them.
async fn obey(mut slice: Slice<'_>, mailbox: Rc<RefCell<Mailbox>>) {
    mailbox.borrow_mut().reserved = Some(Ok(slice.position()));
    loop {
        let order =
            poll_fn(|_| mailbox.borrow_mut().order.take().map_or(Poll::Pending, Poll::Ready));
        match order.await {
            Order::Fill(bytes) => {
                let (written, remaining) = (slice.written(), slice.remaining());
                assert_eq!(written + remaining, slice.len());
                let more = slice.write(&bytes);
                assert_eq!(slice.written(), written + more);
                mailbox.borrow_mut().written = more;
            }
            Order::Commit => return slice.commit(),
            Order::Abort => return slice.abort(),
            Order::Leak => return mem::forget(slice),
        }
    }
}

async fn reserve(writer: &mut Writer, length: usize, waits: bool, mailbox: Rc<RefCell<Mailbox>>) {
    let slice = if waits {
        writer.reserve(length).await.map_err(Refused::from)
    } else {
        writer.try_reserve(length).map_err(Refused::from)
    };
    match slice {
        Ok(slice) => obey(slice, mailbox).await,
        Err(refused) => mailbox.borrow_mut().reserved = Some(Err(refused)),
    }
}

async fn reserve_slice(
    channel: Arc<Channel>,
    length: usize,
    waits: bool,
    mailbox: Rc<RefCell<Mailbox>>,
) {
    let slice = if waits {
        channel.reserve_slice(length).await.map_err(Refused::from)
    } else {
        channel.try_reserve_slice(length).map_err(Refused::from)
    };
    match slice {
        Ok(slice) => obey(slice, mailbox).await,
        Err(refused) => mailbox.borrow_mut().reserved = Some(Err(refused)),
    }
}

impl Driver {
    /// A writer that is not busy with a slice.
    pub(super) fn idle_writer(&self, number: u8) -> Option<usize> {
        let index = pick(&self.writers, number)?;
        self.writers[index].writer.try_borrow_mut().is_ok().then_some(index)
    }

    pub(super) fn add_writer(&mut self, writer: Writer, number: usize) {
        self.writers.push(WriterEnd { writer: Rc::new(RefCell::new(writer)), number, long: None });
    }

    pub(super) fn new_writer(&mut self, strong: bool) {
        if self.writers.len() == MANY {
            return;
        }
        if let Some(channel) = &self.channel {
            let writer =
                if strong { channel.new_writer() } else { channel.new_weak_writer().into() };
            let number = self.model.add_writer(Some(strong));
            self.add_writer(writer, number);
        }
    }

    pub(super) fn clone_writer(&mut self, writer: u8) {
        if self.writers.len() == MANY {
            return;
        }
        if let Some(index) = self.idle_writer(writer) {
            let clone = self.writers[index].writer.borrow().clone();
            let number = self.model.clone_writer(self.writers[index].number);
            self.add_writer(clone, number);
        }
    }

    pub(super) fn drop_writer(&mut self, writer: u8) {
        if let Some(index) = self.idle_writer(writer) {
            let end = self.writers.remove(index);
            drop(end.writer);
            self.model.remove_writer(end.number);
        }
    }

    pub(super) fn turn_writer(&mut self, writer: u8, strong: bool) {
        if let Some(index) = self.idle_writer(writer) {
            let WriterEnd { writer, number, long } = self.writers.remove(index);
            let writer = Rc::into_inner(writer).unwrap().into_inner();
            let writer: Writer =
                if strong { writer.into_strong().into() } else { writer.into_weak().into() };
            self.model.turn_writer(number, strong);
            let writer = Rc::new(RefCell::new(writer));
            self.writers.insert(index, WriterEnd { writer, number, long });
        }
    }

    pub(super) fn set_backpressure(&mut self, writer: u8, drops: bool) {
        if let Some(index) = self.idle_writer(writer) {
            let end = &self.writers[index];
            end.writer.borrow_mut().set_backpressure(backpressure(drops));
            self.model.writers[end.number].as_mut().unwrap().drops = drops;
        }
    }

    /// What a writer writes next, and how much of it comes before: every other time the rest of a long
    /// write, if there is one.
    fn next_write(&mut self, index: usize, length: usize) -> (Rc<[u8]>, usize) {
        let bytes: Rc<[u8]> = self.payload(length).into();
        let goes_on = self.noise % 2 == 0;
        self.writers[index].long.take().filter(|_| goes_on).unwrap_or((bytes, 0))
    }

    /// So much more of it was written.
    fn has_written(&mut self, index: usize, bytes: Rc<[u8]>, written: usize) {
        self.writers[index].long = (written < bytes.len()).then_some((bytes, written));
    }

    pub(super) fn try_write(&mut self, writer: u8, lengths: &[usize]) {
        let Some(index) = self.idle_writer(writer) else { return };
        let (all, before) = self.next_write(index, lengths.iter().sum());
        let bytes = &all[before..];
        let end = &self.writers[index];
        let mut writer = end.writer.borrow_mut();
        let written = match lengths {
            [_] => writer.try_write(bytes),
            _ => {
                let mut rest = bytes;
                let mut buffers: Vec<IoSlice<'_>> = lengths
                    .iter()
                    .map(|&length| {
                        let (buffer, more) = rest.split_at(length.min(rest.len()));
                        rest = more;
                        IoSlice::new(buffer)
                    })
                    .collect();
                buffers.push(IoSlice::new(rest));
                writer.try_write_vectored(&buffers)
            }
        };
        let written = written.map(|length| length as u64).map_err(Refused::from);
        assert_eq!(written, self.model.try_write(end.number, bytes));
        drop(writer);
        self.has_written(index, all, before + written.unwrap_or(0) as usize);
    }

    #[cfg(not(feature = "futures"))]
    pub(super) fn poll_write(&mut self, writer: u8, length: usize) {
        self.try_write(writer, &[length]);
    }

    #[cfg(feature = "futures")]
    pub(super) fn poll_write(&mut self, writer: u8, length: usize) {
        use futures::io::AsyncWrite;
        use std::pin::Pin;
        let Some(index) = self.idle_writer(writer) else { return };
        let (all, before) = self.next_write(index, length);
        let bytes = &all[before..];
        let (waker, waker_number) = self.waker();
        let end = &self.writers[index];
        let mut writer = end.writer.borrow_mut();
        let polled = Pin::new(&mut *writer).poll_write(&mut Context::from_waker(&waker), bytes);
        let polled = polled.map_ok(|length| length as u64).map_err(|error| {
            use overfall::error::WriteError;
            match error.get_ref().and_then(|error| error.downcast_ref::<WriteError>()) {
                Some(WriteError::Closed) => Refused::Closed,
                Some(WriteError::Terminated) => Refused::Terminated,
                other => panic!("{other:?} is news"),
            }
        });
        assert_eq!(polled, self.model.poll_write(end.number, bytes, waker_number));
        drop(writer);
        let written = if let Poll::Ready(Ok(written)) = polled { written as usize } else { 0 };
        self.has_written(index, all, before + written);
    }

    pub(super) fn finish_writer(&mut self, writer: u8, done: Refused) {
        if let Some(index) = self.idle_writer(writer) {
            let end = &self.writers[index];
            match done {
                Refused::Terminated => end.writer.borrow_mut().terminate(),
                _ => end.writer.borrow_mut().shut_down(),
            }
            self.model.finish_writer(end.number, done);
        }
    }

    #[allow(clippy::await_holding_refcell_ref, reason = "who finds it borrowed leaves it alone")]
    pub(super) fn reserve(&mut self, writer: u8, length: usize, waits: bool) {
        if self.sessions.len() == MANY {
            return;
        }
        let Some(index) = self.idle_writer(writer) else { return };
        let end = &self.writers[index];
        let mailbox = Rc::new(RefCell::new(Mailbox::default()));
        let future = {
            let (writer, mailbox) = (end.writer.clone(), mailbox.clone());
            Box::pin(async move { reserve(&mut writer.borrow_mut(), length, waits, mailbox).await })
        };
        let writer = end.number;
        let session =
            Session { future, mailbox, writer, is_channels: false, length, content: None };
        self.start(session, waits);
    }

    pub(super) fn reserve_slice(&mut self, length: usize, waits: bool) {
        if self.sessions.len() == MANY {
            return;
        }
        let Some(channel) = self.channel.clone() else { return };
        let mailbox = Rc::new(RefCell::new(Mailbox::default()));
        let future = Box::pin(reserve_slice(channel, length, waits, mailbox.clone()));
        let writer = self.model.add_writer(None);
        let session = Session { future, mailbox, writer, is_channels: true, length, content: None };
        self.start(session, waits);
    }

    pub(super) fn start(&mut self, session: Session, waits: bool) {
        let (writer, length) = (session.writer, session.length as u64);
        self.sessions.push(session);
        let index = self.sessions.len() - 1;
        if waits {
            self.poll_session(index);
        } else {
            let (waker, _) = self.waker();
            let result = self.turn(index, &waker);
            let expected = self.model.try_reserve(writer, length);
            self.reserved(index, result, Poll::Ready(expected));
        }
    }

    /// Lets a session go on, and takes what it says of its reservation.
    pub(super) fn turn(&mut self, index: usize, waker: &Waker) -> Poll<Result<u64, Refused>> {
        let session = &mut self.sessions[index];
        let ended = session.future.as_mut().poll(&mut Context::from_waker(waker));
        let reserved = session.mailbox.borrow_mut().reserved.take();
        assert_eq!(ended.is_ready(), matches!(reserved, Some(Err(_))));
        reserved.map_or(Poll::Pending, Poll::Ready)
    }

    pub(super) fn reserved(
        &mut self,
        index: usize,
        result: Poll<Result<u64, Refused>>,
        expected: Poll<Result<u64, Refused>>,
    ) {
        assert_eq!(result, expected.map_ok(|at| self.model.raw(at)), "the reservation");
        match result {
            Poll::Pending => {}
            Poll::Ready(Ok(_)) => self.sessions[index].content = Some(Vec::new()),
            Poll::Ready(Err(_)) => self.remove_session(index),
        }
    }

    pub(super) fn poll_slice(&mut self, slice: u8) {
        let waiting = pick(&self.sessions, slice);
        if let Some(index) = waiting.filter(|&index| self.sessions[index].content.is_none()) {
            self.poll_session(index);
        }
    }

    pub(super) fn poll_session(&mut self, index: usize) {
        let (waker, number) = self.waker();
        let result = self.turn(index, &waker);
        let Session { writer, length, .. } = self.sessions[index];
        let expected = self.model.poll_reserve(writer, length as u64, number);
        self.reserved(index, result, expected);
    }

    /// A slice that is in flight.
    pub(super) fn slice(&self, slice: u8) -> Option<usize> {
        pick(&self.sessions, slice).filter(|&index| self.sessions[index].content.is_some())
    }

    pub(super) fn is_channels(&self, slice: u8) -> bool {
        self.slice(slice).is_some_and(|index| self.sessions[index].is_channels)
    }

    pub(super) fn order(&mut self, index: usize, order: Order) -> Poll<()> {
        let session = &mut self.sessions[index];
        session.mailbox.borrow_mut().order = Some(order);
        session.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    pub(super) fn fill(&mut self, slice: u8, length: usize) {
        let Some(index) = self.slice(slice) else { return };
        let bytes = self.payload(length);
        assert!(self.order(index, Order::Fill(bytes.clone())).is_pending());
        let session = &mut self.sessions[index];
        let content = session.content.as_mut().unwrap();
        let fits = length.min(session.length - content.len());
        assert_eq!(session.mailbox.borrow().written, fits);
        content.extend_from_slice(&bytes[..fits]);
    }

    /// Reserves and gives up, as often as there is room.
    pub(super) fn give_up(&mut self, writer: u8, length: usize, times: u8) {
        for _ in 0..times {
            let before = self.sessions.len();
            self.reserve(writer, length, false);
            if self.sessions.len() == before {
                break;
            }
            self.end_slice_at(before, Order::Abort);
            self.check();
        }
    }

    pub(super) fn end_slice(&mut self, slice: u8, order: Order) {
        if let Some(index) = self.slice(slice) {
            self.end_slice_at(index, order);
        }
    }

    fn end_slice_at(&mut self, index: usize, order: Order) {
        let Session { writer, is_channels, .. } = self.sessions[index];
        match order {
            Order::Commit => {
                self.model.commit(writer, self.sessions[index].content.as_ref().unwrap());
            }
            Order::Leak if is_channels => {
                self.model.leak(writer);
                self.leaked = true;
            }
            Order::Leak => {}
            _ => self.model.abort(writer),
        }
        let is_leaked = is_channels && matches!(order, Order::Leak);
        assert!(self.order(index, order).is_ready());
        if is_leaked {
            // The writer of that one slice is leaked, too.
            self.sessions.remove(index);
            self.after_handle();
        } else {
            self.remove_session(index);
        }
    }

    /// Drops the guard, or the future that waits.
    pub(super) fn drop_session(&mut self, index: usize) {
        let Session { writer, .. } = self.sessions[index];
        self.model.abort(writer);
        self.model.stop_waiting(writer);
        self.remove_session(index);
    }

    pub(super) fn remove_session(&mut self, index: usize) {
        let Session { writer, is_channels, .. } = self.sessions.remove(index);
        if is_channels {
            self.model.remove_writer(writer);
            self.after_handle();
        }
    }
}

fn backpressure(drops: bool) -> Backpressure {
    if drops { Backpressure::Drop } else { Backpressure::Block }
}

pub(super) fn check(writer: &Writer, model: &Model, number: usize) {
    let expected = model.writers[number].as_ref().unwrap();
    assert_eq!(writer.is_strong(), expected.is_strong);
    assert_eq!(writer.backpressure(), backpressure(expected.drops));
    assert_eq!(writer.is_closed(), model.is_writer_closed(number));
    let stats = writer.stats();
    assert_eq!((stats.id, writer.id()), (expected.id, expected.id));
    let figures = model::WriterFigures {
        slices: stats.slices,
        payload: stats.payload_bytes,
        ring: stats.ring_bytes,
        dropped_slices: stats.dropped_slices,
        dropped_bytes: stats.dropped_bytes,
    };
    assert_eq!(figures, expected.figures);
}
