//! What holds while no strong reader is there, and what is overwritten meanwhile.

use super::{Ending, Model, Reader, State};

/// Messages and bytes.
type Count = (u64, u64);

#[derive(Debug)]
pub(crate) struct Absence {
    pub(crate) after_last: overfall::AfterLast,
    /// The slice that the channel itself holds.
    pub(super) hold: Option<u64>,
    /// While the ring overwrites: where the last strong reader stopped, and what had been committed
    /// before.
    began: Option<(u64, Count)>,
    /// In those that are over.
    overwritten: Count,
    /// Where the last strong reader stopped.
    pub(super) stopped: u64,
    /// From where the last one stopped to where the next one started, each time.
    pub(super) lost: Vec<(u64, u64)>,
}

impl Absence {
    pub(super) fn first(waits: bool, after_last: overfall::AfterLast) -> Self {
        let (hold, began) = if waits { (Some(0), None) } else { (None, Some((0, (0, 0)))) };
        Self { after_last, hold, began, overwritten: (0, 0), stopped: 0, lost: Vec::new() }
    }
}

impl Model {
    /// The places that are held.
    pub(super) fn holds(&self) -> impl Iterator<Item = u64> {
        let readers = self.readers.iter().flatten().filter(|reader| reader.is_holding());
        readers.map(Reader::held).chain(self.absence.hold)
    }

    fn committed_before(&self, place: u64) -> Count {
        let slices = self.slices.iter().filter(|slice| slice.at < place);
        slices.fold((0, 0), |sum, slice| match &slice.state {
            State::Committed(sent) => (sum.0 + 1, sum.1 + sent.len() as u64),
            _ => sum,
        })
    }

    /// With what an absence has overwritten until the gate, or the next strong reader, is at `place`.
    fn with_overwritten(&self, place: u64) -> Count {
        let (slices, bytes) = self.absence.overwritten;
        match self.absence.began {
            Some((stopped, before)) if stopped < place => {
                let now = self.committed_before(place);
                (slices + now.0 - before.0, bytes + now.1 - before.1)
            }
            _ => (slices, bytes),
        }
    }

    pub(crate) fn overwritten(&self) -> Count {
        self.with_overwritten(self.gate)
    }

    /// A strong reader has joined at the gate, and starts at `start`.
    pub(super) fn strong_reader_came(&mut self, start: u64, is_first: bool) {
        let stopped = self.absence.stopped;
        if is_first && stopped < start {
            self.absence.lost.push((stopped, start));
        }
        self.absence.overwritten = self.with_overwritten(self.gate);
        self.absence.began = None;
        self.absence.hold = None;
    }

    /// A strong reader that held the slice at `held` has gone, or turned weak.
    pub(super) fn strong_reader_went(&mut self, held: u64, has_gone: bool) {
        use overfall::AfterLast::{Close, Wait};
        if self.readers_that_are(true) == 0 {
            self.absence.stopped = held;
            match self.absence.after_last {
                Wait if has_gone => self.absence.hold = Some(held),
                Close if has_gone => {
                    if self.is_open() {
                        self.end(Ending::Drained);
                    }
                }
                _ => self.absence.began = Some((held, self.committed_before(held))),
            }
        }
        self.wake_writers();
    }
}
