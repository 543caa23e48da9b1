//! The weak writer.

use super::{Core, HasCore, StrongWriter, send_methods, writer_methods};
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

/// A writer that does not keep the channel open.
///
/// It writes like a [`StrongWriter`] for as long as somebody else keeps the channel open. A slice
/// that it has reserved by then can still be committed. An idle writer costs the others nothing.
pub struct WeakWriter(pub(super) Core);

impl WeakWriter {
    #[track_caller]
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self(Core::new(shared.clone(), Some(Strength::Weak)))
    }

    pub(crate) fn core(&self) -> &Core {
        &self.0
    }

    pub(super) fn core_mut(&mut self) -> &mut Core {
        &mut self.0
    }

    /// Converts this writer into a strong one. On a closed channel, or after this writer was shut
    /// down or terminated, this changes nothing else.
    pub fn into_strong(mut self) -> StrongWriter {
        // One that has come to its own end stays as it is: it keeps nothing open.
        if !self.0.is_done() {
            self.0.convert(Strength::Strong);
        }
        StrongWriter(self.0)
    }
}

writer_methods!(WeakWriter);
send_methods!(WeakWriter);

impl Clone for WeakWriter {
    /// Another weak writer, with a number and figures of its own.
    #[track_caller]
    fn clone(&self) -> Self {
        Self(self.0.another())
    }
}
