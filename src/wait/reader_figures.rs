//! What each reader counts, in its slot.

use crate::sync::AtomicBool;
use crate::sync::figure::Figure;

/// The figures of a reader, in its slot.
#[derive(Debug)]
pub(crate) struct ReaderFigures {
    /// Whether a reader has this slot now, and whether it is strong. Once it is registered both change
    /// behind the registry's lock.
    pub(crate) present: AtomicBool,
    pub(crate) strong: AtomicBool,
    pub(crate) id: Figure,
    pub(crate) start: Figure,
    /// Places, as raw positions. What is counted from now on was sent before the reader started, if it lies
    /// before the first; else it was overwritten before the reader turned strong, if it lies before the
    /// second. A clone has those of its original: `channel/account.rs`.
    pub(crate) late_before: Figure,
    pub(crate) lost_before: Figure,
    pub(crate) position: Figure,
    pub(crate) payload_bytes: Figure,
    pub(crate) skipped_ring_bytes: Figure,
    pub(crate) gaps: Figure,
    /// Not 0 while the registry has something for it: `channel/account.rs`.
    pub(crate) late: Figure,
}

impl Default for ReaderFigures {
    fn default() -> Self {
        Self {
            present: AtomicBool::new(false),
            strong: AtomicBool::new(false),
            id: Figure::default(),
            start: Figure::default(),
            late_before: Figure::default(),
            lost_before: Figure::default(),
            position: Figure::default(),
            payload_bytes: Figure::default(),
            skipped_ring_bytes: Figure::default(),
            gaps: Figure::default(),
            late: Figure::default(),
        }
    }
}
