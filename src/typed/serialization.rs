//! Values as bytes: in a buffer, or straight into the ring.

use super::TrySendError;
use super::reader::{MAX_DEPTH, Receivable, is_valid, validate};
use crate::channel::writer::slice::Slice;
use crate::io::layers::HasCore;
use rkyv::Archive;
use rkyv::api::high::HighSerializer;
use rkyv::api::serialize_using;
use rkyv::rancor::{BoxedError as Error, Failure, Source};
use rkyv::ser::allocator::{Arena, ArenaHandle};
use rkyv::ser::sharing::Share;
use rkyv::ser::{Positional, Writer as Serializer};
use rkyv::util::AlignedVec;

/// Where messages start in memory: no part of a value may ask for more.
const ALIGNMENT: usize = 64;

/// What can be sent: every type that derives rkyv's `Archive` and `Serialize`, and can be received.
///
/// ```compile_fail,E0277
/// struct Reading(f32); // derives nothing
///
/// let channel = overfall::typed::Channel::<Reading>::new(1024);
/// channel.new_writer().try_send(&Reading(21.5)); // "derive `rkyv::Archive` and `rkyv::Serialize`"
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent through a typed channel",
    label = "derive `rkyv::Archive` and `rkyv::Serialize` for `{Self}`",
    note = "every part of it needs them as well"
)]
pub trait Sendable:
    Receivable
    + for<'a> rkyv::Serialize<HighSerializer<Target<'a>, ArenaHandle<'a>, Failure>>
    + for<'a> rkyv::Serialize<HighSerializer<Target<'a>, ArenaHandle<'a>, Error>>
{
}

#[diagnostic::do_not_recommend]
impl<T> Sendable for T where
    T: Receivable
        + for<'a> rkyv::Serialize<HighSerializer<Target<'a>, ArenaHandle<'a>, Failure>>
        + for<'a> rkyv::Serialize<HighSerializer<Target<'a>, ArenaHandle<'a>, Error>>
{
}

/// Where a value is serialized to.
#[derive(Debug)]
pub struct Target<'a> {
    to: Destination<'a>,
    /// So many bytes at most.
    limit: usize,
    position: usize,
    /// How many parts were written. Each level of nesting is one at least.
    parts: usize,
}

#[derive(Debug)]
pub(super) enum Destination<'a> {
    /// To measure its length.
    Nowhere,
    /// From an offset on.
    Slice {
        slice: &'a Slice<'a>,
        offset: usize,
    },
    Scratch(&'a mut Scratch),
}

/// Aligned as messages are.
type Scratch = AlignedVec<ALIGNMENT>;

impl Positional for Target<'_> {
    #[inline]
    fn pos(&self) -> usize {
        self.position
    }
}

impl<E: Source> Serializer<E> for Target<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), E> {
        if bytes.len() > self.limit - self.position {
            return Err(unsteady());
        }
        match &mut self.to {
            Destination::Nowhere => {}
            Destination::Slice { slice, offset } => slice.fill(*offset + self.position, bytes),
            Destination::Scratch(scratch) => scratch.extend_from_slice(bytes),
        }
        self.position += bytes.len();
        self.parts += 1;
        Ok(())
    }
}

/// A value that serializes to another number of bytes the second time than the first, or an iterator
/// that gives another number of values.
#[derive(Debug, thiserror::Error)]
#[error(
    "the value changed its length while it was serialized: its `Serialize`, or the iterator of the \
     batch, does not always do the same"
)]
struct Unsteady;

pub(super) fn unsteady<E: Source>() -> E {
    E::new(Unsteady)
}

/// A value that every reader would refuse.
#[derive(Debug, thiserror::Error)]
#[error(
    "no reader would accept the value: it is nested deeper than {MAX_DEPTH} levels, or not valid \
     for its own type; send it in parts, or flat, as a list of its nodes"
)]
struct Unacceptable {
    source: Error,
}

/// Up to this length values are serialized aside, and copied into the ring: the copy costs less than to fill a slice
/// part by part.
const SHORT: usize = 1024;

