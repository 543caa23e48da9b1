//! Receiving ahead, with threads that park.

use super::{Blocking, Until};
use crate::channel::reader::Window;
use crate::channel::reader::message::Message;
use crate::error::{ReadError, TryReadError};
use std::time::{Duration, Instant};

impl<'a> Window<'a> {
    /// Converts this window into one that parks the thread to wait. [`Blocking::get_mut`] leads to
    /// [`release`](Self::release).
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl Blocking<Window<'_>> {
    /// Receives the next message and keeps its room, as [`Window::recv`] does. `Ok(None)` is the end.
    ///
    /// # Errors
    ///
    /// As for [`Window::recv`].
    pub fn recv(&mut self) -> Result<Option<Message<'_>>, ReadError> {
        let taken = self.take_until(Until::Forever).unwrap_or(Err(ReadError::Empty))?;
        Ok(taken.then(|| self.endpoint.message()))
    }

    /// Like [`recv`](Self::recv), or fails with [`TryReadError::Empty`] if there is nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// As for `recv`, and `Empty`.
    pub fn recv_deadline(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<Message<'_>>, TryReadError> {
        self.recv_until(Until::Deadline(deadline))
    }

    /// Like [`recv`](Self::recv), or fails with [`TryReadError::Empty`] if there is nothing within
    /// `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for `recv`, and `Empty`.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message<'_>>, TryReadError> {
        self.recv_until(Until::timeout(timeout))
    }

    fn recv_until(&mut self, until: Until) -> Result<Option<Message<'_>>, TryReadError> {
        let taken = self.take_until(until).ok_or(TryReadError::Empty)??;
        Ok(taken.then(|| self.endpoint.message()))
    }

    /// Nothing if the time is up first.
    fn take_until(&mut self, until: Until) -> Option<Result<bool, ReadError>> {
        self.poll_or_wait(until, Window::stop_waiting, |window, context| window.poll_take(context))
    }
}
