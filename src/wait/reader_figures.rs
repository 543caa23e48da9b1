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
    /// Where it turned strong last; its start, if it never has.
    pub(crate) turned: Figure,
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
            turned: Figure::default(),
            position: Figure::default(),
            payload_bytes: Figure::default(),
            skipped_ring_bytes: Figure::default(),
            gaps: Figure::default(),
            late: Figure::default(),
        }
    }
}
