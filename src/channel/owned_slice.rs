//! A reservation that owns its writer.

use crate::channel::writer::slice::{Filling, slice_methods};
use crate::channel::writer::{Core, HasCore, StrongWriter, WeakWriter, Writer};
use crate::error::{ReserveError, ReserveOwnedError, TryReserveError};
use crate::ring::Reservation;
use std::fmt;
use std::io;

/// A [`Slice`](crate::Slice) that owns its writer, so that it can be carried elsewhere: into another
/// task or thread, or into a struct.
///
/// Made by `reserve_owned` and `try_reserve_owned` of the writers. [`commit`](Self::commit) publishes
/// what was written, in one step, and gives the writer back. Dropped, the slice is given up, and the
/// writer goes with it. If it is leaked, so is the writer in the middle of its slice, and readers wait
/// for it for as long as the channel is not terminated.
///
/// All that is said of [`Slice`](crate::Slice) holds: fill it quickly, since what is reserved later waits
/// for it.
///
/// ```
/// let (writer, mut reader) = overfall::pipe(1024);
/// let mut slice = writer.try_reserve_owned(100)?;
/// let thread = std::thread::spawn(move || {
///     slice.write_all(b"from elsewhere")?;
///     Ok::<_, std::io::Error>(slice.commit())
/// });
/// let mut writer = thread.join().unwrap()?;
/// writer.try_send("and from here")?;
/// assert_eq!(reader.try_recv()?.unwrap(), b"from elsewhere");
/// assert_eq!(reader.try_recv()?.unwrap(), b"and from here");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropped without `commit`, a slice is skipped by every reader"]
pub struct OwnedSlice<W> {
    /// There until the slice is committed or given up.
    writer: Option<W>,
    /// Leads to its core.
    core: fn(&mut W) -> &mut Core,
    filling: Filling,
}

impl<W> OwnedSlice<W> {
    /// The slice, or the writer with the reason why there is none.
    pub(crate) fn new<E>(
        writer: W,
        core: fn(&mut W) -> &mut Core,
        reserved: Result<Reservation, E>,
        len: usize,
    ) -> Result<Self, ReserveOwnedError<W, E>> {
        match reserved {
            Ok(reservation) => {
                Ok(Self { writer: Some(writer), core, filling: Filling::new(reservation, len) })
            }
            Err(error) => Err(ReserveOwnedError { writer, error }),
        }
    }

    #[inline]
    fn parts(&mut self) -> (&mut Core, &mut Filling) {
        let Some(writer) = &mut self.writer else { unreachable!("it goes with the slice") };
        ((self.core)(writer), &mut self.filling)
    }

    /// Publishes what was written, in one step, and gives the writer back. Never waits and never fails,
    /// as [`Slice::commit`](crate::Slice::commit).
    pub fn commit(mut self) -> W {
        let (core, filling) = self.parts();
        core.commit(filling.written as u64);
        self.abort()
    }

    /// Gives the slice up, and the writer back.
    pub fn abort(mut self) -> W {
        self.parts().0.abort();
        let Some(writer) = self.writer.take() else { unreachable!("it goes with the slice") };
        writer
    }
}

impl<W> Drop for OwnedSlice<W> {
    fn drop(&mut self) {
        if let Some(writer) = &mut self.writer {
            (self.core)(writer).abort();
        }
    }
}

slice_methods!(OwnedSlice<W>);

macro_rules! reserve_owned {
    ($($writer:ident)*) => {$(
        impl $writer {
            /// Reserves room for one slice of up to `len` payload bytes without waiting. The slice owns
            /// this writer, and gives it back when it is committed.
            ///
            /// # Errors
            ///
            /// As for [`try_reserve`](Self::try_reserve), with the writer in the error.
            #[allow(clippy::result_large_err, reason = "the writer goes back to its owner")]
            pub fn try_reserve_owned(
                mut self,
                len: usize,
            ) -> Result<OwnedSlice<Self>, ReserveOwnedError<Self, TryReserveError>> {
                let reserved = self.writer_core().try_reserve(len);
                OwnedSlice::new(self, Self::writer_core, reserved, len)
            }

            /// Reserves room for one slice of up to `len` payload bytes, and waits for it if need be.
            /// The slice owns this writer, and gives it back when it is committed.
            ///
            /// # Errors
            ///
            /// As for [`reserve`](Self::reserve), with the writer in the error.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped while it waits, nothing was reserved, and the writer is dropped
            /// with it. To keep a writer, reserve with a clone.
            pub async fn reserve_owned(
                mut self,
                len: usize,
            ) -> Result<OwnedSlice<Self>, ReserveOwnedError<Self, ReserveError>> {
                let reserved = self.writer_core().reserve(len).await;
                OwnedSlice::new(self, Self::writer_core, reserved, len)
            }
        }
    )*};
}
reserve_owned!(Writer StrongWriter WeakWriter);
