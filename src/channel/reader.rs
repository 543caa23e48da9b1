//! Readers.

mod core;
#[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
mod late;
pub(crate) mod message;
#[cfg(all(feature = "process", any(unix, windows), not(overfall_loom)))]
pub(crate) mod only;
pub(crate) mod peek;
mod receive;
mod receive_buffer;
pub(crate) mod skip;
mod strong;
#[cfg(all(test, not(overfall_loom)))]
mod tests;
mod weak;

pub(crate) use self::core::{Core, Place};
use receive::receive_methods;
pub(crate) use receive::{Receive, poll_attempt, unless_empty, wait_for, wait_to_take};
pub use strong::{StrongReader, Window};
pub use weak::WeakReader;

use crate::channel::reader::message::{Header, Message, Messages, Missed};
use crate::channel::reader::peek::Peeked;
use crate::channel::reader::skip::Skipped;
use crate::channel::stats::ReaderStats;
use crate::channel::terms::StartAt;
use crate::channel::waiting::{Closed, Waiting};
use crate::error::{IntoStrongError, ReadError, TryReadError};
use crate::ring::descriptor::Description;
use std::fmt;
use std::task::{Context, Poll};

/// What the io traits of all readers are made of.
pub(crate) trait Read {
    /// Reads without waiting; an empty buffer is `Ok(0)` at once.
    fn read_now(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError>;

    /// Fills `buffer`, if that takes no more than a look at one slice. If not, nothing has happened, but that
    /// the contents of the buffer are anything.
    fn read_quick(&mut self, buffer: &mut [u8]) -> bool;

    /// Whether there is nothing, at a glance, and the context's waker is registered. If not, it is to be found
    /// out, and who finds something [unparks](Core::unpark): it may be registered all the same.
    #[inline]
    fn sees_nothing_and_parks(&mut self, _context: &mut Context<'_>) -> bool {
        false
    }

    /// Reads, or registers the context's waker.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>>;

    fn core(&self) -> &Core;

    /// Where it stands.
    fn place(&self) -> Place;

    fn core_mut(&mut self) -> &mut Core;

    /// Ends this reader at once.
    fn end(&mut self);

    /// Forgets a waker that [`Read::poll_read`] registered.
    fn stop_waiting(&mut self) {
        self.core_mut().stop_waiting();
    }
}

/// What lends bytes where they lie: the buffered-read traits are made of it.
pub(crate) trait Lend: Read {
    fn lender(&mut self) -> &mut StrongReader;
}

/// The methods that every kind of reader has.
macro_rules! reader_methods {
    ($reader:ident) => {
        impl $reader {
            /// Reads what is there without waiting, across slices, up to the length of `buffer`.
            ///
            /// `Ok(0)` is the end: the channel has drained, and everything was read. A read into an
            /// empty buffer always returns `Ok(0)`, too. A weak reader may return less than there
            /// is where padding lies between two slices.
            ///
            /// # Errors
            ///
            /// - [`TryReadError::Empty`] if there is nothing yet.
            /// - [`TryReadError::Lagged`] if a weak reader was overrun, once for each gap. The
            ///   contents of `buffer` are unspecified then. The next read goes on after the gap.
            /// - [`TryReadError::Failed`] if the channel [failed](crate::Channel::fail), in place of the end.
            /// - [`TryReadError::Terminated`] if the channel or this reader was terminated.
            /// - [`TryReadError::HoldTaken`] if the owner of the channel took a strong reader's hold
            ///   ([`take_hold`](crate::Channel::take_hold)).
            #[inline]
            pub fn try_read(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
                self.read_now(buffer)
            }

            /// Ends this reader at once. It no longer holds writers back, and its reads fail with
            /// `Terminated` ([`std::io::ErrorKind::ConnectionAborted`]). What it has not read is
            /// gone.
            pub fn terminate(&mut self) {
                self.end();
            }

            /// Waits until the channel takes no more slices: it was drained or terminated, or its
            /// last strong writer and its handle are gone. There may still be something to read.
            ///
            /// # Cancel safety
            ///
            /// If the future is dropped, nothing is lost. It does not borrow the reader.
            pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
                Waiting::new(Read::core(self).shared(), Closed)
            }

            /// Whether the channel takes no more slices. There may still be something to read.
            pub fn is_closed(&self) -> bool {
                Read::core(self).is_closed()
            }

            /// Gives this reader a name, for its figures and for events of the feature `tracing`. Clones
            /// do not inherit it.
            ///
            /// ```
            /// use overfall::Channel;
            ///
            /// let channel = Channel::new(1024);
            /// let mut writer = channel.new_writer();
            /// let recorder = channel.new_strong_reader();
            /// recorder.set_name("recorder");
            /// writer.try_send(b"a line")?;
            ///
            /// let stats = channel.stats();
            /// let slowest = stats.slowest_reader().unwrap();
            /// assert_eq!((slowest.name.as_deref(), slowest.lag), (Some("recorder"), 64));
            /// assert_eq!((stats.held_ring_bytes, stats.capacity), (64, 1024));
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn set_name(&self, name: impl Into<std::sync::Arc<str>>) {
                Read::core(self).set_name(name.into());
            }

            /// What this reader has read so far.
            pub fn stats(&self) -> ReaderStats {
                Read::core(self).stats()
            }
        }

        impl fmt::Debug for $reader {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct(stringify!($reader));
                debug.field("stats", &self.stats()).field("is_closed", &self.is_closed()).finish()
            }
        }
    };
}
use reader_methods;

