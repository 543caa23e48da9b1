//! The strong writer.

use super::{Core, HasCore, Wait, WeakWriter, send_methods, writer_methods};
use crate::channel::shared::Shared;
use crate::channel::slice::Slice;
use crate::channel::stats::WriterStats;
use crate::channel::terms::Strength;
use crate::error::{ReserveError, SendError, TryReserveError, TrySendError, TryWriteError};
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;

/// A writer that keeps the channel open.
///
/// While there is one, or a handle of the channel, readers wait for more instead of coming to the
/// end. Idle, it costs nobody anything.
///
/// It writes through its own methods without waiting, through the async traits of the features
/// `tokio` and `futures`, or through [`blocking`](Self::blocking).
pub struct StrongWriter(pub(super) Core);

impl StrongWriter {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self(Core::new(shared.clone(), Some(Strength::Strong)))
    }

    #[inline]
    pub(super) fn core(&self) -> &Core {
        &self.0
    }

    #[inline]
    pub(super) fn core_mut(&mut self) -> &mut Core {
        &mut self.0
    }

    /// This writer, weak from now on. If it was the last strong one and no handle is left, the
    /// channel drains.
    #[inline]
    pub fn into_weak(mut self) -> WeakWriter {
        self.0.turn(Strength::Weak);
        WeakWriter(self.0)
    }
}

writer_methods!(StrongWriter);
send_methods!(StrongWriter);

impl Clone for StrongWriter {
    /// Another strong writer, with a number and figures of its own.
    fn clone(&self) -> Self {
        Self(self.0.another())
    }
}
