//! Endpoints that park the thread.

mod messages;
mod own;
mod park;
mod spin;
mod waiting;
mod window;

use crate::channel::endpoint::{Lends, Reads, Writes};
use crate::channel::owned_slice::OwnedSlice;
use crate::channel::reader::{Reader, StrongReader, WeakReader, unless_empty};
use crate::channel::writer::slice::Slice;
use crate::channel::writer::{Core, StrongWriter, Wait, WeakWriter, Writer};
use crate::error::{ReserveError, ReserveOwnedError, TryReserveError, TryWriteError, WriteError};
use crate::ring::Reservation;
pub(crate) use park::Until;
use park::Waits;
use std::fmt;
use std::io::BufRead;
use std::io::{self, IoSlice};
use std::ops::Deref;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// An endpoint whose operations park the thread until they can be done.
///
/// Each endpoint has a method `blocking` that makes one. Writers get [`io::Write`], readers
/// [`io::Read`], and strong readers [`io::BufRead`]. An end of a [`duplex`](crate::duplex()) gets
/// all three. All of them get variants with a deadline.
///
/// **Do not use it in async code: it parks the runtime's thread**, and where that thread has to run the
/// other side as well, both stand still. Use the async methods there, or
/// [`spawn_blocking`](https://docs.rs/tokio/latest/tokio/task/fn.spawn_blocking.html). With the feature
/// `tokio`, a call that would have to wait on a thread that drives tokio's tasks panics instead; in
/// `spawn_blocking` and `block_in_place` it waits.
///
/// It has the methods of its endpoint that one needs beside reading and writing, and clones if that
/// does. [`get_mut`](Self::get_mut) leads to all others. Code that is generic over what is inside bounds
/// it by the traits in [`endpoint`](crate::endpoint):
///
/// ```
/// use overfall::Blocking;
/// use overfall::endpoint::Receives;
///
/// fn pump<R: Receives>(mut reader: Blocking<R>) -> std::io::Result<u64> {
///     while let Some(message) = reader.recv()? {
///         println!("{message:?}");
///     }
///     Ok(reader.stats().payload_bytes)
/// }
///
/// let (mut writer, reader) = overfall::pipe(1024);
/// writer.try_send("hello")?;
/// drop(writer);
/// assert_eq!(pump(reader.blocking())?, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # What must stay together
///
/// Each `write` is a slice, and slices of other writers may come between two of them. `write!` and
/// `writeln!` write each piece of their format on its own. So a line that is written with
/// `writeln!` may be torn, and each piece takes 64 bytes of the ring or more:
/// `writeln!(writer, "writer {id}, line {n}")` makes five slices, 320 bytes of the ring for 17. To keep
/// a line together, put a [`LineWriter`](crate::LineWriter) in front. Or format first and `write_all`
/// the result. Or `reserve`, and `write!` into the slice. A [`BufWriter`](std::io::BufWriter) is no
/// help: it flushes in the middle of lines. So does std's [`LineWriter`](std::io::LineWriter), where a
/// line is longer than its buffer.
///
/// # How it waits
///
/// With a timeout of zero, or a deadline that has passed, an operation makes one attempt. Otherwise
/// it first spins, for a few microseconds at most. Where spinning was of no use lately, it does
/// not. Then it parks the thread, which uses no processor time until it is woken.
///
/// Where it waits for room, it yields some times between the two; where it waits for more of a stream that
/// was there just before, it yields in place of spinning, and so finds more than one message. It does not
/// if it may wait for a tenth of a second or less, nor if yields have lately cost whole time slices, as on
/// a core that other threads keep busy.
///
/// From within an event of the feature `tracing` nothing waits. A write for which there is no room
/// is then dropped and counted, as with [`Backpressure::Drop`](crate::Backpressure::Drop). A read
/// that finds nothing fails with [`io::ErrorKind::WouldBlock`], and a receive with `Empty`.
///
/// Nor does anything wait on a target without threads, such as `wasm32-unknown-unknown`. What can be
/// done at once is done. Otherwise a read or write fails with [`io::ErrorKind::Unsupported`], a receive
/// with `Empty`, and what needs room with `Full`, whatever the deadline.
///
/// # Example
///
/// ```
/// use overfall::LineWriter;
/// use std::io::{Read, Write};
///
/// let (writer, reader) = overfall::pipe(4096);
/// let thread = std::thread::spawn(move || {
///     let mut text = String::new();
///     reader.blocking().read_to_string(&mut text).map(|_| text)
/// });
/// let mut lines = LineWriter::new(writer.blocking());
/// for number in 0..1000 {
///     writeln!(lines, "line {number}")?; // one slice each
/// }
/// drop(lines);
/// assert_eq!(thread.join().unwrap()?.lines().count(), 1000);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Blocking<E> {
    endpoint: E,
    waits: Waits,
}

