//! Endpoints that park the thread.

mod messages;

use crate::Backpressure;
use crate::error::{ReadError, ReserveError, TryReadError, TryReserveError, WriteError};
#[cfg(not(overfall_loom))]
use crate::reader::StrongReader;
use crate::reader::{Read, Reader, WeakReader};
use crate::slice::Slice;
use crate::trace;
use crate::writer::{HasCore, StrongWriter, Wait, WeakWriter, Writer};
use crossbeam_utils::Backoff;
use crossbeam_utils::sync::{Parker, Unparker};
use std::fmt;
#[cfg(not(overfall_loom))]
use std::io::BufRead;
use std::io::{self, IoSlice};
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// An endpoint whose operations park the thread until they can be done.
///
/// Made by the `blocking` of each endpoint. Writers get [`io::Write`], readers [`io::Read`], strong
/// readers [`io::BufRead`], and all of them variants with a deadline. A short spin comes first, so
/// that an answer that is about to come does not cost a sleep; a parked thread uses no processor
/// time.
///
/// Not for async code: it would park the runtime's thread. From within an event of the feature `tracing`
/// it does not wait: there a write for which there is no room is dropped and counted, as with
/// [`Backpressure::Drop`], and a read that finds nothing fails with
/// [`io::ErrorKind::WouldBlock`].
///
/// Each `write` is a slice, so what must stay together goes into one: `write!` into a writer makes one of
/// each piece of its format, between which others may come. Format first and `write_all` the
/// result, `reserve` and `write!` into the slice, or put a [`BufWriter`](std::io::BufWriter) in front.
///
/// ```
/// use std::io::{Read, Write};
///
/// let (writer, reader) = overfall::pipe(4096);
/// let thread = std::thread::spawn(move || {
///     let mut text = String::new();
///     reader.blocking().read_to_string(&mut text).map(|_| text)
/// });
/// let mut writer = writer.blocking();
/// for number in 0..1000 {
///     writeln!(writer, "line {number}")?;
/// }
/// drop(writer);
/// assert_eq!(thread.join().unwrap()?.lines().count(), 1000);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Blocking<E> {
    endpoint: E,
    parker: Parker,
    waker: Waker,
}

/// Wakes the thread that is parked in an operation.
struct Unpark(Unparker);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn timed_out() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the deadline passed before there was anything to do")
}

/// The moment `timeout` from now; nothing if it is too far off to be one.
pub(crate) fn deadline_after(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

impl<E> Blocking<E> {
    pub(crate) fn new(endpoint: E) -> Self {
        let parker = Parker::new();
        let waker = Waker::from(Arc::new(Unpark(parker.unparker().clone())));
        Self { endpoint, parker, waker }
    }

    /// The endpoint itself, for what it can do without waiting.
    pub fn get_ref(&self) -> &E {
        &self.endpoint
    }

    /// The endpoint itself, for what it can do without waiting.
    pub fn get_mut(&mut self) -> &mut E {
        &mut self.endpoint
    }

    /// The endpoint as it was before.
    pub fn into_inner(self) -> E {
        self.endpoint
    }

    /// Parks until `poll` is ready; nothing if the deadline comes first.
    fn park_until<T>(
        &mut self,
        deadline: Option<Instant>,
        mut poll: impl FnMut(&mut E, &mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let waker = self.waker.clone();
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(value) = poll(&mut self.endpoint, &mut context) {
                return Some(value);
            }
            match deadline {
                None => self.parker.park(),
                Some(deadline) if Instant::now() < deadline => self.parker.park_deadline(deadline),
                Some(_) => return None,
            }
        }
    }
}

/// How often a thread lets others run before it sleeps. To sleep and be woken costs as much as some
/// tens of this, and with more threads than processors those that run meanwhile are the ones that
/// it waits for: eight writers get half as much again done.
const YIELDS: u32 = 8;

/// Spins a little while `attempt` finds nothing to do, and then lets others run a few times.
fn spin<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let backoff = Backoff::new();
    let mut yields = 0;
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if trace::is_inside() {
            return None;
        }
        if backoff.is_completed() {
            if yields == YIELDS {
                return None;
            }
            yields += 1;
        }
        backoff.snooze();
    }
}