/// How long the next value will be, if the last few were all as long.
///
/// Serializing a long value twice costs about as much as all the rest of sending it. So if the last
/// values had the same length, a slice of that length is reserved at once. If it turns out too
/// short, it is given up, and the value is measured as any other.
#[derive(Debug, Default)]
struct Guess {
    /// In whole granules.
    size: usize,
    /// How many values in a row had it.
    streak: usize,
}

impl Guess {
    /// A shorter streak is no reason to guess.
    const STREAK: usize = 4;

    #[inline]
    fn get(&self) -> Option<usize> {
        (self.streak >= Self::STREAK).then_some(self.size)
    }

    #[inline]
    fn learn(&mut self, length: usize) {
        let size = length.max(1).next_multiple_of(ALIGNMENT);
        self.streak = if size == self.size { self.streak + 1 } else { 0 };
        self.size = size;
    }
}

/// Whether readers accept the value.
fn check<T: Sendable>(bytes: &[u8]) -> Result<(), Error> {
    if is_valid::<T>(bytes) {
        return Ok(());
    }
    validate::<T>(bytes).map_err(|source| Error::new(Unacceptable { source }))
}

/// What serializing keeps from one value to the next.
///
/// A [short](SHORT) value is serialized into `scratch`, and sent as any bytes are. A long one is measured and goes
/// straight into the ring.
///
/// Readers validate what they receive, to a certain depth. A value of few parts cannot be nested deeper. One of
/// many parts is serialized into `scratch`, however long, validated there as readers do it, and copied.
pub(super) struct Serialization {
    /// Memory of the serializer.
    arena: Arena,
    guess: Guess,
    /// The value that was measured last, if it has many parts; otherwise empty. Or one that is short.
    pub(super) scratch: Scratch,
    /// Of the values of a batch.
    pub(super) lengths: Vec<u64>,
}

/// All of a slice.
fn whole<'a>(slice: &'a Slice<'a>) -> (Destination<'a>, usize) {
    (Destination::Slice { slice, offset: 0 }, slice.len())
}

