//! Writers that have gone in the middle of a line. That line ends with them, and is not kept until the stream
//! ends: a ring may see any number of writers.
//!
//! They are found as in `channel/loss.rs`: a sweep notes who has gone, and how far writers had come by then. When
//! the reader has come past that, it has all that they sent.

use super::source::Feed;
use crate::ring::position::label_past;

/// With so many unfinished lines the first sweep begins.
const MANY: usize = 64;

#[derive(Debug)]
pub(super) enum Sweep {
    /// Begins with so many unfinished lines.
    At(usize),
    /// Ends at this position, and these have gone.
    Until(u64, Vec<u32>),
}

impl Default for Sweep {
    fn default() -> Self {
        Self::At(MANY)
    }
}

impl Sweep {
    /// Takes the next step, if it is time for it, and tells the writers of which nothing more comes.
    pub(super) fn step<'a>(
        &mut self,
        source: &impl Feed,
        unfinished: impl ExactSizeIterator<Item = &'a u32>,
    ) -> Vec<u32> {
        match self {
            Self::At(many) if unfinished.len() >= *many => {
                if let Some((living, end)) = source.living() {
                    // Slices without a writer, number 0, come at any time.
                    let has_gone = |writer: &u32| *writer != 0 && !living.contains(writer);
                    *self = Self::Until(end, unfinished.copied().filter(has_gone).collect());
                }
            }
            Self::Until(end, gone) if label_past(*end, source.position()) == 0 => {
                let gone = std::mem::take(gone);
                let left = unfinished.len().saturating_sub(gone.len());
                *self = Self::At((2 * left).max(MANY));
                return gone;
            }
            _ => {}
        }
        Vec::new()
    }
}
