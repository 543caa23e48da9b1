//! Where one read of a spool waits.

use super::shared::{Figures, Shared};
use crate::sync::table::Seat;
use crate::wait::parking::Slot;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A seat in the parking. Dropped, it waits no longer; its owner gives the seat back.
#[derive(Debug)]
pub(super) struct Sleeper {
    pub(super) shared: Arc<Shared>,
    pub(super) seat: Seat<Slot<Figures>>,
    /// We may be among the parked.
    is_parked: bool,
    /// A waker of ours may be registered.
    is_registered: bool,
}

impl Sleeper {
    pub(super) fn new(shared: Arc<Shared>, seat: Seat<Slot<Figures>>) -> Self {
        Self { shared, seat, is_parked: false, is_registered: false }
    }

    /// What `look` finds; if that is `None`, once there are `wanted` bytes, or at the end.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        wanted: u64,
        mut look: impl FnMut(&Shared, &Figures) -> Option<T>,
    ) -> Poll<T> {
        let found = look(&self.shared, &self.seat.figures).or_else(|| {
            (self.is_parked, self.is_registered) = (true, true);
            self.shared.park(&self.seat, wanted, context.waker());
            look(&self.shared, &self.seat.figures)
        });
        let Some(found) = found else { return Poll::Pending };
        // Only its bit: to drop the waker runs code of others, and what was found would be lost by a panic.
        if std::mem::take(&mut self.is_parked) {
            self.shared.unpark(&self.seat);
        }
        Poll::Ready(found)
    }

    /// It gave up, or is not asked again: its waker is forgotten, too.
    pub(super) fn stop(&mut self) {
        if std::mem::take(&mut self.is_parked) {
            self.shared.unpark(&self.seat);
        }
        if std::mem::take(&mut self.is_registered) {
            crate::wait::panics::drop_waker(self.seat.take_waker());
        }
    }
}

/// One of a read at a place of its own, which has a seat only while it waits.
#[derive(Debug)]
pub(super) struct Visitor(pub(super) Sleeper);

impl Drop for Visitor {
    fn drop(&mut self) {
        let mut panics = crate::wait::panics::Panics::new();
        panics.run(|| self.0.stop());
        self.0.shared.remove_seat(&self.0.seat);
        panics.finish();
    }
}
