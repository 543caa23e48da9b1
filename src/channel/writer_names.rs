//! The names of writers and readers, by their numbers.

use crate::ring::position::Position;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Knows the name of a writer for as long as there may be messages of its in the ring.
#[derive(Debug, Default)]
pub(crate) struct Names {
    names: BTreeMap<u32, Arc<str>>,
    /// Those of readers that are there: nobody asks for others.
    pub(crate) readers: BTreeMap<u32, Arc<str>>,
    /// Who has gone, and where the last of its messages ended at the latest. In order.
    gone: VecDeque<(Position, u32)>,
}

impl Names {
    pub(crate) fn set(&mut self, writer: u32, name: Arc<str>) {
        self.names.insert(writer, name);
    }

    pub(crate) fn get(&self, writer: u32) -> Option<Arc<str>> {
        self.names.get(&writer).cloned()
    }

    /// The writer has gone, and `end` is behind its last message; nothing, if it sent none. Tells its
    /// name.
    pub(crate) fn retire(&mut self, writer: u32, end: Option<Position>) -> Option<Arc<str>> {
        let name = self.get(writer)?;
        match end {
            Some(end) => self.gone.push_back((end, writer)),
            None => drop(self.names.remove(&writer)),
        }
        Some(name)
    }

    /// Forgets those who have gone and whose last message nobody can read any more: `is_kept` tells,
    /// of where it ended.
    pub(crate) fn forget_unless(&mut self, is_kept: impl Fn(Position) -> bool) {
        while let Some(&(end, writer)) = self.gone.front() {
            if is_kept(end) {
                break;
            }
            self.gone.pop_front();
            self.names.remove(&writer);
        }
    }
}
