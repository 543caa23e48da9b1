//! The guard of a reservation.

use crate::channel::writer::Core;
use crate::ring::Reservation;
use std::fmt;
use std::io;
use std::marker::PhantomData;

/// Room in the ring that was reserved for one slice, to be filled piece by piece.
///
/// Made by `reserve` and `try_reserve` of the writers, and by
/// [`Channel::reserve_slice`](crate::Channel::reserve_slice). [`Slice::commit`] publishes what was
/// written so far, in one step. No reader sees a part of it before, and no other slice comes in
/// between. Room that was reserved and not written is given up.
///
/// Fill a slice quickly. Readers see slices in the order in which they were reserved, so whatever
/// was reserved later waits for this one.
///
/// A slice that is dropped without a commit, by a panic too, is skipped by every reader. A guard
/// that is leaked (`mem::forget`) is given up at the writer's next operation, or when the writer is
/// dropped. With `reserve_slice` this happens when the last handle of the channel is dropped.
///
/// ```
/// # use overfall::Channel;
/// let channel = Channel::new(1024);
/// let mut writer = channel.new_writer();
/// let mut reader = channel.new_strong_reader();
///
/// let mut slice = writer.try_reserve(100)?;
/// slice.write_all(b"hello, ")?;
/// slice.write_all(b"world")?;
/// slice.commit();
///
/// let mut buffer = [0; 100];
/// let length = reader.try_read(&mut buffer)?;
/// assert_eq!(&buffer[..length], b"hello, world");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A writer has one slice in flight at a time, and a slice does not outlive its writer:
///
/// ```compile_fail,E0499
/// # let (mut writer, reader) = overfall::pipe(1024);
/// let first = writer.try_reserve(10).unwrap();
/// let second = writer.try_reserve(10).unwrap();
/// first.commit();
/// ```
///
/// ```compile_fail,E0505
/// # let (mut writer, reader) = overfall::pipe(1024);
/// let slice = writer.try_reserve(10).unwrap();
/// drop(writer);
/// slice.commit();
/// ```
///
/// ```compile_fail,E0505
/// # let channel = overfall::Channel::new(1024);
/// let slice = channel.try_reserve_slice(10).unwrap();
/// drop(channel);
/// slice.commit();
/// ```
#[must_use = "dropped without `commit`, a slice is skipped by every reader"]
pub struct Slice<'a> {
    owner: Owner<'a>,
    filling: Filling,
}

/// Whose slice it is.
enum Owner<'a> {
    Writer(&'a mut Core),
    /// A writer for this slice alone. The guard borrows the handle, and so the handle
    /// outlives the slice even if the guard is leaked.
    /// It stands elsewhere, so that the guard is short.
    Channel(Box<Core>, PhantomData<&'a ()>),
}

impl<'a> Slice<'a> {
    #[inline]
    pub(crate) fn of_writer(core: &'a mut Core, reservation: Reservation, len: usize) -> Self {
        Self { owner: Owner::Writer(core), filling: Filling::new(reservation, len) }
    }

    pub(crate) fn of_channel(core: Core, reservation: Reservation, len: usize) -> Self {
        core.mark_in_flight();
        let owner = Owner::Channel(Box::new(core), PhantomData);
        Self { owner, filling: Filling::new(reservation, len) }
    }

    #[inline]
    fn parts(&mut self) -> (&mut Core, &mut Filling) {
        let core = match &mut self.owner {
            Owner::Writer(core) => &mut **core,
            Owner::Channel(core, _) => &mut **core,
        };
        (core, &mut self.filling)
    }

    /// Publishes what was written, in one step. Never waits and never fails. After
    /// [`Channel::terminate`](crate::Channel::terminate) nobody sees it.
    ///
    /// If nothing was written, an empty slice is committed. It is an empty message, and readers of
    /// bytes do not see it.
    #[inline]
    pub fn commit(mut self) {
        let (core, filling) = self.parts();
        core.commit(filling.written as u64);
    }

    /// Writes `bytes` at `offset`, behind what has been written before: the last word of a piece is
    /// padded with zeros.
    #[cfg(feature = "rkyv")]
    #[inline]
    pub(crate) fn fill(&self, offset: usize, bytes: &[u8]) {
        let core = match &self.owner {
            Owner::Writer(core) => &**core,
            Owner::Channel(core, _) => &**core,
        };
        core.fill(&self.filling.reservation, offset as u64, bytes);
    }

    /// Commits the first `length` bytes, which [`Slice::fill`] has written.
    #[cfg(feature = "rkyv")]
    #[inline]
    pub(crate) fn commit_filled(mut self, length: usize) {
        assert!(length <= self.filling.len, "more than was reserved");
        self.parts().0.commit(length as u64);
    }

    /// Commits messages of these lengths side by side, which [`Slice::fill`] has written and which take
    /// all that was reserved.
    #[cfg(feature = "rkyv")]
    pub(crate) fn commit_many(mut self, lengths: &[u64]) {
        self.parts().0.commit_many(lengths);
    }

    /// Gives the slice up. Dropping it does the same.
    pub fn abort(self) {}
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
#[error(
    "{bytes} bytes do not fit into the slice: {remaining} of the {len} that were reserved are left"
)]
struct DoesNotFit {
    bytes: usize,
    remaining: usize,
    len: usize,
}

impl Drop for Slice<'_> {
    #[inline]
    fn drop(&mut self) {
        self.parts().0.abort();
    }
}

/// How far a slice is filled.
pub(crate) struct Filling {
    pub(crate) reservation: Reservation,
    /// Payload bytes that were asked for.
    pub(crate) len: usize,
    pub(crate) written: usize,
}

