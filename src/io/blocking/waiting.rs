//! Waiting for what others do, with threads that park.

use super::{Blocking, Until, given_up};
use crate::channel::endpoint::Sends;
use crate::channel::waiting::{Attended, Closed, Event, Waiting};
use crate::channel::weak::WeakChannel;
use crate::wait::inside::is_inside;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

impl WeakChannel {
    /// Converts this handle into one that parks the thread to wait: for the end, for readers, or until
    /// what was sent has been read.
    pub fn blocking(self) -> Blocking<Self> {
        Blocking::new(self)
    }
}

impl<E: Sends> Blocking<E> {
    /// Parks the thread until all strong readers have read what was sent so far: by this writer, or, of a
    /// handle, by all of them.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` and `ConnectionAborted`, with the [`FlushError`](crate::error::FlushError) inside, as
    /// for [`Writer::flushed`](crate::Writer::flushed).
    pub fn flushed(&mut self) -> io::Result<()> {
        self.flush_until(Until::Forever)
    }

    /// Like [`flushed`](Self::flushed), or fails with [`io::ErrorKind::TimedOut`] if it is not read by
    /// `deadline`.
    ///
    /// # Errors
    ///
    /// As for `flushed`, and `TimedOut`.
    pub fn flushed_deadline(&mut self, deadline: Instant) -> io::Result<()> {
        self.flush_until(Until::Deadline(deadline))
    }

    /// Like [`flushed`](Self::flushed), or fails with [`io::ErrorKind::TimedOut`] if it is not read within
    /// `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// A shutdown that does not wait for ever:
    ///
    /// ```
    /// use std::thread;
    /// use std::time::Duration;
    ///
    /// let (mut writer, reader) = overfall::pipe(4096);
    /// let recording = thread::spawn(move || {
    ///     let mut recorder = reader.blocking();
    ///     while let Some(line) = recorder.recv()? {
    ///         // ... to a file
    ///         drop(line);
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// });
    /// writer.try_send(b"the last words")?;
    /// let mut writer = writer.blocking();
    /// if let Err(error) = writer.flushed_timeout(Duration::from_secs(10)) {
    ///     eprintln!("some lines may be lost: {error}");
    /// }
    /// drop(writer);
    /// recording.join().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for `flushed`, and `TimedOut`.
    pub fn flushed_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.flush_until(Until::timeout(timeout))
    }

    fn flush_until(&mut self, until: Until) -> io::Result<()> {
        let event = self.endpoint.sent();
        Ok(self.wait_for_event(until, event).ok_or_else(|| given_up(until))??)
    }

    /// Parks the thread until there is a reader, strong or weak; at once, if there is one.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` or `ConnectionAborted`, with the [`WriteError`](crate::error::WriteError) inside, if
    /// the channel takes no more slices.
    pub fn reader_present(&mut self) -> io::Result<()> {
        self.present_until(Until::Forever)
    }

    /// Like [`reader_present`](Self::reader_present), or fails with [`io::ErrorKind::TimedOut`] if none
    /// comes within `timeout`. A timeout that overflows [`Instant`] never ends.
    ///
    /// # Errors
    ///
    /// As for `reader_present`, and `TimedOut`.
    pub fn reader_present_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.present_until(Until::timeout(timeout))
    }

    fn present_until(&mut self, until: Until) -> io::Result<()> {
        Ok(self.wait_for_event(until, Attended(true)).ok_or_else(|| given_up(until))??)
    }

    /// Parks the thread until there is no reader, or until the channel takes no more slices.
    ///
    /// # Errors
    ///
    /// `Unsupported`, on a target without threads, if there is something to wait for.
    pub fn reader_absent(&mut self) -> io::Result<()> {
        self.absent_until(Until::Forever)
    }

    /// Like [`reader_absent`](Self::reader_absent), or fails with [`io::ErrorKind::TimedOut`] if a reader
    /// is there still after `timeout`.
    ///
    /// # Errors
    ///
    /// `TimedOut`.
    pub fn reader_absent_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.absent_until(Until::timeout(timeout))
    }

    fn absent_until(&mut self, until: Until) -> io::Result<()> {
        let came = self.wait_for_event(until, Attended(false));
        came.map(|_whether_it_is_closed| ()).ok_or_else(|| given_up(until))
    }
}

impl Blocking<WeakChannel> {
    /// Parks the thread until the channel takes no more slices.
    ///
    /// # Errors
    ///
    /// `Unsupported`, on a target without threads, if it still does.
    pub fn closed(&mut self) -> io::Result<()> {
        self.closed_until(Until::Forever)
    }

    /// Like [`closed`](Self::closed), or fails with [`io::ErrorKind::TimedOut`] if it still does after
    /// `timeout`.
    ///
    /// # Errors
    ///
    /// `TimedOut`.
    pub fn closed_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.closed_until(Until::timeout(timeout))
    }

    fn closed_until(&mut self, until: Until) -> io::Result<()> {
        self.wait_for_event(until, Closed).ok_or_else(|| given_up(until))
    }
}

impl<E: Sends> Blocking<E> {
    /// `None` if the time is up first. From within an event of ours nobody waits.
    fn wait_for_event<V: Event>(&mut self, until: Until, event: V) -> Option<V::Output> {
        let until = if is_inside() { Until::Now } else { until };
        let mut waiting = Waiting::new(self.endpoint.shared(), event);
        if let Poll::Ready(came) = waiting.check() {
            return Some(came);
        }
        self.wait(
            until,
            |_| {},
            |_, context| match context {
                None => waiting.check(),
                Some(context) => Pin::new(&mut waiting).poll(context),
            },
        )
    }
}