/// It has no bytes of its own, so that a poll with a timeout of zero allocates little.
#[derive(Debug, thiserror::Error)]
#[error("the deadline passed before there was anything to do")]
struct TimedOut;

/// Where there are no threads.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is nothing to do yet, and this target has no threads that could wait: use async code"
)]
struct CannotWait;

/// What has become of a wait that found nothing.
pub(crate) fn given_up(until: Until) -> io::Error {
    match until {
        Until::Forever => io::Error::new(io::ErrorKind::Unsupported, CannotWait),
        Until::Now | Until::Deadline(_) => io::Error::new(io::ErrorKind::TimedOut, TimedOut),
    }
}

impl<E> Blocking<E> {
    pub(crate) fn new(endpoint: E) -> Self {
        Self { endpoint, waits: Waits::new() }
    }

    /// The endpoint itself, for its methods that do not park.
    pub fn get_ref(&self) -> &E {
        &self.endpoint
    }

    /// The endpoint itself, for its methods that do not park.
    pub fn get_mut(&mut self) -> &mut E {
        &mut self.endpoint
    }

    /// Converts it back into the endpoint that it was made from.
    pub fn into_inner(self) -> E {
        self.endpoint
    }
}

impl<E: Clone> Clone for Blocking<E> {
    /// Another one, of a clone of the endpoint.
    fn clone(&self) -> Self {
        Self::new(self.endpoint.clone())
    }
}

impl<R: Reads> Blocking<R> {
    /// Reads, or fails with [`io::ErrorKind::TimedOut`] if there is nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// - `Other`, with the [`Lagged`](crate::error::Lagged) inside, if a weak reader was overrun.
    /// - The kind of the error with which the channel [failed](crate::Channel::fail), or `Other`, with
    ///   the [`Failure`](crate::error::Failure) inside, in place of the end.
    /// - `ConnectionAborted` if the channel or the reader was terminated.
    /// - `TimedOut`.
    pub fn read_deadline(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        self.read_until(buffer, Until::Deadline(deadline))
    }

    /// Reads, or fails with [`io::ErrorKind::TimedOut`] if there is nothing within `timeout`. A
    /// timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for [`read_deadline`](Self::read_deadline).
    pub fn read_timeout(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        self.read_until(buffer, Until::timeout(timeout))
    }

    /// The quick way is worth its place in the caller's code; what comes else is not.
    #[inline(always)]
    fn read_until(&mut self, buffer: &mut [u8], until: Until) -> io::Result<usize> {
        if self.endpoint.read_quick(buffer) {
            self.waits.spin.record_at_once();
            return Ok(buffer.len());
        }
        self.wait_and_read(buffer, until)
    }

    #[inline(never)]
    fn wait_and_read(&mut self, buffer: &mut [u8], until: Until) -> io::Result<usize> {
        let read = self.poll_or_wait(until, R::stop_waiting, |reader, context| match context {
            None => unless_empty(reader.read_now(buffer)),
            Some(context) => reader.poll_read(context, buffer),
        });
        Ok(read.ok_or_else(|| given_up(until))??)
    }
}

impl<R: Reads> io::Read for Blocking<R> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_until(buffer, Until::Forever)
    }
}

impl<R: Lends> Blocking<R> {
    /// Lends what is there, as [`BufRead::fill_buf`] does, or fails with
    /// [`io::ErrorKind::TimedOut`] if there is nothing by `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`read_deadline`](Self::read_deadline).
    pub fn fill_buf_deadline(&mut self, deadline: Instant) -> io::Result<&[u8]> {
        self.fill_buf_until(Until::Deadline(deadline))
    }

