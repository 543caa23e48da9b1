//! ESSAY

pub(crate) mod copy;
pub(crate) mod descriptor;
mod gate;
pub(crate) mod position;
mod read;
mod reserve;
#[cfg(not(overfall_loom))]
mod storage;

#[cfg(overfall_loom)]
use crate::models::storage;
use crate::sync::{AtomicU64, Ordering};
use crossbeam_utils::CachePadded;
use descriptor::Descriptor;
use gate::Gate;
use position::{GRANULE, Geometry, Position};
pub(crate) use read::{Found, Held};
pub(crate) use reserve::{Refused, Reservation, Reserved};
use storage::Storage;

/// Set in `reserved` when no more slices are taken.
const CLOSED: u64 = 1 << 63;

#[derive(Debug)]
pub(crate) struct Ring {
    geometry: Geometry,
    storage: Storage,
    descriptors: Box<[Descriptor]>,
    /// Every position below it belongs to some slice. Bit 63 says that the channel is closed.
    reserved: CachePadded<AtomicU64>,
    gate: Gate,
    /// Where the first slice lies.
    start: Position,
}

impl Ring {
    /// A ring of `geometry` whose first slice lies at `start`, a multiple of the granule; nothing
    /// if there is no memory for it.
    pub(crate) fn new(geometry: Geometry, start: Position) -> Option<Self> {
        assert!(start.raw() % GRANULE == 0);
        let mut descriptors = Vec::new();
        descriptors.try_reserve_exact(geometry.granules()).ok()?;
        descriptors.resize_with(geometry.granules(), Descriptor::new);
        Some(Self {
            geometry,
            storage: Storage::new(usize::try_from(geometry.capacity()).ok()?)?,
            descriptors: descriptors.into_boxed_slice(),
            reserved: CachePadded::new(AtomicU64::new(start.raw())),
            gate: Gate::new(start),
            start,
        })
    }

    pub(crate) fn geometry(&self) -> Geometry {
        self.geometry
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.geometry.capacity()
    }

    pub(crate) fn start(&self) -> Position {
        self.start
    }

    /// Where the next slice will lie. Relaxed: only a fence gives it a meaning for others' bytes.
    pub(crate) fn reserved(&self) -> Position {
        Position::new(self.reserved.load(Ordering::Relaxed))
    }

    /// The lowest position that strong readers can still join at.
    pub(crate) fn gate(&self) -> Position {
        let seen = self.gate.load();
        seen.position(self.reserved())
    }

    fn descriptor(&self, position: Position) -> &Descriptor {
        &self.descriptors[self.geometry.granule(position)]
    }
}
