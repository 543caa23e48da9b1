//! Arithmetic of positions: 63 bits that wrap, no atomics.

/// The unit of reservation: one cache line of ring bytes, described by one descriptor.
///
/// The models shrink it to one word, so that a ring of a few granules is a handful of atomics.
pub(crate) const GRANULE: u64 = if cfg!(overfall_loom) { 8 } else { 64 };

/// The largest capacity: positions in the gate's word are rebuilt from 40 bits of granules, which
/// must leave room to tell before from after.
pub(crate) const MAX_CAPACITY: u64 = 1 << 44;

/// The most payload bytes one slice can describe, rounded down to whole granules.
const MAX_LENGTH: u64 = (u32::MAX as u64) & !(GRANULE - 1);

/// The ring bytes that a slice of `length` payload bytes takes: whole granules, one at least. No
/// slice, and nothing in memory, is so long that this overflows.
#[inline]
pub(crate) const fn slice_size(length: u64) -> u64 {
    if length == 0 { GRANULE } else { (length + (GRANULE - 1)) & !(GRANULE - 1) }
}

/// The number of a ring byte since the channel was made; 63 bits, never masked into the ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position(u64);

impl Position {
    const BITS: u64 = (1 << 63) - 1;

    /// The low 63 bits of `raw`.
    pub(crate) const fn new(raw: u64) -> Self {
        Self(raw & Self::BITS)
    }

    #[inline]
    pub(crate) const fn raw(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) const fn plus(self, bytes: u64) -> Self {
        Self::new(self.0.wrapping_add(bytes))
    }

    #[inline]
    pub(crate) const fn minus(self, bytes: u64) -> Self {
        Self::new(self.0.wrapping_sub(bytes))
    }

    /// `self - origin`, negative when `self` comes first. Right as long as the two are less than
    /// 2^62 bytes apart, which is years of writing at memory speed.
    #[inline]
    pub(crate) const fn distance_from(self, origin: Self) -> i64 {
        ((self.0.wrapping_sub(origin.0) << 1) as i64) >> 1
    }

    /// How far `self` is past `origin`; 0 when it is not.
    #[inline]
    pub(crate) const fn past(self, origin: Self) -> u64 {
        let distance = self.distance_from(origin);
        if distance > 0 { distance as u64 } else { 0 }
    }

    #[inline]
    pub(crate) const fn is_before(self, other: Self) -> bool {
        self.distance_from(other) < 0
    }

    #[inline]
    pub(crate) const fn earlier_of(self, other: Self) -> Self {
        if self.is_before(other) { self } else { other }
    }

    #[inline]
    pub(crate) const fn later_of(self, other: Self) -> Self {
        if self.is_before(other) { other } else { self }
    }
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

    /// The bytes from `position` to the end of its lap, where the ring starts over.
    #[inline]
    pub(crate) const fn rest_of_lap(self, position: Position) -> u64 {
        self.capacity - (position.raw() & (self.capacity - 1))
    }
}

#[cfg(all(test, not(overfall_loom)))]
mod tests {
    use super::*;

    #[test]
    fn distances_hold_across_the_wrap_of_63_bits() {
        let last = Position::new(u64::MAX - 63);
        let wrapped = last.plus(128);
        assert_eq!(wrapped.raw(), 64);
        assert_eq!(wrapped.distance_from(last), 128);
        assert_eq!(last.distance_from(wrapped), -128);
        assert_eq!(wrapped.minus(128), last);
        assert!(last.is_before(wrapped));
        assert_eq!(last.past(wrapped), 0);
        assert_eq!(last.later_of(wrapped), wrapped);
    }

    #[test]
    fn a_lap_ends_where_the_ring_does() {
        let geometry = Geometry::new(256);
        assert_eq!(geometry.rest_of_lap(Position::new(0)), 256);
        assert_eq!(geometry.rest_of_lap(Position::new(256 + 192)), 64);
        assert_eq!(slice_size(0), 64);
        assert_eq!(slice_size(64), 64);
        assert_eq!(slice_size(65), 128);
    }
}
