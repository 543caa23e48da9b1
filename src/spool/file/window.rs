//! What one reader has read ahead of a file.

use crate::spool::error::ReadError;
use crate::spool::shared::Shared;

/// Reads of so many bytes go past it, and it never holds more.
pub(super) const SIZE: usize = 8 << 10;

/// Published bytes, which never change, in memory of the reader. It takes none before it is used. What was let
/// go of meanwhile is right all the same: it was read before.
#[derive(Default)]
pub(in crate::spool) struct Window {
    bytes: Vec<u8>,
    /// The number of the first one.
    begin: u64,
}

impl Window {
    /// Comes to the first of the `seen` bytes that are published from `position` on.
    pub(in crate::spool) fn come_to(
        &mut self,
        shared: &Shared,
        position: u64,
        seen: u64,
    ) -> Result<(), ReadError> {
        if self.has(position) { Ok(()) } else { self.fill(shared, position, seen) }
    }

    /// What it has from `position` on, to which it has come: at least one byte.
    pub(in crate::spool) fn lend(&self, position: u64) -> &[u8] {
        &self.bytes[(position - self.begin) as usize..]
    }

    /// Reads some of them into `buffer`, at least one.
    pub(in crate::spool) fn read(
        &mut self,
        shared: &Shared,
        position: u64,
        seen: u64,
        buffer: &mut [u8],
    ) -> Result<usize, ReadError> {
        if buffer.len() >= SIZE && !self.has(position) {
            return shared.read_file(buffer, position, position.saturating_add(seen));
        }
        self.come_to(shared, position, seen)?;
        let lent = self.lend(position);
        let length = lent.len().min(buffer.len());
        buffer[..length].copy_from_slice(&lent[..length]);
        Ok(length)
    }

    fn has(&self, position: u64) -> bool {
        position >= self.begin && position - self.begin < self.bytes.len() as u64
    }

    fn fill(&mut self, shared: &Shared, position: u64, seen: u64) -> Result<(), ReadError> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(clamp(seen, SIZE), 0);
        let read = shared.read_file(&mut bytes, position, position.saturating_add(seen))?;
        bytes.truncate(read);
        (self.bytes, self.begin) = (bytes, position);
        Ok(())
    }
}

/// The lesser of the two.
pub(super) fn clamp(bytes: u64, most: usize) -> usize {
    usize::try_from(bytes).map_or(most, |bytes| bytes.min(most))
}
