//! Where lines end in what has come: all ends of 64 bytes at a time.
//!
//! A search for the next end by itself, as that of the crate `memchr`, takes about 8 ns for lines of 64 bytes,
//! most of which is the way into it and out again. Here it is 2.3 ns, and 3.7 to 10 for lines of 120 bytes. Only
//! where a line has thousands of bytes the other one is faster, and there both are faster than a copy. The loop
//! over the bytes has neither branches nor calls, and the compiler makes vectors of it on every processor.

/// So many bytes are looked at together: their ends are bits of a word.
const BLOCK: usize = 64;
/// Of how many ends it looks for no more at a time: there may be an end at every byte.
const ENOUGH: usize = 64;

/// The ends of lines that are known and not passed.
#[derive(Default, Debug)]
pub(super) struct Ends {
    /// From `next` on they are not passed.
    found: Vec<usize>,
    next: usize,
    /// Before this place all were found.
    searched: usize,
}

impl Ends {
    /// The bytes are others.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.found.clear();
        (self.next, self.searched) = (0, 0);
    }

    /// The first end of a line in `bytes` from `at` on, which is a `\n`, or with `returns` a `\r`. Bytes may be
    /// appended from one call to the next, and `at` does not go back.
    #[inline]
    pub(super) fn next(&mut self, bytes: &[u8], at: usize, returns: bool) -> Option<usize> {
        loop {
            while let Some(&end) = self.found.get(self.next) {
                if end >= at {
                    return Some(end);
                }
                self.next += 1;
            }
            if self.searched == bytes.len() {
                return None;
            }
            self.search(bytes, returns);
        }
    }

    #[inline(never)]
    fn search(&mut self, bytes: &[u8], returns: bool) {
        self.found.clear();
        self.next = 0;
        if returns {
            self.search_for(bytes, |byte| byte == b'\n' || byte == b'\r');
        } else {
            self.search_for(bytes, |byte| byte == b'\n');
        }
    }

    #[inline]
    fn search_for(&mut self, bytes: &[u8], is_end: impl Fn(u8) -> bool) {
        while let Some(block) = bytes[self.searched..].first_chunk() {
            self.note(find(block, &is_end));
            self.searched += BLOCK;
            if self.found.len() >= ENOUGH {
                return;
            }
        }
        let rest = &bytes[self.searched..];
        let mut last = [0; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        self.note(find(&last, &is_end));
        self.searched = bytes.len();
    }

    /// These bytes from `searched` on are ends.
    #[inline]
    fn note(&mut self, mut ends: u64) {
        while ends != 0 {
            self.found.push(self.searched + ends.trailing_zeros() as usize);
            ends &= ends - 1;
        }
    }
}

/// The bytes of a block that are such, as bits.
#[inline]
fn find(block: &[u8; BLOCK], is_end: impl Fn(u8) -> bool) -> u64 {
    // Eight rows of eight bytes: the number of the row is that of the bit. So the rows lie upon each other in
    // one word, in which the number of a byte is that of the column.
    let mut ends = [0; BLOCK];
    for (index, (end, byte)) in ends.iter_mut().zip(block).enumerate() {
        *end = if is_end(*byte) { 1_u8 << (index / 8) } else { 0 };
    }
    let row = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    let rows = ends.chunks_exact(8).fold(0, |rows, bytes| rows | row(bytes));
    if rows & rows.wrapping_sub(1) == 0 {
        // One at most, which most blocks have.
        let place = rows.trailing_zeros();
        return u64::from(rows != 0) << (place % 8 * 8 + place / 8 % 8);
    }
    transpose(rows)
}

/// Exchanges rows and columns of eight times eight bits.
#[inline]
fn transpose(bits: u64) -> u64 {
    let exchange = |bits: u64, mask: u64, distance: u32| {
        let differ = (bits ^ (bits >> distance)) & mask;
        bits ^ differ ^ (differ << distance)
    };
    let bits = exchange(bits, 0x00AA_00AA_00AA_00AA, 7);
    let bits = exchange(bits, 0x0000_CCCC_0000_CCCC, 14);
    exchange(bits, 0x0000_0000_F0F0_F0F0, 28)
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    fn all(bytes: &[u8], returns: bool) -> Vec<usize> {
        let (mut ends, mut at, mut found) = (Ends::default(), 0, Vec::new());
        while let Some(end) = ends.next(bytes, at, returns) {
            assert_eq!(ends.next(bytes, at, returns), Some(end), "it stays until it is passed");
            found.push(end);
            at = end + 1;
        }
        found
    }

    fn expected(bytes: &[u8], returns: bool) -> Vec<usize> {
        let is_end = |byte: u8| byte == b'\n' || returns && byte == b'\r';
        (0..bytes.len()).filter(|&at| is_end(bytes[at])).collect()
    }

    #[test]
    fn each_place_of_a_block_is_found_alone_and_with_each_other() {
        for length in [1, 63, 64, 65, 130] {
            for (first, second) in
                (0..length).flat_map(|first| (0..length).map(move |s| (first, s)))
            {
                let mut bytes = vec![b'x'; length];
                (bytes[first], bytes[second]) = (b'\r', b'\n');
                for returns in [false, true] {
                    assert_eq!(all(&bytes, returns), expected(&bytes, returns), "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn ends_that_lie_close_are_found_however_many() {
        for every in 1..70 {
            let bytes: Vec<_> =
                (0..400).map(|at| if at % every == 0 { b'\n' } else { 0xff }).collect();
            assert_eq!(all(&bytes, false), expected(&bytes, false), "every {every}");
        }
    }

    #[test]
    fn what_is_appended_is_searched_and_what_is_passed_is_not() {
        let text: Vec<_> = (0..300).map(|at| if at % 7 == 0 { b'\n' } else { b'x' }).collect();
        for step in [1, 5, 63, 64, 65, 200] {
            for skip in [1, 2, 9, 70] {
                let (mut ends, mut at, mut found) = (Ends::default(), 0, Vec::new());
                for length in (step..text.len()).step_by(step).chain([text.len()]) {
                    while let Some(end) = ends.next(&text[..length], at, false) {
                        assert_eq!(
                            text[at..=end].iter().position(|&byte| byte == b'\n'),
                            Some(end - at)
                        );
                        found.push(end);
                        at = (end + skip).min(length);
                    }
                    assert!(!text[at..length].contains(&b'\n'));
                }
                assert!(!found.is_empty());
            }
        }
    }
}
