//! Spools that read a source on demand.

use super::Spool;
use super::error::{ReadError, WriterError};
use super::pull::Pull;
use super::shared::NO_READER;
use super::sleeper::{Sleeper, Visitor};
use crate::io::layers::{AsyncSource, PollRead};
use crate::wait::budget::Budget;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::Duration;

impl Spool {
    /// Has the stream come from `source`, which is read when a reader needs bytes that are not there, and
    /// not before.
    ///
    /// ```
    /// use overfall::spool::Spool;
    /// use std::io::{Read, Seek, SeekFrom};
    ///
    /// let spool = Spool::memory();
    /// spool.pull(&b"a file that takes long to read"[..])?;
    /// let mut reader = spool.reader()?.blocking();
    /// assert!(spool.is_empty());
    /// let mut word = [0; 6];
    /// reader.read_exact(&mut word)?;
    /// assert_eq!(&word, b"a file");
    /// reader.seek(SeekFrom::End(-4))?; // reads the source to its end
    /// reader.read_exact(&mut word[..4])?;
    /// assert_eq!(&word[..4], b"read");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// One reader at a time has it read, once, into the rest of the segment: so more may come than was
    /// asked for, and the first segment should not be larger than what may be read ahead
    /// ([`Builder::growth`](super::Builder::growth)). Readers that need what is there do not notice. A
    /// reader that needs something far on, a seek from the end, and [`load_all`](Self::load_all), have the
    /// source read until it is there. What does not wait, such as
    /// [`try_read`](super::SpoolReader::try_read), has nothing read;
    /// [`without_waiting`](super::SpoolReader::without_waiting) does, once for each `WouldBlock`.
    ///
    /// The source may block. It is read on a thread of its own, which starts when it is first needed. So
    /// deadlines, closes and futures of readers hold meanwhile, and neither dropping the spool nor
    /// [`terminate`](Self::terminate) waits for it. The source is dropped when the stream has ended, and
    /// when neither a handle nor a reader is left; the thread ends when it comes back from the source.
    ///
    /// | what the source does | what follows |
    /// |---|---|
    /// | it ends | the stream is finished |
    /// | it is interrupted | it is read again |
    /// | it fails, also with `WouldBlock` | all who wait now get [`ReadError::Source`]; the next read tries again |
    /// | it fails with [`Final`](crate::source::Final), or panics, or claims more than it had room for | the stream fails |
    ///
    /// # Errors
    ///
    /// If there is a writer, or the stream has ended. The source is the writer from now on, for
    /// [`writer`](Self::writer), [`idle`](Self::idle) and [`stats`](Self::stats) as well.
    pub fn pull(&self, source: impl io::Read + Send + 'static) -> Result<(), WriterError> {
        self.set_source(source, true).map(drop)
    }

    /// As [`pull`](Self::pull), from a source that does not block. It is polled by whatever waits for its
    /// bytes: the future of a reader, or a thread that [blocks](super::SpoolReader::blocking). There is
    /// no other thread. If that future is dropped no byte is lost, and others go on.
    ///
    /// A source of tokio is wrapped in [`Tokio`](crate::source::Tokio), and one of futures in
    /// [`Futures`](crate::source::Futures). While the source has nothing, it wakes all who wait for what is
    /// not there.
    ///
    /// # Errors
    ///
    /// As for [`pull`](Self::pull).
    pub fn pull_async(&self, source: impl AsyncSource + Send + 'static) -> Result<(), WriterError> {
        self.set_source(source, false).map(drop)
    }

    fn set_source(
        &self,
        source: impl PollRead + Send + 'static,
        blocks: bool,
    ) -> Result<Arc<Pull>, WriterError> {
        let pull = Pull::new(self.writer()?, source, blocks);
        self.shared.set_pull(pull.clone());
        Ok(pull)
    }

    /// Has a source [read](Self::pull) to its end, and waits for that, as [`finished`](Self::finished)
    /// does. A dropped future has done nothing more than it had done.
    ///
    /// # Errors
    ///
    /// As for [`finished`](Self::finished), and `Source`: then it can be called again. `Evicted` once a
    /// spool that keeps its [last](super::Retain::Last) bytes alone has let go of the first, also if it
    /// waits by then: all of it is not to be had any more.
    pub async fn load_all(&self) -> Result<u64, ReadError> {
        let mut visitor = self.visitor();
        let mut budget = Budget::default();
        poll_fn(|context| {
            budget.poll(context, |context| visitor.0.poll(context, u64::MAX, |_, _| self.loaded()))
        })
        .await
    }

    /// The same, and parks the thread for at most `timeout`; `None` if the stream has not ended by then.
    /// With a timeout of zero it looks once.
    pub fn load_all_timeout(&self, timeout: Duration) -> Option<Result<u64, ReadError>> {
        let mut loaded = std::pin::pin!(self.load_all());
        self.park_until_polled(timeout, || self.loaded(), |context| loaded.as_mut().poll(context))
    }

    fn loaded(&self) -> Option<Result<u64, ReadError>> {
        let begin = self.shared.begin();
        if begin > 0 {
            return Some(Err(ReadError::Evicted { position: 0, begin, len: self.len() }));
        }
        self.shared.outcome()
    }

    fn visitor(&self) -> Visitor {
        Visitor(Sleeper::new(self.shared.clone(), self.shared.add_seat(NO_READER)))
    }

    /// A source that blocks, and what its thread does.
    #[cfg(all(test, overfall_loom))]
    pub(crate) fn pull_by(&self, source: impl io::Read + Send + 'static) -> Box<dyn FnOnce()> {
        let Ok(pull) = self.set_source(source, true) else { panic!("there is a writer") };
        pull.has_thread();
        Box::new(move || {
            pull.serve(|pull| {
                loom::future::block_on(poll_fn(|context| pull.poll_job(Some(context))))
            });
        })
    }
}
