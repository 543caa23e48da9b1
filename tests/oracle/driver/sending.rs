//! Messages that are sent.

use super::{Driver, MANY};
use crate::ops::model::{Refused, size_to_send};
use overfall::error::{SendError, TrySendError};
use overfall::{Sent, Writer};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A future that sends and waits for room. It borrows its writer.
pub(super) struct Sending {
    future: Pin<Box<dyn Future<Output = Result<Sent, SendError>>>>,
    /// The writer's number in the model.
    writer: usize,
    messages: Vec<Vec<u8>>,
    is_batch: bool,
    /// For one that is dropped once it is given up: whether it was.
    given_up: Option<Rc<Cell<bool>>>,
}

fn slices(messages: &[Vec<u8>]) -> Vec<&[u8]> {
    messages.iter().map(Vec::as_slice).collect()
}

fn try_send(writer: &mut Writer, messages: &[Vec<u8>], is_batch: bool) -> Result<(), TrySendError> {
    if is_batch { writer.try_send_many(&slices(messages)) } else { writer.try_send(&messages[0]) }
}

async fn send(
    writer: &mut Writer,
    messages: &[Vec<u8>],
    is_batch: bool,
) -> Result<Sent, SendError> {
    if is_batch {
        writer.send_many(&slices(messages)).await
    } else {
        writer.send(&messages[0]).await
    }
}

impl Driver {
    fn messages(&mut self, lengths: &[usize]) -> Vec<Vec<u8>> {
        lengths.iter().map(|&length| self.payload(length)).collect()
    }

    /// What too long an error says.
    fn check_too_long(&self, said: (usize, usize), messages: &[Vec<u8>], is_batch: bool) {
        let expected = (size_to_send(messages, is_batch), self.model.capacity);
        assert_eq!((said.0 as u64, said.1 as u64), expected);
    }

    pub(super) fn try_send(&mut self, writer: u8, lengths: &[usize], is_batch: bool) {
        let Some(index) = self.idle_writer(writer) else { return };
        let messages = self.messages(lengths);
        let end = &self.writers[index];
        let sent = try_send(&mut end.writer.borrow_mut(), &messages, is_batch);
        if let Err(TrySendError::TooLong { len, max }) = sent {
            self.check_too_long((len, max), &messages, is_batch);
        }
        let expected = self.model.try_send(end.number, &messages, is_batch);
        assert_eq!(sent.map_err(Refused::from), expected);
    }

    #[allow(clippy::await_holding_refcell_ref, reason = "who finds it borrowed leaves it alone")]
    pub(super) fn send(&mut self, writer: u8, lengths: &[usize], is_batch: bool) {
        if self.sendings.len() == MANY {
            return;
        }
        let Some(index) = self.idle_writer(writer) else { return };
        let messages = self.messages(lengths);
        let end = &self.writers[index];
        let future = {
            let (writer, messages) = (end.writer.clone(), messages.clone());
            Box::pin(async move { send(&mut writer.borrow_mut(), &messages, is_batch).await })
        };
        let sending = Sending { future, writer: end.number, messages, is_batch, given_up: None };
        self.sendings.push(sending);
        self.poll_send(self.sendings.len() - 1);
    }

    #[allow(clippy::await_holding_refcell_ref, reason = "who finds it borrowed leaves it alone")]
    pub(super) fn send_or_drop(&mut self, writer: u8, length: usize) {
        if self.sendings.len() == MANY {
            return;
        }
        let Some(index) = self.idle_writer(writer) else { return };
        let messages = self.messages(&[length]);
        let end = &self.writers[index];
        let given_up = Rc::new(Cell::new(false));
        let future = {
            let (writer, message, given_up) =
                (end.writer.clone(), messages[0].clone(), given_up.clone());
            let until =
                poll_fn(move |_| if given_up.get() { Poll::Ready(()) } else { Poll::Pending });
            Box::pin(async move { writer.borrow_mut().send_or_drop(&message, until).await })
        };
        let (writer, given_up) = (end.number, Some(given_up));
        self.sendings.push(Sending { future, writer, messages, is_batch: false, given_up });
        self.poll_send(self.sendings.len() - 1);
    }

    pub(super) fn give_up_send(&mut self, index: usize) {
        if let Some(given_up) = &self.sendings[index].given_up {
            given_up.set(true);
        }
        self.poll_send(index);
    }

    pub(super) fn poll_send(&mut self, index: usize) {
        let (waker, number) = self.waker();
        let Sending { future, writer, messages, is_batch, given_up } = &mut self.sendings[index];
        let given_up = given_up.as_ref().map(|given_up| given_up.get());
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let expected = self.model.poll_send(*writer, messages, *is_batch, given_up, number);
        if let Poll::Ready(Err(SendError::TooLong { len, max })) = polled {
            let Sending { messages, is_batch, .. } = &self.sendings[index];
            self.check_too_long((len, max), messages, *is_batch);
        }
        assert_eq!(polled.map_err(Refused::from), expected);
        if polled.is_ready() {
            self.sendings.remove(index);
        }
    }

    /// Drops the future that waits.
    pub(super) fn drop_send(&mut self, index: usize) {
        let sending = self.sendings.remove(index);
        drop(sending.future);
        self.model.stop_waiting(sending.writer);
    }
}
