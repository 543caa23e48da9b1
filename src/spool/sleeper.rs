//! Where one read of a spool waits.

use super::error::ReadError;
use super::pull::{IN_A_ROW, Need};
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
    /// How many errors of the source there were when we first asked for it to be read.
    asked: Option<u64>,
}

impl Sleeper {
    pub(super) fn new(shared: Arc<Shared>, seat: Seat<Slot<Figures>>) -> Self {
        Self { shared, seat, is_parked: false, is_registered: false, asked: None }
    }

    /// What `check` finds; if that is `None`, once there are `wanted` bytes, or at the end.
    pub(super) fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        wanted: u64,
        mut check: impl FnMut(&Shared, &Figures) -> Option<Result<T, ReadError>>,
    ) -> Poll<Result<T, ReadError>> {
        let mut has_read = false;
        let found = check(&self.shared, &self.seat.figures).or_else(|| {
            (self.is_parked, self.is_registered) = (true, true);
            self.shared.park(&mut self.seat, wanted, context.waker());
            let found = check(&self.shared, &self.seat.figures);
            if found.is_some() || self.shared.pull().is_none() {
                return found;
            }
            self.pull(wanted, &mut has_read, check)
        });
        let Some(found) = found else { return Poll::Pending };
        self.asked = None;
        // Only its bit: to drop the waker runs code of others, and what was found would be lost by a panic.
        if std::mem::take(&mut self.is_parked) {
            self.shared.unpark(&mut self.seat);
        }
        if has_read {
            self.shared.pull().into_iter().for_each(|pull| pull.pass_on(&self.shared));
        }
        Poll::Ready(found)
    }

    /// Has the source read, until there is what it waits for, or nothing now.
    #[cold]
    fn pull<T>(
        &mut self,
        wanted: u64,
        has_read: &mut bool,
        mut check: impl FnMut(&Shared, &Figures) -> Option<Result<T, ReadError>>,
    ) -> Option<Result<T, ReadError>> {
        let pull = self.shared.pull()?;
        for _ in 0..IN_A_ROW {
            match pull.need(&self.shared, wanted, &mut self.asked) {
                Need::Waits => return None,
                Need::Told(failure) => return Some(Err(ReadError::Source(failure))),
                Need::Check => *has_read = true,
            }
            let found = check(&self.shared, &self.seat.figures);
            if found.is_some() {
                return found;
            }
        }
        // Others of this thread have their turns. We are parked, and woken, with all who wait.
        pull.wake_needy(&self.shared);
        None
    }

    /// What `check` finds; if that is `None`, it has the source read once, and checks again.
    pub(super) fn ask<T>(
        &mut self,
        wanted: u64,
        mut check: impl FnMut(&Shared, &Figures) -> Option<Result<T, ReadError>>,
    ) -> Option<Result<T, ReadError>> {
        let found = check(&self.shared, &self.seat.figures).or_else(|| {
            let pull = self.shared.pull()?;
            match pull.need(&self.shared, wanted, &mut self.asked) {
                Need::Waits => None,
                Need::Told(failure) => Some(Err(ReadError::Source(failure))),
                Need::Check => {
                    let found = check(&self.shared, &self.seat.figures);
                    pull.pass_on(&self.shared);
                    found
                }
            }
        });
        if found.is_some() {
            self.asked = None;
        }
        found
    }

    /// It gave up, or is not asked again: its waker is forgotten, too.
    pub(super) fn stop(&mut self) {
        self.asked = None;
        if std::mem::take(&mut self.is_parked) {
            self.shared.unpark(&mut self.seat);
        }
        if std::mem::take(&mut self.is_registered) {
            self.shared.forget(&mut self.seat);
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
