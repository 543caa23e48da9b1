//! Writers.

mod core;
mod send;
pub(crate) mod slice;
mod strong;
mod weak;

pub(crate) use self::core::{Batch, Core, Wait};
pub use strong::StrongWriter;
pub use weak::WeakWriter;

use crate::channel::stats::WriterStats;
use crate::channel::terms::{Backpressure, Sent};
use crate::channel::waiting::{Attended, Closed, Waiting};
use crate::channel::writer::slice::Slice;
use crate::error::{
    FailError, Failure, FlushError, ReportMissedError, ReserveError, SendError, TryReserveError,
    TrySendError, TryWriteError, WriteError,
};
use std::fmt;
use std::io::IoSlice;

/// The methods that every kind of writer has; `core` and `core_mut` lead to its [`Core`].
macro_rules! writer_methods {
    ($writer:ident) => {
        impl $writer {
            /// Writes without waiting, and returns how many bytes were written.
            ///
            /// Up to [`max_slice`](Self::max_slice) bytes become one slice. Of a longer write, only
            /// the first piece is written: a quarter of the capacity. Pass the rest to the next
            /// write, as `write_all` does, and leave it where it lies in memory. Then the pieces are
            /// marked as parts of one write ([`Header::continues`](crate::Header::continues)).
            ///
            /// Whatever else comes next, be it a write that begins elsewhere or is not as long as
            /// the rest, is no part of it: the long write was given up. For several buffers, what
            /// counts is where the first one that is not empty begins, and how long all are.
            ///
            /// An empty write reserves nothing and always returns `Ok(0)`.
            ///
            /// # Errors
            ///
            /// - [`TryWriteError::Full`] if there is no room, or if others wait for it. Nothing was
            ///   written, and nothing is counted as dropped, whatever the
            ///   [`Backpressure`](crate::Backpressure).
            /// - [`TryWriteError::TooLong`] if it is longer than `max_slice` where nobody waits: with
            ///   [`Backpressure::Drop`](crate::Backpressure::Drop), and from within an event of the
            ///   feature `tracing`. There nothing is split. Nothing was written or counted.
            /// - [`TryWriteError::Closed`] if the channel takes no more slices, or this writer was
            ///   shut down.
            /// - [`TryWriteError::Terminated`] if the channel or this writer was terminated.
            ///
            /// # Progress
            ///
            /// Reserving and committing are lock-free. Readers see slices in the order in which
            /// they were reserved.
            #[inline(always)]
            pub fn try_write(&mut self, bytes: &[u8]) -> Result<usize, TryWriteError> {
                self.core_mut().try_write(bytes)
            }

            /// Like [`try_write`](Self::try_write), for several buffers, which become one slice.
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
            /// - [`TryReserveError::Full`] if there is no room, or if others wait for it.
            /// - [`TryReserveError::TooLong`] if no slice can be that long.
            /// - [`TryReserveError::Closed`] if the channel takes no more slices, or this writer
            ///   was shut down.
            /// - [`TryReserveError::Terminated`] if the channel or this writer was terminated.
            #[inline]
            pub fn try_reserve(&mut self, len: usize) -> Result<Slice<'_>, TryReserveError> {
                let reservation = self.core_mut().try_reserve(len)?;
                Ok(Slice::of_writer(self.core_mut(), reservation, len))
            }

            /// Reserves room for one slice of up to `len` payload bytes, and waits for it if need
            /// be. Writers that wait are served in order.
            ///
            /// # Errors
            ///
            /// As for [`try_reserve`](Self::try_reserve). [`ReserveError::Full`] occurs where
            /// nobody waits: with [`Backpressure::Drop`](crate::Backpressure::Drop), and from
            /// within an event of the feature `tracing`.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped while it waits, nothing was reserved, and the next writer
            /// in the line moves up. Do not keep the future without polling it: once it was woken,
            /// writers behind it wait for it until they have found its room untaken about a hundred
            /// times. Polled after that, it has its old place again.
            pub async fn reserve(&mut self, len: usize) -> Result<Slice<'_>, ReserveError> {
                let reservation = self.core_mut().reserve(len).await?;
                Ok(Slice::of_writer(self.core_mut(), reservation, len))
            }

            /// What happens to a write of this writer when the ring is full: that of the
            /// [channel](crate::Channel::backpressure), until it is set.
            pub fn backpressure(&self) -> Backpressure {
                self.core().backpressure
            }

            /// Sets what happens to a write of this writer when the ring is full. Other writers keep
            /// theirs. Clones that are made afterwards inherit it, and conversions keep it.
            ///
            /// ```
            /// # futures::executor::block_on(async {
            /// use overfall::{Backpressure, Channel, Sent};
            ///
            /// let channel = Channel::new(64); // room for one message
            /// let _reader = channel.new_strong_reader();
            /// let mut errors = channel.new_writer(); // waits
            /// let mut debug_lines = errors.clone();
            /// debug_lines.set_backpressure(Backpressure::Drop);
            ///
            /// assert_eq!(errors.send(b"out of paper").await?, Sent::Delivered);
            /// assert_eq!(debug_lines.send(b"still here").await?, Sent::Dropped);
            /// # Ok::<(), overfall::error::SendError>(())
            /// # }).unwrap();
            /// ```
            pub fn set_backpressure(&mut self, backpressure: Backpressure) {
                self.core_mut().set_backpressure(backpressure);
            }

            /// Ends this writer at once. It no longer keeps the channel open, and its operations
            /// fail with `Terminated` ([`std::io::ErrorKind::ConnectionAborted`]). What it has
            /// committed stays. A slice that it leaked is given up.
            pub fn terminate(&mut self) {
                self.core_mut().terminate();
            }

            /// Says that this writer is done. It no longer keeps the channel open, and its writes
            /// fail with `Closed` ([`std::io::ErrorKind::BrokenPipe`]). So do those of clones that
            /// are made afterwards. `shutdown` and `close` of the async traits do the same. Doing
            /// it again does nothing.
            pub fn shut_down(&mut self) {
                self.core_mut().shut_down();
            }

            /// Ends the whole channel with an error, for all its writers. Readers get every byte that was
            /// written before, and then the error, as
            /// [`Channel::fail`](crate::Channel::fail) says.
            ///
            /// A strong writer that is dropped by a panic does the same, with
            /// [`WriterPanicked`](crate::error::WriterPanicked), unless
            /// [`Builder::fail_on_panic`](crate::Builder::fail_on_panic) says otherwise.
            ///
            /// # Errors
            ///
            /// [`FailError`] if the channel had ended before. Nothing changes then.
            ///
            /// ```
            /// use std::io::{self, ErrorKind, Read};
            ///
            /// let (mut writer, reader) = overfall::pipe(1024);
            /// writer.try_write(b"half of the file")?;
            /// writer.fail(io::Error::from(ErrorKind::UnexpectedEof))?;
            ///
            /// let mut file = Vec::new();
            /// let error = reader.blocking().read_to_end(&mut file).unwrap_err();
            /// assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "not taken for the whole");
            /// assert_eq!(file, b"half of the file");
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn fail(
                &mut self,
                error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
            ) -> Result<(), FailError> {
                self.core_mut().fail(Failure::new(error))
            }

            /// The longest slice, in payload bytes:
            /// [`Channel::max_slice`](crate::Channel::max_slice).
            pub fn max_slice(&self) -> usize {
                self.core().max_slice() as usize
            }

            /// Whether writes fail. Once true, it stays true.
            pub fn is_closed(&self) -> bool {
                self.core().is_closed()
            }

            /// Waits until the channel takes no more slices: it was drained or terminated, or
            /// nobody is left to read it. This does not keep the channel open.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped, nothing is lost. It does not borrow the writer.
            pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
                Waiting::new(self.core().shared(), Closed)
            }

            /// Waits until all strong readers have read what this writer has
            /// committed so far: until they
            /// have given back the room of it. What is sent while it waits does not count.
            /// A strong reader that goes is not waited for any more, while another one is there.
            ///
            /// # Errors
            ///
            /// - [`FlushError::Unread`] if there is no strong reader to read it, and none is
            ///   [waited for](crate::AfterLast::Wait): the last one went before it had, or none came in
            ///   time. This stays so, also if a later reader starts at the oldest slice and finds it.
            /// - [`FlushError::Terminated`] if the channel was terminated.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped, nothing is lost. It does not borrow the writer, and does not keep
            /// the channel open.
            pub fn flushed(&self) -> impl Future<Output = Result<(), FlushError>> + Send + 'static {
                Waiting::new(self.core().shared(), self.core().sent())
            }

            /// Waits until there is a reader, strong or weak; at once, if there is one.
            ///
            /// With [`reader_absent`](Self::reader_absent) a producer works only while somebody listens.
            /// The channel needs a [`Channel`](crate::Channel) meanwhile: without that it closes when its
            /// last reader goes.
            ///
            /// ```
            /// # futures::executor::block_on(async {
            /// use overfall::{AfterLast, Channel};
            ///
            /// let builder = Channel::builder().size(1024);
            /// let channel = builder.after_last_strong_reader(AfterLast::Overwrite).build()?;
            /// let mut writer = channel.new_writer();
            /// let mut listener = channel.new_strong_reader();
            /// let produce = async {
            ///     while writer.reader_present().await.is_ok() {
            ///         let gone = writer.reader_absent();
            ///         // ... until `gone` is ready:
            ///         writer.send(b"news").await?;
            ///         gone.await;
            ///     }
            ///     Ok::<(), overfall::error::SendError>(())
            /// };
            /// let listen = async {
            ///     assert_eq!(listener.recv().await.unwrap().as_deref(), Some(&b"news"[..]));
            ///     drop(listener);
            ///     channel.drain()
            /// };
            /// let (produced, drained) = futures::future::join(produce, listen).await;
            /// # (produced?, drained?);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// # }).unwrap();
            /// ```
            ///
            /// # Errors
            ///
            /// [`WriteError`] if the channel takes no more slices.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped, nothing is lost. It does not borrow the writer, and does not keep
            /// the channel open.
            pub fn reader_present(
                &self,
            ) -> impl Future<Output = Result<(), WriteError>> + Send + 'static {
                Waiting::new(self.core().shared(), Attended(true))
            }

            /// Waits until there is no reader, neither strong nor weak, or until the channel takes no
            /// more slices.
            ///
            /// # Cancel safety
            ///
            /// As for [`reader_present`](Self::reader_present).
            pub fn reader_absent(&self) -> impl Future<Output = ()> + Send + 'static {
                let absent = Waiting::new(self.core().shared(), Attended(false));
                async move {
                    let _whether_it_is_closed = absent.await;
                }
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

            fn writer_core_ref(&self) -> &Core {
                self.core()
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

    fn writer_core_ref(&self) -> &Core;
}

/// A writer of either strength.
///
/// A strong writer keeps the channel open, a weak one does not. Both write alike: see
/// [`StrongWriter`].
pub enum Writer {
    /// It keeps the channel open.
    Strong(StrongWriter),
    /// It does not keep the channel open.
    Weak(WeakWriter),
}

impl Writer {
    pub(crate) fn core(&self) -> &Core {
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

    /// Converts this writer into a strong one. On a closed channel this changes nothing else.
    pub fn into_strong(self) -> StrongWriter {
        match self {
            Self::Strong(writer) => writer,
            Self::Weak(writer) => writer.into_strong(),
        }
    }

    /// Converts this writer into a weak one.
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
    /// Another writer of the same strength, with a number and figures of its own.
    #[track_caller]
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
