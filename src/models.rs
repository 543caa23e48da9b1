//! Models: the protocol on the real code, in every interleaving that loom finds.
//!
//! `ci/loom` runs them. Rings have a few granules of one word each, and the number of preemptions is
//! bounded (`PREEMPTIONS`, or `LOOM_MAX_PREEMPTIONS`), which keeps each model to seconds; almost all
//! bugs of this kind show within two or three. Beside each model stands which line it guards, and
//! that it has been seen to fail without it: `ci/mutants` takes these lines out, one at a time, and
//! runs the models that must fail then.

mod absence;
mod account;
mod cursor;
mod ending;
mod exclusive;
mod far;
mod joining;
mod line;
mod messages;
mod overrun;
mod owner;
mod padding;
mod parking;
mod pull;
mod retain;
mod spool;
pub(crate) mod storage;
mod strong;
mod table;
mod taking;
pub(crate) mod touched;
mod waiting;
mod watch;
mod window;

use crate::ring::descriptor::{Description, Joins};
use crate::ring::position::{GRANULE, Geometry, Position, slice_size};
use crate::ring::{Found, Held, Lane, Refused, Reservation, Ring};
use crate::sync::asymmetric::LIGHT_FENCES;
use std::sync::Arc;

const PREEMPTIONS: usize = 3;

/// Runs a model with a bound on preemptions that the environment can raise.
fn model(preemptions: usize, check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    // Where somebody asks again and again, a run is longer than loom allows by itself.
    builder.max_branches = builder.max_branches.max(5_000);
    builder.check(check);
}

/// A model of what stands on heavy fences.
fn model_of_heavy_fences(preemptions: usize, check: impl Fn() + Sync + Send + 'static) {
    LIGHT_FENCES.set(true);
    model(preemptions, check);
    LIGHT_FENCES.set(false);
}

/// A ring of so many granules that starts just before positions wrap.
fn ring(granules: u64) -> Arc<Ring> {
    let capacity = granules * GRANULE;
    Arc::new(
        Ring::new(Geometry::new(capacity), start(granules), crate::sync::asymmetric::begin())
            .unwrap(),
    )
}

/// One lap before positions wrap.
fn start(granules: u64) -> Position {
    Position::new(0).minus(granules * GRANULE)
}

/// One byte that fills a slice.
type Fill = u8;

/// Reserves `granules`; nothing if there is no room.
fn reserve(ring: &Ring, granules: u64) -> Result<Reservation, Refused> {
    reserve_in(ring, &mut ring.lane(), granules)
}

/// The same for a writer with a lane of its own.
fn reserve_in(ring: &Ring, lane: &mut Lane, granules: u64) -> Result<Reservation, Refused> {
    Ok(ring.reserve(lane, granules * GRANULE, 0)?.slice)
}

/// Writes and commits what was reserved.
fn fill(ring: &Ring, reservation: Reservation, fill: Fill) {
    ring.write(&reservation, 0, &vec![fill; reservation.size as usize]);
    let length = reservation.size as u32;
    let (writer, bytes, joins) = (u32::from(fill), u64::from(fill), Joins::default());
    let description = Description { length, writer, sequence: 0, bytes, joins };
    ring.commit(reservation, description);
}

fn write(ring: &Ring, granules: u64, byte: Fill) -> Result<(), Refused> {
    fill(ring, reserve(ring, granules)?, byte);
    Ok(())
}

/// What a strong reader finds: the byte that fills the next slice, which it then consumes.
fn read(ring: &Ring, held: &mut Held) -> Option<Fill> {
    loop {
        let position = held.position();
        match ring.find_held(position) {
            Found::Slice(length) => {
                let mut bytes = vec![0; length as usize];
                assert!(held.mark(), "nobody wants the hold");
                ring.copy_held(held, position, 0, &mut bytes);
                let byte = whole(&ring.describe(position), &bytes);
                let size = slice_size(length);
                ring.release_up_to(held, position.plus(size));
                return Some(byte);
            }
            Found::Skip(next) => ring.release_up_to(held, next),
            Found::Nothing | Found::Overrun => return None,
        }
    }
}

/// Checks that a slice is one writer's, descriptor and bytes, and tells which byte it is.
fn whole(description: &Description, bytes: &[u8]) -> Fill {
    let byte = bytes[0];
    assert!(bytes.iter().all(|&b| b == byte), "torn: {bytes:?}");
    assert_eq!(description.writer, u32::from(byte));
    assert_eq!(description.bytes, u64::from(byte));
    byte
}