/// A reader of either strength.
///
/// Writers wait for a strong reader. A weak one can be overrun: see [`WeakReader`].
///
/// A function that takes `impl Into<Reader>` accepts each kind of reader:
///
/// ```
/// use overfall::Reader;
///
/// fn count(reader: impl Into<Reader>) -> std::io::Result<usize> {
///     let mut reader = reader.into().blocking();
///     let mut messages = 0;
///     while reader.recv()?.is_some() {
///         messages += 1;
///     }
///     Ok(messages)
/// }
///
/// let (mut writer, reader) = overfall::pipe(1024);
/// writer.try_send(b"one")?;
/// drop(writer);
/// assert_eq!(count(reader)?, 1);
/// # Ok::<(), std::io::Error>(())
/// ```
pub enum Reader {
    /// It loses nothing, and writers wait for it.
    Strong(StrongReader),
    /// Nobody waits for it, and it can be overrun.
    Weak(WeakReader),
}

impl Reader {
    /// Whether writers wait for it.
    pub fn is_strong(&self) -> bool {
        matches!(self, Self::Strong(_))
    }

    /// Converts this reader into a strong one.
    ///
    /// # Errors
    ///
    /// As for [`WeakReader::into_strong`].
    #[allow(clippy::result_large_err, reason = "the reader goes back to its owner")]
    pub fn into_strong(self) -> Result<StrongReader, IntoStrongError<Self>> {
        match self {
            Self::Strong(reader) => Ok(reader),
            Self::Weak(reader) => reader
                .into_strong()
                .map_err(|error| IntoStrongError { reader: Self::Weak(error.reader) }),
        }
    }

    /// Converts this reader into a weak one.
    pub fn into_weak(self) -> WeakReader {
        match self {
            Self::Strong(reader) => reader.into_weak(),
            Self::Weak(reader) => reader,
        }
    }

    fn as_read(&self) -> &dyn Receive {
        match self {
            Self::Strong(reader) => reader,
            Self::Weak(reader) => reader,
        }
    }

    fn as_read_mut(&mut self) -> &mut dyn Receive {
        match self {
            Self::Strong(reader) => reader,
            Self::Weak(reader) => reader,
        }
    }
}

impl Read for Reader {
    fn read_now(&mut self, buffer: &mut [u8]) -> Result<usize, TryReadError> {
        self.as_read_mut().read_now(buffer)
    }

    fn read_quick(&mut self, buffer: &mut [u8]) -> bool {
        self.as_read_mut().read_quick(buffer)
    }

    fn sees_nothing_and_parks(&mut self, context: &mut Context<'_>) -> bool {
        self.as_read_mut().sees_nothing_and_parks(context)
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<usize, ReadError>> {
        self.as_read_mut().poll_read(context, buffer)
    }

    fn core(&self) -> &Core {
        self.as_read().core()
    }

    fn place(&self) -> Place {
        self.as_read().place()
    }

    fn core_mut(&mut self) -> &mut Core {
        self.as_read_mut().core_mut()
    }

    fn end(&mut self) {
        self.as_read_mut().end();
    }
}

reader_methods!(Reader);

impl Receive for Reader {
    fn take(&mut self) -> Result<bool, TryReadError> {
        self.as_read_mut().take()
    }

    fn take_quick(&mut self) -> bool {
        self.as_read_mut().take_quick()
    }

    fn takes_without_a_copy(&self) -> bool {
        self.as_read().takes_without_a_copy()
    }

    fn receive(&mut self) -> Result<Option<Message<'_>>, TryReadError> {
        self.as_read_mut().receive()
    }

    fn take_into(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Header>, TryReadError> {
        self.as_read_mut().take_into(buffer)
    }

    fn take_many(&mut self, limit: usize) -> Result<bool, TryReadError> {
        self.as_read_mut().take_many(limit)
    }

    fn message(&mut self) -> Message<'_> {
        self.as_read_mut().message()
    }

    fn messages(&mut self) -> Messages<'_> {
        self.as_read_mut().messages()
    }

    fn skip_rest(&mut self) -> u64 {
        self.as_read_mut().skip_rest()
    }

    fn skip_to(&mut self, start: StartAt) -> Skipped {
        self.as_read_mut().skip_to(start)
    }

    fn peek_next(&mut self) -> Result<Option<Description>, TryReadError> {
        self.as_read_mut().peek_next()
    }

    fn seen(&self) -> (Header, &[u8]) {
        self.as_read().seen()
    }

    fn consume_seen(&mut self, description: &Description) {
        self.as_read_mut().consume_seen(description);
    }

    fn leave_seen(&mut self) {
        self.as_read_mut().leave_seen();
    }
}

receive_methods!(Reader);

impl Clone for Reader {
    /// Another reader of the same strength, which starts where this one stands.
    #[track_caller]
    fn clone(&self) -> Self {
        match self {
            Self::Strong(reader) => Self::Strong(reader.clone()),
            Self::Weak(reader) => Self::Weak(reader.clone()),
        }
    }
}

impl From<StrongReader> for Reader {
    fn from(reader: StrongReader) -> Self {
        Self::Strong(reader)
    }
}

impl From<WeakReader> for Reader {
    fn from(reader: WeakReader) -> Self {
        Self::Weak(reader)
    }
}
