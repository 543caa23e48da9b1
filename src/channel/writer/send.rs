//! Sending messages: each is one slice, or an error.

use super::core::{Core, Wait};
use crate::channel::trace;
use crate::error::{SendError, TrySendError};
use crate::ring::descriptor::Joins;
use crate::ring::position::slice_size;
use crate::ring::{Refused, Reservation};
use std::task::{Context, Poll, ready};

impl Core {
    #[inline]
    pub(crate) fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        if self.write_alone(message) { Ok(()) } else { self.try_send_among_others(message) }
    }

    /// [`Core::try_send`] of one that had no luck there.
    #[inline(never)]
    pub(crate) fn try_send_among_others(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        let length = self.begin_to_send(message.len() as u64)?;
        let reservation = self.reserve_to_send(length)?;
        self.send_slice(reservation, message);
        Ok(())
    }

    /// Sends, or joins the line for room. Whoever [never waits](Core::never_waits) drops.
    #[inline]
    pub(crate) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        message: &[u8],
        wait: Wait,
    ) -> Poll<Result<(), SendError>> {
        if self.write_alone(message) {
            return Poll::Ready(Ok(()));
        }
        let sent = self.poll_to_send(context, message.len() as u64, wait);
        match ready!(sent)? {
            Some(reservation) => self.send_slice(reservation, message),
            None => self.drop_messages(1, message.len() as u64),
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn try_send_many(&mut self, messages: &[&[u8]]) -> Result<(), TrySendError> {
        if messages.is_empty() {
            return Ok(());
        }
        let size = self.begin_to_send(total_size(messages))?;
        let reservation = self.reserve_to_send(size)?;
        self.send_slices(reservation, messages);
        Ok(())
    }

    /// As [`Core::poll_send`].
    pub(crate) fn poll_send_many(
        &mut self,
        context: &mut Context<'_>,
        messages: &[&[u8]],
        wait: Wait,
    ) -> Poll<Result<(), SendError>> {
        if messages.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let sent = self.poll_to_send(context, total_size(messages), wait);
        match ready!(sent)? {
            Some(reservation) => self.send_slices(reservation, messages),
            None => {
                let bytes = messages.iter().map(|message| message.len() as u64).sum();
                self.drop_messages(messages.len() as u64, bytes);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether so much can be sent at all.
    fn begin_to_send(&mut self, length: u64) -> Result<u64, TrySendError> {
        self.begin()?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.check_length(length).map_err(|(len, max)| TrySendError::TooLong { len, max })
    }

    fn reserve_to_send(&mut self, length: u64) -> Result<Reservation, TrySendError> {
        self.reserve_if_room(length).map_err(|refused| match refused {
            Refused::Full => TrySendError::Full,
            Refused::Closed => self.why_closed().into(),
        })
    }

    /// A reservation; nothing if what was to be sent is to be dropped.
    fn poll_to_send(
        &mut self,
        context: &mut Context<'_>,
        length: u64,
        wait: Wait,
    ) -> Poll<Result<Option<Reservation>, SendError>> {
        let reserved = match self.begin_to_send(length) {
            Ok(length) if !self.never_waits() => {
                let room = ready!(self.poll_room(context.waker(), length, wait));
                return Poll::Ready(Ok(Some(room?)));
            }
            Ok(length) => self.reserve_to_send(length),
            Err(error) => Err(error),
        };
        Poll::Ready(match reserved {
            Ok(reservation) => Ok(Some(reservation)),
            Err(refused) => match refused.unless_full() {
                None => Ok(None),
                Some(error) => Err(error),
            },
        })
    }

    fn send_slice(&mut self, reservation: Reservation, message: &[u8]) {
        self.end_splitting();
        self.fill(&reservation, 0, message);
        self.publish(reservation, message.len() as u64, Joins::default());
    }

    fn send_slices(&mut self, reservation: Reservation, messages: &[&[u8]]) {
        self.end_splitting();
        let mut offset = 0;
        for message in messages {
            self.fill(&reservation, offset, message);
            offset += slice_size(message.len() as u64);
        }
        self.publish_many(reservation, messages);
    }

    /// Counts messages that are dropped for want of room, and their bytes.
    pub(crate) fn drop_messages(&mut self, messages: u64, bytes: u64) {
        self.end_splitting();
        self.count_dropped(messages, bytes);
        // Last, since it may be an event.
        trace::tell_drops(&**self.shared());
    }
}

/// The ring bytes that messages take side by side. Saturates: that is more than any ring has.
fn total_size(messages: &[&[u8]]) -> u64 {
    let sizes = messages.iter().map(|message| slice_size(message.len() as u64));
    sizes.fold(0, u64::saturating_add)
}

/// The methods for messages that every kind of writer has.
macro_rules! send_methods {
    ($writer:ident) => {
        /// Messages: each becomes one slice, whole, or nothing.
        impl $writer {
            /// Sends a message without waiting. It may be empty: then readers of bytes see nothing
            /// of it.
            ///
            /// # Errors
            ///
            /// [`TrySendError::Full`] if there is no room, or others wait for it: nothing was sent,
            /// and nothing is counted as dropped. [`TrySendError::TooLong`] if no slice can be that
            /// long. `Closed` and `Terminated` as they say.
            #[inline]
            pub fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
                self.core_mut().try_send(message)
            }

            /// Sends a message, and waits for room if need be. With
            /// [`Backpressure::Drop`](crate::Backpressure::Drop), or, with the feature `tracing`, from
            /// within an event, it does not wait: a message for which there is no room is dropped, as
            /// a write is, and counted. It uses up its sequence number, so that readers learn of it.
            ///
            /// # Errors
            ///
            /// As for [`try_send`](Self::try_send), but that it is never full.
            ///
            /// # Cancel safety
            ///
            /// Dropped while it waits, the future has sent nothing, and its place in the line goes to
            /// the next.
            pub async fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
                let core = self.core_mut();
                let wait = Wait::LeavesWhenDropped;
                core.wait_for(|core, context| core.poll_send(context, message, wait)).await
            }

            /// Sends several messages without waiting, with one reservation and one wake-up: readers
            /// see all of them, one right behind the other, or none.
            ///
            /// # Errors
            ///
            /// As for [`try_send`](Self::try_send). All of them together must fit into one slice, where
            /// each takes whole granules of 64 bytes; [`TrySendError::TooLong`] counts these.
            pub fn try_send_many(&mut self, messages: &[&[u8]]) -> Result<(), TrySendError> {
                self.core_mut().try_send_many(messages)
            }

            /// [`try_send_many`](Self::try_send_many), waiting as [`send`](Self::send) does.
            ///
            /// # Errors
            ///
            /// As for `try_send_many`, but that it is never full.
            ///
            /// # Cancel safety
            ///
            /// As for `send`.
            pub async fn send_many(&mut self, messages: &[&[u8]]) -> Result<(), SendError> {
                let core = self.core_mut();
                let wait = Wait::LeavesWhenDropped;
                core.wait_for(|core, context| core.poll_send_many(context, messages, wait)).await
            }

            /// The number of this writer, which its messages tell. Numbers rise from 1 as writers are
            /// made and start over after 2^32; no two writers of a channel that live at a time have
            /// the same.
            pub fn id(&self) -> u32 {
                self.core().id()
            }

            /// Gives this writer a name, which readers find by its number. It is not passed on to
            /// clones.
            pub fn set_name(&self, name: impl Into<std::sync::Arc<str>>) {
                self.core().shared().name_writer(self.id(), name.into());
            }
        }
    };
}
pub(super) use send_methods;
