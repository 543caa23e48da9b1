//! Writers.

mod core;
mod send;
mod strong;
mod weak;

pub(crate) use self::core::{Core, Wait};
pub use strong::StrongWriter;
pub use weak::WeakWriter;

use crate::channel::slice::Slice;
use crate::channel::stats::WriterStats;
use crate::error::{ReserveError, SendError, TryReserveError, TrySendError, TryWriteError};
use std::fmt;
use std::io::IoSlice;

/// The methods that every kind of writer has; `core` and `core_mut` lead to its [`Core`].
macro_rules! writer_methods {
    ($writer:ident) => {
        impl $writer {
            /// Writes without waiting: all of `bytes` as one slice, or, if they are longer than the
            /// longest slice, the first of several. Tells how many bytes were written.
            ///
            /// An empty write reserves nothing and is `Ok(0)`, always.
            ///
            /// After the first of several, the next write is taken for the next piece, and the slices
            /// are marked as such ([`Header::continues`](crate::Header::continues)), as `write_all`
            /// does it. A message that is sent, or a slice that is committed, ends that.
            ///
            /// # Errors
            ///
            /// [`TryWriteError::Full`] if there is no room, or others wait for it: nothing was
            /// written, and nothing is counted as dropped, in either kind of
            /// [`Backpressure`](crate::Backpressure). `Closed` and `Terminated` as they say.
            ///
            /// # Progress
            ///
            /// Reserving and committing are lock-free. Readers see slices in the order of their
            /// reservations.
            #[inline]
            pub fn try_write(&mut self, bytes: &[u8]) -> Result<usize, TryWriteError> {
                self.core_mut().try_write(bytes)
            }

            /// [`try_write`](Self::try_write) for several buffers, which become one slice.
            ///
            /// # Errors
            ///
            /// As for `try_write`.
            pub fn try_write_vectored(
                &mut self,
                bytes: &[IoSlice<'_>],
            ) -> Result<usize, TryWriteError> {
                self.core_mut().try_write_among_others(bytes)
            }

            /// Reserves room for one slice of up to `len` payload bytes without waiting.
            ///
            /// # Errors
            ///
            /// [`TryReserveError::Full`] if there is no room, or others wait for it;
            /// [`TryReserveError::TooLong`] if no slice can be that long; `Closed` and `Terminated`
            /// as they say.
            pub fn try_reserve(&mut self, len: usize) -> Result<Slice<'_>, TryReserveError> {
                let reservation = self.core_mut().try_reserve(len)?;
                Ok(Slice::of_writer(self.core_mut(), reservation, len))
            }

            /// Reserves room for one slice of up to `len` payload bytes, and waits for it if need
            /// be. Waiting writers are served in order.
            ///
            /// # Errors
            ///
            /// [`ReserveError::Full`] only with [`Backpressure::Drop`](crate::Backpressure::Drop), or,
            /// with the feature `tracing`, from within an event, where nobody waits; otherwise as for [`try_reserve`](Self::try_reserve).
            ///
            /// # Cancel safety
            ///
            /// Dropped while it waits, the future has reserved nothing, and its place in the line
            /// goes to the next. One that has been woken and is neither polled nor dropped is passed
            /// over after others have found its room untaken a hundred times or so; polled after all, it
            /// waits at its old place, and for longer.
            pub async fn reserve(&mut self, len: usize) -> Result<Slice<'_>, ReserveError> {
                let reservation = self.core_mut().reserve(len).await?;
                Ok(Slice::of_writer(self.core_mut(), reservation, len))
            }

            /// Ends this writer at once: a leaked slice of its is given up, it no longer keeps the
            /// channel open, and whatever it is asked to do from now on fails with `Terminated`
            /// ([`std::io::ErrorKind::ConnectionAborted`]). What it has committed stays.
            pub fn terminate(&mut self) {
                self.core_mut().terminate();
            }

            /// This writer is done: it no longer keeps the channel open, and its writes fail with
            /// `Closed` ([`std::io::ErrorKind::BrokenPipe`]). The `shutdown` and `close` of the
            /// async traits do the same. Doing it again does nothing.
            pub fn shut_down(&mut self) {
                self.core_mut().shut_down();
            }

            /// The longest slice, in payload bytes, as of
            /// [`Channel::max_slice`](crate::Channel::max_slice).
            pub fn max_slice(&self) -> usize {
                self.core().max_slice() as usize
            }

            /// Whether writes are refused, now and for ever.
            pub fn is_closed(&self) -> bool {
                self.core().is_closed()
            }

            /// Waits until the channel takes no more slices: it was drained or terminated, or
            /// nobody is left to read it. Does not keep it open.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost when the future is dropped. The future does not borrow the writer.
            pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
                let shared = self.core().shared().clone();
                async move { shared.closed().await }
            }

            /// What this writer has written so far.
            pub fn stats(&self) -> WriterStats {
                self.core().stats()
            }
        }

        impl HasCore for $writer {
            fn writer_core(&mut self) -> &mut Core {
                self.core_mut()
            }
        }

        impl fmt::Debug for $writer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct(stringify!($writer));
                debug.field("stats", &self.stats()).field("is_closed", &self.is_closed()).finish()
            }
        }
    };
}
use send::send_methods;
use writer_methods;

/// What the io traits of all writers are made of.
pub(crate) trait HasCore {
    fn writer_core(&mut self) -> &mut Core;
}

/// A writer of either kind.
///
/// A strong writer keeps the channel open, a weak one does not; they write alike.
pub enum Writer {
    /// It keeps the channel open.
    Strong(StrongWriter),
    /// It does not.
    Weak(WeakWriter),
}

impl Writer {
    fn core(&self) -> &Core {
        match self {
            Self::Strong(writer) => writer.core(),
            Self::Weak(writer) => writer.core(),
        }
    }

    fn core_mut(&mut self) -> &mut Core {
        match self {
            Self::Strong(writer) => writer.core_mut(),
            Self::Weak(writer) => writer.core_mut(),
        }
    }

    /// Whether it keeps the channel open.
    pub fn is_strong(&self) -> bool {
        matches!(self, Self::Strong(_))
    }

    /// This writer, strong from now on. On a channel that is closed that changes nothing.
    pub fn into_strong(self) -> StrongWriter {
        match self {
            Self::Strong(writer) => writer,
            Self::Weak(writer) => writer.into_strong(),
        }
    }

    /// This writer, weak from now on.
    pub fn into_weak(self) -> WeakWriter {
        match self {
            Self::Strong(writer) => writer.into_weak(),
            Self::Weak(writer) => writer,
        }
    }
}

writer_methods!(Writer);
send_methods!(Writer);

impl Clone for Writer {
    /// Another writer of the same kind, with a number and figures of its own.
    fn clone(&self) -> Self {
        match self {
            Self::Strong(writer) => Self::Strong(writer.clone()),
            Self::Weak(writer) => Self::Weak(writer.clone()),
        }
    }
}

impl From<StrongWriter> for Writer {
    fn from(writer: StrongWriter) -> Self {
        Self::Strong(writer)
    }
}

impl From<WeakWriter> for Writer {
    fn from(writer: WeakWriter) -> Self {
        Self::Weak(writer)
    }
}
