//! What each writer counts, in its slot.

use crate::sync::figure::Figure;

/// The figures of a writer, in its slot.
#[derive(Debug, Default)]
pub(crate) struct WriterFigures {
    /// Slices committed or dropped; `bytes` are their payload bytes. Descriptors tell both.
    pub(crate) sequence: Figure,
    pub(crate) bytes: Figure,
    pub(crate) ring_bytes: Figure,
    pub(crate) dropped_slices: Figure,
    pub(crate) dropped_bytes: Figure,
}