    /// The quick way is worth its place in the caller's code; what comes else is not.
    #[inline(always)]
    fn fill_buf_until(&mut self, until: Until) -> io::Result<&[u8]> {
        if let Some(run) = self.endpoint.lender().see_run() {
            self.waits.spin.record_at_once();
            return Ok(self.endpoint.lender().lend_run(&run));
        }
        self.wait_and_lend(until)
    }

    #[inline(never)]
    fn wait_and_lend(&mut self, until: Until) -> io::Result<&[u8]> {
        // A second poll lends what the first one found: a loan cannot leave the loop that asks for
        // it.
        let found = self.poll_or_wait(until, R::stop_waiting, |reader, context| match context {
            None => unless_empty(reader.lender().try_fill_buf().map(drop)),
            Some(context) => reader.lender().poll_fill_buf(context).map_ok(drop),
        });
        found.ok_or_else(|| given_up(until))??;
        Ok(self.endpoint.lender().try_fill_buf()?)
    }
}

impl<R: Lends> BufRead for Blocking<R> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill_buf_until(Until::Forever)
    }

    #[inline]
    #[track_caller]
    fn consume(&mut self, amount: usize) {
        self.endpoint.lender().consume(amount);
    }
}

impl<W: Writes> Blocking<W> {
    /// Writes, or fails with [`io::ErrorKind::TimedOut`] if there is no room by `deadline`. Nothing
    /// was written then. The same bytes can be written again, or others: if they are the rest of a long
    /// write, it goes on, and if not, it was given up.
    ///
    /// # Errors
    ///
    /// - `BrokenPipe` if the channel takes no more slices, or the writer was shut down.
    /// - `ConnectionAborted` if the channel or the writer was terminated.
    /// - `TimedOut`.
    ///
    /// The first two have a [`WriteError`] inside.
    pub fn write_deadline(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        self.write_until(&[bytes], Until::Deadline(deadline))
    }

    /// Writes, or fails with [`io::ErrorKind::TimedOut`] if there is no room within `timeout`. A
    /// timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for [`write_deadline`](Self::write_deadline).
    pub fn write_timeout(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<usize> {
        self.write_until(&[bytes], Until::timeout(timeout))
    }

    #[inline(always)]
    fn write_until(
        &mut self,
        buffers: &[impl Deref<Target = [u8]>],
        until: Until,
    ) -> io::Result<usize> {
        match buffers {
            [bytes] if self.endpoint.writer_core().write_at_once(bytes) => {
                self.waits.spin.record_at_once();
                Ok(bytes.len())
            }
            _ => self.wait_and_write(buffers, until),
        }
    }

    #[inline(never)]
    fn wait_and_write(
        &mut self,
        buffers: &[impl Deref<Target = [u8]>],
        until: Until,
    ) -> io::Result<usize> {
        let wait = Wait::LeavesWhenDropped;
        let written = self.until_room(until, wait, |core, context| match context {
            None => Poll::Ready(match core.try_write_among_others(buffers) {
                Ok(written) => Ok(written),
                Err(TryWriteError::Full | TryWriteError::TooLong { .. }) => return Poll::Pending,
                Err(TryWriteError::Closed) => Err(WriteError::Closed),
                Err(TryWriteError::Terminated) => Err(WriteError::Terminated),
            }),
            Some(context) => core.poll_write(context, buffers, wait),
        });
        Ok(written.ok_or_else(|| given_up(until))??)
    }

    /// Tries, and waits for as long as there is no room. `poll` is as in [`Blocking::wait`].
    fn until_room<T>(
        &mut self,
        until: Until,
        wait: Wait,
        mut poll: impl FnMut(&mut Core, Option<&mut Context<'_>>) -> Poll<T>,
    ) -> Option<T> {
        let core = self.endpoint.writer_core();
        let at_once = if core.never_waits_as(wait) {
            // This is ready at once: the writer drops what there is no room for.
            poll(core, Some(&mut Context::from_waker(Waker::noop())))
        } else {
            poll(core, None)
        };
        if let Poll::Ready(value) = at_once {
            self.waits.spin.record_at_once();
            return Some(value);
        }
        let before = core.reserved();
        self.waits.spin.is_for_room = true;
        let stop = |writer: &mut W| writer.writer_core().stop_waiting();
        let found = self.wait(until, stop, |writer, context| poll(writer.writer_core(), context));
        // Other writers have filled the ring meanwhile: the time went to them.
        let core = self.endpoint.writer_core();
        if core.has_gone_round_since(before) {
            self.waits.spin.forgive();
        }
        found
    }

    /// Reserves room for one slice of up to `len` payload bytes, and parks the thread until it is
    /// there.
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::reserve`].
    pub fn reserve(&mut self, len: usize) -> Result<Slice<'_>, ReserveError> {
        let reserved = self.reserve_until(len, Until::Forever, Wait::LeavesWhenDropped);
        reserved.unwrap_or(Err(ReserveError::Full))
    }

    /// Like [`reserve`](Self::reserve), or fails with [`TryReserveError::Full`] if there is no room by
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::try_reserve`].
    pub fn reserve_deadline(
        &mut self,
        len: usize,
        deadline: Instant,
    ) -> Result<Slice<'_>, TryReserveError> {
        let wait = Wait::LeavesWhenDropped;
        let reserved = self.reserve_until(len, Until::Deadline(deadline), wait);
        Ok(reserved.ok_or(TryReserveError::Full)??)
    }

