//! What an outlet has told of each writer: the sums that its frames carry.
//!
//! They count from where the outlet began, all that was sent to it: what it received, and what it missed
//! itself. So a loss at the outlet (a weak reader that was overrun, a writer that drops) looks to the
//! inlet as one on the way, and needs no word of its own.
//!
//! A reader that had received something before may have told its losses to others. So what it had missed by
//! then is left out (`Ledger::left_out`). A message tells what lies between it and the last one of its writer,
//! and how much of that is older than the outlet is not known: so of the first message of each writer it is
//! not told, but with the next heartbeat, by the sums.

use crate::count::Count;
use overfall::Header;
use std::collections::{BTreeMap, HashSet};

/// So many writers are told one by one, once they have gone; the same as a ring does.
const MANY: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// With so many writers it is looked again who has gone: twice as many as were there last.
    sweep_at: usize,
    /// Of all writers.
    sent: Count,
    /// What of that the outlet missed.
    missed: Count,
    writers: BTreeMap<u32, Entry>,
    /// What was told as missed of writers that the reader does not know by their numbers any more.
    told_of_others: Count,
}

#[derive(Debug, Default)]
struct Entry {
    sent: Count,
    /// What of that the outlet missed, and what is left out.
    told: Count,
    /// What its next message says was missed may be older than the outlet.
    is_old: bool,
    /// A heartbeat has told it as it is.
    is_told: bool,
}

impl Ledger {
    /// This was missed of each writer before the outlet began.
    pub(crate) fn left_out(by_writer: impl Iterator<Item = (u32, Count)>) -> Self {
        let entry = |(writer, told)| (writer, Entry { told, is_old: true, ..Entry::default() });
        Self { writers: by_writer.map(entry).collect(), ..Self::default() }
    }

    /// A message was received. Tells what its writer had sent before.
    pub(crate) fn received(&mut self, header: &Header) -> Count {
        let len = Count::new(1, header.len.into());
        let entry = self.writers.entry(header.writer).or_default();
        let missed = match std::mem::take(&mut entry.is_old) {
            true => Count::default(),
            false => header.missed.into(),
        };
        let before = entry.sent + missed;
        entry.told += missed;
        entry.sent = before + len;
        entry.is_told = false;
        self.sent = self.sent + missed + len;
        self.missed += missed;
        before
    }

    /// All is read, and this was missed of each writer since the outlet began: what no message has told
    /// so far is told now.
    pub(crate) fn missed(&mut self, by_writer: impl Iterator<Item = (u32, Count)>) {
        let by_writer: BTreeMap<u32, Count> = by_writer.collect();
        // A writer that has gone long since is told with all others as number 0.
        for (&writer, entry) in &mut self.writers {
            if writer != 0 && !by_writer.contains_key(&writer) {
                self.told_of_others += std::mem::take(&mut entry.told);
            }
        }
        for (writer, missed) in by_writer {
            let entry = self.writers.entry(writer).or_default();
            let others = if writer == 0 { self.told_of_others } else { Count::default() };
            let new = missed - (entry.told + others);
            if !new.is_none() {
                entry.told += new;
                entry.sent += new;
                entry.is_told = false;
                self.sent += new;
                self.missed += new;
            }
        }
    }

    /// What all writers together have sent.
    pub(crate) fn sent(&self) -> Count {
        self.sent
    }

    /// What of that the outlet missed.
    pub(crate) fn missed_in_all(&self) -> Count {
        self.missed
    }

    /// Of which writers that holds.
    pub(crate) fn those_who(&self, that: impl Fn(u32) -> bool) -> HashSet<u32> {
        self.writers.keys().copied().filter(|&writer| that(writer)).collect()
    }

    /// What each has sent.
    pub(crate) fn totals(&self) -> Vec<(u32, Count)> {
        let has_sent = self.writers.iter().filter(|(_, entry)| !entry.sent.is_none());
        has_sent.map(|(&writer, entry)| (writer, entry.sent)).collect()
    }

    /// Whether there are more writers than are told one by one once they have gone.
    pub(crate) fn is_long(&self) -> bool {
        self.writers.len() > MANY
    }

    /// Whether there are so many, while messages come and go, that it should be looked who has gone.
    pub(crate) fn should_sweep(&self) -> bool {
        self.writers.len() >= self.sweep_at.max(2 * MANY)
    }

    /// It was looked, and so many have gone.
    pub(crate) fn swept(&mut self, gone: usize) {
        self.sweep_at = 2 * self.writers.len().saturating_sub(gone);
    }

    /// Forgets, of many writers, those that have gone and whose sums have been told. Asked when a heartbeat
    /// with all of them has been sent, and nothing of theirs is unread.
    pub(crate) fn forget(&mut self, has_gone: impl Fn(u32) -> bool) {
        let mut spare = self.writers.len().saturating_sub(MANY);
        self.writers.retain(|&writer, entry| {
            let is_told = std::mem::replace(&mut entry.is_told, true);
            // While the reader tells by number what was missed of it, that must be known here.
            let stays = !is_told || !entry.told.is_none() || !has_gone(writer);
            if spare == 0 || writer == 0 || stays {
                return true;
            }
            spare -= 1;
            false
        });
    }
}
