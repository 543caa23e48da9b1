//! Arithmetic of positions: the numbers of granules, 61 bits that wrap. No atomics.
//!
//! # How far apart two positions can be
//!
//! Positions wrap, so a comparison of two of them rests on how far they can be apart. A thread may
//! be stopped between its look at one and its look at another, and meanwhile others go on. They go
//! on faster than memory is written: a slice that is given up moves the position by all that was
//! reserved, for the price of one descriptor. Their speed has a bound because giving up takes time
//! as well ([`GIVE_UP_STEP`]): a pause of the processor for each 256 MiB. The essay (`ring.rs`) has
//! the figures.
//!
//! - *Window*: whether a position lies within a capacity or two behind another
//!   ([`Position::is_within`]). The answer is right until the two have come apart by a whole turn of
//!   2^61 granules, less the window, in the direction that the caller names. All that memory safety
//!   rests on asks this.
//! - *Half a turn* ([`Position::is_before`]): which of two comes first. Right while they are less
//!   than 2^60 granules apart. Only what is counted and shown asks this, and an endpoint about its
//!   own places, which it moves in shorter steps.

/// The unit of reservation: one cache line of ring bytes, described by one descriptor.
///
/// The models shrink it to one word, so that a ring of a few granules is a handful of atomics.
pub(crate) const GRANULE: u64 = if cfg!(overfall_loom) { 8 } else { 64 };

/// The largest capacity: what is left of an address space of 47 bits beside the descriptors.
pub(crate) const MAX_CAPACITY: u64 = 1 << 44;

/// The most payload bytes one slice can describe, rounded down to whole granules.
const MAX_LENGTH: u64 = (u32::MAX as u64) & !(GRANULE - 1);

/// Giving up so many ring bytes takes one `spin_loop`. So positions do not move faster than that.
pub(super) const GIVE_UP_STEP: u64 = 1 << 28;

/// The ring bytes that a slice of `length` payload bytes takes: whole granules, one at least. It
/// does not overflow, because no slice, and nothing in memory, is that long.
#[inline]
pub(crate) const fn slice_size(length: u64) -> u64 {
    let length = if length == 0 { 1 } else { length };
    (length + (GRANULE - 1)) & !(GRANULE - 1)
}

/// Whether a slice of so many payload bytes has some, and takes one granule.
#[inline(always)]
pub(crate) const fn fits_a_granule(length: usize) -> bool {
    length.wrapping_sub(1) < GRANULE as usize
}

/// Whether a slice of so many payload bytes has some, and less than a GiB: then so many granules, and what is
/// computed of them, fit into 32 bits, and no code is needed for others.
#[inline(always)]
pub(crate) const fn is_moderate(length: usize) -> bool {
    length.wrapping_sub(1) < 1 << 30
}

/// The number of a granule since the channel was made; 61 bits, never masked into the ring.
///
/// They are the high bits of a word, so that arithmetic wraps by itself. The low bits are free for
/// words that hold a position and something else ([`Position::raw`]). What users see are bytes, 63
/// bits of them ([`Position::label`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position(u64);

impl Position {
    /// In the models a turn is a few laps, so that positions come round within each of them.
    const BITS: u32 = if cfg!(overfall_loom) { 5 } else { 61 };
    pub(super) const SHIFT: u32 = u64::BITS - Self::BITS;
    /// The bits of a position in bytes, as users see it.
    const LABEL: u64 = (1 << 63) - 1;

    /// The low 61 bits of `granule`.
    #[inline]
    pub(crate) const fn new(granule: u64) -> Self {
        Self(granule << Self::SHIFT)
    }

    /// The number of the granule.
    #[inline]
    pub(crate) const fn granule(self) -> u64 {
        self.0 >> Self::SHIFT
    }

    /// The position as a word whose three low bits are 0.
    #[inline]
    pub(crate) const fn raw(self) -> u64 {
        self.0
    }

    /// The position in a word, whatever its three low bits are.
    #[inline]
    pub(crate) const fn of_raw(raw: u64) -> Self {
        Self(raw & !7)
    }

