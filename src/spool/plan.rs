//! Which segment a byte lies in: arithmetic alone.

use std::num::NonZeroU64;

/// How the segments of a spool in memory grow. Sizes are in bytes.
///
/// A large first segment wastes memory on short streams, and small ones cost long streams time: a
/// segment is one allocation, and a piece that is lent ends where its segment ends.
///
/// The default is `Geometric { first: 16 KiB, max: 1 MiB }`, where all is kept. For bounded history see
/// [`Builder::retain`](super::Builder::retain).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Growth {
    /// All segments have the same size.
    Constant {
        /// That size.
        size: usize,
    },
    /// Each is larger than the one before by the size of the first one, up to a maximum.
    Linear {
        /// The size of the first one.
        first: usize,
        /// The size of the largest one.
        max: usize,
    },
    /// Each is twice as large as the one before, up to a maximum.
    Geometric {
        /// The size of the first one.
        first: usize,
        /// The size of the largest one.
        max: usize,
    },
}

impl Default for Growth {
    fn default() -> Self {
        Self::Geometric { first: 16 << 10, max: 1 << 20 }
    }
}

/// A segment: its number, where it begins, and how long it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    pub(super) index: u64,
    pub(super) begin: u64,
    pub(super) size: u64,
}

/// Segments that grow from `first`, and from segment `ramp` on are of the size `max`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    first: NonZeroU64,
    max: NonZeroU64,
    is_linear: bool,
    ramp: u64,
    /// What those before `ramp` have in all.
    ramp_bytes: u64,
}

impl Plan {
    /// `None` if a size is 0, the first is larger than the largest, or it takes more than 2^60 bytes to
    /// get there.
    pub(super) fn new(growth: Growth) -> Option<Self> {
        let (is_linear, first, max) = match growth {
            Growth::Constant { size } => (false, size, size),
            Growth::Linear { first, max } => (true, first, max),
            Growth::Geometric { first, max } => (false, first, max),
        };
        let [first, max] = [first, max].map(|size| NonZeroU64::new(size as u64));
        let (first, max) = (first?, max?);
        if first > max {
            return None;
        }
        let (ramp, ramp_bytes) = if is_linear {
            let ramp = max.get().div_ceil(first.get()) - 1;
            // Less than max²: 128 bits, if memory had so much.
            let bytes = u128::from(first.get()) * u128::from(ramp) * u128::from(ramp + 1) / 2;
            (ramp, u64::try_from(bytes).ok()?)
        } else {
            let ratio = max.get().div_ceil(first.get());
            let ramp = u64::from(ratio.next_power_of_two().trailing_zeros());
            (ramp, first.get().checked_mul((1 << ramp) - 1)?)
        };
        (ramp_bytes <= 1 << 60).then_some(Self { first, max, is_linear, ramp, ramp_bytes })
    }

    /// The size of the largest segment.
    pub(super) fn largest(&self) -> u64 {
        self.max.get()
    }

    /// The size of a segment.
    pub(super) fn size(&self, index: u64) -> u64 {
        match index {
            _ if index >= self.ramp => self.max.get(),
            _ if self.is_linear => self.first.get() * (index + 1),
            _ => self.first.get() << index,
        }
    }

    /// The segment of the byte at `offset`.
    pub(super) fn locate(&self, offset: u64) -> Extent {
        let (first, max) = (self.first.get(), self.max.get());
        if offset >= self.ramp_bytes {
            let beyond = (offset - self.ramp_bytes) / self.max;
            let begin = self.ramp_bytes + beyond * max;
            return Extent { index: self.ramp + beyond, begin, size: max };
        }
        let whole = offset / self.first;
        if self.is_linear {
            // The largest k with k(k + 1)/2 <= whole. On the ramp `whole` is less than 2^60.
            let index = ((8 * whole + 1).isqrt() - 1) / 2;
            Extent { index, begin: first * (index * (index + 1) / 2), size: first * (index + 1) }
        } else {
            let index = u64::from((whole + 1).ilog2());
            Extent { index, begin: first * ((1 << index) - 1), size: first << index }
        }
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    /// The sizes that the docs promise.
    fn size(growth: Growth, index: u64) -> u64 {
        match growth {
            Growth::Constant { size } => size as u64,
            Growth::Linear { first, max } => (first as u64 * (index + 1)).min(max as u64),
            Growth::Geometric { first, max } => ((first as u64) << index.min(40)).min(max as u64),
        }
    }

    #[test]
    fn each_byte_lies_in_the_segment_of_which_the_sizes_before_tell() {
        let mut growths = vec![Growth::Constant { size: 1 }, Growth::Constant { size: 7 }];
        for (first, max) in [(1, 1), (1, 2), (1, 9), (3, 3), (3, 10), (4, 64), (5, 81), (6, 7)] {
            growths.push(Growth::Linear { first, max });
            growths.push(Growth::Geometric { first, max });
        }
        for growth in growths {
            let plan = Plan::new(growth).unwrap();
            let mut begin = 0;
            for index in 0..50 {
                let size = size(growth, index);
                assert_eq!(plan.size(index), size, "{growth:?}");
                for offset in begin..begin + size {
                    assert_eq!(plan.locate(offset), Extent { index, begin, size }, "{growth:?}");
                }
                begin += size;
            }
        }
    }

    #[test]
    fn offsets_far_away_have_their_place() {
        for growth in [
            Growth::default(),
            Growth::Constant { size: usize::MAX },
            Growth::Linear { first: 1 << 20, max: 1 << 30 },
            Growth::Geometric { first: 1, max: 1 << 31 },
        ] {
            let plan = Plan::new(growth).unwrap();
            for offset in [1 << 40, (1 << 61) - 1, u64::MAX / 2] {
                let Extent { begin, size, .. } = plan.locate(offset);
                assert!(begin <= offset && offset - begin < size, "{growth:?} {offset}");
            }
        }
    }

    #[test]
    fn sizes_that_make_no_sense_are_refused() {
        for growth in [
            Growth::Constant { size: 0 },
            Growth::Linear { first: 0, max: 5 },
            Growth::Linear { first: 6, max: 5 },
            Growth::Geometric { first: 1, max: 0 },
            Growth::Geometric { first: 2, max: 1 },
        ] {
            assert!(Plan::new(growth).is_none(), "{growth:?}");
        }
    }
}
