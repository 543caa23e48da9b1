//! Messages that are received.

use super::{Driver, MANY};
use crate::ops::model::{Received, Unread};
use crate::ops::{Form, From as StartFrom};
use overfall::{Header, Message, Messages, Peeked, Reader};
use std::cell::RefCell;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type Found = Result<Option<Vec<Received>>, Unread>;

/// What a receipt tells, and whether it is to leak what it keeps.
#[derive(Default)]
struct Tray {
    found: Option<Found>,
    leaks: Option<bool>,
}

/// The future that waits for messages, and then keeps what is lent until it is told to give it back.
/// What is lent borrows its reader, so both live in here.
pub(super) struct Receipt {
    future: Pin<Box<dyn Future<Output = ()>>>,
    tray: Rc<RefCell<Tray>>,
    /// The reader's number in the model.
    reader: usize,
    form: Form,
    keeps: bool,
    /// Once it has come: what was lent.
    content: Option<Vec<Received>>,
}

/// What is in a buffer before a message is appended.
const BEFORE: &[u8] = b"before";

fn received(header: Header, bytes: &[u8]) -> Received {
    assert_eq!(header.len as usize, bytes.len());
    Received {
        position: header.position,
        writer: header.writer,
        sequence: header.sequence,
        missed: (header.missed.messages, header.missed.bytes),
        continues: header.continues,
        is_continued: header.is_continued,
        bytes: bytes.to_vec(),
    }
}

fn copy(message: &Message<'_>) -> Received {
    // An empty one may be anywhere, and what is left of one in its middle.
    let is_whole = !message.is_empty() && message.header().position % 64 == 0;
    assert!(!is_whole || message.as_ptr() as usize % 64 == 0, "where it lies in memory");
    received(message.header(), message)
}

fn copy_all(messages: &Messages<'_>) -> Vec<Received> {
    let copies: Vec<Received> = messages.iter().map(|message| copy(&message)).collect();
    assert_eq!((messages.len(), messages.iter().len()), (copies.len(), copies.len()));
    copies
}

/// Tells what was lent, at once and again when it is to be given back.
async fn keep<T>(lent: T, tray: &RefCell<Tray>, copies: impl Fn(&T) -> Vec<Received>) {
    tray.borrow_mut().found = Some(Ok(Some(copies(&lent))));
    let told = poll_fn(|_| tray.borrow_mut().leaks.take().map_or(Poll::Pending, Poll::Ready));
    let leaks = told.await;
    tray.borrow_mut().found = Some(Ok(Some(copies(&lent))));
    if leaks {
        mem::forget(lent);
    }
}

/// The same for one that is looked at. It is received in the end, unless it is to leak.
async fn look(peeked: Peeked<'_>, tray: &RefCell<Tray>) {
    let copy = || Some(Ok(Some(vec![received(peeked.header(), &peeked)])));
    tray.borrow_mut().found = copy();
    let told = poll_fn(|_| tray.borrow_mut().leaks.take().map_or(Poll::Pending, Poll::Ready));
    let leaks = told.await;
    tray.borrow_mut().found = copy();
    if !leaks {
        peeked.consume();
    }
}

async fn receive(reader: &mut Reader, form: Form, waits: bool, tray: Rc<RefCell<Tray>>) {
    let nothing = |nothing| tray.borrow_mut().found = Some(nothing);
    match form {
        Form::One => {
            let found = if waits {
                reader.recv().await.map_err(Unread::from)
            } else {
                reader.try_recv().map_err(Unread::from)
            };
            match found {
                Ok(Some(message)) => keep(message, &tray, |message| vec![copy(message)]).await,
                Ok(None) => nothing(Ok(None)),
                Err(unread) => nothing(Err(unread)),
            }
        }
        Form::Into => {
            let mut buffer = BEFORE.to_vec();
            let found = if waits {
                reader.recv_into(&mut buffer).await.map_err(Unread::from)
            } else {
                reader.try_recv_into(&mut buffer).map_err(Unread::from)
            };
            let appended = buffer.strip_prefix(BEFORE).unwrap();
            assert!(matches!(found, Ok(Some(_))) || appended.is_empty());
            nothing(found.map(|found| found.map(|header| vec![received(header, appended)])));
        }
        Form::Peek => {
            let found = if waits {
                reader.peek().await.map_err(Unread::from)
            } else {
                reader.try_peek().map_err(Unread::from)
            };
            match found {
                Ok(Some(peeked)) => look(peeked, &tray).await,
                Ok(None) => nothing(Ok(None)),
                Err(unread) => nothing(Err(unread)),
            }
        }
        Form::Many(limit) => {
            let found = if waits {
                reader.recv_many(limit).await.map_err(Unread::from)
            } else {
                reader.try_recv_many(limit).map_err(Unread::from)
            };
            match found {
                Ok(Some(messages)) => keep(messages, &tray, copy_all).await,
                Ok(None) => nothing(Ok(None)),
                Err(unread) => nothing(Err(unread)),
            }
        }
    }
}