#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
impl<R: Read> Blocking<R> {
    /// Reads, or fails with [`io::ErrorKind::TimedOut`] if there is nothing until `deadline`.
    ///
    /// # Errors
    ///
    /// A gap of a weak reader, with the [`Lagged`](crate::error::Lagged) inside;
    /// `ConnectionAborted` after the channel or the reader was terminated; `TimedOut`.
    pub fn read_deadline(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        self.read_until_deadline(buffer, Some(deadline))
    }

    /// Reads, or fails with [`io::ErrorKind::TimedOut`] if there is nothing for as long as
    /// `timeout`. One that is too long to come to an end never does.
    ///
    /// # Errors
    ///
    /// As for [`read_deadline`](Self::read_deadline).
    pub fn read_timeout(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        self.read_until_deadline(buffer, deadline_after(timeout))
    }

    #[inline]
    fn read_until_deadline(
        &mut self,
        buffer: &mut [u8],
        deadline: Option<Instant>,
    ) -> io::Result<usize> {
        match self.endpoint.read_now(buffer) {
            Ok(read) => Ok(read),
            Err(TryReadError::Empty) => self.wait_and_read(buffer, deadline),
            Err(TryReadError::Lagged(lagged)) => Err(ReadError::Lagged(lagged).into()),
            Err(TryReadError::Terminated) => Err(ReadError::Terminated.into()),
        }
    }

    #[inline(never)]
    fn wait_and_read(&mut self, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
        let at_once = spin(|| match self.endpoint.read_now(buffer) {
            Ok(read) => Some(Ok(read)),
            Err(TryReadError::Empty) => None,
            Err(TryReadError::Lagged(lagged)) => Some(Err(ReadError::Lagged(lagged))),
            Err(TryReadError::Terminated) => Some(Err(ReadError::Terminated)),
        });
        let read = at_once.or_else(|| {
            self.park_until(deadline, |reader, context| reader.poll_read(context, buffer))
        });
        self.endpoint.stop_waiting();
        Ok(read.ok_or_else(timed_out)??)
    }
}

impl<R: Read> io::Read for Blocking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_until_deadline(buffer, None)
    }
}

#[cfg(not(overfall_loom))]
impl Blocking<StrongReader> {
    /// Lends what is there, as [`BufRead::fill_buf`], or fails with [`io::ErrorKind::TimedOut`] if
    /// there is nothing until `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`read_deadline`](Self::read_deadline).
    pub fn fill_buf_deadline(&mut self, deadline: Instant) -> io::Result<&[u8]> {
        self.fill_buf_until_deadline(Some(deadline))
    }

    fn fill_buf_until_deadline(&mut self, deadline: Option<Instant>) -> io::Result<&[u8]> {
        // What is found is lent by a second look: a loan cannot leave the loop that asks for it.
        let at_once = spin(|| match self.endpoint.try_fill_buf() {
            Err(TryReadError::Empty) => None,
            _ => Some(()),
        });
        let found = at_once.or_else(|| {
            self.park_until(deadline, |reader, context| reader.poll_fill_buf(context).map(drop))
        });
        self.endpoint.stop_waiting();
        found.ok_or_else(timed_out)?;
        Ok(self.endpoint.try_fill_buf()?)
    }
}

#[cfg(not(overfall_loom))]
impl BufRead for Blocking<StrongReader> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill_buf_until_deadline(None)
    }

    fn consume(&mut self, amount: usize) {
        self.endpoint.consume(amount);
    }
}

#[allow(private_bounds, reason = "implemented for the endpoints of this crate alone")]
impl<W: HasCore> Blocking<W> {
    /// Writes, or fails with [`io::ErrorKind::TimedOut`] if there is no room until `deadline`;
    /// nothing was written then.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if the channel takes no more slices, `ConnectionAborted` after the channel or
    /// the writer was terminated; `TimedOut`.
    pub fn write_deadline(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        self.write_until_deadline(&[bytes], Some(deadline))
    }

