//! The weak writer.

use super::{Core, HasCore, StrongWriter, Wait, send_methods, writer_methods};
use crate::channel::shared::Shared;
use crate::channel::slice::Slice;
use crate::channel::stats::WriterStats;
use crate::channel::terms::Strength;
use crate::error::{ReserveError, SendError, TryReserveError, TrySendError, TryWriteError};
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;

/// A writer that does not keep the channel open.
///
/// It writes like a [`StrongWriter`] for as long as somebody else keeps the channel open; a slice
/// that it has reserved by then can still be committed. Idle, it costs nobody anything.
pub struct WeakWriter(pub(super) Core);

impl WeakWriter {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self(Core::new(shared.clone(), Some(Strength::Weak)))
    }

    pub(super) fn core(&self) -> &Core {
        &self.0
    }

    pub(super) fn core_mut(&mut self) -> &mut Core {
        &mut self.0
    }

    /// This writer, strong from now on. On a channel that is closed, or after its own end, that
    /// changes nothing.
    pub fn into_strong(mut self) -> StrongWriter {
        // One that has come to its own end stays as it is: it keeps nothing open.
        if !self.0.is_done() {
            self.0.turn(Strength::Strong);
        }
        StrongWriter(self.0)
    }
}

writer_methods!(WeakWriter);
send_methods!(WeakWriter);

impl Clone for WeakWriter {
    /// Another weak writer, with a number and figures of its own.
    fn clone(&self) -> Self {
        Self(self.0.another())
    }
}