    /// The position in a word that has nothing else in it.
    #[inline]
    pub(crate) const fn of_clean_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The position whose first byte has this label, a multiple of the granule. What comes close to the
    /// wrap of labels is close to that of positions, too.
    #[inline]
    pub(crate) const fn labelled(label: u64) -> Self {
        // The label's highest bit stands for all the bits that a label does not have.
        let extended = ((label << 1) as i64) >> 1;
        Self::new((extended >> GRANULE.trailing_zeros()) as u64)
    }

    /// The number of the byte at `offset` from here, 63 bits.
    #[inline]
    pub(crate) const fn label(self, offset: u64) -> u64 {
        label_of(self.byte(offset))
    }

    /// The low bits of that number, as many as there are.
    #[inline]
    pub(crate) const fn byte(self, offset: u64) -> u64 {
        let start = if Self::IS_SHORT { self.0 << Self::BYTE } else { self.granule() * GRANULE };
        start.wrapping_add(offset)
    }

    /// Whether the number of a byte in its granule has at least as many bits as a word leaves free.
    /// Then one shift turns a word into bytes.
    const IS_SHORT: bool = GRANULE.trailing_zeros() >= Self::SHIFT;
    /// The bits by which it shifts.
    const BYTE: u32 = GRANULE.trailing_zeros().wrapping_sub(Self::SHIFT) % u64::BITS;

    /// `bytes` ring bytes, whole granules, as a distance of two words.
    #[inline]
    const fn units(bytes: u64) -> u64 {
        if Self::IS_SHORT { bytes >> Self::BYTE } else { (bytes / GRANULE) << Self::SHIFT }
    }

    /// The position `bytes` ring bytes further on: whole granules.
    #[inline]
    pub(crate) const fn plus(self, bytes: u64) -> Self {
        debug_assert!(bytes % GRANULE == 0);
        Self(self.0.wrapping_add(Self::units(bytes)))
    }

    #[inline]
    pub(crate) const fn minus(self, bytes: u64) -> Self {
        debug_assert!(bytes % GRANULE == 0);
        Self(self.0.wrapping_sub(Self::units(bytes)))
    }

    /// The position `granules` further on.
    #[inline]
    pub(super) const fn on(self, granules: u64) -> Self {
        Self(self.0.wrapping_add(granules << Self::SHIFT))
    }

    /// How many granules it is from `origin` forward to here: less than a turn.
    #[inline]
    pub(crate) const fn since(self, origin: Self) -> u64 {
        self.0.wrapping_sub(origin.0) >> Self::SHIFT
    }

    /// Whether `origin` is here, or at most `bytes` behind. If `origin` is elsewhere and moves
    /// away, in either direction, the answer stays `false` until it comes round: for a turn, less
    /// `bytes`.
    #[inline]
    pub(crate) const fn is_within(self, bytes: u64, origin: Self) -> bool {
        self.is_in(Window::of(bytes), origin)
    }

    /// The same, if the caller has made the window already.
    #[inline]
    pub(super) const fn is_in(self, window: Window, origin: Self) -> bool {
        self.0.wrapping_sub(origin.0) <= window.0
    }

    /// Whether this comes first, as long as the two are less than half a turn apart.
    #[inline]
    pub(crate) const fn is_before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i64) < 0
    }

    /// Whether it is a quarter of a turn or more from `origin` to here.
    #[inline]
    pub(crate) const fn is_far_from(self, origin: Self) -> bool {
        self.0.wrapping_sub(origin.0) >= 1 << 62
    }

    /// The ring bytes from `origin` forward to here; at most as many as a label can tell.
    #[inline]
    pub(crate) const fn bytes_since(self, origin: Self) -> u64 {
        const MOST: u64 = Position::LABEL / GRANULE;
        let granules = self.since(origin);
        (if granules < MOST { granules } else { MOST }) * GRANULE
    }
}

/// A number of ring bytes, as a distance of two positions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window(u64);

impl Window {
    #[inline]
    pub(super) const fn of(bytes: u64) -> Self {
        Self(Position::units(bytes))
    }
}

/// The 63 bits of the number of a byte that users see.
pub(crate) const fn label_of(byte: u64) -> u64 {
    byte & Position::LABEL
}