/// Serializes a value, and tells how long it became, and whether it has many parts.
#[inline]
fn serialize<T, E: Source>(
    arena: &mut Arena,
    value: &T,
    (to, limit): (Destination<'_>, usize),
) -> Result<(usize, bool), E>
where
    T: for<'a> rkyv::Serialize<HighSerializer<Target<'a>, ArenaHandle<'a>, E>>,
{
    const {
        assert!(
            align_of::<<T as Archive>::Archived>() <= ALIGNMENT,
            "messages are aligned to 64 bytes, and the archived type asks for more"
        );
    }
    let target = Target { to, limit, position: 0, parts: 0 };
    let mut serializer = rkyv::ser::Serializer::new(target, arena.acquire(), Share::new());
    serialize_using(value, &mut serializer)?;
    let Target { position, parts, .. } = serializer.into_writer();
    Ok((position, parts >= MAX_DEPTH))
}

impl Serialization {
    pub(super) fn new() -> Self {
        Self {
            arena: Arena::new(),
            guess: Guess::default(),
            scratch: Scratch::new(),
            lengths: Vec::new(),
        }
    }

    /// Sends a value without waiting.
    #[inline]
    pub(super) fn try_send<T: Sendable>(
        &mut self,
        value: &T,
        writer: &mut impl HasCore,
    ) -> Result<(), TrySendError> {
        if let Some(message) = self.short(value) {
            return Ok(writer.writer_core().try_send(message)?);
        }
        if self.send_as_guessed(value, writer) {
            return Ok(());
        }
        let length = self.measure(value).map_err(TrySendError::Serialize)?;
        let core = writer.writer_core();
        let reservation = core.try_reserve(length)?;
        let slice = Slice::of_writer(core, reservation, length);
        self.fill(value, slice).map_err(TrySendError::Serialize)
    }

    /// A value as the bytes of its message, if it is short and readers accept it. If not, the long way finds out what
    /// is wrong. Behind some long values nobody tries.
    #[inline]
    pub(super) fn short<T: Sendable>(&mut self, value: &T) -> Option<&[u8]> {
        if self.guess.get().is_some() {
            return None;
        }
        self.scratch.clear();
        self.append(value, SHORT)?;
        Some(&self.scratch)
    }

    /// Puts the bytes of a value behind those that are there, and tells how many they are; nothing if all were more
    /// than `limit`, or it is for the long way.
    #[inline]
    pub(super) fn append<T: Sendable>(&mut self, value: &T, limit: usize) -> Option<usize> {
        let start = self.scratch.len();
        let to = Destination::Scratch(&mut self.scratch);
        // The error need not say what is wrong (`is_valid` in `reader.rs`).
        let serialized = serialize::<T, Failure>(&mut self.arena, value, (to, limit - start));
        let (length, has_many_parts) = serialized.ok()?;
        // What is validated is aligned as messages are.
        let is_acceptable = !has_many_parts || start == 0 && is_valid::<T>(&self.scratch);
        is_acceptable.then_some(length)
    }

    /// A value as the bytes of its message, if readers accept it.
    #[cfg(feature = "futures")]
    pub(super) fn serialize_aside<T: Sendable>(&mut self, value: &T) -> Result<Vec<u8>, Error> {
        self.scratch.clear();
        let to = Destination::Scratch(&mut self.scratch);
        let (_, has_many_parts) = serialize(&mut self.arena, value, (to, usize::MAX))?;
        if has_many_parts {
            check::<T>(&self.scratch)?;
        }
        Ok(self.scratch.to_vec())
    }

    /// Serializes a value, and tells how long it became.
    #[inline]
    pub(super) fn serialize<T: Sendable>(
        &mut self,
        value: &T,
        to: (Destination<'_>, usize),
    ) -> Result<usize, Error> {
        serialize(&mut self.arena, value, to).map(|(length, _)| length)
    }

    /// Tells how long a value becomes, if readers accept it.
    #[inline]
    pub(super) fn length<T: Sendable>(&mut self, value: &T) -> Result<usize, Error> {
        self.scratch.clear();
        let nowhere = (Destination::Nowhere, usize::MAX);
        let (length, has_many_parts) = serialize(&mut self.arena, value, nowhere)?;
        if has_many_parts { self.validate(value) } else { Ok(length) }
    }

    #[cold]
    fn validate<T: Sendable>(&mut self, value: &T) -> Result<usize, Error> {
        self.guess = Guess::default();
        let to = Destination::Scratch(&mut self.scratch);
        serialize(&mut self.arena, value, (to, usize::MAX))?;
        check::<T>(&self.scratch)?;
        Ok(self.scratch.len())
    }

    /// The same for the next value.
    #[inline]
    pub(super) fn measure<T: Sendable>(&mut self, value: &T) -> Result<usize, Error> {
        let length = self.length(value)?;
        if self.scratch.is_empty() {
            self.guess.learn(length);
        }
        Ok(length)
    }

    /// Fills a slice with the value that was measured, and commits it. On an error the slice is given up.
    #[inline]
    pub(super) fn fill<T: Sendable>(&mut self, value: &T, slice: Slice<'_>) -> Result<(), Error> {
        let length = if self.scratch.is_empty() {
            self.serialize(value, whole(&slice))?
        } else {
            slice.fill(0, &self.scratch);
            self.scratch.len()
        };
        slice.commit_filled(length);
        Ok(())
    }

    /// Sends a value that is no longer than those before it, and tells whether it was sent.
    #[inline]
    pub(super) fn send_as_guessed<T: Sendable>(
        &mut self,
        value: &T,
        writer: &mut impl HasCore,
    ) -> bool {
        let Some(size) = self.guess.get() else { return false };
        let core = writer.writer_core();
        let Ok(reservation) = core.try_reserve(size) else { return false };
        let slice = Slice::of_writer(core, reservation, size);
        // If anything is wrong, or many parts are to be validated, the long way finds it again.
        let serialized = serialize::<T, Failure>(&mut self.arena, value, whole(&slice));
        let Ok((length, false)) = serialized else { return false };
        slice.commit_filled(length);
        self.guess.learn(length);
        true
    }
}