impl Filling {
    #[inline]
    pub(crate) fn new(reservation: Reservation, len: usize) -> Self {
        Self { reservation, len, written: 0 }
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.len - self.written
    }

    #[inline]
    pub(crate) fn write_all(&mut self, core: &Core, bytes: &[u8]) -> io::Result<()> {
        let remaining = self.remaining();
        if bytes.len() > remaining {
            let full = DoesNotFit { bytes: bytes.len(), remaining, len: self.len };
            return Err(io::Error::new(io::ErrorKind::WriteZero, full));
        }
        self.append(core, bytes);
        Ok(())
    }

    #[cfg(all(unix, not(overfall_loom)))]
    pub(crate) fn read_from(
        &mut self,
        core: &Core,
        descriptor: std::os::fd::BorrowedFd<'_>,
    ) -> io::Result<usize> {
        let length = self.remaining();
        let offset = self.written as u64;
        let read = core.read_from(&self.reservation, offset, length, descriptor)?;
        self.written += read;
        Ok(read)
    }

    #[inline]
    pub(crate) fn write(&mut self, core: &Core, bytes: &[u8]) -> usize {
        let part = bytes.len().min(self.remaining());
        self.append(core, &bytes[..part]);
        part
    }

    /// Appends what fits.
    #[inline]
    fn append(&mut self, core: &Core, bytes: &[u8]) {
        if !bytes.is_empty() {
            core.fill(&self.reservation, self.written as u64, bytes);
            self.written += bytes.len();
        }
    }
}

/// What a slice has, no matter who owns its writer. `parts` are the writer's core and the [`Filling`].
macro_rules! slice_methods {
    ($slice:ident<$of:tt>) => {
        impl<$of> $slice<$of> {
            /// The position of the slice's first byte: the number of that ring byte, counted since the
            /// channel was made.
            pub fn position(&self) -> u64 {
                self.filling.reservation.position.label(0)
            }

            /// The payload bytes that were reserved.
            #[allow(
                clippy::len_without_is_empty,
                reason = "whether it is empty depends on `written`"
            )]
            pub fn len(&self) -> usize {
                self.filling.len
            }

            /// The payload bytes written so far, which `commit` would publish.
            pub fn written(&self) -> usize {
                self.filling.written
            }

            /// The payload bytes that can still be written.
            pub fn remaining(&self) -> usize {
                self.filling.remaining()
            }

            /// Appends all of `bytes`. Never waits.
            ///
            /// It is the `write_all` of [`io::Write`], for who has not imported that trait. With the trait,
            /// `write!` works as well, and fails in the same way.
            ///
            /// # Errors
            ///
            /// [`io::ErrorKind::WriteZero`] if there is no room for all of them. Then none was appended.
            #[inline]
            pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
                let (core, filling) = self.parts();
                filling.write_all(core, bytes)
            }

            /// Appends as many of `bytes` as there is room for, and returns how many those are. Never waits.
            ///
            /// **What does not fit is left out without an error**: use [`write_all`](Self::write_all) unless
            /// that is what you want. This is the `write` of [`io::Write`], which cannot fail here: it takes the
            /// trait's place, and its result needs no `?`.
            #[must_use = "what did not fit was left out: `write_all` fails instead"]
            #[inline]
            pub fn write(&mut self, bytes: &[u8]) -> usize {
                let (core, filling) = self.parts();
                filling.write(core, bytes)
            }

            /// Appends what one `read` of a descriptor gives, at most [`remaining`](Self::remaining) bytes, and
            /// returns how many: 0 at the end, or if there is no room left. The system puts them into the ring
            /// itself, which saves the copy through a buffer.
            ///
            /// **Call it when the descriptor is ready**, or does not block: readers wait for this slice, and for
            /// all that is reserved after it, for as long as the call takes. And reserve what is there rather
            /// than what could be: room that is reserved and not filled is given up, and holds older bytes no
            /// longer. On Linux the request `FIONREAD` tells how much a pipe or a socket has.
            ///
            /// [The guide](crate::guide::cost) tells where it is worth it.
            ///
            /// ```
            /// # #[cfg(unix)] {
            /// use std::io::Write;
            /// use std::os::unix::net::UnixStream;
            ///
            /// let (from, mut to) = UnixStream::pair()?;
            /// let (mut writer, mut reader) = overfall::pipe(4096);
            /// to.write_all(b"straight into the ring")?;
            ///
            /// let mut slice = writer.try_reserve(22)?;
            /// assert_eq!(slice.read_from(&from)?, 22);
            /// slice.commit();
            /// assert_eq!(*reader.try_recv()?.unwrap(), *b"straight into the ring");
            /// # }
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            ///
            /// # Errors
            ///
            /// Those of the system, [`io::ErrorKind::Interrupted`] and [`io::ErrorKind::WouldBlock`] among
            /// them. Nothing was appended then.
            #[cfg(all(unix, not(overfall_loom)))]
            #[cfg_attr(docsrs, doc(cfg(unix)))]
            pub fn read_from(&mut self, descriptor: impl std::os::fd::AsFd) -> io::Result<usize> {
                let (core, filling) = self.parts();
                filling.read_from(core, descriptor.as_fd())
            }
        }

        impl<$of> io::Write for $slice<$of> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                Ok($slice::write(self, bytes))
            }

            fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
                $slice::write_all(self, bytes)
            }

            /// Does nothing: readers see the slice when it is committed.
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl<$of> fmt::Debug for $slice<$of> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($slice))
                    .field("position", &self.position())
                    .field("len", &self.len())
                    .field("written", &self.written())
                    .finish()
            }
        }
    };
}
pub(crate) use slice_methods;
slice_methods!(Slice<'a>);