/// How far the byte labelled `label` is past the one labelled `origin`; 0 if it is not past it.
/// Right while the two are less than 2^62 bytes apart.
pub(crate) const fn label_past(label: u64, origin: u64) -> u64 {
    let distance = label.wrapping_sub(origin) & Position::LABEL;
    if distance > Position::LABEL / 2 { 0 } else { distance }
}

/// The size of a ring and what follows from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    capacity: u64,
}

impl Geometry {
    /// `capacity` is a power of two of at least one granule.
    pub(crate) const fn new(capacity: u64) -> Self {
        assert!(capacity.is_power_of_two() && capacity >= GRANULE && capacity <= MAX_CAPACITY);
        Self { capacity }
    }

    #[inline]
    pub(crate) const fn capacity(self) -> u64 {
        self.capacity
    }

    #[inline]
    pub(crate) const fn granules(self) -> usize {
        (self.capacity / GRANULE) as usize
    }

    /// The most bytes one slice can hold.
    #[inline]
    pub(crate) const fn max_slice(self) -> u64 {
        if self.capacity < MAX_LENGTH { self.capacity } else { MAX_LENGTH }
    }

    /// The most granules that one slice can take.
    #[inline]
    pub(super) const fn max_slice_granules(self) -> u64 {
        self.max_slice() / GRANULE
    }

    /// The cursor is less than so many ring bytes past the gate: never more than a capacity, but while
    /// the gate has not passed the padding of a slice that lies over it.
    #[inline]
    pub(super) const fn reach(self) -> u64 {
        2 * self.capacity
    }

    /// The bytes from `position` to the end of its lap, where the ring starts over.
    #[inline]
    pub(crate) const fn rest_of_lap(self, position: Position) -> u64 {
        self.capacity - (position.byte(0) & (self.capacity - 1))
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    /// A turn, in granules.
    const TURN: u64 = 1 << 61;

    #[test]
    fn distances_hold_across_the_wrap() {
        let last = Position::new(TURN - 1);
        let wrapped = last.plus(128);
        assert_eq!(wrapped.granule(), 1);
        assert_eq!(wrapped.since(last), 2);
        assert_eq!(last.since(wrapped), TURN - 2);
        assert_eq!(wrapped.minus(128), last);
        assert!(last.is_before(wrapped) && !wrapped.is_before(last) && !last.is_before(last));
        assert_eq!(wrapped.bytes_since(last), 128);
        assert_eq!(last.bytes_since(wrapped), (1 << 63) - 64);
    }

    #[test]
    fn a_window_is_told_however_far_the_other_has_run() {
        let here = Position::new(TURN - 3);
        let granules = 16;
        for behind in 0..=granules {
            assert!(here.is_within(granules * GRANULE, here.minus(behind * GRANULE)));
        }
        for bit in 0..61 {
            for away in [1 << bit, (1 << bit) + 5, (1u64 << bit).wrapping_sub(1)] {
                if away > granules && away < TURN - granules {
                    let other = Position::new(here.granule().wrapping_sub(away));
                    assert!(!here.is_within(granules * GRANULE, other), "{away} behind");
                }
                if away > 0 {
                    let other = Position::new(here.granule().wrapping_add(away));
                    assert!(!here.is_within(granules * GRANULE, other), "{away} ahead");
                }
            }
        }
    }

    #[test]
    fn labels_are_bytes_and_wrap_with_positions() {
        for label in [0, 64, 4096, (1 << 62) - 64, 1 << 62, (1 << 63) - 4096, (1 << 63) - 64] {
            assert_eq!(Position::labelled(label).label(0), label);
            assert_eq!(Position::labelled(label).label(7), label + 7);
        }
        let last = Position::labelled((1 << 63) - 64);
        assert_eq!(last.granule(), TURN - 1);
        assert_eq!(last.plus(64).granule(), 0);
        assert_eq!(last.plus(64).label(0), 0);
    }

    #[test]
    fn a_lap_ends_where_the_ring_does() {
        let geometry = Geometry::new(256);
        assert_eq!(geometry.rest_of_lap(Position::new(0)), 256);
        assert_eq!(geometry.rest_of_lap(Position::new(4 + 3)), 64);
        assert_eq!(slice_size(0), 64);
        assert_eq!(slice_size(64), 64);
        assert_eq!(slice_size(65), 128);
    }
}
