//! The strong reader: how it comes and goes here, and each of its jobs in a file.

mod bytes;
mod find;
mod hold;
mod lent;
mod messages;
mod window;

pub(super) use lent::{Lent, LentBatch, LentIter, LentOne};
pub use window::Window;

use super::core::{Core, Place};
use super::message::{Header, Message, Messages};
use super::peek::Peeked;
use super::receive::{Receive, receive_methods, wait_for, wait_to_take};
use super::skip::{Skipped, resume};
use super::{Read, WeakReader, reader_methods};
use crate::channel::loss::Missed;
use crate::channel::shared::Shared;
use crate::channel::stats::ReaderStats;
use crate::channel::terms::{StartAt, Strength};
use crate::channel::waiting::{Closed, Waiting};
use crate::error::{ReadError, TryReadError};
use crate::ring::position::Position;
use crate::ring::{Claim, Found, Held, LENT_GRANULES};
use crate::wait::panics::Panics;
use hold::{Hold, Joined};
use lent::{Batch, Latest};
use std::fmt;
use std::sync::Arc;

/// A reader that loses nothing: writers wait for it.
///
/// It reads every slice from where it started to the end of the channel. Make it before the first
/// write, or have writers [wait for it](crate::Builder::wait_for_strong_reader): what was overwritten
/// earlier is lost to it.
///
/// While it stands still, writers go at most [`capacity`](crate::Channel::capacity) ring bytes past
/// it. Then they wait, or discard with [`Backpressure::Drop`](crate::Backpressure::Drop).
///
/// Reads of bytes run across slices. To read without a copy, use
/// [`try_fill_buf`](Self::try_fill_buf) and [`consume`](Self::consume), or the buffered-read
/// traits, which lend bytes where they lie. To receive each slice as a whole, use
/// [`recv`](Self::recv) or [`try_recv`](Self::try_recv).
///
/// When the last strong reader goes, the channel ends by default, and its writers are told:
/// [`Builder::after_last_strong_reader`](crate::Builder::after_last_strong_reader).
pub struct StrongReader {
    /// It goes first: a reader that is dropped while it waits is not woken by what its hold frees or ends.
    core: Core,
    hold: Hold,
    place: Place,
    lent: Loan,
    /// The message that was received last.
    last: Latest,
    batch: Batch,
}

/// What may be consumed without another look.
#[derive(Clone, Copy)]
struct Loan {
    /// So many payload bytes from where the reader stands.
    bytes: u64,
    /// The slice behind the last of them, if there are any.
    end: Position,
}

impl Loan {
    /// What is left of the slice where a reader stands, as far as that is known.
    #[inline]
    fn rest_of(place: &Place) -> Self {
        Self { bytes: place.left(), end: place.after(place.length.unwrap_or(0)).slice }
    }
}

/// A place behind a hold at `oldest`, as `find` tells from a slice on that is intact.
fn find_held(
    shared: &Shared,
    oldest: &Place,
    find: impl Fn(Position) -> Option<Position>,
) -> Place {
    let mut from = oldest.slice;
    loop {
        match find(from) {
            Some(start) => break Place::at(start),
            // Padding at our hold was recycled: what we hold begins after it.
            None => from = shared.ring.oldest_intact(from),
        }
    }
}

impl StrongReader {
    fn at(hold: Hold, core: Core, place: Place) -> Self {
        hold.name(core.id());
        Self {
            core,
            hold,
            place,
            lent: Loan::rest_of(&Place::at(place.slice)),
            last: Latest::default(),
            batch: Batch::default(),
        }
    }

    #[track_caller]
    pub(crate) fn new(shared: &Arc<Shared>, start: StartAt) -> Self {
        let (joined, oldest) = Joined::new(shared);
        let place = match start {
            StartAt::Oldest => None,
            StartAt::Now => {
                // Not before the hold, however old a look this is.
                let reserved = shared.ring.reserved();
                let is_before = reserved.is_before(oldest.slice);
                Some(if is_before { oldest } else { Place::at(reserved) })
            }
            StartAt::Back(bytes) => {
                Some(find_held(shared, &oldest, |from| shared.ring.back(from, bytes)))
            }
            StartAt::Newest => Some(find_held(shared, &oldest, |from| shared.ring.newest(from))),
            StartAt::Position(label) => Some(resume(&shared.ring, oldest.slice, label).0),
        };
        let (hold, place) = match place {
            Some(place) => (joined.stand_at(&place), place),
            None => joined.stand(oldest),
        };
        let core = Core::new(shared.clone(), Strength::Strong, place);
        let reader = Self::at(hold, core, place);
        reader.core.tell_that_it_came();
        reader
    }

    /// A new one at `place`, which `other` keeps; nothing, if the hold of `other` was taken meanwhile, as in
    /// [`from_weak_beside`](Self::from_weak_beside).
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(super) fn new_beside(other: &Self, place: Place) -> Option<Self> {
        let hold = other.hold.joined_beside().stand_at(&place);
        let core = Core::new(other.core.shared().clone(), Strength::Strong, place);
        let reader = Self::at(hold, core, place);
        reader.core.tell_that_it_came();
        (other.hold.is_in_effect() || reader.core.has_terminated()).then_some(reader)
    }

    /// Makes a strong reader of a weak one that stands at `place`, if that is not given back yet.
    #[allow(clippy::result_large_err, reason = "the reader goes back to its owner")]
    #[inline]
    pub(super) fn from_weak(core: Core, place: Place) -> Result<Self, Core> {
        let (joined, oldest) = Joined::new(core.shared());
        let mut start = place;
        let ring = &core.shared().ring;
        // Only padding may lie between the reader and what is kept; then nothing is lost.
        while !ring.can_keep(start.slice, oldest.slice) {
            match ring.find(start.slice) {
                Found::Skip(next) if start.offset == 0 => start = Place::at(next),
                _ => return Err(core),
            }
        }
        Ok(Self::converted(core, joined, start))
    }

