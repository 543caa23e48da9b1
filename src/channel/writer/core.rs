//! What writers of both kinds are made of: their state here, and each of their jobs in a file.

mod end;
mod publish;
mod reserve;
mod send;
mod share;
mod wait;
mod write;

pub(crate) use send::Batch;
pub(crate) use wait::Wait;

use crate::channel::shared::Shared;
use crate::channel::stats::WriterStats;
use crate::channel::terms::{Backpressure, Strength};
use crate::channel::trace;
use crate::channel::waiting::Flushed;
use crate::ring::position::Position;
use crate::ring::{Lane, Reservation, WriterSlot};
use crate::sync::table::Seat;
use crate::wait::budget::Allowance;
use crate::wait::line::Ticket;
use crate::wait::owed::Lease;
use crate::wait::panics::Panics;
use end::Done;
use std::sync::Arc;
use write::Rest;

#[derive(Debug)]
pub(crate) struct Core {
    shared: Arc<Shared>,
    slot: Seat<WriterSlot>,
    id: u32,
    /// Nothing for the one slice of a channel's `reserve_slice`: it is no endpoint, the handle
    /// keeps the channel open meanwhile.
    strength: Option<Strength>,
    /// What becomes of that for which there is no room.
    pub(crate) backpressure: Backpressure,
    /// How long its claims stand.
    lease: Lease,
    /// Open while the quick way of a write has nothing else to look at.
    lane: Lane,
    /// Whether readers are woken by [`Core::wake`], and not by each commit.
    pub(crate) wakes_later: bool,
    /// Whether there is something to wake them for.
    owes_a_wake: bool,
    /// How many commits in a row looked for sleepers and found nobody.
    checked_in_vain: u32,
    /// The slice in flight. A writer has one at a time; should its guard be leaked, it is found
    /// here by whatever the writer does next.
    in_flight: Reservation,
    /// The place in the line for room, once this writer had to wait.
    ticket: Option<Ticket>,
    done: Option<Done>,
    /// Whether the thread panicked already when this writer was made. So it is said of one that is being
    /// made, too.
    was_panicking: bool,
    pub(crate) allowance: Allowance,
    /// The last slice was a piece of a record, of which this is still to come.
    rest: Option<Rest>,
}

impl Core {
    #[track_caller]
    pub(crate) fn new(shared: Arc<Shared>, strength: Option<Strength>) -> Self {
        let (slot, id) = shared.add_writer(strength);
        let lane = shared.ring.lane();
        let backpressure = shared.backpressure;
        let mut core = Self {
            shared,
            slot,
            id,
            strength,
            backpressure,
            lease: Lease::default(),
            lane,
            wakes_later: false,
            owes_a_wake: false,
            checked_in_vain: 0,
            in_flight: Reservation::NONE,
            ticket: None,
            done: None,
            was_panicking: true,
            allowance: Allowance::default(),
            rest: None,
        };
        if let Some(strength) = strength {
            trace::came(&*core.shared, "writer", strength, id);
        }
        core.was_panicking = std::thread::panicking();
        core
    }

    /// Another writer of the same channel, kind and backpressure; at its end, if this one is.
    #[inline]
    #[track_caller]
    pub(crate) fn another(&self) -> Self {
        let mut another = Self::new(self.shared.clone(), self.strength);
        another.done = self.done;
        another.backpressure = self.backpressure;
        another
    }

    #[inline]
    pub(crate) fn convert(&mut self, strength: Strength) {
        if let Some(before) = self.strength.replace(strength) {
            if before != strength {
                self.shared.convert_writer(before, strength);
                trace::converted(&*self.shared, "writer", strength, self.id);
            }
        }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// How many slices it has committed, or dropped.
    #[cfg(feature = "futures")]
    pub(crate) fn sequence(&self) -> u64 {
        self.slot.figures.sent.own().messages
    }

    pub(crate) fn stats(&self) -> WriterStats {
        let name = self.shared.writer_name(self.id);
        WriterStats { name, ..WriterStats::read(&self.slot.figures, self.id) }
    }

    /// That what this writer has committed is read.
    pub(crate) fn sent(&self) -> Flushed {
        let figures = &self.slot.figures;
        let has_sent = figures.sent.own().messages != figures.dropped.own().messages;
        self.shared.up_to(has_sent.then(|| Position::of_clean_raw(self.slot.last.get())))
    }

    #[inline]
    pub(crate) fn max_slice(&self) -> u64 {
        self.shared.ring.geometry().max_slice()
    }

    /// Marks the slice in flight as one that the channel's handle must give up if its guard is
    /// leaked, or takes the mark away.
    #[inline]
    pub(crate) fn mark_in_flight(&self) {
        let (position, size) = &self.slot.in_flight;
        position.set(self.in_flight.position.granule());
        size.set(self.in_flight.size);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let mut panics = Panics::new();
        panics.run(|| self.abort());
        panics.run(|| self.stop_waiting());
        panics.run(|| self.wake());
        self.mark_in_flight();
        panics.run(|| self.fail_if_panicking());
        panics.run(|| self.shared.remove_writer(&self.slot, self.id, self.strength));
        panics.finish();
    }
}
