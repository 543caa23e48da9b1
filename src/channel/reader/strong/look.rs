//! Whether there is something to read.

use super::StrongReader;
use crate::channel::reader::core::Place;
use crate::error::ReadError;
use crate::ring::Found;
use std::task::{Context, Poll};

/// What a strong reader sees when it looks.
pub(super) enum Look {
    /// There is a slice, with so many payload bytes left.
    Slice(u64),
    Nothing,
    End,
}

impl StrongReader {
    /// Goes on to the next payload byte, if there is one.
    #[inline]
    pub(super) fn look(&mut self) -> Result<Look, ReadError> {
        loop {
            match self.look_for_slice()? {
                Look::Slice(0) => {
                    self.core.step_over_empty();
                    self.place = self.place.after(0);
                }
                look => return Ok(look),
            }
        }
    }

    /// Goes on to the next slice, or to what is left of the present one.
    #[inline]
    pub(super) fn look_for_slice(&mut self) -> Result<Look, ReadError> {
        if self.core.is_terminated() {
            return Err(ReadError::Terminated);
        }
        loop {
            match self.place.length {
                Some(length) => return Ok(Look::Slice(length - self.place.offset)),
                None => match self.core.shared().ring.find_held(self.place.slice) {
                    Found::Slice(length) => self.place.length = Some(length),
                    Found::Skip(next) => {
                        self.place = Place::at(next);
                        if self.hold.is_far_behind(&self.place) {
                            // Nothing is lent, so that it can.
                            self.settle();
                        }
                    }
                    Found::Nothing | Found::Overrun => {
                        self.settle();
                        let at_end = self.core.is_at_end(self.place.slice);
                        return Ok(if at_end { Look::End } else { Look::Nothing });
                    }
                },
            }
        }
    }

    /// Looks, and if there is nothing, registers to be woken and looks again.
    #[cfg(not(overfall_loom))]
    #[inline]
    pub(super) fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<Result<Look, ReadError>> {
        match self.look() {
            Ok(Look::Nothing) => self.park_and_look(context),
            look => {
                self.core.unpark();
                Poll::Ready(look)
            }
        }
    }

    /// Registers to be woken, and looks.
    pub(super) fn park_and_look(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Look, ReadError>> {
        self.core.park(context.waker());
        let look = self.look();
        if matches!(look, Ok(Look::Nothing)) {
            return self.core.pending();
        }
        self.core.unpark();
        Poll::Ready(look)
    }
}
