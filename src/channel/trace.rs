//! Events of the feature `tracing`; without it, nothing of this is there. `guide::features` has a table of them.
//!
//! A subscriber may do anything with an event, and so also write it into the very ring that it tells
//! of. Three rules keep that from doing harm:
//!
//! - *An event comes last*, when whatever it tells of is in order and no lock of ours is held: the
//!   subscriber may call back, and it may panic. One that panics while the thread unwinds already is
//!   caught, since our destructors tell events, too.
//! - *No event comes from within an event.* A flag of the thread says that a subscriber has one of ours
//!   in hand (`wait/inside.rs`). Until it is done, nothing else is told on that thread.
//! - *From within an event nobody waits.* Whatever would begin to wait looks at that flag. A write for
//!   which there is no room is dropped and counted, as with `Backpressure::Drop`, and a read that finds
//!   nothing fails.
//!
//! Drops are counted here for the channel as a whole, as writers may be made for one message each. They
//! are told when their number has doubled, and after each 65536 at the latest: by the `send` that
//! dropped, or else behind the next event of the channel. That is so for what was dropped within an
//! event, and for writes of the io traits: log subscribers use these, with a lock of their own around
//! the writer, and an event from within the write would have them wait for themselves.

#[cfg(feature = "tracing")]
use std::sync::Arc;

/// The channel that an event tells of.
pub(crate) trait Source {
    /// What its maker calls it.
    #[cfg(feature = "tracing")]
    fn name(&self) -> Option<&str>;

    /// What a writer is called.
    #[cfg(feature = "tracing")]
    fn name_of(&self, writer: u32) -> Option<Arc<str>>;

    /// What a reader is called.
    #[cfg(feature = "tracing")]
    fn name_of_reader(&self, reader: u32) -> Option<Arc<str>>;

    #[cfg(feature = "tracing")]
    fn log(&self) -> &Log;
}

#[cfg(feature = "tracing")]
mod events {
    use super::Source;
    use crate::channel::terms::{Ending, Strength};
    use crate::sync::{AtomicU32, AtomicU64, Ordering};
    use crate::wait::inside::{Inside, is_inside};
    use crate::wait::reader_figures::ReaderFigures;
    use std::borrow::Cow;
    use std::mem;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::thread;

    /// Gives an event to the subscriber, and tells whether it did: not from within another one.
    fn give(event: impl FnOnce()) -> bool {
        let Some(_inside) = Inside::enter() else { return false };
        if !thread::panicking() {
            event();
        } else if let Err(panic) = catch_unwind(AssertUnwindSafe(event)) {
            // The thread has a panic to tell of. What this one carries may panic when it is dropped.
            mem::forget(panic);
        }
        true
    }

    /// Tells an event of a channel, and then what was dropped meanwhile.
    fn tell(source: &impl Source, event: impl FnOnce()) {
        if give(event) {
            tell_drops(source);
        }
    }

    /// What a channel keeps for its events.
    #[derive(Debug)]
    pub(crate) struct Log {
        /// The number of this channel in the process, from 1 on.
        number: u64,
        dropped_slices: AtomicU64,
        dropped_bytes: AtomicU64,
        /// Who dropped last.
        writer: AtomicU32,
        /// How many dropped slices are told next.
        tell_at: AtomicU64,
    }

    impl Log {
        pub(crate) fn new() -> Self {
            static CHANNELS: AtomicU64 = AtomicU64::new(0);
            Self {
                // Relaxed here and below: figures order nothing.
                number: CHANNELS.fetch_add(1, Ordering::Relaxed) + 1,
                dropped_slices: AtomicU64::new(0),
                dropped_bytes: AtomicU64::new(0),
                writer: AtomicU32::new(0),
                tell_at: AtomicU64::new(1),
            }
        }
    }

    /// Drops are told after so many at the latest.
    const DROPS: u64 = 1 << 16;