impl Driver {
    #[allow(clippy::await_holding_refcell_ref, reason = "who finds it borrowed leaves it alone")]
    pub(super) fn receive(&mut self, reader: u8, form: Form, waits: bool, keeps: bool) {
        if self.receipts.len() == MANY {
            return;
        }
        let Some(index) = self.idle_reader(reader) else { return };
        let end = &self.readers[index];
        let tray = Rc::new(RefCell::new(Tray::default()));
        let future = {
            let (reader, tray) = (end.reader.clone(), tray.clone());
            Box::pin(async move { receive(&mut reader.borrow_mut(), form, waits, tray).await })
        };
        let reader = end.number;
        self.receipts.push(Receipt { future, tray, reader, form, keeps, content: None });
        let index = self.receipts.len() - 1;
        if waits {
            self.poll_receipt(index);
        } else {
            let found = self.look_at(index, Waker::noop());
            let expected = self.found(index);
            self.received(index, found, Poll::Ready(expected));
        }
    }

    /// Polls one that waits.
    pub(super) fn poll_receipt(&mut self, index: usize) {
        if self.receipts[index].content.is_none() {
            let (waker, number) = self.waker();
            let found = self.look_at(index, &waker);
            let expected = self.found(index);
            let expected = self.model.poll(self.receipts[index].reader, number, expected);
            self.received(index, found, expected);
        }
    }

    /// Lets a receipt go on, and takes what it tells.
    fn look_at(&mut self, index: usize, waker: &Waker) -> Poll<Found> {
        let Receipt { future, tray, .. } = &mut self.receipts[index];
        let ended = future.as_mut().poll(&mut Context::from_waker(waker));
        let found = tray.borrow_mut().found.take();
        assert!(found.is_some() || ended.is_pending());
        found.map_or(Poll::Pending, Poll::Ready)
    }

    /// What a receipt should find.
    fn found(&mut self, index: usize) -> Found {
        let Receipt { reader, form, .. } = self.receipts[index];
        match form {
            Form::One | Form::Into => self.model.receive(reader, 1),
            Form::Many(limit) => self.model.receive(reader, limit),
            Form::Peek => self.model.peek(reader).map(|found| found.map(|one| vec![one])),
        }
    }

    fn received(&mut self, index: usize, found: Poll<Found>, expected: Poll<Found>) {
        assert_eq!(found, expected, "what was received");
        let receipt = &mut self.receipts[index];
        match found {
            Poll::Pending => {}
            Poll::Ready(Ok(Some(messages))) if receipt.form != Form::Into => {
                receipt.content = Some(messages);
                if !receipt.keeps {
                    self.give_back(index, false);
                }
            }
            Poll::Ready(found) => {
                let receipt = self.receipts.remove(index);
                if let Ok(Some(_)) = found {
                    self.model.settle(receipt.reader);
                }
            }
        }
    }

    /// Drops the future that waits, or what is lent; or leaks that. Meanwhile it has not changed.
    pub(super) fn give_back(&mut self, index: usize, leaks: bool) {
        if self.receipts[index].content.is_some() {
            self.receipts[index].tray.borrow_mut().leaks = Some(leaks);
            let again = self.look_at(index, Waker::noop());
            let Receipt { reader, content, form, .. } = self.receipts.remove(index);
            assert_eq!(again, Poll::Ready(Ok(content)), "what was lent");
            match form {
                // Dropped, it is as if nobody had looked.
                Form::Peek if leaks => self.model.settle(reader),
                _ if leaks => {}
                Form::Peek => self.model.consume_peeked(reader),
                _ => self.model.settle(reader),
            }
        } else {
            let receipt = self.receipts.remove(index);
            drop(receipt.future);
            self.model.stop_receiving(receipt.reader);
        }
    }

    pub(super) fn skip_to(&mut self, reader: u8, start: StartFrom) {
        let Some(index) = self.idle_reader(reader) else { return };
        let end = &self.readers[index];
        let (at, start) = start.into();
        let skipped = end.reader.borrow_mut().skip_to(at);
        let expected = self.model.skip_to(end.number, start);
        assert_eq!((skipped.messages, skipped.bytes), expected, "what was passed over");
    }

    pub(super) fn skip_rest(&mut self, reader: u8) {
        let Some(index) = self.idle_reader(reader) else { return };
        let end = &self.readers[index];
        let skipped = end.reader.borrow_mut().skip_rest();
        assert_eq!(skipped as u64, self.model.skip_rest(end.number));
    }
}
