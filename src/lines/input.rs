//! What has come and is not cut yet, and where lines end in there.

use memchr::{memchr_iter, memchr2_iter};

/// So many ends are looked for at once. To find each by itself costs several times as much.
const ENDS: usize = 64;

#[derive(Debug)]
pub(super) struct Input {
    bytes: Vec<u8>,
    at: usize,
    /// The ends that were found and are not passed: from `next` to `found`.
    ends: [usize; ENDS],
    next: usize,
    found: usize,
    /// Before this place all were found.
    searched: usize,
}

impl Default for Input {
    fn default() -> Self {
        let ends = [0; ENDS];
        Self { bytes: Vec::new(), at: 0, ends, next: 0, found: 0, searched: 0 }
    }
}

impl Input {
    /// What is lent of it.
    #[inline]
    pub(super) fn bytes(&self, from: usize, to: usize) -> &[u8] {
        &self.bytes[from..to]
    }

    /// What is left.
    #[inline]
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// Where that begins.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Takes all of it away.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        (self.at, self.next, self.found, self.searched) = (0, 0, 0, 0);
    }

    /// For more behind what is left, which is moved to the front.
    pub(super) fn extendable(&mut self) -> &mut Vec<u8> {
        if self.at > 0 {
            self.put_before(&[]);
        }
        &mut self.bytes
    }

    /// Puts bytes before what is left.
    pub(super) fn put_before(&mut self, bytes: &[u8]) {
        self.bytes.splice(..self.at, bytes.iter().copied());
        (self.at, self.next, self.found, self.searched) = (0, 0, 0, 0);
    }

    /// How far the next end of a line is, which is a `\n`, or with `returns` a `\r`.
    #[inline]
    pub(super) fn next_end(&mut self, returns: bool) -> Option<usize> {
        while self.next < self.found {
            if let Some(distance) = self.ends[self.next].checked_sub(self.at) {
                return Some(distance);
            }
            self.next += 1;
        }
        self.search(returns)
    }

    #[inline(never)]
    fn search(&mut self, returns: bool) -> Option<usize> {
        let from = self.searched.max(self.at);
        let rest = &self.bytes[from..];
        self.next = 0;
        self.found = if returns {
            note(memchr2_iter(b'\r', b'\n', rest), from, &mut self.ends)
        } else {
            note(memchr_iter(b'\n', rest), from, &mut self.ends)
        };
        self.searched = match self.found {
            ENDS => self.ends[ENDS - 1] + 1,
            _ => self.bytes.len(),
        };
        let first = self.ends[..self.found].first()?;
        Some(first - self.at)
    }
}

/// Notes the first places, and tells how many there are.
#[inline]
fn note(places: impl Iterator<Item = usize>, from: usize, ends: &mut [usize; ENDS]) -> usize {
    let mut found = 0;
    for (end, place) in ends.iter_mut().zip(places) {
        *end = from + place;
        found += 1;
    }
    found
}
