//! Where a reader begins.

use super::Spool;
use super::error::StartError;
use super::reader::SpoolReader;
use super::shared::{Figures, Shared};
use crate::error::Failure;

/// Where a reader begins, for [`Spool::reader_from`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Start {
    /// At the oldest byte that is kept: the first one, if all is.
    Oldest,
    /// At this byte. It may lie behind what is written; reads wait there.
    At(u64),
    /// Behind the last byte that is there.
    End,
    /// So many bytes before that; at the oldest, where fewer are kept.
    /// [`SpoolReader::backlog`] tells how many it got.
    Back(u64),
}

impl Spool {
    /// A reader that begins there.
    ///
    /// In a spool that keeps its [last](super::Retain::Last) bytes alone it is a *strong* one: the writer
    /// waits for it.
    ///
    /// # Errors
    ///
    /// - `Refused`, if [`refuse_readers`](Self::refuse_readers) was called.
    /// - `Evicted`, for [`Start::At`] a byte that is not kept any more.
    pub fn reader_from(&self, start: Start) -> Result<SpoolReader, StartError> {
        SpoolReader::new(&self.shared, start, self.shared.bound.is_some())
    }

    /// As [`reader_from`](Self::reader_from), but the writer does not wait for it: it is *weak*. If the
    /// writer passes it, its next read tells how much it has missed
    /// ([`ReadError::Lagged`](super::ReadError::Lagged)). Where all is kept there is one kind of readers, and
    /// this makes the same.
    ///
    /// # Errors
    ///
    /// As for [`reader_from`](Self::reader_from).
    pub fn weak_reader_from(&self, start: Start) -> Result<SpoolReader, StartError> {
        SpoolReader::new(&self.shared, start, false)
    }

    /// A reader that begins at the oldest byte that is kept: at the first one, if all is. In a spool that
    /// keeps its last bytes alone, the writer waits for it.
    ///
    /// # Errors
    ///
    /// If [`refuse_readers`](Self::refuse_readers) was called, with its error. On a spool that has
    /// ended there is a reader all the same, and its reads tell what is left.
    pub fn reader(&self) -> Result<SpoolReader, Failure> {
        self.reader_from(Start::Oldest).map_err(refused)
    }

    /// As [`reader`](Self::reader), but the writer does not wait for it. See
    /// [`weak_reader_from`](Self::weak_reader_from).
    ///
    /// # Errors
    ///
    /// As for [`reader`](Self::reader).
    pub fn weak_reader(&self) -> Result<SpoolReader, Failure> {
        self.weak_reader_from(Start::Oldest).map_err(refused)
    }
}

fn refused(error: StartError) -> Failure {
    match error {
        StartError::Refused(failure) => failure,
        StartError::Evicted { .. } => unreachable!("the oldest byte is kept"),
    }
}

impl Shared {
    /// Has the reader of these figures begin. Tells where it stands, and how many bytes were there from
    /// there on.
    pub(super) fn begin_at(
        &self,
        figures: &Figures,
        start: Start,
        is_strong: bool,
    ) -> Result<(u64, u64), StartError> {
        // More than once only if the writer has passed the place meanwhile. It does so once: then it waits.
        loop {
            let (len, begin) = (self.length_and_ending().0, self.begin());
            let position = match start {
                Start::Oldest => begin,
                Start::At(position) => position,
                Start::End => len,
                Start::Back(bytes) => len.saturating_sub(bytes).max(begin),
            };
            let held = match is_strong {
                true => self.hold(figures, position),
                false if position < begin => Err(begin),
                false => {
                    figures.position.set(position);
                    Ok(())
                }
            };
            match held {
                Ok(()) => return Ok((position, len.saturating_sub(position))),
                Err(begin) if matches!(start, Start::At(_)) => {
                    self.let_pass(figures);
                    return Err(StartError::Evicted {
                        position,
                        begin,
                        len: self.length_and_ending().0,
                    });
                }
                Err(_) => {}
            }
        }
    }
}
