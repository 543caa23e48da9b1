//! What one reader has read ahead of a file.

use super::Disk;
use crate::spool::error::ReadError;

/// Reads of so many bytes go past it, and it never holds more.
pub(super) const SIZE: usize = 8 << 10;

/// Published bytes, which never change, in memory of the reader. It takes none before it is used.
#[derive(Default)]
pub(in crate::spool) struct Window {
    bytes: Vec<u8>,
    /// The number of the first one.
    begin: u64,
}

impl Window {
    /// Some of the `seen` bytes that are published from `position` on, at least one.
    pub(in crate::spool) fn lend(
        &mut self,
        disk: &Disk,
        position: u64,
        seen: u64,
    ) -> Result<&[u8], ReadError> {
        if !self.has(position) {
            self.fill(disk, position, seen)?;
        }
        Ok(&self.bytes[(position - self.begin) as usize..])
    }

    /// Reads some of them into `buffer`, at least one.
    pub(in crate::spool) fn read(
        &mut self,
        disk: &Disk,
        position: u64,
        seen: u64,
        buffer: &mut [u8],
    ) -> Result<usize, ReadError> {
        if buffer.len() >= SIZE && !self.has(position) {
            let length = clamp(seen, buffer.len());
            return disk.read(&mut buffer[..length], position);
        }
        let lent = self.lend(disk, position, seen)?;
        let length = lent.len().min(buffer.len());
        buffer[..length].copy_from_slice(&lent[..length]);
        Ok(length)
    }

    fn has(&self, position: u64) -> bool {
        position >= self.begin && position - self.begin < self.bytes.len() as u64
    }

    fn fill(&mut self, disk: &Disk, position: u64, seen: u64) -> Result<(), ReadError> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.resize(clamp(seen, SIZE), 0);
        let read = disk.read(&mut bytes, position)?;
        bytes.truncate(read);
        (self.bytes, self.begin) = (bytes, position);
        Ok(())
    }
}

/// The lesser of the two.
pub(super) fn clamp(bytes: u64, most: usize) -> usize {
    usize::try_from(bytes).map_or(most, |bytes| bytes.min(most))
}
