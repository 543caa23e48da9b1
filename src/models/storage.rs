//! The ring's bytes as loom sees them: one word a granule.

use crate::ring::position::GRANULE;
use crate::sync::{AtomicU64, Ordering};

const WORD: usize = GRANULE as usize;

#[derive(Debug)]
pub(crate) struct Storage {
    words: Vec<AtomicU64>,
}

impl Storage {
    pub(crate) fn new(capacity: usize) -> Option<Self> {
        Some(Self { words: (0..capacity / WORD).map(|_| AtomicU64::new(0)).collect() })
    }

    /// # Safety
    ///
    /// That of the real one, though nothing here depends on it.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn write(&self, index: usize, bytes: &[u8]) {
        assert_eq!(index % WORD, 0, "the models write whole granules");
        for (word, bytes) in self.words[index / WORD..].iter().zip(bytes.chunks(WORD)) {
            let mut whole = [0; WORD];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self, index: usize, to: &mut [u8]) {
        self.read_by(index, to, |word| word.load(Ordering::Relaxed));
    }

    /// Reads as who was lent the bytes would: loom fails if a write races with it.
    #[allow(unsafe_code)]
    pub(crate) fn read_lent(&self, index: usize, to: &mut [u8]) {
        // SAFETY: loom checks what makes this safe.
        self.read_by(index, to, |word| unsafe { word.unsync_load() });
    }

    fn read_by(&self, index: usize, to: &mut [u8], load: impl Fn(&AtomicU64) -> u64) {
        assert_eq!(index % WORD, 0, "the models read whole granules");
        for (word, bytes) in self.words[index / WORD..].iter().zip(to.chunks_mut(WORD)) {
            bytes.copy_from_slice(&load(word).to_ne_bytes()[..bytes.len()]);
        }
    }
}
