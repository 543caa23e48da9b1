//! Whether there is something to read.

use super::StrongReader;
use super::hold::Hold;
use crate::channel::reader::core::Place;
use crate::channel::terms::Ending;
use crate::error::ReadError;
use crate::ring::Found;
use std::task::{Context, Poll};

/// What a strong reader sees when it looks.
pub(super) enum Next {
    /// There is a slice, with so many payload bytes left.
    Slice(u64),
    Nothing,
    End,
}

impl StrongReader {
    /// Whether there is nothing, at a glance. If not, it is to be found out.
    #[inline(always)]
    pub(super) fn sees_nothing(&self) -> bool {
        let Place { slice, length: None, .. } = self.place else { return false };
        let Hold { shared, held: Some(held) } = &self.hold else { return false };
        shared.ring.sees_nothing(held, slice) && shared.ending() == Ending::Open
    }

    /// Goes on to the next payload byte, if there is one.
    #[inline]
    pub(super) fn find_byte(&mut self) -> Result<Next, ReadError> {
        loop {
            match self.find_slice()? {
                Next::Slice(0) => {
                    self.core.step_over_empty();
                    self.place = self.place.after(0);
                }
                look => return Ok(look),
            }
        }
    }

    /// Goes on to the next slice, or to what is left of the present one.
    #[inline]
    pub(super) fn find_slice(&mut self) -> Result<Next, ReadError> {
        if self.core.is_terminated() {
            return Err(self.core.terminated());
        }
        loop {
            let Place { slice, offset, length } = self.place;
            let found = match length {
                Some(length) => Found::Slice(length),
                None => self.core.shared().ring.find_held(slice),
            };
            if !self.hold.is_in_effect() {
                return Err(self.give_way());
            }
            match found {
                Found::Slice(length) => {
                    self.place.length = Some(length);
                    return Ok(Next::Slice(length - offset));
                }
                Found::Skip(next) => {
                    self.place = Place::at(next);
                    if self.hold.is_far_behind(&self.place) {
                        // Nothing is lent, so that it can.
                        self.settle();
                    }
                }
                Found::Nothing | Found::Overrun => {
                    self.settle();
                    let at_end = self.core.is_at_end(self.place.slice)?;
                    return Ok(if at_end { Next::End } else { Next::Nothing });
                }
            }
        }
    }

    /// Looks, and if there is nothing, registers to be woken and looks again.
    #[inline]
    pub(super) fn poll_find(&mut self, context: &mut Context<'_>) -> Poll<Result<Next, ReadError>> {
        match self.find_byte() {
            Ok(Next::Nothing) => self.park_and_find(context),
            look => {
                self.core.unpark();
                Poll::Ready(look)
            }
        }
    }

    /// Registers to be woken, and looks.
    pub(super) fn park_and_find(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Next, ReadError>> {
        self.core.park(context.waker());
        self.hold.rely_on_heavy_fences();
        let look = self.find_byte();
        if matches!(look, Ok(Next::Nothing)) {
            return self.core.pending();
        }
        self.core.unpark();
        Poll::Ready(look)
    }
}
