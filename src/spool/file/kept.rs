//! What of a file is kept, for readers that read it while the rest is let go of.
//!
//! A hole reads as zeros that nobody wrote, and a read of the system does not tell a hole. So A, the writer,
//! first says from where on the file is kept, then issues a fence, and then punches the hole. B, a reader,
//! reads, issues a fence, and looks then from where on the file is kept. If B has read any of the hole, its
//! fence comes after A's, and it sees that its place is not kept any more. If it is kept, so is all that is
//! behind it: what B has read are bytes of the stream. The system may move bytes as it likes: it does so between
//! two fences of ours, in the order in which it was called.

use crate::sync::{AtomicU64, Ordering, fence};

/// From where on a file is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    from: AtomicU64,
}

impl Kept {
    /// All is.
    pub(crate) fn all() -> Self {
        Self { from: AtomicU64::new(0) }
    }

    /// What lies below `from` is let go of: after this there may be holes. Only the writer calls it.
    pub(crate) fn let_go(&self, from: u64) {
        // ORD(gone:A) Release, pairs with ORD(gone:B): the spool's `begin`, which is as far.
        self.from.store(from, Ordering::Release);
        // ORD(hole:A) Release, pairs with ORD(hole:B).
        fence(Ordering::Release);
    }

    /// From where on it was kept when this thread looked.
    pub(crate) fn from(&self) -> u64 {
        // Relaxed: before anybody else knows of it.
        self.from.load(Ordering::Relaxed)
    }

    /// Whether what lies from `position` on, and was read before this, are bytes of the stream.
    pub(crate) fn still_has(&self, position: u64) -> bool {
        // ORD(hole:B) Acquire, pairs with ORD(hole:A).
        fence(Ordering::Acquire);
        // ORD(gone:B) Acquire, pairs with ORD(gone:A): who is too late finds where to go on.
        self.from.load(Ordering::Acquire) <= position
    }
}
