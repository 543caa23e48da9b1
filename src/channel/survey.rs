//! What writers have sent, and what of it is unread, as one look has found it.

use crate::ring::Count;
use std::collections::BTreeMap;

/// All that a reader looks at to tell what it has missed: what was sent, what of it is unread, and what
/// is late for this reader.
pub(crate) type Snapshot = (Survey, Unread, Vec<Late>);

/// What writers had sent, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// All of them, those that have gone too, and what of that they dropped.
    pub(crate) sent: Count,
    pub(crate) dropped: Count,
    /// Those that live, and the last that have gone, by their numbers; slices without a writer as 0.
    pub(crate) writers: BTreeMap<u32, Sent>,
}

impl Survey {
    /// The writer `id` has sent at least so much: who asks has received it. A writer counts a slice once it
    /// can be read, and may be stopped between the two.
    pub(crate) fn raise(&mut self, id: u32, to: Count) {
        let Some(of) = self.writers.get_mut(&id) else { return };
        let ahead = to.minus(of.sent);
        let is_ahead = |sum: u64| (1..=u64::MAX / 2).contains(&sum);
        if is_ahead(ahead.messages) || ahead.messages == 0 && is_ahead(ahead.bytes) {
            self.sent = self.sent.plus(ahead);
            of.sent = to;
        }
    }
}

/// What a writer had sent.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Sent {
    pub(crate) sent: Count,
    pub(crate) dropped: Count,
}

/// What is in the ring from a place on, of what a survey knows.
#[derive(Clone, Debug, Default)]
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

/// A slice that was in flight before the place where a reader started, or that had not been counted when a
/// weak one turned strong behind it, and was counted since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Late {
    pub(crate) reader: u32,
    /// It came behind the start of the reader, which turned strong behind it.
    pub(crate) is_lost: bool,
    /// The number of its writer; 0 if it had none.
    pub(crate) writer: u32,
    /// What the writer had sent before.
    pub(crate) before: Count,
    pub(crate) count: Count,
}

impl Late {
    /// What of it was counted between two looks at what the writer had sent.
    pub(crate) fn between(&self, from: Count, to: Option<Count>) -> Count {
        let later = |one: Count, other: Count| {
            let is_later = (one.messages.wrapping_sub(other.messages) as i64) >= 0;
            if is_later { one } else { other }
        };
        let end = self.before.plus(self.count);
        let begin = later(self.before, from);
        let end = to.map_or(end, |to| if later(end, to) == end { to } else { end });
        if later(begin, end) == begin { Count::default() } else { end.minus(begin) }
    }
}
