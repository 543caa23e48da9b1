//! Readers of a spool that keeps its last bytes alone: strong and weak.

use super::error::{ReadError, SeekError};
use super::reader::SpoolReader;
use super::start::Start;

/// Readers where the spool keeps its [last](super::Retain::Last) bytes alone.
impl SpoolReader {
    /// Whether the writer waits for it. Where all is kept, the writer waits for nobody.
    pub fn is_strong(&self) -> bool {
        self.is_strong
    }

    /// How many bytes were there to read when it began: with [`Start::Back`] as many as were asked for, or
    /// all that were kept, if that was less. A clone begins when it is made, where its original stands then.
    pub fn backlog(&self) -> u64 {
        self.backlog
    }

    /// Has the writer not wait for it any more.
    pub fn make_weak(&mut self) {
        self.is_strong = false;
        self.shared().let_pass(&self.sleeper.seat.figures);
    }

    /// Has the writer wait for it from here on. Where all is kept this does nothing.
    ///
    /// # Errors
    ///
    /// `Evicted`, if it has been passed by what is kept. It stays weak then, and its next read tells how much
    /// it has missed.
    pub fn make_strong(&mut self) -> Result<(), SeekError> {
        if self.is_strong || self.shared().bound.is_none() {
            return Ok(());
        }
        let (figures, position) = (&self.sleeper.seat.figures, self.position);
        let held = self.shared().hold(figures, position);
        if let Err(begin) = held {
            self.shared().let_pass(figures);
            return Err(SeekError::Evicted { position, begin, len: self.len() });
        }
        self.is_strong = true;
        Ok(())
    }

    /// Waits until the stream has ended, and tells its length. A dropped future has done nothing.
    ///
    /// # Errors
    ///
    /// - `Failed` and `Terminated`, if it has not ended well.
    /// - `Closed`, if this reader was, by its [`Closer`](super::Closer).
    /// - `Deadlock`, if this reader is strong, and the end is not within reach of the writer: that waits for
    ///   this reader.
    pub async fn finished(&self) -> Result<u64, ReadError> {
        let check = || match self.sleeper.seat.figures.is_closed() {
            true => Some(Err(ReadError::Closed)),
            false => self.shared().outcome(),
        };
        if let Some(outcome) = check() {
            return outcome;
        }
        if self.stands_in_the_way_of(self.shared().known_len.unwrap_or(u64::MAX)).is_some() {
            return Err(ReadError::Deadlock);
        }
        self.shared().until(check).await
    }

    /// Goes to a place, if that is kept, or not written yet.
    #[cold]
    pub(super) fn move_within_bound(&mut self, position: u64) -> Result<(), SeekError> {
        let (shared, figures) = (&self.sleeper.shared, &self.sleeper.seat.figures);
        let begin = shared.begin();
        let held = match self.is_strong {
            // What comes behind the place of a strong reader is kept for it, whatever `begin` says.
            true if position >= self.position => Ok(()),
            _ if position < begin => Err(begin),
            true => shared.hold(figures, position),
            false => Ok(()),
        };
        match held {
            Ok(()) => self.move_to(position),
            Err(begin) => {
                self.move_to(self.position);
                return Err(SeekError::Evicted { position, begin, len: self.len() });
            }
        }
        Ok(())
    }

    /// What it reads next was let go of: goes on to the oldest byte that is kept.
    #[cold]
    pub(super) fn catch_up(&mut self) -> ReadError {
        let figures = &self.sleeper.seat.figures;
        let begun = self.shared().begin_at(figures, Start::Oldest, self.is_strong);
        let Ok((position, _)) = begun else { unreachable!("the oldest byte is kept") };
        let missed = position.saturating_sub(self.position);
        self.move_to(position);
        ReadError::Lagged { missed }
    }

    /// Why it would wait for ever for the byte before `wanted`: it is strong, and the writer waits for it
    /// before it comes there.
    pub(super) fn stands_in_the_way_of(&self, wanted: u64) -> Option<ReadError> {
        let bound = self.shared().bound.as_ref().filter(|_| self.is_strong)?;
        let wanted = wanted.min(self.shared().known_len.unwrap_or(u64::MAX));
        let asked = wanted.saturating_sub(self.position);
        if asked <= bound.bytes || wanted <= self.len() || self.shared().outcome().is_some() {
            return None;
        }
        Some(ReadError::BeyondBound { asked, bytes: bound.bytes })
    }
}