    /// Writes, or fails with [`io::ErrorKind::TimedOut`] if there is no room for as long as
    /// `timeout`. One that is too long to come to an end never does.
    ///
    /// # Errors
    ///
    /// As for [`write_deadline`](Self::write_deadline).
    pub fn write_timeout(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<usize> {
        self.write_until_deadline(&[bytes], deadline_after(timeout))
    }

    #[inline]
    fn write_until_deadline(
        &mut self,
        buffers: &[impl Deref<Target = [u8]>],
        deadline: Option<Instant>,
    ) -> io::Result<usize> {
        match buffers {
            [bytes] if self.endpoint.writer_core().write_alone(bytes) => Ok(bytes.len()),
            _ => self.wait_and_write(buffers, deadline),
        }
    }

    #[inline(never)]
    fn wait_and_write(
        &mut self,
        buffers: &[impl Deref<Target = [u8]>],
        deadline: Option<Instant>,
    ) -> io::Result<usize> {
        let core = self.endpoint.writer_core();
        let at_once = match core.shared().backpressure {
            Backpressure::Drop => None,
            Backpressure::Block => spin(|| match core.try_write_among_others(buffers) {
                Ok(written) => Some(Ok(written)),
                Err(crate::error::TryWriteError::Full) => None,
                Err(crate::error::TryWriteError::Closed) => Some(Err(WriteError::Closed)),
                Err(crate::error::TryWriteError::Terminated) => Some(Err(WriteError::Terminated)),
            }),
        };
        let written = at_once.or_else(|| {
            self.park_until(deadline, |writer, context| {
                writer.writer_core().poll_write(context, buffers, Wait::LeavesWhenDropped)
            })
        });
        self.endpoint.writer_core().stop_waiting();
        Ok(written.ok_or_else(timed_out)??)
    }

    /// Reserves room for one slice of up to `len` payload bytes; parks the thread until it is there.
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::reserve`].
    pub fn reserve(&mut self, len: usize) -> Result<Slice<'_>, ReserveError> {
        match self.reserve_until(len, None) {
            Some(reserved) => reserved,
            None => unreachable!("there is no deadline"),
        }
    }

    /// [`reserve`](Self::reserve), or [`io::ErrorKind::TimedOut`] if there is no room until
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// As for [`StrongWriter::reserve`], as [`io::Error`]s; `TimedOut`.
    pub fn reserve_deadline(&mut self, len: usize, deadline: Instant) -> io::Result<Slice<'_>> {
        Ok(self.reserve_until(len, Some(deadline)).ok_or_else(timed_out)??)
    }

    /// Nothing if the deadline comes first.
    pub(crate) fn reserve_until(
        &mut self,
        len: usize,
        deadline: Option<Instant>,
    ) -> Option<Result<Slice<'_>, ReserveError>> {
        let core = self.endpoint.writer_core();
        let at_once = match core.shared().backpressure {
            Backpressure::Drop => None,
            Backpressure::Block => spin(|| match core.try_reserve(len) {
                Err(TryReserveError::Full) => None,
                reserved => Some(reserved.map_err(ReserveError::from)),
            }),
        };
        let reserved = at_once.or_else(|| {
            self.park_until(deadline, |writer, context| {
                writer.writer_core().poll_reserve(context, len)
            })
        });
        let core = self.endpoint.writer_core();
        core.stop_waiting();
        reserved.map(|reserved| Ok(Slice::of_writer(core, reserved?, len)))
    }
}

macro_rules! blocking_writer {
    ($($writer:ident)*) => {$(
        impl io::Write for Blocking<$writer> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.write_until_deadline(&[bytes], None)
            }

            fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
                self.write_until_deadline(buffers, None)
            }

            /// Does nothing: readers see every slice as soon as it is written.
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    )*};
}
blocking_writer!(Writer StrongWriter WeakWriter);

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
