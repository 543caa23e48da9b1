//! What writers have sent, and what of it is unread, as one look has found it.

use crate::ring::Count;
use std::collections::BTreeMap;

/// What writers had sent, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// All of them, those that have gone too, and what of that they dropped.
    pub(crate) sent: Count,
    pub(crate) dropped: Count,
    /// Those that live, and the last that have gone, by their numbers; slices without a writer as 0.
    pub(crate) writers: BTreeMap<u32, Sent>,
}

/// What a writer had sent.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Sent {
    pub(crate) sent: Count,
    pub(crate) dropped: Count,
}

/// What is in the ring from a place on, of what a survey knows.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    pub(crate) total: Count,
    /// By the numbers of writers; 0 stands for slices without one.
    pub(crate) writers: BTreeMap<u32, UnreadOf>,
}

/// What is there of one writer.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct UnreadOf {
    /// What the writer had sent before the first message.
    pub(crate) first: Count,
    /// What it had sent behind the last one.
    pub(crate) end: Count,
    pub(crate) total: Count,
}

/// A slice that was in flight before the place where a reader started, and was counted since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Late {
    pub(crate) reader: u32,
    /// The number of its writer; 0 if it had none.
    pub(crate) writer: u32,
    /// What the writer had sent before.
    pub(crate) before: Count,
    pub(crate) count: Count,
}

impl Late {
    /// What of it is not in a count that was read when the writer had sent `surveyed`.
    pub(crate) fn since(&self, surveyed: Count) -> Count {
        let end = self.before.plus(self.count);
        let is_before = |count: Count| (count.messages.wrapping_sub(surveyed.messages) as i64) <= 0;
        match (is_before(self.before), is_before(end)) {
            (_, true) => Count::default(),
            (true, _) => end.minus(surveyed),
            _ => self.count,
        }
    }
}
