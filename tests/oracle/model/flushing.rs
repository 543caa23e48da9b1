//! What was read by all strong readers, and what by none.

use super::{Ending, GRANULE, Model};
use overfall::error::FlushError;
use std::task::Poll;

/// Whether what was sent has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flush {
    Read,
    Unread,
    Waits,
    Terminated,
    /// Nothing is left there that somebody could read, and whether there was is known no more.
    Unknown,
}

impl Flush {
    pub(crate) fn allows(self, polled: Poll<Result<(), FlushError>>) -> bool {
        match self {
            Self::Read => polled == Poll::Ready(Ok(())),
            Self::Unread => polled == Poll::Ready(Err(FlushError::Unread)),
            Self::Waits => polled.is_pending(),
            Self::Terminated => polled == Poll::Ready(Err(FlushError::Terminated)),
            Self::Unknown => polled != Poll::Ready(Err(FlushError::Terminated)),
        }
    }
}

impl Model {
    /// The end of what is reserved.
    pub(crate) fn everything(&self) -> Option<u64> {
        Some(self.reserved()).filter(|&end| end > 0)
    }

    /// The end of the first granule of what a writer has committed last.
    pub(crate) fn sent_by(&self, index: usize) -> Option<u64> {
        let id = self.writers[index].as_ref().unwrap().id;
        let sent = self.sent.get(&id)?;
        sent.iter().rev().find_map(|message| message.at).map(|at| at + GRANULE)
    }

    /// Whether all before `end` was read.
    pub(crate) fn flushed(&self, end: Option<u64>) -> Flush {
        let Some(end) = end else { return Flush::Read };
        if self.ending == Ending::Terminated {
            return Flush::Terminated;
        }
        let is_for_good = self.holds().next().is_none();
        let now = is_for_good.then_some((self.absence.stopped, u64::MAX));
        let mut lost = self.absence.lost.iter().copied().chain(now);
        if let Some((from, to)) = lost.find(|&(from, to)| from < end && end <= to) {
            // What was skipped needs no reader.
            let is_unread = self.after_skipped(from) < end.min(to);
            return if is_unread { Flush::Unread } else { Flush::Unknown };
        }
        match self.holds().min() {
            Some(held) if self.after_skipped(held) < end => Flush::Waits,
            _ => Flush::Read,
        }
    }
}
