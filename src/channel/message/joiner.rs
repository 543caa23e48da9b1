//! Puts together again what a write had to split.

use super::{Message, Missed};
use std::collections::HashMap;
use std::ops::Deref;

/// Puts the pieces of long writes together.
///
/// A write that is longer than the longest slice becomes several messages, and those of other
/// writers may come between them. The joiner keeps the pieces of each writer until the last one has
/// come, and hands on at once what was not split. Pieces of a write of which another piece was
/// missed are left out, and counted.
///
/// It keeps as much as the writes under way are long, whatever the size of the ring is, and what a
/// writer had begun that went in the middle of a write: use it for writers that are trusted to come to
/// an end.
///
/// ```
/// use overfall::{Channel, Joiner};
/// use std::io::Write;
///
/// let channel = Channel::new(256);
/// let mut reader = channel.new_strong_reader().blocking();
/// let mut writer = channel.new_strong_writer().blocking();
/// drop(channel);
/// let thread = std::thread::spawn(move || writer.write_all(&[7; 1000]));
///
/// let mut joiner = Joiner::new();
/// let mut lengths = Vec::new();
/// while let Some(message) = reader.recv()? {
///     if let Some(whole) = joiner.join(&message) {
///         lengths.push(whole.len());
///     }
/// }
/// assert_eq!(lengths, [1000]);
/// # thread.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Joiner {
    /// What has come so far of a write of this writer.
    begun: HashMap<u32, Begun>,
    left_out: Missed,
}

#[derive(Debug)]
struct Begun {
    /// The sequence number of the next piece.
    next: u64,
    pieces: u64,
    bytes: Vec<u8>,
}

/// What a [`Joiner`] hands on: the bytes of one whole message or write.
#[derive(Debug)]
pub enum Joined<'a> {
    /// It was one message.
    Whole(&'a [u8]),
    /// It was put together.
    Pieces(Vec<u8>),
}

impl Joiner {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next message of a reader; hands on what it completes. Messages of all writers must
    /// come through here, in the order in which they were received.
    pub fn join<'a>(&mut self, message: &'a Message<'_>) -> Option<Joined<'a>> {
        let header = message.header();
        let mut begun = self.begun.remove(&header.writer);
        if !header.continues || begun.as_ref().is_some_and(|begun| begun.next != header.sequence) {
            // A piece was missed, or the writer went on to something else.
            if let Some(Begun { pieces, bytes, .. }) = begun.take() {
                self.leave_out(pieces, bytes.len());
            }
        }
        if header.continues && begun.is_none() {
            self.leave_out(1, message.len());
            return None;
        }
        if begun.is_none() && !header.is_continued {
            return Some(Joined::Whole(message));
        }
        let mut begun = begun.unwrap_or(Begun { next: 0, pieces: 0, bytes: Vec::new() });
        begun.next = header.sequence + 1;
        begun.pieces += 1;
        begun.bytes.extend_from_slice(message);
        if header.is_continued {
            self.begun.insert(header.writer, begun);
            return None;
        }
        Some(Joined::Pieces(begun.bytes))
    }

    fn leave_out(&mut self, messages: u64, bytes: usize) {
        self.left_out += Missed { messages, bytes: bytes as u64 };
    }

    /// What was left out so far, because another piece of its write was missing.
    pub fn left_out(&self) -> Missed {
        self.left_out
    }
}

impl Deref for Joined<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Pieces(bytes) => bytes,
        }
    }
}