    /// `None` if the deadline comes first.
    pub(crate) fn reserve_until(
        &mut self,
        len: usize,
        until: Until,
        wait: Wait,
    ) -> Option<Result<Slice<'_>, ReserveError>> {
        let reserved = self.wait_to_reserve(len, until, wait);
        let core = self.endpoint.writer_core();
        reserved.map(|reserved| Ok(Slice::of_writer(core, reserved?, len)))
    }

    fn wait_to_reserve(
        &mut self,
        len: usize,
        until: Until,
        wait: Wait,
    ) -> Option<Result<Reservation, ReserveError>> {
        self.until_room(until, wait, |core, context| match context {
            None => match core.try_reserve(len) {
                Err(TryReserveError::Full) => Poll::Pending,
                reserved => Poll::Ready(reserved.map_err(ReserveError::from)),
            },
            Some(context) => core.poll_reserve(context, len, wait),
        })
    }
}

impl<W: Writes> Blocking<W> {
    /// Reserves room for one slice of up to `len` payload bytes, and parks the thread until it is there.
    /// The slice owns this writer, and gives it back when it is committed.
    ///
    /// # Errors
    ///
    /// As for [`reserve`](Self::reserve), with the writer in the error.
    #[allow(clippy::result_large_err, reason = "the writer goes back to its owner")]
    pub fn reserve_owned(
        mut self,
        len: usize,
    ) -> Result<OwnedSlice<Self>, ReserveOwnedError<Self, ReserveError>> {
        let reserved = self.wait_to_reserve(len, Until::Forever, Wait::LeavesWhenDropped);
        let reserved = reserved.unwrap_or(Err(ReserveError::Full));
        OwnedSlice::new(self, |writer| writer.endpoint.writer_core(), reserved, len)
    }
}

macro_rules! blocking {
    ($what:literal $($endpoint:ident)*) => {$(
        impl $endpoint {
            #[doc = $what]
            pub fn blocking(self) -> Blocking<Self> {
                Blocking::new(self)
            }
        }
    )*};
}
blocking! {
    "Converts this reader into one that parks the thread to wait, with [`std::io::Read`]. Not for async \
     code: see [`Blocking`]."
    Reader StrongReader WeakReader
}
blocking! {
    "Converts this writer into one that parks the thread to wait, with [`std::io::Write`]. Not for async \
     code: see [`Blocking`]."
    Writer StrongWriter WeakWriter
}

impl<W: Writes> io::Write for Blocking<W> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_until(&[bytes], Until::Forever)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_until(buffers, Until::Forever)
    }

    /// Does nothing. Readers see every slice as soon as it is written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<E: fmt::Debug> fmt::Debug for Blocking<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.endpoint).finish()
    }
}

#[allow(unused, reason = "a static assertion")]
const fn blocking_endpoints_can_be_sent() {
    const fn send<T: Send>() {}
    send::<Blocking<Writer>>();
    send::<Blocking<Reader>>();
    send::<Blocking<WeakReader>>();
}