    /// The same where `other` stands, which keeps everything from there on; nothing, if the hold of `other` was
    /// taken meanwhile. Who takes it later has seen the one beside it: both went through the registry's lock.
    #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
    pub(super) fn from_weak_beside(core: Core, other: &Self) -> Option<Self> {
        let reader = Self::converted(core, other.hold.joined_beside(), other.place);
        (other.hold.is_in_effect() || reader.core.has_terminated()).then_some(reader)
    }

    fn converted(mut core: Core, joined: Joined, start: Place) -> Self {
        let hold = match core.has_terminated() {
            true => Hold::none(core.shared()),
            false => joined.stand_at(&start),
        };
        core.convert(Strength::Strong, start);
        // Only now it is known for sure.
        let length = match start.offset {
            0 => None,
            _ => core.shared().ring.find_committed(start.slice),
        };
        let place = Place { length, ..start };
        let mut reader = Self::at(hold, core, place);
        reader.settle();
        reader.core.tell_that_it_was_converted();
        reader
    }

    /// Converts this reader into a weak one. Nobody waits for it any more, and it can be overrun. If it
    /// was the last strong one, it does not count as gone: the ring overwrites from now on, whatever
    /// [`AfterLast`](crate::AfterLast) says.
    #[inline]
    pub fn into_weak(mut self) -> WeakReader {
        // Steps over padding: recycled, it would look like a gap to a weak reader.
        let _what_it_finds = self.find_slice();
        self.settle();
        self.give_way();
        let Self { mut core, place, .. } = self;
        // If it was terminated, it has not turned yet.
        core.convert(Strength::Weak, place);
        WeakReader::from_strong(core, place)
    }

    /// Gives up its hold, if it has it still, and turns weak by that, or ends, if that is what the owner of
    /// the channel wants. Tells what its calls say from then on.
    #[cold]
    #[inline(never)]
    pub(super) fn give_way(&mut self) -> ReadError {
        self.core.record_place(self.place);
        // What it has received counts as read, also if it was leaked and so not given back yet.
        let _is_wanted = self.hold.move_to(&self.place);
        match self.hold.held.as_ref().map(Held::unname) {
            Some(Claim { ends: true, .. }) => self.end(),
            Some(Claim { is_taken, .. }) => {
                if is_taken {
                    self.core.learn_that_it_was_taken();
                } else {
                    self.core.convert(Strength::Weak, self.place);
                }
                let mut panics = Panics::new();
                panics.run(|| self.hold.turn_weak());
                if !is_taken {
                    panics.run(|| self.core.tell_that_it_was_converted());
                }
                panics.finish();
            }
            None => {}
        }
        if self.core.has_terminated() { self.core.terminated() } else { ReadError::HoldTaken }
    }

    /// Gives back what has been read, and lets the figures know.
    #[inline(always)]
    pub(crate) fn settle(&mut self) {
        self.core.record_place(self.place);
        if self.hold.move_to(&self.place) {
            self.give_way_at_last();
        }
    }

    /// The same for what was lent, from a committed slice on.
    #[inline(always)]
    pub(super) fn settle_lent(&mut self, first: Position) {
        self.hold.hand_back(first, &self.place);
        self.settle();
    }

    /// The same for what was lent by a mark, from the committed slice at `slice` on, if the reader has come past
    /// that. If not, it stands before it still, and only the mark is taken off. What drops a message is to be
    /// short enough to be inlined.
    #[inline(always)]
    pub(super) fn settle_behind(&mut self, slice: Position) {
        let next = self.place.slice;
        if next.since(slice) < LENT_GRANULES {
            let Hold { shared, held } = &mut self.hold;
            if let Some(passing) = Held::walked(held).and_then(Held::pass_marked) {
                self.core.record_place(self.place);
                passing.end(next);
                if shared.after_pass(&passing) {
                    self.give_way_at_last();
                }
                return;
            }
        }
        self.settle_behind_at_length(slice);
    }

    #[inline(never)]
    fn settle_behind_at_length(&mut self, slice: Position) {
        self.hold.hand_back(slice, &self.place);
        self.core.record_place(self.place);
        if self.hold.move_on_to(&self.place) {
            self.give_way_at_last();
        }
    }

    /// As [`give_way`](Self::give_way), where there is nobody to tell.
    #[cold]
    #[inline(never)]
    fn give_way_at_last(&mut self) {
        let _what_its_next_call_says = self.give_way();
    }
}

reader_methods!(StrongReader);
receive_methods!(StrongReader);

impl Clone for StrongReader {
    /// Another strong reader, which starts where this one stands, even in the middle of a slice.
    ///
    /// While clones are made without a pause, writers find no room. Then `try_write` may fail with
    /// `Full`, and [`Backpressure::Drop`](crate::Backpressure::Drop) discard, though there is room.
    #[track_caller]
    fn clone(&self) -> Self {
        let mut hold = self.hold.another(&self.core);
        let core = self.core.another(self.place);
        if !core.is_strong() {
            // It was terminated, or its hold was taken, perhaps since that of the clone was there.
            if core.has_terminated() { hold.leave() } else { hold.turn_weak() }
        }
        let mut reader = Self::at(hold, core, self.place);
        reader.settle();
        // Who gave room back while this clone was made may not have got as far as to see that
        // (`ring/gate.rs`).
        reader.hold.shared.after_release();
        reader.core.tell_that_it_came();
        #[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
        let reader = super::only::unless_second(reader);
        reader
    }
}
