//! The ring's memory as loom sees it: its bytes are one word for each granule, and its descriptors are
//! made one by one.

use crate::ring::Exclusive;
use crate::ring::descriptor::Descriptor;
use crate::ring::position::{GRANULE, Position};
use crate::sync::{AtomicU64, Ordering};

const WORD: usize = GRANULE as usize;
/// Longer than any piece.
pub(crate) const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Storage {
    words: Vec<AtomicU64>,
    descriptors: Vec<Descriptor>,
}

pub(crate) struct Racing<'a> {
    storage: &'a Storage,
    position: Position,
}

impl Racing<'_> {
    pub(crate) fn read(&self, to: &mut [u8]) {
        self.storage.read(self.position, 0, to);
    }
}

impl Storage {
    pub(crate) fn new(capacity: usize, granules: usize) -> Option<Self> {
        let words = (0..capacity / WORD).map(|_| AtomicU64::new(0)).collect();
        Some(Self { words, descriptors: (0..granules).map(|_| Descriptor::default()).collect() })
    }

    pub(crate) fn descriptor(&self, position: Position) -> &Descriptor {
        &self.descriptors[position.granule() as usize & (self.descriptors.len() - 1)]
    }

    /// # Safety
    ///
    /// As for the real one, though nothing here depends on it.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn write(&self, position: Position, offset: u64, bytes: &[u8]) {
        let index = self.index(position, offset);
        for (word, bytes) in self.words[index..].iter().zip(bytes.chunks(WORD)) {
            let mut whole = [0; WORD];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
    }

    /// # Safety
    ///
    /// As above.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn write_granule(&self, position: Position, bytes: &[u8]) {
        // SAFETY: passed on.
        unsafe { self.write(position, 0, bytes) }
    }

    /// # Safety
    ///
    /// As above.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn write_long(&self, slice: Position, bytes: &[u8]) {
        // SAFETY: passed on.
        unsafe { self.write(slice, 0, bytes) }
    }

    /// There are no lines here.
    pub(crate) fn prepare_from(&self, _length: u64) {}

    pub(crate) fn prepares_from(&self) -> u64 {
        NEVER
    }

    pub(crate) fn prefetch_lines(&self, _position: Position, _offset: u64, _length: usize) {}

    pub(crate) fn read(&self, position: Position, offset: u64, to: &mut [u8]) {
        self.read_by(position, offset, to, |word| word.load(Ordering::Relaxed));
    }

    pub(crate) fn racing(&self, position: Position, length: usize) -> Option<Racing<'_>> {
        let index = self.index(position, 0);
        (length <= (self.words.len() - index) * WORD).then_some(Racing { storage: self, position })
    }

    /// Reads as a reader that was lent the bytes does: loom fails if a write races with it.
    #[allow(unsafe_code)]
    pub(crate) fn read_lent(&self, position: Position, offset: u64, to: &mut [u8]) {
        // SAFETY: loom checks what makes this safe.
        self.read_by(position, offset, to, |word| unsafe { word.unsync_load() });
    }

    /// Stores what it reads back, while the caller is `exclusive`; tells how many bytes.
    ///
    /// # Safety
    ///
    /// As for the real one, though nothing here depends on it.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn read_and_store_back(
        &self,
        position: Position,
        offset: u64,
        to: &mut [u8],
        exclusive: &Exclusive,
    ) -> usize {
        let store_back = |word: &AtomicU64| {
            let value = word.load(Ordering::Relaxed);
            word.store(value, Ordering::Relaxed);
            value
        };
        let has_stored = exclusive.store_back(|| self.read_by(position, offset, to, store_back));
        if has_stored { to.len() } else { 0 }
    }

    /// # Safety
    ///
    /// As above.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn store_back(
        &self,
        position: Position,
        length: usize,
        exclusive: &Exclusive,
    ) {
        // SAFETY: passed on.
        unsafe { self.read_and_store_back(position, 0, &mut vec![0; length], exclusive) };
    }

    fn index(&self, position: Position, offset: u64) -> usize {
        assert_eq!(offset % GRANULE, 0, "the models copy whole granules");
        position.plus(offset).granule() as usize & (self.words.len() - 1)
    }

    fn read_by(
        &self,
        position: Position,
        offset: u64,
        to: &mut [u8],
        load: impl Fn(&AtomicU64) -> u64,
    ) {
        let index = self.index(position, offset);
        for (word, bytes) in self.words[index..].iter().zip(to.chunks_mut(WORD)) {
            bytes.copy_from_slice(&load(word).to_ne_bytes()[..bytes.len()]);
        }
    }
}
