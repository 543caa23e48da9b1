//! Where lines end in what has come: all ends of 64 bytes at a time.
//!
//! A search for the next end by itself, as that of the crate `memchr`, takes about 8 ns for lines of 64 bytes,
//! most of which is the way into it and out again. Here it is 3 ns, and 5 for lines of 40 to 150 bytes, where that one
//! takes 14. Only where a line has a thousand bytes or more the other one is faster, twice as fast. The loop over the
//! bytes has neither branches nor calls, and the compiler makes vectors of it on every processor.

/// So many bytes are looked at together: their ends are bits of a word.
const BLOCK: usize = 64;
/// Of how many ends it looks for no more at a time: there may be an end at every byte.
const ENOUGH: usize = 64;
/// The places of as many as it finds at a time.
const PLACES: usize = ENOUGH + BLOCK;
/// Stands where no end is known. It is behind all of them.
const NONE: usize = usize::MAX;
/// Stands in the place of an end that is a `\r`, which is behind all others by that. No vector has so many bytes.
const RETURN: usize = 1 << (usize::BITS - 1);

/// The ends of lines that are known and not passed.
#[derive(Default, Debug)]
pub(super) struct Ends {
    /// From `next` on, up to [`NONE`], they are not passed. It has [`PLACES`], or none before the first search. With
    /// each `\r` stands [`RETURN`].
    found: Vec<usize>,
    next: usize,
    /// Before this place all were found.
    searched: usize,
}

impl Ends {
    /// The bytes are others.
    #[inline]
    pub(super) fn clear(&mut self) {
        if let Some(first) = self.found.first_mut() {
            *first = NONE;
        }
        (self.next, self.searched) = (0, 0);
    }

    /// The first end, if that is known and a `\n`, or a place behind all of them.
    #[inline(always)]
    pub(super) fn first(&self) -> usize {
        self.found.get(self.next).copied().unwrap_or(NONE)
    }

    /// The first end, which is known, is passed.
    #[inline(always)]
    pub(super) fn pass_first(&mut self) {
        self.next += 1;
    }

    /// Those before this place are passed.
    #[inline]
    pub(super) fn pass_to(&mut self, at: usize) {
        while self.first() & !RETURN < at {
            self.pass_first();
        }
    }

    /// The first end of a line in `bytes` from `at` on, which is a `\n`, or with `returns` a `\r`. Those before `at`
    /// [are passed](Self::pass_to). Bytes may be appended from one call to the next.
    #[inline]
    pub(super) fn find(&mut self, bytes: &[u8], at: usize, returns: bool) -> Option<usize> {
        if self.first() == NONE {
            self.search(bytes, at, returns);
        }
        let first = self.first();
        if first == NONE { None } else { Some(first & !RETURN) }
    }

    /// Searches from `at` on, where that was not done before.
    #[inline(never)]
    fn search(&mut self, bytes: &[u8], at: usize, returns: bool) {
        self.searched = self.searched.max(at);
        if self.searched == bytes.len() {
            return;
        }
        if returns {
            self.search_for(bytes, |byte| byte == b'\n' || byte == b'\r');
            for place in self.found.iter_mut().take_while(|place| **place != NONE) {
                if bytes[*place] == b'\r' {
                    *place |= RETURN;
                }
            }
        } else {
            self.search_for(bytes, |byte| byte == b'\n');
        }
    }

    #[inline]
    fn search_for(&mut self, bytes: &[u8], is_end: impl Fn(u8) -> bool) {
        self.found.resize(PLACES, NONE);
        self.next = 0;
        let Some(found) = self.found.first_chunk_mut::<PLACES>() else { return };
        let (mut count, mut at) = (0, self.searched);
        while let (true, Some(block)) = (count < ENOUGH, bytes[at..].first_chunk()) {
            count = note(found, count, at, find(block, &is_end));
            at += BLOCK;
        }
        let rest = &bytes[at..];
        if count < ENOUGH && !rest.is_empty() {
            let mut last = [0; BLOCK];
            last[..rest.len()].copy_from_slice(rest);
            count = note(found, count, at, find(&last, &is_end));
            at = bytes.len();
        }
        self.searched = at;
        if let Some(behind) = found.get_mut(count) {
            *behind = NONE;
        }
    }
}

/// Notes the ends of the block at `at`, which [`find`] has found, behind `count` others. Tells how many there are.
#[inline(always)]
fn note(found: &mut [usize; PLACES], mut count: usize, at: usize, rows: u64) -> usize {
    if rows & rows.wrapping_sub(1) == 0 {
        // One at most, which most blocks have. If there is none, the next one takes its place: whether there is
        // cannot be foreseen, and a branch that is guessed wrong takes longer than a store.
        let place = rows.trailing_zeros() as usize;
        found[count % PLACES] = at + (place << 3 | place >> 3) % BLOCK;
        return count + usize::from(rows != 0);
    }
    let mut ends = transpose(rows);
    while ends != 0 {
        found[count % PLACES] = at + ends.trailing_zeros() as usize;
        count += 1;
        ends &= ends - 1;
    }
    count
}

/// The bytes of a block that are such, as bits, in eight rows of eight bytes: the number of the row is that of the
/// bit. So the rows lie upon each other in one word, in which the number of a byte is that of the column.
#[inline]
fn find(block: &[u8; BLOCK], is_end: impl Fn(u8) -> bool) -> u64 {
    let mut ends = [0; BLOCK];
    for (index, (end, byte)) in ends.iter_mut().zip(block).enumerate() {
        *end = if is_end(*byte) { 1_u8 << (index / 8) } else { 0 };
    }
    let row = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    ends.chunks_exact(8).fold(0, |rows, bytes| rows | row(bytes))
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
        while let Some(end) = ends.find(bytes, at, returns) {
            assert_eq!(ends.find(bytes, at, returns), Some(end), "it stays until it is passed");
            found.push(end);
            at = end + 1;
            ends.pass_to(at);
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
                    while let Some(end) = ends.find(&text[..length], at, false) {
                        assert_eq!(
                            text[at..=end].iter().position(|&byte| byte == b'\n'),
                            Some(end - at)
                        );
                        found.push(end);
                        at = (end + skip).min(length);
                        ends.pass_to(at);
                    }
                    assert!(!text[at..length].contains(&b'\n'));
                }
                assert!(!found.is_empty());
            }
        }
    }
}
