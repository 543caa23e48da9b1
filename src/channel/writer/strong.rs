//! The strong writer.

use super::{Core, HasCore, WeakWriter, send_methods, writer_methods};
use crate::channel::shared::Shared;
use crate::channel::stats::WriterStats;
use crate::channel::terms::{Backpressure, Sent, Strength};
use crate::channel::waiting::{Attended, Closed, Waiting};
use crate::channel::writer::slice::Slice;
use crate::error::{
    FailError, Failure, FlushError, ReportMissedError, ReserveError, SendError, TryReserveError,
    TrySendError, TryWriteError, WriteError,
};
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;

/// A writer that keeps the channel open.
///
/// While there is one, or a handle of the channel, readers wait for more instead of coming to the
/// end. An idle writer costs the others nothing.
///
/// It writes through its own methods, through `AsyncWrite` with the feature `tokio` or `futures`,
/// or through [`std::io::Write`] after [`blocking`](Self::blocking). Each write is a slice.
///
/// # Cancelled writes
///
/// A `write_all` that is cancelled may have written a part of its bytes, as pieces, if they are more
/// than the [longest slice](Self::max_slice). What is written next is no part of that, unless it is
/// just the rest. A [`Joiner`](crate::Joiner) leaves the unfinished pieces out, and counts them.
///
/// A `write` of `AsyncWrite` that waits for room, and is cancelled, keeps its place in the line:
/// the trait does not tell the writer that the future was dropped. Writers behind it may then wait
/// although there is room. The place is given up when there is room for what the cancelled write
/// wanted, when the writer writes or reserves something else, when it is dropped, or after others
/// were refused about a hundred times. [`send`](Self::send) and [`reserve`](Self::reserve) give it
/// up at once: use them in `select!` and under a timeout.
pub struct StrongWriter(pub(super) Core);

impl StrongWriter {
    #[track_caller]
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self(Core::new(shared.clone(), Some(Strength::Strong)))
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        &self.0
    }

    #[inline]
    pub(super) fn core_mut(&mut self) -> &mut Core {
        &mut self.0
    }

    /// Has its commits wake nobody until [`wake`](Self::wake), which is to be called before others may wait for it:
    /// before it waits itself, and when it ends.
    #[cfg(feature = "process")]
    pub(crate) fn wake_later(&mut self) {
        self.0.wakes_later = true;
    }

    /// Wakes the readers that wait for what was committed since.
    #[cfg(feature = "process")]
    pub(crate) fn wake(&mut self) {
        self.0.wake();
    }

    /// Converts this writer into a weak one. If it was the last strong one and no handle is left,
    /// the channel drains.
    #[inline]
    pub fn into_weak(mut self) -> WeakWriter {
        self.0.convert(Strength::Weak);
        WeakWriter(self.0)
    }
}

writer_methods!(StrongWriter);
send_methods!(StrongWriter);

impl Clone for StrongWriter {
    /// Another strong writer, with a number and figures of its own.
    #[track_caller]
    fn clone(&self) -> Self {
        Self(self.0.another())
    }
}