    /// A channel's name, or its number.
    fn label(source: &impl Source) -> Cow<'_, str> {
        match source.name() {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("#{}", source.log().number)),
        }
    }

    pub(crate) fn made(source: &impl Source, capacity: u64) {
        tell(source, || {
            tracing::debug!(target: "overfall", channel = &*label(source), capacity, "channel made");
        });
    }

    pub(crate) fn ended(source: &impl Source, capacity: u64, ending: Ending) {
        tell(source, || {
            tracing::debug!(
                target: "overfall", channel = &*label(source), capacity, ?ending, "channel ended"
            );
        });
    }

    pub(crate) fn came(source: &impl Source, endpoint: &str, strength: Strength, id: u32) {
        tell(source, || {
            tracing::debug!(
                target: "overfall", channel = &*label(source), endpoint, ?strength, id, "endpoint came"
            );
        });
    }

    /// It is strong, or weak, from now on.
    pub(crate) fn converted(source: &impl Source, endpoint: &str, strength: Strength, id: u32) {
        tell(source, || {
            let is_writer = endpoint == "writer";
            let name = || if is_writer { source.name_of(id) } else { source.name_of_reader(id) };
            tracing::debug!(
                target: "overfall", channel = &*label(source), endpoint, ?strength, id,
                name = name().as_deref(), "endpoint turned"
            );
        });
    }

    /// By now the channel may have forgotten the name that it had.
    pub(crate) fn went(
        source: &impl Source,
        endpoint: &str,
        strength: Strength,
        id: u32,
        name: Option<Arc<str>>,
    ) {
        tell(source, || {
            tracing::debug!(
                target: "overfall", channel = &*label(source), endpoint, ?strength, id,
                name = name.as_deref(), "endpoint went"
            );
        });
    }

    /// What a weak reader had missed before an operation.
    #[derive(Clone, Copy)]
    pub(crate) struct Before(u64);

    impl Before {
        #[inline]
        pub(crate) fn of(figures: &ReaderFigures) -> Self {
            Self(figures.skipped_ring_bytes.get())
        }
    }

    /// What it has missed since.
    #[inline]
    pub(crate) fn skipped_since(figures: &ReaderFigures, before: Before) -> u64 {
        figures.skipped_ring_bytes.get().wrapping_sub(before.0)
    }

    /// Tells it.
    pub(crate) fn lagged(source: &impl Source, id: u32, ring_bytes: u64) {
        tell(source, || {
            tracing::debug!(
                target: "overfall", channel = &*label(source), id, ring_bytes,
                name = source.name_of_reader(id).as_deref(), "weak reader overrun"
            );
        });
    }

    /// Counts what a writer has dropped.
    pub(crate) fn dropped(source: &impl Source, writer: u32, slices: u64, bytes: u64) {
        let log = source.log();
        log.writer.store(writer, Ordering::Relaxed);
        log.dropped_bytes.fetch_add(bytes, Ordering::Relaxed);
        log.dropped_slices.fetch_add(slices, Ordering::Relaxed);
    }

    /// Tells what was dropped, if it is so much. Not from within an event.
    pub(crate) fn tell_drops(source: &impl Source) {
        if is_inside() {
            return;
        }
        let log = source.log();
        let slices = log.dropped_slices.load(Ordering::Relaxed);
        let tell_at = log.tell_at.load(Ordering::Relaxed);
        if slices < tell_at {
            return;
        }
        let next = (slices + 1).next_power_of_two().min(slices + DROPS);
        let order = Ordering::Relaxed;
        // Of several threads that come to this, one tells it.
        if log.tell_at.compare_exchange(tell_at, next, order, order).is_ok() {
            let bytes = log.dropped_bytes.load(Ordering::Relaxed);
            let id = log.writer.load(Ordering::Relaxed);
            give(|| {
                tracing::debug!(
                    target: "overfall", channel = &*label(source), slices, bytes, id,
                    name = source.name_of(id).as_deref(), "slices dropped"
                );
            });
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod events {
    use super::Source;
    use crate::channel::terms::{Ending, Strength};
    use crate::wait::reader_figures::ReaderFigures;
    use std::sync::Arc;

    #[derive(Clone, Copy)]
    pub(crate) struct Before;

    impl Before {
        pub(crate) fn of(_: &ReaderFigures) -> Self {
            Self
        }
    }

    pub(crate) fn made(_: &impl Source, _: u64) {}
    pub(crate) fn ended(_: &impl Source, _: u64, _: Ending) {}
    pub(crate) fn came(_: &impl Source, _: &str, _: Strength, _: u32) {}
    pub(crate) fn converted(_: &impl Source, _: &str, _: Strength, _: u32) {}
    pub(crate) fn went(_: &impl Source, _: &str, _: Strength, _: u32, _: Option<Arc<str>>) {}
    #[inline]
    pub(crate) fn skipped_since(_: &ReaderFigures, _: Before) -> u64 {
        0
    }

    pub(crate) fn lagged(_: &impl Source, _: u32, _: u64) {}
    pub(crate) fn dropped(_: &impl Source, _: u32, _: u64, _: u64) {}
    pub(crate) fn tell_drops(_: &impl Source) {}
}

pub(crate) use events::*;
